/* vaultd/core/keeper/keeper.h - what keeps a share of the root key and can really erase it (FORGETTING section 5).
 *
 * A keeper stores a few share slots {incarnation, epoch, attempt, sealed share, state} and a floor (epoch, commit
 * number) that only rises. The share is sealed under the unseal key by the caller; a keeper never sees it open.
 * Invariants: PREPARE is durable before it answers; FINALIZE erases every slot but the committed one, raises the floor,
 * and answers with a signed receipt; all are idempotent; compare-and-swap on (incarnation, epoch).
 * Thread: one caller at a time per keeper (the epoch thread). */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/secret.h"
#include "vaultd/core/store/ids.h"

struct vt_keeper;

/** Erasure class; certificates and status state it. Letters and meaning: FORGETTING section 5. */
enum vt_keeper_class { VT_KEEPER_E0 = 0, VT_KEEPER_E1, VT_KEEPER_E2, VT_KEEPER_E3, VT_KEEPER_E4, VT_KEEPER_X };
const char *vt_keeper_class_name(enum vt_keeper_class keeper_class);        /* "E0"; static storage */
bool vt_keeper_class_counts_for_final(enum vt_keeper_class keeper_class);

enum { VT_KEEPER_SLOTS = 3, VT_KEEPER_SHARE_MAX = 256, VT_ATTEMPT_LEN = 16 };
enum vt_slot_state { VT_SLOT_EMPTY = 0, VT_SLOT_PREPARED = 1, VT_SLOT_COMMITTED = 2 };
struct vt_keeper_slot {
    uint8_t state;
    uint64_t incarnation;
    uint64_t epoch;
    uint8_t attempt[VT_ATTEMPT_LEN];
    uint8_t k, m, x;                        /* Shamir parameters; x is this keeper's point */
    uint16_t share_len;
    uint8_t share[VT_KEEPER_SHARE_MAX];     /* SEAL(U, slot context, share 32) */
};
struct vt_keeper_floor {
    uint64_t incarnation;
    uint64_t epoch;
    uint64_t commit_number;
};
/** Signed statement that all slots but one are erased. Text is a signed note (proof/note.h) with one `key: value` a
 *  line: keeper id, class, vault id, incarnation, epoch, attempt, floor, what was erased, time. */
struct vt_keeper_receipt {
    struct vt_buf note;                     /* owned by the caller */
};

struct vt_keeper_info {
    uint64_t keeper_id;                     /* random, given at creation */
    enum vt_keeper_class keeper_class;
    char name[65];                          /* from the configuration */
    char verifier_key[200];                 /* of its receipts, C2SP vkey */
    bool is_reachable;
    bool is_same_device_as_store;           /* E0: warn */
};

struct vt_keeper_ops {
    vault_status (*info)(struct vt_keeper *keeper, struct vt_keeper_info *out_info);
    /** All non-empty slots of this vault. */
    vault_status (*read)(struct vt_keeper *keeper, struct vt_keeper_slot out_slots[VT_KEEPER_SLOTS], size_t *out_count);
    /** @return VAULT_E_CONFLICT when (incarnation, epoch) is not the next after the committed one, or another attempt
     *  is prepared */
    vault_status (*prepare)(struct vt_keeper *keeper, const struct vt_keeper_slot *slot);
    vault_status (*finalize)(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                             const uint8_t attempt[VT_ATTEMPT_LEN], uint64_t commit_number, int64_t now_ms,
                             struct vt_keeper_receipt *out_receipt);
    /** Erase prepared slots other than committed ones. */
    vault_status (*abort)(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                          const uint8_t attempt[VT_ATTEMPT_LEN]);
    vault_status (*floor)(struct vt_keeper *keeper, struct vt_keeper_floor *out_floor);
    /** Only rises. @return VAULT_E_ROLLBACK when asked to go down */
    vault_status (*raise_floor)(struct vt_keeper *keeper, const struct vt_keeper_floor *floor);
    void (*free)(struct vt_keeper *keeper);
};
/** Each back end's struct starts with one of these. */
struct vt_keeper {
    const struct vt_keeper_ops *ops;
};
void vt_keeper_free(struct vt_keeper *keeper);  /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_keeper);

/** E0: one file of two fixed 4 KiB blocks, written in place, never renamed, each with sequence and SHA-256, fsynced; a
 *  torn write of one leaves the other. FINALIZE overwrites both. Mode 0600.
 *  @param must_exist VAULT_E_KEEPER instead of creating. @return VAULT_E_CORRUPT when neither block is whole,
 *  VAULT_E_FORMAT */
VT_RESULT vt_keeper_file_open(const char *path, const char *name, bool must_exist, struct vt_keeper **out_keeper);
