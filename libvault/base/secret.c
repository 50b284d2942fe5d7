/* The arena hands out blocks from power-of-two size classes cut out of mapped chunks. A block carries a 16-byte header
 * with its class, so free needs no lookup. Chunks are never unmapped: the arena only shrinks with the process. */
#include "libvault/base/secret.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libvault/base/fault.h"

enum {
    ARENA_CHUNK_LEN = 256 * 1024,
    ARENA_HEADER_LEN = 16,
    ARENA_CLASS_MIN_LOG2 = 6,       /* 64 bytes */
    ARENA_CLASS_MAX_LOG2 = 40,
    ARENA_CHUNKS_MAX = 4096,
};

struct arena_block {
    uint32_t size_class;
    uint32_t is_used;
    struct arena_block *next_free;
};
_Static_assert(sizeof(struct arena_block) <= ARENA_HEADER_LEN, "header fits");

struct arena_chunk {
    uint8_t *base;
    size_t len;
    bool is_locked;
};

static struct {
    pthread_mutex_t mutex;
    struct arena_block *free_lists[ARENA_CLASS_MAX_LOG2 + 1];
    uint8_t *fresh;                 /* uncut tail of the newest chunk */
    size_t fresh_len;
    struct arena_chunk chunks[ARENA_CHUNKS_MAX];
    size_t chunk_count;
    size_t in_use_bytes;
    bool is_forked;                 /* this process began as a copy: blocks from before are wiped, headers too */
} arena = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void vt_wipe(void *data, size_t len)
{
    if (len != 0) explicit_bzero(data, len);
}

void vt_key_release(struct vt_key *key)
{
    vt_wipe(key, sizeof *key);
}

bool vt_ct_equal(struct vt_bytes a, struct vt_bytes b)
{
    if (a.len != b.len) return false;
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < a.len; i++) difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}

/* vt_bug() may run on any thread, even one that holds the mutex: no locking here, the process dies next. */
static void arena_wipe_all(void)
{
    for (size_t i = 0; i < arena.chunk_count; i++) explicit_bzero(arena.chunks[i].base, arena.chunks[i].len);
}

/* MADV_WIPEONFORK has zeroed the blocks and their headers in the child, so its free lists lead into nothing: forget them.
 * The mutex may have been held by a thread that the child does not have. */
static void arena_after_fork(void)
{
    pthread_mutex_init(&arena.mutex, NULL);
    memset(arena.free_lists, 0, sizeof arena.free_lists);
    arena.fresh_len = 0;
    arena.in_use_bytes = 0;
    arena.is_forked = true;
}

static bool arena_map(size_t len)
{
    if (arena.chunk_count == ARENA_CHUNKS_MAX) return false;
    uint8_t *base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return false;
    const bool is_first = arena.chunk_count == 0;
    if (madvise(base, len, MADV_DONTDUMP) != 0 || madvise(base, len, MADV_WIPEONFORK) != 0 ||
        (is_first && pthread_atfork(NULL, NULL, arena_after_fork) != 0)) {
        munmap(base, len);
        return false;
    }
    if (is_first) vt_bug_set_wiper(arena_wipe_all);
    arena.chunks[arena.chunk_count++] =
        (struct arena_chunk){.base = base, .len = len, .is_locked = mlock2(base, len, MLOCK_ONFAULT) == 0};
    arena.fresh = base;
    arena.fresh_len = len;
    return true;
}

static struct arena_block *arena_take(unsigned size_class)
{
    struct arena_block *block = arena.free_lists[size_class];
    if (block != NULL) {
        arena.free_lists[size_class] = block->next_free;
        return block;
    }
    const size_t block_len = (size_t)1 << size_class;
    if (arena.fresh_len < block_len && !arena_map(VT_MAX((size_t)ARENA_CHUNK_LEN, block_len))) return NULL;
    block = (struct arena_block *)(void *)arena.fresh;
    arena.fresh += block_len;
    arena.fresh_len -= block_len;
    block->size_class = size_class;
    return block;
}

void *vt_secret_alloc(size_t len)
{
    size_t needed;
    if (vt_fault_hit(VT_FAULT_ALLOC) || !vt_size_add(len, ARENA_HEADER_LEN, &needed)) return NULL;
    unsigned size_class = ARENA_CLASS_MIN_LOG2;
    while (((size_t)1 << size_class) < needed)
        if (++size_class > ARENA_CLASS_MAX_LOG2) return NULL;

    pthread_mutex_lock(&arena.mutex);
    struct arena_block *block = arena_take(size_class);
    if (block != NULL) {
        arena.in_use_bytes += (size_t)1 << size_class;
        block->is_used = 1;
        block->next_free = NULL;
    }
    pthread_mutex_unlock(&arena.mutex);
    return block != NULL ? (uint8_t *)block + ARENA_HEADER_LEN : NULL;
}

void vt_secret_free(void *data)
{
    if (data == NULL) return;
    struct arena_block *block = (struct arena_block *)(void *)((uint8_t *)data - ARENA_HEADER_LEN);
    if (arena.is_forked && block->is_used == 0) return;         /* from before the fork: wiped already */
    VT_BUG_ON(block->is_used != 1 || block->size_class > ARENA_CLASS_MAX_LOG2);
    vt_wipe(data, ((size_t)1 << block->size_class) - ARENA_HEADER_LEN);

    pthread_mutex_lock(&arena.mutex);
    block->is_used = 0;
    block->next_free = arena.free_lists[block->size_class];
    arena.free_lists[block->size_class] = block;
    arena.in_use_bytes -= (size_t)1 << block->size_class;
    pthread_mutex_unlock(&arena.mutex);
}

VT_RESULT vt_secret_set(struct vt_secret *secret, struct vt_bytes bytes)
{
    uint8_t *copy = vt_secret_alloc(VT_MAX(bytes.len, (size_t)1));
    VT_ENSURE(copy != NULL, VAULT_E_MEMORY);
    if (bytes.len != 0) memcpy(copy, bytes.data, bytes.len);
    vt_secret_release(secret);
    *secret = (struct vt_secret){copy, bytes.len};
    return VAULT_OK;
}

void vt_secret_release(struct vt_secret *secret)
{
    vt_secret_free(secret->data);
    *secret = VT_SECRET_INIT;
}

/* mlock2(2): the limit does not bind a process with CAP_IPC_LOCK. */
static bool may_lock_without_limit(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capget, &header, sets) == 0 && (sets[0].effective >> CAP_IPC_LOCK & 1) != 0;
}

void vt_secret_stats(struct vt_secret_stats *out_stats)
{
    struct vt_secret_stats stats = {0};
    struct rlimit limit;
    pthread_mutex_lock(&arena.mutex);
    stats.in_use_bytes = arena.in_use_bytes;
    for (size_t i = 0; i < arena.chunk_count; i++) {
        stats.mapped_bytes += arena.chunks[i].len;
        if (arena.chunks[i].is_locked) stats.locked_bytes += arena.chunks[i].len;
    }
    pthread_mutex_unlock(&arena.mutex);
    const bool has_limit = getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    const bool is_limited = has_limit && !may_lock_without_limit();
    stats.limit_bytes = is_limited ? (size_t)limit.rlim_cur : SIZE_MAX;
    *out_stats = stats;
}

VT_RESULT vt_secret_harden_process(void)
{
    const struct rlimit none = {0, 0};
    VT_ENSURE(setrlimit(RLIMIT_CORE, &none) == 0, VAULT_E_IO);
    VT_ENSURE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, VAULT_E_IO);
    return VAULT_OK;
}
