/* What store.h promises of every back end; built once for each. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "tests/support/suite.h"
#include "vaultd/core/store/store.h"

#if defined(STORE_LMDB) || defined(STORE_FAULT_LMDB)
#define IS_LMDB 1
static char temp_dir[256];
#else
#define IS_LMDB 0
#endif

static struct vt_store *open_store(void)
{
    struct vt_store *store = NULL;
#if IS_LMDB
    vt_temp_dir_make(temp_dir, sizeof temp_dir);
    const struct vt_store_lmdb_options options = {0};
    ck_assert_ok(vt_store_lmdb_open(temp_dir, &options, &store));
#else
    ck_assert_ok(vt_store_mem_open(&store));
#endif
#if defined(STORE_FAULT_MEM) || defined(STORE_FAULT_LMDB)
    struct vt_store *inner = store;
    ck_assert_ok(vt_store_fault_open(inner, &store));
#endif
    return store;
}

static void assert_sound(struct vt_store *store);

static void close_store(struct vt_store *store)
{
    assert_sound(store);
    vt_store_free(store);
#if IS_LMDB
    vt_temp_dir_remove(temp_dir);
#endif
}

static struct vt_txn *begin_write(struct vt_store *store)
{
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write(store, &txn));
    ck_assert(vt_txn_is_write(txn));
    return txn;
}

static struct vt_txn *begin_read(struct vt_store *store)
{
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    ck_assert(!vt_txn_is_write(txn));
    return txn;
}

static vault_status put(struct vt_txn *txn, enum vt_table table, const char *key, const char *value)
{
    return vt_store_put(txn, table, vt_bytes_str(key), vt_bytes_str(value), VT_PUT_DEFAULT);
}

static vault_status put_with(struct vt_txn *txn, const char *key, enum vt_put_flags flags)
{
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(key), vt_bytes_str("value"), flags);
}

static void assert_value(struct vt_txn *txn, enum vt_table table, const char *key, const char *value)
{
    struct vt_bytes found = VT_BYTES_EMPTY;
    ck_assert_ok(vt_store_get(txn, table, vt_bytes_str(key), &found));
    ck_assert_msg(vt_bytes_equal_str(found, value), "%s is not \"%s\"", key, value);
}

static void assert_absent(struct vt_txn *txn, enum vt_table table, const char *key)
{
    struct vt_bytes found = vt_bytes_str("untouched");
    ck_assert_status(vt_store_get(txn, table, vt_bytes_str(key), &found), VAULT_E_NOT_FOUND);
    ck_assert(vt_bytes_equal_str(found, "untouched"));
}

/* Commit "a", "c", "e", ... up to @p count letters, each with itself as value, to META. */
static void commit_letters(struct vt_store *store, int count)
{
    struct vt_txn *txn = begin_write(store);
    for (int i = 0; i < count; i++) {
        const char key[2] = {(char)('a' + 2 * i), 0};
        ck_assert_ok(put(txn, VT_TABLE_META, key, key));
    }
    ck_assert_ok(vt_txn_commit(txn));
}

static void assert_next(struct vt_cursor *cursor, const char *key)
{
    struct vt_bytes found = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    ck_assert_ok(vt_cursor_next(cursor, &found, &value));
    ck_assert(vt_bytes_equal_str(found, key));
}

static void assert_seek(struct vt_cursor *cursor, const char *from, const char *key)
{
    struct vt_bytes found = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    ck_assert_ok(vt_cursor_seek(cursor, vt_bytes_str(from), &found, &value));
    ck_assert(vt_bytes_equal_str(found, key));
    ck_assert(vt_bytes_equal_str(value, key));
}

static void assert_last(struct vt_cursor *cursor, const char *before, const char *key)
{
    struct vt_bytes found = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    const struct vt_bytes bound = before == NULL ? VT_BYTES_EMPTY : vt_bytes_str(before);
    ck_assert_ok(vt_cursor_last(cursor, before == NULL ? NULL : &bound, &found, &value));
    ck_assert(vt_bytes_equal_str(found, key));
    ck_assert(vt_bytes_equal_str(value, key));
}

static void assert_at_end(struct vt_cursor *cursor)
{
    struct vt_bytes key = vt_bytes_str("untouched"), value = vt_bytes_str("untouched");
    ck_assert_status(vt_cursor_next(cursor, &key, &value), VAULT_E_NOT_FOUND);
    ck_assert(vt_bytes_equal_str(key, "untouched"));
    ck_assert(vt_bytes_equal_str(value, "untouched"));
}

/* Transactions --------------------------------------------------------------------------------------------------- */

