#include <math.h>
#include <stdio.h>

#include "libvault/base/fault.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "tests/support/suite.h"
#include "tests/unit/codec/random_tree.h"

enum { POOL_MAX = 64 << 20 };

static struct vt_bytes normalised(struct vt_pool *pool, struct vt_bytes text, int forms)
{
    struct vt_bytes out = VT_BYTES_EMPTY;
    ck_assert_ok(vt_text_normalise(pool, text, forms, &out));
    ck_assert_ptr_nonnull(out.data);
    return out;
}

static void check_normal(const char *text, int forms, const char *expected)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_bytes out = normalised(&pool, vt_bytes_str(text), forms);
    ck_assert_msg(vt_bytes_equal_str(out, expected), "'%s' became '%.*s', not '%s'", text, (int)out.len,
                  (const char *)out.data, expected);
}

static size_t encode_point(uint32_t point, uint8_t *out)
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    const size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i != 0; i--, point >>= 6) out[i] = (uint8_t)(0x80 | (point & 0x3f));
    out[0] = (uint8_t)(leads[len] | point);
    return len;
}

static bool is_surrogate(uint32_t point)
{
    return point >= 0xd800 && point <= 0xdfff;
}

static bool reads_back(uint32_t point)
{
    uint8_t raw[4];
    struct vt_bytes text = vt_bytes(raw, encode_point(point, raw));
    if (is_surrogate(point)) return !vt_utf8_is_valid(text);
    return vt_utf8_is_valid(text) && vt_utf8_count(text) == 1 && vt_utf8_next(&text) == point && text.len == 0;
}

/* RFC 3629 section 3: the encoder above is the definition, the validator is checked against it.
 * (Each ck_assert writes to a pipe: too slow for a million.) */
START_TEST(every_code_point_but_surrogates_is_valid_utf8_and_reads_back)
{
    uint32_t point = 0;
    while (point <= 0x10ffff && reads_back(point)) point++;
    ck_assert_uint_eq(point, 0x110000);
}
END_TEST

