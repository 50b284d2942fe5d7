/* E1: two copies of the state in a raw area, each split over a megabyte of stripes that are all needed (crypto/af.h), written past
 * the page cache and read back. What was there before is overwritten in place; that it was the same place is looked at before
 * and after. The floor's commit number, which rises every few seconds, has two small blocks of its own.
 *
 *   0      header         4 KiB
 *   4 KiB  floor, twice   4 KiB each
 *   1 MiB  copy 0         1 MiB
 *   2 MiB  copy 1         1 MiB
 *
 * As in a keeper file an ordinary change goes to the older copy alone, one that erases to both, the older first. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <linux/fs.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/af.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/keeper/keeper_machine.h"
#include "vaultd/core/keeper/keeper_raw.h"

enum {
    BLOCK_LEN = VT_KEEPER_BLOCK_LEN,
    COPY_COUNT = 2,
    COPY_LEN = 1024 * 1024,
    STRIPES = COPY_LEN / BLOCK_LEN,
    CHUNK_LEN = 64 * 1024,
    CHUNK_STRIPES = CHUNK_LEN / BLOCK_LEN,
    AREA_LEN = VT_KEEPER_RAW_LEN,
    HASH_AT = BLOCK_LEN - VT_SHA256_LEN,
    RAW_VERSION = 1,
    FLOOR_AT = BLOCK_LEN,
    COPIES_AT = COPY_LEN,
};
_Static_assert(COPIES_AT + COPY_COUNT * COPY_LEN == AREA_LEN, "the area is header, floors and copies");
static const uint8_t header_magic[8] = {'V', 'T', 'K', 'R', 'A', 'W', 'E', '1'};
static const uint8_t floor_magic[8] = {'V', 'T', 'K', 'F', 'L', 'O', 'O', 'R'};

struct keeper_raw {
    struct vt_keeper_machine machine;
    int fd;
    uint8_t *chunk;                     /* whole pages, as O_DIRECT wants them; stripes, which say nothing one by one */
    unsigned newest, newest_floor;
    uint64_t floor_sequence;
    enum vt_keeper_class keeper_class;
    char *path;                         /* who only looks opens it by its name each time */
    vt_medium_gather_fn gather;
    struct vt_medium_facts place;       /* when it was opened */
};

static const struct points {
    const char *written, *second_written;
} POINTS[VT_KEEPER_CHANGES] = {
    [VT_KEEPER_PREPARING] = {"keeper.prepare.written", NULL},
    [VT_KEEPER_FINALIZING] = {"keeper.finalize.written", "keeper.finalize.second_written"},
    [VT_KEEPER_ABORTING] = {"keeper.abort.written", "keeper.abort.second_written"},
    [VT_KEEPER_RAISING] = {"keeper.floor.written", NULL},
    [VT_KEEPER_REPAIRING] = {"keeper.repair.written", NULL},
};

static struct keeper_raw *raw_of(struct vt_keeper_machine *machine)
{
    return (struct keeper_raw *)(void *)machine;
}

/* The medium ------------------------------------------------------------------------------------------------------- */

static VT_RESULT write_at(struct keeper_raw *raw, size_t len, off_t at)
{
    VT_ENSURE(!vt_fault_hit(VT_FAULT_KEEPER), VAULT_E_IO);
    ssize_t wrote;
    do wrote = pwrite(raw->fd, raw->chunk, len, at);
    while (wrote < 0 && errno == EINTR);
    return wrote == (ssize_t)len ? VAULT_OK : VAULT_E_IO;
}

static VT_RESULT read_at(struct keeper_raw *raw, size_t len, off_t at)
{
    VT_ENSURE(!vt_fault_hit(VT_FAULT_KEEPER), VAULT_E_IO);
    ssize_t got;
    do got = pread(raw->fd, raw->chunk, len, at);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)len ? VAULT_OK : VAULT_E_IO;
}

static VT_RESULT sync_medium(const struct keeper_raw *raw)
{
    VT_ENSURE(!vt_fault_hit(VT_FAULT_KEEPER), VAULT_E_IO);
    return fdatasync(raw->fd) == 0 ? VAULT_OK : VAULT_E_IO;
}

