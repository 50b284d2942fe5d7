/* One connection: bytes in, frames, calls, replies, bytes out. Nothing about what a call means is here.
 *
 * A connection is read from only while it may take another call: fewer than VT_LIMIT_PIPELINE_CALLS under way, no login
 * waiting for its answer, not more unsent than UNSENT_HIGH_LEN, and not more held than it may (held.c). What it sends
 * meanwhile waits in the kernel's buffers and then in the client: a slow or greedy client slows only itself. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/base/log.h"
#include "libvault/wire/rpc.h"
#include "vaultd/server/server_internal.h"

static void conn_progress(struct conn *conn);

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static bool is_logged_in(const struct conn *conn)
{
    return conn->principal.role != NULL;
}

static size_t frame_max(const struct conn *conn)
{
    return is_logged_in(conn) ? VT_LIMIT_FRAME_BYTES : VT_LIMIT_LOGIN_FRAME_BYTES;
}

static atomic_uint *counter_of(const struct conn *conn)
{
    struct vt_server *server = conn->loop->server;
    return conn->is_local ? &server->local_connections : &server->connections;
}

static void mark_dirty(struct conn *conn)
{
    if (vt_list_is_empty(&conn->dirty_link) && !conn->is_closed) vt_list_push_back(&conn->loop->dirty, &conn->dirty_link);
}

/* Life ------------------------------------------------------------------------------------------------------------ */

static void conn_free_if_over(struct conn *conn)
{
    if (!conn->is_gone || conn->calls != 0) return;
    vt_list_remove(&conn->link);
    vt_list_remove(&conn->dirty_link);
    vt_tls_free(conn->tls);
    vt_buf_release(&conn->in);
    vt_buf_release(&conn->out);
    held_over(conn);
    atomic_fetch_sub(counter_of(conn), 1);
    free(conn);
}

static void on_close(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    conn->is_gone = true;
    conn_free_if_over(conn);
}

void conn_close(struct conn *conn)
{
    if (conn->is_closed) return;
    conn->is_closed = true;
    vt_list_remove(&conn->dirty_link);
    uv_close(&conn->uv.handle, on_close);
}

static VT_RESULT conn_new(struct loop *loop, bool is_local, struct conn **out_conn)
{
    struct conn *conn = vt_calloc(1, sizeof *conn);
    VT_ENSURE(conn != NULL, VAULT_E_MEMORY);
    const int failed = is_local ? uv_pipe_init(&loop->uv, &conn->uv.pipe, 0) : uv_tcp_init(&loop->uv, &conn->uv.tcp);
    if (failed != 0) {
        free(conn);
        return VAULT_E_MEMORY;
    }
    conn->uv.handle.data = conn;
    conn->loop = loop;
    conn->scan = VT_MSGPACK_SCAN_INIT;
    conn->in = VT_BUF_INIT(VT_LIMIT_LOGIN_FRAME_BYTES + READ_CHUNK_LEN);
    conn->out = VT_BUF_INIT(OUT_MAX_LEN);
    conn->active_at_ms = conn->opened_at_ms = uv_now(&loop->uv);
    conn->is_local = is_local;
    vt_list_init(&conn->dirty_link);
    vt_list_push_back(&loop->conns, &conn->link);
    atomic_fetch_add(counter_of(conn), 1);
    *out_conn = conn;
    return VAULT_OK;
}

/* Sending --------------------------------------------------------------------------------------------------------- */

struct conn_write {
    uv_write_t request;
    struct conn *conn;
    struct vt_buf bytes;
};

static void on_written(uv_write_t *request, int failed)
{
    struct conn_write *write = VT_CONTAINER_OF(request, struct conn_write, request);
    struct conn *conn = write->conn;
    vt_buf_release(&write->bytes);
    free(write);
    if (failed != 0) {
        conn_close(conn);
        return;
    }
    conn->active_at_ms = uv_now(&conn->loop->uv);
    conn_progress(conn);
}

/* What the kernel does not take at once. */
static VT_RESULT send_later(struct conn *conn, struct vt_buf *bytes)
{
    struct conn_write *write = vt_calloc(1, sizeof *write);
    VT_ENSURE(write != NULL, VAULT_E_MEMORY);
    write->conn = conn;
    write->bytes = VT_BUF_INIT(bytes->max);
    vt_buf_move(&write->bytes, bytes);
    uv_buf_t part = uv_buf_init((char *)write->bytes.data, (unsigned)write->bytes.len);
    if (uv_write(&write->request, &conn->uv.stream, &part, 1, on_written) == 0) return VAULT_OK;
    vt_buf_release(&write->bytes);
    free(write);
    return VAULT_E_IO;
}

