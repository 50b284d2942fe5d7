#include <stdio.h>
#include <string.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "tests/unit/epoch/epoch_world.h"

static const struct world_shape one_of_one = {.k = 1, .m = 1, .has_journal = true};
static const struct world_shape two_of_three = {.k = 2, .m = 3, .has_journal = true};

START_TEST(a_new_vault_is_unsealed_at_epoch_one_and_unseals_again)
{
    const struct world_shape shapes[] = {one_of_one, two_of_three};
    for (size_t i = 0; i < VT_ARRAY_LEN(shapes); i++) {
        struct world world;
        struct vt_epoch_status status;
        world_new(&world, &shapes[i]);
        ck_assert(!vt_epoch_is_sealed(world.epoch));
        world_add_subject(&world, 1);
        world_reopen(&world);
        ck_assert(vt_epoch_is_sealed(world.epoch));
        ck_assert_ok(world_unseal(&world, NULL));
        ck_assert_ok(world_subject(&world, 1));
        ck_assert_ok(vt_epoch_status(world.epoch, &status));
        ck_assert(status.is_initialised);
        ck_assert(!status.is_sealed);
        ck_assert_uint_eq(status.epoch, 1);
        ck_assert_uint_eq(status.incarnation, 1);
        ck_assert_uint_eq(status.keeper_count, shapes[i].m);
        ck_assert_uint_eq(status.tolerance, shapes[i].m - shapes[i].k);
        ck_assert_uint_eq(status.floors[0].epoch, 1);
        ck_assert(!status.can_become_final);
        ck_assert(status.has_journal);
        world_end(&world);
    }
}
END_TEST

START_TEST(sealing_forgets_the_keys_and_unsealing_brings_the_vault_back)
{
    struct world world;
    world_with_request(&world, &one_of_one);
    vt_epoch_seal(world.epoch);
    ck_assert(vt_epoch_is_sealed(world.epoch));
    ck_assert(vt_keyring_is_sealed(world.ring));
    struct vt_epoch_closing *closing = NULL;
    ck_assert_status(vt_epoch_freeze_rotation(world.epoch, world_add_wraps, NULL, &closing), VAULT_E_SEALED);
    ck_assert(!vt_epoch_is_due(world.epoch));
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_subject(&world, CONTROL));
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
    world_end(&world);
}
END_TEST

START_TEST(a_vault_is_never_initialised_by_accident)
{
    struct world world;
    char path[200];
    world_new(&world, &one_of_one);
    ck_assert_status(vt_epoch_initialise(world.epoch, world_add_wraps, NULL), VAULT_E_EXISTS);
    ck_assert_status(vt_epoch_keeper_is_free(world.keepers[0]), VAULT_E_EXISTS);
    world_close(&world);
    world_path(&world, "store", path, sizeof path);
    vt_temp_dir_remove(path);                               /* the store is gone, keeper and journal are there */
    world_open(&world);
    ck_assert_status(vt_epoch_initialise(world.epoch, world_add_wraps, NULL), VAULT_E_EXISTS);
    world_close(&world);
    world_path(&world, "journal", path, sizeof path);
    vt_temp_dir_remove(path);
    world_open(&world);
    ck_assert_status(vt_epoch_initialise(world.epoch, world_add_wraps, NULL), VAULT_E_EXISTS);
    world_end(&world);
}
END_TEST

static vault_status add_nothing(void *context, struct vt_wraps *wraps, const struct vt_key *unseal_key)
{
    (void)context, (void)wraps, (void)unseal_key;
    return VAULT_OK;
}

START_TEST(a_vault_without_a_way_to_unseal_it_is_not_initialised)
{
    struct world world = {.shape = two_of_three};
    struct vt_wraps *wraps = NULL;
    vt_temp_dir_make(world.dir, sizeof world.dir);
    world_open(&world);
    ck_assert_status(vt_epoch_wraps(world.epoch, &wraps), VAULT_E_NOT_INITIALISED);
    ck_assert_status(vt_epoch_initialise(world.epoch, add_nothing, NULL), VAULT_E_ARGUMENT);
    world_cut_keeper(&world, 1, true);
    ck_assert_status(vt_epoch_initialise(world.epoch, world_add_wraps, NULL), VAULT_E_KEEPER);
    world_cut_keeper(&world, 1, false);
    ck_assert_ok(vt_epoch_initialise(world.epoch, world_add_wraps, NULL));
    world_end(&world);
}
END_TEST

START_TEST(impossible_keeper_sets_are_refused)
{
    struct world world;
    struct vt_epoch *epoch = NULL;
    world_new(&world, &two_of_three);
    struct vt_epoch_options options = world.options;
    options.quorum = 4;
    ck_assert_status(vt_epoch_open(world.store, world.ring, world.stamps, &options, &epoch), VAULT_E_ARGUMENT);
    options.quorum = 0;
    ck_assert_status(vt_epoch_open(world.store, world.ring, world.stamps, &options, &epoch), VAULT_E_ARGUMENT);
    options.quorum = 2;
    struct vt_keeper *same[] = {world.keepers[0], world.keepers[1], world.keepers[0]};
    options.keepers = same;
    ck_assert_status(vt_epoch_open(world.store, world.ring, world.stamps, &options, &epoch), VAULT_E_KEEPER);
    ck_assert_ptr_null(epoch);
    world_end(&world);
}
END_TEST

