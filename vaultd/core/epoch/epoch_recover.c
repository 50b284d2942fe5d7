/* Unsealing: which of the root keys that the keepers hold is the one, and what a crash has left half done.
 *
 * What is compared: the database's epoch and attempt, which its root record names; the slots of the keepers, by epoch and
 * attempt whether or not they open; the keepers' floors; the journal's last live record. Nothing is erased anywhere before the
 * root page has been opened with the key that stays. */
#include <inttypes.h>

#include "libvault/base/fault.h"
#include "vaultd/core/epoch/epoch_internal.h"

/* All that the decision looks at. Arena memory: every keeper's slots are in it. */
struct survey {
    struct vt_epoch *epoch;
    const struct vt_key *unseal_key;
    struct vt_err *err;
    struct vt_root_record root;
    struct vt_epoch_id current;
    uint64_t commit_number;
    unsigned reachable;
    struct vt_keeper_view keepers[VT_KEEPERS_MAX];
};

static const char *keeper_name(const struct survey *survey, size_t index)
{
    return survey->epoch->infos[index].name;
}

static VT_RESULT read_store(struct survey *survey)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(survey->epoch->store, &txn));
    VT_TRY(vt_keyring_root_record(txn, &survey->root));
    survey->current = vt_epoch_id_of(&survey->root);
    survey->commit_number = vt_store_commit_number(txn);
    return VAULT_OK;
}

static bool is_ours(const struct survey *survey, const struct vt_vault_id *vault_id)
{
    return memcmp(vault_id, &survey->root.vault_id, sizeof *vault_id) == 0;
}

static VT_RESULT check_vaults(const struct survey *survey)
{
    for (size_t i = 0; i < survey->epoch->options.keeper_count; i++) {
        const struct vt_keeper_view *view = &survey->keepers[i];
        if (!view->is_reachable) continue;
        bool fits = view->floor.epoch == 0 || is_ours(survey, &view->floor.vault_id);
        for (size_t j = 0; j < view->slot_count; j++) fits = fits && is_ours(survey, &view->slots[j].vault_id);
        if (!fits)
            return vt_fail(survey->err, VAULT_E_KEEPER, keeper_name(survey, i),
                           "Keeper %s belongs to another vault; configure this vault's own keeper.", keeper_name(survey, i));
    }
    return VAULT_OK;
}

static VT_RESULT take_survey(struct survey *survey)
{
    VT_TRY(read_store(survey));
    VT_TRY(vt_shares_survey(survey->epoch, survey->keepers));
    survey->reachable = 0;
    for (size_t i = 0; i < survey->epoch->options.keeper_count; i++) survey->reachable += survey->keepers[i].is_reachable;
    return check_vaults(survey);
}

/* The highest floor of all keepers that answered. */
static size_t highest_floor(const struct survey *survey)
{
    size_t highest = 0;
    for (size_t i = 1; i < survey->epoch->options.keeper_count; i++) {
        const struct vt_keeper_floor *a = &survey->keepers[i].floor, *b = &survey->keepers[highest].floor;
        const bool is_later = a->incarnation != b->incarnation ? a->incarnation > b->incarnation
                              : a->epoch != b->epoch           ? a->epoch > b->epoch
                                                               : a->commit_number > b->commit_number;
        if (is_later) highest = i;
    }
    return highest;
}

/* Beside the live vault: its commits are no reason to stay shut, the end of the epoch is. */
static VT_RESULT check_same_epoch(const struct survey *survey, const struct vt_keeper_floor *floor)
{
    if (!vt_floor_is_past(floor, &survey->current)) return VAULT_OK;
    return vt_fail(survey->err, VAULT_E_ROLLBACK, "epoch",
                   "The live vault has closed the epoch of this copy: restore the backup with --check-only again.");
}

