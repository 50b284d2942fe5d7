/* vaultd/core/keeper/keeper_ram.h - E4: the shares lie in the secret arena of this process and nowhere else.
 *
 * On disk are only identity (id and seed of the receipt key) and floor, so that a restarted keeper is the same one, still refuses
 * what lies below, and holds no share until the next PREPARE. Invariant: no byte of a share is ever written. That the memory is
 * locked, and the machine takes no snapshots of it, is the process's and its operator's business (vaultd/keeper_process.h).
 * Bytes of the file: docs/FORMAT.md "Floor file". Faults: VT_FAULT_KEEPER fails a read, write or sync of the file; steps
 * "keeper.ram.written", "keeper.ram.synced". Thread: as vt_keeper. */
#pragma once
#include "vaultd/core/keeper/keeper.h"

/** @param path  the floor file, made where it is not there. @param name as of vt_keeper_file_open()
 *  @return VAULT_E_CORRUPT when neither block is whole, VAULT_E_FORMAT (another version, or another kind of file),
 *  VAULT_E_LOCKED, VAULT_E_STATE, VAULT_E_IO, VAULT_E_MEMORY as vt_keeper_file_open() */
VT_RESULT vt_keeper_ram_open(const char *path, const char *name, struct vt_keeper **out_keeper);
