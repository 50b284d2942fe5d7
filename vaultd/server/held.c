/* How much memory connections hold for their calls and answers, and who has to wait when it is too much.
 *
 * Counted are the calls under way (their request, what they have worked out, their answer), what has been read and not yet
 * taken, and what has been written and not yet sent. A connection at its own maximum is not read from until its client has
 * taken answers. When all connections together are at the maximum of the server, those that hold more than HELD_ALWAYS_LEN
 * and a short buffer are not read from, and a call of the others is answered with busy when it needs more than
 * HELD_ALWAYS_LEN: so who asks for little is served whoever asks for much. The local socket is the operator's and has its own
 * maximum alone. What one call needs while it is being prepared comes on top, once for each thread. */
#include "vaultd/server/server_internal.h"

static void note_most(struct vt_held_counts *held, uint64_t bytes)
{
    uint64_t most = atomic_load_explicit(&held->most_bytes, memory_order_relaxed);
    while (bytes > most && !atomic_compare_exchange_weak(&held->most_bytes, &most, bytes)) continue;
}

static void change(struct conn *conn, size_t before, size_t now)
{
    struct vt_held_counts *held = &conn->loop->server->held;
    if (now > before) {
        atomic_fetch_add(&conn->held_bytes, now - before);
        note_most(held, atomic_fetch_add(&held->bytes, now - before) + (now - before));
    } else if (now < before) {
        atomic_fetch_sub(&conn->held_bytes, before - now);
        atomic_fetch_sub(&held->bytes, before - now);
    }
}

void held_call(struct vt_call *call)
{
    const size_t now = vt_call_held_bytes(call);
    change(call->owner, call->held_bytes, now);
    call->held_bytes = now;
}

void held_call_over(struct vt_call *call)
{
    change(call->owner, call->held_bytes, 0);
    call->held_bytes = 0;
}

/* Memory of large frames and answers that are over, kept for the next ones, is given back when others wait for it. Buffers grow
 * by doubling, so one that is more than half full could not be smaller. */
static void trim(struct vt_buf *buf)
{
    VT_AUTO(vt_buf) fitting = VT_BUF_INIT(buf->max);
    if (buf->cap <= READ_CHUNK_LEN || buf->len > buf->cap / 2) return;
    if (vt_buf_append(&fitting, vt_buf_bytes(buf)) == VAULT_OK) vt_buf_move(buf, &fitting);
}

static bool server_is_full(const struct vt_server *server)
{
    return atomic_load(&server->held.bytes) >= server->held.max_bytes;
}

void held_buffers(struct conn *conn)
{
    if (server_is_full(conn->loop->server)) {
        trim(&conn->in);
        trim(&conn->out);
    }
    const size_t queued = conn->is_gone ? 0 : uv_stream_get_write_queue_size(&conn->uv.stream);
    const size_t now = conn->in.cap + conn->out.cap + queued;
    change(conn, conn->buffer_bytes, now);
    conn->buffer_bytes = now;
}

void held_over(struct conn *conn)
{
    change(conn, conn->buffer_bytes, 0);
    conn->buffer_bytes = 0;
}

/* Room for HELD_ALWAYS_LEN of a call that comes in pieces, and for the other buffer: a part that is no longer never stops what
 * would complete it, and a longer one refuse_what_waits() refuses. Nothing lies between, where it would wait for ever. */
bool held_stops(const struct conn *conn)
{
    const struct vt_server *server = conn->loop->server;
    const size_t bytes = atomic_load(&conn->held_bytes);
    if (bytes >= server->held.connection_max_bytes) return true;
    return bytes > HELD_ALWAYS_LEN + READ_CHUNK_LEN && !conn->is_local && server_is_full(server);
}

bool held_refuses(const struct vt_call *call)
{
    const struct conn *conn = call->owner;
    const struct vt_held_counts *held = &conn->loop->server->held;
    if (conn->is_local || call->held_bytes <= HELD_ALWAYS_LEN) return false;
    return atomic_load(&held->bytes) - call->held_bytes >= held->max_bytes;     /* it was full without this one */
}

/* Exports and the like: how much they will need is not known before they run, and many may wait for a worker. */
bool held_refuses_slow(const struct vt_call *call)
{
    return call->command->effect == VT_READS && held_stops(call->owner);
}