/* The database against the floors. A floor one epoch ahead was another question: find_lost() has said no. */
static VT_RESULT check_floors(const struct survey *survey)
{
    const size_t at = highest_floor(survey);
    const struct vt_keeper_floor *floor = &survey->keepers[at].floor;
    const char *name = keeper_name(survey, at);
    if (survey->epoch->options.is_beside_live) return check_same_epoch(survey, floor);
    if (floor->incarnation > survey->current.incarnation)
        return vt_fail(survey->err, VAULT_E_ROLLBACK, name,
                       "The store is of incarnation %" PRIu64 ", keeper %s has the floor of incarnation %" PRIu64
                       ": another restore has taken over; nothing was erased.",
                       survey->current.incarnation, name, floor->incarnation);
    if (floor->incarnation < survey->current.incarnation) return VAULT_OK;
    if (floor->epoch > survey->current.epoch)
        return vt_fail(survey->err, VAULT_E_ROLLBACK, name,
                       "The store is at epoch %" PRIu64 ", below the floor of keeper %s, epoch %" PRIu64
                       ": it is an older copy; nothing was erased.",
                       survey->current.epoch, name, floor->epoch);
    if (floor->epoch == survey->current.epoch && floor->commit_number > survey->commit_number)
        return vt_fail(survey->err, VAULT_E_ROLLBACK, name,
                       "The store is at commit %" PRIu64 ", below the floor of keeper %s, commit %" PRIu64
                       ": it is an older copy; nothing was erased.",
                       survey->commit_number, name, floor->commit_number);
    return VAULT_OK;
}

/* The journal is written before each commit and at most one ahead of it. */
static VT_RESULT check_journal(const struct survey *survey)
{
    struct vt_journal_tail tail;
    if (survey->epoch->options.journal == NULL) return VAULT_OK;
    const vault_status status = vt_journal_tail(survey->epoch->options.journal, &tail);
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(status);
    if (!is_ours(survey, &tail.root.vault_id))
        return vt_fail(survey->err, VAULT_E_STATE, "journal", "The journal belongs to another vault.");
    if (tail.commit_number > survey->commit_number + 1 || tail.root.page_version > survey->root.page_version + 1)
        return vt_fail(survey->err, VAULT_E_ROLLBACK, "journal",
                       "The store is at commit %" PRIu64 ", the journal has commit %" PRIu64
                       ": the store is an older copy; nothing was erased.",
                       survey->commit_number, tail.commit_number);
    return VAULT_OK;
}

/* (e;{e+1}): the disk has lost a committed epoch --------------------------------------------------------------------- */

/* Which k and m the slots of an epoch name; the settings may have been changed since, and speak of the next sharing. A slot that
 * lies about them does not open: they are part of the seal's context. */
static void sharing_of(const struct survey *survey, const struct vt_epoch_id *id, unsigned *out_k, unsigned *out_m)
{
    unsigned k = 0, m = 0;
    for (size_t i = 0; i < survey->epoch->options.keeper_count; i++)
        for (size_t j = 0; j < survey->keepers[i].slot_count; j++) {
            const struct vt_keeper_slot *slot = &survey->keepers[i].slots[j];
            if (!vt_slot_is(slot, id)) continue;
            k = VT_MAX(k, slot->k);
            m = VT_MAX(m, slot->m);
        }
    *out_k = k != 0 ? k : survey->epoch->options.quorum;
    *out_m = m != 0 ? m : (unsigned)survey->epoch->options.keeper_count;
}

/* Keepers that have not answered, or are not in the settings any more, may hold the present epoch. */
static bool present_may_be_readable(const struct survey *survey)
{
    const unsigned named = (unsigned)survey->epoch->options.keeper_count;
    unsigned k, m;
    sharing_of(survey, &survey->current, &k, &m);
    const unsigned away = VT_MAX(m, named) - survey->reachable;
    return vt_shares_present(survey->epoch, survey->keepers, &survey->current) + away >= k;
}

/* An attempt of the epoch after the database's that some keeper has committed, or that k keepers hold while too few can hold
 * the present one, whoever is away. */
static bool find_lost(const struct survey *survey, struct vt_epoch_id *out_lost)
{
    const bool present_is_here = present_may_be_readable(survey);
    unsigned k, m;
    for (size_t i = 0; i < survey->epoch->options.keeper_count; i++) {
        for (size_t j = 0; j < survey->keepers[i].slot_count; j++) {
            const struct vt_keeper_slot *slot = &survey->keepers[i].slots[j];
            struct vt_epoch_id id = {.incarnation = slot->incarnation, .epoch = slot->epoch};
            memcpy(id.attempt, slot->attempt, sizeof id.attempt);
            if (id.incarnation != survey->current.incarnation || id.epoch != survey->current.epoch + 1) continue;
            if (slot->state != VT_SLOT_COMMITTED && present_is_here) continue;
            sharing_of(survey, &id, &k, &m);
            if (vt_shares_present(survey->epoch, survey->keepers, &id) < k) continue;
            *out_lost = id;
            return true;
        }
    }
    return false;
}

