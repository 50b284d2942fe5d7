#include <fcntl.h>
#include <linux/fiemap.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "vaultd/core/keeper/medium.h"

enum { LEN = 3 * 1024 * 1024 };

/* A file of one extent on ext4 on a partition: what is as it should be. */
static struct vt_medium_facts good(void)
{
    return (struct vt_medium_facts){.fs = "ext4", .is_journal_mode_known = true, .extent_count = 1,
                                    .extents = {{0, 1 << 20, LEN, 0}}, .device_count = 1, .devices = {{.name = "sda1"}}};
}

static vault_status judge(const struct vt_medium_facts *facts, enum vt_keeper_class *out_class, struct vt_err *err)
{
    *err = (struct vt_err){{0}, {0}};
    *out_class = VT_KEEPER_E0;
    return vt_medium_judge(facts, LEN, out_class, err);
}

static void assert_refused(const struct vt_medium_facts *facts, const char *because)
{
    enum vt_keeper_class keeper_class;
    struct vt_err err;
    ck_assert_status(judge(facts, &keeper_class, &err), VAULT_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.message, because) != NULL, "\"%s\" does not say \"%s\"", err.message, because);
    ck_assert_int_eq(err.message[strlen(err.message) - 1], '.');
}

static void assert_class(const struct vt_medium_facts *facts, enum vt_keeper_class expected)
{
    enum vt_keeper_class keeper_class;
    struct vt_err err;
    ck_assert_ok(judge(facts, &keeper_class, &err));
    ck_assert_int_eq(keeper_class, expected);
}

START_TEST(file_systems_that_write_in_place_are_E1_and_all_others_are_refused_by_name)
{
    static const char *const in_place[] = {"ext2", "ext3", "ext4", "xfs"};
    static const char *const elsewhere[] = {"btrfs", "zfs", "bcachefs", "f2fs", "nilfs2", "overlay", "nfs", "nfs4", "cifs",
                                            "tmpfs", "fuse.sshfs", "unknown"};
    for (size_t i = 0; i < VT_ARRAY_LEN(in_place); i++) {
        struct vt_medium_facts facts = good();
        snprintf(facts.fs, sizeof facts.fs, "%s", in_place[i]);
        assert_class(&facts, VT_KEEPER_E1);
    }
    for (size_t i = 0; i < VT_ARRAY_LEN(elsewhere); i++) {
        struct vt_medium_facts facts = good();
        snprintf(facts.fs, sizeof facts.fs, "%s", elsewhere[i]);
        assert_refused(&facts, elsewhere[i]);
    }
}
END_TEST

START_TEST(contents_in_the_journal_and_a_journal_that_cannot_be_seen_are_refused)
{
    struct vt_medium_facts facts = good();
    facts.is_data_journaled = true;
    assert_refused(&facts, "data=journal");
    facts = good();
    facts.is_journal_mode_known = false;
    assert_refused(&facts, "cannot be seen");
    facts = good();
    facts.may_be_rewritten = true;
    assert_refused(&facts, "compressed");
}
END_TEST

START_TEST(extents_that_are_not_the_files_own_plain_blocks_are_refused)
{
    static const uint32_t flags[] = {FIEMAP_EXTENT_UNKNOWN, FIEMAP_EXTENT_DELALLOC, FIEMAP_EXTENT_ENCODED,
                                     FIEMAP_EXTENT_DATA_ENCRYPTED, FIEMAP_EXTENT_NOT_ALIGNED, FIEMAP_EXTENT_DATA_INLINE,
                                     FIEMAP_EXTENT_DATA_TAIL, FIEMAP_EXTENT_UNWRITTEN, FIEMAP_EXTENT_SHARED};
    struct vt_medium_facts facts = good();
    facts.extents[0].flags = FIEMAP_EXTENT_MERGED;
    assert_class(&facts, VT_KEEPER_E1);
    for (size_t i = 0; i < VT_ARRAY_LEN(flags); i++) {
        facts = good();
        facts.extents[0].flags = flags[i];
        assert_refused(&facts, "extent flags");
    }
}
END_TEST

