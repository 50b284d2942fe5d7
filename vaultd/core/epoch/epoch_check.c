/* Looking at the keepers: what each holds, whether its share fits the others', whether its receipt verifies; and how many may fail.
 *
 * A share is sealed with its keeper, epoch and point, so one that opens is the one that this vault put there; that it fits is shown
 * by putting the root key together with it and opening the root page. Nothing is written anywhere. */
#include <time.h>

#include "vaultd/core/epoch/epoch_internal.h"

_Static_assert((int)VT_KEEPERS_OWING_MAX == (int)VT_KEEPER_SET_MAX, "there is room for all");
enum { TRIES_MAX = 4096 };      /* of k shares out of those that are here, to find k that open the root page */
enum { CHECK_WAIT_NS = 500 * 1000 * 1000, CHECK_PAUSE_NS = 5 * 1000 * 1000 };

/* How many may fail --------------------------------------------------------------------------------------------------- */

/* Under the mutex. */
static bool holds(const struct vt_epoch *epoch, size_t index, const struct vt_epoch_id *id)
{
    const struct vt_keeper_ids *held = &epoch->held[index];
    for (size_t i = 0; i < held->count; i++)
        if (vt_epoch_id_equal(&held->ids[i], id)) return true;
    return false;
}

/* Of this vault, or of none yet: such a one takes a share when the next epoch is prepared. One whose floor is past the present
 * epoch serves the vault's other life. */
static bool can_take_part(const struct vt_epoch *epoch, size_t index)
{
    const struct vt_keeper_floor *floor = &epoch->floors[index];
    return epoch->infos[index].is_reachable && !vt_floor_is_past(floor, &epoch->current) &&
           (floor->epoch == 0 || memcmp(&floor->vault_id, &epoch->vault_id, sizeof floor->vault_id) == 0);
}

static bool is_holder(const struct vt_epoch *epoch, size_t index)
{
    for (size_t i = 0; i < epoch->set.count; i++)
        if (epoch->set.members[i].x != 0 && epoch->set.members[i].id == epoch->infos[index].keeper_id) return true;
    return false;
}

/* A free one gets the share of the holder whose name it has. */
static bool gets_share(const struct vt_epoch *epoch, size_t index)
{
    if (is_holder(epoch, index)) return true;
    for (size_t i = 0; i < epoch->set.count; i++) {
        const struct vt_keeper_member *member = &epoch->set.members[i];
        if (member->x == 0 || strcmp(member->name, epoch->infos[index].name) != 0) continue;
        return epoch->floors[index].epoch == 0 && vt_epoch_index_of(epoch, member->id) == VT_KEEPERS_MAX;
    }
    return false;
}

void vt_epoch_count_tolerance(const struct vt_epoch *epoch, struct vt_epoch_tolerance *out_tolerance)
{
    const bool is_known = epoch->set.epoch != 0;
    const unsigned k = is_known ? epoch->set.k : epoch->options.quorum;
    const unsigned m = (unsigned)(is_known ? vt_keeper_set_size(&epoch->set, false) : epoch->options.keeper_count);
    struct vt_epoch_tolerance tolerance = {.opening.needed = k, .preparing.needed = k + epoch->tolerance,
                                           .erasing.needed = m - k + 1};
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        if (!can_take_part(epoch, i)) continue;
        tolerance.preparing.have += !is_known || gets_share(epoch, i);
        tolerance.erasing.have += epoch->floors[i].epoch != 0 && (!is_known || is_holder(epoch, i));
        tolerance.opening.have += holds(epoch, i, &epoch->current);
    }
    *out_tolerance = tolerance;
}

/* Healing ------------------------------------------------------------------------------------------------------------- */

/* One of the holders, of this very epoch, and with nothing of it: what it had lay in memory, and it was restarted. One that had
 * just joined has no floor yet when that was before its first FINALIZE. */
static bool has_forgotten(const struct vt_epoch *epoch, size_t index)
{
    const struct vt_keeper_floor *floor = &epoch->floors[index];
    const bool is_of_now = floor->incarnation == epoch->current.incarnation && floor->epoch == epoch->current.epoch;
    return epoch->infos[index].keeper_class == VT_KEEPER_E4 && can_take_part(epoch, index) && is_holder(epoch, index) &&
           (is_of_now || floor->epoch == 0) && !holds(epoch, index, &epoch->current);
}

