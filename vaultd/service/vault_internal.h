/* vaultd/service/vault_internal.h - the parts of a vault. Private to this folder. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "vaultd/core/backup/backup.h"
#include "vaultd/service/vault.h"

struct vt_vault {
    struct vt_vault_options options;        /* its arrays point to the copies below */
    struct vt_keeper *keepers[VT_KEEPERS_MAX];
    struct vt_store *store;
    struct vt_keyring *ring;
    struct vt_stamps *stamps;
    struct vt_epoch *epoch;
    struct vt_audit *audit;                 /* committer; NULL until there is a log */
    struct vt_schemas *schemas;
    struct vt_templates *templates;
    struct vt_credentials *credentials;
    struct vt_jobs *jobs;
    struct vt_sequence *records;
    struct vt_sequence *tokens;
    atomic_int state;                       /* vt_vault_state */
    _Atomic uint64_t audit_size;

    vault_status (*submit)(void *context, struct vt_commit_item *item);
    void *submit_context;
    const struct vt_held_counts *held;      /* the server's; NULL without one */
    pthread_mutex_t inline_mutex;           /* one committer at a time where there is no server */

    /* Unsealing and initialising: one at a time; Shamir shares entered so far. */
    pthread_mutex_t unseal_mutex;
    struct vt_wraps *share_wraps;
    struct vt_share_entry *shares;

    /* Wishes to close the epoch: a ticket is served by a close that began after it was drawn. */
    pthread_mutex_t epoch_mutex;
    pthread_cond_t epoch_served;
    pthread_mutex_t closing_mutex;          /* one close at a time */
    uint64_t epoch_wished, epoch_begun, epoch_done;
    bool epoch_even_if_empty, has_epoch_thread;
    _Atomic int64_t approvals_look_at_ms;   /* the next one is due or expires then; 0: look; INT64_MAX: none is open */
    _Atomic int64_t deniable_since_ms;      /* vt_clock_steady_ms(): since then everything approved could be denied */
    _Atomic int64_t forgetting_since_ms;    /* keys were dropped without a pending request; 0: none since the last close */
    vault_status epoch_last_status;
    void (*epoch_wake)(void *context);
    void *epoch_wake_context;

    struct {
        atomic_int sealed_for;              /* enum vt_self_seal */
        uint64_t seen_ns;                   /* the epoch thread's: when the keepers last said that the epoch is alive; 0: begin */
    } beside;

    /* take_over.c */
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t changed;             /* it has ended */
        atomic_bool is_still;               /* the committer refuses whatever comes */
        atomic_bool is_cancelled;
        char dir[VT_RESTORE_DIR_NAME_LEN];  /* "": none is whole */
        void (*restart)(void *context);
        void *restart_context;
    } take_over;
};
