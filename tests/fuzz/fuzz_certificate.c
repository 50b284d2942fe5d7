/* A certificate has one spelling: what is read must be written again as it was, and must have a view. */
#include "libvault/proof/certificate.h"
#include "tests/fuzz/fuzz.h"

enum { POOL_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) again = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_certificate certificate;
    struct vt_value view;
    struct vt_err err;

    const vault_status status = vt_certificate_parse(&pool, vt_bytes(data, len), &certificate, &err);
    FUZZ_CHECK(status == VAULT_OK || status == VAULT_E_PARSE || status == VAULT_E_FORMAT);
    if (status != VAULT_OK) return 0;
    FUZZ_CHECK(vt_certificate_write(&again, &certificate, &err) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(vt_buf_bytes(&again), vt_bytes(data, len)));
    FUZZ_CHECK(vt_certificate_view(&pool, &certificate, &view) == VAULT_OK);
    return 0;
}
