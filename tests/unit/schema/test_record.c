#include "libvault/codec/msgpack.h"
#include "libvault/schema/collection.h"
#include "tests/unit/schema/field_support.h"

enum { POOL_MAX = 8 * 1024 * 1024 };

static const char PROFILE[] = "name: profile\n"
                              "fields:\n"
                              "  - {name: given_name, type: name, category: A, required: true}\n"
                              "  - {name: email, type: email, category: A, index: many}\n"
                              "  - {name: birth_date, type: birth_date, category: C}\n"
                              "  - {name: ssn, type: us_ssn, category: L}\n"
                              "  - {name: visits, type: integer, category: F}\n"
                              "  - {name: active, type: boolean, category: F}\n"
                              "  - {name: tags, type: json, category: F}\n";

static const char CALLS[] = "name: calls\n"
                            "cardinality: many\n"
                            "subjects: two\n"
                            "sides: [caller, callee]\n"
                            "fields:\n"
                            "  - {name: started_at, type: datetime, category: F}\n"
                            "  - {name: caller_number, type: phone, category: A, side: caller}\n"
                            "  - {name: callee_number, type: phone, category: A, side: callee}\n";

static const struct vt_record_rules WHOLE = {VT_TEST_NOW_MS, false}, PARTIAL = {VT_TEST_NOW_MS, true};

static struct vt_collection *applied(struct vt_pool *pool, const char *yaml)
{
    struct vt_collection *collection = NULL;
    ck_assert_ok(vt_collection_read_yaml(pool, vt_bytes_str(yaml), &collection, NULL));
    ck_assert_ok(vt_collection_apply(collection, NULL, NULL));
    return collection;
}

/* A map of texts: key, value, key, value, NULL. */
static struct vt_value record_of(struct vt_pool *pool, const char *const *pairs)
{
    struct vt_value map = vt_value_map();
    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        ck_assert_ok(vt_value_put(pool, &map, pairs[i], vt_value_str(pairs[i + 1]), NULL));
    }
    return map;
}
#define RECORD(pool, ...) record_of(pool, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(a_record_is_stored_in_schema_order_and_canonical_form)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *profile = applied(&pool, PROFILE);
    const struct vt_value input = RECORD(&pool, "visits", "7", "ssn", "123456789", "given_name", "Ada", "active", "1");
    struct vt_value record, again;
    ck_assert_ok(vt_record_validate(profile, &input, &WHOLE, &pool, &record, NULL));
    ck_assert_uint_eq(record.map.count, 4);
    ck_assert(vt_bytes_equal_str(record.map.pairs[0].key, "given_name"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&record, "ssn"), "123-45-6789"));
    ck_assert_int_eq(vt_value_get_int(&record, "visits", 0), 7);
    ck_assert(vt_value_get_bool(&record, "active", false));
    ck_assert_ok(vt_record_validate(profile, &record, &WHOLE, &pool, &again, NULL));
    ck_assert(vt_value_equal(&record, &again));
}
END_TEST

START_TEST(a_nil_value_is_an_absent_field)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *profile = applied(&pool, PROFILE);
    struct vt_value input = RECORD(&pool, "given_name", "Ada"), record;
    ck_assert_ok(vt_value_put(&pool, &input, "email", VT_VALUE_INIT, NULL));
    ck_assert_ok(vt_record_validate(profile, &input, &WHOLE, &pool, &record, NULL));
    ck_assert_uint_eq(record.map.count, 1);
}
END_TEST

START_TEST(a_bad_record_names_the_field_and_stores_nothing)
{
    static const struct {
        const char *key, *value, *field;
        vault_status status;
    } ROWS[] = {{"email", "not an address", "email", VAULT_E_INVALID_VALUE},
                {"birth_date", "2030-01-01", "birth_date", VAULT_E_INVALID_VALUE},
                {"ssn", "987-65-4321", "ssn", VAULT_E_INVALID_VALUE},
                {"phone", "+18575550155", "", VAULT_E_UNKNOWN_FIELD},
                {"not an address@example", "xyz", "", VAULT_E_UNKNOWN_FIELD}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        const struct vt_collection *profile = applied(&pool, PROFILE);
        const struct vt_value input = RECORD(&pool, "given_name", "Ada", ROWS[i].key, ROWS[i].value);
        struct vt_value record = vt_value_int(7);
        struct vt_err err = {0};
        ck_assert_status(vt_record_validate(profile, &input, &WHOLE, &pool, &record, &err), ROWS[i].status);
        ck_assert_str_eq(err.field, ROWS[i].field);
        ck_assert_ptr_null(strstr(err.message, ROWS[i].value + 2));
        ck_assert_int_eq(err.message[strlen(err.message) - 1], '.');
        ck_assert(record.kind == VT_VALUE_INT && record.integer == 7);
    }
}
END_TEST

