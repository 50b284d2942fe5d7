/* vaultd/core/epoch/epoch.h - the shred protocol S1 to S8 (FORGETTING section 6), first initialisation, unsealing with
 * recovery, and the keepers' quorum. Any other order fails: acknowledging before erasing leaves the old key alive,
 * erasing before committing can lose everybody.
 *
 * The slow halves (keepers) run on the epoch thread, the fast halves (S1 freeze, S3, S4, S7) inside the committer:
 *     freeze (committer) -> prepare (epoch thread) -> commit (committer) -> finalize (epoch thread)
 *     -> record (committer)
 * Thread: as each function says. One epoch closes at a time. */
#pragma once
#include "libvault/base/clock.h"
#include "vaultd/core/epoch/journal.h"
#include "vaultd/core/epoch/ledger.h"
#include "vaultd/core/keeper/keeper.h"
#include "vaultd/core/keyring/unseal.h"

enum { VT_KEEPERS_MAX = 16 };
struct vt_audit;

struct vt_epoch_options {
    struct vt_keeper **keepers;         /* borrowed */
    size_t keeper_count;                /* m */
    unsigned quorum;                    /* k of the Shamir sharing */
    struct vt_journal *journal;         /* borrowed; NULL: none, and status says so */
    const struct vt_clock *clock;       /* borrowed */
    const char *software_version;
    uint64_t close_after_count;         /* pending shreds; default 1,000 */
    int64_t close_after_ms;             /* default 15 min */
};
struct vt_epoch;
/** @p store, @p ring, @p stamps borrowed. */
VT_RESULT vt_epoch_open(struct vt_store *store, struct vt_keyring *ring, struct vt_stamps *stamps,
                        const struct vt_epoch_options *options, struct vt_epoch **out_epoch);
void vt_epoch_free(struct vt_epoch *epoch);     /* wipes U and whatever root key it holds */
VT_DEFINE_AUTO_PTR(vt_epoch);

/** First initialisation of an empty store: vault id, U, wraps (given by the caller through @p add_wraps), R_1 prepared,
 *  committed, finalised at every keeper; leaves the vault unsealed. A keeper that holds anything already is refused
 *  (VAULT_E_EXISTS): never initialise by accident. Thread: main, alone. */
VT_RESULT vt_epoch_initialise(struct vt_epoch *epoch,
                              vault_status (*add_wraps)(void *context, struct vt_wraps *wraps,
                                                        const struct vt_key *unseal_key),
                              void *context);
/** The wraps, for the unseal prompts. */
VT_RESULT vt_epoch_wraps(struct vt_epoch *epoch, struct vt_wraps **out_wraps);
/** Unseal with U: read the keepers, decide by the table of FORGETTING section 6 (database epoch; epochs readable from k
 *  keepers), open, finalise or abort what was left half done, load pending shreds. Nothing is served before it returns.
 *  @return VAULT_E_WRONG_SECRET, VAULT_E_KEEPER (too few answered), VAULT_E_ROLLBACK, VAULT_E_CORRUPT; err says which
 *  floor was broken and what to do. Thread: main or slow lane, alone. */
VT_RESULT vt_epoch_unseal(struct vt_epoch *epoch, const struct vt_key *unseal_key, struct vt_err *err);
/** Wipe U and R_e, seal the ring. */
void vt_epoch_seal(struct vt_epoch *epoch);
bool vt_epoch_is_sealed(const struct vt_epoch *epoch);

/** Should an epoch close now by count or timer? Thread: any. */
bool vt_epoch_is_due(struct vt_epoch *epoch);

/** One closing of an epoch. */
struct vt_epoch_closing;
/** S1, committer: freeze the batch of pending shreds (from then on cancel is refused with VAULT_E_STATE).
 *  @return VAULT_E_NOT_FOUND when nothing is pending and @p even_if_empty is false (root rotation closes an empty
 *  epoch) */
