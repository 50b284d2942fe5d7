#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/keyring/keyring_internal.h"

static const uint64_t delta_max_bytes = (uint64_t)1 << 40;

/* Begin ------------------------------------------------------------------------------------------------------------ */

static void write_init_trees(struct vt_keyring_write *write)
{
    write->delta = VT_BUF_INIT(delta_max_bytes);
    vt_overlay_init(&write->overlay, &write->root->next_page_id);
    write->sys = (struct vt_tree){&write->view, VT_TENANT_VAULT, VT_TREE_SYS, write->root->slots[0], NULL};
    write->dir = (struct vt_tree){&write->view, VT_TENANT_VAULT, VT_TREE_DIR, write->root->slots[1], NULL};
}

static void write_free(struct vt_keyring_write *write)
{
    for (struct vt_write_tenant *tenant = write->tenants; tenant != NULL; tenant = tenant->next)
        vt_page_free(tenant->page);
    vt_overlay_release(&write->overlay);
    vt_buf_release(&write->delta);
    vt_root_free(write->root);
    free(write->changed);
    vt_view_release(&write->view);
    free(write);
}

static VT_RESULT write_open(struct vt_keyring_write *write, struct vt_keyring *ring, struct vt_txn *txn)
{
    VT_TRY(vt_view_init(&write->view, ring, txn));
    write->root = vt_root_new();
    VT_ENSURE(write->root != NULL, VAULT_E_MEMORY);
    write->root->record = write->view.root->record;
    write->root->next_page_id = write->view.root->next_page_id;
    memcpy(write->root->slots, write->view.root->slots, sizeof write->root->slots);
    write_init_trees(write);
    write->view.write = write;
    write->has_delta = true;
    return VAULT_OK;
}

VT_RESULT vt_keyring_write_begin(struct vt_keyring *ring, struct vt_txn *txn, struct vt_keyring_write **out_write)
{
    struct vt_keyring_write *write = vt_calloc(1, sizeof *write);
    VT_ENSURE(write != NULL, VAULT_E_MEMORY);
    const vault_status status = write_open(write, ring, txn);
    if (status != VAULT_OK) {
        write_free(write);
        return status;
    }
    *out_write = write;
    return VAULT_OK;
}

struct vt_keyring_view *vt_keyring_write_view(struct vt_keyring_write *write)
{
    return &write->view;
}

void vt_keyring_write_without_delta(struct vt_keyring_write *write)
{
    VT_BUG_ON(write->is_dirty || write->is_finished);
    write->has_delta = false;
}

bool vt_keyring_write_is_dirty(const struct vt_keyring_write *write)
{
    return write->is_dirty;
}

void vt_write_mark(struct vt_keyring_write *write, struct vt_write_tenant *tenant)
{
    write->is_dirty = true;
    write->marks++;
    if (tenant != NULL) tenant->is_dirty = true;
}

/* Rows beside the pages: each goes to the store and, in the same order, to the delta. ------------------------------ */

enum { DELTA_DELETED = 0xffffffffu, DELTA_ROW_HEAD = 7 };

static void delta_append(struct vt_keyring_write *write, enum vt_table table, struct vt_bytes key,
                         const struct vt_bytes *value)
{
    const size_t len = DELTA_ROW_HEAD + key.len + (value != NULL ? value->len : 0);
    uint8_t *out = write->delta.data + write->delta.len;    /* reserved by the caller */
    out[0] = (uint8_t)table;
    vt_put_u16(out + 1, (uint16_t)key.len);
    memcpy(out + 3, key.data, key.len);
    vt_put_u32(out + 3 + key.len, value != NULL ? (uint32_t)value->len : DELTA_DELETED);
    if (value != NULL) memcpy(out + DELTA_ROW_HEAD + key.len, value->data, value->len);
    vt_buf_commit(&write->delta, len);
}

VT_RESULT vt_write_put_row(struct vt_keyring_write *write, enum vt_table table, struct vt_bytes key,
                           struct vt_bytes value)
{
    uint8_t *space;
    if (!write->has_delta) return vt_store_put(write->view.txn, table, key, value, VT_PUT_DEFAULT);
    VT_TRY(vt_buf_reserve(&write->delta, DELTA_ROW_HEAD + key.len + value.len, &space));
    VT_TRY(vt_store_put(write->view.txn, table, key, value, VT_PUT_DEFAULT));
    delta_append(write, table, key, &value);
    return VAULT_OK;
}

