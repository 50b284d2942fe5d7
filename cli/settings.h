/* cli/settings.h - where the vault is and who calls it: flag, then environment (VAULTD_X, VAULTD_X_FILE), then the
 * configuration file, then what is built in. A credential never stands in the configuration file itself, only the path
 * of one. Thread: main. */
#pragma once
#include "cli/args.h"
#include "libvault/client/client.h"

struct vt_cli_settings {
    struct vt_client_options client;
    uint8_t pin[32];
    bool is_json;
    bool is_over_socket;
    struct vt_bytes tenant;         /* empty: the vault's default */
    struct vt_bytes purpose;
    const char *credential_file;    /* NULL: the environment's, if any */
    struct vt_bytes credential;     /* from VAULTD_CREDENTIAL; empty when it is not set */
};

/** @param out_settings borrows from @p pool and @p line
 *  @return VAULT_E_ARGUMENT, VAULT_E_NOT_FOUND and VAULT_E_IO (files), VAULT_E_PARSE (the configuration), VAULT_E_MEMORY */
VT_RESULT vt_cli_settle(struct vt_pool *pool, const struct vt_cli_input *input, const struct vt_cli_line *line,
                        struct vt_cli_settings *out_settings, struct vt_err *err);
