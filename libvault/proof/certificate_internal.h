/* libvault/proof/certificate_internal.h - names shared by the certificate's text, rules and view. Private to this
 * folder. */
#pragma once
#include "libvault/proof/certificate.h"

/** Names of an enumeration by its number; NULL where there is none. */
struct vt_certificate_names {
    const char *const *names;
    size_t count;
};
extern const struct vt_certificate_names VT_CERTIFICATE_STATES, VT_CERTIFICATE_SCOPES, VT_ERASE_CLASSES,
    VT_ERASE_STATES;

/** NULL for a number that has no name. */
const char *vt_certificate_name_of(const struct vt_certificate_names *names, unsigned number);
/** @return VAULT_E_PARSE for a name that has no number */
VT_RESULT vt_certificate_number_of(const struct vt_certificate_names *names, struct vt_bytes name,
                                   unsigned *out_number);
/** [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
bool vt_certificate_code_is_valid(struct vt_bytes code);
