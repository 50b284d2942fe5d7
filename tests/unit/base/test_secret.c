#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/secret.h"
#include "tests/support/suite.h"

START_TEST(freed_arena_memory_is_wiped_and_reused)
{
    uint8_t *first = vt_secret_alloc(40);
    memset(first, 0xAA, 40);
    vt_secret_free(first);
    uint8_t *second = vt_secret_alloc(40);
    ck_assert_ptr_eq(first, second);
    for (size_t i = 0; i < 40; i++) ck_assert_uint_eq(second[i], 0);
    vt_secret_free(second);
}
END_TEST

START_TEST(stats_count_what_is_in_use)
{
    struct vt_secret_stats before, during, after;
    vt_secret_stats(&before);
    void *block = vt_secret_alloc(1000);
    vt_secret_stats(&during);
    vt_secret_free(block);
    vt_secret_stats(&after);
    ck_assert_uint_eq(during.in_use_bytes - before.in_use_bytes, 1024);
    ck_assert_uint_eq(after.in_use_bytes, before.in_use_bytes);
    ck_assert_uint_ge(during.mapped_bytes, during.in_use_bytes);
}
END_TEST

START_TEST(a_forked_child_finds_the_arena_empty)
{
    uint8_t *block = vt_secret_alloc(32);
    memset(block, 0x5A, 32);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) _exit(block[0] == 0 && block[31] == 0 ? 0 : 1);
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert_int_eq(WEXITSTATUS(how), 0);
    ck_assert_uint_eq(block[0], 0x5A);
    vt_secret_free(block);
}
END_TEST

START_TEST(a_forked_child_can_free_what_it_inherited_and_use_the_arena_anew)
{
    uint8_t *held = vt_secret_alloc(32), *given_back = vt_secret_alloc(32);
    vt_secret_free(given_back);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        vt_secret_free(held);
        uint8_t *first = vt_secret_alloc(32), *second = vt_secret_alloc(32);
        if (first == NULL || second == NULL || first == second || first == held) _exit(1);
        memset(first, 0xAA, 32);
        vt_secret_free(first);
        vt_secret_free(second);
        _exit(first[0] == 0 ? 0 : 2);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how));
    ck_assert_int_eq(WEXITSTATUS(how), 0);
    vt_secret_free(held);
}
END_TEST

START_TEST(constant_time_equality_tells_equal_from_different)
{
    ck_assert(vt_ct_equal(vt_bytes_str("same"), vt_bytes_str("same")));
    ck_assert(!vt_ct_equal(vt_bytes_str("same"), vt_bytes_str("sama")));
    ck_assert(!vt_ct_equal(vt_bytes_str("same"), vt_bytes_str("sam")));
}
END_TEST

START_TEST(a_key_is_wiped_at_scope_end)
{
    struct vt_key key = {{1, 2, 3}};
    vt_key_release(&key);
    for (size_t i = 0; i < VT_KEY_LEN; i++) ck_assert_uint_eq(key.bytes[i], 0);
}
END_TEST

START_TEST(hardening_forbids_core_dumps)
{
    ck_assert_ok(vt_secret_harden_process());
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, 0);
    ck_assert_uint_eq(limit.rlim_max, 0);
}
END_TEST

VT_TEST_MAIN("base/secret", freed_arena_memory_is_wiped_and_reused, stats_count_what_is_in_use,
             a_forked_child_finds_the_arena_empty, a_forked_child_can_free_what_it_inherited_and_use_the_arena_anew,
             constant_time_equality_tells_equal_from_different, a_key_is_wiped_at_scope_end, hardening_forbids_core_dumps)
