/* Keepers as callers see them: what a check and the list say, who may change the set, and a certificate on its way to final. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "libvault/proof/certificate.h"
#include "tests/support/world.h"
#include "vaultd/core/keeper/keeper_ram.h"
#include "vaultd/service/jobs.h"

static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: email, type: email, category: A, index: many, doc: e}\n";
static struct world world;

static void setup(const struct world_options *options)
{
    world_new(&world, options);
    world_apply_schema(&world, PROFILE);
}

static void teardown(void)
{
    world_free(&world);
}

static void create(const char *name)
{
    char params[200];
    snprintf(params, sizeof params, "{external_id: %s, records: {profile: {email: %s@example.org}}}", name, name);
    ck_assert_ok(world_call(&world, "application", "subject.create", params, NULL));
}

static const struct vt_value *keeper_of(const struct vt_value *result, size_t index)
{
    const struct vt_value *keepers = vt_value_get(result, "keepers");
    ck_assert(keepers != NULL && keepers->array.count > index);
    return &keepers->array.items[index];
}

static bool says(const struct vt_value *map, const char *key, const char *text)
{
    return vt_bytes_equal_str(vt_value_get_text(map, key), text);
}

/* {possible, needed, present, may_fail} of one of the three. */
static void assert_need(const struct vt_value *result, const char *what, bool possible, int64_t needed, int64_t present)
{
    const struct vt_value *need = vt_value_get(vt_value_get(result, "tolerance"), what);
    ck_assert_ptr_nonnull(need);
    ck_assert_int_eq(vt_value_get_bool(need, "possible", !possible), possible);
    ck_assert_int_eq(vt_value_get_int(need, "needed", -1), needed);
    ck_assert_int_eq(vt_value_get_int(need, "present", -1), present);
    ck_assert_int_eq(vt_value_get_int(need, "may_fail", -1), possible ? present - needed : 0);
}

static const struct world_options three_files = {.is_on_disk = true, .keeper_count = 3, .quorum = 2};

START_TEST(a_check_a_list_and_the_status_say_the_same_of_what_may_fail)
{
    static const char *const METHODS[] = {"keeper.check", "keeper.list", "vault.status"};
    struct vt_value result;
    setup(&three_files);
    for (size_t i = 0; i < VT_ARRAY_LEN(METHODS); i++) {
        ck_assert_ok(world_call(&world, "operator", METHODS[i], NULL, &result));
        assert_need(&result, "opening", true, 2, 3);
        assert_need(&result, "preparing", true, 3, 3);
        assert_need(&result, "erasing", true, 2, 3);
    }
    ck_assert_ok(world_call(&world, "operator", "keeper.check", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    for (size_t i = 0; i < 3; i++) {
        ck_assert(says(keeper_of(&result, i), "share", "fits"));
        ck_assert(says(keeper_of(&result, i), "vault", "this"));
    }
    teardown();
}
END_TEST

START_TEST(a_check_names_the_keeper_that_was_moved_away_and_what_can_no_longer_be_done)
{
    struct vt_value result;
    char path[160], away[200];
    setup(&three_files);
    world_keeper_path(&world, 2, path);
    snprintf(away, sizeof away, "%s.away", path);
    ck_assert_int_eq(rename(path, away), 0);
    ck_assert_ok(world_call(&world, "operator", "keeper.check", NULL, &result));
    ck_assert(!vt_value_get_bool(&result, "is_sound", true));
    assert_need(&result, "preparing", false, 3, 2);
    assert_need(&result, "erasing", true, 2, 2);
    const struct vt_value *findings = vt_value_get(&result, "findings");
    ck_assert_uint_eq(findings->array.count, 1);
    ck_assert(vt_bytes_equal_str(findings->array.items[0].bytes, "Keeper keeper-2 does not answer."));
    create("ada");
    ck_assert_int_eq(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL), VAULT_E_KEEPER);
    ck_assert_int_eq(rename(away, path), 0);
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    teardown();
}
END_TEST

START_TEST(a_holder_that_the_settings_do_not_name_any_more_is_a_fault)
{
    struct vt_value result;
    char text[200];
    setup(&three_files);
    create("ada");
    ck_assert_ok(world_call(&world, "operator", "keeper.check", NULL, &result));
    const uint64_t id = vt_value_get(keeper_of(&result, 2), "id")->unsigned_integer;
    world_close(&world);
    world.options.keeper_count = 2;
    world_open(&world);
    ck_assert_ok(world_unseal(&world));
    ck_assert_ok(world_call(&world, "operator", "keeper.check", NULL, &result));
    ck_assert(!vt_value_get_bool(&result, "is_sound", true));
    assert_need(&result, "preparing", false, 3, 2);
    const struct vt_value *findings = vt_value_get(&result, "findings");
    ck_assert_uint_eq(findings->array.count, 1);
    snprintf(text, sizeof text,
             "Keeper keeper-2 of id %llu holds a share and is not in the settings: name it there again, or change the keepers.",
             (unsigned long long)id);
    ck_assert(vt_bytes_equal_str(findings->array.items[0].bytes, text));
    ck_assert_status(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL), VAULT_E_KEEPER);
    teardown();
}
END_TEST

