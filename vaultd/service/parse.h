/* vaultd/service/parse.h - arguments that need more than their kind's check. Private to this folder. */
#pragma once
#include "vaultd/service/call.h"

struct vt_restore_report;

/** An RFC 3339 time argument. @return VAULT_E_ARGUMENT with a sentence; @p otherwise when absent */
VT_RESULT vt_call_time(struct vt_call *call, const char *name, int64_t otherwise, int64_t *out_at_ms);
/** When something ends: 0, for never, when absent and only then. @return VAULT_E_ARGUMENT, also when that is past */
VT_RESULT vt_call_future_time(struct vt_call *call, const char *name, int64_t *out_at_ms);
/** A category by letter or loaded id. @return VAULT_E_ARGUMENT; VT_CATEGORY_ALL when absent */
VT_RESULT vt_call_category(struct vt_call *call, const char *name, uint16_t *out_category);
/** A 16-byte id in hex. @return VAULT_E_NOT_FOUND when absent */
VT_RESULT vt_call_id(struct vt_call *call, const char *name, uint8_t out_id[16]);
/** What a restore says of itself; svc_backup.c. */
VT_RESULT vt_call_restore_report(struct vt_call *call, const struct vt_restore_report *report, struct vt_value *out_map);
