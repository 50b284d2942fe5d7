/* Imports: rows are units, batches are commits, ranges are remembered. */
#include <stdio.h>

#include "libvault/base/fault.h"
#include "tests/support/data_set.h"
#include "tests/unit/rights/rights_support.h"

static const char PEOPLE[] = "name: people\n"
                             "subject: id\n"
                             "columns: {given: profile.given_name, mail: profile.email, born: profile.birth_date,\n"
                             "          ssn: identity.ssn, card: cards.number, note: notes.text}\n";
static const char CALLS[] = "name: calls\n"
                            "subjects: {caller: a, callee: b}\n"
                            "columns: {call: calls.call_id, at: calls.started_at, secs: calls.duration_s, how: calls.status}\n";

static void read_text(struct rights_file *file, const char *csv, const char *mapping)
{
    rights_file_read(file, vt_bytes_str(csv), vt_bytes_str(mapping));
}

static int64_t get(const struct vt_value *result, const char *name)
{
    return vt_value_get_int(result, name, -1);
}

static void assert_rejected(const struct vt_value *result, size_t at, int64_t record, vault_status status, const char *field)
{
    const struct vt_value *list = vt_value_get(result, "rejected");
    ck_assert_uint_gt(list->array.count, at);
    const struct vt_value *item = &list->array.items[at];
    const struct vt_bytes name = vt_value_get_text(item, "field");
    ck_assert_int_eq(get(item, "record"), record);
    ck_assert_int_eq(get(item, "code"), status);
    ck_assert_msg(vt_bytes_equal_str(name, field), "field %.*s, not %s", (int)name.len, (const char *)name.data, field);
    ck_assert_ptr_nonnull(vt_value_get_text(item, "message").data);
}

START_TEST(a_row_becomes_a_subject_with_records_where_it_has_cells)
{
    struct world world;
    struct rights_file file;
    struct vt_value result;
    rights_world_new(&world, NULL);
    read_text(&file, "id,given,mail,born,ssn,card,note\r\n"
                     "p-1,Ada,ada@example.org,1985-12-10,078-05-1120,,hello\r\n"
                     "p-2,Bo,,,,,\r\n", PEOPLE);
    ck_assert_ok(rights_import(&world, &file, 0, 10, &result));
    ck_assert_int_eq(get(&result, "imported"), 2);
    ck_assert_int_eq(get(&result, "rejected_count"), 0);
    ck_assert(!vt_value_get_bool(&result, "skipped", true));
    ck_assert_int_eq(rights_count_records(&world, "p-1", "profile"), 1);
    ck_assert_int_eq(rights_count_records(&world, "p-1", "identity"), 1);
    ck_assert_int_eq(rights_count_records(&world, "p-1", "cards"), 0);
    ck_assert_int_eq(rights_count_records(&world, "p-1", "notes"), 1);
    ck_assert_int_eq(rights_count_records(&world, "p-2", "identity"), 0);
    ck_assert_ok(world_call(&world, "application", "record.get",
                            "{subject: p-1, collection: profile, view: plain, purpose: testing}", &result));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(vt_value_get(&result, "fields"), "email"), "ada@example.org"));
    rights_file_release(&file);
    world_free(&world);
}
END_TEST

START_TEST(a_rejected_row_leaves_nothing_and_names_field_and_record_but_no_value)
{
    struct world world;
    struct rights_file file;
    struct vt_value result;
    rights_world_new(&world, NULL);
    read_text(&file, "id,given,mail,born,ssn,card,note\r\n"
                     "p-1,Ada,ada@example.org,,,,\r\n"
                     "p-2,Canary-Given,canary@example.org,1990-02-30,,,Canary-Note\r\n"
                     "p-3,Cy,,,,4000001234567,\r\n"
                     ",Dee,,,,,\r\n"
                     "p-5,Ed,,,,,\r\n", PEOPLE);
    ck_assert_ok(rights_import(&world, &file, 0, 10, &result));
    ck_assert_int_eq(get(&result, "imported"), 2);
    ck_assert_int_eq(get(&result, "rejected_count"), 3);
    assert_rejected(&result, 0, 3, VAULT_E_INVALID_VALUE, "profile.birth_date");
    assert_rejected(&result, 1, 4, VAULT_E_INVALID_VALUE, "cards.number");
    assert_rejected(&result, 2, 5, VAULT_E_ARGUMENT, "external_id");
    for (size_t i = 0; i < 3; i++) {
        const struct vt_bytes message =
            vt_value_get_text(&vt_value_get(&result, "rejected")->array.items[i], "message");
        ck_assert_ptr_null(memmem(message.data, message.len, "anary", 5));
        ck_assert_ptr_null(memmem(message.data, message.len, "4000001234567", 13));
        ck_assert_ptr_null(memmem(message.data, message.len, "1990-02-30", 10));
    }
    ck_assert_uint_eq(rights_count_subjects(&world), 2);
    ck_assert_int_eq(rights_count_records(&world, "p-2", "profile"), 0);
    ck_assert_int_eq(rights_count_records(&world, "p-3", "profile"), 0);
    rights_file_release(&file);
    world_free(&world);
}
END_TEST

