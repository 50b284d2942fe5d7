#include <malloc.h>
#include <math.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/json.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "tests/support/suite.h"
#include "tests/unit/codec/random_tree.h"

enum { POOL_MAX = 256 << 20 };

static struct vt_value read_json(struct vt_pool *pool, struct vt_bytes text)
{
    struct vt_value value = VT_VALUE_INIT;
    struct vt_err err = {0};
    vt_json_init();
    ck_assert_msg(vt_json_read(pool, text, &value, &err) == VAULT_OK, "%s", err.message);
    return value;
}

static void check_is(const char *text, struct vt_value expected)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_value value = read_json(&pool, vt_bytes_str(text));
    ck_assert_msg(vt_value_equal(&value, &expected), "'%s' is %s", text, vt_value_kind_name(value.kind));
}

static void check_refused(struct vt_bytes text, vault_status expected, const char *message)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value value = vt_value_int(77);
    struct vt_err err = {0};
    vt_json_init();
    ck_assert_status(vt_json_read(&pool, text, &value, &err), expected);
    ck_assert_str_eq(err.message, message);
    ck_assert_int_eq(value.integer, 77);
}
#define REFUSED(text, message) check_refused(vt_bytes(text, sizeof(text) - 1), VAULT_E_PARSE, message)

static void check_writes(struct vt_value value, const char *expected)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(1 << 20);
    ck_assert_ok(vt_json_write(&out, &value, VT_JSON_COMPACT));
    ck_assert_msg(vt_bytes_equal_str(vt_buf_bytes(&out), expected), "%.*s", (int)out.len, (const char *)out.data);
}

static struct vt_value double_of(double number)
{
    return (struct vt_value){.kind = VT_VALUE_DOUBLE, .number = number};
}

static struct vt_value uint_of(uint64_t integer)
{
    return (struct vt_value){.kind = VT_VALUE_UINT, .unsigned_integer = integer};
}

/* RFC 8259 sections 3 and 6. */
START_TEST(literals_and_numbers_read_exactly)
{
    check_is("null", VT_VALUE_INIT);
    check_is(" true\n", vt_value_bool(true));
    check_is("false", vt_value_bool(false));
    check_is("0", vt_value_int(0));
    check_is("-0", vt_value_int(0));
    check_is("9007199254740993", vt_value_int(9007199254740993)); /* 2^53 + 1: no double */
    check_is("-9007199254740993", vt_value_int(-9007199254740993));
    check_is("9223372036854775807", vt_value_int(INT64_MAX));
    check_is("-9223372036854775808", vt_value_int(INT64_MIN));
    check_is("9223372036854775808", uint_of((uint64_t)INT64_MAX + 1));
    check_is("18446744073709551615", uint_of(UINT64_MAX));
    check_is("1.0", double_of(1));
    check_is("-0.0", double_of(-0.0));
    check_is("1e2", double_of(100));
    check_is("0.1", double_of(0.1));
    check_is("1E-400", double_of(0));
}
END_TEST

START_TEST(numbers_that_do_not_fit_or_are_none_are_refused)
{
    REFUSED("18446744073709551616", "Line 1: an integer does not fit into 64 bits.");
    REFUSED("[1,\n-9223372036854775809]", "Line 2: an integer does not fit into 64 bits.");
    REFUSED("100000000000000000000000000000", "Line 1: an integer does not fit into 64 bits.");
    REFUSED("1e400", "Line 1: a number is not a finite double.");
    REFUSED("-1e400", "Line 1: a number is not a finite double.");
    REFUSED("01", "Line 1: this is not JSON.");
    static const char *const none[] = {"+1", "1.", ".5", "1e", "--1", "0x10", "NaN", "Infinity", "-Infinity", "- 1"};
    for (size_t i = 0; i < VT_ARRAY_LEN(none); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_value value;
        ck_assert_status(vt_json_read(&pool, vt_bytes_str(none[i]), &value, NULL), VAULT_E_PARSE);
    }
}
END_TEST

