/* Writing subjects and records: a draft collects rows and keys, finishing it seals them into a change. */
#include <stdio.h>

#include "vaultd/core/subject/sid.h"
#include "vaultd/core/subject/subject_internal.h"

static VT_RESULT draft_alloc(const struct vt_subject_env *env, struct vt_subject_draft **out_draft)
{
    struct vt_subject_draft *draft = vt_pool_alloc(env->pool, sizeof *draft);
    VT_ENSURE(draft != NULL, VAULT_E_MEMORY);
    draft->env = *env;
    *out_draft = draft;
    return VAULT_OK;
}

/* Drafts live in the call's pool; only the key block is owned. */
void vt_subject_draft_free(struct vt_subject_draft *draft)
{
    if (draft == NULL) return;
    vt_keyblock_draft_free(draft->keyblock);
    draft->keyblock = NULL;
}

const struct vt_sid *vt_subject_draft_sid(const struct vt_subject_draft *draft)
{
    return &draft->sid;
}

uint32_t vt_subject_draft_version(const struct vt_subject_draft *draft)
{
    return draft->last_version;
}

static VT_RESULT rows_add(struct vt_subject_draft *draft, struct vt_draft_row **out_row)
{
    if (draft->row_count == draft->row_cap) {
        const size_t cap = draft->row_cap != 0 ? 2 * draft->row_cap : 8;
        struct vt_draft_row *grown = vt_pool_calloc(draft->env.pool, cap, sizeof *grown);
        VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
        if (draft->row_count != 0) memcpy(grown, draft->rows, draft->row_count * sizeof *grown);
        draft->rows = grown;
        draft->row_cap = cap;
    }
    *out_row = &draft->rows[draft->row_count++];
    return VAULT_OK;
}

static VT_RESULT entries_add(struct vt_subject_draft *draft, uint16_t collection, uint64_t record)
{
    if (draft->new_count == draft->new_cap) {
        const size_t cap = draft->new_cap != 0 ? 2 * draft->new_cap : 8;
        uint64_t *records = vt_pool_calloc(draft->env.pool, cap, sizeof *records);
        uint16_t *collections = vt_pool_calloc(draft->env.pool, cap, sizeof *collections);
        VT_ENSURE(records != NULL && collections != NULL, VAULT_E_MEMORY);
        if (draft->new_count != 0) {
            memcpy(records, draft->new_records, draft->new_count * sizeof *records);
            memcpy(collections, draft->new_collections, draft->new_count * sizeof *collections);
        }
        draft->new_records = records;
        draft->new_collections = collections;
        draft->new_cap = cap;
    }
    draft->new_records[draft->new_count] = record;
    draft->new_collections[draft->new_count++] = collection;
    return VAULT_OK;
}

static VT_RESULT reference_add(struct vt_subject_draft *draft, struct vt_draft_row *row, const struct vt_reference *reference)
{
    if (row->added_count == row->added_cap) {
        const size_t cap = row->added_cap != 0 ? 2 * row->added_cap : 4;
        struct vt_reference *grown = vt_pool_calloc(draft->env.pool, cap, sizeof *grown);
        VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
        if (row->added_count != 0) memcpy(grown, row->added, row->added_count * sizeof *grown);
        row->added = grown;
        row->added_cap = cap;
    }
    row->added[row->added_count++] = *reference;
    return VAULT_OK;
}

/* A new subject ---------------------------------------------------------------------------------------------------- */

static VT_RESULT own_row(struct vt_subject_draft *draft, uint64_t record, struct vt_bytes external_id)
{
    struct vt_draft_row *row;
    VT_AUTO(vt_buf) content = VT_BUF_INIT(VT_LIMIT_EXTERNAL_ID_BYTES + 64);
    VT_TRY(vt_subject_row_write(&content, external_id));
    VT_TRY(rows_add(draft, &row));
    row->row = (struct vt_row){.sid = draft->sid, .record = record, .category = VT_CATEGORY_VAULT, .version = 1,
                               .created_at_ms = draft->env.now_ms, .updated_at_ms = draft->env.now_ms};
    row->row.content = vt_pool_copy(draft->env.pool, vt_buf_bytes(&content));
    VT_ENSURE(row->row.content.data != NULL, VAULT_E_MEMORY);
    VT_TRY(entries_add(draft, 0, record));
    if (external_id.data == NULL) return VAULT_OK;
    struct vt_reference reference = {.kind = VT_REF_INDEX};
    VT_TRY(vt_external_id_hash(draft->env.view, draft->env.tenant, 0, external_id, &reference.hash));
    vt_match_encode(&draft->sid, record, reference.data);
    return reference_add(draft, row, &reference);
}

