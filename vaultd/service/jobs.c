#include "vaultd/service/jobs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/clock.h"
#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/rng.h"

enum { JOBS_KEPT = 64, JOB_MESSAGE_MAX = 160, JOBS_RUNNING_MAX = 8 };

struct job {
    uint8_t id[16];
    const char *kind;               /* static text */
    enum vt_job_state state;
    uint64_t done, total;
    int64_t started_at_ms;
    char message[JOB_MESSAGE_MAX];
};

/* A ring of the newest jobs: a running one is never overwritten. */
struct vt_jobs {
    pthread_mutex_t mutex;
    struct job jobs[JOBS_KEPT];
    size_t next;
    bool is_stopping;
    unsigned running;               /* threads of spawned jobs */
    pthread_cond_t ended;
};

VT_RESULT vt_jobs_new(struct vt_jobs **out_jobs)
{
    struct vt_jobs *jobs = vt_calloc(1, sizeof *jobs);
    VT_ENSURE(jobs != NULL, VAULT_E_MEMORY);
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_cond_init(&jobs->ended, NULL);
    *out_jobs = jobs;
    return VAULT_OK;
}

void vt_jobs_free(struct vt_jobs *jobs)
{
    if (jobs == NULL) return;
    pthread_mutex_lock(&jobs->mutex);
    jobs->is_stopping = true;
    while (jobs->running != 0) pthread_cond_wait(&jobs->ended, &jobs->mutex);
    pthread_mutex_unlock(&jobs->mutex);
    pthread_cond_destroy(&jobs->ended);
    pthread_mutex_destroy(&jobs->mutex);
    free(jobs);
}

static struct job *job_find(struct vt_jobs *jobs, const uint8_t id[16])
{
    for (size_t i = 0; i < JOBS_KEPT; i++)
        if (jobs->jobs[i].kind != NULL && memcmp(jobs->jobs[i].id, id, 16) == 0) return &jobs->jobs[i];
    return NULL;
}

static struct job *job_slot(struct vt_jobs *jobs)
{
    for (size_t tried = 0; tried < JOBS_KEPT; tried++) {
        struct job *job = &jobs->jobs[jobs->next];
        jobs->next = (jobs->next + 1) % JOBS_KEPT;
        if (job->kind == NULL || job->state != VT_JOB_RUNNING) return job;
    }
    return NULL;
}

VT_RESULT vt_jobs_begin(struct vt_jobs *jobs, const char *kind, const uint8_t *id_or_null, uint8_t out_id[16])
{
    struct job fresh = {.kind = kind, .state = VT_JOB_RUNNING, .started_at_ms = vt_clock_now_ms(vt_clock_system())};
    if (id_or_null != NULL) memcpy(fresh.id, id_or_null, sizeof fresh.id);
    if (id_or_null == NULL) VT_TRY(vt_random_bytes(fresh.id, sizeof fresh.id));

    pthread_mutex_lock(&jobs->mutex);
    struct job *job = id_or_null != NULL ? job_find(jobs, id_or_null) : NULL;
    if (job == NULL) job = job_slot(jobs);
    if (job != NULL) *job = fresh;
    pthread_mutex_unlock(&jobs->mutex);
    VT_ENSURE(job != NULL, VAULT_E_BUSY);
    memcpy(out_id, fresh.id, sizeof fresh.id);
    return VAULT_OK;
}

bool vt_jobs_progress(struct vt_jobs *jobs, const uint8_t id[16], uint64_t done, uint64_t total)
{
    pthread_mutex_lock(&jobs->mutex);
    struct job *job = job_find(jobs, id);
    if (job != NULL) {
        job->done = done;
        job->total = total;
    }
    const bool goes_on = !jobs->is_stopping && job != NULL && job->state == VT_JOB_RUNNING;
    pthread_mutex_unlock(&jobs->mutex);
    return goes_on;
}

void vt_jobs_end(struct vt_jobs *jobs, const uint8_t id[16], vault_status status, const char *message)
{
    pthread_mutex_lock(&jobs->mutex);
    struct job *job = job_find(jobs, id);
    if (job != NULL) {
        job->state = status == VAULT_OK ? VT_JOB_DONE : status == VAULT_E_CANCELLED ? VT_JOB_CANCELLED : VT_JOB_FAILED;
        if (status == VAULT_OK && job->total != 0) job->done = job->total;
        snprintf(job->message, sizeof job->message, "%s", message != NULL ? message : vault_status_text(status));
    }
    pthread_mutex_unlock(&jobs->mutex);
}

struct spawned {
    struct vt_jobs *jobs;
    uint8_t id[16];
    vault_status (*work)(void *context, const uint8_t id[16]);
    void *context;
};

