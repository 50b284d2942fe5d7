/* libvault/crypto/shamir.h - secret sharing over GF(2^8), polynomial 0x11b, constant time: no tables, no branches on
 * secrets. The secret is f(0); share x in 1..255 is f(x), byte by byte (A. Shamir, "How to share a secret", CACM
 * 22(11), 1979). Authentication of a share is the caller's (see core/keyring/unseal.h). Thread: any. */
#pragma once
#include "libvault/base/secret.h"

/** f(1)..f(m) of @p secret, each secret.len bytes, one after the other in @p out_shares.
 *  @return VAULT_E_ARGUMENT unless 1 <= k <= m <= 255 and secret.len >= 1 */
VT_RESULT vt_shamir_split(struct vt_bytes secret, unsigned k, unsigned m, uint8_t *out_shares);
/** @param xs count distinct x in 1..255; @param shares count times len bytes
 *  @return VAULT_E_ARGUMENT */
VT_RESULT vt_shamir_combine(const uint8_t *xs, const uint8_t *shares, unsigned count, size_t len, uint8_t *out_secret);
uint8_t vt_gf256_mul(uint8_t a, uint8_t b);
uint8_t vt_gf256_inv(uint8_t a); /* inverse of 0 is 0 */
