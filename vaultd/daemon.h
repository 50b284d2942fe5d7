/* vaultd/daemon.h - the daemon from its settings: opens keepers, journal, store and vault, serves until a signal, closes.
 * Thread: main. */
#pragma once
#include "vaultd/options.h"

/** Serve until SIGTERM or SIGINT; SIGHUP reloads. @return why it could not start, VAULT_E_TIMEOUT when the drain had to cut
 *  connections off; err says it in a sentence */
VT_RESULT vt_daemon_run(struct vt_options *options, struct vt_err *err);
/** As the start does, without looking at files: dev mode fills its own settings in, then all are. @return as vt_config_check() */
VT_RESULT vt_daemon_check_settings(struct vt_options *options, struct vt_err *err);
/** Setting log.level. */
void vt_daemon_set_log_level(const struct vt_config *config);
