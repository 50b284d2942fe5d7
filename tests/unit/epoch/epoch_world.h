/* tests/unit/epoch/epoch_world.h - a vault on disk with its keepers and its journal, and what every test of epochs repeats.
 * Helpers assert that what they do succeeds; a test of a failure calls the epoch itself. */
#pragma once
#include <semaphore.h>

#include "tests/support/suite.h"
#include "vaultd/core/epoch/epoch.h"

enum { WORLD_KEEPERS_MAX = 5 };
struct world_shape {
    unsigned k, m;
    bool has_journal;
    bool has_fault_store;           /* the fault store lies over the real one */
    unsigned absent;                /* bit i: keeper i cannot be reached when the world opens */
    struct vt_keeper *(*open_keeper)(void *context, unsigned index);    /* NULL: file keepers below the directory */
    void *context;
};
struct world {
    char dir[128];
    struct world_shape shape;
    struct vt_clock clock;
    struct vt_store *store;
    struct vt_keyring *ring;
    struct vt_stamps *stamps;
    struct vt_keeper *keepers[WORLD_KEEPERS_MAX];
    struct vt_journal *journal;
    struct vt_epoch *epoch;
    struct vt_epoch_options options;
    unsigned destroyed;             /* how often the destroy callback ran */
};

/** An initialised, unsealed vault in a directory of its own. */
void world_new(struct world *world, const struct world_shape *shape);
/** Open what lies in @p world->dir, sealed. */
void world_open(struct world *world);
void world_close(struct world *world);
/** Close and open again, sealed. */
void world_reopen(struct world *world);
/** Close and remove the directory. */
void world_end(struct world *world);

/** The unseal key through the wraps, by the world's key file. */
vault_status world_unseal(struct world *world, struct vt_err *err);
vault_status world_unseal_with(struct world *world, const char *key_file, struct vt_err *err);
/** @param context another key file; NULL: the world's */
vault_status world_add_wraps(void *context, struct vt_wraps *wraps, const struct vt_key *unseal_key);
extern const char world_key_file[];

/** Another one in its place, which shape.open_keeper opens: the first is gone for good. */
void world_renew_keeper(struct world *world, unsigned index);
/** Cut a keeper off, or let it come back. */
void world_cut_keeper(struct world *world, unsigned index, bool is_down);
/** Let it refuse to erase with VAULT_E_STATE, and answer everything else. @param why its sentence, static; NULL: it erases again */
void world_refuse_keeper(struct world *world, unsigned index, const char *why);

/** Let it hang when its floor is asked for, once: @p entered is posted, @p go is waited for. Borrowed until then. */
void world_hang_keeper(struct world *world, unsigned index, sem_t *entered, sem_t *go);

struct vt_sid world_sid(unsigned number);
void world_add_subject(struct world *world, unsigned number);
/** Ask for the whole subject to be forgotten. @return the certificate's number */
uint64_t world_request(struct world *world, unsigned number);
enum { TARGET = 1, CONTROL = 2 };
/** A new world with two subjects, and a request to forget the first. @return the certificate's number */
uint64_t world_with_request(struct world *world, const struct world_shape *shape);
/** @param category 0: whole */
uint64_t world_request_scope(struct world *world, unsigned number, uint16_t category);
vault_status world_request_status(struct world *world, const struct vt_scope *scope, uint64_t *out_certificate);
/** A write that changes nothing in the keyring, so that the commit number rises. */
void world_touch_store(struct world *world);
vault_status world_destroy(void *context, struct vt_keyring_write *write, const struct vt_pending *pending,
                           struct vt_destroyed *out_counts);
vault_status world_close_epoch(struct world *world, bool even_if_empty);
/** VAULT_OK: readable; VAULT_E_SHRED_PENDING; VAULT_E_NOT_FOUND. */
vault_status world_subject(struct world *world, unsigned number);
/** State of the newest note of a certificate, checked against the vault's own key. */
enum vt_certificate_state world_certificate(struct world *world, uint64_t number);
uint64_t world_epoch(struct world *world);
uint64_t world_commit(struct world *world);

/** Files below the directory, by name: "store", "journal", "keeper-0" ... */
void world_path(const struct world *world, const char *name, char *out_path, size_t len);
/** Copy a file or a whole directory below the world's own, replacing what is there. The world must be closed. */
void world_copy(const struct world *world, const char *from, const char *to);
/** All shares that lie at the keepers now. The keepers must not be open. */
struct world_shares {
    size_t count;
    struct vt_keeper_slot slots[WORLD_KEEPERS_MAX * VT_KEEPER_SLOTS];
    unsigned keeper[WORLD_KEEPERS_MAX * VT_KEEPER_SLOTS];
};
void world_shares_read(const struct world *world, struct world_shares *out_shares);
/** Is any run of eight bytes of the share in any keeper's file? */
bool world_share_is_anywhere(const struct world *world, const struct vt_keeper_slot *slot);

/* Crashes: the work runs in a child on the world's directory; the world itself must be closed. */

/** Opened already. Sets the hook (vt_fault_set_step_hook) when what is to be interrupted begins. */
typedef vault_status (*world_work)(struct world *world, void (*hook)(const char *step, void *context), void *context);
enum { WORLD_STEPS_MAX = 400 };
struct world_step {
    char name[64];
    unsigned nth;
};
struct world_steps {
    size_t count;
    struct world_step items[WORLD_STEPS_MAX];
};
/** Every point that the work passes, in order. The work must succeed and changes the directory. */
void world_steps(const struct world *world, world_work work, struct world_steps *out_steps);
/** Run the work and kill it there. */
void world_crash(const struct world *world, world_work work, const struct world_step *step);
/** A copy of the directory, closed. */
void world_clone(const struct world *world, struct world *out_clone);
