/* What is not there is named by its kind and by the argument that named it, never by its name; and every row that may refuse so
 * has something to say. */
#include <stdio.h>
#include <string.h>

#include "libvault/schema/command.h"
#include "tests/support/world.h"

static const char NOTES[] = "name: notes\ncardinality: many\nfields:\n  - {name: line, type: text, category: H}\n";
static const char PROFILE[] = "name: profile\nfields:\n  - {name: given_name, type: name, category: A}\n";
static const char CALLS[] = "name: calls\ncardinality: many\nsubjects: two\nsides: [caller, callee]\nfields:\n"
                            "  - {name: minutes, type: duration, category: F}\n";
static const char TEMPLATES[] = "templates:\n  - {name: line, format: opaque, collection: notes, field: line}\n";
#define ID_OF_NOBODY "0123456789abcdef0123456789abcdef"
#define TOKEN_OF_NOBODY "tok_aaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct world world;

static void setup(void)
{
    struct vt_value params = vt_value_map();
    world_new(&world, NULL);
    world_apply_schema(&world, NOTES);
    world_apply_schema(&world, PROFILE);
    world_apply_schema(&world, CALLS);
    ck_assert_ok(vt_value_put(&world.pool, &params, "template", vt_value_str(TEMPLATES), NULL));
    ck_assert_ok(world_call_value(&world, "administrator", "template.apply", &params, NULL));
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: ada}", NULL));
}

static void refused(const char *method, const char *params, const char *field, const char *sentence)
{
    ck_assert_status(world_call(&world, "all", method, params, NULL), VAULT_E_NOT_FOUND);
    ck_assert_str_eq(world.err.message, sentence);
    ck_assert_str_eq(world.err.field, field);
}

START_TEST(a_subject_that_is_not_there_is_named_by_how_it_was_asked_for)
{
    setup();
    refused("subject.show", "{subject: bo, purpose: service}", "subject", "There is no subject by that external id.");
    refused("subject.show", "{sid: " ID_OF_NOBODY ", purpose: service}", "sid", "There is no subject by that id.");
    refused("subject.export", "{subject: bo, purpose: rights}", "subject", "There is no subject by that external id.");
    refused("subject.shred", "{subject: bo}", "subject", "There is no subject by that external id.");
    refused("subject.shred", "{subject: bo, record: 7}", "subject", "There is no subject by that external id.");
    refused("subject.shred", "{token: " TOKEN_OF_NOBODY "}", "token", "There is no token like that.");
    refused("record.get", "{subject: bo, collection: notes, record: 7, purpose: service}", "subject",
            "There is no subject by that external id.");
    refused("record.put", "{subject: ada, other_subject: bo, collection: calls, fields: {minutes: 3}}", "other_subject",
            "There is no subject by that external id.");
    refused("key.rotate", "{what: subject, subject: bo}", "subject", "There is no subject by that external id.");
    refused("key.status", "{subject: bo}", "subject", "There is no subject by that external id.");
    refused("token.create", "{template: line, subject: bo, value: said}", "subject", "There is no subject by that external id.");
    world_free(&world);
}
END_TEST

START_TEST(a_record_or_collection_that_is_not_there_is_told_from_its_subject)
{
    setup();
    refused("record.get", "{subject: ada, collection: notes, record: 7, purpose: service}", "record",
            "There is no record by that number.");
    refused("record.get", "{subject: ada, collection: profile, purpose: service}", "collection",
            "The subject has no record in that collection.");
    refused("record.correct", "{subject: ada, collection: profile, fields: {given_name: Ada}}", "collection",
            "The subject has no record in that collection.");
    refused("record.delete", "{subject: ada, collection: notes, record: 7}", "record", "There is no record by that number.");
    refused("record.put", "{subject: ada, collection: notes, record: 7, fields: {line: said}}", "record",
            "There is no record by that number.");
    refused("record.get", "{subject: ada, collection: none, purpose: service}", "collection",
            "There is no collection of that name.");
    refused("schema.show", "{collection: none}", "collection", "There is no collection of that name.");
    world_free(&world);
}
END_TEST

