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

/* Copying ---------------------------------------------------------------------------------------------------------- */

enum { COPY_VALUES = 2000, COPY_HOLDERS = 100 };

/** An era that copies, and what was true of it. */
struct era {
    struct ring_world world;
    uint8_t cursor[32];
    unsigned steps;
    uint64_t most_sealed, sealed;   /* pages: in one step, in all */
};

/* Many values of one holder each, one of a few, one of more than fill a group; then a fresh K_place. */
static void era_begin(struct era *era)
{
    char value[16];
    memset(era, 0, sizeof *era);
    ring_world_open(&era->world);
    struct ring_write change = ring_begin(&era->world);
    for (unsigned i = 0; i < COPY_VALUES; i++) {
        snprintf(value, sizeof value, "v%u", i);
        ck_assert_ok(add(&change, value, 0, true));
    }
    for (unsigned i = 0; i < COPY_HOLDERS; i++) ck_assert_ok(add(&change, "smith", i, false));
    for (unsigned i = 0; i < 3; i++) ck_assert_ok(add(&change, "jones", i, false));
    ck_assert_ok(vt_keyring_rotate_tenant_key(change.write, VT_TENANT_DEFAULT, VT_TENANT_KEY_PLACE, 0));
    ring_commit(&change);
}

static struct vt_replace_plan *plan_whole(struct era *era, size_t max)
{
    struct vt_replace_plan *plan;
    bool is_whole = false;
    ck_assert_ok(vt_replace_plan_new(era->cursor, max, &plan));
    ck_assert(!vt_replace_plan_covers(plan, era->cursor));
    while (!is_whole) {
        struct ring_read read = ring_read_begin(&era->world);
        ck_assert_ok(vt_replace_plan_look(plan, read.view, VT_TENANT_DEFAULT, 700, &is_whole));
        ring_read_end(&read);
    }
    ck_assert(vt_replace_plan_covers(plan, era->cursor));
    return plan;
}

static void era_count(struct era *era, const struct vt_keyring_stats *before)
{
    struct vt_keyring_stats after;
    vt_keyring_stats(era->world.ring, &after);
    const uint64_t sealed = after.pages_sealed - before->pages_sealed;
    era->most_sealed = VT_MAX(era->most_sealed, sealed);
    era->sealed += sealed;
    era->steps++;
}

static bool era_copy(struct era *era, const struct vt_replace_plan *plan, size_t pages)
{
    bool is_done;
    struct vt_keyring_stats before;
    vt_keyring_stats(era->world.ring, &before);
    struct ring_write change = ring_begin(&era->world);
    ck_assert_ok(vt_keyring_copy_step(change.write, VT_TENANT_DEFAULT, plan, era->cursor, pages, &is_done));
    ring_commit(&change);
    era_count(era, &before);
    return is_done;
}

static void era_copy_all(struct era *era, size_t plan_max, size_t pages)
{
    bool is_done = false;
    while (!is_done) {
        VT_AUTO_PTR(vt_replace_plan) plan = plan_whole(era, plan_max);
        while (!is_done && vt_replace_plan_covers(plan, era->cursor)) is_done = era_copy(era, plan, pages);
    }
    memset(era->cursor, 0, sizeof era->cursor);
}

static bool era_take_away(struct era *era, size_t pages)
{
    bool is_done;
    struct vt_keyring_stats before;
    vt_keyring_stats(era->world.ring, &before);
    struct ring_write change = ring_begin(&era->world);
    ck_assert_ok(vt_keyring_replace_step(change.write, VT_TENANT_DEFAULT, era->cursor, pages, &is_done));
    ring_commit(&change);
    era_count(era, &before);
    return is_done;
}

/* @param expected how many entries there are; every one lies where it belongs under the one version that is left */
static void era_ends(struct era *era, uint64_t expected)
{
    struct vt_keyring_check counts;
    struct vt_err err = {{0}, {0}};
    struct ring_write change = ring_begin(&era->world);
    ck_assert_ok(vt_keyring_drop_tenant_key(change.write, VT_TENANT_DEFAULT, VT_TENANT_KEY_PLACE, 1));
    ring_commit(&change);
    struct ring_read read = ring_read_begin(&era->world);
    const vault_status status = vt_keyring_check(read.view, &counts, &err);
    ck_assert_msg(status == VAULT_OK, "%s", err.message);
    ck_assert_uint_eq(counts.index_entries, expected);
    ring_read_end(&read);
    ring_world_free(&era->world);
}

START_TEST(an_era_that_copies_first_seals_a_bounded_number_of_pages_a_step_and_far_fewer_than_entries)
{
    enum { PAGES = 8, PATH = 5, GROUPS = COPY_HOLDERS / 32 + 1 };       /* the way up to the directory */
    struct era era;
    era_begin(&era);
    ck_assert_uint_eq(era.steps, 0);
    era_copy_all(&era, COPY_VALUES, PAGES);
    const unsigned copy_steps = era.steps;
    while (!era_take_away(&era, PAGES)) continue;
    ck_assert_uint_gt(copy_steps, 4);
    ck_assert_uint_gt(era.steps - copy_steps, 4);
    /* Who fills groups moves at once, out of as many leaves as into; any of them may split. */
    ck_assert_uint_le(era.most_sealed, 2 * (PAGES + 2 * GROUPS) + PATH);
    ck_assert_uint_lt(era.sealed, COPY_VALUES / 2);
    era_ends(&era, COPY_VALUES + COPY_HOLDERS + 3);
}
END_TEST

