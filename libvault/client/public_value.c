#include <stdlib.h>

#include "libvault/client/public_internal.h"
#include "libvault/codec/text.h"

vault_kind vault_value_kind(const vault_value *value)
{
    static const vault_kind KINDS[] = {
        [VT_VALUE_NIL] = VAULT_NIL,   [VT_VALUE_BOOL] = VAULT_BOOL,     [VT_VALUE_INT] = VAULT_INT,
        [VT_VALUE_UINT] = VAULT_INT,  [VT_VALUE_DOUBLE] = VAULT_DOUBLE, [VT_VALUE_TEXT] = VAULT_TEXT,
        [VT_VALUE_BYTES] = VAULT_BYTES, [VT_VALUE_ARRAY] = VAULT_LIST,  [VT_VALUE_MAP] = VAULT_MAP,
    };
    return value != NULL ? KINDS[vt_value_of_public(value)->kind] : VAULT_NIL;
}

int vault_value_bool(const vault_value *value, int otherwise)
{
    const struct vt_value *at = vt_value_of_public(value);
    return at != NULL && at->kind == VT_VALUE_BOOL ? at->boolean : otherwise;
}

/* Above INT64_MAX it is an integer that does not fit: `otherwise`, not a wrong number. */
int64_t vault_value_int(const vault_value *value, int64_t otherwise)
{
    const struct vt_value *at = vt_value_of_public(value);
    return at != NULL && at->kind == VT_VALUE_INT ? at->integer : otherwise;
}

double vault_value_double(const vault_value *value, double otherwise)
{
    const struct vt_value *at = vt_value_of_public(value);
    if (at != NULL && at->kind == VT_VALUE_INT) return (double)at->integer;
    return at != NULL && at->kind == VT_VALUE_DOUBLE ? at->number : otherwise;
}

const char *vault_value_data(const vault_value *value, size_t *out_len)
{
    const struct vt_value *at = vt_value_of_public(value);
    const bool has_data = at != NULL && (at->kind == VT_VALUE_TEXT || at->kind == VT_VALUE_BYTES);
    if (out_len != NULL) *out_len = has_data ? at->bytes.len : 0;
    if (!has_data) return NULL;
    return at->bytes.len != 0 ? (const char *)at->bytes.data : "";
}

size_t vault_value_count(const vault_value *value)
{
    const struct vt_value *at = vt_value_of_public(value);
    if (at != NULL && at->kind == VT_VALUE_ARRAY) return at->array.count;
    return at != NULL && at->kind == VT_VALUE_MAP ? at->map.count : 0;
}

const vault_value *vault_value_at(const vault_value *value, size_t index)
{
    const struct vt_value *at = vt_value_of_public(value);
    if (index >= vault_value_count(value)) return NULL;
    return vt_value_to_public(at->kind == VT_VALUE_ARRAY ? &at->array.items[index] : &at->map.pairs[index].value);
}

const char *vault_value_key(const vault_value *map, size_t index, size_t *out_len)
{
    const struct vt_value *at = vt_value_of_public(map);
    const bool has_key = at != NULL && at->kind == VT_VALUE_MAP && index < at->map.count;
    const size_t len = has_key ? at->map.pairs[index].key.len : 0;
    if (out_len != NULL) *out_len = len;
    if (!has_key) return NULL;
    return len != 0 ? (const char *)at->map.pairs[index].key.data : "";
}

const vault_value *vault_value_get(const vault_value *map, const char *key)
{
    return vt_value_to_public(vt_value_get(vt_value_of_public(map), key));
}

vault_status vault_params_new(vault_params **out_params)
{
    struct vault_params *params = calloc(1, sizeof *params);
    VT_ENSURE(params != NULL, VAULT_E_MEMORY);
    params->pool = VT_POOL_INIT(4 * (size_t)VT_LIMIT_FRAME_BYTES);
    params->open[0] = vt_value_map();
    *out_params = params;
    return VAULT_OK;
}

void vault_params_free(vault_params *params)
{
    if (params == NULL) return;
    vt_pool_release(&params->pool);
    free(params);
}

