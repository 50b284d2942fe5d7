#include <stdio.h>

#include "tests/support/suite.h"
#include "tools/bench/driver.h"

static struct bench_world world = {.value_size = 3, .keys = 5, .run = "0123456789abcdef"};

static vault_status read_text(const char *text, struct bench_reply *out_reply)
{
    return bench_redis.read_reply(&world, NULL, vt_bytes_str(text), false, out_reply);
}

START_TEST(a_set_is_an_array_of_bulk_strings_with_fresh_keys)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(4096);
    struct bench_random random = {1};
    world.next_key = 10;
    const struct bench_call call = {.op = (uint32_t)bench_op_find(&bench_redis, "set"), .items = 1};
    ck_assert_ok(bench_redis.write_call(&world, &random, &call, &out));
    const char head[] = "*3\r\n$3\r\nSET\r\n$32\r\n0123456789abcdef000000000000000a\r\n$3\r\n";
    ck_assert_uint_eq(out.len, strlen(head) + 5);
    ck_assert_mem_eq(out.data, head, strlen(head));
    ck_assert_mem_eq(out.data + out.len - 2, "\r\n", 2);
    ck_assert_uint_eq(world.next_key, 11);
}
END_TEST

START_TEST(several_gets_are_one_mget_of_prepared_keys)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(4096);
    struct bench_random random = {1};
    const struct bench_call call = {.op = (uint32_t)bench_op_find(&bench_redis, "get"), .items = 2};
    ck_assert_ok(bench_redis.write_call(&world, &random, &call, &out));
    const char head[] = "*3\r\n$4\r\nMGET\r\n$32\r\n0123456789abcdef000000000000000";
    ck_assert_mem_eq(out.data, head, strlen(head));
    ck_assert_uint_lt(out.data[strlen(head)], '5');
    ck_assert_uint_eq(out.len, strlen("*3\r\n$4\r\nMGET\r\n") + 2 * 39);
}
END_TEST

START_TEST(a_get_without_prepared_keys_has_nothing_to_read)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(4096);
    struct bench_random random = {1};
    struct bench_world empty = world;
    empty.keys = 0;
    const struct bench_call call = {.op = (uint32_t)bench_op_find(&bench_redis, "get"), .items = 1};
    ck_assert_status(bench_redis.write_call(&empty, &random, &call, &out), VAULT_E_NOT_FOUND);
}
END_TEST

START_TEST(each_kind_of_reply_is_measured)
{
    static const char *const whole[] = {"+OK\r\n", ":12\r\n", "$3\r\na\r\n\r\n", "$0\r\n\r\n", "*0\r\n",
                                        "*2\r\n$1\r\nx\r\n*1\r\n:1\r\n"};
    struct bench_reply reply;
    for (size_t i = 0; i < VT_ARRAY_LEN(whole); i++) {
        const size_t len = strlen(whole[i]);
        char text[64];
        snprintf(text, sizeof text, "%s+NEXT\r\n", whole[i]);
        ck_assert_ok(read_text(text, &reply));
        ck_assert_uint_eq(reply.len, len);
        ck_assert_uint_eq(reply.failed_items, 0);
        for (size_t cut = 0; cut < len; cut++)
            ck_assert_status(bench_redis.read_reply(&world, NULL, vt_bytes(whole[i], cut), false, &reply), VAULT_E_CONFLICT);
    }
}
END_TEST

START_TEST(an_error_and_a_missing_key_fail_their_item)
{
    struct bench_reply reply;
    ck_assert_ok(read_text("-ERR no\r\n", &reply));
    ck_assert_uint_eq(reply.failed_items, 1);
    ck_assert_str_eq(reply.error, "ERR no");
    ck_assert_ok(read_text("*3\r\n$-1\r\n$1\r\nx\r\n$-1\r\n", &reply));
    ck_assert_uint_eq(reply.failed_items, 2);
    ck_assert_str_eq(reply.error, "no such key");
}
END_TEST

START_TEST(what_is_not_resp_is_refused)
{
    static const char *const bad[] = {"?x\r\n", "\r\n", "$x\r\n", "$-2\r\n", "$1\r\nxyz\r\n", "+OK\rx", "$9999999999\r\n",
                                      "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"};
    struct bench_reply reply;
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) ck_assert_status(read_text(bad[i], &reply), VAULT_E_PROTOCOL);
}
END_TEST

VT_TEST_MAIN("bench/redis", a_set_is_an_array_of_bulk_strings_with_fresh_keys, several_gets_are_one_mget_of_prepared_keys,
             a_get_without_prepared_keys_has_nothing_to_read, each_kind_of_reply_is_measured,
             an_error_and_a_missing_key_fail_their_item, what_is_not_resp_is_refused)
