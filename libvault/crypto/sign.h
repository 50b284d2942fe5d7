/* libvault/crypto/sign.h - Ed25519 (RFC 8032). Used for what strangers check: checkpoints, certificates, receipts.
 * Thread: any. */
#pragma once
#include "libvault/base/secret.h"

enum { VT_ED25519_PUBLIC_LEN = 32, VT_ED25519_SIGNATURE_LEN = 64 };
/** A seed is 32 random bytes in a vt_key. */
VT_RESULT vt_ed25519_public(const struct vt_key *seed, uint8_t out_public[VT_ED25519_PUBLIC_LEN]);
VT_RESULT vt_ed25519_sign(const struct vt_key *seed, struct vt_bytes message,
                          uint8_t out_signature[VT_ED25519_SIGNATURE_LEN]);
/** Both from one loading of the seed, which costs as much as the signing: for notes, whose key id comes from the public key. */
VT_RESULT vt_ed25519_sign_and_public(const struct vt_key *seed, struct vt_bytes message,
                                     uint8_t out_public[VT_ED25519_PUBLIC_LEN],
                                     uint8_t out_signature[VT_ED25519_SIGNATURE_LEN]);
/** @return VAULT_E_AUTHENTICITY */
VT_RESULT vt_ed25519_verify(const uint8_t public_key[VT_ED25519_PUBLIC_LEN], struct vt_bytes message,
                            const uint8_t signature[VT_ED25519_SIGNATURE_LEN]);
