#include "vaultd/core/store/store.h"

#include "vaultd/core/store/store_internal.h"

void vt_store_free(struct vt_store *store)
{
    if (store != NULL) store->ops->close(store);
}

VT_RESULT vt_txn_begin_read(struct vt_store *store, struct vt_txn **out_txn)
{
    return store->ops->begin(store, false, out_txn);
}

VT_RESULT vt_txn_begin_write(struct vt_store *store, struct vt_txn **out_txn)
{
    return store->ops->begin(store, true, out_txn);
}

VT_RESULT vt_txn_commit(struct vt_txn *txn)
{
    return txn->store->ops->commit(txn);
}

void vt_txn_abort(struct vt_txn *txn)
{
    if (txn != NULL) txn->store->ops->abort(txn);
}

void vt_txn_reset(struct vt_txn *txn)
{
    txn->store->ops->reset(txn);
}

VT_RESULT vt_txn_renew(struct vt_txn *txn)
{
    return txn->store->ops->renew(txn);
}

bool vt_txn_is_write(const struct vt_txn *txn)
{
    return txn->is_write;
}

VT_RESULT vt_store_get(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes *out_value)
{
    VT_BUG_ON(table >= VT_TABLE_COUNT);
    VT_ENSURE(key.len != 0 && key.len <= VT_STORE_KEY_MAX, VAULT_E_TOO_LARGE);
    return txn->store->ops->get(txn, table, key, out_value);
}

VT_RESULT vt_store_put(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                       enum vt_put_flags flags)
{
    VT_BUG_ON(!txn->is_write || table >= VT_TABLE_COUNT);
    VT_ENSURE(key.len != 0 && key.len <= VT_STORE_KEY_MAX, VAULT_E_TOO_LARGE);
    return txn->store->ops->put(txn, table, key, value, flags);
}

VT_RESULT vt_store_delete(struct vt_txn *txn, enum vt_table table, struct vt_bytes key)
{
    VT_BUG_ON(!txn->is_write || table >= VT_TABLE_COUNT);
    VT_ENSURE(key.len != 0 && key.len <= VT_STORE_KEY_MAX, VAULT_E_TOO_LARGE);
    return txn->store->ops->del(txn, table, key);
}

VT_RESULT vt_cursor_open(struct vt_txn *txn, enum vt_table table, struct vt_cursor **out_cursor)
{
    VT_BUG_ON(table >= VT_TABLE_COUNT);
    return txn->store->ops->cursor_open(txn, table, out_cursor);
}

VT_RESULT vt_cursor_seek(struct vt_cursor *cursor, struct vt_bytes from, struct vt_bytes *out_key,
                         struct vt_bytes *out_value)
{
    return cursor->txn->store->ops->cursor_seek(cursor, from, out_key, out_value);
}

VT_RESULT vt_cursor_next(struct vt_cursor *cursor, struct vt_bytes *out_key, struct vt_bytes *out_value)
{
    return cursor->txn->store->ops->cursor_next(cursor, out_key, out_value);
}

VT_RESULT vt_cursor_last(struct vt_cursor *cursor, const struct vt_bytes *before, struct vt_bytes *out_key,
                         struct vt_bytes *out_value)
{
    return cursor->txn->store->ops->cursor_last(cursor, before, out_key, out_value);
}

void vt_cursor_free(struct vt_cursor *cursor)
{
    if (cursor != NULL) cursor->txn->store->ops->cursor_free(cursor);
}

VT_RESULT vt_store_copy(struct vt_store *store, const char *to_dir,
                        bool (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes), void *context)
{
    return store->ops->copy(store, to_dir, progress, context);
}

VT_RESULT vt_store_stats(struct vt_store *store, struct vt_store_stats *out_stats)
{
    return store->ops->stats(store, out_stats);
}

uint64_t vt_store_commit_number(struct vt_txn *txn)
{
    return txn->store->ops->commit_number(txn);
}

VT_RESULT vt_store_recover_space(struct vt_store *store)
{
    return store->ops->recover_space(store);
}
