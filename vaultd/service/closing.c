/* Closing an epoch from above: the committer's halves go through the queue like any call, the keepers' halves run here. */
#include "libvault/base/fault.h"
#include "vaultd/core/epoch/certificate_log.h"
#include "vaultd/service/vault_internal.h"

enum { FINALIZE_RETRY_MS = 200, FINALIZE_TRIES = 50 };

struct closing {
    struct vt_vault *vault;
    struct vt_epoch_closing *epoch_closing;
    bool even_if_empty;
    vt_epoch_add_wraps add_wraps;       /* a rotation of the unseal key; NULL: an ordinary close */
    void *wraps_context;
    const struct vt_keeper_plan *plan;  /* a change of the keepers; NULL: none */
    vault_status freeze_status;
    bool forgets;                       /* it makes the new root, so what was dropped before goes with it */
    struct vt_buf evidence;
};

static vault_status closing_freeze(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct closing *closing = context;
    (void)txn;
    if (closing->add_wraps != NULL)
        closing->freeze_status = vt_epoch_freeze_rotation(closing->vault->epoch, closing->add_wraps, closing->wraps_context,
                                                          &closing->epoch_closing);
    else if (closing->plan != NULL)
        closing->freeze_status = vt_epoch_freeze_change(closing->vault->epoch, closing->plan, &closing->epoch_closing);
    else closing->freeze_status = vt_epoch_freeze(closing->vault->epoch, vt_keyring_write_view(write), closing->even_if_empty,
                                             &closing->epoch_closing);
    return closing->freeze_status;
}

static vault_status destroy_one(void *context, struct vt_keyring_write *write, const struct vt_pending *pending,
                                struct vt_destroyed *out_counts)
{
    struct closing *closing = context;
    struct vt_destroyed_rows rows = {0};
    struct vt_txn *txn = vt_keyring_view_txn(vt_keyring_write_view(write));
    VT_TRY(vt_subject_destroy(write, txn, pending->tenant, &pending->scope, vt_token_reference_gone, closing->vault, &rows));
    *out_counts = (struct vt_destroyed){.records = rows.records, .rows = rows.rows, .index_entries = rows.index_entries,
                                        .tokens = rows.tokens, .keys = rows.keys};
    return VAULT_OK;
}

static vault_status closing_commit(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct closing *closing = context;
    closing->forgets = !vt_epoch_closing_is_committed(closing->epoch_closing);
    const vault_status gone = closing->forgets ? vt_store_delete(txn, VT_TABLE_META, vt_bytes_str(VT_FORGETS_KEY)) : VAULT_OK;
    VT_ENSURE(gone == VAULT_OK || gone == VAULT_E_NOT_FOUND, gone);
    return vt_epoch_commit(closing->epoch_closing, write, txn, destroy_one, closing);
}

static void closing_committed(void *context, bool kept)
{
    struct closing *closing = context;
    vt_epoch_committed(closing->epoch_closing, kept);
    if (kept && closing->forgets) atomic_store(&closing->vault->forgetting_since_ms, 0);
}

/* The audit log keeps the hash of the checkpoint that signs the certificates: through it each of them is in both logs. */
static vault_status closing_record(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct closing *closing = context;
    struct vt_bytes checkpoint;
    vt_buf_reset(&closing->evidence);           /* of a transaction that was not kept */
    VT_TRY(vt_epoch_record(closing->epoch_closing, vt_keyring_write_view(write), txn));
    if (vt_epoch_closing_count(closing->epoch_closing) == 0) return VAULT_OK;
    VT_TRY(vt_certificate_log_checkpoint(txn, &checkpoint));
    return vt_audit_evidence_write(&closing->evidence, checkpoint);
}

/* The vault's own entry in the log: epochs are closed by nobody in particular. */
static struct vt_commit_item system_item(struct closing *closing)
{
    struct vt_epoch_status status = {0};
    struct vt_commit_item item = {.is_reserved = true, .context = closing};
    item.leaf.effect = VT_AUDIT_SYSTEM;
    if (vt_epoch_status(closing->vault->epoch, &status) == VAULT_OK) item.leaf.incarnation = status.incarnation;
    item.leaf.item_count = closing->epoch_closing != NULL ? (uint32_t)vt_epoch_closing_count(closing->epoch_closing) : 0;
    return item;
}

