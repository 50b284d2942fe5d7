/* cli/input.h - where the client gets what it must not get from argv: files, standard input, the environment, and
 * questions on the terminal. Files are read with read(2): stdio would keep an unwiped copy. Thread: main. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/pool.h"
#include "libvault/base/secret.h"

/** Where questions are asked and standard input is; tests give their own. */
struct vt_cli_input {
    int stdin_fd;
    int tty_fd;                             /* -1: nobody to ask */
    const char *(*env)(const char *name);   /* getenv() */
};

/** The path in what was typed for a file: "@PATH" is the same as "PATH", since values that lie in a file are named so. A name
 *  that begins with @ is typed @@. */
const char *vt_cli_path(const char *typed);
/** Append a file's content; "-" is standard input. @p what names the argument in errors; the path is never shown
 *  @return VAULT_E_NOT_FOUND, VAULT_E_IO, VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_cli_read_file(const struct vt_cli_input *input, const char *path, const char *what, struct vt_buf *out,
                           struct vt_err *err);
/** The same into @p pool, without one line break at its end when @p is_line. */
VT_RESULT vt_cli_read_text(const struct vt_cli_input *input, struct vt_pool *pool, const char *path, const char *what,
                           size_t max, bool is_line, struct vt_bytes *out_text, struct vt_err *err);
/** Ask on the terminal without echo. @return VAULT_E_ARGUMENT when there is nobody to ask, or nothing was typed */
VT_RESULT vt_cli_ask_secret(const struct vt_cli_input *input, struct vt_pool *pool, const char *question,
                            struct vt_bytes *out_secret, struct vt_err *err);
/** Let somebody type @p word. @return VAULT_E_CANCELLED for another word, VAULT_E_ARGUMENT when there is nobody to ask */
VT_RESULT vt_cli_ask_word(const struct vt_cli_input *input, const char *question, const char *word, struct vt_err *err);
