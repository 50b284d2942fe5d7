/* backup restore --take-over: docs/decisions/0013. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "tests/unit/backup/take_over_world.h"
#include "vaultd/core/subject/row.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/rotation.h"
#include "vaultd/service/take_over.h"
#include "vaultd/service/vault_internal.h"

#define PAN "4000001234567899"
static const char CARDS_WITH_HOLDER[] =
    "name: cards\ndoc: Cards.\ncardinality: many\nforget: record\nfields:\n"
    "  - {name: number, type: pan, category: B, index: many, options: {policy: token}, doc: n}\n"
    "  - {name: holder, type: name, category: A, doc: h}\n";
static struct world world;

static void taken_over(struct vt_value *out_result)
{
    const vault_status status = people_take_over(&world, "b1", out_result);
    ck_assert_msg(status == VAULT_OK, "%s: %s", vault_status_code(status), world.err.message);
    world_restart(&world);
}

static int64_t reported(const struct vt_value *result, const char *name)
{
    return vt_value_get_int(vt_value_get(result, "report"), name, -1);
}

static void assert_email(const char *name, const char *email)
{
    char value[64];
    ck_assert_ok(people_field(&world, name, "email", value));
    ck_assert_str_eq(value, email);
    ck_assert_uint_eq(people_find(&world, "email", email), 1);
}

static bool has_leftover(void)
{
    DIR *dir = opendir(world.dir);
    bool has = false;
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) has = has || strncmp(entry->d_name, "restore.", 8) == 0;
    closedir(dir);
    return has;
}

/* Nothing has happened: the vault serves as before, and a take-over would work now. */
static void assert_unchanged(void)
{
    ck_assert(!world.wants_restart);
    ck_assert(!has_leftover());
    ck_assert_int_eq(people_incarnation(&world), 1);
    assert_email("bob", "other@example.org");
    people_create(&world, "later");
    people_assert_sound(&world);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: later, now: true}", NULL));
    taken_over(NULL);
    assert_email("bob", "bob@example.org");
    people_assert_sound(&world);
}

/* ada and bob, a backup, then another address for bob. */
static void fill_with_two(void)
{
    people_create(&world, "ada");
    people_create(&world, "bob");
    people_back_up(&world, "b1");
    people_put(&world, "bob", "{email: other@example.org}");
}

static void two_people(bool has_journal)
{
    people_new(&world, has_journal);
    fill_with_two();
}

START_TEST(what_was_backed_up_comes_back_and_what_came_since_is_undone)
{
    struct vt_value result;
    two_people(false);
    people_create(&world, "eve");
    taken_over(&result);
    ck_assert_int_eq(reported(&result, "subjects_kept"), 2);
    ck_assert_int_eq(reported(&result, "subjects_without_rows"), 1);
    ck_assert_int_eq(reported(&result, "index_conflicts"), 0);
    ck_assert_int_eq(people_incarnation(&world), 2);
    people_assert_sound(&world);
    assert_email("bob", "bob@example.org");
    ck_assert_uint_eq(people_find(&world, "email", "other@example.org"), 0);
    ck_assert_uint_eq(people_find(&world, "email", "ada@example.org"), 1);
    ck_assert_uint_eq(people_find(&world, "email", "eve@example.org"), 0);
    ck_assert_uint_eq(people_find(&world, "ip", "192.0.2.7"), 2);
    people_put(&world, "bob", "{email: third@example.org}");
    assert_email("bob", "third@example.org");
    world_free(&world);
}
END_TEST

enum { PAGES_MAX = 4096 };
struct pages {
    uint8_t hashes[PAGES_MAX][VT_SHA256_LEN];
    size_t count;
};

/* Every page of the tree as it lies in the store, by the hash of its bytes: a page sealed anew has others. */
static void pages_gather(struct pages *pages)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    ck_assert_ok(vt_txn_begin_read(vt_vault_store(world.vault), &txn));
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_PAGE, &cursor));
    pages->count = 0;
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_EMPTY, &key, &value);
    for (; status == VAULT_OK; status = vt_cursor_next(cursor, &key, &value)) {
        ck_assert_uint_lt(pages->count, PAGES_MAX);
        ck_assert_ok(vt_sha256_one(value, pages->hashes[pages->count++]));
    }
    ck_assert_status(status, VAULT_E_NOT_FOUND);
    ck_assert_uint_gt(pages->count, 3);
}

static size_t pages_in_common(const struct pages *a, const struct pages *b)
{
    size_t common = 0;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++) common += memcmp(a->hashes[i], b->hashes[j], VT_SHA256_LEN) == 0;
    return common;
}

START_TEST(no_page_of_the_former_incarnation_is_left_as_it_was_sealed)
{
    static struct pages before, unchanged, after;
    two_people(false);
    ck_assert_ok(world_call(&world, "operator", "epoch.close", NULL, NULL));
    pages_gather(&before);
    people_create(&world, "eve");
    pages_gather(&unchanged);
    ck_assert_uint_gt(pages_in_common(&before, &unchanged), 0);     /* a page that nobody writes is found again */
    taken_over(NULL);
    pages_gather(&after);
    ck_assert_uint_eq(pages_in_common(&unchanged, &after), 0);
    world_free(&world);
}
END_TEST

START_TEST(who_came_since_has_no_records_but_is_known_and_can_be_forgotten)
{
    struct vt_value result;
    char value[64];
    two_people(false);
    people_create(&world, "eve");
    taken_over(NULL);
    ck_assert_status(people_field(&world, "eve", "email", value), VAULT_E_NOT_FOUND);
    ck_assert_status(world_call(&world, "application", "subject.create", "{external_id: eve}", NULL), VAULT_E_EXISTS);
    ck_assert_ok(world_call(&world, "privacy", "subject.list", "{purpose: service}", &result));
    ck_assert_uint_eq(vt_value_get(&result, "subjects")->array.count, 3);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: eve, now: true}", NULL));
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: eve}", NULL));
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

