/* tests/vectors/vectors.h - hexadecimal text as bytes, for tables typed from standards. Thread: tests. */
#pragma once
#include "libvault/base/buf.h"
#include "tests/support/suite.h"

static inline unsigned vector_digit(char digit)
{
    if (digit >= '0' && digit <= '9') return (unsigned)(digit - '0');
    if (digit >= 'a' && digit <= 'f') return (unsigned)(digit - 'a') + 10;
    ck_abort_msg("not a lower-case hexadecimal digit");
}

/** Release the buffer with VT_AUTO(vt_buf). */
static inline struct vt_buf vector_hex(const char *text, size_t len)
{
    struct vt_buf out = VT_BUF_INIT(1 << 20);
    ck_assert_uint_eq(len % 2, 0);
    for (size_t i = 0; i < len; i += 2)
        ck_assert_ok(vt_buf_append_byte(&out, (uint8_t)(vector_digit(text[i]) << 4 | vector_digit(text[i + 1]))));
    return out;
}

static inline struct vt_buf vector_bytes(const char *text)
{
    return vector_hex(text, strlen(text));
}

#define ck_assert_vector(bytes, expected_hex)                                                                        \
    do {                                                                                                             \
        VT_AUTO(vt_buf) ck_expected_ = vector_bytes(expected_hex);                                                   \
        ck_assert_msg(vt_bytes_equal((bytes), vt_buf_bytes(&ck_expected_)), "%s is not %s", #bytes, (expected_hex)); \
    } while (0)
