/* vaultd/service/wraps.h - how the unseal key is to be wrapped, as init and rotation are told. Private to this folder.
 * Thread: worker. */
#pragma once
#include "vaultd/service/call.h"

/** Characters of a new passphrase, outside dev mode. NIST SP 800-63B section 5.1.1.1 asks 8 of what a person chooses and a
 *  verifier throttles; whoever has a copy of the store tries as fast as scrypt lets him. */
enum { VT_PASSPHRASE_CHARACTERS_MIN = 12 };

struct vt_wrap_wish {
    struct vt_bytes passphrase, key_file;   /* borrowed from the call; data NULL: not wished */
    unsigned shares, threshold;             /* 0: not wished */
    int64_t now_ms;
    struct vt_secret *share_texts;          /* filled in by vt_wrap_wish_add(): `shares` of them */
};
/** From the arguments passphrase, key_file, shares, threshold. @return VAULT_E_ARGUMENT when none is given, or one that would
 *  protect nothing: a short passphrase, shares of which one opens the vault */
VT_RESULT vt_wrap_wish_read(struct vt_call *call, struct vt_wrap_wish *out_wish);
/** Refuse a text that is no key file by the argument's name, before anything is begun with it. data NULL is allowed. */
VT_RESULT vt_wrap_check_key_file(struct vt_call *call, struct vt_bytes key_file);
/** A vt_epoch_add_wraps; context is the wish. */
vault_status vt_wrap_wish_add(void *wish, struct vt_wraps *wraps, const struct vt_key *unseal_key);
/** The share texts as a list, to be shown once. */
VT_RESULT vt_wrap_wish_shares(struct vt_call *call, const struct vt_wrap_wish *wish, struct vt_value *list);
void vt_wrap_wish_release(struct vt_wrap_wish *wish);
