/* The main job at the level of commands: tokenise, reveal, read, correct, shred, back up, restore, rotate. */
#include <stdio.h>

#include "tests/support/world.h"

static const char CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                            "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n"
                            "  - {name: expiry, type: card_expiry, category: B, doc: e}\n"
                            "  - {name: holder, type: name, category: A, doc: h}\n";
static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n"
                              "  - {name: email, type: email, category: A, index: many, doc: e}\n"
                              "  - {name: ip, type: ip, category: F, doc: i}\n";
static const char TEMPLATES[] =
    "templates:\n  - {name: card, format: digits, collection: cards, field: number, keep_last: 4}\n"
    "  - {name: opaque, format: opaque, collection: cards, field: number}\n"
    "  - {name: same, format: opaque, collection: cards, field: number, deterministic: true}\n";

static struct world world;

static void setup(void)
{
    const struct world_options options = {.is_on_disk = true};
    world_new(&world, &options);
    world_apply_schema(&world, CARDS);
    world_apply_schema(&world, PROFILE);
    struct vt_value params = vt_value_map();
    ck_assert_ok(vt_value_put(&world.pool, &params, "template", vt_value_str(TEMPLATES), NULL));
    ck_assert_ok(world_call_value(&world, "administrator", "template.apply", &params, NULL));
}

static void teardown(void)
{
    world_free(&world);
}

static void create(const char *name)
{
    char params[512];
    snprintf(params, sizeof params,
             "{external_id: %s, records: {profile: {given_name: Ada, email: %s@example.org, ip: 192.0.2.7}}}", name, name);
    ck_assert_ok(world_call(&world, "application", "subject.create", params, NULL));
}

/* A token of the subject's card. */
static void tokenize(const char *name, const char *template_, const char *pan, char out_token[64])
{
    char params[256];
    struct vt_value result;
    snprintf(params, sizeof params, "{template: %s, subject: %s, value: '%s'}", template_, name, pan);
    ck_assert_ok(world_call(&world, "application", "token.create", params, &result));
    const struct vt_bytes token = vt_value_get_text(&result, "token");
    ck_assert_uint_lt(token.len, 64);
    memcpy(out_token, token.data, token.len);
    out_token[token.len] = '\0';
}

static vault_status reveal(const char *role, const char *token, const char *view, char out_value[64])
{
    char params[256];
    struct vt_value result;
    snprintf(params, sizeof params, "{token: '%s', view: %s, purpose: billing}", token, view);
    const vault_status status = world_call(&world, role, "token.reveal", params, &result);
    if (status != VAULT_OK) return status;
    const struct vt_bytes value = vt_value_get_text(&result, "value");
    snprintf(out_value, 64, "%.*s", (int)value.len, (const char *)value.data);
    return status;
}

static vault_status read_field(const char *name, const char *collection)
{
    char params[256];
    snprintf(params, sizeof params, "{subject: %s, collection: %s, view: plain, purpose: service}", name, collection);
    return world_call(&world, "privacy", "record.get", params, NULL);
}

START_TEST(a_card_comes_back_through_its_token_masked_or_plain)
{
    char token[64], value[64];
    setup();
    create("ada");
    tokenize("ada", "card", "4000 0012 3456 7899", token);
    ck_assert_uint_eq(strlen(token), 16);
    ck_assert_str_eq(token + 12, "7899");
    ck_assert(!vt_luhn_is_valid(vt_bytes_str(token)));
    ck_assert_ok(reveal("application", token, "plain", value));
    ck_assert_str_eq(value, "4000001234567899");
    ck_assert_ok(reveal("application", token, "last4", value));
    ck_assert_ptr_nonnull(strstr(value, "7899"));
    ck_assert_ptr_null(strstr(value, "123456"));
    ck_assert_status(reveal("administrator", token, "plain", value), VAULT_E_FORBIDDEN);
    teardown();
}
END_TEST

START_TEST(a_read_without_a_registered_purpose_is_refused)
{
    setup();
    create("ada");
    ck_assert_status(world_call(&world, "application", "record.get", "{subject: ada, collection: profile}", NULL), VAULT_E_PURPOSE);
    ck_assert_status(world_call(&world, "application", "record.get", "{subject: ada, collection: profile, purpose: fun}", NULL),
                     VAULT_E_PURPOSE);
    teardown();
}
END_TEST

