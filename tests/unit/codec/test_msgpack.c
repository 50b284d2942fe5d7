#include <math.h>
#include <msgpack.h>
#include <stdio.h>

#include "libvault/base/fault.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/msgpack.h"
#include "tests/support/suite.h"
#include "tests/unit/codec/random_tree.h"

enum { POOL_MAX = 64 << 20 };
#define BYTES(...) vt_bytes((const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__})

static vault_status read_status(struct vt_bytes input)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value value;
    return vt_msgpack_read(&pool, input, &value, NULL);
}

static struct vt_value read_one(struct vt_pool *pool, struct vt_bytes input)
{
    struct vt_value value;
    struct vt_err err = {0};
    ck_assert_msg(vt_msgpack_read(pool, input, &value, &err) == VAULT_OK, "%s", err.message);
    return value;
}

/* Source: msgpack specification, "Formats"; each format with its smallest and largest content. */
START_TEST(every_format_of_the_specification_reads_as_its_value)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct {
        struct vt_bytes input;
        struct vt_value value;
    } rows[] = {
        {BYTES(0xc0), VT_VALUE_INIT},
        {BYTES(0xc2), vt_value_bool(false)},
        {BYTES(0xc3), vt_value_bool(true)},
        {BYTES(0x00), vt_value_int(0)},
        {BYTES(0x7f), vt_value_int(127)},
        {BYTES(0xff), vt_value_int(-1)},
        {BYTES(0xe0), vt_value_int(-32)},
        {BYTES(0xcc, 0xff), vt_value_int(255)},
        {BYTES(0xcd, 0xff, 0xfe), vt_value_int(0xfffe)},
        {BYTES(0xce, 0xff, 0xff, 0xff, 0xfe), vt_value_int(0xfffffffe)},
        {BYTES(0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), vt_value_int(INT64_MAX)},
        {BYTES(0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0),
         {.kind = VT_VALUE_UINT, .unsigned_integer = UINT64_C(0x8000000000000000)}},
        {BYTES(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
         {.kind = VT_VALUE_UINT, .unsigned_integer = UINT64_MAX}},
        {BYTES(0xd0, 0x80), vt_value_int(-128)},
        {BYTES(0xd0, 0x05), vt_value_int(5)},
        {BYTES(0xd1, 0x80, 0x00), vt_value_int(-32768)},
        {BYTES(0xd2, 0x80, 0, 0, 0), vt_value_int(INT32_MIN)},
        {BYTES(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0), vt_value_int(INT64_MIN)},
        {BYTES(0xca, 0x3f, 0x80, 0, 0), {.kind = VT_VALUE_DOUBLE, .number = 1.0}},
        {BYTES(0xcb, 0xc0, 0, 0, 0, 0, 0, 0, 0), {.kind = VT_VALUE_DOUBLE, .number = -2.0}},
        {BYTES(0xa0), vt_value_str("")},
        {BYTES(0xa3, 'a', 'd', 'a'), vt_value_str("ada")},
        {BYTES(0xd9, 1, 'a'), vt_value_str("a")},
        {BYTES(0xda, 0, 1, 'a'), vt_value_str("a")},
        {BYTES(0xdb, 0, 0, 0, 1, 'a'), vt_value_str("a")},
        {BYTES(0xc4, 1, 0xff), vt_value_bytes(vt_bytes_str("\xff"))},
        {BYTES(0xc5, 0, 1, 0xff), vt_value_bytes(vt_bytes_str("\xff"))},
        {BYTES(0xc6, 0, 0, 0, 0), vt_value_bytes(vt_bytes_str(""))},
        {BYTES(0x90), vt_value_array()},
        {BYTES(0xdc, 0, 0), vt_value_array()},
        {BYTES(0xdd, 0, 0, 0, 0), vt_value_array()},
        {BYTES(0x80), vt_value_map()},
        {BYTES(0xde, 0, 0), vt_value_map()},
        {BYTES(0xdf, 0, 0, 0, 0), vt_value_map()},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        const struct vt_value value = read_one(&pool, rows[i].input);
        ck_assert_msg(vt_value_equal(&value, &rows[i].value), "row %zu", i);
    }
}
END_TEST

