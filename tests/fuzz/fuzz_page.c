/* Pages and key blocks of the keyring. The first byte chooses: what follows is the stored value as it stands, or a content
 * that was sealed as the vault would have sealed it, so that the checks behind the seal see it too. Whatever opens has the
 * structure that walking and cutting rely on, and seals and opens again as it was. */
#include "libvault/crypto/digest.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/core/keyring/keyblock_internal.h"

enum { BLOCK_HEAD_LEN = 12, SEALED_MAX = 1 << 20, PAGE_VERSION = 7, EPOCH = 3, BLOCK_VERSION = 5 };
enum { KIND_VALUE = 0x80, KIND_INNER = 1, KIND_TENANT = 2, KIND_ROOT = 3, KIND_BLOCK = 4 };

static const struct vt_vault_id VAULT = {{9}};
static const struct vt_key KEY = {{1, 2, 3}};
static const struct vt_sid SID = {{5}};
static const struct vt_page_name NAME = {1, VT_TREE_SUB, 2, 77};

static bool is_answer(vault_status status)
{
    return status == VAULT_OK || status == VAULT_E_CORRUPT || status == VAULT_E_FORMAT || status == VAULT_E_AUTHENTICITY;
}

static void seal_content(const struct vt_seal_ctx *ctx, struct vt_bytes content, size_t len, struct vt_buf *value)
{
    static const uint8_t SALT[32] = {4}, IV[12] = {6};
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(SEALED_MAX);
    uint8_t *to;
    FUZZ_CHECK(vt_buf_reserve(&plain, len, &to) == VAULT_OK);
    memset(to, 0, len);
    memcpy(to, content.data, VT_MIN(content.len, len));
    vt_buf_commit(&plain, len);
    FUZZ_CHECK(vt_seal_deterministic(&KEY, ctx, vt_buf_bytes(&plain), SALT, IV, value) == VAULT_OK);
}

/* Every key has its place in a leaf, and every chunk of a key leads to a child that exists. */
static void look_around(struct vt_page *page, struct vt_bytes seed)
{
    uint8_t position[VT_ENTRY_KEY_LEN] = {0};
    memcpy(position, seed.data, VT_MIN(seed.len, sizeof position));
    if (vt_page_kind_of(page) == VT_PAGE_INNER) {
        const uint8_t *slot = vt_page_slot(page, vt_key_chunk(position, page->level));
        FUZZ_CHECK(vt_slot_run(slot) >= 1 && vt_slot_run(slot) <= VT_SLOT_COUNT);
        return;
    }
    const size_t first = vt_leaf_lower_bound(page, position);
    FUZZ_CHECK(first <= vt_leaf_count(page));
    FUZZ_CHECK(first + vt_leaf_equal_count(page, first, position) <= vt_leaf_count(page));
    if (first == vt_leaf_count(page)) return;
    const size_t before = vt_leaf_count(page);
    vt_leaf_remove(page, first);
    FUZZ_CHECK(vt_leaf_count(page) == before - 1);
}

static void open_page(enum vt_page_kind kind, struct vt_bytes value, struct vt_bytes seed)
{
    uint8_t slot[VT_SLOT_LEN] = {0}, again[VT_PAGE_VALUE_LEN];
    struct vt_page *page, *copy;
    vt_slot_set(slot, NAME.id, kind, VT_SLOT_BITS);
    vt_slot_set_key(slot, &KEY, PAGE_VERSION);
    const vault_status status = vt_page_open(&VAULT, &NAME, slot, value, &page);
    FUZZ_CHECK(is_answer(status));
    if (status != VAULT_OK) return;
    const struct vt_page_stamp stamp = {VAULT, vt_get_u64(value.data), EPOCH, PAGE_VERSION, NULL};
    FUZZ_CHECK(vt_page_seal(page, &stamp, &KEY, again) == VAULT_OK);
    FUZZ_CHECK(vt_page_open(&VAULT, &NAME, slot, VT_BYTES_OF(again), &copy) == VAULT_OK);
    FUZZ_CHECK(memcmp(page->plain, copy->plain, sizeof page->plain) == 0);
    vt_page_free(copy);
    look_around(page, seed);
    vt_page_free(page);
}

