/* The batch logic of the committer. One transaction, one full sync, however many calls wait: group commit is what makes
 * durability cheap. A change whose condition does not hold fails alone; a transaction that fails takes all its items
 * with it, after which each is tried alone, so that one poisoned change cannot sink its neighbours. */
#include "libvault/base/fault.h"
#include "libvault/crypto/aead.h"
#include "libvault/proof/checkpoint.h"
#include "vaultd/core/epoch/certificate_log.h"
#include "vaultd/service/vault_internal.h"

struct batch {
    struct vt_vault *vault;
    struct vt_txn *txn;
    struct vt_keyring_write *write;
    bool is_full;               /* the disk is: only reserved items may change anything */
    bool has_leaves;
    bool wants_checkpoint;
    bool is_exclusive;
    bool reserves_records, reserves_tokens;
};

static VT_RESULT batch_begin(struct batch *batch)
{
    vault_status status = vt_txn_begin_write(batch->vault->store, &batch->txn);
    if (status == VAULT_E_DISK_FULL) {
        if (vt_store_recover_space(batch->vault->store) == VAULT_OK) return vt_txn_begin_write(batch->vault->store, &batch->txn);
        batch->is_full = true;
        status = vt_txn_begin_write_reserved(batch->vault->store, &batch->txn);
    }
    return status;
}

static VT_RESULT batch_write(struct batch *batch, struct vt_keyring_write **out_write)
{
    if (batch->write == NULL) VT_TRY(vt_epoch_write_begin(batch->vault->epoch, batch->txn, &batch->write));
    *out_write = batch->write;
    return VAULT_OK;
}

static const uint8_t NOBODY[16];

/* Has a shred, a cancel or a revocation overtaken the call since it began? Then it is prepared again. */
static bool item_is_overtaken(struct vt_stamps *stamps, const struct vt_commit_item *item)
{
    if (item->is_done) return false;
    if (memcmp(item->principal, NOBODY, sizeof NOBODY) != 0 && vt_stamps_changed(stamps, item->principal, item->since))
        return true;
    /* What was prepared under keys that a rotation has replaced would be written where nobody looks for its like. */
    if (item->change != NULL && vt_stamps_all_changed(stamps, item->since)) return true;
    for (size_t i = 0; i < item->touched_count; i++)
        if (vt_stamps_changed(stamps, item->touched[i].bytes, item->since)) return true;
    return false;
}

static VT_RESULT item_check(struct batch *batch, const struct vt_commit_item *item)
{
    VT_ENSURE(!item_is_overtaken(batch->vault->stamps, item), VAULT_E_CONFLICT);
    if (item->change == NULL) return VAULT_OK;
    VT_ENSURE(!batch->vault->options.is_read_only, VAULT_E_READ_ONLY);
    VT_ENSURE(!batch->is_full || item->is_reserved, VAULT_E_DISK_FULL);
    struct vt_keyring_write *write = batch->write;
    if (vt_change_touches_tree(item->change)) VT_TRY(batch_write(batch, &write));
    return vt_change_check(item->change, write, batch->txn, batch->vault->stamps);
}

static VT_RESULT item_append_leaf(struct batch *batch, struct vt_commit_item *item)
{
    if (item->is_unaudited) return VAULT_OK;
    item->leaf.time_ms = vt_clock_now_ms(batch->vault->options.clock);
    const vault_status said = item->status != VAULT_OK ? item->status : item->leaf_refusal;
    item->leaf.status = (uint16_t)said;
    if (said != VAULT_OK) item->leaf.effect = VT_AUDIT_REFUSED;
    if (batch->vault->options.clock->is_test_clock) item->leaf.flags |= VT_AUDIT_TEST_CLOCK;
    const struct vt_bytes payloads = item->payloads != NULL ? vt_buf_bytes(item->payloads) : VT_BYTES_EMPTY;
    batch->has_leaves = true;
    return vt_audit_append(batch->vault->audit, batch->txn, &item->leaf, payloads, &item->leaf_sequence);
}

