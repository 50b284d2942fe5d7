/* vaultd/core/keyring/page_internal.h - pages as bytes: names, slots, entries, sealing and opening; the root page and
 * its record likewise. Bytes: docs/FORMAT.md "Keyring".
 *
 * Invariants: a page is sealed once under a key that has never sealed anything else; a page opens only under the name,
 * version and key that its parent's slot gives.
 *
 * Thread: pure functions on the caller's objects. */
#pragma once
#include "libvault/crypto/aead.h"
#include "vaultd/core/keyring/cache_internal.h"
#include "vaultd/core/keyring/keyring.h"

enum {
    VT_PAGE_VERSION = 1,
    VT_PAGE_HEAD_LEN = 24,          /* incarnation 8 | page version 8 | epoch 8, plain */
    VT_PAGE_PLAIN_LEN = 3962,
    VT_PAGE_VALUE_LEN = VT_PAGE_HEAD_LEN + VT_PAGE_PLAIN_LEN + VT_SEAL_OVERHEAD,
    VT_PAGE_NAME_LEN = 18,          /* tenant 8 | tree 1 | level 1 | page id 8 */

    VT_PAGE_BODY = 16,              /* behind: version 1 | kind 1 | entry count 2 | zero 12 */
    VT_SLOT_LEN = 56,
    VT_SLOT_BITS = 6,
    VT_SLOT_COUNT = 1 << VT_SLOT_BITS,
    VT_ENTRY_KEY_LEN = 16,
    VT_ENTRY_PAYLOAD_LEN = 49,
    VT_ENTRY_LEN = VT_ENTRY_KEY_LEN + VT_ENTRY_PAYLOAD_LEN,
    VT_LEAF_ENTRIES = 60,
    VT_LEVEL_MAX = 22,              /* 128 key bits in steps of 6, and the leaf below */

    VT_ROOT_VERSION = 1,
    /* version 1 | vault id 16 | incarnation 8 | epoch 8 | attempt 16 | page version 8 | commit 8 */
    VT_ROOT_HEAD_LEN = 65,
    VT_ROOT_PLAIN_LEN = 512,
    VT_ROOT_VALUE_LEN = VT_ROOT_HEAD_LEN + VT_ROOT_PLAIN_LEN + VT_SEAL_OVERHEAD,
};
_Static_assert(VT_PAGE_VALUE_LEN == 4080, "one LMDB overflow page");
_Static_assert(VT_PAGE_BODY + VT_LEAF_ENTRIES * VT_ENTRY_LEN <= VT_PAGE_PLAIN_LEN, "a full leaf fits");
_Static_assert(VT_PAGE_BODY + VT_SLOT_COUNT * VT_SLOT_LEN <= VT_PAGE_PLAIN_LEN, "an inner page fits");

/** Part of the format: never renumber, never reuse. */
enum vt_tree_number {
    VT_TREE_SYS = 1,
    VT_TREE_DIR = 2,
    VT_TREE_SUB = 3,
    VT_TREE_IDX = 4,
    VT_TREE_TEN = 5,
    VT_TREE_TENANT = 6,             /* the tenant page itself: level 0, one page */
};
enum vt_page_kind { VT_PAGE_NONE = 0, VT_PAGE_LEAF = 1, VT_PAGE_INNER = 2, VT_PAGE_TENANT = 3 };

/** Where a page lies. */
struct vt_page_name {
    vt_tenant_id tenant;
    uint8_t tree;                   /* vt_tree_number */
    uint8_t level;
    uint64_t id;
};
void vt_page_name_bytes(const struct vt_page_name *name, uint8_t out_bytes[VT_PAGE_NAME_LEN]);
void vt_page_cache_key(const struct vt_page_name *name, uint64_t version, struct vt_cache_key *out_key);

/** An opened page. */
struct vt_page {
    struct vt_cached head;
    uint8_t tree, level;
    uint8_t plain[VT_PAGE_PLAIN_LEN];
};
/* vt_secret_alloc() adds 16 bytes: a page must not spill into the next power of two. */
_Static_assert(sizeof(struct vt_page) <= 4096 - 16, "an opened page is one 4 KiB block");

/** A fresh page of @p kind, empty. NULL when memory is short. */
struct vt_page *vt_page_new(const struct vt_page_name *name, enum vt_page_kind kind);
/** A private copy. NULL when memory is short. */
struct vt_page *vt_page_copy(const struct vt_page *page);
static inline void vt_page_free(struct vt_page *page)
{
    if (page != NULL) vt_cached_drop(&page->head);
}
VT_DEFINE_AUTO_PTR(vt_page);
static inline enum vt_page_kind vt_page_kind_of(const struct vt_page *page)
{
    return (enum vt_page_kind)page->plain[1];
}
/** Kept open in the cache: all but the leaves of the big trees, which are too many to pay (docs/PERFORMANCE.md). */
bool vt_page_kind_is_cacheable(uint8_t tree, uint8_t level, enum vt_page_kind kind);
static inline bool vt_page_is_cacheable(const struct vt_page *page)
{
    return vt_page_kind_is_cacheable(page->tree, page->level, vt_page_kind_of(page));
}
void vt_page_name_of(const struct vt_page *page, struct vt_page_name *out_name);

