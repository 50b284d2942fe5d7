/* cli/main.c - vaultctl: a terminal, an environment and an exit status around cli/run.c. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "libvault/codec/json.h"
#include "libvault/codec/limits.h"

enum { RUN_POOL_MAX = 16 * (size_t)VT_LIMIT_REPLY_BYTES, EXPLANATION_MAX = 4096 };

static const char *environment(const char *name)
{
    return getenv(name);
}

/* Questions go to the terminal itself, since standard input may carry data; without one there is nobody to ask. */
static int open_terminal(void)
{
    return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

static void explain(const struct vt_cli *cli, vault_status status)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(EXPLANATION_MAX);
    const bool is_written = vt_cli_explain(&text, status, &cli->error) == VAULT_OK;
    const struct vt_bytes said = is_written ? vt_buf_bytes(&text) : vt_bytes_str("vaultctl: Not enough memory.\n");
    /* When nobody can be told, the exit status still says it. */
    if (write(STDERR_FILENO, said.data, said.len) < 0) return;
}

static vault_status run(int argc, char **argv)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(RUN_POOL_MAX);
    __attribute__((cleanup(vt_cli_release))) struct vt_cli cli = {
        .pool = &pool,
        .input = {.stdin_fd = STDIN_FILENO, .tty_fd = open_terminal(), .env = environment},
        .out_fd = STDOUT_FILENO,
        .err_fd = STDERR_FILENO,
    };
    const vault_status status = vt_cli_run(&cli, argc > 0 ? argc - 1 : 0, argv + (argc > 0 ? 1 : 0));
    if (status != VAULT_OK) explain(&cli, status);
    if (cli.input.tty_fd >= 0) close(cli.input.tty_fd);
    return status;
}

/* Where standard input, output or error is closed, the next file or socket would get its number, and what is said its bytes. The
 * number is taken by a descriptor that can neither be read nor written, so that it fails as before. */
static bool take_standard_fds(void)
{
    int fd;
    do fd = open("/", O_PATH | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

int main(int argc, char **argv)
{
    if (!take_standard_fds()) return vault_status_exit(VAULT_E_IO);
    vt_json_init();
    /* A reader that goes away is an error of write(2), which is told like any other. */
    signal(SIGPIPE, SIG_IGN);
    if (vt_secret_harden_process() != VAULT_OK) return vault_status_exit(VAULT_E_IO);
    return vault_status_exit(run(argc, argv));
}
