/* What may follow what in a keeper, and its state as bytes. */
#include "vaultd/core/keeper/keeper_machine.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "libvault/crypto/sign.h"
#include "libvault/proof/note.h"

enum {
    BLOCK_LEN = VT_KEEPER_BLOCK_LEN,
    BLOCK_HASH_AT = BLOCK_LEN - VT_SHA256_LEN,
    BLOCK_VERSION = 1,
    BLOCK_SLOTS_AT = 104,
    BLOCK_SLOT_LEN = 40 + VT_KEEPER_SHARE_MAX,
};
_Static_assert(BLOCK_SLOTS_AT + VT_KEEPER_SLOTS * BLOCK_SLOT_LEN <= BLOCK_HASH_AT, "slots fit");
static const uint8_t block_magic[8] = {'V', 'T', 'K', 'E', 'E', 'P', 'E', 'R'};

/* The state --------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_keeper_state_init(struct vt_keeper_state *out_state)
{
    memset(out_state, 0, sizeof *out_state);
    VT_TRY(vt_random_key(&out_state->seed));
    return vt_random_bytes(&out_state->keeper_id, sizeof out_state->keeper_id);
}

static bool has_slot(const struct vt_keeper_state *state, const struct vt_keeper_slot *slot)
{
    for (size_t i = 0; i < state->slot_count; i++) {
        const struct vt_keeper_slot *at = &state->slots[i];
        if (at->share_len == slot->share_len && vt_ct_equal(vt_bytes(at->share, at->share_len),
                                                            vt_bytes(slot->share, slot->share_len)))
            return true;
    }
    return false;
}

bool vt_keeper_state_holds_more(const struct vt_keeper_state *older, const struct vt_keeper_state *newer)
{
    for (size_t i = 0; i < older->slot_count; i++)
        if (!has_slot(newer, &older->slots[i])) return true;
    return false;
}

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

VT_RESULT vt_keeper_state_encode(const struct vt_keeper_state *state, uint8_t out_block[BLOCK_LEN])
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

VT_RESULT vt_keeper_state_decode(const uint8_t block[BLOCK_LEN], struct vt_keeper_state *out_state)
{
    uint8_t hash[VT_SHA256_LEN];
    /* Asked before anything that depends on the version, where the hash lies: what is taken for a torn block is overwritten. */
    const bool is_ours = memcmp(block, block_magic, sizeof block_magic) == 0;
    VT_ENSURE(!is_ours || block[8] <= BLOCK_VERSION, VAULT_E_FORMAT);
    VT_TRY(vt_sha256_one(vt_bytes(block, BLOCK_HASH_AT), hash));
    VT_ENSURE(memcmp(hash, block + BLOCK_HASH_AT, sizeof hash) == 0, VAULT_E_CORRUPT);
    VT_ENSURE(is_ours, VAULT_E_FORMAT);
    VT_ENSURE(block[8] == BLOCK_VERSION && block[9] <= VT_KEEPER_SLOTS, VAULT_E_CORRUPT);
    *out_state = (struct vt_keeper_state){.slot_count = block[9],
                                   .sequence = vt_get_u64(block + 16),
                                   .keeper_id = vt_get_u64(block + 24),
                                   .floor = {.incarnation = vt_get_u64(block + 48),
                                             .epoch = vt_get_u64(block + 56),
                                             .commit_number = vt_get_u64(block + 64)}};
    memcpy(out_state->floor.vault_id.bytes, block + 32, sizeof out_state->floor.vault_id.bytes);
    memcpy(out_state->seed.bytes, block + 72, VT_KEY_LEN);
    for (size_t i = 0; i < out_state->slot_count; i++) {
        VT_ENSURE(slot_decode(block + BLOCK_SLOTS_AT + i * BLOCK_SLOT_LEN, &out_state->slots[i]), VAULT_E_CORRUPT);
        out_state->slots[i].vault_id = out_state->floor.vault_id;
    }
    return VAULT_OK;
}

/* The machine ------------------------------------------------------------------------------------------------------- */

static struct vt_keeper_machine *machine_of(struct vt_keeper *keeper)
{
    return (struct vt_keeper_machine *)(void *)keeper;
}

