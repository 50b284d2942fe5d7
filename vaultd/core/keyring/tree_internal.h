/* vaultd/core/keyring/tree_internal.h - the radix tree over 16-byte uniformly random keys: readers walk it page by page
 * from its root slot, a write keeps the pages it has opened as an overlay of nodes and seals the changed ones at the
 * end.
 *
 * Shape: an inner page of level L has 64 slots, chosen by key bits 6L to 6L+5. Slots may share a leaf: a leaf that
 * holds all keys with the same d of these six bits is named by 2^(6-d) slots. A full leaf splits in two by its next key
 * bit; only when it uses all six is it replaced by an inner page (which takes over its id) over two leaves. Leaves are
 * never merged; an empty leaf stays. The root slot of a tree without entries is all zero.
 *
 * Invariant: finding and making room change no entry; the change itself (insert, remove, set) cannot fail.
 *
 * Thread: a tree of a reader's view that reader's; a tree of a write the committer. */
#pragma once
#include "libvault/base/pool.h"
#include "vaultd/core/keyring/page_internal.h"

struct vt_node;
struct vt_tree {
    struct vt_keyring_view *view;   /* borrowed: where pages are read */
    vt_tenant_id tenant;
    uint8_t number;                 /* vt_tree_number */
    uint8_t *slot;                  /* root slot, borrowed; only a write changes it */
    struct vt_node *root;           /* a write's overlay; NULL: nothing opened by it */
};

/** The leaf that is responsible for a key, and the entries of that key in it. */
struct vt_leaf_at {
    struct vt_page *leaf;           /* owned reference; NULL: the tree is empty */
    size_t first, count;            /* entries of the key */
    unsigned prefix_bits;           /* how many leading bits all keys of this leaf share */
};
#define VT_LEAF_AT_INIT ((struct vt_leaf_at){NULL, 0, 0, 0})
void vt_leaf_at_release(struct vt_leaf_at *at);

/** Count 0 when the key is absent: that is no failure here. @return VAULT_E_CORRUPT, VAULT_E_AUTHENTICITY ... */
VT_RESULT vt_tree_find(const struct vt_tree *tree, const uint8_t key[VT_ENTRY_KEY_LEN], struct vt_leaf_at *out_at);
/** The first key behind all keys that share the first @p prefix_bits of @p key. False when there is none. */
bool vt_key_range_next(const uint8_t key[VT_ENTRY_KEY_LEN], unsigned prefix_bits, uint8_t out_key[VT_ENTRY_KEY_LEN]);

/** Visit entries in key order from @p from (inclusive) on. @p entry (key | payload) is borrowed for the call.
 *  A failure of @p visit ends the walk and is returned. */
typedef vault_status (*vt_entry_visit)(void *context, const uint8_t *entry, bool *out_stop);
VT_RESULT vt_tree_walk(const struct vt_tree *tree, const uint8_t from[VT_ENTRY_KEY_LEN], vt_entry_visit visit,
                       void *context);

/* Writing ---------------------------------------------------------------------------------------------------------- */

struct vt_overlay;
/** A page opened by a write. */
struct vt_node {
    struct vt_node *next;           /* all nodes of the overlay */
    struct vt_node **children;      /* 64, of an inner page; entries NULL until opened */
    struct vt_page *page;           /* reference; private once is_dirty */
    uint64_t old_version;           /* as it lies in the store; 0: new */
    bool is_dirty;
};
/** What all trees of one write share. */
struct vt_overlay {
    struct vt_pool pool;            /* nodes; no secrets */
    struct vt_node *nodes;
    size_t dirty_count;
    uint64_t *next_page_id;         /* borrowed: the write's root page */
};
void vt_overlay_init(struct vt_overlay *overlay, uint64_t *next_page_id);
void vt_overlay_release(struct vt_overlay *overlay);

/** The way to one leaf, opened. */
struct vt_path {
    struct vt_node *nodes[VT_LEVEL_MAX + 1];
    size_t depth;                   /* nodes; the last one is the leaf. 0: the tree is empty */
};
/** Open the way to @p key's leaf as nodes. Changes nothing. */
VT_RESULT vt_tree_load(struct vt_tree *tree, struct vt_overlay *overlay, const uint8_t key[VT_ENTRY_KEY_LEN],
                       struct vt_path *out_path);
static inline struct vt_page *vt_path_leaf(const struct vt_path *path)
{
    return path->nodes[path->depth - 1]->page;
}
/** How many leading bits all keys of the path's leaf share. @p key: the one that the path was loaded for */
unsigned vt_path_prefix_bits(const struct vt_path *path, const uint8_t key[VT_ENTRY_KEY_LEN]);
/** Make every page of the path private and due for a rewrite. Changes no entry. */
VT_RESULT vt_tree_touch(struct vt_overlay *overlay, struct vt_path *path);
/** Load and touch the way to @p key's leaf and split leaves until that leaf has room for one more entry. */
VT_RESULT vt_tree_make_room(struct vt_tree *tree, struct vt_overlay *overlay, const uint8_t key[VT_ENTRY_KEY_LEN],
                            struct vt_path *out_path);

/** Receives a sealed page. */
typedef vault_status (*vt_page_sink)(void *context, const uint8_t name[VT_PAGE_NAME_LEN],
                                     const uint8_t value[VT_PAGE_VALUE_LEN]);
/** Seal every dirty page of the tree bottom-up, each under a fresh key; the root's key and version go to the tree's
 * slot. */
VT_RESULT vt_tree_seal(struct vt_tree *tree, const struct vt_page_stamp *stamp, vt_page_sink sink, void *context);
/** Seal one page under a fresh key and write key and version to @p slot. */
VT_RESULT vt_page_seal_fresh(struct vt_page *page, const struct vt_page_stamp *stamp, vt_page_sink sink,
                             void *context, uint8_t *slot);
