#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/pool.h"
#include "libvault/codec/csv.h"
#include "libvault/codec/limits.h"
#include "tests/support/suite.h"
#include "tests/unit/codec/random_tree.h"

/** What a reader delivered, as one text: cells in angle brackets, absent ones as [-], a record per line with its
 *  number and line in front. */
struct seen {
    struct vt_buf text;
    uint64_t fail_at;
};
static void seen_release(struct seen *seen)
{
    vt_buf_release(&seen->text);
}

static vault_status see(void *context, uint64_t number, uint64_t line, const struct vt_csv_cell *cells, size_t count)
{
    struct seen *seen = context;
    if (number == seen->fail_at) return VAULT_E_HELD;
    VT_TRY(vt_buf_printf(&seen->text, "%llu@%llu ", (unsigned long long)number, (unsigned long long)line));
    for (size_t i = 0; i < count; i++) {
        VT_TRY(vt_buf_append_str(&seen->text, cells[i].is_absent ? "[-" : "<"));
        VT_TRY(vt_buf_append(&seen->text, cells[i].text));
        VT_TRY(vt_buf_append_str(&seen->text, cells[i].is_absent ? "]" : ">"));
    }
    return vt_buf_append_str(&seen->text, "\n");
}

/* Feed in pieces of @p step bytes, each in memory of its own so that a reader which keeps a pointer is found out. */
static vault_status read_in_steps(struct vt_bytes file, size_t step, struct seen *seen, struct vt_err *err)
{
    VT_AUTO_PTR(vt_csv_reader) reader = NULL;
    ck_assert_ok(vt_csv_reader_new(see, seen, &reader));
    for (size_t at = 0; at < file.len; at += step) {
        const size_t len = VT_MIN(step, file.len - at);
        uint8_t *piece = malloc(len);
        ck_assert_ptr_nonnull(piece);
        memcpy(piece, file.data + at, len);
        const vault_status status = vt_csv_reader_feed(reader, vt_bytes(piece, len), err);
        free(piece);
        if (status != VAULT_OK) return status;
    }
    return vt_csv_reader_finish(reader, err);
}

/* The same result whatever the pieces. */
static void check_reads(const char *file, size_t len, const char *expected)
{
    for (size_t step = 1; step <= len + 1; step++) {
        VT_AUTO(seen) seen = {.text = VT_BUF_INIT(1 << 20)};
        struct vt_err err = {0};
        const vault_status status = read_in_steps(vt_bytes(file, len), step, &seen, &err);
        ck_assert_msg(status == VAULT_OK, "steps of %zu: %s", step, err.message);
        ck_assert_msg(vt_bytes_equal_str(vt_buf_bytes(&seen.text), expected), "steps of %zu: %.*s", step,
                      (int)seen.text.len, (const char *)seen.text.data);
    }
}
#define READS(file, expected) check_reads(file, sizeof(file) - 1, expected)

static void check_refused(const char *file, size_t len, const char *message)
{
    for (size_t step = 1; step <= len; step++) {
        VT_AUTO(seen) seen = {.text = VT_BUF_INIT(1 << 20)};
        struct vt_err err = {0};
        ck_assert_status(read_in_steps(vt_bytes(file, len), step, &seen, &err), VAULT_E_PARSE);
        ck_assert_str_eq(err.message, message);
    }
}
#define REFUSED(file, message) check_refused(file, sizeof(file) - 1, message)

/* Source: RFC 4180 section 2, rules 1 to 7, with its examples. */
START_TEST(the_rules_of_rfc_4180_are_read)
{
    READS("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n", "1@1 <aaa><bbb><ccc>\n2@2 <zzz><yyy><xxx>\n");
    READS("aaa,bbb,ccc\r\nzzz,yyy,xxx", "1@1 <aaa><bbb><ccc>\n2@2 <zzz><yyy><xxx>\n");
    READS("\"aaa\",\"bbb\",\"ccc\"\r\nzzz,yyy,xxx", "1@1 <aaa><bbb><ccc>\n2@2 <zzz><yyy><xxx>\n");
    READS("\"aaa\",\"b \r\nbb\",\"ccc\"\r\nzzz,yyy,xxx", "1@1 <aaa><b \r\nbb><ccc>\n2@3 <zzz><yyy><xxx>\n");
    READS("\"aaa\",\"b\"\"bb\",\"ccc\"", "1@1 <aaa><b\"bb><ccc>\n");
}
END_TEST

