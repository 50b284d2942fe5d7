/* Holds: what they forbid, on every path, and that a late one wins. docs/ERASURE.md "Holds". */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/codec/yaml.h"
#include "tests/support/world.h"

static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n"
                              "  - {name: city, type: text, category: A, doc: c}\n"
                              "  - {name: ip, type: ip, category: F, doc: i}\n";
static const char CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                            "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n";
static const char TEMPLATES[] = "templates:\n  - {name: opaque, format: opaque, collection: cards, field: number}\n";

enum { REQUESTER, COLLEAGUE };
static struct world world;
static char token[64];
static long long card;

static void create(const char *name)
{
    char params[256];
    snprintf(params, sizeof params, "{external_id: %s, records: {profile: {given_name: Ada, ip: 192.0.2.7}}}", name);
    ck_assert_ok(world_call(&world, "application", "subject.create", params, NULL));
}

static void tokenize(const char *name)
{
    char params[128];
    struct vt_value result;
    snprintf(params, sizeof params, "{template: opaque, subject: %s, value: '4111111111111111'}", name);
    ck_assert_ok(world_call(&world, "application", "token.create", params, &result));
    const struct vt_bytes text = vt_value_get_text(&result, "token");
    snprintf(token, sizeof token, "%.*s", (int)text.len, (const char *)text.data);
    snprintf(params, sizeof params, "{subject: %s, collection: cards, purpose: service}", name);
    ck_assert_ok(world_call(&world, "privacy", "record.list", params, &result));
    card = (long long)vt_value_get_int(&vt_value_get(&result, "records")->array.items[0], "record", 0);
}

static void setup_with(const struct world_options *options)
{
    struct vt_value params = vt_value_map();
    world_new(&world, options);
    world_apply_schema(&world, PROFILE);
    world_apply_schema(&world, CARDS);
    ck_assert_ok(vt_value_put(&world.pool, &params, "template", vt_value_str(TEMPLATES), NULL));
    ck_assert_ok(world_call_value(&world, "administrator", "template.apply", &params, NULL));
    create("ada");
    create("bob");
}

static void setup(void)
{
    setup_with(NULL);
}

static void teardown(void)
{
    world_free(&world);
}

/** Place a hold. @param out_id its id, NUL-terminated; NULL allowed. @return how many shreds it took back */
static int64_t hold(const char *params, char out_id[33])
{
    struct vt_value result;
    const vault_status status = world_call(&world, "privacy", "hold.place", params, &result);
    ck_assert_msg(status == VAULT_OK, "%s: %s", vault_status_code(status), world.err.message);
    const struct vt_bytes id = vt_value_get_text(&result, "hold");
    ck_assert_uint_eq(id.len, 32);
    if (out_id != NULL) snprintf(out_id, 33, "%.*s", (int)id.len, (const char *)id.data);
    return vt_value_get_int(&result, "taken_back", -1);
}

static vault_status privacy(const char *method, const char *params)
{
    return world_call(&world, "privacy", method, params, NULL);
}

static bool reads_as(const char *name, const char *given_name, const char *ip)
{
    char params[128];
    struct vt_value result;
    snprintf(params, sizeof params, "{subject: %s, collection: profile, purpose: service, view: plain}", name);
    if (world_call(&world, "privacy", "record.get", params, &result) != VAULT_OK) return false;
    const struct vt_value *fields = vt_value_get(&result, "fields");
    return vt_bytes_equal_str(vt_value_get_text(fields, "given_name"), given_name) &&
           vt_bytes_equal_str(vt_value_get_text(fields, "ip"), ip);
}

static long long profile_of(const char *name)
{
    char params[128];
    struct vt_value result;
    snprintf(params, sizeof params, "{subject: %s, collection: profile, purpose: service}", name);
    ck_assert_ok(world_call(&world, "privacy", "record.get", params, &result));
    return (long long)vt_value_get_int(&result, "record", 0);
}

/* The paths ------------------------------------------------------------------------------------------------------------- */

