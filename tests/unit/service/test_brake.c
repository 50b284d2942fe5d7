/* Forgetting as a weapon: past a number of requests an hour, further ones wait for two other people and a delay, and hide nothing
 * meanwhile. docs/ERASURE.md "The brake on mass shredding". */
#include <stdio.h>

#include "libvault/codec/text.h"
#include "libvault/codec/yaml.h"
#include "tests/support/world.h"
#include "vaultd/core/policy/brake.h"

static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n";
enum { HOUR_MS = 3600 * 1000, DELAY_MS = 24 * HOUR_MS, REQUESTER = 0, FIRST = 1, SECOND = 2 };
static const struct world_options BRAKED = {.brake = {.is_on = true, .delay_ms = DELAY_MS}};
static struct world world;

static void setup_with(const struct world_options *options, unsigned people)
{
    world_new(&world, options);
    world_apply_schema(&world, PROFILE);
    for (unsigned i = 0; i < people; i++) {
        char params[128];
        snprintf(params, sizeof params, "{external_id: p%u, records: {profile: {given_name: Ada}}}", i);
        ck_assert_ok(world_call(&world, "application", "subject.create", params, NULL));
    }
}

static void setup(unsigned people)
{
    setup_with(&BRAKED, people);
}

static void teardown(void)
{
    world_free(&world);
}

static bool is_readable(unsigned person)
{
    char params[128];
    snprintf(params, sizeof params, "{subject: p%u, collection: profile, purpose: service}", person);
    return world_call(&world, "privacy", "record.get", params, NULL) == VAULT_OK;
}

static void copy_text(const struct vt_value *map, const char *key, char out_text[33])
{
    const struct vt_bytes text = vt_value_get_text(map, key);
    ck_assert_uint_lt(text.len, 33);
    snprintf(out_text, 33, "%.*s", (int)text.len, text.data != NULL ? (const char *)text.data : "");
}

/** Ask to forget a person. @return whether it was let through; @p out_approval "" then */
static bool shred(unsigned person, char out_approval[33])
{
    char params[64], state[33];
    struct vt_value result;
    snprintf(params, sizeof params, "{subject: p%u}", person);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, &result));
    copy_text(&result, "state", state);
    copy_text(&result, "approval", out_approval);
    const bool is_pending = strcmp(state, "pending") == 0;
    ck_assert(is_pending || strcmp(state, "waiting") == 0);
    ck_assert(is_pending == (out_approval[0] == '\0'));
    ck_assert(is_pending == (vt_value_get_int(&result, "certificate", 0) != 0));
    return is_pending;
}

static void shred_from_to(unsigned from, unsigned to)
{
    char approval[33];
    for (unsigned i = from; i < to; i++) ck_assert(shred(i, approval));
}

static vault_status grant(uint8_t caller, const char *approval, unsigned items)
{
    char params[96];
    snprintf(params, sizeof params, "{approval: '%s', items: %u}", approval, items);
    world.caller = caller;
    const vault_status status = world_call(&world, "approver", "approval.grant", params, NULL);
    world.caller = REQUESTER;
    return status;
}

static vault_status deny(const char *approval)
{
    char params[96];
    snprintf(params, sizeof params, "{approval: '%s'}", approval);
    return world_call(&world, "approver", "approval.deny", params, NULL);
}

static void assert_state(const char *approval, const char *state)
{
    char params[96], found[33];
    struct vt_value result;
    snprintf(params, sizeof params, "{approval: '%s'}", approval);
    ck_assert_ok(world_call(&world, "approver", "approval.list", params, &result));
    copy_text(&vt_value_get(&result, "approvals")->array.items[0], "state", found);
    ck_assert_str_eq(found, state);
}

static void run(void)
{
    ck_assert_ok(vt_vault_run_approvals(world.vault));
}

START_TEST(the_limit_is_a_thousandth_of_the_subjects_between_twenty_and_a_thousand)
{
    static const uint64_t CASES[][2] = {{0, 20}, {1, 20}, {20999, 20}, {21000, 21}, {50000, 50}, {999999, 999},
                                        {1000000, 1000}, {UINT64_C(100000000), 1000}};
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) ck_assert_uint_eq(vt_brake_limit(CASES[i][0]), CASES[i][1]);
}
END_TEST

