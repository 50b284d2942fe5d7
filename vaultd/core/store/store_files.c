#include "vaultd/core/store/store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "libvault/base/fault.h"

static const char DATA_NAME[] = "data.mdb";
static const char LOCK_NAME[] = "vault.lock";
static const char READERS_NAME[] = "lock.mdb";
static const char BALLAST_NAME[] = "ballast";
static const char BALLAST_NEW_NAME[] = "ballast.new";

static vault_status status_of_errno(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return VAULT_E_DISK_FULL;
    case ENOMEM: return VAULT_E_MEMORY;
    default: return VAULT_E_IO;
    }
}

static vault_status write_all(int fd, const uint8_t *data, size_t len)
{
    while (len != 0) {
        const ssize_t written = write(fd, data, len);
        if (written < 0 && errno == EINTR) continue;
        VT_ENSURE(written >= 0, status_of_errno(errno));
        data += written;
        len -= (size_t)written;
    }
    return VAULT_OK;
}

/* Directory and lock --------------------------------------------------------------------------------------------- */

static void close_fd(int fd)
{
    if (fd >= 0) close(fd);
}

/* The entry of a new directory is durable only once its parent is synced. */
static vault_status sync_parent(int dir_fd)
{
    const int parent_fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    VT_ENSURE(parent_fd >= 0, VAULT_E_IO);
    const int failure = fsync(parent_fd);
    close(parent_fd);
    return failure == 0 ? VAULT_OK : VAULT_E_IO;
}

static vault_status open_dir(struct vt_store_files *files, const char *dir, const struct vt_store_lmdb_options *options)
{
    const bool may_create = !options->must_exist && !options->is_read_only;
    const bool is_made = may_create && mkdir(dir, 0700) == 0;
    VT_ENSURE(is_made || !may_create || errno == EEXIST, status_of_errno(errno));

    files->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    VT_ENSURE(files->dir_fd >= 0, errno == ENOENT && !may_create ? VAULT_E_NOT_INITIALISED : VAULT_E_IO);
    return is_made ? sync_parent(files->dir_fd) : VAULT_OK;
}

/* Readers of a read-only store share the lock; on a read-only medium there is nobody to lock out. flock() rather than
 * fcntl(): the latter would be let go by any close of the file in this process, and not hold within it. */
