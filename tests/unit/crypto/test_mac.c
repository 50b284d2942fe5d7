#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "tests/support/suite.h"

static const uint8_t LONG_KEY[65] = {1, 2, 3, 4, 5};

static void hmac_of(struct vt_bytes key, uint8_t out_mac[32])
{
    const struct vt_bytes message = vt_bytes_str("message");
    ck_assert_ok(vt_hmac_sha256(key, &message, 1, out_mac));
}

/* FIPS 198-1 section 4, steps 1 to 3: only a key longer than the block is hashed. */
START_TEST(a_key_of_65_bytes_is_hashed_first_and_one_of_64_is_not)
{
    uint8_t hashed[32], plain_mac[32], hashed_mac[32];
    hmac_of(vt_bytes(LONG_KEY, 65), plain_mac);
    ck_assert_ok(vt_sha256_one(vt_bytes(LONG_KEY, 65), hashed));
    hmac_of(VT_BYTES_OF(hashed), hashed_mac);
    ck_assert_mem_eq(plain_mac, hashed_mac, 32);

    hmac_of(vt_bytes(LONG_KEY, 64), plain_mac);
    ck_assert_ok(vt_sha256_one(vt_bytes(LONG_KEY, 64), hashed));
    hmac_of(VT_BYTES_OF(hashed), hashed_mac);
    ck_assert_mem_ne(plain_mac, hashed_mac, 32);
}
END_TEST

START_TEST(a_mac_may_be_written_over_its_own_key_and_message)
{
    uint8_t expected[32], bytes[32] = {9, 8, 7};
    const struct vt_bytes itself = VT_BYTES_OF(bytes);
    ck_assert_ok(vt_hmac_sha256(itself, &itself, 1, expected));
    ck_assert_ok(vt_hmac_sha256(itself, &itself, 1, bytes));
    ck_assert_mem_eq(bytes, expected, 32);
}
END_TEST

START_TEST(hkdf_gives_255_blocks_and_refuses_one_byte_more)
{
    static uint8_t okm[255 * 32 + 1];
    uint8_t first[32];
    ck_assert_ok(vt_hkdf_sha256(vt_bytes_str("ikm"), VT_BYTES_EMPTY, VT_BYTES_EMPTY, okm, 255 * 32));
    ck_assert_uint_eq(okm[255 * 32], 0);
    ck_assert_ok(vt_hkdf_sha256(vt_bytes_str("ikm"), VT_BYTES_EMPTY, VT_BYTES_EMPTY, first, sizeof first));
    ck_assert_mem_eq(first, okm, sizeof first);
    ck_assert_status(vt_hkdf_sha256(vt_bytes_str("ikm"), VT_BYTES_EMPTY, VT_BYTES_EMPTY, okm, sizeof okm),
                     VAULT_E_ARGUMENT);
}
END_TEST

START_TEST(subkeys_differ_by_label_and_are_hkdf_with_the_label_as_info)
{
    const struct vt_key key = {{1}};
    struct vt_key lookup, seal;
    uint8_t expected[VT_KEY_LEN];
    ck_assert_ok(vt_key_derive(&key, "lookup", &lookup));
    ck_assert_ok(vt_key_derive(&key, "seal", &seal));
    ck_assert_mem_ne(lookup.bytes, seal.bytes, VT_KEY_LEN);
    ck_assert_ok(vt_hkdf_sha256(vt_key_bytes(&key), VT_BYTES_EMPTY, vt_bytes_str("seal"), expected, sizeof expected));
    ck_assert_mem_eq(seal.bytes, expected, VT_KEY_LEN);
}
END_TEST

VT_TEST_MAIN("crypto/mac", a_key_of_65_bytes_is_hashed_first_and_one_of_64_is_not,
             a_mac_may_be_written_over_its_own_key_and_message, hkdf_gives_255_blocks_and_refuses_one_byte_more,
             subkeys_differ_by_label_and_are_hkdf_with_the_label_as_info)
