#include "vaultd/remote/protocol.h"

#include <stdio.h>

static const char *const NAMES[VT_REMOTE_OPS] = {
    [VT_REMOTE_INFO] = "keeper.info",         [VT_REMOTE_READ] = "keeper.read",
    [VT_REMOTE_FLOOR] = "keeper.floor",       [VT_REMOTE_PREPARE] = "keeper.prepare",
    [VT_REMOTE_FINALIZE] = "keeper.finalize", [VT_REMOTE_ABORT] = "keeper.abort",
    [VT_REMOTE_RAISE_FLOOR] = "keeper.raise_floor",
};

const char *vt_remote_op_name(enum vt_remote_op op)
{
    return NAMES[op];
}

void vt_remote_result_release(struct vt_remote_result *result)
{
    vt_buf_release(&result->receipt);
    vt_wipe(result->slots, sizeof result->slots);
}

/* Fields ----------------------------------------------------------------------------------------------------------- */

/** Where a field of a map lies in a struct: a number of one or eight bytes, bytes of a fixed length, or a share. */
enum field_kind { FIELD_U8, FIELD_U64, FIELD_FIXED, FIELD_SHARE };
struct field {
    const char *name;
    enum field_kind kind;
    size_t at, len;
};
#define FIELD(type, name, kind, member) {name, kind, offsetof(type, member), sizeof(((type *)0)->member)}

/* Of a request, beside `version` and `vault`; the mask says in which operations. */
#define IN(op) (1u << (op))
static const struct {
    unsigned ops;
    struct field field;
} REQUEST_FIELDS[] = {
    {IN(VT_REMOTE_FINALIZE) | IN(VT_REMOTE_ABORT) | IN(VT_REMOTE_RAISE_FLOOR),
     FIELD(struct vt_remote_request, "incarnation", FIELD_U64, incarnation)},
    {IN(VT_REMOTE_FINALIZE) | IN(VT_REMOTE_ABORT) | IN(VT_REMOTE_RAISE_FLOOR),
     FIELD(struct vt_remote_request, "epoch", FIELD_U64, epoch)},
    {IN(VT_REMOTE_FINALIZE) | IN(VT_REMOTE_ABORT), FIELD(struct vt_remote_request, "attempt", FIELD_FIXED, attempt)},
    {IN(VT_REMOTE_FINALIZE) | IN(VT_REMOTE_RAISE_FLOOR), FIELD(struct vt_remote_request, "commit", FIELD_U64, commit_number)},
    {IN(VT_REMOTE_PREPARE), FIELD(struct vt_remote_request, "incarnation", FIELD_U64, slot.incarnation)},
    {IN(VT_REMOTE_PREPARE), FIELD(struct vt_remote_request, "epoch", FIELD_U64, slot.epoch)},
    {IN(VT_REMOTE_PREPARE), FIELD(struct vt_remote_request, "attempt", FIELD_FIXED, slot.attempt)},
    {IN(VT_REMOTE_PREPARE), FIELD(struct vt_remote_request, "k", FIELD_U8, slot.k)},
    {IN(VT_REMOTE_PREPARE), FIELD(struct vt_remote_request, "m", FIELD_U8, slot.m)},
    {IN(VT_REMOTE_PREPARE), FIELD(struct vt_remote_request, "x", FIELD_U8, slot.x)},
    {IN(VT_REMOTE_PREPARE), {"share", FIELD_SHARE, offsetof(struct vt_remote_request, slot), 0}},
};

static const struct field SLOT_FIELDS[] = {
    FIELD(struct vt_keeper_slot, "state", FIELD_U8, state),
    FIELD(struct vt_keeper_slot, "vault", FIELD_FIXED, vault_id),
    FIELD(struct vt_keeper_slot, "incarnation", FIELD_U64, incarnation),
    FIELD(struct vt_keeper_slot, "epoch", FIELD_U64, epoch),
    FIELD(struct vt_keeper_slot, "attempt", FIELD_FIXED, attempt),
    FIELD(struct vt_keeper_slot, "k", FIELD_U8, k),
    FIELD(struct vt_keeper_slot, "m", FIELD_U8, m),
    FIELD(struct vt_keeper_slot, "x", FIELD_U8, x),
    {"share", FIELD_SHARE, 0, 0},
};

static const struct field FLOOR_FIELDS[] = {
    FIELD(struct vt_keeper_floor, "vault", FIELD_FIXED, vault_id),
    FIELD(struct vt_keeper_floor, "incarnation", FIELD_U64, incarnation),
    FIELD(struct vt_keeper_floor, "epoch", FIELD_U64, epoch),
    FIELD(struct vt_keeper_floor, "commit", FIELD_U64, commit_number),
};

