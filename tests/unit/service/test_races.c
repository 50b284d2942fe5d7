/* What happens when one call commits between another's preparation and its commit, and while something is being erased. */
#include <stdio.h>

#include "libvault/codec/msgpack.h"
#include "libvault/codec/yaml.h"
#include "tests/support/world.h"
#include "vaultd/service/credentials.h"

static const char CARDS[] = "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
                            "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n";
static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n"
                              "  - {name: email, type: email, category: A, index: many, doc: e}\n"
                              "  - {name: ip, type: ip, category: F, doc: i}\n";
static const char NOTES[] = "name: notes\ndoc: Notes.\ncardinality: many\nfields:\n"
                            "  - {name: line, type: text, category: A, doc: l}\n"
                            "  - {name: contact, type: email, category: A, index: many, doc: c}\n";
static const char CALLS[] = "name: talks\ndoc: Talks.\ncardinality: many\nsubjects: two\nsides: [caller, callee]\nfields:\n"
                            "  - {name: line, type: text, category: A, doc: l}\n";
static const char TEMPLATES[] =
    "templates:\n  - {name: opaque, format: opaque, collection: cards, field: number}\n"
    "  - {name: same, format: opaque, collection: cards, field: number, deterministic: true}\n";

static struct world world;

static void setup(void)
{
    struct vt_value params = vt_value_map();
    world_new(&world, NULL);
    world_apply_schema(&world, CARDS);
    world_apply_schema(&world, PROFILE);
    world_apply_schema(&world, NOTES);
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

static int64_t put(const char *params)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "application", "record.put", params, &result));
    return vt_value_get_int(&result, "record", 0);
}

static size_t count_of(const char *role, const char *method, const char *params, const char *list)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, role, method, params, &result));
    return vt_value_get(&result, list)->array.count;
}

static void state_is(const struct vt_value *result, const char *state)
{
    ck_assert(vt_bytes_equal_str(vt_value_get_text(result, "state"), state));
}

/** A call that has been prepared and waits for the committer. */
struct waiting {
    struct vt_call *call;
    struct vt_value params;
};

static void wait_as(struct waiting *waiting, const struct vt_principal *principal, const char *method, const char *params)
{
    ck_assert_ok(vt_yaml_read(&world.pool, vt_bytes_str(params), &waiting->params, &world.err));
    ck_assert_ok(vt_call_new(world.vault, principal, &waiting->call));
    waiting->call->method = vt_bytes_str(method);
    waiting->call->params = &waiting->params;
    enum vt_call_next next = vt_call_prepare(waiting->call);
    if (next == VT_CALL_SLOW) next = vt_call_prepare_slow(waiting->call);
    ck_assert_int_eq(next, VT_CALL_COMMIT);
    ck_assert_ok(waiting->call->status);
}

static void wait_with(struct waiting *waiting, const char *role, const char *method, const char *params)
{
    const struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str(role)), .is_local = true};
    wait_as(waiting, &principal, method, params);
}

/** It commits now; @p out_attempts: how often it was prepared. */
static vault_status go_on(struct waiting *waiting, unsigned *out_attempts, struct vt_value *out_result)
{
    struct vt_call *call = waiting->call;
    vault_status status = vt_vault_commit_wait(world.vault, &call->item);
    if (vt_call_wants_retry(call)) {
        status = vt_call_run(call);
    } else {
        vt_call_committed(call);
        status = call->status;
    }
    *out_attempts = call->attempts;
    if (status == VAULT_OK && out_result != NULL) {
        const struct vt_bytes copy = vt_pool_copy(&world.pool, vt_buf_bytes(&call->result));
        ck_assert_ok(vt_msgpack_read(&world.pool, copy, out_result, &world.err));
    }
    vt_call_free(call);
    return status;
}

START_TEST(a_record_put_before_a_correction_and_committed_after_it_keeps_its_key)
{
    struct waiting waiting;
    struct vt_value result;
    unsigned attempts;
    char params[128];
    setup();
    create("ada");
    wait_with(&waiting, "application", "record.put",
              "{subject: ada, collection: notes, fields: {line: x, contact: x@example.org}}");
    ck_assert_ok(world_call(&world, "privacy", "record.correct",
                            "{subject: ada, collection: profile, fields: {given_name: Eve}}", NULL));
    ck_assert_ok(go_on(&waiting, &attempts, &result));
    ck_assert_uint_eq(attempts, 2);
    snprintf(params, sizeof params, "{subject: ada, collection: notes, record: %lld, purpose: service}",
             (long long)vt_value_get_int(&result, "record", 0));
    ck_assert_ok(world_call(&world, "application", "record.get", params, NULL));
    teardown();
}
END_TEST

