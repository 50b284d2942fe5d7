/* vaultd/core/subject/schemas.h - the collections in force per tenant: sealed in the CONFIG table under the tenant's config key
 * (or the vault's for other kinds), cached parsed in memory, numbered. A snapshot is immutable and counted, so that a
 * schema change never pulls a collection from under a call.
 * Thread: get any; apply through a vt_change; reload after the commit. */
#pragma once
#include "libvault/schema/collection.h"
#include "vaultd/core/subject/change.h"

/** Kinds of sealed objects in the CONFIG table: key kind 1 | tenant 8 | SHA-256(name)[0:16]. */
enum vt_config_kind {
    VT_CONFIG_COLLECTION = 1,
    VT_CONFIG_TEMPLATE = 2,
    VT_CONFIG_CREDENTIAL = 3,
    VT_CONFIG_TENANT = 4,
    VT_CONFIG_PURPOSE = 5,
};
/** Seal @p object (packed value) into the change; open and walk them. Shared by schemas, templates, credentials. */
VT_RESULT vt_config_put(struct vt_change *change, struct vt_keyring_view *view, vt_tenant_id tenant,
                        enum vt_config_kind kind, struct vt_bytes name, struct vt_bytes object);
VT_RESULT vt_config_get(struct vt_keyring_view *view, vt_tenant_id tenant, enum vt_config_kind kind, struct vt_bytes name,
                        struct vt_buf *out_object);
/** Condition: the object is at commit as @p view has it. @return VAULT_E_NOT_FOUND when it is not there */
VT_RESULT vt_config_expect(struct vt_change *change, struct vt_keyring_view *view, vt_tenant_id tenant,
                           enum vt_config_kind kind, struct vt_bytes name);
typedef vault_status (*vt_config_visitor)(void *context, struct vt_bytes object);
VT_RESULT vt_config_each(struct vt_keyring_view *view, vt_tenant_id tenant, enum vt_config_kind kind,
                         vt_config_visitor visitor, void *context);
/** Open every object of the table, of whichever kind and tenant, and see that it lies under its own name.
 *  @return VAULT_E_CORRUPT, VAULT_E_AUTHENTICITY */
VT_RESULT vt_config_check_objects(struct vt_keyring_view *view);

/** Seal anew what lies under older versions of the tenant's config key, looking at @p max objects (two at least) in a step.
 *  @p cursor 32 bytes, zero at first. @param out_moved how many were */
VT_RESULT vt_config_reseal_step(struct vt_change *change, struct vt_keyring_view *view, vt_tenant_id tenant, size_t max,
                                uint8_t cursor[32], uint64_t *out_moved, bool *out_done);

struct vt_schema_set;           /* immutable, counted */
struct vt_schemas;
VT_RESULT vt_schemas_new(struct vt_schemas **out_schemas);
void vt_schemas_free(struct vt_schemas *schemas);
VT_DEFINE_AUTO_PTR(vt_schemas);
/** Read all of a tenant's collections anew; after unseal and after each schema commit. */
VT_RESULT vt_schemas_load(struct vt_schemas *schemas, struct vt_keyring_view *view, vt_tenant_id tenant);
/** @return a counted snapshot; release it */
struct vt_schema_set *vt_schemas_acquire(struct vt_schemas *schemas, vt_tenant_id tenant);
void vt_schema_set_release(struct vt_schema_set *set);
struct vt_collection_entry {
    uint16_t number;            /* of the collection, for ever */
    const struct vt_collection *collection;
};
const struct vt_collection_entry *vt_schema_set_find(const struct vt_schema_set *set, struct vt_bytes name);
const struct vt_collection_entry *vt_schema_set_by_number(const struct vt_schema_set *set, uint16_t number);
size_t vt_schema_set_count(const struct vt_schema_set *set);
const struct vt_collection_entry *vt_schema_set_at(const struct vt_schema_set *set, size_t index);

/** Plan the application of a YAML document (one collection, or a list under `collections:`). @param out_report list of
 *  {name, version, state: created|extended|unchanged} in @p pool */
VT_RESULT vt_schemas_plan(struct vt_schemas *schemas, struct vt_keyring_view *view, vt_tenant_id tenant,
                          struct vt_bytes yaml, struct vt_pool *pool, struct vt_change *change,
                          struct vt_value *out_report, struct vt_err *err);
