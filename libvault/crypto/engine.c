#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/aead.h"
#include "libvault/crypto/crypto_internal.h"

/* Fetched algorithms live as long as the process: freeing them at exit would race with threads that still run. */
static struct {
    pthread_mutex_t mutex;
    atomic_bool is_ready;
    EVP_MD *sha256;
    EVP_CIPHER *aes_256_gcm;
    EVP_CIPHER *aes_256_ecb;
    pthread_key_t thread_key;
    bool has_thread_key;
} engine = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static atomic_uint_fast64_t fetch_count;
static _Thread_local struct vt_crypto_thread *this_thread;

static const uint8_t ZERO_KEY[VT_KEY_LEN];

uint64_t vt_crypto_fetch_count(void)
{
    return atomic_load(&fetch_count);
}

void vt_crypto_forget_errors(void)
{
    ERR_clear_error();
}

bool vt_crypto_queue_is_empty(void)
{
    return ERR_peek_error() == 0;
}

static EVP_MD *fetch_md(const char *name)
{
    atomic_fetch_add(&fetch_count, 1);
    return EVP_MD_fetch(NULL, name, NULL);
}

static EVP_CIPHER *fetch_cipher(const char *name)
{
    atomic_fetch_add(&fetch_count, 1);
    return EVP_CIPHER_fetch(NULL, name, NULL);
}

static void thread_free(void *data)
{
    struct vt_crypto_thread *thread = data;
    if (thread == NULL) return;
    EVP_CIPHER_CTX_free(thread->gcm);
    EVP_CIPHER_CTX_free(thread->ecb);
    vt_secret_free(thread->pool);
    free(thread);
}

/* At thread end. A destructor that runs later may use cryptography again: it then gets, and frees, new contexts. */
static void thread_end(void *data)
{
    this_thread = NULL;
    thread_free(data);
}

/* Not pthread_once: a failure for lack of memory must be able to succeed later. */
static VT_RESULT engine_load(void)
{
    if (!engine.has_thread_key) {
        VT_ENSURE(pthread_key_create(&engine.thread_key, thread_end) == 0, VAULT_E_MEMORY);
        engine.has_thread_key = true;
    }
    if (engine.sha256 == NULL) engine.sha256 = fetch_md("SHA256");
    if (engine.aes_256_gcm == NULL) engine.aes_256_gcm = fetch_cipher("AES-256-GCM");
    if (engine.aes_256_ecb == NULL) engine.aes_256_ecb = fetch_cipher("AES-256-ECB");
    const bool is_whole = engine.sha256 != NULL && engine.aes_256_gcm != NULL && engine.aes_256_ecb != NULL;
    return is_whole ? VAULT_OK : vt_crypto_fail();
}

static VT_RESULT engine_ready(void)
{
    if (atomic_load_explicit(&engine.is_ready, memory_order_acquire)) return VAULT_OK;
    pthread_mutex_lock(&engine.mutex);
    const vault_status status = engine_load();
    if (status == VAULT_OK) atomic_store_explicit(&engine.is_ready, true, memory_order_release);
    pthread_mutex_unlock(&engine.mutex);
    return status;
}

VT_RESULT vt_crypto_md_new(EVP_MD_CTX **out_md)
{
    VT_TRY(engine_ready());
    EVP_MD_CTX *md = vt_fault_hit(VT_FAULT_ALLOC) ? NULL : EVP_MD_CTX_new();
    VT_ENSURE(md != NULL, VAULT_E_MEMORY);
    if (EVP_DigestInit_ex2(md, engine.sha256, NULL) != 1) {
        EVP_MD_CTX_free(md);
        return vt_crypto_fail();
    }
    *out_md = md;
    return VAULT_OK;
}

static VT_RESULT cipher_new(const EVP_CIPHER *algorithm, EVP_CIPHER_CTX **out_cipher)
{
    EVP_CIPHER_CTX *cipher = vt_fault_hit(VT_FAULT_ALLOC) ? NULL : EVP_CIPHER_CTX_new();
    VT_ENSURE(cipher != NULL, VAULT_E_MEMORY);
    if (EVP_CipherInit_ex2(cipher, algorithm, ZERO_KEY, NULL, 1, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(cipher, 0) != 1) {
        EVP_CIPHER_CTX_free(cipher);
        return vt_crypto_fail();
    }
    *out_cipher = cipher;
    return VAULT_OK;
}

VT_RESULT vt_crypto_gcm_new(EVP_CIPHER_CTX **out_cipher)
{
    VT_TRY(engine_ready());
    return cipher_new(engine.aes_256_gcm, out_cipher);
}

static VT_RESULT thread_fill(struct vt_crypto_thread *thread)
{
    VT_TRY(cipher_new(engine.aes_256_gcm, &thread->gcm));
    VT_TRY(cipher_new(engine.aes_256_ecb, &thread->ecb));
    thread->pool = vt_secret_alloc(sizeof *thread->pool);
    VT_ENSURE(thread->pool != NULL, VAULT_E_MEMORY);
    VT_ENSURE(pthread_setspecific(engine.thread_key, thread) == 0, VAULT_E_MEMORY);
    return VAULT_OK;
}

static VT_RESULT thread_new(struct vt_crypto_thread **out_thread)
{
    VT_TRY(engine_ready());
    struct vt_crypto_thread *thread = vt_calloc(1, sizeof *thread);
    VT_ENSURE(thread != NULL, VAULT_E_MEMORY);
    const vault_status status = thread_fill(thread);
    if (status != VAULT_OK) {
        thread_free(thread);
        return status;
    }
    *out_thread = thread;
    return VAULT_OK;
}

VT_RESULT vt_crypto_thread(struct vt_crypto_thread **out_thread)
{
    if (__builtin_expect(this_thread == NULL, 0)) VT_TRY(thread_new(&this_thread));
    *out_thread = this_thread;
    return VAULT_OK;
}

void vt_crypto_thread_release(void)
{
    struct vt_crypto_thread *thread = this_thread;
    if (thread == NULL) return;
    this_thread = NULL;
    pthread_setspecific(engine.thread_key, NULL);
    thread_free(thread);
}

VT_RESULT vt_crypto_md_reset(EVP_MD_CTX *md)
{
    return EVP_DigestInit_ex2(md, NULL, NULL) == 1 ? VAULT_OK : vt_crypto_fail();
}

static bool md_absorb(EVP_MD_CTX *md, const struct vt_bytes *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pieces[i].len != 0 && EVP_DigestUpdate(md, pieces[i].data, pieces[i].len) != 1) return false;
    return true;
}

