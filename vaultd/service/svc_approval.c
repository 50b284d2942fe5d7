/* vaultd/service/svc_approval.c - granting, denying and listing what waits for other people's yes. What an approval lets happen is
 * done by its owner: the release of a hold here, in the commit of the grant; held-back shreds in approvals.c, after their delay. */
#include <string.h>

#include "vaultd/core/epoch/waiting.h"
#include "vaultd/core/policy/approval.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/parse.h"

enum { LIST_DEFAULT = 100 };

/** A decision on its way; in the call's scratch. */
struct deciding {
    struct vt_call *call;
    struct vt_approval approval;        /* as it was read, then as it is decided */
    uint64_t items;                     /* that the caller has seen */
};

static VT_RESULT deciding_new(struct vt_call *call, vt_change_hook apply, struct deciding **out_deciding)
{
    struct vt_change *change;
    struct deciding *deciding = vt_pool_calloc(&call->scratch, 1, sizeof *deciding);
    VT_ENSURE(deciding != NULL, VAULT_E_MEMORY);
    deciding->call = call;
    VT_TRY(vt_call_id(call, "approval", deciding->approval.id));
    VT_TRY(vt_approval_get(call->view, deciding->approval.id, &deciding->approval));
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_change_hook_add(change, apply, deciding));
    call->item_count++;
    call->handler_state = deciding;
    *out_deciding = deciding;
    return VAULT_OK;
}

static void decided(struct vt_call *call, bool kept)
{
    if (kept && call->handler_state != NULL) vt_vault_look_at_approvals(call->vault);
}

/* approval.grant ------------------------------------------------------------------------------------------------------- */

static VT_RESULT grant(const struct deciding *deciding, struct vt_keyring_view *view, struct vt_approval *approval,
                       struct vt_err *err)
{
    VT_TRY(vt_vault_recheck_approval(view, deciding->call->now_ms, approval));
    if (approval->item_count != deciding->items)
        return vt_fail(err, VAULT_E_STATE, "items", "The approval holds %llu requests: look at it again before you approve it.",
                       (unsigned long long)approval->item_count);
    return vt_approval_grant(approval, deciding->call->principal.id, deciding->call->now_ms, err);
}

/* Who releases it is the second of two people; nothing is destroyed by that, so there is no delay. */
static VT_RESULT release_hold(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_approval *approval, int64_t now_ms)
{
    struct vt_hold hold;
    uint8_t key[VT_HOLD_KEY_LEN];
    VT_TRY(vt_hold_find(view, approval->object, &hold));
    vt_hold_key(&hold, key);
    VT_TRY(vt_store_delete(txn, VT_TABLE_HOLD, VT_BYTES_OF(key)));
    approval->state = VT_APPROVAL_DONE;
    approval->ended_at_ms = now_ms;
    return VAULT_OK;
}

static vault_status grant_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct deciding *deciding = context;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    struct vt_approval approval;
    VT_TRY(vt_approval_get(view, deciding->approval.id, &approval));
    VT_TRY(grant(deciding, view, &approval, NULL));
    if (approval.state == VT_APPROVAL_DELAYED && approval.kind == VT_APPROVAL_HOLD_RELEASE)
        VT_TRY(release_hold(view, txn, &approval, deciding->call->now_ms));
    deciding->approval = approval;
    return vt_approval_put(view, txn, &approval);
}

static vault_status approval_grant_prepare(struct vt_call *call)
{
    struct deciding *deciding;
    VT_TRY(deciding_new(call, grant_apply, &deciding));
    deciding->items = (uint64_t)vt_call_int(call, "items", 0);
    struct vt_approval tried = deciding->approval;
    return grant(deciding, call->view, &tried, &call->err);
}

static void granted(struct vt_call *call, bool kept)
{
    const struct deciding *deciding = call->handler_state;
    if (kept && deciding != NULL && deciding->approval.state == VT_APPROVAL_DELAYED) vt_vault_begin_deniable(call->vault);
    decided(call, kept);
}

static vault_status approval_grant_answer(struct vt_call *call, struct vt_value *out_map)
{
    const struct deciding *deciding = call->handler_state;
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_text(call, &map, "state", vt_approval_state_name(deciding->approval.state)));
    if (deciding->approval.state == VT_APPROVAL_DELAYED)
        VT_TRY(vt_put_time(call, &map, "due_at", deciding->approval.due_at_ms));
    *out_map = map;
    return VAULT_OK;
}