START_TEST(an_empty_cell_is_absent_and_an_empty_quoted_one_is_empty_text)
{
    READS("a,,\"\"\r\n,\r\n\"\"\r\n", "1@1 <a>[-]<>\n2@2 [-][-]\n3@3 <>\n");
    READS("a,", "1@1 <a>[-]\n");
    READS(",\"\"", "1@1 [-]<>\n");
}
END_TEST

START_TEST(an_empty_file_has_no_record_and_an_empty_line_is_one_absent_cell)
{
    READS("", "");
    READS("\r\n", "1@1 [-]\n");
    READS("a\r\n\r\nb\r\n\r\n", "1@1 <a>\n2@2 [-]\n3@3 <b>\n4@4 [-]\n");
}
END_TEST

START_TEST(spaces_belong_to_their_cell)
{
    READS(" a , b\t,\" c \"\r\n", "1@1 < a >< b\t>< c >\n");
}
END_TEST

START_TEST(every_kind_of_line_break_inside_quotes_is_content_and_counts_as_one_line)
{
    READS("\"1\n2\r3\r\n4\",x\r\ny\r\n", "1@1 <1\n2\r3\r\n4><x>\n2@5 <y>\n");
    READS("\"\r\n\r\n\n\r\r\"\r\nz", "1@1 <\r\n\r\n\n\r\r>\n2@7 <z>\n");
    READS("\"a\r\"\"\nb\"\nc", "1@1 <a\r\"\nb>\n2@4 <c>\n");
    /* U+0085, U+2028, vertical tab and form feed are text like any other */
    READS("a\xc2\x85"
          "b,c\xe2\x80\xa8"
          "d,\v,\f\r\ne",
          "1@1 <a\xc2\x85"
          "b><c\xe2\x80\xa8"
          "d><\v><\f>\n2@2 <e>\n");
}
END_TEST

START_TEST(records_end_in_crlf_or_lf_mixed_or_in_cr_throughout)
{
    READS("a\nb\r\nc\n", "1@1 <a>\n2@2 <b>\n3@3 <c>\n");
    READS("a,b\rc,d\r", "1@1 <a><b>\n2@2 <c><d>\n");
    READS("a,b\rc,\"d\r\n\"", "1@1 <a><b>\n2@2 <c><d\r\n>\n");
    READS("\"a\"\r\"b\"\r\r", "1@1 <a>\n2@2 <b>\n3@3 [-]\n");
}
END_TEST

START_TEST(a_line_break_of_another_kind_is_refused_since_it_may_belong_to_a_cell)
{
    REFUSED("a,b\r\nc\rd,e\r\n", "Line 2: a line break is not of the kind that ends the first record.");
    REFUSED("a,b\nc,d\r", "Line 2: a line break is not of the kind that ends the first record.");
    REFUSED("a,b\rc,d\n", "Line 2: a line break is not of the kind that ends the first record.");
    REFUSED("a,b\rc,d\r\n", "Line 2: a line break is not of the kind that ends the first record.");
}
END_TEST

START_TEST(stray_quotes_are_refused_with_their_line)
{
    REFUSED("a\"b\r\n", "Line 1: a quote stands inside an unquoted cell.");
    REFUSED("x\r\n\"l\nl\",a \"b\"\r\n", "Line 3: a quote stands inside an unquoted cell.");
    REFUSED("\"a\"b\r\n", "Line 1: text follows a closing quote.");
    REFUSED("\"a\" ,b\r\n", "Line 1: text follows a closing quote.");
    REFUSED("a\r\n\"b\nc", "Line 3: the file ends inside a quoted cell.");
    REFUSED("\"", "Line 1: the file ends inside a quoted cell.");
}
END_TEST

