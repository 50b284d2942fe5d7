#include "vaultd/core/keyring/keyblock_internal.h"

#include "libvault/codec/limits.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/keyring/keyring_internal.h"

/* Plain block: version 1 | zero 1 | key count 2 | highest dropped version 4 | audit key 32 | pseudonym key 32 | keys of
 * 64: category 2 | record 8 | version 4 | state 1 | zero 1 | created 8 | expires 8 | key 32; zeroes up to the padded
 * length. Row: incarnation 8 | key-block version 4 | SEAL. */
enum {
    BLOCK_VERSION = 1,
    BLOCK_COUNT = 2,
    BLOCK_RETIRED = 4,
    BLOCK_AUDIT = 8,
    BLOCK_PSEUDONYM = 40,
    BLOCK_KEYS = 72,
    BLOCK_KEY_LEN = 64,
    BLOCK_PLAIN_MAX = BLOCK_KEYS + VT_KEYBLOCK_KEYS_MAX * BLOCK_KEY_LEN,
    BLOCK_HEAD_LEN = 12,
    PAD_STEP = 64,
    PAD_STEPS_END = 1024,
    PAD_TWO_KIB = 2048,
    PAD_ONE_PAGE = 3968,
    PAD_PAGE_STEP = 4096,
    BLOCK_VALUE_MAX = BLOCK_HEAD_LEN + (BLOCK_PLAIN_MAX / PAD_PAGE_STEP + 1) * PAD_PAGE_STEP + VT_SEAL_OVERHEAD,
};

/* T_sub entries ---------------------------------------------------------------------------------------------------- */

enum { SUB_VERSION = 32, SUB_TAG = 36, SUB_EPOCH = 44, SUB_FLAGS = 48 };

void vt_subject_entry_release(struct vt_subject_entry *entry)
{
    vt_wipe(entry, sizeof *entry);
}

void vt_subject_entry_decode(const uint8_t *payload, struct vt_subject_entry *out_entry)
{
    memcpy(out_entry->subject_key.bytes, payload, VT_KEY_LEN);
    out_entry->version = vt_get_u32(payload + SUB_VERSION);
    memcpy(out_entry->tag, payload + SUB_TAG, sizeof out_entry->tag);
    out_entry->created_epoch = vt_get_u32(payload + SUB_EPOCH);
    out_entry->flags = payload[SUB_FLAGS];
}

void vt_subject_entry_encode(const struct vt_subject_entry *entry, uint8_t *out_payload)
{
    memcpy(out_payload, entry->subject_key.bytes, VT_KEY_LEN);
    vt_put_u32(out_payload + SUB_VERSION, entry->version);
    memcpy(out_payload + SUB_TAG, entry->tag, sizeof entry->tag);
    vt_put_u32(out_payload + SUB_EPOCH, entry->created_epoch);
    out_payload[SUB_FLAGS] = entry->flags;
}

void vt_subject_cache_key(vt_tenant_id tenant, const struct vt_sid *sid, struct vt_cache_key *out_key)
{
    *out_key = (struct vt_cache_key){.tenant = tenant};
    memcpy(out_key->id, sid->bytes, sizeof out_key->id);
}