START_TEST(escapes_and_surrogate_pairs_read_as_the_text_they_mean)
{
    check_is("\"\\u00e9\\ud83d\\ude00\\n\\/\\\"\\\\\"", vt_value_str("\xc3\xa9\xf0\x9f\x98\x80\n/\"\\"));
    check_is("\"\"", vt_value_str(""));
    check_is("\"[{,:}]\\\"[\"", vt_value_str("[{,:}]\"["));
    REFUSED("\"\\ud83d\"", "Line 1: this is not JSON.");
    REFUSED("\"\\ude00\"", "Line 1: this is not JSON.");
    REFUSED("\"a\nb\"", "Line 1: this is not JSON.");
    REFUSED("\"\\x\"", "Line 1: this is not JSON.");
}
END_TEST

START_TEST(what_rfc_8259_leaves_open_is_refused_with_its_line)
{
    REFUSED("{\"a\": 1,\n \"b\": 2,\n \"a\": 3}", "Line 3: a key stands twice.");
    REFUSED("{\"a\": 1, \"\\u0061\": 3}", "Line 1: a key stands twice.");
    REFUSED("[1,\n\"\\u0000\"]", "Line 2: a text holds a NUL.");
    REFUSED("{\"\\u0000\": 1}", "Line 1: a text holds a NUL.");
    REFUSED("[\n\"\xff\"]", "Line 2: the text is not valid UTF-8.");
    REFUSED("\"\xed\xa0\x80\"", "Line 1: the text is not valid UTF-8.");
    REFUSED("1 2", "Line 1: text follows the value.");
    REFUSED("{}\n\n]", "Line 3: text follows the value.");
    REFUSED("[1", "Line 1: the text ends inside a value.");
    REFUSED("{\"a\":", "Line 1: the text ends inside a value.");
    REFUSED("\"abc", "Line 1: the text ends inside a value.");
    REFUSED("", "Line 1: the text ends inside a value.");
    REFUSED("[1,]", "Line 1: this is not JSON.");
    REFUSED("{a: 1}", "Line 1: this is not JSON.");
    REFUSED("'a'", "Line 1: this is not JSON.");
    REFUSED("/* c */ 1", "Line 1: this is not JSON.");
    REFUSED("nul", "Line 1: this is not JSON.");
    REFUSED("\xef\xbb\xbf"
            "1",
            "Line 1: this is not JSON.");
    REFUSED("1\0", "Line 1: a NUL byte.");
    REFUSED("[1,\n2\0]", "Line 2: a NUL byte.");
    REFUSED("\"a\0\"", "Line 1: this is not JSON.");
}
END_TEST

START_TEST(an_error_never_quotes_the_text)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value value;
    struct vt_err err = {0};
    vt_json_init();
    ck_assert_status(vt_json_read(&pool, vt_bytes_str("{\"pan\": canary4711}"), &value, &err), VAULT_E_PARSE);
    ck_assert_ptr_null(strstr(err.message, "canary"));
    ck_assert_str_eq(err.field, "");
}
END_TEST

START_TEST(maps_keep_their_order_and_every_value_its_line)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_value map = read_json(&pool, vt_bytes_str("{\n"
                                                              " \"z\": 1,\n"
                                                              " \"a\": [true, \"x\\\"y\",\n"
                                                              "  18446744073709551615],\n"
                                                              " \"m\": {\"$bytes\": \"AQI=\"},\n"
                                                              " \"n\":\n"
                                                              "   null\n"
                                                              "}"));
    static const char *const keys[] = {"z", "a", "m", "n"};
    static const uint32_t lines[] = {2, 3, 5, 7};
    ck_assert_uint_eq(map.line, 1);
    ck_assert_uint_eq(map.map.count, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert(vt_bytes_equal_str(map.map.pairs[i].key, keys[i]));
        ck_assert_uint_eq(map.map.pairs[i].value.line, lines[i]);
    }
    const struct vt_value *array = vt_value_get(&map, "a");
    ck_assert_uint_eq(array->array.items[2].line, 4);
    ck_assert_uint_eq(array->array.items[2].unsigned_integer, UINT64_MAX);
    ck_assert(vt_bytes_equal(vt_value_get(&map, "m")->bytes, vt_bytes("\x01\x02", 2)));
}
END_TEST

