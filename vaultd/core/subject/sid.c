#include "vaultd/core/subject/sid.h"

#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"

unsigned vt_sid_shared_bits(uint64_t subjects)
{
    unsigned bits = 0;
    while (bits < VT_SID_SHARED_BITS_MAX && (subjects >> (bits + 1)) >= VT_SID_LEAF_SUBJECTS) bits++;
    return bits;
}

static VT_RESULT run_hash(const struct vt_sequence *records, uint64_t record, uint8_t out_hash[VT_SHA256_LEN])
{
    uint8_t run[8];
    vt_put_u64(run, record / VT_SID_RUN_RECORDS);
    const struct vt_bytes pieces[] = {vt_sequence_salt(records), VT_BYTES_OF(run)};
    return vt_sha256(pieces, VT_ARRAY_LEN(pieces), out_hash);
}

VT_RESULT vt_sid_draw(const struct vt_subject_env *env, uint64_t record, struct vt_sid *out_sid)
{
    struct vt_sid sid;
    struct vt_tenant_counts counts;
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(vt_keyring_tenant_counts(env->view, env->tenant, &counts));
    VT_TRY(vt_random_bytes(sid.bytes, sizeof sid.bytes));
    VT_TRY(run_hash(env->records, record, hash));
    const unsigned bits = vt_sid_shared_bits(counts.subjects);
    const uint64_t shared = bits != 0 ? UINT64_MAX << (64 - bits) : 0;
    vt_put_u64(sid.bytes, (vt_get_u64(hash) & shared) | (vt_get_u64(sid.bytes) & ~shared));
    *out_sid = sid;
    return VAULT_OK;
}