START_TEST(an_external_id_that_is_there_or_comes_twice_is_refused)
{
    struct world world;
    struct rights_file file;
    struct vt_value result;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: p-1}", NULL));
    read_text(&file, "id,given,mail,born,ssn,card,note\r\n"
                     "p-1,Ada,,,,,\r\n"
                     "p-2,Bo,,,,,\r\n"
                     "p-2,Bo again,,,,,\r\n"
                     "P-2,Bo by case,,,,,\r\n", PEOPLE);
    ck_assert_ok(rights_import(&world, &file, 0, 10, &result));
    ck_assert_int_eq(get(&result, "imported"), 2);
    assert_rejected(&result, 0, 2, VAULT_E_EXISTS, "external_id");
    assert_rejected(&result, 1, 4, VAULT_E_EXISTS, "external_id");
    ck_assert_int_eq(rights_count_records(&world, "p-1", "profile"), 0);
    ck_assert_int_eq(rights_count_records(&world, "p-2", "profile"), 1);
    rights_file_release(&file);
    world_free(&world);
}
END_TEST

START_TEST(a_value_that_must_be_unique_is_refused_from_store_and_from_batch)
{
    struct world world;
    struct rights_file file;
    struct vt_value result;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create",
                            "{external_id: p-0, records: {identity: {ssn: 078-05-1120}}}", NULL));
    read_text(&file, "id,given,mail,born,ssn,card,note\r\n"
                     "p-1,Ada,,,078-05-1120,,\r\n"
                     "p-2,Bo,,,219-09-9999,,\r\n"
                     "p-3,Cy,,,219099999,,\r\n"
                     "p-4,Di,,bad,457-55-5462,,\r\n"
                     "p-5,Ed,,,457-55-5462,,\r\n", PEOPLE);
    ck_assert_ok(rights_import(&world, &file, 0, 10, &result));
    ck_assert_int_eq(get(&result, "imported"), 2);
    assert_rejected(&result, 0, 2, VAULT_E_EXISTS, "identity.ssn");
    assert_rejected(&result, 1, 4, VAULT_E_EXISTS, "ssn");
    assert_rejected(&result, 2, 5, VAULT_E_INVALID_VALUE, "profile.birth_date");
    ck_assert_int_eq(rights_count_records(&world, "p-5", "identity"), 1);
    rights_file_release(&file);
    world_free(&world);
}
END_TEST

START_TEST(rows_add_to_a_subject_that_exists_only_when_the_mapping_says_so)
{
    static const char ADD[] = "{name: more, subject: id, existing: add, columns: {note: notes.text, given: profile.given_name}}";
    struct world world;
    struct rights_file file;
    struct vt_value result;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: p-1}", NULL));
    read_text(&file, "id,given,note\r\n"
                     "p-1,Ada,one\r\n"
                     "p-1,,two\r\n"
                     "p-2,,three\r\n"
                     "p-2,Bo,four\r\n"
                     "p-1,Ada again,five\r\n", ADD);
    ck_assert_ok(rights_import(&world, &file, 0, 10, &result));
    ck_assert_int_eq(get(&result, "imported"), 4);
    assert_rejected(&result, 0, 6, VAULT_E_EXISTS, "collection");
    ck_assert_int_eq(rights_count_records(&world, "p-1", "notes"), 2);
    ck_assert_int_eq(rights_count_records(&world, "p-1", "profile"), 1);
    ck_assert_int_eq(rights_count_records(&world, "p-2", "notes"), 2);
    ck_assert_uint_eq(rights_count_subjects(&world), 2);
    rights_file_release(&file);
    world_free(&world);
}
END_TEST