static VT_RESULT check_external_id(const struct vt_subject_env *env, struct vt_bytes external_id)
{
    struct vt_sid present;
    if (external_id.data == NULL) return VAULT_OK;
    VT_ENSURE(external_id.len != 0 && external_id.len <= VT_LIMIT_EXTERNAL_ID_BYTES, VAULT_E_TOO_LARGE);
    const vault_status found = vt_subject_by_external_id(env, external_id, &present);
    if (found == VAULT_E_NOT_FOUND) return VAULT_OK;
    if (found != VAULT_OK && found != VAULT_E_SHRED_PENDING) return found;
    return vt_fail(env->err, VAULT_E_EXISTS, "external_id", "A subject with this external id exists already.");
}

VT_RESULT vt_subject_draft_new(const struct vt_subject_env *env, struct vt_bytes external_id,
                               struct vt_subject_draft **out_draft)
{
    VT_AUTO_PTR(vt_subject_draft) draft = NULL;
    uint64_t record;
    VT_TRY(check_external_id(env, external_id));
    VT_TRY(draft_alloc(env, &draft));
    VT_TRY(vt_sequence_next(env->records, 1, &record));
    VT_TRY(vt_sid_draw(env, record, &draft->sid));
    VT_TRY(vt_keyblock_new(env->view, env->tenant, &draft->sid, &draft->keyblock));
    draft->is_new = draft->keyblock_changed = true;
    VT_TRY(own_row(draft, record, external_id));
    *out_draft = VT_MOVE(draft);
    return VAULT_OK;
}

VT_RESULT vt_subject_draft_open(const struct vt_subject_env *env, const struct vt_sid *sid,
                                struct vt_subject_draft **out_draft)
{
    VT_AUTO_PTR(vt_subject_draft) draft = NULL;
    VT_TRY(vt_subject_check(env, sid));
    VT_TRY(draft_alloc(env, &draft));
    draft->sid = *sid;
    VT_TRY(vt_keyring_subject_keys(env->view, env->tenant, sid, &draft->keys));
    *out_draft = VT_MOVE(draft);
    return VAULT_OK;
}

/* Records ---------------------------------------------------------------------------------------------------------- */

static enum vt_side side_bit(const struct vt_record_draft *record)
{
    return record->side == 0 ? VT_SIDE_FIRST : VT_SIDE_SECOND;
}

/* Under every version of the index key: an entry that a rotation has not moved yet counts as well. */
static VT_RESULT check_unique(struct vt_subject_draft *draft, const struct vt_record_draft *record, const struct vt_field *field,
                              const struct vt_value *value, const uint8_t own[VT_INDEX_DATA_LEN])
{
    const struct vt_subject_env *env = &draft->env;
    for (size_t i = 0; vt_keyring_tenant_key(env->view, env->tenant, VT_TENANT_KEY_INDEX, i) != NULL; i++) {
        struct vt_index_hash hash;
        uint8_t found[1][VT_INDEX_DATA_LEN];
        size_t count;
        VT_TRY(vt_field_hash(env, i, record->collection->number, field, value, &hash));
        const vault_status status = vt_keyring_index_find(env->view, env->tenant, &hash, found, 1, &count);
        if (status == VAULT_E_NOT_FOUND) continue;
        VT_TRY(status);
        if (memcmp(found[0], own, VT_INDEX_DATA_LEN) == 0) continue;
        char name[VT_LIMIT_NAME_BYTES + 1];
        snprintf(name, sizeof name, "%.*s", (int)field->name.len, (const char *)field->name.data);
        return vt_fail(env->err, VAULT_E_EXISTS, name, "Another record has this value in a field that must be unique.");
    }
    return VAULT_OK;
}

