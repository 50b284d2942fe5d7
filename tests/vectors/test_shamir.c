/* Products in GF(2^8): FIPS 197 section 4.2 and 4.2.1. Shares: draft-mcgrew-tss-03 section 9, whose field and
 * polynomial are ours and whose share is the polynomial's value at the share's index. */
#include "libvault/crypto/shamir.h"
#include "tests/vectors/vectors.h"

START_TEST(products_are_those_of_fips_197)
{
    ck_assert_uint_eq(vt_gf256_mul(0x57, 0x83), 0xc1);
    ck_assert_uint_eq(vt_gf256_mul(0x57, 0x02), 0xae);
    ck_assert_uint_eq(vt_gf256_mul(0x57, 0x04), 0x47);
    ck_assert_uint_eq(vt_gf256_mul(0x57, 0x08), 0x8e);
    ck_assert_uint_eq(vt_gf256_mul(0x57, 0x10), 0x07);
    ck_assert_uint_eq(vt_gf256_mul(0x57, 0x13), 0xfe);
}
END_TEST

/* FIPS 197 section 5.1.1: the S-box is the inverse followed by an affine map, so its figure 7 is a table of inverses.
 */
static uint8_t affine(uint8_t x)
{
    unsigned sum = 0x63;
    for (unsigned turn = 0; turn < 5; turn++) sum ^= (unsigned)(x << turn | x >> (8 - turn)) & 0xff;
    return (uint8_t)sum;
}

START_TEST(inverses_lead_to_the_s_box_of_fips_197)
{
    static const struct {
        uint8_t in, out;
    } SBOX[] = {{0x00, 0x63}, {0x01, 0x7c}, {0x53, 0xed}, {0x10, 0xca}, {0x9a, 0xb8}, {0xc9, 0xdd}, {0xff, 0x16}};
    for (size_t i = 0; i < VT_ARRAY_LEN(SBOX); i++) ck_assert_uint_eq(affine(vt_gf256_inv(SBOX[i].in)), SBOX[i].out);
}
END_TEST

START_TEST(published_shares_combine_to_the_published_secret)
{
    VT_AUTO(vt_buf)
    shares = vector_bytes("b9fa07e185"
                          "f5409b4511");
    const uint8_t xs[] = {1, 2};
    uint8_t secret[5];
    ck_assert_ok(vt_shamir_combine(xs, shares.data, 2, sizeof secret, secret));
    ck_assert_vector(VT_BYTES_OF(secret), "7465737400");
}
END_TEST

START_TEST(published_shares_combine_in_either_order)
{
    VT_AUTO(vt_buf)
    shares = vector_bytes("f5409b4511"
                          "b9fa07e185");
    const uint8_t xs[] = {2, 1};
    uint8_t secret[5];
    ck_assert_ok(vt_shamir_combine(xs, shares.data, 2, sizeof secret, secret));
    ck_assert_vector(VT_BYTES_OF(secret), "7465737400");
}
END_TEST

VT_TEST_MAIN("vectors/shamir", products_are_those_of_fips_197, inverses_lead_to_the_s_box_of_fips_197,
             published_shares_combine_to_the_published_secret, published_shares_combine_in_either_order)
