/* Calls on their way between network threads, workers and the committer. */
#include "vaultd/server/server_internal.h"

static struct loop *loop_of(const struct vt_call *call)
{
    return ((const struct conn *)call->owner)->loop;
}

/* Committer thread: gathered here, handed over when the batch is through, one wake-up for each loop. */
void call_on_done(struct vt_commit_item *item)
{
    struct vt_call *call = (struct vt_call *)item;
    vt_list_push_back(&loop_of(call)->committed, &item->link);
}

static void call_is_busy(struct vt_call *call, vault_status status)
{
    call->status = status;
    call->err = (struct vt_err){{0}, {0}};
}

static vault_status submit(struct vt_server *server, struct vt_call *call)
{
    if (call->command->effect == VT_READS && held_refuses(call)) {
        atomic_fetch_add(&server->held.busy, 1);
        return VAULT_E_BUSY;
    }
    call->item.on_done = call_on_done;
    return vt_committer_submit(server->committer, &call->item);
}

/* Worker thread. */
void call_run_slow(void *context, struct vt_list *job)
{
    struct vt_server *server = context;
    struct vt_call *call = (struct vt_call *)VT_CONTAINER_OF(job, struct vt_commit_item, link);
    struct loop *loop = loop_of(call);          /* the call may be gone once it is submitted */
    if (call->is_committed) {
        vt_call_committed(call);
    } else if (held_refuses_slow(call)) {
        atomic_fetch_add(&server->held.busy, 1);
        call_is_busy(call, VAULT_E_BUSY);
    } else if (vt_call_prepare_slow(call) == VT_CALL_COMMIT) {
        held_call(call);
        const vault_status status = submit(server, call);
        if (status == VAULT_OK) return;
        call_is_busy(call, status);
    }
    held_call(call);
    loop_give_finished(loop, call);
}
