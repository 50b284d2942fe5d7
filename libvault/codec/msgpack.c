#include "libvault/codec/msgpack.h"

#include <math.h>
#include <msgpack.h>

#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"

/* What a first byte announces, before the specification's formats are told apart any further. */
enum form {
    FORM_REFUSED, /* extension types and the byte that is never used */
    FORM_NIL,
    FORM_FALSE,
    FORM_TRUE,
    FORM_INT,
    FORM_UINT,
    FORM_FLOAT32,
    FORM_FLOAT64,
    FORM_TEXT,
    FORM_BYTES,
    FORM_ARRAY,
    FORM_MAP,
};

/** A value's first bytes: its form, and the number in or behind them (a scalar's bits, a length, a count). */
struct head {
    enum form form;
    uint64_t number;
};

/* Source: msgpack specification, "Formats": 0xc0 to 0xdf, form and bytes of the number that follows. */
static const struct {
    uint8_t form;
    uint8_t width;
} heads[32] = {
    [0x00] = {FORM_NIL, 0},   [0x02] = {FORM_FALSE, 0}, [0x03] = {FORM_TRUE, 0},    [0x04] = {FORM_BYTES, 1},
    [0x05] = {FORM_BYTES, 2}, [0x06] = {FORM_BYTES, 4}, [0x0a] = {FORM_FLOAT32, 4}, [0x0b] = {FORM_FLOAT64, 8},
    [0x0c] = {FORM_UINT, 1},  [0x0d] = {FORM_UINT, 2},  [0x0e] = {FORM_UINT, 4},    [0x0f] = {FORM_UINT, 8},
    [0x10] = {FORM_INT, 1},   [0x11] = {FORM_INT, 2},   [0x12] = {FORM_INT, 4},     [0x13] = {FORM_INT, 8},
    [0x19] = {FORM_TEXT, 1},  [0x1a] = {FORM_TEXT, 2},  [0x1b] = {FORM_TEXT, 4},    [0x1c] = {FORM_ARRAY, 2},
    [0x1d] = {FORM_ARRAY, 4}, [0x1e] = {FORM_MAP, 2},   [0x1f] = {FORM_MAP, 4},
};

/** Input with a place in it, and the elements that the message may still announce. */
struct cursor {
    const uint8_t *data;
    size_t len;
    size_t at;
    uint32_t items;
    struct vt_pool *pool;
};

/* The forms that hold their number in the first byte. */
static bool head_is_short(uint8_t first, struct head *out_head)
{
    if (first < 0x80)
        *out_head = (struct head){FORM_UINT, first};
    else if (first < 0x90)
        *out_head = (struct head){FORM_MAP, first & 0x0f};
    else if (first < 0xa0)
        *out_head = (struct head){FORM_ARRAY, first & 0x0f};
    else if (first < 0xc0)
        *out_head = (struct head){FORM_TEXT, first & 0x1f};
    else if (first >= 0xe0)
        *out_head = (struct head){FORM_INT, (uint64_t)(int64_t)(int8_t)first};
    else
        return false;
    return true;
}

/* Signed numbers come back with their sign extended to 64 bits. */
static uint64_t number_read(const uint8_t *data, uint8_t width, enum form form)
{
    const bool is_signed = form == FORM_INT;
    switch (width) {
    case 1:
        return is_signed ? (uint64_t)(int64_t)(int8_t)data[0] : data[0];
    case 2:
        return is_signed ? (uint64_t)(int64_t)(int16_t)vt_get_u16(data) : vt_get_u16(data);
    case 4:
        return is_signed ? (uint64_t)(int64_t)(int32_t)vt_get_u32(data) : vt_get_u32(data);
    case 8:
        return vt_get_u64(data);
    default:
        return 0;
    }
}

