/* E0: two blocks in one file. An ordinary change goes to the older block alone, so that a torn write leaves the newer one.
 * A change that erases goes to both, one after the other: the newer state is whole before the older block, which still has the
 * share, is overwritten. A block that holds what the newer state does not is finished off when the file is opened. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "vaultd/core/keeper/keeper_machine.h"

enum { BLOCK_LEN = VT_KEEPER_BLOCK_LEN, BLOCK_COUNT = 2 };

struct keeper_file {
    struct vt_keeper_machine machine;
    int fd;
    unsigned newest;                    /* block that holds the present state */
    char *path;
};

/* Names of the points at which a test may stop the process; the second pair of those changes that erase. */
static const struct points {
    const char *written, *synced, *second_written, *second_synced;
} POINTS[VT_KEEPER_CHANGES] = {
    [VT_KEEPER_PREPARING] = {"keeper.prepare.written", "keeper.prepare.synced", NULL, NULL},
    [VT_KEEPER_FINALIZING] = {"keeper.finalize.written", "keeper.finalize.synced", "keeper.finalize.second_written",
                              "keeper.finalize.second_synced"},
    [VT_KEEPER_ABORTING] = {"keeper.abort.written", "keeper.abort.synced", "keeper.abort.second_written",
                            "keeper.abort.second_synced"},
    [VT_KEEPER_RAISING] = {"keeper.floor.written", "keeper.floor.synced", NULL, NULL},
    [VT_KEEPER_REPAIRING] = {"keeper.repair.written", "keeper.repair.synced", NULL, NULL},
};

static struct keeper_file *file_of(struct vt_keeper_machine *machine)
{
    return (struct keeper_file *)(void *)machine;
}

/* Writing --------------------------------------------------------------------------------------------------------- */

static VT_RESULT write_bytes(int fd, const uint8_t *block, off_t at)
{
    size_t done = 0;
    VT_ENSURE(!vt_fault_hit(VT_FAULT_KEEPER), VAULT_E_IO);
    while (done < BLOCK_LEN) {
        const ssize_t wrote = pwrite(fd, block + done, BLOCK_LEN - done, at + (off_t)done);
        if (wrote < 0 && errno == EINTR) continue;
        VT_ENSURE(wrote > 0, VAULT_E_IO);
        done += (size_t)wrote;
    }
    return VAULT_OK;
}

static VT_RESULT sync_file(int fd)
{
    VT_ENSURE(!vt_fault_hit(VT_FAULT_KEEPER), VAULT_E_IO);
    VT_ENSURE(fdatasync(fd) == 0, VAULT_E_IO);
    return VAULT_OK;
}

static VT_RESULT write_state(struct keeper_file *file, unsigned index, const struct vt_keeper_state *state,
                             const char *written_point, const char *synced_point)
{
    uint8_t *block = vt_secret_alloc(BLOCK_LEN);
    VT_ENSURE(block != NULL, VAULT_E_MEMORY);
    vault_status status = vt_keeper_state_encode(state, block);
    if (status == VAULT_OK) status = write_bytes(file->fd, block, (off_t)index * BLOCK_LEN);
    vt_secret_free(block);
    VT_TRY(status);
    vt_fault_step(written_point);
    VT_TRY(sync_file(file->fd));
    vt_fault_step(synced_point);
    return VAULT_OK;
}

