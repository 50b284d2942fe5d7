/* The one gate. In this order: authenticate, find, validate, begin, authorise, handle, append to audit, commit, reply. What is
 * not in the table is refused; a refusal is audited too. */
#include "libvault/crypto/aead.h"
#include "libvault/crypto/digest.h"
#include "libvault/wire/rpc.h"
#include "vaultd/service/credentials.h"
#include "vaultd/service/idempotency.h"

static VT_RESULT gate_find(struct vt_call *call)
{
    call->command = vt_command_find(call->method);
    if (call->command == NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, NULL, "There is no command of that name.");
    call->handler = vt_bind_find(call->command);
    VT_BUG_ON(call->handler == NULL);
    return VAULT_OK;
}

/* Before anything else is looked at: who calls, and is the credential still good? */
static VT_RESULT gate_authenticate(struct vt_call *call)
{
    const bool is_public = call->command != NULL && (call->command->scope & VT_SCOPE_PUBLIC) != 0;
    if (is_public) return VAULT_OK;
    VT_ENSURE(call->principal.role != NULL, VAULT_E_UNAUTHENTICATED);
    if (call->principal.is_local) return VAULT_OK;
    return vt_credentials_check(vt_vault_credentials(call->vault), &call->principal, call->now_ms);
}

static VT_RESULT refuse_sealed(struct vt_call *call)
{
    const char *why = vt_vault_self_seal_sentence(call->vault);
    return why != NULL ? vt_fail(&call->err, VAULT_E_SEALED, NULL, "%s", why) : VAULT_E_SEALED;
}

static VT_RESULT gate_state(struct vt_call *call)
{
    const enum vt_vault_state state = vt_vault_state(call->vault);
    const int flags = call->command->flags;
    if ((flags & VT_TEST_ONLY) != 0 && !vt_vault_get_options(call->vault)->is_dev)
        return vt_fail(&call->err, VAULT_E_UNSUPPORTED, NULL, "This command exists in dev mode only.");
    if ((flags & VT_LOCAL_ONLY) != 0 && !call->principal.is_local)
        return vt_fail(&call->err, VAULT_E_FORBIDDEN, NULL, "This command is answered on the local socket only.");
    if ((flags & VT_WHILE_SEALED) != 0) return VAULT_OK;
    if (state == VT_VAULT_TAKING_OVER && (flags & VT_WHILE_TAKING_OVER) == 0)
        return vt_fail(&call->err, VAULT_E_BUSY, NULL,
                       "A restored environment is taking the vault over; it answers again when that is done.");
    VT_ENSURE(state != VT_VAULT_NOT_INITIALISED, VAULT_E_NOT_INITIALISED);
    if (state == VT_VAULT_SEALED) return refuse_sealed(call);
    const enum vt_command_effect effect = call->command->effect;
    const bool changes = effect == VT_WRITES || effect == VT_DESTROYS || (flags & VT_LIVE_ONLY) != 0;
    VT_ENSURE(state != VT_VAULT_READ_ONLY || !changes, VAULT_E_READ_ONLY);
    return VAULT_OK;
}

static VT_RESULT gate_tenant(struct vt_call *call)
{
    const struct vt_bytes tenant = vt_call_text(call, "tenant");
    call->tenant = VT_TENANT_DEFAULT;
    if (tenant.data == NULL || vt_bytes_equal_str(tenant, "default")) return VAULT_OK;
    return vt_call_missing(call, "tenant");
}

static VT_RESULT gate_purpose(struct vt_call *call)
{
    call->purpose = vt_call_text(call, "purpose");
    call->recipient = vt_call_text(call, "recipient");
    if (call->purpose.data == NULL || vt_vault_purpose_is_registered(call->vault, call->purpose)) return VAULT_OK;
    call->purpose = VT_BYTES_EMPTY;
    return vt_fail(&call->err, VAULT_E_PURPOSE, "purpose", "The purpose given is not a registered one.");
}

