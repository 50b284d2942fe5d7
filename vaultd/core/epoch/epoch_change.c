/* Changing who holds the shares of the root key: what is wished, why it may not be, and the attested end of a keeper that is gone.
 * docs/decisions/0018. */
#include <stdio.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "libvault/proof/checkpoint.h"
#include "libvault/proof/note.h"
#include "vaultd/core/epoch/epoch_internal.h"

/* Planning ------------------------------------------------------------------------------------------------------------- */

struct planning {
    struct vt_epoch *epoch;
    const struct vt_keeper_wish *wish;
    const struct vt_epoch_check *check;
    struct vt_keeper_set set;
    struct vt_keeper_plan *plan;
    struct vt_err *err;
};

static bool is_named(const char names[][65], size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bool is_leaving(const struct vt_keeper_wish *wish, const char *name)
{
    return is_named(wish->leave, wish->leave_count, name);
}

static bool is_lost(const struct vt_keeper_wish *wish, const char *name)
{
    return is_named(wish->lost, wish->lost_count, name);
}

static void plan_add(struct planning *planning, uint64_t id, const char *name, enum vt_keeper_part part)
{
    struct vt_keeper_plan *plan = planning->plan;
    VT_BUG_ON(plan->count == VT_ARRAY_LEN(plan->items));
    struct vt_planned_keeper *item = &plan->items[plan->count++];
    item->id = id;
    item->part = part;
    snprintf(item->name, sizeof item->name, "%s", name);
}

static const struct vt_keeper_check *find_checked(const struct planning *planning, uint64_t id)
{
    for (size_t i = 0; i < planning->check->count; i++)
        if (planning->check->keepers[i].info.keeper_id == id) return &planning->check->keepers[i];
    return NULL;
}

static VT_RESULT plan_holder(struct planning *planning, const struct vt_keeper_member *member)
{
    const struct vt_keeper_check *checked = find_checked(planning, member->id);
    const bool is_here = checked != NULL && checked->info.is_reachable;
    if (is_lost(planning->wish, member->name) && is_here)
        return vt_fail(planning->err, VAULT_E_STATE, "lost", "Keeper %s answers, so it is not lost: name it in leave.",
                       member->name);
    if (is_lost(planning->wish, member->name)) {
        plan_add(planning, member->id, member->name, VT_KEEPER_IS_LOST);
        return VAULT_OK;
    }
    if (!is_here)
        return vt_fail(planning->err, VAULT_E_KEEPER, "lost",
                       "Keeper %s holds a share and does not answer: bring it back, or name it in lost if it is gone for good.",
                       member->name);
    plan_add(planning, member->id, member->name, is_leaving(planning->wish, member->name) ? VT_KEEPER_LEAVES : VT_KEEPER_STAYS);
    return VAULT_OK;
}

/* One that holds no share any more and has not shown that it erased what it had: by its id, since another may have its name. */
static void plan_departed(struct planning *planning, const struct vt_keeper_member *member)
{
    char id[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)member->id);
    if (!is_lost(planning->wish, id) || member->clean_from > member->last_epoch) return;
    plan_add(planning, member->id, id, VT_KEEPER_IS_LOST);
}

/* Of the settings, and no holder that is here. */
static VT_RESULT plan_other(struct planning *planning, const struct vt_keeper_check *checked)
{
    const struct vt_keeper_info *info = &checked->info;
    const struct vt_keeper_member *member = vt_keeper_set_find(&planning->set, info->keeper_id);
    if (is_leaving(planning->wish, info->name) || (member != NULL && member->x != 0 && info->is_reachable)) return VAULT_OK;
    if (info->is_reachable && checked->belongs == VT_KEEPER_TO_ANOTHER)
        return vt_fail(planning->err, VAULT_E_KEEPER, info->name,
                       "Keeper %s belongs to another vault: it is not taken. Give this vault one of its own.", info->name);
    plan_add(planning, info->is_reachable ? info->keeper_id : 0, info->name, VT_KEEPER_JOINS);
    return VAULT_OK;
}

