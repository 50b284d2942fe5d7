/* vaultd/core/policy/approval.h - what waits for other people's yes. An approval is a row: what kind of act, on which object, asked
 * by whom, who has granted, until when. It carries out nothing; whoever owns the kind does that once it is granted.
 * Invariants: who asked never grants; nobody grants twice; nothing is granted past its expiry; an approval that has ended never
 * changes again. Open ones lie in front of ended ones in the table, so that looking for work reads the open ones only.
 * Bytes: docs/FORMAT.md "Approvals". Thread: reads any; writes the committer. */
#pragma once
#include "vaultd/core/keyring/keyring.h"

/** Part of the format: never renumber, never reuse. */
enum vt_approval_kind {
    VT_APPROVAL_MASS_SHRED = 1,     /* object: none; the requests lie in WAITING under the approval's id */
    VT_APPROVAL_HOLD_RELEASE = 2,   /* object: the hold */
};
enum vt_approval_state {
    VT_APPROVAL_WAITING = 1,        /* for grants */
    VT_APPROVAL_DELAYED = 2,        /* granted; carried out at due_at_ms unless it is denied before */
    VT_APPROVAL_RUNNING = 3,        /* being carried out, in steps: too late to deny */
    VT_APPROVAL_DONE = 4,           /* this and the following have ended */
    VT_APPROVAL_DENIED = 5,
    VT_APPROVAL_EXPIRED = 6,
};
enum { VT_APPROVAL_GRANTS_MAX = 4, VT_APPROVALS_OPEN_MAX = 256, VT_APPROVAL_KEY_LEN = 17 };
struct vt_approval_grant {
    uint8_t principal[16];
    int64_t at_ms;
};
struct vt_approval {
    uint8_t id[16];
    uint8_t kind, state;
    uint8_t needed, granted;        /* of grants */
    vt_tenant_id tenant;
    uint8_t object[16];
    uint8_t asked_by[16];
    int64_t asked_at_ms, expires_at_ms;
    int64_t delay_ms, due_at_ms;    /* due_at_ms: 0 until granted */
    uint8_t ended_by[16];           /* who denied; zero: nobody, or the vault itself because the credential that asked is over */
    int64_t ended_at_ms;            /* 0: open */
    uint64_t item_count;            /* mass shred: requests in it */
    uint64_t held_count;            /* of them left out because a hold forbids them: counted when it begins to run, so
                                       that its certificates can say it; more when further holds come while it runs */
    uint64_t held_so_far;           /* of them left out by the steps that are through */
    uint64_t gone_count;            /* of them left out because there was nothing left to forget */
    struct vt_approval_grant grants[VT_APPROVAL_GRANTS_MAX];
};
bool vt_approval_has_ended(const struct vt_approval *approval);
const char *vt_approval_kind_name(uint8_t kind);        /* "mass-shred"; static storage */
const char *vt_approval_state_name(uint8_t state);

/** Write it under its id, where its state says. @return VAULT_E_LIMIT when a new one is one open too many */
VT_RESULT vt_approval_put(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_approval *approval);
/** Open or ended. @return VAULT_E_NOT_FOUND */
VT_RESULT vt_approval_get(struct vt_keyring_view *view, const uint8_t id[16], struct vt_approval *out_approval);
/** Open ones, then, if @p with_ended, the others, each in order of id; stops at what @p visit returns but VAULT_OK.
 *  A row that does not open hides no other: it is gone past, and is what is returned at the end. @p visit must not write. */
typedef vault_status (*vt_approval_visit)(void *context, const struct vt_approval *approval);
VT_RESULT vt_approval_each(struct vt_keyring_view *view, bool with_ended, vt_approval_visit visit, void *context);

/** Add a grant by @p principal. The last one that is needed moves the state on: DELAYED, due after the delay.
 *  @return VAULT_E_STATE when it does not wait for grants (any more), VAULT_E_APPROVAL when @p principal asked for it or has
 *  granted it already: err says which */
VT_RESULT vt_approval_grant(struct vt_approval *approval, const uint8_t principal[16], int64_t now_ms, struct vt_err *err);
/** Take the grant of @p principal out, if there is one: a DELAYED one that has too few left waits again, until it expires. */
void vt_approval_withdraw(struct vt_approval *approval, const uint8_t principal[16]);
/** End it. @return VAULT_E_STATE when it runs or has ended */
VT_RESULT vt_approval_deny(struct vt_approval *approval, const uint8_t principal[16], int64_t now_ms, struct vt_err *err);
