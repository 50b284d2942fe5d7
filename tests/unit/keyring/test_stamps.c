#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"
#include "tests/support/suite.h"
#include "vaultd/core/keyring/stamps.h"

static struct vt_sid sid_of(uint8_t number)
{
    struct vt_sid sid;
    for (size_t i = 0; i < sizeof sid.bytes; i++) sid.bytes[i] = (uint8_t)(number * 37 + i * 11);
    return sid;
}

static struct vt_scope scope_of(uint8_t number, uint16_t category, uint64_t record)
{
    return (struct vt_scope){.sid = sid_of(number), .category = category, .record = record};
}

static struct vt_stamps *stamps_new(void)
{
    struct vt_stamps *stamps = NULL;
    ck_assert_ok(vt_stamps_new(&stamps));
    return stamps;
}

START_TEST(an_id_has_changed_only_after_it_was_touched)
{
    struct vt_stamps *stamps = stamps_new();
    const struct vt_sid ada = sid_of(1), ben = sid_of(2);
    const uint64_t since = vt_stamps_now(stamps);
    ck_assert(!vt_stamps_changed(stamps, ada.bytes, since));
    vt_stamps_touch(stamps, ada.bytes);
    ck_assert(vt_stamps_changed(stamps, ada.bytes, since));
    ck_assert(!vt_stamps_changed(stamps, ben.bytes, since));
    ck_assert(!vt_stamps_changed(stamps, ada.bytes, vt_stamps_now(stamps)));
    vt_stamps_free(stamps);
}
END_TEST

START_TEST(touching_all_changes_ids_that_were_never_seen)
{
    struct vt_stamps *stamps = stamps_new();
    const struct vt_sid ben = sid_of(2);
    const uint64_t since = vt_stamps_now(stamps);
    vt_stamps_touch_all(stamps);
    ck_assert(vt_stamps_changed(stamps, ben.bytes, since));
    ck_assert(!vt_stamps_changed(stamps, ben.bytes, vt_stamps_now(stamps)));
    vt_stamps_free(stamps);
}
END_TEST

START_TEST(no_change_is_missed_among_a_hundred_thousand_ids)
{
    struct vt_stamps *stamps = stamps_new();
    for (unsigned i = 0; i < 100000; i++) {
        struct vt_sid sid;
        ck_assert_ok(vt_random_bytes(sid.bytes, sizeof sid.bytes));
        const uint64_t since = vt_stamps_now(stamps);
        vt_stamps_touch(stamps, sid.bytes);
        ck_assert(vt_stamps_changed(stamps, sid.bytes, since));
    }
    vt_stamps_free(stamps);
}
END_TEST

START_TEST(a_pending_subject_covers_its_categories_and_records)
{
    struct vt_stamps *stamps = stamps_new();
    const struct vt_scope whole = scope_of(1, 0, 0), category = scope_of(1, 3, 0), record = scope_of(1, 3, 7);
    const struct vt_scope other = scope_of(2, 0, 0);
    ck_assert_ok(vt_stamps_add_pending(stamps, &whole));
    ck_assert(vt_stamps_is_pending(stamps, &whole));
    ck_assert(vt_stamps_is_pending(stamps, &category));
    ck_assert(vt_stamps_is_pending(stamps, &record));
    ck_assert(!vt_stamps_is_pending(stamps, &other));
    vt_stamps_free(stamps);
}
END_TEST

START_TEST(a_pending_record_leaves_its_category_and_subject_readable)
{
    struct vt_stamps *stamps = stamps_new();
    const struct vt_scope whole = scope_of(1, 0, 0), category = scope_of(1, 3, 0), record = scope_of(1, 3, 7);
    const struct vt_scope sibling = scope_of(1, 3, 8), elsewhere = scope_of(1, 4, 7);
    ck_assert_ok(vt_stamps_add_pending(stamps, &record));
    ck_assert(vt_stamps_is_pending(stamps, &record));
    ck_assert(!vt_stamps_is_pending(stamps, &category));
    ck_assert(!vt_stamps_is_pending(stamps, &whole));
    ck_assert(!vt_stamps_is_pending(stamps, &sibling));
    ck_assert(!vt_stamps_is_pending(stamps, &elsewhere));
    vt_stamps_remove_pending(stamps, &record);
    ck_assert_ok(vt_stamps_add_pending(stamps, &category));
    ck_assert(vt_stamps_is_pending(stamps, &sibling));
    ck_assert(!vt_stamps_is_pending(stamps, &elsewhere));
    vt_stamps_free(stamps);
}
END_TEST

START_TEST(adding_and_removing_a_pending_shred_touches_the_subject)
{
    struct vt_stamps *stamps = stamps_new();
    const struct vt_scope record = scope_of(1, 3, 7);
    uint64_t since = vt_stamps_now(stamps);
    ck_assert_ok(vt_stamps_add_pending(stamps, &record));
    ck_assert(vt_stamps_changed(stamps, record.sid.bytes, since));
    since = vt_stamps_now(stamps);
    vt_stamps_remove_pending(stamps, &record);
    ck_assert(vt_stamps_changed(stamps, record.sid.bytes, since));
    ck_assert(!vt_stamps_is_pending(stamps, &record));
    vt_stamps_free(stamps);
}
END_TEST

