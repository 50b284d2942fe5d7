#include "libvault/codec/msgpack.h"
#include "libvault/schema/collection.h"
#include "libvault/schema/command.h"
#include "libvault/schema/mapping.h"
#include "tests/support/suite.h"
#include "tools/bench/driver.h"

enum { ROOM = 1 << 20 };
static struct vt_pool pool = VT_POOL_INIT(16 << 20);
static struct bench_world world;
static struct bench_random random_state;

static void fresh_world(void)
{
    vt_pool_reset(&pool);
    vt_buf_release(&world.tokens);
    world = (struct bench_world){.run = "0123456789abcdef", .value_size = 40, .template_name = "bench-text",
                                 .purpose = "testing", .tokens = VT_BUF_INIT(ROOM), .subjects = 100,
                                 .credential = vt_bytes_str("vsk_secret")};
    random_state.state = 7;
    ck_assert_ok(vt_buf_append_str(&world.tokens, "tok_aaaatok_bbbb"));
    world.token_len = 8;
}

/* The params of a written call, when it is one whole frame that the command table accepts. */
static struct vt_value *accepted(const struct vt_buf *out, const char *method, int64_t msgid)
{
    static struct vt_value frame;
    struct vt_err err = {0};
    ck_assert_ok(vt_msgpack_read(&pool, vt_buf_bytes(out), &frame, &err));
    ck_assert_int_eq(frame.kind, VT_VALUE_ARRAY);
    ck_assert_uint_eq(frame.array.count, 4);
    ck_assert_int_eq(frame.array.items[0].integer, 0);
    ck_assert_int_eq(frame.array.items[1].integer, msgid);
    ck_assert(vt_bytes_equal_str(frame.array.items[2].bytes, method));
    const struct vt_command *command = vt_command_find(frame.array.items[2].bytes);
    ck_assert_ptr_nonnull(command);
    const vault_status status = vt_command_validate(command, &frame.array.items[3], &err);
    ck_assert_msg(status == VAULT_OK, "%s: %s %s", method, err.field, err.message);
    return &frame.array.items[3];
}

static struct vt_value *write_one(const char *op, uint32_t items, const char *method)
{
    static struct vt_buf out = VT_BUF_INIT(ROOM);
    vt_buf_reset(&out);
    const struct bench_call call = {.op = (uint32_t)bench_op_find(&bench_vaultd, op), .items = items, .msgid = 9};
    ck_assert_ok(bench_vaultd.write_call(&world, &random_state, &call, &out));
    return accepted(&out, method, 9);
}

START_TEST(the_command_table_accepts_every_call_single_and_in_batches)
{
    static const struct {
        const char *op, *method, *one, *many;
    } ops[] = {{"tokenize", "token.create", "value", "values"},
               {"detokenize", "token.reveal", "token", "tokens"},
               {"shred", "subject.shred", "subject", "subjects"}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ops); i++) {
        fresh_world();
        ck_assert_ptr_nonnull(vt_value_get(write_one(ops[i].op, 1, ops[i].method), ops[i].one));
        const struct vt_value *many = vt_value_get(write_one(ops[i].op, 3, ops[i].method), ops[i].many);
        ck_assert_ptr_nonnull(many);
        ck_assert_uint_eq(many->array.count, 3);
    }
    ck_assert_ptr_nonnull(vt_value_get(write_one("create", 1, "subject.create"), "records"));
    ck_assert_uint_eq(vt_value_get(write_one("import", 3, "record.import"), "rows")->array.count, 3);
}
END_TEST

static struct vt_collection *collection_of_step(uint32_t step)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(ROOM);
    struct vt_collection *collection = NULL;
    struct vt_err err = {0};
    ck_assert_ok(bench_vaultd.write_setup(step, 1, &out));
    const struct vt_bytes yaml = vt_value_get_text(accepted(&out, "schema.apply", 1), "schema");
    const struct vt_bytes kept = vt_pool_copy(&pool, yaml);
    const vault_status status = vt_collection_read_yaml(&pool, kept, &collection, &err);
    ck_assert_msg(status == VAULT_OK, "step %u: %s %s", step, err.field, err.message);
    return collection;
}

START_TEST(the_person_it_makes_obeys_the_schema_it_applies)
{
    fresh_world();
    struct vt_collection *people = collection_of_step(1);
    struct vt_err err = {0};
    ck_assert_ok(vt_collection_apply(people, NULL, &err));
    const struct vt_value *records = vt_value_get(write_one("create", 1, "subject.create"), "records");
    const struct vt_value *person = vt_value_get(records, "bench-people");
    ck_assert_ptr_nonnull(person);
    ck_assert_uint_eq(person->map.count, people->field_count);
    struct vt_value stored;
    const struct vt_record_rules rules = {.now_ms = 1782864000000};
    const vault_status status = vt_record_validate(people, person, &rules, &pool, &stored, &err);
    ck_assert_msg(status == VAULT_OK, "%s %s", err.field, err.message);
    ck_assert_int_eq(__builtin_popcount(vt_collection_categories(people)), 3);
}
END_TEST