static bool has_part(struct vt_bytes text, const char *part)
{
    return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

START_TEST(the_forgotten_stay_forgotten_and_their_tokens_answer_with_the_certificate)
{
    struct vt_value result;
    char ada[TOKEN_MAX], bob[TOKEN_MAX], late[TOKEN_MAX], value[64];
    people_new(&world, false);
    people_create(&world, "ada");
    people_create(&world, "bob");
    people_tokenize(&world, "ada", "card", PAN, ada);
    people_tokenize(&world, "bob", "card", PAN, bob);
    people_back_up(&world, "b1");
    people_tokenize(&world, "bob", "opaque", PAN, late);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", &result));
    const int64_t certificate = vt_value_get_int(&result, "certificate", 0);
    VT_AUTO(vt_buf) kept = VT_BUF_INIT(1 << 18);
    ck_assert_ok(vt_buf_append(&kept, vt_value_get_text(&result, "note")));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob, category: F, now: true}", NULL));
    taken_over(&result);
    ck_assert_int_eq(reported(&result, "subjects_erased"), 1);
    ck_assert_int_eq(reported(&result, "tokens"), 2);
    ck_assert_status(people_field(&world, "ada", "email", value), VAULT_E_NOT_FOUND);
    ck_assert_uint_eq(people_find(&world, "email", "ada@example.org"), 0);
    ck_assert_status(people_reveal(&world, "privacy", ada, value), VAULT_E_ERASED);
    ck_assert_uint_eq(world.certificate, (uint64_t)certificate);
    ck_assert_ok(people_reveal(&world, "application", bob, value));
    ck_assert_str_eq(value, PAN);
    ck_assert_status(people_reveal(&world, "privacy", late, value), VAULT_E_ERASED);
    ck_assert_ok(people_field(&world, "bob", "ip", value));
    ck_assert_str_eq(value, "");
    ck_assert_uint_eq(people_find(&world, "ip", "192.0.2.7"), 0);
    char params[64];
    snprintf(params, sizeof params, "{number: %lld}", (long long)certificate);
    ck_assert_ok(world_call(&world, "auditor", "certificate.show", params, &result));
    ck_assert(vt_bytes_equal(vt_value_get_text(&result, "note"), vt_buf_bytes(&kept)));        /* the same bytes for ever */
    ck_assert(has_part(vt_value_get_text(&result, "verifier_key"), "/1/certificates+"));
    /* The next one is of the new incarnation. */
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob, now: true}", &result));
    snprintf(params, sizeof params, "{number: %lld}", (long long)vt_value_get_int(&result, "certificate", 0));
    ck_assert_ok(world_call(&world, "auditor", "certificate.show", params, &result));
    ck_assert(has_part(vt_value_get_text(&result, "verifier_key"), "/2/certificates+"));
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

START_TEST(a_shred_that_was_pending_is_done_before_the_take_over)
{
    char value[64];
    two_people(false);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada}", NULL));
    taken_over(NULL);
    ck_assert_status(people_field(&world, "ada", "email", value), VAULT_E_NOT_FOUND);
    ck_assert_status(world_call(&world, "application", "subject.create", "{external_id: ada}", NULL), VAULT_OK);
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

