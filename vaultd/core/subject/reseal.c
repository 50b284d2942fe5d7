/* New keys for rows that stay: correction, deletion of one record, rotation of a subject's data keys. */
#include "vaultd/core/subject/subject_internal.h"

struct reseal {
    const struct vt_subject_env *env;
    const struct vt_sid *sid;
    const struct vt_subject_keys *present;      /* open the rows as they are */
    struct vt_keyblock_draft *keyblock;         /* seals them anew */
    struct vt_change *change;
    uint64_t skip_record;                       /* rewritten by the caller itself; 0: none */
    uint64_t max_rows, rows;
};

static VT_RESULT expect_row(struct reseal *reseal, const struct vt_row_name *name, struct vt_row_head *out_head)
{
    uint8_t key[VT_ROW_KEY_LEN];
    struct vt_bytes value;
    vt_row_key(name->record, name->category, 0, key);
    VT_TRY(vt_store_get(vt_keyring_view_txn(reseal->env->view), VT_TABLE_ROW, VT_BYTES_OF(key), &value));
    VT_TRY(vt_row_head_read(value, out_head));
    return vt_change_expect(reseal->change, VT_TABLE_ROW, VT_BYTES_OF(key), &value);
}

/* Seal one row under the live key, unless it is already. */
static VT_RESULT reseal_row(struct reseal *reseal, const struct vt_row_name *name)
{
    struct vt_row row;
    struct vt_row_head head;
    const struct vt_subject_env *env = reseal->env;
    VT_TRY(expect_row(reseal, name, &head));
    const struct vt_data_key *key = vt_subject_keys_live(vt_keyblock_keys(reseal->keyblock), name->category,
                                                         head.has_record_key ? name->record : 0);
    if (key == NULL || (key->version == head.dek_version && (key->record != 0) == head.has_record_key)) return VAULT_OK;
    const vault_status status = vt_row_open(env->view, env->tenant, reseal->present, name->record, name->category, env->pool, &row);
    if (status == VAULT_E_ERASED) return VAULT_OK;
    VT_TRY(status);
    row.version++;
    reseal->rows++;
    return vt_row_put(env->view, env->tenant, key, &row, row.group_count, reseal->change);
}

/* @param category VT_CATEGORY_ALL: every one; @param record 0: every record. Stops behind max_rows. */
static VT_RESULT reseal_rows(struct reseal *reseal, uint16_t category, uint64_t record, bool *out_done)
{
    struct vt_txn *txn = vt_keyring_view_txn(reseal->env->view);
    uint16_t collection = 0;
    uint64_t at = 0;
    vault_status status;
    while ((status = vt_record_entry_next(txn, reseal->sid, &collection, &at)) == VAULT_OK) {
        struct vt_row_name names[VT_ROWS_PER_RECORD];
        size_t count;
        if (at == reseal->skip_record || (record != 0 && at != record)) continue;
        VT_TRY(vt_rows_of_record(txn, at, names, &count));
        for (size_t i = 0; i < count; i++) {
            if (category != VT_CATEGORY_ALL && names[i].category != category) continue;
            if (reseal->rows >= reseal->max_rows) {
                *out_done = false;
                return VAULT_OK;
            }
            VT_TRY(reseal_row(reseal, &names[i]));
        }
    }
    *out_done = true;
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* Correction ------------------------------------------------------------------------------------------------------- */

/* The key that a category's old value lay under goes; a fresh one takes its place, and a fresh KS with it. */
static VT_RESULT renew_key(struct reseal *reseal, uint16_t category, uint64_t key_record)
{
    const struct vt_data_key *fresh;
    VT_TRY(vt_keyblock_renew(reseal->keyblock, category, key_record, reseal->env->now_ms, &fresh));
    return VAULT_OK;
}

static VT_RESULT corrected_categories(const struct vt_collection *collection, const struct vt_value *fields, uint32_t *out_bits)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < fields->map.count; i++) {
        const struct vt_field *field = vt_collection_field(collection, fields->map.pairs[i].key);
        if (field != NULL) bits |= 1u << field->category;
    }
    *out_bits = bits;
    return VAULT_OK;
}

static VT_RESULT forget_old(struct reseal *reseal, const struct vt_collection_entry *entry, uint64_t record, uint32_t bits)
{
    const uint64_t key_record = vt_key_record(entry->collection, record);
    for (uint16_t category = 1; category < 32; category++) {
        const struct vt_data_key *key = vt_subject_keys_live(reseal->present, category, key_record);
        /* The category's own key answers for a record that has none yet: nothing lies under that one. */
        const bool has_key = key != NULL && key->record == key_record;
        if ((bits & (1u << category)) == 0 || !has_key) continue;
        bool done;
        VT_TRY(vt_gate_pass(reseal->env, reseal->sid, category, reseal->change));
        VT_TRY(renew_key(reseal, category, key_record));
        VT_TRY(reseal_rows(reseal, category, key_record, &done));
    }
    return VAULT_OK;
}

