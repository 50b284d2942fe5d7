#include "libvault/base/fault.h"
#include "libvault/crypto/aead.h"
#include "libvault/crypto/crypto_internal.h"
#include "tests/support/suite.h"

enum { PLAIN_LEN = 100, SEALED_LEN = PLAIN_LEN + VT_SEAL_OVERHEAD };

static const struct vt_key KEY = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};
static const uint8_t VAULT_ID[16] = {0xAA, 0xBB};

static struct vt_seal_ctx context_of(uint64_t record)
{
    struct vt_seal_ctx ctx;
    vt_seal_ctx_begin(&ctx, VAULT_ID, 7, VT_SEAL_ROW, 1);
    vt_seal_ctx_u64(&ctx, record);
    return ctx;
}

static void plain_fill(uint8_t plain[PLAIN_LEN])
{
    for (size_t i = 0; i < PLAIN_LEN; i++) plain[i] = (uint8_t)(i * 3 + 1);
}

static void sealed_fill(uint8_t sealed[SEALED_LEN])
{
    uint8_t plain[PLAIN_LEN];
    plain_fill(plain);
    const struct vt_seal_ctx ctx = context_of(1);
    ck_assert_ok(vt_seal_into(&KEY, &ctx, VT_BYTES_OF(plain), sealed));
}

static vault_status try_unseal(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes sealed)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(4096);
    const vault_status status = vt_unseal(key, ctx, sealed, &out);
    ck_assert(status == VAULT_OK || out.len == 0);
    ck_assert(vt_crypto_queue_is_empty());
    return status;
}

START_TEST(what_was_sealed_unseals_at_every_length)
{
    uint8_t plain[600];
    for (size_t i = 0; i < sizeof plain; i++) plain[i] = (uint8_t)i;
    const struct vt_seal_ctx ctx = context_of(1);
    for (size_t len = 0; len <= sizeof plain; len++) {
        VT_AUTO(vt_buf) sealed = VT_BUF_INIT(1024);
        VT_AUTO(vt_buf) opened = VT_BUF_INIT(1024);
        ck_assert_ok(vt_seal(&KEY, &ctx, vt_bytes(plain, len), &sealed));
        ck_assert_uint_eq(sealed.len, len + VT_SEAL_OVERHEAD);
        ck_assert_ok(vt_unseal(&KEY, &ctx, vt_buf_bytes(&sealed), &opened));
        ck_assert(vt_bytes_equal(vt_buf_bytes(&opened), vt_bytes(plain, len)));
    }
}
END_TEST

START_TEST(two_seals_of_the_same_share_no_salt_iv_commitment_or_ciphertext)
{
    uint8_t first[SEALED_LEN], second[SEALED_LEN];
    sealed_fill(first);
    sealed_fill(second);
    ck_assert_mem_eq(first, second, 2);
    ck_assert_mem_ne(first + 2, second + 2, 32);
    ck_assert_mem_ne(first + 34, second + 34, 32);
    ck_assert_mem_ne(first + 66, second + 66, 12);
    ck_assert_mem_ne(first + 78, second + 78, PLAIN_LEN);
}
END_TEST

START_TEST(a_flipped_bit_anywhere_fails_with_its_exact_status)
{
    uint8_t sealed[SEALED_LEN];
    sealed_fill(sealed);
    const struct vt_seal_ctx ctx = context_of(1);
    for (size_t at = 0; at < SEALED_LEN; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            sealed[at] ^= (uint8_t)(1u << bit);
            const vault_status expected = at < 2 ? VAULT_E_FORMAT : VAULT_E_AUTHENTICITY;
            ck_assert_status(try_unseal(&KEY, &ctx, VT_BYTES_OF(sealed)), expected);
            sealed[at] ^= (uint8_t)(1u << bit);
        }
    ck_assert_ok(try_unseal(&KEY, &ctx, VT_BYTES_OF(sealed)));
}
END_TEST

START_TEST(every_unknown_version_and_algorithm_is_a_format_error)
{
    uint8_t sealed[SEALED_LEN];
    sealed_fill(sealed);
    const struct vt_seal_ctx ctx = context_of(1);
    for (unsigned value = 0; value < 256; value++) {
        sealed[0] = (uint8_t)value;
        ck_assert_status(try_unseal(&KEY, &ctx, VT_BYTES_OF(sealed)), value == 1 ? VAULT_OK : VAULT_E_FORMAT);
        ck_assert_status(try_unseal(&KEY, &ctx, vt_bytes(sealed, 1)), value == 1 ? VAULT_E_CORRUPT : VAULT_E_FORMAT);
    }
    sealed[0] = VT_SEAL_VERSION;
    for (unsigned value = 0; value < 256; value++) {
        sealed[1] = (uint8_t)value;
        ck_assert_status(try_unseal(&KEY, &ctx, VT_BYTES_OF(sealed)), value == 1 ? VAULT_OK : VAULT_E_FORMAT);
    }
}
END_TEST

START_TEST(a_truncated_ciphertext_is_corrupt_below_the_overhead_and_unauthentic_above)
{
    uint8_t sealed[SEALED_LEN];
    sealed_fill(sealed);
    const struct vt_seal_ctx ctx = context_of(1);
    for (size_t len = 0; len < SEALED_LEN; len++)
        ck_assert_status(try_unseal(&KEY, &ctx, vt_bytes(sealed, len)),
                         len < VT_SEAL_OVERHEAD ? VAULT_E_CORRUPT : VAULT_E_AUTHENTICITY);
}
END_TEST

