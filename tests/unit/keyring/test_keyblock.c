/* Drafts: what goes into a subject's key block, what comes back, and what is refused. */
#include "libvault/base/fault.h"
#include "libvault/codec/limits.h"
#include "libvault/crypto/aead.h"
#include "libvault/crypto/digest.h"
#include "tests/support/ring_world.h"
#include "vaultd/core/keyring/keyblock_internal.h"

enum { CATEGORY = 3, OTHER_CATEGORY = 4, NOW_MS = 5000 };

static struct vt_keyblock_draft *draft_new(struct vt_keyring_view *view, const struct vt_sid *sid)
{
    struct vt_keyblock_draft *draft = NULL;
    ck_assert_ok(vt_keyblock_new(view, VT_TENANT_DEFAULT, sid, &draft));
    return draft;
}

static struct vt_keyblock_draft *draft_edit(struct vt_keyring_view *view, const struct vt_sid *sid)
{
    struct vt_keyblock_draft *draft = NULL;
    ck_assert_ok(vt_keyblock_edit(view, VT_TENANT_DEFAULT, sid, &draft));
    return draft;
}

static const struct vt_data_key *add(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record)
{
    const struct vt_data_key *key = NULL;
    ck_assert_ok(vt_keyblock_add(draft, category, record, NOW_MS, &key));
    return key;
}

static bool same_key(const struct vt_key *a, const struct vt_key *b)
{
    return vt_ct_equal(vt_key_bytes(a), vt_key_bytes(b));
}

START_TEST(a_block_comes_back_as_it_was_sealed)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct ring_write change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    const struct vt_data_key first = *add(draft, CATEGORY, 0);
    const struct vt_data_key of_record = *add(draft, CATEGORY, 77);
    const struct vt_key audit_key = vt_keyblock_keys(draft)->audit_key;
    const struct vt_key pseudonym_key = vt_keyblock_keys(draft)->pseudonym_key;
    ring_apply(&change, draft);
    ring_commit(&change);
    ring_world_restart(&world);

    struct ring_read read = ring_read_begin(&world);
    const struct vt_subject_keys *keys;
    ck_assert_ok(vt_keyring_subject_keys(read.view, VT_TENANT_DEFAULT, &sid, &keys));
    ck_assert(vt_sid_equal(&keys->sid, &sid));
    ck_assert_uint_eq(keys->version, 1);
    ck_assert_uint_eq(keys->created_epoch, VT_KEYRING_FIRST_EPOCH);
    ck_assert_uint_eq(keys->count, 2);
    ck_assert(same_key(&keys->audit_key, &audit_key));
    ck_assert(same_key(&keys->pseudonym_key, &pseudonym_key));
    const struct vt_data_key *found = vt_subject_keys_find(keys, CATEGORY, 77, 1);
    ck_assert_ptr_nonnull(found);
    ck_assert(same_key(&found->key, &of_record.key));
    ck_assert_int_eq(found->created_at_ms, NOW_MS);
    ck_assert_int_eq(found->expires_at_ms, 0);
    ck_assert_ptr_eq(vt_subject_keys_live(keys, CATEGORY, 77), found);
    ck_assert(same_key(&vt_subject_keys_live(keys, CATEGORY, 78)->key, &first.key));
    ck_assert_ptr_null(vt_subject_keys_live(keys, OTHER_CATEGORY, 0));
    ck_assert_ptr_null(vt_subject_keys_find(keys, CATEGORY, 0, 2));
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

