/* A raw keeper's medium; what may follow what is the machine's, and the file keeper's tests try it. The kernel's facts are
 * injected, since the build's own file system may be any; O_DIRECT, read-back and stripes are real. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/af.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "tests/support/disk_watch.h"
#include "tests/support/suite.h"
#include "vaultd/core/keeper/keeper_raw.h"

enum { SHARE_LEN = 126, BLOCK = 4096, COPY = 1024 * 1024, STRIPES = COPY / BLOCK };
static const struct vt_vault_id our_vault = {{0xAA, 1}};

static char dir[256], path[300];
static struct vt_medium_facts facts;

static vault_status gather(int fd, uint64_t len, struct vt_medium_facts *out_facts)
{
    ck_assert_int_ge(fd, 0);
    ck_assert_uint_eq(len, VT_KEEPER_RAW_LEN);
    *out_facts = facts;
    return VAULT_OK;
}

static void setup(void)
{
    facts = (struct vt_medium_facts){.fs = "ext4", .is_journal_mode_known = true, .extent_count = 1,
                                     .extents = {{0, 1 << 20, VT_KEEPER_RAW_LEN, 0}}, .device_count = 1,
                                     .devices = {{.name = "sda1"}}};
    snprintf(dir, sizeof dir, "%s/raw-keeper-XXXXXX", VT_BINARY_DIR);       /* not TMPDIR: a tmpfs may know no O_DIRECT */
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/keeper", dir);
}

static void teardown(void)
{
    vt_temp_dir_remove(dir);
}

static vault_status open_raw(enum vt_keeper_use use, struct vt_keeper **out_keeper, struct vt_err *err)
{
    const struct vt_keeper_raw_options options = {.path = path, .name = "raw", .use = use, .gather = gather};
    *err = (struct vt_err){{0}, {0}};
    return vt_keeper_raw_open(&options, out_keeper, err);
}

static struct vt_keeper *keeper_open(enum vt_keeper_use use)
{
    struct vt_keeper *keeper = NULL;
    struct vt_err err;
    ck_assert_ok(open_raw(use, &keeper, &err));
    return keeper;
}

static void assert_looker_says(enum vt_keeper_class expected)
{
    struct vt_keeper *looker = keeper_open(VT_KEEPER_LOOK);
    struct vt_keeper_info info;
    ck_assert_ok(looker->ops->info(looker, &info));
    ck_assert_int_eq(info.keeper_class, expected);
    vt_keeper_free(looker);
}

static void assert_not_opened(vault_status expected)
{
    struct vt_keeper *keeper = NULL;
    struct vt_err err;
    ck_assert_status(open_raw(VT_KEEPER_MUST_EXIST, &keeper, &err), expected);
    ck_assert_ptr_null(keeper);
}

static struct vt_keeper_slot slot_make(uint64_t epoch)
{
    struct vt_keeper_slot slot = {.state = VT_SLOT_PREPARED, .vault_id = our_vault, .incarnation = 1, .epoch = epoch, .k = 2,
                                  .m = 3, .x = 1, .share_len = SHARE_LEN};
    memset(slot.attempt, (int)epoch, sizeof slot.attempt);
    ck_assert_ok(vt_random_bytes(slot.share, SHARE_LEN));
    return slot;
}

static vault_status finalize(struct vt_keeper *keeper, const struct vt_keeper_slot *slot, uint64_t commit)
{
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    return keeper->ops->finalize(keeper, slot->incarnation, slot->epoch, slot->attempt, commit, 1700000000000, &receipt);
}

static struct vt_keeper *keeper_at_one(struct vt_keeper_slot *out_first)
{
    struct vt_keeper *keeper = keeper_open(VT_KEEPER_MAKE);
    *out_first = slot_make(1);
    ck_assert_ok(keeper->ops->prepare(keeper, out_first));
    ck_assert_ok(finalize(keeper, out_first, 10));
    return keeper;
}

static void assert_slots(struct vt_keeper *keeper, size_t expected_count, const struct vt_keeper_slot *expected)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
    size_t count = 99;
    ck_assert_ok(keeper->ops->read(keeper, slots, &count));
    ck_assert_uint_eq(count, expected_count);
    ck_assert_uint_eq(slots[count - 1].epoch, expected->epoch);
    ck_assert_mem_eq(slots[count - 1].share, expected->share, SHARE_LEN);
}

