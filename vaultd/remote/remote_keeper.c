#include "vaultd/remote/remote_keeper.h"

#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/clock.h"
#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/proof/note.h"

#define SIGNER_PREFIX "vaultd-keeper/"
enum { SIGNER_PREFIX_LEN = sizeof SIGNER_PREFIX - 1, NS_PER_MS = 1000 * 1000, NAME_MAX_LEN = 64 };

struct remote {
    struct vt_keeper base;
    struct vt_link *link;
    struct vt_keeper_info info;
    struct vt_vault_id vault_id;
    uint32_t deadline_ms;
    uint64_t not_before_ns;                 /* a deadline has passed: not asked before this */
    uint32_t next_id;
    bool is_open;
    bool is_read_only;
    bool is_away;                           /* as last said to `changed` */
    void (*changed)(void *context, const char *name, vault_status status, const char *why);
    void *context;
};

static struct remote *remote_of(struct vt_keeper *keeper)
{
    return (struct remote *)(void *)keeper;
}

/* Asking ----------------------------------------------------------------------------------------------------------- */

/** One operation on its way. */
struct asking {
    struct vt_remote_request *request;
    struct vt_remote_result *result;
    vault_status said;
    uint64_t deadline_ns;
    struct vt_err err;
};

static VT_RESULT ask_once(struct remote *remote, const struct vt_remote_request *request, struct asking *asking)
{
    VT_AUTO(vt_buf) frame = VT_BUF_INIT(VT_REMOTE_REQUEST_MAX);
    VT_AUTO(vt_buf) answer = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
    const uint32_t id = remote->next_id++;
    VT_TRY(vt_remote_write_request(&frame, id, request));
    VT_TRY(remote->link->ops->exchange(remote->link, vt_buf_bytes(&frame), asking->deadline_ns, &answer, &asking->err));
    const vault_status status = vt_remote_read_result(vt_buf_bytes(&answer), id, request->op, &asking->said, asking->result);
    if (status == VAULT_OK) return VAULT_OK;
    return vt_fail(&asking->err, status, NULL, "Its answer is none of the keeper protocol.");
}

/* Whoever answers there must be the keeper of the settings, and speak this version. */
static VT_RESULT greet(struct remote *remote, struct asking *asking)
{
    VT_AUTO(vt_remote_result) result = VT_REMOTE_RESULT_INIT;
    struct asking greeting = {.result = &result, .deadline_ns = asking->deadline_ns, .err = {{0}, {0}}};
    const struct vt_remote_request info = {.op = VT_REMOTE_INFO, .vault_id = remote->vault_id};
    const vault_status status = ask_once(remote, &info, &greeting);
    asking->err = greeting.err;
    VT_TRY(status);
    if (greeting.said != VAULT_OK)
        return vt_fail(&asking->err, VAULT_E_PROTOCOL, NULL, "It refuses to say who it is: %s", vault_status_text(greeting.said));
    const bool is_it = result.keeper_id == remote->info.keeper_id &&
                       vt_bytes_equal_str(vt_bytes_str(result.verifier_key), remote->info.verifier_key);
    if (is_it) return VAULT_OK;
    return vt_fail(&asking->err, VAULT_E_AUTHENTICITY, NULL, "It is another keeper than the setting `verifier` says.");
}

static VT_RESULT try_once(struct remote *remote, struct asking *asking)
{
    if (!remote->is_open) {
        VT_TRY(remote->link->ops->open(remote->link, asking->deadline_ns, &asking->err));
        remote->is_open = true;
        VT_TRY(greet(remote, asking));
    }
    return ask_once(remote, asking->request, asking);
}

static void hang_up(struct remote *remote)
{
    remote->link->ops->close(remote->link);
    remote->is_open = false;
}

/* Whoever has recorded what passed between the two and finds the keys of the connection later, in either's memory, would have the
 * share that has just been erased. So these keys end with it; the next question makes others. */
static void forget_keys(struct remote *remote)
{
    hang_up(remote);
}

/* Status says why, until it answers again; the log says it once. */
static void say_changed(struct remote *remote, vault_status status, const struct vt_err *err)
{
    const bool is_away = status != VAULT_OK;
    const char *why = !is_away ? "" : err->message[0] != '\0' ? err->message : vault_status_text(status);
    snprintf(remote->info.refusal, sizeof remote->info.refusal, "%s", why);
    if (is_away == remote->is_away) return;
    remote->is_away = is_away;
    if (remote->changed != NULL) remote->changed(remote->context, remote->info.name, status, why);
}