/* Nearly always the socket takes everything at once: no request, no callback, and no turn of the poller about it. */
static VT_RESULT send_bytes(struct conn *conn, struct vt_buf *bytes)
{
    if (bytes->len == 0) return VAULT_OK;
    const uv_buf_t all = uv_buf_init((char *)bytes->data, (unsigned)bytes->len);
    const int sent = uv_try_write(&conn->uv.stream, &all, 1);
    VT_ENSURE(sent >= 0 || sent == UV_EAGAIN || sent == UV_ENOBUFS, VAULT_E_IO);
    if (sent > 0) conn->active_at_ms = uv_now(&conn->loop->uv);
    if (sent == (int)bytes->len) {
        vt_buf_release(bytes);
        return VAULT_OK;
    }
    if (sent > 0) vt_buf_consume(bytes, (size_t)sent);
    return send_later(conn, bytes);
}

static size_t unsent_len(const struct conn *conn)
{
    return conn->out.len + uv_stream_get_write_queue_size(&conn->uv.stream);
}

static VT_RESULT send_encrypted(struct conn *conn)
{
    if (conn->out.len != 0) {
        const vault_status status = vt_tls_write(conn->tls, vt_buf_bytes(&conn->out));
        vt_buf_reset(&conn->out);
        if (conn->out.cap > OUT_FLUSH_LEN) vt_buf_release(&conn->out);
        VT_TRY(status);
    }
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(OUT_MAX_LEN + OUT_FLUSH_LEN);
    VT_TRY(vt_tls_pull(conn->tls, &bytes));
    return send_bytes(conn, &bytes);
}

static void conn_send(struct conn *conn)
{
    if (conn->is_closed) return;
    const uint64_t unsent_max = conn->loop->server->held.connection_max_bytes + UNSENT_MAX_LEN;
    const vault_status status = conn->tls != NULL ? send_encrypted(conn) : send_bytes(conn, &conn->out);
    held_buffers(conn);
    if (status != VAULT_OK || unsent_len(conn) > unsent_max) conn_close(conn);
}

void conn_flush(struct conn *conn)
{
    conn_send(conn);
    conn_progress(conn);
}

/* The end --------------------------------------------------------------------------------------------------------- */

/* Closing a socket that has bytes unread resets it, and the reset can overtake our last reply; so our side is shut, and what
 * still comes is thrown away for a moment. */
static void on_shutdown(uv_shutdown_t *request, int failed)
{
    struct conn *conn = request->handle->data;
    if (conn->is_closed) return;
    conn->is_lingering = true;
    conn->active_at_ms = uv_now(&conn->loop->uv);
    if (failed != 0 || conn->is_ended) conn_close(conn);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer);

static void conn_finish(struct conn *conn)
{
    conn->is_finishing = true;
    conn->active_at_ms = uv_now(&conn->loop->uv);
    if (conn->tls != NULL) vt_tls_close(conn->tls);
    conn_send(conn);
    if (conn->is_closed) return;
    if (uv_shutdown(&conn->shutdown, &conn->uv.stream, on_shutdown) != 0) {
        conn_close(conn);
        return;
    }
    if (!conn->is_reading && !conn->is_ended) uv_read_start(&conn->uv.stream, on_alloc, on_read);
}

void conn_end(struct conn *conn)
{
    conn->is_refused = true;
    mark_dirty(conn);
}

static bool is_over(const struct conn *conn)
{
    const bool is_at_end = conn->is_refused || (conn->is_ended && !conn->is_stalled);
    return is_at_end && !conn->is_finishing && conn->calls == 0 && unsent_len(conn) == 0;
}

static int64_t quiet_limit_ms(const struct conn *conn, const struct vt_server_options *options)
{
    if (conn->is_lingering) return LINGER_MS;
    if (conn->is_finishing) return options->handshake_timeout_ms;
    if (conn->tls != NULL && vt_tls_state(conn->tls) == VT_TLS_HANDSHAKE) return options->handshake_timeout_ms;
    return is_logged_in(conn) ? options->idle_timeout_ms : options->login_timeout_ms;
}

