/* LMDB 0.9 behind store.h: one environment, one named database per table, and one of our own, "store", that holds the
 * format version and what makes commit numbers go on in a copy.
 *
 * Flags. Only MDB_NOTLS, so that a read transaction belongs to its handle and not to a thread. Never MDB_NOMEMINIT
 * (heap would reach the file), MDB_WRITEMAP, MDB_NOSYNC, MDB_NOMETASYNC or MDB_MAPASYNC.
 *
 * The map. LMDB cannot enlarge its map while any transaction is open, and a write that fills it is lost. So address
 * space for 1 TiB is reserved at once: it costs neither memory nor disk, only numbers. Where the process may not have
 * that much (ulimit -v, sanitizers, emulators) it is less, and grows between transactions once half of it is used.
 *
 * Failing syncs. The kernel reports a lost write once and then forgets it, so trying again would call durable what is
 * not. After a failed sync no write begins until the store is opened again. */
#include "vaultd/core/store/store.h"

#include <errno.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "libvault/base/fault.h"
#include "libvault/base/list.h"
#include "vaultd/core/store/store_files.h"
#include "vaultd/core/store/store_internal.h"
#include "vaultd/core/store/store_pages.h"

static const uint64_t MAP_RESERVED = UINT64_C(1) << 40;
static const uint64_t MAP_MIN = UINT64_C(1) << 20;
enum {
    READER_WAIT_S = 2,      /* for readers to end before the map grows; afterwards the write goes on without */
    READERS_BYTES = (VT_STORE_READERS_MAX + 64) * 64,   /* a line of cache each, and LMDB's head of the table */
    CHECK_TRIES = 100,
    CHECK_AT_OPEN_BYTES = 64 * 1024 * 1024
};

static const unsigned FLAGS_REFUSED =
    MDB_NOMEMINIT | MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC | MDB_MAPASYNC | MDB_FIXEDMAP | MDB_NOLOCK;

/* Part of the format, in the order of enum vt_table. */
static const char *const TABLE_NAMES[VT_TABLE_COUNT] = {
    "meta",       "page",    "keyblock",    "record", "row", "token",       "audit",  "audit_node", "ledger",
    "ledger_sid", "pending", "certificate", "config", "job", "idempotency", "backup", "blob",
    "certificate_log", "hold", "approval", "waiting",
};
static const char OWN_TABLE[] = "store";
static const char FORMAT_KEY[] = "format";                  /* u32: VT_STORE_FORMAT */
static const char COMMIT_BASE_KEY[] = "commit_base";        /* u64: commit number = this + LMDB's transaction id */

struct lmdb_store {
    struct vt_store base;
    MDB_env *env;
    MDB_dbi tables[VT_TABLE_COUNT];
    MDB_dbi own;
    struct vt_store_files *files;
    struct vt_writer_gate writer;
    bool is_read_only;
    atomic_ullong commits_begun;    /* of write transactions, whatever became of them */
    atomic_ullong commits_ended;
    bool is_copy;                   /* a copy in the making: no mark of the format yet, no growing ahead */
    atomic_uint_least64_t commit_base;

    /* Readers, for the map to grow while there are none. */
    pthread_mutex_t map_mutex;
    pthread_cond_t map_changed;
    unsigned reader_count;          /* open and not parked */
    bool is_map_growing;
    bool is_map_outgrown;           /* a transaction ran into its end */
    bool is_map_at_limit;           /* no more address space */
    bool is_map_lost;               /* LMDB gave the old one up and got no new one: nothing can be read any more */
    uint64_t map_retry_at;          /* bytes used when readers are waited for again */
};

struct lmdb_txn {
    struct vt_txn base;
    MDB_txn *txn;
    uint64_t commit_base;           /* this transaction's, once it is raised */
};

struct lmdb_cursor {
    struct vt_cursor base;
    MDB_cursor *cursor;
};

static struct lmdb_store *lmdb_of(struct vt_store *store)
{
    return VT_CONTAINER_OF(store, struct lmdb_store, base);
}

static struct lmdb_txn *lmdb_txn_of(struct vt_txn *txn)
{
    return VT_CONTAINER_OF(txn, struct lmdb_txn, base);
}

static struct lmdb_cursor *lmdb_cursor_of(struct vt_cursor *cursor)
{
    return VT_CONTAINER_OF(cursor, struct lmdb_cursor, base);
}

/* LMDB does not write through what it is given to put or to look up. */
static MDB_val val_of(struct vt_bytes bytes)
{
    return (MDB_val){bytes.len, (void *)(uintptr_t)bytes.data};
}

