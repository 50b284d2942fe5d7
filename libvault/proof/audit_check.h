/* libvault/proof/audit_check.h - check a whole audit log without a store: rows go in from sequence 0 on, in order, and
 * checkpoints are compared as their sizes are reached. Also what the daemon's own verification runs on.
 * Invariant: after a failure every further call fails the same way. Thread: one owner at a time. */
#pragma once
#include "libvault/proof/audit_leaf.h"
#include "libvault/proof/checkpoint.h"

enum vt_audit_fault {
    VT_AUDIT_SOUND = 0,
    VT_AUDIT_FAULT_LEAF,            /* the leaf cannot be read */
    VT_AUDIT_FAULT_SEQUENCE,        /* an entry is missing, doubled or out of place */
    VT_AUDIT_FAULT_PAYLOAD,         /* the items do not fit the hash in their leaf, or cannot be walked */
    VT_AUDIT_FAULT_NODE,            /* a stored node is missing, superfluous or not the hash of what lies below it */
    VT_AUDIT_FAULT_ROOT,            /* the tree is not the one that was signed */
    VT_AUDIT_FAULT_TRUNCATED,       /* the log ends before the size that was signed */
    VT_AUDIT_FAULT_CHECKPOINT,      /* the checkpoint does not verify, or is another log's */
};
/** One word for reports: "sound", "leaf", ... Static storage. */
const char *vt_audit_fault_name(enum vt_audit_fault fault);

struct vt_audit_report {
    enum vt_audit_fault fault;
    uint64_t bad_sequence;          /* first entry at fault; for a root, the size that was signed */
    uint64_t entries;               /* checked so far, all sound */
    uint64_t signed_entries;        /* of these covered by a checkpoint */
    struct vt_merkle_hash root;     /* over `entries` */
};

struct vt_audit_check {
    struct vt_merkle_frontier frontier;
    struct vt_checkpoint expected;  /* the next checkpoint to meet */
    bool has_expected;
    vt_merkle_sink sink;            /* told of complete subtrees; NULL allowed */
    void *sink_context;
    struct vt_audit_report report;
};
void vt_audit_check_init(struct vt_audit_check *check);
/** The tree must have this root at this size. Give each before the entry that passes its size, in rising order.
 *  @return VAULT_E_ARGUMENT when the size has been passed or the last one has not been met */
VT_RESULT vt_audit_check_expect(struct vt_audit_check *check, const struct vt_checkpoint *checkpoint);
/** The next row. @return VAULT_E_CORRUPT, and the report says what is wrong */
VT_RESULT vt_audit_check_row(struct vt_audit_check *check, struct vt_bytes row);
/** Something is wrong that the rows do not show: a missing key, a stray node. @return VAULT_E_CORRUPT, always */
vault_status vt_audit_check_fault(struct vt_audit_check *check, enum vt_audit_fault fault, uint64_t sequence);
/** There are no more rows. @return VAULT_E_CORRUPT when a checkpoint is still owed (VT_AUDIT_FAULT_TRUNCATED) */
VT_RESULT vt_audit_check_finish(struct vt_audit_check *check, struct vt_audit_report *out_report);

/** A log in memory: @p rows, and its last checkpoint as a signed note. The report is written in every case.
 *  @return VAULT_E_CORRUPT: the log is not sound. VAULT_E_AUTHENTICITY, VAULT_E_PARSE: the checkpoint is not */
VT_RESULT vt_audit_check_log(const struct vt_bytes *rows, size_t count, struct vt_bytes checkpoint_note,
                             const struct vt_note_verifier *verifiers, size_t verifier_count,
                             struct vt_audit_report *out_report);