START_TEST(twenty_an_hour_pass_and_the_next_waits_readable)
{
    char approval[33], again[33], other[33];
    setup(23);
    shred_from_to(0, 20);
    ck_assert(!shred(20, approval));
    ck_assert(!is_readable(19));
    ck_assert(is_readable(20));
    ck_assert(!shred(20, again));           /* a repeat finds the request that waits */
    ck_assert_str_eq(approval, again);
    ck_assert(!shred(21, other));           /* and what follows joins the same case */
    ck_assert_str_eq(approval, other);
    ck_assert_status(grant(FIRST, approval, 3), VAULT_E_STATE);
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert(is_readable(20) && is_readable(21));
    teardown();
}
END_TEST

START_TEST(the_hour_slides_and_a_clock_set_back_reopens_nothing)
{
    char approval[33];
    setup(30);
    shred_from_to(0, 10);
    world_pass(&world, HOUR_MS / 2);
    shred_from_to(10, 20);
    ck_assert(!shred(20, approval));
    world_pass(&world, -HOUR_MS);
    ck_assert(!shred(21, approval));
    world_pass(&world, HOUR_MS + HOUR_MS / 2 + 2 * 60000);         /* the first ten are over an hour old, the others not */
    shred_from_to(20, 30);
    ck_assert(!is_readable(21));
    ck_assert_ok(world_call(&world, "application", "subject.create",
                            "{external_id: p30, records: {profile: {given_name: Ada}}}", NULL));
    ck_assert(!shred(30, approval));
    teardown();
}
END_TEST

START_TEST(the_count_and_what_waits_survive_a_restart)
{
    char approval[33];
    struct world_options options = BRAKED;
    options.is_on_disk = true;
    setup_with(&options, 22);
    shred_from_to(0, 20);
    world_reopen(&world);
    ck_assert(!shred(20, approval));
    ck_assert_ok(grant(FIRST, approval, 1));
    world_reopen(&world);
    ck_assert_ok(grant(SECOND, approval, 1));
    world_reopen(&world);
    run();
    ck_assert(is_readable(20));
    world_pass(&world, DELAY_MS);
    run();
    ck_assert(!is_readable(20));
    assert_state(approval, "done");
    teardown();
}
END_TEST

START_TEST(two_others_and_a_delay_let_it_happen_and_the_certificate_names_them)
{
    char approval[33], params[64];
    struct vt_value result;
    setup(22);
    shred_from_to(0, 20);
    ck_assert(!shred(20, approval));
    ck_assert_status(grant(REQUESTER, approval, 1), VAULT_E_APPROVAL);
    ck_assert_ok(grant(FIRST, approval, 1));
    ck_assert_status(grant(FIRST, approval, 1), VAULT_E_APPROVAL);
    ck_assert(!shred(21, params));                                  /* what somebody has approved does not grow */
    ck_assert_str_ne(params, approval);
    world_pass(&world, DELAY_MS);
    run();
    assert_state(approval, "waiting");
    ck_assert_ok(grant(SECOND, approval, 1));
    assert_state(approval, "delayed");
    world_pass(&world, DELAY_MS - 1000);
    run();
    ck_assert(is_readable(20));
    world_pass(&world, 1000);
    run();
    assert_state(approval, "done");
    ck_assert(!is_readable(20));
    ck_assert(is_readable(21));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: p20, now: true}", &result));
    const struct vt_bytes note = vt_value_get_text(&result, "note");
    ck_assert(memmem(note.data, note.len, "\napprovals: 2\n", 14) != NULL);
    ck_assert(memmem(note.data, note.len, "\nrequested: 2026-07-01T00:00:00", 31) != NULL);
    teardown();
}
END_TEST

static void grant_by_both(const char *approval, unsigned items)
{
    ck_assert_ok(grant(FIRST, approval, items));
    ck_assert_ok(grant(SECOND, approval, items));
    assert_state(approval, "delayed");
}