static size_t plan_count(const struct vt_keeper_plan *plan, enum vt_keeper_part part)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++) count += plan->items[i].part == part;
    return count;
}

static bool is_item(const struct vt_planned_keeper *item, enum vt_keeper_part part, const char *name)
{
    return item->part == part && strcmp(item->name, name) == 0;
}

static VT_RESULT check_names(const struct planning *planning, const char names[][65], size_t count, const char *field,
                             enum vt_keeper_part part)
{
    for (size_t i = 0; i < count; i++) {
        bool is_known = false;
        for (size_t j = 0; j < planning->plan->count; j++)
            is_known = is_known || is_item(&planning->plan->items[j], part, names[i]);
        if (!is_known)
            return vt_fail(planning->err, VAULT_E_ARGUMENT, field,
                           "No keeper of that name holds a share, and none of that id owes a receipt: see keeper check.");
    }
    return VAULT_OK;
}

static VT_RESULT check_plan(const struct planning *planning)
{
    const struct vt_keeper_plan *plan = planning->plan;
    const size_t stays = plan_count(plan, VT_KEEPER_STAYS), joins = plan_count(plan, VT_KEEPER_JOINS);
    const size_t holders = vt_keeper_set_size(&planning->set, false);
    VT_TRY(check_names(planning, planning->wish->leave, planning->wish->leave_count, "leave", VT_KEEPER_LEAVES));
    VT_TRY(check_names(planning, planning->wish->lost, planning->wish->lost_count, "lost", VT_KEEPER_IS_LOST));
    if (stays + joins < plan->k)
        return vt_fail(planning->err, VAULT_E_KEEPER, "quorum",
                       "%zu keepers would be left, and the settings ask for a quorum of %u.", stays + joins, plan->k);
    if (holders == 1 && stays == 0)
        return vt_fail(planning->err, VAULT_E_STATE, "leave",
                       "A lone keeper holds the whole root key and gives it up only when it has another: add the new keepers "
                       "beside it first, and let it leave with the next change.");
    planning->plan->is_same = joins == 0 && stays == holders && plan->k == planning->set.k;
    return VAULT_OK;
}

static VT_RESULT plan_all(struct planning *planning)
{
    struct vt_keeper_plan *plan = planning->plan;
    if (planning->set.epoch == 0)
        return vt_fail(planning->err, VAULT_E_KEEPER, NULL,
                       "Who holds the shares is not known before all keepers of the first epoch have been seen at an unsealing.");
    plan->k = planning->epoch->options.quorum;
    for (size_t i = 0; i < planning->set.count; i++) {
        if (planning->set.members[i].x != 0) VT_TRY(plan_holder(planning, &planning->set.members[i]));
        else plan_departed(planning, &planning->set.members[i]);
    }
    for (size_t i = 0; i < planning->check->count; i++) VT_TRY(plan_other(planning, &planning->check->keepers[i]));
    return check_plan(planning);
}

VT_RESULT vt_epoch_plan_change(struct vt_epoch *epoch, const struct vt_keeper_wish *wish, const struct vt_epoch_check *check,
                               struct vt_keeper_plan *out_plan, struct vt_err *err)
{
    struct vt_keeper_plan plan = {.count = 0};
    struct planning planning = {.epoch = epoch, .wish = wish, .check = check, .plan = &plan, .err = err};
    VT_ENSURE(!check->is_sealed, VAULT_E_SEALED);
    pthread_mutex_lock(&epoch->mutex);
    planning.set = epoch->set;
    pthread_mutex_unlock(&epoch->mutex);
    VT_TRY(plan_all(&planning));
    *out_plan = plan;
    return VAULT_OK;
}

/* Making what the settings name and nobody has made yet ---------------------------------------------------------------- */

static bool joins(const struct vt_keeper_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++)
        if (is_item(&plan->items[i], VT_KEEPER_JOINS, name)) return true;
    return false;
}

