/* For every point that a closing, a recovery, an initialisation or a rotation passes: the process is killed there, and what it
 * left is opened again. docs/ARCHITECTURE.md "Life of a shred". */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "tests/unit/epoch/epoch_world.h"

enum { PARTIAL = 3, PARTIAL_CATEGORY = 2 };
static const char second_key_file[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

struct requests {
    uint64_t target, partial;       /* certificate numbers */
};

/* Three subjects, two requests, closed. */
static struct requests base_new(struct world *world, const struct world_shape *shape)
{
    struct requests requests;
    world_new(world, shape);
    world_add_subject(world, TARGET);
    world_add_subject(world, CONTROL);
    world_add_subject(world, PARTIAL);
    requests.target = world_request(world, TARGET);
    requests.partial = world_request_scope(world, PARTIAL, PARTIAL_CATEGORY);
    ck_assert_ok(vt_epoch_push_floor(world->epoch));
    world_close(world);
    return requests;
}

static vault_status work_close(struct world *world, void (*hook)(const char *step, void *context), void *context)
{
    VT_TRY(world_unseal(world, NULL));
    vt_fault_set_step_hook(hook, context);
    return world_close_epoch(world, false);
}

static vault_status work_unseal(struct world *world, void (*hook)(const char *step, void *context), void *context)
{
    vt_fault_set_step_hook(hook, context);
    return world_unseal(world, NULL);
}

static bool has_category(struct world *world, unsigned number, uint16_t category)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    const struct vt_subject_keys *keys;
    const struct vt_sid sid = world_sid(number);
    ck_assert_ok(vt_txn_begin_read(world->store, &txn));
    ck_assert_ok(vt_keyring_view_begin(world->ring, txn, &view));
    ck_assert_ok(vt_keyring_subject_keys(view, VT_TENANT_DEFAULT, &sid, &keys));
    const bool has = vt_subject_keys_live(keys, category, 0) != NULL;
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return has;
}

static void assert_still_pending(struct world *world, const struct requests *requests)
{
    const struct vt_scope partial = {.sid = world_sid(PARTIAL), .category = PARTIAL_CATEGORY};
    ck_assert_status(world_subject(world, TARGET), VAULT_E_SHRED_PENDING);
    ck_assert(vt_stamps_is_pending(world->stamps, &partial));
    ck_assert_int_eq(world_certificate(world, requests->target), VT_CERTIFICATE_PENDING);
    ck_assert_int_eq(world_certificate(world, requests->partial), VT_CERTIFICATE_PENDING);
    ck_assert(has_category(world, PARTIAL, PARTIAL_CATEGORY));
}

static void assert_gone(struct world *world)
{
    ck_assert_status(world_subject(world, TARGET), VAULT_E_NOT_FOUND);
    ck_assert(!has_category(world, PARTIAL, PARTIAL_CATEGORY));
    ck_assert(has_category(world, PARTIAL, PARTIAL_CATEGORY + 1));
    ck_assert_uint_eq(vt_stamps_pending_count(world->stamps), 0);
}

/* Every share that lay at a keeper after the crash and is not of the present epoch is gone, byte by byte. */
static void assert_erased(const struct world *world, const struct world_shares *shares, uint64_t epoch)
{
    for (size_t i = 0; i < shares->count; i++)
        if (shares->slots[i].epoch != epoch) ck_assert(!world_share_is_anywhere(world, &shares->slots[i]));
}

/* The attempt that the store did not take is nowhere either. */
static void assert_attempt_erased(const struct world *world, const struct world_shares *before)
{
    struct world_shares now;
    world_shares_read(world, &now);
    for (size_t i = 0; i < now.count; i++) ck_assert_uint_eq(now.slots[i].state, VT_SLOT_COMMITTED);
    for (size_t i = 0; i < before->count; i++) {
        bool is_kept = false;
        for (size_t j = 0; j < now.count; j++)
            is_kept = is_kept || memcmp(before->slots[i].share, now.slots[j].share, before->slots[i].share_len) == 0;
        if (!is_kept) ck_assert(!world_share_is_anywhere(world, &before->slots[i]));
    }
}