/* Opening ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT block_check(const uint8_t *plain, size_t len)
{
    VT_ENSURE(len >= BLOCK_KEYS, VAULT_E_CORRUPT);
    VT_ENSURE(plain[0] == BLOCK_VERSION, VAULT_E_FORMAT);
    const size_t count = vt_get_u16(plain + BLOCK_COUNT);
    VT_ENSURE(count <= VT_KEYBLOCK_KEYS_MAX && count * BLOCK_KEY_LEN <= len - BLOCK_KEYS, VAULT_E_CORRUPT);
    return VAULT_OK;
}

static void data_key_decode(const uint8_t *raw, struct vt_data_key *out_key)
{
    out_key->category = vt_get_u16(raw);
    out_key->record = vt_get_u64(raw + 2);
    out_key->version = vt_get_u32(raw + 10);
    out_key->state = raw[14];
    out_key->created_at_ms = (int64_t)vt_get_u64(raw + 16);
    out_key->expires_at_ms = (int64_t)vt_get_u64(raw + 24);
    memcpy(out_key->key.bytes, raw + 32, VT_KEY_LEN);
}

static void data_key_encode(const struct vt_data_key *key, uint8_t *out_raw)
{
    vt_put_u16(out_raw, key->category);
    vt_put_u64(out_raw + 2, key->record);
    vt_put_u32(out_raw + 10, key->version);
    out_raw[14] = key->state;
    out_raw[15] = 0;
    vt_put_u64(out_raw + 16, (uint64_t)key->created_at_ms);
    vt_put_u64(out_raw + 24, (uint64_t)key->expires_at_ms);
    memcpy(out_raw + 32, key->key.bytes, VT_KEY_LEN);
}

static VT_RESULT block_decode(const uint8_t *plain, size_t len, struct vt_opened_block **out_block)
{
    VT_TRY(block_check(plain, len));
    const size_t count = vt_get_u16(plain + BLOCK_COUNT);
    struct vt_opened_block *block = vt_cached_new(sizeof *block + count * sizeof block->array[0]);
    VT_ENSURE(block != NULL, VAULT_E_MEMORY);
    block->retired_version = vt_get_u32(plain + BLOCK_RETIRED);
    memcpy(block->keys.audit_key.bytes, plain + BLOCK_AUDIT, VT_KEY_LEN);
    memcpy(block->keys.pseudonym_key.bytes, plain + BLOCK_PSEUDONYM, VT_KEY_LEN);
    for (size_t i = 0; i < count; i++) data_key_decode(plain + BLOCK_KEYS + i * BLOCK_KEY_LEN, &block->array[i]);
    block->keys.count = count;
    block->keys.keys = block->array;
    *out_block = block;
    return VAULT_OK;
}

static void block_context(const struct vt_vault_id *vault_id, uint64_t incarnation, vt_tenant_id tenant,
                          const struct vt_sid *sid, uint32_t version, struct vt_seal_ctx *out_ctx)
{
    vt_seal_ctx_begin(out_ctx, vault_id->bytes, incarnation, VT_SEAL_KEY_BLOCK, tenant);
    vt_seal_ctx_bytes(out_ctx, VT_BYTES_OF(sid->bytes));
    vt_seal_ctx_u32(out_ctx, version);
}

static VT_RESULT block_tag(struct vt_bytes value, uint8_t out_tag[8])
{
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(vt_sha256_one(value, hash));
    memcpy(out_tag, hash, 8);
    return VAULT_OK;
}

/* Version and tag first: an older block of the same subject opens under the same key unless its version is compared. */
static VT_RESULT value_check(const struct vt_subject_entry *entry, struct vt_bytes value)
{
    uint8_t tag[8];
    VT_ENSURE(value.len > BLOCK_HEAD_LEN + VT_SEAL_OVERHEAD && value.len <= BLOCK_VALUE_MAX, VAULT_E_CORRUPT);
    VT_ENSURE(vt_get_u32(value.data + 8) == entry->version, VAULT_E_AUTHENTICITY);
    VT_TRY(block_tag(value, tag));
    VT_ENSURE(vt_ct_equal(VT_BYTES_OF(tag), VT_BYTES_OF(entry->tag)), VAULT_E_AUTHENTICITY);
    return VAULT_OK;
}

VT_RESULT vt_keyblock_open(const struct vt_vault_id *vault_id, vt_tenant_id tenant, const struct vt_sid *sid,
                           const struct vt_subject_entry *entry, struct vt_bytes value,
                           struct vt_opened_block **out_block)
{
    VT_TRY(value_check(entry, value));
    const struct vt_bytes sealed = vt_bytes(value.data + BLOCK_HEAD_LEN, value.len - BLOCK_HEAD_LEN);
    const size_t plain_len = sealed.len - VT_SEAL_OVERHEAD;
    uint8_t *plain = vt_secret_alloc(plain_len);
    VT_ENSURE(plain != NULL, VAULT_E_MEMORY);

