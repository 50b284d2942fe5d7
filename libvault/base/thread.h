/* libvault/base/thread.h - threads whose stacks hold secrets: each on memory of its own that is locked when
 * RLIMIT_MEMLOCK allows, kept out of dumps, guarded below, and wiped when the thread has ended. docs/KEYS.md "In memory".
 * Thread: start and join by one owner. */
#pragma once
#include <pthread.h>

#include "libvault/base/result.h"

struct vt_thread {
    pthread_t id;
    uint8_t *memory;                /* guard page and stack */
    size_t memory_len;
    void (*run)(void *context);
    void *context;
    bool is_started;
    bool is_locked;                 /* false: the stack may be swapped */
};
/** Start @p run; it inherits a mask that blocks every signal the main thread waits for.
 *  @param name at most 15 characters  @return VAULT_E_MEMORY; @p thread zeroed then */
VT_RESULT vt_thread_start(struct vt_thread *thread, const char *name, void (*run)(void *context), void *context);
/** Wait for its end and wipe its stack. Nothing happens when it was never started. */
void vt_thread_join(struct vt_thread *thread);

/** What `status` says of the stacks of the threads that are there now. */
struct vt_thread_stats {
    size_t stack_bytes;
    size_t locked_bytes;            /* less: some stacks may be swapped */
};
/** Thread: any. */
void vt_thread_stats(struct vt_thread_stats *out_stats);
