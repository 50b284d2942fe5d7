/* vaultd/keeper_process.h - `vaultd --keeper`: a process that holds one share of a vault's root key in locked memory (class E4),
 * and nothing else. All its memory is locked, or it does not start. Thread: main. */
#pragma once
#include "vaultd/options.h"

/** Serve until SIGTERM or SIGINT, at which the share is gone. @return why it could not start; err says it in a sentence */
VT_RESULT vt_keeper_process_run(struct vt_options *options, struct vt_err *err);