START_TEST(a_copied_entry_counts_once_keeps_its_value_unique_and_goes_with_both_copies)
{
    const bool one[] = {true}, none[] = {false}, jones[] = {true, false, true, true};
    static bool smith[COPY_HOLDERS];
    struct era era;
    era_begin(&era);
    for (unsigned i = 0; i < COPY_HOLDERS; i++) smith[i] = true;
    era_copy_all(&era, 64, 8);
    assert_holders_now(&era.world, "v7", one, 1);
    assert_holders_now(&era.world, "smith", smith, COPY_HOLDERS);

    struct ring_write change = ring_begin(&era.world);
    ck_assert_status(add(&change, "v7", 1, true), VAULT_E_EXISTS);
    ck_assert_status(add(&change, "v7", 0, false), VAULT_E_EXISTS);
    ck_assert_ok(take(&change, "v8", 0));
    ck_assert_status(take(&change, "v8", 0), VAULT_E_NOT_FOUND);
    ck_assert_ok(take(&change, "jones", 1));
    ck_assert_ok(add(&change, "jones", 3, false));
    ck_assert_status(add(&change, "jones", 0, false), VAULT_E_EXISTS);
    assert_holders(change.view, "jones", jones, 4);
    ring_commit(&change);
    assert_holders_now(&era.world, "v8", none, 1);
    assert_holders_now(&era.world, "jones", jones, 4);

    while (!era_take_away(&era, 8)) {
        assert_holders_now(&era.world, "v8", none, 1);
        assert_holders_now(&era.world, "jones", jones, 4);
        assert_holders_now(&era.world, "smith", smith, COPY_HOLDERS);
    }
    assert_holders_now(&era.world, "v7", one, 1);
    era_ends(&era, COPY_VALUES - 1 + COPY_HOLDERS + 3);
}
END_TEST

START_TEST(what_is_written_between_a_plan_and_its_steps_is_neither_lost_nor_brought_back)
{
    struct era era;
    char value[16];
    bool is_done = false;
    unsigned gone = 0;
    era_begin(&era);
    VT_AUTO_PTR(vt_replace_plan) plan = plan_whole(&era, COPY_VALUES * 2);
    for (unsigned i = 0; !is_done; i++) {
        struct ring_write change = ring_begin(&era.world);
        snprintf(value, sizeof value, "v%u", gone++);
        ck_assert_ok(take(&change, value, 0));
        snprintf(value, sizeof value, "new%u", i);
        ck_assert_ok(add(&change, value, 0, true));
        ring_commit(&change);
        is_done = era_copy(&era, plan, 4);
    }
    const bool one[] = {true}, none[] = {false};
    ck_assert_uint_gt(gone, 4);
    memset(era.cursor, 0, sizeof era.cursor);
    while (!era_take_away(&era, 8)) continue;
    for (unsigned i = 0; i < COPY_VALUES; i++) {
        snprintf(value, sizeof value, "v%u", i);
        assert_holders_now(&era.world, value, i < gone ? none : one, 1);
        snprintf(value, sizeof value, "new%u", i);
        assert_holders_now(&era.world, value, i < gone ? one : none, 1);
    }
    era_ends(&era, COPY_VALUES + COPY_HOLDERS + 3);
}
END_TEST

START_TEST(entries_that_no_plan_held_move_when_the_copies_are_taken_away)
{
    static bool smith[COPY_HOLDERS];
    const bool one[] = {true}, jones[] = {true, true, true};
    struct era era;
    era_begin(&era);
    for (unsigned i = 0; i < COPY_HOLDERS; i++) smith[i] = true;
    struct vt_replace_plan *plan = plan_whole(&era, 300);
    while (vt_replace_plan_covers(plan, era.cursor)) ck_assert(!era_copy(&era, plan, 8));
    struct ring_write change = ring_begin(&era.world);
    bool is_done;
    ck_assert_status(vt_keyring_copy_step(change.write, VT_TENANT_DEFAULT, plan, era.cursor, 8, &is_done), VAULT_E_ARGUMENT);
    ring_abort(&change);
    vt_replace_plan_free(plan);
    memset(era.cursor, 0, sizeof era.cursor);
    while (!era_take_away(&era, 8)) continue;
    assert_holders_now(&era.world, "smith", smith, COPY_HOLDERS);
    assert_holders_now(&era.world, "jones", jones, 3);
    for (unsigned i = 0; i < COPY_VALUES; i += 97) {
        char value[16];
        snprintf(value, sizeof value, "v%u", i);
        assert_holders_now(&era.world, value, one, 1);
    }
    era_ends(&era, COPY_VALUES + COPY_HOLDERS + 3);
}
END_TEST

