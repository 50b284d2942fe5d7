/* vaultd/core/keyring/unseal.h - the unseal key U (32 random bytes) and its wraps, one per method, kept in META "wraps"
 * and in backup manifests. U protects slots and capsules at rest and contributes nothing to forgetting
 * (docs/KEYS.md). Wraps: passphrase (scrypt N=2^17 r=8 p=1), key file (32 bytes hex or base64, through HKDF), Shamir k-of-n
 * share set (a random set key is split; U is sealed under it; each share carries a check value HMAC so that a wrong
 * share is known on entry). A share prints as one line of text: `vaultd-share-1-<set id hex8>-<x>-<k>-of-<n>-<base32
 * payload with checksum>`. Thread: slow lane. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/secret.h"
#include "vaultd/core/store/ids.h"

enum vt_wrap_method { VT_WRAP_PASSPHRASE = 1, VT_WRAP_KEY_FILE = 2, VT_WRAP_SHAMIR = 3 };

/** The list of wraps: versioned bytes, see docs/FORMAT.md "Wraps". */
struct vt_wraps;
enum { VT_WRAPS_MAX = 32, VT_WRAPS_BYTES_MAX = 256 * 1024 };
VT_RESULT vt_wraps_new(const struct vt_vault_id *vault_id, struct vt_wraps **out_wraps);
/** @return VAULT_E_FORMAT (version, unknown method), VAULT_E_CORRUPT (anything else), VAULT_E_MEMORY */
VT_RESULT vt_wraps_decode(struct vt_bytes bytes, struct vt_wraps **out_wraps);
/** Append the bytes. @return VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_wraps_encode(const struct vt_wraps *wraps, struct vt_buf *out_bytes);
/** Take over copies of @p other's wraps (of the same vault): a rotation of U that a crash left half done.
 *  @return VAULT_E_ARGUMENT for another vault, VAULT_E_LIMIT; @p wraps unchanged then */
VT_RESULT vt_wraps_merge(struct vt_wraps *wraps, const struct vt_wraps *other);
const struct vt_vault_id *vt_wraps_vault_id(const struct vt_wraps *wraps);
void vt_wraps_free(struct vt_wraps *wraps);
VT_DEFINE_AUTO_PTR(vt_wraps);
struct vt_wrap_info {
    uint8_t wrap_id[16];
    enum vt_wrap_method method;
    uint8_t k, n;                   /* Shamir only */
    int64_t created_at_ms;
};
size_t vt_wraps_count(const struct vt_wraps *wraps);
VT_RESULT vt_wraps_info(const struct vt_wraps *wraps, size_t index, struct vt_wrap_info *out_info);

/* Adding. @return VAULT_E_LIMIT past VT_WRAPS_MAX, VAULT_E_MEMORY, VAULT_E_CRYPTO; @p wraps unchanged then. */

/** @return VAULT_E_ARGUMENT for an empty passphrase */
VT_RESULT vt_wraps_add_passphrase(struct vt_wraps *wraps, const struct vt_key *unseal_key, struct vt_bytes passphrase,
                                  int64_t now_ms);
/** @param file_bytes the whole file: exactly 32 bytes, or 64 hex digits or 44 base64 characters amid white space
 *  @return VAULT_E_PARSE */
VT_RESULT vt_wraps_check_key_file(struct vt_bytes file_bytes);
VT_RESULT vt_wraps_add_key_file(struct vt_wraps *wraps, const struct vt_key *unseal_key, struct vt_bytes file_bytes,
                                int64_t now_ms);
/** @param out_shares n secrets of share text, owned by the caller, not terminated
 *  @return VAULT_E_ARGUMENT unless 1 <= k <= n <= 255 */
VT_RESULT vt_wraps_add_shamir(struct vt_wraps *wraps, const struct vt_key *unseal_key, unsigned k, unsigned n,
                              int64_t now_ms, struct vt_secret *out_shares);
/** @return VAULT_E_NOT_FOUND; VAULT_E_STATE when it is the last one */
VT_RESULT vt_wraps_remove(struct vt_wraps *wraps, const uint8_t wrap_id[16]);

/** Every wrap of the method is tried. @return VAULT_E_WRONG_SECRET, VAULT_E_NOT_FOUND when no wrap of that method exists,
 *  VAULT_E_PARSE for a file that is no key file */
VT_RESULT vt_wraps_open_passphrase(const struct vt_wraps *wraps, struct vt_bytes passphrase,
                                   struct vt_key *out_unseal_key);
VT_RESULT vt_wraps_open_key_file(const struct vt_wraps *wraps, struct vt_bytes file_bytes,
                                 struct vt_key *out_unseal_key);

/** Shares arrive one by one, each checked on entry. @p wraps borrowed, must outlive the entry.
 *  @return VAULT_E_NOT_FOUND when there is no share set */
struct vt_share_entry;
VT_RESULT vt_share_entry_new(const struct vt_wraps *wraps, struct vt_share_entry **out_entry);
/** @return VAULT_E_WRONG_SECRET (foreign set, damaged, fails its check), VAULT_E_EXISTS (entered already).
 *  *out_still_needed, of the share's own set, falls to 0 when the key can be opened. */
VT_RESULT vt_share_entry_add(struct vt_share_entry *entry, struct vt_bytes share_text, unsigned *out_still_needed);
/** @return VAULT_E_STATE while no set is complete, VAULT_E_WRONG_SECRET */
VT_RESULT vt_share_entry_open(struct vt_share_entry *entry, struct vt_key *out_unseal_key);
void vt_share_entry_free(struct vt_share_entry *entry);     /* wipes */
VT_DEFINE_AUTO_PTR(vt_share_entry);
