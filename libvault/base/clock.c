#include "libvault/base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t system_now_ms(const struct vt_clock *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + clock->offset_ms;
}

static const struct vt_clock SYSTEM_CLOCK = {.now_ms = system_now_ms};

const struct vt_clock *vt_clock_system(void)
{
    return &SYSTEM_CLOCK;
}

uint64_t vt_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
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
