/* cli/help.h - what there is, from the command table: all commands, one group, one command. Thread: any. */
#pragma once
#include "libvault/base/buf.h"

struct vt_command;

VT_RESULT vt_cli_help_all(struct vt_buf *out);
/** The group exists. */
VT_RESULT vt_cli_help_group(struct vt_buf *out, const char *group);
VT_RESULT vt_cli_help_command(struct vt_buf *out, const struct vt_command *command);
/** How the command is typed: "subject shred" or "init". */
VT_RESULT vt_cli_typed(struct vt_buf *out, const struct vt_command *command);
/** How it is typed with all that it cannot do without: "subject find --collection NAME --field NAME [--options]". */
VT_RESULT vt_cli_usage(struct vt_buf *out, const struct vt_command *command);
/** A completion script. @return VAULT_E_ARGUMENT for a shell that is not bash, zsh or fish */
VT_RESULT vt_cli_completion(struct vt_buf *out, const char *shell, struct vt_err *err);
