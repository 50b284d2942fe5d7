#include "vaultd/core/subject/schemas.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/msgpack.h"
#include "libvault/codec/yaml.h"

enum { COLLECTIONS_MAX = 1024, SET_POOL_MAX = 64 * 1024 * 1024, OBJECT_MAX = 2 * 1024 * 1024 };

struct vt_schema_set {
    atomic_uint references;
    vt_tenant_id tenant;
    struct vt_pool pool;
    struct vt_collection_entry *entries;    /* by number */
    size_t count, cap;
};

/* One tenant's set for now; tenants come with their commands. */
struct vt_schemas {
    pthread_mutex_t mutex;
    struct vt_schema_set *set;
};

VT_RESULT vt_schemas_new(struct vt_schemas **out_schemas)
{
    struct vt_schemas *schemas = vt_calloc(1, sizeof *schemas);
    VT_ENSURE(schemas != NULL, VAULT_E_MEMORY);
    pthread_mutex_init(&schemas->mutex, NULL);
    *out_schemas = schemas;
    return VAULT_OK;
}

void vt_schemas_free(struct vt_schemas *schemas)
{
    if (schemas == NULL) return;
    if (schemas->set != NULL) vt_schema_set_release(schemas->set);
    pthread_mutex_destroy(&schemas->mutex);
    free(schemas);
}

void vt_schema_set_release(struct vt_schema_set *set)
{
    if (atomic_fetch_sub(&set->references, 1) != 1) return;
    vt_pool_release(&set->pool);
    free(set);
}

struct vt_schema_set *vt_schemas_acquire(struct vt_schemas *schemas, vt_tenant_id tenant)
{
    pthread_mutex_lock(&schemas->mutex);
    struct vt_schema_set *set = schemas->set != NULL && schemas->set->tenant == tenant ? schemas->set : NULL;
    if (set != NULL) atomic_fetch_add(&set->references, 1);
    pthread_mutex_unlock(&schemas->mutex);
    return set;
}

static VT_RESULT set_add(struct vt_schema_set *set, uint16_t number, const struct vt_collection *collection)
{
    VT_ENSURE(set->count < COLLECTIONS_MAX, VAULT_E_LIMIT);
    if (set->count == set->cap) {
        const size_t cap = set->cap != 0 ? 2 * set->cap : 16;
        struct vt_collection_entry *grown = vt_pool_calloc(&set->pool, cap, sizeof *grown);
        VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
        if (set->count != 0) memcpy(grown, set->entries, set->count * sizeof *grown);
        set->entries = grown;
        set->cap = cap;
    }
    size_t at = set->count++;
    for (; at > 0 && set->entries[at - 1].number > number; at--) set->entries[at] = set->entries[at - 1];
    set->entries[at] = (struct vt_collection_entry){number, collection};
    return VAULT_OK;
}

/* Stored object: collection number 2 | vt_collection_to_stored() as msgpack. */
static vault_status load_one(void *context, struct vt_bytes object)
{
    struct vt_schema_set *set = context;
    struct vt_value stored;
    struct vt_collection *collection;
    VT_ENSURE(object.len > 2, VAULT_E_CORRUPT);
    const struct vt_bytes packed = vt_pool_copy(&set->pool, vt_bytes(object.data + 2, object.len - 2));
    VT_ENSURE(packed.data != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_msgpack_read(&set->pool, packed, &stored, NULL));
    VT_TRY(vt_collection_from_stored(&set->pool, &stored, &collection));
    return set_add(set, vt_get_u16(object.data), collection);
}

VT_RESULT vt_schemas_load(struct vt_schemas *schemas, struct vt_keyring_view *view, vt_tenant_id tenant)
{
    struct vt_schema_set *set = vt_calloc(1, sizeof *set);
    VT_ENSURE(set != NULL, VAULT_E_MEMORY);
    atomic_store(&set->references, 1);
    set->tenant = tenant;
    set->pool = VT_POOL_INIT(SET_POOL_MAX);
    const vault_status status = vt_config_each(view, tenant, VT_CONFIG_COLLECTION, load_one, set);
    if (status != VAULT_OK) {
        vt_schema_set_release(set);
        return status;
    }
    pthread_mutex_lock(&schemas->mutex);
    struct vt_schema_set *old = schemas->set;
    schemas->set = set;
    pthread_mutex_unlock(&schemas->mutex);
    if (old != NULL) vt_schema_set_release(old);
    return VAULT_OK;
}

const struct vt_collection_entry *vt_schema_set_find(const struct vt_schema_set *set, struct vt_bytes name)
{
    for (size_t i = 0; i < set->count; i++)
        if (vt_bytes_equal(set->entries[i].collection->name, name)) return &set->entries[i];
    return NULL;
}