static VT_RESULT index_part(struct vt_subject_draft *draft, const struct vt_record_draft *record,
                            const struct vt_record_part *part, struct vt_draft_row *row)
{
    for (size_t i = 0; i < part->count; i++) {
        const struct vt_field *field = part->items[i].field;
        if (field->index == VT_INDEX_NONE) continue;
        struct vt_reference reference = {.kind = VT_REF_INDEX, .field = field->id};
        VT_TRY(vt_field_hash(&draft->env, 0, record->collection->number, field, &part->items[i].value, &reference.hash));
        vt_match_encode(&draft->sid, row->row.record, reference.data);
        if (field->index == VT_INDEX_UNIQUE)
            VT_TRY(check_unique(draft, record, field, &part->items[i].value, reference.data));
        VT_TRY(reference_add(draft, row, &reference));
    }
    return VAULT_OK;
}

static VT_RESULT pack_part(struct vt_subject_draft *draft, const struct vt_record_part *part, struct vt_bytes *out_content)
{
    VT_AUTO(vt_buf) content = VT_BUF_INIT(VT_ROW_CONTENT_MAX);
    VT_TRY(vt_record_part_write(&content, part));
    *out_content = vt_pool_copy(draft->env.pool, vt_buf_bytes(&content));
    return out_content->data != NULL ? VAULT_OK : VAULT_E_MEMORY;
}

static VT_RESULT new_rows(struct vt_subject_draft *draft, const struct vt_record_draft *record, uint64_t id,
                          const struct vt_value *fields)
{
    struct vt_record_part parts[VT_CATEGORY_COUNT];
    size_t count;
    VT_TRY(vt_record_split(record->collection->collection, fields, side_bit(record), draft->env.pool, parts, &count));
    for (size_t i = 0; i < count; i++) {
        struct vt_draft_row *row;
        VT_TRY(rows_add(draft, &row));
        row->collection = record->collection->collection;
        row->row = (struct vt_row){.sid = draft->sid, .record = id, .category = parts[i].category, .version = 1,
                                   .side = record->side, .collection = record->collection->number,
                                   .created_at_ms = record->created_at_ms != 0 ? record->created_at_ms : draft->env.now_ms,
                                   .updated_at_ms = record->updated_at_ms != 0 ? record->updated_at_ms : draft->env.now_ms};
        memcpy(row->row.join_id, record->join_id, sizeof row->row.join_id);
        VT_TRY(pack_part(draft, &parts[i], &row->row.content));
        VT_TRY(index_part(draft, record, &parts[i], row));
    }
    return VAULT_OK;
}

static bool drafts_collection(const struct vt_subject_draft *draft, uint16_t collection)
{
    for (size_t i = 0; i < draft->new_count; i++)
        if (draft->new_collections[i] == collection) return true;
    return false;
}

/* A collection of cardinality one takes one record per subject. */
static VT_RESULT check_cardinality(const struct vt_subject_draft *draft, const struct vt_collection_entry *entry)
{
    if (entry->collection->cardinality == VT_CARDINALITY_MANY) return VAULT_OK;
    uint16_t collection = entry->number;
    uint64_t record = 0;
    bool is_there = drafts_collection(draft, entry->number);
    if (!draft->is_new && !is_there) {
        const vault_status found = vt_record_entry_next(vt_keyring_view_txn(draft->env.view), &draft->sid, &collection, &record);
        VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
        is_there = found == VAULT_OK && collection == entry->number;
    }
    if (!is_there) return VAULT_OK;
    if (drafts_collection(draft, entry->number))
        return vt_fail(draft->env.err, VAULT_E_EXISTS, "collection", "A subject has one record of this collection, not several.");
    return vt_fail(draft->env.err, VAULT_E_EXISTS, "collection",
                   "The subject has its one record of this collection already: name record %llu to replace fields of it, or use "
                   "record.correct, which forgets what it said.",
                   (unsigned long long)record);
}

