/* Bank accounts: iban, account_number. */
#include "libvault/schema/field_type_internal.h"

/* Length by country: SWIFT IBAN registry (ISO 13616-2). Whether bank and account exist is not checked, nor the national
 * check digits inside. */
static const struct iban_country {
    char code[3];
    uint8_t len;
} IBAN_COUNTRIES[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22},
    {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DJ", 27},
    {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FK", 18}, {"FO", 18}, {"FR", 27},
    {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HN", 28}, {"HR", 21}, {"HU", 28},
    {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28},
    {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22},
    {"MK", 19}, {"MN", 20}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23},
    {"PK", 24}, {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24},
    {"SC", 31}, {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25}, {"SV", 28},
    {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20}, {"YE", 30},
};

static size_t iban_len(struct vt_bytes iban)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(IBAN_COUNTRIES); i++) {
        if (memcmp(iban.data, IBAN_COUNTRIES[i].code, 2) == 0) return IBAN_COUNTRIES[i].len;
    }
    return 0;
}

/* ISO 7064 MOD 97-10 over the account, then country and check digits, letters as 10 to 35. */
static unsigned iban_mod97(struct vt_bytes iban)
{
    unsigned rest = 0;
    for (size_t i = 0; i < iban.len; i++) {
        const uint8_t c = iban.data[(i + 4) % iban.len];
        rest = vt_is_digit(c) ? (rest * 10 + (c - '0')) % 97 : (rest * 100 + (c - 'A') + 10) % 97;
    }
    return rest;
}

static const char *iban_fault(struct vt_bytes iban)
{
    if (iban.len < 5 || !vt_all_alnum(iban) || !vt_all_digits(vt_bytes(iban.data + 2, 2))) {
        return "is not an IBAN: two letters, two digits, then letters and digits";
    }
    const size_t len = iban_len(iban);
    if (len == 0) return "is not an IBAN: its country issues none";
    if (iban.len != len) return "is not an IBAN: its length is not that of its country";
    if (vt_all_zero(vt_bytes(iban.data + 4, iban.len - 4))) return "is not an IBAN: its account is all zeroes";
    /* Check digits are 98 minus a remainder: 00, 01 and 99 fit the sum but are never issued. */
    const int check_digits = (iban.data[2] - '0') * 10 + (iban.data[3] - '0');
    const bool is_issued = check_digits >= 2 && check_digits <= 98;
    return is_issued && iban_mod97(iban) == 1 ? NULL : "is not an IBAN: its check digits do not fit";
}

vault_status vt_check_iban(const struct vt_field_check *check, const struct vt_value *input,
                           struct vt_value *out_stored)
{
    struct vt_bytes stripped;
    if (!vt_is_grouped(input->bytes, " "))
        return vt_field_refuse(check, "is not an IBAN: only letters, digits, single spaces");
    VT_TRY(vt_field_strip(check->pool, input->bytes, " ", &stripped));
    uint8_t *iban = vt_field_copy(check->pool, stripped);
    VT_ENSURE(iban != NULL, VAULT_E_MEMORY);
    vt_field_upper(iban, stripped.len);
    const char *fault = iban_fault(vt_bytes(iban, stripped.len));
    if (fault != NULL) return vt_field_refuse(check, fault);
    *out_stored = vt_value_text(vt_bytes(iban, stripped.len));
    return VAULT_OK;
}

vault_status vt_mask_iban(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text)
{
    return vt_mask_middle(pool, stored, mask == VT_MASK_MASKED ? 2 : 0, 4, out_text);
}

/* Domestic account numbers have no common form: letters and digits, at least one digit that is not zero. */
vault_status vt_check_account_number(const struct vt_field_check *check, const struct vt_value *input,
                                     struct vt_value *out_stored)
{
    struct vt_bytes plain;
    if (!vt_is_grouped(input->bytes, " -/")) {
        return vt_field_refuse(
            check, "is not an account number: letters and digits, single spaces, hyphens or slashes between");
    }
    VT_TRY(vt_field_strip(check->pool, input->bytes, " -/", &plain));
    if (plain.len < 4) return vt_field_refuse(check, "is not an account number: it has fewer than four characters");
    if (vt_all_zero(plain)) return vt_field_refuse(check, "is not an account number: it is all zeroes");
    return vt_field_store(check, input->bytes, out_stored);
}
