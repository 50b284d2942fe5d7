/* The keepers' quorum: shares out, shares in, erasing. */
#include "libvault/base/fault.h"
#include "libvault/crypto/aead.h"
#include "libvault/crypto/shamir.h"
#include "vaultd/core/epoch/epoch_internal.h"

bool vt_slot_is(const struct vt_keeper_slot *slot, const struct vt_epoch_id *id)
{
    return slot->incarnation == id->incarnation && slot->epoch == id->epoch &&
           memcmp(slot->attempt, id->attempt, VT_ATTEMPT_LEN) == 0;
}

static void share_context(const struct vt_vault_id *vault_id, uint64_t keeper_id, const struct vt_keeper_slot *slot,
                          struct vt_seal_ctx *ctx)
{
    vt_seal_ctx_begin(ctx, vault_id->bytes, slot->incarnation, VT_SEAL_SLOT, VT_TENANT_VAULT);
    vt_seal_ctx_u64(ctx, keeper_id);
    vt_seal_ctx_u64(ctx, slot->epoch);
    vt_seal_ctx_bytes(ctx, VT_BYTES_OF(slot->attempt));
    vt_seal_ctx_u8(ctx, slot->k);
    vt_seal_ctx_u8(ctx, slot->m);
    vt_seal_ctx_u8(ctx, slot->x);
}

/* Reading --------------------------------------------------------------------------------------------------------- */

void vt_epoch_note_floor(struct vt_epoch *epoch, size_t index)
{
    struct vt_keeper *keeper = epoch->keepers[index];
    struct vt_keeper_floor floor = {.epoch = 0};
    struct vt_keeper_info info = epoch->infos[index];
    const bool is_known = keeper->ops->info(keeper, &info) == VAULT_OK && info.is_reachable &&
                          keeper->ops->floor(keeper, &floor) == VAULT_OK;
    pthread_mutex_lock(&epoch->mutex);
    vt_epoch_resolve(epoch, &info);
    epoch->infos[index] = info;
    epoch->infos[index].is_reachable = is_known;
    if (is_known) epoch->floors[index] = floor;
    pthread_mutex_unlock(&epoch->mutex);
}

void vt_epoch_note_change(struct vt_epoch *epoch, size_t index, vault_status status)
{
    pthread_mutex_lock(&epoch->mutex);
    epoch->keeper_errors[index] = status;
    pthread_mutex_unlock(&epoch->mutex);
    vt_epoch_note_floor(epoch, index);
}

void vt_epoch_note_slots(struct vt_epoch *epoch, size_t index, const struct vt_keeper_slot *slots, size_t count)
{
    struct vt_keeper_ids held = {.count = count};
    for (size_t i = 0; i < count; i++) {
        held.ids[i] = (struct vt_epoch_id){.incarnation = slots[i].incarnation, .epoch = slots[i].epoch};
        memcpy(held.ids[i].attempt, slots[i].attempt, VT_ATTEMPT_LEN);
    }
    pthread_mutex_lock(&epoch->mutex);
    epoch->held[index] = held;
    pthread_mutex_unlock(&epoch->mutex);
}

static void note_prepared(struct vt_epoch *epoch, size_t index, const struct vt_epoch_id *id)
{
    pthread_mutex_lock(&epoch->mutex);
    struct vt_keeper_ids *held = &epoch->held[index];
    const size_t at = VT_MIN(held->count, (size_t)VT_KEEPER_SLOTS - 1);
    held->ids[at] = *id;
    held->count = at + 1;
    pthread_mutex_unlock(&epoch->mutex);
}

static void note_finalized(struct vt_epoch *epoch, size_t index, const struct vt_epoch_id *id, bool is_kept)
{
    pthread_mutex_lock(&epoch->mutex);
    epoch->held[index] = (struct vt_keeper_ids){.count = is_kept, .ids = {*id}};
    pthread_mutex_unlock(&epoch->mutex);
}

VT_RESULT vt_shares_survey(struct vt_epoch *epoch, struct vt_keeper_view out_views[VT_KEEPERS_MAX])
{
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        struct vt_keeper *keeper = epoch->keepers[i];
        struct vt_keeper_view *view = &out_views[i];        /* read where the caller wants it: no copy of a share stays behind */
        vt_wipe(view, sizeof *view);
        view->is_reachable = keeper->ops->read(keeper, view->slots, &view->slot_count) == VAULT_OK &&
                             keeper->ops->floor(keeper, &view->floor) == VAULT_OK;
        if (!view->is_reachable) vt_wipe(view, sizeof *view);
        vt_epoch_note_floor(epoch, i);
        vt_epoch_note_slots(epoch, i, view->slots, view->slot_count);
    }
    return VAULT_OK;
}