struct path {
    const char *command, *role;
    const char *params;             /* %s the token, %lld a record */
    vault_status expected;
};

/* Every command that destroys, whatever it is, must stand here: what a held subject loses nothing by is said why. */
static const struct path DESTROYING[] = {
    {"subject.shred", "privacy", "{subject: ada}", VAULT_E_HELD},
    {"record.correct", "privacy", "{subject: ada, collection: profile, fields: {given_name: Eve}}", VAULT_E_HELD},
    {"record.delete", "privacy", "{subject: ada, collection: profile, record: PROFILE}", VAULT_E_HELD},
    {"token.revoke", "application", "{token: TOKEN}", VAULT_OK},        /* a state of the token's row; value and row stay */
    {"epoch.close", "operator", "{}", VAULT_OK},                        /* with nothing of hers in it */
    {"keeper.change", "administrator", "{leave: [keeper-1]}", VAULT_OK},    /* shares of the root key, not keys of people */
};

static const struct path *path_of(const char *command)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(DESTROYING); i++)
        if (strcmp(DESTROYING[i].command, command) == 0) return &DESTROYING[i];
    ck_abort_msg("The command %s destroys, and no test holds a subject against it.", command);
    return NULL;
}

static void replace(char *text, size_t size, const char *what, const char *with)
{
    char copy[256];
    char *at = strstr(text, what);
    if (at == NULL) return;
    snprintf(copy, sizeof copy, "%s", at + strlen(what));
    snprintf(at, size - (size_t)(at - text), "%s%s", with, copy);
}

static vault_status try_path(const struct path *path)
{
    char params[256], number[24], card_number[24];
    snprintf(params, sizeof params, "%s", path->params);
    snprintf(number, sizeof number, "%lld", profile_of("ada"));
    snprintf(card_number, sizeof card_number, "%lld", card);
    replace(params, sizeof params, "PROFILE", number);
    replace(params, sizeof params, "CARD", card_number);
    replace(params, sizeof params, "TOKEN", token);
    return world_call(&world, path->role, path->command, params, NULL);
}

START_TEST(no_command_that_destroys_takes_anything_from_a_held_subject)
{
    setup_with(&(struct world_options){.keeper_count = 2, .quorum = 1});
    tokenize("ada");
    hold("{subject: ada, reason: litigation}", NULL);
    size_t tried = 0;
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        if (VT_COMMANDS[i]->effect != VT_DESTROYS) continue;
        const struct path *path = path_of(VT_COMMANDS[i]->name);
        ck_assert_status(try_path(path), path->expected);
        ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
        tried++;
    }
    ck_assert_uint_eq(tried, VT_ARRAY_LEN(DESTROYING));
    teardown();
}
END_TEST

START_TEST(nor_does_any_other_way_to_lose_a_value_a_row_or_a_key)
{
    static const struct path OTHERS[] = {
        {"subject.shred", "privacy", "{subject: ada, now: true}", VAULT_E_HELD},
        {"subject.shred", "privacy", "{subject: ada, category: F}", VAULT_E_HELD},
        {"subject.shred", "privacy", "{subject: ada, record: CARD}", VAULT_E_HELD},
        {"subject.shred", "privacy", "{token: TOKEN}", VAULT_E_HELD},
        {"subject.shred", "privacy", "{subject: ada, dry_run: true}", VAULT_E_HELD},
        {"record.correct", "privacy", "{subject: ada, collection: profile, fields: {given_name: Eve}, forget_old: false}",
         VAULT_E_HELD},
        {"record.put", "application", "{subject: ada, collection: profile, record: PROFILE, fields: {ip: 192.0.2.8}}",
         VAULT_E_HELD},
        {"record.put", "application", "{subject: ada, collection: profile, record: PROFILE, fields: {ip: null}}", VAULT_E_HELD},
        {"record.delete", "privacy", "{subject: ada, collection: cards, record: CARD}", VAULT_E_HELD},
        {"key.rotate", "administrator", "{what: subject, subject: ada, destroy_now: true}", VAULT_E_HELD},
        /* and what destroys nothing goes on */
        {"record.put", "application", "{subject: ada, collection: profile, record: PROFILE, fields: {city: London}}", VAULT_OK},
        {"record.put", "application", "{subject: ada, collection: profile, record: PROFILE, fields: {ip: 192.0.2.7}}", VAULT_OK},
        {"token.create", "application", "{template: opaque, subject: ada, value: '4000001234567899'}", VAULT_OK},
    };
    setup();
    tokenize("ada");
    hold("{subject: ada, reason: litigation}", NULL);
    for (size_t i = 0; i < VT_ARRAY_LEN(OTHERS); i++) {
        const vault_status status = try_path(&OTHERS[i]);
        ck_assert_msg(status == OTHERS[i].expected, "%s %s gave %s: %s", OTHERS[i].command, OTHERS[i].params,
                      vault_status_code(status), world.err.message);
        ck_assert(OTHERS[i].expected == VAULT_OK || strstr(world.err.message, "legal hold") != NULL);
        ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    }
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    teardown();
}
END_TEST

