/* The life of a set of keepers: what a check says of them, one that is lost and comes back or does not, and changes of the set.
 * docs/OPERATIONS.md "Keepers". */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/aead.h"
#include "libvault/proof/certificate.h"
#include "tests/support/own_memory.h"
#include "tests/unit/epoch/epoch_world.h"
#include "vaultd/core/keeper/keeper_ram.h"

static const struct world_shape one_of_one = {.k = 1, .m = 1, .has_journal = true};
static const struct world_shape two_of_three = {.k = 2, .m = 3, .has_journal = true};

static void keeper_path(const struct world *world, unsigned keeper, char out_path[200])
{
    char name[24];
    snprintf(name, sizeof name, "keeper-%u", keeper);
    world_path(world, name, out_path, 200);
}

/* The share of @p keeper of the epoch that is on disk. The world is closed meanwhile, and unsealed afterwards. */
static struct vt_keeper_slot share_of(struct world *world, unsigned keeper)
{
    struct world_shares shares;
    struct vt_keeper_slot slot = {.epoch = 0};
    world_close(world);
    world_shares_read(world, &shares);
    for (size_t i = 0; i < shares.count; i++)
        if (shares.keeper[i] == keeper) slot = shares.slots[i];
    world_open(world);
    ck_assert_ok(world_unseal(world, NULL));
    return slot;
}

static void assert_need(const struct vt_epoch_need *need, unsigned needed, unsigned have)
{
    ck_assert_uint_eq(need->needed, needed);
    ck_assert_uint_eq(need->have, have);
}

/* Checking ---------------------------------------------------------------------------------------------------------- */

START_TEST(a_check_says_of_each_keeper_what_it_holds_and_that_its_share_fits)
{
    struct world world;
    struct vt_epoch_check check;
    world_with_request(&world, &two_of_three);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert(!check.is_sealed);
    ck_assert_uint_eq(check.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct vt_keeper_check *keeper = &check.keepers[i];
        ck_assert(keeper->info.is_reachable);
        ck_assert_int_eq(keeper->belongs, VT_KEEPER_TO_US);
        ck_assert_uint_eq(keeper->held_count, 1);
        ck_assert_uint_eq(keeper->held[0].epoch, 2);
        ck_assert_uint_eq(keeper->held[0].k, 2);
        ck_assert_uint_eq(keeper->held[0].m, 3);
        ck_assert_uint_eq(keeper->held[0].x, i + 1);
        ck_assert_int_eq(keeper->held[0].state, VT_SLOT_COMMITTED);
        ck_assert_int_eq(keeper->share, VT_SHARE_FITS);
        ck_assert_int_eq(keeper->receipt, VT_RECEIPT_VERIFIED);
    }
    assert_need(&check.tolerance.opening, 2, 3);
    assert_need(&check.tolerance.preparing, 3, 3);
    assert_need(&check.tolerance.erasing, 2, 3);
    world_end(&world);
}
END_TEST

START_TEST(a_check_of_a_sealed_vault_says_what_is_there_and_not_whether_it_fits)
{
    struct world world;
    struct vt_epoch_check check;
    world_with_request(&world, &two_of_three);
    world_reopen(&world);
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert(check.is_sealed);
    for (unsigned i = 0; i < 3; i++) ck_assert_int_eq(check.keepers[i].share, VT_SHARE_UNCHECKED);
    assert_need(&check.tolerance.opening, 2, 3);
    world_end(&world);
}
END_TEST

/* A keeper with a share of the present epoch that was made up. */
static void put_made_up_share(struct world *world, unsigned keeper)
{
    struct vt_keeper *fresh = NULL;
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    char path[200];
    struct vt_keeper_slot slot = share_of(world, keeper);
    world_close(world);
    keeper_path(world, keeper, path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_ok(vt_keeper_file_open(path, "fresh", false, &fresh));
    slot.state = VT_SLOT_PREPARED;
    slot.share[20] ^= 1;
    ck_assert_ok(fresh->ops->prepare(fresh, &slot));
    ck_assert_ok(fresh->ops->finalize(fresh, slot.incarnation, slot.epoch, slot.attempt, 1, 1, &receipt));
    vt_keeper_free(fresh);
    world_open(world);
}

START_TEST(a_check_names_the_share_that_does_not_fit)
{
    for (unsigned bad = 0; bad < 3; bad++) {
        struct world world;
        struct vt_epoch_check check;
        world_with_request(&world, &two_of_three);
        put_made_up_share(&world, bad);
        ck_assert_ok(world_unseal(&world, NULL));
        ck_assert_ok(vt_epoch_check(world.epoch, &check));
        for (unsigned i = 0; i < 3; i++)
            ck_assert_int_eq(check.keepers[i].share, i == bad ? VT_SHARE_WRONG : VT_SHARE_FITS);
        world_end(&world);
    }
}
END_TEST

START_TEST(a_check_is_refused_while_an_epoch_closes)
{
    struct world world;
    struct vt_epoch_check check;
    struct vt_epoch_closing *closing = NULL;
    world_new(&world, &one_of_one);
    ck_assert_ok(vt_epoch_freeze_rotation(world.epoch, world_add_wraps, NULL, &closing));
    ck_assert_status(vt_epoch_check(world.epoch, &check), VAULT_E_BUSY);
    vt_epoch_closing_free(closing);
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    world_end(&world);
}
END_TEST

static void *push(void *context)
{
    struct world *world = context;
    ck_assert_ok(vt_epoch_push_floor(world->epoch));
    return NULL;
}

START_TEST(a_check_does_not_wait_for_a_keeper_that_hangs)
{
    struct world world;
    struct vt_epoch_check check;
    pthread_t thread;
    sem_t entered, go;
    ck_assert_int_eq(sem_init(&entered, 0, 0), 0);
    ck_assert_int_eq(sem_init(&go, 0, 0), 0);
    world_new(&world, &two_of_three);
    world_hang_keeper(&world, 1, &entered, &go);
    ck_assert_int_eq(pthread_create(&thread, NULL, push, &world), 0);
    while (sem_wait(&entered) != 0) continue;
    for (unsigned i = 0; i < 2; i++) ck_assert_status(vt_epoch_check(world.epoch, &check), VAULT_E_BUSY);
    ck_assert_int_eq(sem_post(&go), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    world_end(&world);
    sem_destroy(&entered);
    sem_destroy(&go);
}
END_TEST

START_TEST(status_says_how_many_keepers_may_fail_and_when_too_few_are_left)
{
    struct world world;
    struct vt_epoch_status status;
    world_new(&world, &two_of_three);
    for (unsigned away = 0; away <= 3; away++) {
        if (away != 0) world_cut_keeper(&world, away - 1, true);
        ck_assert_status(vt_epoch_push_floor(world.epoch), away <= 1 ? VAULT_OK : VAULT_E_KEEPER);
        ck_assert_ok(vt_epoch_status(world.epoch, &status));
        assert_need(&status.may_fail.opening, 2, 3 - away);
        assert_need(&status.may_fail.preparing, 3, 3 - away);
        assert_need(&status.may_fail.erasing, 2, 3 - away);
    }
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_without_a_share_does_not_count_for_opening)
{
    struct world world;
    struct vt_epoch_status status;
    world_new(&world, &two_of_three);
    world_cut_keeper(&world, 2, true);
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 0));
    ck_assert_ok(world_close_epoch(&world, true));
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    assert_need(&status.may_fail.opening, 2, 2);
    assert_need(&status.may_fail.erasing, 2, 3);
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 1));
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    assert_need(&status.may_fail.opening, 2, 3);
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_whose_file_was_moved_away_takes_no_share)
{
    struct world world;
    struct vt_epoch_status status;
    char path[200], away[200];
    world_new(&world, &two_of_three);
    keeper_path(&world, 1, path);
    world_path(&world, "moved", away, sizeof away);
    ck_assert_int_eq(rename(path, away), 0);
    ck_assert_status(world_close_epoch(&world, true), VAULT_E_KEEPER);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    assert_need(&status.may_fail.preparing, 3, 2);
    ck_assert_int_eq(rename(away, path), 0);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_uint_eq(world_epoch(&world), 2);
    world_end(&world);
}
END_TEST

