/* What an adversary who can write the disk may do to pages, key blocks and the root record: each of it is refused. */
#include <stdlib.h>

#include "tests/support/ring_world.h"

enum { ROWS_MAX = 64, PAGE_TREE = 8, PAGE_LEVEL = 9, PAGE_ID = 10, SUBJECTS = 70 };

static struct ring_row *rows_new(void)
{
    struct ring_row *rows = calloc(ROWS_MAX, sizeof *rows);
    ck_assert_ptr_nonnull(rows);
    return rows;
}

static void world_with_subjects(struct ring_world *world)
{
    ring_world_open(world);
    struct ring_write change = ring_begin(world);
    for (uint64_t i = 0; i < SUBJECTS; i++) {
        const struct vt_sid sid = ring_sid(i);
        ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, 2);
    }
    ring_commit(&change);
}

/* Forget what is open, then look at everything as a fresh process would. */
static vault_status check_status(struct ring_world *world)
{
    struct vt_keyring_check counts;
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    ck_assert_ok(vt_keyring_fence(world->ring, 1000));
    ck_assert_ok(vt_txn_begin_read(world->store, &txn));
    vault_status status = vt_keyring_view_begin(world->ring, txn, &view);
    if (status == VAULT_OK) status = vt_keyring_check(view, &counts, NULL);
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return status;
}

static bool is_refusal(vault_status status)
{
    return status == VAULT_E_AUTHENTICITY || status == VAULT_E_CORRUPT || status == VAULT_E_FORMAT;
}

/* Every byte of the head and the SEAL header, every seventh of the ciphertext. */
static size_t next_byte(size_t at)
{
    return at < 24 + 78 ? at + 1 : at + 7;
}

static void assert_each_byte_matters(struct ring_world *world, enum vt_table table, struct ring_row *row)
{
    for (size_t at = 0; at < row->len; at = next_byte(at)) {
        row->value[at] ^= 0x10;
        ring_row_put(world, table, row);
        const vault_status status = check_status(world);
        ck_assert_msg(is_refusal(status), "table %d byte %zu: %s", (int)table, at, vault_status_code(status));
        row->value[at] ^= 0x10;
    }
    ring_row_put(world, table, row);
    ck_assert_ok(check_status(world));
}

START_TEST(a_page_with_any_byte_changed_does_not_open)
{
    struct ring_world world;
    struct ring_row *rows = rows_new();
    world_with_subjects(&world);
    const size_t count = ring_rows(&world, VT_TABLE_PAGE, rows, ROWS_MAX);
    ck_assert_uint_ge(count, 7);    /* T_sys, T_dir, tenant page, T_ten, inner and two leaves of T_sub */
    for (size_t i = 0; i < count; i++) assert_each_byte_matters(&world, VT_TABLE_PAGE, &rows[i]);
    free(rows);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_key_block_with_any_byte_changed_does_not_open)
{
    struct ring_world world;
    struct ring_row *rows = rows_new();
    world_with_subjects(&world);
    ck_assert_uint_ge(ring_rows(&world, VT_TABLE_KEYBLOCK, rows, 1), 1);
    assert_each_byte_matters(&world, VT_TABLE_KEYBLOCK, &rows[0]);
    free(rows);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_page_cut_short_or_missing_is_corrupt)
{
    struct ring_world world;
    struct ring_row *rows = rows_new();
    world_with_subjects(&world);
    const size_t count = ring_rows(&world, VT_TABLE_PAGE, rows, ROWS_MAX);
    for (size_t i = 0; i < count; i++) {
        rows[i].len--;
        ring_row_put(&world, VT_TABLE_PAGE, &rows[i]);
        ck_assert_status(check_status(&world), VAULT_E_CORRUPT);
        ring_row_delete(&world, VT_TABLE_PAGE, &rows[i]);
        ck_assert_status(check_status(&world), VAULT_E_CORRUPT);
        rows[i].len++;
        ring_row_put(&world, VT_TABLE_PAGE, &rows[i]);
    }
    ck_assert_ok(check_status(&world));
    free(rows);
    ring_world_free(&world);
}
END_TEST

