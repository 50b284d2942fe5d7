/* A frame of the keeper protocol from whoever is at the other end: as a request and as the answer to one. What is read whole is
 * written again as the same thing, and nothing is larger than the protocol says. */
#include "tests/fuzz/fuzz.h"
#include "vaultd/remote/protocol.h"

static void check_request(struct vt_bytes frame)
{
    struct vt_remote_request request, again;
    int64_t id, id_again;
    VT_AUTO(vt_buf) written = VT_BUF_INIT(VT_REMOTE_REQUEST_MAX);
    const vault_status status = vt_remote_read_request(frame, &id, &request);
    FUZZ_CHECK(id >= -1 && id <= UINT32_MAX);
    if (status != VAULT_OK) return;
    FUZZ_CHECK(id >= 0 && request.slot.share_len <= VT_KEEPER_SHARE_MAX);
    FUZZ_CHECK(vt_remote_write_request(&written, id, &request) == VAULT_OK);
    FUZZ_CHECK(vt_remote_read_request(vt_buf_bytes(&written), &id_again, &again) == VAULT_OK);
    FUZZ_CHECK(id == id_again && memcmp(&request, &again, sizeof request) == 0);
}

static void check_answer(struct vt_bytes frame, enum vt_remote_op op)
{
    VT_AUTO(vt_remote_result) result = VT_REMOTE_RESULT_INIT;
    VT_AUTO(vt_buf) written = VT_BUF_INIT(VT_REMOTE_REPLY_MAX);
    vault_status said = VAULT_E_KEEPER;
    const vault_status status = vt_remote_read_result(frame, 1, op, &said, &result);
    FUZZ_CHECK(status == VAULT_OK || status == VAULT_E_PROTOCOL || status == VAULT_E_MEMORY);
    if (status != VAULT_OK || said != VAULT_OK) return;
    FUZZ_CHECK(result.slot_count <= VT_KEEPER_SLOTS && result.receipt.len <= VT_KEEPER_RECEIPT_MAX);
    for (size_t i = 0; i < result.slot_count; i++) FUZZ_CHECK(result.slots[i].share_len <= VT_KEEPER_SHARE_MAX);
    FUZZ_CHECK(vt_remote_write_result(&written, 1, op, &result) == VAULT_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0 || len > VT_REMOTE_REPLY_MAX) return 0;
    const struct vt_bytes frame = vt_bytes(data + 1, len - 1);
    check_request(frame);
    check_answer(frame, (enum vt_remote_op)(data[0] % VT_REMOTE_OPS));
    return 0;
}
