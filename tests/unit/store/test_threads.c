/* Readers on several threads beside the writer: each sees a whole commit, never an older one than before, while the map
 * grows and handles pass from thread to thread. Made for ThreadSanitizer as much as for its own answers. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/store/store_kit.h"

enum { THREADS = 4, COMMITS = 150 };

struct scene {
    struct vt_store *store;
    atomic_bool is_over;
    atomic_uint torn;           /* snapshots that were no whole commit */
    atomic_uint backwards;      /* snapshots older than one seen before */
    atomic_uint failures;
    atomic_uint reads;
};

/* Not kit_read_number(): a failing assertion belongs to the test's own thread. */
static void look(struct scene *scene, struct vt_txn *txn, uint64_t *last)
{
    struct vt_cursor *cursor = NULL;
    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    uint8_t wanted[8];
    if (vt_cursor_open(txn, VT_TABLE_AUDIT, &cursor) != VAULT_OK) atomic_fetch_add(&scene->failures, 1);
    const uint64_t number = vt_cursor_last(cursor, NULL, &key, &value) == VAULT_OK ? vt_get_u64(key.data) : 0;
    vt_cursor_free(cursor);
    for (uint64_t i = 0; i < KIT_KEYS && number != 0; i++) {
        static const enum vt_table tables[] = {VT_TABLE_META, VT_TABLE_ROW, VT_TABLE_PAGE};
        vt_put_u64(wanted, i * 0x9e3779b97f4a7c15u);
        const vault_status status = vt_store_get(txn, tables[i % 3], VT_BYTES_OF(wanted), &value);
        if (status != VAULT_OK || vt_get_u64(value.data) != number) atomic_fetch_add(&scene->torn, 1);
    }
    if (vt_store_commit_number(txn) != number + 1 || number < *last) atomic_fetch_add(&scene->backwards, 1);
    *last = number;
    atomic_fetch_add(&scene->reads, 1);
}

static void *read_until_over(void *context)
{
    struct scene *scene = context;
    struct vt_txn *txn = NULL;
    uint64_t last = 0;
    if (vt_txn_begin_read(scene->store, &txn) != VAULT_OK) {
        atomic_fetch_add(&scene->failures, 1);
        return NULL;
    }
    do {        /* at least once, even where the writer is done before this thread begins */
        look(scene, txn, &last);
        vt_txn_reset(txn);
        if (vt_txn_renew(txn) != VAULT_OK) {
            atomic_fetch_add(&scene->failures, 1);
            break;
        }
    } while (!atomic_load(&scene->is_over));
    vt_txn_abort(txn);
    return NULL;
}

static void *check_and_copy_until_over(void *context)
{
    struct scene *scene = context;
    while (!atomic_load(&scene->is_over)) {
        struct vt_store_stats stats = {0};
        struct vt_store_check check = {0};
        if (vt_store_stats(scene->store, &stats) != VAULT_OK) atomic_fetch_add(&scene->failures, 1);
        const vault_status status = vt_store_check(scene->store, &check);
        if (status != VAULT_OK && status != VAULT_E_BUSY) atomic_fetch_add(&scene->failures, 1);
        if (check.damaged_pages != 0 || check.leaked_pages != 0) atomic_fetch_add(&scene->torn, 1);
    }
    return NULL;
}

static void run_scene(struct vt_store *store)
{
    struct scene scene = {.store = store};
    pthread_t threads[THREADS + 1];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_until_over, &scene), 0);
    }
    ck_assert_int_eq(pthread_create(&threads[THREADS], NULL, check_and_copy_until_over, &scene), 0);
    for (uint64_t n = 1; n <= COMMITS; n++) ck_assert_ok(kit_commit(store, n));
    atomic_store(&scene.is_over, true);
    for (int i = 0; i <= THREADS; i++) pthread_join(threads[i], NULL);
    ck_assert_uint_eq(atomic_load(&scene.torn), 0);
    ck_assert_uint_eq(atomic_load(&scene.backwards), 0);
    ck_assert_uint_eq(atomic_load(&scene.failures), 0);
    ck_assert_uint_gt(atomic_load(&scene.reads), 0);
    ck_assert_uint_eq(kit_read_number(store), COMMITS);
}

START_TEST(readers_of_the_model_see_whole_commits_while_one_writes)
{
    struct vt_store *store = NULL;
    ck_assert_ok(vt_store_mem_open(&store));
    run_scene(store);
    vt_store_free(store);
}
END_TEST

START_TEST(readers_of_lmdb_see_whole_commits_while_one_writes)
{
    struct kit kit = {0};
    kit_start(&kit);
    run_scene(kit.store);
    kit_assert_sound(kit.store);
    kit_end(&kit);
}
END_TEST

START_TEST(readers_see_whole_commits_while_the_map_grows_under_them)
{
    struct kit kit = {.options.map_bytes = 256 * 1024};
    kit_start(&kit);
    run_scene(kit.store);
    struct vt_store_stats stats = {0};
    ck_assert_ok(vt_store_stats(kit.store, &stats));
    ck_assert_uint_gt(stats.map_bytes, 256 * 1024);
    kit_assert_sound(kit.store);
    kit_end(&kit);
}
END_TEST

static void *look_and_end(void *context)
{
    struct vt_txn *txn = context;
    struct vt_bytes value = VT_BYTES_EMPTY;
    const uint8_t key[8] = {0};
    const bool is_there = vt_store_get(txn, VT_TABLE_META, VT_BYTES_OF(key), &value) == VAULT_OK;
    vt_txn_abort(txn);
    return is_there ? context : NULL;
}

START_TEST(a_read_transaction_may_pass_to_another_thread)
{
    struct kit kit = {0};
    kit_start(&kit);
    ck_assert_ok(kit_commit(kit.store, 1));
    struct vt_txn *txns[2] = {NULL, NULL};      /* two on one thread, each ended by another */
    for (int i = 0; i < 2; i++) ck_assert_ok(vt_txn_begin_read(kit.store, &txns[i]));
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        void *seen = NULL;
        ck_assert_int_eq(pthread_create(&thread, NULL, look_and_end, txns[i]), 0);
        pthread_join(thread, &seen);
        ck_assert_ptr_nonnull(seen);
    }
    kit_end(&kit);
}
END_TEST

VT_TEST_MAIN("store/threads", readers_of_the_model_see_whole_commits_while_one_writes,
             readers_of_lmdb_see_whole_commits_while_one_writes,
             readers_see_whole_commits_while_the_map_grows_under_them, a_read_transaction_may_pass_to_another_thread)
