#include <stdlib.h>
#include <string.h>

#include "vaultd/config/config.h"

enum { PORT_DIGITS = 5 };

/* The resolver takes any number and cuts it to 16 bits: 70000 would listen on 4464. */
static bool port_is_number(const char *port)
{
    const size_t len = strlen(port);
    return len != 0 && len <= PORT_DIGITS && strspn(port, "0123456789") == len && strtoul(port, NULL, 10) <= UINT16_MAX;
}

VT_RESULT vt_config_listen_split(const char *listen, char out_host[VT_CONFIG_HOST_MAX], const char **out_port)
{
    const char *colon = strrchr(listen, ':');
    VT_ENSURE(colon != NULL && port_is_number(colon + 1), VAULT_E_ARGUMENT);
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
