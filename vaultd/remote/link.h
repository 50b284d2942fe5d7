/* vaultd/remote/link.h - frames to a remote keeper over mutual TLS 1.3 (libvault/client/transport.h): both sides have a TLS
 * certificate of a CA that settings name, and the keeper takes that of its vault alone. Every wait has a deadline. The files are
 * read at each connecting, so that new TLS certificates need no restart. Thread: as vt_keeper. */
#pragma once
#include "vaultd/remote/remote_keeper.h"

struct vt_link_options {
    const char *host;                       /* an IP address: resolving a name could take longer than any deadline */
    const char *port;
    const char *ca_file;                    /* of the keepers' TLS certificates, which carry that IP address */
    const char *certificate_file;           /* the vault's own */
    const char *key_file;
};
/** Strings are copied. The TLS files are tried, nothing is connected.
 *  @return VAULT_E_ARGUMENT for a host that is no IP address; VAULT_E_IO, VAULT_E_PARSE, VAULT_E_STATE of the TLS files, which
 *  err names; VAULT_E_MEMORY */
VT_RESULT vt_link_open(const struct vt_link_options *options, struct vt_link **out_link, struct vt_err *err);
