/* The one way to key destruction of subjects: whole, by category, by record. Called by the epoch at S3/S4, inside the committer;
 * whoever wants something forgotten writes a pending row and lets the epoch call this. Rows go too, as hygiene: what forgets is
 * the key. */
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/core/subject/subject_internal.h"

enum { DESTROY_POOL_MAX = 256 * 1024 * 1024 };

struct destroy {
    struct vt_keyring_write *write;     /* NULL: a plan */
    struct vt_keyring_view *view;
    struct vt_txn *txn;
    vt_tenant_id tenant;
    struct vt_scope scope;
    const struct vt_subject_keys *keys;
    vt_reference_gone gone;
    void *context;
    struct vt_destroyed_rows counts;
};

static bool scope_covers(const struct vt_scope *scope, uint16_t category, uint64_t record)
{
    return (scope->category == VT_CATEGORY_ALL || scope->category == category) &&
           (scope->record == 0 || scope->record == record);
}

/* An entry that is gone already (its category was shredded before, a rotation moved it) is no reason to keep a person. */
static VT_RESULT reference_drop(struct destroy *destroy, const struct vt_reference *reference)
{
    if (reference->kind == VT_REF_TOKEN) destroy->counts.tokens++;
    if (destroy->write == NULL) {
        destroy->counts.index_entries += reference->kind == VT_REF_INDEX;
        return VAULT_OK;
    }
    if (reference->kind != VT_REF_INDEX)
        return destroy->gone(destroy->context, destroy->write, destroy->tenant, reference->kind, &reference->hash,
                             reference->data);
    const vault_status status = vt_keyring_index_remove(destroy->write, destroy->tenant, &reference->hash, reference->data);
    if (status == VAULT_OK) destroy->counts.index_entries++;
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static VT_RESULT row_drop_references(struct destroy *destroy, const struct vt_row_name *name)
{
    struct vt_row row;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(DESTROY_POOL_MAX);
    const vault_status status =
        vt_row_open(destroy->view, destroy->tenant, destroy->keys, name->record, name->category, &pool, &row);
    if (status == VAULT_E_ERASED) return VAULT_OK;      /* its entries went with its key */
    VT_TRY(status);
    for (size_t i = 0; i < row.reference_count; i++) VT_TRY(reference_drop(destroy, &row.references[i]));
    return VAULT_OK;
}

static VT_RESULT row_drop(struct destroy *destroy, const struct vt_row_name *name)
{
    VT_TRY(row_drop_references(destroy, name));
    destroy->counts.rows += name->group_count;
    for (uint16_t group = 0; destroy->write != NULL && group < name->group_count; group++) {
        uint8_t key[VT_ROW_KEY_LEN];
        vt_row_key(name->record, name->category, group, key);
        VT_TRY(vt_store_delete(destroy->txn, VT_TABLE_ROW, VT_BYTES_OF(key)));
    }
    return VAULT_OK;
}

static VT_RESULT record_drop(struct destroy *destroy, uint16_t collection, uint64_t record)
{
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    size_t count, dropped = 0;
    VT_TRY(vt_rows_of_record(destroy->txn, record, names, &count));
    for (size_t i = 0; i < count; i++) {
        if (!scope_covers(&destroy->scope, names[i].category, record)) continue;
        VT_TRY(row_drop(destroy, &names[i]));
        dropped++;
    }
    if (dropped == 0) return VAULT_OK;
    destroy->counts.records += collection != 0;
    const bool is_whole = destroy->scope.category == VT_CATEGORY_ALL;
    if (destroy->write == NULL || !is_whole) return VAULT_OK;
    uint8_t key[VT_RECORD_KEY_LEN];
    vt_record_key(&destroy->scope.sid, collection, record, key);
    return vt_store_delete(destroy->txn, VT_TABLE_RECORD, VT_BYTES_OF(key));
}

static VT_RESULT records_drop(struct destroy *destroy)
{
    uint16_t collection = 0;
    uint64_t record = 0;
    vault_status status;
    while ((status = vt_record_entry_next(destroy->txn, &destroy->scope.sid, &collection, &record)) == VAULT_OK)
        if (destroy->scope.record == 0 || destroy->scope.record == record) VT_TRY(record_drop(destroy, collection, record));
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static bool key_is_covered(const struct destroy *destroy, const struct vt_data_key *key)
{
    if (destroy->scope.category != VT_CATEGORY_ALL && destroy->scope.category != key->category) return false;
    return destroy->scope.record == 0 || destroy->scope.record == key->record;
}

/* Categories of one record's own keys: collected first, since each drop renews the list. */
static VT_RESULT keys_drop(struct destroy *destroy)
{
    enum { CATEGORIES_MAX = 64 };
    uint16_t categories[CATEGORIES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < destroy->keys->count; i++) {
        const struct vt_data_key *key = &destroy->keys->keys[i];
        if (!key_is_covered(destroy, key)) continue;
        destroy->counts.keys++;
        if (count != 0 && categories[count - 1] == key->category) continue;
        VT_ENSURE(count < CATEGORIES_MAX, VAULT_E_LIMIT);
        categories[count++] = key->category;
    }
    if (destroy->write == NULL || count == 0) return VAULT_OK;
    VT_AUTO_PTR(vt_keyblock_draft) draft = NULL;
    VT_TRY(vt_keyblock_edit(destroy->view, destroy->tenant, &destroy->scope.sid, &draft));
    for (size_t i = 0; i < count; i++) {
        const vault_status status = vt_keyblock_drop(draft, categories[i], destroy->scope.record);
        VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);   /* listed twice */
    }
    VT_TRY(vt_keyblock_seal(draft));
    return vt_keyring_put_keyblock(destroy->write, draft);
}

static VT_RESULT destroy_run(struct destroy *destroy)
{
    const bool is_whole = destroy->scope.category == VT_CATEGORY_ALL && destroy->scope.record == 0;
    VT_TRY(vt_gate_scope(destroy->view, destroy->tenant, &destroy->scope));
    VT_TRY(vt_keyring_subject_keys(destroy->view, destroy->tenant, &destroy->scope.sid, &destroy->keys));
    VT_TRY(records_drop(destroy));
    if (!is_whole) return keys_drop(destroy);
    destroy->counts.keys += destroy->keys->count;
    if (destroy->write == NULL) return VAULT_OK;
    return vt_keyring_drop_subject(destroy->write, destroy->tenant, &destroy->scope.sid);
}

VT_RESULT vt_subject_destroy(struct vt_keyring_write *write, struct vt_txn *txn, vt_tenant_id tenant,
                             const struct vt_scope *scope, vt_reference_gone gone, void *context,
                             struct vt_destroyed_rows *out_counts)
{
    struct destroy destroy = {.write = write, .view = vt_keyring_write_view(write), .txn = txn, .tenant = tenant,
                              .scope = *scope, .gone = gone, .context = context};
    VT_TRY(destroy_run(&destroy));
    *out_counts = destroy.counts;
    return VAULT_OK;
}

VT_RESULT vt_subject_destroy_plan(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_scope *scope,
                                  struct vt_destroyed_rows *out_counts)
{
    struct destroy destroy = {.view = view, .txn = vt_keyring_view_txn(view), .tenant = tenant, .scope = *scope};
    VT_TRY(destroy_run(&destroy));
    *out_counts = destroy.counts;
    return VAULT_OK;
}
