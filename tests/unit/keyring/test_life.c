/* Create, unseal, seal, epochs, fence, snapshots, tenants. */
#include "tests/support/ring_world.h"

static const uint8_t some_attempt[16] = "attempt";

static void add_subjects(struct ring_world *world, uint64_t from, uint64_t to)
{
    struct ring_write change = ring_begin(world);
    for (uint64_t i = from; i < to; i++) {
        const struct vt_sid sid = ring_sid(i);
        ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, 1);
    }
    ring_commit(&change);
}

START_TEST(a_store_is_initialised_once)
{
    struct ring_world world;
    struct vt_txn *txn = NULL;
    ring_world_open(&world);
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_status(vt_keyring_create(world.ring, txn, &world.vault_id, 1, some_attempt, &world.root_key),
                     VAULT_E_EXISTS);
    vt_txn_abort(txn);
    ring_world_free(&world);
}
END_TEST

START_TEST(an_empty_store_has_no_root_record_and_cannot_be_unsealed)
{
    struct vt_store *store = NULL;
    struct vt_keyring *ring = NULL;
    struct vt_txn *txn = NULL;
    struct vt_root_record record;
    struct vt_key key = VT_KEY_INIT;
    ck_assert_ok(vt_store_mem_open(&store));
    ck_assert_status(vt_keyring_open(store, NULL, &ring), VAULT_E_NOT_INITIALISED);
    ck_assert_status(vt_keyring_unseal(ring, &key), VAULT_E_NOT_INITIALISED);
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    ck_assert_status(vt_keyring_root_record(txn, &record), VAULT_E_NOT_INITIALISED);
    vt_txn_abort(txn);
    vt_keyring_free(ring);
    vt_store_free(store);
}
END_TEST

START_TEST(a_sealed_ring_refuses_views_and_writes)
{
    struct ring_world world;
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    struct vt_keyring_write *write = NULL;
    ring_world_open(&world);
    vt_keyring_seal(world.ring);
    ck_assert(vt_keyring_is_sealed(world.ring));
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_status(vt_keyring_view_begin(world.ring, txn, &view), VAULT_E_SEALED);
    ck_assert_status(vt_keyring_write_begin(world.ring, txn, &write), VAULT_E_SEALED);
    vt_txn_abort(txn);
    ck_assert_ok(vt_keyring_unseal(world.ring, &world.root_key));
    ck_assert(!vt_keyring_is_sealed(world.ring));
    ck_assert_status(vt_keyring_unseal(world.ring, &world.root_key), VAULT_E_STATE);
    struct ring_read read = ring_read_begin(&world);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_root_key_of_another_epoch_does_not_unseal)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_key first = world.root_key;
    struct ring_write change = ring_begin(&world);
    ring_commit_epoch(&change);
    vt_keyring_seal(world.ring);
    ck_assert_status(vt_keyring_unseal(world.ring, &first), VAULT_E_AUTHENTICITY);
    ck_assert(vt_keyring_is_sealed(world.ring));
    ck_assert_ok(vt_keyring_unseal(world.ring, &world.root_key));
    ring_world_free(&world);
}
END_TEST

START_TEST(a_root_key_can_be_tried_without_unsealing)
{
    struct ring_world world;
    struct vt_txn *txn = NULL;
    const struct vt_key wrong = {{1}};
    ring_world_open(&world);
    vt_keyring_seal(world.ring);
    ck_assert_ok(vt_txn_begin_read(world.store, &txn));
    ck_assert_status(vt_keyring_root_opens(txn, &wrong), VAULT_E_AUTHENTICITY);
    ck_assert_ok(vt_keyring_root_opens(txn, &world.root_key));
    ck_assert(vt_keyring_is_sealed(world.ring));
    vt_txn_abort(txn);
    ring_world_free(&world);
}
END_TEST