static void read_area(uint8_t *out_bytes)
{
    const int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    for (size_t done = 0; done < VT_KEEPER_RAW_LEN;) {
        const ssize_t got = read(fd, out_bytes + done, VT_KEEPER_RAW_LEN - done);
        ck_assert_int_gt(got, 0);
        done += (size_t)got;
    }
    ck_assert_int_eq(close(fd), 0);
}

/* What somebody with the whole area can put together: is the share in one of the two copies, or bare anywhere? */
static bool area_tells(const uint8_t *area, const struct vt_keeper_slot *slot)
{
    if (memmem(area, VT_KEEPER_RAW_LEN, slot->share, 16) != NULL) return true;
    for (unsigned copy = 1; copy <= 2; copy++) {
        VT_AUTO(vt_af) af = VT_AF_INIT;
        uint8_t block[BLOCK];
        ck_assert_ok(vt_af_begin(&af, BLOCK, STRIPES));
        for (size_t i = 0; i < STRIPES; i++) ck_assert_ok(vt_af_merge(&af, area + copy * COPY + i * BLOCK, block));
        if (memmem(block, BLOCK, slot->share, SHARE_LEN) != NULL) return true;
    }
    return false;
}

static bool medium_tells(const struct vt_keeper_slot *slot)
{
    uint8_t *area = malloc(VT_KEEPER_RAW_LEN);
    ck_assert_ptr_nonnull(area);
    read_area(area);
    const bool tells = area_tells(area, slot);
    free(area);
    return tells;
}

static void change_byte(off_t at)
{
    const int fd = open(path, O_RDWR);
    uint8_t byte;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 0x40;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    ck_assert_int_eq(close(fd), 0);
}

/* A file stands for the partition: what it is, is one of the facts. */
static void partition_of_zeroes(void)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, VT_KEEPER_RAW_LEN), 0);
    ck_assert_int_eq(close(fd), 0);
    facts = (struct vt_medium_facts){.is_partition = true, .device_count = 1, .devices = {{.name = "sda7"}}};
}

START_TEST(a_raw_keeper_is_E1_and_keeps_its_identity_and_its_shares)
{
    setup();
    struct vt_keeper_slot first;
    struct vt_keeper *keeper = keeper_at_one(&first);
    struct vt_keeper_info info, again;
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert_int_eq(info.keeper_class, VT_KEEPER_E1);
    ck_assert_str_eq(info.name, "raw");
    vt_keeper_free(keeper);
    keeper = keeper_open(VT_KEEPER_MUST_EXIST);
    ck_assert_ok(keeper->ops->info(keeper, &again));
    ck_assert_uint_eq(info.keeper_id, again.keeper_id);
    ck_assert_str_eq(info.verifier_key, again.verifier_key);
    assert_slots(keeper, 1, &first);
    vt_keeper_free(keeper);
    struct stat file;
    ck_assert_int_eq(stat(path, &file), 0);
    ck_assert_uint_eq(file.st_mode & 07777, 0600);
    ck_assert_int_eq(file.st_size, VT_KEEPER_RAW_LEN);
    teardown();
}
END_TEST

START_TEST(finalize_leaves_nothing_from_which_the_old_share_could_be_put_together)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2);
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert(medium_tells(&first));            /* the search does find a share that is there */
    ck_assert(medium_tells(&second));
    ck_assert_ok(finalize(keeper, &second, 20));
    ck_assert(!medium_tells(&first));
    ck_assert(medium_tells(&second));
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(an_image_from_before_that_lacks_a_single_stripe_does_not_tell_the_share)
{
    setup();
    struct vt_keeper_slot first;
    vt_keeper_free(keeper_at_one(&first));
    uint8_t *area = malloc(VT_KEEPER_RAW_LEN);
    ck_assert_ptr_nonnull(area);
    read_area(area);
    ck_assert(area_tells(area, &first));
    ck_assert_ok(vt_random_bytes(area + COPY + 17 * BLOCK, BLOCK));
    ck_assert_ok(vt_random_bytes(area + 2 * COPY + 255 * BLOCK, BLOCK));
    ck_assert(!area_tells(area, &first));
    free(area);
    teardown();
}
END_TEST

