/* S1 to S8. */
#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/epoch/certificate_log.h"
#include "vaultd/core/epoch/epoch_internal.h"
#include "vaultd/core/epoch/owed.h"

enum { FENCE_TIMEOUT_MS = 10 * 1000, RETRY_AFTER_MS = 30 * 1000 };

/* The closing itself ---------------------------------------------------------------------------------------------- */

VT_RESULT vt_closing_new(struct vt_epoch *epoch, struct vt_epoch_closing **out_closing)
{
    struct vt_epoch_closing *closing = vt_calloc(1, sizeof *closing);
    VT_ENSURE(closing != NULL, VAULT_E_MEMORY);
    closing->secrets = vt_secret_alloc(sizeof *closing->secrets);
    if (closing->secrets == NULL) {
        free(closing);
        return VAULT_E_MEMORY;
    }
    closing->owner = epoch;
    closing->wraps = VT_BUF_INIT(VT_WRAPS_BYTES_MAX);
    for (size_t i = 0; i < VT_KEEPERS_MAX; i++) closing->receipts[i] = VT_KEEPER_RECEIPT_INIT;
    *out_closing = closing;
    return VAULT_OK;
}

void vt_closing_release(struct vt_epoch_closing *closing)
{
    if (closing == NULL) return;
    for (size_t i = 0; i < VT_KEEPERS_MAX; i++) vt_keeper_receipt_release(&closing->receipts[i]);
    vt_buf_release(&closing->wraps);
    vt_secret_free(closing->secrets);
    free(closing->items);
    free(closing);
}

VT_RESULT vt_closing_add(struct vt_epoch_closing *closing, const struct vt_closing_item *item)
{
    if (closing->count == closing->cap) {
        size_t bytes;
        const size_t cap = closing->cap == 0 ? 16 : closing->cap * 2;
        VT_ENSURE(vt_size_mul(cap, sizeof *item, &bytes), VAULT_E_TOO_LARGE);
        struct vt_closing_item *items = vt_malloc(bytes);
        VT_ENSURE(items != NULL, VAULT_E_MEMORY);
        if (closing->count != 0) memcpy(items, closing->items, closing->count * sizeof *item);
        free(closing->items);
        closing->items = items;
        closing->cap = cap;
    }
    closing->items[closing->count++] = *item;
    return VAULT_OK;
}

bool vt_epoch_closing_is_committed(const struct vt_epoch_closing *closing)
{
    return closing->stage >= VT_CLOSING_COMMITTED;
}

size_t vt_epoch_closing_count(const struct vt_epoch_closing *closing)
{
    return closing->count;
}

uint64_t vt_epoch_closing_certificate(const struct vt_epoch_closing *closing, size_t index)
{
    VT_BUG_ON(index >= closing->count);
    return closing->items[index].pending.certificate;
}

const struct vt_pending *vt_epoch_closing_pending(const struct vt_epoch_closing *closing, size_t index)
{
    VT_BUG_ON(index >= closing->count);
    return &closing->items[index].pending;
}

static void items_freeze(struct vt_epoch_closing *closing, bool is_frozen)
{
    for (size_t i = 0; i < closing->count + closing->held_count; i++)
        vt_stamps_freeze_pending(closing->owner->stamps, &closing->items[i].pending.scope, is_frozen);
}

/* S1 -------------------------------------------------------------------------------------------------------------- */

struct collecting {
    struct vt_epoch_closing *closing;
    struct vt_keyring_view *view;
    vault_status status;
};

static bool collect_one(void *context, const struct vt_pending *pending)
{
    struct collecting *collecting = context;
    const struct vt_epoch_options *options = &collecting->closing->owner->options;
    if (options->admit != NULL && !options->admit(options->admit_context, collecting->view, pending)) return true;
    const struct vt_closing_item item = {.pending = *pending};
    collecting->status = vt_closing_add(collecting->closing, &item);
    return collecting->status == VAULT_OK;
}

/* Under the mutex: the closing that is handed out, when one was left unfinished. */
static VT_RESULT take_turn(struct vt_epoch *epoch, struct vt_epoch_closing **out_unfinished)
{
    pthread_mutex_lock(&epoch->mutex);
    vault_status status = VAULT_OK;
    if (epoch->is_sealed) status = VAULT_E_SEALED;
    if (epoch->closing != NULL) status = VAULT_E_BUSY;
    if (status == VAULT_OK && epoch->unfinished != NULL) {
        epoch->closing = VT_MOVE(epoch->unfinished);
        *out_unfinished = epoch->closing;
    }
    pthread_mutex_unlock(&epoch->mutex);
    return status;
}

