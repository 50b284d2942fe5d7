/* vaultd/service/svc_subject.c - subjects and records: thin translations between the command table and core/subject. */
#include <stdio.h>

#include "libvault/codec/text.h"
#include "libvault/crypto/rng.h"
#include "libvault/schema/category.h"
#include "vaultd/core/subject/row.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/parse.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

/* What the audit payload says: the collection and the record, never a value. */
static VT_RESULT touch_record(struct vt_call *call, const struct vt_sid *sid, const struct vt_collection_entry *entry,
                              uint64_t record)
{
    char what[128];
    const int len = entry == NULL ? snprintf(what, sizeof what, "subject")
                                  : snprintf(what, sizeof what, "%.*s %llu", (int)entry->collection->name.len,
                                             (const char *)entry->collection->name.data, (unsigned long long)record);
    return vt_call_touch(call, sid, vt_bytes(what, (size_t)len));
}

/* subject.create ------------------------------------------------------------------------------------------------- */

static VT_RESULT create_record(struct vt_subject_draft *draft, const struct vt_collection_entry *entry,
                               struct vt_call *call, const struct vt_value *fields, struct vt_value *ids)
{
    const struct vt_record_draft record = {.collection = entry, .fields = fields};
    uint64_t id;
    if (fields->kind != VT_VALUE_MAP)
        return vt_fail(&call->err, VAULT_E_TYPE, "records", "Each record must be a map of field to value.");
    if (entry->collection->subject_count != 1)
        return vt_fail(&call->err, VAULT_E_STATE, "records", "Records of two subjects are made with record.put or record.import.");
    VT_TRY(vt_subject_draft_record(draft, &record, &id));
    call->item_count++;
    return vt_value_push(&call->scratch, ids, vt_value_int((int64_t)id), NULL);
}

static VT_RESULT create_collection(struct vt_call *call, struct vt_subject_draft *draft, const struct vt_pair *pair,
                                   struct vt_value *out_map)
{
    const struct vt_collection_entry *entry = vt_schema_set_find(call->schemas, pair->key);
    struct vt_value ids = vt_value_array();
    if (entry == NULL)
        return vt_fail(&call->err, VAULT_E_NOT_FOUND, "records", "One of the collections named does not exist.");
    if (pair->value.kind != VT_VALUE_ARRAY) VT_TRY(create_record(draft, entry, call, &pair->value, &ids));
    if (pair->value.kind == VT_VALUE_ARRAY)
        for (size_t i = 0; i < pair->value.array.count; i++)
            VT_TRY(create_record(draft, entry, call, &pair->value.array.items[i], &ids));
    const struct vt_bytes name = vt_pool_copy(&call->scratch, pair->key);
    VT_ENSURE(name.data != NULL, VAULT_E_MEMORY);
    return vt_value_put_new(&call->scratch, out_map, name, ids, NULL);
}

static vault_status subject_create_prepare(struct vt_call *call)
{
    struct vt_subject_env env;
    struct vt_change *change;
    VT_AUTO_PTR(vt_subject_draft) draft = NULL;
    vt_call_env(call, &env);
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_subject_draft_new(&env, vt_call_text(call, "external_id"), &draft));

    struct vt_value map = vt_value_map(), records = vt_value_map();
    const struct vt_value *wished = vt_call_value(call, "records");
    for (size_t i = 0; wished != NULL && i < wished->map.count; i++)
        VT_TRY(create_collection(call, draft, &wished->map.pairs[i], &records));
    call->item_count++;
    VT_TRY(vt_put_id(call, &map, "sid", vt_subject_draft_sid(draft)->bytes));
    VT_TRY(vt_put_value(call, &map, "records", records));
    VT_TRY(vt_subject_draft_finish(draft, change));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_SUBJECT_CREATE = {.command = "subject.create", .prepare = subject_create_prepare};

/* subject.show, list, find ---------------------------------------------------------------------------------------- */

struct counting {
    struct vt_call *call;
    struct vt_value *map;
    vault_status status;
};

static void count_one(void *context, uint16_t number, uint64_t count)
{
    struct counting *counting = context;
    const struct vt_collection_entry *entry = vt_schema_set_by_number(counting->call->schemas, number);
    if (counting->status != VAULT_OK || entry == NULL) return;
    counting->status = vt_value_put_new(&counting->call->scratch, counting->map, entry->collection->name,
                                        vt_value_int((int64_t)count), NULL);
}

