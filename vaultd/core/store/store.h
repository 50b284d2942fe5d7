/* vaultd/core/store/store.h - the ordered, transactional store beneath everything; back ends LMDB, memory and fault.
 *
 * Invariants: only ciphertext and random ids get here. Keys are ordered bytes, values opaque. One write transaction at
 * a time (the committer's); any number of readers, each on a consistent snapshot. A read transaction is used by one
 * thread at a time and is short: a long one stops page reuse (a running backup is the one exception, shown in
 * `status`). Values read are borrowed until the transaction ends or, in a write transaction, until the next put or
 * delete: one is never itself the argument of a put in the same transaction, copy it first. They have no alignment.
 * Thread: begin_read any; begin_write the committer (or a tool that owns the store alone), and a write transaction
 * ends on the thread that began it. A second begin_write on the same thread is a bug and stops the process. */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"

struct vt_store;
struct vt_txn;
struct vt_cursor;

/** Tables. Their numbers and names are part of the format (docs/FORMAT.md): never renumber, never reuse. */
enum vt_table {
    VT_TABLE_META = 0,      /* name -> value: format version, vault id, sequences, wraps, root record */
    VT_TABLE_PAGE,          /* tenant 8 | tree 1 | level 1 | page id 8 -> incarnation 8 | version 8 | epoch 8 | sealed */
    VT_TABLE_KEYBLOCK,      /* sid 16 -> sealed key block */
    VT_TABLE_RECORD,        /* sid 16 | collection 2 | record 8 -> empty: whose records are where */
    VT_TABLE_ROW,           /* record 8 | category 2 | field group 2 -> sealed row */
    VT_TABLE_TOKEN,         /* kind 1 | sequence 8 or lookup 16 -> sealed token row */
    VT_TABLE_AUDIT,         /* leaf sequence 8 -> leaf | sealed payloads; appended in order */
    VT_TABLE_AUDIT_NODE,    /* level 1 | index 8 -> hash 32 of a complete subtree */
    VT_TABLE_LEDGER,        /* sequence 8 -> sealed ledger entry */
    VT_TABLE_LEDGER_SID,    /* sid 16 | category 2 | record 8 | sequence 8 -> empty */
    VT_TABLE_PENDING,       /* sid 16 | category 2 | record 8 -> sealed pending shred */
    VT_TABLE_CERTIFICATE,   /* state 1 | number 8 -> text, and the place of its leaf in the log of certificates */
    VT_TABLE_CONFIG,        /* kind 1 | tenant 8 | SHA-256(name)[0:16] -> sealed schema, template, credential */
    VT_TABLE_JOB,           /* job id 16 -> progress of imports, rotations, restores */
    VT_TABLE_IDEMPOTENCY,   /* principal 16 | HMAC of key 16 -> expiry 8 | incarnation 8 | sealed first answer */
    VT_TABLE_BACKUP,        /* backup id 16 -> registered backup */
    VT_TABLE_BLOB,          /* blob 16 | chunk 4 -> sealed chunk */
    VT_TABLE_CERTIFICATE_LOG, /* level 1 | index 8 -> leaf hashes, hash of a complete subtree, checkpoint */
    VT_TABLE_HOLD,          /* tenant 8 | sid 16 (zero: everybody) | category 2 | hold id 16 -> sealed hold */
    VT_TABLE_APPROVAL,      /* open 0 or ended 1: 1 | approval id 16 -> sealed approval */
    VT_TABLE_WAITING,       /* approval id 16 | sid 16 | category 2 | record 8 -> sealed request that waits for it */
    VT_TABLE_COUNT
};

/** Version of the format in docs/FORMAT.md "Store"; a store of another version is VAULT_E_FORMAT. */
enum { VT_STORE_FORMAT = 3 };
/** Longest key and longest value of any table, bytes. Longer data is cut into chunks (VT_TABLE_BLOB). */
enum { VT_STORE_KEY_MAX = 256, VT_STORE_VALUE_MAX = 16 * 1024 * 1024 };
/** Read transactions open at one time. */
enum { VT_STORE_READERS_MAX = 1024 };

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
/** Blocks until the previous write transaction has ended.
 *  @return also VAULT_E_DISK_FULL while stats say is_full, VAULT_E_READ_ONLY, VAULT_E_IO until the store is opened
 *          again once a sync has failed: what the kernel dropped then cannot be written by trying again */
