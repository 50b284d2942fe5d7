/* Sealing and unsealing while calls are under way. */
#include <pthread.h>
#include <sched.h>

#include "libvault/codec/yaml.h"
#include "tests/support/world.h"
#include "vaultd/service/credentials.h"

static struct world world;

static void unseal(void)
{
    struct vt_value params = vt_value_map();
    ck_assert_ok(vt_value_put(&world.pool, &params, "key_file", vt_value_str(world_key_file), NULL));
    ck_assert_ok(world_call_value(&world, "operator", "vault.unseal", &params, NULL));
}

static struct vt_call *begin(const char *params)
{
    struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("application")), .is_local = true};
    struct vt_value *map = vt_pool_alloc(&world.pool, sizeof *map);
    struct vt_call *call;
    ck_assert_ok(vt_yaml_read(&world.pool, vt_bytes_str(params), map, &world.err));
    ck_assert_ok(vt_call_new(world.vault, &principal, &call));
    call->method = vt_bytes_str("subject.create");
    call->params = map;
    ck_assert_int_eq(vt_call_prepare(call), VT_CALL_COMMIT);
    return call;
}

START_TEST(what_calls_under_way_hold_outlives_a_seal_and_an_unseal)
{
    world_new(&world, NULL);
    const struct vt_sequence *records = vt_vault_record_sequence(world.vault), *tokens = vt_vault_token_sequence(world.vault);
    struct vt_call *call = begin("{external_id: ada}");
    ck_assert_ok(world_call(&world, "operator", "vault.seal", NULL, NULL));
    unseal();
    ck_assert_ptr_eq(vt_vault_record_sequence(world.vault), records);
    ck_assert_ptr_eq(vt_vault_token_sequence(world.vault), tokens);
    const vault_status status = vt_vault_commit_wait(world.vault, &call->item);
    ck_assert(status == VAULT_OK || status == VAULT_E_CONFLICT);
    vt_call_free(call);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: bob}", NULL));
    struct vt_value result;
    ck_assert_ok(world_call(&world, "auditor", "audit.verify", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    world_free(&world);
}
END_TEST

START_TEST(a_sealed_vault_forgets_by_what_credentials_are_known_and_learns_it_again)
{
    struct vt_value result;
    struct vt_principal principal;
    world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "administrator", "credential.create", "{name: shop, role: application}", &result));
    const struct vt_bytes secret = vt_value_get_text(&result, "secret");
    struct vt_credentials *credentials = vt_vault_credentials(world.vault);
    ck_assert_ok(vt_credentials_login(credentials, secret, 0, &principal));
    ck_assert_ok(world_call(&world, "operator", "vault.seal", NULL, NULL));
    ck_assert_int_eq(vt_credentials_login(credentials, secret, 0, &principal), VAULT_E_UNAUTHENTICATED);
    ck_assert_ok(vt_credentials_check(credentials, &principal, 0));
    unseal();
    ck_assert_ok(vt_credentials_login(credentials, secret, 0, &principal));
    world_free(&world);
}
END_TEST

static struct vt_bytes state_of(const char *name)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "administrator", "credential.list", "{}", &result));
    const struct vt_value *list = vt_value_get(&result, "credentials");
    for (size_t i = 0; i < list->array.count; i++)
        if (vt_bytes_equal_str(vt_value_get_text(&list->array.items[i], "name"), name))
            return vt_value_get_text(&list->array.items[i], "state");
    return VT_BYTES_EMPTY;
}

START_TEST(a_credential_ends_in_the_future_only_and_is_listed_as_expired_from_then_on)
{
    world_new(&world, NULL);
    static const char *const LATE[] = {"{name: late, role: auditor, expires_at: '2026-07-01T00:00:00Z'}",
                                       "{name: late, role: auditor, expires_at: '1970-01-01T00:00:00Z'}",
                                       "{name: late, role: auditor, expires_at: '1969-12-31T23:59:59Z'}"};
    for (size_t i = 0; i < VT_ARRAY_LEN(LATE); i++) {
        ck_assert_status(world_call(&world, "administrator", "credential.create", LATE[i], NULL), VAULT_E_ARGUMENT);
        ck_assert_str_eq(world.err.field, "expires_at");
    }
    ck_assert_ok(world_call(&world, "administrator", "credential.create",
                            "{name: brief, role: auditor, expires_at: '2026-07-01T00:00:01Z'}", NULL));
    ck_assert(vt_bytes_equal_str(state_of("brief"), "live"));
    world_pass(&world, 1000);
    ck_assert(vt_bytes_equal_str(state_of("brief"), "expired"));
    world_free(&world);
}
END_TEST

START_TEST(the_last_administrator_is_not_revoked_and_one_that_has_expired_is_no_other)
{
    world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "administrator", "credential.create", "{name: second, role: administrator}", NULL));
    ck_assert_ok(world_call(&world, "administrator", "credential.create", "{name: first, role: administrator}", NULL));
    ck_assert_ok(world_call(&world, "administrator", "credential.create",
                            "{name: brief, role: administrator, expires_at: '2026-07-01T00:00:01Z'}", NULL));
    ck_assert_ok(world_call(&world, "administrator", "credential.revoke", "{name: first}", NULL));
    world_pass(&world, 1000);
    ck_assert_status(world_call(&world, "administrator", "credential.revoke", "{name: second}", NULL), VAULT_E_STATE);
    ck_assert_str_eq(world.err.field, "name");
    ck_assert(vt_bytes_equal_str(state_of("second"), "live"));
    ck_assert_ok(world_call(&world, "administrator", "credential.create", "{name: third, role: administrator}", NULL));
    ck_assert_ok(world_call(&world, "administrator", "credential.revoke", "{name: second}", NULL));
    world_free(&world);
}
END_TEST