START_TEST(the_root_record_says_epoch_attempt_and_commit_number)
{
    struct ring_world world;
    struct vt_root_record before, after;
    ring_world_open(&world);
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_root_record(read.txn, &before));
    ring_read_end(&read);
    struct ring_write change = ring_begin(&world);
    ring_commit_epoch(&change);
    read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_root_record(read.txn, &after));
    ck_assert_uint_eq(after.commit_number, vt_store_commit_number(read.txn));
    ring_read_end(&read);
    ck_assert_int_eq(memcmp(&before.vault_id, &world.vault_id, sizeof before.vault_id), 0);
    ck_assert_uint_eq(before.epoch, VT_KEYRING_FIRST_EPOCH);
    ck_assert_uint_eq(after.epoch, VT_KEYRING_FIRST_EPOCH + 1);
    ck_assert_uint_eq(after.page_version, before.page_version + 1);
    ck_assert_int_ne(memcmp(before.attempt, after.attempt, 16), 0);
    ck_assert_int_ne(memcmp(before.root_hash, after.root_hash, 32), 0);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_write_without_changes_writes_nothing)
{
    struct ring_world world;
    struct vt_keyring_delta delta;
    struct vt_root_record record;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    ck_assert(!vt_keyring_write_is_dirty(change.write));
    ck_assert_ok(vt_keyring_write_finish(change.write, NULL, &delta));
    ck_assert_uint_eq(delta.bytes->len, 0);
    ck_assert_ok(vt_keyring_root_record(change.txn, &record));
    ck_assert_uint_eq(delta.root.page_version, record.page_version);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_write_that_changed_nothing_may_be_committed_unfinished)
{
    struct ring_world world;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_txn_commit(change.txn));
    vt_keyring_write_committed(change.write);
    add_subjects(&world, 0, 1);
    const struct vt_sid sid = ring_sid(0);
    ck_assert_ok(ring_subject_status(&world, 1, &sid));
    ring_world_free(&world);
}
END_TEST

START_TEST(nothing_can_be_changed_after_finish)
{
    struct ring_world world;
    struct vt_keyring_delta delta;
    uint8_t data[VT_INDEX_DATA_LEN] = {0}, cursor[32] = {0};
    bool is_done;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    const struct vt_sid sid = ring_sid(1);
    ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, 1);
    ck_assert(vt_keyring_write_is_dirty(change.write));
    const struct vt_index_hash hash = ring_hash(change.view, VT_TENANT_DEFAULT, "a");
    ck_assert_ok(vt_keyring_write_finish(change.write, NULL, &delta));
    ck_assert_status(vt_keyring_write_finish(change.write, NULL, &delta), VAULT_E_STATE);
    ck_assert_status(vt_keyring_drop_subject(change.write, 1, &sid), VAULT_E_STATE);
    ck_assert_status(vt_keyring_index_add(change.write, 1, &hash, data, true), VAULT_E_STATE);
    ck_assert_status(vt_keyring_index_remove(change.write, 1, &hash, data), VAULT_E_STATE);
    ck_assert_status(vt_keyring_create_tenant(change.write, 2, 0), VAULT_E_STATE);
    ck_assert_status(vt_keyring_drop_tenant(change.write, 1), VAULT_E_STATE);
    ck_assert_status(vt_keyring_rotate_tenant_key(change.write, 1, VT_TENANT_KEY_INDEX, 0), VAULT_E_STATE);
    ck_assert_status(vt_keyring_rekey_step(change.write, cursor, 1, &is_done), VAULT_E_STATE);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(an_aborted_write_leaves_no_trace)
{
    struct ring_world world;
    ring_world_open(&world);
    add_subjects(&world, 0, 100);
    const struct vt_sid sid = ring_sid(3), fresh = ring_sid(1000);
    ck_assert_ok(ring_subject_status(&world, 1, &sid));
    for (int is_next_epoch = 0; is_next_epoch < 2; is_next_epoch++) {
        struct ring_write change = ring_begin(&world);
        ck_assert_ok(vt_keyring_drop_subject(change.write, 1, &sid));
        ring_add_subject(&change, 1, &fresh, 1);
        ring_abort_after_finish(&change, is_next_epoch != 0);
        ck_assert_ok(ring_subject_status(&world, 1, &sid));
        ck_assert_status(ring_subject_status(&world, 1, &fresh), VAULT_E_NOT_FOUND);
    }
    add_subjects(&world, 1000, 1001);
    ck_assert_ok(ring_subject_status(&world, 1, &fresh));
    ring_world_restart(&world);
    ck_assert_ok(ring_subject_status(&world, 1, &fresh));
    ring_world_free(&world);
}
END_TEST

