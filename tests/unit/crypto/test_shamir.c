#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"
#include "libvault/crypto/shamir.h"
#include "tests/support/suite.h"

enum { LEN = 40 };

static void secret_fill(uint8_t secret[LEN])
{
    for (size_t i = 0; i < LEN; i++) secret[i] = (uint8_t)(i * 7 + 3);
}

/* Pick from `shares` the rows whose bit is set in `set`; returns how many. */
static unsigned subset_take(const uint8_t *shares, unsigned set, unsigned m, uint8_t *out_xs, uint8_t *out_shares)
{
    unsigned count = 0;
    for (unsigned x = 1; x <= m; x++) {
        if ((set >> (x - 1) & 1) == 0) continue;
        out_xs[count] = (uint8_t)x;
        memcpy(out_shares + count * LEN, shares + (x - 1) * LEN, LEN);
        count++;
    }
    return count;
}

/* Every k-subset gives the secret; every (k-1)-subset, read as if it were enough, gives something else. */
static void all_subsets_check(unsigned k, unsigned m)
{
    uint8_t secret[LEN], shares[6 * LEN], xs[6], taken[6 * LEN], combined[LEN];
    secret_fill(secret);
    ck_assert_ok(vt_shamir_split(VT_BYTES_OF(secret), k, m, shares));
    for (unsigned set = 1; set < 1u << m; set++) {
        const unsigned count = subset_take(shares, set, m, xs, taken);
        ck_assert_ok(vt_shamir_combine(xs, taken, count, LEN, combined));
        if (count >= k) ck_assert_mem_eq(combined, secret, LEN);
        if (count < k) ck_assert_mem_ne(combined, secret, LEN);
    }
}

START_TEST(any_k_shares_give_the_secret_and_fewer_do_not)
{
    for (unsigned m = 1; m <= 6; m++)
        for (unsigned k = 1; k <= m; k++) all_subsets_check(k, m);
}
END_TEST

START_TEST(the_largest_split_combines)
{
    static uint8_t shares[255 * LEN];
    uint8_t secret[LEN], combined[LEN], xs[255];
    secret_fill(secret);
    ck_assert_ok(vt_shamir_split(VT_BYTES_OF(secret), 255, 255, shares));
    for (unsigned x = 1; x <= 255; x++) xs[x - 1] = (uint8_t)x;
    ck_assert_ok(vt_shamir_combine(xs, shares, 255, LEN, combined));
    ck_assert_mem_eq(combined, secret, LEN);
}
END_TEST

START_TEST(splitting_twice_gives_different_shares)
{
    uint8_t secret[LEN], first[2 * LEN], second[2 * LEN];
    secret_fill(secret);
    ck_assert_ok(vt_shamir_split(VT_BYTES_OF(secret), 2, 2, first));
    ck_assert_ok(vt_shamir_split(VT_BYTES_OF(secret), 2, 2, second));
    ck_assert_mem_ne(first, second, LEN);
    ck_assert_mem_ne(first + LEN, second + LEN, LEN);
}
END_TEST

START_TEST(impossible_splits_are_refused)
{
    const struct vt_bytes secret = vt_bytes_str("secret");
    uint8_t shares[64];
    ck_assert_status(vt_shamir_split(secret, 0, 1, shares), VAULT_E_ARGUMENT);
    ck_assert_status(vt_shamir_split(secret, 3, 2, shares), VAULT_E_ARGUMENT);
    ck_assert_status(vt_shamir_split(secret, 1, 256, shares), VAULT_E_ARGUMENT);
    ck_assert_status(vt_shamir_split(VT_BYTES_EMPTY, 1, 1, shares), VAULT_E_ARGUMENT);
}
END_TEST

START_TEST(impossible_combinations_are_refused)
{
    const uint8_t shares[4] = {1, 2, 3, 4};
    uint8_t out[2];
    ck_assert_status(vt_shamir_combine((const uint8_t[]){1, 1}, shares, 2, 2, out), VAULT_E_ARGUMENT);
    ck_assert_status(vt_shamir_combine((const uint8_t[]){0, 1}, shares, 2, 2, out), VAULT_E_ARGUMENT);
    ck_assert_status(vt_shamir_combine((const uint8_t[]){1, 2}, shares, 0, 2, out), VAULT_E_ARGUMENT);
    ck_assert_status(vt_shamir_combine((const uint8_t[]){1, 2}, shares, 2, 0, out), VAULT_E_ARGUMENT);
    ck_assert_status(vt_shamir_combine((const uint8_t[]){1, 2}, shares, 256, 1, out), VAULT_E_ARGUMENT);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(without_randomness_no_share_is_made)
{
    uint8_t secret[LEN], shares[3 * LEN] = {0}, none[3 * LEN] = {0};
    secret_fill(secret);
    /* k = 3 of 40 bytes: 80 bytes of coefficients, three keys. */
    for (unsigned nth = 1; nth <= 3; nth++) {
        vt_fault_arm(VT_FAULT_RANDOM, nth);
        ck_assert_status(vt_shamir_split(VT_BYTES_OF(secret), 3, 3, shares), VAULT_E_CRYPTO);
        ck_assert(vt_fault_disarm());
        ck_assert_mem_eq(shares, none, sizeof none);
    }
    vt_fault_arm(VT_FAULT_ALLOC, 1);
    ck_assert_status(vt_shamir_split(VT_BYTES_OF(secret), 3, 3, shares), VAULT_E_MEMORY);
    ck_assert(vt_fault_disarm());
}
END_TEST
#endif

/* An implementation by the definition: long multiplication, then long division by x^8 + x^4 + x^3 + x + 1. */
static uint8_t mul_by_definition(unsigned a, unsigned b)
{
    unsigned product = 0;
    for (unsigned bit = 0; bit < 8; bit++)
        if (b & 1u << bit) product ^= a << bit;
    for (unsigned bit = 15; bit >= 8; bit--)
        if (product & 1u << bit) product ^= 0x11bu << (bit - 8);
    return (uint8_t)product;
}

START_TEST(all_products_and_inverses_are_those_of_the_field)
{
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            ck_assert_uint_eq(vt_gf256_mul((uint8_t)a, (uint8_t)b), mul_by_definition(a, b));
    ck_assert_uint_eq(vt_gf256_inv(0), 0);
    for (unsigned a = 1; a < 256; a++) ck_assert_uint_eq(vt_gf256_mul((uint8_t)a, vt_gf256_inv((uint8_t)a)), 1);
}
END_TEST

VT_TEST_MAIN("crypto/shamir",
#ifdef VT_FAULTS
             without_randomness_no_share_is_made,
#endif
             any_k_shares_give_the_secret_and_fewer_do_not, the_largest_split_combines,
             splitting_twice_gives_different_shares, impossible_splits_are_refused, impossible_combinations_are_refused,
             all_products_and_inverses_are_those_of_the_field)
