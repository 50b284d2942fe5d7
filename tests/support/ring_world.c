#include "tests/support/ring_world.h"

#include <stdlib.h>

#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"

static const uint8_t first_attempt[16] = "first attempt";
enum { FENCE_TIMEOUT_MS = 60 * 1000 };

void ring_world_open_on(struct ring_world *world, struct vt_store *store)
{
    *world = (struct ring_world){.store = store, .epoch = VT_KEYRING_FIRST_EPOCH};
    ck_assert_ok(vt_random_bytes(world->vault_id.bytes, sizeof world->vault_id.bytes));
    ck_assert_ok(vt_random_key(&world->root_key));
    ck_assert_status(vt_keyring_open(world->store, NULL, &world->ring), VAULT_E_NOT_INITIALISED);
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_keyring_create(world->ring, txn, &world->vault_id, 1, first_attempt, &world->root_key));
    ck_assert_ok(vt_txn_commit(txn));
    ck_assert_ok(vt_keyring_unseal(world->ring, &world->root_key));
}

void ring_world_open(struct ring_world *world)
{
    struct vt_store *store = NULL;
    char dir[sizeof world->dir] = "";
    const char *wanted = getenv("VT_STORE");
    if (wanted != NULL && strcmp(wanted, "lmdb") == 0) {
        const struct vt_store_lmdb_options options = {0};
        vt_temp_dir_make(dir, sizeof dir);
        ck_assert_ok(vt_store_lmdb_open(dir, &options, &store));
    } else {
        ck_assert_ok(vt_store_mem_open(&store));
    }
    ring_world_open_on(world, store);
    memcpy(world->dir, dir, sizeof dir);
}

void ring_world_free(struct ring_world *world)
{
    vt_keyring_free(world->ring);
    vt_store_free(world->store);
    if (world->dir[0] != '\0') vt_temp_dir_remove(world->dir);
    vt_key_release(&world->root_key);
}

void ring_world_restart(struct ring_world *world)
{
    vt_keyring_free(world->ring);
    world->ring = NULL;
    ck_assert_ok(vt_keyring_open(world->store, NULL, &world->ring));
    ck_assert_ok(vt_keyring_unseal(world->ring, &world->root_key));
}

struct ring_write ring_begin(struct ring_world *world)
{
    struct ring_write change = {.world = world};
    ck_assert_ok(vt_txn_begin_write(world->store, &change.txn));
    ck_assert_ok(vt_keyring_write_begin(world->ring, change.txn, &change.write));
    change.view = vt_keyring_write_view(change.write);
    return change;
}

void ring_commit(struct ring_write *change)
{
    struct vt_keyring_delta delta;
    ck_assert_ok(vt_keyring_write_finish(change->write, NULL, &delta));
    ck_assert_ok(vt_txn_commit(change->txn));
    vt_keyring_write_committed(change->write);
}

static struct vt_next_root next_root(const struct ring_world *world, const struct vt_key *root_key)
{
    struct vt_next_root next = {.epoch = world->epoch + 1, .incarnation = 1, .root_key = root_key};
    ck_assert_ok(vt_random_bytes(next.attempt, sizeof next.attempt));
    return next;
}

void ring_commit_epoch(struct ring_write *change)
{
    struct ring_world *world = change->world;
    struct vt_keyring_delta delta;
    struct vt_key root_key;
    ck_assert_ok(vt_random_key(&root_key));
    const struct vt_next_root next = next_root(world, &root_key);
    ck_assert_ok(vt_keyring_write_finish(change->write, &next, &delta));
    ck_assert_ok(vt_txn_commit(change->txn));
    vt_keyring_write_committed(change->write);
    ck_assert_ok(vt_keyring_fence(world->ring, FENCE_TIMEOUT_MS));
    world->root_key = root_key;
    world->epoch++;
}

