/* libvault/crypto/aes.h - the two raw uses of AES-256: one block for opaque tokens, and GCM without SEAL around it for
 * the published vectors. Everything else is sealed with aead.h. Source: FIPS 197; NIST SP 800-38D. Thread: any. */
#pragma once
#include "libvault/base/secret.h"

/** One raw AES-256 block (FIPS 197), for opaque tokens: ECB of exactly 16 bytes under a per-purpose key. */
VT_RESULT vt_aes256_block(const struct vt_key *key, bool encrypt, const uint8_t in[16], uint8_t out[16]);
/** Plain AES-256-GCM for the published vectors; out arrays have the length of the input.
 *  @return VAULT_E_ARGUMENT (IV empty or over 128 bytes), VAULT_E_TOO_LARGE, VAULT_E_MEMORY, VAULT_E_CRYPTO */
VT_RESULT vt_aes256_gcm_encrypt(const struct vt_key *key, struct vt_bytes iv, struct vt_bytes aad,
                                struct vt_bytes plain, uint8_t *out_cipher, uint8_t out_tag[16]);
/** @return as above, and VAULT_E_AUTHENTICITY on a wrong tag (out_plain is then wiped) */
VT_RESULT vt_aes256_gcm_decrypt(const struct vt_key *key, struct vt_bytes iv, struct vt_bytes aad,
                                struct vt_bytes cipher, const uint8_t tag[16], uint8_t *out_plain);
