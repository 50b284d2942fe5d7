#include "libvault/schema/mapping.h"

#include <stddef.h>
#include <stdio.h>

#include "libvault/base/clock.h"
#include "libvault/codec/json.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "libvault/schema/collection.h"
#include "libvault/schema/schema_read_internal.h"

enum { DOC_MAX = 1024, HEADER_MAX = 256 };

/* --------------------------------------------------------------------------------------------------- reading */

/* A column's name in the file: any text of one line, since files come as they are. */
static bool is_header(const struct vt_value *value)
{
    return value->kind == VT_VALUE_TEXT && value->bytes.len != 0 && value->bytes.len <= HEADER_MAX;
}

static VT_RESULT refuse_refused(const struct vt_schema_reader *reader, const struct vt_value *at, struct vt_bytes name)
{
    const char *why = vt_field_refused_name(name);
    return why == NULL ? VAULT_OK : vt_schema_refuse(reader, VAULT_E_REFUSED_TYPE, at, "%s", why);
}

/* "collection.field" */
static VT_RESULT read_target(const struct vt_schema_reader *reader, const struct vt_value *value,
                             struct vt_mapping_column *column)
{
    const struct vt_bytes text = value->kind == VT_VALUE_TEXT ? value->bytes : VT_BYTES_EMPTY;
    const uint8_t *dot = text.len == 0 ? NULL : memchr(text.data, '.', text.len);
    if (dot == NULL) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value, "A column is mapped to collection.field, two names.");
    }
    column->collection = vt_bytes(text.data, (size_t)(dot - text.data));
    column->field = vt_bytes(dot + 1, text.len - column->collection.len - 1);
    if (!vt_name_is_valid(column->collection) || !vt_name_is_valid(column->field)) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value, "A column is mapped to collection.field, two names.");
    }
    return refuse_refused(reader, value, column->field);
}

static VT_RESULT read_column(const struct vt_schema_reader *whole, const struct vt_pair *pair,
                             struct vt_mapping_column *column)
{
    static const char *const KEYS[] = {"field", "as"}, *const FORMS[] = {"text", "json"};
    const struct vt_schema_reader reader = {&pair->value, "columns", whole->err};
    const struct vt_value key = vt_value_text(pair->key), nothing = VT_VALUE_INIT;
    unsigned form;
    if (!is_header(&key)) {
        return vt_schema_refuse(&reader, VAULT_E_ARGUMENT, &pair->value, "The name of a column has 1 to 256 bytes.");
    }
    VT_TRY(refuse_refused(&reader, &pair->value, pair->key));
    column->column = pair->key;
    if (pair->value.kind != VT_VALUE_MAP) return read_target(&reader, &pair->value, column);

    const struct vt_value *field = vt_value_get(&pair->value, "field");
    VT_TRY(vt_schema_read_keys(&reader, KEYS, VT_ARRAY_LEN(KEYS)));
    VT_TRY(vt_schema_read_choice(&reader, "as", FORMS, VT_ARRAY_LEN(FORMS), &form));
    column->is_json = form == 1;
    return read_target(&reader, field != NULL ? field : &nothing, column);
}

static void note_collection(struct vt_mapping *mapping, struct vt_bytes name)
{
    for (size_t i = 0; i < mapping->collection_count; i++) {
        if (vt_bytes_equal(mapping->collections[i], name)) return;
    }
    mapping->collections[mapping->collection_count++] = name;
}

static bool is_target_taken(const struct vt_mapping *mapping, const struct vt_mapping_column *column)
{
    for (size_t i = 0; i < mapping->column_count; i++) {
        const struct vt_mapping_column *other = &mapping->columns[i];
        if (vt_bytes_equal(other->collection, column->collection) && vt_bytes_equal(other->field, column->field)) {
            return true;
        }
    }
    return false;
}

