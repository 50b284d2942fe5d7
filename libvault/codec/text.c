#include "libvault/codec/text.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "libvault/base/secret.h"
#include "libvault/codec/limits.h"

/* Bytes of the sequence that a lead byte opens, 0 for a byte that opens none, and the range of the second byte, which
 * is where overlong forms, surrogates and code points past U+10FFFF show. Source: RFC 3629 section 4. */
static unsigned sequence_len(uint8_t lead, uint8_t *out_low, uint8_t *out_high)
{
    *out_low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *out_high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0x80) return 1;
    if (lead < 0xc2) return 0;
    if (lead < 0xe0) return 2;
    if (lead < 0xf0) return 3;
    return lead < 0xf5 ? 4 : 0;
}

static size_t ascii_run(struct vt_bytes text, size_t at)
{
    const size_t begin = at;
    for (uint64_t eight; text.len - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text.data + at, sizeof eight);
        if ((eight & UINT64_C(0x8080808080808080)) != 0) break;
    }
    while (at < text.len && text.data[at] < 0x80) at++;
    return at - begin;
}

bool vt_utf8_is_valid(struct vt_bytes text)
{
    for (size_t at = ascii_run(text, 0); at < text.len; at += ascii_run(text, at)) {
        uint8_t low, high;
        const unsigned len = sequence_len(text.data[at], &low, &high);
        if (len == 0 || len > text.len - at) return false;
        if (len > 1 && (text.data[at + 1] < low || text.data[at + 1] > high)) return false;
        for (unsigned i = 2; i < len; i++)
            if ((text.data[at + i] & 0xc0) != 0x80) return false;
        at += len;
    }
    return true;
}

