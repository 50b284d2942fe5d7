#include "libvault/codec/text.h"
#include "libvault/proof/proof_internal.h"

bool vt_lines_next(struct vt_lines *lines, struct vt_bytes *out_line)
{
    if (lines->rest.len == 0) return false;
    const uint8_t *end = memchr(lines->rest.data, '\n', lines->rest.len);
    if (end == NULL) return false;

    const size_t len = (size_t)(end - lines->rest.data);
    *out_line = vt_bytes(lines->rest.data, len);
    lines->rest = vt_bytes(end + 1, lines->rest.len - len - 1);
    lines->number++;
    return true;
}

bool vt_proof_text_is_clean(struct vt_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 && text.data[i] != '\n') return false;
    }
    return vt_utf8_is_valid(text);
}

bool vt_proof_after(struct vt_bytes text, const char *prefix, struct vt_bytes *out_rest)
{
    const size_t len = strlen(prefix);
    if (text.len < len || memcmp(text.data, prefix, len) != 0) return false;
    *out_rest = vt_bytes(text.data + len, text.len - len);
    return true;
}

VT_RESULT vt_proof_decimal(struct vt_bytes text, uint64_t *out_number)
{
    uint64_t number = 0;

    VT_ENSURE(text.len != 0 && (text.len == 1 || text.data[0] != '0'), VAULT_E_PARSE);
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t digit = (uint8_t)(text.data[i] - '0');
        VT_ENSURE(digit <= 9, VAULT_E_PARSE);
        VT_ENSURE(!__builtin_mul_overflow(number, UINT64_C(10), &number), VAULT_E_PARSE);
        VT_ENSURE(!__builtin_add_overflow(number, (uint64_t)digit, &number), VAULT_E_PARSE);
    }
    *out_number = number;
    return VAULT_OK;
}

VT_RESULT vt_proof_hex(struct vt_bytes text, uint8_t *out_bytes, size_t len)
{
    for (size_t i = 0; i < text.len; i++) {
        VT_ENSURE(text.data[i] < 'A' || text.data[i] > 'F', VAULT_E_PARSE);
    }
    return vt_hex_decode(text, out_bytes, len);
}

/* Decoders differ in what they forgive; encoding again and comparing forgives nothing. */
VT_RESULT vt_proof_base64(struct vt_bytes text, struct vt_buf *out)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(out->max);
    VT_AUTO(vt_buf) again = VT_BUF_INIT(text.len);

    VT_TRY(vt_base64_decode(&bytes, text));
    const vault_status status = vt_base64_encode(&again, vt_buf_bytes(&bytes));
    VT_ENSURE(status != VAULT_E_TOO_LARGE, VAULT_E_PARSE);
    VT_TRY(status);
    VT_ENSURE(vt_bytes_equal(vt_buf_bytes(&again), text), VAULT_E_PARSE);
    return vt_buf_append(out, vt_buf_bytes(&bytes));
}

VT_RESULT vt_proof_base64_fixed(struct vt_bytes text, uint8_t *out_bytes, size_t len)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(128);

    VT_BUG_ON(len > 128);
    VT_ENSURE(text.len == (len + 2) / 3 * 4, VAULT_E_PARSE);
    VT_TRY(vt_proof_base64(text, &bytes));
    VT_ENSURE(bytes.len == len, VAULT_E_PARSE);
    memcpy(out_bytes, bytes.data, len);
    return VAULT_OK;
}
