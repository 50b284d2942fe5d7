#include "vaultd/server/keeper_server.h"

#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#include "libvault/base/fault.h"
#include "libvault/base/list.h"
#include "libvault/base/log.h"
#include "libvault/codec/msgpack.h"
#include "libvault/wire/rpc.h"
#include "libvault/wire/tls.h"
#include "vaultd/config/config.h"
#include "vaultd/remote/answer.h"

enum {
    PEERS_MAX = 64,                         /* past it the oldest stranger goes, so that strangers cannot keep the vault out, */
    PEERS_MOST = 2 * PEERS_MAX,             /* and past this whoever comes */
    BACKLOG = 64,
    READ_CHUNK_LEN = 16 * 1024,
    IN_MAX = 2 * VT_REMOTE_REQUEST_MAX,
    UNSENT_MAX_LEN = 8 * VT_REMOTE_REPLY_MAX,   /* who asks and does not listen is cut off */
    TICK_MS = 250,
    COUNTS_EVERY_TICKS = 240,               /* a minute */
};
_Static_assert((int)VT_KEEPER_FINGERPRINT_LEN == (int)VT_TLS_FINGERPRINT_LEN, "a fingerprint is a TLS certificate's");

struct peer {
    uv_tcp_t tcp;
    struct vt_list link;
    struct vt_keeper_server *server;
    struct vt_tls *tls;
    struct vt_buf in;
    struct vt_msgpack_scan scan;
    uint64_t active_at_ms;                  /* of a stranger: when it came, so that it has one time for all of its handshake */
    bool is_known;                          /* its TLS certificate has been looked at and is the vault's */
    bool is_closed;
};

struct vt_keeper_server {
    struct vt_keeper_server_options options;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_timer_t tick;
    uv_signal_t signals[3];
    struct vt_tls_context *tls;
    struct vt_list peers;
    unsigned peer_count, ticks, port;
    bool is_stopping;
    bool is_owing;                          /* a connection has come for which there was no memory */
    unsigned long long strangers, failures, timeouts;   /* counted since they were logged */
    char chunk[READ_CHUNK_LEN];
};

static const int SIGNALS[3] = {SIGTERM, SIGINT, SIGHUP};

/* One connection ---------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    vt_list_remove(&peer->link);
    peer->server->peer_count--;
    vt_tls_free(peer->tls);
    vt_buf_release(&peer->in);
    free(peer);
}

static void peer_close(struct peer *peer)
{
    if (peer->is_closed) return;
    peer->is_closed = true;
    uv_close((uv_handle_t *)&peer->tcp, on_closed);
}

struct sending {
    uv_write_t request;
    struct vt_buf bytes;
};

static void on_sent(uv_write_t *request, int failed)
{
    struct sending *sending = VT_CONTAINER_OF(request, struct sending, request);
    struct peer *peer = request->handle->data;
    vt_buf_release(&sending->bytes);
    free(sending);
    if (failed != 0) peer_close(peer);
}

static VT_RESULT send_bytes(struct peer *peer, struct vt_buf *bytes)
{
    struct sending *sending = vt_calloc(1, sizeof *sending);
    VT_ENSURE(sending != NULL, VAULT_E_MEMORY);
    sending->bytes = VT_BUF_INIT(bytes->max);
    vt_buf_move(&sending->bytes, bytes);
    const uv_buf_t part = uv_buf_init((char *)sending->bytes.data, (unsigned)sending->bytes.len);
    if (uv_write(&sending->request, (uv_stream_t *)&peer->tcp, &part, 1, on_sent) == 0) return VAULT_OK;
    vt_buf_release(&sending->bytes);
    free(sending);
    return VAULT_E_IO;
}

/* Whatever TLS has to send: handshake, answers, alerts. */
static VT_RESULT peer_flush(struct peer *peer)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(2 * UNSENT_MAX_LEN);
    VT_TRY(vt_tls_pull(peer->tls, &bytes));
    if (bytes.len == 0) return VAULT_OK;
    VT_TRY(send_bytes(peer, &bytes));
    return uv_stream_get_write_queue_size((uv_stream_t *)&peer->tcp) <= UNSENT_MAX_LEN ? VAULT_OK : VAULT_E_LIMIT;
}

