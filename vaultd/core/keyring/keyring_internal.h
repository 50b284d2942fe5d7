/* vaultd/core/keyring/keyring_internal.h - the ring, its views and its writes, as the files of this folder see them.
 * Lock order: the ring's mutex, then a cache shard's. Thread: as keyring.h says. */
#pragma once
#include <pthread.h>

#include "vaultd/core/keyring/keyblock_internal.h"
#include "vaultd/core/keyring/tree_internal.h"

/** A root key that the ring can open root pages with. */
struct vt_root_key {
    bool is_set;
    uint64_t epoch;
    uint8_t attempt[16];
    struct vt_key key;
};
/** Arena memory. next: given to a write that has finished but not committed; previous: until the fence. */
struct vt_root_keys {
    struct vt_root_key current, next, previous;
};

struct vt_keyring {
    struct vt_store *store;         /* borrowed */
    struct vt_cache *pages;         /* opened pages and key tables */
    struct vt_cache *subjects;      /* opened key blocks */
    pthread_mutex_t mutex;
    pthread_cond_t view_ended;
    bool is_sealed;                 /* the rest: guarded by the mutex */
    struct vt_root_keys *keys;
    struct vt_root *root;           /* the committed one, opened */
    struct vt_list views;           /* oldest first */
    uint64_t view_sequence;
    uint64_t views_open;
    atomic_uint_fast64_t pages_sealed, pages_opened;
};

/** Keys of T_sys or of one T_ten, opened; newest version first. */
enum { VT_KEY_TABLE_NAMES = 8 };
_Static_assert((int)VT_TENANT_KEY_COUNT <= (int)VT_KEY_TABLE_NAMES, "every name of a tenant fits");
_Static_assert((int)VT_SYSTEM_KEY_COUNT <= (int)VT_KEY_TABLE_NAMES, "every name of the vault fits");
struct vt_key_table {
    struct vt_cached head;
    uint8_t counts[VT_KEY_TABLE_NAMES];
    struct vt_tenant_key keys[VT_KEY_TABLE_NAMES][VT_TENANT_KEY_VERSIONS];
    uint8_t incarnation_count;      /* T_sys */
    struct vt_incarnation incarnations[VT_INCARNATIONS_MAX];
};

/** A tenant as a view last looked at it. References are the view's pins. */
struct vt_view_tenant {
    vt_tenant_id id;                /* 0: none yet */
    struct vt_page *page;
    struct vt_key_table *keys;
};

struct vt_keyring_view {
    struct vt_keyring *ring;
    struct vt_txn *txn;
    struct vt_root *root;           /* reference */
    struct vt_keyring_write *write; /* the write whose changes it sees; NULL: none */
    struct vt_key_table *system;    /* pinned */
    struct vt_view_tenant tenant;
    struct vt_cached **pins;
    size_t pin_count, pin_cap;
    struct vt_cached *first_pins[8];
    struct vt_list open;            /* the ring's list */
    uint64_t sequence;
};

/** A tenant as a write has it: a private copy of its page. */
struct vt_write_tenant {
    struct vt_write_tenant *next;
    vt_tenant_id id;
    struct vt_page *page;           /* owned */
    uint64_t old_version;           /* 0: new */
    struct vt_tree sub, idx, ten;
    struct vt_key_table *keys;      /* pinned by the write's view; NULL: to be read anew */
    bool is_dirty, is_dropped;
};

struct vt_changed_subject {
    vt_tenant_id tenant;
    struct vt_sid sid;
};

struct vt_keyring_write {
    struct vt_keyring_view view;
    struct vt_root *root;           /* owned copy: becomes the next root page */
    struct vt_overlay overlay;
    struct vt_tree sys, dir;
    struct vt_write_tenant *tenants;
    struct vt_changed_subject *changed;
    size_t changed_count, changed_cap;
    struct vt_buf delta;
    uint64_t marks, additions;      /* changes so far; those among them that only added something new */
    bool has_delta;
    bool is_dirty;
    bool is_finished;
    bool is_next_epoch;
    bool has_dropped_tenant;
    bool is_creation;               /* there is no ring state to publish to */
};

/* view.c */
VT_RESULT vt_view_init(struct vt_keyring_view *view, struct vt_keyring *ring, struct vt_txn *txn);
void vt_view_release(struct vt_keyring_view *view);
/** The view lets go of @p object (moved) when it ends; on failure it lets go at once. */
VT_RESULT vt_view_pin(struct vt_keyring_view *view, struct vt_cached *object);
/** @param out_page owned reference; shared, so not to be changed */
VT_RESULT vt_view_page(struct vt_keyring_view *view, const struct vt_page_name *name, const uint8_t *slot,
                       struct vt_page **out_page);
/** The same, from the store whatever the cache has; not put there. */
VT_RESULT vt_view_page_uncached(struct vt_keyring_view *view, const struct vt_page_name *name, const uint8_t *slot,
                                struct vt_page **out_page);
/** A reader's handle on one of the five trees. @return VAULT_E_NOT_FOUND: no such tenant */
VT_RESULT vt_view_tree(struct vt_keyring_view *view, vt_tenant_id tenant, enum vt_tree_number number,
                       struct vt_tree *out_tree);
/** @return VAULT_E_NOT_FOUND: no such tenant. @param out_table borrowed until the view ends */
VT_RESULT vt_view_tenant_keys(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_key_table **out_table);
VT_RESULT vt_view_subject_entry(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                                struct vt_subject_entry *out_entry);

