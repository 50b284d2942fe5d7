#include <stdio.h>
#include <stdlib.h>

#include "tests/support/data_set.h"
#include "tests/unit/schema/data_support.h"

/* What a run over people counted; index bytes are kept to count how many people share a value. */
struct tally {
    uint64_t refused, refused_ssn, refused_card, unclear;
    uint64_t cards, ssns, ibans, licences;
    struct vt_pool pool;
    struct vt_bytes *emails, *phones, *numbers;
    size_t email_count, phone_count, number_count;
};

enum { TALLY_POOL = 64 * 1024 * 1024, ROWS_MAX = 10000 };

static void tally_init(struct tally *tally)
{
    *tally = (struct tally){.pool = VT_POOL_INIT(TALLY_POOL)};
    tally->emails = vt_pool_calloc(&tally->pool, ROWS_MAX, sizeof *tally->emails);
    tally->phones = vt_pool_calloc(&tally->pool, ROWS_MAX, sizeof *tally->phones);
    tally->numbers = vt_pool_calloc(&tally->pool, ROWS_MAX, sizeof *tally->numbers);
    ck_assert(tally->emails != NULL && tally->phones != NULL && tally->numbers != NULL);
}

static void keep_index(struct tally *tally, const struct vt_collection *collection, const struct vt_value *record,
                       const char *name, struct vt_bytes *list, size_t *count)
{
    const struct vt_field *field = vt_collection_field(collection, vt_bytes_str(name));
    const struct vt_value *value = field == NULL ? NULL : vt_value_get(record, name);
    if (value == NULL) return;
    ck_assert_uint_lt(*count, ROWS_MAX);
    ck_assert_ok(vt_field_index_bytes(field->type, value, &tally->pool, &list[*count]));
    (*count)++;
}

static void visit_person(void *context, const struct vt_mapped_row *row, const struct vt_collection *collection,
                         const struct vt_value *record, vault_status status, const struct vt_err *err)
{
    struct tally *tally = context;
    (void)row;
    if (record == NULL) {
        tally->refused++;
        tally->refused_ssn += status == VAULT_E_INVALID_VALUE && strcmp(err->field, "ssn") == 0 &&
                              strstr(err->message, "its area was never issued.") != NULL;
        tally->refused_card += status == VAULT_E_INVALID_VALUE && strcmp(err->field, "number") == 0;
        tally->unclear += err->message[0] == 0 || err->message[strlen(err->message) - 1] != '.';
        return;
    }
    tally->cards += vt_value_get(record, "number") != NULL;
    tally->ssns += vt_value_get(record, "ssn") != NULL;
    tally->ibans += vt_value_get(record, "iban") != NULL;
    tally->licences += vt_value_get(record, "driver_licence") != NULL;
    keep_index(tally, collection, record, "email", tally->emails, &tally->email_count);
    keep_index(tally, collection, record, "phone", tally->phones, &tally->phone_count);
    keep_index(tally, collection, record, "number", tally->numbers, &tally->number_count);
}

static int compare_bytes(const void *one, const void *other)
{
    return vt_bytes_compare(*(const struct vt_bytes *)one, *(const struct vt_bytes *)other);
}

/* How many values are held by exactly two people; @p out_distinct by how many they differ. */
static size_t held_by_two(struct vt_bytes *list, size_t count, size_t *out_distinct)
{
    size_t pairs = 0;
    *out_distinct = 0;
    qsort(list, count, sizeof *list, compare_bytes);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && vt_bytes_equal(list[i], list[next]);) next++;
        pairs += next - i == 2;
        (*out_distinct)++;
    }
    return pairs;
}

struct call_tally {
    uint64_t completed, missed, voicemail, busy, failed, recordings, refused;
    int64_t seconds;
};

static void visit_call(void *context, const struct vt_mapped_row *row, const struct vt_collection *collection,
                       const struct vt_value *record, vault_status status, const struct vt_err *err)
{
    struct call_tally *tally = context;
    (void)collection;
    (void)err;
    ck_assert(row->external_ids[0].len != 0 && row->external_ids[1].len != 0);
    tally->refused += status != VAULT_OK;
    if (record == NULL) return;
    const struct vt_bytes ended = vt_value_get_text(record, "status");
    tally->completed += vt_bytes_equal_str(ended, "completed");
    tally->missed += vt_bytes_equal_str(ended, "missed");
    tally->voicemail += vt_bytes_equal_str(ended, "voicemail");
    tally->busy += vt_bytes_equal_str(ended, "busy");
    tally->failed += vt_bytes_equal_str(ended, "failed");
    tally->recordings += vt_value_get(record, "recording_id") != NULL;
    tally->seconds += vt_value_get_int(record, "duration_s", -1);
}