static void seal_page(enum vt_page_kind kind, struct vt_bytes content)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(SEALED_MAX);
    struct vt_seal_ctx ctx;
    uint8_t head[VT_PAGE_HEAD_LEN];
    vt_put_u64(head, 1);
    vt_put_u64(head + 8, PAGE_VERSION);
    vt_put_u64(head + 16, EPOCH);
    FUZZ_CHECK(vt_buf_append(&value, VT_BYTES_OF(head)) == VAULT_OK);
    vt_seal_ctx_begin(&ctx, VAULT.bytes, 1, VT_SEAL_PAGE, NAME.tenant);
    vt_seal_ctx_u8(&ctx, NAME.tree);
    vt_seal_ctx_u8(&ctx, NAME.level);
    vt_seal_ctx_u64(&ctx, NAME.id);
    vt_seal_ctx_u64(&ctx, PAGE_VERSION);
    vt_seal_ctx_u64(&ctx, EPOCH);
    seal_content(&ctx, content, VT_PAGE_PLAIN_LEN, &value);
    open_page(kind, vt_buf_bytes(&value), content);
}

static void open_root(struct vt_bytes value)
{
    struct vt_root *root;
    const vault_status status = vt_root_open(value, &KEY, &root);
    FUZZ_CHECK(is_answer(status));
    if (status == VAULT_OK) vt_root_free(root);
}

/* The head is the input's first bytes; the rest becomes the content sealed for that head. */
static void seal_root(struct vt_bytes input)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(SEALED_MAX);
    struct vt_seal_ctx ctx;
    uint8_t head[VT_ROOT_HEAD_LEN] = {0};
    const size_t taken = VT_MIN(input.len, sizeof head);
    memcpy(head, input.data, taken);
    FUZZ_CHECK(vt_buf_append(&value, VT_BYTES_OF(head)) == VAULT_OK);
    vt_seal_ctx_begin(&ctx, head + 1, vt_get_u64(head + 17), VT_SEAL_ROOT_PAGE, VT_TENANT_VAULT);
    vt_seal_ctx_u64(&ctx, vt_get_u64(head + 49));
    vt_seal_ctx_u64(&ctx, vt_get_u64(head + 25));
    seal_content(&ctx, vt_bytes(input.data + taken, input.len - taken), VT_ROOT_PLAIN_LEN, &value);
    open_root(vt_buf_bytes(&value));
}

static void open_block(struct vt_bytes value)
{
    uint8_t hash[32];
    struct vt_opened_block *block;
    struct vt_subject_entry entry = {.subject_key = KEY, .version = BLOCK_VERSION, .created_epoch = EPOCH};
    FUZZ_CHECK(vt_sha256_one(value, hash) == VAULT_OK);
    memcpy(entry.tag, hash, sizeof entry.tag);
    const vault_status status = vt_keyblock_open(&VAULT, 1, &SID, &entry, value, &block);
    FUZZ_CHECK(is_answer(status));
    if (status != VAULT_OK) return;
    FUZZ_CHECK(block->keys.count <= VT_KEYBLOCK_KEYS_MAX);
    for (size_t i = 0; i < block->keys.count; i++) {
        const struct vt_data_key *key = &block->keys.keys[i];
        FUZZ_CHECK(vt_subject_keys_find(&block->keys, key->category, key->record, key->version) != NULL);
        const struct vt_data_key *live = vt_subject_keys_live(&block->keys, key->category, key->record);
        FUZZ_CHECK(live == NULL || live->state == VT_DATA_KEY_LIVE);
    }
    vt_cached_drop(&block->head);
}

static void seal_block(struct vt_bytes content)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(SEALED_MAX);
    struct vt_seal_ctx ctx;
    uint8_t head[BLOCK_HEAD_LEN];
    vt_put_u64(head, 1);
    vt_put_u32(head + 8, BLOCK_VERSION);
    FUZZ_CHECK(vt_buf_append(&value, VT_BYTES_OF(head)) == VAULT_OK);
    vt_seal_ctx_begin(&ctx, VAULT.bytes, 1, VT_SEAL_KEY_BLOCK, 1);
    vt_seal_ctx_bytes(&ctx, VT_BYTES_OF(SID.bytes));
    vt_seal_ctx_u32(&ctx, BLOCK_VERSION);
    seal_content(&ctx, content, content.len, &value);
    open_block(vt_buf_bytes(&value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum vt_page_kind KINDS[] = {VT_PAGE_LEAF, VT_PAGE_INNER, VT_PAGE_TENANT};
    if (len < 2 || len > SEALED_MAX / 2) return 0;
    const struct vt_bytes rest = vt_bytes(data + 1, len - 1);
    const unsigned kind = (data[0] & ~KIND_VALUE) % (KIND_BLOCK + 1);
    const bool is_value = (data[0] & KIND_VALUE) != 0;
    if (kind == KIND_ROOT) {
        if (is_value) open_root(rest);
        else seal_root(rest);
    } else if (kind == KIND_BLOCK) {
        if (is_value) open_block(rest);
        else seal_block(rest);
    } else if (is_value) {
        open_page(KINDS[kind], rest, rest);
    } else {
        seal_page(KINDS[kind], rest);
    }
    return 0;
}
