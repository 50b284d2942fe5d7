#include "libvault/codec/yaml.h"

#include <yaml.h>

#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"

struct reader {
    yaml_parser_t parser;
    struct vt_bytes text;
    struct vt_pool *pool;
    struct vt_err *err;
    uint32_t items;
};

struct event {
    yaml_event_t raw;
};

static void event_release(struct event *event)
{
    yaml_event_delete(&event->raw);
}

static void reader_release(struct reader *reader)
{
    yaml_parser_delete(&reader->parser);
}

static uint32_t line_of(const struct event *event)
{
    return (uint32_t)event->raw.start_mark.line + 1;
}

static vault_status refuse(struct reader *reader, vault_status status, size_t line, const char *what)
{
    return vt_fail(reader->err, status, NULL, "Line %zu: %s.", line, what);
}

/* libyaml reads ahead of its marks, so a character it cannot read is only known by its offset. */
static size_t problem_line(const struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error != YAML_READER_ERROR) return parser->problem_mark.line + 1;
    size_t line = 1;
    for (size_t i = 0; i < VT_MIN(parser->problem_offset, reader->text.len); i++) line += reader->text.data[i] == '\n';
    return line;
}

/* libyaml's sentences are constants without any of the text. */
static vault_status parser_failed(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const size_t line = problem_line(reader);
    if (parser->error == YAML_MEMORY_ERROR) return refuse(reader, VAULT_E_MEMORY, line, "memory ran out");
    return refuse(reader, VAULT_E_PARSE, line, parser->problem != NULL ? parser->problem : "this is not YAML");
}

static VT_RESULT next_event(struct reader *reader, struct event *out_event)
{
    if (!yaml_parser_parse(&reader->parser, &out_event->raw)) return parser_failed(reader);
    return VAULT_OK;
}

static bool is_any_of(struct vt_bytes text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (vt_bytes_equal_str(text, words[i])) return true;
    return false;
}
#define IS_ANY_OF(text, ...) \
    is_any_of(text, (const char *const[]){__VA_ARGS__}, VT_ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static struct vt_bytes skip(struct vt_bytes text, size_t len)
{
    return vt_bytes(text.data + len, text.len - len);
}

static bool has_sign(struct vt_bytes text)
{
    return text.len != 0 && (text.data[0] == '-' || text.data[0] == '+');
}

static int digit_of(uint8_t character)
{
    if (character >= '0' && character <= '9') return character - '0';
    if (character >= 'a' && character <= 'f') return character - 'a' + 10;
    if (character >= 'A' && character <= 'F') return character - 'A' + 10;
    return 99;
}

static bool all_digits(struct vt_bytes text, int base)
{
    for (size_t i = 0; i < text.len; i++)
        if (digit_of(text.data[i]) >= base) return false;
    return text.len != 0;
}

/** An integer's parts as the core schema spells them: [-+]?[0-9]+, 0o[0-7]+, 0x[0-9a-fA-F]+. */
struct integer {
    bool is_negative;
    int base;
    struct vt_bytes digits;
};

static bool is_integer(struct vt_bytes text, struct integer *out_integer)
{
    const bool is_signed = has_sign(text);
    struct integer integer = {.base = 10, .digits = is_signed ? skip(text, 1) : text};
    if (text.len > 2 && text.data[0] == '0' && (text.data[1] == 'o' || text.data[1] == 'x')) {
        integer.base = text.data[1] == 'o' ? 8 : 16;
        integer.digits = skip(text, 2);
    }
    if (!all_digits(integer.digits, integer.base)) return false;
    integer.is_negative = is_signed && text.data[0] == '-';
    *out_integer = integer;
    return true;
}

static bool magnitude_of(const struct integer *integer, uint64_t *out_magnitude)
{
    uint64_t magnitude = 0;
    for (size_t i = 0; i < integer->digits.len; i++) {
        if (__builtin_mul_overflow(magnitude, (uint64_t)integer->base, &magnitude)) return false;
        if (__builtin_add_overflow(magnitude, (uint64_t)digit_of(integer->digits.data[i]), &magnitude)) return false;
    }
    *out_magnitude = magnitude;
    return true;
}

static VT_RESULT integer_read(struct reader *reader, const struct integer *integer, uint32_t line,
                              struct vt_value *out_value)
{
    uint64_t magnitude;
    if (integer->base == 10 && integer->digits.len > 1 && integer->digits.data[0] == '0')
        return refuse(reader, VAULT_E_PARSE, line,
                      "an integer begins with 0; write it without, or in quotes if it is text");
    if (!magnitude_of(integer, &magnitude) || (integer->is_negative && magnitude > (uint64_t)INT64_MAX + 1))
        return refuse(reader, VAULT_E_PARSE, line, "an integer does not fit into 64 bits");
    if (integer->is_negative)
        *out_value = vt_value_int((int64_t)(0 - magnitude));
    else if (magnitude <= INT64_MAX)
        *out_value = vt_value_int((int64_t)magnitude);
    else
        *out_value = (struct vt_value){.kind = VT_VALUE_UINT, .unsigned_integer = magnitude};
    return VAULT_OK;
}

static size_t digits_len(struct vt_bytes text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] >= '0' && text.data[len] <= '9') len++;
    return len;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(struct vt_bytes text)
{
    if (has_sign(text)) text = skip(text, 1);
    const size_t whole = digits_len(text);
    text = skip(text, whole);
    size_t fraction = 0;
    if (text.len != 0 && text.data[0] == '.') {
        text = skip(text, 1);
        fraction = digits_len(text);
        text = skip(text, fraction);
    }
    if (whole + fraction == 0) return false;
    if (text.len == 0) return true;
    if (text.data[0] != 'e' && text.data[0] != 'E') return false;
    text = skip(text, 1);
    if (has_sign(text)) text = skip(text, 1);
    return text.len != 0 && digits_len(text) == text.len;
}

