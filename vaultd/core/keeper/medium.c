#include "vaultd/core/keeper/medium.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The file system -------------------------------------------------------------------------------------------------- */

/* mountinfo: id parent major:minor root mount-point options fields... - type source super-options */
static bool mount_line_take(char *line, unsigned device_major, unsigned device_minor, struct vt_medium_facts *facts)
{
    unsigned major_number, minor_number;
    char type[sizeof facts->fs];
    if (sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) != 2) return false;
    if (major_number != device_major || minor_number != device_minor) return false;
    const char *dash = strstr(line, " - ");
    if (dash == NULL || sscanf(dash, " - %31s", type) != 1) return false;
    memcpy(facts->fs, type, sizeof type);
    return true;
}

/* Below another root directory mountinfo leaves out what it lies on: then the file system's own number names it. Source:
 * linux/magic.h and the file systems' own headers. ext2, ext3 and ext4 share one, and are one to the judge. */
static const struct {
    unsigned long magic;
    const char *fs;
} MAGICS[] = {{0xEF53, "ext4"}, {0x58465342, "xfs"}, {0x9123683E, "btrfs"}, {0x794C7630, "overlay"}, {0x01021994, "tmpfs"},
              {0x6969, "nfs"}, {0xF2F52010, "f2fs"}, {0x2FC12FC1, "zfs"}, {0xCA451A4E, "bcachefs"}, {0x3434, "nilfs2"}};

static void name_by_magic(int fd, struct vt_medium_facts *facts)
{
    struct statfs info;
    snprintf(facts->fs, sizeof facts->fs, "unknown");
    if (fstatfs(fd, &info) != 0) return;
    for (size_t i = 0; i < VT_ARRAY_LEN(MAGICS); i++)
        if (((unsigned long)info.f_type & 0xFFFFFFFF) == MAGICS[i].magic)
            snprintf(facts->fs, sizeof facts->fs, "%s", MAGICS[i].fs);
}

static VT_RESULT gather_fs(int fd, const struct stat *info, struct vt_medium_facts *facts)
{
    char *line = NULL;
    size_t room = 0;
    bool is_found = false;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    VT_ENSURE(file != NULL, VAULT_E_IO);
    while (!is_found && getline(&line, &room, file) > 0)
        is_found = mount_line_take(line, major(info->st_dev), minor(info->st_dev), facts);
    free(line);
    fclose(file);
    if (!is_found) name_by_magic(fd, facts);
    return VAULT_OK;
}

/* The name below /sys/class/block. Empty when there is none: an overlay, a network file system, btrfs. */
static void device_name(dev_t device, char out_name[64])
{
    char link[64], target[512];
    out_name[0] = '\0';
    snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major(device), minor(device));
    const ssize_t len = readlink(link, target, sizeof target - 1);
    if (len <= 0) return;
    target[len] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(out_name, 64, "%.63s", slash != NULL ? slash + 1 : target);
}

/* ext4 says how it is really mounted, defaults of the superblock included; mountinfo only says what differs from them. */
static void gather_journal(const struct stat *info, struct vt_medium_facts *facts)
{
    char name[64], path[128], line[128];
    facts->is_journal_mode_known = true;
    if (strncmp(facts->fs, "ext", 3) != 0 || strcmp(facts->fs, "ext2") == 0) return;
    device_name(info->st_dev, name);
    snprintf(path, sizeof path, "/proc/fs/%s/%s/options", facts->fs, name);
    FILE *file = fopen(path, "re");
    facts->is_journal_mode_known = file != NULL;
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL)
        facts->is_data_journaled = facts->is_data_journaled || strcmp(line, "data=journal\n") == 0;
    fclose(file);
}

static void gather_attributes(int fd, struct vt_medium_facts *facts)
{
    enum { INLINE_DATA = 0x10000000 };      /* EXT4_INLINE_DATA_FL, which the kernel's public header leaves out */
    unsigned flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return;
    facts->is_data_journaled = facts->is_data_journaled || (flags & FS_JOURNAL_DATA_FL) != 0;
    facts->may_be_rewritten = (flags & (FS_COMPR_FL | INLINE_DATA)) != 0;
}

