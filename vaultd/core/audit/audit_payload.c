#include "libvault/crypto/aead.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/audit/audit.h"

static void payload_ctx(struct vt_seal_ctx *ctx, const struct vt_audit_where *where, const uint8_t origin[16],
                        const uint8_t payload_id[16])
{
    vt_seal_ctx_begin(ctx, where->vault_id, where->incarnation, VT_SEAL_AUDIT_PAYLOAD, where->tenant);
    vt_seal_ctx_bytes(ctx, vt_bytes(origin, 16));
    vt_seal_ctx_bytes(ctx, vt_bytes(payload_id, 16));
}

VT_RESULT vt_audit_payload_seal(const struct vt_key *key, const struct vt_audit_where *where, const uint8_t origin[16],
                                struct vt_bytes payload, struct vt_buf *out_items)
{
    VT_AUTO(vt_buf) sealed = VT_BUF_INIT(VT_AUDIT_PAYLOADS_MAX);
    struct vt_seal_ctx ctx;
    uint8_t payload_id[16];

    VT_TRY(vt_random_bytes(payload_id, sizeof payload_id));
    payload_ctx(&ctx, where, origin, payload_id);
    VT_TRY(vt_seal(key, &ctx, payload, &sealed));
    const struct vt_audit_item item = {VT_AUDIT_ITEM_SEALED, origin, payload_id, vt_buf_bytes(&sealed)};
    return vt_audit_item_write(out_items, &item);
}

VT_RESULT vt_audit_payload_open(const struct vt_key *key, const struct vt_audit_where *where,
                                const struct vt_audit_item *item, struct vt_buf *out_payload)
{
    struct vt_seal_ctx ctx;

    VT_ENSURE(item->kind == VT_AUDIT_ITEM_SEALED, VAULT_E_ARGUMENT);
    payload_ctx(&ctx, where, item->origin, item->payload_id);
    return vt_unseal(key, &ctx, item->bytes, out_payload);
}
