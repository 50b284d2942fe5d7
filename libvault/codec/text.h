/* libvault/codec/text.h - text encodings: UTF-8 checks and normal forms (utf8proc), hex, base64, base32, ids.
 * Thread: any. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/pool.h"
#include "libvault/base/result.h"

/** RFC 3629: no surrogates, no overlong forms, at most U+10FFFF. */
bool vt_utf8_is_valid(struct vt_bytes text);
/** Number of code points of valid UTF-8. */
size_t vt_utf8_count(struct vt_bytes text);
/** Take the first code point off valid, non-empty UTF-8. */
uint32_t vt_utf8_next(struct vt_bytes *text);
enum vt_text_form {
    VT_TEXT_NFC,           /* Unicode Normalization Form C (UAX #15) */
    VT_TEXT_NFKC_CASEFOLD, /* NFKC_Casefold: for matching names and addresses */
    VT_TEXT_SPACES = 16,   /* flag: trim, and fold runs of white space (Unicode White_Space) into one space */
};
/** Normalise @p text; the result lives in @p pool, where about eight times the text's length is used on the way.
 *  Linear, however many combining marks a hostile text heaps on one letter. Doing it again changes nothing.
 *  @param forms     one form, with or without the flag
 *  @param out_text  data is never NULL
 *  @return VAULT_E_PARSE for invalid UTF-8, VAULT_E_TOO_LARGE past VT_LIMIT_VALUE_BYTES, VAULT_E_MEMORY */
VT_RESULT vt_text_normalise(struct vt_pool *pool, struct vt_bytes text, int forms, struct vt_bytes *out_text);

/** Lower-case hex (RFC 4648 section 8); @p out_text holds 2 * len + 1 characters. */
void vt_hex_encode(struct vt_bytes bytes, char *out_text);
/** Exactly @p out_len bytes from 2 * out_len hex digits of either case. @return VAULT_E_PARSE; @p out_bytes is then
 *  wiped */
VT_RESULT vt_hex_decode(struct vt_bytes text, uint8_t *out_bytes, size_t out_len);
/** Append RFC 4648 section 4 base64 with padding. @return VAULT_E_TOO_LARGE, VAULT_E_MEMORY; @p out unchanged then */
VT_RESULT vt_base64_encode(struct vt_buf *out, struct vt_bytes bytes);
/** Append the bytes; each byte string has one text only, so white space, missing padding and non-zero padding bits are
 *  refused. @return VAULT_E_PARSE, VAULT_E_TOO_LARGE, VAULT_E_MEMORY; @p out unchanged then */
VT_RESULT vt_base64_decode(struct vt_buf *out, struct vt_bytes text);
/** Characters of @p len bytes in base32, without the terminating zero. */
#define VT_BASE32_LEN(len) (((len)*8 + 4) / 5)
/** RFC 4648 section 6 alphabet in lower case, no padding: 16 bytes are 26 characters.
 *  @param out_text holds VT_BASE32_LEN(len) + 1 characters */
void vt_base32_encode(struct vt_bytes bytes, char *out_text);
/** Exactly @p out_len bytes. @return VAULT_E_PARSE: other characters, upper case, wrong length, non-zero padding bits;
 *  @p out_bytes is then wiped */
VT_RESULT vt_base32_decode(struct vt_bytes text, uint8_t *out_bytes, size_t out_len);
/** Strict names for schemas, fields, templates, tenants: [a-z][a-z0-9_-]{0,63}. */
bool vt_name_is_valid(struct vt_bytes text);
/** A TCP port: one to five decimal digits, 0 to 65535. Asked here because the resolver takes any number and cuts it to 16 bits:
 *  70000 would be 4464. @return false when it is none; @p out_port is then untouched */
bool vt_port_parse(struct vt_bytes text, uint16_t *out_port);

/** The decimal number in @p text, whatever the locale. @return VAULT_E_PARSE: not a number or not finite */
VT_RESULT vt_double_parse(struct vt_bytes text, double *out_number);
enum { VT_DOUBLE_TEXT_MAX = 32 };
/** A short decimal text that reads back as the same double; always with a point or an exponent, so that it stays a
 *  double. @param number finite  @param out_text holds VT_DOUBLE_TEXT_MAX characters */
void vt_double_format(double number, char *out_text);
