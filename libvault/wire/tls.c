#include "libvault/wire/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/secret.h"
#include "libvault/codec/limits.h"
#include "libvault/wire/tls_internal.h"

enum {
    RECORD_PLAIN_LEN = 16 * 1024,     /* RFC 8446 section 5.1 */
    RECORD_OVERHEAD_LEN = 5 + 1 + 16, /* header, inner type, tag */
    FEED_MAX_LEN = 1024 * 1024,
    PENDING_MAX_LEN = VT_LIMIT_REPLY_BYTES + VT_LIMIT_REPLY_BYTES / 128,
};

struct vt_tls {
    SSL *ssl;
    struct vt_buf in; /* ciphertext that came; the first in_at bytes are consumed */
    size_t in_at;
    struct vt_buf out;       /* ciphertext to send */
    vault_status out_status; /* why the last append to out failed */
    enum vt_tls_state state;
    const char *reason;
    bool is_closed; /* by us */
    bool checks_chain;
    bool has_pin;
    uint8_t pin[VT_TLS_FINGERPRINT_LEN];
};

/* A BIO of our own rather than OpenSSL's memory BIO: ciphertext is handed over without one more copy, has a maximum,
 * and running out of memory keeps its status. */
static int bio_read(BIO *bio, char *out, int len)
{
    struct vt_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    const size_t count = VT_MIN((size_t)len, tls->in.len - tls->in_at);
    if (count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, tls->in.data + tls->in_at, count);
    tls->in_at += count;
    return (int)count;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct vt_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    tls->out_status = vt_buf_append(&tls->out, vt_bytes(data, (size_t)len));
    return tls->out_status == VAULT_OK ? len : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static pthread_once_t bio_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *bio_method;

static void bio_method_make(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "vault memory");
    if (method == NULL) return;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    bio_method = method;
}

static VT_RESULT bio_attach(struct vt_tls *tls)
{
    pthread_once(&bio_once, bio_method_make);
    BIO *bio = bio_method != NULL ? BIO_new(bio_method) : NULL;
    VT_ENSURE(bio != NULL, VAULT_E_MEMORY);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio); /* moved; one reference serves both directions */
    return VAULT_OK;
}

static VT_RESULT tls_new(struct vt_tls_context *context, struct vt_tls **out_tls)
{
    VT_AUTO_PTR(vt_tls) tls = vt_calloc(1, sizeof *tls);
    VT_ENSURE(tls != NULL, VAULT_E_MEMORY);
    tls->in = VT_BUF_INIT(FEED_MAX_LEN);
    tls->out = VT_BUF_INIT(PENDING_MAX_LEN);
    tls->reason = "";
    tls->checks_chain = context->checks_chain;
    tls->has_pin = context->has_pin;
    memcpy(tls->pin, context->pin, sizeof tls->pin);
    tls->ssl = SSL_new(context->ssl);
    ERR_clear_error();
    VT_ENSURE(tls->ssl != NULL, VAULT_E_MEMORY);
    SSL_set_app_data(tls->ssl, tls);
    VT_TRY(bio_attach(tls));
    *out_tls = VT_MOVE(tls);
    return VAULT_OK;
}

VT_RESULT vt_tls_accept(struct vt_tls_context *context, struct vt_tls **out_tls)
{
    VT_AUTO_PTR(vt_tls) tls = NULL;
    VT_TRY(tls_new(context, &tls));
    SSL_set_accept_state(tls->ssl);
    *out_tls = VT_MOVE(tls);
    return VAULT_OK;
}

/* RFC 9110 section 4.3.4: an address is compared with the certificate's addresses, a name with its names. Only names go
 * into the server name extension (RFC 6066 section 3). */
static VT_RESULT host_expect(SSL *ssl, const char *host)
{
    VT_ENSURE(host != NULL && host[0] != '\0' && strlen(host) <= VT_TLS_HOST_MAX, VAULT_E_ARGUMENT);
    uint8_t address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 ? VAULT_OK : VAULT_E_ARGUMENT;

    char name[VT_TLS_HOST_MAX + 1]; /* OpenSSL's macro takes no const */
    memcpy(name, host, strlen(host) + 1);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    VT_ENSURE(SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1, VAULT_E_ARGUMENT);
    return VAULT_OK;
}

