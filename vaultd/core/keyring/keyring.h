/* vaultd/core/keyring/keyring.h - the forgetful tree and the key blocks: the only code that unwraps keys. Root, page
 * and subject keys never leave it; callers get data keys (DEKs) and named tenant keys, borrowed for the length of a
 * view.
 *
 * Shape (docs/FORMAT.md "Keyring"): a root page sealed under R_e holds the roots of T_sys and T_dir; T_dir leads to
 * one tenant page per tenant, which holds the roots of T_sub, T_idx and T_ten. All are radix trees over 16-byte
 * uniformly random keys with inner pages of 64 slots and leaf pages of 60 entries of 65 bytes (key 16 | payload 49).
 * Invariants: every page write uses a fresh page key, up to the root page; a page is one store value of exactly 4,080
 * bytes; pages are built and sealed by the committer at commit time; no page or key block is ever overwritten without
 * the parent that names its key and version being rewritten in the same transaction.
 * Thread: views any; writes the committer; open, unseal, seal the main or slow-lane thread while nothing else runs. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/secret.h"
#include "vaultd/core/store/ids.h"
#include "vaultd/core/store/store.h"

struct vt_keyring;
struct vt_keyring_view;
struct vt_keyring_write;

/* Life ----------------------------------------------------------------------------------------------------------- */

struct vt_keyring_options {
    size_t page_cache_bytes;        /* opened inner pages in the secret arena; 0: fit RLIMIT_MEMLOCK */
    size_t subject_cache_entries;   /* opened key blocks in the secret arena; 0: default 65,536, fitted likewise */
};
/** What the plain root record (META "root") says without any key. */
struct vt_root_record {
    struct vt_vault_id vault_id;
    uint64_t incarnation;
    uint64_t epoch;
    uint64_t page_version;          /* rises with every commit that changes the keyring */
    uint64_t commit_number;         /* of the commit that wrote it */
    uint8_t attempt[16];            /* attempt id of the epoch that the root key belongs to */
    uint8_t root_hash[32];          /* SHA-256 of the sealed root page: manifests and journals name it */
};

/** Starts sealed. @p store borrowed, must outlive the ring. @return VAULT_E_NOT_INITIALISED (ring is still made: see
 *  create) */
VT_RESULT vt_keyring_open(struct vt_store *store, const struct vt_keyring_options *options,
                          struct vt_keyring **out_ring);
void vt_keyring_free(struct vt_keyring *ring);      /* wipes; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_keyring);

enum { VT_KEYRING_FIRST_EPOCH = 1 };
/** First initialisation: writes an empty tree (T_sys with fresh ledger, config, audit-signing and certificate keys;
 *  T_dir with tenant `default`) under @p root_key in @p txn. Refuses a store that holds a root record:
 *  VAULT_E_EXISTS. */
VT_RESULT vt_keyring_create(struct vt_keyring *ring, struct vt_txn *txn, const struct vt_vault_id *vault_id,
                            uint64_t incarnation, const uint8_t attempt[16], const struct vt_key *root_key);
/** @return VAULT_E_NOT_INITIALISED, VAULT_E_FORMAT, VAULT_E_CORRUPT */
VT_RESULT vt_keyring_root_record(struct vt_txn *txn, struct vt_root_record *out_record);
/** Does @p root_key open the root page that @p txn sees? Asked before any keeper erases another key.
 *  @return VAULT_E_AUTHENTICITY, VAULT_E_NOT_INITIALISED, VAULT_E_CORRUPT */
VT_RESULT vt_keyring_root_opens(struct vt_txn *txn, const struct vt_key *root_key);
/** Open the root page with the epoch's root key (copied). @return VAULT_E_AUTHENTICITY when the key does not open it */
VT_RESULT vt_keyring_unseal(struct vt_keyring *ring, const struct vt_key *root_key);
/** Forget every key in memory. Waits for views to end, so the calling thread must hold neither view nor write. */
void vt_keyring_seal(struct vt_keyring *ring);
bool vt_keyring_is_sealed(const struct vt_keyring *ring);
/** Fence, S5: drop cached keys and pages of every version, then wait until no view that began before the call remains.
 *  @return VAULT_E_TIMEOUT after @p timeout_ms */
