#include "vaultd/remote/answer.h"

static bool is_same_vault(const struct vt_vault_id *a, const struct vt_vault_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* A keeper that has never finalised anything is anybody's: an initialisation that was given up is cleared by the next one, which
 * has another vault id or none yet. */
static VT_RESULT belongs_to(struct vt_keeper *keeper, const struct vt_vault_id *vault_id, bool *out_belongs)
{
    struct vt_keeper_floor floor;
    VT_TRY(keeper->ops->floor(keeper, &floor));
    *out_belongs = floor.epoch == 0 || is_same_vault(&floor.vault_id, vault_id);
    return VAULT_OK;
}

/* Another vault's shares are not shown; that they are another's, FLOOR tells. */
static VT_RESULT answer_read(struct vt_keeper *keeper, const struct vt_remote_request *request, struct vt_remote_result *result)
{
    bool belongs;
    VT_TRY(belongs_to(keeper, &request->vault_id, &belongs));
    return belongs ? keeper->ops->read(keeper, result->slots, &result->slot_count) : VAULT_OK;
}

static VT_RESULT answer_info(struct vt_keeper *keeper, struct vt_remote_result *result)
{
    struct vt_keeper_info info;
    VT_TRY(keeper->ops->info(keeper, &info));
    result->keeper_id = info.keeper_id;
    memcpy(result->verifier_key, info.verifier_key, sizeof result->verifier_key);
    return VAULT_OK;
}

/* A whole root key that lies in memory alone is lost with the next power cut. */
static VT_RESULT answer_prepare(struct vt_keeper *keeper, const struct vt_remote_request *request)
{
    VT_ENSURE(request->slot.m > 1, VAULT_E_ARGUMENT);
    return keeper->ops->prepare(keeper, &request->slot);
}

static VT_RESULT answer_finalize(struct vt_keeper *keeper, const struct vt_clock *clock, const struct vt_remote_request *request,
                                 struct vt_remote_result *result)
{
    VT_AUTO(vt_keeper_receipt) receipt = VT_KEEPER_RECEIPT_INIT;
    VT_TRY(keeper->ops->finalize(keeper, request->incarnation, request->epoch, request->attempt, request->commit_number,
                                 vt_clock_now_ms(clock), &receipt));
    vt_buf_move(&result->receipt, &receipt.note);
    return VAULT_OK;
}

static VT_RESULT answer_raise_floor(struct vt_keeper *keeper, const struct vt_remote_request *request)
{
    const struct vt_keeper_floor floor = {request->vault_id, request->incarnation, request->epoch, request->commit_number};
    return keeper->ops->raise_floor(keeper, &floor);
}

static VT_RESULT change(struct vt_keeper *keeper, const struct vt_clock *clock, const struct vt_remote_request *request,
                        struct vt_remote_result *result)
{
    bool belongs;
    VT_TRY(belongs_to(keeper, &request->vault_id, &belongs));
    VT_ENSURE(belongs, VAULT_E_CONFLICT);
    switch (request->op) {
    case VT_REMOTE_PREPARE: return answer_prepare(keeper, request);
    case VT_REMOTE_FINALIZE: return answer_finalize(keeper, clock, request, result);
    case VT_REMOTE_ABORT: return keeper->ops->abort(keeper, request->incarnation, request->epoch, request->attempt);
    default: return answer_raise_floor(keeper, request);
    }
}

static VT_RESULT perform(struct vt_keeper *keeper, const struct vt_clock *clock, const struct vt_remote_request *request,
                         struct vt_remote_result *result)
{
    switch (request->op) {
    case VT_REMOTE_INFO: return answer_info(keeper, result);
    case VT_REMOTE_READ: return answer_read(keeper, request, result);
    case VT_REMOTE_FLOOR: return keeper->ops->floor(keeper, &result->floor);
    default: return change(keeper, clock, request, result);
    }
}

static void note(struct vt_remote_event *event, const struct vt_remote_request *request)
{
    const bool is_prepare = request->op == VT_REMOTE_PREPARE;
    event->op = request->op;
    event->incarnation = is_prepare ? request->slot.incarnation : request->incarnation;
    event->epoch = is_prepare ? request->slot.epoch : request->epoch;
}

static VT_RESULT answer_request(struct vt_keeper *keeper, const struct vt_clock *clock, struct vt_bytes frame, struct vt_buf *out,
                                struct vt_remote_request *request, struct vt_remote_event *event)
{
    VT_AUTO(vt_remote_result) result = VT_REMOTE_RESULT_INIT;
    int64_t message_id;
    vault_status status = vt_remote_read_request(frame, &message_id, request);
    VT_ENSURE(message_id >= 0, VAULT_E_PROTOCOL);
    event->is_request = true;
    if (status == VAULT_OK) {
        note(event, request);
        status = perform(keeper, clock, request, &result);
    }
    event->status = status;
    if (status == VAULT_OK) return vt_remote_write_result(out, message_id, request->op, &result);
    return vt_rpc_write_error(out, message_id, &(struct vt_rpc_error){.status = status});
}

VT_RESULT vt_remote_answer(struct vt_keeper *keeper, const struct vt_clock *clock, struct vt_bytes frame, struct vt_buf *out,
                           struct vt_remote_event *out_event)
{
    struct vt_remote_event event = {.op = VT_REMOTE_OPS, .status = VAULT_E_PROTOCOL};
    struct vt_remote_request request;
    memset(&request, 0, sizeof request);
    const vault_status status = answer_request(keeper, clock, frame, out, &request, &event);
    vt_wipe(&request, sizeof request);
    *out_event = event;
    return status;
}