void ring_abort_after_finish(struct ring_write *change, bool is_next_epoch)
{
    struct vt_keyring_delta delta;
    struct vt_key root_key;
    ck_assert_ok(vt_random_key(&root_key));
    const struct vt_next_root next = next_root(change->world, &root_key);
    ck_assert_ok(vt_keyring_write_finish(change->write, is_next_epoch ? &next : NULL, &delta));
    ring_abort(change);
}

void ring_abort(struct ring_write *change)
{
    vt_txn_abort(change->txn);
    vt_keyring_write_aborted(change->write);
}

struct ring_read ring_read_begin(struct ring_world *world)
{
    struct ring_read read = {0};
    ck_assert_ok(vt_txn_begin_read(world->store, &read.txn));
    ck_assert_ok(vt_keyring_view_begin(world->ring, read.txn, &read.view));
    return read;
}

void ring_read_end(struct ring_read *read)
{
    vt_keyring_view_end(read->view);
    vt_txn_abort(read->txn);
}

struct vt_sid ring_sid(uint64_t number)
{
    uint8_t hash[VT_SHA256_LEN], bytes[8];
    struct vt_sid sid;
    vt_put_u64(bytes, number);
    ck_assert_ok(vt_sha256_one(VT_BYTES_OF(bytes), hash));
    memcpy(sid.bytes, hash, sizeof sid.bytes);
    return sid;
}

void ring_apply(struct ring_write *change, struct vt_keyblock_draft *draft)
{
    ck_assert_ok(vt_keyblock_seal(draft));
    ck_assert_ok(vt_keyring_put_keyblock(change->write, draft));
    vt_keyblock_draft_free(draft);
}

void ring_add_subject(struct ring_write *change, vt_tenant_id tenant, const struct vt_sid *sid, unsigned categories)
{
    struct vt_keyblock_draft *draft = NULL;
    const struct vt_data_key *key;
    ck_assert_ok(vt_keyblock_new(change->view, tenant, sid, &draft));
    for (unsigned category = 1; category <= categories; category++)
        ck_assert_ok(vt_keyblock_add(draft, (uint16_t)category, 0, 1000, &key));
    ring_apply(change, draft);
}

vault_status ring_subject_status(struct ring_world *world, vt_tenant_id tenant, const struct vt_sid *sid)
{
    const struct vt_subject_keys *keys;
    struct ring_read read = ring_read_begin(world);
    const vault_status status = vt_keyring_subject_keys(read.view, tenant, sid, &keys);
    ring_read_end(&read);
    return status;
}

struct vt_index_hash ring_hash(struct vt_keyring_view *view, vt_tenant_id tenant, const char *value)
{
    struct vt_index_hash hash;
    const struct vt_bytes piece = vt_bytes_str(value);
    ck_assert_ok(vt_keyring_index_hash(view, tenant, 0, "test:1", &piece, 1, &hash));
    return hash;
}

size_t ring_rows(struct ring_world *world, enum vt_table table, struct ring_row *out_rows, size_t max)
{
    struct vt_txn *txn = NULL;
    struct vt_cursor *cursor = NULL;
    struct vt_bytes key, value;
    size_t count = 0;
    ck_assert_ok(vt_txn_begin_read(world->store, &txn));
    ck_assert_ok(vt_cursor_open(txn, table, &cursor));
    while (count < max && vt_cursor_next(cursor, &key, &value) == VAULT_OK) {
        struct ring_row *row = &out_rows[count++];
        ck_assert_uint_le(value.len, sizeof row->value);
        memcpy(row->key, key.data, key.len);
        memcpy(row->value, value.data, value.len);
        row->key_len = key.len;
        row->len = value.len;
    }
    vt_cursor_free(cursor);
    vt_txn_abort(txn);
    return count;
}

void ring_row_put(struct ring_world *world, enum vt_table table, const struct ring_row *row)
{
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_store_put(txn, table, vt_bytes(row->key, row->key_len), vt_bytes(row->value, row->len),
                              VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
}

void ring_row_delete(struct ring_world *world, enum vt_table table, const struct ring_row *row)
{
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_store_delete(txn, table, vt_bytes(row->key, row->key_len)));
    ck_assert_ok(vt_txn_commit(txn));
}
