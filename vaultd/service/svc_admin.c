/* vaultd/service/svc_admin.c - login, credentials, schemas, templates. */
#include "vaultd/service/bind.h"
#include "vaultd/service/credentials.h"
#include "vaultd/service/parse.h"

/* A change of schemas, templates or credentials is seen by the next call: the committer reloads right after its commit. */
static VT_RESULT reload(struct vt_call *call, VT_RESULT (*load)(struct vt_call *call, struct vt_keyring_view *view))
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_vault_view(call->vault, &txn, &view));
    return load(call, view);
}

/* What was committed but cannot be loaded would leave old rules in force unnoticed: nothing is served then until it is mended. */
static void reload_or_seal(struct vt_call *call, bool kept,
                           VT_RESULT (*load)(struct vt_call *call, struct vt_keyring_view *view))
{
    if (kept && reload(call, load) != VAULT_OK) vt_vault_seal(call->vault);
}

/* auth.login ---------------------------------------------------------------------------------------------------- */

static vault_status login_prepare(struct vt_call *call)
{
    VT_ENSURE(vt_vault_state(call->vault) != VT_VAULT_NOT_INITIALISED, VAULT_E_NOT_INITIALISED);
    VT_ENSURE(vt_vault_state(call->vault) != VT_VAULT_SEALED, VAULT_E_SEALED);
    struct vt_principal principal;
    VT_TRY(vt_credentials_login(vt_vault_credentials(call->vault), vt_call_text(call, "credential"), call->now_ms, &principal));
    call->login = principal;
    memcpy(call->principal.id, principal.id, sizeof call->principal.id);
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_id(call, &map, "principal", principal.id));
    VT_TRY(vt_put_text(call, &map, "name", principal.name));
    VT_TRY(vt_put_text(call, &map, "role", principal.role->name));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_AUTH_LOGIN = {.command = "auth.login", .prepare = login_prepare};

/* credential.* --------------------------------------------------------------------------------------------------- */

static VT_RESULT load_credentials(struct vt_call *call, struct vt_keyring_view *view)
{
    return vt_credentials_load(vt_vault_credentials(call->vault), view);
}

static vault_status credential_create_prepare(struct vt_call *call)
{
    const struct vt_role *role = vt_role_find(vt_call_text(call, "role"));
    if (role == NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "role",
                       "The role must be application, privacy, approver, operator, administrator or auditor.");
    int64_t expires_at_ms = 0;
    VT_TRY(vt_call_future_time(call, "expires_at", &expires_at_ms));
    struct vt_change *change;
    char secret[VT_SECRET_TEXT_LEN];
    uint8_t principal[16];
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_credentials_plan_create(call->view, change, vt_call_text(call, "name"), role, expires_at_ms, call->now_ms, secret,
                                      principal, &call->err));
    struct vt_value map = vt_value_map();
    vault_status status = vt_put_id(call, &map, "principal", principal);
    if (status == VAULT_OK) status = vt_put_text(call, &map, "secret", secret);
    vt_wipe(secret, sizeof secret);
    VT_TRY(status);
    return vt_call_result(call, &map);
}
static void credential_committed(struct vt_call *call, bool kept)
{
    reload_or_seal(call, kept, load_credentials);
    if (kept && call->handler_state != NULL) vt_stamps_touch(vt_vault_stamps(call->vault), call->handler_state);
}
const struct vt_handler VT_HANDLER_CREDENTIAL_CREATE = {
    .command = "credential.create", .prepare = credential_create_prepare, .committed = credential_committed};

static vault_status credential_revoke_prepare(struct vt_call *call)
{
    struct vt_change *change;
    uint8_t *principal = vt_pool_alloc(&call->scratch, 16);
    VT_ENSURE(principal != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_call_change(call, &change));
    const vault_status status = vt_credentials_plan_revoke(call->view, change, vt_call_text(call, "name"), principal);
    if (status == VAULT_E_STATE)
        return vt_fail(&call->err, status, "name",
                       "No other administrator without an expiry would be left: make one first.");
    VT_TRY(status);
    call->handler_state = principal;
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_text(call, &map, "state", "revoked"));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_CREDENTIAL_REVOKE = {
    .command = "credential.revoke", .prepare = credential_revoke_prepare, .committed = credential_committed};

