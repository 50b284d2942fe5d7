/* Places and languages: country, region, postal_code, language. */
#include "libvault/schema/field_type_internal.h"

/* ISO 3166-1 alpha-2, the 249 officially assigned codes; and XK, the user-assigned code that the European Commission
 * and the IBAN registry use for Kosovo. */
static const char COUNTRIES[] =
    "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZ"
    "DEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJO"
    "JP"
    "KEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZ"
    "OMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRUSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZ"
    "UAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZWRW";
_Static_assert(sizeof COUNTRIES == 2 * 250 + 1, "249 assigned codes and XK");

static bool is_country(struct vt_bytes code)
{
    if (code.len != 2) return false;
    for (size_t i = 0; i + 1 < sizeof COUNTRIES; i += 2) {
        if (memcmp(COUNTRIES + i, code.data, 2) == 0) return true;
    }
    return false;
}

static VT_RESULT upper_copy(const struct vt_field_check *check, struct vt_bytes text, struct vt_bytes *out_text)
{
    uint8_t *upper = vt_field_copy(check->pool, text);
    VT_ENSURE(upper != NULL, VAULT_E_MEMORY);
    vt_field_upper(upper, text.len);
    *out_text = vt_bytes(upper, text.len);
    return VAULT_OK;
}

vault_status vt_check_country(const struct vt_field_check *check, const struct vt_value *input,
                              struct vt_value *out_stored)
{
    struct vt_bytes code;
    VT_TRY(upper_copy(check, input->bytes, &code));
    if (!is_country(code)) return vt_field_refuse(check, "is not a two-letter country code of ISO 3166-1");
    *out_stored = vt_value_text(code);
    return VAULT_OK;
}

/* ISO 3166-2: country, hyphen, one to three letters or digits; the country may be left to another field. */
vault_status vt_check_region(const struct vt_field_check *check, const struct vt_value *input,
                             struct vt_value *out_stored)
{
    struct vt_bytes code;
    VT_TRY(upper_copy(check, input->bytes, &code));
    struct vt_bytes part = code;
    if (code.len > 3 && code.data[2] == '-') {
        if (!is_country(vt_bytes(code.data, 2))) return vt_field_refuse(check, "does not begin with a country code");
        part = vt_bytes(code.data + 3, code.len - 3);
    }
    if (part.len == 0 || part.len > 3 || !vt_all_alnum(part)) {
        return vt_field_refuse(check, "is not a region code of ISO 3166-2, such as CA or US-CA");
    }
    *out_stored = vt_value_text(code);
    return VAULT_OK;
}

vault_status vt_check_postal_code(const struct vt_field_check *check, const struct vt_value *input,
                                  struct vt_value *out_stored)
{
    if (!vt_is_grouped(input->bytes, " -")) {
        return vt_field_refuse(check, "is not a postal code: letters and digits, single spaces or hyphens between");
    }
    struct vt_bytes code;
    VT_TRY(upper_copy(check, input->bytes, &code));
    *out_stored = vt_value_text(code);
    return VAULT_OK;
}

/* What a person copies with or without spaces, hyphens and capitals is one number. */
vault_status vt_normalise_alnum(struct vt_pool *pool, const struct vt_value *stored, struct vt_bytes *out_normal)
{
    uint8_t *kept = vt_pool_alloc(pool, stored->bytes.len + 1);
    VT_ENSURE(kept != NULL, VAULT_E_MEMORY);
    size_t len = 0;
    for (size_t i = 0; i < stored->bytes.len; i++) {
        if (vt_is_alnum(stored->bytes.data[i])) kept[len++] = stored->bytes.data[i];
    }
    vt_field_upper(kept, len);
    *out_normal = vt_bytes(kept, len);
    return VAULT_OK;
}

/* RFC 5646 section 2.1.1: all lower case, but regions upper and scripts title case, unless a singleton stands before.
 */
static bool shape_subtag(uint8_t *subtag, size_t len, bool is_first, bool follows_singleton)
{
    if (len == 0 || len > 8 || !vt_all_alnum(vt_bytes(subtag, len))) return false;
    vt_field_lower(subtag, len);
    if (!is_first && !follows_singleton && len == 2) vt_field_upper(subtag, len);
    if (!is_first && !follows_singleton && len == 4 && vt_is_alpha(subtag[0])) vt_field_upper(subtag, 1);
    return true;
}

/* The primary subtag of a registered language is two or three letters, or five to eight. */
static bool is_primary_language(const uint8_t *subtag, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!vt_is_alpha(subtag[i])) return false;
    }
    return len >= 2 && len <= 8 && len != 4;
}

static bool shape_language(uint8_t *tag, size_t len)
{
    bool follows_singleton = false, is_first = true;
    for (size_t start = 0; start <= len;) {
        size_t end = start;
        while (end < len && tag[end] != '-') end++;
        if (!shape_subtag(tag + start, end - start, is_first, follows_singleton)) return false;
        if (is_first && !is_primary_language(tag, end)) return false;
        follows_singleton = !is_first && end - start == 1;
        is_first = false;
        start = end + 1;
    }
    return !follows_singleton;
}

vault_status vt_check_language(const struct vt_field_check *check, const struct vt_value *input,
                               struct vt_value *out_stored)
{
    uint8_t *tag = vt_field_copy(check->pool, input->bytes);
    VT_ENSURE(tag != NULL, VAULT_E_MEMORY);
    if (!shape_language(tag, input->bytes.len)) {
        return vt_field_refuse(check, "is not a language tag of BCP 47, such as en or pt-BR");
    }
    *out_stored = vt_value_text(vt_bytes(tag, input->bytes.len));
    return VAULT_OK;
}