START_TEST(a_batch_answers_item_by_item_and_makes_one_key_block)
{
    struct vt_value result;
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "application", "token.create",
                            "{template: opaque, subject: ada, values: ['4000001234567899', 'not a card', '5111110000000006']}",
                            &result));
    const struct vt_value *tokens = vt_value_get(&result, "tokens");
    ck_assert_uint_eq(tokens->array.count, 3);
    ck_assert(vt_value_get_text(&tokens->array.items[0], "token").len == 30);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&tokens->array.items[1], "status"), "invalid-value"));
    teardown();
}
END_TEST

START_TEST(a_value_alone_gets_a_subject_of_its_own)
{
    struct vt_value result;
    char token[64], value[64];
    setup();
    ck_assert_ok(world_call(&world, "application", "token.create", "{template: opaque, value: '4000001234567899'}", &result));
    const struct vt_bytes text = vt_value_get_text(&result, "token");
    snprintf(token, sizeof token, "%.*s", (int)text.len, (const char *)text.data);
    ck_assert_ok(reveal("application", token, "plain", value));
    ck_assert_str_eq(value, "4000001234567899");
    teardown();
}
END_TEST

START_TEST(a_template_whose_keys_hold_another_kind_of_value_is_refused_and_not_applied)
{
    static const struct {
        const char *yaml, *field;
    } WRONG[] = {
        {"templates:\n  - {name: odd, format: opaque, collection: cards, field: number, deterministic: yes}\n", "deterministic"},
        {"templates:\n  - {name: odd, format: opaque, collection: cards, field: number, deterministic: 1}\n", "deterministic"},
        {"templates:\n  - {name: odd, format: digits, collection: cards, field: number, keep_last: '4'}\n", "keep_last"},
    };
    setup();
    for (size_t i = 0; i < VT_ARRAY_LEN(WRONG); i++) {
        struct vt_value params = vt_value_map();
        ck_assert_ok(vt_value_put(&world.pool, &params, "template", vt_value_str(WRONG[i].yaml), NULL));
        ck_assert_status(world_call_value(&world, "administrator", "template.apply", &params, NULL), VAULT_E_TYPE);
        ck_assert_str_eq(world.err.field, WRONG[i].field);
        ck_assert_status(world_call(&world, "administrator", "template.show", "{name: odd}", NULL), VAULT_E_NOT_FOUND);
    }
    teardown();
}
END_TEST

START_TEST(a_deterministic_token_is_shared_and_dies_with_its_last_holder)
{
    char first[64], second[64], value[64];
    setup();
    create("ada");
    create("bob");
    tokenize("ada", "same", "4000001234567899", first);
    tokenize("bob", "same", "4000-0012-3456-7899", second);
    ck_assert_str_eq(first, second);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    ck_assert_ok(reveal("application", first, "plain", value));
    ck_assert_str_eq(value, "4000001234567899");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob, now: true}", NULL));
    ck_assert_status(reveal("application", first, "plain", value), VAULT_E_NOT_FOUND);
    ck_assert_status(reveal("privacy", first, "plain", value), VAULT_E_ERASED);
    create("eve");
    tokenize("eve", "same", "4000001234567899", second);
    ck_assert_str_ne(first, second);
    teardown();
}
END_TEST

