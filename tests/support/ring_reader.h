/* tests/support/ring_reader.h - the adversary: given one root key and every row ever written, opens whatever opens, and
 * collects the secrets that come to light. A second reader of the format, written from docs/FORMAT.md: it uses SEAL and
 * nothing of vaultd/core/keyring. Thread: one. */
#pragma once
#include "libvault/base/secret.h"
#include "tests/support/store_record.h"
#include "vaultd/core/store/ids.h"

/** A growing set of 32-byte strings. */
struct byte_set {
    uint8_t (*slots)[32];
    uint8_t *used;
    size_t count, cap;
};
void byte_set_release(struct byte_set *set);
/** @return false when it was there already */
bool byte_set_add(struct byte_set *set, const uint8_t bytes[32]);
bool byte_set_has(const struct byte_set *set, const uint8_t bytes[32]);

struct ring_reach {
    struct byte_set secrets;        /* data keys, named keys as they are; index entries as SHA-256(hash || data) */
    size_t roots_opened, pages_opened, blocks_opened;
};
/** Least fixpoint: every recorded root page, page and key block that opens, in any version, from @p root_key on. */
void ring_reach_from(const struct recording *recording, const struct vt_vault_id *vault_id,
                     const struct vt_key *root_key, struct ring_reach *out_reach);
void ring_reach_release(struct ring_reach *reach);
/** How an index entry is named in the set. */
void ring_index_secret(const uint8_t hash[16], const uint8_t data[24], uint8_t out_secret[32]);
