/* What vt_audit_verify() must notice: one test per way in which a log can lie. */
#include "tests/unit/audit/log_fixture.h"

static struct log_fixture fixture;

static vault_status verify(struct log_fixture *log, struct vt_audit_report *out_report)
{
    struct vt_txn *txn;
    ck_assert_ok(vt_txn_begin_read(log->store, &txn));
    const vault_status status = vt_audit_verify(txn, &log->verifier, 1, out_report);
    vt_txn_abort(txn);
    return status;
}

static void assert_sound(struct log_fixture *log, uint64_t signed_entries)
{
    struct vt_audit_report report;
    const struct vt_merkle_hash root = log_expected_root(log, log->count);
    ck_assert_ok(verify(log, &report));
    ck_assert_int_eq(report.fault, VT_AUDIT_SOUND);
    ck_assert_uint_eq(report.entries, log->count);
    ck_assert_uint_eq(report.signed_entries, signed_entries);
    ck_assert(vt_merkle_hash_equal(&report.root, &root));
}

static void assert_fault(struct log_fixture *log, enum vt_audit_fault fault, uint64_t sequence)
{
    struct vt_audit_report report;
    ck_assert_status(verify(log, &report), VAULT_E_CORRUPT);
    ck_assert_str_eq(vt_audit_fault_name(report.fault), vt_audit_fault_name(fault));
    ck_assert_uint_eq(report.bad_sequence, sequence);
}

static void get(struct log_fixture *log, enum vt_table table, struct vt_bytes key, struct vt_buf *out_value)
{
    struct vt_txn *txn;
    struct vt_bytes value;
    vt_buf_reset(out_value);
    ck_assert_ok(vt_txn_begin_read(log->store, &txn));
    ck_assert_ok(vt_store_get(txn, table, key, &value));
    ck_assert_ok(vt_buf_append(out_value, value));
    vt_txn_abort(txn);
}

static void set(struct log_fixture *log, enum vt_table table, struct vt_bytes key, const struct vt_buf *value)
{
    const struct vt_bytes bytes = vt_buf_bytes(value);
    log_tamper(log, table, key, &bytes);
}

/* Flip each bit of a value in turn: none may pass. */
static void assert_flips_noticed(struct log_fixture *log, enum vt_table table, struct vt_bytes key)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(65536);
    get(log, table, key, &value);
    for (size_t i = 0; i < value.len; i++) {
        struct vt_audit_report report;
        const uint8_t flip = (uint8_t)(1 << i % 8);
        value.data[i] ^= flip;
        set(log, table, key, &value);
        ck_assert_msg(verify(log, &report) == VAULT_E_CORRUPT, "byte %zu of table %d", i, (int)table);
        ck_assert_int_ne(report.fault, VT_AUDIT_SOUND);
        value.data[i] ^= flip;
    }
    set(log, table, key, &value);
    assert_sound(log, log->count);
}