static VT_RESULT lost_fail(const struct survey *survey, const char *why)
{
    return vt_fail(survey->err, VAULT_E_ROLLBACK, "epoch",
                   "The store is at epoch %" PRIu64 ", the keepers have closed epoch %" PRIu64
                   ": the disk lost a commit, and %s; nothing was erased.",
                   survey->current.epoch, survey->current.epoch, why);
}

/* Each record must be the very next commit, up to what the keepers saw: otherwise commits are missing that the journal never
 * had (rows, audit leaves), and the store is not one transaction short but an older copy. */
static VT_RESULT roll_in(const struct survey *survey, struct vt_txn *txn, const struct vt_epoch_id *lost)
{
    struct vt_journal_tail tail;
    uint64_t applied;
    const struct vt_keeper_floor *floor = &survey->keepers[highest_floor(survey)].floor;
    const vault_status status = vt_journal_roll_forward(survey->epoch->options.journal, txn, &applied, &tail);
    if (status == VAULT_E_NOT_FOUND) return lost_fail(survey, "the journal does not reach back to it");
    VT_TRY(status);
    if (applied == 0) return lost_fail(survey, "the journal does not have it either");
    if (tail.root.epoch != lost->epoch || memcmp(tail.root.attempt, lost->attempt, VT_ATTEMPT_LEN) != 0)
        return lost_fail(survey, "the journal leads to another root key");
    if (tail.commit_number != survey->commit_number + applied || tail.commit_number < floor->commit_number)
        return lost_fail(survey, "commits are missing that the journal does not have: it is an older copy");
    VT_AUTO(vt_key) root_key = VT_KEY_INIT;
    VT_TRY(vt_shares_combine(survey->epoch, survey->keepers, lost, &survey->root.vault_id, survey->unseal_key, &root_key));
    VT_TRY(vt_keyring_root_opens(txn, &root_key));
    if (vt_store_commit_number(txn) >= tail.commit_number) return VAULT_OK;
    return vt_store_raise_commit_number(txn, tail.commit_number);
}

static VT_RESULT roll_forward(const struct survey *survey, const struct vt_epoch_id *lost)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    if (survey->epoch->options.journal == NULL) return lost_fail(survey, "no journal is configured");
    VT_TRY(vt_txn_begin_write(survey->epoch->store, &txn));
    VT_TRY(roll_in(survey, txn, lost));
    VT_TRY(vt_txn_commit(VT_MOVE(txn)));
    vt_fault_step("recover.rolled_forward");
    return VAULT_OK;
}

/* Opening --------------------------------------------------------------------------------------------------------- */

/* Keepers that hold shares in memory alone and were restarted: the floor is that of this epoch, and nothing lies above it. */
static unsigned count_forgetful(const struct survey *survey)
{
    unsigned count = 0;
    for (size_t i = 0; i < survey->epoch->options.keeper_count; i++) {
        const struct vt_keeper_view *view = &survey->keepers[i];
        count += view->is_reachable && view->slot_count == 0 && survey->epoch->infos[i].keeper_class == VT_KEEPER_E4 &&
                 view->floor.incarnation == survey->current.incarnation && view->floor.epoch == survey->current.epoch;
    }
    return count;
}

static VT_RESULT explain_absence(const struct survey *survey)
{
    unsigned k, m;
    sharing_of(survey, &survey->current, &k, &m);
    const unsigned present = vt_shares_present(survey->epoch, survey->keepers, &survey->current);
    const unsigned forgetful = count_forgetful(survey);
    if (forgetful != 0)
        return vt_fail(survey->err, VAULT_E_KEEPER, NULL,
                       "%u of %u keepers have lost their share with their memory, having been restarted while the vault was closed "
                       "or before it closed another epoch; %u hold a share and %u are needed.",
                       forgetful, m, present, k);
    if (present_may_be_readable(survey))
        return vt_fail(survey->err, VAULT_E_KEEPER, NULL, "%u of %u keepers answered and %u hold a share; %u are needed.",
                       survey->reachable, m, present, k);
    return vt_fail(survey->err, VAULT_E_ROLLBACK, "epoch",
                   "%u keepers hold a share of the store's epoch %" PRIu64
                   " and %u are needed: store and keepers are not of one state; nothing was erased.",
                   present, survey->current.epoch, k);
}

