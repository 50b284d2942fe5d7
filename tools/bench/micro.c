/* tools/bench/micro.c - what one cryptographic operation costs on this machine: nanoseconds, best of five runs, one
 * thread. The figures in docs/PERFORMANCE.md come from a release build. Thread: main. */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/clock.h"
#include "libvault/crypto/aead.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "libvault/crypto/rng.h"
#include "libvault/crypto/shamir.h"
#include "libvault/crypto/sign.h"

enum { ROUNDS = 5, ROUND_NS = 100 * 1000 * 1000, BATCH = 64, PAGE_LEN = 4080 };

/* Inputs and outputs of the operations below. */
static struct {
    struct vt_key key;
    struct vt_seal_ctx ctx;
    uint8_t plain[PAGE_LEN];
    uint8_t sealed_row[256 + VT_SEAL_OVERHEAD];
    uint8_t sealed_page[PAGE_LEN];
    uint8_t out[PAGE_LEN + VT_SEAL_OVERHEAD];
    uint8_t public_key[VT_ED25519_PUBLIC_LEN];
    uint8_t signature[VT_ED25519_SIGNATURE_LEN];
} world;

static struct vt_bytes plain_of(size_t len)
{
    return vt_bytes(world.plain, len);
}

static vault_status hash_64(void)
{
    return vt_sha256_one(plain_of(64), world.out);
}
static vault_status hmac_64(void)
{
    const struct vt_bytes piece = plain_of(64);
    return vt_hmac_sha256(vt_key_bytes(&world.key), &piece, 1, world.out);
}
static vault_status hkdf_64(void)
{
    return vt_hkdf_sha256(vt_key_bytes(&world.key), plain_of(32), plain_of(36), world.out, 64);
}
static vault_status seal_256(void)
{
    return vt_seal_into(&world.key, &world.ctx, plain_of(256), world.out);
}
static vault_status unseal_256(void)
{
    return vt_unseal_into(&world.key, &world.ctx, VT_BYTES_OF(world.sealed_row), world.out);
}
static vault_status seal_page(void)
{
    return vt_seal_into(&world.key, &world.ctx, plain_of(PAGE_LEN - VT_SEAL_OVERHEAD), world.out);
}
static vault_status unseal_page(void)
{
    return vt_unseal_into(&world.key, &world.ctx, VT_BYTES_OF(world.sealed_page), world.out);
}
static vault_status aes_block(void)
{
    return vt_aes256_block(&world.key, true, world.plain, world.out);
}
static vault_status random_44(void)
{
    return vt_random_bytes(world.out, 44);
}
static vault_status random_key(void)
{
    struct vt_key key;
    return vt_random_key(&key);
}
static vault_status shamir_2_of_3(void)
{
    return vt_shamir_split(plain_of(32), 2, 3, world.out);
}
static vault_status sign_64(void)
{
    return vt_ed25519_sign(&world.key, plain_of(64), world.signature);
}
static vault_status verify_64(void)
{
    return vt_ed25519_verify(world.public_key, plain_of(64), world.signature);
}

static const struct {
    const char *name;
    vault_status (*run)(void);
} OPERATIONS[] = {
    {"SHA-256, 64 bytes", hash_64},
    {"HMAC-SHA256, 64 bytes", hmac_64},
    {"HKDF-SHA256 to 64 bytes", hkdf_64},
    {"seal 256 bytes", seal_256},
    {"unseal 256 bytes", unseal_256},
    {"seal a page (4,080)", seal_page},
    {"unseal a page (4,080)", unseal_page},
    {"AES-256, one block", aes_block},
    {"random salt and IV (44)", random_44},
    {"random key", random_key},
    {"Shamir, 2 of 3, 32 bytes", shamir_2_of_3},
    {"Ed25519 sign", sign_64},
    {"Ed25519 verify", verify_64},
};

static VT_RESULT world_make(void)
{
    static const uint8_t VAULT_ID[16];
    VT_TRY(vt_random_key(&world.key));
    vt_seal_ctx_begin(&world.ctx, VAULT_ID, 1, VT_SEAL_ROW, 1);
    vt_seal_ctx_bytes(&world.ctx, plain_of(36));
    VT_TRY(vt_seal_into(&world.key, &world.ctx, plain_of(256), world.sealed_row));
    VT_TRY(vt_seal_into(&world.key, &world.ctx, plain_of(PAGE_LEN - VT_SEAL_OVERHEAD), world.sealed_page));
    VT_TRY(vt_ed25519_public(&world.key, world.public_key));
    return vt_ed25519_sign(&world.key, plain_of(64), world.signature);
}

static VT_RESULT round_measure(vault_status (*run)(void), double *out_ns)
{
    const uint64_t start = vt_monotonic_ns();
    uint64_t count = 0, took = 0;
    while (took < ROUND_NS) {
        for (int i = 0; i < BATCH; i++) VT_TRY(run());
        count += BATCH;
        took = vt_monotonic_ns() - start;
    }
    *out_ns = (double)took / (double)count;
    return VAULT_OK;
}

static VT_RESULT measure(vault_status (*run)(void), double *out_best_ns)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double ns;
        VT_TRY(round_measure(run, &ns));
        if (round == 0 || ns < best) best = ns;
    }
    *out_best_ns = best;
    return VAULT_OK;
}

static VT_RESULT all_measure(void)
{
    VT_TRY(world_make());
    for (size_t i = 0; i < VT_ARRAY_LEN(OPERATIONS); i++) {
        double ns;
        VT_TRY(measure(OPERATIONS[i].run, &ns));
        printf("%-28s %10.0f ns\n", OPERATIONS[i].name, ns);
    }
    return VAULT_OK;
}

int main(void)
{
    const vault_status status = all_measure();
    if (status != VAULT_OK) fprintf(stderr, "bench-micro: %s\n", vault_status_text(status));
    return vault_status_exit(status);
}