START_TEST(the_example_of_the_specification_reads_as_its_map)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    /* {"compact": true, "schema": 0}, msgpack.org front page */
    const struct vt_value map = read_one(&pool, vt_bytes("\x82\xa7"
                                                         "compact\xc3\xa6"
                                                         "schema\x00",
                                                         18));
    ck_assert_uint_eq(map.map.count, 2);
    ck_assert(vt_value_get_bool(&map, "compact", false));
    ck_assert_int_eq(vt_value_get_int(&map, "schema", -1), 0);
}
END_TEST

START_TEST(text_and_bytes_stay_in_the_input)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const uint8_t raw[] = {0x92, 0xa1, 'x', 0xc4, 0x01, 0x00};
    const struct vt_value array = read_one(&pool, VT_BYTES_OF(raw));
    ck_assert_ptr_eq(array.array.items[0].bytes.data, raw + 2);
    ck_assert_ptr_eq(array.array.items[1].bytes.data, raw + 5);
}
END_TEST

START_TEST(what_the_vault_does_not_speak_is_refused)
{
    static const uint8_t refused_heads[] = {0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8};
    for (size_t i = 0; i < sizeof refused_heads; i++) {
        uint8_t raw[24] = {refused_heads[i]};
        ck_assert_status(read_status(VT_BYTES_OF(raw)), VAULT_E_PARSE);
    }
    ck_assert_status(read_status(BYTES(0x81, 0x01, 0xc0)), VAULT_E_PARSE);            /* a key that is an integer */
    ck_assert_status(read_status(BYTES(0x81, 0xc4, 0x01, 'a', 0xc0)), VAULT_E_PARSE); /* a key that is bytes */
    ck_assert_status(read_status(BYTES(0x81, 0xa1, 0xff, 0xc0)), VAULT_E_PARSE);      /* a key that is not UTF-8 */
    ck_assert_status(read_status(BYTES(0xa2, 0xc3, 0x28)), VAULT_E_PARSE);            /* text that is not UTF-8 */
    ck_assert_status(read_status(BYTES(0x82, 0xa1, 'a', 1, 0xa1, 'a', 2)), VAULT_E_PARSE);
    ck_assert_status(read_status(BYTES(0xca, 0x7f, 0x80, 0, 0)), VAULT_E_PARSE);             /* infinity */
    ck_assert_status(read_status(BYTES(0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0)), VAULT_E_PARSE); /* not a number */
    ck_assert_status(read_status(BYTES(0xc0, 0xc0)), VAULT_E_PARSE);                         /* trailing bytes */
    ck_assert_status(read_status(VT_BYTES_EMPTY), VAULT_E_PARSE);
}
END_TEST

