#include "tools/bench/driver.h"

/* -ln(u) for u in (0, 1], by the series of ln((1+z)/(1-z)) after taking out the power of two: libm is not worth linking
 * for the gaps of a load. Relative error below 1e-9. */
static double minus_ln(double u)
{
    double ln = 0;
    while (u < 0.5) {
        u *= 2;
        ln += 0.69314718055994530942;
    }
    const double z = (1 - u) / (1 + u), square = z * z;
    double term = z, sum = 0;
    for (int n = 1; n < 40; n += 2) {
        sum += term / n;
        term *= square;
    }
    return ln + 2 * sum;
}

uint64_t bench_random_next(struct bench_random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * UINT64_C(2685821657736338717);
}

uint64_t bench_random_below(struct bench_random *random, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)bench_random_next(random) * bound) >> 64);
}

double bench_random_gap(struct bench_random *random, double mean)
{
    const double u = (double)((bench_random_next(random) >> 11) + 1) / 9007199254740992.0;   /* 2^53 */
    return mean * minus_ln(u);
}

VT_RESULT bench_append_value(struct bench_random *random, uint32_t len, struct vt_buf *out)
{
    static const char letters[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t *space;
    VT_TRY(vt_buf_reserve(out, len, &space));
    uint64_t bits = 0;
    for (uint32_t i = 0; i < len; i++, bits >>= 6) {
        if (i % 10 == 0) bits = bench_random_next(random);
        space[i] = (uint8_t)letters[bits & 63];
    }
    vt_buf_commit(out, len);
    return VAULT_OK;
}

const struct bench_driver *bench_driver_find(const char *name)
{
    static const struct bench_driver *const all[] = {&bench_redis, &bench_vaultd};
    for (size_t i = 0; i < VT_ARRAY_LEN(all); i++)
        if (strcmp(all[i]->name, name) == 0) return all[i];
    return NULL;
}

int bench_op_find(const struct bench_driver *driver, const char *name)
{
    for (int i = 0; i < BENCH_MAX_OPS && driver->ops[i].name != NULL; i++)
        if (strcmp(driver->ops[i].name, name) == 0) return i;
    return -1;
}