START_TEST(a_delay_that_passed_while_the_vault_was_sealed_leaves_an_hour_to_deny)
{
    char approval[33];
    struct world_options options = BRAKED;
    options.is_on_disk = true;
    setup_with(&options, 21);
    shred_from_to(0, 20);
    ck_assert(!shred(20, approval));
    grant_by_both(approval, 1);
    world_close(&world);
    world_pass(&world, 2 * (int64_t)DELAY_MS);
    world_open(&world);
    ck_assert_ok(world_unseal(&world));
    ck_assert(vt_vault_approvals_are_due(world.vault));
    run();
    assert_state(approval, "delayed");
    ck_assert(!vt_vault_approvals_are_due(world.vault));
    world_pass(&world, HOUR_MS - 60000);
    run();
    assert_state(approval, "delayed");
    vt_vault_seal(world.vault);
    ck_assert_ok(world_unseal(&world));
    world_pass(&world, 2 * 60000);
    run();
    assert_state(approval, "delayed");
    ck_assert(is_readable(20));
    ck_assert_ok(deny(approval));
    world_pass(&world, HOUR_MS);
    run();
    assert_state(approval, "denied");
    ck_assert(is_readable(20));
    teardown();
}
END_TEST

static int64_t set_forward(const struct vt_clock *clock)
{
    return clock->offset_ms + 2 * (int64_t)DELAY_MS;
}

START_TEST(a_clock_set_forward_does_not_make_the_delay_pass_at_once)
{
    char approval[33];
    setup(21);
    world_pass(&world, 2 * HOUR_MS);                /* unsealed for long enough: the grant is what counts */
    shred_from_to(0, 20);
    ck_assert(!shred(20, approval));
    grant_by_both(approval, 1);
    world.clock.now_ms = set_forward;
    run();
    assert_state(approval, "delayed");
    ck_assert(is_readable(20));
    world_pass(&world, HOUR_MS);
    run();
    assert_state(approval, "done");
    ck_assert(!is_readable(20));
    teardown();
}
END_TEST

/** People with credentials, unlike the callers of world_call(). */
static void person(const char *name, const char *role, const char *more, uint8_t out_principal[16])
{
    char params[128];
    struct vt_value result;
    snprintf(params, sizeof params, "{name: %s, role: %s%s}", name, role, more);
    ck_assert_ok(world_call(&world, "administrator", "credential.create", params, &result));
    ck_assert_ok(vt_hex_decode(vt_value_get_text(&result, "principal"), out_principal, 16));
}

static void revoke(const char *name)
{
    char params[64];
    snprintf(params, sizeof params, "{name: %s}", name);
    ck_assert_ok(world_call(&world, "administrator", "credential.revoke", params, NULL));
}

static vault_status call_of(const uint8_t id[16], const char *role, const char *method, const char *params)
{
    struct vt_principal principal = {.role = vt_role_find(vt_bytes_str(role))};
    struct vt_value map;
    VT_AUTO_PTR(vt_call) call = NULL;
    memcpy(principal.id, id, sizeof principal.id);
    ck_assert_ok(vt_yaml_read(&world.pool, vt_bytes_str(params), &map, &world.err));
    ck_assert_ok(vt_call_new(world.vault, &principal, &call));
    call->method = vt_bytes_str(method);
    call->params = &map;
    return vt_call_run(call);
}

static vault_status grant_of(const uint8_t id[16], const char *approval)
{
    char params[96];
    snprintf(params, sizeof params, "{approval: '%s', items: 1}", approval);
    return call_of(id, "approver", "approval.grant", params);
}

/** A case of one request, p20, that eve has asked for, and the people about it. */
static uint8_t eve[16], ann[16], ben[16], cem[16];
static void setup_case(char out_approval[33], const char *more_of_ann)
{
    struct vt_value result;
    setup(21);
    person("eve", "privacy", "", eve);
    person("ann", "approver", more_of_ann, ann);
    person("ben", "approver", "", ben);
    person("cem", "approver", "", cem);
    shred_from_to(0, 20);
    ck_assert_ok(call_of(eve, "privacy", "subject.shred", "{subject: p20}"));
    ck_assert_ok(world_call(&world, "approver", "approval.list", NULL, &result));
    ck_assert_uint_eq(vt_value_get(&result, "approvals")->array.count, 1);
    copy_text(&vt_value_get(&result, "approvals")->array.items[0], "approval", out_approval);
}