static uint64_t number_of(const struct field *field, const void *object)
{
    const uint8_t *at = (const uint8_t *)object + field->at;
    uint64_t number = *at;
    if (field->kind == FIELD_U64) memcpy(&number, at, sizeof number);
    return number;
}

static VT_RESULT field_write(struct vt_buf *out, const struct field *field, const void *object)
{
    const uint8_t *at = (const uint8_t *)object + field->at;
    const struct vt_keeper_slot *slot = (const void *)at;
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str(field->name)));
    if (field->kind == FIELD_FIXED) return vt_msgpack_write_bytes(out, vt_bytes(at, field->len));
    if (field->kind == FIELD_SHARE) return vt_msgpack_write_bytes(out, vt_bytes(slot->share, slot->share_len));
    const uint64_t number = number_of(field, object);
    VT_ENSURE(number <= INT64_MAX, VAULT_E_ARGUMENT);
    return vt_msgpack_write_int(out, (int64_t)number);
}

static bool share_read(const struct vt_value *value, struct vt_keeper_slot *slot)
{
    if (value->kind != VT_VALUE_BYTES || value->bytes.len == 0 || value->bytes.len > VT_KEEPER_SHARE_MAX) return false;
    slot->share_len = (uint16_t)value->bytes.len;
    memcpy(slot->share, value->bytes.data, value->bytes.len);
    return true;
}

static bool field_read(const struct vt_value *map, const struct field *field, void *object)
{
    const struct vt_value *value = vt_value_get(map, field->name);
    uint8_t *at = (uint8_t *)object + field->at;
    if (value == NULL) return false;
    if (field->kind == FIELD_SHARE) return share_read(value, (void *)at);
    if (field->kind == FIELD_FIXED) {
        if (value->kind != VT_VALUE_BYTES || value->bytes.len != field->len) return false;
        memcpy(at, value->bytes.data, field->len);
        return true;
    }
    const int64_t most = field->kind == FIELD_U8 ? UINT8_MAX : INT64_MAX;
    if (value->kind != VT_VALUE_INT || value->integer < 0 || value->integer > most) return false;
    const uint64_t number = (uint64_t)value->integer;
    if (field->kind == FIELD_U8) *at = (uint8_t)number;
    if (field->kind == FIELD_U64) memcpy(at, &number, sizeof number);
    return true;
}

static VT_RESULT map_write(struct vt_buf *out, const struct field *fields, size_t count, const void *object)
{
    VT_TRY(vt_msgpack_write_map(out, (uint32_t)count));
    for (size_t i = 0; i < count; i++) VT_TRY(field_write(out, &fields[i], object));
    return VAULT_OK;
}

/* Exactly these fields. */
static bool map_read(const struct vt_value *map, const struct field *fields, size_t count, void *object)
{
    if (map->kind != VT_VALUE_MAP || map->map.count != count) return false;
    for (size_t i = 0; i < count; i++)
        if (!field_read(map, &fields[i], object)) return false;
    return true;
}

/* Requests --------------------------------------------------------------------------------------------------------- */

enum { TYPE_REQUEST = 0, MESSAGE_PARTS = 4, COMMON_FIELDS = 2 };

static uint32_t request_fields(enum vt_remote_op op)
{
    uint32_t count = COMMON_FIELDS;
    for (size_t i = 0; i < VT_ARRAY_LEN(REQUEST_FIELDS); i++) count += (REQUEST_FIELDS[i].ops & IN(op)) != 0;
    return count;
}

/* Without a tree of values: the share would be copied into one more place. */
static VT_RESULT request_write(struct vt_buf *out, int64_t message_id, const struct vt_remote_request *request)
{
    VT_TRY(vt_msgpack_write_array(out, MESSAGE_PARTS));
    VT_TRY(vt_msgpack_write_int(out, TYPE_REQUEST));
    VT_TRY(vt_msgpack_write_int(out, message_id));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str(NAMES[request->op])));
    VT_TRY(vt_msgpack_write_map(out, request_fields(request->op)));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("version")));
    VT_TRY(vt_msgpack_write_int(out, VT_REMOTE_VERSION));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("vault")));
    VT_TRY(vt_msgpack_write_bytes(out, VT_BYTES_OF(request->vault_id)));
    for (size_t i = 0; i < VT_ARRAY_LEN(REQUEST_FIELDS); i++)
        if ((REQUEST_FIELDS[i].ops & IN(request->op)) != 0) VT_TRY(field_write(out, &REQUEST_FIELDS[i].field, request));
    return VAULT_OK;
}

