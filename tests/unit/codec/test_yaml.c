#include <stdio.h>

#include "libvault/base/buf.h"
#include "libvault/base/fault.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/yaml.h"
#include "tests/support/suite.h"

enum { POOL_MAX = 64 << 20 };

static struct vt_value read_yaml(struct vt_pool *pool, const char *text)
{
    struct vt_value value = VT_VALUE_INIT;
    struct vt_err err = {0};
    ck_assert_msg(vt_yaml_read(pool, vt_bytes_str(text), &value, &err) == VAULT_OK, "%s: %s", text, err.message);
    return value;
}

static void check_is(const char *text, struct vt_value expected)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_value value = read_yaml(&pool, text);
    ck_assert_msg(vt_value_equal(&value, &expected), "'%s' is %s", text, vt_value_kind_name(value.kind));
}

static void check_refused(const char *text, size_t len, vault_status expected, const char *message)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value value = vt_value_int(77);
    struct vt_err err = {0};
    ck_assert_status(vt_yaml_read(&pool, vt_bytes(text, len), &value, &err), expected);
    ck_assert_str_eq(err.message, message);
    ck_assert_int_eq(value.integer, 77);
}
#define REFUSED(text, message) check_refused(text, sizeof(text) - 1, VAULT_E_PARSE, message)

static struct vt_value double_of(double number)
{
    return (struct vt_value){.kind = VT_VALUE_DOUBLE, .number = number};
}

/* Source: YAML 1.2.2 section 10.3.2 and its examples. */
START_TEST(plain_scalars_resolve_by_the_core_schema)
{
    static const char *const nulls[] = {"~", "null", "Null", "NULL", "", "# only a comment\n", "---\n...\n"};
    static const char *const trues[] = {"true", "True", "TRUE"}, *const falses[] = {"false", "False", "FALSE"};
    for (size_t i = 0; i < VT_ARRAY_LEN(nulls); i++) check_is(nulls[i], VT_VALUE_INIT);
    for (size_t i = 0; i < VT_ARRAY_LEN(trues); i++) check_is(trues[i], vt_value_bool(true));
    for (size_t i = 0; i < VT_ARRAY_LEN(falses); i++) check_is(falses[i], vt_value_bool(false));
    check_is("0", vt_value_int(0));
    check_is("+12", vt_value_int(12));
    check_is("-19", vt_value_int(-19));
    check_is("0o7", vt_value_int(7));
    check_is("0x3A", vt_value_int(0x3a));
    check_is("9223372036854775807", vt_value_int(INT64_MAX));
    check_is("-9223372036854775808", vt_value_int(INT64_MIN));
    check_is("9223372036854775808",
             (struct vt_value){.kind = VT_VALUE_UINT, .unsigned_integer = (uint64_t)INT64_MAX + 1});
    check_is("0xffffffffffffffff", (struct vt_value){.kind = VT_VALUE_UINT, .unsigned_integer = UINT64_MAX});
    check_is("0.", double_of(0));
    check_is("-0.0", double_of(-0.0));
    check_is(".5", double_of(0.5));
    check_is("+12e03", double_of(12000));
    check_is("-2E+05", double_of(-200000));
    check_is("12.3015e+2", double_of(1230.15));
}
END_TEST

START_TEST(what_only_looks_like_another_kind_is_text)
{
    static const char *const texts[] = {"yes", "no",    "on",   "off",        "y",    "tRUE", "nULL", "1_000", "0b1",
                                        "0o8", "0xg",   "0x",   "1e",         "e5",   ".",    "-",    "1.2.3", "1,5",
                                        "+-1", "12:30", "0x-1", "2026-07-01", "+0x1", ".e5",  "1 2",  ".inf1"};
    for (size_t i = 0; i < VT_ARRAY_LEN(texts); i++) {
        char text[64];
        snprintf(text, sizeof text, "key: %s\n", texts[i]);
        if (strcmp(texts[i], "-") == 0) continue;
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        const struct vt_value map = read_yaml(&pool, text);
        ck_assert_msg(vt_bytes_equal_str(vt_value_get_text(&map, "key"), texts[i]), "%s", texts[i]);
    }
}
END_TEST