/* Calls that are answered before login do not put this off: a stranger has a place for so long and no longer. */
static bool login_is_late(const struct conn *conn)
{
    const uint64_t limit_ms = (uint64_t)conn->loop->server->options.login_timeout_ms;
    return !is_logged_in(conn) && uv_now(&conn->loop->uv) - conn->opened_at_ms >= limit_ms;
}

static void refuse_what_waits(struct conn *conn);
static void note_stall(struct conn *conn);

/* It is stalled, and nothing of it is under way that could make room. */
static bool is_stuck(const struct conn *conn)
{
    const bool is_open = !conn->is_refused && !conn->is_closed;
    return is_open && conn->is_stalled && conn->calls == 0 && unsent_len(conn) == 0 && held_stops(conn);
}

/* Memory is let go of, and taken up, by connections of other loops, too, who tell nobody: this one may go on now, or may hold a
 * part of a call that others need the memory of, though nothing has come on it since there was enough. */
static void look_again(struct conn *conn)
{
    const bool was_stalled = conn->is_stalled;
    held_buffers(conn);
    if (conn->is_finishing) return;
    note_stall(conn);
    if (!was_stalled && !conn->is_stalled) return;
    if (is_stuck(conn)) refuse_what_waits(conn);
    mark_dirty(conn);
}

void conn_tick(struct conn *conn)
{
    if (conn->is_closed) return;
    look_again(conn);
    if (conn->is_closed) return;
    const struct vt_server_options *options = &conn->loop->server->options;
    const uint64_t quiet_ms = uv_now(&conn->loop->uv) - conn->active_at_ms;
    const int64_t limit_ms = quiet_limit_ms(conn, options);
    /* A call under way is no idleness, but replies that nobody takes are. */
    const bool is_waiting_for_us = conn->calls != 0 && unsent_len(conn) == 0;
    if (is_waiting_for_us || (quiet_ms < (uint64_t)limit_ms && !login_is_late(conn))) return;
    if (!conn->is_lingering) count(&conn->loop->server->counts.timeouts);
    conn_close(conn);
}

/* Calls ----------------------------------------------------------------------------------------------------------- */

/* A reply that does not fit beside others goes out alone. */
static VT_RESULT write_reply(struct conn *conn, struct vt_call *call)
{
    if (conn->out.len + call->result.len > OUT_FLUSH_LEN) conn_send(conn);
    if (conn->is_closed) return VAULT_OK;
    const vault_status status = vt_call_finish(call, &conn->out);
    if (status != VAULT_E_TOO_LARGE) return status;
    const struct vt_rpc_error error = {.status = VAULT_E_TOO_LARGE, .message = "The answer is larger than a reply may be."};
    return vt_rpc_write_error(&conn->out, call->message_id, &error);
}

static void take_over_login(struct conn *conn, const struct vt_call *call)
{
    if (call->login.role == NULL || call->status != VAULT_OK) return;
    conn->principal = call->login;
    conn->in.max = VT_LIMIT_FRAME_BYTES + READ_CHUNK_LEN;
}

static bool is_login(const struct vt_call *call)
{
    return vt_bytes_equal_str(call->method, "auth.login");
}

/* The call is through, whatever came of it. */
static void conn_answer(struct conn *conn, struct vt_call *call)
{
    if (!is_logged_in(conn) && call->status != VAULT_OK) count(&conn->loop->server->counts.refused_calls);
    /* Each refusal is a leaf of the log: whoever has lost the right to call gets one. */
    const bool is_revoked = call->status == VAULT_E_CREDENTIAL_REVOKED;
    if (is_login(call)) conn->is_login_under_way = false;
    take_over_login(conn, call);
    if (!conn->is_closed && write_reply(conn, call) != VAULT_OK) conn_close(conn);
    conn->calls--;
    conn->active_at_ms = uv_now(&conn->loop->uv);
    held_call_over(call);
    vt_call_free(call);
    held_buffers(conn);
    mark_dirty(conn);
    if (is_revoked || (conn->loop->is_draining && conn->calls == 0)) conn_end(conn);
    conn_free_if_over(conn);
}

