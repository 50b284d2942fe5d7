#include "vaultd/core/keyring/unseal.h"

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "libvault/crypto/pwhash.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/keyring/unseal_internal.h"

enum {
    WRAPS_VERSION = 1,
    WRAPS_HEAD_LEN = 1 + 16 + 2,
    WRAP_HEAD_LEN = 1 + 16 + 8 + 2,
    PASSPHRASE_PARAMS_LEN = VT_WRAP_SALT_LEN + 8 + 4 + 4,
    SCRYPT_BLOCKS_MAX = 1 << 23,        /* N * r: at most 1 GiB, so that a changed wrap cannot ask for all memory */
};

VT_RESULT vt_wraps_new(const struct vt_vault_id *vault_id, struct vt_wraps **out_wraps)
{
    struct vt_wraps *wraps = vt_calloc(1, sizeof *wraps);
    VT_ENSURE(wraps != NULL, VAULT_E_MEMORY);
    wraps->vault_id = *vault_id;
    *out_wraps = wraps;
    return VAULT_OK;
}

void vt_wraps_free(struct vt_wraps *wraps)
{
    if (wraps == NULL) return;
    for (size_t i = 0; i < VT_WRAPS_MAX; i++) vt_buf_release(&wraps->items[i].params);
    free(wraps);
}

const struct vt_vault_id *vt_wraps_vault_id(const struct vt_wraps *wraps)
{
    return &wraps->vault_id;
}

size_t vt_wraps_count(const struct vt_wraps *wraps)
{
    return wraps->count;
}

VT_RESULT vt_wraps_info(const struct vt_wraps *wraps, size_t index, struct vt_wrap_info *out_info)
{
    VT_ENSURE(index < wraps->count, VAULT_E_NOT_FOUND);
    const struct vt_wrap *wrap = &wraps->items[index];
    struct vt_wrap_info info = {.method = wrap->method, .created_at_ms = wrap->created_at_ms};
    memcpy(info.wrap_id, wrap->wrap_id, sizeof info.wrap_id);
    if (wrap->method == VT_WRAP_SHAMIR) {
        info.k = wrap->params.data[0];
        info.n = wrap->params.data[1];
    }
    *out_info = info;
    return VAULT_OK;
}

VT_RESULT vt_wraps_remove(struct vt_wraps *wraps, const uint8_t wrap_id[16])
{
    size_t at = 0;
    while (at < wraps->count && memcmp(wraps->items[at].wrap_id, wrap_id, 16) != 0) at++;
    VT_ENSURE(at < wraps->count, VAULT_E_NOT_FOUND);
    VT_ENSURE(wraps->count > 1, VAULT_E_STATE);     /* the last way in */
    vt_buf_release(&wraps->items[at].params);
    wraps->count--;
    memmove(&wraps->items[at], &wraps->items[at + 1], (wraps->count - at) * sizeof wraps->items[0]);
    wraps->items[wraps->count] = (struct vt_wrap){0};
    return VAULT_OK;
}

/* Sealing and opening one wrap ------------------------------------------------------------------------------------ */

VT_RESULT vt_wraps_begin(struct vt_wraps *wraps, enum vt_wrap_method method, int64_t now_ms, struct vt_wrap **out_wrap)
{
    VT_ENSURE(wraps->count < VT_WRAPS_MAX, VAULT_E_LIMIT);
    struct vt_wrap *wrap = &wraps->items[wraps->count];
    vt_buf_release(&wrap->params);
    *wrap = (struct vt_wrap){.method = method, .created_at_ms = now_ms, .params = VT_BUF_INIT(VT_WRAP_PARAMS_MAX)};
    VT_TRY(vt_random_bytes(wrap->wrap_id, sizeof wrap->wrap_id));
    *out_wrap = wrap;
    return VAULT_OK;
}

/* The method's parameters are hashed into the key, so a wrap whose parameters somebody changed does not open. */
static VT_RESULT wrap_key(const struct vt_wrap *wrap, struct vt_bytes secret, struct vt_key *out_key)
{
    static const char label[] = "vaultd unseal wrap 1";
    uint8_t info[sizeof label - 1 + 1 + VT_SHA256_LEN];
    memcpy(info, label, sizeof label - 1);
    info[sizeof label - 1] = (uint8_t)wrap->method;
    VT_TRY(vt_sha256_one(vt_buf_bytes(&wrap->params), info + sizeof label));
    return vt_hkdf_sha256(secret, VT_BYTES_OF(wrap->wrap_id), VT_BYTES_OF(info), out_key->bytes, VT_KEY_LEN);
}

