/* cli/cli.h - one run of vaultctl: the command line, where the vault is, the connection, and where output goes.
 * Thread: main. */
#pragma once
#include "cli/args.h"
#include "cli/input.h"
#include "cli/settings.h"

struct vt_cli {
    struct vt_pool *pool;               /* lives as long as the run */
    struct vt_cli_input input;
    struct vt_cli_line line;
    struct vt_cli_settings settings;
    struct vt_client *client;           /* NULL until vt_cli_connect() */
    struct vt_client_error error;       /* why it failed; error.text.message empty: the status's own sentence */
    int out_fd;
    int err_fd;
};

/** Do what the command line says. @p cli zeroed but for pool, input, fds
 *  @return what happened; cli->error says why */
VT_RESULT vt_cli_run(struct vt_cli *cli, int count, char *const *argv);
/** One sentence with the field and the stable code; never a value. */
VT_RESULT vt_cli_explain(struct vt_buf *out, vault_status status, const struct vt_client_error *error);
void vt_cli_release(struct vt_cli *cli);

/* For the hooks. */
/** Add tenant and purpose from environment and file where the command line does not give them. */
VT_RESULT vt_cli_settled_params(struct vt_cli *cli);
/** Add secrets that were asked for or lie in files or the environment; check the params against the row.
 *  @param is_new  a secret typed now for the first time: it is asked for twice */
VT_RESULT vt_cli_complete(struct vt_cli *cli, bool is_new);
/** Ask for the typed confirmation where the row wants one. */
VT_RESULT vt_cli_confirm(struct vt_cli *cli);
/** Connect and log in, as far as the command needs it. */
VT_RESULT vt_cli_connect(struct vt_cli *cli);
VT_RESULT vt_cli_call(struct vt_cli *cli, const char *method, const struct vt_value *params,
                      const struct vt_value **out_result);
/** Print a result in the format asked for. */
VT_RESULT vt_cli_print(struct vt_cli *cli, const struct vt_value *result);
/** Say something to the person at the terminal; programs that read the output do not see it. When it cannot be said, nothing fails
 *  for that. */
void vt_cli_remark(struct vt_cli *cli, const char *sentence);
/** A descriptor for a progress bar, or -1. */
int vt_cli_progress_fd(const struct vt_cli *cli);
/** What the command does when it has no hook: complete, confirm, connect, call, wait for the job, print. */
VT_RESULT vt_cli_generic(struct vt_cli *cli, bool is_new);
/** The text of an integer option in [1, max], or @p otherwise when it was not given. @return VAULT_E_ARGUMENT */
VT_RESULT vt_cli_number(struct vt_cli *cli, const char *extra, int64_t otherwise, int64_t max, int64_t *out_number);
