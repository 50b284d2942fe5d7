#include <stdio.h>
#include <string.h>

#include "libvault/base/fault.h"
#include "tests/support/ring_world.h"
#include "vaultd/core/epoch/ledger_internal.h"

static const struct vt_certificate_keeper one_keeper = {.id = 7, .erase_class = VT_ERASE_E0, .state = VT_ERASE_WAITING};
static const struct vt_evidence evidence = {.keepers = &one_keeper, .keeper_count = 1, .threshold = 1, .software = "vaultd test"};

static struct vt_pending asked(unsigned number, uint16_t category, uint64_t record)
{
    return (struct vt_pending){.scope = {.sid = ring_sid(number), .category = category, .record = record},
                               .tenant = VT_TENANT_DEFAULT,
                               .legal_basis = "ccpa-1798.105",
                               .requested_at_ms = 1790000000000};
}

static struct vt_ledger_entry entry_of(unsigned number, uint8_t op, uint16_t category, uint64_t record, uint64_t certificate)
{
    return (struct vt_ledger_entry){.op = op,
                                    .tenant = VT_TENANT_DEFAULT,
                                    .scope = {.sid = ring_sid(number), .category = category, .record = record},
                                    .certificate = certificate,
                                    .epoch = 2,
                                    .at_ms = 5};
}

static void enter(struct ring_world *world, struct vt_ledger_entry entry)
{
    struct ring_write change = ring_begin(world);
    ck_assert_ok(vt_ledger_append(change.view, change.txn, &entry));
    ring_commit(&change);
}

static vault_status find(struct ring_world *world, unsigned number, uint16_t category, uint64_t record,
                         uint64_t *out_certificate)
{
    struct ring_read read = ring_read_begin(world);
    struct vt_ledger_entry entry = {.certificate = 0};
    const struct vt_scope scope = {.sid = ring_sid(number), .category = category, .record = record};
    const vault_status status = vt_ledger_find(read.view, &scope, &entry);
    *out_certificate = entry.certificate;
    ring_read_end(&read);
    return status;
}

static bool count_up(void *context, const struct vt_ledger_entry *entry)
{
    uint64_t *next = context;
    ck_assert_uint_eq(entry->sequence, *next);
    (*next)++;
    return true;
}