static struct vt_bytes bytes_of(MDB_val val)
{
    return vt_bytes(val.mv_data, val.mv_size);
}

static vault_status status_of(int result)
{
    switch (result) {
    case MDB_SUCCESS: return VAULT_OK;
    case MDB_NOTFOUND: return VAULT_E_NOT_FOUND;
    case MDB_KEYEXIST: return VAULT_E_EXISTS;
    case MDB_READERS_FULL: return VAULT_E_BUSY;
    case MDB_TXN_FULL: return VAULT_E_LIMIT;
    case MDB_BAD_VALSIZE: return VAULT_E_TOO_LARGE;
    case MDB_VERSION_MISMATCH: return VAULT_E_FORMAT;
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE: return VAULT_E_CORRUPT;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return VAULT_E_DISK_FULL;
    case ENOMEM: return VAULT_E_MEMORY;
    default: return VAULT_E_IO;
    }
}

/* The map -------------------------------------------------------------------------------------------------------- */

/* Would the process get that much address space? Asked before, since LMDB gives its old map up before it tries. */
static bool can_map(uint64_t bytes)
{
    void *probe = mmap(NULL, (size_t)bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED) return false;
    munmap(probe, (size_t)bytes);
    return true;
}

/* As much again must stay for everything else. */
static uint64_t map_reservation(void)
{
    uint64_t bytes = MAP_RESERVED;
    while (bytes > MAP_MIN && !can_map(bytes * 2)) bytes /= 2;
    return bytes;
}

static vault_status reader_enter(struct lmdb_store *store)
{
    pthread_mutex_lock(&store->map_mutex);
    while (store->is_map_growing) pthread_cond_wait(&store->map_changed, &store->map_mutex);
    const bool is_lost = store->is_map_lost;
    if (!is_lost) store->reader_count++;
    pthread_mutex_unlock(&store->map_mutex);
    return is_lost ? VAULT_E_MEMORY : VAULT_OK;
}

static void reader_leave(struct lmdb_store *store)
{
    pthread_mutex_lock(&store->map_mutex);
    store->reader_count--;
    if (store->reader_count == 0 && store->is_map_growing) pthread_cond_broadcast(&store->map_changed);
    pthread_mutex_unlock(&store->map_mutex);
}

/* With the map's mutex held and no new readers coming: false when the old ones do not end in time. One of them may be
 * the caller's own, so this must not wait for ever. */
static bool wait_for_readers(struct lmdb_store *store)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += READER_WAIT_S;
    while (store->reader_count != 0) {
        if (pthread_cond_clockwait(&store->map_changed, &store->map_mutex, CLOCK_MONOTONIC, &until) != 0) break;
    }
    return store->reader_count == 0;
}

/* After waiting in vain (a backup reads) the next wait is due when an eighth of the map more is used, or a transaction
 * ran into its end: not every write may stand still for it. */
static bool has_no_readers(struct lmdb_store *store, uint64_t bytes, uint64_t used)
{
    if (store->reader_count == 0) return true;
    if (used < store->map_retry_at && !store->is_map_outgrown) return false;
    store->map_retry_at = used + bytes / 16;
    return wait_for_readers(store);
}

/* With the map's mutex held. Not growing is no failure: there is room yet. */
static vault_status map_enlarge(struct lmdb_store *store, uint64_t bytes, uint64_t used)
{
    store->is_map_at_limit = !can_map(bytes);
    if (store->is_map_at_limit || !has_no_readers(store, bytes, used)) return VAULT_OK;

    const int failure = mdb_env_set_mapsize(store->env, (size_t)bytes);
    store->is_map_lost = failure != 0;
    VT_TRY(status_of(failure));
    store->is_map_outgrown = false;
    store->map_retry_at = 0;
    return VAULT_OK;
}

static uint64_t used_end(const MDB_envinfo *info, const MDB_stat *stat)
{
    return ((uint64_t)info->me_last_pgno + 1) * stat->ms_psize;
}

