/* Epochs over remote keepers, which lose their shares when restarted: docs/OPERATIONS.md "Remote keepers". Two of three. */
#include <stdio.h>

#include "libvault/base/fault.h"
#include "tests/unit/epoch/epoch_world.h"
#include "tests/unit/remote/remote_hosts.h"

enum { HOSTS = 3, QUORUM = 2 };

/* The hosts stand beside the vault's directory, and outlive its process. */
struct far {
    char dir[128];
    struct remote_host hosts[HOSTS];
    struct vt_vault_id vault_id;            /* all zero: not initialised */
};

static struct vt_keeper *open_far(void *context, unsigned index)
{
    struct far *far = context;
    char name[24];
    snprintf(name, sizeof name, "far-%u", index);
    return remote_host_keeper(&far->hosts[index], name, &far->vault_id);
}

static void far_start(struct far *far)
{
    memset(far, 0, sizeof *far);
    vt_temp_dir_make(far->dir, sizeof far->dir);
    for (unsigned i = 0; i < HOSTS; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/floor-%u", far->dir, i);
        remote_host_start(&far->hosts[i], path);
    }
}

static void far_end(struct far *far)
{
    for (unsigned i = 0; i < HOSTS; i++) remote_host_stop(&far->hosts[i]);
    vt_temp_dir_remove(far->dir);
}

/* A vault with two subjects, one of which is to be forgotten. @return the certificate's number */
static uint64_t world_over_some(struct world *world, struct far *far, unsigned hosts)
{
    const struct world_shape shape = {.k = QUORUM, .m = hosts, .has_journal = true, .open_keeper = open_far, .context = far};
    struct vt_epoch_status status;
    far_start(far);
    world_new(world, &shape);
    ck_assert_ok(vt_epoch_status(world->epoch, &status));
    far->vault_id = status.vault_id;
    world_add_subject(world, TARGET);
    world_add_subject(world, CONTROL);
    return world_request(world, TARGET);
}

static uint64_t world_over(struct world *world, struct far *far)
{
    return world_over_some(world, far, HOSTS);
}

static void world_over_end(struct world *world, struct far *far)
{
    world_end(world);
    far_end(far);
}

static unsigned shares_at(struct far *far, unsigned index)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    size_t count;
    struct vt_keeper *ram = far->hosts[index].ram;
    ck_assert_ok(ram->ops->read(ram, slots, &count));
    return (unsigned)count;
}

static void down(struct far *far, bool are_down)
{
    for (unsigned i = 0; i < HOSTS; i++) far->hosts[i].is_down = are_down;
}

/* Whoever was forgotten stays so, whoever was not is there, and every keeper has its share once another epoch has closed. */
static void assert_sound(struct world *world, struct far *far)
{
    world_reopen(world);
    ck_assert_ok(world_unseal(world, NULL));
    ck_assert_status(world_subject(world, TARGET), VAULT_E_NOT_FOUND);
    ck_assert_ok(world_subject(world, CONTROL));
    ck_assert_ok(world_close_epoch(world, true));
    for (unsigned i = 0; i < HOSTS; i++) ck_assert_uint_eq(shares_at(far, i), 1);
    world_reopen(world);
    ck_assert_ok(world_unseal(world, NULL));
    ck_assert_ok(world_subject(world, CONTROL));
}

START_TEST(a_shred_over_remote_keepers_is_effective_with_their_receipts)
{
    struct world world;
    struct far far;
    const uint64_t certificate = world_over(&world, &far);
    struct vt_txn *txn = NULL;
    VT_AUTO(vt_buf) receipts = VT_BUF_INIT(64 * 1024);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    ck_assert_ok(vt_txn_begin_read(world.store, &txn));
    ck_assert_ok(vt_epoch_receipts(txn, 2, &receipts));
    vt_txn_abort(txn);
    unsigned of_memory = 0;
    const char said[] = "class: E4\n";
    for (size_t at = 0; at + sizeof said <= receipts.len; at++)
        of_memory += memcmp(receipts.data + at, said, sizeof said - 1) == 0;
    ck_assert_uint_eq(of_memory, HOSTS);
    assert_sound(&world, &far);
    world_over_end(&world, &far);
}
END_TEST

/* Restarts one host when the n-th step of the vault's is passed. Steps of the keepers themselves are within a question. */
struct restarting {
    struct far *far;
    unsigned index, left;
    bool has_fired;
};

static void restart_at(const char *step, void *context)
{
    struct restarting *restarting = context;
    if (strncmp(step, "keeper.", strlen("keeper.")) == 0 || restarting->left == 0 || --restarting->left != 0) return;
    remote_host_restart(&restarting->far->hosts[restarting->index]);
    restarting->has_fired = true;
}

