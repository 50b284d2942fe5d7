/* What is said after an epoch has closed: receipts of keepers that were late, and certificates that are issued again because of
 * them or because the era of the index has ended. */
#include "vaultd/core/epoch/certificate_log.h"
#include "vaultd/core/epoch/epoch_internal.h"
#include "vaultd/core/epoch/owed.h"

bool vt_epoch_has_news(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->mutex);
    const bool has_news = epoch->has_news && !epoch->is_sealed;
    pthread_mutex_unlock(&epoch->mutex);
    return has_news;
}

/* Under the mutex. A copy of what came late, or nothing where memory is short: the next receipt says the same. */
void vt_epoch_keep_late(struct vt_epoch *epoch, size_t index, uint64_t epoch_number, struct vt_bytes note)
{
    struct vt_late_receipt *late = &epoch->late[index];
    vt_buf_reset(&late->note);
    late->epoch = epoch_number;
    if (vt_buf_append(&late->note, note) != VAULT_OK) late->epoch = 0;
    epoch->has_news = true;
}

/* A copy of what has come late, for a transaction that may fail. */
static VT_RESULT copy_late(struct vt_epoch *epoch, struct vt_receipt_copy copies[VT_KEEPERS_MAX], size_t *out_count)
{
    vault_status status = VAULT_OK;
    size_t count = 0;
    pthread_mutex_lock(&epoch->mutex);
    for (size_t i = 0; i < epoch->options.keeper_count && status == VAULT_OK; i++) {
        const struct vt_late_receipt *late = &epoch->late[i];
        if (late->epoch == 0 || late->note.len == 0) continue;
        struct vt_receipt_copy *copy = &copies[count++];
        copy->epoch = late->epoch;
        copy->keeper_id = epoch->infos[i].keeper_id;
        copy->keeper_class = epoch->infos[i].keeper_class;
        status = vt_buf_append(&copy->note, vt_buf_bytes(&late->note));
    }
    pthread_mutex_unlock(&epoch->mutex);
    *out_count = count;
    return status;
}

struct copies {
    struct vt_receipt_copy items[VT_KEEPERS_MAX];
    size_t count;
};

static void copies_release(struct copies *copies)
{
    for (size_t i = 0; i < VT_KEEPERS_MAX; i++) vt_buf_release(&copies->items[i].note);
}

static struct copies copies_init(void)
{
    struct copies copies = {.count = 0};
    for (size_t i = 0; i < VT_KEEPERS_MAX; i++) copies.items[i].note = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX);
    return copies;
}

/* Is there one that the store does not have? */
static VT_RESULT look_at_late(struct vt_epoch *epoch, struct vt_txn *txn, bool *out_is_new)
{
    struct copies copies = copies_init();
    vault_status status = copy_late(epoch, copies.items, &copies.count);
    *out_is_new = false;
    for (size_t i = 0; i < copies.count && status == VAULT_OK && !*out_is_new; i++)
        status = vt_receipts_lack(txn, &copies.items[i], out_is_new);
    copies_release(&copies);
    return status;
}

static struct vt_keeper_set set_now(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->mutex);
    const struct vt_keeper_set set = epoch->set;
    pthread_mutex_unlock(&epoch->mutex);
    return set;
}

VT_RESULT vt_epoch_settle_look(struct vt_epoch *epoch, struct vt_keyring_view *view, struct vt_settling *settling)
{
    const struct vt_keeper_set set = set_now(epoch);
    if (settling->from == 0) {
        pthread_mutex_lock(&epoch->mutex);
        epoch->has_news = false;            /* what comes from here on is news again */
        pthread_mutex_unlock(&epoch->mutex);
    }
    VT_TRY(look_at_late(epoch, vt_keyring_view_txn(view), &settling->has_receipts));
    if (set.epoch == 0) {
        settling->count = 0;
        settling->from = 0;
        return VAULT_OK;
    }
    return vt_owed_due(view, vt_keeper_set_clean_from(&set), &settling->from, settling->numbers, VT_SETTLE_MAX,
                       &settling->count, &settling->trouble);
}

static VT_RESULT put_receipts(struct vt_epoch *epoch, struct vt_txn *txn)
{
    struct copies copies = copies_init();
    vault_status status = copy_late(epoch, copies.items, &copies.count);
    for (size_t i = 0; i < copies.count && status == VAULT_OK; i++) status = vt_receipts_add(txn, &copies.items[i]);
    copies_release(&copies);
    return status;
}

VT_RESULT vt_epoch_settle(struct vt_epoch *epoch, struct vt_keyring_view *view, struct vt_txn *txn,
                          struct vt_settling *settling, size_t *out_issued)
{
    const struct vt_keeper_set set = set_now(epoch);
    VT_TRY(put_receipts(epoch, txn));
    if (set.epoch != 0) VT_TRY(vt_keeper_set_put(&set, view, txn, NULL));
    *out_issued = 0;
    for (size_t i = 0; i < settling->count; i++) {
        bool is_issued;
        const vault_status status = vt_owed_issue(view, txn, &set, settling->numbers[i], vt_epoch_now_ms(epoch),
                                                  epoch->options.clock->is_test_clock, &is_issued);
        if (vt_owed_is_damage(status)) settling->trouble = settling->trouble != VAULT_OK ? settling->trouble : status;
        else VT_TRY(status);
        *out_issued += is_issued;
    }
    return VAULT_OK;
}

void vt_epoch_settle_again(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->mutex);
    epoch->has_news = true;
    pthread_mutex_unlock(&epoch->mutex);
}

/* In one call ------------------------------------------------------------------------------------------------------------- */

static VT_RESULT settle_look_now(struct vt_epoch *epoch, struct vt_settling *settling)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(epoch->store, &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(epoch->ring, txn, &view));
    return vt_epoch_settle_look(epoch, view, settling);
}

static VT_RESULT settle_write_now(struct vt_epoch *epoch, struct vt_settling *settling)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    size_t issued;
    VT_TRY(vt_txn_begin_write_reserved(epoch->store, &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(epoch->ring, txn, &view));
    VT_TRY(vt_epoch_settle(epoch, view, txn, settling, &issued));
    VT_TRY(vt_certificate_log_sign(view, txn));
    vt_keyring_view_end(VT_MOVE(view));
    return vt_txn_commit(VT_MOVE(txn));
}

VT_RESULT vt_epoch_settle_now(struct vt_epoch *epoch)
{
    struct vt_settling settling = {.from = 0};
    do {
        VT_TRY(settle_look_now(epoch, &settling));
        if (settling.count != 0 || settling.has_receipts) VT_TRY(settle_write_now(epoch, &settling));
    } while (settling.from != 0);
    return settling.trouble;
}