static VT_RESULT read_columns(struct vt_pool *pool, const struct vt_schema_reader *reader, struct vt_mapping *mapping)
{
    const struct vt_value *map = vt_value_get(reader->map, "columns");
    if (map == NULL || map->kind != VT_VALUE_MAP || map->map.count == 0) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, map != NULL ? map : reader->map,
                                "The key columns must be a map of one column at least.");
    }
    if (map->map.count > VT_LIMIT_CSV_COLUMNS) {
        return vt_schema_refuse(reader, VAULT_E_LIMIT, map, "A file has at most %d columns.",
                                (int)VT_LIMIT_CSV_COLUMNS);
    }
    mapping->columns = vt_pool_calloc(pool, map->map.count, sizeof *mapping->columns);
    mapping->collections = vt_pool_calloc(pool, map->map.count, sizeof *mapping->collections);
    VT_ENSURE(mapping->columns != NULL && mapping->collections != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < map->map.count; i++) {
        struct vt_mapping_column column = {0};
        VT_TRY(read_column(reader, &map->map.pairs[i], &column));
        if (is_target_taken(mapping, &column)) {
            return vt_schema_refuse(reader, VAULT_E_ARGUMENT, &map->map.pairs[i].value,
                                    "Two columns are mapped to %.*s.%.*s.", (int)column.collection.len,
                                    (const char *)column.collection.data, (int)column.field.len,
                                    (const char *)column.field.data);
        }
        mapping->columns[mapping->column_count++] = column;
        note_collection(mapping, column.collection);
    }
    return VAULT_OK;
}

static bool is_mapped(const struct vt_mapping *mapping, struct vt_bytes column)
{
    for (size_t i = 0; i < mapping->column_count; i++) {
        if (vt_bytes_equal(mapping->columns[i].column, column)) return true;
    }
    return false;
}

static bool is_subject_column(const struct vt_mapping *mapping, struct vt_bytes column)
{
    for (unsigned i = 0; i < mapping->subject_count; i++) {
        if (vt_bytes_equal(mapping->subject_columns[i], column)) return true;
    }
    return false;
}

static bool is_time_column(const struct vt_mapping *mapping, struct vt_bytes column)
{
    return column.len != 0 &&
           (vt_bytes_equal(mapping->created_column, column) || vt_bytes_equal(mapping->updated_column, column));
}

static bool is_ignored(const struct vt_mapping *mapping, struct vt_bytes column)
{
    for (size_t i = 0; i < mapping->ignored_count; i++) {
        if (vt_bytes_equal(mapping->ignored[i], column)) return true;
    }
    return false;
}

static bool is_known(const struct vt_mapping *mapping, struct vt_bytes column)
{
    return is_mapped(mapping, column) || is_subject_column(mapping, column) || is_time_column(mapping, column);
}

static VT_RESULT read_ignored(struct vt_pool *pool, const struct vt_schema_reader *reader, struct vt_mapping *mapping)
{
    const struct vt_value *list = vt_value_get(reader->map, "ignore");
    if (list == NULL) return VAULT_OK;
    if (list->kind != VT_VALUE_ARRAY || list->array.count > VT_LIMIT_CSV_COLUMNS) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, list, "The key ignore must be a list of columns.");
    }
    mapping->ignored = vt_pool_calloc(pool, list->array.count + 1, sizeof *mapping->ignored);
    VT_ENSURE(mapping->ignored != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < list->array.count; i++) {
        const struct vt_value *item = &list->array.items[i];
        const bool is_fit = is_header(item) && !is_known(mapping, item->bytes) &&
                            !is_ignored(mapping, item->bytes);
        if (!is_fit) {
            return vt_schema_refuse(reader, VAULT_E_ARGUMENT, item,
                                    "What is ignored are columns that are neither mapped nor named twice.");
        }
        mapping->ignored[mapping->ignored_count++] = item->bytes;
    }
    return VAULT_OK;
}

static VT_RESULT read_two_subjects(const struct vt_schema_reader *reader, const struct vt_value *map,
                                   struct vt_mapping *mapping)
{
    bool is_fit = map->kind == VT_VALUE_MAP && map->map.count == 2;
    for (size_t i = 0; is_fit && i < 2; i++) {
        const struct vt_pair *pair = &map->map.pairs[i];
        is_fit = vt_name_is_valid(pair->key) && is_header(&pair->value);
        if (!is_fit) break;
        mapping->sides[i] = pair->key;
        mapping->subject_columns[i] = pair->value.bytes;
    }
    if (!is_fit || vt_bytes_equal(mapping->subject_columns[0], mapping->subject_columns[1])) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, map,
                                "The key subjects must be a map of two sides to two different columns.");
    }
    mapping->subject_count = 2;
    return VAULT_OK;
}

