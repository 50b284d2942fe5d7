#include "vaultd/core/keeper/keeper_ram.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/rng.h"
#include "tests/support/own_memory.h"
#include "tests/support/suite.h"

enum { FILE_LEN = 8192, BLOCK_LEN = 4096, SHARE_LEN = 126 };
static const struct vt_vault_id our_vault = {{0xAA, 1}}, other_vault = {{0xBB, 2}};

static char dir[128];
static char path[160];

static void setup(void)
{
    vt_temp_dir_make(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/keeper.floor", dir);
}

static void teardown(void)
{
    vt_temp_dir_remove(dir);
}

static struct vt_keeper *keeper_open(void)
{
    struct vt_keeper *keeper = NULL;
    ck_assert_ok(vt_keeper_ram_open(path, "elsewhere", &keeper));
    return keeper;
}

/* What a restart of its process does. */
static struct vt_keeper *keeper_restart(struct vt_keeper *keeper)
{
    vt_keeper_free(keeper);
    return keeper_open();
}

/* A share whose bytes are random, so that a search finds it only where it is. */
static struct vt_keeper_slot slot_make(uint64_t epoch, uint8_t attempt)
{
    struct vt_keeper_slot slot = {.state = VT_SLOT_PREPARED, .vault_id = our_vault, .incarnation = 1, .epoch = epoch,
                                  .k = 2, .m = 3, .x = 1, .share_len = SHARE_LEN};
    memset(slot.attempt, attempt, sizeof slot.attempt);
    ck_assert_ok(vt_random_bytes(slot.share, SHARE_LEN));
    return slot;
}

static vault_status finalize(struct vt_keeper *keeper, const struct vt_keeper_slot *slot, uint64_t commit)
{
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    return keeper->ops->finalize(keeper, slot->incarnation, slot->epoch, slot->attempt, commit, 1700000000000, &receipt);
}

static vault_status raise_floor(struct vt_keeper *keeper, uint64_t epoch, uint64_t commit)
{
    const struct vt_keeper_floor floor = {our_vault, 1, epoch, commit};
    return keeper->ops->raise_floor(keeper, &floor);
}

static size_t slots_of(struct vt_keeper *keeper, struct vt_keeper_slot *out_last)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    size_t count = 99;
    ck_assert_ok(keeper->ops->read(keeper, slots, &count));
    if (count != 0) *out_last = slots[count - 1];
    return count;
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

/* How many runs of eight bytes of the share are in the file? */
static unsigned traces_of(const struct vt_keeper_slot *slot)
{
    uint8_t bytes[FILE_LEN];
    unsigned traces = 0;
    read_file(bytes);
    for (size_t i = 0; i + 8 <= slot->share_len; i++) traces += memmem(bytes, FILE_LEN, slot->share + i, 8) != NULL;
    return traces;
}

/* A keeper with epoch 1 committed at commit number 10. */
static struct vt_keeper *keeper_at_one(struct vt_keeper_slot *out_first)
{
    struct vt_keeper *keeper = keeper_open();
    *out_first = slot_make(1, 1);
    ck_assert_ok(keeper->ops->prepare(keeper, out_first));
    ck_assert_ok(finalize(keeper, out_first, 10));
    return keeper;
}

START_TEST(no_byte_of_a_share_is_ever_written)
{
    setup();
    struct vt_keeper_slot first, last;
    struct vt_keeper *keeper = keeper_at_one(&first);
    const struct vt_keeper_slot second = slot_make(2, 2), aborted = slot_make(3, 3);
    ck_assert_uint_eq(traces_of(&first), 0);
    ck_assert_ok(raise_floor(keeper, 1, 20));
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_uint_eq(traces_of(&second), 0);
    ck_assert_ok(finalize(keeper, &second, 30));
    ck_assert_ok(keeper->ops->prepare(keeper, &aborted));
    ck_assert_ok(keeper->ops->abort(keeper, 1, 3, aborted.attempt));
    ck_assert_uint_eq(slots_of(keeper, &last), 1);
    ck_assert_mem_eq(last.share, second.share, SHARE_LEN);
    ck_assert_uint_eq(traces_of(&first) + traces_of(&second) + traces_of(&aborted), 0);
    vt_keeper_free(keeper);
    ck_assert_uint_eq(traces_of(&first) + traces_of(&second) + traces_of(&aborted), 0);
    teardown();
}
END_TEST

START_TEST(a_restarted_keeper_is_the_same_one_with_its_floor_and_without_a_share)
{
    setup();
    struct vt_keeper_slot first, last;
    struct vt_keeper *keeper = keeper_at_one(&first);
    struct vt_keeper_info before, after;
    struct vt_keeper_floor floor;
    ck_assert_ok(raise_floor(keeper, 1, 25));
    ck_assert_ok(keeper->ops->info(keeper, &before));
    ck_assert_int_eq(before.keeper_class, VT_KEEPER_E4);
    ck_assert_str_eq(before.name, "elsewhere");
    keeper = keeper_restart(keeper);
    ck_assert_ok(keeper->ops->info(keeper, &after));
    ck_assert_uint_eq(after.keeper_id, before.keeper_id);
    ck_assert_str_eq(after.verifier_key, before.verifier_key);
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.epoch, 1);
    ck_assert_uint_eq(floor.commit_number, 25);
    ck_assert_mem_eq(&floor.vault_id, &our_vault, sizeof our_vault);
    ck_assert_uint_eq(slots_of(keeper, &last), 0);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_restarted_keeper_takes_the_next_epoch_of_its_vault_and_no_other)
{
    setup();
    struct vt_keeper_slot first, last;
    struct vt_keeper *keeper = keeper_restart(keeper_at_one(&first));
    const struct vt_keeper_slot next = slot_make(2, 2), later = slot_make(3, 3);
    struct vt_keeper_slot foreign = slot_make(2, 4);
    foreign.vault_id = other_vault;
    ck_assert_status(keeper->ops->prepare(keeper, &first), VAULT_E_CONFLICT);
    ck_assert_status(keeper->ops->prepare(keeper, &later), VAULT_E_CONFLICT);
    ck_assert_status(keeper->ops->prepare(keeper, &foreign), VAULT_E_CONFLICT);
    ck_assert_ok(keeper->ops->prepare(keeper, &next));
    ck_assert_ok(finalize(keeper, &next, 40));
    ck_assert_uint_eq(slots_of(keeper, &last), 1);
    ck_assert_mem_eq(last.share, next.share, SHARE_LEN);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_keeper_that_lost_what_was_prepared_signs_that_it_keeps_nothing)
{
    setup();
    struct vt_keeper_slot first, last;
    struct vt_keeper *keeper = keeper_at_one(&first);
    const struct vt_keeper_slot next = slot_make(2, 2);
    struct vt_keeper_statement said;
    struct vt_keeper_info info;
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    ck_assert_ok(keeper->ops->prepare(keeper, &next));
    keeper = keeper_restart(keeper);
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert_ok(keeper->ops->finalize(keeper, 1, 2, next.attempt, 30, 1700000000000, &receipt));
    ck_assert_ok(vt_keeper_receipt_verify(vt_buf_bytes(&receipt.note), info.verifier_key, &said));
    ck_assert_int_eq(said.keeper_class, VT_KEEPER_E4);
    ck_assert_uint_eq(said.epoch, 2);
    ck_assert_uint_eq(said.kept_k + said.kept_m + said.kept_x, 0);
    ck_assert_uint_eq(slots_of(keeper, &last), 0);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_restart_does_not_lower_the_floor)
{
    setup();
    struct vt_keeper_slot first;
    struct vt_keeper *keeper = keeper_at_one(&first);
    const struct vt_keeper_slot next = slot_make(2, 2);
    ck_assert_ok(keeper->ops->prepare(keeper, &next));
    ck_assert_ok(finalize(keeper, &next, 30));
    keeper = keeper_restart(keeper);
    ck_assert_status(finalize(keeper, &first, 10), VAULT_E_ROLLBACK);
    ck_assert_status(raise_floor(keeper, 1, 99), VAULT_E_ROLLBACK);
    ck_assert_status(raise_floor(keeper, 2, 29), VAULT_E_ROLLBACK);
    ck_assert_ok(raise_floor(keeper, 2, 31));
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_keeper_that_never_finalised_is_free_again_after_a_restart)
{
    setup();
    struct vt_keeper *keeper = keeper_open();
    struct vt_keeper_slot first = slot_make(1, 1), foreign = slot_make(1, 2), last;
    foreign.vault_id = other_vault;
    ck_assert_ok(keeper->ops->prepare(keeper, &first));
    ck_assert_status(keeper->ops->prepare(keeper, &foreign), VAULT_E_CONFLICT);
    keeper = keeper_restart(keeper);
    ck_assert_status(finalize(keeper, &first, 1), VAULT_E_NOT_FOUND);
    ck_assert_ok(keeper->ops->prepare(keeper, &foreign));
    ck_assert_uint_eq(slots_of(keeper, &last), 1);
    ck_assert_mem_eq(&last.vault_id, &other_vault, sizeof other_vault);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_torn_block_leaves_the_floor_of_the_other)
{
    setup();
    struct vt_keeper_slot first;
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_ok(raise_floor(keeper, 1, 20));
    ck_assert_ok(raise_floor(keeper, 1, 21));
    vt_keeper_free(keeper);
    uint64_t seen = 0;
    for (unsigned block = 0; block < 2; block++) {
        struct vt_keeper_floor floor;
        change_byte((off_t)block * BLOCK_LEN + 64, 0x40);
        keeper = keeper_open();
        ck_assert_ok(keeper->ops->floor(keeper, &floor));
        ck_assert(floor.commit_number == 20 || floor.commit_number == 21);
        seen += floor.commit_number;
        vt_keeper_free(keeper);
        change_byte((off_t)block * BLOCK_LEN + 64, 0x40);
    }
    ck_assert_uint_eq(seen, 20 + 21);
    teardown();
}
END_TEST

