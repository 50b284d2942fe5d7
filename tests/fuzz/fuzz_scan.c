/* Free text with numbers hidden in it. */
#include <string.h>

#include "libvault/codec/text.h"
#include "libvault/schema/scan.h"
#include "tests/fuzz/fuzz.h"

enum { POOL_MAX = 64 << 20 };

/* In order, apart, within the text. */
static void check_findings(struct vt_bytes text, const struct vt_finding *findings, size_t count)
{
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(findings[i].at >= from && findings[i].len != 0);
        FUZZ_CHECK(findings[i].at <= text.len && findings[i].len <= text.len - findings[i].at);
        FUZZ_CHECK(vt_utf8_is_valid(vt_bytes(text.data + findings[i].at, findings[i].len)));
        from = findings[i].at + findings[i].len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_bytes text = vt_bytes(data, len);
    struct vt_finding *findings = NULL;
    struct vt_bytes shown;
    size_t count = 0;
    if (!vt_utf8_is_valid(text)) return 0;
    FUZZ_CHECK(vt_scan_text(&pool, text, &findings, &count) == VAULT_OK);
    check_findings(text, findings, count);
    FUZZ_CHECK(vt_scan_redact(&pool, text, findings, count, &shown) == VAULT_OK);
    FUZZ_CHECK(vt_utf8_is_valid(shown));
    FUZZ_CHECK(count != 0 || vt_bytes_equal(text, shown));
    return 0;
}
