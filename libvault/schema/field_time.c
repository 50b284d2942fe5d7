/* Days and instants: birth_date, date, datetime, time. */
#include "libvault/schema/datetime.h"
#include "libvault/schema/field_type_internal.h"

enum { MS_PER_DAY = 86400000, MS_PER_HOUR = 3600000, ZONE_AHEAD_HOURS = 14 };

vault_status vt_check_date(const struct vt_field_check *check, const struct vt_value *input,
                           struct vt_value *out_stored)
{
    int64_t days;
    if (!vt_date_parse(input->bytes, &days)) {
        return vt_field_refuse(check, "is not a day of the calendar written as YYYY-MM-DD");
    }
    return vt_field_store(check, input->bytes, out_stored);
}

/* "Today" is the latest day that has begun anywhere (UTC+14). 1850 keeps out what is only a slip of the keyboard. */
vault_status vt_check_birth_date(const struct vt_field_check *check, const struct vt_value *input,
                                 struct vt_value *out_stored)
{
    int64_t days, earliest = 0;
    if (!vt_date_parse(input->bytes, &days)) {
        return vt_field_refuse(check, "is not a day of the calendar written as YYYY-MM-DD");
    }
    VT_BUG_ON(!vt_date_parse(vt_bytes_str("1850-01-01"), &earliest));
    if (days < earliest) return vt_field_refuse(check, "lies before 1850");
    const int64_t now_ms = check->now_ms + (int64_t)ZONE_AHEAD_HOURS * MS_PER_HOUR;
    if (days * MS_PER_DAY > now_ms) return vt_field_refuse(check, "lies in the future");
    return vt_field_store(check, input->bytes, out_stored);
}

static const char *fault_text(enum vt_datetime_fault fault)
{
    switch (fault) {
    case VT_DATETIME_OK:
    case VT_DATETIME_MALFORMED:
        return "is not a time of RFC 3339: day, T, time, offset from UTC";
    case VT_DATETIME_NO_OFFSET:
        return "has no offset from UTC: write Z or +hh:mm behind it";
    case VT_DATETIME_TOO_FINE:
        return "is finer than milliseconds, which is what can be kept";
    case VT_DATETIME_LEAP_SECOND:
        return "is a leap second, which cannot be kept";
    case VT_DATETIME_OUT_OF_RANGE:
        return "lies outside the years 0001 to 9999";
    }
    return "is not a time";
}

vault_status vt_check_datetime(const struct vt_field_check *check, const struct vt_value *input,
                               struct vt_value *out_stored)
{
    int64_t at_ms;
    const enum vt_datetime_fault fault = vt_datetime_parse(input->bytes, &at_ms);
    if (fault != VT_DATETIME_OK) return vt_field_refuse(check, fault_text(fault));
    char *text = vt_pool_alloc(check->pool, VT_DATETIME_TEXT_LEN + 1);
    VT_ENSURE(text != NULL, VAULT_E_MEMORY);
    vt_datetime_format(at_ms, text);
    *out_stored = vt_value_text(vt_bytes(text, VT_DATETIME_TEXT_LEN));
    return VAULT_OK;
}

vault_status vt_check_time(const struct vt_field_check *check, const struct vt_value *input,
                           struct vt_value *out_stored)
{
    enum { SECONDS_LEN = 8, FULL_LEN = 12 };
    int64_t ms;
    const enum vt_datetime_fault fault = vt_time_of_day_parse(input->bytes, &ms);
    if (fault == VT_DATETIME_MALFORMED)
        return vt_field_refuse(check, "is not a time of day written as hh:mm or hh:mm:ss");
    if (fault != VT_DATETIME_OK) return vt_field_refuse(check, fault_text(fault));
    char *text = vt_pool_alloc(check->pool, VT_DATETIME_TEXT_LEN + 1);
    VT_ENSURE(text != NULL, VAULT_E_MEMORY);
    vt_datetime_format(ms, text);
    *out_stored = vt_value_text(vt_bytes(text + VT_DATE_TEXT_LEN + 1, ms % 1000 == 0 ? SECONDS_LEN : FULL_LEN));
    return VAULT_OK;
}

vault_status vt_mask_year(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text)
{
    if (mask == VT_MASK_LAST4) return vt_mask_redacted(pool, out_text);
    return vt_mask_middle(pool, vt_bytes(stored.data, VT_MIN(stored.len, (size_t)VT_DATE_TEXT_LEN)), 4, 0, out_text);
}
