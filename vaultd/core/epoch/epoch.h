/* vaultd/core/epoch/epoch.h - the shred protocol S1 to S8 (docs/ARCHITECTURE.md "Life of a shred"), first initialisation,
 * unsealing with recovery, and the keepers' quorum. Any other order fails: acknowledging before erasing leaves the old key alive,
 * erasing before committing can lose everybody.
 *
 * The slow halves (keepers) run on the epoch thread, the fast halves (S1 freeze, S3, S4, S7) inside the committer:
 *     freeze (committer) -> prepare (epoch thread) -> commit (committer) -> finalize (epoch thread) -> record (committer)
 * A closing that was committed and then could not be finished (keepers away, a crash) is kept: vt_epoch_freeze() hands it out
 * again, and its prepare and commit then have nothing left to do.
 * Invariants: which root key opens the database's root page decides what is true; no keeper erases anything before the root
 * page has been opened with the key that is kept; nothing is acknowledged before m-k+1 keepers have erased.
 * Thread: as each function says. One epoch closes at a time. */
#pragma once
#include "libvault/base/clock.h"
#include "vaultd/core/epoch/journal.h"
#include "vaultd/core/epoch/ledger.h"
#include "vaultd/core/keeper/keeper.h"
#include "vaultd/core/keyring/unseal.h"

enum { VT_KEEPERS_MAX = 16 };
struct vt_epoch_check;

struct vt_epoch_options {
    struct vt_keeper **keepers;         /* borrowed; their order gives each its Shamir point */
    size_t keeper_count;                /* m */
    unsigned quorum;                    /* k of the Shamir sharing */
    struct vt_journal *journal;         /* borrowed; NULL: none, and status says so */
    bool is_beside_live;                /* a restored environment, looked at while the live vault goes on and raises the floor:
                                           it opens below that, as long as the live vault is in the same epoch */
    const struct vt_clock *clock;       /* borrowed */
    const char *software_version;
    uint64_t close_after_count;         /* pending shreds; 0: 1,000 */
    int64_t close_after_ms;             /* 0: 15 min */
    /** May be NULL. Does this request ride the epoch that closes now? false: it stays pending (a late hold, a missing
     *  approval, the mass-shred brake). Committer. */
    bool (*admit)(void *context, struct vt_keyring_view *view, const struct vt_pending *pending);
    void *admit_context;
    /** May be NULL: vt_evidence.describe. */
    vault_status (*describe)(void *context, struct vt_keyring_view *view, const struct vt_pending *pending,
                             struct vt_pool *pool, struct vt_certificate *certificate);
    void *describe_context;
};
struct vt_epoch;
/** @p store, @p ring, @p stamps borrowed.
 *  @return VAULT_E_ARGUMENT unless 1 <= quorum <= keeper_count <= VT_KEEPERS_MAX; VAULT_E_KEEPER when two keepers have one
 *  id (a copied keeper file) */
VT_RESULT vt_epoch_open(struct vt_store *store, struct vt_keyring *ring, struct vt_stamps *stamps,
                        const struct vt_epoch_options *options, struct vt_epoch **out_epoch);
void vt_epoch_free(struct vt_epoch *epoch);     /* wipes U and whatever root key it holds; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_epoch);

typedef vault_status (*vt_epoch_add_wraps)(void *context, struct vt_wraps *wraps, const struct vt_key *unseal_key);
/** Whether no vault was ever served under what this keeper holds: it is new, or was prepared for a first epoch and no more.
 *  @return VAULT_E_EXISTS, VAULT_E_KEEPER when it does not answer. Thread: any */
VT_RESULT vt_epoch_keeper_is_free(struct vt_keeper *keeper);
/** First initialisation of an empty store: vault id, U, wraps (given by the caller through @p add_wraps), R_1 prepared,
 *  committed, finalised at every keeper; leaves the vault unsealed. A store that holds a vault and a keeper that holds
 *  anything finalised are refused (VAULT_E_EXISTS): never initialise by accident. Shares that an initialisation prepared and
 *  never finished are erased: no vault was ever served under them. Thread: main, alone.
 *  @return VAULT_E_KEEPER unless every keeper answers; VAULT_E_ARGUMENT when @p add_wraps added none */