START_TEST(a_writes_own_view_sees_its_changes_and_readers_do_not_until_it_is_committed)
{
    struct ring_world world;
    ring_world_open(&world);
    add_subjects(&world, 0, 10);
    const struct vt_sid gone = ring_sid(1), fresh = ring_sid(50);
    const struct vt_subject_keys *keys;
    ck_assert_ok(ring_subject_status(&world, 1, &gone));
    struct ring_read old = ring_read_begin(&world);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_keyring_drop_subject(change.write, 1, &gone));
    ring_add_subject(&change, 1, &fresh, 1);
    ck_assert_status(vt_keyring_subject_keys(change.view, 1, &gone, &keys), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_keyring_subject_keys(change.view, 1, &fresh, &keys));
    ck_assert_ok(ring_subject_status(&world, 1, &gone));
    ck_assert_status(ring_subject_status(&world, 1, &fresh), VAULT_E_NOT_FOUND);
    ring_commit(&change);
    ck_assert_status(ring_subject_status(&world, 1, &gone), VAULT_E_NOT_FOUND);
    ck_assert_ok(ring_subject_status(&world, 1, &fresh));
    /* the reader that began before still has its own snapshot, cached or not */
    ck_assert_ok(vt_keyring_subject_keys(old.view, 1, &gone, &keys));
    ck_assert_status(vt_keyring_subject_keys(old.view, 1, &fresh, &keys), VAULT_E_NOT_FOUND);
    ring_read_end(&old);
    /* and has not put back what the commit took out of the cache */
    ck_assert_status(ring_subject_status(&world, 1, &gone), VAULT_E_NOT_FOUND);
    ring_world_free(&world);
}
END_TEST

START_TEST(an_old_snapshot_reads_on_while_pages_are_rewritten_and_split)
{
    struct ring_world world;
    ring_world_open(&world);
    add_subjects(&world, 0, 300);
    struct ring_read old = ring_read_begin(&world);
    for (uint64_t round = 0; round < 10; round++) {
        add_subjects(&world, 1000 + round * 300, 1300 + round * 300);
        struct ring_write change = ring_begin(&world);
        const struct vt_sid sid = ring_sid(round);
        ck_assert_ok(vt_keyring_drop_subject(change.write, 1, &sid));
        ring_commit(&change);
    }
    for (uint64_t i = 0; i < 300; i++) {
        const struct vt_sid sid = ring_sid(i);
        const struct vt_subject_keys *keys;
        ck_assert_ok(vt_keyring_subject_keys(old.view, 1, &sid, &keys));
    }
    ring_read_end(&old);
    ring_world_free(&world);
}
END_TEST

START_TEST(borrowed_keys_stay_whole_until_their_view_ends_even_when_dropped_and_fenced_off)
{
    struct ring_world world;
    ring_world_open(&world);
    add_subjects(&world, 0, 10);
    const struct vt_sid sid = ring_sid(1);
    const struct vt_subject_keys *keys;
    struct ring_read old = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_subject_keys(old.view, 1, &sid, &keys));
    const struct vt_key copy = keys->keys[0].key;
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_keyring_drop_subject(change.write, 1, &sid));
    ring_commit(&change);
    ck_assert_status(vt_keyring_fence(world.ring, 20), VAULT_E_TIMEOUT);
    ck_assert(vt_ct_equal(vt_key_bytes(&keys->keys[0].key), vt_key_bytes(&copy)));
    ring_read_end(&old);
    ck_assert_ok(vt_keyring_fence(world.ring, 20));
    ring_world_free(&world);
}
END_TEST

START_TEST(a_snapshot_from_before_a_fenced_epoch_cannot_begin_a_view)
{
    struct ring_world world;
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    ring_world_open(&world);
    ck_assert_ok(vt_txn_begin_read(world.store, &txn));
    struct ring_write change = ring_begin(&world);
    ring_commit_epoch(&change);
    ck_assert_status(vt_keyring_view_begin(world.ring, txn, &view), VAULT_E_CONFLICT);
    vt_txn_reset(txn);
    ck_assert_ok(vt_txn_renew(txn));
    ck_assert_ok(vt_keyring_view_begin(world.ring, txn, &view));
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    ring_world_free(&world);
}
END_TEST

