/* vaultd/service/idempotency.h - the common argument idempotency_key: a repeat of a command that writes or destroys is answered
 * with what the first one was answered, and does nothing.
 *
 * IDEMPOTENCY key: principal 16 | HMAC(system key, "idempotency-row:1" | key)[0:16]. Value: expiry ms 8 | incarnation 8 |
 * SEAL(HMAC(system key, "idempotency-seal:1" | key), principal | key hash, plain). Plain: format 1 (= 1) | expiry ms 8 |
 * SHA-256 of command and arguments 32 | result map as msgpack.
 * Invariants: the row is put by the very change that it answers for, so after a crash there are both or neither. It opens only
 * for who has the key, so a store and its keys do not tell which token belongs to whom. Thread: as the call's. */
#pragma once
#include "vaultd/service/call.h"

enum { VT_IDEMPOTENCY_MS = 24 * 60 * 60 * 1000, VT_IDEMPOTENCY_ANSWER_MAX = 4 * 1024 * 1024 };

/** Does the call carry a key that counts? Reads and what operates the vault may be repeated anyway. */
bool vt_idempotency_applies(const struct vt_call *call);
/** Before the handler runs: answer a repeat. @p out_answered: call->result is there, nothing else is to be done.
 *  @return VAULT_E_STATE (the key was used for another command or other arguments), VAULT_E_UNSUPPORTED (the answer holds a
 *  secret, which is never kept) */
VT_RESULT vt_idempotency_find(struct vt_call *call, bool *out_answered);
/** After the handler has prepared: let the call's change keep its answer. @return VAULT_E_TOO_LARGE */
VT_RESULT vt_idempotency_keep(struct vt_call *call);
