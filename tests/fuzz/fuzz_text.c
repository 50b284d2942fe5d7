/* The first byte chooses what is done with the rest. */
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "tests/fuzz/fuzz.h"

enum { POOL_MAX = 64 << 20 };

static void check_normal_form(struct vt_bytes text, int forms)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_bytes once, twice;
    const vault_status status = vt_text_normalise(&pool, text, forms, &once);
    FUZZ_CHECK((status == VAULT_OK) == (vt_utf8_is_valid(text) && text.len <= VT_LIMIT_VALUE_BYTES));
    if (status != VAULT_OK) return;
    FUZZ_CHECK(vt_utf8_is_valid(once));
    if (once.len > VT_LIMIT_VALUE_BYTES) return;
    FUZZ_CHECK(vt_text_normalise(&pool, once, forms, &twice) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(once, twice));
}

static void check_code_points(struct vt_bytes text)
{
    size_t count = 0;
    if (!vt_utf8_is_valid(text)) return;
    const size_t expected = vt_utf8_count(text);
    for (; text.len != 0; count++) FUZZ_CHECK(vt_utf8_next(&text) <= 0x10ffff);
    FUZZ_CHECK(count == expected);
}

/* Each byte string has one text, so what decodes must encode to the same text. */
static void check_base64(struct vt_bytes text)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(text.len), again = VT_BUF_INIT(text.len);
    if (vt_base64_decode(&bytes, text) != VAULT_OK) return;
    FUZZ_CHECK(vt_base64_encode(&again, vt_buf_bytes(&bytes)) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(vt_buf_bytes(&again), text));
}

static void check_base32(struct vt_bytes text)
{
    uint8_t bytes[256];
    char again[VT_BASE32_LEN(sizeof bytes) + 1];
    const size_t len = text.len * 5 / 8;
    if (len > sizeof bytes || vt_base32_decode(text, bytes, len) != VAULT_OK) return;
    vt_base32_encode(vt_bytes(bytes, len), again);
    FUZZ_CHECK(vt_bytes_equal_str(text, again));
}

static void check_double(struct vt_bytes text)
{
    char short_text[VT_DOUBLE_TEXT_MAX];
    double number, again;
    if (vt_double_parse(text, &number) != VAULT_OK) return;
    vt_double_format(number, short_text);
    FUZZ_CHECK(vt_double_parse(vt_bytes_str(short_text), &again) == VAULT_OK);
    FUZZ_CHECK(memcmp(&number, &again, sizeof number) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) return 0;
    const struct vt_bytes text = vt_bytes(data + 1, len - 1);
    check_code_points(text);
    switch (data[0] % 7) {
    case 0:
        check_normal_form(text, VT_TEXT_NFC);
        break;
    case 1:
        check_normal_form(text, VT_TEXT_NFKC_CASEFOLD);
        break;
    case 2:
        check_normal_form(text, VT_TEXT_NFC | VT_TEXT_SPACES);
        break;
    case 3:
        check_normal_form(text, VT_TEXT_NFKC_CASEFOLD | VT_TEXT_SPACES);
        break;
    case 4:
        check_base64(text);
        break;
    case 5:
        check_base32(text);
        break;
    default:
        check_double(text);
        break;
    }
    return 0;
}
