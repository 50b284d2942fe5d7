#include "libvault/client/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libvault/codec/limits.h"
#include "libvault/wire/rpc.h"

struct vt_client {
    struct vt_transport *transport;     /* NULL once the connection has failed */
    uint32_t call_timeout_ms;
    uint32_t next_id;
    size_t under_way;
    struct vt_buf in;
    struct vt_msgpack_scan scan;
};

static struct vt_err *text_of(struct vt_client_error *error)
{
    return error != NULL ? &error->text : NULL;
}

static void clear(struct vt_client_error *error)
{
    if (error != NULL) *error = (struct vt_client_error){0};
}

VT_RESULT vt_client_open(const struct vt_client_options *options, struct vt_client_error *error,
                         struct vt_client **out_client)
{
    clear(error);
    const uint32_t connect_ms = options->connect_timeout_ms != 0 ? options->connect_timeout_ms : VT_CLIENT_CONNECT_MS;
    VT_AUTO_PTR(vt_client) client = calloc(1, sizeof *client);
    VT_ENSURE(client != NULL, VAULT_E_MEMORY);
    client->call_timeout_ms = options->call_timeout_ms != 0 ? options->call_timeout_ms : VT_CLIENT_CALL_MS;
    client->in = VT_BUF_INIT(2 * (size_t)VT_LIMIT_REPLY_BYTES);
    client->scan = VT_MSGPACK_SCAN_INIT;
    VT_TRY(vt_transport_open(&options->to, vt_deadline_in(connect_ms), text_of(error), &client->transport));
    *out_client = VT_MOVE(client);
    return VAULT_OK;
}

bool vt_client_is_open(const struct vt_client *client)
{
    return client->transport != NULL;
}

size_t vt_client_under_way(const struct vt_client *client)
{
    return client->under_way;
}

static vault_status give_up(struct vt_client *client, vault_status status)
{
    vt_transport_free(client->transport);
    client->transport = NULL;
    client->under_way = 0;
    vt_buf_reset(&client->in);
    return status;
}

static vault_status is_closed(struct vt_client_error *error)
{
    return vt_fail(text_of(error), VAULT_E_CONNECT, NULL, "The connection to the vault is closed.");
}

VT_RESULT vt_client_send(struct vt_client *client, const char *method, const struct vt_value *params,
                         int64_t *out_message_id, struct vt_client_error *error)
{
    clear(error);
    if (client->transport == NULL) return is_closed(error);
    VT_ENSURE(client->under_way < VT_LIMIT_PIPELINE_CALLS, VAULT_E_LIMIT);
    VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    const uint32_t id = client->next_id;
    VT_TRY(vt_rpc_write_request(&frame, id, method, params));
    const vault_status status = vt_transport_send(client->transport, vt_buf_bytes(&frame),
                                                  vt_deadline_in(client->call_timeout_ms), text_of(error));
    if (status != VAULT_OK) return give_up(client, status);
    client->next_id++;
    client->under_way++;
    *out_message_id = id;
    return VAULT_OK;
}

/* Bytes until a whole frame stands at the front of client->in. */
static VT_RESULT await_frame(struct vt_client *client, size_t *out_len, struct vt_err *err)
{
    const uint64_t deadline_ns = vt_deadline_in(client->call_timeout_ms);
    for (;;) {
        const vault_status status =
            vt_rpc_frame_scan(&client->scan, vt_buf_bytes(&client->in), VT_LIMIT_REPLY_BYTES, out_len);
        if (status == VAULT_OK) return VAULT_OK;
        if (status != VAULT_E_CONFLICT)
            return vt_fail(err, VAULT_E_PROTOCOL, NULL, "The peer does not speak the vault's protocol.");
        VT_TRY(vt_transport_receive(client->transport, &client->in, deadline_ns, err));
    }
}

static void copy_text(char *to, size_t size, struct vt_bytes from)
{
    snprintf(to, size, "%.*s", (int)VT_MIN(from.len, size - 1), from.len != 0 ? (const char *)from.data : "");
}

/* The vault's words; a number that this library does not know is a failure of the protocol, not a success. */
static vault_status read_error(const struct vt_value *map, struct vt_client_error *error)
{
    vault_status status = vault_status_from_number(vt_value_get_int(map, "code", -1));
    if (status == VAULT_OK) status = VAULT_E_PROTOCOL;
    if (error == NULL) return status;
    error->is_from_vault = true;
    copy_text(error->text.field, sizeof error->text.field, vt_value_get_text(map, "field"));
    copy_text(error->text.message, sizeof error->text.message, vt_value_get_text(map, "message"));
    error->retry_after_ms = vt_value_get_int(map, "retry_after_ms", 0);
    error->certificate = (uint64_t)vt_value_get_int(map, "certificate", 0);
    return status;
}