START_TEST(what_a_revoked_credential_asked_for_is_denied_when_its_delay_has_passed)
{
    char approval[33], params[96];
    struct vt_value result;
    setup_case(approval, "");
    ck_assert_ok(grant_of(ann, approval));
    ck_assert_ok(grant_of(ben, approval));
    revoke("eve");
    world_pass(&world, DELAY_MS);
    run();
    assert_state(approval, "denied");
    ck_assert(is_readable(20));
    snprintf(params, sizeof params, "{approval: '%s'}", approval);
    ck_assert_ok(world_call(&world, "approver", "approval.list", params, &result));
    ck_assert_ptr_null(vt_value_get(&vt_value_get(&result, "approvals")->array.items[0], "ended_by"));
    ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
    ck_assert_int_eq(vt_value_get_int(vt_value_get(&result, "brake"), "requests", -1), 0);
    ck_assert(shred(20, params));               /* somebody who is good may ask again */
    teardown();
}
END_TEST

START_TEST(a_grant_of_a_revoked_credential_is_taken_out_and_another_is_needed)
{
    char approval[33];
    setup_case(approval, "");
    ck_assert_ok(grant_of(ann, approval));
    ck_assert_ok(grant_of(ben, approval));
    revoke("ann");
    world_pass(&world, DELAY_MS);
    run();
    assert_state(approval, "waiting");
    ck_assert(is_readable(20));
    ck_assert_status(grant_of(ben, approval), VAULT_E_APPROVAL);
    ck_assert_ok(grant_of(cem, approval));
    assert_state(approval, "delayed");
    run();
    ck_assert(is_readable(20));                     /* the delay begins anew */
    world_pass(&world, DELAY_MS);
    run();
    assert_state(approval, "done");
    ck_assert(!is_readable(20));
    teardown();
}
END_TEST

START_TEST(an_expired_credential_counts_no_more_than_a_revoked_one)
{
    char approval[33];
    setup_case(approval, ", expires_at: '2026-07-01T12:00:00Z'");
    ck_assert_ok(grant_of(ann, approval));
    ck_assert_ok(grant_of(ben, approval));
    world_pass(&world, DELAY_MS);
    run();
    assert_state(approval, "waiting");
    ck_assert(is_readable(20));
    teardown();
}
END_TEST

START_TEST(a_grant_that_was_revoked_before_the_second_one_does_not_count_with_it)
{
    char approval[33];
    setup_case(approval, "");
    ck_assert_ok(grant_of(ann, approval));
    revoke("ann");
    ck_assert_ok(grant_of(ben, approval));
    assert_state(approval, "waiting");
    revoke("eve");
    ck_assert_status(grant_of(cem, approval), VAULT_E_STATE);
    world_pass(&world, 2 * (int64_t)DELAY_MS);
    run();
    ck_assert(is_readable(20));
    teardown();
}
END_TEST

/** Change the row whose key has @p part in it, as a fault of the disk would. */
static void spoil(enum vt_table table, struct vt_bytes part)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes found, value;
    uint8_t name[64], spoilt[1024];
    ck_assert_ok(vt_txn_begin_write(vt_vault_store(world.vault), &txn));
    ck_assert_ok(vt_cursor_open(txn, table, &cursor));
    do ck_assert_ok(vt_cursor_next(cursor, &found, &value));
    while (memmem(found.data, found.len, part.data, part.len) == NULL);
    ck_assert_uint_le(found.len, sizeof name);
    ck_assert_uint_le(value.len, sizeof spoilt);
    memcpy(name, found.data, found.len);
    memcpy(spoilt, value.data, value.len);
    spoilt[value.len - 1] ^= 1;
    const struct vt_bytes spoilt_key = vt_bytes(name, found.len), spoilt_value = vt_bytes(spoilt, value.len);
    vt_cursor_free(VT_MOVE(cursor));
    ck_assert_ok(vt_store_put(txn, table, spoilt_key, spoilt_value, VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(VT_MOVE(txn)));
}