static void wrap_context(const struct vt_wraps *wraps, const struct vt_wrap *wrap, struct vt_seal_ctx *ctx)
{
    vt_seal_ctx_begin(ctx, wraps->vault_id.bytes, 0, VT_SEAL_WRAP, VT_TENANT_VAULT);
    vt_seal_ctx_u8(ctx, (uint8_t)wrap->method);
    vt_seal_ctx_bytes(ctx, VT_BYTES_OF(wrap->wrap_id));
}

VT_RESULT vt_wraps_keep(struct vt_wraps *wraps, struct vt_bytes secret, const struct vt_key *unseal_key)
{
    struct vt_wrap *wrap = &wraps->items[wraps->count];
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    struct vt_seal_ctx ctx;
    VT_TRY(wrap_key(wrap, secret, &key));
    wrap_context(wraps, wrap, &ctx);
    VT_TRY(vt_seal_into(&key, &ctx, vt_key_bytes(unseal_key), wrap->sealed));
    wraps->count++;
    return VAULT_OK;
}

VT_RESULT vt_wrap_open(const struct vt_wraps *wraps, const struct vt_wrap *wrap, struct vt_bytes secret,
                       struct vt_key *out_unseal_key)
{
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    VT_AUTO(vt_key) opened = VT_KEY_INIT;
    struct vt_seal_ctx ctx;
    VT_TRY(wrap_key(wrap, secret, &key));
    wrap_context(wraps, wrap, &ctx);
    const vault_status status = vt_unseal_into(&key, &ctx, VT_BYTES_OF(wrap->sealed), opened.bytes);
    VT_ENSURE(status != VAULT_E_AUTHENTICITY, VAULT_E_WRONG_SECRET);
    VT_TRY(status);
    *out_unseal_key = opened;
    return VAULT_OK;
}

/* Passphrase ------------------------------------------------------------------------------------------------------ */

static VT_RESULT stretch(const struct vt_wrap *wrap, struct vt_bytes passphrase, struct vt_key *out_key)
{
    const uint8_t *params = wrap->params.data;
    const struct vt_scrypt_params scrypt = {.n = vt_get_u64(params + VT_WRAP_SALT_LEN),
                                            .r = vt_get_u32(params + VT_WRAP_SALT_LEN + 8),
                                            .p = vt_get_u32(params + VT_WRAP_SALT_LEN + 12)};
    return vt_scrypt(passphrase, vt_bytes(params, VT_WRAP_SALT_LEN), &scrypt, out_key->bytes, VT_KEY_LEN);
}

VT_RESULT vt_wraps_add_passphrase(struct vt_wraps *wraps, const struct vt_key *unseal_key, struct vt_bytes passphrase,
                                  int64_t now_ms)
{
    VT_AUTO(vt_key) stretched = VT_KEY_INIT;
    const struct vt_scrypt_params scrypt = VT_SCRYPT_DEFAULT;
    struct vt_wrap *wrap;
    uint8_t salt[VT_WRAP_SALT_LEN];
    VT_ENSURE(passphrase.len != 0, VAULT_E_ARGUMENT);
    VT_TRY(vt_wraps_begin(wraps, VT_WRAP_PASSPHRASE, now_ms, &wrap));
    VT_TRY(vt_random_bytes(salt, sizeof salt));
    VT_TRY(vt_buf_append(&wrap->params, VT_BYTES_OF(salt)));
    VT_TRY(vt_buf_append_u64(&wrap->params, scrypt.n));
    VT_TRY(vt_buf_append_u32(&wrap->params, scrypt.r));
    VT_TRY(vt_buf_append_u32(&wrap->params, scrypt.p));
    VT_TRY(stretch(wrap, passphrase, &stretched));
    return vt_wraps_keep(wraps, vt_key_bytes(&stretched), unseal_key);
}

VT_RESULT vt_wraps_open_passphrase(const struct vt_wraps *wraps, struct vt_bytes passphrase, struct vt_key *out_unseal_key)
{
    vault_status status = VAULT_E_NOT_FOUND;
    for (size_t i = 0; i < wraps->count; i++) {
        if (wraps->items[i].method != VT_WRAP_PASSPHRASE) continue;
        VT_AUTO(vt_key) stretched = VT_KEY_INIT;
        VT_TRY(stretch(&wraps->items[i], passphrase, &stretched));
        status = vt_wrap_open(wraps, &wraps->items[i], vt_key_bytes(&stretched), out_unseal_key);
        if (status != VAULT_E_WRONG_SECRET) break;
    }
    return status;
}

/* Key file -------------------------------------------------------------------------------------------------------- */

static struct vt_bytes trimmed(struct vt_bytes text)
{
    while (text.len != 0 && strchr(" \t\r\n", text.data[0]) != NULL && text.data[0] != '\0') {
        text.data++;
        text.len--;
    }
    while (text.len != 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL && text.data[text.len - 1] != '\0') text.len--;
    return text;
}