static bool close_with_restart(struct world *world, struct far *far, unsigned index, unsigned nth)
{
    struct restarting restarting = {.far = far, .index = index, .left = nth};
    vt_fault_set_step_hook(restart_at, &restarting);
    const vault_status status = world_close_epoch(world, false);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_ok(status);
    return restarting.has_fired;
}

START_TEST(a_keeper_restarted_at_any_step_of_an_epoch_loses_nothing_and_heals)
{
    for (unsigned index = 0; index < HOSTS; index++) {
        bool has_fired = true;
        unsigned nth = 1;
        for (; has_fired; nth++) {
            struct world world;
            struct far far;
            const uint64_t certificate = world_over(&world, &far);
            has_fired = close_with_restart(&world, &far, index, nth);
            ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
            assert_sound(&world, &far);
            world_over_end(&world, &far);
        }
        ck_assert_uint_gt(nth, 10);
    }
}
END_TEST

/* The vault's process ends without telling anybody: nobody can be reached while it lets go of what it has. */
static void power_cut(struct world *world, struct far *far, struct vt_epoch_closing *closing)
{
    down(far, true);
    vt_epoch_closing_free(closing);
    world_close(world);
    down(far, false);
}

static struct vt_epoch_closing *freeze(struct world *world)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    struct vt_epoch_closing *closing = NULL;
    ck_assert_ok(vt_txn_begin_read(world->store, &txn));
    ck_assert_ok(vt_keyring_view_begin(world->ring, txn, &view));
    ck_assert_ok(vt_epoch_freeze(world->epoch, view, false, &closing));
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return closing;
}

static void commit(struct world *world, struct vt_epoch_closing *closing)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_write *write = NULL;
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_epoch_write_begin(world->epoch, txn, &write));
    ck_assert_ok(vt_epoch_commit(closing, write, txn, world_destroy, world));
    ck_assert_ok(vt_txn_commit(txn));
    vt_keyring_write_committed(write);
    vt_epoch_committed(closing, true);
}

START_TEST(a_power_cut_behind_the_prepare_and_a_restarted_keeper_leave_the_former_epoch)
{
    for (unsigned index = 0; index < HOSTS; index++) {
        struct world world;
        struct far far;
        world_over(&world, &far);
        struct vt_epoch_closing *closing = freeze(&world);
        ck_assert_ok(vt_epoch_prepare(closing));
        power_cut(&world, &far, closing);
        for (unsigned i = 0; i < HOSTS; i++) ck_assert_uint_eq(shares_at(&far, i), 2);
        remote_host_restart(&far.hosts[index]);
        world_open(&world);
        ck_assert_ok(world_unseal(&world, NULL));
        ck_assert_uint_eq(world_epoch(&world), 1);
        ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
        ck_assert_ok(world_close_epoch(&world, false));
        assert_sound(&world, &far);
        world_over_end(&world, &far);
    }
}
END_TEST

START_TEST(a_power_cut_behind_the_commit_and_a_restarted_keeper_leave_the_next_epoch)
{
    for (unsigned index = 0; index < HOSTS; index++) {
        struct world world;
        struct far far;
        const uint64_t certificate = world_over(&world, &far);
        struct vt_epoch_closing *closing = freeze(&world);
        ck_assert_ok(vt_epoch_prepare(closing));
        commit(&world, closing);
        power_cut(&world, &far, closing);
        remote_host_restart(&far.hosts[index]);
        world_open(&world);
        ck_assert_ok(world_unseal(&world, NULL));
        ck_assert_uint_eq(world_epoch(&world), 2);
        ck_assert_ok(world_close_epoch(&world, false));         /* the certificates that are owed */
        ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
        assert_sound(&world, &far);
        world_over_end(&world, &far);
    }
}
END_TEST

START_TEST(a_keeper_that_is_down_holds_the_shred_up_and_status_says_so)
{
    struct world world;
    struct far far;
    struct vt_epoch_status status;
    const uint64_t certificate = world_over(&world, &far);
    far.hosts[1].is_down = true;
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_KEEPER);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert(status.keepers[0].is_reachable && !status.keepers[1].is_reachable);
    ck_assert_int_eq(status.keepers[1].keeper_class, VT_KEEPER_E4);
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
    remote_host_restart(&far.hosts[1]);
    far.hosts[1].is_down = false;
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    assert_sound(&world, &far);
    world_over_end(&world, &far);
}
END_TEST

START_TEST(with_the_tolerance_lowered_two_keepers_close_an_epoch_and_the_third_heals_at_the_next)
{
    struct world world;
    struct far far;
    const uint64_t certificate = world_over(&world, &far);
    far.hosts[2].is_down = true;
    ck_assert_ok(vt_epoch_set_tolerance(world.epoch, 0));
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    remote_host_restart(&far.hosts[2]);
    far.hosts[2].is_down = false;
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert_uint_eq(shares_at(&far, 2), 0);
    assert_sound(&world, &far);
    world_over_end(&world, &far);
}
END_TEST

