#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvault/client/client.h"
#include "libvault/client/public_internal.h"
#include "libvault/codec/text.h"
#include "libvault/include/vault/vault.h"
#include "libvault/proof/certificate.h"

struct vault_client {
    struct vt_client *client;
};
struct vault_result {
    struct vt_pool pool;
    const struct vt_value *value;
};

const char *vault_version(void)
{
    return VT_VERSION;
}

/* Every failure leaves a sentence, whoever found it. */
static vault_status told(vault_status status, const struct vt_client_error *why, vault_error *out_error)
{
    if (out_error == NULL) return status;
    *out_error = (vault_error){.retry_after_ms = why->retry_after_ms, .certificate = why->certificate};
    if (status == VAULT_OK) return status;
    const char *sentence = why->text.message[0] != '\0' ? why->text.message : vault_status_text(status);
    snprintf(out_error->field, sizeof out_error->field, "%s", why->text.field);
    snprintf(out_error->message, sizeof out_error->message, "%s", sentence);
    return status;
}

static VT_RESULT open_client(const vault_options *options, struct vt_client_error *why, struct vt_client **out_client)
{
    uint8_t pin[32];
    const char *text = options->pin_sha256;
    if (text != NULL && vt_hex_decode(vt_bytes_str(text), pin, sizeof pin) != VAULT_OK)
        return vt_fail(&why->text, VAULT_E_ARGUMENT, "pin_sha256", "The pin must be 64 hexadecimal digits.");
    const struct vt_client_options internal = {
        .to = {.socket_path = options->socket_path,
               .host = options->host,
               .port = options->port,
               .ca_file = options->ca_file,
               .pin = text != NULL ? pin : NULL,
               .certificate_file = options->certificate_file,
               .key_file = options->key_file},
        .connect_timeout_ms = options->connect_timeout_ms,
        .call_timeout_ms = options->call_timeout_ms,
    };
    return vt_client_open(&internal, why, out_client);
}

vault_status vault_client_open(const vault_options *options, vault_error *error, vault_client **out_client)
{
    struct vt_client_error why = {0};
    struct vault_client *client = calloc(1, sizeof *client);
    if (client == NULL) return told(VAULT_E_MEMORY, &why, error);
    const vault_status status = open_client(options, &why, &client->client);
    if (status != VAULT_OK)
        free(client);
    else
        *out_client = client;
    return told(status, &why, error);
}

void vault_client_free(vault_client *client)
{
    if (client == NULL) return;
    vt_client_free(client->client);
    free(client);
}

vault_status vault_client_login(vault_client *client, const char *credential, vault_error *error)
{
    struct vt_client_error why = {0};
    return told(vt_client_login(client->client, vt_bytes_str(credential), &why), &why, error);
}

static VT_RESULT call(struct vt_client *client, const char *method, const vault_params *params,
                      struct vault_result *result, struct vt_client_error *why)
{
    const struct vt_value none = vt_value_map(), *given = &none;
    if (params != NULL) VT_TRY(vt_params_value(params, &given));
    return vt_client_call(client, method, given, &result->pool, &result->value, why);
}

vault_status vault_client_call(vault_client *client, const char *method, const vault_params *params,
                               vault_result **out_result, vault_error *error)
{
    struct vt_client_error why = {0};
    struct vault_result *result = calloc(1, sizeof *result);
    if (result == NULL) return told(VAULT_E_MEMORY, &why, error);
    result->pool = VT_POOL_INIT(VT_CLIENT_REPLY_POOL);
    const vault_status status = call(client->client, method, params, result, &why);
    if (status != VAULT_OK)
        vault_result_free(result);
    else
        *out_result = result;
    return told(status, &why, error);
}

const vault_value *vault_result_value(const vault_result *result)
{
    return result != NULL ? vt_value_to_public(result->value) : NULL;
}

void vault_result_free(vault_result *result)
{
    if (result == NULL) return;
    vt_pool_release(&result->pool);
    free(result);
}

/* The params remember what went wrong with them, so the call tells it. */
static vault_status call_and_free(vault_client *client, const char *method, vault_params *params,
                                  vault_result **out_result, vault_error *error)
{
    const vault_status status = vault_client_call(client, method, params, out_result, error);
    vault_params_free(params);
    return status;
}

vault_status vault_tokenize(vault_client *client, const char *template_name, const char *value, size_t len,
                            vault_result **out_result, vault_error *error)
{
    vault_params *params = NULL;
    const struct vt_client_error none = {0};
    if (vault_params_new(&params) != VAULT_OK) return told(VAULT_E_MEMORY, &none, error);
    vault_params_str(params, "template", template_name);
    vault_params_text(params, "value", value, len);
    return call_and_free(client, "token.create", params, out_result, error);
}

vault_status vault_detokenize(vault_client *client, const char *token, const char *purpose, const char *view,
                              vault_result **out_result, vault_error *error)
{
    vault_params *params = NULL;
    const struct vt_client_error none = {0};
    if (vault_params_new(&params) != VAULT_OK) return told(VAULT_E_MEMORY, &none, error);
    vault_params_str(params, "token", token);
    vault_params_str(params, "purpose", purpose);
    if (view != NULL) vault_params_str(params, "view", view);
    return call_and_free(client, "token.reveal", params, out_result, error);
}

enum { CERTIFICATE_POOL_MAX = 16 * VT_CERTIFICATE_MAX };

static VT_RESULT verify(struct vt_pool *pool, struct vt_bytes file, const char *verifier_key,
                        struct vt_certificate *out_certificate, struct vt_err *err)
{
    struct vt_note_verifier verifier;
    const vault_status status = vt_note_verifier_parse(vt_bytes_str(verifier_key), &verifier);
    VT_ENSURE(status == VAULT_OK, vt_fail(err, status, "verifier_key", "The verifier key must be name+hash+base64."));
    return vt_certificate_verify(pool, file, &verifier, 1, out_certificate, err);
}

static VT_RESULT open_certificate(struct vt_bytes file, const char *verifier_key, struct vault_result *result,
                                  struct vt_err *err)
{
    struct vt_certificate certificate;
    struct vt_value *view = vt_pool_calloc(&result->pool, 1, sizeof *view);
    VT_ENSURE(view != NULL, VAULT_E_MEMORY);
    VT_TRY(verify(&result->pool, file, verifier_key, &certificate, err));
    VT_TRY(vt_certificate_view(&result->pool, &certificate, view));
    result->value = view;
    return VAULT_OK;
}

vault_status vault_certificate_open(const char *file, size_t len, const char *verifier_key, vault_result **out_result,
                                    vault_error *error)
{
    struct vt_client_error why = {0};
    struct vault_result *result = calloc(1, sizeof *result);
    if (result == NULL) return told(VAULT_E_MEMORY, &why, error);
    result->pool = VT_POOL_INIT(CERTIFICATE_POOL_MAX);
    const vault_status status = open_certificate(vt_bytes(file, len), verifier_key, result, &why.text);
    if (status != VAULT_OK)
        vault_result_free(result);
    else
        *out_result = result;
    return told(status, &why, error);
}

vault_status vault_certificate_verify(const char *file, size_t len, const char *verifier_key, uint64_t *out_number,
                                      vault_error *error)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(CERTIFICATE_POOL_MAX);
    struct vt_client_error why = {0};
    struct vt_certificate certificate;
    const vault_status status = verify(&pool, vt_bytes(file, len), verifier_key, &certificate, &why.text);
    if (status == VAULT_OK) *out_number = certificate.number;
    return told(status, &why, error);
}