    struct vt_seal_ctx ctx;
    struct vt_opened_block *block = NULL;
    block_context(vault_id, vt_get_u64(value.data), tenant, sid, entry->version, &ctx);
    vault_status status = vt_unseal_into(&entry->subject_key, &ctx, sealed, plain);
    if (status == VAULT_OK) status = block_decode(plain, plain_len, &block);
    vt_secret_free(plain);
    VT_TRY(status);

    block->keys.sid = *sid;
    block->keys.version = entry->version;
    block->keys.created_epoch = entry->created_epoch;
    *out_block = block;
    return VAULT_OK;
}

const struct vt_data_key *vt_subject_keys_find(const struct vt_subject_keys *keys, uint16_t category, uint64_t record,
                                               uint32_t version)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct vt_data_key *key = &keys->keys[i];
        if (key->category == category && key->record == record && key->version == version) return key;
    }
    return NULL;
}

const struct vt_data_key *vt_subject_keys_live(const struct vt_subject_keys *keys, uint16_t category, uint64_t record)
{
    const struct vt_data_key *of_category = NULL;
    for (size_t i = 0; i < keys->count; i++) {
        const struct vt_data_key *key = &keys->keys[i];
        if (key->category != category || key->state != VT_DATA_KEY_LIVE) continue;
        if (key->record == record) return key;
        if (key->record == 0) of_category = key;
    }
    return of_category;
}

/* Drafts ----------------------------------------------------------------------------------------------------------- */

enum { DRAFT_FIRST_KEYS = 7 };

static VT_RESULT draft_alloc(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid, size_t keys,
                             struct vt_keyblock_draft **out_draft)
{
    VT_AUTO_PTR(vt_keyblock_draft) draft = vt_secret_alloc(sizeof *draft);
    VT_ENSURE(draft != NULL, VAULT_E_MEMORY);
    draft->sealed = VT_BUF_INIT(BLOCK_VALUE_MAX);
    draft->capacity = VT_MAX(keys, (size_t)DRAFT_FIRST_KEYS);
    draft->data_keys = vt_secret_alloc(draft->capacity * sizeof draft->data_keys[0]);
    VT_ENSURE(draft->data_keys != NULL, VAULT_E_MEMORY);
    draft->keys.keys = draft->data_keys;
    draft->tenant = tenant;
    draft->vault_id = view->root->record.vault_id;
    draft->incarnation = view->root->record.incarnation;
    draft->keys.sid = *sid;
    *out_draft = VT_MOVE(draft);
    return VAULT_OK;
}

VT_RESULT vt_keyblock_new(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                          struct vt_keyblock_draft **out_draft)
{
    VT_AUTO_PTR(vt_keyblock_draft) draft = NULL;
    VT_TRY(vt_keyring_tenant_open(view, tenant));
    VT_TRY(draft_alloc(view, tenant, sid, 0, &draft));
    VT_TRY(vt_random_seed(&draft->seed));
    VT_TRY(vt_random_key_of(&draft->seed, &draft->entry.subject_key));
    VT_TRY(vt_random_key_of(&draft->seed, &draft->keys.audit_key));
    VT_TRY(vt_random_key_of(&draft->seed, &draft->keys.pseudonym_key));
    draft->is_new = true;
    draft->entry.version = 1;
    draft->entry.created_epoch = (uint32_t)view->root->record.epoch;
    draft->keys.version = draft->entry.version;
    draft->keys.created_epoch = draft->entry.created_epoch;
    *out_draft = VT_MOVE(draft);
    return VAULT_OK;
}

