/* The text of a certificate: one table of lines, from which it is written and read. */
#include <inttypes.h>

#include "libvault/base/clock.h"
#include "libvault/codec/text.h"
#include "libvault/proof/certificate_internal.h"
#include "libvault/proof/proof_internal.h"

struct reader {
    struct vt_pool *pool;
    struct vt_lines lines;
    struct vt_err *err;
};

struct line;
/* Both work on the value alone; key and line feed are the driver's. A list's value is its count and its further
 * lines. */
struct format {
    vault_status (*write)(struct vt_buf *out, const struct line *line, const void *field);
    vault_status (*read)(struct reader *reader, const struct line *line, struct vt_bytes value, void *field);
};
struct line {
    const char *key;
    const struct format *format;
    size_t at;              /* of the field in struct vt_certificate */
    const void *detail;     /* as the format says */
};

/* Words ----------------------------------------------------------------------------------------------------------- */

/* Cut the first word off; what follows its space stays. */
static struct vt_bytes next_word(struct vt_bytes *text)
{
    const uint8_t *space = text->len == 0 ? NULL : memchr(text->data, ' ', text->len);
    const struct vt_bytes word = vt_bytes(text->data, space == NULL ? text->len : (size_t)(space - text->data));
    *text = space == NULL ? vt_bytes(text->data + text->len, 0) : vt_bytes(space + 1, text->len - word.len - 1);
    return word;
}

static vault_status write_hex(struct vt_buf *out, const uint8_t *bytes, size_t len)
{
    char text[65];
    VT_BUG_ON(len > 32);
    vt_hex_encode(vt_bytes(bytes, len), text);
    return vt_buf_append_str(out, text);
}

static vault_status write_time(struct vt_buf *out, int64_t at_ms)
{
    char text[VT_TIME_TEXT_LEN];
    vt_time_format(at_ms, text);
    return vt_buf_append_str(out, text);
}

static vault_status read_time(struct vt_bytes text, int64_t *out_at_ms)
{
    return vt_time_parse((const char *)text.data, text.len, out_at_ms) ? VAULT_OK : VAULT_E_PARSE;
}

/* Formats of one line --------------------------------------------------------------------------------------------- */

static vault_status write_number(struct vt_buf *out, const struct line *line, const void *field)
{
    (void)line;
    return vt_buf_printf(out, "%" PRIu64, *(const uint64_t *)field);
}
static vault_status read_number(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    (void)reader;
    (void)line;
    return vt_proof_decimal(value, field);
}
static const struct format NUMBER = {write_number, read_number};

/* Detail: the word for all zero, NULL when zero is a value like others. */
struct id_detail {
    size_t len;
    const char *none;
};
static vault_status write_id(struct vt_buf *out, const struct line *line, const void *field)
{
    const struct id_detail *detail = line->detail;
    if (detail->none != NULL && vt_proof_is_zero(field, detail->len)) return vt_buf_append_str(out, detail->none);
    return write_hex(out, field, detail->len);
}
static vault_status read_id(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    const struct id_detail *detail = line->detail;
    (void)reader;
    if (detail->none != NULL && vt_bytes_equal_str(value, detail->none)) return VAULT_OK;
    return vt_proof_hex(value, field, detail->len);
}
static const struct format ID = {write_id, read_id};
static const struct id_detail ID_16 = {16, NULL}, ID_16_OR_NONE = {16, "none"}, ID_16_OR_NOT_YET = {16, "not yet"};
static const struct id_detail ID_32_OR_NONE = {32, "none"};

/* Detail: struct vt_certificate_names. Every enumeration is an unsigned int to the compiler. */
static vault_status write_name(struct vt_buf *out, const struct line *line, const void *field)
{
    return vt_buf_append_str(out, vt_certificate_name_of(line->detail, *(const unsigned *)field));
}
static vault_status read_name(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    (void)reader;
    return vt_certificate_number_of(line->detail, value, field);
}
static const struct format NAME = {write_name, read_name};
_Static_assert(sizeof(enum vt_certificate_state) == sizeof(unsigned), "enumerations are read as unsigned");

