#include "libvault/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/secret.h"

enum { BUF_FIRST_CAP = 256 };

static VT_RESULT buf_grow(struct vt_buf *buf, size_t needed)
{
    size_t cap = buf->cap != 0 ? buf->cap : BUF_FIRST_CAP;
    while (cap < needed)
        if (!vt_size_mul(cap, 2, &cap)) return VAULT_E_TOO_LARGE;
    cap = VT_MIN(cap, buf->max);

    uint8_t *grown = vt_malloc(cap);
    VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
    if (buf->len != 0) memcpy(grown, buf->data, buf->len);
    if (buf->data != NULL) {
        vt_wipe(buf->data, buf->cap);
        free(buf->data);
    }
    buf->data = grown;
    buf->cap = cap;
    return VAULT_OK;
}

VT_RESULT vt_buf_reserve(struct vt_buf *buf, size_t extra, uint8_t **out_space)
{
    size_t needed;
    VT_ENSURE(vt_size_add(buf->len, extra, &needed) && needed <= buf->max, VAULT_E_TOO_LARGE);
    if (needed > buf->cap) VT_TRY(buf_grow(buf, needed));
    *out_space = buf->data + buf->len;
    return VAULT_OK;
}

void vt_buf_commit(struct vt_buf *buf, size_t written)
{
    VT_BUG_ON(written > buf->cap - buf->len);
    buf->len += written;
}

VT_RESULT vt_buf_append(struct vt_buf *buf, struct vt_bytes bytes)
{
    if (bytes.len == 0) return VAULT_OK;
    uint8_t *space;
    VT_TRY(vt_buf_reserve(buf, bytes.len, &space));
    memcpy(space, bytes.data, bytes.len);
    buf->len += bytes.len;
    return VAULT_OK;
}

VT_RESULT vt_buf_append_str(struct vt_buf *buf, const char *text)
{
    return vt_buf_append(buf, vt_bytes_str(text));
}

VT_RESULT vt_buf_append_byte(struct vt_buf *buf, uint8_t byte)
{
    return vt_buf_append(buf, vt_bytes(&byte, 1));
}

VT_RESULT vt_buf_append_u16(struct vt_buf *buf, uint16_t value)
{
    uint8_t raw[2];
    vt_put_u16(raw, value);
    return vt_buf_append(buf, VT_BYTES_OF(raw));
}

VT_RESULT vt_buf_append_u32(struct vt_buf *buf, uint32_t value)
{
    uint8_t raw[4];
    vt_put_u32(raw, value);
    return vt_buf_append(buf, VT_BYTES_OF(raw));
}

VT_RESULT vt_buf_append_u64(struct vt_buf *buf, uint64_t value)
{
    uint8_t raw[8];
    vt_put_u64(raw, value);
    return vt_buf_append(buf, VT_BYTES_OF(raw));
}

VT_RESULT vt_buf_printf(struct vt_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int needed = vsnprintf(NULL, 0, format, args);
    va_end(args);

    uint8_t *space;
    const vault_status status = needed < 0 ? VAULT_E_ARGUMENT : vt_buf_reserve(buf, (size_t)needed + 1, &space);
    if (status == VAULT_OK) {
        vsnprintf((char *)space, (size_t)needed + 1, format, again);
        buf->len += (size_t)needed;
    }
    va_end(again);
    return status;
}

void vt_buf_consume(struct vt_buf *buf, size_t count)
{
    VT_BUG_ON(count > buf->len);
    if (count == 0) return;
    memmove(buf->data, buf->data + count, buf->len - count);
    vt_wipe(buf->data + buf->len - count, count);
    buf->len -= count;
}

void vt_buf_truncate(struct vt_buf *buf, size_t len)
{
    VT_BUG_ON(len > buf->len);
    if (len == buf->len) return;
    vt_wipe(buf->data + len, buf->len - len);
    buf->len = len;
}

void vt_buf_reset(struct vt_buf *buf)
{
    vt_buf_truncate(buf, 0);
}

void vt_buf_move(struct vt_buf *to, struct vt_buf *from)
{
    vt_buf_release(to);
    *to = *from;
    *from = VT_BUF_INIT(to->max);
}

void vt_buf_release(struct vt_buf *buf)
{
    if (buf->data != NULL) {
        vt_wipe(buf->data, buf->cap);
        free(buf->data);
    }
    *buf = VT_BUF_INIT(buf->max);
}
