/* The first byte says how long the pieces are in which the rest, the file, arrives. */
#include "libvault/codec/csv.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "tests/fuzz/fuzz.h"

enum { LOG_MAX = 64 << 20 };

/** What one reading gave: every cell with its place, and the file written again. */
struct reading {
    struct vt_buf log;
    struct vt_buf file;
    bool is_guarded; /* write with the formula guard */
    bool takes_guard_off;
    bool logs_lines;
};
static void reading_release(struct reading *reading)
{
    vt_buf_release(&reading->log);
    vt_buf_release(&reading->file);
}
#define READING_INIT                                              \
    {                                                             \
        .log = VT_BUF_INIT(LOG_MAX), .file = VT_BUF_INIT(LOG_MAX) \
    }

static VT_RESULT log_cell(struct vt_buf *log, struct vt_csv_cell cell)
{
    VT_TRY(vt_buf_append_byte(log, cell.is_absent));
    VT_TRY(vt_buf_append_u64(log, cell.text.len));
    return vt_buf_append(log, cell.text);
}

static vault_status on_record(void *context, uint64_t number, uint64_t line, const struct vt_csv_cell *cells,
                              size_t count)
{
    struct reading *reading = context;
    FUZZ_CHECK(count != 0 && count <= VT_LIMIT_CSV_COLUMNS && number != 0 && line >= number);
    VT_TRY(vt_buf_append_u64(&reading->log, number));
    VT_TRY(vt_buf_append_u64(&reading->log, reading->logs_lines ? line : 0));
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(vt_utf8_is_valid(cells[i].text) && (!cells[i].is_absent || cells[i].text.len == 0));
        struct vt_csv_cell cell = cells[i];
        if (reading->takes_guard_off) cell.text = vt_csv_unguard(cell.text);
        VT_TRY(log_cell(&reading->log, cell));
        VT_TRY(reading->is_guarded ? vt_csv_write_guarded(&reading->file, cell, i == 0)
                                   : vt_csv_write_cell(&reading->file, cell, i == 0));
    }
    return vt_csv_write_end(&reading->file);
}

static vault_status read_file(struct vt_bytes file, size_t step, struct reading *reading, struct vt_err *err)
{
    VT_AUTO_PTR(vt_csv_reader) reader = NULL;
    VT_TRY(vt_csv_reader_new(on_record, reading, &reader));
    for (size_t at = 0; at < file.len; at += step)
        VT_TRY(vt_csv_reader_feed(reader, vt_bytes(file.data + at, VT_MIN(step, file.len - at)), err));
    return vt_csv_reader_finish(reader, err);
}

static bool same(const struct vt_buf *a, const struct vt_buf *b)
{
    return vt_bytes_equal(vt_buf_bytes(a), vt_buf_bytes(b));
}

/* What was written reads as it was, and under the guard once it is taken off. A cell of full length has no room for the
 * guard: then on_record fails, and there is nothing to compare. */
static void check_written(struct vt_bytes file)
{
    VT_AUTO(reading) plain = READING_INIT;
    VT_AUTO(reading) again = READING_INIT;
    VT_AUTO(reading) guarded = READING_INIT;
    VT_AUTO(reading) unguarded = READING_INIT;
    FUZZ_CHECK(read_file(file, file.len + 1, &plain, NULL) == VAULT_OK);
    FUZZ_CHECK(read_file(vt_buf_bytes(&plain.file), LOG_MAX, &again, NULL) == VAULT_OK);
    FUZZ_CHECK(same(&plain.log, &again.log) && same(&plain.file, &again.file));

    guarded.is_guarded = unguarded.takes_guard_off = true;
    if (read_file(file, file.len + 1, &guarded, NULL) == VAULT_E_TOO_LARGE) return;
    FUZZ_CHECK(read_file(vt_buf_bytes(&guarded.file), LOG_MAX, &unguarded, NULL) == VAULT_OK);
    FUZZ_CHECK(same(&plain.log, &unguarded.log));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) return 0;
    const struct vt_bytes file = vt_bytes(data + 1, len - 1);
    VT_AUTO(reading) whole = READING_INIT;
    VT_AUTO(reading) pieces = READING_INIT;
    struct vt_err whole_err = {0}, pieces_err = {0};
    whole.logs_lines = pieces.logs_lines = true;
    const vault_status status = read_file(file, file.len + 1, &whole, &whole_err);
    FUZZ_CHECK(read_file(file, 1 + data[0] % 16, &pieces, &pieces_err) == status);
    FUZZ_CHECK(same(&whole.log, &pieces.log));
    FUZZ_CHECK(strcmp(whole_err.message, pieces_err.message) == 0);
    FUZZ_CHECK((status == VAULT_OK) == (whole_err.message[0] == '\0'));
    if (status == VAULT_OK) check_written(file);
    return 0;
}
