/* libvault/client/client.h - call a vault: msgpack-RPC (wire/rpc.h) on a blocking connection, one call at a time, or
 * several under way with send and receive. No loop is imposed on the caller; nothing is logged and nothing is retried
 * unless asked. After VAULT_E_CONNECT, VAULT_E_TLS, VAULT_E_TIMEOUT or VAULT_E_PROTOCOL of our own making the
 * connection is closed (vt_client_is_open()), because an answer that comes late would be taken for another call's.
 * Thread: one owner at a time. */
#pragma once
#include "libvault/client/transport.h"
#include "libvault/codec/value.h"

struct vt_client;
enum { VT_CLIENT_CONNECT_MS = 10 * 1000, VT_CLIENT_CALL_MS = 60 * 1000, VT_CLIENT_REPLY_POOL = 256 * 1024 * 1024 };

struct vt_client_options {
    struct vt_transport_options to;
    uint32_t connect_timeout_ms;    /* 0: VT_CLIENT_CONNECT_MS */
    uint32_t call_timeout_ms;       /* 0: VT_CLIENT_CALL_MS */
};
/** Why a call failed: the vault's words, or ours when it could not be reached. Never a value. */
struct vt_client_error {
    struct vt_err text;
    int64_t retry_after_ms;         /* 0: not said */
    uint64_t certificate;           /* of the destruction that took the data; 0: none */
    bool is_from_vault;             /* false: the connection failed */
};
struct vt_client_reply {
    int64_t message_id;
    vault_status status;            /* of the call itself */
    const struct vt_value *result;  /* a map, in the pool; NULL unless VAULT_OK */
};

/** @param error  NULL allowed, here and below
 *  @param out_client  owned by the caller
 *  @return as vt_transport_open() */
VT_RESULT vt_client_open(const struct vt_client_options *options, struct vt_client_error *error,
                         struct vt_client **out_client);
/** auth.login. @param credential borrowed @return VAULT_E_UNAUTHENTICATED, VAULT_E_CREDENTIAL_REVOKED, as call */
VT_RESULT vt_client_login(struct vt_client *client, struct vt_bytes credential, struct vt_client_error *error);
/** Call and wait. @param params a map @param pool holds the result
 *  @return the call's status, or that of the connection */
VT_RESULT vt_client_call(struct vt_client *client, const char *method, const struct vt_value *params,
                         struct vt_pool *pool, const struct vt_value **out_result, struct vt_client_error *error);
/** How often, and how patiently, a retryable failure is tried again by vt_client_call_again(). */
struct vt_client_patience {
    unsigned tries;                 /* in all, at least 1 */
    uint32_t first_wait_ms;         /* doubles; the vault's retry_after_ms wins when longer */
    uint32_t longest_wait_ms;
};
/** As vt_client_call(), repeated while the vault says that the same call may succeed later. A call that changes something
 *  needs `idempotency_key` in @p params, or a repeat could do it twice: VAULT_E_ARGUMENT without one.
 *  @param is_read  the caller's word that nothing is changed */
VT_RESULT vt_client_call_again(struct vt_client *client, const char *method, const struct vt_value *params, bool is_read,
                               const struct vt_client_patience *patience, struct vt_pool *pool,
                               const struct vt_value **out_result, struct vt_client_error *error);
/** Send without waiting. @return VAULT_E_LIMIT past VT_LIMIT_PIPELINE_CALLS under way */
VT_RESULT vt_client_send(struct vt_client *client, const char *method, const struct vt_value *params,
                         int64_t *out_message_id, struct vt_client_error *error);
/** The next reply to come, in whatever order the vault answers.
 *  @return of the connection; the call's own outcome is in @p out_reply, @p error says why it failed
 *  VAULT_E_STATE when no call is under way */
VT_RESULT vt_client_receive(struct vt_client *client, struct vt_pool *pool, struct vt_client_reply *out_reply,
                            struct vt_client_error *error);
size_t vt_client_under_way(const struct vt_client *client);
bool vt_client_is_open(const struct vt_client *client);
void vt_client_free(struct vt_client *client);      /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_client);
