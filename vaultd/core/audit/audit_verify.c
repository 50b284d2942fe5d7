#include <stdlib.h>

#include "libvault/base/fault.h"
#include "vaultd/core/audit/audit_internal.h"

struct vt_audit_walk {
    struct vt_audit_check check;
    uint64_t total;             /* rows of the log when the walk began */
    struct vt_txn *txn;         /* of the step that runs */
    bool is_done;
};

/* The sink of the check: each complete subtree must be stored as it comes out of the leaves. */
static vault_status compare_node(void *context, unsigned level, uint64_t index, const struct vt_merkle_hash *hash)
{
    const struct vt_audit_walk *walk = context;
    struct vt_merkle_hash stored;

    if (level < VT_AUDIT_NODE_LEVEL_MIN) return VAULT_OK;
    const vault_status status = vt_audit_node_get(walk->txn, level, index, &stored);
    VT_ENSURE(status != VAULT_E_NOT_FOUND, VAULT_E_CORRUPT);
    VT_TRY(status);
    return vt_merkle_hash_equal(&stored, hash) ? VAULT_OK : VAULT_E_CORRUPT;
}

/* Findings are in the report; what is left is a failure of the walk itself. */
static vault_status failure_of(const struct vt_audit_walk *walk, vault_status status)
{
    return walk->check.report.fault != VT_AUDIT_SOUND ? VAULT_OK : status;
}

static vault_status expect_checkpoint(struct vt_audit_walk *walk, struct vt_txn *txn,
                                      const struct vt_note_verifier *verifiers, size_t count)
{
    struct vt_checkpoint checkpoint;
    struct vt_bytes note;

    vault_status status = vt_audit_last_checkpoint(txn, &note);
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(status);
    status = vt_checkpoint_verify(note, verifiers, count, VT_CHECKPOINT_KEEP_EXTENSION, &checkpoint, NULL);
    VT_ENSURE(status != VAULT_E_MEMORY && status != VAULT_E_CRYPTO && status != VAULT_E_ARGUMENT, status);
    if (status != VAULT_OK) return vt_audit_check_fault(&walk->check, VT_AUDIT_FAULT_CHECKPOINT, 0);
    return vt_audit_check_expect(&walk->check, &checkpoint);
}

VT_RESULT vt_audit_walk_begin(struct vt_txn *txn, const struct vt_note_verifier *verifiers, size_t count,
                              struct vt_audit_walk **out_walk)
{
    VT_AUTO_PTR(vt_audit_walk) walk = vt_calloc(1, sizeof *walk);
    VT_ENSURE(walk != NULL, VAULT_E_MEMORY);
    vt_audit_check_init(&walk->check);
    walk->check.sink = compare_node;
    walk->check.sink_context = walk;

    vault_status status = vt_audit_log_size(txn, &walk->total);
    if (status == VAULT_E_CORRUPT) status = vt_audit_check_fault(&walk->check, VT_AUDIT_FAULT_SEQUENCE, 0);
    if (status == VAULT_OK) status = expect_checkpoint(walk, txn, verifiers, count);
    VT_TRY(failure_of(walk, status));
    *out_walk = VT_MOVE(walk);
    return VAULT_OK;
}

/* Rows from where the check stands, at most @p max_rows and none past the total. */
static vault_status check_rows(struct vt_audit_walk *walk, uint64_t max_rows)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    uint8_t first[VT_AUDIT_KEY_LEN];
    struct vt_bytes key, row;
    const uint64_t from = walk->check.frontier.size;
    const uint64_t to = from + VT_MIN(max_rows, walk->total - from);

    if (from == to) return VAULT_OK;
    vt_audit_key(from, first);
    VT_TRY(vt_cursor_open(walk->txn, VT_TABLE_AUDIT, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(first), &key, &row);
    for (uint64_t sequence = from; status == VAULT_OK && sequence < to; sequence++) {
        if (key.len != VT_AUDIT_KEY_LEN || vt_get_u64(key.data) != sequence) {
            return vt_audit_check_fault(&walk->check, VT_AUDIT_FAULT_SEQUENCE, sequence);
        }
        VT_TRY(vt_audit_check_row(&walk->check, row));
        if (sequence + 1 < to) status = vt_cursor_next(cursor, &key, &row);
    }
    if (status != VAULT_E_NOT_FOUND) return status;
    return vt_audit_check_fault(&walk->check, VT_AUDIT_FAULT_TRUNCATED, walk->check.frontier.size);
}

/* Every node that belongs has been compared; now none may be there that does not. */
static vault_status find_stray_nodes(struct vt_audit_walk *walk)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    static const uint8_t lowest = 0;
    struct vt_bytes key, value;
    uint64_t size;

    VT_TRY(vt_audit_log_size(walk->txn, &size));
    VT_TRY(vt_cursor_open(walk->txn, VT_TABLE_AUDIT_NODE, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(lowest), &key, &value);
    for (; status == VAULT_OK; status = vt_cursor_next(cursor, &key, &value)) {
        const bool is_node = key.len == VT_AUDIT_NODE_KEY_LEN && key.data[0] >= VT_AUDIT_NODE_LEVEL_MIN &&
                             key.data[0] < VT_MERKLE_LEVELS;
        if (!is_node || vt_get_u64(key.data + 1) >= size >> key.data[0]) {
            return vt_audit_check_fault(&walk->check, VT_AUDIT_FAULT_NODE, size);
        }
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static vault_status step(struct vt_audit_walk *walk, uint64_t max_rows)
{
    struct vt_audit_report ignored;

    VT_TRY(check_rows(walk, max_rows));
    if (walk->check.frontier.size < walk->total) return VAULT_OK;
    VT_TRY(find_stray_nodes(walk));
    VT_TRY(vt_audit_check_finish(&walk->check, &ignored));
    walk->is_done = true;
    return VAULT_OK;
}

VT_RESULT vt_audit_walk_step(struct vt_audit_walk *walk, struct vt_txn *txn, uint64_t max_rows, bool *out_done)
{
    if (!walk->is_done && walk->check.report.fault == VT_AUDIT_SOUND) {
        walk->txn = txn;
        const vault_status status = step(walk, max_rows);
        walk->txn = NULL;
        VT_TRY(failure_of(walk, status));
    }
    *out_done = walk->is_done || walk->check.report.fault != VT_AUDIT_SOUND;
    return VAULT_OK;
}

const struct vt_audit_report *vt_audit_walk_report(const struct vt_audit_walk *walk)
{
    return &walk->check.report;
}

uint64_t vt_audit_walk_total(const struct vt_audit_walk *walk)
{
    return walk->total;
}

void vt_audit_walk_free(struct vt_audit_walk *walk)
{
    free(walk);
}

VT_RESULT vt_audit_verify(struct vt_txn *txn, const struct vt_note_verifier *verifiers, size_t count,
                          struct vt_audit_report *out_report)
{
    VT_AUTO_PTR(vt_audit_walk) walk = NULL;
    bool is_done;

    VT_TRY(vt_audit_walk_begin(txn, verifiers, count, &walk));
    const vault_status status = vt_audit_walk_step(walk, txn, UINT64_MAX, &is_done);
    *out_report = walk->check.report;
    VT_TRY(status);
    return walk->check.report.fault == VT_AUDIT_SOUND ? VAULT_OK : VAULT_E_CORRUPT;
}
