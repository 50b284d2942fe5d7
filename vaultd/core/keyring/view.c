#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "vaultd/core/keyring/keyring_internal.h"

/* Begin and end ---------------------------------------------------------------------------------------------------- */

VT_RESULT vt_root_value(struct vt_txn *txn, struct vt_bytes *out_value)
{
    const vault_status status = vt_store_get(txn, VT_TABLE_META, vt_bytes_str("root"), out_value);
    return status == VAULT_E_NOT_FOUND ? VAULT_E_NOT_INITIALISED : status;
}

static bool is_same_root(const struct vt_root_record *a, const struct vt_root_record *b)
{
    return a->page_version == b->page_version && a->epoch == b->epoch && a->incarnation == b->incarnation &&
           memcmp(a->attempt, b->attempt, sizeof a->attempt) == 0;
}

static bool is_key_of(const struct vt_root_key *candidate, const struct vt_root_record *record)
{
    return candidate->is_set && candidate->epoch == record->epoch &&
           vt_bytes_equal(VT_BYTES_OF(candidate->attempt), VT_BYTES_OF(record->attempt));
}

static const struct vt_root_key *root_key_of(const struct vt_root_keys *keys, const struct vt_root_record *record)
{
    const struct vt_root_key *candidates[] = {&keys->current, &keys->next, &keys->previous};
    for (size_t i = 0; i < VT_ARRAY_LEN(candidates); i++)
        if (is_key_of(candidates[i], record)) return candidates[i];
    return NULL;
}

/* Under the mutex: take the opened root if it is the snapshot's, else the key that opens it. A snapshot from before an
 * epoch that the fence has closed cannot be opened any more: the call lost a race and may be repeated. */
static VT_RESULT view_join_locked(struct vt_keyring_view *view, const struct vt_root_record *record,
                                  struct vt_key *out_key)
{
    struct vt_keyring *ring = view->ring;
    VT_ENSURE(!ring->is_sealed, VAULT_E_SEALED);
    if (is_same_root(record, &ring->root->record)) {
        vt_cached_hold(&ring->root->head);
        view->root = ring->root;
    } else {
        const struct vt_root_key *key = root_key_of(ring->keys, record);
        if (key == NULL)
            return record->epoch < ring->root->record.epoch ? VAULT_E_CONFLICT : VAULT_E_AUTHENTICITY;
        *out_key = key->key;
    }
    view->sequence = ++ring->view_sequence;
    vt_list_push_back(&ring->views, &view->open);
    ring->views_open++;
    return VAULT_OK;
}

static VT_RESULT view_open_root(struct vt_keyring_view *view)
{
    struct vt_bytes value;
    struct vt_root_record record;
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    VT_TRY(vt_root_value(view->txn, &value));
    VT_TRY(vt_root_head_decode(value, &record));
    pthread_mutex_lock(&view->ring->mutex);
    const vault_status joined = view_join_locked(view, &record, &key);
    pthread_mutex_unlock(&view->ring->mutex);
    VT_TRY(joined);
    if (view->root == NULL) VT_TRY(vt_root_open(value, &key, &view->root));
    return VAULT_OK;
}

VT_RESULT vt_view_init(struct vt_keyring_view *view, struct vt_keyring *ring, struct vt_txn *txn)
{
    view->ring = ring;
    view->txn = txn;
    view->pins = view->first_pins;
    view->pin_cap = VT_ARRAY_LEN(view->first_pins);
    VT_TRY(view_open_root(view));
    const struct vt_tree sys = {view, VT_TENANT_VAULT, VT_TREE_SYS, view->root->slots[0], NULL};
    return vt_key_table_load(view, &sys, &view->system);
}

static void view_leave(struct vt_keyring_view *view)
{
    struct vt_keyring *ring = view->ring;
    pthread_mutex_lock(&ring->mutex);
    vt_list_remove(&view->open);
    ring->views_open--;
    pthread_cond_broadcast(&ring->view_ended);
    pthread_mutex_unlock(&ring->mutex);
}

/* What it borrowed is let go (and wiped, if superseded) before the fence can see it end. */
void vt_view_release(struct vt_keyring_view *view)
{
    for (size_t i = 0; i < view->pin_count; i++) vt_cached_drop(view->pins[i]);
    if (view->pins != view->first_pins) free(view->pins);
    vt_root_free(view->root);
    if (view->sequence != 0) view_leave(view);
    *view = (struct vt_keyring_view){0};
}

VT_RESULT vt_keyring_view_begin(struct vt_keyring *ring, struct vt_txn *txn, struct vt_keyring_view **out_view)
{
    struct vt_keyring_view *view = vt_calloc(1, sizeof *view);
    VT_ENSURE(view != NULL, VAULT_E_MEMORY);
    const vault_status status = vt_view_init(view, ring, txn);
    if (status != VAULT_OK) {
        vt_keyring_view_end(view);
        return status;
    }
    *out_view = view;
    return VAULT_OK;
}

