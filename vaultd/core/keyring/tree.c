#include "vaultd/core/keyring/tree_internal.h"

#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/keyring/keyring_internal.h"

void vt_leaf_at_release(struct vt_leaf_at *at)
{
    vt_page_free(at->leaf);
    *at = VT_LEAF_AT_INIT;
}

bool vt_key_range_next(const uint8_t key[VT_ENTRY_KEY_LEN], unsigned prefix_bits, uint8_t out_key[VT_ENTRY_KEY_LEN])
{
    uint8_t next[VT_ENTRY_KEY_LEN] = {0};
    const unsigned bits = VT_MIN(prefix_bits, 8u * VT_ENTRY_KEY_LEN);
    if (bits == 0) return false;
    memcpy(next, key, (bits + 7) / 8);
    size_t at = (bits - 1) / 8;
    const unsigned one = 0x80u >> ((bits - 1) % 8);
    unsigned sum = (next[at] & ~(one - 1)) + one;
    next[at] = (uint8_t)sum;
    while (sum > 0xff) {
        if (at == 0) return false;
        sum = next[--at] + 1u;
        next[at] = (uint8_t)sum;
    }
    memcpy(out_key, next, sizeof next);
    return true;
}

/* Reading ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT open_child(const struct vt_tree *tree, unsigned level, const uint8_t *slot, struct vt_page **out_page)
{
    const struct vt_page_name name = {tree->tenant, tree->number, (uint8_t)level, vt_slot_id(slot)};
    return vt_view_page(tree->view, &name, slot, out_page);
}

/* The page that @p slot names: a node's if the write has it open, else from cache or store. */
static VT_RESULT take_child(const struct vt_tree *tree, const struct vt_node *node, unsigned level, const uint8_t *slot,
                            struct vt_page **out_page)
{
    if (node == NULL) return open_child(tree, level, slot, out_page);
    vt_cached_hold(&node->page->head);
    *out_page = node->page;
    return VAULT_OK;
}

VT_RESULT vt_tree_find(const struct vt_tree *tree, const uint8_t key[VT_ENTRY_KEY_LEN], struct vt_leaf_at *out_at)
{
    VT_AUTO_PTR(vt_page) page = NULL;
    struct vt_leaf_at at = VT_LEAF_AT_INIT;
    const struct vt_node *node = tree->root;
    const uint8_t *slot = tree->slot;
    const bool is_empty = vt_slot_kind(slot) == VT_PAGE_NONE;

    for (unsigned level = 0; !is_empty; level++) {
        struct vt_page *child = NULL;
        VT_TRY(take_child(tree, node, level, slot, &child));
        vt_page_free(page);
        page = child;
        if (vt_page_kind_of(page) == VT_PAGE_LEAF) break;
        const unsigned chunk = vt_key_chunk(key, level);
        slot = vt_page_slot(page, chunk);
        node = node != NULL ? node->children[chunk] : NULL;
        at.prefix_bits = level * VT_SLOT_BITS + vt_slot_bits(slot);
    }
    if (page != NULL) {
        at.first = vt_leaf_lower_bound(page, key);
        at.count = vt_leaf_equal_count(page, at.first, key);
    }
    at.leaf = VT_MOVE(page);
    *out_at = at;
    return VAULT_OK;
}

static VT_RESULT visit_leaf(const struct vt_leaf_at *at, vt_entry_visit visit, void *context, bool *out_stop)
{
    for (size_t i = at->first; i < vt_leaf_count(at->leaf) && !*out_stop; i++)
        VT_TRY(visit(context, vt_leaf_entry(at->leaf, i), out_stop));
    return VAULT_OK;
}

/* Leaf by leaf from the root: the inner pages are cached, and nothing is held between two leaves. */
VT_RESULT vt_tree_walk(const struct vt_tree *tree, const uint8_t from[VT_ENTRY_KEY_LEN], vt_entry_visit visit,
                       void *context)
{
    uint8_t key[VT_ENTRY_KEY_LEN];
    bool is_over = false;
    memcpy(key, from, sizeof key);
    while (!is_over) {
        VT_AUTO(vt_leaf_at) at = VT_LEAF_AT_INIT;
        VT_TRY(vt_tree_find(tree, key, &at));
        if (at.leaf == NULL) return VAULT_OK;
        VT_TRY(visit_leaf(&at, visit, context, &is_over));
        if (!vt_key_range_next(key, at.prefix_bits, key)) is_over = true;
    }
    return VAULT_OK;
}