static VT_RESULT step_freeze(struct closing *closing)
{
    struct vt_commit_item item = system_item(closing);
    item.exclusive = closing_freeze;
    item.is_unaudited = true;
    const vault_status status = vt_vault_commit_wait(closing->vault, &item);
    return closing->freeze_status != VAULT_OK ? closing->freeze_status : status;
}

static vault_status closing_owe(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct closing *closing = context;
    return vt_epoch_owe_joiners(closing->epoch_closing, vt_keyring_write_view(write), txn);
}

static void closing_owed(void *context, bool kept)
{
    struct closing *closing = context;
    if (kept) vt_epoch_joiners_owe(closing->epoch_closing);
}

/* Durable before a keeper that joins is given anything. */
static VT_RESULT step_owe(struct closing *closing)
{
    if (closing->plan == NULL) return VAULT_OK;
    struct vt_commit_item item = system_item(closing);
    item.exclusive = closing_owe;
    item.is_unaudited = true;
    item.on_committed = closing_owed;
    return vt_vault_commit_wait(closing->vault, &item);
}

static VT_RESULT step_commit(struct closing *closing)
{
    struct vt_commit_item item = system_item(closing);
    item.exclusive = closing_commit;
    item.on_committed = closing_committed;
    return vt_vault_commit_wait(closing->vault, &item);
}

/* Past the commit point there is no way back: keep asking the keepers. */
static VT_RESULT step_finalize(struct closing *closing)
{
    vault_status status = VAULT_E_KEEPER;
    for (unsigned attempt = 0; attempt < FINALIZE_TRIES && status == VAULT_E_KEEPER; attempt++) {
        if (attempt != 0) {
            const struct timespec pause = {0, FINALIZE_RETRY_MS * 1000000L};
            nanosleep(&pause, NULL);
        }
        status = vt_epoch_finalize(closing->epoch_closing);
    }
    return status;
}

static VT_RESULT step_record(struct closing *closing)
{
    struct vt_commit_item item = system_item(closing);
    item.exclusive = closing_record;
    item.payloads = &closing->evidence;
    item.wants_checkpoint = true;
    return vt_vault_commit_wait(closing->vault, &item);
}

static VT_RESULT closing_run(struct closing *closing)
{
    VT_TRY(step_freeze(closing));
    VT_TRY(step_owe(closing));
    VT_TRY(vt_epoch_prepare(closing->epoch_closing));
    VT_TRY(step_commit(closing));
    VT_TRY(step_finalize(closing));
    return step_record(closing);
}

static VT_RESULT closing_serve(struct closing *closing)
{
    pthread_mutex_lock(&closing->vault->closing_mutex);
    const vault_status status = closing_run(closing);
    vt_epoch_closing_free(closing->epoch_closing);
    /* A hold that came while it was closing would have won at its commit; now nothing is frozen any more. */
    const vault_status taken_back = status == VAULT_OK ? VAULT_OK : vt_vault_take_back_held(closing->vault);
    pthread_mutex_unlock(&closing->vault->closing_mutex);
    (void)taken_back;       /* it is tried again by the next close, which does not let held requests through either */
    vt_buf_release(&closing->evidence);
    return status;
}

VT_RESULT vt_vault_close_epoch(struct vt_vault *vault, bool even_if_empty)
{
    struct closing closing = {.vault = vault, .even_if_empty = even_if_empty, .evidence = VT_BUF_INIT(VT_AUDIT_PAYLOADS_MAX)};
    return closing_serve(&closing);
}

/* Its shares are sealed under the unseal key of now: nothing else can begin before it is finished. */
static VT_RESULT finish_leftover(struct vt_vault *vault)
{
    struct vt_epoch_status status;
    VT_TRY(vt_epoch_status(vault->epoch, &status));
    if (!status.is_closing) return VAULT_OK;
    const vault_status finished = vt_vault_close_epoch(vault, false);
    return finished == VAULT_E_NOT_FOUND ? VAULT_OK : finished;
}

VT_RESULT vt_vault_rotate_unseal_key(struct vt_vault *vault, vt_epoch_add_wraps add_wraps, void *context)
{
    struct closing closing = {.vault = vault, .add_wraps = add_wraps, .wraps_context = context,
                              .evidence = VT_BUF_INIT(VT_AUDIT_PAYLOADS_MAX)};
    VT_TRY(finish_leftover(vault));
    return closing_serve(&closing);
}

