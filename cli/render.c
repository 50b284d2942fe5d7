#include "cli/render.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "libvault/codec/json.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"

enum { COLUMNS_MAX = 24, CELL_MAX = 48, INDENT = 2, NUMBER_WIDTH = 8 };

static VT_RESULT pad(struct vt_buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) VT_TRY(vt_buf_append_byte(out, ' '));
    return VAULT_OK;
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

/* Text without what a terminal would act on. */
static VT_RESULT write_shown(struct vt_buf *out, struct vt_bytes text)
{
    while (text.len != 0) {
        const uint8_t *begin = text.data;
        const uint32_t point = vt_utf8_next(&text);
        if (is_control(point))
            VT_TRY(vt_buf_printf(out, "\\x%02x", (unsigned)point));
        else
            VT_TRY(vt_buf_append(out, vt_bytes(begin, (size_t)(text.data - begin))));
    }
    return VAULT_OK;
}

static VT_RESULT write_hex(struct vt_buf *out, struct vt_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) VT_TRY(vt_buf_printf(out, "%02x", bytes.data[i]));
    return VAULT_OK;
}

static bool is_scalar(const struct vt_value *value)
{
    return value->kind != VT_VALUE_ARRAY && value->kind != VT_VALUE_MAP;
}

static VT_RESULT write_number(struct vt_buf *out, double number)
{
    char text[VT_DOUBLE_TEXT_MAX];
    vt_double_format(number, text);
    return vt_buf_append_str(out, text);
}

/* A value on one line: scalars plainly, the rest as JSON. */
static VT_RESULT write_inline(struct vt_buf *out, const struct vt_value *value)
{
    switch (value->kind) {
    case VT_VALUE_NIL:
        return vt_buf_append_str(out, "-");
    case VT_VALUE_BOOL:
        return vt_buf_append_str(out, value->boolean ? "yes" : "no");
    case VT_VALUE_INT:
        return vt_buf_printf(out, "%" PRId64, value->integer);
    case VT_VALUE_UINT:
        return vt_buf_printf(out, "%" PRIu64, value->unsigned_integer);
    case VT_VALUE_DOUBLE:
        return write_number(out, value->number);
    case VT_VALUE_TEXT:
        return write_shown(out, value->bytes);
    case VT_VALUE_BYTES:
        return write_hex(out, value->bytes);
    case VT_VALUE_ARRAY:
    case VT_VALUE_MAP:
        break;
    }
    VT_AUTO(vt_buf) json = VT_BUF_INIT(VT_LIMIT_REPLY_BYTES);
    VT_TRY(vt_json_write(&json, value, VT_JSON_COMPACT));
    return write_shown(out, vt_buf_bytes(&json));
}

/* Lines of a longer text, each indented. */
static VT_RESULT write_block(struct vt_buf *out, struct vt_bytes text, size_t indent)
{
    while (text.len != 0) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        const size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
        if (len != 0) VT_TRY(pad(out, indent));
        VT_TRY(write_shown(out, vt_bytes(text.data, len)));
        VT_TRY(vt_buf_append_byte(out, '\n'));
        const size_t used = len + (end != NULL ? 1 : 0);
        text = vt_bytes(text.data + used, text.len - used);
    }
    return VAULT_OK;
}

