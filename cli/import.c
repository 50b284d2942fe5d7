#include "cli/cli.h"
#include "cli/hooks.h"

VT_RESULT vt_cli_import(struct vt_cli *cli)
{
    return vt_cli_generic(cli, false);
}
