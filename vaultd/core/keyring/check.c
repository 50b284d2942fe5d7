/* The whole keyring, read from the store and not from the caches: damage on the disk must not hide behind them. */
#include "vaultd/core/keyring/keyring_internal.h"

struct checker {
    struct vt_keyring_view *view;
    struct vt_keyring_check counts;
    struct vt_err *err;
    const struct vt_key_table *keys;    /* of the tenant that is looked at */
};

/* A part of a tree: the page that @p slot names holds the keys that begin with these bits. */
struct check_branch {
    const struct vt_tree *tree;
    unsigned level, prefix_bits;
    uint8_t prefix[VT_ENTRY_KEY_LEN];
};

static vault_status page_fault(struct checker *checker, const struct vt_page_name *name, vault_status status)
{
    return vt_fail(checker->err, status, NULL,
                   "Page %llu of tree %u, level %u, tenant %llu is damaged or not the one promised.",
                   (unsigned long long)name->id, name->tree, name->level, (unsigned long long)name->tenant);
}

static VT_RESULT check_page(struct checker *checker, const struct vt_page_name *name, const uint8_t *slot,
                            struct vt_page **out_page)
{
    const vault_status status = vt_view_page_uncached(checker->view, name, slot, out_page);
    if (status == VAULT_OK) checker->counts.pages++;
    return status == VAULT_OK ? status : page_fault(checker, name, status);
}

static bool has_prefix(const uint8_t *position, const struct check_branch *branch)
{
    for (unsigned bit = 0; bit < VT_MIN(branch->prefix_bits, 8u * VT_ENTRY_KEY_LEN); bit++)
        if (((position[bit / 8] ^ branch->prefix[bit / 8]) & (0x80u >> (bit % 8))) != 0) return false;
    return true;
}

static VT_RESULT check_subject(struct checker *checker, const struct vt_tree *tree, const uint8_t *raw)
{
    VT_AUTO(vt_subject_entry) entry = {0};
    struct vt_opened_block *block = NULL;
    struct vt_sid sid;
    memcpy(sid.bytes, raw, sizeof sid.bytes);
    vt_subject_entry_decode(raw + VT_ENTRY_KEY_LEN, &entry);
    checker->counts.subjects++;
    const vault_status status = vt_view_block_read(checker->view, tree->tenant, &sid, &entry, &block);
    if (status != VAULT_OK)
        return vt_fail(checker->err, status, NULL,
                       "The key block of a subject of tenant %llu is missing, damaged or replayed.",
                       (unsigned long long)tree->tenant);
    vt_cached_drop(&block->head);
    checker->counts.key_blocks++;
    return VAULT_OK;
}

static VT_RESULT check_tenant_page(struct checker *checker, const uint8_t *entry)
{
    VT_AUTO_PTR(vt_page) page = NULL;
    const uint8_t *slot = entry + VT_ENTRY_KEY_LEN;
    const struct vt_page_name name = {vt_get_u64(entry + 8), VT_TREE_TENANT, 0, vt_slot_id(slot)};
    return check_page(checker, &name, slot, &page);
}

static VT_RESULT check_entry(struct checker *checker, const struct vt_tree *tree, const uint8_t *entry)
{
    if (tree->number == VT_TREE_DIR) return check_tenant_page(checker, entry);
    if (tree->number == VT_TREE_SUB) return check_subject(checker, tree, entry);
    if (tree->number != VT_TREE_IDX) return VAULT_OK;
    checker->counts.index_entries++;
    const vault_status status = vt_index_entry_check(checker->keys, entry);
    if (status == VAULT_OK) return VAULT_OK;
    return vt_fail(checker->err, status, NULL, "An index entry of tenant %llu does not lie where it belongs.",
                   (unsigned long long)tree->tenant);
}

static VT_RESULT check_leaf(struct checker *checker, const struct check_branch *branch, struct vt_page *leaf)
{
    struct vt_page_name name;
    vt_page_name_of(leaf, &name);
    for (size_t i = 0; i < vt_leaf_count(leaf); i++) {
        const uint8_t *entry = vt_leaf_entry(leaf, i);
        const bool is_ordered = i == 0 || memcmp(vt_leaf_entry(leaf, i - 1), entry, VT_ENTRY_KEY_LEN) <= 0;
        if (!is_ordered || !has_prefix(entry, branch)) return page_fault(checker, &name, VAULT_E_CORRUPT);
        VT_TRY(check_entry(checker, branch->tree, entry));
    }
    return VAULT_OK;
}

static void set_chunk(uint8_t *prefix, unsigned level, size_t chunk)
{
    for (unsigned i = 0; i < VT_SLOT_BITS && level * VT_SLOT_BITS + i < 8 * VT_ENTRY_KEY_LEN; i++) {
        const unsigned bit = level * VT_SLOT_BITS + i;
        const uint8_t mask = (uint8_t)(0x80u >> (bit % 8));
        const bool is_set = (chunk >> (VT_SLOT_BITS - 1 - i) & 1) != 0;
        prefix[bit / 8] = (uint8_t)(is_set ? prefix[bit / 8] | mask : prefix[bit / 8] & ~mask);
    }
}

