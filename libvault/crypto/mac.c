/* HMAC and HKDF over the SHA-256 of OpenSSL's low-level interface. It is deprecated for being tied to one implementation, which
 * costs nothing here, and it is the only one whose state is a plain value: a keyed state is copied where EVP would absorb the
 * key again (or allocate), which halves the time of HKDF. Half of sealing a row is HKDF. The code below it is the same. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "libvault/crypto/mac.h"

#include <openssl/sha.h>

#include "libvault/crypto/crypto_internal.h"
#include "libvault/crypto/digest.h"

enum { HASH_LEN = 32, BLOCK_LEN = 64, HKDF_BLOCKS_MAX = 255 };

/* The two digests of an HMAC, each with its padded key absorbed (FIPS 198-1 section 4, steps 1 to 4 and 7). */
struct vt_hmac_keyed {
    SHA256_CTX inner, outer;
};

static void vt_hmac_keyed_release(struct vt_hmac_keyed *keyed)
{
    vt_wipe(keyed, sizeof *keyed);
}

static bool pad_absorb(SHA256_CTX *state, const uint8_t block[BLOCK_LEN], uint8_t pad)
{
    uint8_t padded[BLOCK_LEN];
    for (size_t i = 0; i < BLOCK_LEN; i++) padded[i] = block[i] ^ pad;
    const bool is_done = SHA256_Init(state) == 1 && SHA256_Update(state, padded, BLOCK_LEN) == 1;
    vt_wipe(padded, sizeof padded);
    return is_done;
}

static VT_RESULT hmac_key(struct vt_bytes key, struct vt_hmac_keyed *out_keyed)
{
    uint8_t block[BLOCK_LEN] = {0};
    vault_status status = VAULT_OK;
    if (key.len > BLOCK_LEN) status = vt_sha256_one(key, block);
    else if (key.len != 0) memcpy(block, key.data, key.len);
    if (status == VAULT_OK && !(pad_absorb(&out_keyed->inner, block, 0x36) && pad_absorb(&out_keyed->outer, block, 0x5c)))
        status = vt_crypto_fail();
    vt_wipe(block, sizeof block);
    return status;
}

static bool digest_end(SHA256_CTX *state, const struct vt_bytes *pieces, size_t count, uint8_t out_hash[HASH_LEN])
{
    bool is_done = true;
    for (size_t i = 0; i < count; i++)
        if (pieces[i].len != 0) is_done = is_done && SHA256_Update(state, pieces[i].data, pieces[i].len) == 1;
    is_done = SHA256_Final(out_hash, state) == 1 && is_done;
    vt_wipe(state, sizeof *state);
    return is_done;
}

static VT_RESULT hmac_with(const struct vt_hmac_keyed *keyed, const struct vt_bytes *pieces, size_t count,
                           uint8_t out_mac[HASH_LEN])
{
    VT_AUTO(vt_key) inner = VT_KEY_INIT;
    SHA256_CTX state = keyed->inner;
    bool is_done = digest_end(&state, pieces, count, inner.bytes);
    const struct vt_bytes inner_hash = vt_key_bytes(&inner);
    state = keyed->outer;
    is_done = digest_end(&state, &inner_hash, 1, out_mac) && is_done;
    return is_done ? VAULT_OK : vt_crypto_fail();
}

VT_RESULT vt_hmac_sha256(struct vt_bytes key, const struct vt_bytes *pieces, size_t count, uint8_t out_mac[32])
{
    VT_AUTO(vt_hmac_keyed) keyed;
    VT_TRY(hmac_key(key, &keyed));
    return hmac_with(&keyed, pieces, count, out_mac);
}

/* RFC 5869 section 2.3: T(n) = HMAC(PRK, T(n-1) | info | n). */
static VT_RESULT hkdf_expand(const struct vt_hmac_keyed *prk, struct vt_bytes info, uint8_t *out_okm, size_t out_len)
{
    VT_AUTO(vt_key) block = VT_KEY_INIT;
    for (size_t done = 0; done < out_len; done += HASH_LEN) {
        const uint8_t number = (uint8_t)(done / HASH_LEN + 1);
        const struct vt_bytes pieces[] = {vt_bytes(block.bytes, done == 0 ? 0 : HASH_LEN), info, vt_bytes(&number, 1)};
        VT_TRY(hmac_with(prk, pieces, VT_ARRAY_LEN(pieces), block.bytes));
        memcpy(out_okm + done, block.bytes, VT_MIN(out_len - done, (size_t)HASH_LEN));
    }
    return VAULT_OK;
}

VT_RESULT vt_hkdf_extract_sha256(struct vt_bytes ikm, struct vt_bytes salt, struct vt_key *out_prk)
{
    return vt_hmac_sha256(salt, &ikm, 1, out_prk->bytes);
}

VT_RESULT vt_hkdf_expand_sha256(const struct vt_key *prk, struct vt_bytes info, uint8_t *out_okm, size_t out_len)
{
    VT_ENSURE(out_len <= (size_t)HKDF_BLOCKS_MAX * HASH_LEN, VAULT_E_ARGUMENT);
    VT_AUTO(vt_hmac_keyed) keyed;
    VT_TRY(hmac_key(vt_key_bytes(prk), &keyed));
    const vault_status status = hkdf_expand(&keyed, info, out_okm, out_len);
    if (status != VAULT_OK) vt_wipe(out_okm, out_len);
    return status;
}

VT_RESULT vt_hkdf_sha256(struct vt_bytes ikm, struct vt_bytes salt, struct vt_bytes info, uint8_t *out_okm,
                         size_t out_len)
{
    VT_AUTO(vt_key) prk = VT_KEY_INIT;
    VT_TRY(vt_hkdf_extract_sha256(ikm, salt, &prk));
    return vt_hkdf_expand_sha256(&prk, info, out_okm, out_len);
}

VT_RESULT vt_key_derive(const struct vt_key *key, const char *label, struct vt_key *out_key)
{
    return vt_hkdf_sha256(vt_key_bytes(key), VT_BYTES_EMPTY, vt_bytes_str(label), out_key->bytes, VT_KEY_LEN);
}