/* Under the mutex. */
static bool lacks_share(const struct vt_epoch *epoch)
{
    struct vt_epoch_tolerance tolerance;
    vt_epoch_count_tolerance(epoch, &tolerance);
    if (tolerance.preparing.have < tolerance.preparing.needed) return false;
    for (size_t i = 0; i < epoch->options.keeper_count; i++)
        if (has_forgotten(epoch, i)) return true;
    return false;
}

bool vt_epoch_wants_healing(struct vt_epoch *epoch)
{
    const int64_t now_ms = vt_epoch_now_ms(epoch);
    pthread_mutex_lock(&epoch->mutex);
    const bool may = !epoch->is_sealed && epoch->closing == NULL && epoch->unfinished == NULL && !epoch->options.is_beside_live;
    const bool wants = may && now_ms >= epoch->heal_at_ms && lacks_share(epoch);
    pthread_mutex_unlock(&epoch->mutex);
    return wants;
}

/* Do the shares fit? -------------------------------------------------------------------------------------------------- */

struct fitting {
    struct vt_epoch *epoch;
    const struct vt_key *unseal_key;
    struct vt_epoch_id current;
    struct vt_txn *txn;
    const struct vt_keeper_view *views;
    struct vt_keeper_view *chosen;          /* of VT_KEEPERS_MAX: the shares of one try */
    uint32_t present;                       /* bit i: keeper i has a share of the present epoch */
    uint32_t base;                          /* k that open the root page; 0: none were found */
};

/* VAULT_E_AUTHENTICITY: they do not. */
static VT_RESULT try_shares(struct fitting *fitting, uint32_t mask)
{
    VT_AUTO(vt_key) root = VT_KEY_INIT;
    for (size_t i = 0; i < VT_KEEPERS_MAX; i++) {
        if (mask >> i & 1) fitting->chosen[i] = fitting->views[i];
        else fitting->chosen[i].slot_count = 0;
    }
    const vault_status status = vt_shares_combine(fitting->epoch, fitting->chosen, &fitting->current, &fitting->epoch->vault_id,
                                                  fitting->unseal_key, &root);
    if (status == VAULT_E_WRONG_SECRET) return VAULT_E_AUTHENTICITY;
    VT_TRY(status);
    return vt_keyring_root_opens(fitting->txn, &root);
}

/* The k that a slot of the present epoch names; what lies about it does not open, since it is part of the seal's context. */
static unsigned quorum_of(const struct fitting *fitting)
{
    unsigned k = 0;
    for (size_t i = 0; i < fitting->epoch->options.keeper_count; i++)
        for (size_t j = 0; j < fitting->views[i].slot_count; j++)
            if (vt_slot_is(&fitting->views[i].slots[j], &fitting->current)) k = VT_MAX(k, fitting->views[i].slots[j].k);
    return k;
}

static VT_RESULT find_base(struct fitting *fitting)
{
    const unsigned k = quorum_of(fitting);
    unsigned tries = 0;
    for (uint32_t mask = 1; mask < (uint32_t)1 << VT_KEEPERS_MAX && tries < TRIES_MAX; mask++) {
        if ((mask & ~fitting->present) != 0 || (unsigned)__builtin_popcount(mask) != k) continue;
        tries++;
        const vault_status status = try_shares(fitting, mask);
        VT_ENSURE(status == VAULT_OK || status == VAULT_E_AUTHENTICITY, status);
        if (status == VAULT_OK) fitting->base = mask;
        if (status == VAULT_OK) return VAULT_OK;
    }
    return VAULT_OK;
}