START_TEST(every_bit_of_the_context_is_bound)
{
    uint8_t sealed[SEALED_LEN];
    sealed_fill(sealed);
    struct vt_seal_ctx ctx = context_of(1);
    for (size_t at = 0; at < ctx.len * 8; at++) {
        ctx.bytes[at / 8] ^= (uint8_t)(1u << at % 8);
        ck_assert_status(try_unseal(&KEY, &ctx, VT_BYTES_OF(sealed)), VAULT_E_AUTHENTICITY);
        ctx.bytes[at / 8] ^= (uint8_t)(1u << at % 8);
    }
    vt_seal_ctx_u8(&ctx, 0);
    ck_assert_status(try_unseal(&KEY, &ctx, VT_BYTES_OF(sealed)), VAULT_E_AUTHENTICITY);
    ctx.len -= 2;
    ck_assert_status(try_unseal(&KEY, &ctx, VT_BYTES_OF(sealed)), VAULT_E_AUTHENTICITY);
}
END_TEST

START_TEST(every_bit_of_the_key_matters)
{
    uint8_t sealed[SEALED_LEN];
    sealed_fill(sealed);
    const struct vt_seal_ctx ctx = context_of(1);
    struct vt_key key = KEY;
    for (size_t at = 0; at < VT_KEY_LEN * 8; at++) {
        key.bytes[at / 8] ^= (uint8_t)(1u << at % 8);
        ck_assert_status(try_unseal(&key, &ctx, VT_BYTES_OF(sealed)), VAULT_E_AUTHENTICITY);
        key.bytes[at / 8] ^= (uint8_t)(1u << at % 8);
    }
}
END_TEST

/* GCM writes plaintext before it has seen the tag, and what it wrote is wiped when the tag is wrong. So a buffer left
 * as it was shows that GCM has not run, and a wiped one that it has. */
START_TEST(the_commitment_refuses_a_wrong_key_before_gcm_runs)
{
    uint8_t sealed[SEALED_LEN], opened[PLAIN_LEN], untouched[PLAIN_LEN], wiped[PLAIN_LEN] = {0};
    sealed_fill(sealed);
    memset(opened, 0xEE, sizeof opened);
    memset(untouched, 0xEE, sizeof untouched);
    const struct vt_seal_ctx ctx = context_of(1);
    const struct vt_key wrong = {{9}};
    ck_assert_status(vt_unseal_into(&wrong, &ctx, VT_BYTES_OF(sealed), opened), VAULT_E_AUTHENTICITY);
    ck_assert_mem_eq(opened, untouched, PLAIN_LEN);

    sealed[SEALED_LEN - 1] ^= 1;
    ck_assert_status(vt_unseal_into(&KEY, &ctx, VT_BYTES_OF(sealed), opened), VAULT_E_AUTHENTICITY);
    ck_assert_mem_eq(opened, wiped, PLAIN_LEN);
}
END_TEST

START_TEST(a_full_buffer_refuses_and_keeps_what_it_had)
{
    uint8_t sealed[SEALED_LEN];
    sealed_fill(sealed);
    const struct vt_seal_ctx ctx = context_of(1);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(PLAIN_LEN + 3);
    ck_assert_ok(vt_buf_append_str(&out, "kept"));
    ck_assert_status(vt_unseal(&KEY, &ctx, VT_BYTES_OF(sealed), &out), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_seal(&KEY, &ctx, VT_BYTES_OF(sealed), &out), VAULT_E_TOO_LARGE);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&out), "kept"));
}
END_TEST

#ifdef VT_FAULTS
START_TEST(without_randomness_nothing_is_sealed)
{
    const struct vt_seal_ctx ctx = context_of(1);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(1024);
    vt_fault_arm(VT_FAULT_RANDOM, 1);
    ck_assert_status(vt_seal(&KEY, &ctx, vt_bytes_str("plain"), &out), VAULT_E_CRYPTO);
    ck_assert(vt_fault_disarm());
    ck_assert_uint_eq(out.len, 0);
    ck_assert_ok(vt_seal(&KEY, &ctx, vt_bytes_str("plain"), &out));
}
END_TEST
#endif

START_TEST(contexts_are_fixed_width_and_big_endian)
{
    struct vt_seal_ctx ctx;
    vt_seal_ctx_begin(&ctx, VAULT_ID, 0x0102030405060708u, VT_SEAL_SLOT, 0x1112131415161718u);
    vt_seal_ctx_u16(&ctx, 0x2122);
    vt_seal_ctx_u32(&ctx, 0x31323334u);
    static const uint8_t EXPECTED[] = {0xAA, 0xBB, 0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
                                       0,    0,    0,    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 5,    0x11,
                                       0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22, 0x31, 0x32, 0x33, 0x34};
    ck_assert(vt_bytes_equal(vt_bytes(ctx.bytes, ctx.len), VT_BYTES_OF(EXPECTED)));
}
END_TEST

VT_TEST_MAIN("crypto/aead",
#ifdef VT_FAULTS
             without_randomness_nothing_is_sealed,
#endif
             what_was_sealed_unseals_at_every_length, two_seals_of_the_same_share_no_salt_iv_commitment_or_ciphertext,
             a_flipped_bit_anywhere_fails_with_its_exact_status, every_unknown_version_and_algorithm_is_a_format_error,
             a_truncated_ciphertext_is_corrupt_below_the_overhead_and_unauthentic_above,
             every_bit_of_the_context_is_bound, every_bit_of_the_key_matters,
             the_commitment_refuses_a_wrong_key_before_gcm_runs, a_full_buffer_refuses_and_keeps_what_it_had,
             contexts_are_fixed_width_and_big_endian)