START_TEST(a_correction_that_a_new_record_overtakes_does_not_take_its_key)
{
    struct waiting waiting;
    unsigned attempts;
    char params[128];
    setup();
    create("ada");
    put("{subject: ada, collection: notes, fields: {line: first}}");
    wait_with(&waiting, "privacy", "record.correct", "{subject: ada, collection: profile, fields: {given_name: Eve}}");
    const int64_t record = put("{subject: ada, collection: notes, fields: {line: x, contact: x@example.org}}");
    ck_assert_ok(go_on(&waiting, &attempts, NULL));
    ck_assert_uint_eq(attempts, 2);
    snprintf(params, sizeof params, "{subject: ada, collection: notes, record: %lld, purpose: service}", (long long)record);
    ck_assert_ok(world_call(&world, "application", "record.get", params, NULL));
    teardown();
}
END_TEST

START_TEST(a_deleted_record_leaves_no_index_entry_of_a_write_that_came_between)
{
    struct waiting waiting;
    unsigned attempts;
    char remove[96], change[128];
    setup();
    create("ada");
    const long long record = (long long)put("{subject: ada, collection: notes, fields: {line: x}}");
    snprintf(remove, sizeof remove, "{subject: ada, collection: notes, record: %lld}", record);
    snprintf(change, sizeof change, "{subject: ada, collection: notes, record: %lld, fields: {contact: x@example.org}}", record);
    wait_with(&waiting, "privacy", "record.delete", remove);
    put(change);
    ck_assert_ok(go_on(&waiting, &attempts, NULL));
    ck_assert_uint_eq(attempts, 2);
    ck_assert_uint_eq(count_of("application", "subject.find",
                               "{collection: notes, field: contact, value: x@example.org, purpose: service}", "matches"), 0);
    teardown();
}
END_TEST

START_TEST(a_token_that_died_before_it_was_shared_is_not_handed_out_again)
{
    struct waiting waiting;
    struct vt_value first, second;
    unsigned attempts;
    setup();
    create("ada");
    create("bob");
    ck_assert_ok(world_call(&world, "application", "token.create",
                            "{template: same, subject: ada, value: '4000001234567899'}", &first));
    wait_with(&waiting, "application", "token.create", "{template: same, subject: bob, value: '4000001234567899'}");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    ck_assert_ok(go_on(&waiting, &attempts, &second));
    ck_assert_uint_eq(attempts, 2);
    ck_assert(!vt_bytes_equal(vt_value_get_text(&first, "token"), vt_value_get_text(&second, "token")));
    teardown();
}
END_TEST

START_TEST(a_token_for_a_subject_shredded_meanwhile_is_refused)
{
    struct waiting waiting;
    unsigned attempts;
    setup();
    create("ada");
    create("bob");
    wait_with(&waiting, "application", "token.create", "{template: opaque, subject: ada, value: '4000001234567899'}");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    ck_assert_status(go_on(&waiting, &attempts, NULL), VAULT_E_NOT_FOUND);
    wait_with(&waiting, "application", "token.create", "{template: opaque, subject: bob, value: '4000001234567899'}");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob}", NULL));
    ck_assert_status(go_on(&waiting, &attempts, NULL), VAULT_E_NOT_FOUND);
    teardown();
}
END_TEST

START_TEST(a_reveal_that_a_shred_overtakes_shows_nothing)
{
    struct waiting waiting;
    struct vt_value result;
    unsigned attempts;
    char params[96];
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "application", "token.create",
                            "{template: opaque, subject: ada, value: '4000001234567899'}", &result));
    const struct vt_bytes token = vt_value_get_text(&result, "token");
    snprintf(params, sizeof params, "{token: %.*s, view: plain, purpose: billing}", (int)token.len, (const char *)token.data);
    wait_with(&waiting, "application", "token.reveal", params);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", NULL));
    ck_assert_status(go_on(&waiting, &attempts, NULL), VAULT_E_NOT_FOUND);
    teardown();
}
END_TEST