START_TEST(a_shred_is_effective_once_its_epoch_has_closed)
{
    const struct world_shape shapes[] = {one_of_one, two_of_three};
    for (size_t i = 0; i < VT_ARRAY_LEN(shapes); i++) {
        struct world world;
        const uint64_t certificate = world_with_request(&world, &shapes[i]);
        ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
        ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_PENDING);
        ck_assert_ok(world_close_epoch(&world, false));
        ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
        ck_assert_ok(world_subject(&world, CONTROL));
        ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
        ck_assert_uint_eq(world_epoch(&world), 2);
        ck_assert_uint_eq(world.destroyed, 1);
        world_reopen(&world);
        ck_assert_ok(world_unseal(&world, NULL));
        ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
        ck_assert_ok(world_subject(&world, CONTROL));
        world_end(&world);
    }
}
END_TEST

START_TEST(an_empty_epoch_closes_only_when_asked_to_and_changes_the_root_key)
{
    struct world world;
    struct world_shares before;
    world_new(&world, &two_of_three);
    world_add_subject(&world, CONTROL);
    world_close(&world);
    world_shares_read(&world, &before);
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_NOT_FOUND);
    ck_assert_uint_eq(world_epoch(&world), 1);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_uint_eq(world_epoch(&world), 3);
    ck_assert_uint_eq(before.count, 3);
    for (size_t i = 0; i < before.count; i++) ck_assert(!world_share_is_anywhere(&world, &before.slots[i]));
    ck_assert_ok(world_subject(&world, CONTROL));
    world_end(&world);
}
END_TEST

START_TEST(a_batch_larger_than_one_part_closes_whole)
{
    enum { COUNT = 40 };
    struct world world;
    uint64_t certificates[COUNT];
    world_new(&world, &one_of_one);
    for (unsigned i = 0; i < COUNT; i++) {
        world_add_subject(&world, 100 + i);
        certificates[i] = world_request(&world, 100 + i);
    }
    world_add_subject(&world, CONTROL);
    ck_assert_ok(world_close_epoch(&world, false));
    for (unsigned i = 0; i < COUNT; i++) {
        ck_assert_status(world_subject(&world, 100 + i), VAULT_E_NOT_FOUND);
        ck_assert_int_eq(world_certificate(&world, certificates[i]), VT_CERTIFICATE_EFFECTIVE);
        for (unsigned j = 0; j < i; j++) ck_assert_uint_ne(certificates[i], certificates[j]);
    }
    ck_assert_uint_eq(world_epoch(&world), 2);
    ck_assert_ok(world_subject(&world, CONTROL));
    world_end(&world);
}
END_TEST

START_TEST(a_category_and_its_whole_subject_may_ride_one_epoch)
{
    struct world world;
    world_new(&world, &one_of_one);
    world_add_subject(&world, TARGET);
    const uint64_t category = world_request_scope(&world, TARGET, 2), whole = world_request(&world, TARGET);
    ck_assert_uint_ne(category, whole);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_uint_eq(world.destroyed, 1);                  /* the wider one took all */
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
    ck_assert_int_eq(world_certificate(&world, category), VT_CERTIFICATE_EFFECTIVE);
    ck_assert_int_eq(world_certificate(&world, whole), VT_CERTIFICATE_EFFECTIVE);
    world_end(&world);
}
END_TEST

START_TEST(a_repeated_request_returns_the_first_ones_certificate)
{
    struct world world;
    uint64_t again = 0;
    const uint64_t first = world_with_request(&world, &one_of_one);
    const struct vt_scope whole = {.sid = world_sid(TARGET)}, part = {.sid = world_sid(TARGET), .category = 2};
    ck_assert_status(world_request_status(&world, &whole, &again), VAULT_E_EXISTS);
    ck_assert_uint_eq(again, first);
    ck_assert_status(world_request_status(&world, &part, &again), VAULT_E_EXISTS);
    ck_assert_uint_eq(again, first);
    world_end(&world);
}
END_TEST

/* A view and its transaction, opened and ended together. */
struct look {
    struct vt_txn *txn;
    struct vt_keyring_view *view;
};
static struct look look_begin(struct world *world, bool writes)
{
    struct look look = {NULL, NULL};
    ck_assert_ok(writes ? vt_txn_begin_write(world->store, &look.txn) : vt_txn_begin_read(world->store, &look.txn));
    ck_assert_ok(vt_keyring_view_begin(world->ring, look.txn, &look.view));
    return look;
}
static void look_end(struct look *look, bool keeps)
{
    vt_keyring_view_end(look->view);
    if (keeps)
        ck_assert_ok(vt_txn_commit(look->txn));
    else
        vt_txn_abort(look->txn);
}

