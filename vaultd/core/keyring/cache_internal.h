/* vaultd/core/keyring/cache_internal.h - opened pages and key blocks in the secret arena, shared by all views.
 *
 * An object lives while somebody holds a reference: the cache holds one, each view that borrowed it another; the last
 * one to let go wipes it. Two numbers keep snapshots apart, both page versions of committed states. Only views of
 * exactly insert_version may insert: it is raised before the committer removes what it superseded, so that a reader on
 * an older snapshot cannot put a superseded object back after its removal. Only views of lookup_version or an older
 * state may look up: it is raised after the removals, so that a reader on the newer snapshot cannot find an object that
 * is about to be removed.
 *
 * Thread: any; sharded locks inside. */
#pragma once
#include <stdatomic.h>

#include "libvault/base/list.h"
#include "libvault/base/secret.h"

struct vt_cache_key {
    uint64_t tenant;
    uint8_t id[16];
    uint64_t version;
};

/** Every cached object begins with one; the whole object is one block of arena memory. */
struct vt_cached {
    struct vt_cached *hash_next;
    struct vt_list used;            /* the shard's list, least recently used first */
    struct vt_cache_key key;
    uint64_t valid_from;            /* the first state that the object is known to be true for */
    uint32_t bytes;
    atomic_uint refs;
    bool is_linked;                 /* guarded by the shard's lock */
};

struct vt_cache;
/** @param max_bytes arena bytes that the cache may hold; @param typical_bytes sizes the hash table */
VT_RESULT vt_cache_new(size_t max_bytes, size_t typical_bytes, struct vt_cache **out_cache);
void vt_cache_free(struct vt_cache *cache);     /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_cache);

/** Zeroed arena memory of @p bytes with one reference, not in any cache. NULL when memory is short. */
void *vt_cached_new(size_t bytes);
void vt_cached_hold(struct vt_cached *object);
/** Let go; the last reference wipes and frees. NULL is allowed. */
void vt_cached_drop(struct vt_cached *object);

/** @param at_version the state of the asking view; 0 for objects whose key names their version.
 *  @return with a reference for the caller, or NULL */
struct vt_cached *vt_cache_get(struct vt_cache *cache, const struct vt_cache_key *key, uint64_t at_version);
/** Offer an object (its key, bytes and valid_from filled in) read in state @p at_version. Refused silently when that
 * state is not the present one or the key is there already: the caller's own reference stays good either way. */
void vt_cache_put(struct vt_cache *cache, struct vt_cached *object, uint64_t at_version);
void vt_cache_remove(struct vt_cache *cache, const struct vt_cache_key *key);
void vt_cache_clear(struct vt_cache *cache);

/** The committer brackets its removals with these two. */
void vt_cache_commit_begin(struct vt_cache *cache, uint64_t version);
void vt_cache_commit_end(struct vt_cache *cache, uint64_t version);

struct vt_cache_stats {
    uint64_t count, hits, misses;
};
void vt_cache_stats(struct vt_cache *cache, struct vt_cache_stats *out_stats);