static VT_RESULT show_categories(struct vt_call *call, const struct vt_sid *sid, struct vt_value *list)
{
    const struct vt_subject_keys *keys;
    VT_TRY(vt_keyring_subject_keys(call->view, call->tenant, sid, &keys));
    uint64_t seen = 0;
    for (size_t i = 0; i < keys->count; i++) {
        const struct vt_category *category = vt_category_at(keys->keys[i].category);
        if (category == NULL || (seen & (UINT64_C(1) << category->number)) != 0) continue;
        const struct vt_scope scope = {*sid, category->number, 0};
        if (vt_stamps_is_pending(vt_vault_stamps(call->vault), &scope)) continue;
        seen |= UINT64_C(1) << category->number;
        VT_TRY(vt_value_push(&call->scratch, list, vt_value_str(category->id), NULL));
    }
    return VAULT_OK;
}

static vault_status subject_show_prepare(struct vt_call *call)
{
    struct vt_sid sid;
    struct vt_subject_env env;
    struct vt_subject_info info;
    struct vt_value map = vt_value_map(), collections = vt_value_map(), categories = vt_value_array();
    struct counting counting = {call, &collections, VAULT_OK};
    VT_TRY(vt_call_subject(call, &sid));
    vt_call_env(call, &env);
    VT_TRY(vt_subject_info(&env, &sid, &info));
    VT_TRY(vt_record_counts(&env, &sid, count_one, &counting));
    VT_TRY(counting.status);
    VT_TRY(show_categories(call, &sid, &categories));
    VT_TRY(touch_record(call, &sid, NULL, 0));
    VT_TRY(vt_put_id(call, &map, "sid", sid.bytes));
    VT_TRY(vt_put_time(call, &map, "created_at", info.created_at_ms));
    VT_TRY(vt_put_value(call, &map, "collections", collections));
    VT_TRY(vt_put_value(call, &map, "categories", categories));
    VT_TRY(vt_put_text(call, &map, "state", "live"));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_SUBJECT_SHOW = {.command = "subject.show", .prepare = subject_show_prepare};

static VT_RESULT info_value(struct vt_call *call, const struct vt_subject_info *info, struct vt_value *out_map)
{
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_id(call, &map, "sid", info->sid.bytes));
    if (info->external_id.data != NULL) VT_TRY(vt_put_bytes_text(call, &map, "external_id", info->external_id));
    VT_TRY(vt_put_time(call, &map, "created_at", info->created_at_ms));
    *out_map = map;
    return VAULT_OK;
}

