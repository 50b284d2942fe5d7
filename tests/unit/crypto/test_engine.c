#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/aead.h"
#include "libvault/crypto/crypto_internal.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "libvault/crypto/pwhash.h"
#include "libvault/crypto/rng.h"
#include "tests/support/suite.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

static const struct vt_key KEY = {{42, 1, 2, 3}};
static const uint8_t VAULT_ID[16] = {7};

static struct vt_seal_ctx a_context(void)
{
    struct vt_seal_ctx ctx;
    vt_seal_ctx_begin(&ctx, VAULT_ID, 1, VT_SEAL_ROW, 1);
    return ctx;
}

/* All that a call to the vault does, but for the random bytes. */
static void hot_work(const struct vt_key *key)
{
    static const uint8_t SALT[32] = {1}, IV[12] = {2};
    uint8_t plain[256] = {3}, hash[32], block[16];
    const struct vt_bytes piece = VT_BYTES_OF(plain);
    const struct vt_seal_ctx ctx = a_context();
    VT_AUTO(vt_buf) sealed = VT_BUF_INIT(1024);
    VT_AUTO(vt_buf) opened = VT_BUF_INIT(1024);
    ck_assert_ok(vt_seal_deterministic(key, &ctx, VT_BYTES_OF(plain), SALT, IV, &sealed));
    ck_assert_ok(vt_unseal(key, &ctx, vt_buf_bytes(&sealed), &opened));
    ck_assert(vt_bytes_equal(vt_buf_bytes(&opened), VT_BYTES_OF(plain)));
    sealed.data[sealed.len - 1] ^= 1;
    ck_assert_status(vt_unseal(key, &ctx, vt_buf_bytes(&sealed), &opened), VAULT_E_AUTHENTICITY);
    ck_assert_ok(vt_hmac_sha256(vt_key_bytes(key), &piece, 1, hash));
    ck_assert_ok(vt_sha256_one(piece, hash));
    ck_assert_ok(vt_aes256_block(key, true, plain, block));
}

START_TEST(the_process_fetches_three_algorithms_and_the_hot_loop_none)
{
    hot_work(&KEY);
    ck_assert_uint_eq(vt_crypto_fetch_count(), 3);
    for (int i = 0; i < 1000; i++) {
        uint8_t bytes[44];
        struct vt_key key;
        hot_work(&KEY);
        ck_assert_ok(vt_random_bytes(bytes, sizeof bytes));
        ck_assert_ok(vt_random_key(&key));
    }
    ck_assert_uint_eq(vt_crypto_fetch_count(), 3);
}
END_TEST

/* Our own count does not see the look-ups that OpenSSL does behind EVP_sha256(), HMAC() and the like. Each of them
 * takes a lock of the library, whose locks are these: they stand before libc's for every shared library of this
 * process. */
#ifndef IS_SANITIZED
static atomic_uint lock_count;

__attribute__((visibility("default"))) int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    static int (*real)(pthread_rwlock_t *);
    if (real == NULL) real = (int (*)(pthread_rwlock_t *))dlsym(RTLD_NEXT, "pthread_rwlock_rdlock");
    atomic_fetch_add(&lock_count, 1);
    return real(lock);
}

__attribute__((visibility("default"))) int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    static int (*real)(pthread_rwlock_t *);
    if (real == NULL) real = (int (*)(pthread_rwlock_t *))dlsym(RTLD_NEXT, "pthread_rwlock_wrlock");
    atomic_fetch_add(&lock_count, 1);
    return real(lock);
}

START_TEST(the_hot_loop_takes_no_lock_of_the_library)
{
    hot_work(&KEY);
    const unsigned before = atomic_load(&lock_count);
    for (int i = 0; i < 1000; i++) hot_work(&KEY);
    ck_assert_uint_eq(atomic_load(&lock_count), before);

    /* And the count works: scrypt looks its parts up on every call. */
    uint8_t key[32];
    const struct vt_scrypt_params params = {16, 1, 1};
    ck_assert_ok(vt_scrypt_unchecked(vt_bytes_str("p"), vt_bytes_str("s"), &params, key, sizeof key));
    ck_assert_uint_gt(atomic_load(&lock_count), before);
}
END_TEST
#else
START_TEST(the_hot_loop_takes_no_lock_of_the_library)
{
    hot_work(&KEY); /* sanitizers need the lock functions for themselves */
}
END_TEST
#endif

