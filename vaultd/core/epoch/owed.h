/* vaultd/core/epoch/owed.h - certificates that may still say more than they do, and what has to happen first: receipts of keepers
 * that have not answered, the end of the era of the index that the shredded entries lay in.
 *
 * META "owed/" 16 hex digits of the certificate: written with the certificate in state effective, gone when it says all it can.
 * META "era/" 16 hex digits of the tenant "/" 8 hex digits of a version of K_place: the epoch from whose first transaction on no
 * older version was there. Every root page before that epoch leads to older ones, none behind it does.
 * Bytes: docs/FORMAT.md "Owed certificates". Private to this folder. Thread: reads any; writes the committer. */
#pragma once
#include "vaultd/core/epoch/keeper_set.h"

struct vt_owed {
    uint64_t certificate;
    bool may_be_final;                  /* by the classes of its keepers */
    bool is_waiting;                    /* for a receipt of one of them */
    uint64_t epoch;                     /* that the shred began */
    vt_tenant_id tenant;
    uint32_t place_version;             /* of K_place: no shredded entry lay under a later one */
};
/** What an effective certificate with these keepers owes is written down, if it owes anything. */
VT_RESULT vt_owed_note(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_pending *pending,
                       const struct vt_effect *effect);
/** In the transaction that begins @p epoch: if the oldest version of K_place that is there has changed, remember from when. */
VT_RESULT vt_era_note(struct vt_keyring_view *view, struct vt_txn *txn, vt_tenant_id tenant, uint64_t epoch, int64_t at_ms,
                      struct vt_buf *journal_rows);

/** One row or certificate is damaged, which says nothing about the others. */
bool vt_owed_is_damage(vault_status status);
/** Certificates that can be issued again, now that every share of an epoch before @p clean_from is gone. Looks at some thousand
 *  rows at most.
 *  @param from     in: the first number to look at; out: where to go on, 0: all have been looked at
 *  @param trouble  set at the first row that is damaged, unless it is set; such a row is passed over */
VT_RESULT vt_owed_due(struct vt_keyring_view *view, uint64_t clean_from, uint64_t *from, uint64_t *out_numbers, size_t max,
                      size_t *out_count, vault_status *trouble);
/** Issue one of them again: with its receipts complete, or final. Nothing happens when it is not due any more.
 *  @return VAULT_E_AUTHENTICITY: what lies in the store is not what was issued */
VT_RESULT vt_owed_issue(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_keeper_set *set, uint64_t number,
                        int64_t now_ms, bool is_test_clock, bool *out_issued);
/** Open every row of "owed/" and "era/". @return VAULT_E_CORRUPT, VAULT_E_AUTHENTICITY, VAULT_E_FORMAT */
VT_RESULT vt_owed_check(struct vt_keyring_view *view);