VT_RESULT vt_keeper_machine_load(struct vt_keeper_machine *machine)
{
    struct vt_keeper_state *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    const vault_status status = machine->medium->load(machine, room);
    if (status == VAULT_OK) *machine->state = *room;
    if (status == VAULT_OK) machine->is_stale = false;
    vt_secret_free(room);
    return status;
}

static VT_RESULT freshen(struct vt_keeper_machine *machine)
{
    return machine->is_stale || machine->is_read_only ? vt_keeper_machine_load(machine) : VAULT_OK;
}

/* Before each change. */
static VT_RESULT change_begin(struct vt_keeper_machine *machine)
{
    machine->refusal[0] = '\0';
    return freshen(machine);
}

/* A copy of the state in the arena, to be changed and taken over. NULL when memory is short. */
static struct vt_keeper_state *draft_of(const struct vt_keeper_machine *machine)
{
    struct vt_keeper_state *draft = vt_secret_alloc(sizeof *draft);
    if (draft != NULL) *draft = *machine->state;
    return draft;
}

/* A replacement that failed leaves it unknown what the medium holds. Takes @p draft over. */
static VT_RESULT take_over(struct vt_keeper_machine *machine, struct vt_keeper_state *draft, enum vt_keeper_change change)
{
    machine->is_stale = true;
    const vault_status status = machine->medium->replace(machine, machine->state, draft, change);
    if (status == VAULT_OK) *machine->state = *draft;
    if (status == VAULT_OK) machine->is_stale = false;
    vt_secret_free(draft);
    return status;
}

/* The operations ---------------------------------------------------------------------------------------------------- */

static bool is_in_place(struct vt_keeper_machine *machine)
{
    return machine->medium->is_in_place == NULL || machine->medium->is_in_place(machine);
}

static vault_status machine_info(struct vt_keeper *keeper, struct vt_keeper_info *out_info)
{
    struct vt_keeper_machine *machine = machine_of(keeper);
    struct vt_keeper_info info = {.keeper_class = VT_KEEPER_E0};
    struct vt_note_verifier verifier;
    VT_AUTO(vt_buf) text = VT_BUF_INIT(sizeof info.verifier_key - 1);
    char signer_name[64];
    info.is_reachable = freshen(machine) == VAULT_OK && is_in_place(machine);
    machine->medium->describe(machine, &info);
    info.is_same_device_as_store = machine->is_same_device;
    info.keeper_id = machine->state->keeper_id;
    memcpy(info.name, machine->name, sizeof info.name);
    memcpy(info.refusal, machine->refusal, sizeof info.refusal);
    snprintf(signer_name, sizeof signer_name, "vaultd-keeper/%016llx", (unsigned long long)info.keeper_id);
    const struct vt_note_signer signer = {.name = signer_name, .seed = &machine->state->seed};
    VT_TRY(vt_note_verifier_of(&signer, &verifier));
    VT_TRY(vt_note_verifier_write(&text, &verifier));
    memcpy(info.verifier_key, text.data, text.len);
    *out_info = info;
    return VAULT_OK;
}

