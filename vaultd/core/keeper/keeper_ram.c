/* E4: shares in the arena, the floor in a file of two blocks, the older one of which is overwritten at each change of the floor.
 * A block never holds a share, so nothing on the disk has to be erased, and a torn block is only overwritten by the next change. */
#include "vaultd/core/keeper/keeper_ram.h"

#include <stdlib.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/keeper/block_file.h"
#include "vaultd/core/keeper/keeper_machine.h"

enum { FLOOR_VERSION = 1, HASH_AT = VT_BLOCK_LEN - VT_SHA256_LEN };
static const uint8_t floor_magic[8] = {'V', 'T', 'K', 'R', 'A', 'M', 'E', '4'};

/* What the file says; arena memory, for the seed. */
struct record {
    uint64_t sequence;
    uint64_t keeper_id;
    struct vt_keeper_floor floor;
    struct vt_key seed;
};

struct keeper_ram {
    struct vt_keeper_machine machine;
    int fd;
    unsigned newest;
    struct vt_keeper_floor written;         /* the floor that the newest block has */
};

static struct keeper_ram *ram_of(struct vt_keeper_machine *machine)
{
    return (struct keeper_ram *)(void *)machine;
}

/* The blocks ------------------------------------------------------------------------------------------------------- */

static VT_RESULT record_encode(const struct record *record, uint8_t out_block[VT_BLOCK_LEN])
{
    memset(out_block, 0, VT_BLOCK_LEN);
    memcpy(out_block, floor_magic, sizeof floor_magic);
    out_block[8] = FLOOR_VERSION;
    vt_put_u64(out_block + 16, record->sequence);
    vt_put_u64(out_block + 24, record->keeper_id);
    memcpy(out_block + 32, record->floor.vault_id.bytes, sizeof record->floor.vault_id.bytes);
    vt_put_u64(out_block + 48, record->floor.incarnation);
    vt_put_u64(out_block + 56, record->floor.epoch);
    vt_put_u64(out_block + 64, record->floor.commit_number);
    memcpy(out_block + 72, record->seed.bytes, VT_KEY_LEN);
    return vt_sha256_one(vt_bytes(out_block, HASH_AT), out_block + HASH_AT);
}

static VT_RESULT record_decode(const uint8_t block[VT_BLOCK_LEN], struct record *out_record)
{
    uint8_t hash[VT_SHA256_LEN];
    /* Asked before anything that depends on the version, where the hash lies: what is taken for a torn block is overwritten. */
    const bool is_ours = memcmp(block, floor_magic, sizeof floor_magic) == 0;
    VT_ENSURE(!is_ours || block[8] <= FLOOR_VERSION, VAULT_E_FORMAT);
    VT_TRY(vt_sha256_one(vt_bytes(block, HASH_AT), hash));
    VT_ENSURE(memcmp(hash, block + HASH_AT, sizeof hash) == 0, VAULT_E_CORRUPT);
    VT_ENSURE(is_ours, VAULT_E_FORMAT);
    VT_ENSURE(block[8] == FLOOR_VERSION, VAULT_E_CORRUPT);
    out_record->sequence = vt_get_u64(block + 16);
    out_record->keeper_id = vt_get_u64(block + 24);
    memcpy(out_record->floor.vault_id.bytes, block + 32, sizeof out_record->floor.vault_id.bytes);
    out_record->floor.incarnation = vt_get_u64(block + 48);
    out_record->floor.epoch = vt_get_u64(block + 56);
    out_record->floor.commit_number = vt_get_u64(block + 64);
    memcpy(out_record->seed.bytes, block + 72, VT_KEY_LEN);
    return VAULT_OK;
}

static void record_of(const struct vt_keeper_state *state, struct record *out_record)
{
    out_record->sequence = state->sequence;
    out_record->keeper_id = state->keeper_id;
    out_record->floor = state->floor;
    out_record->seed = state->seed;
}

/* Arena memory for one block and what it says. */
struct room {
    uint8_t block[VT_BLOCK_LEN];
    struct record records[VT_BLOCK_COUNT];
};

/* Writing --------------------------------------------------------------------------------------------------------- */

static VT_RESULT write_floor(struct keeper_ram *ram, const struct vt_keeper_state *state, struct room *room)
{
    const unsigned older = 1 - ram->newest;
    record_of(state, &room->records[0]);
    VT_TRY(record_encode(&room->records[0], room->block));
    VT_TRY(vt_block_file_write(ram->fd, older, room->block));
    vt_fault_step("keeper.ram.written");
    VT_TRY(vt_block_file_sync(ram->fd));
    vt_fault_step("keeper.ram.synced");
    ram->newest = older;
    ram->written = state->floor;
    return VAULT_OK;
}

static bool is_same_floor(const struct vt_keeper_floor *a, const struct vt_keeper_floor *b)
{
    return memcmp(&a->vault_id, &b->vault_id, sizeof a->vault_id) == 0 && a->incarnation == b->incarnation &&
           a->epoch == b->epoch && a->commit_number == b->commit_number;
}