/* RFC 3629 section 10 and Markus Kuhn's list: overlong forms, cut sequences, stray bytes, beyond U+10FFFF. */
START_TEST(malformed_utf8_is_invalid_wherever_it_stands)
{
    static const char *const bad[] = {
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\xaf",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\xaf",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\x80",
        "\xbf",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3(",
        "\xe2(\xa1",
        "\xe2\x82(",
        "\xf0(\x8c\xbc",
        "\xf0\x90(\xbc",
        "\xf0\x90\x8c(",
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) {
        for (size_t before = 0; before < 18; before++) {
            char text[64];
            snprintf(text, sizeof text, "%.*s%s", (int)before, "xxxxxxxxxxxxxxxxxx", bad[i]);
            ck_assert_msg(!vt_utf8_is_valid(vt_bytes_str(text)), "row %zu after %zu bytes", i, before);
            snprintf(text, sizeof text, "%.*s%s tail of ascii bytes", (int)before, "xxxxxxxxxxxxxxxxxx", bad[i]);
            ck_assert_msg(!vt_utf8_is_valid(vt_bytes_str(text)), "row %zu before a tail", i);
        }
    }
    ck_assert(vt_utf8_is_valid(VT_BYTES_EMPTY));
}
END_TEST

/* Source: UAX #15, NormalizationTest.txt, parts 0 and 1, and figures 3 to 6 of the annex. */
START_TEST(nfc_composes_as_the_annex_shows)
{
    check_normal("", VT_TEXT_NFC, "");
    check_normal("plain ASCII, Any Case", VT_TEXT_NFC, "plain ASCII, Any Case");
    check_normal("A\xcc\x8a", VT_TEXT_NFC, "\xc3\x85");                        /* A + ring */
    check_normal("\xe2\x84\xab", VT_TEXT_NFC, "\xc3\x85");                     /* angstrom sign */
    check_normal("\xe2\x84\xa6", VT_TEXT_NFC, "\xce\xa9");                     /* ohm sign */
    check_normal("s\xcc\x87\xcc\xa3", VT_TEXT_NFC, "\xe1\xb9\xa9");            /* dot above, dot below */
    check_normal("\xe1\xb8\x8b\xcc\xa3", VT_TEXT_NFC, "\xe1\xb8\x8d\xcc\x87"); /* d dot above + dot below */
    check_normal("q\xcc\x87\xcc\xa3", VT_TEXT_NFC, "q\xcc\xa3\xcc\x87");
    check_normal("\xef\xac\x81", VT_TEXT_NFC, "\xef\xac\x81");                         /* the ligature stays */
    check_normal("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", VT_TEXT_NFC, "\xea\xb0\x81"); /* Hangul L V T */
    check_normal("\xe0\xa5\x98", VT_TEXT_NFC, "\xe0\xa4\x95\xe0\xa4\xbc");             /* composition exclusion */
}
END_TEST

/* Source: Unicode DerivedNormalizationProps.txt, NFKC_Casefold; CaseFolding.txt. */
START_TEST(nfkc_casefold_matches_what_people_take_for_the_same)
{
    check_normal("STRASSE", VT_TEXT_NFKC_CASEFOLD, "strasse");
    check_normal("stra\xc3\x9f"
                 "e",
                 VT_TEXT_NFKC_CASEFOLD, "strasse");
    check_normal("\xef\xac\x81nal", VT_TEXT_NFKC_CASEFOLD, "final");       /* fi ligature */
    check_normal("\xef\xbc\xa1\xef\xbc\x91", VT_TEXT_NFKC_CASEFOLD, "a1"); /* full width A 1 */
    check_normal("\xc3\x85NGSTR\xc3\x96M", VT_TEXT_NFKC_CASEFOLD, "\xc3\xa5ngstr\xc3\xb6m");
    check_normal("\xce\xa3\xcf\x82", VT_TEXT_NFKC_CASEFOLD, "\xcf\x83\xcf\x83"); /* both sigmas */
    check_normal("so\xc2\xad"
                 "ft",
                 VT_TEXT_NFKC_CASEFOLD, "soft"); /* soft hyphen goes */
    check_normal("a\xe2\x80\x8b"
                 "b",
                 VT_TEXT_NFKC_CASEFOLD, "ab");                 /* zero width space goes */
    check_normal("\xe1\xba\x9e", VT_TEXT_NFKC_CASEFOLD, "ss"); /* capital sharp s */
}
END_TEST

START_TEST(spaces_are_trimmed_and_folded_only_when_asked)
{
    check_normal("  a \t\r\n b  ", VT_TEXT_NFC | VT_TEXT_SPACES, "a b");
    check_normal("\xc2\xa0"
                 "a\xe3\x80\x80\xe2\x80\xa8"
                 "b\xe2\x80\x89",
                 VT_TEXT_NFC | VT_TEXT_SPACES, "a b");
    check_normal(" \t ", VT_TEXT_NFC | VT_TEXT_SPACES, "");
    check_normal(" A  B ", VT_TEXT_NFKC_CASEFOLD | VT_TEXT_SPACES, "a b");
    check_normal("  a  b ", VT_TEXT_NFC, "  a  b ");
    check_normal("a\xe2\x80\x8b"
                 "b",
                 VT_TEXT_NFC | VT_TEXT_SPACES,
                 "a\xe2\x80\x8b"
                 "b"); /* not White_Space */
}
END_TEST

/* What is ASCII takes a way of its own: the long way, forced by a letter beside it, must give the same. */
START_TEST(ascii_is_normalised_alike_on_the_short_and_the_long_way)
{
    static const int forms[] = {VT_TEXT_NFC, VT_TEXT_NFKC_CASEFOLD, VT_TEXT_NFC | VT_TEXT_SPACES,
                                VT_TEXT_NFKC_CASEFOLD | VT_TEXT_SPACES};
    for (unsigned c = 0; c < 0x80; c++) {
        for (size_t i = 0; i < VT_ARRAY_LEN(forms); i++) {
            VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
            const uint8_t raw[] = {'X', (uint8_t)c, 'y', 0xc3, 0xa9};
            const struct vt_bytes brief = normalised(&pool, vt_bytes(raw, 3), forms[i]);
            const struct vt_bytes whole = normalised(&pool, vt_bytes(raw, 5), forms[i]);
            ck_assert_msg(whole.len == brief.len + 2 && memcmp(whole.data, brief.data, brief.len) == 0,
                          "U+%04X in form %d", c, forms[i]);
        }
    }
}
END_TEST

static const int all_forms[] = {VT_TEXT_NFC, VT_TEXT_NFKC_CASEFOLD, VT_TEXT_NFC | VT_TEXT_SPACES,
                                VT_TEXT_NFKC_CASEFOLD | VT_TEXT_SPACES};

/* The second time gives what the first gave, and that is valid. */
static bool is_settled(struct vt_bytes text, int forms)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_bytes once, twice;
    return vt_text_normalise(&pool, text, forms, &once) == VAULT_OK && vt_utf8_is_valid(once) &&
           vt_text_normalise(&pool, once, forms, &twice) == VAULT_OK && vt_bytes_equal(once, twice);
}

