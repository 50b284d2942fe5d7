#include "cli/hooks.h"

#include <stddef.h>
#include <string.h>

static const struct vt_cli_extra IMPORT_EXTRAS[] = {
    {"file", "FILE", "the rows: CSV with a header, or JSON Lines of objects; not `-`, it is read twice", true},
    {"mapping", "FILE", "YAML: which column is which field", true},
    {"input-format", "csv|jsonl", "what the file is; else its name's end decides", false},
    {"batch", "ROWS", "rows of one call; default 500", false},
    {"in-flight", "CALLS", "calls under way at once; default 4", false},
    {"rejects", "FILE", "where the reasons of refused rows go, mode 0600; default FILE.rejects.csv", false},
    {"strict", NULL, "fail when a row was refused", false},
    {NULL, NULL, NULL, false},
};
static const struct vt_cli_extra EXPORT_EXTRAS[] = {
    {"to", "DIR", "write the package there; must not exist, or be empty", false},
    {NULL, NULL, NULL, false},
};
static const struct vt_cli_extra VERIFY_EXTRAS[] = {
    {"key", "VKEY", "verifier key name+hash+base64: check here, without asking a vault", false},
    {NULL, NULL, NULL, false},
};
static const struct vt_cli_hook HOOKS[] = {
    {"record.import", vt_cli_import, true, IMPORT_EXTRAS}, {"subject.export", vt_cli_export, false, EXPORT_EXTRAS},
    {"certificate.verify", vt_cli_verify, false, VERIFY_EXTRAS}, {"vault.init", vt_cli_init, false, NULL},
    {"vault.unseal", vt_cli_unseal, false, NULL},
};

const struct vt_cli_hook *vt_cli_hook_find(const char *command)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(HOOKS); i++)
        if (strcmp(HOOKS[i].command, command) == 0) return &HOOKS[i];
    return NULL;
}
