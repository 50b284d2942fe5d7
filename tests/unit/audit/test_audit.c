#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"
#include "libvault/proof/certificate.h"
#include "tests/unit/audit/log_fixture.h"

static struct log_fixture fixture;

/* What the store says of its own tree, against the hashes kept beside it. */
static void assert_root_at(struct log_fixture *log, size_t size)
{
    struct vt_txn *txn;
    struct vt_merkle_hash root;
    const struct vt_merkle_hash expected = log_expected_root(log, size);
    ck_assert_ok(vt_txn_begin_read(log->store, &txn));
    ck_assert_ok(vt_audit_root_at(txn, size, &root));
    vt_txn_abort(txn);
    ck_assert(vt_merkle_hash_equal(&root, &expected));
}

/* What the frontier in memory says: it signs a checkpoint. */
static void assert_frontier(struct log_fixture *log)
{
    VT_AUTO(vt_buf) note = VT_BUF_INIT(4096);
    struct vt_checkpoint checkpoint;
    struct vt_txn *txn;
    const struct vt_merkle_hash expected = log_expected_root(log, log->count);
    ck_assert_ok(vt_txn_begin_write(log->store, &txn));
    ck_assert_ok(vt_audit_checkpoint(log->audit, txn, &LOG_SIGNER, &note));
    vt_txn_abort(txn);
    vt_audit_rolled_back(log->audit);
    ck_assert_ok(vt_checkpoint_verify(vt_buf_bytes(&note), &log->verifier, 1, VT_CHECKPOINT_PLAIN, &checkpoint, NULL));
    ck_assert_uint_eq(checkpoint.size, log->count);
    ck_assert(vt_merkle_hash_equal(&checkpoint.root, &expected));
}

