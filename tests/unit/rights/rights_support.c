#include "tests/unit/rights/rights_support.h"

#include <stdio.h>
#include <stdlib.h>

#include "libvault/codec/csv.h"
#include "libvault/codec/json.h"
#include "libvault/codec/text.h"
#include "libvault/codec/yaml.h"
#include "libvault/crypto/digest.h"
#include "tests/support/data_set.h"

enum { FILE_POOL_MAX = 512 * 1024 * 1024, PATH_LEN = 512 };

void rights_world_new(struct world *world, const struct world_options *options)
{
    static const char *const SCHEMAS[] = {"profile",     "identity", "cards", "bank_accounts",
                                          "preferences", "notes",    "calls", NULL};
    world_new(world, options);
    world_apply_examples(world, SCHEMAS);
}

/* Files ------------------------------------------------------------------------------------------------------------- */

struct reading {
    struct rights_file *file;
    struct vt_bytes *columns;
    size_t column_count;
};

static vault_status read_header(struct reading *reading, const struct vt_csv_cell *cells, size_t count)
{
    reading->columns = vt_pool_calloc(&reading->file->pool, count, sizeof *reading->columns);
    ck_assert_ptr_nonnull(reading->columns);
    for (size_t i = 0; i < count; i++) reading->columns[i] = vt_pool_copy(&reading->file->pool, cells[i].text);
    reading->column_count = count;
    return VAULT_OK;
}

static vault_status read_record(void *context, uint64_t number, uint64_t line, const struct vt_csv_cell *cells, size_t count)
{
    struct reading *reading = context;
    struct vt_pool *pool = &reading->file->pool;
    struct vt_value row = vt_value_map();
    (void)line;
    if (number == 1) return read_header(reading, cells, count);
    ck_assert_uint_eq(count, reading->column_count);
    for (size_t i = 0; i < count; i++) {
        if (cells[i].is_absent) continue;
        const struct vt_value text = vt_value_text(vt_pool_copy(pool, cells[i].text));
        ck_assert_ok(vt_value_append(pool, &row, reading->columns[i], text, NULL));
    }
    return vt_value_push(pool, &reading->file->rows, row, NULL);
}

static void file_hash(struct rights_file *file, struct vt_bytes bytes)
{
    uint8_t hash[VT_SHA256_LEN];
    ck_assert_ok(vt_sha256_one(bytes, hash));
    vt_hex_encode(VT_BYTES_OF(hash), file->sha256);
}

void rights_file_read(struct rights_file *file, struct vt_bytes csv, struct vt_bytes mapping)
{
    struct reading reading = {.file = file};
    struct vt_err err = {{0}, {0}};
    VT_AUTO_PTR(vt_csv_reader) reader = NULL;
    *file = (struct rights_file){.pool = VT_POOL_INIT(FILE_POOL_MAX), .rows = vt_value_array()};
    ck_assert_ok(vt_yaml_read(&file->pool, vt_pool_copy(&file->pool, mapping), &file->mapping, &err));
    ck_assert_ok(vt_csv_reader_new(read_record, &reading, &reader));
    ck_assert_ok(vt_csv_reader_feed(reader, csv, &err));
    ck_assert_ok(vt_csv_reader_finish(reader, &err));
    file_hash(file, csv);
}

void rights_file_read_jsonl(struct rights_file *file, struct vt_bytes jsonl, struct vt_bytes mapping)
{
    struct vt_err err = {{0}, {0}};
    vt_json_init();
    *file = (struct rights_file){.pool = VT_POOL_INIT(FILE_POOL_MAX), .rows = vt_value_array()};
    ck_assert_ok(vt_yaml_read(&file->pool, vt_pool_copy(&file->pool, mapping), &file->mapping, &err));
    file_hash(file, jsonl);
    while (jsonl.len != 0) {
        const uint8_t *end = memchr(jsonl.data, '\n', jsonl.len);
        ck_assert_ptr_nonnull(end);
        const struct vt_bytes line = vt_bytes(jsonl.data, (size_t)(end - jsonl.data));
        struct vt_value row;
        ck_assert_ok(vt_json_read(&file->pool, line, &row, &err));
        ck_assert_ok(vt_value_push(&file->pool, &file->rows, row, NULL));
        jsonl = vt_bytes(end + 1, jsonl.len - line.len - 1);
    }
}

void rights_file_data_set(struct rights_file *file, const char *name)
{
    char path[PATH_LEN], csv[64], mapping[PATH_LEN];
    struct world files = {.pool = VT_POOL_INIT(FILE_POOL_MAX)};
    snprintf(csv, sizeof csv, "%s.csv", name);
    data_set_path(csv, path, sizeof path);
    snprintf(mapping, sizeof mapping, "docs/examples/import/%s.yaml", name);
    rights_file_read(file, world_file(&files, path), world_file(&files, mapping));
    vt_pool_release(&files.pool);
}