START_TEST(quoted_and_block_scalars_are_text)
{
    check_is("\"1\"", vt_value_str("1"));
    check_is("'true'", vt_value_str("true"));
    check_is("\"\"", vt_value_str(""));
    check_is("'01234'", vt_value_str("01234"));
    check_is("\"\\u00e9\\t\\x41\"", vt_value_str("\xc3\xa9\tA"));
    check_is("|\n  12\n  34\n", vt_value_str("12\n34\n"));
    check_is(">-\n  12\n  34\n", vt_value_str("12 34"));
}
END_TEST

START_TEST(the_tags_of_the_core_schema_are_kept_and_no_others_read)
{
    check_is("!!str 12", vt_value_str("12"));
    check_is("! 12", vt_value_str("12"));
    check_is("!!int \"12\"", vt_value_int(12));
    check_is("!!int 0xffffffffffffffff", (struct vt_value){.kind = VT_VALUE_UINT, .unsigned_integer = UINT64_MAX});
    check_is("!!float 1", double_of(1));
    check_is("!!float 1.5", double_of(1.5));
    check_is("!!bool 'true'", vt_value_bool(true));
    check_is("!!null ''", VT_VALUE_INIT);
    check_is("!!seq []", vt_value_array());
    check_is("!!map {}", vt_value_map());
    check_is("!<tag:yaml.org,2002:str> 1", vt_value_str("1"));
    REFUSED("!!int x", "Line 1: a value is not what its tag says.");
    REFUSED("!!bool 1", "Line 1: a value is not what its tag says.");
    REFUSED("a: !!binary AAAA", "Line 1: only the tags of the core schema are read.");
    REFUSED("\n!local x", "Line 2: only the tags of the core schema are read.");
    REFUSED("!!map []", "Line 1: only the tags of the core schema are read.");
    REFUSED("!!set {a, b}", "Line 1: only the tags of the core schema are read.");
    REFUSED("# c\n%TAG ! tag:yaml.org,2002:\n--- !str x", "Line 2: tag directives are not read.");
    REFUSED("!!str a: 1", "Line 1: a key is not a plain or quoted text.");
}
END_TEST

START_TEST(collections_nest_and_every_value_knows_its_line)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_value map = read_yaml(&pool, "# a schema\n"
                                                 "name: profile\n"
                                                 "fields:\n"
                                                 "  - {name: email, type: email}\n"
                                                 "  - name: pan\n"
                                                 "    type: pan\n"
                                                 "forget:\n"
                                                 "  category\n"
                                                 "1: one\n"
                                                 "true: yes\n");
    const struct vt_value *fields = vt_value_get(&map, "fields");
    ck_assert_uint_eq(map.map.count, 5);
    ck_assert_uint_eq(map.line, 2);
    ck_assert_uint_eq(vt_value_get(&map, "name")->line, 2);
    ck_assert_uint_eq(fields->line, 4);
    ck_assert_uint_eq(fields->array.count, 2);
    ck_assert_uint_eq(vt_value_get(&fields->array.items[0], "type")->line, 4);
    ck_assert_uint_eq(vt_value_get(&fields->array.items[1], "type")->line, 6);
    ck_assert_uint_eq(vt_value_get(&map, "forget")->line, 8);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&map, "1"), "one"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&map, "true"), "yes"));
}
END_TEST

START_TEST(texts_outlive_the_input)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value map;
    char text[] = "key: value";
    ck_assert_ok(vt_yaml_read(&pool, vt_bytes_str(text), &map, NULL));
    memset(text, 'x', sizeof text - 1);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&map, "key"), "value"));
}
END_TEST

START_TEST(anchors_and_aliases_are_refused_with_their_line)
{
    REFUSED("a: &x 1\n", "Line 1: anchors and aliases are not read.");
    REFUSED("a: 1\nb: &x {c: 1}\n", "Line 2: anchors and aliases are not read.");
    REFUSED("a: 1\nb: &x [c]\n", "Line 2: anchors and aliases are not read.");
    REFUSED("a: 1\nb: *x\n", "Line 2: anchors and aliases are not read.");
    REFUSED("&x a: 1\n", "Line 1: a key is not a plain or quoted text.");
    REFUSED("*x : 1\n", "Line 1: a key is not a plain or quoted text.");
}
END_TEST

START_TEST(a_key_twice_is_refused_in_small_and_large_maps)
{
    REFUSED("a: 1\n\"a\": 2\n", "Line 1: the map that begins here has a key twice.");
    REFUSED("x:\n  y: {b: 1, a: 1, b: 2}\n", "Line 2: the map that begins here has a key twice.");
    VT_AUTO(vt_buf) text = VT_BUF_INIT(1 << 20);
    for (unsigned i = 0; i < 5000; i++) ck_assert_ok(vt_buf_printf(&text, "key%u: %u\n", i, i));
    ck_assert_ok(vt_buf_append_str(&text, "key0: again\n"));
    check_refused((const char *)text.data, text.len, VAULT_E_PARSE,
                  "Line 1: the map that begins here has a key twice.");
}
END_TEST