/* Before a write begins, in its gate: double the map once half of it is used or a transaction ran into its end. */
static vault_status map_make_room(struct lmdb_store *store)
{
    MDB_envinfo info = {0};
    MDB_stat stat = {0};
    VT_ENSURE(!store->is_map_lost, VAULT_E_MEMORY);
    VT_TRY(status_of(mdb_env_info(store->env, &info)));
    VT_TRY(status_of(mdb_env_stat(store->env, &stat)));
    const uint64_t used = used_end(&info, &stat), map_bytes = info.me_mapsize;
    if (used <= map_bytes / 2 && !store->is_map_outgrown) return VAULT_OK;

    pthread_mutex_lock(&store->map_mutex);
    store->is_map_growing = true;
    const vault_status status = map_enlarge(store, map_bytes * 2, used);
    store->is_map_growing = false;
    pthread_cond_broadcast(&store->map_changed);
    pthread_mutex_unlock(&store->map_mutex);
    return status;
}

/* Failing writes ------------------------------------------------------------------------------------------------- */

/* A write failed with @p result. When anything written was lost, no sync can be believed any more: nothing more is
 * written. Otherwise LMDB's EIO is either the disk's or a write cut short by its end. */
static vault_status write_failed(struct lmdb_store *store, int result)
{
    vault_status status = status_of(result);
    if (status != VAULT_E_DISK_FULL && status != VAULT_E_IO) return status;

    const bool is_sound = vt_files_sync(store->files) == VAULT_OK;
    if (is_sound && result == EIO && vt_files_probe_full(store->files)) status = VAULT_E_DISK_FULL;
    if (is_sound && status == VAULT_E_DISK_FULL) {
        vt_files_note_full(store->files);
        return VAULT_E_DISK_FULL;
    }
    atomic_store(&store->files->has_lost_writes, true);
    return VAULT_E_IO;
}

static vault_status write_status(struct lmdb_store *store, int result)
{
    if (result == MDB_SUCCESS || result == MDB_NOTFOUND || result == MDB_KEYEXIST) return status_of(result);
    if (result != MDB_MAP_FULL) return write_failed(store, result);
    store->is_map_outgrown = true;
    return store->is_map_at_limit ? VAULT_E_LIMIT : VAULT_E_BUSY;
}

/* Transactions --------------------------------------------------------------------------------------------------- */

/* LMDB notes a reader's transaction number first and copies that transaction's meta page after it. Two commits in between
 * put a newer meta page there: the snapshot is then newer than its number, and may be copied half. So beginning is
 * repeated while more than one commit overlapped it; one alone writes the other meta page.
 * Each turn takes a commit that ended meanwhile, so nobody spins. Every writer is this process: one lock per directory. */
static vault_status enter_snapshot(struct lmdb_store *store, MDB_txn **txn)
{
    uint64_t ended = atomic_load(&store->commits_ended);
    int result = *txn == NULL ? mdb_txn_begin(store->env, NULL, MDB_RDONLY, txn) : mdb_txn_renew(*txn);
    while (result == MDB_SUCCESS && atomic_load(&store->commits_begun) - ended > 1) {
        mdb_txn_reset(*txn);
        ended = atomic_load(&store->commits_ended);
        result = mdb_txn_renew(*txn);
    }
    return status_of(result);
}

static vault_status begin_read(struct lmdb_store *store, struct lmdb_txn *txn)
{
    VT_TRY(reader_enter(store));
    const vault_status status = enter_snapshot(store, &txn->txn);
    if (status == VAULT_OK) return VAULT_OK;
    if (txn->txn != NULL) mdb_txn_abort(txn->txn);
    reader_leave(store);
    return status;
}

static vault_status may_write(const struct lmdb_store *store, enum vt_txn_kind kind)
{
    VT_ENSURE(!atomic_load(&store->files->has_lost_writes), VAULT_E_IO);
    VT_ENSURE(kind == VT_TXN_WRITE_RESERVED || !atomic_load(&store->files->is_full), VAULT_E_DISK_FULL);
    return VAULT_OK;
}

static vault_status begin_in_gate(struct lmdb_store *store, enum vt_txn_kind kind, struct lmdb_txn *txn)
{
    VT_TRY(may_write(store, kind));
    VT_TRY(map_make_room(store));
    txn->commit_base = atomic_load(&store->commit_base);
    const int result = mdb_txn_begin(store->env, NULL, 0, &txn->txn);
    return result == MDB_SUCCESS ? VAULT_OK : write_failed(store, result);
}

static vault_status begin_write(struct lmdb_store *store, enum vt_txn_kind kind, struct lmdb_txn *txn)
{
    VT_ENSURE(!store->is_read_only, VAULT_E_READ_ONLY);
    vt_writer_gate_enter(&store->writer);
    const vault_status status = begin_in_gate(store, kind, txn);
    if (status != VAULT_OK) vt_writer_gate_leave(&store->writer);
    return status;
}

