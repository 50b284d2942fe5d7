#include "vaultd/remote/protocol.h"

#include "tests/support/suite.h"

static const struct vt_vault_id our_vault = {{0xAA, 1}};

static struct vt_remote_request request_of(enum vt_remote_op op)
{
    struct vt_remote_request request = {.op = op, .vault_id = our_vault, .incarnation = 3, .epoch = 77, .commit_number = 1 << 20};
    memset(request.attempt, 5, sizeof request.attempt);
    request.slot = (struct vt_keeper_slot){.state = VT_SLOT_PREPARED, .vault_id = our_vault, .incarnation = 3, .epoch = 78,
                                           .k = 2, .m = 3, .x = 1, .share_len = VT_KEEPER_SHARE_MAX};
    memset(request.slot.attempt, 6, sizeof request.slot.attempt);
    memset(request.slot.share, 7, sizeof request.slot.share);
    return request;
}

static void assert_same_slot(const struct vt_keeper_slot *a, const struct vt_keeper_slot *b)
{
    ck_assert_uint_eq(a->state, b->state);
    ck_assert_mem_eq(&a->vault_id, &b->vault_id, sizeof a->vault_id);
    ck_assert_uint_eq(a->incarnation, b->incarnation);
    ck_assert_uint_eq(a->epoch, b->epoch);
    ck_assert_mem_eq(a->attempt, b->attempt, VT_ATTEMPT_LEN);
    ck_assert(a->k == b->k && a->m == b->m && a->x == b->x);
    ck_assert_uint_eq(a->share_len, b->share_len);
    ck_assert_mem_eq(a->share, b->share, a->share_len);
}

static bool has_attempt(enum vt_remote_op op)
{
    return op == VT_REMOTE_FINALIZE || op == VT_REMOTE_ABORT;
}

static bool has_commit(enum vt_remote_op op)
{
    return op == VT_REMOTE_FINALIZE || op == VT_REMOTE_RAISE_FLOOR;
}

START_TEST(every_request_reads_back_as_what_was_asked)
{
    for (int op = 0; op < VT_REMOTE_OPS; op++) {
        VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REQUEST_MAX);
        const struct vt_remote_request asked = request_of((enum vt_remote_op)op);
        struct vt_remote_request read;
        int64_t id = -1;
        ck_assert_ok(vt_remote_write_request(&frame, 9, &asked));
        ck_assert_ok(vt_remote_read_request(vt_buf_bytes(&frame), &id, &read));
        ck_assert_int_eq(id, 9);
        ck_assert_int_eq(read.op, op);
        ck_assert_mem_eq(&read.vault_id, &our_vault, sizeof our_vault);
        if (has_attempt(asked.op)) ck_assert_mem_eq(read.attempt, asked.attempt, VT_ATTEMPT_LEN);
        if (has_commit(asked.op)) ck_assert_uint_eq(read.commit_number, asked.commit_number);
        if (has_attempt(asked.op) || has_commit(asked.op)) ck_assert_uint_eq(read.epoch, 77);
        if (asked.op == VT_REMOTE_PREPARE) assert_same_slot(&read.slot, &asked.slot);
    }
}
END_TEST

/* The frame of a request of which one thing is other than it should be. */
struct twist {
    const char *without;            /* a field that is left out */
    const char *changed;            /* a field that has this value */
    struct vt_value value;
    const char *added;              /* a field that no operation has */
    const char *method;
};

static void twist_value(struct vt_value *params, struct vt_pool *pool, const struct vt_pair *pair, const struct twist *twist)
{
    if (twist->without != NULL && vt_bytes_equal_str(pair->key, twist->without)) return;
    const bool is_changed = twist->changed != NULL && vt_bytes_equal_str(pair->key, twist->changed);
    ck_assert_ok(vt_value_put_new(pool, params, pair->key, is_changed ? twist->value : pair->value, NULL));
}

