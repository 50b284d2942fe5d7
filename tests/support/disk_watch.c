#include "tests/support/disk_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
enum { DESCRIPTORS_MAX = 1024, FOLDERS_MAX = 64 };

struct folder {
    dev_t device;
    ino_t inode;
};

static bool is_dirty[DESCRIPTORS_MAX];
static struct folder folders[FOLDERS_MAX];      /* in which a name was made, and not synced since */
static size_t folder_count;
static bool has_more_folders;                   /* than there is room for: never all synced */
static bool has_written;
static int sync_error;

void disk_watch_begin(void)
{
    memset(is_dirty, 0, sizeof is_dirty);
    folder_count = 0;
    has_more_folders = false;
    has_written = false;
}

bool disk_watch_is_synced(void)
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        if (is_dirty[fd]) return false;
    return has_written && folder_count == 0 && !has_more_folders;
}

void disk_watch_fail_syncs(int error)
{
    sync_error = error;
}

/* Files ------------------------------------------------------------------------------------------------------------ */

/* A pipe or a terminal has nothing to sync. */
static void written(int fd)
{
    struct stat info;
    if (fd < 0 || fd >= DESCRIPTORS_MAX || fstat(fd, &info) != 0) return;
    if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) return;
    is_dirty[fd] = true;
    has_written = true;
}

EXPORTED ssize_t write(int fd, const void *data, size_t len)
{
    written(fd);
    return syscall(SYS_write, fd, data, len);
}

EXPORTED ssize_t writev(int fd, const struct iovec *parts, int count)
{
    written(fd);
    return syscall(SYS_writev, fd, parts, count);
}

EXPORTED ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    written(fd);
    return syscall(SYS_pwrite64, fd, data, len, offset);
}

EXPORTED ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    written(fd);
    return syscall(SYS_pwritev, fd, parts, count, offset, 0L);
}

/* Names ------------------------------------------------------------------------------------------------------------ */

static void folder_add(const struct stat *info)
{
    for (size_t i = 0; i < folder_count; i++)
        if (folders[i].device == info->st_dev && folders[i].inode == info->st_ino) return;
    has_more_folders = has_more_folders || folder_count == FOLDERS_MAX;
    if (folder_count < FOLDERS_MAX) folders[folder_count++] = (struct folder){info->st_dev, info->st_ino};
}

static void named_in(int dir_fd, const char *path)
{
    char parent[4096];
    struct stat info;
    const char *slash = strrchr(path, '/');
    const int len = slash == NULL ? 0 : (int)(slash - path);
    snprintf(parent, sizeof parent, "%.*s%s", len, path, slash == path ? "/" : "");
    if (fstatat(dir_fd, parent, &info, AT_EMPTY_PATH) == 0) folder_add(&info);
    else has_more_folders = true;
}

static void folder_synced(const struct stat *info)
{
    size_t kept = 0;
    for (size_t i = 0; i < folder_count; i++) {
        const bool is_it = folders[i].device == info->st_dev && folders[i].inode == info->st_ino;
        if (!is_it) folders[kept++] = folders[i];
    }
    folder_count = kept;
}

static int open_at(int dir_fd, const char *path, int flags, mode_t mode)
{
    struct stat info;
    const bool makes = (flags & O_CREAT) != 0 && fstatat(dir_fd, path, &info, AT_SYMLINK_NOFOLLOW) != 0;
    const int fd = (int)syscall(SYS_openat, dir_fd, path, flags, mode);
    if (makes && fd >= 0) named_in(dir_fd, path);
    return fd;
}

/* Only with these flags is there a mode. */
static mode_t mode_of(int flags, va_list *list)
{
    const bool has_mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return has_mode ? va_arg(*list, mode_t) : 0;
}

EXPORTED int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    const mode_t mode = mode_of(flags, &list);
    va_end(list);
    return open_at(AT_FDCWD, path, flags, mode);
}

EXPORTED int openat(int dir_fd, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    const mode_t mode = mode_of(flags, &list);
    va_end(list);
    return open_at(dir_fd, path, flags, mode);
}

EXPORTED int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    const int result = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    if (result == 0) named_in(to_dir, to);
    return result;
}

EXPORTED int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameat2(from_dir, from, to_dir, to, 0);
}

EXPORTED int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* Syncs ------------------------------------------------------------------------------------------------------------ */

static int synced(int fd, long result)
{
    struct stat info;
    if (result != 0 || fd < 0 || fd >= DESCRIPTORS_MAX) return (int)result;
    is_dirty[fd] = false;
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) folder_synced(&info);
    return 0;
}

static int sync_by(long number, int fd)
{
    if (sync_error == 0) return synced(fd, syscall(number, fd));
    errno = sync_error;
    return -1;
}

EXPORTED int fdatasync(int fd)
{
    return sync_by(SYS_fdatasync, fd);
}

EXPORTED int fsync(int fd)
{
    return sync_by(SYS_fsync, fd);
}
