#include "vaultd/core/keyring/cache_internal.h"

#include <pthread.h>

#include "libvault/base/fault.h"

enum { CACHE_SHARDS = 16, CACHE_BUCKETS_MIN = 64 };

struct cache_shard {
    pthread_mutex_t mutex;
    struct vt_cached **buckets;
    struct vt_list used;
    size_t bytes;
    uint64_t count, hits, misses;
};

struct vt_cache {
    struct cache_shard shards[CACHE_SHARDS];
    size_t bucket_count;            /* of each shard, a power of two */
    size_t shard_max_bytes;
    _Atomic uint64_t insert_version;
    _Atomic uint64_t lookup_version;
};

/* Ids are random or counted, never chosen by a client: mixing (the finaliser of MurmurHash3) is enough. */
static uint64_t hash_mix(uint64_t value)
{
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdu;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53u;
    return value ^ (value >> 33);
}

static uint64_t key_hash(const struct vt_cache_key *key)
{
    uint64_t hash = hash_mix(vt_get_u64(key->id));
    hash = hash_mix(hash ^ vt_get_u64(key->id + 8));
    return hash_mix(hash ^ key->version ^ (key->tenant << 48));
}

static bool key_equal(const struct vt_cache_key *a, const struct vt_cache_key *b)
{
    return a->tenant == b->tenant && a->version == b->version && memcmp(a->id, b->id, sizeof a->id) == 0;
}

static struct cache_shard *shard_of(struct vt_cache *cache, uint64_t hash)
{
    return &cache->shards[hash >> 60];
}
_Static_assert(CACHE_SHARDS == 16, "the top four bits of the hash name the shard");

static struct vt_cached **link_of(struct vt_cache *cache, struct cache_shard *shard, const struct vt_cache_key *key,
                                  uint64_t hash)
{
    struct vt_cached **link = &shard->buckets[hash & (cache->bucket_count - 1)];
    while (*link != NULL && !key_equal(&(*link)->key, key)) link = &(*link)->hash_next;
    return link;
}

VT_RESULT vt_cache_new(size_t max_bytes, size_t typical_bytes, struct vt_cache **out_cache)
{
    VT_AUTO_PTR(vt_cache) cache = vt_calloc(1, sizeof *cache);
    VT_ENSURE(cache != NULL, VAULT_E_MEMORY);
    cache->shard_max_bytes = max_bytes / CACHE_SHARDS;
    cache->bucket_count = CACHE_BUCKETS_MIN;
    while (cache->bucket_count < cache->shard_max_bytes / typical_bytes) cache->bucket_count *= 2;
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        pthread_mutex_init(&cache->shards[i].mutex, NULL);
        vt_list_init(&cache->shards[i].used);
    }
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        cache->shards[i].buckets = vt_calloc(cache->bucket_count, sizeof *cache->shards[i].buckets);
        VT_ENSURE(cache->shards[i].buckets != NULL, VAULT_E_MEMORY);
    }
    *out_cache = VT_MOVE(cache);
    return VAULT_OK;
}

void vt_cache_free(struct vt_cache *cache)
{
    if (cache == NULL) return;
    vt_cache_clear(cache);      /* shards without buckets have empty lists */
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        pthread_mutex_destroy(&cache->shards[i].mutex);
        free(cache->shards[i].buckets);
    }
    free(cache);
}

void *vt_cached_new(size_t bytes)
{
    struct vt_cached *object = vt_secret_alloc(bytes);
    if (object == NULL) return NULL;
    object->bytes = (uint32_t)bytes;
    atomic_init(&object->refs, 1);
    return object;
}

void vt_cached_hold(struct vt_cached *object)
{
    atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
}

void vt_cached_drop(struct vt_cached *object)
{
    if (object == NULL) return;
    if (atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) == 1) vt_secret_free(object);
}