static VT_RESULT read_subjects(const struct vt_schema_reader *reader, struct vt_mapping *mapping)
{
    const struct vt_value *one = vt_value_get(reader->map, "subject"), *two = vt_value_get(reader->map, "subjects");
    if ((one == NULL) == (two == NULL)) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, reader->map,
                                "Either the key subject or the key subjects must stand here.");
    }
    if (two != NULL) return read_two_subjects(reader, two, mapping);
    if (!is_header(one)) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, one,
                                "The key subject must be the column of the external id.");
    }
    mapping->subject_columns[0] = one->bytes;
    mapping->subject_count = 1;
    return VAULT_OK;
}

static VT_RESULT read_time_column(const struct vt_schema_reader *reader, const char *key,
                                  const struct vt_mapping *mapping, struct vt_bytes *out_column)
{
    const struct vt_value *value = vt_value_get(reader->map, key);
    if (value == NULL) return VAULT_OK;
    if (!is_header(value) || is_mapped(mapping, value->bytes) || is_subject_column(mapping, value->bytes)) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value,
                                "The key %s must be a column that is mapped to nothing else.", key);
    }
    *out_column = value->bytes;
    return VAULT_OK;
}

static VT_RESULT read_existing(const struct vt_schema_reader *reader, struct vt_mapping *mapping)
{
    static const char *const CHOICES[] = {"refuse", "add"};
    const struct vt_value *value = vt_value_get(reader->map, "existing");
    unsigned choice;
    VT_TRY(vt_schema_read_choice(reader, "existing", CHOICES, VT_ARRAY_LEN(CHOICES), &choice));
    if (value != NULL && mapping->subject_count == 2) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value,
                                "The key existing is for rows of one subject; those of two name people who exist.");
    }
    mapping->adds_to_existing = choice == 1;
    return VAULT_OK;
}

static VT_RESULT read_flags(const struct vt_schema_reader *reader, struct vt_mapping *mapping)
{
    static const char *const MEANINGS[] = {"text", "absent"};
    unsigned meaning;
    VT_TRY(read_existing(reader, mapping));
    VT_TRY(read_time_column(reader, "created", mapping, &mapping->created_column));
    VT_TRY(read_time_column(reader, "updated", mapping, &mapping->updated_column));
    VT_TRY(vt_schema_read_choice(reader, "quoted_empty", MEANINGS, VT_ARRAY_LEN(MEANINGS), &meaning));
    mapping->quoted_empty_is_absent = meaning == 1;
    return vt_schema_read_bool(reader, "guarded", &mapping->is_guarded);
}

VT_RESULT vt_mapping_parse(struct vt_pool *pool, const struct vt_value *value, struct vt_mapping **out_mapping,
                           struct vt_err *err)
{
    static const char *const KEYS[] = {"name",         "doc",     "subject",  "subjects", "columns", "ignore",
                                       "quoted_empty", "guarded", "existing", "created",  "updated"};
    const struct vt_schema_reader reader = {value, "", err};
    struct vt_mapping *mapping = vt_pool_alloc(pool, sizeof *mapping);
    VT_ENSURE(mapping != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_schema_read_keys(&reader, KEYS, VT_ARRAY_LEN(KEYS)));
    VT_TRY(vt_schema_read_name(&reader, "name", pool, &mapping->name));
    VT_TRY(vt_schema_read_text(&reader, "doc", DOC_MAX, &mapping->doc));
    VT_TRY(read_subjects(&reader, mapping));
    VT_TRY(read_columns(pool, &reader, mapping));
    VT_TRY(read_flags(&reader, mapping));
    VT_TRY(read_ignored(pool, &reader, mapping));
    *out_mapping = mapping;
    return VAULT_OK;
}

/* -------------------------------------------------------------------------------------------------- checking */

static VT_RESULT check_sides(const struct vt_mapping *mapping, const struct vt_collection *collection,
                             struct vt_err *err)
{
    const char *name = (const char *)collection->name.data;
    if (collection->subject_count != mapping->subject_count) {
        return vt_fail(err, VAULT_E_ARGUMENT, name, "Collection %s has records of %s, and the mapping has not.", name,
                       collection->subject_count == 2 ? "two subjects" : "one subject");
    }
    for (unsigned i = 0; mapping->subject_count == 2 && i < 2; i++) {
        if (vt_bytes_equal(mapping->sides[i], collection->sides[i])) continue;
        return vt_fail(err, VAULT_E_ARGUMENT, name, "Collection %s has the sides %s and %s, in this order.", name,
                       (const char *)collection->sides[0].data, (const char *)collection->sides[1].data);
    }
    return VAULT_OK;
}