/* An operation of the vault's is an event of its own; the floor, which comes every few seconds, only when it is refused. */
static void log_event(const struct vt_remote_event *event)
{
    const bool is_routine = event->op == VT_REMOTE_INFO || event->op == VT_REMOTE_READ || event->op == VT_REMOTE_FLOOR ||
                            event->op == VT_REMOTE_RAISE_FLOOR;
    if (is_routine && event->status == VAULT_OK) return;
    vt_log(event->status == VAULT_OK ? VT_LOG_INFO : VT_LOG_WARN, "keeper.asked",
           "operation=%s incarnation=%llu epoch=%llu status=%s",
           event->op == VT_REMOTE_OPS ? "unknown" : vt_remote_op_name(event->op), (unsigned long long)event->incarnation,
           (unsigned long long)event->epoch, vault_status_code(event->status));
}

static VT_RESULT peer_answer(struct peer *peer, struct vt_bytes frame)
{
    VT_AUTO(vt_buf) answer = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
    struct vt_remote_event event;
    const struct vt_keeper_server_options *options = &peer->server->options;
    VT_TRY(vt_remote_answer(options->keeper, options->clock, frame, &answer, &event));
    log_event(&event);
    return vt_tls_write(peer->tls, vt_buf_bytes(&answer));
}

static bool is_pinned(const struct vt_keeper_server_options *options, const uint8_t fingerprint[VT_TLS_FINGERPRINT_LEN])
{
    for (size_t i = 0; i < options->fingerprint_count; i++)
        if (memcmp(options->fingerprints[i], fingerprint, VT_TLS_FINGERPRINT_LEN) == 0) return true;
    return false;
}

/* A TLS certificate of the right CA is not enough: the CA may have others, the keeper's own among them. */
static VT_RESULT peer_admit(struct peer *peer)
{
    uint8_t fingerprint[VT_TLS_FINGERPRINT_LEN];
    if (peer->is_known) return VAULT_OK;
    const bool is_vault = vt_tls_peer_fingerprint(peer->tls, fingerprint) == VAULT_OK &&
                          is_pinned(&peer->server->options, fingerprint);
    peer->server->strangers += !is_vault;
    VT_ENSURE(is_vault, VAULT_E_UNAUTHENTICATED);
    peer->is_known = true;
    peer->active_at_ms = uv_now(&peer->server->loop);
    return VAULT_OK;
}

static VT_RESULT answer_frames(struct peer *peer)
{
    for (size_t len; peer->in.len != 0;) {
        const vault_status status = vt_rpc_frame_scan(&peer->scan, vt_buf_bytes(&peer->in), VT_REMOTE_REQUEST_MAX, &len);
        if (status == VAULT_E_CONFLICT) return VAULT_OK;
        peer->scan = VT_MSGPACK_SCAN_INIT;
        VT_TRY(status);
        VT_TRY(peer_answer(peer, vt_bytes(peer->in.data, len)));
        vt_buf_consume(&peer->in, len);
    }
    return VAULT_OK;
}