START_TEST(a_correction_whose_old_value_must_not_come_back_stays)
{
    struct vt_value result;
    two_people(false);
    people_correct(&world, "ada", "{email: right@example.org}", true);
    people_correct(&world, "bob", "{email: again@example.org}", false);
    taken_over(&result);
    ck_assert_int_eq(reported(&result, "rows_of_now"), 1);
    assert_email("ada", "right@example.org");
    ck_assert_uint_eq(people_find(&world, "email", "ada@example.org"), 0);
    assert_email("bob", "bob@example.org");
    ck_assert_uint_eq(people_find(&world, "email", "again@example.org"), 0);
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

static int64_t note_put(const char *text)
{
    char params[128];
    struct vt_value result;
    snprintf(params, sizeof params, "{subject: ada, collection: notes, fields: {text: %s}}", text);
    ck_assert_ok(world_call(&world, "application", "record.put", params, &result));
    return vt_value_get_int(&result, "record", 0);
}

START_TEST(a_record_deleted_since_stays_deleted_and_one_written_since_is_gone)
{
    struct vt_value result;
    char params[128];
    people_new(&world, false);
    people_create(&world, "ada");
    const int64_t deleted = note_put("one"), kept = note_put("two");
    people_back_up(&world, "b1");
    note_put("three");
    snprintf(params, sizeof params, "{subject: ada, collection: notes, record: %lld}", (long long)deleted);
    ck_assert_ok(world_call(&world, "privacy", "record.delete", params, NULL));
    taken_over(NULL);
    ck_assert_ok(world_call(&world, "privacy", "record.list", "{subject: ada, collection: notes, purpose: service}", &result));
    const struct vt_value *records = vt_value_get(&result, "records");
    ck_assert_uint_eq(records->array.count, 1);
    ck_assert_int_eq(vt_value_get_int(&records->array.items[0], "record", 0), kept);
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

static unsigned keys_of_record(const char *name, uint64_t record)
{
    char params[64];
    struct vt_value result;
    struct vt_sid sid;
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    const struct vt_subject_keys *keys;
    unsigned count = 0;
    snprintf(params, sizeof params, "{subject: %s, purpose: service}", name);
    ck_assert_ok(world_call(&world, "privacy", "subject.show", params, &result));
    ck_assert_ok(vt_hex_decode(vt_value_get_text(&result, "sid"), sid.bytes, sizeof sid.bytes));
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
    ck_assert_ok(vt_keyring_subject_keys(view, VT_TENANT_DEFAULT, &sid, &keys));
    for (size_t i = 0; i < keys->count; i++) count += keys->keys[i].record == record;
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return count;
}

/* Its row of category A is in the younger backup alone: who deletes the record destroys the key of that one too. */
START_TEST(a_record_deleted_behind_a_take_over_leaves_no_key_of_a_row_that_was_undone)
{
    struct vt_value result;
    char params[128], token[TOKEN_MAX];
    people_new(&world, false);
    world_apply_schema(&world, CARDS_WITH_HOLDER);
    people_create(&world, "ada");
    people_tokenize(&world, "ada", "card", PAN, token);
    people_back_up(&world, "b1");
    ck_assert_ok(world_call(&world, "privacy", "record.list", "{subject: ada, collection: cards, purpose: service}", &result));
    const int64_t record = vt_value_get_int(&vt_value_get(&result, "records")->array.items[0], "record", 0);
    ck_assert_uint_eq(keys_of_record("ada", (uint64_t)record), 1);
    snprintf(params, sizeof params, "{subject: ada, collection: cards, record: %lld, fields: {holder: Ada}}", (long long)record);
    ck_assert_ok(world_call(&world, "application", "record.put", params, NULL));
    people_back_up(&world, "b2");
    taken_over(NULL);
    ck_assert_uint_eq(keys_of_record("ada", (uint64_t)record), 2);      /* b2 can still take over */
    snprintf(params, sizeof params, "{subject: ada, collection: cards, record: %lld}", (long long)record);
    ck_assert_ok(world_call(&world, "privacy", "record.delete", params, NULL));
    ck_assert_uint_eq(keys_of_record("ada", (uint64_t)record), 0);
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

static int64_t imported(int first, const char *rows)
{
    char params[512];
    struct vt_value result;
    snprintf(params, sizeof params,
             "{file_sha256: \"%064d\", first_record: %d, rows: [%s],"
             " mapping: {name: n, subject: id, existing: add, columns: {line: notes.text}}}",
             7, first, rows);
    ck_assert_ok(world_call(&world, "application", "record.import", params, &result));
    ck_assert_ok(world_call(&world, "application", "record.list", "{subject: ada, collection: notes, purpose: service}", &result));
    return (int64_t)vt_value_get(&result, "records")->array.count;
}

START_TEST(an_import_that_is_repeated_brings_what_the_backup_has_not_and_nothing_twice)
{
    people_new(&world, false);
    people_create(&world, "ada");
    ck_assert_int_eq(imported(1, "{id: ada, line: one}, {id: ada, line: two}"), 2);
    people_back_up(&world, "b1");
    ck_assert_int_eq(imported(3, "{id: ada, line: three}"), 3);
    taken_over(NULL);
    ck_assert_int_eq(imported(1, "{id: ada, line: one}, {id: ada, line: two}"), 2);
    ck_assert_int_eq(imported(3, "{id: ada, line: three}"), 3);
    ck_assert_int_eq(imported(3, "{id: ada, line: three}"), 3);
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

START_TEST(a_deterministic_token_lives_as_long_as_a_restored_holder_does)
{
    char before[TOKEN_MAX], since[TOKEN_MAX], again[TOKEN_MAX], value[64];
    people_new(&world, false);
    people_create(&world, "ada");
    people_create(&world, "bob");
    people_tokenize(&world, "ada", "same", PAN, before);
    people_back_up(&world, "b1");
    people_tokenize(&world, "bob", "same", PAN, again);
    ck_assert_str_eq(before, again);
    people_tokenize(&world, "bob", "same", "5555555555554444", since);
    taken_over(NULL);
    ck_assert_ok(people_reveal(&world, "application", before, value));
    ck_assert_str_eq(value, PAN);
    ck_assert_status(people_reveal(&world, "privacy", since, value), VAULT_E_ERASED);
    people_tokenize(&world, "bob", "same", PAN, again);
    ck_assert_str_eq(before, again);
    people_tokenize(&world, "bob", "same", "5555555555554444", again);
    ck_assert_str_ne(since, again);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    ck_assert_ok(people_reveal(&world, "application", before, value));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob, now: true}", NULL));
    ck_assert_status(people_reveal(&world, "privacy", before, value), VAULT_E_ERASED);
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

START_TEST(a_unique_value_that_somebody_else_has_now_is_a_conflict_in_the_report_and_no_failure)
{
    struct vt_value result;
    char value[64];
    two_people(false);
    people_put(&world, "bob", "{login: free@login.example}");
    people_correct(&world, "ada", "{login: bob@login.example}", true);
    taken_over(&result);
    ck_assert_int_eq(reported(&result, "index_conflicts"), 1);
    ck_assert_ok(people_field(&world, "ada", "login", value));
    ck_assert_str_eq(value, "bob@login.example");
    ck_assert_ok(people_field(&world, "bob", "login", value));
    ck_assert_str_eq(value, "bob@login.example");
    ck_assert_uint_eq(people_find(&world, "login", "bob@login.example"), 1);
    people_assert_sound(&world);
    people_put(&world, "bob", "{login: mine@login.example}");       /* it can be mended */
    ck_assert_uint_eq(people_find(&world, "login", "mine@login.example"), 1);
    ck_assert_uint_eq(people_find(&world, "login", "bob@login.example"), 1);
    world_free(&world);
}
END_TEST

static void rotate_and_wait(const char *params)
{
    struct vt_value result, jobs;
    char wish[128];
    ck_assert_ok(world_call(&world, "administrator", "key.rotate", params, &result));
    const struct vt_bytes job = vt_value_get_text(&result, "job");
    snprintf(wish, sizeof wish, "{job: '%.*s'}", (int)job.len, (const char *)job.data);
    for (bool is_running = true; is_running;) {
        ck_assert_ok(world_call(&world, "operator", "job.status", wish, &jobs));
        const struct vt_value *found = &vt_value_get(&jobs, "jobs")->array.items[0];
        is_running = vt_bytes_equal_str(vt_value_get_text(found, "state"), "running");
        if (!is_running) ck_assert(vt_bytes_equal_str(vt_value_get_text(found, "state"), "done"));
    }
}

START_TEST(entries_come_back_under_the_index_key_of_now)
{
    char first[TOKEN_MAX], again[TOKEN_MAX], value[64];
    struct vt_value result;
    people_new(&world, false);
    people_create(&world, "ada");
    people_create(&world, "bob");
    people_tokenize(&world, "ada", "same", PAN, first);
    people_back_up(&world, "b1");
    people_put(&world, "bob", "{email: other@example.org}");
    people_tokenize(&world, "bob", "same", PAN, again);
    rotate_and_wait("{what: tenant, key: index}");
    rotate_and_wait("{what: tenant, key: index}");
    taken_over(&result);
    ck_assert_int_eq(reported(&result, "index_conflicts"), 0);
    assert_email("bob", "bob@example.org");
    ck_assert_uint_eq(people_find(&world, "email", "ada@example.org"), 1);
    ck_assert_uint_eq(people_find(&world, "email", "other@example.org"), 0);
    ck_assert_uint_eq(people_find(&world, "ip", "192.0.2.7"), 2);
    people_tokenize(&world, "bob", "same", PAN, again);
    ck_assert_str_eq(first, again);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    ck_assert_ok(people_reveal(&world, "application", first, value));
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: bob, now: true}", NULL));
    ck_assert_uint_eq(people_find(&world, "email", "bob@example.org"), 0);
    people_create(&world, "eve");
    people_tokenize(&world, "eve", "same", PAN, again);
    ck_assert_str_ne(first, again);
    rotate_and_wait("{what: tenant, key: index}");      /* it finds no entry that it cannot explain */
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

/* A rotation of the index key that is stopped after @p stop steps and goes on behind the take-over. @return it had no more steps */
static bool stopped_at(unsigned stop)
{
    const struct vt_rotation_wish wish = {.what = VT_ROTATE_TENANT, .tenant = VT_TENANT_DEFAULT, .keys = 1u << VT_TENANT_KEY_INDEX};
    struct vt_rotation *rotation;
    bool is_over = false;
    two_people(false);
    ck_assert_ok(vt_rotation_new(world.vault, &wish, &rotation));
    vt_rotation_set_step(rotation, 1);
    for (unsigned steps = 0; steps < stop && !is_over; steps++) ck_assert_ok(vt_rotation_step(rotation, &is_over));
    vt_rotation_free(rotation);
    const bool was_over = is_over;
    taken_over(NULL);
    if (!is_over) ck_assert_ok(vt_rotation_open_stored(world.vault, &rotation));
    while (!is_over) ck_assert_ok(vt_rotation_step(rotation, &is_over));
    if (!was_over) vt_rotation_free(rotation);
    assert_email("ada", "ada@example.org");
    assert_email("bob", "bob@example.org");
    ck_assert_uint_eq(people_find(&world, "login", "ada@login.example"), 1);
    ck_assert_uint_eq(people_find(&world, "ip", "192.0.2.7"), 2);
    people_assert_sound(&world);
    world_free(&world);
    return was_over;
}

START_TEST(entries_that_come_back_survive_the_end_of_an_index_rotation_that_was_stopped_at_any_step)
{
    for (unsigned stop = 1; !stopped_at(stop); stop++) continue;
}
END_TEST

START_TEST(rows_under_a_key_that_was_rotated_since_come_back_under_the_live_one)
{
    two_people(false);
    rotate_and_wait("{what: subject, subject: bob}");
    taken_over(NULL);
    assert_email("bob", "bob@example.org");
    rotate_and_wait("{what: subject, subject: bob, destroy_now: true}");
    assert_email("bob", "bob@example.org");
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

START_TEST(backups_of_every_incarnation_can_take_over_and_the_log_goes_on)
{
    struct vt_value result;
    two_people(true);
    taken_over(NULL);
    people_put(&world, "bob", "{email: third@example.org}");
    people_back_up(&world, "b2");
    people_put(&world, "bob", "{email: fourth@example.org}");
    ck_assert_ok(people_take_over(&world, "b2", NULL));
    world_restart(&world);
    assert_email("bob", "third@example.org");
    ck_assert_int_eq(people_incarnation(&world), 3);
    people_assert_sound(&world);
    ck_assert_ok(people_take_over(&world, "b1", &result));
    world_restart(&world);
    assert_email("bob", "bob@example.org");
    ck_assert_int_eq(people_incarnation(&world), 4);
    people_assert_sound(&world);
    ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
    const struct vt_value *last = vt_value_get(&result, "last_restore");
    ck_assert_ptr_nonnull(last);
    ck_assert_int_eq(vt_value_get_int(last, "incarnation", 0), 4);
    ck_assert_int_eq(vt_value_get_int(vt_value_get(last, "report"), "subjects_kept", 0), 2);
    ck_assert_ok(world_call(&world, "auditor", "audit.tail", "{limit: 200}", &result));
    const struct vt_value *leaves = vt_value_get(&result, "leaves");
    unsigned restores = 0;
    for (size_t i = 0; i < leaves->array.count; i++)
        restores += vt_bytes_equal_str(vt_value_get_text(&leaves->array.items[i], "command"), "backup.restore");
    ck_assert_uint_eq(restores, 3);
    world_free(&world);
}
END_TEST

/* While it runs ----------------------------------------------------------------------------------------------------- */

static struct {
    const char *step;
    unsigned seen;
    void (*act)(void);
} hook;

static void on_step(const char *step, void *context)
{
    (void)context;
    if (strcmp(step, hook.step) != 0 || hook.seen++ != 0) return;
    hook.act();
}

static void hook_at(const char *step, void (*act)(void))
{
    hook.step = step;
    hook.seen = 0;
    hook.act = act;
    vt_fault_set_step_hook(on_step, NULL);
}

static void call_everything(void)
{
    struct vt_value result;
    ck_assert_ok(world_call(&world, "operator", "vault.health", NULL, &result));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&result, "state"), "taking-over"));
    ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
    ck_assert_ok(world_call(&world, "operator", "job.status", NULL, &result));
    ck_assert_status(world_call(&world, "application", "subject.create", "{external_id: eve}", NULL), VAULT_E_BUSY);
    ck_assert_ptr_nonnull(strstr(world.err.message, "taking the vault over"));
    ck_assert_status(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL), VAULT_E_BUSY);
    ck_assert_status(world_call(&world, "auditor", "audit.tail", NULL, NULL), VAULT_E_BUSY);
    ck_assert_status(people_take_over(&world, "b1", NULL), VAULT_E_BUSY);
    ck_assert_status(vt_vault_close_epoch_wait(world.vault, true), VAULT_E_BUSY);
}

START_TEST(meanwhile_only_health_status_and_job_status_answer)
{
    two_people(false);
    hook_at("takeover.built", call_everything);
    taken_over(NULL);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_uint_eq(hook.seen, 1);
    assert_email("bob", "bob@example.org");
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

static struct vt_call *early;
static enum vt_call_next early_next;

/* It was let in before, and reads now. */
static void end_early_call(void)
{
    early_next = vt_call_prepare_slow(early);
    ck_assert_int_eq(early_next, VT_CALL_COMMIT);
    ck_assert_int_eq(early->status, VAULT_OK);
    ck_assert_status(vt_vault_commit_wait(world.vault, &early->item), VAULT_E_BUSY);
    vt_call_committed(early);
}

START_TEST(what_began_before_is_not_answered_without_its_leaf)
{
    struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("operator")), .is_local = true};
    struct vt_value params = vt_value_map();
    two_people(false);
    ck_assert_ok(vt_call_new(world.vault, &principal, &early));
    early->method = vt_bytes_str("store.check");
    early->params = &params;
    ck_assert_int_eq(vt_call_prepare(early), VT_CALL_SLOW);
    hook_at("takeover.built", end_early_call);
    ck_assert_ok(people_take_over(&world, "b1", NULL));
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_uint_eq(hook.seen, 1);
    ck_assert_int_eq(early->status, VAULT_E_BUSY);
    vt_call_free(early);
    world_restart(&world);
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

static struct vt_call *late;

/* The epoch that the take-over had to close is closed: ada's request comes in behind it. */
static void end_late_call(void)
{
    ck_assert_ok(vt_vault_commit_wait(world.vault, &late->item));
    vt_call_committed(late);
    ck_assert_uint_eq(vt_stamps_pending_count(vt_vault_stamps(world.vault)), 1);
}

static size_t rows_pending(void)
{
    struct vt_store_stats stats;
    ck_assert_ok(vt_store_stats(vt_vault_store(world.vault), &stats));
    return stats.entries[VT_TABLE_PENDING];
}

START_TEST(a_shred_that_was_under_way_when_the_take_over_began_is_done_before_it_too)
{
    struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("privacy")), .is_local = true};
    struct vt_value params = vt_value_map();
    char value[64];
    two_people(false);
    people_create(&world, "eve");
    ck_assert_ok(vt_value_put(&world.pool, &params, "subject", vt_value_str("ada"), NULL));
    ck_assert_ok(vt_call_new(world.vault, &principal, &late));
    late->method = vt_bytes_str("subject.shred");
    late->params = &params;
    ck_assert_int_eq(vt_call_prepare(late), VT_CALL_COMMIT);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: eve}", NULL));
    hook_at("S7.recorded", end_late_call);
    ck_assert_ok(people_take_over(&world, "b1", NULL));
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_uint_ge(hook.seen, 1);
    vt_call_free(late);
    world_restart(&world);
    ck_assert_uint_eq(rows_pending(), 0);
    ck_assert_status(people_field(&world, "ada", "email", value), VAULT_E_NOT_FOUND);
    ck_assert_uint_eq(people_find(&world, "email", "ada@example.org"), 0);
    assert_email("bob", "bob@example.org");
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