VT_RESULT vt_keyring_fence(struct vt_keyring *ring, int64_t timeout_ms);

/* Reading -------------------------------------------------------------------------------------------------------- */

/** A view pins the keys that belong to the snapshot of @p txn (a read transaction, or the write's own). Short-lived:
 *  the fence waits for it. @param out_view owned, end with vt_keyring_view_end(). @return VAULT_E_SEALED;
 *  VAULT_E_CONFLICT when @p txn is from before an epoch that has been closed and fenced: begin again;
 *  VAULT_E_AUTHENTICITY */
VT_RESULT vt_keyring_view_begin(struct vt_keyring *ring, struct vt_txn *txn, struct vt_keyring_view **out_view);
void vt_keyring_view_end(struct vt_keyring_view *view);     /* NULL is allowed */
static inline void vt_keyring_view_free(struct vt_keyring_view *view)
{
    vt_keyring_view_end(view);
}
VT_DEFINE_AUTO_PTR(vt_keyring_view);
uint64_t vt_keyring_view_incarnation(const struct vt_keyring_view *view);
const struct vt_vault_id *vt_keyring_view_vault_id(const struct vt_keyring_view *view);
struct vt_txn *vt_keyring_view_txn(const struct vt_keyring_view *view);

enum vt_data_key_state {
    VT_DATA_KEY_LIVE = 1,           /* seals and opens */
    VT_DATA_KEY_OPEN_ONLY = 2,      /* an older version while rows are re-sealed */
    VT_DATA_KEY_RESTORE_ONLY = 3,   /* no row left; kept until the last registered backup that needs it expires */
};
/** One data key of a subject. */
struct vt_data_key {
    uint16_t category;
    uint64_t record;                /* 0: the category's key; else the key of one record (forget: record) */
    uint32_t version;               /* from 1; named in the row's context */
    uint8_t state;                  /* vt_data_key_state */
    int64_t created_at_ms;
    int64_t expires_at_ms;          /* 0: never */
    struct vt_key key;
};
/** A subject's opened key block; lives in the secret arena, borrowed until the view ends. */
struct vt_subject_keys {
    struct vt_sid sid;
    uint32_t version;               /* key-block version: rises with every rewrite */
    uint64_t created_epoch;
    struct vt_key audit_key;
    struct vt_key pseudonym_key;
    size_t count;
    const struct vt_data_key *keys;
};
/** @return VAULT_E_NOT_FOUND: no such subject (erased or never existed), VAULT_E_CORRUPT, VAULT_E_AUTHENTICITY */
VT_RESULT vt_keyring_subject_keys(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                                  const struct vt_subject_keys **out_keys);
/** The key with which new rows of (category, record) are sealed: the record's own if there is one, else the category's.
 *  NULL when there is none. */
const struct vt_data_key *vt_subject_keys_live(const struct vt_subject_keys *keys, uint16_t category, uint64_t record);
/** The key of exactly this (category, record, version), in whatever state. NULL when there is none. */
const struct vt_data_key *vt_subject_keys_find(const struct vt_subject_keys *keys, uint16_t category, uint64_t record,
                                               uint32_t version);

/** Keys of a tenant (T_ten), newest version first. Borrowed until the view ends. */
enum { VT_TENANT_KEY_VERSIONS = 4 };
enum vt_tenant_key_name {
    VT_TENANT_KEY_INDEX,            /* K_idx: HMAC of indexed values */
    VT_TENANT_KEY_PLACE,            /* K_place: where an index entry lies in T_idx; used inside the keyring only */
    VT_TENANT_KEY_TOKEN_LOOKUP,     /* AES-256 of the opaque token's block; HMAC of digit tokens */
    VT_TENANT_KEY_TOKEN_SEAL,       /* HMAC(seal, token) seals the token row */
    VT_TENANT_KEY_AUDIT,            /* payloads of commands that destroy; payloads without a subject */
    VT_TENANT_KEY_CONFIG,           /* schemas, templates, policies of the tenant */
    VT_TENANT_KEY_COUNT
};
struct vt_tenant_key {
    uint32_t version;               /* from 1 */
    int64_t created_at_ms;
    struct vt_key key;
};
/** @param index 0 is the live version. NULL past the last one, and when the tenant does not open: ask
 *  vt_keyring_tenant_open() why. */