VT_RESULT vt_write_delete_row(struct vt_keyring_write *write, enum vt_table table, struct vt_bytes key)
{
    uint8_t *space;
    if (!write->has_delta) return vt_store_delete(write->view.txn, table, key);
    VT_TRY(vt_buf_reserve(&write->delta, DELTA_ROW_HEAD + key.len, &space));
    VT_TRY(vt_store_delete(write->view.txn, table, key));
    delta_append(write, table, key, NULL);
    return VAULT_OK;
}

/* Tenants ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT tenant_adopt(struct vt_keyring_write *write, vt_tenant_id id, struct vt_page *page,
                              struct vt_write_tenant **out_tenant)
{
    struct vt_write_tenant *tenant = vt_pool_alloc(&write->overlay.pool, sizeof *tenant);
    if (tenant == NULL) {
        vt_page_free(page);
        return VAULT_E_MEMORY;
    }
    tenant->id = id;
    tenant->page = page;
    tenant->old_version = page->head.key.version;
    tenant->sub = (struct vt_tree){&write->view, id, VT_TREE_SUB, page->plain + VT_TENANT_PAGE_SUB, NULL};
    tenant->idx = (struct vt_tree){&write->view, id, VT_TREE_IDX, page->plain + VT_TENANT_PAGE_IDX, NULL};
    tenant->ten = (struct vt_tree){&write->view, id, VT_TREE_TEN, page->plain + VT_TENANT_PAGE_TEN, NULL};
    tenant->next = write->tenants;
    write->tenants = tenant;
    *out_tenant = tenant;
    return VAULT_OK;
}

VT_RESULT vt_write_tenant_find(struct vt_keyring_write *write, vt_tenant_id id, struct vt_write_tenant **out_tenant)
{
    for (struct vt_write_tenant *tenant = write->tenants; tenant != NULL; tenant = tenant->next) {
        if (tenant->id != id || tenant->is_dropped) continue;
        *out_tenant = tenant;
        return VAULT_OK;
    }
    struct vt_page *shared = NULL;
    VT_TRY(vt_tenant_page_read(&write->dir, id, &shared));
    struct vt_page *page = vt_page_copy(shared);
    vt_page_free(shared);
    VT_ENSURE(page != NULL, VAULT_E_MEMORY);
    return tenant_adopt(write, id, page, out_tenant);
}

static VT_RESULT add_named_key(struct vt_keyring_write *write, struct vt_tree *tree, unsigned name, uint32_t version,
                               int64_t now_ms)
{
    struct vt_path path;
    uint8_t position[VT_ENTRY_KEY_LEN], payload[VT_ENTRY_PAYLOAD_LEN];
    struct vt_tenant_key key = {.version = version, .created_at_ms = now_ms};
    VT_TRY(vt_named_key_position(tree->number, name, version, position));
    VT_TRY(vt_tree_make_room(tree, &write->overlay, position, &path));
    VT_TRY(vt_random_key(&key.key));
    vt_named_key_payload(name, &key, payload);
    vt_leaf_insert(vt_path_leaf(&path), position, payload);
    vt_wipe(payload, sizeof payload);
    vt_wipe(&key, sizeof key);
    return VAULT_OK;
}

static VT_RESULT dir_has(struct vt_keyring_write *write, const uint8_t *position, bool *out_has)
{
    VT_AUTO(vt_leaf_at) at = VT_LEAF_AT_INIT;
    VT_TRY(vt_tree_find(&write->dir, position, &at));
    *out_has = at.count != 0;
    return VAULT_OK;
}

static VT_RESULT new_tenant_page(struct vt_keyring_write *write, vt_tenant_id id, int64_t now_ms,
                                 struct vt_write_tenant **out_tenant)
{
    const struct vt_page_name name = {id, VT_TREE_TENANT, 0, write->root->next_page_id++};
    struct vt_page *page = vt_page_new(&name, VT_PAGE_TENANT);
    VT_ENSURE(page != NULL, VAULT_E_MEMORY);
    vt_put_u64(page->plain + VT_TENANT_PAGE_ID, id);
    vt_put_u64(page->plain + VT_TENANT_PAGE_CREATED, (uint64_t)now_ms);
    return tenant_adopt(write, id, page, out_tenant);
}

/* The T_dir entry has its id and kind from the start, key and version once the tenant page is sealed. */
static VT_RESULT dir_insert(struct vt_keyring_write *write, const uint8_t *position, uint64_t page_id)
{
    struct vt_path path;
    uint8_t payload[VT_SLOT_LEN] = {0};
    VT_TRY(vt_tree_make_room(&write->dir, &write->overlay, position, &path));
    vt_slot_set(payload, page_id, VT_PAGE_TENANT, 0);
    vt_leaf_insert(vt_path_leaf(&path), position, payload);
    return VAULT_OK;
}