/* Lost, and back ------------------------------------------------------------------------------------------------------ */

/* Cuts a keeper off at a point. */
struct cutting {
    struct world *world;
    const char *step;
    unsigned keeper, left;
    unsigned also;                          /* bit i: keeper i with it */
};

static void cut_at_step(const char *step, void *context)
{
    struct cutting *cutting = context;
    if (cutting->left == 0 || strcmp(step, cutting->step) != 0 || --cutting->left != 0) return;
    for (unsigned i = 0; i < cutting->world->shape.m; i++)
        if (i == cutting->keeper || (cutting->also >> i & 1) != 0) world_cut_keeper(cutting->world, i, true);
}

/* @p keeper 2 has its share already when the third keeper has been asked. */
START_TEST(a_keeper_lost_while_shares_are_given_out_leaves_all_as_it_was_and_heals_when_it_is_back)
{
    for (unsigned nth = 1; nth <= 2; nth++) {
        struct world world;
        const uint64_t certificate = world_with_request(&world, &two_of_three);
        struct cutting cutting = {&world, "S2.keeper", nth, nth, 0};    /* gone before, or right after, it was asked */
        if (nth == 2) cutting.keeper = 0;
        vt_fault_set_step_hook(cut_at_step, &cutting);
        const vault_status closed = world_close_epoch(&world, false);
        vt_fault_set_step_hook(NULL, NULL);
        if (nth == 1) {
            ck_assert_status(closed, VAULT_E_KEEPER);
            ck_assert_uint_eq(world_epoch(&world), 1);
            ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
        } else {
            ck_assert_ok(closed);       /* it has taken its share; two receipts are enough */
        }
        world_cut_keeper(&world, cutting.keeper, false);
        ck_assert_ok(world_close_epoch(&world, true));
        ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
        for (unsigned i = 0; i < 3; i++) ck_assert_uint_eq(share_of(&world, i).epoch, world_epoch(&world));
        world_end(&world);
    }
}
END_TEST

START_TEST(a_keeper_lost_while_a_vault_is_made_leaves_one_that_works)
{
    struct world world;
    struct vt_epoch_status status;
    struct cutting cutting = {&world, "init.committed", 2, 1, 0};
    vt_fault_set_step_hook(cut_at_step, &cutting);
    world_new(&world, &two_of_three);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert_status(status.keeper_errors[2], VAULT_E_CONNECT);
    world_add_subject(&world, CONTROL);
    world.shape.absent = 1 << 2;
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_subject(&world, CONTROL));
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 0));
    ck_assert_ok(world_close_epoch(&world, true));          /* who holds shares is known */
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 1));
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_uint_eq(share_of(&world, 2).epoch, 3);
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_lost_while_a_vault_is_made_takes_its_first_share_when_it_is_back)
{
    struct world world;
    struct vt_epoch_status status;
    struct cutting cutting = {&world, "init.committed", 2, 1, 0};
    vt_fault_set_step_hook(cut_at_step, &cutting);
    world_new(&world, &two_of_three);
    vt_fault_set_step_hook(NULL, NULL);
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert_uint_eq(status.floors[2].epoch, 1);
    assert_need(&status.may_fail.opening, 2, 3);
    assert_need(&status.may_fail.erasing, 2, 3);
    world_end(&world);
}
END_TEST

START_TEST(a_vault_is_not_made_when_too_few_keepers_have_their_share_for_good)
{
    struct world world = {.shape = two_of_three};
    struct cutting cutting = {&world, "init.committed", 1, 1, 1 << 2};
    vt_temp_dir_make(world.dir, sizeof world.dir);
    world_open(&world);
    vt_fault_set_step_hook(cut_at_step, &cutting);
    ck_assert_status(vt_epoch_initialise(world.epoch, world_add_wraps, NULL), VAULT_E_CONNECT);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert(vt_epoch_is_sealed(world.epoch));
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_lost_when_shares_are_erased_erases_on_its_return_and_has_the_next_share)
{
    struct world world;
    const uint64_t certificate = world_with_request(&world, &two_of_three);
    const struct vt_keeper_slot old = share_of(&world, 2);
    struct cutting cutting = {&world, "S5.fenced", 2, 1, 0};
    vt_fault_set_step_hook(cut_at_step, &cutting);
    ck_assert_ok(world_close_epoch(&world, false));
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    ck_assert(world_share_is_anywhere(&world, &old));
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert(!world_share_is_anywhere(&world, &old));
    ck_assert_uint_eq(share_of(&world, 2).epoch, 2);        /* it had been given the share of epoch 2 before it was lost */
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_uint_eq(share_of(&world, 2).epoch, 3);
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_that_comes_back_from_an_old_copy_erases_it_and_is_given_the_next_share)
{
    struct world world;
    world_with_request(&world, &two_of_three);
    const struct vt_keeper_slot old = share_of(&world, 1);
    world_close(&world);
    world_copy(&world, "keeper-1", "keeper-before");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_close_epoch(&world, false));
    world_close(&world);
    world_copy(&world, "keeper-before", "keeper-1");
    world_open(&world);
    ck_assert(world_share_is_anywhere(&world, &old));
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert(!world_share_is_anywhere(&world, &old));
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_uint_eq(share_of(&world, 1).epoch, 3);
    world_end(&world);
}
END_TEST

START_TEST(an_empty_keeper_in_the_place_of_a_lost_one_is_given_the_next_share)
{
    struct world world;
    struct vt_epoch_status status;
    struct vt_epoch_check check;
    char path[200];
    const uint64_t certificate = world_with_request(&world, &two_of_three);
    const struct vt_keeper_slot old = share_of(&world, 1);
    world_close(&world);
    keeper_path(&world, 1, path);
    ck_assert_int_eq(unlink(path), 0);
    world_open(&world);                                     /* makes it anew */
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert_int_eq(check.keepers[1].belongs, VT_KEEPER_TO_NONE);
    ck_assert_int_eq(check.keepers[1].share, VT_SHARE_NONE);
    assert_need(&check.tolerance.opening, 2, 2);
    assert_need(&check.tolerance.preparing, 3, 3);
    assert_need(&check.tolerance.erasing, 2, 2);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    ck_assert_uint_eq(share_of(&world, 1).epoch, 2);
    ck_assert_uint_ne(share_of(&world, 1).epoch, old.epoch);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    assert_need(&status.may_fail.opening, 2, 3);
    world.shape.absent = 1;                                 /* the new one and one other open it */
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_subject(&world, CONTROL));
    world_end(&world);
}
END_TEST

