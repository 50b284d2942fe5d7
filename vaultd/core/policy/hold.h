/* vaultd/core/policy/hold.h - legal holds, and the one gate that stands in front of every way to destroy what a person left.
 *
 * A hold forbids destruction of one subject, of a category of one subject, or of a category of everybody. It names a reason
 * code; the matter it belongs to is kept as a salted commitment only, because the row is sealed under the vault's own key and
 * would outlive the person. Which random sid is held stands in the row's key, so that the committer asks without opening it.
 * The list of paths that ask the gate is in docs/ERASURE.md, "Holds"; tests/unit/service/test_holds.c tries each of them.
 * Source: GDPR Art. 17(3)(e); docs/FORMAT.md "Holds". Thread: reads any; writes the
 * committer. */
#pragma once
#include "vaultd/core/keyring/keyring.h"

enum { VT_HOLD_KEY_LEN = 42, VT_HOLD_REASON_MAX = 32, VT_HOLDS_MAX = 100000 };
struct vt_hold {
    uint8_t id[16];
    vt_tenant_id tenant;
    struct vt_sid sid;                      /* zero: everybody */
    uint16_t category;                      /* VT_CATEGORY_ALL: everything */
    char reason[VT_HOLD_REASON_MAX + 1];    /* code, e.g. litigation */
    uint8_t commitment[32];                 /* SHA-256(salt || matter); zero: none */
    uint8_t principal[16];                  /* who placed it */
    int64_t placed_at_ms;
};

void vt_hold_key(const struct vt_hold *hold, uint8_t out_key[VT_HOLD_KEY_LEN]);
/** @return VAULT_E_LIMIT past VT_HOLDS_MAX */
VT_RESULT vt_hold_put(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_hold *hold);
/** By id. @return VAULT_E_NOT_FOUND */
VT_RESULT vt_hold_find(struct vt_keyring_view *view, const uint8_t id[16], struct vt_hold *out_hold);
/** In order of tenant, sid, category; stops at what @p visit returns but VAULT_OK. */
typedef vault_status (*vt_hold_visit)(void *context, const struct vt_hold *hold);
VT_RESULT vt_hold_each(struct vt_keyring_view *view, vt_hold_visit visit, void *context);

/** The gate for one category of one subject, as it lies in @p txn: no key is needed, so that the committer asks it again for
 *  each change. @p category is a real one; VT_CATEGORY_VAULT, the subject's own administration, is held by whole holds only.
 *  @return VAULT_E_HELD */
VT_RESULT vt_gate_category(struct vt_txn *txn, vt_tenant_id tenant, const struct vt_sid *sid, uint16_t category);
/** The gate for a scope: every category that the subject has a key of and that the scope covers. Nothing that destroys a key or a
 *  row of a person may go on unless this (or, for a known category, vt_gate_category()) was asked in the same transaction.
 *  @return VAULT_E_HELD; VAULT_OK also when the subject has no keys: there is nothing to destroy */
VT_RESULT vt_gate_scope(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_scope *scope);
/** Is anything held at all? Cheap. */
VT_RESULT vt_hold_is_any(struct vt_txn *txn, bool *out_is_any);
