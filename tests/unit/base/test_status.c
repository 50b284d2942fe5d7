#include <string.h>

#include "libvault/base/clock.h"
#include "libvault/include/vault/status.h"
#include "tests/support/suite.h"

START_TEST(every_status_has_a_code_of_its_own_and_a_whole_sentence)
{
    static const vault_status ALL[] = {
#define VAULT_STATUS(name, number, code, http, exit_code, retry, text) VAULT_##name,
#include "libvault/include/vault/status.def"
#undef VAULT_STATUS
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(ALL); i++) {
        const char *text = vault_status_text(ALL[i]);
        ck_assert_int_eq(text[strlen(text) - 1], '.');
        ck_assert_int_ge(vault_status_http(ALL[i]), 200);
        ck_assert_int_eq(vault_status_from_number(ALL[i]), ALL[i]);
        for (size_t j = 0; j < i; j++) ck_assert_str_ne(vault_status_code(ALL[i]), vault_status_code(ALL[j]));
    }
}
END_TEST

START_TEST(an_unknown_number_is_a_protocol_error)
{
    ck_assert_int_eq(vault_status_from_number(9999), VAULT_E_PROTOCOL);
    ck_assert_int_eq(vault_status_http((vault_status)9999), 500);
    ck_assert_int_eq(vault_status_exit((vault_status)9999), 1);
}
END_TEST

START_TEST(times_print_as_rfc_3339)
{
    char text[VT_TIME_TEXT_LEN];
    vt_time_format(1782864000000, text);
    ck_assert_str_eq(text, "2026-07-01T00:00:00.000Z");
    vt_time_format(-1, text);
    ck_assert_str_eq(text, "1969-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(times_are_read_as_rfc_3339)
{
    static const struct {
        const char *text;
        int64_t at_ms;
    } GOOD[] = {{"2026-07-01T00:00:00Z", 1782864000000},      {"2026-07-01T02:00:00+02:00", 1782864000000},
                {"2026-06-30T23:59:59.9995Z", 1782863999999}, {"1969-12-31T23:59:59.999Z", -1},
                {"2024-02-29T00:00:00-00:30", 1709166600000}};
    for (size_t i = 0; i < VT_ARRAY_LEN(GOOD); i++) {
        int64_t at_ms = 7;
        ck_assert(vt_time_parse(GOOD[i].text, strlen(GOOD[i].text), &at_ms));
        ck_assert_int_eq(at_ms, GOOD[i].at_ms);
    }
    static const char *const BAD[] = {"", "2026-07-01", "2026-07-01T00:00:00", "2026-13-01T00:00:00Z", "2023-02-29T00:00:00Z",
                                      "2026-07-01T24:00:00Z", "2026-07-01T00:00:60Z", "2026-07-01T00:00:00.Z",
                                      "2026-07-01T00:00:00+24:00", "2026-07-01 00:00:00Z", "2026-07-01T00:00:00Zx"};
    for (size_t i = 0; i < VT_ARRAY_LEN(BAD); i++) {
        int64_t at_ms = 7;
        ck_assert(!vt_time_parse(BAD[i], strlen(BAD[i]), &at_ms));
        ck_assert_int_eq(at_ms, 7);
    }
}
END_TEST

VT_TEST_MAIN("base/status", every_status_has_a_code_of_its_own_and_a_whole_sentence,
             an_unknown_number_is_a_protocol_error, times_print_as_rfc_3339,
             times_are_read_as_rfc_3339)
