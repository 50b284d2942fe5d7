/* vaultd/service/vault.h - the vault as a whole, without network or threads of its own: store, keyring, epoch, audit log, caches.
 * The server gives it threads; tests drive it inline. There is no mode in which data leaves before its audit leaf is
 * durable: an answer is released only by the commit that carries the leaf.
 *
 * Life: open -> (initialise) -> unseal -> calls -> seal -> free.
 * Thread: as each function says. */
#pragma once
#include "libvault/base/clock.h"
#include "libvault/base/list.h"
#include "libvault/base/pool.h"
#include "vaultd/core/audit/audit.h"
#include "vaultd/core/epoch/epoch.h"
#include "vaultd/core/subject/change.h"
#include "vaultd/core/subject/schemas.h"
#include "vaultd/core/subject/sequence.h"
#include "vaultd/core/token/token.h"

struct vt_approval;
struct vt_credentials;
struct vt_jobs;
struct vt_vault;

/** The brake on mass shredding (vaultd/core/policy/brake.h). */
struct vt_brake_options {
    bool is_on;
    uint64_t per_hour;                      /* requests to forget that pass; 0: max(20, min(1,000, 0.1 % of the subjects)), more
                                               than which it is in dev mode only: that would turn the brake off */
    int64_t delay_ms;                       /* between the last approval and the first request carried out */
    int64_t expires_ms;                     /* how long anything waits for approval; 0: 7 days */
};

struct vt_vault_options {
    struct vt_store *store;                 /* moved: freed with the vault */
    struct vt_keeper **keepers;             /* the keepers are moved, the array is copied */
    size_t keeper_count;
    unsigned quorum;                        /* k */
    struct vt_journal *journal;             /* moved; NULL: none */
    const struct vt_clock *clock;           /* borrowed */
    struct vt_clock *settable_clock;        /* the same one when clock.set may move it; NULL otherwise */
    const char *const *purposes;            /* registered purposes; NULL: the built-in list */
    size_t purpose_count;
    uint64_t close_after_count;             /* epochs: pending shreds; 0: 1,000 */
    int64_t close_after_ms;                 /* epochs: 0: 15 min */
    bool is_dev;                            /* dev mode: status and certificates say so */
    struct vt_brake_options brake;
    const char *data_dir;                   /* borrowed; where take-overs build; NULL: there are none */
    bool is_read_only;                      /* a restored environment under inspection: nothing but audit leaves is written */
};
VT_RESULT vt_vault_open(const struct vt_vault_options *options, struct vt_vault **out_vault, struct vt_err *err);
void vt_vault_free(struct vt_vault *vault);
VT_DEFINE_AUTO_PTR(vt_vault);

/** Unseal with U and load what lives in memory: pending shreds, schemas, templates, credentials, sequences, audit frontier.
 *  Thread: main or slow lane, while the committer is idle (the server pauses it). */
/** @p unseal_key may be NULL right after vt_epoch_initialise(), which leaves the epoch unsealed. */
VT_RESULT vt_vault_unseal(struct vt_vault *vault, const struct vt_key *unseal_key, struct vt_err *err);
void vt_vault_seal(struct vt_vault *vault);
/** Why a vault that is served read-only has sealed itself. */
enum vt_self_seal { VT_SELF_SEAL_NONE, VT_SELF_SEAL_EPOCH_CLOSED, VT_SELF_SEAL_KEEPERS_UNSEEN };
enum { VT_BESIDE_UNSEEN_MAX_MS = 60000 };       /* how long a copy serves on while too few keepers can be read */
/** A vault that is served read-only has no keepers of its own: look at the live vault's, and seal when that has closed the epoch of
 *  this copy, or when nobody can tell for VT_BESIDE_UNSEEN_MAX_MS (docs/decisions/0015). Any other vault, and a sealed one, is left
 *  alone. @param now_ns vt_monotonic_ns(). Thread: the epoch thread. @return what it has been sealed for in this call */
enum vt_self_seal vt_vault_look_beside(struct vt_vault *vault, uint64_t now_ns);
/** The same as a sentence for whoever asks; NULL unless it has sealed itself and nobody has unsealed it since. Thread: any. */
const char *vt_vault_self_seal_sentence(struct vt_vault *vault);
enum vt_vault_state {
    VT_VAULT_NOT_INITIALISED,
    VT_VAULT_SEALED,
    VT_VAULT_READY,
    VT_VAULT_DISK_FULL,
    VT_VAULT_READ_ONLY,
    VT_VAULT_TAKING_OVER,                   /* take_over.h */
};
enum vt_vault_state vt_vault_state(struct vt_vault *vault);
const char *vt_vault_state_name(enum vt_vault_state state);

/** A snapshot and its view. One from before an epoch that has been fenced meanwhile is renewed. Call them back in the other
 *  order: vt_keyring_view_end(), vt_txn_abort(). @return VAULT_E_BUSY when epochs close faster than views open */
VT_RESULT vt_vault_view(struct vt_vault *vault, struct vt_txn **out_txn, struct vt_keyring_view **out_view);