static vault_status lmdb_begin(struct vt_store *base, enum vt_txn_kind kind, struct vt_txn **out_txn)
{
    struct lmdb_store *store = lmdb_of(base);
    struct lmdb_txn *txn = vt_calloc(1, sizeof *txn);
    VT_ENSURE(txn != NULL, VAULT_E_MEMORY);
    const vault_status status = kind == VT_TXN_READ ? begin_read(store, txn) : begin_write(store, kind, txn);
    if (status != VAULT_OK) {
        free(txn);
        return status;
    }
    *out_txn = &txn->base;
    return VAULT_OK;
}

/* LMDB has ended its transaction: end ours. */
static void txn_end(struct lmdb_store *store, struct lmdb_txn *txn)
{
    if (txn->base.is_write) vt_writer_gate_leave(&store->writer);
    else if (!txn->base.is_parked) reader_leave(store);
    free(txn);
}

static void lmdb_abort(struct vt_txn *base)
{
    mdb_txn_abort(lmdb_txn_of(base)->txn);
    txn_end(lmdb_of(base->store), lmdb_txn_of(base));
}

static void grow_ahead(struct lmdb_store *store)
{
    MDB_envinfo info = {0};
    MDB_stat stat = {0};
    if (store->is_copy || mdb_env_info(store->env, &info) != 0 || mdb_env_stat(store->env, &stat) != 0) return;
    vt_files_grow_ahead(store->files, used_end(&info, &stat));
}

static vault_status lmdb_commit(struct vt_txn *base)
{
    struct lmdb_store *store = lmdb_of(base->store);
    struct lmdb_txn *txn = lmdb_txn_of(base);
    if (base->is_write) atomic_fetch_add(&store->commits_begun, 1);
    const int result = mdb_txn_commit(txn->txn);
    if (base->is_write) atomic_fetch_add(&store->commits_ended, 1);
    vault_status status = status_of(result);
    if (base->is_write) status = write_status(store, result);
    if (base->is_write && status == VAULT_OK) {
        atomic_store(&store->commit_base, txn->commit_base);
        grow_ahead(store);
    }
    txn_end(store, txn);
    return status;
}

static void lmdb_reset(struct vt_txn *base)
{
    mdb_txn_reset(lmdb_txn_of(base)->txn);
    reader_leave(lmdb_of(base->store));
}

static vault_status lmdb_renew(struct vt_txn *base)
{
    struct lmdb_store *store = lmdb_of(base->store);
    VT_TRY(reader_enter(store));
    const vault_status status = enter_snapshot(store, &lmdb_txn_of(base)->txn);
    if (status != VAULT_OK) reader_leave(store);
    return status;
}

/* Entries -------------------------------------------------------------------------------------------------------- */

static vault_status lmdb_get(struct vt_txn *base, enum vt_table table, struct vt_bytes key, struct vt_bytes *out_value)
{
    MDB_val mdb_key = val_of(key), value = {0, NULL};
    VT_TRY(status_of(mdb_get(lmdb_txn_of(base)->txn, lmdb_of(base->store)->tables[table], &mdb_key, &value)));
    *out_value = bytes_of(value);
    return VAULT_OK;
}

static vault_status lmdb_put(struct vt_txn *base, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                             enum vt_put_flags flags)
{
    struct lmdb_store *store = lmdb_of(base->store);
    const bool is_append = (flags & VT_PUT_APPEND) != 0;
    const unsigned mdb_flags = is_append ? MDB_APPEND : (flags & VT_PUT_NEW) != 0 ? MDB_NOOVERWRITE : 0;
    MDB_val mdb_key = val_of(key), mdb_value = val_of(value);
    const int result = mdb_put(lmdb_txn_of(base)->txn, store->tables[table], &mdb_key, &mdb_value, mdb_flags);
    if (result == MDB_KEYEXIST) return is_append ? VAULT_E_ARGUMENT : VAULT_E_EXISTS;
    return write_status(store, result);
}

static vault_status lmdb_del(struct vt_txn *base, enum vt_table table, struct vt_bytes key)
{
    struct lmdb_store *store = lmdb_of(base->store);
    MDB_val mdb_key = val_of(key);
    return write_status(store, mdb_del(lmdb_txn_of(base)->txn, store->tables[table], &mdb_key, NULL));
}

