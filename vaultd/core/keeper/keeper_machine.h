/* vaultd/core/keeper/keeper_machine.h - the state machine of a keeper, over whatever medium keeps its state.
 *
 * A back end that stores the state itself (a file, a raw partition, a TPM's memory) starts with one of these and says how a
 * state is read and how it is replaced; what may follow what is decided here, once.
 * Invariants: the state in memory is that of the medium, or is_stale is set and it is read again before anything else; shares
 * lie in the secret arena.
 * Thread: as vt_keeper. */
#pragma once
#include <sys/types.h>

#include "vaultd/core/keeper/keeper.h"

/** What a keeper holds. */
struct vt_keeper_state {
    uint64_t sequence;                      /* of the replacement that wrote it; the medium's own */
    uint64_t keeper_id;
    struct vt_keeper_floor floor;           /* its vault id is that of the slots too */
    struct vt_key seed;                     /* Ed25519, signs receipts */
    size_t slot_count;
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
};

/** A state with a random identity, of no vault. @param out_state in the secret arena */
VT_RESULT vt_keeper_state_init(struct vt_keeper_state *out_state);
/** Does @p older hold a share that @p newer has erased? */
bool vt_keeper_state_holds_more(const struct vt_keeper_state *older, const struct vt_keeper_state *newer);

/** A state as bytes, with SHA-256 at the end: docs/FORMAT.md "Keeper file". */
enum { VT_KEEPER_BLOCK_LEN = 4096 };
VT_RESULT vt_keeper_state_encode(const struct vt_keeper_state *state, uint8_t out_block[VT_KEEPER_BLOCK_LEN]);
/** @return VAULT_E_CORRUPT for a block that was never written whole, VAULT_E_FORMAT for one of another version */
VT_RESULT vt_keeper_state_decode(const uint8_t block[VT_KEEPER_BLOCK_LEN], struct vt_keeper_state *out_state);

/** Why a state is replaced. */
enum vt_keeper_change {
    VT_KEEPER_PREPARING, VT_KEEPER_FINALIZING, VT_KEEPER_ABORTING, VT_KEEPER_RAISING, VT_KEEPER_REPAIRING, VT_KEEPER_CHANGES
};
/** Shares of the former state must not be readable afterwards. */
static inline bool vt_keeper_change_erases(enum vt_keeper_change change)
{
    return change == VT_KEEPER_FINALIZING || change == VT_KEEPER_ABORTING;
}

struct vt_keeper_machine;
struct vt_keeper_medium_ops {
    /** The newest whole state. What an interrupted erasure left behind is erased first.
     *  @return VAULT_E_CORRUPT, VAULT_E_FORMAT, VAULT_E_IO */
    vault_status (*load)(struct vt_keeper_machine *machine, struct vt_keeper_state *out_state);
    /** Put @p next in the place of @p now, durably; after a change that erases nothing of @p now is left that @p next has not.
     *  Stopped at any point, load() finds one of the two whole. Sets next->sequence. */
    vault_status (*replace)(struct vt_keeper_machine *machine, const struct vt_keeper_state *now, struct vt_keeper_state *next,
                            enum vt_keeper_change change);
    /** Class, device: what the medium knows about itself; the machine fills in the rest. */
    void (*describe)(struct vt_keeper_machine *machine, struct vt_keeper_info *info);
    /** The device that the state lies on. NULL: none of this machine's. */
    vault_status (*device)(struct vt_keeper_machine *machine, dev_t *out_device);
    /** Does the name still lead to what is open? A share that is put into a file whose name leads elsewhere is not there at the
     *  next start. NULL: it cannot be otherwise. */
    bool (*is_in_place)(struct vt_keeper_machine *machine);
    void (*free)(struct vt_keeper_machine *machine);        /* with the struct that starts with the machine */
};

struct vt_keeper_machine {
    struct vt_keeper base;
    const struct vt_keeper_medium_ops *medium;
    char name[65];
    bool is_same_device;                    /* as the store's */
    bool is_stale;                          /* a replacement has failed: the medium must be read again */
    char refusal[256];                      /* by replace(): a sentence, when the status alone does not say what is in the way */
    bool is_read_only;                      /* another process's: looked at afresh each time, never written */
    struct vt_keeper_state *state;          /* secret arena */
};

/** Begin a machine in zeroed memory; nothing is read yet.
 *  @param name 1 to 64 visible ASCII characters, VAULT_E_ARGUMENT. @return VAULT_E_MEMORY */
VT_RESULT vt_keeper_machine_init(struct vt_keeper_machine *machine, const struct vt_keeper_medium_ops *medium, const char *name,
                                 bool is_read_only);
/** Read the medium. */
VT_RESULT vt_keeper_machine_load(struct vt_keeper_machine *machine);
/** Make the name @p path durable in its folder. @return VAULT_E_IO, VAULT_E_MEMORY */
VT_RESULT vt_keeper_sync_folder(const char *path);
/** Is what @p path leads to what @p fd has open? */
bool vt_keeper_is_at(int fd, const char *path);
