#include <stdio.h>

#include "libvault/codec/msgpack.h"
#include "libvault/codec/yaml.h"
#include "libvault/schema/collection.h"
#include "tests/support/suite.h"

enum { POOL_MAX = 8 * 1024 * 1024 };

#define CARDS                                                                                                        \
    "name: cards\n"                                                                                                  \
    "doc: Payment cards.\n"                                                                                          \
    "cardinality: many\n"                                                                                            \
    "forget: record\n"                                                                                               \
    "fields:\n"                                                                                                      \
    "  - {name: number, type: pan, category: B, also: [L], required: true, index: many, options: {policy: token}}\n" \
    "  - {name: expiry, type: card_expiry, category: B}\n"

#define CALLS                                                             \
    "name: calls\n"                                                       \
    "cardinality: many\n"                                                 \
    "subjects: two\n"                                                     \
    "sides: [caller, callee]\n"                                           \
    "fields:\n"                                                           \
    "  - {name: started_at, type: datetime, category: F}\n"               \
    "  - {name: caller_number, type: phone, category: A, side: caller}\n" \
    "  - {name: callee_number, type: phone, category: A, side: callee}\n"

static struct vt_collection *parsed(struct vt_pool *pool, const char *yaml)
{
    struct vt_collection *collection = NULL;
    struct vt_err err = {0};
    const vault_status status = vt_collection_read_yaml(pool, vt_bytes_str(yaml), &collection, &err);
    ck_assert_msg(status == VAULT_OK, "%s: %s: %s", vault_status_code(status), err.field, err.message);
    return collection;
}

static struct vt_collection *applied(struct vt_pool *pool, const char *yaml, const struct vt_collection *old)
{
    struct vt_collection *collection = parsed(pool, yaml);
    struct vt_err err = {0};
    const vault_status status = vt_collection_apply(collection, old, &err);
    ck_assert_msg(status == VAULT_OK, "%s: %s", vault_status_code(status), err.message);
    return collection;
}

START_TEST(a_schema_says_what_its_fields_are)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *cards = parsed(&pool, CARDS);
    ck_assert(vt_bytes_equal_str(cards->name, "cards") && vt_bytes_equal_str(cards->doc, "Payment cards."));
    ck_assert(cards->cardinality == VT_CARDINALITY_MANY && cards->forget == VT_FORGET_RECORD);
    ck_assert(cards->subject_count == 1 && cards->field_count == 2 && cards->next_field_id == 0);
    const struct vt_field *number = vt_collection_field(cards, vt_bytes_str("number"));
    ck_assert_ptr_nonnull(number);
    ck_assert_str_eq(number->type->name, "pan");
    ck_assert(number->category == 2 && number->also == 1u << 12 && number->is_required);
    ck_assert(number->index == VT_INDEX_MANY && number->side == VT_SIDE_FIRST && number->id == 0);
    ck_assert_int_eq(number->options.policy, VT_PAN_TOKEN);
    ck_assert_ptr_null(vt_collection_field(cards, vt_bytes_str("numbe")));
    ck_assert_uint_eq(vt_collection_categories(cards), 1u << 2);
}
END_TEST

START_TEST(defaults_are_one_record_one_subject_by_category)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *plain = parsed(&pool, "name: p\nfields: [{name: card, type: pan, category: B}]\n");
    ck_assert(plain->cardinality == VT_CARDINALITY_ONE && plain->subject_count == 1);
    ck_assert(plain->forget == VT_FORGET_CATEGORY && plain->doc.len == 0);
    ck_assert(plain->fields[0].index == VT_INDEX_NONE && !plain->fields[0].is_required);
    ck_assert_int_eq(plain->fields[0].options.policy, VT_PAN_LAST4);
}
END_TEST

START_TEST(fields_of_two_subjects_have_a_side)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *calls = parsed(&pool, CALLS);
    ck_assert(calls->subject_count == 2 && vt_bytes_equal_str(calls->sides[1], "callee"));
    ck_assert_int_eq(calls->fields[0].side, VT_SIDE_BOTH);
    ck_assert_int_eq(calls->fields[1].side, VT_SIDE_FIRST);
    ck_assert_int_eq(calls->fields[2].side, VT_SIDE_SECOND);
}
END_TEST

#define FIELD(text) "name: p\nfields: [" text "]\n"