VT_RESULT vt_epoch_initialise(struct vt_epoch *epoch, vt_epoch_add_wraps add_wraps, void *context);
/** The wraps, for the unseal prompts; with those of a rotation of U whose commit the disk has lost, if the journal has them.
 *  @return VAULT_E_NOT_INITIALISED */
VT_RESULT vt_epoch_wraps(struct vt_epoch *epoch, struct vt_wraps **out_wraps);
/** Replace the stored wraps in @p txn, same U: a passphrase added or taken away. Committer. @return VAULT_E_STATE for none */
VT_RESULT vt_epoch_put_wraps(struct vt_epoch *epoch, struct vt_txn *txn, const struct vt_wraps *wraps);
/** Unseal with U: read the keepers, decide by the table in epoch_recover.c (database epoch; epochs readable from k
 *  keepers), open, finalise or abort what was left half done, load pending shreds. Nothing is served before it returns.
 *  A closing whose certificates are not recorded is left for vt_epoch_freeze(): vt_epoch_is_due() says so at once.
 *  @return VAULT_E_WRONG_SECRET, VAULT_E_KEEPER (too few answered, or a foreign one), VAULT_E_ROLLBACK, VAULT_E_CORRUPT,
 *  VAULT_E_AUTHENTICITY: err says which floor was broken and what to do, and nothing has been erased anywhere.
 *  VAULT_E_STATE when it is not sealed, VAULT_E_BUSY while a closing has not been freed.
 *  Thread: main or slow lane, alone. */
VT_RESULT vt_epoch_unseal(struct vt_epoch *epoch, const struct vt_key *unseal_key, struct vt_err *err);
/** Wipe U and R_e, seal the ring. No closing may be under way. */
void vt_epoch_seal(struct vt_epoch *epoch);
bool vt_epoch_is_sealed(const struct vt_epoch *epoch);
/** For vt_pending_add(). Borrowed. Thread: the committer. */
const struct vt_evidence *vt_epoch_evidence(struct vt_epoch *epoch);

/** Should an epoch close now: by count, by timer, because one was left unfinished, or to heal? Thread: any. */
bool vt_epoch_is_due(struct vt_epoch *epoch);

/** A holder that keeps its share in memory alone (class E4) was restarted and answers again, as do all that a closing needs: an
 *  empty epoch gives it a share. Asked for at most every 30 s; vt_epoch_is_due() says so, too. Thread: any. */
bool vt_epoch_wants_healing(struct vt_epoch *epoch);

/** One closing of an epoch. */
struct vt_epoch_closing;
/** S1, committer: freeze the batch of pending shreds (from then on cancel is refused with VAULT_E_STATE).
 *  @return VAULT_E_NOT_FOUND when nothing is pending and @p even_if_empty is false (root rotation closes an empty epoch),
 *          VAULT_E_BUSY while another closing is under way */
VT_RESULT vt_epoch_freeze(struct vt_epoch *epoch, struct vt_keyring_view *view, bool even_if_empty,
                          struct vt_epoch_closing **out_closing);
/** The same for a rotation of U: an empty batch; the shares of the next epoch are sealed under a fresh U, and its wraps
 *  replace the old ones in the transaction of S4. docs/decisions/0011. */
VT_RESULT vt_epoch_freeze_rotation(struct vt_epoch *epoch, vt_epoch_add_wraps add_wraps, void *context,
                                   struct vt_epoch_closing **out_closing);
/** The same for a take-over: an empty batch; the next incarnation begins with the next epoch. Its commit is not this store's:
 * see vt_epoch_take_over_begin(). docs/decisions/0013.
 *  @return also VAULT_E_STATE while shreds are pending, VAULT_E_BUSY while a closing is under way or unfinished */
VT_RESULT vt_epoch_freeze_take_over(struct vt_epoch *epoch, struct vt_epoch_closing **out_closing);
/** Unseal another keyring, over a copy of this vault's tree, with the present root key. For a take-over, after
 *  vt_epoch_prepare(). @return VAULT_E_KEEPER, VAULT_E_AUTHENTICITY */
VT_RESULT vt_epoch_take_over_open(struct vt_epoch_closing *closing, struct vt_keyring *ring);
/** The first commit of a take-over in the new environment, instead of vt_epoch_commit(): the former incarnation is listed, a
 *  ledger entry names the backup, the closing's rows are put, and the root page goes under R' and the next incarnation, so
 *  that nothing the new environment ever writes can be reached from the old root key. The caller commits @p txn. */