/* Committing ------------------------------------------------------------------------------------------------------ */

/** What one call (or the vault itself) hands to the committer: conditions, changes, its audit leaf. */
struct vt_commit_item {
    struct vt_list link;
    /* conditions */
    uint64_t since;                         /* vt_stamps_now() when the call began */
    const struct vt_sid *touched;           /* subjects whose change overtakes the call; borrowed */
    size_t touched_count;
    uint8_t principal[16];                  /* whose revocation overtakes it; zero: none */
    /* effect */
    const struct vt_change *change;         /* borrowed; NULL: a read */
    bool retries_checks;                    /* a condition that fails is a conflict: the call finds out itself which item it was */
    bool is_reserved;                       /* audited reads, shreds and what stops them go on while the disk is full */
    /** Alone in its transaction, after all conditions: the epoch's S3/S4. It finishes the keyring write itself. */
    vault_status (*exclusive)(void *context, struct vt_keyring_write *write, struct vt_txn *txn);
    void (*on_committed)(void *context, bool kept);     /* committer thread, before the next batch: stamps, caches */
    void *context;
    bool wants_checkpoint;                  /* sign the tree as this transaction leaves it */
    /* audit */
    struct vt_audit_leaf leaf;              /* names borrowed */
    const struct vt_buf *payloads;          /* borrowed; NULL: none */
    vault_status leaf_refusal;              /* VAULT_OK, or what the leaf says of a call that is answered but did nothing */
    bool is_unaudited;                      /* the vault's own housekeeping: floors, sequence reserves */
    /* outcome */
    vault_status status;                    /* in: what the gate refused with, or VAULT_OK. out: VAULT_OK: durable */
    vault_status gate_status;               /* the committer's own: what came in, for another try */
    uint8_t gate_effect;
    bool is_done;                           /* its effect is outside the store and made: nothing has it prepared again */
    bool is_durable;                        /* the leaf is in the log: a refusal may be answered, too */
    uint64_t leaf_sequence;
    void (*on_done)(struct vt_commit_item *item);       /* committer thread: hand it back to its owner; NULL: nobody waits */
    void *owner;                            /* on_done's */
};
/** Apply everything in @p items (a list of links) in one transaction with one full sync. A change whose condition does not hold
 *  fails alone, with its refusal audited; a failing transaction fails all. Calls on_done for each.
 *  Thread: the committer. */
void vt_vault_commit_batch(struct vt_vault *vault, struct vt_list *items);
/** How items reach the committer: the server sets a queue; by default it is vt_vault_commit_batch() of one, inline. */
void vt_vault_set_submit(struct vt_vault *vault, vault_status (*submit)(void *context, struct vt_commit_item *item),
                         void *context);
/** @return VAULT_E_BUSY when the queue is full, VAULT_E_SHUTDOWN; the item is untouched then */
VT_RESULT vt_vault_submit(struct vt_vault *vault, struct vt_commit_item *item);
/** Submit and wait. Thread: workers, tests; never a network thread or the committer. @return the item's status */
VT_RESULT vt_vault_commit_wait(struct vt_vault *vault, struct vt_commit_item *item);

/** Certificates that can say more now (vt_epoch_has_news()) are issued again, some to a commit. Thread: the epoch thread; one at a
 *  time. */
VT_RESULT vt_vault_settle_certificates(struct vt_vault *vault);
/** Close the epoch: freeze, prepare, commit, finalise, record. Blocks until the certificates are effective.
 *  Thread: the epoch thread or, without a server, the caller; one at a time. @return VAULT_E_NOT_FOUND: nothing pending */
VT_RESULT vt_vault_close_epoch(struct vt_vault *vault, bool even_if_empty);
/** A fresh unseal key with fresh wraps: an epoch closes whose shares are sealed under it. Thread: workers, tests. */
VT_RESULT vt_vault_rotate_unseal_key(struct vt_vault *vault, vt_epoch_add_wraps add_wraps, void *context);
/** Other keepers hold the shares from the next epoch on, which this closes. Thread: workers, tests.
 *  @return VAULT_E_KEEPER when not all of them took a share, or too few of those that held one have erased it: the first leaves
 *  all as it was, the second is gone on with like any closing. VAULT_E_BUSY */
VT_RESULT vt_vault_change_keepers(struct vt_vault *vault, const struct vt_keeper_plan *plan);
/** A commit has dropped keys although no shred is pending (a correction, a deleted record): they are forgotten when the
 * epoch closes, so it closes in time even if nothing else asks for it. The change carries VT_FORGETS_KEY, so that a
 * restart remembers: docs/FORMAT.md "META". */
