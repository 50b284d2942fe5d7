/* vaultd/core/rights/export_internal.h - a package while it is made. Private to this folder. Thread: one. */
#pragma once
#include "vaultd/core/rights/export.h"

/** What one collection has given so far. */
struct vt_export_part {
    const struct vt_collection_entry *entry;
    uint64_t counted;                   /* by the RECORD entries alone */
    uint64_t exported, redacted, withheld;
    uint64_t withheld_never_disclosed, withheld_erased, withheld_pending, hidden;
    uint64_t *never_disclosed;          /* values per field, of those that are only held */
    uint64_t categories[VT_CATEGORY_MAX + 1];   /* records with a value of the category */
    uint64_t rows;
    struct vt_buf jsonl, csv;           /* owned */
};
struct vt_export_state {
    const struct vt_subject_env *env;
    const struct vt_export_options *options;
    struct vt_subject_info info;
    struct vt_export_part *parts;       /* one per collection of the schema set; in the pool */
    size_t part_count;
    struct vt_package *package;
};

/** Is the field left out of the files? */
bool vt_export_is_kept_back(const struct vt_export_state *state, const struct vt_field *field);

/** Add one file; @p content moved. @return VAULT_E_TOO_LARGE */
VT_RESULT vt_package_add(struct vt_export_state *state, const char *path, const char *type, uint64_t rows,
                         struct vt_buf *content);

/* One record into the files of its collection (export_rows.c). */
VT_RESULT vt_export_csv_header(const struct vt_export_state *state, struct vt_export_part *part);
VT_RESULT vt_export_row(const struct vt_export_state *state, struct vt_export_part *part, const struct vt_record *record);

/* What stands around them (export_files.c). */
VT_RESULT vt_export_part_files(struct vt_export_state *state, struct vt_export_part *part);
VT_RESULT vt_export_held(struct vt_export_state *state, struct vt_value *out_map);
VT_RESULT vt_export_categories(struct vt_export_state *state);
VT_RESULT vt_export_summary(struct vt_export_state *state);
VT_RESULT vt_export_manifest(struct vt_export_state *state);