START_TEST(a_hold_on_a_category_keeps_that_category_and_no_other)
{
    setup();
    hold("{subject: ada, category: F, reason: authority}", NULL);
    ck_assert_status(privacy("subject.shred", "{subject: ada}"), VAULT_E_HELD);
    ck_assert_status(privacy("subject.shred", "{subject: ada, category: F}"), VAULT_E_HELD);
    ck_assert_ok(privacy("record.correct", "{subject: ada, collection: profile, fields: {given_name: Eve}}"));
    ck_assert_status(privacy("record.correct", "{subject: ada, collection: profile, fields: {ip: 192.0.2.8}}"), VAULT_E_HELD);
    ck_assert(reads_as("ada", "Eve", "192.0.2.7"));
    ck_assert_ok(privacy("subject.shred", "{subject: ada, category: A, now: true}"));
    ck_assert(reads_as("ada", "", "192.0.2.7"));
    ck_assert_ok(privacy("subject.shred", "{subject: bob, now: true}"));
    teardown();
}
END_TEST

START_TEST(a_hold_on_a_category_of_everybody_keeps_those_who_have_it)
{
    setup();
    ck_assert_ok(privacy("subject.create", "{external_id: eve, records: {profile: {given_name: Eve}}}"));
    hold("{category: F, reason: authority}", NULL);
    ck_assert_status(privacy("subject.shred", "{subject: ada}"), VAULT_E_HELD);
    ck_assert_status(privacy("subject.shred", "{subject: bob}"), VAULT_E_HELD);
    ck_assert_ok(privacy("subject.shred", "{subject: eve, now: true}"));
    ck_assert_ok(privacy("subject.create", "{external_id: new, records: {profile: {ip: 192.0.2.9}}}"));
    ck_assert_status(privacy("subject.shred", "{subject: new}"), VAULT_E_HELD);
    teardown();
}
END_TEST

/* Late holds ------------------------------------------------------------------------------------------------------------ */

START_TEST(a_late_hold_makes_what_is_pending_readable_again)
{
    struct vt_value result;
    char params[64];
    setup();
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", &result));
    const long long certificate = (long long)vt_value_get_int(&result, "certificate", 0);
    ck_assert_ok(privacy("subject.shred", "{subject: bob}"));
    ck_assert(!reads_as("ada", "Ada", "192.0.2.7"));
    ck_assert_int_eq(hold("{subject: ada, reason: litigation}", NULL), 1);
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    ck_assert(!reads_as("bob", "Ada", "192.0.2.7"));
    snprintf(params, sizeof params, "{number: %lld}", certificate);
    ck_assert_status(world_call(&world, "auditor", "certificate.show", params, NULL), VAULT_E_NOT_FOUND);
    teardown();
}
END_TEST

