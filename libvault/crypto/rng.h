/* libvault/crypto/rng.h - randomness. A cloned machine clones a user-space generator, so the kernel's, which is told of
 * the cloning, takes part in everything here: in each key, and in each filling of the pool that serves the rest.
 * VT_FAULT_RANDOM fails the n-th draw. Source: NIST SP 800-90A; docs/THREATS.md "What is not protected". Thread: any. */
#pragma once
#include "libvault/base/secret.h"

/** HKDF-SHA256(getrandom(32) XOR RAND_priv_bytes(32), info boot id | process id | counter). @return VAULT_E_CRYPTO */
VT_RESULT vt_random_key(struct vt_key *out_key);
/** Several keys made at one moment from one draw: the seed is HKDF's extract of the above, each key one expand of it.
 *  The seed opens them all and must not outlive the moment: never written, wiped with what it was drawn for. A key that
 *  replaces a dropped one takes vt_random_key(), and so does every page of a write that drops, moves or replaces anything. */
VT_RESULT vt_random_seed(struct vt_key *out_seed);
VT_RESULT vt_random_key_of(const struct vt_key *seed, struct vt_key *out_key);
/** Salts, IVs, ids, nonces: from a pool of 4 KiB per thread, wiped as it is used and empty in a forked child.
 *  Not for keys: a pool filled before a machine was cloned gives both clones the same bytes until it is empty.
 *  @return VAULT_E_CRYPTO, VAULT_E_MEMORY */
VT_RESULT vt_random_bytes(void *out_bytes, size_t len);
/** Uniform in [0, bound), without modulo bias. @p bound > 0. */
VT_RESULT vt_random_below(uint64_t bound, uint64_t *out_number);
