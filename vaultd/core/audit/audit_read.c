#include "libvault/proof/tlog_proof.h"
#include "vaultd/core/audit/audit_internal.h"

/* Entries --------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_audit_log_size(struct vt_txn *txn, uint64_t *out_size)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;

    VT_TRY(vt_cursor_open(txn, VT_TABLE_AUDIT, &cursor));
    const vault_status status = vt_cursor_last(cursor, NULL, &key, &value);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    if (status == VAULT_E_NOT_FOUND) {
        *out_size = 0;
        return VAULT_OK;
    }
    VT_ENSURE(key.len == VT_AUDIT_KEY_LEN && vt_get_u64(key.data) != UINT64_MAX, VAULT_E_CORRUPT);
    *out_size = vt_get_u64(key.data) + 1;
    return VAULT_OK;
}

VT_RESULT vt_audit_entry_of(struct vt_bytes row, uint64_t sequence, struct vt_audit_entry *out_entry)
{
    struct vt_audit_entry entry = {.row = row};

    VT_TRY(vt_audit_row_split(row, &entry.leaf, &entry.leaf_bytes, &entry.payloads));
    VT_ENSURE(entry.leaf.sequence == sequence, VAULT_E_CORRUPT);
    *out_entry = entry;
    return VAULT_OK;
}

VT_RESULT vt_audit_read(struct vt_txn *txn, uint64_t sequence, struct vt_audit_entry *out_entry)
{
    uint8_t key[VT_AUDIT_KEY_LEN];
    struct vt_bytes row;

    vt_audit_key(sequence, key);
    VT_TRY(vt_store_get(txn, VT_TABLE_AUDIT, VT_BYTES_OF(key), &row));
    return vt_audit_entry_of(row, sequence, out_entry);
}

VT_RESULT vt_audit_each(struct vt_txn *txn, uint64_t from, uint64_t to, vt_audit_visitor visitor, void *context)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    uint8_t first[VT_AUDIT_KEY_LEN];
    struct vt_bytes key, row;
    struct vt_audit_entry entry;

    if (from >= to) return VAULT_OK;
    vt_audit_key(from, first);
    VT_TRY(vt_cursor_open(txn, VT_TABLE_AUDIT, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(first), &key, &row);
    for (uint64_t sequence = from; status == VAULT_OK && sequence < to; sequence++) {
        VT_ENSURE(key.len == VT_AUDIT_KEY_LEN && vt_get_u64(key.data) == sequence, VAULT_E_CORRUPT);
        VT_TRY(vt_audit_entry_of(row, sequence, &entry));
        VT_TRY(visitor(context, &entry));
        if (sequence + 1 < to) status = vt_cursor_next(cursor, &key, &row);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* Tree ------------------------------------------------------------------------------------------------------------ */

VT_RESULT vt_audit_node_get(struct vt_txn *txn, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash)
{
    uint8_t key[VT_AUDIT_NODE_KEY_LEN];
    struct vt_bytes value;

    vt_audit_node_key(level, index, key);
    VT_TRY(vt_store_get(txn, VT_TABLE_AUDIT_NODE, VT_BYTES_OF(key), &value));
    VT_ENSURE(value.len == VT_MERKLE_HASH_LEN, VAULT_E_CORRUPT);
    memcpy(out_hash->bytes, value.data, VT_MERKLE_HASH_LEN);
    return VAULT_OK;
}

static vault_status add_leaf(void *context, const struct vt_audit_entry *entry)
{
    struct vt_merkle_hash hash;
    VT_TRY(vt_merkle_leaf(entry->leaf_bytes, &hash));
    return vt_merkle_frontier_add(context, &hash, NULL, NULL);
}

/* Below the stored levels: at most 128 leaves. */
static vault_status hash_leaves(struct vt_txn *txn, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash)
{
    struct vt_merkle_frontier frontier = VT_MERKLE_FRONTIER_INIT;
    const uint64_t count = UINT64_C(1) << level, from = index << level;

    VT_TRY(vt_audit_each(txn, from, from + count, add_leaf, &frontier));
    VT_ENSURE(frontier.size == count, VAULT_E_CORRUPT);
    *out_hash = frontier.at[level];
    return VAULT_OK;
}