static VT_RESULT add(struct vault_params *params, struct vt_bytes key, struct vt_value value)
{
    struct vt_value *into = &params->open[params->depth];
    const bool has_key = key.data != NULL;
    VT_ENSURE(has_key == (into->kind == VT_VALUE_MAP), VAULT_E_ARGUMENT);
    if (!has_key) return vt_value_push(&params->pool, into, value, NULL);
    const vault_status status = vt_value_put_new(&params->pool, into, key, value, NULL);
    return status == VAULT_E_PARSE ? VAULT_E_ARGUMENT : status;
}

static VT_RESULT keep_key(struct vault_params *params, const char *key, struct vt_bytes *out_key)
{
    *out_key = VT_BYTES_EMPTY;
    if (key == NULL) return VAULT_OK;
    VT_ENSURE(vt_utf8_is_valid(vt_bytes_str(key)), VAULT_E_TYPE);
    *out_key = vt_pool_copy(&params->pool, vt_bytes_str(key));
    return out_key->data != NULL ? VAULT_OK : VAULT_E_MEMORY;
}

static vault_status kept(struct vault_params *params, vault_status status)
{
    if (params->failure == VAULT_OK) params->failure = status;
    return status;
}

static VT_RESULT add_keyed(struct vault_params *params, const char *key, struct vt_value value)
{
    struct vt_bytes name;
    VT_TRY(keep_key(params, key, &name));
    return add(params, name, value);
}

static VT_RESULT add_bytes(struct vault_params *params, const char *key, enum vt_value_kind kind, struct vt_bytes bytes)
{
    VT_ENSURE(bytes.len <= VT_LIMIT_VALUE_BYTES, VAULT_E_TOO_LARGE);
    VT_ENSURE(kind != VT_VALUE_TEXT || vt_utf8_is_valid(bytes), VAULT_E_TYPE);
    const struct vt_bytes copy = vt_pool_copy(&params->pool, bytes);
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    return add_keyed(params, key, (struct vt_value){.kind = kind, .bytes = copy});
}

vault_status vault_params_text(vault_params *params, const char *key, const char *text, size_t len)
{
    return kept(params, add_bytes(params, key, VT_VALUE_TEXT, vt_bytes(text, len)));
}

vault_status vault_params_str(vault_params *params, const char *key, const char *text)
{
    return kept(params, add_bytes(params, key, VT_VALUE_TEXT, vt_bytes_str(text)));
}

vault_status vault_params_bytes(vault_params *params, const char *key, const void *bytes, size_t len)
{
    return kept(params, add_bytes(params, key, VT_VALUE_BYTES, vt_bytes(bytes, len)));
}

vault_status vault_params_int(vault_params *params, const char *key, int64_t integer)
{
    return kept(params, add_keyed(params, key, vt_value_int(integer)));
}

vault_status vault_params_bool(vault_params *params, const char *key, int boolean)
{
    return kept(params, add_keyed(params, key, vt_value_bool(boolean != 0)));
}

vault_status vault_params_nil(vault_params *params, const char *key)
{
    return kept(params, add_keyed(params, key, VT_VALUE_INIT));
}

static VT_RESULT open_new(struct vault_params *params, const char *key, struct vt_value value)
{
    VT_ENSURE(params->depth + 1 < VT_LIMIT_DEPTH, VAULT_E_TOO_LARGE);
    VT_ENSURE((key != NULL) == (params->open[params->depth].kind == VT_VALUE_MAP), VAULT_E_ARGUMENT);
    struct vt_bytes name;
    VT_TRY(keep_key(params, key, &name));
    params->depth++;
    params->open[params->depth] = value;
    params->keys[params->depth] = name;
    return VAULT_OK;
}

vault_status vault_params_open_list(vault_params *params, const char *key)
{
    return kept(params, open_new(params, key, vt_value_array()));
}

vault_status vault_params_open_map(vault_params *params, const char *key)
{
    return kept(params, open_new(params, key, vt_value_map()));
}

vault_status vault_params_close(vault_params *params)
{
    if (params->depth == 0) return kept(params, VAULT_E_STATE);
    const struct vt_value done = params->open[params->depth];
    const struct vt_bytes key = params->keys[params->depth];
    params->depth--;
    return kept(params, add(params, key, done));
}

VT_RESULT vt_params_value(const struct vault_params *params, const struct vt_value **out_value)
{
    VT_TRY(params->failure);
    VT_ENSURE(params->depth == 0, VAULT_E_STATE);
    *out_value = &params->open[0];
    return VAULT_OK;
}