START_TEST(a_cancelled_request_is_gone_and_a_frozen_one_cannot_be_cancelled)
{
    struct world world;
    struct vt_pending removed;
    const uint64_t certificate = world_with_request(&world, &one_of_one);
    const struct vt_scope scope = {.sid = world_sid(TARGET)};
    struct look look = look_begin(&world, false);
    struct vt_epoch_closing *closing = NULL, *second = NULL;
    ck_assert_ok(vt_epoch_freeze(world.epoch, look.view, false, &closing));
    ck_assert_uint_eq(vt_epoch_closing_count(closing), 1);
    ck_assert_uint_eq(vt_epoch_closing_certificate(closing, 0), certificate);
    ck_assert_mem_eq(vt_epoch_closing_pending(closing, 0)->scope.sid.bytes, scope.sid.bytes, 16);
    ck_assert_status(vt_epoch_freeze(world.epoch, look.view, false, &second), VAULT_E_BUSY);
    look_end(&look, false);

    look = look_begin(&world, true);
    ck_assert_status(vt_pending_remove(look.view, look.txn, world.stamps, &scope, &removed), VAULT_E_STATE);
    look_end(&look, false);
    vt_epoch_closing_free(closing);                         /* the closing was given up: it may be cancelled again */

    look = look_begin(&world, true);
    ck_assert_ok(vt_pending_remove(look.view, look.txn, world.stamps, &scope, &removed));
    ck_assert_uint_eq(removed.certificate, certificate);
    ck_assert_status(vt_pending_remove(look.view, look.txn, world.stamps, &scope, &removed), VAULT_E_NOT_FOUND);
    look_end(&look, true);
    vt_stamps_remove_pending(world.stamps, &scope);
    ck_assert_ok(world_subject(&world, TARGET));
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_NOT_FOUND);
    world_end(&world);
}
END_TEST

static bool admit_none(void *context, struct vt_keyring_view *view, const struct vt_pending *pending)
{
    (void)view, (void)pending;
    return *(const bool *)context;
}

START_TEST(a_request_that_is_not_admitted_stays_pending)
{
    struct world world = {.shape = one_of_one};
    bool admits = false;
    vt_temp_dir_make(world.dir, sizeof world.dir);
    world.options.admit = admit_none;
    world.options.admit_context = &admits;
    world_open(&world);
    ck_assert_ok(vt_epoch_initialise(world.epoch, world_add_wraps, NULL));
    world_add_subject(&world, TARGET);
    const uint64_t certificate = world_request(&world, TARGET);
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_NOT_FOUND);
    ck_assert_ok(world_close_epoch(&world, true));
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_PENDING);
    admits = true;
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
    world_end(&world);
}
END_TEST

START_TEST(an_epoch_is_due_by_count_and_by_time)
{
    struct world world = {.shape = one_of_one};
    vt_temp_dir_make(world.dir, sizeof world.dir);
    world.options.close_after_count = 2;
    world.options.close_after_ms = 1000;
    world_open(&world);
    ck_assert_ok(vt_epoch_initialise(world.epoch, world_add_wraps, NULL));
    for (unsigned i = 0; i < 3; i++) world_add_subject(&world, i);
    ck_assert(!vt_epoch_is_due(world.epoch));
    (void)world_request(&world, 0);
    ck_assert(!vt_epoch_is_due(world.epoch));
    (void)world_request(&world, 1);
    ck_assert(vt_epoch_is_due(world.epoch));
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert(!vt_epoch_is_due(world.epoch));
    (void)world_request(&world, 2);
    ck_assert(!vt_epoch_is_due(world.epoch));
    struct vt_epoch_status status;
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert_int_eq(status.next_close_at_ms, vt_clock_now_ms(&world.clock) + 1000);
    world.clock.offset_ms += 1000;
    ck_assert(vt_epoch_is_due(world.epoch));
    world_end(&world);
}
END_TEST

static void read_certificate(struct world *world, uint64_t number, enum vt_certificate_state state, struct vt_buf *note,
                             struct vt_pool *pool, struct vt_certificate *out_certificate)
{
    struct look look = look_begin(world, false);
    struct vt_bytes text;
    struct vt_tlog_proof proof;
    ck_assert_ok(vt_certificate_get_state(look.txn, number, state, note));
    ck_assert_ok(vt_certificate_file_split(vt_buf_bytes(note), &text, &proof, NULL));
    ck_assert_ok(vt_certificate_parse(pool, text, out_certificate, NULL));
    look_end(&look, false);
}

