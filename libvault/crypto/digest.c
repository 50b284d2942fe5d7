#define OPENSSL_SUPPRESS_DEPRECATED     /* why: mac.c */
#include "libvault/crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/crypto_internal.h"

struct vt_sha256_stream {
    EVP_MD_CTX *md;
};

VT_RESULT vt_sha256(const struct vt_bytes *pieces, size_t count, uint8_t out_hash[VT_SHA256_LEN])
{
    SHA256_CTX state;
    bool is_done = SHA256_Init(&state) == 1;
    for (size_t i = 0; i < count && is_done; i++)
        if (pieces[i].len != 0) is_done = SHA256_Update(&state, pieces[i].data, pieces[i].len) == 1;
    is_done = is_done && SHA256_Final(out_hash, &state) == 1;
    vt_wipe(&state, sizeof state);
    return is_done ? VAULT_OK : vt_crypto_fail();
}

VT_RESULT vt_sha256_one(struct vt_bytes bytes, uint8_t out_hash[VT_SHA256_LEN])
{
    return vt_sha256(&bytes, 1, out_hash);
}

VT_RESULT vt_sha256_stream_new(struct vt_sha256_stream **out_stream)
{
    VT_AUTO_PTR(vt_sha256_stream) stream = vt_calloc(1, sizeof *stream);
    VT_ENSURE(stream != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_crypto_md_new(&stream->md));
    *out_stream = VT_MOVE(stream);
    return VAULT_OK;
}

VT_RESULT vt_sha256_stream_update(struct vt_sha256_stream *stream, struct vt_bytes bytes)
{
    if (bytes.len == 0) return VAULT_OK;
    return EVP_DigestUpdate(stream->md, bytes.data, bytes.len) == 1 ? VAULT_OK : vt_crypto_fail();
}

VT_RESULT vt_sha256_stream_finish(struct vt_sha256_stream *stream, uint8_t out_hash[VT_SHA256_LEN])
{
    return vt_crypto_md_run(stream->md, NULL, 0, out_hash);
}

void vt_sha256_stream_free(struct vt_sha256_stream *stream)
{
    if (stream == NULL) return;
    EVP_MD_CTX_free(stream->md);
    free(stream);
}
