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
enum vt_text_form {
    VT_TEXT_NFC,                /* Unicode Normalization Form C (UAX #15) */
    VT_TEXT_NFKC_CASEFOLD,      /* NFKC_Casefold: for matching names and addresses */
    VT_TEXT_SPACES = 16,        /* flag: trim, and fold runs of white space into one space */
};
/** @return VAULT_E_PARSE for invalid UTF-8, VAULT_E_MEMORY */
VT_RESULT vt_text_normalise(struct vt_pool *pool, struct vt_bytes text, int forms, struct vt_bytes *out_text);

/** Lower-case hex; @p out_text holds 2 * len + 1 characters. */
void vt_hex_encode(struct vt_bytes bytes, char *out_text);
/** Exactly @p out_len bytes from 2 * out_len hex digits. @return VAULT_E_PARSE */
VT_RESULT vt_hex_decode(struct vt_bytes text, uint8_t *out_bytes, size_t out_len);
/** RFC 4648 section 4 base64 with padding. */
VT_RESULT vt_base64_encode(struct vt_buf *out, struct vt_bytes bytes);
VT_RESULT vt_base64_decode(struct vt_buf *out, struct vt_bytes text);
/** RFC 4648 section 6 alphabet in lower case, no padding: 16 bytes are 26 characters. */
void vt_base32_encode(struct vt_bytes bytes, char *out_text);
/** @return VAULT_E_PARSE: other characters, upper case, wrong length, non-zero padding bits */
VT_RESULT vt_base32_decode(struct vt_bytes text, uint8_t *out_bytes, size_t out_len);
/** Strict names for schemas, fields, templates, tenants: [a-z][a-z0-9_-]{0,63}. */
bool vt_name_is_valid(struct vt_bytes text);
