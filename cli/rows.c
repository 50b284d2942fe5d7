#include "cli/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/secret.h"
#include "libvault/codec/csv.h"
#include "libvault/codec/json.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "libvault/schema/mapping.h"

enum { PIECE_BYTES = 64 * 1024, ROW_POOL_MAX = 32 * VT_LIMIT_IMPORT_LINE_BYTES };

VT_RESULT vt_cli_rows_open(const char *path, int *out_fd, uint64_t *out_bytes, struct vt_err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);      /* a pipe is to be refused, not waited for */
    if (fd < 0 && errno == ENOENT) return vt_fail(err, VAULT_E_NOT_FOUND, "file", "The file to import does not exist.");
    if (fd < 0) return vt_fail(err, VAULT_E_IO, "file", "The file to import could not be opened: %s.", strerror(errno));
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        close(fd);
        return vt_fail(err, VAULT_E_ARGUMENT, "file", "The file to import must be a regular file: it is read twice.");
    }
    *out_fd = fd;
    *out_bytes = (uint64_t)about.st_size;
    return VAULT_OK;
}

/* A piece of the file; its bytes are the caller's to wipe. */
static VT_RESULT read_piece(int fd, uint8_t piece[PIECE_BYTES], size_t *out_len, struct vt_err *err)
{
    ssize_t len;
    do {
        len = read(fd, piece, PIECE_BYTES);
    } while (len < 0 && errno == EINTR);
    if (len < 0) return vt_fail(err, VAULT_E_IO, "file", "The file to import could not be read.");
    *out_len = (size_t)len;
    return VAULT_OK;
}

VT_RESULT vt_cli_rows_hash(int fd, char out_hex[VT_CLI_SHA256_HEX], struct vt_err *err)
{
    VT_AUTO_PTR(vt_sha256_stream) stream = NULL;
    VT_TRY(vt_sha256_stream_new(&stream));
    for (size_t len = 1; len != 0;) {
        uint8_t piece[PIECE_BYTES];
        VT_TRY(read_piece(fd, piece, &len, err));
        const vault_status status = vt_sha256_stream_update(stream, vt_bytes(piece, len));
        vt_wipe(piece, len);
        VT_TRY(status);
    }
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(vt_sha256_stream_finish(stream, hash));
    if (lseek(fd, 0, SEEK_SET) != 0) return vt_fail(err, VAULT_E_IO, "file", "The file to import cannot be read again.");
    vt_hex_encode(VT_BYTES_OF(hash), out_hex);
    return VAULT_OK;
}

/* One pass over a file. */
struct pass {
    vt_cli_on_row on_row;
    void *context;
    struct vt_err *err;
    uint64_t file_bytes;
    uint64_t record;
    struct vt_pool pool;            /* of one row */
    struct vt_pool names;           /* the header's, as long as the pass */
    const struct vt_mapping *mapping;   /* NULL: the header has been checked */
    struct vt_bytes *header;        /* CSV */
    size_t column_count;
};

static void pass_release(struct pass *pass)
{
    vt_pool_release(&pass->pool);
    vt_pool_release(&pass->names);
}

static VT_RESULT give_row(struct pass *pass, uint64_t line, const struct vt_value *columns)
{
    const struct vt_cli_row row = {.record = ++pass->record, .line = line, .file_bytes = pass->file_bytes, .columns = columns};
    const vault_status status = pass->on_row(pass->context, &row);
    vt_pool_reset(&pass->pool);
    return status;
}

static VT_RESULT keep_header(struct pass *pass, const struct vt_csv_cell *cells, size_t count)
{
    pass->header = vt_pool_calloc(&pass->names, count, sizeof *pass->header);
    VT_ENSURE(pass->header != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < count; i++) {
        if (cells[i].is_absent || cells[i].text.len == 0)
            return vt_fail(pass->err, VAULT_E_PARSE, "file", "Column %zu of the header has no name.", i + 1);
        pass->header[i] = vt_pool_copy(&pass->names, cells[i].text);
        VT_ENSURE(pass->header[i].data != NULL, VAULT_E_MEMORY);
        for (size_t k = 0; k < i; k++)
            if (vt_bytes_equal(pass->header[k], pass->header[i]))
                return vt_fail(pass->err, VAULT_E_PARSE, "file", "Columns %zu and %zu have the same name.", k + 1, i + 1);
    }
    pass->column_count = count;
    if (pass->mapping == NULL) return VAULT_OK;
    struct vt_mapping_plan *plan;
    return vt_mapping_bind(&pass->names, pass->mapping, cells, count, &plan, pass->err);
}

static vault_status csv_record(void *context, uint64_t number, uint64_t line, const struct vt_csv_cell *cells, size_t count)
{
    struct pass *pass = context;
    if (number == 1) return keep_header(pass, cells, count);
    const bool is_empty_line = count == 1 && cells[0].is_absent && pass->column_count > 1;
    if (is_empty_line) return VAULT_OK;
    if (count != pass->column_count)
        return vt_fail(pass->err, VAULT_E_PARSE, "file", "The record on line %llu has %zu cells; the header has %zu.",
                       (unsigned long long)line, count, pass->column_count);
    struct vt_value columns = vt_value_map();
    for (size_t i = 0; i < count; i++)
        if (!cells[i].is_absent)
            VT_TRY(vt_value_append(&pass->pool, &columns, pass->header[i], vt_value_text(cells[i].text), NULL));
    return give_row(pass, line, &columns);
}

