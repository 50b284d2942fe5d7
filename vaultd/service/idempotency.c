#include "vaultd/service/idempotency.h"

#include <stdlib.h>

#include "libvault/codec/msgpack.h"
#include "libvault/crypto/aead.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"

enum {
    FORMAT = 1,
    HEAD_LEN = 16,              /* expiry 8 | incarnation 8 */
    PLAIN_HEAD_LEN = 41,        /* format 1 | expiry 8 | digest 32 */
    ROW_KEY_LEN = 32,
    SWEEP_ROWS = 4,
};

/** Where a call's answer lies; in the call's scratch. */
struct answer {
    struct vt_call *call;
    uint8_t row_key[ROW_KEY_LEN];
    uint8_t digest[VT_SHA256_LEN];
    int64_t expires_at_ms;
};

bool vt_idempotency_applies(const struct vt_call *call)
{
    const bool changes = call->command->effect == VT_WRITES || call->command->effect == VT_DESTROYS;
    return changes && call->view != NULL && vt_call_text(call, "idempotency_key").data != NULL;
}

static VT_RESULT key_mac(const struct vt_call *call, struct vt_keyring_view *view, const char *label, uint8_t out_mac[32])
{
    const struct vt_key *key = vt_keyring_system_key(view, VT_SYSTEM_KEY_IDEMPOTENCY);
    const struct vt_bytes pieces[] = {vt_bytes_str(label), vt_call_text(call, "idempotency_key")};
    VT_ENSURE(key != NULL, VAULT_E_CORRUPT);
    return vt_hmac_sha256(vt_key_bytes(key), pieces, VT_ARRAY_LEN(pieces), out_mac);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct vt_bytes left = ((const struct vt_pair *)a)->key, right = ((const struct vt_pair *)b)->key;
    const int order = memcmp(left.data, right.data, VT_MIN(left.len, right.len));
    return order != 0 ? order : (left.len > right.len) - (left.len < right.len);
}

/* What was asked: the command and its arguments in order of name, but for the caller's own id of this very call. */
static VT_RESULT request_digest(struct vt_call *call, uint8_t out_digest[VT_SHA256_LEN])
{
    VT_AUTO(vt_buf) packed = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES);
    struct vt_value sorted = vt_value_map();
    for (size_t i = 0; i < call->params->map.count; i++) {
        const struct vt_pair *pair = &call->params->map.pairs[i];
        if (vt_bytes_equal_str(pair->key, "request_id")) continue;
        VT_TRY(vt_value_put_new(&call->scratch, &sorted, pair->key, pair->value, NULL));
    }
    qsort(sorted.map.pairs, sorted.map.count, sizeof *sorted.map.pairs, compare_pairs);
    VT_TRY(vt_msgpack_write_text(&packed, call->method));
    VT_TRY(vt_msgpack_write(&packed, &sorted));
    return vt_sha256_one(vt_buf_bytes(&packed), out_digest);
}

static VT_RESULT answer_begin(struct vt_call *call, struct answer *answer)
{
    uint8_t mac[32];
    *answer = (struct answer){.call = call, .expires_at_ms = call->now_ms + VT_IDEMPOTENCY_MS};
    VT_TRY(key_mac(call, call->view, "idempotency-row:1", mac));
    memcpy(answer->row_key, call->principal.id, sizeof call->principal.id);
    memcpy(answer->row_key + 16, mac, ROW_KEY_LEN - 16);
    return request_digest(call, answer->digest);
}

static void answer_context(const struct answer *answer, struct vt_keyring_view *view, uint64_t incarnation,
                           struct vt_seal_ctx *out_ctx)
{
    vt_seal_ctx_begin(out_ctx, vt_keyring_view_vault_id(view)->bytes, incarnation, VT_SEAL_IDEMPOTENCY, answer->call->tenant);
    vt_seal_ctx_bytes(out_ctx, VT_BYTES_OF(answer->row_key));
}

/* Looking up ------------------------------------------------------------------------------------------------------- */