START_TEST(a_hole_an_end_too_early_and_too_many_pieces_are_refused)
{
    struct vt_medium_facts facts = good();
    facts.extent_count = 2;
    facts.extents[0].len = LEN / 2;
    facts.extents[1] = (struct vt_medium_extent){LEN / 2, 9 << 20, LEN / 2, 0};
    assert_class(&facts, VT_KEEPER_E1);
    facts.extents[1].logical += 4096;
    assert_refused(&facts, "cannot be seen");
    facts.extent_count = 1;
    assert_refused(&facts, "cannot be seen");
    facts.extent_count = 0;
    assert_refused(&facts, "cannot be seen");
    facts = good();
    facts.has_more_extents = true;
    assert_refused(&facts, "pieces");
}
END_TEST

START_TEST(mapped_devices_are_judged_down_to_the_ground)
{
    static const char *const plain[] = {"linear", "crypt", "striped"};
    static const char *const others[] = {"thin", "snapshot", "snapshot-origin", "cache", "mirror", "integrity", "zero"};
    struct vt_medium_facts facts = good();
    facts.device_count = 2;
    snprintf(facts.devices[0].name, sizeof facts.devices[0].name, "dm-0");
    snprintf(facts.devices[1].name, sizeof facts.devices[1].name, "sda3");
    for (size_t i = 0; i < VT_ARRAY_LEN(plain); i++) {
        snprintf(facts.devices[0].target, sizeof facts.devices[0].target, "%s", plain[i]);
        assert_class(&facts, VT_KEEPER_E1);
    }
    for (size_t i = 0; i < VT_ARRAY_LEN(others); i++) {
        snprintf(facts.devices[0].target, sizeof facts.devices[0].target, "%s", others[i]);
        assert_refused(&facts, others[i]);
    }
    snprintf(facts.devices[0].target, sizeof facts.devices[0].target, "?");
    assert_refused(&facts, "dm-0");
    snprintf(facts.devices[0].target, sizeof facts.devices[0].target, "crypt");
    snprintf(facts.devices[1].target, sizeof facts.devices[1].target, "thin");
    assert_refused(&facts, "sda3");
    facts = good();
    facts.device_count = 0;
    assert_refused(&facts, "Which devices");
    facts = good();
    facts.has_more_devices = true;
    assert_refused(&facts, "Which devices");
}
END_TEST

START_TEST(devices_without_a_visible_ground_are_class_X)
{
    static const char *const names[] = {"loop0", "nbd12", "rbd0", "rnbd2", "drbd1", "ublkb0", "zram0", "ram3"};
    for (size_t i = 0; i < VT_ARRAY_LEN(names); i++) {
        struct vt_medium_facts facts = good();
        snprintf(facts.devices[0].name, sizeof facts.devices[0].name, "%s", names[i]);
        assert_class(&facts, VT_KEEPER_X);
    }
}
END_TEST

/* With a file system of ext4 on it, or as a partition; at the top or below. */
START_TEST(devices_that_write_elsewhere_are_refused_by_name)
{
    static const char *const names[] = {"zd0", "zd16p1", "bcache0", "bcache1p2"};
    for (size_t i = 0; i < VT_ARRAY_LEN(names); i++) {
        struct vt_medium_facts facts = good();
        snprintf(facts.devices[0].name, sizeof facts.devices[0].name, "%s", names[i]);
        assert_refused(&facts, names[i]);
        facts.is_partition = true;
        assert_refused(&facts, names[i]);
        facts = good();
        facts.device_count = 2;
        snprintf(facts.devices[0].target, sizeof facts.devices[0].target, "linear");
        snprintf(facts.devices[1].name, sizeof facts.devices[1].name, "%s", names[i]);
        assert_refused(&facts, names[i]);
    }
}
END_TEST

