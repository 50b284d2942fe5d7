/* libvault/base/pool.h - memory that dies with one call: bump allocation, no single frees, wiped when reset or
 * released. Thread: one owner at a time. */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"

struct vt_pool_chunk;
struct vt_pool {
    struct vt_pool_chunk *chunks;
    size_t total;           /* bytes handed out in all */
    size_t max;             /* bytes; an allocation past it is NULL */
};
#define VT_POOL_INIT(max_len) ((struct vt_pool){NULL, 0, (max_len)})

/** 16-byte aligned, zeroed; NULL when memory is short or the pool's maximum is reached. */
void *vt_pool_alloc(struct vt_pool *pool, size_t len);
void *vt_pool_calloc(struct vt_pool *pool, size_t count, size_t len);
/** A copy of @p bytes with a terminating zero behind it; its data is NULL when memory is short. */
struct vt_bytes vt_pool_copy(struct vt_pool *pool, struct vt_bytes bytes);
/** Memory that it takes: at least what was handed out. */
size_t vt_pool_held_bytes(const struct vt_pool *pool);
/** Wipe all, keep one chunk for reuse. */
void vt_pool_reset(struct vt_pool *pool);
void vt_pool_release(struct vt_pool *pool);
