/* Reading, applying and writing of schemas; records stand in record.c. */
#include "libvault/schema/collection.h"

#include <stdio.h>

#include "libvault/codec/text.h"
#include "libvault/schema/schema_read_internal.h"

enum { DOC_MAX = 1024, STORED_FORMAT = 1, PATH_MAX_LEN = 32 };

static const char *const CARDINALITIES[] = {"one", "many"};
static const char *const SUBJECTS[] = {"one", "two"};
static const char *const FORGETS[] = {"category", "record"};
static const char *const INDEXES[] = {"none", "unique", "many"};
_Static_assert(VT_CARDINALITY_MANY == 1 && VT_FORGET_RECORD == 1 && VT_INDEX_MANY == 2, "places in the lists above");

/* --------------------------------------------------------------------------------------------------- reading */

static VT_RESULT read_type(const struct vt_schema_reader *reader, struct vt_field *field)
{
    const struct vt_value *value = vt_value_get(reader->map, "type");
    if (value == NULL || value->kind != VT_VALUE_TEXT) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value != NULL ? value : reader->map,
                                "Field %s needs a type, the name of one.", (const char *)field->name.data);
    }
    const char *refused = vt_field_refused_name(value->bytes);
    if (refused != NULL) return vt_schema_refuse(reader, VAULT_E_REFUSED_TYPE, value, "%s", refused);
    field->type = vt_field_type_find(value->bytes);
    if (field->type == NULL) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value, "Field %s has a type that does not exist.",
                                (const char *)field->name.data);
    }
    if ((field->type->flags & VT_FIELD_UNSTORABLE) != 0) {
        return vt_schema_refuse(reader, VAULT_E_UNSUPPORTED, value,
                                "Field %s is of type %s, which this version cannot store.",
                                (const char *)field->name.data, field->type->name);
    }
    return VAULT_OK;
}

static VT_RESULT read_category_id(const struct vt_schema_reader *reader, const struct vt_value *value,
                                  const struct vt_field *field, uint16_t *out_number)
{
    const struct vt_category *category = value->kind == VT_VALUE_TEXT ? vt_category_find(value->bytes) : NULL;
    if (category == NULL) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value, "Field %s needs a category: A to L, or U.",
                                (const char *)field->name.data);
    }
    *out_number = category->number;
    return VAULT_OK;
}

static VT_RESULT read_categories(const struct vt_schema_reader *reader, struct vt_field *field)
{
    const struct vt_value *home = vt_value_get(reader->map, "category"), *also = vt_value_get(reader->map, "also");
    const struct vt_value nothing = VT_VALUE_INIT;
    VT_TRY(read_category_id(reader, home != NULL ? home : &nothing, field, &field->category));
    if (also == NULL) return VAULT_OK;
    if (also->kind != VT_VALUE_ARRAY) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, also, "The key also must be a list of categories.");
    }
    for (size_t i = 0; i < also->array.count; i++) {
        uint16_t number = 0;
        VT_TRY(read_category_id(reader, &also->array.items[i], field, &number));
        if (number == field->category || (field->also & 1u << number) != 0) {
            return vt_schema_refuse(reader, VAULT_E_ARGUMENT, also, "Field %s names a category twice.",
                                    (const char *)field->name.data);
        }
        field->also |= 1u << number;
    }
    return VAULT_OK;
}

static VT_RESULT read_index(const struct vt_schema_reader *reader, struct vt_field *field)
{
    unsigned index;
    VT_TRY(vt_schema_read_choice(reader, "index", INDEXES, VT_ARRAY_LEN(INDEXES), &index));
    const struct vt_value *value = vt_value_get(reader->map, "index");
    field->index = (enum vt_index_kind)index;
    if (field->index != VT_INDEX_NONE && (field->type->flags & VT_FIELD_INDEXABLE) == 0) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value, "Field %s cannot be indexed: its type is %s.",
                                (const char *)field->name.data, field->type->name);
    }
    const bool keeps_last4 = (field->type->options & VT_OPTION_POLICY) != 0 && field->options.policy == VT_PAN_LAST4;
    if (field->index == VT_INDEX_UNIQUE && keeps_last4) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value,
                                "Field %s cannot be unique: many cards share their last four digits.",
                                (const char *)field->name.data);
    }
    return VAULT_OK;
}

