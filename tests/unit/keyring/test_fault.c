/* Memory, randomness and store fail at every single call in turn: the keyring is then as it was before or as it was to
 * be. */
#include "libvault/base/fault.h"
#include "tests/support/ring_world.h"

enum { SUBJECTS = 60, NTH_MAX = 4000 };     /* a full leaf: the next insert bursts it */

struct scene {
    struct ring_world world;
    struct vt_sid gone, edited, fresh;
    struct vt_keyblock_draft *insert, *edit;    /* sealed before anything fails */
    struct vt_index_hash hash, old_hash;
    uint8_t data[VT_INDEX_DATA_LEN], old_data[VT_INDEX_DATA_LEN];
    struct vt_key next_key;
};

static void scene_open(struct scene *scene)
{
    struct vt_store *inner = NULL, *store = NULL;
    const struct vt_data_key *key;
    *scene = (struct scene){
        .gone = ring_sid(1), .edited = ring_sid(2), .fresh = ring_sid(1000), .data = {1}, .old_data = {2}};
    ck_assert_ok(vt_store_mem_open(&inner));
    ck_assert_ok(vt_store_fault_open(inner, &store));
    ring_world_open_on(&scene->world, store);
    struct ring_write change = ring_begin(&scene->world);
    for (uint64_t i = 1; i <= SUBJECTS; i++) {
        const struct vt_sid sid = ring_sid(i);
        ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, 1);
    }
    scene->hash = ring_hash(change.view, VT_TENANT_DEFAULT, "new");
    scene->old_hash = ring_hash(change.view, VT_TENANT_DEFAULT, "old");
    ck_assert_ok(vt_keyring_index_add(change.write, VT_TENANT_DEFAULT, &scene->old_hash, scene->old_data, true));
    ring_commit(&change);
    struct ring_read read = ring_read_begin(&scene->world);
    ck_assert_ok(vt_keyblock_new(read.view, VT_TENANT_DEFAULT, &scene->fresh, &scene->insert));
    ck_assert_ok(vt_keyblock_edit(read.view, VT_TENANT_DEFAULT, &scene->edited, &scene->edit));
    ck_assert_ok(vt_keyblock_add(scene->edit, 7, 0, 0, &key));
    ring_read_end(&read);
    ck_assert_ok(vt_keyblock_seal(scene->insert));
    ck_assert_ok(vt_keyblock_seal(scene->edit));
    scene->next_key = (struct vt_key){{42}};
    ck_assert_ok(vt_keyring_fence(scene->world.ring, 1000));     /* cold caches: reads are part of the change */
}

static void scene_free(struct scene *scene)
{
    vt_keyblock_draft_free(scene->insert);
    vt_keyblock_draft_free(scene->edit);
    ring_world_free(&scene->world);
}

static vault_status apply_all(struct scene *scene, struct vt_keyring_write *write)
{
    VT_TRY(vt_keyring_put_keyblock(write, scene->insert));
    VT_TRY(vt_keyring_put_keyblock(write, scene->edit));
    VT_TRY(vt_keyring_drop_subject(write, VT_TENANT_DEFAULT, &scene->gone));
    VT_TRY(vt_keyring_index_add(write, VT_TENANT_DEFAULT, &scene->hash, scene->data, true));
    VT_TRY(vt_keyring_index_remove(write, VT_TENANT_DEFAULT, &scene->old_hash, scene->old_data));
    VT_TRY(vt_keyring_create_tenant(write, 2, 0));
    return vt_keyring_rotate_tenant_key(write, VT_TENANT_DEFAULT, VT_TENANT_KEY_CONFIG, 0);
}