const struct vt_tenant_key *vt_keyring_tenant_key(struct vt_keyring_view *view, vt_tenant_id tenant,
                                                  enum vt_tenant_key_name name, size_t index);
/** Open a tenant's keys, with the reason when that fails; vt_keyring_tenant_key() cannot fail for it afterwards.
 *  @return VAULT_E_NOT_FOUND: no such tenant (dropped or never existed), VAULT_E_CORRUPT, VAULT_E_AUTHENTICITY */
VT_RESULT vt_keyring_tenant_open(struct vt_keyring_view *view, vt_tenant_id tenant);
bool vt_keyring_tenant_exists(struct vt_keyring_view *view, vt_tenant_id tenant);
struct vt_tenant_counts {
    uint64_t subjects, index_entries;
    int64_t created_at_ms;
};
/** @return VAULT_E_NOT_FOUND */
VT_RESULT vt_keyring_tenant_counts(struct vt_keyring_view *view, vt_tenant_id tenant,
                                   struct vt_tenant_counts *out_counts);

/** Keys of the vault (T_sys). Borrowed until the view ends. */
enum vt_system_key_name {
    VT_SYSTEM_KEY_LEDGER,           /* ledger, pending shreds, jobs */
    VT_SYSTEM_KEY_CONFIG,           /* credentials, tenants, vault-wide objects */
    VT_SYSTEM_KEY_AUDIT_SIGN,       /* Ed25519 seed of checkpoints */
    VT_SYSTEM_KEY_CERTIFICATE_SIGN, /* Ed25519 seed of certificates and export manifests */
    VT_SYSTEM_KEY_AUDIT,            /* payloads without a tenant */
    VT_SYSTEM_KEY_WINDOW,           /* window chain key; reserved */
    VT_SYSTEM_KEY_IDEMPOTENCY,
    VT_SYSTEM_KEY_COUNT
};
const struct vt_key *vt_keyring_system_key(struct vt_keyring_view *view, enum vt_system_key_name name);

/** Incarnations. A take-over from a backup ends one and begins the next; what the former ones wrote stays readable, so T_sys
 *  lists them. Whatever names an incarnation that is neither the present one nor listed was not written by this vault: a
 *  copy that was fenced and ran on by itself, or a forgery. */
enum { VT_INCARNATIONS_MAX = 63 };
struct vt_incarnation {
    uint64_t number;
    uint64_t last_epoch;            /* when it ended */
    uint64_t last_commit;
    int64_t ended_at_ms;
};
/** The former ones, in order of number. Borrowed until the view ends. @return how many */
size_t vt_keyring_incarnations(const struct vt_keyring_view *view, const struct vt_incarnation **out_list);
/** Is @p incarnation the present one or a listed former one? */
bool vt_keyring_accepts(const struct vt_keyring_view *view, uint64_t incarnation);

/** T_idx. An entry's data is 24 bytes that mean something to its owner: {sid 16, record 8}, or a token block. */
enum { VT_INDEX_HASH_LEN = 16, VT_INDEX_DATA_LEN = 24 };
struct vt_index_hash {
    uint8_t bytes[VT_INDEX_HASH_LEN];
};
/** HMAC-SHA256(K_idx of @p key_index, label || 0 || pieces with 4-byte lengths), first 16 bytes. The label names type
 *  and normalisation version, e.g. "field:email:1", "external-id:1". */
VT_RESULT vt_keyring_index_hash(struct vt_keyring_view *view, vt_tenant_id tenant, size_t key_index, const char *label,
                                const struct vt_bytes *pieces, size_t count, struct vt_index_hash *out_hash);
/** All entries of a hash, oldest group first. @param max at most this many are returned
 *  @return VAULT_E_NOT_FOUND when there is none */
VT_RESULT vt_keyring_index_find(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_index_hash *hash,
                                uint8_t (*out_data)[VT_INDEX_DATA_LEN], size_t max, size_t *out_count);

/** Walk all subjects of a tenant in sid order from @p from (inclusive); stops when @p visit returns false.
 *  For sweeps, checks, restore. Uncached. */
VT_RESULT vt_keyring_subjects_walk(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *from,
                                   bool (*visit)(void *context, const struct vt_sid *sid, uint32_t version,
                                                 uint64_t created_epoch),
                                   void *context);

