#include "vaultd/server/workers.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/log.h"
#include "libvault/base/thread.h"

struct vt_workers {
    struct vt_workers_options options;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct vt_list queue;
    size_t queued;
    unsigned idle;
    unsigned started;
    bool is_stopping;
    struct vt_thread threads[VT_WORKERS_MAX];
};

static void worker_run(void *context)
{
    struct vt_workers *workers = context;
    pthread_mutex_lock(&workers->mutex);
    while (workers->queued != 0 || !workers->is_stopping) {
        if (workers->queued == 0) {
            workers->idle++;
            pthread_cond_wait(&workers->wake, &workers->mutex);
            workers->idle--;
            continue;
        }
        struct vt_list *job = vt_list_pop_front(&workers->queue);
        workers->queued--;
        pthread_mutex_unlock(&workers->mutex);
        workers->options.run(workers->options.context, job);
        pthread_mutex_lock(&workers->mutex);
    }
    pthread_mutex_unlock(&workers->mutex);
}

static VT_RESULT workers_grow(struct vt_workers *workers)
{
    VT_TRY(vt_thread_start(&workers->threads[workers->started], "vault-worker", worker_run, workers));
    workers->started++;
    return VAULT_OK;
}

VT_RESULT vt_workers_start(const struct vt_workers_options *options, struct vt_workers **out_workers)
{
    VT_ENSURE(options->threads != 0 && options->threads <= VT_WORKERS_MAX, VAULT_E_ARGUMENT);
    VT_ENSURE(options->threads_max >= options->threads && options->threads_max <= VT_WORKERS_MAX, VAULT_E_ARGUMENT);
    struct vt_workers *workers = vt_calloc(1, sizeof *workers);
    VT_ENSURE(workers != NULL, VAULT_E_MEMORY);
    workers->options = *options;
    vt_list_init(&workers->queue);
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->wake, NULL);
    vault_status status = VAULT_OK;
    while (status == VAULT_OK && workers->started < options->threads) status = workers_grow(workers);
    if (status != VAULT_OK) {
        vt_workers_stop(workers);
        return status;
    }
    *out_workers = workers;
    return VAULT_OK;
}

static VT_RESULT push_locked(struct vt_workers *workers, struct vt_list *job)
{
    VT_ENSURE(!workers->is_stopping, VAULT_E_SHUTDOWN);
    VT_ENSURE(workers->queued < workers->options.queue_max, VAULT_E_BUSY);
    vt_list_push_back(&workers->queue, job);
    workers->queued++;
    pthread_cond_signal(&workers->wake);
    return VAULT_OK;
}

/* More waits than there are idle threads to take it. When no further thread can be had, those there are will come to it. */
static void grow_if_short(struct vt_workers *workers)
{
    const bool is_short = workers->queued > workers->idle && workers->started < workers->options.threads_max;
    if (is_short && workers_grow(workers) != VAULT_OK)
        vt_log(VT_LOG_WARN, "worker.not_started", "threads=%u", workers->started);
}

VT_RESULT vt_workers_push(struct vt_workers *workers, struct vt_list *job)
{
    pthread_mutex_lock(&workers->mutex);
    const vault_status status = push_locked(workers, job);
    if (status == VAULT_OK) grow_if_short(workers);
    pthread_mutex_unlock(&workers->mutex);
    return status;
}

void vt_workers_stop(struct vt_workers *workers)
{
    if (workers == NULL) return;
    pthread_mutex_lock(&workers->mutex);
    workers->is_stopping = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->mutex);
    for (unsigned i = 0; i < workers->started; i++) vt_thread_join(&workers->threads[i]);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}