void vt_keyring_view_end(struct vt_keyring_view *view)
{
    if (view == NULL) return;
    vt_view_release(view);
    free(view);
}

uint64_t vt_keyring_view_incarnation(const struct vt_keyring_view *view)
{
    return view->root->record.incarnation;
}

const struct vt_vault_id *vt_keyring_view_vault_id(const struct vt_keyring_view *view)
{
    return &view->root->record.vault_id;
}

struct vt_txn *vt_keyring_view_txn(const struct vt_keyring_view *view)
{
    return view->txn;
}

static VT_RESULT pins_grow(struct vt_keyring_view *view)
{
    struct vt_cached **grown = vt_calloc(view->pin_cap * 2, sizeof *grown);
    VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
    memcpy(grown, view->pins, view->pin_count * sizeof *grown);
    if (view->pins != view->first_pins) free(view->pins);
    view->pins = grown;
    view->pin_cap *= 2;
    return VAULT_OK;
}

VT_RESULT vt_view_pin(struct vt_keyring_view *view, struct vt_cached *object)
{
    const vault_status status = view->pin_count == view->pin_cap ? pins_grow(view) : VAULT_OK;
    if (status != VAULT_OK) {
        vt_cached_drop(object);
        return status;
    }
    view->pins[view->pin_count++] = object;
    return VAULT_OK;
}

/* Pages ------------------------------------------------------------------------------------------------------------ */

VT_RESULT vt_view_page_uncached(struct vt_keyring_view *view, const struct vt_page_name *name, const uint8_t *slot,
                                struct vt_page **out_page)
{
    uint8_t name_bytes[VT_PAGE_NAME_LEN];
    struct vt_bytes value;
    vt_page_name_bytes(name, name_bytes);
    const vault_status status = vt_store_get(view->txn, VT_TABLE_PAGE, VT_BYTES_OF(name_bytes), &value);
    if (status == VAULT_E_NOT_FOUND) return VAULT_E_CORRUPT;    /* the parent promised it */
    VT_TRY(status);
    atomic_fetch_add_explicit(&view->ring->pages_opened, 1, memory_order_relaxed);
    return vt_page_open(&view->root->record.vault_id, name, slot, value, out_page);
}

VT_RESULT vt_view_page(struct vt_keyring_view *view, const struct vt_page_name *name, const uint8_t *slot,
                       struct vt_page **out_page)
{
    struct vt_cache_key key;
    /* A leaf of a big tree is never there: to look for it costs a lock and a walk through cold memory. */
    if (!vt_page_kind_is_cacheable(name->tree, name->level, vt_slot_kind(slot)))
        return vt_view_page_uncached(view, name, slot, out_page);
    vt_page_cache_key(name, vt_slot_version(slot), &key);
    struct vt_page *page = (struct vt_page *)(void *)vt_cache_get(view->ring->pages, &key, 0);
    if (page == NULL) {
        VT_TRY(vt_view_page_uncached(view, name, slot, &page));
        vt_cache_put(view->ring->pages, &page->head, view->root->record.page_version);
    }
    *out_page = page;
    return VAULT_OK;
}

