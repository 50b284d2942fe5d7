#include "libvault/client/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libvault/base/clock.h"
#include "libvault/base/secret.h"
#include "libvault/codec/limits.h"
#include "libvault/wire/tls.h"

enum { PIECE_BYTES = 64 * 1024, EARLY_MAX = VT_LIMIT_REPLY_BYTES, NS_PER_MS = 1000 * 1000 };

struct vt_transport {
    int fd;
    struct vt_tls_context *tls_context;     /* NULL: Unix socket */
    struct vt_tls *tls;
    struct vt_buf early;                    /* plaintext that came while we were sending */
    uint8_t piece[PIECE_BYTES];
};

uint64_t vt_deadline_in(uint32_t timeout_ms)
{
    return vt_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

static vault_status refused(struct vt_err *err, const char *sentence)
{
    return vt_fail(err, VAULT_E_CONNECT, NULL, "%s", sentence);
}

/* Wait until the socket is ready for one of @p events. */
static VT_RESULT wait_for(int fd, short events, uint64_t deadline_ns, short *out_ready, struct vt_err *err)
{
    for (;;) {
        const uint64_t now = vt_monotonic_ns();
        if (now >= deadline_ns) return vt_fail(err, VAULT_E_TIMEOUT, NULL, "The vault did not answer in time.");
        struct pollfd wanted = {.fd = fd, .events = events};
        const uint64_t left_ms = (deadline_ns - now) / NS_PER_MS + 1;
        const int count = poll(&wanted, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        if (count < 0 && errno != EINTR) return refused(err, "Waiting for the vault failed.");
        if (count <= 0) continue;
        *out_ready = wanted.revents;
        return VAULT_OK;
    }
}

static bool is_wait(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Take what the socket has into @p transport->piece; zero bytes when there is nothing yet. */
static VT_RESULT socket_read(struct vt_transport *transport, size_t *out_len, struct vt_err *err)
{
    const ssize_t len = recv(transport->fd, transport->piece, sizeof transport->piece, 0);
    if (len < 0 && !is_wait(errno)) return refused(err, "The connection to the vault broke.");
    if (len == 0) return refused(err, "The vault closed the connection.");
    *out_len = len < 0 ? 0 : (size_t)len;
    return VAULT_OK;
}

static vault_status tls_failed(struct vt_transport *transport, struct vt_err *err)
{
    return vt_fail(err, VAULT_E_TLS, NULL, "TLS with the vault failed: %s.", vt_tls_reason(transport->tls));
}

/* One piece from the socket, decrypted and appended to @p out_plain. */
static VT_RESULT take_piece(struct vt_transport *transport, struct vt_buf *out_plain, struct vt_err *err)
{
    size_t len;
    VT_TRY(socket_read(transport, &len, err));
    const struct vt_bytes piece = vt_bytes(transport->piece, len);
    if (transport->tls == NULL) return vt_buf_append(out_plain, piece);
    VT_TRY(vt_tls_feed(transport->tls, piece));
    const vault_status status = vt_tls_read(transport->tls, out_plain);
    vt_wipe(transport->piece, len);
    return status == VAULT_E_TLS ? tls_failed(transport, err) : status;
}

/* Write @p bytes; read whatever comes, or both sides could wait for each other with full sockets. */
static VT_RESULT socket_write(struct vt_transport *transport, struct vt_bytes bytes, uint64_t deadline_ns,
                              struct vt_err *err)
{
    while (bytes.len != 0) {
        short ready;
        VT_TRY(wait_for(transport->fd, POLLOUT | POLLIN, deadline_ns, &ready, err));
        if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0) VT_TRY(take_piece(transport, &transport->early, err));
        if ((ready & POLLOUT) == 0) continue;
        const ssize_t sent = send(transport->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && !is_wait(errno)) return refused(err, "The connection to the vault broke.");
        if (sent > 0) bytes = vt_bytes(bytes.data + sent, bytes.len - (size_t)sent);
    }
    return VAULT_OK;
}

/* Send what TLS wants to send: handshake, records, alerts. */
static VT_RESULT flush_tls(struct vt_transport *transport, uint64_t deadline_ns, struct vt_err *err)
{
    while (vt_tls_pending(transport->tls) != 0) {
        VT_AUTO(vt_buf) out = VT_BUF_INIT(2 * VT_LIMIT_FRAME_BYTES);
        VT_TRY(vt_tls_pull(transport->tls, &out));
        VT_TRY(socket_write(transport, vt_buf_bytes(&out), deadline_ns, err));
    }
    return VAULT_OK;
}

static VT_RESULT handshake(struct vt_transport *transport, uint64_t deadline_ns, struct vt_err *err)
{
    vault_status status = vt_tls_read(transport->tls, &transport->early);
    while (status == VAULT_OK && vt_tls_state(transport->tls) == VT_TLS_HANDSHAKE) {
        VT_TRY(flush_tls(transport, deadline_ns, err));
        if (vt_tls_state(transport->tls) != VT_TLS_HANDSHAKE) break;
        short ready;
        VT_TRY(wait_for(transport->fd, POLLIN, deadline_ns, &ready, err));
        size_t len;
        VT_TRY(socket_read(transport, &len, err));
        VT_TRY(vt_tls_feed(transport->tls, vt_bytes(transport->piece, len)));
        status = vt_tls_read(transport->tls, &transport->early);
    }
    if (status != VAULT_OK) {
        const vault_status failure = status == VAULT_E_TLS ? tls_failed(transport, err) : status;
        /* The alert tells the peer why; that it cannot be sent changes nothing. */
        if (flush_tls(transport, deadline_ns, NULL) != VAULT_OK) return failure;
        return failure;
    }
    return flush_tls(transport, deadline_ns, err);
}

static const char NOBODY_ANSWERS[] = "No vault answers at this address: check that vaultd runs and listens there.";

/* Finish a connect that was begun without waiting. */
static VT_RESULT await_connect(int fd, uint64_t deadline_ns, struct vt_err *err)
{
    short ready;
    VT_TRY(wait_for(fd, POLLOUT, deadline_ns, &ready, err));
    int error = 0;
    socklen_t len = sizeof error;
    VT_ENSURE(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0, VAULT_E_CONNECT);
    return error == 0 ? VAULT_OK : refused(err, NOBODY_ANSWERS);
}

static VT_RESULT connect_to(int family, const struct sockaddr *address, socklen_t len, uint64_t deadline_ns, int *out_fd,
                            struct vt_err *err)
{
    const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return refused(err, "No socket could be made.");
    vault_status status = VAULT_OK;
    if (connect(fd, address, len) != 0)
        status = errno == EINPROGRESS ? await_connect(fd, deadline_ns, err)
                                      : refused(err, NOBODY_ANSWERS);
    if (status != VAULT_OK) {
        close(fd);
        return status;
    }
    *out_fd = fd;
    return VAULT_OK;
}

static VT_RESULT connect_unix(const char *path, uint64_t deadline_ns, int *out_fd, struct vt_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return vt_fail(err, VAULT_E_ARGUMENT, "socket", "The path of the socket is longer than %zu bytes.",
                       sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    return connect_to(AF_UNIX, (const struct sockaddr *)&address, sizeof address, deadline_ns, out_fd, err);
}

/* Each address of the name in turn. */
static VT_RESULT connect_tcp(const char *host, const char *port, uint64_t deadline_ns, int *out_fd, struct vt_err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    if (getaddrinfo(host, port, &hints, &addresses) != 0)
        return vt_fail(err, VAULT_E_CONNECT, "addr", "The address of the vault is not known.");
    vault_status status = VAULT_E_CONNECT;
    for (const struct addrinfo *at = addresses; at != NULL && status != VAULT_OK; at = at->ai_next)
        status = connect_to(at->ai_family, at->ai_addr, at->ai_addrlen, deadline_ns, out_fd, err);
    freeaddrinfo(addresses);
    /* With the port, which may be one that nobody typed. */
    if (status == VAULT_E_CONNECT)
        return vt_fail(err, status, "addr", "No vault answers at %.128s port %s: check that vaultd runs and listens there.", host,
                       port);
    if (status != VAULT_OK) return status;
    const int on = 1;
    /* Small calls must not wait for each other (Nagle); when it cannot be set they are merely slower. */
    (void)setsockopt(*out_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return VAULT_OK;
}

static VT_RESULT open_tls(struct vt_transport *transport, const struct vt_transport_options *options,
                          uint64_t deadline_ns, struct vt_err *err)
{
    const struct vt_tls_client_options tls = {.ca_file = options->ca_file,
                                              .pin = options->pin,
                                              .certificate_file = options->certificate_file,
                                              .key_file = options->key_file};
    VT_TRY(vt_tls_client_context_new(&tls, err, &transport->tls_context));
    VT_TRY(connect_tcp(options->host, options->port, deadline_ns, &transport->fd, err));
    VT_TRY(vt_tls_connect(transport->tls_context, options->host, &transport->tls));
    return handshake(transport, deadline_ns, err);
}

VT_RESULT vt_transport_open(const struct vt_transport_options *options, uint64_t deadline_ns, struct vt_err *err,
                            struct vt_transport **out_transport)
{
    VT_ENSURE(options->socket_path != NULL || (options->host != NULL && options->port != NULL), VAULT_E_ARGUMENT);
    VT_AUTO_PTR(vt_transport) transport = calloc(1, sizeof *transport);
    VT_ENSURE(transport != NULL, VAULT_E_MEMORY);
    transport->fd = -1;
    transport->early = VT_BUF_INIT(EARLY_MAX);
    if (options->socket_path != NULL)
        VT_TRY(connect_unix(options->socket_path, deadline_ns, &transport->fd, err));
    else
        VT_TRY(open_tls(transport, options, deadline_ns, err));
    *out_transport = VT_MOVE(transport);
    return VAULT_OK;
}

VT_RESULT vt_transport_send(struct vt_transport *transport, struct vt_bytes bytes, uint64_t deadline_ns,
                            struct vt_err *err)
{
    if (transport->tls == NULL) return socket_write(transport, bytes, deadline_ns, err);
    while (bytes.len != 0) {
        const size_t len = VT_MIN(bytes.len, (size_t)PIECE_BYTES);
        VT_TRY(vt_tls_write(transport->tls, vt_bytes(bytes.data, len)));
        VT_TRY(flush_tls(transport, deadline_ns, err));
        bytes = vt_bytes(bytes.data + len, bytes.len - len);
    }
    return VAULT_OK;
}

VT_RESULT vt_transport_receive(struct vt_transport *transport, struct vt_buf *out_plain, uint64_t deadline_ns,
                               struct vt_err *err)
{
    if (transport->early.len != 0) {
        VT_TRY(vt_buf_append(out_plain, vt_buf_bytes(&transport->early)));
        vt_buf_reset(&transport->early);
        return VAULT_OK;
    }
    const size_t before = out_plain->len;
    while (out_plain->len == before) {
        short ready;
        VT_TRY(wait_for(transport->fd, POLLIN, deadline_ns, &ready, err));
        VT_TRY(take_piece(transport, out_plain, err));
        if (transport->tls == NULL) continue;
        if (vt_tls_state(transport->tls) == VT_TLS_PEER_CLOSED && out_plain->len == before)
            return refused(err, "The vault closed the connection.");
        VT_TRY(flush_tls(transport, deadline_ns, err));
    }
    return VAULT_OK;
}

/* close_notify, as far as the socket takes it at once: nobody waits for a goodbye. */
static void say_goodbye(struct vt_transport *transport)
{
    enum { GOODBYE_MS = 50 };
    if (transport->tls == NULL || transport->fd < 0 || vt_tls_state(transport->tls) != VT_TLS_OPEN) return;
    vt_tls_close(transport->tls);
    if (flush_tls(transport, vt_deadline_in(GOODBYE_MS), NULL) != VAULT_OK) return;
}

void vt_transport_free(struct vt_transport *transport)
{
    if (transport == NULL) return;
    say_goodbye(transport);
    vt_tls_free(transport->tls);
    vt_tls_context_free(transport->tls_context);
    if (transport->fd >= 0) close(transport->fd);
    vt_buf_release(&transport->early);
    vt_wipe(transport->piece, sizeof transport->piece);
    free(transport);
}