VT_RESULT vt_remote_write_request(struct vt_buf *out, int64_t message_id, const struct vt_remote_request *request)
{
    const size_t begin = out->len;
    VT_ENSURE(message_id >= 0 && message_id <= UINT32_MAX, VAULT_E_ARGUMENT);
    const vault_status status = request_write(out, message_id, request);
    if (status != VAULT_OK) vt_buf_truncate(out, begin);
    return status;
}

static VT_RESULT find_op(struct vt_bytes method, enum vt_remote_op *out_op)
{
    for (int op = 0; op < VT_REMOTE_OPS; op++) {
        if (!vt_bytes_equal_str(method, NAMES[op])) continue;
        *out_op = (enum vt_remote_op)op;
        return VAULT_OK;
    }
    return VAULT_E_UNSUPPORTED;
}

static VT_RESULT read_params(const struct vt_value *params, struct vt_remote_request *request)
{
    static const struct field vault = FIELD(struct vt_remote_request, "vault", FIELD_FIXED, vault_id);
    VT_ENSURE(vt_value_get_int(params, "version", 0) == VT_REMOTE_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(params->map.count == request_fields(request->op), VAULT_E_ARGUMENT);
    VT_ENSURE(field_read(params, &vault, request), VAULT_E_ARGUMENT);
    for (size_t i = 0; i < VT_ARRAY_LEN(REQUEST_FIELDS); i++) {
        if ((REQUEST_FIELDS[i].ops & IN(request->op)) == 0) continue;
        VT_ENSURE(field_read(params, &REQUEST_FIELDS[i].field, request), VAULT_E_ARGUMENT);
    }
    request->slot.state = VT_SLOT_PREPARED;
    request->slot.vault_id = request->vault_id;
    return VAULT_OK;
}

VT_RESULT vt_remote_read_request(struct vt_bytes frame, int64_t *out_message_id, struct vt_remote_request *out_request)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_REMOTE_POOL_MAX);
    struct vt_rpc_request rpc;
    const vault_status status = vt_rpc_read_request(&pool, frame, &rpc, NULL);
    *out_message_id = rpc.message_id;
    VT_TRY(status);
    memset(out_request, 0, sizeof *out_request);
    VT_TRY(find_op(rpc.method, &out_request->op));
    return read_params(rpc.params, out_request);
}

/* Answers ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT write_info(struct vt_buf *out, const struct vt_remote_result *result)
{
    uint8_t id[8];
    vt_put_u64(id, result->keeper_id);
    VT_TRY(vt_msgpack_write_map(out, 3));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("version")));
    VT_TRY(vt_msgpack_write_int(out, VT_REMOTE_VERSION));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("keeper")));
    VT_TRY(vt_msgpack_write_bytes(out, VT_BYTES_OF(id)));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("verifier")));
    return vt_msgpack_write_text(out, vt_bytes_str(result->verifier_key));
}

static bool read_info(const struct vt_value *map, struct vt_remote_result *result)
{
    const struct vt_value *id = vt_value_get(map, "keeper");
    const struct vt_bytes verifier = vt_value_get_text(map, "verifier");
    if (map->kind != VT_VALUE_MAP || map->map.count != 3 || vt_value_get_int(map, "version", 0) != VT_REMOTE_VERSION) return false;
    if (id == NULL || id->kind != VT_VALUE_BYTES || id->bytes.len != 8) return false;
    if (verifier.len == 0 || verifier.len >= sizeof result->verifier_key || memchr(verifier.data, 0, verifier.len) != NULL)
        return false;
    result->keeper_id = vt_get_u64(id->bytes.data);
    memcpy(result->verifier_key, verifier.data, verifier.len);
    result->verifier_key[verifier.len] = '\0';
    return true;
}

static VT_RESULT write_slots(struct vt_buf *out, const struct vt_remote_result *result)
{
    VT_TRY(vt_msgpack_write_map(out, 1));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("slots")));
    VT_TRY(vt_msgpack_write_array(out, (uint32_t)result->slot_count));
    for (size_t i = 0; i < result->slot_count; i++)
        VT_TRY(map_write(out, SLOT_FIELDS, VT_ARRAY_LEN(SLOT_FIELDS), &result->slots[i]));
    return VAULT_OK;
}

static bool slot_fits(const struct vt_keeper_slot *slot)
{
    return (slot->state == VT_SLOT_PREPARED || slot->state == VT_SLOT_COMMITTED) && slot->k >= 1 && slot->k <= slot->m &&
           slot->x >= 1;
}

/* Oldest epoch first, as the contract of a keeper says. */
static bool read_slots(const struct vt_value *map, struct vt_remote_result *result)
{
    const struct vt_value *slots = vt_value_get(map, "slots");
    if (map->kind != VT_VALUE_MAP || map->map.count != 1 || slots == NULL || slots->kind != VT_VALUE_ARRAY) return false;
    if (slots->array.count > VT_KEEPER_SLOTS) return false;
    for (size_t i = 0; i < slots->array.count; i++) {
        struct vt_keeper_slot *slot = &result->slots[i];
        if (!map_read(&slots->array.items[i], SLOT_FIELDS, VT_ARRAY_LEN(SLOT_FIELDS), slot) || !slot_fits(slot)) return false;
        if (i != 0 && slot->epoch < result->slots[i - 1].epoch) return false;
    }
    result->slot_count = slots->array.count;
    return true;
}

