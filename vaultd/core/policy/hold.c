#include "vaultd/core/policy/hold.h"

#include "vaultd/core/keyring/sealed_row.h"

enum { PLAIN_VERSION = 1, PLAIN_LEN = 112, SUBJECT_PREFIX_LEN = 24, AT_CATEGORY = 24, AT_ID = 26 };

/* Rows ----------------------------------------------------------------------------------------------------------------- */

void vt_hold_key(const struct vt_hold *hold, uint8_t out_key[VT_HOLD_KEY_LEN])
{
    vt_put_u64(out_key, hold->tenant);
    memcpy(out_key + 8, hold->sid.bytes, sizeof hold->sid.bytes);
    vt_put_u16(out_key + AT_CATEGORY, hold->category);
    memcpy(out_key + AT_ID, hold->id, sizeof hold->id);
}

/* version 1 | reason 33 | commitment 32 | principal 16 | placed ms 8 | zero */
static void hold_encode(const struct vt_hold *hold, uint8_t out_plain[PLAIN_LEN])
{
    memset(out_plain, 0, PLAIN_LEN);
    out_plain[0] = PLAIN_VERSION;
    memcpy(out_plain + 1, hold->reason, sizeof hold->reason);
    memcpy(out_plain + 34, hold->commitment, sizeof hold->commitment);
    memcpy(out_plain + 66, hold->principal, sizeof hold->principal);
    vt_put_u64(out_plain + 82, (uint64_t)hold->placed_at_ms);
}

static VT_RESULT hold_open(struct vt_keyring_view *view, struct vt_bytes key, struct vt_bytes value, struct vt_hold *out_hold)
{
    uint8_t plain[PLAIN_LEN];
    VT_ENSURE(key.len == VT_HOLD_KEY_LEN, VAULT_E_CORRUPT);
    VT_TRY(vt_sealed_row_open(view, VT_SEAL_HOLD, key, value, plain, sizeof plain));
    VT_ENSURE(plain[0] == PLAIN_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(plain[33] == '\0', VAULT_E_CORRUPT);
    struct vt_hold hold = {.tenant = vt_get_u64(key.data), .category = vt_get_u16(key.data + AT_CATEGORY),
                           .placed_at_ms = (int64_t)vt_get_u64(plain + 82)};
    memcpy(hold.sid.bytes, key.data + 8, sizeof hold.sid.bytes);
    memcpy(hold.id, key.data + AT_ID, sizeof hold.id);
    memcpy(hold.reason, plain + 1, sizeof hold.reason);
    memcpy(hold.commitment, plain + 34, sizeof hold.commitment);
    memcpy(hold.principal, plain + 66, sizeof hold.principal);
    *out_hold = hold;
    return VAULT_OK;
}

static VT_RESULT check_room(struct vt_txn *txn)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    size_t count = 0;
    vault_status status;
    VT_TRY(vt_cursor_open(txn, VT_TABLE_HOLD, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) VT_ENSURE(++count < VT_HOLDS_MAX, VAULT_E_LIMIT);
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

VT_RESULT vt_hold_put(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_hold *hold)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(VT_SEALED_ROW_OVERHEAD + PLAIN_LEN);
    uint8_t key[VT_HOLD_KEY_LEN], plain[PLAIN_LEN];
    VT_ENSURE(memchr(hold->reason, '\0', sizeof hold->reason) != NULL, VAULT_E_ARGUMENT);
    VT_TRY(check_room(txn));
    vt_hold_key(hold, key);
    hold_encode(hold, plain);
    VT_TRY(vt_sealed_row(view, VT_SEAL_HOLD, VT_BYTES_OF(key), VT_BYTES_OF(plain), &value));
    return vt_store_put(txn, VT_TABLE_HOLD, VT_BYTES_OF(key), vt_buf_bytes(&value), VT_PUT_NEW);
}

VT_RESULT vt_hold_each(struct vt_keyring_view *view, vt_hold_visit visit, void *context)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    vault_status status;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_HOLD, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        struct vt_hold hold;
        VT_TRY(hold_open(view, key, value, &hold));
        VT_TRY(visit(context, &hold));
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

VT_RESULT vt_hold_find(struct vt_keyring_view *view, const uint8_t id[16], struct vt_hold *out_hold)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_HOLD, &cursor));
    for (;;) {
        VT_TRY(vt_cursor_next(cursor, &key, &value));
        const struct vt_bytes named = vt_bytes(key.data + AT_ID, 16);
        if (key.len == VT_HOLD_KEY_LEN && vt_bytes_equal(named, vt_bytes(id, 16))) return hold_open(view, key, value, out_hold);
    }
}

VT_RESULT vt_hold_is_any(struct vt_txn *txn, bool *out_is_any)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    VT_TRY(vt_cursor_open(txn, VT_TABLE_HOLD, &cursor));
    const vault_status status = vt_cursor_next(cursor, &key, &value);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    *out_is_any = status == VAULT_OK;
    return VAULT_OK;
}

/* The gate ------------------------------------------------------------------------------------------------------------- */

/* Holds of exactly this sid (zero: those of everybody) that cover the category. */
static VT_RESULT gate_sid(struct vt_cursor *cursor, vt_tenant_id tenant, const struct vt_sid *sid, uint16_t category)
{
    uint8_t prefix[SUBJECT_PREFIX_LEN];
    struct vt_bytes key, value;
    vt_put_u64(prefix, tenant);
    memcpy(prefix + 8, sid->bytes, sizeof sid->bytes);
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(prefix), &key, &value);
    while (status == VAULT_OK && key.len == VT_HOLD_KEY_LEN &&
           vt_bytes_equal(vt_bytes(key.data, sizeof prefix), VT_BYTES_OF(prefix))) {
        const uint16_t held = vt_get_u16(key.data + AT_CATEGORY);
        if (held == VT_CATEGORY_ALL || held == category) return VAULT_E_HELD;
        status = vt_cursor_next(cursor, &key, &value);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

VT_RESULT vt_gate_category(struct vt_txn *txn, vt_tenant_id tenant, const struct vt_sid *sid, uint16_t category)
{
    static const struct vt_sid EVERYBODY;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(txn, VT_TABLE_HOLD, &cursor));
    VT_TRY(gate_sid(cursor, tenant, sid, category));
    return gate_sid(cursor, tenant, &EVERYBODY, category);
}

static bool key_is_covered(const struct vt_scope *scope, const struct vt_data_key *key)
{
    if (scope->category != VT_CATEGORY_ALL && scope->category != key->category) return false;
    return scope->record == 0 || scope->record == key->record;
}

VT_RESULT vt_gate_scope(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_scope *scope)
{
    struct vt_txn *txn = vt_keyring_view_txn(view);
    const struct vt_subject_keys *keys;
    bool is_any;
    VT_TRY(vt_hold_is_any(txn, &is_any));
    if (!is_any) return VAULT_OK;
    const vault_status found = vt_keyring_subject_keys(view, tenant, &scope->sid, &keys);
    if (found == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(found);
    const bool is_whole = scope->category == VT_CATEGORY_ALL && scope->record == 0;
    if (is_whole) VT_TRY(vt_gate_category(txn, tenant, &scope->sid, VT_CATEGORY_VAULT));
    for (size_t i = 0; i < keys->count; i++)
        if (key_is_covered(scope, &keys->keys[i])) VT_TRY(vt_gate_category(txn, tenant, &scope->sid, keys->keys[i].category));
    return VAULT_OK;
}
