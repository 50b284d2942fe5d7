/* vaultd/core/epoch/ledger.h - what has been destroyed: pending requests, the ledger that outlives them, certificates.
 * Ledger entries {seq, op, object id 16, tenant, sid, category, record, certificate number} are sealed under the ledger key of
 * T_sys and indexed by sid, so that a dead token finds its certificate: token -> sid -> ledger -> certificate.
 * Bytes: docs/FORMAT.md "Ledger, pending requests, certificates". Thread: reads any; writes the committer. */
#pragma once
#include "libvault/proof/certificate.h"
#include "vaultd/core/keyring/keyring.h"
#include "vaultd/core/keyring/stamps.h"

/** Part of the format: never renumber, never reuse. */
enum vt_ledger_op {
    VT_LEDGER_SHRED = 1,            /* keys of the scope are gone */
    VT_LEDGER_CORRECT = 2,          /* an older value must not come back */
    VT_LEDGER_REVOKE_TOKEN = 3,
    VT_LEDGER_REVOKE_CREDENTIAL = 4,
    VT_LEDGER_POLICY = 5,
    VT_LEDGER_DELETE_RECORD = 6,
    VT_LEDGER_TAKE_OVER = 7,        /* a restore from the backup `object_id` became the vault */
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
/** The journal takes new entries along with the next commit that changes the keyring. */
VT_RESULT vt_ledger_append(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_ledger_entry *entry);
/** The newest shred that covers @p scope (itself, its category, its whole subject). @return VAULT_E_NOT_FOUND */
VT_RESULT vt_ledger_find(struct vt_keyring_view *view, const struct vt_scope *scope, struct vt_ledger_entry *out_entry);
/** Has this record been deleted? Ids of records are never given twice. @return VAULT_E_NOT_FOUND */
VT_RESULT vt_ledger_find_deletion(struct vt_keyring_view *view, const struct vt_sid *sid, uint64_t record,
                                  struct vt_ledger_entry *out_entry);
/** Entries from @p from_sequence on, in order; stops when @p visit returns false. */
VT_RESULT vt_ledger_walk(struct vt_keyring_view *view, uint64_t from_sequence,
                         bool (*visit)(void *context, const struct vt_ledger_entry *entry), void *context);

/** A request to forget, durable as `pending`. */
struct vt_pending {
    struct vt_scope scope;
    vt_tenant_id tenant;
    uint8_t object_id[16];          /* random: the request */
    uint64_t certificate;           /* number given at once */
    uint8_t commitment[32];         /* vt_certificate_commit(); the salt goes to the requester only; zero: none */
    char legal_basis[33];           /* code, e.g. "gdpr-17-1-a", "ccpa-1798.105"; not personal */
    int64_t requested_at_ms;
    uint8_t principal[16];
    uint8_t approval[16];           /* that let it pass the brake on mass shredding; zero: it needed none */
    uint32_t held_count;            /* others asked for along with it that were left out because a hold forbids them */
};

/** What certificates say beside the request itself: who keeps the shares, which software, and whatever the layers above know
 *  (backups that still hold ciphertext, exclusions, approvals, holds). vt_epoch_evidence() gives one. */
struct vt_evidence {
    const struct vt_certificate_keeper *keepers;    /* borrowed; state WAITING */
    size_t keeper_count;
    unsigned threshold;
    const char *software;
    bool is_test_clock;
    /** May be NULL. Adds to @p certificate; arrays from @p pool. Called for each state, in the transaction of @p view. */
    vault_status (*describe)(void *context, struct vt_keyring_view *view, const struct vt_pending *pending,
                             struct vt_pool *pool, struct vt_certificate *certificate);
    void *context;
};

/** Write the pending row and the certificate in state pending. @p pending->certificate and object_id are filled in.
 *  A repeat for the same scope returns the first one's numbers with VAULT_E_EXISTS (and *pending filled in).
 *  After the commit: vt_stamps_add_pending(). @return VAULT_E_ARGUMENT when the legal basis is not a code */
VT_RESULT vt_pending_add(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_evidence *evidence,
                         struct vt_pending *pending);
/** Cancel before the epoch closes; the certificate goes too. After the commit: vt_stamps_remove_pending().
 *  @return VAULT_E_NOT_FOUND, VAULT_E_STATE when the epoch has frozen it */
VT_RESULT vt_pending_remove(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_stamps *stamps,
                            const struct vt_scope *scope, struct vt_pending *out_pending);
/** Exactly this scope. @return VAULT_E_NOT_FOUND */
VT_RESULT vt_pending_get(struct vt_keyring_view *view, const struct vt_scope *scope, struct vt_pending *out_pending);
/** The certificate of the pending request that covers @p scope (itself, its category, its whole subject).
 *  @return VAULT_E_NOT_FOUND */
VT_RESULT vt_pending_find(struct vt_keyring_view *view, const struct vt_scope *scope, uint64_t *out_certificate);
VT_RESULT vt_pending_walk(struct vt_keyring_view *view, bool (*visit)(void *context, const struct vt_pending *pending),
                          void *context);
/** What vt_pending_take_back() has removed. Its array lies in the pool. */
struct vt_scopes {
    struct vt_pool *pool;           /* borrowed */
    struct vt_scope *items;
    size_t count, cap;
};
/** A hold has been placed: pending requests that it forbids are removed like cancelled ones, but for those that an epoch has
 *  frozen, which vt_epoch_commit() takes back. After the commit: vt_stamps_remove_pending() for each.
 *  @param only NULL: of everybody. @param out_scopes begins anew */
VT_RESULT vt_pending_take_back(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_stamps *stamps,
                               const struct vt_sid *only, struct vt_scopes *out_scopes);
/** Fill the stamps' pending set from the table, at unseal. @param out_oldest_ms when the oldest was asked; 0: none */
VT_RESULT vt_pending_load(struct vt_keyring_view *view, struct vt_stamps *stamps, int64_t *out_oldest_ms);

/** How many of each a shred destroyed. */
struct vt_destroyed {
    uint64_t records, rows, index_entries, tokens, keys;
};
/** Which epoch made it effective, and who said so. */
struct vt_effect {
    uint64_t epoch_from, epoch_to;
    uint8_t attempt[16];
    int64_t at_ms;
    const struct vt_certificate_keeper *keepers;    /* who held a share of the dead root key: DONE, ATTESTED or WAITING */
    size_t keeper_count;
    unsigned threshold;
};
/** Issue the certificate in state effective. @return also VAULT_E_ARGUMENT when @p effect does not suffice, VAULT_E_EXISTS as
 *  vt_certificate_issue() */
VT_RESULT vt_certificate_effective(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_evidence *evidence,
                                   const struct vt_pending *pending, const struct vt_destroyed *destroyed,
                                   const struct vt_effect *effect);

/** Issue a certificate in the state that it says: its text becomes a leaf of the log of certificates (certificate_log.h) and
 *  is kept beside those of the states before. No signature is made here: vt_certificate_log_sign() signs all of the
 *  transaction's at once and must run before its commit; the vault's committer does so for every transaction.
 *  @return VAULT_E_EXISTS when that state or a later one has been issued: it stays as it is. VAULT_E_ARGUMENT as
 *  vt_certificate_check(), VAULT_E_TOO_LARGE */
VT_RESULT vt_certificate_issue(struct vt_txn *txn, const struct vt_certificate *certificate);
/** The same, and the state may be the one that it has: receipts that came late complete it. Its text takes the place of the former
 *  one, which stays a leaf of the log: who was given it can go on checking it. It names the present incarnation, under whose name
 *  the log is signed, whatever @p certificate says: that was issued before a take-over, maybe. */
VT_RESULT vt_certificate_issue_again(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_certificate *certificate);
/** The certificate in its newest state, to be issued again in a later one; its parts from @p pool. The store's word, not
 *  verified. @return VAULT_E_NOT_FOUND, VAULT_E_CORRUPT, VAULT_E_FORMAT */
VT_RESULT vt_certificate_read(struct vt_txn *txn, uint64_t number, struct vt_pool *pool,
                              struct vt_certificate *out_certificate);
/** Which state it has reached. @return as vt_certificate_read() */
VT_RESULT vt_certificate_state_of(struct vt_txn *txn, uint64_t number, enum vt_certificate_state *out_state);
/** The file (text and proof, libvault/proof/certificate.h) of its newest state, appended; the same bytes until it is issued again.
 *  @return VAULT_E_NOT_FOUND, VAULT_E_CORRUPT (unsigned, too), VAULT_E_FORMAT */
VT_RESULT vt_certificate_get(struct vt_txn *txn, uint64_t number, struct vt_buf *out_file);
/** That of one state. @return VAULT_E_NOT_FOUND when it was not reached */
VT_RESULT vt_certificate_get_state(struct vt_txn *txn, uint64_t number, enum vt_certificate_state state,
                                   struct vt_buf *out_file);