static void draft_take(struct vt_keyblock_draft *draft, const struct vt_subject_entry *entry,
                       const struct vt_opened_block *block)
{
    draft->base_version = entry->version;
    memcpy(draft->base_tag, entry->tag, sizeof draft->base_tag);
    draft->entry = *entry;
    draft->entry.version = entry->version + 1;
    draft->retired_version = block->retired_version;
    draft->keys.version = draft->entry.version;
    draft->keys.created_epoch = entry->created_epoch;
    draft->keys.audit_key = block->keys.audit_key;
    draft->keys.pseudonym_key = block->keys.pseudonym_key;
    draft->keys.count = block->keys.count;
    memcpy(draft->data_keys, block->array, block->keys.count * sizeof block->array[0]);
}

VT_RESULT vt_keyblock_edit(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                           struct vt_keyblock_draft **out_draft)
{
    VT_AUTO(vt_subject_entry) entry = {0};
    VT_AUTO_PTR(vt_keyblock_draft) draft = NULL;
    struct vt_opened_block *block = NULL;
    VT_TRY(vt_view_subject_entry(view, tenant, sid, &entry));
    VT_ENSURE(entry.version < UINT32_MAX, VAULT_E_LIMIT);
    VT_TRY(vt_view_block_read(view, tenant, sid, &entry, &block));
    const vault_status status = draft_alloc(view, tenant, sid, block->keys.count, &draft);
    if (status == VAULT_OK) draft_take(draft, &entry, block);
    vt_cached_drop(&block->head);
    VT_TRY(status);
    *out_draft = VT_MOVE(draft);
    return VAULT_OK;
}

void vt_keyblock_draft_free(struct vt_keyblock_draft *draft)
{
    if (draft == NULL) return;
    vt_secret_free(draft->data_keys);
    vt_buf_release(&draft->sealed);
    vt_secret_free(draft);
}

const struct vt_subject_keys *vt_keyblock_keys(const struct vt_keyblock_draft *draft)
{
    return &draft->keys;
}

static VT_RESULT draft_grow(struct vt_keyblock_draft *draft)
{
    if (draft->keys.count < draft->capacity) return VAULT_OK;
    const size_t capacity = draft->capacity * 2;
    struct vt_data_key *grown = vt_secret_alloc(capacity * sizeof *grown);
    VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
    memcpy(grown, draft->data_keys, draft->keys.count * sizeof *grown);
    vt_secret_free(draft->data_keys);
    draft->data_keys = grown;
    draft->keys.keys = grown;
    draft->capacity = capacity;
    return VAULT_OK;
}

/* How many records have keys of their own. Keys of one record need not lie side by side: at most 256 are compared. */
static size_t record_count(const struct vt_subject_keys *keys)
{
    size_t count = 0;
    for (size_t i = 0; i < keys->count; i++) {
        bool is_first = keys->keys[i].record != 0;
        for (size_t k = 0; k < i && is_first; k++) is_first = keys->keys[k].record != keys->keys[i].record;
        if (is_first) count++;
    }
    return count;
}

static bool has_record(const struct vt_subject_keys *keys, uint64_t record)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->keys[i].record == record) return true;
    return false;
}

/* Above every version that this key ever had: a row in an old backup must not fit a later key by its number alone. */
static uint32_t next_version(const struct vt_keyblock_draft *draft, uint16_t category, uint64_t record)
{
    uint32_t highest = draft->retired_version;
    for (size_t i = 0; i < draft->keys.count; i++) {
        const struct vt_data_key *key = &draft->data_keys[i];
        if (key->category == category && key->record == record) highest = VT_MAX(highest, key->version);
    }
    return highest + 1;
}

