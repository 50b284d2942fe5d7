/* A copy that is served read-only beside the live vault, and when it seals itself: docs/decisions/0015. */
#include <stdio.h>

#include "tests/support/world.h"
#include "vaultd/core/backup/backup.h"

enum { KEEPERS = 3, QUORUM = 2 };
#define UNSEEN_MAX_NS (VT_BESIDE_UNSEEN_MAX_MS * UINT64_C(1000000))
static struct world live, copy;

static void open_copy(void)
{
    struct vt_keeper *keepers[KEEPERS];
    struct vt_err err = {{0}, {0}};
    char path[160];
    struct vt_vault_options options = {.keepers = keepers, .keeper_count = KEEPERS, .quorum = QUORUM, .clock = &live.clock,
                                       .is_read_only = true};
    const struct vt_store_lmdb_options store = {.map_bytes = 64 << 20, .must_exist = true};
    for (unsigned i = 0; i < KEEPERS; i++) {
        world_keeper_path(&live, i, path);
        ck_assert_ok(vt_keeper_file_open_read_only(path, "looked-at", &keepers[i]));
    }
    snprintf(path, sizeof path, "%s/copy/store", live.dir);
    ck_assert_ok(vt_store_lmdb_open(path, &store, &options.store));
    ck_assert_ok(vt_vault_open(&options, &copy.vault, &err));
}

static vault_status unseal_copy(void)
{
    return world_unseal(&copy);
}

static void setup_live(void)
{
    world_new(&live, &(struct world_options){.is_on_disk = true, .keeper_count = KEEPERS, .quorum = QUORUM});
    ck_assert_ok(world_call(&live, "application", "subject.create", "{external_id: ada}", NULL));
}

static void back_up(void)
{
    char params[200];
    snprintf(params, sizeof params, "{to: %s/backup}", live.dir);
    ck_assert_ok(world_call(&live, "operator", "backup.create", params, NULL));
}

static void setup_copy(void)
{
    char params[400];
    snprintf(params, sizeof params, "{from: %s/backup, to: %s/copy, check_only: true}", live.dir, live.dir);
    ck_assert_ok(world_call(&live, "operator", "backup.restore", params, NULL));
    copy = live;
    copy.pool = VT_POOL_INIT(1 << 20);
    copy.vault = NULL;
    open_copy();
    ck_assert_ok(unseal_copy());
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, 1), VT_SELF_SEAL_NONE);
}

/* A live vault with ada in it, and its copy, unsealed and looked at once. */
static void setup(void)
{
    setup_live();
    back_up();
    setup_copy();
}

static void teardown(void)
{
    vt_vault_free(copy.vault);
    vt_pool_release(&copy.pool);
    world_free(&live);
}

static vault_status show(struct world *world)
{
    return world_call(world, "privacy", "subject.show", "{subject: ada, purpose: service}", NULL);
}

static void assert_sealed(const char *sentence)
{
    static const char *const COMMANDS[] = {"vault.health", "vault.status"};
    struct vt_value result;
    ck_assert_int_eq(vt_vault_state(copy.vault), VT_VAULT_SEALED);
    ck_assert(vt_epoch_is_sealed(vt_vault_epoch(copy.vault)));
    ck_assert(vt_keyring_is_sealed(vt_vault_keyring(copy.vault)));
    ck_assert_status(show(&copy), VAULT_E_SEALED);
    ck_assert_str_eq(copy.err.message, sentence);
    for (size_t i = 0; i < VT_ARRAY_LEN(COMMANDS); i++) {
        ck_assert_ok(world_call(&copy, "operator", COMMANDS[i], NULL, &result));
        ck_assert(vt_bytes_equal_str(vt_value_get_text(&result, "state"), "sealed"));
        ck_assert(vt_bytes_equal_str(vt_value_get_text(&result, "reason"), sentence));
    }
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, UINT64_C(1) << 60), VT_SELF_SEAL_NONE);     /* once is enough */
}

static const char CLOSED[] = "The live vault has closed the epoch of this copy, so it has sealed itself: restore the backup with "
                             "--check-only again.";
static const char UNSEEN[] = "Too few keepers could be read for a minute, so this copy could not tell whether the live vault has "
                             "closed its epoch, and has sealed itself: make them readable, then unseal it.";

static void move_keeper(unsigned keeper, bool is_away)
{
    char path[160], away[170];
    world_keeper_path(&live, keeper, path);
    snprintf(away, sizeof away, "%s.away", path);
    ck_assert_int_eq(is_away ? rename(path, away) : rename(away, path), 0);
}