START_TEST(two_damaged_blocks_are_no_keeper)
{
    setup();
    struct vt_keeper_slot first;
    vt_keeper_free(keeper_at_one(&first));
    change_byte(64, 1);
    change_byte(BLOCK_LEN + 64, 1);
    struct vt_keeper *keeper = NULL;
    ck_assert_status(vt_keeper_ram_open(path, "elsewhere", &keeper), VAULT_E_CORRUPT);
    ck_assert_ptr_null(keeper);
    teardown();
}
END_TEST

START_TEST(a_keeper_file_is_no_floor_file_and_the_reverse)
{
    setup();
    struct vt_keeper *keeper = NULL;
    ck_assert_ok(vt_keeper_file_open(path, "local", false, &keeper));
    vt_keeper_free(keeper);
    keeper = NULL;
    ck_assert_status(vt_keeper_ram_open(path, "elsewhere", &keeper), VAULT_E_FORMAT);
    ck_assert_int_eq(unlink(path), 0);
    vt_keeper_free(keeper_open());
    ck_assert_status(vt_keeper_file_open(path, "local", true, &keeper), VAULT_E_FORMAT);
    ck_assert_ptr_null(keeper);
    teardown();
}
END_TEST

START_TEST(a_newer_format_is_named_as_such_wherever_its_hash_lies)
{
    setup();
    for (unsigned block = 0; block < 2; block++) {
        struct vt_keeper *keeper = keeper_open();
        vt_keeper_free(keeper);
        keeper = NULL;
        change_byte((off_t)block * BLOCK_LEN + 8, 3);           /* version 2, and the hash does not fit */
        ck_assert_status(vt_keeper_ram_open(path, "elsewhere", &keeper), VAULT_E_FORMAT);
        ck_assert_ptr_null(keeper);
        ck_assert_int_eq(unlink(path), 0);
    }
    teardown();
}
END_TEST

