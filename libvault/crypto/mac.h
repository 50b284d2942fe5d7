/* libvault/crypto/mac.h - HMAC-SHA256 (FIPS 198-1, RFC 2104) and HKDF-SHA256 (RFC 5869). Thread: any. */
#pragma once
#include "libvault/base/secret.h"

VT_RESULT vt_hmac_sha256(struct vt_bytes key, const struct vt_bytes *pieces, size_t count, uint8_t out_mac[32]);
/** HKDF extract and expand. @param out_len at most 255 * 32. */
VT_RESULT vt_hkdf_sha256(struct vt_bytes ikm, struct vt_bytes salt, struct vt_bytes info, uint8_t *out_okm,
                         size_t out_len);
/** The two halves by themselves, for many outputs of one draw: extract once, expand each. */
VT_RESULT vt_hkdf_extract_sha256(struct vt_bytes ikm, struct vt_bytes salt, struct vt_key *out_prk);
VT_RESULT vt_hkdf_expand_sha256(const struct vt_key *prk, struct vt_bytes info, uint8_t *out_okm, size_t out_len);
/** A subkey: HKDF-SHA256(IKM key, salt empty, info label). */
VT_RESULT vt_key_derive(const struct vt_key *key, const char *label, struct vt_key *out_key);
