/* libvault/base/clock.h - the one source of time, passed in, so that tests can set it.
 * Thread: any; a settable clock is set from one thread. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Milliseconds since 1970-01-01T00:00:00Z, wall clock; and monotonic nanoseconds for measuring. */
struct vt_clock {
    int64_t (*now_ms)(const struct vt_clock *clock);
    _Atomic int64_t offset_ms;  /* used by the test clock: added to the wall clock */
    atomic_bool is_test_clock;  /* what is signed meanwhile says so */
};

/** The machine's clock. Static storage. */
const struct vt_clock *vt_clock_system(void);
static inline int64_t vt_clock_now_ms(const struct vt_clock *clock)
{
    return clock->now_ms(clock);
}
/** Milliseconds that only ever pass: monotonic, so setting the machine's clock does not move them. Compare differences only. A test
 *  clock that is shifted shifts them, too. */
int64_t vt_clock_steady_ms(const struct vt_clock *clock);
/** A clock of the caller's that vt_clock_shift() can move: the machine's until then. */
void vt_clock_init_settable(struct vt_clock *out_clock);
/** Move it by @p delta_ms; from then on it is a test clock. Thread: any. */
void vt_clock_shift(struct vt_clock *clock, int64_t delta_ms);
/** Monotonic nanoseconds (CLOCK_MONOTONIC). */
uint64_t vt_monotonic_ns(void);
/** Write "2026-07-01T00:00:00.000Z" (RFC 3339, 24 characters and a zero). */
enum { VT_TIME_TEXT_LEN = 25 };
void vt_time_format(int64_t at_ms, char out_text[VT_TIME_TEXT_LEN]);
/** Read an RFC 3339 time: "2026-07-01T00:00:00Z", with optional fraction (kept to milliseconds, the rest cut off) and offset
 *  +hh:mm or -hh:mm; years 0001 to 9999; no leap second. False when it is anything else. */
bool vt_time_parse(const char *text, size_t len, int64_t *out_at_ms);
