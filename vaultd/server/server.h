/* vaultd/server/server.h - the libuv side: network threads with a listener each, the committer, the workers, the epoch thread,
 * the local socket. Everything about a call itself is vaultd/service's.
 *
 * Life: open (committer and workers run, the vault may be initialised and unsealed) -> listen -> stop -> free.
 * Thread: main. */
#pragma once
#include "vaultd/service/vault.h"

struct vt_server;
struct vt_server_options {
    struct vt_vault *vault;             /* borrowed */
    const char *listen;                 /* HOST:PORT, [IPv6]:PORT; port 0: a free one */
    const char *certificate_file;       /* TLS certificate and key, PEM */
    const char *key_file;
    const char *socket_path;            /* local socket; NULL: none */
    unsigned network_threads;
    unsigned workers;
    size_t queue_max;                   /* items that wait for the committer */
    size_t batch_max;                   /* items of one commit */
    unsigned connections_max;
    uint64_t connection_memory_bytes;   /* what calls and answers of one connection may hold: at least 32 MiB, */
    uint64_t memory_bytes;              /* and those of all: at least as much. held.c */
    int64_t handshake_timeout_ms;
    int64_t login_timeout_ms;           /* from connecting to login */
    int64_t idle_timeout_ms;            /* quiet afterwards */
    int64_t drain_timeout_ms;
};
/** All strings are borrowed for the server's life. @return VAULT_E_IO, VAULT_E_PARSE (TLS files), VAULT_E_MEMORY */
VT_RESULT vt_server_open(const struct vt_server_options *options, struct vt_server **out_server, struct vt_err *err);
/** @return VAULT_E_CONNECT: the address is no address, cannot be bound, or somebody else answers there */
VT_RESULT vt_server_listen(struct vt_server *server, struct vt_err *err);
unsigned vt_server_port(const struct vt_server *server);
/** Read the TLS certificate and key again; connections that stand keep theirs. On failure the old ones stay in use. */
VT_RESULT vt_server_reload_tls(struct vt_server *server, struct vt_err *err);
/** Log what was counted since the last time: refusals before login, connections turned away, want of
 *  memory. */
void vt_server_log_counts(struct vt_server *server);
/** Accept nothing more, refuse new calls, finish what is under way, push the floor, end every thread.
 *  @return VAULT_E_TIMEOUT when connections had to be cut off */
VT_RESULT vt_server_stop(struct vt_server *server);
void vt_server_free(struct vt_server *server);  /* stopped; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_server);