VT_RESULT vt_tls_connect(struct vt_tls_context *context, const char *host, struct vt_tls **out_tls)
{
    VT_AUTO_PTR(vt_tls) tls = NULL;
    VT_TRY(tls_new(context, &tls));
    SSL_set_connect_state(tls->ssl);
    const vault_status status = context->checks_chain ? host_expect(tls->ssl, host) : VAULT_OK;
    ERR_clear_error();
    VT_TRY(status);
    *out_tls = VT_MOVE(tls);
    return VAULT_OK;
}

void vt_tls_free(struct vt_tls *tls)
{
    if (tls == NULL) return;
    SSL_free(tls->ssl);
    vt_buf_release(&tls->in);
    vt_buf_release(&tls->out);
    free(tls);
}

VT_RESULT vt_tls_feed(struct vt_tls *tls, struct vt_bytes ciphertext)
{
    if (tls->in_at == tls->in.len) {
        vt_buf_reset(&tls->in);
        tls->in_at = 0;
    }
    return vt_buf_append(&tls->in, ciphertext);
}

/* OpenSSL's queue is per thread and says why; the texts are its own, fixed ones. */
static void failure_note(struct vt_tls *tls)
{
    const long verdict = SSL_get_verify_result(tls->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    if (verdict != X509_V_OK) reason = X509_verify_cert_error_string(verdict);
    tls->reason = reason != NULL ? reason : "connection failed";
    tls->state = VT_TLS_FAILED;
    ERR_clear_error();
}

static VT_RESULT tls_fail(struct vt_tls *tls)
{
    failure_note(tls);
    return tls->out_status != VAULT_OK ? tls->out_status : VAULT_E_TLS;
}

/* After a call that did not succeed: is it only waiting for more? */
static VT_RESULT tls_wait_or_fail(struct vt_tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return VAULT_OK;
    case SSL_ERROR_ZERO_RETURN:
        tls->state = VT_TLS_PEER_CLOSED;
        return VAULT_OK;
    default:
        return tls_fail(tls);
    }
}

static VT_RESULT handshake_advance(struct vt_tls *tls)
{
    ERR_clear_error();
    const int result = SSL_do_handshake(tls->ssl);
    if (result != 1) return tls_wait_or_fail(tls, result);
    tls->state = VT_TLS_OPEN;
    return VAULT_OK;
}

static VT_RESULT record_read(struct vt_tls *tls, struct vt_buf *out_plain, bool *out_is_more)
{
    const size_t room = VT_MIN(out_plain->max - out_plain->len, (size_t)RECORD_PLAIN_LEN);
    *out_is_more = false;
    if (room == 0) return VAULT_OK;

    uint8_t *space;
    size_t count;
    VT_TRY(vt_buf_reserve(out_plain, room, &space));
    ERR_clear_error();
    const int result = SSL_read_ex(tls->ssl, space, room, &count);
    if (result != 1) return tls_wait_or_fail(tls, result);
    vt_buf_commit(out_plain, count);
    /* Asking in vain costs as much as reading a small record. */
    *out_is_more = SSL_has_pending(tls->ssl) == 1 || tls->in_at < tls->in.len;
    return VAULT_OK;
}

VT_RESULT vt_tls_read(struct vt_tls *tls, struct vt_buf *out_plain)
{
    VT_ENSURE(tls->state != VT_TLS_FAILED, VAULT_E_TLS);
    if (tls->state == VT_TLS_HANDSHAKE) VT_TRY(handshake_advance(tls));
    for (bool is_more = tls->state == VT_TLS_OPEN; is_more;) VT_TRY(record_read(tls, out_plain, &is_more));
    return VAULT_OK;
}