VT_RESULT vt_keyring_create_tenant(struct vt_keyring_write *write, vt_tenant_id id, int64_t now_ms)
{
    uint8_t position[VT_ENTRY_KEY_LEN];
    struct vt_write_tenant *tenant;
    struct vt_page_name name;
    bool is_there;
    VT_ENSURE(id != VT_TENANT_VAULT, VAULT_E_ARGUMENT);
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_tenant_position(id, position));
    VT_TRY(dir_has(write, position, &is_there));
    VT_ENSURE(!is_there, VAULT_E_EXISTS);

    VT_TRY(new_tenant_page(write, id, now_ms, &tenant));
    tenant->is_dropped = true;      /* not to be found before it is whole */
    for (unsigned key = 0; key < VT_TENANT_KEY_COUNT; key++)
        VT_TRY(add_named_key(write, &tenant->ten, key, 1, now_ms));
    vt_page_name_of(tenant->page, &name);
    VT_TRY(dir_insert(write, position, name.id));
    tenant->is_dropped = false;
    vt_write_mark(write, tenant);
    return VAULT_OK;
}

VT_RESULT vt_keyring_drop_tenant(struct vt_keyring_write *write, vt_tenant_id id)
{
    struct vt_write_tenant *tenant;
    struct vt_path path;
    uint8_t position[VT_ENTRY_KEY_LEN];
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_write_tenant_find(write, id, &tenant));
    VT_TRY(vt_tenant_position(id, position));
    VT_TRY(vt_tree_load(&write->dir, &write->overlay, position, &path));
    VT_TRY(vt_tree_touch(&write->overlay, &path));
    vt_leaf_remove(vt_path_leaf(&path), vt_leaf_lower_bound(vt_path_leaf(&path), position));
    tenant->is_dropped = true;
    write->has_dropped_tenant = true;
    vt_write_mark(write, NULL);
    return VAULT_OK;
}

/* The names of up to @p max pages of a tenant. */
static VT_RESULT tenant_page_names(struct vt_txn *txn, vt_tenant_id id, size_t max, uint8_t *names, size_t *out_count)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    uint8_t prefix[8];
    size_t count = 0;
    vt_put_u64(prefix, id);
    VT_TRY(vt_cursor_open(txn, VT_TABLE_PAGE, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(prefix), &key, &value);
    while (status == VAULT_OK && count < max && key.len == VT_PAGE_NAME_LEN && vt_get_u64(key.data) == id) {
        memcpy(names + count++ * VT_PAGE_NAME_LEN, key.data, VT_PAGE_NAME_LEN);
        status = vt_cursor_next(cursor, &key, &value);
    }
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    *out_count = count;
    return VAULT_OK;
}

enum { PURGE_PAGES_MAX = 256 };

VT_RESULT vt_keyring_purge_tenant(struct vt_keyring_write *write, vt_tenant_id id, size_t page_count, bool *out_done)
{
    uint8_t names[PURGE_PAGES_MAX * VT_PAGE_NAME_LEN];
    struct vt_write_tenant *tenant;
    size_t left = page_count, count = 0;
    VT_ENSURE(id != VT_TENANT_VAULT, VAULT_E_ARGUMENT);
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    const vault_status found = vt_write_tenant_find(write, id, &tenant);
    VT_ENSURE(found != VAULT_OK, VAULT_E_STATE);
    VT_ENSURE(found == VAULT_E_NOT_FOUND, found);
    do {
        const size_t step = VT_MIN(left, (size_t)PURGE_PAGES_MAX);
        VT_TRY(tenant_page_names(write->view.txn, id, step, names, &count));
        for (size_t i = 0; i < count; i++) {
            const uint8_t *name = names + i * VT_PAGE_NAME_LEN;
            VT_TRY(vt_write_delete_row(write, VT_TABLE_PAGE, vt_bytes(name, VT_PAGE_NAME_LEN)));
            vt_write_mark(write, NULL);
        }
        left -= count;
        *out_done = count < step;
    } while (left != 0 && !*out_done);
    return VAULT_OK;
}