START_TEST(a_certificate_says_what_was_erased_by_whom_and_never_claims_final)
{
    struct world world;
    VT_AUTO(vt_buf) pending_note = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_AUTO(vt_buf) receipts = VT_BUF_INIT(1 << 20);
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_certificate asked, done;
    const uint64_t number = world_with_request(&world, &two_of_three);
    world.clock.offset_ms += 5000;
    ck_assert_ok(world_close_epoch(&world, false));

    read_certificate(&world, number, VT_CERTIFICATE_PENDING, &pending_note, &pool, &asked);
    ck_assert_int_eq(asked.state, VT_CERTIFICATE_PENDING);
    ck_assert_uint_eq(asked.epoch_to, 0);
    read_certificate(&world, number, VT_CERTIFICATE_EFFECTIVE, &note, &pool, &done);
    ck_assert_int_eq(done.state, VT_CERTIFICATE_EFFECTIVE);
    ck_assert_int_eq(done.scope, VT_CERTIFICATE_OF_SUBJECT);
    ck_assert_uint_eq(done.subjects, 1);
    ck_assert_uint_eq(done.records, 2);
    ck_assert_uint_eq(done.rows, 5);
    ck_assert_uint_eq(done.epoch_from, 1);
    ck_assert_uint_eq(done.epoch_to, 2);
    ck_assert_int_eq(done.effective_ms, done.requested_ms + 5000);
    ck_assert_mem_eq(done.request_id, asked.request_id, 16);
    ck_assert_uint_eq(done.threshold, 2);
    ck_assert_uint_eq(done.keeper_count, 3);
    ck_assert_int_eq(done.final.kind, VT_FINAL_NEVER);
    ck_assert(done.is_test_clock);

    struct look look = look_begin(&world, false);
    ck_assert_ok(vt_epoch_receipts(look.txn, 2, &receipts));
    ck_assert_status(vt_epoch_receipts(look.txn, 3, &receipts), VAULT_E_NOT_FOUND);
    look_end(&look, false);
    const uint8_t *at = receipts.data;
    for (size_t i = 0; i < 3; i++) {
        uint8_t hash[32];
        const uint32_t len = vt_get_u32(at + 9);
        ck_assert_uint_eq(vt_get_u64(at), done.keepers[i].id);
        ck_assert_ok(vt_sha256_one(vt_bytes(at + 13, len), hash));
        ck_assert_int_eq(done.keepers[i].state, VT_ERASE_DONE);
        ck_assert_mem_eq(hash, done.keepers[i].receipt, 32);
        at += 13 + len;
    }
    ck_assert_ptr_eq(at, receipts.data + receipts.len);
    world_end(&world);
}
END_TEST

static vault_status describe(void *context, struct vt_keyring_view *view, const struct vt_pending *pending,
                             struct vt_pool *pool, struct vt_certificate *certificate)
{
    struct vt_certificate_count *counts = vt_pool_calloc(pool, 1, sizeof *counts);
    VT_ENSURE(counts != NULL, VAULT_E_MEMORY);
    ck_assert_ptr_nonnull(view);
    ck_assert_uint_eq(pending->certificate, certificate->number);
    counts[0] = (struct vt_certificate_count){vt_bytes_str("export"), 3};
    certificate->exclusions = counts;
    certificate->exclusion_count = 1;
    (*(unsigned *)context)++;
    return VAULT_OK;
}

START_TEST(the_layer_above_adds_to_each_state_of_a_certificate)
{
    struct world world = {.shape = one_of_one};
    unsigned described = 0;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    struct vt_certificate certificate;
    vt_temp_dir_make(world.dir, sizeof world.dir);
    world.options.describe = describe;
    world.options.describe_context = &described;
    world_open(&world);
    ck_assert_ok(vt_epoch_initialise(world.epoch, world_add_wraps, NULL));
    world_add_subject(&world, TARGET);
    const uint64_t number = world_request_scope(&world, TARGET, 2);
    ck_assert_ok(world_close_epoch(&world, false));
    read_certificate(&world, number, VT_CERTIFICATE_EFFECTIVE, &note, &pool, &certificate);
    ck_assert_uint_eq(described, 2);
    ck_assert_uint_eq(certificate.exclusion_count, 1);
    ck_assert_uint_eq(certificate.exclusions[0].count, 3);
    ck_assert_int_eq(certificate.scope, VT_CERTIFICATE_OF_CATEGORIES);
    ck_assert_uint_eq(certificate.category_count, 1);
    ck_assert(vt_bytes_equal_str(certificate.categories[0], "B"));
    ck_assert_uint_eq(certificate.subjects, 0);
    world_end(&world);
}
END_TEST

