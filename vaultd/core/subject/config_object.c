/* Sealed objects of the CONFIG table.
 * Key: kind 1 | tenant 8 | SHA-256(name)[0:16]. Value: incarnation 8 | version 8 | SEAL(config key, {kind 1, SHA-256(name)[0:16],
 * version 8}, name length 2 | name | object). An object put in another's place fails to open; an older version of the same
 * object, put back with its head, does open: docs/THREATS.md says so. */
#include "libvault/crypto/aead.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/subject/schemas.h"

enum {
    CONFIG_PREFIX_LEN = 9,
    CONFIG_HASH_LEN = 16,
    CONFIG_KEY_LEN = CONFIG_PREFIX_LEN + CONFIG_HASH_LEN,
    CONFIG_HEAD_LEN = 16,
    CONFIG_OBJECT_MAX = 4 * 1024 * 1024,
};

struct config_key {
    uint8_t bytes[CONFIG_KEY_LEN];
};

static VT_RESULT config_key_make(vt_tenant_id tenant, enum vt_config_kind kind, struct vt_bytes name,
                                 struct config_key *out_key)
{
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(vt_sha256_one(name, hash));
    out_key->bytes[0] = (uint8_t)kind;
    vt_put_u64(out_key->bytes + 1, tenant);
    memcpy(out_key->bytes + CONFIG_PREFIX_LEN, hash, CONFIG_HASH_LEN);
    return VAULT_OK;
}

static const struct vt_key *config_seal_key(struct vt_keyring_view *view, vt_tenant_id tenant, size_t index)
{
    if (tenant == VT_TENANT_VAULT) return index == 0 ? vt_keyring_system_key(view, VT_SYSTEM_KEY_CONFIG) : NULL;
    const struct vt_tenant_key *key = vt_keyring_tenant_key(view, tenant, VT_TENANT_KEY_CONFIG, index);
    return key != NULL ? &key->key : NULL;
}

static void config_context(struct vt_keyring_view *view, uint64_t incarnation, vt_tenant_id tenant, enum vt_config_kind kind,
                           const uint8_t *name_hash, uint64_t version, struct vt_seal_ctx *out_ctx)
{
    vt_seal_ctx_begin(out_ctx, vt_keyring_view_vault_id(view)->bytes, incarnation, VT_SEAL_CONFIG, tenant);
    vt_seal_ctx_u8(out_ctx, (uint8_t)kind);
    vt_seal_ctx_bytes(out_ctx, vt_bytes(name_hash, CONFIG_HASH_LEN));
    vt_seal_ctx_u64(out_ctx, version);
}

/** One object: where it lies, what it is called, what it says. */
struct config_item {
    enum vt_config_kind kind;
    struct config_key key;
    struct vt_bytes name, object;
    uint64_t version;
};

static VT_RESULT config_seal(struct vt_change *change, struct vt_keyring_view *view, vt_tenant_id tenant,
                             const struct config_item *item)
{
    const struct vt_key *seal_key = config_seal_key(view, tenant, 0);
    VT_ENSURE(seal_key != NULL, VAULT_E_CORRUPT);
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(CONFIG_OBJECT_MAX);
    VT_AUTO(vt_buf) value = VT_BUF_INIT(CONFIG_OBJECT_MAX + CONFIG_HEAD_LEN + VT_SEAL_OVERHEAD);
    struct vt_seal_ctx ctx;
    config_context(view, vt_keyring_view_incarnation(view), tenant, item->kind, item->key.bytes + CONFIG_PREFIX_LEN, item->version,
                   &ctx);
    VT_TRY(vt_buf_append_u16(&plain, (uint16_t)item->name.len));
    VT_TRY(vt_buf_append(&plain, item->name));
    VT_TRY(vt_buf_append(&plain, item->object));
    VT_TRY(vt_buf_append_u64(&value, vt_keyring_view_incarnation(view)));
    VT_TRY(vt_buf_append_u64(&value, item->version));
    VT_TRY(vt_seal(seal_key, &ctx, vt_buf_bytes(&plain), &value));
    return vt_change_put(change, VT_TABLE_CONFIG, VT_BYTES_OF(item->key.bytes), vt_buf_bytes(&value), VT_PUT_DEFAULT);
}

