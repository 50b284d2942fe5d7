/* vaultd/remote/protocol.h - the keeper protocol, version 1: what a vault asks of a remote keeper and what that answers, as
 * msgpack-RPC frames (libvault/wire/rpc.h) of bounded size. Bytes in, bytes out; no sockets here.
 *
 * Reading is strict at both ends: exactly the fields of the operation, each of its type and size, nothing else. A frame of which
 * the reader is not sure is refused whole. Text and fields: docs/PROTOCOL.md "Keeper protocol". Thread: any. */
#pragma once
#include "libvault/wire/rpc.h"
#include "vaultd/core/keeper/keeper.h"

enum {
    VT_REMOTE_VERSION = 1,
    VT_REMOTE_REQUEST_MAX = 2048,           /* bytes of a frame; PREPARE with the longest share has about 600 */
    VT_REMOTE_REPLY_MAX = 8192,             /* a receipt of VT_KEEPER_RECEIPT_MAX fits, and three slots do */
    VT_REMOTE_POOL_MAX = 64 * 1024,         /* what reading a frame may take */
};

enum vt_remote_op {
    VT_REMOTE_INFO,
    VT_REMOTE_READ,
    VT_REMOTE_FLOOR,
    VT_REMOTE_PREPARE,
    VT_REMOTE_FINALIZE,
    VT_REMOTE_ABORT,
    VT_REMOTE_RAISE_FLOOR,
    VT_REMOTE_OPS
};
/** "keeper.prepare"; static storage. */
const char *vt_remote_op_name(enum vt_remote_op op);

struct vt_remote_request {
    enum vt_remote_op op;
    struct vt_vault_id vault_id;            /* who asks; all zero: a vault that has not been initialised */
    struct vt_keeper_slot slot;             /* PREPARE: state and vault_id are not sent, they follow from the operation */
    uint64_t incarnation, epoch;            /* FINALIZE, ABORT, RAISE_FLOOR */
    uint8_t attempt[VT_ATTEMPT_LEN];        /* FINALIZE, ABORT */
    uint64_t commit_number;                 /* FINALIZE, RAISE_FLOOR */
};
/** Append the frame. @return VAULT_E_ARGUMENT for a number past 2^63 - 1, VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_remote_write_request(struct vt_buf *out, int64_t message_id, const struct vt_remote_request *request);
/** @param out_message_id  -1 while it is not known: then nothing can be answered
 *  @return VAULT_E_PROTOCOL or VAULT_E_PARSE for what is no request at all; VAULT_E_UNSUPPORTED for another operation,
 *  VAULT_E_FORMAT for another version of the protocol, VAULT_E_ARGUMENT for a field that is missing, too much or not fit */
VT_RESULT vt_remote_read_request(struct vt_bytes frame, int64_t *out_message_id, struct vt_remote_request *out_request);

/** What an operation gives; the members that belong to it. */
struct vt_remote_result {
    uint64_t keeper_id;                     /* INFO */
    char verifier_key[200];                 /* INFO */
    size_t slot_count;                      /* READ */
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    struct vt_keeper_floor floor;           /* FLOOR */
    struct vt_buf receipt;                  /* FINALIZE; owned */
};
#define VT_REMOTE_RESULT_INIT ((struct vt_remote_result){.receipt = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX)})
void vt_remote_result_release(struct vt_remote_result *result);     /* wipes */
VT_RESULT vt_remote_write_result(struct vt_buf *out, int64_t message_id, enum vt_remote_op op,
                                 const struct vt_remote_result *result);
/** Read the answer to request @p message_id of operation @p op.
 *  @param out_said  the keeper's own outcome; @p out_result is filled when that is VAULT_OK
 *  @return VAULT_E_PROTOCOL when it is no such answer, VAULT_E_MEMORY */
VT_RESULT vt_remote_read_result(struct vt_bytes frame, int64_t message_id, enum vt_remote_op op, vault_status *out_said,
                                struct vt_remote_result *out_result);
