/* vaultd/core/store/store_internal.h - what a back end provides, and what all of them share. Private to this folder.
 *
 * store.c keeps the rules of the header once, for every back end: limits, parked transactions, the state of a cursor,
 * and a write transaction that has failed stays failed. A back end sees only calls that keep those rules. */
#pragma once
#include <pthread.h>

#include "vaultd/core/store/store.h"

enum vt_txn_kind {
    VT_TXN_READ,
    VT_TXN_WRITE,           /* refused while the disk is full */
    VT_TXN_WRITE_RESERVED   /* may use the room that the ballast left */
};

struct vt_store_ops {
    void (*close)(struct vt_store *store);
    vault_status (*begin)(struct vt_store *store, enum vt_txn_kind kind, struct vt_txn **out_txn);
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
    vault_status (*copy)(struct vt_store *store, const char *to_dir, vt_store_progress progress, void *context);
    bool (*is_full)(struct vt_store *store);
    vault_status (*stats)(struct vt_store *store, struct vt_store_stats *out_stats);
    vault_status (*check)(struct vt_store *store, struct vt_store_check *out_check);
    uint64_t (*commit_number)(struct vt_txn *txn);
    vault_status (*raise_commit_number)(struct vt_txn *txn, uint64_t number);
    vault_status (*recover_space)(struct vt_store *store);
};

/* Each back end's own struct starts with one of these. */
struct vt_store {
    const struct vt_store_ops *ops;
};

struct vt_txn {
    struct vt_store *store;
    bool is_write;
    bool is_parked;             /* between reset and renew */
    vault_status failure;       /* of a write: what made it unusable, or VAULT_OK */
    unsigned cursor_count;
    unsigned change_count;      /* puts and deletes that took effect: cursors notice them by it */
};

enum vt_cursor_state { VT_CURSOR_FRESH, VT_CURSOR_AT, VT_CURSOR_END };

struct vt_cursor {
    struct vt_txn *txn;
    enum vt_table table;
    enum vt_cursor_state state;
    unsigned seen_changes;      /* change_count when the key below was given */
    size_t key_len;
    uint8_t key[VT_STORE_KEY_MAX];      /* last key given; kept in write transactions only, where it may move */
};

/** One writer at a time, on one thread from begin to end. Beginning twice on one thread, or ending on another, is a bug
 *  of ours (it would deadlock or corrupt), so both stop the process. */
struct vt_writer_gate {
    pthread_mutex_t mutex;
};
VT_RESULT vt_writer_gate_init(struct vt_writer_gate *gate);
void vt_writer_gate_release(struct vt_writer_gate *gate);
void vt_writer_gate_enter(struct vt_writer_gate *gate);
void vt_writer_gate_leave(struct vt_writer_gate *gate);

/** vt_store_copy() for any back end: row by row into a fresh LMDB store. Why not mdb_env_copyfd2(): it cannot say which
 *  commit it copied (its copy starts counting anew), nor be cancelled or watched without a pipe and signal games, and
 *  it stops at the first leaked page. Rows in key order through MDB_APPEND fill pages whole, so the result is as
 *  compact, and it is checked on the way. */
vault_status vt_store_copy_rows(struct vt_store *store, const char *to_dir, vt_store_progress progress, void *context);

/** A fresh LMDB store in @p dir without its format mark: opening it is VAULT_E_CORRUPT until it is sealed. */
VT_RESULT vt_store_lmdb_open_copy(const char *dir, struct vt_store **out_store);
/** Let the commit of @p txn complete the copy and have the number of the commit that was copied. */
VT_RESULT vt_store_lmdb_seal_copy(struct vt_txn *txn, uint64_t commit_number);
