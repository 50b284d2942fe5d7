/* libvault/codec/json.h - values to and from JSON (RFC 8259) through jansson; daemon, CLI and tools only, never in the
 * shared object: jansson's allocator is process-wide (set here to one that wipes).
 * Strict: duplicate keys, invalid UTF-8, NUL in text, trailing bytes and numbers that do not fit are refused. Bytes
 * travel as {"$bytes": "<base64>"}. Thread: any. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/codec/value.h"

/** Call once at start, before any thread: makes jansson wipe what it frees. */
void vt_json_init(void);
/** @return VAULT_E_PARSE (err names the line, never the text), VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_json_read(struct vt_pool *pool, struct vt_bytes text, struct vt_value *out_value, struct vt_err *err);
enum vt_json_style { VT_JSON_COMPACT, VT_JSON_PRETTY };
VT_RESULT vt_json_write(struct vt_buf *out, const struct vt_value *value, enum vt_json_style style);
