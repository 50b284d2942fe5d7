/* Types that are not text: integer and duration, boolean, json. */
#include <inttypes.h>

#include "libvault/schema/field_type_internal.h"

/* A decimal integer as RFC 8259 writes one: no plus sign, no leading zero, no fraction. */
static bool read_integer(struct vt_bytes text, int64_t *out_number)
{
    const bool is_negative = text.len != 0 && text.data[0] == '-';
    const size_t first = is_negative ? 1 : 0;
    if (text.len == first || (text.data[first] == '0' && text.len > 1)) return false;
    int64_t number = 0;
    for (size_t i = first; i < text.len; i++) {
        if (!vt_is_digit(text.data[i])) return false;
        const int64_t digit = text.data[i] - '0';
        if (__builtin_mul_overflow(number, (int64_t)10, &number)) return false;
        if (__builtin_add_overflow(number, is_negative ? -digit : digit, &number)) return false;
    }
    *out_number = number;
    return true;
}

vault_status vt_check_integer(const struct vt_field_check *check, const struct vt_value *input,
                              struct vt_value *out_stored)
{
    int64_t number = input->integer;
    if (input->kind == VT_VALUE_TEXT && !read_integer(input->bytes, &number)) {
        return vt_field_refuse(check, "is not a whole number in plain decimal digits");
    }
    if (number < check->options->min || number > check->options->max) {
        return vt_fail(check->err, VAULT_E_INVALID_VALUE, check->field,
                       "Field %s lies outside its range of %" PRId64 " to %" PRId64 ".", check->field,
                       check->options->min, check->options->max);
    }
    *out_stored = vt_value_int(number);
    return VAULT_OK;
}

vault_status vt_normalise_integer(struct vt_pool *pool, const struct vt_value *stored, struct vt_bytes *out_normal)
{
    uint8_t *bytes = vt_pool_alloc(pool, sizeof(uint64_t));
    VT_ENSURE(bytes != NULL, VAULT_E_MEMORY);
    vt_put_u64(bytes, (uint64_t)stored->integer);
    *out_normal = vt_bytes(bytes, sizeof(uint64_t));
    return VAULT_OK;
}

vault_status vt_check_boolean(const struct vt_field_check *check, const struct vt_value *input,
                              struct vt_value *out_stored)
{
    bool is_true = input->kind == VT_VALUE_BOOL && input->boolean;
    if (input->kind == VT_VALUE_TEXT) {
        is_true = vt_bytes_equal_str(input->bytes, "true") || vt_bytes_equal_str(input->bytes, "1");
        const bool is_false = vt_bytes_equal_str(input->bytes, "false") || vt_bytes_equal_str(input->bytes, "0");
        if (!is_true && !is_false) return vt_field_refuse(check, "is not true, false, 1 or 0");
    }
    *out_stored = vt_value_bool(is_true);
    return VAULT_OK;
}

/* A measure that is never less than the packed size; false past @p max. Depth was bounded when the value was read. */
static bool json_size_within(const struct vt_value *value, int64_t max, int64_t *size)
{
    enum { SCALAR_BYTES = 9, HEADER_BYTES = 5 };
    const bool has_bytes = value->kind == VT_VALUE_TEXT || value->kind == VT_VALUE_BYTES;
    *size += has_bytes ? (int64_t)value->bytes.len + HEADER_BYTES : SCALAR_BYTES;
    if (*size > max) return false;
    for (size_t i = 0; value->kind == VT_VALUE_ARRAY && i < value->array.count; i++) {
        if (!json_size_within(&value->array.items[i], max, size)) return false;
    }
    for (size_t i = 0; value->kind == VT_VALUE_MAP && i < value->map.count; i++) {
        *size += (int64_t)value->map.pairs[i].key.len + HEADER_BYTES;
        if (!json_size_within(&value->map.pairs[i].value, max, size)) return false;
    }
    return true;
}

vault_status vt_check_json(const struct vt_field_check *check, const struct vt_value *input,
                           struct vt_value *out_stored)
{
    int64_t size = 0;
    if (!json_size_within(input, check->options->max, &size)) {
        return vt_fail(check->err, VAULT_E_TOO_LARGE, check->field, "Field %s is larger than its %lld bytes.",
                       check->field, (long long)check->options->max);
    }
    return vt_value_copy(check->pool, input, out_stored);
}