static VT_RESULT float_read(struct reader *reader, struct vt_bytes text, uint32_t line, struct vt_value *out_value)
{
    struct vt_value value = {.kind = VT_VALUE_DOUBLE};
    const vault_status status = vt_double_parse(text, &value.number);
    if (status == VAULT_E_MEMORY) return refuse(reader, status, line, "memory ran out");
    if (status != VAULT_OK) return refuse(reader, VAULT_E_PARSE, line, "a number is not a finite double");
    *out_value = value;
    return VAULT_OK;
}

static VT_RESULT text_read(struct reader *reader, struct vt_bytes text, uint32_t line, struct vt_value *out_value)
{
    const struct vt_bytes copy = vt_pool_copy(reader->pool, text);
    if (copy.data == NULL) return refuse(reader, VAULT_E_MEMORY, line, "memory ran out");
    *out_value = vt_value_text(copy);
    return VAULT_OK;
}

/* Source: YAML 1.2.2 section 10.3.2, tag resolution of the core schema. */
static VT_RESULT plain_read(struct reader *reader, struct vt_bytes text, uint32_t line, struct vt_value *out_value)
{
    struct integer integer;
    const struct vt_bytes unsigned_text = has_sign(text) ? skip(text, 1) : text;
    if (text.len == 0 || IS_ANY_OF(text, "null", "Null", "NULL", "~"))
        *out_value = VT_VALUE_INIT;
    else if (IS_ANY_OF(text, "true", "True", "TRUE"))
        *out_value = vt_value_bool(true);
    else if (IS_ANY_OF(text, "false", "False", "FALSE"))
        *out_value = vt_value_bool(false);
    else if (is_integer(text, &integer))
        return integer_read(reader, &integer, line, out_value);
    else if (is_float(text))
        return float_read(reader, text, line, out_value);
    else if (IS_ANY_OF(unsigned_text, ".inf", ".Inf", ".INF") || IS_ANY_OF(text, ".nan", ".NaN", ".NAN"))
        return refuse(reader, VAULT_E_PARSE, line, "a number is not a finite double");
    else
        return text_read(reader, text, line, out_value);
    return VAULT_OK;
}

static bool tag_is(const yaml_char_t *tag, const char *name)
{
    static const char core[] = "tag:yaml.org,2002:";
    const char *text = (const char *)tag;
    return strncmp(text, core, sizeof core - 1) == 0 && strcmp(text + sizeof core - 1, name) == 0;
}

/* A core tag says what a plain or quoted scalar is; it must be that, spelt as the core schema spells it. */
static VT_RESULT tagged_read(struct reader *reader, const yaml_char_t *label, struct vt_bytes text, uint32_t line,
                             struct vt_value *out_value)
{
    static const struct {
        const char *name;
        enum vt_value_kind kind, or_kind;
    } tags[] = {{"null", VT_VALUE_NIL, VT_VALUE_NIL},
                {"bool", VT_VALUE_BOOL, VT_VALUE_BOOL},
                {"int", VT_VALUE_INT, VT_VALUE_UINT},
                {"float", VT_VALUE_DOUBLE, VT_VALUE_DOUBLE}};
    if (tag_is(label, "str") || strcmp((const char *)label, "!") == 0) return text_read(reader, text, line, out_value);
    for (size_t i = 0; i < VT_ARRAY_LEN(tags); i++) {
        if (!tag_is(label, tags[i].name)) continue;
        if (tags[i].kind == VT_VALUE_DOUBLE && is_float(text)) return float_read(reader, text, line, out_value);
        VT_TRY(plain_read(reader, text, line, out_value));
        if (out_value->kind == tags[i].kind || out_value->kind == tags[i].or_kind) return VAULT_OK;
        return refuse(reader, VAULT_E_PARSE, line, "a value is not what its tag says");
    }
    return refuse(reader, VAULT_E_PARSE, line, "only the tags of the core schema are read");
}

