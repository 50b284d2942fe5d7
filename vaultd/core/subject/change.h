/* vaultd/core/subject/change.h - what a call wants changed, as a list: prepared and sealed on a network thread, applied by the
 * committer. Application has two passes: every condition is checked before anything is written, so that a change that no
 * longer fits fails alone and leaves its batch untouched. One mechanism for every command that writes.
 * Thread: built by one thread, applied by the committer; immutable once submitted. */
#pragma once
#include "vaultd/core/keyring/keyring.h"
#include "vaultd/core/keyring/stamps.h"

struct vt_change;
/** @param out_change owned */
VT_RESULT vt_change_new(vt_tenant_id tenant, struct vt_change **out_change);
void vt_change_free(struct vt_change *change);      /* wipes; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_change);
/** Memory that it takes, drafts of key blocks apart. 0 for NULL. */
size_t vt_change_held_bytes(const struct vt_change *change);
bool vt_change_is_empty(const struct vt_change *change);

/** A batch whose items may fail one by one: note where an item begins, and take back what it has added when it fails. */
size_t vt_change_mark(const struct vt_change *change);
void vt_change_rewind(struct vt_change *change, size_t mark);

/* Conditions, checked again at commit time; the call fails alone when one does not hold. */

/** The subject exists and neither it nor @p scope's part is pending. @return at apply: VAULT_E_NOT_FOUND, VAULT_E_SHRED_PENDING */
VT_RESULT vt_change_require_live(struct vt_change *change, const struct vt_scope *scope);
/** The stored value under the key still is what was read (compared by SHA-256); absent: @p value is NULL.
 *  @return at apply: VAULT_E_CONFLICT, upon which the dispatcher prepares the call again */
VT_RESULT vt_change_expect(struct vt_change *change, enum vt_table table, struct vt_bytes key, const struct vt_bytes *value);

/** No hold forbids to destroy what the subject has in @p category: whoever drops a key or a row of a person without the epoch
 *  asks this, through vt_gate_pass(). @return at apply: VAULT_E_HELD */
VT_RESULT vt_change_require_unheld(struct vt_change *change, const struct vt_sid *sid, uint16_t category);
/** The subject's key block still is the one in the view: whoever seals rows under its keys asks this, because another
 *  change may drop these keys meanwhile. @return at apply: VAULT_E_CONFLICT; at once: VAULT_E_NOT_FOUND */
VT_RESULT vt_change_expect_keys(struct vt_change *change, struct vt_keyring_view *view, const struct vt_sid *sid);
/** The subject's records and their rows still are the ones in the view: whoever drops a key after moving every row away from
 *  it asks this. @return at apply: VAULT_E_CONFLICT */
VT_RESULT vt_change_expect_rows(struct vt_change *change, struct vt_keyring_view *view, const struct vt_sid *sid);
/** The index entry is still there. @return at apply: VAULT_E_CONFLICT */
VT_RESULT vt_change_expect_index(struct vt_change *change, const struct vt_index_hash *hash,
                                 const uint8_t data[VT_INDEX_DATA_LEN]);
/** A condition that the list cannot say: run in the first pass, changes nothing.
 *  @param context borrowed: must live until the call is done. @return at apply: what @p guard returned */
typedef vault_status (*vt_change_guard)(void *context, struct vt_txn *txn);
VT_RESULT vt_change_guard_add(struct vt_change *change, vt_change_guard guard, void *context);

/* Effects. Values and keys are copied. */

/** @p draft moved: sealed already (vt_keyblock_seal). @return at apply: VAULT_E_CONFLICT, VAULT_E_EXISTS */
VT_RESULT vt_change_put_keyblock(struct vt_change *change, struct vt_keyblock_draft *draft);
/** @return VAULT_E_EXISTS at once when this change adds the same unique hash twice; at the first pass: VAULT_E_EXISTS (unique,
 *  and no removal of this change makes room), VAULT_E_LIMIT */
VT_RESULT vt_change_index_add(struct vt_change *change, const struct vt_index_hash *hash,
                              const uint8_t data[VT_INDEX_DATA_LEN], bool is_unique);
VT_RESULT vt_change_index_remove(struct vt_change *change, const struct vt_index_hash *hash,
                                 const uint8_t data[VT_INDEX_DATA_LEN]);
/** A rotation of K_idx: the entry lies under another hash from now on; neither unique nor limits are asked, since nobody comes.
 *  @return at apply: VAULT_E_CONFLICT when it is not under @p from, or lies under @p to already */
VT_RESULT vt_change_index_move(struct vt_change *change, const struct vt_index_hash *from, const struct vt_index_hash *to,
                               const uint8_t data[VT_INDEX_DATA_LEN]);
VT_RESULT vt_change_put(struct vt_change *change, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                        enum vt_put_flags flags);
VT_RESULT vt_change_delete(struct vt_change *change, enum vt_table table, struct vt_bytes key);
/** Something that the list cannot say: run in the second pass. It must not fail for reasons that a condition could have
 *  caught. @param context borrowed: must live until the call is done */
typedef vault_status (*vt_change_hook)(void *context, struct vt_keyring_write *write, struct vt_txn *txn);
VT_RESULT vt_change_hook_add(struct vt_change *change, vt_change_hook hook, void *context);

/** First pass. Nothing is written. @return as above */
VT_RESULT vt_change_check(const struct vt_change *change, struct vt_keyring_write *write, struct vt_txn *txn,
                          struct vt_stamps *stamps);
/** Second pass. @return VAULT_E_DISK_FULL, VAULT_E_IO, VAULT_E_MEMORY: the whole batch must be aborted */
VT_RESULT vt_change_apply(const struct vt_change *change, struct vt_keyring_write *write, struct vt_txn *txn);
/** How many key blocks and index entries it changes: what its share of a commit weighs, in pages opened, sealed and written. */
size_t vt_change_tree_count(const struct vt_change *change);
/** Does it touch the tree at all? Calls that do not are committed without sealing a page. */
bool vt_change_touches_tree(const struct vt_change *change);
