#include "vaultd/service/parse.h"

#include "libvault/codec/text.h"
#include "libvault/schema/category.h"

VT_RESULT vt_call_time(struct vt_call *call, const char *name, int64_t otherwise, int64_t *out_at_ms)
{
    const struct vt_bytes text = vt_call_text(call, name);
    if (text.data == NULL) {
        *out_at_ms = otherwise;
        return VAULT_OK;
    }
    if (vt_time_parse((const char *)text.data, text.len, out_at_ms)) return VAULT_OK;
    return vt_fail(&call->err, VAULT_E_ARGUMENT, name, "The argument %s must be an RFC 3339 time such as 2026-07-01T00:00:00Z.",
                   name);
}

VT_RESULT vt_call_future_time(struct vt_call *call, const char *name, int64_t *out_at_ms)
{
    int64_t at_ms;
    VT_TRY(vt_call_time(call, name, 0, &at_ms));
    if (vt_call_text(call, name).data != NULL && at_ms <= call->now_ms)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, name, "The argument %s must lie in the future.", name);
    *out_at_ms = at_ms;
    return VAULT_OK;
}

VT_RESULT vt_call_category(struct vt_call *call, const char *name, uint16_t *out_category)
{
    const struct vt_bytes id = vt_call_text(call, name);
    if (id.data == NULL) {
        *out_category = VT_CATEGORY_ALL;
        return VAULT_OK;
    }
    const struct vt_category *category = vt_category_find(id);
    if (category == NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, name, "The argument %s must be a category, A to L.", name);
    *out_category = category->number;
    return VAULT_OK;
}

VT_RESULT vt_call_id(struct vt_call *call, const char *name, uint8_t out_id[16])
{
    const struct vt_bytes hex = vt_call_text(call, name);
    VT_ENSURE(hex.data != NULL, VAULT_E_NOT_FOUND);
    return vt_hex_decode(hex, out_id, 16);
}