/* What another life of the vault does: its own epochs at this keeper. */
static void live_elsewhere(struct world *world, unsigned keeper, uint64_t incarnation)
{
    struct vt_epoch_status status;
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    struct vt_keeper *there = world->keepers[keeper];
    ck_assert_ok(vt_epoch_status(world->epoch, &status));
    struct vt_keeper_slot slot = {.vault_id = status.vault_id, .incarnation = incarnation, .epoch = status.epoch + 1,
                                  .attempt = {7}, .k = 2, .m = 3, .x = 1, .share_len = 32};
    ck_assert_ok(there->ops->prepare(there, &slot));
    ck_assert_ok(there->ops->finalize(there, slot.incarnation, slot.epoch, slot.attempt, 1000, 1, &receipt));
    slot.epoch++;
    slot.share[0] = 1;
    ck_assert_ok(there->ops->prepare(there, &slot));
}

static size_t slots_at(struct world *world, unsigned keeper)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    size_t count;
    ck_assert_ok(world->keepers[keeper]->ops->read(world->keepers[keeper], slots, &count));
    return count;
}

START_TEST(a_vault_that_goes_on_elsewhere_loses_no_prepared_share_to_the_one_that_was_left)
{
    for (uint64_t incarnation = 1; incarnation <= 2; incarnation++) {
        struct world world;
        struct vt_epoch_status status;
        world_with_request(&world, &two_of_three);
        live_elsewhere(&world, 2, incarnation);
        ck_assert_uint_eq(slots_at(&world, 2), 2);
        ck_assert_ok(vt_epoch_push_floor(world.epoch));
        ck_assert_uint_eq(slots_at(&world, 2), 2);
        ck_assert_ok(vt_epoch_status(world.epoch, &status));
        ck_assert_status(status.keeper_errors[2], VAULT_E_ROLLBACK);
        assert_need(&status.may_fail.preparing, 3, 2);
        ck_assert_status(world_close_epoch(&world, false), VAULT_E_KEEPER);
        ck_assert_uint_eq(slots_at(&world, 2), 2);
        world_end(&world);
    }
}
END_TEST

/* What stays behind ---------------------------------------------------------------------------------------------------- */

enum { SHARE_RUN_AT = 30 };

/* Eight bytes of each keeper's share, turned over; it holds one. */
static void note_shares(struct world *world, uint8_t turned[3][OWN_MEMORY_RUN])
{
    struct vt_keeper_slot *slots = vt_secret_alloc(VT_KEEPER_SLOTS * sizeof *slots);
    ck_assert_ptr_nonnull(slots);
    for (unsigned i = 0; i < 3; i++) {
        size_t count;
        ck_assert_ok(world->keepers[i]->ops->read(world->keepers[i], slots, &count));
        ck_assert_uint_eq(count, 1);
        for (size_t j = 0; j < OWN_MEMORY_RUN; j++) turned[i][j] = slots[0].share[SHARE_RUN_AT + j] ^ 0xFF;
    }
    vt_secret_free(slots);
}

static unsigned count_in_memory(uint8_t turned[3][OWN_MEMORY_RUN])
{
    unsigned count = 0;
    for (unsigned i = 0; i < 3; i++) count += own_memory_has(turned[i]);
    return count;
}

/* Whoever had k of them and the unseal key would have the dead root key. */
START_TEST(no_share_of_a_dead_epoch_is_left_in_the_memory_of_the_vault)
{
    struct world world;
    struct vt_epoch_check check;
    uint8_t first[3][OWN_MEMORY_RUN], second[3][OWN_MEMORY_RUN];
    world_with_request(&world, &two_of_three);
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    note_shares(&world, first);
    ck_assert_uint_eq(count_in_memory(first), 3);           /* the keepers of this process have them */
    world_close(&world);
    ck_assert_uint_eq(count_in_memory(first), 0);
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_uint_eq(count_in_memory(first), 0);
    note_shares(&world, second);
    ck_assert_ok(world_close_epoch(&world, true));          /* these were made here */
    ck_assert_uint_eq(count_in_memory(second), 0);
    world_end(&world);
}
END_TEST

static void seal_at_first_share(const char *step, void *context)
{
    struct world *world = context;
    if (strcmp(step, "S2.keeper") == 0 && !vt_epoch_is_sealed(world->epoch)) vt_epoch_seal(world->epoch);
}

/* The share that was prepared last, under @p key: docs/FORMAT.md "Keeper file". */
static vault_status open_prepared(struct world *world, unsigned keeper, const struct vt_key *key)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    struct vt_keeper_info info;
    struct vt_seal_ctx ctx;
    size_t count;
    VT_AUTO(vt_key) share = VT_KEY_INIT;
    ck_assert_ok(world->keepers[keeper]->ops->read(world->keepers[keeper], slots, &count));
    ck_assert_ok(world->keepers[keeper]->ops->info(world->keepers[keeper], &info));
    ck_assert_uint_eq(count, 2);
    const struct vt_keeper_slot *slot = &slots[1];
    ck_assert_int_eq(slot->state, VT_SLOT_PREPARED);
    vt_seal_ctx_begin(&ctx, slot->vault_id.bytes, slot->incarnation, VT_SEAL_SLOT, VT_TENANT_VAULT);
    vt_seal_ctx_u64(&ctx, info.keeper_id);
    vt_seal_ctx_u64(&ctx, slot->epoch);
    vt_seal_ctx_bytes(&ctx, VT_BYTES_OF(slot->attempt));
    vt_seal_ctx_u8(&ctx, slot->k);
    vt_seal_ctx_u8(&ctx, slot->m);
    vt_seal_ctx_u8(&ctx, slot->x);
    return vt_unseal_into(key, &ctx, vt_bytes(slot->share, slot->share_len), share.bytes);
}

START_TEST(sealing_while_shares_are_given_out_leaves_none_under_a_key_that_was_wiped)
{
    struct world world;
    struct vt_epoch_closing *closing = NULL;
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_AUTO(vt_key) unseal_key = VT_KEY_INIT;
    const struct vt_key wiped = VT_KEY_INIT;
    world_new(&world, &two_of_three);
    ck_assert_ok(vt_epoch_wraps(world.epoch, &wraps));
    ck_assert_ok(vt_wraps_open_key_file(wraps, vt_bytes_str(world_key_file), &unseal_key));
    ck_assert_ok(vt_epoch_freeze_take_over(world.epoch, &closing));
    vt_fault_set_step_hook(seal_at_first_share, &world);
    ck_assert_ok(vt_epoch_prepare(closing));
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert(vt_epoch_is_sealed(world.epoch));
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_status(open_prepared(&world, i, &wiped), VAULT_E_AUTHENTICITY);
        ck_assert_ok(open_prepared(&world, i, &unseal_key));
    }
    vt_epoch_closing_free(closing);
    for (unsigned i = 0; i < 3; i++) ck_assert_uint_eq(slots_at(&world, i), 1);
    world_end(&world);
}
END_TEST

/* Changing the set ---------------------------------------------------------------------------------------------------- */

static vault_status change(struct world *world, const struct vt_keeper_wish *wish, struct vt_err *err)
{
    struct vt_epoch_check check;
    struct vt_keeper_plan plan;
    ck_assert_ok(vt_epoch_check(world->epoch, &check));
    VT_TRY(vt_epoch_plan_change(world->epoch, wish, &check, &plan, err));
    return vt_epoch_change_keepers(world->epoch, &plan);
}

