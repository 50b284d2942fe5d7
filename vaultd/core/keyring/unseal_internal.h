/* vaultd/core/keyring/unseal_internal.h - the wraps in memory, shared by unseal.c and unseal_shares.c. Private to this folder.
 * Thread: as unseal.h. */
#pragma once
#include "libvault/crypto/aead.h"
#include "vaultd/core/keyring/unseal.h"

enum {
    VT_WRAP_SEALED_LEN = VT_KEY_LEN + VT_SEAL_OVERHEAD,
    VT_WRAP_SALT_LEN = 32,
    VT_WRAP_CHECK_LEN = 16,
    VT_WRAP_SHAMIR_FIXED_LEN = 2 + VT_WRAP_SALT_LEN,        /* k 1 | n 1 | salt 32, then n checks of 16 */
    VT_WRAP_PARAMS_MAX = VT_WRAP_SHAMIR_FIXED_LEN + 255 * VT_WRAP_CHECK_LEN,
};

struct vt_wrap {
    enum vt_wrap_method method;
    uint8_t wrap_id[16];
    int64_t created_at_ms;
    struct vt_buf params;
    uint8_t sealed[VT_WRAP_SEALED_LEN];
};

struct vt_wraps {
    struct vt_vault_id vault_id;
    size_t count;
    struct vt_wrap items[VT_WRAPS_MAX];
};

/** A fresh, empty wrap behind the last one; not counted until vt_wraps_keep(). @return VAULT_E_LIMIT */
VT_RESULT vt_wraps_begin(struct vt_wraps *wraps, enum vt_wrap_method method, int64_t now_ms, struct vt_wrap **out_wrap);
/** Seal U under HKDF(@p secret) and count the wrap begun last. */
VT_RESULT vt_wraps_keep(struct vt_wraps *wraps, struct vt_bytes secret, const struct vt_key *unseal_key);
/** @return VAULT_E_WRONG_SECRET when @p secret does not open @p wrap */
VT_RESULT vt_wrap_open(const struct vt_wraps *wraps, const struct vt_wrap *wrap, struct vt_bytes secret,
                       struct vt_key *out_unseal_key);