/* Slots: page id 8 | page key 32 | page version 8 | kind 1 | used bits 1 | zero 6. An all-zero slot names no page; the
 * empty root of a tree is one. */
static inline uint64_t vt_slot_id(const uint8_t *slot)
{
    return vt_get_u64(slot);
}
static inline const struct vt_key *vt_slot_key(const uint8_t *slot)
{
    return (const struct vt_key *)(const void *)(slot + 8);
}
static inline uint64_t vt_slot_version(const uint8_t *slot)
{
    return vt_get_u64(slot + 40);
}
static inline enum vt_page_kind vt_slot_kind(const uint8_t *slot)
{
    return (enum vt_page_kind)slot[48];
}
/** How many of the inner page's six key bits all keys below this slot share: 6 - bits of them are free. */
static inline unsigned vt_slot_bits(const uint8_t *slot)
{
    return slot[49];
}
static inline size_t vt_slot_run(const uint8_t *slot)
{
    return (size_t)1 << (VT_SLOT_BITS - vt_slot_bits(slot));
}
void vt_slot_set(uint8_t *slot, uint64_t id, enum vt_page_kind kind, unsigned bits);
void vt_slot_set_key(uint8_t *slot, const struct vt_key *key, uint64_t version);
static inline uint8_t *vt_page_slot(struct vt_page *page, size_t index)
{
    return page->plain + VT_PAGE_BODY + index * VT_SLOT_LEN;
}
/** The six key bits that an inner page of @p level consumes. */
unsigned vt_key_chunk(const uint8_t position[VT_ENTRY_KEY_LEN], unsigned level);

/* Leaf entries: key 16 | payload 49, in key order; equal keys lie side by side. */
static inline size_t vt_leaf_count(const struct vt_page *page)
{
    return vt_get_u16(page->plain + 2);
}
static inline uint8_t *vt_leaf_entry(struct vt_page *page, size_t index)
{
    return page->plain + VT_PAGE_BODY + index * VT_ENTRY_LEN;
}
/** First entry at or behind @p position; the count when there is none. */
size_t vt_leaf_lower_bound(struct vt_page *page, const uint8_t position[VT_ENTRY_KEY_LEN]);
/** How many entries from @p first on have this position. */
size_t vt_leaf_equal_count(struct vt_page *page, size_t first, const uint8_t position[VT_ENTRY_KEY_LEN]);
/** The leaf must have room. The entry goes behind those of the same position. */
void vt_leaf_insert(struct vt_page *page, const uint8_t position[VT_ENTRY_KEY_LEN], const uint8_t *payload);
void vt_leaf_remove(struct vt_page *page, size_t index);
/** Move the entries from @p first on to the empty leaf @p to. */
void vt_leaf_move_tail(struct vt_page *page, size_t first, struct vt_page *to);

/** What a page is sealed for, besides its name. */
struct vt_page_stamp {
    struct vt_vault_id vault_id;
    uint64_t incarnation;
    uint64_t epoch;
    uint64_t version;
    const struct vt_key *seed;      /* vt_random_key_of() gives the page keys of a write that only adds; NULL: a draw for each */
};
/** Seal under a key that the caller has just drawn. @param out_value VT_PAGE_VALUE_LEN bytes */
VT_RESULT vt_page_seal(const struct vt_page *page, const struct vt_page_stamp *stamp, const struct vt_key *key,
                       uint8_t *out_value);
/** Open the value that lies under @p name as the page that @p slot promises.
 *  @return VAULT_E_AUTHENTICITY (another version, key or place), VAULT_E_CORRUPT (length, structure), VAULT_E_FORMAT */
VT_RESULT vt_page_open(const struct vt_vault_id *vault_id, const struct vt_page_name *name, const uint8_t *slot,
                       struct vt_bytes value, struct vt_page **out_page);

/** The root page, opened. */
struct vt_root {
    struct vt_cached head;
    struct vt_root_record record;
    uint64_t next_page_id;
    uint8_t slots[2][VT_SLOT_LEN];  /* T_sys, T_dir */
};
struct vt_root *vt_root_new(void);
static inline void vt_root_free(struct vt_root *root)
{
    if (root != NULL) vt_cached_drop(&root->head);
}
VT_DEFINE_AUTO_PTR(vt_root);
/** Fills in record.root_hash. @param out_value VT_ROOT_VALUE_LEN bytes */
VT_RESULT vt_root_seal(struct vt_root *root, const struct vt_key *root_key, uint8_t *out_value);
/** All but root_hash, which stays zero: nothing is hashed. */
VT_RESULT vt_root_head_decode(struct vt_bytes value, struct vt_root_record *out_record);
VT_RESULT vt_root_record_decode(struct vt_bytes value, struct vt_root_record *out_record);
VT_RESULT vt_root_open(struct vt_bytes value, const struct vt_key *root_key, struct vt_root **out_root);