VT_RESULT vt_vault_change_keepers(struct vt_vault *vault, const struct vt_keeper_plan *plan)
{
    struct closing closing = {.vault = vault, .plan = plan, .evidence = VT_BUF_INIT(VT_AUDIT_PAYLOADS_MAX)};
    VT_TRY(finish_leftover(vault));
    return closing_serve(&closing);
}

/* Certificates that can say more ------------------------------------------------------------------------------------------- */

struct settling {
    struct vt_vault *vault;
    struct vt_settling what;
    struct vt_buf evidence;
};

static vault_status settling_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct settling *settling = context;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    struct vt_bytes checkpoint;
    size_t issued;
    vt_buf_reset(&settling->evidence);          /* of a transaction that was not kept */
    VT_TRY(vt_epoch_settle(settling->vault->epoch, view, txn, &settling->what, &issued));
    if (issued == 0) return VAULT_OK;
    VT_TRY(vt_certificate_log_sign(view, txn));
    VT_TRY(vt_certificate_log_checkpoint(txn, &checkpoint));
    return vt_audit_evidence_write(&settling->evidence, checkpoint);
}

static VT_RESULT settling_look(struct settling *settling)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_vault_view(settling->vault, &txn, &view));
    return vt_epoch_settle_look(settling->vault->epoch, view, &settling->what);
}

static VT_RESULT settling_commit(struct settling *settling)
{
    struct vt_epoch_status status;
    struct vt_commit_item item = {.is_reserved = true, .exclusive = settling_apply, .context = settling,
                                  .payloads = &settling->evidence, .wants_checkpoint = settling->what.count != 0};
    /* Receipts alone are evidence for certificates to come, which name them, and no act: a new vault has one at once. */
    item.is_unaudited = settling->what.count == 0;
    item.leaf.effect = VT_AUDIT_SYSTEM;
    item.leaf.item_count = (uint32_t)settling->what.count;
    VT_TRY(vt_epoch_status(settling->vault->epoch, &status));
    item.leaf.incarnation = status.incarnation;
    return vt_vault_commit_wait(settling->vault, &item);
}

static VT_RESULT settling_run(struct settling *settling)
{
    do {
        VT_TRY(settling_look(settling));
        if (settling->what.count != 0 || settling->what.has_receipts) VT_TRY(settling_commit(settling));
    } while (settling->what.from != 0);
    return VAULT_OK;
}

VT_RESULT vt_vault_settle_certificates(struct vt_vault *vault)
{
    struct settling settling = {.vault = vault, .evidence = VT_BUF_INIT(VT_AUDIT_PAYLOADS_MAX)};
    if (!vt_epoch_has_news(vault->epoch)) return VAULT_OK;
    const vault_status status = settling_run(&settling);
    vt_buf_release(&settling.evidence);
    if (status != VAULT_OK) vt_epoch_settle_again(vault->epoch);
    return status != VAULT_OK ? status : settling.what.trouble;         /* what is damaged is not mended by trying again */
}

/* Wishes ------------------------------------------------------------------------------------------------------- */

void vt_vault_set_epoch_waker(struct vt_vault *vault, void (*wake)(void *context), void *context)
{
    pthread_mutex_lock(&vault->epoch_mutex);
    vault->epoch_wake = wake;
    vault->epoch_wake_context = context;
    vault->has_epoch_thread = wake != NULL;
    pthread_mutex_unlock(&vault->epoch_mutex);
}

enum { CLOSE_AFTER_DEFAULT_MS = 15 * 60 * 1000 };

void vt_vault_note_forgetting(struct vt_vault *vault, int64_t since_ms)
{
    int64_t none = 0;
    atomic_compare_exchange_strong(&vault->forgetting_since_ms, &none, since_ms);
}

int64_t vt_vault_forgetting_since_ms(const struct vt_vault *vault)
{
    return atomic_load(&vault->forgetting_since_ms);
}

/* 0: nothing is to be forgotten */
static int64_t forgetting_due_at(struct vt_vault *vault)
{
    const int64_t since = vt_vault_forgetting_since_ms(vault);
    const int64_t after = vault->options.close_after_ms != 0 ? vault->options.close_after_ms : CLOSE_AFTER_DEFAULT_MS;
    return since != 0 ? since + after : 0;
}

