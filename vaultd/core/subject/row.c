#include "vaultd/core/subject/row.h"

#include "libvault/crypto/aead.h"

enum { CONTENT_LENGTH_LEN = 4, CONTENT_HEAD_LEN = 38, REFERENCE_LEN = 43, PAD_STEP = 64, PAD_FINE_MAX = 1024, PAD_MIDDLE = 2048 };

void vt_row_key(uint64_t record, uint16_t category, uint16_t group, uint8_t out_key[VT_ROW_KEY_LEN])
{
    vt_put_u64(out_key, record);
    vt_put_u16(out_key + 8, category);
    vt_put_u16(out_key + 10, group);
}

void vt_record_key(const struct vt_sid *sid, uint16_t collection, uint64_t record, uint8_t out_key[VT_RECORD_KEY_LEN])
{
    memcpy(out_key, sid->bytes, 16);
    vt_put_u16(out_key + 16, collection);
    vt_put_u64(out_key + 18, record);
}

void vt_match_encode(const struct vt_sid *sid, uint64_t record, uint8_t out_data[VT_INDEX_DATA_LEN])
{
    memcpy(out_data, sid->bytes, 16);
    vt_put_u64(out_data + 16, record);
}

void vt_match_decode(const uint8_t data[VT_INDEX_DATA_LEN], struct vt_match *out_match)
{
    memcpy(out_match->sid.bytes, data, 16);
    out_match->record = vt_get_u64(data + 16);
}

VT_RESULT vt_row_head_read(struct vt_bytes value, struct vt_row_head *out_head)
{
    VT_ENSURE(value.len > VT_ROW_HEAD_LEN + VT_SEAL_OVERHEAD && value.data[8] <= 1, VAULT_E_CORRUPT);
    out_head->incarnation = vt_get_u64(value.data);
    out_head->has_record_key = value.data[8] == 1;
    out_head->dek_version = vt_get_u32(value.data + 9);
    out_head->version = vt_get_u32(value.data + 13);
    return VAULT_OK;
}

const struct vt_data_key *vt_row_find_key(const struct vt_subject_keys *keys, uint64_t record, uint16_t category,
                                          const struct vt_row_head *head)
{
    return vt_subject_keys_find(keys, category, head->has_record_key ? record : 0, head->dek_version);
}

static void row_context(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_sid *sid, uint64_t record,
                        uint16_t category, uint16_t group, const struct vt_row_head *head, struct vt_seal_ctx *out_ctx)
{
    vt_seal_ctx_begin(out_ctx, vt_keyring_view_vault_id(view)->bytes, head->incarnation, VT_SEAL_ROW, tenant);
    vt_seal_ctx_bytes(out_ctx, VT_BYTES_OF(sid->bytes));
    vt_seal_ctx_u16(out_ctx, category);
    vt_seal_ctx_u64(out_ctx, record);
    vt_seal_ctx_u16(out_ctx, group);
    vt_seal_ctx_u32(out_ctx, head->version);
    vt_seal_ctx_u32(out_ctx, head->dek_version);
}

/* Opening ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT reference_read(const uint8_t *in, struct vt_reference *out_reference)
{
    VT_ENSURE(in[0] <= VT_REF_TOKEN_VALUE, VAULT_E_FORMAT);
    out_reference->kind = in[0];
    out_reference->field = vt_get_u16(in + 1);
    memcpy(out_reference->hash.bytes, in + 3, VT_INDEX_HASH_LEN);
    memcpy(out_reference->data, in + 3 + VT_INDEX_HASH_LEN, VT_INDEX_DATA_LEN);
    return VAULT_OK;
}

/* @p content: behind the length. */
static VT_RESULT content_read(struct vt_pool *pool, struct vt_bytes content, struct vt_row *row)
{
    VT_ENSURE(content.len >= CONTENT_HEAD_LEN, VAULT_E_CORRUPT);
    const uint8_t *in = content.data;
    VT_ENSURE(in[0] == VT_ROW_FORMAT, VAULT_E_FORMAT);
    row->side = in[1];
    row->collection = vt_get_u16(in + 2);
    row->created_at_ms = (int64_t)vt_get_u64(in + 4);
    row->updated_at_ms = (int64_t)vt_get_u64(in + 12);
    memcpy(row->join_id, in + 20, sizeof row->join_id);
    row->reference_count = vt_get_u16(in + 36);
    const size_t references_len = row->reference_count * REFERENCE_LEN;
    VT_ENSURE(row->side <= 1 && content.len - CONTENT_HEAD_LEN >= references_len, VAULT_E_CORRUPT);
    row->references = vt_pool_calloc(pool, row->reference_count + 1, sizeof *row->references);
    VT_ENSURE(row->references != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < row->reference_count; i++)
        VT_TRY(reference_read(in + CONTENT_HEAD_LEN + i * REFERENCE_LEN, &row->references[i]));
    const size_t at = CONTENT_HEAD_LEN + references_len;
    row->content = vt_bytes(in + at, content.len - at);
    return VAULT_OK;
}

