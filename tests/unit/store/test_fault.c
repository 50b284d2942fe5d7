/* The fault store: every armed call fails, over either back end, and what fails leaves nothing behind. */
#include "libvault/base/fault.h"
#include "tests/unit/store/store_kit.h"

static struct kit kit;

static struct vt_store *open_over(bool is_lmdb)
{
    struct vt_store *inner = NULL, *store = NULL;
    if (is_lmdb) {
        kit_start(&kit);
        inner = VT_MOVE(kit.store);
    } else {
        ck_assert_ok(vt_store_mem_open(&inner));
    }
    ck_assert_ok(vt_store_fault_open(inner, &store));
    return store;
}

static void close_over(bool is_lmdb, struct vt_store *store)
{
    vt_store_free(store);
    if (is_lmdb) vt_temp_dir_remove(kit.dir);
}

/* One of every call; the transaction is ended in any case. */
static vault_status read_some(struct vt_txn *txn)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    uint8_t first[8] = {0};
    VT_TRY(vt_store_get(txn, VT_TABLE_META, VT_BYTES_OF(first), &value));
    VT_TRY(vt_cursor_open(txn, VT_TABLE_META, &cursor));
    VT_TRY(vt_cursor_seek(cursor, VT_BYTES_EMPTY, &key, &value));
    VT_TRY(vt_cursor_next(cursor, &key, &value));
    return vt_cursor_last(cursor, NULL, &key, &value);
}

static vault_status read_and_end(struct vt_store *store)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(store, &txn));
    VT_TRY(read_some(txn));
    vt_txn_reset(txn);
    VT_TRY(vt_txn_renew(txn));
    VT_TRY(read_some(txn));
    return vt_txn_commit(VT_MOVE(txn));
}

static vault_status delete_and_commit(struct vt_store *store)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_write(store, &txn));
    VT_TRY(vt_store_delete(txn, VT_TABLE_PAGE, vt_bytes_str("extra")));
    return vt_txn_commit(VT_MOVE(txn));
}

static vault_status put_extra(struct vt_store *store)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_write(store, &txn));
    VT_TRY(vt_store_put(txn, VT_TABLE_PAGE, vt_bytes_str("extra"), vt_bytes_str("x"), VT_PUT_NEW));
    return vt_txn_commit(VT_MOVE(txn));
}

static bool has_extra(struct vt_store *store)
{
    struct vt_store_stats stats = {0};
    ck_assert_ok(vt_store_stats(store, &stats));
    return stats.entries[VT_TABLE_PAGE] == 14;
}

/* Fail @p act at its n-th call for every n; gives how many calls it has. */
static unsigned fail_each(struct vt_store *store, vault_status (*act)(struct vt_store *store), vault_status expected,
                          enum vt_fault kind)
{
    for (unsigned nth = 1;; nth++) {
        const bool had_extra = has_extra(store);
        vt_fault_arm(kind, nth);
        const vault_status status = act(store);
        if (!vt_fault_disarm()) {
            ck_assert_ok(status);
            return nth - 1;
        }
        ck_assert_status(status, expected);
        ck_assert_int_eq(has_extra(store), had_extra);
        ck_assert_ok(vt_store_recover_space(store));
    }
}

static void every_call_story(bool is_lmdb)
{
    struct vt_store *store = open_over(is_lmdb);
    ck_assert_ok(kit_commit(store, 1));
    ck_assert_uint_eq(fail_each(store, read_and_end, VAULT_E_IO, VT_FAULT_STORE), 1 + 5 + 1 + 5 + 1);
    ck_assert_uint_eq(fail_each(store, put_extra, VAULT_E_IO, VT_FAULT_STORE), 3);
    ck_assert_uint_eq(fail_each(store, delete_and_commit, VAULT_E_IO, VT_FAULT_STORE), 3);
    ck_assert_uint_eq(fail_each(store, put_extra, VAULT_E_DISK_FULL, VT_FAULT_DISK_FULL), 2);
    ck_assert_uint_eq(fail_each(store, delete_and_commit, VAULT_E_DISK_FULL, VT_FAULT_DISK_FULL), 2);
    ck_assert_uint_eq(kit_read_number(store), 1);
    close_over(is_lmdb, store);
}

START_TEST(every_call_on_the_model_fails_when_it_is_its_turn_and_changes_nothing)
{
    every_call_story(false);
}
END_TEST

START_TEST(every_call_on_lmdb_fails_when_it_is_its_turn_and_changes_nothing)
{
    every_call_story(true);
}
END_TEST

START_TEST(a_commit_after_a_failed_put_gives_the_failure_again)
{
    struct vt_store *store = open_over(true);
    ck_assert_ok(kit_commit(store, 1));
    struct vt_txn *txn = NULL;
    struct vt_bytes value = VT_BYTES_EMPTY;
    ck_assert_ok(vt_txn_begin_write(store, &txn));
    ck_assert_ok(vt_store_put(txn, VT_TABLE_META, vt_bytes_str("a"), vt_bytes_str("1"), VT_PUT_NEW));
    vt_fault_arm(VT_FAULT_DISK_FULL, 1);
    ck_assert_status(vt_store_put(txn, VT_TABLE_META, vt_bytes_str("b"), vt_bytes_str("2"), VT_PUT_NEW),
                     VAULT_E_DISK_FULL);
    ck_assert(vt_fault_disarm());
    ck_assert_status(vt_store_put(txn, VT_TABLE_META, vt_bytes_str("c"), vt_bytes_str("3"), VT_PUT_NEW),
                     VAULT_E_DISK_FULL);
    ck_assert_status(vt_store_get(txn, VT_TABLE_META, vt_bytes_str("a"), &value), VAULT_E_DISK_FULL);
    ck_assert_status(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("a")), VAULT_E_DISK_FULL);
    ck_assert_status(vt_txn_commit(txn), VAULT_E_DISK_FULL);
    ck_assert_uint_eq(kit_read_number(store), 1);
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    ck_assert_status(vt_store_get(txn, VT_TABLE_META, vt_bytes_str("a"), &value), VAULT_E_NOT_FOUND);
    vt_txn_abort(txn);
    close_over(true, store);
}
END_TEST