START_TEST(a_floor_file_is_one_keepers_and_for_its_owner_only)
{
    setup();
    struct vt_keeper *keeper = keeper_open(), *second = NULL;
    ck_assert_status(vt_keeper_ram_open(path, "elsewhere", &second), VAULT_E_LOCKED);
    vt_keeper_free(keeper);
    ck_assert_status(vt_keeper_ram_open(path, "two words", &second), VAULT_E_ARGUMENT);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_status(vt_keeper_ram_open(path, "elsewhere", &second), VAULT_E_STATE);
    ck_assert_ptr_null(second);
    teardown();
}
END_TEST

#ifdef VT_FAULTS
START_TEST(a_floor_that_could_not_be_written_leaves_the_share_and_is_written_by_the_next_try)
{
    setup();
    bool has_fired = true;
    for (unsigned nth = 1; has_fired; nth++) {
        struct vt_keeper_slot first, last;
        struct vt_keeper_floor floor;
        struct vt_keeper *keeper = keeper_at_one(&first);
        const struct vt_keeper_slot next = slot_make(2, 2);
        ck_assert_ok(keeper->ops->prepare(keeper, &next));
        vt_fault_arm(VT_FAULT_KEEPER, nth);
        const vault_status status = finalize(keeper, &next, 30);
        has_fired = vt_fault_disarm();
        ck_assert_int_eq(status, has_fired ? VAULT_E_IO : VAULT_OK);
        ck_assert_uint_eq(slots_of(keeper, &last), has_fired ? 2 : 1);
        ck_assert_ok(finalize(keeper, &next, 30));
        ck_assert_uint_eq(slots_of(keeper, &last), 1);
        ck_assert_mem_eq(last.share, next.share, SHARE_LEN);
        keeper = keeper_restart(keeper);
        ck_assert_ok(keeper->ops->floor(keeper, &floor));
        ck_assert_uint_eq(floor.epoch, 2);
        vt_keeper_free(keeper);
        ck_assert_int_eq(unlink(path), 0);
    }
    teardown();
}
END_TEST
#endif