START_TEST(a_failed_read_says_where_and_leaves_the_output_alone)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value value = vt_value_int(77);
    struct vt_err err = {0};
    ck_assert_status(vt_msgpack_read(&pool, BYTES(0x92, 0xa1, 'x', 0xc1), &value, &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.message, "The message is not valid before byte 3.");
    ck_assert_status(vt_msgpack_read(&pool, BYTES(0x91, 0xa5, 'x'), &value, &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.message, "The message ends inside a value at byte 2.");
    ck_assert_status(vt_msgpack_read(&pool, BYTES(0x01, 0x02), &value, &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.message, "The message goes on after its value at byte 1.");
    ck_assert_int_eq(value.integer, 77);
}
END_TEST

START_TEST(a_five_byte_header_cannot_reserve_anything)
{
    static const uint8_t heads[] = {0xdd, 0xdf, 0xdb, 0xc6}; /* array 32, map 32, str 32, bin 32 */
    for (size_t i = 0; i < sizeof heads; i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_value value;
        const struct vt_bytes input = BYTES(heads[i], 0xff, 0xff, 0xff, 0xff);
        size_t len = 0;
        ck_assert_status(vt_msgpack_read(&pool, input, &value, NULL), VAULT_E_TOO_LARGE);
        ck_assert_status(vt_msgpack_measure(input, &len), VAULT_E_TOO_LARGE);
        ck_assert_uint_eq(pool.total, 0);
        ck_assert_ptr_null(pool.chunks);
    }
}
END_TEST

START_TEST(a_count_past_the_bytes_present_reserves_nothing)
{
    const struct vt_bytes inputs[] = {
        BYTES(0xdd, 0x00, 0x03, 0x0d, 0x3f, 0xc0), /* 199,999 elements announced, one there */
        BYTES(0xdd, 0x00, 0x00, 0x00, 0x02, 0xc0), /* two announced, one there */
        BYTES(0xdf, 0x00, 0x00, 0x00, 0x01, 0xa0), /* a key without its value */
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(inputs); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_value value;
        ck_assert_status(vt_msgpack_read(&pool, inputs[i], &value, NULL), VAULT_E_PARSE);
        ck_assert_ptr_null(pool.chunks);
    }
}
END_TEST

/* @p levels arrays in each other with a nil inside. */
static void nest(struct vt_buf *out, unsigned levels)
{
    for (unsigned i = 0; i < levels; i++) ck_assert_ok(vt_msgpack_write_array(out, 1));
    ck_assert_ok(vt_msgpack_write_nil(out));
}

START_TEST(the_deepest_nesting_is_read_and_one_more_is_refused)
{
    VT_AUTO(vt_buf) deepest = VT_BUF_INIT(64), deeper = VT_BUF_INIT(64);
    size_t len = 0;
    nest(&deepest, VT_LIMIT_DEPTH);
    nest(&deeper, VT_LIMIT_DEPTH + 1);
    ck_assert_ok(read_status(vt_buf_bytes(&deepest)));
    ck_assert_ok(vt_msgpack_measure(vt_buf_bytes(&deepest), &len));
    ck_assert_uint_eq(len, deepest.len);
    ck_assert_status(read_status(vt_buf_bytes(&deeper)), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_msgpack_measure(vt_buf_bytes(&deeper), &len), VAULT_E_TOO_LARGE);
}
END_TEST

static void array_of_nil(struct vt_buf *out, uint32_t count)
{
    vault_status status = vt_msgpack_write_array(out, count);
    for (uint32_t i = 0; i < count && status == VAULT_OK; i++) status = vt_msgpack_write_nil(out);
    ck_assert_ok(status);
}

START_TEST(the_largest_number_of_items_is_read_and_one_more_is_refused)
{
    VT_AUTO(vt_buf) most = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES), more = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    size_t len = 0;
    array_of_nil(&most, VT_LIMIT_ITEMS);
    array_of_nil(&more, VT_LIMIT_ITEMS + 1);
    ck_assert_ok(read_status(vt_buf_bytes(&most)));
    ck_assert_ok(vt_msgpack_measure(vt_buf_bytes(&most), &len));
    ck_assert_status(read_status(vt_buf_bytes(&more)), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_msgpack_measure(vt_buf_bytes(&more), &len), VAULT_E_TOO_LARGE);
}
END_TEST

START_TEST(items_are_counted_over_the_whole_message_with_keys_and_values)
{
    VT_AUTO(vt_buf) most = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES), more = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    ck_assert_ok(vt_msgpack_write_map(&most, 1)); /* a key and a value, then the value's elements */
    ck_assert_ok(vt_msgpack_write_text(&most, vt_bytes_str("k")));
    array_of_nil(&most, VT_LIMIT_ITEMS - 2);
    ck_assert_ok(vt_msgpack_write_map(&more, 1));
    ck_assert_ok(vt_msgpack_write_text(&more, vt_bytes_str("k")));
    array_of_nil(&more, VT_LIMIT_ITEMS - 1);
    ck_assert_ok(read_status(vt_buf_bytes(&most)));
    ck_assert_status(read_status(vt_buf_bytes(&more)), VAULT_E_TOO_LARGE);
}
END_TEST

