#include "libvault/crypto/pwhash.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/crypto_internal.h"

/* RFC 7914 section 6: B takes 128 r p bytes, V 128 r N, and the mixing of one block 128 r more; OpenSSL counts them all
 * against its limit, whose default of 32 MiB would refuse our own parameters. */
static VT_RESULT memory_needed(const struct vt_scrypt_params *params, uint64_t *out_bytes)
{
    uint64_t rows;
    VT_ENSURE(!__builtin_add_overflow(params->n, (uint64_t)params->p + 2, &rows), VAULT_E_ARGUMENT);
    VT_ENSURE(!__builtin_mul_overflow(rows, 128u * (uint64_t)params->r, out_bytes), VAULT_E_ARGUMENT);
    return VAULT_OK;
}

VT_RESULT vt_scrypt_unchecked(struct vt_bytes passphrase, struct vt_bytes salt, const struct vt_scrypt_params *params,
                              uint8_t *out_bytes, size_t out_len)
{
    uint64_t memory;
    VT_TRY(memory_needed(params, &memory));
    VT_ENSURE(!vt_fault_hit(VT_FAULT_ALLOC), VAULT_E_MEMORY);
    if (EVP_PBE_scrypt((const char *)passphrase.data, passphrase.len, salt.data, salt.len, params->n, params->r,
                       params->p, memory, out_bytes, out_len) == 1)
        return VAULT_OK;
    const bool is_short = ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
    vt_crypto_forget_errors();
    return is_short ? VAULT_E_MEMORY : VAULT_E_CRYPTO;
}

VT_RESULT vt_scrypt(struct vt_bytes passphrase, struct vt_bytes salt, const struct vt_scrypt_params *params,
                    uint8_t *out_bytes, size_t out_len)
{
    VT_ENSURE(params->n >= 1u << 14 && params->n <= 1u << 20 && (params->n & (params->n - 1)) == 0, VAULT_E_ARGUMENT);
    VT_ENSURE(params->r >= 1 && params->r <= 32 && params->p >= 1 && params->p <= 16, VAULT_E_ARGUMENT);
    /* RFC 7914 section 2: N below 2^(128 r / 8), which only r = 1 can miss within these limits. */
    VT_ENSURE(params->r > 1 || params->n < 1u << 16, VAULT_E_ARGUMENT);
    VT_ENSURE(out_len != 0, VAULT_E_ARGUMENT);
    return vt_scrypt_unchecked(passphrase, salt, params, out_bytes, out_len);
}