VT_RESULT vt_keyring_rotate_tenant_key(struct vt_keyring_write *write, vt_tenant_id id, enum vt_tenant_key_name name,
                                       int64_t now_ms)
{
    struct vt_write_tenant *tenant;
    const struct vt_key_table *table;
    VT_BUG_ON(name >= VT_TENANT_KEY_COUNT);
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_write_tenant_find(write, id, &tenant));
    VT_TRY(vt_view_tenant_keys(&write->view, id, &table));
    VT_ENSURE(table->counts[name] < VT_TENANT_KEY_VERSIONS, VAULT_E_LIMIT);
    VT_ENSURE(table->counts[name] != 0, VAULT_E_CORRUPT);
    VT_TRY(add_named_key(write, &tenant->ten, name, table->keys[name][0].version + 1, now_ms));
    tenant->keys = NULL;
    vt_write_mark(write, tenant);
    return VAULT_OK;
}

VT_RESULT vt_keyring_list_incarnation(struct vt_keyring_write *write, const struct vt_incarnation *former)
{
    struct vt_path path;
    uint8_t position[VT_ENTRY_KEY_LEN], payload[VT_ENTRY_PAYLOAD_LEN];
    const struct vt_key_table *system = write->view.system;
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_ENSURE(system->incarnation_count < VT_INCARNATIONS_MAX, VAULT_E_LIMIT);
    for (size_t i = 0; i < system->incarnation_count; i++)
        VT_ENSURE(system->incarnations[i].number != former->number, VAULT_E_EXISTS);
    VT_TRY(vt_incarnation_entry(former, position, payload));
    VT_TRY(vt_tree_make_room(&write->sys, &write->overlay, position, &path));
    vt_leaf_insert(vt_path_leaf(&path), position, payload);
    vt_write_mark(write, NULL);
    return VAULT_OK;
}

static bool table_has(const struct vt_key_table *table, enum vt_tenant_key_name name, uint32_t version)
{
    for (size_t i = 0; i < table->counts[name]; i++)
        if (table->keys[name][i].version == version) return true;
    return false;
}

VT_RESULT vt_keyring_drop_tenant_key(struct vt_keyring_write *write, vt_tenant_id id, enum vt_tenant_key_name name,
                                     uint32_t version)
{
    struct vt_write_tenant *tenant;
    const struct vt_key_table *table;
    struct vt_path path;
    uint8_t position[VT_ENTRY_KEY_LEN];
    VT_BUG_ON(name >= VT_TENANT_KEY_COUNT);
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_write_tenant_find(write, id, &tenant));
    VT_TRY(vt_view_tenant_keys(&write->view, id, &table));
    VT_ENSURE(table_has(table, name, version), VAULT_E_NOT_FOUND);
    VT_ENSURE(table->keys[name][0].version != version, VAULT_E_STATE);
    VT_TRY(vt_named_key_position(VT_TREE_TEN, name, version, position));
    VT_TRY(vt_tree_load(&tenant->ten, &write->overlay, position, &path));
    VT_TRY(vt_tree_touch(&write->overlay, &path));
    vt_leaf_remove(vt_path_leaf(&path), vt_leaf_lower_bound(vt_path_leaf(&path), position));
    tenant->keys = NULL;
    vt_write_mark(write, tenant);
    return VAULT_OK;
}

/* Subjects --------------------------------------------------------------------------------------------------------- */

enum { CHANGED_FIRST_CAP = 64 };

static VT_RESULT changed_reserve(struct vt_keyring_write *write)
{
    if (write->changed_count < write->changed_cap) return VAULT_OK;
    const size_t cap = write->changed_cap != 0 ? write->changed_cap * 2 : CHANGED_FIRST_CAP;
    struct vt_changed_subject *grown = vt_calloc(cap, sizeof *grown);
    VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
    if (write->changed_count != 0) memcpy(grown, write->changed, write->changed_count * sizeof *grown);
    free(write->changed);
    write->changed = grown;
    write->changed_cap = cap;
    return VAULT_OK;
}

static void note_change(struct vt_keyring_write *write, struct vt_write_tenant *tenant, const struct vt_sid *sid)
{
    write->changed[write->changed_count++] = (struct vt_changed_subject){tenant->id, *sid};
    vt_write_mark(write, tenant);
}

static void count_subjects(struct vt_write_tenant *tenant, int64_t change)
{
    uint8_t *counter = tenant->page->plain + VT_TENANT_PAGE_SUBJECTS;
    vt_put_u64(counter, vt_get_u64(counter) + (uint64_t)change);
}

