#include "libvault/codec/value.h"

#include <stdlib.h>

/* Up to here each key is compared with each: for the maps of ordinary calls that is cheaper than sorting. */
enum { VALUE_PAIRWISE_MAX = 16, VALUE_FIRST_CAP = 4 };

const char *vt_value_kind_name(enum vt_value_kind kind)
{
    switch (kind) {
    case VT_VALUE_NIL:
        return "null";
    case VT_VALUE_BOOL:
        return "boolean";
    case VT_VALUE_INT:
    case VT_VALUE_UINT:
        return "integer";
    case VT_VALUE_DOUBLE:
        return "number";
    case VT_VALUE_TEXT:
        return "text";
    case VT_VALUE_BYTES:
        return "bytes";
    case VT_VALUE_ARRAY:
        return "array";
    case VT_VALUE_MAP:
        return "map";
    }
    return "unknown";
}

const struct vt_value *vt_value_get_bytes(const struct vt_value *map, struct vt_bytes key)
{
    if (map == NULL || map->kind != VT_VALUE_MAP) return NULL;
    for (size_t i = 0; i < map->map.count; i++)
        if (vt_bytes_equal(map->map.pairs[i].key, key)) return &map->map.pairs[i].value;
    return NULL;
}

const struct vt_value *vt_value_get(const struct vt_value *map, const char *key)
{
    return vt_value_get_bytes(map, vt_bytes_str(key));
}

struct vt_bytes vt_value_get_text(const struct vt_value *map, const char *key)
{
    const struct vt_value *value = vt_value_get(map, key);
    return value != NULL && value->kind == VT_VALUE_TEXT ? value->bytes : VT_BYTES_EMPTY;
}

int64_t vt_value_get_int(const struct vt_value *map, const char *key, int64_t otherwise)
{
    const struct vt_value *value = vt_value_get(map, key);
    return value != NULL && value->kind == VT_VALUE_INT ? value->integer : otherwise;
}

bool vt_value_get_bool(const struct vt_value *map, const char *key, bool otherwise)
{
    const struct vt_value *value = vt_value_get(map, key);
    return value != NULL && value->kind == VT_VALUE_BOOL ? value->boolean : otherwise;
}

/* Pools free nothing singly: doubling leaves at most as much behind as is in use. */
static VT_RESULT grow(struct vt_pool *pool, size_t len, size_t count, size_t *cap, void **items)
{
    if (count < *cap) return VAULT_OK;
    size_t wanted;
    VT_ENSURE(vt_size_mul(*cap, 2, &wanted), VAULT_E_MEMORY);
    wanted = VT_MAX(wanted, (size_t)VALUE_FIRST_CAP);
    void *grown = vt_pool_calloc(pool, wanted, len);
    VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
    if (count != 0) memcpy(grown, *items, count * len);
    *items = grown;
    *cap = wanted;
    return VAULT_OK;
}

VT_RESULT vt_value_push(struct vt_pool *pool, struct vt_value *array, struct vt_value item, struct vt_value **out_item)
{
    VT_BUG_ON(array->kind != VT_VALUE_ARRAY);
    void *items = array->array.items;
    VT_TRY(grow(pool, sizeof item, array->array.count, &array->array.cap, &items));
    array->array.items = items;

    struct vt_value *place = &array->array.items[array->array.count++];
    *place = item;
    if (out_item != NULL) *out_item = place;
    return VAULT_OK;
}

VT_RESULT vt_value_append(struct vt_pool *pool, struct vt_value *map, struct vt_bytes key, struct vt_value value,
                          struct vt_value **out_value)
{
    VT_BUG_ON(map->kind != VT_VALUE_MAP);
    void *pairs = map->map.pairs;
    VT_TRY(grow(pool, sizeof(struct vt_pair), map->map.count, &map->map.cap, &pairs));
    map->map.pairs = pairs;

    struct vt_pair *place = &map->map.pairs[map->map.count++];
    *place = (struct vt_pair){.key = key, .value = value};
    if (out_value != NULL) *out_value = &place->value;
    return VAULT_OK;
}

VT_RESULT vt_value_reserve(struct vt_pool *pool, struct vt_value *map, size_t count)
{
    VT_BUG_ON(map->kind != VT_VALUE_MAP || map->map.cap != 0);
    if (count == 0) return VAULT_OK;
    struct vt_pair *pairs = vt_pool_calloc(pool, count, sizeof *pairs);
    VT_ENSURE(pairs != NULL, VAULT_E_MEMORY);
    map->map.pairs = pairs;
    map->map.cap = count;
    return VAULT_OK;
}

VT_RESULT vt_value_put_new(struct vt_pool *pool, struct vt_value *map, struct vt_bytes key, struct vt_value value,
                           struct vt_value **out_value)
{
    VT_ENSURE(vt_value_get_bytes(map, key) == NULL, VAULT_E_PARSE);
    return vt_value_append(pool, map, key, value, out_value);
}

VT_RESULT vt_value_put(struct vt_pool *pool, struct vt_value *map, const char *key, struct vt_value value,
                       struct vt_value **out_value)
{
    VT_BUG_ON(vt_value_get(map, key) != NULL);
    return vt_value_append(pool, map, vt_bytes_str(key), value, out_value);
}