static VT_RESULT answer_open(const struct answer *answer, struct vt_bytes value, struct vt_buf *out_plain)
{
    struct vt_call *call = answer->call;
    struct vt_seal_ctx ctx;
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    VT_ENSURE(value.len >= HEAD_LEN + PLAIN_HEAD_LEN + VT_SEAL_OVERHEAD, VAULT_E_CORRUPT);
    VT_TRY(key_mac(call, call->view, "idempotency-seal:1", key.bytes));
    answer_context(answer, call->view, vt_get_u64(value.data + 8), &ctx);
    VT_TRY(vt_unseal(&key, &ctx, vt_bytes(value.data + HEAD_LEN, value.len - HEAD_LEN), out_plain));
    VT_ENSURE(out_plain->data[0] == FORMAT, VAULT_E_FORMAT);
    return vt_get_u64(out_plain->data + 1) == vt_get_u64(value.data) ? VAULT_OK : VAULT_E_CORRUPT;
}

static VT_RESULT answer_give(const struct answer *answer, const struct vt_buf *plain)
{
    struct vt_call *call = answer->call;
    const struct vt_bytes result = vt_bytes(plain->data + PLAIN_HEAD_LEN, plain->len - PLAIN_HEAD_LEN);
    struct vt_value stored;
    if (memcmp(plain->data + 9, answer->digest, sizeof answer->digest) != 0)
        return vt_fail(&call->err, VAULT_E_STATE, "idempotency_key",
                       "This key has been used for another command or other arguments.");
    vt_buf_reset(&call->result);
    if (call->handler->replay == NULL) return vt_buf_append(&call->result, result);
    const struct vt_bytes copy = vt_pool_copy(&call->scratch, result);
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_msgpack_read(&call->scratch, copy, &stored, NULL));
    return call->handler->replay(call, &stored);
}

static bool is_expired(struct vt_bytes value, int64_t now_ms)
{
    return value.len < HEAD_LEN || (int64_t)vt_get_u64(value.data) <= now_ms;
}

static bool answers_secret(const struct vt_command *command)
{
    for (size_t i = 0; i < VT_RESULTS_MAX && command->results[i].name != NULL; i++)
        if (command->results[i].kind == VT_T_SECRET) return true;
    return false;
}

VT_RESULT vt_idempotency_find(struct vt_call *call, bool *out_answered)
{
    struct answer answer;
    struct vt_bytes value;
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(VT_IDEMPOTENCY_ANSWER_MAX + PLAIN_HEAD_LEN);
    if (answers_secret(call->command))
        return vt_fail(&call->err, VAULT_E_UNSUPPORTED, "idempotency_key",
                       "The answer holds a secret, which is shown once and never kept: repeat without a key.");
    VT_TRY(answer_begin(call, &answer));
    const vault_status found = vt_store_get(call->txn, VT_TABLE_IDEMPOTENCY, VT_BYTES_OF(answer.row_key), &value);
    *out_answered = false;
    if (found == VAULT_E_NOT_FOUND || (found == VAULT_OK && is_expired(value, call->now_ms))) return VAULT_OK;
    VT_TRY(found);
    VT_TRY(answer_open(&answer, value, &plain));
    VT_TRY(answer_give(&answer, &plain));
    *out_answered = true;
    return VAULT_OK;
}