/* Overwriting erased something only if these are the blocks that held it. */
static VT_RESULT place_is_kept(const struct keeper_raw *raw, struct vt_err *err)
{
    struct vt_medium_facts now;
    enum vt_keeper_class keeper_class;
    VT_TRY(raw->gather(raw->fd, AREA_LEN, &now));
    VT_TRY(vt_medium_judge(&now, AREA_LEN, &keeper_class, err));
    if (vt_medium_is_same_place(&raw->place, &now)) return VAULT_OK;
    return vt_fail(err, VAULT_E_STATE, NULL,
                   "What this keeper lies on is no longer what it was opened on (a disk replaced, added or taken out, a file "
                   "moved), so an erasure could miss its former place: see docs/OPERATIONS.md, then restart.");
}

static VT_RESULT check_place(struct keeper_raw *raw)
{
    struct vt_err err = {{0}, {0}};
    const vault_status status = place_is_kept(raw, &err);
    if (status != VAULT_OK) snprintf(raw->machine.refusal, sizeof raw->machine.refusal, "%s", err.message);
    return status;
}

static off_t copy_at(unsigned copy)
{
    return (off_t)COPIES_AT + (off_t)copy * COPY_LEN;
}

static VT_RESULT copy_split(struct keeper_raw *raw, unsigned copy, const uint8_t *block)
{
    VT_AUTO(vt_af) af = VT_AF_INIT;
    VT_TRY(vt_af_begin(&af, BLOCK_LEN, STRIPES));
    for (off_t done = 0; done < COPY_LEN; done += CHUNK_LEN) {
        for (size_t i = 0; i < CHUNK_STRIPES; i++) VT_TRY(vt_af_split(&af, block, raw->chunk + i * BLOCK_LEN));
        VT_TRY(write_at(raw, CHUNK_LEN, copy_at(copy) + done));
    }
    return sync_medium(raw);
}

static VT_RESULT copy_merge(struct keeper_raw *raw, unsigned copy, uint8_t *out_block)
{
    VT_AUTO(vt_af) af = VT_AF_INIT;
    VT_TRY(vt_af_begin(&af, BLOCK_LEN, STRIPES));
    for (off_t done = 0; done < COPY_LEN; done += CHUNK_LEN) {
        VT_TRY(read_at(raw, CHUNK_LEN, copy_at(copy) + done));
        for (size_t i = 0; i < CHUNK_STRIPES; i++) VT_TRY(vt_af_merge(&af, raw->chunk + i * BLOCK_LEN, out_block));
    }
    return VAULT_OK;
}

struct blocks {
    uint8_t wished[BLOCK_LEN], found[BLOCK_LEN];
};

static VT_RESULT copy_write_blocks(struct keeper_raw *raw, unsigned copy, const struct vt_keeper_state *state,
                                   struct blocks *blocks)
{
    VT_TRY(vt_keeper_state_encode(state, blocks->wished));
    VT_TRY(copy_split(raw, copy, blocks->wished));
    VT_TRY(copy_merge(raw, copy, blocks->found));
    return vt_ct_equal(VT_BYTES_OF(blocks->wished), VT_BYTES_OF(blocks->found)) ? VAULT_OK : VAULT_E_IO;
}

static VT_RESULT copy_write(struct keeper_raw *raw, unsigned copy, const struct vt_keeper_state *state, const char *point)
{
    struct blocks *blocks = vt_secret_alloc(sizeof *blocks);
    VT_ENSURE(blocks != NULL, VAULT_E_MEMORY);
    const vault_status status = copy_write_blocks(raw, copy, state, blocks);
    vt_secret_free(blocks);
    vt_wipe(raw->chunk, CHUNK_LEN);
    VT_TRY(status);
    vt_fault_step(point);
    return VAULT_OK;
}