START_TEST(bytes_travel_as_base64_and_nothing_else_may_look_like_them)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(256);
    struct vt_value look_alike = vt_value_map(), with_more = vt_value_map();
    check_is("{\"$bytes\":\"\"}", vt_value_bytes(vt_bytes_str("")));
    check_is("{\"$bytes\":\"/+8=\"}", vt_value_bytes(vt_bytes_str("\xff\xef")));
    check_writes(vt_value_bytes(vt_bytes_str("\xff\xef")), "{\"$bytes\":\"/+8=\"}");
    REFUSED("{\"$bytes\":\"/+8\"}", "Line 1: bytes are not base64 text.");
    REFUSED("[\n{\"$bytes\":12}]", "Line 2: bytes are not base64 text.");

    ck_assert_ok(vt_value_put(&pool, &look_alike, "$bytes", vt_value_str("AA=="), NULL));
    ck_assert_status(vt_json_write(&out, &look_alike, VT_JSON_COMPACT), VAULT_E_INVALID_VALUE);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_ok(vt_value_put(&pool, &with_more, "$bytes", vt_value_str("AA=="), NULL));
    ck_assert_ok(vt_value_put(&pool, &with_more, "b", vt_value_int(1), NULL));
    check_is("{\"$bytes\":\"AA==\",\"b\":1}", with_more);
    check_writes(with_more, "{\"$bytes\":\"AA==\",\"b\":1}");
}
END_TEST

START_TEST(scalars_are_written_as_rfc_8259_asks)
{
    check_writes(VT_VALUE_INIT, "null");
    check_writes(vt_value_bool(true), "true");
    check_writes(vt_value_bool(false), "false");
    check_writes(vt_value_int(INT64_MIN), "-9223372036854775808");
    check_writes(uint_of(UINT64_MAX), "18446744073709551615");
    check_writes(double_of(1), "1.0");
    check_writes(double_of(-0.0), "-0.0");
    check_writes(double_of(1e300), "1e+300");
    check_writes(vt_value_str(""), "\"\"");
    check_writes(vt_value_str("\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"),
                 "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
    check_writes(vt_value_text(vt_bytes("a\0b", 3)), "\"a\\u0000b\"");
    check_writes(vt_value_array(), "[]");
    check_writes(vt_value_map(), "{}");
}
END_TEST

START_TEST(a_double_that_is_not_finite_is_not_written)
{
    const double numbers[] = {INFINITY, -INFINITY, NAN};
    VT_AUTO(vt_buf) out = VT_BUF_INIT(64);
    for (size_t i = 0; i < VT_ARRAY_LEN(numbers); i++) {
        const struct vt_value value = double_of(numbers[i]);
        ck_assert_status(vt_json_write(&out, &value, VT_JSON_COMPACT), VAULT_E_INVALID_VALUE);
    }
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(the_pretty_style_puts_each_element_on_a_line)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(1 << 20);
    const struct vt_value value =
        read_json(&pool, vt_bytes_str("{\"a\":[1,{}],\"b\":[],\"c\":{\"$bytes\":\"AQ==\"},\"d\":{\"e\":null}}"));
    ck_assert_ok(vt_json_write(&out, &value, VT_JSON_PRETTY));
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&out), "{\n"
                                                     "  \"a\": [\n"
                                                     "    1,\n"
                                                     "    {}\n"
                                                     "  ],\n"
                                                     "  \"b\": [],\n"
                                                     "  \"c\": {\"$bytes\": \"AQ==\"},\n"
                                                     "  \"d\": {\n"
                                                     "    \"e\": null\n"
                                                     "  }\n"
                                                     "}"));
}
END_TEST

START_TEST(random_trees_read_as_written_in_both_styles)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
        struct random random = {seed};
        const struct vt_value tree = random_tree(&pool, &random, 5);
        ck_assert_ok(vt_json_write(&out, &tree, seed % 2 == 0 ? VT_JSON_PRETTY : VT_JSON_COMPACT));
        const struct vt_value again = read_json(&pool, vt_buf_bytes(&out));
        ck_assert_msg(vt_value_equal(&tree, &again), "seed %u", (unsigned)seed);
    }
}
END_TEST

