/* tests/support/world.h - a whole vault in one process: store, file keepers (one unless asked for more), an unsealed epoch, and
 * commands run through the gate as a caller would send them, without a socket. The clock stands still at 2026-07-01T00:00:00Z until
 * a test moves it. Helpers assert that what they do succeeds; world_call() gives the status of the command. Thread: one. */
#pragma once
#include "tests/support/suite.h"
#include "vaultd/service/call.h"

enum { WORLD_KEEPERS_MAX = 5 };
struct world_options {
    bool is_on_disk;                /* LMDB in the world's directory; else the memory store */
    bool has_fault_store;           /* the fault store lies over it: vt_fault_arm(VT_FAULT_STORE, n) */
    /** Other keepers than files, by their place in the list; they are the vault's. NULL: files. */
    struct vt_keeper *(*open_keeper)(void *context, unsigned index);
    bool is_production;             /* not dev mode: clock.set and the like are refused */
    bool has_journal;               /* in the world's directory */
    /** Lets a test put itself between the vault and what keeps its data, each time they are opened. NULL: nobody does. */
    void (*on_open)(void *context, struct vt_store *store, struct vt_keeper *const *keepers);
    void *context;
    struct vt_brake_options brake;
    unsigned keeper_count, quorum;  /* 0: one; the file of the first is `keeper`, of the others `keeper-1` and so on */
};
struct world {
    char dir[128];
    struct world_options options;
    struct vt_clock clock;
    struct vt_vault *vault;
    const char *key_file;           /* what world_reopen() unseals with; world_key_file at first */
    struct vt_pool pool;            /* results live here until world_forget() or world_free() */
    struct vt_err err;              /* of the call made last */
    uint64_t certificate;           /* of the call made last, when its error named one */
    uint8_t caller;                 /* whose credential the calls come with, when that matters; 0 is somebody, too */
    bool wants_restart;             /* a take-over is whole: world_restart() */
};

/** @p options NULL: all false. Initialised and unsealed; the key file holds world_key_file. */
void world_new(struct world *world, const struct world_options *options);
void world_free(struct world *world);
/** Close and open again, unsealed: worlds on disk only. */
void world_reopen(struct world *world);
void world_keeper_path(const struct world *world, unsigned keeper, char out_path[160]);
/** The same in steps: close; open, still sealed; unseal. */
void world_close(struct world *world);
void world_open(struct world *world);
vault_status world_unseal(struct world *world);
/** What the daemon does when a take-over is whole: close, put the new environment in place, open, unseal. */
void world_restart(struct world *world);
extern const char world_key_file[];

/** Run a command. @param role a built-in role, or "all" for every scope at once; NULL: nobody has logged in
 *  @param params YAML (or JSON) text of the map of arguments; NULL: none
 *  @param out_result the result map, or nil when the call failed; in world->pool; NULL allowed */
vault_status world_call(struct world *world, const char *role, const char *method, const char *params,
                        struct vt_value *out_result);
/** The same with arguments that are a value already; borrowed. */
vault_status world_call_value(struct world *world, const char *role, const char *method, const struct vt_value *params,
                              struct vt_value *out_result);
/** Let go of all results. */
void world_forget(struct world *world);
/** Move the clock. */
void world_pass(struct world *world, int64_t delta_ms);

/** A file below the source tree, in world->pool; data NULL when there is none. */
struct vt_bytes world_file(struct world *world, const char *path);
/** schema.apply of a text. */
void world_apply_schema(struct world *world, const char *yaml);
/** schema.apply of docs/examples/schemas/<name>.yaml for each name; NULL ends the list. */
void world_apply_examples(struct world *world, const char *const *names);