/* The leaf of @p sid; *out_entry NULL when it is not there. */
static VT_RESULT subject_look(struct vt_keyring_write *write, struct vt_write_tenant *tenant, const struct vt_sid *sid,
                              struct vt_path *out_path, bool *out_is_there)
{
    VT_TRY(vt_tree_load(&tenant->sub, &write->overlay, sid->bytes, out_path));
    *out_is_there = false;
    if (out_path->depth == 0) return VAULT_OK;
    struct vt_page *leaf = vt_path_leaf(out_path);
    *out_is_there = vt_leaf_equal_count(leaf, vt_leaf_lower_bound(leaf, sid->bytes), sid->bytes) != 0;
    return VAULT_OK;
}

static uint8_t *subject_payload(const struct vt_path *path, const struct vt_sid *sid)
{
    struct vt_page *leaf = vt_path_leaf(path);
    return vt_leaf_entry(leaf, vt_leaf_lower_bound(leaf, sid->bytes)) + VT_ENTRY_KEY_LEN;
}

static bool is_base_of(const uint8_t *payload, const struct vt_keyblock_draft *draft)
{
    VT_AUTO(vt_subject_entry) entry = {0};
    vt_subject_entry_decode(payload, &entry);
    return entry.version == draft->base_version && vt_ct_equal(VT_BYTES_OF(entry.tag), VT_BYTES_OF(draft->base_tag));
}

static VT_RESULT insert_block(struct vt_keyring_write *write, struct vt_write_tenant *tenant,
                              const struct vt_keyblock_draft *draft)
{
    const struct vt_sid *sid = &draft->keys.sid;
    struct vt_path path;
    uint8_t payload[VT_ENTRY_PAYLOAD_LEN];
    VT_TRY(vt_tree_make_room(&tenant->sub, &write->overlay, sid->bytes, &path));
    VT_TRY(vt_write_put_row(write, VT_TABLE_KEYBLOCK, VT_BYTES_OF(sid->bytes), vt_buf_bytes(&draft->sealed)));
    vt_subject_entry_encode(&draft->entry, payload);
    vt_leaf_insert(vt_path_leaf(&path), sid->bytes, payload);
    vt_wipe(payload, sizeof payload);
    count_subjects(tenant, 1);
    note_change(write, tenant, sid);
    write->additions++;
    return VAULT_OK;
}

static VT_RESULT replace_block(struct vt_keyring_write *write, struct vt_write_tenant *tenant, struct vt_path *path,
                               const struct vt_keyblock_draft *draft)
{
    const struct vt_sid *sid = &draft->keys.sid;
    VT_TRY(vt_tree_touch(&write->overlay, path));
    VT_TRY(vt_write_put_row(write, VT_TABLE_KEYBLOCK, VT_BYTES_OF(sid->bytes), vt_buf_bytes(&draft->sealed)));
    vt_subject_entry_encode(&draft->entry, subject_payload(path, sid));
    note_change(write, tenant, sid);
    return VAULT_OK;
}

/* Where the draft would go, and whether it still fits what is there. */
static VT_RESULT keyblock_look(struct vt_keyring_write *write, const struct vt_keyblock_draft *draft,
                               struct vt_write_tenant **out_tenant, struct vt_path *out_path)
{
    bool is_there;
    VT_ENSURE(draft->is_sealed && !write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_write_tenant_find(write, draft->tenant, out_tenant));
    VT_TRY(subject_look(write, *out_tenant, &draft->keys.sid, out_path, &is_there));
    VT_ENSURE(!(draft->is_new && is_there), VAULT_E_EXISTS);
    VT_ENSURE(draft->is_new || is_there, VAULT_E_NOT_FOUND);
    VT_ENSURE(draft->is_new || is_base_of(subject_payload(out_path, &draft->keys.sid), draft), VAULT_E_CONFLICT);
    return VAULT_OK;
}

VT_RESULT vt_keyring_check_keyblock(struct vt_keyring_write *write, const struct vt_keyblock_draft *draft)
{
    struct vt_write_tenant *tenant;
    struct vt_path path;
    return keyblock_look(write, draft, &tenant, &path);
}

VT_RESULT vt_keyring_put_keyblock(struct vt_keyring_write *write, const struct vt_keyblock_draft *draft)
{
    struct vt_write_tenant *tenant;
    struct vt_path path;
    VT_TRY(keyblock_look(write, draft, &tenant, &path));
    VT_TRY(changed_reserve(write));
    return draft->is_new ? insert_block(write, tenant, draft) : replace_block(write, tenant, &path, draft);
}

