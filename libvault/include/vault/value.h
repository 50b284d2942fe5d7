/* vault/value.h - arguments and results of calls: nil, booleans, integers, numbers, text, bytes, lists, maps with text
 * keys. What is read belongs to the result it came from; what is built is wiped when freed. Text is UTF-8 and carries
 * its length. Thread: one owner at a time. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vault_kind {
    VAULT_NIL,
    VAULT_BOOL,
    VAULT_INT,
    VAULT_DOUBLE,
    VAULT_TEXT,
    VAULT_BYTES,
    VAULT_LIST,
    VAULT_MAP,
} vault_kind;

/* Reading. NULL is allowed everywhere and reads as nil. */
typedef struct vault_value vault_value;
VAULT_API vault_kind vault_value_kind(const vault_value *value);
VAULT_API int vault_value_bool(const vault_value *value, int otherwise);
VAULT_API int64_t vault_value_int(const vault_value *value, int64_t otherwise);
VAULT_API double vault_value_double(const vault_value *value, double otherwise);
/** Text or bytes; NULL when it is neither. Not terminated by a zero: print it with "%.*s" and its length.
 *  @param out_len NULL allowed, here and below */
VAULT_API const char *vault_value_data(const vault_value *value, size_t *out_len);
/** Items of a list, pairs of a map; 0 for anything else. */
VAULT_API size_t vault_value_count(const vault_value *value);
/** An item of a list, or the value of a map's pair; NULL past the end. */
VAULT_API const vault_value *vault_value_at(const vault_value *value, size_t index);
/** The key of a map's pair; NULL past the end. */
VAULT_API const char *vault_value_key(const vault_value *map, size_t index, size_t *out_len);
/** NULL when there is no such key. */
VAULT_API const vault_value *vault_value_get(const vault_value *map, const char *key);

/* Building: a map, filled in order. Inside a list keys are NULL. The first failure is kept and given by the call that the
 * params are passed to, so that each step need not be checked. */
typedef struct vault_params vault_params;
VAULT_API vault_status vault_params_new(vault_params **out_params);
VAULT_API void vault_params_free(vault_params *params);
VAULT_API vault_status vault_params_text(vault_params *params, const char *key, const char *text, size_t len);
VAULT_API vault_status vault_params_str(vault_params *params, const char *key, const char *text);
VAULT_API vault_status vault_params_bytes(vault_params *params, const char *key, const void *bytes, size_t len);
VAULT_API vault_status vault_params_int(vault_params *params, const char *key, int64_t integer);
VAULT_API vault_status vault_params_bool(vault_params *params, const char *key, int boolean);
VAULT_API vault_status vault_params_nil(vault_params *params, const char *key);
/** What follows goes into a new list or map, until vault_params_close(). */
VAULT_API vault_status vault_params_open_list(vault_params *params, const char *key);
VAULT_API vault_status vault_params_open_map(vault_params *params, const char *key);
VAULT_API vault_status vault_params_close(vault_params *params);

#ifdef __cplusplus
}
#endif
