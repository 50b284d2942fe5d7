/* First initialisation. The order is that of an epoch: PREPARE, commit, FINALIZE; a crash in between leaves either shares that
 * no vault was ever served under, or a vault that unseals. */
#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/epoch/epoch_internal.h"

/* Arena memory. */
struct first_keys {
    struct vt_key unseal, root;
};

struct starting {
    struct vt_epoch *epoch;
    struct vt_vault_id vault_id;
    struct vt_epoch_id id;
    struct first_keys *keys;
    struct vt_buf wraps;
    struct vt_keeper_set set;
    uint64_t commit_number;
};

/* A keeper that has finalised anything belongs to a vault. One that was only ever prepared for the first epoch is free. */
static VT_RESULT read_free(struct vt_keeper *keeper, struct vt_keeper_slot slots[VT_KEEPER_SLOTS], size_t *out_count)
{
    struct vt_keeper_floor floor;
    size_t count;
    VT_ENSURE(keeper->ops->read(keeper, slots, &count) == VAULT_OK, VAULT_E_KEEPER);
    VT_ENSURE(keeper->ops->floor(keeper, &floor) == VAULT_OK, VAULT_E_KEEPER);
    VT_ENSURE(floor.epoch == 0, VAULT_E_EXISTS);
    for (size_t i = 0; i < count; i++)
        VT_ENSURE(slots[i].state == VT_SLOT_PREPARED && slots[i].epoch == VT_KEYRING_FIRST_EPOCH, VAULT_E_EXISTS);
    *out_count = count;
    return VAULT_OK;
}

/* What the slots hold is a share: it is wiped on every way out. */
VT_RESULT vt_epoch_keeper_is_free(struct vt_keeper *keeper)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS] = {0};
    size_t count;
    const vault_status status = read_free(keeper, slots, &count);
    vt_wipe(slots, sizeof slots);
    return status;
}

static VT_RESULT clear_keeper(struct vt_epoch *epoch, size_t index)
{
    struct vt_keeper *keeper = epoch->keepers[index];
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS] = {0};
    size_t count = 0;
    vault_status status = read_free(keeper, slots, &count);
    for (size_t i = 0; i < count && status == VAULT_OK; i++)
        status = keeper->ops->abort(keeper, slots[i].incarnation, slots[i].epoch, slots[i].attempt);
    vt_wipe(slots, sizeof slots);
    return status;
}

static VT_RESULT check_empty(struct vt_epoch *epoch)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_root_record root;
    VT_TRY(vt_txn_begin_read(epoch->store, &txn));
    const vault_status status = vt_keyring_root_record(txn, &root);
    VT_ENSURE(status != VAULT_OK, VAULT_E_EXISTS);
    VT_ENSURE(status == VAULT_E_NOT_INITIALISED, status);

    struct vt_journal_tail tail;
    const bool has_history = epoch->options.journal != NULL && vt_journal_tail(epoch->options.journal, &tail) == VAULT_OK;
    return has_history ? VAULT_E_EXISTS : VAULT_OK;     /* a journal without its store: somebody wants to restore it */
}

static VT_RESULT draw(struct starting *starting)
{
    starting->id = (struct vt_epoch_id){.incarnation = 1, .epoch = VT_KEYRING_FIRST_EPOCH};
    VT_TRY(vt_random_bytes(starting->vault_id.bytes, sizeof starting->vault_id.bytes));
    VT_TRY(vt_random_bytes(starting->id.attempt, sizeof starting->id.attempt));
    VT_TRY(vt_random_key(&starting->keys->unseal));
    return vt_random_key(&starting->keys->root);
}

static VT_RESULT wrap(struct starting *starting, vt_epoch_add_wraps add_wraps, void *context)
{
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_TRY(vt_wraps_new(&starting->vault_id, &wraps));
    VT_TRY(add_wraps(context, wraps, &starting->keys->unseal));
    VT_ENSURE(vt_wraps_count(wraps) != 0, VAULT_E_ARGUMENT);
    return vt_wraps_encode(wraps, &starting->wraps);
}

static VT_RESULT create(struct starting *starting)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    const struct vt_epoch *epoch = starting->epoch;
    VT_TRY(vt_txn_begin_write(epoch->store, &txn));
    VT_TRY(vt_keyring_create(epoch->ring, txn, &starting->vault_id, starting->id.incarnation, starting->id.attempt,
                             &starting->keys->root));
    VT_TRY(vt_store_put(txn, VT_TABLE_META, vt_bytes_str(VT_META_WRAPS), vt_buf_bytes(&starting->wraps), VT_PUT_NEW));
    starting->commit_number = vt_store_commit_number(txn);
    return vt_txn_commit(VT_MOVE(txn));
}

