/* vaultd/service/svc_clock.c - the test clock: dev mode and test builds only; what is signed meanwhile says so. */
#include "vaultd/service/bind.h"
#include "vaultd/service/parse.h"

static vault_status clock_set_prepare(struct vt_call *call)
{
    struct vt_clock *clock = vt_vault_get_options(call->vault)->settable_clock;
    struct vt_value map = vt_value_map();
    int64_t wished;
    if (clock == NULL) return vt_fail(&call->err, VAULT_E_UNSUPPORTED, NULL, "The clock of this vault cannot be set.");
    VT_TRY(vt_call_time(call, "now", 0, &wished));
    vt_clock_shift(clock, wished - vt_clock_now_ms(clock));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_CLOCK_SET = {.command = "clock.set", .prepare = clock_set_prepare};