START_TEST(a_shredded_subject_is_gone_and_its_token_answers_with_the_certificate)
{
    char token[64], value[64];
    struct vt_value result;
    setup();
    create("ada");
    create("bob");
    tokenize("ada", "opaque", "4000001234567899", token);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true, reference: 'case 17'}", &result));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&result, "state"), "effective"));
    ck_assert_uint_eq(vt_value_get_text(&result, "salt").len, 64);
    const int64_t number = vt_value_get_int(&result, "certificate", 0);
    ck_assert_int_gt(number, 0);
    ck_assert_status(reveal("privacy", token, "plain", value), VAULT_E_ERASED);
    ck_assert_uint_eq(world.certificate, (uint64_t)number);
    ck_assert_status(read_field("ada", "profile"), VAULT_E_NOT_FOUND);
    ck_assert_ok(read_field("bob", "profile"));
    world_reopen(&world);
    ck_assert_status(reveal("privacy", token, "plain", value), VAULT_E_ERASED);
    ck_assert_status(reveal("application", token, "plain", value), VAULT_E_NOT_FOUND);
    ck_assert_ok(read_field("bob", "profile"));
    ck_assert_ok(world_call(&world, "operator", "store.check", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    teardown();
}
END_TEST

START_TEST(a_pending_shred_hides_the_subject_until_it_is_cancelled)
{
    struct vt_value result;
    char params[64];
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", &result));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&result, "state"), "pending"));
    ck_assert_status(read_field("ada", "profile"), VAULT_E_SHRED_PENDING);
    snprintf(params, sizeof params, "{certificate: %lld}", (long long)vt_value_get_int(&result, "certificate", 0));
    ck_assert_status(world_call(&world, "application", "subject.create", "{external_id: ada}", NULL), VAULT_E_EXISTS);
    ck_assert_ok(world_call(&world, "privacy", "subject.cancel-shred", params, NULL));
    ck_assert_ok(read_field("ada", "profile"));
    teardown();
}
END_TEST

START_TEST(a_category_can_be_forgotten_alone)
{
    struct vt_value result;
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, category: F, now: true}", NULL));
    ck_assert_ok(world_call(&world, "privacy", "record.get", "{subject: ada, collection: profile, view: plain, purpose: service}",
                            &result));
    const struct vt_value *fields = vt_value_get(&result, "fields");
    ck_assert_ptr_null(vt_value_get(fields, "ip"));
    ck_assert_ptr_nonnull(vt_value_get(fields, "email"));
    ck_assert_ptr_nonnull(vt_value_get(&result, "erased"));
    ck_assert_uint_eq(vt_value_get(&result, "erased")->array.count, 1);
    teardown();
}
END_TEST

START_TEST(a_corrected_value_replaces_the_old_one_everywhere)
{
    struct vt_value result;
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "privacy", "record.correct",
                            "{subject: ada, collection: profile, fields: {email: new@example.org}}", NULL));
    ck_assert_ok(world_call(&world, "application", "subject.find",
                            "{collection: profile, field: email, value: ada@example.org, purpose: service}", &result));
    ck_assert_uint_eq(vt_value_get(&result, "matches")->array.count, 0);
    ck_assert_ok(world_call(&world, "application", "subject.find",
                            "{collection: profile, field: email, value: NEW@example.org, purpose: service}", &result));
    ck_assert_uint_eq(vt_value_get(&result, "matches")->array.count, 1);
    teardown();
}
END_TEST

/* The subject has a key of the category, the record none of its own yet. */
START_TEST(a_correction_may_be_the_first_value_of_its_category_in_the_record)
{
    char token[64], params[128];
    struct vt_value result;
    setup();
    create("ada");
    tokenize("ada", "opaque", "4000001234567899", token);
    ck_assert_ok(world_call(&world, "privacy", "record.list", "{subject: ada, collection: cards, purpose: service}", &result));
    const struct vt_value *record = &vt_value_get(&result, "records")->array.items[0];
    snprintf(params, sizeof params, "{subject: ada, collection: cards, record: %lld, fields: {holder: Ada}}",
             (long long)vt_value_get_int(record, "record", 0));
    ck_assert_ok(world_call(&world, "privacy", "record.correct", params, NULL));
    ck_assert_ok(world_call(&world, "privacy", "record.correct", params, NULL));
    ck_assert_ok(read_field("ada", "profile"));
    teardown();
}
END_TEST