/* keytable.c */
/** Key table of a tree of named keys. @param out_table pinned by @p view */
VT_RESULT vt_key_table_load(struct vt_keyring_view *view, const struct vt_tree *tree, struct vt_key_table **out_table);
/** Under which the cache keeps the key table of the tree whose root page is @p root_id in @p version. */
enum { VT_KEY_TABLE_LEVEL = 0xff };
void vt_key_table_cache_key(vt_tenant_id tenant, uint8_t tree, uint64_t root_id, uint64_t version,
                            struct vt_cache_key *out_key);
/** Entry of a named key: position SHA-256(label || version 4)[0:16], payload key 32 | version 4 | created at ms 8 |
 * state 1 | name 2 | zero 2. @p name is a vt_system_key_name or vt_tenant_key_name, as the tree says. */
VT_RESULT vt_named_key_position(uint8_t tree, unsigned name, uint32_t version, uint8_t out_key[VT_ENTRY_KEY_LEN]);
/** The entry of a former incarnation in T_sys: position SHA-256("sys:incarnation" || number 8)[0:16], payload number 8 | last
 * epoch 8 | last commit 8 | ended at ms 8 | zero 12 | state 1 | name 2 = 256 | zero 2. */
VT_RESULT vt_incarnation_entry(const struct vt_incarnation *incarnation, uint8_t out_key[VT_ENTRY_KEY_LEN],
                               uint8_t out_payload[VT_ENTRY_PAYLOAD_LEN]);
void vt_named_key_payload(unsigned name, const struct vt_tenant_key *key, uint8_t out_payload[VT_ENTRY_PAYLOAD_LEN]);

VT_RESULT vt_view_block_read(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                             const struct vt_subject_entry *entry, struct vt_opened_block **out_block);
/** META "root". @return VAULT_E_NOT_INITIALISED when there is none */
VT_RESULT vt_root_value(struct vt_txn *txn, struct vt_bytes *out_value);
/** @param dir T_dir. @return VAULT_E_NOT_FOUND. @param out_page owned reference */
VT_RESULT vt_tenant_page_read(const struct vt_tree *dir, vt_tenant_id tenant, struct vt_page **out_page);

/* write.c */
VT_RESULT vt_write_tenant_find(struct vt_keyring_write *write, vt_tenant_id tenant,
                               struct vt_write_tenant **out_tenant);
VT_RESULT vt_write_put_row(struct vt_keyring_write *write, enum vt_table table, struct vt_bytes key,
                           struct vt_bytes value);
VT_RESULT vt_write_delete_row(struct vt_keyring_write *write, enum vt_table table, struct vt_bytes key);
/** The write has changed something that hangs from this tenant. */
void vt_write_mark(struct vt_keyring_write *write, struct vt_write_tenant *tenant);

/* rekey.c */
/** The tenant behind @p tenant in T_dir order, the first one for VT_TENANT_VAULT; VT_TENANT_VAULT at the end. */
VT_RESULT vt_next_tenant(const struct vt_tree *dir, vt_tenant_id tenant, vt_tenant_id *out_next);

/* index.c */
/** Does an entry lie where its hash, group and version of K_place put it? @return VAULT_E_CORRUPT */
VT_RESULT vt_index_entry_check(const struct vt_key_table *table, const uint8_t *entry);
/** All entries of the hash that lie under older versions of K_place come to lie under the live one: they are copied, or move when
 *  they fill a group. */
VT_RESULT vt_index_copy(struct vt_keyring_write *write, struct vt_write_tenant *tenant, const struct vt_index_hash *hash);
/** Find the leaf's first entry that lies under an older K_place and take its group away; when it has not been copied, all entries
 *  of its hash move. @param path loaded; to be loaded anew when *out_is_gone */
VT_RESULT vt_index_take_away_first(struct vt_keyring_write *write, struct vt_write_tenant *tenant, struct vt_path *path,
                                   bool *out_is_gone);
/** Is the entry one of a hash's first group under an older K_place? */
bool vt_index_entry_begins_old(const struct vt_key_table *table, const uint8_t *entry, struct vt_index_hash *out_hash);
VT_RESULT vt_index_position(const struct vt_tenant_key *place, const struct vt_index_hash *hash, uint32_t group,
                            uint8_t out_key[VT_ENTRY_KEY_LEN]);

/* The tenant page: version 1 | kind 1 | zero 14 | tenant id 8 | subjects 8 | index entries 8 | created at ms 8 | slots
 * of T_sub, T_idx and T_ten, 56 each | zeroes. */
enum {
    VT_TENANT_PAGE_ID = 16,
    VT_TENANT_PAGE_SUBJECTS = 24,
    VT_TENANT_PAGE_ENTRIES = 32,
    VT_TENANT_PAGE_CREATED = 40,
    VT_TENANT_PAGE_SUB = 48,
    VT_TENANT_PAGE_IDX = VT_TENANT_PAGE_SUB + VT_SLOT_LEN,
    VT_TENANT_PAGE_TEN = VT_TENANT_PAGE_IDX + VT_SLOT_LEN,
};

/** Position of a tenant in T_dir: SHA-256(id)[0:8] | id 8, so that positions are spread and the id can be read back. */
VT_RESULT vt_tenant_position(vt_tenant_id tenant, uint8_t out_key[VT_ENTRY_KEY_LEN]);