static VT_RESULT read_side(const struct vt_schema_reader *reader, const struct vt_collection *collection,
                           struct vt_field *field)
{
    const struct vt_value *value = vt_value_get(reader->map, "side");
    field->side = collection->subject_count == 2 ? VT_SIDE_BOTH : VT_SIDE_FIRST;
    if (value == NULL) return VAULT_OK;
    const struct vt_bytes name = value->kind == VT_VALUE_TEXT ? value->bytes : VT_BYTES_EMPTY;
    if (collection->subject_count == 2 && vt_bytes_equal_str(name, "both")) return VAULT_OK;
    for (unsigned i = 0; i < 2 && collection->subject_count == 2; i++) {
        if (!vt_bytes_equal(name, collection->sides[i])) continue;
        field->side = i == 0 ? VT_SIDE_FIRST : VT_SIDE_SECOND;
        return VAULT_OK;
    }
    return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value, "Field %s has a side that its collection does not have.",
                            (const char *)field->name.data);
}

static VT_RESULT read_field(struct vt_pool *pool, const struct vt_schema_reader *reader,
                            const struct vt_collection *collection, struct vt_field *field)
{
    static const char *const KEYS[] = {"name",  "type", "category", "also", "required",
                                       "index", "side", "options",  "doc"};
    VT_TRY(vt_schema_read_keys(reader, KEYS, VT_ARRAY_LEN(KEYS)));
    VT_TRY(vt_schema_read_name(reader, "name", pool, &field->name));
    const char *refused = vt_field_refused_name(field->name);
    if (refused != NULL) {
        return vt_schema_refuse(reader, VAULT_E_REFUSED_TYPE, vt_value_get(reader->map, "name"), "%s", refused);
    }
    VT_TRY(read_type(reader, field));
    VT_TRY(read_categories(reader, field));
    VT_TRY(vt_schema_read_bool(reader, "required", &field->is_required));
    VT_TRY(vt_field_options_read(field->type, vt_value_get(reader->map, "options"), (const char *)field->name.data,
                                 pool, &field->options, reader->err));
    VT_TRY(read_index(reader, field));
    VT_TRY(read_side(reader, collection, field));
    return vt_schema_read_text(reader, "doc", DOC_MAX, &field->doc);
}

static VT_RESULT read_fields(struct vt_pool *pool, const struct vt_schema_reader *whole,
                             struct vt_collection *collection)
{
    const struct vt_value *list = vt_value_get(whole->map, "fields");
    if (list == NULL || list->kind != VT_VALUE_ARRAY || list->array.count == 0) {
        return vt_schema_refuse(whole, VAULT_E_ARGUMENT, list != NULL ? list : whole->map,
                                "The key fields must be a list of one field at least.");
    }
    if (list->array.count > VT_LIMIT_FIELDS_PER_COLLECTION) {
        return vt_schema_refuse(whole, VAULT_E_LIMIT, list, "A collection has at most %d fields.",
                                (int)VT_LIMIT_FIELDS_PER_COLLECTION);
    }
    collection->fields = vt_pool_calloc(pool, list->array.count, sizeof *collection->fields);
    VT_ENSURE(collection->fields != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < list->array.count; i++) {
        char path[PATH_MAX_LEN];
        snprintf(path, sizeof path, "fields[%zu]", i);
        const struct vt_schema_reader reader = {&list->array.items[i], path, whole->err};
        VT_TRY(read_field(pool, &reader, collection, &collection->fields[i]));
        if (vt_collection_field(collection, collection->fields[i].name) != NULL) {
            return vt_schema_refuse(&reader, VAULT_E_ARGUMENT, reader.map, "Field %s stands here twice.",
                                    (const char *)collection->fields[i].name.data);
        }
        collection->field_count = i + 1;
    }
    return VAULT_OK;
}