VT_RESULT vt_config_put(struct vt_change *change, struct vt_keyring_view *view, vt_tenant_id tenant, enum vt_config_kind kind,
                        struct vt_bytes name, struct vt_bytes object)
{
    struct config_item item = {.kind = kind, .name = name, .object = object, .version = 1};
    struct vt_bytes present;
    VT_TRY(config_key_make(tenant, kind, name, &item.key));
    const struct vt_bytes key_bytes = VT_BYTES_OF(item.key.bytes);
    const vault_status found = vt_store_get(vt_keyring_view_txn(view), VT_TABLE_CONFIG, key_bytes, &present);
    VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
    if (found == VAULT_OK) {
        VT_ENSURE(present.len > CONFIG_HEAD_LEN, VAULT_E_CORRUPT);
        item.version = vt_get_u64(present.data + 8) + 1;
    }
    VT_TRY(vt_change_expect(change, VT_TABLE_CONFIG, key_bytes, found == VAULT_OK ? &present : NULL));
    return config_seal(change, view, tenant, &item);
}

/* Older versions of the config key open what was sealed before a rotation. */
static VT_RESULT config_open(struct vt_keyring_view *view, vt_tenant_id tenant, enum vt_config_kind kind,
                             const uint8_t *name_hash, struct vt_bytes value, struct vt_buf *out_plain)
{
    VT_ENSURE(value.len > CONFIG_HEAD_LEN + VT_SEAL_OVERHEAD, VAULT_E_CORRUPT);
    struct vt_seal_ctx ctx;
    config_context(view, vt_get_u64(value.data), tenant, kind, name_hash, vt_get_u64(value.data + 8), &ctx);
    const struct vt_bytes sealed = vt_bytes(value.data + CONFIG_HEAD_LEN, value.len - CONFIG_HEAD_LEN);
    vault_status status = VAULT_E_AUTHENTICITY;
    const struct vt_key *key;
    for (size_t i = 0; status == VAULT_E_AUTHENTICITY && (key = config_seal_key(view, tenant, i)) != NULL; i++)
        status = vt_unseal(key, &ctx, sealed, out_plain);
    VT_TRY(status);
    VT_ENSURE(out_plain->len >= 2 && out_plain->len - 2 >= vt_get_u16(out_plain->data), VAULT_E_CORRUPT);
    return VAULT_OK;
}

static struct vt_bytes config_object(const struct vt_buf *plain)
{
    const size_t head = 2 + (size_t)vt_get_u16(plain->data);
    return vt_bytes(plain->data + head, plain->len - head);
}

VT_RESULT vt_config_get(struct vt_keyring_view *view, vt_tenant_id tenant, enum vt_config_kind kind, struct vt_bytes name,
                        struct vt_buf *out_object)
{
    struct config_key key;
    struct vt_bytes value;
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(CONFIG_OBJECT_MAX);
    VT_TRY(config_key_make(tenant, kind, name, &key));
    VT_TRY(vt_store_get(vt_keyring_view_txn(view), VT_TABLE_CONFIG, VT_BYTES_OF(key.bytes), &value));
    VT_TRY(config_open(view, tenant, kind, key.bytes + CONFIG_PREFIX_LEN, value, &plain));
    return vt_buf_append(out_object, config_object(&plain));
}

VT_RESULT vt_config_expect(struct vt_change *change, struct vt_keyring_view *view, vt_tenant_id tenant,
                           enum vt_config_kind kind, struct vt_bytes name)
{
    struct config_key key;
    struct vt_bytes value;
    VT_TRY(config_key_make(tenant, kind, name, &key));
    VT_TRY(vt_store_get(vt_keyring_view_txn(view), VT_TABLE_CONFIG, VT_BYTES_OF(key.bytes), &value));
    return vt_change_expect(change, VT_TABLE_CONFIG, VT_BYTES_OF(key.bytes), &value);
}