/* What operates on the vault itself is not undone with a change, so no answer could be kept with it: better refused than
 * believed in. Reads repeat by themselves. */
static VT_RESULT gate_idempotency(struct vt_call *call)
{
    if (call->command->effect != VT_OPERATES || vt_call_value(call, "idempotency_key") == NULL) return VAULT_OK;
    return vt_fail(&call->err, VAULT_E_UNSUPPORTED, "idempotency_key",
                   "A command that operates the vault takes no idempotency_key: look at its effect before you repeat it.");
}

static VT_RESULT gate_authorise(const struct vt_call *call)
{
    const int scope = call->command->scope;
    if (scope == VT_SCOPE_NONE || (scope & VT_SCOPE_PUBLIC) != 0) return VAULT_OK;
    return vt_call_has_scope(call, scope) ? VAULT_OK : VAULT_E_FORBIDDEN;
}

static VT_RESULT gate_check(struct vt_call *call)
{
    const vault_status found = gate_find(call);
    VT_TRY(gate_authenticate(call));
    VT_TRY(found);
    VT_TRY(vt_command_validate(call->command, call->params, &call->err));
    VT_TRY(gate_authorise(call));
    VT_TRY(gate_state(call));
    VT_TRY(gate_tenant(call));
    VT_TRY(gate_idempotency(call));
    return gate_purpose(call);
}

static void attempt_end(struct vt_call *call)
{
    vt_keyring_view_end(call->view);
    call->view = NULL;
    vt_txn_abort(call->txn);
    call->txn = NULL;
    if (call->schemas != NULL) vt_schema_set_release(call->schemas);
    call->schemas = NULL;
    if (call->templates != NULL) vt_template_set_release(call->templates);
    call->templates = NULL;
}

/* A second attempt starts from nothing: the first may have read what no longer is. */
static void attempt_begin(struct vt_call *call)
{
    vt_change_free(call->change);
    call->change = NULL;
    vt_buf_reset(&call->result);
    vt_buf_reset(&call->payloads);
    vt_pool_reset(&call->scratch);
    call->touched = NULL;
    call->touched_count = call->touched_cap = 0;
    call->item_count = 0;
    call->certificate = 0;
    call->handler_state = NULL;
    call->wants_worker_after = false;
    call->is_repeat = false;
    call->is_logged_elsewhere = false;
    call->retries_checks = false;
    call->leaf_refusal = VAULT_OK;
    call->item.is_done = false;
    call->err = (struct vt_err){{0}, {0}};
    call->item.since = vt_stamps_now(vt_vault_stamps(call->vault));
    call->now_ms = vt_clock_now_ms(vt_vault_clock(call->vault));
    call->attempts++;
}

static VT_RESULT attempt_view(struct vt_call *call)
{
    const enum vt_vault_state state = vt_vault_state(call->vault);
    if (state == VT_VAULT_SEALED || state == VT_VAULT_NOT_INITIALISED) {
        /* A slow call may have waited for its worker since the gate let it in. */
        VT_ENSURE((call->command->flags & VT_WHILE_SEALED) != 0, VAULT_E_SEALED);
        return VAULT_OK;
    }
    VT_TRY(vt_vault_view(call->vault, &call->txn, &call->view));
    call->schemas = vt_schemas_acquire(vt_vault_schemas(call->vault), call->tenant);
    call->templates = vt_templates_acquire(vt_vault_templates(call->vault), call->tenant);
    return call->schemas != NULL && call->templates != NULL ? VAULT_OK : VAULT_E_MEMORY;
}

static VT_RESULT attempt_run(struct vt_call *call)
{
    VT_TRY(attempt_view(call));
    if (!vt_idempotency_applies(call)) return call->handler->prepare(call);
    VT_TRY(vt_idempotency_find(call, &call->is_repeat));
    if (call->is_repeat) return VAULT_OK;
    VT_TRY(call->handler->prepare(call));
    return vt_idempotency_keep(call);
}

