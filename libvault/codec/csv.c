/* The reader is ours because libcsv 3.0.3, which Debian packages, cannot keep the contract: its callbacks return
 * nothing, so neither a failing consumer nor a limit can stop it inside a piece; it drops empty lines, which are
 * records of one absent cell; CR, LF and CRLF look alike to its caller, so lines cannot be counted; blanks around cells
 * are stripped; and its buffer grows by realloc, which leaves unwiped copies of personal data behind. */
#include "libvault/codec/csv.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/secret.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"

/** Where in the grammar of RFC 4180 section 2 the next byte falls. */
enum place {
    PLACE_MARK,   /* at the start of the file, inside what may be a UTF-8 mark */
    PLACE_RECORD, /* at the start of a record */
    PLACE_CELL,   /* at the start of a cell that is not the record's first */
    PLACE_PLAIN,  /* inside an unquoted cell */
    PLACE_QUOTED, /* inside a quoted cell */
    PLACE_QUOTE,  /* behind a quote inside a quoted cell: it closes the cell or is half of an escaped one */
    PLACE_RETURN, /* behind a CR outside quotes */
};

enum breaks { BREAKS_UNKNOWN, BREAKS_LF, BREAKS_CR };

/** A finished cell, by where its text ends: the text may still move as it grows. */
struct cell_end {
    uint32_t end;
    bool is_absent;
};

struct vt_csv_reader {
    vt_csv_on_record on_record;
    void *context;
    enum place place;
    enum breaks breaks;
    vault_status failed;
    size_t mark_len;
    bool is_quoted;        /* the cell under way was opened by a quote */
    bool is_after_return;  /* the last byte read inside quotes was CR: an LF now belongs to the same line break */
    uint64_t record, line; /* where reading is, both from 1 */
    uint64_t record_line, cell_line;
    size_t cell_begin;
    struct vt_buf text; /* the record's cells one behind the other */
    size_t count;
    struct cell_end ends[VT_LIMIT_CSV_COLUMNS];
    struct vt_csv_cell cells[VT_LIMIT_CSV_COLUMNS];
};

static const uint8_t utf8_mark[] = {0xef, 0xbb, 0xbf};

VT_RESULT vt_csv_reader_new(vt_csv_on_record on_record, void *context, struct vt_csv_reader **out_reader)
{
    struct vt_csv_reader *reader = vt_calloc(1, sizeof *reader);
    VT_ENSURE(reader != NULL, VAULT_E_MEMORY);
    reader->on_record = on_record;
    reader->context = context;
    reader->text = VT_BUF_INIT(VT_LIMIT_IMPORT_LINE_BYTES);
    reader->record = reader->line = reader->record_line = reader->cell_line = 1;
    *out_reader = reader;
    return VAULT_OK;
}

void vt_csv_reader_free(struct vt_csv_reader *reader)
{
    if (reader == NULL) return;
    vt_buf_release(&reader->text);
    vt_wipe(reader, sizeof *reader);
    free(reader);
}

static vault_status refuse(const struct vt_csv_reader *reader, vault_status status, const char *what,
                           struct vt_err *err)
{
    return vt_fail(err, status, NULL, "Line %llu: %s.", (unsigned long long)reader->line, what);
}

static VT_RESULT cell_add(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err)
{
    const size_t len = reader->text.len - reader->cell_begin;
    if (bytes.len > VT_LIMIT_CSV_CELL_BYTES - len) return refuse(reader, VAULT_E_TOO_LARGE, "a cell is too long", err);
    const vault_status status = vt_buf_append(&reader->text, bytes);
    if (status == VAULT_OK) return VAULT_OK;
    return refuse(reader, status, status == VAULT_E_MEMORY ? "memory ran out" : "the record is too long", err);
}

static VT_RESULT cell_finish(struct vt_csv_reader *reader, struct vt_err *err)
{
    const size_t len = reader->text.len - reader->cell_begin;
    const struct vt_bytes cell = len != 0 ? vt_bytes(reader->text.data + reader->cell_begin, len) : VT_BYTES_EMPTY;
    if (!vt_utf8_is_valid(cell)) {
        reader->line = reader->cell_line;
        return refuse(reader, VAULT_E_PARSE, "a cell is not valid UTF-8", err);
    }
    if (reader->count == VT_LIMIT_CSV_COLUMNS)
        return refuse(reader, VAULT_E_TOO_LARGE, "the record has too many columns", err);
    reader->ends[reader->count++] =
        (struct cell_end){.end = (uint32_t)reader->text.len, .is_absent = len == 0 && !reader->is_quoted};
    reader->cell_begin = reader->text.len;
    reader->is_quoted = false;
    return VAULT_OK;
}

