#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { READ_PIECE = 64 * 1024, ANSWER_MAX = 4096 };

static VT_RESULT read_all(int fd, const char *what, struct vt_buf *out, struct vt_err *err)
{
    for (;;) {
        uint8_t piece[READ_PIECE];
        const ssize_t len = read(fd, piece, sizeof piece);
        if (len < 0 && errno == EINTR) continue;
        if (len < 0) return vt_fail(err, VAULT_E_IO, what, "The file for %s could not be read.", what);
        if (len == 0) return VAULT_OK;
        const vault_status status = vt_buf_append(out, vt_bytes(piece, (size_t)len));
        vt_wipe(piece, (size_t)len);
        if (status == VAULT_E_TOO_LARGE)
            return vt_fail(err, status, what, "The file for %s is larger than %zu bytes.", what, out->max);
        VT_TRY(status);
    }
}

const char *vt_cli_path(const char *typed)
{
    return typed[0] == '@' && typed[1] != '\0' ? typed + 1 : typed;
}

VT_RESULT vt_cli_read_file(const struct vt_cli_input *input, const char *path, const char *what, struct vt_buf *out,
                           struct vt_err *err)
{
    if (strcmp(path, "-") == 0) return read_all(input->stdin_fd, what, out, err);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return vt_fail(err, VAULT_E_NOT_FOUND, what, "The file for %s does not exist.", what);
    if (fd < 0) return vt_fail(err, VAULT_E_IO, what, "The file for %s could not be opened: %s.", what, strerror(errno));
    const vault_status status = read_all(fd, what, out, err);
    close(fd);
    return status;
}

/* One line break at the end belongs to the editor, not to the value. */
static size_t line_len(struct vt_bytes text)
{
    if (text.len != 0 && text.data[text.len - 1] == '\n') text.len--;
    if (text.len != 0 && text.data[text.len - 1] == '\r') text.len--;
    return text.len;
}

VT_RESULT vt_cli_read_text(const struct vt_cli_input *input, struct vt_pool *pool, const char *path, const char *what,
                           size_t max, bool is_line, struct vt_bytes *out_text, struct vt_err *err)
{
    VT_AUTO(vt_buf) content = VT_BUF_INIT(max);
    VT_TRY(vt_cli_read_file(input, path, what, &content, err));
    const struct vt_bytes all = vt_buf_bytes(&content);
    const struct vt_bytes text = vt_pool_copy(pool, vt_bytes(all.data, is_line ? line_len(all) : all.len));
    VT_ENSURE(text.data != NULL, VAULT_E_MEMORY);
    *out_text = text;
    return VAULT_OK;
}

static bool say(int fd, const char *text)
{
    const size_t len = strlen(text);
    return write(fd, text, len) == (ssize_t)len;
}

/* Read a line from the terminal, a byte at a time so that nothing typed ahead is lost. */
static VT_RESULT read_answer(int fd, char *answer, size_t size, size_t *out_len, struct vt_err *err)
{
    size_t len = 0;
    while (len < size) {
        const ssize_t got = read(fd, answer + len, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 || answer[len] == '\n') {
            *out_len = len;
            return VAULT_OK;
        }
        len++;
    }
    return vt_fail(err, VAULT_E_TOO_LARGE, NULL, "The answer is longer than %zu bytes.", size);
}

static VT_RESULT ask(const struct vt_cli_input *input, const char *question, char *answer, size_t size, size_t *out_len,
                     struct vt_err *err)
{
    if (!say(input->tty_fd, question)) return vt_fail(err, VAULT_E_IO, NULL, "The terminal cannot be written to.");
    return read_answer(input->tty_fd, answer, size, out_len, err);
}

VT_RESULT vt_cli_ask_secret(const struct vt_cli_input *input, struct vt_pool *pool, const char *question,
                            struct vt_bytes *out_secret, struct vt_err *err)
{
    struct termios before;
    if (input->tty_fd < 0 || tcgetattr(input->tty_fd, &before) != 0)
        return vt_fail(err, VAULT_E_ARGUMENT, NULL, "There is no terminal to ask on: give the secret by file or environment.");
    struct termios hidden = before;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(input->tty_fd, TCSAFLUSH, &hidden) != 0)
        return vt_fail(err, VAULT_E_IO, NULL, "The terminal's echo cannot be turned off.");
    char answer[ANSWER_MAX];
    size_t len = 0;
    const vault_status status = ask(input, question, answer, sizeof answer, &len, err);
    const bool is_back = tcsetattr(input->tty_fd, TCSAFLUSH, &before) == 0 && say(input->tty_fd, "\n");
    const struct vt_bytes secret = vt_pool_copy(pool, vt_bytes(answer, len));
    vt_wipe(answer, sizeof answer);
    VT_TRY(status);
    if (!is_back) return vt_fail(err, VAULT_E_IO, NULL, "The terminal's echo cannot be turned on again.");
    if (len == 0) return vt_fail(err, VAULT_E_ARGUMENT, NULL, "Nothing was typed.");
    VT_ENSURE(secret.data != NULL, VAULT_E_MEMORY);
    *out_secret = secret;
    return VAULT_OK;
}

VT_RESULT vt_cli_ask_word(const struct vt_cli_input *input, const char *question, const char *word, struct vt_err *err)
{
    if (input->tty_fd < 0)
        return vt_fail(err, VAULT_E_ARGUMENT, "yes", "There is no terminal to confirm on: give --yes.");
    char answer[ANSWER_MAX];
    size_t len;
    VT_TRY(ask(input, question, answer, sizeof answer, &len, err));
    if (vt_bytes_equal_str(vt_bytes(answer, len), word)) return VAULT_OK;
    return vt_fail(err, VAULT_E_CANCELLED, NULL, "Not confirmed; nothing was done.");
}