START_TEST(two_pages_that_changed_places_do_not_open)
{
    struct ring_world world;
    struct ring_row *rows = rows_new();
    world_with_subjects(&world);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_keyring_create_tenant(change.write, 2, 0));
    for (uint64_t i = 1000; i < 1000 + SUBJECTS; i++) {
        const struct vt_sid sid = ring_sid(i);
        ring_add_subject(&change, 2, &sid, 1);
    }
    ring_commit(&change);
    const size_t count = ring_rows(&world, VT_TABLE_PAGE, rows, ROWS_MAX);
    unsigned across_tenants = 0, across_trees = 0, across_levels = 0, across_ids = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++) {
            struct ring_row a = rows[i], b = rows[k];
            across_tenants += memcmp(a.key, b.key, 8) != 0;
            across_trees += a.key[PAGE_TREE] != b.key[PAGE_TREE];
            across_levels += a.key[PAGE_LEVEL] != b.key[PAGE_LEVEL];
            across_ids += memcmp(a.key + PAGE_ID, b.key + PAGE_ID, 8) != 0;
            memcpy(a.value, rows[k].value, a.len);
            memcpy(b.value, rows[i].value, b.len);
            ring_row_put(&world, VT_TABLE_PAGE, &a);
            ring_row_put(&world, VT_TABLE_PAGE, &b);
            ck_assert_status(check_status(&world), VAULT_E_AUTHENTICITY);
            ring_row_put(&world, VT_TABLE_PAGE, &rows[i]);
            ring_row_put(&world, VT_TABLE_PAGE, &rows[k]);
        }
    }
    ck_assert(across_tenants != 0 && across_trees != 0 && across_levels != 0 && across_ids != 0);
    ck_assert_ok(check_status(&world));
    free(rows);
    ring_world_free(&world);
}
END_TEST

/* A change that rewrites every page but T_sys, then each old row put back. */
START_TEST(an_older_version_of_a_page_or_key_block_put_back_is_refused)
{
    struct ring_world world;
    struct ring_row *rows = rows_new();
    struct ring_row *blocks = rows_new();
    struct ring_row *now = rows_new();
    world_with_subjects(&world);
    const size_t count = ring_rows(&world, VT_TABLE_PAGE, rows, ROWS_MAX);
    const size_t block_count = ring_rows(&world, VT_TABLE_KEYBLOCK, blocks, ROWS_MAX);

    struct ring_write change = ring_begin(&world);
    for (uint64_t i = 0; i < SUBJECTS; i++) {
        struct vt_keyblock_draft *draft = NULL;
        const struct vt_data_key *key;
        const struct vt_sid sid = ring_sid(i);
        ck_assert_ok(vt_keyblock_edit(change.view, VT_TENANT_DEFAULT, &sid, &draft));
        ck_assert_ok(vt_keyblock_add(draft, 9, 0, 0, &key));
        ring_apply(&change, draft);
    }
    ring_commit(&change);
    ck_assert_uint_eq(ring_rows(&world, VT_TABLE_PAGE, now, ROWS_MAX), count);

    size_t replayed = 0;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(rows[i].value, now[i].value, rows[i].len) == 0) continue;    /* T_sys and T_ten did not change */
        ring_row_put(&world, VT_TABLE_PAGE, &rows[i]);
        ck_assert_status(check_status(&world), VAULT_E_AUTHENTICITY);
        ring_row_put(&world, VT_TABLE_PAGE, &now[i]);
        replayed++;
    }
    ck_assert_uint_ge(replayed, 5);
    ck_assert_uint_eq(ring_rows(&world, VT_TABLE_KEYBLOCK, now, ROWS_MAX), block_count);
    for (size_t i = 0; i < block_count; i++) {
        ring_row_put(&world, VT_TABLE_KEYBLOCK, &blocks[i]);
        ck_assert_status(check_status(&world), VAULT_E_AUTHENTICITY);
        ring_row_put(&world, VT_TABLE_KEYBLOCK, &now[i]);
    }
    ck_assert_ok(check_status(&world));
    free(rows);
    free(blocks);
    free(now);
    ring_world_free(&world);
}
END_TEST

