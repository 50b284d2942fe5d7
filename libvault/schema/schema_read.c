#include <stdarg.h>
#include <stdio.h>

#include "libvault/codec/text.h"
#include "libvault/schema/schema_read_internal.h"

vault_status vt_schema_refuse(const struct vt_schema_reader *reader, vault_status status, const struct vt_value *at,
                              const char *format, ...)
{
    char sentence[sizeof((struct vt_err *)NULL)->message];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (at == NULL || at->line == 0) return vt_fail(reader->err, status, reader->path, "%s", sentence);
    return vt_fail(reader->err, status, reader->path, "Line %u: %.230s", (unsigned)at->line, sentence);
}

static bool is_known(struct vt_bytes key, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (vt_bytes_equal_str(key, keys[i])) return true;
    }
    return false;
}

VT_RESULT vt_schema_read_keys(const struct vt_schema_reader *reader, const char *const *keys, size_t count)
{
    const struct vt_value *map = reader->map;
    if (map->kind != VT_VALUE_MAP) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, map, "Here must stand a map, not %s.",
                                vt_value_kind_name(map->kind));
    }
    for (size_t i = 0; i < map->map.count; i++) {
        const struct vt_pair *pair = &map->map.pairs[i];
        if (is_known(pair->key, keys, count)) continue;
        const bool is_printable = vt_name_is_valid(pair->key);
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, &pair->value, "The key %.*s is not known here.",
                                is_printable ? (int)pair->key.len : 1,
                                is_printable ? (const char *)pair->key.data : "?");
    }
    return VAULT_OK;
}

VT_RESULT vt_schema_read_text(const struct vt_schema_reader *reader, const char *key, size_t max,
                              struct vt_bytes *out_text)
{
    const struct vt_value *value = vt_value_get(reader->map, key);
    if (value == NULL) {
        *out_text = VT_BYTES_EMPTY;
        return VAULT_OK;
    }
    if (value->kind != VT_VALUE_TEXT || value->bytes.len > max) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value, "The key %s must be a text of at most %zu bytes.", key,
                                max);
    }
    *out_text = value->bytes;
    return VAULT_OK;
}

VT_RESULT vt_schema_read_name(const struct vt_schema_reader *reader, const char *key, struct vt_pool *pool,
                              struct vt_bytes *out_name)
{
    const struct vt_value *value = vt_value_get(reader->map, key);
    if (value == NULL) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, reader->map, "The key %s is missing.", key);
    }
    if (value->kind != VT_VALUE_TEXT || !vt_name_is_valid(value->bytes)) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value,
                                "The key %s must be a name: a lower-case letter, then at most 63 of a-z 0-9 _ -.", key);
    }
    const struct vt_bytes name = vt_pool_copy(pool, value->bytes);
    VT_ENSURE(name.data != NULL, VAULT_E_MEMORY);
    *out_name = name;
    return VAULT_OK;
}

VT_RESULT vt_schema_read_choice(const struct vt_schema_reader *reader, const char *key, const char *const *choices,
                                size_t count, unsigned *out_choice)
{
    const struct vt_value *value = vt_value_get(reader->map, key);
    unsigned choice = 0;
    if (value != NULL) {
        const bool is_text = value->kind == VT_VALUE_TEXT;
        while (choice < count && !(is_text && vt_bytes_equal_str(value->bytes, choices[choice]))) choice++;
    }
    if (choice == count) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value, "The key %s must be %s%s%s%s%s.", key, choices[0],
                                count > 2 ? ", " : " or ", choices[1], count > 2 ? " or " : "",
                                count > 2 ? choices[2] : "");
    }
    *out_choice = choice;
    return VAULT_OK;
}

VT_RESULT vt_schema_read_bool(const struct vt_schema_reader *reader, const char *key, bool *out_is_true)
{
    const struct vt_value *value = vt_value_get(reader->map, key);
    if (value != NULL && value->kind != VT_VALUE_BOOL) {
        return vt_schema_refuse(reader, VAULT_E_ARGUMENT, value, "The key %s must be true or false.", key);
    }
    *out_is_true = value != NULL && value->boolean;
    return VAULT_OK;
}