/* The settings name k of m from now on. */
static void settings_become(struct world *world, unsigned k, unsigned m)
{
    world_close(world);
    world->shape.k = k;
    world->shape.m = m;
    world_open(world);
    ck_assert_ok(world_unseal(world, NULL));
}

static struct vt_keeper_wish wish_leave(const char *name)
{
    struct vt_keeper_wish wish = {.leave_count = 1};
    snprintf(wish.leave[0], sizeof wish.leave[0], "%s", name);
    return wish;
}

static struct vt_keeper_wish wish_lost(const char *name)
{
    struct vt_keeper_wish wish = {.lost_count = 1};
    snprintf(wish.lost[0], sizeof wish.lost[0], "%s", name);
    return wish;
}

static const struct vt_keeper_wish no_wish = {.leave_count = 0};

START_TEST(settings_alone_change_nobodys_share)
{
    struct world world;
    world_with_request(&world, &one_of_one);
    settings_become(&world, 2, 3);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_uint_eq(share_of(&world, 0).m, 1);
    ck_assert_uint_eq(share_of(&world, 1).epoch, 0);
    ck_assert_uint_eq(share_of(&world, 2).epoch, 0);
    world_end(&world);
}
END_TEST

START_TEST(a_change_gives_the_next_shares_to_the_keepers_of_the_settings)
{
    struct world world;
    struct vt_epoch_status status;
    const uint64_t certificate = world_with_request(&world, &one_of_one);
    const struct vt_keeper_slot old = share_of(&world, 0);
    settings_become(&world, 2, 3);
    ck_assert_ok(change(&world, &no_wish, NULL));
    ck_assert(!world_share_is_anywhere(&world, &old));
    for (unsigned i = 0; i < 3; i++) {
        const struct vt_keeper_slot slot = share_of(&world, i);
        ck_assert_uint_eq(slot.epoch, 2);
        ck_assert_uint_eq(slot.k, 2);
        ck_assert_uint_eq(slot.m, 3);
        ck_assert_uint_eq(slot.x, i + 1);
    }
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert_uint_eq(status.quorum, 2);
    ck_assert_uint_eq(status.tolerance, 1);
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    world.shape.absent = 1;
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_subject(&world, CONTROL));
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_that_leaves_erases_its_share_and_gets_no_other)
{
    struct world world;
    world_with_request(&world, &two_of_three);
    const struct vt_keeper_slot old = share_of(&world, 2);
    const struct vt_keeper_wish wish = wish_leave("keeper-2");
    settings_become(&world, 2, 3);
    ck_assert_ok(change(&world, &wish, NULL));
    ck_assert(!world_share_is_anywhere(&world, &old));
    ck_assert_uint_eq(share_of(&world, 0).m, 2);
    ck_assert_uint_eq(share_of(&world, 2).epoch, 0);
    ck_assert_ok(world_close_epoch(&world, false));         /* and none with the next one */
    ck_assert_uint_eq(share_of(&world, 2).epoch, 0);
    settings_become(&world, 2, 2);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_ok(world_subject(&world, CONTROL));
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_taken_out_of_the_settings_without_a_change_stops_closing_and_loses_nothing)
{
    struct world world;
    const uint64_t certificate = world_with_request(&world, &two_of_three);
    settings_become(&world, 2, 2);
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_KEEPER);
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
    settings_become(&world, 2, 3);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    world_end(&world);
}
END_TEST

START_TEST(a_lost_keeper_is_left_out_only_on_somebodys_word)
{
    struct world world;
    struct vt_err err;
    world_with_request(&world, &two_of_three);
    world_cut_keeper(&world, 1, true);
    ck_assert_status(change(&world, &no_wish, &err), VAULT_E_KEEPER);
    ck_assert_ptr_nonnull(strstr(err.message, "keeper-1 holds a share and does not answer"));
    const struct vt_keeper_wish present = wish_lost("keeper-0"), lost = wish_lost("keeper-1"), nobody = wish_lost("keeper-9");
    struct vt_keeper_wish both = lost;
    snprintf(both.lost[both.lost_count++], sizeof both.lost[0], "keeper-9");
    ck_assert_status(change(&world, &present, &err), VAULT_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "keeper-0 answers"));
    world_close(&world);
    world.shape.m = 3;
    char path[200];
    keeper_path(&world, 1, path);
    ck_assert_int_eq(unlink(path), 0);
    world_open(&world);                                     /* an empty one under its name */
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_status(change(&world, &nobody, &err), VAULT_E_KEEPER);
    ck_assert_status(change(&world, &both, &err), VAULT_E_ARGUMENT);
    ck_assert_ok(change(&world, &lost, NULL));
    ck_assert_uint_eq(share_of(&world, 1).epoch, 2);
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_of_another_vault_is_never_taken_into_the_set)
{
    struct world world, other;
    struct vt_err err;
    char from[200], to[200];
    world_with_request(&world, &one_of_one);
    world_new(&other, &one_of_one);
    world_close(&world);
    world_close(&other);
    keeper_path(&other, 0, from);
    keeper_path(&world, 1, to);
    ck_assert_int_eq(rename(from, to), 0);
    world.shape.m = 2;
    world_open(&world);
    ck_assert_status(world_unseal(&world, &err), VAULT_E_KEEPER);
    ck_assert_ptr_nonnull(strstr(err.message, "belongs to another vault"));
    world_end(&world);
    vt_temp_dir_remove(other.dir);
}
END_TEST

/* Puts another vault's keeper in the place of keeper 2. */
struct replacing {
    struct world *world;
    char path[200];
};

static struct vt_keeper *open_foreign(void *context, unsigned index)
{
    struct replacing *replacing = context;
    struct vt_keeper *keeper = NULL;
    ck_assert_uint_eq(index, 2);
    ck_assert_ok(vt_keeper_file_open(replacing->path, "keeper-2", true, &keeper));
    return keeper;
}

static void replace_at_fence(const char *step, void *context)
{
    struct replacing *replacing = context;
    struct world *world = replacing->world;
    if (strcmp(step, "S5.fenced") != 0) return;
    world->shape.open_keeper = open_foreign;
    world->shape.context = replacing;
    world_renew_keeper(world, 2);
    world->shape.open_keeper = NULL;
}

START_TEST(a_keeper_of_another_vault_put_in_place_during_a_close_keeps_its_share)
{
    struct world world, other;
    struct vt_epoch_status status;
    const uint64_t certificate = world_with_request(&world, &two_of_three);
    world_new(&other, &two_of_three);
    world_add_subject(&other, CONTROL);
    const struct vt_keeper_slot theirs = share_of(&other, 2);
    world_close(&other);
    struct replacing replacing = {.world = &world};
    keeper_path(&other, 2, replacing.path);
    vt_fault_set_step_hook(replace_at_fence, &replacing);
    ck_assert_ok(world_close_epoch(&world, false));
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert_status(status.keeper_errors[2], VAULT_E_KEEPER);
    world_close(&world);
    ck_assert(world_share_is_anywhere(&other, &theirs));
    other.shape.absent = 1;                                 /* it is needed, and it opens */
    world_open(&other);
    ck_assert_ok(world_unseal(&other, NULL));
    ck_assert_ok(world_subject(&other, CONTROL));
    world_end(&other);
    vt_temp_dir_remove(world.dir);
}
END_TEST

