#include <string.h>

#include "libvault/crypto/af.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "tests/support/suite.h"

enum { BLOCK = 128, STRIPES = 5 };

static void split(const uint8_t block[BLOCK], uint8_t out_stripes[STRIPES][BLOCK])
{
    VT_AUTO(vt_af) af = VT_AF_INIT;
    ck_assert_ok(vt_af_begin(&af, BLOCK, STRIPES));
    for (unsigned i = 0; i < STRIPES; i++) ck_assert_ok(vt_af_split(&af, block, out_stripes[i]));
    ck_assert_status(vt_af_split(&af, block, out_stripes[0]), VAULT_E_STATE);
}

static void merge(uint8_t stripes[STRIPES][BLOCK], uint8_t out_block[BLOCK])
{
    VT_AUTO(vt_af) af = VT_AF_INIT;
    ck_assert_ok(vt_af_begin(&af, BLOCK, STRIPES));
    for (unsigned i = 0; i < STRIPES; i++) ck_assert_ok(vt_af_merge(&af, stripes[i], out_block));
    ck_assert_status(vt_af_merge(&af, stripes[0], out_block), VAULT_E_STATE);
}

START_TEST(all_stripes_together_give_the_block)
{
    uint8_t block[BLOCK], stripes[STRIPES][BLOCK], again[BLOCK];
    ck_assert_ok(vt_random_bytes(block, BLOCK));
    split(block, stripes);
    merge(stripes, again);
    ck_assert_mem_eq(block, again, BLOCK);
}
END_TEST

START_TEST(two_splits_of_one_block_have_no_stripe_in_common)
{
    uint8_t block[BLOCK] = {1}, first[STRIPES][BLOCK], second[STRIPES][BLOCK];
    split(block, first);
    split(block, second);
    for (unsigned i = 0; i < STRIPES; i++)
        for (unsigned j = 0; j < STRIPES; j++) ck_assert_mem_ne(first[i], second[j], BLOCK);
}
END_TEST

/* Of the last stripe a byte gives a byte; of every other one a bit changes its whole piece of 32 bytes. */
START_TEST(one_changed_bit_in_any_stripe_but_the_last_spoils_a_whole_piece)
{
    uint8_t block[BLOCK], stripes[STRIPES][BLOCK], again[BLOCK];
    ck_assert_ok(vt_random_bytes(block, BLOCK));
    split(block, stripes);
    for (unsigned i = 0; i + 1 < STRIPES; i++) {
        stripes[i][40] ^= 4;
        merge(stripes, again);
        stripes[i][40] ^= 4;
        unsigned differ = 0;
        for (unsigned at = 32; at < 64; at++) differ += block[at] != again[at];
        ck_assert_uint_gt(differ, 20);
        ck_assert_mem_eq(block, again, 32);
        ck_assert_mem_eq(block + 64, again + 64, BLOCK - 64);
    }
}
END_TEST

/* The rule written out once more, for the smallest case: last = H(0 || first) XOR block. */
START_TEST(two_stripes_are_the_hash_of_the_first_and_its_difference_to_the_block)
{
    uint8_t block[32], first[32], last[32], hashed[36] = {0}, hash[32];
    VT_AUTO(vt_af) af = VT_AF_INIT;
    ck_assert_ok(vt_random_bytes(block, sizeof block));
    ck_assert_ok(vt_af_begin(&af, 32, 2));
    ck_assert_ok(vt_af_split(&af, block, first));
    ck_assert_ok(vt_af_split(&af, block, last));
    memcpy(hashed + 4, first, 32);
    ck_assert_ok(vt_sha256_one(VT_BYTES_OF(hashed), hash));
    for (unsigned i = 0; i < 32; i++) ck_assert_uint_eq(last[i], hash[i] ^ block[i]);
}
END_TEST

START_TEST(a_single_stripe_or_a_broken_length_is_refused)
{
    VT_AUTO(vt_af) af = VT_AF_INIT;
    ck_assert_status(vt_af_begin(&af, 32, 1), VAULT_E_ARGUMENT);
    ck_assert_status(vt_af_begin(&af, 33, 2), VAULT_E_ARGUMENT);
    ck_assert_status(vt_af_begin(&af, 0, 2), VAULT_E_ARGUMENT);
    uint8_t bytes[32] = {0};
    ck_assert_status(vt_af_merge(&af, bytes, bytes), VAULT_E_STATE);
}
END_TEST

VT_TEST_MAIN("crypto/af", all_stripes_together_give_the_block, two_splits_of_one_block_have_no_stripe_in_common,
             one_changed_bit_in_any_stripe_but_the_last_spoils_a_whole_piece,
             two_stripes_are_the_hash_of_the_first_and_its_difference_to_the_block,
             a_single_stripe_or_a_broken_length_is_refused)