START_TEST(what_is_committed_is_read_and_what_is_aborted_is_not)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_write(store);
    ck_assert_ok(put(txn, VT_TABLE_META, "kept", "1"));
    ck_assert_ok(vt_txn_commit(txn));
    txn = begin_write(store);
    ck_assert_ok(put(txn, VT_TABLE_META, "kept", "2"));
    ck_assert_ok(put(txn, VT_TABLE_META, "lost", "3"));
    vt_txn_abort(txn);

    txn = begin_read(store);
    assert_value(txn, VT_TABLE_META, "kept", "1");
    assert_absent(txn, VT_TABLE_META, "lost");
    vt_txn_abort(txn);
    close_store(store);
}
END_TEST

START_TEST(a_write_transaction_sees_its_own_changes_and_others_do_not)
{
    struct vt_store *store = open_store();
    struct vt_txn *write = begin_write(store);
    ck_assert_ok(put(write, VT_TABLE_META, "key", "value"));
    struct vt_txn *read = begin_read(store);
    assert_value(write, VT_TABLE_META, "key", "value");
    assert_absent(read, VT_TABLE_META, "key");
    vt_txn_abort(read);
    ck_assert_ok(vt_store_delete(write, VT_TABLE_META, vt_bytes_str("key")));
    assert_absent(write, VT_TABLE_META, "key");
    ck_assert_ok(vt_txn_commit(write));
    close_store(store);
}
END_TEST

START_TEST(a_reader_keeps_its_snapshot_while_commits_pass)
{
    struct vt_store *store = open_store();
    commit_letters(store, 3);
    struct vt_txn *old = begin_read(store);
    struct vt_bytes borrowed = VT_BYTES_EMPTY;
    ck_assert_ok(vt_store_get(old, VT_TABLE_META, vt_bytes_str("a"), &borrowed));
    for (int round = 0; round < 20; round++) {
        struct vt_txn *write = begin_write(store);
        ck_assert_ok(put(write, VT_TABLE_META, "a", round % 2 == 0 ? "changed" : "again"));
        ck_assert_ok(round == 0 ? vt_store_delete(write, VT_TABLE_META, vt_bytes_str("c"))
                                : put(write, VT_TABLE_PAGE, "p", "q"));
        ck_assert_ok(vt_txn_commit(write));
    }
    assert_value(old, VT_TABLE_META, "a", "a");
    assert_value(old, VT_TABLE_META, "c", "c");
    assert_absent(old, VT_TABLE_PAGE, "p");
    ck_assert(vt_bytes_equal_str(borrowed, "a"));

    struct vt_txn *fresh = begin_read(store);
    assert_value(fresh, VT_TABLE_META, "a", "again");
    assert_absent(fresh, VT_TABLE_META, "c");
    vt_txn_abort(fresh);
    vt_txn_abort(old);
    close_store(store);
}
END_TEST

START_TEST(one_commit_carries_all_tables)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_write(store);
    for (int i = 0; i < VT_TABLE_COUNT; i++) {
        ck_assert_ok(put(txn, (enum vt_table)i, "same key", i % 2 ? "odd" : "even"));
    }
    ck_assert_ok(vt_txn_commit(txn));
    txn = begin_read(store);
    for (int i = 0; i < VT_TABLE_COUNT; i++) assert_value(txn, (enum vt_table)i, "same key", i % 2 ? "odd" : "even");
    vt_txn_abort(txn);

    struct vt_store_stats stats = {0};
    ck_assert_ok(vt_store_stats(store, &stats));
    for (int i = 0; i < VT_TABLE_COUNT; i++) ck_assert_uint_eq(stats.entries[i], 1);
    ck_assert(!stats.is_full);
    close_store(store);
}
END_TEST

START_TEST(a_reset_reader_takes_a_fresh_snapshot_when_renewed)
{
    struct vt_store *store = open_store();
    commit_letters(store, 1);
    struct vt_txn *read = begin_read(store);
    assert_absent(read, VT_TABLE_META, "c");
    vt_txn_reset(read);
    commit_letters(store, 2);
    ck_assert_ok(vt_txn_renew(read));
    assert_value(read, VT_TABLE_META, "c", "c");
    vt_txn_reset(read);
    vt_txn_abort(read);
    close_store(store);
}
END_TEST

START_TEST(stats_tell_how_far_the_oldest_reader_is_behind_and_parked_ones_do_not_count)
{
    struct vt_store *store = open_store();
    struct vt_store_stats stats = {0};
    struct vt_txn *read = begin_read(store);
    for (int i = 1; i <= 3; i++) commit_letters(store, i);
    ck_assert_ok(vt_store_stats(store, &stats));
    ck_assert_uint_eq(stats.oldest_reader_lag, 3);
    vt_txn_reset(read);
    ck_assert_ok(vt_store_stats(store, &stats));
    ck_assert_uint_eq(stats.oldest_reader_lag, 0);
    ck_assert_uint_eq(stats.entries[VT_TABLE_META], 3);
    ck_assert_uint_gt(stats.used_bytes, 0);
    vt_txn_abort(read);
    close_store(store);
}
END_TEST

