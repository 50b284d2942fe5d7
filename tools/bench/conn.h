/* tools/bench/conn.h - one TLS 1.3 connection of the load generator, without blocking: bytes to send gather in out, bytes
 * that came stand in in. It uses OpenSSL itself and not the product's client, so that a fault of the client cannot
 * flatter or hide a fault of the daemon. Thread: the load thread that opened it. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/result.h"

struct bench_tls;       /* what all connections share: the trusted certificate and the settings */
struct bench_conn;

/** @param ca_file PEM; the server must present a certificate that it signed, for the address that is called
 *  @return VAULT_E_TLS with a sentence */
VT_RESULT bench_tls_open(const char *ca_file, struct bench_tls **out_tls, struct vt_err *err);
void bench_tls_free(struct bench_tls *tls);
VT_DEFINE_AUTO_PTR(bench_tls);

/** Connect and shake hands; blocks, then the connection no longer does. @param host a numeric address
 *  @return VAULT_E_CONNECT, VAULT_E_TLS, VAULT_E_MEMORY, each with a sentence */
VT_RESULT bench_conn_open(struct bench_tls *tls, const char *host, uint16_t port, struct bench_conn **out_conn,
                          struct vt_err *err);
void bench_conn_free(struct bench_conn *conn);
VT_DEFINE_AUTO_PTR(bench_conn);

int bench_conn_fd(const struct bench_conn *conn);
/** Where calls are appended; bench_conn_send() sends what stands there. */
struct vt_buf *bench_conn_out(struct bench_conn *conn);
/** What came and was not consumed. Borrowed until the next receive or consume. */
struct vt_bytes bench_conn_in(const struct bench_conn *conn);
void bench_conn_consume(struct bench_conn *conn, size_t len);

/** Send as much as goes. *out_is_blocked: the rest waits until the socket can be written. @return VAULT_E_IO */
VT_RESULT bench_conn_send(struct bench_conn *conn, bool *out_is_blocked, struct vt_err *err);
/** Receive all there is. @return VAULT_E_IO when the server closed the connection or broke it, VAULT_E_TOO_LARGE */
VT_RESULT bench_conn_receive(struct bench_conn *conn, struct vt_err *err);
