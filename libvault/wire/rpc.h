/* libvault/wire/rpc.h - msgpack-RPC frames (github.com/msgpack-rpc/msgpack-rpc spec.md): [0, msgid, method, params] and
 * [1, msgid, error, result], back to back on the stream. Notifications ([2, ...]) are refused. No sockets here.
 * Thread: one owner per frame. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/codec/msgpack.h"

struct vt_rpc_request {
    int64_t message_id;             /* 0 to 2^32-1 */
    struct vt_bytes method;
    const struct vt_value *params;  /* a map; in the pool */
};
struct vt_rpc_reply {
    int64_t message_id;
    const struct vt_value *error;   /* nil or a map {status, code, message, field?, retry_after_ms?, certificate?} */
    const struct vt_value *result;  /* nil when error */
};
/** Is a whole frame at the front of @p stream? @param max frame limit for this connection
 *  @return VAULT_E_CONFLICT: more bytes needed; VAULT_E_TOO_LARGE; VAULT_E_PARSE: no array of four begins so, or what is in it
 *  is no msgpack of ours; the connection must be closed */
VT_RESULT vt_rpc_frame_len(struct vt_bytes stream, size_t max, size_t *out_len);
/** The same for bytes that arrive in pieces: goes on where it stopped. @p scan VT_MSGPACK_SCAN_INIT at a frame's begin. */
VT_RESULT vt_rpc_frame_scan(struct vt_msgpack_scan *scan, struct vt_bytes stream, size_t max, size_t *out_len);
/** @return VAULT_E_PROTOCOL with a sentence: not an array of four, wrong type, notification, params no map; VAULT_E_PARSE or
 *  VAULT_E_TOO_LARGE when the params are not what codec/msgpack.h reads; VAULT_E_MEMORY. out->message_id is filled in as soon as
 *  it is known (-1 otherwise), so that the error can be answered. */
VT_RESULT vt_rpc_read_request(struct vt_pool *pool, struct vt_bytes frame, struct vt_rpc_request *out_request,
                              struct vt_err *err);
/** @return VAULT_E_PROTOCOL (no reply, or error and result both), VAULT_E_PARSE, VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_rpc_read_reply(struct vt_pool *pool, struct vt_bytes frame, struct vt_rpc_reply *out_reply);
/* Writing appends to @p out and leaves it as it was on failure.
 * @return VAULT_E_ARGUMENT (message id out of range, params no map), VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_rpc_write_request(struct vt_buf *out, int64_t message_id, const char *method, const struct vt_value *params);
/** @param result msgpack bytes of the result map; empty: a map without keys */
VT_RESULT vt_rpc_write_result(struct vt_buf *out, int64_t message_id, struct vt_bytes result);
struct vt_rpc_error {
    vault_status status;
    const char *field;              /* NULL or empty: none */
    const char *message;            /* NULL: the status's own sentence */
    int64_t retry_after_ms;         /* 0: none */
    uint64_t certificate;           /* 0: none */
};
VT_RESULT vt_rpc_write_error(struct vt_buf *out, int64_t message_id, const struct vt_rpc_error *error);