VT_RESULT vt_record_correct(const struct vt_subject_env *env, const struct vt_sid *sid,
                            const struct vt_collection_entry *collection, uint64_t *record, const struct vt_value *fields,
                            bool forget, struct vt_change *change, uint32_t *out_version, uint64_t *out_resealed)
{
    uint32_t bits;
    struct reseal reseal = {.env = env, .sid = sid, .change = change, .max_rows = UINT64_MAX};
    VT_AUTO_PTR(vt_subject_draft) draft = NULL;
    VT_TRY(vt_record_resolve(env, sid, collection, record));
    VT_TRY(vt_subject_draft_open(env, sid, &draft));
    reseal.present = draft->keys;
    reseal.skip_record = *record;
    VT_TRY(corrected_categories(collection->collection, fields, &bits));
    if (forget) {
        VT_TRY(vt_keyblock_edit(env->view, env->tenant, sid, &draft->keyblock));
        reseal.keyblock = draft->keyblock;
        draft->keyblock_changed = true;
        VT_TRY(vt_change_expect_rows(change, env->view, sid));      /* a row that came meanwhile would lose its key */
        VT_TRY(forget_old(&reseal, collection, *record, bits));
    }
    const struct vt_record_draft wished = {.collection = collection, .fields = fields, .record = *record};
    uint64_t id;
    VT_TRY(vt_subject_draft_record(draft, &wished, &id));
    *out_version = draft->last_version;
    *out_resealed = reseal.rows + draft->row_count;
    return vt_subject_draft_finish(draft, change);
}

/* Deleting one record ---------------------------------------------------------------------------------------------- */

static VT_RESULT delete_row(const struct vt_subject_env *env, const struct vt_subject_keys *keys, const struct vt_row_name *name,
                            struct vt_change *change)
{
    struct vt_row row;
    struct vt_bytes value;
    uint8_t key[VT_ROW_KEY_LEN];
    vt_row_key(name->record, name->category, 0, key);
    VT_TRY(vt_store_get(vt_keyring_view_txn(env->view), VT_TABLE_ROW, VT_BYTES_OF(key), &value));
    VT_TRY(vt_change_expect(change, VT_TABLE_ROW, VT_BYTES_OF(key), &value));    /* what it points to is taken away below */
    const vault_status status = vt_row_open(env->view, env->tenant, keys, name->record, name->category, env->pool, &row);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_ERASED, status);
    for (size_t i = 0; status == VAULT_OK && i < row.reference_count; i++) {
        if (row.references[i].kind != VT_REF_INDEX)
            return vt_fail(env->err, VAULT_E_STATE, "record",
                           "A token that other holders may share stands for the record; shred the record instead.");
        VT_TRY(vt_change_index_remove(change, &row.references[i].hash, row.references[i].data));
    }
    return vt_row_delete(name->record, name->category, name->group_count, change);
}

static VT_RESULT gate_record_keys(const struct vt_subject_env *env, const struct vt_subject_keys *keys, uint64_t record,
                                  struct vt_change *change)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->keys[i].record == record) VT_TRY(vt_gate_pass(env, &keys->sid, keys->keys[i].category, change));
    return VAULT_OK;
}

VT_RESULT vt_record_delete(const struct vt_subject_env *env, const struct vt_sid *sid,
                           const struct vt_collection_entry *collection, uint64_t record, struct vt_change *change,
                           uint64_t *out_rows)
{
    const struct vt_subject_keys *keys;
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    uint8_t key[VT_RECORD_KEY_LEN];
    size_t count;
    VT_TRY(vt_subject_check(env, sid));
    VT_TRY(vt_record_resolve(env, sid, collection, &record));
    VT_TRY(vt_keyring_subject_keys(env->view, env->tenant, sid, &keys));
    VT_TRY(vt_change_require_live(change, &(struct vt_scope){.sid = *sid}));
    VT_TRY(vt_rows_of_record(vt_keyring_view_txn(env->view), record, names, &count));
    for (size_t i = 0; i < count; i++) VT_TRY(vt_gate_pass(env, sid, names[i].category, change));
    for (size_t i = 0; i < count; i++) VT_TRY(delete_row(env, keys, &names[i], change));
    vt_record_key(sid, collection->number, record, key);
    VT_TRY(vt_change_delete(change, VT_TABLE_RECORD, VT_BYTES_OF(key)));
    *out_rows = count;
    if (collection->collection->forget != VT_FORGET_RECORD) return VAULT_OK;

    VT_AUTO_PTR(vt_keyblock_draft) draft = NULL;
    VT_TRY(gate_record_keys(env, keys, record, change));
    VT_TRY(vt_keyblock_edit(env->view, env->tenant, sid, &draft));
    /* Not only those of the rows that are there: one that a take-over has undone left its key, and lies in a younger backup. */
    const vault_status status = vt_keyblock_drop(draft, VT_CATEGORY_ALL, record);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    VT_TRY(vt_keyblock_seal(draft));
    return vt_change_put_keyblock(change, VT_MOVE(draft));
}

