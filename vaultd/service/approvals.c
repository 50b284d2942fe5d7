/* What approvals lead to, done by the vault itself: requests to forget that the brake held back become pending when two others have
 * approved and the delay has passed; what nobody approves in time expires. Each step is a commit that can be repeated. */
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "vaultd/core/epoch/waiting.h"
#include "vaultd/core/policy/approval.h"
#include "vaultd/core/policy/brake.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/service/credentials.h"
#include "vaultd/service/vault_internal.h"

enum { STEP_REQUESTS = 500, STEPS_AT_ONCE = 1000 };

uint64_t vt_vault_brake_limit(const struct vt_vault *vault, uint64_t subjects)
{
    const uint64_t most = vt_brake_limit(subjects), per_hour = vault->options.brake.per_hour;
    if (per_hour == 0) return most;
    return vault->options.is_dev ? per_hour : VT_MIN(per_hour, most);
}

/* Looking -------------------------------------------------------------------------------------------------------------- */

struct looking {
    struct vt_vault *vault;
    int64_t now_ms, next_ms;
    const uint8_t *failed;              /* only what lies behind it is looked for; NULL: nothing has failed */
    uint8_t id[16];
    bool is_found;
};

void vt_vault_begin_deniable(struct vt_vault *vault)
{
    atomic_store(&vault->deniable_since_ms, vt_clock_steady_ms(vault->options.clock));
}

/* By the wall clock, by which everything is looked at: not before it is due, nor before it could be denied for long enough. */
static int64_t carried_out_at(struct vt_vault *vault, const struct vt_approval *approval, int64_t now_ms)
{
    const int64_t least_ms = VT_MIN(approval->delay_ms, (int64_t)VT_DENIABLE_LEAST_MS);
    const int64_t since_ms = vt_clock_steady_ms(vault->options.clock) - atomic_load(&vault->deniable_since_ms);
    return since_ms >= least_ms ? approval->due_at_ms : VT_MAX(approval->due_at_ms, now_ms + least_ms - since_ms);
}

static int64_t looked_at_again(struct vt_vault *vault, const struct vt_approval *approval, int64_t now_ms)
{
    switch (approval->state) {
    case VT_APPROVAL_WAITING: return approval->expires_at_ms;
    case VT_APPROVAL_DELAYED: return carried_out_at(vault, approval, now_ms);
    case VT_APPROVAL_RUNNING: return 0;
    default: return INT64_MAX;
    }
}

static vault_status look_at(void *context, const struct vt_approval *approval)
{
    struct looking *looking = context;
    const int64_t at_ms = looked_at_again(looking->vault, approval, looking->now_ms);
    if (at_ms > looking->now_ms) {
        looking->next_ms = VT_MIN(looking->next_ms, at_ms);
        return VAULT_OK;
    }
    if (looking->failed != NULL && memcmp(approval->id, looking->failed, sizeof approval->id) <= 0) return VAULT_OK;
    if (!looking->is_found) memcpy(looking->id, approval->id, sizeof looking->id);
    looking->is_found = true;
    return VAULT_OK;
}

void vt_vault_look_at_approvals(struct vt_vault *vault)
{
    atomic_store(&vault->approvals_look_at_ms, 0);
}

bool vt_vault_approvals_are_due(struct vt_vault *vault)
{
    const enum vt_vault_state state = vt_vault_state(vault);
    if (state != VT_VAULT_READY && state != VT_VAULT_DISK_FULL) return false;
    return vt_clock_now_ms(vault->options.clock) >= atomic_load(&vault->approvals_look_at_ms);
}

/* Steps ---------------------------------------------------------------------------------------------------------------- */

struct step {
    struct vt_vault *vault;
    struct vt_commit_item item;
    uint8_t id[16];
    struct vt_pending *requests;        /* STEP_REQUESTS */
    struct vt_scope *pending;           /* what became of them */
    size_t pending_count;
};

struct counting {
    struct vt_keyring_view *view;
    uint64_t count;
};

static vault_status count_held(void *context, const struct vt_pending *pending)
{
    struct counting *counting = context;
    const vault_status status = vt_gate_scope(counting->view, pending->tenant, &pending->scope);
    counting->count += status == VAULT_E_HELD;
    return status == VAULT_E_HELD ? VAULT_OK : status;
}

/* Holds are counted before anything is let through, so that each certificate of the case says the same, unless another hold comes
 * between two steps. */
static VT_RESULT begin_run(struct vt_keyring_view *view, struct vt_approval *approval)
{
    struct counting counting = {view, 0};
    VT_TRY(vt_waiting_each(view, approval->id, count_held, &counting));
    approval->held_count = counting.count;
    approval->state = VT_APPROVAL_RUNNING;
    return VAULT_OK;
}

