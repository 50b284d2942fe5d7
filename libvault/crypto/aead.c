#include "libvault/crypto/aead.h"

#include "libvault/crypto/crypto_internal.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "libvault/crypto/rng.h"

enum {
    SALT_AT = 2,
    COMMITMENT_AT = 34,
    IV_AT = 66,
    SALT_LEN = 32,
    COMMITMENT_LEN = 32,
    IV_LEN = 12,
    TAG_LEN = 16,
    CTX_KIND_AT = 24,
    CTX_HEAD_LEN = 33,
};
_Static_assert((int)IV_AT + IV_LEN == (int)VT_SEAL_HEADER_LEN, "header");
_Static_assert((int)VT_SEAL_HEADER_LEN + TAG_LEN == (int)VT_SEAL_OVERHEAD, "overhead");

void vt_seal_ctx_begin(struct vt_seal_ctx *ctx, const uint8_t vault_id[16], uint64_t incarnation,
                       enum vt_seal_kind kind, uint64_t tenant)
{
    ctx->len = 0;
    vt_seal_ctx_bytes(ctx, vt_bytes(vault_id, 16));
    vt_seal_ctx_u64(ctx, incarnation);
    vt_seal_ctx_u8(ctx, (uint8_t)kind);
    vt_seal_ctx_u64(ctx, tenant);
}

void vt_seal_ctx_bytes(struct vt_seal_ctx *ctx, struct vt_bytes bytes)
{
    VT_BUG_ON(bytes.len > VT_SEAL_CTX_MAX - ctx->len);
    if (bytes.len != 0) memcpy(ctx->bytes + ctx->len, bytes.data, bytes.len);
    ctx->len += bytes.len;
}

void vt_seal_ctx_u8(struct vt_seal_ctx *ctx, uint8_t value)
{
    vt_seal_ctx_bytes(ctx, vt_bytes(&value, 1));
}

void vt_seal_ctx_u16(struct vt_seal_ctx *ctx, uint16_t value)
{
    uint8_t raw[2];
    vt_put_u16(raw, value);
    vt_seal_ctx_bytes(ctx, VT_BYTES_OF(raw));
}

void vt_seal_ctx_u32(struct vt_seal_ctx *ctx, uint32_t value)
{
    uint8_t raw[4];
    vt_put_u32(raw, value);
    vt_seal_ctx_bytes(ctx, VT_BYTES_OF(raw));
}

void vt_seal_ctx_u64(struct vt_seal_ctx *ctx, uint64_t value)
{
    uint8_t raw[8];
    vt_put_u64(raw, value);
    vt_seal_ctx_bytes(ctx, VT_BYTES_OF(raw));
}

/* What one salt makes of a key and a context: the key of this ciphertext and the commitment to it. */
struct vt_seal_keys {
    uint8_t encryption[VT_KEY_LEN];
    uint8_t commitment[COMMITMENT_LEN];
};

static void vt_seal_keys_release(struct vt_seal_keys *keys)
{
    vt_wipe(keys, sizeof *keys);
}

static VT_RESULT keys_derive(const struct vt_key *key, const struct vt_seal_ctx *ctx, const uint8_t *salt,
                             struct vt_seal_keys *out_keys)
{
    uint8_t info[3 + 1 + VT_SHA256_LEN] = {'v', 's', '1', ctx->bytes[CTX_KIND_AT]};
    VT_TRY(vt_sha256_one(vt_bytes(ctx->bytes, ctx->len), info + 4));
    return vt_hkdf_sha256(vt_key_bytes(key), vt_bytes(salt, SALT_LEN), VT_BYTES_OF(info), (uint8_t *)out_keys,
                          sizeof *out_keys);
}

/* out_sealed holds salt and IV already. */
static VT_RESULT seal_filled(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes plain,
                             uint8_t *out_sealed)
{
    struct vt_crypto_thread *thread;
    VT_AUTO(vt_seal_keys) keys;
    VT_BUG_ON(ctx->len < CTX_HEAD_LEN);
    VT_TRY(vt_crypto_thread(&thread));
    VT_TRY(keys_derive(key, ctx, out_sealed + SALT_AT, &keys));
    out_sealed[0] = VT_SEAL_VERSION;
    out_sealed[1] = VT_SEAL_AES_256_GCM;
    memcpy(out_sealed + COMMITMENT_AT, keys.commitment, COMMITMENT_LEN);
    return vt_crypto_gcm_run(thread->gcm,
                             &(struct vt_gcm_call){
                                 .key = keys.encryption,
                                 .iv = out_sealed + IV_AT,
                                 .aad = {vt_bytes(out_sealed, VT_SEAL_HEADER_LEN), vt_bytes(ctx->bytes, ctx->len)},
                                 .in = plain,
                                 .out = out_sealed + VT_SEAL_HEADER_LEN,
                                 .tag = out_sealed + VT_SEAL_HEADER_LEN + plain.len,
                                 .is_encrypting = true,
                             });
}

