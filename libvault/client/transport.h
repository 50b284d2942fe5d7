/* libvault/client/transport.h - a blocking stream of bytes to a vault: TLS over TCP, or a Unix socket. Every wait has a
 * deadline (poll); SIGPIPE is never raised. Invariant: after a failure the stream is of no further use.
 * Thread: one owner at a time. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/result.h"

struct vt_transport;
struct vt_transport_options {
    const char *socket_path;        /* Unix socket, instead of all below */
    const char *host;               /* DNS name or address */
    const char *port;               /* digits */
    const char *ca_file;            /* PEM; NULL only with a pin */
    const uint8_t *pin;             /* SHA-256 of the server's TLS certificate, or NULL */
    const char *certificate_file;   /* for mutual TLS, or NULL */
    const char *key_file;
};

/** Milliseconds from now as a deadline for the calls below (monotonic nanoseconds). */
uint64_t vt_deadline_in(uint32_t timeout_ms);
/** Connect, and finish the TLS handshake.
 *  @param out_transport  owned by the caller, free with vt_transport_free()
 *  @return VAULT_E_CONNECT, VAULT_E_TLS, VAULT_E_TIMEOUT, VAULT_E_ARGUMENT, VAULT_E_IO and VAULT_E_PARSE (CA file),
 *  VAULT_E_MEMORY; err says which in a sentence */
VT_RESULT vt_transport_open(const struct vt_transport_options *options, uint64_t deadline_ns, struct vt_err *err,
                            struct vt_transport **out_transport);
/** Send all of @p bytes. What the peer sends meanwhile is kept for receive, so that two talkers never wait for each
 *  other. @return VAULT_E_CONNECT, VAULT_E_TLS, VAULT_E_TIMEOUT, VAULT_E_MEMORY */
VT_RESULT vt_transport_send(struct vt_transport *transport, struct vt_bytes bytes, uint64_t deadline_ns,
                            struct vt_err *err);
/** Wait for more bytes and append them. @return as send; VAULT_E_CONNECT when the peer has closed */
VT_RESULT vt_transport_receive(struct vt_transport *transport, struct vt_buf *out_plain, uint64_t deadline_ns,
                               struct vt_err *err);
void vt_transport_free(struct vt_transport *transport);     /* says goodbye, wipes; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_transport);