START_TEST(a_change_that_leaves_fewer_than_the_quorum_is_refused)
{
    struct world world;
    struct vt_err err;
    struct vt_keeper_wish wish = wish_leave("keeper-2");
    snprintf(wish.leave[1], sizeof wish.leave[1], "keeper-1");
    wish.leave_count = 2;
    world_with_request(&world, &two_of_three);
    ck_assert_status(change(&world, &wish, &err), VAULT_E_KEEPER);
    ck_assert_ptr_nonnull(strstr(err.message, "1 keepers would be left"));
    ck_assert_uint_eq(world_epoch(&world), 1);
    world_end(&world);
}
END_TEST

START_TEST(a_lone_keeper_leaves_only_when_another_holds_the_key_too)
{
    struct world world;
    struct vt_err err;
    const struct vt_keeper_wish wish = wish_leave("keeper-0");
    world_with_request(&world, &one_of_one);
    const struct vt_keeper_slot old = share_of(&world, 0);
    settings_become(&world, 1, 2);
    ck_assert_status(change(&world, &wish, &err), VAULT_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "lone keeper"));
    ck_assert_ok(change(&world, &no_wish, NULL));
    ck_assert_uint_eq(share_of(&world, 0).m, 2);
    ck_assert_ok(change(&world, &wish, NULL));
    ck_assert(!world_share_is_anywhere(&world, &old));
    ck_assert_uint_eq(share_of(&world, 0).epoch, 0);
    ck_assert_uint_eq(share_of(&world, 1).epoch, 3);
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_that_does_not_take_its_share_stops_a_change)
{
    struct world world;
    struct vt_keeper_plan plan;
    struct vt_epoch_check check;
    world_with_request(&world, &one_of_one);
    settings_become(&world, 2, 3);
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert_ok(vt_epoch_plan_change(world.epoch, &no_wish, &check, &plan, NULL));
    world_cut_keeper(&world, 2, true);
    ck_assert_status(vt_epoch_change_keepers(world.epoch, &plan), VAULT_E_KEEPER);
    ck_assert_uint_eq(world_epoch(&world), 1);
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_change_keepers(world.epoch, &plan));
    ck_assert_uint_eq(world_epoch(&world), 2);
    world_end(&world);
}
END_TEST

START_TEST(keepers_are_not_made_while_an_epoch_closes_and_talks_to_them)
{
    struct world world;
    struct vt_keeper_plan plan;
    struct vt_epoch_check check;
    struct vt_epoch_closing *closing = NULL;
    struct vt_err err = {{0}, {0}};
    world_with_request(&world, &one_of_one);
    settings_become(&world, 2, 3);
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert_ok(vt_epoch_plan_change(world.epoch, &no_wish, &check, &plan, NULL));
    ck_assert_ok(vt_epoch_freeze_rotation(world.epoch, world_add_wraps, NULL, &closing));
    ck_assert_status(vt_epoch_make_keepers(world.epoch, &plan, &err), VAULT_E_BUSY);
    ck_assert_ptr_nonnull(strstr(err.message, "An epoch is closing"));
    vt_epoch_closing_free(closing);
    ck_assert_ok(vt_epoch_make_keepers(world.epoch, &plan, NULL));
    world_end(&world);
}
END_TEST

/* 1-of-1 is to become 2-of-3: keeper 1 goes away with its share of the next epoch, keeper 2 is not there. */
static void give_up_change(struct world *world)
{
    struct vt_keeper_plan plan;
    struct vt_epoch_check check;
    settings_become(world, 2, 3);
    ck_assert_ok(vt_epoch_check(world->epoch, &check));
    ck_assert_ok(vt_epoch_plan_change(world->epoch, &no_wish, &check, &plan, NULL));
    struct cutting first = {world, "S2.keeper", 1, 2, 1 << 2};
    vt_fault_set_step_hook(cut_at_step, &first);
    ck_assert_status(vt_epoch_change_keepers(world->epoch, &plan), VAULT_E_KEEPER);
    vt_fault_set_step_hook(NULL, NULL);
    world_cut_keeper(world, 2, false);
}

START_TEST(a_keeper_that_was_to_join_erases_the_share_of_a_change_that_was_given_up)
{
    for (unsigned closes = 0; closes <= 2; closes++) {
        struct world world;
        world_with_request(&world, &one_of_one);
        give_up_change(&world);
        for (unsigned i = 0; i < closes; i++) ck_assert_ok(world_close_epoch(&world, true));
        world_cut_keeper(&world, 1, false);
        ck_assert_uint_eq(slots_at(&world, 1), 1);
        ck_assert_ok(vt_epoch_push_floor(world.epoch));
        ck_assert_uint_eq(slots_at(&world, 1), 0);
        ck_assert_ok(change(&world, &no_wish, NULL));       /* and it can join now */
        ck_assert_uint_eq(share_of(&world, 1).epoch, closes + 2);
        world_end(&world);
    }
}
END_TEST

static size_t owing(struct world *world)
{
    struct vt_epoch_check check;
    ck_assert_ok(vt_epoch_check(world->epoch, &check));
    return check.owing_count;
}

static uint64_t clean_from(struct world *world)
{
    struct vt_epoch_status status;
    ck_assert_ok(vt_epoch_status(world->epoch, &status));
    return status.clean_from;
}

START_TEST(keepers_that_were_to_join_owe_what_they_were_given_until_they_are_seen_without_it)
{
    struct world world;
    world_with_request(&world, &one_of_one);
    give_up_change(&world);
    world.shape.absent = 1 << 1 | 1 << 2;
    world_reopen(&world);                                   /* it is in the store */
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_uint_eq(owing(&world), 2);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_ok(world_close_epoch(&world, true));
        ck_assert_uint_eq(clean_from(&world), 1);           /* nothing becomes final */
    }
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert_uint_eq(owing(&world), 1);                    /* it had been cut off before it was given anything */
    ck_assert_uint_eq(clean_from(&world), 1);
    world_cut_keeper(&world, 1, false);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert_uint_eq(slots_at(&world, 1), 0);
    ck_assert_uint_eq(owing(&world), 0);
    ck_assert_uint_eq(clean_from(&world), 3);
    ck_assert_ok(change(&world, &no_wish, NULL));
    ck_assert_uint_eq(clean_from(&world), 4);
    world_end(&world);
}
END_TEST

START_TEST(a_keeper_that_joins_after_all_shows_with_its_first_receipt_what_it_owed)
{
    struct world world;
    world_with_request(&world, &one_of_one);
    give_up_change(&world);
    world_cut_keeper(&world, 1, false);
    ck_assert_uint_eq(owing(&world), 2);
    ck_assert_ok(change(&world, &no_wish, NULL));           /* nobody has pushed a floor meanwhile */
    ck_assert_uint_eq(owing(&world), 0);
    ck_assert_uint_eq(clean_from(&world), 2);
    ck_assert_uint_eq(share_of(&world, 1).epoch, 2);
    world_end(&world);
}
END_TEST

START_TEST(the_same_keepers_are_no_change)
{
    struct world world;
    struct vt_keeper_plan plan;
    struct vt_epoch_check check;
    world_new(&world, &two_of_three);
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert_ok(vt_epoch_plan_change(world.epoch, &no_wish, &check, &plan, NULL));
    ck_assert(plan.is_same);
    world_end(&world);
}
END_TEST

/* What certificates say later ------------------------------------------------------------------------------------------ */

/* Keepers of class E4 in this process; each time one is opened it is another. */
struct ram {
    char dir[128];
    unsigned opened;
};

