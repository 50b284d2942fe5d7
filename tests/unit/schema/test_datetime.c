#include <time.h>

#include "libvault/schema/datetime.h"
#include "tests/support/suite.h"

START_TEST(every_day_from_year_1_to_9999_is_read_and_written_alike)
{
    char text[VT_DATE_TEXT_LEN], previous[VT_DATE_TEXT_LEN] = "0000-00-00";
    int64_t first = 0, last = 0, days = 0;
    ck_assert(vt_date_parse(vt_bytes_str("0001-01-01"), &first));
    ck_assert(vt_date_parse(vt_bytes_str("9999-12-31"), &last));
    ck_assert_int_eq(last - first + 1, 3652059);
    for (int64_t day = first; day <= last; day++) {
        vt_date_format(day, text);
        if (!vt_date_parse(vt_bytes(text, sizeof text), &days) || days != day ||
            memcmp(previous, text, sizeof text) >= 0) {
            ck_abort_msg("day %lld is written %.10s", (long long)day, text);
        }
        memcpy(previous, text, sizeof text);
    }
}
END_TEST

/* The C library's calendar is the second opinion. */
START_TEST(instants_agree_with_the_c_library)
{
    for (int64_t second = -INT64_C(60000000000); second < INT64_C(250000000000); second += 86399 * 1009) {
        char text[VT_DATETIME_TEXT_LEN], wanted[32];
        const time_t at = (time_t)second;
        struct tm parts;
        int64_t again = 0;
        ck_assert_ptr_nonnull(gmtime_r(&at, &parts));
        strftime(wanted, sizeof wanted, "%Y-%m-%dT%H:%M:%S", &parts);
        vt_datetime_format(second * 1000 + 7, text);
        ck_assert(memcmp(text, wanted, 19) == 0 || strlen(wanted) != 19);
        ck_assert_int_eq(vt_datetime_parse(vt_bytes(text, sizeof text), &again), VT_DATETIME_OK);
        ck_assert_int_eq(again, second * 1000 + 7);
    }
}
END_TEST

START_TEST(known_instants_have_their_numbers)
{
    int64_t at_ms = 0;
    ck_assert_int_eq(vt_datetime_parse(vt_bytes_str("1970-01-01T00:00:00Z"), &at_ms), VT_DATETIME_OK);
    ck_assert_int_eq(at_ms, 0);
    ck_assert_int_eq(vt_datetime_parse(vt_bytes_str("2026-07-01T00:00:00Z"), &at_ms), VT_DATETIME_OK);
    ck_assert_int_eq(at_ms, INT64_C(1782864000000));
    ck_assert_int_eq(vt_datetime_parse(vt_bytes_str("1969-12-31T23:59:59.999Z"), &at_ms), VT_DATETIME_OK);
    ck_assert_int_eq(at_ms, -1);
    ck_assert_int_eq(vt_datetime_parse(vt_bytes_str("1970-01-01T00:30:00+01:00"), &at_ms), VT_DATETIME_OK);
    ck_assert_int_eq(at_ms, -1800000);
}
END_TEST

START_TEST(each_fault_has_its_name_and_leaves_the_output_alone)
{
    static const struct {
        const char *text;
        enum vt_datetime_fault fault;
    } ROWS[] = {{"", VT_DATETIME_MALFORMED},
                {"2026-07-01T", VT_DATETIME_MALFORMED},
                {"2026-07-01T00:00:0", VT_DATETIME_MALFORMED},
                {"2026-07-01T00:00:00", VT_DATETIME_NO_OFFSET},
                {"2026-07-01T00:00:00.5", VT_DATETIME_NO_OFFSET},
                {"2026-07-01T00:00:00.0005Z", VT_DATETIME_TOO_FINE},
                {"2026-06-30T23:59:60Z", VT_DATETIME_LEAP_SECOND},
                {"0001-01-01T00:00:00+00:01", VT_DATETIME_OUT_OF_RANGE},
                {"2026-07-01T00:00:61Z", VT_DATETIME_MALFORMED},
                {"2026-07-01T00:00:00+02", VT_DATETIME_MALFORMED},
                {"2026-07-01T00:00:00Z ", VT_DATETIME_MALFORMED}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        int64_t at_ms = 42;
        ck_assert_msg(vt_datetime_parse(vt_bytes_str(ROWS[i].text), &at_ms) == ROWS[i].fault, "%s", ROWS[i].text);
        ck_assert_int_eq(at_ms, 42);
    }
}
END_TEST

START_TEST(a_text_cut_anywhere_is_no_instant)
{
    static const char WHOLE[] = "2026-07-01T00:00:00.123+02:00";
    for (size_t len = 0; len + 1 < sizeof WHOLE; len++) {
        int64_t at_ms;
        ck_assert_int_ne(vt_datetime_parse(vt_bytes(WHOLE, len), &at_ms), VT_DATETIME_OK);
    }
}
END_TEST

VT_TEST_MAIN("schema/datetime", every_day_from_year_1_to_9999_is_read_and_written_alike,
             instants_agree_with_the_c_library, known_instants_have_their_numbers,
             each_fault_has_its_name_and_leaves_the_output_alone, a_text_cut_anywhere_is_no_instant)
