/* libvault/codec/msgpack.h - values to and from msgpack (the published specification, github.com/msgpack/msgpack
 * spec.md). Reading is our bounded scan: counts and depth are checked against the bytes present before anything is
 * reserved, since the packaged unpacker reserves gigabytes for a five-byte header. Writing packs straight into a vt_buf
 * through the packer's callback, because msgpack_sbuffer is freed unwiped. Thread: any, on the caller's buffers. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/value.h"

/** Length of the first complete object in @p input, without building it.
 *  @return VAULT_E_CONFLICT when more bytes are needed (*out_len untouched), VAULT_E_PARSE, VAULT_E_TOO_LARGE by
 *  limits.h */
VT_RESULT vt_msgpack_measure(struct vt_bytes input, size_t *out_len);

/** The same for bytes that arrive in pieces: goes on where it stopped, so that a frame sent byte by byte costs linear
 *  time. */
struct vt_msgpack_scan {
    size_t at;      /* bytes of the object that have been looked at */
    uint32_t items; /* elements announced so far */
    uint32_t depth;
    uint64_t left[VT_LIMIT_DEPTH + 1]; /* elements to come on each level; level 0 is the object itself */
};
#define VT_MSGPACK_SCAN_INIT ((struct vt_msgpack_scan){.left = {1}})
/** @param input the object from its first byte, all that has arrived; may move between calls, may run past its end
 *  @return as vt_msgpack_measure(); after anything but VAULT_E_CONFLICT set @p scan to VT_MSGPACK_SCAN_INIT again */
VT_RESULT vt_msgpack_scan(struct vt_msgpack_scan *scan, struct vt_bytes input, size_t *out_len);

/** Read exactly one object that fills @p input. Text and bytes stay borrowed from @p input.
 *  Refused: extension types, invalid UTF-8 in str, keys that are not str, a key twice, doubles that are not finite,
 *  trailing bytes.
 *  @return VAULT_E_PARSE (err names the byte), VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_msgpack_read(struct vt_pool *pool, struct vt_bytes input, struct vt_value *out_value, struct vt_err *err);
/** Append @p value. Integers take their shortest form. Depth, counts and sizes that the reader would refuse are not
 *  written.
 *  @return VAULT_E_TOO_LARGE (limits.h or the buffer's maximum), VAULT_E_INVALID_VALUE for a double that is not finite,
 *  VAULT_E_MEMORY; @p out unchanged then */
VT_RESULT vt_msgpack_write(struct vt_buf *out, const struct vt_value *value);
/** Pieces for writing without a tree: the counts are the caller's to keep. @return as vt_msgpack_write() */
VT_RESULT vt_msgpack_write_map(struct vt_buf *out, uint32_t count);
VT_RESULT vt_msgpack_write_array(struct vt_buf *out, uint32_t count);
VT_RESULT vt_msgpack_write_text(struct vt_buf *out, struct vt_bytes text);
VT_RESULT vt_msgpack_write_bytes(struct vt_buf *out, struct vt_bytes bytes);
VT_RESULT vt_msgpack_write_int(struct vt_buf *out, int64_t integer);
VT_RESULT vt_msgpack_write_uint(struct vt_buf *out, uint64_t integer);
VT_RESULT vt_msgpack_write_bool(struct vt_buf *out, bool boolean);
VT_RESULT vt_msgpack_write_nil(struct vt_buf *out);