/* The columns of a list of maps: their keys, in the order in which they first appear. */
struct columns {
    struct vt_bytes keys[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    size_t count;
};

static size_t *column_of(struct columns *columns, struct vt_bytes key)
{
    for (size_t i = 0; i < columns->count; i++)
        if (vt_bytes_equal(columns->keys[i], key)) return &columns->widths[i];
    if (columns->count == COLUMNS_MAX) return NULL;
    columns->keys[columns->count] = key;
    columns->widths[columns->count] = vt_utf8_count(key);
    return &columns->widths[columns->count++];
}

static VT_RESULT cell_width(const struct vt_value *value, size_t *out_width)
{
    VT_AUTO(vt_buf) cell = VT_BUF_INIT(VT_LIMIT_REPLY_BYTES);
    VT_TRY(write_inline(&cell, value));
    *out_width = vt_utf8_count(vt_buf_bytes(&cell));
    return VAULT_OK;
}

/* @param out_fits false: too many columns, or too wide a cell; each item is then shown by itself */
static VT_RESULT find_columns(const struct vt_value *list, struct columns *columns, bool *out_fits)
{
    *out_fits = true;
    for (size_t i = 0; i < list->array.count; i++) {
        const struct vt_value *item = &list->array.items[i];
        for (size_t k = 0; k < item->map.count; k++) {
            size_t width, *column = column_of(columns, item->map.pairs[k].key);
            VT_TRY(cell_width(&item->map.pairs[k].value, &width));
            if (column == NULL || width > CELL_MAX) *out_fits = false;
            if (column != NULL && width > *column) *column = width;
        }
    }
    return VAULT_OK;
}

static VT_RESULT write_cell(struct vt_buf *out, const struct columns *columns, size_t index, size_t begin)
{
    const size_t width = vt_utf8_count(vt_bytes(out->data + begin, out->len - begin));
    if (index + 1 == columns->count) return vt_buf_append_byte(out, '\n');
    return pad(out, columns->widths[index] - VT_MIN(width, columns->widths[index]) + INDENT);
}

static VT_RESULT write_columns(struct vt_buf *out, const struct vt_value *list, const struct columns *columns,
                               size_t indent)
{
    VT_TRY(pad(out, indent));
    for (size_t k = 0; k < columns->count; k++) {
        const size_t begin = out->len;
        VT_TRY(write_shown(out, columns->keys[k]));
        VT_TRY(write_cell(out, columns, k, begin));
    }
    for (size_t i = 0; i < list->array.count; i++) {
        VT_TRY(pad(out, indent));
        for (size_t k = 0; k < columns->count; k++) {
            const size_t begin = out->len;
            const struct vt_value nil = VT_VALUE_INIT;
            const struct vt_value *value = vt_value_get_bytes(&list->array.items[i], columns->keys[k]);
            VT_TRY(write_inline(out, value != NULL ? value : &nil));
            VT_TRY(write_cell(out, columns, k, begin));
        }
    }
    return VAULT_OK;
}

static VT_RESULT write_map(struct vt_buf *out, const struct vt_value *map, size_t indent);

static bool is_list_of_maps(const struct vt_value *list)
{
    for (size_t i = 0; i < list->array.count; i++)
        if (list->array.items[i].kind != VT_VALUE_MAP || list->array.items[i].map.count == 0) return false;
    return list->array.count != 0;
}

static VT_RESULT write_items(struct vt_buf *out, const struct vt_value *list, size_t indent)
{
    for (size_t i = 0; i < list->array.count; i++) {
        const struct vt_value *item = &list->array.items[i];
        if (item->kind == VT_VALUE_MAP) {
            if (i != 0) VT_TRY(vt_buf_append_byte(out, '\n'));
            VT_TRY(write_map(out, item, indent));
            continue;
        }
        VT_TRY(pad(out, indent));
        VT_TRY(write_inline(out, item));
        VT_TRY(vt_buf_append_byte(out, '\n'));
    }
    return VAULT_OK;
}

static VT_RESULT write_list(struct vt_buf *out, const struct vt_value *list, size_t indent)
{
    struct columns columns = {.count = 0};
    bool fits = is_list_of_maps(list);
    if (fits) VT_TRY(find_columns(list, &columns, &fits));
    return fits ? write_columns(out, list, &columns, indent) : write_items(out, list, indent);
}

static bool is_block(const struct vt_value *value)
{
    return value->kind == VT_VALUE_TEXT && value->bytes.len != 0 &&
           memchr(value->bytes.data, '\n', value->bytes.len) != NULL;
}

/* A short list of plain words fits on its key's line. */
static VT_RESULT write_word_list(struct vt_buf *out, const struct vt_value *list)
{
    for (size_t i = 0; i < list->array.count; i++) {
        if (i != 0) VT_TRY(vt_buf_append_str(out, ", "));
        VT_TRY(write_inline(out, &list->array.items[i]));
    }
    return VAULT_OK;
}

static bool is_word_list(const struct vt_value *list)
{
    size_t bytes = 0;
    if (list->kind != VT_VALUE_ARRAY || list->array.count == 0) return false;
    for (size_t i = 0; i < list->array.count; i++) {
        const struct vt_value *item = &list->array.items[i];
        if (!is_scalar(item) || item->kind == VT_VALUE_BYTES) return false;
        bytes += item->kind == VT_VALUE_TEXT ? item->bytes.len + INDENT : NUMBER_WIDTH;
    }
    return bytes <= CELL_MAX;
}

static VT_RESULT write_short(struct vt_buf *out, const struct vt_value *value, bool is_empty)
{
    if (is_empty) return vt_buf_append_str(out, "none");
    return is_word_list(value) ? write_word_list(out, value) : write_inline(out, value);
}

static VT_RESULT write_pair(struct vt_buf *out, const struct vt_pair *pair, size_t width, size_t indent)
{
    const struct vt_value *value = &pair->value;
    const bool is_empty = (value->kind == VT_VALUE_ARRAY && value->array.count == 0) ||
                          (value->kind == VT_VALUE_MAP && value->map.count == 0);
    VT_TRY(pad(out, indent));
    VT_TRY(write_shown(out, pair->key));
    if (is_empty || is_word_list(value) || (is_scalar(value) && !is_block(value))) {
        VT_TRY(pad(out, width - vt_utf8_count(pair->key) + INDENT));
        VT_TRY(write_short(out, value, is_empty));
        return vt_buf_append_byte(out, '\n');
    }
    VT_TRY(vt_buf_append_str(out, ":\n"));
    if (is_block(value)) return write_block(out, value->bytes, indent + INDENT);
    if (value->kind == VT_VALUE_MAP) return write_map(out, value, indent + INDENT);
    return write_list(out, value, indent + INDENT);
}

static VT_RESULT write_map(struct vt_buf *out, const struct vt_value *map, size_t indent)
{
    size_t width = 0;
    for (size_t i = 0; i < map->map.count; i++) width = VT_MAX(width, vt_utf8_count(map->map.pairs[i].key));
    for (size_t i = 0; i < map->map.count; i++) VT_TRY(write_pair(out, &map->map.pairs[i], width, indent));
    return VAULT_OK;
}

VT_RESULT vt_cli_render_table(struct vt_buf *out, const struct vt_value *value)
{
    if (value->kind == VT_VALUE_MAP) return write_map(out, value, 0);
    if (value->kind == VT_VALUE_ARRAY) return write_list(out, value, 0);
    VT_TRY(write_inline(out, value));
    return vt_buf_append_byte(out, '\n');
}

VT_RESULT vt_cli_render_json(struct vt_buf *out, const struct vt_value *value, bool is_pretty)
{
    VT_TRY(vt_json_write(out, value, is_pretty ? VT_JSON_PRETTY : VT_JSON_COMPACT));
    return vt_buf_append_byte(out, '\n');
}

VT_RESULT vt_cli_render_bare(struct vt_buf *out, const struct vt_value *value, bool is_terminal)
{
    const bool is_text = value->kind == VT_VALUE_TEXT;
    if (is_text && is_terminal) VT_TRY(write_block(out, value->bytes, 0));
    if (is_text && is_terminal) return VAULT_OK;
    if (is_text || (value->kind == VT_VALUE_BYTES && !is_terminal)) VT_TRY(vt_buf_append(out, value->bytes));
    if (value->kind == VT_VALUE_BYTES && !is_terminal) return VAULT_OK;
    if (!is_text) return vt_cli_render_json(out, value, false);
    if (value->bytes.len != 0 && value->bytes.data[value->bytes.len - 1] == '\n') return VAULT_OK;
    return vt_buf_append_byte(out, '\n');
}
