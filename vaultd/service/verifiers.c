#include "vaultd/service/verifiers.h"

static VT_RESULT incarnation_at(struct vt_keyring_view *view, size_t index, uint64_t *out_incarnation)
{
    const struct vt_incarnation *former;
    const size_t count = vt_keyring_incarnations(view, &former);
    VT_ENSURE(index <= count, VAULT_E_NOT_FOUND);
    *out_incarnation = index == 0 ? vt_keyring_view_incarnation(view) : former[count - index].number;
    return VAULT_OK;
}

VT_RESULT vt_origin_signer_at(struct vt_keyring_view *view, enum vt_system_key_name key, size_t index,
                              struct vt_origin_signer *out_signer)
{
    uint64_t incarnation;
    VT_TRY(incarnation_at(view, index, &incarnation));
    vt_origin_format(vt_keyring_view_vault_id(view)->bytes, incarnation, out_signer->origin);
    out_signer->signer = (struct vt_note_signer){out_signer->origin, vt_keyring_system_key(view, key)};
    return out_signer->signer.seed != NULL ? VAULT_OK : VAULT_E_CORRUPT;
}

VT_RESULT vt_origin_verifiers(struct vt_keyring_view *view, enum vt_system_key_name key,
                              struct vt_note_verifier out_verifiers[VT_VERIFIERS_MAX], size_t *out_count)
{
    struct vt_origin_signer signer;
    vault_status status;
    size_t count = 0;
    while ((status = vt_origin_signer_at(view, key, count, &signer)) == VAULT_OK) {
        VT_ENSURE(count < VT_VERIFIERS_MAX, VAULT_E_CORRUPT);
        VT_TRY(vt_note_verifier_of(&signer.signer, &out_verifiers[count++]));
    }
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    *out_count = count;
    return VAULT_OK;
}

VT_RESULT vt_certificate_verifiers(struct vt_keyring_view *view, struct vt_note_verifier out_verifiers[VT_VERIFIERS_MAX],
                                   size_t *out_count)
{
    char origin[VT_CERTIFICATE_ORIGIN_LEN];
    const struct vt_note_signer signer = {origin, vt_keyring_system_key(view, VT_SYSTEM_KEY_CERTIFICATE_SIGN)};
    uint64_t incarnation;
    vault_status status;
    size_t count = 0;
    VT_ENSURE(signer.seed != NULL, VAULT_E_CORRUPT);
    while ((status = incarnation_at(view, count, &incarnation)) == VAULT_OK) {
        VT_ENSURE(count < VT_VERIFIERS_MAX, VAULT_E_CORRUPT);
        vt_certificate_origin_format(vt_keyring_view_vault_id(view)->bytes, incarnation, origin);
        VT_TRY(vt_note_verifier_of(&signer, &out_verifiers[count++]));
    }
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    *out_count = count;
    return VAULT_OK;
}