void conn_refuse(struct vt_call *call, vault_status status)
{
    call->status = status;
    call->err = (struct vt_err){{0}, {0}};
    conn_answer(call->owner, call);
}

/* There is no memory for it, and nothing was done yet: the caller may try again. */
static void refuse_busy(struct conn *conn, struct vt_call *call)
{
    count(&conn->loop->server->held.busy);
    conn_refuse(call, VAULT_E_BUSY);
}

static void call_run(struct conn *conn, struct vt_call *call)
{
    const enum vt_call_next next = vt_call_prepare(call);
    held_call(call);
    switch (next) {
    case VT_CALL_REPLY:
        conn_answer(conn, call);
        return;
    case VT_CALL_COMMIT:
        if (held_refuses(call)) {
            refuse_busy(conn, call);
            return;
        }
        call->item.on_done = call_on_done;
        vt_list_push_back(&conn->loop->to_commit, &call->item.link);
        return;
    case VT_CALL_SLOW: {
        const vault_status status = vt_workers_push(conn->loop->server->workers, &call->item.link);
        if (status != VAULT_OK) conn_refuse(call, status);
        return;
    }
    }
}

/* What waits for an epoch must not wait here, where others are served. The call is durable: when no worker takes it, it is
 * answered as things stand. */
static bool finish_on_worker(struct conn *conn, struct vt_call *call)
{
    if (!call->wants_worker_after || call->item.status != VAULT_OK) return false;
    call->is_committed = true;
    if (vt_workers_push(conn->loop->server->workers, &call->item.link) == VAULT_OK) return true;
    call->wants_worker_after = false;
    return false;
}

void conn_call_committed(struct vt_call *call)
{
    struct conn *conn = call->owner;
    if (vt_call_wants_retry(call)) {
        call_run(conn, call);
        return;
    }
    if (finish_on_worker(conn, call)) return;
    vt_call_committed(call);
    conn_answer(conn, call);
}

void conn_call_finished(struct vt_call *call)
{
    conn_answer(call->owner, call);
}

/* Frames ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT call_from_frame(struct conn *conn, struct vt_bytes frame, struct vt_call **out_call)
{
    VT_AUTO_PTR(vt_call) call = NULL;
    VT_TRY(vt_call_new(conn->loop->server->options.vault, &conn->principal, &call));
    call->frame = VT_BUF_INIT(frame.len);       /* nothing follows it, so no room for more */
    VT_TRY(vt_buf_append(&call->frame, frame));
    struct vt_rpc_request request;
    const vault_status status = vt_rpc_read_request(&call->pool, vt_buf_bytes(&call->frame), &request, &call->err);
    if (request.message_id < 0) return status;
    call->message_id = request.message_id;
    call->method = request.method;
    call->params = request.params;
    call->owner = conn;
    call->status = status;
    *out_call = VT_MOVE(call);
    return VAULT_OK;
}

/* The stream cannot be followed any further. */
static void conn_give_up(struct conn *conn)
{
    count(&conn->loop->server->counts.bad_frames);
    conn_end(conn);
}

static void conn_take(struct conn *conn, struct vt_bytes frame)
{
    struct vt_call *call = NULL;
    const vault_status status = call_from_frame(conn, frame, &call);
    if (status != VAULT_OK) {
        conn_give_up(conn);
        return;
    }
    conn->calls++;
    conn->active_at_ms = uv_now(&conn->loop->uv);
    if (call->status != VAULT_OK) {             /* not a request, but its id could be read: the sentence is in err */
        conn_answer(conn, call);
    } else if (conn->loop->is_draining) {
        conn_refuse(call, VAULT_E_SHUTDOWN);
    } else if (conn->is_busy) {
        refuse_busy(conn, call);
    } else {
        if (is_login(call)) conn->is_login_under_way = true;
        call_run(conn, call);
    }
}

/* A frame past a limit: its id stands at the front, so the answer can say so before the connection ends. */
static void conn_refuse_frame(struct conn *conn, struct vt_bytes stream, vault_status status)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_LIMIT_LOGIN_FRAME_BYTES);
    struct vt_rpc_request request;
    const struct vt_rpc_error error = {.status = status};
    const struct vt_bytes front = vt_bytes(stream.data, VT_MIN(stream.len, (size_t)64));
    if (vt_rpc_read_request(&pool, front, &request, NULL) != VAULT_OK && request.message_id >= 0 &&
        vt_rpc_write_error(&conn->out, request.message_id, &error) != VAULT_OK)
        conn_close(conn);
    conn_end(conn);
}

