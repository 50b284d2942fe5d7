#include "vaultd/core/epoch/certificate_log_internal.h"

#include "libvault/proof/certificate.h"

enum {
    TILE_LEAVES = VT_CERTIFICATE_LOG_TILE_LEAVES,
    KEY_LEN = VT_CERTIFICATE_LOG_KEY_LEN,
    COUNTS_LEN = 16,
    LEAVES_LEVEL = 0,
};
static const char COUNTS_KEY[] = "certificate-log";

struct counts {
    uint64_t added;
    uint64_t covered;               /* by the last checkpoint */
};

static void log_key(unsigned level, uint64_t index, uint8_t out_key[KEY_LEN])
{
    out_key[0] = (uint8_t)level;
    vt_put_u64(out_key + 1, index);
}

static VT_RESULT row_put(struct vt_txn *txn, unsigned level, uint64_t index, struct vt_bytes value)
{
    uint8_t key[KEY_LEN];
    log_key(level, index, key);
    return vt_store_put(txn, VT_TABLE_CERTIFICATE_LOG, VT_BYTES_OF(key), value, VT_PUT_DEFAULT);
}

VT_RESULT vt_certificate_log_row(struct vt_txn *txn, unsigned level, uint64_t index, struct vt_bytes *out_value)
{
    uint8_t key[KEY_LEN];
    log_key(level, index, key);
    return vt_store_get(txn, VT_TABLE_CERTIFICATE_LOG, VT_BYTES_OF(key), out_value);
}

/* What is asked for here must be there. */
static VT_RESULT row_need(struct vt_txn *txn, unsigned level, uint64_t index, struct vt_bytes *out_value)
{
    const vault_status status = vt_certificate_log_row(txn, level, index, out_value);
    return status == VAULT_E_NOT_FOUND ? VAULT_E_CORRUPT : status;
}

static VT_RESULT counts_get(struct vt_txn *txn, struct counts *out_counts)
{
    struct vt_bytes value;
    const vault_status status = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(COUNTS_KEY), &value);
    *out_counts = (struct counts){0};
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(status);
    VT_ENSURE(value.len == COUNTS_LEN, VAULT_E_CORRUPT);
    *out_counts = (struct counts){vt_get_u64(value.data), vt_get_u64(value.data + 8)};
    return out_counts->covered <= out_counts->added ? VAULT_OK : VAULT_E_CORRUPT;
}

VT_RESULT vt_certificate_log_counts(struct vt_txn *txn, uint64_t *out_leaves, uint64_t *out_covered)
{
    struct counts counts;
    VT_TRY(counts_get(txn, &counts));
    *out_leaves = counts.added;
    *out_covered = counts.covered;
    return VAULT_OK;
}

static VT_RESULT counts_put(struct vt_txn *txn, const struct counts *counts)
{
    uint8_t value[COUNTS_LEN];
    vt_put_u64(value, counts->added);
    vt_put_u64(value + 8, counts->covered);
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(COUNTS_KEY), VT_BYTES_OF(value), VT_PUT_DEFAULT);
}

/* Tree ---------------------------------------------------------------------------------------------------------------- */

static VT_RESULT node_get(struct vt_txn *txn, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash)
{
    struct vt_bytes value;
    VT_TRY(row_need(txn, level, index, &value));
    VT_ENSURE(value.len == VT_MERKLE_HASH_LEN, VAULT_E_CORRUPT);
    memcpy(out_hash->bytes, value.data, VT_MERKLE_HASH_LEN);
    return VAULT_OK;
}

/* @p count leaf hashes from @p first on, which lie in one tile. */
static VT_RESULT leaves_get(struct vt_txn *txn, uint64_t first, size_t count, struct vt_merkle_hash *out_leaves)
{
    const size_t at = first % TILE_LEAVES;
    struct vt_bytes tile;
    VT_TRY(row_need(txn, LEAVES_LEVEL, first / TILE_LEAVES, &tile));
    VT_ENSURE(tile.len % VT_MERKLE_HASH_LEN == 0 && (at + count) * VT_MERKLE_HASH_LEN <= tile.len, VAULT_E_CORRUPT);
    memcpy(out_leaves, tile.data + at * VT_MERKLE_HASH_LEN, count * VT_MERKLE_HASH_LEN);
    return VAULT_OK;
}

VT_RESULT vt_certificate_log_leaf(struct vt_txn *txn, uint64_t index, struct vt_merkle_hash *out_leaf)
{
    return leaves_get(txn, index, 1, out_leaf);
}

static vault_status store_hash_at(void *context, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash)
{
    struct vt_merkle_hash leaves[TILE_LEAVES];
    if (level >= VT_CERTIFICATE_LOG_TILE_LEVEL) return node_get(context, level, index, out_hash);
    const size_t count = (size_t)1 << level;
    VT_TRY(leaves_get(context, index << level, count, leaves));
    return vt_merkle_root(leaves, count, out_hash);
}