static bool is_target(const struct vt_mapping *mapping, struct vt_bytes collection, struct vt_bytes field)
{
    const struct vt_mapping_column wanted = {.collection = collection, .field = field};
    return is_target_taken(mapping, &wanted);
}

static VT_RESULT check_required(const struct vt_mapping *mapping, const struct vt_collection *collection,
                                struct vt_err *err)
{
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct vt_field *field = &collection->fields[i];
        if (!field->is_required || is_target(mapping, collection->name, field->name)) continue;
        return vt_fail(err, VAULT_E_ARGUMENT, (const char *)field->name.data,
                       "Collection %s requires field %s, to which no column is mapped.",
                       (const char *)collection->name.data, (const char *)field->name.data);
    }
    return VAULT_OK;
}

VT_RESULT vt_mapping_check(const struct vt_mapping *mapping, vt_collection_lookup lookup, void *context,
                           struct vt_err *err)
{
    for (size_t i = 0; i < mapping->collection_count; i++) {
        const struct vt_bytes name = mapping->collections[i];
        const struct vt_collection *collection = lookup(context, name);
        if (collection == NULL) {
            return vt_fail(err, VAULT_E_NOT_FOUND, "columns", "There is no collection %.*s.", (int)name.len,
                           (const char *)name.data);
        }
        VT_TRY(check_sides(mapping, collection, err));
        VT_TRY(check_required(mapping, collection, err));
    }
    for (size_t i = 0; i < mapping->column_count; i++) {
        const struct vt_mapping_column *column = &mapping->columns[i];
        if (vt_collection_field(lookup(context, column->collection), column->field) != NULL) continue;
        return vt_fail(err, VAULT_E_UNKNOWN_FIELD, "columns", "Collection %.*s has no field %.*s.",
                       (int)column->collection.len, (const char *)column->collection.data, (int)column->field.len,
                       (const char *)column->field.data);
    }
    return VAULT_OK;
}

/* -------------------------------------------------------------------------------------------------- applying */

struct vt_mapping_plan {
    const struct vt_mapping *mapping;
    size_t cell_count;
    size_t subject_cells[2];
    size_t time_cells[2]; /* of created and updated, when the mapping names them */
    struct plan_column {
        size_t cell, collection; /* places in the row and among mapping->collections */
        const char *field;       /* ends with a zero: keys of the row's maps */
    } * columns;
};

/* The place of @p column in the header; it stands there exactly once. */
static VT_RESULT find_column(const struct vt_csv_cell *header, size_t count, struct vt_bytes column, size_t *out_place,
                             struct vt_err *err)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (header[i].is_absent || !vt_bytes_equal(header[i].text, column)) continue;
        *out_place = i;
        found++;
    }
    if (found == 1) return VAULT_OK;
    return vt_fail(err, VAULT_E_ARGUMENT, "header", "The file has %s column %.*s, which the mapping names.",
                   found == 0 ? "no" : "twice the", (int)VT_MIN(column.len, 64u), (const char *)column.data);
}

/* A header that is one column with another separator in it is of a file that only looks like CSV. */
static VT_RESULT check_separator(const struct vt_mapping *mapping, const struct vt_csv_cell *header, size_t count,
                                 struct vt_err *err)
{
    const bool is_one = count == 1 && !header[0].is_absent && header[0].text.len != 0 && !is_known(mapping, header[0].text);
    const bool has_semicolon = is_one && memchr(header[0].text.data, ';', header[0].text.len) != NULL;
    const bool has_tab = is_one && memchr(header[0].text.data, '\t', header[0].text.len) != NULL;
    if (!has_semicolon && !has_tab) return VAULT_OK;
    return vt_fail(err, VAULT_E_ARGUMENT, "header",
                   "The header is one column with a %s in it: the columns of a CSV file stand between commas (RFC 4180).",
                   has_semicolon ? "semicolon" : "tab");
}

/* Nothing is dropped without being named: headers are not personal data, but files without one would show values here,
 * so a column that is not expected goes by its number. */
static VT_RESULT check_header(const struct vt_mapping *mapping, const struct vt_csv_cell *header, size_t count,
                              struct vt_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct vt_bytes name = header[i].is_absent ? VT_BYTES_EMPTY : header[i].text;
        if (is_ignored(mapping, name)) continue;
        const char *refused = vt_field_refused_name(name);
        if (refused != NULL) return vt_fail(err, VAULT_E_REFUSED_TYPE, "header", "%s", refused);
        if (is_known(mapping, name)) continue;
        return vt_fail(err, VAULT_E_ARGUMENT, "header",
                       "Column %zu of the file is neither mapped nor ignored; name it in the mapping.", i + 1);
    }
    return VAULT_OK;
}

