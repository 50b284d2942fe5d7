#include "libvault/base/histogram.h"
#include "tests/support/suite.h"

static struct vt_histogram first, second;

/* A generator of the test's own, seeded: the same values in each run (xorshift64, Marsaglia 2003). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

START_TEST(an_empty_histogram_answers_zero)
{
    vt_histogram_reset(&first);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 0.5), 0);
    ck_assert_uint_eq(vt_histogram_count_up_to(&first, 1000), 0);
    ck_assert_double_eq(vt_histogram_mean(&first), 0);
}
END_TEST

START_TEST(small_values_are_exact)
{
    vt_histogram_reset(&first);
    for (uint64_t value = 0; value < 256; value++) vt_histogram_record(&first, value);
    for (uint64_t rank = 1; rank <= 256; rank++)
        ck_assert_uint_eq(vt_histogram_quantile(&first, (double)rank / 256), rank - 1);
    ck_assert_uint_eq(first.min, 0);
    ck_assert_uint_eq(first.max, 255);
    ck_assert_double_eq(vt_histogram_mean(&first), 127.5);
}
END_TEST

START_TEST(a_quantile_is_never_below_the_truth_and_at_most_one_128th_above)
{
    uint64_t state = 20260701;
    for (int i = 0; i < 4000; i++) {
        const uint64_t value = next_random(&state) >> (22 + next_random(&state) % 42);
        vt_histogram_reset(&first);
        vt_histogram_record(&first, value);
        vt_histogram_record(&first, VT_HISTOGRAM_MAX);
        const uint64_t answer = vt_histogram_quantile(&first, 0.5);
        ck_assert_uint_ge(answer, value);
        ck_assert_uint_le(answer - value, value / 128);
    }
}
END_TEST

START_TEST(buckets_cover_every_value_once_and_in_order)
{
    uint64_t previous = 0;
    for (unsigned bit = 2; bit < VT_HISTOGRAM_VALUE_BITS; bit++) {
        const uint64_t around[] = {(UINT64_C(1) << bit) - 1, UINT64_C(1) << bit, (UINT64_C(1) << bit) + 1};
        for (size_t i = 0; i < VT_ARRAY_LEN(around); i++) {
            vt_histogram_reset(&first);
            vt_histogram_record(&first, around[i]);
            vt_histogram_record(&first, VT_HISTOGRAM_MAX);
            const uint64_t answer = vt_histogram_quantile(&first, 0.5);
            ck_assert_uint_ge(answer, previous);
            ck_assert_uint_ge(answer, around[i]);
            previous = answer;
        }
    }
}
END_TEST

START_TEST(quantiles_stand_at_their_ranks)
{
    vt_histogram_reset(&first);
    for (uint64_t value = 1; value <= 100; value++) vt_histogram_record(&first, value);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 0), 1);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 0.50), 50);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 0.501), 51);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 0.99), 99);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 1), 100);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 7), 100);
}
END_TEST

START_TEST(a_quantile_never_exceeds_the_greatest_recorded)
{
    vt_histogram_reset(&first);
    vt_histogram_record(&first, 1000001);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 0.5), 1000001);
}
END_TEST

START_TEST(a_value_past_the_range_is_counted_and_its_size_kept)
{
    vt_histogram_reset(&first);
    vt_histogram_record(&first, 5);
    vt_histogram_record(&first, UINT64_MAX / 4);
    ck_assert_uint_eq(first.count, 2);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 0.5), 5);
    ck_assert_uint_eq(vt_histogram_quantile(&first, 1), UINT64_MAX / 4);
    ck_assert_uint_eq(vt_histogram_count_up_to(&first, VT_HISTOGRAM_MAX), 1);
    ck_assert_uint_eq(vt_histogram_count_up_to(&first, UINT64_MAX), 2);
}
END_TEST

START_TEST(merged_equals_recorded_together)
{
    static struct vt_histogram both;
    vt_histogram_reset(&first);
    vt_histogram_reset(&second);
    vt_histogram_reset(&both);
    uint64_t state = 7;
    for (int i = 0; i < 10000; i++) {
        const uint64_t value = next_random(&state) % 100000000;
        vt_histogram_record(i % 3 == 0 ? &first : &second, value);
        vt_histogram_record(&both, value);
    }
    vt_histogram_merge(&first, &second);
    ck_assert_mem_eq(&first, &both, sizeof both);
}
END_TEST

START_TEST(merging_an_empty_one_changes_nothing_and_into_an_empty_one_copies)
{
    vt_histogram_reset(&first);
    vt_histogram_reset(&second);
    vt_histogram_record(&first, 42);
    vt_histogram_merge(&first, &second);
    ck_assert_uint_eq(first.min, 42);
    ck_assert_uint_eq(first.count, 1);
    vt_histogram_merge(&second, &first);
    ck_assert_mem_eq(&first, &second, sizeof first);
}
END_TEST

START_TEST(cumulative_counts_are_exact_at_bucket_ends)
{
    vt_histogram_reset(&first);
    for (uint64_t value = 0; value < 4096; value++) vt_histogram_record(&first, value);
    ck_assert_uint_eq(vt_histogram_count_up_to(&first, 0), 1);
    ck_assert_uint_eq(vt_histogram_count_up_to(&first, 255), 256);
    ck_assert_uint_eq(vt_histogram_count_up_to(&first, 511), 512);
    ck_assert_uint_eq(vt_histogram_count_up_to(&first, 1023), 1024);
    ck_assert_uint_eq(vt_histogram_count_up_to(&first, 4095), 4096);
}
END_TEST

VT_TEST_MAIN("base/histogram", an_empty_histogram_answers_zero, small_values_are_exact,
             a_quantile_is_never_below_the_truth_and_at_most_one_128th_above,
             buckets_cover_every_value_once_and_in_order, quantiles_stand_at_their_ranks,
             a_quantile_never_exceeds_the_greatest_recorded, a_value_past_the_range_is_counted_and_its_size_kept,
             merged_equals_recorded_together, merging_an_empty_one_changes_nothing_and_into_an_empty_one_copies,
             cumulative_counts_are_exact_at_bucket_ends)