START_TEST(receipts_are_handed_to_the_layer_above)
{
    struct world world;
    struct vt_epoch_receipt receipt;
    struct vt_keeper_statement said;
    world_with_request(&world, &two_of_three);
    struct look look = look_begin(&world, false);
    struct vt_epoch_closing *closing = NULL;
    ck_assert_ok(vt_epoch_freeze(world.epoch, look.view, false, &closing));
    look_end(&look, false);
    ck_assert_ok(vt_epoch_prepare(closing));
    ck_assert_status(vt_epoch_finalize(closing), VAULT_E_STATE);    /* nothing is erased before the commit */
    struct vt_txn *txn = NULL;
    struct vt_keyring_write *write = NULL;
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_ok(vt_keyring_write_begin(world.ring, txn, &write));
    ck_assert_ok(vt_epoch_commit(closing, write, txn, world_destroy, &world));
    ck_assert_ok(vt_txn_commit(txn));
    vt_keyring_write_committed(write);
    vt_epoch_committed(closing, true);
    ck_assert_uint_eq(vt_epoch_closing_receipts(closing), 0);
    ck_assert_ok(vt_epoch_finalize(closing));
    ck_assert_ok(vt_epoch_finalize(closing));
    ck_assert_uint_eq(vt_epoch_closing_receipts(closing), 3);
    for (size_t i = 0; i < 3; i++) {
        struct vt_keeper_info info;
        uint8_t hash[32];
        ck_assert_ok(world.keepers[i]->ops->info(world.keepers[i], &info));
        ck_assert(vt_epoch_closing_receipt(closing, i, &receipt));
        ck_assert_uint_eq(receipt.keeper_id, info.keeper_id);
        ck_assert_ok(vt_keeper_receipt_verify(receipt.note, info.verifier_key, &said));
        ck_assert_uint_eq(said.epoch, 2);
        ck_assert_ok(vt_sha256_one(receipt.note, hash));
        ck_assert_mem_eq(hash, receipt.hash, 32);
    }
    ck_assert(!vt_epoch_closing_receipt(closing, 3, &receipt));
    vt_epoch_closing_free(closing);                         /* not recorded: the epoch keeps it */
    ck_assert_ok(world_close_epoch(&world, false));
    world_end(&world);
}
END_TEST

/* The root page of now, with one of its sealed bytes changed. */
static void break_root(struct world *world)
{
    struct vt_txn *txn = NULL;
    struct vt_bytes value;
    uint8_t broken[8192];
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_store_get(txn, VT_TABLE_META, vt_bytes_str("root"), &value));
    ck_assert_uint_le(value.len, sizeof broken);
    memcpy(broken, value.data, value.len);
    broken[value.len - 1] ^= 1;
    ck_assert_ok(vt_store_put(txn, VT_TABLE_META, vt_bytes_str("root"), vt_bytes(broken, value.len), VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
}

/* A request, frozen, prepared and committed: all but the erasing. */
static struct vt_epoch_closing *world_with_committed(struct world *world)
{
    world_with_request(world, &two_of_three);
    struct look look = look_begin(world, false);
    struct vt_epoch_closing *closing = NULL;
    ck_assert_ok(vt_epoch_freeze(world->epoch, look.view, false, &closing));
    look_end(&look, false);
    ck_assert_ok(vt_epoch_prepare(closing));
    struct vt_txn *txn = NULL;
    struct vt_keyring_write *write = NULL;
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_keyring_write_begin(world->ring, txn, &write));
    ck_assert_ok(vt_epoch_commit(closing, write, txn, world_destroy, world));
    ck_assert_ok(vt_txn_commit(txn));
    vt_keyring_write_committed(write);
    vt_epoch_committed(closing, true);
    return closing;
}

START_TEST(nothing_is_erased_while_the_key_to_be_kept_does_not_open_what_the_disk_holds)
{
    struct world world;
    struct vt_epoch_closing *closing = world_with_committed(&world);
    break_root(&world);
    ck_assert_status(vt_epoch_finalize(closing), VAULT_E_AUTHENTICITY);
    ck_assert_uint_eq(vt_epoch_closing_receipts(closing), 0);
    for (size_t i = 0; i < 3; i++) {                        /* the former share and the new one, at each of them */
        struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
        size_t count = 0;
        ck_assert_ok(world.keepers[i]->ops->read(world.keepers[i], slots, &count));
        ck_assert_uint_eq(count, 2);
    }
    vt_epoch_closing_free(closing);
    world_end(&world);
}
END_TEST

START_TEST(keys_and_pages_of_before_have_left_memory_when_the_keepers_have_erased)
{
    struct world world;
    struct vt_keyring_stats stats;
    struct vt_epoch_closing *closing = world_with_committed(&world);
    ck_assert_ok(world_subject(&world, CONTROL));
    vt_keyring_stats(world.ring, &stats);
    ck_assert_uint_gt(stats.pages_cached, 0);
    ck_assert_uint_gt(stats.subjects_cached, 0);
    ck_assert_ok(vt_epoch_finalize(closing));
    vt_keyring_stats(world.ring, &stats);
    ck_assert_uint_eq(stats.pages_cached, 0);
    ck_assert_uint_eq(stats.subjects_cached, 0);
    ck_assert_ok(world_subject(&world, CONTROL));
    vt_epoch_closing_free(closing);
    world_end(&world);
}
END_TEST