void vt_closing_give_turn(struct vt_epoch *epoch, struct vt_epoch_closing *closing)
{
    const int64_t now_ms = vt_epoch_now_ms(epoch);
    pthread_mutex_lock(&epoch->mutex);
    epoch->closing = closing;
    epoch->heal_at_ms = now_ms + RETRY_AFTER_MS;
    pthread_mutex_unlock(&epoch->mutex);
}

VT_RESULT vt_closing_draw(struct vt_epoch_closing *closing)
{
    const struct vt_epoch_id current = vt_epoch_current(closing->owner);
    closing->stage = VT_CLOSING_FROZEN;
    closing->epoch_from = current.epoch;
    closing->next = (struct vt_epoch_id){.incarnation = current.incarnation, .epoch = current.epoch + 1};
    VT_TRY(vt_random_bytes(closing->next.attempt, VT_ATTEMPT_LEN));
    return vt_random_key(&closing->secrets->root);
}

static VT_RESULT freeze_batch(struct vt_epoch_closing *closing, struct vt_keyring_view *view, bool even_if_empty)
{
    struct collecting collecting = {closing, view, VAULT_OK};
    VT_TRY(vt_closing_draw(closing));
    VT_TRY(vt_pending_walk(view, collect_one, &collecting));
    VT_TRY(collecting.status);
    VT_ENSURE(closing->count != 0 || even_if_empty, VAULT_E_NOT_FOUND);
    items_freeze(closing, true);
    return VAULT_OK;
}

VT_RESULT vt_epoch_freeze(struct vt_epoch *epoch, struct vt_keyring_view *view, bool even_if_empty,
                          struct vt_epoch_closing **out_closing)
{
    struct vt_epoch_closing *closing = NULL;
    VT_TRY(take_turn(epoch, &closing));
    if (closing == NULL) {
        VT_TRY(vt_closing_new(epoch, &closing));
        const vault_status status = freeze_batch(closing, view, even_if_empty);
        if (status != VAULT_OK) {
            vt_closing_release(closing);
            return status;
        }
        vt_closing_give_turn(epoch, closing);
        vt_fault_step("S1.frozen");
    }
    *out_closing = closing;
    return VAULT_OK;
}

static VT_RESULT freeze_rotation(struct vt_epoch_closing *closing, vt_epoch_add_wraps add_wraps, void *context)
{
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_TRY(vt_closing_draw(closing));
    VT_TRY(vt_random_key(&closing->secrets->unseal));
    VT_TRY(vt_wraps_new(&closing->owner->vault_id, &wraps));
    VT_TRY(add_wraps(context, wraps, &closing->secrets->unseal));
    VT_ENSURE(vt_wraps_count(wraps) != 0, VAULT_E_ARGUMENT);
    closing->is_rotation = true;
    return vt_wraps_encode(wraps, &closing->wraps);
}

VT_RESULT vt_epoch_freeze_rotation(struct vt_epoch *epoch, vt_epoch_add_wraps add_wraps, void *context,
                                   struct vt_epoch_closing **out_closing)
{
    struct vt_epoch_closing *closing = NULL;
    pthread_mutex_lock(&epoch->mutex);
    const bool is_busy = epoch->closing != NULL || epoch->unfinished != NULL, is_sealed = epoch->is_sealed;
    pthread_mutex_unlock(&epoch->mutex);
    VT_ENSURE(!is_sealed, VAULT_E_SEALED);
    VT_ENSURE(!is_busy, VAULT_E_BUSY);
    VT_TRY(vt_closing_new(epoch, &closing));
    const vault_status status = freeze_rotation(closing, add_wraps, context);
    if (status != VAULT_OK) {
        vt_closing_release(closing);
        return status;
    }
    vt_closing_give_turn(epoch, closing);
    vt_fault_step("S1.frozen");
    *out_closing = closing;
    return VAULT_OK;
}

/* S2 -------------------------------------------------------------------------------------------------------------- */