static vault_status write_text(struct vt_buf *out, const struct line *line, const void *field)
{
    (void)line;
    return vt_buf_append(out, *(const struct vt_bytes *)field);
}
static vault_status read_text(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    (void)reader;
    (void)line;
    *(struct vt_bytes *)field = value;
    return VAULT_OK;
}
static const struct format TEXT = {write_text, read_text};

/* Detail: the only value there is. */
static vault_status write_fixed(struct vt_buf *out, const struct line *line, const void *field)
{
    (void)field;
    return vt_buf_append_str(out, line->detail);
}
static vault_status read_fixed(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    (void)reader;
    (void)field;
    return vt_bytes_equal_str(value, line->detail) ? VAULT_OK : VAULT_E_PARSE;
}
static const struct format FIXED = {write_fixed, read_fixed};

static vault_status write_bool(struct vt_buf *out, const struct line *line, const void *field)
{
    (void)line;
    return vt_buf_append_str(out, *(const bool *)field ? "yes" : "no");
}
static vault_status read_bool(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    (void)reader;
    (void)line;
    *(bool *)field = vt_bytes_equal_str(value, "yes");
    return VAULT_OK;
}
static const struct format BOOL = {write_bool, read_bool};

static vault_status write_moment(struct vt_buf *out, const struct line *line, const void *field)
{
    const int64_t at_ms = *(const int64_t *)field;
    (void)line;
    return at_ms == 0 ? vt_buf_append_str(out, "not yet") : write_time(out, at_ms);
}
static vault_status read_moment(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    (void)reader;
    (void)line;
    return vt_bytes_equal_str(value, "not yet") ? VAULT_OK : read_time(value, field);
}
static const struct format MOMENT = {write_moment, read_moment};

static vault_status write_final(struct vt_buf *out, const struct line *line, const void *field)
{
    const struct vt_certificate_final *final = field;
    (void)line;
    if (final->kind == VT_FINAL_NEVER) {
        VT_TRY(vt_buf_append_str(out, "never ("));
        VT_TRY(vt_buf_append(out, final->reason));
        return vt_buf_append_str(out, ")");
    }
    if (final->kind == VT_FINAL_NOT_BEFORE) VT_TRY(vt_buf_append_str(out, "not before "));
    return write_time(out, final->at_ms);
}
static vault_status read_final(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    struct vt_certificate_final *final = field;
    struct vt_bytes rest;
    (void)reader;
    (void)line;
    if (vt_proof_after(value, "never (", &rest)) {
        VT_ENSURE(rest.len != 0, VAULT_E_PARSE);
        *final = (struct vt_certificate_final){VT_FINAL_NEVER, 0, vt_bytes(rest.data, rest.len - 1)};
        return VAULT_OK;
    }
    final->kind = vt_proof_after(value, "not before ", &value) ? VT_FINAL_NOT_BEFORE : VT_FINAL_AT;
    return read_time(value, &final->at_ms);
}
static const struct format FINAL = {write_final, read_final};

static vault_status write_phase(struct vt_buf *out, const struct line *line, const void *field)
{
    const struct vt_certificate_phase *phase = field;
    (void)line;
    if (phase->phase == VT_PHASE_NONE) return vt_buf_append_str(out, "none");
    if (phase->phase == VT_PHASE_OPEN && phase->at_ms == 0) return vt_buf_append_str(out, "open");
    VT_TRY(vt_buf_append_str(out, phase->phase == VT_PHASE_OPEN ? "open until " : "closed "));
    return write_time(out, phase->at_ms);
}
static vault_status read_phase(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    struct vt_certificate_phase *phase = field;
    (void)reader;
    (void)line;
    phase->phase = VT_PHASE_NONE;
    if (vt_bytes_equal_str(value, "none")) return VAULT_OK;
    phase->phase = VT_PHASE_OPEN;
    if (vt_bytes_equal_str(value, "open")) return VAULT_OK;
    phase->phase = vt_proof_after(value, "open until ", &value) ? VT_PHASE_OPEN : VT_PHASE_CLOSED;
    if (phase->phase == VT_PHASE_CLOSED) VT_ENSURE(vt_proof_after(value, "closed ", &value), VAULT_E_PARSE);
    return read_time(value, &phase->at_ms);
}
static const struct format PHASE = {write_phase, read_phase};