static VT_RESULT copy_read(struct keeper_raw *raw, unsigned copy, struct vt_keeper_state *out_state, vault_status *out_whole)
{
    uint8_t *block = vt_secret_alloc(BLOCK_LEN);
    VT_ENSURE(block != NULL, VAULT_E_MEMORY);
    const vault_status status = copy_merge(raw, copy, block);
    if (status == VAULT_OK) *out_whole = vt_keeper_state_decode(block, out_state);
    vt_secret_free(block);
    vt_wipe(raw->chunk, CHUNK_LEN);
    return status;
}

/* Floors ------------------------------------------------------------------------------------------------------------ */

/* magic 8 | version 1 | zero 7 | sequence 8 | keeper id 8 | vault 16 | incarnation 8 | epoch 8 | commit 8 | zero | SHA-256 32 */
static VT_RESULT floor_write(struct keeper_raw *raw, const struct vt_keeper_state *state)
{
    uint8_t *block = raw->chunk;
    memset(block, 0, BLOCK_LEN);
    memcpy(block, floor_magic, sizeof floor_magic);
    block[8] = RAW_VERSION;
    vt_put_u64(block + 16, raw->floor_sequence + 1);
    vt_put_u64(block + 24, state->keeper_id);
    memcpy(block + 32, state->floor.vault_id.bytes, sizeof state->floor.vault_id.bytes);
    vt_put_u64(block + 48, state->floor.incarnation);
    vt_put_u64(block + 56, state->floor.epoch);
    vt_put_u64(block + 64, state->floor.commit_number);
    VT_TRY(vt_sha256_one(vt_bytes(block, HASH_AT), block + HASH_AT));
    const unsigned older = 1 - raw->newest_floor;
    VT_TRY(write_at(raw, BLOCK_LEN, FLOOR_AT + (off_t)older * BLOCK_LEN));
    VT_TRY(sync_medium(raw));
    raw->newest_floor = older;
    raw->floor_sequence++;
    return VAULT_OK;
}

/* The version is asked before anything that depends on it: where the hash lies, where the id. Zero is no version: a block that
 * never reached the disk may read as zeroes. */
static VT_RESULT version_check(const uint8_t *block, const uint8_t magic[8])
{
    VT_ENSURE(memcmp(block, magic, 8) == 0, VAULT_E_NOT_FOUND);
    return block[8] > RAW_VERSION ? VAULT_E_FORMAT : VAULT_OK;
}

static VT_RESULT hash_check(const uint8_t *block)
{
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(vt_sha256_one(vt_bytes(block, HASH_AT), hash));
    return memcmp(hash, block + HASH_AT, sizeof hash) == 0 && block[8] == RAW_VERSION ? VAULT_OK : VAULT_E_CORRUPT;
}

/* A floor block that is not whole was being written: the other one is. To pass over one of a later format would lower the floor. */
static VT_RESULT floor_read(struct keeper_raw *raw, unsigned index, const struct vt_keeper_state *state, uint64_t *out_sequence,
                            struct vt_keeper_floor *out_floor)
{
    const uint8_t *block = raw->chunk;
    VT_TRY(read_at(raw, BLOCK_LEN, FLOOR_AT + (off_t)index * BLOCK_LEN));
    vault_status status = version_check(block, floor_magic);
    if (status == VAULT_OK) status = hash_check(block);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND || status == VAULT_E_CORRUPT, status);
    const bool is_ours = status == VAULT_OK && vt_get_u64(block + 24) == state->keeper_id;
    *out_sequence = is_ours ? vt_get_u64(block + 16) : 0;
    if (!is_ours) return VAULT_OK;
    memcpy(out_floor->vault_id.bytes, block + 32, sizeof out_floor->vault_id.bytes);
    out_floor->incarnation = vt_get_u64(block + 48);
    out_floor->epoch = vt_get_u64(block + 56);
    out_floor->commit_number = vt_get_u64(block + 64);
    return VAULT_OK;
}

