/* Ways to reach a person: email, phone. */
#include "libvault/schema/field_type_internal.h"

enum { LOCAL_PART_MAX = 64, LABEL_MAX = 63, DOMAIN_MAX = 255 };

static bool is_atom_char(uint8_t c)
{
    return c >= 0x80 || vt_is_alnum(c) || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Dot-string of RFC 5321 section 4.1.2: atoms with single dots between them. */
static bool is_dot_string(struct vt_bytes local)
{
    bool was_dot = true;
    for (size_t i = 0; i < local.len; i++) {
        const bool is_dot = local.data[i] == '.';
        if (is_dot ? was_dot : !is_atom_char(local.data[i])) return false;
        was_dot = is_dot;
    }
    return !was_dot;
}

/* Length of the quoted-string that @p text begins with, both quotes included; 0 when it never ends or holds a control.
 */
static size_t quoted_len(struct vt_bytes text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] == '"') return i + 1;
        if (text.data[i] == '\\') i++;
        if (i >= text.len || text.data[i] < ' ' || text.data[i] == 0x7F) return 0;
    }
    return 0;
}

static bool is_host_label(struct vt_bytes label)
{
    if (label.len == 0 || label.len > LABEL_MAX) return false;
    if (label.data[0] == '-' || label.data[label.len - 1] == '-') return false;
    for (size_t i = 0; i < label.len; i++) {
        if (label.data[i] < 0x80 && !vt_is_alnum(label.data[i]) && label.data[i] != '-') return false;
    }
    return true;
}

bool vt_is_host_name(struct vt_bytes text, size_t min_labels)
{
    size_t labels = 0, start = 0;
    if (text.len > DOMAIN_MAX || vt_has_hidden(text)) return false;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.data[i] != '.') continue;
        if (!is_host_label(vt_bytes(text.data + start, i - start))) return false;
        /* RFC 3696 section 2: the top label is not all digits, or addresses would be names. */
        if (i == text.len && vt_all_digits(vt_bytes(text.data + start, i - start))) return false;
        labels++;
        start = i + 1;
    }
    return labels >= min_labels;
}

/* address-literal: [192.0.2.1] or [IPv6:2001:db8::1]. */
static bool is_address_literal(struct vt_bytes domain)
{
    static const char V6[] = "IPv6:";
    if (domain.len < 3 || domain.data[0] != '[' || domain.data[domain.len - 1] != ']') return false;
    struct vt_bytes inner = vt_bytes(domain.data + 1, domain.len - 2);
    const bool says_v6 = inner.len > sizeof V6 - 1 && memcmp(inner.data, V6, sizeof V6 - 1) == 0;
    if (says_v6) inner = vt_bytes(inner.data + sizeof V6 - 1, inner.len - (sizeof V6 - 1));
    uint8_t address[16];
    bool is_v6;
    return vt_ip_parse(inner, address, &is_v6) && is_v6 == says_v6;
}

/* Where the local part ends, which for a quoted one is not the first @. */
static size_t local_len(struct vt_bytes text)
{
    if (text.len != 0 && text.data[0] == '"') return quoted_len(text);
    const uint8_t *at = text.len == 0 ? NULL : memchr(text.data, '@', text.len);
    return at == NULL ? 0 : (size_t)(at - text.data);
}

/* What is wrong with an address, or NULL. */
static const char *email_fault(struct vt_bytes text)
{
    const size_t len = local_len(text);
    if (len == 0 || len >= text.len || text.data[len] != '@')
        return "is not an e-mail address: no local part before an @";
    const struct vt_bytes local = vt_bytes(text.data, len);
    const struct vt_bytes domain = vt_bytes(text.data + len + 1, text.len - len - 1);
    if (len > LOCAL_PART_MAX) return "is not an e-mail address: the part before the @ is longer than 64 bytes";
    if (vt_has_hidden(local)) return "is not an e-mail address: it holds a character that cannot be seen";
    if (local.data[0] != '"' && !is_dot_string(local)) {
        return "is not an e-mail address: the part before the @ is malformed";
    }
    if (domain.len != 0 && domain.data[0] == '[') {
        return is_address_literal(domain) ? NULL : "is not an e-mail address: the address literal is malformed";
    }
    if (!vt_is_host_name(domain, 2)) return "is not an e-mail address: the part behind the @ is not a full domain name";
    return NULL;
}

vault_status vt_check_email(const struct vt_field_check *check, const struct vt_value *input,
                            struct vt_value *out_stored)
{
    const char *fault = email_fault(input->bytes);
    if (fault != NULL) return vt_field_refuse(check, fault);
    return vt_field_store(check, input->bytes, out_stored);
}