START_TEST(normalising_any_code_point_twice_changes_nothing_more)
{
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        if (is_surrogate(point)) continue;
        uint8_t raw[4];
        const struct vt_bytes text = vt_bytes(raw, encode_point(point, raw));
        for (size_t i = 0; i < 2; i++)
            if (!is_settled(text, all_forms[i])) ck_abort_msg("U+%04X in form %d", point, all_forms[i]);
        point += point >= 0x20000 ? 30 : 0; /* few letters live up there */
    }
    ck_assert(is_settled(vt_bytes_str("\xf0\xaf\xa8\x9d"), VT_TEXT_NFC)); /* U+2FA1D, the last that decomposes */
}
END_TEST

/* Letters, marks of many classes, ignorable and folding characters in any order. */
static struct vt_bytes random_marked_text(struct random *random, uint8_t *space)
{
    static const uint32_t points[] = {'a',    'E',    'i',    's',    0x0130, 0x0131, 0x01c5, 0x0300, 0x0301, 0x0315,
                                      0x0316, 0x0323, 0x0327, 0x0338, 0x0345, 0x034f, 0x0391, 0x03b9, 0x05b0, 0x093c,
                                      0x0915, 0x0f71, 0x0f72, 0x1100, 0x1161, 0x11a8, 0x00ad, 0x200d, 0x1fb3, 0x1f80,
                                      0x20,   0x00a8, 0x3099, 0x304b, 0xfb2c, 0xfdfa, 0x1d15e};
    size_t len = 0;
    for (uint64_t left = random_next(random) % 12; left != 0; left--)
        len += encode_point(points[random_next(random) % VT_ARRAY_LEN(points)], space + len);
    return vt_bytes(space, len);
}

START_TEST(normalising_random_marked_text_twice_changes_nothing_more)
{
    struct random random = {7};
    unsigned settled = 0;
    for (unsigned round = 0; round < 100000; round++) {
        uint8_t space[64];
        const struct vt_bytes text = random_marked_text(&random, space);
        settled += is_settled(text, all_forms[random_next(&random) % VT_ARRAY_LEN(all_forms)]);
    }
    ck_assert_uint_eq(settled, 100000);
}
END_TEST

/* The packaged ordering takes minutes here; the test's time limit is the proof. */
START_TEST(a_megabyte_of_combining_marks_on_one_letter_is_ordered_in_linear_time)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    uint8_t *text = vt_pool_alloc(&pool, VT_LIMIT_VALUE_BYTES);
    ck_assert_ptr_nonnull(text);
    const size_t pairs = VT_LIMIT_VALUE_BYTES / 4;
    for (size_t i = 0; i < pairs; i++) memcpy(text + 4 * i, "\xcc\x95\xcc\x96", 4); /* classes 232 and 220 */
    const struct vt_bytes out = normalised(&pool, vt_bytes(text, 4 * pairs), VT_TEXT_NFC);
    ck_assert_uint_eq(out.len, 4 * pairs);
    size_t at = 0;
    while (at < 2 * pairs && out.data[2 * at + 1] == (at < pairs ? 0x96 : 0x95)) at++;
    ck_assert_uint_eq(at, 2 * pairs);
}
END_TEST