START_TEST(a_late_hold_on_a_category_takes_back_the_shreds_that_it_forbids_and_no_others)
{
    setup();
    ck_assert_ok(privacy("subject.shred", "{subject: ada}"));
    ck_assert_ok(privacy("subject.shred", "{subject: bob, category: A}"));
    ck_assert_int_eq(hold("{category: F, reason: authority}", NULL), 1);
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    ck_assert(reads_as("bob", "", "192.0.2.7"));
    teardown();
}
END_TEST

static void hold_ada_when_prepared(const char *step, void *context)
{
    bool *is_placed = context;
    if (strcmp(step, "S2.prepared") != 0 || *is_placed) return;
    *is_placed = true;
    ck_assert_int_eq(hold("{subject: ada, reason: litigation}", NULL), 0);      /* frozen: the commit takes it back */
    ck_assert(!reads_as("ada", "Ada", "192.0.2.7"));
}

START_TEST(a_hold_placed_while_the_epoch_closes_wins_until_its_commit)
{
    bool is_placed = false;
    struct vt_value result;
    setup();
    ck_assert_ok(privacy("subject.shred", "{subject: bob}"));
    vt_fault_set_step_hook(hold_ada_when_prepared, &is_placed);
    const vault_status status = world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", &result);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_ok(status);
    ck_assert(is_placed);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&result, "state"), "cancelled"));
    ck_assert(vt_value_get(&result, "note") == NULL);
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    ck_assert_status(privacy("subject.show", "{subject: bob, purpose: rights}"), VAULT_E_NOT_FOUND);
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    teardown();
}
END_TEST

static void hold_ada_and_fail(const char *step, void *context)
{
    bool *is_placed = context;
    const bool was_placed = *is_placed;
    hold_ada_when_prepared(step, context);
    if (!was_placed && *is_placed) vt_fault_arm(VT_FAULT_JOURNAL, 1);
}

START_TEST(a_hold_placed_while_an_epoch_fails_to_close_makes_readable_at_once)
{
    bool is_placed = false;
    setup_with(&(struct world_options){.has_journal = true});
    ck_assert_ok(privacy("subject.shred", "{subject: ada}"));
    vt_fault_set_step_hook(hold_ada_and_fail, &is_placed);
    const vault_status status = vt_vault_close_epoch(world.vault, false);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert(vt_fault_disarm());
    ck_assert_int_ne(status, VAULT_OK);
    ck_assert(is_placed);
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    teardown();
}
END_TEST

enum { HELD_AND_DIED = 42 };

static void hold_ada_and_die(const char *step, void *context)
{
    bool is_placed = false;
    (void)context;
    hold_ada_when_prepared(step, &is_placed);
    if (is_placed) _exit(HELD_AND_DIED);
}

START_TEST(a_hold_placed_while_an_epoch_closes_that_a_crash_stops_makes_readable_at_the_unseal)
{
    int ended;
    setup_with(&(struct world_options){.is_on_disk = true, .has_journal = true});
    ck_assert_ok(privacy("subject.shred", "{subject: ada}"));
    ck_assert_ok(privacy("subject.shred", "{subject: bob}"));
    world_close(&world);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        world_open(&world);
        ck_assert_ok(world_unseal(&world));
        vt_fault_set_step_hook(hold_ada_and_die, NULL);
        _exit(vt_vault_close_epoch(world.vault, false) == VAULT_OK ? 1 : 2);
    }
    ck_assert_int_eq(waitpid(child, &ended, 0), child);
    ck_assert(WIFEXITED(ended));
    ck_assert_int_eq(WEXITSTATUS(ended), HELD_AND_DIED);
    world_open(&world);
    ck_assert_ok(world_unseal(&world));
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    ck_assert(!reads_as("bob", "Ada", "192.0.2.7"));
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    teardown();
}
END_TEST

