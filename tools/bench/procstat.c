#include "tools/bench/procstat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static VT_RESULT read_proc(long pid, const char *name, char *out_text, size_t len)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    FILE *file = fopen(path, "re");
    VT_ENSURE(file != NULL, VAULT_E_IO);
    const size_t got = fread(out_text, 1, len - 1, file);
    fclose(file);
    out_text[got] = '\0';
    return got != 0 ? VAULT_OK : VAULT_E_IO;
}

VT_RESULT bench_proc_cpu(long pid, uint64_t *out_cpu_ns)
{
    char text[1024];
    VT_TRY(read_proc(pid, "stat", text, sizeof text));
    /* The second field is a name in parentheses and may hold anything: count from the last one closed. */
    const char *behind_name = strrchr(text, ')');
    unsigned long long user, kernel;
    VT_ENSURE(behind_name != NULL, VAULT_E_IO);
    VT_ENSURE(sscanf(behind_name + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &user, &kernel) == 2,
              VAULT_E_IO);
    *out_cpu_ns = (user + kernel) * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
    return VAULT_OK;
}

static VT_RESULT field_kib(const char *text, const char *name, uint64_t *out_kib)
{
    const char *at = strstr(text, name);
    VT_ENSURE(at != NULL, VAULT_E_IO);
    *out_kib = strtoull(at + strlen(name), NULL, 10);
    return VAULT_OK;
}

VT_RESULT bench_proc_memory(long pid, uint64_t *out_rss_kib, uint64_t *out_anon_kib)
{
    char text[8192];
    uint64_t rss, anon;
    VT_TRY(read_proc(pid, "status", text, sizeof text));
    VT_TRY(field_kib(text, "\nVmRSS:", &rss));
    VT_TRY(field_kib(text, "\nRssAnon:", &anon));
    *out_rss_kib = rss;
    *out_anon_kib = anon;
    return VAULT_OK;
}

uint64_t bench_own_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * UINT64_C(1000000000) + (uint64_t)used.tv_nsec;
}