START_TEST(normalising_refuses_bad_utf8_too_long_text_and_a_full_pool)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX), small = VT_POOL_INIT(64);
    struct vt_bytes out = vt_bytes_str("untouched");
    const uint8_t *large = vt_pool_alloc(&pool, VT_LIMIT_VALUE_BYTES + 1);
    ck_assert_status(vt_text_normalise(&pool, vt_bytes_str("a\xff"), VT_TEXT_NFC, &out), VAULT_E_PARSE);
    ck_assert_status(vt_text_normalise(&pool, vt_bytes(large, VT_LIMIT_VALUE_BYTES + 1), VT_TEXT_NFC, &out),
                     VAULT_E_TOO_LARGE);
    ck_assert_status(vt_text_normalise(&small, vt_bytes_str("more than sixteen l\xc3\xa9tters"), VT_TEXT_NFC, &out),
                     VAULT_E_MEMORY);
    ck_assert(vt_bytes_equal_str(out, "untouched"));
    ck_assert_ok(vt_text_normalise(&pool, vt_bytes(large, VT_LIMIT_VALUE_BYTES), VT_TEXT_NFC, &out));
    ck_assert_uint_eq(out.len, VT_LIMIT_VALUE_BYTES);
}
END_TEST

/* Source: RFC 4648 section 10. */
START_TEST(the_vectors_of_rfc_4648_encode_and_decode)
{
    static const struct {
        const char *text, *hex, *base64, *base32;
    } rows[] = {
        {"", "", "", ""},
        {"f", "66", "Zg==", "my"},
        {"fo", "666f", "Zm8=", "mzxq"},
        {"foo", "666f6f", "Zm9v", "mzxw6"},
        {"foob", "666f6f62", "Zm9vYg==", "mzxw6yq"},
        {"fooba", "666f6f6261", "Zm9vYmE=", "mzxw6ytb"},
        {"foobar", "666f6f626172", "Zm9vYmFy", "mzxw6ytboi"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        const struct vt_bytes bytes = vt_bytes_str(rows[i].text);
        VT_AUTO(vt_buf) encoded = VT_BUF_INIT(64), decoded = VT_BUF_INIT(64);
        char text[64];
        uint8_t back[16];
        vt_hex_encode(bytes, text);
        ck_assert_str_eq(text, rows[i].hex);
        ck_assert_ok(vt_hex_decode(vt_bytes_str(rows[i].hex), back, bytes.len));
        ck_assert(vt_bytes_equal(vt_bytes(back, bytes.len), bytes));
        vt_base32_encode(bytes, text);
        ck_assert_str_eq(text, rows[i].base32);
        ck_assert_uint_eq(strlen(text), VT_BASE32_LEN(bytes.len));
        ck_assert_ok(vt_base32_decode(vt_bytes_str(rows[i].base32), back, bytes.len));
        ck_assert(vt_bytes_equal(vt_bytes(back, bytes.len), bytes));
        ck_assert_ok(vt_base64_encode(&encoded, bytes));
        ck_assert(vt_bytes_equal_str(vt_buf_bytes(&encoded), rows[i].base64));
        ck_assert_ok(vt_base64_decode(&decoded, vt_buf_bytes(&encoded)));
        ck_assert(vt_bytes_equal(vt_buf_bytes(&decoded), bytes));
    }
}
END_TEST

START_TEST(random_bytes_of_every_length_survive_each_encoding)
{
    struct random random = {11};
    for (size_t len = 0; len <= 64; len++) {
        uint8_t raw[64], back[64];
        char text[160];
        for (size_t i = 0; i < len; i++) raw[i] = (uint8_t)random_next(&random);
        const struct vt_bytes bytes = vt_bytes(raw, len);
        VT_AUTO(vt_buf) encoded = VT_BUF_INIT(256), decoded = VT_BUF_INIT(256);
        vt_hex_encode(bytes, text);
        ck_assert_ok(vt_hex_decode(vt_bytes_str(text), back, len));
        ck_assert(vt_bytes_equal(vt_bytes(back, len), bytes));
        vt_base32_encode(bytes, text);
        ck_assert_ok(vt_base32_decode(vt_bytes_str(text), back, len));
        ck_assert(vt_bytes_equal(vt_bytes(back, len), bytes));
        ck_assert_ok(vt_base64_encode(&encoded, bytes));
        ck_assert_ok(vt_base64_decode(&decoded, vt_buf_bytes(&encoded)));
        ck_assert(vt_bytes_equal(vt_buf_bytes(&decoded), bytes));
    }
}
END_TEST

START_TEST(hex_takes_both_cases_and_refuses_all_else)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "000",
                                      "0000000",
                                      "0g00",
                                      "00 0",
                                      "-100",
                                      "0x00",
                                      ("00\xff"
                                       "0")};
    uint8_t out[2] = {7, 7};
    ck_assert_ok(vt_hex_decode(vt_bytes_str("aBcD"), out, 2));
    ck_assert(out[0] == 0xab && out[1] == 0xcd);
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++)
        ck_assert_status(vt_hex_decode(vt_bytes_str(bad[i]), out, 2), VAULT_E_PARSE);
}
END_TEST

