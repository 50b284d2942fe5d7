/* libvault/schema/collection.h - a collection: the fields that a subject's records have, written as data.
 *
 * A schema is read strictly (unknown keys are refused with their line), gets field numbers when it is applied, and
 * keeps them for ever: rows are packed by number, so a field may be added, and may not be removed, retyped or
 * recategorised. One category's fields of one record are one sealed row; vt_record_split() says which go where.
 *
 *   name: cards                     # [a-z][a-z0-9_-]{0,63}
 *   doc: Payment cards.
 *   cardinality: many               # one | many records per subject; default one
 *   subjects: one                   # one | two; two needs sides
 *   sides: [caller, callee]         # only with subjects: two
 *   forget: record                  # category (default) | record: a key per record; needs many and one subject
 *   fields:
 *     - name: number
 *       type: pan                   # field_type.h
 *       category: B                 # category.h; also: [L] lists more
 *       required: true              # default false
 *       index: many                 # none (default) | unique | many
 *       side: both                  # both (default) or a side's name: whose row it is kept in
 *       options: {policy: token}    # by type
 *       doc: The number on the front.
 *
 * Thread: a parsed collection is read-only and may be shared. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/codec/limits.h"
#include "libvault/schema/category.h"
#include "libvault/schema/field_type.h"

enum vt_cardinality { VT_CARDINALITY_ONE, VT_CARDINALITY_MANY };
enum vt_forget { VT_FORGET_CATEGORY, VT_FORGET_RECORD };
enum vt_index_kind { VT_INDEX_NONE, VT_INDEX_UNIQUE, VT_INDEX_MANY };
/** Bits: a record of one subject has the first side only. */
enum vt_side { VT_SIDE_FIRST = 1, VT_SIDE_SECOND = 2, VT_SIDE_BOTH = 3 };

struct vt_field {
    struct vt_bytes name;               /* a zero stands behind it, as behind the names of collections and sides */
    uint16_t id;                        /* 1 to 65535 once applied; 0 before */
    const struct vt_field_type *type;
    uint16_t category;                  /* its home: whose data key seals it */
    uint32_t also;                      /* bit n set: category n counts it too */
    enum vt_index_kind index;
    enum vt_side side;
    bool is_required;
    struct vt_field_options options;
    struct vt_bytes doc;
};

struct vt_collection {
    struct vt_bytes name;
    struct vt_bytes doc;
    enum vt_cardinality cardinality;
    unsigned subject_count;             /* 1 or 2 */
    struct vt_bytes sides[2];           /* empty with one subject */
    enum vt_forget forget;
    struct vt_field *fields;
    size_t field_count;
    uint16_t next_field_id;             /* 0 before the first vt_collection_apply() */
    uint32_t version;                   /* 1 when first applied, +1 with every change */
};

/** Read a schema as its author writes it. All parts live in @p pool or are borrowed from @p schema.
 *  @return VAULT_E_ARGUMENT, VAULT_E_REFUSED_TYPE (security codes and the like), VAULT_E_UNSUPPORTED (blob),
 *  VAULT_E_LIMIT,
 *          VAULT_E_MEMORY; err names the field and, when known, the line */
VT_RESULT vt_collection_parse(struct vt_pool *pool, const struct vt_value *schema,
                              struct vt_collection **out_collection, struct vt_err *err);
/** vt_collection_parse() of a YAML text (collection_yaml.c, which the shared object leaves out). */
VT_RESULT vt_collection_read_yaml(struct vt_pool *pool, struct vt_bytes text, struct vt_collection **out_collection,
                                  struct vt_err *err);

/** Give a parsed collection its field numbers and version.
 *  @param old  what is applied now, or NULL the first time
 *  @return VAULT_E_STATE with a sentence when a field was removed, retyped, recategorised, re-indexed, made required
 *  or
 *          narrowed, or when cardinality, subjects or forgetting changed; VAULT_E_LIMIT when numbers run out */
