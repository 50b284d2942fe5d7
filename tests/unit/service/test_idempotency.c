/* The common argument idempotency_key: docs/PROTOCOL.md, "Arguments that every command takes". */
#include <stdio.h>

#include "libvault/codec/yaml.h"
#include "tests/support/world.h"

static const char NOTES[] = "name: notes\ndoc: Notes.\ncardinality: many\nfields:\n"
                            "  - {name: line, type: text, category: A, doc: l}\n";
static const char PUT[] = "{subject: ada, collection: notes, fields: {line: x}, idempotency_key: k1}";
enum { DAY_MS = 24 * 60 * 60 * 1000 };

static struct world world;

static void setup(bool is_on_disk)
{
    const struct world_options options = {.is_on_disk = is_on_disk};
    world_new(&world, &options);
    world_apply_schema(&world, NOTES);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: ada}", NULL));
}

static void teardown(void)
{
    world_free(&world);
}

static int64_t put(const char *params)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "application", "record.put", params, &result));
    return vt_value_get_int(&result, "record", 0);
}

static size_t note_count(void)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "application", "record.list", "{subject: ada, collection: notes, purpose: service}", &result));
    return vt_value_get(&result, "records")->array.count;
}

START_TEST(a_repeat_returns_the_first_answer_and_does_nothing)
{
    setup(false);
    const int64_t first = put(PUT);
    ck_assert_int_gt(first, 0);
    ck_assert_int_eq(put(PUT), first);
    ck_assert_uint_eq(note_count(), 1);
    ck_assert_int_ne(put("{subject: ada, collection: notes, fields: {line: x}, idempotency_key: k2}"), first);
    ck_assert_uint_eq(note_count(), 2);
    teardown();
}
END_TEST

START_TEST(a_repeat_is_audited_once_more)
{
    setup(false);
    put(PUT);
    const uint64_t size = vt_vault_audit_size(world.vault);
    put(PUT);
    ck_assert_uint_eq(vt_vault_audit_size(world.vault), size + 1);
    teardown();
}
END_TEST

START_TEST(a_repeat_may_name_its_arguments_in_another_order_and_have_an_id_of_its_own)
{
    setup(false);
    const int64_t first = put(PUT);
    ck_assert_int_eq(put("{idempotency_key: k1, request_id: r2, fields: {line: x}, collection: notes, subject: ada}"), first);
    ck_assert_uint_eq(note_count(), 1);
    teardown();
}
END_TEST

START_TEST(a_key_used_for_something_else_is_refused)
{
    setup(false);
    put(PUT);
    ck_assert_status(world_call(&world, "application", "record.put",
                                "{subject: ada, collection: notes, fields: {line: y}, idempotency_key: k1}", NULL),
                     VAULT_E_STATE);
    ck_assert_str_eq(world.err.field, "idempotency_key");
    ck_assert_status(world_call(&world, "application", "subject.create", "{external_id: bob, idempotency_key: k1}", NULL),
                     VAULT_E_STATE);
    ck_assert_uint_eq(note_count(), 1);
    teardown();
}
END_TEST

START_TEST(a_repeat_after_a_restart_returns_the_first_answer)
{
    setup(true);
    const int64_t first = put(PUT);
    world_reopen(&world);
    ck_assert_int_eq(put(PUT), first);
    ck_assert_uint_eq(note_count(), 1);
    teardown();
}
END_TEST

START_TEST(an_answer_is_kept_for_a_day)
{
    setup(false);
    const int64_t first = put(PUT);
    world_pass(&world, DAY_MS - 1);
    ck_assert_int_eq(put(PUT), first);
    world_pass(&world, 1);
    const int64_t second = put(PUT);
    ck_assert_int_ne(second, first);
    ck_assert_int_eq(put(PUT), second);
    ck_assert_uint_eq(note_count(), 2);
    teardown();
}
END_TEST

START_TEST(answers_that_have_expired_are_let_go_of)
{
    enum { COUNT = 32 };
    struct vt_store_stats stats;
    char params[128];
    setup(false);
    for (int i = 0; i < 2 * COUNT; i++) {
        if (i == COUNT) world_pass(&world, DAY_MS);
        snprintf(params, sizeof params, "{subject: ada, collection: notes, fields: {line: x}, idempotency_key: key-%d}", i);
        put(params);
    }
    ck_assert_ok(vt_store_stats(vt_vault_store(world.vault), &stats));
    ck_assert_uint_ge(stats.entries[VT_TABLE_IDEMPOTENCY], COUNT);
    ck_assert_uint_lt(stats.entries[VT_TABLE_IDEMPOTENCY], 2 * COUNT);
    teardown();
}
END_TEST

START_TEST(a_refusal_is_not_kept)
{
    static const char EARLY[] = "{subject: bob, collection: notes, fields: {line: x}, idempotency_key: k1}";
    setup(false);
    ck_assert_status(world_call(&world, "application", "record.put", EARLY, NULL), VAULT_E_NOT_FOUND);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: bob}", NULL));
    ck_assert_int_gt(put(EARLY), 0);
    teardown();
}
END_TEST