/* One change of everything, closing the epoch. */
static vault_status change_all(struct scene *scene)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_write *write = NULL;
    struct vt_keyring_delta delta;
    const struct vt_next_root next = {.epoch = 2, .attempt = "second", .incarnation = 1, .root_key = &scene->next_key};
    VT_TRY(vt_txn_begin_write(scene->world.store, &txn));
    vault_status status = vt_keyring_write_begin(scene->world.ring, txn, &write);
    if (status == VAULT_OK) status = apply_all(scene, write);
    if (status == VAULT_OK) status = vt_keyring_write_finish(write, &next, &delta);
    if (status == VAULT_OK)
        status = vt_txn_commit(txn);
    else
        vt_txn_abort(txn);
    if (status == VAULT_OK)
        vt_keyring_write_committed(write);
    else
        vt_keyring_write_aborted(write);
    return status;
}

static void assert_state(struct scene *scene, bool is_new)
{
    struct ring_world *world = &scene->world;
    uint8_t found[2][VT_INDEX_DATA_LEN];
    size_t count;
    struct vt_keyring_check counts;
    const struct vt_subject_keys *keys;
    struct ring_read read = ring_read_begin(world);
    ck_assert_status(vt_keyring_subject_keys(read.view, 1, &scene->fresh, &keys),
                     is_new ? VAULT_OK : VAULT_E_NOT_FOUND);
    ck_assert_status(vt_keyring_subject_keys(read.view, 1, &scene->gone, &keys), is_new ? VAULT_E_NOT_FOUND : VAULT_OK);
    ck_assert_ok(vt_keyring_subject_keys(read.view, 1, &scene->edited, &keys));
    ck_assert_uint_eq(keys->version, is_new ? 2 : 1);
    ck_assert_status(vt_keyring_index_find(read.view, 1, &scene->hash, found, 2, &count),
                     is_new ? VAULT_OK : VAULT_E_NOT_FOUND);
    ck_assert_status(vt_keyring_index_find(read.view, 1, &scene->old_hash, found, 2, &count),
                     is_new ? VAULT_E_NOT_FOUND : VAULT_OK);
    ck_assert_int_eq(vt_keyring_tenant_exists(read.view, 2), is_new);
    ck_assert_uint_eq(vt_keyring_tenant_key(read.view, 1, VT_TENANT_KEY_CONFIG, 0)->version, is_new ? 2 : 1);
    ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
    ring_read_end(&read);
}

/* In memory and, opened afresh, in the store. */
static void assert_all_or_nothing(struct scene *scene, vault_status status)
{
    const bool is_new = status == VAULT_OK;
    assert_state(scene, is_new);
    if (is_new) scene->world.root_key = scene->next_key;
    ring_world_restart(&scene->world);
    assert_state(scene, is_new);
}

static unsigned fail_each(enum vt_fault kind, vault_status expected)
{
    for (unsigned nth = 1; nth < NTH_MAX; nth++) {
        struct scene scene;
        scene_open(&scene);
        vt_fault_arm(kind, nth);
        const vault_status status = change_all(&scene);
        const bool is_fired = vt_fault_disarm();
        ck_assert_status(status, is_fired ? expected : VAULT_OK);
        assert_all_or_nothing(&scene, status);
        scene_free(&scene);
        if (!is_fired) return nth - 1;
    }
    return NTH_MAX;
}

START_TEST(a_change_is_all_or_nothing_wherever_memory_fails)
{
    const unsigned calls = fail_each(VT_FAULT_ALLOC, VAULT_E_MEMORY);
    ck_assert_uint_gt(calls, 20);
    ck_assert_uint_lt(calls, NTH_MAX);
}
END_TEST

START_TEST(a_change_is_all_or_nothing_wherever_the_store_fails)
{
    const unsigned calls = fail_each(VT_FAULT_STORE, VAULT_E_IO);
    ck_assert_uint_gt(calls, 20);
    ck_assert_uint_lt(calls, NTH_MAX);
}
END_TEST

START_TEST(a_change_is_all_or_nothing_wherever_randomness_fails)
{
    const unsigned calls = fail_each(VT_FAULT_RANDOM, VAULT_E_CRYPTO);
    ck_assert_uint_gt(calls, 8);
    ck_assert_uint_lt(calls, NTH_MAX);
}
END_TEST