static const char *sample_path(const char *name, char *out_path, size_t len)
{
    snprintf(out_path, len, "%s/docs/examples/sample/%s", VT_SOURCE_DIR, name);
    return out_path;
}

START_TEST(every_person_of_the_sample_is_taken)
{
    VT_AUTO(vt_data_set) set;
    struct tally tally;
    char path[512];
    size_t distinct;
    vt_data_set_open(&set, "people");
    tally_init(&tally);
    ck_assert_uint_eq(vt_data_run(&set, sample_path("people.csv", path, sizeof path), visit_person, &tally), 300);
    ck_assert_uint_eq(tally.refused, 0);
    ck_assert(tally.cards > 200 && tally.ssns > 200 && tally.ibans > 10 && tally.licences > 100);
    held_by_two(tally.numbers, tally.number_count, &distinct);
    ck_assert_uint_lt(distinct, tally.number_count); /* some people share a published test card */
    vt_pool_release(&tally.pool);
}
END_TEST

START_TEST(every_call_of_the_sample_is_taken)
{
    VT_AUTO(vt_data_set) set;
    struct call_tally tally = {0};
    char path[512];
    vt_data_set_open(&set, "calls");
    ck_assert_uint_eq(vt_data_run(&set, sample_path("calls.csv", path, sizeof path), visit_call, &tally), 900);
    ck_assert_uint_eq(tally.refused, 0);
    ck_assert_uint_eq(tally.completed + tally.missed + tally.voicemail + tally.busy + tally.failed, 900);
    ck_assert(tally.recordings > 50 && tally.seconds > 100000);
}
END_TEST

static int64_t fact(const char *name)
{
    return data_set_fact("people", name, NULL);
}

/* The counts of facts.json. */
START_TEST(the_large_data_set_is_taken_and_counts_as_its_facts_say)
{
    char path[512];
    size_t distinct;
    struct tally tally;
    data_set_path("people.csv", path, sizeof path);
    VT_AUTO(vt_data_set) set;
    vt_data_set_open(&set, "people");
    tally_init(&tally);
    ck_assert_uint_eq(vt_data_run(&set, path, visit_person, &tally), (uint64_t)fact("rows"));
    ck_assert_uint_eq(tally.refused, 0);
    ck_assert_int_eq(tally.cards, fact("with_card"));
    ck_assert_int_eq(tally.ssns, fact("with_ssn"));
    ck_assert_int_eq(tally.ibans, fact("with_iban"));
    ck_assert_int_eq(tally.licences, fact("with_driver_licence"));
    ck_assert_int_eq(held_by_two(tally.numbers, tally.number_count, &distinct), fact("cards_held_by_two"));
    ck_assert_int_eq(distinct, fact("distinct_cards"));
    ck_assert_int_eq(held_by_two(tally.phones, tally.phone_count, &distinct), fact("phones_held_by_two"));
    ck_assert_int_eq(held_by_two(tally.emails, tally.email_count, &distinct), fact("emails_held_by_two"));
    vt_pool_release(&tally.pool);
}
END_TEST