START_TEST(a_failed_transaction_may_be_repeated_within_one_closing)
{
    struct world world;
    const uint64_t certificate = world_with_request(&world, &one_of_one);
    struct look look = look_begin(&world, false);
    struct vt_epoch_closing *closing = NULL;
    ck_assert_ok(vt_epoch_freeze(world.epoch, look.view, false, &closing));
    look_end(&look, false);
    ck_assert_ok(vt_epoch_prepare(closing));
    for (int attempt = 0; attempt < 2; attempt++) {
        struct vt_txn *txn = NULL;
        struct vt_keyring_write *write = NULL;
        ck_assert_ok(vt_txn_begin_write(world.store, &txn));
        ck_assert_ok(vt_keyring_write_begin(world.ring, txn, &write));
        ck_assert_ok(vt_epoch_commit(closing, write, txn, world_destroy, &world));
        if (attempt == 0) {
            vt_txn_abort(txn);
            vt_keyring_write_aborted(write);
            continue;
        }
        ck_assert_ok(vt_txn_commit(txn));
        vt_keyring_write_committed(write);
    }
    vt_epoch_committed(closing, true);
    vt_epoch_closing_free(closing);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_subject(&world, CONTROL));
    world_end(&world);
}
END_TEST

START_TEST(rotating_the_unseal_key_replaces_the_secret_and_closes_an_empty_epoch)
{
    static const char second[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    struct world world;
    const uint64_t certificate = world_with_request(&world, &two_of_three);
    ck_assert_status(vt_epoch_rotate_unseal_key(world.epoch, add_nothing, NULL), VAULT_E_ARGUMENT);
    ck_assert_ok(vt_epoch_rotate_unseal_key(world.epoch, world_add_wraps, (void *)(uintptr_t)second));
    ck_assert_uint_eq(world_epoch(&world), 2);
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_SHRED_PENDING);     /* it destroys nothing */
    ck_assert_ok(world_close_epoch(&world, false));         /* the next epoch's shares are under the new U as well */
    world_reopen(&world);
    ck_assert_status(world_unseal_with(&world, world_key_file, NULL), VAULT_E_WRONG_SECRET);
    ck_assert_ok(world_unseal_with(&world, second, NULL));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    world_end(&world);
}
END_TEST

START_TEST(a_second_way_to_unseal_is_added_without_closing_an_epoch)
{
    static const char second[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    struct world world;
    struct vt_wraps *wraps = NULL, *none = NULL;
    struct vt_key unseal_key;
    struct vt_txn *txn = NULL;
    world_new(&world, &one_of_one);
    ck_assert_ok(vt_epoch_wraps(world.epoch, &wraps));
    ck_assert_ok(vt_wraps_open_key_file(wraps, vt_bytes_str(world_key_file), &unseal_key));
    ck_assert_ok(vt_wraps_add_key_file(wraps, &unseal_key, vt_bytes_str(second), 2));
    ck_assert_ok(vt_wraps_new(vt_wraps_vault_id(wraps), &none));
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_status(vt_epoch_put_wraps(world.epoch, txn, none), VAULT_E_STATE);
    ck_assert_ok(vt_epoch_put_wraps(world.epoch, txn, wraps));
    ck_assert_ok(vt_txn_commit(txn));
    vt_wraps_free(wraps);
    vt_wraps_free(none);
    world_reopen(&world);
    ck_assert_ok(world_unseal_with(&world, second, NULL));
    ck_assert_uint_eq(world_epoch(&world), 1);
    world_end(&world);
}
END_TEST

START_TEST(status_counts_the_commits_that_no_floor_has_seen)
{
    struct world world;
    struct vt_epoch_status status;
    world_new(&world, &two_of_three);
    const uint64_t before = world_commit(&world);
    world_touch_store(&world);
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert_uint_gt(status.commit_number, before);
    ck_assert_uint_eq(status.commit_number, world_commit(&world));
    ck_assert_uint_lt(status.floors[0].commit_number, status.commit_number);
    world_end(&world);
}
END_TEST

START_TEST(pushing_the_floor_raises_it_at_every_keeper)
{
    struct world world;
    struct vt_keeper_floor floor;
    world_new(&world, &two_of_three);
    world_add_subject(&world, CONTROL);
    world_touch_store(&world);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_ok(world.keepers[i]->ops->floor(world.keepers[i], &floor));
        ck_assert_uint_eq(floor.commit_number, world_commit(&world));
    }
    world_cut_keeper(&world, 0, true);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    world_cut_keeper(&world, 1, true);
    ck_assert_status(vt_epoch_push_floor(world.epoch), VAULT_E_KEEPER);
    struct vt_epoch_status status;
    ck_assert_ok(vt_epoch_status(world.epoch, &status));
    ck_assert(!status.keepers[0].is_reachable);
    ck_assert(status.keepers[2].is_reachable);
    world_end(&world);
}
END_TEST

