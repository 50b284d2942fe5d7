#include "vaultd/core/keeper/block_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/base/secret.h"
#include "vaultd/core/keeper/keeper_machine.h"

enum { FILE_LEN = VT_BLOCK_COUNT * VT_BLOCK_LEN };

VT_RESULT vt_block_file_write(int fd, unsigned index, const uint8_t block[VT_BLOCK_LEN])
{
    const off_t at = (off_t)index * VT_BLOCK_LEN;
    size_t done = 0;
    VT_ENSURE(!vt_fault_hit(VT_FAULT_KEEPER), VAULT_E_IO);
    while (done < VT_BLOCK_LEN) {
        const ssize_t wrote = pwrite(fd, block + done, VT_BLOCK_LEN - done, at + (off_t)done);
        if (wrote < 0 && errno == EINTR) continue;
        VT_ENSURE(wrote > 0, VAULT_E_IO);
        done += (size_t)wrote;
    }
    return VAULT_OK;
}

VT_RESULT vt_block_file_sync(int fd)
{
    VT_ENSURE(!vt_fault_hit(VT_FAULT_KEEPER), VAULT_E_IO);
    VT_ENSURE(fdatasync(fd) == 0, VAULT_E_IO);
    return VAULT_OK;
}

VT_RESULT vt_block_file_read(int fd, unsigned index, uint8_t out_block[VT_BLOCK_LEN])
{
    size_t done = 0;
    VT_ENSURE(!vt_fault_hit(VT_FAULT_KEEPER), VAULT_E_IO);
    while (done < VT_BLOCK_LEN) {
        const ssize_t got = pread(fd, out_block + done, VT_BLOCK_LEN - done, (off_t)index * VT_BLOCK_LEN + (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        VT_ENSURE(got >= 0, VAULT_E_IO);
        VT_ENSURE(got > 0, VAULT_E_CORRUPT);        /* shorter than two blocks */
        done += (size_t)got;
    }
    return VAULT_OK;
}

static VT_RESULT check_descriptor(int fd)
{
    struct stat info;
    VT_ENSURE(fstat(fd, &info) == 0 && S_ISREG(info.st_mode), VAULT_E_IO);
    VT_ENSURE((info.st_mode & 077) == 0 && info.st_nlink == 1, VAULT_E_STATE);
    VT_ENSURE(info.st_size == FILE_LEN, VAULT_E_CORRUPT);
    return VAULT_OK;
}

static VT_RESULT write_fresh(int fd, vt_block_file_fill fill)
{
    uint8_t *blocks = vt_secret_alloc(FILE_LEN);
    VT_ENSURE(blocks != NULL, VAULT_E_MEMORY);
    vault_status status = fill(blocks);
    for (unsigned i = 0; i < VT_BLOCK_COUNT && status == VAULT_OK; i++)
        status = vt_block_file_write(fd, i, blocks + (size_t)i * VT_BLOCK_LEN);
    vt_secret_free(blocks);
    VT_TRY(status);
    return fsync(fd) == 0 ? VAULT_OK : VAULT_E_IO;
}

/* Made beside its place and moved in without replacing anything, so that no half-made file is ever found. */
static VT_RESULT create_file(const char *path, vt_block_file_fill fill)
{
    char *fresh;
    VT_ENSURE(asprintf(&fresh, "%s.new", path) >= 0, VAULT_E_MEMORY);
    const int fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    vault_status status = fd < 0 ? VAULT_E_IO : write_fresh(fd, fill);
    if (fd >= 0) close(fd);
    if (status == VAULT_OK && renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
        status = errno == EEXIST ? VAULT_E_EXISTS : VAULT_E_IO;
    if (status != VAULT_OK && fd >= 0) unlink(fresh);
    free(fresh);
    VT_TRY(status);
    return vt_keeper_sync_folder(path);
}

static VT_RESULT open_descriptor(const char *path, bool must_exist, vt_block_file_fill fill, int *out_fd)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        VT_ENSURE(!must_exist, VAULT_E_KEEPER);
        VT_TRY(create_file(path, fill));
        fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    }
    VT_ENSURE(fd >= 0, VAULT_E_IO);
    *out_fd = fd;
    return VAULT_OK;
}

VT_RESULT vt_block_file_open(const char *path, bool must_exist, vt_block_file_fill fill, int *out_fd)
{
    VT_TRY(open_descriptor(path, must_exist, fill, out_fd));
    VT_TRY(check_descriptor(*out_fd));
    VT_ENSURE(flock(*out_fd, LOCK_EX | LOCK_NB) == 0, errno == EWOULDBLOCK ? VAULT_E_LOCKED : VAULT_E_IO);
    return VAULT_OK;
}

VT_RESULT vt_block_file_look(const char *path, int *out_fd)
{
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    VT_ENSURE(fd >= 0, errno == ENOENT ? VAULT_E_KEEPER : VAULT_E_IO);
    const vault_status status = check_descriptor(fd);
    if (status != VAULT_OK) {
        close(fd);
        return status;
    }
    *out_fd = fd;
    return VAULT_OK;
}