/* VAULT_E_CONFLICT: the input ends inside the head; the cursor stays where it was. */
static VT_RESULT head_read(struct cursor *cursor, struct head *out_head)
{
    VT_ENSURE(cursor->at < cursor->len, VAULT_E_CONFLICT);
    const uint8_t first = cursor->data[cursor->at];
    if (head_is_short(first, out_head)) {
        cursor->at++;
        return VAULT_OK;
    }
    const enum form form = (enum form)heads[first - 0xc0].form;
    const uint8_t width = heads[first - 0xc0].width;
    VT_ENSURE(form != FORM_REFUSED, VAULT_E_PARSE);
    VT_ENSURE(width < cursor->len - cursor->at, VAULT_E_CONFLICT);
    *out_head = (struct head){form, number_read(cursor->data + cursor->at + 1, width, form)};
    cursor->at += 1u + width;
    return VAULT_OK;
}

/** Elements behind a head: of an array, or keys and values of a map; 0 for everything else. */
static uint64_t head_elements(const struct head *head)
{
    if (head->form == FORM_ARRAY) return head->number;
    return head->form == FORM_MAP ? 2 * head->number : 0;
}

static VT_RESULT count_elements(uint32_t *items, uint64_t elements)
{
    VT_ENSURE(elements <= VT_LIMIT_ITEMS - *items, VAULT_E_TOO_LARGE);
    *items += (uint32_t)elements;
    return VAULT_OK;
}

static VT_RESULT body_check(const struct cursor *cursor, const struct head *head)
{
    VT_ENSURE(head->number <= VT_LIMIT_VALUE_BYTES, VAULT_E_TOO_LARGE);
    VT_ENSURE(head->number <= cursor->len - cursor->at, VAULT_E_CONFLICT);
    return VAULT_OK;
}

/* One element of the scan: its head, and its body when it is a string. The cursor moves past both or stays. */
static VT_RESULT scan_element(struct vt_msgpack_scan *scan, struct cursor *cursor)
{
    struct cursor ahead = *cursor;
    struct head head;
    VT_TRY(head_read(&ahead, &head));
    if (head.form == FORM_TEXT || head.form == FORM_BYTES) {
        VT_TRY(body_check(&ahead, &head));
        ahead.at += head.number;
    }
    const uint64_t elements = head_elements(&head);
    VT_TRY(count_elements(&scan->items, elements));
    scan->left[scan->depth]--;
    if (head.form == FORM_ARRAY || head.form == FORM_MAP) {
        VT_ENSURE(scan->depth < VT_LIMIT_DEPTH, VAULT_E_TOO_LARGE);
        scan->left[++scan->depth] = elements;
    }
    cursor->at = ahead.at;
    return VAULT_OK;
}

VT_RESULT vt_msgpack_scan(struct vt_msgpack_scan *scan, struct vt_bytes input, size_t *out_len)
{
    VT_BUG_ON(scan->at > input.len);
    struct cursor cursor = {.data = input.data, .len = input.len, .at = scan->at};
    while (scan->left[0] != 0 || scan->depth != 0) {
        if (scan->left[scan->depth] == 0) {
            scan->depth--;
            continue;
        }
        VT_TRY(scan_element(scan, &cursor));
        scan->at = cursor.at;
    }
    *out_len = cursor.at;
    return VAULT_OK;
}

VT_RESULT vt_msgpack_measure(struct vt_bytes input, size_t *out_len)
{
    struct vt_msgpack_scan scan = VT_MSGPACK_SCAN_INIT;
    return vt_msgpack_scan(&scan, input, out_len);
}

static VT_RESULT read_value(struct cursor *cursor, unsigned depth, struct vt_value *out_value);

static VT_RESULT read_string(struct cursor *cursor, const struct head *head, struct vt_value *out_value)
{
    VT_TRY(body_check(cursor, head));
    const struct vt_bytes body = vt_bytes(cursor->data + cursor->at, head->number);
    const bool is_text = head->form == FORM_TEXT;
    VT_ENSURE(!is_text || vt_utf8_is_valid(body), VAULT_E_PARSE);
    cursor->at += body.len;
    *out_value = is_text ? vt_value_text(body) : vt_value_bytes(body);
    return VAULT_OK;
}

