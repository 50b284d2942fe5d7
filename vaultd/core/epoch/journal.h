/* vaultd/core/epoch/journal.h - the delta journal: every commit that changes the keyring appends {pages, key blocks, ledger
 * entries, root record, hash of the record before} to a directory that should lie on an independent device. Ciphertext only:
 * needs no secrecy, may be kept for ever. Synced before the acknowledgement, or every N ms by setting.
 *
 * Files `journal-<number of the first record, 16 hex>.vtj`; each record carries its own hash and that of the one before, so
 * a flipped byte is noticed wherever it is. Bytes that end before a record does, with nothing whole behind them, are a torn
 * tail and cut; the database says afterwards whether something is missing (vt_journal_note_gap).
 * A record is *live* unless a later one replaced it: its transaction was never kept when a later record has the same commit
 * number or page version, or an abort mark says so. Bytes: docs/FORMAT.md "Journal".
 * Thread: the committer appends, the epoch thread syncs, anybody asks for stats; recovery reads while nothing else runs. */
#pragma once
#include "vaultd/core/keyring/keyring.h"

struct vt_clock;
struct vt_journal;
struct vt_journal_options {
    const char *dir;                /* created with mode 0700 */
    uint64_t segment_bytes;         /* a new file begins past this; 0: 64 MiB */
    int64_t sync_interval_ms;       /* 0: before every acknowledgement */
    const struct vt_clock *clock;   /* borrowed; NULL: the machine's */
};
/** Part of the format: never renumber, never reuse. */
enum vt_journal_kind {
    VT_JOURNAL_COMMIT = 1,
    VT_JOURNAL_EPOCH = 2,           /* the commit that closed an epoch */
    VT_JOURNAL_ABORTED = 3,         /* what was journaled after a commit number was never kept */
    VT_JOURNAL_GAP = 4,             /* records are missing here: roll forward begins behind */
};

/** Opens for appending; verifies the newest file and cuts a torn tail. One process at a time.
 *  @param vault_id NULL: whichever the journal belongs to; an empty one takes that of its first record
 *  @return VAULT_E_IO, VAULT_E_LOCKED, VAULT_E_CORRUPT when a record is damaged that has whole ones behind it, VAULT_E_FORMAT,
 *          VAULT_E_ARGUMENT when it is another vault's */
VT_RESULT vt_journal_open(const struct vt_journal_options *options, const struct vt_vault_id *vault_id,
                          struct vt_journal **out_journal);
void vt_journal_free(struct vt_journal *journal);           /* syncs nothing; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_journal);
/** Durable when it returns, unless sync_interval_ms is set. Nothing of it is kept on failure.
 *  @param more rows beside the delta's, in the same encoding: ledger entries; may be empty
 *  @return VAULT_E_DISK_FULL: try again later. VAULT_E_IO: a failed sync shuts the journal until it is opened again.
 *          VAULT_E_ARGUMENT: another vault's root */
VT_RESULT vt_journal_append(struct vt_journal *journal, enum vt_journal_kind kind, const struct vt_keyring_delta *delta,
                            struct vt_bytes more, uint64_t commit_number);
/** Make what was appended durable (interval mode: the epoch thread calls it). */
VT_RESULT vt_journal_sync(struct vt_journal *journal);

/** The last live record. @return VAULT_E_NOT_FOUND for an empty journal */
struct vt_journal_tail {
    uint64_t commit_number;
    enum vt_journal_kind kind;      /* COMMIT, EPOCH or GAP */
    struct vt_root_record root;
};
VT_RESULT vt_journal_tail(struct vt_journal *journal, struct vt_journal_tail *out_tail);
/** Mark the live records after @p commit_number aborted (their transaction never committed). VAULT_OK when there are none */
VT_RESULT vt_journal_mark_aborted(struct vt_journal *journal, uint64_t commit_number);
/** The database is at @p root and the journal ends before: say so in it, so that nobody rolls forward across the hole. */
VT_RESULT vt_journal_note_gap(struct vt_journal *journal, const struct vt_root_record *root);
/** Roll the keyring of @p txn forward: apply every live record after the root record that @p txn sees, in order; each must
 *  follow from the one before and lead to the root page that it names.
 *  @return VAULT_E_NOT_FOUND when the journal does not reach back to it, VAULT_E_CORRUPT, VAULT_E_IO; @p txn is to be aborted
 *  @param out_tail the last record applied; untouched when there was none (*out_applied is 0) */
VT_RESULT vt_journal_roll_forward(struct vt_journal *journal, struct vt_txn *txn, uint64_t *out_applied,
                                  struct vt_journal_tail *out_tail);
/** The value that the last live record puts under @p key of META, when it is later than @p after_commit.
 *  @return VAULT_E_NOT_FOUND */
VT_RESULT vt_journal_find_meta(struct vt_journal *journal, uint64_t after_commit, const char *key, struct vt_buf *out_value);

struct vt_journal_stats {
    uint64_t records, bytes, segments;
    uint64_t unsynced_commits;          /* the loss bound that `status` states */
    int64_t last_sync_at_ms;
    uint64_t cut_bytes;                 /* a torn tail that opening has cut */
    bool has_records;
    uint64_t covers_from;               /* commit of the last gap: no older copy of the store can be rolled forward */
    bool is_broken;                     /* a sync has failed */
    bool is_same_device_as_store;       /* of vt_journal_compare_device(): one lost disk takes both */
};
void vt_journal_stats(struct vt_journal *journal, struct vt_journal_stats *out_stats);
/** Learn whether the journal lies on the device of @p store_dir. Thread: main, before the journal is used. @return VAULT_E_IO */
VT_RESULT vt_journal_compare_device(struct vt_journal *journal, const char *store_dir);
