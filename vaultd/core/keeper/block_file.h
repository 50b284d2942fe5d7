/* vaultd/core/keeper/block_file.h - one file of two fixed 4 KiB blocks, written in place: a torn write of one leaves the other.
 *
 * What a block says, and which of the two counts, is its user's. Mode 0600, one name, no symbolic link is followed, one process
 * at a time (flock). Faults: VT_FAULT_KEEPER fails a read, write or sync. Thread: one owner per descriptor. */
#pragma once
#include <stdint.h>

#include "libvault/base/result.h"

enum { VT_BLOCK_LEN = 4096, VT_BLOCK_COUNT = 2 };

/** Fill both blocks of a file that is being made. @param out_blocks in the secret arena */
typedef vault_status (*vt_block_file_fill)(uint8_t out_blocks[VT_BLOCK_COUNT * VT_BLOCK_LEN]);

/** Open and lock; made by @p fill where it is not there and @p must_exist is false.
 *  @param out_fd  the caller's to close whenever it is not -1, also on failure
 *  @return VAULT_E_KEEPER when it must exist and does not; VAULT_E_STATE when others may read or write it or it has a second
 *  name; VAULT_E_CORRUPT when it is not of that length; VAULT_E_LOCKED when another process has it; VAULT_E_IO */
VT_RESULT vt_block_file_open(const char *path, bool must_exist, vt_block_file_fill fill, int *out_fd);
/** Another process's file, for reading; no lock is taken. @return as vt_block_file_open(); on failure nothing is open */
VT_RESULT vt_block_file_look(const char *path, int *out_fd);
/** @return VAULT_E_IO, VAULT_E_CORRUPT when the file is shorter */
VT_RESULT vt_block_file_read(int fd, unsigned index, uint8_t out_block[VT_BLOCK_LEN]);
VT_RESULT vt_block_file_write(int fd, unsigned index, const uint8_t block[VT_BLOCK_LEN]);
VT_RESULT vt_block_file_sync(int fd);
