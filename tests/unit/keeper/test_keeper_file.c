#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "tests/support/disk_watch.h"
#include "tests/support/suite.h"
#include "vaultd/core/keeper/keeper.h"

enum { FILE_LEN = 8192, SHARE_LEN = 126 };
static const struct vt_vault_id our_vault = {{0xAA, 1}}, other_vault = {{0xBB, 2}};

static char dir[128];
static char path[160];

static void setup(void)
{
    vt_temp_dir_make(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/keeper", dir);
}

static void teardown(void)
{
    vt_temp_dir_remove(dir);
}

static struct vt_keeper *keeper_open(void)
{
    struct vt_keeper *keeper = NULL;
    ck_assert_ok(vt_keeper_file_open(path, "local", false, &keeper));
    return keeper;
}

static struct vt_keeper *keeper_reopen(struct vt_keeper *keeper)
{
    vt_keeper_free(keeper);
    keeper = NULL;
    ck_assert_ok(vt_keeper_file_open(path, "local", true, &keeper));
    return keeper;
}

/* A share whose bytes are random, so that a search finds it only where it was written. */
static struct vt_keeper_slot slot_make(uint64_t epoch, uint8_t attempt, uint8_t k, uint8_t m)
{
    struct vt_keeper_slot slot = {.state = VT_SLOT_PREPARED, .vault_id = our_vault, .incarnation = 1, .epoch = epoch,
                                  .k = k, .m = m, .x = 1, .share_len = SHARE_LEN};
    memset(slot.attempt, attempt, sizeof slot.attempt);
    ck_assert_ok(vt_random_bytes(slot.share, SHARE_LEN));
    return slot;
}

static vault_status finalize(struct vt_keeper *keeper, const struct vt_keeper_slot *slot, uint64_t commit)
{
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    return keeper->ops->finalize(keeper, slot->incarnation, slot->epoch, slot->attempt, commit, 1700000000000, &receipt);
}

static vault_status raise_floor(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch, uint64_t commit)
{
    const struct vt_keeper_floor floor = {our_vault, incarnation, epoch, commit};
    return keeper->ops->raise_floor(keeper, &floor);
}

static void read_file(uint8_t out_bytes[FILE_LEN])
{
    const int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(read(fd, out_bytes, FILE_LEN), FILE_LEN);
    ck_assert_int_eq(close(fd), 0);
}

static void change_byte(off_t at, uint8_t with)
{
    const int fd = open(path, O_RDWR);
    uint8_t byte;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= with;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    ck_assert_int_eq(close(fd), 0);
}

/* How many runs of eight bytes of the share are in the file? A whole share in one block gives 119. */
static unsigned traces_of(const struct vt_keeper_slot *slot)
{
    uint8_t bytes[FILE_LEN];
    unsigned traces = 0;
    read_file(bytes);
    for (size_t i = 0; i + 8 <= slot->share_len; i++) traces += memmem(bytes, FILE_LEN, slot->share + i, 8) != NULL;
    return traces;
}

static void assert_slots(struct vt_keeper *keeper, size_t expected_count, const struct vt_keeper_slot *expected,
                         uint8_t state)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    size_t count = 99;
    ck_assert_ok(keeper->ops->read(keeper, slots, &count));
    ck_assert_uint_eq(count, expected_count);
    if (count == 0) return;
    const struct vt_keeper_slot *last = &slots[count - 1];
    ck_assert_uint_eq(last->epoch, expected->epoch);
    ck_assert_uint_eq(last->state, state);
    ck_assert_mem_eq(last->vault_id.bytes, our_vault.bytes, 16);
    ck_assert_mem_eq(last->attempt, expected->attempt, VT_ATTEMPT_LEN);
    ck_assert_mem_eq(last->share, expected->share, SHARE_LEN);
}

/* A keeper with epoch 1 committed at commit number 10. */
static struct vt_keeper *keeper_at_one(struct vt_keeper_slot *out_first)
{
    struct vt_keeper *keeper = keeper_open();
    *out_first = slot_make(1, 1, 1, 1);
    ck_assert_ok(keeper->ops->prepare(keeper, out_first));
    ck_assert_ok(finalize(keeper, out_first, 10));
    return keeper;
}

