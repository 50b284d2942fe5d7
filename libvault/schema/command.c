#include "libvault/schema/command.h"

#include "libvault/base/clock.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"

/* Duties are kept apart: an administrator reads no data, an application shreds nobody, an operator sees no value. */
const struct vt_role VT_ROLES[] = {
    {"application", VT_SCOPE_TOKENIZE | VT_SCOPE_REVEAL | VT_SCOPE_READ | VT_SCOPE_WRITE | VT_SCOPE_SEARCH,
     "tokenises, reads and writes what policy allows"},
    {"privacy",
     VT_SCOPE_READ | VT_SCOPE_SEARCH | VT_SCOPE_EXPORT | VT_SCOPE_SHRED | VT_SCOPE_KNOW_ERASED | VT_SCOPE_STATUS |
         VT_SCOPE_REVEAL | VT_SCOPE_WRITE | VT_SCOPE_HOLD,
     "answers people: exports, corrects, asks for shreds, places holds"},
    {"approver", VT_SCOPE_APPROVE | VT_SCOPE_STATUS, "approves or denies what others asked for; reads no data"},
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
    {"idempotency_key", VT_T_TEXT, 0, 128,
     "on commands that write or destroy: a repeat returns the first answer; reads ignore it, commands that operate refuse it"},
    {"request_id", VT_T_TEXT, 0, 64, "the caller's own id of this call; the audit leaf keeps SHA-256 of it, 16 bytes"},
    {0},
};

