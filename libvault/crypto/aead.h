/* libvault/crypto/aead.h - SEAL, the one authenticated encryption of the vault; committing, so that a ciphertext opens
 * under one key only. Bytes: docs/FORMAT.md "SEAL". Source: AES-256-GCM NIST SP 800-38D; HKDF RFC 5869; key commitment
 * by a second half of the derived key. Thread: any; per-thread contexts inside, algorithms fetched once. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/secret.h"
#include "libvault/crypto/aes.h"

enum {
    VT_SEAL_VERSION = 1,
    VT_SEAL_AES_256_GCM = 1,
    /* version 1 | algorithm 1 | salt 32 | commitment 32 | IV 12 | ciphertext | tag 16 */
    VT_SEAL_HEADER_LEN = 78,
    VT_SEAL_OVERHEAD = 94,
    VT_SEAL_CTX_MAX = 128, /* bytes of a context */
};

/** What a ciphertext is: the kind byte of its context. Numbers are part of the format: never renumber, never reuse. */
enum vt_seal_kind {
    VT_SEAL_PAGE = 1,          /* tree 1 | level 1 | page id 8 | page version 8 | epoch 8 */
    VT_SEAL_ROOT_PAGE = 2,     /* page version 8 | epoch 8 */
    VT_SEAL_KEY_BLOCK = 3,     /* sid 16 | key-block version 4 */
    VT_SEAL_ROW = 4,           /* sid 16 | category 2 | record 8 | field group 2 | row version 4 | DEK version 4 */
    VT_SEAL_SLOT = 5,          /* keeper 8 | epoch 8 | attempt 16 | k 1 | m 1 | x 1 */
    VT_SEAL_AUDIT_PAYLOAD = 6, /* origin 16 (sid or zero) | payload id 16 */
    VT_SEAL_WRAP = 7,          /* method 1 | wrap id 16 */
    VT_SEAL_TOKEN = 8,         /* token row key, padded to 17 */
    VT_SEAL_LEDGER = 9,        /* sequence 8 */
    VT_SEAL_CONFIG = 10,       /* object kind 1 | name hash 16 | version 8 */
    VT_SEAL_PENDING = 11,      /* sid 16 | category 2 | record 8 */
    VT_SEAL_IDEMPOTENCY = 12,  /* principal 16 | key hash 16 */
    VT_SEAL_CAPSULE = 13,      /* window 8 | epoch 8 | attempt 16 */
    VT_SEAL_CHUNK = 14,        /* sid 16 | record 8 | field 2 | chunk 4 | is last 1 | DEK version 4 */
    VT_SEAL_EXPORT = 15,
    VT_SEAL_JOB = 16,          /* job id 16 */
    VT_SEAL_CLOSING = 17,      /* epoch 8 | attempt 16 | part 4 */
    VT_SEAL_HOLD = 18,         /* tenant 8 | sid 16 | category 2 | hold id 16 */
    VT_SEAL_APPROVAL = 19,     /* approval id 16 */
    VT_SEAL_WAITING = 20,      /* approval id 16 | sid 16 | category 2 | record 8 */
    VT_SEAL_KEEPERS = 21,      /* none */
    VT_SEAL_OWED = 22,         /* certificate 8 */
    VT_SEAL_ERA = 23,          /* tenant 8 | version 4 */
};

/** The common head of every context; the kind's own fields follow, fixed-width, big-endian. */
struct vt_seal_ctx {
    uint8_t bytes[VT_SEAL_CTX_MAX];
    size_t len;
};
/** vault id 16 | incarnation 8 | kind 1 | tenant 8 */
void vt_seal_ctx_begin(struct vt_seal_ctx *ctx, const uint8_t vault_id[16], uint64_t incarnation,
                       enum vt_seal_kind kind, uint64_t tenant);
void vt_seal_ctx_u8(struct vt_seal_ctx *ctx, uint8_t value);
void vt_seal_ctx_u16(struct vt_seal_ctx *ctx, uint16_t value);
void vt_seal_ctx_u32(struct vt_seal_ctx *ctx, uint32_t value);
void vt_seal_ctx_u64(struct vt_seal_ctx *ctx, uint64_t value);
void vt_seal_ctx_bytes(struct vt_seal_ctx *ctx, struct vt_bytes bytes);

/** Append SEAL(key, ctx, plain): plain.len + VT_SEAL_OVERHEAD bytes.
 *  @return VAULT_E_TOO_LARGE (out's maximum), VAULT_E_MEMORY, VAULT_E_CRYPTO */
VT_RESULT vt_seal(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes plain,
                  struct vt_buf *out_sealed);
/** The same into a fixed array of plain.len + VT_SEAL_OVERHEAD bytes. */
VT_RESULT vt_seal_into(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes plain,
                       uint8_t *out_sealed);
/** Append the plaintext. The commitment is compared in constant time before GCM runs.
 *  @return VAULT_E_AUTHENTICITY (key, context or bytes do not fit), VAULT_E_FORMAT (version, algorithm),
 *  VAULT_E_CORRUPT (too short), VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_unseal(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes sealed,
                    struct vt_buf *out_plain);
/** The same into a fixed array of sealed.len - VT_SEAL_OVERHEAD bytes, which is wiped when the tag is wrong. */
VT_RESULT vt_unseal_into(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes sealed,
                         uint8_t *out_plain);
/** While one is open on the thread, the key of the last seal or unseal is wiped from the thread's context by the next one or by
 *  the outermost scope's end, not after each: for whoever seals many at once. Scopes nest; each ends on its own thread. */
struct vt_seal_scope {
    bool is_open;
};
struct vt_seal_scope vt_seal_scope_open(void);
void vt_seal_scope_release(struct vt_seal_scope *scope);
/** For the vector tests and the fuzzer only: SEAL with salt and IV given. */
VT_RESULT vt_seal_deterministic(const struct vt_key *key, const struct vt_seal_ctx *ctx, struct vt_bytes plain,
                                const uint8_t salt[32], const uint8_t iv[12], struct vt_buf *out_sealed);

/** How many algorithm fetches the process has made so far; a test finds none on the hot path. */
uint64_t vt_crypto_fetch_count(void);