static void string_head(struct vt_buf *out, uint8_t head, uint32_t len)
{
    uint8_t *space;
    ck_assert_ok(vt_buf_append_byte(out, head));
    ck_assert_ok(vt_buf_append_u32(out, len));
    ck_assert_ok(vt_buf_reserve(out, len, &space));
    memset(space, 'v', len);
    vt_buf_commit(out, len);
}

START_TEST(the_largest_value_is_read_and_one_byte_more_is_refused)
{
    static const uint8_t heads[] = {0xdb, 0xc6};
    for (size_t i = 0; i < sizeof heads; i++) {
        VT_AUTO(vt_buf) largest = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES), larger = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
        size_t len = 0;
        string_head(&largest, heads[i], VT_LIMIT_VALUE_BYTES);
        string_head(&larger, heads[i], VT_LIMIT_VALUE_BYTES + 1);
        ck_assert_ok(read_status(vt_buf_bytes(&largest)));
        ck_assert_ok(vt_msgpack_measure(vt_buf_bytes(&largest), &len));
        ck_assert_status(read_status(vt_buf_bytes(&larger)), VAULT_E_TOO_LARGE);
        ck_assert_status(vt_msgpack_measure(vt_buf_bytes(&larger), &len), VAULT_E_TOO_LARGE);
    }
}
END_TEST

START_TEST(the_writer_keeps_the_reader_limits)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    struct vt_value tree = VT_VALUE_INIT, many = vt_value_array();
    for (unsigned i = 0; i <= VT_LIMIT_DEPTH; i++) {
        struct vt_value outer = vt_value_array();
        ck_assert_ok(vt_value_push(&pool, &outer, tree, NULL));
        tree = outer;
    }
    ck_assert_status(vt_msgpack_write(&out, &tree), VAULT_E_TOO_LARGE);
    ck_assert_ok(vt_msgpack_write(&out, &tree.array.items[0]));
    vt_buf_reset(&out);

    vault_status status = VAULT_OK;
    for (unsigned i = 0; i < VT_LIMIT_ITEMS && status == VAULT_OK; i++)
        status = vt_value_push(&pool, &many, VT_VALUE_INIT, NULL);
    ck_assert_ok(status);
    ck_assert_ok(vt_msgpack_write(&out, &many));
    vt_buf_reset(&out);
    ck_assert_ok(vt_value_push(&pool, &many, VT_VALUE_INIT, NULL));
    ck_assert_status(vt_msgpack_write(&out, &many), VAULT_E_TOO_LARGE);

    const uint8_t *large = vt_pool_alloc(&pool, VT_LIMIT_VALUE_BYTES + 1);
    ck_assert_ok(vt_msgpack_write_bytes(&out, vt_bytes(large, VT_LIMIT_VALUE_BYTES)));
    ck_assert_ok(vt_msgpack_write_text(&out, vt_bytes(large, VT_LIMIT_VALUE_BYTES)));
    ck_assert_status(vt_msgpack_write_bytes(&out, vt_bytes(large, VT_LIMIT_VALUE_BYTES + 1)), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_msgpack_write_text(&out, vt_bytes(large, VT_LIMIT_VALUE_BYTES + 1)), VAULT_E_TOO_LARGE);
    ck_assert_uint_eq(out.len, 2 * (5 + VT_LIMIT_VALUE_BYTES));
}
END_TEST

START_TEST(a_double_that_is_not_finite_is_not_written)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(64);
    const double numbers[] = {INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < VT_ARRAY_LEN(numbers); i++) {
        const struct vt_value value = {.kind = VT_VALUE_DOUBLE, .number = numbers[i]};
        ck_assert_status(vt_msgpack_write(&out, &value), VAULT_E_INVALID_VALUE);
    }
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(integers_take_their_shortest_form)
{
    static const struct {
        int64_t integer;
        size_t len;
    } rows[] = {{0, 1},          {127, 1},
                {128, 2},        {255, 2},
                {256, 3},        {65535, 3},
                {65536, 5},      {-1, 1},
                {-32, 1},        {-33, 2},
                {-128, 2},       {-129, 3},
                {-32768, 3},     {-32769, 5},
                {INT32_MIN, 5},  {(int64_t)INT32_MIN - 1, 9},
                {UINT32_MAX, 5}, {(int64_t)UINT32_MAX + 1, 9},
                {INT64_MAX, 9},  {INT64_MIN, 9}};
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        VT_AUTO(vt_buf) out = VT_BUF_INIT(64);
        ck_assert_ok(vt_msgpack_write_int(&out, rows[i].integer));
        ck_assert_uint_eq(out.len, rows[i].len);
        ck_assert_int_eq(read_one(&pool, vt_buf_bytes(&out)).integer, rows[i].integer);
    }
}
END_TEST