/* A caller with a credential of its own, as one that came over the network. */
static void log_in(const char *name, const char *role, struct vt_principal *out_principal)
{
    char params[96];
    struct vt_value result;
    snprintf(params, sizeof params, "{name: %s, role: %s}", name, role);
    ck_assert_ok(world_call(&world, "administrator", "credential.create", params, &result));
    ck_assert_ok(vt_credentials_login(vt_vault_credentials(world.vault), vt_value_get_text(&result, "secret"),
                                      vt_clock_now_ms(vt_vault_clock(world.vault)), out_principal));
}

START_TEST(what_a_revocation_overtakes_is_neither_read_nor_written)
{
    static const char *const METHODS[] = {"record.get", "record.put"};
    static const char *const PARAMS[] = {"{subject: ada, collection: profile, purpose: billing}",
                                         "{subject: ada, collection: notes, fields: {line: late}}"};
    setup();
    create("ada");
    for (size_t i = 0; i < VT_ARRAY_LEN(METHODS); i++) {
        struct vt_principal principal, other;
        struct waiting waiting;
        unsigned attempts;
        char name[16], params[48];
        snprintf(name, sizeof name, "till-%zu", i);
        log_in(name, "application", &principal);
        wait_as(&waiting, &principal, METHODS[i], PARAMS[i]);
        snprintf(params, sizeof params, "{name: %s}", name);
        ck_assert_ok(world_call(&world, "administrator", "credential.revoke", params, NULL));
        ck_assert_status(go_on(&waiting, &attempts, NULL), VAULT_E_CREDENTIAL_REVOKED);
        ck_assert_uint_eq(attempts, 2);
        snprintf(name, sizeof name, "other-%zu", i);
        log_in(name, "application", &other);            /* and one that nobody revokes goes on at once */
        wait_as(&waiting, &other, METHODS[i], PARAMS[i]);
        ck_assert_ok(go_on(&waiting, &attempts, NULL));
        ck_assert_uint_eq(attempts, 1);
    }
    ck_assert_uint_eq(count_of("privacy", "record.list", "{subject: ada, collection: notes, purpose: billing}", "records"), 1);
    teardown();
}
END_TEST

START_TEST(of_two_administrators_revoked_side_by_side_one_stays)
{
    struct waiting waiting;
    struct vt_principal principal;
    unsigned attempts;
    setup();
    log_in("first", "administrator", &principal);
    log_in("second", "administrator", &principal);
    wait_with(&waiting, "administrator", "credential.revoke", "{name: first}");
    ck_assert_ok(world_call(&world, "administrator", "credential.revoke", "{name: second}", NULL));
    ck_assert_status(go_on(&waiting, &attempts, NULL), VAULT_E_STATE);
    ck_assert_uint_eq(attempts, 2);
    ck_assert_status(world_call(&world, "administrator", "credential.revoke", "{name: first}", NULL), VAULT_E_STATE);
    log_in("third", "administrator", &principal);
    ck_assert_ok(world_call(&world, "administrator", "credential.revoke", "{name: first}", NULL));
    teardown();
}
END_TEST

START_TEST(a_second_shred_that_the_first_one_overtakes_makes_no_second_certificate)
{
    struct waiting waiting;
    struct vt_value list, result;
    unsigned attempts;
    char params[96];
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "application", "subject.list", "{purpose: service}", &list));
    const struct vt_bytes sid = vt_value_get_text(&vt_value_get(&list, "subjects")->array.items[0], "sid");
    snprintf(params, sizeof params, "{sid: '%.*s'}", (int)sid.len, (const char *)sid.data);
    wait_with(&waiting, "privacy", "subject.shred", params);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", &result));
    const int64_t first = vt_value_get_int(&result, "certificate", 0);
    ck_assert_ok(go_on(&waiting, &attempts, &result));
    ck_assert_int_eq(vt_value_get_int(&result, "certificate", 0), first);
    state_is(&result, "effective");
    teardown();
}
END_TEST

START_TEST(who_waits_for_what_is_taken_back_meanwhile_is_told_so_and_of_the_others_what_became_of_them)
{
    struct waiting waiting;
    struct vt_value asked, result;
    unsigned attempts;
    char params[96];
    setup();
    create("ada");
    create("bob");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", &asked));
    wait_with(&waiting, "privacy", "subject.shred", "{subjects: [ada, bob], now: true}");
    snprintf(params, sizeof params, "{certificate: %lld}", (long long)vt_value_get_int(&asked, "certificate", 0));
    ck_assert_ok(world_call(&world, "privacy", "subject.cancel-shred", params, NULL));
    ck_assert_ok(go_on(&waiting, &attempts, &result));
    const struct vt_value *items = vt_value_get(&result, "items");
    state_is(&items->array.items[0], "cancelled");
    ck_assert_ptr_null(vt_value_get(&items->array.items[0], "note"));
    state_is(&items->array.items[1], "effective");
    ck_assert_ok(world_call(&world, "application", "record.get", "{subject: ada, collection: profile, purpose: service}", NULL));
    teardown();
}
END_TEST

