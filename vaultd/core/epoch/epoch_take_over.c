/* A take-over: the next epoch begins in another environment, built from a backup, under the next incarnation.
 *
 * S1 and S2 are those of any epoch. S3 is the first commit of the new environment, and everything it writes afterwards lies under
 * R'. S4, the commit point, is the rename of its data file over this one's, which is the caller's. S5 to S8 are done by unsealing,
 * as after a crash behind S4. docs/decisions/0013. */
#include "libvault/base/fault.h"
#include "vaultd/core/epoch/epoch_internal.h"

static VT_RESULT freeze_take_over(struct vt_epoch_closing *closing)
{
    VT_TRY(vt_closing_draw(closing));
    closing->next.incarnation++;
    closing->is_take_over = true;
    return VAULT_OK;
}

VT_RESULT vt_epoch_freeze_take_over(struct vt_epoch *epoch, struct vt_epoch_closing **out_closing)
{
    struct vt_epoch_closing *closing = NULL;
    pthread_mutex_lock(&epoch->mutex);
    const bool is_busy = epoch->closing != NULL || epoch->unfinished != NULL, is_sealed = epoch->is_sealed;
    pthread_mutex_unlock(&epoch->mutex);
    VT_ENSURE(!is_sealed, VAULT_E_SEALED);
    VT_ENSURE(!is_busy, VAULT_E_BUSY);
    VT_ENSURE(vt_stamps_pending_count(epoch->stamps) == 0, VAULT_E_STATE);
    VT_TRY(vt_closing_new(epoch, &closing));
    const vault_status status = freeze_take_over(closing);
    if (status != VAULT_OK) {
        vt_closing_release(closing);
        return status;
    }
    vt_closing_give_turn(epoch, closing);
    vt_fault_step("S1.frozen");
    *out_closing = closing;
    return VAULT_OK;
}

/* What the keepers hold, and a copy of U: sealing wipes the other. Arena memory. */
struct room {
    struct vt_keeper_view views[VT_KEEPERS_MAX];
    struct vt_key unseal_key;
};

static VT_RESULT open_with(struct vt_epoch *epoch, struct room *room, struct vt_keyring *ring)
{
    VT_AUTO(vt_key) root = VT_KEY_INIT;
    struct vt_keeper_view *views = room->views;
    pthread_mutex_lock(&epoch->mutex);
    const struct vt_epoch_id current = epoch->current;
    const bool is_sealed = epoch->is_sealed;
    room->unseal_key = epoch->secrets->unseal;
    pthread_mutex_unlock(&epoch->mutex);
    VT_ENSURE(!is_sealed, VAULT_E_SEALED);
    VT_TRY(vt_shares_survey(epoch, views));
    VT_ENSURE(vt_shares_present(epoch, views, &current) >= vt_epoch_quorum(epoch), VAULT_E_KEEPER);
    VT_TRY(vt_shares_combine(epoch, views, &current, &epoch->vault_id, &room->unseal_key, &root));
    return vt_keyring_unseal(ring, &root);
}

VT_RESULT vt_epoch_take_over_open(struct vt_epoch_closing *closing, struct vt_keyring *ring)
{
    struct vt_epoch *epoch = closing->owner;
    VT_ENSURE(closing->is_take_over && closing->stage == VT_CLOSING_PREPARED, VAULT_E_STATE);
    struct room *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    const vault_status status = open_with(epoch, room, ring);
    vt_secret_free(room);
    return status;
}

static VT_RESULT enter_ledger(const struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn,
                              const uint8_t backup_id[16])
{
    struct vt_ledger_entry entry = {.op = VT_LEDGER_TAKE_OVER, .epoch = closing->next.epoch,
                                    .at_ms = vt_epoch_now_ms(closing->owner)};
    memcpy(entry.object_id, backup_id, sizeof entry.object_id);
    return vt_ledger_append(view, txn, &entry);
}

static VT_RESULT list_former(const struct vt_epoch_closing *closing, struct vt_keyring_write *write)
{
    const struct vt_epoch_id current = vt_epoch_current(closing->owner);
    const struct vt_incarnation former = {.number = current.incarnation, .last_epoch = current.epoch,
                                          .last_commit = closing->commit_number - 1,
                                          .ended_at_ms = vt_epoch_now_ms(closing->owner)};
    return vt_keyring_list_incarnation(write, &former);
}

VT_RESULT vt_epoch_take_over_begin(struct vt_epoch_closing *closing, struct vt_keyring_write *write, struct vt_txn *txn,
                                   const uint8_t backup_id[16])
{
    VT_AUTO(vt_buf) journal_rows = VT_BUF_INIT(VT_EPOCH_ROWS_MAX);      /* the journal begins anew behind a take-over */
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    struct vt_keyring_delta delta;
    VT_ENSURE(closing->is_take_over && closing->stage == VT_CLOSING_PREPARED, VAULT_E_STATE);
    closing->commit_number = vt_store_commit_number(txn);
    VT_TRY(enter_ledger(closing, view, txn, backup_id));
    VT_TRY(list_former(closing, write));
    VT_TRY(vt_closing_rows_put(closing, view, txn, &journal_rows));
    VT_TRY(vt_keeper_set_put(&closing->next_set, view, txn, NULL));
    struct vt_next_root next = {.epoch = closing->next.epoch, .incarnation = closing->next.incarnation,
                                .root_key = &closing->secrets->root};
    memcpy(next.attempt, closing->next.attempt, sizeof next.attempt);
    return vt_keyring_write_finish(write, &next, &delta);
}

VT_RESULT vt_epoch_take_over_check(struct vt_epoch_closing *closing)
{
    struct vt_epoch *epoch = closing->owner;
    VT_ENSURE(closing->is_take_over && closing->stage == VT_CLOSING_PREPARED, VAULT_E_STATE);
    VT_ENSURE(!vt_epoch_is_sealed(epoch), VAULT_E_SEALED);
    struct room *room = vt_secret_alloc(sizeof *room);
    VT_ENSURE(room != NULL, VAULT_E_MEMORY);
    const vault_status status = vt_shares_survey(epoch, room->views);
    const unsigned present = status == VAULT_OK ? vt_shares_present(epoch, room->views, &closing->next) : 0;
    vt_secret_free(room);
    VT_TRY(status);
    pthread_mutex_lock(&epoch->mutex);
    const unsigned needed = closing->next_set.k + epoch->tolerance;
    pthread_mutex_unlock(&epoch->mutex);
    return present >= needed ? VAULT_OK : VAULT_E_KEEPER;
}

void vt_epoch_take_over_keep(struct vt_epoch_closing *closing)
{
    VT_BUG_ON(!closing->is_take_over || closing->stage != VT_CLOSING_PREPARED);
    closing->is_kept = true;
}
