#include "vaultd/server/epoch_thread.h"

#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "libvault/base/fault.h"
#include "libvault/base/log.h"
#include "libvault/base/thread.h"

enum { LOOK_EVERY_MS = 100, FLOOR_EVERY_MS = 5000, BESIDE_EVERY_MS = 2000, AFTER_FAILURE_MS = 1000 };
#define NS_PER_MS UINT64_C(1000000)

struct vt_epoch_thread {
    struct vt_vault *vault;
    struct vt_thread thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool is_woken;
    bool is_stopping;
    /* the thread's own */
    uint64_t next_floor_ns;
    uint64_t next_beside_ns;
    uint64_t not_before_ns;             /* a close that failed is not tried again at once */
    uint64_t approvals_not_before_ns;
    vault_status last_close;
    vault_status last_approvals;
    vault_status last_floor;
    vault_status last_settle;
    vault_status last_keepers[VT_KEEPERS_MAX];
};

static void thread_wake(void *context)
{
    struct vt_epoch_thread *thread = context;
    pthread_mutex_lock(&thread->mutex);
    thread->is_woken = true;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->mutex);
}

/* @return false when it is time to stop */
static bool thread_wait(struct vt_epoch_thread *thread)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_EVERY_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&thread->mutex);
    while (!thread->is_woken && !thread->is_stopping)
        if (pthread_cond_timedwait(&thread->wake, &thread->mutex, &until) != 0) break;
    thread->is_woken = false;
    const bool goes_on = !thread->is_stopping;
    pthread_mutex_unlock(&thread->mutex);
    return goes_on;
}

/* Once per change: a keeper that stays away for a day is one line, and its return another. */
static void log_change(const char *event, vault_status *last, vault_status status)
{
    if (status == *last) return;
    vt_log(status == VAULT_OK ? VT_LOG_INFO : VT_LOG_ERROR, event, "status=%s", vault_status_code(status));
    *last = status;
}

/* Why a closing waits is its keepers' to say: one line for each that begins to refuse, and one when it has stopped. */
static void log_keepers(struct vt_epoch_thread *thread)
{
    struct vt_epoch_status status;
    if (vt_epoch_status(vt_vault_epoch(thread->vault), &status) != VAULT_OK) return;
    for (size_t i = 0; i < status.keeper_count; i++) {
        const vault_status error = status.keeper_errors[i];
        if (error == thread->last_keepers[i]) continue;
        const char *why = vt_epoch_keeper_trouble(&status, i);
        vt_log(error == VAULT_OK ? VT_LOG_INFO : VT_LOG_ERROR, "epoch.keeper", "keeper=%s status=%s why=\"%s\"",
               status.keepers[i].name, vault_status_code(error), why != NULL ? why : "");
        thread->last_keepers[i] = error;
    }
}

static void close_when_due(struct vt_epoch_thread *thread)
{
    if (vt_monotonic_ns() < thread->not_before_ns || !vt_vault_epoch_is_due(thread->vault)) return;
    vault_status status = vt_vault_run_due_epoch(thread->vault);
    if (status == VAULT_E_NOT_FOUND) status = VAULT_OK;         /* nothing was pending any more */
    if (status != VAULT_OK) thread->not_before_ns = vt_monotonic_ns() + AFTER_FAILURE_MS * NS_PER_MS;
    log_change("epoch.close", &thread->last_close, status);
}

/* What people have approved, and what nobody has in time. */
static void run_approvals(struct vt_epoch_thread *thread)
{
    if (vt_monotonic_ns() < thread->approvals_not_before_ns || !vt_vault_approvals_are_due(thread->vault)) return;
    const vault_status status = vt_vault_run_approvals(thread->vault);
    if (status != VAULT_OK) thread->approvals_not_before_ns = vt_monotonic_ns() + AFTER_FAILURE_MS * NS_PER_MS;
    log_change("approvals.run", &thread->last_approvals, status);
}

static bool is_served_for_writing(struct vt_vault *vault)
{
    const enum vt_vault_state state = vt_vault_state(vault);
    return state == VT_VAULT_READY || state == VT_VAULT_DISK_FULL;
}

static void push_floor(struct vt_epoch_thread *thread)
{
    thread->next_floor_ns = vt_monotonic_ns() + FLOOR_EVERY_MS * NS_PER_MS;
    if (!is_served_for_writing(thread->vault)) return;
    log_change("epoch.floor", &thread->last_floor, vt_epoch_push_floor(vt_vault_epoch(thread->vault)));
}

/* A copy beside the live vault must not outlive its epoch. */
static void look_beside(struct vt_epoch_thread *thread)
{
    const uint64_t now_ns = vt_monotonic_ns();
    if (now_ns < thread->next_beside_ns) return;
    thread->next_beside_ns = now_ns + BESIDE_EVERY_MS * NS_PER_MS;
    const enum vt_self_seal why = vt_vault_look_beside(thread->vault, now_ns);
    if (why == VT_SELF_SEAL_NONE) return;
    vt_log(VT_LOG_WARN, "vault.sealed_itself", "reason=%s",
           why == VT_SELF_SEAL_EPOCH_CLOSED ? "epoch-closed" : "keepers-unseen");
}

static void settle_certificates(struct vt_epoch_thread *thread)
{
    if (!is_served_for_writing(thread->vault)) return;
    log_change("certificate.settle", &thread->last_settle, vt_vault_settle_certificates(thread->vault));
}

/* Heap that was freed in pieces stays with the process until somebody asks for it. */
static void give_back_heap(void)
{
    enum { FREE_MAX_LEN = 16 * 1024 * 1024 };
    if (mallinfo2().fordblks > FREE_MAX_LEN) malloc_trim(0);
}

static void thread_run(void *context)
{
    struct vt_epoch_thread *thread = context;
    while (thread_wait(thread)) {
        run_approvals(thread);
        close_when_due(thread);
        look_beside(thread);
        if (vt_monotonic_ns() < thread->next_floor_ns) continue;
        push_floor(thread);
        log_keepers(thread);
        settle_certificates(thread);
        give_back_heap();
    }
    push_floor(thread);
}

static void thread_free(struct vt_epoch_thread *thread)
{
    pthread_cond_destroy(&thread->wake);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
}

VT_RESULT vt_epoch_thread_start(struct vt_vault *vault, struct vt_epoch_thread **out_thread)
{
    struct vt_epoch_thread *thread = vt_calloc(1, sizeof *thread);
    VT_ENSURE(thread != NULL, VAULT_E_MEMORY);
    thread->vault = vault;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&thread->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&thread->mutex, NULL);
    const vault_status status = vt_thread_start(&thread->thread, "vault-epoch", thread_run, thread);
    if (status != VAULT_OK) {
        thread_free(thread);
        return status;
    }
    vt_vault_set_epoch_waker(vault, thread_wake, thread);
    *out_thread = thread;
    return VAULT_OK;
}

void vt_epoch_thread_stop(struct vt_epoch_thread *thread)
{
    if (thread == NULL) return;
    vt_vault_set_epoch_waker(thread->vault, NULL, NULL);
    pthread_mutex_lock(&thread->mutex);
    thread->is_stopping = true;
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->mutex);
    vt_thread_join(&thread->thread);
    thread_free(thread);
}