static void *work_many(void *key)
{
    for (int i = 0; i < 200; i++) {
        struct vt_key fresh;
        uint8_t bytes[100];
        hot_work(key);
        if (vt_random_key(&fresh) != VAULT_OK || vt_random_bytes(bytes, sizeof bytes) != VAULT_OK) return NULL;
    }
    return key;
}

static void threads_run(unsigned count)
{
    pthread_t threads[8];
    struct vt_key keys[8];
    ck_assert_uint_le(count, VT_ARRAY_LEN(threads));
    for (unsigned i = 0; i < count; i++) {
        keys[i] = (struct vt_key){{(uint8_t)i}};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work_many, &keys[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        void *result;
        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_eq(result, &keys[i]);
    }
}

START_TEST(threads_that_start_together_fetch_once_and_do_not_disturb_each_other)
{
    threads_run(8);
    ck_assert_uint_eq(vt_crypto_fetch_count(), 3);
}
END_TEST

START_TEST(a_thread_that_ends_frees_its_contexts)
{
    struct vt_secret_stats before, after;
    threads_run(1);
    vt_secret_stats(&before);
    threads_run(4);
    vt_secret_stats(&after);
    ck_assert_uint_eq(after.in_use_bytes, before.in_use_bytes);
}
END_TEST

START_TEST(contexts_can_be_given_back_and_made_anew)
{
    struct vt_secret_stats before, after;
    hot_work(&KEY);
    vt_secret_stats(&before);
    vt_crypto_thread_release();
    vt_crypto_thread_release();
    vt_secret_stats(&after);
    ck_assert_uint_lt(after.in_use_bytes, before.in_use_bytes);
    hot_work(&KEY);
    vt_crypto_thread_release();
}
END_TEST

#ifdef VT_FAULTS
START_TEST(any_failing_allocation_of_a_new_thread_is_reported_and_survived)
{
    uint8_t plain[16] = {0}, block[16];
    unsigned failures = 0;
    for (unsigned nth = 1;; nth++) {
        vt_crypto_thread_release();
        vt_fault_arm(VT_FAULT_ALLOC, nth);
        const vault_status status = vt_aes256_block(&KEY, true, plain, block);
        if (!vt_fault_disarm()) {
            ck_assert_status(status, VAULT_OK);
            break;
        }
        ck_assert_status(status, VAULT_E_MEMORY);
        ck_assert(vt_crypto_queue_is_empty());
        failures++;
    }
    ck_assert_uint_eq(failures, 4); /* the thread, two ciphers, the pool */
    vt_crypto_thread_release();
    hot_work(&KEY);
}
END_TEST
#endif

/* The needle is kept masked, so that the search does not find itself. */
enum { NEEDLE_LEN = 32, MASK = 0xA5, CHUNK_LEN = 64 * 1024 };

static unsigned occurrences_in(struct vt_bytes bytes, const uint8_t masked[NEEDLE_LEN])
{
    unsigned found = 0;
    for (size_t at = 0; at + NEEDLE_LEN <= bytes.len; at++) {
        size_t same = 0;
        while (same < NEEDLE_LEN && bytes.data[at + same] == (masked[same] ^ MASK)) same++;
        found += same == NEEDLE_LEN;
    }
    return found;
}

/* Read through the kernel: most of what is searched is nobody's to touch. Chunks overlap by a needle less one byte. */
static unsigned occurrences_between(int memory, uint64_t start, uint64_t end, const uint8_t masked[NEEDLE_LEN])
{
    uint8_t chunk[CHUNK_LEN]; /* on the stack, which is not searched */
    unsigned found = 0;
    while (start + NEEDLE_LEN <= end) {
        const ssize_t count = pread(memory, chunk, VT_MIN(end - start, sizeof chunk), (off_t)start);
        if (count < NEEDLE_LEN) break;
        found += occurrences_in(vt_bytes(chunk, (size_t)count), masked);
        start += (uint64_t)count - (NEEDLE_LEN - 1);
    }
    vt_wipe(chunk, sizeof chunk);
    return found;
}

/* In all memory of this process that can be written, its stack aside: what the library leaves there, the next calls
 * overwrite. */
static unsigned occurrences_in_memory(const uint8_t masked[NEEDLE_LEN])
{
    unsigned found = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    ck_assert_ptr_nonnull(maps);
    ck_assert_int_ge(memory, 0);
    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t start, end;
        char access[5];
        ck_assert_int_eq(sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, access), 3);
        if (access[0] != 'r' || access[1] != 'w' || strstr(line, "[stack]") != NULL) continue;
        found += occurrences_between(memory, start, end, masked);
    }
    close(memory);
    fclose(maps);
    return found;
}