static void *spawned_main(void *argument)
{
    struct spawned *spawned = argument;
    struct vt_jobs *jobs = spawned->jobs;
    const vault_status status = spawned->work(spawned->context, spawned->id);
    vt_jobs_end(jobs, spawned->id, status, NULL);
    free(spawned);
    pthread_mutex_lock(&jobs->mutex);
    jobs->running--;
    pthread_cond_broadcast(&jobs->ended);
    pthread_mutex_unlock(&jobs->mutex);
    return NULL;
}

static bool running_take(struct vt_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    const bool fits = !jobs->is_stopping && jobs->running < JOBS_RUNNING_MAX;
    if (fits) jobs->running++;
    pthread_mutex_unlock(&jobs->mutex);
    return fits;
}

static void running_give(struct vt_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->running--;
    pthread_mutex_unlock(&jobs->mutex);
}

static VT_RESULT spawned_start(struct spawned *spawned, const char *kind, uint8_t out_id[16])
{
    pthread_attr_t attributes;
    pthread_t thread;
    VT_TRY(vt_jobs_begin(spawned->jobs, kind, NULL, spawned->id));
    memcpy(out_id, spawned->id, sizeof spawned->id);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    const int failed = pthread_create(&thread, &attributes, spawned_main, spawned);
    pthread_attr_destroy(&attributes);
    if (failed == 0) return VAULT_OK;
    vt_jobs_end(spawned->jobs, out_id, VAULT_E_MEMORY, NULL);
    return VAULT_E_MEMORY;
}

VT_RESULT vt_jobs_spawn(struct vt_jobs *jobs, const char *kind, vault_status (*work)(void *context, const uint8_t id[16]),
                        void *context, uint8_t out_id[16])
{
    struct spawned *spawned = vt_malloc(sizeof *spawned);
    VT_ENSURE(spawned != NULL, VAULT_E_MEMORY);
    *spawned = (struct spawned){.jobs = jobs, .work = work, .context = context};
    vault_status status = running_take(jobs) ? VAULT_OK : VAULT_E_BUSY;
    if (status == VAULT_OK) {
        status = spawned_start(spawned, kind, out_id);
        if (status != VAULT_OK) running_give(jobs);
    }
    if (status != VAULT_OK) free(spawned);
    return status;
}

void vt_jobs_cancel_all(struct vt_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->is_stopping = true;
    pthread_mutex_unlock(&jobs->mutex);
}

static VT_RESULT put_text(struct vt_pool *pool, struct vt_value *map, const char *key, const char *text)
{
    const struct vt_bytes copy = vt_pool_copy(pool, vt_bytes_str(text));
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    return vt_value_put(pool, map, key, vt_value_text(copy), NULL);
}

static VT_RESULT job_value(const struct job *job, struct vt_pool *pool, struct vt_value *list)
{
    static const char *const STATES[] = {"", "running", "done", "failed", "cancelled"};
    struct vt_value map = vt_value_map();
    char hex[33], when[VT_TIME_TEXT_LEN];
    vt_hex_encode(VT_BYTES_OF(job->id), hex);
    vt_time_format(job->started_at_ms, when);
    VT_TRY(put_text(pool, &map, "id", hex));
    VT_TRY(put_text(pool, &map, "kind", job->kind));
    VT_TRY(put_text(pool, &map, "state", STATES[job->state]));
    VT_TRY(vt_value_put(pool, &map, "done", vt_value_int((int64_t)job->done), NULL));
    VT_TRY(vt_value_put(pool, &map, "total", vt_value_int((int64_t)job->total), NULL));
    VT_TRY(put_text(pool, &map, "started_at", when));
    VT_TRY(put_text(pool, &map, "message", job->message));
    return vt_value_push(pool, list, map, NULL);
}

static VT_RESULT list_locked(struct vt_jobs *jobs, const uint8_t *id, struct vt_pool *pool, struct vt_value *list)
{
    for (size_t i = 0; i < JOBS_KEPT; i++) {
        const struct job *job = &jobs->jobs[i];
        if (job->kind == NULL || (id != NULL && memcmp(job->id, id, sizeof job->id) != 0)) continue;
        VT_TRY(job_value(job, pool, list));
    }
    return id != NULL && list->array.count == 0 ? VAULT_E_NOT_FOUND : VAULT_OK;
}

VT_RESULT vt_jobs_list(struct vt_jobs *jobs, const uint8_t *id, struct vt_pool *pool, struct vt_value *out_list)
{
    struct vt_value list = vt_value_array();
    pthread_mutex_lock(&jobs->mutex);
    const vault_status status = list_locked(jobs, id, pool, &list);
    pthread_mutex_unlock(&jobs->mutex);
    VT_TRY(status);
    *out_list = list;
    return VAULT_OK;
}
