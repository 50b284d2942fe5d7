#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/crypto_internal.h"
#include "libvault/crypto/rng.h"
#include "tests/support/suite.h"

enum { DRAW_LEN = 16, DRAWS = 4000 };

static int draw_compare(const void *a, const void *b)
{
    return memcmp(a, b, DRAW_LEN);
}

static const struct vt_random_pool *own_pool(void)
{
    struct vt_crypto_thread *thread;
    ck_assert_ok(vt_crypto_thread(&thread));
    return thread->pool;
}

START_TEST(no_draw_repeats_across_many_fillings_of_the_pool)
{
    static uint8_t draws[DRAWS][DRAW_LEN];
    for (size_t i = 0; i < DRAWS; i++) {
        uint8_t odd[3];
        ck_assert_ok(vt_random_bytes(draws[i], DRAW_LEN));
        ck_assert_ok(vt_random_bytes(odd, i % sizeof odd));
    }
    qsort(draws, DRAWS, DRAW_LEN, draw_compare);
    for (size_t i = 1; i < DRAWS; i++) ck_assert_mem_ne(draws[i - 1], draws[i], DRAW_LEN);
}
END_TEST

START_TEST(every_length_is_filled_to_its_last_byte_and_not_beyond)
{
    static uint8_t bytes[3 * VT_RANDOM_POOL_LEN + 1];
    static const size_t LENS[] = {
        0, 1, 44, 1024, 1025, VT_RANDOM_POOL_LEN, VT_RANDOM_POOL_LEN + 1, 3 * VT_RANDOM_POOL_LEN};
    for (size_t i = 0; i < VT_ARRAY_LEN(LENS); i++) {
        uint8_t seen = 0;
        for (int round = 0; round < 64; round++) {
            memset(bytes, 0, sizeof bytes);
            ck_assert_ok(vt_random_bytes(bytes, LENS[i]));
            ck_assert_uint_eq(bytes[LENS[i]], 0);
            if (LENS[i] != 0) seen |= bytes[LENS[i] - 1];
        }
        ck_assert_uint_eq(seen, LENS[i] == 0 ? 0 : 0xff); /* 64 draws leave no bit of the last byte unset */
    }
}
END_TEST

START_TEST(bytes_handed_out_are_wiped_from_the_pool)
{
    uint8_t bytes[100];
    ck_assert_ok(vt_random_bytes(bytes, sizeof bytes));
    const struct vt_random_pool *pool = own_pool();
    const size_t used = VT_RANDOM_POOL_LEN - pool->left;
    ck_assert_uint_ge(used, sizeof bytes);
    for (size_t i = 0; i < used; i++) ck_assert_uint_eq(pool->bytes[i], 0);
}
END_TEST

START_TEST(a_forked_child_starts_with_an_empty_pool_and_draws_other_bytes)
{
    uint8_t own[32], childs[32];
    int ends[2];
    ck_assert_ok(vt_random_bytes(own, sizeof own));
    ck_assert_uint_gt(own_pool()->left, 0);
    ck_assert_int_eq(pipe(ends), 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const bool is_empty = own_pool()->left == 0;
        const bool is_drawn = vt_random_bytes(childs, sizeof childs) == VAULT_OK;
        const bool is_sent = write(ends[1], childs, sizeof childs) == (ssize_t)sizeof childs;
        _exit(is_empty && is_drawn && is_sent ? 0 : 1);
    }
    ck_assert_int_eq(read(ends[0], childs, sizeof childs), sizeof childs);
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert_int_eq(how, 0);
    ck_assert_ok(vt_random_bytes(own, sizeof own));
    ck_assert_mem_ne(own, childs, sizeof own);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(keys_differ_from_each_other)
{
    static struct vt_key keys[500];
    for (size_t i = 0; i < VT_ARRAY_LEN(keys); i++) ck_assert_ok(vt_random_key(&keys[i]));
    qsort(keys, VT_ARRAY_LEN(keys), sizeof keys[0], draw_compare);
    for (size_t i = 1; i < VT_ARRAY_LEN(keys); i++) ck_assert_mem_ne(&keys[i - 1], &keys[i], DRAW_LEN);
}
END_TEST

START_TEST(numbers_stay_below_their_bound_and_reach_all_of_it)
{
    static const uint64_t BOUNDS[] = {1, 2, 3, 10, 255, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, UINT64_MAX};
    for (size_t i = 0; i < VT_ARRAY_LEN(BOUNDS); i++)
        for (int round = 0; round < 200; round++) {
            uint64_t number = UINT64_MAX;
            ck_assert_ok(vt_random_below(BOUNDS[i], &number));
            ck_assert_uint_lt(number, BOUNDS[i]);
        }
    unsigned seen = 0;
    for (int round = 0; round < 1000; round++) {
        uint64_t number;
        ck_assert_ok(vt_random_below(10, &number));
        seen |= 1u << number;
    }
    ck_assert_uint_eq(seen, 0x3ff);
}
END_TEST

START_TEST(keys_of_one_seed_differ_from_each_other_and_from_the_seed)
{
    struct vt_key seed, keys[64];
    ck_assert_ok(vt_random_seed(&seed));
    for (size_t i = 0; i < VT_ARRAY_LEN(keys); i++) {
        ck_assert_ok(vt_random_key_of(&seed, &keys[i]));
        ck_assert_mem_ne(keys[i].bytes, seed.bytes, VT_KEY_LEN);
        for (size_t j = 0; j < i; j++) ck_assert_mem_ne(keys[i].bytes, keys[j].bytes, VT_KEY_LEN);
    }
    struct vt_key other;
    ck_assert_ok(vt_random_seed(&other));
    ck_assert_mem_ne(other.bytes, seed.bytes, VT_KEY_LEN);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(a_failing_generator_leaves_the_output_alone)
{
    uint8_t bytes[32] = {0}, none[32] = {0};
    struct vt_key key = VT_KEY_INIT, seed = VT_KEY_INIT;
    uint64_t number = 77;
    vt_fault_arm(VT_FAULT_RANDOM, 1);
    ck_assert_status(vt_random_bytes(bytes, sizeof bytes), VAULT_E_CRYPTO);
    vt_fault_arm(VT_FAULT_RANDOM, 1);
    ck_assert_status(vt_random_key(&key), VAULT_E_CRYPTO);
    vt_fault_arm(VT_FAULT_RANDOM, 1);
    ck_assert_status(vt_random_key_of(&seed, &key), VAULT_E_CRYPTO);
    vt_fault_arm(VT_FAULT_RANDOM, 1);
    ck_assert_status(vt_random_below(5, &number), VAULT_E_CRYPTO);
    ck_assert(vt_fault_disarm());
    ck_assert_mem_eq(bytes, none, sizeof none);
    ck_assert_mem_eq(key.bytes, none, sizeof none);
    ck_assert_uint_eq(number, 77);
}
END_TEST
#endif

VT_TEST_MAIN("crypto/rng",
#ifdef VT_FAULTS
             a_failing_generator_leaves_the_output_alone,
#endif
             no_draw_repeats_across_many_fillings_of_the_pool, every_length_is_filled_to_its_last_byte_and_not_beyond,
             bytes_handed_out_are_wiped_from_the_pool, a_forked_child_starts_with_an_empty_pool_and_draws_other_bytes,
             keys_differ_from_each_other, keys_of_one_seed_differ_from_each_other_and_from_the_seed,
             numbers_stay_below_their_bound_and_reach_all_of_it)