START_TEST(a_full_disk_refuses_ordinary_writes_until_space_is_recovered)
{
    struct vt_store *store = open_over(false);
    struct vt_txn *txn = NULL;
    vt_fault_arm(VT_FAULT_DISK_FULL, 1);
    ck_assert_status(kit_commit(store, 1), VAULT_E_DISK_FULL);
    ck_assert(vt_fault_disarm());
    ck_assert(kit_is_full(store));
    ck_assert_status(vt_txn_begin_write(store, &txn), VAULT_E_DISK_FULL);
    ck_assert_ok(vt_txn_begin_write_reserved(store, &txn));
    ck_assert_ok(kit_fill(txn, 1));
    ck_assert_ok(vt_txn_commit(txn));
    ck_assert_uint_eq(kit_read_number(store), 1);
    ck_assert_ok(vt_store_recover_space(store));
    ck_assert(!kit_is_full(store));
    ck_assert_ok(kit_commit(store, 2));
    close_over(false, store);
}
END_TEST

START_TEST(after_a_failed_sync_only_reads_go_on)
{
    struct vt_store *store = open_over(true);
    struct vt_txn *txn = NULL;
    ck_assert_ok(kit_commit(store, 1));
    vt_fault_arm(VT_FAULT_SYNC, 1);
    ck_assert_status(kit_commit(store, 2), VAULT_E_IO);
    ck_assert(vt_fault_disarm());
    ck_assert_status(vt_txn_begin_write(store, &txn), VAULT_E_IO);
    ck_assert_status(vt_txn_begin_write_reserved(store, &txn), VAULT_E_IO);
    ck_assert_uint_eq(kit_read_number(store), 1);
    vt_store_free(store);
    kit_open(&kit);
    ck_assert_uint_eq(kit_read_number(kit.store), 1);
    ck_assert_ok(kit_commit(kit.store, 2));
    kit_end(&kit);
}
END_TEST

START_TEST(a_copy_fails_when_reading_for_it_fails)
{
    struct vt_store *store = open_over(true);
    char copy_dir[300];
    snprintf(copy_dir, sizeof copy_dir, "%s/copy", kit.dir);
    ck_assert_ok(kit_commit(store, 1));
    unsigned nth = 1;
    for (;; nth++) {
        vt_fault_arm(VT_FAULT_STORE, nth);
        const vault_status status = vt_store_copy(store, copy_dir, NULL, NULL);
        if (!vt_fault_disarm()) {
            ck_assert_ok(status);
            break;
        }
        ck_assert_status(status, VAULT_E_IO);
        ck_assert_int_eq(access(copy_dir, F_OK), -1);
    }
    ck_assert_uint_gt(nth, KIT_KEYS);
    close_over(true, store);
}
END_TEST

START_TEST(wrapping_fails_cleanly_when_memory_is_short)
{
    struct vt_store *inner = NULL, *store = NULL;
    ck_assert_ok(vt_store_mem_open(&inner));
    vt_fault_arm(VT_FAULT_ALLOC, 1);
    ck_assert_status(vt_store_fault_open(inner, &store), VAULT_E_MEMORY);
    ck_assert(vt_fault_disarm());
    ck_assert_ptr_null(store);
    ck_assert_ok(kit_commit(inner, 1));     /* still the caller's */
    vt_store_free(inner);
    vt_fault_arm(VT_FAULT_ALLOC, 1);
    ck_assert_status(vt_store_mem_open(&inner), VAULT_E_MEMORY);
    ck_assert(vt_fault_disarm());
}
END_TEST

START_TEST(opening_fails_cleanly_wherever_memory_is_short)
{
    kit_start(&kit);
    ck_assert_ok(kit_commit(kit.store, 1));
    kit_close(&kit);
    unsigned nth = 1;
    for (;; nth++) {
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        const vault_status status = kit_try_open(&kit);
        if (!vt_fault_disarm()) {
            ck_assert_ok(status);
            break;
        }
        ck_assert_status(status, VAULT_E_MEMORY);
        ck_assert_ptr_null(kit.store);
    }
    ck_assert_uint_gt(nth, 3);
    ck_assert_uint_eq(kit_read_number(kit.store), 1);
    kit_end(&kit);
}
END_TEST

VT_TEST_MAIN("store/fault", every_call_on_the_model_fails_when_it_is_its_turn_and_changes_nothing,
             every_call_on_lmdb_fails_when_it_is_its_turn_and_changes_nothing,
             a_commit_after_a_failed_put_gives_the_failure_again,
             a_full_disk_refuses_ordinary_writes_until_space_is_recovered, after_a_failed_sync_only_reads_go_on,
             a_copy_fails_when_reading_for_it_fails, wrapping_fails_cleanly_when_memory_is_short,
             opening_fails_cleanly_wherever_memory_is_short)
