/* vault/client.h - call a vault over TLS 1.3 or its Unix socket. Calls block until their answer or their deadline; nothing
 * is repeated unless you do it (vault_status_is_retryable() says when that may help; give `idempotency_key` with a change).
 * After VAULT_E_CONNECT, VAULT_E_TLS, VAULT_E_TIMEOUT and VAULT_E_PROTOCOL open a new connection. No global state; the
 * caller ignores SIGPIPE or not, it is not raised here. Thread: one owner of a client at a time. */
#pragma once
#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vault_client vault_client;
typedef struct vault_result vault_result;

/** Zeroed fields are absent. */
typedef struct vault_options {
    const char *socket_path;        /* Unix socket, instead of host and port */
    const char *host;
    const char *port;               /* "7470" */
    const char *ca_file;            /* PEM; may be absent with a pin */
    const char *pin_sha256;         /* 64 hex digits: SHA-256 of the vault's TLS certificate */
    const char *certificate_file;   /* for mutual TLS, which logs nobody in yet */
    const char *key_file;
    uint32_t connect_timeout_ms;    /* default 10 s */
    uint32_t call_timeout_ms;       /* default 60 s */
} vault_options;

/** Why a call failed; never a value. */
typedef struct vault_error {
    char field[96];                 /* of the arguments; may be empty */
    char message[256];              /* one sentence */
    int64_t retry_after_ms;         /* 0: not said */
    uint64_t certificate;           /* of the destruction that took the data; 0: none */
} vault_error;

/** @param error NULL allowed, here and below. */
VAULT_API vault_status vault_client_open(const vault_options *options, vault_error *error, vault_client **out_client);
VAULT_API vault_status vault_client_login(vault_client *client, const char *credential, vault_error *error);
/** @param method a command such as "token.create"  @param params NULL: none; borrowed
 *  @param out_result yours to free; untouched on failure */
VAULT_API vault_status vault_client_call(vault_client *client, const char *method, const vault_params *params,
                                         vault_result **out_result, vault_error *error);
VAULT_API void vault_client_free(vault_client *client);
/** The map of results. */
VAULT_API const vault_value *vault_result_value(const vault_result *result);
VAULT_API void vault_result_free(vault_result *result);     /* wipes */

/* The daily two. The answer's "token" or "value" is in the result. */
VAULT_API vault_status vault_tokenize(vault_client *client, const char *template_name, const char *value, size_t len,
                                      vault_result **out_result, vault_error *error);
/** @param purpose a registered purpose  @param view "plain", "masked", "last4" or "redacted"; NULL: masked */
VAULT_API vault_status vault_detokenize(vault_client *client, const char *token, const char *purpose, const char *view,
                                        vault_result **out_result, vault_error *error);

/** Check a certificate of destruction without a vault, and read it.
 *  @param file  the certificate as it was handed out, text and proof
 *  @param verifier_key  name+hash+base64, obtained beforehand from somebody you trust
 *  @param out_result  a map: "number", "state" ("pending", "effective", "final"), "scope", "requested" and "effective"
 *                     (times as text; nil while there is none), "final", "keepers" and "custodians" (lists of maps with
 *                     "id", "class", "state", "receipt"), and the text's further lines, spaces as underscores;
 *                     yours to free, untouched on failure
 *  @return VAULT_E_AUTHENTICITY: it is not what the vault of that key signed. VAULT_E_PARSE: no certificate, or no key.
 *          VAULT_E_FORMAT: of another version. The error's message says which rule was broken */
VAULT_API vault_status vault_certificate_open(const char *file, size_t len, const char *verifier_key,
                                              vault_result **out_result, vault_error *error);
/** The same, when the number is all that is wanted. */
VAULT_API vault_status vault_certificate_verify(const char *file, size_t len, const char *verifier_key,
                                                uint64_t *out_number, vault_error *error);

#ifdef __cplusplus
}
#endif