START_TEST(a_log_reopened_at_every_size_to_600_has_the_root_of_its_leaves)
{
    log_fixture_init(&fixture);
    for (size_t size = 0; size <= 600; size++) {
        log_reopen(&fixture);
        assert_frontier(&fixture);
        assert_root_at(&fixture, size);
        log_grow(&fixture, 1);
    }
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(every_past_size_keeps_its_root)
{
    log_fixture_init(&fixture);
    log_grow(&fixture, 1100);
    for (size_t size = 0; size <= 1100; size += size < 600 ? 7 : 1) assert_root_at(&fixture, size);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_rolled_back_transaction_leaves_the_frontier_where_it_was)
{
    struct vt_txn *txn;
    log_fixture_init(&fixture);
    for (size_t size = 0; size < 520; size += 13) {
        ck_assert_ok(vt_txn_begin_write(fixture.store, &txn));
        for (size_t i = 0; i < 20; i++) log_append(&fixture, txn, fixture.count + i);
        ck_assert_uint_eq(vt_audit_pending_size(fixture.audit), fixture.count + 20);
        ck_assert_uint_eq(vt_audit_size(fixture.audit), fixture.count);
        vt_txn_abort(txn);
        vt_audit_rolled_back(fixture.audit);
        ck_assert_uint_eq(vt_audit_pending_size(fixture.audit), fixture.count);
        assert_frontier(&fixture);
        log_grow(&fixture, 13);
        assert_frontier(&fixture);
    }
    log_reopen(&fixture);
    assert_frontier(&fixture);
    log_fixture_release(&fixture);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(a_commit_that_fails_leaves_the_log_as_it_was)
{
    struct vt_txn *txn;
    log_fixture_init(&fixture);
    log_grow(&fixture, 250);
    struct vt_store *faulty;
    ck_assert_ok(vt_store_fault_open(fixture.store, &faulty));
    fixture.store = faulty;
    ck_assert_ok(vt_txn_begin_write(fixture.store, &txn));
    for (size_t i = 0; i < 10; i++) log_append(&fixture, txn, fixture.count + i);
    vt_fault_arm(VT_FAULT_STORE, 1);
    ck_assert_status(vt_txn_commit(txn), VAULT_E_IO);
    ck_assert(vt_fault_disarm());
    vt_audit_rolled_back(fixture.audit);
    assert_frontier(&fixture);
    log_reopen(&fixture);
    log_grow(&fixture, 10);
    assert_frontier(&fixture);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(each_store_call_of_an_append_may_fail_and_the_rollback_mends_it)
{
    struct vt_txn *txn;
    struct vt_store *faulty;
    unsigned failures = 0;
    log_fixture_init(&fixture);
    log_grow(&fixture, 255);        /* the next leaf completes a stored node */
    ck_assert_ok(vt_store_fault_open(fixture.store, &faulty));
    fixture.store = faulty;
    for (unsigned nth = 1; nth <= 2; nth++) {
        const struct vt_audit_leaf leaf = log_leaf(255);
        ck_assert_ok(vt_txn_begin_write(fixture.store, &txn));
        vt_fault_arm(VT_FAULT_STORE, nth);
        ck_assert_status(vt_audit_append(fixture.audit, txn, &leaf, VT_BYTES_EMPTY, NULL), VAULT_E_IO);
        failures += vt_fault_disarm() ? 1 : 0;
        vt_txn_abort(txn);
        vt_audit_rolled_back(fixture.audit);
    }
    ck_assert_uint_eq(failures, 2);
    log_grow(&fixture, 2);
    assert_frontier(&fixture);
    assert_root_at(&fixture, 257);
    log_fixture_release(&fixture);
}
END_TEST
#endif

START_TEST(an_append_where_the_table_is_not_is_corruption)
{
    struct vt_txn *txn;
    const struct vt_audit_leaf leaf = log_leaf(0);
    log_fixture_init(&fixture);
    log_grow(&fixture, 3);
    static const uint8_t ahead[8] = {0, 0, 0, 0, 0, 0, 0, 9};
    log_tamper(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(ahead), &(struct vt_bytes){ahead, 8});
    ck_assert_ok(vt_txn_begin_write(fixture.store, &txn));
    ck_assert_status(vt_audit_append(fixture.audit, txn, &leaf, VT_BYTES_EMPTY, NULL), VAULT_E_CORRUPT);
    vt_txn_abort(txn);
    vt_audit_rolled_back(fixture.audit);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_leaf_that_is_not_valid_is_refused_and_takes_no_number)
{
    struct vt_txn *txn;
    log_fixture_init(&fixture);
    struct vt_audit_leaf leaf = log_leaf(0);
    ck_assert_ok(vt_txn_begin_write(fixture.store, &txn));
    leaf.effect = 0;
    ck_assert_status(vt_audit_append(fixture.audit, txn, &leaf, VT_BYTES_EMPTY, NULL), VAULT_E_ARGUMENT);
    leaf = log_leaf(0);
    leaf.purpose = vt_bytes_str("two words");
    ck_assert_status(vt_audit_append(fixture.audit, txn, &leaf, VT_BYTES_EMPTY, NULL), VAULT_E_ARGUMENT);
    log_append(&fixture, txn, 0);
    ck_assert_ok(vt_txn_commit(txn));
    vt_audit_committed(fixture.audit);
    fixture.count = 1;
    assert_frontier(&fixture);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(opening_fails_when_a_node_or_leaf_that_it_needs_is_gone)
{
    struct vt_txn *txn;
    struct vt_audit *audit = NULL;
    static const uint8_t node[9] = {8, 0, 0, 0, 0, 0, 0, 0, 0}, leaf[8] = {0, 0, 0, 0, 0, 0, 1, 3};
    const enum vt_table tables[] = {VT_TABLE_AUDIT_NODE, VT_TABLE_AUDIT};
    const struct vt_bytes keys[] = {VT_BYTES_OF(node), VT_BYTES_OF(leaf)};
    for (size_t i = 0; i < 2; i++) {
        log_fixture_init(&fixture);
        log_grow(&fixture, 300);
        log_tamper(&fixture, tables[i], keys[i], NULL);
        ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
        ck_assert_status(vt_audit_open(txn, &audit), VAULT_E_CORRUPT);
        ck_assert_ptr_null(audit);
        vt_txn_abort(txn);
        log_fixture_release(&fixture);
    }
}
END_TEST

START_TEST(all_inclusion_proofs_up_to_seventy_leaves_verify)
{
    struct vt_txn *txn;
    log_fixture_init(&fixture);
    log_grow(&fixture, 70);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    for (size_t size = 1; size <= 70; size++) {
        const struct vt_merkle_hash root = log_expected_root(&fixture, size);
        for (size_t at = 0; at < size; at++) {
            struct vt_merkle_proof proof;
            ck_assert_ok(vt_audit_prove_inclusion(txn, at, size, &proof));
            ck_assert_ok(vt_merkle_verify_inclusion(&fixture.leaves[at], at, size, &proof, &root));
        }
    }
    vt_txn_abort(txn);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(all_consistency_proofs_up_to_seventy_leaves_verify)
{
    struct vt_txn *txn;
    log_fixture_init(&fixture);
    log_grow(&fixture, 70);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    for (size_t size = 0; size <= 70; size++) {
        const struct vt_merkle_hash after = log_expected_root(&fixture, size);
        for (size_t old = 0; old <= size; old++) {
            struct vt_merkle_proof proof;
            const struct vt_merkle_hash before = log_expected_root(&fixture, old);
            ck_assert_ok(vt_audit_prove_consistency(txn, old, size, &proof));
            ck_assert_ok(vt_merkle_verify_consistency(old, &before, size, &after, &proof));
        }
    }
    vt_txn_abort(txn);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(proofs_across_stored_nodes_verify)
{
    static const size_t sizes[] = {1, 255, 256, 257, 511, 512, 513, 700, 768, 1023, 1024, 1025, 1100};
    struct vt_txn *txn;
    struct vt_merkle_proof proof;
    log_fixture_init(&fixture);
    log_grow(&fixture, 1100);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    for (size_t i = 0; i < VT_ARRAY_LEN(sizes); i++) {
        const struct vt_merkle_hash root = log_expected_root(&fixture, sizes[i]);
        for (size_t at = 0; at < sizes[i]; at += 37) {
            ck_assert_ok(vt_audit_prove_inclusion(txn, at, sizes[i], &proof));
            ck_assert_ok(vt_merkle_verify_inclusion(&fixture.leaves[at], at, sizes[i], &proof, &root));
        }
        for (size_t j = 0; j <= i; j++) {
            const struct vt_merkle_hash before = log_expected_root(&fixture, sizes[j]);
            ck_assert_ok(vt_audit_prove_consistency(txn, sizes[j], sizes[i], &proof));
            ck_assert_ok(vt_merkle_verify_consistency(sizes[j], &before, sizes[i], &root, &proof));
        }
    }
    vt_txn_abort(txn);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(proofs_beyond_the_log_are_refused)
{
    struct vt_txn *txn;
    struct vt_merkle_proof proof;
    struct vt_merkle_hash root;
    log_fixture_init(&fixture);
    log_grow(&fixture, 5);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    ck_assert_status(vt_audit_prove_inclusion(txn, 5, 5, &proof), VAULT_E_ARGUMENT);
    ck_assert_status(vt_audit_prove_inclusion(txn, 0, 6, &proof), VAULT_E_ARGUMENT);
    ck_assert_status(vt_audit_prove_consistency(txn, 4, 6, &proof), VAULT_E_ARGUMENT);
    ck_assert_status(vt_audit_prove_consistency(txn, 5, 4, &proof), VAULT_E_ARGUMENT);
    ck_assert_status(vt_audit_root_at(txn, 6, &root), VAULT_E_ARGUMENT);
    vt_txn_abort(txn);
    log_fixture_release(&fixture);
}
END_TEST

/* Counts entries and checks that each is what was appended; stops at stop_at. */
struct tour {
    uint64_t next, stop_at;
};
static vault_status visit(void *context, const struct vt_audit_entry *entry)
{
    struct tour *tour = context;
    VT_AUTO(vt_buf) payloads = VT_BUF_INIT(4096);
    const struct vt_audit_leaf expected = log_leaf(tour->next);
    ck_assert_uint_eq(entry->leaf.sequence, tour->next);
    ck_assert_uint_eq(entry->leaf.tenant, expected.tenant);
    ck_assert_int_eq(entry->leaf.time_ms, expected.time_ms);
    ck_assert(vt_bytes_equal(entry->leaf.purpose, expected.purpose));
    ck_assert(vt_bytes_equal(entry->leaf.recipient, expected.recipient));
    log_payloads(tour->next, &payloads);
    ck_assert(vt_bytes_equal(entry->payloads, vt_buf_bytes(&payloads)));
    ck_assert_uint_eq(entry->row.len, entry->leaf_bytes.len + entry->payloads.len);
    tour->next++;
    return tour->next == tour->stop_at ? VAULT_E_CANCELLED : VAULT_OK;
}

START_TEST(entries_are_walked_in_order_within_their_range)
{
    static const uint64_t ranges[][3] = {{0, 9, 9},    {3, 5, 5}, {7, 99, 9}, {9, 99, 9},
                                         {42, 43, 42}, {5, 5, 5}, {6, 2, 6}};
    struct vt_txn *txn;
    log_fixture_init(&fixture);
    log_grow(&fixture, 9);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    for (size_t i = 0; i < VT_ARRAY_LEN(ranges); i++) {
        struct tour tour = {.next = ranges[i][0]};
        ck_assert_ok(vt_audit_each(txn, ranges[i][0], ranges[i][1], visit, &tour));
        ck_assert_uint_eq(tour.next, ranges[i][2]);
    }
    struct tour tour = {.stop_at = 4};
    ck_assert_status(vt_audit_each(txn, 0, 9, visit, &tour), VAULT_E_CANCELLED);
    ck_assert_uint_eq(tour.next, 4);
    vt_txn_abort(txn);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(reading_an_entry_that_is_not_there_or_not_the_one_asked_for_fails)
{
    struct vt_txn *txn;
    struct vt_audit_entry entry;
    static const uint8_t third[8] = {0, 0, 0, 0, 0, 0, 0, 3};
    log_fixture_init(&fixture);
    log_grow(&fixture, 4);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    ck_assert_ok(vt_audit_read(txn, 2, &entry));
    ck_assert_status(vt_audit_read(txn, 4, &entry), VAULT_E_NOT_FOUND);
    VT_AUTO(vt_buf) second = VT_BUF_INIT(4096);
    ck_assert_ok(vt_audit_read(txn, 2, &entry));
    ck_assert_ok(vt_buf_append(&second, entry.row));
    vt_txn_abort(txn);
    const struct vt_bytes row = vt_buf_bytes(&second);
    log_tamper(&fixture, VT_TABLE_AUDIT, VT_BYTES_OF(third), &row);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    ck_assert_status(vt_audit_read(txn, 3, &entry), VAULT_E_CORRUPT);
    vt_txn_abort(txn);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_checkpoint_covers_the_leaves_of_its_own_transaction_and_is_kept)
{
    struct vt_txn *txn;
    struct vt_bytes note;
    struct vt_checkpoint checkpoint;
    log_fixture_init(&fixture);
    ck_assert_ok(vt_txn_begin_write(fixture.store, &txn));
    ck_assert_status(vt_audit_last_checkpoint(txn, &note), VAULT_E_NOT_FOUND);
    log_append(&fixture, txn, 0);
    log_append(&fixture, txn, 1);
    ck_assert_ok(vt_audit_checkpoint(fixture.audit, txn, &LOG_SIGNER, NULL));
    ck_assert_ok(vt_txn_commit(txn));
    vt_audit_committed(fixture.audit);
    fixture.count = 2;
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    ck_assert_ok(vt_audit_last_checkpoint(txn, &note));
    ck_assert_ok(vt_checkpoint_verify(note, &fixture.verifier, 1, VT_CHECKPOINT_PLAIN, &checkpoint, NULL));
    const struct vt_merkle_hash root = log_expected_root(&fixture, 2);
    ck_assert_uint_eq(checkpoint.size, 2);
    ck_assert(vt_merkle_hash_equal(&checkpoint.root, &root));
    vt_txn_abort(txn);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_log_that_does_not_extend_a_kept_checkpoint_is_a_rollback)
{
    struct vt_txn *txn;
    struct vt_checkpoint kept = {.size = 40};
    log_fixture_init(&fixture);
    log_grow(&fixture, 50);
    kept.root = log_expected_root(&fixture, 40);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    ck_assert_ok(vt_audit_extends(txn, &kept));
    kept.root.bytes[0] ^= 1;
    ck_assert_status(vt_audit_extends(txn, &kept), VAULT_E_ROLLBACK);
    kept.size = 51;
    ck_assert_status(vt_audit_extends(txn, &kept), VAULT_E_ROLLBACK);
    vt_txn_abort(txn);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(an_entry_is_proven_against_the_last_checkpoint_without_the_store)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(65536);
    VT_AUTO(vt_buf) extra = VT_BUF_INIT(VT_TLOG_EXTRA_MAX);
    struct vt_txn *txn;
    struct vt_tlog_proof proof;
    struct vt_checkpoint checkpoint;
    struct vt_audit_leaf leaf;
    struct vt_bytes leaf_bytes, payloads;
    struct vt_merkle_hash hash;
    log_fixture_init(&fixture);
    log_grow(&fixture, 300);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    ck_assert_status(vt_audit_prove_entry(txn, 77, &file), VAULT_E_NOT_FOUND);
    vt_txn_abort(txn);
    log_checkpoint(&fixture);
    log_grow(&fixture, 2);
    ck_assert_ok(vt_txn_begin_read(fixture.store, &txn));
    ck_assert_status(vt_audit_prove_entry(txn, 300, &file), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_audit_prove_entry(txn, 77, &file));
    vt_txn_abort(txn);
    ck_assert_ok(vt_tlog_proof_parse(vt_buf_bytes(&file), &extra, &proof, NULL));
    ck_assert_ok(vt_audit_row_split(proof.extra, &leaf, &leaf_bytes, &payloads));
    ck_assert_uint_eq(leaf.sequence, 77);
    ck_assert_ok(vt_merkle_leaf(leaf_bytes, &hash));
    ck_assert_ok(vt_tlog_proof_verify(&proof, &hash, &fixture.verifier, 1, &checkpoint, NULL));
    ck_assert_uint_eq(checkpoint.size, 300);
    log_fixture_release(&fixture);
}
END_TEST

START_TEST(a_row_too_large_for_a_proof_file_is_proven_by_its_leaf_alone)
{
    VT_AUTO(vt_buf) payloads = VT_BUF_INIT(1 << 20);
    VT_AUTO(vt_buf) file = VT_BUF_INIT(1 << 20);
    VT_AUTO(vt_buf) extra = VT_BUF_INIT(VT_TLOG_EXTRA_MAX);
    static const uint8_t big[VT_TLOG_EXTRA_MAX], origin[16];
    const struct vt_audit_item item = {VT_AUDIT_ITEM_SEALED, origin, origin, VT_BYTES_OF(big)};
    const struct vt_audit_leaf leaf = log_leaf(0);
    struct vt_tlog_proof proof;
    struct vt_txn *txn;
    log_fixture_init(&fixture);
    ck_assert_ok(vt_audit_item_write(&payloads, &item));
    ck_assert_ok(vt_txn_begin_write(fixture.store, &txn));
    ck_assert_ok(vt_audit_append(fixture.audit, txn, &leaf, vt_buf_bytes(&payloads), NULL));
    ck_assert_ok(vt_audit_checkpoint(fixture.audit, txn, &LOG_SIGNER, NULL));
    ck_assert_ok(vt_audit_prove_entry(txn, 0, &file));
    vt_txn_abort(txn);
    vt_audit_rolled_back(fixture.audit);
    ck_assert_ok(vt_tlog_proof_parse(vt_buf_bytes(&file), &extra, &proof, NULL));
    ck_assert_uint_eq(proof.extra.len, VT_AUDIT_LEAF_FIXED_LEN + leaf.purpose.len + leaf.recipient.len);
    log_fixture_release(&fixture);
}
END_TEST

/* Payloads --------------------------------------------------------------------------------------------------------- */

static const struct vt_key SUBJECT_KEY = {{9, 9, 9}};
static const struct vt_audit_where WHERE = {.vault_id = {1, 2, 3}, .incarnation = 4, .tenant = 5};

START_TEST(a_sealed_payload_opens_where_it_was_sealed_and_nowhere_else)
{
    VT_AUTO(vt_buf) items = VT_BUF_INIT(4096);
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(4096);
    const uint8_t origin[16] = {0xaa};
    struct vt_audit_item item;
    ck_assert_ok(vt_audit_payload_seal(&SUBJECT_KEY, &WHERE, origin, vt_bytes_str("one"), &items));
    ck_assert_ok(vt_audit_payload_seal(&SUBJECT_KEY, &WHERE, origin, vt_bytes_str("two"), &items));
    struct vt_bytes rest = vt_buf_bytes(&items);
    ck_assert_ok(vt_audit_item_next(&rest, &item));
    ck_assert_int_eq(memcmp(item.origin, origin, 16), 0);
    ck_assert_ok(vt_audit_payload_open(&SUBJECT_KEY, &WHERE, &item, &plain));
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&plain), "one"));
    const struct vt_audit_item first = item;
    ck_assert_ok(vt_audit_item_next(&rest, &item));
    ck_assert_int_ne(memcmp(first.payload_id, item.payload_id, 16), 0);
    ck_assert_status(vt_audit_item_next(&rest, &item), VAULT_E_NOT_FOUND);

    const struct vt_key other_key = {{8}};
    struct vt_audit_where other[3] = {WHERE, WHERE, WHERE};
    other[0].vault_id[0] ^= 1;
    other[1].incarnation ^= 1;
    other[2].tenant ^= 1;
    ck_assert_status(vt_audit_payload_open(&other_key, &WHERE, &first, &plain), VAULT_E_AUTHENTICITY);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_status(vt_audit_payload_open(&SUBJECT_KEY, &other[i], &first, &plain), VAULT_E_AUTHENTICITY);
    }
    const uint8_t other_origin[16] = {0xab};
    struct vt_audit_item moved = first;
    moved.origin = other_origin;
    ck_assert_status(vt_audit_payload_open(&SUBJECT_KEY, &WHERE, &moved, &plain), VAULT_E_AUTHENTICITY);
    moved = first;
    moved.payload_id = item.payload_id;
    ck_assert_status(vt_audit_payload_open(&SUBJECT_KEY, &WHERE, &moved, &plain), VAULT_E_AUTHENTICITY);
    moved.kind = VT_AUDIT_ITEM_EVIDENCE;
    ck_assert_status(vt_audit_payload_open(&SUBJECT_KEY, &WHERE, &moved, &plain), VAULT_E_ARGUMENT);
}
END_TEST

START_TEST(a_payload_that_cannot_be_sealed_leaves_the_items_unchanged)
{
    VT_AUTO(vt_buf) items = VT_BUF_INIT(64);
    const uint8_t origin[16] = {0};
    ck_assert_ok(vt_buf_append_str(&items, "kept"));
    ck_assert_status(vt_audit_payload_seal(&SUBJECT_KEY, &WHERE, origin, vt_bytes_str("long"), &items),
                     VAULT_E_TOO_LARGE);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&items), "kept"));
}
END_TEST

VT_TEST_MAIN("audit/audit",
#ifdef VT_FAULTS
             a_commit_that_fails_leaves_the_log_as_it_was,
             each_store_call_of_an_append_may_fail_and_the_rollback_mends_it,
#endif
             a_log_reopened_at_every_size_to_600_has_the_root_of_its_leaves, every_past_size_keeps_its_root,
             a_rolled_back_transaction_leaves_the_frontier_where_it_was, an_append_where_the_table_is_not_is_corruption,
             a_leaf_that_is_not_valid_is_refused_and_takes_no_number,
             opening_fails_when_a_node_or_leaf_that_it_needs_is_gone, all_inclusion_proofs_up_to_seventy_leaves_verify,
             all_consistency_proofs_up_to_seventy_leaves_verify, proofs_across_stored_nodes_verify,
             proofs_beyond_the_log_are_refused, entries_are_walked_in_order_within_their_range,
             reading_an_entry_that_is_not_there_or_not_the_one_asked_for_fails,
             a_checkpoint_covers_the_leaves_of_its_own_transaction_and_is_kept,
             a_log_that_does_not_extend_a_kept_checkpoint_is_a_rollback,
             an_entry_is_proven_against_the_last_checkpoint_without_the_store,
             a_row_too_large_for_a_proof_file_is_proven_by_its_leaf_alone,
             a_sealed_payload_opens_where_it_was_sealed_and_nowhere_else,
             a_payload_that_cannot_be_sealed_leaves_the_items_unchanged)