/* Rotation --------------------------------------------------------------------------------------------------------- */

static bool key_is_chosen(const struct vt_data_key *key, uint16_t category)
{
    return category == VT_CATEGORY_ALL ? true : key->category == category;
}

static VT_RESULT row_tell(struct vt_txn *txn, const struct vt_row_name *name, vt_row_visit visit, void *context)
{
    uint8_t key[VT_ROW_KEY_LEN];
    struct vt_bytes value;
    struct vt_row_head head;
    vt_row_key(name->record, name->category, 0, key);
    VT_TRY(vt_store_get(txn, VT_TABLE_ROW, VT_BYTES_OF(key), &value));
    VT_TRY(vt_row_head_read(value, &head));
    return visit(context, name->category, head.has_record_key ? name->record : 0, head.dek_version);
}

VT_RESULT vt_subject_rows_each(struct vt_keyring_view *view, const struct vt_sid *sid, uint16_t category, vt_row_visit visit,
                               void *context)
{
    struct vt_txn *txn = vt_keyring_view_txn(view);
    uint16_t collection = 0;
    uint64_t record = 0;
    vault_status status;
    while ((status = vt_record_entry_next(txn, sid, &collection, &record)) == VAULT_OK) {
        struct vt_row_name names[VT_ROWS_PER_RECORD];
        size_t count;
        VT_TRY(vt_rows_of_record(txn, record, names, &count));
        for (size_t i = 0; i < count; i++)
            if (category == VT_CATEGORY_ALL || names[i].category == category) VT_TRY(row_tell(txn, &names[i], visit, context));
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* First step: a new live version of each chosen key that has not been rotated since the rotation began. */
static VT_RESULT rotate_add(struct reseal *reseal, uint16_t category, int64_t began_ms, bool *out_added)
{
    for (size_t i = 0; i < reseal->present->count; i++) {
        const struct vt_data_key *key = &reseal->present->keys[i];
        const struct vt_data_key *fresh;
        if (key->state != VT_DATA_KEY_LIVE || !key_is_chosen(key, category) || key->created_at_ms >= began_ms) continue;
        VT_TRY(vt_keyblock_add(reseal->keyblock, key->category, key->record, reseal->env->now_ms, &fresh));
        *out_added = true;
    }
    return VAULT_OK;
}

/* Last step: versions that no row is left under. */
static VT_RESULT rotate_retire(struct reseal *reseal, uint16_t category, bool destroy_old, bool *out_changed)
{
    for (size_t i = 0; i < reseal->present->count; i++) {
        const struct vt_data_key key = reseal->present->keys[i];
        if (!key_is_chosen(&key, category) || key.state == VT_DATA_KEY_LIVE) continue;
        if (!destroy_old && key.state == VT_DATA_KEY_RESTORE_ONLY) continue;
        if (destroy_old) VT_TRY(vt_gate_pass(reseal->env, reseal->sid, key.category, reseal->change));
        if (destroy_old) VT_TRY(vt_keyblock_drop_version(reseal->keyblock, key.category, key.record, key.version));
        if (!destroy_old)
            VT_TRY(vt_keyblock_set_state(reseal->keyblock, key.category, key.record, key.version, VT_DATA_KEY_RESTORE_ONLY));
        *out_changed = true;
    }
    return VAULT_OK;
}

/* @p cursor: began ms 8 | unused 8. */
VT_RESULT vt_subject_rotate_step(const struct vt_subject_env *env, const struct vt_sid *sid, uint16_t category, size_t max_rows,
                                 bool destroy_old, struct vt_change *change, uint8_t cursor[16], uint64_t *out_rows,
                                 bool *out_done)
{
    struct reseal reseal = {.env = env, .sid = sid, .change = change, .max_rows = max_rows};
    VT_AUTO_PTR(vt_keyblock_draft) keyblock = NULL;
    bool changed = false, rows_done = false;
    VT_TRY(vt_subject_check(env, sid));
    VT_TRY(vt_keyring_subject_keys(env->view, env->tenant, sid, &reseal.present));
    VT_TRY(vt_keyblock_edit(env->view, env->tenant, sid, &keyblock));
    reseal.keyblock = keyblock;
    VT_TRY(vt_change_require_live(change, &(struct vt_scope){.sid = *sid}));
    if (vt_get_u64(cursor) == 0) vt_put_u64(cursor, (uint64_t)env->now_ms);
    VT_TRY(rotate_add(&reseal, category, (int64_t)vt_get_u64(cursor), &changed));
    if (!changed) VT_TRY(reseal_rows(&reseal, category, 0, &rows_done));
    if (!changed && rows_done && reseal.rows == 0) {
        VT_TRY(rotate_retire(&reseal, category, destroy_old, &changed));
        *out_done = true;
    } else {
        *out_done = false;
    }
    *out_rows = reseal.rows;
    if (!changed) return VAULT_OK;
    VT_TRY(vt_keyblock_seal(keyblock));
    return vt_change_put_keyblock(change, VT_MOVE(keyblock));
}
