/* Named keys: those of the vault in T_sys, of a tenant in T_ten. A tree of them is small and read as a whole. */
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/keyring/keyring_internal.h"

/* Part of the format: a name's number is its position, the label is what the tree position is derived from. */
static const char *const system_labels[VT_SYSTEM_KEY_COUNT] = {
    [VT_SYSTEM_KEY_LEDGER] = "sys:ledger",
    [VT_SYSTEM_KEY_CONFIG] = "sys:config",
    [VT_SYSTEM_KEY_AUDIT_SIGN] = "sys:audit-sign",
    [VT_SYSTEM_KEY_CERTIFICATE_SIGN] = "sys:certificate-sign",
    [VT_SYSTEM_KEY_AUDIT] = "sys:audit",
    [VT_SYSTEM_KEY_WINDOW] = "sys:window",
    [VT_SYSTEM_KEY_IDEMPOTENCY] = "sys:idempotency",
};
static const char *const tenant_labels[VT_TENANT_KEY_COUNT] = {
    [VT_TENANT_KEY_INDEX] = "ten:index",
    [VT_TENANT_KEY_PLACE] = "ten:place",
    [VT_TENANT_KEY_TOKEN_LOOKUP] = "ten:token-lookup",
    [VT_TENANT_KEY_TOKEN_SEAL] = "ten:token-seal",
    [VT_TENANT_KEY_AUDIT] = "ten:audit",
    [VT_TENANT_KEY_CONFIG] = "ten:config",
};

enum { NAMED_VERSION = 32, NAMED_CREATED = 36, NAMED_STATE = 44, NAMED_NAME = 45, NAMED_STATE_LIVE = 1 };
enum { NAME_INCARNATION = 256 };    /* no key: a former incarnation */

static size_t name_count(uint8_t tree)
{
    return tree == VT_TREE_SYS ? VT_SYSTEM_KEY_COUNT : VT_TENANT_KEY_COUNT;
}

VT_RESULT vt_named_key_position(uint8_t tree, unsigned name, uint32_t version, uint8_t out_key[VT_ENTRY_KEY_LEN])
{
    uint8_t hash[VT_SHA256_LEN], version_bytes[4];
    const char *label = tree == VT_TREE_SYS ? system_labels[name] : tenant_labels[name];
    vt_put_u32(version_bytes, version);
    const struct vt_bytes pieces[] = {vt_bytes_str(label), VT_BYTES_OF(version_bytes)};
    VT_TRY(vt_sha256(pieces, VT_ARRAY_LEN(pieces), hash));
    memcpy(out_key, hash, VT_ENTRY_KEY_LEN);
    return VAULT_OK;
}

void vt_named_key_payload(unsigned name, const struct vt_tenant_key *key, uint8_t out_payload[VT_ENTRY_PAYLOAD_LEN])
{
    memset(out_payload, 0, VT_ENTRY_PAYLOAD_LEN);
    memcpy(out_payload, key->key.bytes, VT_KEY_LEN);
    vt_put_u32(out_payload + NAMED_VERSION, key->version);
    vt_put_u64(out_payload + NAMED_CREATED, (uint64_t)key->created_at_ms);
    out_payload[NAMED_STATE] = NAMED_STATE_LIVE;
    vt_put_u16(out_payload + NAMED_NAME, (uint16_t)name);
}

/* Newest version first. */
static VT_RESULT table_add(struct vt_key_table *table, unsigned name, const uint8_t *payload)
{
    struct vt_tenant_key *keys = table->keys[name];
    const uint32_t version = vt_get_u32(payload + NAMED_VERSION);
    size_t at = table->counts[name];
    VT_ENSURE(at < VT_TENANT_KEY_VERSIONS, VAULT_E_CORRUPT);
    for (; at > 0 && keys[at - 1].version < version; at--) keys[at] = keys[at - 1];
    keys[at].version = version;
    keys[at].created_at_ms = (int64_t)vt_get_u64(payload + NAMED_CREATED);
    memcpy(keys[at].key.bytes, payload, VT_KEY_LEN);
    table->counts[name]++;
    return VAULT_OK;
}