/* One allocation for all records of a reply. */
static VT_RESULT pending_reserve(struct vt_tls *tls, size_t plain_len)
{
    const size_t records = plain_len / RECORD_PLAIN_LEN + 1;
    size_t needed;
    uint8_t *space;
    VT_ENSURE(vt_size_add(plain_len, records * RECORD_OVERHEAD_LEN, &needed), VAULT_E_TOO_LARGE);
    return vt_buf_reserve(&tls->out, needed, &space);
}

VT_RESULT vt_tls_write(struct vt_tls *tls, struct vt_bytes plain)
{
    VT_ENSURE(tls->state != VT_TLS_FAILED, VAULT_E_TLS);
    VT_ENSURE(tls->state != VT_TLS_HANDSHAKE && !tls->is_closed, VAULT_E_STATE);
    if (plain.len == 0) return VAULT_OK;
    VT_TRY(pending_reserve(tls, plain.len));

    size_t count;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, plain.data, plain.len, &count) != 1) return tls_fail(tls);
    VT_BUG_ON(count != plain.len);
    return VAULT_OK;
}

size_t vt_tls_pending(const struct vt_tls *tls)
{
    return tls->out.len;
}

VT_RESULT vt_tls_pull(struct vt_tls *tls, struct vt_buf *out_ciphertext)
{
    if (tls->out.len == 0) return VAULT_OK;
    const size_t max = out_ciphertext->max;
    if (out_ciphertext->data == NULL && tls->out.cap <= max) {
        vt_buf_move(out_ciphertext, &tls->out);
        out_ciphertext->max = max;
        return VAULT_OK;
    }
    const size_t count = VT_MIN(tls->out.len, max - out_ciphertext->len);
    VT_TRY(vt_buf_append(out_ciphertext, vt_bytes(tls->out.data, count)));
    vt_buf_consume(&tls->out, count);
    return VAULT_OK;
}

enum vt_tls_state vt_tls_state(const struct vt_tls *tls)
{
    return tls->state;
}

void vt_tls_close(struct vt_tls *tls)
{
    if (tls->is_closed) return;
    tls->is_closed = true;
    if (tls->state == VT_TLS_HANDSHAKE || tls->state == VT_TLS_FAILED) return;
    ERR_clear_error();
    if (SSL_shutdown(tls->ssl) < 0) failure_note(tls);
}

VT_RESULT vt_tls_end(struct vt_tls *tls)
{
    if (tls->state == VT_TLS_PEER_CLOSED) return VAULT_OK;
    if (tls->state != VT_TLS_FAILED) tls->reason = "the stream ended without close_notify";
    tls->state = VT_TLS_FAILED;
    return VAULT_E_TLS;
}

const char *vt_tls_reason(const struct vt_tls *tls)
{
    return tls->reason;
}

VT_RESULT vt_tls_peer_fingerprint(const struct vt_tls *tls, uint8_t out_fingerprint[VT_TLS_FINGERPRINT_LEN])
{
    VT_ENSURE(tls->state == VT_TLS_OPEN || tls->state == VT_TLS_PEER_CLOSED, VAULT_E_NOT_FOUND);
    const X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    VT_ENSURE(certificate != NULL, VAULT_E_NOT_FOUND);
    return vt_tls_fingerprint_of(certificate, out_fingerprint);
}

static bool pin_fits(const struct vt_tls *tls, const X509 *certificate)
{
    uint8_t fingerprint[VT_TLS_FINGERPRINT_LEN];
    return certificate != NULL && vt_tls_fingerprint_of(certificate, fingerprint) == VAULT_OK &&
           vt_bytes_equal(VT_BYTES_OF(fingerprint), VT_BYTES_OF(tls->pin));
}

int vt_tls_verify_peer(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct vt_tls *tls = SSL_get_app_data(ssl);
    if (tls->checks_chain && X509_verify_cert(store) != 1) return 0;
    const bool is_trusted = !tls->has_pin || pin_fits(tls, X509_STORE_CTX_get0_cert(store));
    X509_STORE_CTX_set_error(store, is_trusted ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return is_trusted;
}