/* After a crash: unseal, look, finish, look again, and once more from disk. */
static void assert_recovers(struct world *world, const struct requests *requests)
{
    struct world_shares shares;
    struct vt_err err;
    world_shares_read(world, &shares);
    world_open(world);
    const vault_status unsealed = world_unseal(world, &err);
    ck_assert_msg(unsealed == VAULT_OK, "%s", err.message);
    ck_assert_ok(world_subject(world, CONTROL));
    const uint64_t epoch = world_epoch(world);
    ck_assert(epoch == 1 || epoch == 2);
    if (epoch == 1) assert_still_pending(world, requests);
    if (epoch == 2) assert_gone(world);
    assert_erased(world, &shares, epoch);

    const vault_status closed = world_close_epoch(world, false);
    ck_assert(closed == VAULT_OK || (closed == VAULT_E_NOT_FOUND && epoch == 2));
    ck_assert_uint_eq(world_epoch(world), 2);
    assert_gone(world);
    ck_assert_int_eq(world_certificate(world, requests->target), VT_CERTIFICATE_EFFECTIVE);
    ck_assert_int_eq(world_certificate(world, requests->partial), VT_CERTIFICATE_EFFECTIVE);
    assert_erased(world, &shares, 2);

    world_close(world);
    assert_attempt_erased(world, &shares);
    world_open(world);
    ck_assert_ok(world_unseal(world, NULL));
    ck_assert_ok(world_subject(world, CONTROL));
    assert_gone(world);
    ck_assert(!vt_epoch_is_due(world->epoch));
}

static void crash_everywhere_in_closing(const struct world_shape *shape)
{
    struct world base, copy;
    struct world_steps steps;
    const struct requests requests = base_new(&base, shape);
    world_clone(&base, &copy);
    world_steps(&copy, work_close, &steps);
    world_end(&copy);
    ck_assert_uint_gt(steps.count, 15);
    for (size_t i = 0; i < steps.count; i++) {
        world_clone(&base, &copy);
        world_crash(&copy, work_close, &steps.items[i]);
        assert_recovers(&copy, &requests);
        world_end(&copy);
    }
    world_end(&base);
}

START_TEST(a_crash_anywhere_in_a_closing_loses_nothing_and_keeps_nothing_1_of_1)
{
    const struct world_shape shape = {.k = 1, .m = 1, .has_journal = true};
    crash_everywhere_in_closing(&shape);
}
END_TEST

START_TEST(a_crash_anywhere_in_a_closing_loses_nothing_and_keeps_nothing_2_of_3)
{
    const struct world_shape shape = {.k = 2, .m = 3, .has_journal = true};
    crash_everywhere_in_closing(&shape);
}
END_TEST

START_TEST(a_crash_anywhere_in_a_closing_without_a_journal_is_recovered_too)
{
    const struct world_shape shape = {.k = 1, .m = 1};
    crash_everywhere_in_closing(&shape);
}
END_TEST

START_TEST(a_crash_anywhere_in_the_recovery_from_a_crash_is_recovered)
{
    static const struct world_step first[] = {{"S2.prepared", 1}, {"S3.journal", 1}, {"S4.committed", 1}, {"S6.keeper", 1}};
    const struct world_shape shapes[] = {{.k = 1, .m = 1, .has_journal = true}, {.k = 2, .m = 3, .has_journal = true}};
    for (size_t s = 0; s < VT_ARRAY_LEN(shapes); s++) {
        struct world base;
        const struct requests requests = base_new(&base, &shapes[s]);
        for (size_t f = 0; f < VT_ARRAY_LEN(first); f++) {
            struct world crashed, copy;
            struct world_steps steps;
            world_clone(&base, &crashed);
            world_crash(&crashed, work_close, &first[f]);
            world_clone(&crashed, &copy);
            world_steps(&copy, work_unseal, &steps);
            world_end(&copy);
            ck_assert_uint_gt(steps.count, 0);
            for (size_t i = 0; i < steps.count; i++) {
                world_clone(&crashed, &copy);
                world_crash(&copy, work_unseal, &steps.items[i]);
                assert_recovers(&copy, &requests);
                world_end(&copy);
            }
            world_end(&crashed);
        }
        world_end(&base);
    }
}
END_TEST

static vault_status work_initialise(struct world *world, void (*hook)(const char *step, void *context), void *context)
{
    vt_fault_set_step_hook(hook, context);
    return vt_epoch_initialise(world->epoch, world_add_wraps, NULL);
}

START_TEST(a_crash_in_the_first_initialisation_leaves_nothing_or_a_vault_that_unseals)
{
    const struct world_shape shape = {.k = 2, .m = 3, .has_journal = true};
    struct world_steps steps;
    for (size_t i = 0; i == 0 || i <= steps.count; i++) {
        struct world world = {.shape = shape};
        vt_temp_dir_make(world.dir, sizeof world.dir);
        world_open(&world);
        world_close(&world);
        if (i == 0)
            world_steps(&world, work_initialise, &steps);
        else
            world_crash(&world, work_initialise, &steps.items[i - 1]);
        world_open(&world);
        struct vt_epoch_status status;
        ck_assert_ok(vt_epoch_status(world.epoch, &status));
        if (status.is_initialised)
            ck_assert_ok(world_unseal(&world, NULL));
        else
            ck_assert_ok(vt_epoch_initialise(world.epoch, world_add_wraps, NULL));
        world_add_subject(&world, CONTROL);
        ck_assert_ok(world_close_epoch(&world, true));
        ck_assert_ok(world_subject(&world, CONTROL));
        world_end(&world);
    }
    ck_assert_uint_gt(steps.count, 10);
}
END_TEST