static vault_status read_twisted(enum vt_remote_op op, const struct twist *twist)
{
    VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REQUEST_MAX);
    VT_AUTO(vt_buf) twisted = VT_BUF_INIT(VT_REMOTE_REQUEST_MAX);
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    const struct vt_remote_request asked = request_of(op);
    struct vt_rpc_request rpc;
    struct vt_remote_request read;
    struct vt_value params = vt_value_map();
    int64_t id;
    ck_assert_ok(vt_remote_write_request(&frame, 9, &asked));
    ck_assert_ok(vt_rpc_read_request(&pool, vt_buf_bytes(&frame), &rpc, NULL));
    for (size_t i = 0; i < rpc.params->map.count; i++) twist_value(&params, &pool, &rpc.params->map.pairs[i], twist);
    if (twist->added != NULL) ck_assert_ok(vt_value_put(&pool, &params, twist->added, vt_value_int(1), NULL));
    ck_assert_ok(vt_rpc_write_request(&twisted, 9, twist->method != NULL ? twist->method : vt_remote_op_name(op), &params));
    const vault_status status = vt_remote_read_request(vt_buf_bytes(&twisted), &id, &read);
    ck_assert_int_eq(id, 9);
    return status;
}

START_TEST(a_request_without_one_of_its_fields_or_with_one_too_many_is_refused)
{
    for (int op = 0; op < VT_REMOTE_OPS; op++) {
        static const char *const FIELDS[] = {"vault", "incarnation", "epoch", "attempt", "commit", "k", "m", "x", "share"};
        unsigned refused = 0;
        for (size_t i = 0; i < VT_ARRAY_LEN(FIELDS); i++) {
            const vault_status status = read_twisted((enum vt_remote_op)op, &(struct twist){.without = FIELDS[i]});
            ck_assert(status == VAULT_OK || status == VAULT_E_ARGUMENT);
            refused += status != VAULT_OK;
        }
        static const unsigned COUNTS[VT_REMOTE_OPS] = {1, 1, 1, 8, 5, 4, 4};
        ck_assert_uint_eq(refused, COUNTS[op]);
        ck_assert_status(read_twisted((enum vt_remote_op)op, &(struct twist){.added = "more"}), VAULT_E_ARGUMENT);
    }
}
END_TEST

START_TEST(a_field_of_another_type_or_size_is_refused)
{
    static const uint8_t bytes[VT_KEEPER_SHARE_MAX + 1] = {1};
    const struct {
        const char *name;
        struct vt_value value;
    } cases[] = {
        {"vault", vt_value_bytes(vt_bytes(bytes, 15))},       {"vault", vt_value_bytes(vt_bytes(bytes, 17))},
        {"vault", vt_value_str("0123456789abcdef")},          {"incarnation", vt_value_int(-1)},
        {"incarnation", vt_value_uint(UINT64_MAX)},           {"epoch", vt_value_str("1")},
        {"attempt", vt_value_bytes(vt_bytes(bytes, 0))},      {"k", vt_value_int(256)},
        {"m", vt_value_int(-1)},                              {"x", VT_VALUE_INIT},
        {"share", vt_value_bytes(vt_bytes(bytes, 0))},        {"share", vt_value_bytes(vt_bytes(bytes, sizeof bytes))},
        {"share", vt_value_array()},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(cases); i++) {
        const struct twist twist = {.changed = cases[i].name, .value = cases[i].value};
        ck_assert_status(read_twisted(VT_REMOTE_PREPARE, &twist), VAULT_E_ARGUMENT);
    }
}
END_TEST

START_TEST(another_version_and_another_operation_are_named_as_such)
{
    const struct twist later = {.changed = "version", .value = vt_value_int(2)};
    ck_assert_status(read_twisted(VT_REMOTE_FLOOR, &later), VAULT_E_FORMAT);
    ck_assert_status(read_twisted(VT_REMOTE_FLOOR, &(struct twist){.without = "version"}), VAULT_E_FORMAT);
    ck_assert_status(read_twisted(VT_REMOTE_FLOOR, &(struct twist){.method = "keeper.floors"}), VAULT_E_UNSUPPORTED);
    ck_assert_status(read_twisted(VT_REMOTE_FLOOR, &(struct twist){.method = "vault.status"}), VAULT_E_UNSUPPORTED);
}
END_TEST

START_TEST(no_frame_of_a_request_is_read_beyond_what_it_has)
{
    for (int op = 0; op < VT_REMOTE_OPS; op++) {
        VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REQUEST_MAX);
        const struct vt_remote_request asked = request_of((enum vt_remote_op)op);
        ck_assert_ok(vt_remote_write_request(&frame, 9, &asked));
        for (size_t len = 0; len < frame.len; len++) {
            struct vt_remote_request read;
            int64_t id;
            ck_assert_int_ne(vt_remote_read_request(vt_bytes(frame.data, len), &id, &read), VAULT_OK);
        }
    }
}
END_TEST

