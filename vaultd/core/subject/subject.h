/* vaultd/core/subject/subject.h - subjects and their records: planned into a vt_change, read through a view.
 *
 * Rows: ROW key record 8 | category 2 | field group 2 -> incarnation 8 | DEK version 4 | row version 4 | SEAL(DEK, row context,
 * padded plain). One category's fields of one record are one row; what exceeds VT_LIMIT_ROW_PLAIN_BYTES goes into further field
 * groups. A row's plain holds: format byte, flags, created and updated ms, collection number, join id and side (two-subject
 * records), the references it has placed in T_idx {kind 1, hash 16, data 24}, and the fields by number as msgpack.
 * The subject's own row (external id, creation) is a record of collection 0 in category VT_CATEGORY_VAULT.
 * RECORD key sid 16 | collection 2 | record 8 -> empty lists who has what.
 * External ids: T_idx under label "external-id:1", unique per tenant, byte for byte.
 * Errors: erased and never existed look the same here (VAULT_E_NOT_FOUND); the service tells them apart through the ledger for
 * callers who may know. Thread: planning and reading any; destroy the committer. */
#pragma once
#include "vaultd/core/subject/schemas.h"
#include "vaultd/core/subject/sequence.h"

/** What planning needs; borrowed, filled in by the service for each call. */
struct vt_subject_env {
    struct vt_keyring_view *view;
    vt_tenant_id tenant;
    const struct vt_schema_set *schemas;
    struct vt_stamps *stamps;
    struct vt_sequence *records;        /* record ids */
    struct vt_pool *pool;               /* of the call */
    int64_t now_ms;
    struct vt_err *err;
};

/* Finding -------------------------------------------------------------------------------------------------------- */

/** @return VAULT_E_NOT_FOUND, VAULT_E_SHRED_PENDING */
VT_RESULT vt_subject_by_external_id(const struct vt_subject_env *env, struct vt_bytes external_id, struct vt_sid *out_sid);
/** Exists and is not pending? @return VAULT_E_NOT_FOUND, VAULT_E_SHRED_PENDING */
VT_RESULT vt_subject_check(const struct vt_subject_env *env, const struct vt_sid *sid);
struct vt_match {
    struct vt_sid sid;
    uint64_t record;
};
/** Exact search on an indexed field. @return VAULT_E_NOT_FOUND (none), VAULT_E_STATE (field not indexed) */
VT_RESULT vt_subject_find(const struct vt_subject_env *env, const struct vt_collection_entry *collection,
                          const struct vt_field *field, const struct vt_value *value, struct vt_match *out_matches,
                          size_t max, size_t *out_count);
struct vt_subject_info {
    struct vt_sid sid;
    struct vt_bytes external_id;        /* in env->pool; data NULL when it has none */
    int64_t created_at_ms;
};
VT_RESULT vt_subject_info(const struct vt_subject_env *env, const struct vt_sid *sid, struct vt_subject_info *out_info);
/** Subjects by sid order behind @p after (NULL: from the start). */
VT_RESULT vt_subject_list(const struct vt_subject_env *env, const struct vt_sid *after, size_t max,
                          struct vt_subject_info *out_infos, size_t *out_count);

/* Writing -------------------------------------------------------------------------------------------------------- */

/** A subject with its first records in one unit: builder, so that import and create share it. */
struct vt_subject_draft;
/** @param external_id data NULL: none (a value alone got tokenised) */
VT_RESULT vt_subject_draft_new(const struct vt_subject_env *env, struct vt_bytes external_id,
                               struct vt_subject_draft **out_draft);
/** Draft on an existing subject: more records for it. @return VAULT_E_NOT_FOUND, VAULT_E_SHRED_PENDING */
VT_RESULT vt_subject_draft_open(const struct vt_subject_env *env, const struct vt_sid *sid,
                                struct vt_subject_draft **out_draft);
const struct vt_sid *vt_subject_draft_sid(const struct vt_subject_draft *draft);
/** Options of one record. */
struct vt_record_draft {
    const struct vt_collection_entry *collection;
    const struct vt_value *fields;      /* map, checked here */
    uint64_t record;                    /* 0: a new one; else merge into the existing one (null removes) */
    int side;                           /* two-subject collections: 0 or 1 */
    uint8_t join_id[16];                /* two-subject collections */
    int64_t created_at_ms, updated_at_ms;   /* of a new record that was kept elsewhere before; 0: now */
};
/** Validate, seal, index. Keys that the subject lacks are added. @return VAULT_E_INVALID_VALUE, VAULT_E_UNKNOWN_FIELD,
 *  VAULT_E_EXISTS (cardinality one has its record, or another record has a value that is unique), VAULT_E_LIMIT,
 *  VAULT_E_NOT_FOUND (record) */
