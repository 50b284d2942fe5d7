/* Reading records. */
#include "vaultd/core/subject/subject_internal.h"

static uint32_t category_bit(uint16_t category)
{
    return category >= 1 && category <= 32 ? 1u << (category - 1) : 0;
}

static bool category_is_wanted(const struct vt_collection *collection, const struct vt_value *names, uint16_t category)
{
    if (names == NULL) return true;
    for (size_t i = 0; i < names->array.count; i++) {
        const struct vt_field *field = vt_collection_field(collection, names->array.items[i].bytes);
        if (field != NULL && field->category == category) return true;
    }
    return false;
}

static VT_RESULT check_names(const struct vt_subject_env *env, const struct vt_collection *collection,
                             const struct vt_value *names)
{
    for (size_t i = 0; names != NULL && i < names->array.count; i++)
        if (vt_collection_field(collection, names->array.items[i].bytes) == NULL)
            return vt_fail(env->err, VAULT_E_UNKNOWN_FIELD, "fields", "The collection lacks one of the fields named.");
    return VAULT_OK;
}

/* Fields that share a row with a wanted one were opened with it, but are not handed out. */
static VT_RESULT keep_named(const struct vt_subject_env *env, const struct vt_value *names, struct vt_record *record)
{
    struct vt_value kept = vt_value_map();
    for (size_t i = 0; i < names->array.count; i++) {
        const struct vt_bytes name = names->array.items[i].bytes;
        const struct vt_value *value = vt_value_get_bytes(&record->fields, name);
        if (value == NULL || vt_value_get_bytes(&kept, name) != NULL) continue;
        VT_TRY(vt_value_put_new(env->pool, &kept, name, *value, NULL));
    }
    record->fields = kept;
    return VAULT_OK;
}

static void record_take_row(struct vt_record *record, const struct vt_row *row)
{
    record->created_at_ms = row->created_at_ms;
    record->updated_at_ms = VT_MAX(record->updated_at_ms, row->updated_at_ms);
    record->version = VT_MAX(record->version, row->version);
    record->side = row->side;
    memcpy(record->join_id, row->join_id, sizeof record->join_id);
}

static bool category_is_pending(const struct vt_subject_env *env, const struct vt_sid *sid, uint16_t category, uint64_t record)
{
    return vt_stamps_is_pending(env->stamps, &(struct vt_scope){.sid = *sid, .category = category, .record = record});
}

struct reading {
    const struct vt_subject_env *env;
    const struct vt_subject_keys *keys;
    const struct vt_sid *sid;
    const struct vt_value *names;
    size_t opened, pending, erased;
};

static VT_RESULT read_row(struct reading *reading, const struct vt_row_name *name, struct vt_record *record)
{
    struct vt_row row;
    const struct vt_collection *collection = record->collection->collection;
    if (!category_is_wanted(collection, reading->names, name->category)) return VAULT_OK;
    if (category_is_pending(reading->env, reading->sid, name->category, name->record)) {
        reading->pending++;
        record->erased_categories |= category_bit(name->category);
        return VAULT_OK;
    }
    const vault_status status = vt_row_open(reading->env->view, reading->env->tenant, reading->keys, name->record, name->category,
                                            reading->env->pool, &row);
    if (status == VAULT_E_ERASED) {
        reading->erased++;
        record->erased_categories |= category_bit(name->category);
        return VAULT_OK;
    }
    VT_TRY(status);
    VT_ENSURE(row.collection == record->collection->number, VAULT_E_CORRUPT);
    record_take_row(record, &row);
    reading->opened++;
    return vt_record_part_read(reading->env->pool, collection, row.content, &record->fields);
}

static VT_RESULT read_record(struct reading *reading, struct vt_record *record)
{
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    size_t count;
    record->fields = vt_value_map();
    VT_TRY(vt_rows_of_record(vt_keyring_view_txn(reading->env->view), record->record, names, &count));
    for (size_t i = 0; i < count; i++) VT_TRY(read_row(reading, &names[i], record));
    if (reading->opened == 0 && reading->pending != 0) return VAULT_E_SHRED_PENDING;
    if (reading->opened == 0 && (reading->erased != 0 || count == 0)) return VAULT_E_ERASED;
    if (reading->names != NULL) VT_TRY(keep_named(reading->env, reading->names, record));
    return VAULT_OK;
}

/* A `one` collection's record need not be named. */
static VT_RESULT only_record(const struct vt_subject_env *env, const struct vt_sid *sid,
                             const struct vt_collection_entry *collection, uint64_t *record)
{
    uint16_t number = collection->number;
    if (*record != 0) return vt_record_entry_exists(vt_keyring_view_txn(env->view), sid, number, *record);
    if (collection->collection->cardinality == VT_CARDINALITY_MANY)
        return vt_fail(env->err, VAULT_E_ARGUMENT, "record", "The collection holds many records of a subject: name one.");
    VT_TRY(vt_record_entry_next(vt_keyring_view_txn(env->view), sid, &number, record));
    return number == collection->number ? VAULT_OK : VAULT_E_NOT_FOUND;
}

VT_RESULT vt_record_resolve(const struct vt_subject_env *env, const struct vt_sid *sid,
                            const struct vt_collection_entry *collection, uint64_t *record)
{
    return only_record(env, sid, collection, record);
}