VT_RESULT vt_keyring_drop_subject(struct vt_keyring_write *write, vt_tenant_id tenant_id, const struct vt_sid *sid)
{
    struct vt_write_tenant *tenant;
    struct vt_path path;
    bool is_there;
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_write_tenant_find(write, tenant_id, &tenant));
    VT_TRY(subject_look(write, tenant, sid, &path, &is_there));
    VT_ENSURE(is_there, VAULT_E_NOT_FOUND);
    VT_TRY(changed_reserve(write));
    VT_TRY(vt_tree_touch(&write->overlay, &path));
    const vault_status status = vt_write_delete_row(write, VT_TABLE_KEYBLOCK, VT_BYTES_OF(sid->bytes));
    /* A lost row must not keep a person from being forgotten. */
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    struct vt_page *leaf = vt_path_leaf(&path);
    vt_leaf_remove(leaf, vt_leaf_lower_bound(leaf, sid->bytes));
    count_subjects(tenant, -1);
    note_change(write, tenant, sid);
    return VAULT_OK;
}

/* Finish ----------------------------------------------------------------------------------------------------------- */

static vault_status page_sink(void *context, const uint8_t name[VT_PAGE_NAME_LEN],
                              const uint8_t value[VT_PAGE_VALUE_LEN])
{
    struct vt_keyring_write *write = context;
    atomic_fetch_add_explicit(&write->view.ring->pages_sealed, 1, memory_order_relaxed);
    return vt_write_put_row(write, VT_TABLE_PAGE, vt_bytes(name, VT_PAGE_NAME_LEN),
                            vt_bytes(value, VT_PAGE_VALUE_LEN));
}

static VT_RESULT finish_tenant(struct vt_keyring_write *write, struct vt_write_tenant *tenant,
                               const struct vt_page_stamp *stamp)
{
    struct vt_path path;
    uint8_t position[VT_ENTRY_KEY_LEN];
    VT_TRY(vt_tree_seal(&tenant->sub, stamp, page_sink, write));
    VT_TRY(vt_tree_seal(&tenant->idx, stamp, page_sink, write));
    VT_TRY(vt_tree_seal(&tenant->ten, stamp, page_sink, write));
    VT_TRY(vt_tenant_position(tenant->id, position));
    VT_TRY(vt_tree_load(&write->dir, &write->overlay, position, &path));
    VT_TRY(vt_tree_touch(&write->overlay, &path));
    struct vt_page *leaf = vt_path_leaf(&path);
    uint8_t *slot = vt_leaf_entry(leaf, vt_leaf_lower_bound(leaf, position)) + VT_ENTRY_KEY_LEN;
    return vt_page_seal_fresh(tenant->page, stamp, page_sink, write, slot);
}

static VT_RESULT finish_pages(struct vt_keyring_write *write, const struct vt_page_stamp *stamp)
{
    for (struct vt_write_tenant *tenant = write->tenants; tenant != NULL; tenant = tenant->next)
        if (tenant->is_dirty && !tenant->is_dropped) VT_TRY(finish_tenant(write, tenant, stamp));
    VT_TRY(vt_tree_seal(&write->dir, stamp, page_sink, write));
    return vt_tree_seal(&write->sys, stamp, page_sink, write);
}

static VT_RESULT finish_root(struct vt_keyring_write *write, const struct vt_key *root_key)
{
    uint8_t value[VT_ROOT_VALUE_LEN];
    VT_TRY(vt_root_seal(write->root, root_key, value));
    return vt_write_put_row(write, VT_TABLE_META, vt_bytes_str("root"), VT_BYTES_OF(value));
}

static VT_RESULT current_root_key(struct vt_keyring *ring, const struct vt_root_record *record, struct vt_key *out_key)
{
    pthread_mutex_lock(&ring->mutex);
    const struct vt_root_key *current = &ring->keys->current;
    const bool is_fit = !ring->is_sealed && current->is_set && current->epoch == record->epoch;
    if (is_fit) *out_key = current->key;
    pthread_mutex_unlock(&ring->mutex);
    return is_fit ? VAULT_OK : VAULT_E_SEALED;
}

/* Readers of the new snapshot may come before the committer has published it. */
static void announce_root_key(struct vt_keyring *ring, const struct vt_next_root *next)
{
    pthread_mutex_lock(&ring->mutex);
    struct vt_root_key *announced = &ring->keys->next;
    announced->is_set = true;
    announced->epoch = next->epoch;
    announced->key = *next->root_key;
    memcpy(announced->attempt, next->attempt, sizeof announced->attempt);
    pthread_mutex_unlock(&ring->mutex);
}

