#include "tools/bench/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/bench/driver.h"

enum { RECEIVE_STEP = 32 << 10 };

struct bench_tls {
    SSL_CTX *context;
};

struct bench_conn {
    SSL *ssl;
    int fd;
    struct vt_buf in, out;
    size_t sent;            /* bytes at the start of out that have gone */
};

static const char *tls_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason != NULL ? reason : strerror(errno);
}

VT_RESULT bench_tls_open(const char *ca_file, struct bench_tls **out_tls, struct vt_err *err)
{
    VT_AUTO_PTR(bench_tls) tls = calloc(1, sizeof *tls);
    VT_ENSURE(tls != NULL, VAULT_E_MEMORY);
    tls->context = SSL_CTX_new(TLS_client_method());
    VT_ENSURE(tls->context != NULL, VAULT_E_MEMORY);
    SSL_CTX_set_min_proto_version(tls->context, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(tls->context, ca_file, NULL) != 1)
        return vt_fail(err, VAULT_E_TLS, "ca", "The certificate in %s cannot be used: %s.", ca_file, tls_reason());
    *out_tls = VT_MOVE(tls);
    return VAULT_OK;
}

void bench_tls_free(struct bench_tls *tls)
{
    if (tls == NULL) return;
    SSL_CTX_free(tls->context);
    free(tls);
}

static VT_RESULT tcp_connect(const char *host, uint16_t port, int *out_fd, struct vt_err *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    VT_ENSURE(inet_pton(AF_INET, host, &address.sin_addr) == 1,
              vt_fail(err, VAULT_E_ARGUMENT, "host", "The host is not an IPv4 address."));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    VT_ENSURE(fd >= 0, VAULT_E_CONNECT);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        const vault_status status =
            vt_fail(err, VAULT_E_CONNECT, "host", "Connecting to %s:%u failed: %s.", host, port, strerror(errno));
        close(fd);
        return status;
    }
    *out_fd = fd;
    return VAULT_OK;
}

static VT_RESULT shake_hands(struct bench_tls *tls, const char *host, struct bench_conn *conn, struct vt_err *err)
{
    conn->ssl = SSL_new(tls->context);
    VT_ENSURE(conn->ssl != NULL, VAULT_E_MEMORY);
    VT_ENSURE(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(conn->ssl), host) == 1, VAULT_E_TLS);
    VT_ENSURE(SSL_set_fd(conn->ssl, conn->fd) == 1, VAULT_E_TLS);
    if (SSL_connect(conn->ssl) != 1)
        return vt_fail(err, VAULT_E_TLS, NULL, "The TLS handshake with %s failed: %s.", host, tls_reason());
    VT_ENSURE(fcntl(conn->fd, F_SETFL, O_NONBLOCK) == 0, VAULT_E_IO);
    return VAULT_OK;
}

VT_RESULT bench_conn_open(struct bench_tls *tls, const char *host, uint16_t port, struct bench_conn **out_conn,
                          struct vt_err *err)
{
    VT_AUTO_PTR(bench_conn) conn = calloc(1, sizeof *conn);
    VT_ENSURE(conn != NULL, VAULT_E_MEMORY);
    conn->in = VT_BUF_INIT(BENCH_IN_MAX);
    conn->out = VT_BUF_INIT(BENCH_OUT_MAX);
    conn->fd = -1;
    VT_TRY(tcp_connect(host, port, &conn->fd, err));
    VT_TRY(shake_hands(tls, host, conn, err));
    *out_conn = VT_MOVE(conn);
    return VAULT_OK;
}

void bench_conn_free(struct bench_conn *conn)
{
    if (conn == NULL) return;
    SSL_free(conn->ssl);
    if (conn->fd >= 0) close(conn->fd);
    vt_buf_release(&conn->in);
    vt_buf_release(&conn->out);
    free(conn);
}

int bench_conn_fd(const struct bench_conn *conn)
{
    return conn->fd;
}

struct vt_buf *bench_conn_out(struct bench_conn *conn)
{
    return &conn->out;
}

struct vt_bytes bench_conn_in(const struct bench_conn *conn)
{
    return vt_buf_bytes(&conn->in);
}

void bench_conn_consume(struct bench_conn *conn, size_t len)
{
    vt_buf_consume(&conn->in, len);
}

/* True when TLS only wants to wait for the socket; otherwise why it failed is in err. */
static bool only_waits(struct bench_conn *conn, int result, const char *doing, struct vt_err *err)
{
    const int why = SSL_get_error(conn->ssl, result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return true;
    (void)vt_fail(err, VAULT_E_IO, NULL, "%s failed: %s.", doing,
                  why == SSL_ERROR_ZERO_RETURN ? "the server closed the connection" : tls_reason());
    return false;
}

VT_RESULT bench_conn_send(struct bench_conn *conn, bool *out_is_blocked, struct vt_err *err)
{
    while (conn->sent < conn->out.len) {
        const size_t left = VT_MIN(conn->out.len - conn->sent, (size_t)1 << 20);
        ERR_clear_error();
        const int wrote = SSL_write(conn->ssl, conn->out.data + conn->sent, (int)left);
        if (wrote <= 0) {
            VT_ENSURE(only_waits(conn, wrote, "Sending", err), VAULT_E_IO);
            *out_is_blocked = true;
            return VAULT_OK;
        }
        conn->sent += (size_t)wrote;
    }
    vt_buf_reset(&conn->out);
    conn->sent = 0;
    *out_is_blocked = false;
    return VAULT_OK;
}

VT_RESULT bench_conn_receive(struct bench_conn *conn, struct vt_err *err)
{
    for (;;) {
        uint8_t *space;
        VT_TRY(vt_buf_reserve(&conn->in, RECEIVE_STEP, &space));
        ERR_clear_error();
        const int got = SSL_read(conn->ssl, space, RECEIVE_STEP);
        if (got <= 0) return only_waits(conn, got, "Receiving", err) ? VAULT_OK : VAULT_E_IO;
        vt_buf_commit(&conn->in, (size_t)got);
        if (SSL_pending(conn->ssl) == 0 && got < (16 << 10)) return VAULT_OK;
    }
}