START_TEST(the_pieces_write_what_the_tree_writes)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) pieces = VT_BUF_INIT(256), whole = VT_BUF_INIT(256);
    ck_assert_ok(vt_msgpack_write_map(&pieces, 2));
    ck_assert_ok(vt_msgpack_write_text(&pieces, vt_bytes_str("list")));
    ck_assert_ok(vt_msgpack_write_array(&pieces, 5));
    ck_assert_ok(vt_msgpack_write_int(&pieces, -7));
    ck_assert_ok(vt_msgpack_write_uint(&pieces, UINT64_MAX));
    ck_assert_ok(vt_msgpack_write_uint(&pieces, 7));
    ck_assert_ok(vt_msgpack_write_bool(&pieces, true));
    ck_assert_ok(vt_msgpack_write_nil(&pieces));
    ck_assert_ok(vt_msgpack_write_text(&pieces, vt_bytes_str("raw")));
    ck_assert_ok(vt_msgpack_write_bytes(&pieces, vt_bytes_str("\x01\x02")));

    const struct vt_value tree = read_one(&pool, vt_buf_bytes(&pieces));
    ck_assert_ok(vt_msgpack_write(&whole, &tree));
    ck_assert(vt_bytes_equal(vt_buf_bytes(&pieces), vt_buf_bytes(&whole)));
    ck_assert_int_eq(vt_value_get(&tree, "list")->array.items[2].kind, VT_VALUE_INT);
}
END_TEST

START_TEST(a_write_past_the_maximum_leaves_the_buffer_unchanged)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value array = vt_value_array();
    for (int i = 0; i < 10; i++) ck_assert_ok(vt_value_push(&pool, &array, vt_value_str("abc"), NULL));
    for (size_t max = 4; max < 4 + 41; max++) {
        VT_AUTO(vt_buf) out = VT_BUF_INIT(max);
        ck_assert_ok(vt_buf_append_str(&out, "kept"));
        ck_assert_status(vt_msgpack_write(&out, &array), VAULT_E_TOO_LARGE);
        ck_assert(vt_bytes_equal_str(vt_buf_bytes(&out), "kept"));
    }
    VT_AUTO(vt_buf) out = VT_BUF_INIT(41);
    ck_assert_ok(vt_msgpack_write(&out, &array));
}
END_TEST

#ifdef VT_FAULTS
START_TEST(wherever_memory_runs_out_reading_and_writing_refuse_cleanly)
{
    VT_AUTO(vt_pool) tree_pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) input = VT_BUF_INIT(1 << 20);
    struct random random = {99};
    struct vt_value tree;
    do {
        vt_buf_reset(&input);
        tree = random_tree(&tree_pool, &random, 5);
        ck_assert_ok(vt_msgpack_write(&input, &tree));
    } while (input.len < 20000);

    bool has_fired = true;
    for (unsigned nth = 1; has_fired; nth++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        VT_AUTO(vt_buf) out = VT_BUF_INIT(1 << 20);
        struct vt_value value = VT_VALUE_INIT;
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        vault_status status = vt_msgpack_read(&pool, vt_buf_bytes(&input), &value, NULL);
        if (status == VAULT_OK) status = vt_msgpack_write(&out, &value);
        has_fired = vt_fault_disarm();
        ck_assert_status(status, has_fired ? VAULT_E_MEMORY : VAULT_OK);
        ck_assert(vt_bytes_equal(vt_buf_bytes(&out), has_fired ? VT_BYTES_EMPTY : vt_buf_bytes(&input)));
    }
}
END_TEST
#endif

