/* vaultd/service/svc_token.c - tokens, alone and in batches; a batch answers item by item, in order. */
#include <stdio.h>

#include "libvault/codec/limits.h"
#include "vaultd/service/bind.h"

static VT_RESULT touch_token(struct vt_call *call, const struct vt_sid *sid, const char *template_name)
{
    char what[96];
    const int len = snprintf(what, sizeof what, "token %s", template_name);
    return vt_call_touch(call, sid, vt_bytes(what, (size_t)len));
}

/* token.create ------------------------------------------------------------------------------------------------------- */

struct creating {
    struct vt_call *call;
    struct vt_token_env env;
    const struct vt_template *template_;
    struct vt_token_batch *batch;
};

static VT_RESULT wish_subject(struct creating *creating, struct vt_bytes external_id, struct vt_token_wish *wish,
                              struct vt_sid *sid)
{
    if (external_id.data == NULL) return VAULT_OK;
    const vault_status status = vt_subject_by_external_id(&creating->env.subject, external_id, sid);
    if (status != VAULT_OK) return vt_call_explain(creating->call, status, &(struct vt_scope){.sid = *sid}, "subject");
    wish->sid = sid;
    return VAULT_OK;
}

static VT_RESULT create_one(struct creating *creating, const struct vt_value *value, struct vt_bytes external_id,
                            uint64_t record, char out_token[VT_TOKEN_TEXT_MAX])
{
    struct vt_token_wish wish = {.template_ = creating->template_, .value = value, .record = record};
    struct vt_sid sid = {{0}}, holder;
    if (value == NULL && record == 0)
        return vt_fail(&creating->call->err, VAULT_E_ARGUMENT, "value", "Give a value, or the record whose field is meant.");
    if (value != NULL && record != 0)
        return vt_fail(&creating->call->err, VAULT_E_ARGUMENT, "record", "Give a value or a record, not both.");
    VT_TRY(wish_subject(creating, external_id, &wish, &sid));
    if (value == NULL && wish.sid == NULL)
        return vt_fail(&creating->call->err, VAULT_E_ARGUMENT, "subject", "A record is named together with its subject.");
    const vault_status made = vt_token_create(creating->batch, &wish, out_token, &holder);
    if (made != VAULT_OK && wish.sid != NULL)
        return vt_call_explain(creating->call, made, &(struct vt_scope){.sid = sid, .record = record},
                               record != 0 ? "record" : "subject");
    VT_TRY(made);
    creating->call->item_count++;
    /* A subject that this very call makes has no audit key yet; its creation is what the leaf is about. */
    return wish.sid != NULL ? touch_token(creating->call, wish.sid, creating->template_->name) : VAULT_OK;
}

/* Only what fails for one item's own sake fails alone. */
static bool is_items_own(vault_status status)
{
    switch (status) {
    case VAULT_E_ARGUMENT:
    case VAULT_E_TYPE:
    case VAULT_E_TOO_LARGE:
    case VAULT_E_INVALID_VALUE:
    case VAULT_E_REFUSED_TYPE:
    case VAULT_E_UNKNOWN_FIELD:
    case VAULT_E_NOT_FOUND:
    case VAULT_E_ERASED:
    case VAULT_E_SHRED_PENDING:
    case VAULT_E_EXISTS:
    case VAULT_E_LIMIT:
    case VAULT_E_STATE:
    case VAULT_E_DISABLED: return true;
    default: return false;
    }
}

/* An item of `items` is held to what the table says of the arguments: a subject that is overheard would get a stranger's card. */
static VT_RESULT item_check(struct vt_call *call, const struct vt_value *item)
{
    static const struct vt_command ITEM = {
        .name = "token.create",
        .args = VT_FIELDS({"value", VT_T_VALUE, VT_PERSONAL, 0, ""},
                          {"subject", VT_T_EXTERNAL_ID, VT_PERSONAL, VT_LIMIT_EXTERNAL_ID_BYTES, ""},
                          {"record", VT_T_INT, VT_POSITIVE, 0, ""}),
    };
    if (item->kind != VT_VALUE_MAP) return vt_fail(&call->err, VAULT_E_TYPE, "items", "Each item must be a map.");
    return vt_command_validate_args(&ITEM, item, &call->err);
}

static VT_RESULT create_mapped(struct creating *creating, const struct vt_value *item, char out_token[VT_TOKEN_TEXT_MAX])
{
    VT_TRY(item_check(creating->call, item));
    return create_one(creating, vt_value_get(item, "value"), vt_value_get_text(item, "subject"),
                      (uint64_t)vt_value_get_int(item, "record", 0), out_token);
}

