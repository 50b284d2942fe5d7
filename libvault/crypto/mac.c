#include "libvault/crypto/mac.h"

#include <openssl/evp.h>

#include "libvault/crypto/crypto_internal.h"

enum { HASH_LEN = 32, BLOCK_LEN = 64, HKDF_BLOCKS_MAX = 255 };

/* The key of an HMAC as one hash block (FIPS 198-1 section 4, steps 1 to 3). */
struct vt_hmac_key {
    uint8_t block[BLOCK_LEN];
};

static void vt_hmac_key_release(struct vt_hmac_key *key)
{
    vt_wipe(key, sizeof *key);
}

static VT_RESULT hmac_key_set(struct vt_crypto_thread *thread, struct vt_bytes bytes, struct vt_hmac_key *key)
{
    memset(key->block, 0, sizeof key->block);
    if (bytes.len > BLOCK_LEN) return vt_crypto_md_run(thread->sha, &bytes, 1, key->block);
    if (bytes.len != 0) memcpy(key->block, bytes.data, bytes.len);
    return VAULT_OK;
}

static bool pad_absorb(EVP_MD_CTX *md, const struct vt_hmac_key *key, uint8_t pad)
{
    VT_AUTO(vt_hmac_key) padded;
    for (size_t i = 0; i < BLOCK_LEN; i++) padded.block[i] = key->block[i] ^ pad;
    return EVP_DigestUpdate(md, padded.block, BLOCK_LEN) == 1;
}

static VT_RESULT hmac_with(struct vt_crypto_thread *thread, const struct vt_hmac_key *key,
                           const struct vt_bytes *pieces, size_t count, uint8_t out_mac[HASH_LEN])
{
    VT_AUTO(vt_key) inner = VT_KEY_INIT;
    const bool is_keyed = pad_absorb(thread->inner, key, 0x36) && pad_absorb(thread->outer, key, 0x5c);
    /* Both always run, so that both contexts end in their initial state. */
    const vault_status inner_status = vt_crypto_md_run(thread->inner, pieces, count, inner.bytes);
    const struct vt_bytes inner_hash = vt_key_bytes(&inner);
    const vault_status outer_status = vt_crypto_md_run(thread->outer, &inner_hash, 1, out_mac);
    VT_TRY(inner_status);
    VT_TRY(outer_status);
    return is_keyed ? VAULT_OK : vt_crypto_fail();
}

VT_RESULT vt_hmac_sha256(struct vt_bytes key, const struct vt_bytes *pieces, size_t count, uint8_t out_mac[32])
{
    struct vt_crypto_thread *thread;
    VT_AUTO(vt_hmac_key) block;
    VT_TRY(vt_crypto_thread(&thread));
    VT_TRY(hmac_key_set(thread, key, &block));
    return hmac_with(thread, &block, pieces, count, out_mac);
}

/* RFC 5869 section 2.3: T(n) = HMAC(PRK, T(n-1) | info | n). */
static VT_RESULT hkdf_expand(struct vt_crypto_thread *thread, const struct vt_hmac_key *prk, struct vt_bytes info,
                             uint8_t *out_okm, size_t out_len)
{
    VT_AUTO(vt_key) block = VT_KEY_INIT;
    for (size_t done = 0; done < out_len; done += HASH_LEN) {
        const uint8_t number = (uint8_t)(done / HASH_LEN + 1);
        const struct vt_bytes pieces[] = {vt_bytes(block.bytes, done == 0 ? 0 : HASH_LEN), info, vt_bytes(&number, 1)};
        VT_TRY(hmac_with(thread, prk, pieces, VT_ARRAY_LEN(pieces), block.bytes));
        memcpy(out_okm + done, block.bytes, VT_MIN(out_len - done, (size_t)HASH_LEN));
    }
    return VAULT_OK;
}

VT_RESULT vt_hkdf_sha256(struct vt_bytes ikm, struct vt_bytes salt, struct vt_bytes info, uint8_t *out_okm,
                         size_t out_len)
{
    VT_ENSURE(out_len <= (size_t)HKDF_BLOCKS_MAX * HASH_LEN, VAULT_E_ARGUMENT);
    struct vt_crypto_thread *thread;
    VT_AUTO(vt_hmac_key) key;
    VT_TRY(vt_crypto_thread(&thread));
    VT_TRY(hmac_key_set(thread, salt, &key));

    /* Extract (section 2.2): the pseudorandom key becomes the key of the expansion; both are zero-padded blocks. */
    VT_AUTO(vt_hmac_key) prk = {{0}};
    VT_TRY(hmac_with(thread, &key, &ikm, 1, prk.block));
    const vault_status status = hkdf_expand(thread, &prk, info, out_okm, out_len);
    if (status != VAULT_OK) vt_wipe(out_okm, out_len);
    return status;
}

VT_RESULT vt_key_derive(const struct vt_key *key, const char *label, struct vt_key *out_key)
{
    return vt_hkdf_sha256(vt_key_bytes(key), VT_BYTES_EMPTY, vt_bytes_str(label), out_key->bytes, VT_KEY_LEN);
}