START_TEST(while_the_vault_runs_the_next_epoch_heals_even_all_keepers)
{
    struct world world;
    struct far far;
    world_over(&world, &far);
    for (unsigned i = 0; i < HOSTS; i++) remote_host_restart(&far.hosts[i]);
    ck_assert_ok(world_close_epoch(&world, false));
    assert_sound(&world, &far);
    world_over_end(&world, &far);
}
END_TEST

START_TEST(a_restarted_keeper_makes_an_epoch_due_once_all_answer)
{
    struct world world;
    struct far far;
    world_over(&world, &far);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    vt_clock_shift(&world.clock, 60 * 1000);
    ck_assert(!vt_epoch_is_due(world.epoch));
    remote_host_restart(&far.hosts[1]);
    far.hosts[2].is_down = true;
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert(!vt_epoch_wants_healing(world.epoch));            /* it could not be prepared */
    far.hosts[2].is_down = false;
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert(vt_epoch_wants_healing(world.epoch));
    ck_assert(vt_epoch_is_due(world.epoch));
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_uint_eq(shares_at(&far, 1), 1);
    ck_assert(!vt_epoch_is_due(world.epoch));
    remote_host_restart(&far.hosts[0]);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert(!vt_epoch_is_due(world.epoch));                   /* not one after the other */
    vt_clock_shift(&world.clock, 60 * 1000);
    ck_assert(vt_epoch_is_due(world.epoch));
    vt_epoch_seal(world.epoch);
    ck_assert(!vt_epoch_wants_healing(world.epoch));
    world_over_end(&world, &far);
}
END_TEST

struct joining {
    struct far *far;
    unsigned index;
};

static void restart_at_fence(const char *step, void *context)
{
    const struct joining *joining = context;
    if (strcmp(step, "S5.fenced") == 0) remote_host_restart(&joining->far->hosts[joining->index]);
}

START_TEST(a_keeper_that_is_restarted_while_it_joins_makes_an_epoch_due_and_has_its_share_then)
{
    struct world world;
    struct far far;
    struct vt_epoch_check check;
    struct vt_keeper_plan plan;
    const struct vt_keeper_wish wish = {.leave_count = 0};
    struct joining joining = {&far, HOSTS - 1};
    world_over_some(&world, &far, HOSTS - 1);
    world_close(&world);
    world.shape.m = HOSTS;
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(vt_epoch_check(world.epoch, &check));
    ck_assert_ok(vt_epoch_plan_change(world.epoch, &wish, &check, &plan, NULL));
    vt_fault_set_step_hook(restart_at_fence, &joining);
    ck_assert_ok(vt_epoch_change_keepers(world.epoch, &plan));
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_uint_eq(shares_at(&far, joining.index), 0);
    vt_clock_shift(&world.clock, 60 * 1000);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    ck_assert(vt_epoch_wants_healing(world.epoch));
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_uint_eq(shares_at(&far, joining.index), 1);
    vt_clock_shift(&world.clock, 60 * 1000);
    ck_assert(!vt_epoch_wants_healing(world.epoch));
    world_over_end(&world, &far);
}
END_TEST

START_TEST(a_vault_that_stopped_does_not_open_with_too_few_shares_and_says_why)
{
    struct world world;
    struct far far;
    struct vt_err err = {{0}, {0}};
    world_over(&world, &far);
    world_close(&world);
    remote_host_restart(&far.hosts[0]);
    remote_host_restart(&far.hosts[2]);
    world_open(&world);
    ck_assert_status(world_unseal(&world, &err), VAULT_E_KEEPER);
    ck_assert_ptr_nonnull(strstr(err.message, "2 of 3 keepers have lost their share"));
    ck_assert_uint_eq(shares_at(&far, 1), 1);               /* and nothing was erased */
    world_over_end(&world, &far);
}
END_TEST

VT_TEST_MAIN("remote/epoch", a_shred_over_remote_keepers_is_effective_with_their_receipts,
             a_keeper_restarted_at_any_step_of_an_epoch_loses_nothing_and_heals,
             a_power_cut_behind_the_prepare_and_a_restarted_keeper_leave_the_former_epoch,
             a_power_cut_behind_the_commit_and_a_restarted_keeper_leave_the_next_epoch,
             a_keeper_that_is_down_holds_the_shred_up_and_status_says_so,
             with_the_tolerance_lowered_two_keepers_close_an_epoch_and_the_third_heals_at_the_next,
             while_the_vault_runs_the_next_epoch_heals_even_all_keepers,
             a_restarted_keeper_makes_an_epoch_due_once_all_answer,
             a_keeper_that_is_restarted_while_it_joins_makes_an_epoch_due_and_has_its_share_then,
             a_vault_that_stopped_does_not_open_with_too_few_shares_and_says_why)
