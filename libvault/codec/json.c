#include "libvault/codec/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/list.h"
#include "libvault/base/secret.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"

static const char bytes_key[] = "$bytes";

/** jansson's free() gets no length, so each block carries its own. */
struct block {
    size_t len;
    _Alignas(16) uint8_t data[];
};

/* jansson reports most failed allocations as broken JSON, or not at all; the caller must be told to try again instead.
 */
static _Thread_local bool is_short_of_memory;

static void *wiping_malloc(size_t len)
{
    size_t whole;
    struct block *block = vt_size_add(len, sizeof *block, &whole) ? vt_malloc(whole) : NULL;
    if (block == NULL) {
        is_short_of_memory = true;
        return NULL;
    }
    block->len = len;
    return block->data;
}

static void wiping_free(void *data)
{
    if (data == NULL) return;
    struct block *block = VT_CONTAINER_OF(data, struct block, data);
    vt_wipe(block->data, block->len);
    free(block);
}

void vt_json_init(void)
{
    json_set_alloc_funcs(wiping_malloc, wiping_free);
    json_object_seed(0); /* from the kernel; later it would be drawn under a lock of jansson's */
}

static bool is_initialised(void)
{
    json_malloc_t allocate;
    json_free_t release;
    json_get_alloc_funcs(&allocate, &release);
    return allocate == wiping_malloc && release == wiping_free;
}

enum token_kind { TOKEN_END, TOKEN_NUL, TOKEN_STRING, TOKEN_NUMBER, TOKEN_WORD, TOKEN_ARRAY, TOKEN_OBJECT };

/** What opens a key or a value. */
struct token {
    enum token_kind kind;
    struct vt_bytes text;
    uint32_t line;
};

/** Splits JSON into the beginnings of its keys and values. Knows no grammar: that is jansson's to check. */
struct lexer {
    struct vt_bytes text;
    size_t at;
    uint32_t line;
    uint32_t depth;
};

static size_t string_len(struct vt_bytes text)
{
    size_t len = 1;
    while (len < text.len && text.data[len] != '"') len += text.data[len] == '\\' ? 2 : 1;
    return VT_MIN(len + 1, text.len);
}

