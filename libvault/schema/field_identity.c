/* Numbers that a state or insurer gave a person: us_ssn, driver_licence, passport, government_id, health_id. */
#include "libvault/schema/field_type_internal.h"

static int number_at(struct vt_bytes digits, size_t start, size_t len)
{
    int number = 0;
    for (size_t i = start; i < start + len; i++) number = number * 10 + (digits.data[i] - '0');
    return number;
}

/* Social Security Administration: no area 000, 666 or 900 to 999, no group 00, no serial 0000. */
static const char *ssn_fault(struct vt_bytes digits, bool accept_reserved)
{
    const int area = number_at(digits, 0, 3);
    const bool is_reserved = area == 0 || area == 666 || area >= 900;
    if (is_reserved && !accept_reserved) return "is not a Social Security number: its area was never issued";
    if (number_at(digits, 3, 2) == 0) return "is not a Social Security number: its group is 00";
    if (number_at(digits, 5, 4) == 0) return "is not a Social Security number: its serial is 0000";
    return NULL;
}

static bool is_ssn_shaped(struct vt_bytes text)
{
    if (text.len == 9) return vt_all_digits(text);
    if (text.len != 11 || (text.data[3] != '-' && text.data[3] != ' ') || text.data[6] != text.data[3]) return false;
    return vt_all_digits(vt_bytes(text.data, 3)) && vt_all_digits(vt_bytes(text.data + 4, 2)) &&
           vt_all_digits(vt_bytes(text.data + 7, 4));
}

vault_status vt_check_us_ssn(const struct vt_field_check *check, const struct vt_value *input,
                             struct vt_value *out_stored)
{
    enum { STORED_LEN = 11 };
    if (!is_ssn_shaped(input->bytes)) {
        return vt_field_refuse(check, "is not a Social Security number: nine digits, or written as NNN-NN-NNNN");
    }
    struct vt_bytes digits;
    VT_TRY(vt_field_strip(check->pool, input->bytes, "- ", &digits));
    const char *fault = ssn_fault(digits, check->options->accept_reserved);
    if (fault != NULL) return vt_field_refuse(check, fault);

    char *stored = vt_pool_alloc(check->pool, STORED_LEN + 1);
    VT_ENSURE(stored != NULL, VAULT_E_MEMORY);
    memcpy(stored, digits.data, 3);
    memcpy(stored + 4, digits.data + 3, 2);
    memcpy(stored + 7, digits.data + 5, 4);
    stored[3] = stored[6] = '-';
    *out_stored = vt_value_text(vt_bytes(stored, STORED_LEN));
    return VAULT_OK;
}

/* Letters and digits of a length, one digit at least, not all zeroes; stored in capitals, hyphens and spaces kept. */
static vault_status check_number(const struct vt_field_check *check, struct vt_bytes text, size_t min, size_t max,
                                 const char *fault, struct vt_value *out_stored)
{
    struct vt_bytes plain;
    if (!vt_is_grouped(text, " -")) return vt_field_refuse(check, fault);
    VT_TRY(vt_field_strip(check->pool, text, " -", &plain));
    size_t digits = 0;
    for (size_t i = 0; i < plain.len; i++) digits += vt_is_digit(plain.data[i]);
    if (plain.len < min || plain.len > max || digits == 0 || vt_all_zero(plain)) return vt_field_refuse(check, fault);

    uint8_t *stored = vt_field_copy(check->pool, text);
    VT_ENSURE(stored != NULL, VAULT_E_MEMORY);
    vt_field_upper(stored, text.len);
    *out_stored = vt_value_text(vt_bytes(stored, text.len));
    return VAULT_OK;
}

/* States differ in form and change it; AAMVA allows up to 25 characters. */
vault_status vt_check_driver_licence(const struct vt_field_check *check, const struct vt_value *input,
                                     struct vt_value *out_stored)
{
    return check_number(check, input->bytes, 4, 25,
                        "is not a licence number: 4 to 25 letters and digits, one digit at least", out_stored);
}

/* ICAO Doc 9303 part 4: at most nine characters in the number of the machine-readable zone. */
vault_status vt_check_passport(const struct vt_field_check *check, const struct vt_value *input,
                               struct vt_value *out_stored)
{
    return check_number(check, input->bytes, 5, 9,
                        "is not a passport number: 5 to 9 letters and digits, one digit at least", out_stored);
}

vault_status vt_check_identity_number(const struct vt_field_check *check, const struct vt_value *input,
                                      struct vt_value *out_stored)
{
    return check_number(check, input->bytes, 3, 32,
                        "is not an identity number: 3 to 32 letters and digits, one digit at least", out_stored);
}