static vault_status lmdb_cursor_open(struct vt_txn *base, enum vt_table table, struct vt_cursor **out_cursor)
{
    struct lmdb_cursor *cursor = vt_calloc(1, sizeof *cursor);
    VT_ENSURE(cursor != NULL, VAULT_E_MEMORY);
    const MDB_dbi dbi = lmdb_of(base->store)->tables[table];
    const vault_status status = status_of(mdb_cursor_open(lmdb_txn_of(base)->txn, dbi, &cursor->cursor));
    if (status != VAULT_OK) {
        free(cursor);
        return status;
    }
    *out_cursor = &cursor->base;
    return VAULT_OK;
}

static vault_status cursor_get(struct vt_cursor *base, struct vt_bytes from, MDB_cursor_op op, struct vt_bytes *out_key,
                               struct vt_bytes *out_value)
{
    MDB_val key = val_of(from), value = {0, NULL};
    VT_TRY(status_of(mdb_cursor_get(lmdb_cursor_of(base)->cursor, &key, &value, op)));
    *out_key = bytes_of(key);
    *out_value = bytes_of(value);
    return VAULT_OK;
}

static vault_status lmdb_cursor_seek(struct vt_cursor *base, struct vt_bytes from, struct vt_bytes *out_key,
                                     struct vt_bytes *out_value)
{
    return cursor_get(base, from, from.len == 0 ? MDB_FIRST : MDB_SET_RANGE, out_key, out_value);
}

static vault_status lmdb_cursor_next(struct vt_cursor *base, struct vt_bytes *out_key, struct vt_bytes *out_value)
{
    return cursor_get(base, VT_BYTES_EMPTY, MDB_NEXT, out_key, out_value);
}

static vault_status lmdb_cursor_last(struct vt_cursor *base, const struct vt_bytes *before, struct vt_bytes *out_key,
                                     struct vt_bytes *out_value)
{
    if (before == NULL) return cursor_get(base, VT_BYTES_EMPTY, MDB_LAST, out_key, out_value);

    const vault_status status = lmdb_cursor_seek(base, *before, out_key, out_value);
    if (status == VAULT_E_NOT_FOUND) return cursor_get(base, VT_BYTES_EMPTY, MDB_LAST, out_key, out_value);
    VT_TRY(status);
    return cursor_get(base, VT_BYTES_EMPTY, MDB_PREV, out_key, out_value);
}

static void lmdb_cursor_free(struct vt_cursor *base)
{
    mdb_cursor_close(lmdb_cursor_of(base)->cursor);
    free(lmdb_cursor_of(base));
}

/* The store ------------------------------------------------------------------------------------------------------ */

/* Sums the page lists in LMDB's own table of free pages: transaction id -> count, page numbers. */
static vault_status count_free_pages(MDB_txn *txn, uint64_t *out_count)
{
    const MDB_dbi free_pages = 0;
    MDB_cursor *cursor = NULL;
    VT_TRY(status_of(mdb_cursor_open(txn, free_pages, &cursor)));
    uint64_t count = 0;
    MDB_val key = {0, NULL}, list = {0, NULL};
    int result = 0;
    while ((result = mdb_cursor_get(cursor, &key, &list, MDB_NEXT)) == MDB_SUCCESS) {
        size_t listed = 0;
        if (list.mv_size >= sizeof listed) memcpy(&listed, list.mv_data, sizeof listed);
        count += listed;
    }
    mdb_cursor_close(cursor);
    VT_ENSURE(result == MDB_NOTFOUND, status_of(result));
    *out_count = count;
    return VAULT_OK;
}

struct reader_scan {
    uint64_t oldest;
};

/* LMDB tells of its readers in text only: "pid thread txnid", the last "-" for one that holds no snapshot. */
static int scan_reader(const char *line, void *context)
{
    struct reader_scan *scan = context;
    unsigned long long id = 0;
    if (sscanf(line, "%*d %*x %llu", &id) == 1) scan->oldest = VT_MIN(scan->oldest, (uint64_t)id);
    return 0;
}