static pthread_t sealer;
static vault_status sealed_with;

static void *seal(void *context)
{
    struct world ours = world;          /* what a call leaves behind is its thread's own */
    (void)context;
    sealed_with = world_call(&ours, "operator", "vault.seal", NULL, NULL);
    return NULL;
}

static void seal_meanwhile(void)
{
    ck_assert_int_eq(pthread_create(&sealer, NULL, seal, NULL), 0);
    while (!atomic_load(&world.vault->take_over.is_cancelled)) sched_yield();
}

START_TEST(seal_cancels_it_and_the_vault_is_sealed_as_it_was)
{
    two_people(false);
    hook_at("takeover.begun", seal_meanwhile);
    ck_assert_status(people_take_over(&world, "b1", NULL), VAULT_E_CANCELLED);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_int_eq(pthread_join(sealer, NULL), 0);
    ck_assert_int_eq(sealed_with, VAULT_OK);
    ck_assert_int_eq(vt_vault_state(world.vault), VT_VAULT_SEALED);
    ck_assert_ok(world_unseal(&world));
    assert_unchanged();
    world_free(&world);
}
END_TEST

static void seal_and_end_early_call(void)
{
    seal_meanwhile();
    early_next = vt_call_prepare_slow(early);
}

START_TEST(a_second_take_over_that_comes_too_late_does_not_undo_the_cancelling_of_the_first)
{
    struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("operator")), .is_local = true};
    struct vt_value params = vt_value_map();
    char from[256];
    two_people(false);
    snprintf(from, sizeof from, "%s/b1", world.dir);
    ck_assert_ok(vt_value_put(&world.pool, &params, "from", vt_value_str(from), NULL));
    ck_assert_ok(vt_value_put(&world.pool, &params, "take_over", vt_value_bool(true), NULL));
    ck_assert_ok(vt_call_new(world.vault, &principal, &early));
    early->method = vt_bytes_str("backup.restore");
    early->params = &params;
    ck_assert_int_eq(vt_call_prepare(early), VT_CALL_SLOW);
    hook_at("takeover.begun", seal_and_end_early_call);
    ck_assert_status(people_take_over(&world, "b1", NULL), VAULT_E_CANCELLED);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_int_eq(pthread_join(sealer, NULL), 0);
    ck_assert_int_eq(early->status, VAULT_E_STATE);
    vt_call_free(early);
    ck_assert_int_eq(sealed_with, VAULT_OK);
    ck_assert_ok(world_unseal(&world));
    assert_unchanged();
    world_free(&world);
}
END_TEST

