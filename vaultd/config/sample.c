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

static const char *example_of(const struct vt_setting_row *row)
{
    if (row->otherwise != NULL) return row->otherwise;
    if (row->kind == VT_SETTING_NAMES) return "[customer-care, billing]";
    if (row->kind == VT_SETTING_KEEPERS) return "[{name: local, file: /etc/vaultd/keeper-1.vtk}]";
    return row == &VT_SETTINGS[VT_SET_DATA_DIR]          ? "/var/lib/vaultd"
           : row == &VT_SETTINGS[VT_SET_JOURNAL_DIR]     ? "/mnt/journal/vaultd"
           : row == &VT_SETTINGS[VT_SET_TLS_CERTIFICATE] ? "/etc/vaultd/tls/server.pem"
                                                         : "/etc/vaultd/tls/server.key";
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
