#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vaultd/core/store/store_internal.h"

enum {
    COPY_BATCH_BYTES = 32 * 1024 * 1024,    /* one commit of the copy: bounds its dirty pages */
    COPY_REPORT_ENTRIES = 1024              /* between two calls of progress */
};

struct copy {
    struct vt_txn *from;
    struct vt_store *to;
    struct vt_txn *write;       /* owned; NULL between two batches */
    vt_store_progress progress;
    void *context;
    size_t batch_bytes;
    uint64_t done_entries;
    uint64_t total_entries;
    uint64_t total_bytes;
};

/* The directory ---------------------------------------------------------------------------------------------------- */

static vault_status require_empty(const char *path)
{
    DIR *dir = opendir(path);
    VT_ENSURE(dir != NULL, VAULT_E_IO);
    bool is_empty = true;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) is_empty = false;
    }
    closedir(dir);
    return is_empty ? VAULT_OK : VAULT_E_EXISTS;
}

static vault_status make_dir(const char *path, bool *out_is_made)
{
    const bool is_made = mkdir(path, 0700) == 0;
    if (!is_made) {
        VT_ENSURE(errno == EEXIST, errno == ENOSPC || errno == EDQUOT ? VAULT_E_DISK_FULL : VAULT_E_IO);
        VT_TRY(require_empty(path));
    }
    *out_is_made = is_made;
    return VAULT_OK;
}

/* A copy needs no lock files: whoever opens it makes new ones. */
static vault_status tidy(const char *path, bool is_kept)
{
    const int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    VT_ENSURE(dir_fd >= 0, VAULT_E_IO);
    unlinkat(dir_fd, "lock.mdb", 0);
    unlinkat(dir_fd, "vault.lock", 0);
    if (!is_kept) unlinkat(dir_fd, "data.mdb", 0);
    const int failure = fsync(dir_fd);
    close(dir_fd);
    return failure == 0 ? VAULT_OK : VAULT_E_IO;
}

/* The rows --------------------------------------------------------------------------------------------------------- */

static uint64_t done_bytes(const struct copy *copy)
{
    const uint64_t done = VT_MIN(copy->done_entries, copy->total_entries);
    if (copy->total_entries == 0 || done == copy->total_entries) return copy->total_bytes;
    return (uint64_t)((double)copy->total_bytes * (double)done / (double)copy->total_entries);
}

static vault_status report(const struct copy *copy)
{
    if (copy->progress == NULL) return VAULT_OK;
    return copy->progress(copy->context, done_bytes(copy), copy->total_bytes) ? VAULT_OK : VAULT_E_CANCELLED;
}

static vault_status end_batch(struct copy *copy)
{
    copy->batch_bytes = 0;
    return vt_txn_commit(VT_MOVE(copy->write));
}

static vault_status copy_row(struct copy *copy, enum vt_table table, struct vt_bytes key, struct vt_bytes value)
{
    if (copy->batch_bytes >= COPY_BATCH_BYTES) VT_TRY(end_batch(copy));
    if (copy->write == NULL) VT_TRY(vt_txn_begin_write(copy->to, &copy->write));
    VT_TRY(vt_store_put(copy->write, table, key, value, VT_PUT_APPEND));
    copy->batch_bytes += key.len + value.len;
    copy->done_entries++;
    return copy->done_entries % COPY_REPORT_ENTRIES == 0 ? report(copy) : VAULT_OK;
}

static vault_status copy_table(struct copy *copy, enum vt_table table)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(copy->from, table, &cursor));
    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    vault_status status = VAULT_OK;
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        /* Out of order: the tree it was read from is damaged. */
        status = copy_row(copy, table, key, value);
        VT_ENSURE(status != VAULT_E_ARGUMENT, VAULT_E_CORRUPT);
        VT_TRY(status);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static vault_status copy_tables(struct copy *copy)
{
    VT_TRY(report(copy));
    for (int table = 0; table < VT_TABLE_COUNT; table++) VT_TRY(copy_table(copy, (enum vt_table)table));
    if (copy->write == NULL) VT_TRY(vt_txn_begin_write(copy->to, &copy->write));
    VT_TRY(vt_store_lmdb_seal_copy(copy->write, vt_store_commit_number(copy->from)));
    VT_TRY(end_batch(copy));
    copy->done_entries = copy->total_entries;
    return report(copy);
}

static vault_status copy_into(struct vt_store *store, const char *to_dir, struct copy *copy)
{
    struct vt_store_stats stats = {0};
    VT_TRY(vt_store_stats(store, &stats));
    for (size_t i = 0; i < VT_TABLE_COUNT; i++) copy->total_entries += stats.entries[i];
    copy->total_bytes = stats.used_bytes;

    VT_AUTO_PTR(vt_txn) from = NULL;
    VT_AUTO_PTR(vt_store) to = NULL;
    VT_TRY(vt_txn_begin_read(store, &from));
    VT_TRY(vt_store_lmdb_open_copy(to_dir, &to));
    copy->from = from;
    copy->to = to;
    const vault_status status = copy_tables(copy);
    vt_txn_abort(VT_MOVE(copy->write));
    return status;
}

vault_status vt_store_copy_rows(struct vt_store *store, const char *to_dir, vt_store_progress progress, void *context)
{
    bool is_made = false;
    VT_TRY(make_dir(to_dir, &is_made));
    struct copy copy = {.progress = progress, .context = context};
    const vault_status status = copy_into(store, to_dir, &copy);
    const vault_status tidied = tidy(to_dir, status == VAULT_OK);
    if (status != VAULT_OK && is_made) rmdir(to_dir);
    return status != VAULT_OK ? status : tidied;
}
