/* vaultd/core/store/store_internal.h - what a back end provides. Private to this folder. */
#pragma once
#include "vaultd/core/store/store.h"

struct vt_store_ops {
    void (*close)(struct vt_store *store);
    vault_status (*begin)(struct vt_store *store, bool is_write, struct vt_txn **out_txn);
    vault_status (*commit)(struct vt_txn *txn);
    void (*abort)(struct vt_txn *txn);
    void (*reset)(struct vt_txn *txn);
    vault_status (*renew)(struct vt_txn *txn);
    vault_status (*get)(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes *out_value);
    vault_status (*put)(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                        enum vt_put_flags flags);
    vault_status (*del)(struct vt_txn *txn, enum vt_table table, struct vt_bytes key);
    vault_status (*cursor_open)(struct vt_txn *txn, enum vt_table table, struct vt_cursor **out_cursor);
    vault_status (*cursor_seek)(struct vt_cursor *cursor, struct vt_bytes from, struct vt_bytes *out_key,
                                struct vt_bytes *out_value);
    vault_status (*cursor_next)(struct vt_cursor *cursor, struct vt_bytes *out_key, struct vt_bytes *out_value);
    vault_status (*cursor_last)(struct vt_cursor *cursor, const struct vt_bytes *before, struct vt_bytes *out_key,
                                struct vt_bytes *out_value);
    void (*cursor_free)(struct vt_cursor *cursor);
    vault_status (*copy)(struct vt_store *store, const char *to_dir,
                         bool (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes), void *context);
    vault_status (*stats)(struct vt_store *store, struct vt_store_stats *out_stats);
    uint64_t (*commit_number)(struct vt_txn *txn);
    vault_status (*recover_space)(struct vt_store *store);
};

/* Each back end's own struct starts with one of these. */
struct vt_store {
    const struct vt_store_ops *ops;
};
struct vt_txn {
    struct vt_store *store;
    bool is_write;
};
struct vt_cursor {
    struct vt_txn *txn;
};