static VT_RESULT record_deliver(struct vt_csv_reader *reader)
{
    size_t begin = 0;
    for (size_t i = 0; i < reader->count; i++) {
        const struct cell_end *end = &reader->ends[i];
        const struct vt_bytes text =
            end->end != begin ? vt_bytes(reader->text.data + begin, end->end - begin) : vt_bytes_str("");
        reader->cells[i] = (struct vt_csv_cell){.text = text, .is_absent = end->is_absent};
        begin = end->end;
    }
    return reader->on_record(reader->context, reader->record, reader->record_line, reader->cells, reader->count);
}

static VT_RESULT record_finish(struct vt_csv_reader *reader, struct vt_err *err)
{
    VT_TRY(cell_finish(reader, err));
    VT_TRY(record_deliver(reader));
    vt_buf_reset(&reader->text);
    reader->count = reader->cell_begin = 0;
    reader->record++;
    return VAULT_OK;
}

static void record_begin(struct vt_csv_reader *reader)
{
    reader->place = PLACE_RECORD;
    reader->line++;
    reader->record_line = reader->cell_line = reader->line;
}

/* A record break: LF and CRLF may mix, CR alone only with itself. */
static VT_RESULT break_take(struct vt_csv_reader *reader, enum breaks kind, struct vt_err *err)
{
    if (reader->breaks == BREAKS_UNKNOWN) reader->breaks = kind;
    if (reader->breaks != kind)
        return refuse(reader, VAULT_E_PARSE, "a line break is not of the kind that ends the first record", err);
    VT_TRY(record_finish(reader, err));
    record_begin(reader);
    return VAULT_OK;
}

/* What may follow a cell that is complete: a comma or a record break. */
static VT_RESULT take_separator(struct vt_csv_reader *reader, uint8_t byte, struct vt_err *err)
{
    if (byte == '\n') return break_take(reader, BREAKS_LF, err);
    if (byte == '\r') {
        reader->place = PLACE_RETURN;
        return VAULT_OK;
    }
    if (byte != ',') return refuse(reader, VAULT_E_PARSE, "text follows a closing quote", err);
    VT_TRY(cell_finish(reader, err));
    reader->place = PLACE_CELL;
    reader->cell_line = reader->line;
    return VAULT_OK;
}

/* Line breaks inside a quoted cell are content and count as lines. */
static void count_lines(struct vt_csv_reader *reader, struct vt_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        const bool is_return = bytes.data[i] == '\r';
        if (is_return || (bytes.data[i] == '\n' && !reader->is_after_return)) reader->line++;
        reader->is_after_return = is_return;
    }
}

static size_t quoted_len(struct vt_bytes bytes)
{
    const uint8_t *quote = memchr(bytes.data, '"', bytes.len);
    const size_t len = quote != NULL ? (size_t)(quote - bytes.data) : bytes.len;
    const uint8_t *nul = memchr(bytes.data, '\0', len);
    return nul != NULL ? (size_t)(nul - bytes.data) : len;
}

static VT_RESULT take_quoted(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err, size_t *out_taken)
{
    const size_t len = quoted_len(bytes);
    const struct vt_bytes content = vt_bytes(bytes.data, len);
    VT_TRY(cell_add(reader, content, err));
    count_lines(reader, content);
    *out_taken = len;
    if (len == bytes.len) return VAULT_OK;
    if (bytes.data[len] == '\0') return refuse(reader, VAULT_E_PARSE, "a NUL byte", err);
    reader->place = PLACE_QUOTE;
    *out_taken = len + 1;
    return VAULT_OK;
}

static size_t plain_len(struct vt_bytes bytes)
{
    size_t len = 0;
    while (len < bytes.len && bytes.data[len] != ',' && bytes.data[len] != '\r' && bytes.data[len] != '\n' &&
           bytes.data[len] != '"' && bytes.data[len] != '\0')
        len++;
    return len;
}

