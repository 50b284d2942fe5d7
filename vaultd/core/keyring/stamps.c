#include "vaultd/core/keyring/stamps.h"

#include <pthread.h>
#include <stdatomic.h>

#include "libvault/base/fault.h"

enum {
    STAMP_CELLS = 16 * 1024,    /* 128 KiB; a read collides with one of 1,000 recent changes once in 16 */
    PENDING_SHARDS = 16,
    PENDING_BUCKETS = 1024,     /* a shard; with 10,000 pending shreds each chain is shorter than one */
};

struct pending_node {
    struct pending_node *next;
    struct vt_scope scope;
    bool is_frozen;
};

struct pending_shard {
    pthread_rwlock_t lock;
    struct pending_node *buckets[PENDING_BUCKETS];
};

struct vt_stamps {
    atomic_uint_fast64_t clock;
    atomic_uint_fast64_t all;           /* when every id changed last */
    atomic_uint_fast64_t pending_count;
    atomic_uint_fast64_t cells[STAMP_CELLS];
    struct pending_shard shards[PENDING_SHARDS];
};

VT_RESULT vt_stamps_new(struct vt_stamps **out_stamps)
{
    struct vt_stamps *stamps = vt_calloc(1, sizeof *stamps);
    VT_ENSURE(stamps != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < PENDING_SHARDS; i++) {
        if (pthread_rwlock_init(&stamps->shards[i].lock, NULL) == 0) continue;
        while (i-- != 0) pthread_rwlock_destroy(&stamps->shards[i].lock);
        free(stamps);
        return VAULT_E_MEMORY;
    }
    *out_stamps = stamps;
    return VAULT_OK;
}

void vt_stamps_free(struct vt_stamps *stamps)
{
    if (stamps == NULL) return;
    vt_stamps_clear_pending(stamps);
    for (size_t i = 0; i < PENDING_SHARDS; i++) pthread_rwlock_destroy(&stamps->shards[i].lock);
    free(stamps);
}

/* Ids are uniformly random already: their own bytes are the hash. */
static atomic_uint_fast64_t *cell_of(struct vt_stamps *stamps, const uint8_t id[16])
{
    return &stamps->cells[vt_get_u64(id) % STAMP_CELLS];
}

static void raise_to(atomic_uint_fast64_t *cell, uint64_t value)
{
    uint_fast64_t seen = atomic_load(cell);
    while (seen < value && !atomic_compare_exchange_weak(cell, &seen, value)) continue;
}

uint64_t vt_stamps_now(struct vt_stamps *stamps)
{
    return atomic_load(&stamps->clock);
}

void vt_stamps_touch(struct vt_stamps *stamps, const uint8_t id[16])
{
    raise_to(cell_of(stamps, id), atomic_fetch_add(&stamps->clock, 1) + 1);
}

void vt_stamps_touch_all(struct vt_stamps *stamps)
{
    raise_to(&stamps->all, atomic_fetch_add(&stamps->clock, 1) + 1);
}

bool vt_stamps_all_changed(struct vt_stamps *stamps, uint64_t since)
{
    return atomic_load(&stamps->all) > since;
}

bool vt_stamps_changed(struct vt_stamps *stamps, const uint8_t id[16], uint64_t since)
{
    return atomic_load(cell_of(stamps, id)) > since || atomic_load(&stamps->all) > since;
}

static struct pending_shard *shard_of(struct vt_stamps *stamps, const struct vt_sid *sid)
{
    return &stamps->shards[sid->bytes[15] % PENDING_SHARDS];
}

static struct pending_node **bucket_of(struct pending_shard *shard, const struct vt_sid *sid)
{
    return &shard->buckets[vt_get_u32(sid->bytes + 8) % PENDING_BUCKETS];
}

static bool scope_equal(const struct vt_scope *a, const struct vt_scope *b)
{
    return a->category == b->category && a->record == b->record && vt_sid_equal(&a->sid, &b->sid);
}

static bool scope_contains(const struct vt_scope *outer, const struct vt_scope *inner)
{
    if (!vt_sid_equal(&outer->sid, &inner->sid)) return false;
    if (outer->category != VT_CATEGORY_ALL && outer->category != inner->category) return false;
    return outer->record == 0 || outer->record == inner->record;
}

