#include "libvault/base/result.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void (*bug_wiper)(void);

void vt_bug_set_wiper(void (*wipe_all)(void))
{
    bug_wiper = wipe_all;
}

void vt_bug(const char *file, int line, const char *what)
{
    if (bug_wiper != NULL) bug_wiper();
    fprintf(stderr, "event=bug file=%s line=%d condition=\"%s\"\n", file, line, what);
    abort();
}

vault_status vt_fail(struct vt_err *err, vault_status status, const char *field, const char *format, ...)
{
    if (err == NULL) return status;

    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    snprintf(err->field, sizeof err->field, "%s", field != NULL ? field : "");
    return status;
}