START_TEST(a_call_is_a_record_of_each_side_and_both_may_be_one_person)
{
    struct world world;
    struct rights_file file;
    struct vt_value result;
    rights_world_new(&world, NULL);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: p-1}", NULL));
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: p-2}", NULL));
    read_text(&file, "a,b,call,at,secs,how\r\n"
                     "p-1,p-2,c-1,2026-06-01T10:00:00Z,60,completed\r\n"
                     "p-1,p-1,c-2,2026-06-01T11:00:00Z,0,missed\r\n"
                     "p-1,nobody,c-3,2026-06-01T12:00:00Z,5,completed\r\n"
                     "p-2,p-1,c-4,2026-06-01T13:00:00Z,5,whispered\r\n"
                     "p-2,p-1,c-5,2026-06-01T14:00:00Z,5,failed\r\n", CALLS);
    ck_assert_ok(rights_import(&world, &file, 0, 10, &result));
    ck_assert_int_eq(get(&result, "imported"), 3);
    assert_rejected(&result, 0, 4, VAULT_E_NOT_FOUND, "external_id");
    assert_rejected(&result, 1, 5, VAULT_E_INVALID_VALUE, "calls.status");
    ck_assert_int_eq(rights_count_records(&world, "p-1", "calls"), 4);
    ck_assert_int_eq(rights_count_records(&world, "p-2", "calls"), 2);
    ck_assert_ok(world_call(&world, "application", "record.list", "{subject: p-1, collection: calls, purpose: testing}", &result));
    const struct vt_value *records = vt_value_get(&result, "records");
    ck_assert_uint_eq(records->array.count, 4);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&records->array.items[1], "side"), "caller"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&records->array.items[2], "side"), "callee"));
    rights_file_release(&file);
    world_free(&world);
}
END_TEST

START_TEST(a_range_is_imported_once_and_one_that_overlaps_is_refused)
{
    struct world world;
    struct rights_file file;
    struct vt_value result;
    char params[128];
    rights_world_new(&world, NULL);
    read_text(&file, "id,given,mail,born,ssn,card,note\r\np-1,A,,,,,\r\np-2,B,,,,,\r\np-3,C,,x,,,\r\np-4,D,,,,,\r\n", PEOPLE);
    ck_assert_ok(rights_import(&world, &file, 0, 2, NULL));
    ck_assert_ok(rights_import(&world, &file, 2, 2, NULL));
    ck_assert_ok(rights_import(&world, &file, 2, 2, &result));
    ck_assert(vt_value_get_bool(&result, "skipped", false));
    ck_assert_int_eq(get(&result, "imported"), 1);
    ck_assert_int_eq(get(&result, "rejected_count"), 1);
    ck_assert_uint_eq(vt_value_get(&result, "rejected")->array.count, 0);
    ck_assert_status(rights_import(&world, &file, 0, 4, NULL), VAULT_E_STATE);
    ck_assert_status(rights_import(&world, &file, 1, 2, NULL), VAULT_E_STATE);
    ck_assert_status(rights_import(&world, &file, 3, 1, NULL), VAULT_E_STATE);
    ck_assert_uint_eq(rights_count_subjects(&world), 3);

    snprintf(params, sizeof params, "{file_sha256: \"%s\"}", file.sha256);
    ck_assert_ok(world_call(&world, "application", "record.import-status", params, &result));
    const struct vt_value *ranges = vt_value_get(&result, "ranges");
    ck_assert_uint_eq(ranges->array.count, 2);
    ck_assert_int_eq(get(&ranges->array.items[0], "first_record"), 2);
    ck_assert_int_eq(get(&ranges->array.items[1], "first_record"), 4);
    ck_assert_int_eq(get(&ranges->array.items[1], "rejected"), 1);
    ck_assert_status(world_call(&world, "application", "record.import-status", "{file_sha256: abc}", NULL), VAULT_E_ARGUMENT);
    rights_file_release(&file);
    world_free(&world);
}
END_TEST