START_TEST(an_administrator_that_will_expire_does_not_stand_in_for_one_that_is_revoked)
{
    world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "administrator", "credential.create", "{name: lasting, role: administrator}", NULL));
    ck_assert_ok(world_call(&world, "administrator", "credential.create",
                            "{name: brief, role: administrator, expires_at: '2026-07-01T00:00:01Z'}", NULL));
    ck_assert_status(world_call(&world, "administrator", "credential.revoke", "{name: lasting}", NULL), VAULT_E_STATE);
    ck_assert_str_eq(world.err.field, "name");
    ck_assert_str_eq(world.err.message, "No other administrator without an expiry would be left: make one first.");
    ck_assert(vt_bytes_equal_str(state_of("lasting"), "live"));
    ck_assert_ok(world_call(&world, "administrator", "credential.revoke", "{name: brief}", NULL));
    world_free(&world);
}
END_TEST

/* The gate let it in, then it waited for a worker. */
START_TEST(a_slow_call_that_a_seal_overtakes_is_refused)
{
    struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("operator")), .is_local = true};
    struct vt_value params = vt_value_map();
    struct vt_call *call;
    world_new(&world, NULL);
    ck_assert_ok(vt_call_new(world.vault, &principal, &call));
    call->method = vt_bytes_str("store.check");
    call->params = &params;
    ck_assert_int_eq(vt_call_prepare(call), VT_CALL_SLOW);
    ck_assert_ok(world_call(&world, "operator", "vault.seal", NULL, NULL));
    ck_assert_int_eq(vt_call_prepare_slow(call), VT_CALL_REPLY);
    ck_assert_int_eq(call->status, VAULT_E_SEALED);
    vt_call_free(call);
    world_free(&world);
}
END_TEST

static void wake(void *context)
{
    (void)context;
}

static void *wait_for_a_close(void *context)
{
    vault_status *status = context;
    *status = vt_vault_close_epoch_wait(world.vault, true);
    return NULL;
}

/* This thread is the epoch thread, and comes too late. */
START_TEST(who_waits_for_an_epoch_when_the_vault_is_sealed_is_told)
{
    pthread_t waiter;
    vault_status status = VAULT_OK;
    world_new(&world, NULL);
    vt_vault_set_epoch_waker(world.vault, wake, NULL);
    ck_assert(!vt_vault_epoch_is_due(world.vault));
    ck_assert_int_eq(pthread_create(&waiter, NULL, wait_for_a_close, &status), 0);
    while (!vt_vault_epoch_is_due(world.vault)) sched_yield();
    ck_assert_ok(world_call(&world, "operator", "vault.seal", NULL, NULL));
    ck_assert(vt_vault_epoch_is_due(world.vault));
    ck_assert_status(vt_vault_run_due_epoch(world.vault), VAULT_E_SEALED);
    ck_assert_int_eq(pthread_join(waiter, NULL), 0);
    ck_assert_int_eq(status, VAULT_E_SEALED);
    ck_assert(!vt_vault_epoch_is_due(world.vault));
    vt_vault_set_epoch_waker(world.vault, NULL, NULL);
    unseal();
    ck_assert_ok(vt_vault_close_epoch_wait(world.vault, true));
    world_free(&world);
}
END_TEST

/** What status says of pending shreds and of the audit log; -1 when it says nothing. */
static void look(int64_t *out_pending, int64_t *out_leaves)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
    *out_pending = vt_value_get_int(&result, "pending_shreds", -1);
    *out_leaves = vt_value_get_int(vt_value_get(&result, "audit"), "size", -1);
}

START_TEST(a_vault_that_starts_sealed_says_how_many_shreds_wait_and_how_long_its_log_is)
{
    int64_t pending, leaves, sealed_pending, sealed_leaves;
    world_new(&world, &(struct world_options){.is_on_disk = true});
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: ada}", NULL));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", NULL));
    look(&pending, &leaves);
    ck_assert_int_eq(pending, 1);
    ck_assert_int_gt(leaves, 1);
    world_close(&world);
    world_open(&world);
    look(&sealed_pending, &sealed_leaves);
    ck_assert_int_eq(sealed_pending, 1);
    ck_assert_int_eq(sealed_leaves, leaves + 1);        /* and the one of that look */
    ck_assert_ok(world_unseal(&world));
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert_ok(world_call(&world, "operator", "vault.seal", NULL, NULL));
    look(&sealed_pending, &sealed_leaves);
    ck_assert_int_eq(sealed_pending, 0);
    world_free(&world);
}
END_TEST

VT_TEST_MAIN("seal", a_vault_that_starts_sealed_says_how_many_shreds_wait_and_how_long_its_log_is,
             a_credential_ends_in_the_future_only_and_is_listed_as_expired_from_then_on,
             the_last_administrator_is_not_revoked_and_one_that_has_expired_is_no_other,
             an_administrator_that_will_expire_does_not_stand_in_for_one_that_is_revoked,
             a_slow_call_that_a_seal_overtakes_is_refused,
             what_calls_under_way_hold_outlives_a_seal_and_an_unseal,
             a_sealed_vault_forgets_by_what_credentials_are_known_and_learns_it_again,
             who_waits_for_an_epoch_when_the_vault_is_sealed_is_told)
