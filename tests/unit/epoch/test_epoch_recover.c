/* The recovery table of epoch_recover.c, row by row, and what is neither row: rollbacks, foreign data, keepers away. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"
#include "tests/unit/epoch/epoch_world.h"

static const struct world_shape one_of_one = {.k = 1, .m = 1, .has_journal = true};
static const struct world_shape no_journal = {.k = 1, .m = 1};
static const struct world_shape two_of_three = {.k = 2, .m = 3, .has_journal = true};

/* The keepers' files as they are, to be compared later. The world is closed. */
struct keeper_files {
    uint8_t bytes[WORLD_KEEPERS_MAX][8192];
};

static void keepers_read(const struct world *world, struct keeper_files *out_files)
{
    for (unsigned i = 0; i < world->shape.m; i++) {
        char name[24], path[200];
        snprintf(name, sizeof name, "keeper-%u", i);
        world_path(world, name, path, sizeof path);
        FILE *file = fopen(path, "rb");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fread(out_files->bytes[i], 1, sizeof out_files->bytes[i], file), sizeof out_files->bytes[i]);
        fclose(file);
    }
}

/* Unsealing fails with this status, its message says @p word, and no keeper has changed by a byte. */
static void assert_stops(struct world *world, vault_status expected, const char *word)
{
    struct keeper_files before, after;
    struct vt_err err;
    keepers_read(world, &before);
    world_open(world);
    ck_assert_status(world_unseal(world, &err), expected);
    ck_assert_msg(strstr(err.message, word) != NULL, "the message is: %s", err.message);
    ck_assert(vt_epoch_is_sealed(world->epoch));
    ck_assert(vt_keyring_is_sealed(world->ring));
    world_close(world);
    keepers_read(world, &after);
    ck_assert_mem_eq(before.bytes, after.bytes, world->shape.m * sizeof before.bytes[0]);
}


static vault_status work_close(struct world *world, void (*hook)(const char *step, void *context), void *context)
{
    VT_TRY(world_unseal(world, NULL));
    vt_fault_set_step_hook(hook, context);
    return world_close_epoch(world, false);
}

START_TEST(row_e_e_runs)
{
    struct world world;
    const uint64_t certificate = world_with_request(&world, &one_of_one);
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_PENDING);
    ck_assert_ok(world_subject(&world, CONTROL));
    ck_assert_uint_eq(world_epoch(&world), 1);
    world_end(&world);
}
END_TEST

START_TEST(row_e_with_a_prepared_next_epoch_aborts_it)
{
    struct world world;
    struct world_shares shares;
    struct vt_journal_tail tail;
    world_with_request(&world, &two_of_three);
    world_close(&world);
    world_crash(&world, work_close, &(struct world_step){"S3.journal", 1});
    world_shares_read(&world, &shares);
    ck_assert_uint_eq(shares.count, 6);
    world_open(&world);
    ck_assert_ok(vt_journal_tail(world.journal, &tail));
    ck_assert_uint_eq(tail.root.epoch, 2);                  /* before: the journal ends in what never was */
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(vt_journal_tail(world.journal, &tail));
    ck_assert_uint_eq(tail.root.epoch, 1);
    ck_assert_uint_eq(world_epoch(&world), 1);
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
    for (size_t i = 0; i < shares.count; i++)
        ck_assert_int_eq(world_share_is_anywhere(&world, &shares.slots[i]), shares.slots[i].epoch == 1);
    world_end(&world);
}
END_TEST

START_TEST(row_e1_with_both_epochs_at_the_keepers_erases_the_old_one_and_owes_the_certificate)
{
    struct world world;
    struct world_shares shares;
    const uint64_t certificate = world_with_request(&world, &two_of_three);
    world_close(&world);
    world_crash(&world, work_close, &(struct world_step){"S4.committed", 1});
    world_shares_read(&world, &shares);
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    for (size_t i = 0; i < shares.count; i++)
        ck_assert_int_eq(world_share_is_anywhere(&world, &shares.slots[i]), shares.slots[i].epoch == 2);
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_PENDING);
    ck_assert(vt_epoch_is_due(world.epoch));
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    ck_assert(!vt_epoch_is_due(world.epoch));
    world_end(&world);
}
END_TEST

