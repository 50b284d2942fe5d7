#include "libvault/wire/rpc.h"

/* Types of messages: msgpack-RPC specification, "MessagePack-RPC Protocol specification". */
enum { RPC_REQUEST = 0, RPC_REPLY = 1, RPC_NOTIFICATION = 2 };
enum { RPC_PARTS = 4 };

static vault_status protocol(struct vt_err *err, const char *sentence)
{
    return vt_fail(err, VAULT_E_PROTOCOL, NULL, "%s", sentence);
}

/* The header of an array of four; the three forms of the msgpack specification, "array format family". */
static const struct {
    uint8_t bytes[5];
    size_t len;
} ARRAYS_OF_FOUR[] = {{{0x94}, 1}, {{0xdc, 0, 4}, 3}, {{0xdd, 0, 0, 0, 4}, 5}};

/* Whatever follows: is this the beginning of one, as far as it goes? */
static bool may_become_frame(struct vt_bytes stream)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(ARRAYS_OF_FOUR); i++)
        if (memcmp(stream.data, ARRAYS_OF_FOUR[i].bytes, VT_MIN(stream.len, ARRAYS_OF_FOUR[i].len)) == 0) return true;
    return false;
}

VT_RESULT vt_rpc_frame_scan(struct vt_msgpack_scan *scan, struct vt_bytes stream, size_t max, size_t *out_len)
{
    size_t len;
    VT_ENSURE(stream.len != 0, VAULT_E_CONFLICT);
    VT_ENSURE(may_become_frame(stream), VAULT_E_PARSE);
    const vault_status status = vt_msgpack_scan(scan, stream, &len);
    if (status == VAULT_E_CONFLICT) return stream.len >= max ? VAULT_E_TOO_LARGE : VAULT_E_CONFLICT;
    VT_TRY(status);
    VT_ENSURE(len <= max, VAULT_E_TOO_LARGE);
    *out_len = len;
    return VAULT_OK;
}

VT_RESULT vt_rpc_frame_len(struct vt_bytes stream, size_t max, size_t *out_len)
{
    struct vt_msgpack_scan scan = VT_MSGPACK_SCAN_INIT;
    return vt_rpc_frame_scan(&scan, stream, max, out_len);
}

/* Take the header off the front. */
static bool take_array_of_four(struct vt_bytes *frame)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(ARRAYS_OF_FOUR); i++) {
        const size_t len = ARRAYS_OF_FOUR[i].len;
        if (frame->len < len || memcmp(frame->data, ARRAYS_OF_FOUR[i].bytes, len) != 0) continue;
        *frame = vt_bytes(frame->data + len, frame->len - len);
        return true;
    }
    return false;
}

/* Take the next element off the front. */
static VT_RESULT take_value(struct vt_pool *pool, struct vt_bytes *rest, struct vt_value *out_value)
{
    size_t len;
    VT_TRY(vt_msgpack_measure(*rest, &len));
    VT_TRY(vt_msgpack_read(pool, vt_bytes(rest->data, len), out_value, NULL));
    *rest = vt_bytes(rest->data + len, rest->len - len);
    return VAULT_OK;
}

static bool is_int(const struct vt_value *value, int64_t least, int64_t most)
{
    return value->kind == VT_VALUE_INT && value->integer >= least && value->integer <= most;
}

/* Type, id and method; @p rest is left at the params. */
static VT_RESULT read_head(struct vt_pool *pool, struct vt_bytes *rest, struct vt_rpc_request *request, struct vt_err *err)
{
    struct vt_value type, id, method;
    if (!take_array_of_four(rest)) return protocol(err, "A message is an array of four.");
    if (take_value(pool, rest, &type) != VAULT_OK || !is_int(&type, RPC_REQUEST, RPC_REQUEST))
        return protocol(err, "A message begins with type 0, a request; notifications are not taken.");
    if (take_value(pool, rest, &id) != VAULT_OK || !is_int(&id, 0, UINT32_MAX))
        return protocol(err, "A message id is an integer from 0 to 4294967295.");
    request->message_id = id.integer;
    if (take_value(pool, rest, &method) != VAULT_OK || method.kind != VT_VALUE_TEXT)
        return protocol(err, "A method is text.");
    request->method = method.bytes;
    return VAULT_OK;
}

VT_RESULT vt_rpc_read_request(struct vt_pool *pool, struct vt_bytes frame, struct vt_rpc_request *out_request,
                              struct vt_err *err)
{
    *out_request = (struct vt_rpc_request){.message_id = -1};
    struct vt_bytes rest = frame;
    VT_TRY(read_head(pool, &rest, out_request, err));
    struct vt_value *params = vt_pool_alloc(pool, sizeof *params);
    if (params == NULL) return vt_fail(err, VAULT_E_MEMORY, NULL, "%s", vault_status_text(VAULT_E_MEMORY));
    VT_TRY(vt_msgpack_read(pool, rest, params, err));
    if (params->kind != VT_VALUE_MAP) return protocol(err, "The params are a map of arguments by name.");
    out_request->params = params;
    return VAULT_OK;
}

