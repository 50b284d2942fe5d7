/* TLS certificates for dev mode: one CA whose key is never written, and what it signs. Source: RFC 5280 section 4.2. */
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/crypto/rng.h"
#include "libvault/wire/tls_internal.h"

enum { DEV_DAYS = 3650, DAY_SECONDS = 24 * 60 * 60, SERIAL_LEN = 16, PATH_LEN = 4096 };

/* One TLS certificate and its key. */
struct vt_dev_identity {
    EVP_PKEY *key;
    X509 *certificate;
};

static void vt_dev_identity_release(struct vt_dev_identity *identity)
{
    EVP_PKEY_free(identity->key); /* the private key is cleared */
    X509_free(identity->certificate);
}

struct dev_extension {
    int nid;
    const char *value;
};
static const struct dev_extension CA_EXTENSIONS[] = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                                     {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                                     {NID_subject_key_identifier, "hash"},
                                                     {0, NULL}};
static const struct dev_extension SERVER_EXTENSIONS[] = {{NID_basic_constraints, "critical,CA:FALSE"},
                                                         {NID_key_usage, "critical,digitalSignature"},
                                                         {NID_ext_key_usage, "serverAuth"},
                                                         {NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1"},
                                                         {NID_subject_key_identifier, "hash"},
                                                         {NID_authority_key_identifier, "keyid:always"},
                                                         {0, NULL}};
static const struct dev_extension CLIENT_EXTENSIONS[] = {{NID_basic_constraints, "critical,CA:FALSE"},
                                                         {NID_key_usage, "critical,digitalSignature"},
                                                         {NID_ext_key_usage, "clientAuth"},
                                                         {NID_subject_key_identifier, "hash"},
                                                         {NID_authority_key_identifier, "keyid:always"},
                                                         {0, NULL}};

static bool extensions_add(X509 *certificate, X509 *issuer, const struct dev_extension *extensions)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    for (; extensions->value != NULL; extensions++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, extensions->nid, extensions->value);
        const bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!is_added) return false;
    }
    return true;
}

/* RFC 5280 section 4.1.2.2: positive, unpredictable, at most 20 octets. */
static VT_RESULT serial_set(X509 *certificate)
{
    uint8_t raw[SERIAL_LEN];
    VT_TRY(vt_random_bytes(raw, sizeof raw));
    raw[0] = (raw[0] & 0x7f) | 0x40;
    BIGNUM *number = BN_bin2bn(raw, sizeof raw, NULL);
    const bool is_set = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return is_set ? VAULT_OK : VAULT_E_MEMORY;
}

static bool name_set(X509 *certificate, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"vaultd development", -1, -1,
                                      0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1;
}

static bool period_set(X509 *certificate)
{
    return X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_SECONDS) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), DEV_DAYS, 0, NULL) != NULL;
}

/* A new key and a TLS certificate over it; @p ca NULL: signed by itself. */
static VT_RESULT identity_make(const struct vt_dev_identity *ca, const char *common_name,
                               const struct dev_extension *extensions, struct vt_dev_identity *out_identity)
{
    out_identity->key = EVP_EC_gen("P-256");
    out_identity->certificate = X509_new();
    VT_ENSURE(out_identity->key != NULL && out_identity->certificate != NULL, VAULT_E_CRYPTO);
    if (ca == NULL) ca = out_identity;

    X509 *certificate = out_identity->certificate;
    VT_TRY(serial_set(certificate));
    const bool is_signed = X509_set_version(certificate, X509_VERSION_3) == 1 && name_set(certificate, common_name) &&
                           X509_set_issuer_name(certificate, X509_get_subject_name(ca->certificate)) == 1 &&
                           period_set(certificate) && X509_set_pubkey(certificate, out_identity->key) == 1 &&
                           extensions_add(certificate, ca->certificate, extensions) &&
                           X509_sign(certificate, ca->key, EVP_sha256()) != 0;
    return is_signed ? VAULT_OK : VAULT_E_CRYPTO;
}

