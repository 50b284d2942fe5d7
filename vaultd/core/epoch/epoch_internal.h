/* vaultd/core/epoch/epoch_internal.h - the epoch, its closing and its keepers, as the files of this folder see them.
 * Thread: as epoch.h; the mutex guards what status, is_due and the epoch thread look at while the committer changes it. */
#pragma once
#include <pthread.h>

#include "vaultd/core/epoch/epoch.h"
#include "vaultd/core/epoch/keeper_set.h"
#include "vaultd/core/epoch/ledger_internal.h"

/** Which root key is meant. */
struct vt_epoch_id {
    uint64_t incarnation;
    uint64_t epoch;
    uint8_t attempt[VT_ATTEMPT_LEN];
};

/** Whose shares a keeper was last known to hold. */
struct vt_keeper_ids {
    size_t count;
    struct vt_epoch_id ids[VT_KEEPER_SLOTS];
};

/** The last receipt of a keeper; the store may not have it yet. */
struct vt_late_receipt {
    uint64_t epoch;                     /* 0: none */
    struct vt_buf note;
};

/** Arena memory. */
struct vt_epoch_secrets {
    struct vt_key unseal;
};

struct vt_epoch {
    struct vt_store *store;             /* borrowed, as the next two */
    struct vt_keyring *ring;
    struct vt_stamps *stamps;
    struct vt_epoch_options options;
    struct vt_keeper *keepers[VT_KEEPERS_MAX];
    unsigned tolerance;
    struct vt_certificate_keeper evidence_keepers[VT_KEEPERS_MAX];
    struct vt_evidence evidence;
    struct vt_epoch_secrets *secrets;
    pthread_mutex_t push_mutex;         /* held while a floor is pushed or looked at, and while unsealing: keepers have one caller
                                           at a time; taken before the other */
    pthread_mutex_t mutex;              /* guards all below */
    bool is_sealed;
    struct vt_vault_id vault_id;
    struct vt_epoch_id current;
    int64_t first_pending_at_ms;        /* 0: none seen */
    int64_t retry_at_ms;                /* of the unfinished closing */
    int64_t heal_at_ms;                 /* not before: a while after the last closing began */
    bool is_doubtful;                   /* a commit of S4 has failed: was it kept? See vt_epoch_resolve_doubt() */
    struct vt_epoch_closing *closing;   /* under way; the caller's */
    struct vt_epoch_closing *unfinished;/* committed, not recorded; ours */
    struct vt_keeper_info infos[VT_KEEPERS_MAX];
    struct vt_keeper_floor floors[VT_KEEPERS_MAX];
    vault_status keeper_errors[VT_KEEPERS_MAX];
    struct vt_keeper_ids held[VT_KEEPERS_MAX];
    struct vt_keeper_set set;           /* as the store has it, and what receipts have said since */
    struct vt_late_receipt late[VT_KEEPERS_MAX];
    bool has_news;
};

enum vt_closing_stage {
    VT_CLOSING_FROZEN = 1,
    VT_CLOSING_PREPARED,                /* shares may lie at keepers */
    VT_CLOSING_COMMITTED,
    VT_CLOSING_FINALIZED,
};
struct vt_closing_item {
    struct vt_pending pending;
    struct vt_destroyed destroyed;
};
/** Arena memory. */
struct vt_closing_secrets {
    struct vt_key root;                 /* R' */
    struct vt_key unseal;               /* U', in a rotation */
    struct vt_key sharing;              /* what shares are sealed under in S2: U' or a copy of U, which sealing wipes meanwhile */
};
struct vt_epoch_closing {
    struct vt_epoch *owner;
    enum vt_closing_stage stage;
    bool is_aborted;                    /* the attempt is dead: free it */
    struct vt_epoch_id next;
    uint64_t epoch_from;
    uint64_t commit_number;
    int64_t effective_at_ms;
    bool is_rotation;
    bool is_take_over;
    bool is_change;                     /* of the keepers, to: */
    struct vt_keeper_plan plan;
    struct vt_keeper_set next_set;      /* from S2 on */
    bool is_kept;                       /* a take-over's new environment is whole: nothing is aborted any more */
    struct vt_buf wraps;                /* encoded, in a rotation */
    struct vt_closing_secrets *secrets;
    struct vt_closing_item *items;
    size_t count, cap;
    size_t held_count;                  /* items behind the first `count`: a hold has taken them back at S3 */
    bool has_receipt[VT_KEEPERS_MAX];
    struct vt_keeper_receipt receipts[VT_KEEPERS_MAX];
    uint8_t receipt_hashes[VT_KEEPERS_MAX][32];
};

