/* vaultd/core/store/ids.h - the plain ids that the whole core shares. Random or sequential, never derived from a
 * person. Thread: plain values. */
#pragma once
#include "libvault/base/bytes.h"

/** A subject inside: 16 random bytes. External ids never reach a store key. */
struct vt_sid {
    uint8_t bytes[16];
};
static inline bool vt_sid_equal(const struct vt_sid *a, const struct vt_sid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/** What a shred, a key or a lookup is about: a whole subject (category 0, record 0), a category of it, or one record
 *  that has a key of its own. */
struct vt_scope {
    struct vt_sid sid;
    uint16_t category;      /* 0: every category */
    uint64_t record;        /* 0: every record of the category */
};

/** Category ids of keys: 1..26 are the letters A..Z of the built-in scheme (CCPA A to L), 0x100 on are loaded
 *  schemes. */
enum {
    VT_CATEGORY_ALL = 0,
    VT_CATEGORY_VAULT = 0xffff,     /* the subject's own administration: external id, legal state */
};

typedef uint64_t vt_tenant_id;      /* 1 is `default`; 0 is the vault itself */
enum { VT_TENANT_VAULT = 0, VT_TENANT_DEFAULT = 1 };

/** The vault's identity, bound into every ciphertext. */
struct vt_vault_id {
    uint8_t bytes[16];
};
