/* libvault/crypto/crypto_internal.h - the algorithms, fetched once per process, and each thread's contexts for them.
 *
 * OpenSSL 3.0 looks an algorithm up by name, under locks, on every EVP_sha256(), HMAC() or EVP_KDF call; that cost more
 * than the cryptography itself (docs/PERFORMANCE.md). So it is done once here, and contexts are re-initialised, never
 * rebuilt. Invariant: between two calls, or between two scopes where one is open (aead.h), the contexts of a thread hold no
 * key, no message and no result: an idle thread must not keep what a shred has forgotten. Thread: any; a thread's contexts
 * are its own and are freed when it ends. */
#pragma once
#include <openssl/types.h>

#include "libvault/base/secret.h"

enum { VT_RANDOM_POOL_LEN = 4096 };

/** Random bytes drawn ahead, in arena memory: a forked child finds it zeroed, hence empty. Bytes handed out are wiped.
 */
struct vt_random_pool {
    size_t left; /* the last @p left bytes are still unused */
    uint8_t bytes[VT_RANDOM_POOL_LEN];
};

struct vt_crypto_thread {
    EVP_CIPHER_CTX *gcm;
    EVP_CIPHER_CTX *ecb;
    struct vt_random_pool *pool;
    unsigned seal_scopes;      /* open on this thread: the key of the last seal stays in gcm until the outermost one ends */
    bool is_gcm_keyed;
};

/** The calling thread's contexts, made on first use. @return VAULT_E_MEMORY, VAULT_E_CRYPTO (an algorithm is missing)
 */
VT_RESULT vt_crypto_thread(struct vt_crypto_thread **out_thread);
/** Free the calling thread's contexts now. Threads that end do so by themselves; tests of the main thread call it. */
void vt_crypto_thread_release(void);

/** A digest context of the caller's own in its initial state; free with EVP_MD_CTX_free(). */
VT_RESULT vt_crypto_md_new(EVP_MD_CTX **out_md);
/** AES-256-GCM context of the caller's own, keyed with zeroes; free with EVP_CIPHER_CTX_free(). */
VT_RESULT vt_crypto_gcm_new(EVP_CIPHER_CTX **out_cipher);

/** Absorb the pieces, write the hash, and leave @p md in its initial state whatever happened. */
VT_RESULT vt_crypto_md_run(EVP_MD_CTX *md, const struct vt_bytes *pieces, size_t count, uint8_t out_hash[32]);
/** Back to the initial state, which overwrites what was absorbed. */
VT_RESULT vt_crypto_md_reset(EVP_MD_CTX *md);

/** One GCM operation. @p tag is written when encrypting and checked when decrypting. Leaves a zero key behind.
 *  @return VAULT_E_AUTHENTICITY (what was written to @p out is wiped), VAULT_E_TOO_LARGE, VAULT_E_CRYPTO */
struct vt_gcm_call {
    const uint8_t *key; /* 32 bytes, borrowed */
    const uint8_t *iv;  /* as long as the context's IV length, borrowed */
    struct vt_bytes aad[2];
    struct vt_bytes in;
    uint8_t *out; /* in.len bytes */
    uint8_t *tag; /* 16 bytes */
    bool is_encrypting;
};
VT_RESULT vt_crypto_gcm_run(EVP_CIPHER_CTX *cipher, const struct vt_gcm_call *call);

/** Empty OpenSSL's error queue: a stale entry would confuse the next user of the queue. */
void vt_crypto_forget_errors(void);
static inline vault_status vt_crypto_fail(void)
{
    vt_crypto_forget_errors();
    return VAULT_E_CRYPTO;
}
/** For tests: true when no call has left an entry in the thread's queue. */
bool vt_crypto_queue_is_empty(void);

struct vt_scrypt_params;
/** vt_scrypt() without the floor and ceiling on parameters, for the vectors of RFC 7914 section 12. */
VT_RESULT vt_scrypt_unchecked(struct vt_bytes passphrase, struct vt_bytes salt, const struct vt_scrypt_params *params,
                              uint8_t *out_bytes, size_t out_len);