START_TEST(row_e1_e1_finishes_the_certificates_when_they_are_not_recorded)
{
    struct world world;
    const uint64_t certificate = world_with_request(&world, &one_of_one);
    world_close(&world);
    world_crash(&world, work_close, &(struct world_step){"S6.finalized", 1});
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_PENDING);
    world.destroyed = 0;
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_uint_eq(world.destroyed, 0);                  /* nothing is destroyed twice */
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    ck_assert_uint_eq(world_epoch(&world), 2);
    world_end(&world);
}
END_TEST

/* A world whose disk has lost the commit that closed epoch 1: the store is the one from before. Closed. */
static uint64_t world_with_lost_commit(struct world *world, const struct world_shape *shape)
{
    const uint64_t certificate = world_with_request(world, shape);
    world_close(world);
    world_copy(world, "store", "store-before");
    if (shape->has_journal) world_copy(world, "journal", "journal-before");
    world_open(world);
    ck_assert_ok(world_unseal(world, NULL));
    ck_assert_ok(world_close_epoch(world, false));
    world_close(world);
    world_copy(world, "store-before", "store");
    return certificate;
}

START_TEST(row_e_with_only_the_next_epoch_is_rolled_forward_from_the_journal)
{
    const struct world_shape shapes[] = {one_of_one, two_of_three};
    for (size_t i = 0; i < VT_ARRAY_LEN(shapes); i++) {
        struct world world;
        struct vt_ledger_entry entry;
        const uint64_t certificate = world_with_lost_commit(&world, &shapes[i]);
        world_open(&world);
        ck_assert_uint_eq(world_epoch(&world), 1);
        const vault_status status = world_unseal(&world, NULL);
        ck_assert_ok(status);
        ck_assert_uint_eq(world_epoch(&world), 2);
        ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
        ck_assert_ok(world_subject(&world, CONTROL));
        ck_assert_ok(world_close_epoch(&world, false));     /* the certificate again, under the same number */
        ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);

        struct vt_txn *txn = NULL;
        struct vt_keyring_view *view = NULL;
        const struct vt_scope scope = {.sid = world_sid(TARGET)};
        ck_assert_ok(vt_txn_begin_read(world.store, &txn));
        ck_assert_ok(vt_keyring_view_begin(world.ring, txn, &view));
        ck_assert_ok(vt_ledger_find(view, &scope, &entry));
        ck_assert_uint_eq(entry.certificate, certificate);
        vt_keyring_view_end(view);
        vt_txn_abort(txn);
        ck_assert_ok(vt_epoch_push_floor(world.epoch));
        world_reopen(&world);
        ck_assert_ok(world_unseal(&world, NULL));
        ck_assert_ok(world_subject(&world, CONTROL));
        world_end(&world);
    }
}
END_TEST

