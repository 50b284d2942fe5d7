/* libvault/schema/field_type.h - what a value is: one row per field type, from which follow validation, the stored
 * form, equality in the index, masks, sensitivity and what an access answer may show (docs/generated/field-types.md).
 *
 * There is no type for card security codes, PINs and track data, and the names people give them are refused: see
 * vt_field_refused_name().
 * Invariants: checking a stored form gives the same stored form; values that normalise alike are found alike; a mask
 * never shows more than its documentation says; no message holds any part of a value.
 * Thread: any, on the caller's pool. */
#pragma once
#include "libvault/codec/value.h"

struct vt_field_type;

enum vt_field_flags {
    VT_FIELD_SENSITIVE = 1,         /* reads are tightened, listed on demand; from the type alone */
    VT_FIELD_NEVER_DISCLOSE = 2,    /* an access answer says only that it is held; no option turns it
                                     * off */
    VT_FIELD_INDEXABLE = 4,         /* `index: unique | many` is allowed */
    VT_FIELD_UNSTORABLE = 8,        /* declared, but this version cannot keep it: VAULT_E_UNSUPPORTED */
    VT_FIELD_TYPED = 16,            /* number, date or phone: exempt from the formula guard of CSV */
};

/** Which options a type takes; the schema refuses the others. */
enum vt_field_option {
    VT_OPTION_RESERVED = 1,         /* us_ssn: refuse (default) or accept areas that were never issued */
    VT_OPTION_POLICY = 2,           /* pan: last4 (default) or token */
    VT_OPTION_MAX = 4,              /* text, json: bytes; integer, duration: the largest value */
    VT_OPTION_MIN = 8,              /* integer, duration: the smallest value */
    VT_OPTION_VALUES = 16,          /* enum: the values allowed */
};

enum vt_pan_policy {
    VT_PAN_LAST4,                   /* keep the last four digits; a full number is refused */
    VT_PAN_TOKEN,                   /* keep the number; callers hold tokens */
};

/** The options of one field, parsed. Zero-initialised with vt_field_options_init() they are the defaults of the
 *  type. */
struct vt_field_options {
    bool accept_reserved;
    enum vt_pan_policy policy;
    int64_t min, max;               /* of a number; max of text and json is in bytes */
    const struct vt_bytes *values;  /* borrowed from the schema's pool */
    size_t value_count;
};

enum vt_mask {
    VT_MASK_PLAIN,                  /* the stored form */
    VT_MASK_MASKED,                 /* the most that the type's mask shows: mask_doc */
    VT_MASK_LAST4,                  /* last four characters of a number; redacted for every other type */
    VT_MASK_REDACTED,               /* "[redacted]": not even the length */
};
/** @return false when there is no mask of that name: plain, masked, last4, redacted */
bool vt_mask_find(struct vt_bytes name, enum vt_mask *out_mask);
const char *vt_mask_name(enum vt_mask mask);

/** What one check needs beside the value. */
struct vt_field_check {
    const char *field;                          /* its name, for messages: "profile.email" */
    const struct vt_field_options *options;
    int64_t now_ms;                             /* birth dates may not lie ahead of it */
    struct vt_pool *pool;                       /* what the stored form borrows from */
    struct vt_err *err;                         /* NULL allowed */
};

struct vt_field_type {
    const char *name;
    uint16_t number;                /* bound into index entries for ever; 0 is no type */
    uint8_t normal_version;         /* of `normalise`: raised when equal values would come out otherwise */
    enum vt_value_kind kind;        /* of the stored form; for json any kind */
    uint32_t flags;                 /* enum vt_field_flags */
    uint32_t options;               /* enum vt_field_option */
    uint32_t max_bytes;             /* of the input's text; 0 for kinds without text */
    const char *form;               /* how it is written, said of a text that is too long to be one; NULL: its length is all */
    enum vt_mask default_mask;      /* what a reader without a right to more gets */
    const char *doc;                /* what is checked, what is not, what the stored form is */
    const char *mask_doc;           /* what `masked` shows */
    const char *source;             /* the standard */
    /** Called by vt_field_check_value(), vt_field_index_bytes(), vt_field_mask_value() only. */
    vault_status (*check)(const struct vt_field_check *check, const struct vt_value *input,
                          struct vt_value *out_stored);
    vault_status (*normalise)(struct vt_pool *pool, const struct vt_value *stored, struct vt_bytes *out_normal);
    vault_status (*mask)(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text);
};