START_TEST(readers_of_a_new_epoch_open_it_before_the_committer_has_published_it)
{
    struct ring_world world;
    struct vt_keyring_delta delta;
    const struct vt_subject_keys *keys;
    ring_world_open(&world);
    add_subjects(&world, 0, 10);
    const struct vt_sid gone = ring_sid(1), kept = ring_sid(2);
    ck_assert_ok(ring_subject_status(&world, 1, &gone));    /* now cached */
    struct vt_key root_key = {{7}};
    const struct vt_next_root next = {.epoch = 2, .incarnation = 1, .root_key = &root_key};
    struct ring_read before = ring_read_begin(&world);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_keyring_drop_subject(change.write, 1, &gone));
    ck_assert_ok(vt_keyring_write_finish(change.write, &next, &delta));
    ck_assert_ok(vt_txn_commit(change.txn));

    struct ring_read early = ring_read_begin(&world);
    ck_assert_status(vt_keyring_subject_keys(early.view, 1, &gone, &keys), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_keyring_subject_keys(early.view, 1, &kept, &keys));
    ck_assert_ok(vt_keyring_subject_keys(before.view, 1, &gone, &keys));
    vt_keyring_write_committed(change.write);
    ck_assert_status(vt_keyring_subject_keys(early.view, 1, &gone, &keys), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_keyring_subject_keys(before.view, 1, &gone, &keys));
    ring_read_end(&before);
    ring_read_end(&early);
    ck_assert_ok(vt_keyring_fence(world.ring, 1000));
    ck_assert_status(ring_subject_status(&world, 1, &gone), VAULT_E_NOT_FOUND);
    world.root_key = root_key;
    ring_world_restart(&world);
    ck_assert_status(ring_subject_status(&world, 1, &gone), VAULT_E_NOT_FOUND);
    ring_world_free(&world);
}
END_TEST

START_TEST(every_system_and_tenant_key_is_its_own_and_survives_a_restart)
{
    struct vt_key keys[VT_SYSTEM_KEY_COUNT + VT_TENANT_KEY_COUNT];
    struct ring_world world;
    ring_world_open(&world);
    for (int round = 0; round < 2; round++) {
        struct ring_read read = ring_read_begin(&world);
        for (unsigned i = 0; i < VT_ARRAY_LEN(keys); i++) {
            const struct vt_key *key;
            if (i < VT_SYSTEM_KEY_COUNT) {
                key = vt_keyring_system_key(read.view, (enum vt_system_key_name)i);
            } else {
                const enum vt_tenant_key_name name = (enum vt_tenant_key_name)(i - VT_SYSTEM_KEY_COUNT);
                const struct vt_tenant_key *tenant_key = vt_keyring_tenant_key(read.view, 1, name, 0);
                ck_assert_ptr_nonnull(tenant_key);
                ck_assert_uint_eq(tenant_key->version, 1);
                ck_assert_ptr_null(vt_keyring_tenant_key(read.view, 1, name, 1));
                key = &tenant_key->key;
            }
            ck_assert_ptr_nonnull(key);
            if (round == 1) ck_assert(vt_ct_equal(vt_key_bytes(key), vt_key_bytes(&keys[i])));
            keys[i] = *key;
        }
        ring_read_end(&read);
        ring_world_restart(&world);
    }
    for (size_t i = 0; i < VT_ARRAY_LEN(keys); i++)
        for (size_t k = i + 1; k < VT_ARRAY_LEN(keys); k++)
            ck_assert(!vt_ct_equal(vt_key_bytes(&keys[i]), vt_key_bytes(&keys[k])));
    ring_world_free(&world);
}
END_TEST

