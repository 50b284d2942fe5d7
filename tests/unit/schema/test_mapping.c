#include "libvault/codec/json.h"
#include "libvault/schema/collection.h"
#include "libvault/schema/mapping.h"
#include "tests/support/suite.h"

enum { POOL_MAX = 8 * 1024 * 1024, CELLS_MAX = 8 };

static const char PEOPLE[] = "name: people\n"
                             "subject: id\n"
                             "columns:\n"
                             "  given: profile.given_name\n"
                             "  card: cards.number\n"
                             "  Expiry Date: cards.expiry\n"
                             "  tags: {field: profile.tags, as: json}\n"
                             "ignore: [remarks]\n";

static struct vt_mapping *parsed(struct vt_pool *pool, const char *yaml)
{
    struct vt_mapping *mapping = NULL;
    struct vt_err err = {0};
    const vault_status status = vt_mapping_read_yaml(pool, vt_bytes_str(yaml), &mapping, &err);
    ck_assert_msg(status == VAULT_OK, "%s: %s", vault_status_code(status), err.message);
    return mapping;
}

/* Cells from texts: NULL is an absent one. */
static size_t cells_of(const char *const *texts, struct vt_csv_cell *out_cells)
{
    size_t count = 0;
    static const char END[] = "<end>";
    for (; texts[count] == NULL || strcmp(texts[count], END) != 0; count++) {
        out_cells[count] = (struct vt_csv_cell){texts[count] == NULL ? VT_BYTES_EMPTY : vt_bytes_str(texts[count]),
                                                texts[count] == NULL};
    }
    return count;
}
#define CELLS(cells, ...) cells_of((const char *const[]){__VA_ARGS__, "<end>"}, cells)

static struct vt_mapping_plan *bound(struct vt_pool *pool, const struct vt_mapping *mapping)
{
    struct vt_csv_cell cells[CELLS_MAX];
    const size_t count = CELLS(cells, "remarks", "id", "given", "card", "Expiry Date", "tags");
    struct vt_mapping_plan *plan = NULL;
    struct vt_err err = {0};
    vt_json_init();
    const vault_status status = vt_mapping_bind(pool, mapping, cells, count, &plan, &err);
    ck_assert_msg(status == VAULT_OK, "%s", err.message);
    return plan;
}

START_TEST(a_row_becomes_a_record_per_collection)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_csv_cell cells[CELLS_MAX];
    struct vt_mapped_row row;
    const struct vt_mapping_plan *plan = bound(&pool, parsed(&pool, PEOPLE));
    const size_t count = CELLS(cells, "x", "sub-1 ", "Ada", "4111111111111111", "01/30", "[1,{\"a\":null}]");
    ck_assert_ok(vt_mapping_apply(plan, cells, count, &pool, &row, NULL));
    ck_assert(vt_bytes_equal_str(row.external_ids[0], "sub-1 "));
    ck_assert_uint_eq(row.record_count, 2);
    ck_assert(vt_bytes_equal_str(row.records[0].collection, "profile"));
    ck_assert(vt_bytes_equal_str(row.records[1].collection, "cards"));
    ck_assert_uint_eq(row.records[0].fields.map.count, 2);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&row.records[1].fields, "expiry"), "01/30"));
    ck_assert_int_eq(vt_value_get(&row.records[0].fields, "tags")->kind, VT_VALUE_ARRAY);
}
END_TEST

START_TEST(absent_cells_leave_fields_and_records_out)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_csv_cell cells[CELLS_MAX];
    struct vt_mapped_row row;
    const struct vt_mapping_plan *plan = bound(&pool, parsed(&pool, PEOPLE));
    ck_assert_ok(vt_mapping_apply(plan, cells, CELLS(cells, "x", "a", NULL, NULL, "01/30", NULL), &pool, &row, NULL));
    ck_assert_uint_eq(row.record_count, 1);
    ck_assert(vt_bytes_equal_str(row.records[0].collection, "cards"));
    ck_assert_uint_eq(row.records[0].fields.map.count, 1);
    ck_assert_ok(vt_mapping_apply(plan, cells, CELLS(cells, "x", "a", NULL, NULL, NULL, NULL), &pool, &row, NULL));
    ck_assert_uint_eq(row.record_count, 0);
}
END_TEST

