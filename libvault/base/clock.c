#include "libvault/base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t system_now_ms(const struct vt_clock *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + atomic_load(&clock->offset_ms);
}

static const struct vt_clock SYSTEM_CLOCK = {.now_ms = system_now_ms};

const struct vt_clock *vt_clock_system(void)
{
    return &SYSTEM_CLOCK;
}

void vt_clock_init_settable(struct vt_clock *out_clock)
{
    out_clock->now_ms = system_now_ms;
    atomic_init(&out_clock->offset_ms, 0);
    atomic_init(&out_clock->is_test_clock, false);
}

void vt_clock_shift(struct vt_clock *clock, int64_t delta_ms)
{
    atomic_store(&clock->is_test_clock, true);
    atomic_fetch_add(&clock->offset_ms, delta_ms);
}

uint64_t vt_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t vt_clock_steady_ms(const struct vt_clock *clock)
{
    return (int64_t)(vt_monotonic_ns() / 1000000u) + atomic_load(&clock->offset_ms);
}

void vt_time_format(int64_t at_ms, char out_text[VT_TIME_TEXT_LEN])
{
    const int64_t ms = ((at_ms % 1000) + 1000) % 1000;
    const time_t seconds = (time_t)((at_ms - ms) / 1000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL || parts.tm_year + 1900 > 9999 || parts.tm_year + 1900 < 0) {
        snprintf(out_text, VT_TIME_TEXT_LEN, "0000-00-00T00:00:00.000Z");
        return;
    }
    char day[16], clock_time[16];
    strftime(day, sizeof day, "%Y-%m-%d", &parts);
    strftime(clock_time, sizeof clock_time, "%H:%M:%S", &parts);
    snprintf(out_text, VT_TIME_TEXT_LEN, "%.10sT%.8s.%03dZ", day, clock_time, (int)ms);
}

/* Days since 1970-01-01 of a Gregorian date; years are counted from March so that the leap day comes last. */
static int64_t days_from_date(int year, int month, int day)
{
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool digits_read(const char *text, size_t count, int *out_number)
{
    int number = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        number = number * 10 + (text[i] - '0');
    }
    *out_number = number;
    return true;
}

static int month_days(int year, int month)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return DAYS[month - 1] + (month == 2 && is_leap);
}

/* ".123456" -> 123; *at is moved behind it. */
static bool fraction_read(const char *text, size_t len, size_t *at, int *out_ms)
{
    int ms = 0, scale = 100;
    if (*at == len || text[*at] != '.') return true;
    const size_t first = ++*at;
    for (; *at < len && text[*at] >= '0' && text[*at] <= '9'; ++*at, scale /= 10) ms += (text[*at] - '0') * scale;
    *out_ms = ms;
    return *at != first;
}

static bool offset_read(const char *text, size_t len, int *out_minutes)
{
    int hours, minutes;
    if (len == 1 && (text[0] == 'Z' || text[0] == 'z')) return true;
    if (len != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return false;
    if (!digits_read(text + 1, 2, &hours) || !digits_read(text + 4, 2, &minutes) || hours > 23 || minutes > 59) return false;
    *out_minutes = (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

bool vt_time_parse(const char *text, size_t len, int64_t *out_at_ms)
{
    enum { SECONDS_LEN = 19 };
    int year, month, day, hour, minute, second, ms = 0, offset = 0;
    if (len <= SECONDS_LEN || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
        text[16] != ':')
        return false;
    const bool are_digits = digits_read(text, 4, &year) && digits_read(text + 5, 2, &month) && digits_read(text + 8, 2, &day) &&
                            digits_read(text + 11, 2, &hour) && digits_read(text + 14, 2, &minute) &&
                            digits_read(text + 17, 2, &second);
    if (!are_digits || year < 1 || month < 1 || month > 12 || day < 1 || day > month_days(year, month)) return false;
    if (hour > 23 || minute > 59 || second > 59) return false;
    size_t at = SECONDS_LEN;
    if (!fraction_read(text, len, &at, &ms) || !offset_read(text + at, len - at, &offset)) return false;
    const int64_t seconds = days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset * 60;
    *out_at_ms = seconds * 1000 + ms;
    return true;
}