/* Records with keys of their own are counted before any is drafted, so that one too many fails by itself. */
static VT_RESULT check_record_keys(const struct vt_subject_draft *draft, const struct vt_collection_entry *entry)
{
    size_t count = 0;
    if (entry->collection->forget != VT_FORGET_RECORD) return VAULT_OK;
    const struct vt_subject_keys *keys = draft->keyblock != NULL ? vt_keyblock_keys(draft->keyblock) : draft->keys;
    uint64_t last = 0;
    for (size_t i = 0; keys != NULL && i < keys->count; i++) {
        count += keys->keys[i].record != 0 && keys->keys[i].record != last;
        if (keys->keys[i].record != 0) last = keys->keys[i].record;
    }
    for (size_t i = 0; i < draft->new_count; i++) {
        const struct vt_collection_entry *drafted = vt_schema_set_by_number(draft->env.schemas, draft->new_collections[i]);
        count += drafted != NULL && drafted->collection->forget == VT_FORGET_RECORD;
    }
    if (count < VT_LIMIT_RECORD_KEYS) return VAULT_OK;
    return vt_fail(draft->env.err, VAULT_E_LIMIT, "collection",
                   "A subject has at most %d records in collections that forget by record.", VT_LIMIT_RECORD_KEYS);
}

/* What is written into a part that is being erased would be gone with it, although it was acknowledged. */
static VT_RESULT check_part_stays(const struct vt_subject_draft *draft, uint64_t record, uint16_t category)
{
    const struct vt_scope scope = {draft->sid, category, record};
    if (draft->env.stamps == NULL || !vt_stamps_is_pending(draft->env.stamps, &scope)) return VAULT_OK;
    return vt_fail(draft->env.err, VAULT_E_SHRED_PENDING, "fields", "A category of one of the fields is being erased.");
}

static VT_RESULT check_changes_stay(const struct vt_subject_draft *draft, const struct vt_record_draft *record,
                                    const struct vt_value *changes)
{
    for (size_t i = 0; i < changes->map.count; i++) {
        const struct vt_field *field = vt_collection_field(record->collection->collection, changes->map.pairs[i].key);
        VT_ENSURE(field != NULL, VAULT_E_UNKNOWN_FIELD);
        VT_TRY(check_part_stays(draft, record->record, field->category));
    }
    return VAULT_OK;
}

static VT_RESULT draft_new_record(struct vt_subject_draft *draft, const struct vt_record_draft *record, uint64_t *out_record)
{
    const struct vt_record_rules rules = {.now_ms = draft->env.now_ms};
    struct vt_value fields;
    uint64_t id;
    VT_TRY(check_cardinality(draft, record->collection));
    VT_TRY(check_record_keys(draft, record->collection));
    VT_TRY(vt_record_validate(record->collection->collection, record->fields, &rules, draft->env.pool, &fields, draft->env.err));
    VT_TRY(check_changes_stay(draft, record, &fields));
    VT_TRY(vt_sequence_next(draft->env.records, 1, &id));
    VT_TRY(new_rows(draft, record, id, &fields));
    VT_TRY(entries_add(draft, record->collection->number, id));
    draft->last_version = 1;
    *out_record = id;
    return VAULT_OK;
}

/* Merging into a stored record ------------------------------------------------------------------------------------- */

struct merge {
    struct vt_subject_draft *draft;
    const struct vt_record_draft *record;
    struct vt_value before;             /* fields as stored */
    struct vt_value after;              /* with the changes */
    struct vt_row rows[VT_ROWS_PER_RECORD];
    size_t row_count;
    uint32_t version;
};

static VT_RESULT merge_load(struct merge *merge)
{
    struct vt_subject_draft *draft = merge->draft;
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    size_t count;
    const struct vt_collection_entry *entry = merge->record->collection;
    VT_TRY(vt_record_entry_exists(vt_keyring_view_txn(draft->env.view), &draft->sid, entry->number, merge->record->record));
    VT_TRY(vt_rows_of_record(vt_keyring_view_txn(draft->env.view), merge->record->record, names, &count));
    merge->before = vt_value_map();
    for (size_t i = 0; i < count; i++) {
        struct vt_row *row = &merge->rows[merge->row_count];
        const vault_status status = vt_row_open(draft->env.view, draft->env.tenant, draft->keys, merge->record->record,
                                                names[i].category, draft->env.pool, row);
        if (status == VAULT_E_ERASED) continue;
        VT_TRY(status);
        VT_ENSURE(row->collection == entry->number, VAULT_E_CORRUPT);
        VT_TRY(vt_record_part_read(draft->env.pool, entry->collection, row->content, &merge->before));
        merge->version = VT_MAX(merge->version, row->version);
        merge->row_count++;
    }
    return VAULT_OK;
}