/* What a later program would store: another version, and the seal and the tag over it as they should be. */
static void make_later(struct vt_keyblock_draft *draft)
{
    enum { HEAD_LEN = 12 };             /* incarnation 8 | key-block version 4 */
    uint8_t plain[4096], hash[VT_SHA256_LEN];
    struct vt_seal_ctx ctx;
    const struct vt_bytes sealed = vt_bytes(draft->sealed.data + HEAD_LEN, draft->sealed.len - HEAD_LEN);
    ck_assert_uint_le(sealed.len - VT_SEAL_OVERHEAD, sizeof plain);
    vt_seal_ctx_begin(&ctx, draft->vault_id.bytes, draft->incarnation, VT_SEAL_KEY_BLOCK, draft->tenant);
    vt_seal_ctx_bytes(&ctx, VT_BYTES_OF(draft->keys.sid.bytes));
    vt_seal_ctx_u32(&ctx, draft->entry.version);
    ck_assert_ok(vt_unseal_into(&draft->entry.subject_key, &ctx, sealed, plain));
    ck_assert_uint_eq(plain[0], 1);
    plain[0]++;
    ck_assert_ok(vt_seal_into(&draft->entry.subject_key, &ctx, vt_bytes(plain, sealed.len - VT_SEAL_OVERHEAD),
                              draft->sealed.data + HEAD_LEN));
    ck_assert_ok(vt_sha256_one(vt_buf_bytes(&draft->sealed), hash));
    memcpy(draft->entry.tag, hash, sizeof draft->entry.tag);
}

START_TEST(a_block_of_a_later_format_is_refused_by_name)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1), other = ring_sid(2);
    struct ring_write change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    add(draft, CATEGORY, 0);
    ck_assert_ok(vt_keyblock_seal(draft));
    make_later(draft);
    ck_assert_ok(vt_keyring_put_keyblock(change.write, draft));
    vt_keyblock_draft_free(draft);
    ring_add_subject(&change, VT_TENANT_DEFAULT, &other, CATEGORY);
    ring_commit(&change);
    ring_world_restart(&world);
    ck_assert_status(ring_subject_status(&world, VT_TENANT_DEFAULT, &sid), VAULT_E_FORMAT);
    ck_assert_ok(ring_subject_status(&world, VT_TENANT_DEFAULT, &other));
    ring_world_free(&world);
}
END_TEST