static struct vt_keeper *open_ram(void *context, unsigned index)
{
    struct ram *ram = context;
    struct vt_keeper *keeper = NULL;
    char path[200], name[24];
    snprintf(path, sizeof path, "%s/floor-%u", ram->dir, ram->opened++);
    snprintf(name, sizeof name, "keeper-%u", index);
    ck_assert_ok(vt_keeper_ram_open(path, name, &keeper));
    return keeper;
}

static struct world_shape ram_shape(struct ram *ram)
{
    *ram = (struct ram){.opened = 0};
    vt_temp_dir_make(ram->dir, sizeof ram->dir);
    return (struct world_shape){.k = 2, .m = 3, .has_journal = true, .open_keeper = open_ram, .context = ram};
}

static void ram_end(struct world *world, struct ram *ram)
{
    world_end(world);
    vt_temp_dir_remove(ram->dir);
}

/* The era of the index: a fresh K_place, under which all entries lie, and the older one goes. */
static void end_era(struct world *world)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_write *write = NULL;
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_epoch_write_begin(world->epoch, txn, &write));
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    const uint32_t old = vt_keyring_tenant_key(view, VT_TENANT_DEFAULT, VT_TENANT_KEY_PLACE, 0)->version;
    ck_assert_ok(vt_keyring_rotate_tenant_key(write, VT_TENANT_DEFAULT, VT_TENANT_KEY_PLACE, vt_clock_now_ms(&world->clock)));
    ck_assert_ok(vt_keyring_drop_tenant_key(write, VT_TENANT_DEFAULT, VT_TENANT_KEY_PLACE, old));
    ck_assert_ok(vt_epoch_write_finish(world->epoch, write, vt_store_commit_number(txn)));
    ck_assert_ok(vt_txn_commit(txn));
    vt_keyring_write_committed(write);
}

/* The newest state, to be looked into. */
struct shown {
    struct vt_pool pool;
    struct vt_certificate certificate;
    size_t states;
};

static void show(struct world *world, uint64_t number, struct shown *shown)
{
    struct vt_txn *txn = NULL;
    shown->pool = VT_POOL_INIT(1 << 20);
    shown->states = 0;
    (void)world_certificate(world, number);                 /* it verifies */
    ck_assert_ok(vt_txn_begin_read(world->store, &txn));
    ck_assert_ok(vt_certificate_read(txn, number, &shown->pool, &shown->certificate));
    struct vt_bytes leaves;
    ck_assert_ok(vt_store_get(txn, VT_TABLE_META, vt_bytes_str("certificate-log"), &leaves));
    shown->states = vt_get_u64(leaves.data);                /* with one certificate each leaf is a text of it */
    vt_txn_abort(txn);
}

static size_t count_keepers(const struct vt_certificate *certificate, enum vt_erase_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < certificate->keeper_count; i++) count += certificate->keepers[i].state == state;
    return count;
}

/* Settles, and says how far the certificate has come. */
static enum vt_certificate_state settled(struct world *world, uint64_t number)
{
    ck_assert_ok(vt_epoch_settle_now(world->epoch));
    return world_certificate(world, number);
}

START_TEST(a_certificate_becomes_final_when_the_era_of_the_index_has_ended_and_its_epoch_too)
{
    struct world world;
    struct ram ram;
    struct shown shown;
    const struct world_shape shape = ram_shape(&ram);
    const uint64_t number = world_with_request(&world, &shape);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);
    show(&world, number, &shown);
    ck_assert_int_eq(shown.certificate.final.kind, VT_FINAL_NOT_BEFORE);
    ck_assert_int_eq(shown.certificate.index_era.phase, VT_PHASE_OPEN);
    ck_assert_int_eq(shown.certificate.index_era.at_ms, 0);
    vt_pool_release(&shown.pool);
    ck_assert_ok(world_close_epoch(&world, true));          /* no era has ended with this one */
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);
    end_era(&world);
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);    /* an older root page still leads to it */
    world.clock.offset_ms += 5000;
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_FINAL);
    show(&world, number, &shown);
    ck_assert_uint_eq(shown.states, 3);
    ck_assert_int_eq(shown.certificate.final.kind, VT_FINAL_AT);
    ck_assert_int_eq(shown.certificate.final.at_ms, vt_clock_now_ms(&world.clock));
    ck_assert_int_eq(shown.certificate.index_era.phase, VT_PHASE_CLOSED);
    ck_assert_int_eq(shown.certificate.index_era.at_ms, vt_clock_now_ms(&world.clock));
    ck_assert_int_eq(shown.certificate.window.phase, VT_PHASE_NONE);
    ck_assert_uint_eq(count_keepers(&shown.certificate, VT_ERASE_DONE), 3);
    ck_assert_uint_eq(shown.certificate.epoch_to, 2);
    vt_pool_release(&shown.pool);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_FINAL);        /* and says nothing more */
    show(&world, number, &shown);
    ck_assert_uint_eq(shown.states, 3);
    vt_pool_release(&shown.pool);
    ram_end(&world, &ram);
}
END_TEST

START_TEST(an_era_that_ended_before_the_shred_makes_nothing_final)
{
    struct world world;
    struct ram ram;
    const struct world_shape shape = ram_shape(&ram);
    const uint64_t number = world_with_request(&world, &shape);
    end_era(&world);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);
    end_era(&world);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_FINAL);
    ram_end(&world, &ram);
}
END_TEST

START_TEST(a_certificate_waits_for_the_keeper_that_has_not_erased_yet)
{
    struct world world;
    struct ram ram;
    struct vt_epoch_status status;
    const struct world_shape shape = ram_shape(&ram);
    const uint64_t number = world_with_request(&world, &shape);
    struct cutting cutting = {&world, "S5.fenced", 2, 1, 0};
    vt_fault_set_step_hook(cut_at_step, &cutting);
    ck_assert_ok(world_close_epoch(&world, false));
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 0));
    end_era(&world);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert_uint_eq(status.clean_from, 1);
    world_cut_keeper(&world, 2, false);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert(vt_epoch_has_news(world.epoch));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_FINAL);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert_uint_eq(status.clean_from, 3);
    ram_end(&world, &ram);
}
END_TEST

/* Every receipt that the certificate names is kept, by its hash. */
static void check_receipts_are_kept(struct world *world, uint64_t number, uint64_t epoch)
{
    VT_AUTO(vt_buf) receipts = VT_BUF_INIT(VT_EPOCH_RECEIPTS_MAX);
    struct vt_txn *txn = NULL;
    struct shown shown;
    size_t named = 0;
    show(world, number, &shown);
    ck_assert_ok(vt_txn_begin_read(world->store, &txn));
    ck_assert_ok(vt_epoch_receipts(txn, epoch, &receipts));
    for (size_t i = 0; i < shown.certificate.keeper_count; i++) {
        const struct vt_certificate_keeper *keeper = &shown.certificate.keepers[i];
        struct vt_bytes rest = vt_buf_bytes(&receipts);
        struct vt_epoch_receipt receipt = {.keeper_id = 0};
        if (keeper->state != VT_ERASE_DONE) continue;
        while (receipt.keeper_id != keeper->id) ck_assert_ok(vt_epoch_receipt_next(&rest, &receipt));
        ck_assert_mem_eq(receipt.hash, keeper->receipt, sizeof receipt.hash);
        named++;
    }
    ck_assert_uint_ge(named, 2);
    vt_txn_abort(txn);
    vt_pool_release(&shown.pool);
}