static void stamp_root(struct vt_keyring_write *write, const struct vt_next_root *next)
{
    struct vt_root_record *record = &write->root->record;
    record->page_version++;
    record->commit_number = vt_store_commit_number(write->view.txn);
    if (next == NULL) return;
    record->epoch = next->epoch;
    record->incarnation = next->incarnation;
    memcpy(record->attempt, next->attempt, sizeof record->attempt);
}

static VT_RESULT reserve_delta(struct vt_keyring_write *write)
{
    uint8_t *space;
    if (!write->has_delta) return VAULT_OK;
    return vt_buf_reserve(&write->delta, (write->overlay.dirty_count + 4) * (VT_PAGE_VALUE_LEN + 32), &space);
}

/* Two calls of the kernel and of the generator a page are a tenth of what an import costs. Where a write only adds subjects and
 * index entries its page keys come from one draw: the pages that it replaces hold nothing that these do not. Whatever drops,
 * moves or replaces anything draws for each page, and so does an epoch. */
static bool may_share_draw(const struct vt_keyring_write *write, const struct vt_next_root *next)
{
    return next == NULL && write->marks == write->additions;
}

static VT_RESULT finish_changes(struct vt_keyring_write *write, const struct vt_next_root *next)
{
    VT_AUTO(vt_key) root_key = VT_KEY_INIT;
    VT_AUTO(vt_key) seed = VT_KEY_INIT;
    const bool is_seeded = may_share_draw(write, next);
    if (next != NULL)
        root_key = *next->root_key;
    else
        VT_TRY(current_root_key(write->view.ring, &write->root->record, &root_key));
    stamp_root(write, next);
    const struct vt_root_record *record = &write->root->record;
    if (is_seeded) VT_TRY(vt_random_seed(&seed));
    const struct vt_page_stamp stamp = {record->vault_id, record->incarnation, record->epoch, record->page_version,
                                        is_seeded ? &seed : NULL};
    VT_TRY(reserve_delta(write));
    VT_TRY(finish_pages(write, &stamp));
    VT_TRY(finish_root(write, &root_key));
    if (next != NULL && !write->is_creation) announce_root_key(write->view.ring, next);
    return VAULT_OK;
}

VT_RESULT vt_keyring_write_finish(struct vt_keyring_write *write, const struct vt_next_root *next,
                                  struct vt_keyring_delta *out_delta)
{
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    write->is_finished = true;
    write->is_dirty = write->is_dirty || next != NULL;
    write->is_next_epoch = next != NULL;
    if (write->is_dirty) VT_TRY(finish_changes(write, next));
    *out_delta = (struct vt_keyring_delta){&write->delta, write->root->record};
    return VAULT_OK;
}

/* Publish ---------------------------------------------------------------------------------------------------------- */

static void remove_page(struct vt_cache *cache, const struct vt_page *page, uint64_t old_version)
{
    struct vt_cache_key key = page->head.key;
    key.version = old_version;
    vt_cache_remove(cache, &key);
    if (page->level != 0 || (page->tree != VT_TREE_SYS && page->tree != VT_TREE_TEN)) return;
    vt_key_table_cache_key(key.tenant, page->tree, vt_get_u64(key.id + 8), old_version, &key);
    vt_cache_remove(cache, &key);
}

/* What hangs from the superseded pages leads to the past: those first, so that nothing old is found or put back, then
 * the new root, then the new pages. */
static void remove_superseded(struct vt_keyring_write *write)
{
    struct vt_keyring *ring = write->view.ring;
    for (struct vt_node *node = write->overlay.nodes; node != NULL; node = node->next)
        if (node->is_dirty && node->old_version != 0 && vt_page_is_cacheable(node->page))
            remove_page(ring->pages, node->page, node->old_version);
    for (struct vt_write_tenant *tenant = write->tenants; tenant != NULL; tenant = tenant->next)
        if (tenant->old_version != 0 && (tenant->is_dirty || tenant->is_dropped))
            remove_page(ring->pages, tenant->page, tenant->old_version);
    for (size_t i = 0; i < write->changed_count; i++) {
        struct vt_cache_key key;
        vt_subject_cache_key(write->changed[i].tenant, &write->changed[i].sid, &key);
        vt_cache_remove(ring->subjects, &key);
    }
    if (!write->has_dropped_tenant) return;
    vt_cache_clear(ring->pages);
    vt_cache_clear(ring->subjects);
}

static void insert_page(struct vt_cache *cache, struct vt_page *page, uint64_t version)
{
    if (page->head.key.version == version && vt_page_is_cacheable(page)) vt_cache_put(cache, &page->head, version);
}