static VT_RESULT scalar_text(struct reader *reader, const struct event *event, struct vt_bytes *out_text)
{
    const struct vt_bytes text = vt_bytes(event->raw.data.scalar.value, event->raw.data.scalar.length);
    if (text.len > VT_LIMIT_VALUE_BYTES) return refuse(reader, VAULT_E_TOO_LARGE, line_of(event), "a text is too long");
    if (text.len != 0 && memchr(text.data, '\0', text.len) != NULL)
        return refuse(reader, VAULT_E_PARSE, line_of(event), "a text holds a NUL");
    *out_text = text;
    return VAULT_OK;
}

static VT_RESULT scalar_read(struct reader *reader, const struct event *event, struct vt_value *out_value)
{
    struct vt_bytes text;
    const yaml_char_t *tag = event->raw.data.scalar.tag;
    VT_TRY(scalar_text(reader, event, &text));
    if (tag != NULL) return tagged_read(reader, tag, text, line_of(event), out_value);
    if (event->raw.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return plain_read(reader, text, line_of(event), out_value);
    return text_read(reader, text, line_of(event), out_value);
}

static VT_RESULT count_items(struct reader *reader, uint32_t items, uint32_t line)
{
    if (items > VT_LIMIT_ITEMS - reader->items)
        return refuse(reader, VAULT_E_TOO_LARGE, line, "the document has too many items");
    reader->items += items;
    return VAULT_OK;
}

static VT_RESULT node_read(struct reader *reader, const struct event *event, unsigned depth,
                           struct vt_value *out_value);

static VT_RESULT sequence_read(struct reader *reader, unsigned depth, struct vt_value *out_value)
{
    struct vt_value array = vt_value_array();
    for (;;) {
        VT_AUTO(event) event = {0};
        struct vt_value item;
        VT_TRY(next_event(reader, &event));
        if (event.raw.type == YAML_SEQUENCE_END_EVENT) break;
        VT_TRY(count_items(reader, 1, line_of(&event)));
        VT_TRY(node_read(reader, &event, depth + 1, &item));
        VT_TRY(vt_value_push(reader->pool, &array, item, NULL));
    }
    *out_value = array;
    return VAULT_OK;
}

static VT_RESULT key_read(struct reader *reader, const struct event *event, struct vt_bytes *out_key)
{
    struct vt_bytes text;
    if (event->raw.type != YAML_SCALAR_EVENT || event->raw.data.scalar.anchor != NULL ||
        event->raw.data.scalar.tag != NULL)
        return refuse(reader, VAULT_E_PARSE, line_of(event), "a key is not a plain or quoted text");
    VT_TRY(scalar_text(reader, event, &text));
    if (text.len == 0 && event->raw.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return refuse(reader, VAULT_E_PARSE, line_of(event), "a key is missing");
    *out_key = vt_pool_copy(reader->pool, text);
    if (out_key->data == NULL) return refuse(reader, VAULT_E_MEMORY, line_of(event), "memory ran out");
    return VAULT_OK;
}

static VT_RESULT pair_read(struct reader *reader, const struct event *key_event, unsigned depth, struct vt_value *map)
{
    VT_AUTO(event) event = {0};
    struct vt_bytes key;
    struct vt_value value;
    VT_TRY(count_items(reader, 2, line_of(key_event)));
    VT_TRY(key_read(reader, key_event, &key));
    VT_TRY(next_event(reader, &event));
    VT_TRY(node_read(reader, &event, depth + 1, &value));
    return vt_value_append(reader->pool, map, key, value, NULL);
}

static VT_RESULT mapping_read(struct reader *reader, uint32_t line, unsigned depth, struct vt_value *out_value)
{
    struct vt_value map = vt_value_map();
    for (;;) {
        VT_AUTO(event) event = {0};
        VT_TRY(next_event(reader, &event));
        if (event.raw.type == YAML_MAPPING_END_EVENT) break;
        VT_TRY(pair_read(reader, &event, depth, &map));
    }
    bool is_twice;
    VT_TRY(vt_value_has_key_twice(reader->pool, &map, &is_twice));
    if (is_twice) return refuse(reader, VAULT_E_PARSE, line, "the map that begins here has a key twice");
    *out_value = map;
    return VAULT_OK;
}

/* A collection's own attributes: no anchor, and no tag but its core one. */
static VT_RESULT collection_check(struct reader *reader, const struct event *event, unsigned depth)
{
    const bool is_sequence = event->raw.type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *tag = is_sequence ? event->raw.data.sequence_start.tag : event->raw.data.mapping_start.tag;
    if (tag != NULL && !tag_is(tag, is_sequence ? "seq" : "map"))
        return refuse(reader, VAULT_E_PARSE, line_of(event), "only the tags of the core schema are read");
    if (depth >= VT_LIMIT_DEPTH) return refuse(reader, VAULT_E_TOO_LARGE, line_of(event), "the nesting is too deep");
    return VAULT_OK;
}

static bool has_anchor(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL;
    default:
        return false;
    }
}

static VT_RESULT node_read(struct reader *reader, const struct event *event, unsigned depth, struct vt_value *out_value)
{
    struct vt_value value;
    if (has_anchor(&event->raw))
        return refuse(reader, VAULT_E_PARSE, line_of(event), "anchors and aliases are not read");
    if (event->raw.type == YAML_SCALAR_EVENT) {
        VT_TRY(scalar_read(reader, event, &value));
    } else {
        VT_TRY(collection_check(reader, event, depth));
        if (event->raw.type == YAML_SEQUENCE_START_EVENT)
            VT_TRY(sequence_read(reader, depth, &value));
        else
            VT_TRY(mapping_read(reader, line_of(event), depth, &value));
    }
    value.line = line_of(event);
    *out_value = value;
    return VAULT_OK;
}

static VT_RESULT expect(struct reader *reader, yaml_event_type_t type, const char *otherwise)
{
    VT_AUTO(event) event = {0};
    VT_TRY(next_event(reader, &event));
    if (event.raw.type == type) return VAULT_OK;
    return refuse(reader, VAULT_E_PARSE, line_of(&event), otherwise);
}

static VT_RESULT document_read(struct reader *reader, struct vt_value *out_value)
{
    VT_AUTO(event) event = {0};
    struct vt_value value;
    VT_TRY(next_event(reader, &event));
    VT_TRY(node_read(reader, &event, 0, &value));
    VT_TRY(expect(reader, YAML_DOCUMENT_END_EVENT, "the document does not end"));
    VT_TRY(expect(reader, YAML_STREAM_END_EVENT, "a second document begins"));
    *out_value = value;
    return VAULT_OK;
}

static VT_RESULT stream_read(struct reader *reader, struct vt_value *out_value)
{
    VT_AUTO(event) event = {0};
    VT_TRY(expect(reader, YAML_STREAM_START_EVENT, "the text does not begin"));
    VT_TRY(next_event(reader, &event));
    if (event.raw.type == YAML_DOCUMENT_START_EVENT) return document_read(reader, out_value);
    *out_value = VT_VALUE_INIT; /* nothing but comments */
    return VAULT_OK;
}

/* Tag directives could only name tags that are refused anyway, and libyaml compares each with all before it. */
static bool has_tag_directive(struct vt_bytes text, size_t *out_line)
{
    static const char directive[] = "%TAG";
    *out_line = 1;
    for (size_t i = 0; i + sizeof directive - 1 <= text.len; i++) {
        const bool is_line_start = i == 0 || text.data[i - 1] == '\n' || text.data[i - 1] == '\r';
        if (is_line_start && memcmp(text.data + i, directive, sizeof directive - 1) == 0) return true;
        *out_line += text.data[i] == '\n';
    }
    return false;
}

VT_RESULT vt_yaml_read(struct vt_pool *pool, struct vt_bytes text, struct vt_value *out_value, struct vt_err *err)
{
    size_t line;
    if (text.len > VT_LIMIT_YAML_BYTES) return vt_fail(err, VAULT_E_TOO_LARGE, NULL, "The text is too long for YAML.");
    if (!vt_utf8_is_valid(text)) return vt_fail(err, VAULT_E_PARSE, NULL, "The text is not valid UTF-8.");
    if (has_tag_directive(text, &line))
        return vt_fail(err, VAULT_E_PARSE, NULL, "Line %zu: tag directives are not read.", line);

    VT_AUTO(reader) reader = {.text = text, .pool = pool, .err = err};
    if (!yaml_parser_initialize(&reader.parser)) return vt_fail(err, VAULT_E_MEMORY, NULL, "Memory ran out.");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, text.data, text.len);
    return stream_read(&reader, out_value);
}
