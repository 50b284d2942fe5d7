/* vaultd/core/keyring/stamps.h - who has changed since a read began. A call notes the clock at its start; the committer refuses
 * a read that a shred, a cancel or a revocation has overtaken. Also the set of pending shreds, in memory, loaded from the
 * PENDING table at unseal: a subject is unreadable from the moment its request is durable.
 *
 * Stamps share a table of fixed size: ids are random, so two of them seldom share a cell, and when they do a read is refused
 * that need not have been, never the reverse. Touch an id after its change can be seen and before the next batch is checked.
 * Invariant: no change is missed. Thread: any; the table is atomic, the pending set has sharded locks inside. */
#pragma once
#include "libvault/base/result.h"
#include "vaultd/core/store/ids.h"

struct vt_stamps;
VT_RESULT vt_stamps_new(struct vt_stamps **out_stamps);
void vt_stamps_free(struct vt_stamps *stamps);      /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_stamps);

/** Rises with every change; note it before the read begins. */
uint64_t vt_stamps_now(struct vt_stamps *stamps);
/** An id (sid or principal id, 16 bytes) has changed state. Cannot fail. */
void vt_stamps_touch(struct vt_stamps *stamps, const uint8_t id[16]);
/** Every id has changed (seal, restore, policy change, another version of a tenant's keys). */
void vt_stamps_touch_all(struct vt_stamps *stamps);
/** Has everything changed after @p since? */
bool vt_stamps_all_changed(struct vt_stamps *stamps, uint64_t since);
/** Has this id changed after @p since? */
bool vt_stamps_changed(struct vt_stamps *stamps, const uint8_t id[16], uint64_t since);

/** Pending shreds. Touches the sid as well. Adding the same scope twice is VAULT_OK and counts once.
 *  @return VAULT_E_MEMORY */
VT_RESULT vt_stamps_add_pending(struct vt_stamps *stamps, const struct vt_scope *scope);
/** Touches the sid; nothing more when the scope was not pending. */
void vt_stamps_remove_pending(struct vt_stamps *stamps, const struct vt_scope *scope);
void vt_stamps_clear_pending(struct vt_stamps *stamps);
/** Is this scope, or one that contains it, pending? (category 0 asks for the whole subject.) */
bool vt_stamps_is_pending(struct vt_stamps *stamps, const struct vt_scope *scope);
uint64_t vt_stamps_pending_count(struct vt_stamps *stamps);

/** An epoch that is closing has taken this pending shred into its batch: it can no longer be cancelled. */
void vt_stamps_freeze_pending(struct vt_stamps *stamps, const struct vt_scope *scope, bool is_frozen);
/** Exactly this scope is pending and frozen. */
bool vt_stamps_is_frozen(struct vt_stamps *stamps, const struct vt_scope *scope);