START_TEST(readers_past_the_maximum_are_told_busy_and_a_freed_place_is_used_again)
{
    struct vt_store *store = open_store();
    static struct vt_txn *txns[VT_STORE_READERS_MAX];
    for (int i = 0; i < VT_STORE_READERS_MAX; i++) txns[i] = begin_read(store);
    struct vt_txn *extra = NULL;
    ck_assert_status(vt_txn_begin_read(store, &extra), VAULT_E_BUSY);
    ck_assert_ptr_null(extra);
    vt_txn_abort(txns[7]);
    ck_assert_ok(vt_txn_begin_read(store, &txns[7]));
    for (int i = 0; i < VT_STORE_READERS_MAX; i++) vt_txn_abort(txns[i]);
    close_store(store);
}
END_TEST

START_TEST(commit_numbers_rise_by_one_per_transaction_that_changed_something)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_read(store);
    const uint64_t first = vt_store_commit_number(txn);
    ck_assert_uint_eq(first, 1);
    vt_txn_abort(txn);

    txn = begin_write(store);
    ck_assert_uint_eq(vt_store_commit_number(txn), first + 1);
    ck_assert_ok(put(txn, VT_TABLE_META, "a", "b"));
    ck_assert_ok(vt_txn_commit(txn));
    txn = begin_write(store);
    ck_assert_ok(put(txn, VT_TABLE_META, "a", "c"));
    vt_txn_abort(txn);
    txn = begin_write(store);
    ck_assert_status(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("missing")), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_txn_commit(txn));
    txn = begin_read(store);
    ck_assert_uint_eq(vt_store_commit_number(txn), first + 1);
    ck_assert_ok(vt_txn_commit(txn));
    close_store(store);
}
END_TEST

START_TEST(a_commit_number_can_be_raised_and_not_lowered)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_write(store);
    ck_assert_status(vt_store_raise_commit_number(txn, 1), VAULT_E_ARGUMENT);
    ck_assert_ok(vt_store_raise_commit_number(txn, 5000));
    ck_assert_uint_eq(vt_store_commit_number(txn), 5000);
    ck_assert_status(vt_store_raise_commit_number(txn, 4999), VAULT_E_ARGUMENT);
    ck_assert_ok(vt_txn_commit(txn));
    txn = begin_write(store);
    ck_assert_uint_eq(vt_store_commit_number(txn), 5001);
    ck_assert_ok(vt_store_raise_commit_number(txn, 9000));
    vt_txn_abort(txn);
    txn = begin_read(store);
    ck_assert_uint_eq(vt_store_commit_number(txn), 5000);
    vt_txn_abort(txn);
    close_store(store);
}
END_TEST

struct second_writer {
    struct vt_store *store;
    int seen;       /* what the second transaction found */
};

static void *write_second(void *context)
{
    struct second_writer *second = context;
    struct vt_txn *txn = NULL;
    if (vt_txn_begin_write(second->store, &txn) != VAULT_OK) return NULL;
    struct vt_bytes value = VT_BYTES_EMPTY;
    const vault_status status = vt_store_get(txn, VT_TABLE_META, vt_bytes_str("first"), &value);
    second->seen = status == VAULT_OK ? 1 : 0;
    vt_txn_abort(txn);
    return NULL;
}

START_TEST(a_second_writer_waits_and_then_sees_the_first_ones_commit)
{
    struct vt_store *store = open_store();
    struct second_writer second = {store, -1};
    pthread_t thread;
    struct vt_txn *txn = begin_write(store);
    ck_assert_int_eq(pthread_create(&thread, NULL, write_second, &second), 0);
    ck_assert_ok(put(txn, VT_TABLE_META, "first", "here"));
    usleep(20000);      /* gives the second the chance to go wrong; right either way */
    ck_assert_ok(vt_txn_commit(txn));
    pthread_join(thread, NULL);
    ck_assert_int_eq(second.seen, 1);
    close_store(store);
}
END_TEST

