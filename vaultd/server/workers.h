/* vaultd/server/workers.h - the slow lane: threads for scrypt, exports, imports, backups, and for calls that wait until an
 * epoch has closed. Starts with a few and grows on demand, so that waiting calls do not starve others; the queue is bounded.
 * Thread: start and stop by main; push any. */
#pragma once
#include "libvault/base/list.h"
#include "libvault/base/result.h"

enum { VT_WORKERS_MAX = 16 };
struct vt_workers;
struct vt_workers_options {
    unsigned threads;                   /* to begin with */
    unsigned threads_max;               /* at most VT_WORKERS_MAX */
    size_t queue_max;
    void (*run)(void *context, struct vt_list *job);    /* on a worker; the job is the callee's */
    void *context;
};
VT_RESULT vt_workers_start(const struct vt_workers_options *options, struct vt_workers **out_workers);
/** @return VAULT_E_BUSY, VAULT_E_SHUTDOWN; the job is untouched then */
VT_RESULT vt_workers_push(struct vt_workers *workers, struct vt_list *job);
/** Run what is queued, then end. NULL is allowed. */
void vt_workers_stop(struct vt_workers *workers);