size_t vt_utf8_count(struct vt_bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

uint32_t vt_utf8_next(struct vt_bytes *text)
{
    uint8_t low, high;
    const uint8_t *data = text->data;
    const unsigned len = sequence_len(data[0], &low, &high);
    VT_BUG_ON(len == 0 || len > text->len);
    uint32_t point = len == 1 ? data[0] : data[0] & (0x7fu >> len);
    for (unsigned i = 1; i < len; i++) point = (point << 6) | (data[i] & 0x3fu);
    *text = vt_bytes(data + len, text->len - len);
    return point;
}

/** Code points on the way from one form to another. */
struct points {
    utf8proc_int32_t *data;
    size_t count;
};

static utf8proc_option_t options_of(int forms)
{
    if ((forms & ~VT_TEXT_SPACES) == VT_TEXT_NFC) return UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    return UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;
}

/* Decompose into @p to, or only count when its data is NULL. */
static void decompose(struct vt_bytes text, utf8proc_option_t options, size_t cap, struct points *to)
{
    to->count = 0;
    while (text.len != 0) {
        const utf8proc_int32_t point = (utf8proc_int32_t)vt_utf8_next(&text);
        utf8proc_int32_t *space = to->data != NULL ? to->data + to->count : NULL;
        int boundary = 0;
        const utf8proc_ssize_t count =
            utf8proc_decompose_char(point, space, (utf8proc_ssize_t)(cap - to->count), options, &boundary);
        VT_BUG_ON(count < 0); /* the text is valid, and without REJECTNA every code point is allowed */
        to->count += (size_t)count;
    }
}

static unsigned combining_class(utf8proc_int32_t point)
{
    return (unsigned)utf8proc_get_property(point)->combining_class & 0xff;
}

/* Order one run of combining marks by class, marks of one class as they came. Source: UAX #15, Canonical
 * Ordering. */
static void order_run(utf8proc_int32_t *run, size_t count, utf8proc_int32_t *scratch)
{
    size_t places[257] = {0};
    for (size_t i = 0; i < count; i++) places[combining_class(run[i]) + 1]++;
    for (size_t mark_class = 1; mark_class < VT_ARRAY_LEN(places); mark_class++)
        places[mark_class] += places[mark_class - 1];
    for (size_t i = 0; i < count; i++) scratch[places[combining_class(run[i])]++] = run[i];
    memcpy(run, scratch, count * sizeof *run);
}

/* utf8proc_decompose() orders by exchanging neighbours, which takes the square of a run's length: minutes for a
 * megabyte of combining marks. So the ordering is done here, by counting. */
static void order_marks(struct points *points, utf8proc_int32_t *scratch)
{
    size_t begin = 0;
    bool is_ordered = true;
    unsigned previous = 0;
    for (size_t i = 0; i <= points->count; i++) {
        const unsigned mark_class = i < points->count ? combining_class(points->data[i]) : 0;
        if (mark_class != 0) {
            is_ordered = is_ordered && mark_class >= previous;
            previous = mark_class;
            continue;
        }
        if (!is_ordered) order_run(points->data + begin, i - begin, scratch);
        begin = i + 1;
        is_ordered = true;
        previous = 0;
    }
}

/* Source: Unicode Character Database, PropList.txt, White_Space. */
static bool is_white_space(utf8proc_int32_t point)
{
    switch (point) {
    case 0x20:
    case 0x85:
    case 0xa0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202f:
    case 0x205f:
    case 0x3000:
        return true;
    default:
        return (point >= 0x09 && point <= 0x0d) || (point >= 0x2000 && point <= 0x200a);
    }
}

/* Before composing, so that what moves together composes. */
static void fold_spaces(struct points *points)
{
    size_t kept = 0;
    bool is_pending = false;
    for (size_t i = 0; i < points->count; i++) {
        if (is_white_space(points->data[i])) {
            is_pending = kept != 0;
            continue;
        }
        if (is_pending) points->data[kept++] = ' ';
        is_pending = false;
        points->data[kept++] = points->data[i];
    }
    points->count = kept;
}

/* ASCII is its own normal form but for case: most identifiers take this way, ten times faster. Text with white space to
 * fold does not. */
static bool is_simple(struct vt_bytes text, int forms)
{
    if (ascii_run(text, 0) != text.len) return false;
    if ((forms & VT_TEXT_SPACES) == 0) return true;
    for (size_t i = 0; i < text.len; i++)
        if (is_white_space(text.data[i])) return false;
    return true;
}

static VT_RESULT normalise_simple(struct vt_pool *pool, struct vt_bytes text, int forms, struct vt_bytes *out_text)
{
    uint8_t *copy = vt_pool_alloc(pool, text.len);
    VT_ENSURE(copy != NULL, VAULT_E_MEMORY);
    const bool is_folded = (forms & VT_TEXT_NFKC_CASEFOLD) != 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.data[i];
        copy[i] = is_folded && c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
    }
    *out_text = vt_bytes(copy, text.len);
    return VAULT_OK;
}

VT_RESULT vt_text_normalise(struct vt_pool *pool, struct vt_bytes text, int forms, struct vt_bytes *out_text)
{
    VT_ENSURE(text.len <= VT_LIMIT_VALUE_BYTES, VAULT_E_TOO_LARGE);
    if (is_simple(text, forms)) return normalise_simple(pool, text, forms, out_text);
    VT_ENSURE(vt_utf8_is_valid(text), VAULT_E_PARSE);
    const utf8proc_option_t options = options_of(forms);
    struct points points = {0};
    decompose(text, options, 0, &points);

    const size_t count = points.count;
    points.data = vt_pool_calloc(pool, count + 1, sizeof *points.data); /* and room for a terminating zero */
    utf8proc_int32_t *scratch = vt_pool_calloc(pool, count, sizeof *scratch);
    VT_ENSURE(points.data != NULL && scratch != NULL, VAULT_E_MEMORY);
    decompose(text, options, count, &points);
    order_marks(&points, scratch);
    if ((forms & VT_TEXT_SPACES) != 0) fold_spaces(&points);

    const utf8proc_ssize_t len = utf8proc_reencode(points.data, (utf8proc_ssize_t)points.count, options);
    VT_BUG_ON(len < 0);
    *out_text = vt_bytes(points.data, (size_t)len);
    return VAULT_OK;
}