/* Tenants ---------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_tenant_position(vt_tenant_id tenant, uint8_t out_key[VT_ENTRY_KEY_LEN])
{
    uint8_t hash[VT_SHA256_LEN];
    vt_put_u64(out_key + 8, tenant);
    VT_TRY(vt_sha256_one(vt_bytes(out_key + 8, 8), hash));
    memcpy(out_key, hash, 8);
    return VAULT_OK;
}

VT_RESULT vt_tenant_page_read(const struct vt_tree *dir, vt_tenant_id tenant, struct vt_page **out_page)
{
    VT_AUTO(vt_leaf_at) at = VT_LEAF_AT_INIT;
    VT_AUTO_PTR(vt_page) page = NULL;
    uint8_t position[VT_ENTRY_KEY_LEN];
    VT_TRY(vt_tenant_position(tenant, position));
    VT_TRY(vt_tree_find(dir, position, &at));
    VT_ENSURE(at.count != 0, VAULT_E_NOT_FOUND);
    const uint8_t *slot = vt_leaf_entry(at.leaf, at.first) + VT_ENTRY_KEY_LEN;
    const struct vt_page_name name = {tenant, VT_TREE_TENANT, 0, vt_slot_id(slot)};
    VT_TRY(vt_view_page(dir->view, &name, slot, &page));
    VT_ENSURE(vt_page_kind_of(page) == VT_PAGE_TENANT, VAULT_E_CORRUPT);
    VT_ENSURE(vt_get_u64(page->plain + VT_TENANT_PAGE_ID) == tenant, VAULT_E_CORRUPT);
    *out_page = VT_MOVE(page);
    return VAULT_OK;
}

static VT_RESULT view_tenant_find(struct vt_keyring_view *view, vt_tenant_id tenant)
{
    if (view->tenant.id == tenant && view->tenant.page != NULL) return VAULT_OK;
    const struct vt_tree dir = {view, VT_TENANT_VAULT, VT_TREE_DIR, view->root->slots[1], NULL};
    struct vt_page *page = NULL;
    VT_TRY(vt_tenant_page_read(&dir, tenant, &page));
    VT_TRY(vt_view_pin(view, &page->head));
    view->tenant = (struct vt_view_tenant){.id = tenant, .page = page};
    return VAULT_OK;
}

static size_t tenant_page_slot(enum vt_tree_number number)
{
    if (number == VT_TREE_SUB) return VT_TENANT_PAGE_SUB;
    return number == VT_TREE_IDX ? VT_TENANT_PAGE_IDX : VT_TENANT_PAGE_TEN;
}

static VT_RESULT write_view_tree(struct vt_keyring_write *write, vt_tenant_id tenant, enum vt_tree_number number,
                                 struct vt_tree *out_tree)
{
    struct vt_write_tenant *found;
    VT_TRY(vt_write_tenant_find(write, tenant, &found));
    if (number == VT_TREE_SUB)
        *out_tree = found->sub;
    else
        *out_tree = number == VT_TREE_IDX ? found->idx : found->ten;
    return VAULT_OK;
}

VT_RESULT vt_view_tree(struct vt_keyring_view *view, vt_tenant_id tenant, enum vt_tree_number number,
                       struct vt_tree *out_tree)
{
    if (view->write != NULL) return write_view_tree(view->write, tenant, number, out_tree);
    VT_TRY(view_tenant_find(view, tenant));
    uint8_t *slot = view->tenant.page->plain + tenant_page_slot(number);
    *out_tree = (struct vt_tree){view, tenant, (uint8_t)number, slot, NULL};
    return VAULT_OK;
}

static VT_RESULT load_tenant_keys(struct vt_keyring_view *view, vt_tenant_id tenant, struct vt_key_table **keys)
{
    struct vt_tree tree;
    if (*keys != NULL) return VAULT_OK;
    VT_TRY(vt_view_tree(view, tenant, VT_TREE_TEN, &tree));
    return vt_key_table_load(view, &tree, keys);
}

VT_RESULT vt_view_tenant_keys(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_key_table **out_table)
{
    if (view->write != NULL) {
        struct vt_write_tenant *found;
        VT_TRY(vt_write_tenant_find(view->write, tenant, &found));
        VT_TRY(load_tenant_keys(view, tenant, &found->keys));
        *out_table = found->keys;
        return VAULT_OK;
    }
    VT_TRY(view_tenant_find(view, tenant));
    VT_TRY(load_tenant_keys(view, tenant, &view->tenant.keys));
    *out_table = view->tenant.keys;
    return VAULT_OK;
}

VT_RESULT vt_keyring_tenant_open(struct vt_keyring_view *view, vt_tenant_id tenant)
{
    const struct vt_key_table *table;
    return vt_view_tenant_keys(view, tenant, &table);
}

bool vt_keyring_tenant_exists(struct vt_keyring_view *view, vt_tenant_id tenant)
{
    return vt_keyring_tenant_open(view, tenant) == VAULT_OK;
}

const struct vt_tenant_key *vt_keyring_tenant_key(struct vt_keyring_view *view, vt_tenant_id tenant,
                                                  enum vt_tenant_key_name name, size_t index)
{
    const struct vt_key_table *table;
    VT_BUG_ON(name >= VT_TENANT_KEY_COUNT);
    if (vt_view_tenant_keys(view, tenant, &table) != VAULT_OK) return NULL;
    return index < table->counts[name] ? &table->keys[name][index] : NULL;
}

const struct vt_key *vt_keyring_system_key(struct vt_keyring_view *view, enum vt_system_key_name name)
{
    VT_BUG_ON(name >= VT_SYSTEM_KEY_COUNT);
    return view->system->counts[name] != 0 ? &view->system->keys[name][0].key : NULL;
}

size_t vt_keyring_incarnations(const struct vt_keyring_view *view, const struct vt_incarnation **out_list)
{
    *out_list = view->system->incarnations;
    return view->system->incarnation_count;
}

bool vt_keyring_accepts(const struct vt_keyring_view *view, uint64_t incarnation)
{
    if (incarnation == view->root->record.incarnation) return true;
    for (size_t i = 0; i < view->system->incarnation_count; i++)
        if (view->system->incarnations[i].number == incarnation) return true;
    return false;
}

VT_RESULT vt_keyring_tenant_counts(struct vt_keyring_view *view, vt_tenant_id tenant,
                                   struct vt_tenant_counts *out_counts)
{
    const uint8_t *plain;
    if (view->write != NULL) {
        struct vt_write_tenant *found;
        VT_TRY(vt_write_tenant_find(view->write, tenant, &found));
        plain = found->page->plain;
    } else {
        VT_TRY(view_tenant_find(view, tenant));
        plain = view->tenant.page->plain;
    }
    *out_counts = (struct vt_tenant_counts){vt_get_u64(plain + VT_TENANT_PAGE_SUBJECTS),
                                            vt_get_u64(plain + VT_TENANT_PAGE_ENTRIES),
                                            (int64_t)vt_get_u64(plain + VT_TENANT_PAGE_CREATED)};
    return VAULT_OK;
}

/* Subjects --------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_view_subject_entry(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                                struct vt_subject_entry *out_entry)
{
    VT_AUTO(vt_leaf_at) at = VT_LEAF_AT_INIT;
    struct vt_tree tree;
    VT_TRY(vt_view_tree(view, tenant, VT_TREE_SUB, &tree));
    VT_TRY(vt_tree_find(&tree, sid->bytes, &at));
    VT_ENSURE(at.count != 0, VAULT_E_NOT_FOUND);
    vt_subject_entry_decode(vt_leaf_entry(at.leaf, at.first) + VT_ENTRY_KEY_LEN, out_entry);
    return VAULT_OK;
}

VT_RESULT vt_view_block_read(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                             const struct vt_subject_entry *entry, struct vt_opened_block **out_block)
{
    struct vt_bytes value;
    const vault_status status = vt_store_get(view->txn, VT_TABLE_KEYBLOCK, VT_BYTES_OF(sid->bytes), &value);
    if (status == VAULT_E_NOT_FOUND) return VAULT_E_CORRUPT;    /* T_sub promised it */
    VT_TRY(status);
    return vt_keyblock_open(&view->root->record.vault_id, tenant, sid, entry, value, out_block);
}

