/* libvault/base/buf.h - the growing output: knows its maximum from birth, grows by copy-and-wipe, wipes when released.
 * A failed append leaves the buffer unchanged. Thread: one owner at a time. */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"

struct vt_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;     /* bytes; an append past it is VAULT_E_TOO_LARGE */
};

#define VT_BUF_INIT(max_len) ((struct vt_buf){NULL, 0, 0, (max_len)})

/** @return VAULT_E_TOO_LARGE past the maximum, VAULT_E_MEMORY */
VT_RESULT vt_buf_append(struct vt_buf *buf, struct vt_bytes bytes);
VT_RESULT vt_buf_append_str(struct vt_buf *buf, const char *text);
VT_RESULT vt_buf_append_byte(struct vt_buf *buf, uint8_t byte);
VT_RESULT vt_buf_append_u16(struct vt_buf *buf, uint16_t value);
VT_RESULT vt_buf_append_u32(struct vt_buf *buf, uint32_t value);
VT_RESULT vt_buf_append_u64(struct vt_buf *buf, uint64_t value);
/** printf into the buffer; never with secrets (the formatting goes through libc). */
__attribute__((format(printf, 2, 3))) VT_RESULT vt_buf_printf(struct vt_buf *buf, const char *format, ...);

/** Make room for @p extra bytes behind len; they are the caller's to fill, then vt_buf_commit(). */
VT_RESULT vt_buf_reserve(struct vt_buf *buf, size_t extra, uint8_t **out_space);
void vt_buf_commit(struct vt_buf *buf, size_t written);

/** Drop the first @p count bytes (they are wiped). */
void vt_buf_consume(struct vt_buf *buf, size_t count);
/** Set len back to @p len; what lay behind is wiped. */
void vt_buf_truncate(struct vt_buf *buf, size_t len);
/** Empty it for reuse, keeping the memory; contents are wiped. */
void vt_buf_reset(struct vt_buf *buf);
/** Hand @p from's contents to @p to, whose own are released first. @p from is left empty. */
void vt_buf_move(struct vt_buf *to, struct vt_buf *from);
/** Wipe and free. Safe to repeat. */
void vt_buf_release(struct vt_buf *buf);

static inline struct vt_bytes vt_buf_bytes(const struct vt_buf *buf)
{
    return vt_bytes(buf->data, buf->len);
}