static void assert_trouble(struct world *world, size_t index, vault_status expected, const char *sentence)
{
    struct vt_epoch_status status;
    ck_assert_ok(vt_epoch_status(world->epoch, &status));
    ck_assert_status(status.keeper_errors[index], expected);
    ck_assert_pstr_eq(vt_epoch_keeper_trouble(&status, index), sentence);
}

START_TEST(a_keeper_that_refuses_to_erase_is_named_with_its_reason_until_it_has_erased)
{
    static const char why[] = "Its place moved.";
    struct world world;
    world_with_request(&world, &two_of_three);
    world_refuse_keeper(&world, 0, why);
    ck_assert_ok(world_close_epoch(&world, false));         /* two receipts do: nobody but status would tell */
    assert_trouble(&world, 0, VAULT_E_STATE, why);
    assert_trouble(&world, 1, VAULT_OK, NULL);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));         /* it is asked again with each floor */
    assert_trouble(&world, 0, VAULT_E_STATE, why);
    world_refuse_keeper(&world, 0, NULL);
    ck_assert_ok(vt_epoch_push_floor(world.epoch));
    assert_trouble(&world, 0, VAULT_OK, NULL);
    world_end(&world);
}
END_TEST

START_TEST(keepers_for_whom_a_closing_waits_are_named_and_one_that_gives_no_reason_by_its_status)
{
    struct world world;
    const uint64_t certificate = world_with_request(&world, &two_of_three);
    world_refuse_keeper(&world, 0, "");
    world_refuse_keeper(&world, 2, "A disk was replaced.");
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_KEEPER);
    assert_trouble(&world, 0, VAULT_E_STATE, vault_status_text(VAULT_E_STATE));
    assert_trouble(&world, 1, VAULT_OK, NULL);
    assert_trouble(&world, 2, VAULT_E_STATE, "A disk was replaced.");
    world_refuse_keeper(&world, 0, NULL);
    world_refuse_keeper(&world, 2, NULL);
    ck_assert_ok(world_close_epoch(&world, false));
    for (size_t i = 0; i < 3; i++) assert_trouble(&world, i, VAULT_OK, NULL);
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    world_end(&world);
}
END_TEST

/* Failing calls ------------------------------------------------------------------------------------------------------ */

#ifdef VT_FAULTS
/* Close with the nth call of this kind failing; then, without it, close again; then from disk. */
static bool close_with_fault(const struct world *base, uint64_t certificate, enum vt_fault kind, unsigned nth, bool reopens)
{
    struct world world;
    world_clone(base, &world);
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    vt_fault_arm(kind, nth);
    vault_status status = world_close_epoch(&world, false);
    const bool fired = vt_fault_disarm();
    ck_assert(fired || status == VAULT_OK);
    if (reopens) {
        struct vt_err err;
        world_reopen(&world);
        status = world_unseal(&world, &err);
        ck_assert_msg(status == VAULT_OK, "fault %u: %s", nth, err.message);
    }
    ck_assert_ok(world_subject(&world, CONTROL));
    status = world_close_epoch(&world, false);
    ck_assert_msg(status == VAULT_OK || status == VAULT_E_NOT_FOUND, "fault %u: %s", nth, vault_status_code(status));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);

    struct world_shares shares;
    world_close(&world);
    world_shares_read(&world, &shares);
    ck_assert_uint_eq(shares.count, world.shape.m);
    for (size_t i = 0; i < shares.count; i++) ck_assert_uint_eq(shares.slots[i].state, VT_SLOT_COMMITTED);
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world_subject(&world, CONTROL));
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
    world_end(&world);
    return fired;
}

static void close_with_each_fault(enum vt_fault kind, const struct world_shape *shape, unsigned stride, bool reopens)
{
    struct world base;
    const uint64_t certificate = world_with_request(&base, shape);
    world_close(&base);
    bool fired = true;
    unsigned nth = 1;
    for (; fired; nth += stride) fired = close_with_fault(&base, certificate, kind, nth, reopens);
    ck_assert_uint_gt(nth, 2);
    world_end(&base);
}

START_TEST(a_store_call_that_fails_during_a_closing_delays_it_and_no_more)
{
    const struct world_shape shape = {.k = 1, .m = 1, .has_journal = true, .has_fault_store = true};
    close_with_each_fault(VT_FAULT_STORE, &shape, 1, false);
}
END_TEST

START_TEST(a_store_call_that_fails_during_a_closing_is_recovered_from_disk)
{
    const struct world_shape shape = {.k = 1, .m = 1, .has_journal = true, .has_fault_store = true};
    close_with_each_fault(VT_FAULT_STORE, &shape, 3, true);
}
END_TEST

START_TEST(a_failing_keeper_journal_or_random_draw_delays_a_closing_and_no_more)
{
    const struct world_shape shape = {.k = 1, .m = 1, .has_journal = true};
    close_with_each_fault(VT_FAULT_KEEPER, &shape, 1, false);
    close_with_each_fault(VT_FAULT_KEEPER, &two_of_three, 2, true);
    close_with_each_fault(VT_FAULT_JOURNAL, &shape, 1, true);
    close_with_each_fault(VT_FAULT_RANDOM, &shape, 3, false);
}
END_TEST