static struct vt_bytes id_of(const char *approval, uint8_t out_id[16])
{
    ck_assert_ok(vt_hex_decode(vt_bytes_str(approval), out_id, 16));
    return vt_bytes(out_id, 16);
}

/** Two cases, of p20 and of p21, both granted and due; @p out_low has the lower id. @return whom the other one is about */
static unsigned two_cases(char out_low[33], char out_high[33])
{
    char first[33], second[33];
    setup(22);
    shred_from_to(0, 20);
    ck_assert(!shred(20, first));
    grant_by_both(first, 1);
    ck_assert(!shred(21, second));
    grant_by_both(second, 1);
    world_pass(&world, DELAY_MS);
    const bool is_first_low = strcmp(first, second) < 0;
    snprintf(out_low, 33, "%s", is_first_low ? first : second);
    snprintf(out_high, 33, "%s", is_first_low ? second : first);
    return is_first_low ? 21 : 20;
}

START_TEST(a_case_that_cannot_be_read_does_not_keep_the_others_from_being_carried_out)
{
    char low[33], high[33];
    uint8_t id[16];
    const unsigned person_of_high = two_cases(low, high);
    spoil(VT_TABLE_APPROVAL, id_of(low, id));
    ck_assert_status(vt_vault_run_approvals(world.vault), VAULT_E_AUTHENTICITY);
    assert_state(high, "done");
    ck_assert(!is_readable(person_of_high));
    ck_assert(is_readable(41 - person_of_high));
    teardown();
}
END_TEST

START_TEST(a_case_whose_requests_cannot_be_read_does_not_keep_the_others_from_it_either)
{
    char low[33], high[33];
    uint8_t id[16];
    const unsigned person_of_high = two_cases(low, high);
    spoil(VT_TABLE_WAITING, id_of(low, id));
    ck_assert_status(vt_vault_run_approvals(world.vault), VAULT_E_AUTHENTICITY);
    assert_state(high, "done");
    assert_state(low, "delayed");
    ck_assert(!is_readable(person_of_high));
    ck_assert(is_readable(41 - person_of_high));
    ck_assert_ok(deny(low));
    run();
    teardown();
}
END_TEST

START_TEST(anybody_who_may_approve_can_stop_it_in_its_delay)
{
    char approval[33];
    setup(21);
    shred_from_to(0, 20);
    ck_assert(!shred(20, approval));
    ck_assert_ok(grant(FIRST, approval, 1));
    ck_assert_ok(grant(SECOND, approval, 1));
    ck_assert_ok(deny(approval));
    ck_assert_status(deny(approval), VAULT_E_STATE);
    world_pass(&world, DELAY_MS);
    run();
    assert_state(approval, "denied");
    ck_assert(is_readable(20));
    teardown();
}
END_TEST

START_TEST(what_nobody_approves_in_time_expires)
{
    char approval[33];
    setup(21);
    shred_from_to(0, 20);
    ck_assert(!shred(20, approval));
    ck_assert_ok(grant(FIRST, approval, 1));
    world_pass(&world, INT64_C(7) * 24 * HOUR_MS);
    ck_assert_status(grant(SECOND, approval, 1), VAULT_E_STATE);
    run();
    assert_state(approval, "expired");
    ck_assert(is_readable(20));
    ck_assert(shred(20, approval));
    teardown();
}
END_TEST

static struct vt_value shred_batch(unsigned people, const char *more)
{
    char params[1024], state[33];
    struct vt_value result;
    size_t len = (size_t)snprintf(params, sizeof params, "{subjects: [");
    for (unsigned i = 0; i < people; i++) len += (size_t)snprintf(params + len, sizeof params - len, "p%u, ", i);
    snprintf(params + len - 2, sizeof params - len, "]%s}", more);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, &result));
    copy_text(&vt_value_get(&result, "items")->array.items[0], "state", state);
    return result;
}