START_TEST(a_schema_is_read_strictly)
{
    static const struct {
        const char *yaml, *field, *why;
        vault_status status;
    } ROWS[] = {
        {"[]", "", "map", VAULT_E_ARGUMENT},
        {"fields: []", "", "name is missing", VAULT_E_ARGUMENT},
        {"name: P\nfields: []", "", "name", VAULT_E_ARGUMENT},
        {"name: p", "", "fields", VAULT_E_ARGUMENT},
        {"name: p\nfields: []", "", "one field", VAULT_E_ARGUMENT},
        {"name: p\nfields: {}", "", "one field", VAULT_E_ARGUMENT},
        {"name: p\ncolour: red\nfields: []", "", "Line 2: The key colour", VAULT_E_ARGUMENT},
        {"name: p\ncardinality: few\nfields: []", "", "one or many", VAULT_E_ARGUMENT},
        {"name: p\ncardinality: 1\nfields: []", "", "one or many", VAULT_E_ARGUMENT},
        {"name: p\nsubjects: 2\nfields: []", "", "one or two", VAULT_E_ARGUMENT},
        {"name: p\nforget: never\nfields: []", "", "category or record", VAULT_E_ARGUMENT},
        {"name: p\nforget: record\nfields: []", "", "many records of one subject", VAULT_E_ARGUMENT},
        {"name: p\ncardinality: many\nsubjects: two\nsides: [a, b]\nforget: record\nfields: []", "", "one subject",
         VAULT_E_ARGUMENT},
        {"name: p\nsubjects: two\nsides: [a, b]\nfields: []", "", "cardinality", VAULT_E_ARGUMENT},
        {"name: p\ncardinality: many\nsubjects: two\nfields: []", "", "sides", VAULT_E_ARGUMENT},
        {"name: p\ncardinality: many\nsubjects: two\nsides: [a, a]\nfields: []", "", "two different", VAULT_E_ARGUMENT},
        {"name: p\ncardinality: many\nsubjects: two\nsides: [a, both]\nfields: []", "", "two different",
         VAULT_E_ARGUMENT},
        {"name: p\ncardinality: many\nsubjects: two\nsides: [a, b, c]\nfields: []", "", "two different",
         VAULT_E_ARGUMENT},
        {"name: p\nsides: [a, b]\nfields: []", "", "subjects to be two", VAULT_E_ARGUMENT},
        {"name: p\ndoc: [x]\nfields: []", "", "doc", VAULT_E_ARGUMENT},
        {FIELD("email"), "fields[0]", "map", VAULT_E_ARGUMENT},
        {FIELD("{type: text, category: A}"), "fields[0]", "name is missing", VAULT_E_ARGUMENT},
        {FIELD("{name: 7, type: text, category: A}"), "fields[0]", "must be a name", VAULT_E_ARGUMENT},
        {FIELD("{name: Email, type: text, category: A}"), "fields[0]", "must be a name", VAULT_E_ARGUMENT},
        {FIELD("{name: a, category: A}"), "fields[0]", "needs a type", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: e164, category: A}"), "fields[0]", "does not exist", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: blob, category: A}"), "fields[0]", "cannot store", VAULT_E_UNSUPPORTED},
        {FIELD("{name: a, type: text}"), "fields[0]", "category", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: M}"), "fields[0]", "A to L", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: a}"), "fields[0]", "A to L", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, also: B}"), "fields[0]", "list", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, also: [A]}"), "fields[0]", "twice", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, also: [B, B]}"), "fields[0]", "twice", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, required: 1}"), "fields[0]", "true or false", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, index: yes}"), "fields[0]", "none, unique or many",
         VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: boolean, category: A, index: many}"), "fields[0]", "indexed", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: pan, category: A, index: unique}"), "fields[0]", "unique", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, side: caller}"), "fields[0]", "side", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, side: both}"), "fields[0]", "side", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, options: {reserved: accept}}"), "a", "no option", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, options: [max]}"), "a", "map", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A, mask: x}"), "fields[0]", "key mask", VAULT_E_ARGUMENT},
        {FIELD("{name: a, type: text, category: A}, {name: a, type: name, category: A}"), "fields[1]", "twice",
         VAULT_E_ARGUMENT},
        {"name: p\nname: q\n", "", "", VAULT_E_PARSE},
        {"name: &x p\nfields: *x\n", "", "", VAULT_E_PARSE},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_collection *collection = NULL;
        struct vt_err err = {0};
        const vault_status status = vt_collection_read_yaml(&pool, vt_bytes_str(ROWS[i].yaml), &collection, &err);
        ck_assert_msg(status == ROWS[i].status, "%s gave %s", ROWS[i].yaml, vault_status_code(status));
        ck_assert_msg(strstr(err.message, ROWS[i].why) != NULL, "%s: %s", ROWS[i].yaml, err.message);
        ck_assert_ptr_null(collection);
        if (status == VAULT_E_PARSE) continue;
        ck_assert_str_eq(err.field, ROWS[i].field);
        ck_assert_int_eq(err.message[strlen(err.message) - 1], '.');
    }
}
END_TEST

