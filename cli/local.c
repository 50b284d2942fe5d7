#include <string.h>

#include "cli/cli.h"
#include "cli/hooks.h"
#include "libvault/proof/certificate.h"

/* Whether some way to wrap or open was given: by option, file or environment. */
static bool has_secret(const struct vt_cli *cli)
{
    for (size_t i = 0; cli->line.command->args[i].name != NULL; i++)
        if (cli->line.is_secret_asked[i] || cli->line.secret_files[i] != NULL) return true;
    static const char *const VARIABLES[] = {"VAULTD_PASSPHRASE", "VAULTD_PASSPHRASE_FILE", "VAULTD_KEY_FILE",
                                            "VAULTD_KEY_FILE_FILE", "VAULTD_SHARE", "VAULTD_SHARE_FILE"};
    for (size_t i = 0; i < VT_ARRAY_LEN(VARIABLES); i++)
        if (cli->input.env(VARIABLES[i]) != NULL) return true;
    return false;
}

/* Asked for nothing else, ask for the passphrase. */
static void ask_passphrase(struct vt_cli *cli)
{
    for (size_t i = 0; cli->line.command->args[i].name != NULL; i++)
        if (strcmp(cli->line.command->args[i].name, "passphrase") == 0) cli->line.is_secret_asked[i] = true;
}

VT_RESULT vt_cli_init(struct vt_cli *cli)
{
    if (!has_secret(cli) && vt_value_get(&cli->line.params, "shares") == NULL) ask_passphrase(cli);
    VT_TRY(vt_cli_generic(cli, true));
    vt_cli_remark(cli, "What is secret above is shown this once; the vault keeps no copy. Put it away before you go on.");
    return VAULT_OK;
}

VT_RESULT vt_cli_unseal(struct vt_cli *cli)
{
    if (!has_secret(cli)) ask_passphrase(cli);
    return vt_cli_generic(cli, false);
}

/* With a key at hand the certificate is checked here: the vault's own word is not needed for it. */
VT_RESULT vt_cli_verify(struct vt_cli *cli)
{
    const char *key = vt_cli_extra(&cli->line, "key");
    if (key == NULL) return vt_cli_generic(cli, false);
    struct vt_err *err = &cli->error.text;
    VT_TRY(vt_command_validate(cli->line.command, &cli->line.params, err));
    struct vt_note_verifier verifier;
    const vault_status status = vt_note_verifier_parse(vt_bytes_str(key), &verifier);
    if (status != VAULT_OK)
        return vt_fail(err, status, "key", "The verifier key must be name+hash+base64, as certificate show prints it.");
    struct vt_certificate certificate;
    VT_TRY(vt_certificate_verify(cli->pool, vt_value_get_text(&cli->line.params, "note"), &verifier, 1, &certificate, err));
    struct vt_value view, result = vt_value_map();
    VT_TRY(vt_certificate_view(cli->pool, &certificate, &view));
    VT_TRY(vt_value_put(cli->pool, &result, "is_authentic", vt_value_bool(true), NULL));
    VT_TRY(vt_value_put(cli->pool, &result, "number", vt_value_int((int64_t)certificate.number), NULL));
    VT_TRY(vt_value_put(cli->pool, &result, "state", vt_value_str(vt_certificate_state_name(certificate.state)), NULL));
    VT_TRY(vt_value_put(cli->pool, &result, "certificate", view, NULL));
    return vt_cli_print(cli, &result);
}
