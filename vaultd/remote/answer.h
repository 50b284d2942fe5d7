/* vaultd/remote/answer.h - the keeper's end of the protocol: a request's frame in, the answer's frame out.
 *
 * Who may ask is settled before, by the TLS certificate (vaultd/server/keeper_server.h). Here is fenced which vault asks: once
 * the keeper has finalised anything it belongs to a vault, shows no share to one of another id, and changes nothing for it. The
 * times in receipts are the keeper's own. Thread: one caller at a time, as the keeper. */
#pragma once
#include "libvault/base/clock.h"
#include "vaultd/remote/protocol.h"

/** What was asked and how it ended, for the log: no share, no receipt. */
struct vt_remote_event {
    bool is_request;                        /* false: the frame was none */
    enum vt_remote_op op;                   /* VT_REMOTE_OPS: of no operation */
    uint64_t incarnation, epoch;            /* of those that name one; else 0 */
    vault_status status;
};
/** @param out  the answer is appended; what the keeper refuses is an answer, too
 *  @return VAULT_E_PROTOCOL when nothing can be answered: the connection must be closed; VAULT_E_MEMORY */
VT_RESULT vt_remote_answer(struct vt_keeper *keeper, const struct vt_clock *clock, struct vt_bytes frame, struct vt_buf *out,
                           struct vt_remote_event *out_event);
