/* vaultd/service/svc_shred.c - asking for destruction, taking it back, certificates. All paths end in the PENDING table; only the
 * epoch destroys. What a hold forbids is refused; what the brake holds back waits in the WAITING table and hides nothing. */
#include <stdio.h>

#include "libvault/codec/text.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/epoch/waiting.h"
#include "vaultd/core/policy/approval.h"
#include "vaultd/core/policy/brake.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/parse.h"

enum { SALT_LEN = 32 };

/** One request to forget; lives in the call's scratch until the commit is through. */
struct shred {
    struct vt_call *call;
    struct vt_pending wished;       /* as it was asked for; never changed by the commit */
    struct vt_pending pending;      /* what became of it: the request that was there first, maybe */
    uint8_t salt[SALT_LEN];
    bool has_reference, is_repeat, is_kept;
    bool was_pending;               /* when the call began: nothing of it is written */
    bool is_waiting;                /* held back by the brake, under pending.approval */
    uint64_t limit;                 /* of the brake; UINT64_MAX: it is off */
};
/** What became of one wished subject; VAULT_OK: items has it. */
struct outcome {
    vault_status status;
    uint64_t certificate;           /* of the request that was there first; 0: none */
    struct vt_err err;
};
struct shreds {
    struct shred *items;
    struct outcome *outcomes;
    size_t wished, count;
};

/* The brake -------------------------------------------------------------------------------------------------------- */

enum { APPROVERS = 2 };

static VT_RESULT brake_limit(struct vt_call *call, uint64_t *out_limit)
{
    struct vt_store_stats stats;
    *out_limit = UINT64_MAX;
    if (!vt_vault_get_options(call->vault)->brake.is_on) return VAULT_OK;
    VT_TRY(vt_store_stats(vt_vault_store(call->vault), &stats));
    *out_limit = vt_vault_brake_limit(call->vault, stats.entries[VT_TABLE_KEYBLOCK]);
    return VAULT_OK;
}

/* One case gathers what one caller asks for, until somebody has approved it: what he has seen must not grow afterwards. */
struct gathering {
    const struct shred *shred;
    struct vt_approval approval;
};

static vault_status find_gathering(void *context, const struct vt_approval *approval)
{
    struct gathering *gathering = context;
    const struct vt_pending *pending = &gathering->shred->pending;
    const bool is_open = approval->kind == VT_APPROVAL_MASS_SHRED && approval->state == VT_APPROVAL_WAITING &&
                         approval->granted == 0 && approval->item_count < VT_WAITING_MAX &&
                         approval->tenant == pending->tenant && pending->requested_at_ms < approval->expires_at_ms;
    if (!is_open || memcmp(approval->asked_by, pending->principal, sizeof approval->asked_by) != 0) return VAULT_OK;
    gathering->approval = *approval;
    return VAULT_E_EXISTS;              /* stop */
}

static VT_RESULT case_of(const struct shred *shred, struct vt_keyring_view *view, struct vt_approval *out_approval)
{
    const struct vt_brake_options *brake = &vt_vault_get_options(shred->call->vault)->brake;
    struct gathering gathering = {.shred = shred};
    const vault_status found = vt_approval_each(view, false, find_gathering, &gathering);
    if (found == VAULT_E_EXISTS) *out_approval = gathering.approval;
    if (found != VAULT_OK) return found == VAULT_E_EXISTS ? VAULT_OK : found;
    struct vt_approval fresh = {.kind = VT_APPROVAL_MASS_SHRED, .state = VT_APPROVAL_WAITING, .needed = APPROVERS,
                                .tenant = shred->pending.tenant, .asked_at_ms = shred->pending.requested_at_ms,
                                .expires_at_ms = shred->pending.requested_at_ms + brake->expires_ms,
                                .delay_ms = brake->delay_ms};
    memcpy(fresh.asked_by, shred->pending.principal, sizeof fresh.asked_by);
    VT_TRY(vt_random_bytes(fresh.id, sizeof fresh.id));
    *out_approval = fresh;
    return VAULT_OK;
}