START_TEST(ledger_entries_are_numbered_and_walked_in_order)
{
    struct ring_world world;
    ring_world_open(&world);
    for (unsigned i = 1; i <= 20; i++) enter(&world, entry_of(i, VT_LEDGER_SHRED, 0, 0, i));
    struct ring_read read = ring_read_begin(&world);
    uint64_t next = 1;
    ck_assert_ok(vt_ledger_walk(read.view, 1, count_up, &next));
    ck_assert_uint_eq(next, 21);
    next = 15;
    ck_assert_ok(vt_ledger_walk(read.view, 15, count_up, &next));
    ck_assert_uint_eq(next, 21);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

START_TEST(the_newest_shred_that_covers_a_scope_is_found)
{
    struct ring_world world;
    uint64_t certificate;
    ring_world_open(&world);
    enter(&world, entry_of(1, VT_LEDGER_SHRED, 3, 9, 11));          /* one record */
    enter(&world, entry_of(1, VT_LEDGER_SHRED, 3, 0, 12));          /* its category, later */
    enter(&world, entry_of(1, VT_LEDGER_CORRECT, 3, 0, 0));         /* no shred */
    enter(&world, entry_of(2, VT_LEDGER_SHRED, 0, 0, 13));          /* somebody else, whole */
    ck_assert_ok(find(&world, 1, 3, 9, &certificate));
    ck_assert_uint_eq(certificate, 12);
    ck_assert_ok(find(&world, 1, 3, 8, &certificate));
    ck_assert_uint_eq(certificate, 12);
    ck_assert_status(find(&world, 1, 4, 0, &certificate), VAULT_E_NOT_FOUND);
    ck_assert_status(find(&world, 1, 0, 0, &certificate), VAULT_E_NOT_FOUND);
    ck_assert_ok(find(&world, 2, 4, 5, &certificate));
    ck_assert_uint_eq(certificate, 13);
    ck_assert_status(find(&world, 3, 0, 0, &certificate), VAULT_E_NOT_FOUND);
    enter(&world, entry_of(1, VT_LEDGER_SHRED, 0, 0, 14));
    ck_assert_ok(find(&world, 1, 3, 9, &certificate));
    ck_assert_uint_eq(certificate, 14);
    ring_world_free(&world);
}
END_TEST

START_TEST(an_unknown_operation_is_refused)
{
    struct ring_world world;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    struct vt_ledger_entry entry = entry_of(1, 0, 0, 0, 1);
    ck_assert_status(vt_ledger_append(change.view, change.txn, &entry), VAULT_E_ARGUMENT);
    entry.op = VT_LEDGER_TAKE_OVER + 1;
    ck_assert_status(vt_ledger_append(change.view, change.txn, &entry), VAULT_E_ARGUMENT);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_ledger_row_moved_to_another_number_does_not_open)
{
    struct ring_world world;
    uint64_t certificate;
    uint8_t first[8], second[8], copy[512];
    struct vt_bytes value;
    ring_world_open(&world);
    enter(&world, entry_of(1, VT_LEDGER_SHRED, 0, 0, 11));
    enter(&world, entry_of(2, VT_LEDGER_SHRED, 0, 0, 12));
    vt_put_u64(first, 1);
    vt_put_u64(second, 2);
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_store_get(change.txn, VT_TABLE_LEDGER, VT_BYTES_OF(first), &value));
    memcpy(copy, value.data, value.len);
    ck_assert_ok(vt_store_put(change.txn, VT_TABLE_LEDGER, VT_BYTES_OF(second), vt_bytes(copy, value.len), VT_PUT_DEFAULT));
    ring_commit(&change);
    ck_assert_ok(find(&world, 1, 0, 0, &certificate));
    ck_assert_status(find(&world, 2, 0, 0, &certificate), VAULT_E_AUTHENTICITY);
    ring_world_free(&world);
}
END_TEST

/* The only row of the table, sealed again with the first byte of its plain, the version, raised by one. */
static void make_later(struct ring_world *world, enum vt_table table, enum vt_seal_kind kind, size_t plain_len)
{
    static struct ring_row row;
    uint8_t plain[256];
    VT_AUTO(vt_buf) value = VT_BUF_INIT(sizeof row.value);
    ck_assert_uint_eq(ring_rows(world, table, &row, 1), 1);
    const struct vt_bytes key = vt_bytes(row.key, row.key_len);
    struct ring_read read = ring_read_begin(world);
    ck_assert_ok(vt_sealed_row_open(read.view, kind, key, vt_bytes(row.value, row.len), plain, plain_len));
    ck_assert_uint_eq(plain[0], kind == VT_SEAL_PENDING ? 2 : 1);
    plain[0]++;
    ck_assert_ok(vt_sealed_row(read.view, kind, key, vt_bytes(plain, plain_len), &value));
    ring_read_end(&read);
    ck_assert_uint_eq(value.len, row.len);
    memcpy(row.value, value.data, value.len);
    ring_row_put(world, table, &row);
}