static VT_RESULT create_item(struct creating *creating, const struct vt_value *item, bool is_map, struct vt_value *list)
{
    struct vt_value map = vt_value_map();
    char token[VT_TOKEN_TEXT_MAX];
    const vault_status status = is_map ? create_mapped(creating, item, token)
                                       : create_one(creating, item, vt_call_text(creating->call, "subject"), 0, token);
    if (status != VAULT_OK && !is_items_own(status)) return status;
    if (status != VAULT_OK) VT_TRY(vt_put_item_error(creating->call, &map, status));
    if (status == VAULT_OK) VT_TRY(vt_put_text(creating->call, &map, "token", token));
    return vt_value_push(&creating->call->scratch, list, map, NULL);
}

static VT_RESULT create_many(struct creating *creating, const struct vt_value *items, bool are_maps, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < items->array.count; i++)
        VT_TRY(create_item(creating, &items->array.items[i], are_maps, &list));
    return vt_put_value(creating->call, map, "tokens", list);
}

static VT_RESULT create_run(struct creating *creating, struct vt_value *map)
{
    struct vt_call *call = creating->call;
    const struct vt_value *value = vt_call_value(call, "value"), *values = vt_call_value(call, "values"),
                          *items = vt_call_value(call, "items");
    if ((value != NULL) + (values != NULL) + (items != NULL) > 1)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "value", "Give value, values or items, not several of them.");
    if ((values != NULL || items != NULL) && vt_call_value(call, "record") != NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "record", "The argument record goes with one token; give it in items.");
    if (items != NULL && vt_call_value(call, "subject") != NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "subject", "Each of the items names its own subject.");
    if (values != NULL) return create_many(creating, values, false, map);
    if (items != NULL) return create_many(creating, items, true, map);
    char token[VT_TOKEN_TEXT_MAX];
    VT_TRY(create_one(creating, value, vt_call_text(call, "subject"), (uint64_t)vt_call_int(call, "record", 0), token));
    return vt_put_text(call, map, "token", token);
}

static vault_status token_create_prepare(struct vt_call *call)
{
    struct creating creating = {.call = call};
    struct vt_change *change;
    struct vt_value map = vt_value_map();
    VT_AUTO_PTR(vt_token_batch) batch = NULL;
    vt_call_token_env(call, &creating.env);
    creating.template_ = vt_template_set_find(call->templates, vt_call_text(call, "template"));
    if (creating.template_ == NULL) return vt_call_missing(call, "template");
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_token_batch_new(&creating.env, change, &batch));
    creating.batch = batch;
    call->retries_checks = true;
    VT_TRY(create_run(&creating, &map));
    VT_TRY(vt_token_batch_finish(batch));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_TOKEN_CREATE = {.command = "token.create", .prepare = token_create_prepare};

/* token.reveal ------------------------------------------------------------------------------------------------------- */

struct revealing {
    struct vt_call *call;
    struct vt_token_env env;
    enum vt_mask mask;
};

/* A value that policy keeps from everyone but its token's field is shown as its type's mask says unless plain is asked for. */
static VT_RESULT reveal_one(struct revealing *revealing, struct vt_bytes token, struct vt_value *out_shown)
{
    struct vt_token_info info = {.record = 0};
    struct vt_value value;
    struct vt_call *call = revealing->call;
    const vault_status status = vt_token_reveal(&revealing->env, token, &info, &value);
    if (status != VAULT_OK && info.field == NULL) return status;
    const struct vt_scope scope = {info.sid, info.field->category, info.record};
    if (status != VAULT_OK) return vt_call_explain(call, status, &scope, NULL);
    VT_TRY(touch_token(call, &info.sid, info.template_->name));
    return vt_field_mask_value(info.field->type, &value, revealing->mask, &call->scratch, out_shown);
}

static VT_RESULT reveal_item(struct revealing *revealing, struct vt_bytes token, struct vt_value *list)
{
    struct vt_value map = vt_value_map(), shown;
    const vault_status status = reveal_one(revealing, token, &shown);
    if (status != VAULT_OK && !is_items_own(status)) return status;
    if (status != VAULT_OK) VT_TRY(vt_put_item_error(revealing->call, &map, status));
    if (status == VAULT_OK) VT_TRY(vt_put_value(revealing->call, &map, "value", shown));
    return vt_value_push(&revealing->call->scratch, list, map, NULL);
}

