/* libvault/schema/field_type_internal.h - what the families of types share: refusing, storing, stripping, masking.
 * A check handler gets text that is valid UTF-8, without NUL, within the type's max_bytes. Thread: any. */
#pragma once
#include "libvault/schema/field_type.h"

/** "Field NAME WHY." as VAULT_E_INVALID_VALUE. @param why  goes on after the name, no full stop; never a value */
vault_status vt_field_refuse(const struct vt_field_check *check, const char *why);
/** Store a copy of @p text. @return VAULT_E_MEMORY */
VT_RESULT vt_field_store(const struct vt_field_check *check, struct vt_bytes text, struct vt_value *out_stored);
/** Copy @p text without the ASCII characters in @p dropped. @return VAULT_E_MEMORY */
VT_RESULT vt_field_strip(struct vt_pool *pool, struct vt_bytes text, const char *dropped, struct vt_bytes *out_text);
/** A writable copy of @p text; NULL when memory is short. */
uint8_t *vt_field_copy(struct vt_pool *pool, struct vt_bytes text);
void vt_field_upper(uint8_t *text, size_t len);         /* ASCII only */
void vt_field_lower(uint8_t *text, size_t len);         /* ASCII only */

static inline bool vt_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}
static inline bool vt_is_alpha(uint8_t c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}
static inline bool vt_is_alnum(uint8_t c)
{
    return vt_is_digit(c) || vt_is_alpha(c);
}
bool vt_all_digits(struct vt_bytes text);
bool vt_all_alnum(struct vt_bytes text);
/** Every character is '0'; what forms send when a number is not known. */
bool vt_all_zero(struct vt_bytes text);
/** Digits and letters separated by single characters of @p separators: no two in a row, none at an end. */
bool vt_is_grouped(struct vt_bytes text, const char *separators);
/** The text holds a control character, a line break included. */
bool vt_has_control(struct vt_bytes text);
/** The text holds what shows nothing or turns the text around: controls, zero width, bidirectional marks. */
bool vt_has_hidden(struct vt_bytes text);
/** A host name of labels of letters, digits and inner hyphens, non-ASCII letters allowed; at least @p min_labels.
 *  RFC 5321 section 4.1.2, RFC 6531 section 3.3; lengths of RFC 1035 section 2.3.4 counted in UTF-8. */
bool vt_is_host_name(struct vt_bytes text, size_t min_labels);
/** IPv4 dotted quad or IPv6. @param out_address  IPv4 as ::ffff:a.b.c.d; @param out_is_v6  how it was written */
bool vt_ip_parse(struct vt_bytes text, uint8_t out_address[16], bool *out_is_v6);

/** Keep @p head first and @p tail last characters of ASCII @p text, letters and digits between become '*'. */
VT_RESULT vt_mask_middle(struct vt_pool *pool, struct vt_bytes text, size_t head, size_t tail,
                         struct vt_bytes *out_text);
VT_RESULT vt_mask_redacted(struct vt_pool *pool, struct vt_bytes *out_text);
/** How many last characters of a number of @p len may show: four of eight or more, two of six or seven, else none. */
size_t vt_mask_tail_len(size_t len);

typedef vault_status vt_check_fn(const struct vt_field_check *check, const struct vt_value *input,
                                 struct vt_value *out_stored);
typedef vault_status vt_normalise_fn(struct vt_pool *pool, const struct vt_value *stored, struct vt_bytes *out_normal);
typedef vault_status vt_mask_fn(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask,
                                struct vt_bytes *out_text);

/* field_text.c */
vt_check_fn vt_check_text, vt_check_enum, vt_check_name, vt_check_address, vt_check_token, vt_check_device_id;
vt_normalise_fn vt_normalise_same, vt_normalise_folded;
vt_mask_fn vt_mask_tail;
/* field_data.c */
vt_check_fn vt_check_integer, vt_check_boolean, vt_check_json;
vt_normalise_fn vt_normalise_integer;
/* field_place.c */
vt_check_fn vt_check_country, vt_check_region, vt_check_postal_code, vt_check_language;
vt_normalise_fn vt_normalise_alnum;
/* field_time.c */
vt_check_fn vt_check_birth_date, vt_check_date, vt_check_datetime, vt_check_time;
vt_mask_fn vt_mask_year;
/* field_contact.c */
vt_check_fn vt_check_email, vt_check_phone;
vt_mask_fn vt_mask_email, vt_mask_phone;
/* field_network.c */
vt_check_fn vt_check_ip, vt_check_mac, vt_check_url;
vt_normalise_fn vt_normalise_ip, vt_normalise_url;
vt_mask_fn vt_mask_ip, vt_mask_mac, vt_mask_url;
/* field_card.c */
vt_check_fn vt_check_pan, vt_check_card_expiry;
vt_mask_fn vt_mask_pan;
/* field_bank.c */
vt_check_fn vt_check_iban, vt_check_account_number;
vt_mask_fn vt_mask_iban;
/* field_identity.c */
vt_check_fn vt_check_us_ssn, vt_check_driver_licence, vt_check_passport, vt_check_identity_number;
