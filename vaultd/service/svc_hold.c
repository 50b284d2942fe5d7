/* vaultd/service/svc_hold.c - placing, asking to release and listing holds. What a hold forbids is decided by the gate in
 * vaultd/core/policy/hold.h; here it comes into force: what is pending and forbidden from now on is taken back in that commit. */
#include <stdio.h>

#include "libvault/codec/text.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/policy/approval.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/parse.h"

enum { SALT_LEN = 32, LIST_DEFAULT = 100 };
static const struct vt_sid EVERYBODY;

/* hold.place ----------------------------------------------------------------------------------------------------------- */

/** A hold on its way; in the call's scratch. */
struct placing {
    struct vt_call *call;
    struct vt_hold hold;
    struct vt_scopes taken_back;
    uint8_t salt[SALT_LEN];
    bool has_matter;
};

static vault_status place_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct placing *placing = context;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    const bool is_everybody = vt_sid_equal(&placing->hold.sid, &EVERYBODY);
    VT_TRY(vt_hold_put(view, txn, &placing->hold));
    return vt_pending_take_back(view, txn, vt_vault_stamps(placing->call->vault), is_everybody ? NULL : &placing->hold.sid,
                                &placing->taken_back);
}

static void place_committed(struct vt_call *call, bool kept)
{
    const struct placing *placing = call->handler_state;
    for (size_t i = 0; kept && placing != NULL && i < placing->taken_back.count; i++)
        vt_stamps_remove_pending(vt_vault_stamps(call->vault), &placing->taken_back.items[i]);
}

/* Who is to be forgotten already can be held: that is what takes it back. */
static VT_RESULT held_subject(struct vt_call *call, struct vt_sid *out_sid)
{
    const struct vt_bytes external_id = vt_call_text(call, "subject"), hex = vt_call_text(call, "sid");
    const struct vt_subject_keys *keys;
    struct vt_subject_env env;
    struct vt_sid sid = EVERYBODY;
    vault_status found = VAULT_OK;
    if (external_id.data != NULL && hex.data != NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "sid", "Give the subject once: by external id or by sid.");
    vt_call_env(call, &env);
    if (hex.data != NULL) VT_TRY(vt_hex_decode(hex, sid.bytes, sizeof sid.bytes));
    if (external_id.data != NULL) found = vt_subject_by_external_id(&env, external_id, &sid);
    if (found == VAULT_E_SHRED_PENDING) found = VAULT_OK;
    if (found == VAULT_OK) found = vt_keyring_subject_keys(call->view, call->tenant, &sid, &keys);
    const char *argument = hex.data != NULL ? "sid" : "subject";
    if (found != VAULT_OK) return vt_call_explain(call, found, &(struct vt_scope){.sid = sid}, argument);
    *out_sid = sid;
    return vt_call_watch(call, out_sid);
}

static VT_RESULT placing_whom(struct vt_call *call, struct vt_hold *hold)
{
    const bool names_subject = vt_call_text(call, "subject").data != NULL || vt_call_text(call, "sid").data != NULL;
    VT_TRY(vt_call_category(call, "category", &hold->category));
    if (names_subject) return held_subject(call, &hold->sid);
    if (hold->category != VT_CATEGORY_ALL) return VAULT_OK;
    return vt_fail(&call->err, VAULT_E_ARGUMENT, "subject", "Say whom the hold is about, or which category of everybody.");
}

static VT_RESULT placing_fill(struct vt_call *call, struct placing *placing)
{
    const struct vt_bytes reason = vt_call_text(call, "reason"), matter = vt_call_text(call, "matter");
    struct vt_hold *hold = &placing->hold;
    hold->tenant = call->tenant;
    hold->placed_at_ms = call->now_ms;
    memcpy(hold->principal, call->principal.id, sizeof hold->principal);
    snprintf(hold->reason, sizeof hold->reason, "%.*s", (int)reason.len, (const char *)reason.data);
    VT_TRY(vt_random_bytes(hold->id, sizeof hold->id));
    placing->has_matter = matter.data != NULL;
    if (!placing->has_matter) return VAULT_OK;
    VT_TRY(vt_random_bytes(placing->salt, sizeof placing->salt));
    return vt_certificate_commit(placing->salt, matter, hold->commitment);
}

