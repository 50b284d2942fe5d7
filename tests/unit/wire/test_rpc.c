#include "libvault/wire/rpc.h"
#include "tests/support/suite.h"

enum { POOL_MAX = 64 << 20, FRAME_MAX = 4096 };
#define BYTES(...) vt_bytes((const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__})

/* [0, 7, "vault.health", {}] */
#define HEALTH 0x94, 0x00, 0x07, 0xac, 'v', 'a', 'u', 'l', 't', '.', 'h', 'e', 'a', 'l', 't', 'h', 0x80

static vault_status read_request(struct vt_bytes frame, int64_t *out_message_id, struct vt_err *err)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_rpc_request request;
    const vault_status status = vt_rpc_read_request(&pool, frame, &request, err);
    *out_message_id = request.message_id;
    return status;
}

static vault_status read_reply(struct vt_bytes frame)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_rpc_reply reply;
    return vt_rpc_read_reply(&pool, frame, &reply);
}

START_TEST(a_request_reads_as_its_parts)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_rpc_request request;
    static const uint8_t frame[] = {HEALTH};        /* the request borrows from it */
    ck_assert_ok(vt_rpc_read_request(&pool, VT_BYTES_OF(frame), &request, NULL));
    ck_assert_int_eq(request.message_id, 7);
    ck_assert(vt_bytes_equal_str(request.method, "vault.health"));
    ck_assert_int_eq(request.params->kind, VT_VALUE_MAP);
    ck_assert_uint_eq(request.params->map.count, 0);
}
END_TEST

/* Source: msgpack specification, "array format family" and "int format family": longer forms mean the same. */
START_TEST(longer_forms_of_head_and_id_mean_the_same)
{
    int64_t id;
    ck_assert_ok(read_request(BYTES(0xdc, 0, 4, 0xcc, 0, 0xcd, 0, 9, 0xa1, 'x', 0xde, 0, 0), &id, NULL));
    ck_assert_int_eq(id, 9);
    ck_assert_ok(read_request(BYTES(0xdd, 0, 0, 0, 4, 0, 0xce, 0xff, 0xff, 0xff, 0xff, 0xa1, 'x', 0x80), &id, NULL));
    ck_assert_int_eq(id, UINT32_MAX);
}
END_TEST

START_TEST(a_message_without_a_readable_id_is_refused_without_one)
{
    static const struct {
        uint8_t bytes[24];
        size_t len;
        const char *sentence;
    } rows[] = {
        {{0x00}, 1, "A message is an array of four."},
        {{0x80}, 1, "A message is an array of four."},
        {{0x93, 0, 1, 0xa1}, 4, "A message is an array of four."},
        {{0x95, 0, 1, 0xa1, 'x', 0x80, 0xc0}, 7, "A message is an array of four."},
        {{0xdc, 0}, 2, "A message is an array of four."},
        {{0x94}, 1, "A message begins with type 0, a request; notifications are not taken."},
        {{0x94, 1, 1, 0xc0, 0xc0}, 5, "A message begins with type 0, a request; notifications are not taken."},
        {{0x94, 2, 1, 0xa1, 'x', 0x80}, 6, "A message begins with type 0, a request; notifications are not taken."},
        {{0x94, 0xc2, 1, 0xa1, 'x', 0x80}, 6, "A message begins with type 0, a request; notifications are not taken."},
        {{0x94, 0}, 2, "A message id is an integer from 0 to 4294967295."},
        {{0x94, 0, 0xff, 0xa1, 'x', 0x80}, 6, "A message id is an integer from 0 to 4294967295."},
        {{0x94, 0, 0xa1, '1', 0xa1, 'x', 0x80}, 7, "A message id is an integer from 0 to 4294967295."},
        {{0x94, 0, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0xa1, 'x', 0x80}, 14, "A message id is an integer from 0 to 4294967295."},
        {{0x94, 0, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xa1, 'x', 0x80}, 14,
         "A message id is an integer from 0 to 4294967295."},
        {{0x94, 0, 0xc1, 0xa1, 'x', 0x80}, 6, "A message id is an integer from 0 to 4294967295."},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        struct vt_err err = {0};
        int64_t id = 0;
        ck_assert_status(read_request(vt_bytes(rows[i].bytes, rows[i].len), &id, &err), VAULT_E_PROTOCOL);
        ck_assert_str_eq(err.message, rows[i].sentence);
        ck_assert_int_eq(id, -1);
    }
}
END_TEST

