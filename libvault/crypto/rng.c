#include "libvault/crypto/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/crypto_internal.h"
#include "libvault/crypto/mac.h"

enum { BOOT_ID_LEN = 36, DRBG_STRENGTH = 256 };

static atomic_uint_fast64_t key_count;

static VT_RESULT kernel_random(uint8_t *out_bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        const ssize_t got = getrandom(out_bytes + done, len - done, 0);
        VT_ENSURE(got > 0 || (got < 0 && errno == EINTR), VAULT_E_CRYPTO);
        if (got > 0) done += (size_t)got;
    }
    return VAULT_OK;
}

/* Kernel bytes go in as additional input (SP 800-90A section 9.3): a cloned machine clones the generator's state in
 * user space, while the kernel's is told of the cloning. */
static VT_RESULT generator_draw(uint8_t *out_bytes, size_t len)
{
    VT_AUTO(vt_key) fresh = VT_KEY_INIT;
    VT_TRY(kernel_random(fresh.bytes, sizeof fresh.bytes));
    EVP_RAND_CTX *generator = RAND_get0_public(NULL);
    if (generator == NULL ||
        EVP_RAND_generate(generator, out_bytes, len, DRBG_STRENGTH, 0, fresh.bytes, sizeof fresh.bytes) != 1)
        return vt_crypto_fail();
    return VAULT_OK;
}

static VT_RESULT generator_draw_all(uint8_t *out_bytes, size_t len)
{
    for (size_t done = 0; done < len; done += VT_RANDOM_POOL_LEN)
        VT_TRY(generator_draw(out_bytes + done, VT_MIN(len - done, (size_t)VT_RANDOM_POOL_LEN)));
    return VAULT_OK;
}

static void pool_take(struct vt_random_pool *pool, uint8_t *out_bytes, size_t len)
{
    uint8_t *next = pool->bytes + VT_RANDOM_POOL_LEN - pool->left;
    memcpy(out_bytes, next, len);
    vt_wipe(next, len);
    pool->left -= len;
}

VT_RESULT vt_random_bytes(void *out_bytes, size_t len)
{
    VT_ENSURE(!vt_fault_hit(VT_FAULT_RANDOM), VAULT_E_CRYPTO);
    if (len > VT_RANDOM_POOL_LEN / 4) return generator_draw_all(out_bytes, len);

    struct vt_crypto_thread *thread;
    VT_TRY(vt_crypto_thread(&thread));
    struct vt_random_pool *pool = thread->pool;
    if (pool->left < len) {
        pool->left = 0;
        VT_TRY(generator_draw(pool->bytes, VT_RANDOM_POOL_LEN));
        pool->left = VT_RANDOM_POOL_LEN;
    }
    pool_take(pool, out_bytes, len);
    return VAULT_OK;
}

/* Tells boots and keys apart, adds no entropy: so a sandbox that hides /proc costs nothing but the distinction. */
static pthread_once_t boot_once = PTHREAD_ONCE_INIT;
static uint8_t boot_id[BOOT_ID_LEN];

static void boot_id_read(void)
{
    const int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    uint8_t text[BOOT_ID_LEN];
    if (read(file, text, sizeof text) == (ssize_t)sizeof text) memcpy(boot_id, text, sizeof boot_id);
    close(file);
}

VT_RESULT vt_random_seed(struct vt_key *out_seed)
{
    vt_fault_step("random.seed");
    VT_AUTO(vt_key) seed = VT_KEY_INIT;
    VT_AUTO(vt_key) own = VT_KEY_INIT;
    VT_TRY(kernel_random(seed.bytes, sizeof seed.bytes));
    VT_ENSURE(RAND_priv_bytes(own.bytes, sizeof own.bytes) == 1, vt_crypto_fail());
    for (size_t i = 0; i < VT_KEY_LEN; i++) seed.bytes[i] ^= own.bytes[i];
    return vt_hkdf_extract_sha256(vt_key_bytes(&seed), VT_BYTES_EMPTY, out_seed);
}

VT_RESULT vt_random_key_of(const struct vt_key *seed, struct vt_key *out_key)
{
    VT_ENSURE(!vt_fault_hit(VT_FAULT_RANDOM), VAULT_E_CRYPTO);
    uint8_t info[BOOT_ID_LEN + 16];
    pthread_once(&boot_once, boot_id_read);
    memcpy(info, boot_id, BOOT_ID_LEN);
    vt_put_u64(info + BOOT_ID_LEN, (uint64_t)getpid());
    vt_put_u64(info + BOOT_ID_LEN + 8, atomic_fetch_add(&key_count, 1));
    return vt_hkdf_expand_sha256(seed, VT_BYTES_OF(info), out_key->bytes, VT_KEY_LEN);
}

VT_RESULT vt_random_key(struct vt_key *out_key)
{
    VT_AUTO(vt_key) seed = VT_KEY_INIT;
    VT_TRY(vt_random_seed(&seed));
    return vt_random_key_of(&seed, out_key);
}

/* Draws that fall into the incomplete last run of 2^64 are thrown away (at most every second one). */
VT_RESULT vt_random_below(uint64_t bound, uint64_t *out_number)
{
    VT_BUG_ON(bound == 0);
    const uint64_t excess = (UINT64_MAX % bound + 1) % bound;
    uint64_t number;
    do {
        VT_TRY(vt_random_bytes(&number, sizeof number));
    } while (number > UINT64_MAX - excess);
    *out_number = number % bound;
    return VAULT_OK;
}