START_TEST(of_a_batch_what_passes_is_done_and_the_rest_waits_in_one_case)
{
    char approval[33], other[33], state[33];
    setup(30);
    const struct vt_value result = shred_batch(30, ", now: true");
    const struct vt_value *items = vt_value_get(&result, "items");
    ck_assert_uint_eq(items->array.count, 30);
    for (unsigned i = 0; i < 30; i++) {
        copy_text(&items->array.items[i], "state", state);
        ck_assert_str_eq(state, i < 20 ? "effective" : "waiting");
    }
    copy_text(&items->array.items[20], "approval", approval);
    copy_text(&items->array.items[29], "approval", other);
    ck_assert_str_eq(approval, other);
    ck_assert_ok(grant(FIRST, approval, 10));
    ck_assert_ok(grant(SECOND, approval, 10));
    world_pass(&world, DELAY_MS);
    run();
    for (unsigned i = 20; i < 30; i++) ck_assert(!is_readable(i));
    teardown();
}
END_TEST

START_TEST(who_is_held_meanwhile_is_left_out_and_the_certificates_say_so)
{
    char approval[33];
    struct vt_value result;
    setup(24);
    shred_from_to(0, 20);
    for (unsigned i = 20; i < 24; i++) ck_assert(!shred(i, approval));
    ck_assert_ok(world_call(&world, "privacy", "hold.place", "{subject: p21, reason: litigation}", NULL));
    ck_assert_ok(grant(FIRST, approval, 4));
    ck_assert_ok(grant(SECOND, approval, 4));
    world_pass(&world, DELAY_MS);
    run();
    assert_state(approval, "done");
    ck_assert(!is_readable(20));
    ck_assert(is_readable(21));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: p23, now: true}", &result));
    const struct vt_bytes note = vt_value_get_text(&result, "note");
    ck_assert(memmem(note.data, note.len, "hold 1\n", 7) != NULL);
    ck_assert_ok(world_call(&world, "operator", "store.check", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    teardown();
}
END_TEST

/** A committer that places a hold on whoever is left of so many people when the second step is about to commit. */
struct between {
    unsigned people, commits;
    bool is_placing;
};

static vault_status submit_between(void *context, struct vt_commit_item *item)
{
    struct between *between = context;
    struct vt_list items;
    if (!between->is_placing && ++between->commits == 2) {
        unsigned left = 0;
        char params[64];
        between->is_placing = true;
        while (left < between->people && !is_readable(left)) left++;
        ck_assert_uint_lt(left, between->people);
        snprintf(params, sizeof params, "{subject: p%u, reason: dispute}", left);
        ck_assert_ok(world_call(&world, "privacy", "hold.place", params, NULL));
        between->is_placing = false;
    }
    vt_list_init(&items);
    vt_list_push_back(&items, &item->link);
    vt_vault_commit_batch(world.vault, &items);
    return VAULT_OK;
}

START_TEST(who_is_held_between_two_steps_is_counted_among_those_left_out)
{
    enum { PEOPLE = 502 };                          /* one passes; 500 of the others fit in a step */
    char approval[33], params[96];
    struct between between = {.people = PEOPLE};
    struct world_options options = BRAKED;
    struct vt_value result;
    options.brake.per_hour = 1;
    setup_with(&options, PEOPLE);
    ck_assert(shred(0, approval));
    for (unsigned i = 1; i < PEOPLE; i++) ck_assert(!shred(i, approval));
    grant_by_both(approval, PEOPLE - 1);
    world_pass(&world, DELAY_MS);
    vt_vault_set_submit(world.vault, submit_between, &between);
    run();
    vt_vault_set_submit(world.vault, NULL, NULL);
    ck_assert_uint_ge(between.commits, 2);
    assert_state(approval, "done");
    snprintf(params, sizeof params, "{approval: '%s'}", approval);
    ck_assert_ok(world_call(&world, "approver", "approval.list", params, &result));
    ck_assert_int_eq(vt_value_get_int(&vt_value_get(&result, "approvals")->array.items[0], "left_out", -1), 1);
    unsigned readable = 0;
    for (unsigned i = 0; i < PEOPLE; i++) readable += is_readable(i);
    ck_assert_uint_eq(readable, 1);
    teardown();
}
END_TEST

START_TEST(a_kept_answer_tells_what_has_become_of_the_case)
{
    char approval[33], state[33];
    struct vt_value result;
    setup(21);
    shred_from_to(0, 20);
    static const char ONCE[] = "{subject: p20, idempotency_key: once, reference: case}";
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", ONCE, &result));
    copy_text(&result, "approval", approval);
    ck_assert_uint_eq(vt_value_get_text(&result, "salt").len, 64);
    ck_assert_ok(deny(approval));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", ONCE, &result));
    copy_text(&result, "state", state);
    ck_assert_str_eq(state, "denied");
    ck_assert_uint_eq(vt_value_get_text(&result, "salt").len, 64);
    teardown();
}
END_TEST

START_TEST(status_says_what_the_brake_lets_pass_and_what_waits)
{
    char approval[33];
    struct vt_value result;
    setup(22);
    shred_from_to(0, 20);
    ck_assert(!shred(20, approval));
    ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
    const struct vt_value *brake = vt_value_get(&result, "brake");
    ck_assert(vt_value_get_bool(brake, "on", false));
    ck_assert_int_eq(vt_value_get_int(brake, "per_hour", 0), 20);
    ck_assert_int_eq(vt_value_get_int(brake, "used", 0), 20);
    ck_assert_int_eq(vt_value_get_int(brake, "delay_s", 0), DELAY_MS / 1000);
    ck_assert_int_eq(vt_value_get_int(brake, "approvals", 0), 1);
    ck_assert_int_eq(vt_value_get_int(brake, "requests", 0), 1);
    teardown();
}
END_TEST

START_TEST(a_setting_raises_the_limit_in_dev_mode_only_and_lowers_it_anywhere)
{
    static const struct {
        bool is_production;
        uint64_t per_hour;
        unsigned passes;
    } CASES[] = {{true, 1000, 20}, {true, 5, 5}, {true, 0, 20}, {false, 22, 22}, {false, 5, 5}};
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) {
        char approval[33];
        struct vt_value result;
        struct world_options options = BRAKED;
        options.is_production = CASES[i].is_production;
        options.brake.per_hour = CASES[i].per_hour;
        setup_with(&options, 23);
        shred_from_to(0, CASES[i].passes);
        ck_assert(!shred(CASES[i].passes, approval));
        ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
        ck_assert_int_eq(vt_value_get_int(vt_value_get(&result, "brake"), "per_hour", 0), CASES[i].passes);
        teardown();
    }
}
END_TEST

