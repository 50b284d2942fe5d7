#include "libvault/crypto/sign.h"

#include <openssl/evp.h>

#include "libvault/crypto/crypto_internal.h"

/* Signing is rare (a checkpoint, a certificate, a receipt), so keys and contexts are made per call. */
static VT_RESULT seed_load(const struct vt_key *seed, EVP_PKEY **out_pkey)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed->bytes, VT_KEY_LEN);
    VT_ENSURE(pkey != NULL, vt_crypto_fail());
    *out_pkey = pkey;
    return VAULT_OK;
}

static bool public_of(EVP_PKEY *pkey, uint8_t *out_public)
{
    size_t len = VT_ED25519_PUBLIC_LEN;
    return EVP_PKEY_get_raw_public_key(pkey, out_public, &len) == 1 && len == VT_ED25519_PUBLIC_LEN;
}

VT_RESULT vt_ed25519_public(const struct vt_key *seed, uint8_t out_public[VT_ED25519_PUBLIC_LEN])
{
    EVP_PKEY *pkey;
    VT_TRY(seed_load(seed, &pkey));
    const bool is_done = public_of(pkey, out_public);
    EVP_PKEY_free(pkey);
    return is_done ? VAULT_OK : vt_crypto_fail();
}

/* Ed25519 hashes for itself, twice over the message: no digest is named (RFC 8032 section 5.1.6). */
static bool sign_with(EVP_MD_CTX *md, EVP_PKEY *pkey, struct vt_bytes message, uint8_t *out_signature)
{
    size_t len = VT_ED25519_SIGNATURE_LEN;
    return md != NULL && EVP_DigestSignInit(md, NULL, NULL, NULL, pkey) == 1 &&
           EVP_DigestSign(md, out_signature, &len, message.data, message.len) == 1 && len == VT_ED25519_SIGNATURE_LEN;
}

VT_RESULT vt_ed25519_sign(const struct vt_key *seed, struct vt_bytes message,
                          uint8_t out_signature[VT_ED25519_SIGNATURE_LEN])
{
    EVP_PKEY *pkey;
    VT_TRY(seed_load(seed, &pkey));
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const bool is_done = sign_with(md, pkey, message, out_signature);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(pkey);
    return is_done ? VAULT_OK : vt_crypto_fail();
}

VT_RESULT vt_ed25519_sign_and_public(const struct vt_key *seed, struct vt_bytes message,
                                     uint8_t out_public[VT_ED25519_PUBLIC_LEN],
                                     uint8_t out_signature[VT_ED25519_SIGNATURE_LEN])
{
    EVP_PKEY *pkey;
    VT_TRY(seed_load(seed, &pkey));
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const bool is_done = public_of(pkey, out_public) && sign_with(md, pkey, message, out_signature);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(pkey);
    return is_done ? VAULT_OK : vt_crypto_fail();
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