/* A change of the keepers wants all that are to hold a share: whoever asked for it looks on. */
static VT_RESULT share_out(struct vt_epoch_closing *closing)
{
    struct vt_epoch *epoch = closing->owner;
    for (size_t i = 0; i < epoch->options.keeper_count; i++) vt_epoch_note_floor(epoch, i);     /* who is there now */
    VT_TRY(vt_epoch_next_set(epoch, closing->next.epoch, closing->is_change ? &closing->plan : NULL, &closing->next_set));
    struct vt_sharing sharing = {.id = closing->next, .vault_id = epoch->vault_id, .root = &closing->secrets->root,
                                 .unseal_key = &closing->secrets->sharing, .set = &closing->next_set};
    pthread_mutex_lock(&epoch->mutex);
    const bool is_sealed = epoch->is_sealed;
    closing->secrets->sharing = closing->is_rotation ? closing->secrets->unseal : epoch->secrets->unseal;
    sharing.needed = closing->next_set.k + epoch->tolerance;
    pthread_mutex_unlock(&epoch->mutex);
    if (closing->is_change) sharing.needed = (unsigned)vt_keeper_set_size(&closing->next_set, false);
    const vault_status status = is_sealed ? VAULT_E_SEALED : vt_shares_prepare(epoch, &sharing);
    vt_wipe(&closing->secrets->sharing, sizeof closing->secrets->sharing);
    return status;
}

VT_RESULT vt_epoch_prepare(struct vt_epoch_closing *closing)
{
    struct vt_epoch *epoch = closing->owner;
    vt_epoch_await_push(epoch);             /* also when only S6 is left: keepers have one caller at a time */
    if (closing->stage >= VT_CLOSING_PREPARED) return VAULT_OK;
    VT_ENSURE(!closing->is_aborted, VAULT_E_STATE);
    VT_ENSURE(!vt_epoch_is_sealed(epoch), VAULT_E_SEALED);  /* U is gone: nothing may be sealed under what is left of it */
    VT_TRY(vt_epoch_resolve_doubt(epoch));
    const vault_status status = share_out(closing);
    if (status != VAULT_OK) {
        closing->is_aborted = true;
        vt_wipe(&closing->secrets->root, sizeof closing->secrets->root);
        return status;
    }
    closing->stage = VT_CLOSING_PREPARED;
    vt_fault_step("S2.prepared");
    return VAULT_OK;
}

/* S3, S4 ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT enter_ledger(const struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn,
                              const struct vt_pending *pending)
{
    struct vt_ledger_entry entry = {.op = VT_LEDGER_SHRED,
                                    .tenant = pending->tenant,
                                    .scope = pending->scope,
                                    .certificate = pending->certificate,
                                    .epoch = closing->next.epoch,
                                    .at_ms = vt_epoch_now_ms(closing->owner)};
    memcpy(entry.object_id, pending->object_id, sizeof entry.object_id);
    return vt_ledger_append(view, txn, &entry);
}

/* A late hold wins: what was asked for has not happened, and its certificate goes as when it is cancelled. */
static VT_RESULT take_back(struct vt_txn *txn, const struct vt_pending *pending, struct vt_buf *rows)
{
    uint8_t scope_bytes[VT_SCOPE_KEY_LEN];
    vt_scope_key(&pending->scope, scope_bytes);
    VT_TRY(vt_pending_delete(txn, &pending->scope));
    VT_TRY(vt_certificate_take_back(txn, pending->certificate));
    return vt_journal_row(rows, VT_TABLE_PENDING, VT_BYTES_OF(scope_bytes), NULL);
}

static VT_RESULT destroy_item(struct vt_epoch_closing *closing, struct vt_keyring_write *write, struct vt_txn *txn,
                              struct vt_closing_item *item, vt_epoch_destroy destroy, void *context, struct vt_buf *rows)
{
    uint8_t scope_bytes[VT_SCOPE_KEY_LEN];
    struct vt_destroyed destroyed = {0};
    const vault_status status = destroy(context, write, &item->pending, &destroyed);
    if (status == VAULT_E_HELD) VT_TRY(take_back(txn, &item->pending, rows));
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    item->destroyed = status == VAULT_OK ? destroyed : (struct vt_destroyed){0};
    VT_TRY(enter_ledger(closing, vt_keyring_write_view(write), txn, &item->pending));
    VT_TRY(vt_pending_delete(txn, &item->pending.scope));
    vt_scope_key(&item->pending.scope, scope_bytes);
    return vt_journal_row(rows, VT_TABLE_PENDING, VT_BYTES_OF(scope_bytes), NULL);
}