/** A call that is prepared, then overtaken. */
static vault_status overtaken_by_a_hold(const char *method, const char *params)
{
    const struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("privacy")), .is_local = true};
    struct vt_call *call;
    struct vt_value map;
    ck_assert_ok(vt_yaml_read(&world.pool, vt_bytes_str(params), &map, &world.err));
    ck_assert_ok(vt_call_new(world.vault, &principal, &call));
    call->method = vt_bytes_str(method);
    call->params = &map;
    ck_assert_int_eq(vt_call_prepare(call), VT_CALL_COMMIT);
    ck_assert_ok(call->status);
    hold("{subject: ada, reason: litigation}", NULL);
    vault_status status = vt_vault_commit_wait(world.vault, &call->item);
    if (vt_call_wants_retry(call)) status = vt_call_run(call);
    vt_call_free(call);
    return status;
}

START_TEST(a_hold_that_overtakes_a_call_refuses_it_at_its_commit)
{
    static const char *const CALLS[][2] = {
        {"subject.shred", "{subject: ada}"},
        {"subject.shred", "{subjects: [ada]}"},
        {"record.correct", "{subject: ada, collection: profile, fields: {given_name: Eve}}"},
        {"record.put", "{subject: ada, collection: profile, record: 1, fields: {given_name: Eve}}"},
        {"record.delete", "{subject: ada, collection: profile}"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(CALLS); i++) {
        char params[128];
        setup();
        snprintf(params, sizeof params, "%s", CALLS[i][1]);
        char number[24];
        snprintf(number, sizeof number, "record: %lld", profile_of("ada"));
        replace(params, sizeof params, "record: 1", number);
        const bool is_batch = strstr(params, "subjects") != NULL;
        ck_assert_status(overtaken_by_a_hold(CALLS[i][0], params), is_batch ? VAULT_OK : VAULT_E_HELD);
        ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
        teardown();
    }
}
END_TEST

/* Batches, and what certificates say ------------------------------------------------------------------------------------ */

START_TEST(a_batch_leaves_the_held_out_and_the_certificates_of_the_others_say_so)
{
    struct vt_value result;
    setup();
    hold("{subject: ada, reason: litigation}", NULL);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subjects: [ada, bob], now: true}", &result));
    const struct vt_value *items = vt_value_get(&result, "items");
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&items->array.items[0], "status"), "held"));
    const struct vt_bytes note = vt_value_get_text(&items->array.items[1], "note");
    ck_assert(memmem(note.data, note.len, "\nkept: 1\n", 9) != NULL);
    ck_assert(memmem(note.data, note.len, "hold 1\n", 7) != NULL);
    ck_assert(reads_as("ada", "Ada", "192.0.2.7"));
    teardown();
}
END_TEST

/* Placing and releasing ------------------------------------------------------------------------------------------------- */

START_TEST(a_hold_survives_a_restart)
{
    setup_with(&(struct world_options){.is_on_disk = true});
    hold("{subject: ada, reason: litigation, matter: 'case 7'}", NULL);
    world_reopen(&world);
    ck_assert_status(privacy("subject.shred", "{subject: ada}"), VAULT_E_HELD);
    teardown();
}
END_TEST