/* PCI DSS v4.0.1 requirement 3.3.1. */
START_TEST(a_schema_with_a_security_code_is_refused)
{
    static const char *const ROWS[] = {
        FIELD("{name: cvv, type: text, category: B}"),         FIELD("{name: code, type: cvc, category: B}"),
        FIELD("{name: card_pin, type: integer, category: B}"), FIELD("{name: track2, type: text, category: B}"),
        FIELD("{name: a, type: magstripe, category: B}"),      FIELD("{name: security-code, type: text, category: B}")};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_collection *collection = NULL;
        struct vt_err err = {0};
        ck_assert_status(vt_collection_read_yaml(&pool, vt_bytes_str(ROWS[i]), &collection, &err),
                         VAULT_E_REFUSED_TYPE);
        ck_assert_ptr_nonnull(strstr(err.message, "PCI DSS v4.0.1 requirement 3.3.1"));
        ck_assert_str_eq(err.field, "fields[0]");
        ck_assert_int_eq(err.message[strlen(err.message) - 1], '.');
    }
}
END_TEST

START_TEST(a_collection_has_at_most_256_fields)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) yaml = VT_BUF_INIT(1 << 20);
    struct vt_collection *collection = NULL;
    ck_assert_ok(vt_buf_append_str(&yaml, "name: p\nfields:\n"));
    for (int i = 0; i < 256; i++) ck_assert_ok(vt_buf_printf(&yaml, "  - {name: f%d, type: text, category: A}\n", i));
    ck_assert_ok(vt_collection_read_yaml(&pool, vt_buf_bytes(&yaml), &collection, NULL));
    ck_assert_uint_eq(collection->field_count, 256);
    ck_assert_ok(vt_buf_append_str(&yaml, "  - {name: last, type: text, category: A}\n"));
    ck_assert_status(vt_collection_read_yaml(&pool, vt_buf_bytes(&yaml), &collection, NULL), VAULT_E_LIMIT);
}
END_TEST

START_TEST(numbers_are_given_once_and_kept)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *first = applied(&pool, CARDS, NULL);
    ck_assert_uint_eq(first->version, 1);
    ck_assert(first->fields[0].id == 1 && first->fields[1].id == 2 && first->next_field_id == 3);
    const struct vt_collection *second =
        applied(&pool,
                "name: cards\ncardinality: many\nforget: record\nfields:\n"
                "  - {name: label, type: text, category: B}\n"
                "  - {name: expiry, type: card_expiry, category: B}\n"
                "  - {name: number, type: pan, category: B, also: [A], index: many, options: {policy: token}}\n",
                first);
    ck_assert_uint_eq(second->version, 2);
    ck_assert_uint_eq(vt_collection_field(second, vt_bytes_str("number"))->id, 1);
    ck_assert_uint_eq(vt_collection_field(second, vt_bytes_str("expiry"))->id, 2);
    ck_assert_uint_eq(vt_collection_field(second, vt_bytes_str("label"))->id, 3);
    ck_assert_uint_eq(second->next_field_id, 4);
    ck_assert_ptr_eq(vt_collection_field_by_id(second, 3), &second->fields[0]);
    ck_assert_ptr_null(vt_collection_field_by_id(second, 4));
    ck_assert_ptr_null(vt_collection_field_by_id(second, 0));
}
END_TEST

START_TEST(applying_the_same_again_changes_nothing)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *first = applied(&pool, CALLS, NULL), *again = applied(&pool, CALLS, first);
    ck_assert(vt_collection_same(first, again));
    ck_assert_uint_eq(again->version, 1);
    ck_assert_uint_eq(again->next_field_id, first->next_field_id);
}
END_TEST