START_TEST(a_ledger_entry_of_a_later_format_is_refused_by_name)
{
    struct ring_world world;
    uint64_t certificate, next = 1;
    ring_world_open(&world);
    enter(&world, entry_of(1, VT_LEDGER_SHRED, 0, 0, 11));
    ck_assert_ok(find(&world, 1, 0, 0, &certificate));
    make_later(&world, VT_TABLE_LEDGER, VT_SEAL_LEDGER, VT_LEDGER_PLAIN_LEN);
    ck_assert_status(find(&world, 1, 0, 0, &certificate), VAULT_E_FORMAT);
    struct ring_read read = ring_read_begin(&world);
    ck_assert_status(vt_ledger_walk(read.view, 1, count_up, &next), VAULT_E_FORMAT);
    ck_assert_uint_eq(next, 1);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_pending_request_of_a_later_format_is_refused_by_name)
{
    struct ring_world world;
    struct vt_stamps *stamps = NULL;
    struct vt_pending pending = asked(1, 0, 0), found;
    int64_t oldest_ms;
    uint64_t certificate;
    ring_world_open(&world);
    ck_assert_ok(vt_stamps_new(&stamps));
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_pending_add(change.view, change.txn, &evidence, &pending));
    ring_commit(&change);
    make_later(&world, VT_TABLE_PENDING, VT_SEAL_PENDING, VT_PENDING_PLAIN_LEN);
    struct ring_read read = ring_read_begin(&world);
    ck_assert_status(vt_pending_get(read.view, &pending.scope, &found), VAULT_E_FORMAT);
    ck_assert_status(vt_pending_find(read.view, &pending.scope, &certificate), VAULT_E_FORMAT);
    ck_assert_status(vt_pending_load(read.view, stamps, &oldest_ms), VAULT_E_FORMAT);   /* the vault does not unseal with it */
    ring_read_end(&read);
    vt_stamps_free(stamps);
    ring_world_free(&world);
}
END_TEST

