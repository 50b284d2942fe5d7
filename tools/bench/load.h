/* tools/bench/load.h - the engine: keeps connections busy and measures how long answers take.
 *
 * Closed loop (rate 0): every connection always has `pipeline` calls under way, each answered one is followed by the
 * next; this finds the greatest rate. Open loop: calls fall due at moments of a Poisson process of the given rate,
 * whatever the server does; each is measured from when it fell due, not from when a connection was free to carry it, so
 * that a stall is felt by every call that it delayed (no coordinated omission). Calls that fell due within the window are
 * all awaited after its end, up to DRAIN; those that still have no answer are counted as unanswered, never left out.
 * Thread: bench_load_run() starts its own and joins them. */
#pragma once
#include "libvault/base/histogram.h"
#include "tools/bench/conn.h"
#include "tools/bench/driver.h"
#include "tools/bench/session.h"

struct bench_phase {
    const struct bench_driver *driver;
    uint32_t weights[BENCH_MAX_OPS];    /* the mix; at least one is not 0 */
    uint32_t threads, connections, pipeline, batch;
    double rate;                /* calls a second in all; 0: closed loop */
    uint64_t calls;             /* end after so many; 0: by time only */
    uint64_t warmup_ns;         /* at the start, not measured */
    uint64_t measure_ns;
    uint64_t seed;
    bool keep;                  /* put tokens from replies into the world; one thread only */
    bool show_progress;
};

struct bench_op_result {
    uint64_t calls, items, failed_items;
    char error[160];                        /* the first failure in the server's words */
    struct vt_histogram latency_ns;
};

struct bench_result {
    struct bench_op_result ops[BENCH_MAX_OPS];
    uint64_t window_ns;                     /* what was measured: rates are over this */
    uint64_t unanswered;                    /* fell due within the window, no answer until the end */
    uint64_t client_cpu_ns, server_cpu_ns;  /* within the window */
    uint64_t server_calls;                  /* answered between the two looks at the server's CPU time */
    uint64_t server_anon_kib, server_rss_kib;
};

/** @param out_result zeroed by the caller; large, so not on the stack
 *  @return what a connection failed with, with a sentence */
VT_RESULT bench_load_run(const struct bench_server *server, struct bench_world *world, const struct bench_phase *phase,
                         struct bench_result *out_result, struct vt_err *err);