/* A whole tile is a complete subtree, and may complete larger ones. */
static VT_RESULT tile_close(struct vt_txn *txn, uint64_t index, const struct vt_merkle_hash leaves[TILE_LEAVES])
{
    struct vt_merkle_hash hash, left;
    unsigned level = VT_CERTIFICATE_LOG_TILE_LEVEL;
    VT_TRY(vt_merkle_root(leaves, TILE_LEAVES, &hash));
    VT_TRY(row_put(txn, level, index, VT_BYTES_OF(hash.bytes)));
    for (; (index & 1) != 0; index >>= 1) {
        VT_TRY(node_get(txn, level, index - 1, &left));
        VT_TRY(vt_merkle_node(&left, &hash, &hash));
        VT_TRY(row_put(txn, ++level, index >> 1, VT_BYTES_OF(hash.bytes)));
    }
    return VAULT_OK;
}

VT_RESULT vt_certificate_log_add(struct vt_txn *txn, struct vt_bytes text, uint64_t *out_index)
{
    struct vt_merkle_hash leaves[TILE_LEAVES];
    struct counts counts;
    VT_TRY(counts_get(txn, &counts));
    const uint64_t index = counts.added, tile = index / TILE_LEAVES;
    const size_t before = index % TILE_LEAVES;
    if (before != 0) VT_TRY(leaves_get(txn, tile * TILE_LEAVES, before, leaves));
    VT_TRY(vt_merkle_leaf(text, &leaves[before]));
    VT_TRY(row_put(txn, LEAVES_LEVEL, tile, vt_bytes(leaves, (before + 1) * sizeof leaves[0])));
    if (before + 1 == TILE_LEAVES) VT_TRY(tile_close(txn, tile, leaves));
    counts.added++;
    VT_TRY(counts_put(txn, &counts));
    *out_index = index;
    return VAULT_OK;
}

/* Checkpoints ---------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_certificate_log_is_signed(struct vt_txn *txn, bool *out_is_signed)
{
    struct counts counts;
    VT_TRY(counts_get(txn, &counts));
    *out_is_signed = counts.covered == counts.added;
    return VAULT_OK;
}

VT_RESULT vt_certificate_log_sign(struct vt_keyring_view *view, struct vt_txn *txn)
{
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_CERTIFICATE_PROOF_MAX);
    const struct vt_merkle_source source = {store_hash_at, txn};
    char origin[VT_CERTIFICATE_ORIGIN_LEN];
    struct vt_checkpoint checkpoint = {0};
    struct counts counts;
    VT_TRY(counts_get(txn, &counts));
    if (counts.covered == counts.added) return VAULT_OK;

    vt_certificate_origin_format(vt_keyring_view_vault_id(view)->bytes, vt_keyring_view_incarnation(view), origin);
    const struct vt_note_signer signer = {origin, vt_keyring_system_key(view, VT_SYSTEM_KEY_CERTIFICATE_SIGN)};
    VT_ENSURE(signer.seed != NULL, VAULT_E_CORRUPT);
    memcpy(checkpoint.origin, origin, sizeof origin);
    checkpoint.size = counts.added;
    VT_TRY(vt_merkle_root_at(&source, counts.added, &checkpoint.root));
    VT_TRY(vt_checkpoint_sign(&checkpoint, &signer, 1, &note));
    VT_TRY(row_put(txn, VT_CERTIFICATE_LOG_CHECKPOINT, counts.added, vt_buf_bytes(&note)));
    counts.covered = counts.added;
    return counts_put(txn, &counts);
}

/* The first that covers the leaf. */
static VT_RESULT covering_checkpoint(struct vt_txn *txn, uint64_t index, uint64_t *out_size, struct vt_bytes *out_note)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    uint8_t from[KEY_LEN];
    struct vt_bytes key, note;
    log_key(VT_CERTIFICATE_LOG_CHECKPOINT, index + 1, from);
    VT_TRY(vt_cursor_open(txn, VT_TABLE_CERTIFICATE_LOG, &cursor));
    VT_TRY(vt_cursor_seek(cursor, VT_BYTES_OF(from), &key, &note));
    VT_ENSURE(key.len == KEY_LEN && key.data[0] == VT_CERTIFICATE_LOG_CHECKPOINT, VAULT_E_CORRUPT);
    *out_size = vt_get_u64(key.data + 1);
    *out_note = note;
    return VAULT_OK;
}

VT_RESULT vt_certificate_log_prove(struct vt_txn *txn, uint64_t index, struct vt_tlog_proof *out_proof)
{
    const struct vt_merkle_source source = {store_hash_at, txn};
    struct vt_tlog_proof proof = {.index = index};
    uint64_t size;
    VT_ENSURE(index != UINT64_MAX, VAULT_E_NOT_FOUND);
    VT_TRY(covering_checkpoint(txn, index, &size, &proof.checkpoint));
    VT_TRY(vt_merkle_prove_inclusion(&source, index, size, &proof.path));
    *out_proof = proof;
    return VAULT_OK;
}

VT_RESULT vt_certificate_log_checkpoint(struct vt_txn *txn, struct vt_bytes *out_note)
{
    struct counts counts;
    VT_TRY(counts_get(txn, &counts));
    VT_ENSURE(counts.covered != 0, VAULT_E_NOT_FOUND);
    return row_need(txn, VT_CERTIFICATE_LOG_CHECKPOINT, counts.covered, out_note);
}
