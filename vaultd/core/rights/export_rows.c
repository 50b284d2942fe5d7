/* Records as JSON Lines and as CSV. */
#include <stdio.h>

#include "libvault/base/clock.h"
#include "libvault/codec/csv.h"
#include "libvault/codec/json.h"
#include "vaultd/core/rights/export_internal.h"

/* JSON Lines -------------------------------------------------------------------------------------------------------- */

static VT_RESULT put_time(struct vt_pool *pool, struct vt_value *map, const char *key, int64_t at_ms)
{
    char text[VT_TIME_TEXT_LEN];
    vt_time_format(at_ms, text);
    const struct vt_bytes copy = vt_pool_copy(pool, vt_bytes_str(text));
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    return vt_value_put(pool, map, key, vt_value_text(copy), NULL);
}

static VT_RESULT put_head(const struct vt_export_state *state, const struct vt_record *record, struct vt_value *map)
{
    struct vt_pool *pool = state->env->pool;
    const struct vt_collection *collection = record->collection->collection;
    if (state->info.external_id.data != NULL)
        VT_TRY(vt_value_put(pool, map, "_external_id", vt_value_text(state->info.external_id), NULL));
    VT_TRY(vt_value_put(pool, map, "_record", vt_value_int((int64_t)record->record), NULL));
    VT_TRY(put_time(pool, map, "_created_at", record->created_at_ms));
    VT_TRY(put_time(pool, map, "_updated_at", record->updated_at_ms));
    if (collection->subject_count != 2) return VAULT_OK;
    return vt_value_put(pool, map, "_side", vt_value_text(collection->sides[record->side]), NULL);
}

static VT_RESULT put_erased(const struct vt_export_state *state, const struct vt_record *record, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    if (!state->options->knows_erased || record->erased_categories == 0) return VAULT_OK;
    for (uint16_t number = 1; number <= VT_CATEGORY_MAX; number++)
        if ((record->erased_categories & 1u << (number - 1)) != 0)
            VT_TRY(vt_value_push(state->env->pool, &list, vt_value_str(vt_category_at(number)->id), NULL));
    return vt_value_put(state->env->pool, map, "_erased", list, NULL);
}

static VT_RESULT put_fields(const struct vt_export_state *state, const struct vt_record *record, struct vt_value *map)
{
    struct vt_pool *pool = state->env->pool;
    const struct vt_collection *collection = record->collection->collection;
    struct vt_value held = vt_value_array();
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct vt_field *field = &collection->fields[i];
        const struct vt_value *value = vt_value_get_bytes(&record->fields, field->name);
        if (value == NULL) continue;
        if (vt_export_is_kept_back(state, field))
            VT_TRY(vt_value_push(pool, &held, vt_value_text(field->name), NULL));
        else
            VT_TRY(vt_value_append(pool, map, field->name, *value, NULL));
    }
    return held.array.count == 0 ? VAULT_OK : vt_value_put(pool, map, "_held", held, NULL);
}

static VT_RESULT write_jsonl(const struct vt_export_state *state, struct vt_export_part *part, const struct vt_record *record)
{
    struct vt_value map = vt_value_map();
    VT_TRY(put_head(state, record, &map));
    VT_TRY(put_erased(state, record, &map));
    VT_TRY(put_fields(state, record, &map));
    VT_TRY(vt_json_write(&part->jsonl, &map, VT_JSON_COMPACT));
    return vt_buf_append_byte(&part->jsonl, '\n');
}

/* CSV --------------------------------------------------------------------------------------------------------------- */

static VT_RESULT write_text(struct vt_export_part *part, struct vt_bytes text, bool is_first)
{
    return vt_csv_write_guarded(&part->csv, (struct vt_csv_cell){text, text.data == NULL}, is_first);
}

VT_RESULT vt_export_csv_header(const struct vt_export_state *state, struct vt_export_part *part)
{
    static const char *const HEAD[] = {"_external_id", "_record", "_created_at", "_updated_at"};
    const struct vt_collection *collection = part->entry->collection;
    for (size_t i = 0; i < VT_ARRAY_LEN(HEAD); i++) VT_TRY(write_text(part, vt_bytes_str(HEAD[i]), i == 0));
    if (collection->subject_count == 2) VT_TRY(write_text(part, vt_bytes_str("_side"), false));
    for (size_t i = 0; i < collection->field_count; i++)
        if (!vt_export_is_kept_back(state, &collection->fields[i]))
            VT_TRY(write_text(part, collection->fields[i].name, false));
    return vt_csv_write_end(&part->csv);
}

/* Numbers, dates and phone numbers keep their first character by their type; whatever is text does not. */
static VT_RESULT write_cell(struct vt_export_part *part, const struct vt_field *field, const struct vt_value *value)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_LIMIT_CSV_CELL_BYTES);
    struct vt_csv_cell cell = {.is_absent = value == NULL};
    if (value != NULL && value->kind == VT_VALUE_TEXT && field->type->kind == VT_VALUE_TEXT) cell.text = value->bytes;
    if (value != NULL && (value->kind != VT_VALUE_TEXT || field->type->kind != VT_VALUE_TEXT)) {
        VT_TRY(vt_json_write(&text, value, VT_JSON_COMPACT));
        cell.text = vt_buf_bytes(&text);
    }
    if ((field->type->flags & VT_FIELD_TYPED) != 0) return vt_csv_write_cell(&part->csv, cell, false);
    return vt_csv_write_guarded(&part->csv, cell, false);
}

static VT_RESULT write_time(struct vt_export_part *part, int64_t at_ms)
{
    char text[VT_TIME_TEXT_LEN];
    vt_time_format(at_ms, text);
    return write_text(part, vt_bytes_str(text), false);
}

static VT_RESULT write_csv(const struct vt_export_state *state, struct vt_export_part *part, const struct vt_record *record)
{
    const struct vt_collection *collection = part->entry->collection;
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)record->record);
    VT_TRY(write_text(part, state->info.external_id, true));
    VT_TRY(write_text(part, vt_bytes_str(number), false));
    VT_TRY(write_time(part, record->created_at_ms));
    VT_TRY(write_time(part, record->updated_at_ms));
    if (collection->subject_count == 2) VT_TRY(write_text(part, collection->sides[record->side], false));
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct vt_field *field = &collection->fields[i];
        if (vt_export_is_kept_back(state, field)) continue;
        VT_TRY(write_cell(part, field, vt_value_get_bytes(&record->fields, field->name)));
    }
    return vt_csv_write_end(&part->csv);
}

VT_RESULT vt_export_row(const struct vt_export_state *state, struct vt_export_part *part, const struct vt_record *record)
{
    if (part->rows == 0) VT_TRY(vt_export_csv_header(state, part));
    VT_TRY(write_jsonl(state, part, record));
    VT_TRY(write_csv(state, part, record));
    part->rows++;
    return VAULT_OK;
}
