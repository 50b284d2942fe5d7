#include <arpa/inet.h>
#include <string.h>

#include "libvault/codec/text.h"
#include "vaultd/config/config.h"

VT_RESULT vt_config_listen_split(const char *listen, char out_host[VT_CONFIG_HOST_MAX], const char **out_port)
{
    const char *colon = strrchr(listen, ':');
    uint16_t port;
    VT_ENSURE(colon != NULL && vt_port_parse(vt_bytes_str(colon + 1), &port), VAULT_E_ARGUMENT);
    const bool is_bracketed = listen[0] == '[' && colon > listen + 1 && colon[-1] == ']';
    const char *from = is_bracketed ? listen + 1 : listen;
    const size_t len = (size_t)(colon - from) - (is_bracketed ? 1 : 0);
    VT_ENSURE(len != 0 && len < VT_CONFIG_HOST_MAX, VAULT_E_ARGUMENT);
    VT_ENSURE(is_bracketed || memchr(from, ':', len) == NULL, VAULT_E_ARGUMENT);
    memcpy(out_host, from, len);
    out_host[len] = '\0';
    *out_port = colon + 1;
    return VAULT_OK;
}

bool vt_config_host_is_address(const char *host)
{
    uint8_t binary[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1;
}