VT_RESULT vt_txn_begin_write(struct vt_store *store, struct vt_txn **out_txn);
/** The same for what must go on while the disk is full: audit leaves of reads, and shreds. It lives on the room that
 *  the ballast left, so its commit may be VAULT_E_DISK_FULL too. */
VT_RESULT vt_txn_begin_write_reserved(struct vt_store *store, struct vt_txn **out_txn);
/** Durable when it returns VAULT_OK (full sync). The transaction is gone either way; its cursors must be freed before.
 *  @return VAULT_E_DISK_FULL, VAULT_E_IO: nothing of it was kept. When a put or delete before failed with more than
 *          VAULT_E_EXISTS, VAULT_E_NOT_FOUND, VAULT_E_ARGUMENT or VAULT_E_TOO_LARGE: that failure again.
 *          VAULT_E_BUSY: it outgrew the map, nothing was kept, the same again will find a larger one */
VT_RESULT vt_txn_commit(struct vt_txn *txn);
void vt_txn_abort(struct vt_txn *txn);          /* NULL is allowed */
/** Let go of a read snapshot but keep the handle, then take a fresh snapshot: cheaper than abort and begin.
 *  A handle whose renew failed stays reset; abort it. */
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
/** @return VAULT_E_EXISTS and VAULT_E_ARGUMENT as the flags say, VAULT_E_TOO_LARGE (key empty or too long, value too
 *          long): the transaction goes on unchanged. VAULT_E_DISK_FULL, VAULT_E_IO, VAULT_E_MEMORY, VAULT_E_CORRUPT,
 *          VAULT_E_BUSY (see commit): it can only be ended. */
VT_RESULT vt_store_put(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                       enum vt_put_flags flags);
/** @return VAULT_E_NOT_FOUND when there was nothing */
VT_RESULT vt_store_delete(struct vt_txn *txn, enum vt_table table, struct vt_bytes key);

/** Walk a table in key order. A cursor dies before its transaction and before a reset. In a write transaction it may
 *  stay open across puts and deletes, its own position included: next gives the first entry behind the key it gave
 *  last. */
VT_RESULT vt_cursor_open(struct vt_txn *txn, enum vt_table table, struct vt_cursor **out_cursor);
/** First entry with key >= @p from. @return VAULT_E_NOT_FOUND at the end */
VT_RESULT vt_cursor_seek(struct vt_cursor *cursor, struct vt_bytes from, struct vt_bytes *out_key,
                         struct vt_bytes *out_value);
/** The entry behind the last one given; the first of the table when none was. VAULT_E_NOT_FOUND at the end, and again
 *  until the next seek or last. */
VT_RESULT vt_cursor_next(struct vt_cursor *cursor, struct vt_bytes *out_key, struct vt_bytes *out_value);
/** Last entry of the table; last entry with key < @p before when given. @return VAULT_E_NOT_FOUND */
VT_RESULT vt_cursor_last(struct vt_cursor *cursor, const struct vt_bytes *before, struct vt_bytes *out_key,
                         struct vt_bytes *out_value);
void vt_cursor_free(struct vt_cursor *cursor);  /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_cursor);
/** Entries of the table as the transaction sees it, by walking it: vt_store_stats() has those of the store now.
 *  @return as vt_cursor_next(), but for the end */
VT_RESULT vt_store_count(struct vt_txn *txn, enum vt_table table, uint64_t *out_count);