START_TEST(a_lost_commit_without_a_journal_stops_and_erases_nothing)
{
    struct world world;
    world_with_lost_commit(&world, &no_journal);
    assert_stops(&world, VAULT_E_ROLLBACK, "no journal is configured");
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(a_lost_commit_that_the_journal_has_lost_too_stops)
{
    struct world world;
    world_with_lost_commit(&world, &one_of_one);
    world_copy(&world, "journal-before", "journal");
    assert_stops(&world, VAULT_E_ROLLBACK, "the journal does not have it either");
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(a_lost_commit_with_a_fresh_journal_stops)
{
    struct world world;
    char path[200];
    world_with_lost_commit(&world, &one_of_one);
    world_path(&world, "journal", path, sizeof path);
    vt_temp_dir_remove(path);
    assert_stops(&world, VAULT_E_ROLLBACK, "the journal does not have it either");
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(more_lost_than_the_journal_has_is_an_older_copy)
{
    struct world world;
    world_with_request(&world, &one_of_one);
    world_close(&world);
    world_copy(&world, "store", "store-before");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    world_touch_store(&world);                              /* a commit that the journal does not have */
    ck_assert_ok(world_close_epoch(&world, false));
    world_close(&world);
    world_copy(&world, "store-before", "store");
    assert_stops(&world, VAULT_E_ROLLBACK, "commits are missing");

    world_copy(&world, "store-before", "store");
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(an_older_copy_below_the_keepers_floor_is_named_a_rollback)
{
    struct world world;
    world_with_request(&world, &no_journal);
    world_close(&world);
    world_copy(&world, "store", "store-before");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    world_touch_store(&world);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    world_close(&world);
    world_copy(&world, "store-before", "store");
    assert_stops(&world, VAULT_E_ROLLBACK, "below the floor of keeper keeper-0");
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(a_copy_beside_the_live_vault_opens_below_the_floor_until_the_epoch_closes)
{
    struct world world;
    struct vt_err err = {{0}, {0}};
    world_with_request(&world, &no_journal);
    world_close(&world);
    world_copy(&world, "store", "store-before");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    world_touch_store(&world);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    world_close(&world);
    world_copy(&world, "store", "store-live");
    world_copy(&world, "store-before", "store");
    world.options.is_beside_live = true;
    world_open(&world);
    ck_assert_ok(world_unseal(&world, &err));
    world_close(&world);

    world.options.is_beside_live = false;
    world_copy(&world, "store-live", "store");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_close_epoch(&world, false));
    world_close(&world);
    world_copy(&world, "store-before", "store");
    world.options.is_beside_live = true;
    world_open(&world);
    ck_assert_status(world_unseal(&world, &err), VAULT_E_ROLLBACK);
    ck_assert(strstr(err.message, "has closed the epoch of this copy") != NULL);
    world_end(&world);
}
END_TEST

START_TEST(an_older_copy_by_two_epochs_is_named_a_rollback)
{
    struct world world;
    world_with_request(&world, &one_of_one);
    world_close(&world);
    world_copy(&world, "store", "store-before");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_ok(world_close_epoch(&world, true));
    world_close(&world);
    world_copy(&world, "store-before", "store");
    assert_stops(&world, VAULT_E_ROLLBACK, "below the floor of keeper keeper-0, epoch 3");
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(an_older_copy_behind_the_journal_is_named_a_rollback)
{
    struct world world;
    world_with_request(&world, &one_of_one);
    world_close(&world);
    world_copy(&world, "store", "store-before");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    world_add_subject(&world, 7);
    world_add_subject(&world, 8);
    world_close(&world);
    world_copy(&world, "store-before", "store");
    assert_stops(&world, VAULT_E_ROLLBACK, "the journal has commit");
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(an_older_keeper_is_not_taken_for_the_truth)
{
    struct world world;
    world_with_request(&world, &one_of_one);
    world_close(&world);
    world_copy(&world, "keeper-0", "keeper-before");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_close_epoch(&world, false));
    world_close(&world);
    world_copy(&world, "keeper-before", "keeper-0");
    assert_stops(&world, VAULT_E_ROLLBACK, "not of one state");
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(a_keeper_of_another_vault_is_named)
{
    struct world world, other;
    char from[200], to[200];
    world_with_request(&world, &one_of_one);
    world_new(&other, &one_of_one);
    world_close(&world);
    world_close(&other);
    world_path(&other, "keeper-0", from, sizeof from);
    world_path(&world, "keeper-0", to, sizeof to);
    ck_assert_int_eq(rename(from, to), 0);
    assert_stops(&world, VAULT_E_KEEPER, "belongs to another vault");
    vt_temp_dir_remove(world.dir);
    vt_temp_dir_remove(other.dir);
}
END_TEST

START_TEST(a_fresh_keeper_is_no_keeper_of_this_vault)
{
    struct world world;
    char path[200];
    world_with_request(&world, &one_of_one);
    world_close(&world);
    world_path(&world, "keeper-0", path, sizeof path);
    ck_assert_int_eq(unlink(path), 0);
    struct vt_err err;
    world_open(&world);
    ck_assert_status(world_unseal(&world, &err), VAULT_E_ROLLBACK);
    ck_assert_ptr_nonnull(strstr(err.message, "0 keepers hold a share"));
    world_end(&world);
}
END_TEST

START_TEST(a_journal_of_another_vault_is_named)
{
    struct world world, other;
    char from[200], to[200];
    world_with_request(&world, &one_of_one);
    world_with_request(&other, &one_of_one);
    world_close(&world);
    world_close(&other);
    world_path(&other, "journal", from, sizeof from);
    world_path(&world, "journal", to, sizeof to);
    vt_temp_dir_remove(to);
    ck_assert_int_eq(rename(from, to), 0);
    assert_stops(&world, VAULT_E_STATE, "The journal belongs to another vault");
    vt_temp_dir_remove(world.dir);
    vt_temp_dir_remove(other.dir);
}
END_TEST

START_TEST(a_wrong_unseal_key_opens_nothing_and_erases_nothing)
{
    struct world world;
    struct vt_key wrong;
    struct vt_err err;
    struct keeper_files before, after;
    world_with_request(&world, &two_of_three);
    world_close(&world);
    world_crash(&world, work_close, &(struct world_step){"S4.committed", 1});
    keepers_read(&world, &before);
    world_open(&world);
    ck_assert_ok(vt_random_key(&wrong));
    ck_assert_status(vt_epoch_unseal(world.epoch, &wrong, &err), VAULT_E_WRONG_SECRET);
    ck_assert_ptr_nonnull(strstr(err.message, "does not fit"));
    keepers_read(&world, &after);
    ck_assert_mem_eq(before.bytes, after.bytes, 3 * sizeof before.bytes[0]);
    ck_assert_ok(world_unseal(&world, NULL));               /* and the right one still does */
    ck_assert_status(world_unseal(&world, NULL), VAULT_E_STATE);
    world_end(&world);
}
END_TEST

START_TEST(k_keepers_unseal_and_one_fewer_do_not)
{
    struct world world;
    struct vt_err err;
    world_with_request(&world, &two_of_three);
    world_close(&world);
    for (unsigned absent = 0; absent < 8; absent++) {
        world.shape.absent = absent;
        world_open(&world);
        const unsigned away = (unsigned)__builtin_popcount(absent);
        ck_assert_status(world_unseal(&world, &err), away <= 1 ? VAULT_OK : VAULT_E_KEEPER);
        if (away <= 1) ck_assert_ok(world_subject(&world, CONTROL));
        if (away > 1) ck_assert_ptr_nonnull(strstr(err.message, "2 are needed"));
        world_close(&world);
    }
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(with_a_keeper_away_an_epoch_closes_only_when_the_tolerance_was_lowered)
{
    struct world world;
    struct world_shares shares;
    const uint64_t certificate = world_with_request(&world, &two_of_three);
    world_cut_keeper(&world, 2, true);
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_KEEPER);
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
    ck_assert_uint_eq(world_epoch(&world), 1);
    ck_assert_status(vt_epoch_set_tolerance(world.epoch, 2), VAULT_E_ARGUMENT);
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 0));
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    world_close(&world);
    world_shares_read(&world, &shares);
    ck_assert_uint_eq(shares.count, 3);                     /* keeper 2 still has its share of epoch 1: less than k */
    vt_temp_dir_remove(world.dir);
}
END_TEST

/* Keeper 2 was away while epoch 1 was closed. Open and unsealed; the share is what it still has. */
static struct vt_keeper_slot world_with_straggler(struct world *world)
{
    struct world_shares shares;
    struct vt_keeper_slot old = {.epoch = 0};
    world_with_request(world, &two_of_three);
    world_close(world);
    world_shares_read(world, &shares);
    for (size_t i = 0; i < shares.count; i++)
        if (shares.keeper[i] == 2) old = shares.slots[i];
    ck_assert_uint_eq(old.epoch, 1);
    world_open(world);
    ck_assert_ok(world_unseal(world, NULL));
    world_cut_keeper(world, 2, true);
    ck_assert_ok(vt_epoch_set_tolerance(world->epoch, 0));
    ck_assert_ok(world_close_epoch(world, false));
    ck_assert(world_share_is_anywhere(world, &old));
    return old;
}

START_TEST(a_keeper_that_returns_while_the_vault_runs_erases_before_it_serves)
{
    struct world world;
    const struct vt_keeper_slot old = world_with_straggler(&world);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert(world_share_is_anywhere(&world, &old));
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert(!world_share_is_anywhere(&world, &old));
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 1));
    ck_assert_ok(world_close_epoch(&world, true));          /* and takes part again */
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_that_returns_for_the_next_epoch_erases_before_it_takes_part)
{
    struct world world;
    const struct vt_keeper_slot old = world_with_straggler(&world);
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 1));
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert(!world_share_is_anywhere(&world, &old));
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_that_returns_at_unseal_with_an_old_share_erases_it)
{
    struct world world;
    const struct vt_keeper_slot old = world_with_straggler(&world);
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert(!world_share_is_anywhere(&world, &old));
    ck_assert_ok(world_subject(&world, CONTROL));
    world_end(&world);
}
END_TEST