START_TEST(a_second_record_where_one_is_taken_is_told_which_is_there_and_what_to_do)
{
    static const char PUT[] = "{subject: ada, collection: profile, fields: {given_name: Ada}}";
    struct vt_value result;
    char sentence[256];
    setup();
    ck_assert_ok(world_call(&world, "all", "record.put", PUT, &result));
    snprintf(sentence, sizeof sentence,
             "The subject has its one record of this collection already: name record %lld to replace fields of it, or use "
             "record.correct, which forgets what it said.",
             (long long)vt_value_get_int(&result, "record", 0));
    ck_assert_status(world_call(&world, "all", "record.put", PUT, NULL), VAULT_E_EXISTS);
    ck_assert_str_eq(world.err.message, sentence);
    ck_assert_str_eq(world.err.field, "collection");
    world_free(&world);
}
END_TEST

START_TEST(other_things_that_are_not_there_are_named_too)
{
    setup();
    refused("token.show", "{token: " TOKEN_OF_NOBODY "}", "token", "There is no token like that.");
    refused("token.reveal", "{token: " TOKEN_OF_NOBODY ", purpose: service}", "token", "There is no token like that.");
    refused("token.create", "{template: none, value: said}", "template", "There is no template of that name.");
    refused("template.show", "{name: none}", "name", "There is no template of that name.");
    refused("credential.revoke", "{name: none}", "name", "There is no credential of that name.");
    refused("certificate.show", "{number: 7}", "number", "There is no certificate by that number.");
    refused("job.status", "{job: " ID_OF_NOBODY "}", "job", "There is no job by that id.");
    refused("schema.list", "{tenant: none}", "tenant", "There is no tenant of that name.");
    world_free(&world);
}
END_TEST

static void assert_item(const struct vt_value *list, size_t index, const char *field, const char *sentence)
{
    ck_assert_uint_gt(list->array.count, index);
    const struct vt_value *item = &list->array.items[index];
    ck_assert(vt_bytes_equal_str(vt_value_get_text(item, "status"), "not-found"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(item, "message"), sentence));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(item, "field"), field));
}

START_TEST(an_item_of_a_batch_says_what_is_not_there)
{
    struct vt_value result;
    setup();
    ck_assert_ok(world_call(&world, "all", "token.reveal", "{tokens: [" TOKEN_OF_NOBODY "], purpose: service}", &result));
    assert_item(vt_value_get(&result, "values"), 0, "tokens", "There is no token like that.");
    ck_assert_ok(world_call(&world, "all", "subject.shred", "{subjects: [ada, bo]}", &result));
    assert_item(vt_value_get(&result, "items"), 1, "subjects", "There is no subject by that external id.");
    ck_assert_ok(world_call(&world, "all", "subject.create", "{external_id: cy}", NULL));
    ck_assert_ok(world_call(&world, "all", "token.create",
                            "{template: line, items: [{value: said, subject: bo}, {subject: cy, record: 7}]}", &result));
    assert_item(vt_value_get(&result, "tokens"), 0, "subject", "There is no subject by that external id.");
    assert_item(vt_value_get(&result, "tokens"), 1, "record", "There is no record by that number.");
    world_free(&world);
}
END_TEST

/* These look up what lies within an argument, and say so in a sentence of their own. */
static bool says_it_itself(const char *name)
{
    static const char *const NAMES[] = {"subject.create", "record.import", "template.apply", "audit.prove", "hold.list"};
    for (size_t i = 0; i < VT_ARRAY_LEN(NAMES); i++)
        if (strcmp(name, NAMES[i]) == 0) return true;
    return false;
}

static bool may_be_not_found(const struct vt_command *command)
{
    for (size_t i = 0; command->errors[i] != VAULT_OK; i++)
        if (command->errors[i] == VAULT_E_NOT_FOUND) return true;
    return false;
}

START_TEST(every_row_that_may_refuse_so_has_an_argument_that_identifies_something)
{
    size_t seen = 0;
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        int flags = 0;
        for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++) flags |= arg->flags;
        const bool identifies = (flags & VT_IDENTIFIES) != 0;
        const bool should = may_be_not_found(command) && !says_it_itself(command->name);
        ck_assert_msg(identifies || !should, "%s: not found, but what?", command->name);
        seen += identifies;
    }
    ck_assert_uint_gt(seen, 20);
}
END_TEST

VT_TEST_MAIN("missing", a_subject_that_is_not_there_is_named_by_how_it_was_asked_for,
             a_record_or_collection_that_is_not_there_is_told_from_its_subject,
             a_second_record_where_one_is_taken_is_told_which_is_there_and_what_to_do,
             other_things_that_are_not_there_are_named_too, an_item_of_a_batch_says_what_is_not_there,
             every_row_that_may_refuse_so_has_an_argument_that_identifies_something)