void rights_file_release(struct rights_file *file)
{
    vt_pool_release(&file->pool);
}

/* Importing --------------------------------------------------------------------------------------------------------- */

vault_status rights_import(struct world *world, const struct rights_file *file, size_t from, size_t count,
                           struct vt_value *out_result)
{
    struct vt_value params = vt_value_map(), rows = file->rows;
    ck_assert_uint_lt(from, rows.array.count);
    rows.array.items += from;
    rows.array.count = VT_MIN(count, rows.array.count - from);
    ck_assert_ok(vt_value_put(&world->pool, &params, "file_sha256", vt_value_str(file->sha256), NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "mapping", file->mapping, NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "first_record", vt_value_int((int64_t)from + 2), NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "rows", rows, NULL));
    return world_call_value(world, "application", "record.import", &params, out_result);
}

struct rights_totals rights_import_all(struct world *world, const struct rights_file *file, size_t batch)
{
    struct rights_totals totals = {0, 0, 0};
    for (size_t from = 0; from < file->rows.array.count; from += batch) {
        struct vt_value result;
        const vault_status status = rights_import(world, file, from, batch, &result);
        ck_assert_msg(status == VAULT_OK, "rows from %zu: %s: %s", from, vault_status_code(status), world->err.message);
        totals.imported += vt_value_get_int(&result, "imported", -1);
        totals.rejected += vt_value_get_int(&result, "rejected_count", -1);
        totals.skipped_batches += vt_value_get_bool(&result, "skipped", false);
        world_forget(world);
    }
    return totals;
}

size_t rights_count_subjects(struct world *world)
{
    struct vt_value result;
    char params[128] = "{purpose: testing, limit: 1000}";
    size_t count = 0;
    for (;;) {
        ck_assert_ok(world_call(world, "application", "subject.list", params, &result));
        count += vt_value_get(&result, "subjects")->array.count;
        const struct vt_bytes next = vt_value_get_text(&result, "next");
        if (next.data == NULL) return count;
        snprintf(params, sizeof params, "{purpose: testing, limit: 1000, after: \"%.*s\"}", (int)next.len,
                 (const char *)next.data);
        world_forget(world);
    }
}

int64_t rights_count_records(struct world *world, const char *external_id, const char *collection)
{
    struct vt_value params = vt_value_map(), result;
    ck_assert_ok(vt_value_put(&world->pool, &params, "subject", vt_value_str(external_id), NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "purpose", vt_value_str("testing"), NULL));
    const vault_status status = world_call_value(world, "application", "subject.show", &params, &result);
    ck_assert(status == VAULT_OK || status == VAULT_E_NOT_FOUND);
    return status == VAULT_OK ? vt_value_get_int(vt_value_get(&result, "collections"), collection, 0) : 0;
}

/* Exporting --------------------------------------------------------------------------------------------------------- */

vault_status rights_export(struct world *world, const char *role, struct vt_bytes external_id, bool never_disclosed,
                           struct vt_value *out_result)
{
    struct vt_value params = vt_value_map();
    ck_assert_ok(vt_value_put(&world->pool, &params, "subject", vt_value_text(external_id), NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "purpose", vt_value_str("rights"), NULL));
    ck_assert_ok(vt_value_put(&world->pool, &params, "include_never_disclosed", vt_value_bool(never_disclosed), NULL));
    return world_call_value(world, role, "subject.export", &params, out_result);
}

struct vt_bytes rights_package_file(struct world *world, const struct vt_value *package, const char *path)
{
    const struct vt_value *files = vt_value_get(package, "files");
    uint8_t *joined = NULL;
    int64_t len = 0, done = 0;
    for (size_t i = 0; i < files->array.count; i++) {
        const struct vt_value *item = &files->array.items[i], *content = vt_value_get(item, "content");
        if (!vt_bytes_equal_str(vt_value_get_text(item, "path"), path)) continue;
        len = vt_value_get_int(item, "bytes", -1);
        if (joined == NULL) joined = vt_pool_alloc(&world->pool, (size_t)len + 1);
        ck_assert_ptr_nonnull(joined);
        ck_assert_int_eq(vt_value_get_int(item, "offset", -1), done);
        if (content->bytes.len != 0) memcpy(joined + done, content->bytes.data, content->bytes.len);
        done += (int64_t)content->bytes.len;
    }
    ck_assert_int_eq(done, len);
    return vt_bytes(joined, (size_t)len);
}
