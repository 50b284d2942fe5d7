#include "tests/unit/schema/field_support.h"

enum { POOL_MAX = 1024 * 1024 };

START_TEST(values_that_people_take_for_one_are_found_alike)
{
    static const char *const ROWS[][3] = {
        {"email", "Ada@Example.COM", "ada@example.com"},
        {"email", "j\xC3\xB6rg@example.org", "jo\xCC\x88rg@example.org"}, /* NFC and NFD */
        {"name", "Jos\xC3\xA9", "JOSE\xCC\x81"},
        {"name", "\xEF\xAC\x81onn", "Fionn"}, /* ligature */
        {"name", "  Mary \xC2\xA0 Ann ", "mary ann"},
        {"name", "Stra\xC3\x9Fwick", "STRASSWICK"},
        {"address", "8058 Quince Ave\nApt 2", "8058  quince ave apt 2"},
        {"text", "\xEF\xBC\xA1\xEF\xBC\xA2", "ab"}, /* full width */
        {"phone", "+1 (857) 555-0155", "+18575550155"},
        {"pan policy=token", "4111 1111 1111 1111", "4111-1111-1111-1111"},
        {"iban", "gb29 nwbk 6016 1331 9268 19", "GB29NWBK60161331926819"},
        {"us_ssn", "123456789", "123-45-6789"},
        {"driver_licence", "ca-zz3892619", "CAZZ 3892619"},
        {"passport", "c01x 00t47", "C01X00T47"},
        {"postal_code", "Z99 X001", "z99x001"},
        {"postal_code", "97614-5832", "976145832"},
        {"ip", "::ffff:192.0.2.1", "192.0.2.1"},
        {"ip", "2001:DB8:0:0::1", "2001:db8::1"},
        {"mac", "00-00-5E-00-53-AF", "0000.5e00.53af"},
        {"url", "HTTPS://Example.ORG/Path", "https://example.org/Path"},
        {"datetime", "2026-07-01T02:00:00+02:00", "2026-07-01T00:00:00.000Z"},
        {"country", "us", "US"},
        {"language", "EN-us", "en-US"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        const struct vt_bytes one = vt_indexed(&pool, ROWS[i][0], ROWS[i][1]);
        const struct vt_bytes other = vt_indexed(&pool, ROWS[i][0], ROWS[i][2]);
        ck_assert_msg(vt_bytes_equal(one, other), "%s: \"%s\" and \"%s\" differ", ROWS[i][0], ROWS[i][1], ROWS[i][2]);
    }
}
END_TEST

START_TEST(values_that_differ_are_told_apart)
{
    static const char *const ROWS[][3] = {
        {"email", "ada@example.com", "ada@example.org"},
        {"email", "ada+list@example.com", "ada@example.com"},
        {"name", "Jos\xC3\xA9", "Jose"},
        {"name", "Ann", "Anne"},
        {"token", "abc", "ABC"},
        {"url", "https://example.org/path", "https://example.org/Path"},
        {"postal_code", "02252", "2252"},
        {"phone", "+18575550155", "+18575550156"},
        {"ip", "192.0.2.1", "::c000:201"},
        {"pan", "1111", "1112"},
        {"date", "2024-02-29", "2024-02-28"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        const struct vt_bytes one = vt_indexed(&pool, ROWS[i][0], ROWS[i][1]);
        const struct vt_bytes other = vt_indexed(&pool, ROWS[i][0], ROWS[i][2]);
        ck_assert_msg(!vt_bytes_equal(one, other), "%s: \"%s\" and \"%s\" are alike", ROWS[i][0], ROWS[i][1],
                      ROWS[i][2]);
    }
}
END_TEST

START_TEST(index_bytes_begin_with_type_and_version)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_bytes phone = vt_indexed(&pool, "phone", "+18575550155");
    const struct vt_bytes text = vt_indexed(&pool, "text", "+18575550155");
    ck_assert(vt_bytes_equal(phone, vt_bytes("\0\x1F\x01+18575550155", 15)));
    ck_assert(vt_bytes_equal(text, vt_bytes("\0\x01\x01+18575550155", 15)));
    const struct vt_value number = vt_value_int(-2);
    struct vt_bytes bytes;
    ck_assert_ok(vt_field_index_bytes(vt_rule(&pool, "integer").type, &number, &pool, &bytes));
    ck_assert(vt_bytes_equal(bytes, vt_bytes("\0\x02\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", 11)));
}
END_TEST

START_TEST(types_that_cannot_be_indexed_say_so)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    static const char *const TYPES[] = {"boolean", "enum", "json", "blob", "time", "duration", "card_expiry"};
    const struct vt_value text = vt_value_str("a");
    struct vt_bytes bytes;
    for (size_t i = 0; i < VT_ARRAY_LEN(TYPES); i++) {
        ck_assert_status(vt_field_index_bytes(vt_field_type_find(vt_bytes_str(TYPES[i])), &text, &pool, &bytes),
                         VAULT_E_TYPE);
    }
    ck_assert_status(vt_field_index_bytes(vt_field_type_find(vt_bytes_str("integer")), &text, &pool, &bytes),
                     VAULT_E_TYPE);
}
END_TEST

START_TEST(indexing_without_memory_says_so)
{
    VT_AUTO(vt_pool) empty = VT_POOL_INIT(0);
    const struct vt_value text = vt_value_str("2001:db8::1");
    struct vt_bytes bytes;
    static const char *const TYPES[] = {"ip", "text", "phone", "passport", "url"};
    for (size_t i = 0; i < VT_ARRAY_LEN(TYPES); i++) {
        ck_assert_status(vt_field_index_bytes(vt_field_type_find(vt_bytes_str(TYPES[i])), &text, &empty, &bytes),
                         VAULT_E_MEMORY);
    }
}
END_TEST

VT_TEST_MAIN("schema/field_index", values_that_people_take_for_one_are_found_alike, values_that_differ_are_told_apart,
             index_bytes_begin_with_type_and_version, types_that_cannot_be_indexed_say_so,
             indexing_without_memory_says_so)