static VT_RESULT hold_back(struct shred *shred, struct vt_keyring_view *view, struct vt_txn *txn)
{
    struct vt_approval approval;
    const vault_status found = vt_waiting_find(txn, &shred->pending.scope, shred->pending.approval);
    shred->is_waiting = true;
    shred->is_repeat = found == VAULT_OK;
    if (found != VAULT_E_NOT_FOUND) return found;
    VT_TRY(case_of(shred, view, &approval));
    memcpy(shred->pending.approval, approval.id, sizeof approval.id);
    VT_TRY(vt_waiting_add(view, txn, &shred->pending));
    approval.item_count++;
    return vt_approval_put(view, txn, &approval);
}

/* Committer: numbers are given here, so that they rise with the commits. Only here it is certain how many were before it. */
static VT_RESULT shred_enter(struct shred *shred, struct vt_keyring_view *view, struct vt_txn *txn)
{
    const int64_t now_ms = shred->pending.requested_at_ms;
    uint64_t used = 0;
    VT_TRY(vt_gate_scope(view, shred->pending.tenant, &shred->pending.scope));
    if (shred->limit != UINT64_MAX) VT_TRY(vt_brake_used(txn, shred->pending.tenant, now_ms, &used));
    if (used >= shred->limit) return hold_back(shred, view, txn);
    VT_TRY(vt_pending_add(view, txn, vt_epoch_evidence(vt_vault_epoch(shred->call->vault)), &shred->pending));
    return shred->limit != UINT64_MAX ? vt_brake_add(txn, shred->pending.tenant, now_ms, 1) : VAULT_OK;
}

static vault_status shred_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct shred *shred = context;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    uint64_t first;
    shred->is_repeat = shred->is_waiting = false;
    /* A batch that fails is tried again: what another request covered then may be alone now, and is no wider than it was asked. */
    shred->pending = shred->wished;
    const vault_status found = vt_pending_find(view, &shred->pending.scope, &first);
    if (found == VAULT_E_NOT_FOUND) return shred_enter(shred, view, txn);
    VT_TRY(found);
    const vault_status status = vt_pending_add(view, txn, vt_epoch_evidence(vt_vault_epoch(shred->call->vault)), &shred->pending);
    shred->is_repeat = status == VAULT_E_EXISTS;
    return shred->is_repeat ? VAULT_OK : status;
}

/* Asking ------------------------------------------------------------------------------------------------------------ */

static void shred_committed(struct vt_call *call, bool kept)
{
    struct shreds *shreds = call->handler_state;
    for (size_t i = 0; kept && shreds != NULL && i < shreds->count; i++) {
        if (shreds->items[i].was_pending) continue;     /* erased meanwhile, maybe: it must not be pending again */
        if (shreds->items[i].is_waiting) {
            vt_vault_look_at_approvals(call->vault);
            continue;                                   /* nothing is hidden before it is approved */
        }
        /* Memory is the only thing that can be short here; the subject is then unreadable to everyone until it is freed. */
        if (vt_stamps_add_pending(vt_vault_stamps(call->vault), &shreds->items[i].pending.scope) != VAULT_OK)
            vt_vault_seal(call->vault);
        shreds->items[i].is_kept = true;
    }
}

static VT_RESULT shred_fill(struct vt_call *call, const struct vt_scope *scope, struct shred *shred)
{
    const struct vt_bytes reference = vt_call_text(call, "reference"), basis = vt_call_text(call, "legal_basis");
    shred->call = call;
    shred->pending.scope = *scope;
    shred->pending.tenant = call->tenant;
    shred->pending.requested_at_ms = call->now_ms;
    memcpy(shred->pending.principal, call->principal.id, sizeof shred->pending.principal);
    snprintf(shred->pending.legal_basis, sizeof shred->pending.legal_basis, "%.*s", basis.data != NULL ? (int)basis.len : 7,
             basis.data != NULL ? (const char *)basis.data : "request");
    shred->has_reference = reference.data != NULL;
    if (!shred->has_reference) return VAULT_OK;
    VT_TRY(vt_random_bytes(shred->salt, sizeof shred->salt));
    return vt_certificate_commit(shred->salt, reference, shred->pending.commitment);
}