static VT_RESULT make_those_that_join(struct vt_epoch *epoch, const struct vt_keeper_plan *plan, struct vt_err *err)
{
    pthread_mutex_lock(&epoch->mutex);
    const bool is_busy = epoch->closing != NULL;
    pthread_mutex_unlock(&epoch->mutex);
    if (is_busy)
        return vt_fail(err, VAULT_E_BUSY, NULL, "An epoch is closing, and the keepers have one caller at a time: ask again.");
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        if (!joins(plan, epoch->infos[i].name)) continue;
        const vault_status status = vt_keeper_make(epoch->keepers[i], err);
        vt_epoch_note_floor(epoch, i);
        VT_TRY(status);
    }
    return VAULT_OK;
}

VT_RESULT vt_epoch_make_keepers(struct vt_epoch *epoch, const struct vt_keeper_plan *plan, struct vt_err *err)
{
    pthread_mutex_lock(&epoch->push_mutex);         /* a closing that begins now waits for us before it talks to a keeper */
    const vault_status status = make_those_that_join(epoch, plan, err);
    pthread_mutex_unlock(&epoch->push_mutex);
    return status;
}

/* Freezing ------------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_epoch_freeze_change(struct vt_epoch *epoch, const struct vt_keeper_plan *plan, struct vt_epoch_closing **out_closing)
{
    struct vt_epoch_closing *closing = NULL;
    pthread_mutex_lock(&epoch->mutex);
    const bool is_busy = epoch->closing != NULL || epoch->unfinished != NULL, is_sealed = epoch->is_sealed;
    pthread_mutex_unlock(&epoch->mutex);
    VT_ENSURE(!is_sealed, VAULT_E_SEALED);
    VT_ENSURE(!is_busy, VAULT_E_BUSY);
    VT_TRY(vt_closing_new(epoch, &closing));
    const vault_status status = vt_closing_draw(closing);
    if (status != VAULT_OK) {
        vt_closing_release(closing);
        return status;
    }
    closing->is_change = true;
    closing->plan = *plan;
    vt_closing_give_turn(epoch, closing);
    vt_fault_step("S1.frozen");
    *out_closing = closing;
    return VAULT_OK;
}

/* What is prepared at one that joins may be given up while it cannot be reached: it would be nobody's that the list knows. */
static VT_RESULT owe_in(const struct vt_epoch_closing *closing, struct vt_keeper_set *set)
{
    const struct vt_epoch *epoch = closing->owner;
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        const struct vt_keeper_info *info = &epoch->infos[i];
        if (info->keeper_id == 0 || !joins(&closing->plan, info->name)) continue;
        VT_TRY(vt_keeper_set_owe(set, info, closing->epoch_from));
    }
    return VAULT_OK;
}

VT_RESULT vt_epoch_owe_joiners(struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn)
{
    struct vt_epoch *epoch = closing->owner;
    if (!closing->is_change || closing->stage != VT_CLOSING_FROZEN) return VAULT_OK;
    pthread_mutex_lock(&epoch->mutex);
    closing->next_set = epoch->set;
    const vault_status status = owe_in(closing, &closing->next_set);
    pthread_mutex_unlock(&epoch->mutex);
    VT_TRY(status);
    return vt_keeper_set_put(&closing->next_set, view, txn, NULL);
}

void vt_epoch_joiners_owe(struct vt_epoch_closing *closing)
{
    struct vt_epoch *epoch = closing->owner;
    if (!closing->is_change || closing->stage != VT_CLOSING_FROZEN) return;
    pthread_mutex_lock(&epoch->mutex);
    struct vt_keeper_set set = epoch->set;      /* a receipt may have come since, by a push that had begun before the closing */
    epoch->set = owe_in(closing, &set) == VAULT_OK ? set : closing->next_set;
    pthread_mutex_unlock(&epoch->mutex);
}

/* The attested end of a keeper ------------------------------------------------------------------------------------------- */

