/* vaultd/core/epoch/certificate_log.h - the log of certificates: a Merkle tree whose leaves are the texts of all
 * certificates in the order in which they were issued, and the checkpoints that sign it. One signature stands for all
 * certificates of a transaction; proofs are computed when they are asked for. docs/decisions/0017.
 *
 * Table VT_TABLE_CERTIFICATE_LOG, key level 1 | index 8:
 *     level 0         the leaf hashes from index * 32 on, 1 to 32 of them
 *     level 5 to 63   hash of a complete subtree
 *     level 255       the index is a size: the signed checkpoint of the first that many leaves
 * META "certificate-log": leaves 8 | leaves signed 8.
 * Invariants: leaves are only added. A committed transaction leaves no leaf unsigned: who adds signs before the commit. So
 * the first checkpoint that covers a leaf stays the first, and its proof is the same for ever.
 * Thread: reads any; writes the committer. */
#pragma once
#include "libvault/proof/tlog_proof.h"
#include "vaultd/core/keyring/keyring.h"

enum { VT_CERTIFICATE_LOG_TILE_LEVEL = 5, VT_CERTIFICATE_LOG_CHECKPOINT = 255 };

/** Add a leaf. The transaction must be signed before it is committed. @return VAULT_E_CORRUPT, and as vt_store_put() */
VT_RESULT vt_certificate_log_add(struct vt_txn *txn, struct vt_bytes text, uint64_t *out_index);
/** Whether the transaction would leave no leaf unsigned. */
VT_RESULT vt_certificate_log_is_signed(struct vt_txn *txn, bool *out_is_signed);
/** Sign what has been added since the last checkpoint, with the certificate key under the log's origin
 *  (vt_certificate_origin_format()). Does nothing when nothing has. */
VT_RESULT vt_certificate_log_sign(struct vt_keyring_view *view, struct vt_txn *txn);
/** Proof of a leaf against the first checkpoint that covers it; the checkpoint is borrowed from the transaction.
 *  @return VAULT_E_NOT_FOUND: no such leaf, or it is not signed yet. VAULT_E_CORRUPT */
VT_RESULT vt_certificate_log_prove(struct vt_txn *txn, uint64_t index, struct vt_tlog_proof *out_proof);
/** The last checkpoint, borrowed. @return VAULT_E_NOT_FOUND when none was ever signed */
VT_RESULT vt_certificate_log_checkpoint(struct vt_txn *txn, struct vt_bytes *out_note);

/** What vt_certificates_check() has found. */
struct vt_certificate_report {
    const char *fault;              /* NULL: sound; else what is wrong, static storage */
    uint64_t at;                    /* number of a leaf, a size, or a certificate, as the fault says */
    uint64_t leaves, checkpoints, texts;
};
/** Recompute the log from its leaves: every inner hash, every checkpoint and its signature; and that each text which is kept is
 *  the leaf that it is said to be. The report is written in every case.
 *  @param verifiers  the log's keys, of all incarnations
 *  @return VAULT_E_CORRUPT: the report says what and where */
VT_RESULT vt_certificates_check(struct vt_txn *txn, const struct vt_note_verifier *verifiers, size_t count,
                                struct vt_certificate_report *out_report);