static VT_RESULT merge_fields(struct merge *merge, const struct vt_value *changes)
{
    struct vt_pool *pool = merge->draft->env.pool;
    merge->after = vt_value_map();
    for (size_t i = 0; i < merge->before.map.count; i++) {
        const struct vt_pair *pair = &merge->before.map.pairs[i];
        if (vt_value_get_bytes(changes, pair->key) != NULL) continue;
        VT_TRY(vt_value_put_new(pool, &merge->after, pair->key, pair->value, NULL));
    }
    for (size_t i = 0; i < changes->map.count; i++) {
        const struct vt_pair *pair = &changes->map.pairs[i];
        if (pair->value.kind != VT_VALUE_NIL) VT_TRY(vt_value_put_new(pool, &merge->after, pair->key, pair->value, NULL));
    }
    return VAULT_OK;
}

/* A value that another takes the place of, or that is removed, is gone from the vault with this change: the gate is asked as for
 * any destruction when the draft is finished. What only adds passes. */
static VT_RESULT note_replaced(const struct merge *merge, const struct vt_value *changes)
{
    for (size_t i = 0; i < changes->map.count; i++) {
        const struct vt_pair *pair = &changes->map.pairs[i];
        const struct vt_value *before = vt_value_get_bytes(&merge->before, pair->key);
        const struct vt_field *field = vt_collection_field(merge->record->collection->collection, pair->key);
        VT_ENSURE(field != NULL, VAULT_E_UNKNOWN_FIELD);
        if (before != NULL && !vt_value_equal(before, &pair->value)) merge->draft->replaced |= UINT32_C(1) << field->category;
    }
    return VAULT_OK;
}

static struct vt_row *merge_row(struct merge *merge, uint16_t category)
{
    for (size_t i = 0; i < merge->row_count; i++)
        if (merge->rows[i].category == category) return &merge->rows[i];
    return NULL;
}

/* A token stands for one value; another value in its place would show it to the token's other holders. */
static VT_RESULT check_token_field(const struct merge *merge, const struct vt_reference *reference)
{
    const struct vt_field *field = vt_collection_field_by_id(merge->record->collection->collection, reference->field);
    VT_ENSURE(field != NULL, VAULT_E_CORRUPT);
    const struct vt_value *before = vt_value_get_bytes(&merge->before, field->name),
                          *after = vt_value_get_bytes(&merge->after, field->name);
    if (before != NULL && after != NULL && vt_value_equal(before, after)) return VAULT_OK;
    return vt_fail(merge->draft->env.err, VAULT_E_STATE, "fields",
                   "A token that other holders may share stands for one of the fields; make a new record instead.");
}

static bool reference_is(const struct vt_reference *a, const struct vt_reference *b)
{
    return a->kind == b->kind && memcmp(&a->hash, &b->hash, sizeof a->hash) == 0 &&
           memcmp(a->data, b->data, sizeof a->data) == 0;
}

static bool references_have(const struct vt_reference *list, size_t count, const struct vt_reference *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (reference_is(&list[i], wanted)) return true;
    return false;
}

