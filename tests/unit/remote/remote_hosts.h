/* tests/unit/remote/remote_hosts.h - remote keepers in memory: the vault's end and the keeper's end of the protocol with a function
 * call between them, which a test can break. The keeper outlives the vault, as another host does. Thread: one. */
#pragma once
#include "tests/support/suite.h"
#include "vaultd/remote/answer.h"
#include "vaultd/remote/remote_keeper.h"

struct remote_host {
    char path[200];                 /* of the floor file */
    struct vt_keeper *ram;
    unsigned generation;            /* of its process: connections from before it are broken */
    bool is_down;                   /* connecting is refused */
    bool is_silent;                 /* neither refuses nor answers: the deadline passes, without anybody waiting for it */
    unsigned breaks_after;          /* so many answers from now the connection breaks behind the request, once; 0: never */
    unsigned opened, asked;         /* counted */
    struct vt_buf lie;              /* instead of the next answer, when not empty */
};
void remote_host_start(struct remote_host *host, const char *path);
void remote_host_restart(struct remote_host *host);
void remote_host_stop(struct remote_host *host);            /* frees the keeper */
void remote_host_verifier(struct remote_host *host, char out_verifier[200]);

/** A link to that host. */
struct vt_link *remote_host_link(struct remote_host *host);
/** The vault's keeper at that host. @param vault_id NULL: not initialised */
struct vt_keeper *remote_host_keeper(struct remote_host *host, const char *name, const struct vt_vault_id *vault_id);
