/* libvault/codec/yaml.h - values from YAML through libyaml's events: one document, no aliases, no anchors, no tags but
 * the core ones, no key twice, limits.h. Plain scalars resolve by the YAML 1.2 core schema (true/false, integers,
 * floats, null); quoted ones are text. Every value knows its line. Thread: any. */
#pragma once
#include "libvault/codec/value.h"

/** @return VAULT_E_PARSE (err.message names the line), VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_yaml_read(struct vt_pool *pool, struct vt_bytes text, struct vt_value *out_value, struct vt_err *err);