/* @p levels arrays in each other around @p inner. */
static void nest(struct vt_buf *out, unsigned levels, const char *inner)
{
    vt_buf_reset(out);
    for (unsigned i = 0; i < levels; i++) ck_assert_ok(vt_buf_append_byte(out, '['));
    ck_assert_ok(vt_buf_append_str(out, inner));
    for (unsigned i = 0; i < levels; i++) ck_assert_ok(vt_buf_append_byte(out, ']'));
}

START_TEST(the_deepest_nesting_is_read_and_written_and_one_more_is_refused)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) text = VT_BUF_INIT(1 << 20), out = VT_BUF_INIT(256);
    nest(&text, VT_LIMIT_DEPTH, "{\"$bytes\":\"AA==\"}");
    const struct vt_value deepest = read_json(&pool, vt_buf_bytes(&text));
    ck_assert_ok(vt_json_write(&out, &deepest, VT_JSON_COMPACT));
    ck_assert(vt_bytes_equal(vt_buf_bytes(&out), vt_buf_bytes(&text)));

    nest(&text, VT_LIMIT_DEPTH + 1, "");
    check_refused(vt_buf_bytes(&text), VAULT_E_TOO_LARGE, "Line 1: the nesting is too deep.");
    nest(&text, VT_LIMIT_DEPTH, "{\"a\":1}");
    check_refused(vt_buf_bytes(&text), VAULT_E_TOO_LARGE, "Line 1: the nesting is too deep.");
    nest(&text, 5000, ""); /* past what jansson itself would follow */
    check_refused(vt_buf_bytes(&text), VAULT_E_TOO_LARGE, "Line 1: the nesting is too deep.");

    struct vt_value deeper = vt_value_array();
    ck_assert_ok(vt_value_push(&pool, &deeper, deepest, NULL));
    vt_buf_reset(&out);
    ck_assert_status(vt_json_write(&out, &deeper, VT_JSON_COMPACT), VAULT_E_TOO_LARGE);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

static void list_of(struct vt_buf *out, const char *item, unsigned count)
{
    vault_status status = VAULT_OK;
    vt_buf_reset(out);
    for (unsigned i = 0; i < count && status == VAULT_OK; i++) {
        status = vt_buf_append_byte(out, i == 0 ? '[' : ',');
        if (status == VAULT_OK) status = vt_buf_append_str(out, item);
    }
    if (status == VAULT_OK) status = vt_buf_append_byte(out, ']');
    ck_assert_ok(status);
}

START_TEST(the_largest_number_of_items_is_read_and_written_and_one_more_is_refused)
{
    static const char *const items[] = {"1", "{\"$bytes\":\"\"}", "\"\"", "[]"};
    for (size_t i = 0; i < VT_ARRAY_LEN(items); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES), out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
        list_of(&text, items[i], VT_LIMIT_ITEMS);
        struct vt_value most = read_json(&pool, vt_buf_bytes(&text));
        ck_assert_uint_eq(most.array.count, VT_LIMIT_ITEMS);
        ck_assert_ok(vt_json_write(&out, &most, VT_JSON_COMPACT));
        ck_assert(vt_bytes_equal(vt_buf_bytes(&out), vt_buf_bytes(&text)));

        list_of(&text, items[i], VT_LIMIT_ITEMS + 1);
        check_refused(vt_buf_bytes(&text), VAULT_E_TOO_LARGE, "Line 1: the text has too many items.");
        ck_assert_ok(vt_value_push(&pool, &most, VT_VALUE_INIT, NULL));
        ck_assert_status(vt_json_write(&out, &most, VT_JSON_COMPACT), VAULT_E_TOO_LARGE);
    }
}
END_TEST