START_TEST(what_rows_rest_on_cannot_change)
{
#define ONE(text) "name: p\nfields:\n  - {name: keep, type: text, category: A}\n" text
    static const struct {
        const char *before, *after, *why;
    } ROWS[] = {
        {ONE("  - {name: a, type: text, category: A}\n"), ONE(""), "removed"},
        {ONE("  - {name: a, type: text, category: A}\n"), ONE("  - {name: a, type: name, category: A}\n"), "type"},
        {ONE("  - {name: a, type: text, category: A}\n"), ONE("  - {name: a, type: text, category: B}\n"), "category"},
        {ONE("  - {name: a, type: text, category: A}\n"), ONE("  - {name: a, type: text, category: A, index: many}\n"),
         "index"},
        {ONE("  - {name: a, type: text, category: A}\n"),
         ONE("  - {name: a, type: text, category: A, required: true}\n"), "required"},
        {ONE(""), ONE("  - {name: a, type: text, category: A, required: true}\n"), "new and required"},
        {ONE("  - {name: a, type: text, category: A}\n"),
         ONE("  - {name: a, type: text, category: A, options: {max: 9}}\n"), "narrow"},
        {ONE("  - {name: a, type: integer, category: A}\n"),
         ONE("  - {name: a, type: integer, category: A, options: {min: 0}}\n"), "narrow"},
        {ONE("  - {name: a, type: enum, category: A, options: {values: [x, y]}}\n"),
         ONE("  - {name: a, type: enum, category: A, options: {values: [x]}}\n"), "narrow"},
        {ONE("  - {name: a, type: us_ssn, category: A}\n"),
         ONE("  - {name: a, type: us_ssn, category: A, options: {reserved: accept}}\n"), "options"},
        {ONE("  - {name: a, type: pan, category: A}\n"),
         ONE("  - {name: a, type: pan, category: A, options: {policy: token}}\n"), "options"},
        {ONE(""), "name: q\nfields: [{name: keep, type: text, category: A}]\n", "name"},
        {ONE(""), "name: p\ncardinality: many\nfields: [{name: keep, type: text, category: A}]\n", "cardinality"},
        {"name: p\ncardinality: many\nfields: [{name: a, type: text, category: A}]\n",
         "name: p\ncardinality: many\nforget: record\nfields: [{name: a, type: text, category: A}]\n", "forgotten"},
        {"name: p\ncardinality: many\nfields: [{name: a, type: text, category: A}]\n",
         "name: p\ncardinality: many\nsubjects: two\nsides: [x, y]\nfields: [{name: a, type: text, category: A}]\n",
         "subjects"},
        {"name: p\ncardinality: many\nsubjects: two\nsides: [x, y]\nfields: [{name: a, type: text, category: A}]\n",
         "name: p\ncardinality: many\nsubjects: two\nsides: [y, x]\nfields: [{name: a, type: text, category: A}]\n",
         "sides"},
        {"name: p\ncardinality: many\nsubjects: two\nsides: [x, y]\nfields: [{name: a, type: text, category: A}]\n",
         "name: p\ncardinality: many\nsubjects: two\nsides: [x, y]\nfields: [{name: a, type: text, category: A, side: "
         "x}]\n",
         "side"},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_err err = {0};
        const struct vt_collection *before = applied(&pool, ROWS[i].before, NULL);
        struct vt_collection *after = parsed(&pool, ROWS[i].after);
        ck_assert_msg(vt_collection_apply(after, before, &err) == VAULT_E_STATE, "%s was applied", ROWS[i].after);
        ck_assert_msg(strstr(err.message, ROWS[i].why) != NULL, "%s", err.message);
    }
}
END_TEST

START_TEST(options_may_widen_and_docs_may_change)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_collection *before =
        applied(&pool,
                "name: p\nfields:\n"
                "  - {name: a, type: text, category: A, required: true, options: {max: 10}}\n"
                "  - {name: b, type: enum, category: A, options: {values: [x]}}\n"
                "  - {name: c, type: integer, category: A, options: {min: 0, max: 9}}\n",
                NULL);
    const struct vt_collection *after =
        applied(&pool,
                "name: p\ndoc: Changed.\nfields:\n"
                "  - {name: a, type: text, category: A, options: {max: 20}, doc: Longer.}\n"
                "  - {name: b, type: enum, category: A, options: {values: [y, x]}}\n"
                "  - {name: c, type: integer, category: A}\n",
                before);
    ck_assert_uint_eq(after->version, 2);
    ck_assert(!vt_collection_same(before, after));
}
END_TEST