static vault_status read_stats(struct lmdb_store *store, struct lmdb_txn *txn, struct vt_store_stats *out_stats)
{
    struct vt_store_stats stats = {.is_full = atomic_load(&store->files->is_full)};
    MDB_envinfo info = {0};
    MDB_stat stat = {0};
    uint64_t free_pages = 0;
    VT_TRY(status_of(mdb_env_info(store->env, &info)));
    VT_TRY(count_free_pages(txn->txn, &free_pages));
    for (size_t i = 0; i < VT_TABLE_COUNT; i++) {
        VT_TRY(status_of(mdb_stat(txn->txn, store->tables[i], &stat)));
        stats.entries[i] = stat.ms_entries;
    }
    struct reader_scan scan = {info.me_last_txnid};
    VT_ENSURE(mdb_reader_list(store->env, scan_reader, &scan) >= 0, VAULT_E_IO);
    VT_TRY(vt_files_data_size(store->files, &stats.file_bytes));

    stats.used_bytes = used_end(&info, &stat) - VT_MIN(used_end(&info, &stat), free_pages * stat.ms_psize);
    stats.map_bytes = info.me_mapsize;
    stats.oldest_reader_lag = info.me_last_txnid - scan.oldest;
    *out_stats = stats;
    return VAULT_OK;
}

static bool lmdb_is_full(struct vt_store *base)
{
    return atomic_load(&lmdb_of(base)->files->is_full);
}

static vault_status lmdb_stats(struct vt_store *base, struct vt_store_stats *out_stats)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(base, &txn));
    return read_stats(lmdb_of(base), lmdb_txn_of(txn), out_stats);
}

/* LMDB keeps the last two states only. Commits that pass between the snapshot and the look at it: once more. */
static vault_status lmdb_check(struct vt_store *base, struct vt_store_check *out_check)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(base, &txn));
    vault_status status = VAULT_E_BUSY;
    for (int i = 0; i < CHECK_TRIES && status == VAULT_E_BUSY; i++) {
        vt_txn_reset(txn);
        VT_TRY(vt_txn_renew(txn));
        status = vt_pages_check(lmdb_of(base)->files->probe_fd, mdb_txn_id(lmdb_txn_of(txn)->txn), out_check);
    }
    return status;
}

static uint64_t lmdb_commit_number(struct vt_txn *base)
{
    const struct lmdb_txn *txn = lmdb_txn_of(base);
    const uint64_t commit_base = base->is_write ? txn->commit_base : atomic_load(&lmdb_of(base->store)->commit_base);
    return commit_base + mdb_txn_id(txn->txn);
}

static vault_status put_own(struct lmdb_store *store, MDB_txn *txn, const char *name, struct vt_bytes value)
{
    MDB_val key = val_of(vt_bytes_str(name)), mdb_value = val_of(value);
    return write_status(store, mdb_put(txn, store->own, &key, &mdb_value, 0));
}

/* The base may be "negative": a young store's copy can take more transactions to write than the store ever had. */
static vault_status lmdb_raise_commit_number(struct vt_txn *base, uint64_t number)
{
    struct lmdb_txn *txn = lmdb_txn_of(base);
    const uint64_t commit_base = number - mdb_txn_id(txn->txn);
    uint8_t stored[8];
    vt_put_u64(stored, commit_base);
    VT_TRY(put_own(lmdb_of(base->store), txn->txn, COMMIT_BASE_KEY, VT_BYTES_OF(stored)));
    txn->commit_base = commit_base;
    return VAULT_OK;
}

static vault_status put_format(struct lmdb_store *store, MDB_txn *txn)
{
    uint8_t stored[4];
    vt_put_u32(stored, VT_STORE_FORMAT);
    return put_own(store, txn, FORMAT_KEY, VT_BYTES_OF(stored));
}

VT_RESULT vt_store_lmdb_seal_copy(struct vt_txn *txn, uint64_t commit_number)
{
    VT_BUG_ON(!lmdb_of(txn->store)->is_copy);
    VT_TRY(lmdb_raise_commit_number(txn, commit_number));
    return put_format(lmdb_of(txn->store), lmdb_txn_of(txn)->txn);
}

static vault_status lmdb_recover_space(struct vt_store *base)
{
    VT_ENSURE(!atomic_load(&lmdb_of(base)->files->has_lost_writes), VAULT_E_IO);
    return vt_files_recover_space(lmdb_of(base)->files);
}

static void lmdb_close(struct vt_store *base)
{
    struct lmdb_store *store = lmdb_of(base);
    VT_BUG_ON(store->reader_count != 0);
    if (store->env != NULL) mdb_env_close(store->env);
    vt_files_close(store->files);
    pthread_cond_destroy(&store->map_changed);
    pthread_mutex_destroy(&store->map_mutex);
    vt_writer_gate_release(&store->writer);
    free(store);
}