VT_RESULT vt_epoch_take_over_begin(struct vt_epoch_closing *closing, struct vt_keyring_write *write, struct vt_txn *txn,
                                   const uint8_t backup_id[16]);
/** Do enough keepers still hold what was prepared? Building takes long, and those that keep shares in memory may have been
 *  restarted meanwhile. @return VAULT_E_KEEPER: this environment must stay; VAULT_E_SEALED, VAULT_E_MEMORY */
VT_RESULT vt_epoch_take_over_check(struct vt_epoch_closing *closing);
/** The new environment is whole: its shares stay prepared at the keepers, whatever becomes of this closing. Whichever of the
 *  two environments is unsealed next decides. No other epoch closes before that. Free the closing as usual. */
void vt_epoch_take_over_keep(struct vt_epoch_closing *closing);
/** What is wished of the keepers: those of the settings hold the shares, but for those that leave. By their names. */
struct vt_keeper_wish {
    size_t leave_count, lost_count;
    char leave[VT_KEEPERS_MAX][65];         /* hold a share, answer, and erase it */
    char lost[VT_KEEPERS_MAX][65];          /* hold a share and are gone for good, on the word of who asks; or the decimal id of one
                                             * that left owing a receipt */
};
enum vt_keeper_part { VT_KEEPER_STAYS, VT_KEEPER_JOINS, VT_KEEPER_LEAVES, VT_KEEPER_IS_LOST };
struct vt_planned_keeper {
    uint64_t id;                            /* 0: it is made when it comes to that */
    char name[65];
    enum vt_keeper_part part;
};
struct vt_keeper_plan {
    unsigned k;                             /* quorum of the settings */
    bool is_same;                           /* nothing to change */
    size_t count;
    struct vt_planned_keeper items[4 * VT_KEEPERS_MAX];
};
/** What a change would do. Nothing is written. @param check of just now
 *  @return VAULT_E_KEEPER (a holder does not answer and is not said to be lost; a keeper of another vault; fewer than the quorum),
 *  VAULT_E_STATE (one that answers is said to be lost; a lone keeper would leave), VAULT_E_ARGUMENT (no holder
 *  of that name), VAULT_E_SEALED; err has the sentence */
VT_RESULT vt_epoch_plan_change(struct vt_epoch *epoch, const struct vt_keeper_wish *wish, const struct vt_epoch_check *check,
                               struct vt_keeper_plan *out_plan, struct vt_err *err);
/** Make the keepers that are to join and are not there yet. Thread: workers, tests. @return as vt_keeper_open() */
VT_RESULT vt_epoch_make_keepers(struct vt_epoch *epoch, const struct vt_keeper_plan *plan, struct vt_err *err);
/** As vt_epoch_freeze_rotation(), for a change of the keepers: an empty batch; the shares of the next epoch go to those that stay
 *  and join, all of whom must take them; those that leave are told to erase like the others. docs/decisions/0018. */
VT_RESULT vt_epoch_freeze_change(struct vt_epoch *epoch, const struct vt_keeper_plan *plan,
                                 struct vt_epoch_closing **out_closing);
/** Somebody's word that a keeper is gone for good, with whatever it held. */
struct vt_attestation {
    uint64_t keeper_id;
    uint8_t principal[16];
    int64_t at_ms;
    uint8_t hash[32];                       /* out: SHA-256 of the signed note */
};
/** Record it, signed by the vault: META "attested/<keeper id>". Committer; after the commit vt_epoch_attested().
 *  No epoch may be frozen from here to there. @param out_note appended.
 *  @return VAULT_E_NOT_FOUND: it was never of the set; VAULT_E_BUSY: an epoch is between S1 and S4, ask again */
VT_RESULT vt_epoch_attest(struct vt_epoch *epoch, struct vt_keyring_view *view, struct vt_txn *txn,
                          struct vt_attestation *attestation, struct vt_buf *out_note);
void vt_epoch_attested(struct vt_epoch *epoch, const struct vt_attestation *attestation);
/** S2, epoch thread: fresh R', attempt id, PREPARE at every keeper; k + tolerance must answer. Keepers that were away erase
 *  what is old first. @return VAULT_E_KEEPER: the attempt has been aborted, free the closing. VAULT_E_SEALED, VAULT_E_IO
 *  while it is in doubt whether a failed commit was kept */