const vault_status VT_COMMON_ERRORS[] = {
    VAULT_E_ARGUMENT,   VAULT_E_TYPE,      VAULT_E_TOO_LARGE,   VAULT_E_PARSE,     VAULT_E_PURPOSE,
    VAULT_E_UNAUTHENTICATED, VAULT_E_FORBIDDEN, VAULT_E_CREDENTIAL_REVOKED,        VAULT_E_NOT_FOUND, /* the tenant */
    VAULT_E_SEALED,     VAULT_E_NOT_INITIALISED, VAULT_E_READ_ONLY, VAULT_E_BUSY,  VAULT_E_DISK_FULL,
    VAULT_E_SHUTDOWN,   VAULT_E_CONFLICT,  VAULT_E_STATE,       VAULT_E_UNSUPPORTED, /* the last two: idempotency_key */
    VAULT_E_PROTOCOL,   VAULT_E_IO,        VAULT_E_MEMORY,      VAULT_E_CRYPTO,    VAULT_E_CORRUPT,
    VAULT_E_AUTHENTICITY, VAULT_E_FORMAT,  VAULT_OK,
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

static size_t text_max(enum vt_arg_kind kind)
{
    switch (kind) {
    case VT_T_NAME: return VT_LIMIT_NAME_BYTES;
    case VT_T_EXTERNAL_ID:
    case VT_T_TOKEN: return VT_LIMIT_EXTERNAL_ID_BYTES;
    case VT_T_ID: return 32;
    default: return VT_LIMIT_VALUE_BYTES;
    }
}

static enum vt_arg_kind item_kind(enum vt_arg_kind kind)
{
    switch (kind) {
    case VT_T_LIST_OF_NAME: return VT_T_NAME;
    case VT_T_LIST_OF_TOKEN: return VT_T_TOKEN;
    case VT_T_LIST_OF_EXTERNAL_ID: return VT_T_EXTERNAL_ID;
    default: return VT_T_VALUE;
    }
}

size_t vt_arg_max(const struct vt_arg *arg)
{
    if (arg->max != 0) return arg->max;
    if (arg->kind == VT_T_INT) return INT64_MAX;
    return ARG_VALUE_KIND[arg->kind] == VT_VALUE_ARRAY ? (size_t)VT_LIMIT_BATCH_ITEMS : text_max(arg->kind);
}

size_t vt_arg_item_max(const struct vt_arg *arg)
{
    const enum vt_arg_kind kind = item_kind(arg->kind);
    return kind == VT_T_VALUE ? 0 : text_max(kind);
}

static VT_RESULT check_integer(const struct vt_arg *arg, int64_t integer, struct vt_err *err)
{
    if ((arg->flags & VT_POSITIVE) != 0 && integer <= 0)
        return vt_fail(err, VAULT_E_ARGUMENT, arg->name, "The argument %s must be greater than zero.", arg->name);
    if (integer < 0) return vt_fail(err, VAULT_E_ARGUMENT, arg->name, "The argument %s must not be negative.", arg->name);
    if ((uint64_t)integer > vt_arg_max(arg))
        return vt_fail(err, VAULT_E_TOO_LARGE, arg->name, "The argument %s must be at most %zu.", arg->name, vt_arg_max(arg));
    return VAULT_OK;
}

static VT_RESULT check_hex_id(const struct vt_arg *arg, struct vt_bytes text, struct vt_err *err)
{
    uint8_t id[16];
    if (text.len == 2 * sizeof id && vt_hex_decode(text, id, sizeof id) == VAULT_OK) return VAULT_OK;
    return vt_fail(err, VAULT_E_ARGUMENT, arg->name, "The argument %s must be 32 hexadecimal digits.", arg->name);
}

static VT_RESULT check_time(const struct vt_arg *arg, struct vt_bytes text, struct vt_err *err)
{
    int64_t at_ms;
    if (vt_time_parse((const char *)text.data, text.len, &at_ms)) return VAULT_OK;
    return vt_fail(err, VAULT_E_ARGUMENT, arg->name,
                   "The argument %s must be an RFC 3339 time such as 2026-07-01T00:00:00Z.", arg->name);
}

static VT_RESULT check_name(const struct vt_arg *arg, struct vt_bytes text, struct vt_err *err)
{
    bool is_name = text.data[0] >= 'a' && text.data[0] <= 'z';
    for (size_t i = 0; i < text.len && is_name; i++) {
        const uint8_t c = text.data[i];
        is_name = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    }
    if (is_name) return VAULT_OK;
    return vt_fail(err, VAULT_E_ARGUMENT, arg->name,
                   "The argument %s must be a name: a lower-case letter, then letters, digits, dot, dash, underscore.",
                   arg->name);
}

/* An empty text is a slip of the caller's, never a wish: what is not meant is left out. A NUL byte would end the text early
 * wherever it meets a path or a log. */
static VT_RESULT check_text(const struct vt_arg *arg, enum vt_arg_kind kind, size_t max, struct vt_bytes text,
                            struct vt_err *err)
{
    if (text.len == 0) return vt_fail(err, VAULT_E_ARGUMENT, arg->name, "The argument %s must not be empty.", arg->name);
    if (kind == VT_T_ID) return check_hex_id(arg, text, err);
    if (kind == VT_T_TIME) return check_time(arg, text, err);
    if (text.len > max)
        return vt_fail(err, VAULT_E_TOO_LARGE, arg->name, "The argument %s is longer than %zu bytes.", arg->name, max);
    if (kind == VT_T_NAME) return check_name(arg, text, err);
    if (memchr(text.data, 0, text.len) != NULL)
        return vt_fail(err, VAULT_E_ARGUMENT, arg->name, "The argument %s must not hold a NUL byte.", arg->name);
    return VAULT_OK;
}

static VT_RESULT check_list(const struct vt_arg *arg, const struct vt_value *list, struct vt_err *err)
{
    const enum vt_arg_kind kind = item_kind(arg->kind);
    const size_t max = vt_arg_max(arg);
    if (list->array.count > max)
        return vt_fail(err, VAULT_E_TOO_LARGE, arg->name, "The argument %s has more than %zu items.", arg->name, max);
    if (kind == VT_T_VALUE) return VAULT_OK;
    for (size_t i = 0; i < list->array.count; i++) {
        const struct vt_value *item = &list->array.items[i];
        if (item->kind != VT_VALUE_TEXT)
            return vt_fail(err, VAULT_E_TYPE, arg->name, "Item %zu of the argument %s must be text.", i, arg->name);
        VT_TRY(check_text(arg, kind, vt_arg_item_max(arg), item->bytes, err));
    }
    return VAULT_OK;
}

static VT_RESULT check_value(const struct vt_arg *arg, const struct vt_value *value, struct vt_err *err)
{
    if (arg->kind == VT_T_VALUE) return VAULT_OK;
    if (arg->kind == VT_T_INT && value->kind == VT_VALUE_UINT)
        return vt_fail(err, VAULT_E_TOO_LARGE, arg->name, "The argument %s must be at most %zu.", arg->name, vt_arg_max(arg));
    if (value->kind != ARG_VALUE_KIND[arg->kind])
        return vt_fail(err, VAULT_E_TYPE, arg->name, "The argument %s must be of type %s.", arg->name,
                       vt_value_kind_name(ARG_VALUE_KIND[arg->kind]));
    switch (ARG_VALUE_KIND[arg->kind]) {
    case VT_VALUE_INT: return check_integer(arg, value->integer, err);
    case VT_VALUE_ARRAY: return check_list(arg, value, err);
    case VT_VALUE_TEXT: return check_text(arg, arg->kind, vt_arg_max(arg), value->bytes, err);
    default: return VAULT_OK;
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

static VT_RESULT check_args(const struct vt_command *command, const struct vt_arg *more, const struct vt_value *map,
                            struct vt_err *err)
{
    for (size_t i = 0; i < map->map.count; i++) {
        const struct vt_pair *pair = &map->map.pairs[i];
        const struct vt_arg *arg = arg_find(command->args, pair->key);
        if (arg == NULL && more != NULL) arg = arg_find(more, pair->key);
        if (arg == NULL)
            return vt_fail(err, VAULT_E_ARGUMENT, NULL, "The command %s does not know one of its arguments.", command->name);
        VT_TRY(check_value(arg, &pair->value, err));
    }
    return check_required(command, map, err);
}

VT_RESULT vt_command_validate(const struct vt_command *command, const struct vt_value *params, struct vt_err *err)
{
    if (params->kind != VT_VALUE_MAP) return vt_fail(err, VAULT_E_TYPE, NULL, "The parameters must be a map.");
    return check_args(command, VT_COMMON_ARGS, params, err);
}

VT_RESULT vt_command_validate_args(const struct vt_command *row, const struct vt_value *map, struct vt_err *err)
{
    if (map->kind != VT_VALUE_MAP) return vt_fail(err, VAULT_E_TYPE, NULL, "The arguments must be a map.");
    return check_args(row, NULL, map, err);
}

/* What an argument names. One that is called name or number names what the command's group is about. */
static struct vt_bytes thing_of(const struct vt_command *command, const struct vt_arg *arg)
{
    static const char *const OTHERWISE[][2] = {{"sid", "subject"},    {"subjects", "subject"}, {"other_subject", "subject"},
                                               {"external_id", "subject"}, {"tokens", "token"}, {"from", "backup"}};
    for (size_t i = 0; i < VT_ARRAY_LEN(OTHERWISE); i++)
        if (strcmp(arg->name, OTHERWISE[i][0]) == 0) return vt_bytes_str(OTHERWISE[i][1]);
    const bool is_of_group = strcmp(arg->name, "name") == 0 || strcmp(arg->name, "number") == 0;
    if (!is_of_group) return vt_bytes_str(arg->name);
    return vt_bytes(command->name, strcspn(command->name, "."));
}

static const char *by_what(enum vt_arg_kind kind)
{
    switch (kind) {
    case VT_T_EXTERNAL_ID:
    case VT_T_LIST_OF_EXTERNAL_ID: return " by that external id";
    case VT_T_ID: return " by that id";
    case VT_T_INT: return " by that number";
    case VT_T_NAME: return " of that name";
    case VT_T_TEXT: return " in that place";
    default: return " like that";
    }
}

static const struct vt_arg *last_that_identifies(const struct vt_command *command, const struct vt_value *params)
{
    const struct vt_arg *last = NULL;
    for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++)
        if ((arg->flags & VT_IDENTIFIES) != 0 && vt_value_get(params, arg->name) != NULL) last = arg;
    return last;
}

vault_status vt_command_missing(const struct vt_command *command, const struct vt_value *params, const char *argument,
                                struct vt_err *err)
{
    const struct vt_arg *arg = argument == NULL ? last_that_identifies(command, params)
                                                : arg_find(command->args, vt_bytes_str(argument));
    if (arg == NULL && argument != NULL) arg = arg_find(VT_COMMON_ARGS, vt_bytes_str(argument));
    if (arg == NULL) return VAULT_E_NOT_FOUND;
    /* Who names a collection and no record asks for the subject's record there; the collection itself is named by @p argument. */
    if (argument == NULL && strcmp(arg->name, "collection") == 0 && arg_find(command->args, vt_bytes_str("record")) != NULL)
        return vt_fail(err, VAULT_E_NOT_FOUND, arg->name, "The subject has no record in that collection.");
    const struct vt_bytes thing = thing_of(command, arg);
    return vt_fail(err, VAULT_E_NOT_FOUND, arg->name, "There is no %.*s%s.", (int)thing.len, (const char *)thing.data,
                   by_what(arg->kind));
}
