/* Schemas as YAML text. Apart from collection.c, so that the shared object can leave YAML out. */
#include "libvault/codec/yaml.h"
#include "libvault/schema/collection.h"

VT_RESULT vt_collection_read_yaml(struct vt_pool *pool, struct vt_bytes text, struct vt_collection **out_collection,
                                  struct vt_err *err)
{
    struct vt_value schema;
    VT_TRY(vt_yaml_read(pool, text, &schema, err));
    return vt_collection_parse(pool, &schema, out_collection, err);
}

/* Words that YAML 1.1 or 1.2 readers take for something else than text. */
static bool is_plain_safe(struct vt_bytes text)
{
    static const char *const WORDS[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
    bool is_safe = text.len != 0 && text.len <= 64;
    for (size_t i = 0; is_safe && i < text.len; i++) {
        const uint8_t c = text.data[i], lower = c | 32;
        const bool is_letter = lower >= 'a' && lower <= 'z';
        is_safe = is_letter || (i != 0 && (c == '_' || c == '-' || (c >= '0' && c <= '9')));
    }
    for (size_t i = 0; is_safe && i < VT_ARRAY_LEN(WORDS); i++) {
        is_safe = text.len != strlen(WORDS[i]) || strncasecmp((const char *)text.data, WORDS[i], text.len) != 0;
    }
    return is_safe;
}

/* Double-quoted style: escapes as in JSON, which YAML 1.2 takes over. DEL and C1 controls come as \u too. */
static VT_RESULT write_quoted(struct vt_buf *out, struct vt_bytes text)
{
    VT_TRY(vt_buf_append_byte(out, '"'));
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.data[i];
        const bool is_c1 = c == 0xC2 && i + 1 < text.len && text.data[i + 1] < 0xA0;
        if (c == '"' || c == '\\') VT_TRY(vt_buf_append_byte(out, '\\'));
        if (c >= 0x20 && c != 0x7F && !is_c1) VT_TRY(vt_buf_append_byte(out, c));
        if (c < 0x20 || c == 0x7F) VT_TRY(vt_buf_printf(out, "\\u%04x", c));
        if (is_c1) VT_TRY(vt_buf_printf(out, "\\u%04x", text.data[++i]));
    }
    return vt_buf_append_byte(out, '"');
}

static VT_RESULT write_scalar(struct vt_buf *out, const struct vt_value *value)
{
    switch (value->kind) {
    case VT_VALUE_BOOL:
        return vt_buf_append_str(out, value->boolean ? "true" : "false");
    case VT_VALUE_INT:
        return vt_buf_printf(out, "%lld", (long long)value->integer);
    case VT_VALUE_TEXT:
        return is_plain_safe(value->bytes) ? vt_buf_append(out, value->bytes) : write_quoted(out, value->bytes);
    default:
        return VAULT_E_TYPE;
    }
}

static VT_RESULT write_node(struct vt_buf *out, const struct vt_value *value, int indent);

/* Options and lists of names stand on one line; what they hold is scalars and lists of them. */
static VT_RESULT write_flow(struct vt_buf *out, const struct vt_value *value)
{
    const bool is_map = value->kind == VT_VALUE_MAP;
    if (!is_map && value->kind != VT_VALUE_ARRAY) return write_scalar(out, value);
    VT_TRY(vt_buf_append_byte(out, is_map ? '{' : '['));
    for (size_t i = 0; i < (is_map ? value->map.count : value->array.count); i++) {
        if (i != 0) VT_TRY(vt_buf_append_str(out, ", "));
        if (is_map) {
            VT_TRY(vt_buf_append(out, value->map.pairs[i].key));
            VT_TRY(vt_buf_append_str(out, ": "));
        }
        VT_TRY(write_flow(out, is_map ? &value->map.pairs[i].value : &value->array.items[i]));
    }
    return vt_buf_append_byte(out, is_map ? '}' : ']');
}

static bool is_list_of_maps(const struct vt_value *value)
{
    return value->kind == VT_VALUE_ARRAY && value->array.count != 0 && value->array.items[0].kind == VT_VALUE_MAP;
}

static VT_RESULT write_list(struct vt_buf *out, const struct vt_value *list, int indent)
{
    for (size_t i = 0; i < list->array.count; i++) {
        VT_TRY(vt_buf_printf(out, "%*s- ", indent, ""));
        VT_TRY(write_node(out, &list->array.items[i], indent + 2));
    }
    return VAULT_OK;
}

/* A map whose first key stands where the line already is, behind "- " or at the left margin. */
static VT_RESULT write_node(struct vt_buf *out, const struct vt_value *map, int indent)
{
    for (size_t i = 0; i < map->map.count; i++) {
        const struct vt_pair *pair = &map->map.pairs[i];
        if (i != 0) VT_TRY(vt_buf_printf(out, "%*s", indent, ""));
        VT_TRY(vt_buf_append(out, pair->key));
        VT_TRY(vt_buf_append_str(out, is_list_of_maps(&pair->value) ? ":\n" : ": "));
        if (is_list_of_maps(&pair->value)) {
            VT_TRY(write_list(out, &pair->value, indent + 2));
            continue;
        }
        VT_TRY(write_flow(out, &pair->value));
        VT_TRY(vt_buf_append_byte(out, '\n'));
    }
    return VAULT_OK;
}

VT_RESULT vt_collection_write_yaml(struct vt_buf *out, const struct vt_collection *collection)
{
    enum { POOL_MAX = 1024 * 1024 };
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value value;
    VT_TRY(vt_collection_to_value(&pool, collection, &value));
    return write_node(out, &value, 0);
}