const struct vt_collection_entry *vt_schema_set_by_number(const struct vt_schema_set *set, uint16_t number)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->entries[i].number == number) return &set->entries[i];
    return NULL;
}

size_t vt_schema_set_count(const struct vt_schema_set *set)
{
    return set->count;
}

const struct vt_collection_entry *vt_schema_set_at(const struct vt_schema_set *set, size_t index)
{
    return index < set->count ? &set->entries[index] : NULL;
}

/* Planning --------------------------------------------------------------------------------------------------------- */

struct planning {
    const struct vt_schema_set *set;
    struct vt_keyring_view *view;
    vt_tenant_id tenant;
    struct vt_pool *pool;
    struct vt_change *change;
    struct vt_value *report;
    uint16_t next_number;
    struct vt_err *err;
};

static VT_RESULT plan_store(struct planning *planning, uint16_t number, const struct vt_collection *collection)
{
    struct vt_value stored;
    VT_AUTO(vt_buf) object = VT_BUF_INIT(OBJECT_MAX);
    VT_TRY(vt_collection_to_stored(planning->pool, collection, &stored));
    VT_TRY(vt_buf_append_u16(&object, number));
    VT_TRY(vt_msgpack_write(&object, &stored));
    return vt_config_put(planning->change, planning->view, planning->tenant, VT_CONFIG_COLLECTION, collection->name,
                         vt_buf_bytes(&object));
}

static VT_RESULT plan_report(struct planning *planning, const struct vt_collection *collection, const char *state)
{
    struct vt_value map = vt_value_map();
    const struct vt_bytes name = vt_pool_copy(planning->pool, collection->name);
    VT_ENSURE(name.data != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_value_put(planning->pool, &map, "name", vt_value_text(name), NULL));
    VT_TRY(vt_value_put(planning->pool, &map, "version", vt_value_int(collection->version), NULL));
    VT_TRY(vt_value_put(planning->pool, &map, "state", vt_value_str(state), NULL));
    return vt_value_push(planning->pool, planning->report, map, NULL);
}

static bool is_reported(const struct planning *planning, struct vt_bytes name)
{
    for (size_t i = 0; i < planning->report->array.count; i++)
        if (vt_bytes_equal(vt_value_get_text(&planning->report->array.items[i], "name"), name)) return true;
    return false;
}

static VT_RESULT plan_one(struct planning *planning, const struct vt_value *schema)
{
    struct vt_collection *collection;
    VT_TRY(vt_collection_parse(planning->pool, schema, &collection, planning->err));
    if (is_reported(planning, collection->name))
        return vt_fail(planning->err, VAULT_E_ARGUMENT, "schema", "The schema file names a collection twice.");
    const struct vt_collection_entry *old = vt_schema_set_find(planning->set, collection->name);
    if (old != NULL && vt_collection_same(collection, old->collection))
        return plan_report(planning, old->collection, "unchanged");
    VT_TRY(vt_collection_apply(collection, old != NULL ? old->collection : NULL, planning->err));
    VT_ENSURE(planning->next_number < UINT16_MAX, VAULT_E_LIMIT);
    VT_TRY(plan_store(planning, old != NULL ? old->number : planning->next_number++, collection));
    return plan_report(planning, collection, old != NULL ? "extended" : "created");
}

static VT_RESULT plan_all(struct planning *planning, struct vt_bytes yaml)
{
    struct vt_value document;
    VT_TRY(vt_yaml_read(planning->pool, yaml, &document, planning->err));
    const struct vt_value *list = vt_value_get(&document, "collections");
    if (list == NULL) return plan_one(planning, &document);
    if (list->kind != VT_VALUE_ARRAY || document.map.count != 1)
        return vt_fail(planning->err, VAULT_E_ARGUMENT, "collections",
                       "A file with the key collections holds a list under it and nothing else.");
    for (size_t i = 0; i < list->array.count; i++) VT_TRY(plan_one(planning, &list->array.items[i]));
    return VAULT_OK;
}

VT_RESULT vt_schemas_plan(struct vt_schemas *schemas, struct vt_keyring_view *view, vt_tenant_id tenant, struct vt_bytes yaml,
                          struct vt_pool *pool, struct vt_change *change, struct vt_value *out_report, struct vt_err *err)
{
    struct vt_schema_set *set = vt_schemas_acquire(schemas, tenant);
    VT_ENSURE(set != NULL, VAULT_E_STATE);
    struct vt_value report = vt_value_array();
    struct planning planning = {set, view, tenant, pool, change, &report, 1, err};
    for (size_t i = 0; i < set->count; i++)
        planning.next_number = VT_MAX(planning.next_number, (uint16_t)(set->entries[i].number + 1));
    const vault_status status = plan_all(&planning, yaml);
    vt_schema_set_release(set);
    VT_TRY(status);
    *out_report = report;
    return VAULT_OK;
}
