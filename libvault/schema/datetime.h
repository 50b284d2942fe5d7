/* libvault/schema/datetime.h - dates and instants as text: strict ISO 8601 dates and RFC 3339 date-times.
 * The proleptic Gregorian calendar, years 0001 to 9999, no leap seconds (they have no place in Unix time).
 * Thread: any. */
#pragma once
#include "libvault/base/bytes.h"

enum { VT_DATE_TEXT_LEN = 10, VT_DATETIME_TEXT_LEN = 24 };

/** YYYY-MM-DD, a day that exists. @param out_days  days since 1970-01-01; untouched when false */
bool vt_date_parse(struct vt_bytes text, int64_t *out_days);
/** "2026-07-01" for a day of the years 0001 to 9999; @p out_text is not terminated. */
void vt_date_format(int64_t days, char out_text[VT_DATE_TEXT_LEN]);

enum vt_datetime_fault {
    VT_DATETIME_OK,
    VT_DATETIME_MALFORMED,      /* not the form of RFC 3339 section 5.6, or a day or time that does not exist */
    VT_DATETIME_NO_OFFSET,      /* neither Z nor +hh:mm at the end */
    VT_DATETIME_TOO_FINE,       /* a fraction finer than milliseconds that is not zero */
    VT_DATETIME_LEAP_SECOND,    /* second 60 */
    VT_DATETIME_OUT_OF_RANGE,   /* the instant lies outside the years 0001 to 9999 in UTC */
};
/** An instant with its offset, "2026-07-01T02:00:00.5+02:00"; lower-case t and z are taken, `-00:00` is UTC.
 *  @param out_ms  milliseconds since 1970-01-01T00:00:00Z; untouched on a fault */
enum vt_datetime_fault vt_datetime_parse(struct vt_bytes text, int64_t *out_ms);
/** "2026-07-01T00:00:00.500Z", always in UTC with milliseconds, so that text order is time order; not terminated. */
void vt_datetime_format(int64_t at_ms, char out_text[VT_DATETIME_TEXT_LEN]);
/** Hours, minutes, seconds with at most three digits of a fraction: "08:15", "08:15:30", "08:15:30.250".
 *  @param out_ms  milliseconds since midnight */
enum vt_datetime_fault vt_time_of_day_parse(struct vt_bytes text, int64_t *out_ms);
