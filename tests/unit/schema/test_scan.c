#include <stdio.h>
#include <string.h>

#include "libvault/codec/csv.h"
#include "libvault/schema/scan.h"
#include "tests/support/data_set.h"
#include "tests/unit/schema/data_support.h"

enum { POOL_MAX = 8 * 1024 * 1024 };

/* What a text says with its finds taken out. */
static const char *redacted(struct vt_pool *pool, const char *text)
{
    struct vt_finding *findings = NULL;
    struct vt_bytes shown;
    size_t count = 0;
    ck_assert_ok(vt_scan_text(pool, vt_bytes_str(text), &findings, &count));
    for (size_t i = 1; i < count; i++) ck_assert_uint_ge(findings[i].at, findings[i - 1].at + findings[i - 1].len);
    ck_assert_ok(vt_scan_redact(pool, vt_bytes_str(text), findings, count, &shown));
    return (const char *)vt_pool_copy(pool, shown).data;
}

START_TEST(hidden_numbers_are_found_where_they_stand)
{
    static const char *const ROWS[][2] = {
        {"paid by phone with 4000 0006 9151 3198", "paid by phone with [pan]"},
        {"4111111111111111", "[pan]"},
        {"card 4111-1111-1111-1111, thanks", "card [pan], thanks"},
        {"4111 1111 1111 1111 12/30", "[pan] 12/30"},
        {"reads 957-13-9461 over the line", "reads [us_ssn] over the line"},
        {"(123 45 6789)", "([us_ssn])"},
        {"refund to GB55 TEST 0000 0092 3257 37", "refund to [iban]"},
        {"refund to GB29NWBK60161331926819.", "refund to [iban]."},
        {"gb29 nwbk 6016 1331 9268 19 and more", "[iban] and more"},
        {"also reachable at +1 (212) 555-0185", "also reachable at [phone]"},
        {"+442079460018/+447700900123", "[phone]/[phone]"},
        {"call +1 857 555 0155.", "call [phone]."},
        {"writes from <clerk46@example.net>", "writes from <[email]>"},
        {"ada@example.com, bo@example.org.", "[email], [email]."},
        {"j\xC3\xB6rg@b\xC3\xBC"
         "cher.example",
         "[email]"},
        {"last seen at 203.0.113.174:443", "last seen at [ip]:443"},
        {"from 192.0.2.1.", "from [ip]."},
        {"2001:db8::1 and [2001:DB8:0:0::2]", "[ip] and [[ip]]"},
        {"card 4111111111111111 of ada@example.com at 192.0.2.1", "card [pan] of [email] at [ip]"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        ck_assert_str_eq(redacted(&pool, ROWS[i][0]), ROWS[i][1]);
    }
}
END_TEST

START_TEST(near_misses_are_left_alone)
{
    static const char *const ROWS[] = {"",
                                       "order 4000005847632470",
                                       "ref GB00TEST00000012345678",
                                       "build 1.2.3.4.5 of 2025",
                                       "part 12-345-6789-0",
                                       "Ticket 4111 1111 1111 1112 is no card",
                                       "x4111111111111111",
                                       "4111111111111111x",
                                       "41111111111111110000",
                                       "0-123-45-6789",
                                       "123-45-6789-1",
                                       "123-45-67890",
                                       "000000000000",
                                       "+1 212 555",
                                       "1+18575550155",
                                       "@example.com",
                                       "ada@",
                                       "ada@localhost",
                                       "12:30:45",
                                       "std::vector",
                                       "a::b",
                                       "300.1.2.3",
                                       "\xE2\x80\xAE 2026-07-01T00:00:00Z"};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        ck_assert_str_eq(redacted(&pool, ROWS[i]), ROWS[i]);
    }
}
END_TEST

