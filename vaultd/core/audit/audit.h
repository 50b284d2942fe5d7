/* vaultd/core/audit/audit.h - the Merkle log in the store: one leaf per call, in the transaction that carries
 * its effect.
 *
 * Tables: VT_TABLE_AUDIT sequence 8 -> leaf | payload items (libvault/proof/audit_leaf.h), appended in order;
 * VT_TABLE_AUDIT_NODE level 1 | index 8 -> hash of a complete subtree, level 8 (256 leaves) and above; lower ones are
 * computed from the leaves. VT_TABLE_META "audit.checkpoint" -> the last signed checkpoint.
 * Invariants: the sequence of a leaf is its index in the tree, without gaps. The nodes stored are exactly the complete
 * subtrees of level 8 and above. The frontier in memory is that of the last committed transaction; that of the open
 * transaction is dropped when the transaction is.
 * Thread: struct vt_audit belongs to the committer. Functions that take only a transaction may run anywhere, each on
 * the snapshot of its transaction. */
#pragma once
#include "libvault/proof/audit_check.h"
#include "vaultd/core/store/store.h"

struct vt_audit;

enum { VT_AUDIT_NODE_LEVEL_MIN = 8 };
#define VT_AUDIT_CHECKPOINT_KEY "audit.checkpoint"

/* Writing: the committer ------------------------------------------------------------------------------------------- */

/** Rebuild the frontier: O(log n) nodes and at most 255 leaves are read.
 *  @param txn  any transaction; not kept
 *  @return VAULT_E_CORRUPT (a node or leaf that must be there is not), VAULT_E_MEMORY, VAULT_E_IO */
VT_RESULT vt_audit_open(struct vt_txn *txn, struct vt_audit **out_audit);
void vt_audit_free(struct vt_audit *audit);             /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_audit);

/** Append one leaf inside a write transaction; on the hot path, so: three hashes, one put, no memory.
 *  After a failure the transaction must be aborted, since part of the leaf's nodes may be in it.
 *  @param leaf      borrowed; sequence and payload_hash are filled in by the log, whatever they hold
 *  @param payloads  items one after another as vt_audit_item_write() writes them; may be empty. Not looked at here.
 *  @param out_sequence  NULL allowed
 *  @return VAULT_E_ARGUMENT (the leaf), VAULT_E_TOO_LARGE, VAULT_E_CORRUPT (the table is not where the frontier is),
 *          and those of vt_store_put() */
VT_RESULT vt_audit_append(struct vt_audit *audit, struct vt_txn *txn, const struct vt_audit_leaf *leaf,
                          struct vt_bytes payloads, uint64_t *out_sequence);
/** Sign the state that the open transaction will leave behind and keep it as the last checkpoint. To be called after
 *  the transaction's appends.
 *  @param signer    borrowed: origin (vt_origin_format()) and the vault's audit key
 *  @param out_note  NULL allowed: the note is appended */
VT_RESULT vt_audit_checkpoint(struct vt_audit *audit, struct vt_txn *txn, const struct vt_note_signer *signer,
                              struct vt_buf *out_note);
/** The transaction was committed, or was not: call exactly one of them after each transaction with appends. */
void vt_audit_committed(struct vt_audit *audit);
void vt_audit_rolled_back(struct vt_audit *audit);
/** Leaves committed; leaves with those of the open transaction. */
uint64_t vt_audit_size(const struct vt_audit *audit);
uint64_t vt_audit_pending_size(const struct vt_audit *audit);

/* Payloads: any thread --------------------------------------------------------------------------------------------- */

/** What a payload is sealed with beside its key; the same for opening. */
struct vt_audit_where {
    uint8_t vault_id[16];
    uint64_t incarnation;           /* opening: of the leaf */
    uint64_t tenant;
};
/** Append a sealed item under the subject's audit key, or under the tenant's with a zero origin. The payload id is
 *  random.
 *  @param origin  16 bytes: sid or zero
 *  @return VAULT_E_TOO_LARGE, VAULT_E_MEMORY, VAULT_E_CRYPTO; @p out_items is unchanged then */
VT_RESULT vt_audit_payload_seal(const struct vt_key *key, const struct vt_audit_where *where, const uint8_t origin[16],
                                struct vt_bytes payload, struct vt_buf *out_items);
/** Append the plaintext of a sealed item. @return VAULT_E_ARGUMENT when it is not a sealed one; those of vt_unseal() */
VT_RESULT vt_audit_payload_open(const struct vt_key *key, const struct vt_audit_where *where,
                                const struct vt_audit_item *item, struct vt_buf *out_payload);

