/* vaultd/dev.h - dev mode: everything that production asks of an operator is made up beside the data, so that one command gives a
 * vault that works. Same code paths otherwise: TLS, audit, sync. Never the secrets are printed, only where they lie.
 *
 *     DIR/tls/ca.pem ...   DIR/store/   DIR/run/vaultd.sock   DIR/keeper/keeper-1.vtk   DIR/keeper/unseal.key
 *     DIR/credentials/<role>
 * Thread: main. */
#pragma once
#include "vaultd/options.h"
#include "vaultd/service/vault.h"

enum { VT_PATH_MAX = 4096 };
/** Fill in the settings that were not given: data_dir, tls, keepers. Nothing is looked at or made.
 *  @return VAULT_E_ARGUMENT when it would listen elsewhere than on a loopback address */
VT_RESULT vt_dev_fill(struct vt_options *options, struct vt_err *err);
/** DIR and the directories in it, mode 0700, and TLS certificates unless they are there; after vt_dev_fill().
 *  @return VAULT_E_STATE when others may enter DIR; VAULT_E_IO */
VT_RESULT vt_dev_prepare(const struct vt_options *options, struct vt_err *err);
/** Initialise an empty vault and unseal it; credentials are made when the vault is. The committer runs. */
VT_RESULT vt_dev_unseal(const struct vt_options *options, struct vt_vault *vault, struct vt_err *err);