START_TEST(a_partition_is_judged_by_its_devices_alone)
{
    struct vt_medium_facts facts = {.is_partition = true, .device_count = 1, .devices = {{.name = "nvme0n1p3"}}};
    assert_class(&facts, VT_KEEPER_E1);
    snprintf(facts.devices[0].target, sizeof facts.devices[0].target, "thin");
    assert_refused(&facts, "thin");
}
END_TEST

START_TEST(another_place_is_noticed_and_another_journal_mode_is_not_a_place)
{
    struct vt_medium_facts before = good(), after = good();
    ck_assert(vt_medium_is_same_place(&before, &after));
    after.is_data_journaled = true;
    ck_assert(vt_medium_is_same_place(&before, &after));
    after = good();
    after.extents[0].physical += 4096;
    ck_assert(!vt_medium_is_same_place(&before, &after));
    after = good();
    after.extent_count = 2;
    ck_assert(!vt_medium_is_same_place(&before, &after));
    after = good();
    after.is_partition = true;
    ck_assert(!vt_medium_is_same_place(&before, &after));
}
END_TEST

START_TEST(another_disk_below_is_another_place_and_another_order_is_not)
{
    struct vt_medium_facts before = good(), after;
    before.device_count = 3;
    snprintf(before.devices[0].name, sizeof before.devices[0].name, "dm-0");
    snprintf(before.devices[1].name, sizeof before.devices[1].name, "sda3");
    snprintf(before.devices[2].name, sizeof before.devices[2].name, "sdb1");
    after = before;
    after.devices[1] = before.devices[2];
    after.devices[2] = before.devices[1];
    ck_assert(vt_medium_is_same_place(&before, &after));
    snprintf(after.devices[2].name, sizeof after.devices[2].name, "sdc1");
    ck_assert(!vt_medium_is_same_place(&before, &after));
    after = before;
    after.devices[2].number++;
    ck_assert(!vt_medium_is_same_place(&before, &after));
    after = before;
    after.devices[1].sequence++;                /* pulled, and another one has its name and number */
    ck_assert(!vt_medium_is_same_place(&before, &after));
    after = before;
    after.device_count = 2;
    ck_assert(!vt_medium_is_same_place(&before, &after));
    ck_assert(!vt_medium_is_same_place(&after, &before));
    before.is_partition = after.is_partition = true;
    ck_assert(!vt_medium_is_same_place(&before, &after));
}
END_TEST

/* The kernel's answer for some file of this machine, whatever it lies on: the parts that cannot be missing. */
START_TEST(the_kernel_names_the_file_system_of_a_file)
{
    struct vt_medium_facts facts;
    const int fd = open(VT_BINARY_DIR "/CMakeCache.txt", O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_ok(vt_medium_gather(fd, 4096, &facts));
    ck_assert_int_eq(close(fd), 0);
    ck_assert(!facts.is_partition);
    ck_assert_str_ne(facts.fs, "");
    for (size_t i = 0; i < facts.device_count; i++) ck_assert_uint_ne(facts.devices[i].number, 0);
    ck_assert_status(vt_medium_gather(-1, 4096, &facts), VAULT_E_IO);
}
END_TEST

VT_TEST_MAIN("keeper/medium", file_systems_that_write_in_place_are_E1_and_all_others_are_refused_by_name,
             contents_in_the_journal_and_a_journal_that_cannot_be_seen_are_refused,
             extents_that_are_not_the_files_own_plain_blocks_are_refused,
             a_hole_an_end_too_early_and_too_many_pieces_are_refused, mapped_devices_are_judged_down_to_the_ground,
             devices_without_a_visible_ground_are_class_X, devices_that_write_elsewhere_are_refused_by_name,
             a_partition_is_judged_by_its_devices_alone,
             another_place_is_noticed_and_another_journal_mode_is_not_a_place,
             another_disk_below_is_another_place_and_another_order_is_not, the_kernel_names_the_file_system_of_a_file)