static bool is_number_part(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

static bool is_letter(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

static size_t run_len(struct vt_bytes text, bool (*is_part)(uint8_t))
{
    size_t len = 0;
    while (len < text.len && is_part(text.data[len])) len++;
    return len;
}

static struct token lexer_take(struct lexer *lexer, enum token_kind kind, size_t len)
{
    const struct token token = {kind, vt_bytes(lexer->text.data + lexer->at, len), lexer->line};
    lexer->at += len;
    return token;
}

static struct token lexer_next(struct lexer *lexer)
{
    for (; lexer->at < lexer->text.len; lexer->at++) {
        const struct vt_bytes rest = vt_bytes(lexer->text.data + lexer->at, lexer->text.len - lexer->at);
        const uint8_t c = rest.data[0];
        if (c == '"') return lexer_take(lexer, TOKEN_STRING, string_len(rest));
        if (c == '-' || (c >= '0' && c <= '9')) return lexer_take(lexer, TOKEN_NUMBER, run_len(rest, is_number_part));
        if (is_letter(c)) return lexer_take(lexer, TOKEN_WORD, run_len(rest, is_letter));
        if (c == '[' || c == '{') {
            lexer->depth++;
            return lexer_take(lexer, c == '[' ? TOKEN_ARRAY : TOKEN_OBJECT, 1);
        }
        if ((c == ']' || c == '}') && lexer->depth != 0) lexer->depth--;
        if (c == '\0') return lexer_take(lexer, TOKEN_NUL, 1);
        if (c == '\n') lexer->line++;
    }
    return lexer_take(lexer, TOKEN_END, 0);
}

/** Tokens behind this object token that make it bytes: then all three stand for one value. */
static void skip_bytes_form(struct lexer *lexer)
{
    struct lexer ahead = *lexer;
    const struct token key = lexer_next(&ahead);
    if (key.kind != TOKEN_STRING || !vt_bytes_equal_str(key.text, "\"$bytes\"")) return;
    if (lexer_next(&ahead).kind == TOKEN_STRING) *lexer = ahead;
}

static vault_status refuse(struct vt_err *err, vault_status status, size_t line, const char *what)
{
    return vt_fail(err, status, NULL, "Line %zu: %s.", line, what);
}

/* Before jansson: it takes some hundred bytes of memory for two of text, and skips a NUL behind a number. Bytes stand
 * one level deeper than their value counts; what is deeper for another reason is found when the tree is built. */
static VT_RESULT scan_check(struct vt_bytes text, struct vt_err *err)
{
    struct lexer lexer = {.text = text, .line = 1};
    for (size_t tokens = 0;; tokens++) {
        const struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END) return VAULT_OK;
        if (token.kind == TOKEN_NUL) return refuse(err, VAULT_E_PARSE, token.line, "a NUL byte");
        if (tokens > VT_LIMIT_ITEMS) return refuse(err, VAULT_E_TOO_LARGE, token.line, "the text has too many items");
        if (lexer.depth > VT_LIMIT_DEPTH + 1)
            return refuse(err, VAULT_E_TOO_LARGE, token.line, "the nesting is too deep");
        if (token.kind == TOKEN_OBJECT) skip_bytes_form(&lexer);
    }
}

/** Builds values from jansson's tree. The lexer walks along in the text, since jansson keeps the order of keys: it
 * knows the lines, and the digits that a double has lost. */
struct reader {
    struct lexer lexer;
    struct vt_pool *pool;
    struct vt_err *err;
    uint32_t items;
};

static VT_RESULT count_items(struct reader *reader, size_t items, uint32_t line)
{
    if (items > VT_LIMIT_ITEMS - reader->items)
        return refuse(reader->err, VAULT_E_TOO_LARGE, line, "the text has too many items");
    reader->items += (uint32_t)items;
    return VAULT_OK;
}

static VT_RESULT pool_text(struct reader *reader, struct vt_bytes text, uint32_t line, struct vt_bytes *out_text)
{
    if (text.len > VT_LIMIT_VALUE_BYTES) return refuse(reader->err, VAULT_E_TOO_LARGE, line, "a text is too long");
    const struct vt_bytes copy = vt_pool_copy(reader->pool, text);
    if (copy.data == NULL) return refuse(reader->err, VAULT_E_MEMORY, line, "memory ran out");
    *out_text = copy;
    return VAULT_OK;
}

static VT_RESULT read_integer(struct reader *reader, const struct token *token, struct vt_value *out_value)
{
    const bool is_negative = token->text.data[0] == '-';
    uint64_t magnitude = 0;
    bool fits = true;
    for (size_t i = is_negative; i < token->text.len && fits; i++)
        fits = !__builtin_mul_overflow(magnitude, (uint64_t)10, &magnitude) &&
               !__builtin_add_overflow(magnitude, (uint64_t)(token->text.data[i] - '0'), &magnitude);
    if (!fits || (is_negative && magnitude > (uint64_t)INT64_MAX + 1))
        return refuse(reader->err, VAULT_E_PARSE, token->line, "an integer does not fit into 64 bits");
    if (is_negative)
        *out_value = vt_value_int((int64_t)(0 - magnitude));
    else if (magnitude <= INT64_MAX)
        *out_value = vt_value_int((int64_t)magnitude);
    else
        *out_value = (struct vt_value){.kind = VT_VALUE_UINT, .unsigned_integer = magnitude};
    return VAULT_OK;
}

static bool is_integer(struct vt_bytes number)
{
    for (size_t i = 0; i < number.len; i++)
        if (number.data[i] == '.' || number.data[i] == 'e' || number.data[i] == 'E') return false;
    return true;
}

static VT_RESULT read_number(struct reader *reader, const json_t *json, const struct token *token,
                             struct vt_value *out_value)
{
    VT_BUG_ON(token->kind != TOKEN_NUMBER);
    if (is_integer(token->text)) return read_integer(reader, token, out_value);
    *out_value = (struct vt_value){.kind = VT_VALUE_DOUBLE, .number = json_real_value(json)};
    return VAULT_OK;
}

static VT_RESULT read_text(struct reader *reader, const json_t *json, uint32_t line, struct vt_value *out_value)
{
    struct vt_bytes text;
    VT_TRY(pool_text(reader, vt_bytes(json_string_value(json), json_string_length(json)), line, &text));
    *out_value = vt_value_text(text);
    return VAULT_OK;
}

static VT_RESULT read_value(struct reader *reader, json_t *json, unsigned depth, struct vt_value *out_value);

static VT_RESULT read_array(struct reader *reader, json_t *json, unsigned depth, struct vt_value *out_value)
{
    struct vt_value array = vt_value_array();
    VT_TRY(count_items(reader, json_array_size(json), reader->lexer.line));
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct vt_value item;
        VT_TRY(read_value(reader, json_array_get(json, i), depth + 1, &item));
        VT_TRY(vt_value_push(reader->pool, &array, item, NULL));
    }
    *out_value = array;
    return VAULT_OK;
}

