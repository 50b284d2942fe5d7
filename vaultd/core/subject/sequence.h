/* vaultd/core/subject/sequence.h - rising numbers for rows and tokens, handed out without the committer: sequential keys make
 * commits three to nine times shorter. A block is reserved durably before its numbers are used; a crash leaves a gap,
 * never a repeat. Thread: next any; reserve the committer. */
#pragma once
#include "vaultd/core/store/store.h"

struct vt_sequence;
/** @param name of the META entry, e.g. "seq.record" */
VT_RESULT vt_sequence_open(struct vt_txn *txn, const char *name, struct vt_sequence **out_sequence);
/** Random bytes, other ones at each opening: for what is to be spread by its number without being foretold. Borrowed. */
struct vt_bytes vt_sequence_salt(const struct vt_sequence *sequence);
void vt_sequence_free(struct vt_sequence *sequence);
VT_DEFINE_AUTO_PTR(vt_sequence);
/** @p count numbers from *out_first on (from 1). @return VAULT_E_BUSY when the reserve is used up: the committer refills */
VT_RESULT vt_sequence_next(struct vt_sequence *sequence, uint64_t count, uint64_t *out_first);
/** Is the reserve half used? Then the committer calls reserve in its next transaction, published after commit. */
bool vt_sequence_wants_reserve(const struct vt_sequence *sequence);
VT_RESULT vt_sequence_reserve(struct vt_sequence *sequence, struct vt_txn *txn);
void vt_sequence_reserved(struct vt_sequence *sequence, bool committed);