static VT_RESULT gather_extents(int fd, uint64_t len, struct vt_medium_facts *facts)
{
    union {
        struct fiemap map;
        uint8_t room[sizeof(struct fiemap) + (VT_MEDIUM_EXTENTS_MAX + 1) * sizeof(struct fiemap_extent)];
    } ask;
    memset(&ask, 0, sizeof ask);
    ask.map.fm_length = len;
    ask.map.fm_flags = FIEMAP_FLAG_SYNC;
    ask.map.fm_extent_count = VT_MEDIUM_EXTENTS_MAX + 1;
    if (ioctl(fd, FS_IOC_FIEMAP, &ask.map) != 0) {
        VT_ENSURE(errno == EOPNOTSUPP || errno == ENOTTY, VAULT_E_IO);
        return VAULT_OK;        /* no extent is known: the judge says no */
    }
    facts->has_more_extents = ask.map.fm_mapped_extents > VT_MEDIUM_EXTENTS_MAX;
    facts->extent_count = VT_MIN((size_t)ask.map.fm_mapped_extents, (size_t)VT_MEDIUM_EXTENTS_MAX);
    const struct fiemap_extent *extents = ask.map.fm_extents;
    for (size_t i = 0; i < facts->extent_count; i++)
        facts->extents[i] = (struct vt_medium_extent){extents[i].fe_logical, extents[i].fe_physical, extents[i].fe_length,
                                                      extents[i].fe_flags & ~(uint32_t)FIEMAP_EXTENT_LAST};
    return VAULT_OK;
}

/* The devices ------------------------------------------------------------------------------------------------------ */

static VT_RESULT read_line(const char *path, char *out_line, size_t room)
{
    FILE *file = fopen(path, "re");
    VT_ENSURE(file != NULL, VAULT_E_NOT_FOUND);
    const bool is_read = fgets(out_line, (int)room, file) != NULL;
    fclose(file);
    VT_ENSURE(is_read, VAULT_E_IO);
    out_line[strcspn(out_line, "\n")] = '\0';
    return VAULT_OK;
}

/* What device-mapper does with it; several targets in one table: the first that is not plain. Asked for their state, not for the
 * table itself: of an encrypted device that tells the key. */
static void mapper_target(const char *mapper_name, char out_target[32])
{
    union {
        struct dm_ioctl head;
        uint8_t room[16384];
    } ask;
    memset(&ask, 0, sizeof ask);
    ask.head.version[0] = DM_VERSION_MAJOR;
    ask.head.data_size = sizeof ask;
    ask.head.data_start = sizeof ask.head;
    ask.head.flags = DM_NOFLUSH_FLAG;
    snprintf(ask.head.name, sizeof ask.head.name, "%s", mapper_name);
    snprintf(out_target, 32, "?");
    const int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    const bool is_told = ioctl(fd, DM_TABLE_STATUS, &ask) == 0 && (ask.head.flags & DM_BUFFER_FULL_FLAG) == 0;
    close(fd);
    size_t at = ask.head.data_start;
    for (uint32_t i = 0; is_told && i < ask.head.target_count; i++) {
        struct dm_target_spec target;
        if (at + sizeof target > sizeof ask) return;
        memcpy(&target, ask.room + at, sizeof target);
        const bool is_plain = strncmp(target.target_type, "linear", sizeof target.target_type) == 0;
        if (i == 0 || !is_plain) snprintf(out_target, 32, "%.16s", target.target_type);
        if (!is_plain) return;
        at = ask.head.data_start + target.next;
    }
}

static const struct vt_medium_device *device_of(const struct vt_medium_facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->device_count; i++)
        if (strcmp(facts->devices[i].name, name) == 0) return &facts->devices[i];
    return NULL;
}

/* A partition has its disk's sequence: its folder lies in the disk's. */
static void device_identify(struct vt_medium_device *device)
{
    static const char *const places[] = {"diskseq", "../diskseq"};
    char path[256], line[64];
    unsigned major_number, minor_number;
    snprintf(path, sizeof path, "/sys/class/block/%s/dev", device->name);
    if (read_line(path, line, sizeof line) == VAULT_OK && sscanf(line, "%u:%u", &major_number, &minor_number) == 2)
        device->number = makedev(major_number, minor_number);
    for (size_t i = 0; i < VT_ARRAY_LEN(places) && device->sequence == 0; i++) {
        snprintf(path, sizeof path, "/sys/class/block/%s/%s", device->name, places[i]);
        if (read_line(path, line, sizeof line) == VAULT_OK) device->sequence = strtoull(line, NULL, 10);
    }
}