VT_RESULT vt_collection_apply(struct vt_collection *collection, const struct vt_collection *old, struct vt_err *err);
/** True when both say the same, numbers and version aside: applying it again changes nothing. */
bool vt_collection_same(const struct vt_collection *a, const struct vt_collection *b);

/** The canonical form, as vt_collection_parse() reads it, defaults left out: for `schema show` and package/schema.
 *  It borrows from @p collection. @return VAULT_E_MEMORY */
VT_RESULT vt_collection_to_value(struct vt_pool *pool, const struct vt_collection *collection,
                                 struct vt_value *out_value);
/** The same as YAML text. */
VT_RESULT vt_collection_write_yaml(struct vt_buf *out, const struct vt_collection *collection);

/** The form that is kept: canonical form plus format version, field numbers, version. Pack it with msgpack. */
VT_RESULT vt_collection_to_stored(struct vt_pool *pool, const struct vt_collection *collection,
                                  struct vt_value *out_value);
/** @return VAULT_E_FORMAT for a version unknown here, VAULT_E_CORRUPT, VAULT_E_MEMORY */
VT_RESULT vt_collection_from_stored(struct vt_pool *pool, const struct vt_value *stored,
                                    struct vt_collection **out_collection);

/** By name or number; NULL when there is none. */
const struct vt_field *vt_collection_field(const struct vt_collection *collection, struct vt_bytes name);
const struct vt_field *vt_collection_field_by_id(const struct vt_collection *collection, uint16_t id);
/** Bit n set: a field has home category n. */
uint32_t vt_collection_categories(const struct vt_collection *collection);

/** How to check a record. */
struct vt_record_rules {
    int64_t now_ms;
    bool is_partial;        /* a correction: required fields may be missing; a nil value is kept and means "remove" */
};

/** Check every field of @p input and make the stored form of the record. A nil value is an absent field.
 *  @param out_record  a map by field name in schema order, values in @p pool, keys borrowed from @p collection; untouched
 *                     on failure
 *  @return VAULT_E_TYPE when @p input is no map, VAULT_E_UNKNOWN_FIELD, VAULT_E_ARGUMENT for a required field that is
 *          missing or a correction that removes one, and what vt_field_check_value() returns; err->field is the field's
 *          name (empty for an unknown one: it may be anything) */
VT_RESULT vt_record_validate(const struct vt_collection *collection, const struct vt_value *input,
                             const struct vt_record_rules *rules, struct vt_pool *pool, struct vt_value *out_record,
                             struct vt_err *err);

/** The fields of one record that share a sealed row. */
struct vt_record_item {
    const struct vt_field *field;
    struct vt_value value;
};
struct vt_record_part {
    uint16_t category;
    const struct vt_record_item *items;
    size_t count;
};
/** Split a stored-form record by home category, lowest number first, for the row under one side's keys.
 *  @param side  VT_SIDE_FIRST for collections of one subject
 *  @param out_parts  at least VT_CATEGORY_COUNT long; keys of @p record are field names, nil values are left out */
VT_RESULT vt_record_split(const struct vt_collection *collection, const struct vt_value *record, enum vt_side side,
                          struct vt_pool *pool, struct vt_record_part out_parts[VT_CATEGORY_COUNT], size_t *out_count);

/** Row content: msgpack array [format version, field number, value, field number, value, ...].
 *  Reader and writer of one format stand together. @return VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_record_part_write(struct vt_buf *out, const struct vt_record_part *part);
/** Add the fields of one row to @p record (a map). Texts are borrowed from @p row.
 *  @return VAULT_E_FORMAT, VAULT_E_CORRUPT (unknown number, a field twice, wrong kind), VAULT_E_MEMORY */
VT_RESULT vt_record_part_read(struct vt_pool *pool, const struct vt_collection *collection, struct vt_bytes row,
                              struct vt_value *record);