static VT_RESULT read_reply(struct vt_pool *pool, struct vt_bytes frame, struct vt_client_reply *out_reply,
                            struct vt_client_error *error)
{
    const struct vt_bytes kept = vt_pool_copy(pool, frame);    /* texts stay borrowed from it */
    VT_ENSURE(kept.data != NULL, VAULT_E_MEMORY);
    struct vt_rpc_reply reply;
    const vault_status status = vt_rpc_read_reply(pool, kept, &reply);
    if (status == VAULT_E_MEMORY) return status;
    if (status != VAULT_OK)
        return vt_fail(text_of(error), VAULT_E_PROTOCOL, NULL, "The vault's answer could not be read.");
    const bool is_ok = reply.error->kind == VT_VALUE_NIL;
    struct vt_value *result = vt_pool_alloc(pool, sizeof *result);
    VT_ENSURE(result != NULL, VAULT_E_MEMORY);
    *result = is_ok && reply.result->kind != VT_VALUE_NIL ? *reply.result : vt_value_map();
    *out_reply = (struct vt_client_reply){.message_id = reply.message_id,
                                          .status = is_ok ? VAULT_OK : read_error(reply.error, error),
                                          .result = is_ok ? result : NULL};
    return VAULT_OK;
}

VT_RESULT vt_client_receive(struct vt_client *client, struct vt_pool *pool, struct vt_client_reply *out_reply,
                            struct vt_client_error *error)
{
    clear(error);
    if (client->transport == NULL) return is_closed(error);
    VT_ENSURE(client->under_way != 0, VAULT_E_STATE);
    size_t len;
    vault_status status = await_frame(client, &len, text_of(error));
    if (status != VAULT_OK) return give_up(client, status);
    status = read_reply(pool, vt_bytes(client->in.data, len), out_reply, error);
    if (status != VAULT_OK) return give_up(client, status);
    vt_buf_consume(&client->in, len);
    client->scan = VT_MSGPACK_SCAN_INIT;
    client->under_way--;
    return VAULT_OK;
}

VT_RESULT vt_client_call(struct vt_client *client, const char *method, const struct vt_value *params,
                         struct vt_pool *pool, const struct vt_value **out_result, struct vt_client_error *error)
{
    clear(error);
    VT_ENSURE(client->under_way == 0, VAULT_E_STATE);
    int64_t id;
    VT_TRY(vt_client_send(client, method, params, &id, error));
    struct vt_client_reply reply;
    VT_TRY(vt_client_receive(client, pool, &reply, error));
    if (reply.message_id != id) {
        clear(error);
        return give_up(client, vt_fail(text_of(error), VAULT_E_PROTOCOL, NULL, "The answer belongs to no call of ours."));
    }
    VT_TRY(reply.status);
    *out_result = reply.result;
    return VAULT_OK;
}

static void wait_ms(int64_t wait)
{
    struct timespec left = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000 * 1000};
    while (nanosleep(&left, &left) != 0) continue;
}

VT_RESULT vt_client_call_again(struct vt_client *client, const char *method, const struct vt_value *params, bool is_read,
                               const struct vt_client_patience *patience, struct vt_pool *pool,
                               const struct vt_value **out_result, struct vt_client_error *error)
{
    clear(error);
    if (!is_read && vt_value_get(params, "idempotency_key") == NULL)
        return vt_fail(text_of(error), VAULT_E_ARGUMENT, "idempotency_key", "A repeated change needs idempotency_key.");
    int64_t wait = patience->first_wait_ms;
    struct vt_client_error last = {0};
    for (unsigned tried = 1;; tried++) {
        const vault_status status = vt_client_call(client, method, params, pool, out_result, &last);
        const bool is_over = tried >= patience->tries || !last.is_from_vault || !vault_status_is_retryable(status);
        if (status == VAULT_OK || is_over) {
            if (error != NULL) *error = last;
            return status;
        }
        wait_ms(VT_MIN(VT_MAX(wait, last.retry_after_ms), (int64_t)patience->longest_wait_ms));
        wait *= 2;
    }
}

VT_RESULT vt_client_login(struct vt_client *client, struct vt_bytes credential, struct vt_client_error *error)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_LIMIT_LOGIN_FRAME_BYTES * 8);
    struct vt_value params = vt_value_map();
    VT_TRY(vt_value_put(&pool, &params, "credential", vt_value_text(credential), NULL));
    const struct vt_value *result;
    return vt_client_call(client, "auth.login", &params, &pool, &result, error);
}

void vt_client_free(struct vt_client *client)
{
    if (client == NULL) return;
    vt_transport_free(client->transport);
    vt_buf_release(&client->in);
    free(client);
}