void vt_hex_encode(struct vt_bytes bytes, char *out_text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        *out_text++ = digits[bytes.data[i] >> 4];
        *out_text++ = digits[bytes.data[i] & 0x0f];
    }
    *out_text = '\0';
}

static int hex_digit(uint8_t character)
{
    if (character >= '0' && character <= '9') return character - '0';
    if (character >= 'a' && character <= 'f') return character - 'a' + 10;
    if (character >= 'A' && character <= 'F') return character - 'A' + 10;
    return -1;
}

VT_RESULT vt_hex_decode(struct vt_bytes text, uint8_t *out_bytes, size_t out_len)
{
    size_t wanted;
    VT_ENSURE(vt_size_mul(out_len, 2, &wanted) && text.len == wanted, VAULT_E_PARSE);
    for (size_t i = 0; i < out_len; i++) {
        const int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            vt_wipe(out_bytes, out_len);
            return VAULT_E_PARSE;
        }
        out_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return VAULT_OK;
}

static void base64_encode_group(const uint8_t *bytes, size_t len, uint8_t *out_group)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint32_t bits =
        (uint32_t)bytes[0] << 16 | (len > 1 ? (uint32_t)bytes[1] << 8 : 0) | (len > 2 ? (uint32_t)bytes[2] : 0);
    for (size_t i = 0; i < 4; i++) out_group[i] = (uint8_t)(i <= len ? alphabet[bits >> (18 - 6 * i) & 0x3f] : '=');
}

VT_RESULT vt_base64_encode(struct vt_buf *out, struct vt_bytes bytes)
{
    size_t len;
    uint8_t *space;
    VT_ENSURE(vt_size_mul(bytes.len / 3 + (bytes.len % 3 != 0), 4, &len), VAULT_E_TOO_LARGE);
    VT_TRY(vt_buf_reserve(out, len, &space));
    for (size_t at = 0; at < bytes.len; at += 3, space += 4)
        base64_encode_group(bytes.data + at, VT_MIN(bytes.len - at, (size_t)3), space);
    vt_buf_commit(out, len);
    return VAULT_OK;
}

static int base64_digit(uint8_t character)
{
    if (character >= 'A' && character <= 'Z') return character - 'A';
    if (character >= 'a' && character <= 'z') return character - 'a' + 26;
    if (character >= '0' && character <= '9') return character - '0' + 52;
    if (character == '+') return 62;
    return character == '/' ? 63 : -1;
}

/* @p len bytes (1 to 3) out of one group of four; false for other characters and non-zero padding bits. */
static bool base64_decode_group(const uint8_t *group, size_t len, uint8_t *out_bytes)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        const int digit = i <= len ? base64_digit(group[i]) : 0;
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
    }
    if (len < 3 && (bits & ((1u << (24 - 8 * len)) - 1)) != 0) return false;
    for (size_t i = 0; i < len; i++) out_bytes[i] = (uint8_t)(bits >> (16 - 8 * i));
    return true;
}

static size_t base64_padding(struct vt_bytes text)
{
    if (text.len < 4 || text.data[text.len - 1] != '=') return 0;
    return text.data[text.len - 2] == '=' ? 2 : 1;
}

VT_RESULT vt_base64_decode(struct vt_buf *out, struct vt_bytes text)
{
    VT_ENSURE(text.len % 4 == 0, VAULT_E_PARSE);
    const size_t begin = out->len, padding = base64_padding(text), len = text.len / 4 * 3 - padding;
    uint8_t *space;
    VT_TRY(vt_buf_reserve(out, len, &space));
    vt_buf_commit(out, len); /* before it is written, so that truncating wipes what a refused text left */
    for (size_t at = 0, done = 0; at < text.len; at += 4, done += 3) {
        if (base64_decode_group(text.data + at, VT_MIN(len - done, (size_t)3), space + done)) continue;
        vt_buf_truncate(out, begin);
        return VAULT_E_PARSE;
    }
    return VAULT_OK;
}

