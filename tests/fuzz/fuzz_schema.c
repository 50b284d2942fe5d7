/* A YAML text as a collection and as a mapping. */
#include "libvault/schema/collection.h"
#include "libvault/schema/mapping.h"
#include "tests/fuzz/fuzz.h"

enum { POOL_MAX = 64 << 20, YAML_MAX = 16 << 20 };

/* Writing and keeping change nothing; applying again is no change. */
static void check_collection(struct vt_pool *pool, struct vt_collection *collection)
{
    VT_AUTO(vt_buf) yaml = VT_BUF_INIT(YAML_MAX);
    struct vt_collection *copy = NULL;
    struct vt_value stored;
    FUZZ_CHECK(vt_collection_apply(collection, NULL, NULL) == VAULT_OK && collection->version == 1);
    FUZZ_CHECK(vt_collection_write_yaml(&yaml, collection) == VAULT_OK);
    FUZZ_CHECK(vt_collection_read_yaml(pool, vt_buf_bytes(&yaml), &copy, NULL) == VAULT_OK);
    FUZZ_CHECK(vt_collection_same(collection, copy));
    FUZZ_CHECK(vt_collection_apply(copy, collection, NULL) == VAULT_OK && copy->version == 1);
    FUZZ_CHECK(vt_collection_to_stored(pool, collection, &stored) == VAULT_OK);
    FUZZ_CHECK(vt_collection_from_stored(pool, &stored, &copy) == VAULT_OK);
    FUZZ_CHECK(vt_collection_same(collection, copy) && copy->next_field_id == collection->next_field_id);
    for (size_t i = 0; i < collection->field_count; i++) {
        FUZZ_CHECK(vt_field_refused_name(collection->fields[i].name) == NULL);
    }
}

static void check_mapping(const struct vt_mapping *mapping)
{
    FUZZ_CHECK(mapping->subject_count == 1 || mapping->subject_count == 2);
    FUZZ_CHECK(mapping->column_count >= mapping->collection_count && mapping->collection_count >= 1);
    for (size_t i = 0; i < mapping->column_count; i++) {
        FUZZ_CHECK(vt_field_refused_name(mapping->columns[i].column) == NULL);
        FUZZ_CHECK(vt_field_refused_name(mapping->columns[i].field) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_collection *collection = NULL;
    struct vt_mapping *mapping = NULL;
    struct vt_err err = {0};
    vault_status status = vt_collection_read_yaml(&pool, vt_bytes(data, len), &collection, &err);
    FUZZ_CHECK((status == VAULT_OK) == (err.message[0] == 0) && (status == VAULT_OK) == (collection != NULL));
    if (status == VAULT_OK) check_collection(&pool, collection);

    struct vt_err mapping_err = {0};
    status = vt_mapping_read_yaml(&pool, vt_bytes(data, len), &mapping, &mapping_err);
    FUZZ_CHECK((status == VAULT_OK) == (mapping_err.message[0] == 0) && (status == VAULT_OK) == (mapping != NULL));
    if (status == VAULT_OK) check_mapping(mapping);
    return 0;
}