/* A keeper that was restarted, or a connection that a firewall has dropped, shows in the first question after it. */
static VT_RESULT carry(struct remote *remote, struct asking *asking)
{
    const bool is_old = remote->is_open;
    vault_status status = try_once(remote, asking);
    if (status != VAULT_OK) hang_up(remote);
    if (status == VAULT_OK || status == VAULT_E_TIMEOUT || !is_old) return status;
    asking->err = (struct vt_err){{0}, {0}};
    status = try_once(remote, asking);
    if (status != VAULT_OK) hang_up(remote);
    return status;
}

/* A status that its contract does not know is no answer of a keeper. */
static vault_status outcome(vault_status said)
{
    switch (said) {
    case VAULT_OK:
    case VAULT_E_CONFLICT:
    case VAULT_E_ROLLBACK:
    case VAULT_E_NOT_FOUND: return said;
    default: return VAULT_E_KEEPER;
    }
}

static VT_RESULT ask(struct remote *remote, struct vt_remote_request *request, struct vt_remote_result *result)
{
    const uint64_t now_ns = vt_monotonic_ns();
    VT_ENSURE(now_ns >= remote->not_before_ns, VAULT_E_KEEPER);
    struct asking asking = {.request = request, .result = result, .err = {{0}, {0}},
                            .deadline_ns = now_ns + (uint64_t)remote->deadline_ms * NS_PER_MS};
    request->vault_id = remote->vault_id;
    const vault_status status = carry(remote, &asking);
    remote->not_before_ns =
        status == VAULT_E_TIMEOUT ? vt_monotonic_ns() + (uint64_t)remote->deadline_ms * NS_PER_MS : 0;
    const vault_status answer = status == VAULT_OK ? outcome(asking.said) : VAULT_E_KEEPER;
    say_changed(remote, status != VAULT_OK ? status : answer == VAULT_E_KEEPER ? asking.said : VAULT_OK, &asking.err);
    return answer;
}

/* Operations that give nothing back. */
static vault_status tell(struct remote *remote, struct vt_remote_request *request)
{
    VT_AUTO(vt_remote_result) result = VT_REMOTE_RESULT_INIT;
    VT_ENSURE(!remote->is_read_only, VAULT_E_READ_ONLY);
    return ask(remote, request, &result);
}

/* The operations ---------------------------------------------------------------------------------------------------- */

/* Of the settings; whether it answers is known when it is asked something. */
static vault_status remote_info(struct vt_keeper *keeper, struct vt_keeper_info *out_info)
{
    *out_info = remote_of(keeper)->info;
    return VAULT_OK;
}

static vault_status remote_read(struct vt_keeper *keeper, struct vt_keeper_slot out_slots[VT_KEEPER_SLOTS], size_t *out_count)
{
    VT_AUTO(vt_remote_result) result = VT_REMOTE_RESULT_INIT;
    VT_TRY(ask(remote_of(keeper), &(struct vt_remote_request){.op = VT_REMOTE_READ}, &result));
    memcpy(out_slots, result.slots, result.slot_count * sizeof out_slots[0]);
    *out_count = result.slot_count;
    return VAULT_OK;
}

static vault_status remote_floor(struct vt_keeper *keeper, struct vt_keeper_floor *out_floor)
{
    VT_AUTO(vt_remote_result) result = VT_REMOTE_RESULT_INIT;
    VT_TRY(ask(remote_of(keeper), &(struct vt_remote_request){.op = VT_REMOTE_FLOOR}, &result));
    *out_floor = result.floor;
    return VAULT_OK;
}

/* A vault that is being initialised has its id from here on. */
static vault_status remote_prepare(struct vt_keeper *keeper, const struct vt_keeper_slot *slot)
{
    struct remote *remote = remote_of(keeper);
    struct vt_remote_request request = {.op = VT_REMOTE_PREPARE, .slot = *slot};
    remote->vault_id = slot->vault_id;
    const vault_status status = tell(remote, &request);
    vt_wipe(&request, sizeof request);
    return status;
}