static void ask_release(const char *id, char out_approval[33])
{
    char params[64];
    struct vt_value result;
    snprintf(params, sizeof params, "{hold: '%s'}", id);
    ck_assert_ok(world_call(&world, "privacy", "hold.release", params, &result));
    const struct vt_bytes approval = vt_value_get_text(&result, "approval");
    snprintf(out_approval, 33, "%.*s", (int)approval.len, (const char *)approval.data);
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

START_TEST(a_hold_ends_only_when_somebody_else_approves)
{
    char id[33], approval[33], again[33];
    setup();
    hold("{subject: ada, reason: litigation}", id);
    ask_release(id, approval);
    ask_release(id, again);
    ck_assert_str_eq(approval, again);
    ck_assert_status(privacy("subject.shred", "{subject: ada}"), VAULT_E_HELD);
    ck_assert_status(grant(REQUESTER, approval, 0), VAULT_E_APPROVAL);
    ck_assert_status(grant(COLLEAGUE, approval, 1), VAULT_E_STATE);
    ck_assert_status(privacy("subject.shred", "{subject: ada}"), VAULT_E_HELD);
    ck_assert_ok(grant(COLLEAGUE, approval, 0));
    ck_assert_status(grant(COLLEAGUE, approval, 0), VAULT_E_STATE);
    ck_assert_ok(privacy("subject.shred", "{subject: ada, now: true}"));
    ck_assert_status(privacy("hold.release", "{hold: '00000000000000000000000000000000'}"), VAULT_E_NOT_FOUND);
    teardown();
}
END_TEST

START_TEST(the_release_of_a_hold_that_is_denied_or_comes_too_late_leaves_it)
{
    char id[33], approval[33], params[64];
    setup();
    hold("{subject: ada, reason: litigation}", id);
    ask_release(id, approval);
    snprintf(params, sizeof params, "{approval: '%s'}", approval);
    ck_assert_ok(world_call(&world, "approver", "approval.deny", params, NULL));
    ck_assert_status(grant(COLLEAGUE, approval, 0), VAULT_E_STATE);
    ask_release(id, approval);
    world_pass(&world, INT64_C(8) * 24 * 3600 * 1000);
    ck_assert_status(grant(COLLEAGUE, approval, 0), VAULT_E_STATE);
    ck_assert_ok(vt_vault_run_approvals(world.vault));
    ck_assert_status(privacy("subject.shred", "{subject: ada}"), VAULT_E_HELD);
    teardown();
}
END_TEST

START_TEST(the_list_of_holds_names_no_person_and_no_matter)
{
    struct vt_value result;
    setup();
    hold("{subject: ada, category: F, reason: authority, matter: 'the matter of ada'}", NULL);
    hold("{category: A, reason: dispute}", NULL);
    ck_assert_ok(world_call(&world, "privacy", "hold.list", NULL, &result));
    const struct vt_value *list = vt_value_get(&result, "holds");
    ck_assert_uint_eq(list->array.count, 2);
    const struct vt_value *everybody = &list->array.items[0], *one = &list->array.items[1];
    ck_assert(vt_value_get(everybody, "sid") == NULL);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(everybody, "category"), "A"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(one, "reason"), "authority"));
    ck_assert_uint_eq(vt_value_get_text(one, "sid").len, 32);
    ck_assert_uint_eq(vt_value_get_text(one, "commitment").len, 64);
    ck_assert(vt_value_get(one, "matter") == NULL);
    ck_assert_ok(world_call(&world, "privacy", "hold.list", "{limit: 1}", &result));
    ck_assert_uint_eq(vt_value_get(&result, "holds")->array.count, 1);
    ck_assert(vt_value_get(&result, "next") != NULL);
    teardown();
}
END_TEST

static vault_status list_behind(const char *method, const char *id, const char *more, struct vt_value *out_result)
{
    char params[96];
    snprintf(params, sizeof params, "{limit: 1, after: '%s'%s}", id, more);
    return world_call(&world, "privacy", method, params, out_result);
}

START_TEST(a_list_whose_next_page_would_follow_what_has_ended_begins_anew_and_hides_nothing)
{
    char everybody[33], id[33], approvals[2][33], first[33];
    struct vt_value result;
    setup();
    hold("{category: A, reason: dispute}", everybody);              /* the first in order */
    hold("{subject: ada, reason: litigation}", id);
    ask_release(everybody, approvals[0]);
    ask_release(id, approvals[1]);
    ck_assert_ok(world_call(&world, "privacy", "approval.list", "{limit: 1}", &result));
    const struct vt_bytes next = vt_value_get_text(&result, "next");
    snprintf(first, sizeof first, "%.*s", (int)next.len, (const char *)next.data);
    ck_assert_ok(list_behind("hold.list", everybody, "", &result));
    ck_assert_uint_eq(vt_value_get(&result, "holds")->array.count, 1);
    ck_assert_ok(list_behind("approval.list", first, "", &result));
    ck_assert_uint_eq(vt_value_get(&result, "approvals")->array.count, 1);
    ck_assert_ok(grant(COLLEAGUE, approvals[0], 0));
    ck_assert_status(list_behind("hold.list", everybody, "", NULL), VAULT_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(world.err.message, "list again from the start"));
    ck_assert_status(list_behind("approval.list", approvals[0], "", NULL), VAULT_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(world.err.message, "list again from the start"));
    ck_assert_ok(list_behind("approval.list", approvals[0], ", all: true", NULL));
    ck_assert_ok(list_behind("hold.list", id, "", &result));        /* behind the last one there is nothing, and that is said */
    ck_assert_uint_eq(vt_value_get(&result, "holds")->array.count, 0);
    teardown();
}
END_TEST