START_TEST(a_message_of_three_parts_is_a_notification_and_refused)
{
    int64_t id;
    ck_assert_status(read_request(BYTES(0x93, 2, 0xa1, 'x', 0x80), &id, NULL), VAULT_E_PROTOCOL);
}
END_TEST

START_TEST(what_is_wrong_behind_the_id_is_refused_under_it)
{
    static const struct {
        uint8_t bytes[24];
        size_t len;
        vault_status status;
    } rows[] = {
        {{0x94, 0, 5, 0x01, 0x80}, 5, VAULT_E_PROTOCOL},                            /* method: integer */
        {{0x94, 0, 5, 0xc4, 1, 'x', 0x80}, 7, VAULT_E_PROTOCOL},                    /* method: bytes */
        {{0x94, 0, 5, 0xa1, 0xff, 0x80}, 6, VAULT_E_PROTOCOL},                      /* method: not UTF-8 */
        {{0x94, 0, 5, 0xa5, 'x'}, 5, VAULT_E_PROTOCOL},                             /* method: cut */
        {{0x94, 0, 5, 0xa1, 'x', 0x90}, 6, VAULT_E_PROTOCOL},                       /* params: array */
        {{0x94, 0, 5, 0xa1, 'x', 0xc0}, 6, VAULT_E_PROTOCOL},                       /* params: nil */
        {{0x94, 0, 5, 0xa1, 'x'}, 5, VAULT_E_PARSE},                                /* params: none */
        {{0x94, 0, 5, 0xa1, 'x', 0x80, 0x80}, 7, VAULT_E_PARSE},                    /* a part too many */
        {{0x94, 0, 5, 0xa1, 'x', 0x81, 0x01, 0x01}, 8, VAULT_E_PARSE},              /* key: integer */
        {{0x94, 0, 5, 0xa1, 'x', 0x82, 0xa1, 'k', 1, 0xa1, 'k', 1}, 12, VAULT_E_PARSE}, /* a key twice */
        {{0x94, 0, 5, 0xa1, 'x', 0x81, 0xa1, 'k', 0xd4, 0, 0}, 11, VAULT_E_PARSE},  /* extension type */
        {{0x94, 0, 5, 0xa1, 'x', 0xdf, 0xff, 0xff, 0xff, 0xff}, 10, VAULT_E_TOO_LARGE},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        struct vt_err err = {0};
        int64_t id = 0;
        const vault_status status = read_request(vt_bytes(rows[i].bytes, rows[i].len), &id, &err);
        ck_assert_msg(status == rows[i].status, "row %zu gave %s", i, vault_status_code(status));
        ck_assert_int_eq(id, 5);
        ck_assert_str_ne(err.message, "");
    }
}
END_TEST

START_TEST(params_nested_deeper_than_the_limit_are_refused)
{
    uint8_t raw[64] = {0x94, 0, 5, 0xa1, 'x', 0x81, 0xa1, 'k'};
    memset(raw + 8, 0x91, 40);
    raw[48] = 0xc0;
    int64_t id;
    size_t len = 0;
    ck_assert_status(read_request(vt_bytes(raw, 49), &id, NULL), VAULT_E_TOO_LARGE);
    ck_assert_int_eq(id, 5);
    ck_assert_status(vt_rpc_frame_len(vt_bytes(raw, 49), FRAME_MAX, &len), VAULT_E_TOO_LARGE);
}
END_TEST