START_TEST(a_record_is_a_map_and_has_its_required_fields)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *profile = applied(&pool, PROFILE);
    const struct vt_value list = vt_value_array(), empty = vt_value_map();
    struct vt_value record;
    struct vt_err err = {0};
    ck_assert_status(vt_record_validate(profile, &list, &WHOLE, &pool, &record, &err), VAULT_E_TYPE);
    ck_assert_status(vt_record_validate(profile, &empty, &WHOLE, &pool, &record, &err), VAULT_E_ARGUMENT);
    ck_assert_str_eq(err.field, "given_name");
    ck_assert_str_eq(err.message, "Field given_name is required.");
}
END_TEST

START_TEST(a_correction_may_leave_out_and_remove)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *profile = applied(&pool, PROFILE);
    struct vt_value input = RECORD(&pool, "visits", "8"), record;
    struct vt_err err = {0};
    ck_assert_ok(vt_value_put(&pool, &input, "email", VT_VALUE_INIT, NULL));
    ck_assert_ok(vt_record_validate(profile, &input, &PARTIAL, &pool, &record, NULL));
    ck_assert_uint_eq(record.map.count, 2);
    ck_assert_int_eq(vt_value_get(&record, "email")->kind, VT_VALUE_NIL);
    ck_assert_ok(vt_value_put(&pool, &input, "given_name", VT_VALUE_INIT, NULL));
    ck_assert_status(vt_record_validate(profile, &input, &PARTIAL, &pool, &record, &err), VAULT_E_ARGUMENT);
    ck_assert_str_eq(err.field, "given_name");
}
END_TEST

START_TEST(a_record_splits_into_one_part_per_category)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *profile = applied(&pool, PROFILE);
    const struct vt_value input = RECORD(&pool, "given_name", "Ada", "email", "ada@example.com", "ssn", "123-45-6789",
                                         "active", "true", "visits", "3");
    struct vt_record_part parts[VT_CATEGORY_COUNT];
    struct vt_value record;
    size_t count = 0;
    ck_assert_ok(vt_record_validate(profile, &input, &WHOLE, &pool, &record, NULL));
    ck_assert_ok(vt_record_split(profile, &record, VT_SIDE_FIRST, &pool, parts, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert(parts[0].category == 1 && parts[0].count == 2);
    ck_assert(parts[1].category == 6 && parts[1].count == 2);
    ck_assert(parts[2].category == 12 && parts[2].count == 1);
    ck_assert_str_eq(parts[2].items[0].field->type->name, "us_ssn");
}
END_TEST

START_TEST(each_side_keeps_its_own_identifiers)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *calls = applied(&pool, CALLS);
    const struct vt_value input = RECORD(&pool, "started_at", "2026-01-01T00:00:00Z", "caller_number", "+18575550155",
                                         "callee_number", "+15315550114");
    struct vt_record_part parts[VT_CATEGORY_COUNT];
    struct vt_value record;
    size_t count = 0;
    ck_assert_ok(vt_record_validate(calls, &input, &WHOLE, &pool, &record, NULL));
    ck_assert_ok(vt_record_split(calls, &record, VT_SIDE_FIRST, &pool, parts, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(parts[0].count, 1);
    ck_assert(vt_bytes_equal_str(parts[0].items[0].field->name, "caller_number"));
    ck_assert(vt_bytes_equal_str(parts[1].items[0].field->name, "started_at"));
    ck_assert_ok(vt_record_split(calls, &record, VT_SIDE_SECOND, &pool, parts, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(parts[0].count, 1);
    ck_assert(vt_bytes_equal_str(parts[0].items[0].field->name, "callee_number"));
}
END_TEST

START_TEST(rows_put_together_are_the_record)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *profile = applied(&pool, PROFILE);
    struct vt_value input = RECORD(&pool, "given_name", "Ada", "email", "ada@example.com", "ssn", "123-45-6789",
                                   "active", "true", "visits", "-3");
    struct vt_value tags = vt_value_map(), record, whole = vt_value_map();
    struct vt_record_part parts[VT_CATEGORY_COUNT];
    size_t count = 0;
    ck_assert_ok(vt_value_put(&pool, &tags, "a", vt_value_str("b"), NULL));
    ck_assert_ok(vt_value_put(&pool, &input, "tags", tags, NULL));
    ck_assert_ok(vt_record_validate(profile, &input, &WHOLE, &pool, &record, NULL));
    ck_assert_ok(vt_record_split(profile, &record, VT_SIDE_FIRST, &pool, parts, &count));
    for (size_t i = 0; i < count; i++) {
        VT_AUTO(vt_buf) row = VT_BUF_INIT(VT_LIMIT_ROW_PLAIN_BYTES);
        ck_assert_ok(vt_record_part_write(&row, &parts[i]));
        const struct vt_bytes kept = vt_pool_copy(&pool, vt_buf_bytes(&row));
        ck_assert_ok(vt_record_part_read(&pool, profile, kept, &whole));
    }
    ck_assert(vt_value_equal(&record, &whole));
}
END_TEST

START_TEST(a_row_has_the_bytes_that_its_format_says)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) row = VT_BUF_INIT(VT_LIMIT_ROW_PLAIN_BYTES);
    const struct vt_collection *profile = applied(&pool, PROFILE);
    const struct vt_record_item items[] = {{&profile->fields[0], vt_value_str("Ada")},
                                           {&profile->fields[4], vt_value_int(3)}};
    const struct vt_record_part part = {1, items, 2};
    ck_assert_ok(vt_record_part_write(&row, &part));
    ck_assert(vt_bytes_equal(vt_buf_bytes(&row), vt_bytes("\x95\x01\x01\xA3"
                                                          "Ada\x05\x03",
                                                          9)));
}
END_TEST

START_TEST(a_damaged_row_is_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
        vault_status status;
    } ROWS[] = {{"", 0, VAULT_E_CORRUPT},
                {"\x80", 1, VAULT_E_CORRUPT}, /* a map */
                {"\x90", 1, VAULT_E_CORRUPT}, /* no format */
                {"\x91\x02", 2, VAULT_E_FORMAT},
                {"\x91\xA1"
                 "1",
                 3, VAULT_E_CORRUPT},                      /* format is text */
                {"\x92\x01\x01", 3, VAULT_E_CORRUPT},      /* number without value */
                {"\x93\x01\x09\xA1x", 5, VAULT_E_CORRUPT}, /* unknown number */
                {"\x93\x01\x00\xA1x", 5, VAULT_E_CORRUPT},
                {"\x93\x01\xFF\xA1x", 5, VAULT_E_CORRUPT},
                {"\x93\x01\x01\x07", 4, VAULT_E_CORRUPT},           /* a name that is a number */
                {"\x93\x01\x01\xC0", 4, VAULT_E_CORRUPT},           /* nil */
                {"\x95\x01\x01\xA1x\x01\xA1y", 8, VAULT_E_CORRUPT}, /* twice */
                {"\x93\x01\x01\xA1x\x00", 6, VAULT_E_CORRUPT},      /* trailing byte */
                {"\x93\x01\x01\xA1x", 5, VAULT_OK}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_value record = vt_value_map();
        ck_assert_status(
            vt_record_part_read(&pool, applied(&pool, PROFILE), vt_bytes(ROWS[i].bytes, ROWS[i].len), &record),
            ROWS[i].status);
    }
}
END_TEST