/* The part asked for must be there, and a record can only be forgotten alone where it has keys of its own. */
static VT_RESULT scope_check(struct vt_call *call, const struct vt_scope *scope)
{
    const struct vt_subject_keys *keys;
    if (scope->category == VT_CATEGORY_ALL && scope->record == 0) return VAULT_OK;
    VT_TRY(vt_keyring_subject_keys(call->view, call->tenant, &scope->sid, &keys));
    for (size_t i = 0; i < keys->count; i++) {
        const struct vt_data_key *key = &keys->keys[i];
        const bool is_category = scope->category == VT_CATEGORY_ALL || key->category == scope->category;
        if (is_category && (scope->record == 0 || key->record == scope->record)) return VAULT_OK;
    }
    if (scope->record != 0)
        return vt_fail(&call->err, VAULT_E_STATE, "record",
                       "The record has no key of its own: only collections with forget: record can forget one record.");
    return vt_fail(&call->err, VAULT_E_NOT_FOUND, "category", "The subject holds nothing in that category.");
}

/* A part that is gone because it was forgotten is not one that never was. */
static VT_RESULT scope_find(struct vt_call *call, const struct vt_scope *scope)
{
    struct vt_ledger_entry entry;
    const vault_status status = scope_check(call, scope);
    if (status == VAULT_OK || !vt_call_has_scope(call, VT_SCOPE_KNOW_ERASED)) return status;
    const vault_status found = vt_ledger_find(call->view, scope, &entry);
    if (found == VAULT_E_NOT_FOUND) return status;
    VT_TRY(found);
    call->certificate = entry.certificate;
    call->err = (struct vt_err){{0}, {0}};
    return VAULT_E_ERASED;
}

static VT_RESULT hold_check(struct vt_call *call, const struct vt_scope *scope)
{
    const vault_status status = vt_gate_scope(call->view, call->tenant, scope);
    if (status != VAULT_E_HELD) return status;
    return vt_fail(&call->err, status, NULL,
                   "A legal hold forbids to forget this; it has to be released first (hold.list, hold.release).");
}

static VT_RESULT shred_plan(struct vt_call *call, const struct vt_scope *scope, struct vt_change *change, struct shred *shred)
{
    VT_TRY(hold_check(call, scope));
    VT_TRY(shred_fill(call, scope, shred));
    call->item_count++;
    /* An epoch that closes meanwhile has erased the subject: the repeat answers with that certificate, not with a new one. */
    VT_TRY(vt_call_watch(call, &scope->sid));
    return vt_change_hook_add(change, shred_apply, shred);
}

static VT_RESULT counts_value(struct vt_call *call, const struct vt_destroyed_rows *counts, struct vt_value *out_map)
{
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_int(call, &map, "records", (int64_t)counts->records));
    VT_TRY(vt_put_int(call, &map, "rows", (int64_t)counts->rows));
    VT_TRY(vt_put_int(call, &map, "index_entries", (int64_t)counts->index_entries));
    VT_TRY(vt_put_int(call, &map, "tokens", (int64_t)counts->tokens));
    VT_TRY(vt_put_int(call, &map, "keys", (int64_t)counts->keys));
    *out_map = map;
    return VAULT_OK;
}

static VT_RESULT dry_run(struct vt_call *call, const struct vt_scope *scope)
{
    struct vt_destroyed_rows counts;
    struct vt_value map = vt_value_map(), value;
    VT_TRY(hold_check(call, scope));
    VT_TRY(vt_subject_destroy_plan(call->view, call->tenant, scope, &counts));
    VT_TRY(counts_value(call, &counts, &value));
    VT_TRY(vt_put_text(call, &map, "state", "dry-run"));
    VT_TRY(vt_put_value(call, &map, "counts", value));
    return vt_call_result(call, &map);
}

/* Whom --------------------------------------------------------------------------------------------------------------- */

/* How far it has come by now, and the certificate that says so. A request taken back has none any more, also when that overtook a
 * call that waited for it to become effective. */
