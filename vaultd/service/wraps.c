#include "vaultd/service/wraps.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"

VT_RESULT vt_wrap_check_key_file(struct vt_call *call, struct vt_bytes key_file)
{
    if (key_file.data == NULL || vt_wraps_check_key_file(key_file) == VAULT_OK) return VAULT_OK;
    return vt_fail(&call->err, VAULT_E_ARGUMENT, "key_file",
                   "The argument key_file must be 32 bytes, as 64 hexadecimal digits or as base64.");
}

/* A character is a code point (NIST SP 800-63B section 5.1.1.2); what comes over the wire is UTF-8. */
static VT_RESULT check_passphrase(struct vt_call *call, struct vt_bytes passphrase)
{
    const bool is_free = passphrase.data == NULL || vt_vault_get_options(call->vault)->is_dev;
    if (is_free || vt_utf8_count(passphrase) >= VT_PASSPHRASE_CHARACTERS_MIN) return VAULT_OK;
    return vt_fail(&call->err, VAULT_E_ARGUMENT, "passphrase", "The passphrase must have %d characters or more.",
                   VT_PASSPHRASE_CHARACTERS_MIN);
}

static VT_RESULT check_shares(struct vt_call *call, unsigned shares, unsigned threshold)
{
    if ((shares == 0) != (threshold == 0) || threshold > shares)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "threshold",
                       "Shares and threshold go together, the threshold at most the shares.");
    if (threshold == 1)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "threshold",
                       "With threshold 1 each share opens the vault by itself: take 2 or more, or use a key file instead.");
    return VAULT_OK;
}

VT_RESULT vt_wrap_wish_read(struct vt_call *call, struct vt_wrap_wish *out_wish)
{
    struct vt_wrap_wish wish = {.passphrase = vt_call_text(call, "passphrase"), .key_file = vt_call_text(call, "key_file"),
                                .shares = (unsigned)vt_call_int(call, "shares", 0),
                                .threshold = (unsigned)vt_call_int(call, "threshold", 0), .now_ms = call->now_ms};
    if (wish.passphrase.data == NULL && wish.key_file.data == NULL && wish.shares == 0)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "passphrase",
                       "Say how the unseal key is wrapped: passphrase, key_file, or shares with threshold.");
    VT_TRY(vt_wrap_check_key_file(call, wish.key_file));
    VT_TRY(check_passphrase(call, wish.passphrase));
    VT_TRY(check_shares(call, wish.shares, wish.threshold));
    if (wish.shares != 0) wish.share_texts = vt_calloc(wish.shares, sizeof *wish.share_texts);
    VT_ENSURE(wish.shares == 0 || wish.share_texts != NULL, VAULT_E_MEMORY);
    *out_wish = wish;
    return VAULT_OK;
}

vault_status vt_wrap_wish_add(void *context, struct vt_wraps *wraps, const struct vt_key *unseal_key)
{
    const struct vt_wrap_wish *wish = context;
    if (wish->passphrase.data != NULL) VT_TRY(vt_wraps_add_passphrase(wraps, unseal_key, wish->passphrase, wish->now_ms));
    if (wish->key_file.data != NULL) VT_TRY(vt_wraps_add_key_file(wraps, unseal_key, wish->key_file, wish->now_ms));
    if (wish->shares == 0) return VAULT_OK;
    return vt_wraps_add_shamir(wraps, unseal_key, wish->threshold, wish->shares, wish->now_ms, wish->share_texts);
}

VT_RESULT vt_wrap_wish_shares(struct vt_call *call, const struct vt_wrap_wish *wish, struct vt_value *list)
{
    for (unsigned i = 0; i < wish->shares; i++) {
        const struct vt_bytes text = vt_pool_copy(&call->scratch, vt_secret_bytes(&wish->share_texts[i]));
        VT_ENSURE(text.data != NULL, VAULT_E_MEMORY);
        VT_TRY(vt_value_push(&call->scratch, list, vt_value_text(text), NULL));
    }
    return VAULT_OK;
}

void vt_wrap_wish_release(struct vt_wrap_wish *wish)
{
    for (unsigned i = 0; i < wish->shares; i++) vt_secret_release(&wish->share_texts[i]);
    free(wish->share_texts);
    wish->share_texts = NULL;
    wish->shares = 0;
}
