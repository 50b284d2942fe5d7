/* The content of an opened row: what authenticated may still be of another version, or damaged before it was sealed. */
#include "libvault/schema/collection.h"
#include "tests/fuzz/fuzz.h"

enum { POOL_MAX = 64 << 20, ROW_MAX = 16 << 20 };

static const char SCHEMA[] = "name: profile\n"
                             "fields:\n"
                             "  - {name: given_name, type: name, category: A}\n"
                             "  - {name: visits, type: integer, category: A}\n"
                             "  - {name: active, type: boolean, category: A}\n"
                             "  - {name: tags, type: json, category: A}\n"
                             "  - {name: ssn, type: us_ssn, category: L}\n";

/* What was read splits, and its parts pack and read back as the same record. */
static void check_record(struct vt_pool *pool, const struct vt_collection *collection, const struct vt_value *record)
{
    struct vt_record_part parts[VT_CATEGORY_COUNT];
    struct vt_value again = vt_value_map();
    size_t count = 0;
    FUZZ_CHECK(vt_record_split(collection, record, VT_SIDE_FIRST, pool, parts, &count) == VAULT_OK);
    for (size_t i = 0; i < count; i++) {
        VT_AUTO(vt_buf) row = VT_BUF_INIT(ROW_MAX);
        FUZZ_CHECK(vt_record_part_write(&row, &parts[i]) == VAULT_OK);
        const struct vt_bytes kept = vt_pool_copy(pool, vt_buf_bytes(&row));
        FUZZ_CHECK(vt_record_part_read(pool, collection, kept, &again) == VAULT_OK);
    }
    FUZZ_CHECK(vt_value_equal(record, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_collection *collection = NULL;
    struct vt_value record = vt_value_map();
    FUZZ_CHECK(vt_collection_read_yaml(&pool, vt_bytes_str(SCHEMA), &collection, NULL) == VAULT_OK);
    FUZZ_CHECK(vt_collection_apply(collection, NULL, NULL) == VAULT_OK);
    const vault_status status = vt_record_part_read(&pool, collection, vt_bytes(data, len), &record);
    FUZZ_CHECK(status == VAULT_OK || status == VAULT_E_CORRUPT || status == VAULT_E_FORMAT || status == VAULT_E_MEMORY);
    if (status == VAULT_OK) check_record(&pool, collection, &record);
    return 0;
}
