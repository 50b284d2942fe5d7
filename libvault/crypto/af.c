#include "libvault/crypto/af.h"

#include "libvault/base/bytes.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"

VT_RESULT vt_af_begin(struct vt_af *af, size_t block_len, unsigned stripes)
{
    VT_ENSURE(block_len != 0 && block_len % VT_SHA256_LEN == 0 && stripes >= 2, VAULT_E_ARGUMENT);
    vt_af_release(af);
    af->mix = vt_secret_alloc(block_len);
    VT_ENSURE(af->mix != NULL, VAULT_E_MEMORY);
    af->block_len = block_len;
    af->stripes = stripes;
    return VAULT_OK;
}

void vt_af_release(struct vt_af *af)
{
    vt_secret_free(af->mix);
    *af = VT_AF_INIT;
}

static void xor_into(uint8_t *to, const uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i++) to[i] ^= from[i];
}

/* Each piece of a hash's length becomes the hash of its number and itself, so that one changed bit changes the piece. */
static VT_RESULT diffuse(uint8_t *mix, size_t len)
{
    uint8_t number[4], hash[VT_SHA256_LEN];
    vault_status status = VAULT_OK;
    for (size_t at = 0; at < len && status == VAULT_OK; at += VT_SHA256_LEN) {
        vt_put_u32(number, (uint32_t)(at / VT_SHA256_LEN));
        const struct vt_bytes pieces[] = {VT_BYTES_OF(number), vt_bytes(mix + at, VT_SHA256_LEN)};
        status = vt_sha256(pieces, VT_ARRAY_LEN(pieces), hash);
        memcpy(mix + at, hash, sizeof hash);
    }
    vt_wipe(hash, sizeof hash);
    return status;
}

static VT_RESULT absorb(struct vt_af *af, const uint8_t *stripe)
{
    xor_into(af->mix, stripe, af->block_len);
    af->done++;
    return diffuse(af->mix, af->block_len);
}

VT_RESULT vt_af_split(struct vt_af *af, const uint8_t *block, uint8_t *out_stripe)
{
    VT_ENSURE(af->mix != NULL && af->done < af->stripes, VAULT_E_STATE);
    if (af->done + 1 < af->stripes) {
        VT_TRY(vt_random_bytes(out_stripe, af->block_len));
        return absorb(af, out_stripe);
    }
    memcpy(out_stripe, af->mix, af->block_len);
    xor_into(out_stripe, block, af->block_len);
    af->done++;
    return VAULT_OK;
}

VT_RESULT vt_af_merge(struct vt_af *af, const uint8_t *stripe, uint8_t *out_block)
{
    VT_ENSURE(af->mix != NULL && af->done < af->stripes, VAULT_E_STATE);
    if (af->done + 1 < af->stripes) return absorb(af, stripe);
    memcpy(out_block, af->mix, af->block_len);
    xor_into(out_block, stripe, af->block_len);
    af->done++;
    return VAULT_OK;
}
