/* T_idx: unique and many, overflow groups, removal, eras of K_place. */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/codec/limits.h"
#include "tests/support/ring_world.h"

static void data_of(unsigned number, uint8_t out_data[VT_INDEX_DATA_LEN])
{
    memset(out_data, 0, VT_INDEX_DATA_LEN);
    vt_put_u32(out_data + 4, number);
}

static vault_status add(struct ring_write *change, const char *value, unsigned number, bool is_unique)
{
    uint8_t data[VT_INDEX_DATA_LEN];
    const struct vt_index_hash hash = ring_hash(change->view, VT_TENANT_DEFAULT, value);
    data_of(number, data);
    return vt_keyring_index_add(change->write, VT_TENANT_DEFAULT, &hash, data, is_unique);
}

static vault_status take(struct ring_write *change, const char *value, unsigned number)
{
    uint8_t data[VT_INDEX_DATA_LEN];
    const struct vt_index_hash hash = ring_hash(change->view, VT_TENANT_DEFAULT, value);
    data_of(number, data);
    return vt_keyring_index_remove(change->write, VT_TENANT_DEFAULT, &hash, data);
}

/* Finds exactly the numbers whose flag is set. */
static void assert_holders(struct vt_keyring_view *view, const char *value, const bool *is_holder, size_t count)
{
    static uint8_t found[1100][VT_INDEX_DATA_LEN];
    size_t found_count = 0, expected = 0;
    bool seen[1100] = {false};
    const struct vt_index_hash hash = ring_hash(view, VT_TENANT_DEFAULT, value);
    for (size_t i = 0; i < count; i++) expected += is_holder[i];
    const vault_status status = vt_keyring_index_find(view, VT_TENANT_DEFAULT, &hash, found, VT_ARRAY_LEN(found),
                                                      &found_count);
    ck_assert_status(status, expected == 0 ? VAULT_E_NOT_FOUND : VAULT_OK);
    ck_assert_uint_eq(found_count, expected);
    for (size_t i = 0; i < found_count; i++) {
        const unsigned number = vt_get_u32(found[i] + 4);
        ck_assert_uint_lt(number, count);
        ck_assert(is_holder[number] && !seen[number]);
        seen[number] = true;
    }
}

static void assert_holders_now(struct ring_world *world, const char *value, const bool *is_holder, size_t count)
{
    struct ring_read read = ring_read_begin(world);
    assert_holders(read.view, value, is_holder, count);
    ring_read_end(&read);
}

START_TEST(a_unique_value_has_one_holder_until_it_is_removed)
{
    const bool none[] = {false, false}, second[] = {false, true};
    struct ring_world world;
    ring_world_open(&world);
    assert_holders_now(&world, "a", none, 2);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(add(&change, "a", 0, true));
    ck_assert_status(add(&change, "a", 1, true), VAULT_E_EXISTS);
    ck_assert_status(add(&change, "a", 0, false), VAULT_E_EXISTS);
    ck_assert_ok(add(&change, "b", 1, true));
    ring_commit(&change);
    change = ring_begin(&world);
    ck_assert_status(add(&change, "a", 1, true), VAULT_E_EXISTS);
    ck_assert_status(take(&change, "a", 1), VAULT_E_NOT_FOUND);
    ck_assert_ok(take(&change, "a", 0));
    ck_assert_status(take(&change, "a", 0), VAULT_E_NOT_FOUND);
    ck_assert_ok(add(&change, "a", 1, true));
    ring_commit(&change);
    assert_holders_now(&world, "a", second, 2);
    ring_world_free(&world);
}
END_TEST

START_TEST(one_to_a_thousand_holders_of_one_value_are_all_found)
{
    enum { HOLDERS = 1000 };
    static bool is_holder[HOLDERS];
    struct ring_world world;
    ring_world_open(&world);
    for (unsigned i = 0; i < HOLDERS;) {
        struct ring_write change = ring_begin(&world);
        const unsigned end = i < 70 ? i + 1 : VT_MIN(i + 93, (unsigned)HOLDERS);
        for (; i < end; i++) {
            ck_assert_ok(add(&change, "smith", i, false));
            is_holder[i] = true;
        }
        assert_holders(change.view, "smith", is_holder, HOLDERS);
        ring_commit(&change);
        assert_holders_now(&world, "smith", is_holder, HOLDERS);
    }
    ring_world_restart(&world);
    assert_holders_now(&world, "smith", is_holder, HOLDERS);
    ring_world_free(&world);
}
END_TEST