START_TEST(a_keeper_that_was_made_is_on_the_disk_with_its_name)
{
    setup();
    disk_watch_begin();
    struct vt_keeper *keeper = keeper_open(VT_KEEPER_MAKE);
    ck_assert(disk_watch_is_synced());
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

/* An answer is a promise: what a power cut could take back must not be behind it, or a share that was erased comes back. */
START_TEST(whatever_is_answered_is_on_the_disk_and_a_sync_that_fails_is_no_answer)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2), third = slot_make(2);
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

START_TEST(abort_leaves_nothing_of_the_prepared_share)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2);
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_ok(keeper->ops->abort(keeper, 1, 2, second.attempt));
    ck_assert(!medium_tells(&second));
    assert_slots(keeper, 1, &first);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_pushed_floor_is_kept_and_a_broken_floor_block_leaves_the_one_before)
{
    setup();
    struct vt_keeper_slot first;
    struct vt_keeper *keeper = keeper_at_one(&first);
    struct vt_keeper_floor floor = {our_vault, 1, 1, 0};
    for (floor.commit_number = 11; floor.commit_number <= 15; floor.commit_number++)
        ck_assert_ok(keeper->ops->raise_floor(keeper, &floor));
    vt_keeper_free(keeper);
    keeper = keeper_open(VT_KEEPER_MUST_EXIST);
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.commit_number, 15);
    ck_assert_int_eq(floor.epoch, 1);
    vt_keeper_free(keeper);
    change_byte(BLOCK + 64);            /* one of the two holds 15, the other 14 */
    keeper = keeper_open(VT_KEEPER_MUST_EXIST);
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_ge(floor.commit_number, 14);
    vt_keeper_free(keeper);
    change_byte(2 * BLOCK + 64);
    keeper = keeper_open(VT_KEEPER_MUST_EXIST);
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.commit_number, 10);     /* the state's own */
    floor.commit_number = 16;
    ck_assert_ok(keeper->ops->raise_floor(keeper, &floor));
    vt_keeper_free(keeper);
    keeper = keeper_open(VT_KEEPER_MUST_EXIST);
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.commit_number, 16);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

/* Whole, but as a later program would write it. */
static void floor_of_later_format(unsigned index)
{
    uint8_t block[BLOCK];
    const off_t at = (off_t)(index + 1) * BLOCK;
    const int fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, block, sizeof block, at), BLOCK);
    ck_assert_uint_eq(block[8], 1);
    block[8] = 2;
    ck_assert_ok(vt_sha256_one(vt_bytes(block, BLOCK - VT_SHA256_LEN), block + BLOCK - VT_SHA256_LEN));
    ck_assert_int_eq(pwrite(fd, block, sizeof block, at), BLOCK);
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(a_floor_of_a_later_format_is_refused_and_not_passed_over)
{
    for (unsigned index = 0; index < 2; index++) {
        setup();
        struct vt_keeper_slot first;
        struct vt_keeper *keeper = keeper_at_one(&first);
        struct vt_keeper_floor floor = {our_vault, 1, 1, 0};
        for (floor.commit_number = 11; floor.commit_number <= 12; floor.commit_number++)
            ck_assert_ok(keeper->ops->raise_floor(keeper, &floor));
        vt_keeper_free(keeper);
        floor_of_later_format(index);
        assert_not_opened(VAULT_E_FORMAT);
        teardown();
    }
}
END_TEST

