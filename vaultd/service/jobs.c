#include "vaultd/service/jobs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/clock.h"
#include "libvault/base/fault.h"
#include "libvault/base/thread.h"
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
    struct vt_job_topic topic;
    bool is_resumed;                /* began before the vault was unsealed last */
};

/** A job with a thread of its own. */
struct spawned {
    struct vt_jobs *jobs;           /* NULL: the place is free */
    struct vt_thread thread;
    uint8_t id[16];
    const struct vt_job_topic *topic;       /* the caller's, while it starts; NULL: none */
    const struct vt_job_origin *origin;     /* likewise */
    vault_status (*work)(void *context, const uint8_t id[16]);
    void *context;
    bool is_over;                   /* the thread takes no lock any more and may be joined */
};

/* A ring of the newest jobs: a running one is never overwritten. */
struct vt_jobs {
    pthread_mutex_t mutex;
    struct job jobs[JOBS_KEPT];
    size_t next;
    bool is_stopping;
    struct spawned spawned[JOBS_RUNNING_MAX];
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
    vt_jobs_stop(jobs);
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

static bool topic_is_taken(const struct vt_jobs *jobs, const struct vt_job_topic *topic)
{
    for (size_t i = 0; i < JOBS_KEPT; i++) {
        const struct job *job = &jobs->jobs[i];
        if (job->kind == NULL || job->state != VT_JOB_RUNNING || (job->topic.parts & topic->parts) == 0) continue;
        if (memcmp(job->topic.what, topic->what, sizeof topic->what) == 0) return true;
    }
    return false;
}

bool vt_jobs_topic_is_running(struct vt_jobs *jobs, const struct vt_job_topic *topic)
{
    pthread_mutex_lock(&jobs->mutex);
    const bool is_running = topic_is_taken(jobs, topic);
    pthread_mutex_unlock(&jobs->mutex);
    return is_running;
}

static VT_RESULT job_put(struct vt_jobs *jobs, const struct job *fresh)
{
    struct job *job = job_find(jobs, fresh->id);
    VT_ENSURE(!topic_is_taken(jobs, &fresh->topic), VAULT_E_RUNNING);
    if (job == NULL) job = job_slot(jobs);
    VT_ENSURE(job != NULL, VAULT_E_BUSY);
    *job = *fresh;
    return VAULT_OK;
}

static VT_RESULT job_begin(struct vt_jobs *jobs, const char *kind, const struct vt_job_topic *topic,
                           const struct vt_job_origin *origin, uint8_t out_id[16])
{
    struct job fresh = {.kind = kind, .state = VT_JOB_RUNNING, .started_at_ms = vt_clock_now_ms(vt_clock_system())};
    if (topic != NULL) fresh.topic = *topic;
    if (origin != NULL) {
        memcpy(fresh.id, origin->id, sizeof fresh.id);
        fresh.is_resumed = origin->is_resumed;
    } else {
        VT_TRY(vt_random_bytes(fresh.id, sizeof fresh.id));
    }

    pthread_mutex_lock(&jobs->mutex);
    const vault_status status = job_put(jobs, &fresh);
    pthread_mutex_unlock(&jobs->mutex);
    VT_TRY(status);
    memcpy(out_id, fresh.id, sizeof fresh.id);
    return VAULT_OK;
}

VT_RESULT vt_jobs_begin(struct vt_jobs *jobs, const char *kind, const uint8_t *id_or_null, uint8_t out_id[16])
{
    struct vt_job_origin origin = {.is_resumed = true};
    if (id_or_null != NULL) memcpy(origin.id, id_or_null, sizeof origin.id);
    return job_begin(jobs, kind, NULL, id_or_null != NULL ? &origin : NULL, out_id);
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

/* Threads ----------------------------------------------------------------------------------------------------------- */

static void spawned_main(void *argument)
{
    struct spawned *spawned = argument;
    struct vt_jobs *jobs = spawned->jobs;
    const vault_status status = spawned->work(spawned->context, spawned->id);
    vt_jobs_end(jobs, spawned->id, status, NULL);
    pthread_mutex_lock(&jobs->mutex);
    spawned->is_over = true;
    pthread_cond_broadcast(&jobs->ended);
    pthread_mutex_unlock(&jobs->mutex);
}

/* A place for one more; those whose threads are over are given back first. Under the mutex, which no thread that is over takes. */
static struct spawned *spawned_place(struct vt_jobs *jobs)
{
    struct spawned *place = NULL;
    for (size_t i = 0; i < JOBS_RUNNING_MAX; i++) {
        struct spawned *spawned = &jobs->spawned[i];
        if (spawned->is_over) {
            vt_thread_join(&spawned->thread);
            *spawned = (struct spawned){.jobs = NULL};
        }
        if (spawned->jobs == NULL) place = spawned;
    }
    return jobs->is_stopping ? NULL : place;
}

static struct spawned *spawned_take(struct vt_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    struct spawned *spawned = spawned_place(jobs);
    if (spawned != NULL) spawned->jobs = jobs;
    pthread_mutex_unlock(&jobs->mutex);
    return spawned;
}

static void spawned_give(struct spawned *spawned)
{
    struct vt_jobs *jobs = spawned->jobs;
    pthread_mutex_lock(&jobs->mutex);
    *spawned = (struct spawned){.jobs = NULL};
    pthread_cond_broadcast(&jobs->ended);
    pthread_mutex_unlock(&jobs->mutex);
}

static VT_RESULT spawned_start(struct spawned *spawned, const char *kind, uint8_t out_id[16])
{
    VT_TRY(job_begin(spawned->jobs, kind, spawned->topic, spawned->origin, spawned->id));
    memcpy(out_id, spawned->id, sizeof spawned->id);
    pthread_mutex_lock(&spawned->jobs->mutex);       /* it may be over, and joined, before this has returned */
    const vault_status status = vt_thread_start(&spawned->thread, "vault-job", spawned_main, spawned);
    pthread_mutex_unlock(&spawned->jobs->mutex);
    if (status != VAULT_OK) vt_jobs_end(spawned->jobs, out_id, status, NULL);
    return status;
}

VT_RESULT vt_jobs_spawn_topic(struct vt_jobs *jobs, const char *kind, const struct vt_job_topic *topic,
                              const struct vt_job_origin *origin_or_null,
                              vault_status (*work)(void *context, const uint8_t id[16]), void *context, uint8_t out_id[16])
{
    struct spawned *spawned = spawned_take(jobs);
    VT_ENSURE(spawned != NULL, VAULT_E_BUSY);
    spawned->topic = topic;
    spawned->origin = origin_or_null;
    spawned->work = work;
    spawned->context = context;
    const vault_status status = spawned_start(spawned, kind, out_id);
    if (status != VAULT_OK) spawned_give(spawned);
    return status;
}

VT_RESULT vt_jobs_spawn(struct vt_jobs *jobs, const char *kind, vault_status (*work)(void *context, const uint8_t id[16]),
                        void *context, uint8_t out_id[16])
{
    return vt_jobs_spawn_topic(jobs, kind, NULL, NULL, work, context, out_id);
}

void vt_jobs_cancel_all(struct vt_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->is_stopping = true;
    pthread_mutex_unlock(&jobs->mutex);
}

static bool is_any_running(const struct vt_jobs *jobs)
{
    for (size_t i = 0; i < JOBS_RUNNING_MAX; i++)
        if (jobs->spawned[i].jobs != NULL && !jobs->spawned[i].is_over) return true;
    return false;
}

bool vt_jobs_is_any_running(struct vt_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    const bool is_any = is_any_running(jobs);
    pthread_mutex_unlock(&jobs->mutex);
    return is_any;
}

void vt_jobs_stop(struct vt_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->is_stopping = true;
    while (is_any_running(jobs)) pthread_cond_wait(&jobs->ended, &jobs->mutex);
    for (size_t i = 0; i < JOBS_RUNNING_MAX; i++) {
        vt_thread_join(&jobs->spawned[i].thread);
        jobs->spawned[i] = (struct spawned){.jobs = NULL};
    }
    pthread_mutex_unlock(&jobs->mutex);
}

/* Listing ------------------------------------------------------------------------------------------------------------ */

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
    VT_TRY(vt_value_put(pool, &map, "resumed", vt_value_bool(job->is_resumed), NULL));
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