START_TEST(a_category_that_is_being_erased_cannot_be_found_by_its_values)
{
    static const char FIND[] = "{collection: profile, field: email, value: ada@example.org, purpose: service}";
    setup();
    create("ada");
    ck_assert_uint_eq(count_of("application", "subject.find", FIND, "matches"), 1);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, category: A}", NULL));
    ck_assert_uint_eq(count_of("application", "subject.find", FIND, "matches"), 0);
    ck_assert_uint_eq(count_of("privacy", "subject.show", "{subject: ada, purpose: service}", "categories"), 1);
    teardown();
}
END_TEST

START_TEST(what_is_written_into_a_category_being_erased_is_refused)
{
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, category: A}", NULL));
    ck_assert_status(world_call(&world, "privacy", "record.correct",
                                "{subject: ada, collection: profile, fields: {given_name: Eve}}", NULL),
                     VAULT_E_SHRED_PENDING);
    ck_assert_status(world_call(&world, "application", "record.put",
                                "{subject: ada, collection: notes, fields: {line: x}}", NULL),
                     VAULT_E_NOT_FOUND);
    teardown();
}
END_TEST

START_TEST(a_record_being_erased_leaves_the_subjects_other_data_readable)
{
    struct vt_value result;
    char params[128];
    setup();
    create("ada");
    const int64_t record = put("{subject: ada, collection: cards, fields: {number: '4000001234567899'}}");
    const long long other = (long long)put("{subject: ada, collection: cards, fields: {number: '5555555555554444'}}");
    snprintf(params, sizeof params, "{subject: ada, record: %lld}", (long long)record);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, &result));
    state_is(&result, "pending");
    snprintf(params, sizeof params, "{subject: ada, collection: cards, record: %lld, purpose: service}", other);
    ck_assert_ok(world_call(&world, "privacy", "record.get", params, NULL));
    snprintf(params, sizeof params, "{subject: ada, collection: cards, record: %lld, purpose: service}", (long long)record);
    ck_assert_status(world_call(&world, "privacy", "record.get", params, NULL), VAULT_E_SHRED_PENDING);
    teardown();
}
END_TEST

START_TEST(a_token_of_an_erased_record_is_dead_to_show_as_well)
{
    struct vt_value result;
    char params[128], show[96];
    setup();
    create("ada");
    const int64_t record = put("{subject: ada, collection: cards, fields: {number: '4000001234567899'}}");
    snprintf(params, sizeof params, "{template: opaque, subject: ada, record: %lld}", (long long)record);
    ck_assert_ok(world_call(&world, "application", "token.create", params, &result));
    const struct vt_bytes token = vt_value_get_text(&result, "token");
    snprintf(show, sizeof show, "{token: %.*s}", (int)token.len, (const char *)token.data);
    ck_assert_ok(world_call(&world, "all", "token.show", show, NULL));
    snprintf(params, sizeof params, "{subject: ada, record: %lld}", (long long)record);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, NULL));
    ck_assert_status(world_call(&world, "all", "token.show", show, NULL), VAULT_E_SHRED_PENDING);
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert_status(world_call(&world, "all", "token.show", show, NULL), VAULT_E_ERASED);
    ck_assert_uint_gt(world.certificate, 0);
    teardown();
}
END_TEST

START_TEST(a_batch_may_name_one_stored_record_twice)
{
    struct vt_value result;
    char params[160];
    setup();
    create("ada");
    const long long record = (long long)put("{subject: ada, collection: cards, fields: {number: '4000001234567899'}}");
    snprintf(params, sizeof params, "{template: same, items: [{subject: ada, record: %lld}, {subject: ada, record: %lld}]}", record,
             record);
    ck_assert_ok(world_call(&world, "application", "token.create", params, &result));
    const struct vt_value *tokens = vt_value_get(&result, "tokens");
    const struct vt_bytes first = vt_value_get_text(&tokens->array.items[0], "token");
    ck_assert_uint_eq(first.len, 30);
    ck_assert(vt_bytes_equal(first, vt_value_get_text(&tokens->array.items[1], "token")));
    ck_assert_ok(world_call(&world, "application", "token.create", params, &result));
    ck_assert(vt_bytes_equal(first, vt_value_get_text(&vt_value_get(&result, "tokens")->array.items[0], "token")));
    teardown();
}
END_TEST

