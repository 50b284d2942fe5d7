/* Opening the listeners. Each network thread has a socket of its own on one port (SO_REUSEPORT), which has a price: any process
 * of the same user could join and take connections. So the port is tried before: nobody may answer there, and nobody may hold
 * it, or we do not start. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vaultd/config/config.h"
#include "vaultd/server/server_internal.h"

enum { BACKLOG = 512, PROBE_MS = 500 };

struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

static VT_RESULT listen_resolve(const char *listen, struct address *out_address, struct vt_err *err)
{
    char host[VT_CONFIG_HOST_MAX];
    const char *port;
    if (vt_config_listen_split(listen, host, &port) != VAULT_OK)
        return vt_fail(err, VAULT_E_CONNECT, "listen",
                       "The address to listen on must be HOST:PORT or [IPv6]:PORT, the port 0 to 65535.");
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0 || found == NULL)
        return vt_fail(err, VAULT_E_CONNECT, "listen", "The address %s cannot be resolved.", listen);
    memcpy(&out_address->storage, found->ai_addr, found->ai_addrlen);
    out_address->len = found->ai_addrlen;
    freeaddrinfo(found);
    return VAULT_OK;
}

static unsigned address_port(const struct address *address)
{
    if (address->storage.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&address->storage)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)&address->storage)->sin_port);
}

/* Does anybody answer? A peer that neither takes nor refuses within the time counts as nobody. */
static bool somebody_answers(const struct address *address)
{
    const int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    bool answers = connect(fd, (const struct sockaddr *)&address->storage, address->len) == 0;
    if (!answers && errno == EINPROGRESS) {
        struct pollfd waiting = {.fd = fd, .events = POLLOUT};
        int failure = 0;
        socklen_t len = sizeof failure;
        answers = poll(&waiting, 1, PROBE_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 &&
                  failure == 0;
    }
    close(fd);
    return answers;
}

static int socket_bind(const struct address *address, bool is_shared)
{
    const int on = 1;
    const int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    const bool is_fine = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                         (!is_shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
                         bind(fd, (const struct sockaddr *)&address->storage, address->len) == 0;
    if (is_fine) return fd;
    close(fd);
    return -1;
}

/* Bound without SO_REUSEPORT: refused while anybody, ourselves included, has the port. */
static bool is_held(const struct address *address)
{
    const int fd = socket_bind(address, false);
    if (fd >= 0) close(fd);
    return fd < 0;
}

static VT_RESULT port_is_free(const struct address *address, const char *listen, struct vt_err *err)
{
    if (address_port(address) == 0) return VAULT_OK;
    if (somebody_answers(address))
        return vt_fail(err, VAULT_E_CONNECT, "listen", "Somebody else answers on %s already.", listen);
    if (is_held(address))
        return vt_fail(err, VAULT_E_CONNECT, "listen", "The address %s cannot be taken: %s.", listen, strerror(errno));
    return VAULT_OK;
}

static VT_RESULT loop_listen(struct loop *loop, const struct address *address)
{
    const int fd = socket_bind(address, true);
    VT_ENSURE(fd >= 0, VAULT_E_CONNECT);
    VT_BUG_ON(uv_tcp_init(&loop->uv, &loop->tcp_listener) != 0);
    loop->tcp_listener.data = loop;
    loop->is_listening = true;
    if (uv_tcp_open(&loop->tcp_listener, fd) != 0) {
        close(fd);
        return VAULT_E_CONNECT;
    }
    return uv_listen((uv_stream_t *)&loop->tcp_listener, BACKLOG, conn_accept_tcp) == 0 ? VAULT_OK : VAULT_E_CONNECT;
}

/* The first listener finds the port when any will do. */
static VT_RESULT address_learn_port(const struct loop *first, struct address *address)
{
    int len = sizeof address->storage;
    VT_ENSURE(uv_tcp_getsockname(&first->tcp_listener, (struct sockaddr *)&address->storage, &len) == 0, VAULT_E_CONNECT);
    address->len = (socklen_t)len;
    return VAULT_OK;
}

static VT_RESULT listen_tcp(struct vt_server *server, struct address *address)
{
    for (unsigned i = 0; i < server->loop_count; i++) {
        VT_TRY(loop_listen(server->loops[i], address));
        if (i == 0) VT_TRY(address_learn_port(server->loops[0], address));
    }
    server->port = address_port(address);
    return VAULT_OK;
}

/* A socket file that a crash left behind is removed: the store's lock says that no other daemon serves this directory. */
static VT_RESULT listen_local(struct loop *loop, const char *path)
{
    VT_ENSURE(unlink(path) == 0 || errno == ENOENT, VAULT_E_IO);
    VT_BUG_ON(uv_pipe_init(&loop->uv, &loop->local_listener, 0) != 0);
    loop->local_listener.data = loop;
    loop->has_local = true;
    const mode_t old_mask = umask(0177);
    const int failed = uv_pipe_bind(&loop->local_listener, path);
    umask(old_mask);
    VT_ENSURE(failed == 0, VAULT_E_IO);
    return uv_listen((uv_stream_t *)&loop->local_listener, BACKLOG, conn_accept_local) == 0 ? VAULT_OK : VAULT_E_IO;
}

VT_RESULT listen_open(struct vt_server *server, struct vt_err *err)
{
    struct address address = {.len = 0};
    VT_TRY(listen_resolve(server->options.listen, &address, err));
    VT_TRY(port_is_free(&address, server->options.listen, err));
    if (listen_tcp(server, &address) != VAULT_OK)
        return vt_fail(err, VAULT_E_CONNECT, "listen", "The address %s cannot be listened on.", server->options.listen);
    const char *path = server->options.socket_path;
    if (path == NULL) return VAULT_OK;
    if (listen_local(server->loops[0], path) != VAULT_OK)
        return vt_fail(err, VAULT_E_IO, NULL, "The local socket %s cannot be opened; its path may be too long.", path);
    return VAULT_OK;
}
