#include "vaultd/core/audit/audit.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/audit/audit_internal.h"

/* A row buffer larger than this is not kept for the next leaf. */
enum { ROW_KEEP_BYTES = 64 * 1024 };

struct vt_audit {
    struct vt_merkle_frontier committed;
    struct vt_merkle_frontier pending;      /* with the leaves of the open transaction */
    struct vt_buf row;                      /* where leaf and payloads come together; kept for the next one */
};

VT_RESULT vt_audit_open(struct vt_txn *txn, struct vt_audit **out_audit)
{
    const struct vt_merkle_source source = vt_audit_source(txn);
    uint64_t size;

    VT_AUTO_PTR(vt_audit) audit = vt_calloc(1, sizeof *audit);
    VT_ENSURE(audit != NULL, VAULT_E_MEMORY);
    audit->row = VT_BUF_INIT(VT_AUDIT_LEAF_MAX + (size_t)VT_AUDIT_PAYLOADS_MAX);
    VT_TRY(vt_audit_log_size(txn, &size));
    VT_TRY(vt_merkle_frontier_load(&source, size, &audit->committed));
    audit->pending = audit->committed;
    *out_audit = VT_MOVE(audit);
    return VAULT_OK;
}

void vt_audit_free(struct vt_audit *audit)
{
    if (audit == NULL) return;
    vt_buf_release(&audit->row);
    free(audit);
}

static vault_status put_node(void *context, unsigned level, uint64_t index, const struct vt_merkle_hash *hash)
{
    struct vt_txn *txn = context;
    uint8_t key[VT_AUDIT_NODE_KEY_LEN];

    if (level < VT_AUDIT_NODE_LEVEL_MIN) return VAULT_OK;
    vt_audit_node_key(level, index, key);
    return vt_store_put(txn, VT_TABLE_AUDIT_NODE, VT_BYTES_OF(key), VT_BYTES_OF(hash->bytes), VT_PUT_DEFAULT);
}

static vault_status put_row(struct vt_audit *audit, struct vt_txn *txn, struct vt_bytes leaf, struct vt_bytes payloads)
{
    uint8_t key[VT_AUDIT_KEY_LEN];

    audit->row.len = 0;     /* ciphertext and names only: nothing to wipe between rows */
    VT_TRY(vt_buf_append(&audit->row, leaf));
    VT_TRY(vt_buf_append(&audit->row, payloads));
    vt_audit_key(audit->pending.size, key);
    const vault_status status =
        vt_store_put(txn, VT_TABLE_AUDIT, VT_BYTES_OF(key), vt_buf_bytes(&audit->row), VT_PUT_APPEND);
    if (audit->row.cap > ROW_KEEP_BYTES) vt_buf_release(&audit->row);
    return status == VAULT_E_ARGUMENT ? VAULT_E_CORRUPT : status;
}

VT_RESULT vt_audit_append(struct vt_audit *audit, struct vt_txn *txn, const struct vt_audit_leaf *leaf,
                          struct vt_bytes payloads, uint64_t *out_sequence)
{
    struct vt_audit_leaf filled = *leaf;
    uint8_t bytes[VT_AUDIT_LEAF_MAX];
    size_t len;
    struct vt_merkle_hash hash;

    VT_ENSURE(payloads.len <= VT_AUDIT_PAYLOADS_MAX, VAULT_E_TOO_LARGE);
    filled.sequence = audit->pending.size;
    VT_TRY(vt_sha256_one(payloads, filled.payload_hash));
    VT_TRY(vt_audit_leaf_encode(&filled, bytes, &len));
    VT_TRY(vt_merkle_leaf(vt_bytes(bytes, len), &hash));
    VT_TRY(put_row(audit, txn, vt_bytes(bytes, len), payloads));
    VT_TRY(vt_merkle_frontier_add(&audit->pending, &hash, put_node, txn));
    if (out_sequence != NULL) *out_sequence = filled.sequence;
    return VAULT_OK;
}

VT_RESULT vt_audit_checkpoint(struct vt_audit *audit, struct vt_txn *txn, const struct vt_note_signer *signer,
                              struct vt_buf *out_note)
{
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_NOTE_MAX);
    struct vt_checkpoint checkpoint = {.size = audit->pending.size};
    const size_t len = strlen(signer->name);

    VT_ENSURE(len <= VT_NOTE_NAME_MAX, VAULT_E_ARGUMENT);
    memcpy(checkpoint.origin, signer->name, len);
    VT_TRY(vt_merkle_frontier_root(&audit->pending, &checkpoint.root));
    VT_TRY(vt_checkpoint_sign(&checkpoint, signer, 1, &note));
    VT_TRY(
        vt_store_put(txn, VT_TABLE_META, vt_bytes_str(VT_AUDIT_CHECKPOINT_KEY), vt_buf_bytes(&note), VT_PUT_DEFAULT));
    return out_note == NULL ? VAULT_OK : vt_buf_append(out_note, vt_buf_bytes(&note));
}

void vt_audit_committed(struct vt_audit *audit)
{
    audit->committed = audit->pending;
}

void vt_audit_rolled_back(struct vt_audit *audit)
{
    audit->pending = audit->committed;
}

uint64_t vt_audit_size(const struct vt_audit *audit)
{
    return audit->committed.size;
}

uint64_t vt_audit_pending_size(const struct vt_audit *audit)
{
    return audit->pending.size;
}
