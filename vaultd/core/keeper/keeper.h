/* vaultd/core/keeper/keeper.h - what keeps a share of the root key and can really erase it (docs/OPERATIONS.md "Keepers").
 *
 * A keeper stores a few share slots {incarnation, epoch, attempt, sealed share, state} and a floor (epoch, commit number)
 * that only rises. The share is sealed under the unseal key by the caller; a keeper never sees it open.
 * Invariants: PREPARE is durable before it answers; FINALIZE erases every slot but the committed one, raises the floor,
 * and answers with a signed receipt; all are idempotent; compare-and-swap on (incarnation, epoch); one vault a keeper: the
 * first PREPARE says which. The floor's epoch is that of the last FINALIZE.
 * Thread: one caller at a time per keeper (the epoch thread). */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/secret.h"
#include "vaultd/core/store/ids.h"

struct vt_keeper;

/** Erasure class; certificates and status state it. Letters and meaning: docs/ERASURE.md "The promise". */
enum vt_keeper_class { VT_KEEPER_E0 = 0, VT_KEEPER_E1, VT_KEEPER_E2, VT_KEEPER_E3, VT_KEEPER_E4, VT_KEEPER_X };
const char *vt_keeper_class_name(enum vt_keeper_class keeper_class);        /* "E0"; static storage */
/** E1 counts as one of two or more. */
bool vt_keeper_class_counts_for_final(enum vt_keeper_class keeper_class);

enum { VT_KEEPER_SLOTS = 3, VT_KEEPER_SHARE_MAX = 256, VT_ATTEMPT_LEN = 16 };
enum vt_slot_state { VT_SLOT_EMPTY = 0, VT_SLOT_PREPARED = 1, VT_SLOT_COMMITTED = 2 };
struct vt_keeper_slot {
    uint8_t state;
    struct vt_vault_id vault_id;
    uint64_t incarnation;
    uint64_t epoch;
    uint8_t attempt[VT_ATTEMPT_LEN];
    uint8_t k, m, x;                        /* Shamir parameters; x is this keeper's point */
    uint16_t share_len;
    uint8_t share[VT_KEEPER_SHARE_MAX];     /* SEAL(U, slot context, share 32) */
};
/** All zero: this keeper has never finalised anything. */
struct vt_keeper_floor {
    struct vt_vault_id vault_id;
    uint64_t incarnation;
    uint64_t epoch;
    uint64_t commit_number;
};

/** Signed statement that all slots but one are erased: a signed note (proof/note.h) of one `key: value` a line. */
struct vt_keeper_receipt {
    struct vt_buf note;                     /* owned by the caller */
};
#define VT_KEEPER_RECEIPT_INIT ((struct vt_keeper_receipt){VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX)})
enum { VT_KEEPER_RECEIPT_MAX = 4096 };
static inline void vt_keeper_receipt_release(struct vt_keeper_receipt *receipt)
{
    vt_buf_release(&receipt->note);
}
/** What a receipt says. */
struct vt_keeper_statement {
    uint64_t keeper_id;
    enum vt_keeper_class keeper_class;
    struct vt_vault_id vault_id;
    uint64_t incarnation;
    uint64_t epoch;
    uint8_t attempt[VT_ATTEMPT_LEN];
    uint8_t kept_k, kept_m, kept_x;         /* all 0: nothing is kept here (the keeper had missed the PREPARE) */
    uint64_t floor_commit;
    int64_t at_ms;
};
/** Append the signed note. The name of the key is "vaultd-keeper/" and the keeper's id. */
VT_RESULT vt_keeper_receipt_write(const struct vt_keeper_statement *statement, const struct vt_key *seed,
                                  struct vt_buf *out_note);
/** Check signature and text. @param verifier_key as in vt_keeper_info
 *  @return VAULT_E_AUTHENTICITY, VAULT_E_PARSE */
VT_RESULT vt_keeper_receipt_verify(struct vt_bytes note, const char *verifier_key,
                                   struct vt_keeper_statement *out_statement);

struct vt_keeper_info {
    uint64_t keeper_id;                     /* random, given at creation */
    enum vt_keeper_class keeper_class;
    char name[65];                          /* from the configuration */
    char verifier_key[200];                 /* of its receipts, C2SP vkey */
    bool is_reachable;
    bool is_same_device_as_store;           /* E0: warn */
    char refusal[256];                      /* of its last change: one sentence that says more than the status did; or empty */
};