START_TEST(a_change_whose_sync_or_disk_fails_leaves_the_old_state)
{
    ck_assert_uint_ge(fail_each(VT_FAULT_SYNC, VAULT_E_IO), 1);
    ck_assert_uint_ge(fail_each(VT_FAULT_DISK_FULL, VAULT_E_DISK_FULL), 8);
}
END_TEST

/* A batch goes on without the request that failed. */
static vault_status apply_three(struct scene *scene, struct vt_keyring_write *write)
{
    VT_TRY(vt_keyring_put_keyblock(write, scene->insert));
    VT_TRY(vt_keyring_drop_subject(write, VT_TENANT_DEFAULT, &scene->gone));
    return vt_keyring_index_add(write, VT_TENANT_DEFAULT, &scene->hash, scene->data, true);
}

/* What had been done before the failure is there already; what failed is not. */
static void repeat_three(struct scene *scene, struct vt_keyring_write *write)
{
    const vault_status insert = vt_keyring_put_keyblock(write, scene->insert);
    const vault_status drop = vt_keyring_drop_subject(write, VT_TENANT_DEFAULT, &scene->gone);
    ck_assert(insert == VAULT_OK || insert == VAULT_E_EXISTS);
    ck_assert(drop == VAULT_OK || drop == VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_keyring_index_add(write, VT_TENANT_DEFAULT, &scene->hash, scene->data, true));
}

static void finish_scene(struct scene *scene, struct ring_write *change)
{
    ck_assert_ok(vt_keyring_index_remove(change->write, VT_TENANT_DEFAULT, &scene->old_hash, scene->old_data));
    ck_assert_ok(vt_keyring_put_keyblock(change->write, scene->edit));
    ck_assert_ok(vt_keyring_create_tenant(change->write, 2, 0));
    ck_assert_ok(vt_keyring_rotate_tenant_key(change->write, VT_TENANT_DEFAULT, VT_TENANT_KEY_CONFIG, 0));
    ring_commit(change);
    assert_state(scene, true);
}

/* Has the store itself given the transaction up? Then nothing of it can be kept. */
static bool is_transaction_dead(struct ring_write *change)
{
    return vt_store_delete(change->txn, VT_TABLE_JOB, vt_bytes_str("none")) != VAULT_E_NOT_FOUND;
}

START_TEST(an_operation_that_fails_for_memory_can_be_repeated_in_the_same_write)
{
    unsigned repeated = 0;
    bool is_fired = true;
    for (unsigned nth = 1; is_fired; nth++) {
        struct scene scene;
        scene_open(&scene);
        struct ring_write change = ring_begin(&scene.world);
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        const vault_status status = apply_three(&scene, change.write);
        is_fired = vt_fault_disarm();
        ck_assert_status(status, is_fired ? VAULT_E_MEMORY : VAULT_OK);
        if (is_transaction_dead(&change)) {
            ring_abort(&change);
            assert_state(&scene, false);
        } else {
            if (is_fired) repeat_three(&scene, change.write);
            finish_scene(&scene, &change);
            repeated += is_fired;
        }
        scene_free(&scene);
    }
    ck_assert_uint_gt(repeated, 8);
}
END_TEST

START_TEST(a_batch_goes_on_whole_without_the_insert_that_failed_while_its_leaf_burst)
{
    unsigned gone_on = 0;
    bool is_fired = true;
    for (unsigned nth = 1; is_fired; nth++) {
        struct scene scene;
        struct vt_keyring_check counts;
        scene_open(&scene);
        struct ring_write change = ring_begin(&scene.world);
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        const vault_status status = vt_keyring_put_keyblock(change.write, scene.insert);
        is_fired = vt_fault_disarm();
        ck_assert_status(status, is_fired ? VAULT_E_MEMORY : VAULT_OK);
        if (is_transaction_dead(&change)) {
            ring_abort(&change);
            scene_free(&scene);
            continue;
        }
        ck_assert_ok(vt_keyring_put_keyblock(change.write, scene.edit));
        ring_commit(&change);
        gone_on += is_fired;
        struct ring_read read = ring_read_begin(&scene.world);
        ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
        ck_assert_uint_eq(counts.subjects, SUBJECTS + !is_fired);
        ring_read_end(&read);
        scene_free(&scene);
    }
    ck_assert_uint_gt(gone_on, 4);
}
END_TEST