START_TEST(a_prepared_epoch_that_alone_is_readable_is_not_taken_while_a_keeper_is_away)
{
    struct world world;
    struct keeper_files before, after;
    struct vt_err err;
    (void)world_with_straggler(&world);                     /* keeper 2 holds nothing of epoch 2 */
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    world_add_subject(&world, TARGET + 10);
    (void)world_request(&world, TARGET + 10);
    world_close(&world);
    world_crash(&world, work_close, &(struct world_step){"S3.journal", 1});
    keepers_read(&world, &before);
    world.shape.absent = 2;                                 /* keepers 0 and 2: one share of epoch 2, two of epoch 3 */
    world_open(&world);
    ck_assert_status(world_unseal(&world, &err), VAULT_E_KEEPER);
    ck_assert_uint_eq(world_epoch(&world), 2);
    world_close(&world);
    keepers_read(&world, &after);
    ck_assert_mem_eq(before.bytes, after.bytes, 3 * sizeof before.bytes[0]);
    world.shape.absent = 0;
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_uint_eq(world_epoch(&world), 2);
    ck_assert_status(world_subject(&world, TARGET + 10), VAULT_E_SHRED_PENDING);
    world_end(&world);
}
END_TEST

START_TEST(sealing_under_an_open_closing_asks_for_it_to_be_freed)
{
    struct world world;
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    struct vt_epoch_closing *closing = NULL;
    world_with_request(&world, &one_of_one);
    ck_assert_ok(vt_txn_begin_read(world.store, &txn));
    ck_assert_ok(vt_keyring_view_begin(world.ring, txn, &view));
    ck_assert_ok(vt_epoch_freeze(world.epoch, view, false, &closing));
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    vt_epoch_seal(world.epoch);
    ck_assert_status(vt_epoch_prepare(closing), VAULT_E_SEALED);
    ck_assert_status(world_unseal(&world, NULL), VAULT_E_BUSY);
    vt_epoch_closing_free(closing);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
    world_end(&world);
}
END_TEST