START_TEST(a_newer_key_makes_the_older_one_open_only)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct ring_write change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    add(draft, CATEGORY, 0);
    ck_assert_uint_eq(add(draft, CATEGORY, 0)->version, 2);
    const struct vt_subject_keys *keys = vt_keyblock_keys(draft);
    ck_assert_uint_eq(vt_subject_keys_find(keys, CATEGORY, 0, 1)->state, VT_DATA_KEY_OPEN_ONLY);
    ck_assert_uint_eq(vt_subject_keys_live(keys, CATEGORY, 0)->version, 2);
    ck_assert_ok(vt_keyblock_set_state(draft, CATEGORY, 0, 1, VT_DATA_KEY_RESTORE_ONLY));
    ck_assert_uint_eq(vt_subject_keys_find(keys, CATEGORY, 0, 1)->state, VT_DATA_KEY_RESTORE_ONLY);
    ck_assert_status(vt_keyblock_set_state(draft, CATEGORY, 0, 9, VT_DATA_KEY_LIVE), VAULT_E_NOT_FOUND);
    ck_assert_ok(vt_keyblock_drop_version(draft, CATEGORY, 0, 1));
    ck_assert_status(vt_keyblock_drop_version(draft, CATEGORY, 0, 1), VAULT_E_NOT_FOUND);
    ck_assert_uint_eq(keys->count, 1);
    vt_keyblock_draft_free(draft);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(dropping_a_category_takes_its_records_keys_and_leaves_the_others)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct ring_write change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    add(draft, CATEGORY, 0);
    add(draft, CATEGORY, 5);
    add(draft, CATEGORY, 6);
    add(draft, OTHER_CATEGORY, 0);
    ck_assert_ok(vt_keyblock_drop(draft, CATEGORY, 6));
    ck_assert_uint_eq(vt_keyblock_keys(draft)->count, 3);
    ck_assert_ok(vt_keyblock_drop(draft, CATEGORY, 0));
    ck_assert_status(vt_keyblock_drop(draft, CATEGORY, 0), VAULT_E_NOT_FOUND);
    ck_assert_uint_eq(vt_keyblock_keys(draft)->count, 1);
    ck_assert_ptr_nonnull(vt_subject_keys_live(vt_keyblock_keys(draft), OTHER_CATEGORY, 0));
    ck_assert_ok(vt_keyblock_drop(draft, VT_CATEGORY_ALL, 0));
    ck_assert_uint_eq(vt_keyblock_keys(draft)->count, 0);
    vt_keyblock_draft_free(draft);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_key_that_comes_after_a_dropped_one_never_takes_its_number)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct ring_write change = ring_begin(&world);
    ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, CATEGORY);
    ring_commit(&change);
    change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_edit(change.view, &sid);
    ck_assert_ok(vt_keyblock_drop(draft, CATEGORY, 0));
    ring_apply(&change, draft);
    ring_commit_epoch(&change);
    change = ring_begin(&world);
    draft = draft_edit(change.view, &sid);
    ck_assert_uint_eq(add(draft, CATEGORY, 0)->version, 2);
    vt_keyblock_draft_free(draft);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_renewed_key_replaces_every_version_of_its_own_and_no_other)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    const struct vt_data_key *fresh = NULL;
    struct ring_write change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    ck_assert_status(vt_keyblock_renew(draft, CATEGORY, 0, NOW_MS, &fresh), VAULT_E_NOT_FOUND);
    add(draft, CATEGORY, 0);
    add(draft, CATEGORY, 0);
    add(draft, CATEGORY, 5);
    add(draft, OTHER_CATEGORY, 0);
    const struct vt_key before = vt_subject_keys_live(vt_keyblock_keys(draft), CATEGORY, 0)->key;
    ck_assert_ok(vt_keyblock_renew(draft, CATEGORY, 0, NOW_MS, &fresh));
    ck_assert_uint_eq(fresh->version, 3);
    ck_assert_uint_eq(fresh->state, VT_DATA_KEY_LIVE);
    ck_assert(!same_key(&fresh->key, &before));
    ck_assert_uint_eq(vt_keyblock_keys(draft)->count, 3);
    ck_assert_ptr_eq(vt_subject_keys_live(vt_keyblock_keys(draft), CATEGORY, 0), fresh);
    vt_keyblock_draft_free(draft);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_check_of_a_draft_says_what_putting_it_would_say_and_changes_nothing)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct ring_write change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    ck_assert_status(vt_keyring_check_keyblock(change.write, draft), VAULT_E_STATE);
    ck_assert_ok(vt_keyblock_seal(draft));
    ck_assert_ok(vt_keyring_check_keyblock(change.write, draft));
    ck_assert(!vt_keyring_write_is_dirty(change.write));
    ck_assert_ok(vt_keyring_put_keyblock(change.write, draft));
    ck_assert_status(vt_keyring_check_keyblock(change.write, draft), VAULT_E_EXISTS);
    vt_keyblock_draft_free(draft);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(an_edit_of_a_block_that_has_changed_since_is_a_conflict)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1), gone = ring_sid(2);
    struct ring_write change = ring_begin(&world);
    ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, 1);
    ring_add_subject(&change, VT_TENANT_DEFAULT, &gone, 1);
    ring_commit(&change);

    struct ring_read read = ring_read_begin(&world);
    struct vt_keyblock_draft *first = draft_edit(read.view, &sid), *second = draft_edit(read.view, &sid);
    struct vt_keyblock_draft *late = draft_edit(read.view, &gone);
    ring_read_end(&read);
    add(first, OTHER_CATEGORY, 0);
    add(second, OTHER_CATEGORY, 0);
    ck_assert_ok(vt_keyblock_seal(second));
    ck_assert_ok(vt_keyblock_seal(late));

    change = ring_begin(&world);
    ring_apply(&change, first);
    ck_assert_status(vt_keyring_put_keyblock(change.write, second), VAULT_E_CONFLICT);
    ck_assert_ok(vt_keyring_drop_subject(change.write, VT_TENANT_DEFAULT, &gone));
    ck_assert_status(vt_keyring_put_keyblock(change.write, late), VAULT_E_NOT_FOUND);
    ring_commit(&change);
    change = ring_begin(&world);
    ck_assert_status(vt_keyring_put_keyblock(change.write, second), VAULT_E_CONFLICT);
    ring_abort(&change);
    vt_keyblock_draft_free(second);
    vt_keyblock_draft_free(late);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_new_subject_whose_id_is_taken_exists)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct ring_write change = ring_begin(&world);
    ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, 1);
    struct vt_keyblock_draft *again = draft_new(change.view, &sid);
    ck_assert_ok(vt_keyblock_seal(again));
    ck_assert_status(vt_keyring_put_keyblock(change.write, again), VAULT_E_EXISTS);
    ring_commit(&change);
    vt_keyblock_draft_free(again);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_draft_may_be_applied_again_when_its_batch_is_replayed)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct ring_read read = ring_read_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(read.view, &sid);
    ring_read_end(&read);
    ck_assert_ok(vt_keyblock_seal(draft));
    struct ring_write change = ring_begin(&world);
    ck_assert_ok(vt_keyring_put_keyblock(change.write, draft));
    ring_abort(&change);
    ck_assert_status(ring_subject_status(&world, VT_TENANT_DEFAULT, &sid), VAULT_E_NOT_FOUND);
    change = ring_begin(&world);
    ck_assert_ok(vt_keyring_put_keyblock(change.write, draft));
    ring_commit(&change);
    ck_assert_ok(ring_subject_status(&world, VT_TENANT_DEFAULT, &sid));
    vt_keyblock_draft_free(draft);
    ring_world_free(&world);
}
END_TEST

