#include "libvault/schema/datetime.h"

enum { MS_PER_SECOND = 1000, MS_PER_MINUTE = 60000, MS_PER_HOUR = 3600000, MS_PER_DAY = 86400000 };

/* A place in the text that only moves forward; every reader fails without reading past the end. */
struct cursor {
    const uint8_t *at, *end;
};

static bool take_number(struct cursor *cursor, int digits, int low, int high, int *out_number)
{
    int number = 0;
    if (cursor->end - cursor->at < digits) return false;
    for (int i = 0; i < digits; i++, cursor->at++) {
        if (*cursor->at < '0' || *cursor->at > '9') return false;
        number = number * 10 + (*cursor->at - '0');
    }
    *out_number = number;
    return number >= low && number <= high;
}

static bool take_char(struct cursor *cursor, char wanted)
{
    if (cursor->at == cursor->end || *cursor->at != (uint8_t)wanted) return false;
    cursor->at++;
    return true;
}

static bool is_leap_year(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const int8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap_year(year) ? 29 : DAYS[month - 1];
}

/* Days since 1970-01-01, counted in 400-year cycles from 1 March of year 0, which puts the leap day last in its year.
 */
static int64_t days_from_date(int year, int month, int day)
{
    const int64_t shifted_year = month <= 2 ? year - 1 : year;
    const int64_t cycle = shifted_year / 400, year_of_cycle = shifted_year % 400;
    const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return cycle * 146097 + year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year - 719468;
}

static bool take_date(struct cursor *cursor, int64_t *out_days)
{
    int year, month, day;
    if (!take_number(cursor, 4, 1, 9999, &year) || !take_char(cursor, '-')) return false;
    if (!take_number(cursor, 2, 1, 12, &month) || !take_char(cursor, '-')) return false;
    if (!take_number(cursor, 2, 1, days_in_month(year, month), &day)) return false;
    *out_days = days_from_date(year, month, day);
    return true;
}

bool vt_date_parse(struct vt_bytes text, int64_t *out_days)
{
    struct cursor cursor = {text.data, text.data + text.len};
    int64_t days;
    if (text.len != VT_DATE_TEXT_LEN || !take_date(&cursor, &days)) return false;
    *out_days = days;
    return true;
}

static void put_number(char *out, int64_t number, int digits)
{
    for (int i = digits - 1; i >= 0; i--, number /= 10) out[i] = (char)('0' + number % 10);
}

void vt_date_format(int64_t days, char out_text[VT_DATE_TEXT_LEN])
{
    const int64_t since_cycle_zero = days + 719468;
    const int64_t cycle = since_cycle_zero / 146097, day_of_cycle = since_cycle_zero % 146097;
    const int64_t year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
    const int64_t day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    const int64_t month_from_march = (5 * day_of_year + 2) / 153;
    const int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

    put_number(out_text, cycle * 400 + year_of_cycle + (month <= 2), 4);
    out_text[4] = out_text[7] = '-';
    put_number(out_text + 5, month, 2);
    put_number(out_text + 8, day_of_year - (153 * month_from_march + 2) / 5 + 1, 2);
}

/* time-secfrac of RFC 3339: any number of digits; beyond the third only zeroes can be kept. */
static enum vt_datetime_fault take_fraction(struct cursor *cursor, int64_t *ms)
{
    if (!take_char(cursor, '.')) return VT_DATETIME_OK;
    int64_t weight = 100;
    const uint8_t *const first = cursor->at;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++, weight /= 10) {
        if (weight == 0 && *cursor->at != '0') return VT_DATETIME_TOO_FINE;
        *ms += weight * (*cursor->at - '0');
    }
    return cursor->at == first ? VT_DATETIME_MALFORMED : VT_DATETIME_OK;
}