/* Held items go behind the others, where a repeat with another transaction finds them again. */
static void set_apart(struct vt_epoch_closing *closing, size_t index)
{
    const struct vt_closing_item held = closing->items[index];
    memmove(&closing->items[index], &closing->items[index + 1], (closing->count - index - 1) * sizeof held);
    closing->items[--closing->count] = held;
    closing->held_count++;
}

static VT_RESULT destroy_items(struct vt_epoch_closing *closing, struct vt_keyring_write *write, struct vt_txn *txn,
                               vt_epoch_destroy destroy, void *context, struct vt_buf *rows)
{
    for (size_t i = 0; i < closing->held_count; i++) VT_TRY(take_back(txn, &closing->items[closing->count + i].pending, rows));
    for (size_t i = 0; i < closing->count;) {
        const vault_status status = destroy_item(closing, write, txn, &closing->items[i], destroy, context, rows);
        VT_ENSURE(status == VAULT_OK || status == VAULT_E_HELD, status);
        if (status == VAULT_E_HELD) set_apart(closing, i);
        else i++;
    }
    return VAULT_OK;
}

static VT_RESULT put_new_wraps(const struct vt_epoch_closing *closing, struct vt_txn *txn, struct vt_buf *rows)
{
    const struct vt_bytes bytes = vt_buf_bytes(&closing->wraps);
    if (!closing->is_rotation) return VAULT_OK;
    VT_TRY(vt_store_put(txn, VT_TABLE_META, vt_bytes_str(VT_META_WRAPS), bytes, VT_PUT_DEFAULT));
    return vt_journal_row(rows, VT_TABLE_META, vt_bytes_str(VT_META_WRAPS), &bytes);
}

static VT_RESULT seal_and_journal(struct vt_epoch_closing *closing, struct vt_keyring_write *write,
                                  const struct vt_buf *rows)
{
    struct vt_journal *journal = closing->owner->options.journal;
    struct vt_keyring_delta delta;
    struct vt_next_root next = {.epoch = closing->next.epoch,
                                .incarnation = closing->next.incarnation,
                                .root_key = &closing->secrets->root};
    memcpy(next.attempt, closing->next.attempt, sizeof next.attempt);
    VT_TRY(vt_keyring_write_finish(write, &next, &delta));
    vt_fault_step("S3.sealed");
    if (journal != NULL)
        VT_TRY(vt_journal_append(journal, VT_JOURNAL_EPOCH, &delta, vt_buf_bytes(rows), closing->commit_number));
    vt_fault_step("S3.journal");
    return VAULT_OK;
}

VT_RESULT vt_epoch_commit(struct vt_epoch_closing *closing, struct vt_keyring_write *write, struct vt_txn *txn,
                          vt_epoch_destroy destroy, void *context)
{
    VT_AUTO(vt_buf) rows = VT_BUF_INIT(VT_EPOCH_ROWS_MAX);
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    if (closing->stage >= VT_CLOSING_COMMITTED) return VAULT_OK;
    VT_ENSURE(closing->stage == VT_CLOSING_PREPARED && !closing->is_aborted && !closing->is_take_over, VAULT_E_STATE);
    closing->commit_number = vt_store_commit_number(txn);
    VT_TRY(destroy_items(closing, write, txn, destroy, context, &rows));
    VT_TRY(put_new_wraps(closing, txn, &rows));
    VT_TRY(vt_closing_rows_put(closing, view, txn, &rows));
    VT_TRY(vt_keeper_set_put(&closing->next_set, view, txn, &rows));
    VT_TRY(vt_era_note(view, txn, VT_TENANT_DEFAULT, closing->next.epoch, vt_epoch_now_ms(closing->owner), &rows));
    if (closing->owner->options.journal != NULL) VT_TRY(vt_epoch_ledger_rows(view, txn, &rows));
    return seal_and_journal(closing, write, &rows);
}

static void committed(struct vt_epoch_closing *closing)
{
    struct vt_epoch *epoch = closing->owner;
    pthread_mutex_lock(&epoch->mutex);
    epoch->current = closing->next;
    if (closing->is_rotation) epoch->secrets->unseal = closing->secrets->unseal;
    vt_wipe(&closing->secrets->unseal, sizeof closing->secrets->unseal);
    pthread_mutex_unlock(&epoch->mutex);
    vt_epoch_adopt_set(epoch, &closing->next_set);
    closing->stage = VT_CLOSING_COMMITTED;
    for (size_t i = 0; i < closing->count + closing->held_count; i++)
        vt_stamps_remove_pending(epoch->stamps, &closing->items[i].pending.scope);
    vt_fault_step("S4.committed");
}