START_TEST(an_unsealed_draft_is_refused_and_a_sealed_one_takes_no_more_edits)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    const struct vt_data_key *key;
    struct ring_write change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    ck_assert_status(vt_keyring_put_keyblock(change.write, draft), VAULT_E_STATE);
    add(draft, CATEGORY, 0);
    ck_assert_ok(vt_keyblock_seal(draft));
    ck_assert_status(vt_keyblock_seal(draft), VAULT_E_STATE);
    ck_assert_status(vt_keyblock_add(draft, CATEGORY, 0, 0, &key), VAULT_E_STATE);
    ck_assert_status(vt_keyblock_drop(draft, CATEGORY, 0), VAULT_E_STATE);
    ck_assert_status(vt_keyblock_set_state(draft, CATEGORY, 0, 1, VT_DATA_KEY_OPEN_ONLY), VAULT_E_STATE);
    vt_keyblock_draft_free(draft);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(records_with_keys_of_their_own_are_limited)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    const struct vt_data_key *key;
    struct ring_write change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    for (uint64_t record = 1; record <= VT_LIMIT_RECORD_KEYS; record++) add(draft, CATEGORY, record);
    ck_assert_status(vt_keyblock_add(draft, CATEGORY, VT_LIMIT_RECORD_KEYS + 1, 0, &key), VAULT_E_LIMIT);
    add(draft, CATEGORY, 1);            /* a second version is no second record */
    add(draft, OTHER_CATEGORY, 0);      /* nor is a category */
    ck_assert_ok(vt_keyblock_drop(draft, CATEGORY, 1));
    add(draft, CATEGORY, VT_LIMIT_RECORD_KEYS + 1);
    ck_assert_status(vt_keyblock_add(draft, VT_CATEGORY_ALL, 0, 0, &key), VAULT_E_ARGUMENT);
    vt_keyblock_draft_free(draft);
    ring_abort(&change);
    ring_world_free(&world);
}
END_TEST

