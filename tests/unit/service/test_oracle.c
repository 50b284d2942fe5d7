/* Whoever may not know that something was erased sees what has never been: docs/THREATS.md "Errors as oracle". */
#include <stdio.h>

#include "tests/support/world.h"

static const char CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                            "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n"
                            "  - {name: holder, type: name, category: A, doc: h}\n";
static const char NOTES[] = "name: notes\ndoc: Notes.\ncardinality: many\nfields:\n"
                            "  - {name: line, type: text, category: H, doc: l}\n";
static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n";
static const char TEMPLATES[] = "templates:\n  - {name: opaque, format: opaque, collection: cards, field: number}\n"
                                "  - {name: digits, format: digits, collection: cards, field: number, keep_last: 4}\n";

enum { TEXT_MAX = 64, PARAMS_MAX = 512 };
#define SID_OF_NOBODY "0123456789abcdef0123456789abcdef"
#define TOKEN_OF_NOBODY "tok_aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define RECORD_OF_NOBODY 123456789

/** One person whose traces are tried. */
struct person {
    const char *name;
    char sid[TEXT_MAX], opaque[TEXT_MAX], digits[TEXT_MAX];
    int64_t card, note;
};

static struct world world;

static void copy(char to[TEXT_MAX], struct vt_bytes text)
{
    ck_assert(text.data != NULL);
    snprintf(to, TEXT_MAX, "%.*s", (int)text.len, (const char *)text.data);
}

static int64_t first_of(const struct vt_value *records, const char *collection)
{
    return vt_value_get(records, collection)->array.items[0].integer;
}

static struct person person_new(const char *name)
{
    struct person person = {.name = name};
    struct vt_value result;
    char params[512];
    snprintf(params, sizeof params,
             "{external_id: %s, records: {profile: {given_name: Ada}, notes: [{line: said}],"
             " cards: [{number: '4111111111111111', holder: Ada}]}}",
             name);
    ck_assert_ok(world_call(&world, "application", "subject.create", params, &result));
    copy(person.sid, vt_value_get_text(&result, "sid"));
    person.card = first_of(vt_value_get(&result, "records"), "cards");
    person.note = first_of(vt_value_get(&result, "records"), "notes");
    snprintf(params, sizeof params, "{template: opaque, subject: %s, record: %lld}", name, (long long)person.card);
    ck_assert_ok(world_call(&world, "application", "token.create", params, &result));
    copy(person.opaque, vt_value_get_text(&result, "token"));
    snprintf(params, sizeof params, "{template: digits, subject: %s, record: %lld}", name, (long long)person.card);
    ck_assert_ok(world_call(&world, "application", "token.create", params, &result));
    copy(person.digits, vt_value_get_text(&result, "token"));
    return person;
}

static void setup(void)
{
    struct vt_value params = vt_value_map();
    world_new(&world, NULL);
    world_apply_schema(&world, CARDS);
    world_apply_schema(&world, NOTES);
    world_apply_schema(&world, PROFILE);
    ck_assert_ok(vt_value_put(&world.pool, &params, "template", vt_value_str(TEMPLATES), NULL));
    ck_assert_ok(world_call_value(&world, "administrator", "template.apply", &params, NULL));
}

static void teardown(void)
{
    world_free(&world);
}

struct answer {
    vault_status status;
    struct vt_err err;
    uint64_t certificate;
};

static struct answer ask(const char *method, const char *params)
{
    const vault_status status = world_call(&world, "application", method, params, NULL);
    return (struct answer){status, world.err, world.certificate};
}

/* @p pattern has one @ for what is named */
static void fill(char params[PARAMS_MAX], const char *pattern, const char *named)
{
    const char *at = strchr(pattern, '@');
    ck_assert(at != NULL);
    snprintf(params, PARAMS_MAX, "%.*s%s%s", (int)(at - pattern), pattern, named, at + 1);
}

static void looks_alike(const char *method, const char *pattern, const char *erased, const char *never)
{
    char params[PARAMS_MAX];
    fill(params, pattern, never);
    const struct answer wanted = ask(method, params);
    fill(params, pattern, erased);
    const struct answer seen = ask(method, params);
    const bool is_alike = seen.status == wanted.status && strcmp(seen.err.message, wanted.err.message) == 0 &&
                          strcmp(seen.err.field, wanted.err.field) == 0 && seen.certificate == 0;
    ck_assert_msg(is_alike, "%s %s: %s \"%s\" [%s] is not %s \"%s\" [%s]", method, pattern, vault_status_code(seen.status),
                  seen.err.message, seen.err.field, vault_status_code(wanted.status), wanted.err.message, wanted.err.field);
}

static void token_looks_never_issued(const char *token, const char *never)
{
    looks_alike("token.reveal", "{token: '@', purpose: service}", token, never);
    looks_alike("token.show", "{token: '@'}", token, never);
    looks_alike("token.disable", "{token: '@'}", token, never);
    looks_alike("token.enable", "{token: '@'}", token, never);
    looks_alike("token.revoke", "{token: '@'}", token, never);
}

static void tokens_look_never_issued(const struct person *person)
{
    token_looks_never_issued(person->opaque, TOKEN_OF_NOBODY);
    token_looks_never_issued(person->digits, "4000000000009999");
}

