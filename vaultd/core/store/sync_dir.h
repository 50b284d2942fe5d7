/* vaultd/core/store/sync_dir.h - a name in a directory is durable only once the directory is synced, that of a new directory
 * once its parent is. Thread: any. */
#pragma once
#include "libvault/base/result.h"

/** @return VAULT_E_IO */
VT_RESULT vt_sync_dir(const char *path);
/** The directory that holds the directory @p path. @return VAULT_E_IO */
VT_RESULT vt_sync_parent(const char *path);
