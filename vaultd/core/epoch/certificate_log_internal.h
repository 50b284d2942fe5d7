/* vaultd/core/epoch/certificate_log_internal.h - the rows of the log of certificates, for its own two files. Private to this
 * folder. Thread: as the transaction. */
#pragma once
#include "vaultd/core/epoch/certificate_log.h"

enum { VT_CERTIFICATE_LOG_KEY_LEN = 9, VT_CERTIFICATE_LOG_TILE_LEAVES = 1 << VT_CERTIFICATE_LOG_TILE_LEVEL };

/** @param out_value borrowed. @return VAULT_E_NOT_FOUND */
VT_RESULT vt_certificate_log_row(struct vt_txn *txn, unsigned level, uint64_t index, struct vt_bytes *out_value);
/** Leaves, and those that the last checkpoint covers. @return VAULT_E_CORRUPT */
VT_RESULT vt_certificate_log_counts(struct vt_txn *txn, uint64_t *out_leaves, uint64_t *out_covered);
/** @return VAULT_E_CORRUPT when there is no such leaf */
VT_RESULT vt_certificate_log_leaf(struct vt_txn *txn, uint64_t index, struct vt_merkle_hash *out_leaf);