START_TEST(a_value_obeys_the_field_of_its_template)
{
    static const char *const names[][2] = {{"bench-text", "text"}, {"bench-card", "card"}, {"bench-same", "text"}};
    for (size_t i = 0; i < VT_ARRAY_LEN(names); i++) {
        fresh_world();
        struct vt_collection *values = collection_of_step(0);
        struct vt_err err = {0};
        ck_assert_ok(vt_collection_apply(values, NULL, &err));
        world.template_name = names[i][0];
        for (int n = 0; n < 100; n++) {
            struct vt_value stored, record = vt_value_map();
            const struct vt_value *value = vt_value_get(write_one("tokenize", 1, "token.create"), "value");
            ck_assert_ok(vt_value_put(&pool, &record, names[i][1], *value, NULL));
            const struct vt_record_rules rules = {.now_ms = 1782864000000};
            const vault_status status = vt_record_validate(values, &record, &rules, &pool, &stored, &err);
            ck_assert_msg(status == VAULT_OK, "%s: %s %s", names[i][0], err.field, err.message);
        }
    }
}
END_TEST

START_TEST(an_import_maps_every_column_it_sends)
{
    fresh_world();
    struct vt_value *params = write_one("import", 2, "record.import");
    struct vt_mapping *mapping = NULL;
    struct vt_err err = {0};
    ck_assert_ok(vt_mapping_parse(&pool, vt_value_get(params, "mapping"), &mapping, &err));
    const struct vt_value *row = &vt_value_get(params, "rows")->array.items[1];
    ck_assert_uint_eq(row->map.count, mapping->column_count + 1);
    ck_assert_ptr_nonnull(vt_value_get_bytes(row, mapping->subject_columns[0]));
    for (size_t i = 0; i < mapping->column_count; i++)
        ck_assert_ptr_nonnull(vt_value_get_bytes(row, mapping->columns[i].column));
}
END_TEST

START_TEST(imports_do_not_overlap_and_go_on_where_the_last_ended)
{
    fresh_world();
    ck_assert_int_eq(vt_value_get_int(write_one("import", 3, "record.import"), "first_record", 0), 1);
    ck_assert_int_eq(vt_value_get_int(write_one("import", 3, "record.import"), "first_record", 0), 4);
    ck_assert_uint_eq(world.next_subject, 6);
}
END_TEST

START_TEST(each_prepared_subject_is_shredded_once_and_then_nothing_is_left)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(ROOM);
    fresh_world();
    world.subjects = 2;
    const struct bench_call call = {.op = (uint32_t)bench_op_find(&bench_vaultd, "shred"), .items = 1};
    const struct vt_bytes first = vt_value_get_text(write_one("shred", 1, "subject.shred"), "subject");
    ck_assert(vt_bytes_equal_str(first, "0123456789abcdef-0"));
    const struct vt_bytes second = vt_value_get_text(write_one("shred", 1, "subject.shred"), "subject");
    ck_assert(vt_bytes_equal_str(second, "0123456789abcdef-1"));
    ck_assert_status(bench_vaultd.write_call(&world, &random_state, &call, &out), VAULT_E_NOT_FOUND);
}
END_TEST

START_TEST(without_prepared_tokens_there_is_nothing_to_detokenize)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(ROOM);
    fresh_world();
    world.token_len = 0;
    const struct bench_call call = {.op = (uint32_t)bench_op_find(&bench_vaultd, "detokenize"), .items = 1};
    ck_assert_status(bench_vaultd.write_call(&world, &random_state, &call, &out), VAULT_E_NOT_FOUND);
}
END_TEST

START_TEST(the_login_and_every_setup_step_are_accepted_and_end)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(ROOM);
    fresh_world();
    ck_assert_ok(bench_vaultd.write_login(&world, 5, &out));
    ck_assert(vt_bytes_equal_str(vt_value_get_text(accepted(&out, "auth.login", 5), "credential"), "vsk_secret"));
    vt_buf_reset(&out);
    ck_assert_ok(bench_vaultd.write_setup(2, 1, &out));
    ck_assert_uint_ne(vt_value_get_text(accepted(&out, "template.apply", 1), "template").len, 0);
    ck_assert_status(bench_vaultd.write_setup(3, 1, &out), VAULT_E_NOT_FOUND);
}
END_TEST

/* ---- replies ---- */

static vault_status read_reply(struct vt_bytes input, bool keep, struct bench_reply *out_reply)
{
    static struct vt_pool scratch = VT_POOL_INIT(16 << 20);
    return bench_vaultd.read_reply(&world, &scratch, input, keep, out_reply);
}