VT_RESULT vt_record_get(const struct vt_subject_env *env, const struct vt_sid *sid,
                        const struct vt_collection_entry *collection, uint64_t record, const struct vt_value *fields,
                        struct vt_record *out_record)
{
    struct reading reading = {.env = env, .sid = sid, .names = fields};
    struct vt_record found = {.collection = collection, .record = record};
    VT_TRY(vt_subject_check(env, sid));
    VT_TRY(check_names(env, collection->collection, fields));
    VT_TRY(only_record(env, sid, collection, &found.record));
    VT_TRY(vt_keyring_subject_keys(env->view, env->tenant, sid, &reading.keys));
    VT_TRY(read_record(&reading, &found));
    *out_record = found;
    return VAULT_OK;
}

VT_RESULT vt_record_field(const struct vt_subject_env *env, const struct vt_sid *sid,
                          const struct vt_collection_entry *collection, uint64_t record, const struct vt_field *field,
                          struct vt_value *out_value)
{
    const struct vt_subject_keys *keys;
    struct vt_row row;
    struct vt_value fields = vt_value_map();
    VT_TRY(vt_subject_check(env, sid));
    VT_ENSURE(!category_is_pending(env, sid, field->category, record), VAULT_E_SHRED_PENDING);
    VT_TRY(vt_keyring_subject_keys(env->view, env->tenant, sid, &keys));
    const vault_status status = vt_row_open(env->view, env->tenant, keys, record, field->category, env->pool, &row);
    VT_ENSURE(status != VAULT_E_NOT_FOUND, VAULT_E_ERASED);     /* its rows went with their key */
    VT_TRY(status);
    VT_ENSURE(row.collection == collection->number, VAULT_E_CORRUPT);
    VT_TRY(vt_record_part_read(env->pool, collection->collection, row.content, &fields));
    const struct vt_value *value = vt_value_get_bytes(&fields, field->name);
    VT_ENSURE(value != NULL, VAULT_E_NOT_FOUND);
    *out_value = *value;
    return VAULT_OK;
}

VT_RESULT vt_record_list(const struct vt_subject_env *env, const struct vt_sid *sid,
                         const struct vt_collection_entry *collection, uint64_t after, size_t max,
                         struct vt_record *out_records, size_t *out_count)
{
    const struct vt_subject_keys *keys;
    uint16_t number = collection != NULL ? collection->number : 1;
    uint64_t record = after;
    size_t count = 0;
    VT_TRY(vt_subject_check(env, sid));
    VT_TRY(vt_keyring_subject_keys(env->view, env->tenant, sid, &keys));
    while (count < max) {
        const vault_status status = vt_record_entry_next(vt_keyring_view_txn(env->view), sid, &number, &record);
        if (status == VAULT_E_NOT_FOUND || (collection != NULL && number != collection->number)) break;
        VT_TRY(status);
        struct reading reading = {.env = env, .keys = keys, .sid = sid};
        struct vt_record found = {.collection = vt_schema_set_by_number(env->schemas, number), .record = record};
        VT_ENSURE(found.collection != NULL, VAULT_E_CORRUPT);
        const vault_status read = read_record(&reading, &found);
        if (read == VAULT_E_ERASED || read == VAULT_E_SHRED_PENDING) continue;
        VT_TRY(read);
        out_records[count++] = found;
    }
    *out_count = count;
    return VAULT_OK;
}

VT_RESULT vt_record_each(const struct vt_subject_env *env, const struct vt_sid *sid, vt_record_visit visit, void *context)
{
    const struct vt_subject_keys *keys;
    uint16_t number = 1;
    uint64_t record = 0;
    vault_status next;
    VT_TRY(vt_subject_check(env, sid));
    VT_TRY(vt_keyring_subject_keys(env->view, env->tenant, sid, &keys));
    while ((next = vt_record_entry_next(vt_keyring_view_txn(env->view), sid, &number, &record)) == VAULT_OK) {
        struct reading reading = {.env = env, .keys = keys, .sid = sid};
        struct vt_record found = {.collection = vt_schema_set_by_number(env->schemas, number), .record = record};
        VT_ENSURE(found.collection != NULL, VAULT_E_CORRUPT);
        const vault_status read = read_record(&reading, &found);
        VT_ENSURE(read == VAULT_OK || read == VAULT_E_ERASED || read == VAULT_E_SHRED_PENDING, read);
        VT_TRY(visit(context, &found, read));
    }
    return next == VAULT_E_NOT_FOUND ? VAULT_OK : next;
}

VT_RESULT vt_record_counts(const struct vt_subject_env *env, const struct vt_sid *sid,
                           void (*visit)(void *context, uint16_t collection, uint64_t count), void *context)
{
    uint16_t number = 1, current = 0;
    uint64_t record = 0, count = 0;
    vault_status status;
    while ((status = vt_record_entry_next(vt_keyring_view_txn(env->view), sid, &number, &record)) == VAULT_OK) {
        if (number != current && count != 0) visit(context, current, count);
        count = number != current ? 1 : count + 1;
        current = number;
    }
    if (count != 0) visit(context, current, count);
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}