VT_RESULT vt_seal_into(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes plain,
                       uint8_t *out_sealed)
{
    uint8_t random[SALT_LEN + IV_LEN];
    VT_TRY(vt_random_bytes(random, sizeof random));
    memcpy(out_sealed + SALT_AT, random, SALT_LEN);
    memcpy(out_sealed + IV_AT, random + SALT_LEN, IV_LEN);
    return seal_filled(key, ctx, plain, out_sealed);
}

static VT_RESULT sealed_reserve(struct vt_buf *buf, struct vt_bytes plain, size_t *out_len, uint8_t **out_space)
{
    size_t len;
    VT_ENSURE(vt_size_add(plain.len, VT_SEAL_OVERHEAD, &len), VAULT_E_TOO_LARGE);
    VT_TRY(vt_buf_reserve(buf, len, out_space));
    *out_len = len;
    return VAULT_OK;
}

VT_RESULT vt_seal(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes plain,
                  struct vt_buf *out_sealed)
{
    size_t len;
    uint8_t *space;
    VT_TRY(sealed_reserve(out_sealed, plain, &len, &space));
    VT_TRY(vt_seal_into(key, ctx, plain, space));
    vt_buf_commit(out_sealed, len);
    return VAULT_OK;
}

VT_RESULT vt_seal_deterministic(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes plain,
                                const uint8_t salt[32], const uint8_t iv[12], struct vt_buf *out_sealed)
{
    size_t len;
    uint8_t *space;
    VT_TRY(sealed_reserve(out_sealed, plain, &len, &space));
    memcpy(space + SALT_AT, salt, SALT_LEN);
    memcpy(space + IV_AT, iv, IV_LEN);
    VT_TRY(seal_filled(key, ctx, plain, space));
    vt_buf_commit(out_sealed, len);
    return VAULT_OK;
}

/* The versions come first: a longer or shorter format of tomorrow is unknown, not damaged. */
static VT_RESULT sealed_check(struct vt_bytes sealed)
{
    VT_ENSURE(sealed.len >= 1, VAULT_E_CORRUPT);
    VT_ENSURE(sealed.data[0] == VT_SEAL_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(sealed.len >= 2, VAULT_E_CORRUPT);
    VT_ENSURE(sealed.data[1] == VT_SEAL_AES_256_GCM, VAULT_E_FORMAT);
    VT_ENSURE(sealed.len >= VT_SEAL_OVERHEAD, VAULT_E_CORRUPT);
    return VAULT_OK;
}

VT_RESULT vt_unseal_into(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes sealed,
                         uint8_t *out_plain)
{
    struct vt_crypto_thread *thread;
    VT_AUTO(vt_seal_keys) keys;
    VT_BUG_ON(ctx->len < CTX_HEAD_LEN);
    VT_TRY(sealed_check(sealed));
    VT_TRY(vt_crypto_thread(&thread));
    VT_TRY(keys_derive(key, ctx, sealed.data + SALT_AT, &keys));
    VT_ENSURE(vt_ct_equal(vt_bytes(sealed.data + COMMITMENT_AT, COMMITMENT_LEN), VT_BYTES_OF(keys.commitment)),
              VAULT_E_AUTHENTICITY);

    uint8_t tag[TAG_LEN];
    memcpy(tag, sealed.data + sealed.len - TAG_LEN, TAG_LEN);
    return vt_crypto_gcm_run(thread->gcm,
                             &(struct vt_gcm_call){
                                 .key = keys.encryption,
                                 .iv = sealed.data + IV_AT,
                                 .aad = {vt_bytes(sealed.data, VT_SEAL_HEADER_LEN), vt_bytes(ctx->bytes, ctx->len)},
                                 .in = vt_bytes(sealed.data + VT_SEAL_HEADER_LEN, sealed.len - VT_SEAL_OVERHEAD),
                                 .out = out_plain,
                                 .tag = tag,
                             });
}

VT_RESULT vt_unseal(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes sealed,
                    struct vt_buf *out_plain)
{
    VT_TRY(sealed_check(sealed));
    uint8_t *space;
    VT_TRY(vt_buf_reserve(out_plain, sealed.len - VT_SEAL_OVERHEAD, &space));
    VT_TRY(vt_unseal_into(key, ctx, sealed, space));
    vt_buf_commit(out_plain, sealed.len - VT_SEAL_OVERHEAD);
    return VAULT_OK;
}
