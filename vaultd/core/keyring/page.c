#include "vaultd/core/keyring/page_internal.h"

#include "libvault/crypto/digest.h"

void vt_page_name_bytes(const struct vt_page_name *name, uint8_t out_bytes[VT_PAGE_NAME_LEN])
{
    vt_put_u64(out_bytes, name->tenant);
    out_bytes[8] = name->tree;
    out_bytes[9] = name->level;
    vt_put_u64(out_bytes + 10, name->id);
}

void vt_page_cache_key(const struct vt_page_name *name, uint64_t version, struct vt_cache_key *out_key)
{
    *out_key = (struct vt_cache_key){.tenant = name->tenant, .version = version};
    out_key->id[0] = name->tree;
    out_key->id[1] = name->level;
    vt_put_u64(out_key->id + 8, name->id);
}

void vt_page_name_of(const struct vt_page *page, struct vt_page_name *out_name)
{
    *out_name =
        (struct vt_page_name){page->head.key.tenant, page->tree, page->level, vt_get_u64(page->head.key.id + 8)};
}

bool vt_page_kind_is_cacheable(uint8_t tree, uint8_t level, enum vt_page_kind kind)
{
    const bool is_big_tree = tree == VT_TREE_SUB || tree == VT_TREE_IDX;
    return !is_big_tree || level == 0 || kind == VT_PAGE_INNER;
}

static struct vt_page *page_alloc(const struct vt_page_name *name, uint64_t version)
{
    struct vt_page *page = vt_cached_new(sizeof *page);
    if (page == NULL) return NULL;
    vt_page_cache_key(name, version, &page->head.key);
    page->tree = name->tree;
    page->level = name->level;
    return page;
}

struct vt_page *vt_page_new(const struct vt_page_name *name, enum vt_page_kind kind)
{
    struct vt_page *page = page_alloc(name, 0);
    if (page == NULL) return NULL;
    page->plain[0] = VT_PAGE_VERSION;
    page->plain[1] = (uint8_t)kind;
    return page;
}

struct vt_page *vt_page_copy(const struct vt_page *page)
{
    struct vt_page_name name;
    vt_page_name_of(page, &name);
    struct vt_page *copy = page_alloc(&name, page->head.key.version);
    if (copy != NULL) memcpy(copy->plain, page->plain, sizeof copy->plain);
    return copy;
}

void vt_slot_set(uint8_t *slot, uint64_t id, enum vt_page_kind kind, unsigned bits)
{
    vt_put_u64(slot, id);
    slot[48] = (uint8_t)kind;
    slot[49] = (uint8_t)bits;
}

void vt_slot_set_key(uint8_t *slot, const struct vt_key *key, uint64_t version)
{
    memcpy(slot + 8, key->bytes, VT_KEY_LEN);
    vt_put_u64(slot + 40, version);
}

unsigned vt_key_chunk(const uint8_t position[VT_ENTRY_KEY_LEN], unsigned level)
{
    const unsigned bit = level * VT_SLOT_BITS;
    const unsigned high = position[bit / 8];
    const unsigned low = bit / 8 + 1 < VT_ENTRY_KEY_LEN ? position[bit / 8 + 1] : 0;
    return ((high << 8 | low) >> (16 - VT_SLOT_BITS - bit % 8)) & (VT_SLOT_COUNT - 1);
}

