#include "vaultd/core/store/store.h"

#include <errno.h>

#include "vaultd/core/store/store_internal.h"

/* These leave a write transaction as it was; after anything else it can only be ended. */
static bool is_harmless(vault_status status)
{
    return status == VAULT_OK || status == VAULT_E_NOT_FOUND || status == VAULT_E_EXISTS ||
           status == VAULT_E_ARGUMENT || status == VAULT_E_TOO_LARGE;
}

static vault_status note_write(struct vt_txn *txn, vault_status status)
{
    if (status == VAULT_OK) txn->change_count++;
    if (!is_harmless(status)) txn->failure = status;
    return status;
}

static bool is_key(struct vt_bytes key)
{
    return key.len != 0 && key.len <= VT_STORE_KEY_MAX;
}

void vt_store_free(struct vt_store *store)
{
    if (store != NULL) store->ops->close(store);
}

static vault_status begin(struct vt_store *store, enum vt_txn_kind kind, struct vt_txn **out_txn)
{
    struct vt_txn *txn = NULL;
    VT_TRY(store->ops->begin(store, kind, &txn));
    txn->store = store;
    txn->is_write = kind != VT_TXN_READ;
    *out_txn = txn;
    return VAULT_OK;
}

VT_RESULT vt_txn_begin_read(struct vt_store *store, struct vt_txn **out_txn)
{
    return begin(store, VT_TXN_READ, out_txn);
}

VT_RESULT vt_txn_begin_write(struct vt_store *store, struct vt_txn **out_txn)
{
    return begin(store, VT_TXN_WRITE, out_txn);
}

VT_RESULT vt_txn_begin_write_reserved(struct vt_store *store, struct vt_txn **out_txn)
{
    return begin(store, VT_TXN_WRITE_RESERVED, out_txn);
}

VT_RESULT vt_txn_commit(struct vt_txn *txn)
{
    VT_BUG_ON(txn->cursor_count != 0 || txn->is_parked);
    const vault_status failure = txn->failure;
    if (failure == VAULT_OK) return txn->store->ops->commit(txn);

    txn->store->ops->abort(txn);
    return failure;
}

void vt_txn_abort(struct vt_txn *txn)
{
    if (txn == NULL) return;
    VT_BUG_ON(txn->cursor_count != 0);
    txn->store->ops->abort(txn);
}

void vt_txn_reset(struct vt_txn *txn)
{
    VT_BUG_ON(txn->is_write || txn->is_parked || txn->cursor_count != 0);
    txn->store->ops->reset(txn);
    txn->is_parked = true;
}

VT_RESULT vt_txn_renew(struct vt_txn *txn)
{
    VT_BUG_ON(!txn->is_parked);
    VT_TRY(txn->store->ops->renew(txn));
    txn->is_parked = false;
    return VAULT_OK;
}

bool vt_txn_is_write(const struct vt_txn *txn)
{
    return txn->is_write;
}

VT_RESULT vt_store_get(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes *out_value)
{
    VT_BUG_ON(txn->is_parked || table >= VT_TABLE_COUNT);
    VT_ENSURE(is_key(key), VAULT_E_TOO_LARGE);
    VT_TRY(txn->failure);
    return txn->store->ops->get(txn, table, key, out_value);
}

VT_RESULT vt_store_put(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                       enum vt_put_flags flags)
{
    VT_BUG_ON(!txn->is_write || table >= VT_TABLE_COUNT);
    VT_ENSURE(is_key(key) && value.len <= VT_STORE_VALUE_MAX, VAULT_E_TOO_LARGE);
    VT_TRY(txn->failure);
    return note_write(txn, txn->store->ops->put(txn, table, key, value, flags));
}

VT_RESULT vt_store_delete(struct vt_txn *txn, enum vt_table table, struct vt_bytes key)
{
    VT_BUG_ON(!txn->is_write || table >= VT_TABLE_COUNT);
    VT_ENSURE(is_key(key), VAULT_E_TOO_LARGE);
    VT_TRY(txn->failure);
    return note_write(txn, txn->store->ops->del(txn, table, key));
}

VT_RESULT vt_cursor_open(struct vt_txn *txn, enum vt_table table, struct vt_cursor **out_cursor)
{
    VT_BUG_ON(txn->is_parked || table >= VT_TABLE_COUNT);
    VT_TRY(txn->failure);
    struct vt_cursor *cursor = NULL;
    VT_TRY(txn->store->ops->cursor_open(txn, table, &cursor));
    cursor->txn = txn;
    cursor->table = table;
    cursor->state = VT_CURSOR_FRESH;
    txn->cursor_count++;
    *out_cursor = cursor;
    return VAULT_OK;
}

/* Where the cursor stands after a call that gave @p status; only what a write transaction may move is remembered. */
static vault_status settle(struct vt_cursor *cursor, vault_status status, struct vt_bytes key, struct vt_bytes value,
                           struct vt_bytes *out_key, struct vt_bytes *out_value)
{
    if (status == VAULT_E_NOT_FOUND) cursor->state = VT_CURSOR_END;
    VT_TRY(status);
    VT_ENSURE(is_key(key), VAULT_E_CORRUPT);

