/* vaultd/server/committer.h - the one thread that owns the store's write transaction. It takes everything that is queued,
 * commits it in one transaction with one full sync, and begins again at once: while one batch is being synced the next one
 * gathers, so no delay has to be chosen. The queue is bounded: who finds it full is told to come back.
 * Thread: start and stop by main; submit any. */
#pragma once
#include "libvault/base/list.h"
#include "vaultd/service/vault.h"

/** What all calls of a commit may change in the tree together. A commit holds every page that it opens or writes until it is
 *  through, two copies of it, and LMDB keeps the room of its largest transaction for ever: some 8 KiB for each of these when
 *  the tree is large. Further calls wait for the next commit; with so many changes sharing one sync saves nothing any more. */
enum { VT_COMMIT_TREE_MAX = 16384 };

struct vt_committer;
struct vt_committer_options {
    struct vt_vault *vault;             /* borrowed */
    size_t queue_max;                   /* items waiting */
    size_t batch_max;                   /* items of one transaction */
    size_t tree_max;                    /* vt_change_tree_count() of one transaction; an item with more goes alone */
    /** May be NULL: on the committer thread, after each batch. */
    void (*after_batch)(void *context);
    void *context;
};
VT_RESULT vt_committer_start(const struct vt_committer_options *options, struct vt_committer **out_committer);
/** For vt_vault_set_submit(). The vault's own housekeeping and the closing of an epoch are taken past the limit: refusing them
 *  would not make room.
 *  @return VAULT_E_BUSY, VAULT_E_SHUTDOWN; the item is untouched then */
vault_status vt_committer_submit(void *committer, struct vt_commit_item *item);
/** Take from the front of @p items what fits; what is left over is the caller's to refuse. */
void vt_committer_submit_all(struct vt_committer *committer, struct vt_list *items);
/** Move from the front of @p queue to @p batch what goes into one transaction. @return how many */
size_t vt_committer_take(const struct vt_committer_options *options, struct vt_list *queue, struct vt_list *batch);
/** Commit what is queued, then end. NULL is allowed. */
void vt_committer_stop(struct vt_committer *committer);