VT_RESULT vt_epoch_prepare(struct vt_epoch_closing *closing);
/** What destroys: does vt_keyring_drop_subject / vt_keyring_put_keyblock, deletes rows and index entries, fills the counts.
 *  Called per pending item, whole subjects before their categories, categories before their records.
 *  @return VAULT_E_NOT_FOUND: nothing of it is left (a wider shred of the batch took it); VAULT_E_HELD: a hold was placed after
 *  S1, and nothing was touched: the request is taken back in the same transaction, its subject can be read again */
typedef vault_status (*vt_epoch_destroy)(void *context, struct vt_keyring_write *write, const struct vt_pending *pending,
                                         struct vt_destroyed *out_counts);
/** S3 and S4 up to the store commit, committer: drop the batch through @p destroy (the layer above knows rows and index
 *  entries), ledger entries, delta to the journal, synced. The caller then commits @p txn (the commit point), then
 *  vt_keyring_write_committed(), then vt_epoch_committed(). May be repeated with a new transaction when that one failed. */
VT_RESULT vt_epoch_commit(struct vt_epoch_closing *closing, struct vt_keyring_write *write, struct vt_txn *txn,
                          vt_epoch_destroy destroy, void *context);
/** After the store's commit. @param kept false: the transaction failed; vt_epoch_closing_free() aborts the attempt */
void vt_epoch_committed(struct vt_epoch_closing *closing, bool kept);
/** S5 and S6, epoch thread: fence, FINALIZE at the keepers (m-k+1 receipts needed), zeroise R_e. Repeats are harmless.
 *  @return VAULT_E_KEEPER while too few have answered, VAULT_E_TIMEOUT while readers hold old keys: call again later */
VT_RESULT vt_epoch_finalize(struct vt_epoch_closing *closing);
/** S7, committer: certificates in state effective into @p txn, with receipt hashes, and one checkpoint that signs them.
 *  Repeats are harmless.
 *  S8 is the caller's: wake who waits. */
VT_RESULT vt_epoch_record(struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn);
/** Is its new root durable already? Before vt_epoch_commit(): it is one that was left unfinished, handed out again, and forgets
 *  nothing that was dropped since. */
bool vt_epoch_closing_is_committed(const struct vt_epoch_closing *closing);
size_t vt_epoch_closing_count(const struct vt_epoch_closing *closing);
uint64_t vt_epoch_closing_certificate(const struct vt_epoch_closing *closing, size_t index);
const struct vt_pending *vt_epoch_closing_pending(const struct vt_epoch_closing *closing, size_t index);
/** Receipts so far, for the audit entry over the batch. @p index counts the keepers that have answered. */
struct vt_epoch_receipt {
    uint64_t keeper_id;
    enum vt_keeper_class keeper_class;
    uint8_t hash[32];                   /* SHA-256 of the note: certificates name it */
    struct vt_bytes note;               /* borrowed */
};
size_t vt_epoch_closing_receipts(const struct vt_epoch_closing *closing);
bool vt_epoch_closing_receipt(const struct vt_epoch_closing *closing, size_t index, struct vt_epoch_receipt *out_receipt);
/** Ends it: aborts at the keepers what was not committed; gives back to the epoch what was committed and not recorded.
 *  Epoch thread. NULL is allowed. */
void vt_epoch_closing_free(struct vt_epoch_closing *closing);
VT_DEFINE_AUTO_PTR(vt_epoch_closing);

/** All of the above in one call, for tools and tests without threads. An unfinished closing is finished first. */
VT_RESULT vt_epoch_close_now(struct vt_epoch *epoch, bool even_if_empty, vt_epoch_destroy destroy, void *context);
/** After a close, after receipts that came late and after an attestation: are there certificates to be issued again (complete, or
 *  final), or receipts to be kept? Thread: any. */