VT_RESULT vt_keyblock_add(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record, int64_t now_ms,
                          const struct vt_data_key **out_key)
{
    struct vt_subject_keys *keys = &draft->keys;
    VT_ENSURE(category != VT_CATEGORY_ALL, VAULT_E_ARGUMENT);
    VT_ENSURE(!draft->is_sealed, VAULT_E_STATE);
    VT_ENSURE(keys->count < VT_KEYBLOCK_KEYS_MAX, VAULT_E_LIMIT);
    VT_ENSURE(record == 0 || has_record(keys, record) || record_count(keys) < VT_LIMIT_RECORD_KEYS, VAULT_E_LIMIT);
    VT_TRY(draft_grow(draft));

    struct vt_data_key *fresh = &draft->data_keys[keys->count];
    VT_TRY(draft->is_new ? vt_random_key_of(&draft->seed, &fresh->key) : vt_random_key(&fresh->key));
    const uint32_t version = next_version(draft, category, record);
    for (size_t i = 0; i < keys->count; i++) {
        struct vt_data_key *older = &draft->data_keys[i];
        if (older->category == category && older->record == record && older->state == VT_DATA_KEY_LIVE)
            older->state = VT_DATA_KEY_OPEN_ONLY;
    }
    fresh->category = category;
    fresh->record = record;
    fresh->version = version;
    fresh->state = VT_DATA_KEY_LIVE;
    fresh->created_at_ms = now_ms;
    fresh->expires_at_ms = 0;
    keys->count++;
    *out_key = fresh;
    return VAULT_OK;
}

/** What to take out: version 0 means every version. */
struct key_scope {
    uint16_t category;
    uint64_t record;
    uint32_t version;
};

static bool scope_holds(const struct key_scope *scope, const struct vt_data_key *key)
{
    if (scope->version != 0)
        return key->category == scope->category && key->record == scope->record && key->version == scope->version;
    return (scope->category == VT_CATEGORY_ALL || key->category == scope->category) &&
           (scope->record == 0 || key->record == scope->record);
}

static void take_out(struct vt_keyblock_draft *draft, const struct key_scope *scope)
{
    size_t kept = 0;
    for (size_t i = 0; i < draft->keys.count; i++) {
        if (scope_holds(scope, &draft->data_keys[i]))
            draft->retired_version = VT_MAX(draft->retired_version, draft->data_keys[i].version);
        else
            draft->data_keys[kept++] = draft->data_keys[i];
    }
    vt_wipe(&draft->data_keys[kept], (draft->keys.count - kept) * sizeof draft->data_keys[0]);
    draft->keys.count = kept;
}

/* The fresh subject key is what forgets: the older blocks stay behind in backups and free pages, and opened with the
 * key that the tree is about to drop. */
static VT_RESULT draft_forget(struct vt_keyblock_draft *draft, const struct key_scope *scope)
{
    VT_AUTO(vt_key) fresh = VT_KEY_INIT;
    bool is_found = false;
    VT_ENSURE(!draft->is_sealed, VAULT_E_STATE);
    for (size_t i = 0; i < draft->keys.count; i++)
        if (scope_holds(scope, &draft->data_keys[i])) is_found = true;
    VT_ENSURE(is_found, VAULT_E_NOT_FOUND);
    VT_TRY(vt_random_key(&fresh));
    draft->entry.subject_key = fresh;
    take_out(draft, scope);
    return VAULT_OK;
}

VT_RESULT vt_keyblock_drop(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record)
{
    return draft_forget(draft, &(struct key_scope){category, record, 0});
}

VT_RESULT vt_keyblock_drop_version(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record,
                                   uint32_t version)
{
    VT_ENSURE(version != 0, VAULT_E_ARGUMENT);
    return draft_forget(draft, &(struct key_scope){category, record, version});
}