START_TEST(a_whole_frame_is_found_at_the_front_of_the_stream)
{
    size_t len = 0;
    ck_assert_ok(vt_rpc_frame_len(BYTES(HEALTH), FRAME_MAX, &len));
    ck_assert_uint_eq(len, 17);
    ck_assert_ok(vt_rpc_frame_len(BYTES(HEALTH, HEALTH, 0x94), FRAME_MAX, &len));
    ck_assert_uint_eq(len, 17);
}
END_TEST

START_TEST(a_frame_that_arrives_in_pieces_wants_more_until_it_is_whole)
{
    const struct vt_bytes whole = BYTES(HEALTH);
    struct vt_msgpack_scan scan = VT_MSGPACK_SCAN_INIT;
    size_t len = 77;
    for (size_t cut = 0; cut < whole.len; cut++) {
        ck_assert_status(vt_rpc_frame_len(vt_bytes(whole.data, cut), FRAME_MAX, &len), VAULT_E_CONFLICT);
        ck_assert_status(vt_rpc_frame_scan(&scan, vt_bytes(whole.data, cut), FRAME_MAX, &len), VAULT_E_CONFLICT);
    }
    ck_assert_uint_eq(len, 77);
    ck_assert_ok(vt_rpc_frame_scan(&scan, whole, FRAME_MAX, &len));
    ck_assert_uint_eq(len, whole.len);
}
END_TEST

START_TEST(what_cannot_become_a_frame_is_refused_before_the_rest_of_it_comes)
{
    size_t len = 99;
    static const uint8_t long_text[] = {0xda, 0xff, 0xff, 'x'}, long_bytes[] = {0xc5, 0xc1, 0xc1}, array_of_five[] = {0x95, 0},
                         array_16_of_six[] = {0xdc, 0, 6}, map_of_four[] = {0x84, 0xa1, 'k'};
    const struct vt_bytes wrong[] = {VT_BYTES_OF(long_text), VT_BYTES_OF(long_bytes), VT_BYTES_OF(array_of_five),
                                     VT_BYTES_OF(array_16_of_six), VT_BYTES_OF(map_of_four)};
    static const uint8_t whole_text[] = {0xa1, 'x'};
    ck_assert_status(vt_rpc_frame_len(VT_BYTES_OF(whole_text), FRAME_MAX, &len), VAULT_E_PARSE);     /* nor when it is whole */
    static const uint8_t array_16[] = {0xdc, 0, 4}, array_32[] = {0xdd, 0, 0, 0, 4};
    for (size_t i = 0; i < VT_ARRAY_LEN(wrong); i++) ck_assert_status(vt_rpc_frame_len(wrong[i], FRAME_MAX, &len), VAULT_E_PARSE);
    for (size_t cut = 0; cut <= 3; cut++)
        ck_assert_status(vt_rpc_frame_len(vt_bytes(array_16, cut), FRAME_MAX, &len), VAULT_E_CONFLICT);
    for (size_t cut = 0; cut <= 5; cut++)
        ck_assert_status(vt_rpc_frame_len(vt_bytes(array_32, cut), FRAME_MAX, &len), VAULT_E_CONFLICT);
    ck_assert_uint_eq(len, 99);
}
END_TEST

START_TEST(a_frame_of_exactly_the_limit_is_taken_and_one_byte_more_is_refused)
{
    const struct vt_bytes whole = BYTES(HEALTH);
    size_t len = 0;
    ck_assert_ok(vt_rpc_frame_len(whole, whole.len, &len));
    ck_assert_uint_eq(len, whole.len);
    ck_assert_status(vt_rpc_frame_len(whole, whole.len - 1, &len), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_rpc_frame_len(vt_bytes(whole.data, 10), 10, &len), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_rpc_frame_len(vt_bytes(whole.data, 10), 11, &len), VAULT_E_CONFLICT);
}
END_TEST