START_TEST(field_numbers_end_with_a_limit)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_collection *before = applied(&pool, "name: p\nfields: [{name: a, type: text, category: A}]\n", NULL);
    before->next_field_id = UINT16_MAX;
    struct vt_collection *after =
        parsed(&pool, "name: p\nfields: [{name: a, type: text, category: A}, {name: b, type: text, category: A}]\n");
    ck_assert_status(vt_collection_apply(after, before, NULL), VAULT_E_LIMIT);
}
END_TEST

#define EVERYTHING                                                                                                     \
    "name: everything\n"                                                                                               \
    "doc: \"Colons: hashes # quotes \\\" and lines\\nand \\x7F \\x85 \xC3\xA9.\"\n"                                    \
    "cardinality: many\n"                                                                                              \
    "subjects: two\n"                                                                                                  \
    "sides: [caller, callee]\n"                                                                                        \
    "fields:\n"                                                                                                        \
    "  - {name: a, type: text, category: A, also: [B, U], required: true, index: unique, doc: \"yes\"}\n"              \
    "  - {name: b, type: enum, category: L, side: callee, options: {values: [\"true\", \"on\", \"1\", x, \"a b\"]}}\n" \
    "  - {name: c, type: integer, category: U, options: {min: -5, max: 5}}\n"                                          \
    "  - {name: d, type: us_ssn, category: L, index: many, options: {reserved: accept}}\n"                             \
    "  - {name: e, type: pan, category: B, side: caller, options: {policy: token}}\n"

START_TEST(the_canonical_yaml_reads_back_as_the_same_schema)
{
    static const char *const ROWS[] = {CARDS, CALLS, EVERYTHING};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        VT_AUTO(vt_buf) yaml = VT_BUF_INIT(1 << 20);
        VT_AUTO(vt_buf) again = VT_BUF_INIT(1 << 20);
        struct vt_collection *copy = NULL;
        struct vt_err err = {0};
        const struct vt_collection *collection = parsed(&pool, ROWS[i]);
        ck_assert_ok(vt_collection_write_yaml(&yaml, collection));
        const vault_status status = vt_collection_read_yaml(&pool, vt_buf_bytes(&yaml), &copy, &err);
        ck_assert_msg(status == VAULT_OK, "%s\n%.*s", err.message, (int)yaml.len, (const char *)yaml.data);
        ck_assert_msg(vt_collection_same(collection, copy), "%.*s", (int)yaml.len, (const char *)yaml.data);
        ck_assert_ok(vt_collection_write_yaml(&again, copy));
        ck_assert(vt_bytes_equal(vt_buf_bytes(&yaml), vt_buf_bytes(&again)));
    }
}
END_TEST

static struct vt_value through_msgpack(struct vt_pool *pool, const struct vt_value *value)
{
    VT_AUTO(vt_buf) packed = VT_BUF_INIT(1 << 20);
    struct vt_value copy;
    ck_assert_ok(vt_msgpack_write(&packed, value));
    const struct vt_bytes bytes = vt_pool_copy(pool, vt_buf_bytes(&packed));
    ck_assert_ok(vt_msgpack_read(pool, bytes, &copy, NULL));
    return copy;
}

START_TEST(the_stored_form_keeps_numbers_and_version)
{
    static const char *const ROWS[] = {CARDS, CALLS, EVERYTHING};
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_collection *collection = applied(&pool, ROWS[i], NULL), *copy = NULL;
        struct vt_value stored;
        collection->version = 7;
        ck_assert_ok(vt_collection_to_stored(&pool, collection, &stored));
        const struct vt_value read = through_msgpack(&pool, &stored);
        ck_assert_ok(vt_collection_from_stored(&pool, &read, &copy));
        ck_assert(vt_collection_same(collection, copy));
        ck_assert(copy->version == 7 && copy->next_field_id == collection->next_field_id);
        for (size_t k = 0; k < copy->field_count; k++) ck_assert_uint_eq(copy->fields[k].id, collection->fields[k].id);
    }
}
END_TEST

