#include "tools/bench/session.h"

#include <time.h>

#include "libvault/base/clock.h"

#define PATIENCE_NS UINT64_C(30000000000)
enum { PAUSE_NS = 1000000, FIRST_MSGID = 0 };

/* Send what stands in out and wait for its one reply. */
static VT_RESULT await_reply(const struct bench_driver *driver, struct bench_world *world, struct bench_conn *conn,
                             struct bench_reply *out_reply, struct vt_err *err)
{
    VT_AUTO(vt_pool) scratch = VT_POOL_INIT(BENCH_SCRATCH_MAX);
    const uint64_t deadline_ns = vt_monotonic_ns() + PATIENCE_NS;
    bool is_blocked = true;
    vault_status status = VAULT_E_CONFLICT;
    while (status == VAULT_E_CONFLICT) {
        if (is_blocked) VT_TRY(bench_conn_send(conn, &is_blocked, err));
        VT_TRY(bench_conn_receive(conn, err));
        status = driver->read_reply(world, &scratch, bench_conn_in(conn), false, out_reply);
        if (status != VAULT_E_CONFLICT) break;
        VT_ENSURE(vt_monotonic_ns() < deadline_ns,
                  vt_fail(err, VAULT_E_TIMEOUT, NULL, "The server accepted the connection and did not answer."));
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    if (status != VAULT_OK) return vt_fail(err, status, NULL, "The server's answer is not of this protocol.");
    bench_conn_consume(conn, out_reply->len);
    return VAULT_OK;
}

VT_RESULT bench_session_open(const struct bench_server *server, const struct bench_driver *driver,
                             struct bench_world *world, struct bench_conn **out_conn, struct vt_err *err)
{
    VT_AUTO_PTR(bench_conn) conn = NULL;
    VT_TRY(bench_conn_open(server->tls, server->host, server->port, &conn, err));
    if (driver->write_login != NULL && world->credential.len != 0) {
        struct bench_reply reply;
        VT_TRY(driver->write_login(world, FIRST_MSGID, bench_conn_out(conn)));
        VT_TRY(await_reply(driver, world, conn, &reply, err));
        if (reply.failed_items != 0)
            return vt_fail(err, VAULT_E_UNAUTHENTICATED, "credential", "The login was refused: %s", reply.error);
    }
    *out_conn = VT_MOVE(conn);
    return VAULT_OK;
}

VT_RESULT bench_session_setup(const struct bench_server *server, const struct bench_driver *driver,
                              struct vt_bytes credential, struct vt_err *err)
{
    struct bench_world world = {.credential = credential};
    VT_AUTO_PTR(bench_conn) conn = NULL;
    VT_ENSURE(driver->write_setup != NULL, VAULT_OK);
    VT_TRY(bench_session_open(server, driver, &world, &conn, err));
    for (uint32_t step = 0;; step++) {
        struct bench_reply reply;
        const vault_status status = driver->write_setup(step, FIRST_MSGID, bench_conn_out(conn));
        if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
        VT_TRY(status);
        VT_TRY(await_reply(driver, &world, conn, &reply, err));
        if (reply.failed_items != 0)
            return vt_fail(err, VAULT_E_STATE, NULL, "Setting up failed at step %u: %s", step, reply.error);
    }
}