START_TEST(a_brake_that_is_off_lets_everything_pass)
{
    setup_with(NULL, 40);
    shred_from_to(0, 40);
    teardown();
}
END_TEST

VT_TEST_MAIN("service/brake", the_limit_is_a_thousandth_of_the_subjects_between_twenty_and_a_thousand,
             twenty_an_hour_pass_and_the_next_waits_readable, the_hour_slides_and_a_clock_set_back_reopens_nothing,
             the_count_and_what_waits_survive_a_restart, two_others_and_a_delay_let_it_happen_and_the_certificate_names_them,
             anybody_who_may_approve_can_stop_it_in_its_delay, what_nobody_approves_in_time_expires,
             a_delay_that_passed_while_the_vault_was_sealed_leaves_an_hour_to_deny,
             a_clock_set_forward_does_not_make_the_delay_pass_at_once,
             a_case_that_cannot_be_read_does_not_keep_the_others_from_being_carried_out,
             a_case_whose_requests_cannot_be_read_does_not_keep_the_others_from_it_either,
             what_a_revoked_credential_asked_for_is_denied_when_its_delay_has_passed,
             a_grant_of_a_revoked_credential_is_taken_out_and_another_is_needed,
             an_expired_credential_counts_no_more_than_a_revoked_one,
             a_grant_that_was_revoked_before_the_second_one_does_not_count_with_it,
             of_a_batch_what_passes_is_done_and_the_rest_waits_in_one_case,
             who_is_held_between_two_steps_is_counted_among_those_left_out,
             who_is_held_meanwhile_is_left_out_and_the_certificates_say_so, a_kept_answer_tells_what_has_become_of_the_case,
             status_says_what_the_brake_lets_pass_and_what_waits,
             a_setting_raises_the_limit_in_dev_mode_only_and_lowers_it_anywhere, a_brake_that_is_off_lets_everything_pass)