static void insert_fresh(struct vt_keyring_write *write, uint64_t version)
{
    struct vt_cache *cache = write->view.ring->pages;
    for (struct vt_node *node = write->overlay.nodes; node != NULL; node = node->next)
        if (node->is_dirty) insert_page(cache, node->page, version);
    for (struct vt_write_tenant *tenant = write->tenants; tenant != NULL; tenant = tenant->next)
        if (tenant->is_dirty && !tenant->is_dropped) insert_page(cache, tenant->page, version);
}

static void root_key_clear(struct vt_root_key *key)
{
    vt_wipe(key, sizeof *key);
}

static void swap_root(struct vt_keyring_write *write)
{
    struct vt_keyring *ring = write->view.ring;
    pthread_mutex_lock(&ring->mutex);
    struct vt_root *old = ring->root;
    ring->root = VT_MOVE(write->root);
    if (write->is_next_epoch) {
        ring->keys->previous = ring->keys->current;
        ring->keys->current = ring->keys->next;
        root_key_clear(&ring->keys->next);
    }
    pthread_mutex_unlock(&ring->mutex);
    vt_root_free(old);
}

void vt_keyring_write_committed(struct vt_keyring_write *write)
{
    struct vt_keyring *ring = write->view.ring;
    VT_BUG_ON(write->is_dirty && !write->is_finished);
    if (write->is_dirty) {
        const uint64_t version = write->root->record.page_version;
        vt_cache_commit_begin(ring->pages, version);
        vt_cache_commit_begin(ring->subjects, version);
        remove_superseded(write);
        swap_root(write);
        insert_fresh(write, version);
        vt_cache_commit_end(ring->pages, version);
        vt_cache_commit_end(ring->subjects, version);
    }
    write_free(write);
}

void vt_keyring_write_aborted(struct vt_keyring_write *write)
{
    if (write == NULL) return;
    struct vt_keyring *ring = write->view.ring;
    if (write->is_next_epoch) {
        pthread_mutex_lock(&ring->mutex);
        root_key_clear(&ring->keys->next);
        pthread_mutex_unlock(&ring->mutex);
    }
    write_free(write);
}

/* Creation --------------------------------------------------------------------------------------------------------- */

static VT_RESULT create_fill(struct vt_keyring_write *write, const struct vt_next_root *next)
{
    struct vt_keyring_delta delta;
    for (unsigned key = 0; key < VT_SYSTEM_KEY_COUNT; key++) VT_TRY(add_named_key(write, &write->sys, key, 1, 0));
    VT_TRY(vt_keyring_create_tenant(write, VT_TENANT_DEFAULT, 0));
    return vt_keyring_write_finish(write, next, &delta);
}

static VT_RESULT create_open(struct vt_keyring_write *write, struct vt_keyring *ring, struct vt_txn *txn,
                             const struct vt_vault_id *vault_id)
{
    write->root = vt_root_new();
    write->view.root = vt_root_new();
    VT_ENSURE(write->root != NULL && write->view.root != NULL, VAULT_E_MEMORY);
    write->view.ring = ring;
    write->view.txn = txn;
    write->view.pins = write->view.first_pins;
    write->view.pin_cap = VT_ARRAY_LEN(write->view.first_pins);
    write->root->record.vault_id = *vault_id;
    write->root->next_page_id = 1;
    write->view.root->record = write->root->record;
    write->is_creation = true;
    write->has_delta = true;
    write_init_trees(write);
    write->view.write = write;
    return VAULT_OK;
}

VT_RESULT vt_keyring_create(struct vt_keyring *ring, struct vt_txn *txn, const struct vt_vault_id *vault_id,
                            uint64_t incarnation, const uint8_t attempt[16], const struct vt_key *root_key)
{
    struct vt_bytes existing;
    const vault_status found = vt_root_value(txn, &existing);
    VT_ENSURE(found != VAULT_OK, VAULT_E_EXISTS);
    VT_ENSURE(found == VAULT_E_NOT_INITIALISED, found);
    struct vt_keyring_write *write = vt_calloc(1, sizeof *write);
    VT_ENSURE(write != NULL, VAULT_E_MEMORY);

    struct vt_next_root next = {.epoch = VT_KEYRING_FIRST_EPOCH, .incarnation = incarnation, .root_key = root_key};
    memcpy(next.attempt, attempt, sizeof next.attempt);
    vault_status status = create_open(write, ring, txn, vault_id);
    if (status == VAULT_OK) status = create_fill(write, &next);
    write_free(write);
    return status;
}
