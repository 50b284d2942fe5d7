/* libvault/codec/value.h - what messages, JSON, YAML and rows are made of: nil, bool, integers, double, text, bytes,
 * arrays, maps with text keys. A value tree lives in a vt_pool; text and bytes may instead be borrowed from the input.
 * Invariants: text is valid UTF-8; a map has no key twice; a double is finite, since JSON can carry no other and a
 * value must be writable in every format; depth and items obey limits.h. Thread: one owner at a time. */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/pool.h"
#include "libvault/base/result.h"

enum vt_value_kind {
    VT_VALUE_NIL,
    VT_VALUE_BOOL,
    VT_VALUE_INT,  /* fits int64_t */
    VT_VALUE_UINT, /* above INT64_MAX only */
    VT_VALUE_DOUBLE,
    VT_VALUE_TEXT,
    VT_VALUE_BYTES,
    VT_VALUE_ARRAY,
    VT_VALUE_MAP,
};

struct vt_value {
    enum vt_value_kind kind;
    uint32_t line; /* 1-based line in a YAML or JSON text; 0 when unknown */
    union {
        bool boolean;
        int64_t integer;
        uint64_t unsigned_integer;
        double number;
        struct vt_bytes bytes; /* TEXT and BYTES */
        struct {
            struct vt_value *items;
            size_t count;
            size_t cap;
        } array;
        struct {
            struct vt_pair *pairs;
            size_t count;
            size_t cap;
        } map;
    };
};

struct vt_pair {
    struct vt_bytes key;
    struct vt_value value;
};

#define VT_VALUE_INIT ((struct vt_value){.kind = VT_VALUE_NIL})
static inline struct vt_value vt_value_bool(bool boolean)
{
    return (struct vt_value){.kind = VT_VALUE_BOOL, .boolean = boolean};
}
/** As a codec reads it: VT_VALUE_INT where that holds it. */
static inline struct vt_value vt_value_uint(uint64_t number)
{
    if (number > INT64_MAX) return (struct vt_value){.kind = VT_VALUE_UINT, .unsigned_integer = number};
    return (struct vt_value){.kind = VT_VALUE_INT, .integer = (int64_t)number};
}
static inline struct vt_value vt_value_int(int64_t integer)
{
    return (struct vt_value){.kind = VT_VALUE_INT, .integer = integer};
}
static inline struct vt_value vt_value_text(struct vt_bytes text)
{
    return (struct vt_value){.kind = VT_VALUE_TEXT, .bytes = text};
}
static inline struct vt_value vt_value_str(const char *text)
{
    return vt_value_text(vt_bytes_str(text));
}
static inline struct vt_value vt_value_bytes(struct vt_bytes bytes)
{
    return (struct vt_value){.kind = VT_VALUE_BYTES, .bytes = bytes};
}
static inline struct vt_value vt_value_array(void)
{
    return (struct vt_value){.kind = VT_VALUE_ARRAY};
}
static inline struct vt_value vt_value_map(void)
{
    return (struct vt_value){.kind = VT_VALUE_MAP};
}

/** Name of a kind for messages: "text", "array", ... Static storage. */
const char *vt_value_kind_name(enum vt_value_kind kind);

/** The value under @p key, or NULL: not a map, or no such key. */
const struct vt_value *vt_value_get(const struct vt_value *map, const char *key);
const struct vt_value *vt_value_get_bytes(const struct vt_value *map, struct vt_bytes key);
/** Text under @p key; empty (data NULL) when absent or not text. */
struct vt_bytes vt_value_get_text(const struct vt_value *map, const char *key);
/** Integer under @p key, or @p otherwise. */
int64_t vt_value_get_int(const struct vt_value *map, const char *key, int64_t otherwise);
bool vt_value_get_bool(const struct vt_value *map, const char *key, bool otherwise);

/** Append to an array; the item's parts must outlive the tree. @param out_item NULL allowed: where it went
 *  @return VAULT_E_MEMORY */
VT_RESULT vt_value_push(struct vt_pool *pool, struct vt_value *array, struct vt_value item, struct vt_value **out_item);
/** Add a pair under a key of ours; it must outlive the tree and must not be there yet (VT_BUG_ON). Keys from outside go
 *  through vt_value_put_new(). @param out_value NULL allowed  @return VAULT_E_MEMORY */
VT_RESULT vt_value_put(struct vt_pool *pool, struct vt_value *map, const char *key, struct vt_value value,
                       struct vt_value **out_value);
/** As vt_value_put for keys from outside. Looks at every key there is: whoever reads a whole map appends its pairs with
 *  vt_value_append() and asks vt_value_has_key_twice() once. @return VAULT_E_PARSE when the key is there already */
VT_RESULT vt_value_put_new(struct vt_pool *pool, struct vt_value *map, struct vt_bytes key, struct vt_value value,
                           struct vt_value **out_value);
/** Room for @p count pairs in a map that has none yet, so that one of known size does not grow. @return VAULT_E_MEMORY */
VT_RESULT vt_value_reserve(struct vt_pool *pool, struct vt_value *map, size_t count);
/** Add a pair without looking for the key; a map built so is not finished before vt_value_has_key_twice() said no. */
VT_RESULT vt_value_append(struct vt_pool *pool, struct vt_value *map, struct vt_bytes key, struct vt_value value,
                          struct vt_value **out_value);
/** Whether some key stands in the map twice, in n log n: a hostile map must not cost its square.
 *  @param out_is_twice written on success  @return VAULT_E_MEMORY (the order of a large map is kept in @p pool) */
VT_RESULT vt_value_has_key_twice(struct vt_pool *pool, const struct vt_value *map, bool *out_is_twice);
/** Whether two values are the same: kind, content, order of arrays; not lines, and not the order of maps. */
bool vt_value_equal(const struct vt_value *a, const struct vt_value *b);
/** Deep copy, texts included. @return VAULT_E_MEMORY */
VT_RESULT vt_value_copy(struct vt_pool *pool, const struct vt_value *from, struct vt_value *out_value);