VT_RESULT vt_keyblock_renew(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record, int64_t now_ms,
                            const struct vt_data_key **out_key)
{
    const struct vt_data_key *fresh;
    uint32_t older[VT_KEYBLOCK_KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < draft->keys.count; i++) {
        const struct vt_data_key *key = &draft->data_keys[i];
        if (key->category == category && key->record == record) older[count++] = key->version;
    }
    VT_ENSURE(count != 0, VAULT_E_NOT_FOUND);
    VT_TRY(vt_keyblock_add(draft, category, record, now_ms, &fresh));
    const uint32_t kept = fresh->version;
    for (size_t i = 0; i < count; i++) VT_TRY(vt_keyblock_drop_version(draft, category, record, older[i]));
    *out_key = vt_subject_keys_find(&draft->keys, category, record, kept);
    return *out_key != NULL ? VAULT_OK : VAULT_E_CORRUPT;
}

VT_RESULT vt_keyblock_set_state(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record, uint32_t version,
                                enum vt_data_key_state state)
{
    const struct key_scope scope = {category, record, version};
    VT_ENSURE(version != 0, VAULT_E_ARGUMENT);
    VT_ENSURE(!draft->is_sealed, VAULT_E_STATE);
    for (size_t i = 0; i < draft->keys.count; i++) {
        if (!scope_holds(&scope, &draft->data_keys[i])) continue;
        draft->data_keys[i].state = (uint8_t)state;
        return VAULT_OK;
    }
    return VAULT_E_NOT_FOUND;
}

/* Sealing ---------------------------------------------------------------------------------------------------------- */

static size_t padded_len(size_t len)
{
    if (len <= PAD_STEPS_END) return (len + PAD_STEP - 1) / PAD_STEP * PAD_STEP;
    if (len <= PAD_TWO_KIB) return PAD_TWO_KIB;
    if (len <= PAD_ONE_PAGE) return PAD_ONE_PAGE;
    return (len + PAD_PAGE_STEP - 1) / PAD_PAGE_STEP * PAD_PAGE_STEP;
}

static void block_encode(const struct vt_keyblock_draft *draft, uint8_t *out_plain)
{
    out_plain[0] = BLOCK_VERSION;
    vt_put_u16(out_plain + BLOCK_COUNT, (uint16_t)draft->keys.count);
    vt_put_u32(out_plain + BLOCK_RETIRED, draft->retired_version);
    memcpy(out_plain + BLOCK_AUDIT, draft->keys.audit_key.bytes, VT_KEY_LEN);
    memcpy(out_plain + BLOCK_PSEUDONYM, draft->keys.pseudonym_key.bytes, VT_KEY_LEN);
    for (size_t i = 0; i < draft->keys.count; i++)
        data_key_encode(&draft->data_keys[i], out_plain + BLOCK_KEYS + i * BLOCK_KEY_LEN);
}

static VT_RESULT seal_row(const struct vt_keyblock_draft *draft, struct vt_buf *out_row)
{
    struct vt_seal_ctx ctx;
    const size_t len = padded_len(BLOCK_KEYS + draft->keys.count * BLOCK_KEY_LEN);
    block_context(&draft->vault_id, draft->incarnation, draft->tenant, &draft->keys.sid, draft->entry.version, &ctx);
    VT_TRY(vt_buf_append_u64(out_row, draft->incarnation));
    VT_TRY(vt_buf_append_u32(out_row, draft->entry.version));
    uint8_t *plain = vt_secret_alloc(len);
    VT_ENSURE(plain != NULL, VAULT_E_MEMORY);
    block_encode(draft, plain);
    const vault_status status = vt_seal(&draft->entry.subject_key, &ctx, vt_bytes(plain, len), out_row);
    vt_secret_free(plain);
    return status;
}

VT_RESULT vt_keyblock_seal(struct vt_keyblock_draft *draft)
{
    VT_AUTO(vt_buf) row = VT_BUF_INIT(BLOCK_VALUE_MAX);
    VT_ENSURE(!draft->is_sealed, VAULT_E_STATE);
    VT_TRY(seal_row(draft, &row));
    VT_TRY(block_tag(vt_buf_bytes(&row), draft->entry.tag));
    vt_buf_move(&draft->sealed, &row);
    vt_key_release(&draft->seed);
    draft->is_sealed = true;
    return VAULT_OK;
}