/* Every element takes a byte at least, so a count past the bytes present is refused before anything is reserved. */
static VT_RESULT count_check(struct cursor *cursor, const struct head *head, unsigned depth)
{
    VT_ENSURE(depth < VT_LIMIT_DEPTH, VAULT_E_TOO_LARGE);
    const uint64_t elements = head_elements(head);
    VT_TRY(count_elements(&cursor->items, elements));
    VT_ENSURE(elements <= cursor->len - cursor->at, VAULT_E_CONFLICT);
    return VAULT_OK;
}

static VT_RESULT read_array(struct cursor *cursor, size_t count, unsigned depth, struct vt_value *out_value)
{
    struct vt_value array = vt_value_array();
    if (count != 0) {
        array.array.items = vt_pool_calloc(cursor->pool, count, sizeof(struct vt_value));
        VT_ENSURE(array.array.items != NULL, VAULT_E_MEMORY);
    }
    array.array.cap = count;
    for (; array.array.count < count; array.array.count++)
        VT_TRY(read_value(cursor, depth + 1, &array.array.items[array.array.count]));
    *out_value = array;
    return VAULT_OK;
}

static VT_RESULT read_pair(struct cursor *cursor, unsigned depth, struct vt_pair *out_pair)
{
    struct head head;
    struct vt_value key;
    VT_TRY(head_read(cursor, &head));
    VT_ENSURE(head.form == FORM_TEXT, VAULT_E_PARSE);
    VT_TRY(read_string(cursor, &head, &key));
    VT_TRY(read_value(cursor, depth + 1, &out_pair->value));
    out_pair->key = key.bytes;
    return VAULT_OK;
}

static VT_RESULT read_map(struct cursor *cursor, size_t count, unsigned depth, struct vt_value *out_value)
{
    struct vt_value map = vt_value_map();
    if (count != 0) {
        map.map.pairs = vt_pool_calloc(cursor->pool, count, sizeof(struct vt_pair));
        VT_ENSURE(map.map.pairs != NULL, VAULT_E_MEMORY);
    }
    map.map.cap = count;
    for (; map.map.count < count; map.map.count++) VT_TRY(read_pair(cursor, depth, &map.map.pairs[map.map.count]));

    bool is_twice;
    VT_TRY(vt_value_has_key_twice(cursor->pool, &map, &is_twice));
    VT_ENSURE(!is_twice, VAULT_E_PARSE);
    *out_value = map;
    return VAULT_OK;
}

static VT_RESULT read_double(const struct head *head, struct vt_value *out_value)
{
    struct vt_value value = {.kind = VT_VALUE_DOUBLE};
    if (head->form == FORM_FLOAT32) {
        const uint32_t bits = (uint32_t)head->number;
        float number;
        memcpy(&number, &bits, sizeof number);
        value.number = (double)number;
    } else {
        memcpy(&value.number, &head->number, sizeof value.number);
    }
    VT_ENSURE(isfinite(value.number), VAULT_E_PARSE);
    *out_value = value;
    return VAULT_OK;
}

static VT_RESULT read_scalar(const struct head *head, struct vt_value *out_value)
{
    switch (head->form) {
    case FORM_NIL:
        *out_value = VT_VALUE_INIT;
        return VAULT_OK;
    case FORM_FALSE:
    case FORM_TRUE:
        *out_value = vt_value_bool(head->form == FORM_TRUE);
        return VAULT_OK;
    case FORM_INT:
        *out_value = vt_value_int((int64_t)head->number);
        return VAULT_OK;
    case FORM_UINT:
        *out_value = vt_value_uint(head->number);
        return VAULT_OK;
    default:
        return read_double(head, out_value);
    }
}

