/* E0: two blocks in one file. An ordinary change goes to the older block alone, so that a torn write leaves the newer one.
 * A change that erases goes to both, one after the other: the newer state is whole before the older block, which still has the
 * share, is overwritten. A block that holds what the newer state does not is finished off when the file is opened. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "vaultd/core/keeper/block_file.h"
#include "vaultd/core/keeper/keeper_machine.h"

enum { BLOCK_LEN = VT_BLOCK_LEN, BLOCK_COUNT = VT_BLOCK_COUNT };
_Static_assert((int)BLOCK_LEN == (int)VT_KEEPER_BLOCK_LEN, "a state fills a block");

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

static VT_RESULT write_state(struct keeper_file *file, unsigned index, const struct vt_keeper_state *state,
                             const char *written_point, const char *synced_point)
{
    uint8_t *block = vt_secret_alloc(BLOCK_LEN);
    VT_ENSURE(block != NULL, VAULT_E_MEMORY);
    vault_status status = vt_keeper_state_encode(state, block);
    if (status == VAULT_OK) status = vt_block_file_write(file->fd, index, block);
    vt_secret_free(block);
    VT_TRY(status);
    vt_fault_step(written_point);
    VT_TRY(vt_block_file_sync(file->fd));
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

/* Another process's is opened by its name each time: what the name no longer leads to (moved away, unmounted, replaced) would
 * say the same for ever. Without the lock, which its owner holds: a block that is being written is not whole, and then the
 * other one is. */
static VT_RESULT look_again(struct keeper_file *file)
{
    int fd;
    VT_TRY(vt_block_file_look(file->path, &fd));
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
        status = vt_block_file_read(file->fd, i, room->block);
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

static bool file_is_in_place(struct vt_keeper_machine *machine)
{
    return vt_keeper_is_at(file_of(machine)->fd, file_of(machine)->path);
}

static void file_free(struct vt_keeper_machine *machine)
{
    struct keeper_file *file = file_of(machine);
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file);
}

static const struct vt_keeper_medium_ops file_medium = {
    .load = file_load, .replace = file_replace, .describe = file_describe, .device = file_device, .is_in_place = file_is_in_place,
    .free = file_free};

/* Opening and creating -------------------------------------------------------------------------------------------- */

static vault_status fill_fresh(uint8_t out_blocks[BLOCK_COUNT * BLOCK_LEN])
{
    struct vt_keeper_state *state = vt_secret_alloc(sizeof *state);
    VT_ENSURE(state != NULL, VAULT_E_MEMORY);
    vault_status status = vt_keeper_state_init(state);
    for (unsigned i = 0; i < BLOCK_COUNT && status == VAULT_OK; i++) {
        state->sequence++;
        status = vt_keeper_state_encode(state, out_blocks + (size_t)i * BLOCK_LEN);
    }
    vt_secret_free(state);
    return status;
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
    VT_TRY(vt_block_file_open(path, must_exist, fill_fresh, &file->fd));
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