/* @return a failure only when the whole batch must go; what concerns the item alone is in item->status. */
static VT_RESULT item_stage(struct batch *batch, struct vt_commit_item *item)
{
    if (item->status == VAULT_OK) {
        item->status = item_check(batch, item);
        const bool is_about_items = item->status == VAULT_E_EXISTS || item->status == VAULT_E_NOT_FOUND ||
                                    item->status == VAULT_E_LIMIT || item->status == VAULT_E_SHRED_PENDING ||
                                    item->status == VAULT_E_HELD;
        if (item->retries_checks && is_about_items) item->status = VAULT_E_CONFLICT;
    }
    if (item->status == VAULT_E_CONFLICT) return VAULT_OK;      /* not audited: its owner prepares it again */
    if (item->status == VAULT_OK && item->exclusive != NULL) {
        struct vt_keyring_write *write;
        VT_TRY(batch_write(batch, &write));
        VT_TRY(item->exclusive(item->context, write, batch->txn));
        batch->is_exclusive = true;
    }
    if (item->status == VAULT_OK && item->change != NULL)
        VT_TRY(vt_change_apply(item->change, batch->write, batch->txn));
    batch->wants_checkpoint |= item->wants_checkpoint && item->status == VAULT_OK;
    return item_append_leaf(batch, item);
}

static VT_RESULT batch_reserve(struct batch *batch)
{
    struct vt_vault *vault = batch->vault;
    if (vault->records == NULL || vault->tokens == NULL || batch->is_full || vault->options.is_read_only) return VAULT_OK;
    if (vt_sequence_wants_reserve(vault->records)) {
        batch->reserves_records = true;
        VT_TRY(vt_sequence_reserve(vault->records, batch->txn));
    }
    if (!vt_sequence_wants_reserve(vault->tokens)) return VAULT_OK;
    batch->reserves_tokens = true;
    return vt_sequence_reserve(vault->tokens, batch->txn);
}

static VT_RESULT batch_checkpoint(struct batch *batch)
{
    struct vt_keyring_write *write;
    VT_TRY(batch_write(batch, &write));
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    char origin[VT_ORIGIN_LEN];
    vt_origin_format(vt_keyring_view_vault_id(view)->bytes, vt_keyring_view_incarnation(view), origin);
    const struct vt_note_signer signer = {origin, vt_keyring_system_key(view, VT_SYSTEM_KEY_AUDIT_SIGN)};
    VT_ENSURE(signer.seed != NULL, VAULT_E_CORRUPT);
    batch->has_leaves = true;
    return vt_audit_checkpoint(batch->vault->audit, batch->txn, &signer, NULL);
}

/* One signature for the certificates of all its calls. */
static VT_RESULT batch_sign_certificates(struct batch *batch)
{
    struct vt_keyring_write *write;
    bool is_signed;
    VT_TRY(vt_certificate_log_is_signed(batch->txn, &is_signed));
    if (is_signed) return VAULT_OK;
    VT_TRY(batch_write(batch, &write));
    return vt_certificate_log_sign(vt_keyring_write_view(write), batch->txn);
}

static VT_RESULT batch_stage(struct batch *batch, struct vt_list *items)
{
    VT_TRY(batch_begin(batch));
    for (struct vt_list *link = items->next; link != items; link = link->next)
        VT_TRY(item_stage(batch, VT_CONTAINER_OF(link, struct vt_commit_item, link)));
    VT_TRY(batch_reserve(batch));
    VT_TRY(batch_sign_certificates(batch));
    if (batch->wants_checkpoint) VT_TRY(batch_checkpoint(batch));
    if (batch->write == NULL || batch->is_exclusive || !vt_keyring_write_is_dirty(batch->write)) return VAULT_OK;
    return vt_epoch_write_finish(batch->vault->epoch, batch->write, vt_store_commit_number(batch->txn));
}

static void batch_end(struct batch *batch, bool kept)
{
    struct vt_vault *vault = batch->vault;
    /* A write that was only looked through was never finished: there is nothing to publish. */
    const bool has_changed = kept && batch->write != NULL && vt_keyring_write_is_dirty(batch->write);
    if (has_changed) vt_keyring_write_committed(batch->write);
    if (batch->write != NULL && !has_changed) vt_keyring_write_aborted(batch->write);
    if (vault->audit != NULL && kept) vt_audit_committed(vault->audit);
    if (vault->audit != NULL && !kept) vt_audit_rolled_back(vault->audit);
    if (batch->reserves_records) vt_sequence_reserved(vault->records, kept);
    if (batch->reserves_tokens) vt_sequence_reserved(vault->tokens, kept);
    if (vault->audit != NULL) atomic_store(&vault->audit_size, vt_audit_size(vault->audit));
}

/* One transaction. On failure nothing of it was kept and every item still says what it said before. */
static VT_RESULT batch_run(struct vt_vault *vault, struct vt_list *items)
{
    struct batch batch = {.vault = vault};
    VT_AUTO(vt_seal_scope) sealing = vt_seal_scope_open();
    vault_status status = batch_stage(&batch, items);
    if (status == VAULT_OK) {
        vt_fault_step("commit.before");
        status = vt_txn_commit(batch.txn);
        vt_fault_step("commit.after");
    } else {
        if (batch.write != NULL) vt_keyring_write_aborted(batch.write);
        batch.write = NULL;
        vt_txn_abort(batch.txn);
    }
    batch_end(&batch, status == VAULT_OK);
    return status;
}