/* Entries that stay are neither removed nor added; token holders always stay. */
static VT_RESULT merge_references(struct merge *merge, struct vt_draft_row *row, const struct vt_row *old)
{
    struct vt_pool *pool = merge->draft->env.pool;
    struct vt_reference *wanted = row->added;
    const size_t wanted_count = row->added_count;
    struct vt_reference *kept = vt_pool_calloc(pool, old->reference_count + 1, sizeof *kept);
    row->dropped = vt_pool_calloc(pool, old->reference_count + 1, sizeof *row->dropped);
    VT_ENSURE(kept != NULL && row->dropped != NULL, VAULT_E_MEMORY);
    size_t kept_count = 0;
    for (size_t i = 0; i < old->reference_count; i++) {
        const struct vt_reference *reference = &old->references[i];
        if (reference->kind != VT_REF_INDEX) VT_TRY(check_token_field(merge, reference));
        if (reference->kind != VT_REF_INDEX || references_have(wanted, wanted_count, reference))
            kept[kept_count++] = *reference;
        else
            row->dropped[row->dropped_count++] = *reference;
    }
    row->added = NULL;
    row->added_count = row->added_cap = 0;
    for (size_t i = 0; i < wanted_count; i++)
        if (!references_have(kept, kept_count, &wanted[i])) VT_TRY(reference_add(merge->draft, row, &wanted[i]));
    row->row.references = kept;
    row->row.reference_count = kept_count;
    return VAULT_OK;
}

static VT_RESULT merge_part(struct merge *merge, const struct vt_record_part *part)
{
    struct vt_subject_draft *draft = merge->draft;
    struct vt_row *old = merge_row(merge, part->category);
    struct vt_draft_row *row;
    VT_TRY(rows_add(draft, &row));
    row->collection = merge->record->collection->collection;
    row->row = (struct vt_row){.sid = draft->sid, .record = merge->record->record, .category = part->category,
                               .version = merge->version + 1, .side = merge->record->side,
                               .collection = merge->record->collection->number, .created_at_ms = draft->env.now_ms};
    if (merge->row_count != 0) {
        row->row.created_at_ms = merge->rows[0].created_at_ms;
        memcpy(row->row.join_id, merge->rows[0].join_id, sizeof row->row.join_id);
    }
    row->row.updated_at_ms = draft->env.now_ms;
    VT_TRY(pack_part(draft, part, &row->row.content));
    VT_TRY(index_part(draft, merge->record, part, row));
    if (old == NULL) return VAULT_OK;
    row->old_groups = old->group_count;
    VT_TRY(merge_references(merge, row, old));
    old->category = 0;                  /* done */
    return VAULT_OK;
}

/* Rows that no field is left in. */
static VT_RESULT merge_removed(struct merge *merge)
{
    for (size_t i = 0; i < merge->row_count; i++) {
        const struct vt_row *old = &merge->rows[i];
        struct vt_draft_row *row;
        if (old->category == 0) continue;
        for (size_t j = 0; j < old->reference_count; j++)
            if (old->references[j].kind != VT_REF_INDEX) VT_TRY(check_token_field(merge, &old->references[j]));
        VT_TRY(rows_add(merge->draft, &row));
        row->row = *old;
        row->old_groups = old->group_count;
        row->is_removed = true;
        row->dropped = old->references;
        row->dropped_count = old->reference_count;
    }
    return VAULT_OK;
}

static VT_RESULT draft_merge_record(struct vt_subject_draft *draft, const struct vt_record_draft *record)
{
    const struct vt_record_rules rules = {.now_ms = draft->env.now_ms, .is_partial = true};
    struct vt_value changes;
    struct vt_record_part parts[VT_CATEGORY_COUNT];
    size_t count;
    struct merge *merge = vt_pool_alloc(draft->env.pool, sizeof *merge);
    VT_ENSURE(merge != NULL, VAULT_E_MEMORY);
    struct vt_record_draft sided = *record;
    *merge = (struct merge){.draft = draft, .record = &sided};
    VT_ENSURE(!draft->is_new, VAULT_E_NOT_FOUND);
    VT_TRY(merge_load(merge));
    if (merge->row_count != 0) sided.side = merge->rows[0].side;
    VT_TRY(vt_record_validate(record->collection->collection, record->fields, &rules, draft->env.pool, &changes, draft->env.err));
    VT_TRY(check_changes_stay(draft, record, &changes));
    VT_TRY(note_replaced(merge, &changes));
    VT_TRY(merge_fields(merge, &changes));
    VT_TRY(vt_record_split(record->collection->collection, &merge->after, side_bit(&sided), draft->env.pool, parts, &count));
    for (size_t i = 0; i < count; i++) VT_TRY(merge_part(merge, &parts[i]));
    VT_TRY(merge_removed(merge));
    draft->last_version = merge->version + 1;
    return VAULT_OK;
}

