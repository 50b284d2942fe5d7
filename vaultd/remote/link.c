#include "vaultd/remote/link.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/client/transport.h"
#include "libvault/wire/tls.h"

enum { IN_MAX = 4 * VT_REMOTE_REPLY_MAX };

struct tls_link {
    struct vt_link base;
    struct vt_transport *transport;         /* NULL: not connected */
    char *host, *port, *ca_file, *certificate_file, *key_file;
};

static struct tls_link *tls_of(struct vt_link *link)
{
    return (struct tls_link *)(void *)link;
}

static void link_close(struct vt_link *link)
{
    vt_transport_free(VT_MOVE(tls_of(link)->transport));
}

static vault_status link_open(struct vt_link *link, uint64_t deadline_ns, struct vt_err *err)
{
    struct tls_link *tls = tls_of(link);
    const struct vt_transport_options to = {.host = tls->host, .port = tls->port, .ca_file = tls->ca_file,
                                            .certificate_file = tls->certificate_file, .key_file = tls->key_file};
    link_close(link);
    return vt_transport_open(&to, deadline_ns, err, &tls->transport);
}

/* One frame and nothing behind it: it was asked one question. */
static VT_RESULT receive_frame(struct tls_link *tls, uint64_t deadline_ns, struct vt_buf *out_frame, struct vt_err *err)
{
    VT_AUTO(vt_buf) in = VT_BUF_INIT(IN_MAX);
    struct vt_msgpack_scan scan = VT_MSGPACK_SCAN_INIT;
    size_t len;
    for (;;) {
        const vault_status status = vt_rpc_frame_scan(&scan, vt_buf_bytes(&in), VT_REMOTE_REPLY_MAX, &len);
        if (status == VAULT_OK && len == in.len) return vt_buf_append(out_frame, vt_buf_bytes(&in));
        if (status != VAULT_E_CONFLICT)
            return vt_fail(err, VAULT_E_PROTOCOL, NULL, "Its answer is none of the keeper protocol.");
        VT_TRY(vt_transport_receive(tls->transport, &in, deadline_ns, err));
    }
}

static vault_status link_exchange(struct vt_link *link, struct vt_bytes request, uint64_t deadline_ns, struct vt_buf *out_frame,
                                  struct vt_err *err)
{
    struct tls_link *tls = tls_of(link);
    VT_ENSURE(tls->transport != NULL, VAULT_E_CONNECT);
    VT_TRY(vt_transport_send(tls->transport, request, deadline_ns, err));
    return receive_frame(tls, deadline_ns, out_frame, err);
}

static void link_free(struct vt_link *link)
{
    struct tls_link *tls = tls_of(link);
    link_close(link);
    free(tls->host);
    free(tls->port);
    free(tls->ca_file);
    free(tls->certificate_file);
    free(tls->key_file);
    free(tls);
}

static const struct vt_link_ops link_ops = {
    .open = link_open, .exchange = link_exchange, .close = link_close, .free = link_free};

static bool is_ip_address(const char *host)
{
    uint8_t binary[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1;
}

static VT_RESULT take_options(struct tls_link *tls, const struct vt_link_options *options)
{
    VT_ENSURE(is_ip_address(options->host), VAULT_E_ARGUMENT);
    tls->host = strdup(options->host);
    tls->port = strdup(options->port);
    tls->ca_file = strdup(options->ca_file);
    tls->certificate_file = strdup(options->certificate_file);
    tls->key_file = strdup(options->key_file);
    const bool is_whole = tls->host != NULL && tls->port != NULL && tls->ca_file != NULL && tls->certificate_file != NULL &&
                          tls->key_file != NULL;
    return is_whole ? VAULT_OK : VAULT_E_MEMORY;
}

/* What is wrong with the files shows at the start, not when a keeper is needed. */
static VT_RESULT try_files(const struct vt_link_options *options, struct vt_err *err)
{
    VT_AUTO_PTR(vt_tls_context) context = NULL;
    const struct vt_tls_client_options tls = {.ca_file = options->ca_file, .certificate_file = options->certificate_file,
                                              .key_file = options->key_file};
    return vt_tls_client_context_new(&tls, err, &context);
}

VT_RESULT vt_link_open(const struct vt_link_options *options, struct vt_link **out_link, struct vt_err *err)
{
    VT_TRY(try_files(options, err));
    struct tls_link *tls = vt_calloc(1, sizeof *tls);
    VT_ENSURE(tls != NULL, VAULT_E_MEMORY);
    tls->base.ops = &link_ops;
    const vault_status status = take_options(tls, options);
    if (status != VAULT_OK) {
        link_free(&tls->base);
        return status;
    }
    *out_link = &tls->base;
    return VAULT_OK;
}