static VT_RESULT read_map(struct reader *reader, json_t *json, unsigned depth, struct vt_value *out_value)
{
    struct vt_value map = vt_value_map();
    VT_TRY(count_items(reader, 2 * json_object_size(json), reader->lexer.line));
    for (void *at = json_object_iter(json); at != NULL; at = json_object_iter_next(json, at)) {
        const struct token token = lexer_next(&reader->lexer);
        struct vt_bytes key;
        struct vt_value value;
        VT_TRY(pool_text(reader, vt_bytes_str(json_object_iter_key(at)), token.line, &key));
        VT_TRY(read_value(reader, json_object_iter_value(at), depth + 1, &value));
        VT_TRY(vt_value_append(reader->pool, &map, key, value, NULL));
    }
    *out_value = map;
    return VAULT_OK;
}

static VT_RESULT read_bytes(struct reader *reader, const json_t *json, struct vt_value *out_value)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(VT_LIMIT_VALUE_BYTES);
    (void)lexer_next(&reader->lexer);
    const uint32_t line = lexer_next(&reader->lexer).line;
    if (!json_is_string(json)) return refuse(reader->err, VAULT_E_PARSE, line, "bytes are not base64 text");

    const vault_status status = vt_base64_decode(&bytes, vt_bytes(json_string_value(json), json_string_length(json)));
    if (status == VAULT_E_PARSE) return refuse(reader->err, status, line, "bytes are not base64 text");
    if (status == VAULT_E_TOO_LARGE) return refuse(reader->err, status, line, "a byte string is too long");
    if (status != VAULT_OK) return refuse(reader->err, status, line, "memory ran out");
    struct vt_bytes copy;
    VT_TRY(pool_text(reader, vt_buf_bytes(&bytes), line, &copy));
    *out_value = vt_value_bytes(copy);
    return VAULT_OK;
}

static VT_RESULT read_container(struct reader *reader, json_t *json, unsigned depth, uint32_t line,
                                struct vt_value *out_value)
{
    const json_t *bytes = json_object_size(json) == 1 ? json_object_get(json, bytes_key) : NULL;
    if (bytes != NULL) return read_bytes(reader, bytes, out_value);
    if (depth >= VT_LIMIT_DEPTH) return refuse(reader->err, VAULT_E_TOO_LARGE, line, "the nesting is too deep");
    if (json_is_object(json)) return read_map(reader, json, depth, out_value);
    return read_array(reader, json, depth, out_value);
}

static VT_RESULT read_value(struct reader *reader, json_t *json, unsigned depth, struct vt_value *out_value)
{
    const struct token token = lexer_next(&reader->lexer);
    struct vt_value value = VT_VALUE_INIT;
    switch (json_typeof(json)) {
    case JSON_NULL:
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        value = vt_value_bool(json_is_true(json));
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        VT_TRY(read_number(reader, json, &token, &value));
        break;
    case JSON_STRING:
        VT_TRY(read_text(reader, json, token.line, &value));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        VT_TRY(read_container(reader, json, depth, token.line, &value));
        break;
    }
    value.line = token.line;
    *out_value = value;
    return VAULT_OK;
}