static vault_status work_rotate(struct world *world, void (*hook)(const char *step, void *context), void *context)
{
    VT_TRY(world_unseal(world, NULL));
    vt_fault_set_step_hook(hook, context);
    return vt_epoch_rotate_unseal_key(world->epoch, world_add_wraps, (void *)(uintptr_t)second_key_file);
}

START_TEST(a_crash_anywhere_in_a_rotation_of_the_unseal_key_leaves_one_that_opens)
{
    const struct world_shape shape = {.k = 2, .m = 3, .has_journal = true};
    struct world base, copy;
    struct world_steps steps;
    (void)base_new(&base, &shape);
    world_clone(&base, &copy);
    world_steps(&copy, work_rotate, &steps);
    world_end(&copy);
    for (size_t i = 0; i < steps.count; i++) {
        world_clone(&base, &copy);
        world_crash(&copy, work_rotate, &steps.items[i]);
        world_open(&copy);
        const bool is_rotated = world_epoch(&copy) == 2;
        if (is_rotated) ck_assert_status(world_unseal_with(&copy, world_key_file, NULL), VAULT_E_WRONG_SECRET);
        ck_assert_ok(world_unseal_with(&copy, is_rotated ? second_key_file : world_key_file, NULL));
        ck_assert_ok(world_subject(&copy, CONTROL));
        ck_assert_uint_eq(vt_stamps_pending_count(copy.stamps), 2);
        ck_assert_ok(world_close_epoch(&copy, false));
        assert_gone(&copy);
        world_end(&copy);
    }
    world_end(&base);
}
END_TEST

/* keeper-2 leaves, keeper-3 comes. */
static vault_status work_change(struct world *world, void (*hook)(const char *step, void *context), void *context)
{
    const struct vt_keeper_wish wish = {.leave_count = 1, .leave = {"keeper-2"}};
    struct vt_keeper_plan plan;
    struct vt_epoch_check check;
    VT_TRY(world_unseal(world, NULL));
    VT_TRY(vt_epoch_check(world->epoch, &check));
    VT_TRY(vt_epoch_plan_change(world->epoch, &wish, &check, &plan, NULL));
    vt_fault_set_step_hook(hook, context);
    return vt_epoch_change_keepers(world->epoch, &plan);
}

START_TEST(a_crash_anywhere_in_a_change_of_the_keepers_leaves_the_old_set_or_the_new_one)
{
    const struct world_shape shape = {.k = 2, .m = 3, .has_journal = true};
    struct world base, copy;
    struct world_steps steps;
    (void)base_new(&base, &shape);
    base.shape.m = 4;
    world_clone(&base, &copy);
    world_steps(&copy, work_change, &steps);
    world_end(&copy);
    for (size_t i = 0; i < steps.count; i++) {
        struct world_shares shares;
        world_clone(&base, &copy);
        world_crash(&copy, work_change, &steps.items[i]);
        world_open(&copy);
        const bool is_changed = world_epoch(&copy) == 2;
        ck_assert_ok(world_unseal(&copy, NULL));
        ck_assert_ok(world_subject(&copy, CONTROL));
        ck_assert_ok(world_close_epoch(&copy, false));
        assert_gone(&copy);
        world_close(&copy);
        world_shares_read(&copy, &shares);
        ck_assert_uint_eq(shares.count, 3);
        for (size_t j = 0; j < shares.count; j++) ck_assert_uint_ne(shares.keeper[j], is_changed ? 2 : 3);
        vt_temp_dir_remove(copy.dir);
    }
    world_end(&base);
}
END_TEST

VT_TEST_MAIN("epoch/crash", a_crash_anywhere_in_a_closing_loses_nothing_and_keeps_nothing_1_of_1,
             a_crash_anywhere_in_a_closing_loses_nothing_and_keeps_nothing_2_of_3,
             a_crash_anywhere_in_a_closing_without_a_journal_is_recovered_too,
             a_crash_anywhere_in_the_recovery_from_a_crash_is_recovered,
             a_crash_in_the_first_initialisation_leaves_nothing_or_a_vault_that_unseals,
             a_crash_anywhere_in_a_rotation_of_the_unseal_key_leaves_one_that_opens,
             a_crash_anywhere_in_a_change_of_the_keepers_leaves_the_old_set_or_the_new_one)
