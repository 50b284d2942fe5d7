/* tools/bench/session.h - a connection with somebody logged in, and what an administrator prepares over one.
 * Thread: any, on its own connections. */
#pragma once
#include "tools/bench/conn.h"
#include "tools/bench/driver.h"

struct bench_server {
    const char *host;           /* numeric IPv4 */
    uint16_t port;
    struct bench_tls *tls;
    long pid;                   /* whose CPU time and memory to note; 0: nobody's */
};

/** Connect and, where the driver has a login and the world a credential, log in. Blocks; the connection then does not.
 *  @return what bench_conn_open() fails with; VAULT_E_UNAUTHENTICATED, VAULT_E_TIMEOUT, VAULT_E_PROTOCOL */
VT_RESULT bench_session_open(const struct bench_server *server, const struct bench_driver *driver,
                             struct bench_world *world, struct bench_conn **out_conn, struct vt_err *err);
/** Log in with @p credential and do every setup step of the driver; one that fails ends it.
 *  @return as above; VAULT_E_STATE with the server's words */
VT_RESULT bench_session_setup(const struct bench_server *server, const struct bench_driver *driver,
                              struct vt_bytes credential, struct vt_err *err);