static vault_status machine_read(struct vt_keeper *keeper, struct vt_keeper_slot out_slots[VT_KEEPER_SLOTS], size_t *out_count)
{
    struct vt_keeper_machine *machine = machine_of(keeper);
    VT_TRY(freshen(machine));
    memcpy(out_slots, machine->state->slots, machine->state->slot_count * sizeof out_slots[0]);
    *out_count = machine->state->slot_count;
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

/* Free for any vault. Once it has finalised it is one vault's for good: its floor never comes back here. */
static bool holds_nothing(const struct vt_keeper_state *state)
{
    return state->slot_count == 0 && state->floor.epoch == 0 && state->floor.incarnation == 0;
}

/* Compare-and-swap: the next epoch of this incarnation, or a later one of a later incarnation (a take-over). */
static bool is_next(const struct vt_keeper_floor *floor, const struct vt_keeper_slot *slot)
{
    if (floor->epoch == 0) return slot->epoch != 0;
    if (slot->incarnation == floor->incarnation) return slot->epoch == floor->epoch + 1;
    return slot->incarnation > floor->incarnation && slot->epoch > floor->epoch;
}

/* @p out_is_here: this very slot is prepared already. */
static VT_RESULT prepare_check(const struct vt_keeper_state *state, const struct vt_keeper_slot *slot, bool *out_is_here)
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

static vault_status machine_prepare(struct vt_keeper *keeper, const struct vt_keeper_slot *slot)
{
    struct vt_keeper_machine *machine = machine_of(keeper);
    bool is_here;
    VT_TRY(change_begin(machine));
    VT_ENSURE(is_in_place(machine), VAULT_E_KEEPER);
    VT_TRY(prepare_check(machine->state, slot, &is_here));
    if (is_here) return VAULT_OK;

    struct vt_keeper_state *draft = draft_of(machine);
    VT_ENSURE(draft != NULL, VAULT_E_MEMORY);
    draft->floor.vault_id = slot->vault_id;
    draft->slots[draft->slot_count] = *slot;
    draft->slots[draft->slot_count++].state = VT_SLOT_PREPARED;
    return take_over(machine, draft, VT_KEEPER_PREPARING);
}

/* Never back: the same epoch again, or a later one, which a take-over's first is too. A later incarnation excuses no lower epoch:
 * whoever may ask at all could bring the floor down to that of a keeper of no vault. */
static bool may_follow(const struct vt_keeper_floor *floor, uint64_t incarnation, uint64_t epoch)
{
    if (epoch == 0) return false;
    if (incarnation == floor->incarnation) return epoch >= floor->epoch;
    return incarnation > floor->incarnation && epoch > floor->epoch;
}

static VT_RESULT finalize_check(const struct vt_keeper_state *state, uint64_t incarnation, uint64_t epoch,
                                const uint8_t attempt[VT_ATTEMPT_LEN], const struct vt_keeper_slot **out_kept)
{
    const struct vt_keeper_floor *floor = &state->floor;
    const struct vt_keeper_slot *kept = NULL;
    bool holds_whole_key = false;
    VT_ENSURE(!holds_nothing(state), VAULT_E_NOT_FOUND);
    VT_ENSURE(may_follow(floor, incarnation, epoch), VAULT_E_ROLLBACK);
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

static VT_RESULT sign_receipt(struct vt_keeper_machine *machine, const uint8_t attempt[VT_ATTEMPT_LEN], int64_t now_ms,
                              struct vt_keeper_receipt *out_receipt)
{
    const struct vt_keeper_state *state = machine->state;
    struct vt_keeper_info info = {.keeper_class = VT_KEEPER_E0};
    machine->medium->describe(machine, &info);
    struct vt_keeper_statement statement = {.keeper_id = state->keeper_id,
                                            .keeper_class = info.keeper_class,
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

static vault_status machine_finalize(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                                  const uint8_t attempt[VT_ATTEMPT_LEN], uint64_t commit_number, int64_t now_ms,
                                  struct vt_keeper_receipt *out_receipt)
{
    struct vt_keeper_machine *machine = machine_of(keeper);
    const struct vt_keeper_slot *kept;
    VT_TRY(change_begin(machine));
    VT_TRY(finalize_check(machine->state, incarnation, epoch, attempt, &kept));

    struct vt_keeper_state *draft = draft_of(machine);
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
    VT_TRY(take_over(machine, draft, VT_KEEPER_FINALIZING));
    return sign_receipt(machine, attempt, now_ms, out_receipt);
}

static vault_status machine_abort(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                               const uint8_t attempt[VT_ATTEMPT_LEN])
{
    struct vt_keeper_machine *machine = machine_of(keeper);
    VT_TRY(change_begin(machine));
    size_t at = 0;
    while (at < machine->state->slot_count && !is_attempt(&machine->state->slots[at], incarnation, epoch, attempt)) at++;
    if (at == machine->state->slot_count) return VAULT_OK;
    VT_ENSURE(machine->state->slots[at].state == VT_SLOT_PREPARED, VAULT_E_CONFLICT);

    struct vt_keeper_state *draft = draft_of(machine);
    VT_ENSURE(draft != NULL, VAULT_E_MEMORY);
    draft->slot_count--;
    memmove(&draft->slots[at], &draft->slots[at + 1], (draft->slot_count - at) * sizeof draft->slots[0]);
    vt_wipe(&draft->slots[draft->slot_count], sizeof draft->slots[0]);
    if (holds_nothing(draft)) draft->floor = (struct vt_keeper_floor){0};   /* free for any vault again */
    return take_over(machine, draft, VT_KEEPER_ABORTING);
}

static vault_status machine_floor(struct vt_keeper *keeper, struct vt_keeper_floor *out_floor)
{
    struct vt_keeper_machine *machine = machine_of(keeper);
    VT_TRY(freshen(machine));
    *out_floor = machine->state->floor;
    return VAULT_OK;
}

static vault_status machine_raise_floor(struct vt_keeper *keeper, const struct vt_keeper_floor *floor)
{
    struct vt_keeper_machine *machine = machine_of(keeper);
    VT_TRY(change_begin(machine));
    const struct vt_keeper_floor *now = &machine->state->floor;
    VT_ENSURE(now->epoch != 0 && is_same_vault(&now->vault_id, &floor->vault_id), VAULT_E_CONFLICT);
    VT_ENSURE(floor->incarnation >= now->incarnation, VAULT_E_ROLLBACK);
    VT_ENSURE(floor->incarnation == now->incarnation, VAULT_E_CONFLICT);
    VT_ENSURE(floor->epoch >= now->epoch, VAULT_E_ROLLBACK);
    VT_ENSURE(floor->epoch == now->epoch, VAULT_E_CONFLICT);
    VT_ENSURE(floor->commit_number >= now->commit_number, VAULT_E_ROLLBACK);
    if (floor->commit_number == now->commit_number) return VAULT_OK;

    struct vt_keeper_state *draft = draft_of(machine);
    VT_ENSURE(draft != NULL, VAULT_E_MEMORY);
    draft->floor.commit_number = floor->commit_number;
    return take_over(machine, draft, VT_KEEPER_RAISING);
}

static void machine_free(struct vt_keeper *keeper)
{
    struct vt_keeper_machine *machine = machine_of(keeper);
    vt_secret_free(machine->state);
    machine->medium->free(machine);
}

static const struct vt_keeper_ops machine_ops = {
    .info = machine_info, .read = machine_read, .prepare = machine_prepare, .finalize = machine_finalize,
    .abort = machine_abort, .floor = machine_floor, .raise_floor = machine_raise_floor, .free = machine_free,
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
    .info = machine_info, .read = machine_read, .prepare = refuse_prepare, .finalize = refuse_finalize,
    .abort = refuse_abort, .floor = machine_floor, .raise_floor = refuse_raise_floor, .free = machine_free,
};

VT_RESULT vt_keeper_compare_device(struct vt_keeper *keeper, const char *store_dir)
{
    struct vt_keeper_machine *machine = machine_of(keeper);
    struct stat theirs;
    dev_t ours;
    if (keeper->ops != &machine_ops && keeper->ops != &read_only_ops) return VAULT_OK;
    if (machine->medium->device == NULL) return VAULT_OK;
    VT_TRY(machine->medium->device(machine, &ours));
    VT_ENSURE(stat(store_dir, &theirs) == 0, VAULT_E_IO);
    machine->is_same_device = ours == theirs.st_dev;
    return VAULT_OK;
}

/* Beginning --------------------------------------------------------------------------------------------------------- */

static bool is_label(const char *name)
{
    const size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~') return false;
    return len >= 1 && len <= 64;
}

VT_RESULT vt_keeper_machine_init(struct vt_keeper_machine *machine, const struct vt_keeper_medium_ops *medium, const char *name,
                                 bool is_read_only)
{
    VT_ENSURE(is_label(name), VAULT_E_ARGUMENT);
    struct vt_keeper_state *state = vt_secret_alloc(sizeof *state);
    VT_ENSURE(state != NULL, VAULT_E_MEMORY);
    memset(state, 0, sizeof *state);
    machine->base.ops = is_read_only ? &read_only_ops : &machine_ops;
    machine->medium = medium;
    machine->is_read_only = is_read_only;
    snprintf(machine->name, sizeof machine->name, "%s", name);
    machine->state = state;
    return VAULT_OK;
}

VT_RESULT vt_keeper_sync_folder(const char *path)
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

bool vt_keeper_is_at(int fd, const char *path)
{
    struct stat open_one, named;
    return fstat(fd, &open_one) == 0 && lstat(path, &named) == 0 && open_one.st_dev == named.st_dev &&
           open_one.st_ino == named.st_ino;
}