START_TEST(base64_that_is_not_canonical_is_refused_and_appends_nothing)
{
    static const char *const bad[] = {"Z",    "Zg",       "Zg=",  "Zg===",  "Zh==", "Zm9=", "Zm9v=", "=",
                                      "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm-_", "Z===", "Zg=v",  "\xc3\xa9Zg"};
    VT_AUTO(vt_buf) out = VT_BUF_INIT(64), small = VT_BUF_INIT(5);
    ck_assert_ok(vt_buf_append_str(&out, "kept"));
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) {
        ck_assert_status(vt_base64_decode(&out, vt_bytes_str(bad[i])), VAULT_E_PARSE);
        ck_assert(vt_bytes_equal_str(vt_buf_bytes(&out), "kept"));
    }
    ck_assert_status(vt_base64_decode(&small, vt_bytes_str("Zm9vYmFy")), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_base64_encode(&small, vt_bytes_str("foob")), VAULT_E_TOO_LARGE);
    ck_assert_uint_eq(small.len, 0);
}
END_TEST

START_TEST(base32_that_is_not_canonical_is_refused_and_wiped)
{
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {{"MY", 1}, {"mz", 1}, {"m", 1},  {"my=", 1},  {"myy", 1},      {"m1", 1},
               {"m0", 1}, {"m8", 1}, {"my", 2}, {"mzxr", 2}, {"mzxw6ytb", 4}, {"", 1}};
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) {
        uint8_t out[8] = {0};
        ck_assert_msg(vt_base32_decode(vt_bytes_str(bad[i].text), out, bad[i].len) == VAULT_E_PARSE, "row %zu", i);
        for (size_t k = 0; k < sizeof out; k++) ck_assert_uint_eq(out[k], 0);
    }
}
END_TEST

START_TEST(sixteen_bytes_are_26_characters)
{
    const uint8_t id[16] = {0};
    char text[27];
    vt_base32_encode(VT_BYTES_OF(id), text);
    ck_assert_str_eq(text, "aaaaaaaaaaaaaaaaaaaaaaaaaa");
}
END_TEST

START_TEST(names_start_with_a_letter_and_hold_lower_case_digits_dash_and_underscore)
{
    static const char *const good[] = {"a", "profile", "a-b_c9",
                                       "a23456789012345678901234567890123456789012345678901234567890abcd"};
    static const char *const bad[] = {
        "",    "A",   "1a",  "_a",       "-a", "a.b",
        "a b", "a/b", "a\n", "\xc3\xa9", "aA", "a23456789012345678901234567890123456789012345678901234567890abcde"};
    for (size_t i = 0; i < VT_ARRAY_LEN(good); i++) ck_assert(vt_name_is_valid(vt_bytes_str(good[i])));
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) ck_assert(!vt_name_is_valid(vt_bytes_str(bad[i])));
    ck_assert(!vt_name_is_valid(vt_bytes("a\0b", 3)));
}
END_TEST