START_TEST(keys_that_are_no_text_are_refused)
{
    REFUSED("? [a]\n: 1\n", "Line 1: a key is not a plain or quoted text.");
    REFUSED("? {a: 1}\n: 1\n", "Line 1: a key is not a plain or quoted text.");
    REFUSED("a: 1\n?\n: 1\n", "Line 2: a key is missing.");
    check_is("\"\": 1",
             (struct vt_value){.kind = VT_VALUE_MAP,
                               .map = {.pairs = &(struct vt_pair){vt_bytes_str(""), vt_value_int(1)}, .count = 1}});
}
END_TEST

START_TEST(numbers_that_would_change_in_silence_are_refused)
{
    REFUSED("zip: 01234", "Line 1: an integer begins with 0; write it without, or in quotes if it is text.");
    REFUSED("\nmode: -0600", "Line 2: an integer begins with 0; write it without, or in quotes if it is text.");
    REFUSED("18446744073709551616", "Line 1: an integer does not fit into 64 bits.");
    REFUSED("-9223372036854775809", "Line 1: an integer does not fit into 64 bits.");
    REFUSED("0x10000000000000000", "Line 1: an integer does not fit into 64 bits.");
    REFUSED("1e400", "Line 1: a number is not a finite double.");
    REFUSED(".inf", "Line 1: a number is not a finite double.");
    REFUSED("-.Inf", "Line 1: a number is not a finite double.");
    REFUSED(".nan", "Line 1: a number is not a finite double.");
}
END_TEST

START_TEST(more_than_one_document_is_refused)
{
    REFUSED("a: 1\n---\nb: 2\n", "Line 2: a second document begins.");
    REFUSED("a\n...\n---\nb\n", "Line 3: a second document begins.");
    check_is("%YAML 1.2\n---\na\n...\n# the end\n", vt_value_str("a"));
}
END_TEST

START_TEST(broken_text_is_refused_with_its_line)
{
    REFUSED("a: [1, 2\n", "Line 2: did not find expected ',' or ']'.");
    REFUSED("a: 1\n b: 2\n", "Line 2: mapping values are not allowed in this context.");
    REFUSED("a:\n\t- 1\n", "Line 2: found character that cannot start any token.");
    REFUSED("a: \"x\\q\"\n", "Line 1: found unknown escape character.");
    REFUSED("a\n\x01\n", "Line 2: control characters are not allowed.");
    REFUSED("a: \"x\\0y\"\n", "Line 1: a text holds a NUL.");
    REFUSED("a: \xff\n", "The text is not valid UTF-8.");
    REFUSED("a\0", "Line 1: control characters are not allowed.");
    REFUSED("\xff\xfe"
            "a\0",
            "The text is not valid UTF-8."); /* UTF-16 is not guessed at */
}
END_TEST

START_TEST(a_utf8_mark_at_the_start_is_skipped)
{
    check_is("\xef\xbb\xbf"
             "12",
             vt_value_int(12));
}
END_TEST

START_TEST(the_deepest_nesting_is_read_and_one_more_is_refused)
{
    char deepest[2 * VT_LIMIT_DEPTH + 1] = "", deeper[2 * VT_LIMIT_DEPTH + 3] = "";
    memset(deepest, '[', VT_LIMIT_DEPTH);
    memset(deepest + VT_LIMIT_DEPTH, ']', VT_LIMIT_DEPTH);
    memset(deeper, '[', VT_LIMIT_DEPTH + 1);
    memset(deeper + VT_LIMIT_DEPTH + 1, ']', VT_LIMIT_DEPTH + 1);
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    ck_assert_int_eq(read_yaml(&pool, deepest).kind, VT_VALUE_ARRAY);
    check_refused(deeper, strlen(deeper), VAULT_E_TOO_LARGE, "Line 1: the nesting is too deep.");
}
END_TEST