/* Rolling forward begins behind the creation: there is nothing to roll forward from before it. */
static VT_RESULT begin_journal(struct vt_epoch *epoch)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_root_record root;
    if (epoch->options.journal == NULL) return VAULT_OK;
    VT_TRY(vt_txn_begin_read(epoch->store, &txn));
    VT_TRY(vt_keyring_root_record(txn, &root));
    return vt_journal_note_gap(epoch->options.journal, &root);
}

/* There is nothing old to erase. One that is lost now is no reason to leave a vault that nobody has a credential for: it finalises
 * when it is back, or is given its share with the next epoch. But k must have theirs for good. */
static VT_RESULT finalize_all(struct starting *starting)
{
    struct vt_epoch *epoch = starting->epoch;
    vault_status failed = VAULT_OK;
    unsigned done = 0;
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
        const vault_status status = vt_shares_finalize(epoch, i, &starting->id, starting->commit_number, &receipt);
        done += status == VAULT_OK;
        if (status != VAULT_OK) failed = status;
        vt_epoch_note_change(epoch, i, status);
        vt_fault_step("init.finalized");
    }
    return done >= epoch->options.quorum ? VAULT_OK : failed;
}

/* Behind the creation, since it is sealed under a key that the creation makes. */
static VT_RESULT put_first_set(struct vt_epoch *epoch)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_write(epoch->store, &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(epoch->ring, txn, &view));
    VT_TRY(vt_keeper_set_put(&epoch->set, view, txn, NULL));
    vt_keyring_view_end(VT_MOVE(view));
    return vt_txn_commit(VT_MOVE(txn));
}

static VT_RESULT start(struct starting *starting, vt_epoch_add_wraps add_wraps, void *context)
{
    struct vt_epoch *epoch = starting->epoch;
    VT_TRY(draw(starting));
    VT_TRY(wrap(starting, add_wraps, context));
    VT_TRY(vt_epoch_first_set(epoch, &starting->set));
    const struct vt_sharing sharing = {.id = starting->id, .vault_id = starting->vault_id, .unseal_key = &starting->keys->unseal,
                                       .root = &starting->keys->root, .set = &starting->set,
                                       .needed = (unsigned)epoch->options.keeper_count};
    VT_TRY(vt_shares_prepare(epoch, &sharing));
    vt_fault_step("init.prepared");
    const vault_status status = create(starting);
    if (status != VAULT_OK) {
        vt_shares_abort(epoch, &starting->id);
        return status;
    }
    vt_fault_step("init.committed");
    VT_TRY(vt_keyring_unseal(epoch->ring, &starting->keys->root));
    vt_epoch_adopt(epoch, &starting->vault_id, &starting->id, &starting->keys->unseal);
    vt_epoch_adopt_set(epoch, &starting->set);
    VT_TRY(begin_journal(epoch));
    VT_TRY(put_first_set(epoch));           /* before a keeper can be lost: who holds shares is known from here on */
    return finalize_all(starting);
}

static VT_RESULT initialise(struct vt_epoch *epoch, vt_epoch_add_wraps add_wraps, void *context)
{
    struct starting starting = {.epoch = epoch, .wraps = VT_BUF_INIT(VT_WRAPS_BYTES_MAX)};
    VT_TRY(check_empty(epoch));
    for (size_t i = 0; i < epoch->options.keeper_count; i++) VT_TRY(clear_keeper(epoch, i));
    starting.keys = vt_secret_alloc(sizeof *starting.keys);
    VT_ENSURE(starting.keys != NULL, VAULT_E_MEMORY);
    const vault_status status = start(&starting, add_wraps, context);
    vt_secret_free(starting.keys);
    vt_buf_release(&starting.wraps);
    /* Created but not finalised everywhere: sealed again, so that unsealing finishes it like any crash. */
    if (status != VAULT_OK && !vt_epoch_is_sealed(epoch)) vt_epoch_seal(epoch);
    return status;
}

VT_RESULT vt_epoch_initialise(struct vt_epoch *epoch, vt_epoch_add_wraps add_wraps, void *context)
{
    pthread_mutex_lock(&epoch->push_mutex);         /* keepers have one caller at a time, and somebody may be looking at them */
    const vault_status status = initialise(epoch, add_wraps, context);
    pthread_mutex_unlock(&epoch->push_mutex);
    return status;
}
