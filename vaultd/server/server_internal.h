/* vaultd/server/server_internal.h - what loops, connections and the server share. Private to this folder. */
#pragma once
#include <stdatomic.h>
#include <uv.h>

#include "libvault/base/list.h"
#include "libvault/base/thread.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/msgpack.h"
#include "libvault/wire/tls.h"
#include "vaultd/server/committer.h"
#include "vaultd/server/epoch_thread.h"
#include "vaultd/server/server.h"
#include "vaultd/server/workers.h"
#include "vaultd/service/call.h"

enum {
    LOOPS_MAX = 64,
    READ_CHUNK_LEN = 64 * 1024,
    OUT_FLUSH_LEN = 1024 * 1024,                    /* replies gathered before they are sent at once */
    OUT_MAX_LEN = VT_LIMIT_REPLY_BYTES + 2 * OUT_FLUSH_LEN,
    UNSENT_HIGH_LEN = 1024 * 1024,                  /* past this a slow reader is not read from */
    UNSENT_LOGIN_LEN = 16 * 1024,                   /* the same before login: strangers get little memory */
    LOCAL_CONNECTIONS_MAX = 64,                     /* apart from the others, so that they cannot keep the operator out */
    UNSENT_MAX_LEN = 2 * VT_LIMIT_REPLY_BYTES,      /* so much past what it may hold, it is cut off */
    HELD_ALWAYS_LEN = 256 * 1024,                   /* what a call may hold when all together hold too much */
    TICK_MS = 250,
    LINGER_MS = 1000,                               /* how long a closed side waits for the other's end */
    WORKERS_QUEUE_MAX = 1024,
};

/* Counted, and logged as sums: one line per hostile connection would be a weapon. */
struct server_counts {
    _Atomic uint64_t refused_calls;     /* before login */
    _Atomic uint64_t bad_frames;
    _Atomic uint64_t tls_failures;
    _Atomic uint64_t turned_away;       /* connections past the maximum, local peers of another user */
    _Atomic uint64_t timeouts;
};

struct loop {
    struct vt_server *server;
    unsigned index;
    struct vt_thread thread;
    uv_loop_t uv;
    uv_tcp_t tcp_listener;
    uv_pipe_t local_listener;
    bool has_local, is_listening;
    bool owes_tcp, owes_local;          /* a connection waits that could not be taken for want of memory */
    uv_async_t wake;
    uv_prepare_t flush;
    uv_timer_t tick;
    struct vt_list conns;               /* also closed ones whose calls are still under way */
    struct vt_list dirty;               /* with something to send */
    struct vt_list to_commit;           /* items of this turn */
    struct vt_list committed;           /* the committer's own: answers of its batch for this loop */
    pthread_mutex_t inbox_mutex;
    struct vt_list inbox_committed;     /* under the mutex: calls back from the committer */
    struct vt_list inbox_finished;      /* under the mutex: calls that need no commit, back from workers */
    bool is_draining;
    uint64_t drain_until_ms;
    char read_buffer[READ_CHUNK_LEN];
};

struct vt_server {
    struct vt_server_options options;
    struct vt_held_counts held;
    uint64_t logged_stalls, logged_busy;
    struct vt_committer *committer;
    struct vt_workers *workers;
    struct vt_epoch_thread *epoch_thread;
    pthread_mutex_t tls_mutex;
    struct vt_tls_context *tls;         /* under the mutex */
    struct server_counts counts;
    atomic_uint connections;            /* over TLS */
    atomic_uint local_connections;
    atomic_bool is_draining;
    atomic_bool was_cut_off;
    unsigned port;
    unsigned loop_count;
    struct loop *loops[LOOPS_MAX];
};

struct conn {
    struct vt_list link;                /* in loop->conns */
    struct vt_list dirty_link;
    struct loop *loop;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_shutdown_t shutdown;
    struct vt_tls *tls;                 /* NULL on the local socket */
    struct vt_principal principal;
    struct vt_msgpack_scan scan;        /* of the frame at in_at */
    struct vt_buf in;                   /* plaintext that came */
    size_t in_at;                       /* consumed of it */
    struct vt_buf out;                  /* plaintext of replies */
    unsigned calls;                     /* under way */
    atomic_size_t held_bytes;           /* by its calls and buffers; workers change it, too */
    size_t buffer_bytes;                /* of that: in, out, unsent */
    bool is_stalled;                    /* not read from, because too much is held */
    bool is_busy;                       /* what it has sent is being refused, since its memory is needed */
    uint64_t active_at_ms, opened_at_ms;
    bool is_local;
    bool has_more_plain;                /* the last TLS read filled `in` */
    bool is_login_under_way;            /* nothing behind a login is looked at before its answer */
    bool is_reading;
    bool is_ended;                      /* the peer sends no more */
    bool is_refused;                    /* we listen no more */
    bool is_finishing;                  /* our last bytes are on their way */
    bool is_lingering;                  /* they are out; what still comes is thrown away */
    bool is_closed;                     /* uv_close() was called */
    bool is_gone;                       /* its callback has run */
};

/* loop.c */
VT_RESULT loop_new(struct vt_server *server, unsigned index, struct loop **out_loop);
VT_RESULT loop_start(struct loop *loop);
void loop_wake(struct loop *loop);
/** After a batch: hand the answers over. Committer thread. */
void loop_take_committed(struct loop *loop);
/** A worker is through with a call that needs no commit. Worker thread. */
void loop_give_finished(struct loop *loop, struct vt_call *call);
/** Its thread has been joined, or was never started; no committer runs. */
void loop_free(struct loop *loop);

/* listen.c */
VT_RESULT listen_open(struct vt_server *server, struct vt_err *err);

/* conn.c; the loop's thread */
void conn_accept_tcp(uv_stream_t *listener, int failed);
void conn_accept_local(uv_stream_t *listener, int failed);
/** A call is back from committer or worker. */
void conn_call_committed(struct vt_call *call);
void conn_call_finished(struct vt_call *call);
void conn_refuse(struct vt_call *call, vault_status status);
void conn_flush(struct conn *conn);
void conn_tick(struct conn *conn);
/** Nothing is under way: say goodbye. */
void conn_end(struct conn *conn);
void conn_close(struct conn *conn);

/* held.c: memory of calls and answers */
/** Count what the call holds now. Thread: the call's owner. */
void held_call(struct vt_call *call);
void held_call_over(struct vt_call *call);
/** Count what the connection's buffers hold now. The loop's thread. */
void held_buffers(struct conn *conn);
void held_over(struct conn *conn);
/** It may take no further call. */
bool held_stops(const struct conn *conn);
/** A call that was prepared, and changed nothing yet, asks for more than there is. */
bool held_refuses(const struct vt_call *call);
/** The same for a slow one before it is prepared. Worker thread. */
bool held_refuses_slow(const struct vt_call *call);

/* Calls between threads: calls.c */
void call_on_done(struct vt_commit_item *item);
void call_run_slow(void *context, struct vt_list *job);