/* The floor that was pushed since the state was written, if it is of the same epoch. */
static VT_RESULT floor_load(struct keeper_raw *raw, struct vt_keeper_state *state)
{
    struct vt_keeper_floor floors[2] = {{.epoch = 0}, {.epoch = 0}};
    uint64_t sequences[2];
    for (unsigned i = 0; i < 2; i++) VT_TRY(floor_read(raw, i, state, &sequences[i], &floors[i]));
    raw->newest_floor = sequences[1] > sequences[0];
    raw->floor_sequence = sequences[raw->newest_floor];
    const struct vt_keeper_floor *pushed = &floors[raw->newest_floor];
    const bool is_same = raw->floor_sequence != 0 && pushed->incarnation == state->floor.incarnation &&
                         pushed->epoch == state->floor.epoch &&
                         memcmp(&pushed->vault_id, &state->floor.vault_id, sizeof pushed->vault_id) == 0;
    if (is_same) state->floor.commit_number = VT_MAX(state->floor.commit_number, pushed->commit_number);
    return VAULT_OK;
}

/* The medium's operations ------------------------------------------------------------------------------------------- */

static vault_status raw_replace(struct vt_keeper_machine *machine, const struct vt_keeper_state *now,
                                struct vt_keeper_state *next, enum vt_keeper_change change)
{
    struct keeper_raw *raw = raw_of(machine);
    const struct points *points = &POINTS[change];
    const unsigned older = 1 - raw->newest;
    if (change == VT_KEEPER_RAISING) {
        VT_TRY(floor_write(raw, next));
        vt_fault_step(points->written);
        return VAULT_OK;
    }
    if (vt_keeper_change_erases(change)) VT_TRY(check_place(raw));
    next->sequence = now->sequence + 1;
    VT_TRY(copy_write(raw, older, next, points->written));
    raw->newest = older;
    if (!vt_keeper_change_erases(change)) return VAULT_OK;
    next->sequence++;
    VT_TRY(copy_write(raw, 1 - older, next, points->second_written));
    raw->newest = 1 - older;
    return check_place(raw);
}

/* A copy that is not whole was being written; what the older one has more was being erased. Both are overwritten. */
static VT_RESULT repair(struct keeper_raw *raw, struct vt_keeper_state *state)
{
    struct vt_keeper_state *again = vt_secret_alloc(sizeof *again);
    VT_ENSURE(again != NULL, VAULT_E_MEMORY);
    *again = *state;
    const vault_status status = raw_replace(&raw->machine, state, again, VT_KEEPER_REPAIRING);
    if (status == VAULT_OK) *state = *again;
    vt_secret_free(again);
    return status;
}

static VT_RESULT choose_state(struct keeper_raw *raw, const struct vt_keeper_state states[COPY_COUNT],
                              const vault_status whole[COPY_COUNT], struct vt_keeper_state *out_state)
{
    VT_ENSURE(whole[0] != VAULT_E_FORMAT && whole[1] != VAULT_E_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(whole[0] == VAULT_OK || whole[1] == VAULT_OK, VAULT_E_CORRUPT);
    const bool both = whole[0] == VAULT_OK && whole[1] == VAULT_OK;
    raw->newest = both ? states[1].sequence > states[0].sequence : whole[1] == VAULT_OK;
    const struct vt_keeper_state *newer = &states[raw->newest], *older = &states[1 - raw->newest];
    VT_ENSURE(!both || newer->keeper_id == older->keeper_id, VAULT_E_CORRUPT);
    *out_state = *newer;
    const bool is_done = both && !vt_keeper_state_holds_more(older, newer);
    if (!is_done && !raw->machine.is_read_only) VT_TRY(repair(raw, out_state));
    return floor_load(raw, out_state);
}

static VT_RESULT header_check(struct keeper_raw *raw);
static VT_RESULT area_check(int fd);

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0) return false;
    return true;
}

/* As a file keeper's: what the name no longer leads to would say the same for ever. */
static VT_RESULT look_again(struct keeper_raw *raw)
{
    const int fd = open(raw->path, O_RDONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC);
    VT_ENSURE(fd >= 0, errno == ENOENT ? VAULT_E_KEEPER : VAULT_E_IO);
    const vault_status status = area_check(fd);
    if (status != VAULT_OK) {
        close(fd);
        return status;
    }
    if (raw->fd >= 0) close(raw->fd);
    raw->fd = fd;
    const vault_status header = header_check(raw);
    VT_ENSURE(header != VAULT_E_NOT_FOUND, is_zero(raw->chunk, BLOCK_LEN) ? VAULT_E_KEEPER : VAULT_E_CORRUPT);
    return header;
}