static vault_status take_lock(struct vt_store_files *files, bool is_read_only)
{
    files->lock_fd = openat(files->dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (files->lock_fd < 0 && errno == EROFS && is_read_only) return VAULT_OK;
    VT_ENSURE(files->lock_fd >= 0, status_of_errno(errno));
    if (flock(files->lock_fd, (is_read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return VAULT_OK;
    return errno == EWOULDBLOCK ? VAULT_E_LOCKED : VAULT_E_IO;
}

VT_RESULT vt_files_data_size(const struct vt_store_files *files, uint64_t *out_bytes)
{
    struct stat info = {0};
    if (fstatat(files->dir_fd, DATA_NAME, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        VT_ENSURE(errno == ENOENT, VAULT_E_IO);
        *out_bytes = 0;
        return VAULT_OK;
    }
    VT_ENSURE(S_ISREG(info.st_mode), VAULT_E_CORRUPT);
    *out_bytes = (uint64_t)info.st_size;
    return VAULT_OK;
}

bool vt_store_lmdb_is_absent(const char *dir)
{
    struct stat info;
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    const bool is_found = fstatat(fd, DATA_NAME, &info, AT_SYMLINK_NOFOLLOW) == 0;
    const bool is_absent = is_found ? S_ISREG(info.st_mode) && info.st_size == 0 : errno == ENOENT;
    close(fd);
    return is_absent;
}

/* Nothing is created where a store must be but is not. */
static vault_status require_data(const struct vt_store_files *files, const struct vt_store_lmdb_options *options)
{
    uint64_t bytes = 0;
    VT_TRY(vt_files_data_size(files, &bytes));
    VT_ENSURE(bytes != 0 || !(options->must_exist || options->is_read_only), VAULT_E_NOT_INITIALISED);
    return VAULT_OK;
}

static vault_status files_init(struct vt_store_files *files)
{
    files->dir_fd = files->lock_fd = files->append_fd = files->probe_fd = -1;
    VT_ENSURE(pthread_mutex_init(&files->space_mutex, NULL) == 0, VAULT_E_MEMORY);
    VT_ENSURE(pthread_mutex_init(&files->grow_mutex, NULL) == 0, VAULT_E_MEMORY);
    VT_ENSURE(pthread_cond_init(&files->grow_wake, NULL) == 0, VAULT_E_MEMORY);
    return VAULT_OK;
}

static vault_status find_and_lock(struct vt_store_files *files, const char *dir,
                                  const struct vt_store_lmdb_options *options)
{
    VT_TRY(open_dir(files, dir, options));
    VT_TRY(require_data(files, options));
    return take_lock(files, options->is_read_only);
}

VT_RESULT vt_files_open(const char *dir, const struct vt_store_lmdb_options *options, struct vt_store_files **out_files)
{
    struct vt_store_files *files = vt_calloc(1, sizeof *files);
    VT_ENSURE(files != NULL, VAULT_E_MEMORY);
    if (files_init(files) != VAULT_OK) {
        free(files);
        return VAULT_E_MEMORY;
    }
    files->is_read_only = options->is_read_only;
    files->ballast_bytes = options->ballast_bytes;
    const vault_status status = find_and_lock(files, dir, options);
    if (status != VAULT_OK) {
        vt_files_close(files);
        return status;
    }
    *out_files = files;
    return VAULT_OK;
}

/* Ballast -------------------------------------------------------------------------------------------------------- */

static bool has_room(const struct vt_store_files *files, uint64_t bytes)
{
    struct statvfs info = {0};
    return fstatvfs(files->dir_fd, &info) == 0 && (uint64_t)info.f_bavail * info.f_frsize >= bytes;
}

/* Bytes that no file system can compress or share: zeroes would take no room on some. No secret, only noise. */
static void fill_with_noise(uint64_t *words, size_t count, uint64_t *state)
{
    for (size_t i = 0; i < count; i++) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        words[i] = *state;
    }
}

static vault_status write_noise(int fd, uint64_t bytes)
{
    uint64_t words[8192], state = 0;
    VT_ENSURE(getrandom(&state, sizeof state, 0) == sizeof state, VAULT_E_IO);
    state |= 1;
    while (bytes != 0) {
        const size_t part = (size_t)VT_MIN(bytes, (uint64_t)sizeof words);
        fill_with_noise(words, VT_ARRAY_LEN(words), &state);
        VT_TRY(write_all(fd, (const uint8_t *)words, part));
        bytes -= part;
    }
    return fsync(fd) == 0 ? VAULT_OK : status_of_errno(errno);
}

static bool has_ballast(const struct vt_store_files *files)
{
    struct stat info = {0};
    return fstatat(files->dir_fd, BALLAST_NAME, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           (uint64_t)info.st_size >= files->ballast_bytes;
}

/* Written under another name first, so that a ballast is whole whenever it is there. */
static vault_status build_ballast(struct vt_store_files *files)
{
    const int fd =
        openat(files->dir_fd, BALLAST_NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    VT_ENSURE(fd >= 0, status_of_errno(errno));
    vault_status status = write_noise(fd, files->ballast_bytes);
    close(fd);
    if (status == VAULT_OK && renameat(files->dir_fd, BALLAST_NEW_NAME, files->dir_fd, BALLAST_NAME) != 0) {
        status = status_of_errno(errno);
    }
    if (status != VAULT_OK) unlinkat(files->dir_fd, BALLAST_NEW_NAME, 0);
    return status;
}

static vault_status make_room(struct vt_store_files *files)
{
    if (files->ballast_bytes == 0) return has_room(files, VT_SPACE_MARGIN) ? VAULT_OK : VAULT_E_DISK_FULL;
    if (has_ballast(files)) return VAULT_OK;
    VT_ENSURE(has_room(files, files->ballast_bytes + VT_SPACE_MARGIN), VAULT_E_DISK_FULL);
    return build_ballast(files);
}

VT_RESULT vt_files_recover_space(struct vt_store_files *files)
{
    if (!atomic_load(&files->is_full)) return VAULT_OK;
    pthread_mutex_lock(&files->space_mutex);
    const vault_status status = make_room(files);
    if (status == VAULT_OK) atomic_store(&files->is_full, false);
    pthread_mutex_unlock(&files->space_mutex);
    return status;
}

void vt_files_note_full(struct vt_store_files *files)
{
    pthread_mutex_lock(&files->space_mutex);
    atomic_store(&files->is_full, true);
    unlinkat(files->dir_fd, BALLAST_NAME, 0);   /* absent the second time: nothing left to drop */
    pthread_mutex_unlock(&files->space_mutex);
}

/* The data file -------------------------------------------------------------------------------------------------- */

/* LMDB makes the file longer and leaves a hole; the length is its own business, so only blocks are asked for. A file system
 * that cannot give them ahead, or is read-only, is none that this could help on: LMDB says what is wrong then. */
VT_RESULT vt_files_reserve_readers(const struct vt_store_files *files, uint64_t bytes)
{
    const int fd = openat(files->dir_fd, READERS_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return status_of_errno(errno) == VAULT_E_DISK_FULL ? VAULT_E_DISK_FULL : VAULT_OK;
    int failure = 0;
    do failure = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) == 0 ? 0 : errno;
    while (failure == EINTR);
    close(fd);
    return failure != 0 && status_of_errno(failure) == VAULT_E_DISK_FULL ? VAULT_E_DISK_FULL : VAULT_OK;
}

VT_RESULT vt_files_open_data(struct vt_store_files *files)
{
    files->probe_fd = openat(files->dir_fd, DATA_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    VT_ENSURE(files->probe_fd >= 0, VAULT_E_IO);
    if (files->is_read_only) return VAULT_OK;
    files->append_fd = openat(files->dir_fd, DATA_NAME, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    return files->append_fd >= 0 ? VAULT_OK : VAULT_E_IO;
}

VT_RESULT vt_files_make_ready(struct vt_store_files *files)
{
    if (files->is_read_only) return VAULT_OK;
    VT_ENSURE(fsync(files->dir_fd) == 0, VAULT_E_IO);

    /* A vault on a full disk still opens: reads and shreds are what it is opened for. */
    const vault_status status = make_room(files);
    if (status == VAULT_E_DISK_FULL) atomic_store(&files->is_full, true);
    return status == VAULT_E_DISK_FULL ? VAULT_OK : status;
}

VT_RESULT vt_files_sync(struct vt_store_files *files)
{
    if (fdatasync(files->probe_fd) != 0) atomic_store(&files->has_lost_writes, true);
    return atomic_load(&files->has_lost_writes) ? VAULT_E_IO : VAULT_OK;
}

bool vt_files_probe_full(struct vt_store_files *files)
{
    static const uint8_t zeroes[65536];
    return write_all(files->append_fd, zeroes, sizeof zeroes) == VAULT_E_DISK_FULL;
}

/* One step: append zeroes, each chunk synced on its own. Stops before it would take the room that others need. */
static void grow_to(struct vt_store_files *files, uint64_t goal)
{
    static const uint8_t zeroes[VT_GROW_CHUNK];
    uint64_t size = 0;
    while (!atomic_load(&files->is_closing) && vt_files_data_size(files, &size) == VAULT_OK && size < goal) {
        if (!has_room(files, files->ballast_bytes + 2 * (uint64_t)VT_GROW_STEP)) return;
        if (write_all(files->append_fd, zeroes, sizeof zeroes) != VAULT_OK) return;
        if (fdatasync(files->append_fd) != 0) {
            atomic_store(&files->has_lost_writes, true);    /* pages of LMDB's may be among them */
            return;
        }
    }
}

static void *grow_run(void *context)
{
    struct vt_store_files *files = context;
    uint64_t done = 0;
    pthread_mutex_lock(&files->grow_mutex);
    while (!atomic_load(&files->is_closing)) {
        const uint64_t goal = files->grow_to;
        if (goal <= done) {
            pthread_cond_wait(&files->grow_wake, &files->grow_mutex);
            continue;
        }
        pthread_mutex_unlock(&files->grow_mutex);
        grow_to(files, goal);
        done = goal;
        pthread_mutex_lock(&files->grow_mutex);
    }
    pthread_mutex_unlock(&files->grow_mutex);
    return NULL;
}

/* Signals are the main thread's business. Without a thread commits are slower, nothing else. */
static bool start_grow_thread(struct vt_store_files *files)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    const int failure = pthread_create(&files->grow_thread, NULL, grow_run, files);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failure == 0;
}

void vt_files_grow_ahead(struct vt_store_files *files, uint64_t used_end)
{
    uint64_t size = 0;
    if (used_end < VT_GROW_FROM || vt_files_data_size(files, &size) != VAULT_OK) return;
    if (size >= used_end + VT_GROW_AHEAD_MIN) return;

    pthread_mutex_lock(&files->grow_mutex);
    if (!files->has_grow_thread) files->has_grow_thread = start_grow_thread(files);
    /* A step that found no room is tried again when the next one is due, not at every commit. */
    files->grow_to = VT_MAX(files->grow_to, ((used_end + VT_GROW_AHEAD_MIN) / VT_GROW_STEP + 1) * VT_GROW_STEP);
    pthread_cond_signal(&files->grow_wake);
    pthread_mutex_unlock(&files->grow_mutex);
}

static void stop_grow_thread(struct vt_store_files *files)
{
    pthread_mutex_lock(&files->grow_mutex);
    atomic_store(&files->is_closing, true);
    pthread_cond_signal(&files->grow_wake);
    pthread_mutex_unlock(&files->grow_mutex);
    if (files->has_grow_thread) pthread_join(files->grow_thread, NULL);
}

void vt_files_close(struct vt_store_files *files)
{
    if (files == NULL) return;
    stop_grow_thread(files);
    if (atomic_load(&files->has_lost_writes)) posix_fadvise(files->probe_fd, 0, 0, POSIX_FADV_DONTNEED);
    close_fd(files->append_fd);
    close_fd(files->probe_fd);
    close_fd(files->lock_fd);       /* lets go of the lock, last */
    close_fd(files->dir_fd);
    pthread_cond_destroy(&files->grow_wake);
    pthread_mutex_destroy(&files->grow_mutex);
    pthread_mutex_destroy(&files->space_mutex);
    free(files);
}