/* jansson's own sentence quotes the text, so ours is chosen by its code. */
static vault_status parse_failed(const json_error_t *error, struct vt_err *err)
{
    const size_t line = error->line > 0 ? (size_t)error->line : 1;
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        return refuse(err, VAULT_E_PARSE, line, "a key stands twice");
    case json_error_invalid_utf8:
        return refuse(err, VAULT_E_PARSE, line, "the text is not valid UTF-8");
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return refuse(err, VAULT_E_PARSE, line, "a text holds a NUL");
    case json_error_numeric_overflow:
        return refuse(err, VAULT_E_PARSE, line, "a number is not a finite double");
    case json_error_premature_end_of_input:
        return refuse(err, VAULT_E_PARSE, line, "the text ends inside a value");
    case json_error_end_of_input_expected:
        return refuse(err, VAULT_E_PARSE, line, "text follows the value");
    default:
        return refuse(err, VAULT_E_PARSE, line, "this is not JSON");
    }
}

static VT_RESULT parse(struct vt_bytes text, json_t **out_json, struct vt_err *err)
{
    /* integers as reals: jansson's would end at INT64_MAX; read_number() takes the exact digits */
    static const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL;
    json_error_t error = {0};
    is_short_of_memory = false;
    json_t *json = json_loadb(text.len != 0 ? (const char *)text.data : "", text.len, flags, &error);
    if (is_short_of_memory) {
        json_decref(json);
        return vt_fail(err, VAULT_E_MEMORY, NULL, "Memory ran out.");
    }
    if (json == NULL) return parse_failed(&error, err);
    *out_json = json;
    return VAULT_OK;
}

VT_RESULT vt_json_read(struct vt_pool *pool, struct vt_bytes text, struct vt_value *out_value, struct vt_err *err)
{
    VT_BUG_ON(!is_initialised());
    if (text.len > VT_LIMIT_REPLY_BYTES) return vt_fail(err, VAULT_E_TOO_LARGE, NULL, "The text is too long.");
    VT_TRY(scan_check(text, err));

    json_t *json = NULL;
    VT_TRY(parse(text, &json, err));
    struct reader reader = {.lexer = {.text = text, .line = 1}, .pool = pool, .err = err};
    const vault_status status = read_value(&reader, json, 0, out_value);
    json_decref(json);
    return status;
}

struct writer {
    struct vt_buf *out;
    enum vt_json_style style;
    uint32_t items;
};

static VT_RESULT write_value(struct writer *writer, const struct vt_value *value, unsigned depth);

/* RFC 8259 section 7: what must be escaped, and nothing else. */
static VT_RESULT write_escape(struct vt_buf *out, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *place = c != '\0' ? strchr(from, c) : NULL;
    VT_TRY(vt_buf_append_byte(out, '\\'));
    if (place != NULL) return vt_buf_append_byte(out, (uint8_t)to[place - from]);
    char hex[3];
    vt_hex_encode(vt_bytes(&c, 1), hex);
    VT_TRY(vt_buf_append_str(out, "u00"));
    return vt_buf_append_str(out, hex);
}

static size_t plain_len(struct vt_bytes text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] >= 0x20 && text.data[len] != '"' && text.data[len] != '\\') len++;
    return len;
}

static VT_RESULT write_text(struct vt_buf *out, struct vt_bytes text)
{
    VT_ENSURE(text.len <= VT_LIMIT_VALUE_BYTES, VAULT_E_TOO_LARGE);
    VT_TRY(vt_buf_append_byte(out, '"'));
    for (size_t at = 0; at < text.len; at++) {
        const size_t len = plain_len(vt_bytes(text.data + at, text.len - at));
        VT_TRY(vt_buf_append(out, vt_bytes(text.data + at, len)));
        at += len;
        if (at < text.len) VT_TRY(write_escape(out, text.data[at]));
    }
    return vt_buf_append_byte(out, '"');
}

static VT_RESULT write_bytes(struct writer *writer, struct vt_bytes bytes)
{
    VT_ENSURE(bytes.len <= VT_LIMIT_VALUE_BYTES, VAULT_E_TOO_LARGE);
    VT_TRY(vt_buf_append_str(writer->out, writer->style == VT_JSON_PRETTY ? "{\"$bytes\": \"" : "{\"$bytes\":\""));
    VT_TRY(vt_base64_encode(writer->out, bytes));
    return vt_buf_append_str(writer->out, "\"}");
}

