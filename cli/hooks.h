/* cli/hooks.h - the few commands with work of their own on this side: streaming a file, writing a package, asking for a
 * passphrase twice. Everything else goes the generic way (run.c). Thread: main. */
#pragma once
#include "libvault/base/result.h"

struct vt_cli;
struct vt_cli_extra {
    const char *name;           /* --name; NULL ends */
    const char *placeholder;    /* NULL: a switch; FILE: a path, with or without an @ before it */
    const char *doc;
    bool is_required;
};
struct vt_cli_hook {
    const char *command;
    VT_RESULT (*run)(struct vt_cli *cli);
    bool fills_args;            /* it makes the row's own arguments; they are no options */
    const struct vt_cli_extra *extras;
};
/** NULL: the generic way. */
const struct vt_cli_hook *vt_cli_hook_find(const char *command);

VT_RESULT vt_cli_import(struct vt_cli *cli);
VT_RESULT vt_cli_export(struct vt_cli *cli);
VT_RESULT vt_cli_verify(struct vt_cli *cli);
VT_RESULT vt_cli_init(struct vt_cli *cli);
VT_RESULT vt_cli_unseal(struct vt_cli *cli);
