/* Payment cards: pan, card_expiry. Security codes, PINs and track data have no type: vt_field_refused_name(). */
#include "libvault/schema/field_type_internal.h"

enum { PAN_MIN = 12, PAN_MAX = 19, LAST4 = 4 };

/* Issuer ranges by the first digits of a number (ISO/IEC 7812-1), the more special before the more general. Lengths are
 * what the schemes issue: bit n set means n digits. */
#define LEN(n) (1u << (n))
#define LEN_16_TO_19 (LEN(16) | LEN(17) | LEN(18) | LEN(19))
#define LEN_12_TO_19 (LEN(12) | LEN(13) | LEN(14) | LEN(15) | LEN_16_TO_19)
static const struct pan_range {
    const char *brand;
    uint32_t first, last; /* prefixes, both included */
    unsigned digits;      /* of the prefix */
    uint32_t lengths;
} PAN_RANGES[] = {
    {"discover", 6011, 6011, 4, LEN_16_TO_19},
    {"discover", 644, 649, 3, LEN_16_TO_19},
    {"discover", 65, 65, 2, LEN_16_TO_19},
    {"unionpay", 62, 62, 2, LEN_16_TO_19},
    {"maestro", 6, 6, 1, LEN_12_TO_19},
    {"maestro", 50, 50, 2, LEN_12_TO_19},
    {"maestro", 56, 58, 2, LEN_12_TO_19},
    {"mastercard", 51, 55, 2, LEN(16)},
    {"mastercard", 2221, 2720, 4, LEN(16)},
    {"amex", 34, 34, 2, LEN(15)},
    {"amex", 37, 37, 2, LEN(15)},
    {"jcb", 3528, 3589, 4, LEN_16_TO_19},
    {"diners", 300, 305, 3, LEN(14) | LEN(15) | LEN_16_TO_19},
    {"diners", 3095, 3095, 4, LEN(14) | LEN(15) | LEN_16_TO_19},
    {"diners", 36, 36, 2, LEN(14) | LEN(15) | LEN_16_TO_19},
    {"diners", 38, 39, 2, LEN(14) | LEN(15) | LEN_16_TO_19},
    {"visa", 4, 4, 1, LEN(13) | LEN(16) | LEN(19)},
};

static const struct pan_range *find_range(struct vt_bytes digits)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(PAN_RANGES); i++) {
        const struct pan_range *range = &PAN_RANGES[i];
        uint32_t prefix = 0;
        if (digits.len < range->digits) continue;
        for (unsigned n = 0; n < range->digits; n++) prefix = prefix * 10 + (digits.data[n] - '0');
        if (prefix >= range->first && prefix <= range->last) return range;
    }
    return NULL;
}

const char *vt_pan_brand(struct vt_bytes digits)
{
    if (!vt_all_digits(digits) || digits.len > PAN_MAX) return "other";
    const struct pan_range *range = find_range(digits);
    return range != NULL && (range->lengths & LEN(digits.len)) != 0 ? range->brand : "other";
}

bool vt_luhn_is_valid(struct vt_bytes digits)
{
    unsigned sum = 0;
    if (!vt_all_digits(digits)) return false;
    for (size_t i = 0; i < digits.len; i++) {
        const unsigned digit = digits.data[digits.len - 1 - i] - '0';
        const unsigned twice = 2 * digit;
        sum += i % 2 == 0 ? digit : twice > 9 ? twice - 9 : twice;
    }
    return sum % 10 == 0;
}

static const char *pan_fault(struct vt_bytes digits)
{
    if (!vt_all_digits(digits))
        return "is not a card number: only digits, with single spaces or hyphens between groups";
    if (digits.len < PAN_MIN || digits.len > PAN_MAX) return "is not a card number: it does not have 12 to 19 digits";
    if (vt_all_zero(digits)) return "is not a card number: it is all zeroes";
    const struct pan_range *range = find_range(digits);
    if (range != NULL && (range->lengths & LEN(digits.len)) == 0) {
        return "is not a card number: its issuer has none of this length";
    }
    return vt_luhn_is_valid(digits) ? NULL : "is not a card number: its check digit does not fit";
}

vault_status vt_check_pan(const struct vt_field_check *check, const struct vt_value *input, struct vt_value *out_stored)
{
    struct vt_bytes digits;
    if (!vt_is_grouped(input->bytes, " -")) {
        return vt_field_refuse(check,
                               "is not a card number: only digits, with single spaces or hyphens between groups");
    }
    VT_TRY(vt_field_strip(check->pool, input->bytes, " -", &digits));
    if (check->options->policy == VT_PAN_LAST4) {
        if (digits.len != LAST4 || !vt_all_digits(digits)) {
            return vt_field_refuse(check,
                                   "takes the last four digits of a card and no more: its policy is last4, not token");
        }
        *out_stored = vt_value_text(digits);
        return VAULT_OK;
    }
    const char *fault = pan_fault(digits);
    if (fault != NULL) return vt_field_refuse(check, fault);
    *out_stored = vt_value_text(digits);
    return VAULT_OK;
}

/* PCI DSS v4.0.1 requirement 3.4.1 allows the BIN and the last four at most. The first six show only while five digits
 * stay hidden: shorter numbers could be guessed from the rest and the check digit. */
vault_status vt_mask_pan(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text)
{
    enum { BIN = 6, HIDDEN_MIN = 5 };
    const bool shows_bin = mask == VT_MASK_MASKED && stored.len >= BIN + HIDDEN_MIN + LAST4;
    return vt_mask_middle(pool, stored, shows_bin ? BIN : 0, LAST4, out_text);
}

/* ISO/IEC 7813 has YYMM on the stripe; people read MM/YY on the card. Past dates are kept: cards expire in the vault.
 */
vault_status vt_check_card_expiry(const struct vt_field_check *check, const struct vt_value *input,
                                  struct vt_value *out_stored)
{
    const struct vt_bytes text = input->bytes;
    const bool is_shaped = text.len == 5 && text.data[2] == '/' && vt_all_digits(vt_bytes(text.data, 2)) &&
                           vt_all_digits(vt_bytes(text.data + 3, 2));
    if (!is_shaped) return vt_field_refuse(check, "is not an expiry date written as MM/YY");
    const int month = (text.data[0] - '0') * 10 + (text.data[1] - '0');
    if (month < 1 || month > 12) return vt_field_refuse(check, "is not an expiry date: its month is not 01 to 12");
    return vt_field_store(check, text, out_stored);
}