/* Field: the whole certificate. */
static vault_status write_epochs(struct vt_buf *out, const struct line *line, const void *field)
{
    const struct vt_certificate *c = field;
    (void)line;
    if (c->epoch_to == 0) return vt_buf_append_str(out, "not yet");
    return vt_buf_printf(out, "%" PRIu64 " to %" PRIu64, c->epoch_from, c->epoch_to);
}
static vault_status read_epochs(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    struct vt_certificate *c = field;
    (void)reader;
    (void)line;
    if (vt_bytes_equal_str(value, "not yet")) return VAULT_OK;
    VT_TRY(vt_proof_decimal(next_word(&value), &c->epoch_from));
    VT_ENSURE(vt_proof_after(value, "to ", &value), VAULT_E_PARSE);
    return vt_proof_decimal(value, &c->epoch_to);
}
static const struct format EPOCHS = {write_epochs, read_epochs};

/* Field: the whole certificate. The number of keepers is told by their list, which stands before. */
static vault_status write_threshold(struct vt_buf *out, const struct line *line, const void *field)
{
    const struct vt_certificate *c = field;
    (void)line;
    return vt_buf_printf(out, "%" PRIu64 " of %zu", c->threshold, c->keeper_count);
}
static vault_status read_threshold(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    struct vt_certificate *c = field;
    (void)reader;
    (void)line;
    return vt_proof_decimal(next_word(&value), &c->threshold);
}
static const struct format THRESHOLD = {write_threshold, read_threshold};

/* Lists ----------------------------------------------------------------------------------------------------------- */

/* Detail of a list; its field is the pointer to its entries. */
struct list_detail {
    const char *entry;          /* "keeper": lines "keeper 1: ..." */
    ptrdiff_t count_at;         /* of the count, from the pointer */
    size_t size;                /* of an entry */
    vault_status (*write)(struct vt_buf *out, const void *entry);
    vault_status (*read)(struct vt_bytes value, void *entry);
};

static vault_status write_list(struct vt_buf *out, const struct line *line, const void *field)
{
    const struct list_detail *list = line->detail;
    const uint8_t *const *entries = field;
    const size_t count = *(const size_t *)((const uint8_t *)field + list->count_at);

    VT_TRY(vt_buf_printf(out, "%zu", count));
    for (size_t i = 0; i < count; i++) {
        VT_TRY(vt_buf_printf(out, "\n%s %zu: ", list->entry, i + 1));
        VT_TRY(list->write(out, *entries + i * list->size));
    }
    return VAULT_OK;
}

/* "keeper 2: " at the front; number @p index from 1. */
static bool after_entry_key(struct vt_bytes line, const struct list_detail *list, size_t index,
                            struct vt_bytes *out_value)
{
    uint64_t number;
    struct vt_bytes rest, word;

    if (!vt_proof_after(line, list->entry, &rest) || !vt_proof_after(rest, " ", &rest)) return false;
    word = next_word(&rest);
    if (word.len == 0 || word.data[word.len - 1] != ':') return false;
    if (vt_proof_decimal(vt_bytes(word.data, word.len - 1), &number) != VAULT_OK || number != index) return false;
    *out_value = rest;
    return true;
}

