#include "vaultd/service/call.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/msgpack.h"
#include "libvault/codec/text.h"

VT_RESULT vt_call_new(struct vt_vault *vault, const struct vt_principal *principal, struct vt_call **out_call)
{
    struct vt_call *call = vt_calloc(1, sizeof *call);
    VT_ENSURE(call != NULL, VAULT_E_MEMORY);
    call->vault = vault;
    call->principal = *principal;
    call->frame = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    call->pool = VT_POOL_INIT(VT_CALL_POOL_MAX);
    call->scratch = VT_POOL_INIT(VT_CALL_POOL_MAX);
    call->result = VT_BUF_INIT(VT_LIMIT_REPLY_BYTES);
    call->payloads = VT_BUF_INIT(VT_AUDIT_PAYLOADS_MAX);
    vt_list_init(&call->item.link);
    *out_call = call;
    return VAULT_OK;
}

void vt_call_free(struct vt_call *call)
{
    if (call == NULL) return;
    vt_keyring_view_end(call->view);
    vt_txn_abort(call->txn);
    if (call->schemas != NULL) vt_schema_set_release(call->schemas);
    if (call->templates != NULL) vt_template_set_release(call->templates);
    vt_change_free(call->change);
    vt_buf_release(&call->frame);
    vt_buf_release(&call->result);
    vt_buf_release(&call->payloads);
    vt_pool_release(&call->pool);
    vt_pool_release(&call->scratch);
    free(call);
}

size_t vt_call_held_bytes(const struct vt_call *call)
{
    return sizeof *call + call->frame.cap + call->result.cap + call->payloads.cap + vt_pool_held_bytes(&call->pool) +
           vt_pool_held_bytes(&call->scratch) + vt_change_held_bytes(call->change);
}

VT_RESULT vt_call_change(struct vt_call *call, struct vt_change **out_change)
{
    if (call->change == NULL) VT_TRY(vt_change_new(call->tenant, &call->change));
    *out_change = call->change;
    return VAULT_OK;
}

void vt_call_env(struct vt_call *call, struct vt_subject_env *out_env)
{
    *out_env = (struct vt_subject_env){
        .view = call->view,
        .tenant = call->tenant,
        .schemas = call->schemas,
        .stamps = vt_vault_stamps(call->vault),
        .records = vt_vault_record_sequence(call->vault),
        .pool = &call->scratch,
        .now_ms = call->now_ms,
        .err = &call->err,
    };
}

void vt_call_token_env(struct vt_call *call, struct vt_token_env *out_env)
{
    vt_call_env(call, &out_env->subject);
    out_env->templates = call->templates;
    out_env->tokens = vt_vault_token_sequence(call->vault);
}

static VT_RESULT touched_add(struct vt_call *call, const struct vt_sid *sid, bool *out_is_new)
{
    /* A batch names the same subject in runs; the committer checks the stamps of each one listed. */
    *out_is_new = call->touched_count == 0 || !vt_sid_equal(&call->touched[call->touched_count - 1], sid);
    if (!*out_is_new) return VAULT_OK;
    if (call->touched_count == call->touched_cap) {
        const size_t cap = call->touched_cap != 0 ? 2 * call->touched_cap : 4;
        struct vt_sid *grown = vt_pool_calloc(&call->scratch, cap, sizeof *grown);
        VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
        if (call->touched_count != 0) memcpy(grown, call->touched, call->touched_count * sizeof *grown);
        call->touched = grown;
        call->touched_cap = cap;
    }
    call->touched[call->touched_count++] = *sid;
    return VAULT_OK;
}

VT_RESULT vt_call_watch(struct vt_call *call, const struct vt_sid *sid)
{
    bool is_new;
    return touched_add(call, sid, &is_new);
}

VT_RESULT vt_call_touch(struct vt_call *call, const struct vt_sid *sid, struct vt_bytes what)
{
    bool is_new;
    VT_TRY(touched_add(call, sid, &is_new));
    call->item_count++;
    if (!is_new) return VAULT_OK;
    const struct vt_subject_keys *keys;
    VT_TRY(vt_keyring_subject_keys(call->view, call->tenant, sid, &keys));
    struct vt_audit_where where = {.incarnation = vt_keyring_view_incarnation(call->view), .tenant = call->tenant};
    memcpy(where.vault_id, vt_keyring_view_vault_id(call->view)->bytes, sizeof where.vault_id);
    return vt_audit_payload_seal(&keys->audit_key, &where, sid->bytes, what, &call->payloads);
}

bool vt_call_has_scope(const struct vt_call *call, int scope)
{
    return call->principal.role != NULL && (call->principal.role->scopes & scope) == scope;
}

vault_status vt_call_missing(struct vt_call *call, const char *argument)
{
    if (call->err.message[0] != '\0' || call->command == NULL || call->params == NULL) return VAULT_E_NOT_FOUND;
    return vt_command_missing(call->command, call->params, argument, &call->err);
}