static vault_status remote_finalize(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                                    const uint8_t attempt[VT_ATTEMPT_LEN], uint64_t commit_number, int64_t now_ms,
                                    struct vt_keeper_receipt *out_receipt)
{
    (void)now_ms;                           /* the receipt has the keeper's own time */
    struct remote *remote = remote_of(keeper);
    VT_AUTO(vt_remote_result) result = VT_REMOTE_RESULT_INIT;
    struct vt_remote_request request = {
        .op = VT_REMOTE_FINALIZE, .incarnation = incarnation, .epoch = epoch, .commit_number = commit_number};
    memcpy(request.attempt, attempt, VT_ATTEMPT_LEN);
    VT_ENSURE(!remote->is_read_only, VAULT_E_READ_ONLY);
    VT_TRY(ask(remote, &request, &result));
    forget_keys(remote);
    vt_buf_move(&out_receipt->note, &result.receipt);
    return VAULT_OK;
}

static vault_status remote_abort(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                                 const uint8_t attempt[VT_ATTEMPT_LEN])
{
    struct vt_remote_request request = {.op = VT_REMOTE_ABORT, .incarnation = incarnation, .epoch = epoch};
    memcpy(request.attempt, attempt, VT_ATTEMPT_LEN);
    VT_TRY(tell(remote_of(keeper), &request));
    forget_keys(remote_of(keeper));
    return VAULT_OK;
}

static vault_status remote_raise_floor(struct vt_keeper *keeper, const struct vt_keeper_floor *floor)
{
    struct remote *remote = remote_of(keeper);
    VT_ENSURE(memcmp(&floor->vault_id, &remote->vault_id, sizeof floor->vault_id) == 0, VAULT_E_CONFLICT);
    return tell(remote, &(struct vt_remote_request){.op = VT_REMOTE_RAISE_FLOOR, .incarnation = floor->incarnation,
                                                    .epoch = floor->epoch, .commit_number = floor->commit_number});
}

static void remote_free(struct vt_keeper *keeper)
{
    struct remote *remote = remote_of(keeper);
    hang_up(remote);
    remote->link->ops->free(remote->link);
    free(remote);
}

static const struct vt_keeper_ops remote_ops = {
    .info = remote_info, .read = remote_read, .prepare = remote_prepare, .finalize = remote_finalize,
    .abort = remote_abort, .floor = remote_floor, .raise_floor = remote_raise_floor, .free = remote_free,
};

/* Opening ---------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_remote_verifier_check(const char *verifier_key, uint64_t *out_keeper_id)
{
    struct vt_note_verifier verifier;
    struct vt_keeper_info info;
    uint8_t id[8];
    VT_ENSURE(strlen(verifier_key) < sizeof info.verifier_key, VAULT_E_ARGUMENT);
    VT_ENSURE(vt_note_verifier_parse(vt_bytes_str(verifier_key), &verifier) == VAULT_OK, VAULT_E_ARGUMENT);
    VT_ENSURE(strncmp(verifier.name, SIGNER_PREFIX, SIGNER_PREFIX_LEN) == 0, VAULT_E_ARGUMENT);
    VT_ENSURE(vt_hex_decode(vt_bytes_str(verifier.name + SIGNER_PREFIX_LEN), id, sizeof id) == VAULT_OK, VAULT_E_ARGUMENT);
    if (out_keeper_id != NULL) *out_keeper_id = vt_get_u64(id);
    return VAULT_OK;
}

static VT_RESULT take_options(struct remote *remote, const struct vt_remote_options *options)
{
    VT_ENSURE(options->name[0] != '\0' && strlen(options->name) <= NAME_MAX_LEN, VAULT_E_ARGUMENT);
    VT_TRY(vt_remote_verifier_check(options->verifier_key, &remote->info.keeper_id));
    snprintf(remote->info.name, sizeof remote->info.name, "%s", options->name);
    snprintf(remote->info.verifier_key, sizeof remote->info.verifier_key, "%s", options->verifier_key);
    remote->info.keeper_class = VT_KEEPER_E4;
    remote->info.is_reachable = true;
    remote->deadline_ms = options->deadline_ms != 0 ? options->deadline_ms : VT_REMOTE_DEADLINE_MS;
    remote->is_read_only = options->is_read_only;
    remote->vault_id = options->vault_id;
    remote->changed = options->changed;
    remote->context = options->context;
    return VAULT_OK;
}

VT_RESULT vt_remote_keeper_open(const struct vt_remote_options *options, struct vt_link *link, struct vt_keeper **out_keeper)
{
    struct remote *remote = vt_calloc(1, sizeof *remote);
    vault_status status = remote != NULL ? take_options(remote, options) : VAULT_E_MEMORY;
    if (status != VAULT_OK) {
        link->ops->free(link);
        free(remote);
        return status;
    }
    remote->base.ops = &remote_ops;
    remote->link = link;
    *out_keeper = &remote->base;
    return VAULT_OK;
}