static VT_RESULT put_state(struct vt_call *call, struct vt_txn *txn, uint64_t number, struct vt_value *map)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    enum vt_certificate_state state;
    const vault_status found = vt_certificate_state_of(txn, number, &state);
    if (found == VAULT_E_NOT_FOUND) return vt_put_text(call, map, "state", "cancelled");
    VT_TRY(found);
    VT_TRY(vt_certificate_get(txn, number, &file));
    VT_TRY(vt_put_text(call, map, "state", vt_certificate_state_name(state)));
    return vt_put_bytes_text(call, map, "note", vt_buf_bytes(&file));
}

/* Asking again for what is pending or erased answers with the first request's certificate: a repeat is harmless. */
static VT_RESULT repeat_answer(struct vt_call *call, vault_status status)
{
    struct vt_value map = vt_value_map();
    const bool is_repeat = (status == VAULT_E_ERASED || status == VAULT_E_SHRED_PENDING) && call->certificate != 0;
    if (!is_repeat) return status;
    VT_TRY(vt_put_int(call, &map, "certificate", (int64_t)call->certificate));
    VT_TRY(put_state(call, call->txn, call->certificate, &map));
    call->certificate = 0;
    call->err = (struct vt_err){{0}, {0}};
    return vt_call_result(call, &map);
}

/* Who wants it now is not answered with a wait: what is pending already becomes effective with this call. */
static bool is_awaited(const struct vt_call *call)
{
    return call->certificate != 0 && vt_call_bool(call, "now", false) && !vt_call_bool(call, "dry_run", false);
}

static VT_RESULT check_pending(struct vt_call *call, const struct vt_scope *scope)
{
    const vault_status found = vt_pending_find(call->view, scope, &call->certificate);
    if (found == VAULT_OK) return VAULT_E_SHRED_PENDING;
    return found == VAULT_E_NOT_FOUND ? VAULT_OK : found;
}

/* Nothing of it is written, so it stays the first request, with that certificate. */
static void await_pending(struct vt_call *call, struct shreds *shreds)
{
    struct shred *shred = &shreds->items[shreds->count++];
    *shred = (struct shred){.call = call, .is_repeat = true, .was_pending = true};
    shred->pending.certificate = call->certificate;
    call->certificate = 0;
    call->err = (struct vt_err){{0}, {0}};
}

static VT_RESULT plan_next(struct vt_call *call, struct vt_bytes external_id, uint16_t category, struct vt_change *change,
                           struct shreds *shreds)
{
    struct vt_subject_env env;
    struct vt_scope scope = {.category = category};
    vt_call_env(call, &env);
    vault_status found = vt_subject_by_external_id(&env, external_id, &scope.sid);
    if (found != VAULT_OK) found = vt_call_explain(call, found, &(struct vt_scope){.sid = scope.sid}, "subjects");
    else if (vt_call_bool(call, "now", false)) found = check_pending(call, &scope);
    if (found == VAULT_E_SHRED_PENDING && is_awaited(call)) {
        await_pending(call, shreds);
        return VAULT_OK;
    }
    VT_TRY(found);
    VT_TRY(scope_find(call, &scope));
    VT_TRY(shred_plan(call, &scope, change, &shreds->items[shreds->count]));
    shreds->count++;
    return VAULT_OK;
}

static VT_RESULT plan_many(struct vt_call *call, const struct vt_value *wished, struct vt_change *change, struct shreds *shreds)
{
    uint16_t category;
    uint32_t held = 0;
    VT_TRY(vt_call_category(call, "category", &category));
    for (size_t i = 0; i < wished->array.count; i++) {
        const vault_status status = plan_next(call, wished->array.items[i].bytes, category, change, shreds);
        if (status == VAULT_E_MEMORY || status == VAULT_E_CRYPTO) return status;
        shreds->outcomes[i] = (struct outcome){status, call->certificate, call->err};
        call->certificate = 0;
        call->err = (struct vt_err){{0}, {0}};
        held += status == VAULT_E_HELD;
    }
    /* Certificates say how many a hold has kept out of their batch. */
    for (size_t i = 0; i < shreds->count; i++) shreds->items[i].pending.held_count = held;
    /* A batch in which everybody was refused is answered item by item, but in the log it is a refusal. */
    if (shreds->count == 0 && wished->array.count != 0) call->leaf_refusal = shreds->outcomes[0].status;
    call->retries_checks = true;
    return VAULT_OK;
}