START_TEST(the_large_data_set_has_the_brands_that_its_facts_say)
{
    static const char *const BRANDS[] = {"amex", "diners", "discover", "jcb", "maestro", "mastercard", "unionpay", "visa"};
    char path[512];
    size_t counts[VT_ARRAY_LEN(BRANDS)] = {0};
    struct tally tally;
    data_set_path("people.csv", path, sizeof path);
    VT_AUTO(vt_data_set) set;
    vt_data_set_open(&set, "people");
    tally_init(&tally);
    ck_assert_uint_eq(vt_data_run(&set, path, visit_person, &tally), (uint64_t)fact("rows"));
    qsort(tally.numbers, tally.number_count, sizeof *tally.numbers, compare_bytes);
    for (size_t i = 0; i < tally.number_count; i++) {
        if (i != 0 && vt_bytes_equal(tally.numbers[i - 1], tally.numbers[i])) continue;
        const char *brand = vt_pan_brand(vt_bytes(tally.numbers[i].data + 3, tally.numbers[i].len - 3));
        for (size_t k = 0; k < VT_ARRAY_LEN(BRANDS); k++) counts[k] += strcmp(brand, BRANDS[k]) == 0;
    }
    for (size_t k = 0; k < VT_ARRAY_LEN(BRANDS); k++)
        ck_assert_int_eq(counts[k], data_set_fact("people", "cards_by_brand", BRANDS[k]));
    vt_pool_release(&tally.pool);
}
END_TEST

/* Every number in it is of an area that was never issued. */
START_TEST(without_the_reserved_option_exactly_the_reserved_numbers_are_refused)
{
    char path[512];
    struct tally tally;
    data_set_path("people.csv", path, sizeof path);
    VT_AUTO(vt_data_set) set;
    vt_data_set_open(&set, "people");
    tally_init(&tally);
    vt_data_collection(&set, "identity")->fields[0].options.accept_reserved = false;
    ck_assert_uint_eq(vt_data_run(&set, path, visit_person, &tally), (uint64_t)fact("rows"));
    ck_assert_int_eq(tally.refused, fact("with_ssn"));
    ck_assert_int_eq(tally.refused_ssn, fact("with_ssn"));
    ck_assert_uint_eq(tally.unclear, 0);
    ck_assert_uint_eq(tally.ssns, 0);
    vt_pool_release(&tally.pool);
}
END_TEST

/* docs/SCHEMAS.md "Schema: one collection". */
START_TEST(without_the_token_policy_exactly_the_card_numbers_are_refused)
{
    char path[512];
    struct tally tally;
    data_set_path("people.csv", path, sizeof path);
    VT_AUTO(vt_data_set) set;
    vt_data_set_open(&set, "people");
    tally_init(&tally);
    vt_data_collection(&set, "cards")->fields[0].options.policy = VT_PAN_LAST4;
    ck_assert_uint_eq(vt_data_run(&set, path, visit_person, &tally), (uint64_t)fact("rows"));
    ck_assert_int_eq(tally.refused, fact("with_card"));
    ck_assert_int_eq(tally.refused_card, fact("with_card"));
    ck_assert_uint_eq(tally.unclear, 0);
    vt_pool_release(&tally.pool);
}
END_TEST

START_TEST(the_large_set_of_calls_is_taken_and_counts_as_its_facts_say)
{
    char path[512];
    struct call_tally tally = {0};
    data_set_path("calls.csv", path, sizeof path);
    VT_AUTO(vt_data_set) set;
    vt_data_set_open(&set, "calls");
    ck_assert_uint_eq(vt_data_run(&set, path, visit_call, &tally), (uint64_t)data_set_fact("calls", "rows", NULL));
    ck_assert_uint_eq(tally.refused, 0);
    ck_assert_int_eq(tally.completed, data_set_fact("calls", "by_status", "completed"));
    ck_assert_int_eq(tally.missed, data_set_fact("calls", "by_status", "missed"));
    ck_assert_int_eq(tally.voicemail, data_set_fact("calls", "by_status", "voicemail"));
    ck_assert_int_eq(tally.busy, data_set_fact("calls", "by_status", "busy"));
    ck_assert_int_eq(tally.failed, data_set_fact("calls", "by_status", "failed"));
    ck_assert_int_eq(tally.recordings, data_set_fact("calls", "recordings", NULL));
    ck_assert_int_eq(tally.seconds, data_set_fact("calls", "total_seconds", NULL));
}
END_TEST

VT_TEST_MAIN("schema/data_set", every_person_of_the_sample_is_taken, every_call_of_the_sample_is_taken,
             the_large_data_set_is_taken_and_counts_as_its_facts_say,
             the_large_data_set_has_the_brands_that_its_facts_say,
             without_the_reserved_option_exactly_the_reserved_numbers_are_refused,
             without_the_token_policy_exactly_the_card_numbers_are_refused,
             the_large_set_of_calls_is_taken_and_counts_as_its_facts_say)