/* Asked for after the backup was made, which knows nothing of it: what is pending comes from the live vault. */
START_TEST(who_waits_to_be_forgotten_in_the_live_vault_is_not_read_in_a_copy_either)
{
    struct vt_value result;
    setup_live();
    ck_assert_ok(world_call(&live, "application", "subject.create", "{external_id: bob}", NULL));
    back_up();
    ck_assert_ok(world_call(&live, "privacy", "subject.shred", "{subject: ada}", NULL));
    setup_copy();
    ck_assert_status(show(&copy), VAULT_E_SHRED_PENDING);
    ck_assert_ok(world_call(&copy, "operator", "epoch.status", NULL, &result));
    ck_assert_int_eq(vt_value_get_int(&result, "pending", 0), 1);
    ck_assert_ptr_null(vt_value_get(&result, "next_close_at"));     /* not by this one */
    ck_assert_ok(world_call(&copy, "privacy", "subject.show", "{subject: bob, purpose: service}", NULL));
    ck_assert_ok(vt_vault_close_epoch_wait(live.vault, false));
    ck_assert_status(show(&live), VAULT_E_NOT_FOUND);
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, 2), VT_SELF_SEAL_EPOCH_CLOSED);
    assert_sealed(CLOSED);
    teardown();
}
END_TEST

START_TEST(a_copy_seals_itself_when_the_live_vault_has_closed_its_epoch)
{
    setup();
    ck_assert_ok(world_call(&live, "application", "subject.create", "{external_id: bob}", NULL));
    ck_assert_ok(vt_epoch_push_floor(vt_vault_epoch(live.vault)));
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, 2), VT_SELF_SEAL_NONE);       /* commits alone are no reason */
    ck_assert_ok(show(&copy));
    ck_assert_ptr_null(vt_vault_self_seal_sentence(copy.vault));

    ck_assert_ok(world_call(&live, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    ck_assert_ok(show(&copy));
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, 3), VT_SELF_SEAL_EPOCH_CLOSED);
    assert_sealed(CLOSED);
    ck_assert_status(unseal_copy(), VAULT_E_ROLLBACK);
    ck_assert_str_eq(copy.err.message,
                     "The live vault has closed the epoch of this copy: restore the backup with --check-only again.");
    assert_sealed(CLOSED);
    teardown();
}
END_TEST

START_TEST(one_keeper_with_a_later_floor_is_enough_whoever_else_is_away)
{
    for (unsigned left = 0; left < KEEPERS; left++) {
        setup();
        ck_assert_ok(world_call(&live, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
        for (unsigned i = 0; i < KEEPERS; i++)
            if (i != left) move_keeper(i, true);
        ck_assert_int_eq(vt_vault_look_beside(copy.vault, 2), VT_SELF_SEAL_EPOCH_CLOSED);
        assert_sealed(CLOSED);
        teardown();
    }
}
END_TEST

START_TEST(a_copy_seals_itself_when_a_later_incarnation_has_taken_over)
{
    char params[200];
    setup();
    snprintf(params, sizeof params, "{from: %s/backup, take_over: true}", live.dir);
    ck_assert_ok(world_call(&live, "operator", "backup.restore", params, NULL));
    world_restart(&live);
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, 2), VT_SELF_SEAL_EPOCH_CLOSED);
    assert_sealed(CLOSED);
    ck_assert_status(unseal_copy(), VAULT_E_ROLLBACK);
    teardown();
}
END_TEST

static void assert_reachable(const bool expected[KEEPERS])
{
    struct vt_epoch_status status;
    ck_assert_ok(vt_epoch_status(vt_vault_epoch(copy.vault), &status));
    for (unsigned i = 0; i < KEEPERS; i++) ck_assert_int_eq(status.keepers[i].is_reachable, expected[i]);
}

START_TEST(a_copy_that_can_read_fewer_keepers_than_the_quorum_seals_itself_when_the_time_is_over)
{
    uint64_t now_ns = 1000;
    setup();
    move_keeper(0, true);
    now_ns += UNSEEN_MAX_NS;
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, now_ns), VT_SELF_SEAL_NONE);      /* two of three are the quorum */
    assert_reachable((const bool[]){false, true, true});
    move_keeper(1, true);
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, now_ns + UNSEEN_MAX_NS - 1), VT_SELF_SEAL_NONE);
    assert_reachable((const bool[]){false, false, true});
    ck_assert_ok(show(&copy));
    move_keeper(1, false);
    now_ns += UNSEEN_MAX_NS;
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, now_ns), VT_SELF_SEAL_NONE);      /* back in time: it begins anew */
    move_keeper(1, true);
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, now_ns + UNSEEN_MAX_NS - 1), VT_SELF_SEAL_NONE);
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, now_ns + UNSEEN_MAX_NS), VT_SELF_SEAL_KEEPERS_UNSEEN);
    assert_sealed(UNSEEN);
    ck_assert_status(unseal_copy(), VAULT_E_KEEPER);
    assert_sealed(UNSEEN);

    move_keeper(1, false);
    ck_assert_ok(unseal_copy());
    ck_assert_ptr_null(vt_vault_self_seal_sentence(copy.vault));
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, now_ns + 9 * UNSEEN_MAX_NS), VT_SELF_SEAL_NONE);
    ck_assert_ok(show(&copy));
    teardown();
}
END_TEST