START_TEST(doubles_are_written_short_and_read_back_exactly)
{
    static const struct {
        double number;
        const char *text;
    } rows[] = {{0.0, "0.0"},
                {-0.0, "-0.0"},
                {1.0, "1.0"},
                {0.1, "0.1"},
                {1e300, "1e+300"},
                {-2.5, "-2.5"},
                {1e15, "1e+15"},
                {0.1 + 0.2, "0.30000000000000004"},
                {5e-324, "4.94065645841247e-324"}};
    char text[VT_DOUBLE_TEXT_MAX];
    double back;
    for (size_t i = 0; i < VT_ARRAY_LEN(rows); i++) {
        vt_double_format(rows[i].number, text);
        ck_assert_str_eq(text, rows[i].text);
    }
    struct random random = {5};
    for (unsigned round = 0; round < 100000; round++) {
        double number;
        const uint64_t bits = random_next(&random);
        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number)) continue;
        vt_double_format(number, text);
        if (vt_double_parse(vt_bytes_str(text), &back) != VAULT_OK || memcmp(&back, &number, sizeof number) != 0)
            ck_abort_msg("%s", text);
    }
}
END_TEST

START_TEST(what_is_no_decimal_number_is_refused)
{
    static const char *const bad[] = {"",   " 1",  "1 ",  "inf",   "-inf",   "+nan", "nan",   "0x10",    "1e",
                                      "e5", "1,5", "--1", "1e400", "-1e400", ".",    "1.2.3", "infinity"};
    double number = 77;
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++)
        ck_assert_msg(vt_double_parse(vt_bytes_str(bad[i]), &number) == VAULT_E_PARSE, "'%s'", bad[i]);
    ck_assert_status(vt_double_parse(vt_bytes("1\0", 2), &number), VAULT_E_PARSE);
    ck_assert_double_eq(number, 77);
}
END_TEST

START_TEST(a_port_is_up_to_five_digits_and_at_most_65535)
{
    static const struct {
        const char *text;
        uint16_t port;
    } good[] = {{"0", 0}, {"7470", 7470}, {"00080", 80}, {"65535", 65535}};
    static const char *const bad[] = {"", "65536", "99999", "000001", "4294967297", "-1", "+1", " 1", "1 ", "0x1", "http"};
    uint16_t port = 77;
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) ck_assert_msg(!vt_port_parse(vt_bytes_str(bad[i]), &port), "'%s'", bad[i]);
    ck_assert(!vt_port_parse(vt_bytes("1\0", 2), &port));
    ck_assert_uint_eq(port, 77);
    for (size_t i = 0; i < VT_ARRAY_LEN(good); i++) {
        ck_assert(vt_port_parse(vt_bytes_str(good[i].text), &port));
        ck_assert_uint_eq(port, good[i].port);
    }
}
END_TEST

VT_TEST_MAIN("codec/text", every_code_point_but_surrogates_is_valid_utf8_and_reads_back,
             malformed_utf8_is_invalid_wherever_it_stands, nfc_composes_as_the_annex_shows,
             nfkc_casefold_matches_what_people_take_for_the_same, spaces_are_trimmed_and_folded_only_when_asked,
             ascii_is_normalised_alike_on_the_short_and_the_long_way,
             normalising_any_code_point_twice_changes_nothing_more,
             normalising_random_marked_text_twice_changes_nothing_more,
             a_megabyte_of_combining_marks_on_one_letter_is_ordered_in_linear_time,
             normalising_refuses_bad_utf8_too_long_text_and_a_full_pool, the_vectors_of_rfc_4648_encode_and_decode,
             random_bytes_of_every_length_survive_each_encoding, hex_takes_both_cases_and_refuses_all_else,
             base64_that_is_not_canonical_is_refused_and_appends_nothing,
             base32_that_is_not_canonical_is_refused_and_wiped, sixteen_bytes_are_26_characters,
             names_start_with_a_letter_and_hold_lower_case_digits_dash_and_underscore,
             doubles_are_written_short_and_read_back_exactly, what_is_no_decimal_number_is_refused,
             a_port_is_up_to_five_digits_and_at_most_65535)
