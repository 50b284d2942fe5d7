/* Where a take-over builds, and how what it has built becomes the vault's: one rename. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "vaultd/core/backup/backup.h"

#define DIR_PREFIX "restore."
static const char *const STORES[] = {"store", "store.partial"};
static const char DATA_FILE[] = "data.mdb";

void vt_restore_dir_name(const uint8_t id[16], char out_name[VT_RESTORE_DIR_NAME_LEN])
{
    memcpy(out_name, DIR_PREFIX, sizeof DIR_PREFIX - 1);
    vt_hex_encode(vt_bytes(id, 16), out_name + sizeof DIR_PREFIX - 1);
}

/* Exactly what vt_restore_dir_name() makes: nothing else of the operator's is ever touched. */
static bool is_restore_dir(const char *name)
{
    const size_t prefix = sizeof DIR_PREFIX - 1;
    if (strncmp(name, DIR_PREFIX, prefix) != 0 || strlen(name) != VT_RESTORE_DIR_NAME_LEN - 1) return false;
    return strspn(name + prefix, "0123456789abcdef") == 32;
}

static VT_RESULT sync_fd(int fd)
{
    return fsync(fd) == 0 ? VAULT_OK : VAULT_E_IO;
}

static VT_RESULT open_dir(int at, const char *path, int *out_fd)
{
    *out_fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    VT_ENSURE(*out_fd >= 0, errno == ENOENT ? VAULT_E_NOT_FOUND : VAULT_E_IO);
    return VAULT_OK;
}

/* The lock's table of readers belongs to the file that is gone: LMDB makes a new one. */
static VT_RESULT install_in(int data_fd, const char *name)
{
    char built[VT_BACKUP_PATH_MAX];
    int store_fd, built_fd;
    snprintf(built, sizeof built, "%s/store", name);
    VT_TRY(open_dir(data_fd, "store", &store_fd));
    vault_status status = open_dir(data_fd, built, &built_fd);
    if (status == VAULT_OK) {
        const bool is_moved = renameat(built_fd, DATA_FILE, store_fd, DATA_FILE) == 0;
        vt_fault_step("takeover.renamed");
        if (!is_moved) status = errno == ENOENT ? VAULT_E_NOT_FOUND : VAULT_E_IO;
        if (status == VAULT_OK) status = sync_fd(store_fd);
        if (status == VAULT_OK) status = sync_fd(built_fd);
        close(built_fd);
    }
    close(store_fd);
    return status;
}

VT_RESULT vt_restore_install(const char *data_dir, const char *name)
{
    int data_fd;
    VT_ENSURE(is_restore_dir(name), VAULT_E_ARGUMENT);
    data_fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    VT_ENSURE(data_fd >= 0, VAULT_E_IO);
    const vault_status status = install_in(data_fd, name);
    close(data_fd);
    VT_TRY(status);
    vt_fault_step("takeover.installed");
    return VAULT_OK;
}

/* Removing ------------------------------------------------------------------------------------------------------------ */

/* A store is a directory of plain files. What else somebody put there stays, and the directory with it. */
static void remove_store(int at, const char *name)
{
    int fd;
    if (open_dir(at, name, &fd) != VAULT_OK) return;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.') unlinkat(fd, entry->d_name, 0);
    closedir(dir);
    unlinkat(at, name, AT_REMOVEDIR);
}

static bool remove_restore_dir(int data_fd, const char *name)
{
    int fd;
    if (open_dir(data_fd, name, &fd) != VAULT_OK) return false;
    for (size_t i = 0; i < VT_ARRAY_LEN(STORES); i++) remove_store(fd, STORES[i]);
    close(fd);
    return unlinkat(data_fd, name, AT_REMOVEDIR) == 0;
}

void vt_restore_remove(const char *dir)
{
    /* What is left there then is not ours to take away. */
    if (!remove_restore_dir(AT_FDCWD, dir)) return;
}

VT_RESULT vt_restore_clear(const char *data_dir, void (*visit)(void *context, const char *name, bool is_removed), void *context)
{
    const int data_fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    VT_ENSURE(data_fd >= 0, VAULT_E_IO);
    DIR *dir = fdopendir(data_fd);
    if (dir == NULL) {
        close(data_fd);
        return VAULT_E_IO;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (!is_restore_dir(entry->d_name)) continue;
        const bool is_removed = remove_restore_dir(data_fd, entry->d_name);
        if (visit != NULL) visit(context, entry->d_name, is_removed);
    }
    closedir(dir);
    return VAULT_OK;
}