/* In the place of one that fits. */
static VT_RESULT judge_share(struct fitting *fitting, size_t index, enum vt_share_verdict *out_verdict)
{
    const uint32_t bit = (uint32_t)1 << index;
    *out_verdict = VT_SHARE_NONE;
    if ((fitting->present & bit) == 0) return VAULT_OK;
    *out_verdict = VT_SHARE_UNCHECKED;
    if (fitting->base == 0) return VAULT_OK;
    *out_verdict = VT_SHARE_FITS;
    if ((fitting->base & bit) != 0) return VAULT_OK;
    const uint32_t rest = fitting->base & (fitting->base - 1);      /* all of them but the first */
    const vault_status status = try_shares(fitting, rest | bit);
    if (status == VAULT_E_AUTHENTICITY) *out_verdict = VT_SHARE_WRONG;
    return status == VAULT_E_AUTHENTICITY ? VAULT_OK : status;
}

static VT_RESULT judge_shares(struct fitting *fitting, struct vt_epoch_check *check)
{
    for (size_t i = 0; i < check->count; i++)
        for (size_t j = 0; j < fitting->views[i].slot_count; j++)
            if (vt_slot_is(&fitting->views[i].slots[j], &fitting->current)) fitting->present |= (uint32_t)1 << i;
    if (fitting->unseal_key != NULL) VT_TRY(find_base(fitting));
    for (size_t i = 0; i < check->count; i++) VT_TRY(judge_share(fitting, i, &check->keepers[i].share));
    return VAULT_OK;
}

/* Receipts ------------------------------------------------------------------------------------------------------------ */

static bool receipt_is_good(const struct vt_keeper_info *info, const struct vt_vault_id *vault_id, const struct vt_epoch_id *id,
                            struct vt_bytes note)
{
    struct vt_keeper_statement said;
    return vt_keeper_receipt_verify(note, info->verifier_key, &said) == VAULT_OK &&
           vt_receipt_says_so(&said, info, vault_id, id);
}

/* What the store has of the present epoch's closing. */
static VT_RESULT judge_receipts(struct vt_epoch *epoch, const struct vt_epoch_id *current, struct vt_txn *txn,
                                struct vt_epoch_check *check)
{
    VT_AUTO(vt_buf) receipts = VT_BUF_INIT(VT_EPOCH_RECEIPTS_MAX);
    const vault_status found = vt_epoch_receipts(txn, current->epoch, &receipts);
    if (found == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(found);
    struct vt_bytes rest = vt_buf_bytes(&receipts);
    struct vt_epoch_receipt receipt;
    while (rest.len != 0) {
        VT_TRY(vt_epoch_receipt_next(&rest, &receipt));
        for (size_t i = 0; i < check->count; i++) {
            struct vt_keeper_check *keeper = &check->keepers[i];
            if (keeper->info.keeper_id != receipt.keeper_id) continue;
            const bool is_good = receipt_is_good(&keeper->info, &epoch->vault_id, current, receipt.note);
            keeper->receipt = is_good ? VT_RECEIPT_VERIFIED : VT_RECEIPT_WRONG;
        }
    }
    return VAULT_OK;
}

/* All of it ----------------------------------------------------------------------------------------------------------- */

static void describe(const struct vt_epoch *epoch, size_t index, const struct vt_keeper_view *view,
                     struct vt_keeper_check *out_keeper)
{
    *out_keeper = (struct vt_keeper_check){.info = epoch->infos[index], .floor = epoch->floors[index]};
    const bool is_free = view->floor.epoch == 0 && view->slot_count == 0;
    bool is_ours = view->floor.epoch == 0 || memcmp(&view->floor.vault_id, &epoch->vault_id, sizeof epoch->vault_id) == 0;
    for (size_t i = 0; i < view->slot_count; i++) {
        const struct vt_keeper_slot *slot = &view->slots[i];
        is_ours = is_ours && memcmp(&slot->vault_id, &epoch->vault_id, sizeof epoch->vault_id) == 0;
        out_keeper->held[i] = (struct vt_keeper_held){slot->incarnation, slot->epoch, slot->state, slot->k, slot->m, slot->x};
    }
    out_keeper->held_count = view->slot_count;
    out_keeper->belongs = is_free ? VT_KEEPER_TO_NONE : is_ours ? VT_KEEPER_TO_US : VT_KEEPER_TO_ANOTHER;
}

static VT_RESULT judge(struct fitting *fitting, struct vt_epoch_check *check)
{
    struct vt_epoch *epoch = fitting->epoch;
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(epoch->store, &txn));
    fitting->txn = txn;
    VT_TRY(judge_shares(fitting, check));
    return judge_receipts(epoch, &fitting->current, txn, check);
}

