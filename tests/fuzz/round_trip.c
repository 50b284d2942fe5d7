#include "tests/fuzz/round_trip.h"

#include "libvault/base/buf.h"
#include "libvault/codec/json.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/msgpack.h"
#include "tests/fuzz/fuzz.h"

enum { POOL_MAX = 256 << 20 };

static void check_msgpack(const struct vt_value *value)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_REPLY_BYTES);
    struct vt_value again;
    FUZZ_CHECK(vt_msgpack_write(&out, value) == VAULT_OK);
    FUZZ_CHECK(vt_msgpack_read(&pool, vt_buf_bytes(&out), &again, NULL) == VAULT_OK);
    FUZZ_CHECK(vt_value_equal(value, &again));
}

static void check_json(const struct vt_value *value, enum vt_json_style style)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_REPLY_BYTES);
    struct vt_value again;
    const vault_status status = vt_json_write(&out, value, style);
    if (status == VAULT_E_INVALID_VALUE) return; /* a map with the one key "$bytes" */
    FUZZ_CHECK(status == VAULT_OK);
    FUZZ_CHECK(vt_json_read(&pool, vt_buf_bytes(&out), &again, NULL) == VAULT_OK);
    FUZZ_CHECK(vt_value_equal(value, &again));
}

void fuzz_check_round_trips(const struct vt_value *value)
{
    check_msgpack(value);
    check_json(value, VT_JSON_COMPACT);
    check_json(value, VT_JSON_PRETTY);
}
