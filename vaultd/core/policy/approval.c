#include "vaultd/core/policy/approval.h"

#include "vaultd/core/keyring/sealed_row.h"

enum { PLAIN_VERSION = 1, PLAIN_LEN = 256, GRANT_LEN = 24, AT_GRANTS = 125,
       AT_HELD_SO_FAR = AT_GRANTS + VT_APPROVAL_GRANTS_MAX * GRANT_LEN };
_Static_assert(AT_HELD_SO_FAR + 8 <= PLAIN_LEN, "the grants and what follows them fit");

bool vt_approval_has_ended(const struct vt_approval *approval)
{
    return approval->state >= VT_APPROVAL_DONE;
}

const char *vt_approval_kind_name(uint8_t kind)
{
    static const char *const NAMES[] = {"", "mass-shred", "hold-release"};
    return kind < VT_ARRAY_LEN(NAMES) ? NAMES[kind] : "unknown";
}

const char *vt_approval_state_name(uint8_t state)
{
    static const char *const NAMES[] = {"", "waiting", "delayed", "running", "done", "denied", "expired"};
    return state < VT_ARRAY_LEN(NAMES) ? NAMES[state] : "unknown";
}

/* Rows ----------------------------------------------------------------------------------------------------------------- */

static void approval_key(const uint8_t id[16], bool has_ended, uint8_t out_key[VT_APPROVAL_KEY_LEN])
{
    out_key[0] = has_ended;
    memcpy(out_key + 1, id, 16);
}

/* version 1 | kind 1 | state 1 | needed 1 | granted 1 | tenant 8 | object 16 | asked by 16 | asked ms 8 | expires ms 8 |
 * delay ms 8 | due ms 8 | ended by 16 | ended ms 8 | items 8 | held 8 | gone 8 | grants (principal 16 | ms 8) * 4 |
 * held so far 8 | zero */
static void approval_encode(const struct vt_approval *approval, uint8_t out_plain[PLAIN_LEN])
{
    memset(out_plain, 0, PLAIN_LEN);
    const uint8_t head[] = {PLAIN_VERSION, approval->kind, approval->state, approval->needed, approval->granted};
    memcpy(out_plain, head, sizeof head);
    vt_put_u64(out_plain + 5, approval->tenant);
    memcpy(out_plain + 13, approval->object, 16);
    memcpy(out_plain + 29, approval->asked_by, 16);
    vt_put_u64(out_plain + 45, (uint64_t)approval->asked_at_ms);
    vt_put_u64(out_plain + 53, (uint64_t)approval->expires_at_ms);
    vt_put_u64(out_plain + 61, (uint64_t)approval->delay_ms);
    vt_put_u64(out_plain + 69, (uint64_t)approval->due_at_ms);
    memcpy(out_plain + 77, approval->ended_by, 16);
    vt_put_u64(out_plain + 93, (uint64_t)approval->ended_at_ms);
    vt_put_u64(out_plain + 101, approval->item_count);
    vt_put_u64(out_plain + 109, approval->held_count);
    vt_put_u64(out_plain + 117, approval->gone_count);
    vt_put_u64(out_plain + AT_HELD_SO_FAR, approval->held_so_far);
    for (size_t i = 0; i < VT_APPROVAL_GRANTS_MAX; i++) {
        memcpy(out_plain + AT_GRANTS + i * GRANT_LEN, approval->grants[i].principal, 16);
        vt_put_u64(out_plain + AT_GRANTS + i * GRANT_LEN + 16, (uint64_t)approval->grants[i].at_ms);
    }
}

