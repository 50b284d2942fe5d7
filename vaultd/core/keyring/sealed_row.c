#include "vaultd/core/keyring/sealed_row.h"

static VT_RESULT row_key_of(struct vt_keyring_view *view, uint64_t incarnation, enum vt_seal_kind kind,
                            struct vt_bytes fields, const struct vt_key **out_key, struct vt_seal_ctx *ctx)
{
    *out_key = vt_keyring_system_key(view, VT_SYSTEM_KEY_LEDGER);
    VT_ENSURE(*out_key != NULL, VAULT_E_CORRUPT);
    vt_seal_ctx_begin(ctx, vt_keyring_view_vault_id(view)->bytes, incarnation, kind, VT_TENANT_VAULT);
    vt_seal_ctx_bytes(ctx, fields);
    return VAULT_OK;
}

VT_RESULT vt_sealed_row(struct vt_keyring_view *view, enum vt_seal_kind kind, struct vt_bytes fields, struct vt_bytes plain,
                        struct vt_buf *out_value)
{
    const uint64_t incarnation = vt_keyring_view_incarnation(view);
    const struct vt_key *row_key;
    struct vt_seal_ctx ctx;
    VT_TRY(row_key_of(view, incarnation, kind, fields, &row_key, &ctx));
    VT_TRY(vt_buf_append_u64(out_value, incarnation));
    return vt_seal(row_key, &ctx, plain, out_value);
}

VT_RESULT vt_sealed_row_open(struct vt_keyring_view *view, enum vt_seal_kind kind, struct vt_bytes fields,
                             struct vt_bytes value, uint8_t *out_plain, size_t plain_len)
{
    const struct vt_key *row_key;
    struct vt_seal_ctx ctx;
    VT_ENSURE(value.len == VT_SEALED_ROW_PREFIX_LEN + plain_len + VT_SEAL_OVERHEAD, VAULT_E_CORRUPT);
    VT_TRY(row_key_of(view, vt_get_u64(value.data), kind, fields, &row_key, &ctx));
    const struct vt_bytes sealed = vt_bytes(value.data + VT_SEALED_ROW_PREFIX_LEN, value.len - VT_SEALED_ROW_PREFIX_LEN);
    return vt_unseal_into(row_key, &ctx, sealed, out_plain);
}