/* Bugs of ours stop the process rather than deadlock or corrupt. @p act runs in a child. */
static void assert_stops(void (*act)(struct vt_store *store), struct vt_store *store)
{
    const pid_t pid = fork();
    if (pid == 0) {
        close(STDERR_FILENO);
        act(store);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
}

static void begin_two_writes(struct vt_store *store)
{
    begin_write(store);
    begin_write(store);
}

static void put_in_a_read(struct vt_store *store)
{
    if (put(begin_read(store), VT_TABLE_META, "a", "b") == VAULT_OK) _exit(1);
}

static void get_from_a_parked_read(struct vt_store *store)
{
    struct vt_txn *txn = begin_read(store);
    vt_txn_reset(txn);
    assert_absent(txn, VT_TABLE_META, "a");
}

static void commit_under_a_cursor(struct vt_store *store)
{
    struct vt_txn *txn = begin_write(store);
    struct vt_cursor *cursor = NULL;
    if (vt_cursor_open(txn, VT_TABLE_META, &cursor) != VAULT_OK) _exit(1);
    if (vt_txn_commit(txn) == VAULT_OK) _exit(2);
}

static void close_under_a_reader(struct vt_store *store)
{
    begin_read(store);
    vt_store_free(store);
}

START_TEST(misuse_stops_the_process)
{
    struct vt_store *store = open_store();
    assert_stops(begin_two_writes, store);
    assert_stops(put_in_a_read, store);
    assert_stops(get_from_a_parked_read, store);
    assert_stops(commit_under_a_cursor, store);
    assert_stops(close_under_a_reader, store);
    close_store(store);
}
END_TEST

/* Entries -------------------------------------------------------------------------------------------------------- */

START_TEST(put_overwrites_unless_told_that_the_key_is_new)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_write(store);
    ck_assert_ok(put(txn, VT_TABLE_META, "key", "one"));
    ck_assert_ok(put(txn, VT_TABLE_META, "key", "two, which is longer"));
    assert_value(txn, VT_TABLE_META, "key", "two, which is longer");
    ck_assert_status(put_with(txn, "key", VT_PUT_NEW), VAULT_E_EXISTS);
    assert_value(txn, VT_TABLE_META, "key", "two, which is longer");
    ck_assert_ok(put_with(txn, "other", VT_PUT_NEW));
    ck_assert_ok(vt_txn_commit(txn));   /* a refused put leaves the transaction usable */
    txn = begin_read(store);
    assert_value(txn, VT_TABLE_META, "other", "value");
    vt_txn_abort(txn);
    close_store(store);
}
END_TEST

START_TEST(append_takes_only_a_key_behind_all_others)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_write(store);
    ck_assert_ok(put_with(txn, "b", VT_PUT_APPEND));
    ck_assert_ok(put_with(txn, "ba", VT_PUT_APPEND | VT_PUT_NEW));
    ck_assert_status(put_with(txn, "ba", VT_PUT_APPEND), VAULT_E_ARGUMENT);
    ck_assert_status(put_with(txn, "ba", VT_PUT_APPEND | VT_PUT_NEW), VAULT_E_ARGUMENT);
    ck_assert_status(put_with(txn, "a", VT_PUT_APPEND), VAULT_E_ARGUMENT);
    ck_assert_status(put_with(txn, "b", VT_PUT_APPEND), VAULT_E_ARGUMENT);
    assert_absent(txn, VT_TABLE_META, "a");
    ck_assert_ok(put_with(txn, "c", VT_PUT_APPEND));
    ck_assert_ok(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("c")));
    ck_assert_ok(put_with(txn, "bb", VT_PUT_APPEND));
    ck_assert_ok(vt_txn_commit(txn));
    close_store(store);
}
END_TEST

START_TEST(deleting_what_is_not_there_is_not_found)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_write(store);
    ck_assert_ok(put(txn, VT_TABLE_META, "key", "value"));
    ck_assert_status(vt_store_delete(txn, VT_TABLE_PAGE, vt_bytes_str("key")), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("key")));
    ck_assert_status(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("key")), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_txn_commit(txn));
    close_store(store);
}
END_TEST

START_TEST(keys_have_one_to_256_bytes)
{
    struct vt_store *store = open_store();
    static const uint8_t longest[VT_STORE_KEY_MAX + 1] = {1};
    const struct vt_bytes fits = vt_bytes(longest, VT_STORE_KEY_MAX), too_long = vt_bytes(longest, sizeof longest);
    struct vt_bytes value = VT_BYTES_EMPTY, key = VT_BYTES_EMPTY;
    struct vt_txn *txn = begin_write(store);
    ck_assert_ok(vt_store_put(txn, VT_TABLE_META, fits, vt_bytes_str("v"), VT_PUT_DEFAULT));
    ck_assert_ok(vt_store_get(txn, VT_TABLE_META, fits, &value));
    ck_assert_status(vt_store_put(txn, VT_TABLE_META, too_long, fits, VT_PUT_DEFAULT), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_store_put(txn, VT_TABLE_META, VT_BYTES_EMPTY, fits, VT_PUT_DEFAULT), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_store_get(txn, VT_TABLE_META, too_long, &value), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_store_get(txn, VT_TABLE_META, VT_BYTES_EMPTY, &value), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_store_delete(txn, VT_TABLE_META, too_long), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_store_delete(txn, VT_TABLE_META, VT_BYTES_EMPTY), VAULT_E_TOO_LARGE);

    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_META, &cursor));
    ck_assert_status(vt_cursor_seek(cursor, too_long, &key, &value), VAULT_E_TOO_LARGE);
    ck_assert_status(vt_cursor_last(cursor, &too_long, &key, &value), VAULT_E_TOO_LARGE);
    ck_assert_ok(vt_cursor_seek(cursor, fits, &key, &value));
    vt_cursor_free(VT_MOVE(cursor));
    ck_assert_ok(vt_txn_commit(txn));
    close_store(store);
}
END_TEST