void vt_base32_encode(struct vt_bytes bytes, char *out_text)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.data[i];
        for (held += 8; held >= 5; held -= 5) *out_text++ = alphabet[bits >> (held - 5) & 0x1f];
    }
    if (held != 0) *out_text++ = alphabet[bits << (5 - held) & 0x1f];
    *out_text = '\0';
}

static int base32_digit(uint8_t character)
{
    if (character >= 'a' && character <= 'z') return character - 'a';
    return character >= '2' && character <= '7' ? character - '2' + 26 : -1;
}

static bool base32_decode(struct vt_bytes text, uint8_t *out_bytes)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < text.len; i++) {
        const int digit = base32_digit(text.data[i]);
        if (digit < 0) return false;
        bits = bits << 5 | (uint32_t)digit;
        held += 5;
        if (held < 8) continue;
        held -= 8;
        *out_bytes++ = (uint8_t)(bits >> held);
    }
    return (bits & ((1u << held) - 1)) == 0;
}

VT_RESULT vt_base32_decode(struct vt_bytes text, uint8_t *out_bytes, size_t out_len)
{
    VT_ENSURE(out_len <= SIZE_MAX / 16 && text.len == VT_BASE32_LEN(out_len), VAULT_E_PARSE);
    if (base32_decode(text, out_bytes)) return VAULT_OK;
    vt_wipe(out_bytes, out_len);
    return VAULT_E_PARSE;
}

bool vt_name_is_valid(struct vt_bytes text)
{
    if (text.len == 0 || text.len > VT_LIMIT_NAME_BYTES) return false;
    if (text.data[0] < 'a' || text.data[0] > 'z') return false;
    for (size_t i = 1; i < text.len; i++) {
        const uint8_t c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) return false;
    }
    return true;
}

bool vt_port_parse(struct vt_bytes text, uint16_t *out_port)
{
    enum { DIGITS_MAX = 5 };
    uint32_t number = 0;
    if (text.len == 0 || text.len > DIGITS_MAX) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        number = number * 10 + (text.data[i] - '0');
    }
    if (number > UINT16_MAX) return false;
    *out_port = (uint16_t)number;
    return true;
}

/* In glibc the whole "C" locale is one static object: asking for it cannot fail, and there is nothing to free. */
static locale_t c_locale(void)
{
    const locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    VT_BUG_ON(locale == (locale_t)0);
    return locale;
}

VT_RESULT vt_double_parse(struct vt_bytes text, double *out_number)
{
    VT_AUTO(vt_buf) terminated = VT_BUF_INIT(VT_LIMIT_VALUE_BYTES);
    VT_TRY(vt_buf_append(&terminated, text));
    VT_TRY(vt_buf_append_byte(&terminated, '\0'));

    /* strtod would also take spaces in front, hexadecimal, infinity and nan */
    const char *begin = (const char *)terminated.data;
    VT_ENSURE(text.len != 0 && strspn(begin, "+-.eE0123456789") == text.len, VAULT_E_PARSE);
    char *end;
    const double number = strtod_l(begin, &end, c_locale());
    VT_ENSURE(end == begin + text.len && isfinite(number), VAULT_E_PARSE);
    *out_number = number;
    return VAULT_OK;
}

/* 17 digits tell any two doubles apart (IEEE 754), 15 are enough for most. */
void vt_double_format(double number, char *out_text)
{
    const locale_t before = uselocale(c_locale());
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out_text, VT_DOUBLE_TEXT_MAX, "%.*g", digits, number);
        const double again = strtod(out_text, NULL);
        if (memcmp(&again, &number, sizeof number) == 0) break;
    }
    uselocale(before);
    const size_t len = strlen(out_text);
    if (strpbrk(out_text, ".en") == NULL) snprintf(out_text + len, VT_DOUBLE_TEXT_MAX - len, ".0");
}
