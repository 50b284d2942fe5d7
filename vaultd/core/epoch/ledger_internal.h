/* vaultd/core/epoch/ledger_internal.h - what the closing of an epoch needs of the ledger's rows. Private to this folder.
 * Thread: as ledger.h. */
#pragma once
#include "vaultd/core/epoch/ledger.h"
#include "vaultd/core/keyring/sealed_row.h"

enum {
    VT_LEDGER_PLAIN_LEN = 80,
    VT_PENDING_PLAIN_LEN = 176,
    VT_SCOPE_KEY_LEN = 26,          /* sid 16 | category 2 | record 8 */
};
void vt_scope_key(const struct vt_scope *scope, uint8_t out_key[VT_SCOPE_KEY_LEN]);
void vt_pending_encode(const struct vt_pending *pending, uint8_t out_plain[VT_PENDING_PLAIN_LEN]);
VT_RESULT vt_pending_decode(const uint8_t plain[VT_PENDING_PLAIN_LEN], struct vt_pending *out_pending);
/** Delete the row of a pending request: its epoch is closing. */
VT_RESULT vt_pending_delete(struct vt_txn *txn, const struct vt_scope *scope);
/** Write the certificate in state pending. */
VT_RESULT vt_certificate_pending(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_evidence *evidence,
                                 const struct vt_pending *pending);
enum { VT_CERTIFICATE_KEY_LEN = 9 };    /* state 1 | number 8 */
/** A row of CERTIFICATE; the text is borrowed. @return VAULT_E_FORMAT, VAULT_E_CORRUPT */
VT_RESULT vt_certificate_row_split(struct vt_bytes row, uint64_t *out_index, struct vt_bytes *out_text);
/** Take a certificate in state pending away; its leaf stays in the log. @return VAULT_E_NOT_FOUND */
VT_RESULT vt_certificate_take_back(struct vt_txn *txn, uint64_t number);
/** A number that rises from 1, kept in META. */
VT_RESULT vt_counter_next(struct vt_txn *txn, const char *name, uint64_t *out_number);
/** The last number that was given, 0 when none was. */
VT_RESULT vt_counter_last(struct vt_txn *txn, const char *name, uint64_t *out_number);
#define VT_COUNTER_LEDGER "ledger-sequence"
#define VT_COUNTER_CERTIFICATE "certificate-number"
#define VT_COUNTER_JOURNALED "ledger-journaled"
/** Append the rows of the ledger behind @p after_sequence, and of its index, in the journal's encoding. */
VT_RESULT vt_ledger_rows(struct vt_keyring_view *view, uint64_t after_sequence, struct vt_buf *out_rows,
                         uint64_t *out_last_sequence);
/** One row in the journal's encoding. @param value NULL: deleted */
VT_RESULT vt_journal_row(struct vt_buf *out_rows, enum vt_table table, struct vt_bytes key, const struct vt_bytes *value);