static void stop_jobs(void)
{
    vt_jobs_cancel_all(vt_vault_jobs(world.vault));
}

START_TEST(a_daemon_that_stops_gives_it_up_and_the_next_start_serves_as_before)
{
    two_people(false);
    hook_at("takeover.begun", stop_jobs);
    ck_assert_status(people_take_over(&world, "b1", NULL), VAULT_E_CANCELLED);
    vt_fault_set_step_hook(NULL, NULL);
    world_reopen(&world);
    assert_unchanged();
    world_free(&world);
}
END_TEST

/* Failures change nothing ------------------------------------------------------------------------------------------- */

START_TEST(keepers_that_do_not_prepare_leave_the_vault_as_it_was)
{
    two_people(false);
    vt_fault_arm(VT_FAULT_KEEPER, 1);
    ck_assert_status(people_take_over(&world, "b1", NULL), VAULT_E_KEEPER);
    ck_assert(vt_fault_disarm());
    assert_unchanged();
    world_free(&world);
}
END_TEST

static struct vt_keeper *kept[3];
static unsigned forgetful;

static void note_kept(void *context, struct vt_store *store, struct vt_keeper *const *keepers)
{
    (void)context, (void)store;
    memcpy(kept, keepers, sizeof kept);
}

/* As a keeper does that has its shares in memory and is restarted: what was prepared is not there any more. */
static void forget_prepared(void)
{
    for (unsigned i = 0; i < forgetful; i++) {
        struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
        size_t count;
        ck_assert_ok(kept[i]->ops->read(kept[i], slots, &count));
        ck_assert_uint_eq(count, 2);
        ck_assert_ok(kept[i]->ops->abort(kept[i], slots[1].incarnation, slots[1].epoch, slots[1].attempt));
    }
}

