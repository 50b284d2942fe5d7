/* The gate of holds, for destruction that does not wait for an epoch. vt_subject_destroy() asks it too. */
#include "vaultd/core/policy/hold.h"
#include "vaultd/core/subject/change.h"
#include "vaultd/core/subject/subject.h"

VT_RESULT vt_gate_pass(const struct vt_subject_env *env, const struct vt_sid *sid, uint16_t category, struct vt_change *change)
{
    const vault_status status = vt_gate_category(vt_keyring_view_txn(env->view), env->tenant, sid, category);
    if (status == VAULT_E_HELD)
        return vt_fail(env->err, status, NULL, "A legal hold forbids to destroy or replace what is there; it has to be released "
                                               "first (hold.list, hold.release).");
    VT_TRY(status);
    return vt_change_require_unheld(change, sid, category);
}
