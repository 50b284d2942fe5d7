/* libvault/crypto/digest.h - SHA-256 (FIPS 180-4). Thread: any. */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"

enum { VT_SHA256_LEN = 32 };
/** Hash of @p count pieces in order. Cannot fail for lack of input; VAULT_E_CRYPTO when the library refuses. */
VT_RESULT vt_sha256(const struct vt_bytes *pieces, size_t count, uint8_t out_hash[VT_SHA256_LEN]);
VT_RESULT vt_sha256_one(struct vt_bytes bytes, uint8_t out_hash[VT_SHA256_LEN]);
/** Streaming, for files. */
struct vt_sha256_stream;
VT_RESULT vt_sha256_stream_new(struct vt_sha256_stream **out_stream);
VT_RESULT vt_sha256_stream_update(struct vt_sha256_stream *stream, struct vt_bytes bytes);
/** The stream then starts anew. */
VT_RESULT vt_sha256_stream_finish(struct vt_sha256_stream *stream, uint8_t out_hash[VT_SHA256_LEN]);
void vt_sha256_stream_free(struct vt_sha256_stream *stream);
VT_DEFINE_AUTO_PTR(vt_sha256_stream);