static uint8_t big[VT_STORE_VALUE_MAX + 1];

static void fill(uint8_t *data, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) data[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

START_TEST(values_have_zero_bytes_to_16_mib)
{
    struct vt_store *store = open_store();
    const size_t lens[] = {0, 1, 2000, 2039, 2040, 4079, 4080, 4081, 8192, 65536, VT_STORE_VALUE_MAX};
    fill(big, sizeof big, 7);
    struct vt_txn *txn = begin_write(store);
    for (uint8_t i = 0; i < VT_ARRAY_LEN(lens); i++) {
        ck_assert_ok(vt_store_put(txn, VT_TABLE_BLOB, VT_BYTES_OF(i), vt_bytes(big, lens[i]), VT_PUT_NEW));
    }
    const struct vt_bytes too_long = vt_bytes(big, sizeof big);
    ck_assert_status(vt_store_put(txn, VT_TABLE_BLOB, vt_bytes_str("k"), too_long, VT_PUT_NEW), VAULT_E_TOO_LARGE);
    ck_assert_ok(vt_txn_commit(txn));

    txn = begin_read(store);
    for (uint8_t i = 0; i < VT_ARRAY_LEN(lens); i++) {
        struct vt_bytes value = VT_BYTES_EMPTY;
        ck_assert_ok(vt_store_get(txn, VT_TABLE_BLOB, VT_BYTES_OF(i), &value));
        ck_assert(vt_bytes_equal(value, vt_bytes(big, lens[i])));
    }
    vt_txn_abort(txn);
    close_store(store);
}
END_TEST

START_TEST(values_of_4080_bytes_shrink_and_grow_in_place)
{
    struct vt_store *store = open_store();
    fill(big, 70000, 9);
    const size_t lens[] = {4080, 70000, 0, 4080, 10, 65536};
    for (size_t i = 0; i < VT_ARRAY_LEN(lens); i++) {
        struct vt_txn *txn = begin_write(store);
        ck_assert_ok(vt_store_put(txn, VT_TABLE_PAGE, vt_bytes_str("p"), vt_bytes(big, lens[i]), VT_PUT_DEFAULT));
        ck_assert_ok(vt_txn_commit(txn));
        struct vt_bytes value = VT_BYTES_EMPTY;
        txn = begin_read(store);
        ck_assert_ok(vt_store_get(txn, VT_TABLE_PAGE, vt_bytes_str("p"), &value));
        ck_assert(vt_bytes_equal(value, vt_bytes(big, lens[i])));
        vt_txn_abort(txn);
    }
    close_store(store);
}
END_TEST

/* Cursors -------------------------------------------------------------------------------------------------------- */

START_TEST(a_cursor_walks_a_table_in_byte_order_and_stays_at_the_end)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_write(store);
    const char *const keys[] = {"b", "\xff", "a", "aa", "\x01", "b\x01"};
    for (size_t i = 0; i < VT_ARRAY_LEN(keys); i++) ck_assert_ok(put(txn, VT_TABLE_META, keys[i], keys[i]));
    ck_assert_ok(vt_txn_commit(txn));

    txn = begin_read(store);
    struct vt_cursor *cursor = NULL;
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_META, &cursor));
    const char *const order[] = {"\x01", "a", "aa", "b", "b\x01", "\xff"};
    for (size_t i = 0; i < VT_ARRAY_LEN(order); i++) assert_next(cursor, order[i]);
    assert_at_end(cursor);
    assert_at_end(cursor);
    assert_seek(cursor, "aa", "aa");    /* a seek wakes it again */
    assert_next(cursor, "b");
    vt_cursor_free(cursor);
    vt_txn_abort(txn);
    close_store(store);
}
END_TEST

