/* Token templates: how tokens of one kind look and behave. Kept as sealed objects: number 2 | format 1 | collection 2 | field 2 |
 * keep last 1 | flags 1 (bit 0 deterministic) | name. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/codec/yaml.h"
#include "vaultd/core/token/token.h"

enum { TEMPLATES_MAX = 1024, OBJECT_HEAD_LEN = 9, OBJECT_MAX = 256, DIGITS_KEEP_MAX = 4 };

struct vt_template_set {
    atomic_uint references;
    vt_tenant_id tenant;
    struct vt_template *items;
    size_t count, cap;
};
struct vt_templates {
    pthread_mutex_t mutex;
    struct vt_template_set *set;
};

VT_RESULT vt_templates_new(struct vt_templates **out_templates)
{
    struct vt_templates *templates = vt_calloc(1, sizeof *templates);
    VT_ENSURE(templates != NULL, VAULT_E_MEMORY);
    pthread_mutex_init(&templates->mutex, NULL);
    *out_templates = templates;
    return VAULT_OK;
}

void vt_templates_free(struct vt_templates *templates)
{
    if (templates == NULL) return;
    if (templates->set != NULL) vt_template_set_release(templates->set);
    pthread_mutex_destroy(&templates->mutex);
    free(templates);
}

void vt_template_set_release(struct vt_template_set *set)
{
    if (atomic_fetch_sub(&set->references, 1) != 1) return;
    free(set->items);
    free(set);
}

struct vt_template_set *vt_templates_acquire(struct vt_templates *templates, vt_tenant_id tenant)
{
    pthread_mutex_lock(&templates->mutex);
    struct vt_template_set *set = templates->set != NULL && templates->set->tenant == tenant ? templates->set : NULL;
    if (set != NULL) atomic_fetch_add(&set->references, 1);
    pthread_mutex_unlock(&templates->mutex);
    return set;
}

static VT_RESULT set_add(struct vt_template_set *set, const struct vt_template *item)
{
    VT_ENSURE(set->count < TEMPLATES_MAX, VAULT_E_LIMIT);
    if (set->count == set->cap) {
        const size_t cap = set->cap != 0 ? 2 * set->cap : 16;
        struct vt_template *grown = vt_calloc(cap, sizeof *grown);
        VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
        if (set->count != 0) memcpy(grown, set->items, set->count * sizeof *grown);
        free(set->items);
        set->items = grown;
        set->cap = cap;
    }
    set->items[set->count++] = *item;
    return VAULT_OK;
}

static vault_status load_one(void *context, struct vt_bytes object)
{
    struct vt_template item = {.number = 0};
    VT_ENSURE(object.len > OBJECT_HEAD_LEN && object.len - OBJECT_HEAD_LEN < sizeof item.name, VAULT_E_CORRUPT);
    const uint8_t *in = object.data;
    item.number = vt_get_u16(in);
    item.format = in[2];
    VT_ENSURE(item.format == VT_TOKEN_OPAQUE || item.format == VT_TOKEN_DIGITS, VAULT_E_FORMAT);
    item.collection = vt_get_u16(in + 3);
    item.field = vt_get_u16(in + 5);
    item.keep_last = in[7];
    item.is_deterministic = (in[8] & 1) != 0;
    memcpy(item.name, in + OBJECT_HEAD_LEN, object.len - OBJECT_HEAD_LEN);
    return set_add(context, &item);
}

VT_RESULT vt_templates_load(struct vt_templates *templates, struct vt_keyring_view *view, vt_tenant_id tenant)
{
    struct vt_template_set *set = vt_calloc(1, sizeof *set);
    VT_ENSURE(set != NULL, VAULT_E_MEMORY);
    atomic_store(&set->references, 1);
    set->tenant = tenant;
    const vault_status status = vt_config_each(view, tenant, VT_CONFIG_TEMPLATE, load_one, set);
    if (status != VAULT_OK) {
        vt_template_set_release(set);
        return status;
    }
    pthread_mutex_lock(&templates->mutex);
    struct vt_template_set *old = templates->set;
    templates->set = set;
    pthread_mutex_unlock(&templates->mutex);
    if (old != NULL) vt_template_set_release(old);
    return VAULT_OK;
}

const struct vt_template *vt_template_set_find(const struct vt_template_set *set, struct vt_bytes name)
{
    for (size_t i = 0; i < set->count; i++)
        if (vt_bytes_equal_str(name, set->items[i].name)) return &set->items[i];
    return NULL;
}

const struct vt_template *vt_template_set_by_number(const struct vt_template_set *set, uint16_t number)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i].number == number) return &set->items[i];
    return NULL;
}

size_t vt_template_set_count(const struct vt_template_set *set)
{
    return set->count;
}

const struct vt_template *vt_template_set_at(const struct vt_template_set *set, size_t index)
{
    return index < set->count ? &set->items[index] : NULL;
}

/* Planning ----------------------------------------------------------------------------------------------------------- */