/* Key-block drafts: prepared and sealed on a network thread, applied by the committer ---------------------------- */

/* A draft holds keys and outlives its view; the fence does not wait for it. Free it with the call that made it. */

struct vt_keyblock_draft;
enum { VT_KEYBLOCK_KEYS_MAX = 256 }; /* data keys of one subject: all categories, records and versions */
/** A new subject: fresh KS, audit and pseudonym keys, no data key yet. */
VT_RESULT vt_keyblock_new(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                          struct vt_keyblock_draft **out_draft);
/** The present block of a subject, to be edited. */
VT_RESULT vt_keyblock_edit(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid,
                           struct vt_keyblock_draft **out_draft);
/** Add a fresh live data key; an older live one of the same (category, record) becomes open-only.
 *  @return VAULT_E_LIMIT past VT_LIMIT_RECORD_KEYS records or VT_KEYBLOCK_KEYS_MAX keys
 *  @param out_key borrowed from the draft until its next edit */
VT_RESULT vt_keyblock_add(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record, int64_t now_ms,
                          const struct vt_data_key **out_key);
/** Take every key of (category, record) out; category 0 means every one, record 0 means the category's key and all its
 *  records'; (0, record) are the keys of one record. Forgetting: the draft gets a fresh KS, so that older blocks die with the
 *  old one once the epoch is finalised.
 *  @return VAULT_E_NOT_FOUND when there was none */
VT_RESULT vt_keyblock_drop(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record);
/** Every key of exactly (category, record) goes and a fresh one of the next version takes its place: a value that must
 * not come back. As vt_keyblock_drop() for the old ones. @return VAULT_E_NOT_FOUND when there was none */
VT_RESULT vt_keyblock_renew(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record, int64_t now_ms,
                            const struct vt_data_key **out_key);
/** Take out or restate one version (rotation). Dropping gives a fresh KS. */
VT_RESULT vt_keyblock_drop_version(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record,
                                   uint32_t version);
VT_RESULT vt_keyblock_set_state(struct vt_keyblock_draft *draft, uint16_t category, uint64_t record, uint32_t version,
                                enum vt_data_key_state state);
/** The draft as keys to seal rows with. Borrowed. */
const struct vt_subject_keys *vt_keyblock_keys(const struct vt_keyblock_draft *draft);
/** Seal it (the slow half, on the network thread). Once, after the last edit: both refuse later with VAULT_E_STATE. */
VT_RESULT vt_keyblock_seal(struct vt_keyblock_draft *draft);
void vt_keyblock_draft_free(struct vt_keyblock_draft *draft);       /* wipes; NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_keyblock_draft);

/* Writing: one keyring write per store write transaction, on the committer --------------------------------------- */

/** Collects changes; nothing is sealed until vt_keyring_write_finish(). */
VT_RESULT vt_keyring_write_begin(struct vt_keyring *ring, struct vt_txn *txn, struct vt_keyring_write **out_write);
/** A view on the same transaction that sees the changes collected so far. Borrowed, ends with the write. */
struct vt_keyring_view *vt_keyring_write_view(struct vt_keyring_write *write);
/** True once anything has been changed: a failed apply before that fails alone, after that the batch is replayed
 *  without it. */
bool vt_keyring_write_is_dirty(const struct vt_keyring_write *write);
/** Insert (a draft from vt_keyblock_new) or update. @p draft borrowed, may be applied again when a batch is replayed.
 *  @return VAULT_E_CONFLICT when the block has changed since the draft was read, VAULT_E_EXISTS, VAULT_E_NOT_FOUND */
VT_RESULT vt_keyring_put_keyblock(struct vt_keyring_write *write, const struct vt_keyblock_draft *draft);
/** Would vt_keyring_put_keyblock() accept the draft now? Changes nothing. @return as that */
VT_RESULT vt_keyring_check_keyblock(struct vt_keyring_write *write, const struct vt_keyblock_draft *draft);
/** Drop KS and the key-block row: forgotten once the epoch that carries this transaction is finalised.
 *  @return VAULT_E_NOT_FOUND. Source: GDPR Art. 17(1); docs/ARCHITECTURE.md "Life of a shred". */
