/* tests/unit/schema/data_support.h - the example schemas and mappings, and whole CSV files run through them.
 * Thread: one test at a time. */
#pragma once
#include "libvault/schema/collection.h"
#include "libvault/schema/mapping.h"
#include "tests/unit/schema/field_support.h"

enum { VT_DATA_COLLECTIONS = 7 };

/** The collections of docs/examples/schemas, applied, and a mapping of docs/examples/import, checked against them. */
struct vt_data_set {
    struct vt_pool pool;
    struct vt_collection *collections[VT_DATA_COLLECTIONS];
    struct vt_mapping *mapping;
};
/** @param import_name  "people" or "calls" */
void vt_data_set_open(struct vt_data_set *set, const char *import_name);
void vt_data_set_release(struct vt_data_set *set);
/** Aborts the test when there is none. */
struct vt_collection *vt_data_collection(struct vt_data_set *set, const char *name);

/** Called for each record of each row: its stored form, or why it was refused. @param record  NULL when it was */
typedef void (*vt_data_visitor)(void *context, const struct vt_mapped_row *row, const struct vt_collection *collection,
                                const struct vt_value *record, vault_status status, const struct vt_err *err);
/** Run a file; asserts that CSV, header and mapping fit. @return rows beside the header */
uint64_t vt_data_run(struct vt_data_set *set, const char *path, vt_data_visitor visitor, void *context);