START_TEST(the_same_scope_twice_counts_once)
{
    struct vt_stamps *stamps = stamps_new();
    const struct vt_scope whole = scope_of(1, 0, 0), category = scope_of(1, 3, 0);
    ck_assert_ok(vt_stamps_add_pending(stamps, &whole));
    ck_assert_ok(vt_stamps_add_pending(stamps, &whole));
    ck_assert_ok(vt_stamps_add_pending(stamps, &category));
    ck_assert_uint_eq(vt_stamps_pending_count(stamps), 2);
    vt_stamps_remove_pending(stamps, &whole);
    vt_stamps_remove_pending(stamps, &whole);
    ck_assert_uint_eq(vt_stamps_pending_count(stamps), 1);
    vt_stamps_clear_pending(stamps);
    ck_assert_uint_eq(vt_stamps_pending_count(stamps), 0);
    ck_assert(!vt_stamps_is_pending(stamps, &category));
    vt_stamps_free(stamps);
}
END_TEST

START_TEST(only_the_frozen_scope_itself_is_frozen)
{
    struct vt_stamps *stamps = stamps_new();
    const struct vt_scope whole = scope_of(1, 0, 0), category = scope_of(1, 3, 0);
    ck_assert_ok(vt_stamps_add_pending(stamps, &category));
    ck_assert(!vt_stamps_is_frozen(stamps, &category));
    vt_stamps_freeze_pending(stamps, &category, true);
    vt_stamps_freeze_pending(stamps, &whole, true);
    ck_assert(vt_stamps_is_frozen(stamps, &category));
    ck_assert(!vt_stamps_is_frozen(stamps, &whole));
    vt_stamps_freeze_pending(stamps, &category, false);
    ck_assert(!vt_stamps_is_frozen(stamps, &category));
    vt_stamps_free(stamps);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(memory_that_is_short_refuses_a_pending_shred_and_keeps_the_set)
{
    struct vt_stamps *stamps = stamps_new();
    const struct vt_scope whole = scope_of(1, 0, 0);
    vt_fault_arm(VT_FAULT_ALLOC, 1);
    ck_assert_status(vt_stamps_add_pending(stamps, &whole), VAULT_E_MEMORY);
    ck_assert(vt_fault_disarm());
    ck_assert_uint_eq(vt_stamps_pending_count(stamps), 0);
    ck_assert(!vt_stamps_is_pending(stamps, &whole));
    vt_stamps_free(stamps);
}
END_TEST
#endif

struct race {
    struct vt_stamps *stamps;
    struct vt_scope scope;
    atomic_bool stop;
};

static void *add_and_remove(void *context)
{
    struct race *race = context;
    while (!atomic_load(&race->stop)) {
        if (vt_stamps_add_pending(race->stamps, &race->scope) != VAULT_OK) return race;
        vt_stamps_remove_pending(race->stamps, &race->scope);
    }
    return NULL;
}

START_TEST(readers_beside_a_writer_see_whole_states)
{
    struct race race = {.stamps = stamps_new(), .scope = scope_of(1, 3, 0)};
    const struct vt_scope always = scope_of(2, 0, 0);
    pthread_t writer;
    ck_assert_ok(vt_stamps_add_pending(race.stamps, &always));
    ck_assert_int_eq(pthread_create(&writer, NULL, add_and_remove, &race), 0);
    for (unsigned i = 0; i < 20000; i++) {
        ck_assert(vt_stamps_is_pending(race.stamps, &always));
        ck_assert_uint_ge(vt_stamps_pending_count(race.stamps), 1);
        ck_assert_uint_le(vt_stamps_pending_count(race.stamps), 2);
        (void)vt_stamps_is_pending(race.stamps, &race.scope);
    }
    atomic_store(&race.stop, true);
    void *failed;
    ck_assert_int_eq(pthread_join(writer, &failed), 0);
    ck_assert_ptr_null(failed);
    vt_stamps_free(race.stamps);
}
END_TEST

VT_TEST_MAIN("keyring/stamps",
#ifdef VT_FAULTS
             memory_that_is_short_refuses_a_pending_shred_and_keeps_the_set,
#endif
             an_id_has_changed_only_after_it_was_touched, touching_all_changes_ids_that_were_never_seen,
             no_change_is_missed_among_a_hundred_thousand_ids, a_pending_subject_covers_its_categories_and_records,
             a_pending_record_leaves_its_category_and_subject_readable,
             adding_and_removing_a_pending_shred_touches_the_subject, the_same_scope_twice_counts_once,
             only_the_frozen_scope_itself_is_frozen, readers_beside_a_writer_see_whole_states)