START_TEST(bytes_that_are_no_msgpack_end_the_stream)
{
    size_t len;
    ck_assert_status(vt_rpc_frame_len(BYTES(0xc1), FRAME_MAX, &len), VAULT_E_PARSE);
    ck_assert_status(vt_rpc_frame_len(BYTES(0x94, 0, 1, 0xd8), FRAME_MAX, &len), VAULT_E_PARSE);
    ck_assert_status(vt_rpc_frame_len(BYTES(0x94, 0xdd, 0xff, 0xff, 0xff, 0xff), FRAME_MAX, &len), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_rpc_frame_len(BYTES(0x94, 0xdb, 0xff, 0xff, 0xff, 0xff), FRAME_MAX, &len), VAULT_E_TOO_LARGE);
}
END_TEST

START_TEST(a_request_that_was_written_reads_back)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(FRAME_MAX);
    struct vt_value params = vt_value_map();
    ck_assert_ok(vt_value_put(&pool, &params, "subject", vt_value_str("s-1"), NULL));
    ck_assert_ok(vt_rpc_write_request(&out, UINT32_MAX, "subject.show", &params));

    struct vt_rpc_request request;
    ck_assert_ok(vt_rpc_read_request(&pool, vt_buf_bytes(&out), &request, NULL));
    ck_assert_int_eq(request.message_id, UINT32_MAX);
    ck_assert(vt_bytes_equal_str(request.method, "subject.show"));
    ck_assert(vt_value_equal(request.params, &params));
}
END_TEST

START_TEST(a_result_that_was_written_reads_back)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(FRAME_MAX);
    ck_assert_ok(vt_rpc_write_result(&out, 3, BYTES(0x81, 0xa1, 'k', 0x05)));
    struct vt_rpc_reply reply;
    ck_assert_ok(vt_rpc_read_reply(&pool, vt_buf_bytes(&out), &reply));
    ck_assert_int_eq(reply.message_id, 3);
    ck_assert_int_eq(reply.error->kind, VT_VALUE_NIL);
    ck_assert_int_eq(vt_value_get_int(reply.result, "k", 0), 5);

    vt_buf_reset(&out);
    ck_assert_ok(vt_rpc_write_result(&out, 3, VT_BYTES_EMPTY));
    ck_assert(vt_bytes_equal(vt_buf_bytes(&out), BYTES(0x94, 1, 3, 0xc0, 0x80)));
}
END_TEST

START_TEST(an_error_says_status_code_and_sentence)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(FRAME_MAX);
    const struct vt_rpc_error bare = {.status = VAULT_E_SEALED, .field = ""};
    ck_assert_ok(vt_rpc_write_error(&out, 0, &bare));
    struct vt_rpc_reply reply;
    ck_assert_ok(vt_rpc_read_reply(&pool, vt_buf_bytes(&out), &reply));
    ck_assert_int_eq(reply.result->kind, VT_VALUE_NIL);
    ck_assert_uint_eq(reply.error->map.count, 3);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(reply.error, "status"), "sealed"));
    ck_assert_int_eq(vt_value_get_int(reply.error, "code", 0), VAULT_E_SEALED);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(reply.error, "message"), "The vault is sealed."));
}
END_TEST

START_TEST(an_error_says_field_retry_and_certificate_when_there_are_any)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(FRAME_MAX);
    const struct vt_rpc_error full = {VAULT_E_ERASED, "subject", "It is gone.", 250, UINT64_MAX};
    ck_assert_ok(vt_rpc_write_error(&out, 1, &full));
    struct vt_rpc_reply reply;
    ck_assert_ok(vt_rpc_read_reply(&pool, vt_buf_bytes(&out), &reply));
    ck_assert_uint_eq(reply.error->map.count, 6);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(reply.error, "message"), "It is gone."));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(reply.error, "field"), "subject"));
    ck_assert_int_eq(vt_value_get_int(reply.error, "retry_after_ms", 0), 250);
    const struct vt_value *certificate = vt_value_get(reply.error, "certificate");
    ck_assert_ptr_nonnull(certificate);
    ck_assert_int_eq(certificate->kind, VT_VALUE_UINT);
    ck_assert(certificate->unsigned_integer == UINT64_MAX);
}
END_TEST