START_TEST(keepers_that_lose_their_next_share_while_it_is_built_leave_the_vault_as_it_was)
{
    static const struct world_options options = {
        .is_on_disk = true, .has_journal = true, .quorum = 2, .keeper_count = 3, .on_open = note_kept};
    for (forgetful = 1; forgetful <= 3; forgetful++) {
        people_new_with(&world, &options);
        fill_with_two();
        hook_at("takeover.rekeyed", forget_prepared);
        ck_assert_status(people_take_over(&world, "b1", NULL), VAULT_E_KEEPER);
        vt_fault_set_step_hook(NULL, NULL);
        ck_assert_uint_eq(hook.seen, 1);
        ck_assert_ptr_nonnull(strstr(world.err.message, "Too few keepers still hold their share of the next root key"));
        assert_unchanged();
        world_free(&world);
    }
}
END_TEST

static struct rlimit file_limit;

static void disk_fills(void)
{
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &file_limit), 0);
    const struct rlimit small = {64 * 1024, file_limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
}

static void disk_has_room(void)
{
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &file_limit), 0);
}

static void on_disk_step(const char *step, void *context)
{
    const char *at = context;
    if (strcmp(step, at) == 0 && hook.seen++ == 0) disk_fills();
    if (strcmp(step, "takeover.given_up") == 0) disk_has_room();
}

START_TEST(a_disk_that_fills_while_building_leaves_the_vault_as_it_was)
{
    static char prepared[] = "S2.prepared", built[] = "takeover.built", begun[] = "takeover.begun";
    char *const steps[] = {prepared, built, begun};
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < VT_ARRAY_LEN(steps); i++) {
        two_people(false);
        hook.seen = 0;
        vt_fault_set_step_hook(on_disk_step, steps[i]);
        ck_assert_status(people_take_over(&world, "b1", NULL), VAULT_E_DISK_FULL);
        vt_fault_set_step_hook(NULL, NULL);
        ck_assert_uint_eq(hook.seen, 1);
        assert_unchanged();
        world_free(&world);
    }
}
END_TEST

static void damage(const char *name)
{
    char path[256];
    uint8_t byte;
    snprintf(path, sizeof path, "%s/%s", world.dir, name);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, 9000), 1);
    byte ^= 1;
    ck_assert_int_eq(pwrite(fd, &byte, 1, 9000), 1);
    close(fd);
}

