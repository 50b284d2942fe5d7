/* vault/vault.h - all of the library: statuses, values, calls. Link with `pkg-config --libs vault`. */
#pragma once
#include "client.h"
#include "status.h"
#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

/** "0.1.0". Static storage. */
VAULT_API const char *vault_version(void);

#ifdef __cplusplus
}
#endif
