/* The sample file, written from the rows, so that it cannot say other than the code. */
#include <stdio.h>

#include "vaultd/config/config.h"

static VT_RESULT sample_doc(const struct vt_setting_row *row, const char *indent, struct vt_buf *out)
{
    VT_TRY(vt_buf_printf(out, "%s# %s", indent, row->doc));
    if (row->kind == VT_SETTING_INT)
        VT_TRY(vt_buf_printf(out, " %lld to %lld%s%s.", (long long)row->least, (long long)row->most,
                             row->unit[0] != '\0' ? " " : "", row->unit));
    if (row->is_required) VT_TRY(vt_buf_append_str(out, " Required."));
    if (row->is_reloadable) VT_TRY(vt_buf_append_str(out, " Reloaded on SIGHUP."));
    return vt_buf_append_str(out, "\n");
}

static const struct {
    enum vt_setting setting;
    const char *text;
} EXAMPLES[] = {
    {VT_SET_DATA_DIR, "/var/lib/vaultd"},
    {VT_SET_TLS_CERTIFICATE, "/etc/vaultd/tls/server.pem"},
    {VT_SET_TLS_KEY, "/etc/vaultd/tls/server.key"},
    {VT_SET_REMOTE_CA, "/etc/vaultd/keepers/ca.pem"},
    {VT_SET_REMOTE_CERTIFICATE, "/etc/vaultd/keepers/vault.pem"},
    {VT_SET_REMOTE_KEY, "/etc/vaultd/keepers/vault.key"},
    {VT_SET_KEEPER_CLIENT_CA, "/etc/vaultd/keepers/ca.pem"},
    {VT_SET_JOURNAL_DIR, "/mnt/journal/vaultd"},
};

static const char *example_of(const struct vt_setting_row *row)
{
    if (row->otherwise != NULL) return row->otherwise;
    if (row->kind == VT_SETTING_NAMES) return "[customer-care, billing]";
    if (row->kind == VT_SETTING_KEEPERS) return "[{name: local, file: /etc/vaultd/keeper-1.vtk}]";
    if (row->kind == VT_SETTING_FINGERPRINTS)
        return "[00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff]";
    for (size_t i = 0; i < VT_ARRAY_LEN(EXAMPLES); i++)
        if (row == &VT_SETTINGS[EXAMPLES[i].setting]) return EXAMPLES[i].text;
    return "";
}

VT_RESULT vt_config_sample(struct vt_buf *out)
{
    size_t group_len = 0;
    const char *group = "";
    VT_TRY(vt_buf_append_str(out, "# Settings of vaultd, each with its default. Written by: vaultd --sample-config\n"));
    for (int i = 0; i < VT_SET_COUNT; i++) {
        const struct vt_setting_row *row = &VT_SETTINGS[i];
        const char *dot = strchr(row->name, '.');
        const size_t len = dot != NULL ? (size_t)(dot - row->name) : 0;
        if (len != 0 && (len != group_len || strncmp(group, row->name, len) != 0))
            VT_TRY(vt_buf_printf(out, "\n#%.*s:\n", (int)len, row->name));
        if (len == 0) VT_TRY(vt_buf_append_str(out, "\n"));
        group = row->name;
        group_len = len;
        VT_TRY(sample_doc(row, len != 0 ? "  " : "", out));
        VT_TRY(vt_buf_printf(out, "#%s%s: %s\n", len != 0 ? "  " : "", dot != NULL ? dot + 1 : row->name, example_of(row)));
    }
    return VAULT_OK;
}