/* By token or sid the vault can tell "erased" from "never existed"; by external id it cannot, because nothing that could
 * recognise the id survives. Who lacks the capability sees one and the same answer for both. */
vault_status vt_call_explain(struct vt_call *call, vault_status status, const struct vt_scope *scope, const char *argument)
{
    const bool is_gone = status == VAULT_E_NOT_FOUND || status == VAULT_E_ERASED || status == VAULT_E_SHRED_PENDING;
    if (!is_gone) return status;
    if (!vt_call_has_scope(call, VT_SCOPE_KNOW_ERASED)) {
        call->err = (struct vt_err){{0}, {0}};
        return vt_call_missing(call, argument);
    }
    struct vt_ledger_entry entry;
    if (status == VAULT_E_SHRED_PENDING) {
        uint64_t certificate = 0;
        if (vt_pending_find(call->view, scope, &certificate) == VAULT_OK) call->certificate = certificate;
        return status;
    }
    const vault_status found = vt_ledger_find(call->view, scope, &entry);
    if (found == VAULT_E_NOT_FOUND) return status == VAULT_E_NOT_FOUND ? vt_call_missing(call, argument) : status;
    if (found != VAULT_OK) return found;
    call->certificate = entry.certificate;
    call->err = (struct vt_err){{0}, {0}};
    return VAULT_E_ERASED;
}

static VT_RESULT subject_by_token(struct vt_call *call, struct vt_bytes token, struct vt_sid *out_sid)
{
    struct vt_token_env env;
    struct vt_token_info info;
    vt_call_token_env(call, &env);
    VT_TRY(vt_token_find(&env, token, &info));
    *out_sid = info.sid;
    return VAULT_OK;
}

static VT_RESULT subject_find(struct vt_call *call, struct vt_sid *out_sid)
{
    const struct vt_bytes external_id = vt_call_text(call, "subject"), hex = vt_call_text(call, "sid"),
                          token = vt_call_text(call, "token");
    const int given = (external_id.data != NULL) + (hex.data != NULL) + (token.data != NULL);
    if (given != 1)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "subject", "Give the subject exactly once: by external id or by sid.");
    if (token.data != NULL) return subject_by_token(call, token, out_sid);
    if (hex.data != NULL) return vt_hex_decode(hex, out_sid->bytes, sizeof out_sid->bytes);
    struct vt_subject_env env;
    vt_call_env(call, &env);
    return vt_subject_by_external_id(&env, external_id, out_sid);
}

/* Which of them named the subject. */
static const char *named_by(const struct vt_call *call)
{
    if (vt_call_text(call, "token").data != NULL) return "token";
    return vt_call_text(call, "sid").data != NULL ? "sid" : "subject";
}

VT_RESULT vt_call_subject(struct vt_call *call, struct vt_sid *out_sid)
{
    struct vt_sid sid = {{0}};
    struct vt_subject_env env;
    vt_call_env(call, &env);
    vault_status status = subject_find(call, &sid);
    if (status == VAULT_OK) status = vt_subject_check(&env, &sid);
    if (status != VAULT_OK) return vt_call_explain(call, status, &(struct vt_scope){.sid = sid}, named_by(call));
    *out_sid = sid;
    return VAULT_OK;
}

struct vt_bytes vt_call_text(const struct vt_call *call, const char *name)
{
    return vt_value_get_text(call->params, name);
}

int64_t vt_call_int(const struct vt_call *call, const char *name, int64_t otherwise)
{
    return vt_value_get_int(call->params, name, otherwise);
}

bool vt_call_bool(const struct vt_call *call, const char *name, bool otherwise)
{
    return vt_value_get_bool(call->params, name, otherwise);
}

const struct vt_value *vt_call_value(const struct vt_call *call, const char *name)
{
    return vt_value_get(call->params, name);
}

VT_RESULT vt_call_collection(struct vt_call *call, const struct vt_collection_entry **out_collection)
{
    const struct vt_collection_entry *entry = vt_schema_set_find(call->schemas, vt_call_text(call, "collection"));
    if (entry == NULL) return vt_call_missing(call, "collection");
    *out_collection = entry;
    return VAULT_OK;
}

VT_RESULT vt_call_mask(struct vt_call *call, enum vt_mask *out_mask)
{
    const struct vt_bytes name = vt_call_text(call, "view");
    enum vt_mask mask = VT_MASK_MASKED;
    if (name.data != NULL && !vt_mask_find(name, &mask))
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "view", "The argument view must be plain, masked, last4 or redacted.");
    *out_mask = mask;
    return VAULT_OK;
}

VT_RESULT vt_call_result(struct vt_call *call, const struct vt_value *value)
{
    vt_buf_reset(&call->result);
    return vt_msgpack_write(&call->result, value);
}