START_TEST(nothing_of_a_request_lies_open_in_the_store)
{
    struct ring_world world;
    struct vt_bytes at, value;
    struct vt_cursor *cursor = NULL;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    struct vt_pending pending = asked(1, 0, 0);
    ck_assert_ok(vt_pending_add(change.view, change.txn, &evidence, &pending));
    ring_commit(&change);
    struct ring_read read = ring_read_begin(&world);
    const uint8_t from = 0;
    ck_assert_ok(vt_cursor_open(read.txn, VT_TABLE_PENDING, &cursor));
    ck_assert_ok(vt_cursor_seek(cursor, VT_BYTES_OF(from), &at, &value));
    ck_assert_ptr_null(memmem(value.data, value.len, "ccpa-1798.105", 13));
    ck_assert_ptr_null(memmem(value.data, value.len, pending.object_id, 16));
    vt_cursor_free(cursor);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_pending_request_is_found_by_every_scope_that_it_covers)
{
    struct ring_world world;
    struct vt_pending found;
    uint64_t certificate;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    struct vt_pending first = asked(1, 3, 0), second = asked(2, 0, 0);
    ck_assert_ok(vt_pending_add(change.view, change.txn, &evidence, &first));
    ck_assert_ok(vt_pending_add(change.view, change.txn, &evidence, &second));
    ck_assert_uint_eq(first.certificate, 1);
    ck_assert_uint_eq(second.certificate, 2);
    ck_assert_mem_ne(first.object_id, second.object_id, 16);
    ring_commit(&change);

    struct ring_read read = ring_read_begin(&world);
    const struct vt_scope record = {.sid = ring_sid(1), .category = 3, .record = 5}, whole = {.sid = ring_sid(1)},
                          other = {.sid = ring_sid(2), .category = 9};
    ck_assert_ok(vt_pending_find(read.view, &record, &certificate));
    ck_assert_uint_eq(certificate, 1);
    ck_assert_ok(vt_pending_find(read.view, &other, &certificate));
    ck_assert_uint_eq(certificate, 2);
    ck_assert_status(vt_pending_find(read.view, &whole, &certificate), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_pending_get(read.view, &record, &found), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_pending_get(read.view, &first.scope, &found));
    ck_assert_str_eq(found.legal_basis, "ccpa-1798.105");
    ck_assert_int_eq(found.requested_at_ms, 1790000000000);
    ck_assert_mem_eq(found.object_id, first.object_id, 16);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

START_TEST(pending_requests_are_loaded_into_the_stamps)
{
    struct ring_world world;
    struct vt_stamps *stamps = NULL;
    int64_t oldest_ms;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    struct vt_pending first = asked(1, 3, 0), second = asked(2, 0, 0);
    second.requested_at_ms -= 1000;
    ck_assert_ok(vt_pending_add(change.view, change.txn, &evidence, &first));
    ck_assert_ok(vt_pending_add(change.view, change.txn, &evidence, &second));
    ring_commit(&change);
    ck_assert_ok(vt_stamps_new(&stamps));
    const struct vt_scope stray = {.sid = ring_sid(99)};
    ck_assert_ok(vt_stamps_add_pending(stamps, &stray));
    struct ring_read read = ring_read_begin(&world);
    ck_assert_ok(vt_pending_load(read.view, stamps, &oldest_ms));
    ring_read_end(&read);
    ck_assert_uint_eq(vt_stamps_pending_count(stamps), 2);
    ck_assert(vt_stamps_is_pending(stamps, &first.scope));
    ck_assert(vt_stamps_is_pending(stamps, &second.scope));
    ck_assert(!vt_stamps_is_pending(stamps, &stray));
    ck_assert_int_eq(oldest_ms, second.requested_at_ms);
    vt_stamps_free(stamps);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_request_with_a_legal_basis_that_is_no_code_is_refused)
{
    struct ring_world world;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    struct vt_pending pending = asked(1, 0, 0);
    snprintf(pending.legal_basis, sizeof pending.legal_basis, "because he said so");
    ck_assert_status(vt_pending_add(change.view, change.txn, &evidence, &pending), VAULT_E_ARGUMENT);
    memset(pending.legal_basis, 'a', sizeof pending.legal_basis);
    ck_assert_status(vt_pending_add(change.view, change.txn, &evidence, &pending), VAULT_E_ARGUMENT);
    ck_assert_uint_eq(pending.certificate, 0);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(an_effective_certificate_needs_enough_receipts)
{
    struct ring_world world;
    ring_world_open(&world);
    struct ring_write change = ring_begin(&world);
    struct vt_pending pending = asked(1, 0, 0);
    const struct vt_destroyed destroyed = {.records = 1};
    struct vt_certificate_keeper keeper = one_keeper;
    struct vt_effect effect = {.epoch_from = 1, .epoch_to = 2, .attempt = {1}, .at_ms = 1790000001000, .keepers = &keeper,
                               .keeper_count = 1, .threshold = 1};
    ck_assert_ok(vt_pending_add(change.view, change.txn, &evidence, &pending));
    ck_assert_status(vt_certificate_effective(change.view, change.txn, &evidence, &pending, &destroyed, &effect),
                     VAULT_E_ARGUMENT);
    keeper.state = VT_ERASE_DONE;
    keeper.receipt[0] = 1;
    ck_assert_ok(vt_certificate_effective(change.view, change.txn, &evidence, &pending, &destroyed, &effect));
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(a_failing_allocation_never_leaves_half_a_request)
{
    struct ring_world world;
    ring_world_open(&world);
    bool fired = true;
    for (unsigned nth = 1; fired; nth++) {
        struct ring_write change = ring_begin(&world);
        struct vt_pending pending = asked(1, 0, 0);
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        const vault_status status = vt_pending_add(change.view, change.txn, &evidence, &pending);
        fired = vt_fault_disarm();
        ck_assert(fired || status == VAULT_OK);
        ck_assert(status == VAULT_OK || pending.certificate == 0);
        ring_abort(&change);
    }
    ring_world_free(&world);
}
END_TEST
#endif

VT_TEST_MAIN("epoch/ledger",
#ifdef VT_FAULTS
             a_failing_allocation_never_leaves_half_a_request,
#endif
             ledger_entries_are_numbered_and_walked_in_order, the_newest_shred_that_covers_a_scope_is_found,
             an_unknown_operation_is_refused, a_ledger_entry_of_a_later_format_is_refused_by_name,
             a_pending_request_of_a_later_format_is_refused_by_name, a_ledger_row_moved_to_another_number_does_not_open,
             nothing_of_a_request_lies_open_in_the_store, a_pending_request_is_found_by_every_scope_that_it_covers,
             pending_requests_are_loaded_into_the_stamps, a_request_with_a_legal_basis_that_is_no_code_is_refused,
             an_effective_certificate_needs_enough_receipts)
