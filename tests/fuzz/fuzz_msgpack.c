#include <msgpack.h>

#include "libvault/codec/msgpack.h"
#include "tests/fuzz/fuzz.h"

enum { POOL_MAX = 64 << 20 };

/* A scan that gets the input byte by byte ends as one that has it whole. */
static void check_scan(struct vt_bytes input, vault_status whole, size_t whole_len)
{
    struct vt_msgpack_scan scan = VT_MSGPACK_SCAN_INIT;
    vault_status status = VAULT_E_CONFLICT;
    size_t len = 0;
    for (size_t given = 0; given <= input.len && status == VAULT_E_CONFLICT; given++)
        status = vt_msgpack_scan(&scan, vt_bytes(input.data, given), &len);
    FUZZ_CHECK(status == whole && (status != VAULT_OK || len == whole_len));
}

static void check_round_trip(struct vt_pool *pool, const struct vt_value *value)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_LIMIT_REPLY_BYTES);
    struct vt_value again;
    FUZZ_CHECK(vt_msgpack_write(&out, value) == VAULT_OK);
    FUZZ_CHECK(vt_msgpack_read(pool, vt_buf_bytes(&out), &again, NULL) == VAULT_OK);
    FUZZ_CHECK(vt_value_equal(value, &again));
}

/* Safe only here: what we accepted has no count past its bytes. */
static void check_packaged_unpacker(struct vt_bytes input)
{
    msgpack_unpacked theirs;
    size_t end = 0;
    msgpack_unpacked_init(&theirs);
    FUZZ_CHECK(msgpack_unpack_next(&theirs, (const char *)input.data, input.len, &end) == MSGPACK_UNPACK_SUCCESS);
    FUZZ_CHECK(end == input.len);
    msgpack_unpacked_destroy(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    const struct vt_bytes input = vt_bytes(data, len);
    struct vt_value value;
    struct vt_err err = {0};
    size_t measured = 0;
    const vault_status measure = vt_msgpack_measure(input, &measured);
    check_scan(input, measure, measured);

    const vault_status read = vt_msgpack_read(&pool, input, &value, &err);
    FUZZ_CHECK((read == VAULT_OK) == (err.message[0] == '\0'));
    if (read != VAULT_OK) return 0;
    FUZZ_CHECK(measure == VAULT_OK && measured == len);
    check_round_trip(&pool, &value);
    check_packaged_unpacker(input);
    return 0;
}
