/* E0: two blocks in one file. An ordinary change goes to the older block alone, so that a torn write leaves the newer one.
 * A change that erases goes to both, one after the other: the newer state is whole before the older block, which still has the
 * share, is overwritten. A block that holds what the newer state does not is finished off when the file is opened. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "libvault/crypto/sign.h"
#include "libvault/proof/note.h"
#include "vaultd/core/keeper/keeper.h"

enum {
    BLOCK_LEN = 4096,
    BLOCK_COUNT = 2,
    BLOCK_HASH_AT = BLOCK_LEN - VT_SHA256_LEN,
    BLOCK_VERSION = 1,
    BLOCK_SLOTS_AT = 104,
    BLOCK_SLOT_LEN = 40 + VT_KEEPER_SHARE_MAX,
};
_Static_assert(BLOCK_SLOTS_AT + VT_KEEPER_SLOTS * BLOCK_SLOT_LEN <= BLOCK_HASH_AT, "slots fit");
static const uint8_t block_magic[8] = {'V', 'T', 'K', 'E', 'E', 'P', 'E', 'R'};

/* What a block says. */
struct keeper_state {
    uint64_t sequence;
    uint64_t keeper_id;
    struct vt_keeper_floor floor;       /* its vault id is that of the slots too */
    struct vt_key seed;                 /* Ed25519, signs receipts */
    size_t slot_count;
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
};

struct keeper_file {
    struct vt_keeper base;
    int fd;
    unsigned newest;                    /* block that holds the present state */
    bool is_stale;                      /* a write has failed: the file must be read again */
    bool is_same_device;
    bool is_read_only;                  /* another process's keeper: looked at afresh each time, never written */
    char name[65];
    char *path;
    struct keeper_state *state;         /* secret arena */
};

/* Names of the points at which a test may stop the process. */
struct points {
    const char *written, *synced, *second_written, *second_synced;
};
static const struct points prepare_points = {"keeper.prepare.written", "keeper.prepare.synced", NULL, NULL};
static const struct points finalize_points = {"keeper.finalize.written", "keeper.finalize.synced",
                                              "keeper.finalize.second_written", "keeper.finalize.second_synced"};
static const struct points abort_points = {"keeper.abort.written", "keeper.abort.synced", "keeper.abort.second_written",
                                           "keeper.abort.second_synced"};
static const struct points floor_points = {"keeper.floor.written", "keeper.floor.synced", NULL, NULL};
static const struct points repair_points = {"keeper.repair.written", "keeper.repair.synced", NULL, NULL};

static struct keeper_file *file_of(struct vt_keeper *keeper)
{
    return (struct keeper_file *)(void *)keeper;
}

/* Bytes ----------------------------------------------------------------------------------------------------------- */

static void slot_encode(const struct vt_keeper_slot *slot, uint8_t *out)
{
    out[0] = slot->state;
    out[1] = slot->k;
    out[2] = slot->m;
    out[3] = slot->x;
    vt_put_u16(out + 4, slot->share_len);
    vt_put_u64(out + 8, slot->incarnation);
    vt_put_u64(out + 16, slot->epoch);
    memcpy(out + 24, slot->attempt, VT_ATTEMPT_LEN);
    memcpy(out + 40, slot->share, slot->share_len);
}

static VT_RESULT state_encode(const struct keeper_state *state, uint8_t out_block[BLOCK_LEN])
{
    memset(out_block, 0, BLOCK_LEN);
    memcpy(out_block, block_magic, sizeof block_magic);
    out_block[8] = BLOCK_VERSION;
    out_block[9] = (uint8_t)state->slot_count;
    vt_put_u64(out_block + 16, state->sequence);
    vt_put_u64(out_block + 24, state->keeper_id);
    memcpy(out_block + 32, state->floor.vault_id.bytes, sizeof state->floor.vault_id.bytes);
    vt_put_u64(out_block + 48, state->floor.incarnation);
    vt_put_u64(out_block + 56, state->floor.epoch);
    vt_put_u64(out_block + 64, state->floor.commit_number);
    memcpy(out_block + 72, state->seed.bytes, VT_KEY_LEN);
    for (size_t i = 0; i < state->slot_count; i++)
        slot_encode(&state->slots[i], out_block + BLOCK_SLOTS_AT + i * BLOCK_SLOT_LEN);
    return vt_sha256_one(vt_bytes(out_block, BLOCK_HASH_AT), out_block + BLOCK_HASH_AT);
}