static VT_RESULT bind_columns(struct vt_pool *pool, struct vt_mapping_plan *plan, const struct vt_csv_cell *header,
                              struct vt_err *err)
{
    const struct vt_mapping *mapping = plan->mapping;
    for (size_t i = 0; i < mapping->column_count; i++) {
        const struct vt_mapping_column *from = &mapping->columns[i];
        struct plan_column *to = &plan->columns[i];
        VT_TRY(find_column(header, plan->cell_count, from->column, &to->cell, err));
        to->field = (const char *)vt_pool_copy(pool, from->field).data;
        VT_ENSURE(to->field != NULL, VAULT_E_MEMORY);
        while (!vt_bytes_equal(mapping->collections[to->collection], from->collection)) to->collection++;
    }
    return VAULT_OK;
}

VT_RESULT vt_mapping_bind(struct vt_pool *pool, const struct vt_mapping *mapping, const struct vt_csv_cell *header,
                          size_t count, struct vt_mapping_plan **out_plan, struct vt_err *err)
{
    struct vt_mapping_plan *plan = vt_pool_alloc(pool, sizeof *plan);
    VT_ENSURE(plan != NULL, VAULT_E_MEMORY);
    plan->mapping = mapping;
    plan->cell_count = count;
    plan->columns = vt_pool_calloc(pool, mapping->column_count, sizeof *plan->columns);
    VT_ENSURE(plan->columns != NULL, VAULT_E_MEMORY);
    VT_TRY(check_separator(mapping, header, count, err));
    for (unsigned i = 0; i < mapping->subject_count; i++) {
        VT_TRY(find_column(header, count, mapping->subject_columns[i], &plan->subject_cells[i], err));
    }
    if (mapping->created_column.len != 0)
        VT_TRY(find_column(header, count, mapping->created_column, &plan->time_cells[0], err));
    if (mapping->updated_column.len != 0)
        VT_TRY(find_column(header, count, mapping->updated_column, &plan->time_cells[1], err));
    VT_TRY(bind_columns(pool, plan, header, err));
    VT_TRY(check_header(mapping, header, count, err));      /* last: a name that is missed says more than one too many */
    *out_plan = plan;
    return VAULT_OK;
}

/* What a cell says, with one guard taken off when the file is guarded. */
static struct vt_bytes cell_text(const struct vt_mapping *mapping, struct vt_bytes text)
{
    const bool has_guard = mapping->is_guarded && text.len != 0 && text.data[0] == '\'';
    return has_guard ? vt_bytes(text.data + 1, text.len - 1) : text;
}

static bool is_cell_absent(const struct vt_mapping *mapping, const struct vt_csv_cell *cell)
{
    return cell->is_absent || (mapping->quoted_empty_is_absent && cell->text.len == 0);
}

static VT_RESULT read_cell(const struct vt_mapping_column *column, struct vt_bytes text, struct vt_pool *pool,
                           struct vt_value *out_value, struct vt_err *err)
{
    if (!column->is_json) {
        *out_value = vt_value_text(text);
        return VAULT_OK;
    }
    const vault_status status = vt_json_read(pool, text, out_value, NULL);
    if (status == VAULT_OK || status == VAULT_E_MEMORY) return status;
    char name[HEADER_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)column->column.len, (const char *)column->column.data);
    return vt_fail(err, status, name, "The cell is not JSON, as the mapping says it is.");
}

static VT_RESULT check_external_id(struct vt_bytes id, struct vt_err *err)
{
    if (id.len != 0 && id.len <= VT_LIMIT_EXTERNAL_ID_BYTES) return VAULT_OK;
    return vt_fail(err, VAULT_E_ARGUMENT, "external_id", "An external id has 1 to %d bytes.",
                   (int)VT_LIMIT_EXTERNAL_ID_BYTES);
}

/* An empty cell is no time. */
static VT_RESULT read_time(struct vt_bytes text, int64_t *out_at_ms, struct vt_err *err)
{
    if (text.len == 0 || vt_time_parse((const char *)text.data, text.len, out_at_ms)) return VAULT_OK;
    return vt_fail(err, VAULT_E_INVALID_VALUE, "time", "The time of a record is not an RFC 3339 time.");
}