START_TEST(the_writer_counts_items_over_all_levels)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES), out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    list_of(&text, "1", VT_LIMIT_ITEMS / 2 - 1);
    const struct vt_value half = read_json(&pool, vt_buf_bytes(&text));
    struct vt_value both = vt_value_array();
    ck_assert_ok(vt_value_push(&pool, &both, half, NULL));
    ck_assert_ok(vt_value_push(&pool, &both, half, NULL));
    ck_assert_ok(vt_json_write(&out, &both, VT_JSON_COMPACT));
    vt_buf_reset(&out);
    ck_assert_ok(vt_value_push(&pool, &both, VT_VALUE_INIT, NULL));
    ck_assert_status(vt_json_write(&out, &both, VT_JSON_COMPACT), VAULT_E_TOO_LARGE);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(keys_and_values_count_as_items)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    list_of(&text, "{\"a\":1}", VT_LIMIT_ITEMS / 3);
    ck_assert_uint_eq(read_json(&pool, vt_buf_bytes(&text)).array.count, VT_LIMIT_ITEMS / 3);
    list_of(&text, "{\"a\":1}", VT_LIMIT_ITEMS / 3 + 1);
    check_refused(vt_buf_bytes(&text), VAULT_E_TOO_LARGE, "Line 1: the text has too many items.");
    /* one that hides items behind the form of bytes from the scan is counted when the tree is built */
    list_of(&text, "{\"$bytes\":\"\",\"b\":1}", VT_LIMIT_ITEMS / 5 + 1);
    check_refused(vt_buf_bytes(&text), VAULT_E_TOO_LARGE, "Line 1: the text has too many items.");
}
END_TEST

START_TEST(the_longest_text_and_bytes_are_read_and_written_and_one_more_is_refused)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    uint8_t *large = vt_pool_alloc(&pool, VT_LIMIT_VALUE_BYTES + 1);
    ck_assert_ptr_nonnull(large);
    memset(large, 'x', VT_LIMIT_VALUE_BYTES + 1);
    for (int is_text = 0; is_text < 2; is_text++) {
        const struct vt_bytes most = vt_bytes(large, VT_LIMIT_VALUE_BYTES), more = vt_bytes(large, most.len + 1);
        struct vt_value value = is_text ? vt_value_text(most) : vt_value_bytes(most);
        vt_buf_reset(&out);
        ck_assert_ok(vt_json_write(&out, &value, VT_JSON_COMPACT));
        const struct vt_value again = read_json(&pool, vt_buf_bytes(&out));
        ck_assert(vt_value_equal(&value, &again));
        value = is_text ? vt_value_text(more) : vt_value_bytes(more);
        ck_assert_status(vt_json_write(&out, &value, VT_JSON_COMPACT), VAULT_E_TOO_LARGE);
    }
    vt_buf_truncate(&out, out.len - 1);
    ck_assert_ok(vt_buf_append_str(&out, "x\""));
    check_refused(vt_buf_bytes(&out), VAULT_E_TOO_LARGE, "Line 1: a text is too long.");

    vt_buf_reset(&out);
    ck_assert_ok(vt_buf_append_str(&out, "{\"$bytes\":\""));
    ck_assert_ok(vt_base64_encode(&out, vt_bytes(large, VT_LIMIT_VALUE_BYTES + 1)));
    ck_assert_ok(vt_buf_append_str(&out, "\"}"));
    check_refused(vt_buf_bytes(&out), VAULT_E_TOO_LARGE, "Line 1: a byte string is too long.");
}
END_TEST

START_TEST(a_write_past_the_maximum_leaves_the_buffer_unchanged)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const char *text = "{\"a\":[1,\"x\\n\",{\"$bytes\":\"AQ==\"}],\"b\":1.5}";
    const struct vt_value value = read_json(&pool, vt_bytes_str(text));
    for (size_t max = 4; max <= 4 + strlen(text); max++) {
        VT_AUTO(vt_buf) out = VT_BUF_INIT(max);
        ck_assert_ok(vt_buf_append_str(&out, "kept"));
        const bool fits = max == 4 + strlen(text);
        ck_assert_status(vt_json_write(&out, &value, VT_JSON_COMPACT), fits ? VAULT_OK : VAULT_E_TOO_LARGE);
        ck_assert_uint_eq(out.len, fits ? max : 4);
    }
}
END_TEST

