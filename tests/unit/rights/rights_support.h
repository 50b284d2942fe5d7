/* tests/unit/rights/rights_support.h - a world with the example schemas, and files run into it batch by batch. Thread: one. */
#pragma once
#include "tests/support/world.h"

void rights_world_new(struct world *world, const struct world_options *options);

/** A CSV file as an importing client sends it. */
struct rights_file {
    struct vt_pool pool;
    struct vt_value rows;           /* maps of column to text; empty cells left out */
    struct vt_value mapping;
    char sha256[65];
};
/** @param mapping YAML text. Asserts that CSV and mapping can be read. */
void rights_file_read(struct rights_file *file, struct vt_bytes csv, struct vt_bytes mapping);
/** The same from JSON Lines: values as they are. */
void rights_file_read_jsonl(struct rights_file *file, struct vt_bytes jsonl, struct vt_bytes mapping);
/** A file of the data set (tests/support/data_set.h) and the example mapping of that name. */
void rights_file_data_set(struct rights_file *file, const char *name);
void rights_file_release(struct rights_file *file);
/** record.import of rows @p from to from + count - 1 (from 0; cut at the end), as records from + 2 on: the header is record 1 */
vault_status rights_import(struct world *world, const struct rights_file *file, size_t from, size_t count,
                           struct vt_value *out_result);
/** All of it in batches. */
struct rights_totals {
    int64_t imported, rejected, skipped_batches;
};
struct rights_totals rights_import_all(struct world *world, const struct rights_file *file, size_t batch);
/** subject.list until the end. */
size_t rights_count_subjects(struct world *world);
/** Records that subject.show counts; 0 when there are none or the subject is unknown. */
int64_t rights_count_records(struct world *world, const char *external_id, const char *collection);

/** subject.export with purpose rights. @param never_disclosed include_never_disclosed */
vault_status rights_export(struct world *world, const char *role, struct vt_bytes external_id, bool never_disclosed,
                           struct vt_value *out_result);
/** A file of the package, its pieces joined, in world->pool; data NULL when it has none of that path. */
struct vt_bytes rights_package_file(struct world *world, const struct vt_value *package, const char *path);