START_TEST(a_fresh_keeper_in_the_place_of_one_says_nothing_about_the_epoch)
{
    setup();
    for (unsigned i = 0; i < 2; i++) {
        char path[160];
        struct vt_keeper *fresh;
        move_keeper(i, true);
        world_keeper_path(&live, i, path);
        ck_assert_ok(vt_keeper_file_open(path, "fresh", false, &fresh));
        vt_keeper_free(fresh);
    }
    ck_assert_status(vt_epoch_look_beside(vt_vault_epoch(copy.vault)), VAULT_E_KEEPER);
    ck_assert_int_eq(vt_vault_look_beside(copy.vault, 1 + UNSEEN_MAX_NS), VT_SELF_SEAL_KEEPERS_UNSEEN);
    assert_sealed(UNSEEN);
    teardown();
}
END_TEST

START_TEST(a_copy_rotates_no_key_and_begins_no_job_for_it)
{
    static const char *const ROTATIONS[] = {"{what: root}", "{what: tree}", "{what: tenant, key: index}",
                                            "{what: subject, subject: ada}", "{what: unseal, passphrase: another one}"};
    struct vt_value result;
    setup();
    for (size_t i = 0; i < VT_ARRAY_LEN(ROTATIONS); i++)
        ck_assert_status(world_call(&copy, "administrator", "key.rotate", ROTATIONS[i], NULL), VAULT_E_READ_ONLY);
    ck_assert_ok(world_call(&copy, "operator", "job.status", "{}", &result));
    ck_assert_uint_eq(vt_value_get(&result, "jobs")->array.count, 0);
    teardown();
}
END_TEST

START_TEST(a_copy_is_not_backed_up_whatever_else_is_wrong_with_the_call)
{
    static const char *const CALLS[] = {"{to: relative}", "{to: /proc/none/backup}",
                                        "{to: /proc/none/backup, expires_at: '1970-01-01T00:00:00Z'}"};
    setup();
    for (size_t i = 0; i < VT_ARRAY_LEN(CALLS); i++)
        ck_assert_status(world_call(&copy, "operator", "backup.create", CALLS[i], NULL), VAULT_E_READ_ONLY);
    teardown();
}
END_TEST

START_TEST(a_live_vault_never_seals_itself)
{
    setup();
    for (unsigned i = 0; i < KEEPERS; i++) move_keeper(i, true);
    ck_assert_int_eq(vt_vault_look_beside(live.vault, 1), VT_SELF_SEAL_NONE);
    ck_assert_int_eq(vt_vault_look_beside(live.vault, 1 + UNSEEN_MAX_NS), VT_SELF_SEAL_NONE);
    ck_assert_ok(show(&live));
    for (unsigned i = 0; i < KEEPERS; i++) move_keeper(i, false);
    ck_assert_ok(world_call(&live, "operator", "vault.seal", NULL, NULL));
    ck_assert_status(show(&live), VAULT_E_SEALED);
    ck_assert_str_eq(live.err.message, "");                 /* who was asked to seal has no reason of its own */
    ck_assert_status(vt_epoch_look_beside(vt_vault_epoch(live.vault)), VAULT_E_SEALED);
    teardown();
}
END_TEST

VT_TEST_MAIN("beside", who_waits_to_be_forgotten_in_the_live_vault_is_not_read_in_a_copy_either,
             a_copy_seals_itself_when_the_live_vault_has_closed_its_epoch,
             one_keeper_with_a_later_floor_is_enough_whoever_else_is_away,
             a_copy_seals_itself_when_a_later_incarnation_has_taken_over,
             a_copy_that_can_read_fewer_keepers_than_the_quorum_seals_itself_when_the_time_is_over,
             a_fresh_keeper_in_the_place_of_one_says_nothing_about_the_epoch,
             a_copy_rotates_no_key_and_begins_no_job_for_it,
             a_copy_is_not_backed_up_whatever_else_is_wrong_with_the_call, a_live_vault_never_seals_itself)
