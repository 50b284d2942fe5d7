/* tests/support/ring_world.h - a store with an unsealed keyring on it, and the few lines that every test of it would
 * repeat. Helpers assert that what they do succeeds; a test of a failure calls the keyring itself. */
#pragma once
#include "tests/support/suite.h"
#include "vaultd/core/keyring/keyring.h"

struct ring_world {
    struct vt_store *store;         /* owned */
    struct vt_keyring *ring;        /* owned */
    struct vt_vault_id vault_id;
    struct vt_key root_key;         /* of the present epoch */
    uint64_t epoch;
    char dir[64];                   /* of the LMDB store; empty for memory */
};
/** A memory store (an LMDB one when the environment says VT_STORE=lmdb), tenant `default`, epoch 1, unsealed. */
void ring_world_open(struct ring_world *world);
/** The same on @p store (moved). */
void ring_world_open_on(struct ring_world *world, struct vt_store *store);
void ring_world_free(struct ring_world *world);
/** Free the ring and open it again on the same store. */
void ring_world_restart(struct ring_world *world);

/** A write under way. */
struct ring_write {
    struct ring_world *world;
    struct vt_txn *txn;
    struct vt_keyring_write *write;
    struct vt_keyring_view *view;   /* the write's */
};
struct ring_write ring_begin(struct ring_world *world);
void ring_commit(struct ring_write *change);
/** Close the epoch with this commit: a fresh root key, and the fence. */
void ring_commit_epoch(struct ring_write *change);
/** Finish it, then let the transaction fail. */
void ring_abort_after_finish(struct ring_write *change, bool is_next_epoch);
void ring_abort(struct ring_write *change);

/** A reader. */
struct ring_read {
    struct vt_txn *txn;
    struct vt_keyring_view *view;
};
struct ring_read ring_read_begin(struct ring_world *world);
void ring_read_end(struct ring_read *read);

struct vt_sid ring_sid(uint64_t number);       /* the same sid for the same number */
/** A new subject with @p categories keys (categories 1 on), inserted in @p change. */
void ring_add_subject(struct ring_write *change, vt_tenant_id tenant, const struct vt_sid *sid, unsigned categories);
/** Seal and apply a draft, then free it. */
void ring_apply(struct ring_write *change, struct vt_keyblock_draft *draft);
/** What vt_keyring_subject_keys() says in a fresh view. */
vault_status ring_subject_status(struct ring_world *world, vt_tenant_id tenant, const struct vt_sid *sid);

/** Rows as an adversary with the disk sees them. */
struct ring_row {
    uint8_t key[VT_STORE_KEY_MAX];
    size_t key_len;
    uint8_t value[24 * 1024];
    size_t len;
};
/** All rows of a table in key order. @return how many, at most @p max */
size_t ring_rows(struct ring_world *world, enum vt_table table, struct ring_row *out_rows, size_t max);
void ring_row_put(struct ring_world *world, enum vt_table table, const struct ring_row *row);
void ring_row_delete(struct ring_world *world, enum vt_table table, const struct ring_row *row);

struct vt_index_hash ring_hash(struct vt_keyring_view *view, vt_tenant_id tenant, const char *value);
