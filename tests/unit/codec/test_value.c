#include <stdio.h>

#include "libvault/base/fault.h"
#include "libvault/codec/value.h"
#include "tests/support/suite.h"
#include "tests/unit/codec/random_tree.h"

static struct vt_value map_of(struct vt_pool *pool, unsigned count)
{
    struct vt_value map = vt_value_map();
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "key%u", i);
        ck_assert_ok(vt_value_append(pool, &map, vt_pool_copy(pool, vt_bytes_str(name)), vt_value_int(i), NULL));
    }
    return map;
}

START_TEST(what_is_put_is_found_under_its_key_only)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_value map = vt_value_map();
    ck_assert_ok(vt_value_put(&pool, &map, "name", vt_value_str("ada"), NULL));
    ck_assert_ok(vt_value_put(&pool, &map, "age", vt_value_int(36), NULL));
    ck_assert_ok(vt_value_put(&pool, &map, "", vt_value_bool(true), NULL));

    ck_assert(vt_bytes_equal_str(vt_value_get_text(&map, "name"), "ada"));
    ck_assert_int_eq(vt_value_get_int(&map, "age", -1), 36);
    ck_assert(vt_value_get_bool(&map, "", false));
    ck_assert_ptr_null(vt_value_get(&map, "nam"));
    ck_assert_ptr_null(vt_value_get(&map, "namee"));
    ck_assert_ptr_null(vt_value_get_bytes(&map, vt_bytes("age\0", 4)));
}
END_TEST

START_TEST(getters_answer_their_default_for_absent_keys_other_kinds_and_no_map)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_value map = vt_value_map();
    const struct vt_value text = vt_value_str("7");
    ck_assert_ok(vt_value_put(&pool, &map, "text", text, NULL));
    ck_assert_ok(vt_value_put(&pool, &map, "bytes", vt_value_bytes(vt_bytes_str("x")), NULL));

    ck_assert_int_eq(vt_value_get_int(&map, "text", 5), 5);
    ck_assert_int_eq(vt_value_get_int(&map, "absent", 5), 5);
    ck_assert(vt_value_get_bool(&map, "text", true));
    ck_assert_ptr_null(vt_value_get_text(&map, "bytes").data);
    ck_assert_ptr_null(vt_value_get_text(&map, "absent").data);
    ck_assert_ptr_null(vt_value_get(&text, "text"));
    ck_assert_ptr_null(vt_value_get(NULL, "text"));
}
END_TEST

START_TEST(a_key_from_outside_is_put_once)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_value map = vt_value_map();
    ck_assert_ok(vt_value_put_new(&pool, &map, vt_bytes_str("a"), vt_value_int(1), NULL));
    ck_assert_status(vt_value_put_new(&pool, &map, vt_bytes_str("a"), vt_value_int(2), NULL), VAULT_E_PARSE);
    ck_assert_uint_eq(map.map.count, 1);
    ck_assert_int_eq(vt_value_get_int(&map, "a", 0), 1);
}
END_TEST

START_TEST(growing_keeps_every_item_and_its_order)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_value array = vt_value_array(), map = map_of(&pool, 1000);
    for (int i = 0; i < 1000; i++) {
        struct vt_value *place;
        ck_assert_ok(vt_value_push(&pool, &array, vt_value_int(i), &place));
        ck_assert_int_eq(place->integer, i);
    }
    ck_assert_uint_eq(array.array.count, 1000);
    ck_assert_uint_eq(map.map.count, 1000);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(array.array.items[i].integer, i);
        ck_assert_int_eq(map.map.pairs[i].value.integer, i);
    }
    ck_assert_int_eq(vt_value_get_int(&map, "key999", 0), 999);
}
END_TEST

START_TEST(a_full_pool_refuses_and_leaves_the_tree_whole)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(400);
    struct vt_value array = vt_value_array();
    vault_status status = VAULT_OK;
    size_t pushed = 0;
    for (; pushed < 100 && status == VAULT_OK; pushed += status == VAULT_OK)
        status = vt_value_push(&pool, &array, vt_value_int((int64_t)pushed), NULL);
    ck_assert_status(status, VAULT_E_MEMORY);
    ck_assert_uint_gt(pushed, 0);
    ck_assert_uint_eq(array.array.count, pushed);
    for (size_t i = 0; i < pushed; i++) ck_assert_int_eq(array.array.items[i].integer, (int64_t)i);
}
END_TEST