static VT_RESULT approval_decode(const uint8_t plain[PLAIN_LEN], struct vt_approval *approval)
{
    VT_ENSURE(plain[0] == PLAIN_VERSION, VAULT_E_FORMAT);
    approval->kind = plain[1];
    approval->state = plain[2];
    approval->needed = plain[3];
    approval->granted = plain[4];
    VT_ENSURE(approval->granted <= VT_APPROVAL_GRANTS_MAX && approval->needed <= VT_APPROVAL_GRANTS_MAX, VAULT_E_CORRUPT);
    approval->tenant = vt_get_u64(plain + 5);
    memcpy(approval->object, plain + 13, 16);
    memcpy(approval->asked_by, plain + 29, 16);
    approval->asked_at_ms = (int64_t)vt_get_u64(plain + 45);
    approval->expires_at_ms = (int64_t)vt_get_u64(plain + 53);
    approval->delay_ms = (int64_t)vt_get_u64(plain + 61);
    approval->due_at_ms = (int64_t)vt_get_u64(plain + 69);
    memcpy(approval->ended_by, plain + 77, 16);
    approval->ended_at_ms = (int64_t)vt_get_u64(plain + 93);
    approval->item_count = vt_get_u64(plain + 101);
    approval->held_count = vt_get_u64(plain + 109);
    approval->gone_count = vt_get_u64(plain + 117);
    approval->held_so_far = vt_get_u64(plain + AT_HELD_SO_FAR);
    for (size_t i = 0; i < VT_APPROVAL_GRANTS_MAX; i++) {
        memcpy(approval->grants[i].principal, plain + AT_GRANTS + i * GRANT_LEN, 16);
        approval->grants[i].at_ms = (int64_t)vt_get_u64(plain + AT_GRANTS + i * GRANT_LEN + 16);
    }
    return VAULT_OK;
}

static VT_RESULT approval_open(struct vt_keyring_view *view, struct vt_bytes key, struct vt_bytes value,
                               struct vt_approval *out_approval)
{
    uint8_t plain[PLAIN_LEN];
    struct vt_approval approval;
    VT_ENSURE(key.len == VT_APPROVAL_KEY_LEN, VAULT_E_CORRUPT);
    memcpy(approval.id, key.data + 1, sizeof approval.id);
    VT_TRY(vt_sealed_row_open(view, VT_SEAL_APPROVAL, VT_BYTES_OF(approval.id), value, plain, sizeof plain));
    VT_TRY(approval_decode(plain, &approval));
    VT_ENSURE(vt_approval_has_ended(&approval) == (key.data[0] != 0), VAULT_E_CORRUPT);
    *out_approval = approval;
    return VAULT_OK;
}

static VT_RESULT check_room(struct vt_txn *txn)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    size_t count = 0;
    vault_status status;
    VT_TRY(vt_cursor_open(txn, VT_TABLE_APPROVAL, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK && key.data[0] == 0)
        VT_ENSURE(++count < VT_APPROVALS_OPEN_MAX, VAULT_E_LIMIT);
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

VT_RESULT vt_approval_put(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_approval *approval)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(VT_SEALED_ROW_OVERHEAD + PLAIN_LEN);
    uint8_t open_key[VT_APPROVAL_KEY_LEN], key[VT_APPROVAL_KEY_LEN], plain[PLAIN_LEN];
    struct vt_bytes present;
    approval_key(approval->id, false, open_key);
    approval_key(approval->id, vt_approval_has_ended(approval), key);
    const vault_status found = vt_store_get(txn, VT_TABLE_APPROVAL, VT_BYTES_OF(open_key), &present);
    VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
    if (found == VAULT_E_NOT_FOUND) VT_TRY(check_room(txn));
    if (found == VAULT_OK) VT_TRY(vt_store_delete(txn, VT_TABLE_APPROVAL, VT_BYTES_OF(open_key)));
    approval_encode(approval, plain);
    VT_TRY(vt_sealed_row(view, VT_SEAL_APPROVAL, VT_BYTES_OF(approval->id), VT_BYTES_OF(plain), &value));
    return vt_store_put(txn, VT_TABLE_APPROVAL, VT_BYTES_OF(key), vt_buf_bytes(&value), VT_PUT_NEW);
}

VT_RESULT vt_approval_get(struct vt_keyring_view *view, const uint8_t id[16], struct vt_approval *out_approval)
{
    uint8_t key[VT_APPROVAL_KEY_LEN];
    struct vt_bytes value;
    approval_key(id, false, key);
    vault_status status = vt_store_get(vt_keyring_view_txn(view), VT_TABLE_APPROVAL, VT_BYTES_OF(key), &value);
    if (status == VAULT_E_NOT_FOUND) {
        approval_key(id, true, key);
        status = vt_store_get(vt_keyring_view_txn(view), VT_TABLE_APPROVAL, VT_BYTES_OF(key), &value);
    }
    VT_TRY(status);
    return approval_open(view, VT_BYTES_OF(key), value, out_approval);
}