/* The older block is written first; when something is erased, the other one after it. */
static vault_status file_replace(struct vt_keeper_machine *machine, const struct vt_keeper_state *now,
                                 struct vt_keeper_state *next, enum vt_keeper_change change)
{
    struct keeper_file *file = file_of(machine);
    const struct points *points = &POINTS[change];
    const unsigned older = 1 - file->newest;
    next->sequence = now->sequence + 1;
    VT_TRY(write_state(file, older, next, points->written, points->synced));
    file->newest = older;
    if (!vt_keeper_change_erases(change)) return VAULT_OK;
    next->sequence++;
    VT_TRY(write_state(file, 1 - older, next, points->second_written, points->second_synced));
    file->newest = 1 - older;
    return VAULT_OK;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

static VT_RESULT read_block(int fd, unsigned index, uint8_t *out_block)
{
    size_t done = 0;
    VT_ENSURE(!vt_fault_hit(VT_FAULT_KEEPER), VAULT_E_IO);
    while (done < BLOCK_LEN) {
        const ssize_t got = pread(fd, out_block + done, BLOCK_LEN - done, (off_t)index * BLOCK_LEN + (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        VT_ENSURE(got >= 0, VAULT_E_IO);
        VT_ENSURE(got > 0, VAULT_E_CORRUPT);        /* shorter than two blocks */
        done += (size_t)got;
    }
    return VAULT_OK;
}

/* A torn block may hold remnants of a share, and an interrupted erasure left the whole of one: finish it. */
static VT_RESULT repair(struct keeper_file *file, struct vt_keeper_state *state)
{
    struct vt_keeper_state *again = vt_secret_alloc(sizeof *again);
    VT_ENSURE(again != NULL, VAULT_E_MEMORY);
    *again = *state;
    const vault_status status = file_replace(&file->machine, state, again, VT_KEEPER_REPAIRING);
    if (status == VAULT_OK) *state = *again;
    vt_secret_free(again);
    return status;
}

/* Both blocks, of which @p statuses say whether they are whole; the newer one is the state. */
static VT_RESULT choose_state(struct keeper_file *file, const struct vt_keeper_state states[BLOCK_COUNT],
                              const vault_status statuses[BLOCK_COUNT], struct vt_keeper_state *out_state)
{
    VT_ENSURE(statuses[0] != VAULT_E_FORMAT && statuses[1] != VAULT_E_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(statuses[0] == VAULT_OK || statuses[1] == VAULT_OK, VAULT_E_CORRUPT);
    const bool both = statuses[0] == VAULT_OK && statuses[1] == VAULT_OK;
    file->newest = both ? states[1].sequence > states[0].sequence : statuses[1] == VAULT_OK;
    const struct vt_keeper_state *newer = &states[file->newest], *older = &states[1 - file->newest];
    VT_ENSURE(!both || newer->keeper_id == older->keeper_id, VAULT_E_CORRUPT);
    *out_state = *newer;
    if (both && !vt_keeper_state_holds_more(older, newer)) return VAULT_OK;
    if (file->machine.is_read_only) return VAULT_OK;    /* its owner is at work on it, or will finish it */
    return repair(file, out_state);
}

static VT_RESULT check_descriptor(int fd)
{
    struct stat info;
    VT_ENSURE(fstat(fd, &info) == 0 && S_ISREG(info.st_mode), VAULT_E_IO);
    VT_ENSURE((info.st_mode & 077) == 0 && info.st_nlink == 1, VAULT_E_STATE);
    VT_ENSURE(info.st_size == BLOCK_COUNT * BLOCK_LEN, VAULT_E_CORRUPT);
    return VAULT_OK;
}

/* Another process's is opened by its name each time: what the name no longer leads to (moved away, unmounted, replaced) would
 * say the same for ever. Without the lock, which its owner holds: a block that is being written is not whole, and then the
 * other one is. */
static VT_RESULT look_again(struct keeper_file *file)
{
    const int fd = open(file->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    VT_ENSURE(fd >= 0, errno == ENOENT ? VAULT_E_KEEPER : VAULT_E_IO);
    const vault_status status = check_descriptor(fd);
    if (status != VAULT_OK) {
        close(fd);
        return status;
    }
    if (file->fd >= 0) close(file->fd);
    file->fd = fd;
    return VAULT_OK;
}

static vault_status file_load(struct vt_keeper_machine *machine, struct vt_keeper_state *out_state)
{
    struct keeper_file *file = file_of(machine);
    if (machine->is_read_only) VT_TRY(look_again(file));
    struct {
        uint8_t block[BLOCK_LEN];
        struct vt_keeper_state states[BLOCK_COUNT];
    } *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    vault_status statuses[BLOCK_COUNT] = {VAULT_E_CORRUPT, VAULT_E_CORRUPT};
    vault_status status = VAULT_OK;
    for (unsigned i = 0; i < BLOCK_COUNT && status == VAULT_OK; i++) {
        status = read_block(file->fd, i, room->block);
        if (status == VAULT_OK) statuses[i] = vt_keeper_state_decode(room->block, &room->states[i]);
    }
    if (status == VAULT_OK) status = choose_state(file, room->states, statuses, out_state);
    vt_secret_free(room);
    return status;
}

static void file_describe(struct vt_keeper_machine *machine, struct vt_keeper_info *info)
{
    (void)machine;
    info->keeper_class = VT_KEEPER_E0;
}

static vault_status file_device(struct vt_keeper_machine *machine, dev_t *out_device)
{
    struct stat info;
    VT_ENSURE(fstat(file_of(machine)->fd, &info) == 0, VAULT_E_IO);
    *out_device = info.st_dev;
    return VAULT_OK;
}

static void file_free(struct vt_keeper_machine *machine)
{
    struct keeper_file *file = file_of(machine);
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file);
}

static const struct vt_keeper_medium_ops file_medium = {
    .load = file_load, .replace = file_replace, .describe = file_describe, .device = file_device, .free = file_free};

/* Opening and creating -------------------------------------------------------------------------------------------- */

static VT_RESULT write_fresh(int fd)
{
    struct {
        uint8_t block[BLOCK_LEN];
        struct vt_keeper_state state;
    } *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    vault_status status = vt_keeper_state_init(&room->state);
    for (unsigned i = 0; i < BLOCK_COUNT && status == VAULT_OK; i++) {
        room->state.sequence++;
        status = vt_keeper_state_encode(&room->state, room->block);
        if (status == VAULT_OK) status = write_bytes(fd, room->block, (off_t)i * BLOCK_LEN);
    }
    vt_secret_free(room);
    VT_TRY(status);
    return fsync(fd) == 0 ? VAULT_OK : VAULT_E_IO;
}

/* Made beside its place and moved in without replacing anything, so that no half-made keeper is ever found. */
static VT_RESULT create_file(const char *path)
{
    char *fresh;
    VT_ENSURE(asprintf(&fresh, "%s.new", path) >= 0, VAULT_E_MEMORY);
    const int fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    vault_status status = fd < 0 ? VAULT_E_IO : write_fresh(fd);
    if (fd >= 0) close(fd);
    if (status == VAULT_OK && renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
        status = errno == EEXIST ? VAULT_E_EXISTS : VAULT_E_IO;
    if (status != VAULT_OK && fd >= 0) unlink(fresh);
    free(fresh);
    VT_TRY(status);
    return vt_keeper_sync_folder(path);
}

static VT_RESULT open_descriptor(const char *path, bool must_exist, int *out_fd)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        VT_ENSURE(!must_exist, VAULT_E_KEEPER);
        VT_TRY(create_file(path));
        fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    }
    VT_ENSURE(fd >= 0, VAULT_E_IO);
    *out_fd = fd;
    return VAULT_OK;
}

static VT_RESULT open_and_lock(const char *path, bool must_exist, int *out_fd)
{
    VT_TRY(open_descriptor(path, must_exist, out_fd));
    VT_TRY(check_descriptor(*out_fd));
    VT_ENSURE(flock(*out_fd, LOCK_EX | LOCK_NB) == 0, errno == EWOULDBLOCK ? VAULT_E_LOCKED : VAULT_E_IO);
    return VAULT_OK;
}

static VT_RESULT file_new(const char *path, const char *name, bool is_read_only, struct keeper_file **out_file)
{
    struct keeper_file *file = vt_calloc(1, sizeof *file);
    VT_ENSURE(file != NULL, VAULT_E_MEMORY);
    file->fd = -1;
    file->path = strdup(path);
    vault_status status = VAULT_E_MEMORY;
    if (file->path != NULL) status = vt_keeper_machine_init(&file->machine, &file_medium, name, is_read_only);
    if (status == VAULT_OK) *out_file = file;
    if (status == VAULT_OK) return VAULT_OK;
    free(file->path);
    free(file);
    return status;
}

VT_RESULT vt_keeper_file_open(const char *path, const char *name, bool must_exist, struct vt_keeper **out_keeper)
{
    struct keeper_file *file;
    VT_TRY(file_new(path, name, false, &file));
    VT_AUTO_PTR(vt_keeper) keeper = &file->machine.base;
    VT_TRY(open_and_lock(path, must_exist, &file->fd));
    VT_TRY(vt_keeper_machine_load(&file->machine));
    *out_keeper = VT_MOVE(keeper);
    return VAULT_OK;
}

VT_RESULT vt_keeper_file_open_read_only(const char *path, const char *name, struct vt_keeper **out_keeper)
{
    struct keeper_file *file;
    VT_TRY(file_new(path, name, true, &file));
    VT_AUTO_PTR(vt_keeper) keeper = &file->machine.base;
    VT_TRY(vt_keeper_machine_load(&file->machine));
    *out_keeper = VT_MOVE(keeper);
    return VAULT_OK;
}