static enum vt_datetime_fault take_time(struct cursor *cursor, bool needs_seconds, int64_t *out_ms)
{
    int hour, minute, second = 0;
    if (!take_number(cursor, 2, 0, 23, &hour) || !take_char(cursor, ':')) return VT_DATETIME_MALFORMED;
    if (!take_number(cursor, 2, 0, 59, &minute)) return VT_DATETIME_MALFORMED;
    *out_ms = (int64_t)hour * MS_PER_HOUR + (int64_t)minute * MS_PER_MINUTE;
    if (!take_char(cursor, ':')) return needs_seconds ? VT_DATETIME_MALFORMED : VT_DATETIME_OK;
    if (!take_number(cursor, 2, 0, 60, &second)) return VT_DATETIME_MALFORMED;
    if (second == 60) return VT_DATETIME_LEAP_SECOND;
    *out_ms += (int64_t)second * MS_PER_SECOND;
    return take_fraction(cursor, out_ms);
}

static enum vt_datetime_fault take_offset(struct cursor *cursor, int64_t *out_ms)
{
    *out_ms = 0;
    if (cursor->at == cursor->end) return VT_DATETIME_NO_OFFSET;
    if (take_char(cursor, 'Z') || take_char(cursor, 'z')) return VT_DATETIME_OK;
    const bool is_behind = take_char(cursor, '-');
    int hours, minutes;
    if (!is_behind && !take_char(cursor, '+')) return VT_DATETIME_MALFORMED;
    if (!take_number(cursor, 2, 0, 23, &hours) || !take_char(cursor, ':')) return VT_DATETIME_MALFORMED;
    if (!take_number(cursor, 2, 0, 59, &minutes)) return VT_DATETIME_MALFORMED;
    *out_ms = ((int64_t)hours * MS_PER_HOUR + (int64_t)minutes * MS_PER_MINUTE) * (is_behind ? -1 : 1);
    return VT_DATETIME_OK;
}

enum vt_datetime_fault vt_datetime_parse(struct vt_bytes text, int64_t *out_ms)
{
    struct cursor cursor = {text.data, text.data + text.len};
    int64_t days, time_ms, offset_ms;
    if (text.len == 0 || !take_date(&cursor, &days)) return VT_DATETIME_MALFORMED;
    if (!take_char(&cursor, 'T') && !take_char(&cursor, 't')) return VT_DATETIME_MALFORMED;
    enum vt_datetime_fault fault = take_time(&cursor, true, &time_ms);
    if (fault == VT_DATETIME_OK) fault = take_offset(&cursor, &offset_ms);
    if (fault != VT_DATETIME_OK) return fault;
    if (cursor.at != cursor.end) return VT_DATETIME_MALFORMED;

    const int64_t at_ms = days * MS_PER_DAY + time_ms - offset_ms;
    const int64_t first_ms = days_from_date(1, 1, 1) * MS_PER_DAY,
                  last_ms = (days_from_date(9999, 12, 31) + 1) * MS_PER_DAY;
    if (at_ms < first_ms || at_ms >= last_ms) return VT_DATETIME_OUT_OF_RANGE;
    *out_ms = at_ms;
    return VT_DATETIME_OK;
}

void vt_datetime_format(int64_t at_ms, char out_text[VT_DATETIME_TEXT_LEN])
{
    const int64_t ms = ((at_ms % MS_PER_DAY) + MS_PER_DAY) % MS_PER_DAY;
    vt_date_format((at_ms - ms) / MS_PER_DAY, out_text);
    out_text[10] = 'T';
    put_number(out_text + 11, ms / MS_PER_HOUR, 2);
    put_number(out_text + 14, ms / MS_PER_MINUTE % 60, 2);
    put_number(out_text + 17, ms / MS_PER_SECOND % 60, 2);
    put_number(out_text + 20, ms % MS_PER_SECOND, 3);
    out_text[13] = out_text[16] = ':';
    out_text[19] = '.';
    out_text[23] = 'Z';
}

enum vt_datetime_fault vt_time_of_day_parse(struct vt_bytes text, int64_t *out_ms)
{
    struct cursor cursor = {text.data, text.data + text.len};
    int64_t ms;
    if (text.len == 0) return VT_DATETIME_MALFORMED;
    const enum vt_datetime_fault fault = take_time(&cursor, false, &ms);
    if (fault != VT_DATETIME_OK) return fault;
    if (cursor.at != cursor.end) return VT_DATETIME_MALFORMED;
    *out_ms = ms;
    return VT_DATETIME_OK;
}
