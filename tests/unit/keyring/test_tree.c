/* T_sub as a tree: find, grow, drop, restart. */
#include "tests/support/ring_world.h"

static void add_range(struct ring_world *world, uint64_t from, uint64_t to)
{
    struct ring_write change = ring_begin(world);
    for (uint64_t i = from; i < to; i++) {
        const struct vt_sid sid = ring_sid(i);
        ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, 1);
    }
    ring_commit(&change);
}

static void assert_range(struct ring_world *world, uint64_t from, uint64_t to, vault_status expected)
{
    struct ring_read read = ring_read_begin(world);
    for (uint64_t i = from; i < to; i++) {
        const struct vt_sid sid = ring_sid(i);
        const struct vt_subject_keys *keys;
        ck_assert_status(vt_keyring_subject_keys(read.view, VT_TENANT_DEFAULT, &sid, &keys), expected);
    }
    ring_read_end(&read);
}

START_TEST(every_inserted_subject_is_found_again_after_leaves_have_split_and_burst)
{
    struct ring_world world;
    ring_world_open(&world);
    add_range(&world, 0, 60);
    assert_range(&world, 0, 60, VAULT_OK);
    add_range(&world, 60, 61);
    assert_range(&world, 0, 61, VAULT_OK);
    add_range(&world, 61, 6000);
    assert_range(&world, 0, 6000, VAULT_OK);
    assert_range(&world, 6000, 6100, VAULT_E_NOT_FOUND);
    ring_world_restart(&world);
    assert_range(&world, 0, 6000, VAULT_OK);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_dropped_subject_is_not_found_and_its_neighbours_are)
{
    struct ring_world world;
    ring_world_open(&world);
    add_range(&world, 0, 500);
    struct ring_write change = ring_begin(&world);
    for (uint64_t i = 0; i < 250; i++) {
        const struct vt_sid sid = ring_sid(i);
        ck_assert_ok(vt_keyring_drop_subject(change.write, VT_TENANT_DEFAULT, &sid));
        ck_assert_status(vt_keyring_drop_subject(change.write, VT_TENANT_DEFAULT, &sid), VAULT_E_NOT_FOUND);
    }
    ring_commit_epoch(&change);
    assert_range(&world, 0, 250, VAULT_E_NOT_FOUND);
    assert_range(&world, 250, 500, VAULT_OK);
    ring_world_restart(&world);
    assert_range(&world, 0, 250, VAULT_E_NOT_FOUND);
    assert_range(&world, 250, 500, VAULT_OK);
    ring_world_free(&world);
}
END_TEST

VT_TEST_MAIN("keyring/tree", every_inserted_subject_is_found_again_after_leaves_have_split_and_burst,
             a_dropped_subject_is_not_found_and_its_neighbours_are)
