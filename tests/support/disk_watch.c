#include "tests/support/disk_watch.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
enum { DESCRIPTORS_MAX = 1024 };

static bool is_dirty[DESCRIPTORS_MAX];
static bool has_written;
static int sync_error;

void disk_watch_begin(void)
{
    memset(is_dirty, 0, sizeof is_dirty);
    has_written = false;
}

bool disk_watch_is_synced(void)
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        if (is_dirty[fd]) return false;
    return has_written;
}

void disk_watch_fail_syncs(int error)
{
    sync_error = error;
}

static void written(int fd)
{
    if (fd < 0 || fd >= DESCRIPTORS_MAX) return;
    is_dirty[fd] = true;
    has_written = true;
}

static int synced(int fd, long result)
{
    if (result == 0 && fd >= 0 && fd < DESCRIPTORS_MAX) is_dirty[fd] = false;
    return (int)result;
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

EXPORTED int fdatasync(int fd)
{
    if (sync_error == 0) return synced(fd, syscall(SYS_fdatasync, fd));
    errno = sync_error;
    return -1;
}

EXPORTED int fsync(int fd)
{
    if (sync_error == 0) return synced(fd, syscall(SYS_fsync, fd));
    errno = sync_error;
    return -1;
}