static bool forgetting_is_due(struct vt_vault *vault)
{
    const int64_t due_at = forgetting_due_at(vault);
    return due_at != 0 && vt_clock_now_ms(vault->options.clock) >= due_at;
}

static bool closes_epochs(enum vt_vault_state state)
{
    return state == VT_VAULT_READY || state == VT_VAULT_DISK_FULL || state == VT_VAULT_TAKING_OVER;
}

void vt_vault_waiting(struct vt_vault *vault, const struct vt_epoch_status *status, struct vt_waiting *out_waiting)
{
    const int64_t due_at = forgetting_due_at(vault), close_at = status->next_close_at_ms;
    out_waiting->dropped_since_ms = vt_vault_forgetting_since_ms(vault);
    out_waiting->next_close_at_ms = due_at == 0 || (close_at != 0 && close_at < due_at) ? close_at : due_at;
    if (!closes_epochs(vt_vault_state(vault))) out_waiting->next_close_at_ms = 0;
}

bool vt_vault_epoch_is_due(struct vt_vault *vault)
{
    const enum vt_vault_state state = vt_vault_state(vault);
    pthread_mutex_lock(&vault->epoch_mutex);
    const bool is_wished = vault->epoch_wished > vault->epoch_begun;
    pthread_mutex_unlock(&vault->epoch_mutex);
    /* Whoever waits for a close must be told, also when the vault was sealed meanwhile or is being taken over. */
    if (state == VT_VAULT_SEALED) return is_wished;
    if (!closes_epochs(state)) return false;
    return is_wished || forgetting_is_due(vault) || vt_epoch_is_due(vault->epoch);
}

/* A closing that a crash or a keeper left unfinished is finished first; whoever wished a close wants the next one as well. */
static VT_RESULT close_with_leftover(struct vt_vault *vault, bool even_if_empty)
{
    struct vt_epoch_status before;
    VT_TRY(vt_epoch_status(vault->epoch, &before));
    const vault_status status = vt_vault_close_epoch(vault, even_if_empty);
    if (status != VAULT_OK || !before.is_closing) return status;
    const vault_status again = vt_vault_close_epoch(vault, even_if_empty);
    return again == VAULT_E_NOT_FOUND ? VAULT_OK : again;
}

VT_RESULT vt_vault_run_due_epoch(struct vt_vault *vault)
{
    pthread_mutex_lock(&vault->epoch_mutex);
    const uint64_t serving = vault->epoch_wished;
    /* Whatever the reason for this close: keys that a correction or a deletion has dropped go with it. */
    const bool even_if_empty = vault->epoch_even_if_empty || vt_vault_forgetting_since_ms(vault) != 0 ||
                               vt_epoch_wants_healing(vault->epoch);
    vault->epoch_begun = serving;
    vault->epoch_even_if_empty = false;
    pthread_mutex_unlock(&vault->epoch_mutex);

    const vault_status status = close_with_leftover(vault, even_if_empty);

    pthread_mutex_lock(&vault->epoch_mutex);
    vault->epoch_done = serving;
    vault->epoch_last_status = status;
    pthread_cond_broadcast(&vault->epoch_served);
    pthread_mutex_unlock(&vault->epoch_mutex);
    return status;
}

VT_RESULT vt_vault_close_epoch_wait(struct vt_vault *vault, bool even_if_empty)
{
    pthread_mutex_lock(&vault->epoch_mutex);
    const bool has_thread = vault->has_epoch_thread;
    const uint64_t ticket = ++vault->epoch_wished;
    vault->epoch_even_if_empty |= even_if_empty;
    void (*wake)(void *) = vault->epoch_wake;
    void *context = vault->epoch_wake_context;
    pthread_mutex_unlock(&vault->epoch_mutex);
    if (!has_thread) return vt_vault_run_due_epoch(vault);

    wake(context);
    pthread_mutex_lock(&vault->epoch_mutex);
    while (vault->epoch_done < ticket) pthread_cond_wait(&vault->epoch_served, &vault->epoch_mutex);
    const vault_status status = vault->epoch_last_status;
    pthread_mutex_unlock(&vault->epoch_mutex);
    return status;
}