START_TEST(the_largest_block_goes_through_the_store_and_one_key_more_is_refused)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    const struct vt_data_key *key;
    struct ring_write change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    for (unsigned i = 0; i < VT_KEYBLOCK_KEYS_MAX; i++) add(draft, CATEGORY, 0);
    ck_assert_status(vt_keyblock_add(draft, CATEGORY, 0, 0, &key), VAULT_E_LIMIT);
    ring_apply(&change, draft);
    ring_commit(&change);
    struct ring_read read = ring_read_begin(&world);
    const struct vt_subject_keys *keys;
    ck_assert_ok(vt_keyring_subject_keys(read.view, VT_TENANT_DEFAULT, &sid, &keys));
    ck_assert_uint_eq(keys->count, VT_KEYBLOCK_KEYS_MAX);
    ck_assert_uint_eq(vt_subject_keys_live(keys, CATEGORY, 0)->version, VT_KEYBLOCK_KEYS_MAX);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

static size_t stored_len(struct ring_world *world, unsigned keys)
{
    static struct ring_row row;
    const struct vt_sid sid = ring_sid(1);
    struct ring_write change = ring_begin(world);
    struct vt_keyblock_draft *draft = draft_new(change.view, &sid);
    for (unsigned i = 0; i < keys; i++) add(draft, CATEGORY, 0);
    ring_apply(&change, draft);
    ring_commit(&change);
    ck_assert_uint_eq(ring_rows(world, VT_TABLE_KEYBLOCK, &row, 1), 1);
    change = ring_begin(world);
    ck_assert_ok(vt_keyring_drop_subject(change.write, VT_TENANT_DEFAULT, &sid));
    ring_commit(&change);
    return row.len - 12 - 94;
}

START_TEST(blocks_are_padded_so_that_the_number_of_keys_shows_only_in_steps)
{
    struct ring_world world;
    ring_world_open(&world);
    ck_assert_uint_eq(stored_len(&world, 0), 128);
    ck_assert_uint_eq(stored_len(&world, 1), 192);
    ck_assert_uint_eq(stored_len(&world, 14), 1024);
    ck_assert_uint_eq(stored_len(&world, 15), 2048);
    ck_assert_uint_eq(stored_len(&world, 30), 2048);
    ck_assert_uint_eq(stored_len(&world, 31), 3968);
    ck_assert_uint_eq(stored_len(&world, 60), 3968);
    ck_assert_uint_eq(stored_len(&world, 61), 4096);
    ck_assert_uint_eq(stored_len(&world, 63), 8192);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_partial_drop_leaves_the_rest_readable_and_the_older_block_dead)
{
    static struct ring_row before, after;
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct ring_write change = ring_begin(&world);
    ring_add_subject(&change, VT_TENANT_DEFAULT, &sid, OTHER_CATEGORY);
    ring_commit(&change);
    ck_assert_uint_eq(ring_rows(&world, VT_TABLE_KEYBLOCK, &before, 1), 1);
    change = ring_begin(&world);
    struct vt_keyblock_draft *draft = draft_edit(change.view, &sid);
    ck_assert_ok(vt_keyblock_drop(draft, CATEGORY, 0));
    ring_apply(&change, draft);
    ring_commit_epoch(&change);

    struct ring_read read = ring_read_begin(&world);
    const struct vt_subject_keys *keys;
    ck_assert_ok(vt_keyring_subject_keys(read.view, VT_TENANT_DEFAULT, &sid, &keys));
    ck_assert_ptr_null(vt_subject_keys_live(keys, CATEGORY, 0));
    ck_assert_ptr_nonnull(vt_subject_keys_live(keys, OTHER_CATEGORY, 0));
    ring_read_end(&read);

    ck_assert_uint_eq(ring_rows(&world, VT_TABLE_KEYBLOCK, &after, 1), 1);
    ck_assert_int_ne(memcmp(before.value, after.value, before.len), 0);
    ck_assert_ok(vt_keyring_fence(world.ring, 1000));
    ring_row_put(&world, VT_TABLE_KEYBLOCK, &before);
    ck_assert_status(ring_subject_status(&world, VT_TENANT_DEFAULT, &sid), VAULT_E_AUTHENTICITY);
    ring_world_free(&world);
}
END_TEST