/* Overlay ---------------------------------------------------------------------------------------------------------- */

void vt_overlay_init(struct vt_overlay *overlay, uint64_t *next_page_id)
{
    *overlay = (struct vt_overlay){.pool = VT_POOL_INIT(SIZE_MAX), .next_page_id = next_page_id};
}

void vt_overlay_release(struct vt_overlay *overlay)
{
    for (struct vt_node *node = overlay->nodes; node != NULL; node = node->next) vt_page_free(node->page);
    vt_pool_release(&overlay->pool);
    overlay->nodes = NULL;
}

static struct vt_node **children_new(struct vt_overlay *overlay)
{
    return vt_pool_calloc(&overlay->pool, VT_SLOT_COUNT, sizeof(struct vt_node *));
}

/* @p page is moved, also on failure. */
static VT_RESULT node_new(struct vt_overlay *overlay, struct vt_page *page, struct vt_node **out_node)
{
    VT_AUTO_PTR(vt_page) owned = page;
    VT_ENSURE(owned != NULL, VAULT_E_MEMORY);
    struct vt_node *node = vt_pool_alloc(&overlay->pool, sizeof *node);
    VT_ENSURE(node != NULL, VAULT_E_MEMORY);
    if (vt_page_kind_of(owned) == VT_PAGE_INNER) {
        node->children = children_new(overlay);
        VT_ENSURE(node->children != NULL, VAULT_E_MEMORY);
    }
    node->page = VT_MOVE(owned);
    node->old_version = node->page->head.key.version;
    node->next = overlay->nodes;
    overlay->nodes = node;
    *out_node = node;
    return VAULT_OK;
}

static void node_mark(struct vt_overlay *overlay, struct vt_node *node)
{
    if (!node->is_dirty) overlay->dirty_count++;
    node->is_dirty = true;
}

/* All slots of a run name the same child. */
static void set_children(struct vt_node *parent, unsigned chunk, struct vt_node *child)
{
    const size_t run = vt_slot_run(vt_page_slot(parent->page, chunk));
    const size_t base = chunk & ~(run - 1);
    for (size_t i = 0; i < run; i++) parent->children[base + i] = child;
}

static VT_RESULT load_child(struct vt_tree *tree, struct vt_overlay *overlay, unsigned level, const uint8_t *slot,
                            struct vt_node **out_node)
{
    struct vt_page *page = NULL;
    VT_TRY(open_child(tree, level, slot, &page));
    return node_new(overlay, page, out_node);
}

VT_RESULT vt_tree_load(struct vt_tree *tree, struct vt_overlay *overlay, const uint8_t key[VT_ENTRY_KEY_LEN],
                       struct vt_path *out_path)
{
    struct vt_path path = {.depth = 0};
    if (vt_slot_kind(tree->slot) != VT_PAGE_NONE) {
        if (tree->root == NULL) VT_TRY(load_child(tree, overlay, 0, tree->slot, &tree->root));
        path.nodes[path.depth++] = tree->root;
    }
    while (path.depth != 0 && vt_page_kind_of(vt_path_leaf(&path)) == VT_PAGE_INNER) {
        struct vt_node *parent = path.nodes[path.depth - 1];
        const unsigned chunk = vt_key_chunk(key, (unsigned)path.depth - 1);
        if (parent->children[chunk] == NULL) {
            struct vt_node *child;
            VT_TRY(load_child(tree, overlay, (unsigned)path.depth, vt_page_slot(parent->page, chunk), &child));
            set_children(parent, chunk, child);
        }
        path.nodes[path.depth++] = parent->children[chunk];
    }
    *out_path = path;
    return VAULT_OK;
}

unsigned vt_path_prefix_bits(const struct vt_path *path, const uint8_t key[VT_ENTRY_KEY_LEN])
{
    if (path->depth < 2) return 0;
    const unsigned level = (unsigned)path->depth - 2;
    const uint8_t *slot = vt_page_slot(path->nodes[level]->page, vt_key_chunk(key, level));
    return level * VT_SLOT_BITS + vt_slot_bits(slot);
}

VT_RESULT vt_tree_touch(struct vt_overlay *overlay, struct vt_path *path)
{
    for (size_t i = 0; i < path->depth; i++) {
        struct vt_node *node = path->nodes[i];
        if (node->is_dirty) continue;
        if (vt_page_is_cacheable(node->page)) {
            struct vt_page *copy = vt_page_copy(node->page);
            VT_ENSURE(copy != NULL, VAULT_E_MEMORY);
            vt_page_free(node->page);
            node->page = copy;
        }
        node_mark(overlay, node);
    }
    return VAULT_OK;
}