static inline bool vt_field_type_is_sensitive(const struct vt_field_type *type)
{
    return (type->flags & VT_FIELD_SENSITIVE) != 0;
}
static inline bool vt_field_type_is_never_disclosed(const struct vt_field_type *type)
{
    return (type->flags & VT_FIELD_NEVER_DISCLOSE) != 0;
}

size_t vt_field_type_count(void);
/** By position, for listings; NULL past the end. */
const struct vt_field_type *vt_field_type_at(size_t index);
/** By name; NULL when there is none. */
const struct vt_field_type *vt_field_type_find(struct vt_bytes name);
const struct vt_field_type *vt_field_type_by_number(uint16_t number);

/** Why data of this name is never stored, as a full sentence; NULL when the name is harmless. Case, `_`, `-`, spaces
 *  and a leading `card` do not matter. Used on type names, field names, import columns.
 *  Source: PCI DSS v4.0.1 requirement 3.3.1: sensitive authentication data is not kept after authorisation. */
const char *vt_field_refused_name(struct vt_bytes name);

/** The defaults of @p type. */
void vt_field_options_init(const struct vt_field_type *type, struct vt_field_options *out_options);
/** Read `options:` of a field. @param map NULL or nil: the defaults
 *  @return VAULT_E_ARGUMENT for an option that the type does not take or a value it cannot have, with a sentence;
 *  VAULT_E_MEMORY */
VT_RESULT vt_field_options_read(const struct vt_field_type *type, const struct vt_value *map, const char *field,
                                struct vt_pool *pool, struct vt_field_options *out_options, struct vt_err *err);
/** The options that differ from the defaults, as a map; nil when none does. */
VT_RESULT vt_field_options_write(const struct vt_field_type *type, const struct vt_field_options *options,
                                 struct vt_pool *pool, struct vt_value *out_map);

/** Check @p input and make its stored form: what export shows and re-import accepts unchanged. Integers and booleans
 *  are taken as such or as text ("42"; "true", "false", "1", "0"), so that API, CSV and correction obey one rule.
 *  @return VAULT_E_TYPE for a wrong kind, VAULT_E_TOO_LARGE, VAULT_E_INVALID_VALUE, VAULT_E_UNSUPPORTED,
 *  VAULT_E_MEMORY;
 *          err->field is the field's name and err->message a sentence that says why, never what */
VT_RESULT vt_field_check_value(const struct vt_field_type *type, const struct vt_field_check *check,
                               const struct vt_value *input, struct vt_value *out_stored);

/** The bytes that two equal values share, for the blind index: type number (2) || normalisation version (1) || normal
 *  form.
 *  @param stored  a stored form, or for a search any value that vt_field_check_value() accepted
 *  @return VAULT_E_TYPE when the type cannot be indexed, VAULT_E_MEMORY */
VT_RESULT vt_field_index_bytes(const struct vt_field_type *type, const struct vt_value *stored, struct vt_pool *pool,
                               struct vt_bytes *out_bytes);

/** What a reader sees of a stored form under @p mask. PLAIN gives the stored form, the others text.
 *  @return VAULT_E_MEMORY */
VT_RESULT vt_field_mask_value(const struct vt_field_type *type, const struct vt_value *stored, enum vt_mask mask,
                              struct vt_pool *pool, struct vt_value *out_shown);

/** Brand of a card number by its prefix and length, digits only: "visa", "mastercard", ... or "other". Static
 *  storage. */
const char *vt_pan_brand(struct vt_bytes digits);
/** ISO/IEC 7812-1 annex B: the last digit makes the Luhn sum of @p digits a multiple of ten. */
bool vt_luhn_is_valid(struct vt_bytes digits);