START_TEST(a_receipt_that_came_before_a_restart_stays_when_the_closing_is_finished_behind_it)
{
    struct world world;
    const uint64_t number = world_with_request(&world, &two_of_three);
    struct cutting first = {&world, "S5.fenced", 1, 1, 1 << 2};
    vt_fault_set_step_hook(cut_at_step, &first);
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_KEEPER);     /* committed; one of two that are needed has erased */
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_ok(vt_epoch_settle_now(world.epoch));                         /* and its receipt is kept */
    world.clock.offset_ms += 60000;
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, number), VT_CERTIFICATE_EFFECTIVE);
    check_receipts_are_kept(&world, number, 2);
    world_end(&world);
}
END_TEST

START_TEST(a_list_of_keepers_that_is_gone_is_not_made_anew)
{
    struct world world;
    struct vt_txn *txn = NULL;
    struct vt_err err = {{0}, {0}};
    (void)world_with_request(&world, &two_of_three);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_ok(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("keepers")));
    ck_assert_ok(vt_txn_commit(txn));
    world_reopen(&world);
    ck_assert_status(world_unseal(&world, &err), VAULT_E_CORRUPT);
    world_end(&world);
}
END_TEST

START_TEST(a_late_receipt_completes_a_certificate_that_can_never_be_final)
{
    struct world world;
    struct shown shown;
    struct vt_txn *txn = NULL;
    VT_AUTO(vt_buf) receipts = VT_BUF_INIT(VT_EPOCH_RECEIPTS_MAX);
    const uint64_t number = world_with_request(&world, &two_of_three);
    struct cutting cutting = {&world, "S5.fenced", 1, 1, 0};
    vt_fault_set_step_hook(cut_at_step, &cutting);
    ck_assert_ok(world_close_epoch(&world, false));
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);
    show(&world, number, &shown);
    ck_assert_uint_eq(shown.states, 2);
    ck_assert_uint_eq(count_keepers(&shown.certificate, VT_ERASE_WAITING), 1);
    vt_pool_release(&shown.pool);
    world_reopen(&world);                                   /* it is back, and unsealing has it erase */
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);
    show(&world, number, &shown);
    ck_assert_uint_eq(shown.states, 3);
    ck_assert_uint_eq(count_keepers(&shown.certificate, VT_ERASE_DONE), 3);
    ck_assert_int_eq(shown.certificate.final.kind, VT_FINAL_NEVER);
    vt_pool_release(&shown.pool);
    ck_assert_ok(vt_txn_begin_read(world.store, &txn));
    ck_assert_ok(vt_epoch_receipts(txn, 2, &receipts));
    struct vt_bytes rest = vt_buf_bytes(&receipts);
    struct vt_epoch_receipt receipt;
    for (unsigned i = 0; i < 3; i++) ck_assert_ok(vt_epoch_receipt_next(&rest, &receipt));
    ck_assert_status(vt_epoch_receipt_next(&rest, &receipt), VAULT_E_NOT_FOUND);
    vt_txn_abort(txn);
    end_era(&world);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);
    world_end(&world);
}
END_TEST

static vault_status try_attest(struct world *world, uint64_t keeper_id)
{
    struct vt_attestation attestation = {.keeper_id = keeper_id, .principal = {7}, .at_ms = vt_clock_now_ms(&world->clock)};
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX);
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_keyring_view_begin(world->ring, txn, &view));
    const vault_status status = vt_epoch_attest(world->epoch, view, txn, &attestation, &note);
    vt_keyring_view_end(view);
    if (status != VAULT_OK) {
        ck_assert_uint_eq(note.len, 0);
        vt_txn_abort(txn);
        return status;
    }
    ck_assert_ok(vt_txn_commit(txn));
    vt_epoch_attested(world->epoch, &attestation);
    ck_assert_ptr_nonnull(memmem(note.data, note.len, "attested by: 07000000", 21));
    return VAULT_OK;
}

static void attest(struct world *world, uint64_t keeper_id)
{
    ck_assert_ok(try_attest(world, keeper_id));
}

/** Somebody gives their word at a step of a close. */
struct giving_word {
    struct world *world;
    uint64_t keeper_id;
    const char *step;
    vault_status status;
    bool is_given;
};

static void give_word(const char *step, void *context)
{
    struct giving_word *giving = context;
    if (giving->is_given || strcmp(step, giving->step) != 0) return;
    giving->is_given = true;
    giving->status = try_attest(giving->world, giving->keeper_id);
}

START_TEST(an_attested_end_is_refused_where_the_close_of_an_epoch_would_forget_it)
{
    static const struct {
        const char *step;
        vault_status expected;
    } STEPS[] = {{"S1.frozen", VAULT_E_BUSY}, {"S2.prepared", VAULT_E_BUSY}, {"S4.committed", VAULT_OK}, {"S7.recorded", VAULT_OK}};
    struct world world;
    struct ram ram;
    struct vt_epoch_status status;
    const struct world_shape shape = ram_shape(&ram);
    world_with_request(&world, &shape);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    for (size_t i = 0; i < VT_ARRAY_LEN(STEPS); i++) {
        struct giving_word giving = {.world = &world, .keeper_id = status.keepers[2].keeper_id, .step = STEPS[i].step};
        vt_fault_set_step_hook(give_word, &giving);
        const vault_status closed = world_close_epoch(&world, true);
        vt_fault_set_step_hook(NULL, NULL);
        ck_assert_ok(closed);
        ck_assert(giving.is_given);
        ck_assert_status(giving.status, STEPS[i].expected);
    }
    attest(&world, status.keepers[2].keeper_id);
    world_end(&world);
}
END_TEST

START_TEST(the_attested_end_of_a_lost_keeper_stands_for_its_receipt)
{
    struct world world;
    struct ram ram;
    struct shown shown;
    struct vt_epoch_status status;
    struct vt_epoch_check check;
    const struct world_shape shape = ram_shape(&ram);
    const uint64_t number = world_with_request(&world, &shape);
    const struct vt_keeper_wish lost = wish_lost("keeper-2");
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    const uint64_t gone = status.keepers[2].keeper_id;
    world_renew_keeper(&world, 2);
    ck_assert_ok(change(&world, &lost, NULL));
    end_era(&world);
    ck_assert_ok(world_close_epoch(&world, false));
    end_era(&world);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);    /* the root key of epoch 1 had a third holder */
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert_uint_eq(check.owing_count, 1);
    ck_assert_uint_eq(check.owing[0].id, gone);
    ck_assert_uint_eq(check.owing[0].last_epoch, 1);
    attest(&world, gone);
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_FINAL);
    show(&world, number, &shown);
    ck_assert_uint_eq(count_keepers(&shown.certificate, VT_ERASE_DONE), 3);
    vt_pool_release(&shown.pool);
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert_uint_eq(check.owing_count, 0);
    ram_end(&world, &ram);
}
END_TEST

static void bring_back_at_step(const char *step, void *context)
{
    struct cutting *cutting = context;
    if (cutting->left != 0 && strcmp(step, cutting->step) == 0 && --cutting->left == 0)
        world_cut_keeper(cutting->world, cutting->keeper, false);
}