static VT_RESULT check_opens(const struct survey *survey, const struct vt_key *root_key)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(survey->epoch->store, &txn));
    const vault_status status = vt_keyring_root_opens(txn, root_key);
    if (status == VAULT_E_AUTHENTICITY)
        return vt_fail(survey->err, status, "root",
                       "The root page does not open with the key that the keepers hold for its epoch; nothing was erased.");
    return status;
}

static VT_RESULT open_ring(const struct survey *survey, struct vt_key *out_root_key)
{
    struct vt_epoch *epoch = survey->epoch;
    unsigned k, m;
    VT_TRY(check_floors(survey));
    sharing_of(survey, &survey->current, &k, &m);
    if (vt_shares_present(epoch, survey->keepers, &survey->current) < k) return explain_absence(survey);
    VT_TRY(check_journal(survey));
    VT_AUTO(vt_key) root_key = VT_KEY_INIT;
    const vault_status status = vt_shares_combine(epoch, survey->keepers, &survey->current, &survey->root.vault_id,
                                                  survey->unseal_key, &root_key);
    if (status != VAULT_OK) return vt_fail(survey->err, status, NULL, "%s", vault_status_text(status));
    VT_TRY(check_opens(survey, &root_key));
    VT_TRY(vt_keyring_unseal(epoch->ring, &root_key));
    *out_root_key = root_key;
    return VAULT_OK;
}

/* Settling: the keys are known, the ring is open ---------------------------------------------------------------------- */

/* Does the keeper hold exactly the committed share of the present epoch? */
static bool is_settled(const struct survey *survey, const struct vt_keeper_view *view)
{
    if (view->floor.epoch == 0 && view->slot_count == 0) return true;       /* new to the set */
    if (view->floor.incarnation != survey->current.incarnation || view->floor.epoch != survey->current.epoch) return false;
    for (size_t i = 0; i < view->slot_count; i++)
        if (view->slots[i].state != VT_SLOT_COMMITTED || !vt_slot_is(&view->slots[i], &survey->current)) return false;
    return true;
}

static VT_RESULT settle_keeper(const struct survey *survey, size_t index)
{
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    const struct vt_keeper_view *view = &survey->keepers[index];
    struct vt_keeper *keeper = survey->epoch->keepers[index];
    for (size_t i = 0; i < view->slot_count; i++) {
        const struct vt_keeper_slot *slot = &view->slots[i];
        if (slot->state != VT_SLOT_PREPARED || slot->epoch <= survey->current.epoch) continue;
        VT_TRY(keeper->ops->abort(keeper, slot->incarnation, slot->epoch, slot->attempt));
        vt_fault_step("recover.aborted");
    }
    if (is_settled(survey, view)) return VAULT_OK;
    return vt_shares_finalize(survey->epoch, index, &survey->current, survey->root.commit_number, &receipt);
}

/* What cannot be settled now is settled when the keeper is next talked to: before its next PREPARE, with the next floor. */
static void settle_keepers(const struct survey *survey)
{
    for (size_t i = 0; i < survey->epoch->options.keeper_count; i++) {
        if (!survey->keepers[i].is_reachable) continue;
        const vault_status status = settle_keeper(survey, i);
        if (status == VAULT_OK) vt_fault_step("recover.settled");
        vt_epoch_note_change(survey->epoch, i, status);
    }
}

static VT_RESULT settle_journal(const struct survey *survey)
{
    struct vt_journal *journal = survey->epoch->options.journal;
    struct vt_journal_tail tail = {.commit_number = 0};
    if (journal == NULL) return VAULT_OK;
    vault_status status = vt_journal_mark_aborted(journal, survey->root.commit_number);
    if (status == VAULT_OK) status = vt_journal_tail(journal, &tail);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    const bool is_same = status == VAULT_OK && tail.commit_number == survey->root.commit_number &&
                         memcmp(tail.root.root_hash, survey->root.root_hash, sizeof tail.root.root_hash) == 0;
    return is_same ? VAULT_OK : vt_journal_note_gap(journal, &survey->root);
}