static vault_status subject_list_prepare(struct vt_call *call)
{
    const size_t limit = (size_t)vt_call_int(call, "limit", LIST_DEFAULT);
    struct vt_subject_info *infos = vt_pool_calloc(&call->scratch, limit, sizeof *infos);
    VT_ENSURE(infos != NULL, VAULT_E_MEMORY);
    struct vt_sid after;
    const bool has_after = vt_call_text(call, "after").data != NULL;
    if (has_after) VT_TRY(vt_call_id(call, "after", after.bytes));
    struct vt_subject_env env;
    size_t count = 0;
    vt_call_env(call, &env);
    VT_TRY(vt_subject_list(&env, has_after ? &after : NULL, limit, infos, &count));

    struct vt_value map = vt_value_map(), list = vt_value_array();
    for (size_t i = 0; i < count; i++) {
        struct vt_value item;
        VT_TRY(info_value(call, &infos[i], &item));
        VT_TRY(vt_value_push(&call->scratch, &list, item, NULL));
        VT_TRY(touch_record(call, &infos[i].sid, NULL, 0));
    }
    VT_TRY(vt_put_value(call, &map, "subjects", list));
    if (count == limit) VT_TRY(vt_put_id(call, &map, "next", infos[count - 1].sid.bytes));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_SUBJECT_LIST = {.command = "subject.list", .prepare = subject_list_prepare};

static VT_RESULT match_value(struct vt_call *call, const struct vt_subject_env *env, const struct vt_collection_entry *entry,
                             const struct vt_field *field, const struct vt_match *match, struct vt_value *list)
{
    struct vt_subject_info info;
    const struct vt_scope scope = {match->sid, field->category, match->record};
    /* Unreadable from the moment its request is durable: a match would tell the value. */
    if (vt_stamps_is_pending(env->stamps, &scope)) return VAULT_OK;
    VT_TRY(vt_subject_check(env, &match->sid));
    struct vt_value item;
    VT_TRY(vt_subject_info(env, &match->sid, &info));
    VT_TRY(info_value(call, &info, &item));
    VT_TRY(vt_put_int(call, &item, "record", (int64_t)match->record));
    VT_TRY(touch_record(call, &match->sid, entry, match->record));
    return vt_value_push(&call->scratch, list, item, NULL);
}

static vault_status subject_find_prepare(struct vt_call *call)
{
    const struct vt_collection_entry *entry;
    VT_TRY(vt_call_collection(call, &entry));
    const struct vt_field *field = vt_collection_field(entry->collection, vt_call_text(call, "field"));
    if (field == NULL) return vt_fail(&call->err, VAULT_E_UNKNOWN_FIELD, "field", "The collection has no field of that name.");
    const size_t limit = (size_t)vt_call_int(call, "limit", LIST_DEFAULT);
    struct vt_match *matches = vt_pool_calloc(&call->scratch, limit, sizeof *matches);
    VT_ENSURE(matches != NULL, VAULT_E_MEMORY);
    struct vt_subject_env env;
    size_t count = 0;
    vt_call_env(call, &env);
    const vault_status found = vt_subject_find(&env, entry, field, vt_call_value(call, "value"), matches, limit, &count);
    if (found != VAULT_E_NOT_FOUND) VT_TRY(found);

    struct vt_value map = vt_value_map(), list = vt_value_array();
    for (size_t i = 0; i < count; i++) VT_TRY(match_value(call, &env, entry, field, &matches[i], &list));
    VT_TRY(vt_put_value(call, &map, "matches", list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_SUBJECT_FIND = {.command = "subject.find", .prepare = subject_find_prepare};

/* record.put ------------------------------------------------------------------------------------------------------ */

/* The other side's row carries the same join id and lies under the other person's keys. */
static VT_RESULT put_other_side(struct vt_call *call, const struct vt_subject_env *env, const struct vt_sid *sid,
                                const struct vt_record_draft *first, struct vt_change *change)
{
    struct vt_sid other = {{0}};
    struct vt_record_draft second = *first;
    VT_AUTO_PTR(vt_subject_draft) draft = NULL;
    uint64_t record;
    vault_status found = vt_subject_by_external_id(env, vt_call_text(call, "other_subject"), &other);
    if (found == VAULT_OK) found = vt_subject_check(env, &other);
    if (found != VAULT_OK) return vt_call_explain(call, found, &(struct vt_scope){.sid = other}, "other_subject");
    if (vt_sid_equal(&other, sid))
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "other_subject", "The two subjects of a record are different ones.");
    VT_TRY(vt_subject_draft_open(env, &other, &draft));
    second.side = 1;
    VT_TRY(vt_subject_draft_record(draft, &second, &record));
    VT_TRY(vt_subject_draft_finish(draft, change));
    return touch_record(call, &other, first->collection, record);
}

static VT_RESULT put_check_sides(struct vt_call *call, const struct vt_collection_entry *entry)
{
    const bool wants_two = entry->collection->subject_count == 2 && vt_call_int(call, "record", 0) == 0;
    const bool has_other = vt_call_text(call, "other_subject").data != NULL;
    if (wants_two && !has_other)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "other_subject", "A record of this collection has two subjects.");
    if (!wants_two && has_other)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "other_subject", "Only a new record of two subjects takes this argument.");
    return VAULT_OK;
}

/* A record that is named must still have rows: one that has lost all of them is not to be told from one that never was. */
static VT_RESULT check_has_rows(struct vt_call *call, const struct vt_sid *sid, uint64_t record)
{
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    size_t count;
    VT_TRY(vt_rows_of_record(call->txn, record, names, &count));
    if (count != 0) return VAULT_OK;
    return vt_call_explain(call, VAULT_E_NOT_FOUND, &(struct vt_scope){.sid = *sid, .record = record}, NULL);
}

static vault_status record_put_prepare(struct vt_call *call)
{
    const struct vt_collection_entry *entry;
    struct vt_sid sid;
    struct vt_subject_env env;
    struct vt_change *change;
    VT_AUTO_PTR(vt_subject_draft) draft = NULL;
    VT_TRY(vt_call_collection(call, &entry));
    VT_TRY(put_check_sides(call, entry));
    VT_TRY(vt_call_subject(call, &sid));
    vt_call_env(call, &env);
    VT_TRY(vt_call_change(call, &change));
    struct vt_record_draft record = {.collection = entry, .fields = vt_call_value(call, "fields"),
                                     .record = (uint64_t)vt_call_int(call, "record", 0)};
    if (record.record != 0) VT_TRY(check_has_rows(call, &sid, record.record));
    VT_TRY(vt_random_bytes(record.join_id, sizeof record.join_id));
    uint64_t id;
    VT_TRY(vt_subject_draft_open(&env, &sid, &draft));
    const vault_status drafted = vt_subject_draft_record(draft, &record, &id);
    if (drafted != VAULT_OK)
        return vt_call_explain(call, drafted, &(struct vt_scope){.sid = sid, .record = record.record}, NULL);
    VT_TRY(vt_subject_draft_finish(draft, change));
    VT_TRY(touch_record(call, &sid, entry, id));
    if (vt_call_text(call, "other_subject").data != NULL) VT_TRY(put_other_side(call, &env, &sid, &record, change));
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_int(call, &map, "record", (int64_t)id));
    VT_TRY(vt_put_int(call, &map, "version", vt_subject_draft_version(draft)));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_RECORD_PUT = {.command = "record.put", .prepare = record_put_prepare};

/* record.get, list ------------------------------------------------------------------------------------------------ */

static VT_RESULT mask_fields(struct vt_call *call, const struct vt_record *record, enum vt_mask mask, struct vt_value *out_map)
{
    struct vt_value map = vt_value_map();
    for (size_t i = 0; i < record->fields.map.count; i++) {
        const struct vt_pair *pair = &record->fields.map.pairs[i];
        const struct vt_field *field = vt_collection_field(record->collection->collection, pair->key);
        struct vt_value shown;
        VT_ENSURE(field != NULL, VAULT_E_CORRUPT);
        VT_TRY(vt_field_mask_value(field->type, &pair->value, mask, &call->scratch, &shown));
        VT_TRY(vt_value_put_new(&call->scratch, &map, pair->key, shown, NULL));
    }
    *out_map = map;
    return VAULT_OK;
}

static VT_RESULT erased_list(struct vt_call *call, uint32_t erased, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    for (uint16_t number = 1; number <= VT_CATEGORY_MAX; number++)
        if ((erased & (1u << (number - 1))) != 0)
            VT_TRY(vt_value_push(&call->scratch, &list, vt_value_str(vt_category_at(number)->id), NULL));
    return list.array.count == 0 ? VAULT_OK : vt_put_value(call, map, "erased", list);
}

static bool has_category(const struct vt_record *record, uint16_t category)
{
    for (size_t i = 0; i < record->fields.map.count; i++) {
        const struct vt_field *field = vt_collection_field(record->collection->collection, record->fields.map.pairs[i].key);
        if (field != NULL && field->category == category) return true;
    }
    return false;
}

/* Rows go with their key, so the ledger is asked which categories of the record were shredded. */
static VT_RESULT add_erased(struct vt_call *call, const struct vt_sid *sid, struct vt_record *record)
{
    const uint32_t categories = vt_collection_categories(record->collection->collection);
    for (uint16_t category = 1; category <= VT_CATEGORY_MAX; category++) {
        struct vt_ledger_entry entry;
        if ((categories & (1u << category)) == 0 || has_category(record, category)) continue;
        const vault_status found = vt_ledger_find(call->view, &(struct vt_scope){*sid, category, record->record}, &entry);
        if (found == VAULT_OK && entry.at_ms >= record->created_at_ms) record->erased_categories |= 1u << (category - 1);
        VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
    }
    return VAULT_OK;
}

static VT_RESULT record_value(struct vt_call *call, const struct vt_record *record, enum vt_mask mask, struct vt_value *out_map)
{
    struct vt_value map = vt_value_map(), fields;
    VT_TRY(mask_fields(call, record, mask, &fields));
    VT_TRY(vt_put_int(call, &map, "record", (int64_t)record->record));
    VT_TRY(vt_put_value(call, &map, "fields", fields));
    if (vt_call_has_scope(call, VT_SCOPE_KNOW_ERASED)) VT_TRY(erased_list(call, record->erased_categories, &map));
    if (record->collection->collection->subject_count == 2)
        VT_TRY(vt_put_bytes_text(call, &map, "side", record->collection->collection->sides[record->side]));
    VT_TRY(vt_put_time(call, &map, "updated_at", record->updated_at_ms));
    *out_map = map;
    return VAULT_OK;
}

static vault_status record_get_prepare(struct vt_call *call)
{
    const struct vt_collection_entry *entry;
    struct vt_sid sid;
    struct vt_subject_env env;
    struct vt_record record;
    enum vt_mask mask;
    struct vt_value map;
    VT_TRY(vt_call_collection(call, &entry));
    VT_TRY(vt_call_mask(call, &mask));
    VT_TRY(vt_call_subject(call, &sid));
    vt_call_env(call, &env);
    const uint64_t wished = (uint64_t)vt_call_int(call, "record", 0);
    const vault_status found = vt_record_get(&env, &sid, entry, wished, vt_call_value(call, "fields"), &record);
    if (found != VAULT_OK) return vt_call_explain(call, found, &(struct vt_scope){.sid = sid, .record = wished}, NULL);
    VT_TRY(touch_record(call, &sid, entry, record.record));
    if (vt_call_has_scope(call, VT_SCOPE_KNOW_ERASED) && vt_call_value(call, "fields") == NULL)
        VT_TRY(add_erased(call, &sid, &record));
    VT_TRY(record_value(call, &record, mask, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_RECORD_GET = {.command = "record.get", .prepare = record_get_prepare};

static vault_status record_list_prepare(struct vt_call *call)
{
    const struct vt_collection_entry *entry;
    struct vt_sid sid;
    struct vt_subject_env env;
    enum vt_mask mask;
    const size_t limit = (size_t)vt_call_int(call, "limit", LIST_DEFAULT);
    struct vt_record *records = vt_pool_calloc(&call->scratch, limit, sizeof *records);
    VT_ENSURE(records != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_call_collection(call, &entry));
    VT_TRY(vt_call_mask(call, &mask));
    VT_TRY(vt_call_subject(call, &sid));
    vt_call_env(call, &env);
    size_t count = 0;
    VT_TRY(vt_record_list(&env, &sid, entry, (uint64_t)vt_call_int(call, "after", 0), limit, records, &count));
    struct vt_value map = vt_value_map(), list = vt_value_array();
    for (size_t i = 0; i < count; i++) {
        struct vt_value item;
        if (vt_call_has_scope(call, VT_SCOPE_KNOW_ERASED)) VT_TRY(add_erased(call, &sid, &records[i]));
        VT_TRY(record_value(call, &records[i], mask, &item));
        VT_TRY(vt_value_push(&call->scratch, &list, item, NULL));
        VT_TRY(touch_record(call, &sid, entry, records[i].record));
    }
    if (count == 0) VT_TRY(touch_record(call, &sid, entry, 0));
    VT_TRY(vt_put_value(call, &map, "records", list));
    if (count == limit) VT_TRY(vt_put_int(call, &map, "next", (int64_t)records[count - 1].record));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_RECORD_LIST = {.command = "record.list", .prepare = record_list_prepare};

/* Keys go with this commit, and are forgotten with the epoch: it must close in time. */
static VT_RESULT plan_forgetting(struct vt_call *call, struct vt_change *change)
{
    const int64_t known_ms = vt_vault_forgetting_since_ms(call->vault);
    int64_t *since_ms = vt_pool_alloc(&call->scratch, sizeof *since_ms);
    uint8_t *row = vt_pool_alloc(&call->scratch, VT_FORGETS_LEN);
    VT_ENSURE(since_ms != NULL && row != NULL, VAULT_E_MEMORY);
    *since_ms = known_ms != 0 ? known_ms : call->now_ms;
    row[0] = VT_FORGETS_VERSION;
    vt_put_u64(row + 1, (uint64_t)*since_ms);
    call->handler_state = since_ms;
    return vt_change_put(change, VT_TABLE_META, vt_bytes_str(VT_FORGETS_KEY), vt_bytes(row, VT_FORGETS_LEN), VT_PUT_DEFAULT);
}

static void forgetting_committed(struct vt_call *call, bool kept)
{
    const int64_t *since_ms = call->handler_state;
    if (kept && since_ms != NULL) vt_vault_note_forgetting(call->vault, *since_ms);
}

/* record.correct, delete ------------------------------------------------------------------------------------------ */

static vault_status record_correct_prepare(struct vt_call *call)
{
    const struct vt_collection_entry *entry;
    struct vt_sid sid;
    struct vt_subject_env env;
    struct vt_change *change;
    uint64_t resealed = 0;
    uint32_t version = 0;
    VT_TRY(vt_call_collection(call, &entry));
    VT_TRY(vt_call_subject(call, &sid));
    vt_call_env(call, &env);
    VT_TRY(vt_call_change(call, &change));
    uint64_t record = (uint64_t)vt_call_int(call, "record", 0);
    const vault_status found = vt_record_resolve(&env, &sid, entry, &record);
    if (found != VAULT_OK) return vt_call_explain(call, found, &(struct vt_scope){.sid = sid, .record = record}, NULL);
    VT_TRY(check_has_rows(call, &sid, record));
    const vault_status corrected = vt_record_correct(&env, &sid, entry, &record, vt_call_value(call, "fields"),
                                                     vt_call_bool(call, "forget_old", true), change, &version, &resealed);
    if (corrected != VAULT_OK) return vt_call_explain(call, corrected, &(struct vt_scope){.sid = sid, .record = record}, NULL);
    if (vt_call_bool(call, "forget_old", true)) VT_TRY(plan_forgetting(call, change));
    VT_TRY(touch_record(call, &sid, entry, record));
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_int(call, &map, "record", (int64_t)record));
    VT_TRY(vt_put_int(call, &map, "version", version));
    VT_TRY(vt_put_int(call, &map, "resealed", (int64_t)resealed));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_RECORD_CORRECT = {.command = "record.correct", .prepare = record_correct_prepare,
                                                     .committed = forgetting_committed};

/** A deletion on its way to the ledger; in the call's scratch. */
struct deletion {
    struct vt_ledger_entry entry;
};

/* Without it a restore of an older backup would bring the record back: the category's key lives on. */
static vault_status deletion_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct deletion *deletion = context;
    return vt_ledger_append(vt_keyring_write_view(write), txn, &deletion->entry);
}

static VT_RESULT plan_deletion(struct vt_call *call, const struct vt_sid *sid, uint64_t record, struct vt_change *change)
{
    struct vt_epoch_status epoch;
    struct deletion *deletion = vt_pool_alloc(&call->scratch, sizeof *deletion);
    VT_ENSURE(deletion != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_epoch_status(vt_vault_epoch(call->vault), &epoch));
    deletion->entry = (struct vt_ledger_entry){.op = VT_LEDGER_DELETE_RECORD, .tenant = call->tenant,
                                               .scope = {.sid = *sid, .record = record}, .epoch = epoch.epoch,
                                               .at_ms = call->now_ms};
    VT_TRY(vt_random_bytes(deletion->entry.object_id, sizeof deletion->entry.object_id));
    return vt_change_hook_add(change, deletion_apply, deletion);
}

/* What cannot be read any more is not there to be deleted either. A row that is damaged is. */
static VT_RESULT delete_find(struct vt_call *call, const struct vt_subject_env *env, const struct vt_sid *sid,
                             const struct vt_collection_entry *entry, uint64_t *out_record)
{
    struct vt_record record;
    uint64_t wished = (uint64_t)vt_call_int(call, "record", 0);
    const struct vt_scope scope = {.sid = *sid, .record = wished};
    const vault_status found = vt_record_resolve(env, sid, entry, &wished);
    if (found != VAULT_OK) return vt_call_explain(call, found, &scope, NULL);
    const vault_status read = vt_record_get(env, sid, entry, wished, NULL, &record);
    const bool is_gone = read == VAULT_E_NOT_FOUND || read == VAULT_E_ERASED || read == VAULT_E_SHRED_PENDING;
    if (is_gone) return vt_call_explain(call, read, &(struct vt_scope){.sid = *sid, .record = wished}, NULL);
    *out_record = wished;
    return VAULT_OK;
}

static vault_status record_delete_prepare(struct vt_call *call)
{
    const struct vt_collection_entry *entry;
    struct vt_sid sid;
    struct vt_subject_env env;
    struct vt_change *change;
    uint64_t rows = 0;
    VT_TRY(vt_call_collection(call, &entry));
    VT_TRY(vt_call_subject(call, &sid));
    vt_call_env(call, &env);
    VT_TRY(vt_call_change(call, &change));
    uint64_t record = 0;
    VT_TRY(delete_find(call, &env, &sid, entry, &record));
    VT_TRY(vt_record_delete(&env, &sid, entry, record, change, &rows));
    VT_TRY(plan_deletion(call, &sid, record, change));
    if (entry->collection->forget == VT_FORGET_RECORD) VT_TRY(plan_forgetting(call, change));
    VT_TRY(touch_record(call, &sid, entry, record));
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_int(call, &map, "rows", (int64_t)rows));
    VT_TRY(vt_put_bool(call, &map, "is_forgotten_with_epoch", entry->collection->forget == VT_FORGET_RECORD));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_RECORD_DELETE = {.command = "record.delete", .prepare = record_delete_prepare,
                                                    .committed = forgetting_committed};
