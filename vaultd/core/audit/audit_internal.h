/* vaultd/core/audit/audit_internal.h - keys of the two tables, and the store as a source of tree hashes. Private to
 * this folder. Thread: as the transaction. */
#pragma once
#include "vaultd/core/audit/audit.h"

enum { VT_AUDIT_KEY_LEN = 8, VT_AUDIT_NODE_KEY_LEN = 9 };

/** sequence 8 */
static inline void vt_audit_key(uint64_t sequence, uint8_t out_key[VT_AUDIT_KEY_LEN])
{
    vt_put_u64(out_key, sequence);
}
/** level 1 | index 8 */
static inline void vt_audit_node_key(unsigned level, uint64_t index, uint8_t out_key[VT_AUDIT_NODE_KEY_LEN])
{
    out_key[0] = (uint8_t)level;
    vt_put_u64(out_key + 1, index);
}

/** Split a row found under the key of @p sequence. @return VAULT_E_CORRUPT when it belongs to another,
 * VAULT_E_FORMAT */
VT_RESULT vt_audit_entry_of(struct vt_bytes row, uint64_t sequence, struct vt_audit_entry *out_entry);
/** Stored hash of a complete subtree. @return VAULT_E_NOT_FOUND, VAULT_E_CORRUPT (its length) */
VT_RESULT vt_audit_node_get(struct vt_txn *txn, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash);
/** Stored nodes where there are some, leaves hashed below. */
struct vt_merkle_source vt_audit_source(struct vt_txn *txn);