static vault_status read_all(struct scene *scene)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    const struct vt_subject_keys *keys;
    uint8_t found[2][VT_INDEX_DATA_LEN];
    size_t count;
    VT_TRY(vt_txn_begin_read(scene->world.store, &txn));
    vault_status status = vt_keyring_view_begin(scene->world.ring, txn, &view);
    if (status == VAULT_OK) status = vt_keyring_tenant_open(view, 1);
    for (uint64_t i = 1; i <= 20 && status == VAULT_OK; i++) {     /* more than the pins that a view begins with */
        const struct vt_sid sid = ring_sid(i);
        status = vt_keyring_subject_keys(view, 1, &sid, &keys);
    }
    if (status == VAULT_OK) status = vt_keyring_index_find(view, 1, &scene->old_hash, found, 2, &count);
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return status;
}

START_TEST(a_reader_that_fails_leaves_nothing_behind_that_the_next_would_trip_over)
{
    static const enum vt_fault kinds[] = {VT_FAULT_ALLOC, VT_FAULT_STORE};
    static const vault_status expected[] = {VAULT_E_MEMORY, VAULT_E_IO};
    for (size_t kind = 0; kind < VT_ARRAY_LEN(kinds); kind++) {
        struct scene scene;
        bool is_fired = true;
        unsigned nth = 1;
        scene_open(&scene);
        for (; is_fired && nth < NTH_MAX; nth++) {
            ck_assert_ok(vt_keyring_fence(scene.world.ring, 1000));
            vt_fault_arm(kinds[kind], nth);
            const vault_status status = read_all(&scene);
            is_fired = vt_fault_disarm();
            ck_assert_status(status, is_fired ? expected[kind] : VAULT_OK);
            ck_assert_ok(read_all(&scene));
        }
        ck_assert_uint_gt(nth, 20);
        struct vt_keyring_stats stats;
        vt_keyring_stats(scene.world.ring, &stats);
        ck_assert_uint_eq(stats.views_open, 0);
        scene_free(&scene);
    }
}
END_TEST

static vault_status open_and_unseal(struct ring_world *world, struct vt_keyring **out_ring)
{
    VT_AUTO_PTR(vt_keyring) ring = NULL;
    VT_TRY(vt_keyring_open(world->store, NULL, &ring));
    VT_TRY(vt_keyring_unseal(ring, &world->root_key));
    *out_ring = VT_MOVE(ring);
    return VAULT_OK;
}

START_TEST(opening_and_unsealing_fail_cleanly_wherever_memory_fails)
{
    struct ring_world world;
    bool is_fired = true;
    ring_world_open(&world);
    for (unsigned nth = 1; is_fired; nth++) {
        struct vt_keyring *ring = NULL;
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        const vault_status status = open_and_unseal(&world, &ring);
        is_fired = vt_fault_disarm();
        ck_assert_status(status, is_fired ? VAULT_E_MEMORY : VAULT_OK);
        ck_assert_int_eq(ring == NULL, is_fired);
        vt_keyring_free(ring);
    }
    ring_world_free(&world);
}
END_TEST

static void add_numbered(struct ring_world *world, uint64_t count)
{
    struct ring_write change = ring_begin(world);
    for (uint64_t i = 0; i < count; i++) {
        const struct vt_sid sid = ring_sid(i);
        ring_add_subject(&change, 1, &sid, 1);
    }
    ring_commit(&change);
}

struct draws {
    unsigned seeds, pages;
};

static void count_draws(const char *step, void *context)
{
    struct draws *draws = context;
    if (strcmp(step, "random.seed") == 0) draws->seeds++;
    if (strcmp(step, "keyring.page") == 0) draws->pages++;
}