VT_RESULT vt_subject_draft_record(struct vt_subject_draft *draft, const struct vt_record_draft *record,
                                  uint64_t *out_record);
/** Is this record drafted already? A stored one must not be merged into twice by one draft. */
bool vt_subject_draft_has(const struct vt_subject_draft *draft, uint64_t record);
/** Where a draft stands: what is drafted behind it can be taken back as long as it is new records only. */
struct vt_draft_place {
    size_t rows, entries;
};
struct vt_draft_place vt_subject_draft_place(const struct vt_subject_draft *draft);
void vt_subject_draft_rewind(struct vt_subject_draft *draft, struct vt_draft_place place);
/** Tell @p visit of each value drafted behind @p place that nobody else may have; @p field NULL: the external id. For batches:
 *  drafts know what is stored, not what the batch's other drafts will store. Stops at what @p visit returns but VAULT_OK. */
typedef vault_status (*vt_unique_visit)(void *context, const struct vt_field *field, const struct vt_index_hash *hash);
VT_RESULT vt_subject_draft_uniques(const struct vt_subject_draft *draft, struct vt_draft_place place, vt_unique_visit visit,
                                   void *context);
/** Attach one more index entry to the row of (record, field's category) being drafted, and add it to T_idx: tokens use it. A field
 *  with a reference of a token cannot change its value (VAULT_E_STATE): the token stands for that very value. A record
 *  that is stored already is drafted with an empty field map first. */
enum {
    VT_REF_INDEX = 0,           /* an indexed field */
    VT_REF_TOKEN = 1,           /* token -> holder: this record */
    VT_REF_TOKEN_VALUE = 2,     /* value -> token: shared by all holders, remembered here, neither added nor removed by the draft */
};
VT_RESULT vt_subject_draft_reference(struct vt_subject_draft *draft, uint64_t record, const struct vt_field *field,
                                     uint8_t kind, const struct vt_index_hash *hash,
                                     const uint8_t data[VT_INDEX_DATA_LEN]);
/** Seal everything into @p change. The draft is used up. */
VT_RESULT vt_subject_draft_finish(struct vt_subject_draft *draft, struct vt_change *change);
/** Row version of the record drafted last: 1 for a new one. */
uint32_t vt_subject_draft_version(const struct vt_subject_draft *draft);
void vt_subject_draft_free(struct vt_subject_draft *draft);
VT_DEFINE_AUTO_PTR(vt_subject_draft);

/** Correct so that the old value dies with the epoch: fresh DEK for the category of every field given, all rows of the
 *  subject in these categories re-sealed. @p record 0 for the one of a `one` collection; filled in.
 *  @param forget_old false: the keys stay, older copies in backups too. @return VAULT_E_HELD: an old value would go */
VT_RESULT vt_record_correct(const struct vt_subject_env *env, const struct vt_sid *sid,
                            const struct vt_collection_entry *collection, uint64_t *record, const struct vt_value *fields,
                            bool forget_old, struct vt_change *change, uint32_t *out_version, uint64_t *out_resealed);
/** Delete rows and index entries; drops the record's own keys where the collection forgets by record. @return VAULT_E_HELD */
VT_RESULT vt_record_delete(const struct vt_subject_env *env, const struct vt_sid *sid,
                           const struct vt_collection_entry *collection, uint64_t record, struct vt_change *change,
                           uint64_t *out_rows);
/** Give a subject's (category's) rows fresh DEKs, at most @p max_rows per step; for key rotation. @p cursor 16 bytes, zero at
 *  first. @param destroy_old drop the old version when no row needs it; else it becomes restore-only. @return VAULT_E_HELD */
VT_RESULT vt_subject_rotate_step(const struct vt_subject_env *env, const struct vt_sid *sid, uint16_t category,
                                 size_t max_rows, bool destroy_old, struct vt_change *change, uint8_t cursor[16],
                                 uint64_t *out_rows, bool *out_done);

/** Tell @p visit of every row of a subject and of the key it lies under; nothing is opened. @p key_record 0: the category's key.
 *  Stops at what it returns but VAULT_OK. */