START_TEST(nobody_is_the_other_side_of_ones_own_record)
{
    setup();
    world_apply_schema(&world, CALLS);
    create("ada");
    create("bob");
    ck_assert_status(world_call(&world, "application", "record.put",
                                "{subject: ada, other_subject: ada, collection: talks, fields: {line: x}}", NULL),
                     VAULT_E_ARGUMENT);
    ck_assert_str_eq(world.err.field, "other_subject");
    ck_assert_ok(world_call(&world, "application", "record.put",
                            "{subject: ada, other_subject: bob, collection: talks, fields: {line: x}}", NULL));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob}", NULL));
    ck_assert_status(world_call(&world, "application", "record.put",
                                "{subject: ada, other_subject: bob, collection: talks, fields: {line: x}}", NULL),
                     VAULT_E_NOT_FOUND);
    teardown();
}
END_TEST

static const char IMPORT_OF[] = "{file_sha256: \"%064d\", first_record: %d, rows: [%s],"
                                " mapping: {name: n, subject: id, existing: add, columns: {line: notes.line}}}";

START_TEST(an_import_that_another_one_of_the_file_overlaps_imports_no_row_twice)
{
    struct waiting waiting;
    char params[512];
    unsigned attempts;
    setup();
    create("ada");
    snprintf(params, sizeof params, IMPORT_OF, 7, 1, "{id: ada, line: one}, {id: ada, line: two}, {id: ada, line: three}");
    wait_with(&waiting, "application", "record.import", params);
    snprintf(params, sizeof params, IMPORT_OF, 7, 3, "{id: ada, line: three}, {id: ada, line: four}");
    ck_assert_ok(world_call(&world, "application", "record.import", params, NULL));
    ck_assert_status(go_on(&waiting, &attempts, NULL), VAULT_E_STATE);
    ck_assert_uint_eq(attempts, 2);
    ck_assert_uint_eq(count_of("application", "record.list", "{subject: ada, collection: notes, purpose: service}", "records"), 2);
    teardown();
}
END_TEST

START_TEST(a_refusal_that_the_commit_finds_is_audited)
{
    struct waiting waiting;
    struct vt_value result;
    unsigned attempts;
    char params[64];
    setup();
    create("ada");
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", &result));
    snprintf(params, sizeof params, "{certificate: %lld}", (long long)vt_value_get_int(&result, "certificate", 0));
    wait_with(&waiting, "privacy", "subject.cancel-shred", params);
    ck_assert_ok(world_call(&world, "privacy", "subject.cancel-shred", params, NULL));
    const uint64_t size = vt_vault_audit_size(world.vault);
    ck_assert_status(go_on(&waiting, &attempts, NULL), VAULT_E_NOT_FOUND);
    ck_assert_uint_eq(vt_vault_audit_size(world.vault), size + 1);
    ck_assert_ok(world_call(&world, "auditor", "audit.tail", "{limit: 1}", &result));
    const struct vt_value *leaf = &vt_value_get(&result, "leaves")->array.items[0];
    ck_assert(vt_bytes_equal_str(vt_value_get_text(leaf, "effect"), "refused"));
    teardown();
}
END_TEST

START_TEST(a_restored_backup_lacks_a_record_deleted_since)
{
    struct vt_value result;
    char params[512];
    const struct world_options options = {.is_on_disk = true};
    world_new(&world, &options);
    world_apply_schema(&world, NOTES);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: ada}", NULL));
    const long long record = (long long)put("{subject: ada, collection: notes, fields: {line: x}}");
    put("{subject: ada, collection: notes, fields: {line: y}}");
    snprintf(params, sizeof params, "{to: %s/b1}", world.dir);
    ck_assert_ok(world_call(&world, "operator", "backup.create", params, NULL));
    snprintf(params, sizeof params, "{subject: ada, collection: notes, record: %lld}", record);
    ck_assert_ok(world_call(&world, "privacy", "record.delete", params, NULL));
    snprintf(params, sizeof params, "{from: %s/b1, to: %s/r1, check_only: true}", world.dir, world.dir);
    ck_assert_ok(world_call(&world, "operator", "backup.restore", params, &result));
    const struct vt_value *report = vt_value_get(&result, "report");
    ck_assert_int_eq(vt_value_get_int(report, "rows_erased", -1), 1);
    ck_assert_int_eq(vt_value_get_int(report, "records", -1), 2);       /* her own and the note that stayed */
    teardown();
}
END_TEST

