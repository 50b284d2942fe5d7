/* tools/bench/procstat.h - CPU time and memory of a process, from /proc (proc(5)). Thread: any. */
#pragma once
#include <stdint.h>

#include "libvault/base/result.h"

/** CPU time of all its threads, user and kernel; resolution is the kernel's clock tick. @return VAULT_E_IO */
VT_RESULT bench_proc_cpu(long pid, uint64_t *out_cpu_ns);
/** Resident memory: all of it, and the anonymous part, which is what lies beside the page cache. @return VAULT_E_IO */
VT_RESULT bench_proc_memory(long pid, uint64_t *out_rss_kib, uint64_t *out_anon_kib);
/** CPU time of this process. */
uint64_t bench_own_cpu_ns(void);
