#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "libvault/wire/tls_internal.h"

/* OpenSSL would otherwise ask on the terminal, in a daemon, for ever. */
static int passphrase_refuse(char *buffer, int len, int is_writing, void *unused)
{
    (void)buffer;
    (void)len;
    (void)is_writing;
    (void)unused;
    return -1;
}

/* Recorded traffic must not open later: 1.3 has forward secrecy in every full handshake, and only full ones are
 * allowed. Buffers stay with an idle connection (34 KiB): giving them back costs a third of the time of a small
 * message. */
static bool ssl_harden(SSL_CTX *ssl)
{
    SSL_CTX_set_options(ssl,
                        SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ssl, passphrase_refuse);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(ssl, 0) == 1 &&
           SSL_CTX_set_max_early_data(ssl, 0) == 1 && SSL_CTX_set_recv_max_early_data(ssl, 0) == 1;
}

static VT_RESULT context_new(const SSL_METHOD *method, struct vt_tls_context **out_context)
{
    VT_AUTO_PTR(vt_tls_context) context = vt_calloc(1, sizeof *context);
    VT_ENSURE(context != NULL, VAULT_E_MEMORY);
    context->ssl = SSL_CTX_new(method);
    const bool is_hard = context->ssl != NULL && ssl_harden(context->ssl);
    ERR_clear_error();
    VT_ENSURE(context->ssl != NULL, VAULT_E_MEMORY);
    VT_ENSURE(is_hard, VAULT_E_CRYPTO);
    *out_context = VT_MOVE(context);
    return VAULT_OK;
}

/* Tells a missing file from a bad one, which OpenSSL's loaders do not. */
static VT_RESULT file_check(const char *path, const char *field, struct vt_err *err)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return vt_fail(err, VAULT_E_IO, field, "The file %s cannot be read: %s.", path, strerror(errno));
    close(file);
    return VAULT_OK;
}

/* Who may read the key may be us. */
static VT_RESULT key_file_check(const char *path, struct vt_err *err)
{
    struct stat about;
    VT_TRY(file_check(path, "key_file", err));
    if (stat(path, &about) != 0)
        return vt_fail(err, VAULT_E_IO, "key_file", "The file %s cannot be read: %s.", path, strerror(errno));
    if ((about.st_mode & 077) == 0) return VAULT_OK;
    return vt_fail(err, VAULT_E_STATE, "key_file",
                   "The private key file %s is open to others than its owner: its mode must be 0600.", path);
}

static VT_RESULT identity_load(SSL_CTX *ssl, const char *certificate_file, const char *key_file, struct vt_err *err)
{
    VT_TRY(file_check(certificate_file, "certificate_file", err));
    VT_TRY(key_file_check(key_file, err));
    const bool has_certificate = SSL_CTX_use_certificate_chain_file(ssl, certificate_file) == 1;
    const bool has_key = has_certificate && SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) == 1;
    const bool is_pair = has_key && SSL_CTX_check_private_key(ssl) == 1;
    ERR_clear_error();
    if (!has_certificate)
        return vt_fail(err, VAULT_E_PARSE, "certificate_file", "The file %s holds no TLS certificate in PEM.",
                       certificate_file);
    if (!is_pair)
        return vt_fail(err, VAULT_E_PARSE, "key_file", "The file %s does not hold the unencrypted key of %s.", key_file,
                       certificate_file);
    return VAULT_OK;
}

static VT_RESULT ca_load(SSL_CTX *ssl, const char *path, const char *field, struct vt_err *err)
{
    VT_TRY(file_check(path, field, err));
    const bool is_loaded = SSL_CTX_load_verify_file(ssl, path) == 1;
    ERR_clear_error();
    if (!is_loaded) return vt_fail(err, VAULT_E_PARSE, field, "The file %s holds no TLS certificate in PEM.", path);
    return VAULT_OK;
}

static VT_RESULT client_ca_load(SSL_CTX *ssl, const struct vt_tls_server_options *options, struct vt_err *err)
{
    VT_TRY(ca_load(ssl, options->client_ca_file, "client_ca_file", err));
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->client_ca_file);
    ERR_clear_error();
    VT_ENSURE(names != NULL, VAULT_E_MEMORY);
    SSL_CTX_set_client_CA_list(ssl, names); /* moved */
    SSL_CTX_set_verify(
        ssl, SSL_VERIFY_PEER | (options->requires_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    return VAULT_OK;
}

VT_RESULT vt_tls_server_context_new(const struct vt_tls_server_options *options, struct vt_err *err,
                                    struct vt_tls_context **out_context)
{
    VT_AUTO_PTR(vt_tls_context) context = NULL;
    VT_ENSURE(options->certificate_file != NULL && options->key_file != NULL, VAULT_E_ARGUMENT);
    VT_ENSURE(options->client_ca_file != NULL || !options->requires_client_certificate, VAULT_E_ARGUMENT);
    VT_TRY(context_new(TLS_server_method(), &context));
    VT_TRY(identity_load(context->ssl, options->certificate_file, options->key_file, err));
    if (options->client_ca_file != NULL) VT_TRY(client_ca_load(context->ssl, options, err));
    *out_context = VT_MOVE(context);
    return VAULT_OK;
}

VT_RESULT vt_tls_client_context_new(const struct vt_tls_client_options *options, struct vt_err *err,
                                    struct vt_tls_context **out_context)
{
    VT_AUTO_PTR(vt_tls_context) context = NULL;
    VT_ENSURE(options->ca_file != NULL || options->pin != NULL, VAULT_E_ARGUMENT);
    VT_ENSURE((options->certificate_file == NULL) == (options->key_file == NULL), VAULT_E_ARGUMENT);
    VT_TRY(context_new(TLS_client_method(), &context));
    if (options->ca_file != NULL) VT_TRY(ca_load(context->ssl, options->ca_file, "ca_file", err));
    if (options->certificate_file != NULL)
        VT_TRY(identity_load(context->ssl, options->certificate_file, options->key_file, err));

    context->checks_chain = options->ca_file != NULL;
    context->has_pin = options->pin != NULL;
    if (context->has_pin) memcpy(context->pin, options->pin, sizeof context->pin);
    SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context->ssl, vt_tls_verify_peer, NULL);
    *out_context = VT_MOVE(context);
    return VAULT_OK;
}

void vt_tls_context_free(struct vt_tls_context *context)
{
    if (context == NULL) return;
    SSL_CTX_free(context->ssl);
    free(context);
}

VT_RESULT vt_tls_fingerprint_of(const X509 *certificate, uint8_t out_fingerprint[VT_TLS_FINGERPRINT_LEN])
{
    uint8_t *der = NULL;
    const int len = i2d_X509(certificate, &der);
    VT_ENSURE(len > 0, VAULT_E_MEMORY);
    const vault_status status = vt_sha256_one(vt_bytes(der, (size_t)len), out_fingerprint);
    OPENSSL_free(der);
    return status;
}

VT_RESULT vt_tls_file_fingerprint(const char *path, uint8_t out_fingerprint[VT_TLS_FINGERPRINT_LEN])
{
    VT_TRY(file_check(path, NULL, NULL));
    BIO *file = BIO_new_file(path, "r");
    X509 *certificate = file != NULL ? PEM_read_bio_X509(file, NULL, passphrase_refuse, NULL) : NULL;
    BIO_free(file);
    ERR_clear_error();
    VT_ENSURE(certificate != NULL, VAULT_E_PARSE);
    const vault_status status = vt_tls_fingerprint_of(certificate, out_fingerprint);
    X509_free(certificate);
    return status;
}