static VT_RESULT read_external_ids(const struct vt_mapping_plan *plan, const struct vt_csv_cell *cells,
                                   struct vt_mapped_row *row, struct vt_err *err)
{
    for (unsigned i = 0; i < plan->mapping->subject_count; i++) {
        const struct vt_csv_cell *cell = &cells[plan->subject_cells[i]];
        const struct vt_bytes id = cell->is_absent ? VT_BYTES_EMPTY : cell_text(plan->mapping, cell->text);
        VT_TRY(check_external_id(id, err));
        row->external_ids[i] = id;
    }
    return VAULT_OK;
}

/* Records in the order of mapping->collections; those without a field are taken out at the end. */
static VT_RESULT fill_records(const struct vt_mapping_plan *plan, const struct vt_csv_cell *cells, struct vt_pool *pool,
                              struct vt_mapped_record *records, struct vt_err *err)
{
    for (size_t i = 0; i < plan->mapping->column_count; i++) {
        const struct plan_column *column = &plan->columns[i];
        const struct vt_csv_cell *cell = &cells[column->cell];
        struct vt_value value;
        if (is_cell_absent(plan->mapping, cell)) continue;
        VT_TRY(read_cell(&plan->mapping->columns[i], cell_text(plan->mapping, cell->text), pool, &value, err));
        VT_TRY(vt_value_put(pool, &records[column->collection].fields, column->field, value, NULL));
    }
    return VAULT_OK;
}

static size_t columns_of(const struct vt_mapping *mapping, struct vt_bytes collection)
{
    size_t count = 0;
    for (size_t i = 0; i < mapping->column_count; i++) count += vt_bytes_equal(mapping->columns[i].collection, collection);
    return count;
}

static VT_RESULT row_begin(const struct vt_mapping *mapping, struct vt_pool *pool, struct vt_mapped_row *row)
{
    row->records = vt_pool_calloc(pool, mapping->collection_count, sizeof *row->records);
    VT_ENSURE(row->records != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < mapping->collection_count; i++) {
        row->records[i] = (struct vt_mapped_record){mapping->collections[i], vt_value_map()};
        VT_TRY(vt_value_reserve(pool, &row->records[i].fields, columns_of(mapping, mapping->collections[i])));
    }
    return VAULT_OK;
}

static void row_end(const struct vt_mapping *mapping, struct vt_mapped_row *row)
{
    for (size_t i = 0; i < mapping->collection_count; i++) {
        if (row->records[i].fields.map.count != 0) row->records[row->record_count++] = row->records[i];
    }
}

static VT_RESULT read_times(const struct vt_mapping_plan *plan, const struct vt_csv_cell *cells,
                            struct vt_mapped_row *row, struct vt_err *err)
{
    const struct vt_mapping *mapping = plan->mapping;
    if (mapping->created_column.len != 0)
        VT_TRY(read_time(cells[plan->time_cells[0]].text, &row->created_at_ms, err));
    if (mapping->updated_column.len != 0)
        VT_TRY(read_time(cells[plan->time_cells[1]].text, &row->updated_at_ms, err));
    return VAULT_OK;
}

VT_RESULT vt_mapping_apply(const struct vt_mapping_plan *plan, const struct vt_csv_cell *cells, size_t count,
                           struct vt_pool *pool, struct vt_mapped_row *out_row, struct vt_err *err)
{
    struct vt_mapped_row row = {0};
    if (count != plan->cell_count) {
        return vt_fail(err, VAULT_E_PARSE, "", "The row has %zu cells where the header has %zu.", count,
                       plan->cell_count);
    }
    VT_TRY(read_external_ids(plan, cells, &row, err));
    VT_TRY(read_times(plan, cells, &row, err));
    VT_TRY(row_begin(plan->mapping, pool, &row));
    VT_TRY(fill_records(plan, cells, pool, row.records, err));
    row_end(plan->mapping, &row);
    *out_row = row;
    return VAULT_OK;
}

/* ----------------------------------------------------------------------------------------------- rows as maps */

struct map_row {
    const struct vt_mapping *mapping;
    const struct vt_value *cells;
    size_t next;  /* where the next column stands when the row keeps the mapping's order */
    size_t found;
};