static bool same_as_theirs(const struct vt_value *ours, const msgpack_object *theirs);

static bool same_string(struct vt_bytes ours, const char *theirs, size_t len)
{
    return vt_bytes_equal(ours, vt_bytes(theirs, len));
}

static bool same_array(const struct vt_value *ours, const msgpack_object_array *theirs)
{
    bool is_same = ours->array.count == theirs->size;
    for (size_t i = 0; is_same && i < theirs->size; i++)
        is_same = same_as_theirs(&ours->array.items[i], &theirs->ptr[i]);
    return is_same;
}

static bool same_map(const struct vt_value *ours, const msgpack_object_map *theirs)
{
    bool is_same = ours->map.count == theirs->size;
    for (size_t i = 0; is_same && i < theirs->size; i++) {
        const msgpack_object_str *key = &theirs->ptr[i].key.via.str;
        is_same = same_string(ours->map.pairs[i].key, key->ptr, key->size) &&
                  same_as_theirs(&ours->map.pairs[i].value, &theirs->ptr[i].val);
    }
    return is_same;
}

static bool same_as_theirs(const struct vt_value *ours, const msgpack_object *theirs)
{
    switch (ours->kind) {
    case VT_VALUE_NIL:
        return theirs->type == MSGPACK_OBJECT_NIL;
    case VT_VALUE_BOOL:
        return theirs->type == MSGPACK_OBJECT_BOOLEAN && theirs->via.boolean == ours->boolean;
    case VT_VALUE_INT:
        if (ours->integer < 0)
            return theirs->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && theirs->via.i64 == ours->integer;
        return theirs->type == MSGPACK_OBJECT_POSITIVE_INTEGER && theirs->via.u64 == (uint64_t)ours->integer;
    case VT_VALUE_UINT:
        return theirs->type == MSGPACK_OBJECT_POSITIVE_INTEGER && theirs->via.u64 == ours->unsigned_integer;
    case VT_VALUE_DOUBLE:
        return theirs->type == MSGPACK_OBJECT_FLOAT64 && theirs->via.f64 == ours->number;
    case VT_VALUE_TEXT:
        return theirs->type == MSGPACK_OBJECT_STR &&
               same_string(ours->bytes, theirs->via.str.ptr, theirs->via.str.size);
    case VT_VALUE_BYTES:
        return theirs->type == MSGPACK_OBJECT_BIN &&
               same_string(ours->bytes, theirs->via.bin.ptr, theirs->via.bin.size);
    case VT_VALUE_ARRAY:
        return theirs->type == MSGPACK_OBJECT_ARRAY && same_array(ours, &theirs->via.array);
    case VT_VALUE_MAP:
        return theirs->type == MSGPACK_OBJECT_MAP && same_map(ours, &theirs->via.map);
    }
    return false;
}

START_TEST(random_trees_read_as_written_and_as_the_packaged_unpacker_reads_them)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
        struct random random = {seed};
        const struct vt_value tree = random_tree(&pool, &random, 5);
        ck_assert_ok(vt_msgpack_write(&out, &tree));
        const struct vt_value ours = read_one(&pool, vt_buf_bytes(&out));
        ck_assert_msg(vt_value_equal(&tree, &ours), "seed %u", (unsigned)seed);

        msgpack_unpacked theirs;
        msgpack_unpacked_init(&theirs);
        size_t end = 0;
        ck_assert_int_eq(msgpack_unpack_next(&theirs, (const char *)out.data, out.len, &end), MSGPACK_UNPACK_SUCCESS);
        ck_assert_uint_eq(end, out.len);
        ck_assert_msg(same_as_theirs(&ours, &theirs.data), "seed %u", (unsigned)seed);
        msgpack_unpacked_destroy(&theirs);
    }
}
END_TEST

