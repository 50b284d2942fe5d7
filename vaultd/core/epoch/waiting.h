/* vaultd/core/epoch/waiting.h - requests to forget that the brake holds back: they lie here until their approval is granted and its
 * delay has passed, and hide nothing meanwhile. A row is a pending request without a certificate number, under its approval's id.
 * Source: docs/ERASURE.md "The brake on mass shredding"; docs/FORMAT.md "Approvals". Thread: reads any; writes the committer. */
#pragma once
#include "vaultd/core/epoch/ledger.h"

/** Requests of one approval; one more opens another. What a denial deletes in one transaction. */
enum { VT_WAITING_MAX = 100000 };
/** @p pending->approval says where. @return VAULT_E_EXISTS when that scope waits there already */
VT_RESULT vt_waiting_add(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_pending *pending);
/** Does exactly this scope wait under an open approval? @return VAULT_E_NOT_FOUND */
VT_RESULT vt_waiting_find(struct vt_txn *txn, const struct vt_scope *scope, uint8_t out_approval[16]);
/** At most @p max requests of the approval, in order of scope. */
VT_RESULT vt_waiting_list(struct vt_keyring_view *view, const uint8_t approval[16], struct vt_pending *out_pending, size_t max,
                          size_t *out_count);
/** The same one by one; stops at what @p visit returns but VAULT_OK. @p visit must not write. */
typedef vault_status (*vt_waiting_visit)(void *context, const struct vt_pending *pending);
VT_RESULT vt_waiting_each(struct vt_keyring_view *view, const uint8_t approval[16], vt_waiting_visit visit, void *context);
VT_RESULT vt_waiting_delete(struct vt_txn *txn, const struct vt_pending *pending);
/** All of them. */
VT_RESULT vt_waiting_clear(struct vt_txn *txn, const uint8_t approval[16]);