static VT_RESULT read_sides(struct vt_pool *pool, const struct vt_schema_reader *reader,
                            struct vt_collection *collection)
{
    const struct vt_value *list = vt_value_get(reader->map, "sides");
    if (collection->subject_count == 1) {
        if (list == NULL) return VAULT_OK;
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, list, "The key sides needs the key subjects to be two.");
    }
    bool is_fit = list != NULL && list->kind == VT_VALUE_ARRAY && list->array.count == 2;
    for (size_t i = 0; is_fit && i < 2; i++) {
        const struct vt_value *side = &list->array.items[i];
        is_fit =
            side->kind == VT_VALUE_TEXT && vt_name_is_valid(side->bytes) && !vt_bytes_equal_str(side->bytes, "both");
        if (!is_fit) break;
        collection->sides[i] = vt_pool_copy(pool, side->bytes);
        VT_ENSURE(collection->sides[i].data != NULL, VAULT_E_MEMORY);
    }
    if (!is_fit || vt_bytes_equal(collection->sides[0], collection->sides[1])) {
        return vt_schema_refuse(
            reader, VAULT_E_ARGUMENT, list != NULL ? list : reader->map,
            "Records of two subjects need the key sides: two different names, such as caller and callee.");
    }
    return VAULT_OK;
}

static VT_RESULT read_forget(const struct vt_schema_reader *reader, struct vt_collection *collection)
{
    unsigned forget;
    VT_TRY(vt_schema_read_choice(reader, "forget", FORGETS, VT_ARRAY_LEN(FORGETS), &forget));
    collection->forget = (enum vt_forget)forget;
    if (collection->forget == VT_FORGET_CATEGORY) return VAULT_OK;
    if (collection->cardinality == VT_CARDINALITY_MANY && collection->subject_count == 1) return VAULT_OK;
    return vt_schema_refuse(reader, VAULT_E_ARGUMENT, vt_value_get(reader->map, "forget"),
                            "A key per record needs many records of one subject.");
}

VT_RESULT vt_collection_parse(struct vt_pool *pool, const struct vt_value *schema,
                              struct vt_collection **out_collection, struct vt_err *err)
{
    static const char *const KEYS[] = {"name", "doc", "cardinality", "subjects", "sides", "forget", "fields"};
    const struct vt_schema_reader reader = {schema, "", err};
    struct vt_collection *collection = vt_pool_alloc(pool, sizeof *collection);
    unsigned cardinality, subjects;
    VT_ENSURE(collection != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_schema_read_keys(&reader, KEYS, VT_ARRAY_LEN(KEYS)));
    VT_TRY(vt_schema_read_name(&reader, "name", pool, &collection->name));
    VT_TRY(vt_schema_read_text(&reader, "doc", DOC_MAX, &collection->doc));
    VT_TRY(vt_schema_read_choice(&reader, "cardinality", CARDINALITIES, VT_ARRAY_LEN(CARDINALITIES), &cardinality));
    VT_TRY(vt_schema_read_choice(&reader, "subjects", SUBJECTS, VT_ARRAY_LEN(SUBJECTS), &subjects));
    collection->cardinality = (enum vt_cardinality)cardinality;
    collection->subject_count = subjects + 1;
    VT_TRY(read_sides(pool, &reader, collection));
    VT_TRY(read_forget(&reader, collection));
    if (collection->subject_count == 2 && collection->cardinality == VT_CARDINALITY_ONE) {
        return vt_schema_refuse(&reader, VAULT_E_ARGUMENT, schema,
                                "Records of two subjects need the key cardinality to be many.");
    }
    VT_TRY(read_fields(pool, &reader, collection));
    *out_collection = collection;
    return VAULT_OK;
}

const struct vt_field *vt_collection_field(const struct vt_collection *collection, struct vt_bytes name)
{
    for (size_t i = 0; i < collection->field_count; i++) {
        if (vt_bytes_equal(collection->fields[i].name, name)) return &collection->fields[i];
    }
    return NULL;
}

const struct vt_field *vt_collection_field_by_id(const struct vt_collection *collection, uint16_t id)
{
    for (size_t i = 0; i < collection->field_count && id != 0; i++) {
        if (collection->fields[i].id == id) return &collection->fields[i];
    }
    return NULL;
}

uint32_t vt_collection_categories(const struct vt_collection *collection)
{
    uint32_t categories = 0;
    for (size_t i = 0; i < collection->field_count; i++) categories |= 1u << collection->fields[i].category;
    return categories;
}

