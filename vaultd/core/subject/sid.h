/* vaultd/core/subject/sid.h - new subject ids, neighbours for subjects that are made together.
 *
 * Three tables are ordered by sid: T_sub in the keyring, KEYBLOCK and RECORD. With ids drawn evenly each new subject touches a
 * page of its own in all three, and a commit writes (and for T_sub seals) every page that it touched. So the leading bits of an
 * id, about as many as tell the leaves of T_sub apart, are shared by the subjects of one run of record ids; all other bits are
 * random. The shared bits come from a hash that is salted anew at each start: over the runs they are spread evenly, and nobody
 * can aim at a leaf. What that shows is in docs/THREATS.md, why it was done in docs/decisions/0012. Thread: any. */
#pragma once
#include "vaultd/core/subject/subject.h"

enum {
    VT_SID_RUN_RECORDS = 256,       /* record ids whose subjects share their leading bits */
    VT_SID_LEAF_SUBJECTS = 32,      /* a leaf of T_sub holds 30 to 60 */
    VT_SID_SHARED_BITS_MAX = 24,
};

/** Bits that a run shares in a tree of @p subjects. */
unsigned vt_sid_shared_bits(uint64_t subjects);
/** An id for a new subject whose own record is @p record. @return VAULT_E_CRYPTO, VAULT_E_MEMORY */
VT_RESULT vt_sid_draw(const struct vt_subject_env *env, uint64_t record, struct vt_sid *out_sid);