/* Draws while the write is finished, and nothing else. */
static struct draws draws_of(struct ring_write *change)
{
    struct draws draws = {0, 0};
    struct vt_keyring_delta delta;
    vt_fault_set_step_hook(count_draws, &draws);
    const vault_status status = vt_keyring_write_finish(change->write, NULL, &delta);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_ok(status);
    ck_assert_ok(vt_txn_commit(change->txn));
    vt_keyring_write_committed(change->write);
    ck_assert_uint_ge(draws.pages, 3);
    return draws;
}

static void replace_keys(struct ring_write *change, const struct vt_sid *sid)
{
    struct vt_keyblock_draft *draft = NULL;
    const struct vt_data_key *key;
    ck_assert_ok(vt_keyblock_edit(change->view, 1, sid, &draft));
    ck_assert_ok(vt_keyblock_renew(draft, 1, 0, 0, &key));
    ring_apply(change, draft);
}

START_TEST(page_keys_come_from_one_draw_only_where_a_write_adds_and_from_one_each_where_it_drops_or_replaces)
{
    struct ring_world world;
    uint8_t data[VT_INDEX_DATA_LEN] = {0};
    ring_world_open(&world);
    add_numbered(&world, 300);
    const struct vt_sid fresh = ring_sid(400), gone = ring_sid(3), kept = ring_sid(4);

    struct ring_write change = ring_begin(&world);
    const struct vt_index_hash hash = ring_hash(change.view, 1, "ada"), other = ring_hash(change.view, 1, "eve");
    ring_add_subject(&change, 1, &fresh, 2);
    ck_assert_ok(vt_keyring_index_add(change.write, 1, &hash, data, true));
    ck_assert_uint_eq(draws_of(&change).seeds, 1);

    change = ring_begin(&world);
    ck_assert_ok(vt_keyring_index_move(change.write, 1, &hash, &other, data));
    struct draws draws = draws_of(&change);
    ck_assert_uint_eq(draws.seeds, draws.pages);

    change = ring_begin(&world);
    ck_assert_ok(vt_keyring_index_add(change.write, 1, &hash, data, true));
    ck_assert_ok(vt_keyring_index_remove(change.write, 1, &other, data));
    draws = draws_of(&change);
    ck_assert_uint_eq(draws.seeds, draws.pages);

    change = ring_begin(&world);
    replace_keys(&change, &kept);
    draws = draws_of(&change);
    ck_assert_uint_eq(draws.seeds, draws.pages);

    change = ring_begin(&world);
    ck_assert_ok(vt_keyring_drop_subject(change.write, 1, &gone));
    const struct vt_sid next = ring_sid(401);
    ring_add_subject(&change, 1, &next, 2);
    draws = draws_of(&change);
    ck_assert_uint_eq(draws.seeds, draws.pages);

    change = ring_begin(&world);
    ck_assert_ok(vt_keyring_rotate_tenant_key(change.write, 1, VT_TENANT_KEY_PLACE, 1));
    draws = draws_of(&change);
    ck_assert_uint_eq(draws.seeds, draws.pages);
    ring_world_free(&world);
}
END_TEST

VT_TEST_MAIN("keyring/fault",
             page_keys_come_from_one_draw_only_where_a_write_adds_and_from_one_each_where_it_drops_or_replaces,
             a_change_is_all_or_nothing_wherever_memory_fails,
             a_change_is_all_or_nothing_wherever_the_store_fails,
             a_change_is_all_or_nothing_wherever_randomness_fails,
             a_change_whose_sync_or_disk_fails_leaves_the_old_state,
             an_operation_that_fails_for_memory_can_be_repeated_in_the_same_write,
             a_batch_goes_on_whole_without_the_insert_that_failed_while_its_leaf_burst,
             a_reader_that_fails_leaves_nothing_behind_that_the_next_would_trip_over,
             opening_and_unsealing_fail_cleanly_wherever_memory_fails)