static vault_status raw_load(struct vt_keeper_machine *machine, struct vt_keeper_state *out_state)
{
    struct keeper_raw *raw = raw_of(machine);
    if (machine->is_read_only) VT_TRY(look_again(raw));
    struct vt_keeper_state *states = vt_secret_alloc(COPY_COUNT * sizeof *states);
    VT_ENSURE(states != NULL, VAULT_E_MEMORY);
    vault_status whole[COPY_COUNT] = {VAULT_E_CORRUPT, VAULT_E_CORRUPT}, status = VAULT_OK;
    for (unsigned i = 0; i < COPY_COUNT && status == VAULT_OK; i++) status = copy_read(raw, i, &states[i], &whole[i]);
    if (status == VAULT_OK) status = choose_state(raw, states, whole, out_state);
    vt_secret_free(states);
    return status;
}

static void raw_describe(struct vt_keeper_machine *machine, struct vt_keeper_info *info)
{
    info->keeper_class = raw_of(machine)->keeper_class;
}

/* A partition lies on itself, which no store does; whether both are on one disk is not asked. */
static vault_status raw_device(struct vt_keeper_machine *machine, dev_t *out_device)
{
    struct stat info;
    VT_ENSURE(fstat(raw_of(machine)->fd, &info) == 0, VAULT_E_IO);
    *out_device = S_ISBLK(info.st_mode) ? info.st_rdev : info.st_dev;
    return VAULT_OK;
}

static bool raw_is_in_place(struct vt_keeper_machine *machine)
{
    return vt_keeper_is_at(raw_of(machine)->fd, raw_of(machine)->path);
}

static void raw_free(struct vt_keeper_machine *machine)
{
    struct keeper_raw *raw = raw_of(machine);
    if (raw->chunk != NULL) {
        vt_wipe(raw->chunk, CHUNK_LEN);
        munmap(raw->chunk, CHUNK_LEN);
    }
    if (raw->fd >= 0) close(raw->fd);
    free(raw->path);
    free(raw);
}

static const struct vt_keeper_medium_ops raw_medium = {
    .load = raw_load, .replace = raw_replace, .describe = raw_describe, .device = raw_device, .is_in_place = raw_is_in_place,
    .free = raw_free};

/* Making and opening ------------------------------------------------------------------------------------------------ */

/* Every byte of the area is written, so that no extent is unwritten and nothing of before is left. */
static VT_RESULT fill(struct keeper_raw *raw)
{
    for (off_t at = 0; at < AREA_LEN; at += CHUNK_LEN) {
        VT_TRY(vt_random_bytes(raw->chunk, CHUNK_LEN));
        VT_TRY(write_at(raw, CHUNK_LEN, at));
    }
    return sync_medium(raw);
}

/* magic 8 | version 1 | zero | SHA-256 32; written last: without it this is no keeper. */
static VT_RESULT header_write(struct keeper_raw *raw)
{
    memset(raw->chunk, 0, BLOCK_LEN);
    memcpy(raw->chunk, header_magic, sizeof header_magic);
    raw->chunk[8] = RAW_VERSION;
    VT_TRY(vt_sha256_one(vt_bytes(raw->chunk, HASH_AT), raw->chunk + HASH_AT));
    VT_TRY(write_at(raw, BLOCK_LEN, 0));
    return sync_medium(raw);
}

static VT_RESULT header_check(struct keeper_raw *raw)
{
    VT_TRY(read_at(raw, BLOCK_LEN, 0));
    VT_TRY(version_check(raw->chunk, header_magic));
    return hash_check(raw->chunk);
}

static VT_RESULT place_take(struct keeper_raw *raw, struct vt_err *err)
{
    VT_TRY(raw->gather(raw->fd, AREA_LEN, &raw->place));
    return vt_medium_judge(&raw->place, AREA_LEN, &raw->keeper_class, err);
}