/* The floor first: had the share gone and the floor not risen, a restart would serve below it. The former shares are overwritten
 * by the machine, which puts this state over its own in the arena. */
static vault_status ram_replace(struct vt_keeper_machine *machine, const struct vt_keeper_state *now, struct vt_keeper_state *next,
                                enum vt_keeper_change change)
{
    (void)change;
    struct keeper_ram *ram = ram_of(machine);
    if (is_same_floor(&next->floor, &ram->written)) return VAULT_OK;
    struct room *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    next->sequence = now->sequence + 1;
    const vault_status status = write_floor(ram, next, room);
    vt_secret_free(room);
    return status;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

static VT_RESULT read_records(struct keeper_ram *ram, struct room *room, vault_status out_statuses[VT_BLOCK_COUNT])
{
    for (unsigned i = 0; i < VT_BLOCK_COUNT; i++) {
        VT_TRY(vt_block_file_read(ram->fd, i, room->block));
        out_statuses[i] = record_decode(room->block, &room->records[i]);
    }
    return VAULT_OK;
}

/* What the arena holds stays: the file knows nothing of shares. */
static VT_RESULT choose_record(struct keeper_ram *ram, const struct room *room, const vault_status statuses[VT_BLOCK_COUNT],
                               struct vt_keeper_state *out_state)
{
    VT_ENSURE(statuses[0] != VAULT_E_FORMAT && statuses[1] != VAULT_E_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(statuses[0] == VAULT_OK || statuses[1] == VAULT_OK, VAULT_E_CORRUPT);
    const bool both = statuses[0] == VAULT_OK && statuses[1] == VAULT_OK;
    const struct record *records = room->records;
    VT_ENSURE(!both || records[0].keeper_id == records[1].keeper_id, VAULT_E_CORRUPT);
    ram->newest = both ? records[1].sequence > records[0].sequence : statuses[1] == VAULT_OK;
    const struct record *newer = &records[ram->newest];
    ram->written = newer->floor;
    *out_state = *ram->machine.state;
    out_state->sequence = newer->sequence;
    out_state->keeper_id = newer->keeper_id;
    out_state->floor = newer->floor;
    out_state->seed = newer->seed;
    return VAULT_OK;
}

static vault_status ram_load(struct vt_keeper_machine *machine, struct vt_keeper_state *out_state)
{
    struct keeper_ram *ram = ram_of(machine);
    vault_status statuses[VT_BLOCK_COUNT];
    struct room *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    vault_status status = read_records(ram, room, statuses);
    if (status == VAULT_OK) status = choose_record(ram, room, statuses, out_state);
    vt_secret_free(room);
    return status;
}

static void ram_describe(struct vt_keeper_machine *machine, struct vt_keeper_info *info)
{
    (void)machine;
    info->keeper_class = VT_KEEPER_E4;
}

static void ram_free(struct vt_keeper_machine *machine)
{
    struct keeper_ram *ram = ram_of(machine);
    if (ram->fd >= 0) close(ram->fd);
    free(ram);
}

static const struct vt_keeper_medium_ops ram_medium = {
    .load = ram_load, .replace = ram_replace, .describe = ram_describe, .free = ram_free};

/* Opening and creating -------------------------------------------------------------------------------------------- */

static VT_RESULT fill_records(struct vt_keeper_state *state, struct record *record, uint8_t *out_blocks)
{
    VT_TRY(vt_keeper_state_init(state));
    for (unsigned i = 0; i < VT_BLOCK_COUNT; i++) {
        state->sequence++;
        record_of(state, record);
        VT_TRY(record_encode(record, out_blocks + (size_t)i * VT_BLOCK_LEN));
    }
    return VAULT_OK;
}

static vault_status fill_fresh(uint8_t out_blocks[VT_BLOCK_COUNT * VT_BLOCK_LEN])
{
    struct {
        struct vt_keeper_state state;
        struct record record;
    } *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    const vault_status status = fill_records(&room->state, &room->record, out_blocks);
    vt_secret_free(room);
    return status;
}

VT_RESULT vt_keeper_ram_open(const char *path, const char *name, struct vt_keeper **out_keeper)
{
    struct keeper_ram *ram = vt_calloc(1, sizeof *ram);
    VT_ENSURE(ram != NULL, VAULT_E_MEMORY);
    ram->fd = -1;
    const vault_status status = vt_keeper_machine_init(&ram->machine, &ram_medium, name, false);
    if (status != VAULT_OK) {
        free(ram);
        return status;
    }
    VT_AUTO_PTR(vt_keeper) keeper = &ram->machine.base;
    VT_TRY(vt_block_file_open(path, false, fill_fresh, &ram->fd));
    VT_TRY(vt_keeper_machine_load(&ram->machine));
    *out_keeper = VT_MOVE(keeper);
    return VAULT_OK;
}