static VT_RESULT read_value(struct cursor *cursor, unsigned depth, struct vt_value *out_value)
{
    struct head head;
    VT_TRY(head_read(cursor, &head));
    if (head.form == FORM_TEXT || head.form == FORM_BYTES) return read_string(cursor, &head, out_value);
    if (head.form != FORM_ARRAY && head.form != FORM_MAP) return read_scalar(&head, out_value);

    VT_TRY(count_check(cursor, &head, depth));
    if (head.form == FORM_ARRAY) return read_array(cursor, head.number, depth, out_value);
    return read_map(cursor, head.number, depth, out_value);
}

static vault_status read_failed(struct vt_err *err, vault_status status, size_t at)
{
    switch (status) {
    case VAULT_E_CONFLICT:
        return vt_fail(err, VAULT_E_PARSE, NULL, "The message ends inside a value at byte %zu.", at);
    case VAULT_E_PARSE:
        return vt_fail(err, status, NULL, "The message is not valid before byte %zu.", at);
    case VAULT_E_TOO_LARGE:
        return vt_fail(err, status, NULL, "The message passes a limit at byte %zu.", at);
    default:
        return vt_fail(err, status, NULL, "%s", vault_status_text(status));
    }
}

VT_RESULT vt_msgpack_read(struct vt_pool *pool, struct vt_bytes input, struct vt_value *out_value, struct vt_err *err)
{
    struct cursor cursor = {.data = input.data, .len = input.len, .pool = pool};
    struct vt_value value;
    const vault_status status = read_value(&cursor, 0, &value);
    if (status != VAULT_OK) return read_failed(err, status, cursor.at);
    if (cursor.at != input.len)
        return vt_fail(err, VAULT_E_PARSE, NULL, "The message goes on after its value at byte %zu.", cursor.at);
    *out_value = value;
    return VAULT_OK;
}

/** The packer's output: msgpack-c only hears that writing failed, the status stays here. */
struct sink {
    struct vt_buf *out;
    size_t begin;
    uint32_t items;
    vault_status status;
    msgpack_packer packer;
};

static int sink_write(void *context, const char *data, size_t len)
{
    struct sink *sink = context;
    if (sink->status == VAULT_OK) sink->status = vt_buf_append(sink->out, vt_bytes(data, len));
    return sink->status == VAULT_OK ? 0 : -1;
}

static void sink_init(struct sink *sink, struct vt_buf *out)
{
    *sink = (struct sink){.out = out, .begin = out->len, .status = VAULT_OK};
    msgpack_packer_init(&sink->packer, sink, sink_write);
}

/* A failed write leaves the buffer as it was. */
static vault_status sink_finish(struct sink *sink, vault_status status)
{
    if (status != VAULT_OK) vt_buf_truncate(sink->out, sink->begin);
    return status;
}

static VT_RESULT pack_text(struct sink *sink, struct vt_bytes text)
{
    VT_ENSURE(text.len <= VT_LIMIT_VALUE_BYTES, VAULT_E_TOO_LARGE);
    msgpack_pack_str_with_body(&sink->packer, text.data, text.len);
    return sink->status;
}

static VT_RESULT pack_bytes(struct sink *sink, struct vt_bytes bytes)
{
    VT_ENSURE(bytes.len <= VT_LIMIT_VALUE_BYTES, VAULT_E_TOO_LARGE);
    msgpack_pack_bin_with_body(&sink->packer, bytes.data, bytes.len);
    return sink->status;
}

static VT_RESULT pack_value(struct sink *sink, const struct vt_value *value, unsigned depth);

static VT_RESULT pack_array(struct sink *sink, const struct vt_value *array, unsigned depth)
{
    VT_ENSURE(depth < VT_LIMIT_DEPTH, VAULT_E_TOO_LARGE);
    VT_TRY(count_elements(&sink->items, array->array.count));
    msgpack_pack_array(&sink->packer, array->array.count);
    for (size_t i = 0; i < array->array.count; i++) VT_TRY(pack_value(sink, &array->array.items[i], depth + 1));
    return sink->status;
}

