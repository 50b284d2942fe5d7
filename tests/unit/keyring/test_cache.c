/* The cache by itself: who may insert, who may look up, what stays alive, what is bounded. */
#include "tests/support/suite.h"
#include "vaultd/core/keyring/cache_internal.h"

enum { OBJECT_BYTES = 256, MAX_BYTES = 64 * 1024, VERSION = 5 };

struct object {
    struct vt_cached head;
    uint8_t secret[64];
};

static struct vt_cache_key key_of(uint64_t number)
{
    struct vt_cache_key key = {.tenant = 1};
    vt_put_u64(key.id, number * 0x9e3779b97f4a7c15u);
    vt_put_u64(key.id + 8, number);
    return key;
}

static struct vt_cache *cache_new(void)
{
    struct vt_cache *cache = NULL;
    ck_assert_ok(vt_cache_new(MAX_BYTES, OBJECT_BYTES, &cache));
    vt_cache_commit_begin(cache, VERSION);
    vt_cache_commit_end(cache, VERSION);
    return cache;
}

static struct object *object_new(uint64_t number)
{
    struct object *object = vt_cached_new(OBJECT_BYTES);
    ck_assert_ptr_nonnull(object);
    object->head.key = key_of(number);
    object->head.valid_from = VERSION;
    memset(object->secret, 0x5a, sizeof object->secret);
    return object;
}

static void insert(struct vt_cache *cache, uint64_t number, uint64_t at_version)
{
    struct object *object = object_new(number);
    vt_cache_put(cache, &object->head, at_version);
    vt_cached_drop(&object->head);
}

static bool has(struct vt_cache *cache, uint64_t number, uint64_t at_version)
{
    const struct vt_cache_key key = key_of(number);
    struct vt_cached *found = vt_cache_get(cache, &key, at_version);
    vt_cached_drop(found);
    return found != NULL;
}

START_TEST(only_the_present_state_may_insert)
{
    struct vt_cache *cache = cache_new();
    insert(cache, 1, VERSION - 1);
    insert(cache, 2, VERSION + 1);
    insert(cache, 3, VERSION);
    ck_assert(!has(cache, 1, VERSION));
    ck_assert(!has(cache, 2, VERSION));
    ck_assert(has(cache, 3, VERSION));
    vt_cache_free(cache);
}
END_TEST

START_TEST(an_object_is_not_given_to_a_state_before_it_or_after_the_cache)
{
    struct vt_cache *cache = cache_new();
    insert(cache, 1, VERSION);
    ck_assert(!has(cache, 1, VERSION - 1));
    ck_assert(!has(cache, 1, VERSION + 1));
    vt_cache_free(cache);
}
END_TEST

/* The two halves of a commit: a late reader of the old state cannot put back what is being removed, an early reader of the
 * new state cannot find it. */
START_TEST(between_the_halves_of_a_commit_nothing_superseded_comes_or_goes)
{
    struct vt_cache *cache = cache_new();
    const struct vt_cache_key key = key_of(1);
    insert(cache, 1, VERSION);
    vt_cache_commit_begin(cache, VERSION + 1);
    ck_assert(has(cache, 1, VERSION));
    ck_assert(!has(cache, 1, VERSION + 1));
    vt_cache_remove(cache, &key);
    insert(cache, 1, VERSION);
    ck_assert(!has(cache, 1, VERSION));
    vt_cache_commit_end(cache, VERSION + 1);
    ck_assert(!has(cache, 1, VERSION + 1));
    vt_cache_free(cache);
}
END_TEST

START_TEST(what_is_kept_stays_true_for_later_states)
{
    struct vt_cache *cache = cache_new();
    insert(cache, 1, VERSION);
    vt_cache_commit_begin(cache, VERSION + 1);
    vt_cache_commit_end(cache, VERSION + 1);
    ck_assert(has(cache, 1, VERSION));
    ck_assert(has(cache, 1, VERSION + 1));
    vt_cache_free(cache);
}
END_TEST

START_TEST(a_borrowed_object_outlives_its_removal_and_is_wiped_by_the_last_holder)
{
    struct vt_cache *cache = cache_new();
    const struct vt_cache_key key = key_of(1);
    insert(cache, 1, VERSION);
    struct vt_cached *held = vt_cache_get(cache, &key, VERSION);
    ck_assert_ptr_nonnull(held);
    struct object *object = (struct object *)(void *)held;
    vt_cache_clear(cache);
    ck_assert(!has(cache, 1, VERSION));
    for (size_t i = 0; i < sizeof object->secret; i++) ck_assert_uint_eq(object->secret[i], 0x5a);
    vt_cached_drop(held);
    for (size_t i = 0; i < sizeof object->secret; i++) ck_assert_uint_eq(object->secret[i], 0);  /* arena: still mapped */
    vt_cache_free(cache);
}
END_TEST

START_TEST(the_first_object_of_a_key_stays_and_the_second_holder_keeps_his_own)
{
    struct vt_cache *cache = cache_new();
    const struct vt_cache_key key = key_of(1);
    struct object *first = object_new(1), *second = object_new(1);
    vt_cache_put(cache, &first->head, VERSION);
    vt_cache_put(cache, &second->head, VERSION);
    struct vt_cached *found = vt_cache_get(cache, &key, VERSION);
    ck_assert_ptr_eq(found, &first->head);
    ck_assert_uint_eq(second->secret[0], 0x5a);
    vt_cached_drop(found);
    vt_cached_drop(&first->head);
    vt_cached_drop(&second->head);
    vt_cache_free(cache);
}
END_TEST

START_TEST(the_cache_holds_no_more_bytes_than_it_may_and_lets_the_least_used_go_first)
{
    struct vt_cache *cache = cache_new();
    struct vt_cache_stats stats;
    for (uint64_t i = 0; i < 2000; i++) {
        insert(cache, i, VERSION);
        ck_assert(has(cache, 0, VERSION));      /* used all the time */
    }
    vt_cache_stats(cache, &stats);
    ck_assert_uint_le(stats.count * OBJECT_BYTES, MAX_BYTES);
    ck_assert_uint_ge(stats.count * OBJECT_BYTES, MAX_BYTES * 9 / 10);
    ck_assert(!has(cache, 1, VERSION));
    ck_assert(has(cache, 1999, VERSION));
    vt_cache_free(cache);
}
END_TEST

START_TEST(hits_and_misses_are_counted)
{
    struct vt_cache *cache = cache_new();
    struct vt_cache_stats stats;
    insert(cache, 1, VERSION);
    ck_assert(has(cache, 1, VERSION));
    ck_assert(!has(cache, 2, VERSION));
    ck_assert(!has(cache, 3, VERSION));
    vt_cache_stats(cache, &stats);
    ck_assert_uint_eq(stats.hits, 1);
    ck_assert_uint_eq(stats.misses, 2);
    ck_assert_uint_eq(stats.count, 1);
    vt_cache_free(cache);
}
END_TEST

VT_TEST_MAIN("keyring/cache", only_the_present_state_may_insert,
             an_object_is_not_given_to_a_state_before_it_or_after_the_cache,
             between_the_halves_of_a_commit_nothing_superseded_comes_or_goes, what_is_kept_stays_true_for_later_states,
             a_borrowed_object_outlives_its_removal_and_is_wiped_by_the_last_holder,
             the_first_object_of_a_key_stays_and_the_second_holder_keeps_his_own,
             the_cache_holds_no_more_bytes_than_it_may_and_lets_the_least_used_go_first,
             hits_and_misses_are_counted)
