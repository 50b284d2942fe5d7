/* vaultd/core/epoch/rows_check.h - opens every row that the closing of epochs keeps, for `store check`: the ledger and its index,
 * requests that are pending, what certificates owe, eras of the index, the set of keepers, the wraps. Changes nothing, and reads
 * the store, not what is in memory. Thread: any. */
#pragma once
#include "vaultd/core/keyring/keyring.h"

/** Told once for each part that is damaged; the statuses are those of the part's own reader. What it returns but VAULT_OK ends
 *  the check: so a failure that is no damage, of memory or of the disk, is passed on. @p sentence is static */
typedef vault_status (*vt_rows_damaged)(void *context, vault_status status, const char *sentence);
VT_RESULT vt_epoch_check_rows(struct vt_keyring_view *view, vt_rows_damaged damaged, void *context);