bool vt_epoch_has_news(struct vt_epoch *epoch);
enum { VT_SETTLE_MAX = 64 };
struct vt_settling {
    uint64_t from;                      /* 0 at first, and again when all have been looked at */
    bool has_receipts;                  /* some came late and are not kept yet */
    size_t count;
    uint64_t numbers[VT_SETTLE_MAX];    /* of certificates that are due */
    vault_status trouble;               /* with the first that could not be read or does not verify: it is left as it is, and the
                                           others go on */
};
/** Look for some of them. Thread: the epoch thread. */
VT_RESULT vt_epoch_settle_look(struct vt_epoch *epoch, struct vt_keyring_view *view, struct vt_settling *settling);
/** Issue them in @p txn and keep the receipts. Thread: the committer. */
VT_RESULT vt_epoch_settle(struct vt_epoch *epoch, struct vt_keyring_view *view, struct vt_txn *txn,
                          struct vt_settling *settling, size_t *out_issued);
/** It failed: vt_epoch_has_news() says so again. */
void vt_epoch_settle_again(struct vt_epoch *epoch);
/** All of it in one call, for tools and tests without threads. */
VT_RESULT vt_epoch_settle_now(struct vt_epoch *epoch);
/** The receipts of a closed epoch, as kept in the store: notes one after the other, each {keeper 8, class 1, length 4, note}.
 *  @return VAULT_E_NOT_FOUND */
VT_RESULT vt_epoch_receipts(struct vt_txn *txn, uint64_t epoch_number, struct vt_buf *out_receipts);
enum { VT_EPOCH_RECEIPTS_MAX = VT_KEEPERS_MAX * (VT_KEEPER_RECEIPT_MAX + 13) };
/** The next one of what vt_epoch_receipts() gave, and @p rest is what follows it. @return VAULT_E_NOT_FOUND, VAULT_E_CORRUPT */
VT_RESULT vt_epoch_receipt_next(struct vt_bytes *rest, struct vt_epoch_receipt *out_receipt);

/** Begin a keyring change: what it changes is gathered for the journal, where there is one. Thread: the committer.
 *  @return as vt_keyring_write_begin() */
VT_RESULT vt_epoch_write_begin(struct vt_epoch *epoch, struct vt_txn *txn, struct vt_keyring_write **out_write);
/** Commit an ordinary keyring change: finish the write, append its delta to the journal, then the caller commits the store.
 *  When that fails, nothing need be said: the next record replaces this one. Thread: the committer. */
VT_RESULT vt_epoch_write_finish(struct vt_epoch *epoch, struct vt_keyring_write *write, uint64_t commit_number);

/** Push the commit number as floor to the keepers and sync the journal (every 5 s and at stop); keepers that have come back
 *  erase what is old. Does nothing while a closing is under way. Thread: epoch thread.
 *  @return VAULT_E_KEEPER when fewer than k answered */
VT_RESULT vt_epoch_push_floor(struct vt_epoch *epoch);
/** Beside the live vault, whose keepers these are: has it closed the epoch of this copy? One floor of a later epoch or incarnation
 *  says so, whatever the others say; k keepers of this vault that do not say so say that it has not, because closing takes m-k+1
 *  of them (docs/decisions/0015). Nothing is written. Thread: the epoch thread.
 *  @return VAULT_E_ROLLBACK when it has, VAULT_E_KEEPER when fewer than k could be read, VAULT_E_SEALED */
VT_RESULT vt_epoch_look_beside(struct vt_epoch *epoch);
/** Keepers that may fail at S2 without loss: prepare at k + @p tolerance. Default m - k. Lowered when a keeper stays away
 *  past its deadline and two approvers agree. @return VAULT_E_ARGUMENT past m - k */
VT_RESULT vt_epoch_set_tolerance(struct vt_epoch *epoch, unsigned tolerance);
/** Before the keepers are asked: those that a change lets join owe a receipt from here on, whatever becomes of the shares that they
 *  are given. Nothing happens for another closing. The caller commits @p txn, and then says that it was kept. */
VT_RESULT vt_epoch_owe_joiners(struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn);
void vt_epoch_joiners_owe(struct vt_epoch_closing *closing);
/** Change the keepers in one call, for tools and tests without threads: vt_epoch_freeze_change() and the rest. */
VT_RESULT vt_epoch_change_keepers(struct vt_epoch *epoch, const struct vt_keeper_plan *plan);
/** Rotate U in one call, for tools and tests without threads: vt_epoch_freeze_rotation() and the rest. */
VT_RESULT vt_epoch_rotate_unseal_key(struct vt_epoch *epoch, vt_epoch_add_wraps add_wraps, void *context);