size_t vt_leaf_lower_bound(struct vt_page *page, const uint8_t position[VT_ENTRY_KEY_LEN])
{
    size_t low = 0, high = vt_leaf_count(page);
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (memcmp(vt_leaf_entry(page, middle), position, VT_ENTRY_KEY_LEN) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t vt_leaf_equal_count(struct vt_page *page, size_t first, const uint8_t position[VT_ENTRY_KEY_LEN])
{
    const size_t count = vt_leaf_count(page);
    size_t end = first;
    while (end < count && memcmp(vt_leaf_entry(page, end), position, VT_ENTRY_KEY_LEN) == 0) end++;
    return end - first;
}

void vt_leaf_insert(struct vt_page *page, const uint8_t position[VT_ENTRY_KEY_LEN], const uint8_t *payload)
{
    const size_t count = vt_leaf_count(page);
    VT_BUG_ON(count >= VT_LEAF_ENTRIES);
    size_t at = vt_leaf_lower_bound(page, position);
    at += vt_leaf_equal_count(page, at, position);
    uint8_t *entry = vt_leaf_entry(page, at);
    memmove(entry + VT_ENTRY_LEN, entry, (count - at) * VT_ENTRY_LEN);
    memcpy(entry, position, VT_ENTRY_KEY_LEN);
    memcpy(entry + VT_ENTRY_KEY_LEN, payload, VT_ENTRY_PAYLOAD_LEN);
    vt_put_u16(page->plain + 2, (uint16_t)(count + 1));
}

void vt_leaf_remove(struct vt_page *page, size_t index)
{
    const size_t count = vt_leaf_count(page);
    VT_BUG_ON(index >= count);
    uint8_t *entry = vt_leaf_entry(page, index);
    memmove(entry, entry + VT_ENTRY_LEN, (count - index - 1) * VT_ENTRY_LEN);
    vt_wipe(vt_leaf_entry(page, count - 1), VT_ENTRY_LEN);
    vt_put_u16(page->plain + 2, (uint16_t)(count - 1));
}

void vt_leaf_move_tail(struct vt_page *page, size_t first, struct vt_page *to)
{
    const size_t moved = vt_leaf_count(page) - first;
    VT_BUG_ON(vt_leaf_count(to) != 0);
    memcpy(vt_leaf_entry(to, 0), vt_leaf_entry(page, first), moved * VT_ENTRY_LEN);
    vt_wipe(vt_leaf_entry(page, first), moved * VT_ENTRY_LEN);
    vt_put_u16(to->plain + 2, (uint16_t)moved);
    vt_put_u16(page->plain + 2, (uint16_t)first);
}

static void page_context(const struct vt_page_name *name, const struct vt_page_stamp *stamp,
                         struct vt_seal_ctx *out_ctx)
{
    vt_seal_ctx_begin(out_ctx, stamp->vault_id.bytes, stamp->incarnation, VT_SEAL_PAGE, name->tenant);
    vt_seal_ctx_u8(out_ctx, name->tree);
    vt_seal_ctx_u8(out_ctx, name->level);
    vt_seal_ctx_u64(out_ctx, name->id);
    vt_seal_ctx_u64(out_ctx, stamp->version);
    vt_seal_ctx_u64(out_ctx, stamp->epoch);
}

VT_RESULT vt_page_seal(const struct vt_page *page, const struct vt_page_stamp *stamp, const struct vt_key *key,
                       uint8_t *out_value)
{
    struct vt_page_name name;
    struct vt_seal_ctx ctx;
    vt_page_name_of(page, &name);
    page_context(&name, stamp, &ctx);
    vt_put_u64(out_value, stamp->incarnation);
    vt_put_u64(out_value + 8, stamp->version);
    vt_put_u64(out_value + 16, stamp->epoch);
    return vt_seal_into(key, &ctx, vt_bytes(page->plain, VT_PAGE_PLAIN_LEN), out_value + VT_PAGE_HEAD_LEN);
}

static bool is_same_child(const uint8_t *a, const uint8_t *b)
{
    return vt_slot_id(a) == vt_slot_id(b) && vt_slot_version(a) == vt_slot_version(b) &&
           vt_slot_kind(a) == vt_slot_kind(b) && vt_slot_bits(a) == vt_slot_bits(b);
}

/* An authentic page was written by us; what does not hold here is a bug or another version's layout, never guessed
 * around. */
static VT_RESULT inner_check(struct vt_page *page)
{
    VT_ENSURE(page->level < VT_LEVEL_MAX, VAULT_E_CORRUPT);
    for (size_t i = 0; i < VT_SLOT_COUNT;) {
        const uint8_t *slot = vt_page_slot(page, i);
        const enum vt_page_kind kind = vt_slot_kind(slot);
        VT_ENSURE(vt_slot_bits(slot) >= 1 && vt_slot_bits(slot) <= VT_SLOT_BITS, VAULT_E_CORRUPT);
        VT_ENSURE(kind == VT_PAGE_LEAF || (kind == VT_PAGE_INNER && vt_slot_bits(slot) == VT_SLOT_BITS),
                  VAULT_E_CORRUPT);
        const size_t run = vt_slot_run(slot);
        VT_ENSURE(i % run == 0, VAULT_E_CORRUPT);
        for (size_t k = 1; k < run; k++) VT_ENSURE(is_same_child(slot, slot + k * VT_SLOT_LEN), VAULT_E_CORRUPT);
        i += run;
    }
    return VAULT_OK;
}

static VT_RESULT page_check(struct vt_page *page, enum vt_page_kind expected)
{
    VT_ENSURE(page->plain[0] == VT_PAGE_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(vt_page_kind_of(page) == expected, VAULT_E_CORRUPT);
    if (expected == VT_PAGE_INNER) return inner_check(page);
    VT_ENSURE(expected == VT_PAGE_LEAF || expected == VT_PAGE_TENANT, VAULT_E_CORRUPT);
    VT_ENSURE(vt_leaf_count(page) <= VT_LEAF_ENTRIES, VAULT_E_CORRUPT);
    return VAULT_OK;
}

VT_RESULT vt_page_open(const struct vt_vault_id *vault_id, const struct vt_page_name *name, const uint8_t *slot,
                       struct vt_bytes value, struct vt_page **out_page)
{
    VT_ENSURE(value.len == VT_PAGE_VALUE_LEN && name->level <= VT_LEVEL_MAX, VAULT_E_CORRUPT);
    const struct vt_page_stamp stamp = {*vault_id, vt_get_u64(value.data), vt_get_u64(value.data + 16),
                                        vt_get_u64(value.data + 8), NULL};
    VT_ENSURE(stamp.version == vt_slot_version(slot), VAULT_E_AUTHENTICITY);

    VT_AUTO_PTR(vt_page) page = page_alloc(name, stamp.version);
    VT_ENSURE(page != NULL, VAULT_E_MEMORY);
    struct vt_seal_ctx ctx;
    page_context(name, &stamp, &ctx);
    VT_TRY(vt_unseal_into(vt_slot_key(slot), &ctx,
                          vt_bytes(value.data + VT_PAGE_HEAD_LEN, VT_PAGE_PLAIN_LEN + VT_SEAL_OVERHEAD), page->plain));
    VT_TRY(page_check(page, vt_slot_kind(slot)));
    *out_page = VT_MOVE(page);
    return VAULT_OK;
}

/* Root page ------------------------------------------------------------------------------------------------------- */

/* version 1 | zero 7 | next page id 8 | commit number 8 | attempt 16 | zero 8 | slot of T_sys 56 | slot of T_dir 56 |
 * zeroes. Commit number and attempt stand in the plain head too, where nothing would authenticate them. */
enum { ROOT_NEXT_PAGE_ID = 8, ROOT_COMMIT = 16, ROOT_ATTEMPT = 24, ROOT_SLOTS = 48 };
_Static_assert(ROOT_SLOTS + 2 * VT_SLOT_LEN <= VT_ROOT_PLAIN_LEN, "the root page fits");

struct vt_root *vt_root_new(void)
{
    return vt_cached_new(sizeof(struct vt_root));
}

static void root_context(const struct vt_root_record *record, struct vt_seal_ctx *out_ctx)
{
    vt_seal_ctx_begin(out_ctx, record->vault_id.bytes, record->incarnation, VT_SEAL_ROOT_PAGE, VT_TENANT_VAULT);
    vt_seal_ctx_u64(out_ctx, record->page_version);
    vt_seal_ctx_u64(out_ctx, record->epoch);
}

static void root_head(const struct vt_root_record *record, uint8_t *out_head)
{
    out_head[0] = VT_ROOT_VERSION;
    memcpy(out_head + 1, record->vault_id.bytes, 16);
    vt_put_u64(out_head + 17, record->incarnation);
    vt_put_u64(out_head + 25, record->epoch);
    memcpy(out_head + 33, record->attempt, 16);
    vt_put_u64(out_head + 49, record->page_version);
    vt_put_u64(out_head + 57, record->commit_number);
}

VT_RESULT vt_root_seal(struct vt_root *root, const struct vt_key *root_key, uint8_t *out_value)
{
    uint8_t *plain = vt_secret_alloc(VT_ROOT_PLAIN_LEN);
    VT_ENSURE(plain != NULL, VAULT_E_MEMORY);
    plain[0] = VT_ROOT_VERSION;
    vt_put_u64(plain + ROOT_NEXT_PAGE_ID, root->next_page_id);
    vt_put_u64(plain + ROOT_COMMIT, root->record.commit_number);
    memcpy(plain + ROOT_ATTEMPT, root->record.attempt, sizeof root->record.attempt);
    memcpy(plain + ROOT_SLOTS, root->slots, sizeof root->slots);

    struct vt_seal_ctx ctx;
    root_context(&root->record, &ctx);
    root_head(&root->record, out_value);
    const vault_status status = vt_seal_into(root_key, &ctx, vt_bytes(plain, VT_ROOT_PLAIN_LEN),
                                             out_value + VT_ROOT_HEAD_LEN);
    vt_secret_free(plain);
    VT_TRY(status);
    return vt_sha256_one(vt_bytes(out_value + VT_ROOT_HEAD_LEN, VT_ROOT_PLAIN_LEN + VT_SEAL_OVERHEAD),
                         root->record.root_hash);
}

VT_RESULT vt_root_head_decode(struct vt_bytes value, struct vt_root_record *out_record)
{
    VT_ENSURE(value.len != 0, VAULT_E_CORRUPT);
    VT_ENSURE(value.data[0] == VT_ROOT_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(value.len == VT_ROOT_VALUE_LEN, VAULT_E_CORRUPT);
    struct vt_root_record record = {.incarnation = vt_get_u64(value.data + 17),
                                    .epoch = vt_get_u64(value.data + 25),
                                    .page_version = vt_get_u64(value.data + 49),
                                    .commit_number = vt_get_u64(value.data + 57)};
    memcpy(record.vault_id.bytes, value.data + 1, 16);
    memcpy(record.attempt, value.data + 33, 16);
    *out_record = record;
    return VAULT_OK;
}

VT_RESULT vt_root_record_decode(struct vt_bytes value, struct vt_root_record *out_record)
{
    struct vt_root_record record;
    VT_TRY(vt_root_head_decode(value, &record));
    VT_TRY(vt_sha256_one(vt_bytes(value.data + VT_ROOT_HEAD_LEN, value.len - VT_ROOT_HEAD_LEN), record.root_hash));
    *out_record = record;
    return VAULT_OK;
}

static VT_RESULT root_decode(const uint8_t *plain, struct vt_root *root)
{
    VT_ENSURE(plain[0] == VT_ROOT_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(vt_get_u64(plain + ROOT_COMMIT) == root->record.commit_number, VAULT_E_AUTHENTICITY);
    VT_ENSURE(memcmp(plain + ROOT_ATTEMPT, root->record.attempt, sizeof root->record.attempt) == 0,
              VAULT_E_AUTHENTICITY);
    root->next_page_id = vt_get_u64(plain + ROOT_NEXT_PAGE_ID);
    memcpy(root->slots, plain + ROOT_SLOTS, sizeof root->slots);
    return VAULT_OK;
}

VT_RESULT vt_root_open(struct vt_bytes value, const struct vt_key *root_key, struct vt_root **out_root)
{
    VT_AUTO_PTR(vt_root) root = vt_root_new();
    VT_ENSURE(root != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_root_record_decode(value, &root->record));
    uint8_t *plain = vt_secret_alloc(VT_ROOT_PLAIN_LEN);
    VT_ENSURE(plain != NULL, VAULT_E_MEMORY);

    struct vt_seal_ctx ctx;
    root_context(&root->record, &ctx);
    vault_status status = vt_unseal_into(root_key, &ctx, vt_bytes(value.data + VT_ROOT_HEAD_LEN,
                                                                  value.len - VT_ROOT_HEAD_LEN), plain);
    if (status == VAULT_OK) status = root_decode(plain, root);
    vt_secret_free(plain);
    VT_TRY(status);
    *out_root = VT_MOVE(root);
    return VAULT_OK;
}