START_TEST(a_mapping_that_does_not_fit_is_refused_as_a_whole)
{
    struct world world;
    struct rights_file file;
    rights_world_new(&world, NULL);
    read_text(&file, "id,x\r\np-1,A\r\n", "{name: m, subject: id, columns: {x: nowhere.given_name}}");
    ck_assert_status(rights_import(&world, &file, 0, 1, NULL), VAULT_E_NOT_FOUND);
    rights_file_release(&file);
    read_text(&file, "id,x\r\np-1,A\r\n", "{name: m, subject: id, columns: {x: profile.nothing}}");
    ck_assert_status(rights_import(&world, &file, 0, 1, NULL), VAULT_E_UNKNOWN_FIELD);
    rights_file_release(&file);
    read_text(&file, "id,x\r\np-1,A\r\n", "{name: m, subject: id, columns: {cvv: profile.given_name}}");
    ck_assert_status(rights_import(&world, &file, 0, 1, NULL), VAULT_E_REFUSED_TYPE);
    rights_file_release(&file);
    ck_assert_uint_eq(rights_count_subjects(&world), 0);
    world_free(&world);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(a_batch_is_all_or_nothing_wherever_the_store_fails)
{
    struct world world;
    struct rights_file file;
    struct vt_value result;
    rights_world_new(&world, &(struct world_options){.has_fault_store = true});
    read_text(&file, "id,given,mail,born,ssn,card,note\r\n"
                     "p-1,Ada,ada@example.org,1985-12-10,078-05-1120,4000000000000002,hello\r\n"
                     "p-2,Bo,bo@example.org,,,,\r\n"
                     "p-3,Cy,,x,,,\r\n", PEOPLE);
    unsigned nth = 1;
    for (;; nth++) {
        vt_fault_arm(VT_FAULT_STORE, nth);
        const vault_status status = rights_import(&world, &file, 0, 10, &result);
        if (!vt_fault_disarm()) {
            ck_assert_ok(status);
            break;
        }
        ck_assert_msg(status == VAULT_E_IO, "call %u gave %s", nth, vault_status_code(status));
        ck_assert_uint_eq(rights_count_subjects(&world), 0);
        world_forget(&world);
    }
    ck_assert_uint_gt(nth, 20);
    ck_assert_int_eq(get(&result, "imported"), 2);
    ck_assert_int_eq(get(&result, "rejected_count"), 1);
    ck_assert_uint_eq(rights_count_subjects(&world), 2);
    rights_file_release(&file);
    world_free(&world);
}
END_TEST
#endif

START_TEST(the_data_set_is_imported_whole_and_resumed_where_it_stopped)
{
    struct world world;
    struct rights_file people, calls;
    struct vt_value result;
    rights_file_data_set(&people, "people");
    rights_file_data_set(&calls, "calls");
    const int64_t rows = data_set_fact("people", "rows", NULL);
    ck_assert_int_ge(rows, 2000);
    rights_world_new(&world, &(struct world_options){.is_on_disk = true});
    ck_assert_ok(rights_import(&world, &people, 0, 500, &result));
    ck_assert_int_eq(get(&result, "imported"), 500);
    ck_assert_ok(rights_import(&world, &people, 500, 500, NULL));
    world_reopen(&world);                       /* stopped between two batches */
    const struct rights_totals first = rights_import_all(&world, &people, 500);
    ck_assert_int_eq(first.imported, rows);
    ck_assert_int_eq(first.rejected, 0);
    ck_assert_int_eq(first.skipped_batches, 2);
    ck_assert_int_eq(rights_count_subjects(&world), rows);
    const struct rights_totals second = rights_import_all(&world, &calls, 500);
    ck_assert_int_eq(second.imported, data_set_fact("calls", "rows", NULL));
    ck_assert_int_eq(second.rejected, 0);
    rights_file_release(&people);
    rights_file_release(&calls);
    world_free(&world);
}
END_TEST

START_TEST(numbers_that_were_never_issued_are_refused_unless_the_schema_takes_them)
{
    static const char *const OTHERS[] = {"profile", "cards", "bank_accounts", "preferences", "notes", NULL};
    struct world world;
    struct rights_file people;
    rights_file_data_set(&people, "people");
    const int64_t rows = data_set_fact("people", "rows", NULL), with_ssn = data_set_fact("people", "with_ssn", NULL);
    world_new(&world, NULL);
    world_apply_examples(&world, OTHERS);
    world_apply_schema(&world, "{name: identity, fields: [{name: ssn, type: us_ssn, category: L, index: unique},\n"
                               "  {name: driver_licence, type: driver_licence, category: L}]}");
    const struct rights_totals totals = rights_import_all(&world, &people, 1000);
    ck_assert_int_eq(totals.rejected, with_ssn);
    ck_assert_int_eq(totals.imported, rows - with_ssn);
    ck_assert_int_eq(rights_count_subjects(&world), rows - with_ssn);
    rights_file_release(&people);
    world_free(&world);
}
END_TEST

/* The key of the range that was stored last. */
static struct vt_bytes range_key_of(struct world *world)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_bytes key, value;
    ck_assert_ok(vt_txn_begin_read(vt_vault_store(world->vault), &txn));
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_JOB, &cursor));
    ck_assert_ok(vt_cursor_last(cursor, NULL, &key, &value));
    return vt_pool_copy(&world->pool, key);
}

