/* libvault/proof/proof_internal.h - lines, numbers and encodings as proofs and notes spell them: one spelling each, and
 * every other one refused. Private to this folder. Thread: any. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"

/** Reads a text line by line. */
struct vt_lines {
    struct vt_bytes rest;
    unsigned number;                /* of the line handed out last, from 1 */
};
/** The next line without its LF; false at the end and for a rest without LF. */
bool vt_lines_next(struct vt_lines *lines, struct vt_bytes *out_line);

/** Valid UTF-8 without control characters other than LF. */
bool vt_proof_text_is_clean(struct vt_bytes text);
/** What follows @p prefix; false when @p text does not begin with it. */
bool vt_proof_after(struct vt_bytes text, const char *prefix, struct vt_bytes *out_rest);

/** Decimal without sign or leading zeros. @return VAULT_E_PARSE */
VT_RESULT vt_proof_decimal(struct vt_bytes text, uint64_t *out_number);
/** Lower-case hex of exactly @p len bytes. @return VAULT_E_PARSE */
VT_RESULT vt_proof_hex(struct vt_bytes text, uint8_t *out_bytes, size_t len);
/** Canonical base64 (padded, padding bits zero), appended. @return VAULT_E_PARSE, VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_proof_base64(struct vt_bytes text, struct vt_buf *out);
/** The same for exactly @p len bytes, at most 128. */
VT_RESULT vt_proof_base64_fixed(struct vt_bytes text, uint8_t *out_bytes, size_t len);

static inline bool vt_proof_is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}