/* A later program's block at this place: nothing of it lies where this one would look, hash and id least of all. */
static void block_of_later_layout(off_t at, uint8_t version)
{
    uint8_t block[BLOCK];
    const int fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, block, sizeof block, at), BLOCK);
    memset(block + 9, 0xa5, sizeof block - 9);
    block[8] = version;
    ck_assert_int_eq(pwrite(fd, block, sizeof block, at), BLOCK);
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(a_floor_of_a_later_format_is_refused_however_it_is_laid_out_and_one_of_none_is_torn)
{
    for (unsigned index = 0; index < 2; index++) {
        setup();
        struct vt_keeper_slot first;
        struct vt_keeper *keeper = keeper_at_one(&first);
        struct vt_keeper_floor floor = {our_vault, 1, 1, 0};
        for (floor.commit_number = 11; floor.commit_number <= 12; floor.commit_number++)
            ck_assert_ok(keeper->ops->raise_floor(keeper, &floor));
        vt_keeper_free(keeper);
        block_of_later_layout((off_t)(index + 1) * BLOCK, 2);
        assert_not_opened(VAULT_E_FORMAT);
        block_of_later_layout((off_t)(index + 1) * BLOCK, 0);
        keeper = keeper_open(VT_KEEPER_MUST_EXIST);
        ck_assert_ok(keeper->ops->floor(keeper, &floor));
        ck_assert_uint_ge(floor.commit_number, 11);
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST

START_TEST(a_header_of_a_later_format_is_named_as_such_however_it_is_laid_out)
{
    setup();
    struct vt_keeper_slot first;
    vt_keeper_free(keeper_at_one(&first));
    block_of_later_layout(0, 2);
    assert_not_opened(VAULT_E_FORMAT);
    block_of_later_layout(0, 0);
    assert_not_opened(VAULT_E_CORRUPT);
    teardown();
}
END_TEST

START_TEST(a_floor_of_a_former_epoch_does_not_outlive_it)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2);
    struct vt_keeper *keeper = keeper_at_one(&first);
    struct vt_keeper_floor floor = {our_vault, 1, 1, 99};
    ck_assert_ok(keeper->ops->raise_floor(keeper, &floor));
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_ok(finalize(keeper, &second, 30));
    vt_keeper_free(keeper);
    keeper = keeper_open(VT_KEEPER_MUST_EXIST);
    ck_assert_ok(keeper->ops->floor(keeper, &floor));
    ck_assert_uint_eq(floor.epoch, 2);
    ck_assert_uint_eq(floor.commit_number, 30);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(damage_to_one_copy_is_mended_from_the_other_and_to_both_is_corrupt)
{
    static const off_t places[] = {0, 5000, COPY / 2, COPY - 1};
    for (size_t i = 0; i < VT_ARRAY_LEN(places); i++) {
        for (off_t copy = 1; copy <= 2; copy++) {
            setup();
            struct vt_keeper_slot first;
            vt_keeper_free(keeper_at_one(&first));
            change_byte(copy * COPY + places[i]);
            struct vt_keeper *keeper = keeper_open(VT_KEEPER_MUST_EXIST);
            assert_slots(keeper, 1, &first);
            vt_keeper_free(keeper);
            change_byte((3 - copy) * COPY + places[i]);
            keeper = keeper_open(VT_KEEPER_MUST_EXIST);
            assert_slots(keeper, 1, &first);
            vt_keeper_free(keeper);
            change_byte(COPY + places[i]);
            change_byte(2 * COPY + places[i]);
            assert_not_opened(VAULT_E_CORRUPT);
            teardown();
        }
    }
}
END_TEST

static void assert_refusal(struct vt_keeper *keeper, const char *part)
{
    struct vt_keeper_info info;
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert(info.is_reachable);
    if (part == NULL) ck_assert_str_eq(info.refusal, "");
    else ck_assert_msg(strstr(info.refusal, part) != NULL, "\"%s\" does not say \"%s\"", info.refusal, part);
}

START_TEST(a_file_that_moved_gets_no_receipt_and_nothing_is_erased)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2), below = slot_make(0);
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    facts.extents[0].physical += 4096;
    ck_assert_status(finalize(keeper, &second, 20), VAULT_E_STATE);
    assert_refusal(keeper, "no longer what it was opened on");
    assert_slots(keeper, 2, &second);
    ck_assert(medium_tells(&first));
    facts.extents[0].physical -= 4096;
    facts.extents[0].flags = FIEMAP_EXTENT_SHARED;      /* a reflink copy has been made of it */
    ck_assert_status(finalize(keeper, &second, 20), VAULT_E_UNSUPPORTED);
    assert_refusal(keeper, "shared");
    assert_slots(keeper, 2, &second);
    facts.extents[0].flags = 0;
    ck_assert_status(finalize(keeper, &below, 20), VAULT_E_ROLLBACK);       /* refused for what it is: the place is not asked */
    assert_refusal(keeper, NULL);
    ck_assert_ok(finalize(keeper, &second, 20));
    assert_refusal(keeper, NULL);
    ck_assert(!medium_tells(&first));
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_partition_that_was_moved_to_another_disk_gets_no_receipt)
{
    setup();
    partition_of_zeroes();
    struct vt_keeper_slot first, second = slot_make(2);
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    snprintf(facts.devices[0].name, sizeof facts.devices[0].name, "sdb7");
    ck_assert_status(finalize(keeper, &second, 20), VAULT_E_STATE);
    ck_assert(medium_tells(&first));
    snprintf(facts.devices[0].name, sizeof facts.devices[0].name, "sda7");
    ck_assert_ok(finalize(keeper, &second, 20));
    ck_assert(!medium_tells(&first));
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(a_medium_that_does_not_write_in_place_is_refused_and_no_file_is_left)
{
    setup();
    struct vt_keeper *keeper = NULL;
    struct vt_err err;
    snprintf(facts.fs, sizeof facts.fs, "btrfs");
    ck_assert_status(open_raw(VT_KEEPER_MAKE, &keeper, &err), VAULT_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "btrfs"));
    ck_assert_int_ne(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/keeper.new", dir);
    ck_assert_int_ne(access(path, F_OK), 0);
    teardown();
}
END_TEST

START_TEST(who_only_looks_changes_nothing_and_sees_the_file_that_has_the_name_now)
{
    setup();
    struct vt_keeper_slot first, second = slot_make(2);
    struct vt_keeper *keeper = keeper_at_one(&first), *looker = keeper_open(VT_KEEPER_LOOK);
    struct vt_keeper_floor floor = {our_vault, 1, 1, 12};
    char away[320];
    ck_assert_ok(keeper->ops->raise_floor(keeper, &floor));
    ck_assert_ok(looker->ops->floor(looker, &floor));
    ck_assert_uint_eq(floor.commit_number, 12);
    ck_assert_status(looker->ops->prepare(looker, &second), VAULT_E_READ_ONLY);
    ck_assert_ok(keeper->ops->prepare(keeper, &second));
    ck_assert_ok(finalize(keeper, &second, 20));
    ck_assert_ok(looker->ops->floor(looker, &floor));
    ck_assert_uint_eq(floor.epoch, 2);
    snprintf(away, sizeof away, "%s.away", path);
    ck_assert_int_eq(rename(path, away), 0);
    ck_assert_status(looker->ops->floor(looker, &floor), VAULT_E_KEEPER);
    vt_keeper_free(looker);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

START_TEST(who_only_looks_says_the_class_that_the_keeper_has)
{
    setup();
    struct vt_keeper_slot first;
    vt_keeper_free(keeper_at_one(&first));
    assert_looker_says(VT_KEEPER_E1);
    snprintf(facts.devices[0].name, sizeof facts.devices[0].name, "loop3");
    assert_looker_says(VT_KEEPER_X);
    snprintf(facts.devices[0].name, sizeof facts.devices[0].name, "sda1");
    snprintf(facts.fs, sizeof facts.fs, "btrfs");           /* copied there: to be looked at, but worth nothing */
    assert_looker_says(VT_KEEPER_X);
    teardown();
}
END_TEST

START_TEST(a_damaged_copy_is_left_alone_by_who_only_looks)
{
    setup();
    struct vt_keeper_slot first;
    uint8_t *before = malloc(VT_KEEPER_RAW_LEN), *after = malloc(VT_KEEPER_RAW_LEN);
    ck_assert(before != NULL && after != NULL);
    vt_keeper_free(keeper_at_one(&first));
    change_byte(COPY + 5000);
    read_area(before);
    struct vt_keeper *looker = keeper_open(VT_KEEPER_LOOK);
    assert_slots(looker, 1, &first);
    vt_keeper_free(looker);
    read_area(after);
    ck_assert_mem_eq(before, after, VT_KEEPER_RAW_LEN);
    free(before);
    free(after);
    teardown();
}
END_TEST

START_TEST(what_is_not_a_private_whole_raw_keeper_is_refused)
{
    setup();
    assert_not_opened(VAULT_E_KEEPER);
    struct vt_keeper_slot first;
    vt_keeper_free(keeper_at_one(&first));
    struct vt_keeper *keeper = keeper_open(VT_KEEPER_MUST_EXIST);
    assert_not_opened(VAULT_E_LOCKED);
    vt_keeper_free(keeper);
    ck_assert_int_eq(chmod(path, 0640), 0);
    assert_not_opened(VAULT_E_STATE);
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(truncate(path, VT_KEEPER_RAW_LEN - BLOCK), 0);
    assert_not_opened(VAULT_E_CORRUPT);
    ck_assert_int_eq(truncate(path, VT_KEEPER_RAW_LEN), 0);
    change_byte(100);
    assert_not_opened(VAULT_E_CORRUPT);
    change_byte(100);
    change_byte(0);
    assert_not_opened(VAULT_E_CORRUPT);
    teardown();
}
END_TEST

START_TEST(a_partition_of_zeroes_becomes_a_keeper_when_one_may_be_made)
{
    setup();
    partition_of_zeroes();
    assert_not_opened(VAULT_E_KEEPER);
    struct vt_keeper_slot first;
    struct vt_keeper_info info;
    struct vt_keeper *keeper = keeper_at_one(&first);
    ck_assert_ok(keeper->ops->info(keeper, &info));
    ck_assert_int_eq(info.keeper_class, VT_KEEPER_E1);
    vt_keeper_free(keeper);
    keeper = keeper_open(VT_KEEPER_MAKE);
    assert_slots(keeper, 1, &first);
    vt_keeper_free(keeper);
    teardown();
}
END_TEST

/* Where others write their names: ext4 and XFS at once, md 1.2, ZFS, JFS, btrfs; and content anywhere. */
START_TEST(a_partition_that_holds_anything_in_the_area_is_left_as_it_is)
{
    static const off_t places[] = {0, 1080, 4096, 16384, 32768, 65600, COPY + 7, VT_KEEPER_RAW_LEN - 1};
    uint8_t *before = malloc(VT_KEEPER_RAW_LEN), *after = malloc(VT_KEEPER_RAW_LEN);
    ck_assert(before != NULL && after != NULL);
    for (size_t i = 0; i < VT_ARRAY_LEN(places); i++) {
        setup();
        partition_of_zeroes();
        change_byte(places[i]);
        read_area(before);
        struct vt_keeper *keeper = NULL;
        struct vt_err err;
        ck_assert_status(open_raw(VT_KEEPER_MAKE, &keeper, &err), VAULT_E_EXISTS);
        ck_assert_ptr_nonnull(strstr(err.message, "holds something else"));
        read_area(after);
        ck_assert_mem_eq(before, after, VT_KEEPER_RAW_LEN);
        teardown();
    }
    free(before);
    free(after);
}
END_TEST

START_TEST(a_partition_on_which_no_keeper_may_lie_is_not_overwritten)
{
    setup();
    partition_of_zeroes();
    snprintf(facts.devices[0].target, sizeof facts.devices[0].target, "thin");
    uint8_t *zeroes = calloc(1, VT_KEEPER_RAW_LEN), *after = malloc(VT_KEEPER_RAW_LEN);
    struct vt_keeper *keeper = NULL;
    struct vt_err err;
    ck_assert(zeroes != NULL && after != NULL);
    ck_assert_status(open_raw(VT_KEEPER_MAKE, &keeper, &err), VAULT_E_UNSUPPORTED);
    read_area(after);
    ck_assert_mem_eq(zeroes, after, VT_KEEPER_RAW_LEN);
    free(zeroes);
    free(after);
    teardown();
}
END_TEST

#ifdef VT_FAULTS
struct crash {
    const char *point;
};

static void die_at(const char *step, void *context)
{
    const struct crash *crash = context;
    if (strcmp(step, crash->point) == 0) kill(getpid(), SIGKILL);
}

/* A child finalizes or aborts and dies at the point. */
static void die_in(const char *point, const struct vt_keeper_slot *slot, bool is_abort)
{
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct crash crash = {point};
        struct vt_keeper *keeper = NULL;
        struct vt_err err;
        vt_fault_set_step_hook(die_at, &crash);
        if (open_raw(VT_KEEPER_MUST_EXIST, &keeper, &err) != VAULT_OK) _exit(1);
        if (is_abort) _exit(keeper->ops->abort(keeper, slot->incarnation, slot->epoch, slot->attempt) == VAULT_OK ? 2 : 3);
        _exit(finalize(keeper, slot, 20) == VAULT_OK ? 2 : 3);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

START_TEST(a_crash_between_the_two_copies_is_finished_when_the_keeper_is_opened)
{
    static const struct {
        const char *point;
        bool is_abort;
    } cases[] = {{"keeper.finalize.written", false}, {"keeper.finalize.second_written", false},
                 {"keeper.abort.written", true}, {"keeper.abort.second_written", true}};
    for (size_t i = 0; i < VT_ARRAY_LEN(cases); i++) {
        setup();
        struct vt_keeper_slot first, second = slot_make(2);
        struct vt_keeper *keeper = keeper_at_one(&first);
        ck_assert_ok(keeper->ops->prepare(keeper, &second));
        vt_keeper_free(keeper);
        die_in(cases[i].point, &second, cases[i].is_abort);
        keeper = keeper_open(VT_KEEPER_MUST_EXIST);
        assert_slots(keeper, 1, cases[i].is_abort ? &first : &second);
        ck_assert(!medium_tells(cases[i].is_abort ? &second : &first));
        vt_keeper_free(keeper);
        teardown();
    }
}
END_TEST

START_TEST(a_failing_read_write_or_sync_is_reported_and_a_repeat_succeeds)
{
    bool fired = true;
    unsigned tried = 0;
    for (unsigned nth = 1; fired; nth += 7) {           /* 70 calls: each kind of them is hit */
        setup();
        struct vt_keeper_slot first, second = slot_make(2);
        struct vt_keeper *keeper = keeper_at_one(&first);
        ck_assert_ok(keeper->ops->prepare(keeper, &second));
        vt_fault_arm(VT_FAULT_KEEPER, nth);
        const vault_status status = finalize(keeper, &second, 20);
        fired = vt_fault_disarm();
        ck_assert_status(status, fired ? VAULT_E_IO : VAULT_OK);
        ck_assert_ok(finalize(keeper, &second, 20));
        assert_slots(keeper, 1, &second);
        ck_assert(!medium_tells(&first));
        vt_keeper_free(keeper);
        teardown();
        tried++;
    }
    ck_assert_uint_gt(tried, 8);
}
END_TEST
#endif

VT_TEST_MAIN("keeper/keeper_raw",
#ifdef VT_FAULTS
             a_crash_between_the_two_copies_is_finished_when_the_keeper_is_opened,
             a_failing_read_write_or_sync_is_reported_and_a_repeat_succeeds,
#endif
             a_keeper_that_was_made_is_on_the_disk_with_its_name,
             whatever_is_answered_is_on_the_disk_and_a_sync_that_fails_is_no_answer,
             a_raw_keeper_is_E1_and_keeps_its_identity_and_its_shares,
             finalize_leaves_nothing_from_which_the_old_share_could_be_put_together,
             an_image_from_before_that_lacks_a_single_stripe_does_not_tell_the_share,
             abort_leaves_nothing_of_the_prepared_share,
             a_pushed_floor_is_kept_and_a_broken_floor_block_leaves_the_one_before,
             a_floor_of_a_later_format_is_refused_and_not_passed_over,
             a_floor_of_a_later_format_is_refused_however_it_is_laid_out_and_one_of_none_is_torn,
             a_header_of_a_later_format_is_named_as_such_however_it_is_laid_out, a_floor_of_a_former_epoch_does_not_outlive_it,
             damage_to_one_copy_is_mended_from_the_other_and_to_both_is_corrupt,
             a_file_that_moved_gets_no_receipt_and_nothing_is_erased,
             a_partition_that_was_moved_to_another_disk_gets_no_receipt,
             a_medium_that_does_not_write_in_place_is_refused_and_no_file_is_left,
             who_only_looks_changes_nothing_and_sees_the_file_that_has_the_name_now,
             who_only_looks_says_the_class_that_the_keeper_has, a_damaged_copy_is_left_alone_by_who_only_looks,
             what_is_not_a_private_whole_raw_keeper_is_refused,
             a_partition_of_zeroes_becomes_a_keeper_when_one_may_be_made,
             a_partition_that_holds_anything_in_the_area_is_left_as_it_is,
             a_partition_on_which_no_keeper_may_lie_is_not_overwritten)
