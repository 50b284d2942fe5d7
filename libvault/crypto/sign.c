#include "libvault/crypto/sign.h"

#include <openssl/evp.h>

#include "libvault/crypto/crypto_internal.h"

/** A key as OpenSSL works with it. Loading one costs as much as a signature: the public key is computed from the seed. */
struct signing_key {
    EVP_PKEY *pkey;
    uint8_t public_key[VT_ED25519_PUBLIC_LEN];
};

/* To be given back with key_drop(). */
static VT_RESULT key_load(const struct vt_key *seed, struct signing_key *out_key)
{
    struct signing_key key = {EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed->bytes, VT_KEY_LEN), {0}};
    VT_ENSURE(key.pkey != NULL, vt_crypto_fail());
    size_t len = sizeof key.public_key;
    if (EVP_PKEY_get_raw_public_key(key.pkey, key.public_key, &len) != 1 || len != sizeof key.public_key) {
        EVP_PKEY_free(key.pkey);
        return vt_crypto_fail();
    }
    *out_key = key;
    return VAULT_OK;
}

static void key_drop(struct signing_key *key)
{
    EVP_PKEY_free(key->pkey);               /* wipes the private part */
}

VT_RESULT vt_ed25519_public(const struct vt_key *seed, uint8_t out_public[VT_ED25519_PUBLIC_LEN])
{
    struct signing_key key;
    VT_TRY(key_load(seed, &key));
    memcpy(out_public, key.public_key, sizeof key.public_key);
    key_drop(&key);
    return VAULT_OK;
}

/* Ed25519 hashes for itself, twice over the message: no digest is named (RFC 8032 section 5.1.6). */
static bool sign_with(EVP_MD_CTX *md, EVP_PKEY *pkey, struct vt_bytes message, uint8_t *out_signature)
{
    size_t len = VT_ED25519_SIGNATURE_LEN;
    return md != NULL && EVP_DigestSignInit(md, NULL, NULL, NULL, pkey) == 1 &&
           EVP_DigestSign(md, out_signature, &len, message.data, message.len) == 1 && len == VT_ED25519_SIGNATURE_LEN;
}

VT_RESULT vt_ed25519_sign_and_public(const struct vt_key *seed, struct vt_bytes message,
                                     uint8_t out_public[VT_ED25519_PUBLIC_LEN],
                                     uint8_t out_signature[VT_ED25519_SIGNATURE_LEN])
{
    struct signing_key key;
    VT_TRY(key_load(seed, &key));
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const bool is_done = sign_with(md, key.pkey, message, out_signature);
    EVP_MD_CTX_free(md);
    memcpy(out_public, key.public_key, sizeof key.public_key);
    key_drop(&key);
    return is_done ? VAULT_OK : vt_crypto_fail();
}

VT_RESULT vt_ed25519_sign(const struct vt_key *seed, struct vt_bytes message,
                          uint8_t out_signature[VT_ED25519_SIGNATURE_LEN])
{
    uint8_t public_key[VT_ED25519_PUBLIC_LEN];
    return vt_ed25519_sign_and_public(seed, message, public_key, out_signature);
}

static VT_RESULT verify_with(EVP_MD_CTX *md, EVP_PKEY *pkey, struct vt_bytes message, const uint8_t *signature)
{
    VT_ENSURE(md != NULL && EVP_DigestVerifyInit(md, NULL, NULL, NULL, pkey) == 1, vt_crypto_fail());
    if (EVP_DigestVerify(md, signature, VT_ED25519_SIGNATURE_LEN, message.data, message.len) == 1) return VAULT_OK;
    vt_crypto_forget_errors();
    return VAULT_E_AUTHENTICITY;
}

VT_RESULT vt_ed25519_verify(const uint8_t public_key[VT_ED25519_PUBLIC_LEN], struct vt_bytes message,
                            const uint8_t signature[VT_ED25519_SIGNATURE_LEN])
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, VT_ED25519_PUBLIC_LEN);
    VT_ENSURE(pkey != NULL, vt_crypto_fail());
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const vault_status status = verify_with(md, pkey, message, signature);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(pkey);
    return status;
}
