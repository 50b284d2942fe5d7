#include "libvault/base/pool.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/secret.h"

/* Most calls are small, and every byte of a chunk is cleared once: so the first one is small, and each next one twice as large. */
enum { POOL_FIRST_LEN = 2 * 1024, POOL_CHUNK_MAX = 32 * 1024, POOL_ALIGN = 16 };

struct vt_pool_chunk {
    struct vt_pool_chunk *next;
    size_t len;
    size_t used;            /* handed out; what lies behind is as zero as it came */
    _Alignas(POOL_ALIGN) uint8_t data[];
};

static VT_RESULT pool_add_chunk(struct vt_pool *pool, size_t at_least)
{
    const size_t twice = pool->chunks != NULL ? VT_MIN(2 * pool->chunks->len, (size_t)POOL_CHUNK_MAX) : 0;
    const size_t len = VT_MAX(VT_MAX((size_t)POOL_FIRST_LEN, twice), at_least);
    size_t whole;
    VT_ENSURE(vt_size_add(len, sizeof(struct vt_pool_chunk), &whole), VAULT_E_TOO_LARGE);
    struct vt_pool_chunk *chunk = vt_calloc(1, whole);
    VT_ENSURE(chunk != NULL, VAULT_E_MEMORY);
    chunk->next = pool->chunks;
    chunk->len = len;
    pool->chunks = chunk;
    return VAULT_OK;
}

void *vt_pool_alloc(struct vt_pool *pool, size_t len)
{
    size_t rounded;
    if (!vt_size_add(len, POOL_ALIGN - 1, &rounded)) return NULL;
    rounded &= ~(size_t)(POOL_ALIGN - 1);
    if (rounded > pool->max - pool->total) return NULL;

    const bool fits = pool->chunks != NULL && rounded <= pool->chunks->len - pool->chunks->used;
    if (!fits && pool_add_chunk(pool, rounded) != VAULT_OK) return NULL;
    void *block = pool->chunks->data + pool->chunks->used;
    pool->chunks->used += rounded;
    pool->total += rounded;
    return block;
}

void *vt_pool_calloc(struct vt_pool *pool, size_t count, size_t len)
{
    size_t whole;
    return vt_size_mul(count, len, &whole) ? vt_pool_alloc(pool, whole) : NULL;
}

struct vt_bytes vt_pool_copy(struct vt_pool *pool, struct vt_bytes bytes)
{
    size_t with_zero;
    uint8_t *copy = vt_size_add(bytes.len, 1, &with_zero) ? vt_pool_alloc(pool, with_zero) : NULL;
    if (copy == NULL) return VT_BYTES_EMPTY;
    if (bytes.len != 0) memcpy(copy, bytes.data, bytes.len);
    return vt_bytes(copy, bytes.len);
}

size_t vt_pool_held_bytes(const struct vt_pool *pool)
{
    size_t bytes = 0;
    for (const struct vt_pool_chunk *chunk = pool->chunks; chunk != NULL; chunk = chunk->next)
        bytes += sizeof *chunk + chunk->len;
    return bytes;
}

static void pool_free_chunk(struct vt_pool_chunk *chunk)
{
    vt_wipe(chunk->data, chunk->used);
    free(chunk);
}

void vt_pool_reset(struct vt_pool *pool)
{
    struct vt_pool_chunk *kept = NULL;
    while (pool->chunks != NULL) {
        struct vt_pool_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        if (kept == NULL && chunk->len <= POOL_CHUNK_MAX) {
            kept = chunk;
            continue;
        }
        pool_free_chunk(chunk);
    }
    if (kept != NULL) {
        vt_wipe(kept->data, kept->used);
        kept->used = 0;
        kept->next = NULL;
    }
    *pool = VT_POOL_INIT(pool->max);
    pool->chunks = kept;
}

void vt_pool_release(struct vt_pool *pool)
{
    while (pool->chunks != NULL) {
        struct vt_pool_chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        pool_free_chunk(chunk);
    }
    *pool = VT_POOL_INIT(pool->max);
}