/* -------------------------------------------------------------------------------------------------- applying */

static bool has_value(const struct vt_field_options *options, struct vt_bytes value)
{
    for (size_t i = 0; i < options->value_count; i++) {
        if (vt_bytes_equal(options->values[i], value)) return true;
    }
    return false;
}

/* What was taken before is taken still. How reserved areas and card numbers are treated never changes: rows written
 * under one rule would stand beside rows written under the other. */
static bool is_widened(const struct vt_field_options *now, const struct vt_field_options *old)
{
    if (now->accept_reserved != old->accept_reserved || now->policy != old->policy) return false;
    if (now->min > old->min || now->max < old->max) return false;
    for (size_t i = 0; i < old->value_count; i++) {
        if (!has_value(now, old->values[i])) return false;
    }
    return true;
}

/* Why a field that is in force may not become this one; NULL when it may. */
static const char *field_conflict(const struct vt_field *now, const struct vt_field *old)
{
    if (now->type != old->type) return "would change its type";
    if (now->category != old->category) return "would change its category, whose key has sealed it";
    if (now->index != old->index) return "would change its index, which is written with the records";
    if (now->side != old->side) return "would move to the other side's records";
    if (now->is_required && !old->is_required) return "would become required, and records may lack it";
    if (!is_widened(&now->options, &old->options)) return "would narrow or change its options";
    return NULL;
}

static VT_RESULT apply_field(struct vt_collection *collection, const struct vt_field *old, struct vt_err *err)
{
    const char *name = (const char *)old->name.data;
    for (size_t i = 0; i < collection->field_count; i++) {
        struct vt_field *now = &collection->fields[i];
        if (!vt_bytes_equal(now->name, old->name)) continue;
        const char *conflict = field_conflict(now, old);
        if (conflict != NULL) return vt_fail(err, VAULT_E_STATE, name, "Field %s %s.", name, conflict);
        now->id = old->id;
        return VAULT_OK;
    }
    return vt_fail(err, VAULT_E_STATE, name, "Field %s would be removed, and records may hold it.", name);
}

static const char *collection_conflict(const struct vt_collection *now, const struct vt_collection *old)
{
    if (!vt_bytes_equal(now->name, old->name)) return "its name";
    if (now->cardinality != old->cardinality) return "its cardinality";
    if (now->subject_count != old->subject_count) return "its number of subjects";
    if (!vt_bytes_equal(now->sides[0], old->sides[0]) || !vt_bytes_equal(now->sides[1], old->sides[1])) {
        return "its sides";
    }
    return now->forget != old->forget ? "how it is forgotten" : NULL;
}

static VT_RESULT number_new_fields(struct vt_collection *collection, bool is_first, struct vt_err *err)
{
    for (size_t i = 0; i < collection->field_count; i++) {
        struct vt_field *field = &collection->fields[i];
        const char *name = (const char *)field->name.data;
        if (field->id != 0) continue;
        if (field->is_required && !is_first) {
            return vt_fail(err, VAULT_E_STATE, name, "Field %s is new and required, and records lack it.", name);
        }
        if (collection->next_field_id == UINT16_MAX) {
            return vt_fail(err, VAULT_E_LIMIT, name, "The collection has no field numbers left.");
        }
        field->id = collection->next_field_id++;
    }
    return VAULT_OK;
}

VT_RESULT vt_collection_apply(struct vt_collection *collection, const struct vt_collection *old, struct vt_err *err)
{
    VT_BUG_ON(old != NULL && old->next_field_id == 0);
    for (size_t i = 0; i < collection->field_count; i++) collection->fields[i].id = 0;
    collection->next_field_id = old != NULL ? old->next_field_id : 1;
    const char *changed = old != NULL ? collection_conflict(collection, old) : NULL;
    if (changed != NULL) {
        return vt_fail(err, VAULT_E_STATE, "", "The collection would change %s, on which its records rest.",
                       changed);
    }
    for (size_t i = 0; old != NULL && i < old->field_count; i++) VT_TRY(apply_field(collection, &old->fields[i], err));
    VT_TRY(number_new_fields(collection, old == NULL, err));
    const bool is_same = old != NULL && vt_collection_same(collection, old);
    collection->version = old == NULL ? 1 : is_same ? old->version : old->version + 1;
    return VAULT_OK;
}