VT_RESULT vt_crypto_md_run(EVP_MD_CTX *md, const struct vt_bytes *pieces, size_t count, uint8_t out_hash[32])
{
    const bool is_done = md_absorb(md, pieces, count) && EVP_DigestFinal_ex(md, out_hash, NULL) == 1;
    VT_TRY(vt_crypto_md_reset(md));
    return is_done ? VAULT_OK : vt_crypto_fail();
}

static bool gcm_begin(EVP_CIPHER_CTX *cipher, const struct vt_gcm_call *call)
{
    if (EVP_CipherInit_ex2(cipher, NULL, call->key, call->iv, call->is_encrypting, NULL) != 1) return false;
    int written;
    for (size_t i = 0; i < VT_ARRAY_LEN(call->aad); i++)
        if (call->aad[i].len != 0 &&
            EVP_CipherUpdate(cipher, NULL, &written, call->aad[i].data, (int)call->aad[i].len) != 1)
            return false;
    /* A NULL input means "finish" to the provider, so an empty message is not shown to it at all. */
    return call->in.len == 0 || EVP_CipherUpdate(cipher, call->out, &written, call->in.data, (int)call->in.len) == 1;
}

static bool gcm_check_tag(EVP_CIPHER_CTX *cipher, const struct vt_gcm_call *call)
{
    uint8_t unused[16];
    int written;
    return EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, call->tag) == 1 &&
           EVP_CipherFinal_ex(cipher, unused, &written) == 1;
}

static bool gcm_write_tag(EVP_CIPHER_CTX *cipher, const struct vt_gcm_call *call)
{
    uint8_t unused[16];
    int written;
    return EVP_CipherFinal_ex(cipher, unused, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, call->tag) == 1;
}

static VT_RESULT gcm_run(EVP_CIPHER_CTX *cipher, const struct vt_gcm_call *call)
{
    VT_ENSURE(gcm_begin(cipher, call), VAULT_E_CRYPTO);
    if (call->is_encrypting) return gcm_write_tag(cipher, call) ? VAULT_OK : VAULT_E_CRYPTO;
    return gcm_check_tag(cipher, call) ? VAULT_OK : VAULT_E_AUTHENTICITY;
}

/* Overwrites key schedule, hash key and last key stream block. */
static bool gcm_forget(EVP_CIPHER_CTX *cipher)
{
    return EVP_CipherInit_ex2(cipher, NULL, ZERO_KEY, NULL, 1, NULL) == 1;
}

static bool gcm_leave(EVP_CIPHER_CTX *cipher)
{
    struct vt_crypto_thread *thread = this_thread;
    const bool may_stay = thread != NULL && thread->gcm == cipher && thread->seal_scopes != 0;
    if (!may_stay) return gcm_forget(cipher);
    thread->is_gcm_keyed = true;
    return true;
}

struct vt_seal_scope vt_seal_scope_open(void)
{
    struct vt_crypto_thread *thread;
    if (vt_crypto_thread(&thread) != VAULT_OK) return (struct vt_seal_scope){false};
    thread->seal_scopes++;
    return (struct vt_seal_scope){true};
}

void vt_seal_scope_release(struct vt_seal_scope *scope)
{
    struct vt_crypto_thread *thread = this_thread;
    if (!scope->is_open) return;
    scope->is_open = false;
    if (thread == NULL || thread->seal_scopes == 0 || --thread->seal_scopes != 0 || !thread->is_gcm_keyed) return;
    thread->is_gcm_keyed = false;
    VT_BUG_ON(!gcm_forget(thread->gcm));
}

VT_RESULT vt_crypto_gcm_run(EVP_CIPHER_CTX *cipher, const struct vt_gcm_call *call)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(call->aad); i++) VT_ENSURE(call->aad[i].len <= INT32_MAX, VAULT_E_TOO_LARGE);
    VT_ENSURE(call->in.len <= INT32_MAX, VAULT_E_TOO_LARGE);

    vault_status status = gcm_run(cipher, call);
    if (!gcm_leave(cipher)) status = VAULT_E_CRYPTO;
    if (status != VAULT_OK) {
        vt_wipe(call->out, call->in.len);
        vt_crypto_forget_errors();
    }
    return status;
}
