/* libvault/schema/mapping.h - which CSV column is which field: one row of a file becomes records of several
 * collections.
 *
 *   name: people
 *   doc: Subscribers, one row each.
 *   subject: external_id                          # column of the external id; or, for records of two subjects,
 *   subjects: {caller: caller_external_id, callee: callee_external_id}
 *   columns:
 *     given_name: profile.given_name
 *     tags: {field: profile.tags, as: json}       # the cell is JSON text
 *   ignore: [remarks]                             # every other column must be mapped or named here
 *   quoted_empty: text                            # "" is the empty text (default) | absent
 *   guarded: false                                # true: take one ' off guarded cells
 *   existing: refuse                              # a row of one subject: refuse (default) an external id that is there
 *                                                 # already | add: its records go to that subject, or to a new one
 *   created: _created_at                          # columns of the times at which the records were made and last
 *   updated: _updated_at                          # written, as exports have them; without them: now
 *
 * An absent cell leaves its field absent; a collection whose mapped cells are all absent gets no record.
 * Invariant: no column is dropped without being named. Thread: a parsed mapping is read-only and may be shared. */
#pragma once
#include "libvault/codec/csv.h"
#include "libvault/codec/value.h"

struct vt_collection;

struct vt_mapping_column {
    struct vt_bytes column;             /* header of the file */
    struct vt_bytes collection;
    struct vt_bytes field;
    bool is_json;
};

struct vt_mapping {
    struct vt_bytes name;
    struct vt_bytes doc;
    unsigned subject_count;             /* 1 or 2 */
    struct vt_bytes sides[2];           /* empty with one subject */
    struct vt_bytes subject_columns[2];
    struct vt_mapping_column *columns;
    size_t column_count;
    struct vt_bytes *collections;       /* targets, each once, in order of first mention */
    size_t collection_count;
    struct vt_bytes *ignored;
    size_t ignored_count;
    bool quoted_empty_is_absent;
    bool is_guarded;
    bool adds_to_existing;
    struct vt_bytes created_column, updated_column;     /* empty: none */
};

/** @return VAULT_E_ARGUMENT (a sentence, with the line when known), VAULT_E_REFUSED_TYPE for a column or target that
 *  names
 *          a security code, VAULT_E_LIMIT, VAULT_E_MEMORY */
VT_RESULT vt_mapping_parse(struct vt_pool *pool, const struct vt_value *value, struct vt_mapping **out_mapping,
                           struct vt_err *err);
/** vt_mapping_parse() of a YAML text. */
VT_RESULT vt_mapping_read_yaml(struct vt_pool *pool, struct vt_bytes text, struct vt_mapping **out_mapping,
                               struct vt_err *err);

/** Finds an applied collection; NULL when there is none. */
typedef const struct vt_collection *(*vt_collection_lookup)(void *context, struct vt_bytes name);
/** Check a mapping against the schemas: every target exists, required fields are mapped, the numbers of subjects agree.
 *  @return VAULT_E_NOT_FOUND, VAULT_E_UNKNOWN_FIELD, VAULT_E_ARGUMENT with a sentence */
VT_RESULT vt_mapping_check(const struct vt_mapping *mapping, vt_collection_lookup lookup, void *context,
                           struct vt_err *err);

/** A mapping bound to the header of one file. */
struct vt_mapping_plan;
/** @param mapping  borrowed by the plan
 *  @return VAULT_E_ARGUMENT when a column is missing, doubled, or neither mapped nor ignored; VAULT_E_REFUSED_TYPE when
 *  a
 *          column, mapped or not, is named like a security code and not ignored; VAULT_E_MEMORY */
VT_RESULT vt_mapping_bind(struct vt_pool *pool, const struct vt_mapping *mapping, const struct vt_csv_cell *header,
                          size_t count, struct vt_mapping_plan **out_plan, struct vt_err *err);

struct vt_mapped_record {
    struct vt_bytes collection;
    struct vt_value fields;             /* a map by field name; texts borrowed from the cells */
};
struct vt_mapped_row {
    struct vt_bytes external_ids[2];    /* borrowed from the cells */
    struct vt_mapped_record *records;
    size_t record_count;
    int64_t created_at_ms, updated_at_ms;       /* 0: not given */
};
/** Columns mapped `as: json` need vt_json_init() to have been called.
 *  @param pool  holds the row's maps; reset it after each row
 *  @return VAULT_E_PARSE for a wrong number of cells, VAULT_E_ARGUMENT when an external id is absent, empty or too
 *  long,
 *          VAULT_E_PARSE for a json cell that is not JSON; err->field is the column, never a value */
VT_RESULT vt_mapping_apply(const struct vt_mapping_plan *plan, const struct vt_csv_cell *cells, size_t count,
                           struct vt_pool *pool, struct vt_mapped_row *out_row, struct vt_err *err);
/** The same for a row that is a map of column to value, as record.import takes it: texts as in a CSV file, other values as they
 *  are, nil and missing ones absent.
 *  @return also VAULT_E_TYPE when @p cells is no map, VAULT_E_UNKNOWN_FIELD for a column that is neither mapped nor ignored */
VT_RESULT vt_mapping_apply_map(const struct vt_mapping *mapping, const struct vt_value *cells, struct vt_pool *pool,
                               struct vt_mapped_row *out_row, struct vt_err *err);