START_TEST(a_value_may_have_as_many_holders_as_ever_while_some_lie_under_two_versions)
{
    enum { COPIED = 20 };
    struct era era;
    era_begin(&era);
    struct ring_write change = ring_begin(&era.world);
    for (unsigned i = 0; i < COPIED; i++) ck_assert_ok(add(&change, "miller", i, false));
    ck_assert_ok(vt_keyring_rotate_tenant_key(change.write, VT_TENANT_DEFAULT, VT_TENANT_KEY_PLACE, 0));
    ring_commit(&change);
    era_copy_all(&era, COPY_VALUES, 50);
    change = ring_begin(&era.world);
    for (unsigned i = COPIED; i < VT_LIMIT_INDEX_HOLDERS; i++) ck_assert_ok(add(&change, "miller", i, false));
    ck_assert_status(add(&change, "miller", VT_LIMIT_INDEX_HOLDERS, false), VAULT_E_LIMIT);
    ck_assert_ok(take(&change, "miller", 0));
    ck_assert_ok(add(&change, "miller", VT_LIMIT_INDEX_HOLDERS, false));
    ring_commit(&change);
    while (!era_take_away(&era, 50)) continue;
    change = ring_begin(&era.world);
    ck_assert_status(add(&change, "miller", 0, false), VAULT_E_LIMIT);
    ck_assert_ok(vt_keyring_drop_tenant_key(change.write, VT_TENANT_DEFAULT, VT_TENANT_KEY_PLACE, 2));
    ring_commit(&change);
    era_ends(&era, COPY_VALUES + COPY_HOLDERS + 3 + VT_LIMIT_INDEX_HOLDERS);
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

static void add_many(struct ring_world *world, unsigned count)
{
    struct ring_write change = ring_begin(world);
    for (unsigned i = 0; i < count; i++) {
        char value[32];
        snprintf(value, sizeof value, "value %u", i);
        ck_assert_ok(add(&change, value, i, true));
    }
    ring_commit(&change);
}

START_TEST(a_write_that_asks_for_a_value_before_it_adds_it_opens_its_leaf_once)
{
    struct ring_world world;
    struct vt_keyring_stats before, after;
    uint8_t found[1][VT_INDEX_DATA_LEN];
    size_t count = 0;
    ring_world_open(&world);
    add_many(&world, 500);
    struct ring_write change = ring_begin(&world);
    const struct vt_index_hash hash = ring_hash(change.view, VT_TENANT_DEFAULT, "new"),
                               old = ring_hash(change.view, VT_TENANT_DEFAULT, "value 7");
    vt_keyring_stats(world.ring, &before);
    ck_assert_status(vt_keyring_index_find(change.view, VT_TENANT_DEFAULT, &hash, found, 1, &count), VAULT_E_NOT_FOUND);
    ck_assert_ok(add(&change, "new", 501, true));
    ck_assert_ok(vt_keyring_index_find(change.view, VT_TENANT_DEFAULT, &hash, found, 1, &count));
    vt_keyring_stats(world.ring, &after);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(vt_get_u32(found[0] + 4), 501);
    ck_assert_uint_eq(after.pages_opened - before.pages_opened, 1);
    ck_assert_ok(vt_keyring_index_find(change.view, VT_TENANT_DEFAULT, &old, found, 1, &count));
    ck_assert_uint_eq(vt_get_u32(found[0] + 4), 7);
    ck_assert_status(add(&change, "value 7", 502, true), VAULT_E_EXISTS);
    ring_commit(&change);
    const bool is_holder[] = {[501] = true};
    assert_holders_now(&world, "new", is_holder, VT_ARRAY_LEN(is_holder));
    ring_world_free(&world);
}
END_TEST

VT_TEST_MAIN("keyring/index", a_write_that_asks_for_a_value_before_it_adds_it_opens_its_leaf_once,
             a_unique_value_has_one_holder_until_it_is_removed,
             one_to_a_thousand_holders_of_one_value_are_all_found,
             holders_removed_from_any_group_leave_the_others_findable, one_holder_more_than_the_limit_is_refused,
             find_returns_no_more_than_it_is_asked_for,
             the_same_value_hashes_differently_for_another_label_piece_boundary_tenant_and_key,
             an_era_moves_every_entry_to_the_live_place_key_and_loses_none,
             an_era_that_copies_first_seals_a_bounded_number_of_pages_a_step_and_far_fewer_than_entries,
             a_copied_entry_counts_once_keeps_its_value_unique_and_goes_with_both_copies,
             what_is_written_between_a_plan_and_its_steps_is_neither_lost_nor_brought_back,
             entries_that_no_plan_held_move_when_the_copies_are_taken_away,
             a_value_may_have_as_many_holders_as_ever_while_some_lie_under_two_versions,
             entries_move_to_another_hash_beside_its_own_and_none_is_lost)
