/* vaultd/core/epoch/journal.h - the delta journal: every commit that changes the keyring appends {pages, key blocks,
 * ledger entries, commit number, previous hash} to a directory that should lie on an independent device. Ciphertext
 * only, needs no secrecy, may be kept for ever. Hash-chained; synced before the acknowledgement, or every N ms by
 * setting. File: `journal-<first commit number, 16 hex>.vtj`, records of length 8 | SHA-256 of the previous record 32 |
 * body | CRC by the hash of the next; a torn tail is cut at the last whole record. Bytes: docs/FORMAT.md "journal".
 * Thread: the committer appends; recovery reads while nothing else runs. */
#pragma once
#include "vaultd/core/keyring/keyring.h"

struct vt_journal;
struct vt_journal_options {
    const char *dir;                /* created with mode 0700 */
    uint64_t segment_bytes;         /* a new file begins past this; 0: 64 MiB */
    int64_t sync_interval_ms;       /* 0: before every acknowledgement */
};
enum vt_journal_kind { VT_JOURNAL_COMMIT = 1, VT_JOURNAL_EPOCH = 2, VT_JOURNAL_ABORTED = 3 };

/** Opens for appending; verifies the chain of the newest segment and cuts a torn tail.
 *  @return VAULT_E_IO, VAULT_E_CORRUPT when the chain is broken before its tail, VAULT_E_FORMAT */
VT_RESULT vt_journal_open(const struct vt_journal_options *options, const struct vt_vault_id *vault_id,
                          struct vt_journal **out_journal);
void vt_journal_free(struct vt_journal *journal);
VT_DEFINE_AUTO_PTR(vt_journal);
/** Durable when it returns, unless sync_interval_ms is set. @return VAULT_E_IO, VAULT_E_DISK_FULL */
VT_RESULT vt_journal_append(struct vt_journal *journal, enum vt_journal_kind kind, const struct vt_keyring_delta *delta,
                            uint64_t commit_number);
/** The last whole record that is not marked aborted. @return VAULT_E_NOT_FOUND for an empty journal */
struct vt_journal_tail {
    uint64_t commit_number;
    struct vt_root_record root;
};
VT_RESULT vt_journal_tail(struct vt_journal *journal, struct vt_journal_tail *out_tail);
/** Mark the tail records after @p commit_number aborted (their transaction never committed). */
VT_RESULT vt_journal_mark_aborted(struct vt_journal *journal, uint64_t after_commit_number);
/** Roll the keyring of @p txn forward: apply every record after @p commit_number, in order, skipping aborted ones.
 *  @return VAULT_E_NOT_FOUND when the journal does not reach back to it */
VT_RESULT vt_journal_roll_forward(struct vt_journal *journal, struct vt_txn *txn, uint64_t commit_number,
                                  uint64_t *out_applied);
struct vt_journal_stats {
    uint64_t records, bytes, segments;
    uint64_t unsynced_commits;          /* the loss bound that `status` states */
    int64_t last_sync_at_ms;
};
void vt_journal_stats(const struct vt_journal *journal, struct vt_journal_stats *out_stats);
