#include "libvault/base/histogram.h"

#include <string.h>

#include "libvault/base/result.h"

enum { SUB_COUNT = 1 << VT_HISTOGRAM_SUB_BITS };

/* Values below 2 * SUB_COUNT are their own index. Above, with the top SUB_BITS + 1 bits kept and `shift` dropped, the
 * kept number runs from SUB_COUNT to 2 * SUB_COUNT - 1, so that the ranges of successive shifts join without a gap. */
static size_t bucket_of(uint64_t value)
{
    if (value > VT_HISTOGRAM_MAX) return VT_HISTOGRAM_BUCKETS - 1;
    if (value < 2 * SUB_COUNT) return (size_t)value;
    const unsigned top_bit = 63 - (unsigned)__builtin_clzll(value);
    const unsigned shift = top_bit - VT_HISTOGRAM_SUB_BITS;
    return (size_t)shift * SUB_COUNT + (size_t)(value >> shift);
}

/* The greatest value that falls into the bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < 2 * SUB_COUNT) return bucket;
    const unsigned shift = (unsigned)(bucket / SUB_COUNT - 1);
    return ((bucket - (size_t)shift * SUB_COUNT + 1) << shift) - 1;
}

void vt_histogram_reset(struct vt_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void vt_histogram_record(struct vt_histogram *histogram, uint64_t value)
{
    if (histogram->count == 0 || value < histogram->min) histogram->min = value;
    histogram->max = VT_MAX(histogram->max, value);
    histogram->count++;
    histogram->sum += value;
    histogram->buckets[bucket_of(value)]++;
}

void vt_histogram_merge(struct vt_histogram *to, const struct vt_histogram *from)
{
    if (from->count == 0) return;
    to->min = to->count == 0 ? from->min : VT_MIN(to->min, from->min);
    to->max = VT_MAX(to->max, from->max);
    to->count += from->count;
    to->sum += from->sum;
    for (size_t i = 0; i < VT_HISTOGRAM_BUCKETS; i++) to->buckets[i] += from->buckets[i];
}

/* The number, from 1, of the recorded value that stands at the fraction; fractions outside 0 to 1 stand at the ends. */
static uint64_t rank_of(double fraction, uint64_t count)
{
    const double wanted = fraction * (double)count;
    if (!(wanted > 1)) return 1;
    if (wanted >= (double)count) return count;
    const uint64_t floor = (uint64_t)wanted;
    return (double)floor < wanted ? floor + 1 : floor;
}

uint64_t vt_histogram_quantile(const struct vt_histogram *histogram, double fraction)
{
    if (histogram->count == 0) return 0;
    const uint64_t rank = rank_of(fraction, histogram->count);
    uint64_t seen = 0;
    size_t bucket = 0;
    while (bucket < VT_HISTOGRAM_BUCKETS - 1 && (seen += histogram->buckets[bucket]) < rank) bucket++;
    if (bucket == VT_HISTOGRAM_BUCKETS - 1) return histogram->max;
    return VT_MIN(bucket_end(bucket), histogram->max);
}

uint64_t vt_histogram_count_up_to(const struct vt_histogram *histogram, uint64_t bound)
{
    if (bound >= histogram->max) return histogram->count;
    uint64_t seen = 0;
    for (size_t i = 0; i < VT_HISTOGRAM_BUCKETS - 1 && bucket_end(i) <= bound; i++) seen += histogram->buckets[i];
    return seen;
}

double vt_histogram_mean(const struct vt_histogram *histogram)
{
    return histogram->count == 0 ? 0 : (double)histogram->sum / (double)histogram->count;
}