static vault_status store_hash_at(void *context, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash)
{
    if (level < VT_AUDIT_NODE_LEVEL_MIN) return hash_leaves(context, level, index, out_hash);
    const vault_status status = vt_audit_node_get(context, level, index, out_hash);
    return status == VAULT_E_NOT_FOUND ? VAULT_E_CORRUPT : status;
}

struct vt_merkle_source vt_audit_source(struct vt_txn *txn)
{
    return (struct vt_merkle_source){store_hash_at, txn};
}

static vault_status ensure_size(struct vt_txn *txn, uint64_t size)
{
    uint64_t log_size;
    VT_TRY(vt_audit_log_size(txn, &log_size));
    return size <= log_size ? VAULT_OK : VAULT_E_ARGUMENT;
}

VT_RESULT vt_audit_root_at(struct vt_txn *txn, uint64_t size, struct vt_merkle_hash *out_root)
{
    const struct vt_merkle_source source = vt_audit_source(txn);
    VT_TRY(ensure_size(txn, size));
    return vt_merkle_root_at(&source, size, out_root);
}

VT_RESULT vt_audit_prove_inclusion(struct vt_txn *txn, uint64_t sequence, uint64_t size,
                                   struct vt_merkle_proof *out_proof)
{
    const struct vt_merkle_source source = vt_audit_source(txn);
    VT_TRY(ensure_size(txn, size));
    return vt_merkle_prove_inclusion(&source, sequence, size, out_proof);
}

VT_RESULT vt_audit_prove_consistency(struct vt_txn *txn, uint64_t old_size, uint64_t new_size,
                                     struct vt_merkle_proof *out_proof)
{
    const struct vt_merkle_source source = vt_audit_source(txn);
    VT_TRY(ensure_size(txn, new_size));
    return vt_merkle_prove_consistency(&source, old_size, new_size, out_proof);
}

/* Checkpoints ----------------------------------------------------------------------------------------------------- */

VT_RESULT vt_audit_last_checkpoint(struct vt_txn *txn, struct vt_bytes *out_note)
{
    return vt_store_get(txn, VT_TABLE_META, vt_bytes_str(VT_AUDIT_CHECKPOINT_KEY), out_note);
}

/* Its own store's word is enough to build a proof: who reads the proof verifies the signature. */
static vault_status last_checkpoint_size(struct vt_bytes note, uint64_t *out_size)
{
    struct vt_checkpoint checkpoint;
    struct vt_bytes text;

    VT_ENSURE(vt_note_text_unverified(note, &text, NULL) == VAULT_OK, VAULT_E_CORRUPT);
    VT_ENSURE(vt_checkpoint_parse(text, VT_CHECKPOINT_KEEP_EXTENSION, &checkpoint) == VAULT_OK, VAULT_E_CORRUPT);
    *out_size = checkpoint.size;
    return VAULT_OK;
}

VT_RESULT vt_audit_prove_entry(struct vt_txn *txn, uint64_t sequence, struct vt_buf *out_proof)
{
    struct vt_tlog_proof proof = {.index = sequence};
    struct vt_audit_entry entry;
    uint64_t size;

    VT_TRY(vt_audit_last_checkpoint(txn, &proof.checkpoint));
    VT_TRY(last_checkpoint_size(proof.checkpoint, &size));
    VT_ENSURE(sequence < size, VAULT_E_NOT_FOUND);
    VT_TRY(vt_audit_read(txn, sequence, &entry));
    const vault_status status = vt_audit_prove_inclusion(txn, sequence, size, &proof.path);
    VT_ENSURE(status != VAULT_E_ARGUMENT, VAULT_E_CORRUPT);     /* the checkpoint is larger than the log */
    VT_TRY(status);
    proof.extra = entry.row.len <= VT_TLOG_EXTRA_MAX ? entry.row : entry.leaf_bytes;
    return vt_tlog_proof_write(out_proof, &proof);
}

VT_RESULT vt_audit_extends(struct vt_txn *txn, const struct vt_checkpoint *checkpoint)
{
    struct vt_merkle_hash root;

    const vault_status status = vt_audit_root_at(txn, checkpoint->size, &root);
    VT_ENSURE(status != VAULT_E_ARGUMENT, VAULT_E_ROLLBACK);
    VT_TRY(status);
    return vt_merkle_hash_equal(&root, &checkpoint->root) ? VAULT_OK : VAULT_E_ROLLBACK;
}
