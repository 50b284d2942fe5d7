/* What a row says of its entries in T_idx, made to say what its content and the schema of now ask for. A row that comes back from
 * a backup may be from before an index key was replaced, or from before a field began or ceased to be indexed. */
#include "vaultd/core/subject/subject_internal.h"

struct refresh {
    const struct vt_subject_env *env;
    struct vt_row *row;
    struct vt_reference *list;          /* in the pool */
    size_t count;
    bool has_changed;
};

/* Under the live version, also where an older one is still there and would explain the row's own reference: a rotation that was
 * stopped may have looked for what lies under that one already, and drops it when it goes on. */
static VT_RESULT refresh_field(struct refresh *refresh, const struct vt_field *field, const struct vt_value *value)
{
    const struct vt_row *row = refresh->row;
    struct vt_reference live = {.kind = VT_REF_INDEX, .field = field->id};
    bool is_known = false;
    vt_match_encode(&row->sid, row->record, live.data);
    VT_TRY(vt_field_hash(refresh->env, 0, row->collection, field, value, &live.hash));
    for (size_t i = 0; i < row->reference_count; i++)
        is_known = is_known || (row->references[i].kind == VT_REF_INDEX &&
                                memcmp(&row->references[i].hash, &live.hash, sizeof live.hash) == 0);
    refresh->list[refresh->count++] = live;
    refresh->has_changed = refresh->has_changed || !is_known;
    return VAULT_OK;
}

static VT_RESULT refresh_fields(struct refresh *refresh, const struct vt_collection *collection, const struct vt_value *fields)
{
    for (size_t i = 0; i < fields->map.count; i++) {
        const struct vt_pair *pair = &fields->map.pairs[i];
        const struct vt_field *field = vt_collection_field(collection, pair->key);
        VT_ENSURE(field != NULL, VAULT_E_CORRUPT);
        if (field->index != VT_INDEX_NONE) VT_TRY(refresh_field(refresh, field, &pair->value));
    }
    return VAULT_OK;
}

VT_RESULT vt_row_refresh_references(const struct vt_subject_env *env, struct vt_row *row, bool *out_changed)
{
    const struct vt_collection_entry *entry = vt_schema_set_by_number(env->schemas, row->collection);
    struct vt_value fields = vt_value_map();
    VT_ENSURE(entry != NULL, VAULT_E_CORRUPT);
    VT_TRY(vt_record_part_read(env->pool, entry->collection, row->content, &fields));
    struct refresh refresh = {.env = env, .row = row};
    refresh.list = vt_pool_calloc(env->pool, row->reference_count + fields.map.count + 1, sizeof *refresh.list);
    VT_ENSURE(refresh.list != NULL, VAULT_E_MEMORY);
    VT_TRY(refresh_fields(&refresh, entry->collection, &fields));
    for (size_t i = 0; i < row->reference_count; i++)
        if (row->references[i].kind != VT_REF_INDEX) refresh.list[refresh.count++] = row->references[i];
    *out_changed = refresh.has_changed || refresh.count != row->reference_count;
    row->references = refresh.list;
    row->reference_count = refresh.count;
    return VAULT_OK;
}

bool vt_reference_is_unique(const struct vt_schema_set *schemas, const struct vt_row *row, const struct vt_reference *reference)
{
    if (reference->kind == VT_REF_TOKEN) return false;
    if (reference->kind == VT_REF_TOKEN_VALUE || row->collection == 0) return true;
    const struct vt_collection_entry *entry = vt_schema_set_by_number(schemas, row->collection);
    const struct vt_field *field = entry != NULL ? vt_collection_field_by_id(entry->collection, reference->field) : NULL;
    return field != NULL && field->index == VT_INDEX_UNIQUE;
}
