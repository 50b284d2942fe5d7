/* vaultd/core/keeper/medium.h - what lies under a raw keeper: does writing the same bytes' place again reach the same place?
 *
 * Gathering what the kernel says and judging it are apart, so that each judgement can be tried with facts of file systems that
 * a machine does not have. A file system nobody has looked at is refused, not trusted.
 * Source: statfs(2), proc(5) mountinfo, Documentation/filesystems/fiemap.rst, Documentation/ABI/testing/sysfs-block of the
 * kernel; docs/THREATS.md "What is not protected". Thread: any. */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"
#include "vaultd/core/keeper/keeper.h"

enum { VT_MEDIUM_EXTENTS_MAX = 64, VT_MEDIUM_DEVICES_MAX = 16 };

struct vt_medium_extent {
    uint64_t logical, physical, len;    /* bytes */
    uint32_t flags;                     /* FIEMAP_EXTENT_*, without LAST */
};

/** One of the devices below, from the one that is written to, downwards. */
struct vt_medium_device {
    char name[64];                      /* the kernel's: "sda1", "dm-0", "loop3" */
    char target[32];                    /* of a device-mapper device: "linear", "crypt", "thin"; "?" when it may not be asked;
                                           empty for any other */
    uint64_t number;                    /* major and minor; 0 when the kernel does not tell, as the next */
    uint64_t sequence;                  /* of the disk: every disk that appears gets another one (diskseq, Linux 5.15) */
};

struct vt_medium_facts {
    bool is_partition;                  /* a block device, not a file; then nothing of a file system follows */
    char fs[32];                        /* its type in mountinfo */
    bool is_data_journaled;             /* file contents go through the journal */
    bool is_journal_mode_known;         /* where it matters */
    bool may_be_rewritten;              /* compressed, or inline data: attributes of the file */
    size_t extent_count;
    struct vt_medium_extent extents[VT_MEDIUM_EXTENTS_MAX];
    bool has_more_extents;
    size_t device_count;
    struct vt_medium_device devices[VT_MEDIUM_DEVICES_MAX];
    bool has_more_devices;
};

/** Ask the kernel about an open file or block device, all @p len bytes of it. @return VAULT_E_IO */
VT_RESULT vt_medium_gather(int fd, uint64_t len, struct vt_medium_facts *out_facts);

/** May a keeper lie there, and what is its erasing worth? E1, or X on a loop or a network block device: what is below those is
 *  not to be seen from here.
 *  @return VAULT_E_UNSUPPORTED with a sentence that names what is in the way */
VT_RESULT vt_medium_judge(const struct vt_medium_facts *facts, uint64_t len, enum vt_keeper_class *out_class, struct vt_err *err);

/** Are these the places that they were, on the same devices? What moves a logical volume (pvmove), or puts another disk into an
 *  array, leaves the extents of a file as they were, and its bytes on the former disk. A device is known by its name, its number
 *  and its disk's sequence: another disk under the name of the former one has another sequence, where the kernel counts them; an
 *  older kernel's facts cannot tell the two apart. A disk more, or one less, is another place too. */
bool vt_medium_is_same_place(const struct vt_medium_facts *a, const struct vt_medium_facts *b);
