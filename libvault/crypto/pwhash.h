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
/** @return VAULT_E_ARGUMENT for parameters outside 2^14..2^20, r 1..32, p 1..16; VAULT_E_MEMORY */
VT_RESULT vt_scrypt(struct vt_bytes passphrase, struct vt_bytes salt, const struct vt_scrypt_params *params,
                    uint8_t *out_bytes, size_t out_len);
