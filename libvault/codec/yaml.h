/* libvault/codec/yaml.h - values from YAML through libyaml's events: one document, no aliases, no anchors, no tags but
 * the core ones, no key twice, limits.h. Plain scalars resolve by the YAML 1.2 core schema (true/false, integers,
 * floats, null); quoted ones are text. Stricter than the schema where a slip would change a value in silence: an
 * integer that begins with 0 (a ZIP code, an octal mode), one past 64 bits, and .inf or .nan are refused. Keys are text
 * as they stand. Every value knows its line. libyaml's own copies are freed unwiped: configuration, schemas and
 * policies come as YAML, personal data never does. Thread: any. */
#pragma once
#include "libvault/codec/value.h"

/** Read the one document in @p text; a text without one is null.
 *  @param out_value  lives in @p pool, texts included
 *  @return VAULT_E_PARSE (err.message names the line), VAULT_E_TOO_LARGE by limits.h, VAULT_E_MEMORY */
VT_RESULT vt_yaml_read(struct vt_pool *pool, struct vt_bytes text, struct vt_value *out_value, struct vt_err *err);