START_TEST(memory_that_runs_out_anywhere_in_a_closing_delays_it_and_no_more)
{
    const struct world_shape shape = {.k = 1, .m = 1, .has_journal = true};
    close_with_each_fault(VT_FAULT_ALLOC, &shape, 7, false);
}
END_TEST

START_TEST(a_sync_that_fails_at_the_commit_point_leaves_both_shares_until_the_store_is_opened_again)
{
    const struct world_shape shape = {.k = 2, .m = 3, .has_journal = true, .has_fault_store = true};
    struct world world;
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    size_t count;
    const uint64_t certificate = world_with_request(&world, &shape);
    vt_fault_arm(VT_FAULT_SYNC, 1);
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_IO);
    ck_assert(vt_fault_disarm());
    ck_assert_status(vt_epoch_push_floor(world.epoch), VAULT_E_IO);
    ck_assert_status(world_close_epoch(&world, false), VAULT_E_IO);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_ok(world.keepers[i]->ops->read(world.keepers[i], slots, &count));
        ck_assert_uint_eq(count, 2);        /* whichever epoch the disk has kept, its key is there */
    }
    world_reopen(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_ok(world.keepers[0]->ops->read(world.keepers[0], slots, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_int_eq(world_certificate(&world, certificate), VT_CERTIFICATE_EFFECTIVE);
    world_end(&world);
}
END_TEST

START_TEST(a_full_disk_lets_shreds_through)
{
    const struct world_shape shape = {.k = 1, .m = 1, .has_journal = true, .has_fault_store = true};
    struct world world;
    struct vt_txn *txn = NULL;
    world_with_request(&world, &shape);
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    vt_fault_arm(VT_FAULT_DISK_FULL, 1);
    const uint8_t byte = 1;
    ck_assert_status(vt_store_put(txn, VT_TABLE_META, vt_bytes_str("test"), VT_BYTES_OF(byte), VT_PUT_DEFAULT),
                     VAULT_E_DISK_FULL);
    ck_assert(vt_fault_disarm());
    vt_txn_abort(txn);
    txn = NULL;
    ck_assert_status(vt_txn_begin_write(world.store, &txn), VAULT_E_DISK_FULL);
    ck_assert_ok(world_close_epoch(&world, false));
    ck_assert_status(world_subject(&world, TARGET), VAULT_E_NOT_FOUND);
    world_end(&world);
}
END_TEST
#endif

VT_TEST_MAIN("epoch/epoch",
#ifdef VT_FAULTS
             a_store_call_that_fails_during_a_closing_delays_it_and_no_more,
             a_store_call_that_fails_during_a_closing_is_recovered_from_disk,
             a_failing_keeper_journal_or_random_draw_delays_a_closing_and_no_more,
             memory_that_runs_out_anywhere_in_a_closing_delays_it_and_no_more,
             a_sync_that_fails_at_the_commit_point_leaves_both_shares_until_the_store_is_opened_again,
             a_full_disk_lets_shreds_through,
#endif
             a_new_vault_is_unsealed_at_epoch_one_and_unseals_again,
             sealing_forgets_the_keys_and_unsealing_brings_the_vault_back, a_vault_is_never_initialised_by_accident,
             a_vault_without_a_way_to_unseal_it_is_not_initialised, impossible_keeper_sets_are_refused,
             a_shred_is_effective_once_its_epoch_has_closed,
             an_empty_epoch_closes_only_when_asked_to_and_changes_the_root_key,
             a_batch_larger_than_one_part_closes_whole, a_category_and_its_whole_subject_may_ride_one_epoch,
             a_repeated_request_returns_the_first_ones_certificate,
             a_cancelled_request_is_gone_and_a_frozen_one_cannot_be_cancelled,
             a_request_that_is_not_admitted_stays_pending, an_epoch_is_due_by_count_and_by_time,
             a_certificate_says_what_was_erased_by_whom_and_never_claims_final,
             the_layer_above_adds_to_each_state_of_a_certificate, receipts_are_handed_to_the_layer_above,
             nothing_is_erased_while_the_key_to_be_kept_does_not_open_what_the_disk_holds,
             keys_and_pages_of_before_have_left_memory_when_the_keepers_have_erased,
             a_failed_transaction_may_be_repeated_within_one_closing,
             rotating_the_unseal_key_replaces_the_secret_and_closes_an_empty_epoch,
             a_second_way_to_unseal_is_added_without_closing_an_epoch, status_counts_the_commits_that_no_floor_has_seen,
             pushing_the_floor_raises_it_at_every_keeper,
             a_keeper_that_refuses_to_erase_is_named_with_its_reason_until_it_has_erased,
             keepers_for_whom_a_closing_waits_are_named_and_one_that_gives_no_reason_by_its_status)