static const struct vt_keeper_slot *slot_of(const struct vt_keeper_view *view, const struct vt_epoch_id *id)
{
    for (size_t i = 0; i < view->slot_count; i++)
        if (vt_slot_is(&view->slots[i], id)) return &view->slots[i];
    return NULL;
}

unsigned vt_shares_present(const struct vt_epoch *epoch, const struct vt_keeper_view *views, const struct vt_epoch_id *id)
{
    unsigned count = 0;
    for (size_t i = 0; i < epoch->options.keeper_count; i++) count += slot_of(&views[i], id) != NULL;
    return count;
}

/* Shares that have been opened; arena memory. */
struct opened {
    unsigned count;
    uint8_t xs[VT_KEEPERS_MAX];
    uint8_t shares[VT_KEEPERS_MAX * VT_KEY_LEN];
    uint8_t k;
};

static bool has_point(const struct opened *opened, uint8_t x)
{
    for (unsigned i = 0; i < opened->count; i++)
        if (opened->xs[i] == x) return true;
    return false;
}

static VT_RESULT open_share(const struct vt_epoch *epoch, size_t index, const struct vt_keeper_slot *slot,
                            const struct vt_vault_id *vault_id, const struct vt_key *unseal_key, struct opened *opened)
{
    struct vt_seal_ctx ctx;
    const bool fits = slot->share_len == VT_KEY_LEN + VT_SEAL_OVERHEAD && (opened->count == 0 || slot->k == opened->k);
    VT_ENSURE(fits && slot->k >= 1 && slot->x >= 1 && !has_point(opened, slot->x), VAULT_E_CORRUPT);
    share_context(vault_id, epoch->infos[index].keeper_id, slot, &ctx);
    uint8_t *into = opened->shares + (size_t)opened->count * VT_KEY_LEN;
    VT_TRY(vt_unseal_into(unseal_key, &ctx, vt_bytes(slot->share, slot->share_len), into));
    opened->xs[opened->count++] = slot->x;
    opened->k = slot->k;
    return VAULT_OK;
}

static VT_RESULT combine(const struct vt_epoch *epoch, const struct vt_keeper_view *views, const struct vt_epoch_id *id,
                         const struct vt_vault_id *vault_id, const struct vt_key *unseal_key, struct opened *opened,
                         struct vt_key *out_root)
{
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        const struct vt_keeper_slot *slot = slot_of(&views[i], id);
        if (slot == NULL || (opened->count != 0 && opened->count == opened->k)) continue;
        const vault_status status = open_share(epoch, i, slot, vault_id, unseal_key, opened);
        VT_ENSURE(status == VAULT_OK || status == VAULT_E_AUTHENTICITY || status == VAULT_E_CORRUPT, status);
    }
    VT_ENSURE(opened->count != 0, VAULT_E_WRONG_SECRET);
    VT_ENSURE(opened->count >= opened->k, VAULT_E_AUTHENTICITY);
    return vt_shamir_combine(opened->xs, opened->shares, opened->k, VT_KEY_LEN, out_root->bytes);
}

VT_RESULT vt_shares_combine(const struct vt_epoch *epoch, const struct vt_keeper_view *views, const struct vt_epoch_id *id,
                            const struct vt_vault_id *vault_id, const struct vt_key *unseal_key, struct vt_key *out_root)
{
    struct opened *opened = vt_secret_alloc(sizeof *opened);
    VT_ENSURE(opened != NULL, VAULT_E_MEMORY);
    opened->count = 0;
    VT_AUTO(vt_key) root = VT_KEY_INIT;
    const vault_status status = combine(epoch, views, id, vault_id, unseal_key, opened, &root);
    vt_secret_free(opened);
    VT_TRY(status);
    *out_root = root;
    return VAULT_OK;
}

/* Preparing ------------------------------------------------------------------------------------------------------- */

/* @p shares of all points, in their order. @param slot arena memory */
static VT_RESULT prepare_in(struct vt_epoch *epoch, size_t index, const struct vt_sharing *sharing, uint8_t x,
                            const uint8_t *shares, struct vt_keeper_slot *slot)
{
    struct vt_keeper *keeper = epoch->keepers[index];
    const uint8_t *share = shares + (size_t)(x - 1) * VT_KEY_LEN;
    struct vt_seal_ctx ctx;
    *slot = (struct vt_keeper_slot){.state = VT_SLOT_PREPARED,
                                    .vault_id = sharing->vault_id,
                                    .incarnation = sharing->id.incarnation,
                                    .epoch = sharing->id.epoch,
                                    .k = sharing->set->k,
                                    .m = (uint8_t)vt_keeper_set_size(sharing->set, false),
                                    .x = x,
                                    .share_len = VT_KEY_LEN + VT_SEAL_OVERHEAD};
    memcpy(slot->attempt, sharing->id.attempt, sizeof slot->attempt);
    share_context(&sharing->vault_id, epoch->infos[index].keeper_id, slot, &ctx);
    VT_TRY(vt_seal_into(sharing->unseal_key, &ctx, vt_bytes(share, VT_KEY_LEN), slot->share));
    VT_TRY(keeper->ops->prepare(keeper, slot));
    note_prepared(epoch, index, &sharing->id);
    return VAULT_OK;
}

