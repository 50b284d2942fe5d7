#include "libvault/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "libvault/base/clock.h"

static _Atomic enum vt_log_level log_level = VT_LOG_INFO;

void vt_log_set_level(enum vt_log_level level)
{
    atomic_store(&log_level, level);
}

void vt_log(enum vt_log_level level, const char *event, const char *format, ...)
{
    static const char *const NAMES[] = {"error", "warn", "info", "debug"};
    if (level > atomic_load(&log_level)) return;

    char when[VT_TIME_TEXT_LEN], line[1024];
    vt_time_format(vt_clock_now_ms(vt_clock_system()), when);
    int len = snprintf(line, sizeof line - 1, "%s level=%s event=%s ", when, NAMES[level], event);
    va_list args;
    va_start(args, format);
    len += vsnprintf(line + len, sizeof line - 1 - (size_t)len, format, args);
    va_end(args);
    len = VT_MIN(len, (int)sizeof line - 2);
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)len) < 0) return;       /* nowhere left to complain */
}
