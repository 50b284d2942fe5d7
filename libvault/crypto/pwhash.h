/* libvault/crypto/pwhash.h - scrypt (RFC 7914): passphrase to key. N=2^17, r=8, p=1 by default: 128 MiB, about half a
 * second; slow lane only. Thread: any. */
#pragma once
#include "libvault/base/secret.h"

struct vt_scrypt_params {
    uint64_t n;
    uint32_t r;
    uint32_t p;
};
#define VT_SCRYPT_DEFAULT ((struct vt_scrypt_params){1u << 17, 8, 1})
/** Needs 128 * r * (n + p + 2) bytes while it runs.
 *  @return VAULT_E_ARGUMENT for n that is no power of two in 2^14..2^20 (below 2^16 with r = 1), r outside 1..32, p
 * outside 1..16, or no output; VAULT_E_MEMORY, VAULT_E_CRYPTO */
VT_RESULT vt_scrypt(struct vt_bytes passphrase, struct vt_bytes salt, const struct vt_scrypt_params *params,
                    uint8_t *out_bytes, size_t out_len);