struct vt_keeper_ops {
    vault_status (*info)(struct vt_keeper *keeper, struct vt_keeper_info *out_info);
    /** All non-empty slots, oldest epoch first; theirs is the caller's to compare: a keeper may belong to another vault. */
    vault_status (*read)(struct vt_keeper *keeper, struct vt_keeper_slot out_slots[VT_KEEPER_SLOTS], size_t *out_count);
    /** @return VAULT_E_CONFLICT when the vault is another, (incarnation, epoch) is not the next after the floor (a keeper
     *  that has never finalised takes any), or another attempt is prepared; VAULT_E_KEEPER when what is open is not what the
     *  keeper's name leads to any more */
    vault_status (*prepare)(struct vt_keeper *keeper, const struct vt_keeper_slot *slot);
    /** A keeper that missed the PREPARE erases all it has: it returns with an old share and must not serve it.
     *  @return VAULT_E_ROLLBACK below the floor, in the epoch or in the incarnation: a later incarnation begins with a later
     *  epoch; VAULT_E_NOT_FOUND when the keeper holds nothing of any vault, VAULT_E_CONFLICT when another attempt of that
     *  epoch is committed here, or when what is held is a whole root key (m = 1) and not of this attempt: erasing it would
     *  lose the vault */
    vault_status (*finalize)(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                             const uint8_t attempt[VT_ATTEMPT_LEN], uint64_t commit_number, int64_t now_ms,
                             struct vt_keeper_receipt *out_receipt);
    /** Erase this prepared attempt. VAULT_OK when it is not here. @return VAULT_E_CONFLICT when it is committed */
    vault_status (*abort)(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                          const uint8_t attempt[VT_ATTEMPT_LEN]);
    vault_status (*floor)(struct vt_keeper *keeper, struct vt_keeper_floor *out_floor);
    /** Only the commit number rises by this; epochs by FINALIZE.
     *  @return VAULT_E_ROLLBACK when asked to go down, VAULT_E_CONFLICT for another vault, incarnation or epoch */
    vault_status (*raise_floor)(struct vt_keeper *keeper, const struct vt_keeper_floor *floor);
    void (*free)(struct vt_keeper *keeper);
};
/** Each back end's struct starts with one of these. */
struct vt_keeper {
    const struct vt_keeper_ops *ops;
};
void vt_keeper_free(struct vt_keeper *keeper);  /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_keeper);

/** E0: one file of two fixed 4 KiB blocks, written in place, never renamed, each with sequence and SHA-256, synced; a torn
 *  write of one leaves the other. FINALIZE and ABORT overwrite both; what a crash left between the two is finished when the
 *  file is opened. Mode 0600, no symbolic link is followed, one process at a time. Bytes: docs/FORMAT.md "Keeper file".
 *  Faults: VT_FAULT_KEEPER fails a read, write or sync; steps "keeper.<verb>.<point>".
 *  @param name       what status calls it: 1 to 64 visible ASCII characters, VAULT_E_ARGUMENT
 *  @param must_exist VAULT_E_KEEPER instead of creating. @return VAULT_E_CORRUPT when neither block is whole, VAULT_E_FORMAT,
 *  VAULT_E_LOCKED (another process), VAULT_E_STATE when others may read or write it or it has a second name, VAULT_E_IO */
VT_RESULT vt_keeper_file_open(const char *path, const char *name, bool must_exist, struct vt_keeper **out_keeper);
/** Look at the keeper file of a vault that another process serves: no lock is taken and nothing is ever written or finished;
 *  every operation that would is VAULT_E_READ_ONLY. For serving a restored copy beside the live vault. Each look opens the
 *  file by its name again: one that has been moved away or replaced no longer counts as read.
 *  @return VAULT_E_KEEPER when there is none; otherwise as vt_keeper_file_open() */
VT_RESULT vt_keeper_file_open_read_only(const char *path, const char *name, struct vt_keeper **out_keeper);
/** How a keeper is opened. */
enum vt_keeper_use {
    VT_KEEPER_MAKE,                         /* made when it is not there */
    VT_KEEPER_MUST_EXIST,
    VT_KEEPER_LOOK                          /* another process's: as vt_keeper_file_open_read_only() */
};
/** Open a keeper of the @p kind that settings name: "file" (E0) or "raw" (E1), at @p path.
 *  @return VAULT_E_ARGUMENT for another kind; otherwise as the kind's own function. @p err has a sentence that says what to do */
VT_RESULT vt_keeper_open(const char *kind, const char *path, const char *name, enum vt_keeper_use use,
                         struct vt_keeper **out_keeper, struct vt_err *err);
/** One that cannot be opened now, for a vault that has others to spare: it is tried again with each operation and answers as one
 *  that is away until it is there. It is never made. Texts are copied. */
VT_RESULT vt_keeper_open_later(const char *kind, const char *path, const char *name, const char *store_dir,
                               struct vt_keeper **out_keeper);
/** Make such a one, if it is still not there; any other is left alone. @return as vt_keeper_open() */
VT_RESULT vt_keeper_make(struct vt_keeper *keeper, struct vt_err *err);
/** Tell a keeper where the store lies, so that vt_keeper_info can warn when one disk holds both. Nothing to do for one that
 *  lies on no device of this machine. @return VAULT_E_IO */
VT_RESULT vt_keeper_compare_device(struct vt_keeper *keeper, const char *store_dir);