static VT_RESULT write_receipt(struct vt_buf *out, const struct vt_remote_result *result)
{
    VT_TRY(vt_msgpack_write_map(out, 1));
    VT_TRY(vt_msgpack_write_text(out, vt_bytes_str("receipt")));
    return vt_msgpack_write_bytes(out, vt_buf_bytes(&result->receipt));
}

/* What it says is not looked at here: whoever wants the receipt checks its signature. */
static bool read_receipt(const struct vt_value *map, struct vt_remote_result *result)
{
    const struct vt_value *receipt = vt_value_get(map, "receipt");
    if (map->kind != VT_VALUE_MAP || map->map.count != 1 || receipt == NULL || receipt->kind != VT_VALUE_BYTES) return false;
    vt_buf_reset(&result->receipt);
    return receipt->bytes.len != 0 && vt_buf_append(&result->receipt, receipt->bytes) == VAULT_OK;
}

static VT_RESULT write_map(struct vt_buf *out, enum vt_remote_op op, const struct vt_remote_result *result)
{
    switch (op) {
    case VT_REMOTE_INFO: return write_info(out, result);
    case VT_REMOTE_READ: return write_slots(out, result);
    case VT_REMOTE_FLOOR: return map_write(out, FLOOR_FIELDS, VT_ARRAY_LEN(FLOOR_FIELDS), &result->floor);
    case VT_REMOTE_FINALIZE: return write_receipt(out, result);
    default: return vt_msgpack_write_map(out, 0);
    }
}

static bool read_map(const struct vt_value *map, enum vt_remote_op op, struct vt_remote_result *result)
{
    switch (op) {
    case VT_REMOTE_INFO: return read_info(map, result);
    case VT_REMOTE_READ: return read_slots(map, result);
    case VT_REMOTE_FLOOR: return map_read(map, FLOOR_FIELDS, VT_ARRAY_LEN(FLOOR_FIELDS), &result->floor);
    case VT_REMOTE_FINALIZE: return read_receipt(map, result);
    default: return map->kind == VT_VALUE_MAP && map->map.count == 0;
    }
}

VT_RESULT vt_remote_write_result(struct vt_buf *out, int64_t message_id, enum vt_remote_op op,
                                 const struct vt_remote_result *result)
{
    VT_AUTO(vt_buf) map = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
    VT_TRY(write_map(&map, op, result));
    return vt_rpc_write_result(out, message_id, vt_buf_bytes(&map));
}

/* The outcome that an error names; a number that nobody knows is no answer. */
static VT_RESULT read_error(const struct vt_value *error, vault_status *out_said)
{
    const vault_status said = vault_status_from_number(vt_value_get_int(error, "code", -1));
    VT_ENSURE(said != VAULT_OK, VAULT_E_PROTOCOL);
    *out_said = said;
    return VAULT_OK;
}

VT_RESULT vt_remote_read_result(struct vt_bytes frame, int64_t message_id, enum vt_remote_op op, vault_status *out_said,
                                struct vt_remote_result *out_result)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_REMOTE_POOL_MAX);
    struct vt_rpc_reply reply;
    const vault_status status = vt_rpc_read_reply(&pool, frame, &reply);
    VT_ENSURE(status != VAULT_E_MEMORY, VAULT_E_MEMORY);
    VT_ENSURE(status == VAULT_OK && reply.message_id == message_id, VAULT_E_PROTOCOL);
    if (reply.error->kind != VT_VALUE_NIL) return read_error(reply.error, out_said);
    VT_ENSURE(read_map(reply.result, op, out_result), VAULT_E_PROTOCOL);
    *out_said = VAULT_OK;
    return VAULT_OK;
}