START_TEST(a_row_past_its_maximum_says_so)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) row = VT_BUF_INIT(8);
    const struct vt_collection *profile = applied(&pool, PROFILE);
    const struct vt_record_item item = {&profile->fields[0], vt_value_str("a long name")};
    const struct vt_record_part part = {1, &item, 1};
    ck_assert_status(vt_record_part_write(&row, &part), VAULT_E_TOO_LARGE);
}
END_TEST

/* With every smaller pool the answer is "not enough memory", and no output is written. */
START_TEST(records_without_memory_say_so)
{
    VT_AUTO(vt_pool) source = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) row = VT_BUF_INIT(VT_LIMIT_ROW_PLAIN_BYTES);
    const struct vt_collection *profile = applied(&source, PROFILE);
    const struct vt_value input =
        RECORD(&source, "given_name", "Ada", "email", "ada@example.com", "ssn", "123-45-6789");
    struct vt_record_part parts[VT_CATEGORY_COUNT];
    vault_status status = VAULT_E_MEMORY;
    size_t count = 0, failures = 0;
    for (size_t max = 0; status == VAULT_E_MEMORY && max < 64 * 1024; max += 16) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(max);
        struct vt_value record = vt_value_int(7), again = vt_value_map();
        status = vt_record_validate(profile, &input, &WHOLE, &pool, &record, NULL);
        ck_assert(status == VAULT_OK || (record.kind == VT_VALUE_INT && record.integer == 7));
        if (status == VAULT_OK) status = vt_record_split(profile, &record, VT_SIDE_FIRST, &pool, parts, &count);
        vt_buf_reset(&row);
        if (status == VAULT_OK) status = vt_record_part_write(&row, &parts[0]);
        if (status == VAULT_OK) status = vt_record_part_read(&pool, profile, vt_buf_bytes(&row), &again);
        failures += status == VAULT_E_MEMORY;
    }
    ck_assert_ok(status);
    ck_assert_uint_gt(failures, 10);
}
END_TEST

VT_TEST_MAIN("schema/record", a_record_is_stored_in_schema_order_and_canonical_form, a_nil_value_is_an_absent_field,
             a_bad_record_names_the_field_and_stores_nothing, a_record_is_a_map_and_has_its_required_fields,
             a_correction_may_leave_out_and_remove, a_record_splits_into_one_part_per_category,
             each_side_keeps_its_own_identifiers, rows_put_together_are_the_record,
             a_row_has_the_bytes_that_its_format_says, a_damaged_row_is_refused, a_row_past_its_maximum_says_so,
             records_without_memory_say_so)