START_TEST(seek_finds_the_first_key_at_or_behind)
{
    struct vt_store *store = open_store();
    commit_letters(store, 3);   /* a c e */
    struct vt_txn *txn = begin_read(store);
    struct vt_cursor *cursor = NULL;
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_META, &cursor));
    assert_seek(cursor, "", "a");
    assert_seek(cursor, "c", "c");
    assert_seek(cursor, "b", "c");
    assert_seek(cursor, "aa", "c");
    assert_next(cursor, "e");
    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    ck_assert_status(vt_cursor_seek(cursor, vt_bytes_str("f"), &key, &value), VAULT_E_NOT_FOUND);
    assert_at_end(cursor);
    vt_cursor_free(cursor);
    vt_txn_abort(txn);
    close_store(store);
}
END_TEST

START_TEST(last_finds_the_last_key_or_the_last_before_a_bound)
{
    struct vt_store *store = open_store();
    commit_letters(store, 3);   /* a c e */
    struct vt_txn *txn = begin_read(store);
    struct vt_cursor *cursor = NULL;
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_META, &cursor));
    assert_last(cursor, NULL, "e");
    assert_at_end(cursor);
    assert_last(cursor, "e", "c");
    assert_next(cursor, "e");
    assert_last(cursor, "d", "c");
    assert_last(cursor, "z", "e");
    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    const struct vt_bytes first = vt_bytes_str("a"), nothing = VT_BYTES_EMPTY;
    ck_assert_status(vt_cursor_last(cursor, &first, &key, &value), VAULT_E_NOT_FOUND);
    assert_at_end(cursor);
    ck_assert_status(vt_cursor_last(cursor, &nothing, &key, &value), VAULT_E_NOT_FOUND);
    vt_cursor_free(cursor);
    vt_txn_abort(txn);
    close_store(store);
}
END_TEST

START_TEST(a_cursor_on_an_empty_table_finds_nothing)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_write(store);
    struct vt_cursor *cursor = NULL;
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_META, &cursor));
    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    assert_at_end(cursor);
    ck_assert_status(vt_cursor_last(cursor, NULL, &key, &value), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_cursor_seek(cursor, VT_BYTES_EMPTY, &key, &value), VAULT_E_NOT_FOUND);
    ck_assert_ok(put(txn, VT_TABLE_META, "a", "a"));
    assert_at_end(cursor);      /* it ended before the put, and says so until it is placed anew */
    assert_seek(cursor, "", "a");
    vt_cursor_free(cursor);
    vt_txn_abort(txn);
    close_store(store);
}
END_TEST

START_TEST(a_cursor_survives_puts_and_deletes_around_and_under_it)
{
    struct vt_store *store = open_store();
    commit_letters(store, 6);   /* a c e g i k */
    struct vt_txn *txn = begin_write(store);
    struct vt_cursor *cursor = NULL;
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_META, &cursor));
    assert_next(cursor, "a");
    ck_assert_ok(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("a")));       /* its own */
    assert_next(cursor, "c");
    ck_assert_ok(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("e")));       /* the next one */
    ck_assert_ok(put(txn, VT_TABLE_META, "b", "b"));                            /* behind it, not met */
    ck_assert_ok(put(txn, VT_TABLE_META, "f", "f"));                            /* before it, met */
    assert_next(cursor, "f");
    assert_next(cursor, "g");
    ck_assert_ok(put(txn, VT_TABLE_META, "g", "overwritten"));
    assert_next(cursor, "i");
    ck_assert_ok(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("i")));
    ck_assert_ok(vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("k")));
    assert_at_end(cursor);
    vt_cursor_free(cursor);
    ck_assert_ok(vt_txn_commit(txn));
    close_store(store);
}
END_TEST

START_TEST(a_scan_that_deletes_everything_it_meets_meets_everything)
{
    struct vt_store *store = open_store();
    struct vt_txn *txn = begin_write(store);
    uint8_t key[4];
    for (uint32_t i = 0; i < 5000; i++) {
        vt_put_u32(key, i);
        ck_assert_ok(vt_store_put(txn, VT_TABLE_ROW, VT_BYTES_OF(key), vt_bytes(big, i % 300), VT_PUT_APPEND));
    }
    struct vt_cursor *cursor = NULL;
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_ROW, &cursor));
    for (uint32_t i = 0; i < 5000; i++) {
        struct vt_bytes found = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
        ck_assert_ok(vt_cursor_next(cursor, &found, &value));
        ck_assert_uint_eq(vt_get_u32(found.data), i);
        vt_put_u32(key, i);
        ck_assert_ok(vt_store_delete(txn, VT_TABLE_ROW, VT_BYTES_OF(key)));
    }
    assert_at_end(cursor);
    vt_cursor_free(cursor);
    ck_assert_ok(vt_txn_commit(txn));
    struct vt_store_stats stats = {0};
    ck_assert_ok(vt_store_stats(store, &stats));
    ck_assert_uint_eq(stats.entries[VT_TABLE_ROW], 0);
    close_store(store);
}
END_TEST

