/* cli/rows.h - the rows of a CSV or JSON Lines file, one after the other, as maps of column to value; and the file's
 * SHA-256, which is its identity. The file must be a regular one: it is read more than once, since a file that is broken at
 * its end must not be imported up to there: mended, it would be another file. Thread: main. */
#pragma once
#include "libvault/codec/value.h"

struct vt_mapping;

enum vt_cli_rows_format { VT_CLI_ROWS_CSV, VT_CLI_ROWS_JSONL };
enum { VT_CLI_SHA256_HEX = 65 };

struct vt_cli_row {
    uint64_t record;            /* 1 for the first row behind the header */
    uint64_t line;              /* on which it starts */
    uint64_t file_bytes;        /* read so far, for progress */
    const struct vt_value *columns;     /* a map, borrowed during the call; absent cells are absent */
};
typedef vault_status (*vt_cli_on_row)(void *context, const struct vt_cli_row *row);

/** @return VAULT_E_NOT_FOUND, VAULT_E_IO, VAULT_E_ARGUMENT (not a regular file) */
VT_RESULT vt_cli_rows_open(const char *path, int *out_fd, uint64_t *out_bytes, struct vt_err *err);
/** Hash the whole file and go back to its begin. */
VT_RESULT vt_cli_rows_hash(int fd, char out_hex[VT_CLI_SHA256_HEX], struct vt_err *err);
/** Whether the whole file can be read and the header of a CSV file fits the mapping; goes back to its begin.
 *  @return as vt_cli_rows_read(), vt_mapping_bind() */
VT_RESULT vt_cli_rows_check(int fd, enum vt_cli_rows_format format, const struct vt_mapping *mapping, struct vt_err *err);
/** Read all rows. @return what @p on_row returned; VAULT_E_PARSE, VAULT_E_TOO_LARGE with the line, never content */
VT_RESULT vt_cli_rows_read(int fd, enum vt_cli_rows_format format, vt_cli_on_row on_row, void *context,
                           struct vt_err *err);