/** Commits with others, as its neighbour in a batch: the first time a revocation comes with it, and always it fails. */
struct poison {
    const uint8_t *revoked;
    struct vt_change *change;
    struct vt_commit_item item;
};

static vault_status poison_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    const struct poison *poison = context;
    (void)write;
    (void)txn;
    vt_stamps_touch(vt_vault_stamps(world.vault), poison->revoked);
    return VAULT_E_STATE;
}

START_TEST(a_batch_tried_again_forgets_no_more_than_each_of_its_calls_asked_for)
{
    static const uint8_t OVERTAKEN[16] = {7};
    struct poison poison = {.revoked = OVERTAKEN};
    struct waiting whole, part;
    struct vt_list batch;
    struct vt_value result;
    setup();
    create("ada");
    wait_with(&whole, "privacy", "subject.shred", "{subject: ada}");
    wait_with(&part, "privacy", "subject.shred", "{subject: ada, category: F, reference: part}");
    memcpy(whole.call->item.principal, OVERTAKEN, sizeof OVERTAKEN);
    ck_assert_ok(vt_change_new(VT_TENANT_DEFAULT, &poison.change));
    ck_assert_ok(vt_change_hook_add(poison.change, poison_apply, &poison));
    poison.item = (struct vt_commit_item){.since = vt_stamps_now(vt_vault_stamps(world.vault)), .change = poison.change};
    poison.item.leaf.tenant = VT_TENANT_DEFAULT;
    poison.item.leaf.effect = VT_AUDIT_SYSTEM;
    vt_list_init(&batch);
    vt_list_push_back(&batch, &whole.call->item.link);
    vt_list_push_back(&batch, &part.call->item.link);
    vt_list_push_back(&batch, &poison.item.link);
    vt_vault_commit_batch(world.vault, &batch);
    ck_assert_status(poison.item.status, VAULT_E_STATE);
    ck_assert_status(whole.call->item.status, VAULT_E_CONFLICT);
    ck_assert_ok(part.call->item.status);
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    ck_assert_ok(world_call(&world, "privacy", "record.get",
                            "{subject: ada, collection: profile, purpose: service, view: plain}", &result));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(vt_value_get(&result, "fields"), "given_name"), "Ada"));
    ck_assert(vt_value_get(vt_value_get(&result, "fields"), "ip") == NULL);
    vt_call_free(whole.call);
    vt_call_free(part.call);
    vt_change_free(poison.change);
    teardown();
}
END_TEST

VT_TEST_MAIN("service/races", a_restored_backup_lacks_a_record_deleted_since,
             a_record_put_before_a_correction_and_committed_after_it_keeps_its_key,
             a_correction_that_a_new_record_overtakes_does_not_take_its_key,
             a_deleted_record_leaves_no_index_entry_of_a_write_that_came_between,
             a_token_that_died_before_it_was_shared_is_not_handed_out_again, a_token_for_a_subject_shredded_meanwhile_is_refused,
             a_reveal_that_a_shred_overtakes_shows_nothing,
             what_a_revocation_overtakes_is_neither_read_nor_written, of_two_administrators_revoked_side_by_side_one_stays,
             a_second_shred_that_the_first_one_overtakes_makes_no_second_certificate,
             who_waits_for_what_is_taken_back_meanwhile_is_told_so_and_of_the_others_what_became_of_them,
             a_category_that_is_being_erased_cannot_be_found_by_its_values,
             what_is_written_into_a_category_being_erased_is_refused,
             a_record_being_erased_leaves_the_subjects_other_data_readable,
             a_token_of_an_erased_record_is_dead_to_show_as_well, a_batch_may_name_one_stored_record_twice,
             nobody_is_the_other_side_of_ones_own_record,
             a_batch_tried_again_forgets_no_more_than_each_of_its_calls_asked_for,
             a_refusal_that_the_commit_finds_is_audited,
             an_import_that_another_one_of_the_file_overlaps_imports_no_row_twice)