START_TEST(a_repeated_shred_shows_the_first_certificate_and_how_far_it_has_come)
{
    static const char SHRED[] = "{subject: ada, reference: case 17, idempotency_key: k1}";
    struct vt_value first, second;
    setup(true);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", SHRED, &first));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", SHRED, &second));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&second, "state"), "pending"));
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    world_reopen(&world);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", SHRED, &second));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&second, "state"), "effective"));
    ck_assert_int_gt(vt_value_get_int(&first, "certificate", 0), 0);
    ck_assert_int_eq(vt_value_get_int(&second, "certificate", 0), vt_value_get_int(&first, "certificate", 0));
    ck_assert(vt_bytes_equal(vt_value_get_text(&second, "salt"), vt_value_get_text(&first, "salt")));
    ck_assert_status(world_call(&world, "privacy", "subject.shred", "{subject: ada}", NULL), VAULT_E_NOT_FOUND);
    teardown();
}
END_TEST

START_TEST(a_repeated_close_of_an_epoch_shows_the_first_answer_and_closes_nothing)
{
    struct vt_value first, again;
    setup(false);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: bob}", NULL));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", NULL));
    ck_assert_ok(world_call(&world, "operator", "epoch.close", "{idempotency_key: k1}", &first));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob}", NULL));
    ck_assert_ok(world_call(&world, "operator", "epoch.close", "{idempotency_key: k1}", &again));
    ck_assert_int_eq(vt_value_get_int(&first, "epoch", 0), 2);
    ck_assert_int_eq(vt_value_get_int(&again, "epoch", 0), 2);
    ck_assert_ok(world_call(&world, "operator", "epoch.close", "{idempotency_key: k2}", &again));
    ck_assert_int_eq(vt_value_get_int(&again, "epoch", 0), 3);
    teardown();
}
END_TEST

START_TEST(an_answer_with_a_secret_is_never_kept)
{
    setup(false);
    ck_assert_status(world_call(&world, "administrator", "credential.create",
                                "{name: shop, role: application, idempotency_key: k1}", NULL),
                     VAULT_E_UNSUPPORTED);
    ck_assert_str_eq(world.err.field, "idempotency_key");
    teardown();
}
END_TEST

START_TEST(a_repeat_that_runs_beside_the_first_one_gets_its_answer)
{
    struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("application")), .is_local = true};
    struct vt_value params;
    VT_AUTO_PTR(vt_call) call = NULL;
    setup(false);
    ck_assert_ok(vt_yaml_read(&world.pool, vt_bytes_str(PUT), &params, &world.err));
    ck_assert_ok(vt_call_new(world.vault, &principal, &call));
    call->method = vt_bytes_str("record.put");
    call->params = &params;
    ck_assert_int_eq(vt_call_prepare(call), VT_CALL_COMMIT);
    put(PUT);
    ck_assert_status(vt_vault_commit_wait(world.vault, &call->item), VAULT_E_CONFLICT);
    ck_assert(vt_call_wants_retry(call));
    ck_assert_ok(vt_call_run(call));
    ck_assert(call->is_repeat);
    ck_assert_uint_eq(note_count(), 1);
    teardown();
}
END_TEST

/* Two that have nothing else in common: only the key itself can hold the second one back. */
START_TEST(a_repeat_beside_the_first_one_makes_no_second_subject)
{
    static const char CREATE[] = "{idempotency_key: k2}";
    struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("application")), .is_local = true};
    struct vt_value params, result;
    VT_AUTO_PTR(vt_call) call = NULL;
    setup(false);
    ck_assert_ok(vt_yaml_read(&world.pool, vt_bytes_str(CREATE), &params, &world.err));
    ck_assert_ok(vt_call_new(world.vault, &principal, &call));
    call->method = vt_bytes_str("subject.create");
    call->params = &params;
    ck_assert_int_eq(vt_call_prepare(call), VT_CALL_COMMIT);
    ck_assert_ok(world_call(&world, "application", "subject.create", CREATE, NULL));
    ck_assert_status(vt_vault_commit_wait(world.vault, &call->item), VAULT_E_CONFLICT);
    ck_assert_ok(vt_call_run(call));
    ck_assert(call->is_repeat);
    ck_assert_ok(world_call(&world, "privacy", "subject.list", "{purpose: service}", &result));
    ck_assert_uint_eq(vt_value_get(&result, "subjects")->array.count, 2);
    teardown();
}
END_TEST

START_TEST(anothers_key_is_another_key)
{
    struct vt_principal principal = {.id = {2}, .role = vt_role_find(vt_bytes_str("application")), .is_local = true};
    struct vt_value params;
    VT_AUTO_PTR(vt_call) call = NULL;
    setup(false);
    put(PUT);
    ck_assert_ok(vt_yaml_read(&world.pool, vt_bytes_str(PUT), &params, &world.err));
    ck_assert_ok(vt_call_new(world.vault, &principal, &call));
    call->method = vt_bytes_str("record.put");
    call->params = &params;
    ck_assert_ok(vt_call_run(call));
    ck_assert(!call->is_repeat);
    ck_assert_uint_eq(note_count(), 2);
    teardown();
}
END_TEST

VT_TEST_MAIN("service/idempotency", a_repeat_returns_the_first_answer_and_does_nothing, a_repeat_is_audited_once_more,
             a_repeat_may_name_its_arguments_in_another_order_and_have_an_id_of_its_own, a_key_used_for_something_else_is_refused,
             a_repeat_after_a_restart_returns_the_first_answer, an_answer_is_kept_for_a_day,
             answers_that_have_expired_are_let_go_of, a_refusal_is_not_kept,
             a_repeated_shred_shows_the_first_certificate_and_how_far_it_has_come,
             a_repeated_close_of_an_epoch_shows_the_first_answer_and_closes_nothing, an_answer_with_a_secret_is_never_kept,
             a_repeat_that_runs_beside_the_first_one_gets_its_answer, a_repeat_beside_the_first_one_makes_no_second_subject,
             anothers_key_is_another_key)