/* NULL when the row does not have the column. */
static const struct vt_value *map_cell(struct map_row *row, struct vt_bytes column)
{
    const bool is_next = row->next < row->cells->map.count &&
                         vt_bytes_equal(row->cells->map.pairs[row->next].key, column);
    const struct vt_value *value =
        is_next ? &row->cells->map.pairs[row->next].value : vt_value_get_bytes(row->cells, column);
    if (value == NULL) return NULL;
    row->found++;
    row->next = (size_t)((const struct vt_pair *)((const char *)value - offsetof(struct vt_pair, value)) -
                         row->cells->map.pairs) + 1;
    return value;
}

static VT_RESULT map_text(struct map_row *row, struct vt_bytes column, struct vt_bytes *out_text, struct vt_err *err)
{
    const struct vt_value *value = column.len != 0 ? map_cell(row, column) : NULL;
    if (value == NULL || value->kind == VT_VALUE_NIL) return VAULT_OK;
    if (value->kind != VT_VALUE_TEXT)
        return vt_fail(err, VAULT_E_TYPE, "", "External ids and times of records come as text.");
    *out_text = cell_text(row->mapping, value->bytes);
    return VAULT_OK;
}

static VT_RESULT map_head(struct map_row *cells, struct vt_mapped_row *row, struct vt_err *err)
{
    const struct vt_mapping *mapping = cells->mapping;
    struct vt_bytes created = VT_BYTES_EMPTY, updated = VT_BYTES_EMPTY;
    for (unsigned i = 0; i < mapping->subject_count; i++) {
        VT_TRY(map_text(cells, mapping->subject_columns[i], &row->external_ids[i], err));
        VT_TRY(check_external_id(row->external_ids[i], err));
    }
    VT_TRY(map_text(cells, mapping->created_column, &created, err));
    VT_TRY(map_text(cells, mapping->updated_column, &updated, err));
    VT_TRY(read_time(created, &row->created_at_ms, err));
    return read_time(updated, &row->updated_at_ms, err);
}

static VT_RESULT map_fields(struct map_row *cells, struct vt_pool *pool, struct vt_mapped_record *records,
                            struct vt_err *err)
{
    const struct vt_mapping *mapping = cells->mapping;
    for (size_t i = 0; i < mapping->column_count; i++) {
        const struct vt_mapping_column *column = &mapping->columns[i];
        const struct vt_value *cell = map_cell(cells, column->column);
        if (cell == NULL || cell->kind == VT_VALUE_NIL) continue;
        struct vt_value value = *cell;
        if (cell->kind == VT_VALUE_TEXT && mapping->quoted_empty_is_absent && cell->bytes.len == 0) continue;
        if (cell->kind == VT_VALUE_TEXT)
            VT_TRY(read_cell(column, cell_text(mapping, cell->bytes), pool, &value, err));
        size_t at = 0;
        while (!vt_bytes_equal(records[at].collection, column->collection)) at++;
        VT_TRY(vt_value_append(pool, &records[at].fields, column->field, value, NULL));
    }
    return VAULT_OK;
}

/* Every column that was not asked for must be one that is ignored by name. */
static VT_RESULT map_check_rest(const struct map_row *row, struct vt_err *err)
{
    if (row->found == row->cells->map.count) return VAULT_OK;
    for (size_t i = 0; i < row->cells->map.count; i++) {
        const struct vt_bytes name = row->cells->map.pairs[i].key;
        if (is_known(row->mapping, name) || is_ignored(row->mapping, name)) continue;
        return vt_fail(err, VAULT_E_UNKNOWN_FIELD, "", "The row has a column that is neither mapped nor ignored.");
    }
    return VAULT_OK;
}

VT_RESULT vt_mapping_apply_map(const struct vt_mapping *mapping, const struct vt_value *cells, struct vt_pool *pool,
                               struct vt_mapped_row *out_row, struct vt_err *err)
{
    struct map_row map = {mapping, cells, 0, 0};
    struct vt_mapped_row row = {0};
    if (cells->kind != VT_VALUE_MAP) return vt_fail(err, VAULT_E_TYPE, "", "A row is a map of columns.");
    VT_TRY(map_head(&map, &row, err));
    VT_TRY(row_begin(mapping, pool, &row));
    VT_TRY(map_fields(&map, pool, row.records, err));
    VT_TRY(map_check_rest(&map, err));
    row_end(mapping, &row);
    *out_row = row;
    return VAULT_OK;
}
