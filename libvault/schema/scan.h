/* libvault/schema/scan.h - finds numbers and addresses that hide in free text: cards, Social Security numbers, IBANs, phone
 * numbers, e-mail and IP addresses. What nobody has classified is scanned, and tags are proposed.
 *
 * A find is a proposal: what has the form and the check digits of a card may be an order number. What is written without
 * its form (nine bare digits, a phone number without country code) is not found: everything would be.
 * Invariants: finds do not overlap and come in order; each one passes its type's check. Thread: any, on the caller's pool. */
#pragma once
#include "libvault/schema/field_type.h"

struct vt_finding {
    const struct vt_field_type *type;   /* pan, us_ssn, iban, phone, email or ip */
    size_t at, len;                     /* bytes of the text */
};

/** @param text  valid UTF-8
 *  @param out_findings  in @p pool
 *  @return VAULT_E_MEMORY */
VT_RESULT vt_scan_text(struct vt_pool *pool, struct vt_bytes text, struct vt_finding **out_findings, size_t *out_count);

/** The text with "[TYPE]" in place of each find, for a reader who may not see them: "paid with [pan]".
 *  @return VAULT_E_MEMORY */
VT_RESULT vt_scan_redact(struct vt_pool *pool, struct vt_bytes text, const struct vt_finding *findings, size_t count,
                         struct vt_bytes *out_text);