/* epoch_shares.c: talking to keepers */
/** Which keeper holds what, as read at unseal. */
struct vt_keeper_view {
    bool is_reachable;
    struct vt_keeper_floor floor;
    size_t slot_count;
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
};
/** @param out_views arena memory: sealed shares of an epoch that will be dead must not stay behind */
VT_RESULT vt_shares_survey(struct vt_epoch *epoch, struct vt_keeper_view out_views[VT_KEEPERS_MAX]);
bool vt_slot_is(const struct vt_keeper_slot *slot, const struct vt_epoch_id *id);
/** For status: these are the slots of this keeper now. */
void vt_epoch_note_slots(struct vt_epoch *epoch, size_t index, const struct vt_keeper_slot *slots, size_t count);
/** Does the receipt say of this keeper and vault what was asked for? */
bool vt_receipt_says_so(const struct vt_keeper_statement *said, const struct vt_keeper_info *info,
                        const struct vt_vault_id *vault_id, const struct vt_epoch_id *id);
/** Keepers that hold a share of @p id, sealed under whatever. */
unsigned vt_shares_present(const struct vt_epoch *epoch, const struct vt_keeper_view *views, const struct vt_epoch_id *id);
/** Open k shares of @p id with U and put the root key together.
 *  @return VAULT_E_WRONG_SECRET when not one opens, VAULT_E_AUTHENTICITY when some do and too few */
VT_RESULT vt_shares_combine(const struct vt_epoch *epoch, const struct vt_keeper_view *views, const struct vt_epoch_id *id,
                            const struct vt_vault_id *vault_id, const struct vt_key *unseal_key, struct vt_key *out_root);
/** What is to be shared out. */
struct vt_sharing {
    struct vt_epoch_id id;
    struct vt_vault_id vault_id;
    const struct vt_key *unseal_key, *root;     /* borrowed */
    const struct vt_keeper_set *set;            /* who gets a share; borrowed */
    unsigned needed;                            /* so many must take it */
};
/** Split the root key and PREPARE at every keeper of the set. Then nothing is left of it elsewhere. @return VAULT_E_KEEPER */
VT_RESULT vt_shares_prepare(struct vt_epoch *epoch, const struct vt_sharing *sharing);
/** Best effort: what cannot be reached now is erased before the next PREPARE or with the next FINALIZE. */
void vt_shares_abort(struct vt_epoch *epoch, const struct vt_epoch_id *id);
/** FINALIZE at one keeper and check its receipt. @return as the keeper; VAULT_E_KEEPER when it is another vault's,
 *  VAULT_E_AUTHENTICITY for a receipt that says something else */
VT_RESULT vt_shares_finalize(struct vt_epoch *epoch, size_t index, const struct vt_epoch_id *id, uint64_t commit_number,
                             struct vt_keeper_receipt *out_receipt);
/** A keeper that was away: let it erase whatever is not of the current epoch. Only while no closing is under way.
 *  @return VAULT_E_ROLLBACK, and nothing is touched, when its floor is past the current epoch: the vault has another life
 *  elsewhere; VAULT_E_KEEPER for another vault's */
VT_RESULT vt_shares_catch_up(struct vt_epoch *epoch, size_t index);
void vt_epoch_note_floor(struct vt_epoch *epoch, size_t index);
/** The same behind a change that keeper @p index was asked for: status shows how it ended, until the next. */
void vt_epoch_note_change(struct vt_epoch *epoch, size_t index, vault_status status);

/* epoch_set.c: who holds the shares */
/** Those of the settings hold the shares of the first epoch. @return VAULT_E_KEEPER when one cannot be reached */
VT_RESULT vt_epoch_first_set(struct vt_epoch *epoch, struct vt_keeper_set *out_set);
/** Who gets a share of the epoch @p next: who has one now; for one that is gone, a free keeper of the settings by its name.
 *  @param plan whoever stays and joins instead; NULL: no change. @return VAULT_E_KEEPER, VAULT_E_LIMIT */
VT_RESULT vt_epoch_next_set(struct vt_epoch *epoch, uint64_t next, const struct vt_keeper_plan *plan,
                            struct vt_keeper_set *out_set);
/** The set that is in force from now on. */
void vt_epoch_adopt_set(struct vt_epoch *epoch, const struct vt_keeper_set *set);
/** From the store; where it has none yet, from what the keepers hold of @p current. */
VT_RESULT vt_epoch_load_set(struct vt_epoch *epoch, struct vt_keyring_view *view, const struct vt_keeper_view *views,
                            const struct vt_epoch_id *current);