static VT_RESULT take_plain(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err, size_t *out_taken)
{
    const size_t len = plain_len(bytes);
    reader->place = PLACE_PLAIN;
    VT_TRY(cell_add(reader, vt_bytes(bytes.data, len), err));
    *out_taken = len;
    if (len == bytes.len) return VAULT_OK;
    if (bytes.data[len] == '"') return refuse(reader, VAULT_E_PARSE, "a quote stands inside an unquoted cell", err);
    if (bytes.data[len] == '\0') return refuse(reader, VAULT_E_PARSE, "a NUL byte", err);
    *out_taken = len + 1;
    return take_separator(reader, bytes.data[len], err);
}

static VT_RESULT take_cell_start(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err,
                                 size_t *out_taken)
{
    if (bytes.data[0] != '"') return take_plain(reader, bytes, err, out_taken);
    reader->is_quoted = true;
    reader->is_after_return = false;
    reader->place = PLACE_QUOTED;
    *out_taken = 1;
    return VAULT_OK;
}

static VT_RESULT take_after_quote(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err,
                                  size_t *out_taken)
{
    *out_taken = 1;
    if (bytes.data[0] != '"') return take_separator(reader, bytes.data[0], err);
    reader->place = PLACE_QUOTED;
    reader->is_after_return = false;
    return cell_add(reader, vt_bytes(bytes.data, 1), err);
}

static VT_RESULT take_after_return(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err,
                                   size_t *out_taken)
{
    const bool is_pair = bytes.data[0] == '\n';
    *out_taken = is_pair ? 1 : 0;
    return break_take(reader, is_pair ? BREAKS_LF : BREAKS_CR, err);
}

static VT_RESULT take(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err);

/* What began like a mark and is none is text: it is taken from the constant, since its bytes may have come in an
 * earlier piece. */
static VT_RESULT take_mark(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err, size_t *out_taken)
{
    *out_taken = 1;
    if (bytes.data[0] == utf8_mark[reader->mark_len]) {
        if (++reader->mark_len == sizeof utf8_mark) reader->place = PLACE_RECORD;
        return VAULT_OK;
    }
    *out_taken = 0;
    reader->place = PLACE_RECORD;
    return take(reader, vt_bytes(utf8_mark, reader->mark_len), err);
}

static VT_RESULT take_some(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err, size_t *out_taken)
{
    switch (reader->place) {
    case PLACE_MARK:
        return take_mark(reader, bytes, err, out_taken);
    case PLACE_RECORD:
    case PLACE_CELL:
        return take_cell_start(reader, bytes, err, out_taken);
    case PLACE_PLAIN:
        return take_plain(reader, bytes, err, out_taken);
    case PLACE_QUOTED:
        return take_quoted(reader, bytes, err, out_taken);
    case PLACE_QUOTE:
        return take_after_quote(reader, bytes, err, out_taken);
    case PLACE_RETURN:
        return take_after_return(reader, bytes, err, out_taken);
    }
    return VAULT_E_PARSE;
}

static VT_RESULT take(struct vt_csv_reader *reader, struct vt_bytes bytes, struct vt_err *err)
{
    size_t at = 0;
    while (at < bytes.len) {
        size_t taken = 0;
        VT_TRY(take_some(reader, vt_bytes(bytes.data + at, bytes.len - at), err, &taken));
        at += taken;
    }
    return VAULT_OK;
}

static VT_RESULT take_end(struct vt_csv_reader *reader, struct vt_err *err)
{
    if (reader->place == PLACE_MARK) {
        reader->place = PLACE_RECORD;
        VT_TRY(take(reader, vt_bytes(utf8_mark, reader->mark_len), err));
    }
    switch (reader->place) {
    case PLACE_RECORD:
        return VAULT_OK;
    case PLACE_RETURN:
        return break_take(reader, BREAKS_CR, err);
    case PLACE_QUOTED:
        return refuse(reader, VAULT_E_PARSE, "the file ends inside a quoted cell", err);
    default:
        return record_finish(reader, err);
    }
}

static vault_status remember(struct vt_csv_reader *reader, vault_status status)
{
    reader->failed = status;
    return status;
}

VT_RESULT vt_csv_reader_feed(struct vt_csv_reader *reader, struct vt_bytes piece, struct vt_err *err)
{
    if (reader->failed != VAULT_OK) return refuse(reader, reader->failed, "the file was refused here", err);
    return remember(reader, take(reader, piece, err));
}