static bool has_key_twice_pairwise(const struct vt_value *map)
{
    const struct vt_pair *pairs = map->map.pairs;
    for (size_t i = 1; i < map->map.count; i++)
        for (size_t k = 0; k < i; k++)
            if (vt_bytes_equal(pairs[i].key, pairs[k].key)) return true;
    return false;
}

static int compare_keys(const void *a, const void *b)
{
    const struct vt_bytes *const *left = a, *const *right = b;
    return vt_bytes_compare(**left, **right);
}

/* Sorted, not hashed: keys chosen to collide would bring the square back, and a secret hash key would need a home. */
VT_RESULT vt_value_has_key_twice(struct vt_pool *pool, const struct vt_value *map, bool *out_is_twice)
{
    const size_t count = map->map.count;
    if (count <= VALUE_PAIRWISE_MAX) {
        *out_is_twice = has_key_twice_pairwise(map);
        return VAULT_OK;
    }
    const struct vt_bytes **keys = vt_pool_calloc(pool, count, sizeof *keys);
    VT_ENSURE(keys != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < count; i++) keys[i] = &map->map.pairs[i].key;
    qsort(keys, count, sizeof *keys, compare_keys);

    bool is_twice = false;
    for (size_t i = 1; i < count && !is_twice; i++) is_twice = vt_bytes_equal(*keys[i - 1], *keys[i]);
    *out_is_twice = is_twice;
    return VAULT_OK;
}

static bool arrays_equal(const struct vt_value *a, const struct vt_value *b)
{
    if (a->array.count != b->array.count) return false;
    for (size_t i = 0; i < a->array.count; i++)
        if (!vt_value_equal(&a->array.items[i], &b->array.items[i])) return false;
    return true;
}

/* Keys are distinct on both sides, so equal counts and every key of a in b make the sets equal. The same place is
 * looked at first: maps that were written and read again keep their order. */
static bool maps_equal(const struct vt_value *a, const struct vt_value *b)
{
    if (a->map.count != b->map.count) return false;
    for (size_t i = 0; i < a->map.count; i++) {
        const struct vt_pair *pair = &a->map.pairs[i], *same_place = &b->map.pairs[i];
        const struct vt_value *other =
            vt_bytes_equal(pair->key, same_place->key) ? &same_place->value : vt_value_get_bytes(b, pair->key);
        if (other == NULL || !vt_value_equal(&pair->value, other)) return false;
    }
    return true;
}

bool vt_value_equal(const struct vt_value *a, const struct vt_value *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case VT_VALUE_NIL:
        return true;
    case VT_VALUE_BOOL:
        return a->boolean == b->boolean;
    case VT_VALUE_INT:
        return a->integer == b->integer;
    case VT_VALUE_UINT:
        return a->unsigned_integer == b->unsigned_integer;
    case VT_VALUE_DOUBLE:
        return memcmp(&a->number, &b->number, sizeof a->number) == 0; /* -0.0 is not 0.0 */
    case VT_VALUE_TEXT:
    case VT_VALUE_BYTES:
        return vt_bytes_equal(a->bytes, b->bytes);
    case VT_VALUE_ARRAY:
        return arrays_equal(a, b);
    case VT_VALUE_MAP:
        return maps_equal(a, b);
    }
    return false;
}

static VT_RESULT copy_array(struct vt_pool *pool, const struct vt_value *from, struct vt_value *to)
{
    const size_t count = from->array.count;
    if (count == 0) return VAULT_OK;
    to->array.items = vt_pool_calloc(pool, count, sizeof(struct vt_value));
    VT_ENSURE(to->array.items != NULL, VAULT_E_MEMORY);
    to->array.cap = to->array.count = count;
    for (size_t i = 0; i < count; i++) VT_TRY(vt_value_copy(pool, &from->array.items[i], &to->array.items[i]));
    return VAULT_OK;
}

static VT_RESULT copy_map(struct vt_pool *pool, const struct vt_value *from, struct vt_value *to)
{
    const size_t count = from->map.count;
    if (count == 0) return VAULT_OK;
    to->map.pairs = vt_pool_calloc(pool, count, sizeof(struct vt_pair));
    VT_ENSURE(to->map.pairs != NULL, VAULT_E_MEMORY);
    to->map.cap = to->map.count = count;
    for (size_t i = 0; i < count; i++) {
        to->map.pairs[i].key = vt_pool_copy(pool, from->map.pairs[i].key);
        VT_ENSURE(to->map.pairs[i].key.data != NULL, VAULT_E_MEMORY);
        VT_TRY(vt_value_copy(pool, &from->map.pairs[i].value, &to->map.pairs[i].value));
    }
    return VAULT_OK;
}

VT_RESULT vt_value_copy(struct vt_pool *pool, const struct vt_value *from, struct vt_value *out_value)
{
    struct vt_value copy = {.kind = from->kind, .line = from->line};
    if (from->kind == VT_VALUE_ARRAY) {
        VT_TRY(copy_array(pool, from, &copy));
    } else if (from->kind == VT_VALUE_MAP) {
        VT_TRY(copy_map(pool, from, &copy));
    } else if (from->kind == VT_VALUE_TEXT || from->kind == VT_VALUE_BYTES) {
        copy.bytes = vt_pool_copy(pool, from->bytes);
        VT_ENSURE(copy.bytes.data != NULL, VAULT_E_MEMORY);
    } else {
        copy = *from;
    }
    *out_value = copy;
    return VAULT_OK;
}