#define VT_FORGETS_KEY "epoch.forgets"
enum { VT_FORGETS_VERSION = 1, VT_FORGETS_LEN = 9 };
/** @param since_ms of the first that waits, as the row says it; an earlier one that is known already stays */
void vt_vault_note_forgetting(struct vt_vault *vault, int64_t since_ms);
int64_t vt_vault_forgetting_since_ms(const struct vt_vault *vault);     /* 0: nothing waits. Thread: any */
/** What waits for the epoch to close, times in ms since 1970. */
struct vt_waiting {
    int64_t dropped_since_ms;   /* keys that corrections and deletions have dropped; 0: none */
    int64_t next_close_at_ms;   /* at the latest; 0: nothing waits, or no epoch closes while the vault is as it is */
};
/** @param status as vt_epoch_status() gives it. Thread: any */
void vt_vault_waiting(struct vt_vault *vault, const struct vt_epoch_status *status, struct vt_waiting *out_waiting);
/** Who runs vt_vault_close_epoch() when somebody wishes it: the server's epoch thread; inline without a server. */
void vt_vault_set_epoch_waker(struct vt_vault *vault, void (*wake)(void *context), void *context);
/** Wish a close and wait until a close that began after this call is through. Thread: workers, tests.
 *  @return what vt_vault_close_epoch() returned */
VT_RESULT vt_vault_close_epoch_wait(struct vt_vault *vault, bool even_if_empty);
/** Due by count, timer or wish? Then the epoch thread calls vt_vault_run_due_epoch(). Thread: the epoch thread. */
bool vt_vault_epoch_is_due(struct vt_vault *vault);
VT_RESULT vt_vault_run_due_epoch(struct vt_vault *vault);

/** Memory of calls and answers, as a server counts and bounds it. */
struct vt_held_counts {
    _Atomic uint64_t bytes;                 /* now, by all connections */
    _Atomic uint64_t most_bytes;            /* since the start */
    _Atomic uint64_t stalls;                /* how often a connection was not read from because of it */
    _Atomic uint64_t busy;                  /* calls refused because of it */
    uint64_t connection_max_bytes, max_bytes;
};
/** For status. Borrowed until it is replaced; NULL: there is no server. Before the server's threads run and after they ended. */
void vt_vault_set_held(struct vt_vault *vault, const struct vt_held_counts *held);
const struct vt_held_counts *vt_vault_held(const struct vt_vault *vault);

/* Approvals ---------------------------------------------------------------------------------------------------- */

/** Carry out what has been approved and whose delay has passed, end what nobody approved in time; in steps, each a commit, so that
 *  a crash loses none of it. Thread: the epoch thread; tests. What fails is gone past, and tried again with the
 *  next call. @return the first failure */
VT_RESULT vt_vault_run_approvals(struct vt_vault *vault);
/** Anything for it to do? Cheap: asked ten times a second. */
bool vt_vault_approvals_are_due(struct vt_vault *vault);
/** How many requests to forget pass within an hour where the brake is on and @p subjects are there. Thread: any */
uint64_t vt_vault_brake_limit(const struct vt_vault *vault, uint64_t subjects);
/** An approval has changed. */
void vt_vault_look_at_approvals(struct vt_vault *vault);
/** A delay is there for somebody to deny. It may pass while the vault is sealed, or in one step of the machine's clock, so nothing
 *  approved is carried out before the vault has answered for this long (or for the delay, where that is shorter), by a clock that
 *  nobody sets: since it was unsealed and since an approval was granted last. */
enum { VT_DENIABLE_LEAST_MS = 3600 * 1000 };
/** That time begins anew. Thread: any */
void vt_vault_begin_deniable(struct vt_vault *vault);
/** Who asked and who granted must still be somebody: grants of credentials that are revoked or expired are taken out, and what such
 *  a one asked for is denied, by nobody. Nothing is written. Thread: as @p view's */
VT_RESULT vt_vault_recheck_approval(struct vt_keyring_view *view, int64_t now_ms, struct vt_approval *approval);
/** Requests that a hold forbids although they are pending (it was placed while an epoch was closing, which failed) are taken back.
 *  Thread: the epoch thread or an unseal, where nothing is frozen. */
VT_RESULT vt_vault_take_back_held(struct vt_vault *vault);

/* Parts, for handlers and the server --------------------------------------------------------------------------------- */

struct vt_store *vt_vault_store(struct vt_vault *vault);
struct vt_keyring *vt_vault_keyring(struct vt_vault *vault);
struct vt_epoch *vt_vault_epoch(struct vt_vault *vault);
struct vt_stamps *vt_vault_stamps(struct vt_vault *vault);
struct vt_schemas *vt_vault_schemas(struct vt_vault *vault);
struct vt_templates *vt_vault_templates(struct vt_vault *vault);
struct vt_credentials *vt_vault_credentials(struct vt_vault *vault);
struct vt_jobs *vt_vault_jobs(struct vt_vault *vault);
struct vt_sequence *vt_vault_record_sequence(struct vt_vault *vault);
struct vt_sequence *vt_vault_token_sequence(struct vt_vault *vault);
const struct vt_clock *vt_vault_clock(struct vt_vault *vault);
uint64_t vt_vault_audit_size(struct vt_vault *vault);
const struct vt_vault_options *vt_vault_get_options(const struct vt_vault *vault);
bool vt_vault_purpose_is_registered(const struct vt_vault *vault, struct vt_bytes purpose);
