/* vaultd/service/bind.h - every handler, one extern per command, and the helpers that svc_<group>.c share.
 * Private to this folder. */
#pragma once
#include "vaultd/service/call.h"
#include "libvault/schema/cmd_internal.h"

#define VT_DECLARE_HANDLER(name) extern const struct vt_handler VT_HANDLER_##name;
VT_ALL_COMMANDS(VT_DECLARE_HANDLER)
#undef VT_DECLARE_HANDLER

/* Building results in call->scratch. */
VT_RESULT vt_put_text(struct vt_call *call, struct vt_value *map, const char *key, const char *text);
VT_RESULT vt_put_bytes_text(struct vt_call *call, struct vt_value *map, const char *key, struct vt_bytes text);
VT_RESULT vt_put_int(struct vt_call *call, struct vt_value *map, const char *key, int64_t number);
VT_RESULT vt_put_bool(struct vt_call *call, struct vt_value *map, const char *key, bool is_true);
VT_RESULT vt_put_value(struct vt_call *call, struct vt_value *map, const char *key, struct vt_value value);
VT_RESULT vt_put_id(struct vt_call *call, struct vt_value *map, const char *key, const uint8_t id[16]);
VT_RESULT vt_put_time(struct vt_call *call, struct vt_value *map, const char *key, int64_t at_ms);
/** `keepers`, and `tolerance`. */
VT_RESULT vt_put_keepers(struct vt_call *call, const struct vt_epoch_status *epoch, struct vt_value *map);
VT_RESULT vt_put_tolerance(struct vt_call *call, const struct vt_epoch_tolerance *tolerance, struct vt_value *map);
/** {status, code, message, certificate?} of one item of a batch. */
VT_RESULT vt_put_item_error(struct vt_call *call, struct vt_value *map, vault_status status);