static vault_status read_list(struct reader *reader, const struct line *line, struct vt_bytes value, void *field)
{
    const struct list_detail *list = line->detail;
    uint64_t count;
    struct vt_bytes text;

    VT_TRY(vt_proof_decimal(value, &count));
    VT_ENSURE(count <= VT_CERTIFICATE_LIST_MAX, VAULT_E_PARSE);
    uint8_t *entries = count == 0 ? NULL : vt_pool_calloc(reader->pool, count, list->size);
    VT_ENSURE(count == 0 || entries != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < count; i++) {
        VT_ENSURE(vt_lines_next(&reader->lines, &text) && after_entry_key(text, list, i + 1, &text), VAULT_E_PARSE);
        VT_TRY(list->read(text, entries + i * list->size));
    }
    memcpy(field, &entries, sizeof entries);
    *(size_t *)(void *)((uint8_t *)field + list->count_at) = count;
    return VAULT_OK;
}
static const struct format LIST = {write_list, read_list};

static vault_status write_text_entry(struct vt_buf *out, const void *entry)
{
    return vt_buf_append(out, *(const struct vt_bytes *)entry);
}
static vault_status read_text_entry(struct vt_bytes value, void *entry)
{
    *(struct vt_bytes *)entry = value;
    return VAULT_OK;
}

static vault_status write_keeper(struct vt_buf *out, const void *entry)
{
    const struct vt_certificate_keeper *keeper = entry;
    VT_TRY(vt_buf_printf(out, "id %" PRIu64 " class %s %s", keeper->id, vt_erase_class_name(keeper->erase_class),
                         vt_certificate_name_of(&VT_ERASE_STATES, keeper->state)));
    if (keeper->state == VT_ERASE_WAITING) return VAULT_OK;
    VT_TRY(vt_buf_append_str(out, " receipt "));
    return write_hex(out, keeper->receipt, sizeof keeper->receipt);
}
static vault_status read_keeper(struct vt_bytes value, void *entry)
{
    struct vt_certificate_keeper *keeper = entry;
    unsigned erase_class, state;

    VT_ENSURE(vt_proof_after(value, "id ", &value), VAULT_E_PARSE);
    VT_TRY(vt_proof_decimal(next_word(&value), &keeper->id));
    VT_ENSURE(vt_proof_after(value, "class ", &value), VAULT_E_PARSE);
    VT_TRY(vt_certificate_number_of(&VT_ERASE_CLASSES, next_word(&value), &erase_class));
    VT_TRY(vt_certificate_number_of(&VT_ERASE_STATES, next_word(&value), &state));
    keeper->erase_class = erase_class;
    keeper->state = state;
    if (keeper->state == VT_ERASE_WAITING) return VAULT_OK;
    VT_ENSURE(vt_proof_after(value, "receipt ", &value), VAULT_E_PARSE);
    return vt_proof_hex(value, keeper->receipt, sizeof keeper->receipt);
}

static vault_status write_backup(struct vt_buf *out, const void *entry)
{
    const struct vt_certificate_backup *backup = entry;
    VT_TRY(write_hex(out, backup->id, sizeof backup->id));
    if (backup->expires_ms == 0) return vt_buf_append_str(out, " never expires");
    VT_TRY(vt_buf_append_str(out, " expires "));
    return write_time(out, backup->expires_ms);
}
static vault_status read_backup(struct vt_bytes value, void *entry)
{
    struct vt_certificate_backup *backup = entry;
    VT_TRY(vt_proof_hex(next_word(&value), backup->id, sizeof backup->id));
    if (vt_bytes_equal_str(value, "never expires")) return VAULT_OK;
    VT_ENSURE(vt_proof_after(value, "expires ", &value), VAULT_E_PARSE);
    return read_time(value, &backup->expires_ms);
}

static vault_status write_count(struct vt_buf *out, const void *entry)
{
    const struct vt_certificate_count *count = entry;
    VT_TRY(vt_buf_append(out, count->code));
    return vt_buf_printf(out, " %" PRIu64, count->count);
}
static vault_status read_count(struct vt_bytes value, void *entry)
{
    struct vt_certificate_count *count = entry;
    count->code = next_word(&value);
    return vt_proof_decimal(value, &count->count);
}

