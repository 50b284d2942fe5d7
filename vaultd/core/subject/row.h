/* vaultd/core/subject/row.h - one sealed row: one category's fields of one record. For this folder,
 * core/backup and core/token.
 *
 * ROW key: record 8 | category 2 | group 2. Value: incarnation 8 | key kind 1 (0 the category's key, 1 the record's) |
 * DEK version 4 | row version 4 | SEAL(DEK, VT_SEAL_ROW context, plain). A row longer than VT_LIMIT_ROW_PLAIN_BYTES is
 * cut into groups 0, 1, ... of the same version; each plain is padded: in steps of 64 bytes up to 1 KiB, then 2 KiB,
 * then 3,968 bytes.
 * Row content, before it is cut: length 4 of all that follows | format 1 (= 1) | side 1 | collection 2 | created ms 8 |
 * updated ms 8 | join id 16 | reference count 2 | references {kind 1, field 2, hash 16, data 24} | fields
 * (vt_record_part_write).
 * Invariant: every group of a row is there or the row does not open (VAULT_E_CORRUPT). Thread: any. */
#pragma once
#include "vaultd/core/subject/subject.h"

enum { VT_ROW_KEY_LEN = 12, VT_ROW_HEAD_LEN = 17, VT_RECORD_KEY_LEN = 26, VT_ROW_FORMAT = 1, VT_REFERENCES_MAX = 4096,
       VT_ROW_CONTENT_MAX = 4 * 1024 * 1024 };

struct vt_reference {
    uint8_t kind;                       /* VT_REF_INDEX, VT_REF_TOKEN */
    uint16_t field;
    struct vt_index_hash hash;
    uint8_t data[VT_INDEX_DATA_LEN];
};
struct vt_row {
    struct vt_sid sid;
    uint64_t record;
    uint16_t category;
    uint32_t version;                   /* row version, from 1 */
    int side;
    uint16_t collection;
    int64_t created_at_ms, updated_at_ms;
    uint8_t join_id[16];
    struct vt_reference *references;    /* in the pool */
    size_t reference_count;
    struct vt_bytes content;            /* fields as packed; in the pool */
    /* as found in the store */
    uint32_t dek_version;
    bool has_record_key;
    uint16_t group_count;
};

void vt_row_key(uint64_t record, uint16_t category, uint16_t group, uint8_t out_key[VT_ROW_KEY_LEN]);
void vt_record_key(const struct vt_sid *sid, uint16_t collection, uint64_t record, uint8_t out_key[VT_RECORD_KEY_LEN]);
/** What an index entry of a record says. */
void vt_match_encode(const struct vt_sid *sid, uint64_t record, uint8_t out_data[VT_INDEX_DATA_LEN]);
void vt_match_decode(const uint8_t data[VT_INDEX_DATA_LEN], struct vt_match *out_match);

/** What a row tells without its key. */
struct vt_row_head {
    uint64_t incarnation;
    bool has_record_key;
    uint32_t dek_version, version;
};
/** @return VAULT_E_CORRUPT */
VT_RESULT vt_row_head_read(struct vt_bytes value, struct vt_row_head *out_head);
/** Which of the subject's keys opens it; NULL when that key is gone: erased. */
const struct vt_data_key *vt_row_find_key(const struct vt_subject_keys *keys, uint64_t record, uint16_t category,
                                          const struct vt_row_head *head);

/** Open the row (record, category). @return VAULT_E_NOT_FOUND (no row), VAULT_E_ERASED (its key is gone), VAULT_E_CORRUPT,
 *  VAULT_E_AUTHENTICITY (of an incarnation that is none of the vault's, too), VAULT_E_FORMAT */
VT_RESULT vt_row_open(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_subject_keys *keys, uint64_t record,
                      uint16_t category, struct vt_pool *pool, struct vt_row *out_row);
/** The same row as another store has it: what a restore asks of a backup. @p txn borrowed */
VT_RESULT vt_row_open_in(struct vt_txn *txn, struct vt_keyring_view *view, vt_tenant_id tenant,
                         const struct vt_subject_keys *keys, uint64_t record, uint16_t category, struct vt_pool *pool,
                         struct vt_row *out_row);
/** Seal @p row under @p key into @p change, replacing @p old_groups groups that are there now (0: a new row). */
VT_RESULT vt_row_put(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_data_key *key,
                     const struct vt_row *row, uint16_t old_groups, struct vt_change *change);
/** Delete all groups of a row through the change. */
VT_RESULT vt_row_delete(uint64_t record, uint16_t category, uint16_t group_count, struct vt_change *change);

/** Content of the subject's own row: msgpack [1, external id or nil]. */
VT_RESULT vt_subject_row_write(struct vt_buf *out, struct vt_bytes external_id);
VT_RESULT vt_subject_row_read(struct vt_pool *pool, struct vt_bytes content, struct vt_bytes *out_external_id);
/** The index entry of an external id. */
VT_RESULT vt_external_id_hash(struct vt_keyring_view *view, vt_tenant_id tenant, size_t key_index, struct vt_bytes external_id,
                              struct vt_index_hash *out_hash);
/** The index entry of an indexed field's value. */
VT_RESULT vt_field_hash(const struct vt_subject_env *env, size_t key_index, uint16_t collection, const struct vt_field *field,
                        const struct vt_value *value, struct vt_index_hash *out_hash);

/** Make the row's references of fields those that its content, the schema and the index keys of now ask for; references of tokens
 *  stay. Nothing is written. @param row of a collection, not the subject's own. @return VAULT_E_CORRUPT */
VT_RESULT vt_row_refresh_references(const struct vt_subject_env *env, struct vt_row *row, bool *out_changed);
/** May only one entry lie under this reference's hash? */
bool vt_reference_is_unique(const struct vt_schema_set *schemas, const struct vt_row *row, const struct vt_reference *reference);

/** Walk the (record, category) pairs of one record, in order of category. */
struct vt_row_name {
    uint64_t record;
    uint16_t category;
    uint16_t group_count;
};
enum { VT_ROWS_PER_RECORD = 64 };
VT_RESULT vt_rows_of_record(struct vt_txn *txn, uint64_t record, struct vt_row_name out_rows[VT_ROWS_PER_RECORD],
                            size_t *out_count);
/** Walk RECORD entries of a subject behind (collection, record). @return VAULT_E_NOT_FOUND at the end */
VT_RESULT vt_record_entry_next(struct vt_txn *txn, const struct vt_sid *sid, uint16_t *collection, uint64_t *record);
VT_RESULT vt_record_entry_exists(struct vt_txn *txn, const struct vt_sid *sid, uint16_t collection, uint64_t record);