START_TEST(an_empty_log_is_sound_signed_or_not)
{
    log_fixture_init(&fixture);
    assert_sound(&fixture, 0);
    log_checkpoint(&fixture);
    assert_sound(&fixture, 0);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_sound_log_is_found_sound_and_the_signed_part_is_told)
{
    log_fixture_init(&fixture);
    log_grow(&fixture, 700);
    assert_sound(&fixture, 0);
    log_checkpoint(&fixture);
    assert_sound(&fixture, 700);
    log_grow(&fixture, 5);
    assert_sound(&fixture, 700);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(every_flipped_byte_of_every_row_is_noticed)
{
    log_fixture_init(&fixture);
    log_grow(&fixture, 9);
    log_checkpoint(&fixture);
    for (uint64_t sequence = 0; sequence < 9; sequence++) {
        uint8_t key[8];
        vt_put_u64(key, sequence);
        assert_flips_noticed(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(key));
    }
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(every_flipped_byte_of_the_checkpoint_is_noticed)
{
    log_fixture_init(&fixture);
    log_grow(&fixture, 9);
    log_checkpoint(&fixture);
    assert_flips_noticed(&fixture, VT_TABLE_META, vt_bytes_str(VT_AUDIT_CHECKPOINT_KEY));
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(every_flipped_byte_of_every_node_is_noticed)
{
    static const uint8_t nodes[][9] = {
        {8, 0, 0, 0, 0, 0, 0, 0, 0}, {8, 0, 0, 0, 0, 0, 0, 0, 1}, {9, 0, 0, 0, 0, 0, 0, 0, 0}};
    log_fixture_init(&fixture);
    log_grow(&fixture, 520);
    log_checkpoint(&fixture);
    for (size_t i = 0; i < VT_ARRAY_LEN(nodes); i++) {
        assert_flips_noticed(&fixture, VT_TABLE_AUDIT_NODE, VT_BYTES_OF(nodes[i]));
    }
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_deleted_leaf_is_noticed_wherever_it_was)
{
    for (uint64_t sequence = 0; sequence < 9; sequence++) {
        uint8_t key[8];
        vt_put_u64(key, sequence);
        log_fixture_init(&fixture);
        log_grow(&fixture, 9);
        log_checkpoint(&fixture);
        log_tamper(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(key), NULL);
        assert_fault(&fixture, sequence == 8 ? VT_AUDIT_FAULT_TRUNCATED : VT_AUDIT_FAULT_SEQUENCE, sequence);
        log_fixture_release(&fixture);
    }
}
END_TEST

START_TEST(swapped_leaves_are_noticed)
{
    VT_AUTO(vt_buf) a = VT_BUF_INIT(4096);
    VT_AUTO(vt_buf) b = VT_BUF_INIT(4096);
    static const uint8_t third[8] = {0, 0, 0, 0, 0, 0, 0, 3}, fifth[8] = {0, 0, 0, 0, 0, 0, 0, 5};
    log_fixture_init(&fixture);
    log_grow(&fixture, 9);
    log_checkpoint(&fixture);
    get(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(third), &a);
    get(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(fifth), &b);
    set(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(third), &b);
    set(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(fifth), &a);
    assert_fault(&fixture, VT_AUDIT_FAULT_SEQUENCE, 3);
    /* Renumbered to fit their new places, they still are not what was signed. */
    vt_put_u64(a.data + 13, 5);
    vt_put_u64(b.data + 13, 3);
    set(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(third), &b);
    set(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(fifth), &a);
    assert_fault(&fixture, VT_AUDIT_FAULT_ROOT, 9);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_truncated_tail_is_noticed_even_when_the_nodes_go_with_it)
{
    log_fixture_init(&fixture);
    log_grow(&fixture, 300);
    log_checkpoint(&fixture);
    for (uint64_t sequence = 299; sequence >= 250; sequence--) {
        uint8_t key[8];
        vt_put_u64(key, sequence);
        log_tamper(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(key), NULL);
    }
    assert_fault(&fixture, VT_AUDIT_FAULT_NODE, 250);
    static const uint8_t node[9] = {8};
    log_tamper(&fixture, VT_TABLE_AUDIT_NODE, VT_BYTES_OF(node), NULL);
    assert_fault(&fixture, VT_AUDIT_FAULT_TRUNCATED, 250);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_forged_leaf_at_the_end_is_noticed_once_it_is_signed_over)
{
    VT_AUTO(vt_buf) row = VT_BUF_INIT(4096);
    static const uint8_t last[8] = {0, 0, 0, 0, 0, 0, 0, 4};
    log_fixture_init(&fixture);
    log_grow(&fixture, 5);
    log_checkpoint(&fixture);
    get(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(last), &row);
    row.data[7] ^= 1;           /* the status: a refusal becomes a success */
    set(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(last), &row);
    assert_fault(&fixture, VT_AUDIT_FAULT_ROOT, 5);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_missing_node_and_a_stray_one_are_noticed)
{
    static const uint8_t first[9] = {8}, stray[][9] = {{8, 0, 0, 0, 0, 0, 0, 0, 1}, {7}, {9}, {64}, {0}};
    static const uint8_t some[32] = {1};
    const struct vt_bytes hash = VT_BYTES_OF(some);
    for (size_t i = 0; i < VT_ARRAY_LEN(stray); i++) {
        log_fixture_init(&fixture);
        log_grow(&fixture, 300);
        log_checkpoint(&fixture);
        log_tamper(&fixture, VT_TABLE_AUDIT_NODE, VT_BYTES_OF(stray[i]), &hash);
        assert_fault(&fixture, VT_AUDIT_FAULT_NODE, 300);
        log_fixture_release(&fixture);
    }
    log_fixture_init(&fixture);
    log_grow(&fixture, 300);
    log_tamper(&fixture, VT_TABLE_AUDIT_NODE, VT_BYTES_OF(first), NULL);
    assert_fault(&fixture, VT_AUDIT_FAULT_NODE, 255);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_row_under_a_key_that_is_none_is_noticed)
{
    static const uint8_t short_key[3] = {0, 0, 1}, far[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct vt_bytes keys[] = {VT_BYTES_OF(short_key), VT_BYTES_OF(far)};
    const struct vt_bytes value = VT_BYTES_OF(short_key);
    for (size_t i = 0; i < 2; i++) {
        log_fixture_init(&fixture);
        log_grow(&fixture, 3);
        log_tamper(&fixture, VT_TABLE_AUDIT, keys[i], &value);
        assert_fault(&fixture, VT_AUDIT_FAULT_SEQUENCE, 0);
        log_fixture_release(&fixture);
    }
}
END_TEST

START_TEST(a_checkpoint_by_another_key_is_noticed)
{
    const struct vt_key other_seed = {{0x77}};
    const struct vt_note_signer other = {LOG_SIGNER.name, &other_seed};
    struct vt_txn *txn;
    log_fixture_init(&fixture);
    log_grow(&fixture, 3);
    ck_assert_ok(vt_txn_begin_write(fixture.store, &txn));
    ck_assert_ok(vt_audit_checkpoint(fixture.audit, txn, &other, NULL));
    ck_assert_ok(vt_txn_commit(txn));
    assert_fault(&fixture, VT_AUDIT_FAULT_CHECKPOINT, 0);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_walk_in_steps_checks_what_was_there_when_it_began_while_the_log_grows)
{
    struct vt_audit_walk *walk;
    struct vt_txn *txn;
    bool is_done = false;
    unsigned steps = 0;
    log_fixture_init(&fixture);
    log_grow(&fixture, 600);
    log_checkpoint(&fixture);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    ck_assert_ok(vt_audit_walk_begin(txn, &fixture.verifier, 1, &walk));
    vt_txn_abort(txn);
    ck_assert_uint_eq(vt_audit_walk_total(walk), 600);
    for (; !is_done; steps++) {
        log_grow(&fixture, 40);
        ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
        ck_assert_ok(vt_audit_walk_step(walk, txn, 100, &is_done));
        vt_txn_abort(txn);
    }
    ck_assert_uint_eq(steps, 6);
    ck_assert_int_eq(vt_audit_walk_report(walk)->fault, VT_AUDIT_SOUND);
    ck_assert_uint_eq(vt_audit_walk_report(walk)->entries, 600);
    ck_assert_uint_eq(vt_audit_walk_report(walk)->signed_entries, 600);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    ck_assert_ok(vt_audit_walk_step(walk, txn, 100, &is_done));
    ck_assert(is_done);
    vt_txn_abort(txn);
    vt_audit_walk_free(walk);
    log_fixture_release(&fixture);
}
END_TEST

/* Exported logs: the same rows and the note, no store. ------------------------------------------------------------- */

struct exported {
    struct vt_buf bytes[16];
    struct vt_bytes rows[16];
    struct vt_buf note;
    size_t count;
};

static vault_status export_row(void *context, const struct vt_audit_entry *entry)
{
    struct exported *exported = context;
    struct vt_buf *bytes = &exported->bytes[exported->count];
    *bytes = VT_BUF_INIT(4096);
    VT_TRY(vt_buf_append(bytes, entry->row));
    exported->rows[exported->count++] = vt_buf_bytes(bytes);
    return VAULT_OK;
}

static void export_log(struct log_fixture *log, struct exported *exported)
{
    struct vt_txn *txn;
    struct vt_bytes note;
    memset(exported, 0, sizeof *exported);
    exported->note = VT_BUF_INIT(4096);
    ck_assert_ok(vt_txn_begin_read(log->store, &txn));
    ck_assert_ok(vt_audit_each(txn, 0, UINT64_MAX, export_row, exported));
    ck_assert_ok(vt_audit_last_checkpoint(txn, &note));
    ck_assert_ok(vt_buf_append(&exported->note, note));
    vt_txn_abort(txn);
}

static void exported_release(struct exported *exported)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(exported->bytes); i++) vt_buf_release(&exported->bytes[i]);
    vt_buf_release(&exported->note);
}

static vault_status check(const struct exported *exported, size_t count, struct vt_audit_report *out_report)
{
    return vt_audit_check_log(exported->rows, count, vt_buf_bytes(&exported->note), &fixture.verifier, 1, out_report);
}

START_TEST(an_exported_log_verifies_without_the_store)
{
    struct exported exported;
    struct vt_audit_report report;
    log_fixture_init(&fixture);
    log_grow(&fixture, 9);
    log_checkpoint(&fixture);
    log_grow(&fixture, 2);
    export_log(&fixture, &exported);
    ck_assert_ok(check(&exported, 11, &report));
    ck_assert_uint_eq(report.entries, 11);
    ck_assert_uint_eq(report.signed_entries, 9);
    ck_assert_ok(check(&exported, 9, &report));
    ck_assert_status(check(&exported, 8, &report), VAULT_E_CORRUPT);
    ck_assert_int_eq(report.fault, VT_AUDIT_FAULT_TRUNCATED);
    ck_assert_uint_eq(report.bad_sequence, 8);
    exported_release(&exported);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_changed_moved_or_missing_row_of_an_exported_log_is_noticed)
{
    struct exported exported;
    struct vt_audit_report report;
    log_fixture_init(&fixture);
    log_grow(&fixture, 9);
    log_checkpoint(&fixture);
    export_log(&fixture, &exported);
    for (size_t i = 0; i < 9; i++) {
        for (size_t at = 0; at < exported.bytes[i].len; at++) {
            exported.bytes[i].data[at] ^= 0x10;
            ck_assert_status(check(&exported, 9, &report), VAULT_E_CORRUPT);
            exported.bytes[i].data[at] ^= 0x10;
        }
    }
    const struct vt_bytes row = exported.rows[4];
    exported.rows[4] = exported.rows[5];
    ck_assert_status(check(&exported, 9, &report), VAULT_E_CORRUPT);
    ck_assert_int_eq(report.fault, VT_AUDIT_FAULT_SEQUENCE);
    ck_assert_uint_eq(report.bad_sequence, 4);
    exported.rows[4] = row;
    ck_assert_ok(check(&exported, 9, &report));
    exported.note.data[50] ^= 1;
    ck_assert_int_ne(check(&exported, 9, &report), VAULT_OK);
    ck_assert_int_eq(report.fault, VT_AUDIT_FAULT_CHECKPOINT);
    exported_release(&exported);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_check_meets_its_checkpoints_in_rising_order_only)
{
    struct exported exported;
    struct vt_audit_check checker;
    struct vt_audit_report report;
    log_fixture_init(&fixture);
    log_grow(&fixture, 9);
    log_checkpoint(&fixture);
    export_log(&fixture, &exported);
    struct vt_checkpoint at_three = {.size = 3, .root = log_expected_root(&fixture, 3)};
    struct vt_checkpoint at_five = {.size = 5, .root = log_expected_root(&fixture, 5)};
    vt_audit_check_init(&checker);
    ck_assert_ok(vt_audit_check_expect(&checker, &at_three));
    ck_assert_status(vt_audit_check_expect(&checker, &at_five), VAULT_E_ARGUMENT);
    for (size_t i = 0; i < 4; i++) ck_assert_ok(vt_audit_check_row(&checker, exported.rows[i]));
    ck_assert_status(vt_audit_check_expect(&checker, &at_three), VAULT_E_ARGUMENT);
    at_five.root.bytes[9] ^= 1;
    ck_assert_ok(vt_audit_check_expect(&checker, &at_five));
    ck_assert_status(vt_audit_check_row(&checker, exported.rows[4]), VAULT_E_CORRUPT);
    ck_assert_status(vt_audit_check_row(&checker, exported.rows[5]), VAULT_E_CORRUPT);
    ck_assert_status(vt_audit_check_expect(&checker, &at_five), VAULT_E_CORRUPT);
    ck_assert_status(vt_audit_check_finish(&checker, &report), VAULT_E_CORRUPT);
    ck_assert_int_eq(report.fault, VT_AUDIT_FAULT_ROOT);
    ck_assert_uint_eq(report.bad_sequence, 5);
    ck_assert_uint_eq(report.signed_entries, 3);
    exported_release(&exported);
    log_fixture_release(&fixture);
}
END_TEST

VT_TEST_MAIN("audit/verify", an_empty_log_is_sound_signed_or_not,
             a_sound_log_is_found_sound_and_the_signed_part_is_told, every_flipped_byte_of_every_row_is_noticed,
             every_flipped_byte_of_the_checkpoint_is_noticed, every_flipped_byte_of_every_node_is_noticed,
             a_deleted_leaf_is_noticed_wherever_it_was, swapped_leaves_are_noticed,
             a_truncated_tail_is_noticed_even_when_the_nodes_go_with_it,
             a_forged_leaf_at_the_end_is_noticed_once_it_is_signed_over, a_missing_node_and_a_stray_one_are_noticed,
             a_row_under_a_key_that_is_none_is_noticed, a_checkpoint_by_another_key_is_noticed,
             a_walk_in_steps_checks_what_was_there_when_it_began_while_the_log_grows,
             an_exported_log_verifies_without_the_store, a_changed_moved_or_missing_row_of_an_exported_log_is_noticed,
             a_check_meets_its_checkpoints_in_rising_order_only)
