/* vaultd/server/epoch_thread.h - closes epochs when they are due or wished for, and pushes the floor to the keepers every 5 s
 * and at stop. For a read-only vault it looks every 2 s whether the live vault has closed its epoch, and then seals it. Only this
 * thread talks to keepers while the vault is served.
 * Thread: start and stop by main. */
#pragma once
#include "vaultd/service/vault.h"

struct vt_epoch_thread;
/** @param vault borrowed. A read-only vault closes nothing and pushes nothing: its keepers are the live vault's, and
 *  may seal it: vt_vault_look_beside(). */
VT_RESULT vt_epoch_thread_start(struct vt_vault *vault, struct vt_epoch_thread **out_thread);
/** Push the floor a last time, then end. NULL is allowed. */
void vt_epoch_thread_stop(struct vt_epoch_thread *thread);