static const struct vt_store_ops lmdb_ops = {
    .close = lmdb_close,
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .reset = lmdb_reset,
    .renew = lmdb_renew,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_del,
    .cursor_open = lmdb_cursor_open,
    .cursor_seek = lmdb_cursor_seek,
    .cursor_next = lmdb_cursor_next,
    .cursor_last = lmdb_cursor_last,
    .cursor_free = lmdb_cursor_free,
    .copy = vt_store_copy_rows,
    .stats = lmdb_stats,
    .is_full = lmdb_is_full,
    .check = lmdb_check,
    .commit_number = lmdb_commit_number,
    .raise_commit_number = lmdb_raise_commit_number,
    .recover_space = lmdb_recover_space,
};

/* Opening -------------------------------------------------------------------------------------------------------- */

/* A damaged meta page may ask for a map that nobody has room for: that is no lack of memory. */
static vault_status why_no_map(struct lmdb_store *store)
{
    VT_TRY(vt_files_open_data(store->files));
    VT_TRY(vt_pages_check_size(store->files->probe_fd));
    return VAULT_E_MEMORY;
}

static vault_status env_open(struct lmdb_store *store, const char *dir, uint64_t map_bytes)
{
    const unsigned flags = MDB_NOTLS | (store->is_read_only ? MDB_RDONLY : 0);
    unsigned kept = 0;
    int dead_readers = 0;
    VT_TRY(status_of(mdb_env_create(&store->env)));
    VT_TRY(status_of(mdb_env_set_maxdbs(store->env, VT_TABLE_COUNT + 1)));
    VT_TRY(status_of(mdb_env_set_maxreaders(store->env, VT_STORE_READERS_MAX)));
    VT_TRY(status_of(mdb_env_set_mapsize(store->env, (size_t)map_bytes)));
    VT_TRY(vt_files_reserve_readers(store->files, READERS_BYTES));
    const int opened = mdb_env_open(store->env, dir, flags, 0600);
    const bool has_no_map = opened == ENOMEM || opened == EINVAL || opened == EOVERFLOW;
    VT_TRY(has_no_map ? why_no_map(store) : status_of(opened));
    VT_TRY(status_of(mdb_env_get_flags(store->env, &kept)));
    VT_ENSURE((kept & FLAGS_REFUSED) == 0 && (kept & MDB_NOTLS) != 0, VAULT_E_UNSUPPORTED);
    return status_of(mdb_reader_check(store->env, &dead_readers));
}

/* LMDB reads its map without asking how long the file is, and dies of SIGBUS behind its end. A file may be too short
 * for its last page and sound, when that page was freed before it was ever written: so a short file is walked, and so
 * is a small one, since it costs nothing. */
static vault_status check_pages(const struct lmdb_store *store)
{
    MDB_envinfo info = {0};
    MDB_stat stat = {0};
    uint64_t bytes = 0;
    VT_TRY(status_of(mdb_env_info(store->env, &info)));
    VT_TRY(status_of(mdb_env_stat(store->env, &stat)));
    VT_TRY(vt_files_data_size(store->files, &bytes));
    if (bytes > CHECK_AT_OPEN_BYTES && bytes >= used_end(&info, &stat)) return VAULT_OK;

    struct vt_store_check check = {0};
    VT_TRY(vt_pages_check(store->files->probe_fd, 0, &check));
    return check.damaged_pages == 0 ? VAULT_OK : VAULT_E_CORRUPT;
}

static vault_status open_tables(struct lmdb_store *store, MDB_txn *txn, unsigned flags)
{
    for (size_t i = 0; i < VT_TABLE_COUNT; i++) {
        VT_TRY(status_of(mdb_dbi_open(txn, TABLE_NAMES[i], flags, &store->tables[i])));
    }
    return status_of(mdb_dbi_open(txn, OWN_TABLE, flags, &store->own));
}

static vault_status create_tables(struct lmdb_store *store, MDB_txn *txn)
{
    VT_TRY(open_tables(store, txn, MDB_CREATE));
    return store->is_copy ? VAULT_OK : put_format(store, txn);
}

static vault_status create(struct lmdb_store *store)
{
    MDB_txn *txn = NULL;
    VT_TRY(status_of(mdb_txn_begin(store->env, NULL, 0, &txn)));
    const vault_status status = create_tables(store, txn);
    if (status == VAULT_OK) {
        const int result = mdb_txn_commit(txn);
        return result == MDB_SUCCESS ? VAULT_OK : write_failed(store, result);
    }
    mdb_txn_abort(txn);
    return status;
}

static vault_status get_own(const struct lmdb_store *store, MDB_txn *txn, const char *name, MDB_val *out_value)
{
    MDB_val key = val_of(vt_bytes_str(name));
    return status_of(mdb_get(txn, store->own, &key, out_value));
}