START_TEST(a_quoted_empty_cell_is_text_unless_the_mapping_says_absent)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) yaml = VT_BUF_INIT(4096);
    struct vt_csv_cell cells[CELLS_MAX];
    struct vt_mapped_row row;
    const size_t count = CELLS(cells, "x", "a", "", NULL, NULL, NULL);
    ck_assert_ok(vt_mapping_apply(bound(&pool, parsed(&pool, PEOPLE)), cells, count, &pool, &row, NULL));
    ck_assert_uint_eq(row.record_count, 1);
    ck_assert_uint_eq(vt_value_get_text(&row.records[0].fields, "given_name").len, 0);
    ck_assert_ok(vt_buf_printf(&yaml, "%squoted_empty: absent\n%c", PEOPLE, 0));
    const struct vt_mapping_plan *plan = bound(&pool, parsed(&pool, (const char *)yaml.data));
    ck_assert_ok(vt_mapping_apply(plan, cells, count, &pool, &row, NULL));
    ck_assert_uint_eq(row.record_count, 0);
}
END_TEST

/* Import of a guarded package takes exactly one off. */
START_TEST(a_guarded_file_loses_exactly_one_guard)
{
    static const char *const ROWS[][2] = {{"'=1+1", "=1+1"}, {"''", "'"}, {"'''", "''"}, {"Ada", "Ada"}, {"'", ""}};
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) yaml = VT_BUF_INIT(4096);
    ck_assert_ok(vt_buf_printf(&yaml, "%sguarded: true\n%c", PEOPLE, 0));
    const struct vt_mapping_plan *plan = bound(&pool, parsed(&pool, (const char *)yaml.data));
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        struct vt_csv_cell cells[CELLS_MAX];
        struct vt_mapped_row row;
        ck_assert_ok(
            vt_mapping_apply(plan, cells, CELLS(cells, "x", "'=id", ROWS[i][0], NULL, NULL, NULL), &pool, &row, NULL));
        ck_assert(vt_bytes_equal_str(row.external_ids[0], "=id"));
        ck_assert(vt_bytes_equal_str(vt_value_get_text(&row.records[0].fields, "given_name"), ROWS[i][1]));
    }
    struct vt_csv_cell cells[CELLS_MAX];
    struct vt_mapped_row row;
    const size_t count = CELLS(cells, "x", "'id", "'=1", NULL, NULL, NULL);
    ck_assert_ok(vt_mapping_apply(bound(&pool, parsed(&pool, PEOPLE)), cells, count, &pool, &row, NULL));
    ck_assert(vt_bytes_equal_str(row.external_ids[0], "'id"));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&row.records[0].fields, "given_name"), "'=1"));
}
END_TEST

START_TEST(a_bad_row_names_its_column_and_not_its_value)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_csv_cell cells[CELLS_MAX];
    struct vt_mapped_row row;
    struct vt_err err = {0};
    char long_id[300];
    memset(long_id, 'x', sizeof long_id);
    long_id[257] = 0;
    const struct vt_mapping_plan *plan = bound(&pool, parsed(&pool, PEOPLE));
    size_t count = CELLS(cells, "x", "a", NULL, NULL, NULL, "{secret");
    ck_assert_status(vt_mapping_apply(plan, cells, count, &pool, &row, &err), VAULT_E_PARSE);
    ck_assert_str_eq(err.field, "tags");
    ck_assert_ptr_null(strstr(err.message, "secret"));
    ck_assert_status(vt_mapping_apply(plan, cells, 5, &pool, &row, &err), VAULT_E_PARSE);
    count = CELLS(cells, "x", NULL, "Ada", NULL, NULL, NULL);
    ck_assert_status(vt_mapping_apply(plan, cells, count, &pool, &row, &err), VAULT_E_ARGUMENT);
    count = CELLS(cells, "x", "", "Ada", NULL, NULL, NULL);
    ck_assert_status(vt_mapping_apply(plan, cells, count, &pool, &row, &err), VAULT_E_ARGUMENT);
    count = CELLS(cells, "x", long_id, "Ada", NULL, NULL, NULL);
    ck_assert_status(vt_mapping_apply(plan, cells, count, &pool, &row, &err), VAULT_E_ARGUMENT);
    long_id[256] = 0;
    count = CELLS(cells, "x", long_id, "Ada", NULL, NULL, NULL);
    ck_assert_ok(vt_mapping_apply(plan, cells, count, &pool, &row, &err));
}
END_TEST