/* Until nothing comes any more: the buffer may have been full before all that was there was decrypted. */
static VT_RESULT peer_take(struct peer *peer, struct vt_bytes bytes)
{
    VT_TRY(vt_tls_feed(peer->tls, bytes));
    for (bool was_full = true; was_full;) {
        VT_TRY(vt_tls_read(peer->tls, &peer->in));
        was_full = peer->in.len == peer->in.max;
        if (vt_tls_state(peer->tls) == VT_TLS_HANDSHAKE) return VAULT_OK;
        VT_TRY(peer_admit(peer));
        VT_TRY(answer_frames(peer));
    }
    return vt_tls_state(peer->tls) == VT_TLS_OPEN ? VAULT_OK : VAULT_E_CONNECT;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    (void)suggested;
    struct peer *peer = handle->data;
    *out_buffer = uv_buf_init(peer->server->chunk, sizeof peer->server->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct peer *peer = stream->data;
    if (peer->is_closed || len == 0) return;
    if (len < 0) {
        peer_close(peer);
        return;
    }
    if (peer->is_known) peer->active_at_ms = uv_now(&peer->server->loop);
    const vault_status status = peer_take(peer, vt_bytes(buffer->base, (size_t)len));
    peer->server->failures += status == VAULT_E_TLS || status == VAULT_E_PROTOCOL || status == VAULT_E_PARSE;
    /* The alert tells the peer why, so what is pending goes out in any case. */
    if (status != VAULT_OK) vt_tls_close(peer->tls);
    const vault_status flushed = peer_flush(peer);
    if (status != VAULT_OK || flushed != VAULT_OK) peer_close(peer);
}

static VT_RESULT peer_new(struct vt_keeper_server *server, struct peer **out_peer)
{
    struct peer *peer = vt_calloc(1, sizeof *peer);
    VT_ENSURE(peer != NULL, VAULT_E_MEMORY);
    if (vt_tls_accept(server->tls, &peer->tls) != VAULT_OK || uv_tcp_init(&server->loop, &peer->tcp) != 0) {
        vt_tls_free(peer->tls);
        free(peer);
        return VAULT_E_MEMORY;
    }
    peer->tcp.data = peer;
    peer->server = server;
    peer->in = VT_BUF_INIT(IN_MAX);
    peer->scan = VT_MSGPACK_SCAN_INIT;
    peer->active_at_ms = uv_now(&server->loop);
    vt_list_push_back(&server->peers, &peer->link);
    server->peer_count++;
    *out_peer = peer;
    return VAULT_OK;
}

static void drop_oldest_stranger(struct vt_keeper_server *server)
{
    for (struct vt_list *link = server->peers.next; link != &server->peers; link = link->next) {
        struct peer *peer = VT_CONTAINER_OF(link, struct peer, link);
        if (peer->is_known || peer->is_closed) continue;
        server->strangers++;
        peer_close(peer);
        return;
    }
}

static void on_connection(uv_stream_t *listener, int failed)
{
    struct vt_keeper_server *server = listener->data;
    struct peer *peer;
    if (failed != 0 || server->is_stopping) return;
    if (server->peer_count >= PEERS_MAX) drop_oldest_stranger(server);
    server->is_owing = peer_new(server, &peer) != VAULT_OK;
    if (server->is_owing) return;           /* until somebody takes it libuv tells of no other one */
    const bool is_fine = uv_accept(listener, (uv_stream_t *)&peer->tcp) == 0 && uv_tcp_nodelay(&peer->tcp, 1) == 0 &&
                         uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read) == 0;
    if (!is_fine || server->peer_count > PEERS_MOST) peer_close(peer);
}

/* The server --------------------------------------------------------------------------------------------------------- */

static void log_counts(struct vt_keeper_server *server)
{
    if (server->strangers + server->failures + server->timeouts == 0) return;
    vt_log(VT_LOG_WARN, "keeper.refused", "strangers=%llu failures=%llu timeouts=%llu", server->strangers, server->failures,
           server->timeouts);
    server->strangers = server->failures = server->timeouts = 0;
}

static void on_tick(uv_timer_t *tick)
{
    struct vt_keeper_server *server = tick->data;
    const uint64_t now_ms = uv_now(&server->loop);
    for (struct vt_list *link = server->peers.next, *next; link != &server->peers; link = next) {
        next = link->next;
        struct peer *peer = VT_CONTAINER_OF(link, struct peer, link);
        const int64_t limit_ms = peer->is_known ? server->options.idle_timeout_ms : server->options.handshake_timeout_ms;
        if (peer->is_closed || now_ms - peer->active_at_ms < (uint64_t)limit_ms) continue;
        server->timeouts += !peer->is_known;
        peer_close(peer);
    }
    if (server->is_owing) on_connection((uv_stream_t *)&server->listener, 0);
    if (++server->ticks % COUNTS_EVERY_TICKS == 0) log_counts(server);
}

static VT_RESULT tls_open(const struct vt_keeper_server_options *options, struct vt_tls_context **out_tls, struct vt_err *err)
{
    const struct vt_tls_server_options tls = {.certificate_file = options->certificate_file, .key_file = options->key_file,
                                              .client_ca_file = options->client_ca_file, .requires_client_certificate = true};
    return vt_tls_server_context_new(&tls, err, out_tls);
}

/* Connections that stand keep theirs; on failure the old one stays in use. */
static void reload_tls(struct vt_keeper_server *server)
{
    struct vt_err err = {{0}, {0}};
    struct vt_tls_context *fresh;
    const vault_status status = tls_open(&server->options, &fresh, &err);
    vt_log(status == VAULT_OK ? VT_LOG_INFO : VT_LOG_ERROR, "server.reload", "status=%s message=\"%s\"", vault_status_code(status),
           err.message);
    if (status != VAULT_OK) return;
    vt_tls_context_free(server->tls);
    server->tls = fresh;
}