static VT_RESULT is_there(struct vt_keyring_view *view, const struct vt_pending *request, bool *out_is_there)
{
    const struct vt_subject_keys *keys;
    const vault_status status = vt_keyring_subject_keys(view, request->tenant, &request->scope.sid, &keys);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    *out_is_there = status == VAULT_OK;
    return VAULT_OK;
}

/* A request becomes pending now, under the time at which it was asked for. */
static VT_RESULT let_through(struct step *step, struct vt_keyring_view *view, struct vt_txn *txn, struct vt_approval *approval,
                             struct vt_pending *request)
{
    bool is_alive;
    VT_TRY(vt_waiting_delete(txn, request));
    VT_TRY(is_there(view, request, &is_alive));
    const vault_status gate = vt_gate_scope(view, request->tenant, &request->scope);
    VT_ENSURE(gate == VAULT_OK || gate == VAULT_E_HELD, gate);
    if (gate == VAULT_E_HELD) {
        approval->held_so_far++;
        approval->held_count = VT_MAX(approval->held_count, approval->held_so_far);     /* placed since it began, maybe */
        return VAULT_OK;
    }
    request->held_count = (uint32_t)VT_MIN(approval->held_count, (uint64_t)UINT32_MAX);
    const struct vt_scope scope = request->scope;
    vault_status status = VAULT_E_EXISTS;
    if (is_alive) status = vt_pending_add(view, txn, vt_epoch_evidence(step->vault->epoch), request);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_EXISTS, status);
    if (status == VAULT_E_EXISTS) approval->gone_count++;       /* erased or asked for otherwise meanwhile */
    else step->pending[step->pending_count++] = scope;
    return VAULT_OK;
}

VT_RESULT vt_vault_recheck_approval(struct vt_keyring_view *view, int64_t now_ms, struct vt_approval *approval)
{
    static const uint8_t NOBODY[16];
    bool is_over;
    if (approval->state != VT_APPROVAL_WAITING && approval->state != VT_APPROVAL_DELAYED) return VAULT_OK;
    VT_TRY(vt_credentials_is_over(view, approval->asked_by, now_ms, &is_over));
    if (is_over) return vt_approval_deny(approval, NOBODY, now_ms, NULL);
    for (size_t i = approval->granted; i-- > 0;) {
        VT_TRY(vt_credentials_is_over(view, approval->grants[i].principal, now_ms, &is_over));
        if (is_over) vt_approval_withdraw(approval, approval->grants[i].principal);
    }
    return VAULT_OK;
}

static VT_RESULT run(struct step *step, struct vt_keyring_view *view, struct vt_txn *txn, struct vt_approval *approval)
{
    size_t count;
    VT_TRY(vt_waiting_list(view, approval->id, step->requests, STEP_REQUESTS, &count));
    for (size_t i = 0; i < count; i++) VT_TRY(let_through(step, view, txn, approval, &step->requests[i]));
    if (count == STEP_REQUESTS) return VAULT_OK;
    approval->state = VT_APPROVAL_DONE;
    approval->held_count = approval->held_so_far;
    approval->ended_at_ms = vt_clock_now_ms(step->vault->options.clock);
    return VAULT_OK;
}

/* Whoever took a credential over must not have his way because it was revoked only after it had asked or granted. */
static VT_RESULT begin(struct step *step, struct vt_keyring_view *view, struct vt_txn *txn, struct vt_approval *approval)
{
    VT_TRY(vt_vault_recheck_approval(view, vt_clock_now_ms(step->vault->options.clock), approval));
    if (approval->state == VT_APPROVAL_DENIED) return vt_waiting_clear(txn, approval->id);
    if (approval->state != VT_APPROVAL_DELAYED) return VAULT_OK;
    VT_TRY(begin_run(view, approval));
    return run(step, view, txn, approval);
}

static VT_RESULT expire(struct step *step, struct vt_txn *txn, struct vt_approval *approval)
{
    approval->state = VT_APPROVAL_EXPIRED;
    approval->ended_at_ms = vt_clock_now_ms(step->vault->options.clock);
    return vt_waiting_clear(txn, approval->id);
}

static vault_status step_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct step *step = context;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    struct vt_approval approval;
    step->pending_count = 0;
    VT_TRY(vt_approval_get(view, step->id, &approval));
    const int64_t now_ms = vt_clock_now_ms(step->vault->options.clock);
    if (looked_at_again(step->vault, &approval, now_ms) > now_ms) return VAULT_OK;       /* denied meanwhile, say */
    if (approval.state == VT_APPROVAL_WAITING) VT_TRY(expire(step, txn, &approval));
    else if (approval.state == VT_APPROVAL_DELAYED) VT_TRY(begin(step, view, txn, &approval));
    else VT_TRY(run(step, view, txn, &approval));
    step->item.leaf.item_count = (uint32_t)step->pending_count;
    return vt_approval_put(view, txn, &approval);
}