START_TEST(a_header_must_fit_the_mapping)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_mapping *mapping = parsed(&pool, PEOPLE);
    struct vt_mapping_plan *plan = NULL;
    struct vt_csv_cell cells[CELLS_MAX];
    struct vt_err err = {0};
    size_t count = CELLS(cells, "id", "given", "card", "Expiry Date");
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "no column tags"));
    count = CELLS(cells, "given", "card", "Expiry Date", "tags");
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "no column id"));
    count = CELLS(cells, "id", "given", "card", "Expiry Date", "tags", "id");
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "twice"));
    count = CELLS(cells, "id", "given", "card", "Expiry Date", "tags", "ada@example.com");
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_ARGUMENT);
    ck_assert_str_eq(err.message, "Column 6 of the file is neither mapped nor ignored; name it in the mapping.");
    count = CELLS(cells, "id", "given", "card", "Expiry Date", "tags", NULL);
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_ARGUMENT);
    ck_assert_ptr_null(plan);
    count = CELLS(cells, "id", "given", "card", "Expiry Date", "tags");
    ck_assert_ok(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err));
}
END_TEST

START_TEST(a_header_in_the_wrong_words_or_with_another_separator_is_told_so)
{
    static const char TABS[] = "id\tgiven", SEMICOLONS[] = "id;given";
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_mapping *mapping = parsed(&pool, "name: m\nsubject: id\ncolumns: {given: profile.given_name}\n");
    struct vt_mapping_plan *plan = NULL;
    struct vt_csv_cell cells[CELLS_MAX];
    struct vt_err err = {0};
    size_t count = CELLS(cells, "customer", "given");
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_ARGUMENT);
    ck_assert_str_eq(err.message, "The file has no column id, which the mapping names.");
    count = CELLS(cells, SEMICOLONS);
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "one column with a semicolon in it"));
    count = CELLS(cells, TABS);
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "one column with a tab in it"));
    count = CELLS(cells, "name");
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_ARGUMENT);
    ck_assert_str_eq(err.message, "The file has no column id, which the mapping names.");
    ck_assert_ptr_null(plan);
}
END_TEST

/* A security code never gets past the reader of the file, unless it is dropped by name. */
START_TEST(a_column_of_security_codes_is_refused_or_ignored)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_mapping *mapping = parsed(&pool, "name: m\nsubject: id\ncolumns: {given: profile.given_name}\n");
    struct vt_mapping_plan *plan = NULL;
    struct vt_csv_cell cells[CELLS_MAX];
    struct vt_err err = {0};
    const size_t count = CELLS(cells, "id", "given", "Card CVV");
    ck_assert_status(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err), VAULT_E_REFUSED_TYPE);
    ck_assert_ptr_nonnull(strstr(err.message, "PCI DSS"));
    mapping = parsed(&pool, "name: m\nsubject: id\ncolumns: {given: profile.given_name}\nignore: [Card CVV]\n");
    ck_assert_ok(vt_mapping_bind(&pool, mapping, cells, count, &plan, &err));
}
END_TEST

START_TEST(a_mapping_is_read_strictly)
{
    static const struct {
        const char *yaml, *why;
        vault_status status;
    } ROWS[] = {
        {"[]", "map", VAULT_E_ARGUMENT},
        {"name: m", "subject", VAULT_E_ARGUMENT},
        {"name: M\nsubject: id", "name", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\nsubjects: {a: x, b: y}", "Either", VAULT_E_ARGUMENT},
        {"name: m\nsubject: [id]", "external id", VAULT_E_ARGUMENT},
        {"name: m\nsubjects: {a: x}", "two sides", VAULT_E_ARGUMENT},
        {"name: m\nsubjects: {a: x, b: x}", "two sides", VAULT_E_ARGUMENT},
        {"name: m\nsubjects: {a: x, B: y}", "two sides", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id", "columns", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {}", "columns", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: [a]", "columns", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b}", "collection.field", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b.C}", "collection.field", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b.c.d}", "collection.field", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: 7}", "collection.field", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: {as: json}}", "collection.field", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: {field: b.c, as: xml}}", "text or json", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: {field: b.c, to: d}}", "key to", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b.c, d: b.c}", "Two columns", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b.c}\nignore: a", "list", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b.c}\nignore: [a]", "ignored", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b.c}\nignore: [id]", "ignored", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b.c}\nignore: [x, x]", "ignored", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b.c}\nquoted_empty: maybe", "text or absent", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: b.c}\nguarded: 1", "true or false", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {cvv: b.c}", "PCI DSS", VAULT_E_REFUSED_TYPE},
        {"name: m\nsubject: id\ncolumns: {a: b.cvv2}", "PCI DSS", VAULT_E_REFUSED_TYPE},
        {"name: m\nsubject: id\nskip: 1\ncolumns: {a: b.c}", "Line 3: The key skip", VAULT_E_ARGUMENT},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
        struct vt_mapping *mapping = NULL;
        struct vt_err err = {0};
        const vault_status status = vt_mapping_read_yaml(&pool, vt_bytes_str(ROWS[i].yaml), &mapping, &err);
        ck_assert_msg(status == ROWS[i].status, "%s gave %s", ROWS[i].yaml, vault_status_code(status));
        ck_assert_msg(strstr(err.message, ROWS[i].why) != NULL, "%s: %s", ROWS[i].yaml, err.message);
        ck_assert_int_eq(err.message[strlen(err.message) - 1], '.');
        ck_assert_ptr_null(mapping);
    }
}
END_TEST