/** How many keepers something takes, and how many could do it when they were last asked: the difference may fail; with fewer it
 *  cannot be done until some are back. */
struct vt_epoch_need {
    unsigned needed, have;
};
struct vt_epoch_tolerance {
    struct vt_epoch_need opening;       /* to unseal: shares of the present epoch */
    struct vt_epoch_need preparing;     /* to begin the close of an epoch: keepers that take a share of the next */
    struct vt_epoch_need erasing;       /* to end it: keepers that erase their share of the present one */
};
struct vt_epoch_status {
    bool is_initialised, is_sealed;
    struct vt_vault_id vault_id;
    uint64_t incarnation, epoch, pending, closing;
    uint64_t commit_number;             /* the store's, now; the floors follow it every few seconds */
    bool is_closing;                    /* one is under way or unfinished; a rotation's and a take-over's batch is empty */
    unsigned quorum, tolerance;
    struct vt_epoch_tolerance may_fail;
    size_t keeper_count;
    struct vt_keeper_info keepers[VT_KEEPERS_MAX];
    struct vt_keeper_floor floors[VT_KEEPERS_MAX];
    vault_status keeper_errors[VT_KEEPERS_MAX];     /* of the last change that each was asked for; keepers[].refusal may say more */
    bool can_become_final;              /* false for a lone E0 keeper; status says why */
    uint64_t clean_from;                /* every share of an epoch before this one is gone; 0: not known */
    bool has_journal;
    struct vt_journal_stats journal;
    int64_t next_close_at_ms;           /* 0: nothing pending */
};
/** One keeper, asked now. */
enum vt_keeper_belongs { VT_KEEPER_TO_NONE, VT_KEEPER_TO_US, VT_KEEPER_TO_ANOTHER };
enum vt_share_verdict {
    VT_SHARE_NONE,                      /* none of the present epoch */
    VT_SHARE_FITS,                      /* the root page opens with a key that was put together with it */
    VT_SHARE_WRONG,                     /* it does not open, or the key that it gives does not */
    VT_SHARE_UNCHECKED                  /* sealed, or too few others that fit */
};
enum vt_receipt_verdict { VT_RECEIPT_MISSING, VT_RECEIPT_VERIFIED, VT_RECEIPT_WRONG };
struct vt_keeper_held {
    uint64_t incarnation, epoch;
    uint8_t state, k, m, x;
};
struct vt_keeper_check {
    struct vt_keeper_info info;
    struct vt_keeper_floor floor;       /* the last that it said */
    enum vt_keeper_belongs belongs;     /* TO_NONE too while it cannot be reached */
    size_t held_count;
    struct vt_keeper_held held[VT_KEEPER_SLOTS];
    enum vt_share_verdict share;
    enum vt_receipt_verdict receipt;    /* of the close that began the present epoch, as the store has it */
};
/** One that has left the set and has not shown that it erased what it had. */
struct vt_keeper_owing {
    uint64_t id, last_epoch;
    char name[65];
};
enum { VT_KEEPERS_OWING_MAX = 48 };
struct vt_epoch_check {
    bool is_sealed;
    size_t owing_count;
    struct vt_keeper_owing owing[VT_KEEPERS_OWING_MAX];
    size_t missing_count;
    struct vt_keeper_owing missing[VT_KEEPERS_OWING_MAX];       /* hold a share, and the settings do not name them */
    size_t count;
    struct vt_keeper_check keepers[VT_KEEPERS_MAX];
    struct vt_epoch_tolerance tolerance;
};
/** Ask every keeper. Nothing is written. Thread: workers, tests; waits half a second for a floor that is being pushed.
 *  @return VAULT_E_BUSY while an epoch closes, or while somebody else waits for a keeper */
VT_RESULT vt_epoch_check(struct vt_epoch *epoch, struct vt_epoch_check *out_check);
/** What the keepers last said: asked at open, unseal, push, check and close, never here. Thread: any. */
VT_RESULT vt_epoch_status(struct vt_epoch *epoch, struct vt_epoch_status *out_status);
/** What keeper @p index refused last, as one sentence; NULL: it refused nothing. @return borrowed from @p status, or static */
const char *vt_epoch_keeper_trouble(const struct vt_epoch_status *status, size_t index);