static VT_RESULT write_scalar(struct vt_buf *out, const struct vt_value *value)
{
    char text[VT_DOUBLE_TEXT_MAX] = "null";
    switch (value->kind) {
    case VT_VALUE_BOOL:
        return vt_buf_append_str(out, value->boolean ? "true" : "false");
    case VT_VALUE_INT:
        snprintf(text, sizeof text, "%" PRId64, value->integer);
        break;
    case VT_VALUE_UINT:
        snprintf(text, sizeof text, "%" PRIu64, value->unsigned_integer);
        break;
    case VT_VALUE_DOUBLE:
        VT_ENSURE(isfinite(value->number), VAULT_E_INVALID_VALUE);
        vt_double_format(value->number, text);
        break;
    default:
        break;
    }
    return vt_buf_append_str(out, text);
}

static VT_RESULT write_line(struct writer *writer, unsigned depth)
{
    if (writer->style == VT_JSON_COMPACT) return VAULT_OK;
    VT_TRY(vt_buf_append_byte(writer->out, '\n'));
    for (unsigned i = 0; i < depth; i++) VT_TRY(vt_buf_append_str(writer->out, "  "));
    return VAULT_OK;
}

static VT_RESULT write_array(struct writer *writer, const struct vt_value *array, unsigned depth)
{
    VT_TRY(vt_buf_append_byte(writer->out, '['));
    for (size_t i = 0; i < array->array.count; i++) {
        if (i != 0) VT_TRY(vt_buf_append_byte(writer->out, ','));
        VT_TRY(write_line(writer, depth + 1));
        VT_TRY(write_value(writer, &array->array.items[i], depth + 1));
    }
    if (array->array.count != 0) VT_TRY(write_line(writer, depth));
    return vt_buf_append_byte(writer->out, ']');
}

static VT_RESULT write_map(struct writer *writer, const struct vt_value *map, unsigned depth)
{
    VT_TRY(vt_buf_append_byte(writer->out, '{'));
    for (size_t i = 0; i < map->map.count; i++) {
        if (i != 0) VT_TRY(vt_buf_append_byte(writer->out, ','));
        VT_TRY(write_line(writer, depth + 1));
        VT_TRY(write_text(writer->out, map->map.pairs[i].key));
        VT_TRY(vt_buf_append_str(writer->out, writer->style == VT_JSON_PRETTY ? ": " : ":"));
        VT_TRY(write_value(writer, &map->map.pairs[i].value, depth + 1));
    }
    if (map->map.count != 0) VT_TRY(write_line(writer, depth));
    return vt_buf_append_byte(writer->out, '}');
}

static VT_RESULT write_container(struct writer *writer, const struct vt_value *value, unsigned depth)
{
    const bool is_map = value->kind == VT_VALUE_MAP;
    const size_t count = is_map ? value->map.count : value->array.count;
    VT_ENSURE(depth < VT_LIMIT_DEPTH, VAULT_E_TOO_LARGE);
    VT_ENSURE(count <= (VT_LIMIT_ITEMS - writer->items) / (is_map ? 2 : 1), VAULT_E_TOO_LARGE);
    writer->items += (uint32_t)count * (is_map ? 2 : 1);
    if (!is_map) return write_array(writer, value, depth);
    VT_ENSURE(count != 1 || !vt_bytes_equal_str(value->map.pairs[0].key, bytes_key), VAULT_E_INVALID_VALUE);
    return write_map(writer, value, depth);
}

static VT_RESULT write_value(struct writer *writer, const struct vt_value *value, unsigned depth)
{
    switch (value->kind) {
    case VT_VALUE_TEXT:
        return write_text(writer->out, value->bytes);
    case VT_VALUE_BYTES:
        return write_bytes(writer, value->bytes);
    case VT_VALUE_ARRAY:
    case VT_VALUE_MAP:
        return write_container(writer, value, depth);
    default:
        return write_scalar(writer->out, value);
    }
}

VT_RESULT vt_json_write(struct vt_buf *out, const struct vt_value *value, enum vt_json_style style)
{
    struct writer writer = {.out = out, .style = style};
    const size_t begin = out->len;
    const vault_status status = write_value(&writer, value, 0);
    if (status != VAULT_OK) vt_buf_truncate(out, begin);
    return status;
}
