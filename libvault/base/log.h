/* libvault/base/log.h - one event name with fields per line, to stderr. Used by server/, main and cli/ only:
 * libraries and core return, they do not log. Fields are allow-listed by their type here: a name, a number, a status,
 * never free bytes, so that nothing personal can reach a log. Thread: any. */
#pragma once
#include "libvault/base/result.h"

enum vt_log_level { VT_LOG_ERROR, VT_LOG_WARN, VT_LOG_INFO, VT_LOG_DEBUG };

void vt_log_set_level(enum vt_log_level level);
/** `vt_log(VT_LOG_WARN, "conn.tls_failed", "status=%s", vault_status_code(s))`; @p format may be "". */
__attribute__((format(printf, 3, 4))) void vt_log(enum vt_log_level level, const char *event, const char *format, ...);