void vt_epoch_committed(struct vt_epoch_closing *closing, bool kept)
{
    if (closing->stage >= VT_CLOSING_COMMITTED) return;     /* one that was handed out again */
    if (kept) {
        committed(closing);
        return;
    }
    closing->is_aborted = true;
    items_freeze(closing, false);
    vt_wipe(closing->secrets, sizeof *closing->secrets);
    pthread_mutex_lock(&closing->owner->mutex);
    closing->owner->is_doubtful = true;
    pthread_mutex_unlock(&closing->owner->mutex);
}

/* S5, S6 ---------------------------------------------------------------------------------------------------------- */

/* The key to be kept must open what the disk holds now, read afresh, before any other is erased. */
static VT_RESULT check_root_opens(const struct vt_epoch_closing *closing)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_root_record root;
    VT_TRY(vt_txn_begin_read(closing->owner->store, &txn));
    VT_TRY(vt_keyring_root_record(txn, &root));
    const struct vt_epoch_id id = vt_epoch_id_of(&root);
    VT_ENSURE(id.epoch == closing->next.epoch && memcmp(id.attempt, closing->next.attempt, VT_ATTEMPT_LEN) == 0,
              VAULT_E_ROLLBACK);
    return vt_keyring_root_opens(txn, &closing->secrets->root);
}

static VT_RESULT finalize_one(struct vt_epoch_closing *closing, size_t index)
{
    struct vt_epoch *epoch = closing->owner;
    if (closing->has_receipt[index]) return VAULT_OK;
    VT_TRY(vt_shares_finalize(epoch, index, &closing->next, closing->commit_number, &closing->receipts[index]));
    VT_TRY(vt_sha256_one(vt_buf_bytes(&closing->receipts[index].note), closing->receipt_hashes[index]));
    closing->has_receipt[index] = true;
    vt_fault_step("S6.keeper");
    return VAULT_OK;
}

/* Who held the root key that is to die, and which of them have erased their share. */
struct former {
    struct vt_certificate_keeper keepers[VT_KEEPERS_MAX];
    size_t count, erased;
    unsigned k;
};

static void look_at_former(const struct vt_epoch_closing *closing, struct former *former)
{
    struct vt_epoch *epoch = closing->owner;
    pthread_mutex_lock(&epoch->mutex);
    former->count = vt_keeper_set_evidence(&epoch->set, true, former->keepers);
    former->k = epoch->set.former_k;
    former->erased = 0;
    for (size_t i = 0; i < former->count; i++)
        former->erased += vt_keeper_set_show(&epoch->set, closing->next.epoch, &former->keepers[i]);
    pthread_mutex_unlock(&epoch->mutex);
}

static bool is_dead(const struct vt_epoch_closing *closing)
{
    struct former former;
    look_at_former(closing, &former);
    return former.count != 0 && former.erased >= former.count - former.k + 1;
}

VT_RESULT vt_epoch_finalize(struct vt_epoch_closing *closing)
{
    struct vt_epoch *epoch = closing->owner;
    if (closing->stage == VT_CLOSING_FINALIZED) return VAULT_OK;
    VT_ENSURE(closing->stage == VT_CLOSING_COMMITTED, VAULT_E_STATE);
    VT_TRY(vt_keyring_fence(epoch->ring, FENCE_TIMEOUT_MS));
    vt_fault_step("S5.fenced");
    VT_TRY(check_root_opens(closing));
    unsigned answered = 0;
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        const vault_status status = finalize_one(closing, i);
        answered += status == VAULT_OK;
        vt_epoch_note_change(epoch, i, status);
    }
    VT_ENSURE(answered != 0 && is_dead(closing), VAULT_E_KEEPER);
    vt_wipe(closing->secrets, sizeof *closing->secrets);
    closing->effective_at_ms = vt_epoch_now_ms(epoch);
    closing->stage = VT_CLOSING_FINALIZED;
    vt_fault_step("S6.finalized");
    return VAULT_OK;
}

size_t vt_epoch_closing_receipts(const struct vt_epoch_closing *closing)
{
    size_t count = 0;
    for (size_t i = 0; i < VT_KEEPERS_MAX; i++) count += closing->has_receipt[i];
    return count;
}

