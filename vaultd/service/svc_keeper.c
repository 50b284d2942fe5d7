/* vaultd/service/svc_keeper.c - the keepers of the root key, as they last said and as they say now. */
#include <stdarg.h>
#include <stdio.h>

#include "vaultd/service/bind.h"
#include "vaultd/service/vault_internal.h"

enum { FINDING_MAX = 256 };

/* What they last said ----------------------------------------------------------------------------------------------- */

static VT_RESULT put_identity(struct vt_call *call, const struct vt_keeper_info *info, const struct vt_keeper_floor *floor,
                              struct vt_value *map)
{
    VT_TRY(vt_put_text(call, map, "name", info->name));
    VT_TRY(vt_put_value(call, map, "id", vt_value_uint(info->keeper_id)));
    VT_TRY(vt_put_text(call, map, "class", vt_keeper_class_name(info->keeper_class)));
    VT_TRY(vt_put_bool(call, map, "reachable", info->is_reachable));
    VT_TRY(vt_put_bool(call, map, "same_device", info->is_same_device_as_store));
    VT_TRY(vt_put_bool(call, map, "counts_for_final", vt_keeper_class_counts_for_final(info->keeper_class)));
    VT_TRY(vt_put_int(call, map, "floor_epoch", (int64_t)floor->epoch));
    return vt_put_int(call, map, "floor_commit", (int64_t)floor->commit_number);
}

static VT_RESULT put_keeper(struct vt_call *call, const struct vt_epoch_status *epoch, size_t index, struct vt_value *list)
{
    const struct vt_keeper_info *info = &epoch->keepers[index];
    const char *trouble = vt_epoch_keeper_trouble(epoch, index);
    struct vt_value map = vt_value_map();
    VT_TRY(put_identity(call, info, &epoch->floors[index], &map));
    VT_TRY(vt_put_text(call, &map, "verifier_key", info->verifier_key));
    if (trouble != NULL) VT_TRY(vt_put_text(call, &map, "last_error", trouble));
    return vt_value_push(&call->scratch, list, map, NULL);
}

VT_RESULT vt_put_keepers(struct vt_call *call, const struct vt_epoch_status *epoch, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < epoch->keeper_count; i++) VT_TRY(put_keeper(call, epoch, i, &list));
    return vt_put_value(call, map, "keepers", list);
}

static VT_RESULT put_need(struct vt_call *call, const struct vt_epoch_need *need, const char *name, struct vt_value *map)
{
    struct vt_value item = vt_value_map();
    const bool is_possible = need->have >= need->needed;
    VT_TRY(vt_put_bool(call, &item, "possible", is_possible));
    VT_TRY(vt_put_int(call, &item, "needed", need->needed));
    VT_TRY(vt_put_int(call, &item, "present", need->have));
    VT_TRY(vt_put_int(call, &item, "may_fail", is_possible ? need->have - need->needed : 0));
    return vt_put_value(call, map, name, item);
}

VT_RESULT vt_put_tolerance(struct vt_call *call, const struct vt_epoch_tolerance *tolerance, struct vt_value *map)
{
    struct vt_value item = vt_value_map();
    VT_TRY(put_need(call, &tolerance->opening, "opening", &item));
    VT_TRY(put_need(call, &tolerance->preparing, "preparing", &item));
    VT_TRY(put_need(call, &tolerance->erasing, "erasing", &item));
    return vt_put_value(call, map, "tolerance", item);
}

