/* Finding subjects. */
#include "vaultd/core/subject/subject.h"

#include "libvault/codec/msgpack.h"
#include "vaultd/core/subject/subject_internal.h"

enum { SUBJECT_ROW_FORMAT = 1 };

VT_RESULT vt_subject_row_write(struct vt_buf *out, struct vt_bytes external_id)
{
    VT_TRY(vt_msgpack_write_array(out, 2));
    VT_TRY(vt_msgpack_write_int(out, SUBJECT_ROW_FORMAT));
    return external_id.data != NULL ? vt_msgpack_write_text(out, external_id) : vt_msgpack_write_nil(out);
}

VT_RESULT vt_subject_row_read(struct vt_pool *pool, struct vt_bytes content, struct vt_bytes *out_external_id)
{
    struct vt_value list;
    VT_TRY(vt_msgpack_read(pool, content, &list, NULL));
    VT_ENSURE(list.kind == VT_VALUE_ARRAY && list.array.count == 2, VAULT_E_CORRUPT);
    const struct vt_value *format = &list.array.items[0], *id = &list.array.items[1];
    VT_ENSURE(format->kind == VT_VALUE_INT && format->integer == SUBJECT_ROW_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(id->kind == VT_VALUE_NIL || id->kind == VT_VALUE_TEXT, VAULT_E_CORRUPT);
    *out_external_id = id->kind == VT_VALUE_TEXT ? id->bytes : VT_BYTES_EMPTY;
    return VAULT_OK;
}

VT_RESULT vt_external_id_hash(struct vt_keyring_view *view, vt_tenant_id tenant, size_t key_index, struct vt_bytes external_id,
                              struct vt_index_hash *out_hash)
{
    return vt_keyring_index_hash(view, tenant, key_index, "external-id:1", &external_id, 1, out_hash);
}

VT_RESULT vt_field_hash(const struct vt_subject_env *env, size_t key_index, uint16_t collection, const struct vt_field *field,
                        const struct vt_value *value, struct vt_index_hash *out_hash)
{
    uint8_t where[4];
    struct vt_bytes pieces[2] = {VT_BYTES_OF(where)};
    vt_put_u16(where, collection);
    vt_put_u16(where + 2, field->id);
    VT_TRY(vt_field_index_bytes(field->type, value, env->pool, &pieces[1]));
    return vt_keyring_index_hash(env->view, env->tenant, key_index, "field:1", pieces, 2, out_hash);
}

VT_RESULT vt_subject_check(const struct vt_subject_env *env, const struct vt_sid *sid)
{
    const struct vt_subject_keys *keys;
    VT_ENSURE(!vt_stamps_is_pending(env->stamps, &(struct vt_scope){.sid = *sid}), VAULT_E_SHRED_PENDING);
    return vt_keyring_subject_keys(env->view, env->tenant, sid, &keys);
}

/* While a key rotation is under way an entry lies under the newest or under an older index key: dual lookup. */
static VT_RESULT find_any_key(const struct vt_subject_env *env,
                              VT_RESULT (*make)(const struct vt_subject_env *env, size_t key_index, const void *what,
                                                struct vt_index_hash *out_hash),
                              const void *what, uint8_t (*out_data)[VT_INDEX_DATA_LEN], size_t max, size_t *out_count)
{
    size_t count = 0;
    for (size_t i = 0; vt_keyring_tenant_key(env->view, env->tenant, VT_TENANT_KEY_INDEX, i) != NULL && count < max; i++) {
        struct vt_index_hash hash;
        size_t found = 0;
        VT_TRY(make(env, i, what, &hash));
        const vault_status status = vt_keyring_index_find(env->view, env->tenant, &hash, out_data + count, max - count, &found);
        if (status == VAULT_E_NOT_FOUND) continue;
        VT_TRY(status);
        count += found;
    }
    *out_count = count;
    return count != 0 ? VAULT_OK : VAULT_E_NOT_FOUND;
}

static VT_RESULT make_external(const struct vt_subject_env *env, size_t key_index, const void *what,
                               struct vt_index_hash *out_hash)
{
    return vt_external_id_hash(env->view, env->tenant, key_index, *(const struct vt_bytes *)what, out_hash);
}

VT_RESULT vt_subject_by_external_id(const struct vt_subject_env *env, struct vt_bytes external_id, struct vt_sid *out_sid)
{
    uint8_t data[1][VT_INDEX_DATA_LEN];
    size_t count;
    struct vt_match match;
    VT_TRY(find_any_key(env, make_external, &external_id, data, 1, &count));
    vt_match_decode(data[0], &match);
    *out_sid = match.sid;
    VT_ENSURE(!vt_stamps_is_pending(env->stamps, &(struct vt_scope){.sid = match.sid}), VAULT_E_SHRED_PENDING);
    return VAULT_OK;
}

struct field_search {
    const struct vt_collection_entry *collection;
    const struct vt_field *field;
    const struct vt_value *stored;
};

static VT_RESULT make_field(const struct vt_subject_env *env, size_t key_index, const void *what,
                            struct vt_index_hash *out_hash)
{
    const struct field_search *search = what;
    return vt_field_hash(env, key_index, search->collection->number, search->field, search->stored, out_hash);
}

VT_RESULT vt_subject_find(const struct vt_subject_env *env, const struct vt_collection_entry *collection,
                          const struct vt_field *field, const struct vt_value *value, struct vt_match *out_matches, size_t max,
                          size_t *out_count)
{
    struct vt_value stored;
    if (field->index == VT_INDEX_NONE)
        return vt_fail(env->err, VAULT_E_STATE, "field", "The field is not indexed, so it cannot be searched.");
    const struct vt_field_check check = {"value", &field->options, env->now_ms, env->pool, env->err};
    VT_TRY(vt_field_check_value(field->type, &check, value, &stored));
    const struct field_search search = {collection, field, &stored};
    uint8_t(*data)[VT_INDEX_DATA_LEN] = vt_pool_calloc(env->pool, max, sizeof *data);
    VT_ENSURE(data != NULL, VAULT_E_MEMORY);
    size_t count;
    VT_TRY(find_any_key(env, make_field, &search, data, max, &count));
    for (size_t i = 0; i < count; i++) vt_match_decode(data[i], &out_matches[i]);
    *out_count = count;
    return VAULT_OK;
}

VT_RESULT vt_subject_own_record(struct vt_txn *txn, const struct vt_sid *sid, uint64_t *out_record)
{
    uint16_t collection = 0;
    uint64_t record = 0;
    const vault_status found = vt_record_entry_next(txn, sid, &collection, &record);
    VT_ENSURE(found != VAULT_E_NOT_FOUND && collection == 0, VAULT_E_CORRUPT);
    VT_TRY(found);
    *out_record = record;
    return VAULT_OK;
}

VT_RESULT vt_subject_info(const struct vt_subject_env *env, const struct vt_sid *sid, struct vt_subject_info *out_info)
{
    const struct vt_subject_keys *keys;
    struct vt_row row;
    struct vt_subject_info info = {.sid = *sid};
    uint64_t record;
    VT_TRY(vt_keyring_subject_keys(env->view, env->tenant, sid, &keys));
    VT_TRY(vt_subject_own_record(vt_keyring_view_txn(env->view), sid, &record));
    VT_TRY(vt_row_open(env->view, env->tenant, keys, record, VT_CATEGORY_VAULT, env->pool, &row));
    VT_TRY(vt_subject_row_read(env->pool, row.content, &info.external_id));
    info.created_at_ms = row.created_at_ms;
    *out_info = info;
    return VAULT_OK;
}

struct listing {
    const struct vt_subject_env *env;
    const struct vt_sid *after;
    struct vt_sid *sids;
    size_t count, max;
};

static bool list_one(void *context, const struct vt_sid *sid, uint32_t version, uint64_t created_epoch)
{
    struct listing *listing = context;
    (void)version;
    (void)created_epoch;
    const bool is_start = listing->after != NULL && vt_sid_equal(sid, listing->after);
    const bool is_pending = vt_stamps_is_pending(listing->env->stamps, &(struct vt_scope){.sid = *sid});
    if (!is_start && !is_pending) listing->sids[listing->count++] = *sid;
    return listing->count < listing->max;
}

VT_RESULT vt_subject_list(const struct vt_subject_env *env, const struct vt_sid *after, size_t max,
                          struct vt_subject_info *out_infos, size_t *out_count)
{
    static const struct vt_sid FIRST = {{0}};
    struct listing listing = {env, after, vt_pool_calloc(env->pool, max, sizeof(struct vt_sid)), 0, max};
    VT_ENSURE(listing.sids != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_keyring_subjects_walk(env->view, env->tenant, after != NULL ? after : &FIRST, list_one, &listing));
    for (size_t i = 0; i < listing.count; i++) VT_TRY(vt_subject_info(env, &listing.sids[i], &out_infos[i]));
    *out_count = listing.count;
    return VAULT_OK;
}