static vault_status token_reveal_prepare(struct vt_call *call)
{
    struct revealing revealing = {.call = call};
    struct vt_value map = vt_value_map(), shown, list = vt_value_array();
    const struct vt_value *tokens = vt_call_value(call, "tokens");
    const struct vt_bytes token = vt_call_text(call, "token");
    if ((tokens != NULL) == (token.data != NULL))
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "token", "Give either token or tokens.");
    vt_call_token_env(call, &revealing.env);
    VT_TRY(vt_call_mask(call, &revealing.mask));
    if (tokens == NULL) {
        VT_TRY(reveal_one(&revealing, token, &shown));
        VT_TRY(vt_put_value(call, &map, "value", shown));
        return vt_call_result(call, &map);
    }
    for (size_t i = 0; i < tokens->array.count; i++) VT_TRY(reveal_item(&revealing, tokens->array.items[i].bytes, &list));
    VT_TRY(vt_put_value(call, &map, "values", list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_TOKEN_REVEAL = {.command = "token.reveal", .prepare = token_reveal_prepare};

/* token.show, disable, enable, revoke -------------------------------------------------------------------------------- */

static vault_status token_show_prepare(struct vt_call *call)
{
    static const char *const STATES[] = {"", "live", "disabled", "revoked"};
    struct vt_token_env env;
    struct vt_token_info info;
    struct vt_value map = vt_value_map();
    vt_call_token_env(call, &env);
    VT_TRY(vt_token_find(&env, vt_call_text(call, "token"), &info));
    const struct vt_scope scope = {info.sid, info.field->category, info.record};
    const vault_status live = vt_token_check(&env, &info);
    if (live != VAULT_OK) return vt_call_explain(call, live, &scope, NULL);
    VT_TRY(touch_token(call, &info.sid, info.template_->name));
    VT_TRY(vt_put_text(call, &map, "template", info.template_->name));
    VT_TRY(vt_put_text(call, &map, "state", info.state < VT_ARRAY_LEN(STATES) ? STATES[info.state] : "unknown"));
    VT_TRY(vt_put_time(call, &map, "created_at", info.created_at_ms));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_TOKEN_SHOW = {.command = "token.show", .prepare = token_show_prepare};

static VT_RESULT set_one(struct vt_call *call, const struct vt_token_env *env, struct vt_bytes token, enum vt_token_state state)
{
    struct vt_change *change;
    struct vt_token_info info;
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_token_find(env, token, &info));
    const vault_status live = vt_token_check(env, &info);
    if (live != VAULT_OK)
        return vt_call_explain(call, live, &(struct vt_scope){info.sid, info.field->category, info.record}, NULL);
    VT_TRY(vt_token_set_state(env, token, state, change));
    return touch_token(call, &info.sid, info.template_->name);
}

static VT_RESULT set_states(struct vt_call *call, enum vt_token_state state, const char *state_name)
{
    struct vt_token_env env;
    struct vt_value map = vt_value_map(), list = vt_value_array();
    const struct vt_value *tokens = vt_call_value(call, "tokens");
    const struct vt_bytes token = vt_call_text(call, "token");
    int64_t changed = 0;
    if ((tokens != NULL) == (token.data != NULL))
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "token", "Give either token or tokens.");
    vt_call_token_env(call, &env);
    if (tokens == NULL) {
        VT_TRY(set_one(call, &env, token, state));
        changed = 1;
    }
    for (size_t i = 0; tokens != NULL && i < tokens->array.count; i++) {
        struct vt_value item = vt_value_map();
        const vault_status status = set_one(call, &env, tokens->array.items[i].bytes, state);
        if (status != VAULT_OK && !is_items_own(status)) return status;
        if (status != VAULT_OK) VT_TRY(vt_put_item_error(call, &item, status));
        if (status == VAULT_OK) VT_TRY(vt_put_text(call, &item, "state", state_name));
        changed += status == VAULT_OK;
        VT_TRY(vt_value_push(&call->scratch, &list, item, NULL));
    }
    VT_TRY(vt_put_int(call, &map, "changed", changed));
    if (tokens != NULL) VT_TRY(vt_put_value(call, &map, "items", list));
    return vt_call_result(call, &map);
}

static vault_status token_disable_prepare(struct vt_call *call)
{
    return set_states(call, VT_TOKEN_DISABLED, "disabled");
}
static vault_status token_enable_prepare(struct vt_call *call)
{
    return set_states(call, VT_TOKEN_LIVE, "live");
}
static vault_status token_revoke_prepare(struct vt_call *call)
{
    return set_states(call, VT_TOKEN_REVOKED, "revoked");
}
const struct vt_handler VT_HANDLER_TOKEN_DISABLE = {.command = "token.disable", .prepare = token_disable_prepare};
const struct vt_handler VT_HANDLER_TOKEN_ENABLE = {.command = "token.enable", .prepare = token_enable_prepare};
const struct vt_handler VT_HANDLER_TOKEN_REVOKE = {.command = "token.revoke", .prepare = token_revoke_prepare};