/* Keeping ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT answer_seal(const struct answer *answer, struct vt_keyring_view *view, struct vt_bytes result,
                             struct vt_buf *out_value)
{
    struct vt_seal_ctx ctx;
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(VT_IDEMPOTENCY_ANSWER_MAX + PLAIN_HEAD_LEN);
    const uint64_t incarnation = vt_keyring_view_incarnation(view);
    VT_ENSURE(result.len <= VT_IDEMPOTENCY_ANSWER_MAX, VAULT_E_TOO_LARGE);
    VT_TRY(vt_buf_append_byte(&plain, FORMAT));
    VT_TRY(vt_buf_append_u64(&plain, (uint64_t)answer->expires_at_ms));
    VT_TRY(vt_buf_append(&plain, VT_BYTES_OF(answer->digest)));
    VT_TRY(vt_buf_append(&plain, result));
    VT_TRY(key_mac(answer->call, view, "idempotency-seal:1", key.bytes));
    answer_context(answer, view, incarnation, &ctx);
    VT_TRY(vt_buf_append_u64(out_value, (uint64_t)answer->expires_at_ms));
    VT_TRY(vt_buf_append_u64(out_value, incarnation));
    return vt_seal(&key, &ctx, vt_buf_bytes(&plain), out_value);
}

enum { VALUE_MAX = VT_IDEMPOTENCY_ANSWER_MAX + HEAD_LEN + PLAIN_HEAD_LEN + VT_SEAL_OVERHEAD };

/* Committer, behind the call's own hooks: what only they know (numbers given at the commit) is part of the answer. */
static vault_status keep_at_commit(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    const struct answer *answer = context;
    struct vt_call *call = answer->call;
    struct vt_value map = vt_value_map();
    VT_AUTO(vt_buf) result = VT_BUF_INIT(VT_IDEMPOTENCY_ANSWER_MAX);
    VT_AUTO(vt_buf) value = VT_BUF_INIT(VALUE_MAX);
    VT_TRY(call->handler->answer(call, &map));
    VT_TRY(vt_msgpack_write(&result, &map));
    VT_TRY(answer_seal(answer, vt_keyring_write_view(write), vt_buf_bytes(&result), &value));
    return vt_store_put(txn, VT_TABLE_IDEMPOTENCY, VT_BYTES_OF(answer->row_key), vt_buf_bytes(&value), VT_PUT_DEFAULT);
}

/* Row keys are hashes, so the rows behind one's own are as good as any: each answer kept lets go of a few old ones. */
static VT_RESULT sweep(struct vt_call *call, const struct answer *answer, struct vt_change *change)
{
    struct vt_bytes key, value;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(call->txn, VT_TABLE_IDEMPOTENCY, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(answer->row_key), &key, &value);
    for (unsigned i = 0; i < SWEEP_ROWS && status == VAULT_OK; i++) {
        const bool is_own = vt_bytes_equal(key, VT_BYTES_OF(answer->row_key));
        if (!is_own && is_expired(value, call->now_ms)) {
            VT_TRY(vt_change_expect(change, VT_TABLE_IDEMPOTENCY, key, &value));
            VT_TRY(vt_change_delete(change, VT_TABLE_IDEMPOTENCY, key));
        }
        status = vt_cursor_next(cursor, &key, &value);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* A repeat that runs at the same time finds the row changed and is prepared again, which finds the answer. */
static VT_RESULT expect_absent(struct vt_call *call, const struct answer *answer, struct vt_change *change)
{
    struct vt_bytes value;
    const vault_status found = vt_store_get(call->txn, VT_TABLE_IDEMPOTENCY, VT_BYTES_OF(answer->row_key), &value);
    VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
    return vt_change_expect(change, VT_TABLE_IDEMPOTENCY, VT_BYTES_OF(answer->row_key), found == VAULT_OK ? &value : NULL);
}

VT_RESULT vt_idempotency_keep(struct vt_call *call)
{
    struct answer *answer = vt_pool_alloc(&call->scratch, sizeof *answer);
    struct vt_change *change;
    VT_AUTO(vt_buf) value = VT_BUF_INIT(VALUE_MAX);
    VT_ENSURE(answer != NULL, VAULT_E_MEMORY);
    /* A handler that waited for an epoch has let go of its snapshot. */
    if (call->view == NULL) VT_TRY(vt_vault_view(call->vault, &call->txn, &call->view));
    VT_TRY(answer_begin(call, answer));
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(expect_absent(call, answer, change));
    VT_TRY(sweep(call, answer, change));
    if (call->handler->answer != NULL && call->result.len == 0) return vt_change_hook_add(change, keep_at_commit, answer);
    VT_TRY(answer_seal(answer, call->view, vt_buf_bytes(&call->result), &value));
    return vt_change_put(change, VT_TABLE_IDEMPOTENCY, VT_BYTES_OF(answer->row_key), vt_buf_bytes(&value), VT_PUT_DEFAULT);
}