/* Damage one member of a stored schema and read it. */
static vault_status read_damaged(const char *key, struct vt_value value)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_collection *copy;
    struct vt_value stored;
    ck_assert_ok(vt_collection_to_stored(&pool, applied(&pool, CARDS, NULL), &stored));
    for (size_t i = 0; i < stored.map.count; i++) {
        if (vt_bytes_equal_str(stored.map.pairs[i].key, key)) stored.map.pairs[i].value = value;
    }
    return vt_collection_from_stored(&pool, &stored, &copy);
}

START_TEST(a_damaged_stored_form_is_refused)
{
    struct vt_value items[] = {vt_value_int(1), vt_value_int(1)}, far_items[] = {vt_value_int(1), vt_value_int(3)};
    struct vt_value twice = {.kind = VT_VALUE_ARRAY, .array = {items, 2, 2}};
    struct vt_value beyond = {.kind = VT_VALUE_ARRAY, .array = {far_items, 2, 2}};
    struct vt_value too_few = {.kind = VT_VALUE_ARRAY, .array = {items, 1, 1}};
    ck_assert_status(read_damaged("format", vt_value_int(2)), VAULT_E_FORMAT);
    ck_assert_status(read_damaged("version", vt_value_int(0)), VAULT_E_CORRUPT);
    ck_assert_status(read_damaged("next_field_id", vt_value_int(70000)), VAULT_E_CORRUPT);
    ck_assert_status(read_damaged("field_ids", twice), VAULT_E_CORRUPT);
    ck_assert_status(read_damaged("field_ids", beyond), VAULT_E_CORRUPT);
    ck_assert_status(read_damaged("field_ids", too_few), VAULT_E_CORRUPT);
    ck_assert_status(read_damaged("schema", vt_value_str("x")), VAULT_E_CORRUPT);
    const struct vt_value nothing = VT_VALUE_INIT;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_collection *copy;
    ck_assert_status(vt_collection_from_stored(&pool, &nothing, &copy), VAULT_E_CORRUPT);
}
END_TEST

START_TEST(a_schema_without_memory_says_so)
{
    VT_AUTO(vt_pool) source = VT_POOL_INIT(POOL_MAX);
    struct vt_value schema;
    ck_assert_ok(vt_yaml_read(&source, vt_bytes_str(EVERYTHING), &schema, NULL));
    vault_status status = VAULT_E_MEMORY;
    size_t max = 0;
    for (; status == VAULT_E_MEMORY && max < 64 * 1024; max += 64) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(max);
        struct vt_collection *collection = NULL;
        status = vt_collection_parse(&pool, &schema, &collection, NULL);
        ck_assert(status == VAULT_OK || collection == NULL);
    }
    ck_assert_status(status, VAULT_OK);
    ck_assert_uint_gt(max, 64);
}
END_TEST

START_TEST(categories_have_letters_and_numbers)
{
    for (uint16_t number = 1; number <= VT_CATEGORY_MAX; number++) {
        const struct vt_category *category = vt_category_at(number);
        ck_assert_uint_eq(category->number, number);
        ck_assert_ptr_eq(vt_category_find(vt_bytes_str(category->id)), category);
        ck_assert(category->id[0] == (number <= 12 ? 'A' + number - 1 : 'U'));
        ck_assert(category->name != NULL && category->source != NULL && category->dpv != NULL &&
                  category->fideslang != NULL);
    }
    ck_assert_ptr_null(vt_category_at(0));
    ck_assert_ptr_null(vt_category_at(VT_CATEGORY_MAX + 1));
    ck_assert_ptr_null(vt_category_find(vt_bytes_str("AA")));
    ck_assert_ptr_null(vt_category_find(VT_BYTES_EMPTY));
}
END_TEST

VT_TEST_MAIN("schema/collection", a_schema_says_what_its_fields_are, defaults_are_one_record_one_subject_by_category,
             fields_of_two_subjects_have_a_side, a_schema_is_read_strictly, a_schema_with_a_security_code_is_refused,
             a_collection_has_at_most_256_fields, numbers_are_given_once_and_kept,
             applying_the_same_again_changes_nothing, what_rows_rest_on_cannot_change,
             options_may_widen_and_docs_may_change, field_numbers_end_with_a_limit,
             the_canonical_yaml_reads_back_as_the_same_schema, the_stored_form_keeps_numbers_and_version,
             a_damaged_stored_form_is_refused, a_schema_without_memory_says_so, categories_have_letters_and_numbers)
