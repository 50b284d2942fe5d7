/* vaultd/core/store/store.h - the ordered, transactional store beneath everything; back ends LMDB, memory and fault.
 *
 * Invariants: only ciphertext and random ids get here. Keys are ordered bytes, values opaque. One write transaction at
 * a time (the committer's); any number of readers, each on a consistent snapshot. A read transaction is used by one
 * thread at a time and is short: a long one stops page reuse (a running backup is the one exception, shown in
 * `status`). Values read are borrowed until the transaction ends or, in a write transaction, until the next put or
 * delete. Thread: begin_read any; begin_write the committer (or a tool that owns the store alone). */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"

struct vt_store;
struct vt_txn;
struct vt_cursor;

/** Tables. Their numbers and names are part of the format (docs/FORMAT.md): never renumber, never reuse. */
enum vt_table {
    VT_TABLE_META = 0,      /* name -> value: format version, vault id, sequences, wraps, root record */
    VT_TABLE_PAGE,          /* tenant 8 | tree 1 | level 1 | page id 8 -> page version 8 | sealed page */
    VT_TABLE_KEYBLOCK,      /* sid 16 -> sealed key block */
    VT_TABLE_RECORD,        /* sid 16 | collection 2 | record 8 -> empty: whose records are where */
    VT_TABLE_ROW,           /* record 8 | category 2 | field group 2 -> sealed row */
    VT_TABLE_TOKEN,         /* kind 1 | sequence 8 or lookup 16 -> sealed token row */
    VT_TABLE_AUDIT,         /* leaf sequence 8 -> leaf | sealed payloads; appended in order */
    VT_TABLE_AUDIT_NODE,    /* level 1 | index 8 -> hash 32 of a complete subtree */
    VT_TABLE_LEDGER,        /* sequence 8 -> sealed ledger entry */
    VT_TABLE_LEDGER_SID,    /* sid 16 | category 2 | record 8 | sequence 8 -> empty */
    VT_TABLE_PENDING,       /* sid 16 | category 2 | record 8 -> sealed pending shred */
    VT_TABLE_CERTIFICATE,   /* number 8 -> signed notes of the states reached */
    VT_TABLE_CONFIG,        /* kind 1 | name -> sealed object: schemas, templates, credentials, policies, tenants */
    VT_TABLE_JOB,           /* job id 16 -> progress of imports, rotations, restores */
    VT_TABLE_IDEMPOTENCY,   /* principal 16 | HMAC of key 16 -> expiry 8 | sealed first answer */
    VT_TABLE_BACKUP,        /* backup id 16 -> registered backup */
    VT_TABLE_BLOB,          /* blob 16 | chunk 4 -> sealed chunk */
    VT_TABLE_COUNT
};

/** Longest key of any table, bytes. */
enum { VT_STORE_KEY_MAX = 256 };

enum vt_put_flags {
    VT_PUT_DEFAULT = 0,     /* insert or overwrite */
    VT_PUT_NEW = 1,         /* VAULT_E_EXISTS when the key is there */
    VT_PUT_APPEND = 2,      /* the key sorts after all of the table's keys: VAULT_E_ARGUMENT otherwise */
};

struct vt_store_stats {
    uint64_t used_bytes;            /* pages in use, of the file */
    uint64_t file_bytes;
    uint64_t map_bytes;
    uint64_t oldest_reader_lag;     /* transactions between the oldest reader and the newest commit */
    uint64_t entries[VT_TABLE_COUNT];
    bool is_full;                   /* writes are refused: the disk is full, the ballast is in use */
};

void vt_store_free(struct vt_store *store);     /* closes; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_store);

/** @return VAULT_E_IO, VAULT_E_MEMORY, VAULT_E_BUSY when all reader slots are taken */
VT_RESULT vt_txn_begin_read(struct vt_store *store, struct vt_txn **out_txn);
/** Blocks until the previous write transaction has ended. @return also VAULT_E_DISK_FULL, VAULT_E_READ_ONLY */
VT_RESULT vt_txn_begin_write(struct vt_store *store, struct vt_txn **out_txn);
/** Durable when it returns VAULT_OK (full sync). The transaction is gone either way.
 *  @return VAULT_E_DISK_FULL, VAULT_E_IO: nothing of it was kept */