START_TEST(key_blocks_of_two_subjects_that_changed_places_do_not_open)
{
    struct ring_world world;
    struct ring_row *rows = rows_new();
    world_with_subjects(&world);
    ck_assert_uint_eq(ring_rows(&world, VT_TABLE_KEYBLOCK, rows, 2), 2);
    struct ring_row swapped = rows[0];
    memcpy(swapped.value, rows[1].value, rows[1].len);
    swapped.len = rows[1].len;
    ring_row_put(&world, VT_TABLE_KEYBLOCK, &swapped);
    ck_assert_status(check_status(&world), VAULT_E_AUTHENTICITY);
    free(rows);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_root_record_with_any_byte_changed_does_not_unseal)
{
    struct ring_world world;
    ring_world_open(&world);
    struct ring_row *rows = rows_new();
    const size_t count = ring_rows(&world, VT_TABLE_META, rows, ROWS_MAX);
    size_t at_root = count;
    for (size_t i = 0; i < count; i++)
        if (rows[i].key_len == 4 && memcmp(rows[i].key, "root", 4) == 0) at_root = i;
    ck_assert_uint_lt(at_root, count);
    struct ring_row *root = &rows[at_root];
    vt_keyring_seal(world.ring);
    for (size_t at = 0; at < root->len; at++) {
        root->value[at] ^= 0x01;
        ring_row_put(&world, VT_TABLE_META, root);
        const vault_status status = vt_keyring_unseal(world.ring, &world.root_key);
        const bool is_version = at == 0 || at == 65 || at == 66;    /* ours, SEAL's, its algorithm */
        ck_assert_msg(status == (is_version ? VAULT_E_FORMAT : VAULT_E_AUTHENTICITY), "byte %zu: %s", at,
                      vault_status_code(status));
        root->value[at] ^= 0x01;
    }
    ring_row_put(&world, VT_TABLE_META, root);
    ck_assert_ok(vt_keyring_unseal(world.ring, &world.root_key));
    free(rows);
    ring_world_free(&world);
}
END_TEST

START_TEST(occupancy_is_hidden_every_page_has_the_same_length)
{
    struct ring_world world;
    struct ring_row *rows = rows_new();
    world_with_subjects(&world);
    const size_t count = ring_rows(&world, VT_TABLE_PAGE, rows, ROWS_MAX);
    for (size_t i = 0; i < count; i++) ck_assert_uint_eq(rows[i].len, 4080);
    free(rows);
    ring_world_free(&world);
}
END_TEST

START_TEST(check_counts_what_is_there_and_finds_orphans)
{
    struct ring_world world;
    struct ring_row *rows = rows_new();
    world_with_subjects(&world);
    ck_assert_uint_ge(ring_rows(&world, VT_TABLE_PAGE, rows, 1), 1);
    rows[0].key[PAGE_ID] = 0xff;
    ring_row_put(&world, VT_TABLE_PAGE, &rows[0]);
    ck_assert_uint_ge(ring_rows(&world, VT_TABLE_KEYBLOCK, rows, 1), 1);
    memset(rows[0].key, 0xee, 16);
    ring_row_put(&world, VT_TABLE_KEYBLOCK, &rows[0]);

    struct vt_keyring_check counts;
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_keyring_check(read.view, &counts, NULL));
    ring_read_end(&read);
    ck_assert_uint_eq(counts.subjects, SUBJECTS);
    ck_assert_uint_eq(counts.key_blocks, SUBJECTS);
    ck_assert_uint_eq(counts.orphan_pages, 1);
    ck_assert_uint_eq(counts.orphan_key_blocks, 1);
    free(rows);
    ring_world_free(&world);
}
END_TEST

START_TEST(check_says_which_page_is_at_fault)
{
    struct ring_world world;
    struct ring_row *rows = rows_new();
    struct vt_err err = {0};
    struct vt_keyring_check counts;
    world_with_subjects(&world);
    const size_t count = ring_rows(&world, VT_TABLE_PAGE, rows, ROWS_MAX);
    ring_row_delete(&world, VT_TABLE_PAGE, &rows[count - 1]);
    struct ring_read read = ring_read_begin(&world);
    ck_assert_status(vt_keyring_check(read.view, &counts, &err), VAULT_E_CORRUPT);
    ring_read_end(&read);
    ck_assert_ptr_nonnull(strstr(err.message, "Page "));
    free(rows);
    ring_world_free(&world);
}
END_TEST

VT_TEST_MAIN("keyring/page", a_page_with_any_byte_changed_does_not_open,
             a_key_block_with_any_byte_changed_does_not_open, a_page_cut_short_or_missing_is_corrupt,
             two_pages_that_changed_places_do_not_open, an_older_version_of_a_page_or_key_block_put_back_is_refused,
             key_blocks_of_two_subjects_that_changed_places_do_not_open,
             a_root_record_with_any_byte_changed_does_not_unseal, occupancy_is_hidden_every_page_has_the_same_length,
             check_counts_what_is_there_and_finds_orphans, check_says_which_page_is_at_fault)