static vault_status credential_list_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map(), list;
    VT_TRY(vt_credentials_list(call->view, &call->scratch, call->now_ms, &list));
    VT_TRY(vt_put_value(call, &map, "credentials", list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_CREDENTIAL_LIST = {.command = "credential.list", .prepare = credential_list_prepare};

/* schema.* ------------------------------------------------------------------------------------------------------- */

static VT_RESULT load_schemas(struct vt_call *call, struct vt_keyring_view *view)
{
    return vt_schemas_load(vt_vault_schemas(call->vault), view, call->tenant);
}

static vault_status schema_apply_prepare(struct vt_call *call)
{
    struct vt_change *change;
    struct vt_value map = vt_value_map(), report;
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_schemas_plan(vt_vault_schemas(call->vault), call->view, call->tenant, vt_call_text(call, "schema"),
                           &call->scratch, change, &report, &call->err));
    VT_TRY(vt_put_value(call, &map, "collections", report));
    return vt_call_result(call, &map);
}
static void schema_committed(struct vt_call *call, bool kept)
{
    reload_or_seal(call, kept, load_schemas);
}
const struct vt_handler VT_HANDLER_SCHEMA_APPLY = {
    .command = "schema.apply", .prepare = schema_apply_prepare, .committed = schema_committed};

static VT_RESULT schema_value(struct vt_call *call, const struct vt_collection_entry *entry, struct vt_value *out_value)
{
    struct vt_value value;
    VT_TRY(vt_collection_to_value(&call->scratch, entry->collection, &value));
    VT_TRY(vt_put_int(call, &value, "version", entry->collection->version));
    *out_value = value;
    return VAULT_OK;
}

static vault_status schema_show_prepare(struct vt_call *call)
{
    const struct vt_collection_entry *entry;
    struct vt_value map = vt_value_map(), value;
    VT_TRY(vt_call_collection(call, &entry));
    VT_TRY(schema_value(call, entry, &value));
    VT_TRY(vt_put_value(call, &map, "collection", value));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_SCHEMA_SHOW = {.command = "schema.show", .prepare = schema_show_prepare};

static vault_status schema_list_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map(), list = vt_value_array();
    for (size_t i = 0; i < vt_schema_set_count(call->schemas); i++) {
        struct vt_value value;
        VT_TRY(schema_value(call, vt_schema_set_at(call->schemas, i), &value));
        VT_TRY(vt_value_push(&call->scratch, &list, value, NULL));
    }
    VT_TRY(vt_put_value(call, &map, "collections", list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_SCHEMA_LIST = {.command = "schema.list", .prepare = schema_list_prepare};

/* template.* ----------------------------------------------------------------------------------------------------- */

static VT_RESULT load_templates(struct vt_call *call, struct vt_keyring_view *view)
{
    return vt_templates_load(vt_vault_templates(call->vault), view, call->tenant);
}

static vault_status template_apply_prepare(struct vt_call *call)
{
    struct vt_change *change;
    struct vt_subject_env env;
    struct vt_value map = vt_value_map(), report;
    VT_TRY(vt_call_change(call, &change));
    vt_call_env(call, &env);
    VT_TRY(vt_templates_plan(vt_vault_templates(call->vault), &env, vt_call_text(call, "template"), change, &report));
    VT_TRY(vt_put_value(call, &map, "templates", report));
    return vt_call_result(call, &map);
}
static void template_committed(struct vt_call *call, bool kept)
{
    reload_or_seal(call, kept, load_templates);
}
const struct vt_handler VT_HANDLER_TEMPLATE_APPLY = {
    .command = "template.apply", .prepare = template_apply_prepare, .committed = template_committed};

static VT_RESULT template_value(struct vt_call *call, const struct vt_template *template_, struct vt_value *out_value)
{
    const struct vt_collection_entry *entry = vt_schema_set_by_number(call->schemas, template_->collection);
    VT_ENSURE(entry != NULL, VAULT_E_CORRUPT);
    const struct vt_field *field = vt_collection_field_by_id(entry->collection, template_->field);
    VT_ENSURE(field != NULL, VAULT_E_CORRUPT);
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_text(call, &map, "name", template_->name));
    VT_TRY(vt_put_text(call, &map, "format", template_->format == VT_TOKEN_OPAQUE ? "opaque" : "digits"));
    VT_TRY(vt_put_bytes_text(call, &map, "collection", entry->collection->name));
    VT_TRY(vt_put_bytes_text(call, &map, "field", field->name));
    VT_TRY(vt_put_bool(call, &map, "deterministic", template_->is_deterministic));
    if (template_->format == VT_TOKEN_DIGITS) VT_TRY(vt_put_int(call, &map, "keep_last", template_->keep_last));
    *out_value = map;
    return VAULT_OK;
}

static vault_status template_show_prepare(struct vt_call *call)
{
    const struct vt_template *template_ = vt_template_set_find(call->templates, vt_call_text(call, "name"));
    VT_ENSURE(template_ != NULL, VAULT_E_NOT_FOUND);
    struct vt_value map = vt_value_map(), value;
    VT_TRY(template_value(call, template_, &value));
    VT_TRY(vt_put_value(call, &map, "template", value));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_TEMPLATE_SHOW = {.command = "template.show", .prepare = template_show_prepare};

static vault_status template_list_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map(), list = vt_value_array();
    for (size_t i = 0; i < vt_template_set_count(call->templates); i++) {
        struct vt_value value;
        VT_TRY(template_value(call, vt_template_set_at(call->templates, i), &value));
        VT_TRY(vt_value_push(&call->scratch, &list, value, NULL));
    }
    VT_TRY(vt_put_value(call, &map, "templates", list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_TEMPLATE_LIST = {.command = "template.list", .prepare = template_list_prepare};
