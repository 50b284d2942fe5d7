/* vaultd/service/credentials.h - secret keys `vsk_` + 52 base32 characters of 256 random bits, stored as HMAC-SHA256 under the
 * config key (no slow hash is needed for 256 bits of randomness). Sealed in the CONFIG table, cached in memory by hash.
 * Revocation takes effect at the next call: the principal's stamp is touched. Thread: find any; load and change as said. */
#pragma once
#include "vaultd/service/call.h"

VT_RESULT vt_credentials_new(struct vt_credentials **out_credentials);
void vt_credentials_free(struct vt_credentials *credentials);
VT_DEFINE_AUTO_PTR(vt_credentials);
VT_RESULT vt_credentials_load(struct vt_credentials *credentials, struct vt_keyring_view *view);
/** Forget the key and the hashes: nobody logs in until they are loaded again. Who has logged in is known on. */
void vt_credentials_seal(struct vt_credentials *credentials);
/** @return VAULT_E_UNAUTHENTICATED, VAULT_E_CREDENTIAL_REVOKED (revoked or expired) */
VT_RESULT vt_credentials_login(struct vt_credentials *credentials, struct vt_bytes secret, int64_t now_ms,
                               struct vt_principal *out_principal);
/** Is the principal still good? Asked for each call. @return VAULT_E_CREDENTIAL_REVOKED */
VT_RESULT vt_credentials_check(struct vt_credentials *credentials, const struct vt_principal *principal, int64_t now_ms);
/** Has the credential of @p principal been revoked, or has it expired? By what is stored, as @p view's transaction sees it. Who has
 *  no credential (the local socket's own callers) has none that could be. */
VT_RESULT vt_credentials_is_over(struct vt_keyring_view *view, const uint8_t principal[16], int64_t now_ms, bool *out_is_over);
enum { VT_SECRET_TEXT_LEN = 57 };       /* "vsk_" + 52 + zero */
/** Plan a new credential. @param out_secret text, shown once */
VT_RESULT vt_credentials_plan_create(struct vt_keyring_view *view, struct vt_change *change, struct vt_bytes name,
                                     const struct vt_role *role, int64_t expires_at_ms, int64_t now_ms,
                                     char out_secret[VT_SECRET_TEXT_LEN], uint8_t out_principal[16], struct vt_err *err);
/** @return VAULT_E_NOT_FOUND, VAULT_E_STATE: no other administrator without an expiry would be left */
VT_RESULT vt_credentials_plan_revoke(struct vt_keyring_view *view, struct vt_change *change, struct vt_bytes name,
                                     uint8_t out_principal[16]);
/** All of them as a list value: principal, name, role, created_at, expires_at, state. */
VT_RESULT vt_credentials_list(struct vt_keyring_view *view, struct vt_pool *pool, int64_t now_ms, struct vt_value *out_list);