static VT_RESULT refuse(const struct vt_subject_env *env, vault_status status, const char *field, const char *sentence)
{
    return vt_fail(env->err, status, field, "%s", sentence);
}

static VT_RESULT check_kind(const struct vt_subject_env *env, const struct vt_value *map, const char *key,
                            enum vt_value_kind kind, const char *sentence)
{
    const struct vt_value *value = vt_value_get(map, key);
    return value == NULL || value->kind == kind ? VAULT_OK : refuse(env, VAULT_E_TYPE, key, sentence);
}

/* What is of another kind would count as absent, and a template that was applied so can never be mended. */
static VT_RESULT check_keys(const struct vt_subject_env *env, const struct vt_value *map)
{
    static const char *const KNOWN[] = {"name", "format", "collection", "field", "keep_last", "deterministic", "doc"};
    if (map->kind != VT_VALUE_MAP) return refuse(env, VAULT_E_TYPE, "templates", "Each template must be a map.");
    for (size_t i = 0; i < map->map.count; i++) {
        bool is_known = false;
        for (size_t j = 0; j < VT_ARRAY_LEN(KNOWN); j++) is_known |= vt_bytes_equal_str(map->map.pairs[i].key, KNOWN[j]);
        if (!is_known)
            return vt_fail(env->err, VAULT_E_UNKNOWN_FIELD, "templates", "Line %u: a template has no such key.",
                           map->map.pairs[i].value.line);
    }
    VT_TRY(check_kind(env, map, "keep_last", VT_VALUE_INT, "The key keep_last must be a whole number."));
    return check_kind(env, map, "deterministic", VT_VALUE_BOOL, "The key deterministic must be true or false.");
}

static VT_RESULT read_target(const struct vt_subject_env *env, const struct vt_value *map, struct vt_template *item,
                             const struct vt_field **out_field)
{
    const struct vt_collection_entry *entry = vt_schema_set_find(env->schemas, vt_value_get_text(map, "collection"));
    if (entry == NULL) return refuse(env, VAULT_E_NOT_FOUND, "collection", "The template's collection does not exist.");
    const struct vt_field *field = vt_collection_field(entry->collection, vt_value_get_text(map, "field"));
    if (field == NULL) return refuse(env, VAULT_E_NOT_FOUND, "field", "The template's field does not exist in its collection.");
    if (entry->collection->subject_count != 1)
        return refuse(env, VAULT_E_ARGUMENT, "collection", "Tokens stand for values of one subject.");
    for (size_t i = 0; i < entry->collection->field_count; i++)
        if (entry->collection->fields[i].is_required && &entry->collection->fields[i] != field)
            return refuse(env, VAULT_E_ARGUMENT, "collection",
                          "Another field of the collection is required, so a value alone could not make a record in it.");
    if (entry->collection->cardinality != VT_CARDINALITY_MANY)
        return refuse(env, VAULT_E_ARGUMENT, "collection", "The template's collection must hold many records per subject.");
    item->collection = entry->number;
    item->field = field->id;
    *out_field = field;
    return VAULT_OK;
}

static VT_RESULT read_format(const struct vt_subject_env *env, const struct vt_value *map, const struct vt_field *field,
                             struct vt_template *item)
{
    const struct vt_bytes format = vt_value_get_text(map, "format");
    const int64_t keep_last = vt_value_get_int(map, "keep_last", 0);
    if (vt_bytes_equal_str(format, "opaque")) item->format = VT_TOKEN_OPAQUE;
    else if (vt_bytes_equal_str(format, "digits")) item->format = VT_TOKEN_DIGITS;
    else return refuse(env, VAULT_E_ARGUMENT, "format", "The format must be opaque or digits.");
    if (item->format == VT_TOKEN_DIGITS && strcmp(field->type->name, "pan") != 0)
        return refuse(env, VAULT_E_ARGUMENT, "format", "Digit tokens stand for card numbers only.");
    if (keep_last < 0 || keep_last > DIGITS_KEEP_MAX || (keep_last != 0 && item->format != VT_TOKEN_DIGITS))
        return refuse(env, VAULT_E_ARGUMENT, "keep_last", "A digit token keeps 0 to 4 of the last digits; others keep none.");
    item->keep_last = (uint8_t)keep_last;
    item->is_deterministic = vt_value_get_bool(map, "deterministic", false);
    return VAULT_OK;
}