/* What is destroyed cannot be taken back, so nothing in such a call may be passed over: an argument that does not fit the others
 * refuses it. */
static VT_RESULT check_arguments(struct vt_call *call)
{
    static const char *const ALONE[] = {"subject", "sid", "token", "record"};
    if (vt_call_value(call, "subjects") == NULL) return VAULT_OK;
    for (size_t i = 0; i < VT_ARRAY_LEN(ALONE); i++)
        if (vt_call_value(call, ALONE[i]) != NULL)
            return vt_fail(&call->err, VAULT_E_ARGUMENT, ALONE[i], "The argument %s does not go with subjects.", ALONE[i]);
    if (vt_call_bool(call, "dry_run", false))
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "dry_run", "A dry run looks at one subject: it does not go with subjects.");
    return VAULT_OK;
}

static VT_RESULT pending_answer(struct vt_call *call, struct shreds *shreds, bool *out_answered)
{
    if (is_awaited(call)) {
        await_pending(call, shreds);
        return VAULT_OK;
    }
    *out_answered = true;
    return repeat_answer(call, VAULT_E_SHRED_PENDING);
}

static VT_RESULT plan_one(struct vt_call *call, struct vt_change *change, struct shreds *shreds, bool *out_answered)
{
    struct vt_scope scope = {.record = (uint64_t)vt_call_int(call, "record", 0)};
    VT_TRY(vt_call_category(call, "category", &scope.category));
    vault_status found = vt_call_subject(call, &scope.sid);
    if (found == VAULT_OK) found = check_pending(call, &scope);
    if (found == VAULT_E_SHRED_PENDING) return pending_answer(call, shreds, out_answered);
    if (found != VAULT_OK) {
        *out_answered = true;
        return repeat_answer(call, found);
    }
    const vault_status part = scope_find(call, &scope);
    if (part != VAULT_OK) {
        *out_answered = true;
        return repeat_answer(call, part);
    }
    if (vt_call_bool(call, "dry_run", false)) {
        *out_answered = true;
        return dry_run(call, &scope);
    }
    VT_TRY(shred_plan(call, &scope, change, &shreds->items[0]));
    shreds->count = 1;
    return VAULT_OK;
}

static vault_status shred_prepare(struct vt_call *call)
{
    const struct vt_value *subjects = vt_call_value(call, "subjects");
    const size_t wished = subjects != NULL ? subjects->array.count : 1;
    struct shreds *shreds = vt_pool_alloc(&call->scratch, sizeof *shreds);
    struct vt_change *change;
    bool is_answered = false;
    uint64_t limit;
    VT_TRY(check_arguments(call));
    VT_ENSURE(shreds != NULL, VAULT_E_MEMORY);
    shreds->wished = wished;
    shreds->items = vt_pool_calloc(&call->scratch, wished + 1, sizeof *shreds->items);
    shreds->outcomes = vt_pool_calloc(&call->scratch, wished + 1, sizeof *shreds->outcomes);
    VT_ENSURE(shreds->items != NULL && shreds->outcomes != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_call_change(call, &change));
    if (subjects != NULL) VT_TRY(plan_many(call, subjects, change, shreds));
    if (subjects == NULL) VT_TRY(plan_one(call, change, shreds, &is_answered));
    if (is_answered) return VAULT_OK;
    VT_TRY(brake_limit(call, &limit));
    for (size_t i = 0; i < shreds->count; i++) {
        shreds->items[i].limit = limit;
        shreds->items[i].wished = shreds->items[i].pending;
    }
    call->handler_state = shreds;
    call->wants_worker_after = vt_call_bool(call, "now", false);
    return VAULT_OK;
}

