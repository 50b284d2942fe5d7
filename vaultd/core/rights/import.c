#include "vaultd/core/rights/import.h"

#include <stdio.h>

#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "libvault/crypto/rng.h"

enum { SLOTS_MIN = 256 };

/* One person of this batch. */
struct import_subject {
    struct vt_bytes external_id;        /* borrowed from the row */
    struct vt_subject_draft *draft;     /* owned */
    bool is_new;
};

/* Things found again by a hash of 64 bits: open addressing over an array that only grows at its end, and shrinks there when a row
 * is taken back. A slot that points behind the end, or at another thing, is passed over. */
struct table {
    uint32_t *slots;                    /* place + 1 */
    size_t cap, used;
};

struct vt_import {
    struct vt_subject_env env;
    struct vt_change *change;
    const struct vt_mapping *mapping;
    const struct vt_collection_entry **entries;     /* of mapping->collections */
    struct import_subject *subjects;
    size_t subject_count, subject_cap;
    struct table subject_table;
    uint64_t seed;                                  /* external ids are chosen by others: their places must not be */
    struct vt_index_hash *claims;                   /* values that the batch's drafts hold alone */
    size_t claim_count, claim_cap;
    struct table claim_table;
};

/* Growing ----------------------------------------------------------------------------------------------------------- */

static VT_RESULT grow(struct vt_pool *pool, void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return VAULT_OK;
    const size_t wider = *cap != 0 ? 2 * *cap : 64;
    void *grown = vt_pool_calloc(pool, wider, size);
    VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
    if (count != 0) memcpy(grown, *array, count * size);
    *array = grown;
    *cap = wider;
    return VAULT_OK;
}

static void table_put(struct table *table, uint64_t hash, size_t place)
{
    size_t at = (size_t)hash & (table->cap - 1);
    while (table->slots[at] != 0) at = (at + 1) & (table->cap - 1);
    table->slots[at] = (uint32_t)place + 1;
    table->used++;
}

/* Room for one more, or an empty table of twice the size, to be filled again by the caller. */
static VT_RESULT table_reserve(struct vt_pool *pool, struct table *table, bool *out_is_fresh)
{
    *out_is_fresh = false;
    if (2 * (table->used + 1) < table->cap) return VAULT_OK;
    const size_t cap = table->cap != 0 ? 2 * table->cap : SLOTS_MIN;
    uint32_t *slots = vt_pool_calloc(pool, cap, sizeof *slots);
    VT_ENSURE(slots != NULL, VAULT_E_MEMORY);
    *table = (struct table){slots, cap, 0};
    *out_is_fresh = true;
    return VAULT_OK;
}

/* Subjects of the batch --------------------------------------------------------------------------------------------- */