START_TEST(only_an_administrator_changes_the_keepers_and_only_by_names_that_mean_something)
{
    static const struct {
        const char *role, *params;
        vault_status status;
    } CASES[] = {{"operator", "{leave: [keeper-1]}", VAULT_E_FORBIDDEN},
                 {"administrator", "{leave: [keeper-9]}", VAULT_E_ARGUMENT},
                 {"administrator", "{lost: [keeper-9]}", VAULT_E_ARGUMENT},
                 {"administrator", "{lost: [12345]}", VAULT_E_ARGUMENT},
                 {"administrator", "{lost: [keeper-1]}", VAULT_E_STATE},
                 {"administrator", "{leave: [[]]}", VAULT_E_TYPE},
                 {"administrator", "{leave: [keeper-1, keeper-2]}", VAULT_E_KEEPER},
                 {"administrator", "{}", VAULT_E_STATE}};
    setup(&three_files);
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++)
        ck_assert_status(world_call(&world, CASES[i].role, "keeper.change", CASES[i].params, NULL), CASES[i].status);
    ck_assert_ok(world_call(&world, "administrator", "keeper.change", "{leave: [keeper-2], dry_run: true}", NULL));
    struct vt_value result;
    ck_assert_ok(world_call(&world, "operator", "keeper.check", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    teardown();
}
END_TEST

START_TEST(a_keeper_that_leaves_has_no_share_and_the_vault_goes_on)
{
    struct vt_value result;
    setup(&three_files);
    create("ada");
    ck_assert_ok(world_call(&world, "administrator", "keeper.change", "{leave: [keeper-1]}", &result));
    ck_assert_int_eq(vt_value_get_int(&result, "epoch", 0), 2);
    ck_assert_uint_eq(vt_value_get(&result, "stay")->array.count, 2);
    ck_assert_ok(world_call(&world, "operator", "keeper.check", NULL, &result));
    ck_assert_uint_eq(vt_value_get(keeper_of(&result, 1), "holds")->array.count, 0);
    assert_need(&result, "opening", true, 2, 2);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    world_reopen(&world);
    create("bob");
    teardown();
}
END_TEST

START_TEST(a_sealed_vault_is_checked_too)
{
    struct vt_value result;
    setup(&three_files);
    world_close(&world);
    world_open(&world);
    ck_assert_ok(world_call(&world, "all", "keeper.check", NULL, &result));
    for (size_t i = 0; i < 3; i++) ck_assert(says(keeper_of(&result, i), "share", "unchecked"));
    ck_assert_ok(world_unseal(&world));
    teardown();
}
END_TEST

/* Final --------------------------------------------------------------------------------------------------------------- */

static struct vt_keeper *open_ram(void *context, unsigned index)
{
    struct vt_keeper *keeper = NULL;
    char path[200], name[24];
    snprintf(path, sizeof path, "%s/floor-%u", (const char *)context, index);
    snprintf(name, sizeof name, "keeper-%u", index);
    ck_assert_ok(vt_keeper_ram_open(path, name, &keeper));
    return keeper;
}

static void end_of_jobs(void)
{
    const struct timespec pause = {0, 2000000};
    for (;;) {
        struct vt_value list;
        bool is_running = false;
        ck_assert_ok(vt_jobs_list(vt_vault_jobs(world.vault), NULL, &world.pool, &list));
        for (size_t i = 0; i < list.array.count; i++) is_running = is_running || says(&list.array.items[i], "state", "running");
        if (!is_running) return;
        nanosleep(&pause, NULL);
    }
}

static const struct vt_value *show(int64_t number, struct vt_value *result)
{
    char params[64];
    snprintf(params, sizeof params, "{number: %lld}", (long long)number);
    ck_assert_ok(world_call(&world, "privacy", "certificate.show", params, result));
    return vt_value_get(result, "certificate");
}

START_TEST(a_certificate_becomes_final_after_the_index_was_placed_anew)
{
    char dir[128];
    struct vt_value result;
    vt_temp_dir_make(dir, sizeof dir);
    const struct world_options options = {.keeper_count = 3, .quorum = 2, .open_keeper = open_ram, .context = dir};
    setup(&options);
    create("ada");
    create("bob");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", &result));
    const int64_t number = vt_value_get_int(&result, "certificate", 0);
    ck_assert_ok(vt_vault_settle_certificates(world.vault));
    ck_assert(says(show(number, &result), "state", "effective"));
    ck_assert(says(vt_value_get(vt_value_get(&result, "certificate"), "index_era"), "state", "open"));
    world_pass(&world, 60000);
    ck_assert_ok(world_call(&world, "administrator", "key.rotate", "{what: tenant, key: place}", NULL));
    end_of_jobs();
    ck_assert_ok(vt_vault_settle_certificates(world.vault));
    const struct vt_value *certificate = show(number, &result);
    ck_assert(says(certificate, "state", "final"));
    ck_assert(says(vt_value_get(certificate, "index_era"), "state", "closed"));
    ck_assert_int_eq(vt_value_get_int(certificate, "number", 0), number);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob, now: true}", &result));
    ck_assert_ok(vt_vault_settle_certificates(world.vault));
    ck_assert(says(show(vt_value_get_int(&result, "certificate", 0), &result), "state", "effective"));
    ck_assert_ok(world_call(&world, "auditor", "audit.verify", NULL, &result));
    teardown();
    vt_temp_dir_remove(dir);
}
END_TEST

VT_TEST_MAIN("keepers", a_check_a_list_and_the_status_say_the_same_of_what_may_fail,
             a_check_names_the_keeper_that_was_moved_away_and_what_can_no_longer_be_done,
             a_holder_that_the_settings_do_not_name_any_more_is_a_fault,
             only_an_administrator_changes_the_keepers_and_only_by_names_that_mean_something,
             a_keeper_that_leaves_has_no_share_and_the_vault_goes_on, a_sealed_vault_is_checked_too,
             a_certificate_becomes_final_after_the_index_was_placed_anew)
