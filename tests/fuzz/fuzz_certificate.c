/* A certificate has one spelling: a text that is read must be written again as it was, and must have a view; so must a
 * file, whose text is looked into only when its proof and signature hold. */
#include "libvault/proof/certificate.h"
#include "tests/fuzz/fuzz.h"

enum { POOL_MAX = 16 << 20 };

/* Of tests/vectors/certificate, so that mutations of files which verify are among the inputs. */
static const char KEY[] = "vaultd/000102030405060708090a0b0c0d0e0f/1/certificates"
                          "+c46f04e6+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";

static void try_text(struct vt_bytes input)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) again = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_certificate certificate;
    struct vt_value view;
    struct vt_err err;

    const vault_status status = vt_certificate_parse(&pool, input, &certificate, &err);
    FUZZ_CHECK(status == VAULT_OK || status == VAULT_E_PARSE || status == VAULT_E_FORMAT);
    if (status != VAULT_OK) return;
    FUZZ_CHECK(vt_certificate_write(&again, &certificate, &err) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(vt_buf_bytes(&again), input));
    FUZZ_CHECK(vt_certificate_view(&pool, &certificate, &view) == VAULT_OK);
}

static void try_file(struct vt_bytes input)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) again = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_note_verifier verifier;
    struct vt_certificate certificate;
    struct vt_tlog_proof proof;
    struct vt_bytes text;
    struct vt_err err;

    FUZZ_CHECK(vt_note_verifier_parse(vt_bytes_str(KEY), &verifier) == VAULT_OK);
    const vault_status split = vt_certificate_file_split(input, &text, &proof, &err);
    const vault_status status = vt_certificate_verify(&pool, input, &verifier, 1, &certificate, &err);
    FUZZ_CHECK(split == VAULT_OK || split == VAULT_E_PARSE || split == VAULT_E_FORMAT);
    FUZZ_CHECK(split == VAULT_OK ? status == VAULT_OK || status == VAULT_E_PARSE || status == VAULT_E_AUTHENTICITY
                                 : status == split);
    if (split != VAULT_OK) return;
    FUZZ_CHECK(vt_certificate_file_write(&again, text, &proof) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(vt_buf_bytes(&again), input));
    FUZZ_CHECK(status != VAULT_OK || certificate.number == 42);     /* nothing else was ever signed with that key */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    try_text(vt_bytes(data, len));
    try_file(vt_bytes(data, len));
    return 0;
}
