#include "libvault/base/thread.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libvault/base/secret.h"

/* Handlers keep plaintext in pools; what reaches a stack is small. Sanitizers blow frames up. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_LEN = 4 * 1024 * 1024 };
#else
enum { STACK_LEN = 512 * 1024 };
#endif

static atomic_size_t mapped_stacks, locked_stacks;

void vt_thread_stats(struct vt_thread_stats *out_stats)
{
    /* In this order: a thread that starts in between makes it look less locked, never more. */
    out_stats->locked_bytes = atomic_load(&locked_stacks) * (size_t)STACK_LEN;
    out_stats->stack_bytes = atomic_load(&mapped_stacks) * (size_t)STACK_LEN;
}

static VT_RESULT stack_map(struct vt_thread *thread, size_t guard_len)
{
    const size_t len = guard_len + STACK_LEN;
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    VT_ENSURE(memory != MAP_FAILED, VAULT_E_MEMORY);
    thread->memory = memory;
    thread->memory_len = len;
    atomic_fetch_add(&mapped_stacks, 1);
    if (mprotect(memory, guard_len, PROT_NONE) != 0) return VAULT_E_MEMORY;
    uint8_t *stack = thread->memory + guard_len;
    /* Pages are locked as they are first touched: the whole counts against RLIMIT_MEMLOCK, but takes no memory before. */
    thread->is_locked = mlock2(stack, STACK_LEN, MLOCK_ONFAULT) == 0;
    if (thread->is_locked) atomic_fetch_add(&locked_stacks, 1);
    return madvise(stack, STACK_LEN, MADV_DONTDUMP) == 0 ? VAULT_OK : VAULT_E_MEMORY;
}

static void stack_unmap(struct vt_thread *thread)
{
    if (thread->memory != NULL) {
        munmap(thread->memory, thread->memory_len);
        if (thread->is_locked) atomic_fetch_sub(&locked_stacks, 1);
        atomic_fetch_sub(&mapped_stacks, 1);
    }
    *thread = (struct vt_thread){0};
}

static void *thread_main(void *context)
{
    struct vt_thread *thread = context;
    thread->run(thread->context);
    return NULL;
}

static VT_RESULT thread_create(struct vt_thread *thread, const char *name, size_t guard_len)
{
    pthread_attr_t attributes;
    VT_ENSURE(pthread_attr_init(&attributes) == 0, VAULT_E_MEMORY);
    int failed = pthread_attr_setstack(&attributes, thread->memory + guard_len, STACK_LEN);
    if (failed == 0) failed = pthread_create(&thread->id, &attributes, thread_main, thread);
    pthread_attr_destroy(&attributes);
    VT_ENSURE(failed == 0, VAULT_E_MEMORY);
    thread->is_started = true;
    pthread_setname_np(thread->id, name);
    return VAULT_OK;
}

VT_RESULT vt_thread_start(struct vt_thread *thread, const char *name, void (*run)(void *context), void *context)
{
    const size_t guard_len = (size_t)sysconf(_SC_PAGESIZE);
    *thread = (struct vt_thread){.run = run, .context = context};
    vault_status status = stack_map(thread, guard_len);
    if (status == VAULT_OK) status = thread_create(thread, name, guard_len);
    if (status != VAULT_OK) stack_unmap(thread);
    return status;
}

void vt_thread_join(struct vt_thread *thread)
{
    if (!thread->is_started) return;
    VT_BUG_ON(pthread_join(thread->id, NULL) != 0);
    const size_t guard_len = (size_t)sysconf(_SC_PAGESIZE);
    vt_wipe(thread->memory + guard_len, thread->memory_len - guard_len);
    stack_unmap(thread);
}