/* Growing ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT new_leaf(struct vt_tree *tree, struct vt_overlay *overlay, unsigned level, struct vt_node **out_node)
{
    const struct vt_page_name name = {tree->tenant, tree->number, (uint8_t)level, (*overlay->next_page_id)++};
    return node_new(overlay, vt_page_new(&name, VT_PAGE_LEAF), out_node);
}

static uint64_t node_id(const struct vt_node *node)
{
    struct vt_page_name name;
    vt_page_name_of(node->page, &name);
    return name.id;
}

static VT_RESULT plant(struct vt_tree *tree, struct vt_overlay *overlay)
{
    struct vt_node *leaf;
    VT_TRY(new_leaf(tree, overlay, 0, &leaf));
    vt_slot_set(tree->slot, node_id(leaf), VT_PAGE_LEAF, 0);
    tree->root = leaf;
    node_mark(overlay, leaf);
    return VAULT_OK;
}

/* First entry whose key has @p bit set; entries are in key order and share all bits before it. */
static size_t first_with_bit(struct vt_page *leaf, unsigned bit)
{
    size_t i = 0;
    while (i < vt_leaf_count(leaf) && (vt_leaf_entry(leaf, i)[bit / 8] & (0x80u >> (bit % 8))) == 0) i++;
    return i;
}

static void name_children(struct vt_node *parent, size_t base, size_t count, struct vt_node *child, unsigned bits)
{
    for (size_t i = base; i < base + count; i++) {
        vt_slot_set(vt_page_slot(parent->page, i), node_id(child), VT_PAGE_LEAF, bits);
        parent->children[i] = child;
    }
}

/* The leaf keeps the keys whose next bit is 0; a new one takes the others. Both nodes are private. */
static VT_RESULT split_leaf(struct vt_tree *tree, struct vt_overlay *overlay, struct vt_node *parent, unsigned chunk,
                            struct vt_node *leaf)
{
    const unsigned level = leaf->page->level;
    const unsigned bits = vt_slot_bits(vt_page_slot(parent->page, chunk));
    const size_t half = vt_slot_run(vt_page_slot(parent->page, chunk)) / 2;
    const size_t base = chunk & ~(2 * half - 1);
    struct vt_node *upper;
    VT_TRY(new_leaf(tree, overlay, level, &upper));

    vt_leaf_move_tail(leaf->page, first_with_bit(leaf->page, (level - 1) * VT_SLOT_BITS + bits), upper->page);
    name_children(parent, base, half, leaf, bits + 1);
    name_children(parent, base + half, half, upper, bits + 1);
    node_mark(overlay, upper);
    return VAULT_OK;
}

/* The full leaf @p node becomes an inner page over two leaves one level down. It keeps its name. */
static VT_RESULT burst_leaf(struct vt_tree *tree, struct vt_overlay *overlay, struct vt_node *node, uint8_t *slot)
{
    const unsigned level = node->page->level;
    VT_ENSURE(level < VT_LEVEL_MAX, VAULT_E_LIMIT);
    struct vt_node *lower, *upper;
    struct vt_page_name name;
    vt_page_name_of(node->page, &name);
    VT_TRY(new_leaf(tree, overlay, level + 1, &lower));
    VT_TRY(new_leaf(tree, overlay, level + 1, &upper));
    struct vt_node **children = children_new(overlay);
    VT_ENSURE(children != NULL, VAULT_E_MEMORY);
    struct vt_page *inner = vt_page_new(&name, VT_PAGE_INNER);
    VT_ENSURE(inner != NULL, VAULT_E_MEMORY);

    vt_leaf_move_tail(node->page, first_with_bit(node->page, level * VT_SLOT_BITS), upper->page);
    vt_leaf_move_tail(node->page, 0, lower->page);
    vt_page_free(node->page);
    node->page = inner;
    node->children = children;
    name_children(node, 0, VT_SLOT_COUNT / 2, lower, 1);
    name_children(node, VT_SLOT_COUNT / 2, VT_SLOT_COUNT / 2, upper, 1);
    vt_slot_set(slot, name.id, VT_PAGE_INNER, vt_slot_bits(slot));
    node_mark(overlay, lower);
    node_mark(overlay, upper);
    return VAULT_OK;
}