VT_RESULT vt_txn_commit(struct vt_txn *txn);
void vt_txn_abort(struct vt_txn *txn);          /* NULL is allowed */
/** Let go of a read snapshot but keep the handle, then take a fresh snapshot: cheaper than abort and begin. */
void vt_txn_reset(struct vt_txn *txn);
VT_RESULT vt_txn_renew(struct vt_txn *txn);
static inline void vt_txn_free(struct vt_txn *txn)
{
    vt_txn_abort(txn);
}
VT_DEFINE_AUTO_PTR(vt_txn);
bool vt_txn_is_write(const struct vt_txn *txn);

/** @param out_value borrowed. @return VAULT_E_NOT_FOUND, VAULT_E_IO, VAULT_E_CORRUPT */
VT_RESULT vt_store_get(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes *out_value);
/** @return VAULT_E_EXISTS and VAULT_E_ARGUMENT as the flags say, VAULT_E_DISK_FULL, VAULT_E_TOO_LARGE (key),
 *  VAULT_E_IO */
VT_RESULT vt_store_put(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                       enum vt_put_flags flags);
/** @return VAULT_E_NOT_FOUND when there was nothing */
VT_RESULT vt_store_delete(struct vt_txn *txn, enum vt_table table, struct vt_bytes key);

/** Walk a table in key order. A cursor dies before its transaction. Deleting while scanning: collect first. */
VT_RESULT vt_cursor_open(struct vt_txn *txn, enum vt_table table, struct vt_cursor **out_cursor);
/** First entry with key >= @p from. @return VAULT_E_NOT_FOUND at the end */
VT_RESULT vt_cursor_seek(struct vt_cursor *cursor, struct vt_bytes from, struct vt_bytes *out_key,
                         struct vt_bytes *out_value);
VT_RESULT vt_cursor_next(struct vt_cursor *cursor, struct vt_bytes *out_key, struct vt_bytes *out_value);
/** Last entry of the table; last entry with key < @p before when given. @return VAULT_E_NOT_FOUND */
VT_RESULT vt_cursor_last(struct vt_cursor *cursor, const struct vt_bytes *before, struct vt_bytes *out_key,
                         struct vt_bytes *out_value);
void vt_cursor_free(struct vt_cursor *cursor);  /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_cursor);

/** Hot compact copy of the whole store into an empty directory, fsynced; a long reader.
 *  @param progress may be NULL; returning false cancels (VAULT_E_CANCELLED) */
VT_RESULT vt_store_copy(struct vt_store *store, const char *to_dir,
                        bool (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes), void *context);
VT_RESULT vt_store_stats(struct vt_store *store, struct vt_store_stats *out_stats);
/** Number of the last commit that this store has seen (rises by one per write transaction kept). */
uint64_t vt_store_commit_number(struct vt_txn *txn);
/** When the disk is full: try to get the ballast back; VAULT_OK when writes are possible again. */
VT_RESULT vt_store_recover_space(struct vt_store *store);

/* Back ends ------------------------------------------------------------------------------------------------------ */

struct vt_store_lmdb_options {
    uint64_t map_bytes;             /* first map size; grows by itself. 0: 1 GiB */
    uint64_t ballast_bytes;         /* reserve file that keeps audited reads and shreds going on a full disk; 0: none */
    bool is_read_only;
    bool must_exist;                /* VAULT_E_NOT_INITIALISED instead of creating */
};
/** @param dir the directory of the environment; created with mode 0700 unless must_exist
 *  @return VAULT_E_IO, VAULT_E_LOCKED (another process), VAULT_E_CORRUPT, VAULT_E_NOT_INITIALISED */
VT_RESULT vt_store_lmdb_open(const char *dir, const struct vt_store_lmdb_options *options, struct vt_store **out_store);
/** The model in tests: everything in memory, same semantics. */
VT_RESULT vt_store_mem_open(struct vt_store **out_store);
/** Wraps @p inner (moved: freed with it); VT_FAULT_STORE, VT_FAULT_SYNC and VT_FAULT_DISK_FULL fail the n-th call. */
VT_RESULT vt_store_fault_open(struct vt_store *inner, struct vt_store **out_store);
