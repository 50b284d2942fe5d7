/* vaultd/core/epoch/ledger.h - what has been destroyed: pending requests, the ledger that outlives them, certificates.
 * Ledger entries {seq, kind, object id 16, sid, category, record, op, certificate number} are sealed under the ledger
 * key of T_sys and indexed by sid, so that a dead token finds its certificate: token -> sid -> ledger -> certificate.
 * Thread: reads any; writes the committer. */
#pragma once
#include "libvault/proof/certificate.h"
#include "vaultd/core/keyring/keyring.h"
#include "vaultd/core/keyring/stamps.h"

enum vt_ledger_op {
    VT_LEDGER_SHRED = 1,            /* keys of the scope are gone */
    VT_LEDGER_CORRECT = 2,          /* an older value must not come back */
    VT_LEDGER_REVOKE_TOKEN = 3,
    VT_LEDGER_REVOKE_CREDENTIAL = 4,
    VT_LEDGER_POLICY = 5,
    VT_LEDGER_DELETE_RECORD = 6,
};
struct vt_ledger_entry {
    uint64_t sequence;              /* given by vt_ledger_append */
    uint8_t op;                     /* vt_ledger_op */
    uint8_t object_id[16];          /* random id of the request, token row, credential ... */
    vt_tenant_id tenant;
    struct vt_scope scope;
    uint64_t certificate;           /* 0: none */
    uint64_t epoch;                 /* in which it took effect */
    int64_t at_ms;
};
VT_RESULT vt_ledger_append(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_ledger_entry *entry);
/** The newest shred that covers @p scope (itself, its category, its whole subject). @return VAULT_E_NOT_FOUND */
VT_RESULT vt_ledger_find(struct vt_keyring_view *view, const struct vt_scope *scope, struct vt_ledger_entry *out_entry);
/** Entries from @p from_sequence on, in order; stops when @p visit returns false. */
VT_RESULT vt_ledger_walk(struct vt_keyring_view *view, uint64_t from_sequence,
                         bool (*visit)(void *context, const struct vt_ledger_entry *entry), void *context);

/** A request to forget, durable as `pending`. */
struct vt_pending {
    struct vt_scope scope;
    vt_tenant_id tenant;
    uint8_t object_id[16];          /* random: the request */
    uint64_t certificate;           /* number given at once */
    uint8_t commitment[32];         /* SHA-256(salt 32 || controller's reference); the salt goes to the requester
                                     * only */
    char legal_basis[33];           /* code, e.g. "gdpr-17-1-a", "ccpa-1798.105"; not personal */
    int64_t requested_at_ms;
    uint8_t principal[16];
};
/** Write the pending row and the certificate in state pending. @p pending->certificate and object_id are filled in.
 *  A repeat for the same scope returns the first one's numbers with VAULT_E_EXISTS (and *pending filled in). */
VT_RESULT vt_pending_add(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_pending *pending);
/** Cancel before the epoch closes. @return VAULT_E_NOT_FOUND, VAULT_E_STATE when the epoch has frozen it */
VT_RESULT vt_pending_remove(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_scope *scope,
                            struct vt_pending *out_pending);
VT_RESULT vt_pending_walk(struct vt_keyring_view *view, bool (*visit)(void *context, const struct vt_pending *pending),
                          void *context);
/** Fill the stamps' pending set from the table, at unseal. */
VT_RESULT vt_pending_load(struct vt_keyring_view *view, struct vt_stamps *stamps);

/** Signed notes of a certificate, newest state last. @return VAULT_E_NOT_FOUND. @param out_note the newest */
VT_RESULT vt_certificate_get(struct vt_txn *txn, uint64_t number, struct vt_buf *out_note);
VT_RESULT vt_certificate_put(struct vt_txn *txn, uint64_t number, struct vt_bytes note);