static VT_RESULT states_make(struct keeper_raw *raw)
{
    struct vt_keeper_state *state = vt_secret_alloc(sizeof *state);
    VT_ENSURE(state != NULL, VAULT_E_MEMORY);
    vault_status status = vt_keeper_state_init(state);
    for (unsigned i = 0; i < COPY_COUNT && status == VAULT_OK; i++) {
        state->sequence++;
        status = copy_write(raw, i, state, "keeper.make.written");
    }
    vt_secret_free(state);
    return status;
}

static VT_RESULT make(struct keeper_raw *raw, struct vt_err *err)
{
    VT_TRY(fill(raw));
    VT_TRY(place_take(raw, err));
    VT_TRY(states_make(raw));
    return header_write(raw);
}

static VT_RESULT area_check(int fd)
{
    struct stat info;
    uint64_t len;
    VT_ENSURE(fstat(fd, &info) == 0, VAULT_E_IO);
    if (S_ISBLK(info.st_mode)) {
        VT_ENSURE(ioctl(fd, BLKGETSIZE64, &len) == 0, VAULT_E_IO);
        return len >= AREA_LEN ? VAULT_OK : VAULT_E_TOO_LARGE;
    }
    VT_ENSURE(S_ISREG(info.st_mode), VAULT_E_IO);
    VT_ENSURE((info.st_mode & 077) == 0 && info.st_nlink == 1, VAULT_E_STATE);
    return info.st_size == AREA_LEN ? VAULT_OK : VAULT_E_CORRUPT;
}

/* O_EXCL on a block device that is mounted or held by another driver fails. */
static VT_RESULT area_open(struct keeper_raw *raw, const char *path)
{
    struct stat info;
    VT_ENSURE(lstat(path, &info) == 0, errno == ENOENT ? VAULT_E_KEEPER : VAULT_E_IO);
    const int exclusive = S_ISBLK(info.st_mode) ? O_EXCL : 0;
    raw->fd = open(path, O_RDWR | O_DIRECT | O_NOFOLLOW | O_CLOEXEC | exclusive);
    VT_ENSURE(raw->fd >= 0, errno == EBUSY ? VAULT_E_LOCKED : errno == EINVAL ? VAULT_E_UNSUPPORTED : VAULT_E_IO);
    VT_TRY(area_check(raw->fd));
    return flock(raw->fd, LOCK_EX | LOCK_NB) == 0 ? VAULT_OK : VAULT_E_LOCKED;
}