static VT_RESULT key_file_parse(struct vt_bytes file_bytes, struct vt_key *out_key)
{
    if (file_bytes.len == VT_KEY_LEN) {
        memcpy(out_key->bytes, file_bytes.data, VT_KEY_LEN);
        return VAULT_OK;
    }
    const struct vt_bytes text = trimmed(file_bytes);
    if (text.len == 2 * VT_KEY_LEN) return vt_hex_decode(text, out_key->bytes, VT_KEY_LEN);

    VT_AUTO(vt_buf) decoded = VT_BUF_INIT(2 * VT_KEY_LEN);
    VT_ENSURE(text.len == 44, VAULT_E_PARSE);
    VT_TRY(vt_base64_decode(&decoded, text));
    VT_ENSURE(decoded.len == VT_KEY_LEN, VAULT_E_PARSE);
    memcpy(out_key->bytes, decoded.data, VT_KEY_LEN);
    return VAULT_OK;
}

VT_RESULT vt_wraps_check_key_file(struct vt_bytes file_bytes)
{
    VT_AUTO(vt_key) file_key = VT_KEY_INIT;
    return key_file_parse(file_bytes, &file_key);
}

VT_RESULT vt_wraps_add_key_file(struct vt_wraps *wraps, const struct vt_key *unseal_key, struct vt_bytes file_bytes,
                                int64_t now_ms)
{
    VT_AUTO(vt_key) file_key = VT_KEY_INIT;
    struct vt_wrap *wrap;
    uint8_t salt[VT_WRAP_SALT_LEN];
    VT_TRY(key_file_parse(file_bytes, &file_key));
    VT_TRY(vt_wraps_begin(wraps, VT_WRAP_KEY_FILE, now_ms, &wrap));
    VT_TRY(vt_random_bytes(salt, sizeof salt));
    VT_TRY(vt_buf_append(&wrap->params, VT_BYTES_OF(salt)));
    return vt_wraps_keep(wraps, vt_key_bytes(&file_key), unseal_key);
}

VT_RESULT vt_wraps_open_key_file(const struct vt_wraps *wraps, struct vt_bytes file_bytes, struct vt_key *out_unseal_key)
{
    VT_AUTO(vt_key) file_key = VT_KEY_INIT;
    VT_TRY(key_file_parse(file_bytes, &file_key));
    vault_status status = VAULT_E_NOT_FOUND;
    for (size_t i = 0; i < wraps->count; i++) {
        if (wraps->items[i].method != VT_WRAP_KEY_FILE) continue;
        status = vt_wrap_open(wraps, &wraps->items[i], vt_key_bytes(&file_key), out_unseal_key);
        if (status != VAULT_E_WRONG_SECRET) break;
    }
    return status;
}

/* Bytes ----------------------------------------------------------------------------------------------------------- */

static VT_RESULT encode_wrap(const struct vt_wrap *wrap, struct vt_buf *out)
{
    VT_TRY(vt_buf_append_byte(out, (uint8_t)wrap->method));
    VT_TRY(vt_buf_append(out, VT_BYTES_OF(wrap->wrap_id)));
    VT_TRY(vt_buf_append_u64(out, (uint64_t)wrap->created_at_ms));
    VT_TRY(vt_buf_append_u16(out, (uint16_t)wrap->params.len));
    VT_TRY(vt_buf_append(out, vt_buf_bytes(&wrap->params)));
    return vt_buf_append(out, VT_BYTES_OF(wrap->sealed));
}

VT_RESULT vt_wraps_encode(const struct vt_wraps *wraps, struct vt_buf *out_bytes)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(VT_WRAPS_BYTES_MAX);
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(vt_buf_append_byte(&bytes, WRAPS_VERSION));
    VT_TRY(vt_buf_append(&bytes, VT_BYTES_OF(wraps->vault_id)));
    VT_TRY(vt_buf_append_u16(&bytes, (uint16_t)wraps->count));
    for (size_t i = 0; i < wraps->count; i++) VT_TRY(encode_wrap(&wraps->items[i], &bytes));
    VT_TRY(vt_sha256_one(vt_buf_bytes(&bytes), hash));
    VT_TRY(vt_buf_append(&bytes, VT_BYTES_OF(hash)));
    return vt_buf_append(out_bytes, vt_buf_bytes(&bytes));
}