VT_RESULT vt_csv_reader_finish(struct vt_csv_reader *reader, struct vt_err *err)
{
    if (reader->failed != VAULT_OK) return refuse(reader, reader->failed, "the file was refused here", err);
    return remember(reader, take_end(reader, err));
}

/* A text that begins with the bytes of a mark would lose them at the start of a file. */
static bool needs_quotes(struct vt_bytes text, bool is_first)
{
    if (text.len == 0) return true;
    if (is_first && text.len >= sizeof utf8_mark && memcmp(text.data, utf8_mark, sizeof utf8_mark) == 0) return true;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == ',' || text.data[i] == '"' || text.data[i] == '\r' || text.data[i] == '\n') return true;
    return false;
}

static VT_RESULT write_quoted(struct vt_buf *out, struct vt_bytes text)
{
    VT_TRY(vt_buf_append_byte(out, '"'));
    while (text.len != 0) {
        const uint8_t *quote = memchr(text.data, '"', text.len);
        const size_t len = quote != NULL ? (size_t)(quote - text.data) + 1 : text.len;
        VT_TRY(vt_buf_append(out, vt_bytes(text.data, len)));
        if (quote != NULL) VT_TRY(vt_buf_append_byte(out, '"'));
        text = vt_bytes(text.data + len, text.len - len);
    }
    return vt_buf_append_byte(out, '"');
}

static VT_RESULT write_cell(struct vt_buf *out, struct vt_csv_cell cell, bool is_first)
{
    if (!is_first) VT_TRY(vt_buf_append_byte(out, ','));
    if (cell.is_absent) return VAULT_OK;
    VT_ENSURE(cell.text.len <= VT_LIMIT_CSV_CELL_BYTES, VAULT_E_TOO_LARGE);
    VT_ENSURE(vt_utf8_is_valid(cell.text), VAULT_E_INVALID_VALUE);
    VT_ENSURE(cell.text.len == 0 || memchr(cell.text.data, '\0', cell.text.len) == NULL, VAULT_E_INVALID_VALUE);
    return needs_quotes(cell.text, is_first) ? write_quoted(out, cell.text) : vt_buf_append(out, cell.text);
}

VT_RESULT vt_csv_write_cell(struct vt_buf *out, struct vt_csv_cell cell, bool is_first)
{
    const size_t begin = out->len;
    const vault_status status = write_cell(out, cell, is_first);
    if (status != VAULT_OK) vt_buf_truncate(out, begin);
    return status;
}

VT_RESULT vt_csv_write_end(struct vt_buf *out)
{
    return vt_buf_append_str(out, "\r\n");
}

VT_RESULT vt_csv_write_guarded(struct vt_buf *out, struct vt_csv_cell cell, bool is_first)
{
    if (cell.is_absent || !vt_csv_needs_guard(cell.text)) return vt_csv_write_cell(out, cell, is_first);
    VT_AUTO(vt_buf) guarded = VT_BUF_INIT(VT_LIMIT_CSV_CELL_BYTES);
    VT_TRY(vt_buf_append_byte(&guarded, '\''));
    VT_TRY(vt_buf_append(&guarded, cell.text));
    return vt_csv_write_cell(out, (struct vt_csv_cell){.text = vt_buf_bytes(&guarded)}, is_first);
}

bool vt_csv_needs_guard(struct vt_bytes text)
{
    static const char *const starts[] = {"=",
                                         "+",
                                         "-",
                                         "@",
                                         "\t",
                                         "\r",
                                         "\n",
                                         "'",
                                         "\xef\xbc\x9d",  /* U+FF1D full-width = */
                                         "\xef\xbc\x8b",  /* U+FF0B full-width + */
                                         "\xef\xbc\x8d",  /* U+FF0D full-width - */
                                         "\xef\xbc\xa0"}; /* U+FF20 full-width @ */
    for (size_t i = 0; i < VT_ARRAY_LEN(starts); i++) {
        const size_t len = strlen(starts[i]);
        if (text.len >= len && memcmp(text.data, starts[i], len) == 0) return true;
    }
    return false;
}

struct vt_bytes vt_csv_unguard(struct vt_bytes text)
{
    if (text.len == 0 || text.data[0] != '\'') return text;
    return vt_bytes(text.data + 1, text.len - 1);
}
