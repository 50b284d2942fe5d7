/* The first byte chooses: a signed note, a verifier key, a checkpoint, a proof file. Each has one spelling, so what is
 * read must be written again as it was. */
#include "libvault/proof/tlog_proof.h"
#include "tests/fuzz/fuzz.h"

/* The published key of golang.org/x/mod/sumdb/note and the only text for which a signature by it stands in the
 * corpus. */
#define KEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define TEXT                                                      \
    "If you think cryptography is the answer to your problem,\n" \
    "then you don't know what your problem is.\n"

static void check_note(struct vt_bytes note)
{
    struct vt_note_verifier verifier;
    struct vt_bytes text, unverified;
    struct vt_err err;
    FUZZ_CHECK(vt_note_verifier_parse(vt_bytes_str(KEY), &verifier) == VAULT_OK);
    const vault_status well_formed = vt_note_text_unverified(note, &unverified, &err);
    const vault_status verified = vt_note_verify(note, &verifier, 1, &text, &err);
    FUZZ_CHECK(well_formed == VAULT_OK || well_formed == VAULT_E_PARSE);
    FUZZ_CHECK(verified == VAULT_OK || verified == VAULT_E_AUTHENTICITY || verified == VAULT_E_PARSE);
    if (well_formed != VAULT_OK) FUZZ_CHECK(verified != VAULT_OK);
    if (verified == VAULT_OK) FUZZ_CHECK(vt_bytes_equal_str(text, TEXT) && vt_bytes_equal(text, unverified));
}

static void check_verifier(struct vt_bytes text)
{
    VT_AUTO(vt_buf) again = VT_BUF_INIT(VT_NOTE_KEY_TEXT_MAX);
    struct vt_note_verifier verifier;
    if (vt_note_verifier_parse(text, &verifier) != VAULT_OK) return;
    FUZZ_CHECK(vt_note_verifier_write(&again, &verifier) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(vt_buf_bytes(&again), text));
}

static void check_checkpoint(struct vt_bytes text)
{
    VT_AUTO(vt_buf) again = VT_BUF_INIT(VT_NOTE_MAX);
    struct vt_checkpoint checkpoint;
    if (vt_checkpoint_parse(text, VT_CHECKPOINT_KEEP_EXTENSION, &checkpoint) != VAULT_OK) return;
    FUZZ_CHECK(vt_checkpoint_write(&again, &checkpoint) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(vt_buf_bytes(&again), text));
}

static void check_proof(struct vt_bytes text)
{
    VT_AUTO(vt_buf) extra = VT_BUF_INIT(VT_TLOG_EXTRA_MAX);
    VT_AUTO(vt_buf) again = VT_BUF_INIT(text.len);
    struct vt_note_verifier verifier;
    struct vt_checkpoint checkpoint;
    struct vt_tlog_proof proof;
    if (vt_tlog_proof_parse(text, &extra, &proof, NULL) != VAULT_OK) return;
    FUZZ_CHECK(vt_tlog_proof_write(&again, &proof) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(vt_buf_bytes(&again), text));
    FUZZ_CHECK(vt_note_verifier_parse(vt_bytes_str(KEY), &verifier) == VAULT_OK);
    const struct vt_merkle_hash leaf = {{0}};
    /* Nobody has signed a checkpoint with this key. */
    FUZZ_CHECK(vt_tlog_proof_verify(&proof, &leaf, &verifier, 1, &checkpoint, NULL) != VAULT_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const checks[])(struct vt_bytes) = {check_note, check_verifier, check_checkpoint, check_proof};
    if (len != 0) checks[data[0] % VT_ARRAY_LEN(checks)](vt_bytes(data + 1, len - 1));
    return 0;
}
