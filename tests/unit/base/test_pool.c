#include "libvault/base/pool.h"
#include "tests/support/suite.h"

START_TEST(blocks_are_aligned_zeroed_and_distinct)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    uint8_t *previous = NULL;
    for (size_t len = 1; len < 3000; len += 97) {
        uint8_t *block = vt_pool_alloc(&pool, len);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % 16, 0);
        for (size_t i = 0; i < len; i++) ck_assert_uint_eq(block[i], 0);
        memset(block, 0xFF, len);
        ck_assert_ptr_ne(block, previous);
        previous = block;
    }
}
END_TEST

START_TEST(the_maximum_holds)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(64);
    ck_assert_ptr_nonnull(vt_pool_alloc(&pool, 48));
    ck_assert_ptr_null(vt_pool_alloc(&pool, 32));
    ck_assert_ptr_nonnull(vt_pool_alloc(&pool, 16));
    ck_assert_ptr_null(vt_pool_calloc(&pool, SIZE_MAX / 2, 4));
}
END_TEST

START_TEST(what_it_holds_is_at_least_what_was_handed_out_until_it_is_released)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    ck_assert_uint_eq(vt_pool_held_bytes(&pool), 0);
    for (size_t i = 1; i <= 10; i++) {
        ck_assert_ptr_nonnull(vt_pool_alloc(&pool, 10000));
        ck_assert_uint_ge(vt_pool_held_bytes(&pool), i * 10000);
        ck_assert_uint_lt(vt_pool_held_bytes(&pool), 2 * i * 10000 + 64 * 1024);
    }
    vt_pool_reset(&pool);
    ck_assert_uint_le(vt_pool_held_bytes(&pool), 33 * 1024);        /* one chunk for the next call */
    vt_pool_release(&pool);
    ck_assert_uint_eq(vt_pool_held_bytes(&pool), 0);
}
END_TEST

START_TEST(reset_wipes_and_reuses)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    uint8_t *first = vt_pool_copy(&pool, vt_bytes_str("personal")).data == NULL ? NULL : vt_pool_alloc(&pool, 16);
    ck_assert_ptr_nonnull(first);
    memset(first, 0xEE, 16);
    vt_pool_reset(&pool);
    uint8_t *again = vt_pool_alloc(&pool, 8192);
    for (size_t i = 0; i < 8192; i++) ck_assert_uint_eq(again[i], 0);
}
END_TEST

START_TEST(chunks_that_grow_stay_zeroed_when_one_is_used_again)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t len = 16; len <= 64 * 1024; len *= 2) {
            uint8_t *block = vt_pool_alloc(&pool, len);
            ck_assert_ptr_nonnull(block);
            for (size_t i = 0; i < len; i++) ck_assert_uint_eq(block[i], 0);
            memset(block, 0xa5, len);
        }
        vt_pool_reset(&pool);
        ck_assert_uint_eq(pool.total, 0);
    }
}
END_TEST

VT_TEST_MAIN("base/pool", chunks_that_grow_stay_zeroed_when_one_is_used_again,
             blocks_are_aligned_zeroed_and_distinct, the_maximum_holds,
             what_it_holds_is_at_least_what_was_handed_out_until_it_is_released, reset_wipes_and_reuses)
