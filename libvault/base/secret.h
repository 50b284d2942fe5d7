/* libvault/base/secret.h - secrets have a secret's type and a secret's memory.
 *
 * vt_key is an inline 32-byte value, wiped by its destructor; long-lived keys and opened tree pages live in the secret
 * arena (mlock2, MADV_DONTDUMP, MADV_WIPEONFORK). Why a value and not a handle: see docs/decisions/0002.
 * Source: docs/KEYS.md "In memory". Thread: any; the arena locks internally. */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"

enum { VT_KEY_LEN = 32 };

struct vt_key {
    uint8_t bytes[VT_KEY_LEN];
};
#define VT_KEY_INIT ((struct vt_key){{0}})

/** Overwrite; the compiler may not elide it. */
void vt_wipe(void *data, size_t len);
void vt_key_release(struct vt_key *key);
/** Constant-time equality (in the bytes, not in the lengths). */
bool vt_ct_equal(struct vt_bytes a, struct vt_bytes b);

static inline struct vt_bytes vt_key_bytes(const struct vt_key *key)
{
    return vt_bytes(key->bytes, VT_KEY_LEN);
}

/** A growing secret of at most @p max bytes in arena memory is a vt_secret: passphrases, shares, seeds. */
struct vt_secret {
    uint8_t *data;      /* arena memory, NULL when empty */
    size_t len;
};
#define VT_SECRET_INIT ((struct vt_secret){NULL, 0})
/** Copy @p bytes into a fresh secret. @return VAULT_E_MEMORY */
VT_RESULT vt_secret_set(struct vt_secret *secret, struct vt_bytes bytes);
void vt_secret_release(struct vt_secret *secret);
static inline struct vt_bytes vt_secret_bytes(const struct vt_secret *secret)
{
    return vt_bytes(secret->data, secret->len);
}

/** Arena memory: zeroed, locked when RLIMIT_MEMLOCK allows, out of dumps, wiped in a forked child.
 *  NULL when memory is short. Freed memory is wiped. */
void *vt_secret_alloc(size_t len);
void vt_secret_free(void *data);        /* NULL is allowed */

/** What `status` says of the memory lock. */
struct vt_secret_stats {
    size_t in_use_bytes;
    size_t mapped_bytes;
    size_t locked_bytes;        /* less than mapped_bytes: some secrets may be swapped */
    size_t limit_bytes;         /* RLIMIT_MEMLOCK, SIZE_MAX when unlimited */
};
void vt_secret_stats(struct vt_secret_stats *out_stats);

/** No core dumps, no ptrace by others: RLIMIT_CORE 0 and PR_SET_DUMPABLE 0. Call first in main().
 *  @return VAULT_E_IO when the kernel refuses */
VT_RESULT vt_secret_harden_process(void);
