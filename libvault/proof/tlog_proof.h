/* libvault/proof/tlog_proof.h - proof that a log holds an entry, for a reader without the daemon;
 * extension .tlog-proof.
 *     c2sp.org/tlog-proof@v1 LF [extra SP base64 LF] index SP decimal LF (base64 hash LF)* LF checkpoint note
 * The extra data is not authenticated by itself; ours is an audit row (leaf | payloads), which the proof then confirms.
 * Source: C2SP tlog-proof (c2sp.org/tlog-proof). Thread: any. */
#pragma once
#include "libvault/proof/checkpoint.h"

enum { VT_TLOG_EXTRA_MAX = 256 * 1024 };    /* bytes, decoded */

struct vt_tlog_proof {
    uint64_t index;
    struct vt_merkle_proof path;
    struct vt_bytes extra;              /* decoded; borrowed; no line at all when empty */
    struct vt_bytes checkpoint;         /* the signed note; borrowed */
};

/** Append the proof file. @return VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_tlog_proof_write(struct vt_buf *out, const struct vt_tlog_proof *proof);
/** Read a proof file; nothing is verified yet. @param extra  takes the decoded extra data, which the proof then borrows
 *  @return VAULT_E_PARSE, VAULT_E_FORMAT (another first line), VAULT_E_TOO_LARGE */
VT_RESULT vt_tlog_proof_parse(struct vt_bytes text, struct vt_buf *extra, struct vt_tlog_proof *out_proof,
                              struct vt_err *err);
/** Check that the checkpoint is signed as vt_checkpoint_verify() demands and that @p leaf is in its tree.
 *  @return VAULT_E_AUTHENTICITY, VAULT_E_PARSE */
VT_RESULT vt_tlog_proof_verify(const struct vt_tlog_proof *proof, const struct vt_merkle_hash *leaf,
                               const struct vt_note_verifier *verifiers, size_t count,
                               struct vt_checkpoint *out_checkpoint, struct vt_err *err);