static void device_add(struct vt_medium_facts *facts, const char *name)
{
    char path[256], mapper_name[128];
    if (name[0] == '\0' || device_of(facts, name) != NULL) return;
    facts->has_more_devices = facts->has_more_devices || facts->device_count == VT_MEDIUM_DEVICES_MAX;
    if (facts->device_count == VT_MEDIUM_DEVICES_MAX) return;
    struct vt_medium_device *device = &facts->devices[facts->device_count++];
    snprintf(device->name, sizeof device->name, "%s", name);
    device->target[0] = '\0';
    device->number = device->sequence = 0;
    device_identify(device);
    snprintf(path, sizeof path, "/sys/class/block/%s/dm/name", name);
    if (read_line(path, mapper_name, sizeof mapper_name) == VAULT_OK) mapper_target(mapper_name, device->target);
}

/* Breadth first: what stands in the list is asked for what it lies on, until the list grows no more. */
static void gather_devices(dev_t first, struct vt_medium_facts *facts)
{
    char name[64], path[256];
    device_name(first, name);
    device_add(facts, name);
    for (size_t i = 0; i < facts->device_count; i++) {
        snprintf(path, sizeof path, "/sys/class/block/%s/slaves", facts->devices[i].name);
        DIR *dir = opendir(path);
        if (dir == NULL) continue;
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
            if (entry->d_name[0] != '.') device_add(facts, entry->d_name);
        closedir(dir);
    }
}

VT_RESULT vt_medium_gather(int fd, uint64_t len, struct vt_medium_facts *out_facts)
{
    struct vt_medium_facts facts = {0};
    struct stat info;
    VT_ENSURE(fstat(fd, &info) == 0, VAULT_E_IO);
    facts.is_partition = S_ISBLK(info.st_mode);
    if (!facts.is_partition) {
        VT_TRY(gather_fs(fd, &info, &facts));
        gather_journal(&info, &facts);
        gather_attributes(fd, &facts);
        VT_TRY(gather_extents(fd, len, &facts));
    }
    gather_devices(facts.is_partition ? info.st_rdev : info.st_dev, &facts);
    *out_facts = facts;
    return VAULT_OK;
}

/* Judging ---------------------------------------------------------------------------------------------------------- */

/* File systems that write a file's bytes where they are. NULL where the reason is. */
static const struct {
    const char *fs, *against;
} FILE_SYSTEMS[] = {
    {"ext2", NULL}, {"ext3", NULL}, {"ext4", NULL}, {"xfs", NULL},
    {"btrfs", "it writes changed blocks to a new place"},
    {"bcachefs", "it writes changed blocks to a new place"},
    {"zfs", "it writes changed blocks to a new place"},
    {"f2fs", "it writes changed blocks to a new place"},
    {"nilfs2", "it writes changed blocks to a new place"},
    {"overlay", "it copies files between layers"},
    {"nfs", "where the server writes is not to be seen"},
    {"nfs4", "where the server writes is not to be seen"},
    {"cifs", "where the server writes is not to be seen"},
    {"tmpfs", "it may be swapped out and is gone after a restart"},
};

static VT_RESULT judge_fs(const struct vt_medium_facts *facts, struct vt_err *err)
{
    const char *against = "nobody has looked whether it writes in place";
    for (size_t i = 0; i < VT_ARRAY_LEN(FILE_SYSTEMS); i++)
        if (strcmp(FILE_SYSTEMS[i].fs, facts->fs) == 0) against = FILE_SYSTEMS[i].against;
    if (against != NULL)
        return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers", "A raw keeper cannot lie on a file system of type %s: %s.", facts->fs,
                       against);
    if (!facts->is_journal_mode_known)
        return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers",
                       "Whether the journal of the %s file system holds the contents of files cannot be seen, so a raw keeper "
                       "cannot lie there.", facts->fs);
    if (facts->is_data_journaled)
        return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers",
                       "A raw keeper cannot lie where the journal holds the contents of files (data=journal).");
    if (facts->may_be_rewritten)
        return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers", "The raw keeper's file is compressed or lies within its inode.");
    return VAULT_OK;
}