START_TEST(every_kind_of_key_rotates_and_everything_still_opens)
{
    static const char *const ROTATIONS[] = {"{what: root}", "{what: tree}", "{what: tenant}",
                                            "{what: subject, subject: ada}",
                                            "{what: subject, subject: ada, destroy_now: true}",
                                            ("{what: unseal, key_file: '"
                                             "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'}")};
    char token[64], value[64];
    setup();
    create("ada");
    tokenize("ada", "same", "4000001234567899", token);
    for (size_t i = 0; i < VT_ARRAY_LEN(ROTATIONS); i++) {
        struct vt_value result;
        ck_assert_ok(world_call(&world, "all", "key.rotate", ROTATIONS[i], &result));
        char params[64];
        const struct vt_bytes job = vt_value_get_text(&result, "job");
        snprintf(params, sizeof params, "{job: '%.*s'}", (int)job.len, (const char *)job.data);
        for (bool is_running = true; is_running;) {
            ck_assert_ok(world_call(&world, "all", "job.status", params, &result));
            const struct vt_value *found = &vt_value_get(&result, "jobs")->array.items[0];
            is_running = vt_bytes_equal_str(vt_value_get_text(found, "state"), "running");
            if (!is_running) ck_assert(vt_bytes_equal_str(vt_value_get_text(found, "state"), "done"));
        }
        ck_assert_ok(reveal("application", token, "plain", value));
        ck_assert_str_eq(value, "4000001234567899");
        ck_assert_ok(read_field("ada", "profile"));
        ck_assert_ok(world_call(&world, "application", "subject.find",
                                "{collection: profile, field: email, value: ada@example.org, purpose: service}", &result));
        ck_assert_uint_eq(vt_value_get(&result, "matches")->array.count, 1);
    }
    teardown();
}
END_TEST

START_TEST(a_restored_backup_lacks_whoever_was_forgotten_since)
{
    struct vt_value result;
    char params[512];
    setup();
    create("ada");
    create("bob");
    create("eve");
    snprintf(params, sizeof params, "{to: %s/b1}", world.dir);
    ck_assert_ok(world_call(&world, "operator", "backup.create", params, NULL));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob, category: F, now: true}", NULL));
    snprintf(params, sizeof params, "{from: %s/b1}", world.dir);
    ck_assert_ok(world_call(&world, "operator", "backup.verify", params, &result));
    ck_assert(!vt_value_get_bool(&result, "opens_alone", true));
    ck_assert_int_eq(vt_value_get_int(&result, "erased_since", 0), 1);
    snprintf(params, sizeof params, "{from: %s/b1, to: %s/r1, check_only: true}", world.dir, world.dir);
    ck_assert_ok(world_call(&world, "operator", "backup.restore", params, &result));
    const struct vt_value *report = vt_value_get(&result, "report");
    ck_assert_int_eq(vt_value_get_int(report, "subjects_in_backup", 0), 3);
    ck_assert_int_eq(vt_value_get_int(report, "subjects_kept", 0), 2);
    ck_assert_int_eq(vt_value_get_int(report, "subjects_erased", 0), 1);
    ck_assert_int_eq(vt_value_get_int(report, "rows_lost", -1), 0);
    ck_assert_int_eq(vt_value_get_int(report, "rows_erased", 0), 4);     /* all three of ada's, one of bob's */
    teardown();
}
END_TEST

START_TEST(the_log_holds_every_call_and_verifies)
{
    struct vt_value result;
    setup();
    create("ada");
    ck_assert_status(read_field("nobody", "profile"), VAULT_E_NOT_FOUND);
    ck_assert_ok(world_call(&world, "auditor", "audit.tail", "{limit: 2}", &result));
    const struct vt_value *leaf = &vt_value_get(&result, "leaves")->array.items[1];
    ck_assert(vt_bytes_equal_str(vt_value_get_text(leaf, "effect"), "refused"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(leaf, "status"), "not-found"));
    ck_assert_ok(world_call(&world, "auditor", "audit.verify", NULL, &result));
    ck_assert(vt_value_get_bool(&result, "is_sound", false));
    teardown();
}
END_TEST

VT_TEST_MAIN("service/story", a_card_comes_back_through_its_token_masked_or_plain,
             a_read_without_a_registered_purpose_is_refused, a_batch_answers_item_by_item_and_makes_one_key_block,
             a_value_alone_gets_a_subject_of_its_own, a_template_whose_keys_hold_another_kind_of_value_is_refused_and_not_applied,
             a_deterministic_token_is_shared_and_dies_with_its_last_holder,
             a_shredded_subject_is_gone_and_its_token_answers_with_the_certificate,
             a_pending_shred_hides_the_subject_until_it_is_cancelled, a_category_can_be_forgotten_alone,
             a_corrected_value_replaces_the_old_one_everywhere,
             a_correction_may_be_the_first_value_of_its_category_in_the_record,
             every_kind_of_key_rotates_and_everything_still_opens,
             a_restored_backup_lacks_whoever_was_forgotten_since, the_log_holds_every_call_and_verifies)
