/* vaultd/core/keyring/keyblock_internal.h - key blocks as bytes, opened blocks in the cache, drafts. Bytes:
 * docs/FORMAT.md "Key blocks". Thread: pure functions on the caller's objects. */
#pragma once
#include "vaultd/core/keyring/page_internal.h"

/** T_sub payload: KS 32 | key-block version 4 | tag 8 | created epoch 4 | flags 1. */
struct vt_subject_entry {
    struct vt_key subject_key;
    uint32_t version;
    uint8_t tag[8];                 /* SHA-256(stored key block)[0:8] */
    uint32_t created_epoch;
    uint8_t flags;
};
void vt_subject_entry_release(struct vt_subject_entry *entry);     /* wipes */
void vt_subject_entry_decode(const uint8_t *payload, struct vt_subject_entry *out_entry);
void vt_subject_entry_encode(const struct vt_subject_entry *entry, uint8_t *out_payload);

/** An opened block: cacheable. */
struct vt_opened_block {
    struct vt_cached head;
    struct vt_subject_keys keys;
    uint32_t retired_version;       /* the highest data-key version ever dropped: later ones are above it */
    struct vt_data_key array[];
};
void vt_subject_cache_key(vt_tenant_id tenant, const struct vt_sid *sid, struct vt_cache_key *out_key);
/** Opens the stored row as the block that @p entry promises.
 *  @return VAULT_E_AUTHENTICITY (another version or tag), VAULT_E_CORRUPT, VAULT_E_FORMAT */
VT_RESULT vt_keyblock_open(const struct vt_vault_id *vault_id, vt_tenant_id tenant, const struct vt_sid *sid,
                           const struct vt_subject_entry *entry, struct vt_bytes value,
                           struct vt_opened_block **out_block);

struct vt_keyblock_draft {
    vt_tenant_id tenant;
    struct vt_vault_id vault_id;
    uint64_t incarnation;
    bool is_new;
    struct vt_key seed;             /* of a new block's keys, until it is sealed */
    uint32_t base_version;          /* of the block that it edits */
    uint8_t base_tag[8];
    struct vt_subject_entry entry;  /* to be */
    uint32_t retired_version;
    struct vt_subject_keys keys;    /* keys.keys is data_keys */
    struct vt_data_key *data_keys;  /* arena */
    size_t capacity;
    bool is_sealed;
    struct vt_buf sealed;           /* the row */
};
