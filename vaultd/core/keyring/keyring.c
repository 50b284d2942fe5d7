#include "vaultd/core/keyring/keyring.h"

#include <errno.h>
#include <time.h>

#include "libvault/base/fault.h"
#include "vaultd/core/keyring/keyring_internal.h"

/* An opened key block of three categories is one 512-byte block of the arena. */
enum { SUBJECT_TYPICAL_BYTES = 512, SUBJECT_DEFAULT_ENTRIES = 65536, PAGE_TYPICAL_BYTES = 4096 };
static const size_t page_default_bytes = (size_t)64 << 20;
static const size_t cache_min_bytes = (size_t)1 << 20;

/* A share of what may be locked: the rest is for drafts, pages under change and credentials. */
static size_t fit_lock_limit(size_t wanted, size_t share_percent)
{
    struct vt_secret_stats stats;
    vt_secret_stats(&stats);
    const size_t share = stats.limit_bytes / 100 * share_percent;
    return VT_MAX(VT_MIN(wanted, share), cache_min_bytes);
}

static VT_RESULT ring_make_caches(struct vt_keyring *ring, const struct vt_keyring_options *options)
{
    const bool has_options = options != NULL;
    size_t pages = has_options ? options->page_cache_bytes : 0;
    size_t subjects = has_options ? options->subject_cache_entries * (size_t)SUBJECT_TYPICAL_BYTES : 0;
    if (pages == 0) pages = fit_lock_limit(page_default_bytes, 50);
    if (subjects == 0) subjects = fit_lock_limit((size_t)SUBJECT_DEFAULT_ENTRIES * SUBJECT_TYPICAL_BYTES, 25);
    VT_TRY(vt_cache_new(pages, PAGE_TYPICAL_BYTES, &ring->pages));
    return vt_cache_new(subjects, SUBJECT_TYPICAL_BYTES, &ring->subjects);
}

static VT_RESULT ring_is_initialised(struct vt_store *store)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_root_record record;
    VT_TRY(vt_txn_begin_read(store, &txn));
    return vt_keyring_root_record(txn, &record);
}

VT_RESULT vt_keyring_open(struct vt_store *store, const struct vt_keyring_options *options,
                          struct vt_keyring **out_ring)
{
    const vault_status found = ring_is_initialised(store);
    VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_INITIALISED, found);
    struct vt_keyring *made = vt_calloc(1, sizeof *made);
    VT_ENSURE(made != NULL, VAULT_E_MEMORY);
    made->store = store;
    made->is_sealed = true;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->view_ended, &attributes);
    pthread_condattr_destroy(&attributes);
    vt_list_init(&made->views);

    VT_AUTO_PTR(vt_keyring) ring = made;
    ring->keys = vt_secret_alloc(sizeof *ring->keys);
    VT_ENSURE(ring->keys != NULL, VAULT_E_MEMORY);
    VT_TRY(ring_make_caches(ring, options));
    *out_ring = VT_MOVE(ring);
    return found;
}

void vt_keyring_free(struct vt_keyring *ring)
{
    if (ring == NULL) return;
    vt_keyring_seal(ring);
    vt_cache_free(ring->pages);
    vt_cache_free(ring->subjects);
    vt_secret_free(ring->keys);
    pthread_cond_destroy(&ring->view_ended);
    pthread_mutex_destroy(&ring->mutex);
    free(ring);
}

VT_RESULT vt_keyring_root_record(struct vt_txn *txn, struct vt_root_record *out_record)
{
    struct vt_bytes value;
    VT_TRY(vt_root_value(txn, &value));
    return vt_root_record_decode(value, out_record);
}

VT_RESULT vt_keyring_root_opens(struct vt_txn *txn, const struct vt_key *root_key)
{
    VT_AUTO_PTR(vt_root) root = NULL;
    struct vt_bytes value;
    VT_TRY(vt_root_value(txn, &value));
    return vt_root_open(value, root_key, &root);
}

static VT_RESULT read_root(struct vt_keyring *ring, const struct vt_key *root_key, struct vt_root **out_root)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_bytes value;
    VT_TRY(vt_txn_begin_read(ring->store, &txn));
    VT_TRY(vt_root_value(txn, &value));
    return vt_root_open(value, root_key, out_root);
}

