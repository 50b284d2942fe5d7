#include "vaultd/server/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/base/log.h"
#include "vaultd/server/server_internal.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/rotation.h"

static void after_batch(void *context)
{
    struct vt_server *server = context;
    for (unsigned i = 0; i < server->loop_count; i++) loop_take_committed(server->loops[i]);
}

static VT_RESULT tls_open(const struct vt_server_options *options, struct vt_tls_context **out_context, struct vt_err *err)
{
    const struct vt_tls_server_options tls = {.certificate_file = options->certificate_file, .key_file = options->key_file};
    return vt_tls_server_context_new(&tls, err, out_context);
}

static VT_RESULT server_start(struct vt_server *server, struct vt_err *err)
{
    const struct vt_server_options *options = &server->options;
    const struct vt_committer_options committer = {options->vault, options->queue_max, options->batch_max,
                                                    VT_COMMIT_TREE_MAX, after_batch, server};
    const struct vt_workers_options workers = {options->workers, VT_WORKERS_MAX, WORKERS_QUEUE_MAX, call_run_slow, server};
    VT_TRY(tls_open(options, &server->tls, err));
    for (unsigned i = 0; i < options->network_threads; i++, server->loop_count++)
        VT_TRY(loop_new(server, i, &server->loops[i]));
    VT_TRY(vt_committer_start(&committer, &server->committer));
    vt_vault_set_submit(options->vault, vt_committer_submit, server->committer);
    vt_vault_set_held(options->vault, &server->held);
    return vt_workers_start(&workers, &server->workers);
}

VT_RESULT vt_server_open(const struct vt_server_options *options, struct vt_server **out_server, struct vt_err *err)
{
    VT_BUG_ON(options->network_threads == 0 || options->network_threads > LOOPS_MAX);
    struct vt_server *server = vt_calloc(1, sizeof *server);
    if (server == NULL) return vt_fail(err, VAULT_E_MEMORY, NULL, "%s", vault_status_text(VAULT_E_MEMORY));
    VT_BUG_ON(options->connection_memory_bytes < 2 * VT_LIMIT_FRAME_BYTES);
    VT_BUG_ON(options->memory_bytes < options->connection_memory_bytes);
    server->options = *options;
    server->held.connection_max_bytes = options->connection_memory_bytes;
    server->held.max_bytes = options->memory_bytes;
    pthread_mutex_init(&server->tls_mutex, NULL);
    const vault_status status = server_start(server, err);
    if (status != VAULT_OK) {
        const vault_status stopped = vt_server_stop(server);
        VT_BUG_ON(stopped != VAULT_OK);         /* nobody was connected */
        vt_server_free(server);
        if (err != NULL && err->message[0] != '\0') return status;
        return vt_fail(err, status, NULL, "The server could not be started: %s", vault_status_text(status));
    }
    *out_server = server;
    return VAULT_OK;
}

VT_RESULT vt_server_listen(struct vt_server *server, struct vt_err *err)
{
    VT_TRY(listen_open(server, err));
    vault_status status = vt_epoch_thread_start(server->options.vault, &server->epoch_thread);
    for (unsigned i = 0; i < server->loop_count && status == VAULT_OK; i++) status = loop_start(server->loops[i]);
    if (status != VAULT_OK) return vt_fail(err, status, NULL, "A thread could not be started: %s", vault_status_text(status));
    if (!server->loops[0]->thread.is_locked)
        vt_log(VT_LOG_WARN, "thread.stack_not_locked", "hint=raise-RLIMIT_MEMLOCK");
    vt_rotations_resume(server->options.vault);     /* unsealed already: dev mode */
    return VAULT_OK;
}

unsigned vt_server_port(const struct vt_server *server)
{
    return server->port;
}

VT_RESULT vt_server_reload_tls(struct vt_server *server, struct vt_err *err)
{
    struct vt_tls_context *fresh;
    VT_TRY(tls_open(&server->options, &fresh, err));
    pthread_mutex_lock(&server->tls_mutex);
    struct vt_tls_context *old = server->tls;
    server->tls = fresh;
    pthread_mutex_unlock(&server->tls_mutex);
    vt_tls_context_free(old);
    return VAULT_OK;
}

static void log_held(struct vt_server *server)
{
    struct vt_held_counts *held = &server->held;
    const uint64_t stalls = atomic_load(&held->stalls), busy = atomic_load(&held->busy);
    if (stalls == server->logged_stalls && busy == server->logged_busy) return;
    vt_log(VT_LOG_WARN, "conn.memory", "stalls=%llu busy=%llu held_bytes=%llu most_held_bytes=%llu",
           (unsigned long long)(stalls - server->logged_stalls), (unsigned long long)(busy - server->logged_busy),
           (unsigned long long)atomic_load(&held->bytes), (unsigned long long)atomic_load(&held->most_bytes));
    server->logged_stalls = stalls;
    server->logged_busy = busy;
}

void vt_server_log_counts(struct vt_server *server)
{
    log_held(server);
    struct server_counts *counts = &server->counts;
    const unsigned long long refused = atomic_exchange(&counts->refused_calls, 0), bad = atomic_exchange(&counts->bad_frames, 0),
                             tls = atomic_exchange(&counts->tls_failures, 0), away = atomic_exchange(&counts->turned_away, 0),
                             late = atomic_exchange(&counts->timeouts, 0);
    if (refused + bad + tls + away + late == 0) return;
    vt_log(VT_LOG_WARN, "conn.refused",
           "calls_before_login=%llu bad_frames=%llu tls_failures=%llu turned_away=%llu timeouts=%llu", refused, bad, tls, away,
           late);
}

/* Loops first, since nothing new may come in; then the workers and the jobs, which may wait for the epoch thread; then that,
 * which commits; the committer last. */
VT_RESULT vt_server_stop(struct vt_server *server)
{
    atomic_store(&server->is_draining, true);
    vt_jobs_cancel_all(vt_vault_jobs(server->options.vault));
    for (unsigned i = 0; i < server->loop_count; i++)
        if (server->loops[i]->thread.is_started) loop_wake(server->loops[i]);
    for (unsigned i = 0; i < server->loop_count; i++) vt_thread_join(&server->loops[i]->thread);
    vt_workers_stop(server->workers);
    server->workers = NULL;
    vt_jobs_stop(vt_vault_jobs(server->options.vault));
    vt_epoch_thread_stop(server->epoch_thread);
    server->epoch_thread = NULL;
    vt_committer_stop(server->committer);
    server->committer = NULL;
    vt_vault_set_submit(server->options.vault, NULL, NULL);
    vt_vault_set_held(server->options.vault, NULL);
    for (unsigned i = 0; i < server->loop_count; i++) loop_free(server->loops[i]);
    server->loop_count = 0;
    if (server->options.socket_path != NULL && server->port != 0) unlink(server->options.socket_path);
    vt_server_log_counts(server);
    return atomic_load(&server->was_cut_off) ? VAULT_E_TIMEOUT : VAULT_OK;
}

void vt_server_free(struct vt_server *server)
{
    if (server == NULL) return;
    VT_BUG_ON(server->loop_count != 0);
    vt_tls_context_free(server->tls);
    pthread_mutex_destroy(&server->tls_mutex);
    free(server);
}