/** Returning false cancels. done_bytes only rises; total_bytes is an estimate that done_bytes ends at. */
typedef bool (*vt_store_progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
/** Hot compact copy of one snapshot of the whole store into an empty directory (created when missing), fsynced; a long
 *  reader. The copy is a store of its own with the same commit number. What was begun is removed when it fails.
 *  @param progress may be NULL; when it returns false: VAULT_E_CANCELLED
 *  @return VAULT_E_EXISTS when the directory is not empty, VAULT_E_DISK_FULL, VAULT_E_IO, VAULT_E_CORRUPT */
VT_RESULT vt_store_copy(struct vt_store *store, const char *to_dir, vt_store_progress progress, void *context);
VT_RESULT vt_store_stats(struct vt_store *store, struct vt_store_stats *out_stats);
/** The stats' is_full alone, without looking at the store: asked for each call. */
bool vt_store_is_full(struct vt_store *store);

/** What a walk over every page of the file found. All zero but pages and free_pages: sound. */
struct vt_store_check {
    uint64_t pages;             /* of the file, in use or free */
    uint64_t free_pages;
    uint64_t leaked_pages;      /* neither in use nor free: lost room, no harm */
    uint64_t damaged_pages;     /* unreadable, out of bounds or used twice */
};
/** Walk the structure of one snapshot, page by page, without trusting any of it; contents are the callers' to check.
 *  May run beside everything else; a long reader. @return VAULT_OK also when damage was found, VAULT_E_IO */
VT_RESULT vt_store_check(struct vt_store *store, struct vt_store_check *out_check);

/** In a read transaction the number of the commit it sees; in a write transaction the number that its own commit will
 *  have. Rises by one per write transaction that changed something and was kept, across reopening and in a copy. */
uint64_t vt_store_commit_number(struct vt_txn *txn);
/** Let this write transaction's commit have @p number: a restored store must not fall below its keepers' floors. No
 *  other transaction may be open. @return VAULT_E_ARGUMENT when that would lower it */
VT_RESULT vt_store_raise_commit_number(struct vt_txn *txn, uint64_t number);
/** When the disk is full: try to get the ballast back; VAULT_OK when writes are possible again. */
VT_RESULT vt_store_recover_space(struct vt_store *store);

/* Back ends ------------------------------------------------------------------------------------------------------ */

struct vt_store_lmdb_options {
    uint64_t map_bytes;             /* first size of the map; grows by itself. 0, right outside tests: plenty */
    uint64_t ballast_bytes;         /* reserve file that keeps audited reads and shreds going on a full disk; 0: none */
    bool is_read_only;
    bool must_exist;                /* VAULT_E_NOT_INITIALISED instead of creating */
};
/** Whether opening would make a new environment there: no data file, or an empty one. Where one cannot look, it would not. */
bool vt_store_lmdb_is_absent(const char *dir);
/** The process must ignore SIGXFSZ, or a limit on file sizes kills it instead of being VAULT_E_DISK_FULL.
 *  @param dir      the directory of the environment; created with mode 0700 unless must_exist or is_read_only
 *  @param options  borrowed
 *  @return VAULT_E_IO, VAULT_E_LOCKED (this or another process has it open), VAULT_E_CORRUPT (damaged, cut short, or
 *          not ours: left as it was), VAULT_E_FORMAT (another version), VAULT_E_NOT_INITIALISED (nothing there, and
 *          must_exist or is_read_only), VAULT_E_DISK_FULL, VAULT_E_UNSUPPORTED (LMDB would not keep our flags) */
VT_RESULT vt_store_lmdb_open(const char *dir, const struct vt_store_lmdb_options *options, struct vt_store **out_store);
/** The model in tests: everything in memory, same semantics. */
VT_RESULT vt_store_mem_open(struct vt_store **out_store);
/** Wraps @p inner (moved: freed with it, untouched on failure) and fails the armed n-th call (base/fault.h).
 *  VT_FAULT_STORE: any begin, renew, get, put, delete, cursor call or commit, with VAULT_E_IO. VT_FAULT_SYNC: a commit,
 *  with VAULT_E_IO, and no write begins until the store is opened again. VT_FAULT_DISK_FULL: a put, delete or commit,
 *  with VAULT_E_DISK_FULL, and ordinary writes are refused until vt_store_recover_space(). */
VT_RESULT vt_store_fault_open(struct vt_store *inner, struct vt_store **out_store);