/* @return false when there is no whole frame */
static bool take_frame(struct conn *conn)
{
    const struct vt_bytes stream = vt_bytes(conn->in.data + conn->in_at, conn->in.len - conn->in_at);
    if (stream.len == 0) return false;
    size_t len;
    const vault_status status = vt_rpc_frame_scan(&conn->scan, stream, frame_max(conn), &len);
    if (status == VAULT_E_CONFLICT) return false;
    conn->scan = VT_MSGPACK_SCAN_INIT;
    if (status != VAULT_OK) {
        count(&conn->loop->server->counts.bad_frames);
        conn_refuse_frame(conn, stream, status);
        return false;
    }
    conn->in_at += len;
    conn_take(conn, vt_bytes(stream.data, len));
    return true;
}

static bool may_take(const struct conn *conn)
{
    const size_t unsent_max = is_logged_in(conn) ? UNSENT_HIGH_LEN : UNSENT_LOGIN_LEN;
    return !conn->is_closed && !conn->is_refused && !conn->is_login_under_way && conn->calls < VT_LIMIT_PIPELINE_CALLS &&
           unsent_len(conn) <= unsent_max && !held_stops(conn);
}

static void drop_consumed(struct conn *conn)
{
    vt_buf_consume(&conn->in, conn->in_at);
    conn->in_at = 0;
    if (conn->in.len == 0 && conn->in.cap > 4 * READ_CHUNK_LEN) vt_buf_release(&conn->in);
}

/* What the client has sent and we have not taken is all that it holds, and too much for the memory there is: nothing that is
 * under way will ever make room. So it is refused: whole calls one by one; a part of a large one by ending the connection, since
 * the rest cannot be told from what comes after. */
static void refuse_what_waits(struct conn *conn)
{
    conn->is_busy = true;
    while (!conn->is_closed && !conn->is_refused && take_frame(conn)) continue;
    conn->is_busy = false;
    drop_consumed(conn);
    if (!conn->is_closed && !conn->is_refused && conn->in.len > HELD_ALWAYS_LEN) {
        count(&conn->loop->server->held.busy);
        conn_refuse_frame(conn, vt_buf_bytes(&conn->in), VAULT_E_BUSY);
        vt_buf_release(&conn->in);
    }
    held_buffers(conn);
}

static void conn_read_tls(struct conn *conn)
{
    const vault_status status = vt_tls_read(conn->tls, &conn->in);
    conn->has_more_plain = conn->in.len == conn->in.max;
    mark_dirty(conn);                           /* handshake, alert */
    if (vt_tls_state(conn->tls) == VT_TLS_PEER_CLOSED) conn->is_ended = true;
    if (status == VAULT_OK) return;
    count(&conn->loop->server->counts.tls_failures);
    conn->is_refused = true;
}

/* @return false when something has kept it from looking at all that came */
static bool take_frames(struct conn *conn)
{
    for (;;) {
        bool may;
        while ((may = may_take(conn)) && take_frame(conn)) continue;
        drop_consumed(conn);
        if (!conn->has_more_plain || conn->in.len == conn->in.max) return may;
        if (!may_take(conn)) return false;
        conn_read_tls(conn);
    }
}

static void update_reading(struct conn *conn)
{
    const bool wants = may_take(conn) && !conn->is_ended && !conn->is_finishing;
    if (wants == conn->is_reading) return;
    conn->is_reading = wants;
    if (!wants) {
        uv_read_stop(&conn->uv.stream);
    } else if (uv_read_start(&conn->uv.stream, on_alloc, on_read) != 0) {
        conn_close(conn);
    }
}

static void note_stall(struct conn *conn)
{
    const bool is_stalled = held_stops(conn);
    if (is_stalled && !conn->is_stalled) count(&conn->loop->server->held.stalls);
    conn->is_stalled = is_stalled;
}