static vault_status hold_place_prepare(struct vt_call *call)
{
    struct placing *placing = vt_pool_calloc(&call->scratch, 1, sizeof *placing);
    struct vt_change *change;
    VT_ENSURE(placing != NULL, VAULT_E_MEMORY);
    placing->call = call;
    placing->taken_back.pool = &call->scratch;
    VT_TRY(placing_whom(call, &placing->hold));
    VT_TRY(placing_fill(call, placing));
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_change_hook_add(change, place_apply, placing));
    call->item_count++;
    call->handler_state = placing;
    return VAULT_OK;
}

static vault_status hold_place_answer(struct vt_call *call, struct vt_value *out_map)
{
    const struct placing *placing = call->handler_state;
    struct vt_value map = vt_value_map();
    char salt[2 * SALT_LEN + 1];
    VT_TRY(vt_put_id(call, &map, "hold", placing->hold.id));
    VT_TRY(vt_put_int(call, &map, "taken_back", (int64_t)placing->taken_back.count));
    vt_hex_encode(VT_BYTES_OF(placing->salt), salt);
    if (placing->has_matter) VT_TRY(vt_put_text(call, &map, "salt", salt));
    *out_map = map;
    return VAULT_OK;
}

static vault_status hold_place_finish(struct vt_call *call)
{
    struct vt_value map;
    VT_TRY(hold_place_answer(call, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_HOLD_PLACE = {.command = "hold.place", .prepare = hold_place_prepare,
                                                 .finish = hold_place_finish, .committed = place_committed,
                                                 .answer = hold_place_answer};

/* hold.release --------------------------------------------------------------------------------------------------------- */

static vault_status release_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    const struct vt_approval *approval = context;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    struct vt_hold hold;
    VT_TRY(vt_hold_find(view, approval->object, &hold));
    return vt_approval_put(view, txn, approval);
}

struct asked {
    const uint8_t *object;
    int64_t now_ms;
    struct vt_approval found;
};

static vault_status find_asked(void *context, const struct vt_approval *approval)
{
    struct asked *asked = context;
    const bool is_it = approval->kind == VT_APPROVAL_HOLD_RELEASE && asked->now_ms < approval->expires_at_ms &&
                       memcmp(approval->object, asked->object, sizeof approval->object) == 0;
    if (!is_it) return VAULT_OK;
    asked->found = *approval;
    return VAULT_E_EXISTS;          /* stop */
}

static VT_RESULT release_answer(struct vt_call *call, const struct vt_approval *approval)
{
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_id(call, &map, "approval", approval->id));
    VT_TRY(vt_put_time(call, &map, "expires_at", approval->expires_at_ms));
    return vt_call_result(call, &map);
}

static VT_RESULT release_plan(struct vt_call *call, const uint8_t id[16])
{
    struct vt_change *change;
    struct vt_approval *approval = vt_pool_calloc(&call->scratch, 1, sizeof *approval);
    VT_ENSURE(approval != NULL, VAULT_E_MEMORY);
    *approval = (struct vt_approval){.kind = VT_APPROVAL_HOLD_RELEASE, .state = VT_APPROVAL_WAITING, .needed = 1,
                                     .tenant = call->tenant, .asked_at_ms = call->now_ms,
                                     .expires_at_ms = call->now_ms + vt_vault_get_options(call->vault)->brake.expires_ms};
    memcpy(approval->object, id, sizeof approval->object);
    memcpy(approval->asked_by, call->principal.id, sizeof approval->asked_by);
    VT_TRY(vt_random_bytes(approval->id, sizeof approval->id));
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_change_hook_add(change, release_apply, approval));
    call->handler_state = approval;
    return release_answer(call, approval);
}

