/* vaultd/service/verifiers.h - whose signatures the vault believes: its own keys, under the origin of the present incarnation
 * and of each former one that T_sys lists. Manifests, checkpoints and certificates outlive a take-over. Thread: any. */
#pragma once
#include "libvault/proof/certificate.h"
#include "vaultd/core/keyring/keyring.h"

enum { VT_VERIFIERS_MAX = VT_INCARNATIONS_MAX + 1 };

/** A signer of the vault under the origin of one incarnation. */
struct vt_origin_signer {
    char origin[VT_ORIGIN_LEN];
    struct vt_note_signer signer;       /* borrows origin and the view's key */
};
/** @param index 0: the present incarnation; then the former ones, newest first. @return VAULT_E_NOT_FOUND past the last,
 *  VAULT_E_CORRUPT */
VT_RESULT vt_origin_signer_at(struct vt_keyring_view *view, enum vt_system_key_name key, size_t index,
                              struct vt_origin_signer *out_signer);
/** All of them, the present one first. */
VT_RESULT vt_origin_verifiers(struct vt_keyring_view *view, enum vt_system_key_name key,
                              struct vt_note_verifier out_verifiers[VT_VERIFIERS_MAX], size_t *out_count);
/** The keys of the log of certificates, each named as the log's origin in its incarnation; the present one first. */
VT_RESULT vt_certificate_verifiers(struct vt_keyring_view *view, struct vt_note_verifier out_verifiers[VT_VERIFIERS_MAX],
                                   size_t *out_count);