static VT_RESULT template_read(const struct vt_subject_env *env, const struct vt_value *map, struct vt_template *out_item)
{
    struct vt_template item = {.number = 0};
    const struct vt_field *field = NULL;
    VT_TRY(check_keys(env, map));
    const struct vt_bytes name = vt_value_get_text(map, "name");
    if (!vt_name_is_valid(name)) return refuse(env, VAULT_E_ARGUMENT, "name", "The template needs a name of lower-case letters.");
    memcpy(item.name, name.data, name.len);
    VT_TRY(read_target(env, map, &item, &field));
    VT_TRY(read_format(env, map, field, &item));
    *out_item = item;
    return VAULT_OK;
}

static bool is_same(const struct vt_template *a, const struct vt_template *b)
{
    return a->format == b->format && a->collection == b->collection && a->field == b->field &&
           a->keep_last == b->keep_last && a->is_deterministic == b->is_deterministic;
}

static VT_RESULT template_store(const struct vt_subject_env *env, const struct vt_template *item, struct vt_change *change)
{
    VT_AUTO(vt_buf) object = VT_BUF_INIT(OBJECT_MAX);
    VT_TRY(vt_buf_append_u16(&object, item->number));
    VT_TRY(vt_buf_append_byte(&object, (uint8_t)item->format));
    VT_TRY(vt_buf_append_u16(&object, item->collection));
    VT_TRY(vt_buf_append_u16(&object, item->field));
    VT_TRY(vt_buf_append_byte(&object, item->keep_last));
    VT_TRY(vt_buf_append_byte(&object, item->is_deterministic ? 1 : 0));
    VT_TRY(vt_buf_append_str(&object, item->name));
    return vt_config_put(change, env->view, env->tenant, VT_CONFIG_TEMPLATE, vt_bytes_str(item->name), vt_buf_bytes(&object));
}

static VT_RESULT plan_report(const struct vt_subject_env *env, const struct vt_template *item, const char *state,
                             struct vt_value *report)
{
    struct vt_value map = vt_value_map();
    const struct vt_bytes name = vt_pool_copy(env->pool, vt_bytes_str(item->name));
    VT_ENSURE(name.data != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < report->array.count; i++)
        if (vt_bytes_equal(vt_value_get_text(&report->array.items[i], "name"), name))
            return refuse(env, VAULT_E_ARGUMENT, "templates", "The file names a template twice.");
    VT_TRY(vt_value_put(env->pool, &map, "name", vt_value_text(name), NULL));
    VT_TRY(vt_value_put(env->pool, &map, "state", vt_value_str(state), NULL));
    return vt_value_push(env->pool, report, map, NULL);
}

/* Tokens in the field were made by the template's rules: what they look like and stand for does not change under them. */
static VT_RESULT plan_one(const struct vt_template_set *set, const struct vt_subject_env *env, const struct vt_value *map,
                          uint16_t *next_number, struct vt_change *change, struct vt_value *report)
{
    struct vt_template item;
    VT_TRY(template_read(env, map, &item));
    const struct vt_template *old = vt_template_set_find(set, vt_bytes_str(item.name));
    if (old != NULL && is_same(old, &item)) return plan_report(env, &item, "unchanged", report);
    if (old != NULL)
        return refuse(env, VAULT_E_STATE, "templates",
                      "A template cannot change once it is applied; give the new rules a new name.");
    VT_ENSURE(*next_number != UINT16_MAX, VAULT_E_LIMIT);
    item.number = (*next_number)++;
    VT_TRY(template_store(env, &item, change));
    return plan_report(env, &item, "created", report);
}

static VT_RESULT plan_all(const struct vt_template_set *set, const struct vt_subject_env *env, struct vt_bytes yaml,
                          struct vt_change *change, struct vt_value *report)
{
    struct vt_value document;
    uint16_t next_number = 1;
    VT_TRY(vt_yaml_read(env->pool, yaml, &document, env->err));
    const struct vt_value *list = vt_value_get(&document, "templates");
    if (list == NULL || list->kind != VT_VALUE_ARRAY || document.map.count != 1)
        return refuse(env, VAULT_E_ARGUMENT, "templates", "The file must hold a list under the key templates and nothing else.");
    for (size_t i = 0; i < set->count; i++) next_number = VT_MAX(next_number, (uint16_t)(set->items[i].number + 1));
    for (size_t i = 0; i < list->array.count; i++)
        VT_TRY(plan_one(set, env, &list->array.items[i], &next_number, change, report));
    return VAULT_OK;
}

VT_RESULT vt_templates_plan(struct vt_templates *templates, const struct vt_subject_env *env, struct vt_bytes yaml,
                            struct vt_change *change, struct vt_value *out_report)
{
    struct vt_template_set *set = vt_templates_acquire(templates, env->tenant);
    struct vt_value report = vt_value_array();
    VT_ENSURE(set != NULL, VAULT_E_STATE);
    const vault_status status = plan_all(set, env, yaml, change, &report);
    vt_template_set_release(set);
    VT_TRY(status);
    *out_report = report;
    return VAULT_OK;
}