START_TEST(a_number_past_what_the_protocol_carries_is_not_sent)
{
    VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REQUEST_MAX);
    struct vt_remote_request request = request_of(VT_REMOTE_RAISE_FLOOR);
    request.commit_number = UINT64_MAX;
    ck_assert_status(vt_remote_write_request(&frame, 1, &request), VAULT_E_ARGUMENT);
    ck_assert_uint_eq(frame.len, 0);
}
END_TEST

/* Results ----------------------------------------------------------------------------------------------------------- */

static void result_fill(struct vt_remote_result *result)
{
    result->keeper_id = 0x0123456789abcdef;
    memcpy(result->verifier_key, "vaultd-keeper/x", sizeof "vaultd-keeper/x");
    result->slot_count = VT_KEEPER_SLOTS;
    for (size_t i = 0; i < VT_KEEPER_SLOTS; i++) {
        result->slots[i] = request_of(VT_REMOTE_PREPARE).slot;
        result->slots[i].epoch = i + 1;
    }
    result->floor = (struct vt_keeper_floor){our_vault, 1, 2, 3};
    vt_buf_reset(&result->receipt);
    ck_assert_ok(vt_buf_append_str(&result->receipt, "a receipt\n"));
}

START_TEST(every_answer_reads_back_as_what_was_answered)
{
    for (int op = 0; op < VT_REMOTE_OPS; op++) {
        VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
        VT_AUTO(vt_remote_result) given = VT_REMOTE_RESULT_INIT;
        VT_AUTO(vt_remote_result) read = VT_REMOTE_RESULT_INIT;
        vault_status said = VAULT_E_KEEPER;
        result_fill(&given);
        ck_assert_ok(vt_remote_write_result(&frame, 4, (enum vt_remote_op)op, &given));
        ck_assert_ok(vt_remote_read_result(vt_buf_bytes(&frame), 4, (enum vt_remote_op)op, &said, &read));
        ck_assert_int_eq(said, VAULT_OK);
        if (op == VT_REMOTE_INFO) ck_assert_uint_eq(read.keeper_id, given.keeper_id);
        if (op == VT_REMOTE_INFO) ck_assert_str_eq(read.verifier_key, given.verifier_key);
        if (op == VT_REMOTE_READ) ck_assert_uint_eq(read.slot_count, VT_KEEPER_SLOTS);
        for (size_t i = 0; i < read.slot_count; i++) assert_same_slot(&read.slots[i], &given.slots[i]);
        if (op == VT_REMOTE_FLOOR) ck_assert_uint_eq(read.floor.commit_number, 3);
        if (op == VT_REMOTE_FINALIZE) ck_assert(vt_bytes_equal_str(vt_buf_bytes(&read.receipt), "a receipt\n"));
    }
}
END_TEST

START_TEST(an_answer_to_another_question_is_none)
{
    VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
    VT_AUTO(vt_remote_result) given = VT_REMOTE_RESULT_INIT;
    VT_AUTO(vt_remote_result) read = VT_REMOTE_RESULT_INIT;
    vault_status said;
    result_fill(&given);
    ck_assert_ok(vt_remote_write_result(&frame, 4, VT_REMOTE_FLOOR, &given));
    ck_assert_status(vt_remote_read_result(vt_buf_bytes(&frame), 5, VT_REMOTE_FLOOR, &said, &read), VAULT_E_PROTOCOL);
    for (int op = 0; op < VT_REMOTE_OPS; op++) {
        if (op == VT_REMOTE_FLOOR) continue;
        const enum vt_remote_op other = (enum vt_remote_op)op;
        ck_assert_status(vt_remote_read_result(vt_buf_bytes(&frame), 4, other, &said, &read), VAULT_E_PROTOCOL);
    }
}
END_TEST

START_TEST(what_a_keeper_refuses_keeps_its_status_and_no_refusal_is_a_success)
{
    for (int status = 1; status < 100; status++) {
        VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
        VT_AUTO(vt_remote_result) read = VT_REMOTE_RESULT_INIT;
        vault_status said = VAULT_OK;
        if (vault_status_from_number(status) == VAULT_E_PROTOCOL) continue;
        ck_assert_ok(vt_rpc_write_error(&frame, 4, &(struct vt_rpc_error){.status = (vault_status)status}));
        ck_assert_ok(vt_remote_read_result(vt_buf_bytes(&frame), 4, VT_REMOTE_ABORT, &said, &read));
        ck_assert_int_eq(said, status);
    }
    VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
    VT_AUTO(vt_remote_result) read = VT_REMOTE_RESULT_INIT;
    vault_status said = VAULT_E_KEEPER;
    ck_assert_ok(vt_rpc_write_error(&frame, 4, &(struct vt_rpc_error){.status = VAULT_OK}));
    ck_assert_status(vt_remote_read_result(vt_buf_bytes(&frame), 4, VT_REMOTE_ABORT, &said, &read), VAULT_E_PROTOCOL);
}
END_TEST