static VT_RESULT prepare_one(struct vt_epoch *epoch, size_t index, const struct vt_sharing *sharing, uint8_t x,
                             const uint8_t *shares)
{
    struct vt_keeper_slot *slot = vt_secret_alloc(sizeof *slot);
    VT_ENSURE(slot != NULL, VAULT_E_MEMORY);
    const vault_status status = prepare_in(epoch, index, sharing, x, shares, slot);
    vt_secret_free(slot);
    return status;
}

/* 0: it gets none. */
static uint8_t point_of(const struct vt_epoch *epoch, size_t index, const struct vt_keeper_set *set)
{
    const struct vt_keeper_member *member =
        vt_keeper_set_find((struct vt_keeper_set *)(uintptr_t)set, epoch->infos[index].keeper_id);
    return member != NULL ? member->x : 0;
}

VT_RESULT vt_shares_prepare(struct vt_epoch *epoch, const struct vt_sharing *sharing)
{
    const unsigned m = (unsigned)vt_keeper_set_size(sharing->set, false);
    VT_AUTO(vt_secret) shares = {vt_secret_alloc((size_t)m * VT_KEY_LEN), (size_t)m * VT_KEY_LEN};
    unsigned taken = 0;
    VT_ENSURE(shares.data != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_shamir_split(vt_key_bytes(sharing->root), sharing->set->k, m, shares.data));
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        const uint8_t x = point_of(epoch, i, sharing->set);
        vault_status status = vt_shares_catch_up(epoch, i);
        if (status == VAULT_OK && x != 0) {
            status = prepare_one(epoch, i, sharing, x, shares.data);
            taken += status == VAULT_OK;
        }
        vt_epoch_note_change(epoch, i, status);
        vt_fault_step("S2.keeper");
    }
    if (taken >= sharing->needed) return VAULT_OK;
    vt_shares_abort(epoch, &sharing->id);
    return VAULT_E_KEEPER;
}

void vt_shares_abort(struct vt_epoch *epoch, const struct vt_epoch_id *id)
{
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        struct vt_keeper *keeper = epoch->keepers[i];
        const vault_status status = keeper->ops->abort(keeper, id->incarnation, id->epoch, id->attempt);
        if (status != VAULT_OK) vt_epoch_note_floor(epoch, i);      /* status shows that it is away */
        vt_fault_step("abort.keeper");
    }
}

/* Erasing --------------------------------------------------------------------------------------------------------- */

bool vt_receipt_says_so(const struct vt_keeper_statement *said, const struct vt_keeper_info *info,
                        const struct vt_vault_id *vault_id, const struct vt_epoch_id *id)
{
    return said->keeper_id == info->keeper_id && said->keeper_class == info->keeper_class &&
           memcmp(&said->vault_id, vault_id, sizeof *vault_id) == 0 && said->incarnation == id->incarnation &&
           said->epoch == id->epoch && memcmp(said->attempt, id->attempt, VT_ATTEMPT_LEN) == 0;
}

static bool is_of_no_vault(const struct vt_keeper_floor *floor)
{
    static const struct vt_vault_id NONE;
    return floor->epoch == 0 && memcmp(&floor->vault_id, &NONE, sizeof NONE) == 0;
}

/* Another vault's keeper may have been put where ours was, at any time; it cannot know who asks, and would erase its share. */
static VT_RESULT check_is_ours(struct vt_epoch *epoch, size_t index)
{
    struct vt_keeper_floor floor;
    VT_TRY(epoch->keepers[index]->ops->floor(epoch->keepers[index], &floor));
    const bool is_ours = is_of_no_vault(&floor) || memcmp(&floor.vault_id, &epoch->vault_id, sizeof floor.vault_id) == 0;
    return is_ours ? VAULT_OK : VAULT_E_KEEPER;
}

