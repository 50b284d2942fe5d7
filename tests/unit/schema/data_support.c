#include "tests/unit/schema/data_support.h"

#include <stdio.h>
#include <stdlib.h>

enum { POOL_MAX = 8 * 1024 * 1024, FILE_MAX = 1024 * 1024, PIECE = 64 * 1024 };

static struct vt_bytes read_example(struct vt_pool *pool, const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/docs/examples/%s/%s.yaml", VT_SOURCE_DIR, folder, name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s cannot be opened", path);
    uint8_t *text = vt_pool_alloc(pool, FILE_MAX);
    ck_assert_ptr_nonnull(text);
    const size_t len = fread(text, 1, FILE_MAX, file);
    ck_assert(len > 0 && len < FILE_MAX);
    fclose(file);
    return vt_bytes(text, len);
}

static const struct vt_collection *lookup(void *context, struct vt_bytes name)
{
    struct vt_data_set *set = context;
    for (size_t i = 0; i < VT_DATA_COLLECTIONS; i++) {
        if (vt_bytes_equal(set->collections[i]->name, name)) return set->collections[i];
    }
    return NULL;
}

void vt_data_set_open(struct vt_data_set *set, const char *import_name)
{
    static const char *const NAMES[VT_DATA_COLLECTIONS] = {"profile",     "cards", "identity", "bank_accounts",
                                                           "preferences", "notes", "calls"};
    struct vt_err err = {0};
    set->pool = VT_POOL_INIT((size_t)16 * POOL_MAX);
    for (size_t i = 0; i < VT_DATA_COLLECTIONS; i++) {
        const struct vt_bytes yaml = read_example(&set->pool, "schemas", NAMES[i]);
        const vault_status status = vt_collection_read_yaml(&set->pool, yaml, &set->collections[i], &err);
        ck_assert_msg(status == VAULT_OK, "%s: %s", NAMES[i], err.message);
        ck_assert_ok(vt_collection_apply(set->collections[i], NULL, &err));
    }
    const struct vt_bytes yaml = read_example(&set->pool, "import", import_name);
    vault_status status = vt_mapping_read_yaml(&set->pool, yaml, &set->mapping, &err);
    ck_assert_msg(status == VAULT_OK, "%s: %s", import_name, err.message);
    status = vt_mapping_check(set->mapping, lookup, set, &err);
    ck_assert_msg(status == VAULT_OK, "%s: %s", import_name, err.message);
}

void vt_data_set_release(struct vt_data_set *set)
{
    vt_pool_release(&set->pool);
}

struct vt_collection *vt_data_collection(struct vt_data_set *set, const char *name)
{
    for (size_t i = 0; i < VT_DATA_COLLECTIONS; i++) {
        if (vt_bytes_equal_str(set->collections[i]->name, name)) return set->collections[i];
    }
    ck_abort_msg("no collection %s", name);
    return NULL;
}

struct run {
    struct vt_data_set *set;
    struct vt_mapping_plan *plan;
    struct vt_pool row_pool;
    vt_data_visitor visitor;
    void *context;
    uint64_t rows;
};

static void run_record(struct run *run, const struct vt_mapped_row *row, const struct vt_mapped_record *record)
{
    const struct vt_record_rules rules = {VT_TEST_NOW_MS, false};
    const struct vt_collection *collection = lookup(run->set, record->collection);
    struct vt_value stored;
    struct vt_err err = {0};
    const vault_status status = vt_record_validate(collection, &record->fields, &rules, &run->row_pool, &stored, &err);
    run->visitor(run->context, row, collection, status == VAULT_OK ? &stored : NULL, status, &err);
}

static vault_status on_record(void *context, uint64_t number, uint64_t line, const struct vt_csv_cell *cells,
                              size_t count)
{
    struct run *run = context;
    struct vt_mapped_row row;
    struct vt_err err = {0};
    (void)line;
    if (number == 1) return vt_mapping_bind(&run->set->pool, run->set->mapping, cells, count, &run->plan, &err);
    vt_pool_reset(&run->row_pool);
    const vault_status status = vt_mapping_apply(run->plan, cells, count, &run->row_pool, &row, &err);
    ck_assert_msg(status == VAULT_OK, "record %llu: %s", (unsigned long long)number, err.message);
    for (size_t i = 0; i < row.record_count; i++) run_record(run, &row, &row.records[i]);
    run->rows++;
    return VAULT_OK;
}

uint64_t vt_data_run(struct vt_data_set *set, const char *path, vt_data_visitor visitor, void *context)
{
    struct run run = {.set = set, .row_pool = VT_POOL_INIT(POOL_MAX), .visitor = visitor, .context = context};
    VT_AUTO_PTR(vt_csv_reader) reader = NULL;
    struct vt_err err = {0};
    uint8_t piece[PIECE];
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s cannot be opened", path);
    ck_assert_ok(vt_csv_reader_new(on_record, &run, &reader));
    for (size_t len = fread(piece, 1, PIECE, file); len != 0; len = fread(piece, 1, PIECE, file)) {
        const vault_status status = vt_csv_reader_feed(reader, vt_bytes(piece, len), &err);
        ck_assert_msg(status == VAULT_OK, "%s: %s", path, err.message);
    }
    ck_assert_ok(vt_csv_reader_finish(reader, &err));
    fclose(file);
    vt_pool_release(&run.row_pool);
    return run.rows;
}