static VT_RESULT attestation_text(const struct vt_attestation *attestation, const struct vt_keeper_member *member,
                                  struct vt_keyring_view *view, struct vt_buf *text)
{
    char vault[33], principal[33], at[VT_TIME_TEXT_LEN];
    vt_hex_encode(VT_BYTES_OF(vt_keyring_view_vault_id(view)->bytes), vault);
    vt_hex_encode(VT_BYTES_OF(attestation->principal), principal);
    vt_time_format(attestation->at_ms, at);
    return vt_buf_printf(text,
                         "vaultd attested destruction v1\nkeeper: %016llx\nclass: %s\nvault: %s\nincarnation: %llu\n"
                         "last epoch: %llu\nattested by: %s\nat: %s\n",
                         (unsigned long long)member->id, vt_keeper_class_name((enum vt_keeper_class)member->keeper_class), vault,
                         (unsigned long long)vt_keyring_view_incarnation(view), (unsigned long long)member->last_epoch, principal,
                         at);
}

static VT_RESULT attestation_sign(struct vt_keyring_view *view, struct vt_bytes text, struct vt_buf *note)
{
    char origin[VT_ORIGIN_LEN];
    const struct vt_key *seed = vt_keyring_system_key(view, VT_SYSTEM_KEY_CERTIFICATE_SIGN);
    VT_ENSURE(seed != NULL, VAULT_E_CORRUPT);
    vt_origin_format(vt_keyring_view_vault_id(view)->bytes, vt_keyring_view_incarnation(view), origin);
    return vt_note_sign(text, &(struct vt_note_signer){origin, seed}, 1, note);
}

static VT_RESULT attestation_put(struct vt_txn *txn, uint64_t keeper_id, struct vt_bytes note)
{
    char name[32];
    snprintf(name, sizeof name, "attested/%016llx", (unsigned long long)keeper_id);
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(name), note, VT_PUT_DEFAULT);
}

/* Under the mutex. From S1 to S4 the next set may be copied already, and it would take the place of what is noted now. One that is
 * committed has been adopted: somebody's word may then be just what it waits for. */
static bool is_set_underway(const struct vt_epoch *epoch)
{
    return epoch->closing != NULL && epoch->set.epoch < epoch->closing->next.epoch;
}

VT_RESULT vt_epoch_attest(struct vt_epoch *epoch, struct vt_keyring_view *view, struct vt_txn *txn,
                          struct vt_attestation *attestation, struct vt_buf *out_note)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX), note = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX);
    struct vt_keeper_set set;
    pthread_mutex_lock(&epoch->mutex);
    const bool is_busy = is_set_underway(epoch);
    set = epoch->set;
    pthread_mutex_unlock(&epoch->mutex);
    VT_ENSURE(!is_busy, VAULT_E_BUSY);
    struct vt_keeper_member *member = vt_keeper_set_find(&set, attestation->keeper_id);
    VT_ENSURE(member != NULL, VAULT_E_NOT_FOUND);
    VT_TRY(attestation_text(attestation, member, view, &text));
    VT_TRY(attestation_sign(view, vt_buf_bytes(&text), &note));
    VT_TRY(vt_sha256_one(vt_buf_bytes(&note), attestation->hash));
    VT_TRY(attestation_put(txn, attestation->keeper_id, vt_buf_bytes(&note)));
    vt_keeper_set_note(member, member->last_epoch + 1, VT_CLEAN_BY_ATTESTATION, attestation->hash);
    VT_TRY(vt_keeper_set_put(&set, view, txn, NULL));
    return vt_buf_append(out_note, vt_buf_bytes(&note));
}

void vt_epoch_attested(struct vt_epoch *epoch, const struct vt_attestation *attestation)
{
    pthread_mutex_lock(&epoch->mutex);
    struct vt_keeper_member *member = vt_keeper_set_find(&epoch->set, attestation->keeper_id);
    if (member != NULL) vt_keeper_set_note(member, member->last_epoch + 1, VT_CLEAN_BY_ATTESTATION, attestation->hash);
    epoch->has_news = true;
    pthread_mutex_unlock(&epoch->mutex);
}
