#include <stdio.h>

#include "tests/support/suite.h"
#include "tools/bench/options.h"

static vault_status parse(struct bench_options *out, struct vt_err *err, const char *const *extra, size_t count)
{
    const char *argv[32] = {"bench", "redis", "--port", "6379", "--ca", "ca.pem"};
    for (size_t i = 0; i < count; i++) argv[6 + i] = extra[i];
    static char texts[32][64];      /* the options keep pointing at them, as they do at main's */
    char *writable[33];
    for (size_t i = 0; i < 6 + count; i++) {
        snprintf(texts[i], sizeof texts[i], "%s", argv[i]);
        writable[i] = texts[i];
    }
    writable[6 + count] = NULL;
    return bench_options_parse((int)(6 + count), writable, out, err);
}
#define PARSE(out, ...)                                                                                                \
    parse(out, &err, (const char *const[]){__VA_ARGS__}, VT_ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

START_TEST(a_mix_gives_each_operation_its_weight)
{
    struct bench_options options;
    struct vt_err err = {0};
    ck_assert_ok(PARSE(&options, "--mix", "get=9,set"));
    ck_assert_uint_eq(options.phase.weights[bench_op_find(&bench_redis, "get")], 9);
    ck_assert_uint_eq(options.phase.weights[bench_op_find(&bench_redis, "set")], 1);
    ck_assert_ptr_eq(options.phase.driver, &bench_redis);
    ck_assert_uint_eq(options.port, 6379);
}
END_TEST

START_TEST(seconds_may_be_fractions)
{
    struct bench_options options;
    struct vt_err err = {0};
    ck_assert_ok(PARSE(&options, "--mix", "get", "--seconds", "0.25", "--warmup", "0", "--rate", "1234.5"));
    ck_assert_uint_eq(options.phase.measure_ns, 250000000);
    ck_assert_uint_eq(options.phase.warmup_ns, 0);
    ck_assert_double_eq(options.phase.rate, 1234.5);
}
END_TEST

START_TEST(a_value_out_of_range_or_of_the_wrong_form_is_refused)
{
    static const char *const bad[][2] = {
        {"--connections", "0"}, {"--connections", "-1"}, {"--connections", "1x"}, {"--connections", ""},
        {"--seconds", "0"}, {"--seconds", "nan"}, {"--port", "65536"}, {"--mix", "fly=1"}, {"--mix", "get=0"},
        {"--mix", "get=1,"}, {"--mix", "get=x"}, {"--batch", "10001"}, {"--value-size", "0"}, {"--no-such", "1"}};
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) {
        struct bench_options options;
        struct vt_err err = {0};
        ck_assert_msg(PARSE(&options, "--mix", "get", bad[i][0], bad[i][1]) == VAULT_E_ARGUMENT, "%s %s", bad[i][0],
                      bad[i][1]);
        ck_assert_msg(err.message[0] != '\0', "%s %s has no sentence", bad[i][0], bad[i][1]);
    }
}
END_TEST

START_TEST(what_is_needed_is_asked_for)
{
    struct bench_options options;
    struct vt_err err = {0};
    ck_assert_status(PARSE(&options, "--seconds", "1"), VAULT_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "--mix"));
    ck_assert_status(PARSE(&options, "--mix", "get", "--threads", "3", "--connections", "2"), VAULT_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "more threads than connections"));
}
END_TEST

START_TEST(help_needs_nothing_else)
{
    struct bench_options options;
    struct vt_err err = {0};
    char *none[] = {(char[]){"bench"}, NULL}, *help[] = {(char[]){"bench"}, (char[]){"--help"}, NULL};
    ck_assert_ok(bench_options_parse(1, none, &options, &err));
    ck_assert(options.wants_help);
    ck_assert_ok(bench_options_parse(2, help, &options, &err));
    ck_assert(options.wants_help);
}
END_TEST

VT_TEST_MAIN("bench/options", a_mix_gives_each_operation_its_weight, seconds_may_be_fractions,
             a_value_out_of_range_or_of_the_wrong_form_is_refused, what_is_needed_is_asked_for, help_needs_nothing_else)