static bool is_reply(const struct vt_value *message)
{
    if (message->kind != VT_VALUE_ARRAY || message->array.count != RPC_PARTS) return false;
    const struct vt_value *parts = message->array.items;
    if (!is_int(&parts[0], RPC_REPLY, RPC_REPLY) || !is_int(&parts[1], 0, UINT32_MAX)) return false;
    if (parts[2].kind == VT_VALUE_NIL) return true;
    return parts[2].kind == VT_VALUE_MAP && parts[3].kind == VT_VALUE_NIL;
}

VT_RESULT vt_rpc_read_reply(struct vt_pool *pool, struct vt_bytes frame, struct vt_rpc_reply *out_reply)
{
    struct vt_value message;
    VT_TRY(vt_msgpack_read(pool, frame, &message, NULL));
    VT_ENSURE(is_reply(&message), VAULT_E_PROTOCOL);
    const struct vt_value *parts = message.array.items;
    *out_reply = (struct vt_rpc_reply){.message_id = parts[1].integer, .error = &parts[2], .result = &parts[3]};
    return VAULT_OK;
}

/* A failed write leaves the buffer as it was. */
static vault_status settle(struct vt_buf *out, size_t begin, vault_status status)
{
    if (status != VAULT_OK) vt_buf_truncate(out, begin);
    return status;
}

static VT_RESULT write_head(struct vt_buf *out, int type, int64_t message_id)
{
    VT_ENSURE(message_id >= 0 && message_id <= UINT32_MAX, VAULT_E_ARGUMENT);
    VT_TRY(vt_msgpack_write_array(out, RPC_PARTS));
    VT_TRY(vt_msgpack_write_int(out, type));
    return vt_msgpack_write_int(out, message_id);
}

static VT_RESULT request_write(struct vt_buf *out, int64_t message_id, const char *method, const struct vt_value *params)
{
    VT_TRY(write_head(out, RPC_REQUEST, message_id));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str(method)));
    return vt_msgpack_write(out, params);
}

VT_RESULT vt_rpc_write_request(struct vt_buf *out, int64_t message_id, const char *method, const struct vt_value *params)
{
    VT_ENSURE(params->kind == VT_VALUE_MAP, VAULT_E_ARGUMENT);
    const size_t begin = out->len;
    return settle(out, begin, request_write(out, message_id, method, params));
}

static VT_RESULT result_write(struct vt_buf *out, int64_t message_id, struct vt_bytes result)
{
    VT_TRY(write_head(out, RPC_REPLY, message_id));
    VT_TRY(vt_msgpack_write_nil(out));
    /* A command without results answers with an empty map: nil would look like a failure to some clients. */
    return result.len != 0 ? vt_buf_append(out, result) : vt_msgpack_write_map(out, 0);
}

VT_RESULT vt_rpc_write_result(struct vt_buf *out, int64_t message_id, struct vt_bytes result)
{
    const size_t begin = out->len;
    return settle(out, begin, result_write(out, message_id, result));
}

static bool has_field(const struct vt_rpc_error *error)
{
    return error->field != NULL && error->field[0] != '\0';
}

static VT_RESULT write_text(struct vt_buf *out, const char *key, const char *text)
{
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str(key)));
    return vt_msgpack_write_text(out, vt_bytes_str(text));
}

static VT_RESULT write_int(struct vt_buf *out, const char *key, int64_t number)
{
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str(key)));
    return vt_msgpack_write_int(out, number);
}

static VT_RESULT write_error_map(struct vt_buf *out, const struct vt_rpc_error *error)
{
    const uint32_t extras = (has_field(error) ? 1u : 0u) + (error->retry_after_ms != 0 ? 1u : 0u) +
                            (error->certificate != 0 ? 1u : 0u);
    VT_TRY(vt_msgpack_write_map(out, 3 + extras));
    VT_TRY(write_text(out, "status", vault_status_code(error->status)));
    VT_TRY(write_int(out, "code", error->status));
    VT_TRY(write_text(out, "message", error->message != NULL ? error->message : vault_status_text(error->status)));
    if (has_field(error)) VT_TRY(write_text(out, "field", error->field));
    if (error->retry_after_ms != 0) VT_TRY(write_int(out, "retry_after_ms", error->retry_after_ms));
    if (error->certificate == 0) return VAULT_OK;
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("certificate")));
    return vt_msgpack_write_uint(out, error->certificate);
}

static VT_RESULT error_write(struct vt_buf *out, int64_t message_id, const struct vt_rpc_error *error)
{
    VT_TRY(write_head(out, RPC_REPLY, message_id));
    VT_TRY(write_error_map(out, error));
    return vt_msgpack_write_nil(out);
}

VT_RESULT vt_rpc_write_error(struct vt_buf *out, int64_t message_id, const struct vt_rpc_error *error)
{
    const size_t begin = out->len;
    return settle(out, begin, error_write(out, message_id, error));
}