static vault_status write_approval(struct vt_buf *out, const void *entry)
{
    const struct vt_certificate_approval *approval = entry;
    VT_TRY(write_hex(out, approval->principal, sizeof approval->principal));
    VT_TRY(vt_buf_append_str(out, " at "));
    return write_time(out, approval->at_ms);
}
static vault_status read_approval(struct vt_bytes value, void *entry)
{
    struct vt_certificate_approval *approval = entry;
    VT_TRY(vt_proof_hex(next_word(&value), approval->principal, sizeof approval->principal));
    VT_ENSURE(vt_proof_after(value, "at ", &value), VAULT_E_PARSE);
    return read_time(value, &approval->at_ms);
}

/* The table ------------------------------------------------------------------------------------------------------- */

#define AT(field) offsetof(struct vt_certificate, field)
#define LIST_DETAIL(entry, list, count, write, read)                                                                   \
    {entry, (ptrdiff_t)AT(count) - (ptrdiff_t)AT(list), sizeof *((struct vt_certificate *)NULL)->list, write, read}

static const struct list_detail CATEGORIES =
    LIST_DETAIL("category", categories, category_count, write_text_entry, read_text_entry);
static const struct list_detail KEEPERS = LIST_DETAIL("keeper", keepers, keeper_count, write_keeper, read_keeper);
static const struct list_detail CUSTODIANS =
    LIST_DETAIL("custodian", custodians, custodian_count, write_keeper, read_keeper);
static const struct list_detail BACKUPS = LIST_DETAIL("backup", backups, backup_count, write_backup, read_backup);
static const struct list_detail KEPT = LIST_DETAIL("kept", kept, kept_count, write_count, read_count);
static const struct list_detail EXCLUSIONS =
    LIST_DETAIL("exclusion", exclusions, exclusion_count, write_count, read_count);
static const struct list_detail APPROVALS =
    LIST_DETAIL("approval", approvals, approval_count, write_approval, read_approval);
static const struct list_detail ASSUMPTIONS =
    LIST_DETAIL("assumption", assumptions, assumption_count, write_text_entry, read_text_entry);

/* The order is part of the format. */
static const struct line LINES[] = {
    {"vault", &ID, AT(vault_id), &ID_16},
    {"incarnation", &NUMBER, AT(incarnation), NULL},
    {"number", &NUMBER, AT(number), NULL},
    {"state", &NAME, AT(state), &VT_CERTIFICATE_STATES},
    {"reference commitment", &ID, AT(commitment), &ID_32_OR_NONE},
    {"request", &ID, AT(request_id), &ID_16_OR_NONE},
    {"scope", &NAME, AT(scope), &VT_CERTIFICATE_SCOPES},
    {"subjects", &NUMBER, AT(subjects), NULL},
    {"records", &NUMBER, AT(records), NULL},
    {"rows", &NUMBER, AT(rows), NULL},
    {"index entries", &NUMBER, AT(index_entries), NULL},
    {"deterministic tokens", &NUMBER, AT(tokens), NULL},
    {"blobs", &NUMBER, AT(blobs), NULL},
    {"categories", &LIST, AT(categories), &CATEGORIES},
    {"legal basis", &TEXT, AT(legal_basis), NULL},
    {"requested", &MOMENT, AT(requested_ms), NULL},
    {"effective", &MOMENT, AT(effective_ms), NULL},
    {"final", &FINAL, AT(final), NULL},
    {"epochs", &EPOCHS, 0, NULL},
    {"attempt", &ID, AT(attempt), &ID_16_OR_NOT_YET},
    {"method", &FIXED, 0, VT_CERTIFICATE_METHOD},
    {"keepers", &LIST, AT(keepers), &KEEPERS},
    {"threshold", &THRESHOLD, 0, NULL},
    {"custodians", &LIST, AT(custodians), &CUSTODIANS},
    {"recovery window", &PHASE, AT(window), NULL},
    {"index era", &PHASE, AT(index_era), NULL},
    {"software", &TEXT, AT(software), NULL},
    {"backups", &LIST, AT(backups), &BACKUPS},
    {"kept", &LIST, AT(kept), &KEPT},
    {"exclusions", &LIST, AT(exclusions), &EXCLUSIONS},
    {"approvals", &LIST, AT(approvals), &APPROVALS},
    {"assumptions", &LIST, AT(assumptions), &ASSUMPTIONS},
    {"test clock", &BOOL, AT(is_test_clock), NULL},
};