static bool params_fit(const struct vt_wrap *wrap)
{
    const struct vt_bytes params = vt_buf_bytes(&wrap->params);
    switch (wrap->method) {
    case VT_WRAP_PASSPHRASE: {
        if (params.len != PASSPHRASE_PARAMS_LEN) return false;
        uint64_t blocks;
        const uint64_t n = vt_get_u64(params.data + VT_WRAP_SALT_LEN);
        return !__builtin_mul_overflow(n, vt_get_u32(params.data + VT_WRAP_SALT_LEN + 8), &blocks) &&
               blocks <= SCRYPT_BLOCKS_MAX;
    }
    case VT_WRAP_KEY_FILE:
        return params.len == VT_WRAP_SALT_LEN;
    case VT_WRAP_SHAMIR:
        return params.len >= VT_WRAP_SHAMIR_FIXED_LEN && params.data[0] >= 1 && params.data[0] <= params.data[1] &&
               params.len == VT_WRAP_SHAMIR_FIXED_LEN + (size_t)params.data[1] * VT_WRAP_CHECK_LEN;
    }
    return false;
}

static struct vt_bytes take(struct vt_bytes *from, size_t len)
{
    const struct vt_bytes taken = vt_bytes(from->data, len);
    from->data += len;
    from->len -= len;
    return taken;
}

static VT_RESULT decode_wrap(struct vt_bytes *bytes, struct vt_wrap *wrap)
{
    VT_ENSURE(bytes->len >= WRAP_HEAD_LEN, VAULT_E_CORRUPT);
    const uint8_t *head = take(bytes, WRAP_HEAD_LEN).data;
    VT_ENSURE(head[0] >= VT_WRAP_PASSPHRASE && head[0] <= VT_WRAP_SHAMIR, VAULT_E_FORMAT);
    wrap->method = (enum vt_wrap_method)head[0];
    memcpy(wrap->wrap_id, head + 1, sizeof wrap->wrap_id);
    wrap->created_at_ms = (int64_t)vt_get_u64(head + 17);
    const size_t params_len = vt_get_u16(head + 25);
    VT_ENSURE(bytes->len >= params_len + VT_WRAP_SEALED_LEN && params_len <= VT_WRAP_PARAMS_MAX, VAULT_E_CORRUPT);
    wrap->params = VT_BUF_INIT(VT_WRAP_PARAMS_MAX);
    VT_TRY(vt_buf_append(&wrap->params, take(bytes, params_len)));
    memcpy(wrap->sealed, take(bytes, VT_WRAP_SEALED_LEN).data, VT_WRAP_SEALED_LEN);
    VT_ENSURE(params_fit(wrap), VAULT_E_CORRUPT);
    return VAULT_OK;
}

VT_RESULT vt_wraps_decode(struct vt_bytes bytes, struct vt_wraps **out_wraps)
{
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    struct vt_vault_id vault_id;
    uint8_t hash[VT_SHA256_LEN];
    VT_ENSURE(bytes.len != 0, VAULT_E_CORRUPT);
    VT_ENSURE(bytes.data[0] == WRAPS_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(bytes.len >= WRAPS_HEAD_LEN + VT_SHA256_LEN && bytes.len <= VT_WRAPS_BYTES_MAX, VAULT_E_CORRUPT);
    bytes.len -= VT_SHA256_LEN;
    VT_TRY(vt_sha256_one(bytes, hash));
    VT_ENSURE(vt_bytes_equal(VT_BYTES_OF(hash), vt_bytes(bytes.data + bytes.len, VT_SHA256_LEN)), VAULT_E_CORRUPT);

    const uint8_t *head = take(&bytes, WRAPS_HEAD_LEN).data;
    memcpy(vault_id.bytes, head + 1, sizeof vault_id.bytes);
    const size_t count = vt_get_u16(head + 17);
    VT_ENSURE(count <= VT_WRAPS_MAX, VAULT_E_CORRUPT);
    VT_TRY(vt_wraps_new(&vault_id, &wraps));
    for (; wraps->count < count; wraps->count++) VT_TRY(decode_wrap(&bytes, &wraps->items[wraps->count]));
    VT_ENSURE(bytes.len == 0, VAULT_E_CORRUPT);
    *out_wraps = VT_MOVE(wraps);
    return VAULT_OK;
}

static VT_RESULT copy_wrap(const struct vt_wrap *from, struct vt_wrap *to)
{
    vt_buf_release(&to->params);
    *to = *from;
    to->params = VT_BUF_INIT(VT_WRAP_PARAMS_MAX);
    return vt_buf_append(&to->params, vt_buf_bytes(&from->params));
}

VT_RESULT vt_wraps_merge(struct vt_wraps *wraps, const struct vt_wraps *other)
{
    const size_t count_before = wraps->count;
    VT_ENSURE(memcmp(&wraps->vault_id, &other->vault_id, sizeof wraps->vault_id) == 0, VAULT_E_ARGUMENT);
    VT_ENSURE(other->count <= VT_WRAPS_MAX - count_before, VAULT_E_LIMIT);
    for (size_t i = 0; i < other->count; i++) VT_TRY(copy_wrap(&other->items[i], &wraps->items[count_before + i]));
    wraps->count += other->count;
    return VAULT_OK;
}
