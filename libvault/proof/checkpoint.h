/* libvault/proof/checkpoint.h - the state of a log in a signed note: origin LF, size LF, base64(root) LF, and
 * perhaps extension lines.
 *
 * The origin of a vault's log is "vaultd/<vault id, 32 hex digits>/<incarnation>", and so is the name of its key: a
 * vault restored from a backup is another incarnation and may not contradict checkpoints that the former one has
 * signed.
 * Source: C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint). Thread: any. */
#pragma once
#include "libvault/proof/merkle.h"
#include "libvault/proof/note.h"

enum { VT_ORIGIN_LEN = 64 };            /* room for a vault's origin and its zero */

struct vt_checkpoint {
    char origin[VT_NOTE_NAME_MAX + 1];
    uint64_t size;
    struct vt_merkle_hash root;
    struct vt_bytes extension;          /* borrowed; lines that each end in LF and are not empty; usually nothing */
};

enum vt_checkpoint_extension { VT_CHECKPOINT_PLAIN, VT_CHECKPOINT_KEEP_EXTENSION };

/** "vaultd/<hex>/<incarnation>" */
void vt_origin_format(const uint8_t vault_id[16], uint64_t incarnation, char out_origin[VT_ORIGIN_LEN]);

/** Append the text of the note. @return VAULT_E_ARGUMENT: origin or extension are not as above */
VT_RESULT vt_checkpoint_write(struct vt_buf *out, const struct vt_checkpoint *checkpoint);
/** Read the text of a note. @return VAULT_E_PARSE; also for extension lines under VT_CHECKPOINT_PLAIN */
VT_RESULT vt_checkpoint_parse(struct vt_bytes text, enum vt_checkpoint_extension policy,
                              struct vt_checkpoint *out_checkpoint);

/** Append the signed note. The first signer's name must be the origin. @return VAULT_E_ARGUMENT otherwise */
VT_RESULT vt_checkpoint_sign(const struct vt_checkpoint *checkpoint, const struct vt_note_signer *signers, size_t count,
                             struct vt_buf *out_note);
/** Check note and text. A key of the origin itself must be among those that signed.
 *  @param verifiers  the log's key and any witnesses
 *  @return VAULT_E_PARSE, VAULT_E_AUTHENTICITY, VAULT_E_ARGUMENT as vt_note_verify() */
VT_RESULT vt_checkpoint_verify(struct vt_bytes note, const struct vt_note_verifier *verifiers, size_t count,
                               enum vt_checkpoint_extension policy, struct vt_checkpoint *out_checkpoint,
                               struct vt_err *err);