START_TEST(the_longest_text_is_read_and_one_byte_more_is_refused)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    char *text = vt_pool_alloc(&pool, VT_LIMIT_YAML_BYTES + 2);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', VT_LIMIT_YAML_BYTES);
    const struct vt_value value = read_yaml(&pool, text);
    ck_assert_uint_eq(value.bytes.len, VT_LIMIT_YAML_BYTES);
    text[VT_LIMIT_YAML_BYTES] = 'x';
    check_refused(text, VT_LIMIT_YAML_BYTES + 1, VAULT_E_TOO_LARGE, "The text is too long for YAML.");
}
END_TEST

START_TEST(a_text_that_escapes_make_longer_than_a_value_may_be_is_refused)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_LIMIT_YAML_BYTES);
    ck_assert_ok(vt_buf_append_str(&text, "- \""));
    for (unsigned i = 0; i <= VT_LIMIT_VALUE_BYTES / 3; i++) ck_assert_ok(vt_buf_append_str(&text, "\\L"));
    ck_assert_ok(vt_buf_append_str(&text, "\"")); /* \L is U+2028: two characters here, three bytes there */
    check_refused((const char *)text.data, text.len, VAULT_E_TOO_LARGE, "Line 1: a text is too long.");
}
END_TEST

START_TEST(the_largest_number_of_items_is_read_and_one_more_is_refused)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) text = VT_BUF_INIT(1 << 20);
    ck_assert_ok(vt_buf_append_byte(&text, '['));
    for (unsigned i = 0; i < VT_LIMIT_ITEMS; i++) ck_assert_ok(vt_buf_append_str(&text, "1,"));
    ck_assert_ok(vt_buf_append_str(&text, "]"));
    struct vt_value value;
    ck_assert_ok(vt_yaml_read(&pool, vt_buf_bytes(&text), &value, NULL));
    ck_assert_uint_eq(value.array.count, VT_LIMIT_ITEMS);
    text.data[text.len - 1] = '1';
    ck_assert_ok(vt_buf_append_str(&text, "]"));
    check_refused((const char *)text.data, text.len, VAULT_E_TOO_LARGE, "Line 1: the document has too many items.");
}
END_TEST

/* libyaml looks tag directives up in a list: a megabyte of them takes the square. The test's time limit is the proof.
 */
START_TEST(a_megabyte_of_directives_is_refused_at_once)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(1 << 20);
    for (unsigned i = 0; i < 60000; i++) ck_assert_ok(vt_buf_printf(&text, "%%TAG !%u! x\n", i));
    check_refused((const char *)text.data, text.len, VAULT_E_PARSE, "Line 1: tag directives are not read.");
}
END_TEST

#ifdef VT_FAULTS
START_TEST(wherever_memory_runs_out_the_read_is_refused_cleanly)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(1 << 20);
    for (unsigned i = 0; i < 300; i++) ck_assert_ok(vt_buf_printf(&text, "key%u: [a, {b: 1.5}]\n", i));
    bool has_fired = true;
    for (unsigned nth = 1; has_fired; nth++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_value value = vt_value_int(77);
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        const vault_status status = vt_yaml_read(&pool, vt_buf_bytes(&text), &value, NULL);
        has_fired = vt_fault_disarm();
        ck_assert_status(status, has_fired ? VAULT_E_MEMORY : VAULT_OK);
        ck_assert_int_eq(value.kind, has_fired ? VT_VALUE_INT : VT_VALUE_MAP);
    }
}
END_TEST
#endif

VT_TEST_MAIN("codec/yaml", plain_scalars_resolve_by_the_core_schema, what_only_looks_like_another_kind_is_text,
             quoted_and_block_scalars_are_text, the_tags_of_the_core_schema_are_kept_and_no_others_read,
             collections_nest_and_every_value_knows_its_line, texts_outlive_the_input,
             anchors_and_aliases_are_refused_with_their_line, a_key_twice_is_refused_in_small_and_large_maps,
             keys_that_are_no_text_are_refused, numbers_that_would_change_in_silence_are_refused,
             more_than_one_document_is_refused, broken_text_is_refused_with_its_line,
             a_utf8_mark_at_the_start_is_skipped, the_deepest_nesting_is_read_and_one_more_is_refused,
             the_longest_text_is_read_and_one_byte_more_is_refused,
             a_text_that_escapes_make_longer_than_a_value_may_be_is_refused,
             the_largest_number_of_items_is_read_and_one_more_is_refused,
#ifdef VT_FAULTS
             wherever_memory_runs_out_the_read_is_refused_cleanly,
#endif
             a_megabyte_of_directives_is_refused_at_once)