/* A hostile keeper: any byte of a good answer changed gives a refusal or a well-formed result, never more. */
START_TEST(an_answer_with_any_byte_changed_stays_within_its_bounds)
{
    static const enum vt_remote_op OPS[] = {VT_REMOTE_INFO, VT_REMOTE_READ, VT_REMOTE_FLOOR, VT_REMOTE_FINALIZE};
    for (size_t i = 0; i < VT_ARRAY_LEN(OPS); i++) {
        VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
        VT_AUTO(vt_remote_result) given = VT_REMOTE_RESULT_INIT;
        result_fill(&given);
        ck_assert_ok(vt_remote_write_result(&frame, 4, OPS[i], &given));
        for (size_t at = 0; at < frame.len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                VT_AUTO(vt_remote_result) read = VT_REMOTE_RESULT_INIT;
                vault_status said;
                frame.data[at] ^= (uint8_t)(1u << bit);
                const vault_status status = vt_remote_read_result(vt_buf_bytes(&frame), 4, OPS[i], &said, &read);
                ck_assert(status == VAULT_OK || status == VAULT_E_PROTOCOL || status == VAULT_E_MEMORY);
                ck_assert_uint_le(read.slot_count, VT_KEEPER_SLOTS);
                ck_assert_uint_le(read.receipt.len, VT_KEEPER_RECEIPT_MAX);
                for (size_t j = 0; j < read.slot_count; j++) ck_assert_uint_le(read.slots[j].share_len, VT_KEEPER_SHARE_MAX);
                frame.data[at] ^= (uint8_t)(1u << bit);
            }
        }
    }
}
END_TEST

static vault_status read_slots_of(const struct vt_keeper_slot *first, const struct vt_keeper_slot *second)
{
    VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
    VT_AUTO(vt_remote_result) given = VT_REMOTE_RESULT_INIT;
    VT_AUTO(vt_remote_result) read = VT_REMOTE_RESULT_INIT;
    vault_status said;
    given.slots[0] = *first;
    given.slots[1] = *second;
    given.slot_count = 2;
    ck_assert_ok(vt_remote_write_result(&frame, 4, VT_REMOTE_READ, &given));
    return vt_remote_read_result(vt_buf_bytes(&frame), 4, VT_REMOTE_READ, &said, &read);
}

START_TEST(slots_that_no_keeper_could_have_are_refused)
{
    const struct vt_keeper_slot good = request_of(VT_REMOTE_PREPARE).slot;
    struct vt_keeper_slot bad = good;
    ck_assert_ok(read_slots_of(&good, &good));
    bad.epoch = good.epoch - 1;                     /* not oldest first */
    ck_assert_status(read_slots_of(&good, &bad), VAULT_E_PROTOCOL);
    bad = good;
    bad.state = VT_SLOT_EMPTY;
    ck_assert_status(read_slots_of(&good, &bad), VAULT_E_PROTOCOL);
    bad = good;
    bad.k = 4;                                      /* of three */
    ck_assert_status(read_slots_of(&good, &bad), VAULT_E_PROTOCOL);
    bad = good;
    bad.x = 0;
    ck_assert_status(read_slots_of(&good, &bad), VAULT_E_PROTOCOL);
}
END_TEST

VT_TEST_MAIN("remote/protocol", every_request_reads_back_as_what_was_asked,
             a_request_without_one_of_its_fields_or_with_one_too_many_is_refused, a_field_of_another_type_or_size_is_refused,
             another_version_and_another_operation_are_named_as_such, no_frame_of_a_request_is_read_beyond_what_it_has,
             a_number_past_what_the_protocol_carries_is_not_sent, every_answer_reads_back_as_what_was_answered,
             an_answer_to_another_question_is_none, what_a_keeper_refuses_keeps_its_status_and_no_refusal_is_a_success,
             an_answer_with_any_byte_changed_stays_within_its_bounds, slots_that_no_keeper_could_have_are_refused)