START_TEST(nul_and_invalid_utf8_are_refused_with_their_line)
{
    REFUSED("a\r\nb\0c\r\n", "Line 2: a NUL byte.");
    REFUSED("a\r\n\"b\n\0\"\r\n", "Line 3: a NUL byte.");
    REFUSED("\0", "Line 1: a NUL byte.");
    REFUSED("a\r\nx,\xc3(\r\n", "Line 2: a cell is not valid UTF-8.");
    REFUSED("a\r\n\"x\n\",\"l\nl\n\xed\xa0\x80\"\r\n", "Line 3: a cell is not valid UTF-8.");
    REFUSED("a,\xe2\x82,\xac\r\n", "Line 1: a cell is not valid UTF-8.");
    REFUSED("last\xff", "Line 1: a cell is not valid UTF-8.");
}
END_TEST

START_TEST(a_utf8_mark_is_skipped_at_the_start_and_nowhere_else)
{
    READS("\xef\xbb\xbf"
          "a,b\r\n",
          "1@1 <a><b>\n");
    READS("\xef\xbb\xbf\"a\"\r\n", "1@1 <a>\n");
    READS("\xef\xbb\xbf", "");
    READS("\xef\xbb\xbf\xef\xbb\xbf"
          "a",
          "1@1 <\xef\xbb\xbf"
          "a>\n");
    READS("\xef\xbb\x80\r\n", "1@1 <\xef\xbb\x80>\n"); /* U+FEC0 begins like the mark */
    READS("a,\xef\xbb\xbf\r\n", "1@1 <a><\xef\xbb\xbf>\n");
    REFUSED("\xef\xbb", "Line 1: a cell is not valid UTF-8.");
    REFUSED("\xef", "Line 1: a cell is not valid UTF-8.");
}
END_TEST

START_TEST(a_failing_consumer_stops_the_parse_and_its_status_comes_back)
{
    VT_AUTO(seen) seen = {.text = VT_BUF_INIT(1 << 20), .fail_at = 2};
    VT_AUTO_PTR(vt_csv_reader) reader = NULL;
    struct vt_err err = {.message = "untouched"};
    ck_assert_ok(vt_csv_reader_new(see, &seen, &reader));
    ck_assert_status(vt_csv_reader_feed(reader, vt_bytes_str("a\r\nb\r\nc\r\n"), &err), VAULT_E_HELD);
    ck_assert_str_eq(err.message, "untouched");
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&seen.text), "1@1 <a>\n"));
    ck_assert_status(vt_csv_reader_feed(reader, vt_bytes_str("d\r\n"), &err), VAULT_E_HELD);
    ck_assert_status(vt_csv_reader_finish(reader, &err), VAULT_E_HELD);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&seen.text), "1@1 <a>\n"));
}
END_TEST

static vault_status count_cells(void *context, uint64_t number, uint64_t line, const struct vt_csv_cell *cells,
                                size_t count)
{
    (void)number;
    (void)line;
    size_t *total = context;
    for (size_t i = 0; i < count; i++) *total += 1 + cells[i].text.len;
    return VAULT_OK;
}

static vault_status read_counting(struct vt_bytes file, size_t *out_total, struct vt_err *err)
{
    VT_AUTO_PTR(vt_csv_reader) reader = NULL;
    *out_total = 0;
    ck_assert_ok(vt_csv_reader_new(count_cells, out_total, &reader));
    VT_TRY(vt_csv_reader_feed(reader, file, err));
    return vt_csv_reader_finish(reader, err);
}

static void append_many(struct vt_buf *out, char character, size_t count)
{
    uint8_t *space;
    ck_assert_ok(vt_buf_reserve(out, count, &space));
    memset(space, character, count);
    vt_buf_commit(out, count);
}

START_TEST(the_longest_cell_is_read_and_one_byte_more_is_refused)
{
    for (int is_quoted = 0; is_quoted < 2; is_quoted++) {
        VT_AUTO(vt_buf) file = VT_BUF_INIT(1 << 20);
        struct vt_err err = {0};
        size_t total;
        if (is_quoted) append_many(&file, '"', 1);
        append_many(&file, 'x', VT_LIMIT_CSV_CELL_BYTES);
        if (is_quoted) append_many(&file, '"', 1);
        ck_assert_ok(read_counting(vt_buf_bytes(&file), &total, &err));
        ck_assert_uint_eq(total, 1 + VT_LIMIT_CSV_CELL_BYTES);
        if (is_quoted) vt_buf_truncate(&file, file.len - 1);
        append_many(&file, 'x', 1);
        if (is_quoted) append_many(&file, '"', 1);
        ck_assert_status(read_counting(vt_buf_bytes(&file), &total, &err), VAULT_E_TOO_LARGE);
        ck_assert_str_eq(err.message, "Line 1: a cell is too long.");
    }
}
END_TEST

