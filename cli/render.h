/* cli/render.h - results for people and for programs. For people: aligned keys and values, lists of maps as columns,
 * longer texts as blocks; control characters are shown as \xNN, so that stored text cannot steer a terminal. For
 * programs: JSON with the keys of the API. Thread: any. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/codec/value.h"

/** Append @p value as a table. @return VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_cli_render_table(struct vt_buf *out, const struct vt_value *value);
/** Append @p value as one JSON object and a line break. */
VT_RESULT vt_cli_render_json(struct vt_buf *out, const struct vt_value *value, bool is_pretty);
/** One result alone: text as it is, bytes as they are (both may be piped on), anything else as JSON. A line break
 *  follows text that has none. */
VT_RESULT vt_cli_render_bare(struct vt_buf *out, const struct vt_value *value, bool is_terminal);