START_TEST(a_rotated_tenant_key_is_live_and_older_versions_stay_until_dropped)
{
    struct ring_world world;
    ring_world_open(&world);
    for (uint32_t version = 2; version <= VT_TENANT_KEY_VERSIONS; version++) {
        struct ring_write change = ring_begin(&world);
        ck_assert_ok(vt_keyring_rotate_tenant_key(change.write, 1, VT_TENANT_KEY_CONFIG, version * 100));
        const struct vt_tenant_key *live = vt_keyring_tenant_key(change.view, 1, VT_TENANT_KEY_CONFIG, 0);
        ck_assert_uint_eq(live->version, version);
        ck_assert_int_eq(live->created_at_ms, version * 100);
        ck_assert_uint_eq(vt_keyring_tenant_key(change.view, 1, VT_TENANT_KEY_CONFIG, 1)->version, version - 1);
        ring_commit(&change);
    }
    struct ring_write change = ring_begin(&world);
    ck_assert_status(vt_keyring_rotate_tenant_key(change.write, 1, VT_TENANT_KEY_CONFIG, 0), VAULT_E_LIMIT);
    ck_assert_status(vt_keyring_drop_tenant_key(change.write, 1, VT_TENANT_KEY_CONFIG, VT_TENANT_KEY_VERSIONS),
                     VAULT_E_STATE);
    ck_assert_status(vt_keyring_drop_tenant_key(change.write, 1, VT_TENANT_KEY_CONFIG, 9), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_keyring_drop_tenant_key(change.write, 1, VT_TENANT_KEY_CONFIG, 2));
    ck_assert_status(vt_keyring_drop_tenant_key(change.write, 1, VT_TENANT_KEY_CONFIG, 2), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_keyring_rotate_tenant_key(change.write, 1, VT_TENANT_KEY_CONFIG, 0));
    ring_commit(&change);
    ring_world_restart(&world);
    static const uint32_t expected[] = {5, 4, 3, 1};
    struct ring_read read = ring_read_begin(&world);
    for (size_t i = 0; i < VT_ARRAY_LEN(expected); i++)
        ck_assert_uint_eq(vt_keyring_tenant_key(read.view, 1, VT_TENANT_KEY_CONFIG, i)->version, expected[i]);
    ck_assert_ptr_null(vt_keyring_tenant_key(read.view, 1, VT_TENANT_KEY_CONFIG, 4));
    ck_assert_ptr_null(vt_keyring_tenant_key(read.view, 77, VT_TENANT_KEY_CONFIG, 0));
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

START_TEST(two_hundred_tenants_are_kept_apart_and_a_dropped_one_is_gone)
{
    struct ring_world world;
    const struct vt_sid sid = ring_sid(1);
    const struct vt_subject_keys *keys;
    struct vt_keyring_check counts;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    ck_assert_status(vt_keyring_create_tenant(change.write, VT_TENANT_VAULT, 0), VAULT_E_ARGUMENT);
    ck_assert_status(vt_keyring_create_tenant(change.write, VT_TENANT_DEFAULT, 0), VAULT_E_EXISTS);
    for (vt_tenant_id tenant = 2; tenant <= 200; tenant++) {
        ck_assert_ok(vt_keyring_create_tenant(change.write, tenant, 0));
        ring_add_subject(&change, tenant, &sid, 1);
        ck_assert_ok(vt_keyring_drop_subject(change.write, tenant, &sid));
    }
    const struct vt_sid of_seven = ring_sid(7);
    ring_add_subject(&change, 7, &of_seven, 1);
    ring_commit(&change);
    ck_assert_ok(ring_subject_status(&world, 7, &of_seven));
    ck_assert_status(ring_subject_status(&world, 8, &of_seven), VAULT_E_NOT_FOUND);
    struct ring_read read = ring_read_begin(&world);
    for (vt_tenant_id tenant = 1; tenant <= 200; tenant++) ck_assert(vt_keyring_tenant_exists(read.view, tenant));
    ck_assert(!vt_keyring_tenant_exists(read.view, 201));
    ring_read_end(&read);

    change = ring_begin(&world);
    ck_assert_ok(vt_keyring_drop_tenant(change.write, 7));
    ck_assert_status(vt_keyring_drop_tenant(change.write, 7), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_keyring_drop_subject(change.write, 7, &of_seven), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_keyring_subject_keys(change.view, 7, &of_seven, &keys), VAULT_E_NOT_FOUND);
    ring_commit_epoch(&change);
    ck_assert_status(ring_subject_status(&world, 7, &of_seven), VAULT_E_NOT_FOUND);
    ring_world_restart(&world);
    ck_assert_status(ring_subject_status(&world, 7, &of_seven), VAULT_E_NOT_FOUND);
    read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

static uint64_t page_rows(struct ring_world *world)
{
    struct vt_keyring_check counts;
    struct ring_read read = ring_read_begin(world);
    ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
    ring_read_end(&read);
    return counts.pages + counts.orphan_pages;
}

START_TEST(the_pages_of_a_dropped_tenant_can_be_deleted_in_steps)
{
    struct ring_world world;
    bool is_done = false;
    ring_world_open(&world);
    const uint64_t before = page_rows(&world);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_keyring_create_tenant(change.write, 2, 0));
    for (uint64_t i = 0; i < 200; i++) {
        const struct vt_sid sid = ring_sid(i);
        ring_add_subject(&change, 2, &sid, 0);
    }
    ck_assert_status(vt_keyring_purge_tenant(change.write, 2, 10, &is_done), VAULT_E_STATE);
    ck_assert_status(vt_keyring_purge_tenant(change.write, VT_TENANT_VAULT, 10, &is_done), VAULT_E_ARGUMENT);
    ring_commit(&change);
    change = ring_begin(&world);
    ck_assert_ok(vt_keyring_drop_tenant(change.write, 2));
    ring_commit_epoch(&change);
    ck_assert_uint_gt(page_rows(&world), before + 5);
    unsigned steps = 0;
    for (; !is_done; steps++) {
        change = ring_begin(&world);
        ck_assert_ok(vt_keyring_purge_tenant(change.write, 2, 3, &is_done));
        ring_commit(&change);
    }
    ck_assert_uint_gt(steps, 2);
    ck_assert_uint_eq(page_rows(&world), before);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_dropped_tenant_may_be_created_anew_even_in_the_same_write_and_is_empty)
{
    struct ring_world world;
    const struct vt_sid sid = ring_sid(1);
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    ring_add_subject(&change, 1, &sid, 1);
    ring_commit(&change);
    ck_assert_ok(ring_subject_status(&world, 1, &sid));
    change = ring_begin(&world);
    ck_assert_ok(vt_keyring_drop_tenant(change.write, 1));
    ck_assert_ok(vt_keyring_create_tenant(change.write, 1, 5));
    ring_commit(&change);
    ck_assert_status(ring_subject_status(&world, 1, &sid), VAULT_E_NOT_FOUND);
    struct vt_tenant_counts counts;
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_tenant_counts(read.view, 1, &counts));
    ck_assert_uint_eq(counts.subjects, 0);
    ck_assert_int_eq(counts.created_at_ms, 5);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

START_TEST(tenant_counts_follow_inserts_and_drops)
{
    struct ring_world world;
    struct vt_tenant_counts counts;
    uint8_t data[VT_INDEX_DATA_LEN] = {1};
    ring_world_open(&world);
    add_subjects(&world, 0, 150);
    struct ring_write change = ring_begin(&world);
    for (uint64_t i = 0; i < 20; i++) {
        const struct vt_sid sid = ring_sid(i);
        ck_assert_ok(vt_keyring_drop_subject(change.write, 1, &sid));
    }
    const struct vt_index_hash hash = ring_hash(change.view, 1, "a");
    ck_assert_ok(vt_keyring_index_add(change.write, 1, &hash, data, false));
    ck_assert_ok(vt_keyring_tenant_counts(change.view, 1, &counts));
    ck_assert_uint_eq(counts.subjects, 130);
    ck_assert_uint_eq(counts.index_entries, 1);
    ring_commit(&change);
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_tenant_counts(read.view, 1, &counts));
    ck_assert_uint_eq(counts.subjects, 130);
    ck_assert_status(vt_keyring_tenant_counts(read.view, 3, &counts), VAULT_E_NOT_FOUND);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

static uint64_t rekey_everything(struct ring_world *world, size_t pages_per_step)
{
    uint8_t cursor[32] = {0};
    uint64_t steps = 0;
    for (bool is_done = false; !is_done; steps++) {
        struct ring_write change = ring_begin(world);
        ck_assert_ok(vt_keyring_rekey_step(change.write, cursor, pages_per_step, &is_done));
        ring_commit(&change);
    }
    return steps;
}

START_TEST(a_full_rekey_rewrites_every_page_and_changes_no_answer)
{
    enum { ROWS = 100 };
    static struct ring_row before[ROWS], after[ROWS];
    struct ring_world world;
    struct vt_keyring_check counts;
    uint8_t cursor[32] = {9};
    bool is_done;
    ring_world_open(&world);
    add_subjects(&world, 0, 1000);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_keyring_create_tenant(change.write, 2, 0));
    ck_assert_status(vt_keyring_rekey_step(change.write, cursor, 1, &is_done), VAULT_E_ARGUMENT);
    ring_commit(&change);
    const size_t count = ring_rows(&world, VT_TABLE_PAGE, before, ROWS);
    ck_assert_uint_lt(count, ROWS);
    ck_assert_uint_gt(rekey_everything(&world, 8), 3);
    ck_assert_uint_eq(ring_rows(&world, VT_TABLE_PAGE, after, ROWS), count);
    for (size_t i = 0; i < count; i++) ck_assert_int_ne(memcmp(before[i].value, after[i].value, 24), 0);
    for (uint64_t i = 0; i < 1000; i++) {
        const struct vt_sid sid = ring_sid(i);
        ck_assert_ok(ring_subject_status(&world, 1, &sid));
    }
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
    ck_assert_uint_eq(counts.subjects, 1000);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

/* Apply a delta to another store as a roll-forward would. */
static void apply_delta(struct vt_store *store, struct vt_bytes delta)
{
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write(store, &txn));
    while (delta.len != 0) {
        const enum vt_table table = (enum vt_table)delta.data[0];
        const size_t key_len = vt_get_u16(delta.data + 1);
        const struct vt_bytes key = vt_bytes(delta.data + 3, key_len);
        const uint32_t value_len = vt_get_u32(delta.data + 3 + key_len);
        const bool is_delete = value_len == 0xffffffff;
        const struct vt_bytes value = vt_bytes(delta.data + 7 + key_len, is_delete ? 0 : value_len);
        ck_assert_ok(is_delete ? vt_store_delete(txn, table, key)
                               : vt_store_put(txn, table, key, value, VT_PUT_DEFAULT));
        delta = vt_bytes(value.data + value.len, delta.len - (7 + key_len + value.len));
    }
    ck_assert_ok(vt_txn_commit(txn));
}

