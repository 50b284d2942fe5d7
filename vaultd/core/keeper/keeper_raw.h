/* vaultd/core/keeper/keeper_raw.h - E1: a partition, or a file of fixed size, written past the page cache.
 *
 * A share is split over a megabyte of stripes that are all needed, overwritten in place, and read back; before and after an
 * erasure the file must lie on the same blocks of the same device, or no receipt is given. Counts towards `final` as one of two
 * or more; on a loop or network block device it is class X. Bytes: docs/FORMAT.md "Raw keeper".
 * Faults: VT_FAULT_KEEPER fails a read, write or sync; steps as of a file keeper, without the synced ones. */
#pragma once
#include "vaultd/core/keeper/medium.h"

enum { VT_KEEPER_RAW_LEN = 3 * 1024 * 1024 };      /* bytes it takes; a partition may be larger, the rest is not touched */

typedef vault_status (*vt_medium_gather_fn)(int fd, uint64_t len, struct vt_medium_facts *out_facts);

struct vt_keeper_raw_options {
    const char *path;
    const char *name;                   /* as of vt_keeper_file_open() */
    enum vt_keeper_use use;             /* a partition is made when these bytes of it are zeroes */
    vt_medium_gather_fn gather;         /* NULL: the kernel is asked */
};
/** @return VAULT_E_KEEPER when it is not there; VAULT_E_UNSUPPORTED where the medium does not write in place, or O_DIRECT is not
 *  to be had; VAULT_E_EXISTS when a partition holds something else; VAULT_E_LOCKED when it is mounted or another process has
 *  it; VAULT_E_CORRUPT, VAULT_E_FORMAT, VAULT_E_STATE (mode or links), VAULT_E_TOO_LARGE (a partition under 3 MiB),
 *  VAULT_E_IO */
VT_RESULT vt_keeper_raw_open(const struct vt_keeper_raw_options *options, struct vt_keeper **out_keeper, struct vt_err *err);