START_TEST(a_key_that_stands_twice_is_seen_in_small_and_large_maps)
{
    static const unsigned sizes[] = {1, 2, 15, 16, 17, 1000};
    for (size_t i = 0; i < VT_ARRAY_LEN(sizes); i++) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
        struct vt_value map = map_of(&pool, sizes[i]);
        bool is_twice = true;
        ck_assert_ok(vt_value_has_key_twice(&pool, &map, &is_twice));
        ck_assert(!is_twice);
        ck_assert_ok(vt_value_append(&pool, &map, vt_bytes_str("key0"), VT_VALUE_INIT, NULL));
        ck_assert_ok(vt_value_has_key_twice(&pool, &map, &is_twice));
        ck_assert(is_twice);
    }
}
END_TEST

START_TEST(looking_for_a_key_twice_reports_a_full_pool)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20), full = VT_POOL_INIT(64);
    const struct vt_value map = map_of(&pool, 17);
    bool is_twice = true;
    ck_assert_status(vt_value_has_key_twice(&full, &map, &is_twice), VAULT_E_MEMORY);
    ck_assert(is_twice);
}
END_TEST

START_TEST(maps_are_equal_in_any_order_and_arrays_only_in_theirs)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_value ab = vt_value_map(), ba = vt_value_map(), one_two = vt_value_array(), two_one = vt_value_array();
    ck_assert_ok(vt_value_put(&pool, &ab, "a", vt_value_int(1), NULL));
    ck_assert_ok(vt_value_put(&pool, &ab, "b", vt_value_int(2), NULL));
    ck_assert_ok(vt_value_put(&pool, &ba, "b", vt_value_int(2), NULL));
    ck_assert_ok(vt_value_put(&pool, &ba, "a", vt_value_int(1), NULL));
    ck_assert_ok(vt_value_push(&pool, &one_two, vt_value_int(1), NULL));
    ck_assert_ok(vt_value_push(&pool, &one_two, vt_value_int(2), NULL));
    ck_assert_ok(vt_value_push(&pool, &two_one, vt_value_int(2), NULL));
    ck_assert_ok(vt_value_push(&pool, &two_one, vt_value_int(1), NULL));

    ck_assert(vt_value_equal(&ab, &ba));
    ck_assert(!vt_value_equal(&one_two, &two_one));
    ck_assert_ok(vt_value_put(&pool, &ba, "c", VT_VALUE_INIT, NULL));
    ck_assert(!vt_value_equal(&ab, &ba));
    ck_assert_ok(vt_value_put(&pool, &ab, "d", VT_VALUE_INIT, NULL));
    ck_assert(!vt_value_equal(&ab, &ba));
}
END_TEST

START_TEST(values_of_different_kinds_are_never_equal)
{
    const struct vt_value values[] = {
        VT_VALUE_INIT,
        vt_value_bool(false),
        vt_value_bool(true),
        vt_value_int(0),
        vt_value_int(1),
        {.kind = VT_VALUE_UINT, .unsigned_integer = UINT64_MAX},
        vt_value_int(-1),
        {.kind = VT_VALUE_DOUBLE, .number = 0.0},
        {.kind = VT_VALUE_DOUBLE, .number = -0.0},
        vt_value_str(""),
        vt_value_bytes(vt_bytes_str("")),
        vt_value_str("0"),
        vt_value_array(),
        vt_value_map(),
    };
    for (size_t a = 0; a < VT_ARRAY_LEN(values); a++)
        for (size_t b = 0; b < VT_ARRAY_LEN(values); b++)
            ck_assert_int_eq(vt_value_equal(&values[a], &values[b]), a == b);
}
END_TEST

START_TEST(a_copy_equals_its_original_and_shares_nothing_with_it)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        VT_AUTO(vt_pool)
        from_pool = VT_POOL_INIT(64 << 20), to_pool = VT_POOL_INIT(64 << 20), third_pool = VT_POOL_INIT(64 << 20);
        struct random random = {seed}, again = {seed};
        const struct vt_value from = random_tree(&from_pool, &random, 4);
        struct vt_value copy;
        ck_assert_ok(vt_value_copy(&to_pool, &from, &copy));
        vt_pool_release(&from_pool); /* wipes what the copy must not need */
        const struct vt_value same = random_tree(&third_pool, &again, 4);
        ck_assert_msg(vt_value_equal(&copy, &same), "seed %u", (unsigned)seed);
    }
}
END_TEST

