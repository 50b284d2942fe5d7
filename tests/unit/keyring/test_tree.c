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

/* Sids are random in the product; here they share all but their last bits, so that leaves burst level by level. */
static struct vt_sid crowded_sid(unsigned number, unsigned shared_bytes)
{
    struct vt_sid sid = ring_sid(number);
    memset(sid.bytes, 0xa5, shared_bytes);
    return sid;
}

static uint64_t crowd(struct ring_world *world, unsigned shared_bytes, unsigned count)
{
    struct vt_keyring_check counts;
    struct ring_write change = ring_begin(world);
    for (unsigned i = 0; i < count; i++) {
        const struct vt_sid sid = crowded_sid(i, shared_bytes);
        ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, 0);
    }
    ring_commit(&change);
    ring_world_restart(world);
    for (unsigned i = 0; i < count; i++) {
        const struct vt_sid sid = crowded_sid(i, shared_bytes);
        ck_assert_ok(ring_subject_status(world, VT_TENANT_DEFAULT, &sid));
    }
    struct ring_read read = ring_read_begin(world);
    ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
    ck_assert_uint_eq(counts.subjects, count);
    ring_read_end(&read);
    return counts.pages;
}

START_TEST(keys_with_long_common_prefixes_make_a_deep_tree_that_still_finds_them_all)
{
    static const unsigned shared_bytes[] = {1, 4, 8, 12, 14};
    for (size_t i = 0; i < VT_ARRAY_LEN(shared_bytes); i++) {
        struct ring_world world;
        ring_world_open(&world);
        const uint64_t pages = crowd(&world, shared_bytes[i], 200);
        /* two pages a level for the shared bits, and the leaves */
        ck_assert_uint_ge(pages, shared_bytes[i] * 8 / 6);
        ring_world_free(&world);
    }
}
END_TEST

START_TEST(an_emptied_tree_works_again)
{
    struct ring_world world;
    ring_world_open(&world);
    add_range(&world, 0, 300);
    struct ring_write change = ring_begin(&world);
    for (uint64_t i = 0; i < 300; i++) {
        const struct vt_sid sid = ring_sid(i);
        ck_assert_ok(vt_keyring_drop_subject(change.write, VT_TENANT_DEFAULT, &sid));
    }
    ring_commit_epoch(&change);
    assert_range(&world, 0, 300, VAULT_E_NOT_FOUND);
    add_range(&world, 0, 300);
    assert_range(&world, 0, 300, VAULT_OK);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_shred_among_many_rewrites_only_the_way_to_its_leaf)
{
    struct ring_world world;
    struct vt_keyring_stats before, after;
    ring_world_open(&world);
    add_range(&world, 0, 5000);
    const struct vt_sid sid = ring_sid(17);
    struct ring_write change = ring_begin(&world);
    vt_keyring_stats(world.ring, &before);
    ck_assert_ok(vt_keyring_drop_subject(change.write, VT_TENANT_DEFAULT, &sid));
    ring_commit_epoch(&change);
    vt_keyring_stats(world.ring, &after);
    /* leaf, two inner pages at most, tenant page, leaf of T_dir; the root page is a row of its own */
    ck_assert_uint_ge(after.pages_sealed - before.pages_sealed, 4);
    ck_assert_uint_le(after.pages_sealed - before.pages_sealed, 5);
    ring_world_free(&world);
}
END_TEST

VT_TEST_MAIN("keyring/tree", keys_with_long_common_prefixes_make_a_deep_tree_that_still_finds_them_all,
             an_emptied_tree_works_again, a_shred_among_many_rewrites_only_the_way_to_its_leaf,
             every_inserted_subject_is_found_again_after_leaves_have_split_and_burst,
             a_dropped_subject_is_not_found_and_its_neighbours_are)
