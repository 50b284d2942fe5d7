#include "tests/support/suite.h"
#include "tools/bench/driver.h"

START_TEST(the_same_seed_gives_the_same_load)
{
    struct bench_random one = {42}, two = {42}, other = {43};
    for (int i = 0; i < 100; i++) ck_assert_uint_eq(bench_random_next(&one), bench_random_next(&two));
    ck_assert_uint_ne(bench_random_next(&one), bench_random_next(&other));
}
END_TEST

START_TEST(every_number_below_the_bound_comes_and_none_above)
{
    struct bench_random random = {7};
    unsigned seen[10] = {0};
    for (int i = 0; i < 10000; i++) {
        const uint64_t at = bench_random_below(&random, 10);
        ck_assert_uint_lt(at, 10);
        seen[at]++;
    }
    for (size_t i = 0; i < 10; i++) ck_assert_uint_gt(seen[i], 800);
}
END_TEST

START_TEST(gaps_have_the_mean_and_the_spread_of_a_poisson_process)
{
    struct bench_random random = {7};
    double sum = 0, squares = 0;
    enum { COUNT = 200000 };
    for (int i = 0; i < COUNT; i++) {
        const double gap = bench_random_gap(&random, 50);
        ck_assert_double_ge(gap, 0);
        sum += gap;
        squares += gap * gap;
    }
    const double mean = sum / COUNT;
    ck_assert_double_eq_tol(mean, 50, 0.5);
    ck_assert_double_eq_tol(squares / COUNT - mean * mean, 2500, 60);    /* variance is the mean squared */
}
END_TEST

START_TEST(a_value_has_its_length_and_prints)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(4096);
    struct bench_random random = {7};
    ck_assert_ok(bench_append_value(&random, 1000, &out));
    ck_assert_uint_eq(out.len, 1000);
    for (size_t i = 0; i < out.len; i++) ck_assert(out.data[i] > ' ' && out.data[i] < 0x7f);
}
END_TEST

START_TEST(a_value_past_the_buffer_is_refused)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(10);
    struct bench_random random = {7};
    ck_assert_status(bench_append_value(&random, 11, &out), VAULT_E_TOO_LARGE);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(an_unknown_driver_or_operation_is_not_found)
{
    ck_assert_ptr_eq(bench_driver_find("redis"), &bench_redis);
    ck_assert_ptr_null(bench_driver_find("oracle"));
    ck_assert_int_eq(bench_op_find(&bench_redis, "shred"), -1);
    ck_assert_int_ne(bench_op_find(&bench_redis, "get"), bench_op_find(&bench_redis, "set"));
}
END_TEST

VT_TEST_MAIN("bench/driver", the_same_seed_gives_the_same_load, every_number_below_the_bound_comes_and_none_above,
             gaps_have_the_mean_and_the_spread_of_a_poisson_process, a_value_has_its_length_and_prints,
             a_value_past_the_buffer_is_refused, an_unknown_driver_or_operation_is_not_found)