static vault_status write_lines(struct vt_buf *out, const struct vt_certificate *certificate)
{
    VT_TRY(vt_buf_append_str(out, VT_CERTIFICATE_FIRST_LINE "\n"));
    for (size_t i = 0; i < VT_ARRAY_LEN(LINES); i++) {
        const struct line *line = &LINES[i];
        VT_TRY(vt_buf_printf(out, "%s: ", line->key));
        VT_TRY(line->format->write(out, line, (const uint8_t *)certificate + line->at));
        VT_TRY(vt_buf_append_byte(out, '\n'));
    }
    return VAULT_OK;
}

VT_RESULT vt_certificate_write(struct vt_buf *out, const struct vt_certificate *certificate, struct vt_err *err)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_CERTIFICATE_MAX);

    VT_TRY(vt_certificate_check(certificate, err));
    VT_TRY(write_lines(&text, certificate));
    return vt_buf_append(out, vt_buf_bytes(&text));
}

static vault_status read_lines(struct reader *reader, struct vt_certificate *certificate)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(LINES); i++) {
        const struct line *line = &LINES[i];
        struct vt_bytes text, value;
        const bool is_there = vt_lines_next(&reader->lines, &text) && vt_proof_after(text, line->key, &text) &&
                              vt_proof_after(text, ": ", &value);
        const unsigned number = reader->lines.number;
        VT_ENSURE(is_there,
                  vt_fail(reader->err, VAULT_E_PARSE, line->key, "Line %u is not `%s: ...`.", number, line->key));
        const vault_status status = line->format->read(reader, line, value, (uint8_t *)certificate + line->at);
        VT_ENSURE(status != VAULT_E_PARSE,
                  vt_fail(reader->err, status, line->key, "The value of line %u cannot be read.", number));
        VT_TRY(status);
    }
    return VAULT_OK;
}

/* Reading is forgiving in places; writing again and comparing is not. */
static vault_status compare_with_written(struct vt_bytes text, const struct vt_certificate *certificate,
                                         struct vt_err *err)
{
    VT_AUTO(vt_buf) again = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    const vault_status status = vt_certificate_write(&again, certificate, err);

    if (status == VAULT_E_ARGUMENT) return VAULT_E_PARSE;       /* err says which field */
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_TOO_LARGE, status);
    VT_ENSURE(status == VAULT_OK && vt_bytes_equal(vt_buf_bytes(&again), text),
              vt_fail(err, VAULT_E_PARSE, NULL, "The text is not spelled as certificates are."));
    return VAULT_OK;
}

VT_RESULT vt_certificate_parse(struct vt_pool *pool, struct vt_bytes text, struct vt_certificate *out_certificate,
                               struct vt_err *err)
{
    struct vt_certificate certificate = {0};
    struct reader reader = {.pool = pool, .lines = {.rest = text}, .err = err};
    struct vt_bytes first;

    VT_ENSURE(text.len <= VT_CERTIFICATE_MAX && vt_proof_text_is_clean(text),
              vt_fail(err, VAULT_E_PARSE, NULL, "The text is too long or no text."));
    VT_ENSURE(vt_lines_next(&reader.lines, &first) && vt_bytes_equal_str(first, VT_CERTIFICATE_FIRST_LINE),
              vt_fail(err, VAULT_E_FORMAT, NULL, "The first line is not `" VT_CERTIFICATE_FIRST_LINE "`."));
    VT_TRY(read_lines(&reader, &certificate));
    VT_ENSURE(reader.lines.rest.len == 0, vt_fail(err, VAULT_E_PARSE, NULL, "There is more behind the last line."));
    VT_TRY(compare_with_written(text, &certificate, err));
    *out_certificate = certificate;
    return VAULT_OK;
}