static VT_RESULT group_get(struct vt_txn *txn, uint64_t record, uint16_t category, uint16_t group, struct vt_bytes *out_value)
{
    uint8_t key[VT_ROW_KEY_LEN];
    vt_row_key(record, category, group, key);
    return vt_store_get(txn, VT_TABLE_ROW, VT_BYTES_OF(key), out_value);
}

static VT_RESULT group_open(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_data_key *key,
                            const struct vt_row *row, uint16_t group, struct vt_bytes value, struct vt_buf *plain)
{
    struct vt_row_head head;
    struct vt_seal_ctx ctx;
    VT_TRY(vt_row_head_read(value, &head));
    VT_ENSURE(vt_keyring_accepts(view, head.incarnation), VAULT_E_AUTHENTICITY);
    VT_ENSURE(head.version == row->version && head.dek_version == row->dek_version, VAULT_E_CORRUPT);
    row_context(view, tenant, &row->sid, row->record, row->category, group, &head, &ctx);
    return vt_unseal(&key->key, &ctx, vt_bytes(value.data + VT_ROW_HEAD_LEN, value.len - VT_ROW_HEAD_LEN), plain);
}

static bool content_is_whole(const struct vt_buf *plain, size_t *out_len)
{
    if (plain->len < CONTENT_LENGTH_LEN) return false;
    *out_len = vt_get_u32(plain->data);
    return *out_len <= plain->len - CONTENT_LENGTH_LEN;
}

static VT_RESULT groups_open(struct vt_txn *txn, struct vt_keyring_view *view, vt_tenant_id tenant,
                             const struct vt_data_key *key, struct vt_row *row, struct vt_bytes first, struct vt_buf *plain,
                             size_t *out_len)
{
    struct vt_bytes value = first;
    for (uint16_t group = 0;; group++) {
        VT_ENSURE(group < UINT16_MAX, VAULT_E_CORRUPT);
        VT_TRY(group_open(view, tenant, key, row, group, value, plain));
        row->group_count = (uint16_t)(group + 1);
        if (content_is_whole(plain, out_len)) return VAULT_OK;
        const vault_status found = group_get(txn, row->record, row->category, row->group_count, &value);
        VT_ENSURE(found != VAULT_E_NOT_FOUND, VAULT_E_CORRUPT);
        VT_TRY(found);
    }
}

VT_RESULT vt_row_open(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_subject_keys *keys, uint64_t record,
                      uint16_t category, struct vt_pool *pool, struct vt_row *out_row)
{
    return vt_row_open_in(vt_keyring_view_txn(view), view, tenant, keys, record, category, pool, out_row);
}

VT_RESULT vt_row_open_in(struct vt_txn *txn, struct vt_keyring_view *view, vt_tenant_id tenant,
                         const struct vt_subject_keys *keys, uint64_t record, uint16_t category, struct vt_pool *pool,
                         struct vt_row *out_row)
{
    struct vt_bytes value;
    struct vt_row_head head;
    VT_TRY(group_get(txn, record, category, 0, &value));
    VT_TRY(vt_row_head_read(value, &head));
    const struct vt_data_key *key = vt_row_find_key(keys, record, category, &head);
    VT_ENSURE(key != NULL, VAULT_E_ERASED);
    struct vt_row row = {.sid = keys->sid, .record = record, .category = category, .version = head.version,
                         .dek_version = head.dek_version, .has_record_key = head.has_record_key};
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(VT_ROW_CONTENT_MAX + VT_LIMIT_ROW_PLAIN_BYTES);
    size_t len = 0;
    VT_TRY(groups_open(txn, view, tenant, key, &row, value, &plain, &len));
    const struct vt_bytes content = vt_pool_copy(pool, vt_bytes(plain.data + CONTENT_LENGTH_LEN, len));
    VT_ENSURE(content.data != NULL, VAULT_E_MEMORY);
    VT_TRY(content_read(pool, content, &row));
    *out_row = row;
    return VAULT_OK;
}