static enum vt_audit_effect leaf_effect(const struct vt_command *command)
{
    static const enum vt_audit_effect EFFECTS[] = {[VT_READS] = VT_AUDIT_READ, [VT_WRITES] = VT_AUDIT_WRITE,
                                                   [VT_DESTROYS] = VT_AUDIT_DESTROY, [VT_OPERATES] = VT_AUDIT_SYSTEM};
    return EFFECTS[command->effect];
}

static void call_committed(void *context, bool kept)
{
    struct vt_call *call = context;
    call->handler->committed(call, kept);
}

/* The caller's own id may be anything, so the leaf keeps a hash of it, by which its owner finds the entry again. */
static void leaf_request_id(const struct vt_call *call, struct vt_audit_leaf *leaf)
{
    uint8_t hash[VT_SHA256_LEN];
    const struct vt_value *id = call->params != NULL ? vt_value_get(call->params, "request_id") : NULL;
    if (id == NULL || id->kind != VT_VALUE_TEXT || vt_sha256_one(id->bytes, hash) != VAULT_OK) return;
    memcpy(leaf->request_id, hash, sizeof leaf->request_id);
}

static void leaf_fill(struct vt_call *call)
{
    struct vt_audit_leaf *leaf = &call->item.leaf;
    *leaf = (struct vt_audit_leaf){.tenant = call->tenant, .purpose = call->purpose, .recipient = call->recipient,
                                   .item_count = call->item_count, .effect = VT_AUDIT_REFUSED};
    struct vt_epoch_status epoch;
    leaf->incarnation = call->view != NULL ? vt_keyring_view_incarnation(call->view) : 0;
    if (call->view == NULL && vt_epoch_status(vt_vault_epoch(call->vault), &epoch) == VAULT_OK)
        leaf->incarnation = epoch.incarnation;
    if (call->command != NULL) leaf->command = call->command->id;
    if (call->command != NULL && call->status == VAULT_OK) leaf->effect = (uint8_t)leaf_effect(call->command);
    memcpy(leaf->principal, call->principal.id, sizeof leaf->principal);
    leaf_request_id(call, leaf);
}

/* Reads and shreds do, and so must whatever stops a shred. */
static bool goes_on_while_full(const struct vt_command *command)
{
    return command == NULL || command->effect != VT_WRITES || (command->flags & VT_STOPS_DESTRUCTION) != 0;
}

static void item_fill(struct vt_call *call)
{
    struct vt_commit_item *item = &call->item;
    const bool is_fine = call->status == VAULT_OK;
    leaf_fill(call);
    item->status = call->status;
    item->change = is_fine ? call->change : NULL;
    item->touched = is_fine ? call->touched : NULL;
    item->touched_count = is_fine ? call->touched_count : 0;
    memcpy(item->principal, is_fine && !call->principal.is_local ? call->principal.id : (uint8_t[16]){0},
           sizeof item->principal);
    item->retries_checks = call->retries_checks;
    item->leaf_refusal = call->leaf_refusal;
    item->is_reserved = goes_on_while_full(call->command);
    item->payloads = is_fine && call->payloads.len != 0 ? &call->payloads : NULL;
    const bool has_hook = is_fine && !call->is_repeat && call->handler != NULL && call->handler->committed != NULL;
    item->on_committed = has_hook ? call_committed : NULL;
    item->context = call;
}

/* Answered while the log stands still, since a restored environment goes on from it: nothing of it is about anybody. The take-over
 * itself has its leaf there. */
static bool is_answered_meanwhile(const struct vt_call *call)
{
    const int flags = call->command != NULL ? call->command->flags : 0;
    return call->is_logged_elsewhere || (flags & (VT_WHILE_SEALED | VT_WHILE_TAKING_OVER)) != 0;
}

/* Without a log that is open there is nothing to write a refusal into; before login refusals are counted by the server. Whatever
 * began before a take-over goes to the committer, which takes it in or refuses it. */
