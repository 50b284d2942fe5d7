/* libvault/schema/schema_read_internal.h - reading schemas and mappings strictly: every key known, every line named.
 * Thread: any, on the caller's values. */
#pragma once
#include "libvault/codec/value.h"

/** A map being read, and where complaints about it go. */
struct vt_schema_reader {
    const struct vt_value *map;
    const char *path;           /* "fields[3]", or "" for the document */
    struct vt_err *err;
};

/** "Line N: SENTENCE", the line when @p at knows one; err->field is the path. @return @p status */
__attribute__((format(printf, 4, 5))) vault_status vt_schema_refuse(const struct vt_schema_reader *reader,
                                                                    vault_status status, const struct vt_value *at,
                                                                    const char *format, ...);
/** The reader's value is a map whose keys are all in @p keys. @return VAULT_E_ARGUMENT */
VT_RESULT vt_schema_read_keys(const struct vt_schema_reader *reader, const char *const *keys, size_t count);
/** Text under @p key; empty when absent. @return VAULT_E_ARGUMENT when it is no text, or longer than @p max bytes */
VT_RESULT vt_schema_read_text(const struct vt_schema_reader *reader, const char *key, size_t max,
                              struct vt_bytes *out_text);
/** A name of the form that vt_name_is_valid() wants, copied into @p pool with a zero behind it. */
VT_RESULT vt_schema_read_name(const struct vt_schema_reader *reader, const char *key, struct vt_pool *pool,
                              struct vt_bytes *out_name);
/** One of @p choices; the first when absent. */
VT_RESULT vt_schema_read_choice(const struct vt_schema_reader *reader, const char *key, const char *const *choices,
                                size_t count, unsigned *out_choice);
/** true or false; false when absent. */
VT_RESULT vt_schema_read_bool(const struct vt_schema_reader *reader, const char *key, bool *out_is_true);