static vault_status approval_grant_finish(struct vt_call *call)
{
    struct vt_value map;
    VT_TRY(approval_grant_answer(call, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_APPROVAL_GRANT = {.command = "approval.grant", .prepare = approval_grant_prepare,
                                                     .finish = approval_grant_finish, .committed = granted,
                                                     .answer = approval_grant_answer};

/* approval.deny -------------------------------------------------------------------------------------------------------- */

static vault_status deny_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct deciding *deciding = context;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    struct vt_approval approval;
    VT_TRY(vt_approval_get(view, deciding->approval.id, &approval));
    VT_TRY(vt_approval_deny(&approval, deciding->call->principal.id, deciding->call->now_ms, NULL));
    VT_TRY(vt_waiting_clear(txn, approval.id));
    return vt_approval_put(view, txn, &approval);
}

static vault_status approval_deny_prepare(struct vt_call *call)
{
    struct deciding *deciding;
    struct vt_value map = vt_value_map();
    VT_TRY(deciding_new(call, deny_apply, &deciding));
    struct vt_approval tried = deciding->approval;
    VT_TRY(vt_approval_deny(&tried, call->principal.id, call->now_ms, &call->err));
    VT_TRY(vt_put_text(call, &map, "state", vt_approval_state_name(VT_APPROVAL_DENIED)));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_APPROVAL_DENY = {
    .command = "approval.deny", .prepare = approval_deny_prepare, .committed = decided};

/* approval.list -------------------------------------------------------------------------------------------------------- */

struct listing {
    struct vt_call *call;
    struct vt_value list;
    size_t limit;
    uint8_t after[16], last[16];
    bool is_behind, is_more;
};

static VT_RESULT grants_value(struct vt_call *call, const struct vt_approval *approval, struct vt_value *out_list)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < approval->granted; i++) {
        struct vt_value map = vt_value_map();
        VT_TRY(vt_put_id(call, &map, "principal", approval->grants[i].principal));
        VT_TRY(vt_put_time(call, &map, "at", approval->grants[i].at_ms));
        VT_TRY(vt_value_push(&call->scratch, &list, map, NULL));
    }
    *out_list = list;
    return VAULT_OK;
}

static VT_RESULT put_times(struct vt_call *call, const struct vt_approval *approval, struct vt_value *map)
{
    VT_TRY(vt_put_time(call, map, "asked_at", approval->asked_at_ms));
    VT_TRY(vt_put_time(call, map, "expires_at", approval->expires_at_ms));
    if (approval->due_at_ms != 0) VT_TRY(vt_put_time(call, map, "due_at", approval->due_at_ms));
    if (approval->ended_at_ms != 0) VT_TRY(vt_put_time(call, map, "ended_at", approval->ended_at_ms));
    const bool is_by_somebody = memcmp(approval->ended_by, (uint8_t[16]){0}, sizeof approval->ended_by) != 0;
    if (is_by_somebody) VT_TRY(vt_put_id(call, map, "ended_by", approval->ended_by));
    return VAULT_OK;
}

static VT_RESULT approval_value(struct vt_call *call, const struct vt_approval *approval, struct vt_value *out_map)
{
    struct vt_value map = vt_value_map(), grants;
    VT_TRY(vt_put_id(call, &map, "approval", approval->id));
    VT_TRY(vt_put_text(call, &map, "kind", vt_approval_kind_name(approval->kind)));
    VT_TRY(vt_put_text(call, &map, "state", vt_approval_state_name(approval->state)));
    VT_TRY(vt_put_int(call, &map, "items", (int64_t)approval->item_count));
    VT_TRY(vt_put_int(call, &map, "left_out", (int64_t)(approval->held_count + approval->gone_count)));
    VT_TRY(vt_put_int(call, &map, "needed", approval->needed));
    VT_TRY(grants_value(call, approval, &grants));
    VT_TRY(vt_put_value(call, &map, "granted", grants));
    VT_TRY(vt_put_id(call, &map, "asked_by", approval->asked_by));
    VT_TRY(put_times(call, approval, &map));
    if (approval->kind == VT_APPROVAL_HOLD_RELEASE) VT_TRY(vt_put_id(call, &map, "object", approval->object));
    *out_map = map;
    return VAULT_OK;
}

static vault_status list_one(void *context, const struct vt_approval *approval)
{
    struct listing *listing = context;
    struct vt_value map;
    if (!listing->is_behind) {
        listing->is_behind = memcmp(approval->id, listing->after, sizeof listing->after) == 0;
        return VAULT_OK;
    }
    if (listing->list.array.count == listing->limit) {
        listing->is_more = true;
        return VAULT_OK;
    }
    memcpy(listing->last, approval->id, sizeof listing->last);
    VT_TRY(approval_value(listing->call, approval, &map));
    return vt_value_push(&listing->call->scratch, &listing->list, map, NULL);
}

static VT_RESULT list_named(struct listing *listing)
{
    uint8_t id[16];
    struct vt_approval approval;
    VT_TRY(vt_call_id(listing->call, "approval", id));
    VT_TRY(vt_approval_get(listing->call->view, id, &approval));
    listing->is_behind = true;
    return list_one(listing, &approval);
}

static vault_status approval_list_prepare(struct vt_call *call)
{
    struct listing listing = {.call = call, .list = vt_value_array(), .limit = (size_t)vt_call_int(call, "limit", LIST_DEFAULT)};
    struct vt_value map = vt_value_map();
    listing.is_behind = vt_call_text(call, "after").data == NULL;
    if (!listing.is_behind) VT_TRY(vt_call_id(call, "after", listing.after));
    if (vt_call_text(call, "approval").data != NULL) VT_TRY(list_named(&listing));
    else VT_TRY(vt_approval_each(call->view, vt_call_bool(call, "all", false), list_one, &listing));
    if (!listing.is_behind)         /* an empty page would say that there are no more */
        return vt_fail(&call->err, VAULT_E_NOT_FOUND, "after",
                       "The approval to continue behind has ended: list again from the start.");
    VT_TRY(vt_put_value(call, &map, "approvals", listing.list));
    if (listing.is_more) VT_TRY(vt_put_id(call, &map, "next", listing.last));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_APPROVAL_LIST = {.command = "approval.list", .prepare = approval_list_prepare};
