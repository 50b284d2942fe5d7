/* libvault/wire/tls_internal.h - what the parts of wire/tls share. Thread: as tls.h. */
#pragma once
#include <openssl/types.h>

#include "libvault/wire/tls.h"

struct vt_tls_context {
    SSL_CTX *ssl;
    bool checks_chain; /* the peer's TLS certificate must lead to our CA */
    bool has_pin;
    uint8_t pin[VT_TLS_FINGERPRINT_LEN];
};

/** SHA-256 over the DER form. */
VT_RESULT vt_tls_fingerprint_of(const X509 *certificate, uint8_t out_fingerprint[VT_TLS_FINGERPRINT_LEN]);
/** Does the peer's TLS certificate satisfy the connection's CA and pin? Called by OpenSSL in the handshake. */
int vt_tls_verify_peer(X509_STORE_CTX *store, void *unused);
