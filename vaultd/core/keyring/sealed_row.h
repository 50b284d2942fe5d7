/* vaultd/core/keyring/sealed_row.h - rows of the vault itself: ledger, pending requests, holds, approvals. They are sealed under
 * the ledger key of T_sys, so that no person's key opens them and none of them opens a person's data. Bytes: docs/FORMAT.md,
 * "Ledger, pending requests, certificates". Thread: as the view. */
#pragma once
#include "libvault/crypto/aead.h"
#include "vaultd/core/keyring/keyring.h"

enum { VT_SEALED_ROW_PREFIX_LEN = 8, VT_SEALED_ROW_OVERHEAD = VT_SEALED_ROW_PREFIX_LEN + VT_SEAL_OVERHEAD };

/** A sealed row as it lies in the store: incarnation of writing 8 | SEAL(ledger key, context of kind and fields, plain).
 *  @param fields what follows the common head of the context. @param out_value appended */
VT_RESULT vt_sealed_row(struct vt_keyring_view *view, enum vt_seal_kind kind, struct vt_bytes fields, struct vt_bytes plain,
                        struct vt_buf *out_value);
/** @param out_plain exactly @p plain_len bytes. @return VAULT_E_CORRUPT for another length, VAULT_E_AUTHENTICITY */
VT_RESULT vt_sealed_row_open(struct vt_keyring_view *view, enum vt_seal_kind kind, struct vt_bytes fields,
                             struct vt_bytes value, uint8_t *out_plain, size_t plain_len);
