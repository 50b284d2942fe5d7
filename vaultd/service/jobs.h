/* vaultd/service/jobs.h - slow work: progress for job.status, cancel, and what must be resumed after a crash.
 * A job that must survive writes its progress (sealed state) to the JOB table with each step's commit.
 * Thread: any; internally locked. */
#pragma once
#include "libvault/codec/value.h"
#include "vaultd/core/keyring/keyring.h"

struct vt_jobs;
enum vt_job_state { VT_JOB_RUNNING = 1, VT_JOB_DONE = 2, VT_JOB_FAILED = 3, VT_JOB_CANCELLED = 4 };
VT_RESULT vt_jobs_new(struct vt_jobs **out_jobs);
void vt_jobs_free(struct vt_jobs *jobs);
VT_DEFINE_AUTO_PTR(vt_jobs);
/** @param kind static text, e.g. "key.rotate tenant". @param id_or_null of a job that is resumed; else random */
VT_RESULT vt_jobs_begin(struct vt_jobs *jobs, const char *kind, const uint8_t *id_or_null, uint8_t out_id[16]);
/** @return false when the job has been cancelled or the vault shuts down: stop at once */
bool vt_jobs_progress(struct vt_jobs *jobs, const uint8_t id[16], uint64_t done, uint64_t total);
void vt_jobs_end(struct vt_jobs *jobs, const uint8_t id[16], vault_status status, const char *message);
/** Run @p work on a thread of its own; it reports through vt_jobs_progress() and what it returns ends the job.
 *  @param context owned by @p work from then on. @return VAULT_E_BUSY when too many run, VAULT_E_MEMORY: @p context stays the
 *  caller's then */
VT_RESULT vt_jobs_spawn(struct vt_jobs *jobs, const char *kind, vault_status (*work)(void *context, const uint8_t id[16]),
                        void *context, uint8_t out_id[16]);
/** What a job works on, so that two of them do not: jobs of equal @p what whose @p parts have a bit in common exclude each
 *  other. */
struct vt_job_topic {
    uint8_t what[24];
    uint32_t parts;                 /* 0: excludes nobody */
};
/** A job that had its id before it began to run. */
struct vt_job_origin {
    uint8_t id[16];
    bool is_resumed;                /* it ran before the vault was unsealed last, or was stopped */
};
/** vt_jobs_spawn() for a topic. @param origin_or_null NULL: a fresh id. Both borrowed for the call
 *  @return VAULT_E_RUNNING when a running job has the topic; VAULT_E_BUSY, VAULT_E_MEMORY */
VT_RESULT vt_jobs_spawn_topic(struct vt_jobs *jobs, const char *kind, const struct vt_job_topic *topic,
                              const struct vt_job_origin *origin_or_null,
                              vault_status (*work)(void *context, const uint8_t id[16]), void *context, uint8_t out_id[16]);
/** Does a running job have the topic? */
bool vt_jobs_topic_is_running(struct vt_jobs *jobs, const struct vt_job_topic *topic);
/** Does a spawned job run? */
bool vt_jobs_is_any_running(struct vt_jobs *jobs);
/** Tell every job to stop at its next step. */
void vt_jobs_cancel_all(struct vt_jobs *jobs);
/** The same, and wait until none has a thread any more. They commit and wait for epochs, so what serves them must still run. */
void vt_jobs_stop(struct vt_jobs *jobs);
/** List value for job.status: id, kind, state, done, total, started_at, resumed, message. @param id NULL: all
 *  @return VAULT_E_NOT_FOUND */
VT_RESULT vt_jobs_list(struct vt_jobs *jobs, const uint8_t *id, struct vt_pool *pool, struct vt_value *out_list);
