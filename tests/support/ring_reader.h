/* tests/support/ring_reader.h - the adversary: given one root key and every row ever written, opens whatever opens, and
 * collects the secrets that come to light. A second reader of the format, written from docs/FORMAT.md: it uses SEAL and
 * nothing of vaultd/core/keyring. Thread: one. */
#pragma once
#include "libvault/base/secret.h"
#include "tests/support/byte_set.h"
#include "tests/support/store_record.h"
#include "vaultd/core/store/ids.h"

struct ring_reach {
    struct byte_set secrets;        /* data keys, named keys as they are; index entries as SHA-256(hash || data) */
    size_t roots_opened, pages_opened, blocks_opened;
};
/** Least fixpoint: every recorded root page, page and key block that opens, in any version, from @p root_key on. */
void ring_reach_from(const struct recording *recording, const struct vt_vault_id *vault_id,
                     const struct vt_key *root_key, struct ring_reach *out_reach);
void ring_reach_release(struct ring_reach *reach);

/** The same with more than one root key, telling as it goes. Any function may be NULL. */
struct ring_sink {
    void *context;
    void (*opened)(void *context, const struct record_row *row, struct vt_bytes plain);
    void (*named_key)(void *context, uint64_t tenant, const uint8_t key[32]);       /* of T_sys (tenant 0) and T_ten */
    void (*subject)(void *context, uint64_t tenant, const uint8_t sid[16]);         /* an entry of T_sub */
    void (*index_entry)(void *context, const uint8_t hash[16], const uint8_t data[24]);
};
struct ring_reader;
/** @param vault_id, recording, sink  borrowed until the reader is freed
 *  @param is_exact  a key is tried on the version of a page that its parent names only; else on each ever written. The
 *                   first is quick enough for a whole history, the second finds what should not be there. */
struct ring_reader *ring_reader_new(const struct recording *recording, const struct vt_vault_id *vault_id,
                                    const struct ring_sink *sink, bool is_exact);
/** @param epoch  of the key: only root records that say so are tried; 0: all are */
void ring_reader_open(struct ring_reader *reader, const struct vt_key *root_key, uint64_t epoch);
void ring_reader_free(struct ring_reader *reader);
/** How an index entry is named in the set. */
void ring_index_secret(const uint8_t hash[16], const uint8_t data[24], uint8_t out_secret[32]);