START_TEST(a_missing_damaged_or_foreign_backup_changes_nothing)
{
    struct world other;
    char params[512];
    two_people(false);
    ck_assert_status(people_take_over(&world, "nothing", NULL), VAULT_E_NOT_FOUND);
    people_back_up(&world, "b2");
    damage("b2/store/data.mdb");
    ck_assert_status(people_take_over(&world, "b2", NULL), VAULT_E_CORRUPT);
    people_new(&other, false);
    people_create(&other, "mallory");
    people_back_up(&other, "b1");
    snprintf(params, sizeof params, "{from: %s/b1, take_over: true}", other.dir);
    ck_assert_status(world_call(&world, "operator", "backup.restore", params, NULL), VAULT_E_AUTHENTICITY);
    world_free(&other);
    snprintf(params, sizeof params, "{from: %s/b1, to: %s/r1, take_over: true}", world.dir, world.dir);
    ck_assert_status(world_call(&world, "operator", "backup.restore", params, NULL), VAULT_E_ARGUMENT);
    ck_assert_status(world_call(&world, "administrator", "backup.restore", params, NULL), VAULT_E_FORBIDDEN);
    assert_unchanged();
    world_free(&world);
}
END_TEST

/* The former incarnation -------------------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
    char paths[2][256], piece[65536];
    snprintf(paths[0], sizeof paths[0], "%s/%s", world.dir, from);
    snprintf(paths[1], sizeof paths[1], "%s/%s", world.dir, to);
    FILE *in = fopen(paths[0], "rb"), *out = fopen(paths[1], "wb");
    ck_assert(in != NULL && out != NULL);
    for (size_t len; (len = fread(piece, 1, sizeof piece, in)) != 0;) ck_assert_uint_eq(fwrite(piece, 1, len, out), len);
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
}

START_TEST(a_copy_of_the_former_incarnation_is_refused_by_name)
{
    two_people(false);
    world_close(&world);
    copy_file("store/data.mdb", "former");
    world_open(&world);
    ck_assert_ok(world_unseal(&world));
    taken_over(NULL);
    world_close(&world);
    copy_file("store/data.mdb", "later");
    copy_file("former", "store/data.mdb");
    world_open(&world);
    ck_assert_status(world_unseal(&world), VAULT_E_ROLLBACK);
    ck_assert_ptr_nonnull(strstr(world.err.message, "incarnation 1"));
    ck_assert_ptr_nonnull(strstr(world.err.message, "incarnation 2"));
    world_close(&world);
    copy_file("later", "store/data.mdb");               /* nothing was erased by the attempt */
    world_open(&world);
    ck_assert_ok(world_unseal(&world));
    assert_email("bob", "bob@example.org");
    world_free(&world);
}
END_TEST

START_TEST(a_loss_of_commits_after_a_take_over_is_refused_and_the_journal_does_not_bring_the_past_back)
{
    two_people(true);
    taken_over(NULL);
    ck_assert_ok(vt_vault_close_epoch_wait(world.vault, true));
    world_close(&world);
    copy_file("store/data.mdb", "earlier");
    world_open(&world);
    ck_assert_ok(world_unseal(&world));
    people_create(&world, "later");
    ck_assert_ok(vt_epoch_push_floor(vt_vault_epoch(world.vault)));
    world_close(&world);
    copy_file("earlier", "store/data.mdb");
    world_open(&world);
    ck_assert_status(world_unseal(&world), VAULT_E_ROLLBACK);
    ck_assert_ptr_nonnull(strstr(world.err.message, "older copy"));
    world_free(&world);
}
END_TEST

START_TEST(a_hold_placed_after_the_backup_is_in_force_and_keeps_what_the_vault_has)
{
    char value[64];
    two_people(false);
    people_create(&world, "eve");
    ck_assert_ok(world_call(&world, "privacy", "hold.place", "{subject: bob, reason: litigation}", NULL));
    ck_assert_ok(world_call(&world, "privacy", "hold.place", "{subject: eve, category: A, reason: litigation}", NULL));
    taken_over(NULL);
    people_assert_sound(&world);
    assert_email("bob", "other@example.org");
    assert_email("ada", "ada@example.org");
    assert_email("eve", "eve@example.org");
    ck_assert_ok(people_field(&world, "eve", "ip", value));         /* not held, so it went like anything that came since */
    ck_assert_str_eq(value, "");
    ck_assert_status(world_call(&world, "privacy", "subject.shred", "{subject: bob}", NULL), VAULT_E_HELD);
    ck_assert_status(world_call(&world, "privacy", "subject.shred", "{subject: eve}", NULL), VAULT_E_HELD);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", "{subject: ada, now: true}", NULL));
    world_free(&world);
}
END_TEST

START_TEST(a_row_of_somebody_held_that_is_gone_by_now_comes_back_beside_one_that_stays)
{
    struct vt_value result;
    char value[64];
    two_people(false);
    people_put(&world, "ada", "{login: null, ip: null}");
    people_put(&world, "ada", "{email: third@example.org}");
    ck_assert_ok(world_call(&world, "privacy", "hold.place", "{subject: ada, reason: litigation}", NULL));
    taken_over(&result);
    people_assert_sound(&world);
    assert_email("ada", "third@example.org");
    ck_assert_ok(people_field(&world, "ada", "ip", value));
    ck_assert_str_eq(value, "192.0.2.7");
    ck_assert_uint_eq(people_find(&world, "login", "ada@login.example"), 1);
    ck_assert_int_eq(reported(&result, "rows_of_now"), 1);
    ck_assert_int_eq(reported(&result, "rows_erased"), 0);
    ck_assert_int_eq(reported(&result, "rows_damaged"), 0);
    world_free(&world);
}
END_TEST