VT_RESULT vt_config_each(struct vt_keyring_view *view, vt_tenant_id tenant, enum vt_config_kind kind,
                         vt_config_visitor visitor, void *context)
{
    uint8_t from[CONFIG_PREFIX_LEN];
    from[0] = (uint8_t)kind;
    vt_put_u64(from + 1, tenant);
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_CONFIG, &cursor));
    struct vt_bytes key, value;
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(from), &key, &value);
    while (status == VAULT_OK && key.len == CONFIG_KEY_LEN && vt_bytes_equal(vt_bytes(key.data, sizeof from), VT_BYTES_OF(from))) {
        VT_AUTO(vt_buf) plain = VT_BUF_INIT(CONFIG_OBJECT_MAX);
        VT_TRY(config_open(view, tenant, kind, key.data + CONFIG_PREFIX_LEN, value, &plain));
        VT_TRY(visitor(context, config_object(&plain)));
        status = vt_cursor_next(cursor, &key, &value);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static VT_RESULT config_check_one(struct vt_keyring_view *view, struct vt_bytes key, struct vt_bytes value)
{
    struct config_key expected;
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(CONFIG_OBJECT_MAX);
    VT_ENSURE(key.len == CONFIG_KEY_LEN, VAULT_E_CORRUPT);
    const enum vt_config_kind kind = (enum vt_config_kind)key.data[0];
    const vt_tenant_id tenant = vt_get_u64(key.data + 1);
    VT_TRY(config_open(view, tenant, kind, key.data + CONFIG_PREFIX_LEN, value, &plain));
    VT_TRY(config_key_make(tenant, kind, vt_bytes(plain.data + 2, vt_get_u16(plain.data)), &expected));
    return vt_bytes_equal(key, VT_BYTES_OF(expected.bytes)) ? VAULT_OK : VAULT_E_CORRUPT;
}

VT_RESULT vt_config_check_objects(struct vt_keyring_view *view)
{
    struct vt_bytes key, value;
    vault_status status;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_CONFIG, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) VT_TRY(config_check_one(view, key, value));
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* Rotation --------------------------------------------------------------------------------------------------------- */

/* Cursor: key of the object that was looked at last, of whichever tenant. */
static bool config_is_live(struct vt_keyring_view *view, vt_tenant_id tenant, const struct config_key *key, struct vt_bytes value)
{
    struct vt_seal_ctx ctx;
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(CONFIG_OBJECT_MAX);
    config_context(view, vt_get_u64(value.data), tenant, (enum vt_config_kind)key->bytes[0], key->bytes + CONFIG_PREFIX_LEN,
                   vt_get_u64(value.data + 8), &ctx);
    const struct vt_bytes sealed = vt_bytes(value.data + CONFIG_HEAD_LEN, value.len - CONFIG_HEAD_LEN);
    return vt_unseal(config_seal_key(view, tenant, 0), &ctx, sealed, &plain) == VAULT_OK;
}

static VT_RESULT config_reseal(struct vt_change *change, struct vt_keyring_view *view, vt_tenant_id tenant,
                               const struct config_key *key, struct vt_bytes value, uint64_t *moved)
{
    struct config_item item = {.kind = (enum vt_config_kind)key->bytes[0], .key = *key};
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(CONFIG_OBJECT_MAX);
    VT_ENSURE(value.len > CONFIG_HEAD_LEN + VT_SEAL_OVERHEAD && config_seal_key(view, tenant, 0) != NULL, VAULT_E_CORRUPT);
    if (config_is_live(view, tenant, key, value)) return VAULT_OK;
    VT_TRY(config_open(view, tenant, item.kind, key->bytes + CONFIG_PREFIX_LEN, value, &plain));
    item.name = vt_bytes(plain.data + 2, vt_get_u16(plain.data));
    item.object = config_object(&plain);
    item.version = vt_get_u64(value.data + 8) + 1;
    VT_TRY(vt_change_expect(change, VT_TABLE_CONFIG, VT_BYTES_OF(key->bytes), &value));
    (*moved)++;
    return config_seal(change, view, tenant, &item);
}

VT_RESULT vt_config_reseal_step(struct vt_change *change, struct vt_keyring_view *view, vt_tenant_id tenant, size_t max,
                                uint8_t cursor[32], uint64_t *out_moved, bool *out_done)
{
    struct config_key at;
    struct vt_bytes key, value;
    uint64_t moved = 0;
    VT_AUTO_PTR(vt_cursor) walk = NULL;
    memcpy(at.bytes, cursor, CONFIG_KEY_LEN);
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_CONFIG, &walk));
    vault_status status = vt_cursor_seek(walk, VT_BYTES_OF(at.bytes), &key, &value);
    for (size_t looked = 0; status == VAULT_OK && looked < max; looked++, status = vt_cursor_next(walk, &key, &value)) {
        VT_ENSURE(key.len == CONFIG_KEY_LEN, VAULT_E_CORRUPT);
        memcpy(at.bytes, key.data, CONFIG_KEY_LEN);
        if (vt_get_u64(at.bytes + 1) == tenant) VT_TRY(config_reseal(change, view, tenant, &at, value, &moved));
    }
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    /* The one looked at last is looked at again, which changes nothing. */
    memcpy(cursor, at.bytes, CONFIG_KEY_LEN);
    *out_moved = moved;
    *out_done = status == VAULT_E_NOT_FOUND;
    return VAULT_OK;
}