VT_RESULT vt_incarnation_entry(const struct vt_incarnation *incarnation, uint8_t out_key[VT_ENTRY_KEY_LEN],
                               uint8_t out_payload[VT_ENTRY_PAYLOAD_LEN])
{
    static const char label[] = "sys:incarnation";
    uint8_t hash[VT_SHA256_LEN], number[8];
    vt_put_u64(number, incarnation->number);
    const struct vt_bytes pieces[] = {vt_bytes_str(label), VT_BYTES_OF(number)};
    VT_TRY(vt_sha256(pieces, VT_ARRAY_LEN(pieces), hash));
    memcpy(out_key, hash, VT_ENTRY_KEY_LEN);
    memset(out_payload, 0, VT_ENTRY_PAYLOAD_LEN);
    vt_put_u64(out_payload, incarnation->number);
    vt_put_u64(out_payload + 8, incarnation->last_epoch);
    vt_put_u64(out_payload + 16, incarnation->last_commit);
    vt_put_u64(out_payload + 24, (uint64_t)incarnation->ended_at_ms);
    out_payload[NAMED_STATE] = NAMED_STATE_LIVE;
    vt_put_u16(out_payload + NAMED_NAME, NAME_INCARNATION);
    return VAULT_OK;
}

/* In order of their numbers, whatever the order of their positions. */
static VT_RESULT table_add_incarnation(struct vt_key_table *table, const uint8_t *entry)
{
    const uint8_t *payload = entry + VT_ENTRY_KEY_LEN;
    const struct vt_incarnation one = {vt_get_u64(payload), vt_get_u64(payload + 8), vt_get_u64(payload + 16),
                                       (int64_t)vt_get_u64(payload + 24)};
    uint8_t position[VT_ENTRY_KEY_LEN], again[VT_ENTRY_PAYLOAD_LEN];
    size_t at = table->incarnation_count;
    VT_ENSURE(at < VT_INCARNATIONS_MAX, VAULT_E_CORRUPT);
    VT_TRY(vt_incarnation_entry(&one, position, again));
    VT_ENSURE(memcmp(position, entry, sizeof position) == 0 && memcmp(again, payload, sizeof again) == 0, VAULT_E_CORRUPT);
    for (; at > 0 && table->incarnations[at - 1].number > one.number; at--) table->incarnations[at] = table->incarnations[at - 1];
    table->incarnations[at] = one;
    table->incarnation_count++;
    return VAULT_OK;
}

struct table_walk {
    struct vt_key_table *table;
    uint8_t tree;
};

static vault_status table_visit(void *context, const uint8_t *entry, bool *out_stop)
{
    const struct table_walk *walk = context;
    const uint8_t *payload = entry + VT_ENTRY_KEY_LEN;
    const unsigned name = vt_get_u16(payload + NAMED_NAME);
    uint8_t position[VT_ENTRY_KEY_LEN];
    (void)out_stop;
    const bool is_incarnation = walk->tree == VT_TREE_SYS && name == NAME_INCARNATION && payload[NAMED_STATE] == NAMED_STATE_LIVE;
    if (is_incarnation) return table_add_incarnation(walk->table, entry);
    VT_ENSURE(payload[NAMED_STATE] == NAMED_STATE_LIVE && name < name_count(walk->tree), VAULT_E_FORMAT);
    VT_TRY(vt_named_key_position(walk->tree, name, vt_get_u32(payload + NAMED_VERSION), position));
    VT_ENSURE(memcmp(position, entry, sizeof position) == 0, VAULT_E_CORRUPT);
    return table_add(walk->table, name, payload);
}

void vt_key_table_cache_key(vt_tenant_id tenant, uint8_t tree, uint64_t root_id, uint64_t version,
                            struct vt_cache_key *out_key)
{
    const struct vt_page_name name = {tenant, tree, VT_KEY_TABLE_LEVEL, root_id};
    vt_page_cache_key(&name, version, out_key);
}

static VT_RESULT table_read(const struct vt_tree *tree, struct vt_key_table *table)
{
    static const uint8_t first[VT_ENTRY_KEY_LEN] = {0};
    struct table_walk walk = {table, tree->number};
    return vt_tree_walk(tree, first, table_visit, &walk);
}

VT_RESULT vt_key_table_load(struct vt_keyring_view *view, const struct vt_tree *tree, struct vt_key_table **out_table)
{
    struct vt_cache_key key;
    const bool is_shared = tree->root == NULL;      /* an overlay's state has no name in the cache */
    vt_key_table_cache_key(tree->tenant, tree->number, vt_slot_id(tree->slot), vt_slot_version(tree->slot), &key);
    struct vt_cached *found = is_shared ? vt_cache_get(view->ring->pages, &key, 0) : NULL;
    struct vt_key_table *table = (struct vt_key_table *)(void *)found;
    if (table == NULL) {
        table = vt_cached_new(sizeof *table);
        VT_ENSURE(table != NULL, VAULT_E_MEMORY);
        table->head.key = key;
        const vault_status status = table_read(tree, table);
        if (status != VAULT_OK) vt_cached_drop(&table->head);
        VT_TRY(status);
        if (is_shared) vt_cache_put(view->ring->pages, &table->head, view->root->record.page_version);
    }
    VT_TRY(vt_view_pin(view, &table->head));
    *out_table = table;
    return VAULT_OK;
}