/* [1, msgid, nil, {list: [{key: value}, {status: .., message: ..}]}] */
static void build_list_reply(struct vt_buf *out, const char *list, const char *key, const char *value)
{
    ck_assert_ok(vt_msgpack_write_array(out, 4));
    ck_assert_ok(vt_msgpack_write_uint(out, 1));
    ck_assert_ok(vt_msgpack_write_uint(out, 77));
    ck_assert_ok(vt_msgpack_write_nil(out));
    ck_assert_ok(vt_msgpack_write_map(out, 1));
    ck_assert_ok(vt_msgpack_write_text(out, vt_bytes_str(list)));
    ck_assert_ok(vt_msgpack_write_array(out, 2));
    ck_assert_ok(vt_msgpack_write_map(out, 1));
    ck_assert_ok(vt_msgpack_write_text(out, vt_bytes_str(key)));
    ck_assert_ok(vt_msgpack_write_text(out, vt_bytes_str(value)));
    ck_assert_ok(vt_msgpack_write_map(out, 2));
    ck_assert_ok(vt_msgpack_write_text(out, vt_bytes_str("status")));
    ck_assert_ok(vt_msgpack_write_text(out, vt_bytes_str("not-found")));
    ck_assert_ok(vt_msgpack_write_text(out, vt_bytes_str("message")));
    ck_assert_ok(vt_msgpack_write_text(out, vt_bytes_str("No such object.")));
}

START_TEST(a_failed_item_counts_alone_and_a_whole_failure_for_all)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(ROOM);
    struct bench_reply reply;
    fresh_world();
    build_list_reply(&out, "values", "value", "x");
    ck_assert_ok(read_reply(vt_buf_bytes(&out), false, &reply));
    ck_assert_uint_eq(reply.len, out.len);
    ck_assert_uint_eq(reply.msgid, 77);
    ck_assert_uint_eq(reply.failed_items, 1);
    ck_assert_str_eq(reply.error, "not-found: No such object.");

    static const uint8_t refused[] = {0x94, 1, 3, 0x81, 0xa6, 's', 't', 'a', 't', 'u', 's', 0xa4, 'b', 'u', 's', 'y', 0xc0};
    ck_assert_ok(read_reply(VT_BYTES_OF(refused), false, &reply));
    ck_assert_uint_eq(reply.failed_items, UINT32_MAX);
    ck_assert_str_eq(reply.error, "busy: ");
}
END_TEST

START_TEST(tokens_are_kept_while_preparing_only)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(ROOM);
    struct bench_reply reply;
    fresh_world();
    build_list_reply(&out, "tokens", "token", "tok_cccc");
    ck_assert_ok(read_reply(vt_buf_bytes(&out), false, &reply));
    ck_assert_uint_eq(world.tokens.len, 16);
    ck_assert_ok(read_reply(vt_buf_bytes(&out), true, &reply));
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&world.tokens), "tok_aaaatok_bbbbtok_cccc"));
}
END_TEST

START_TEST(a_token_of_another_length_is_refused)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(ROOM);
    struct bench_reply reply;
    fresh_world();
    build_list_reply(&out, "tokens", "token", "tok_longer");
    ck_assert_status(read_reply(vt_buf_bytes(&out), true, &reply), VAULT_E_PROTOCOL);
}
END_TEST

START_TEST(half_a_reply_waits_and_what_is_no_reply_is_refused)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(ROOM);
    struct bench_reply reply;
    fresh_world();
    build_list_reply(&out, "values", "value", "x");
    for (size_t cut = 0; cut < out.len; cut++)
        ck_assert_status(read_reply(vt_bytes(out.data, cut), false, &reply), VAULT_E_CONFLICT);
    static const uint8_t request[] = {0x94, 0, 3, 0xa1, 'x', 0x80}, three[] = {0x93, 1, 3, 0xc0};
    static const uint8_t negative[] = {0x94, 1, 0xff, 0xc0, 0x80};
    ck_assert_status(read_reply(VT_BYTES_OF(request), false, &reply), VAULT_E_PROTOCOL);
    ck_assert_status(read_reply(VT_BYTES_OF(three), false, &reply), VAULT_E_PROTOCOL);
    ck_assert_status(read_reply(VT_BYTES_OF(negative), false, &reply), VAULT_E_PROTOCOL);
}
END_TEST

VT_TEST_MAIN("bench/vaultd", the_command_table_accepts_every_call_single_and_in_batches,
             the_person_it_makes_obeys_the_schema_it_applies, a_value_obeys_the_field_of_its_template,
             an_import_maps_every_column_it_sends, imports_do_not_overlap_and_go_on_where_the_last_ended,
             each_prepared_subject_is_shredded_once_and_then_nothing_is_left,
             without_prepared_tokens_there_is_nothing_to_detokenize,
             the_login_and_every_setup_step_are_accepted_and_end,
             a_failed_item_counts_alone_and_a_whole_failure_for_all, tokens_are_kept_while_preparing_only,
             a_token_of_another_length_is_refused, half_a_reply_waits_and_what_is_no_reply_is_refused)