START_TEST(what_is_no_reply_is_refused)
{
    ck_assert_status(read_reply(BYTES(HEALTH)), VAULT_E_PROTOCOL);                              /* a request */
    ck_assert_status(read_reply(BYTES(0x93, 1, 1, 0xc0)), VAULT_E_PROTOCOL);                    /* three parts */
    ck_assert_status(read_reply(BYTES(0x94, 1, 0xff, 0xc0, 0x80)), VAULT_E_PROTOCOL);           /* id -1 */
    ck_assert_status(read_reply(BYTES(0x94, 1, 0xa0, 0xc0, 0x80)), VAULT_E_PROTOCOL);           /* id is text */
    ck_assert_status(read_reply(BYTES(0x94, 1, 1, 0xa1, 'x', 0xc0)), VAULT_E_PROTOCOL);         /* error is text */
    ck_assert_status(read_reply(BYTES(0x94, 1, 1, 0x80, 0x80)), VAULT_E_PROTOCOL);              /* error and result */
    ck_assert_status(read_reply(BYTES(0x80)), VAULT_E_PROTOCOL);
    ck_assert_status(read_reply(BYTES(0x94, 1, 1, 0xc0)), VAULT_E_PARSE);                       /* cut */
    ck_assert_status(read_reply(VT_BYTES_EMPTY), VAULT_E_PARSE);
}
END_TEST

START_TEST(a_write_that_fails_leaves_the_buffer_as_it_was)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(12);
    const struct vt_value params = vt_value_map(), list = vt_value_array();
    ck_assert_ok(vt_buf_append_str(&out, "abc"));
    const struct vt_rpc_error error = {.status = VAULT_E_BUSY};
    ck_assert_status(vt_rpc_write_request(&out, 1, "a.method.of.some.length", &params), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_rpc_write_error(&out, 1, &error), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_rpc_write_result(&out, 1, vt_bytes_str("much longer than that")), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_rpc_write_request(&out, -1, "x", &params), VAULT_E_ARGUMENT);
    ck_assert_status(vt_rpc_write_request(&out, INT64_C(1) << 32, "x", &params), VAULT_E_ARGUMENT);
    ck_assert_status(vt_rpc_write_request(&out, 1, "x", &list), VAULT_E_ARGUMENT);
    ck_assert_status(vt_rpc_write_error(&out, -1, &error), VAULT_E_ARGUMENT);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&out), "abc"));
}
END_TEST

VT_TEST_MAIN("wire/rpc", a_request_reads_as_its_parts, longer_forms_of_head_and_id_mean_the_same,
             a_message_without_a_readable_id_is_refused_without_one, a_message_of_three_parts_is_a_notification_and_refused,
             what_is_wrong_behind_the_id_is_refused_under_it, params_nested_deeper_than_the_limit_are_refused,
             a_whole_frame_is_found_at_the_front_of_the_stream, a_frame_that_arrives_in_pieces_wants_more_until_it_is_whole,
             what_cannot_become_a_frame_is_refused_before_the_rest_of_it_comes,
             a_frame_of_exactly_the_limit_is_taken_and_one_byte_more_is_refused, bytes_that_are_no_msgpack_end_the_stream,
             a_request_that_was_written_reads_back, a_result_that_was_written_reads_back,
             an_error_says_status_code_and_sentence, an_error_says_field_retry_and_certificate_when_there_are_any,
             what_is_no_reply_is_refused, a_write_that_fails_leaves_the_buffer_as_it_was)