START_TEST(the_widest_record_is_read_and_one_column_more_is_refused)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(1 << 20);
    struct vt_err err = {0};
    size_t total;
    append_many(&file, ',', VT_LIMIT_CSV_COLUMNS - 1);
    ck_assert_ok(read_counting(vt_buf_bytes(&file), &total, &err));
    ck_assert_uint_eq(total, VT_LIMIT_CSV_COLUMNS);
    append_many(&file, ',', 1);
    ck_assert_status(read_counting(vt_buf_bytes(&file), &total, &err), VAULT_E_TOO_LARGE);
    ck_assert_str_eq(err.message, "Line 1: the record has too many columns.");
}
END_TEST

START_TEST(the_longest_record_is_read_and_one_byte_more_is_refused)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(4 << 20);
    struct vt_err err = {0};
    size_t total;
    ck_assert_ok(vt_buf_append_str(&file, "header\r\n"));
    for (size_t left = VT_LIMIT_IMPORT_LINE_BYTES; left != 0; left -= VT_LIMIT_CSV_CELL_BYTES) {
        append_many(&file, 'x', VT_LIMIT_CSV_CELL_BYTES);
        append_many(&file, ',', 1);
    }
    ck_assert_ok(read_counting(vt_buf_bytes(&file), &total, &err));
    append_many(&file, 'x', 1);
    ck_assert_status(read_counting(vt_buf_bytes(&file), &total, &err), VAULT_E_TOO_LARGE);
    ck_assert_str_eq(err.message, "Line 2: the record is too long.");
}
END_TEST

#ifdef VT_FAULTS
START_TEST(wherever_memory_runs_out_the_reader_refuses_cleanly)
{
    bool has_fired = true;
    for (unsigned nth = 1; has_fired; nth++) {
        VT_AUTO_PTR(vt_csv_reader) reader = NULL;
        VT_AUTO(vt_buf) file = VT_BUF_INIT(1 << 20);
        size_t total = 0;
        append_many(&file, 'x', 5000);
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        vault_status status = vt_csv_reader_new(count_cells, &total, &reader);
        if (status == VAULT_OK) status = vt_csv_reader_feed(reader, vt_buf_bytes(&file), NULL);
        if (status == VAULT_OK) status = vt_csv_reader_finish(reader, NULL);
        has_fired = vt_fault_disarm();
        ck_assert_status(status, has_fired ? VAULT_E_MEMORY : VAULT_OK);
        ck_assert_uint_eq(total, has_fired ? 0 : 5001);
    }
}
END_TEST
#endif

static void check_writes(const char *text, const char *expected)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(256);
    ck_assert_ok(vt_csv_write_cell(&out, (struct vt_csv_cell){.text = vt_bytes_str(text)}, true));
    ck_assert_msg(vt_bytes_equal_str(vt_buf_bytes(&out), expected), "%.*s", (int)out.len, (const char *)out.data);
}

START_TEST(quotes_are_written_only_where_needed)
{
    check_writes("plain text", "plain text");
    check_writes(" spaces ", " spaces ");
    check_writes("", "\"\"");
    check_writes("a,b", "\"a,b\"");
    check_writes("a\nb", "\"a\nb\"");
    check_writes("a\rb", "\"a\rb\"");
    check_writes("\"", "\"\"\"\"");
    check_writes("say \"hi\" twice \"\"", "\"say \"\"hi\"\" twice \"\"\"\"\"");
    check_writes("\xef\xbb\xbf"
                 "mark",
                 "\"\xef\xbb\xbf"
                 "mark\"");
}
END_TEST

