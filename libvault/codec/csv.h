/* libvault/codec/csv.h - RFC 4180 CSV, streamed; reading and writing are ours (csv.c says why). Written: CRLF, UTF-8
 * without mark, quotes where needed, absent = empty cell, empty text = "". Read: the same, and files whose records end
 * in LF, or in CR throughout. What is written reads back equal. Thread: one owner per reader. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/result.h"

/** One cell: an empty unquoted cell is absent; "" is the empty text. */
struct vt_csv_cell {
    struct vt_bytes text;
    bool is_absent;
};
struct vt_csv_reader;
/** Called per record; cells are borrowed during the call. A line without anything is a record of one absent cell:
 * whether that may stand between or behind longer records is for the caller to say.
 *  @param number 1-based record number, the header included as record 1; @param line 1-based line on which it starts;
 *  CRLF, LF and CR each end a line, inside cells too
 *  @return a failure stops the parse and is passed up */
typedef vault_status (*vt_csv_on_record)(void *context, uint64_t number, uint64_t line, const struct vt_csv_cell *cells,
                                         size_t count);
/** @param out_reader owned by the caller, free with vt_csv_reader_free()  @return VAULT_E_MEMORY */
VT_RESULT vt_csv_reader_new(vt_csv_on_record on_record, void *context, struct vt_csv_reader **out_reader);
/** Feed the next piece of the file; pieces may end anywhere. A UTF-8 mark at the start is skipped.
 *  A lone CR ends a record only where the first record break of the file is one; elsewhere it is refused, since it
 * might as well belong to a cell that lacks its quotes. After a failure every further call gives it again.
 *  @return with the line in @p err, never content: VAULT_E_PARSE for invalid UTF-8, NUL, a stray quote, text
 * behind a closing quote or a stray line break; VAULT_E_TOO_LARGE for more than VT_LIMIT_CSV_CELL_BYTES in a cell,
 *  VT_LIMIT_CSV_COLUMNS in a record or VT_LIMIT_IMPORT_LINE_BYTES in all cells of one; VAULT_E_MEMORY; what on_record
 *  returned, @p err untouched */
VT_RESULT vt_csv_reader_feed(struct vt_csv_reader *reader, struct vt_bytes piece, struct vt_err *err);
/** The file has ended; the last record may lack its line break. @return as vt_csv_reader_feed() */
VT_RESULT vt_csv_reader_finish(struct vt_csv_reader *reader, struct vt_err *err);
void vt_csv_reader_free(struct vt_csv_reader *reader); /* wipes; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_csv_reader);

/** Append one cell (with a comma before all but the first: @p is_first).
 *  @return VAULT_E_INVALID_VALUE for text the reader would refuse (NUL, invalid UTF-8), VAULT_E_TOO_LARGE past
 *  VT_LIMIT_CSV_CELL_BYTES or the buffer's maximum, VAULT_E_MEMORY; @p out unchanged then */
VT_RESULT vt_csv_write_cell(struct vt_buf *out, struct vt_csv_cell cell, bool is_first);
/** End a record with CRLF. */
VT_RESULT vt_csv_write_end(struct vt_buf *out);
/** As vt_csv_write_cell(), with one ' put in front where vt_csv_needs_guard() says so. The length limit holds with it.
 */
VT_RESULT vt_csv_write_guarded(struct vt_buf *out, struct vt_csv_cell cell, bool is_first);
/** Formula guard: a text cell that starts with = + - @ TAB CR LF, their full-width forms, or ' gets
 *  one ' in front. @return whether the text needs the guard */
bool vt_csv_needs_guard(struct vt_bytes text);
/** Take exactly one ' off a cell that was written guarded. */
struct vt_bytes vt_csv_unguard(struct vt_bytes text);