static VT_RESULT load_pending(struct survey *survey, const struct vt_key *root_key)
{
    struct vt_epoch *epoch = survey->epoch;
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(epoch->store, &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(epoch->ring, txn, &view));
    int64_t oldest_ms;
    struct vt_epoch_closing *unfinished = NULL;
    VT_TRY(vt_pending_load(view, epoch->stamps, &oldest_ms));
    VT_TRY(vt_epoch_load_set(epoch, view, survey->keepers, &survey->current));
    const vault_status status = vt_closing_rows_load(epoch, view, &survey->current, &unfinished);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    if (unfinished != NULL) unfinished->secrets->root = *root_key;
    pthread_mutex_lock(&epoch->mutex);
    epoch->first_pending_at_ms = oldest_ms;
    epoch->unfinished = unfinished;
    epoch->retry_at_ms = 0;
    pthread_mutex_unlock(&epoch->mutex);
    return VAULT_OK;
}

/* S5 and S6 of a closing that a crash interrupted. Too few keepers are no reason to stay shut: it stays unfinished, and
 * nobody is told that it is effective. */
static VT_RESULT finish_erasing(struct vt_epoch *epoch)
{
    if (epoch->unfinished == NULL) return VAULT_OK;
    const vault_status status = vt_epoch_finalize(epoch->unfinished);
    return status == VAULT_E_KEEPER ? VAULT_OK : status;
}

static VT_RESULT settle(struct survey *survey, const struct vt_key *root_key)
{
    vt_epoch_adopt(survey->epoch, &survey->root.vault_id, &survey->current, survey->unseal_key);
    const vault_status status = settle_journal(survey);
    if (status != VAULT_OK)
        return vt_fail(survey->err, status, "journal", "The journal could not be written: %s", vault_status_text(status));
    VT_TRY(load_pending(survey, root_key));
    VT_TRY(finish_erasing(survey->epoch));
    settle_keepers(survey);
    return VAULT_OK;
}

static VT_RESULT unseal(struct survey *survey)
{
    struct vt_epoch_id lost;
    VT_TRY(take_survey(survey));
    if (!survey->epoch->options.is_beside_live && find_lost(survey, &lost)) {
        VT_TRY(roll_forward(survey, &lost));
        VT_TRY(take_survey(survey));
    }
    VT_AUTO(vt_key) root_key = VT_KEY_INIT;
    VT_TRY(open_ring(survey, &root_key));
    return settle(survey, &root_key);
}

static VT_RESULT unseal_or_seal(struct vt_epoch *epoch, const struct vt_key *unseal_key, struct vt_err *err)
{
    VT_ENSURE(vt_epoch_is_sealed(epoch), VAULT_E_STATE);
    VT_ENSURE(epoch->closing == NULL, VAULT_E_BUSY);        /* sealed while one was under way: it must be freed first */
    struct survey *survey = vt_secret_alloc(sizeof *survey);
    if (survey == NULL) return vt_fail(err, VAULT_E_MEMORY, NULL, "%s", vault_status_text(VAULT_E_MEMORY));
    survey->epoch = epoch;
    survey->unseal_key = unseal_key;
    survey->err = err;
    err->message[0] = '\0';
    const vault_status status = unseal(survey);
    vt_secret_free(survey);
    if (status == VAULT_OK) return VAULT_OK;
    vt_epoch_seal(epoch);
    if (err->message[0] == '\0') return vt_fail(err, status, NULL, "%s", vault_status_text(status));
    return status;
}

VT_RESULT vt_epoch_unseal(struct vt_epoch *epoch, const struct vt_key *unseal_key, struct vt_err *err)
{
    pthread_mutex_lock(&epoch->push_mutex);         /* a look at the keepers that began before the last seal has ended */
    struct vt_err ours = {{0}, {0}};
    const vault_status status = unseal_or_seal(epoch, unseal_key, err != NULL ? err : &ours);
    pthread_mutex_unlock(&epoch->push_mutex);
    return status;
}
