/* libvault/wire/tls.h - TLS 1.3 (RFC 8446) over memory: ciphertext in, plaintext out and the reverse, both roles, no
 * sockets. 1.3 only, no tickets, no resumption, no 0-RTT, session cache off: recorded traffic must not open later. The
 * caller moves bytes between its socket and feed/pull, and after each feed calls read, which also drives the handshake:
 *
 *     vt_tls_feed(tls, from_socket);  status = vt_tls_read(tls, &plain);  vt_tls_pull(tls, &to_socket);
 *
 * After any status, pull once more: the alert that tells the peer why is waiting. Nothing is logged here; a failure's
 * reason is a fixed text without addresses or names of persons. Thread: a context any (connections may be opened from
 * several threads); a connection one owner at a time. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/result.h"

struct vt_tls_context; /* certificate, key and trust: shared by the connections opened from it */
struct vt_tls;         /* one connection */

enum {
    VT_TLS_FINGERPRINT_LEN = 32, /* SHA-256 of a TLS certificate in DER */
    VT_TLS_HOST_MAX = 253,
};

struct vt_tls_server_options {
    const char *certificate_file;     /* PEM, leaf first, then its chain */
    const char *key_file;             /* PEM, not encrypted; for its owner only */
    const char *client_ca_file;       /* PEM; NULL: no TLS certificate is asked of clients */
    bool requires_client_certificate; /* false: asked for and checked when given */
};
struct vt_tls_client_options {
    const char *ca_file;          /* PEM; NULL only with a pin */
    const uint8_t *pin;           /* fingerprint the server's TLS certificate must have, or NULL; with a CA both hold */
    const char *certificate_file; /* for mutual TLS, or NULL; leaf first, then its chain */
    const char *key_file;
};
/** @param err  may be NULL; names the file at fault
 *  @return VAULT_E_ARGUMENT (neither CA nor pin), VAULT_E_IO (file unreadable), VAULT_E_STATE (group or others may read or
 *  write the key file), VAULT_E_PARSE (not PEM, key does not fit the certificate), VAULT_E_MEMORY, VAULT_E_CRYPTO */
VT_RESULT vt_tls_server_context_new(const struct vt_tls_server_options *options, struct vt_err *err,
                                    struct vt_tls_context **out_context);
VT_RESULT vt_tls_client_context_new(const struct vt_tls_client_options *options, struct vt_err *err,
                                    struct vt_tls_context **out_context);
/** Connections opened from it live on, so a context can be replaced while the server runs. NULL is allowed. */
void vt_tls_context_free(struct vt_tls_context *context);
VT_DEFINE_AUTO_PTR(vt_tls_context);

/** A server's side of a connection; waits for the client's first bytes. @return VAULT_E_MEMORY */
VT_RESULT vt_tls_accept(struct vt_tls_context *context, struct vt_tls **out_tls);
/** A client's side; its first bytes are ready to be pulled after the first read.
 *  @param host  DNS name or IP address the server's TLS certificate must carry; ignored when only a pin is given
 *  @return VAULT_E_ARGUMENT (host), VAULT_E_MEMORY */
VT_RESULT vt_tls_connect(struct vt_tls_context *context, const char *host, struct vt_tls **out_tls);
void vt_tls_free(struct vt_tls *tls); /* wipes; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_tls);

/** Take ciphertext that came from the socket. @return VAULT_E_TOO_LARGE (read was not called), VAULT_E_MEMORY */
VT_RESULT vt_tls_feed(struct vt_tls *tls, struct vt_bytes ciphertext);
/** Advance the handshake and append what plaintext there is, until nothing is left or @p out_plain is full; being full
 * is no failure: make room and call again. The plaintext before a failure is delivered first.
 *  @return VAULT_E_TLS (handshake, TLS certificate or record refused: the connection is over), VAULT_E_MEMORY */
VT_RESULT vt_tls_read(struct vt_tls *tls, struct vt_buf *out_plain);
/** Encrypt all of @p plain. @return VAULT_E_STATE (handshake not finished, or closed by us), VAULT_E_TLS,
 * VAULT_E_TOO_LARGE (the peer does not take what is pending), VAULT_E_MEMORY */
VT_RESULT vt_tls_write(struct vt_tls *tls, struct vt_bytes plain);
/** Append to @p out_ciphertext what is to be sent, as much as its maximum allows; moved without a copy into an empty
 * one.
 *  @return VAULT_E_MEMORY */
VT_RESULT vt_tls_pull(struct vt_tls *tls, struct vt_buf *out_ciphertext);
/** Bytes that pull would give. */
size_t vt_tls_pending(const struct vt_tls *tls);

enum vt_tls_state {
    VT_TLS_HANDSHAKE,
    VT_TLS_OPEN,
    VT_TLS_PEER_CLOSED, /* close_notify came: no more plaintext will, ours may still go out */
    VT_TLS_FAILED,
};
enum vt_tls_state vt_tls_state(const struct vt_tls *tls);
/** Queue close_notify; write is refused afterwards. Safe to repeat, and in any state. */
void vt_tls_close(struct vt_tls *tls);
/** The socket has ended. @return VAULT_OK after close_notify, VAULT_E_TLS when the stream was cut off before it */
VT_RESULT vt_tls_end(struct vt_tls *tls);
/** Fixed text such as "certificate verify failed" or ""; static storage. */
const char *vt_tls_reason(const struct vt_tls *tls);
/** Fingerprint of the TLS certificate that the peer has proven to hold, once open. @return VAULT_E_NOT_FOUND if it gave
 * none */
VT_RESULT vt_tls_peer_fingerprint(const struct vt_tls *tls, uint8_t out_fingerprint[VT_TLS_FINGERPRINT_LEN]);
/** Fingerprint of the first TLS certificate in a PEM file, for pinning. @return VAULT_E_IO, VAULT_E_PARSE */
VT_RESULT vt_tls_file_fingerprint(const char *path, uint8_t out_fingerprint[VT_TLS_FINGERPRINT_LEN]);

/* Names in the directory of generated TLS certificates. */
#define VT_TLS_DEV_CA_FILE "ca.pem"
#define VT_TLS_DEV_CERTIFICATE_FILE "server.pem"
#define VT_TLS_DEV_KEY_FILE "server.key"
#define VT_TLS_DEV_CLIENT_CERTIFICATE_FILE "client.pem"
#define VT_TLS_DEV_CLIENT_KEY_FILE "client.key"
/** Write a new CA, a server certificate for localhost, 127.0.0.1 and ::1, and a client certificate, the two with their
 *  keys, all P-256, mode 0600, into the existing @p dir. The CA's own key is never written: it signs two certificates
 * and is wiped. The CA file comes last: where it stands, the others do.
 *  @return VAULT_E_EXISTS (the CA file is there; nothing is changed), VAULT_E_ARGUMENT (path too long), VAULT_E_IO,
 *  VAULT_E_CRYPTO, VAULT_E_MEMORY */
VT_RESULT vt_tls_make_dev_certificates(const char *dir);