/* Reading: any transaction ----------------------------------------------------------------------------------------- */

/** One entry; all parts borrowed from the transaction. */
struct vt_audit_entry {
    struct vt_audit_leaf leaf;
    struct vt_bytes leaf_bytes;
    struct vt_bytes payloads;
    struct vt_bytes row;            /* both of them: what exports and proofs carry */
};
VT_RESULT vt_audit_log_size(struct vt_txn *txn, uint64_t *out_size);
/** @return VAULT_E_NOT_FOUND, VAULT_E_CORRUPT */
VT_RESULT vt_audit_read(struct vt_txn *txn, uint64_t sequence, struct vt_audit_entry *out_entry);
/** Called for entries from..to-1 in order, as far as they exist. Any status but VAULT_OK ends the walk and is returned.
 *  For the tail: from vt_audit_log_size() - n. @return VAULT_E_CORRUPT for a gap or an unreadable leaf */
typedef vault_status (*vt_audit_visitor)(void *context, const struct vt_audit_entry *entry);
VT_RESULT vt_audit_each(struct vt_txn *txn, uint64_t from, uint64_t to, vt_audit_visitor visitor, void *context);

/** Proofs over any past size. @return VAULT_E_ARGUMENT when index and sizes do not fit the log, VAULT_E_CORRUPT */
VT_RESULT vt_audit_root_at(struct vt_txn *txn, uint64_t size, struct vt_merkle_hash *out_root);
VT_RESULT vt_audit_prove_inclusion(struct vt_txn *txn, uint64_t sequence, uint64_t size,
                                   struct vt_merkle_proof *out_proof);
VT_RESULT vt_audit_prove_consistency(struct vt_txn *txn, uint64_t old_size, uint64_t new_size,
                                     struct vt_merkle_proof *out_proof);
/** Append a .tlog-proof of an entry against the last checkpoint; its extra data is the entry's row, or the leaf alone
 *  when the row is larger than VT_TLOG_EXTRA_MAX.
 *  @return VAULT_E_NOT_FOUND: no such entry, or no checkpoint covers it yet */
VT_RESULT vt_audit_prove_entry(struct vt_txn *txn, uint64_t sequence, struct vt_buf *out_proof);
/** The last signed checkpoint, borrowed. @return VAULT_E_NOT_FOUND when none was ever signed */
VT_RESULT vt_audit_last_checkpoint(struct vt_txn *txn, struct vt_bytes *out_note);

/** Whether the log extends a checkpoint that was kept elsewhere (keeper, witness, custodian, the store itself).
 *  @return VAULT_E_ROLLBACK when the log is shorter or another one */
VT_RESULT vt_audit_extends(struct vt_txn *txn, const struct vt_checkpoint *checkpoint);

/* Verifying -------------------------------------------------------------------------------------------------------- */

/** A walk over the log as it is when the walk begins: every leaf, payload hash and node, and the last checkpoint. What
 *  lies behind that checkpoint is only checked for its own shape: sign one first. Steps may run in different
 *  transactions, since the log only grows. */
struct vt_audit_walk;
/** @param verifiers  borrowed; the log's own key among them. A store that was never signed is walked without
 *  checkpoint.
 *  @return VAULT_E_MEMORY, VAULT_E_IO; a bad checkpoint is a finding, not a failure */
VT_RESULT vt_audit_walk_begin(struct vt_txn *txn, const struct vt_note_verifier *verifiers, size_t count,
                              struct vt_audit_walk **out_walk);
/** Check up to @p max_rows more. @param out_done  nothing is left, or a fault has been found
 *  @return VAULT_E_IO, VAULT_E_MEMORY, VAULT_E_CRYPTO; a fault in the log is a finding, not a failure */
VT_RESULT vt_audit_walk_step(struct vt_audit_walk *walk, struct vt_txn *txn, uint64_t max_rows, bool *out_done);
/** What has been found so far, and how many rows the walk has in all. */
const struct vt_audit_report *vt_audit_walk_report(const struct vt_audit_walk *walk);
uint64_t vt_audit_walk_total(const struct vt_audit_walk *walk);
void vt_audit_walk_free(struct vt_audit_walk *walk);    /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_audit_walk);

/** The whole walk in one transaction. The report is written in every case but VAULT_E_MEMORY.
 *  @return VAULT_E_CORRUPT: the log is not sound, the report says where */
VT_RESULT vt_audit_verify(struct vt_txn *txn, const struct vt_note_verifier *verifiers, size_t count,
                          struct vt_audit_report *out_report);