/* No deeper than the tree: 23 levels. */
static VT_RESULT check_branch(struct checker *checker, const struct check_branch *branch, const uint8_t *slot)
{
    const struct vt_page_name name = {branch->tree->tenant, branch->tree->number, (uint8_t)branch->level,
                                      vt_slot_id(slot)};
    VT_AUTO_PTR(vt_page) page = NULL;
    VT_TRY(check_page(checker, &name, slot, &page));
    if (vt_page_kind_of(page) == VT_PAGE_LEAF) return check_leaf(checker, branch, page);
    for (size_t i = 0; i < VT_SLOT_COUNT; i += vt_slot_run(vt_page_slot(page, i))) {
        struct check_branch below = *branch;
        below.level = branch->level + 1;
        below.prefix_bits = branch->level * VT_SLOT_BITS + vt_slot_bits(vt_page_slot(page, i));
        set_chunk(below.prefix, branch->level, i);
        VT_TRY(check_branch(checker, &below, vt_page_slot(page, i)));
    }
    return VAULT_OK;
}

static VT_RESULT check_tree(struct checker *checker, const struct vt_tree *tree)
{
    const struct check_branch whole = {.tree = tree};
    if (vt_slot_kind(tree->slot) == VT_PAGE_NONE) return VAULT_OK;
    return check_branch(checker, &whole, tree->slot);
}

static VT_RESULT check_tenant_counts(struct checker *checker, vt_tenant_id tenant, struct vt_keyring_check *before)
{
    struct vt_tenant_counts counts;
    VT_TRY(vt_keyring_tenant_counts(checker->view, tenant, &counts));
    if (counts.subjects == checker->counts.subjects - before->subjects &&
        counts.index_entries == checker->counts.index_entries - before->index_entries)
        return VAULT_OK;
    return vt_fail(checker->err, VAULT_E_CORRUPT, NULL,
                   "Tenant %llu does not hold as many subjects and entries as it says.", (unsigned long long)tenant);
}

static VT_RESULT check_tenant(struct checker *checker, vt_tenant_id tenant)
{
    static const enum vt_tree_number numbers[] = {VT_TREE_TEN, VT_TREE_SUB, VT_TREE_IDX};
    struct vt_keyring_check before = checker->counts;
    VT_TRY(vt_view_tenant_keys(checker->view, tenant, &checker->keys));
    for (size_t i = 0; i < VT_ARRAY_LEN(numbers); i++) {
        struct vt_tree tree;
        VT_TRY(vt_view_tree(checker->view, tenant, numbers[i], &tree));
        VT_TRY(check_tree(checker, &tree));
    }
    return check_tenant_counts(checker, tenant, &before);
}

static VT_RESULT check_tenants(struct checker *checker, const struct vt_tree *dir)
{
    vt_tenant_id tenant = VT_TENANT_VAULT;
    for (;;) {
        VT_TRY(vt_next_tenant(dir, tenant, &tenant));
        if (tenant == VT_TENANT_VAULT) return VAULT_OK;
        VT_TRY(check_tenant(checker, tenant));
    }
}

/* The view may have found the root page open already. */
static VT_RESULT check_root(struct checker *checker)
{
    struct vt_root_record record;
    VT_TRY(vt_keyring_root_record(checker->view->txn, &record));
    if (memcmp(record.root_hash, checker->view->root->record.root_hash, sizeof record.root_hash) == 0) return VAULT_OK;
    return vt_fail(checker->err, VAULT_E_AUTHENTICITY, NULL, "The root page is not the one that was opened.");
}

/* Every page and block that was counted has a row of its own, so the rest are orphans. */
static VT_RESULT check_orphans(struct checker *checker)
{
    uint64_t pages, blocks;
    VT_TRY(vt_store_count(checker->view->txn, VT_TABLE_PAGE, &pages));
    VT_TRY(vt_store_count(checker->view->txn, VT_TABLE_KEYBLOCK, &blocks));
    VT_ENSURE(pages >= checker->counts.pages && blocks >= checker->counts.key_blocks, VAULT_E_CORRUPT);
    checker->counts.orphan_pages = pages - checker->counts.pages;
    checker->counts.orphan_key_blocks = blocks - checker->counts.key_blocks;
    return VAULT_OK;
}

VT_RESULT vt_keyring_check(struct vt_keyring_view *view, struct vt_keyring_check *out_counts, struct vt_err *err)
{
    struct checker checker = {.view = view, .err = err};
    VT_ENSURE(view->write == NULL, VAULT_E_STATE);
    const struct vt_tree sys = {view, VT_TENANT_VAULT, VT_TREE_SYS, view->root->slots[0], NULL};
    const struct vt_tree dir = {view, VT_TENANT_VAULT, VT_TREE_DIR, view->root->slots[1], NULL};
    VT_TRY(check_root(&checker));
    VT_TRY(check_tree(&checker, &sys));
    VT_TRY(check_tree(&checker, &dir));
    VT_TRY(check_tenants(&checker, &dir));
    VT_TRY(check_orphans(&checker));
    *out_counts = checker.counts;
    return VAULT_OK;
}
