/* libvault/client/public_internal.h - what the two halves of the public API share. Private to this folder. */
#pragma once
#include "libvault/codec/limits.h"
#include "libvault/codec/value.h"
#include "libvault/include/vault/value.h"

struct vault_params {
    struct vt_pool pool;
    vault_status failure;                   /* the first one */
    size_t depth;                           /* of open lists and maps; 0: the map itself */
    struct vt_value open[VT_LIMIT_DEPTH];   /* being filled; moved into their parent when closed */
    struct vt_bytes keys[VT_LIMIT_DEPTH];
};
/** The finished map. @return the first failure; VAULT_E_STATE when something is still open */
VT_RESULT vt_params_value(const struct vault_params *params, const struct vt_value **out_value);
/* A vault_value is a vt_value whose insides the header does not show. */
static inline const struct vt_value *vt_value_of_public(const vault_value *value)
{
    return (const struct vt_value *)(const void *)value;
}
static inline const vault_value *vt_value_to_public(const struct vt_value *value)
{
    return (const vault_value *)(const void *)value;
}