static struct pending_node *find_exact(struct pending_shard *shard, const struct vt_scope *scope)
{
    struct pending_node *node = *bucket_of(shard, &scope->sid);
    while (node != NULL && !scope_equal(&node->scope, scope)) node = node->next;
    return node;
}

VT_RESULT vt_stamps_add_pending(struct vt_stamps *stamps, const struct vt_scope *scope)
{
    struct pending_node *node = vt_calloc(1, sizeof *node);
    VT_ENSURE(node != NULL, VAULT_E_MEMORY);
    node->scope = *scope;

    struct pending_shard *shard = shard_of(stamps, &scope->sid);
    pthread_rwlock_wrlock(&shard->lock);
    if (find_exact(shard, scope) == NULL) {
        struct pending_node **bucket = bucket_of(shard, &scope->sid);
        node->next = *bucket;
        *bucket = node;
        node = NULL;
        atomic_fetch_add(&stamps->pending_count, 1);
    }
    pthread_rwlock_unlock(&shard->lock);
    free(node);
    vt_stamps_touch(stamps, scope->sid.bytes);
    return VAULT_OK;
}

void vt_stamps_remove_pending(struct vt_stamps *stamps, const struct vt_scope *scope)
{
    struct pending_shard *shard = shard_of(stamps, &scope->sid);
    struct pending_node *found = NULL;
    pthread_rwlock_wrlock(&shard->lock);
    for (struct pending_node **at = bucket_of(shard, &scope->sid); *at != NULL; at = &(*at)->next) {
        if (!scope_equal(&(*at)->scope, scope)) continue;
        found = *at;
        *at = found->next;
        atomic_fetch_sub(&stamps->pending_count, 1);
        break;
    }
    pthread_rwlock_unlock(&shard->lock);
    free(found);
    vt_stamps_touch(stamps, scope->sid.bytes);
}

static void shard_clear(struct vt_stamps *stamps, struct pending_shard *shard)
{
    for (size_t i = 0; i < PENDING_BUCKETS; i++) {
        while (shard->buckets[i] != NULL) {
            struct pending_node *node = shard->buckets[i];
            shard->buckets[i] = node->next;
            free(node);
            atomic_fetch_sub(&stamps->pending_count, 1);
        }
    }
}

void vt_stamps_clear_pending(struct vt_stamps *stamps)
{
    for (size_t i = 0; i < PENDING_SHARDS; i++) {
        pthread_rwlock_wrlock(&stamps->shards[i].lock);
        shard_clear(stamps, &stamps->shards[i]);
        pthread_rwlock_unlock(&stamps->shards[i].lock);
    }
    vt_stamps_touch_all(stamps);
}

bool vt_stamps_is_pending(struct vt_stamps *stamps, const struct vt_scope *scope)
{
    if (atomic_load(&stamps->pending_count) == 0) return false;     /* what nearly every read finds */
    struct pending_shard *shard = shard_of(stamps, &scope->sid);
    pthread_rwlock_rdlock(&shard->lock);
    const struct pending_node *node = *bucket_of(shard, &scope->sid);
    while (node != NULL && !scope_contains(&node->scope, scope)) node = node->next;
    pthread_rwlock_unlock(&shard->lock);
    return node != NULL;
}

uint64_t vt_stamps_pending_count(struct vt_stamps *stamps)
{
    return atomic_load(&stamps->pending_count);
}

void vt_stamps_freeze_pending(struct vt_stamps *stamps, const struct vt_scope *scope, bool is_frozen)
{
    struct pending_shard *shard = shard_of(stamps, &scope->sid);
    pthread_rwlock_wrlock(&shard->lock);
    struct pending_node *node = find_exact(shard, scope);
    if (node != NULL) node->is_frozen = is_frozen;
    pthread_rwlock_unlock(&shard->lock);
}

bool vt_stamps_is_frozen(struct vt_stamps *stamps, const struct vt_scope *scope)
{
    struct pending_shard *shard = shard_of(stamps, &scope->sid);
    pthread_rwlock_rdlock(&shard->lock);
    const struct pending_node *node = find_exact(shard, scope);
    const bool is_frozen = node != NULL && node->is_frozen;
    pthread_rwlock_unlock(&shard->lock);
    return is_frozen;
}
