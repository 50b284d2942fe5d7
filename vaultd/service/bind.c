#include "vaultd/service/bind.h"

#include <string.h>

#include "libvault/base/clock.h"
#include "libvault/codec/text.h"

static const struct vt_handler *const HANDLERS[] = {
#define VT_LIST_HANDLER(name) &VT_HANDLER_##name,
    VT_ALL_COMMANDS(VT_LIST_HANDLER)
#undef VT_LIST_HANDLER
};

/* The linker refuses a row without a handler; here a handler is refused that names another row, and a row nobody handles. */
VT_RESULT vt_bind_check(struct vt_err *err)
{
    if (VT_ARRAY_LEN(HANDLERS) != VT_COMMAND_COUNT)
        return vt_fail(err, VAULT_E_STATE, NULL, "The command table and the handlers differ in number.");
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++)
        if (strcmp(HANDLERS[i]->command, VT_COMMANDS[i]->name) != 0 || HANDLERS[i]->prepare == NULL)
            return vt_fail(err, VAULT_E_STATE, NULL, "The command %s has no handler of its own.", VT_COMMANDS[i]->name);
    return VAULT_OK;
}

const struct vt_handler *vt_bind_find(const struct vt_command *command)
{
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++)
        if (VT_COMMANDS[i] == command) return HANDLERS[i];
    return NULL;
}

VT_RESULT vt_put_value(struct vt_call *call, struct vt_value *map, const char *key, struct vt_value value)
{
    return vt_value_put(&call->scratch, map, key, value, NULL);
}

VT_RESULT vt_put_bytes_text(struct vt_call *call, struct vt_value *map, const char *key, struct vt_bytes text)
{
    const struct vt_bytes copy = vt_pool_copy(&call->scratch, text);
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    return vt_put_value(call, map, key, vt_value_text(copy));
}

VT_RESULT vt_put_text(struct vt_call *call, struct vt_value *map, const char *key, const char *text)
{
    return vt_put_bytes_text(call, map, key, vt_bytes_str(text));
}

VT_RESULT vt_put_int(struct vt_call *call, struct vt_value *map, const char *key, int64_t number)
{
    return vt_put_value(call, map, key, vt_value_int(number));
}

VT_RESULT vt_put_bool(struct vt_call *call, struct vt_value *map, const char *key, bool is_true)
{
    return vt_put_value(call, map, key, vt_value_bool(is_true));
}

VT_RESULT vt_put_id(struct vt_call *call, struct vt_value *map, const char *key, const uint8_t id[16])
{
    char hex[33];
    vt_hex_encode(vt_bytes(id, 16), hex);
    return vt_put_text(call, map, key, hex);
}

VT_RESULT vt_put_time(struct vt_call *call, struct vt_value *map, const char *key, int64_t at_ms)
{
    char text[VT_TIME_TEXT_LEN];
    vt_time_format(at_ms, text);
    return vt_put_text(call, map, key, text);
}

VT_RESULT vt_put_item_error(struct vt_call *call, struct vt_value *map, vault_status status)
{
    if (status == VAULT_E_NOT_FOUND) status = vt_call_missing(call, NULL);
    const bool has_sentence = call->err.message[0] != '\0';
    VT_TRY(vt_put_text(call, map, "status", vault_status_code(status)));
    VT_TRY(vt_put_int(call, map, "code", status));
    VT_TRY(vt_put_text(call, map, "message", has_sentence ? call->err.message : vault_status_text(status)));
    if (call->err.field[0] != '\0') VT_TRY(vt_put_text(call, map, "field", call->err.field));
    if (call->certificate != 0) VT_TRY(vt_put_int(call, map, "certificate", (int64_t)call->certificate));
    call->certificate = 0;
    call->err = (struct vt_err){{0}, {0}};
    return VAULT_OK;
}