VT_RESULT vt_subject_draft_record(struct vt_subject_draft *draft, const struct vt_record_draft *record, uint64_t *out_record)
{
    if (record->record == 0) return draft_new_record(draft, record, out_record);
    VT_TRY(draft_merge_record(draft, record));
    *out_record = record->record;
    return VAULT_OK;
}

struct vt_draft_place vt_subject_draft_place(const struct vt_subject_draft *draft)
{
    return (struct vt_draft_place){draft->row_count, draft->new_count};
}

void vt_subject_draft_rewind(struct vt_subject_draft *draft, struct vt_draft_place place)
{
    draft->row_count = place.rows;
    draft->new_count = place.entries;
}

bool vt_subject_draft_has(const struct vt_subject_draft *draft, uint64_t record)
{
    for (size_t i = 0; i < draft->row_count; i++)
        if (draft->rows[i].row.record == record) return true;
    return false;
}

VT_RESULT vt_subject_draft_reference(struct vt_subject_draft *draft, uint64_t record, const struct vt_field *field,
                                     uint8_t kind, const struct vt_index_hash *hash, const uint8_t data[VT_INDEX_DATA_LEN])
{
    struct vt_reference reference = {.kind = kind, .field = field->id, .hash = *hash};
    memcpy(reference.data, data, VT_INDEX_DATA_LEN);
    if (draft->row_count == 0) return VAULT_E_NOT_FOUND;
    for (size_t i = 0; i < draft->row_count; i++) {
        struct vt_draft_row *row = &draft->rows[i];
        if (row->row.record != record || row->row.category != field->category || row->is_removed) continue;
        if (references_have(row->added, row->added_count, &reference)) return VAULT_OK;      /* asked twice in one batch */
        if (references_have(row->row.references, row->row.reference_count, &reference)) return VAULT_OK;
        return reference_add(draft, row, &reference);
    }
    return VAULT_E_NOT_FOUND;
}

/* Finishing -------------------------------------------------------------------------------------------------------- */

static VT_RESULT draft_keyblock(struct vt_subject_draft *draft)
{
    if (draft->keyblock != NULL) return VAULT_OK;
    return vt_keyblock_edit(draft->env.view, draft->env.tenant, &draft->sid, &draft->keyblock);
}

static const struct vt_subject_keys *draft_keys(const struct vt_subject_draft *draft)
{
    return draft->keyblock != NULL ? vt_keyblock_keys(draft->keyblock) : draft->keys;
}

static VT_RESULT draft_key(struct vt_subject_draft *draft, const struct vt_draft_row *row, const struct vt_data_key **out_key)
{
    const uint64_t key_record = vt_key_record(row->collection, row->row.record);
    const struct vt_data_key *key = vt_subject_keys_live(draft_keys(draft), row->row.category, key_record);
    if (key == NULL || key->record != key_record) {
        VT_TRY(draft_keyblock(draft));
        VT_TRY(vt_keyblock_add(draft->keyblock, row->row.category, key_record, draft->env.now_ms, &key));
        draft->keyblock_changed = true;
    }
    *out_key = key;
    return VAULT_OK;
}

static bool index_is_unique(const struct vt_draft_row *row, const struct vt_reference *reference)
{
    if (reference->kind == VT_REF_TOKEN) return false;
    if (row->collection == NULL) return true;       /* the external id */
    const struct vt_field *field = vt_collection_field_by_id(row->collection, reference->field);
    return field != NULL && field->index == VT_INDEX_UNIQUE;
}

VT_RESULT vt_subject_draft_uniques(const struct vt_subject_draft *draft, struct vt_draft_place place, vt_unique_visit visit,
                                   void *context)
{
    for (size_t i = place.rows; i < draft->row_count; i++) {
        const struct vt_draft_row *row = &draft->rows[i];
        for (size_t j = 0; j < row->added_count; j++) {
            if (!index_is_unique(row, &row->added[j])) continue;
            const struct vt_field *field =
                row->collection != NULL ? vt_collection_field_by_id(row->collection, row->added[j].field) : NULL;
            VT_TRY(visit(context, field, &row->added[j].hash));
        }
    }
    return VAULT_OK;
}

