/* A row of the audit log: what is split is encoded again as it was, and a check of the log takes it or names a
 * fault. */
#include "libvault/proof/audit_check.h"
#include "tests/fuzz/fuzz.h"

static void check_items(struct vt_bytes payloads)
{
    VT_AUTO(vt_buf) again = VT_BUF_INIT(payloads.len);
    struct vt_audit_item item;
    struct vt_bytes rest = payloads;
    vault_status status;
    while ((status = vt_audit_item_next(&rest, &item)) == VAULT_OK) {
        FUZZ_CHECK(vt_audit_item_write(&again, &item) == VAULT_OK);
    }
    FUZZ_CHECK(status == VAULT_E_NOT_FOUND || status == VAULT_E_CORRUPT);
    FUZZ_CHECK(again.len + rest.len == payloads.len);
    FUZZ_CHECK(vt_bytes_equal(vt_buf_bytes(&again), vt_bytes(payloads.data, again.len)));
}

static void check_log(struct vt_bytes row, bool is_split)
{
    struct vt_audit_check check;
    struct vt_audit_report report;
    vt_audit_check_init(&check);
    const vault_status status = vt_audit_check_row(&check, row);
    FUZZ_CHECK(status == VAULT_OK || status == VAULT_E_CORRUPT);
    FUZZ_CHECK(is_split || status == VAULT_E_CORRUPT);
    FUZZ_CHECK(vt_audit_check_finish(&check, &report) == status);
    FUZZ_CHECK((report.fault == VT_AUDIT_SOUND) == (status == VAULT_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct vt_bytes row = vt_bytes(data, len);
    struct vt_audit_leaf leaf;
    struct vt_bytes leaf_bytes, payloads;
    uint8_t again[VT_AUDIT_LEAF_MAX];
    size_t again_len;

    const vault_status status = vt_audit_row_split(row, &leaf, &leaf_bytes, &payloads);
    check_log(row, status == VAULT_OK);
    if (status != VAULT_OK) return 0;
    FUZZ_CHECK(vt_audit_leaf_encode(&leaf, again, &again_len) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(leaf_bytes, vt_bytes(again, again_len)));
    FUZZ_CHECK(leaf_bytes.len + payloads.len == len);
    check_items(payloads);
    return 0;
}