static VT_RESULT pack_map(struct sink *sink, const struct vt_value *map, unsigned depth)
{
    VT_ENSURE(depth < VT_LIMIT_DEPTH, VAULT_E_TOO_LARGE);
    VT_ENSURE(map->map.count <= VT_LIMIT_ITEMS, VAULT_E_TOO_LARGE);
    VT_TRY(count_elements(&sink->items, 2 * map->map.count));
    msgpack_pack_map(&sink->packer, map->map.count);
    for (size_t i = 0; i < map->map.count; i++) {
        VT_TRY(pack_text(sink, map->map.pairs[i].key));
        VT_TRY(pack_value(sink, &map->map.pairs[i].value, depth + 1));
    }
    return sink->status;
}

static VT_RESULT pack_scalar(struct sink *sink, const struct vt_value *value)
{
    switch (value->kind) {
    case VT_VALUE_BOOL:
        value->boolean ? msgpack_pack_true(&sink->packer) : msgpack_pack_false(&sink->packer);
        break;
    case VT_VALUE_INT:
        msgpack_pack_int64(&sink->packer, value->integer);
        break;
    case VT_VALUE_UINT:
        msgpack_pack_uint64(&sink->packer, value->unsigned_integer);
        break;
    case VT_VALUE_DOUBLE:
        VT_ENSURE(isfinite(value->number), VAULT_E_INVALID_VALUE);
        msgpack_pack_double(&sink->packer, value->number);
        break;
    default:
        msgpack_pack_nil(&sink->packer);
        break;
    }
    return sink->status;
}

static VT_RESULT pack_value(struct sink *sink, const struct vt_value *value, unsigned depth)
{
    switch (value->kind) {
    case VT_VALUE_TEXT:
        return pack_text(sink, value->bytes);
    case VT_VALUE_BYTES:
        return pack_bytes(sink, value->bytes);
    case VT_VALUE_ARRAY:
        return pack_array(sink, value, depth);
    case VT_VALUE_MAP:
        return pack_map(sink, value, depth);
    default:
        return pack_scalar(sink, value);
    }
}

VT_RESULT vt_msgpack_write(struct vt_buf *out, const struct vt_value *value)
{
    struct sink sink;
    sink_init(&sink, out);
    return sink_finish(&sink, pack_value(&sink, value, 0));
}

VT_RESULT vt_msgpack_write_map(struct vt_buf *out, uint32_t count)
{
    struct sink sink;
    sink_init(&sink, out);
    msgpack_pack_map(&sink.packer, count);
    return sink_finish(&sink, sink.status);
}

VT_RESULT vt_msgpack_write_array(struct vt_buf *out, uint32_t count)
{
    struct sink sink;
    sink_init(&sink, out);
    msgpack_pack_array(&sink.packer, count);
    return sink_finish(&sink, sink.status);
}

VT_RESULT vt_msgpack_write_text(struct vt_buf *out, struct vt_bytes text)
{
    const struct vt_value value = vt_value_text(text);
    return vt_msgpack_write(out, &value);
}

VT_RESULT vt_msgpack_write_bytes(struct vt_buf *out, struct vt_bytes bytes)
{
    const struct vt_value value = vt_value_bytes(bytes);
    return vt_msgpack_write(out, &value);
}

VT_RESULT vt_msgpack_write_int(struct vt_buf *out, int64_t integer)
{
    const struct vt_value value = vt_value_int(integer);
    return vt_msgpack_write(out, &value);
}

VT_RESULT vt_msgpack_write_uint(struct vt_buf *out, uint64_t integer)
{
    const struct vt_value value = vt_value_uint(integer);
    return vt_msgpack_write(out, &value);
}

VT_RESULT vt_msgpack_write_bool(struct vt_buf *out, bool boolean)
{
    const struct vt_value value = vt_value_bool(boolean);
    return vt_msgpack_write(out, &value);
}

VT_RESULT vt_msgpack_write_nil(struct vt_buf *out)
{
    const struct vt_value value = VT_VALUE_INIT;
    return vt_msgpack_write(out, &value);
}
