/* vaultd/core/keyring/stamps.h - who has changed since a read began. A call notes the clock at its start; the committer
 * refuses a read that a shred, a cancel or a revocation has overtaken. Also the set of pending shreds, in memory,
 * loaded from the PENDING table at unseal: a subject is unreadable from the moment its request is durable.
 * Thread: any; sharded locks inside. */
#pragma once
#include "vaultd/core/store/ids.h"
#include "libvault/base/result.h"

struct vt_stamps;
VT_RESULT vt_stamps_new(struct vt_stamps **out_stamps);
void vt_stamps_free(struct vt_stamps *stamps);
VT_DEFINE_AUTO_PTR(vt_stamps);

/** Rises with every change; note it before the read begins. */
uint64_t vt_stamps_now(struct vt_stamps *stamps);
/** An id (sid or principal id, 16 bytes) has changed state. @return VAULT_E_MEMORY: the clock is then raised for every
 *  id */
void vt_stamps_touch(struct vt_stamps *stamps, const uint8_t id[16]);
/** Every id has changed (seal, restore, policy change). */
void vt_stamps_touch_all(struct vt_stamps *stamps);
/** Has this id changed after @p since? */
bool vt_stamps_changed(struct vt_stamps *stamps, const uint8_t id[16], uint64_t since);

/** Pending shreds. Touches the sid as well. */
VT_RESULT vt_stamps_add_pending(struct vt_stamps *stamps, const struct vt_scope *scope);
void vt_stamps_remove_pending(struct vt_stamps *stamps, const struct vt_scope *scope);
void vt_stamps_clear_pending(struct vt_stamps *stamps);
/** Is this scope, or one that contains it, pending? (category 0 asks for the whole subject.) */
bool vt_stamps_is_pending(struct vt_stamps *stamps, const struct vt_scope *scope);
uint64_t vt_stamps_pending_count(struct vt_stamps *stamps);
