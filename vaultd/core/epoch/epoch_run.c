/* A whole closing on one thread, for tools and tests. */
#include "vaultd/core/epoch/epoch_internal.h"

static VT_RESULT run_freeze(struct vt_epoch *epoch, bool even_if_empty, struct vt_epoch_closing **out_closing)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(epoch->store, &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(epoch->ring, txn, &view));
    return vt_epoch_freeze(epoch, view, even_if_empty, out_closing);
}

/* Shreds go on while the disk is full: what they need lies in reserve. */
static VT_RESULT begin_write(struct vt_epoch *epoch, struct vt_txn **out_txn)
{
    return vt_txn_begin_write_reserved(epoch->store, out_txn);
}

static VT_RESULT run_commit_in(struct vt_epoch_closing *closing, struct vt_txn **txn, vt_epoch_destroy destroy, void *context)
{
    struct vt_keyring_write *write;
    VT_TRY(vt_epoch_write_begin(closing->owner, *txn, &write));
    vault_status status = vt_epoch_commit(closing, write, *txn, destroy, context);
    if (status == VAULT_OK) status = vt_txn_commit(VT_MOVE(*txn));
    if (status == VAULT_OK)
        vt_keyring_write_committed(write);
    else
        vt_keyring_write_aborted(write);
    return status;
}

static VT_RESULT run_commit(struct vt_epoch_closing *closing, vt_epoch_destroy destroy, void *context)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    if (closing->stage >= VT_CLOSING_COMMITTED) return VAULT_OK;
    vault_status status = begin_write(closing->owner, &txn);
    if (status == VAULT_OK) status = run_commit_in(closing, &txn, destroy, context);
    vt_epoch_committed(closing, status == VAULT_OK);
    return status;
}

static VT_RESULT run_record(struct vt_epoch_closing *closing)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(begin_write(closing->owner, &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(closing->owner->ring, txn, &view));
    VT_TRY(vt_epoch_record(closing, view, txn));
    vt_keyring_view_end(VT_MOVE(view));
    return vt_txn_commit(VT_MOVE(txn));
}

static VT_RESULT run(struct vt_epoch_closing *closing, vt_epoch_destroy destroy, void *context)
{
    VT_TRY(vt_epoch_prepare(closing));
    VT_TRY(run_commit(closing, destroy, context));
    VT_TRY(vt_epoch_finalize(closing));
    return run_record(closing);
}

static VT_RESULT close_one(struct vt_epoch *epoch, bool even_if_empty, vt_epoch_destroy destroy, void *context,
                           bool *out_was_unfinished)
{
    VT_AUTO_PTR(vt_epoch_closing) closing = NULL;
    VT_TRY(run_freeze(epoch, even_if_empty, &closing));
    *out_was_unfinished = closing->stage >= VT_CLOSING_COMMITTED;
    return run(closing, destroy, context);
}

VT_RESULT vt_epoch_close_now(struct vt_epoch *epoch, bool even_if_empty, vt_epoch_destroy destroy, void *context)
{
    bool was_unfinished = false;
    VT_TRY(close_one(epoch, even_if_empty, destroy, context, &was_unfinished));
    if (!was_unfinished) return VAULT_OK;
    const vault_status status = close_one(epoch, even_if_empty, destroy, context, &was_unfinished);
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;     /* nothing was pending beside the unfinished ones */
}

static vault_status destroy_nothing(void *context, struct vt_keyring_write *write, const struct vt_pending *pending,
                                    struct vt_destroyed *out_counts)
{
    (void)context, (void)write, (void)pending, (void)out_counts;
    return VAULT_E_STATE;       /* a rotation's batch is empty */
}

VT_RESULT vt_epoch_rotate_unseal_key(struct vt_epoch *epoch, vt_epoch_add_wraps add_wraps, void *context)
{
    VT_AUTO_PTR(vt_epoch_closing) closing = NULL;
    VT_TRY(vt_epoch_freeze_rotation(epoch, add_wraps, context, &closing));
    return run(closing, destroy_nothing, NULL);
}

static VT_RESULT run_owe(struct vt_epoch_closing *closing)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(begin_write(closing->owner, &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(closing->owner->ring, txn, &view));
    VT_TRY(vt_epoch_owe_joiners(closing, view, txn));
    vt_keyring_view_end(VT_MOVE(view));
    VT_TRY(vt_txn_commit(VT_MOVE(txn)));
    vt_epoch_joiners_owe(closing);
    return VAULT_OK;
}

VT_RESULT vt_epoch_change_keepers(struct vt_epoch *epoch, const struct vt_keeper_plan *plan)
{
    VT_AUTO_PTR(vt_epoch_closing) closing = NULL;
    VT_TRY(vt_epoch_freeze_change(epoch, plan, &closing));
    VT_TRY(run_owe(closing));
    return run(closing, destroy_nothing, NULL);
}