/* A check finds nothing wrong, whatever happened so far. */
static void assert_sound(struct vt_store *store)
{
    struct vt_store_check check = {.damaged_pages = 99};
    ck_assert_ok(vt_store_check(store, &check));
    ck_assert_uint_eq(check.damaged_pages, 0);
    ck_assert_uint_eq(check.leaked_pages, 0);
    ck_assert_int_eq(check.pages != 0, IS_LMDB);
}

/* Copies --------------------------------------------------------------------------------------------------------- */

struct progress {
    unsigned calls;
    unsigned stop_at;       /* 0: never */
    uint64_t done_bytes;
    uint64_t total_bytes;
    bool has_fallen;
};

static bool note_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    struct progress *progress = context;
    progress->calls++;
    progress->has_fallen = progress->has_fallen || done_bytes < progress->done_bytes || done_bytes > total_bytes;
    progress->done_bytes = done_bytes;
    progress->total_bytes = total_bytes;
    return progress->calls != progress->stop_at;
}

static void commit_rows(struct vt_store *store, uint32_t count, unsigned seed)
{
    struct vt_txn *txn = begin_write(store);
    uint8_t key[4];
    fill(big, 4096, seed);
    for (uint32_t i = 0; i < count; i++) {
        vt_put_u32(key, i * 2654435761u);
        ck_assert_ok(vt_store_put(txn, VT_TABLE_ROW, VT_BYTES_OF(key), vt_bytes(big, i % 3000), VT_PUT_DEFAULT));
    }
    ck_assert_ok(vt_txn_commit(txn));
}

static void assert_same_table(struct vt_txn *a, struct vt_txn *b, enum vt_table table)
{
    struct vt_cursor *cursor_a = NULL, *cursor_b = NULL;
    ck_assert_ok(vt_cursor_open(a, table, &cursor_a));
    ck_assert_ok(vt_cursor_open(b, table, &cursor_b));
    vault_status status_a = VAULT_OK, status_b = VAULT_OK;
    while (status_a == VAULT_OK) {
        struct vt_bytes key_a = VT_BYTES_EMPTY, value_a = VT_BYTES_EMPTY;
        struct vt_bytes key_b = VT_BYTES_EMPTY, value_b = VT_BYTES_EMPTY;
        status_a = vt_cursor_next(cursor_a, &key_a, &value_a);
        status_b = vt_cursor_next(cursor_b, &key_b, &value_b);
        ck_assert_int_eq(status_a, status_b);
        ck_assert(vt_bytes_equal(key_a, key_b));
        ck_assert(vt_bytes_equal(value_a, value_b));
    }
    ck_assert_int_eq(status_a, VAULT_E_NOT_FOUND);
    vt_cursor_free(cursor_a);
    vt_cursor_free(cursor_b);
}

START_TEST(a_copy_is_a_store_of_its_own_with_the_same_rows_and_commit_number)
{
    struct vt_store *store = open_store();
    char dir[256], to_dir[300];
    vt_temp_dir_make(dir, sizeof dir);
    snprintf(to_dir, sizeof to_dir, "%s/copy", dir);
    for (unsigned i = 0; i < 3; i++) commit_rows(store, 3000, i);
    commit_letters(store, 5);
    struct progress progress = {0};
    ck_assert_ok(vt_store_copy(store, to_dir, note_progress, &progress));
    ck_assert_uint_ge(progress.calls, 4);
    ck_assert(!progress.has_fallen);
    ck_assert_uint_eq(progress.done_bytes, progress.total_bytes);

    struct vt_store *copy = NULL;
    const struct vt_store_lmdb_options options = {.must_exist = true};
    ck_assert_ok(vt_store_lmdb_open(to_dir, &options, &copy));
    struct vt_txn *a = begin_read(store), *b = begin_read(copy);
    for (int i = 0; i < VT_TABLE_COUNT; i++) assert_same_table(a, b, (enum vt_table)i);
    ck_assert_uint_eq(vt_store_commit_number(a), vt_store_commit_number(b));
    vt_txn_abort(a);
    vt_txn_abort(b);
    commit_letters(copy, 6);
    b = begin_read(copy);
    ck_assert_uint_eq(vt_store_commit_number(b), 1 + 3 + 1 + 1);
    vt_txn_abort(b);
    vt_store_free(copy);
    vt_temp_dir_remove(dir);
    close_store(store);
}
END_TEST

