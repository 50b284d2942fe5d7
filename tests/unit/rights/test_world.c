#include "tests/support/world.h"

#include "libvault/codec/text.h"

static const char *const SCHEMAS[] = {"profile", "identity", "cards", "bank_accounts", "preferences", "notes", "calls", NULL};

START_TEST(a_new_world_serves_what_the_gate_lets_through)
{
    struct world world;
    struct vt_value result;
    world_new(&world, NULL);
    world_apply_examples(&world, SCHEMAS);
    ck_assert_ok(world_call(&world, NULL, "vault.health", NULL, &result));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&result, "state"), "ready"));
    ck_assert_status(world_call(&world, NULL, "subject.list", "{purpose: testing}", NULL), VAULT_E_UNAUTHENTICATED);
    ck_assert_status(world_call(&world, "operator", "subject.list", "{purpose: testing}", NULL), VAULT_E_FORBIDDEN);
    ck_assert_ok(world_call(&world, "application", "subject.create",
                            "{external_id: a-1, records: {profile: {given_name: Ada, email: ada@example.org}}}", &result));
    ck_assert_ok(world_call(&world, "application", "record.get",
                            "{subject: a-1, collection: profile, view: plain, purpose: testing}", &result));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(vt_value_get(&result, "fields"), "given_name"), "Ada"));
    ck_assert_status(world_call(&world, "application", "record.get",
                                "{subject: a-2, collection: profile, purpose: testing}", NULL), VAULT_E_NOT_FOUND);
    world_free(&world);
}
END_TEST

START_TEST(a_world_on_disk_comes_back_as_it_was)
{
    struct world world;
    struct vt_value result;
    world_new(&world, &(struct world_options){.is_on_disk = true});
    world_apply_examples(&world, SCHEMAS);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: a-1}", NULL));
    world_reopen(&world);
    ck_assert_ok(world_call(&world, "application", "subject.list", "{purpose: testing}", &result));
    ck_assert_uint_eq(vt_value_get(&result, "subjects")->array.count, 1);
    world_free(&world);
}
END_TEST

VT_TEST_MAIN("support/world", a_new_world_serves_what_the_gate_lets_through, a_world_on_disk_comes_back_as_it_was)