START_TEST(a_hold_on_nobody_or_on_nothing_is_refused)
{
    setup();
    ck_assert_status(privacy("hold.place", "{reason: litigation}"), VAULT_E_ARGUMENT);
    ck_assert_status(privacy("hold.place", "{subject: nobody, reason: litigation}"), VAULT_E_NOT_FOUND);
    ck_assert_status(privacy("hold.place", "{subject: ada, sid: '00000000000000000000000000000000', reason: x}"), VAULT_E_ARGUMENT);
    ck_assert_status(privacy("hold.place", "{subject: ada, category: Z, reason: litigation}"), VAULT_E_ARGUMENT);
    ck_assert_status(privacy("hold.place", "{subject: ada}"), VAULT_E_ARGUMENT);
    ck_assert_ok(privacy("subject.shred", "{subject: bob, now: true}"));
    ck_assert_status(privacy("hold.place", "{subject: bob, reason: litigation}"), VAULT_E_NOT_FOUND);
    ck_assert_status(world_call(&world, "application", "hold.place", "{subject: ada, reason: litigation}", NULL),
                     VAULT_E_FORBIDDEN);
    teardown();
}
END_TEST

START_TEST(store_check_counts_holds_and_approvals)
{
    char id[33], approval[33];
    struct vt_value result;
    setup();
    hold("{subject: ada, reason: litigation}", id);
    ask_release(id, approval);
    ck_assert_ok(world_call(&world, "operator", "store.check", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    ck_assert_int_eq(vt_value_get_int(vt_value_get(&result, "counts"), "holds", 0), 1);
    ck_assert_int_eq(vt_value_get_int(vt_value_get(&result, "counts"), "approvals", 0), 1);
    teardown();
}
END_TEST

VT_TEST_MAIN("service/holds", no_command_that_destroys_takes_anything_from_a_held_subject,
             nor_does_any_other_way_to_lose_a_value_a_row_or_a_key, a_hold_on_a_category_keeps_that_category_and_no_other,
             a_hold_on_a_category_of_everybody_keeps_those_who_have_it, a_late_hold_makes_what_is_pending_readable_again,
             a_late_hold_on_a_category_takes_back_the_shreds_that_it_forbids_and_no_others,
             a_hold_placed_while_the_epoch_closes_wins_until_its_commit,
             a_hold_placed_while_an_epoch_fails_to_close_makes_readable_at_once,
             a_hold_placed_while_an_epoch_closes_that_a_crash_stops_makes_readable_at_the_unseal,
             a_hold_that_overtakes_a_call_refuses_it_at_its_commit,
             a_batch_leaves_the_held_out_and_the_certificates_of_the_others_say_so, a_hold_survives_a_restart,
             a_hold_ends_only_when_somebody_else_approves, the_release_of_a_hold_that_is_denied_or_comes_too_late_leaves_it,
             the_list_of_holds_names_no_person_and_no_matter,
             a_list_whose_next_page_would_follow_what_has_ended_begins_anew_and_hides_nothing,
             a_hold_on_nobody_or_on_nothing_is_refused,
             store_check_counts_holds_and_approvals)