START_TEST(a_cancelled_copy_leaves_nothing_behind)
{
    struct vt_store *store = open_store();
    char dir[256], to_dir[300];
    vt_temp_dir_make(dir, sizeof dir);
    snprintf(to_dir, sizeof to_dir, "%s/copy", dir);
    commit_rows(store, 5000, 1);
    for (unsigned stop_at = 1; stop_at <= 4; stop_at++) {
        struct progress progress = {.stop_at = stop_at};
        ck_assert_status(vt_store_copy(store, to_dir, note_progress, &progress), VAULT_E_CANCELLED);
        ck_assert_uint_eq(progress.calls, stop_at);
        ck_assert_int_eq(access(to_dir, F_OK), -1);
    }
    ck_assert_ok(vt_store_copy(store, to_dir, NULL, NULL));
    vt_temp_dir_remove(dir);
    close_store(store);
}
END_TEST

START_TEST(a_copy_refuses_a_directory_with_something_in_it)
{
    struct vt_store *store = open_store();
    char dir[256], file[300];
    vt_temp_dir_make(dir, sizeof dir);
    snprintf(file, sizeof file, "%s/mine", dir);
    FILE *mine = fopen(file, "w");
    ck_assert_ptr_nonnull(mine);
    fclose(mine);
    ck_assert_status(vt_store_copy(store, dir, NULL, NULL), VAULT_E_EXISTS);
    ck_assert_int_eq(access(file, F_OK), 0);
    ck_assert_status(vt_store_copy(store, file, NULL, NULL), VAULT_E_IO);
    unlink(file);
    ck_assert_ok(vt_store_copy(store, dir, NULL, NULL));    /* an empty one will do */
    vt_temp_dir_remove(dir);
    close_store(store);
}
END_TEST

START_TEST(recovering_space_where_none_is_missing_is_no_work)
{
    struct vt_store *store = open_store();
    ck_assert_ok(vt_store_recover_space(store));
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write_reserved(store, &txn));
    ck_assert(vt_txn_is_write(txn));
    ck_assert_ok(put(txn, VT_TABLE_META, "a", "b"));
    ck_assert_ok(vt_txn_commit(txn));
    close_store(store);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(short_memory_fails_one_call_and_changes_nothing)
{
    struct vt_store *store = open_store();
    commit_letters(store, 3);
    bool has_fired = true;
    unsigned failures = 0;
    for (unsigned nth = 1; has_fired; nth++) {
        struct vt_txn *txn = NULL;
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        vault_status status = vt_txn_begin_write(store, &txn);
        if (status == VAULT_OK) status = put(txn, VT_TABLE_META, "d", "new");
        if (status == VAULT_OK) status = vt_store_delete(txn, VT_TABLE_META, vt_bytes_str("c"));
        has_fired = vt_fault_disarm();
        ck_assert_status(status, has_fired ? VAULT_E_MEMORY : VAULT_OK);
        failures += has_fired;
        if (txn != NULL) ck_assert_status(vt_txn_commit(txn), status);
        txn = begin_read(store);
        if (has_fired) assert_absent(txn, VT_TABLE_META, "d");
        else assert_value(txn, VT_TABLE_META, "d", "new");
        vt_txn_abort(txn);
    }
    ck_assert_uint_gt(failures, 0);
    close_store(store);
}
END_TEST
#endif

VT_TEST_MAIN(STORE_NAME,
#ifdef VT_FAULTS
             short_memory_fails_one_call_and_changes_nothing,
#endif
             what_is_committed_is_read_and_what_is_aborted_is_not,
             a_write_transaction_sees_its_own_changes_and_others_do_not, a_reader_keeps_its_snapshot_while_commits_pass,
             one_commit_carries_all_tables, a_reset_reader_takes_a_fresh_snapshot_when_renewed,
             stats_tell_how_far_the_oldest_reader_is_behind_and_parked_ones_do_not_count,
             readers_past_the_maximum_are_told_busy_and_a_freed_place_is_used_again,
             commit_numbers_rise_by_one_per_transaction_that_changed_something,
             a_commit_number_can_be_raised_and_not_lowered, a_second_writer_waits_and_then_sees_the_first_ones_commit,
             misuse_stops_the_process, put_overwrites_unless_told_that_the_key_is_new,
             append_takes_only_a_key_behind_all_others, deleting_what_is_not_there_is_not_found,
             keys_have_one_to_256_bytes, values_have_zero_bytes_to_16_mib,
             values_of_4080_bytes_shrink_and_grow_in_place, a_cursor_walks_a_table_in_byte_order_and_stays_at_the_end,
             seek_finds_the_first_key_at_or_behind, last_finds_the_last_key_or_the_last_before_a_bound,
             a_cursor_on_an_empty_table_finds_nothing, a_cursor_survives_puts_and_deletes_around_and_under_it,
             a_scan_that_deletes_everything_it_meets_meets_everything,
             a_copy_is_a_store_of_its_own_with_the_same_rows_and_commit_number, a_cancelled_copy_leaves_nothing_behind,
             a_copy_refuses_a_directory_with_something_in_it, recovering_space_where_none_is_missing_is_no_work)
