/* vaultd/core/store/store_pages.h - walks the pages of an LMDB 0.9 data file without LMDB and without trusting them.
 * Private to this folder.
 *
 * LMDB has no checksums and reads through its map: a page cut off is SIGBUS, a wild offset is a wild read. This walk
 * reads with pread() and checks before it follows: every page within the file, in its own place, of a known kind, its
 * nodes inside it and in order, no page used twice, free pages free, every table as deep and as long as its record
 * says. The contents of values are not its business. The layout is written down in docs/FORMAT.md, "Store".
 * Source: LMDB 0.9.24, mdb.c, "Page header" to "Environment metadata". Thread: any. */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"

struct vt_store_check;

/** @param file_fd  the data file, readable
 *  @param commit   LMDB's number of the transaction whose state is walked; 0: the newest
 *  @return VAULT_OK also when damage was found, VAULT_E_BUSY when that state is gone, VAULT_E_CORRUPT when neither meta
 *          page is one, VAULT_E_IO, VAULT_E_MEMORY */
VT_RESULT vt_pages_check(int file_fd, uint64_t commit, struct vt_store_check *out_check);

/** Only whether the newest meta page asks for no more pages than the file can have. @return as vt_pages_check() */
VT_RESULT vt_pages_check_size(int file_fd);
