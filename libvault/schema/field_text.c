/* Text without a form of its own: text, enum, name, address, token, device_id; and what the other families share. */
#include "libvault/codec/text.h"
#include "libvault/schema/field_type_internal.h"

vault_status vt_field_refuse(const struct vt_field_check *check, const char *why)
{
    return vt_fail(check->err, VAULT_E_INVALID_VALUE, check->field, "Field %s %s.", check->field, why);
}

VT_RESULT vt_field_store(const struct vt_field_check *check, struct vt_bytes text, struct vt_value *out_stored)
{
    const struct vt_bytes copy = vt_pool_copy(check->pool, text);
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    *out_stored = vt_value_text(copy);
    return VAULT_OK;
}

uint8_t *vt_field_copy(struct vt_pool *pool, struct vt_bytes text)
{
    uint8_t *copy = vt_pool_alloc(pool, text.len + 1);
    if (copy != NULL && text.len != 0) memcpy(copy, text.data, text.len);
    return copy;
}

VT_RESULT vt_field_strip(struct vt_pool *pool, struct vt_bytes text, const char *dropped, struct vt_bytes *out_text)
{
    uint8_t *kept = vt_pool_alloc(pool, text.len + 1);
    VT_ENSURE(kept != NULL, VAULT_E_MEMORY);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == 0 || strchr(dropped, text.data[i]) == NULL) kept[len++] = text.data[i];
    }
    *out_text = vt_bytes(kept, len);
    return VAULT_OK;
}

void vt_field_upper(uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] >= 'a' && text[i] <= 'z') text[i] = (uint8_t)(text[i] - 'a' + 'A');
    }
}

void vt_field_lower(uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z') text[i] = (uint8_t)(text[i] - 'A' + 'a');
    }
}

bool vt_all_digits(struct vt_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!vt_is_digit(text.data[i])) return false;
    }
    return text.len != 0;
}

bool vt_all_alnum(struct vt_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!vt_is_alnum(text.data[i])) return false;
    }
    return text.len != 0;
}

bool vt_all_zero(struct vt_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '0') return false;
    }
    return true;
}

bool vt_is_grouped(struct vt_bytes text, const char *separators)
{
    bool was_separator = true;
    for (size_t i = 0; i < text.len; i++) {
        const bool is_separator = text.data[i] != 0 && strchr(separators, text.data[i]) != NULL;
        if (!is_separator && !vt_is_alnum(text.data[i])) return false;
        if (is_separator && was_separator) return false;
        was_separator = is_separator;
    }
    return !was_separator;
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x2028 || point == 0x2029;
}

/* Default-ignorable and bidirectional format characters of Unicode that make two texts look alike. */
static bool is_hidden(uint32_t point)
{
    return is_control(point) || point == 0xAD || point == 0x061C || (point >= 0x200B && point <= 0x200F) ||
           (point >= 0x202A && point <= 0x202E) || (point >= 0x2060 && point <= 0x2069) || point == 0xFEFF;
}

static bool has_point(struct vt_bytes text, bool (*is_bad)(uint32_t point))
{
    while (text.len != 0) {
        if (is_bad(vt_utf8_next(&text))) return true;
    }
    return false;
}

bool vt_has_control(struct vt_bytes text)
{
    return has_point(text, is_control);
}

bool vt_has_hidden(struct vt_bytes text)
{
    return has_point(text, is_hidden);
}

size_t vt_mask_tail_len(size_t len)
{
    return len >= 8 ? 4 : len >= 6 ? 2 : 0;
}

VT_RESULT vt_mask_middle(struct vt_pool *pool, struct vt_bytes text, size_t head, size_t tail,
                         struct vt_bytes *out_text)
{
    uint8_t *shown = vt_field_copy(pool, text);
    VT_ENSURE(shown != NULL, VAULT_E_MEMORY);
    for (size_t i = head; i + tail < text.len; i++) {
        if (vt_is_alnum(shown[i])) shown[i] = '*';
    }
    *out_text = vt_bytes(shown, text.len);
    return VAULT_OK;
}

VT_RESULT vt_mask_redacted(struct vt_pool *pool, struct vt_bytes *out_text)
{
    const struct vt_bytes text = vt_pool_copy(pool, vt_bytes_str("[redacted]"));
    VT_ENSURE(text.data != NULL, VAULT_E_MEMORY);
    *out_text = text;
    return VAULT_OK;
}

