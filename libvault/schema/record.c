/* Records under a schema: checking, splitting by category, the content of a sealed row. */
#include "libvault/codec/msgpack.h"
#include "libvault/schema/collection.h"

enum { ROW_FORMAT = 1 };

static bool is_present(const struct vt_value *value)
{
    return value != NULL && value->kind != VT_VALUE_NIL;
}

/* The value of a field; @p guess is where it stands when the input keeps the schema's order, as imports do. */
static const struct vt_value *find_value(const struct vt_value *input, const struct vt_field *field, size_t guess)
{
    if (guess < input->map.count && vt_bytes_equal(input->map.pairs[guess].key, field->name)) {
        return &input->map.pairs[guess].value;
    }
    return vt_value_get_bytes(input, field->name);
}

static VT_RESULT validate_field(const struct vt_field *field, const struct vt_value *input,
                                const struct vt_record_rules *rules, struct vt_pool *pool, struct vt_value *record,
                                struct vt_err *err)
{
    const char *name = (const char *)field->name.data;
    const struct vt_field_check check = {name, &field->options, rules->now_ms, pool, err};
    struct vt_value stored = VT_VALUE_INIT;
    const bool is_removed = rules->is_partial && input != NULL && !is_present(input);
    if (!is_present(input) && field->is_required && (is_removed || !rules->is_partial)) {
        return vt_fail(err, VAULT_E_ARGUMENT, name, "Field %s is required.", name);
    }
    if (!is_present(input) && !is_removed) return VAULT_OK;
    if (!is_removed) VT_TRY(vt_field_check_value(field->type, &check, input, &stored));
    return vt_value_put(pool, record, name, stored, NULL);
}

VT_RESULT vt_record_validate(const struct vt_collection *collection, const struct vt_value *input,
                             const struct vt_record_rules *rules, struct vt_pool *pool, struct vt_value *out_record,
                             struct vt_err *err)
{
    struct vt_value record = vt_value_map();
    size_t known = 0;
    if (input->kind != VT_VALUE_MAP) {
        return vt_fail(err, VAULT_E_TYPE, "", "A record is a map of fields, not %s.", vt_value_kind_name(input->kind));
    }
    VT_TRY(vt_value_reserve(pool, &record, VT_MIN(input->map.count, collection->field_count)));
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct vt_value *value = find_value(input, &collection->fields[i], known);
        known += value != NULL;
        VT_TRY(validate_field(&collection->fields[i], value, rules, pool, &record, err));
    }
    if (known != input->map.count) {
        return vt_fail(err, VAULT_E_UNKNOWN_FIELD, "", "The record has a field that collection %s does not have.",
                       (const char *)collection->name.data);
    }
    *out_record = record;
    return VAULT_OK;
}

static bool is_of_part(const struct vt_field *field, enum vt_side side, uint16_t category)
{
    return field->category == category && (field->side & side) != 0;
}

/* At least one: there is always something to allocate. */
static size_t fields_of(const struct vt_collection *collection, enum vt_side side, uint16_t category)
{
    size_t count = 0;
    for (size_t i = 0; i < collection->field_count; i++) count += is_of_part(&collection->fields[i], side, category);
    return VT_MAX(count, (size_t)1);
}

static VT_RESULT fill_part(const struct vt_collection *collection, const struct vt_value *record, enum vt_side side,
                           uint16_t category, struct vt_pool *pool, struct vt_record_part *part)
{
    struct vt_record_item *items = vt_pool_calloc(pool, fields_of(collection, side, category), sizeof *items);
    size_t count = 0;
    VT_ENSURE(items != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct vt_field *field = &collection->fields[i];
        if (!is_of_part(field, side, category)) continue;
        const struct vt_value *value = vt_value_get_bytes(record, field->name);
        if (is_present(value)) items[count++] = (struct vt_record_item){field, *value};
    }
    *part = (struct vt_record_part){category, items, count};
    return VAULT_OK;
}

VT_RESULT vt_record_split(const struct vt_collection *collection, const struct vt_value *record, enum vt_side side,
                          struct vt_pool *pool, struct vt_record_part out_parts[VT_CATEGORY_COUNT], size_t *out_count)
{
    const uint32_t categories = vt_collection_categories(collection);
    size_t count = 0;
    for (uint16_t category = 1; category <= VT_CATEGORY_MAX; category++) {
        if ((categories & 1u << category) == 0) continue;
        VT_TRY(fill_part(collection, record, side, category, pool, &out_parts[count]));
        count += out_parts[count].count != 0;
    }
    *out_count = count;
    return VAULT_OK;
}

VT_RESULT vt_record_part_write(struct vt_buf *out, const struct vt_record_part *part)
{
    VT_TRY(vt_msgpack_write_array(out, (uint32_t)(1 + 2 * part->count)));
    VT_TRY(vt_msgpack_write_uint(out, ROW_FORMAT));
    for (size_t i = 0; i < part->count; i++) {
        VT_BUG_ON(part->items[i].field->id == 0);
        VT_TRY(vt_msgpack_write_uint(out, part->items[i].field->id));
        VT_TRY(vt_msgpack_write(out, &part->items[i].value));
    }
    return VAULT_OK;
}

static VT_RESULT read_item(struct vt_pool *pool, const struct vt_collection *collection, const struct vt_value *number,
                           const struct vt_value *value, struct vt_value *record)
{
    VT_ENSURE(number->kind == VT_VALUE_INT && number->integer > 0 && number->integer <= UINT16_MAX, VAULT_E_CORRUPT);
    const struct vt_field *field = vt_collection_field_by_id(collection, (uint16_t)number->integer);
    VT_ENSURE(field != NULL && is_present(value), VAULT_E_CORRUPT);
    VT_ENSURE(field->type->kind == VT_VALUE_MAP || field->type->kind == value->kind, VAULT_E_CORRUPT);
    const vault_status status = vt_value_put_new(pool, record, field->name, *value, NULL);
    return status == VAULT_E_PARSE ? VAULT_E_CORRUPT : status;
}

VT_RESULT vt_record_part_read(struct vt_pool *pool, const struct vt_collection *collection, struct vt_bytes row,
                              struct vt_value *record)
{
    struct vt_value content;
    const vault_status status = vt_msgpack_read(pool, row, &content, NULL);
    if (status != VAULT_OK) return status == VAULT_E_MEMORY ? status : VAULT_E_CORRUPT;
    VT_ENSURE(content.kind == VT_VALUE_ARRAY && content.array.count >= 1, VAULT_E_CORRUPT);
    const struct vt_value *items = content.array.items;
    VT_ENSURE(items[0].kind == VT_VALUE_INT, VAULT_E_CORRUPT);
    VT_ENSURE(items[0].integer == ROW_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(content.array.count % 2 == 1, VAULT_E_CORRUPT);
    for (size_t i = 1; i < content.array.count; i += 2) {
        VT_TRY(read_item(pool, collection, &items[i], &items[i + 1], record));
    }
    return VAULT_OK;
}