/* Sealing ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT content_write(const struct vt_row *row, struct vt_buf *out)
{
    VT_ENSURE(row->reference_count <= VT_REFERENCES_MAX, VAULT_E_LIMIT);
    const size_t len = CONTENT_HEAD_LEN + row->reference_count * REFERENCE_LEN + row->content.len;
    VT_ENSURE(len <= VT_ROW_CONTENT_MAX - CONTENT_LENGTH_LEN, VAULT_E_TOO_LARGE);
    VT_TRY(vt_buf_append_u32(out, (uint32_t)len));
    VT_TRY(vt_buf_append_byte(out, VT_ROW_FORMAT));
    VT_TRY(vt_buf_append_byte(out, (uint8_t)row->side));
    VT_TRY(vt_buf_append_u16(out, row->collection));
    VT_TRY(vt_buf_append_u64(out, (uint64_t)row->created_at_ms));
    VT_TRY(vt_buf_append_u64(out, (uint64_t)row->updated_at_ms));
    VT_TRY(vt_buf_append(out, VT_BYTES_OF(row->join_id)));
    VT_TRY(vt_buf_append_u16(out, (uint16_t)row->reference_count));
    for (size_t i = 0; i < row->reference_count; i++) {
        const struct vt_reference *reference = &row->references[i];
        VT_TRY(vt_buf_append_byte(out, reference->kind));
        VT_TRY(vt_buf_append_u16(out, reference->field));
        VT_TRY(vt_buf_append(out, VT_BYTES_OF(reference->hash.bytes)));
        VT_TRY(vt_buf_append(out, VT_BYTES_OF(reference->data)));
    }
    return vt_buf_append(out, row->content);
}

/* A length says little when only a few lengths occur. */
static size_t padded_len(size_t len)
{
    if (len <= PAD_FINE_MAX) return VT_MAX((len + PAD_STEP - 1) / PAD_STEP, (size_t)1) * PAD_STEP;
    return len <= PAD_MIDDLE ? PAD_MIDDLE : VT_LIMIT_ROW_PLAIN_BYTES;
}

static VT_RESULT group_put(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_data_key *key,
                           const struct vt_row *row, uint16_t group, struct vt_bytes piece, struct vt_change *change)
{
    static const uint8_t ZEROES[VT_LIMIT_ROW_PLAIN_BYTES];
    const struct vt_row_head head = {vt_keyring_view_incarnation(view), key->record != 0, key->version, row->version};
    struct vt_seal_ctx ctx;
    uint8_t row_key[VT_ROW_KEY_LEN];
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(VT_LIMIT_ROW_PLAIN_BYTES);
    VT_AUTO(vt_buf) value = VT_BUF_INIT(VT_LIMIT_ROW_PLAIN_BYTES + VT_ROW_HEAD_LEN + VT_SEAL_OVERHEAD);
    VT_TRY(vt_buf_append(&plain, piece));
    VT_TRY(vt_buf_append(&plain, vt_bytes(ZEROES, padded_len(piece.len) - piece.len)));
    VT_TRY(vt_buf_append_u64(&value, head.incarnation));
    VT_TRY(vt_buf_append_byte(&value, head.has_record_key ? 1 : 0));
    VT_TRY(vt_buf_append_u32(&value, head.dek_version));
    VT_TRY(vt_buf_append_u32(&value, head.version));
    row_context(view, tenant, &row->sid, row->record, row->category, group, &head, &ctx);
    VT_TRY(vt_seal(&key->key, &ctx, vt_buf_bytes(&plain), &value));
    vt_row_key(row->record, row->category, group, row_key);
    return vt_change_put(change, VT_TABLE_ROW, VT_BYTES_OF(row_key), vt_buf_bytes(&value), VT_PUT_DEFAULT);
}