static VT_RESULT row_indexes(const struct vt_draft_row *row, struct vt_change *change)
{
    for (size_t i = 0; i < row->dropped_count; i++)
        VT_TRY(vt_change_index_remove(change, &row->dropped[i].hash, row->dropped[i].data));
    for (size_t i = 0; i < row->added_count; i++) {
        if (row->added[i].kind == VT_REF_TOKEN_VALUE) continue;
        VT_TRY(vt_change_index_add(change, &row->added[i].hash, row->added[i].data, index_is_unique(row, &row->added[i])));
    }
    return VAULT_OK;
}

/* What the row remembers of itself in T_idx: what stayed and what is new. */
static VT_RESULT row_join_references(struct vt_subject_draft *draft, struct vt_draft_row *row)
{
    if (row->added_count == 0) return VAULT_OK;
    const size_t count = row->row.reference_count + row->added_count;
    struct vt_reference *all = vt_pool_calloc(draft->env.pool, count, sizeof *all);
    VT_ENSURE(all != NULL, VAULT_E_MEMORY);
    if (row->row.reference_count != 0) memcpy(all, row->row.references, row->row.reference_count * sizeof *all);
    memcpy(all + row->row.reference_count, row->added, row->added_count * sizeof *all);
    row->row.references = all;
    row->row.reference_count = count;
    return VAULT_OK;
}

/* The stored row must still be the one that was merged into. */
static VT_RESULT row_expect(struct vt_subject_draft *draft, const struct vt_draft_row *row, struct vt_change *change)
{
    uint8_t key[VT_ROW_KEY_LEN];
    struct vt_bytes value;
    vt_row_key(row->row.record, row->row.category, 0, key);
    if (row->old_groups == 0) return vt_change_expect(change, VT_TABLE_ROW, VT_BYTES_OF(key), NULL);
    VT_TRY(vt_store_get(vt_keyring_view_txn(draft->env.view), VT_TABLE_ROW, VT_BYTES_OF(key), &value));
    return vt_change_expect(change, VT_TABLE_ROW, VT_BYTES_OF(key), &value);
}

static VT_RESULT finish_row(struct vt_subject_draft *draft, struct vt_draft_row *row, struct vt_change *change)
{
    const struct vt_data_key *key;
    if (row->old_groups != 0) VT_TRY(row_expect(draft, row, change));
    VT_TRY(row_indexes(row, change));
    if (row->is_removed) return vt_row_delete(row->row.record, row->row.category, row->old_groups, change);
    VT_TRY(row_join_references(draft, row));
    VT_TRY(draft_key(draft, row, &key));
    return vt_row_put(draft->env.view, draft->env.tenant, key, &row->row, row->old_groups, change);
}

VT_RESULT vt_subject_draft_finish(struct vt_subject_draft *draft, struct vt_change *change)
{
    static const uint8_t PRESENT[1] = {1};
    if (!draft->is_new) VT_TRY(vt_change_require_live(change, &(struct vt_scope){.sid = draft->sid}));
    for (uint16_t category = 1; category < 32; category++)
        if ((draft->replaced & UINT32_C(1) << category) != 0) VT_TRY(vt_gate_pass(&draft->env, &draft->sid, category, change));
    for (size_t i = 0; i < draft->row_count; i++) VT_TRY(finish_row(draft, &draft->rows[i], change));
    for (size_t i = 0; i < draft->new_count; i++) {
        uint8_t key[VT_RECORD_KEY_LEN];
        vt_record_key(&draft->sid, draft->new_collections[i], draft->new_records[i], key);
        VT_TRY(vt_change_put(change, VT_TABLE_RECORD, VT_BYTES_OF(key), VT_BYTES_OF(PRESENT), VT_PUT_DEFAULT));
    }
    /* A correction that commits first drops the key that these rows were sealed under; a new key block checks its own version. */
    if (!draft->keyblock_changed) return vt_change_expect_keys(change, draft->env.view, &draft->sid);
    VT_TRY(vt_keyblock_seal(draft->keyblock));
    return vt_change_put_keyblock(change, VT_MOVE(draft->keyblock));
}