/* Cuts two of three keepers off when the fence has been passed. */
static void cut_at_fence(const char *step, void *context)
{
    struct world *world = context;
    if (strcmp(step, "S5.fenced") != 0) return;
    world_cut_keeper(world, 0, true);
    world_cut_keeper(world, 1, true);
}

START_TEST(too_few_receipts_leave_the_certificate_pending_until_enough_have_come)
{
    for (int reopens = 0; reopens < 2; reopens++) {
        struct world world;
        struct vt_epoch_status status;
        const uint64_t certificate = world_with_request(&world, &two_of_three);
        vt_fault_set_step_hook(cut_at_fence, &world);
        ck_assert_status(world_close_epoch(&world, false), VAULT_E_KEEPER);
        vt_fault_set_step_hook(NULL, NULL);
        ck_assert_uint_eq(world_epoch(&world), 2);
        ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
        ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_PENDING);
        ck_assert_ok(vt_epoch_status(world.epoch, &status));
        ck_assert_uint_eq(status.closing, 1);
        ck_assert_status(world_close_epoch(&world, false), VAULT_E_KEEPER);
        ck_assert(!vt_epoch_is_due(world.epoch));
        world.clock.offset_ms += 60 * 1000;
        ck_assert(vt_epoch_is_due(world.epoch));
        if (reopens) {
            world_reopen(&world);
            ck_assert_ok(world_unseal(&world, NULL));
        } else {
            world_cut_keeper(&world, 0, false);
            world_cut_keeper(&world, 1, false);
        }
        ck_assert_ok(world_close_epoch(&world, false));
        ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
        world_end(&world);
    }
}
END_TEST