/* FNV-1a from a random start, then mixed. */
static uint64_t id_hash(const struct vt_import *import, struct vt_bytes id)
{
    uint64_t hash = import->seed;
    for (size_t i = 0; i < id.len; i++) hash = (hash ^ id.data[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 29;
    return (hash * UINT64_C(0xbf58476d1ce4e5b9)) ^ (hash >> 32);
}

static bool subject_find(const struct vt_import *import, struct vt_bytes id, size_t *out_place)
{
    const struct table *table = &import->subject_table;
    if (table->cap == 0) return false;
    for (size_t at = (size_t)id_hash(import, id) & (table->cap - 1); table->slots[at] != 0; at = (at + 1) & (table->cap - 1)) {
        const size_t place = table->slots[at] - 1;
        if (place >= import->subject_count || !vt_bytes_equal(import->subjects[place].external_id, id)) continue;
        *out_place = place;
        return true;
    }
    return false;
}

static VT_RESULT subject_reserve(struct vt_import *import)
{
    bool is_fresh;
    void *subjects = import->subjects;
    VT_TRY(grow(import->env.pool, &subjects, import->subject_count, &import->subject_cap, sizeof *import->subjects));
    import->subjects = subjects;
    VT_TRY(table_reserve(import->env.pool, &import->subject_table, &is_fresh));
    for (size_t i = 0; is_fresh && i < import->subject_count; i++)
        table_put(&import->subject_table, id_hash(import, import->subjects[i].external_id), i);
    return VAULT_OK;
}

static VT_RESULT subject_open(struct vt_import *import, struct vt_bytes id, struct import_subject *subject)
{
    const struct vt_mapping *mapping = import->mapping;
    const bool may_exist = mapping->subject_count == 2 || mapping->adds_to_existing;
    struct vt_sid sid;
    subject->external_id = id;
    subject->is_new = true;
    if (!may_exist) return vt_subject_draft_new(&import->env, id, &subject->draft);
    const vault_status found = vt_subject_by_external_id(&import->env, id, &sid);
    if (found == VAULT_E_NOT_FOUND && mapping->adds_to_existing)
        return vt_subject_draft_new(&import->env, id, &subject->draft);
    if (found == VAULT_E_NOT_FOUND)
        return vt_fail(import->env.err, found, "external_id", "There is no subject with one of the row's external ids.");
    VT_TRY(found);
    subject->is_new = false;
    return vt_subject_draft_open(&import->env, &sid, &subject->draft);
}

static VT_RESULT subject_get(struct vt_import *import, struct vt_bytes id, size_t *out_place)
{
    const struct vt_mapping *mapping = import->mapping;
    if (subject_find(import, id, out_place)) {
        if (mapping->subject_count == 2 || mapping->adds_to_existing) return VAULT_OK;
        return vt_fail(import->env.err, VAULT_E_EXISTS, "external_id", "An earlier row has the same external id.");
    }
    struct import_subject subject = {.draft = NULL};
    VT_TRY(subject_reserve(import));
    VT_TRY(subject_open(import, id, &subject));
    table_put(&import->subject_table, id_hash(import, id), import->subject_count);
    *out_place = import->subject_count;
    import->subjects[import->subject_count++] = subject;
    return VAULT_OK;
}

/* Values that are unique within the batch --------------------------------------------------------------------------- */

static bool is_claimed(const struct vt_import *import, const struct vt_index_hash *hash)
{
    const struct table *table = &import->claim_table;
    if (table->cap == 0) return false;
    size_t at = (size_t)vt_get_u64(hash->bytes) & (table->cap - 1);
    for (; table->slots[at] != 0; at = (at + 1) & (table->cap - 1)) {
        const size_t place = table->slots[at] - 1;
        if (place < import->claim_count && memcmp(&import->claims[place], hash, sizeof *hash) == 0) return true;
    }
    return false;
}

static vault_status claim(void *context, const struct vt_field *field, const struct vt_index_hash *hash)
{
    struct vt_import *import = context;
    bool is_fresh;
    void *claims = import->claims;
    if (is_claimed(import, hash))
        return vt_fail(import->env.err, VAULT_E_EXISTS, field != NULL ? (const char *)field->name.data : "external_id",
                       "An earlier row has this value in a field that must be unique.");
    VT_TRY(grow(import->env.pool, &claims, import->claim_count, &import->claim_cap, sizeof *import->claims));
    import->claims = claims;
    VT_TRY(table_reserve(import->env.pool, &import->claim_table, &is_fresh));
    for (size_t i = 0; is_fresh && i < import->claim_count; i++)
        table_put(&import->claim_table, vt_get_u64(import->claims[i].bytes), i);
    table_put(&import->claim_table, vt_get_u64(hash->bytes), import->claim_count);
    import->claims[import->claim_count++] = *hash;
    return VAULT_OK;
}

/* Rows -------------------------------------------------------------------------------------------------------------- */

/* What must be put back when a row is refused. */
struct row_work {
    struct vt_mapped_row mapped;
    size_t subject_mark, claim_mark;
    size_t subjects[2];                 /* places; the same twice for a call of a person with themselves */
    struct vt_draft_place places[2];
    unsigned count;                     /* subjects reached so far */
};

static void row_take_back(struct vt_import *import, const struct row_work *work)
{
    for (unsigned i = work->count; i-- > 0;)
        vt_subject_draft_rewind(import->subjects[work->subjects[i]].draft, work->places[i]);
    for (; import->subject_count > work->subject_mark; import->subject_count--) {
        struct import_subject *subject = &import->subjects[import->subject_count - 1];
        vt_subject_draft_free(subject->draft);
        subject->draft = NULL;
    }
    import->claim_count = work->claim_mark;
}

static const struct vt_collection_entry *entry_of(const struct vt_import *import, struct vt_bytes collection)
{
    for (size_t i = 0; i < import->mapping->collection_count; i++)
        if (vt_bytes_equal(import->mapping->collections[i], collection)) return import->entries[i];
    return NULL;
}

/* "email" becomes "profile.email". */
static vault_status name_field(const struct vt_import *import, const struct vt_collection_entry *entry, vault_status status)
{
    struct vt_err *err = import->env.err;
    char field[sizeof err->field];
    if (err == NULL || vt_collection_field(entry->collection, vt_bytes_str(err->field)) == NULL) return status;
    memcpy(field, err->field, sizeof field);
    const int len = snprintf(err->field, sizeof err->field, "%.*s.%s", (int)entry->collection->name.len,
                             (const char *)entry->collection->name.data, field);
    if (len >= (int)sizeof err->field) memcpy(err->field, field, sizeof field);     /* too long for both: the field alone */
    return status;
}

static VT_RESULT check_times(const struct vt_import *import, const struct vt_mapped_row *row)
{
    const int64_t now = import->env.now_ms;
    const int64_t created = row->created_at_ms != 0 ? row->created_at_ms : now,
                  updated = row->updated_at_ms != 0 ? row->updated_at_ms : now;
    if (created <= updated && updated <= now) return VAULT_OK;
    return vt_fail(import->env.err, VAULT_E_INVALID_VALUE, "time",
                   "A record is created before it is updated, and neither lies in the future.");
}

static VT_RESULT row_subjects(struct vt_import *import, struct row_work *work)
{
    for (unsigned i = 0; i < import->mapping->subject_count; i++) {
        VT_TRY(subject_get(import, work->mapped.external_ids[i], &work->subjects[i]));
        /* A draft that this row began goes as a whole; its own row is not to be kept. */
        work->places[i] = vt_subject_draft_place(import->subjects[work->subjects[i]].draft);
        work->count++;
    }
    return VAULT_OK;
}

static VT_RESULT row_record(struct vt_import *import, const struct row_work *work, const struct vt_mapped_record *mapped)
{
    struct vt_record_draft record = {.collection = entry_of(import, mapped->collection), .fields = &mapped->fields,
                                     .created_at_ms = work->mapped.created_at_ms,
                                     .updated_at_ms = work->mapped.updated_at_ms};
    uint64_t id;
    if (work->count == 2) VT_TRY(vt_random_bytes(record.join_id, sizeof record.join_id));
    for (unsigned i = 0; i < work->count; i++) {
        record.side = (int)i;
        const vault_status status = vt_subject_draft_record(import->subjects[work->subjects[i]].draft, &record, &id);
        if (status != VAULT_OK) return name_field(import, record.collection, status);
    }
    return VAULT_OK;
}

/* Both sides of a person's call with themselves lie in one draft: it is looked at once, from where the row began. */
static VT_RESULT row_claims(struct vt_import *import, const struct row_work *work)
{
    for (unsigned i = 0; i < work->count; i++) {
        const struct import_subject *subject = &import->subjects[work->subjects[i]];
        struct vt_draft_place from = work->places[i];
        if (i == 1 && work->subjects[0] == work->subjects[1]) break;
        if (work->subjects[i] >= work->subject_mark) from = (struct vt_draft_place){0, 0};
        VT_TRY(vt_subject_draft_uniques(subject->draft, from, claim, import));
    }
    return VAULT_OK;
}

static VT_RESULT row_draft(struct vt_import *import, const struct vt_value *row, struct row_work *work)
{
    VT_TRY(vt_mapping_apply_map(import->mapping, row, import->env.pool, &work->mapped, import->env.err));
    VT_TRY(check_times(import, &work->mapped));
    VT_TRY(row_subjects(import, work));
    for (size_t i = 0; i < work->mapped.record_count; i++) VT_TRY(row_record(import, work, &work->mapped.records[i]));
    return row_claims(import, work);
}

VT_RESULT vt_import_row(struct vt_import *import, const struct vt_value *row)
{
    struct row_work work = {.subject_mark = import->subject_count, .claim_mark = import->claim_count};
    const vault_status status = row_draft(import, row, &work);
    if (status != VAULT_OK) row_take_back(import, &work);
    return status;
}

bool vt_import_rejects(vault_status status)
{
    switch (status) {
    case VAULT_E_ARGUMENT:
    case VAULT_E_TYPE:
    case VAULT_E_PARSE:
    case VAULT_E_TOO_LARGE:
    case VAULT_E_INVALID_VALUE:
    case VAULT_E_REFUSED_TYPE:
    case VAULT_E_UNKNOWN_FIELD:
    case VAULT_E_NOT_FOUND:
    case VAULT_E_SHRED_PENDING:
    case VAULT_E_EXISTS:
    case VAULT_E_LIMIT: return true;
    default: return false;
    }
}

/* Life -------------------------------------------------------------------------------------------------------------- */

static const struct vt_collection *lookup(void *context, struct vt_bytes name)
{
    const struct vt_collection_entry *entry = vt_schema_set_find(context, name);
    return entry != NULL ? entry->collection : NULL;
}

static VT_RESULT read_mapping(struct vt_import *import, const struct vt_value *value)
{
    const struct vt_subject_env *env = &import->env;
    struct vt_mapping *mapping;
    VT_TRY(vt_mapping_parse(env->pool, value, &mapping, env->err));
    /* The lookup takes a context that it may change; this one does not. */
    union {
        const struct vt_schema_set *set;
        void *context;
    } schemas = {env->schemas};
    VT_TRY(vt_mapping_check(mapping, lookup, schemas.context, env->err));
    import->entries = vt_pool_calloc(env->pool, mapping->collection_count, sizeof(struct vt_collection_entry *));
    VT_ENSURE(import->entries != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < mapping->collection_count; i++)
        import->entries[i] = vt_schema_set_find(env->schemas, mapping->collections[i]);
    import->mapping = mapping;
    return VAULT_OK;
}

VT_RESULT vt_import_new(const struct vt_subject_env *env, const struct vt_value *mapping, struct vt_change *change,
                        struct vt_import **out_import)
{
    struct vt_import *import = vt_pool_alloc(env->pool, sizeof *import);
    VT_ENSURE(import != NULL, VAULT_E_MEMORY);
    import->env = *env;
    import->change = change;
    VT_TRY(vt_random_bytes((uint8_t *)&import->seed, sizeof import->seed));
    VT_TRY(read_mapping(import, mapping));
    *out_import = import;
    return VAULT_OK;
}

/* The import lies in the call's pool; drafts hold keys of their own. */
void vt_import_free(struct vt_import *import)
{
    if (import == NULL) return;
    for (size_t i = 0; i < import->subject_count; i++) vt_subject_draft_free(import->subjects[i].draft);
    import->subject_count = 0;
}

VT_RESULT vt_import_finish(struct vt_import *import)
{
    for (size_t i = 0; i < import->subject_count; i++)
        VT_TRY(vt_subject_draft_finish(import->subjects[i].draft, import->change));
    return VAULT_OK;
}

size_t vt_import_touched(const struct vt_import *import, size_t after, const struct vt_sid **out_sid)
{
    for (size_t i = after; i < import->subject_count; i++) {
        if (import->subjects[i].is_new) continue;
        *out_sid = vt_subject_draft_sid(import->subjects[i].draft);
        return i + 1;
    }
    return 0;
}

/* Ranges ------------------------------------------------------------------------------------------------------------ */

enum { PREFIX_LEN = 16, RANGE_KEY_LEN = PREFIX_LEN + 8, RANGE_FORMAT = 1, RANGE_LEN = 13 };

/* Under a key: who has an old copy of the store must not be able to try what a small file held. */
static VT_RESULT range_key(struct vt_keyring_view *view, const uint8_t file[VT_IMPORT_FILE_LEN], uint64_t first,
                           uint8_t out_key[RANGE_KEY_LEN])
{
    const struct vt_bytes hash = vt_bytes(file, VT_IMPORT_FILE_LEN);
    const struct vt_key *ledger = vt_keyring_system_key(view, VT_SYSTEM_KEY_LEDGER);
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    uint8_t mac[VT_SHA256_LEN];
    VT_ENSURE(ledger != NULL, VAULT_E_CORRUPT);
    VT_TRY(vt_key_derive(ledger, "import-range-1", &key));
    VT_TRY(vt_hmac_sha256(vt_key_bytes(&key), &hash, 1, mac));
    memcpy(out_key, mac, PREFIX_LEN);
    vt_put_u64(out_key + PREFIX_LEN, first);
    return VAULT_OK;
}

static VT_RESULT range_read(struct vt_bytes key, struct vt_bytes value, struct vt_import_range *out_range)
{
    VT_ENSURE(value.len >= 1, VAULT_E_CORRUPT);
    VT_ENSURE(value.data[0] == RANGE_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(value.len == RANGE_LEN, VAULT_E_CORRUPT);
    *out_range = (struct vt_import_range){.first = vt_get_u64(key.data + PREFIX_LEN), .count = vt_get_u32(value.data + 1),
                                          .imported = vt_get_u32(value.data + 5), .rejected = vt_get_u32(value.data + 9)};
    return VAULT_OK;
}

static bool is_of_file(struct vt_bytes key, const uint8_t wanted[RANGE_KEY_LEN])
{
    return key.len == RANGE_KEY_LEN && vt_bytes_equal(vt_bytes(key.data, PREFIX_LEN), vt_bytes(wanted, PREFIX_LEN));
}

/* The last range that begins before @p end, the end of the wanted one, is the only one that can reach into it. */
static VT_RESULT range_find(struct vt_txn *txn, const uint8_t end[RANGE_KEY_LEN], const struct vt_import_range *wanted,
                            struct vt_import_range *out_range)
{
    struct vt_bytes key, value;
    struct vt_import_range range;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    const struct vt_bytes before = vt_bytes(end, RANGE_KEY_LEN);
    VT_TRY(vt_cursor_open(txn, VT_TABLE_JOB, &cursor));
    VT_TRY(vt_cursor_last(cursor, &before, &key, &value));
    VT_ENSURE(is_of_file(key, end), VAULT_E_NOT_FOUND);
    VT_TRY(range_read(key, value, &range));
    VT_ENSURE(range.first + range.count > wanted->first, VAULT_E_NOT_FOUND);
    VT_ENSURE(range.first == wanted->first && range.count == wanted->count, VAULT_E_STATE);
    *out_range = range;
    return VAULT_OK;
}

VT_RESULT vt_import_range_find(struct vt_keyring_view *view, const uint8_t file[VT_IMPORT_FILE_LEN],
                               const struct vt_import_range *wanted, struct vt_import_range *out_range)
{
    uint8_t end[RANGE_KEY_LEN];
    VT_ENSURE(wanted->first <= UINT64_MAX - wanted->count, VAULT_E_ARGUMENT);
    VT_TRY(range_key(view, file, wanted->first + wanted->count, end));
    return range_find(vt_keyring_view_txn(view), end, wanted, out_range);
}

VT_RESULT vt_import_range_next(struct vt_keyring_view *view, const uint8_t file[VT_IMPORT_FILE_LEN], uint64_t from,
                               struct vt_import_range *out_range)
{
    uint8_t wanted[RANGE_KEY_LEN];
    struct vt_bytes key, value;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(range_key(view, file, from, wanted));
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_JOB, &cursor));
    VT_TRY(vt_cursor_seek(cursor, VT_BYTES_OF(wanted), &key, &value));
    VT_ENSURE(is_of_file(key, wanted), VAULT_E_NOT_FOUND);
    return range_read(key, value, out_range);
}

struct range_guard {
    uint8_t end[RANGE_KEY_LEN];
    struct vt_import_range range;
};

/* Two importers of one file with ranges of other borders: each saw nothing of the other when it began. */
static vault_status range_is_free(void *context, struct vt_txn *txn)
{
    const struct range_guard *guard = context;
    struct vt_import_range other;
    const vault_status found = range_find(txn, guard->end, &guard->range, &other);
    if (found == VAULT_E_NOT_FOUND) return VAULT_OK;
    return found == VAULT_OK || found == VAULT_E_STATE ? VAULT_E_CONFLICT : found;
}

VT_RESULT vt_import_range_put(struct vt_keyring_view *view, struct vt_change *change, struct vt_pool *pool,
                              const uint8_t file[VT_IMPORT_FILE_LEN],
                              const struct vt_import_range *range)
{
    struct range_guard *guard = vt_pool_alloc(pool, sizeof *guard);
    VT_ENSURE(guard != NULL, VAULT_E_MEMORY);
    guard->range = *range;
    VT_TRY(range_key(view, file, range->first + range->count, guard->end));
    VT_TRY(vt_change_guard_add(change, range_is_free, guard));
    uint8_t key[RANGE_KEY_LEN], value[RANGE_LEN] = {RANGE_FORMAT};
    VT_TRY(range_key(view, file, range->first, key));
    vt_put_u32(value + 1, range->count);
    vt_put_u32(value + 5, range->imported);
    vt_put_u32(value + 9, range->rejected);
    return vt_change_put(change, VT_TABLE_JOB, VT_BYTES_OF(key), VT_BYTES_OF(value), VT_PUT_NEW);
}

VT_RESULT vt_import_ranges_check(struct vt_txn *txn)
{
    struct vt_bytes key, value;
    uint8_t before[RANGE_KEY_LEN] = {0};
    uint64_t end = 0;
    vault_status status;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(txn, VT_TABLE_JOB, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        struct vt_import_range range;
        VT_ENSURE(key.len == RANGE_KEY_LEN, VAULT_E_CORRUPT);
        VT_TRY(range_read(key, value, &range));
        VT_ENSURE(range.count <= UINT64_MAX - range.first, VAULT_E_CORRUPT);
        VT_ENSURE(!is_of_file(key, before) || range.first >= end, VAULT_E_CORRUPT);
        memcpy(before, key.data, sizeof before);
        end = range.first + range.count;
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}