VT_RESULT vt_shares_finalize(struct vt_epoch *epoch, size_t index, const struct vt_epoch_id *id, uint64_t commit_number,
                             struct vt_keeper_receipt *out_receipt)
{
    struct vt_keeper *keeper = epoch->keepers[index];
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    struct vt_keeper_statement said;
    const struct vt_keeper_info *info = &epoch->infos[index];
    VT_TRY(check_is_ours(epoch, index));
    VT_TRY(keeper->ops->finalize(keeper, id->incarnation, id->epoch, id->attempt, commit_number, vt_epoch_now_ms(epoch),
                                 &receipt));
    VT_TRY(vt_keeper_receipt_verify(vt_buf_bytes(&receipt.note), info->verifier_key, &said));
    VT_ENSURE(vt_receipt_says_so(&said, info, &epoch->vault_id, id), VAULT_E_AUTHENTICITY);
    note_finalized(epoch, index, id, said.kept_x != 0);
    VT_TRY(vt_epoch_note_receipt(epoch, index, id->epoch, vt_buf_bytes(&receipt.note)));
    vt_buf_move(&out_receipt->note, &receipt.note);
    return VAULT_OK;
}

/* A keeper that never finalised was to join, and holds what it was given then: unless it is of the present attempt, that of a
 * change that was given up, which may be older than the present epoch. */
static bool is_stray(const struct vt_keeper_slot *slot, const struct vt_keeper_floor *floor, const struct vt_epoch_id *current)
{
    if (slot->state != VT_SLOT_PREPARED) return false;
    return slot->epoch > current->epoch || (floor->epoch == 0 && !vt_slot_is(slot, current));
}

/* @param out_left how many slots are left */
static VT_RESULT abort_strays(struct vt_epoch *epoch, size_t index, const struct vt_keeper_floor *floor,
                              const struct vt_epoch_id *current, size_t *out_left)
{
    struct vt_keeper *keeper = epoch->keepers[index];
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS] = {0};
    size_t count = 0;
    vault_status status = keeper->ops->read(keeper, slots, &count);
    if (status == VAULT_OK) vt_epoch_note_slots(epoch, index, slots, count);
    *out_left = count;
    for (size_t i = 0; i < count && status == VAULT_OK; i++) {
        if (!is_stray(&slots[i], floor, current)) continue;
        status = keeper->ops->abort(keeper, slots[i].incarnation, slots[i].epoch, slots[i].attempt);
        *out_left -= status == VAULT_OK;
    }
    vt_wipe(slots, sizeof slots);
    return status;
}

/* One that was away at the start comes with an identity; a copy of another keeper's file is that keeper, not one more. */
static VT_RESULT check_is_alone(const struct vt_epoch *epoch, size_t index)
{
    for (size_t i = 0; i < epoch->options.keeper_count; i++)
        VT_ENSURE(i == index || epoch->infos[i].keeper_id != epoch->infos[index].keeper_id, VAULT_E_KEEPER);
    return VAULT_OK;
}

/* Not while one is closing: what it is about to be given counts already. */
static void forgive(struct vt_epoch *epoch, size_t index)
{
    pthread_mutex_lock(&epoch->mutex);
    const bool is_changed = epoch->closing == NULL && vt_keeper_set_forgive(&epoch->set, epoch->infos[index].keeper_id);
    epoch->has_news = epoch->has_news || is_changed;
    pthread_mutex_unlock(&epoch->mutex);
}

/* Nothing was prepared for an epoch that is not closing, so whatever is found prepared was given up. */
VT_RESULT vt_shares_catch_up(struct vt_epoch *epoch, size_t index)
{
    struct vt_keeper *keeper = epoch->keepers[index];
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    struct vt_keeper_floor floor;
    size_t left;
    const struct vt_epoch_id current = vt_epoch_current(epoch);
    VT_TRY(keeper->ops->floor(keeper, &floor));
    if (current.epoch != 0 && is_of_no_vault(&floor)) forgive(epoch, index);
    if (current.epoch == 0 || is_of_no_vault(&floor)) return VAULT_OK;      /* being initialised; new to the set */
    VT_ENSURE(memcmp(&floor.vault_id, &epoch->vault_id, sizeof floor.vault_id) == 0, VAULT_E_KEEPER);
    /* Somebody goes on where this vault ended: what is prepared there is theirs. */
    VT_ENSURE(!vt_floor_is_past(&floor, &current), VAULT_E_ROLLBACK);
    VT_TRY(check_is_alone(epoch, index));
    VT_TRY(abort_strays(epoch, index, &floor, &current, &left));
    if (floor.epoch == 0 && left == 0) {
        forgive(epoch, index);
        return VAULT_OK;
    }
    if (floor.incarnation == current.incarnation && floor.epoch >= current.epoch) return VAULT_OK;
    return vt_shares_finalize(epoch, index, &current, 0, &receipt);
}