/** This keeper has signed that nothing of an epoch before @p epoch_number is left with it. */
VT_RESULT vt_epoch_note_receipt(struct vt_epoch *epoch, size_t index, uint64_t epoch_number, struct vt_bytes note);
/** Of the present sharing; before anything is known, as the settings say. */
unsigned vt_epoch_quorum(struct vt_epoch *epoch);
/** A keeper that has no identity yet, since it was never opened: that of the holder of its name. Under the mutex. */
void vt_epoch_resolve(const struct vt_epoch *epoch, struct vt_keeper_info *info);
/** Keeper of the settings with this id. @return VT_KEEPERS_MAX: none */
size_t vt_epoch_index_of(const struct vt_epoch *epoch, uint64_t id);

/* epoch_settle.c */
/** Under the mutex. */
void vt_epoch_keep_late(struct vt_epoch *epoch, size_t index, uint64_t epoch_number, struct vt_bytes note);

/* epoch_check.c */
/** Under the mutex. */
void vt_epoch_count_tolerance(const struct vt_epoch *epoch, struct vt_epoch_tolerance *out_tolerance);

/* epoch_closing.c */
VT_RESULT vt_closing_new(struct vt_epoch *epoch, struct vt_epoch_closing **out_closing);
void vt_closing_release(struct vt_epoch_closing *closing);
VT_RESULT vt_closing_add(struct vt_epoch_closing *closing, const struct vt_closing_item *item);
/** A fresh R' and attempt for the epoch after the present one. */
VT_RESULT vt_closing_draw(struct vt_epoch_closing *closing);
void vt_closing_give_turn(struct vt_epoch *epoch, struct vt_epoch_closing *closing);

/* closing_rows.c: the batch as it lies in META between S4 and S7 */
VT_RESULT vt_closing_rows_put(struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn,
                              struct vt_buf *journal_rows);
/** @return VAULT_E_NOT_FOUND: nothing is owed. @param id of the current epoch */
VT_RESULT vt_closing_rows_load(struct vt_epoch *epoch, struct vt_keyring_view *view, const struct vt_epoch_id *id,
                               struct vt_epoch_closing **out_closing);
VT_RESULT vt_closing_rows_delete(struct vt_txn *txn);
VT_RESULT vt_closing_rows_exist(struct vt_txn *txn);
/** A receipt that came late. */
struct vt_receipt_copy {
    uint64_t epoch, keeper_id;
    enum vt_keeper_class keeper_class;
    struct vt_buf note;
};
/** Has the store none of this keeper for that epoch? */
VT_RESULT vt_receipts_lack(struct vt_txn *txn, const struct vt_receipt_copy *receipt, bool *out_lack);
/** Keep it beside the others; nothing happens when there is one. */
VT_RESULT vt_receipts_add(struct vt_txn *txn, const struct vt_receipt_copy *receipt);
/** META "receipts/<epoch>". */
VT_RESULT vt_closing_receipts_put(const struct vt_epoch_closing *closing, struct vt_txn *txn);

/* epoch.c */
int64_t vt_epoch_now_ms(const struct vt_epoch *epoch);
/** When a commit has failed in its sync, nobody knows what the disk kept, and the share of either epoch may be the one that is
 *  needed: no keeper is told to abort before the store has shown that it is sound and still at the epoch before.
 *  @return VAULT_E_IO while that is in doubt: opening the store again resolves it */
VT_RESULT vt_epoch_resolve_doubt(struct vt_epoch *epoch);
/** A floor that was being pushed when the closing began has been pushed: keepers have one caller at a time. */
void vt_epoch_await_push(struct vt_epoch *epoch);
/** U is in force: the vault serves. */
void vt_epoch_adopt(struct vt_epoch *epoch, const struct vt_vault_id *vault_id, const struct vt_epoch_id *id,
                    const struct vt_key *unseal_key);
struct vt_epoch_id vt_epoch_current(struct vt_epoch *epoch);
bool vt_epoch_id_equal(const struct vt_epoch_id *a, const struct vt_epoch_id *b);
/** Of a later epoch or incarnation: a keeper has finalised what comes after @p id. */
bool vt_floor_is_past(const struct vt_keeper_floor *floor, const struct vt_epoch_id *id);
struct vt_epoch_id vt_epoch_id_of(const struct vt_root_record *root);
/** The ledger's entries that the journal does not have yet, in its encoding; @p txn notes that it will. */
VT_RESULT vt_epoch_ledger_rows(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_buf *out_rows);
#define VT_EPOCH_ROWS_MAX ((uint64_t)1 << 40)
#define VT_META_WRAPS "wraps"