static bool is_same_options(const struct vt_field_options *a, const struct vt_field_options *b)
{
    return is_widened(a, b) && is_widened(b, a);
}

bool vt_collection_same(const struct vt_collection *a, const struct vt_collection *b)
{
    if (collection_conflict(a, b) != NULL || a->field_count != b->field_count) return false;
    if (!vt_bytes_equal(a->doc, b->doc)) return false;
    for (size_t i = 0; i < a->field_count; i++) {
        const struct vt_field *one = &a->fields[i], *other = &b->fields[i];
        const bool is_same = vt_bytes_equal(one->name, other->name) && one->type == other->type &&
                             one->category == other->category && one->also == other->also &&
                             one->index == other->index && one->side == other->side &&
                             one->is_required == other->is_required && vt_bytes_equal(one->doc, other->doc) &&
                             is_same_options(&one->options, &other->options);
        if (!is_same) return false;
    }
    return true;
}

/* --------------------------------------------------------------------------------------------------- writing */

static VT_RESULT put_text(struct vt_pool *pool, struct vt_value *map, const char *key, struct vt_bytes text)
{
    return text.len == 0 ? VAULT_OK : vt_value_put(pool, map, key, vt_value_text(text), NULL);
}

/* A choice other than the first, which is the default. */
static VT_RESULT put_choice(struct vt_pool *pool, struct vt_value *map, const char *key, const char *const *choices,
                            unsigned choice)
{
    return choice == 0 ? VAULT_OK : vt_value_put(pool, map, key, vt_value_str(choices[choice]), NULL);
}

static VT_RESULT put_also(struct vt_pool *pool, struct vt_value *map, uint32_t also)
{
    struct vt_value list = vt_value_array();
    for (uint16_t number = 1; number <= VT_CATEGORY_MAX; number++) {
        if ((also & 1u << number) == 0) continue;
        VT_TRY(vt_value_push(pool, &list, vt_value_str(vt_category_at(number)->id), NULL));
    }
    return list.array.count == 0 ? VAULT_OK : vt_value_put(pool, map, "also", list, NULL);
}

static VT_RESULT field_to_value(struct vt_pool *pool, const struct vt_collection *collection,
                                const struct vt_field *field, struct vt_value *out_value)
{
    struct vt_value map = vt_value_map(), options;
    VT_TRY(put_text(pool, &map, "name", field->name));
    VT_TRY(vt_value_put(pool, &map, "type", vt_value_str(field->type->name), NULL));
    VT_TRY(vt_value_put(pool, &map, "category", vt_value_str(vt_category_at(field->category)->id), NULL));
    VT_TRY(put_also(pool, &map, field->also));
    if (field->is_required) VT_TRY(vt_value_put(pool, &map, "required", vt_value_bool(true), NULL));
    VT_TRY(put_choice(pool, &map, "index", INDEXES, field->index));
    if (collection->subject_count == 2 && field->side != VT_SIDE_BOTH) {
        VT_TRY(put_text(pool, &map, "side", collection->sides[field->side == VT_SIDE_SECOND]));
    }
    VT_TRY(vt_field_options_write(field->type, &field->options, pool, &options));
    if (options.kind == VT_VALUE_MAP) VT_TRY(vt_value_put(pool, &map, "options", options, NULL));
    VT_TRY(put_text(pool, &map, "doc", field->doc));
    *out_value = map;
    return VAULT_OK;
}

static VT_RESULT put_sides(struct vt_pool *pool, const struct vt_collection *collection, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    if (collection->subject_count == 1) return VAULT_OK;
    for (size_t i = 0; i < 2; i++) VT_TRY(vt_value_push(pool, &list, vt_value_text(collection->sides[i]), NULL));
    VT_TRY(vt_value_put(pool, map, "subjects", vt_value_str("two"), NULL));
    return vt_value_put(pool, map, "sides", list, NULL);
}