VT_RESULT vt_keyring_drop_subject(struct vt_keyring_write *write, vt_tenant_id tenant, const struct vt_sid *sid);
/** Could this entry be added to a `many` hash now? Changes nothing.
 *  @return VAULT_OK, VAULT_E_EXISTS (there already), VAULT_E_LIMIT */
VT_RESULT vt_keyring_index_check_add(struct vt_keyring_write *write, vt_tenant_id tenant,
                                     const struct vt_index_hash *hash, const uint8_t data[VT_INDEX_DATA_LEN]);
/** @param is_unique at most one entry per hash: VAULT_E_EXISTS. Otherwise VAULT_E_LIMIT past VT_LIMIT_INDEX_HOLDERS.
 *  The same (hash, data) twice is VAULT_E_EXISTS. */
VT_RESULT vt_keyring_index_add(struct vt_keyring_write *write, vt_tenant_id tenant, const struct vt_index_hash *hash,
                               const uint8_t data[VT_INDEX_DATA_LEN], bool is_unique);
/** @return VAULT_E_NOT_FOUND */
VT_RESULT vt_keyring_index_remove(struct vt_keyring_write *write, vt_tenant_id tenant, const struct vt_index_hash *hash,
                                  const uint8_t data[VT_INDEX_DATA_LEN]);
/** The entry under @p from lies under @p to from now on: another version of K_idx hashes the value otherwise. Nobody comes or
 *  goes, so the limit of holders does not count. @return VAULT_E_NOT_FOUND (not under @p from), VAULT_E_EXISTS (under @p to
 *  already) */
VT_RESULT vt_keyring_index_move(struct vt_keyring_write *write, vt_tenant_id tenant, const struct vt_index_hash *from,
                                const struct vt_index_hash *to, const uint8_t data[VT_INDEX_DATA_LEN]);
/** List @p former in T_sys. The write is to be finished under a later incarnation.
 *  @return VAULT_E_EXISTS, VAULT_E_LIMIT past VT_INCARNATIONS_MAX */
VT_RESULT vt_keyring_list_incarnation(struct vt_keyring_write *write, const struct vt_incarnation *former);
VT_RESULT vt_keyring_create_tenant(struct vt_keyring_write *write, vt_tenant_id tenant, int64_t now_ms);
/** Drop a tenant's page from T_dir: everything of it is forgotten with the epoch. Its key blocks and the rows of its
 *  subjects are the caller's to delete (walk them before); its pages go with vt_keyring_purge_tenant(). */
VT_RESULT vt_keyring_drop_tenant(struct vt_keyring_write *write, vt_tenant_id tenant);
/** Hygiene after a drop: delete up to @p page_count page rows of a tenant that is no longer there. *out_done when none
 *  is left. @return VAULT_E_STATE: the tenant is there */
VT_RESULT vt_keyring_purge_tenant(struct vt_keyring_write *write, vt_tenant_id tenant, size_t page_count,
                                  bool *out_done);
/** A fresh live version of a tenant key; older ones stay until dropped. @return VAULT_E_LIMIT past
 *  VT_TENANT_KEY_VERSIONS */
VT_RESULT vt_keyring_rotate_tenant_key(struct vt_keyring_write *write, vt_tenant_id tenant,
                                       enum vt_tenant_key_name name, int64_t now_ms);
VT_RESULT vt_keyring_drop_tenant_key(struct vt_keyring_write *write, vt_tenant_id tenant, enum vt_tenant_key_name name,
                                     uint32_t version);
/** Rewrite up to @p page_count more pages of the whole tree with fresh keys (root re-key in bounded steps). @p cursor
 *  32 bytes, zeroes at first, to be kept between steps. *out_done when the tree has been walked to its end. */
VT_RESULT vt_keyring_rekey_step(struct vt_keyring_write *write, uint8_t cursor[32], size_t page_count, bool *out_done);
/** How far @p cursor has come, out of @p whole: by place and not by pages, which keys drawn at random spread evenly in each tree.
 *  The trees count alike, and those of one tenant are all there are. */
uint64_t vt_keyring_rekey_progress(const uint8_t cursor[32], uint64_t whole);
/* The index era: entries that lie under an older K_place come to lie under the live one. Begin it by rotating
 * VT_TENANT_KEY_PLACE; when vt_keyring_replace_step() has come to the end, drop the older versions, never before:
 * entries under them could not be found again. That step alone is enough, and costs about two pages an entry; after
 * vt_keyring_copy_step() has come to its end it costs a page for each leaf. Entries may be copied, removed and added by
 * others in any order between the steps. */

