#include "vaultd/core/token/reindex.h"

#include "vaultd/core/subject/row.h"
#include "vaultd/core/token/token_internal.h"

/* Cursor: sid 16 | collection 2 | record 8 | zero 6: the record that was looked at last, and whose. */
enum { CURSOR_COLLECTION = 16, CURSOR_RECORD = 18, SUBJECTS_PER_STEP = 1024, STEP_BYTES_MAX = 16 * 1024 * 1024 };
/* A row that stays as it is costs the commit nothing, so a step looks at more of them. */
enum { LOOKS_PER_ROW = 32 };

struct moved_value {
    struct vt_index_hash from;
    struct moved_value *next;
};
struct reindex {
    const struct vt_token_env *env;
    enum vt_reindex_pass pass;
    struct vt_change *change;
    struct vt_reindex_counts counts;
    struct moved_value *moved;          /* entries of values that this step moves: other holders must not move them again */
    size_t looked, rows, rows_max, bytes;       /* rows: that change */
    /* the subject at hand */
    struct vt_sid sid;
    const struct vt_subject_keys *keys;
    bool expects_keys;
};

/** One row with its entries as they are and as they should be. */
struct reindex_row {
    struct vt_row row;
    const struct vt_collection_entry *entry;    /* NULL: the subject's own row */
    struct vt_value fields;
    struct vt_reference *references;            /* in the pool: what the row remembers from now on */
    size_t count;
    bool is_changed;
};