/* Answering ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT put_salt(struct vt_call *call, const struct shred *shred, struct vt_value *map)
{
    char salt[2 * SALT_LEN + 1];
    if (!shred->has_reference || shred->is_repeat) return VAULT_OK;
    vt_hex_encode(VT_BYTES_OF(shred->salt), salt);
    return vt_put_text(call, map, "salt", salt);
}

static VT_RESULT waiting_value(struct vt_call *call, const struct shred *shred, struct vt_value *map)
{
    VT_TRY(vt_put_id(call, map, "approval", shred->pending.approval));
    VT_TRY(vt_put_text(call, map, "state", "waiting"));
    return put_salt(call, shred, map);
}

static VT_RESULT shred_value(struct vt_call *call, struct vt_txn *txn, const struct shred *shred, struct vt_value *map)
{
    if (shred->is_waiting) return waiting_value(call, shred, map);
    VT_TRY(vt_put_int(call, map, "certificate", (int64_t)shred->pending.certificate));
    VT_TRY(put_state(call, txn, shred->pending.certificate, map));
    return put_salt(call, shred, map);
}

static VT_RESULT outcome_error(struct vt_call *call, const struct outcome *outcome, struct vt_value *map)
{
    call->certificate = outcome->certificate;
    call->err = outcome->err;
    return vt_put_item_error(call, map, outcome->status);
}

static VT_RESULT shreds_value(struct vt_call *call, struct vt_txn *txn, const struct shreds *shreds, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    size_t next = 0;
    for (size_t i = 0; i < shreds->wished; i++) {
        struct vt_value item = vt_value_map();
        if (shreds->outcomes[i].status == VAULT_OK) VT_TRY(shred_value(call, txn, &shreds->items[next++], &item));
        else VT_TRY(outcome_error(call, &shreds->outcomes[i], &item));
        VT_TRY(vt_value_push(&call->scratch, &list, item, NULL));
    }
    return vt_put_value(call, map, "items", list);
}

static bool is_any_pending(const struct shreds *shreds)
{
    for (size_t i = 0; i < shreds->count; i++)
        if (!shreds->items[i].is_waiting) return true;
    return false;
}

/* With `now` this runs on a worker and waits for the epoch. */
static vault_status shred_finish(struct vt_call *call)
{
    const struct shreds *shreds = call->handler_state;
    struct vt_value map = vt_value_map();
    if (shreds == NULL) return VAULT_OK;        /* answered while preparing */
    if (call->wants_worker_after && is_any_pending(shreds)) {
        const vault_status closed = vt_vault_close_epoch_wait(call->vault, false);
        if (closed != VAULT_OK && closed != VAULT_E_NOT_FOUND) return closed;
    }
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(vt_vault_store(call->vault), &txn));
    if (vt_call_value(call, "subjects") != NULL) VT_TRY(shreds_value(call, txn, shreds, &map));
    else VT_TRY(shred_value(call, txn, &shreds->items[0], &map));
    return vt_call_result(call, &map);
}
/* Repeats --------------------------------------------------------------------------------------------------------------- */

/* Numbers and salts are kept, not notes: a repeat shows how far the erasure has come meanwhile. */
static VT_RESULT answer_one(struct vt_call *call, const struct shred *shred, struct vt_value *map)
{
    if (shred->is_waiting) VT_TRY(vt_put_id(call, map, "approval", shred->pending.approval));
    else VT_TRY(vt_put_int(call, map, "certificate", (int64_t)shred->pending.certificate));
    return put_salt(call, shred, map);
}

static vault_status shred_answer(struct vt_call *call, struct vt_value *out_map)
{
    const struct shreds *shreds = call->handler_state;
    struct vt_value map = vt_value_map(), list = vt_value_array();
    size_t next = 0;
    VT_ENSURE(shreds != NULL, VAULT_E_STATE);
    if (vt_call_value(call, "subjects") == NULL) return answer_one(call, &shreds->items[0], out_map);
    for (size_t i = 0; i < shreds->wished; i++) {
        struct vt_value item = vt_value_map();
        if (shreds->outcomes[i].status == VAULT_OK) VT_TRY(answer_one(call, &shreds->items[next++], &item));
        else VT_TRY(outcome_error(call, &shreds->outcomes[i], &item));
        VT_TRY(vt_value_push(&call->scratch, &list, item, NULL));
    }
    VT_TRY(vt_put_value(call, &map, "items", list));
    *out_map = map;
    return VAULT_OK;
}