/* HKDF once more, keeping the first half of its output under the mask only. */
static void encryption_key_mask(const struct vt_seal_ctx *ctx, const uint8_t salt[32], uint8_t out_masked[NEEDLE_LEN])
{
    uint8_t info[36] = {'v', 's', '1', VT_SEAL_ROW};
    VT_AUTO(vt_key) okm = VT_KEY_INIT;
    ck_assert_ok(vt_sha256_one(vt_bytes(ctx->bytes, ctx->len), info + 4));
    ck_assert_ok(vt_hkdf_sha256(vt_key_bytes(&KEY), vt_bytes(salt, 32), VT_BYTES_OF(info), okm.bytes, VT_KEY_LEN));
    for (size_t i = 0; i < NEEDLE_LEN; i++) out_masked[i] = okm.bytes[i] ^ MASK;
}

#ifndef IS_SANITIZED
START_TEST(the_key_of_a_ciphertext_is_not_left_in_memory)
{
    static const uint8_t SALT[32] = {5}, IV[12] = {6};
    const struct vt_seal_ctx ctx = a_context();
    VT_AUTO(vt_buf) sealed = VT_BUF_INIT(1024);
    VT_AUTO(vt_buf) opened = VT_BUF_INIT(1024);
    uint8_t masked[NEEDLE_LEN];
    encryption_key_mask(&ctx, SALT, masked);
    ck_assert_ok(vt_seal_deterministic(&KEY, &ctx, vt_bytes_str("plain"), SALT, IV, &sealed));
    ck_assert_uint_eq(occurrences_in_memory(masked), 0);
    ck_assert_ok(vt_unseal(&KEY, &ctx, vt_buf_bytes(&sealed), &opened));
    ck_assert_uint_eq(occurrences_in_memory(masked), 0);
    sealed.data[sealed.len - 1] ^= 1;
    ck_assert_status(vt_unseal(&KEY, &ctx, vt_buf_bytes(&sealed), &opened), VAULT_E_AUTHENTICITY);
    ck_assert_uint_eq(occurrences_in_memory(masked), 0);

    /* Nor behind the outermost scope. */
    sealed.data[sealed.len - 1] ^= 1;
    struct vt_seal_scope outer = vt_seal_scope_open(), inner = vt_seal_scope_open();
    ck_assert_ok(vt_unseal(&KEY, &ctx, vt_buf_bytes(&sealed), &opened));
    vt_seal_scope_release(&inner);
    vt_seal_scope_release(&outer);
    ck_assert_uint_eq(occurrences_in_memory(masked), 0);

    /* And the search works. */
    uint8_t *planted = vt_secret_alloc(NEEDLE_LEN);
    for (size_t i = 0; i < NEEDLE_LEN; i++) planted[i] = masked[i] ^ MASK;
    ck_assert_uint_eq(occurrences_in_memory(masked), 1);
    vt_secret_free(planted);
    ck_assert_uint_eq(occurrences_in_memory(masked), 0);
}
END_TEST
#else
START_TEST(the_key_of_a_ciphertext_is_not_left_in_memory)
{
    uint8_t masked[NEEDLE_LEN] = {0}; /* shadow memory is too large to search */
    const struct vt_seal_ctx ctx = a_context();
    static const uint8_t SALT[32] = {5};
    encryption_key_mask(&ctx, SALT, masked);
    ck_assert_uint_eq(occurrences_in(VT_BYTES_OF(masked), masked), 0);
    (void)occurrences_in_memory;
}
END_TEST
#endif

VT_TEST_MAIN("crypto/engine",
#ifdef VT_FAULTS
             any_failing_allocation_of_a_new_thread_is_reported_and_survived,
#endif
             the_process_fetches_three_algorithms_and_the_hot_loop_none, the_hot_loop_takes_no_lock_of_the_library,
             threads_that_start_together_fetch_once_and_do_not_disturb_each_other,
             a_thread_that_ends_frees_its_contexts, contexts_can_be_given_back_and_made_anew,
             the_key_of_a_ciphertext_is_not_left_in_memory)
