/* vaultd/remote/remote_keeper.h - E4: the vault's end of the keeper protocol, a vt_keeper like the others (core/keeper/keeper.h).
 *
 * The keeper is known by the verifier key of its receipts, which settings hold: it need not answer when the vault starts, and
 * whoever answers in its place has another key and is refused. Each operation has one deadline for all of it, connecting
 * included; one that let it pass is not asked again for as long, so that of several questions in a row only the first one
 * waits. Whatever goes wrong on the way, or comes back malformed, is VAULT_E_KEEPER; what the keeper itself refuses keeps its
 * status. Each operation may be repeated, so one that fails on a connection from before is tried once more on a fresh one.
 * Invariant: nothing but sealed shares is ever sent. Thread: as vt_keeper. */
#pragma once
#include "vaultd/remote/protocol.h"

/** What carries frames to a keeper: link.h in the daemon, memory in tests. */
struct vt_link;
struct vt_link_ops {
    /** Connect afresh. @return VAULT_E_TIMEOUT, VAULT_E_CONNECT, VAULT_E_TLS and others; err says why */
    vault_status (*open)(struct vt_link *link, uint64_t deadline_ns, struct vt_err *err);
    /** Send one frame, wait for one. @param out_frame has VT_REMOTE_REPLY_MAX as its maximum
     *  @return VAULT_E_TIMEOUT, VAULT_E_CONNECT, VAULT_E_PROTOCOL and others: the connection is of no further use */
    vault_status (*exchange)(struct vt_link *link, struct vt_bytes request, uint64_t deadline_ns, struct vt_buf *out_frame,
                             struct vt_err *err);
    void (*close)(struct vt_link *link);            /* open or not */
    void (*free)(struct vt_link *link);
};
struct vt_link {
    const struct vt_link_ops *ops;
};

enum { VT_REMOTE_DEADLINE_MS = 5000 };              /* of an operation, unless settings say otherwise */
struct vt_remote_options {
    const char *name;                               /* as of vt_keeper_file_open() */
    const char *verifier_key;                       /* of the keeper's receipts, as it prints it at its start */
    uint32_t deadline_ms;                           /* 0: VT_REMOTE_DEADLINE_MS */
    bool is_read_only;                              /* another process's vault: look, change nothing (VAULT_E_READ_ONLY) */
    struct vt_vault_id vault_id;                    /* all zero: not initialised; the first PREPARE says it then */
    /** May be NULL. Said once whenever the keeper stops answering, and when it answers again (VAULT_OK, ""). */
    void (*changed)(void *context, const char *name, vault_status status, const char *why);
    void *context;
};
/** Nothing is asked yet. @param link moved, freed on failure, too
 *  @return VAULT_E_ARGUMENT for a name or a verifier key that is none, VAULT_E_MEMORY */
VT_RESULT vt_remote_keeper_open(const struct vt_remote_options *options, struct vt_link *link, struct vt_keeper **out_keeper);
/** Whether this is the verifier key of a keeper's receipts. @param out_keeper_id NULL allowed */
VT_RESULT vt_remote_verifier_check(const char *verifier_key, uint64_t *out_keeper_id);