VT_RESULT vt_collection_to_value(struct vt_pool *pool, const struct vt_collection *collection,
                                 struct vt_value *out_value)
{
    struct vt_value map = vt_value_map(), list = vt_value_array();
    VT_TRY(put_text(pool, &map, "name", collection->name));
    VT_TRY(put_text(pool, &map, "doc", collection->doc));
    VT_TRY(put_choice(pool, &map, "cardinality", CARDINALITIES, collection->cardinality));
    VT_TRY(put_sides(pool, collection, &map));
    VT_TRY(put_choice(pool, &map, "forget", FORGETS, collection->forget));
    for (size_t i = 0; i < collection->field_count; i++) {
        struct vt_value field;
        VT_TRY(field_to_value(pool, collection, &collection->fields[i], &field));
        VT_TRY(vt_value_push(pool, &list, field, NULL));
    }
    VT_TRY(vt_value_put(pool, &map, "fields", list, NULL));
    *out_value = map;
    return VAULT_OK;
}

VT_RESULT vt_collection_to_stored(struct vt_pool *pool, const struct vt_collection *collection,
                                  struct vt_value *out_value)
{
    struct vt_value map = vt_value_map(), ids = vt_value_array(), schema;
    VT_BUG_ON(collection->next_field_id == 0);
    VT_TRY(vt_collection_to_value(pool, collection, &schema));
    for (size_t i = 0; i < collection->field_count; i++) {
        VT_TRY(vt_value_push(pool, &ids, vt_value_int(collection->fields[i].id), NULL));
    }
    VT_TRY(vt_value_put(pool, &map, "format", vt_value_int(STORED_FORMAT), NULL));
    VT_TRY(vt_value_put(pool, &map, "version", vt_value_int(collection->version), NULL));
    VT_TRY(vt_value_put(pool, &map, "next_field_id", vt_value_int(collection->next_field_id), NULL));
    VT_TRY(vt_value_put(pool, &map, "field_ids", ids, NULL));
    VT_TRY(vt_value_put(pool, &map, "schema", schema, NULL));
    *out_value = map;
    return VAULT_OK;
}

/* Numbers are within what has been handed out, each once. */
static VT_RESULT restore_ids(const struct vt_value *stored, struct vt_collection *collection)
{
    const struct vt_value *ids = vt_value_get(stored, "field_ids");
    const int64_t next = vt_value_get_int(stored, "next_field_id", 0);
    const int64_t version = vt_value_get_int(stored, "version", 0);
    VT_ENSURE(next >= 1 && next <= UINT16_MAX && version >= 1 && version <= UINT32_MAX, VAULT_E_CORRUPT);
    VT_ENSURE(ids != NULL && ids->kind == VT_VALUE_ARRAY, VAULT_E_CORRUPT);
    VT_ENSURE(ids->array.count == collection->field_count, VAULT_E_CORRUPT);
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct vt_value *id = &ids->array.items[i];
        VT_ENSURE(id->kind == VT_VALUE_INT && id->integer >= 1 && id->integer < next, VAULT_E_CORRUPT);
        VT_ENSURE(vt_collection_field_by_id(collection, (uint16_t)id->integer) == NULL, VAULT_E_CORRUPT);
        collection->fields[i].id = (uint16_t)id->integer;
    }
    collection->next_field_id = (uint16_t)next;
    collection->version = (uint32_t)version;
    return VAULT_OK;
}

VT_RESULT vt_collection_from_stored(struct vt_pool *pool, const struct vt_value *stored,
                                    struct vt_collection **out_collection)
{
    const struct vt_value *schema = vt_value_get(stored, "schema");
    struct vt_collection *collection;
    VT_ENSURE(vt_value_get(stored, "format") != NULL, VAULT_E_CORRUPT);
    VT_ENSURE(vt_value_get_int(stored, "format", 0) == STORED_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(schema != NULL, VAULT_E_CORRUPT);
    const vault_status status = vt_collection_parse(pool, schema, &collection, NULL);
    if (status != VAULT_OK) return status == VAULT_E_MEMORY ? status : VAULT_E_CORRUPT;
    VT_TRY(restore_ids(stored, collection));
    *out_collection = collection;
    return VAULT_OK;
}
