/* vaultd/server/keeper_server.h - the listener of a remote keeper: TLS 1.3 with client certificates, of which only those with a
 * fingerprint from the settings are let in; then frames to vaultd/remote/answer.h and its answers back. One thread, one loop: an
 * operation takes as long as writing the floor. Strangers get a handshake, a small buffer and a time limit, and are counted, not
 * logged one by one. Thread: main. */
#pragma once
#include "libvault/base/clock.h"
#include "vaultd/core/keeper/keeper.h"

enum { VT_KEEPER_VAULTS_MAX = 8, VT_KEEPER_FINGERPRINT_LEN = 32 };
struct vt_keeper_server_options {
    struct vt_keeper *keeper;               /* borrowed */
    const struct vt_clock *clock;           /* borrowed; of receipts */
    const char *listen;                     /* HOST:PORT, [IPv6]:PORT, the host an IP address; port 0: a free one */
    const char *certificate_file;           /* TLS certificate and key, PEM */
    const char *key_file;
    const char *client_ca_file;
    const uint8_t (*fingerprints)[VT_KEEPER_FINGERPRINT_LEN];   /* of the TLS certificates that may ask */
    size_t fingerprint_count;
    int64_t handshake_timeout_ms;
    int64_t idle_timeout_ms;
};
struct vt_keeper_server;
/** Listens when it returns. All that is pointed to is borrowed for the server's life.
 *  @return VAULT_E_IO, VAULT_E_PARSE, VAULT_E_STATE (TLS files), VAULT_E_CONNECT (the address), VAULT_E_MEMORY */
VT_RESULT vt_keeper_server_open(const struct vt_keeper_server_options *options, struct vt_keeper_server **out_server,
                                struct vt_err *err);
unsigned vt_keeper_server_port(const struct vt_keeper_server *server);
/** Serve until SIGTERM or SIGINT; SIGHUP reads the TLS files again. */
void vt_keeper_server_run(struct vt_keeper_server *server);
void vt_keeper_server_free(struct vt_keeper_server *server);    /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_keeper_server);
