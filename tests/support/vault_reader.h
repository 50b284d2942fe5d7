/* tests/support/vault_reader.h - the adversary against a whole vault: given every value ever written to any table, versions of the
 * keeper file and all long-lived secrets, opens whatever opens: wraps, slots, root pages, pages, key blocks, rows, tokens, ledger,
 * pending requests, closing batches, configuration, audit payloads, kept answers. A second reader of the format, written from
 * docs/FORMAT.md; of the vault's own code it uses SEAL and the hashes. Thread: one. */
#pragma once
#include "tests/support/byte_set.h"
#include "tests/support/store_record.h"

enum { VAULT_KEEPER_IMAGE = 8192 };
/** What there is to open, and to open it with. All borrowed. */
struct vault_evidence {
    const struct recording *recording;
    const uint8_t *images;                      /* of the keeper file, VAULT_KEEPER_IMAGE bytes each */
    size_t image_count;
    const char *const *key_files;               /* 64 hex digits each: all that ever wrapped an unseal key */
    size_t key_file_count;
    const char *const *tokens;                  /* texts, as others have them */
    size_t token_count;
    const char *const *caller_keys;             /* idempotency keys, as callers have them */
    size_t caller_key_count;
};
/** Told of all that opens. @p row is a place in recording_rows(). */
struct vault_watch {
    void *context;
    void (*opened)(void *context, size_t row, struct vt_bytes plain);
    void (*reference)(void *context, size_t row, const uint8_t secret[32]);     /* of a row that opened: an index entry's name */
    void (*index_entry)(void *context, const uint8_t data[24], const uint8_t secret[32]);
    void (*subject)(void *context, const uint8_t sid[16]);
    void (*payload)(void *context, const uint8_t origin[16]);                   /* of the audit log */
};
struct vault_reach {
    size_t unseal_keys, slots;
    size_t opened[VT_TABLE_COUNT];
    struct byte_set keys;                       /* every key that came to light */
};
/** The least fixpoint. No sealed thing holds a key of what lies above it (wrap, slot, root page, page, key block, row), so one pass
 *  from the top down that keeps trying new page keys until there are none left is all of it.
 *  @param is_exact  see ring_reader_new() */
void vault_reach_from(const struct vault_evidence *evidence, bool is_exact, const struct vault_watch *watch,
                      struct vault_reach *out_reach);
/** Try all of @p keys on one recorded row or key block, whatever their names say. @return how many open it */
size_t vault_try_keys(const struct vault_evidence *evidence, const struct byte_set *keys, size_t row);
void vault_reach_release(struct vault_reach *reach);
