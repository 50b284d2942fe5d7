/* Which calls share a commit. */
#include "tests/support/suite.h"
#include "vaultd/core/subject/change.h"
#include "vaultd/server/committer.h"

enum { ITEMS_MAX = 6 };

/** Calls that wait, each with so many changes of the tree. */
struct waiting {
    struct vt_list queue, batch;
    struct vt_commit_item items[ITEMS_MAX];
    struct vt_change *changes[ITEMS_MAX];
};
static struct waiting waiting;

static vault_status never(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    (void)context, (void)write, (void)txn;
    return VAULT_E_STATE;
}

static struct vt_change *change_of(unsigned tree_count)
{
    struct vt_change *change = NULL;
    const uint8_t data[VT_INDEX_DATA_LEN] = {0};
    ck_assert_ok(vt_change_new(VT_TENANT_DEFAULT, &change));
    ck_assert_ok(vt_change_put(change, VT_TABLE_ROW, vt_bytes_str("key"), vt_bytes_str("value"), VT_PUT_DEFAULT));
    for (unsigned i = 0; i < tree_count; i++) {
        struct vt_index_hash hash = {{0}};
        vt_put_u32(hash.bytes, i);
        ck_assert_ok(vt_change_index_add(change, &hash, data, false));
    }
    return change;
}

static void wait_with(const unsigned *tree_counts, size_t count)
{
    memset(&waiting, 0, sizeof waiting);
    vt_list_init(&waiting.queue);
    vt_list_init(&waiting.batch);
    for (size_t i = 0; i < count; i++) {
        waiting.changes[i] = change_of(tree_counts[i]);
        waiting.items[i].change = waiting.changes[i];
        vt_list_push_back(&waiting.queue, &waiting.items[i].link);
    }
}

static void waiting_free(void)
{
    for (size_t i = 0; i < ITEMS_MAX; i++) vt_change_free(waiting.changes[i]);
}

/* The next batch holds these items in this order. */
static void assert_taken(size_t batch_max, size_t first, size_t count)
{
    const struct vt_committer_options options = {.batch_max = batch_max, .tree_max = 10};
    ck_assert_uint_eq(vt_committer_take(&options, &waiting.queue, &waiting.batch), count);
    for (size_t i = first; i < first + count; i++)
        ck_assert_ptr_eq(vt_list_pop_front(&waiting.batch), &waiting.items[i].link);
    ck_assert(vt_list_is_empty(&waiting.batch));
}

START_TEST(calls_share_a_commit_until_it_changes_as_much_of_the_tree_as_it_may)
{
    wait_with((const unsigned[]){6, 4, 0, 1, 9, 1}, 6);
    assert_taken(100, 0, 3);
    assert_taken(100, 3, 2);
    assert_taken(100, 5, 1);
    assert_taken(100, 6, 0);
    waiting_free();
}
END_TEST

START_TEST(a_call_that_changes_more_than_a_commit_may_goes_alone)
{
    wait_with((const unsigned[]){11, 12, 0, 1}, 4);
    assert_taken(100, 0, 1);
    assert_taken(100, 1, 1);
    assert_taken(100, 2, 2);
    waiting_free();
}
END_TEST

START_TEST(no_more_calls_share_a_commit_than_are_set)
{
    wait_with((const unsigned[]){1, 1, 1, 0, 0}, 5);
    assert_taken(2, 0, 2);
    assert_taken(2, 2, 2);
    assert_taken(2, 4, 1);
    waiting_free();
}
END_TEST

START_TEST(an_epochs_step_goes_alone)
{
    wait_with((const unsigned[]){1, 0, 1, 1}, 4);
    waiting.items[1].exclusive = never;
    assert_taken(100, 0, 1);
    assert_taken(100, 1, 1);
    assert_taken(100, 2, 2);
    waiting_free();
}
END_TEST

START_TEST(what_a_change_takes_back_no_longer_counts)
{
    const uint8_t data[VT_INDEX_DATA_LEN] = {0};
    const struct vt_index_hash hash = {{9}};
    struct vt_change *change = change_of(3);
    const size_t mark = vt_change_mark(change);
    ck_assert_uint_eq(vt_change_tree_count(change), 3);
    ck_assert_ok(vt_change_index_remove(change, &hash, data));
    ck_assert_ok(vt_change_delete(change, VT_TABLE_ROW, vt_bytes_str("key")));
    ck_assert_uint_eq(vt_change_tree_count(change), 4);
    vt_change_rewind(change, mark);
    ck_assert_uint_eq(vt_change_tree_count(change), 3);
    vt_change_free(change);
}
END_TEST

VT_TEST_MAIN("server/committer", calls_share_a_commit_until_it_changes_as_much_of_the_tree_as_it_may,
             a_call_that_changes_more_than_a_commit_may_goes_alone, no_more_calls_share_a_commit_than_are_set,
             an_epochs_step_goes_alone, what_a_change_takes_back_no_longer_counts)
