/* The first byte chooses the type, the second its options; the rest is the text to check. */
#include <string.h>

#include "libvault/codec/text.h"
#include "libvault/schema/field_type.h"
#include "tests/fuzz/fuzz.h"

enum { POOL_MAX = 16 << 20 };
#define NOW_MS INT64_C(1782864000000)

static void set_options(const struct vt_field_type *type, uint8_t choice, struct vt_field_options *options)
{
    static const struct vt_bytes VALUES[] = {{(const uint8_t *)"parent", 6}, {(const uint8_t *)"self", 4}};
    vt_field_options_init(type, options);
    options->accept_reserved = (choice & 1) != 0;
    options->policy = (choice & 2) != 0 ? VT_PAN_TOKEN : VT_PAN_LAST4;
    if ((type->options & VT_OPTION_VALUES) == 0) return;
    options->values = VALUES;
    options->value_count = 2;
}

/* A sentence that names the field; its words are ours, so it is ASCII whatever came in. */
static void check_refusal(vault_status status, const struct vt_err *err)
{
    const size_t len = strlen(err->message);
    FUZZ_CHECK(status == VAULT_E_INVALID_VALUE || status == VAULT_E_TOO_LARGE || status == VAULT_E_UNSUPPORTED);
    FUZZ_CHECK(strcmp(err->field, "f") == 0 && strncmp(err->message, "Field f ", 8) == 0);
    FUZZ_CHECK(err->message[len - 1] == '.');
    for (size_t i = 0; i < len; i++) FUZZ_CHECK(err->message[i] >= ' ' && err->message[i] < 0x7F);
}

static size_t count_alnum(struct vt_bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.data[i], lower = c | 32;
        count += (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
    }
    return count;
}

/* What is never disclosed shows six and four characters at most, or two and four of an IBAN. */
static void check_masks(const struct vt_field_type *type, const struct vt_value *stored, struct vt_pool *pool)
{
    for (int mask = VT_MASK_MASKED; mask <= VT_MASK_REDACTED; mask++) {
        struct vt_value shown;
        FUZZ_CHECK(vt_field_mask_value(type, stored, (enum vt_mask)mask, pool, &shown) == VAULT_OK);
        FUZZ_CHECK(shown.kind == VT_VALUE_TEXT && vt_utf8_is_valid(shown.bytes));
        const bool is_redacted = vt_bytes_equal_str(shown.bytes, "[redacted]");
        FUZZ_CHECK(mask != VT_MASK_REDACTED || is_redacted);
        if (is_redacted || !vt_field_type_is_never_disclosed(type)) continue;
        FUZZ_CHECK(count_alnum(shown.bytes) <= (mask == VT_MASK_LAST4 ? 4 : 10));
        FUZZ_CHECK(stored->bytes.len <= 4 || !vt_bytes_equal(shown.bytes, stored->bytes));
    }
}

static void check_index(const struct vt_field_type *type, const struct vt_value *stored, const struct vt_value *again,
                        struct vt_pool *pool)
{
    struct vt_bytes one, other;
    if ((type->flags & VT_FIELD_INDEXABLE) == 0) return;
    FUZZ_CHECK(vt_field_index_bytes(type, stored, pool, &one) == VAULT_OK);
    FUZZ_CHECK(vt_field_index_bytes(type, again, pool, &other) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(one, other));
    FUZZ_CHECK(one.len >= 3 && vt_get_u16(one.data) == type->number && one.data[2] == type->normal_version);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_field_options options;
    struct vt_err err = {0};
    if (len < 2) return 0;
    const struct vt_field_type *type = vt_field_type_at(data[0] % vt_field_type_count());
    set_options(type, data[1], &options);

    const struct vt_field_check check = {"f", &options, NOW_MS, &pool, &err};
    const struct vt_value input = vt_value_text(vt_bytes(data + 2, len - 2));
    struct vt_value stored, again;
    const vault_status status = vt_field_check_value(type, &check, &input, &stored);
    if (status != VAULT_OK) {
        check_refusal(status, &err);
        return 0;
    }
    FUZZ_CHECK(vt_field_check_value(type, &check, &stored, &again) == VAULT_OK);
    FUZZ_CHECK(vt_value_equal(&stored, &again));
    check_index(type, &stored, &again, &pool);
    check_masks(type, &stored, &pool);
    return 0;
}
