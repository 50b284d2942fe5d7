#include "libvault/crypto/aes.h"

#include <openssl/evp.h>

#include "libvault/crypto/crypto_internal.h"

enum { BLOCK_LEN = 16, IV_LEN_MAX = 128 };

/* A zero key is left behind, as everywhere. */
static bool block_run(EVP_CIPHER_CTX *cipher, const struct vt_key *key, bool encrypt, const uint8_t *in, uint8_t *out)
{
    static const uint8_t ZERO_KEY[VT_KEY_LEN];
    int written;
    const bool is_done = EVP_CipherInit_ex2(cipher, NULL, key->bytes, NULL, encrypt, NULL) == 1 &&
                         EVP_CipherUpdate(cipher, out, &written, in, BLOCK_LEN) == 1 && written == BLOCK_LEN;
    return EVP_CipherInit_ex2(cipher, NULL, ZERO_KEY, NULL, 1, NULL) == 1 && is_done;
}

VT_RESULT vt_aes256_block(const struct vt_key *key, bool encrypt, const uint8_t in[16], uint8_t out[16])
{
    struct vt_crypto_thread *thread;
    VT_TRY(vt_crypto_thread(&thread));
    return block_run(thread->ecb, key, encrypt, in, out) ? VAULT_OK : vt_crypto_fail();
}

static VT_RESULT gcm_once(struct vt_bytes iv, const struct vt_gcm_call *call)
{
    VT_ENSURE(iv.len != 0 && iv.len <= IV_LEN_MAX, VAULT_E_ARGUMENT);
    EVP_CIPHER_CTX *cipher;
    VT_TRY(vt_crypto_gcm_new(&cipher));
    const vault_status status = EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_IVLEN, (int)iv.len, NULL) == 1
                                    ? vt_crypto_gcm_run(cipher, call)
                                    : vt_crypto_fail();
    EVP_CIPHER_CTX_free(cipher);
    return status;
}

VT_RESULT vt_aes256_gcm_encrypt(const struct vt_key *key, struct vt_bytes iv, struct vt_bytes aad,
                                struct vt_bytes plain, uint8_t *out_cipher, uint8_t out_tag[16])
{
    return gcm_once(iv, &(struct vt_gcm_call){.key = key->bytes,
                                              .iv = iv.data,
                                              .aad = {aad},
                                              .in = plain,
                                              .out = out_cipher,
                                              .tag = out_tag,
                                              .is_encrypting = true});
}

VT_RESULT vt_aes256_gcm_decrypt(const struct vt_key *key, struct vt_bytes iv, struct vt_bytes aad,
                                struct vt_bytes cipher, const uint8_t tag[16], uint8_t *out_plain)
{
    uint8_t expected[16];
    memcpy(expected, tag, sizeof expected);
    return gcm_once(
        iv, &(struct vt_gcm_call){
                .key = key->bytes, .iv = iv.data, .aad = {aad}, .in = cipher, .out = out_plain, .tag = expected});
}