/* Made where it lies: a share that comes from a function leaves a copy on the stack. */
static struct vt_keeper_slot *slot_on_heap(uint64_t epoch, uint32_t seed)
{
    struct vt_keeper_slot *slot = calloc(1, sizeof *slot);
    ck_assert_ptr_nonnull(slot);
    *slot = (struct vt_keeper_slot){.state = VT_SLOT_PREPARED, .vault_id = our_vault, .incarnation = 1, .epoch = epoch,
                                    .k = 2, .m = 3, .x = 1, .share_len = SHARE_LEN};
    for (size_t i = 0; i < SHARE_LEN; i++) {
        seed = seed * 1103515245 + 12345;
        slot->share[i] = (uint8_t)(seed >> 16);
    }
    return slot;
}

static void keep_on(struct vt_keeper *keeper, uint64_t epoch)
{
    struct vt_keeper_slot *slot = slot_on_heap(epoch, (uint32_t)epoch * 77);
    ck_assert_ok(keeper->ops->prepare(keeper, slot));
    ck_assert_ok(finalize(keeper, slot, 10 * epoch));
    vt_wipe(slot, sizeof *slot);
    free(slot);
}

START_TEST(an_erased_share_is_nowhere_in_memory)
{
    setup();
    uint8_t turned[8];
    struct vt_keeper *keeper = keeper_open();
    struct vt_keeper_slot *like_first = slot_on_heap(1, 77);
    for (size_t i = 0; i < sizeof turned; i++) turned[i] = like_first->share[40 + i] ^ 0xFF;
    vt_wipe(like_first, sizeof *like_first);
    free(like_first);
    keep_on(keeper, 1);
    ck_assert(own_memory_has(turned));          /* the search can find it */
    keep_on(keeper, 2);
    ck_assert(!own_memory_has(turned));
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

VT_TEST_MAIN("keeper/keeper_ram",
#ifdef VT_FAULTS
             a_floor_that_could_not_be_written_leaves_the_share_and_is_written_by_the_next_try,
#endif
             no_byte_of_a_share_is_ever_written, a_restarted_keeper_is_the_same_one_with_its_floor_and_without_a_share,
             a_restarted_keeper_takes_the_next_epoch_of_its_vault_and_no_other,
             a_keeper_that_lost_what_was_prepared_signs_that_it_keeps_nothing, a_restart_does_not_lower_the_floor,
             a_keeper_that_never_finalised_is_free_again_after_a_restart, a_torn_block_leaves_the_floor_of_the_other,
             two_damaged_blocks_are_no_keeper, a_newer_format_is_named_as_such_wherever_its_hash_lies,
             a_keeper_file_is_no_floor_file_and_the_reverse,
             a_floor_file_is_one_keepers_and_for_its_owner_only, an_erased_share_is_nowhere_in_memory)