    cursor->state = VT_CURSOR_AT;
    if (cursor->txn->is_write) {
        cursor->seen_changes = cursor->txn->change_count;
        cursor->key_len = key.len;
        memcpy(cursor->key, key.data, key.len);
    }
    *out_key = key;
    *out_value = value;
    return VAULT_OK;
}

VT_RESULT vt_cursor_seek(struct vt_cursor *cursor, struct vt_bytes from, struct vt_bytes *out_key,
                         struct vt_bytes *out_value)
{
    VT_ENSURE(from.len <= VT_STORE_KEY_MAX, VAULT_E_TOO_LARGE);
    VT_TRY(cursor->txn->failure);
    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    const vault_status status = cursor->txn->store->ops->cursor_seek(cursor, from, &key, &value);
    return settle(cursor, status, key, value, out_key, out_value);
}

/* The table changed under the cursor: find the key it gave last again, and step behind it when it is still there. */
static vault_status next_after_changes(struct vt_cursor *cursor, struct vt_bytes *out_key, struct vt_bytes *out_value)
{
    const struct vt_store_ops *ops = cursor->txn->store->ops;
    const struct vt_bytes last = vt_bytes(cursor->key, cursor->key_len);
    VT_TRY(ops->cursor_seek(cursor, last, out_key, out_value));
    if (!vt_bytes_equal(*out_key, last)) return VAULT_OK;
    return ops->cursor_next(cursor, out_key, out_value);
}

VT_RESULT vt_cursor_next(struct vt_cursor *cursor, struct vt_bytes *out_key, struct vt_bytes *out_value)
{
    if (cursor->state == VT_CURSOR_FRESH) return vt_cursor_seek(cursor, VT_BYTES_EMPTY, out_key, out_value);
    VT_ENSURE(cursor->state == VT_CURSOR_AT, VAULT_E_NOT_FOUND);
    VT_TRY(cursor->txn->failure);

    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    const bool has_moved = cursor->txn->is_write && cursor->seen_changes != cursor->txn->change_count;
    const vault_status status = has_moved ? next_after_changes(cursor, &key, &value)
                                          : cursor->txn->store->ops->cursor_next(cursor, &key, &value);
    return settle(cursor, status, key, value, out_key, out_value);
}

VT_RESULT vt_cursor_last(struct vt_cursor *cursor, const struct vt_bytes *before, struct vt_bytes *out_key,
                         struct vt_bytes *out_value)
{
    VT_ENSURE(before == NULL || before->len <= VT_STORE_KEY_MAX, VAULT_E_TOO_LARGE);
    VT_TRY(cursor->txn->failure);
    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    const vault_status status = cursor->txn->store->ops->cursor_last(cursor, before, &key, &value);
    return settle(cursor, status, key, value, out_key, out_value);
}

void vt_cursor_free(struct vt_cursor *cursor)
{
    if (cursor == NULL) return;
    cursor->txn->cursor_count--;
    cursor->txn->store->ops->cursor_free(cursor);
}

VT_RESULT vt_store_copy(struct vt_store *store, const char *to_dir, vt_store_progress progress, void *context)
{
    return store->ops->copy(store, to_dir, progress, context);
}

bool vt_store_is_full(struct vt_store *store)
{
    return store->ops->is_full(store);
}

VT_RESULT vt_store_stats(struct vt_store *store, struct vt_store_stats *out_stats)
{
    return store->ops->stats(store, out_stats);
}

VT_RESULT vt_store_check(struct vt_store *store, struct vt_store_check *out_check)
{
    return store->ops->check(store, out_check);
}

uint64_t vt_store_commit_number(struct vt_txn *txn)
{
    VT_BUG_ON(txn->is_parked);
    return txn->store->ops->commit_number(txn);
}

VT_RESULT vt_store_raise_commit_number(struct vt_txn *txn, uint64_t number)
{
    VT_BUG_ON(!txn->is_write);
    VT_TRY(txn->failure);
    VT_ENSURE(number >= vt_store_commit_number(txn), VAULT_E_ARGUMENT);
    return note_write(txn, txn->store->ops->raise_commit_number(txn, number));
}

VT_RESULT vt_store_count(struct vt_txn *txn, enum vt_table table, uint64_t *out_count)
{
    struct vt_bytes key, value;
    uint64_t count = 0;
    vault_status status;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(txn, table, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) count++;
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    *out_count = count;
    return VAULT_OK;
}

VT_RESULT vt_store_recover_space(struct vt_store *store)
{
    return store->ops->recover_space(store);
}

VT_RESULT vt_writer_gate_init(struct vt_writer_gate *gate)
{
    pthread_mutexattr_t attributes;
    VT_ENSURE(pthread_mutexattr_init(&attributes) == 0, VAULT_E_MEMORY);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    const int failure = pthread_mutex_init(&gate->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return failure == 0 ? VAULT_OK : VAULT_E_MEMORY;
}

void vt_writer_gate_release(struct vt_writer_gate *gate)
{
    VT_BUG_ON(pthread_mutex_destroy(&gate->mutex) == EBUSY);
}

void vt_writer_gate_enter(struct vt_writer_gate *gate)
{
    VT_BUG_ON(pthread_mutex_lock(&gate->mutex) != 0);
}

void vt_writer_gate_leave(struct vt_writer_gate *gate)
{
    VT_BUG_ON(pthread_mutex_unlock(&gate->mutex) != 0);
}
