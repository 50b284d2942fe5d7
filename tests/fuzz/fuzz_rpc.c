/* A stream of frames from a stranger, in pieces as a network cuts them: the piecewise scan finds the same frames as the whole
 * one, and each frame is read as a call or a reply, or refused with a status of the contract. */
#include "libvault/wire/rpc.h"
#include "tests/fuzz/fuzz.h"

enum { FRAME_MAX = 1 << 16, POOL_MAX = 16 << 20 };

static void read_request(struct vt_bytes frame)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_rpc_request request = {0};
    struct vt_err err = {{0}, {0}};
    const vault_status status = vt_rpc_read_request(&pool, frame, &request, &err);
    FUZZ_CHECK(status == VAULT_OK || status == VAULT_E_PROTOCOL || status == VAULT_E_PARSE || status == VAULT_E_TOO_LARGE ||
               status == VAULT_E_MEMORY);
    FUZZ_CHECK(request.message_id >= -1 && request.message_id <= UINT32_MAX);
    if (status == VAULT_E_PROTOCOL) FUZZ_CHECK(err.message[0] != '\0');
    if (status == VAULT_OK) FUZZ_CHECK(request.params->kind == VT_VALUE_MAP && request.message_id >= 0);
}

static void read_reply(struct vt_bytes frame)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_rpc_reply reply;
    const vault_status status = vt_rpc_read_reply(&pool, frame, &reply);
    FUZZ_CHECK(status == VAULT_OK || status == VAULT_E_PROTOCOL || status == VAULT_E_PARSE || status == VAULT_E_TOO_LARGE ||
               status == VAULT_E_MEMORY);
}

/* Bytes come one after the other: the answer changes from "more" to a length once, at the frame's last byte. */
static void scan_in_pieces(struct vt_bytes stream, size_t step, vault_status whole, size_t whole_len)
{
    struct vt_msgpack_scan scan = VT_MSGPACK_SCAN_INIT;
    size_t have = 0, len = 0;
    vault_status status = VAULT_E_CONFLICT;
    while (status == VAULT_E_CONFLICT && have < stream.len) {
        have = VT_MIN(have + step, stream.len);
        status = vt_rpc_frame_scan(&scan, vt_bytes(stream.data, have), FRAME_MAX, &len);
    }
    FUZZ_CHECK(status == whole);
    if (whole == VAULT_OK) FUZZ_CHECK(len == whole_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2) return 0;
    const size_t step = 1 + data[0] % 64;
    struct vt_bytes stream = vt_bytes(data + 1, len - 1);
    while (stream.len != 0) {
        size_t frame_len = 0;
        const vault_status status = vt_rpc_frame_len(stream, FRAME_MAX, &frame_len);
        FUZZ_CHECK(status == VAULT_OK || status == VAULT_E_CONFLICT || status == VAULT_E_TOO_LARGE || status == VAULT_E_PARSE);
        scan_in_pieces(stream, step, status, frame_len);
        if (status != VAULT_OK) return 0;
        FUZZ_CHECK(frame_len != 0 && frame_len <= stream.len && frame_len <= FRAME_MAX);
        read_request(vt_bytes(stream.data, frame_len));
        read_reply(vt_bytes(stream.data, frame_len));
        stream = vt_bytes(stream.data + frame_len, stream.len - frame_len);
    }
    return 0;
}