static VT_RESULT judge_extents(const struct vt_medium_facts *facts, uint64_t len, struct vt_err *err)
{
    uint64_t reached = 0;
    uint32_t flags = 0;
    for (size_t i = 0; i < facts->extent_count && facts->extents[i].logical <= reached; i++) {
        reached = VT_MAX(reached, facts->extents[i].logical + facts->extents[i].len);
        flags |= facts->extents[i].flags & ~(uint32_t)FIEMAP_EXTENT_MERGED;
    }
    if (facts->has_more_extents)
        return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers", "The raw keeper's file lies in more than %d pieces.",
                       VT_MEDIUM_EXTENTS_MAX);
    if (reached < len)
        return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers", "Where the raw keeper's file lies on its device cannot be seen.");
    if (flags != 0)
        return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers",
                       "A part of the raw keeper's file is shared, encoded, unwritten or within its inode (extent flags 0x%x).",
                       flags);
    return VAULT_OK;
}

/* Device-mapper targets that write a block where it is. What is not here is refused, thin provisioning and snapshots above all. */
static const char *const TARGETS[] = {"linear", "crypt", "striped"};

/* Devices of which the ground cannot be seen from here. */
static const char *const GROUNDLESS[] = {"loop", "nbd", "rbd", "rnbd", "drbd", "ublkb", "zram", "ram"};

/* Devices that do not write a block where it was. */
static const struct {
    const char *prefix, *against;
} ELSEWHERE[] = {
    {"zd", "a volume of ZFS writes changed blocks to a new place"},
    {"bcache", "a cache keeps a copy of what is written on another device"},
};

static bool is_target_plain(const char *target)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(TARGETS); i++)
        if (strcmp(TARGETS[i], target) == 0) return true;
    return false;
}

static bool begins_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_groundless(const char *name)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(GROUNDLESS); i++)
        if (begins_with(name, GROUNDLESS[i])) return true;
    return false;
}

static VT_RESULT judge_name(const char *name, struct vt_err *err)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(ELSEWHERE); i++)
        if (begins_with(name, ELSEWHERE[i].prefix))
            return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers", "A raw keeper cannot lie on %s: %s.", name, ELSEWHERE[i].against);
    return VAULT_OK;
}

static VT_RESULT judge_devices(const struct vt_medium_facts *facts, enum vt_keeper_class *out_class, struct vt_err *err)
{
    *out_class = VT_KEEPER_E1;
    if (facts->device_count == 0 || facts->has_more_devices)
        return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers", "Which devices the raw keeper lies on cannot be seen.");
    for (size_t i = 0; i < facts->device_count; i++) {
        const struct vt_medium_device *device = &facts->devices[i];
        VT_TRY(judge_name(device->name, err));
        if (is_groundless(device->name)) *out_class = VT_KEEPER_X;
        if (device->target[0] == '\0' || is_target_plain(device->target)) continue;
        if (strcmp(device->target, "?") == 0)
            return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers",
                           "What device-mapper does with %s cannot be asked (it takes root), so a raw keeper cannot lie there.",
                           device->name);
        return vt_fail(err, VAULT_E_UNSUPPORTED, "keepers",
                       "A raw keeper cannot lie on %s: the device-mapper target %s does not write a block where it was.",
                       device->name, device->target);
    }
    return VAULT_OK;
}

VT_RESULT vt_medium_judge(const struct vt_medium_facts *facts, uint64_t len, enum vt_keeper_class *out_class, struct vt_err *err)
{
    if (!facts->is_partition) {
        VT_TRY(judge_fs(facts, err));
        VT_TRY(judge_extents(facts, len, err));
    }
    return judge_devices(facts, out_class, err);
}

/* In whatever order the kernel lists them. No device is listed twice. */
static bool is_on_same_devices(const struct vt_medium_facts *a, const struct vt_medium_facts *b)
{
    if (a->device_count != b->device_count || a->has_more_devices || b->has_more_devices) return false;
    for (size_t i = 0; i < a->device_count; i++) {
        const struct vt_medium_device *was = &a->devices[i], *is = device_of(b, was->name);
        if (is == NULL || is->number != was->number || is->sequence != was->sequence) return false;
    }
    return true;
}

bool vt_medium_is_same_place(const struct vt_medium_facts *a, const struct vt_medium_facts *b)
{
    if (a->is_partition != b->is_partition || a->extent_count != b->extent_count || a->has_more_extents != b->has_more_extents)
        return false;
    if (!is_on_same_devices(a, b)) return false;
    for (size_t i = 0; i < a->extent_count; i++) {
        const struct vt_medium_extent *x = &a->extents[i], *y = &b->extents[i];
        if (x->logical != y->logical || x->physical != y->physical || x->len != y->len) return false;
    }
    return true;
}