static void copy_rows(struct ring_world *world, enum vt_table table, struct vt_store *to)
{
    static struct ring_row rows[64];
    const size_t count = ring_rows(world, table, rows, 64);
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write(to, &txn));
    for (size_t i = 0; i < count; i++)
        ck_assert_ok(vt_store_put(txn, table, vt_bytes(rows[i].key, rows[i].key_len),
                                  vt_bytes(rows[i].value, rows[i].len), VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
}

START_TEST(a_copy_rolled_forward_by_the_delta_is_the_same_keyring)
{
    struct ring_world world;
    struct vt_store *copy = NULL;
    struct vt_keyring *ring = NULL;
    struct vt_keyring_delta delta;
    ring_world_open(&world);
    add_subjects(&world, 0, 20);
    ck_assert_ok(vt_store_mem_open(&copy));
    copy_rows(&world, VT_TABLE_META, copy);
    copy_rows(&world, VT_TABLE_PAGE, copy);
    copy_rows(&world, VT_TABLE_KEYBLOCK, copy);

    struct ring_write change = ring_begin(&world);
    const struct vt_sid gone = ring_sid(3), fresh = ring_sid(30);
    ck_assert_ok(vt_keyring_drop_subject(change.write, 1, &gone));
    ring_add_subject(&change, 1, &fresh, 2);
    ck_assert_ok(vt_keyring_write_finish(change.write, NULL, &delta));
    apply_delta(copy, vt_buf_bytes(delta.bytes));
    ck_assert_ok(vt_txn_commit(change.txn));
    vt_keyring_write_committed(change.write);

    ck_assert_ok(vt_keyring_open(copy, NULL, &ring));
    ck_assert_ok(vt_keyring_unseal(ring, &world.root_key));
    struct ring_world second = {.store = copy, .ring = ring};
    struct vt_keyring_check counts;
    ck_assert_status(ring_subject_status(&second, 1, &gone), VAULT_E_NOT_FOUND);
    ck_assert_ok(ring_subject_status(&second, 1, &fresh));
    struct ring_read read = ring_read_begin(&second);
    ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
    ck_assert_uint_eq(counts.subjects, 20);
    ck_assert_uint_eq(counts.orphan_key_blocks, 0);
    ring_read_end(&read);
    vt_keyring_free(ring);
    vt_store_free(copy);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_write_without_delta_says_no_bytes_and_leaves_the_same_keyring)
{
    struct ring_world world;
    struct vt_keyring_delta delta;
    struct vt_keyring_check counts;
    ring_world_open(&world);
    add_subjects(&world, 0, 20);
    struct ring_write change = ring_begin(&world);
    const struct vt_sid gone = ring_sid(3), fresh = ring_sid(30);
    vt_keyring_write_without_delta(change.write);
    ck_assert_ok(vt_keyring_drop_subject(change.write, 1, &gone));
    ring_add_subject(&change, 1, &fresh, 2);
    ck_assert_ok(vt_keyring_write_finish(change.write, NULL, &delta));
    ck_assert_uint_eq(delta.bytes->len, 0);
    ck_assert_uint_eq(delta.root.commit_number, vt_store_commit_number(change.txn));
    ck_assert_ok(vt_txn_commit(change.txn));
    vt_keyring_write_committed(change.write);

    ring_world_restart(&world);
    ck_assert_status(ring_subject_status(&world, 1, &gone), VAULT_E_NOT_FOUND);
    ck_assert_ok(ring_subject_status(&world, 1, &fresh));
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
    ck_assert_uint_eq(counts.subjects, 20);
    ck_assert_uint_eq(counts.orphan_key_blocks, 0);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

static bool count_up_to_ten(void *context, const struct vt_sid *sid, uint32_t version, uint64_t created_epoch)
{
    struct {
        struct vt_sid last;
        unsigned count;
    } *walk = context;
    ck_assert_uint_eq(version, 1);
    ck_assert_uint_eq(created_epoch, VT_KEYRING_FIRST_EPOCH);
    if (walk->count != 0) ck_assert_int_lt(memcmp(walk->last.bytes, sid->bytes, sizeof sid->bytes), 0);
    walk->last = *sid;
    return ++walk->count % 10 != 0;
}

START_TEST(a_walk_gives_every_subject_once_in_order_and_goes_on_where_it_was_stopped)
{
    struct {
        struct vt_sid last;
        unsigned count;
    } walk = {.count = 0};
    struct ring_world world;
    ring_world_open(&world);
    add_subjects(&world, 0, 995);
    struct ring_read read = ring_read_begin(&world);
    struct vt_sid from = {{0}};
    for (unsigned before = 1; before != walk.count;) {
        before = walk.count;
        ck_assert_ok(vt_keyring_subjects_walk(read.view, 1, &from, count_up_to_ten, &walk));
        from = walk.last;
        for (size_t i = sizeof from.bytes; i-- > 0 && ++from.bytes[i] == 0;) {}
    }
    ck_assert_uint_eq(walk.count, 995);
    ck_assert_status(vt_keyring_subjects_walk(read.view, 8, &from, count_up_to_ten, &walk), VAULT_E_NOT_FOUND);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

VT_TEST_MAIN("keyring/life", a_store_is_initialised_once, an_empty_store_has_no_root_record_and_cannot_be_unsealed,
             a_sealed_ring_refuses_views_and_writes, a_root_key_of_another_epoch_does_not_unseal,
             a_root_key_can_be_tried_without_unsealing, the_root_record_says_epoch_attempt_and_commit_number,
             a_write_without_changes_writes_nothing, a_write_that_changed_nothing_may_be_committed_unfinished,
             nothing_can_be_changed_after_finish, an_aborted_write_leaves_no_trace,
             a_writes_own_view_sees_its_changes_and_readers_do_not_until_it_is_committed,
             an_old_snapshot_reads_on_while_pages_are_rewritten_and_split,
             borrowed_keys_stay_whole_until_their_view_ends_even_when_dropped_and_fenced_off,
             a_snapshot_from_before_a_fenced_epoch_cannot_begin_a_view,
             readers_of_a_new_epoch_open_it_before_the_committer_has_published_it,
             every_system_and_tenant_key_is_its_own_and_survives_a_restart,
             a_rotated_tenant_key_is_live_and_older_versions_stay_until_dropped,
             two_hundred_tenants_are_kept_apart_and_a_dropped_one_is_gone,
             the_pages_of_a_dropped_tenant_can_be_deleted_in_steps,
             a_dropped_tenant_may_be_created_anew_even_in_the_same_write_and_is_empty,
             tenant_counts_follow_inserts_and_drops, a_full_rekey_rewrites_every_page_and_changes_no_answer,
             a_copy_rolled_forward_by_the_delta_is_the_same_keyring,
             a_write_without_delta_says_no_bytes_and_leaves_the_same_keyring,
             a_walk_gives_every_subject_once_in_order_and_goes_on_where_it_was_stopped)