static void step_committed(void *context, bool kept)
{
    struct step *step = context;
    for (size_t i = 0; kept && i < step->pending_count; i++)
        if (vt_stamps_add_pending(step->vault->stamps, &step->pending[i]) != VAULT_OK) vt_vault_seal(step->vault);
}

/* The vault's own entry in the log, as that of a closing epoch. */
static VT_RESULT own_commit(struct vt_vault *vault, struct vt_commit_item *item, vt_change_hook hook, void *context,
                            void (*on_committed)(void *context, bool kept))
{
    VT_AUTO_PTR(vt_change) change = NULL;
    struct vt_epoch_status status;
    VT_TRY(vt_epoch_status(vault->epoch, &status));
    VT_TRY(vt_change_new(VT_TENANT_DEFAULT, &change));
    VT_TRY(vt_change_hook_add(change, hook, context));
    *item = (struct vt_commit_item){.is_reserved = true, .since = vt_stamps_now(vault->stamps), .change = change,
                                    .on_committed = on_committed, .context = context};
    item->leaf.effect = VT_AUDIT_SYSTEM;
    item->leaf.tenant = VT_TENANT_DEFAULT;
    item->leaf.incarnation = status.incarnation;
    return vt_vault_commit_wait(vault, item);
}

static VT_RESULT step_run(struct vt_vault *vault, const uint8_t id[16])
{
    struct step step = {.vault = vault, .requests = vt_calloc(STEP_REQUESTS, sizeof *step.requests),
                        .pending = vt_calloc(STEP_REQUESTS, sizeof *step.pending)};
    memcpy(step.id, id, sizeof step.id);
    vault_status status = step.requests != NULL && step.pending != NULL ? VAULT_OK : VAULT_E_MEMORY;
    if (status == VAULT_OK) status = own_commit(vault, &step.item, step_apply, &step, step_committed);
    free(step.requests);
    free(step.pending);
    return status;
}

/* @return a failure also when a row did not open; what the others say is in @p looking then. */
static VT_RESULT look(struct vt_vault *vault, struct looking *looking)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_vault_view(vault, &txn, &view));
    return vt_approval_each(view, false, look_at, looking);
}

/* What fails is gone past: one case that cannot be carried out must not keep the others from it, nor from expiring. */
VT_RESULT vt_vault_run_approvals(struct vt_vault *vault)
{
    vault_status first = VAULT_OK;
    uint8_t failed[16];
    bool has_failed = false;
    for (unsigned i = 0; i < STEPS_AT_ONCE && vt_vault_approvals_are_due(vault); i++) {
        struct looking looking = {.vault = vault, .now_ms = vt_clock_now_ms(vault->options.clock), .next_ms = INT64_MAX,
                                  .failed = has_failed ? failed : NULL};
        /* What changes while it is looked at makes it look again: only the mark that is taken here is replaced. */
        atomic_store(&vault->approvals_look_at_ms, INT64_MAX);
        const vault_status looked = look(vault, &looking), ran = looking.is_found ? step_run(vault, looking.id) : VAULT_OK;
        if (ran != VAULT_OK) memcpy(failed, looking.id, sizeof failed);
        has_failed |= ran != VAULT_OK;
        if (first == VAULT_OK) first = looked != VAULT_OK ? looked : ran;
        const int64_t next_ms = first != VAULT_OK || looking.is_found ? 0 : looking.next_ms;
        int64_t none = INT64_MAX;
        atomic_compare_exchange_strong(&vault->approvals_look_at_ms, &none, next_ms);
        if (first != VAULT_OK && !looking.is_found) break;
    }
    return first;
}

/* Held requests -------------------------------------------------------------------------------------------------------- */

struct taking_back {
    struct vt_vault *vault;
    struct vt_scopes scopes;
};

static vault_status take_back_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct taking_back *back = context;
    return vt_pending_take_back(vt_keyring_write_view(write), txn, back->vault->stamps, NULL, &back->scopes);
}

static void take_back_committed(void *context, bool kept)
{
    struct taking_back *back = context;
    for (size_t i = 0; kept && i < back->scopes.count; i++)
        vt_stamps_remove_pending(back->vault->stamps, &back->scopes.items[i]);
}

enum { TAKE_BACK_POOL_MAX = 64 * 1024 * 1024 };

VT_RESULT vt_vault_take_back_held(struct vt_vault *vault)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(TAKE_BACK_POOL_MAX);
    struct taking_back back = {.vault = vault, .scopes = {.pool = &pool}};
    struct vt_commit_item item;
    bool is_any;
    VT_TRY(vt_txn_begin_read(vault->store, &txn));
    VT_TRY(vt_hold_is_any(txn, &is_any));
    vt_txn_abort(VT_MOVE(txn));
    if (!is_any || vt_stamps_pending_count(vault->stamps) == 0) return VAULT_OK;
    return own_commit(vault, &item, take_back_apply, &back, take_back_committed);
}
