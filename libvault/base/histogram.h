/* libvault/base/histogram.h - how often which value occurred, in buckets whose width grows with the value: below 256
 * each value has its own, above there are 128 to each power of two, so a quantile is never more than 1/128 above the
 * truth. Fixed size, no allocation: recording is a shift and an increment. Values are whatever the caller counts,
 * commonly nanoseconds; past VT_HISTOGRAM_MAX (more than an hour of them) they share the last bucket, and the greatest
 * is exact. Zero-initialised is empty. Thread: one owner at a time; threads keep one each and merge. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    VT_HISTOGRAM_SUB_BITS = 7,
    VT_HISTOGRAM_VALUE_BITS = 42,
    VT_HISTOGRAM_BUCKETS = (VT_HISTOGRAM_VALUE_BITS - VT_HISTOGRAM_SUB_BITS + 1) << VT_HISTOGRAM_SUB_BITS
};
#define VT_HISTOGRAM_MAX ((UINT64_C(1) << VT_HISTOGRAM_VALUE_BITS) - 1)

struct vt_histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t min;           /* meaningless while count is 0 */
    uint64_t max;
    uint64_t buckets[VT_HISTOGRAM_BUCKETS];
};

void vt_histogram_reset(struct vt_histogram *histogram);
void vt_histogram_record(struct vt_histogram *histogram, uint64_t value);
/** Add what @p from counted to @p to. */
void vt_histogram_merge(struct vt_histogram *to, const struct vt_histogram *from);
/** The least value that at least @p fraction (0 to 1) of the recorded ones do not exceed, rounded up to its bucket's
 *  end but never past the greatest recorded. 0 when empty. */
uint64_t vt_histogram_quantile(const struct vt_histogram *histogram, double fraction);
/** How many recorded values lie in buckets that end at or below @p bound: the cumulative count of a metrics bucket,
 *  exact when bound + 1 is a bucket's start (256, 512, 1024 and all their 1/128 steps). */
uint64_t vt_histogram_count_up_to(const struct vt_histogram *histogram, uint64_t bound);
/** Arithmetic mean, exact; 0 when empty. */
double vt_histogram_mean(const struct vt_histogram *histogram);