static vault_status read_own(struct lmdb_store *store, MDB_txn *txn)
{
    MDB_val format = {0, NULL}, commit_base = {0, NULL};
    VT_TRY(get_own(store, txn, FORMAT_KEY, &format));
    VT_ENSURE(format.mv_size == 4, VAULT_E_CORRUPT);
    VT_ENSURE(vt_get_u32(format.mv_data) == VT_STORE_FORMAT, VAULT_E_FORMAT);

    const vault_status status = get_own(store, txn, COMMIT_BASE_KEY, &commit_base);
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;       /* never raised, and no copy: 0 */
    VT_TRY(status);
    VT_ENSURE(commit_base.mv_size == 8, VAULT_E_CORRUPT);
    atomic_store(&store->commit_base, vt_get_u64(commit_base.mv_data));
    return VAULT_OK;
}

/* The format first: a newer one may have other tables. */
static vault_status read_tables(struct lmdb_store *store, MDB_txn *txn)
{
    VT_TRY(status_of(mdb_dbi_open(txn, OWN_TABLE, 0, &store->own)));
    VT_TRY(read_own(store, txn));
    return open_tables(store, txn, 0);
}

/* Handles opened in a transaction stay when it commits. What must be there and is not: damaged, or not ours. */
static vault_status open_existing(struct lmdb_store *store)
{
    MDB_txn *txn = NULL;
    VT_TRY(status_of(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn)));
    const vault_status status = read_tables(store, txn);
    if (status == VAULT_OK) return status_of(mdb_txn_commit(txn));
    mdb_txn_abort(txn);
    return status == VAULT_E_NOT_FOUND ? VAULT_E_CORRUPT : status;
}

/* Nothing was ever committed: new, or its maker died before the first commit. */
static vault_status is_blank(const struct lmdb_store *store, bool *out_is_blank)
{
    MDB_envinfo info = {0};
    VT_TRY(status_of(mdb_env_info(store->env, &info)));
    *out_is_blank = info.me_last_txnid == 0;
    return VAULT_OK;
}

static vault_status open_in(struct lmdb_store *store, const char *dir, const struct vt_store_lmdb_options *options)
{
    bool is_new = false;
    VT_TRY(vt_files_open(dir, options, &store->files));
    VT_TRY(env_open(store, dir, options->map_bytes != 0 ? options->map_bytes : map_reservation()));
    VT_TRY(vt_files_open_data(store->files));
    VT_TRY(is_blank(store, &is_new));
    if (is_new) {
        VT_ENSURE(!options->must_exist && !options->is_read_only, VAULT_E_NOT_INITIALISED);
        VT_TRY(create(store));
    } else {
        VT_TRY(check_pages(store));
        VT_TRY(open_existing(store));
    }
    return vt_files_make_ready(store->files);
}

static vault_status lmdb_new(struct lmdb_store **out_store)
{
    struct lmdb_store *store = vt_calloc(1, sizeof *store);
    VT_ENSURE(store != NULL, VAULT_E_MEMORY);
    store->base.ops = &lmdb_ops;
    if (vt_writer_gate_init(&store->writer) != VAULT_OK) {
        free(store);
        return VAULT_E_MEMORY;
    }
    pthread_mutex_init(&store->map_mutex, NULL);    /* cannot fail with default attributes on Linux */
    pthread_cond_init(&store->map_changed, NULL);
    *out_store = store;
    return VAULT_OK;
}

static vault_status lmdb_open(const char *dir, const struct vt_store_lmdb_options *options, bool is_copy,
                              struct vt_store **out_store)
{
    struct lmdb_store *store = NULL;
    VT_TRY(lmdb_new(&store));
    store->is_read_only = options->is_read_only;
    store->is_copy = is_copy;
    const vault_status status = open_in(store, dir, options);
    if (status != VAULT_OK) {
        lmdb_close(&store->base);
        return status;
    }
    *out_store = &store->base;
    return VAULT_OK;
}

VT_RESULT vt_store_lmdb_open(const char *dir, const struct vt_store_lmdb_options *options, struct vt_store **out_store)
{
    return lmdb_open(dir, options, false, out_store);
}

VT_RESULT vt_store_lmdb_open_copy(const char *dir, struct vt_store **out_store)
{
    const struct vt_store_lmdb_options options = {0};
    return lmdb_open(dir, &options, true, out_store);
}