/* Asking twice is harmless: the first request stands, with whoever has asked for it. */
static vault_status hold_release_prepare(struct vt_call *call)
{
    uint8_t id[16];
    struct vt_hold hold;
    VT_TRY(vt_call_id(call, "hold", id));
    VT_TRY(vt_hold_find(call->view, id, &hold));
    struct asked asked = {.object = id, .now_ms = call->now_ms};
    const vault_status found = vt_approval_each(call->view, false, find_asked, &asked);
    if (found == VAULT_E_EXISTS) return release_answer(call, &asked.found);
    VT_TRY(found);
    return release_plan(call, id);
}

static void release_committed(struct vt_call *call, bool kept)
{
    if (kept && call->handler_state != NULL) vt_vault_look_at_approvals(call->vault);
}
const struct vt_handler VT_HANDLER_HOLD_RELEASE = {
    .command = "hold.release", .prepare = hold_release_prepare, .committed = release_committed};

/* hold.list ------------------------------------------------------------------------------------------------------------ */

struct hold_listing {
    struct vt_call *call;
    struct vt_value list;
    size_t limit;
    uint8_t after[16], last[16];
    bool is_behind, is_more;
};

static VT_RESULT put_category(struct vt_call *call, struct vt_value *map, uint16_t category)
{
    char letter[8];
    if (category == VT_CATEGORY_ALL) return VAULT_OK;
    snprintf(letter, sizeof letter, category <= 26 ? "%c" : "%u", category <= 26 ? 'A' + category - 1 : category);
    return vt_put_text(call, map, "category", letter);
}

static VT_RESULT hold_value(struct vt_call *call, const struct vt_hold *hold, struct vt_value *out_map)
{
    static const uint8_t NONE[32];
    struct vt_value map = vt_value_map();
    char commitment[65];
    VT_TRY(vt_put_id(call, &map, "hold", hold->id));
    if (!vt_sid_equal(&hold->sid, &EVERYBODY)) VT_TRY(vt_put_id(call, &map, "sid", hold->sid.bytes));
    VT_TRY(put_category(call, &map, hold->category));
    VT_TRY(vt_put_text(call, &map, "reason", hold->reason));
    vt_hex_encode(VT_BYTES_OF(hold->commitment), commitment);
    if (memcmp(hold->commitment, NONE, sizeof NONE) != 0) VT_TRY(vt_put_text(call, &map, "commitment", commitment));
    VT_TRY(vt_put_id(call, &map, "placed_by", hold->principal));
    VT_TRY(vt_put_time(call, &map, "placed_at", hold->placed_at_ms));
    *out_map = map;
    return VAULT_OK;
}

static vault_status list_hold(void *context, const struct vt_hold *hold)
{
    struct hold_listing *listing = context;
    struct vt_value map;
    if (!listing->is_behind) {
        listing->is_behind = memcmp(hold->id, listing->after, sizeof listing->after) == 0;
        return VAULT_OK;
    }
    if (listing->list.array.count == listing->limit) {
        listing->is_more = true;
        return VAULT_OK;
    }
    memcpy(listing->last, hold->id, sizeof listing->last);
    VT_TRY(hold_value(listing->call, hold, &map));
    return vt_value_push(&listing->call->scratch, &listing->list, map, NULL);
}

static vault_status hold_list_prepare(struct vt_call *call)
{
    struct hold_listing listing = {.call = call, .list = vt_value_array(),
                                   .limit = (size_t)vt_call_int(call, "limit", LIST_DEFAULT)};
    struct vt_value map = vt_value_map();
    listing.is_behind = vt_call_text(call, "after").data == NULL;
    if (!listing.is_behind) VT_TRY(vt_call_id(call, "after", listing.after));
    VT_TRY(vt_hold_each(call->view, list_hold, &listing));
    if (!listing.is_behind)         /* an empty page would say that there are no more */
        return vt_fail(&call->err, VAULT_E_NOT_FOUND, "after", "The hold to continue behind has ended: list again from the start.");
    VT_TRY(vt_put_value(call, &map, "holds", listing.list));
    if (listing.is_more) VT_TRY(vt_put_id(call, &map, "next", listing.last));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_HOLD_LIST = {.command = "hold.list", .prepare = hold_list_prepare};