static bool hash_equal(const struct vt_index_hash *a, const struct vt_index_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool has_key(const struct reindex *reindex, enum vt_tenant_key_name name, size_t index)
{
    return vt_keyring_tenant_key(reindex->env->subject.view, reindex->env->subject.tenant, name, index) != NULL;
}

/* Where an entry should lie ------------------------------------------------------------------------------------------ */

static VT_RESULT field_target(struct reindex *reindex, const struct reindex_row *at, const struct vt_reference *reference,
                              struct vt_index_hash *out_hash)
{
    const struct vt_subject_env *env = &reindex->env->subject;
    if (at->entry == NULL) {
        struct vt_bytes external_id;
        VT_TRY(vt_subject_row_read(env->pool, at->row.content, &external_id));
        VT_ENSURE(external_id.data != NULL, VAULT_E_CORRUPT);
        return vt_external_id_hash(env->view, env->tenant, 0, external_id, out_hash);
    }
    const struct vt_field *field = vt_collection_field_by_id(at->entry->collection, reference->field);
    const struct vt_value *value = field != NULL ? vt_value_get_bytes(&at->fields, field->name) : NULL;
    VT_ENSURE(value != NULL, VAULT_E_CORRUPT);
    return vt_field_hash(env, 0, at->entry->number, field, value, out_hash);
}

/* Under which template and version does the value's entry lie? When under none that is left (the row came back from a backup), the
 * token's own row says which template made it. */
static VT_RESULT value_target(struct reindex *reindex, const struct reindex_row *at, const struct vt_reference *reference,
                              struct vt_index_hash *out_hash)
{
    struct vt_token_entry entry;
    VT_ENSURE(at->entry != NULL, VAULT_E_CORRUPT);
    const struct vt_field *field = vt_collection_field_by_id(at->entry->collection, reference->field);
    const struct vt_value *value = field != NULL ? vt_value_get_bytes(&at->fields, field->name) : NULL;
    VT_ENSURE(value != NULL, VAULT_E_CORRUPT);
    for (size_t i = 0; i < vt_template_set_count(reindex->env->templates); i++) {
        const struct vt_template *template_ = vt_template_set_at(reindex->env->templates, i);
        if (template_->collection != at->entry->number || template_->field != field->id) continue;
        for (size_t key = 0; has_key(reindex, VT_TENANT_KEY_INDEX, key); key++) {
            struct vt_index_hash hash;
            VT_TRY(vt_token_value_hash(reindex->env, template_, field, value, key, &hash));
            if (hash_equal(&hash, &reference->hash)) return vt_token_value_hash(reindex->env, template_, field, value, 0, out_hash);
        }
    }
    VT_TRY(vt_token_entry_token(reindex->env, reference->data, &entry));
    return vt_token_value_hash(reindex->env, entry.template_, field, value, 0, out_hash);
}

/* Is the holders' list of the token that @p value names the one of @p reference? */
static VT_RESULT holder_target_of(struct reindex *reindex, const struct vt_reference *reference, const struct vt_reference *value,
                                  struct vt_index_hash *out_hash)
{
    for (size_t lookup = 0; has_key(reindex, VT_TENANT_KEY_TOKEN_LOOKUP, lookup); lookup++) {
        for (size_t key = 0; has_key(reindex, VT_TENANT_KEY_INDEX, key); key++) {
            struct vt_index_hash hash;
            const vault_status status = vt_token_entry_holder_hash(reindex->env, value->data, lookup, key, &hash);
            if (status == VAULT_E_NOT_FOUND) break;
            VT_TRY(status);
            if (hash_equal(&hash, &reference->hash))
                return vt_token_entry_holder_hash(reindex->env, value->data, lookup, 0, out_hash);
        }
    }
    return VAULT_E_NOT_FOUND;
}

/* One token stands for the field: the entry can be no other's, even when no version that is left explains it. */
static VT_RESULT holder_only_target(struct reindex *reindex, const struct reindex_row *at, const struct vt_reference *reference,
                                    struct vt_index_hash *out_hash)
{
    const struct vt_reference *only = NULL;
    struct vt_token_entry entry;
    for (size_t i = 0; i < at->row.reference_count; i++) {
        const struct vt_reference *value = &at->row.references[i];
        if (value->kind != VT_REF_TOKEN_VALUE || value->field != reference->field) continue;
        VT_ENSURE(only == NULL || memcmp(only->data, value->data, sizeof only->data) == 0, VAULT_E_CORRUPT);
        only = value;
    }
    VT_ENSURE(only != NULL, VAULT_E_CORRUPT);
    VT_TRY(vt_token_entry_token(reindex->env, only->data, &entry));
    *out_hash = entry.holders;
    return VAULT_OK;
}

/* A holder's entry lies under the token's row key, which the value's entry, remembered in the same row, names. */
static VT_RESULT holder_target(struct reindex *reindex, const struct reindex_row *at, const struct vt_reference *reference,
                               struct vt_index_hash *out_hash)
{
    for (size_t i = 0; i < at->row.reference_count; i++) {
        const struct vt_reference *value = &at->row.references[i];
        if (value->kind != VT_REF_TOKEN_VALUE || value->field != reference->field) continue;
        const vault_status status = holder_target_of(reindex, reference, value, out_hash);
        if (status != VAULT_E_NOT_FOUND) return status;
    }
    return holder_only_target(reindex, at, reference, out_hash);
}

/* What the row remembers --------------------------------------------------------------------------------------------- */

static bool row_names(const struct vt_reference *list, size_t count, uint8_t kind, const struct vt_index_hash *hash,
                      const uint8_t data[VT_INDEX_DATA_LEN])
{
    for (size_t i = 0; i < count; i++)
        if (list[i].kind == kind && hash_equal(&list[i].hash, hash) && memcmp(list[i].data, data, VT_INDEX_DATA_LEN) == 0)
            return true;
    return false;
}

static void row_keep(struct reindex_row *at, const struct vt_reference *reference, const struct vt_index_hash *hash)
{
    if (row_names(at->references, at->count, reference->kind, hash, reference->data)) return;
    at->references[at->count] = *reference;
    at->references[at->count++].hash = *hash;
}

/* Moves; a row that has the entry under both versions (a holder that was added twice) loses the older one. */
static VT_RESULT move_own(struct reindex *reindex, struct reindex_row *at, const struct vt_reference *reference)
{
    struct vt_index_hash target;
    if (reference->kind == VT_REF_TOKEN) VT_TRY(holder_target(reindex, at, reference, &target));
    else VT_TRY(field_target(reindex, at, reference, &target));
    if (hash_equal(&target, &reference->hash)) {
        row_keep(at, reference, &target);
        return VAULT_OK;
    }
    at->is_changed = true;
    reindex->counts.moved++;
    const bool has_both = row_names(at->row.references, at->row.reference_count, reference->kind, &target, reference->data);
    row_keep(at, reference, &target);
    if (has_both) return vt_change_index_remove(reindex->change, &reference->hash, reference->data);
    return vt_change_index_move(reindex->change, &reference->hash, &target, reference->data);
}

static VT_RESULT remember_value(struct reindex *reindex, struct reindex_row *at, const struct vt_reference *reference)
{
    struct vt_index_hash target;
    VT_TRY(value_target(reindex, at, reference, &target));
    row_keep(at, reference, &reference->hash);
    if (!row_names(at->row.references, at->row.reference_count, reference->kind, &target, reference->data)) at->is_changed = true;
    row_keep(at, reference, &target);
    return VAULT_OK;
}

static bool is_moved_already(const struct reindex *reindex, const struct vt_index_hash *from)
{
    for (const struct moved_value *moved = reindex->moved; moved != NULL; moved = moved->next)
        if (hash_equal(&moved->from, from)) return true;
    return false;
}

static VT_RESULT value_lies(const struct reindex *reindex, const struct vt_index_hash *hash, const uint8_t data[VT_INDEX_DATA_LEN],
                            bool *out_does)
{
    enum { FOUND_MAX = 4 };
    uint8_t found[FOUND_MAX][VT_INDEX_DATA_LEN];
    size_t count = 0;
    const struct vt_subject_env *env = &reindex->env->subject;
    const vault_status status = vt_keyring_index_find(env->view, env->tenant, hash, found, FOUND_MAX, &count);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    *out_does = false;
    for (size_t i = 0; i < count; i++) *out_does |= memcmp(found[i], data, VT_INDEX_DATA_LEN) == 0;
    return VAULT_OK;
}

static VT_RESULT move_value_entry(struct reindex *reindex, const struct vt_reference *reference, const struct vt_index_hash *target)
{
    bool is_there, is_at_target;
    if (is_moved_already(reindex, &reference->hash)) return VAULT_OK;
    VT_TRY(value_lies(reindex, &reference->hash, reference->data, &is_there));
    if (!is_there) return VAULT_OK;         /* another holder's row was here before */
    VT_TRY(value_lies(reindex, target, reference->data, &is_at_target));
    struct moved_value *moved = vt_pool_alloc(reindex->env->subject.pool, sizeof *moved);
    VT_ENSURE(moved != NULL, VAULT_E_MEMORY);
    *moved = (struct moved_value){reference->hash, reindex->moved};
    reindex->moved = moved;
    reindex->counts.moved++;
    if (is_at_target) return vt_change_index_remove(reindex->change, &reference->hash, reference->data);
    return vt_change_index_move(reindex->change, &reference->hash, target, reference->data);
}

static VT_RESULT move_value(struct reindex *reindex, struct reindex_row *at, const struct vt_reference *reference)
{
    struct vt_index_hash target;
    VT_TRY(value_target(reindex, at, reference, &target));
    if (!hash_equal(&target, &reference->hash)) {
        at->is_changed = true;
        VT_TRY(move_value_entry(reindex, reference, &target));
    }
    row_keep(at, reference, &target);
    return VAULT_OK;
}

static VT_RESULT count_straggler(struct reindex *reindex, struct reindex_row *at, const struct vt_reference *reference)
{
    struct vt_index_hash target;
    if (reference->kind == VT_REF_TOKEN_VALUE) VT_TRY(value_target(reindex, at, reference, &target));
    else if (reference->kind == VT_REF_TOKEN) VT_TRY(holder_target(reindex, at, reference, &target));
    else VT_TRY(field_target(reindex, at, reference, &target));
    if (!hash_equal(&target, &reference->hash)) reindex->counts.stragglers++;
    return VAULT_OK;
}

static VT_RESULT reference_pass(struct reindex *reindex, struct reindex_row *at, const struct vt_reference *reference)
{
    const bool is_value = reference->kind == VT_REF_TOKEN_VALUE;
    if (reindex->pass == VT_REINDEX_CHECK) return count_straggler(reindex, at, reference);
    if (reindex->pass == VT_REINDEX_ROWS && is_value) return remember_value(reindex, at, reference);
    if (reindex->pass == VT_REINDEX_ROWS) return move_own(reindex, at, reference);
    if (is_value) return move_value(reindex, at, reference);
    row_keep(at, reference, &reference->hash);
    return VAULT_OK;
}

/* Rows --------------------------------------------------------------------------------------------------------------- */

static VT_RESULT row_write(struct reindex *reindex, struct reindex_row *at)
{
    const struct vt_subject_env *env = &reindex->env->subject;
    struct vt_row row = at->row;
    row.references = at->references;
    row.reference_count = at->count;
    row.version++;
    const uint64_t key_record = row.has_record_key ? row.record : 0;
    const struct vt_data_key *key = vt_subject_keys_live(reindex->keys, row.category, key_record);
    VT_ENSURE(key != NULL && (key->record != 0) == row.has_record_key, VAULT_E_CORRUPT);
    /* Whoever drops the key meanwhile has rows to seal anew, and this would be one of them. */
    if (!reindex->expects_keys) VT_TRY(vt_change_expect_keys(reindex->change, env->view, &reindex->sid));
    reindex->expects_keys = true;
    return vt_row_put(env->view, env->tenant, key, &row, row.group_count, reindex->change);
}

static VT_RESULT row_fields(struct reindex *reindex, struct reindex_row *at)
{
    const struct vt_subject_env *env = &reindex->env->subject;
    at->fields = vt_value_map();
    if (at->row.collection == 0) return VAULT_OK;
    at->entry = vt_schema_set_by_number(env->schemas, at->row.collection);
    VT_ENSURE(at->entry != NULL, VAULT_E_CORRUPT);
    return vt_record_part_read(env->pool, at->entry->collection, at->row.content, &at->fields);
}

static VT_RESULT row_pass(struct reindex *reindex, const struct vt_row_name *name)
{
    const struct vt_subject_env *env = &reindex->env->subject;
    struct reindex_row at = {.is_changed = false};
    uint8_t key[VT_ROW_KEY_LEN];
    struct vt_bytes value;
    reindex->looked++;
    vt_row_key(name->record, name->category, 0, key);
    VT_TRY(vt_store_get(vt_keyring_view_txn(env->view), VT_TABLE_ROW, VT_BYTES_OF(key), &value));
    const vault_status status =
        vt_row_open(env->view, env->tenant, reindex->keys, name->record, name->category, env->pool, &at.row);
    if (status == VAULT_E_ERASED) return VAULT_OK;      /* its entries went with its key */
    VT_TRY(status);
    reindex->bytes += at.row.content.len;
    if (at.row.reference_count == 0) return VAULT_OK;
    VT_TRY(row_fields(reindex, &at));
    at.references = vt_pool_calloc(env->pool, 2 * at.row.reference_count, sizeof *at.references);
    VT_ENSURE(at.references != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < at.row.reference_count; i++) VT_TRY(reference_pass(reindex, &at, &at.row.references[i]));
    if (!at.is_changed) return VAULT_OK;
    reindex->rows++;
    VT_TRY(vt_change_expect(reindex->change, VT_TABLE_ROW, VT_BYTES_OF(key), &value));
    return row_write(reindex, &at);
}

/* Walking ------------------------------------------------------------------------------------------------------------ */

static bool step_is_full(const struct reindex *reindex)
{
    return reindex->rows >= reindex->rows_max || reindex->looked >= LOOKS_PER_ROW * reindex->rows_max ||
           reindex->bytes >= STEP_BYTES_MAX;
}

/* Records of the subject behind the cursor. @param out_over the subject has no more */
static VT_RESULT subject_pass(struct reindex *reindex, uint16_t *collection, uint64_t *record, bool *out_over)
{
    const struct vt_subject_env *env = &reindex->env->subject;
    struct vt_txn *txn = vt_keyring_view_txn(env->view);
    vault_status status = VAULT_OK;
    VT_TRY(vt_keyring_subject_keys(env->view, env->tenant, &reindex->sid, &reindex->keys));
    reindex->expects_keys = false;
    while (!step_is_full(reindex) && (status = vt_record_entry_next(txn, &reindex->sid, collection, record)) == VAULT_OK) {
        struct vt_row_name names[VT_ROWS_PER_RECORD];
        size_t count;
        VT_TRY(vt_rows_of_record(txn, *record, names, &count));
        for (size_t i = 0; i < count; i++) VT_TRY(row_pass(reindex, &names[i]));
    }
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    *out_over = status == VAULT_E_NOT_FOUND;
    return VAULT_OK;
}

struct sid_list {
    struct vt_sid sids[SUBJECTS_PER_STEP];
    size_t count;
};

static bool list_sid(void *context, const struct vt_sid *sid, uint32_t version, uint64_t created_epoch)
{
    struct sid_list *list = context;
    (void)version;
    (void)created_epoch;
    list->sids[list->count++] = *sid;
    return list->count < SUBJECTS_PER_STEP;
}

/* @return false: that was the last one there can be */
static bool sid_next(struct vt_sid *sid)
{
    for (size_t i = sizeof sid->bytes; i-- > 0;)
        if (++sid->bytes[i] != 0) return true;
    return false;
}

static void cursor_write(uint8_t *cursor, const struct vt_sid *sid, uint16_t collection, uint64_t record)
{
    memset(cursor, 0, VT_REINDEX_CURSOR_LEN);
    memcpy(cursor, sid->bytes, sizeof sid->bytes);
    vt_put_u16(cursor + CURSOR_COLLECTION, collection);
    vt_put_u64(cursor + CURSOR_RECORD, record);
}

static VT_RESULT subjects_pass(struct reindex *reindex, const struct sid_list *list, uint8_t *cursor, bool *out_done)
{
    struct vt_sid at;
    memcpy(at.bytes, cursor, sizeof at.bytes);
    uint16_t collection = vt_get_u16(cursor + CURSOR_COLLECTION);
    uint64_t record = vt_get_u64(cursor + CURSOR_RECORD);
    bool may_follow = true;
    for (size_t i = 0; i < list->count; i++) {
        bool is_over = false;
        reindex->sid = list->sids[i];
        if (!vt_sid_equal(&at, &reindex->sid)) collection = 0, record = 0;
        at = reindex->sid;
        VT_TRY(subject_pass(reindex, &collection, &record, &is_over));
        if (!is_over) break;
        reindex->counts.subjects++;
        collection = 0;
        record = 0;
        may_follow = sid_next(&at);
        if (!may_follow || i + 1 < list->count) continue;
        *out_done = list->count < SUBJECTS_PER_STEP;
    }
    *out_done |= !may_follow;
    cursor_write(cursor, &at, collection, record);
    return VAULT_OK;
}

VT_RESULT vt_reindex_step(const struct vt_token_env *env, enum vt_reindex_pass pass, size_t max_rows,
                          uint8_t cursor[VT_REINDEX_CURSOR_LEN], struct vt_change *change, struct vt_reindex_counts *out_counts,
                          bool *out_done)
{
    struct reindex reindex = {.env = env, .pass = pass, .change = change, .rows_max = max_rows};
    struct sid_list list = {.count = 0};
    struct vt_sid from;
    memcpy(from.bytes, cursor, sizeof from.bytes);
    VT_TRY(vt_keyring_subjects_walk(env->subject.view, env->subject.tenant, &from, list_sid, &list));
    bool is_done = list.count == 0;
    if (!is_done) VT_TRY(subjects_pass(&reindex, &list, cursor, &is_done));
    *out_counts = reindex.counts;
    *out_done = is_done;
    return VAULT_OK;
}

/* A row by itself ---------------------------------------------------------------------------------------------------- */

static VT_RESULT token_target(struct reindex *reindex, const struct reindex_row *at, const struct vt_reference *reference,
                              struct vt_index_hash *out_hash)
{
    if (reference->kind == VT_REF_TOKEN_VALUE) return value_target(reindex, at, reference, out_hash);
    return holder_target(reindex, at, reference, out_hash);
}

VT_RESULT vt_reindex_row(const struct vt_token_env *env, struct vt_row *row, bool *out_changed, size_t *out_lost)
{
    struct reindex reindex = {.env = env};
    struct reindex_row at = {.row = *row};
    size_t lost = 0;
    VT_TRY(row_fields(&reindex, &at));
    VT_ENSURE(at.entry != NULL, VAULT_E_ARGUMENT);
    at.references = vt_pool_calloc(env->subject.pool, row->reference_count + 1, sizeof *at.references);
    VT_ENSURE(at.references != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < row->reference_count; i++) {
        const struct vt_reference *reference = &row->references[i];
        struct vt_index_hash target = reference->hash;
        const vault_status status =
            reference->kind != VT_REF_INDEX ? token_target(&reindex, &at, reference, &target) : VAULT_OK;
        const bool is_lost = status == VAULT_E_CORRUPT || status == VAULT_E_NOT_FOUND;
        VT_ENSURE(is_lost || status == VAULT_OK, status);
        lost += is_lost;
        at.is_changed |= is_lost || !hash_equal(&target, &reference->hash);
        if (!is_lost) row_keep(&at, reference, &target);
    }
    row->references = at.references;
    row->reference_count = at.count;
    *out_changed = at.is_changed;
    *out_lost = lost;
    return VAULT_OK;
}