static VT_RESULT raw_new(const struct vt_keeper_raw_options *options, struct keeper_raw **out_raw)
{
    struct keeper_raw *raw = vt_calloc(1, sizeof *raw);
    VT_ENSURE(raw != NULL, VAULT_E_MEMORY);
    raw->fd = -1;
    raw->gather = options->gather != NULL ? options->gather : vt_medium_gather;
    raw->path = strdup(options->path);
    vault_status status = VAULT_E_MEMORY;
    if (raw->path != NULL)
        status = vt_keeper_machine_init(&raw->machine, &raw_medium, options->name, options->use == VT_KEEPER_LOOK);
    if (status != VAULT_OK) {
        free(raw->path);
        free(raw);
        return status;
    }
    VT_AUTO_PTR(vt_keeper) keeper = &raw->machine.base;
    void *pages = mmap(NULL, CHUNK_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    VT_ENSURE(pages != MAP_FAILED, VAULT_E_MEMORY);
    raw->chunk = pages;
    madvise(pages, CHUNK_LEN, MADV_DONTDUMP);
    *out_raw = raw_of((struct vt_keeper_machine *)(void *)VT_MOVE(keeper));
    return VAULT_OK;
}

static VT_RESULT area_is_empty(struct keeper_raw *raw, bool *out_is_empty)
{
    bool is_empty = true;
    for (off_t at = 0; at < AREA_LEN && is_empty; at += CHUNK_LEN) {
        VT_TRY(read_at(raw, CHUNK_LEN, at));
        is_empty = is_zero(raw->chunk, CHUNK_LEN);
    }
    *out_is_empty = is_empty;
    return VAULT_OK;
}

/* A partition is given, never made; it becomes a keeper when all of the area is wiped, and not by accident: a member of a RAID and
 * some file systems begin with zeroes and name themselves behind them (md 1.2 and bcachefs at 4 KiB, ZFS at 16, btrfs at 64). */
static VT_RESULT partition_begin(struct keeper_raw *raw, const struct vt_keeper_raw_options *options, struct vt_err *err)
{
    vault_status status = header_check(raw);
    if (status != VAULT_E_NOT_FOUND) return status;
    VT_ENSURE(options->use == VT_KEEPER_MAKE, VAULT_E_KEEPER);
    bool is_empty;
    VT_TRY(area_is_empty(raw, &is_empty));
    if (!is_empty)
        return vt_fail(err, VAULT_E_EXISTS, "keepers",
                       "The partition %s holds something else. If it may be lost, overwrite its first 3 MiB with zeroes.",
                       options->path);
    VT_TRY(place_take(raw, err));       /* nothing is written where no keeper may lie */
    return make(raw, err);
}

/* Beside its place and moved in without replacing anything, so that no half-made keeper is ever found. */
static VT_RESULT file_make_at(struct keeper_raw *raw, const char *fresh, const char *path, struct vt_err *err)
{
    raw->fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_NOFOLLOW | O_CLOEXEC, 0600);
    VT_ENSURE(raw->fd >= 0, errno == EINVAL ? VAULT_E_UNSUPPORTED : VAULT_E_IO);
    vault_status status = make(raw, err);
    if (status == VAULT_OK && renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_NOREPLACE) != 0)
        status = errno == EEXIST ? VAULT_E_EXISTS : VAULT_E_IO;
    if (status != VAULT_OK) unlink(fresh);
    close(raw->fd);
    raw->fd = -1;
    return status;
}

static VT_RESULT file_make(struct keeper_raw *raw, const char *path, struct vt_err *err)
{
    char *fresh;
    VT_ENSURE(asprintf(&fresh, "%s.new", path) >= 0, VAULT_E_MEMORY);
    const vault_status status = file_make_at(raw, fresh, path, err);
    free(fresh);
    VT_TRY(status);
    return vt_keeper_sync_folder(path);
}

static VT_RESULT raw_begin(struct keeper_raw *raw, const struct vt_keeper_raw_options *options, struct vt_err *err)
{
    struct stat info;
    const bool is_absent = lstat(options->path, &info) != 0 && errno == ENOENT;
    if (is_absent && options->use == VT_KEEPER_MAKE) VT_TRY(file_make(raw, options->path, err));
    VT_TRY(area_open(raw, options->path));
    VT_TRY(raw->gather(raw->fd, AREA_LEN, &raw->place));
    if (raw->place.is_partition) VT_TRY(partition_begin(raw, options, err));
    const vault_status status = header_check(raw);
    VT_ENSURE(status != VAULT_E_NOT_FOUND, VAULT_E_CORRUPT);
    VT_TRY(status);
    VT_TRY(place_take(raw, err));
    return vt_keeper_machine_load(&raw->machine);
}

/* Who looks erases nothing, so a place that may not hold a keeper is no reason not to look; but it is of no class then. */
static VT_RESULT look_begin(struct keeper_raw *raw)
{
    struct vt_err why = {{0}, {0}};
    VT_TRY(vt_keeper_machine_load(&raw->machine));
    if (place_take(raw, &why) != VAULT_OK) raw->keeper_class = VT_KEEPER_X;
    return VAULT_OK;
}

VT_RESULT vt_keeper_raw_open(const struct vt_keeper_raw_options *options, struct vt_keeper **out_keeper, struct vt_err *err)
{
    struct keeper_raw *raw = NULL;
    VT_TRY(raw_new(options, &raw));
    VT_AUTO_PTR(vt_keeper) keeper = &raw->machine.base;
    if (options->use == VT_KEEPER_LOOK) VT_TRY(look_begin(raw));
    else VT_TRY(raw_begin(raw, options, err));
    *out_keeper = VT_MOVE(keeper);
    return VAULT_OK;
}