/* Arena memory: sealed shares, and the key that opens them. */
struct check_room {
    struct vt_keeper_view views[VT_KEEPERS_MAX], chosen[VT_KEEPERS_MAX];
    struct vt_key unseal_key;
};

/* Under the mutex. */
static void list_owing(const struct vt_epoch *epoch, struct vt_epoch_check *check)
{
    for (size_t i = 0; i < epoch->set.count; i++) {
        const struct vt_keeper_member *member = &epoch->set.members[i];
        if (member->x != 0 || member->clean_from > member->last_epoch) continue;
        struct vt_keeper_owing *owing = &check->owing[check->owing_count++];
        *owing = (struct vt_keeper_owing){.id = member->id, .last_epoch = member->last_epoch};
        memcpy(owing->name, member->name, sizeof owing->name);
    }
}

/* Under the mutex. One that was never opened has the id of the holder of its name, and is none of these. */
static void list_missing(const struct vt_epoch *epoch, struct vt_epoch_check *check)
{
    for (size_t i = 0; i < epoch->set.count; i++) {
        const struct vt_keeper_member *member = &epoch->set.members[i];
        if (member->x == 0 || vt_epoch_index_of(epoch, member->id) != VT_KEEPERS_MAX) continue;
        struct vt_keeper_owing *missing = &check->missing[check->missing_count++];
        *missing = (struct vt_keeper_owing){.id = member->id, .last_epoch = member->last_epoch};
        memcpy(missing->name, member->name, sizeof missing->name);
    }
}

static VT_RESULT check_in(struct vt_epoch *epoch, struct check_room *room, struct vt_epoch_check *check)
{
    pthread_mutex_lock(&epoch->mutex);
    const bool is_busy = epoch->closing != NULL;
    check->is_sealed = epoch->is_sealed;
    room->unseal_key = epoch->secrets->unseal;
    struct fitting fitting = {.epoch = epoch, .current = epoch->current, .views = room->views, .chosen = room->chosen};
    pthread_mutex_unlock(&epoch->mutex);
    VT_ENSURE(!is_busy, VAULT_E_BUSY);
    if (!check->is_sealed) fitting.unseal_key = &room->unseal_key;
    VT_TRY(vt_shares_survey(epoch, room->views));
    check->count = epoch->options.keeper_count;
    for (size_t i = 0; i < check->count; i++) describe(epoch, i, &room->views[i], &check->keepers[i]);
    if (fitting.current.epoch != 0) VT_TRY(judge(&fitting, check));
    pthread_mutex_lock(&epoch->mutex);
    vt_epoch_count_tolerance(epoch, &check->tolerance);
    list_owing(epoch, check);
    list_missing(epoch, check);
    pthread_mutex_unlock(&epoch->mutex);
    return VAULT_OK;
}

/* A closing that begins once it is ours waits for us before it talks to a keeper. Whoever asks waits for a floor that is being
 * pushed and not for a keeper that hangs: every worker would in the end. Not pthread_mutex_clocklock(): ThreadSanitizer of gcc 12
 * does not know it. */
static VT_RESULT lock_keepers(struct vt_epoch *epoch)
{
    static const struct timespec PAUSE = {.tv_nsec = CHECK_PAUSE_NS};
    for (unsigned tries = CHECK_WAIT_NS / CHECK_PAUSE_NS; tries != 0; tries--) {
        if (pthread_mutex_trylock(&epoch->push_mutex) == 0) return VAULT_OK;
        nanosleep(&PAUSE, NULL);
    }
    return VAULT_E_BUSY;
}

VT_RESULT vt_epoch_check(struct vt_epoch *epoch, struct vt_epoch_check *out_check)
{
    struct vt_epoch_check check = {.count = 0};
    struct check_room *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    vault_status status = lock_keepers(epoch);
    if (status == VAULT_OK) {
        status = check_in(epoch, room, &check);
        pthread_mutex_unlock(&epoch->push_mutex);
    }
    vt_secret_free(room);
    VT_TRY(status);
    *out_check = check;
    return VAULT_OK;
}
