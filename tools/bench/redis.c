/* The yardstick: SET and GET, MSET and MGET when a call holds several. RESP2, the protocol specification on redis.io:
 * simple strings, errors, integers, bulk strings and arrays, each ended by CR LF. */
#include <stdio.h>

#include "tools/bench/driver.h"

enum { OP_SET, OP_GET, KEY_LEN = 32, DEPTH_MAX = 8 };

/* Keys have the length of an opaque token, so that both servers look up as many bytes. */
static VT_RESULT append_key(const struct bench_world *world, uint64_t number, struct vt_buf *out)
{
    return vt_buf_printf(out, "$%d\r\n%.16s%016llx\r\n", KEY_LEN, world->run, (unsigned long long)number);
}

static VT_RESULT append_set(struct bench_world *world, struct bench_random *random, struct vt_buf *out)
{
    VT_TRY(append_key(world, __atomic_fetch_add(&world->next_key, 1, __ATOMIC_RELAXED), out));
    VT_TRY(vt_buf_printf(out, "$%u\r\n", world->value_size));
    VT_TRY(bench_append_value(random, world->value_size, out));
    return vt_buf_append_str(out, "\r\n");
}

static VT_RESULT write_call(struct bench_world *world, struct bench_random *random, const struct bench_call *call,
                            struct vt_buf *out)
{
    const bool is_set = call->op == OP_SET;
    VT_ENSURE(is_set || world->keys != 0, VAULT_E_NOT_FOUND);
    const char *verb = call->items == 1 ? (is_set ? "SET" : "GET") : (is_set ? "MSET" : "MGET");
    VT_TRY(vt_buf_printf(out, "*%u\r\n$%zu\r\n%s\r\n", 1 + call->items * (is_set ? 2 : 1), strlen(verb), verb));
    for (uint32_t i = 0; i < call->items; i++)
        VT_TRY(is_set ? append_set(world, random, out)
                      : append_key(world, bench_random_below(random, world->keys), out));
    return VAULT_OK;
}

/* The line at *at without its CR LF; *at moves behind it. */
static VT_RESULT take_line(struct vt_bytes input, size_t *at, struct vt_bytes *out_line)
{
    const uint8_t *from = input.data + *at;
    const size_t left = input.len - *at;
    const uint8_t *end = left == 0 ? NULL : memchr(from, '\r', left);
    VT_ENSURE(end != NULL && (size_t)(end - from) + 1 < left, VAULT_E_CONFLICT);
    VT_ENSURE(end[1] == '\n' && end != from, VAULT_E_PROTOCOL);
    *out_line = vt_bytes(from, (size_t)(end - from));
    *at += out_line->len + 2;
    return VAULT_OK;
}

static VT_RESULT parse_length(struct vt_bytes digits, long *out_length)
{
    long length = 0;
    if (vt_bytes_equal_str(digits, "-1")) {
        *out_length = -1;
        return VAULT_OK;
    }
    VT_ENSURE(digits.len > 0 && digits.len < 10, VAULT_E_PROTOCOL);
    for (size_t i = 0; i < digits.len; i++) {
        VT_ENSURE(digits.data[i] >= '0' && digits.data[i] <= '9', VAULT_E_PROTOCOL);
        length = length * 10 + (digits.data[i] - '0');
    }
    *out_length = length;
    return VAULT_OK;
}

static void note_failure(struct bench_reply *reply, struct vt_bytes text)
{
    reply->failed_items++;
    if (reply->error[0] == '\0')
        snprintf(reply->error, sizeof reply->error, "%.*s", (int)VT_MIN(text.len, sizeof reply->error - 1), text.data);
}

static VT_RESULT take_bulk(struct vt_bytes input, long length, size_t *at, struct bench_reply *reply)
{
    if (length < 0) {
        note_failure(reply, vt_bytes_str("no such key"));
        return VAULT_OK;
    }
    VT_ENSURE(input.len - *at >= (size_t)length + 2, VAULT_E_CONFLICT);
    VT_ENSURE(memcmp(input.data + *at + length, "\r\n", 2) == 0, VAULT_E_PROTOCOL);
    *at += (size_t)length + 2;
    return VAULT_OK;
}

static VT_RESULT take_reply(struct vt_bytes input, unsigned depth, size_t *at, struct bench_reply *reply)
{
    struct vt_bytes line;
    long length = 0;
    VT_TRY(take_line(input, at, &line));
    const struct vt_bytes rest = vt_bytes(line.data + 1, line.len - 1);
    switch (line.data[0]) {
    case '+':
    case ':':
        return VAULT_OK;
    case '-':
        note_failure(reply, rest);
        return VAULT_OK;
    case '$':
        VT_TRY(parse_length(rest, &length));
        return take_bulk(input, length, at, reply);
    case '*':
        VT_ENSURE(depth < DEPTH_MAX, VAULT_E_PROTOCOL);
        VT_TRY(parse_length(rest, &length));
        for (long i = 0; i < length; i++) VT_TRY(take_reply(input, depth + 1, at, reply));
        return VAULT_OK;
    default:
        return VAULT_E_PROTOCOL;
    }
}

static VT_RESULT read_reply(struct bench_world *world, struct vt_pool *scratch, struct vt_bytes input, bool keep,
                            struct bench_reply *out_reply)
{
    (void)world;
    (void)scratch;
    (void)keep;
    struct bench_reply reply = {0};
    VT_TRY(take_reply(input, 0, &reply.len, &reply));
    *out_reply = reply;
    return VAULT_OK;
}

static void prepared(struct bench_world *world, uint32_t op)
{
    (void)op;
    world->keys = world->next_key;
}

const struct bench_driver bench_redis = {
    .name = "redis",
    .ops = {[OP_SET] = {.name = "set"}, [OP_GET] = {.name = "get", .prepared_by = "set"}},
    .replies_in_order = true,
    .write_call = write_call,
    .read_reply = read_reply,
    .prepared = prepared,
};