VT_RESULT vt_approval_each(struct vt_keyring_view *view, bool with_ended, vt_approval_visit visit, void *context)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    vault_status status, failed = VAULT_OK;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_APPROVAL, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK && (key.data[0] == 0 || with_ended)) {
        struct vt_approval approval;
        const vault_status opened = approval_open(view, key, value, &approval);
        if (opened == VAULT_OK) VT_TRY(visit(context, &approval));
        if (failed == VAULT_OK) failed = opened;
    }
    return status == VAULT_E_NOT_FOUND || status == VAULT_OK ? failed : status;
}

/* Deciding ------------------------------------------------------------------------------------------------------------- */

static VT_RESULT check_waits(const struct vt_approval *approval, int64_t now_ms, struct vt_err *err)
{
    const bool is_over = approval->expires_at_ms != 0 && now_ms >= approval->expires_at_ms;
    if (approval->state != VT_APPROVAL_WAITING)
        return vt_fail(err, VAULT_E_STATE, "approval", "The approval does not wait for grants any more: it is %s.",
                       vt_approval_state_name(approval->state));
    if (is_over) return vt_fail(err, VAULT_E_STATE, "approval", "The approval has expired: ask for it again.");
    return VAULT_OK;
}

VT_RESULT vt_approval_grant(struct vt_approval *approval, const uint8_t principal[16], int64_t now_ms, struct vt_err *err)
{
    VT_TRY(check_waits(approval, now_ms, err));
    if (memcmp(approval->asked_by, principal, 16) == 0)
        return vt_fail(err, VAULT_E_APPROVAL, "approval", "Who asked for it cannot approve it: somebody else has to.");
    for (size_t i = 0; i < approval->granted; i++)
        if (memcmp(approval->grants[i].principal, principal, 16) == 0)
            return vt_fail(err, VAULT_E_APPROVAL, "approval", "This credential has approved it already: somebody else has to.");
    VT_ENSURE(approval->granted < VT_APPROVAL_GRANTS_MAX, VAULT_E_LIMIT);
    struct vt_approval_grant *grant = &approval->grants[approval->granted++];
    memcpy(grant->principal, principal, sizeof grant->principal);
    grant->at_ms = now_ms;
    if (approval->granted < approval->needed) return VAULT_OK;
    approval->state = VT_APPROVAL_DELAYED;
    approval->due_at_ms = now_ms + approval->delay_ms;
    return VAULT_OK;
}

void vt_approval_withdraw(struct vt_approval *approval, const uint8_t principal[16])
{
    uint8_t left = 0, whose[16];
    memcpy(whose, principal, sizeof whose);             /* it may be the grant's own */
    for (size_t i = 0; i < approval->granted; i++)
        if (memcmp(approval->grants[i].principal, whose, sizeof whose) != 0) approval->grants[left++] = approval->grants[i];
    for (size_t i = left; i < approval->granted; i++) approval->grants[i] = (struct vt_approval_grant){.at_ms = 0};
    approval->granted = left;
    if (approval->state != VT_APPROVAL_DELAYED || left >= approval->needed) return;
    approval->state = VT_APPROVAL_WAITING;
    approval->due_at_ms = 0;
}

VT_RESULT vt_approval_deny(struct vt_approval *approval, const uint8_t principal[16], int64_t now_ms, struct vt_err *err)
{
    if (approval->state != VT_APPROVAL_WAITING && approval->state != VT_APPROVAL_DELAYED)
        return vt_fail(err, VAULT_E_STATE, "approval", "The approval can no longer be denied: it is %s.",
                       vt_approval_state_name(approval->state));
    approval->state = VT_APPROVAL_DENIED;
    memcpy(approval->ended_by, principal, sizeof approval->ended_by);
    approval->ended_at_ms = now_ms;
    return VAULT_OK;
}