START_TEST(a_record_is_written_with_commas_between_and_crlf_behind)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(256);
    ck_assert_ok(vt_csv_write_cell(&out, (struct vt_csv_cell){.is_absent = true}, true));
    ck_assert_ok(vt_csv_write_cell(&out, (struct vt_csv_cell){.text = vt_bytes_str("")}, false));
    ck_assert_ok(vt_csv_write_cell(&out, (struct vt_csv_cell){.text = vt_bytes_str("x")}, false));
    ck_assert_ok(vt_csv_write_end(&out));
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&out), ",\"\",x\r\n"));
}
END_TEST

START_TEST(what_the_reader_would_refuse_is_not_written)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_FRAME_BYTES), small = VT_BUF_INIT(3), large = VT_BUF_INIT(1 << 20);
    append_many(&large, 'x', VT_LIMIT_CSV_CELL_BYTES + 1);
    ck_assert_status(vt_csv_write_cell(&out, (struct vt_csv_cell){.text = vt_bytes("a\0", 2)}, false),
                     VAULT_E_INVALID_VALUE);
    ck_assert_status(vt_csv_write_cell(&out, (struct vt_csv_cell){.text = vt_bytes_str("\xff")}, false),
                     VAULT_E_INVALID_VALUE);
    ck_assert_status(vt_csv_write_cell(&out, (struct vt_csv_cell){.text = vt_buf_bytes(&large)}, false),
                     VAULT_E_TOO_LARGE);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_status(vt_csv_write_cell(&small, (struct vt_csv_cell){.text = vt_bytes_str("a,b")}, false),
                     VAULT_E_TOO_LARGE);
    ck_assert_uint_eq(small.len, 0);
    vt_buf_truncate(&large, VT_LIMIT_CSV_CELL_BYTES);
    ck_assert_ok(vt_csv_write_cell(&out, (struct vt_csv_cell){.text = vt_buf_bytes(&large)}, true));
}
END_TEST

/* The first characters that a spreadsheet takes for a formula, and the guard itself. */
START_TEST(the_formula_guard_is_put_on_and_taken_off_exactly_once)
{
    static const char *const guarded[] = {"=1+1",
                                          "+1",
                                          "-1",
                                          "@x",
                                          "\tx",
                                          "\rx",
                                          "\nx",
                                          "'quoted",
                                          "'",
                                          ("\xef\xbc\x9d"
                                           "1"),
                                          "\xef\xbc\x8b",
                                          "\xef\xbc\x8d",
                                          "\xef\xbc\xa0"};
    static const char *const plain[] = {"", "a=1", " =1", "1", "\xef\xbc\x91", "\"=1"};
    for (size_t i = 0; i < VT_ARRAY_LEN(guarded); i++) {
        VT_AUTO(vt_buf) out = VT_BUF_INIT(64);
        VT_AUTO(seen) seen = {.text = VT_BUF_INIT(256)};
        const struct vt_csv_cell cell = {.text = vt_bytes_str(guarded[i])};
        char expected[64];
        ck_assert(vt_csv_needs_guard(cell.text));
        ck_assert_ok(vt_csv_write_guarded(&out, cell, true));
        ck_assert_ok(read_in_steps(vt_buf_bytes(&out), out.len, &seen, NULL));
        snprintf(expected, sizeof expected, "1@1 <'%s>\n", guarded[i]);
        ck_assert(vt_bytes_equal_str(vt_buf_bytes(&seen.text), expected));
        snprintf(expected, sizeof expected, "'%s", guarded[i]);
        ck_assert(vt_bytes_equal_str(vt_csv_unguard(vt_bytes_str(expected)), guarded[i]));
    }
    for (size_t i = 0; i < VT_ARRAY_LEN(plain); i++) {
        VT_AUTO(vt_buf) bare = VT_BUF_INIT(64), out = VT_BUF_INIT(64);
        const struct vt_csv_cell cell = {.text = vt_bytes_str(plain[i])};
        ck_assert(!vt_csv_needs_guard(cell.text));
        ck_assert_ok(vt_csv_write_cell(&bare, cell, true));
        ck_assert_ok(vt_csv_write_guarded(&out, cell, true));
        ck_assert(vt_bytes_equal(vt_buf_bytes(&bare), vt_buf_bytes(&out)));
        ck_assert(vt_bytes_equal_str(vt_csv_unguard(cell.text), plain[i]));
    }
}
END_TEST

