/* vaultd - the daemon. */
#include <malloc.h>
#include <stdio.h>

#include "libvault/base/secret.h"
#include "vaultd/daemon.h"
#include "vaultd/keeper_process.h"

enum { PRINT_MAX = 256 * 1024 };

static VT_RESULT print_buf(const struct vt_buf *text)
{
    VT_ENSURE(fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0, VAULT_E_IO);
    return VAULT_OK;
}

static VT_RESULT print_settings(const struct vt_options *options)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(PRINT_MAX);
    VT_TRY(options->mode == VT_MODE_SAMPLE ? vt_config_sample(&text) : vt_config_print(options->config, &text));
    return print_buf(&text);
}

static VT_RESULT run(struct vt_options *options, struct vt_err *err)
{
    switch (options->mode) {
    case VT_MODE_HELP:
        return fputs(VT_USAGE, stdout) >= 0 ? VAULT_OK : VAULT_E_IO;
    case VT_MODE_VERSION:
        return puts("vaultd " VT_VERSION) >= 0 ? VAULT_OK : VAULT_E_IO;
    case VT_MODE_PRINT:
    case VT_MODE_SAMPLE:
        return print_settings(options);
    case VT_MODE_CHECK:
        VT_TRY(options->is_keeper ? vt_config_check_keeper(options->config, err) : vt_daemon_check_settings(options, err));
        return puts("The settings are in order; the files that they name were not looked at.") >= 0 ? VAULT_OK : VAULT_E_IO;
    case VT_MODE_SERVE:
        return options->is_keeper ? vt_keeper_process_run(options, err) : vt_daemon_run(options, err);
    }
    return VAULT_E_ARGUMENT;
}

/* glibc keeps what is freed: an arena for each thread, and blocks of up to 32 MiB in them once one such block was freed. A busy
 * hour would then be seen in memory for ever. Bounds that are set no longer grow by themselves. */
static void bound_heap(void)
{
    enum { ARENAS = 4, MMAP_FROM_LEN = 512 * 1024, TRIM_FROM_LEN = 1024 * 1024 };
    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM_LEN);
    mallopt(M_TRIM_THRESHOLD, TRIM_FROM_LEN);
}

int main(int argc, char **argv)
{
    struct vt_options options = VT_OPTIONS_INIT;
    struct vt_err err = {{0}, {0}};
    bound_heap();
    vault_status status = vt_secret_harden_process();
    if (status == VAULT_OK) status = vt_options_read(argc, argv, &options, &err);
    if (status == VAULT_OK) status = run(&options, &err);
    if (status != VAULT_OK) fprintf(stderr, "vaultd: %s\n", err.message[0] != '\0' ? err.message : vault_status_text(status));
    vt_options_release(&options);
    return vault_status_exit(status);
}
