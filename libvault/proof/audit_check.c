#include "libvault/proof/audit_check.h"

#include "libvault/crypto/digest.h"

static const char *const FAULT_NAMES[] = {
    [VT_AUDIT_SOUND] = "sound",
    [VT_AUDIT_FAULT_LEAF] = "leaf",
    [VT_AUDIT_FAULT_SEQUENCE] = "sequence",
    [VT_AUDIT_FAULT_PAYLOAD] = "payload",
    [VT_AUDIT_FAULT_NODE] = "node",
    [VT_AUDIT_FAULT_ROOT] = "root",
    [VT_AUDIT_FAULT_TRUNCATED] = "truncated",
    [VT_AUDIT_FAULT_CHECKPOINT] = "checkpoint",
};

const char *vt_audit_fault_name(enum vt_audit_fault fault)
{
    VT_BUG_ON(fault >= VT_ARRAY_LEN(FAULT_NAMES));
    return FAULT_NAMES[fault];
}

void vt_audit_check_init(struct vt_audit_check *check)
{
    memset(check, 0, sizeof *check);
}

/* The first fault stays: what follows from it says nothing new. */
vault_status vt_audit_check_fault(struct vt_audit_check *check, enum vt_audit_fault fault, uint64_t sequence)
{
    if (check->report.fault == VT_AUDIT_SOUND) {
        check->report.fault = fault;
        check->report.bad_sequence = sequence;
    }
    return VAULT_E_CORRUPT;
}

/* The tree has the size of the expected checkpoint: it must have its root. */
static vault_status meet(struct vt_audit_check *check)
{
    struct vt_merkle_hash root;

    VT_TRY(vt_merkle_frontier_root(&check->frontier, &root));
    if (!vt_merkle_hash_equal(&root, &check->expected.root)) {
        return vt_audit_check_fault(check, VT_AUDIT_FAULT_ROOT, check->expected.size);
    }
    check->has_expected = false;
    check->report.signed_entries = check->expected.size;
    return VAULT_OK;
}

VT_RESULT vt_audit_check_expect(struct vt_audit_check *check, const struct vt_checkpoint *checkpoint)
{
    VT_ENSURE(check->report.fault == VT_AUDIT_SOUND, VAULT_E_CORRUPT);
    VT_ENSURE(!check->has_expected && checkpoint->size >= check->frontier.size, VAULT_E_ARGUMENT);
    check->expected = *checkpoint;
    check->expected.extension = VT_BYTES_EMPTY;     /* borrowed from the caller, and of no use here */
    check->has_expected = true;
    return checkpoint->size == check->frontier.size ? meet(check) : VAULT_OK;
}

static bool items_are_whole(struct vt_bytes payloads)
{
    struct vt_audit_item item;
    vault_status status;

    do status = vt_audit_item_next(&payloads, &item);
    while (status == VAULT_OK);
    return status == VAULT_E_NOT_FOUND;
}

static vault_status check_payloads(struct vt_audit_check *check, const struct vt_audit_leaf *leaf,
                                   struct vt_bytes payloads)
{
    uint8_t hash[VT_SHA256_LEN];

    VT_TRY(vt_sha256_one(payloads, hash));
    if (memcmp(hash, leaf->payload_hash, sizeof hash) != 0 || !items_are_whole(payloads)) {
        return vt_audit_check_fault(check, VT_AUDIT_FAULT_PAYLOAD, check->frontier.size);
    }
    return VAULT_OK;
}

VT_RESULT vt_audit_check_row(struct vt_audit_check *check, struct vt_bytes row)
{
    const uint64_t sequence = check->frontier.size;
    struct vt_audit_leaf leaf;
    struct vt_bytes leaf_bytes, payloads;
    struct vt_merkle_hash hash;

    VT_ENSURE(check->report.fault == VT_AUDIT_SOUND, VAULT_E_CORRUPT);
    if (vt_audit_row_split(row, &leaf, &leaf_bytes, &payloads) != VAULT_OK) {
        return vt_audit_check_fault(check, VT_AUDIT_FAULT_LEAF, sequence);
    }
    if (leaf.sequence != sequence) return vt_audit_check_fault(check, VT_AUDIT_FAULT_SEQUENCE, sequence);
    VT_TRY(check_payloads(check, &leaf, payloads));
    VT_TRY(vt_merkle_leaf(leaf_bytes, &hash));
    const vault_status status = vt_merkle_frontier_add(&check->frontier, &hash, check->sink, check->sink_context);
    if (status == VAULT_E_CORRUPT) return vt_audit_check_fault(check, VT_AUDIT_FAULT_NODE, sequence);
    VT_TRY(status);
    check->report.entries = check->frontier.size;
    return check->has_expected && check->expected.size == check->frontier.size ? meet(check) : VAULT_OK;
}

VT_RESULT vt_audit_check_finish(struct vt_audit_check *check, struct vt_audit_report *out_report)
{
    vault_status status = check->report.fault == VT_AUDIT_SOUND ? VAULT_OK : VAULT_E_CORRUPT;

    if (status == VAULT_OK && check->has_expected) {
        status = vt_audit_check_fault(check, VT_AUDIT_FAULT_TRUNCATED, check->frontier.size);
    }
    VT_TRY(vt_merkle_frontier_root(&check->frontier, &check->report.root));
    *out_report = check->report;
    return status;
}

/* All rows, up to the first that is not sound. */
static vault_status check_rows(struct vt_audit_check *check, const struct vt_bytes *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) VT_TRY(vt_audit_check_row(check, rows[i]));
    return VAULT_OK;
}

VT_RESULT vt_audit_check_log(const struct vt_bytes *rows, size_t count, struct vt_bytes checkpoint_note,
                             const struct vt_note_verifier *verifiers, size_t verifier_count,
                             struct vt_audit_report *out_report)
{
    struct vt_audit_check check;
    struct vt_checkpoint checkpoint;

    vt_audit_check_init(&check);
    vault_status status = vt_checkpoint_verify(checkpoint_note, verifiers, verifier_count, VT_CHECKPOINT_KEEP_EXTENSION,
                                               &checkpoint, NULL);
    if (status != VAULT_OK) {
        check.report.fault = VT_AUDIT_FAULT_CHECKPOINT;
        *out_report = check.report;
        return status;
    }
    status = vt_audit_check_expect(&check, &checkpoint);
    if (status == VAULT_OK) status = check_rows(&check, rows, count);
    const vault_status finished = vt_audit_check_finish(&check, out_report);
    return status != VAULT_OK ? status : finished;
}
