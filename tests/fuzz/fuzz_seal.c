/* Any bytes unseal, or fail with a status of the contract and leave no plaintext. The input is taken twice: as sealed
 * bytes, and as a plaintext that is sealed, damaged where its first bytes say, and made whole again. Key and context
 * are fixed; make_corpus.py seals seeds under them. */
#include "libvault/crypto/aead.h"
#include "tests/fuzz/fuzz.h"

enum { PLAIN_MAX = 1 << 16 };

static const struct vt_key KEY = {{1, 2, 3}};

static bool is_refusal(vault_status status)
{
    return status == VAULT_E_FORMAT || status == VAULT_E_CORRUPT || status == VAULT_E_AUTHENTICITY;
}

static void open_as_sealed(const struct vt_seal_ctx *ctx, struct vt_bytes input)
{
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(PLAIN_MAX);
    const vault_status status = vt_unseal(&KEY, ctx, input, &plain);
    FUZZ_CHECK(status == VAULT_OK || (is_refusal(status) && plain.len == 0));
    if (status == VAULT_OK) FUZZ_CHECK(plain.len + VT_SEAL_OVERHEAD == input.len);
}

static void seal_as_plaintext(const struct vt_seal_ctx *ctx, struct vt_bytes input)
{
    uint8_t salt[32] = {0}, iv[12] = {0};
    VT_AUTO(vt_buf) sealed = VT_BUF_INIT(PLAIN_MAX + VT_SEAL_OVERHEAD);
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(PLAIN_MAX);
    memcpy(salt, input.data, VT_MIN(input.len, sizeof salt));
    memcpy(iv, input.data, VT_MIN(input.len, sizeof iv));
    FUZZ_CHECK(vt_seal_deterministic(&KEY, ctx, input, salt, iv, &sealed) == VAULT_OK);

    uint8_t *damaged = &sealed.data[vt_get_u16(input.data) % sealed.len];
    const uint8_t change = input.data[2] | 1;
    *damaged ^= change;
    FUZZ_CHECK(is_refusal(vt_unseal(&KEY, ctx, vt_buf_bytes(&sealed), &plain)) && plain.len == 0);
    *damaged ^= change;
    FUZZ_CHECK(vt_unseal(&KEY, ctx, vt_buf_bytes(&sealed), &plain) == VAULT_OK);
    FUZZ_CHECK(vt_bytes_equal(vt_buf_bytes(&plain), input));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t VAULT_ID[16] = {9};
    const struct vt_bytes input = vt_bytes(data, VT_MIN(len, (size_t)PLAIN_MAX));
    struct vt_seal_ctx ctx;
    vt_seal_ctx_begin(&ctx, VAULT_ID, 1, VT_SEAL_ROW, 1);
    open_as_sealed(&ctx, input);
    if (input.len >= 3) seal_as_plaintext(&ctx, input);
    return 0;
}
