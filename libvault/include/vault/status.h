/* vault/status.h - outcomes of every fallible call; the list is status.def. Thread: any. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#define VAULT_API __attribute__((visibility("default")))

#define VAULT_STATUS(name, number, code, http, exit_code, retry, text) VAULT_##name = (number),
typedef enum vault_status {
#include "status.def"
} vault_status;
#undef VAULT_STATUS

/** Stable code such as "not-found"; "unknown" for a number that is not in status.def. Static storage. */
VAULT_API const char *vault_status_code(vault_status status);
/** One full client-safe sentence. Static storage. */
VAULT_API const char *vault_status_text(vault_status status);
/** HTTP status code (RFC 9110); 500 for an unknown number. */
VAULT_API int vault_status_http(vault_status status);
/** Exit status of vaultctl; 1 for an unknown number. */
VAULT_API int vault_status_exit(vault_status status);
/** 1 when the same call may succeed later without change. */
VAULT_API int vault_status_is_retryable(vault_status status);
/** The status that a stable code or RPC number stands for; VAULT_E_PROTOCOL when there is none. */
VAULT_API vault_status vault_status_from_number(long long number);

#ifdef __cplusplus
}
#endif
