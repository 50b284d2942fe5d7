/* vaultd/core/token/token_internal.h - what the index of tokens is made of. Private to this folder. */
#pragma once
#include "vaultd/core/token/token.h"

/** Where the entry value -> token of a template lies under version @p key_index of K_idx. @return VAULT_E_NOT_FOUND past the last
 *  version */
VT_RESULT vt_token_value_hash(const struct vt_token_env *env, const struct vt_template *template_, const struct vt_field *field,
                              const struct vt_value *stored, size_t key_index, struct vt_index_hash *out_hash);
/** The token that an entry value -> token names, found through its row: works whichever key hashed the entry. */
struct vt_token_entry {
    const struct vt_template *template_;
    struct vt_index_hash holders;       /* under the live version of K_idx */
};
VT_RESULT vt_token_entry_token(const struct vt_token_env *env, const uint8_t data[VT_INDEX_DATA_LEN],
                               struct vt_token_entry *out_entry);
/** Where the holders of the token lie that an entry value -> token names. @param lookup_index which version of the lookup key a
 *  digit token was issued under; opaque ones have one answer, at 0. @return VAULT_E_NOT_FOUND past the last version of either */
VT_RESULT vt_token_entry_holder_hash(const struct vt_token_env *env, const uint8_t data[VT_INDEX_DATA_LEN], size_t lookup_index,
                                     size_t key_index, struct vt_index_hash *out_hash);
