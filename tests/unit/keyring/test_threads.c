/* Readers on their snapshots while the committer inserts, drops, closes epochs and fences. Run under ThreadSanitizer
 * too. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/ring_world.h"

enum { READERS = 3, PAIRS = 40, ROUNDS = 150, EPOCH_EVERY = 10 };

struct stage {
    struct ring_world world;
    atomic_bool is_over;
    atomic_uint torn, wrong, failed, reads;
};

/* Subjects 2i and 2i+1 come and go in one commit, so every snapshot has both or none. */
static vault_status read_pair(struct stage *stage, struct vt_keyring_view *view, uint64_t pair)
{
    const struct vt_sid first = ring_sid(2 * pair), second = ring_sid(2 * pair + 1);
    const struct vt_subject_keys *a = NULL, *b = NULL;
    const vault_status one = vt_keyring_subject_keys(view, VT_TENANT_DEFAULT, &first, &a);
    const vault_status other = vt_keyring_subject_keys(view, VT_TENANT_DEFAULT, &second, &b);
    if (one != other) atomic_fetch_add(&stage->torn, 1);
    if (one == VAULT_OK && other == VAULT_OK) {
        const bool is_right = vt_sid_equal(&a->sid, &first) && vt_sid_equal(&b->sid, &second) && a->count == b->count;
        if (!is_right) atomic_fetch_add(&stage->wrong, 1);
    }
    return one == VAULT_E_NOT_FOUND ? VAULT_OK : one;
}

static vault_status read_once(struct stage *stage, uint64_t from)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_txn_begin_read(stage->world.store, &txn));
    VT_TRY(vt_keyring_view_begin(stage->world.ring, txn, &view));
    for (uint64_t i = 0; i < 10; i++) VT_TRY(read_pair(stage, view, (from + i * 7) % PAIRS));
    vt_keyring_view_end(VT_MOVE(view));     /* before its transaction */
    atomic_fetch_add(&stage->reads, 1);
    return VAULT_OK;
}

static void *reader_run(void *context)
{
    struct stage *stage = context;
    for (uint64_t i = 0; !atomic_load(&stage->is_over); i++) {
        const vault_status status = read_once(stage, i);
        /* a snapshot from just before a fenced epoch is told to begin again */
        if (status != VAULT_OK && status != VAULT_E_CONFLICT) atomic_fetch_add(&stage->failed, 1);
    }
    return NULL;
}

static void flip_pair(struct ring_write *change, bool *is_there, uint64_t pair)
{
    for (uint64_t i = 2 * pair; i < 2 * pair + 2; i++) {
        const struct vt_sid sid = ring_sid(i);
        if (*is_there)
            ck_assert_ok(vt_keyring_drop_subject(change->write, VT_TENANT_DEFAULT, &sid));
        else
            ring_add_subject(change, VT_TENANT_DEFAULT, &sid, 2);
    }
    *is_there = !*is_there;
}

/* What is committed is what the next view sees, whatever the readers have cached meanwhile. */
static void assert_seen(struct ring_world *world, const bool *is_there)
{
    for (uint64_t pair = 0; pair < PAIRS; pair++) {
        const struct vt_sid sid = ring_sid(2 * pair);
        ck_assert_status(ring_subject_status(world, VT_TENANT_DEFAULT, &sid),
                         is_there[pair] ? VAULT_OK : VAULT_E_NOT_FOUND);
    }
}

START_TEST(readers_see_whole_snapshots_while_the_committer_changes_everything)
{
    static struct stage stage;
    static bool is_there[PAIRS];
    pthread_t readers[READERS];
    ring_world_open(&stage.world);
    for (size_t i = 0; i < READERS; i++) ck_assert_int_eq(pthread_create(&readers[i], NULL, reader_run, &stage), 0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct ring_write change = ring_begin(&stage.world);
        for (uint64_t i = 0; i < 5; i++)
            flip_pair(&change, &is_there[(round * 5 + i) % PAIRS], (round * 5 + i) % PAIRS);
        if (round % EPOCH_EVERY == 0)
            ring_commit_epoch(&change);
        else
            ring_commit(&change);
        assert_seen(&stage.world, is_there);
    }
    atomic_store(&stage.is_over, true);
    for (size_t i = 0; i < READERS; i++) ck_assert_int_eq(pthread_join(readers[i], NULL), 0);
    ck_assert_uint_eq(atomic_load(&stage.torn), 0);
    ck_assert_uint_eq(atomic_load(&stage.wrong), 0);
    ck_assert_uint_eq(atomic_load(&stage.failed), 0);
    ck_assert_uint_gt(atomic_load(&stage.reads), 0);
    ring_world_free(&stage.world);
}
END_TEST

START_TEST(sealing_waits_for_readers_and_they_are_refused_afterwards)
{
    static struct stage stage;
    pthread_t readers[READERS];
    ring_world_open(&stage.world);
    for (size_t i = 0; i < READERS; i++) ck_assert_int_eq(pthread_create(&readers[i], NULL, reader_run, &stage), 0);
    while (atomic_load(&stage.reads) < 100) sched_yield();
    ck_assert_uint_eq(atomic_load(&stage.failed), 0);
    vt_keyring_seal(stage.world.ring);
    struct vt_keyring_stats stats;
    vt_keyring_stats(stage.world.ring, &stats);
    ck_assert_uint_eq(stats.views_open, 0);
    ck_assert_uint_eq(stats.pages_cached + stats.subjects_cached, 0);
    atomic_store(&stage.is_over, true);
    for (size_t i = 0; i < READERS; i++) ck_assert_int_eq(pthread_join(readers[i], NULL), 0);
    ck_assert_ok(vt_keyring_unseal(stage.world.ring, &stage.world.root_key));
    ck_assert_ok(read_once(&stage, 0));
    ring_world_free(&stage.world);
}
END_TEST

VT_TEST_MAIN("keyring/threads", readers_see_whole_snapshots_while_the_committer_changes_everything,
             sealing_waits_for_readers_and_they_are_refused_afterwards)