VT_RESULT vt_row_put(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_data_key *key,
                     const struct vt_row *row, uint16_t old_groups, struct vt_change *change)
{
    VT_AUTO(vt_buf) content = VT_BUF_INIT(VT_ROW_CONTENT_MAX);
    VT_TRY(content_write(row, &content));
    uint16_t group = 0;
    for (size_t at = 0; at < content.len; at += VT_LIMIT_ROW_PLAIN_BYTES, group++) {
        const size_t len = VT_MIN(content.len - at, (size_t)VT_LIMIT_ROW_PLAIN_BYTES);
        VT_TRY(group_put(view, tenant, key, row, group, vt_bytes(content.data + at, len), change));
    }
    for (; group < old_groups; group++) {
        uint8_t row_key[VT_ROW_KEY_LEN];
        vt_row_key(row->record, row->category, group, row_key);
        VT_TRY(vt_change_delete(change, VT_TABLE_ROW, VT_BYTES_OF(row_key)));
    }
    return VAULT_OK;
}

VT_RESULT vt_row_delete(uint64_t record, uint16_t category, uint16_t group_count, struct vt_change *change)
{
    for (uint16_t group = 0; group < group_count; group++) {
        uint8_t key[VT_ROW_KEY_LEN];
        vt_row_key(record, category, group, key);
        VT_TRY(vt_change_delete(change, VT_TABLE_ROW, VT_BYTES_OF(key)));
    }
    return VAULT_OK;
}

/* Walking ---------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_rows_of_record(struct vt_txn *txn, uint64_t record, struct vt_row_name out_rows[VT_ROWS_PER_RECORD],
                            size_t *out_count)
{
    uint8_t from[VT_ROW_KEY_LEN];
    struct vt_bytes key, value;
    size_t count = 0;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    vt_row_key(record, 0, 0, from);
    VT_TRY(vt_cursor_open(txn, VT_TABLE_ROW, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(from), &key, &value);
    for (; status == VAULT_OK; status = vt_cursor_next(cursor, &key, &value)) {
        VT_ENSURE(key.len == VT_ROW_KEY_LEN, VAULT_E_CORRUPT);
        if (vt_get_u64(key.data) != record) break;
        const uint16_t category = vt_get_u16(key.data + 8);
        if (count != 0 && out_rows[count - 1].category == category) {
            out_rows[count - 1].group_count++;
            continue;
        }
        VT_ENSURE(count < VT_ROWS_PER_RECORD, VAULT_E_CORRUPT);
        out_rows[count++] = (struct vt_row_name){record, category, 1};
    }
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    *out_count = count;
    return VAULT_OK;
}

VT_RESULT vt_record_entry_next(struct vt_txn *txn, const struct vt_sid *sid, uint16_t *collection, uint64_t *record)
{
    uint8_t from[VT_RECORD_KEY_LEN];
    struct vt_bytes key, value;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_ENSURE(*record != UINT64_MAX, VAULT_E_NOT_FOUND);
    vt_record_key(sid, *collection, *record + 1, from);
    VT_TRY(vt_cursor_open(txn, VT_TABLE_RECORD, &cursor));
    VT_TRY(vt_cursor_seek(cursor, VT_BYTES_OF(from), &key, &value));
    VT_ENSURE(key.len == VT_RECORD_KEY_LEN, VAULT_E_CORRUPT);
    VT_ENSURE(vt_bytes_equal(vt_bytes(key.data, 16), VT_BYTES_OF(sid->bytes)), VAULT_E_NOT_FOUND);
    *collection = vt_get_u16(key.data + 16);
    *record = vt_get_u64(key.data + 18);
    return VAULT_OK;
}

VT_RESULT vt_record_entry_exists(struct vt_txn *txn, const struct vt_sid *sid, uint16_t collection, uint64_t record)
{
    uint8_t key[VT_RECORD_KEY_LEN];
    struct vt_bytes value;
    vt_record_key(sid, collection, record, key);
    return vt_store_get(txn, VT_TABLE_RECORD, VT_BYTES_OF(key), &value);
}