static VT_RESULT subject_read(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                              struct vt_opened_block **out_block)
{
    VT_AUTO(vt_subject_entry) entry = {0};
    VT_TRY(vt_view_subject_entry(view, tenant, sid, &entry));
    return vt_view_block_read(view, tenant, sid, &entry, out_block);
}

/* A write's view neither asks nor feeds the cache: its state is not a committed one. */
VT_RESULT vt_keyring_subject_keys(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                                  const struct vt_subject_keys **out_keys)
{
    const uint64_t state = view->root->record.page_version;
    const bool is_shared = view->write == NULL;
    struct vt_cache_key key;
    vt_subject_cache_key(tenant, sid, &key);
    struct vt_cached *found = is_shared ? vt_cache_get(view->ring->subjects, &key, state) : NULL;
    struct vt_opened_block *block = (struct vt_opened_block *)(void *)found;
    if (block == NULL) {
        VT_TRY(subject_read(view, tenant, sid, &block));
        block->head.key = key;
        block->head.valid_from = state;
        if (is_shared) vt_cache_put(view->ring->subjects, &block->head, state);
    }
    VT_TRY(vt_view_pin(view, &block->head));
    *out_keys = &block->keys;
    return VAULT_OK;
}

struct subjects_walk {
    bool (*visit)(void *context, const struct vt_sid *sid, uint32_t version, uint64_t created_epoch);
    void *context;
};

static vault_status subjects_visit(void *context, const uint8_t *entry_bytes, bool *out_stop)
{
    const struct subjects_walk *walk = context;
    VT_AUTO(vt_subject_entry) entry = {0};
    struct vt_sid sid;
    memcpy(sid.bytes, entry_bytes, sizeof sid.bytes);
    vt_subject_entry_decode(entry_bytes + VT_ENTRY_KEY_LEN, &entry);
    *out_stop = !walk->visit(walk->context, &sid, entry.version, entry.created_epoch);
    return VAULT_OK;
}

VT_RESULT vt_keyring_subjects_walk(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *from,
                                   bool (*visit)(void *context, const struct vt_sid *sid, uint32_t version,
                                                 uint64_t created_epoch),
                                   void *context)
{
    struct vt_tree tree;
    struct subjects_walk walk = {visit, context};
    VT_TRY(vt_view_tree(view, tenant, VT_TREE_SUB, &tree));
    return vt_tree_walk(&tree, from->bytes, subjects_visit, &walk);
}