/* One bit of the first group of a row, as a bad disk would. */
static void damage_row(const char *name, uint16_t category)
{
    struct vt_txn *txn = NULL;
    struct vt_bytes value;
    struct vt_value result;
    char params[128];
    uint8_t key[VT_ROW_KEY_LEN], bytes[8192];
    snprintf(params, sizeof params, "{subject: %s, collection: profile, purpose: service}", name);
    ck_assert_ok(world_call(&world, "privacy", "record.get", params, &result));
    vt_row_key((uint64_t)vt_value_get_int(&result, "record", 0), category, 0, key);
    ck_assert_ok(vt_txn_begin_write(vt_vault_store(world.vault), &txn));
    ck_assert_ok(vt_store_get(txn, VT_TABLE_ROW, VT_BYTES_OF(key), &value));
    ck_assert_uint_le(value.len, sizeof bytes);
    memcpy(bytes, value.data, value.len);
    bytes[value.len - 1] ^= 1;
    ck_assert_ok(vt_store_put(txn, VT_TABLE_ROW, VT_BYTES_OF(key), vt_bytes(bytes, value.len), VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
}

START_TEST(damaged_rows_of_now_come_back_from_the_backup_held_or_not)
{
    enum { A = 1 };
    struct vt_value result;
    char value[64];
    two_people(false);
    ck_assert_ok(world_call(&world, "privacy", "hold.place", "{subject: ada, reason: litigation}", NULL));
    damage_row("ada", A);
    damage_row("bob", A);
    ck_assert_status(people_field(&world, "ada", "email", value), VAULT_E_AUTHENTICITY);
    taken_over(&result);
    ck_assert_int_eq(reported(&result, "rows_damaged"), 2);
    ck_assert_int_eq(reported(&result, "rows_of_now"), 1);      /* what else is held */
    ck_assert_int_eq(reported(&result, "rows_erased"), 0);
    assert_email("ada", "ada@example.org");
    assert_email("bob", "bob@example.org");
    ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
    ck_assert_int_eq(reported(vt_value_get(&result, "last_restore"), "rows_damaged"), 2);
    world_free(&world);
}
END_TEST

START_TEST(what_version_1_kept_of_a_take_over_is_still_shown_and_no_other_length_is)
{
    struct vt_txn *txn = NULL;
    struct vt_bytes value;
    struct vt_value result;
    struct vt_take_over_record record;
    uint8_t bytes[161];
    const struct vt_bytes key = vt_bytes_str("take-over");
    two_people(false);
    taken_over(NULL);
    ck_assert_ok(vt_txn_begin_write(vt_vault_store(world.vault), &txn));
    ck_assert_ok(vt_store_get(txn, VT_TABLE_META, key, &value));
    ck_assert_uint_eq(value.len, sizeof bytes);
    memcpy(bytes, value.data, sizeof bytes);
    ck_assert_uint_eq(bytes[0], 2);
    bytes[0] = 1;
    ck_assert_ok(vt_store_put(txn, VT_TABLE_META, key, VT_BYTES_OF(bytes), VT_PUT_DEFAULT));
    ck_assert_status(vt_take_over_record_read(txn, &record), VAULT_E_FORMAT);
    ck_assert_ok(vt_store_put(txn, VT_TABLE_META, key, vt_bytes(bytes, sizeof bytes - 8), VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
    ck_assert_ok(world_call(&world, "operator", "vault.status", NULL, &result));
    ck_assert_int_eq(reported(vt_value_get(&result, "last_restore"), "subjects_kept"), 2);
    ck_assert_int_eq(reported(vt_value_get(&result, "last_restore"), "rows_damaged"), 0);
    world_free(&world);
}
END_TEST

VT_TEST_MAIN("backup/take-over", what_was_backed_up_comes_back_and_what_came_since_is_undone,
             a_hold_placed_after_the_backup_is_in_force_and_keeps_what_the_vault_has,
             a_row_of_somebody_held_that_is_gone_by_now_comes_back_beside_one_that_stays,
             damaged_rows_of_now_come_back_from_the_backup_held_or_not,
             what_version_1_kept_of_a_take_over_is_still_shown_and_no_other_length_is,
             no_page_of_the_former_incarnation_is_left_as_it_was_sealed,
             who_came_since_has_no_records_but_is_known_and_can_be_forgotten,
             the_forgotten_stay_forgotten_and_their_tokens_answer_with_the_certificate,
             a_shred_that_was_pending_is_done_before_the_take_over, a_correction_whose_old_value_must_not_come_back_stays,
             a_record_deleted_since_stays_deleted_and_one_written_since_is_gone,
             a_record_deleted_behind_a_take_over_leaves_no_key_of_a_row_that_was_undone,
             an_import_that_is_repeated_brings_what_the_backup_has_not_and_nothing_twice,
             a_deterministic_token_lives_as_long_as_a_restored_holder_does,
             a_unique_value_that_somebody_else_has_now_is_a_conflict_in_the_report_and_no_failure,
             entries_come_back_under_the_index_key_of_now,
             entries_that_come_back_survive_the_end_of_an_index_rotation_that_was_stopped_at_any_step,
             rows_under_a_key_that_was_rotated_since_come_back_under_the_live_one,
             backups_of_every_incarnation_can_take_over_and_the_log_goes_on,
             meanwhile_only_health_status_and_job_status_answer, what_began_before_is_not_answered_without_its_leaf,
             a_shred_that_was_under_way_when_the_take_over_began_is_done_before_it_too,
             seal_cancels_it_and_the_vault_is_sealed_as_it_was,
             a_second_take_over_that_comes_too_late_does_not_undo_the_cancelling_of_the_first,
             a_daemon_that_stops_gives_it_up_and_the_next_start_serves_as_before,
             keepers_that_do_not_prepare_leave_the_vault_as_it_was,
             keepers_that_lose_their_next_share_while_it_is_built_leave_the_vault_as_it_was,
             a_disk_that_fills_while_building_leaves_the_vault_as_it_was, a_missing_damaged_or_foreign_backup_changes_nothing,
             a_copy_of_the_former_incarnation_is_refused_by_name,
             a_loss_of_commits_after_a_take_over_is_refused_and_the_journal_does_not_bring_the_past_back)