static vault_status keeper_list_prepare(struct vt_call *call)
{
    struct vt_epoch_status epoch;
    struct vt_value map = vt_value_map();
    VT_TRY(vt_epoch_status(vt_vault_epoch(call->vault), &epoch));
    VT_TRY(vt_put_keepers(call, &epoch, &map));
    VT_TRY(vt_put_int(call, &map, "quorum", epoch.quorum));
    VT_TRY(vt_put_tolerance(call, &epoch.may_fail, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_KEEPER_LIST = {.command = "keeper.list", .prepare = keeper_list_prepare};

/* What they say now --------------------------------------------------------------------------------------------------- */

struct checking {
    struct vt_call *call;
    const struct vt_epoch_check *check;
    uint64_t epoch;                     /* the present one */
    struct vt_value keepers, findings;
    bool is_sound;
};

/* @p format with the keeper's name in it. */
__attribute__((format(printf, 3, 4)))
static VT_RESULT find(struct checking *checking, bool is_fault, const char *format, ...)
{
    char text[FINDING_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct vt_bytes copy = vt_pool_copy(&checking->call->scratch, vt_bytes_str(text));
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    if (is_fault) checking->is_sound = false;
    return vt_value_push(&checking->call->scratch, &checking->findings, vt_value_text(copy), NULL);
}

static bool holds_older(const struct checking *checking, const struct vt_keeper_check *keeper)
{
    for (size_t i = 0; i < keeper->held_count; i++)
        if (keeper->held[i].epoch < checking->epoch) return true;
    return false;
}

static VT_RESULT find_about_share(struct checking *checking, const struct vt_keeper_check *keeper)
{
    const char *name = keeper->info.name;
    switch (keeper->share) {
    case VT_SHARE_NONE:
        return find(checking, true, "Keeper %s holds no share of the present epoch: it gets one when the next epoch is prepared.",
                    name);
    case VT_SHARE_WRONG: return find(checking, true, "The share of keeper %s does not fit the others: it opens nothing.", name);
    case VT_SHARE_UNCHECKED:
        if (checking->check->is_sealed)
            return find(checking, false, "Whether the share of keeper %s fits cannot be seen while the vault is sealed.", name);
        return find(checking, true, "Whether the share of keeper %s fits cannot be seen: too few others fit.", name);
    case VT_SHARE_FITS: break;
    }
    return VAULT_OK;
}

static VT_RESULT find_about(struct checking *checking, const struct vt_keeper_check *keeper)
{
    const char *name = keeper->info.name;
    if (checking->epoch == 0) return VAULT_OK;
    if (!keeper->info.is_reachable) return find(checking, true, "Keeper %s does not answer.", name);
    if (keeper->belongs == VT_KEEPER_TO_ANOTHER) return find(checking, true, "Keeper %s belongs to another vault.", name);
    VT_TRY(find_about_share(checking, keeper));
    if (holds_older(checking, keeper))
        VT_TRY(find(checking, true, "Keeper %s still holds a share of an earlier epoch: it erases that with the next floor.",
                    name));
    if (keeper->receipt == VT_RECEIPT_WRONG)
        VT_TRY(find(checking, true, "The receipt of keeper %s for the present epoch does not verify.", name));
    return VAULT_OK;
}

static VT_RESULT put_held(struct vt_call *call, const struct vt_keeper_check *keeper, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < keeper->held_count; i++) {
        const struct vt_keeper_held *held = &keeper->held[i];
        struct vt_value item = vt_value_map();
        VT_TRY(vt_put_int(call, &item, "epoch", (int64_t)held->epoch));
        VT_TRY(vt_put_int(call, &item, "incarnation", (int64_t)held->incarnation));
        VT_TRY(vt_put_text(call, &item, "state", held->state == VT_SLOT_COMMITTED ? "committed" : "prepared"));
        VT_TRY(vt_put_int(call, &item, "point", held->x));
        VT_TRY(vt_put_int(call, &item, "k", held->k));
        VT_TRY(vt_put_int(call, &item, "m", held->m));
        VT_TRY(vt_value_push(&call->scratch, &list, item, NULL));
    }
    return vt_put_value(call, map, "holds", list);
}

static VT_RESULT put_checked(struct checking *checking, const struct vt_keeper_check *keeper)
{
    static const char *const BELONGS[] = {"none", "this", "another"}, *const SHARES[] = {"none", "fits", "wrong", "unchecked"},
                      *const RECEIPTS[] = {"missing", "verified", "wrong"};
    struct vt_call *call = checking->call;
    struct vt_value map = vt_value_map();
    VT_TRY(put_identity(call, &keeper->info, &keeper->floor, &map));
    if (keeper->info.is_reachable) VT_TRY(vt_put_text(call, &map, "vault", BELONGS[keeper->belongs]));
    VT_TRY(put_held(call, keeper, &map));
    VT_TRY(vt_put_text(call, &map, "share", SHARES[keeper->share]));
    VT_TRY(vt_put_text(call, &map, "receipt", RECEIPTS[keeper->receipt]));
    return vt_value_push(&call->scratch, &checking->keepers, map, NULL);
}

/* Certificates wait for these. */
static VT_RESULT find_owing(struct checking *checking)
{
    for (size_t i = 0; i < checking->check->owing_count; i++) {
        const struct vt_keeper_owing *owing = &checking->check->owing[i];
        VT_TRY(find(checking, false,
                    "Keeper %s of id %llu, which held shares until epoch %llu, has not shown that it erased them: certificates "
                    "wait.",
                    owing->name, (unsigned long long)owing->id, (unsigned long long)owing->last_epoch));
    }
    return VAULT_OK;
}

/* Its share is of no use to anybody here, and a closing counts on it. */
static VT_RESULT find_missing(struct checking *checking)
{
    for (size_t i = 0; i < checking->check->missing_count; i++) {
        const struct vt_keeper_owing *missing = &checking->check->missing[i];
        VT_TRY(find(checking, true,
                    "Keeper %s of id %llu holds a share and is not in the settings: name it there again, or change the keepers.",
                    missing->name, (unsigned long long)missing->id));
    }
    return VAULT_OK;
}

static VT_RESULT check_run(struct checking *checking)
{
    struct vt_value map = vt_value_map();
    VT_TRY(find_owing(checking));
    VT_TRY(find_missing(checking));
    for (size_t i = 0; i < checking->check->count; i++) {
        VT_TRY(put_checked(checking, &checking->check->keepers[i]));
        VT_TRY(find_about(checking, &checking->check->keepers[i]));
    }
    VT_TRY(vt_put_bool(checking->call, &map, "is_sound", checking->is_sound));
    VT_TRY(vt_put_value(checking->call, &map, "keepers", checking->keepers));
    VT_TRY(vt_put_tolerance(checking->call, &checking->check->tolerance, &map));
    VT_TRY(vt_put_value(checking->call, &map, "findings", checking->findings));
    return vt_call_result(checking->call, &map);
}

/* The call holds no snapshot while it waits, for a keeper or for the close of an epoch: the fence waits for readers. */
static void let_go(struct vt_call *call)
{
    if (call->view != NULL) vt_keyring_view_end(call->view);
    call->view = NULL;
    if (call->txn != NULL) vt_txn_abort(call->txn);
    call->txn = NULL;
}

/* @p check in the call's memory. */
static VT_RESULT ask_keepers(struct vt_call *call, struct vt_epoch_check *check)
{
    const vault_status status = vt_epoch_check(vt_vault_epoch(call->vault), check);
    if (status != VAULT_E_BUSY) return status;
    return vt_fail(&call->err, status, NULL,
                   "The keepers have one caller at a time, and an epoch is closing or one of them is slow to answer: ask again.");
}

static vault_status keeper_check_prepare(struct vt_call *call)
{
    struct vt_epoch_check *check = vt_pool_alloc(&call->scratch, sizeof *check);
    struct vt_epoch_status epoch;
    VT_ENSURE(check != NULL, VAULT_E_MEMORY);
    let_go(call);
    VT_TRY(ask_keepers(call, check));
    VT_TRY(vt_epoch_status(vt_vault_epoch(call->vault), &epoch));
    struct checking checking = {.call = call, .check = check, .epoch = epoch.epoch, .keepers = vt_value_array(),
                                .findings = vt_value_array(), .is_sound = true};
    return check_run(&checking);
}
const struct vt_handler VT_HANDLER_KEEPER_CHECK = {.command = "keeper.check", .prepare = keeper_check_prepare};

/* keeper.change --------------------------------------------------------------------------------------------------------- */

static bool read_name(const struct vt_value *item, char out_name[65])
{
    uint64_t id;
    if (item->kind == VT_VALUE_TEXT && item->bytes.len != 0 && item->bytes.len <= 64) {
        memcpy(out_name, item->bytes.data, item->bytes.len);
        out_name[item->bytes.len] = '\0';
        return true;
    }
    if (item->kind == VT_VALUE_UINT) id = item->unsigned_integer;
    else if (item->kind == VT_VALUE_INT && item->integer > 0) id = (uint64_t)item->integer;
    else return false;
    snprintf(out_name, 65, "%llu", (unsigned long long)id);
    return true;
}

static VT_RESULT read_names(struct vt_call *call, const char *field, char names[VT_KEEPERS_MAX][65], size_t *out_count)
{
    const struct vt_value *list = vt_call_value(call, field);
    const size_t count = list != NULL ? list->array.count : 0;
    if (count > VT_KEEPERS_MAX) return vt_fail(&call->err, VAULT_E_ARGUMENT, field, "There are no more than 16 keepers.");
    for (size_t i = 0; i < count; i++) {
        const struct vt_value *item = &list->array.items[i];
        if (!read_name(item, names[i]))
            return vt_fail(&call->err, VAULT_E_TYPE, field,
                           "A keeper is named as in the settings, 1 to 64 characters, or by its id.");
    }
    *out_count = count;
    return VAULT_OK;
}

static VT_RESULT read_wish(struct vt_call *call, struct vt_keeper_wish *wish)
{
    *wish = (struct vt_keeper_wish){.leave_count = 0};
    VT_TRY(read_names(call, "leave", wish->leave, &wish->leave_count));
    return read_names(call, "lost", wish->lost, &wish->lost_count);
}

static VT_RESULT make_plan(struct vt_call *call, const struct vt_keeper_wish *wish, struct vt_keeper_plan *plan)
{
    struct vt_epoch *epoch = vt_vault_epoch(call->vault);
    struct vt_epoch_check *check = vt_pool_alloc(&call->scratch, sizeof *check);
    VT_ENSURE(check != NULL, VAULT_E_MEMORY);
    VT_TRY(ask_keepers(call, check));
    return vt_epoch_plan_change(epoch, wish, check, plan, &call->err);
}

static VT_RESULT put_part(struct vt_call *call, const struct vt_keeper_plan *plan, enum vt_keeper_part part, const char *name,
                          struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < plan->count; i++) {
        struct vt_value item = vt_value_map();
        if (plan->items[i].part != part) continue;
        VT_TRY(vt_put_text(call, &item, "name", plan->items[i].name));
        if (plan->items[i].id != 0) VT_TRY(vt_put_value(call, &item, "id", vt_value_uint(plan->items[i].id)));
        VT_TRY(vt_value_push(&call->scratch, &list, item, NULL));
    }
    return vt_put_value(call, map, name, list);
}

static VT_RESULT put_plan(struct vt_call *call, const struct vt_keeper_plan *plan, struct vt_value *map)
{
    struct vt_epoch_status epoch;
    VT_TRY(vt_epoch_status(vt_vault_epoch(call->vault), &epoch));
    VT_TRY(put_part(call, plan, VT_KEEPER_STAYS, "stay", map));
    VT_TRY(put_part(call, plan, VT_KEEPER_JOINS, "join", map));
    VT_TRY(put_part(call, plan, VT_KEEPER_LEAVES, "leave", map));
    VT_TRY(put_part(call, plan, VT_KEEPER_IS_LOST, "lost", map));
    VT_TRY(vt_put_int(call, map, "quorum", plan->k));
    return vt_put_int(call, map, "epoch", (int64_t)epoch.epoch);
}

struct attesting {
    struct vt_vault *vault;
    struct vt_attestation attestation;
    struct vt_buf note, evidence;
};

static vault_status attest_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct attesting *attesting = context;
    vt_buf_reset(&attesting->note);
    vt_buf_reset(&attesting->evidence);
    VT_TRY(vt_epoch_attest(vt_vault_epoch(attesting->vault), vt_keyring_write_view(write), txn, &attesting->attestation,
                           &attesting->note));
    return vt_audit_evidence_write(&attesting->evidence, vt_buf_bytes(&attesting->note));
}

static void attest_committed(void *context, bool kept)
{
    struct attesting *attesting = context;
    if (kept) vt_epoch_attested(vt_vault_epoch(attesting->vault), &attesting->attestation);
}

/* Who says so is named in the leaf, and the note that says it lies behind it. */
static VT_RESULT attest_one(struct vt_call *call, uint64_t keeper_id)
{
    struct attesting attesting = {.vault = call->vault, .note = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX),
                                  .evidence = VT_BUF_INIT(VT_AUDIT_PAYLOADS_MAX),
                                  .attestation = {.keeper_id = keeper_id, .at_ms = call->now_ms}};
    memcpy(attesting.attestation.principal, call->principal.id, sizeof attesting.attestation.principal);
    struct vt_epoch_status status;
    VT_TRY(vt_epoch_status(vt_vault_epoch(call->vault), &status));
    struct vt_commit_item item = {.is_reserved = true, .exclusive = attest_apply, .on_committed = attest_committed,
                                  .context = &attesting, .payloads = &attesting.evidence};
    item.leaf.effect = VT_AUDIT_SYSTEM;
    item.leaf.incarnation = status.incarnation;
    item.leaf.item_count = 1;
    memcpy(item.leaf.principal, call->principal.id, sizeof item.leaf.principal);
    const vault_status committed = vt_vault_commit_wait(call->vault, &item);
    vt_buf_release(&attesting.note);
    vt_buf_release(&attesting.evidence);
    return committed;
}

