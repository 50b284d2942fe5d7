/* libvault/proof/audit_leaf.h - the bytes of one audit entry, over which the log's tree is built.
 * docs/FORMAT.md "Audit log".
 *
 * A stored row is leaf | payload items. The leaf's place in the log is its sequence, which is its index in the tree.
 * The leaf keeps SHA-256 of the items as stored, so that a shred blinds the items (their key is gone) while the tree
 * verifies.
 *
 * leaf, big-endian, 109 bytes and the two names:
 *     0 version 1 = 1      1 effect 1          2 flags 1          3 purpose length 1   4 recipient length 1
 *     5 command 2          7 status 2          9 item count 4     13 sequence 8        21 time, ms since 1970, 8
 *    29 tenant 8          37 incarnation 8    45 principal 16     61 request id 16     77 SHA-256 of the items 32
 *   109 purpose, then recipient: registered names, at most 64 bytes each, visible ASCII; never personal data
 * item: kind 1 | origin 16 | payload id 16 | length 4 | bytes
 *     kind 1 sealed payload (crypto/aead.h VT_SEAL_AUDIT_PAYLOAD; origin: sid, or zero for the tenant's key)
 *     kind 2 evidence: SHA-256 of the text of a signed note (a checkpoint of the log of certificates); origin and payload
 *            id zero; length 32
 * Leaf hash: RFC 6962, SHA-256(0x00 || leaf). Invariant: one encoding per leaf; decoding refuses everything else.
 * Thread: any. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/proof/merkle.h"

enum {
    VT_AUDIT_LEAF_VERSION = 1,
    VT_AUDIT_LEAF_FIXED_LEN = 109,
    VT_AUDIT_NAME_MAX = 64,
    VT_AUDIT_LEAF_MAX = VT_AUDIT_LEAF_FIXED_LEN + 2 * VT_AUDIT_NAME_MAX,
    VT_AUDIT_ITEM_HEAD_LEN = 37,
    VT_AUDIT_PAYLOADS_MAX = 64 * 1024 * 1024,   /* bytes of all items of one row: a batch has one item a subject */
};

/** Part of the format: never renumber, never reuse. */
enum vt_audit_effect {
    VT_AUDIT_READ = 1,
    VT_AUDIT_WRITE = 2,
    VT_AUDIT_DESTROY = 3,
    VT_AUDIT_SYSTEM = 4,        /* the vault itself: checkpoints, epochs, start, stop */
    VT_AUDIT_REFUSED = 5,       /* whatever was asked; status says why not */
};
enum vt_audit_flags {
    VT_AUDIT_TEST_CLOCK = 1,    /* time came from a settable clock */
};
enum vt_audit_item_kind {
    VT_AUDIT_ITEM_SEALED = 1,
    VT_AUDIT_ITEM_EVIDENCE = 2,
};

struct vt_audit_leaf {
    uint64_t sequence;          /* filled in by vt_audit_append() */
    int64_t time_ms;
    uint64_t tenant;
    uint64_t incarnation;       /* of writing: opening a payload needs it */
    uint16_t command;           /* number of the command, 0 when none was recognised */
    uint16_t status;            /* of status.def */
    uint8_t effect;             /* enum vt_audit_effect */
    uint8_t flags;              /* enum vt_audit_flags */
    uint32_t item_count;        /* things the call touched: rows, tokens, subjects */
    uint8_t principal[16];      /* zero: nobody was authenticated */
    uint8_t request_id[16];
    uint8_t payload_hash[32];   /* filled in by vt_audit_append() */
    struct vt_bytes purpose;    /* borrowed; registered names */
    struct vt_bytes recipient;
};

/** One payload item of a row; parts borrowed from it. */
struct vt_audit_item {
    enum vt_audit_item_kind kind;
    const uint8_t *origin;      /* 16 bytes */
    const uint8_t *payload_id;  /* 16 bytes */
    struct vt_bytes bytes;
};

/** @return VAULT_E_ARGUMENT: effect, flags or names are not as above. Needs no memory. */
VT_RESULT vt_audit_leaf_encode(const struct vt_audit_leaf *leaf, uint8_t out_bytes[VT_AUDIT_LEAF_MAX], size_t *out_len);
/** Read the leaf at the front of a row; names stay borrowed. @p out_payloads is what follows, not looked at yet.
 *  @return VAULT_E_CORRUPT, VAULT_E_FORMAT (version) */
VT_RESULT vt_audit_row_split(struct vt_bytes row, struct vt_audit_leaf *out_leaf, struct vt_bytes *out_leaf_bytes,
                             struct vt_bytes *out_payloads);
/** The first of the items in @p payloads; @p payloads then begins behind it.
 *  @return VAULT_E_NOT_FOUND at the end, VAULT_E_CORRUPT */
VT_RESULT vt_audit_item_next(struct vt_bytes *payloads, struct vt_audit_item *out_item);
/** Append an item. @return VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_audit_item_write(struct vt_buf *out, const struct vt_audit_item *item);
/** Append the evidence item of a signed note: SHA-256 of its text. @return VAULT_E_PARSE when it is no note */
VT_RESULT vt_audit_evidence_write(struct vt_buf *out, struct vt_bytes note);