START_TEST(a_copy_without_memory_is_refused_and_writes_nothing)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    const struct vt_value map = map_of(&pool, 20);
    bool has_fitted = false;
    for (size_t max = 0; !has_fitted; max += 16) {
        VT_AUTO(vt_pool) small = VT_POOL_INIT(max);
        struct vt_value copy = vt_value_int(77);
        const vault_status status = vt_value_copy(&small, &map, &copy);
        has_fitted = status == VAULT_OK;
        if (has_fitted)
            ck_assert(vt_value_equal(&copy, &map));
        else
            ck_assert(status == VAULT_E_MEMORY && copy.kind == VT_VALUE_INT && copy.integer == 77);
    }
}
END_TEST

START_TEST(every_kind_has_a_name_of_its_own_in_messages)
{
    ck_assert_str_eq(vt_value_kind_name(VT_VALUE_NIL), "null");
    ck_assert_str_eq(vt_value_kind_name(VT_VALUE_BOOL), "boolean");
    ck_assert_str_eq(vt_value_kind_name(VT_VALUE_INT), "integer");
    ck_assert_str_eq(vt_value_kind_name(VT_VALUE_UINT), "integer");
    ck_assert_str_eq(vt_value_kind_name(VT_VALUE_DOUBLE), "number");
    ck_assert_str_eq(vt_value_kind_name(VT_VALUE_TEXT), "text");
    ck_assert_str_eq(vt_value_kind_name(VT_VALUE_BYTES), "bytes");
    ck_assert_str_eq(vt_value_kind_name(VT_VALUE_ARRAY), "array");
    ck_assert_str_eq(vt_value_kind_name(VT_VALUE_MAP), "map");
}
END_TEST

START_TEST(a_map_with_room_reserved_takes_its_pairs_in_place_and_grows_past_it)
{
    static const char *const keys[] = {"a", "b", "c", "d"};
    struct vt_pool pool = VT_POOL_INIT(1 << 20);
    struct vt_value map = vt_value_map();
    ck_assert_ok(vt_value_reserve(&pool, &map, 3));
    const struct vt_pair *pairs = map.map.pairs;
    for (int i = 0; i < 3; i++) ck_assert_ok(vt_value_put(&pool, &map, keys[i], vt_value_int(i), NULL));
    ck_assert_ptr_eq(map.map.pairs, pairs);
    ck_assert_ok(vt_value_put(&pool, &map, keys[3], vt_value_int(3), NULL));
    for (int i = 0; i < 4; i++) ck_assert_int_eq(vt_value_get_int(&map, keys[i], -1), i);
    vt_pool_release(&pool);
}
END_TEST

START_TEST(no_room_reserved_is_no_room_and_too_much_is_short_of_memory)
{
    struct vt_pool pool = VT_POOL_INIT(64);
    struct vt_value map = vt_value_map();
    ck_assert_ok(vt_value_reserve(&pool, &map, 0));
    ck_assert_ptr_null(map.map.pairs);
    ck_assert_status(vt_value_reserve(&pool, &map, 1000), VAULT_E_MEMORY);
    ck_assert_status(vt_value_reserve(&pool, &map, SIZE_MAX / 2), VAULT_E_MEMORY);
    ck_assert_uint_eq(map.map.cap, 0);
    vt_pool_release(&pool);
}
END_TEST

VT_TEST_MAIN("codec/value", a_map_with_room_reserved_takes_its_pairs_in_place_and_grows_past_it,
             no_room_reserved_is_no_room_and_too_much_is_short_of_memory,
             what_is_put_is_found_under_its_key_only,
             getters_answer_their_default_for_absent_keys_other_kinds_and_no_map, a_key_from_outside_is_put_once,
             growing_keeps_every_item_and_its_order, a_full_pool_refuses_and_leaves_the_tree_whole,
             a_key_that_stands_twice_is_seen_in_small_and_large_maps, looking_for_a_key_twice_reports_a_full_pool,
             maps_are_equal_in_any_order_and_arrays_only_in_theirs, values_of_different_kinds_are_never_equal,
             a_copy_equals_its_original_and_shares_nothing_with_it, a_copy_without_memory_is_refused_and_writes_nothing,
             every_kind_has_a_name_of_its_own_in_messages)