static bool slot_decode(const uint8_t *in, struct vt_keeper_slot *slot)
{
    slot->state = in[0];
    slot->k = in[1];
    slot->m = in[2];
    slot->x = in[3];
    slot->share_len = vt_get_u16(in + 4);
    slot->incarnation = vt_get_u64(in + 8);
    slot->epoch = vt_get_u64(in + 16);
    memcpy(slot->attempt, in + 24, VT_ATTEMPT_LEN);
    if (slot->share_len > VT_KEEPER_SHARE_MAX) return false;
    memcpy(slot->share, in + 40, slot->share_len);
    return slot->state == VT_SLOT_PREPARED || slot->state == VT_SLOT_COMMITTED;
}

/* VAULT_E_CORRUPT for a block that was never written whole. */
static VT_RESULT state_decode(const uint8_t block[BLOCK_LEN], struct keeper_state *state)
{
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(vt_sha256_one(vt_bytes(block, BLOCK_HASH_AT), hash));
    VT_ENSURE(memcmp(hash, block + BLOCK_HASH_AT, sizeof hash) == 0, VAULT_E_CORRUPT);
    VT_ENSURE(memcmp(block, block_magic, sizeof block_magic) == 0 && block[8] == BLOCK_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(block[9] <= VT_KEEPER_SLOTS, VAULT_E_CORRUPT);
    *state = (struct keeper_state){.slot_count = block[9],
                                   .sequence = vt_get_u64(block + 16),
                                   .keeper_id = vt_get_u64(block + 24),
                                   .floor = {.incarnation = vt_get_u64(block + 48),
                                             .epoch = vt_get_u64(block + 56),
                                             .commit_number = vt_get_u64(block + 64)}};
    memcpy(state->floor.vault_id.bytes, block + 32, sizeof state->floor.vault_id.bytes);
    memcpy(state->seed.bytes, block + 72, VT_KEY_LEN);
    for (size_t i = 0; i < state->slot_count; i++) {
        VT_ENSURE(slot_decode(block + BLOCK_SLOTS_AT + i * BLOCK_SLOT_LEN, &state->slots[i]), VAULT_E_CORRUPT);
        state->slots[i].vault_id = state->floor.vault_id;
    }
    return VAULT_OK;
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

static VT_RESULT write_state(struct keeper_file *file, unsigned index, const struct keeper_state *state,
                             const char *written_point, const char *synced_point)
{
    uint8_t *block = vt_secret_alloc(BLOCK_LEN);
    VT_ENSURE(block != NULL, VAULT_E_MEMORY);
    vault_status status = state_encode(state, block);
    if (status == VAULT_OK) status = write_bytes(file->fd, block, (off_t)index * BLOCK_LEN);
    vt_secret_free(block);
    VT_TRY(status);
    vt_fault_step(written_point);
    VT_TRY(sync_file(file->fd));
    vt_fault_step(synced_point);
    return VAULT_OK;
}

/* Take @p next over. The older block is written first; when something is erased, the other one after it. */
static VT_RESULT replace_state(struct keeper_file *file, struct keeper_state *next, bool erases, const struct points *points)
{
    file->is_stale = true;          /* until all is written: a failed write leaves it unknown what the disk holds */
    next->sequence = file->state->sequence + 1;
    const unsigned older = 1 - file->newest;
    VT_TRY(write_state(file, older, next, points->written, points->synced));
    file->newest = older;
    if (erases) {
        next->sequence++;
        VT_TRY(write_state(file, 1 - older, next, points->second_written, points->second_synced));
        file->newest = 1 - older;
    }
    *file->state = *next;
    file->is_stale = false;
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

static bool has_slot(const struct keeper_state *state, const struct vt_keeper_slot *slot)
{
    for (size_t i = 0; i < state->slot_count; i++) {
        const struct vt_keeper_slot *at = &state->slots[i];
        if (at->share_len == slot->share_len && vt_ct_equal(vt_bytes(at->share, at->share_len),
                                                            vt_bytes(slot->share, slot->share_len)))
            return true;
    }
    return false;
}

/* Does the older block hold a share that the newer state has erased? */
static bool holds_more(const struct keeper_state *older, const struct keeper_state *newer)
{
    for (size_t i = 0; i < older->slot_count; i++)
        if (!has_slot(newer, &older->slots[i])) return true;
    return false;
}

/* Both blocks, of which @p statuses say whether they are whole; the newer one becomes the state. */
static VT_RESULT choose_state(struct keeper_file *file, const struct keeper_state states[BLOCK_COUNT],
                              const vault_status statuses[BLOCK_COUNT])
{
    VT_ENSURE(statuses[0] != VAULT_E_FORMAT && statuses[1] != VAULT_E_FORMAT, VAULT_E_FORMAT);
    VT_ENSURE(statuses[0] == VAULT_OK || statuses[1] == VAULT_OK, VAULT_E_CORRUPT);
    const bool both = statuses[0] == VAULT_OK && statuses[1] == VAULT_OK;
    file->newest = both ? states[1].sequence > states[0].sequence : statuses[1] == VAULT_OK;
    const struct keeper_state *newer = &states[file->newest], *older = &states[1 - file->newest];
    VT_ENSURE(!both || newer->keeper_id == older->keeper_id, VAULT_E_CORRUPT);
    *file->state = *newer;
    file->is_stale = false;
    if (both && !holds_more(older, newer)) return VAULT_OK;
    if (file->is_read_only) return VAULT_OK;            /* its owner is at work on it, or will finish it */

    /* A torn block may hold remnants of a share, and an interrupted erasure left the whole of one: finish it. */
    struct keeper_state *again = vt_secret_alloc(sizeof *again);
    VT_ENSURE(again != NULL, VAULT_E_MEMORY);
    *again = *file->state;
    const vault_status status = replace_state(file, again, false, &repair_points);
    vt_secret_free(again);
    return status;
}

static VT_RESULT load_state(struct keeper_file *file)
{
    struct {
        uint8_t block[BLOCK_LEN];
        struct keeper_state states[BLOCK_COUNT];
    } *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    vault_status statuses[BLOCK_COUNT] = {VAULT_E_CORRUPT, VAULT_E_CORRUPT};
    vault_status status = VAULT_OK;
    for (unsigned i = 0; i < BLOCK_COUNT && status == VAULT_OK; i++) {
        status = read_block(file->fd, i, room->block);
        if (status == VAULT_OK) statuses[i] = state_decode(room->block, &room->states[i]);
    }
    if (status == VAULT_OK) status = choose_state(file, room->states, statuses);
    vt_secret_free(room);
    return status;
}

static VT_RESULT open_to_read(const char *path, int *out_fd);

/* By its name: what the name no longer leads to (moved away, unmounted, replaced) would say the same for ever. */
static VT_RESULT look_again(struct keeper_file *file)
{
    int fd;
    VT_TRY(open_to_read(file->path, &fd));
    close(file->fd);
    file->fd = fd;
    return load_state(file);
}

static VT_RESULT freshen(struct keeper_file *file)
{
    if (file->is_read_only) return look_again(file);
    return file->is_stale ? load_state(file) : VAULT_OK;
}

/* The operations -------------------------------------------------------------------------------------------------- */

static vault_status file_info(struct vt_keeper *keeper, struct vt_keeper_info *out_info)
{
    struct keeper_file *file = file_of(keeper);
    struct vt_keeper_info info = {.keeper_class = VT_KEEPER_E0, .is_same_device_as_store = file->is_same_device};
    struct vt_note_verifier verifier;
    VT_AUTO(vt_buf) text = VT_BUF_INIT(sizeof info.verifier_key - 1);
    char signer_name[64];
    info.is_reachable = freshen(file) == VAULT_OK;
    info.keeper_id = file->state->keeper_id;
    memcpy(info.name, file->name, sizeof info.name);
    snprintf(signer_name, sizeof signer_name, "vaultd-keeper/%016llx", (unsigned long long)info.keeper_id);
    const struct vt_note_signer signer = {.name = signer_name, .seed = &file->state->seed};
    VT_TRY(vt_note_verifier_of(&signer, &verifier));
    VT_TRY(vt_note_verifier_write(&text, &verifier));
    memcpy(info.verifier_key, text.data, text.len);
    *out_info = info;
    return VAULT_OK;
}

static vault_status file_read(struct vt_keeper *keeper, struct vt_keeper_slot out_slots[VT_KEEPER_SLOTS], size_t *out_count)
{
    struct keeper_file *file = file_of(keeper);
    VT_TRY(freshen(file));
    memcpy(out_slots, file->state->slots, file->state->slot_count * sizeof out_slots[0]);
    *out_count = file->state->slot_count;
    return VAULT_OK;
}

static bool is_same_vault(const struct vt_vault_id *a, const struct vt_vault_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool is_attempt(const struct vt_keeper_slot *slot, uint64_t incarnation, uint64_t epoch,
                       const uint8_t attempt[VT_ATTEMPT_LEN])
{
    return slot->incarnation == incarnation && slot->epoch == epoch && memcmp(slot->attempt, attempt, VT_ATTEMPT_LEN) == 0;
}

static bool is_same_slot(const struct vt_keeper_slot *a, const struct vt_keeper_slot *b)
{
    return is_attempt(a, b->incarnation, b->epoch, b->attempt) && a->k == b->k && a->m == b->m && a->x == b->x &&
           vt_ct_equal(vt_bytes(a->share, a->share_len), vt_bytes(b->share, b->share_len));
}

static bool holds_nothing(const struct keeper_state *state)
{
    return state->slot_count == 0 && state->floor.epoch == 0;
}

/* Compare-and-swap: the next epoch of this incarnation, or a later one of a later incarnation (a take-over). */
static bool is_next(const struct vt_keeper_floor *floor, const struct vt_keeper_slot *slot)
{
    if (floor->epoch == 0) return slot->epoch != 0;
    if (slot->incarnation == floor->incarnation) return slot->epoch == floor->epoch + 1;
    return slot->incarnation > floor->incarnation && slot->epoch > floor->epoch;
}

/* @p out_is_here: this very slot is prepared already. */
static VT_RESULT prepare_check(const struct keeper_state *state, const struct vt_keeper_slot *slot, bool *out_is_here)
{
    VT_ENSURE(slot->share_len != 0 && slot->share_len <= VT_KEEPER_SHARE_MAX, VAULT_E_ARGUMENT);
    VT_ENSURE(slot->k >= 1 && slot->k <= slot->m && slot->x >= 1, VAULT_E_ARGUMENT);
    VT_ENSURE(holds_nothing(state) || is_same_vault(&state->floor.vault_id, &slot->vault_id), VAULT_E_CONFLICT);
    for (size_t i = 0; i < state->slot_count; i++) {
        const struct vt_keeper_slot *at = &state->slots[i];
        if (at->state != VT_SLOT_PREPARED) continue;
        VT_ENSURE(is_same_slot(at, slot), VAULT_E_CONFLICT);
        *out_is_here = true;
        return VAULT_OK;
    }
    VT_ENSURE(is_next(&state->floor, slot), VAULT_E_CONFLICT);
    VT_ENSURE(state->slot_count < VT_KEEPER_SLOTS, VAULT_E_LIMIT);
    *out_is_here = false;
    return VAULT_OK;
}

/* A copy of the state in the arena, to be changed and taken over. NULL when memory is short. */
static struct keeper_state *draft_of(const struct keeper_file *file)
{
    struct keeper_state *draft = vt_secret_alloc(sizeof *draft);
    if (draft != NULL) *draft = *file->state;
    return draft;
}

static VT_RESULT take_over(struct keeper_file *file, struct keeper_state *draft, bool erases, const struct points *points)
{
    const vault_status status = replace_state(file, draft, erases, points);
    vt_secret_free(draft);
    return status;
}

static vault_status file_prepare(struct vt_keeper *keeper, const struct vt_keeper_slot *slot)
{
    struct keeper_file *file = file_of(keeper);
    bool is_here;
    VT_TRY(freshen(file));
    VT_TRY(prepare_check(file->state, slot, &is_here));
    if (is_here) return VAULT_OK;

    struct keeper_state *draft = draft_of(file);
    VT_ENSURE(draft != NULL, VAULT_E_MEMORY);
    draft->floor.vault_id = slot->vault_id;
    draft->slots[draft->slot_count] = *slot;
    draft->slots[draft->slot_count++].state = VT_SLOT_PREPARED;
    return take_over(file, draft, false, &prepare_points);
}

static VT_RESULT finalize_check(const struct keeper_state *state, uint64_t incarnation, uint64_t epoch,
                                const uint8_t attempt[VT_ATTEMPT_LEN], const struct vt_keeper_slot **out_kept)
{
    const struct vt_keeper_floor *floor = &state->floor;
    const struct vt_keeper_slot *kept = NULL;
    bool holds_whole_key = false;
    VT_ENSURE(!holds_nothing(state), VAULT_E_NOT_FOUND);
    VT_ENSURE(incarnation > floor->incarnation || (incarnation == floor->incarnation && epoch >= floor->epoch),
              VAULT_E_ROLLBACK);
    for (size_t i = 0; i < state->slot_count; i++) {
        const struct vt_keeper_slot *slot = &state->slots[i];
        const bool is_kept = is_attempt(slot, incarnation, epoch, attempt);
        if (is_kept) kept = slot;
        else holds_whole_key = holds_whole_key || slot->m == 1;
        VT_ENSURE(is_kept || slot->state != VT_SLOT_COMMITTED || slot->incarnation != incarnation || slot->epoch != epoch,
                  VAULT_E_CONFLICT);
    }
    VT_ENSURE(kept != NULL || !holds_whole_key, VAULT_E_CONFLICT);
    *out_kept = kept;
    return VAULT_OK;
}

static VT_RESULT sign_receipt(const struct keeper_file *file, const uint8_t attempt[VT_ATTEMPT_LEN], int64_t now_ms,
                              struct vt_keeper_receipt *out_receipt)
{
    const struct keeper_state *state = file->state;
    struct vt_keeper_statement statement = {.keeper_id = state->keeper_id,
                                            .keeper_class = VT_KEEPER_E0,
                                            .vault_id = state->floor.vault_id,
                                            .incarnation = state->floor.incarnation,
                                            .epoch = state->floor.epoch,
                                            .floor_commit = state->floor.commit_number,
                                            .at_ms = now_ms};
    memcpy(statement.attempt, attempt, VT_ATTEMPT_LEN);
    if (state->slot_count != 0) {
        statement.kept_k = state->slots[0].k;
        statement.kept_m = state->slots[0].m;
        statement.kept_x = state->slots[0].x;
    }
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX);
    VT_TRY(vt_keeper_receipt_write(&statement, &state->seed, &note));
    vt_buf_move(&out_receipt->note, &note);
    return VAULT_OK;
}

static vault_status file_finalize(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                                  const uint8_t attempt[VT_ATTEMPT_LEN], uint64_t commit_number, int64_t now_ms,
                                  struct vt_keeper_receipt *out_receipt)
{
    struct keeper_file *file = file_of(keeper);
    const struct vt_keeper_slot *kept;
    VT_TRY(freshen(file));
    VT_TRY(finalize_check(file->state, incarnation, epoch, attempt, &kept));

    struct keeper_state *draft = draft_of(file);
    VT_ENSURE(draft != NULL, VAULT_E_MEMORY);
    const bool is_same_epoch = draft->floor.incarnation == incarnation && draft->floor.epoch == epoch;
    draft->floor.commit_number = is_same_epoch ? VT_MAX(draft->floor.commit_number, commit_number) : commit_number;
    draft->floor.incarnation = incarnation;
    draft->floor.epoch = epoch;
    vt_wipe(draft->slots, sizeof draft->slots);
    draft->slot_count = kept != NULL;
    if (kept != NULL) {
        draft->slots[0] = *kept;
        draft->slots[0].state = VT_SLOT_COMMITTED;
    }
    VT_TRY(take_over(file, draft, true, &finalize_points));
    return sign_receipt(file, attempt, now_ms, out_receipt);
}

static vault_status file_abort(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                               const uint8_t attempt[VT_ATTEMPT_LEN])
{
    struct keeper_file *file = file_of(keeper);
    VT_TRY(freshen(file));
    size_t at = 0;
    while (at < file->state->slot_count && !is_attempt(&file->state->slots[at], incarnation, epoch, attempt)) at++;
    if (at == file->state->slot_count) return VAULT_OK;
    VT_ENSURE(file->state->slots[at].state == VT_SLOT_PREPARED, VAULT_E_CONFLICT);

    struct keeper_state *draft = draft_of(file);
    VT_ENSURE(draft != NULL, VAULT_E_MEMORY);
    draft->slot_count--;
    memmove(&draft->slots[at], &draft->slots[at + 1], (draft->slot_count - at) * sizeof draft->slots[0]);
    vt_wipe(&draft->slots[draft->slot_count], sizeof draft->slots[0]);
    if (holds_nothing(draft)) draft->floor = (struct vt_keeper_floor){0};   /* free for any vault again */
    return take_over(file, draft, true, &abort_points);
}

static vault_status file_floor(struct vt_keeper *keeper, struct vt_keeper_floor *out_floor)
{
    struct keeper_file *file = file_of(keeper);
    VT_TRY(freshen(file));
    *out_floor = file->state->floor;
    return VAULT_OK;
}

static vault_status file_raise_floor(struct vt_keeper *keeper, const struct vt_keeper_floor *floor)
{
    struct keeper_file *file = file_of(keeper);
    VT_TRY(freshen(file));
    const struct vt_keeper_floor *now = &file->state->floor;
    VT_ENSURE(now->epoch != 0 && is_same_vault(&now->vault_id, &floor->vault_id), VAULT_E_CONFLICT);
    VT_ENSURE(floor->incarnation >= now->incarnation, VAULT_E_ROLLBACK);
    VT_ENSURE(floor->incarnation == now->incarnation, VAULT_E_CONFLICT);
    VT_ENSURE(floor->epoch >= now->epoch, VAULT_E_ROLLBACK);
    VT_ENSURE(floor->epoch == now->epoch, VAULT_E_CONFLICT);
    VT_ENSURE(floor->commit_number >= now->commit_number, VAULT_E_ROLLBACK);
    if (floor->commit_number == now->commit_number) return VAULT_OK;

    struct keeper_state *draft = draft_of(file);
    VT_ENSURE(draft != NULL, VAULT_E_MEMORY);
    draft->floor.commit_number = floor->commit_number;
    return take_over(file, draft, false, &floor_points);
}

static void file_free(struct vt_keeper *keeper)
{
    struct keeper_file *file = file_of(keeper);
    if (file->fd >= 0) close(file->fd);
    vt_secret_free(file->state);
    free(file->path);
    free(file);
}

static const struct vt_keeper_ops file_ops = {
    .info = file_info, .read = file_read, .prepare = file_prepare, .finalize = file_finalize, .abort = file_abort,
    .floor = file_floor, .raise_floor = file_raise_floor, .free = file_free,
};

/* Reading another process's keeper ---------------------------------------------------------------------------------- */

static vault_status refuse_prepare(struct vt_keeper *keeper, const struct vt_keeper_slot *slot)
{
    (void)keeper, (void)slot;
    return VAULT_E_READ_ONLY;
}

static vault_status refuse_finalize(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                                    const uint8_t attempt[VT_ATTEMPT_LEN], uint64_t commit_number, int64_t now_ms,
                                    struct vt_keeper_receipt *out_receipt)
{
    (void)keeper, (void)incarnation, (void)epoch, (void)attempt, (void)commit_number, (void)now_ms, (void)out_receipt;
    return VAULT_E_READ_ONLY;
}

static vault_status refuse_abort(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                                 const uint8_t attempt[VT_ATTEMPT_LEN])
{
    (void)keeper, (void)incarnation, (void)epoch, (void)attempt;
    return VAULT_E_READ_ONLY;
}

static vault_status refuse_raise_floor(struct vt_keeper *keeper, const struct vt_keeper_floor *floor)
{
    (void)keeper, (void)floor;
    return VAULT_E_READ_ONLY;
}

static const struct vt_keeper_ops read_only_ops = {
    .info = file_info, .read = file_read, .prepare = refuse_prepare, .finalize = refuse_finalize, .abort = refuse_abort,
    .floor = file_floor, .raise_floor = refuse_raise_floor, .free = file_free,
};

/* Opening and creating -------------------------------------------------------------------------------------------- */

static VT_RESULT sync_folder_of(const char *path)
{
    char *copy = strdup(path);
    VT_ENSURE(copy != NULL, VAULT_E_MEMORY);
    const int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    VT_ENSURE(fd >= 0, VAULT_E_IO);
    const bool is_synced = fsync(fd) == 0;
    close(fd);
    return is_synced ? VAULT_OK : VAULT_E_IO;
}

static VT_RESULT write_fresh(int fd)
{
    struct {
        uint8_t block[BLOCK_LEN];
        struct keeper_state state;
    } *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    memset(&room->state, 0, sizeof room->state);
    vault_status status = vt_random_key(&room->state.seed);
    if (status == VAULT_OK) status = vt_random_bytes(&room->state.keeper_id, sizeof room->state.keeper_id);
    for (unsigned i = 0; i < BLOCK_COUNT && status == VAULT_OK; i++) {
        room->state.sequence++;
        status = state_encode(&room->state, room->block);
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
    return sync_folder_of(path);
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

static VT_RESULT check_descriptor(int fd)
{
    struct stat info;
    VT_ENSURE(fstat(fd, &info) == 0 && S_ISREG(info.st_mode), VAULT_E_IO);
    VT_ENSURE((info.st_mode & 077) == 0 && info.st_nlink == 1, VAULT_E_STATE);
    VT_ENSURE(info.st_size == BLOCK_COUNT * BLOCK_LEN, VAULT_E_CORRUPT);
    return VAULT_OK;
}

static VT_RESULT open_and_lock(const char *path, bool must_exist, int *out_fd)
{
    VT_TRY(open_descriptor(path, must_exist, out_fd));
    VT_TRY(check_descriptor(*out_fd));
    VT_ENSURE(flock(*out_fd, LOCK_EX | LOCK_NB) == 0, errno == EWOULDBLOCK ? VAULT_E_LOCKED : VAULT_E_IO);
    return VAULT_OK;
}

/* Without the lock, which its owner holds: a block that is being written is not whole, and then the other one is. */
static VT_RESULT open_to_read(const char *path, int *out_fd)
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

static bool is_label(const char *name)
{
    const size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~') return false;
    return len >= 1 && len <= 64;
}

static VT_RESULT file_new(const char *path, const char *name, bool is_read_only, struct keeper_file **out_file)
{
    VT_ENSURE(is_label(name), VAULT_E_ARGUMENT);
    struct keeper_file *file = vt_calloc(1, sizeof *file);
    VT_ENSURE(file != NULL, VAULT_E_MEMORY);
    file->base.ops = is_read_only ? &read_only_ops : &file_ops;
    file->fd = -1;
    file->is_read_only = is_read_only;
    VT_AUTO_PTR(vt_keeper) keeper = &file->base;
    snprintf(file->name, sizeof file->name, "%s", name);
    file->path = strdup(path);
    file->state = vt_secret_alloc(sizeof *file->state);
    VT_ENSURE(file->path != NULL && file->state != NULL, VAULT_E_MEMORY);
    *out_file = file_of(VT_MOVE(keeper));
    return VAULT_OK;
}

VT_RESULT vt_keeper_file_open(const char *path, const char *name, bool must_exist, struct vt_keeper **out_keeper)
{
    struct keeper_file *file;
    VT_TRY(file_new(path, name, false, &file));
    VT_AUTO_PTR(vt_keeper) keeper = &file->base;
    VT_TRY(open_and_lock(path, must_exist, &file->fd));
    VT_TRY(load_state(file));
    *out_keeper = VT_MOVE(keeper);
    return VAULT_OK;
}

VT_RESULT vt_keeper_file_open_read_only(const char *path, const char *name, struct vt_keeper **out_keeper)
{
    struct keeper_file *file;
    VT_TRY(file_new(path, name, true, &file));
    VT_AUTO_PTR(vt_keeper) keeper = &file->base;
    VT_TRY(open_to_read(path, &file->fd));
    VT_TRY(load_state(file));
    *out_keeper = VT_MOVE(keeper);
    return VAULT_OK;
}

VT_RESULT vt_keeper_file_compare_device(struct vt_keeper *keeper, const char *store_dir)
{
    VT_BUG_ON(keeper->ops != &file_ops && keeper->ops != &read_only_ops);
    struct keeper_file *file = file_of(keeper);
    struct stat ours, theirs;
    VT_ENSURE(fstat(file->fd, &ours) == 0 && stat(store_dir, &theirs) == 0, VAULT_E_IO);
    file->is_same_device = ours.st_dev == theirs.st_dev;
    return VAULT_OK;
}
