/* libvault/crypto/rng.h - randomness. Keys: HKDF(getrandom(32) XOR RAND_priv_bytes(32), boot id || process counter), since a
 * cloned machine clones a user-space generator. Salts, IVs and ids: a per-thread pool of RAND_bytes, wiped after use and
 * on fork. VT_FAULT_RANDOM fails the n-th draw. Source: FORGETTING section 3; NIST SP 800-90A. Thread: any. */
#pragma once
#include "libvault/base/secret.h"

VT_RESULT vt_random_key(struct vt_key *out_key);
VT_RESULT vt_random_bytes(void *out_bytes, size_t len);
/** Uniform in [0, bound), without modulo bias. @p bound > 0. */
VT_RESULT vt_random_below(uint64_t bound, uint64_t *out_number);
