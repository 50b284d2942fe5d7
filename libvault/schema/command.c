#include "libvault/schema/command.h"

#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"

/* Duties are kept apart: an administrator reads no data, an application shreds nobody, an operator sees no value. */
const struct vt_role VT_ROLES[] = {
    {"application", VT_SCOPE_TOKENIZE | VT_SCOPE_REVEAL | VT_SCOPE_READ | VT_SCOPE_WRITE | VT_SCOPE_SEARCH,
     "tokenises, reads and writes what policy allows"},
    {"privacy",
     VT_SCOPE_READ | VT_SCOPE_SEARCH | VT_SCOPE_EXPORT | VT_SCOPE_SHRED | VT_SCOPE_KNOW_ERASED | VT_SCOPE_STATUS |
         VT_SCOPE_REVEAL | VT_SCOPE_WRITE,
     "answers people: exports, corrects, asks for shreds"},
    {"operator", VT_SCOPE_OPERATE | VT_SCOPE_UNSEAL | VT_SCOPE_STATUS | VT_SCOPE_KNOW_ERASED,
     "runs it: backups, epochs, seal and unseal"},
    {"administrator", VT_SCOPE_ADMIN | VT_SCOPE_STATUS, "keys, credentials, schemas, templates; reads no data"},
    {"auditor", VT_SCOPE_AUDIT | VT_SCOPE_STATUS | VT_SCOPE_KNOW_ERASED, "reads the log, proofs and certificates"},
};
const size_t VT_ROLE_COUNT = VT_ARRAY_LEN(VT_ROLES);

const struct vt_role *vt_role_find(struct vt_bytes name)
{
    for (size_t i = 0; i < VT_ROLE_COUNT; i++)
        if (vt_bytes_equal_str(name, VT_ROLES[i].name)) return &VT_ROLES[i];
    return NULL;
}

const struct vt_arg VT_COMMON_ARGS[] = {
    {"tenant", VT_T_NAME, 0, VT_LIMIT_NAME_BYTES, "the vault inside the daemon; `default` when absent"},
    {"purpose", VT_T_NAME, 0, VT_LIMIT_NAME_BYTES, "why: a registered purpose; required on reads of personal data"},
    {"recipient", VT_T_NAME, 0, VT_LIMIT_NAME_BYTES, "who gets it outside the organisation"},
    {"idempotency_key", VT_T_TEXT, 0, 128, "a repeat with the same key returns the first answer"},
    {"request_id", VT_T_TEXT, 0, 64, "the caller's own id of this call; the audit leaf keeps SHA-256 of it, 16 bytes"},
    {0},
};

const struct vt_command *vt_command_find(struct vt_bytes name)
{
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++)
        if (vt_bytes_equal_str(name, VT_COMMANDS[i]->name)) return VT_COMMANDS[i];
    return NULL;
}

const struct vt_command *vt_command_by_id(uint16_t id)
{
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++)
        if (VT_COMMANDS[i]->id == id) return VT_COMMANDS[i];
    return NULL;
}

static const struct vt_arg *arg_find(const struct vt_arg *args, struct vt_bytes name)
{
    for (; args->name != NULL; args++)
        if (vt_bytes_equal_str(name, args->name)) return args;
    return NULL;
}

static const enum vt_value_kind ARG_VALUE_KIND[] = {
    [VT_T_BOOL] = VT_VALUE_BOOL,          [VT_T_INT] = VT_VALUE_INT,
    [VT_T_TEXT] = VT_VALUE_TEXT,          [VT_T_NAME] = VT_VALUE_TEXT,
    [VT_T_EXTERNAL_ID] = VT_VALUE_TEXT,   [VT_T_ID] = VT_VALUE_TEXT,
    [VT_T_TOKEN] = VT_VALUE_TEXT,         [VT_T_BYTES] = VT_VALUE_BYTES,
    [VT_T_TIME] = VT_VALUE_TEXT,          [VT_T_MAP] = VT_VALUE_MAP,
    [VT_T_LIST] = VT_VALUE_ARRAY,         [VT_T_LIST_OF_NAME] = VT_VALUE_ARRAY,
    [VT_T_LIST_OF_TOKEN] = VT_VALUE_ARRAY, [VT_T_LIST_OF_EXTERNAL_ID] = VT_VALUE_ARRAY,
    [VT_T_SECRET] = VT_VALUE_TEXT,
};

static VT_RESULT check_integer(const struct vt_arg *arg, int64_t integer, struct vt_err *err)
{
    if ((arg->flags & VT_POSITIVE) != 0 && integer <= 0)
        return vt_fail(err, VAULT_E_ARGUMENT, arg->name, "The argument %s must be greater than zero.", arg->name);
    if (arg->max != 0 && integer > (int64_t)arg->max)
        return vt_fail(err, VAULT_E_TOO_LARGE, arg->name, "The argument %s must be at most %zu.", arg->name, arg->max);
    return VAULT_OK;
}

static VT_RESULT check_hex_id(const struct vt_arg *arg, struct vt_bytes text, struct vt_err *err)
{
    uint8_t id[16];
    if (text.len == 2 * sizeof id && vt_hex_decode(text, id, sizeof id) == VAULT_OK) return VAULT_OK;
    return vt_fail(err, VAULT_E_ARGUMENT, arg->name, "The argument %s must be 32 hexadecimal digits.", arg->name);
}

