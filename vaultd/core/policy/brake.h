/* vaultd/core/policy/brake.h - the brake on mass shredding: how many requests to forget were let through within an hour.
 * Forgetting is a weapon as well: who takes a credential over must not erase everybody before somebody looks. Past
 * max(20, min(1,000, 0.1 % of the subjects)) requests an hour, further ones wait for two approvers and a delay (approval.h).
 * The count lies in META beside what it counts, in the same transaction, so no restart and no crash forgets it. A clock that is set
 * back counts in the last minute that was seen: it reopens nothing. What was cancelled stays counted.
 * Source: docs/ERASURE.md "The brake on mass shredding"; docs/FORMAT.md "Brake". Thread: reads any; writes the committer. */
#pragma once
#include "vaultd/core/store/ids.h"
#include "vaultd/core/store/store.h"

enum { VT_BRAKE_LEAST = 20, VT_BRAKE_MOST = 1000, VT_BRAKE_PER_MILLE = 1 };
/** How many an hour pass without approval when @p subjects are there. */
uint64_t vt_brake_limit(uint64_t subjects);
/** Requests of the last hour (of 60 to 61 minutes: whole minutes are counted). */
VT_RESULT vt_brake_used(struct vt_txn *txn, vt_tenant_id tenant, int64_t now_ms, uint64_t *out_count);
VT_RESULT vt_brake_add(struct vt_txn *txn, vt_tenant_id tenant, int64_t now_ms, uint32_t count);