bool vt_epoch_closing_receipt(const struct vt_epoch_closing *closing, size_t index, struct vt_epoch_receipt *out_receipt)
{
    for (size_t i = 0; i < VT_KEEPERS_MAX; i++) {
        if (!closing->has_receipt[i] || index-- != 0) continue;
        const struct vt_keeper_info *info = &closing->owner->infos[i];
        out_receipt->keeper_id = info->keeper_id;
        out_receipt->keeper_class = info->keeper_class;
        memcpy(out_receipt->hash, closing->receipt_hashes[i], sizeof out_receipt->hash);
        out_receipt->note = vt_buf_bytes(&closing->receipts[i].note);
        return true;
    }
    return false;
}

/* S7 -------------------------------------------------------------------------------------------------------------- */

static void effect_of(const struct vt_epoch_closing *closing, struct former *former, struct vt_effect *effect)
{
    look_at_former(closing, former);
    *effect = (struct vt_effect){.epoch_from = closing->epoch_from,
                                 .epoch_to = closing->next.epoch,
                                 .at_ms = closing->effective_at_ms,
                                 .keepers = former->keepers,
                                 .keeper_count = former->count,
                                 .threshold = former->k};
    memcpy(effect->attempt, closing->next.attempt, sizeof effect->attempt);
}

static VT_RESULT put_set(struct vt_epoch *epoch, struct vt_keyring_view *view, struct vt_txn *txn)
{
    pthread_mutex_lock(&epoch->mutex);
    const struct vt_keeper_set set = epoch->set;
    pthread_mutex_unlock(&epoch->mutex);
    return vt_keeper_set_put(&set, view, txn, NULL);
}

VT_RESULT vt_epoch_record(struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn)
{
    struct former former;
    struct vt_effect effect;
    VT_ENSURE(closing->stage == VT_CLOSING_FINALIZED, VAULT_E_STATE);
    const vault_status owed = vt_closing_rows_exist(txn);
    if (owed == VAULT_E_NOT_FOUND) return VAULT_OK;         /* recorded already */
    VT_TRY(owed);
    effect_of(closing, &former, &effect);
    for (size_t i = 0; i < closing->count; i++) {
        const struct vt_closing_item *item = &closing->items[i];
        const vault_status issued =
            vt_certificate_effective(view, txn, &closing->owner->evidence, &item->pending, &item->destroyed, &effect);
        VT_ENSURE(issued == VAULT_OK || issued == VAULT_E_EXISTS, issued);
        VT_TRY(vt_owed_note(view, txn, &item->pending, &effect));
    }
    VT_TRY(vt_certificate_log_sign(view, txn));
    VT_TRY(vt_closing_receipts_put(closing, txn));
    VT_TRY(put_set(closing->owner, view, txn));
    return vt_closing_rows_delete(txn);
}

/* S8, or not ------------------------------------------------------------------------------------------------------ */

static bool is_recorded(const struct vt_epoch_closing *closing)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    if (closing->stage != VT_CLOSING_FINALIZED) return false;
    if (vt_txn_begin_read(closing->owner->store, &txn) != VAULT_OK) return false;
    return vt_closing_rows_exist(txn) == VAULT_E_NOT_FOUND;
}

void vt_epoch_closing_free(struct vt_epoch_closing *closing)
{
    if (closing == NULL) return;
    struct vt_epoch *epoch = closing->owner;
    if (closing->is_kept) {
        /* The turn is never given back: this environment closes no epoch any more. vt_epoch_free() has the rest. */
        vt_wipe(closing->secrets, sizeof *closing->secrets);
        return;
    }
    if (closing->stage <= VT_CLOSING_PREPARED) {
        const bool may_abort = closing->stage == VT_CLOSING_PREPARED && vt_epoch_resolve_doubt(epoch) == VAULT_OK;
        if (may_abort) vt_shares_abort(epoch, &closing->next);
        items_freeze(closing, false);
    }
    const bool is_owed = closing->stage >= VT_CLOSING_COMMITTED && !vt_epoch_is_sealed(epoch) && !is_recorded(closing);
    if (closing->stage == VT_CLOSING_FINALIZED && !is_owed) vt_fault_step("S7.recorded");
    pthread_mutex_lock(&epoch->mutex);
    epoch->closing = NULL;
    epoch->first_pending_at_ms = 0;
    if (is_owed) {
        epoch->unfinished = closing;
        epoch->retry_at_ms = vt_epoch_now_ms(epoch) + RETRY_AFTER_MS;
    }
    pthread_mutex_unlock(&epoch->mutex);
    if (!is_owed) vt_closing_release(closing);
}