START_TEST(what_is_kept_of_a_file_says_nothing_of_it_to_who_has_the_store_alone)
{
    struct world one, other;
    struct rights_file file;
    rights_world_new(&one, NULL);
    rights_world_new(&other, NULL);
    read_text(&file, "id,given,mail,born,ssn,card,note\r\np-1,Ada,,,,,\r\n", PEOPLE);
    ck_assert_ok(rights_import(&one, &file, 0, 10, NULL));
    ck_assert_ok(rights_import(&other, &file, 0, 10, NULL));
    const struct vt_bytes first = range_key_of(&one), second = range_key_of(&other);
    ck_assert_uint_eq(first.len, second.len);
    ck_assert_int_ne(memcmp(first.data, second.data, 16), 0);
    rights_file_release(&file);
    world_free(&one);
    world_free(&other);
}
END_TEST

START_TEST(a_range_of_a_newer_format_is_refused_and_its_rows_are_not_imported_again)
{
    struct world world;
    struct rights_file file;
    struct vt_bytes value;
    struct vt_txn *txn = NULL;
    uint8_t newer[64];
    char params[128];
    rights_world_new(&world, NULL);
    read_text(&file, "id,given,mail,born,ssn,card,note\r\np-1,Ada,,,,,\r\n", PEOPLE);
    ck_assert_ok(rights_import(&world, &file, 0, 10, NULL));
    const struct vt_bytes key = range_key_of(&world);
    ck_assert_ok(vt_txn_begin_write(vt_vault_store(world.vault), &txn));
    ck_assert_ok(vt_store_get(txn, VT_TABLE_JOB, key, &value));
    ck_assert_uint_le(value.len, sizeof newer);
    memcpy(newer, value.data, value.len);
    newer[0]++;
    ck_assert_ok(vt_store_put(txn, VT_TABLE_JOB, key, vt_bytes(newer, value.len), VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
    ck_assert_status(rights_import(&world, &file, 0, 10, NULL), VAULT_E_FORMAT);
    snprintf(params, sizeof params, "{file_sha256: \"%s\"}", file.sha256);
    ck_assert_status(world_call(&world, "application", "record.import-status", params, NULL), VAULT_E_FORMAT);
    ck_assert_uint_eq(rights_count_subjects(&world), 1);
    rights_file_release(&file);
    world_free(&world);
}
END_TEST

VT_TEST_MAIN("rights/import",
#ifdef VT_FAULTS
             a_batch_is_all_or_nothing_wherever_the_store_fails,
#endif
             what_is_kept_of_a_file_says_nothing_of_it_to_who_has_the_store_alone,
             a_range_of_a_newer_format_is_refused_and_its_rows_are_not_imported_again,
             a_row_becomes_a_subject_with_records_where_it_has_cells,
             a_rejected_row_leaves_nothing_and_names_field_and_record_but_no_value,
             an_external_id_that_is_there_or_comes_twice_is_refused,
             a_value_that_must_be_unique_is_refused_from_store_and_from_batch,
             rows_add_to_a_subject_that_exists_only_when_the_mapping_says_so,
             a_call_is_a_record_of_each_side_and_both_may_be_one_person,
             a_range_is_imported_once_and_one_that_overlaps_is_refused,
             a_mapping_that_does_not_fit_is_refused_as_a_whole,
             the_data_set_is_imported_whole_and_resumed_where_it_stopped,
             numbers_that_were_never_issued_are_refused_unless_the_schema_takes_them)