static VT_RESULT split_once(struct vt_tree *tree, struct vt_overlay *overlay, const struct vt_path *path,
                            const uint8_t *key)
{
    struct vt_node *leaf = path->nodes[path->depth - 1];
    if (path->depth == 1) return burst_leaf(tree, overlay, leaf, tree->slot);
    struct vt_node *parent = path->nodes[path->depth - 2];
    const unsigned chunk = vt_key_chunk(key, (unsigned)path->depth - 2);
    uint8_t *slot = vt_page_slot(parent->page, chunk);
    if (vt_slot_bits(slot) == VT_SLOT_BITS) return burst_leaf(tree, overlay, leaf, slot);
    return split_leaf(tree, overlay, parent, chunk, leaf);
}

VT_RESULT vt_tree_make_room(struct vt_tree *tree, struct vt_overlay *overlay, const uint8_t key[VT_ENTRY_KEY_LEN],
                            struct vt_path *out_path)
{
    struct vt_path path;
    if (vt_slot_kind(tree->slot) == VT_PAGE_NONE) VT_TRY(plant(tree, overlay));
    VT_TRY(vt_tree_load(tree, overlay, key, &path));
    VT_TRY(vt_tree_touch(overlay, &path));
    while (vt_leaf_count(vt_path_leaf(&path)) == VT_LEAF_ENTRIES) {
        VT_TRY(split_once(tree, overlay, &path, key));
        VT_TRY(vt_tree_load(tree, overlay, key, &path));
    }
    *out_path = path;
    return VAULT_OK;
}

/* Sealing ---------------------------------------------------------------------------------------------------------- */

/* Never a key that has sealed before, not even for the same page: an entry that moved or went would stay readable in an
 * older version under it. The fault plants exactly this mistake, for the test that must find it; release builds have no
 * faults. */
static VT_RESULT draw_page_key(const uint8_t *slot, const struct vt_key *seed, struct vt_key *out_key)
{
    vt_fault_step("keyring.page");
    if (vt_slot_version(slot) != 0 && vt_fault_hit(VT_FAULT_PAGE_KEY)) {
        *out_key = *vt_slot_key(slot);
        return VAULT_OK;
    }
    return seed != NULL ? vt_random_key_of(seed, out_key) : vt_random_key(out_key);
}

VT_RESULT vt_page_seal_fresh(struct vt_page *page, const struct vt_page_stamp *stamp, vt_page_sink sink, void *context,
                             uint8_t *slot)
{
    uint8_t name_bytes[VT_PAGE_NAME_LEN], value[VT_PAGE_VALUE_LEN];
    struct vt_page_name name;
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    VT_TRY(draw_page_key(slot, stamp->seed, &key));
    VT_TRY(vt_page_seal(page, stamp, &key, value));
    vt_page_name_of(page, &name);
    vt_page_name_bytes(&name, name_bytes);
    VT_TRY(sink(context, name_bytes, value));
    page->head.key.version = stamp->version;
    vt_slot_set_key(slot, &key, stamp->version);
    return VAULT_OK;
}

struct seal_run {
    const struct vt_page_stamp *stamp;
    vt_page_sink sink;
    void *context;
};

static VT_RESULT seal_node(const struct seal_run *run, struct vt_node *node, uint8_t *slot);

/* No deeper than the tree: 23 levels. */
static VT_RESULT seal_children(const struct seal_run *run, struct vt_node *node)
{
    size_t width;
    for (size_t i = 0; i < VT_SLOT_COUNT; i += width) {
        uint8_t *slot = vt_page_slot(node->page, i);
        struct vt_node *child = node->children[i];
        width = vt_slot_run(slot);
        if (child == NULL || !child->is_dirty) continue;
        VT_TRY(seal_node(run, child, slot));
        for (size_t k = 1; k < width; k++)
            vt_slot_set_key(slot + k * VT_SLOT_LEN, vt_slot_key(slot), vt_slot_version(slot));
    }
    return VAULT_OK;
}

static VT_RESULT seal_node(const struct seal_run *run, struct vt_node *node, uint8_t *slot)
{
    if (node->children != NULL) VT_TRY(seal_children(run, node));
    return vt_page_seal_fresh(node->page, run->stamp, run->sink, run->context, slot);
}

VT_RESULT vt_tree_seal(struct vt_tree *tree, const struct vt_page_stamp *stamp, vt_page_sink sink, void *context)
{
    const struct seal_run run = {stamp, sink, context};
    if (tree->root == NULL || !tree->root->is_dirty) return VAULT_OK;
    return seal_node(&run, tree->root, tree->slot);
}