static VT_RESULT read_csv(int fd, struct pass *pass)
{
    VT_AUTO_PTR(vt_csv_reader) reader = NULL;
    VT_TRY(vt_csv_reader_new(csv_record, pass, &reader));
    for (size_t len = 1; len != 0;) {
        uint8_t piece[PIECE_BYTES];
        VT_TRY(read_piece(fd, piece, &len, pass->err));
        pass->file_bytes += len;
        const vault_status status = len != 0 ? vt_csv_reader_feed(reader, vt_bytes(piece, len), pass->err)
                                             : vt_csv_reader_finish(reader, pass->err);
        vt_wipe(piece, len);
        VT_TRY(status);
    }
    if (pass->header != NULL) return VAULT_OK;
    return vt_fail(pass->err, VAULT_E_PARSE, "file", "The file is empty: a CSV file begins with a header.");
}

/* Some programs put a mark at the begin of UTF-8 text; it is no part of it. */
static struct vt_bytes without_mark(struct vt_bytes text, uint64_t line)
{
    static const uint8_t MARK[] = {0xef, 0xbb, 0xbf};
    const bool has_mark = line == 1 && text.len >= sizeof MARK && memcmp(text.data, MARK, sizeof MARK) == 0;
    return has_mark ? vt_bytes(text.data + sizeof MARK, text.len - sizeof MARK) : text;
}

static VT_RESULT json_line(struct pass *pass, struct vt_bytes text, uint64_t line)
{
    text = without_mark(text, line);
    if (text.len != 0 && text.data[text.len - 1] == '\r') text.len--;
    if (text.len == 0) return VAULT_OK;
    struct vt_value columns;
    struct vt_value present = vt_value_map();
    if (vt_json_read(&pass->pool, text, &columns, NULL) != VAULT_OK || columns.kind != VT_VALUE_MAP)
        return vt_fail(pass->err, VAULT_E_PARSE, "file", "Line %llu is not one JSON object.", (unsigned long long)line);
    for (size_t i = 0; i < columns.map.count; i++) {
        const struct vt_pair *pair = &columns.map.pairs[i];
        if (pair->value.kind != VT_VALUE_NIL)
            VT_TRY(vt_value_append(&pass->pool, &present, pair->key, pair->value, NULL));
    }
    return give_row(pass, line, &present);
}

/* Take the whole lines off @p pending. */
static VT_RESULT take_lines(struct pass *pass, struct vt_buf *pending, uint64_t *line)
{
    const uint8_t *end;
    while ((end = pending->len != 0 ? memchr(pending->data, '\n', pending->len) : NULL) != NULL) {
        const size_t len = (size_t)(end - pending->data);
        VT_TRY(json_line(pass, vt_bytes(pending->data, len), ++*line));
        vt_buf_consume(pending, len + 1);
    }
    return VAULT_OK;
}

static VT_RESULT read_jsonl(int fd, struct pass *pass)
{
    VT_AUTO(vt_buf) pending = VT_BUF_INIT(VT_LIMIT_IMPORT_LINE_BYTES + PIECE_BYTES);
    uint64_t line = 0;
    for (size_t len = 1; len != 0;) {
        uint8_t piece[PIECE_BYTES];
        VT_TRY(read_piece(fd, piece, &len, pass->err));
        pass->file_bytes += len;
        const vault_status status = vt_buf_append(&pending, vt_bytes(piece, len));
        vt_wipe(piece, len);
        if (status == VAULT_E_TOO_LARGE)
            return vt_fail(pass->err, status, "file", "Line %llu is longer than %d bytes.", (unsigned long long)line + 1,
                           VT_LIMIT_IMPORT_LINE_BYTES);
        VT_TRY(status);
        VT_TRY(take_lines(pass, &pending, &line));
    }
    return json_line(pass, vt_buf_bytes(&pending), line + 1);
}

static VT_RESULT read_file(int fd, enum vt_cli_rows_format format, const struct vt_mapping *mapping, vt_cli_on_row on_row,
                           void *context, struct vt_err *err)
{
    __attribute__((cleanup(pass_release))) struct pass pass = {.on_row = on_row,
                                                               .context = context,
                                                               .err = err,
                                                               .mapping = mapping,
                                                               .pool = VT_POOL_INIT(ROW_POOL_MAX),
                                                               .names = VT_POOL_INIT(VT_LIMIT_IMPORT_LINE_BYTES * 4)};
    return format == VT_CLI_ROWS_CSV ? read_csv(fd, &pass) : read_jsonl(fd, &pass);
}

static vault_status pass_over(void *context, const struct vt_cli_row *row)
{
    (void)context;
    (void)row;
    return VAULT_OK;
}

VT_RESULT vt_cli_rows_check(int fd, enum vt_cli_rows_format format, const struct vt_mapping *mapping, struct vt_err *err)
{
    VT_TRY(read_file(fd, format, mapping, pass_over, NULL, err));
    if (lseek(fd, 0, SEEK_SET) != 0) return vt_fail(err, VAULT_E_IO, "file", "The file to import cannot be read again.");
    return VAULT_OK;
}

VT_RESULT vt_cli_rows_read(int fd, enum vt_cli_rows_format format, vt_cli_on_row on_row, void *context, struct vt_err *err)
{
    return read_file(fd, format, NULL, on_row, context, err);
}
