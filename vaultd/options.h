/* vaultd/options.h - what stands on the daemon's command line. Nothing secret may stand there: other users can read it.
 * Thread: main. */
#pragma once
#include "vaultd/config/config.h"

enum vt_mode { VT_MODE_SERVE, VT_MODE_CHECK, VT_MODE_PRINT, VT_MODE_SAMPLE, VT_MODE_VERSION, VT_MODE_HELP };
struct vt_options {
    enum vt_mode mode;
    bool is_keeper, is_dev, is_read_only, has_test_clock;
    int64_t test_clock_ms;              /* where the test clock starts */
    const char *unseal_key_file;        /* NULL: dev mode's own */
    struct vt_config *config;           /* owned */
    int argc;
    char **argv;                        /* borrowed: what the settings are read from again on SIGHUP */
};
#define VT_OPTIONS_INIT ((struct vt_options){0})
/** Reads the configuration file, too, which flags override.
 *  @return VAULT_E_ARGUMENT with a sentence; as vt_config_read_file() */
VT_RESULT vt_options_read(int argc, char **argv, struct vt_options *out_options, struct vt_err *err);
void vt_options_release(struct vt_options *options);
extern const char VT_USAGE[];