vault_status vt_mask_tail(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text)
{
    (void)mask;
    return vt_mask_middle(pool, stored, 0, vt_mask_tail_len(stored.len), out_text);
}

vault_status vt_normalise_same(struct vt_pool *pool, const struct vt_value *stored, struct vt_bytes *out_normal)
{
    (void)pool;
    *out_normal = stored->bytes;
    return VAULT_OK;
}

vault_status vt_normalise_folded(struct vt_pool *pool, const struct vt_value *stored, struct vt_bytes *out_normal)
{
    return vt_text_normalise(pool, stored->bytes, VT_TEXT_NFKC_CASEFOLD | VT_TEXT_SPACES, out_normal);
}

vault_status vt_check_text(const struct vt_field_check *check, const struct vt_value *input,
                           struct vt_value *out_stored)
{
    if ((int64_t)input->bytes.len > check->options->max) {
        return vt_fail(check->err, VAULT_E_TOO_LARGE, check->field, "Field %s is longer than its %lld bytes.",
                       check->field, (long long)check->options->max);
    }
    return vt_field_store(check, input->bytes, out_stored);
}

vault_status vt_check_enum(const struct vt_field_check *check, const struct vt_value *input,
                           struct vt_value *out_stored)
{
    for (size_t i = 0; i < check->options->value_count; i++) {
        if (vt_bytes_equal(input->bytes, check->options->values[i]))
            return vt_field_store(check, input->bytes, out_stored);
    }
    return vt_field_refuse(check, "is not one of the values that its schema lists");
}

vault_status vt_check_name(const struct vt_field_check *check, const struct vt_value *input,
                           struct vt_value *out_stored)
{
    if (input->bytes.len == 0) return vt_field_refuse(check, "is empty; leave the field out when there is no name");
    if (vt_has_control(input->bytes)) return vt_field_refuse(check, "holds a control character or line break");
    return vt_field_store(check, input->bytes, out_stored);
}

vault_status vt_check_address(const struct vt_field_check *check, const struct vt_value *input,
                              struct vt_value *out_stored)
{
    const struct vt_bytes text = input->bytes;
    if (text.len == 0) return vt_field_refuse(check, "is empty; leave the field out when there is no address");
    struct vt_bytes lines;
    VT_TRY(vt_field_strip(check->pool, text, "\r\n\t", &lines));
    if (vt_has_control(lines))
        return vt_field_refuse(check, "holds a control character other than a line break or tab");
    return vt_field_store(check, text, out_stored);
}

vault_status vt_check_token(const struct vt_field_check *check, const struct vt_value *input,
                            struct vt_value *out_stored)
{
    const struct vt_bytes text = input->bytes;
    for (size_t i = 0; i < text.len; i++) {
        if (!vt_is_alnum(text.data[i]) && strchr("._~:-", text.data[i]) == NULL) {
            return vt_field_refuse(check, "is not a token: only letters, digits and . _ ~ : - may occur");
        }
    }
    if (text.len == 0) return vt_field_refuse(check, "is empty; leave the field out when there is no token");
    return vt_field_store(check, text, out_stored);
}

/* RFC 9562 section 4: hexadecimal digits in groups of 8, 4, 4, 4, 12; "input is case-insensitive, output lower case".
 */
static bool is_uuid(struct vt_bytes text)
{
    if (text.len != 36) return false;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.data[i];
        const bool is_hyphen_place = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_hyphen_place ? c != '-' : !vt_is_digit(c) && !((c | 32) >= 'a' && (c | 32) <= 'f')) return false;
    }
    return true;
}

vault_status vt_check_device_id(const struct vt_field_check *check, const struct vt_value *input,
                                struct vt_value *out_stored)
{
    const struct vt_bytes text = input->bytes;
    if (text.len == 0) return vt_field_refuse(check, "is empty; leave the field out when there is no device");
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7F) {
            return vt_field_refuse(check, "is not a device id: only printable ASCII without spaces may occur");
        }
    }
    VT_TRY(vt_field_store(check, text, out_stored));
    if (!is_uuid(text)) return VAULT_OK;
    uint8_t *lower = vt_field_copy(check->pool, text);
    VT_ENSURE(lower != NULL, VAULT_E_MEMORY);
    vt_field_lower(lower, text.len);
    *out_stored = vt_value_text(vt_bytes(lower, text.len));
    return VAULT_OK;
}