typedef vault_status (*vt_row_visit)(void *context, uint16_t category, uint64_t key_record, uint32_t dek_version);
VT_RESULT vt_subject_rows_each(struct vt_keyring_view *view, const struct vt_sid *sid, uint16_t category, vt_row_visit visit,
                               void *context);

/* Reading -------------------------------------------------------------------------------------------------------- */

struct vt_record {
    uint64_t record;
    const struct vt_collection_entry *collection;
    struct vt_value fields;             /* map in env->pool, canonical plain values */
    int64_t created_at_ms, updated_at_ms;
    uint32_t version;
    int side;                           /* two-subject records */
    uint8_t join_id[16];
    uint32_t erased_categories;         /* bit (category - 1): this record had fields there, their key is gone */
};
/** @param record 0: the one of a `one` collection. @param fields NULL or a list of names: only their rows are opened
 *  @return VAULT_E_NOT_FOUND; VAULT_E_ERASED when every row's key is gone */
VT_RESULT vt_record_get(const struct vt_subject_env *env, const struct vt_sid *sid,
                        const struct vt_collection_entry *collection, uint64_t record, const struct vt_value *fields,
                        struct vt_record *out_record);
/** Fill in *record for a `one` collection when it is 0; check that it is the subject's. @return VAULT_E_NOT_FOUND */
VT_RESULT vt_record_resolve(const struct vt_subject_env *env, const struct vt_sid *sid,
                            const struct vt_collection_entry *collection, uint64_t *record);
/** One field alone, opening one row: the hot path of reveal. */
VT_RESULT vt_record_field(const struct vt_subject_env *env, const struct vt_sid *sid,
                          const struct vt_collection_entry *collection, uint64_t record, const struct vt_field *field,
                          struct vt_value *out_value);
/** Records of a subject behind @p after. @param collection NULL: of every collection, in order of number then id */
VT_RESULT vt_record_list(const struct vt_subject_env *env, const struct vt_sid *sid,
                         const struct vt_collection_entry *collection, uint64_t after, size_t max,
                         struct vt_record *out_records, size_t *out_count);
/** Every record of a subject in order of collection and id, the unreadable ones too: nothing is left out in silence.
 *  @param visit gets @p status VAULT_OK, or VAULT_E_ERASED or VAULT_E_SHRED_PENDING with a record that has no fields; stops
 *               at what it returns but VAULT_OK */
typedef vault_status (*vt_record_visit)(void *context, const struct vt_record *record, vault_status status);
VT_RESULT vt_record_each(const struct vt_subject_env *env, const struct vt_sid *sid, vt_record_visit visit, void *context);
/** How many records a subject has per collection. */
VT_RESULT vt_record_counts(const struct vt_subject_env *env, const struct vt_sid *sid,
                           void (*visit)(void *context, uint16_t collection, uint64_t count), void *context);

/** Destruction without the epoch (a deleted record, a corrected or replaced value, an old key version): the gate is asked now, and
 *  again when @p change is applied. @return VAULT_E_HELD with a sentence */
VT_RESULT vt_gate_pass(const struct vt_subject_env *env, const struct vt_sid *sid, uint16_t category, struct vt_change *change);

/* Destroying: called by the epoch at S3/S4, inside the committer ------------------------------------------------- */

/** Told of each reference of a token that goes, holders first, so that the token layer lets go of the holder and, with the last
 *  one, of the value. */
typedef vault_status (*vt_reference_gone)(void *context, struct vt_keyring_write *write, vt_tenant_id tenant, uint8_t kind,
                                          const struct vt_index_hash *hash, const uint8_t data[VT_INDEX_DATA_LEN]);
struct vt_destroyed_rows {
    uint64_t records, rows, index_entries, tokens, keys;
};
/** Drop the scope's keys (whole subject, category, record), its index entries, rows and RECORD entries.
 *  The only function that reaches key destruction of subjects. @return VAULT_E_HELD when a hold forbids it: nothing was touched */
VT_RESULT vt_subject_destroy(struct vt_keyring_write *write, struct vt_txn *txn, vt_tenant_id tenant,
                             const struct vt_scope *scope, vt_reference_gone gone, void *context,
                             struct vt_destroyed_rows *out_counts);
/** The same walk without a change: for --dry-run. */
VT_RESULT vt_subject_destroy_plan(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_scope *scope,
                                  struct vt_destroyed_rows *out_counts);