START_TEST(holders_removed_from_any_group_leave_the_others_findable)
{
    enum { HOLDERS = 200 };
    static bool is_holder[HOLDERS];
    struct ring_world world;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    for (unsigned i = 0; i < HOLDERS; i++) {
        ck_assert_ok(add(&change, "smith", i, false));
        is_holder[i] = true;
    }
    ring_commit(&change);
    for (unsigned i = 0; i < HOLDERS; i++) {
        const unsigned victim = i * 37 % HOLDERS;   /* 37 and 200 share no factor: every one once */
        change = ring_begin(&world);
        ck_assert_ok(take(&change, "smith", victim));
        is_holder[victim] = false;
        assert_holders(change.view, "smith", is_holder, HOLDERS);
        ring_commit(&change);
        assert_holders_now(&world, "smith", is_holder, HOLDERS);
    }
    ring_world_free(&world);
}
END_TEST

START_TEST(one_holder_more_than_the_limit_is_refused)
{
    struct ring_world world;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    uint8_t data[VT_INDEX_DATA_LEN];
    const struct vt_index_hash hash = ring_hash(change.view, VT_TENANT_DEFAULT, "smith");
    data_of(VT_LIMIT_INDEX_HOLDERS, data);
    ck_assert_ok(vt_keyring_index_check_add(change.write, VT_TENANT_DEFAULT, &hash, data));
    for (unsigned i = 0; i < VT_LIMIT_INDEX_HOLDERS; i++) ck_assert_ok(add(&change, "smith", i, false));
    ck_assert_status(vt_keyring_index_check_add(change.write, VT_TENANT_DEFAULT, &hash, data), VAULT_E_LIMIT);
    data_of(17, data);
    ck_assert_status(vt_keyring_index_check_add(change.write, VT_TENANT_DEFAULT, &hash, data), VAULT_E_EXISTS);
    ck_assert_status(add(&change, "smith", VT_LIMIT_INDEX_HOLDERS, false), VAULT_E_LIMIT);
    ck_assert_ok(take(&change, "smith", 17));
    ck_assert_ok(add(&change, "smith", VT_LIMIT_INDEX_HOLDERS, false));
    ring_commit(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(find_returns_no_more_than_it_is_asked_for)
{
    uint8_t found[3][VT_INDEX_DATA_LEN];
    size_t count = 0;
    struct ring_world world;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    for (unsigned i = 0; i < 40; i++) ck_assert_ok(add(&change, "a", i, false));
    const struct vt_index_hash hash = ring_hash(change.view, VT_TENANT_DEFAULT, "a");
    ck_assert_ok(vt_keyring_index_find(change.view, VT_TENANT_DEFAULT, &hash, found, 3, &count));
    ck_assert_uint_eq(count, 3);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(the_same_value_hashes_differently_for_another_label_piece_boundary_tenant_and_key)
{
    struct ring_world world;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_keyring_create_tenant(change.write, 2, 0));
    ck_assert_ok(vt_keyring_rotate_tenant_key(change.write, VT_TENANT_DEFAULT, VT_TENANT_KEY_INDEX, 0));
    ring_commit(&change);
    const struct vt_bytes ab_c[] = {vt_bytes_str("ab"), vt_bytes_str("c")},
                          a_bc[] = {vt_bytes_str("a"), vt_bytes_str("bc")};
    struct vt_index_hash hashes[6];
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_index_hash(read.view, 1, 0, "x:1", ab_c, 2, &hashes[0]));
    ck_assert_ok(vt_keyring_index_hash(read.view, 1, 0, "x:1", a_bc, 2, &hashes[1]));
    ck_assert_ok(vt_keyring_index_hash(read.view, 1, 0, "x:2", ab_c, 2, &hashes[2]));
    ck_assert_ok(vt_keyring_index_hash(read.view, 2, 0, "x:1", ab_c, 2, &hashes[3]));
    ck_assert_ok(vt_keyring_index_hash(read.view, 1, 1, "x:1", ab_c, 2, &hashes[4]));
    ck_assert_ok(vt_keyring_index_hash(read.view, 1, 0, "x:1", ab_c, 1, &hashes[5]));
    for (size_t i = 0; i < 6; i++)
        for (size_t k = i + 1; k < 6; k++) ck_assert_int_ne(memcmp(&hashes[i], &hashes[k], sizeof hashes[i]), 0);
    struct vt_index_hash again;
    ck_assert_ok(vt_keyring_index_hash(read.view, 1, 0, "x:1", ab_c, 2, &again));
    ck_assert_int_eq(memcmp(&again, &hashes[0], sizeof again), 0);
    ck_assert_status(vt_keyring_index_hash(read.view, 1, 2, "x:1", ab_c, 2, &again), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_keyring_index_hash(read.view, 9, 0, "x:1", ab_c, 2, &again), VAULT_E_NOT_FOUND);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

/* One era with changes in between, in steps of a few pages. */
START_TEST(an_era_moves_every_entry_to_the_live_place_key_and_loses_none)
{
    enum { VALUES = 300, HOLDERS = 100 };
    static bool is_holder[HOLDERS + 1];
    const bool one[] = {true};
    struct ring_world world;
    struct vt_keyring_check counts;
    uint8_t cursor[32] = {0};
    char value[16];
    bool is_done = false;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    for (unsigned i = 0; i < VALUES; i++) {
        snprintf(value, sizeof value, "v%u", i);
        ck_assert_ok(add(&change, value, 0, true));
    }
    for (unsigned i = 0; i < HOLDERS; i++) {
        ck_assert_ok(add(&change, "smith", i, false));
        is_holder[i] = true;
    }
    ck_assert_ok(vt_keyring_rotate_tenant_key(change.write, VT_TENANT_DEFAULT, VT_TENANT_KEY_PLACE, 0));
    ring_commit(&change);

    unsigned steps = 0;
    while (!is_done) {
        change = ring_begin(&world);
        ck_assert_ok(vt_keyring_replace_step(change.write, VT_TENANT_DEFAULT, cursor, 3, &is_done));
        if (steps++ == 2) {
            ck_assert_status(add(&change, "v0", 1, true), VAULT_E_EXISTS);
            ck_assert_ok(add(&change, "smith", HOLDERS, false));
            is_holder[HOLDERS] = true;
        }
        ring_commit(&change);
        assert_holders_now(&world, "smith", is_holder, HOLDERS + 1);
        assert_holders_now(&world, "v7", one, 1);
    }
    ck_assert_uint_gt(steps, 2);
    change = ring_begin(&world);
    ck_assert_ok(vt_keyring_drop_tenant_key(change.write, VT_TENANT_DEFAULT, VT_TENANT_KEY_PLACE, 1));
    ring_commit(&change);
    assert_holders_now(&world, "smith", is_holder, HOLDERS + 1);
    for (unsigned i = 0; i < VALUES; i++) {
        snprintf(value, sizeof value, "v%u", i);
        assert_holders_now(&world, value, one, 1);
    }
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
    ck_assert_uint_eq(counts.index_entries, VALUES + HOLDERS + 1);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

static vault_status move(struct ring_write *change, const char *from, const char *to, unsigned number)
{
    uint8_t data[VT_INDEX_DATA_LEN];
    const struct vt_index_hash old = ring_hash(change->view, VT_TENANT_DEFAULT, from),
                               fresh = ring_hash(change->view, VT_TENANT_DEFAULT, to);
    data_of(number, data);
    return vt_keyring_index_move(change->write, VT_TENANT_DEFAULT, &old, &fresh, data);
}

START_TEST(entries_move_to_another_hash_beside_its_own_and_none_is_lost)
{
    enum { HOLDERS = 100, MOVED = 70 };
    bool at_old[HOLDERS + 1] = {false}, at_new[HOLDERS + 1] = {false};
    struct ring_world world;
    struct vt_keyring_check counts;
    struct vt_err err = {{0}, {0}};
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    for (unsigned i = 0; i < HOLDERS; i++) ck_assert_ok(add(&change, "old", i, false));
    ck_assert_ok(add(&change, "new", HOLDERS, true));
    ring_commit(&change);
    change = ring_begin(&world);
    for (unsigned i = 0; i < MOVED; i++) ck_assert_ok(move(&change, "old", "new", i));
    ck_assert_status(move(&change, "old", "new", 0), VAULT_E_EXISTS);
    ck_assert_status(move(&change, "old", "other", 0), VAULT_E_NOT_FOUND);
    ring_commit(&change);
    for (unsigned i = 0; i <= HOLDERS; i++) at_new[i] = i < MOVED || i == HOLDERS;
    for (unsigned i = MOVED; i < HOLDERS; i++) at_old[i] = true;
    assert_holders_now(&world, "old", at_old, HOLDERS + 1);
    assert_holders_now(&world, "new", at_new, HOLDERS + 1);
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_check(read.view, &counts, &err));
    ck_assert_uint_eq(counts.index_entries, HOLDERS + 1);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

VT_TEST_MAIN("keyring/index", a_unique_value_has_one_holder_until_it_is_removed,
             one_to_a_thousand_holders_of_one_value_are_all_found,
             holders_removed_from_any_group_leave_the_others_findable, one_holder_more_than_the_limit_is_refused,
             find_returns_no_more_than_it_is_asked_for,
             the_same_value_hashes_differently_for_another_label_piece_boundary_tenant_and_key,
             an_era_moves_every_entry_to_the_live_place_key_and_loses_none,
             entries_move_to_another_hash_beside_its_own_and_none_is_lost)
