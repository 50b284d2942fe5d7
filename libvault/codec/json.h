/* libvault/codec/json.h - values to and from JSON (RFC 8259); daemon, CLI and tools only, never in the shared object.
 * Read through jansson, whose allocator is process-wide (set here to one that wipes), behind a scan of our own that
 * bounds depth and items before jansson allocates. Written straight into the buffer: jansson would copy every text once
 * more and has no integers above INT64_MAX.
 * Strict: duplicate keys, invalid UTF-8, NUL in text, trailing bytes and numbers that do not fit are refused. Integers
 * are exact over the whole range of int64_t and uint64_t; what has a point or an exponent is a double. Bytes travel as
 * {"$bytes": "<base64>"}: a map with that one key cannot be anything else. Every value knows its line. Thread: any. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/codec/value.h"

/** Call once at start, before any thread and any other use of jansson: makes jansson wipe what it frees. Reading
 * without it is a bug, found at the first call. */
void vt_json_init(void);
/** Read the one value in @p text. @param out_value lives in @p pool, texts included
 *  @return VAULT_E_PARSE (err names the line, never the text), VAULT_E_TOO_LARGE by limits.h, VAULT_E_MEMORY */
VT_RESULT vt_json_read(struct vt_pool *pool, struct vt_bytes text, struct vt_value *out_value, struct vt_err *err);
enum vt_json_style {
    VT_JSON_COMPACT, /* one line, no spaces */
    VT_JSON_PRETTY,  /* a line per element, two spaces a level; no line break at the end */
};
/** Append @p value. NUL in text is written as an escape, so that no data is lost, and refused when read.
 *  @return VAULT_E_TOO_LARGE (limits.h or the buffer's maximum), VAULT_E_INVALID_VALUE for a double that is not finite
 * or a map with the one key "$bytes", VAULT_E_MEMORY; @p out unchanged then */
VT_RESULT vt_json_write(struct vt_buf *out, const struct vt_value *value, enum vt_json_style style);
