/* libvault/codec/csv.h - RFC 4180 CSV, streamed. Reading through libcsv (strict); writing is ours: CRLF, UTF-8 without
 * mark, quotes where needed, absent = empty cell, empty text = "". Thread: one owner per reader. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/result.h"

/** One cell: an empty unquoted cell is absent; "" is the empty text. */
struct vt_csv_cell {
    struct vt_bytes text;
    bool is_absent;
};
struct vt_csv_reader;
/** Called per record; cells are borrowed during the call.
 *  @param number 1-based record number, the header included as record 1; @param line 1-based line on which it starts
 *  @return a failure stops the parse and is passed up */
typedef vault_status (*vt_csv_on_record)(void *context, uint64_t number, uint64_t line, const struct vt_csv_cell *cells,
                                         size_t count);
VT_RESULT vt_csv_reader_new(vt_csv_on_record on_record, void *context, struct vt_csv_reader **out_reader);
/** Feed the next piece of the file. A UTF-8 mark at the start is skipped. Invalid UTF-8, NUL, a stray quote, a cell or
 *  column count past limits.h: VAULT_E_PARSE or VAULT_E_TOO_LARGE with record and line in err. */
VT_RESULT vt_csv_reader_feed(struct vt_csv_reader *reader, struct vt_bytes piece, struct vt_err *err);
/** The file has ended; the last record may lack its line break. */
VT_RESULT vt_csv_reader_finish(struct vt_csv_reader *reader, struct vt_err *err);
void vt_csv_reader_free(struct vt_csv_reader *reader);
VT_DEFINE_AUTO_PTR(vt_csv_reader);

/** Append one cell (with a comma before all but the first: @p is_first) and end a record with CRLF. */
VT_RESULT vt_csv_write_cell(struct vt_buf *out, struct vt_csv_cell cell, bool is_first);
VT_RESULT vt_csv_write_end(struct vt_buf *out);
/** Formula guard (RIGHTS section 6): a text cell that starts with = + - @ TAB CR LF, their full-width forms, or ' gets
 *  one ' in front; unguard takes exactly one off. @return whether the text needs the guard */
bool vt_csv_needs_guard(struct vt_bytes text);
