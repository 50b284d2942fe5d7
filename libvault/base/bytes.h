/* libvault/base/bytes.h - a pointer and a length that nobody can separate; big-endian helpers.
 * Borrowed by nature: never freed through this type. Thread: any. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct vt_bytes {
    const uint8_t *data;
    size_t len;
};

#define VT_BYTES_EMPTY ((struct vt_bytes){NULL, 0})
/** The bytes of a fixed-size array or struct. */
#define VT_BYTES_OF(object) ((struct vt_bytes){(const uint8_t *)&(object), sizeof(object)})

static inline struct vt_bytes vt_bytes(const void *data, size_t len)
{
    return (struct vt_bytes){(const uint8_t *)data, len};
}

static inline struct vt_bytes vt_bytes_str(const char *text)
{
    return vt_bytes(text, strlen(text));
}

/** Byte equality for public data. Secrets: vt_ct_equal(). */
static inline bool vt_bytes_equal(struct vt_bytes a, struct vt_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool vt_bytes_equal_str(struct vt_bytes a, const char *text)
{
    return vt_bytes_equal(a, vt_bytes_str(text));
}

/** Order of ordered bytes: shorter first when one is a prefix. */
static inline int vt_bytes_compare(struct vt_bytes a, struct vt_bytes b)
{
    const size_t shared = a.len < b.len ? a.len : b.len;
    const int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
}

static inline void vt_put_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static inline void vt_put_u32(uint8_t *out, uint32_t value)
{
    vt_put_u16(out, (uint16_t)(value >> 16));
    vt_put_u16(out + 2, (uint16_t)value);
}

static inline void vt_put_u64(uint8_t *out, uint64_t value)
{
    vt_put_u32(out, (uint32_t)(value >> 32));
    vt_put_u32(out + 4, (uint32_t)value);
}

static inline uint16_t vt_get_u16(const uint8_t *in)
{
    return (uint16_t)(((uint16_t)in[0] << 8) | in[1]);
}

static inline uint32_t vt_get_u32(const uint8_t *in)
{
    return ((uint32_t)vt_get_u16(in) << 16) | vt_get_u16(in + 2);
}

static inline uint64_t vt_get_u64(const uint8_t *in)
{
    return ((uint64_t)vt_get_u32(in) << 32) | vt_get_u32(in + 4);
}