/* The word was given about the shares it had then: what it is given later, since it is there after all, it owes like any other. */
START_TEST(an_attestation_says_nothing_of_shares_that_are_given_later)
{
    struct world world;
    struct shown shown;
    struct vt_epoch_status status;
    (void)world_with_request(&world, &two_of_three);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    attest(&world, status.keepers[2].keeper_id);
    world_cut_keeper(&world, 2, true);
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 0));
    struct cutting back = {&world, "S2.keeper", 2, 1, 0};   /* not there when the set is made, and there when shares are given */
    vt_fault_set_step_hook(bring_back_at_step, &back);
    ck_assert_ok(world_close_epoch(&world, false));
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_uint_eq(share_of(&world, 2).epoch, 2);
    world_cut_keeper(&world, 2, true);
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 0));
    world_add_subject(&world, 7);
    const uint64_t number = world_request(&world, 7);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);
    show(&world, number, &shown);
    ck_assert_uint_eq(count_keepers(&shown.certificate, VT_ERASE_ATTESTED), 0);
    ck_assert_uint_eq(count_keepers(&shown.certificate, VT_ERASE_WAITING), 1);
    vt_pool_release(&shown.pool);
    world_end(&world);
}
END_TEST

START_TEST(a_certificate_of_a_keeper_that_was_lost_says_who_stands_for_it)
{
    struct world world;
    struct ram ram;
    struct shown shown;
    struct vt_epoch_status status;
    const struct world_shape shape = ram_shape(&ram);
    const uint64_t number = world_with_request(&world, &shape);
    struct cutting cutting = {&world, "S5.fenced", 2, 1, 0};
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    vt_fault_set_step_hook(cut_at_step, &cutting);
    ck_assert_ok(world_close_epoch(&world, false));
    vt_fault_set_step_hook(NULL, NULL);
    attest(&world, status.keepers[2].keeper_id);
    ck_assert_int_eq(settled(&world, number), VT_CERTIFICATE_EFFECTIVE);
    show(&world, number, &shown);
    ck_assert_uint_eq(shown.states, 3);
    ck_assert_uint_eq(count_keepers(&shown.certificate, VT_ERASE_DONE), 2);
    ck_assert_uint_eq(count_keepers(&shown.certificate, VT_ERASE_ATTESTED), 1);
    vt_pool_release(&shown.pool);
    ram_end(&world, &ram);
}
END_TEST

static void falsify(struct world *world, uint64_t number)
{
    struct vt_txn *txn = NULL;
    struct vt_bytes row;
    uint8_t key[9] = {VT_CERTIFICATE_EFFECTIVE}, copy[8192];
    vt_put_u64(key + 1, number);
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_store_get(txn, VT_TABLE_CERTIFICATE, VT_BYTES_OF(key), &row));
    ck_assert_uint_le(row.len, sizeof copy);
    memcpy(copy, row.data, row.len);
    uint8_t *rows = memmem(copy, row.len, "state: effective", 16);
    ck_assert_ptr_nonnull(rows);
    uint8_t *records = memmem(rows, row.len - (size_t)(rows - copy), "records: ", 9);
    ck_assert_ptr_nonnull(records);
    records[9] = records[9] == '9' ? '8' : '9';
    ck_assert_ok(vt_store_put(txn, VT_TABLE_CERTIFICATE, VT_BYTES_OF(key), vt_bytes(copy, row.len), VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
}

/* A damaged one is left as it is, and the others do not wait for it. */
START_TEST(what_the_store_says_of_a_certificate_is_not_signed_again_unseen)
{
    struct world world;
    struct ram ram;
    const struct world_shape shape = ram_shape(&ram);
    const uint64_t number = world_with_request(&world, &shape);
    world_add_subject(&world, 7);
    const uint64_t other = world_request(&world, 7);
    ck_assert_uint_gt(other, number);
    ck_assert_ok(world_close_epoch(&world, false));
    end_era(&world);
    ck_assert_ok(world_close_epoch(&world, true));
    falsify(&world, number);
    ck_assert_status(vt_epoch_settle_now(world.epoch), VAULT_E_AUTHENTICITY);
    ck_assert_int_eq(world_certificate(&world, other), VT_CERTIFICATE_FINAL);
    ram_end(&world, &ram);
}
END_TEST

VT_TEST_MAIN("epoch/keepers", a_check_says_of_each_keeper_what_it_holds_and_that_its_share_fits,
             a_check_of_a_sealed_vault_says_what_is_there_and_not_whether_it_fits, a_check_names_the_share_that_does_not_fit,
             a_check_is_refused_while_an_epoch_closes, a_check_does_not_wait_for_a_keeper_that_hangs,
             status_says_how_many_keepers_may_fail_and_when_too_few_are_left,
             a_keeper_without_a_share_does_not_count_for_opening, a_keeper_whose_file_was_moved_away_takes_no_share,
             a_keeper_lost_while_shares_are_given_out_leaves_all_as_it_was_and_heals_when_it_is_back,
             a_keeper_lost_while_a_vault_is_made_leaves_one_that_works,
             a_keeper_lost_while_a_vault_is_made_takes_its_first_share_when_it_is_back,
             a_vault_is_not_made_when_too_few_keepers_have_their_share_for_good,
             a_keeper_lost_when_shares_are_erased_erases_on_its_return_and_has_the_next_share,
             a_keeper_that_comes_back_from_an_old_copy_erases_it_and_is_given_the_next_share,
             an_empty_keeper_in_the_place_of_a_lost_one_is_given_the_next_share,
             a_vault_that_goes_on_elsewhere_loses_no_prepared_share_to_the_one_that_was_left,
             no_share_of_a_dead_epoch_is_left_in_the_memory_of_the_vault,
             sealing_while_shares_are_given_out_leaves_none_under_a_key_that_was_wiped, settings_alone_change_nobodys_share,
             a_change_gives_the_next_shares_to_the_keepers_of_the_settings,
             a_keeper_that_leaves_erases_its_share_and_gets_no_other,
             a_keeper_taken_out_of_the_settings_without_a_change_stops_closing_and_loses_nothing,
             a_lost_keeper_is_left_out_only_on_somebodys_word, a_keeper_of_another_vault_is_never_taken_into_the_set,
             a_keeper_of_another_vault_put_in_place_during_a_close_keeps_its_share,
             a_change_that_leaves_fewer_than_the_quorum_is_refused, a_lone_keeper_leaves_only_when_another_holds_the_key_too,
             a_keeper_that_does_not_take_its_share_stops_a_change,
             keepers_are_not_made_while_an_epoch_closes_and_talks_to_them,
             a_keeper_that_was_to_join_erases_the_share_of_a_change_that_was_given_up,
             keepers_that_were_to_join_owe_what_they_were_given_until_they_are_seen_without_it,
             a_keeper_that_joins_after_all_shows_with_its_first_receipt_what_it_owed, the_same_keepers_are_no_change,
             a_certificate_becomes_final_when_the_era_of_the_index_has_ended_and_its_epoch_too,
             an_era_that_ended_before_the_shred_makes_nothing_final,
             an_attestation_says_nothing_of_shares_that_are_given_later,
             a_certificate_waits_for_the_keeper_that_has_not_erased_yet,
             a_receipt_that_came_before_a_restart_stays_when_the_closing_is_finished_behind_it,
             a_list_of_keepers_that_is_gone_is_not_made_anew, a_late_receipt_completes_a_certificate_that_can_never_be_final,
             an_attested_end_is_refused_where_the_close_of_an_epoch_would_forget_it,
             the_attested_end_of_a_lost_keeper_stands_for_its_receipt,
             a_certificate_of_a_keeper_that_was_lost_says_who_stands_for_it,
             what_the_store_says_of_a_certificate_is_not_signed_again_unseen)