START_TEST(a_draft_for_a_tenant_or_subject_that_is_not_there_is_not_found)
{
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct vt_keyblock_draft *draft = NULL;
    struct ring_read read = ring_read_begin(&world);
    ck_assert_status(vt_keyblock_new(read.view, 99, &sid, &draft), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_keyblock_edit(read.view, 99, &sid, &draft), VAULT_E_NOT_FOUND);
    ck_assert_status(vt_keyblock_edit(read.view, VT_TENANT_DEFAULT, &sid, &draft), VAULT_E_NOT_FOUND);
    ck_assert_ptr_null(draft);
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(a_draft_survives_every_failed_allocation_and_random_draw_unchanged)
{
    static const enum vt_fault kinds[] = {VT_FAULT_ALLOC, VT_FAULT_RANDOM};
    struct ring_world world;
    ring_world_open(&world);
    const struct vt_sid sid = ring_sid(1);
    struct ring_read read = ring_read_begin(&world);
    for (size_t kind = 0; kind < VT_ARRAY_LEN(kinds); kind++) {
        struct vt_keyblock_draft *draft = draft_new(read.view, &sid);
        for (unsigned i = 0; i < 7; i++) add(draft, CATEGORY, 0);       /* the next one makes it grow */
        const struct vt_data_key *key;
        vt_fault_arm(kinds[kind], 1);
        const vault_status status = vt_keyblock_add(draft, CATEGORY, 0, 0, &key);
        ck_assert(vt_fault_disarm());
        ck_assert_int_eq(status, kinds[kind] == VT_FAULT_ALLOC ? VAULT_E_MEMORY : VAULT_E_CRYPTO);
        ck_assert_uint_eq(vt_keyblock_keys(draft)->count, 7);
        ck_assert_uint_eq(vt_subject_keys_live(vt_keyblock_keys(draft), CATEGORY, 0)->version, 7);
        vt_fault_arm(kinds[kind], 1);
        const vault_status dropped = vt_keyblock_drop(draft, CATEGORY, 0);
        if (vt_fault_disarm()) ck_assert_uint_eq(vt_keyblock_keys(draft)->count, 7);
        ck_assert_int_eq(dropped == VAULT_OK, kinds[kind] == VT_FAULT_ALLOC);
        vt_keyblock_draft_free(draft);
    }
    ring_read_end(&read);
    ring_world_free(&world);
}
END_TEST
#endif

VT_TEST_MAIN("keyring/keyblock",
#ifdef VT_FAULTS
             a_draft_survives_every_failed_allocation_and_random_draw_unchanged,
#endif
             a_block_comes_back_as_it_was_sealed, a_block_of_a_later_format_is_refused_by_name,
             a_newer_key_makes_the_older_one_open_only,
             dropping_a_category_takes_its_records_keys_and_leaves_the_others,
             a_key_that_comes_after_a_dropped_one_never_takes_its_number,
             a_renewed_key_replaces_every_version_of_its_own_and_no_other,
             a_check_of_a_draft_says_what_putting_it_would_say_and_changes_nothing,
             an_edit_of_a_block_that_has_changed_since_is_a_conflict, a_new_subject_whose_id_is_taken_exists,
             a_draft_may_be_applied_again_when_its_batch_is_replayed,
             an_unsealed_draft_is_refused_and_a_sealed_one_takes_no_more_edits,
             records_with_keys_of_their_own_are_limited,
             the_largest_block_goes_through_the_store_and_one_key_more_is_refused,
             blocks_are_padded_so_that_the_number_of_keys_shows_only_in_steps,
             a_partial_drop_leaves_the_rest_readable_and_the_older_block_dead,
             a_draft_for_a_tenant_or_subject_that_is_not_there_is_not_found)