/* Everything that the loop still holds; it ends when the last of it is closed. */
static void close_all(struct vt_keeper_server *server)
{
    if (server->is_stopping) return;
    server->is_stopping = true;
    uv_close((uv_handle_t *)&server->listener, NULL);
    uv_close((uv_handle_t *)&server->tick, NULL);
    for (size_t i = 0; i < VT_ARRAY_LEN(SIGNALS); i++) uv_close((uv_handle_t *)&server->signals[i], NULL);
    for (struct vt_list *link = server->peers.next; link != &server->peers; link = link->next)
        peer_close(VT_CONTAINER_OF(link, struct peer, link));
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct vt_keeper_server *server = signal->data;
    if (number == SIGHUP) reload_tls(server);
    else close_all(server);
}

static VT_RESULT init_handles(struct vt_keeper_server *server)
{
    VT_ENSURE(uv_loop_init(&server->loop) == 0, VAULT_E_MEMORY);
    VT_BUG_ON(uv_tcp_init(&server->loop, &server->listener) != 0 || uv_timer_init(&server->loop, &server->tick) != 0);
    for (size_t i = 0; i < VT_ARRAY_LEN(SIGNALS); i++) {
        VT_BUG_ON(uv_signal_init(&server->loop, &server->signals[i]) != 0);
        server->signals[i].data = server;
    }
    server->listener.data = server->tick.data = server;
    return VAULT_OK;
}

static bool take_address(const char *listen, struct sockaddr_storage *out_address)
{
    char host[VT_CONFIG_HOST_MAX];
    const char *port;
    if (vt_config_listen_split(listen, host, &port) != VAULT_OK) return false;
    const int number = (int)strtol(port, NULL, 10);
    return uv_ip4_addr(host, number, (struct sockaddr_in *)(void *)out_address) == 0 ||
           uv_ip6_addr(host, number, (struct sockaddr_in6 *)(void *)out_address) == 0;
}

static VT_RESULT learn_port(struct vt_keeper_server *server)
{
    struct sockaddr_storage address = {0};
    int len = sizeof address;
    VT_ENSURE(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &len) == 0, VAULT_E_CONNECT);
    server->port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
                                                       : ((struct sockaddr_in *)(void *)&address)->sin_port);
    return VAULT_OK;
}

static VT_RESULT start_listening(struct vt_keeper_server *server, struct vt_err *err)
{
    struct sockaddr_storage address = {0};
    const char *listen = server->options.listen;
    if (!take_address(listen, &address))
        return vt_fail(err, VAULT_E_CONNECT, "keeper.listen", "The address %s is no IP address with a port.", listen);
    int failed = uv_tcp_bind(&server->listener, (const struct sockaddr *)&address, 0);
    if (failed == 0) failed = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    if (failed != 0)
        return vt_fail(err, VAULT_E_CONNECT, "keeper.listen", "The address %s cannot be listened on: %s.", listen,
                       uv_strerror(failed));
    return learn_port(server);
}

static VT_RESULT start_handles(struct vt_keeper_server *server)
{
    VT_ENSURE(uv_timer_start(&server->tick, on_tick, TICK_MS, TICK_MS) == 0, VAULT_E_MEMORY);
    for (size_t i = 0; i < VT_ARRAY_LEN(SIGNALS); i++)
        VT_ENSURE(uv_signal_start(&server->signals[i], on_signal, SIGNALS[i]) == 0, VAULT_E_MEMORY);
    return VAULT_OK;
}

VT_RESULT vt_keeper_server_open(const struct vt_keeper_server_options *options, struct vt_keeper_server **out_server,
                                struct vt_err *err)
{
    struct vt_tls_context *tls;
    VT_TRY(tls_open(options, &tls, err));
    struct vt_keeper_server *made = vt_calloc(1, sizeof *made);
    if (made == NULL || init_handles(made) != VAULT_OK) {
        vt_tls_context_free(tls);
        free(made);
        return VAULT_E_MEMORY;
    }
    vt_list_init(&made->peers);
    made->options = *options;
    made->tls = tls;
    VT_AUTO_PTR(vt_keeper_server) server = made;
    VT_TRY(start_listening(server, err));
    VT_TRY(start_handles(server));
    *out_server = VT_MOVE(server);
    return VAULT_OK;
}

unsigned vt_keeper_server_port(const struct vt_keeper_server *server)
{
    return server->port;
}

void vt_keeper_server_run(struct vt_keeper_server *server)
{
    uv_run(&server->loop, UV_RUN_DEFAULT);
}

void vt_keeper_server_free(struct vt_keeper_server *server)
{
    if (server == NULL) return;
    close_all(server);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    VT_BUG_ON(uv_loop_close(&server->loop) != 0);
    log_counts(server);
    vt_tls_context_free(server->tls);
    free(server);
}