VT_RESULT vt_keyring_unseal(struct vt_keyring *ring, const struct vt_key *root_key)
{
    VT_AUTO_PTR(vt_root) root = NULL;
    VT_ENSURE(vt_keyring_is_sealed(ring), VAULT_E_STATE);
    VT_TRY(read_root(ring, root_key, &root));
    const uint64_t version = root->record.page_version;
    vt_cache_commit_begin(ring->pages, version);
    vt_cache_commit_end(ring->pages, version);
    vt_cache_commit_begin(ring->subjects, version);
    vt_cache_commit_end(ring->subjects, version);

    pthread_mutex_lock(&ring->mutex);
    struct vt_root_key *current = &ring->keys->current;
    current->is_set = true;
    current->epoch = root->record.epoch;
    current->key = *root_key;
    memcpy(current->attempt, root->record.attempt, sizeof current->attempt);
    ring->root = VT_MOVE(root);
    ring->is_sealed = false;
    pthread_mutex_unlock(&ring->mutex);
    return VAULT_OK;
}

static void ring_clear_caches(struct vt_keyring *ring)
{
    if (ring->pages != NULL) vt_cache_clear(ring->pages);
    if (ring->subjects != NULL) vt_cache_clear(ring->subjects);
}

void vt_keyring_seal(struct vt_keyring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    ring->is_sealed = true;
    while (!vt_list_is_empty(&ring->views)) pthread_cond_wait(&ring->view_ended, &ring->mutex);
    vt_root_free(VT_MOVE(ring->root));
    if (ring->keys != NULL) vt_wipe(ring->keys, sizeof *ring->keys);
    pthread_mutex_unlock(&ring->mutex);
    ring_clear_caches(ring);
}

bool vt_keyring_is_sealed(const struct vt_keyring *ring)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&ring->mutex;
    pthread_mutex_lock(mutex);
    const bool is_sealed = ring->is_sealed;
    pthread_mutex_unlock(mutex);
    return is_sealed;
}

static struct timespec deadline_after(int64_t timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(timeout_ms / 1000);
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static bool has_view_before(const struct vt_keyring *ring, uint64_t sequence)
{
    if (vt_list_is_empty(&ring->views)) return false;
    const struct vt_keyring_view *oldest = VT_CONTAINER_OF(ring->views.next, struct vt_keyring_view, open);
    return oldest->sequence <= sequence;
}

/* The previous root key goes first: from then on no view of an older snapshot can begin, so those that are waited for
 * are the last that hold its keys. */
VT_RESULT vt_keyring_fence(struct vt_keyring *ring, int64_t timeout_ms)
{
    const struct timespec deadline = deadline_after(timeout_ms);
    int waited = 0;
    pthread_mutex_lock(&ring->mutex);
    vt_wipe(&ring->keys->previous, sizeof ring->keys->previous);
    const uint64_t sequence = ring->view_sequence;
    pthread_mutex_unlock(&ring->mutex);

    ring_clear_caches(ring);    /* outside the lock: wiping all takes a while, and views may begin meanwhile */
    pthread_mutex_lock(&ring->mutex);
    while (waited == 0 && has_view_before(ring, sequence))
        waited = pthread_cond_timedwait(&ring->view_ended, &ring->mutex, &deadline);
    const bool is_clear = !has_view_before(ring, sequence);
    pthread_mutex_unlock(&ring->mutex);
    return is_clear ? VAULT_OK : VAULT_E_TIMEOUT;
}

void vt_keyring_stats(struct vt_keyring *ring, struct vt_keyring_stats *out_stats)
{
    struct vt_cache_stats pages, subjects;
    vt_cache_stats(ring->pages, &pages);
    vt_cache_stats(ring->subjects, &subjects);
    pthread_mutex_lock(&ring->mutex);
    const uint64_t views_open = ring->views_open;
    pthread_mutex_unlock(&ring->mutex);
    *out_stats = (struct vt_keyring_stats){
        .pages_cached = pages.count,
        .subjects_cached = subjects.count,
        .cache_hits = subjects.hits,
        .cache_misses = subjects.misses,
        .pages_sealed = atomic_load(&ring->pages_sealed),
        .pages_opened = atomic_load(&ring->pages_opened),
        .views_open = views_open,
    };
}