static bool is_audited(const struct vt_call *call, enum vt_vault_state state)
{
    if (state == VT_VAULT_SEALED || state == VT_VAULT_NOT_INITIALISED) return false;
    if (state == VT_VAULT_TAKING_OVER && is_answered_meanwhile(call)) return false;
    if (call->command != NULL && (call->command->flags & VT_UNAUDITED) != 0) return false;
    return call->principal.role != NULL || call->login.role != NULL;
}

/* A call that was read out before the vault was sealed has no log any more to be answered from. */
static bool has_lost_its_log(const struct vt_call *call, enum vt_vault_state state)
{
    const bool may_answer = call->command != NULL && (call->command->flags & (VT_WHILE_SEALED | VT_UNAUDITED)) != 0;
    return call->status == VAULT_OK && state == VT_VAULT_SEALED && !may_answer;
}

static enum vt_call_next call_end_prepare(struct vt_call *call, vault_status status)
{
    const enum vt_vault_state state = vt_vault_state(call->vault);
    call->status = status;
    if (has_lost_its_log(call, state)) call->status = VAULT_E_SEALED;
    if (call->status == VAULT_E_NOT_FOUND) call->status = vt_call_missing(call, NULL);
    item_fill(call);
    attempt_end(call);
    return is_audited(call, state) ? VT_CALL_COMMIT : VT_CALL_REPLY;
}

enum vt_call_next vt_call_prepare_slow(struct vt_call *call)
{
    VT_AUTO(vt_seal_scope) sealing = vt_seal_scope_open();
    return call_end_prepare(call, attempt_run(call));
}

enum vt_call_next vt_call_prepare(struct vt_call *call)
{
    if (call->attempts == VT_CALL_ATTEMPTS_MAX) return call_end_prepare(call, VAULT_E_BUSY);
    attempt_begin(call);
    const vault_status status = gate_check(call);
    if (status != VAULT_OK) return call_end_prepare(call, status);
    if ((call->command->flags & VT_SLOW) != 0) return VT_CALL_SLOW;
    return vt_call_prepare_slow(call);
}

bool vt_call_wants_retry(const struct vt_call *call)
{
    return call->item.status == VAULT_E_CONFLICT && !call->item.is_durable;
}

static VT_RESULT write_failure(struct vt_call *call, struct vt_buf *out_frame)
{
    const struct vt_rpc_error error = {
        .status = call->status,
        .field = call->err.field,
        .message = call->err.message[0] != '\0' ? call->err.message : NULL,
        .retry_after_ms = vault_status_is_retryable(call->status) ? 100 : 0,
        .certificate = call->certificate,
    };
    return vt_rpc_write_error(out_frame, call->message_id, &error);
}

VT_RESULT vt_call_finish(struct vt_call *call, struct vt_buf *out_frame)
{
    if (call->status != VAULT_OK) return write_failure(call, out_frame);
    return vt_rpc_write_result(out_frame, call->message_id, vt_buf_bytes(&call->result));
}

void vt_call_committed(struct vt_call *call)
{
    call->status = call->item.status;
    if (call->status == VAULT_OK && !call->is_repeat && call->handler->finish != NULL) call->status = call->handler->finish(call);
    if (call->status == VAULT_E_NOT_FOUND) call->status = vt_call_missing(call, NULL);
}

VT_RESULT vt_call_run(struct vt_call *call)
{
    do {
        enum vt_call_next next = vt_call_prepare(call);
        if (next == VT_CALL_SLOW) next = vt_call_prepare_slow(call);
        if (next == VT_CALL_REPLY) return call->status;
        const vault_status status = vt_vault_commit_wait(call->vault, &call->item);
        if (status != call->item.status) call->item.status = status;      /* the queue refused it */
    } while (vt_call_wants_retry(call));
    vt_call_committed(call);
    return call->status;
}