/* What has become of the case meanwhile. */
static VT_RESULT replay_waiting(struct vt_call *call, struct vt_value *map)
{
    uint8_t id[16];
    struct vt_approval approval;
    VT_TRY(vt_hex_decode(vt_value_get_text(map, "approval"), id, sizeof id));
    VT_TRY(vt_approval_get(call->view, id, &approval));
    return vt_put_text(call, map, "state", vt_approval_state_name(approval.state));
}

static VT_RESULT replay_one(struct vt_call *call, const struct vt_value *kept, struct vt_value *map)
{
    const uint64_t number = (uint64_t)vt_value_get_int(kept, "certificate", 0);
    *map = *kept;
    if (vt_value_get(kept, "approval") != NULL) return replay_waiting(call, map);
    if (number == 0 || vt_value_get(kept, "note") != NULL) return VAULT_OK;      /* refused, a dry run, or whole already */
    return put_state(call, call->txn, number, map);
}

static vault_status shred_replay(struct vt_call *call, const struct vt_value *kept)
{
    struct vt_value map = vt_value_map(), list = vt_value_array();
    const struct vt_value *items = vt_value_get(kept, "items");
    if (items == NULL) VT_TRY(replay_one(call, kept, &map));
    for (size_t i = 0; items != NULL && i < items->array.count; i++) {
        struct vt_value item;
        VT_TRY(replay_one(call, &items->array.items[i], &item));
        VT_TRY(vt_value_push(&call->scratch, &list, item, NULL));
    }
    if (items != NULL) VT_TRY(vt_put_value(call, &map, "items", list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_SUBJECT_SHRED = {.command = "subject.shred", .prepare = shred_prepare,
                                                    .finish = shred_finish, .committed = shred_committed,
                                                    .answer = shred_answer, .replay = shred_replay};

/* subject.cancel-shred ----------------------------------------------------------------------------------------------- */

struct cancelling {
    struct vt_call *call;
    uint64_t number;
    struct vt_scope scope;
    bool is_found;
};

static bool find_number(void *context, const struct vt_pending *pending)
{
    struct cancelling *cancelling = context;
    if (pending->certificate != cancelling->number) return true;
    cancelling->scope = pending->scope;
    cancelling->is_found = true;
    return false;
}

static vault_status cancel_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct cancelling *cancelling = context;
    struct vt_pending pending;
    return vt_pending_remove(vt_keyring_write_view(write), txn, vt_vault_stamps(cancelling->call->vault), &cancelling->scope,
                             &pending);
}

static vault_status cancel_prepare(struct vt_call *call)
{
    struct cancelling *cancelling = vt_pool_alloc(&call->scratch, sizeof *cancelling);
    struct vt_change *change;
    struct vt_value map = vt_value_map();
    VT_ENSURE(cancelling != NULL, VAULT_E_MEMORY);
    *cancelling = (struct cancelling){.call = call, .number = (uint64_t)vt_call_int(call, "certificate", 0)};
    VT_TRY(vt_pending_walk(call->view, find_number, cancelling));
    if (!cancelling->is_found)
        return vt_fail(&call->err, VAULT_E_NOT_FOUND, "certificate", "No pending request has that certificate number.");
    VT_ENSURE(!vt_stamps_is_frozen(vt_vault_stamps(call->vault), &cancelling->scope), VAULT_E_STATE);
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_change_hook_add(change, cancel_apply, cancelling));
    call->handler_state = cancelling;
    VT_TRY(vt_put_text(call, &map, "state", "cancelled"));
    return vt_call_result(call, &map);
}
static void cancel_committed(struct vt_call *call, bool kept)
{
    const struct cancelling *cancelling = call->handler_state;
    if (kept && cancelling != NULL) vt_stamps_remove_pending(vt_vault_stamps(call->vault), &cancelling->scope);
}
const struct vt_handler VT_HANDLER_SUBJECT_CANCEL_SHRED = {
    .command = "subject.cancel-shred", .prepare = cancel_prepare, .committed = cancel_committed};