struct catalogue {
    struct vt_collection *collections[2];
};

static const struct vt_collection *lookup(void *context, struct vt_bytes name)
{
    const struct catalogue *catalogue = context;
    for (size_t i = 0; i < 2; i++) {
        if (vt_bytes_equal(catalogue->collections[i]->name, name)) return catalogue->collections[i];
    }
    return NULL;
}

START_TEST(a_mapping_is_checked_against_the_schemas)
{
    static const struct {
        const char *yaml, *why;
        vault_status status;
    } ROWS[] = {
        {"name: m\nsubject: id\ncolumns: {a: profile.given_name}", "", VAULT_OK},
        {"name: m\nsubjects: {caller: x, callee: y}\ncolumns: {a: calls.at}", "", VAULT_OK},
        {"name: m\nsubject: id\ncolumns: {a: cards.number}", "no collection cards", VAULT_E_NOT_FOUND},
        {"name: m\nsubject: id\ncolumns: {a: profile.given_name, b: profile.mail}", "no field mail",
         VAULT_E_UNKNOWN_FIELD},
        {"name: m\nsubject: id\ncolumns: {a: profile.email}", "requires field given_name", VAULT_E_ARGUMENT},
        {"name: m\nsubject: id\ncolumns: {a: calls.at}", "two subjects", VAULT_E_ARGUMENT},
        {"name: m\nsubjects: {caller: x, callee: y}\ncolumns: {a: profile.given_name}", "one subject",
         VAULT_E_ARGUMENT},
        {"name: m\nsubjects: {callee: x, caller: y}\ncolumns: {a: calls.at}", "in this order", VAULT_E_ARGUMENT},
    };
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct catalogue catalogue;
    ck_assert_ok(
        vt_collection_read_yaml(&pool,
                                vt_bytes_str("name: profile\nfields:\n"
                                             "  - {name: given_name, type: name, category: A, required: true}\n"
                                             "  - {name: email, type: email, category: A}\n"),
                                &catalogue.collections[0], NULL));
    ck_assert_ok(vt_collection_read_yaml(&pool,
                                         vt_bytes_str("name: calls\ncardinality: many\nsubjects: two\n"
                                                      "sides: [caller, callee]\n"
                                                      "fields: [{name: at, type: datetime, category: F}]\n"),
                                         &catalogue.collections[1], NULL));
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        struct vt_err err = {0};
        const vault_status status = vt_mapping_check(parsed(&pool, ROWS[i].yaml), lookup, &catalogue, &err);
        ck_assert_msg(status == ROWS[i].status, "%s gave %s", ROWS[i].yaml, vault_status_code(status));
        ck_assert_msg(strstr(err.message, ROWS[i].why) != NULL, "%s: %s", ROWS[i].yaml, err.message);
    }
}
END_TEST

static vault_status parse_text(struct vt_pool *pool, const char *yaml, struct vt_mapping **out_mapping)
{
    return vt_mapping_read_yaml(pool, vt_bytes_str(yaml), out_mapping, NULL);
}

