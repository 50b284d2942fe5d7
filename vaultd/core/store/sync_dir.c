#include "vaultd/core/store/sync_dir.h"

#include <fcntl.h>
#include <unistd.h>

static VT_RESULT sync_and_close(int fd)
{
    VT_ENSURE(fd >= 0, VAULT_E_IO);
    const bool is_synced = fsync(fd) == 0;
    close(fd);
    return is_synced ? VAULT_OK : VAULT_E_IO;
}

VT_RESULT vt_sync_dir(const char *path)
{
    return sync_and_close(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

VT_RESULT vt_sync_parent(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    VT_ENSURE(fd >= 0, VAULT_E_IO);
    const int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(fd);
    return sync_and_close(parent);
}