/* No epoch begins to close between the commit of somebody's word and its being noted. */
static VT_RESULT attest_lost(struct vt_call *call, const struct vt_keeper_plan *plan)
{
    vault_status status = VAULT_OK;
    pthread_mutex_lock(&call->vault->closing_mutex);
    for (size_t i = 0; i < plan->count && status == VAULT_OK; i++)
        if (plan->items[i].part == VT_KEEPER_IS_LOST) status = attest_one(call, plan->items[i].id);
    pthread_mutex_unlock(&call->vault->closing_mutex);
    return status == VAULT_E_BUSY ? vt_fail(&call->err, status, "lost", "An epoch is closing: ask again.") : status;
}

static VT_RESULT change_run(struct vt_call *call, const struct vt_keeper_plan *plan)
{
    VT_TRY(vt_epoch_make_keepers(vt_vault_epoch(call->vault), plan, &call->err));
    VT_TRY(attest_lost(call, plan));
    if (plan->is_same) return VAULT_OK;             /* only somebody's word was wanted */
    const vault_status status = vt_vault_change_keepers(call->vault, plan);
    if (status != VAULT_E_KEEPER) return status;
    return vt_fail(&call->err, status, NULL,
                   "Not every keeper took a share of the next epoch, or too few have erased the old one: see keeper check, and "
                   "ask again.");
}

static vault_status keeper_change_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    struct vt_keeper_wish wish;
    struct vt_keeper_plan plan;
    VT_TRY(read_wish(call, &wish));
    let_go(call);
    VT_TRY(make_plan(call, &wish, &plan));
    const bool is_dry = vt_call_bool(call, "dry_run", false);
    if (!is_dry && plan.is_same && wish.lost_count == 0)
        return vt_fail(&call->err, VAULT_E_STATE, NULL, "The keepers of the settings hold the shares already: nothing to change.");
    if (!is_dry) VT_TRY(change_run(call, &plan));
    VT_TRY(put_plan(call, &plan, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_KEEPER_CHANGE = {.command = "keeper.change", .prepare = keeper_change_prepare};