START_TEST(a_long_text_of_beginnings_is_scanned_to_its_end)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    static char text[65536];
    static const char *const PIECES[] = {"1 ", "4-", "GB29 ", "+1 ", "a.", "1:", "1."};
    for (size_t i = 0; i < VT_ARRAY_LEN(PIECES); i++) {
        const size_t len = strlen(PIECES[i]);
        memset(text, ' ', sizeof text);
        for (size_t at = 0; at + len + 32 < sizeof text; at += len) memcpy(text + at, PIECES[i], len);
        memcpy(text + sizeof text - 30, " 4111111111111111 ", 18);
        struct vt_finding *findings = NULL;
        size_t count = 0;
        ck_assert_ok(vt_scan_text(&pool, vt_bytes(text, sizeof text), &findings, &count));
        ck_assert_uint_ge(count, 1);
        ck_assert_uint_eq(findings[count - 1].at, sizeof text - 29);
        ck_assert_str_eq(findings[count - 1].type->name, "pan");
        vt_pool_reset(&pool);
    }
}
END_TEST

START_TEST(scanning_without_memory_says_so)
{
    VT_AUTO(vt_pool) empty = VT_POOL_INIT(0);
    struct vt_finding *findings = NULL;
    struct vt_bytes shown;
    size_t count = 0;
    ck_assert_status(vt_scan_text(&empty, vt_bytes_str("192.0.2.1"), &findings, &count), VAULT_E_MEMORY);
    ck_assert_status(vt_scan_redact(&empty, vt_bytes_str("x"), NULL, 0, &shown), VAULT_E_MEMORY);
}
END_TEST

/* Notes of the large data set say what they hide: "[scan:card] ...". */
struct hidden {
    size_t told[7], found[7], wrong;
};
static const char *const TAGS[] = {"[scan:card]",  "[scan:ssn]", "[scan:iban]", "[scan:phone]",
                                   "[scan:email]", "[scan:ip]",  "[scan:none]"};
static const char *const NAMES[] = {"card", "ssn", "iban", "phone", "email", "ip", "none"};   /* in facts.json */
static const char *const TYPES[] = {"pan", "us_ssn", "iban", "phone", "email", "ip", NULL};

static void visit_note(void *context, const struct vt_mapped_row *row, const struct vt_collection *collection,
                       const struct vt_value *record, vault_status status, const struct vt_err *err)
{
    struct hidden *hidden = context;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_finding *findings = NULL;
    size_t count = 0;
    (void)row;
    (void)err;
    if (!vt_bytes_equal_str(collection->name, "notes")) return;
    ck_assert_ok(status);
    const struct vt_bytes text = vt_value_get_text(record, "text");
    ck_assert_ok(vt_scan_text(&pool, text, &findings, &count));
    for (size_t i = 0; i < VT_ARRAY_LEN(TAGS); i++) {
        const size_t len = strlen(TAGS[i]);
        if (text.len < len || memcmp(text.data, TAGS[i], len) != 0) continue;
        const bool is_one = TYPES[i] == NULL ? count == 0 : count == 1 && strcmp(findings[0].type->name, TYPES[i]) == 0;
        hidden->told[i]++;
        hidden->found[i] += is_one;
        return;
    }
    hidden->wrong += count;
}

START_TEST(the_large_data_set_hides_what_its_notes_say)
{
    struct hidden hidden = {0};
    char path[512];
    data_set_path("people.csv", path, sizeof path);
    VT_AUTO(vt_data_set) set;
    vt_data_set_open(&set, "people");
    ck_assert_uint_eq(vt_data_run(&set, path, visit_note, &hidden),
                      (uint64_t)data_set_fact("people", "rows", NULL));
    for (size_t i = 0; i < VT_ARRAY_LEN(TAGS); i++) {
        ck_assert_int_eq(hidden.told[i], data_set_fact("people", "notes_with_hidden_numbers", NAMES[i]));
        ck_assert_uint_ge(hidden.told[i], 10);
        ck_assert_msg(hidden.found[i] == hidden.told[i], "%s: %zu of %zu", TAGS[i], hidden.found[i], hidden.told[i]);
    }
    ck_assert_uint_eq(hidden.wrong, 0);
}
END_TEST

VT_TEST_MAIN("schema/scan", hidden_numbers_are_found_where_they_stand, near_misses_are_left_alone,
             a_long_text_of_beginnings_is_scanned_to_its_end, scanning_without_memory_says_so,
             the_large_data_set_hides_what_its_notes_say)