START_TEST(a_new_keeper_holds_nothing_and_keeps_its_identity)
{
    setup();
    struct vt_keeper *keeper = keeper_open();
    struct vt_keeper_info first, again;
    struct vt_keeper_floor floor;
    ck_assert_ok(keeper->ops->info(keeper, &first));
    assert_slots(keeper, 0, NULL, 0);
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.epoch, 0);
    keeper = keeper_reopen(keeper);
    ck_assert_ok(keeper->ops->info(keeper, &again));
    ck_assert_uint_eq(first.keeper_id, again.keeper_id);
    ck_assert_str_eq(first.verifier_key, again.verifier_key);
    ck_assert_str_eq(again.name, "local");
    ck_assert(again.is_reachable);
    ck_assert_str_eq(vt_keeper_class_name(again.keeper_class), "E0");
    ck_assert(!vt_keeper_class_counts_for_final(again.keeper_class));
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(the_file_is_two_blocks_of_mode_0600)
{
    setup();
    vt_keeper_free(keeper_open());
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 07777, 0600);
    ck_assert_int_eq(info.st_size, FILE_LEN);
    teardown();
}
END_TEST

START_TEST(a_prepared_share_is_durable_and_beside_the_committed_one)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1);
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    keeper = keeper_reopen(keeper);
    assert_slots(keeper, 2, &second, VT_SLOT_PREPARED);
    ck_assert_uint_ne(traces_of(&first), 0);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));        /* a repeat changes nothing */
    assert_slots(keeper, 2, &second, VT_SLOT_PREPARED);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(finalize_leaves_no_byte_of_the_old_share_in_the_file)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1);
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_uint_eq(traces_of(&first), SHARE_LEN - 7);        /* the search does find a share that is there */
    ck_assert_ok(finalize(keeper, &second, 20));
    ck_assert_uint_eq(traces_of(&first), 0);
    ck_assert_uint_eq(traces_of(&second), SHARE_LEN - 7);
    keeper = keeper_reopen(keeper);
    assert_slots(keeper, 1, &second, VT_SLOT_COMMITTED);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_keeper_that_was_made_is_on_the_disk_with_its_name)
{
    setup();
    disk_watch_begin();
    struct vt_keeper *keeper = keeper_open();
    ck_assert(disk_watch_is_synced());
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

/* An answer is a promise: what a power cut could take back must not be behind it, or a share that was erased comes back. */
START_TEST(whatever_is_answered_is_on_the_disk_and_a_sync_that_fails_is_no_answer)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1), third = slot_make(2, 2, 1, 1);
    struct vt_keeper *keeper = keeper_at_one(&first);
    third.epoch = 3;
    disk_watch_begin();
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert(disk_watch_is_synced());
    disk_watch_begin();
    ck_assert_ok(finalize(keeper, &second, 20));
    ck_assert(disk_watch_is_synced());
    ck_assert_ok(keeper->ops->prepare(keeper, &third));
    disk_watch_begin();
    ck_assert_ok(keeper->ops->abort(keeper, 1, 3, third.attempt));
    ck_assert(disk_watch_is_synced());
    const struct vt_keeper_floor floor = {our_vault, 1, 2, 21};
    disk_watch_begin();
    ck_assert_ok(keeper->ops->raise_floor(keeper, &floor));
    ck_assert(disk_watch_is_synced());
    disk_watch_fail_syncs(EIO);
    ck_assert_status(keeper->ops->prepare(keeper, &third), VAULT_E_IO);
    disk_watch_fail_syncs(0);
    ck_assert_ok(keeper->ops->prepare(keeper, &third));
    disk_watch_fail_syncs(EIO);
    ck_assert_status(finalize(keeper, &third, 30), VAULT_E_IO);
    disk_watch_fail_syncs(0);
    ck_assert_ok(finalize(keeper, &third, 30));
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(abort_leaves_no_byte_of_the_prepared_share_in_the_file)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1), third = slot_make(2, 3, 1, 1);
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_status(keeper->ops->prepare(keeper, &third), VAULT_E_CONFLICT);
    ck_assert_ok(keeper->ops->abort(keeper, 1, 2, second.attempt));
    ck_assert_uint_eq(traces_of(&second), 0);
    assert_slots(keeper, 1, &first, VT_SLOT_COMMITTED);
    ck_assert_ok(keeper->ops->abort(keeper, 1, 2, second.attempt));     /* a repeat changes nothing */
    ck_assert_ok(keeper->ops->prepare(keeper, &third));
    assert_slots(keeper, 2, &third, VT_SLOT_PREPARED);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(finalize_is_idempotent_and_never_lowers_the_floor)
{
    setup();
    struct vt_keeper_slot first;
    struct vt_keeper *keeper = keeper_at_one(&first);
    struct vt_keeper_floor floor;
    ck_assert_ok(raise_floor(keeper, 1, 1, 50));
    ck_assert_ok(finalize(keeper, &first, 10));
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.epoch, 1);
    ck_assert_uint_eq(floor.commit_number, 50);
    assert_slots(keeper, 1, &first, VT_SLOT_COMMITTED);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_receipt_says_what_was_kept_and_verifies_under_the_keepers_own_key)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1);
    struct vt_keeper *keeper = keeper_at_one(&first);
    struct vt_keeper_info info;
    struct vt_keeper_statement said;
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_ok(keeper->ops->finalize(keeper, 1, 2, second.attempt, 20, 1700000000000, &receipt));
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert_ok(vt_keeper_receipt_verify(vt_buf_bytes(&receipt.note), info.verifier_key, &said));
    ck_assert_uint_eq(said.keeper_id, info.keeper_id);
    ck_assert_int_eq(said.keeper_class, VT_KEEPER_E0);
    ck_assert_mem_eq(said.vault_id.bytes, our_vault.bytes, 16);
    ck_assert_uint_eq(said.incarnation, 1);
    ck_assert_uint_eq(said.epoch, 2);
    ck_assert_mem_eq(said.attempt, second.attempt, VT_ATTEMPT_LEN);
    ck_assert_uint_eq(said.kept_k, 1);
    ck_assert_uint_eq(said.kept_m, 1);
    ck_assert_uint_eq(said.kept_x, 1);
    ck_assert_uint_eq(said.floor_commit, 20);
    ck_assert_ptr_nonnull(memmem(receipt.note.data, receipt.note.len, "\ntime: 2023-11-14T22:13:20.000Z\n", 31));
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_changed_receipt_and_a_foreign_one_do_not_verify)
{
    setup();
    struct vt_keeper_slot first;
    struct vt_keeper *keeper = keeper_at_one(&first);
    struct vt_keeper_info info;
    struct vt_keeper_statement said;
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    VT_AUTO(vt_buf) other = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX);
    struct vt_key seed = VT_KEY_INIT;
    ck_assert_ok(keeper->ops->finalize(keeper, 1, 1, first.attempt, 20, 1700000000000, &receipt));
    ck_assert_ok(keeper->ops->info(keeper, &info));
    uint8_t *epoch = memmem(receipt.note.data, receipt.note.len, "epoch: 1", 8);
    ck_assert_ptr_nonnull(epoch);
    epoch[7] = '2';
    ck_assert_status(vt_keeper_receipt_verify(vt_buf_bytes(&receipt.note), info.verifier_key, &said),
                     VAULT_E_AUTHENTICITY);
    const struct vt_keeper_statement forged = {.keeper_id = info.keeper_id, .epoch = 2};
    ck_assert_ok(vt_keeper_receipt_write(&forged, &seed, &other));
    ck_assert_status(vt_keeper_receipt_verify(vt_buf_bytes(&other), info.verifier_key, &said), VAULT_E_AUTHENTICITY);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(prepare_takes_only_the_next_epoch_of_its_own_vault)
{
    setup();
    struct vt_keeper_slot first;
    struct vt_keeper *keeper = keeper_at_one(&first);
    struct vt_keeper_slot same = slot_make(1, 9, 1, 1), skipping = slot_make(3, 9, 1, 1), foreign = slot_make(2, 9, 1, 1);
    struct vt_keeper_slot taken_over = slot_make(2, 9, 1, 1), empty = slot_make(2, 9, 1, 1);
    foreign.vault_id = other_vault;
    taken_over.incarnation = 2;
    empty.share_len = 0;
    ck_assert_status(keeper->ops->prepare(keeper, &same), VAULT_E_CONFLICT);
    ck_assert_status(keeper->ops->prepare(keeper, &skipping), VAULT_E_CONFLICT);
    ck_assert_status(keeper->ops->prepare(keeper, &foreign), VAULT_E_CONFLICT);
    ck_assert_status(keeper->ops->prepare(keeper, &empty), VAULT_E_ARGUMENT);
    ck_assert_ok(keeper->ops->prepare(keeper, &taken_over));
    ck_assert_ok(finalize(keeper, &taken_over, 3));
    struct vt_keeper_slot fenced = slot_make(3, 9, 1, 1);
    ck_assert_status(keeper->ops->prepare(keeper, &fenced), VAULT_E_CONFLICT);      /* the old incarnation is fenced */
    ck_assert_status(finalize(keeper, &fenced, 99), VAULT_E_ROLLBACK);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_keeper_whose_only_prepare_was_aborted_is_free_for_any_vault)
{
    setup();
    struct vt_keeper *keeper = keeper_open();
    struct vt_keeper_slot first = slot_make(1, 1, 1, 1), foreign = slot_make(1, 2, 1, 1);
    foreign.vault_id = other_vault;
    ck_assert_ok(keeper->ops->prepare(keeper, &first));
    ck_assert_status(keeper->ops->prepare(keeper, &foreign), VAULT_E_CONFLICT);
    ck_assert_ok(keeper->ops->abort(keeper, 1, 1, first.attempt));
    ck_assert_ok(keeper->ops->prepare(keeper, &foreign));
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_keeper_that_missed_a_prepare_erases_its_old_share_when_told)
{
    setup();
    struct vt_keeper *keeper = keeper_open();
    struct vt_keeper_slot first = slot_make(1, 1, 2, 3), missed = slot_make(2, 2, 2, 3), third = slot_make(3, 3, 2, 3);
    struct vt_keeper_info info;
    struct vt_keeper_statement said;
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    ck_assert_ok(keeper->ops->prepare(keeper, &first));
    ck_assert_ok(finalize(keeper, &first, 10));
    ck_assert_ok(keeper->ops->finalize(keeper, 1, 2, missed.attempt, 20, 1, &receipt));
    ck_assert_uint_eq(traces_of(&first), 0);
    assert_slots(keeper, 0, NULL, 0);
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert_ok(vt_keeper_receipt_verify(vt_buf_bytes(&receipt.note), info.verifier_key, &said));
    ck_assert_uint_eq(said.kept_k, 0);
    ck_assert_uint_eq(said.epoch, 2);
    ck_assert_ok(finalize(keeper, &missed, 20));            /* idempotent */
    ck_assert_ok(keeper->ops->prepare(keeper, &third));     /* and it takes part again */
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(finalize_never_erases_the_only_share_of_a_vault)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1), never_prepared = slot_make(2, 3, 1, 1);
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_status(finalize(keeper, &never_prepared, 20), VAULT_E_CONFLICT);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_status(finalize(keeper, &never_prepared, 20), VAULT_E_CONFLICT);
    assert_slots(keeper, 2, &second, VT_SLOT_PREPARED);
    struct vt_keeper_slot other_attempt = slot_make(1, 7, 1, 1);
    ck_assert_status(finalize(keeper, &other_attempt, 20), VAULT_E_CONFLICT);
    ck_assert_status(keeper->ops->abort(keeper, 1, 1, first.attempt), VAULT_E_CONFLICT);
    ck_assert_uint_ne(traces_of(&first), 0);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(an_empty_keeper_has_nothing_to_finalize)
{
    setup();
    struct vt_keeper *keeper = keeper_open();
    struct vt_keeper_slot never = slot_make(1, 1, 1, 1);
    ck_assert_status(finalize(keeper, &never, 1), VAULT_E_NOT_FOUND);
    ck_assert_status(raise_floor(keeper, 1, 1, 1), VAULT_E_CONFLICT);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(the_floor_only_rises_and_only_within_its_epoch)
{
    setup();
    struct vt_keeper_slot first;
    struct vt_keeper *keeper = keeper_at_one(&first);
    struct vt_keeper_floor floor;
    ck_assert_ok(raise_floor(keeper, 1, 1, 30));
    ck_assert_ok(raise_floor(keeper, 1, 1, 30));
    ck_assert_status(raise_floor(keeper, 1, 1, 29), VAULT_E_ROLLBACK);
    ck_assert_status(raise_floor(keeper, 1, 0, 90), VAULT_E_ROLLBACK);
    ck_assert_status(raise_floor(keeper, 0, 9, 90), VAULT_E_ROLLBACK);
    ck_assert_status(raise_floor(keeper, 1, 2, 90), VAULT_E_CONFLICT);
    ck_assert_status(raise_floor(keeper, 2, 1, 90), VAULT_E_CONFLICT);
    keeper = keeper_reopen(keeper);
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.commit_number, 30);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_later_incarnation_lowers_no_epoch_and_frees_no_keeper)
{
    setup();
    struct vt_keeper *keeper = keeper_open();
    struct vt_keeper_floor floor;
    struct vt_keeper_slot slot = slot_make(5, 1, 2, 3), later = slot_make(6, 2, 2, 3), foreign = slot_make(1, 3, 2, 3);
    later.incarnation = 2;
    foreign.vault_id = other_vault;
    ck_assert_ok(keeper->ops->prepare(keeper, &slot));
    ck_assert_ok(finalize(keeper, &slot, 7));
    for (uint64_t incarnation = 1; incarnation <= 3; incarnation++) {
        struct vt_keeper_slot asked = slot;
        asked.incarnation = incarnation;
        for (asked.epoch = 0; asked.epoch < 5; asked.epoch++)
            ck_assert_status(finalize(keeper, &asked, 8), VAULT_E_ROLLBACK);
    }
    slot.incarnation = 2;
    ck_assert_status(finalize(keeper, &slot, 8), VAULT_E_ROLLBACK);     /* a take-over begins with the next epoch */
    ck_assert_status(keeper->ops->prepare(keeper, &foreign), VAULT_E_CONFLICT);
    ck_assert_ok(keeper->ops->prepare(keeper, &later));
    ck_assert_ok(keeper->ops->abort(keeper, later.incarnation, later.epoch, later.attempt));
    ck_assert_ok(keeper->ops->prepare(keeper, &later));
    ck_assert_ok(finalize(keeper, &later, 8));
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_mem_eq(&floor.vault_id, &our_vault, sizeof our_vault);
    ck_assert_uint_eq(floor.incarnation, 2);
    ck_assert_uint_eq(floor.epoch, 6);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_first_finalize_of_epoch_zero_is_refused)
{
    setup();
    struct vt_keeper *keeper = keeper_open();
    struct vt_keeper_slot slot = slot_make(1, 1, 2, 3), none = slot;
    none.epoch = 0;
    none.incarnation = 2;
    ck_assert_ok(keeper->ops->prepare(keeper, &slot));
    ck_assert_status(finalize(keeper, &none, 8), VAULT_E_ROLLBACK);
    assert_slots(keeper, 1, &slot, VT_SLOT_PREPARED);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(two_holders_cannot_share_one_keeper)
{
    setup();
    struct vt_keeper *keeper = keeper_open(), *second = NULL;
    ck_assert_status(vt_keeper_file_open(path, "second", true, &second), VAULT_E_LOCKED);
    vt_keeper_free(keeper);
    ck_assert_ok(vt_keeper_file_open(path, "second", true, &second));
    vt_keeper_free(second);
    teardown();
}
END_TEST

START_TEST(who_only_looks_sees_the_file_that_has_the_name_now)
{
    setup();
    struct vt_keeper_slot first;
    struct vt_keeper *keeper = keeper_at_one(&first), *looker = NULL;
    struct vt_keeper_floor floor;
    struct vt_keeper_info info;
    char away[200];
    ck_assert_ok(vt_keeper_file_open_read_only(path, "looker", &looker));
    const struct vt_keeper_slot second = slot_make(2, 2, 1, 1);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_ok(finalize(keeper, &second, 11));
    ck_assert_ok(looker->ops->floor(looker, &floor));
    ck_assert_uint_eq(floor.epoch, 2);
    snprintf(away, sizeof away, "%s.away", path);
    ck_assert_int_eq(rename(path, away), 0);
    ck_assert_status(looker->ops->floor(looker, &floor), VAULT_E_KEEPER);
    ck_assert_ok(looker->ops->info(looker, &info));
    ck_assert(!info.is_reachable);
    ck_assert_int_eq(rename(away, path), 0);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_status(looker->ops->floor(looker, &floor), VAULT_E_STATE);
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_ok(looker->ops->floor(looker, &floor));
    ck_assert_uint_eq(floor.epoch, 2);
    vt_keeper_free(looker);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(what_is_not_a_private_file_of_ours_is_refused)
{
    setup();
    struct vt_keeper *keeper = NULL;
    char link_path[200];
    ck_assert_status(vt_keeper_file_open(path, "local", true, &keeper), VAULT_E_KEEPER);
    ck_assert_status(vt_keeper_file_open(path, "two words", false, &keeper), VAULT_E_ARGUMENT);
    ck_assert_status(vt_keeper_file_open(path, "", false, &keeper), VAULT_E_ARGUMENT);
    vt_keeper_free(keeper_open());

    snprintf(link_path, sizeof link_path, "%s/link", dir);
    ck_assert_int_eq(symlink(path, link_path), 0);
    ck_assert_status(vt_keeper_file_open(link_path, "local", true, &keeper), VAULT_E_IO);
    ck_assert_int_eq(unlink(link_path), 0);
    ck_assert_int_eq(link(path, link_path), 0);
    ck_assert_status(vt_keeper_file_open(path, "local", true, &keeper), VAULT_E_STATE);
    ck_assert_int_eq(unlink(link_path), 0);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_status(vt_keeper_file_open(path, "local", true, &keeper), VAULT_E_STATE);
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(truncate(path, FILE_LEN - 1), 0);
    ck_assert_status(vt_keeper_file_open(path, "local", true, &keeper), VAULT_E_CORRUPT);
    ck_assert_status(vt_keeper_file_open(dir, "local", true, &keeper), VAULT_E_IO);
    ck_assert_ptr_null(keeper);
    teardown();
}
END_TEST

START_TEST(a_newer_format_is_named_as_such)
{
    setup();
    vt_keeper_free(keeper_open());
    uint8_t bytes[FILE_LEN];
    struct vt_keeper *keeper = NULL;
    read_file(bytes);
    for (size_t block = 0; block < FILE_LEN; block += 4096) {
        bytes[block + 8] = 2;
        ck_assert_ok(vt_sha256_one(vt_bytes(bytes + block, 4064), bytes + block + 4064));
    }
    const int fd = open(path, O_WRONLY);
    ck_assert_int_eq(write(fd, bytes, FILE_LEN), FILE_LEN);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_status(vt_keeper_file_open(path, "local", true, &keeper), VAULT_E_FORMAT);
    teardown();
}
END_TEST

/* A later program may have its hash elsewhere. Taken for a torn block it would be overwritten with the state of the older one. */
START_TEST(one_block_of_a_newer_format_is_named_as_such_and_left_alone_however_it_is_laid_out)
{
    for (off_t block = 0; block < FILE_LEN; block += 4096) {
        setup();
        vt_keeper_free(keeper_open());
        uint8_t bytes[FILE_LEN], after[FILE_LEN];
        struct vt_keeper *keeper = NULL;
        read_file(bytes);
        memset(bytes + block + 9, 0xa5, 4096 - 9);
        bytes[block + 8] = 2;
        const int fd = open(path, O_WRONLY);
        ck_assert_int_eq(pwrite(fd, bytes, FILE_LEN, 0), FILE_LEN);
        ck_assert_status(vt_keeper_file_open(path, "local", true, &keeper), VAULT_E_FORMAT);
        read_file(after);
        ck_assert_mem_eq(bytes, after, FILE_LEN);
        bytes[block + 8] = 0;                       /* no version at all: torn, and the other block has the state */
        ck_assert_int_eq(pwrite(fd, bytes, FILE_LEN, 0), FILE_LEN);
        ck_assert_int_eq(close(fd), 0);
        ck_assert_ok(vt_keeper_file_open(path, "local", true, &keeper));
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST

START_TEST(any_damage_to_one_block_leaves_the_state_of_the_other)
{
    for (unsigned block = 0; block < 2; block++) {
        for (unsigned at = 0; at < 4096; at += 61) {
            setup();
            struct vt_keeper_slot first;
            struct vt_keeper *keeper = keeper_at_one(&first);
            vt_keeper_free(keeper);
            change_byte((off_t)(block * 4096 + at), 0x40);
            keeper = keeper_open();
            assert_slots(keeper, 1, &first, VT_SLOT_COMMITTED);
            keeper = keeper_reopen(keeper);
            change_byte((off_t)((1 - block) * 4096 + at), 0x40);    /* the damaged block has been repaired meanwhile */
            keeper = keeper_reopen(keeper);
            assert_slots(keeper, 1, &first, VT_SLOT_COMMITTED);
            vt_keeper_free(keeper);
            teardown();
        }
    }
}
END_TEST

START_TEST(damage_to_both_blocks_is_corrupt)
{
    setup();
    struct vt_keeper_slot first;
    vt_keeper_free(keeper_at_one(&first));
    struct vt_keeper *keeper = NULL;
    change_byte(200, 1);
    change_byte(4096 + 300, 1);
    ck_assert_status(vt_keeper_file_open(path, "local", false, &keeper), VAULT_E_CORRUPT);
    teardown();
}
END_TEST

#ifdef VT_FAULTS
/* Crashes: a child does the work and is killed at a named point; the parent opens what it left. */

struct crash {
    const char *point;
    unsigned left;
};

static void die_at(const char *step, void *context)
{
    struct crash *crash = context;
    if (strcmp(step, crash->point) == 0 && --crash->left == 0) kill(getpid(), SIGKILL);
}

/* True when the child died at the point, false when it never came there. */
static bool killed_at(const char *point, void (*work)(const struct vt_keeper_slot *slot), const struct vt_keeper_slot *slot)
{
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct crash crash = {point, 1};
        vt_fault_set_step_hook(die_at, &crash);
        work(slot);
        _exit(0);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFSIGNALED(how) ? WTERMSIG(how) == SIGKILL : WEXITSTATUS(how) == 0);
    return WIFSIGNALED(how);
}

static void work_prepare(const struct vt_keeper_slot *slot)
{
    struct vt_keeper *keeper = NULL;
    if (vt_keeper_file_open(path, "local", true, &keeper) != VAULT_OK) _exit(1);
    if (keeper->ops->prepare(keeper, slot) != VAULT_OK) _exit(2);
}

static void work_finalize(const struct vt_keeper_slot *slot)
{
    struct vt_keeper *keeper = NULL;
    if (vt_keeper_file_open(path, "local", true, &keeper) != VAULT_OK) _exit(1);
    if (finalize(keeper, slot, 20) != VAULT_OK) _exit(2);
}

static void work_abort(const struct vt_keeper_slot *slot)
{
    struct vt_keeper *keeper = NULL;
    if (vt_keeper_file_open(path, "local", true, &keeper) != VAULT_OK) _exit(1);
    if (keeper->ops->abort(keeper, slot->incarnation, slot->epoch, slot->attempt) != VAULT_OK) _exit(2);
}

START_TEST(a_crash_in_prepare_leaves_the_old_share_or_both)
{
    static const char *const points[] = {"keeper.prepare.written", "keeper.prepare.synced"};
    for (size_t i = 0; i < VT_ARRAY_LEN(points); i++) {
        setup();
        struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1);
        vt_keeper_free(keeper_at_one(&first));
        ck_assert(killed_at(points[i], work_prepare, &second));
        struct vt_keeper *keeper = keeper_open();
        assert_slots(keeper, 2, &second, VT_SLOT_PREPARED);
        ck_assert_ok(keeper->ops->prepare(keeper, &second));
        ck_assert_ok(finalize(keeper, &second, 20));
        ck_assert_uint_eq(traces_of(&first), 0);
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST

START_TEST(a_crash_in_finalize_leaves_the_new_share_readable_and_opening_erases_the_old)
{
    static const char *const points[] = {"keeper.finalize.written", "keeper.finalize.synced",
                                         "keeper.finalize.second_written", "keeper.finalize.second_synced"};
    for (size_t i = 0; i < VT_ARRAY_LEN(points); i++) {
        setup();
        struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1);
        struct vt_keeper *keeper = keeper_at_one(&first);
        ck_assert_ok(keeper->ops->prepare(keeper, &second));
        vt_keeper_free(keeper);
        ck_assert(killed_at(points[i], work_finalize, &second));
        keeper = keeper_open();
        assert_slots(keeper, 1, &second, VT_SLOT_COMMITTED);
        ck_assert_uint_eq(traces_of(&first), 0);
        ck_assert_ok(finalize(keeper, &second, 20));
        assert_slots(keeper, 1, &second, VT_SLOT_COMMITTED);
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST

START_TEST(a_crash_in_abort_leaves_the_committed_share_and_opening_erases_the_other)
{
    static const char *const points[] = {"keeper.abort.written", "keeper.abort.synced", "keeper.abort.second_written",
                                         "keeper.abort.second_synced"};
    for (size_t i = 0; i < VT_ARRAY_LEN(points); i++) {
        setup();
        struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1);
        struct vt_keeper *keeper = keeper_at_one(&first);
        ck_assert_ok(keeper->ops->prepare(keeper, &second));
        vt_keeper_free(keeper);
        ck_assert(killed_at(points[i], work_abort, &second));
        keeper = keeper_open();
        assert_slots(keeper, 1, &first, VT_SLOT_COMMITTED);
        ck_assert_uint_eq(traces_of(&second), 0);
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST

START_TEST(a_torn_write_in_finalize_loses_neither_share_before_the_new_one_is_whole)
{
    /* The first block that finalize writes is cut at every 64 bytes: what was there before lies behind the cut. */
    for (size_t cut = 0; cut <= 4096; cut += 64) {
        setup();
        struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1);
        struct vt_keeper *keeper = keeper_at_one(&first);
        uint8_t before[FILE_LEN], after[FILE_LEN];
        ck_assert_ok(keeper->ops->prepare(keeper, &second));
        vt_keeper_free(keeper);
        read_file(before);
        ck_assert(killed_at("keeper.finalize.written", work_finalize, &second));
        read_file(after);
        const size_t block = memcmp(before, after, 4096) != 0 ? 0 : 4096;
        const int fd = open(path, O_RDWR);
        ck_assert_int_eq(pwrite(fd, before + block + cut, 4096 - cut, (off_t)(block + cut)), (ssize_t)(4096 - cut));
        ck_assert_int_eq(close(fd), 0);

        struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
        size_t count;
        keeper = keeper_open();
        ck_assert_ok(keeper->ops->read(keeper, slots, &count));
        ck_assert_uint_ge(count, 1);
        ck_assert_uint_eq(slots[count - 1].epoch, 2);
        ck_assert_mem_eq(slots[count - 1].share, second.share, SHARE_LEN);
        ck_assert_ok(finalize(keeper, &second, 20));
        assert_slots(keeper, 1, &second, VT_SLOT_COMMITTED);
        ck_assert_uint_eq(traces_of(&first), 0);
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST

START_TEST(a_failing_read_write_or_sync_is_reported_and_a_repeat_succeeds)
{
    bool fired = true;
    for (unsigned nth = 1; fired; nth++) {
        setup();
        struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1);
        struct vt_keeper *keeper = keeper_at_one(&first);
        vt_fault_arm(VT_FAULT_KEEPER, nth);
        vault_status status = keeper->ops->prepare(keeper, &second);
        if (status == VAULT_OK) status = finalize(keeper, &second, 20);
        fired = vt_fault_disarm();
        ck_assert_int_eq(status, fired ? VAULT_E_IO : VAULT_OK);
        if (keeper->ops->prepare(keeper, &second) != VAULT_E_CONFLICT || fired) ck_assert_ok(finalize(keeper, &second, 20));
        assert_slots(keeper, 1, &second, VT_SLOT_COMMITTED);
        ck_assert_uint_eq(traces_of(&first), 0);
        keeper = keeper_reopen(keeper);
        assert_slots(keeper, 1, &second, VT_SLOT_COMMITTED);
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST

START_TEST(memory_that_is_short_never_changes_the_file)
{
    bool fired = true;
    for (unsigned nth = 1; fired; nth++) {
        setup();
        struct vt_keeper_slot first, second = slot_make(2, 2, 1, 1);
        struct vt_keeper *keeper = keeper_at_one(&first);
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        const vault_status status = keeper->ops->prepare(keeper, &second);
        fired = vt_fault_disarm();
        ck_assert_int_eq(status, fired ? VAULT_E_MEMORY : VAULT_OK);
        assert_slots(keeper, fired ? 1 : 2, fired ? &first : &second, fired ? VT_SLOT_COMMITTED : VT_SLOT_PREPARED);
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST

START_TEST(a_creation_that_fails_leaves_no_keeper_behind)
{
    bool fired = true;
    for (unsigned nth = 1; fired; nth++) {
        setup();
        struct vt_keeper *keeper = NULL;
        vt_fault_arm(VT_FAULT_KEEPER, nth);
        const vault_status status = vt_keeper_file_open(path, "local", false, &keeper);
        fired = vt_fault_disarm();
        ck_assert_int_eq(status, fired ? VAULT_E_IO : VAULT_OK);
        if (fired) keeper = keeper_open();
        assert_slots(keeper, 0, NULL, 0);
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST
#endif

START_TEST(a_keeper_beside_the_store_says_so)
{
    setup();
    struct vt_keeper *keeper = keeper_open();
    struct vt_keeper_info info;
    ck_assert_ok(vt_keeper_compare_device(keeper, dir));
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert(info.is_same_device_as_store);
    ck_assert_ok(vt_keeper_compare_device(keeper, "/proc"));
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert(!info.is_same_device_as_store);
    ck_assert_status(vt_keeper_compare_device(keeper, "/nowhere/at/all"), VAULT_E_IO);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

VT_TEST_MAIN("keeper/keeper_file",
#ifdef VT_FAULTS
             a_crash_in_prepare_leaves_the_old_share_or_both,
             a_crash_in_finalize_leaves_the_new_share_readable_and_opening_erases_the_old,
             a_crash_in_abort_leaves_the_committed_share_and_opening_erases_the_other,
             a_torn_write_in_finalize_loses_neither_share_before_the_new_one_is_whole,
             a_failing_read_write_or_sync_is_reported_and_a_repeat_succeeds,
             memory_that_is_short_never_changes_the_file, a_creation_that_fails_leaves_no_keeper_behind,
#endif
             a_keeper_that_was_made_is_on_the_disk_with_its_name,
             whatever_is_answered_is_on_the_disk_and_a_sync_that_fails_is_no_answer,
             a_new_keeper_holds_nothing_and_keeps_its_identity, the_file_is_two_blocks_of_mode_0600,
             a_prepared_share_is_durable_and_beside_the_committed_one,
             finalize_leaves_no_byte_of_the_old_share_in_the_file,
             abort_leaves_no_byte_of_the_prepared_share_in_the_file, finalize_is_idempotent_and_never_lowers_the_floor,
             a_receipt_says_what_was_kept_and_verifies_under_the_keepers_own_key,
             a_changed_receipt_and_a_foreign_one_do_not_verify, prepare_takes_only_the_next_epoch_of_its_own_vault,
             a_keeper_whose_only_prepare_was_aborted_is_free_for_any_vault,
             a_keeper_that_missed_a_prepare_erases_its_old_share_when_told,
             finalize_never_erases_the_only_share_of_a_vault, an_empty_keeper_has_nothing_to_finalize,
             the_floor_only_rises_and_only_within_its_epoch,
             a_later_incarnation_lowers_no_epoch_and_frees_no_keeper, a_first_finalize_of_epoch_zero_is_refused,
             two_holders_cannot_share_one_keeper,
             who_only_looks_sees_the_file_that_has_the_name_now,
             what_is_not_a_private_file_of_ours_is_refused, a_newer_format_is_named_as_such,
             one_block_of_a_newer_format_is_named_as_such_and_left_alone_however_it_is_laid_out,
             any_damage_to_one_block_leaves_the_state_of_the_other, damage_to_both_blocks_is_corrupt,
             a_keeper_beside_the_store_says_so)
