/* Threads on stacks of their own: what is counted of them, locked and not. */
#include <linux/capability.h>
#include <stdatomic.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/thread.h"
#include "tests/support/suite.h"

static void wait_for(void *context)
{
    const atomic_bool *may_end = context;
    while (!atomic_load(may_end)) sched_yield();
}

START_TEST(stacks_are_counted_while_their_threads_are_there)
{
    atomic_bool may_end = false;
    struct vt_thread threads[2];
    struct vt_thread_stats before, during, after;
    vt_thread_stats(&before);
    for (size_t i = 0; i < 2; i++) ck_assert_ok(vt_thread_start(&threads[i], "test", wait_for, &may_end));
    vt_thread_stats(&during);
    const size_t locked = (size_t)threads[0].is_locked + threads[1].is_locked, each = (during.stack_bytes - before.stack_bytes) / 2;
    ck_assert_uint_ge(each, 64 * 1024);
    ck_assert_uint_eq(during.locked_bytes - before.locked_bytes, locked * each);
    atomic_store(&may_end, true);
    for (size_t i = 0; i < 2; i++) vt_thread_join(&threads[i]);
    vt_thread_stats(&after);
    ck_assert_uint_eq(after.stack_bytes, before.stack_bytes);
    ck_assert_uint_eq(after.locked_bytes, before.locked_bytes);
}
END_TEST

/* Root may lock without a limit: that right goes, too. */
static bool forbid_locking(void)
{
    const struct rlimit none = {0, 0};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0, 0, 0}, {0, 0, 0}};
    return setrlimit(RLIMIT_MEMLOCK, &none) == 0 && syscall(SYS_capset, &header, sets) == 0;
}

/** In a child, whose limits are its own. @return 0: the stack is counted, and not as locked */
static int count_unlocked(void)
{
    atomic_bool may_end = false;
    struct vt_thread thread;
    struct vt_thread_stats before, during;
    if (!forbid_locking()) return 1;
    vt_thread_stats(&before);
    if (vt_thread_start(&thread, "test", wait_for, &may_end) != VAULT_OK) return 2;
    vt_thread_stats(&during);
    atomic_store(&may_end, true);
    vt_thread_join(&thread);
    if (during.stack_bytes <= before.stack_bytes) return 3;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;                   /* their run time libraries answer for the kernel that it was locked */
#else
    return during.locked_bytes == before.locked_bytes ? 0 : 4;
#endif
}

START_TEST(a_stack_that_could_not_be_locked_is_not_counted_as_locked)
{
    int how;
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) _exit(count_unlocked());
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how));
    ck_assert_int_eq(WEXITSTATUS(how), 0);
}
END_TEST

VT_TEST_MAIN("base/thread", stacks_are_counted_while_their_threads_are_there,
             a_stack_that_could_not_be_locked_is_not_counted_as_locked)