/* Something has changed: take what can be taken, read or stop reading, end what is over. */
static void conn_progress(struct conn *conn)
{
    if (conn->is_closed || conn->is_finishing) return;
    vt_fault_step("conn.look");
    const bool has_looked = take_frames(conn);
    vt_fault_step("conn.looked");
    held_buffers(conn);
    note_stall(conn);
    if (conn->is_ended && is_stuck(conn)) refuse_what_waits(conn);
    if (conn->is_ended && !has_looked) conn->is_stalled = true;     /* though others have made room meanwhile: look again */
    if (conn->is_closed) return;
    update_reading(conn);
    if (conn->out.len != 0) mark_dirty(conn);
    if (is_over(conn)) conn_finish(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    (void)suggested;
    struct conn *conn = handle->data;
    *out_buffer = uv_buf_init(conn->loop->read_buffer, sizeof conn->loop->read_buffer);
}

static void conn_eof(struct conn *conn)
{
    conn->is_ended = true;
    conn->is_reading = false;
    uv_read_stop(&conn->uv.stream);
    if (conn->is_finishing) {
        if (conn->is_lingering) conn_close(conn);
        return;
    }
    conn_progress(conn);
}

static VT_RESULT conn_feed(struct conn *conn, struct vt_bytes bytes)
{
    if (conn->tls == NULL) return vt_buf_append(&conn->in, bytes);
    VT_TRY(vt_tls_feed(conn->tls, bytes));
    conn_read_tls(conn);
    return VAULT_OK;
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct conn *conn = stream->data;
    if (len == 0 || conn->is_closed) return;
    if (len == UV_EOF) {
        conn_eof(conn);
        return;
    }
    if (len < 0) {
        conn_close(conn);
        return;
    }
    if (!conn->is_finishing && conn_feed(conn, vt_bytes(buffer->base, (size_t)len)) != VAULT_OK) conn_close(conn);
    vt_wipe(buffer->base, (size_t)len);
    conn_progress(conn);
}

/* Accepting ------------------------------------------------------------------------------------------------------- */

static void conn_turn_away(struct conn *conn)
{
    count(&conn->loop->server->counts.turned_away);
    conn_close(conn);
}

static bool has_room(const struct conn *conn)
{
    return atomic_load(counter_of(conn)) <= (conn->is_local ? LOCAL_CONNECTIONS_MAX : conn->loop->server->options.connections_max);
}

static struct conn *conn_accept(uv_stream_t *listener, int failed, bool is_local)
{
    struct loop *loop = listener->data;
    struct conn *conn;
    if (failed == 0 && conn_new(loop, is_local, &conn) != VAULT_OK) {
        *(is_local ? &loop->owes_local : &loop->owes_tcp) = true;       /* libuv listens on only when this one is taken */
        failed = UV_ENOMEM;
    }
    if (failed != 0) {
        count(&loop->server->counts.turned_away);
        return NULL;
    }
    if (uv_accept(listener, &conn->uv.stream) == 0 && has_room(conn)) return conn;
    conn_turn_away(conn);
    return NULL;
}

void conn_accept_tcp(uv_stream_t *listener, int failed)
{
    struct conn *conn = conn_accept(listener, failed, false);
    if (conn == NULL) return;
    struct vt_server *server = conn->loop->server;
    uv_tcp_nodelay(&conn->uv.tcp, 1);
    pthread_mutex_lock(&server->tls_mutex);
    const vault_status status = vt_tls_accept(server->tls, &conn->tls);
    pthread_mutex_unlock(&server->tls_mutex);
    if (status != VAULT_OK)
        conn_turn_away(conn);
    else
        conn_progress(conn);
}

/* Who may open the socket's file is root or ourselves already; the kernel's word on the peer is asked all the same. */
static bool is_peer_ours(struct conn *conn)
{
    uv_os_fd_t fd;
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (uv_fileno(&conn->uv.handle, &fd) != 0) return false;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || len != sizeof peer) return false;
    return peer.uid == 0 || peer.uid == geteuid();
}

void conn_accept_local(uv_stream_t *listener, int failed)
{
    struct conn *conn = conn_accept(listener, failed, true);
    if (conn == NULL) return;
    if (!is_peer_ours(conn)) {
        conn_turn_away(conn);
        return;
    }
    conn->principal = (struct vt_principal){.id = "vaultd.operator", .name = "local", .is_local = true};
    conn->principal.role = vt_role_find(vt_bytes_str("operator"));
    conn->in.max = VT_LIMIT_FRAME_BYTES + READ_CHUNK_LEN;
    conn_progress(conn);
}