START_TEST(every_cut_of_a_message_asks_for_more_and_every_longer_input_measures_the_same)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
        struct random random = {seed};
        const struct vt_value tree = random_tree(&pool, &random, 3);
        ck_assert_ok(vt_msgpack_write(&out, &tree));
        const size_t whole = out.len;
        for (size_t cut = 0; cut < whole; cut++) {
            size_t len = 77;
            ck_assert_status(vt_msgpack_measure(vt_bytes(out.data, cut), &len), VAULT_E_CONFLICT);
            ck_assert_uint_eq(len, 77);
            ck_assert_status(read_status(vt_bytes(out.data, cut)), VAULT_E_PARSE);
        }
        size_t len = 0;
        ck_assert_ok(vt_buf_append_str(&out, "\xc1 the next message"));
        ck_assert_ok(vt_msgpack_measure(vt_buf_bytes(&out), &len));
        ck_assert_uint_eq(len, whole);
    }
}
END_TEST

START_TEST(a_scan_fed_byte_by_byte_looks_at_each_byte_once_and_finds_the_end)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
        struct random random = {seed};
        const struct vt_value tree = random_tree(&pool, &random, 4);
        ck_assert_ok(vt_msgpack_write(&out, &tree));

        struct vt_msgpack_scan scan = VT_MSGPACK_SCAN_INIT;
        size_t len = 0;
        for (size_t given = 0; given < out.len; given++) {
            const size_t before = scan.at;
            ck_assert_status(vt_msgpack_scan(&scan, vt_bytes(out.data, given), &len), VAULT_E_CONFLICT);
            ck_assert_uint_ge(scan.at, before);
            ck_assert_uint_le(scan.at, given);
        }
        ck_assert_ok(vt_msgpack_scan(&scan, vt_buf_bytes(&out), &len));
        ck_assert_uint_eq(len, out.len);
    }
}
END_TEST

START_TEST(a_large_map_is_read_and_its_last_key_repeating_the_first_is_refused)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    const uint32_t count = VT_LIMIT_ITEMS / 2;
    ck_assert_ok(vt_msgpack_write_map(&out, count));
    size_t last = 0;
    vault_status status = VAULT_OK;
    for (uint32_t i = 0; i < count && status == VAULT_OK; i++) {
        char key[16];
        snprintf(key, sizeof key, "%08u", i);
        last = out.len;
        status = vt_msgpack_write_text(&out, vt_bytes_str(key));
        if (status == VAULT_OK) status = vt_msgpack_write_nil(&out);
    }
    ck_assert_ok(status);
    ck_assert_ok(read_status(vt_buf_bytes(&out)));
    memcpy(out.data + last + 1, "00000000", 8);
    ck_assert_status(read_status(vt_buf_bytes(&out)), VAULT_E_PARSE);
}
END_TEST

VT_TEST_MAIN("codec/msgpack", every_format_of_the_specification_reads_as_its_value,
             the_example_of_the_specification_reads_as_its_map, text_and_bytes_stay_in_the_input,
             what_the_vault_does_not_speak_is_refused, a_failed_read_says_where_and_leaves_the_output_alone,
             a_five_byte_header_cannot_reserve_anything, a_count_past_the_bytes_present_reserves_nothing,
             the_deepest_nesting_is_read_and_one_more_is_refused,
             the_largest_number_of_items_is_read_and_one_more_is_refused,
             items_are_counted_over_the_whole_message_with_keys_and_values,
             the_largest_value_is_read_and_one_byte_more_is_refused, the_writer_keeps_the_reader_limits,
             a_double_that_is_not_finite_is_not_written, integers_take_their_shortest_form,
             the_pieces_write_what_the_tree_writes, a_write_past_the_maximum_leaves_the_buffer_unchanged,
#ifdef VT_FAULTS
             wherever_memory_runs_out_reading_and_writing_refuse_cleanly,
#endif
             random_trees_read_as_written_and_as_the_packaged_unpacker_reads_them,
             every_cut_of_a_message_asks_for_more_and_every_longer_input_measures_the_same,
             a_scan_fed_byte_by_byte_looks_at_each_byte_once_and_finds_the_end,
             a_large_map_is_read_and_its_last_key_repeating_the_first_is_refused)