static void sid_looks_never_given(const struct person *person)
{
    looks_alike("subject.show", "{sid: '@', purpose: service}", person->sid, SID_OF_NOBODY);
    looks_alike("record.get", "{sid: '@', collection: profile, purpose: service}", person->sid, SID_OF_NOBODY);
    looks_alike("record.list", "{sid: '@', collection: notes, purpose: service}", person->sid, SID_OF_NOBODY);
    looks_alike("record.put", "{sid: '@', collection: notes, fields: {line: x}}", person->sid, SID_OF_NOBODY);
    looks_alike("record.correct", "{sid: '@', collection: profile, fields: {given_name: Eve}}", person->sid, SID_OF_NOBODY);
    looks_alike("record.delete", "{sid: '@', collection: profile}", person->sid, SID_OF_NOBODY);
    looks_alike("token.create", "{template: opaque, subject: '@', value: '4111111111111111'}", person->name, "nobody");
    looks_alike("token.create", "{template: opaque, subject: '@', record: 5}", person->name, "nobody");
}

static void record_looks_never_given(const char *name, const char *collection, int64_t record, const char *fields)
{
    char format[PARAMS_MAX], erased[TEXT_MAX], never[TEXT_MAX];
    snprintf(erased, sizeof erased, "%lld", (long long)record);
    snprintf(never, sizeof never, "%d", RECORD_OF_NOBODY);
    snprintf(format, sizeof format, "{subject: %s, collection: %s, record: @, purpose: service}", name, collection);
    looks_alike("record.get", format, erased, never);
    snprintf(format, sizeof format, "{subject: %s, collection: %s, record: @, fields: %s}", name, collection, fields);
    looks_alike("record.put", format, erased, never);
    looks_alike("record.correct", format, erased, never);
    snprintf(format, sizeof format, "{subject: %s, collection: %s, record: @}", name, collection);
    looks_alike("record.delete", format, erased, never);
    snprintf(format, sizeof format, "{template: opaque, subject: %s, record: @}", name);
    if (strcmp(collection, "cards") == 0) looks_alike("token.create", format, erased, never);
}

static void shred(const char *params)
{
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, NULL));
}

START_TEST(a_subject_being_erased_and_one_erased_look_as_if_they_had_never_been)
{
    setup();
    const struct person ada = person_new("ada");
    for (int now = 0; now < 2; now++) {
        if (now == 0) shred("{subject: ada}");
        if (now == 1) ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
        tokens_look_never_issued(&ada);
        sid_looks_never_given(&ada);
    }
    teardown();
}
END_TEST

START_TEST(a_record_being_erased_and_one_erased_look_as_if_they_had_never_been)
{
    char params[PARAMS_MAX];
    setup();
    const struct person ada = person_new("ada");
    for (int now = 0; now < 2; now++) {
        snprintf(params, sizeof params, "{subject: ada, record: %lld}", (long long)ada.card);
        if (now == 0) shred(params);
        if (now == 1) ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
        tokens_look_never_issued(&ada);
        record_looks_never_given("ada", "cards", ada.card, "{holder: Eve}");
    }
    teardown();
}
END_TEST

static void state_is_told(const char *method, const char *token, vault_status status, const char *sentence)
{
    char params[PARAMS_MAX];
    fill(params, "{token: '@', purpose: service}", token);
    ck_assert_int_eq(ask(method, params).status, status);
    ck_assert_str_eq(world.err.message, sentence);
}

START_TEST(a_token_that_was_disabled_or_revoked_says_so_until_its_value_is_erased)
{
    setup();
    const struct person ada = person_new("ada");
    char params[PARAMS_MAX];
    fill(params, "{token: '@'}", ada.opaque);
    ck_assert_ok(world_call(&world, "application", "token.disable", params, NULL));
    fill(params, "{token: '@'}", ada.digits);
    ck_assert_ok(world_call(&world, "application", "token.revoke", params, NULL));
    state_is_told("token.reveal", ada.opaque, VAULT_E_DISABLED,
                  "The token is disabled; once enabled again it opens its value.");
    state_is_told("token.reveal", ada.digits, VAULT_E_STATE, "The token is revoked: it opens its value never again.");
    for (int now = 0; now < 2; now++) {
        if (now == 0) shred("{subject: ada, category: B}");
        if (now == 1) ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
        tokens_look_never_issued(&ada);
    }
    fill(params, "{token: '@', purpose: service}", ada.opaque);
    ck_assert_int_eq(world_call(&world, "privacy", "token.reveal", params, NULL), VAULT_E_ERASED);
    ck_assert_uint_ne(world.certificate, 0);
    teardown();
}
END_TEST

START_TEST(a_category_being_erased_and_one_erased_look_as_if_they_had_never_been)
{
    setup();
    const struct person ada = person_new("ada");
    for (int now = 0; now < 2; now++) {
        if (now == 0) shred("{subject: ada, category: B}");
        if (now == 0) shred("{subject: ada, category: H}");
        if (now == 1) ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
        tokens_look_never_issued(&ada);
        record_looks_never_given("ada", "notes", ada.note, "{line: x}");
    }
    teardown();
}
END_TEST

VT_TEST_MAIN("oracle", a_subject_being_erased_and_one_erased_look_as_if_they_had_never_been,
             a_record_being_erased_and_one_erased_look_as_if_they_had_never_been,
             a_category_being_erased_and_one_erased_look_as_if_they_had_never_been,
             a_token_that_was_disabled_or_revoked_says_so_until_its_value_is_erased)