VT_RESULT vt_epoch_freeze(struct vt_epoch *epoch, struct vt_keyring_view *view, bool even_if_empty,
                          struct vt_epoch_closing **out_closing);
/** S2, epoch thread: fresh R', attempt id, PREPARE at every keeper, at least `prepare quorum` must answer. */
VT_RESULT vt_epoch_prepare(struct vt_epoch_closing *closing);
/** S3 and S4 up to the store commit, committer: drop the batch's subjects, key-block entries and index entries through
 *  @p destroy (the layer above knows rows and index entries), ledger entries, delta to the journal, synced. The caller
 *  then commits @p txn (the commit point) and calls vt_epoch_committed() or vt_epoch_aborted().
 *  @param destroy called per pending item; does vt_keyring_drop_subject / vt_keyring_put_keyblock, deletes rows and
 *  index
 *         entries, fills the counts */
struct vt_destroyed {
    uint64_t records, rows, index_entries, tokens, keys;
};
typedef vault_status (*vt_epoch_destroy)(void *context, struct vt_keyring_write *write,
                                         const struct vt_pending *pending, struct vt_destroyed *out_counts);
VT_RESULT vt_epoch_commit(struct vt_epoch_closing *closing, struct vt_keyring_write *write, struct vt_txn *txn,
                          vt_epoch_destroy destroy, void *context);
/** After the store's commit. @param kept false: the transaction failed; the attempt is aborted at the keepers (S2's
 *  row) */
void vt_epoch_committed(struct vt_epoch_closing *closing, bool kept);
/** S5 and S6, epoch thread: fence, FINALIZE at the keepers (m-k+1 receipts needed), zeroise R_e. Repeats are harmless.
 *  @return VAULT_E_KEEPER while too few have answered: call again later */
VT_RESULT vt_epoch_finalize(struct vt_epoch_closing *closing);
/** S7, committer: certificates in state effective into @p txn, with receipt hashes; pending rows are gone already.
 *  S8 is the caller's: wake who waits. */
VT_RESULT vt_epoch_record(struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn);
size_t vt_epoch_closing_count(const struct vt_epoch_closing *closing);
void vt_epoch_closing_free(struct vt_epoch_closing *closing);
VT_DEFINE_AUTO_PTR(vt_epoch_closing);

/** All of the above in one call, for tools and tests without threads. */
VT_RESULT vt_epoch_close_now(struct vt_epoch *epoch, bool even_if_empty, vt_epoch_destroy destroy, void *context);

/** Commit an ordinary keyring change: finish the write, append its delta to the journal, then the caller commits the
 *  store. Thread: the committer. */
VT_RESULT vt_epoch_write_finish(struct vt_epoch *epoch, struct vt_keyring_write *write, uint64_t commit_number);

/** Push the commit number as floor to the keepers (every 5 s and at stop). Thread: epoch thread. */
VT_RESULT vt_epoch_push_floor(struct vt_epoch *epoch);
/** Replace the wraps (rotation of U: the slots are re-sealed under the new U first; two-wrap, verified). Epoch
 *  thread. */
VT_RESULT vt_epoch_rotate_unseal_key(struct vt_epoch *epoch,
                                     vault_status (*add_wraps)(void *context, struct vt_wraps *wraps,
                                                               const struct vt_key *unseal_key),
                                     void *context);

struct vt_epoch_status {
    bool is_initialised, is_sealed;
    struct vt_vault_id vault_id;
    uint64_t incarnation, epoch, commit_number, pending, closing;
    unsigned quorum;
    size_t keeper_count;
    struct vt_keeper_info keepers[VT_KEEPERS_MAX];
    struct vt_keeper_floor floors[VT_KEEPERS_MAX];
    bool can_become_final;              /* false for a lone E0 keeper; status says why */
    bool has_journal;
    struct vt_journal_stats journal;
    int64_t next_close_at_ms;           /* 0: nothing pending */
};
VT_RESULT vt_epoch_status(struct vt_epoch *epoch, struct vt_epoch_status *out_status);