START_TEST(a_missing_journal_is_begun_anew_with_a_gap_and_the_vault_runs)
{
    struct world world;
    struct vt_epoch_status status;
    char path[200];
    world_with_request(&world, &one_of_one);
    world_close(&world);
    world_path(&world, "journal", path, sizeof path);
    vt_temp_dir_remove(path);
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert(status.journal.has_records);
    struct vt_root_record root;
    VT_AUTO_PTR(vt_txn) txn = NULL;
    ck_assert_ok(vt_txn_begin_read(world.store, &txn));
    ck_assert_ok(vt_keyring_root_record(txn, &root));
    ck_assert_uint_eq(status.journal.covers_from, root.commit_number);
    vt_txn_abort(VT_MOVE(txn));
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
    world_end(&world);
}
END_TEST

START_TEST(a_root_page_that_does_not_open_stops_before_anything_is_erased)
{
    struct world world;
    struct vt_txn *txn = NULL;
    struct vt_bytes value;
    uint8_t changed[8192];
    world_with_request(&world, &one_of_one);
    world_close(&world);
    world_crash(&world, work_close, &(struct world_step){"S4.committed", 1});
    world_open(&world);
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_ok(vt_store_get(txn, VT_TABLE_META, vt_bytes_str("root"), &value));
    ck_assert_uint_le(value.len, sizeof changed);
    memcpy(changed, value.data, value.len);
    changed[value.len - 1] ^= 1;
    ck_assert_ok(vt_store_put(txn, VT_TABLE_META, vt_bytes_str("root"), vt_bytes(changed, value.len), VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
    world_close(&world);

    struct keeper_files before, after;
    struct vt_err err;
    keepers_read(&world, &before);
    world_open(&world);
    const vault_status status = world_unseal(&world, &err);
    ck_assert(status == VAULT_E_AUTHENTICITY || status == VAULT_E_CORRUPT);
    world_close(&world);
    keepers_read(&world, &after);
    ck_assert_mem_eq(before.bytes[0], after.bytes[0], sizeof before.bytes[0]);
    vt_temp_dir_remove(world.dir);
}
END_TEST

/* Unsealing after a crash at the commit point, with the nth call of a kind failing; then without. */
static bool unseal_with_fault(const struct world *crashed, uint64_t certificate, enum vt_fault kind, unsigned nth)
{
    struct world world;
    struct vt_err err;
    struct vt_wraps *wraps = NULL;
    struct vt_key unseal_key;
    world_clone(crashed, &world);
    world_open(&world);
    ck_assert_ok(vt_epoch_wraps(world.epoch, &wraps));
    ck_assert_ok(vt_wraps_open_key_file(wraps, vt_bytes_str(world_key_file), &unseal_key));
    vt_wraps_free(wraps);
    vt_fault_arm(kind, nth);
    vault_status status = vt_epoch_unseal(world.epoch, &unseal_key, &err);
    const bool fired = vt_fault_disarm();
    ck_assert(fired || status == VAULT_OK);
    ck_assert_int_eq(vt_epoch_is_sealed(world.epoch), status != VAULT_OK);
    if (status != VAULT_OK) {
        ck_assert_int_ne(err.message[0], '\0');
        world_reopen(&world);
        ck_assert_ok(world_unseal(&world, NULL));
    }
    ck_assert_ok(world_subject(&world, CONTROL));
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    struct world_shares shares;
    world_close(&world);
    world_shares_read(&world, &shares);
    ck_assert_uint_eq(shares.count, world.shape.m);
    for (size_t i = 0; i < shares.count; i++) ck_assert_uint_eq(shares.slots[i].epoch, 3);
    vt_temp_dir_remove(world.dir);
    return fired;
}

START_TEST(a_failing_call_during_recovery_is_reported_and_the_next_try_opens)
{
    static const struct {
        enum vt_fault kind;
        unsigned stride;
    } kinds[] = {{VT_FAULT_STORE, 1}, {VT_FAULT_KEEPER, 1}, {VT_FAULT_JOURNAL, 1}, {VT_FAULT_ALLOC, 5}};
    const struct world_shape shape = {.k = 2, .m = 3, .has_journal = true, .has_fault_store = true};
    struct world crashed;
    const uint64_t certificate = world_with_request(&crashed, &shape);
    world_close(&crashed);
    world_crash(&crashed, work_close, &(struct world_step){"S4.committed", 1});
    for (size_t i = 0; i < VT_ARRAY_LEN(kinds); i++) {
        bool fired = true;
        for (unsigned nth = 1; fired; nth += kinds[i].stride)
            fired = unseal_with_fault(&crashed, certificate, kinds[i].kind, nth);
    }
    vt_temp_dir_remove(crashed.dir);
}
END_TEST

/* Rotation of U whose commit the disk has lost: the new wraps are in the journal alone. */
START_TEST(a_lost_rotation_of_the_unseal_key_opens_with_the_new_secret)
{
    static const char second[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    struct world world;
    struct vt_wraps *wraps = NULL;
    struct vt_err err;
    world_with_request(&world, &two_of_three);
    world_close(&world);
    world_copy(&world, "store", "store-before");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(vt_epoch_rotate_unseal_key(world.epoch, world_add_wraps, (void *)(uintptr_t)second));
    world_close(&world);
    world_copy(&world, "store-before", "store");
    world_open(&world);
    ck_assert_ok(vt_epoch_wraps(world.epoch, &wraps));
    ck_assert_uint_eq(vt_wraps_count(wraps), 2);
    vt_wraps_free(wraps);
    ck_assert_status(world_unseal_with(&world, world_key_file, &err), VAULT_E_WRONG_SECRET);
    ck_assert_uint_eq(world_epoch(&world), 1);              /* nothing was rolled forward for the old secret */
    ck_assert_ok(world_unseal_with(&world, second, &err));
    ck_assert_uint_eq(world_epoch(&world), 2);
    ck_assert_ok(world_subject(&world, CONTROL));
    world_reopen(&world);
    ck_assert_status(world_unseal_with(&world, world_key_file, &err), VAULT_E_WRONG_SECRET);
    ck_assert_ok(world_unseal_with(&world, second, &err));
    world_end(&world);
}
END_TEST

VT_TEST_MAIN("epoch/recover", row_e_e_runs, row_e_with_a_prepared_next_epoch_aborts_it,
             row_e1_with_both_epochs_at_the_keepers_erases_the_old_one_and_owes_the_certificate,
             row_e1_e1_finishes_the_certificates_when_they_are_not_recorded,
             row_e_with_only_the_next_epoch_is_rolled_forward_from_the_journal,
             a_lost_commit_without_a_journal_stops_and_erases_nothing,
             a_lost_commit_that_the_journal_has_lost_too_stops, a_lost_commit_with_a_fresh_journal_stops,
             more_lost_than_the_journal_has_is_an_older_copy,
             an_older_copy_below_the_keepers_floor_is_named_a_rollback,
             a_copy_beside_the_live_vault_opens_below_the_floor_until_the_epoch_closes,
             an_older_copy_by_two_epochs_is_named_a_rollback,
             an_older_copy_behind_the_journal_is_named_a_rollback, an_older_keeper_is_not_taken_for_the_truth,
             a_keeper_of_another_vault_is_named, a_fresh_keeper_is_no_keeper_of_this_vault,
             a_journal_of_another_vault_is_named, a_wrong_unseal_key_opens_nothing_and_erases_nothing,
             k_keepers_unseal_and_one_fewer_do_not,
             with_a_keeper_away_an_epoch_closes_only_when_the_tolerance_was_lowered,
             a_keeper_that_returns_while_the_vault_runs_erases_before_it_serves,
             a_keeper_that_returns_for_the_next_epoch_erases_before_it_takes_part,
             a_keeper_that_returns_at_unseal_with_an_old_share_erases_it,
             a_prepared_epoch_that_alone_is_readable_is_not_taken_while_a_keeper_is_away,
             sealing_under_an_open_closing_asks_for_it_to_be_freed,
             too_few_receipts_leave_the_certificate_pending_until_enough_have_come,
             a_missing_journal_is_begun_anew_with_a_gap_and_the_vault_runs,
             a_root_page_that_does_not_open_stops_before_anything_is_erased,
             a_failing_call_during_recovery_is_reported_and_the_next_try_opens,
             a_lost_rotation_of_the_unseal_key_opens_with_the_new_secret)