static void item_done(struct vt_commit_item *item, vault_status batch_status)
{
    const bool kept = batch_status == VAULT_OK;
    if (!kept) item->status = batch_status;
    item->is_durable = kept && item->status != VAULT_E_CONFLICT;
    if (item->on_committed != NULL) item->on_committed(item->context, kept && item->status == VAULT_OK);
    if (item->on_done != NULL) item->on_done(item);
}

static void items_done(struct vt_list *items, vault_status batch_status)
{
    for (struct vt_list *link; (link = vt_list_pop_front(items)) != NULL;)
        item_done(VT_CONTAINER_OF(link, struct vt_commit_item, link), batch_status);
}

static bool list_has_one(const struct vt_list *items)
{
    return items->next != items && items->next->next == items;
}

/* Statuses that staging wrote are forgotten before another try: whatever the gate refused keeps its refusal, which is in the
 * leaf's effect. */
static void items_reset(struct vt_list *items)
{
    for (struct vt_list *link = items->next; link != items; link = link->next) {
        struct vt_commit_item *item = VT_CONTAINER_OF(link, struct vt_commit_item, link);
        item->status = item->gate_status;
        item->leaf.effect = item->gate_effect;
    }
}

/* Refusals that only the second pass can find (a hook's) concern the change, not the store. */
static bool is_refusal(vault_status status)
{
    return status == VAULT_E_NOT_FOUND || status == VAULT_E_STATE || status == VAULT_E_LIMIT || status == VAULT_E_ERASED ||
           status == VAULT_E_SHRED_PENDING || status == VAULT_E_TOO_LARGE || status == VAULT_E_ARGUMENT ||
           status == VAULT_E_HELD || status == VAULT_E_APPROVAL;
}

/* One item whose transaction failed. A refusal is audited like those that the gate makes. */
static void alone_failed(struct vt_vault *vault, struct vt_list *alone, vault_status status)
{
    struct vt_commit_item *item = VT_CONTAINER_OF(alone->next, struct vt_commit_item, link);
    /* What the conditions did not foresee (two of its own random tokens were alike) another preparation draws anew. */
    if (item->exclusive == NULL && status == VAULT_E_EXISTS) status = VAULT_E_CONFLICT;
    if (item->retries_checks && status == VAULT_E_HELD) status = VAULT_E_CONFLICT;     /* it finds out itself which item it was */
    if (item->exclusive != NULL || item->is_unaudited || !is_refusal(status)) {
        items_done(alone, status);
        return;
    }
    items_reset(alone);
    item->status = status;
    const vault_status written = batch_run(vault, alone);
    items_done(alone, written);
}

static void batch_commit(struct vt_vault *vault, struct vt_list *items)
{
    if (vt_list_is_empty(items)) return;
    if (atomic_load(&vault->take_over.is_still)) {
        items_done(items, VAULT_E_BUSY);            /* what is being built beside would not have it */
        return;
    }
    vault_status status = batch_run(vault, items);
    if (status == VAULT_E_BUSY || status == VAULT_E_DISK_FULL) {
        items_reset(items);                         /* the map has grown, or the ballast has been dropped meanwhile */
        status = batch_run(vault, items);
    }
    if (status == VAULT_OK) {
        items_done(items, status);
        return;
    }
    if (list_has_one(items)) {
        alone_failed(vault, items, status);
        return;
    }
    for (struct vt_list *link; (link = vt_list_pop_front(items)) != NULL;) {
        struct vt_list alone;
        vt_list_init(&alone);
        vt_list_push_back(&alone, link);
        items_reset(&alone);
        const vault_status own = batch_run(vault, &alone);
        if (own == VAULT_OK) items_done(&alone, own);
        else alone_failed(vault, &alone, own);
    }
}

void vt_vault_commit_batch(struct vt_vault *vault, struct vt_list *items)
{
    struct vt_list run;
    vt_list_init(&run);
    for (struct vt_list *link; (link = vt_list_pop_front(items)) != NULL;) {
        struct vt_commit_item *item = VT_CONTAINER_OF(link, struct vt_commit_item, link);
        item->gate_status = item->status;
        item->gate_effect = item->leaf.effect;
        if (item->exclusive != NULL) batch_commit(vault, &run);
        vt_list_push_back(&run, link);
        if (item->exclusive != NULL) batch_commit(vault, &run);
    }
    batch_commit(vault, &run);
}