START_TEST(a_mapping_says_whether_rows_add_and_where_their_times_are)
{
    struct vt_pool pool = VT_POOL_INIT(1 << 20);
    struct vt_mapping *mapping = NULL;
    ck_assert_ok(parse_text(&pool, "{name: m, subject: id, columns: {a: c.a}, existing: add, created: t, updated: u}", &mapping));
    ck_assert(mapping->adds_to_existing);
    ck_assert(vt_bytes_equal_str(mapping->created_column, "t"));
    ck_assert_status(parse_text(&pool, "{name: m, subject: id, columns: {a: c.a}, existing: merge}", &mapping), VAULT_E_ARGUMENT);
    ck_assert_status(parse_text(&pool, "{name: m, subject: id, columns: {a: c.a}, created: a}", &mapping), VAULT_E_ARGUMENT);
    ck_assert_status(parse_text(&pool, "{name: m, subject: id, columns: {a: c.a}, created: t, ignore: [t]}", &mapping),
                     VAULT_E_ARGUMENT);
    ck_assert_status(parse_text(&pool, "{name: m, subjects: {x: p, y: q}, columns: {a: c.a}, existing: add}", &mapping),
                     VAULT_E_ARGUMENT);
    vt_pool_release(&pool);
}
END_TEST

START_TEST(a_row_that_is_a_map_is_read_like_a_row_of_cells)
{
    struct vt_pool pool = VT_POOL_INIT(1 << 20);
    struct vt_mapping *mapping = NULL;
    struct vt_mapped_row mapped;
    struct vt_value row = vt_value_map();
    ck_assert_ok(parse_text(&pool, "{name: m, subject: id, columns: {a: c.a, b: c.b}, created: t, guarded: true, ignore: [x]}",
                            &mapping));
    ck_assert_ok(vt_value_put(&pool, &row, "b", vt_value_int(7), NULL));
    ck_assert_ok(vt_value_put(&pool, &row, "a", vt_value_str("'=1"), NULL));
    ck_assert_ok(vt_value_put(&pool, &row, "id", vt_value_str("p-1"), NULL));
    ck_assert_ok(vt_value_put(&pool, &row, "t", vt_value_str("1970-01-01T00:00:01Z"), NULL));
    ck_assert_ok(vt_value_put(&pool, &row, "x", vt_value_str("left out"), NULL));
    ck_assert_ok(vt_mapping_apply_map(mapping, &row, &pool, &mapped, NULL));
    ck_assert(vt_bytes_equal_str(mapped.external_ids[0], "p-1"));
    ck_assert_int_eq(mapped.created_at_ms, 1000);
    ck_assert_uint_eq(mapped.record_count, 1);
    ck_assert(vt_bytes_equal_str(vt_value_get_text(&mapped.records[0].fields, "a"), "=1"));
    ck_assert_int_eq(vt_value_get_int(&mapped.records[0].fields, "b", 0), 7);
    struct vt_value *time = (struct vt_value *)(uintptr_t)vt_value_get(&row, "t");
    *time = vt_value_str("yesterday");
    ck_assert_status(vt_mapping_apply_map(mapping, &row, &pool, &mapped, NULL), VAULT_E_INVALID_VALUE);
    *time = vt_value_int(1000);
    ck_assert_status(vt_mapping_apply_map(mapping, &row, &pool, &mapped, NULL), VAULT_E_TYPE);
    *time = VT_VALUE_INIT;
    ck_assert_ok(vt_value_put(&pool, &row, "y", vt_value_str("unknown"), NULL));
    ck_assert_status(vt_mapping_apply_map(mapping, &row, &pool, &mapped, NULL), VAULT_E_UNKNOWN_FIELD);
    vt_pool_release(&pool);
}
END_TEST

VT_TEST_MAIN("schema/mapping", a_row_becomes_a_record_per_collection, absent_cells_leave_fields_and_records_out,
             a_quoted_empty_cell_is_text_unless_the_mapping_says_absent, a_guarded_file_loses_exactly_one_guard,
             a_bad_row_names_its_column_and_not_its_value, a_header_must_fit_the_mapping,
             a_header_in_the_wrong_words_or_with_another_separator_is_told_so,
             a_column_of_security_codes_is_refused_or_ignored, a_mapping_is_read_strictly,
             a_mapping_is_checked_against_the_schemas,
             a_mapping_says_whether_rows_add_and_where_their_times_are, a_row_that_is_a_map_is_read_like_a_row_of_cells)