START_TEST(an_absent_cell_stays_absent_under_the_guard)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(64);
    ck_assert_ok(vt_csv_write_guarded(&out, (struct vt_csv_cell){.is_absent = true}, false));
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&out), ","));
}
END_TEST

/** Records written and waited for, in order. */
struct expected {
    const struct vt_csv_cell *cells;
    size_t at, columns;
    bool is_same;
};

static vault_status compare_cells(void *context, uint64_t number, uint64_t line, const struct vt_csv_cell *cells,
                                  size_t count)
{
    struct expected *expected = context;
    (void)number;
    (void)line;
    expected->is_same = expected->is_same && count == expected->columns;
    for (size_t i = 0; i < count && expected->is_same; i++) {
        const struct vt_csv_cell *wanted = &expected->cells[expected->at++];
        expected->is_same = cells[i].is_absent == wanted->is_absent && vt_bytes_equal(cells[i].text, wanted->text);
    }
    return VAULT_OK;
}

START_TEST(random_records_read_back_as_written)
{
    enum { COLUMNS = 5, CELLS = COLUMNS * 40 };
    for (uint64_t seed = 1; seed <= 200; seed++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 24);
        VT_AUTO(vt_buf) file = VT_BUF_INIT(1 << 24);
        struct random random = {seed};
        struct vt_csv_cell cells[CELLS];
        for (size_t i = 0; i < CELLS; i++) {
            struct vt_value value;
            do value = random_tree(&pool, &random, 1);
            while (value.kind != VT_VALUE_TEXT);
            const bool is_absent = value.bytes.len != 0 && random_next(&random) % 4 == 0;
            cells[i] = (struct vt_csv_cell){.text = is_absent ? vt_bytes_str("") : value.bytes, .is_absent = is_absent};
            ck_assert_ok(vt_csv_write_cell(&file, cells[i], i % COLUMNS == 0));
            if (i % COLUMNS == COLUMNS - 1) ck_assert_ok(vt_csv_write_end(&file));
        }
        struct expected expected = {.cells = cells, .columns = COLUMNS, .is_same = true};
        VT_AUTO_PTR(vt_csv_reader) reader = NULL;
        ck_assert_ok(vt_csv_reader_new(compare_cells, &expected, &reader));
        ck_assert_ok(vt_csv_reader_feed(reader, vt_buf_bytes(&file), NULL));
        ck_assert_ok(vt_csv_reader_finish(reader, NULL));
        ck_assert_msg(expected.is_same && expected.at == CELLS, "seed %u", (unsigned)seed);
    }
}
END_TEST

VT_TEST_MAIN("codec/csv", the_rules_of_rfc_4180_are_read, an_empty_cell_is_absent_and_an_empty_quoted_one_is_empty_text,
             an_empty_file_has_no_record_and_an_empty_line_is_one_absent_cell, spaces_belong_to_their_cell,
             every_kind_of_line_break_inside_quotes_is_content_and_counts_as_one_line,
             records_end_in_crlf_or_lf_mixed_or_in_cr_throughout,
             a_line_break_of_another_kind_is_refused_since_it_may_belong_to_a_cell,
             stray_quotes_are_refused_with_their_line, nul_and_invalid_utf8_are_refused_with_their_line,
             a_utf8_mark_is_skipped_at_the_start_and_nowhere_else,
             a_failing_consumer_stops_the_parse_and_its_status_comes_back,
             the_longest_cell_is_read_and_one_byte_more_is_refused,
             the_widest_record_is_read_and_one_column_more_is_refused,
             the_longest_record_is_read_and_one_byte_more_is_refused,
#ifdef VT_FAULTS
             wherever_memory_runs_out_the_reader_refuses_cleanly,
#endif
             quotes_are_written_only_where_needed, a_record_is_written_with_commas_between_and_crlf_behind,
             what_the_reader_would_refuse_is_not_written, the_formula_guard_is_put_on_and_taken_off_exactly_once,
             an_absent_cell_stays_absent_under_the_guard, random_records_read_back_as_written)