/* First letter of a longer local part, and the domain, which says little of the person. */
vault_status vt_mask_email(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text)
{
    if (mask == VT_MASK_LAST4) return vt_mask_redacted(pool, out_text);
    const size_t len = local_len(stored);
    const bool shows_first = len > 1 && vt_is_alnum(stored.data[0]);
    const size_t domain_len = stored.len - len;
    char *shown = vt_pool_alloc(pool, domain_len + 5);
    VT_ENSURE(shown != NULL, VAULT_E_MEMORY);
    size_t used = 0;
    if (shows_first) shown[used++] = (char)stored.data[0];
    memcpy(shown + used, "***", 3);
    memcpy(shown + used + 3, stored.data + len, domain_len);
    *out_text = vt_bytes(shown, used + 3 + domain_len);
    return VAULT_OK;
}

/* ITU-T E.164 country codes, assigned or in shared use. No code is the beginning of another one. */
static const char *const COUNTRY_CODES[] = {
    "1",   "7",   "20",  "211", "212", "213", "216", "218", "220", "221", "222", "223", "224", "225", "226", "227",
    "228", "229", "230", "231", "232", "233", "234", "235", "236", "237", "238", "239", "240", "241", "242", "243",
    "244", "245", "246", "247", "248", "249", "250", "251", "252", "253", "254", "255", "256", "257", "258", "260",
    "261", "262", "263", "264", "265", "266", "267", "268", "269", "27",  "290", "291", "297", "298", "299", "30",
    "31",  "32",  "33",  "34",  "350", "351", "352", "353", "354", "355", "356", "357", "358", "359", "36",  "370",
    "371", "372", "373", "374", "375", "376", "377", "378", "379", "380", "381", "382", "383", "385", "386", "387",
    "389", "39",  "40",  "41",  "420", "421", "423", "43",  "44",  "45",  "46",  "47",  "48",  "49",  "500", "501",
    "502", "503", "504", "505", "506", "507", "508", "509", "51",  "52",  "53",  "54",  "55",  "56",  "57",  "58",
    "590", "591", "592", "593", "594", "595", "596", "597", "598", "599", "60",  "61",  "62",  "63",  "64",  "65",
    "66",  "670", "672", "673", "674", "675", "676", "677", "678", "679", "680", "681", "682", "683", "685", "686",
    "687", "688", "689", "690", "691", "692", "800", "808", "81",  "82",  "84",  "850", "852", "853", "855", "856",
    "86",  "870", "878", "880", "881", "882", "883", "886", "888", "90",  "91",  "92",  "93",  "94",  "95",  "960",
    "961", "962", "963", "964", "965", "966", "967", "968", "970", "971", "972", "973", "974", "975", "976", "977",
    "979", "98",  "992", "993", "994", "995", "996", "998",
};

static const char *country_code_of(struct vt_bytes digits)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(COUNTRY_CODES); i++) {
        const size_t len = strlen(COUNTRY_CODES[i]);
        if (digits.len > len && memcmp(digits.data, COUNTRY_CODES[i], len) == 0) return COUNTRY_CODES[i];
    }
    return NULL;
}

/* North American Numbering Plan: three digits, three, four; the first two groups begin with 2 to 9. */
static bool is_nanp(struct vt_bytes digits)
{
    return digits.len == 11 && digits.data[1] >= '2' && digits.data[4] >= '2';
}

static const char *phone_fault(struct vt_bytes text)
{
    enum { DIGITS_MIN = 7, DIGITS_MAX = 15 };
    if (text.len == 0 || text.data[0] != '+') return "is not a phone number: E.164 begins with + and the country code";
    const struct vt_bytes digits = vt_bytes(text.data + 1, text.len - 1);
    if (!vt_all_digits(digits)) return "is not a phone number: only digits and visual separators may follow the +";
    if (digits.len < DIGITS_MIN || digits.len > DIGITS_MAX) return "is not a phone number: E.164 has 7 to 15 digits";
    const char *code = country_code_of(digits);
    if (code == NULL) return "is not a phone number: no country has this code";
    if (strcmp(code, "1") == 0 && !is_nanp(digits)) return "is not a phone number of the North American plan";
    return NULL;
}

vault_status vt_check_phone(const struct vt_field_check *check, const struct vt_value *input,
                            struct vt_value *out_stored)
{
    struct vt_bytes number;
    VT_TRY(vt_field_strip(check->pool, input->bytes, " -.()", &number)); /* RFC 3966 section 3 and spaces */
    const char *fault = phone_fault(number);
    if (fault != NULL) return vt_field_refuse(check, fault);
    *out_stored = vt_value_text(number);
    return VAULT_OK;
}

vault_status vt_mask_phone(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text)
{
    const size_t tail = mask == VT_MASK_LAST4 ? vt_mask_tail_len(stored.len) : 2;
    return vt_mask_middle(pool, stored, 0, tail, out_text);
}