/** Which entries are copied next, in the order of their places; a hint that cannot do harm. Holds hashes: wiped when freed.
 *  Thread: one at a time. */
struct vt_replace_plan;
/** @param cursor from where on. @param max hashes at most; twice as many are held while it is made, of 32 bytes each */
VT_RESULT vt_replace_plan_new(const uint8_t cursor[32], size_t max, struct vt_replace_plan **out_plan);
void vt_replace_plan_free(struct vt_replace_plan *plan);        /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_replace_plan);
/** Look through about @p entry_count more entries of the index, until *out_whole. Each time another view may be given.
 *  @return VAULT_E_NOT_FOUND: no such tenant; VAULT_E_STATE: it is whole */
VT_RESULT vt_replace_plan_look(struct vt_replace_plan *plan, struct vt_keyring_view *view, vt_tenant_id tenant,
                               size_t entry_count, bool *out_whole);
/** Is it whole, and does it know what comes behind @p cursor? Otherwise make another. */
bool vt_replace_plan_covers(const struct vt_replace_plan *plan, const uint8_t cursor[32]);
/** Copy what comes next in @p plan, rewriting about @p page_count pages. What fills a group of 32 moves. @p cursor as above
 *  @return VAULT_E_NOT_FOUND: no such tenant; VAULT_E_ARGUMENT: the plan does not cover the cursor */
VT_RESULT vt_keyring_copy_step(struct vt_keyring_write *write, vt_tenant_id tenant, const struct vt_replace_plan *plan,
                               uint8_t cursor[32], size_t page_count, bool *out_done);
/** Take away what has been copied from older versions, and move what has not, rewriting about @p page_count pages, in the order
 *  of where it lies. @p cursor as above. @return VAULT_E_NOT_FOUND: no such tenant */
VT_RESULT vt_keyring_replace_step(struct vt_keyring_write *write, vt_tenant_id tenant, uint8_t cursor[32],
                                  size_t page_count, bool *out_done);

/** Nobody will read what this write changes: it is not gathered, and finishing gives a delta without bytes. Before the first
 *  change. A commit of thousands of pages is held once less in memory. */
void vt_keyring_write_without_delta(struct vt_keyring_write *write);
/** What one write changed, for the journal: borrowed until the write ends. */
struct vt_keyring_delta {
    const struct vt_buf *bytes;     /* concatenated {table 1 | key len 2 | key | value len 4 | value}, deletes have len
                                     * 2^32-1 */
    struct vt_root_record root;
};
/** Seal all dirty pages with fresh keys bottom-up and put them; the root page goes under the current root key, or under
 *  @p next when an epoch closes (epoch and attempt given with it). No change is possible afterwards.
 *  @param next NULL: same epoch */
struct vt_next_root {
    uint64_t epoch;
    uint8_t attempt[16];
    uint64_t incarnation;
    const struct vt_key *root_key;
};
VT_RESULT vt_keyring_write_finish(struct vt_keyring_write *write, const struct vt_next_root *next,
                                  struct vt_keyring_delta *out_delta);
/** After the store committed: publish the new pages to the caches. After it failed or was aborted: drop everything.
 *  A write that changed nothing need not have been finished.
 *  Both free @p write. */
void vt_keyring_write_committed(struct vt_keyring_write *write);
void vt_keyring_write_aborted(struct vt_keyring_write *write);

struct vt_keyring_stats {
    uint64_t pages_cached, subjects_cached, cache_hits, cache_misses;
    uint64_t pages_sealed, pages_opened;
    uint64_t views_open;
};
void vt_keyring_stats(struct vt_keyring *ring, struct vt_keyring_stats *out_stats);
/** Walk everything: every page opens, every parent matches, every key block's tag matches, counts. First fault in
 *  err. */
struct vt_keyring_check {
    uint64_t pages, subjects, index_entries, key_blocks, orphan_pages, orphan_key_blocks;
};
VT_RESULT vt_keyring_check(struct vt_keyring_view *view, struct vt_keyring_check *out_counts, struct vt_err *err);