/* The shard's lock is held. The cache's reference passes to the caller. */
static void shard_unlink(struct cache_shard *shard, struct vt_cached **link)
{
    struct vt_cached *object = *link;
    *link = object->hash_next;
    vt_list_remove(&object->used);
    object->is_linked = false;
    shard->bytes -= object->bytes;
    shard->count--;
}

static void shard_evict(struct vt_cache *cache, struct cache_shard *shard)
{
    while (shard->bytes > cache->shard_max_bytes && !vt_list_is_empty(&shard->used)) {
        struct vt_cached *oldest = VT_CONTAINER_OF(shard->used.next, struct vt_cached, used);
        shard_unlink(shard, link_of(cache, shard, &oldest->key, key_hash(&oldest->key)));
        vt_cached_drop(oldest);
    }
}

struct vt_cached *vt_cache_get(struct vt_cache *cache, const struct vt_cache_key *key, uint64_t at_version)
{
    const uint64_t hash = key_hash(key);
    struct cache_shard *shard = shard_of(cache, hash);
    pthread_mutex_lock(&shard->mutex);
    struct vt_cached *object = *link_of(cache, shard, key, hash);
    const bool is_fit = object != NULL && object->valid_from <= at_version &&
                        at_version <= atomic_load(&cache->lookup_version);
    if (is_fit) {
        vt_cached_hold(object);
        vt_list_remove(&object->used);
        vt_list_push_back(&shard->used, &object->used);
        shard->hits++;
    } else {
        shard->misses++;
    }
    pthread_mutex_unlock(&shard->mutex);
    return is_fit ? object : NULL;
}

void vt_cache_put(struct vt_cache *cache, struct vt_cached *object, uint64_t at_version)
{
    const uint64_t hash = key_hash(&object->key);
    struct cache_shard *shard = shard_of(cache, hash);
    pthread_mutex_lock(&shard->mutex);
    struct vt_cached **link = link_of(cache, shard, &object->key, hash);
    if (*link == NULL && at_version == atomic_load(&cache->insert_version)) {
        vt_cached_hold(object);
        object->is_linked = true;
        object->hash_next = NULL;
        *link = object;
        vt_list_push_back(&shard->used, &object->used);
        shard->bytes += object->bytes;
        shard->count++;
        shard_evict(cache, shard);
    }
    pthread_mutex_unlock(&shard->mutex);
}

void vt_cache_remove(struct vt_cache *cache, const struct vt_cache_key *key)
{
    const uint64_t hash = key_hash(key);
    struct cache_shard *shard = shard_of(cache, hash);
    pthread_mutex_lock(&shard->mutex);
    struct vt_cached **link = link_of(cache, shard, key, hash);
    struct vt_cached *object = *link;
    if (object != NULL) shard_unlink(shard, link);
    pthread_mutex_unlock(&shard->mutex);
    vt_cached_drop(object);
}

void vt_cache_clear(struct vt_cache *cache)
{
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        struct cache_shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->mutex);
        while (!vt_list_is_empty(&shard->used)) {
            struct vt_cached *object = VT_CONTAINER_OF(shard->used.next, struct vt_cached, used);
            shard_unlink(shard, link_of(cache, shard, &object->key, key_hash(&object->key)));
            vt_cached_drop(object);
        }
        pthread_mutex_unlock(&shard->mutex);
    }
}

void vt_cache_commit_begin(struct vt_cache *cache, uint64_t version)
{
    atomic_store(&cache->insert_version, version);
}

void vt_cache_commit_end(struct vt_cache *cache, uint64_t version)
{
    atomic_store(&cache->lookup_version, version);
}

void vt_cache_stats(struct vt_cache *cache, struct vt_cache_stats *out_stats)
{
    struct vt_cache_stats stats = {0};
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        struct cache_shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->mutex);
        stats.count += shard->count;
        stats.hits += shard->hits;
        stats.misses += shard->misses;
        pthread_mutex_unlock(&shard->mutex);
    }
    *out_stats = stats;
}