static VT_RESULT write_all(int file, const char *data, size_t len)
{
    while (len != 0) {
        const ssize_t written = write(file, data, len);
        VT_ENSURE(written > 0, VAULT_E_IO);
        data += written;
        len -= (size_t)written;
    }
    return fsync(file) == 0 ? VAULT_OK : VAULT_E_IO;
}

/* Under a passing name first, so that a file under its real name is whole. */
static VT_RESULT file_write(const char *dir, const char *name, BIO *content)
{
    char path[PATH_LEN], passing[PATH_LEN];
    VT_ENSURE((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path, VAULT_E_ARGUMENT);
    VT_ENSURE((size_t)snprintf(passing, sizeof passing, "%s/%s.new", dir, name) < sizeof passing, VAULT_E_ARGUMENT);
    (void)unlink(passing); /* left by a crash; created anew below or not at all */
    const int file = open(passing, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    VT_ENSURE(file >= 0, VAULT_E_IO);

    char *data;
    const long len = BIO_get_mem_data(content, &data);
    vault_status status = fchmod(file, 0600) == 0 ? write_all(file, data, (size_t)len) : VAULT_E_IO;
    if (close(file) != 0 || (status == VAULT_OK && rename(passing, path) != 0)) status = VAULT_E_IO;
    if (status != VAULT_OK) (void)unlink(passing);
    return status;
}

static VT_RESULT certificate_write(const char *dir, const char *name, X509 *certificate)
{
    BIO *content = BIO_new(BIO_s_mem());
    const bool is_written = content != NULL && PEM_write_bio_X509(content, certificate) == 1;
    const vault_status status = is_written ? file_write(dir, name, content) : VAULT_E_MEMORY;
    BIO_free(content);
    return status;
}

static VT_RESULT key_write(const char *dir, const char *name, EVP_PKEY *key)
{
    BIO *content = BIO_new(BIO_s_mem()); /* cleared when freed */
    const bool is_written = content != NULL && PEM_write_bio_PrivateKey(content, key, NULL, NULL, 0, NULL, NULL) == 1;
    const vault_status status = is_written ? file_write(dir, name, content) : VAULT_E_MEMORY;
    BIO_free(content);
    return status;
}

static VT_RESULT identity_write(const char *dir, const struct vt_dev_identity *identity, const char *certificate_name,
                                const char *key_name)
{
    VT_TRY(key_write(dir, key_name, identity->key));
    return certificate_write(dir, certificate_name, identity->certificate);
}

static VT_RESULT dev_make(const char *dir)
{
    VT_AUTO(vt_dev_identity) ca = {NULL, NULL};
    VT_AUTO(vt_dev_identity) server = {NULL, NULL};
    VT_AUTO(vt_dev_identity) client = {NULL, NULL};
    VT_TRY(identity_make(NULL, "vaultd development CA", CA_EXTENSIONS, &ca));
    VT_TRY(identity_make(&ca, "localhost", SERVER_EXTENSIONS, &server));
    VT_TRY(identity_make(&ca, "vaultd development client", CLIENT_EXTENSIONS, &client));
    VT_TRY(identity_write(dir, &server, VT_TLS_DEV_CERTIFICATE_FILE, VT_TLS_DEV_KEY_FILE));
    VT_TRY(identity_write(dir, &client, VT_TLS_DEV_CLIENT_CERTIFICATE_FILE, VT_TLS_DEV_CLIENT_KEY_FILE));
    return certificate_write(dir, VT_TLS_DEV_CA_FILE, ca.certificate);
}

VT_RESULT vt_tls_make_dev_certificates(const char *dir)
{
    char path[PATH_LEN];
    struct stat info;
    VT_ENSURE((size_t)snprintf(path, sizeof path, "%s/%s", dir, VT_TLS_DEV_CA_FILE) < sizeof path, VAULT_E_ARGUMENT);
    VT_ENSURE(lstat(path, &info) != 0, VAULT_E_EXISTS);
    const vault_status status = dev_make(dir);
    ERR_clear_error();
    return status;
}
