#include "libvault/codec/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/round_trip.h"

enum { POOL_MAX = 256 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value value;
    struct vt_err err = {0};
    vt_json_init();
    const vault_status status = vt_json_read(&pool, vt_bytes(data, len), &value, &err);
    FUZZ_CHECK((status == VAULT_OK) == (err.message[0] == '\0'));
    if (status == VAULT_OK) fuzz_check_round_trips(&value);
    return 0;
}