#ifdef VT_FAULTS
START_TEST(wherever_memory_runs_out_reading_and_writing_refuse_cleanly)
{
    static const char text[] = "{\"a\":[1,\"some text\",{\"$bytes\":\"AQ==\"}],\"b\":1.5,\"c\":18446744073709551615,"
                               "\"d\":{\"e\":[[],[],[[]]]},\"f\":2,\"g\":3,\"h\":4,\"i\":5,\"j\":6,\"k\":7,\"l\":8}";
    vt_json_init();
    bool has_fired = true;
    for (unsigned nth = 1; has_fired; nth++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        VT_AUTO(vt_buf) out = VT_BUF_INIT(1 << 20);
        struct vt_value value;
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        vault_status status = vt_json_read(&pool, vt_bytes_str(text), &value, NULL);
        if (status == VAULT_OK) status = vt_json_write(&out, &value, VT_JSON_COMPACT);
        has_fired = vt_fault_disarm();
        ck_assert_msg(status == (has_fired ? VAULT_E_MEMORY : VAULT_OK), "allocation %u: %s", nth,
                      vault_status_code(status));
        ck_assert_uint_eq(out.len, has_fired ? 0 : strlen(text));
    }
}
END_TEST
#endif

/* The linker sends every free() of ours here (--wrap): blocks are looked at in the moment they are given back.
 * volatile, since the compiler knows that free() itself touches none of this. */
static const char canary[] = "canary-4711-canary-4711";
static volatile bool is_watching;
static volatile unsigned freed_blocks, freed_canaries;
void __real_free(void *data);
void __wrap_free(void *data);
void __wrap_free(void *data)
{
    if (data != NULL && is_watching) {
        freed_blocks++;
        freed_canaries += memmem(data, malloc_usable_size(data), canary, sizeof canary - 1) != NULL;
    }
    __real_free(data);
}

START_TEST(no_block_is_freed_with_decoded_text_in_it)
{
    static const char text[] = "{\"canary-\\u0034711-canary-4711\": [\"canary-\\u0034711-canary-4711\", {}]}";
    struct vt_value value;
    vt_json_init();
    is_watching = true;
    {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        ck_assert_ok(vt_json_read(&pool, vt_bytes_str(text), &value, NULL));
        ck_assert(vt_bytes_equal_str(value.map.pairs[0].key, canary));
        ck_assert(vt_bytes_equal_str(value.map.pairs[0].value.array.items[0].bytes, canary));
    }
    is_watching = false;
    ck_assert_uint_gt(freed_blocks, 5);
    ck_assert_uint_eq(freed_canaries, 0);

    char *left = strdup(canary); /* the control: the watch sees what is not wiped */
    ck_assert_ptr_nonnull(left);
    is_watching = true;
    free(left);
    is_watching = false;
    ck_assert_uint_eq(freed_canaries, 1);
}
END_TEST

START_TEST(a_text_past_the_largest_reply_is_refused)
{
    const size_t len = (size_t)VT_LIMIT_REPLY_BYTES + 1;
    char *text = malloc(len);
    ck_assert_ptr_nonnull(text);
    memset(text, ' ', len);
    text[0] = '1';
    check_is("1", vt_value_int(1));
    check_refused(vt_bytes(text, len), VAULT_E_TOO_LARGE, "The text is too long.");
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    ck_assert_int_eq(read_json(&pool, vt_bytes(text, len - 1)).integer, 1);
    free(text);
}
END_TEST

VT_TEST_MAIN("codec/json", literals_and_numbers_read_exactly, numbers_that_do_not_fit_or_are_none_are_refused,
             escapes_and_surrogate_pairs_read_as_the_text_they_mean, what_rfc_8259_leaves_open_is_refused_with_its_line,
             an_error_never_quotes_the_text, maps_keep_their_order_and_every_value_its_line,
             bytes_travel_as_base64_and_nothing_else_may_look_like_them, scalars_are_written_as_rfc_8259_asks,
             a_double_that_is_not_finite_is_not_written, the_pretty_style_puts_each_element_on_a_line,
             random_trees_read_as_written_in_both_styles,
             the_deepest_nesting_is_read_and_written_and_one_more_is_refused,
             the_largest_number_of_items_is_read_and_written_and_one_more_is_refused, keys_and_values_count_as_items,
             the_writer_counts_items_over_all_levels,
             the_longest_text_and_bytes_are_read_and_written_and_one_more_is_refused,
             a_write_past_the_maximum_leaves_the_buffer_unchanged,
#ifdef VT_FAULTS
             wherever_memory_runs_out_reading_and_writing_refuse_cleanly,
#endif
             no_block_is_freed_with_decoded_text_in_it, a_text_past_the_largest_reply_is_refused)