static bool name_is_valid(struct vt_bytes text)
{
    if (text.len == 0 || text.len > VT_LIMIT_NAME_BYTES || text.data[0] < 'a' || text.data[0] > 'z') return false;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.data[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.') return false;
    }
    return true;
}

static VT_RESULT check_text(const struct vt_arg *arg, enum vt_arg_kind kind, struct vt_bytes text, struct vt_err *err)
{
    const size_t max = arg->max != 0 && kind == arg->kind ? arg->max : VT_LIMIT_VALUE_BYTES;
    if (text.len > max)
        return vt_fail(err, VAULT_E_TOO_LARGE, arg->name, "The argument %s is longer than %zu bytes.", arg->name, max);
    if (kind == VT_T_ID) return check_hex_id(arg, text, err);
    if (kind == VT_T_NAME && !name_is_valid(text))
        return vt_fail(
            err, VAULT_E_ARGUMENT, arg->name,
            "The argument %s must be a name: a lower-case letter, then letters, digits, dot, dash, underscore.",
            arg->name);
    const bool is_short = text.len == 0 || text.len > VT_LIMIT_EXTERNAL_ID_BYTES;
    if ((kind == VT_T_EXTERNAL_ID || kind == VT_T_TOKEN) && is_short)
        return vt_fail(err, VAULT_E_ARGUMENT, arg->name, "The argument %s must have 1 to %d bytes.", arg->name,
                       VT_LIMIT_EXTERNAL_ID_BYTES);
    return VAULT_OK;
}

static VT_RESULT check_list(const struct vt_arg *arg, enum vt_arg_kind item_kind, const struct vt_value *list,
                            struct vt_err *err)
{
    const size_t max = arg->max != 0 ? arg->max : VT_LIMIT_BATCH_ITEMS;
    if (list->array.count > max)
        return vt_fail(err, VAULT_E_TOO_LARGE, arg->name, "The argument %s has more than %zu items.", arg->name, max);
    if (item_kind == VT_T_VALUE) return VAULT_OK;
    for (size_t i = 0; i < list->array.count; i++) {
        const struct vt_value *item = &list->array.items[i];
        if (item->kind != VT_VALUE_TEXT)
            return vt_fail(err, VAULT_E_TYPE, arg->name, "Item %zu of the argument %s must be text.", i, arg->name);
        VT_TRY(check_text(arg, item_kind, item->bytes, err));
    }
    return VAULT_OK;
}

static VT_RESULT check_value(const struct vt_arg *arg, const struct vt_value *value, struct vt_err *err)
{
    if (arg->kind == VT_T_VALUE) return VAULT_OK;
    if (value->kind != ARG_VALUE_KIND[arg->kind])
        return vt_fail(err, VAULT_E_TYPE, arg->name, "The argument %s must be of type %s.", arg->name,
                       vt_value_kind_name(ARG_VALUE_KIND[arg->kind]));
    switch (arg->kind) {
    case VT_T_INT: return check_integer(arg, value->integer, err);
    case VT_T_LIST: return check_list(arg, VT_T_VALUE, value, err);
    case VT_T_LIST_OF_NAME: return check_list(arg, VT_T_NAME, value, err);
    case VT_T_LIST_OF_TOKEN: return check_list(arg, VT_T_TOKEN, value, err);
    case VT_T_LIST_OF_EXTERNAL_ID: return check_list(arg, VT_T_EXTERNAL_ID, value, err);
    case VT_T_BOOL:
    case VT_T_MAP: return VAULT_OK;
    default: return check_text(arg, arg->kind, value->bytes, err);
    }
}

static VT_RESULT check_required(const struct vt_command *command, const struct vt_value *params, struct vt_err *err)
{
    for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++)
        if ((arg->flags & VT_REQUIRED) != 0 && vt_value_get(params, arg->name) == NULL)
            return vt_fail(err, VAULT_E_ARGUMENT, arg->name, "The argument %s is required.", arg->name);
    if ((command->flags & VT_NEEDS_PURPOSE) != 0 && vt_value_get(params, "purpose") == NULL)
        return vt_fail(err, VAULT_E_PURPOSE, "purpose", "Reading personal data needs the argument purpose.");
    return VAULT_OK;
}

VT_RESULT vt_command_validate(const struct vt_command *command, const struct vt_value *params, struct vt_err *err)
{
    if (params->kind != VT_VALUE_MAP) return vt_fail(err, VAULT_E_TYPE, NULL, "The parameters must be a map.");
    for (size_t i = 0; i < params->map.count; i++) {
        const struct vt_pair *pair = &params->map.pairs[i];
        const struct vt_arg *arg = arg_find(command->args, pair->key);
        if (arg == NULL) arg = arg_find(VT_COMMON_ARGS, pair->key);
        if (arg == NULL)
            return vt_fail(err, VAULT_E_ARGUMENT, NULL, "The command %s does not know one of its arguments.",
                           command->name);
        VT_TRY(check_value(arg, &pair->value, err));
    }
    return check_required(command, params, err);
}
