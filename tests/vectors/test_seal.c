/* SEAL: the vectors of docs/FORMAT.md, made by the second implementation in make_seal_vectors.py. */
#include <stdio.h>

#include "libvault/crypto/aead.h"
#include "tests/vectors/vectors.h"

enum { LINE_LEN = 8192 };

struct seal_vector {
    struct vt_key key;
    struct vt_seal_ctx ctx;
    struct vt_buf salt, iv, plain, sealed;
};

static void seal_vector_release(struct seal_vector *vector)
{
    vt_buf_release(&vector->salt);
    vt_buf_release(&vector->iv);
    vt_buf_release(&vector->plain);
    vt_buf_release(&vector->sealed);
}

/* The file has one vector a line and plain hexadecimal strings, so that this is all the JSON there is to read. */
static struct vt_buf part_of(const char *line, const char *name)
{
    char opening[32];
    snprintf(opening, sizeof opening, "\"%s\": \"", name);
    const char *start = strstr(line, opening);
    ck_assert_msg(start != NULL, "no %s in %s", name, line);
    start += strlen(opening);
    return vector_hex(start, strcspn(start, "\""));
}

static struct seal_vector vector_of(const char *line)
{
    VT_AUTO(vt_buf) key = part_of(line, "key");
    VT_AUTO(vt_buf) ctx = part_of(line, "context");
    struct seal_vector vector = {.salt = part_of(line, "salt"),
                                 .iv = part_of(line, "iv"),
                                 .plain = part_of(line, "plain"),
                                 .sealed = part_of(line, "sealed")};
    ck_assert_uint_eq(key.len, VT_KEY_LEN);
    ck_assert_uint_eq(vector.salt.len, 32);
    ck_assert_uint_eq(vector.iv.len, 12);
    memcpy(vector.key.bytes, key.data, VT_KEY_LEN);
    vt_seal_ctx_bytes(&vector.ctx, vt_buf_bytes(&ctx));
    return vector;
}

static void each_vector(void (*check)(const struct seal_vector *vector))
{
    char line[LINE_LEN];
    unsigned count = 0;
    FILE *file = fopen(VT_SOURCE_DIR "/tests/vectors/seal.json", "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] != '{') continue;
        __attribute__((cleanup(seal_vector_release))) struct seal_vector vector = vector_of(line);
        check(&vector);
        count++;
    }
    fclose(file);
    ck_assert_uint_eq(count, 10);
}

static void check_sealing(const struct seal_vector *vector)
{
    VT_AUTO(vt_buf) sealed = VT_BUF_INIT(LINE_LEN);
    ck_assert_ok(vt_seal_deterministic(&vector->key, &vector->ctx, vt_buf_bytes(&vector->plain), vector->salt.data,
                                       vector->iv.data, &sealed));
    ck_assert(vt_bytes_equal(vt_buf_bytes(&sealed), vt_buf_bytes(&vector->sealed)));
}

START_TEST(sealing_gives_the_bytes_of_the_second_implementation)
{
    each_vector(check_sealing);
}
END_TEST

static void check_opening(const struct seal_vector *vector)
{
    VT_AUTO(vt_buf) plain = VT_BUF_INIT(LINE_LEN);
    ck_assert_ok(vt_unseal(&vector->key, &vector->ctx, vt_buf_bytes(&vector->sealed), &plain));
    ck_assert(vt_bytes_equal(vt_buf_bytes(&plain), vt_buf_bytes(&vector->plain)));
}

START_TEST(opening_gives_the_plaintext_of_the_second_implementation)
{
    each_vector(check_opening);
}
END_TEST

START_TEST(the_fifth_vector_is_that_of_a_row_built_field_by_field)
{
    VT_AUTO(vt_buf) vault_id = vector_bytes("bf9542942f9d999b72ee6412ed89c63f");
    VT_AUTO(vt_buf) sid = vector_bytes("f566a73bddd8b461cd7e9b4aceca776c");
    VT_AUTO(vt_buf) salt = vector_bytes("c00a403182087f1b0722b8d9a6feb451807ff6cf161d52f55e1ea0bcc35b938d");
    VT_AUTO(vt_buf) key_bytes = vector_bytes("c6aab600cd0cedce506cf8f8c3ed9fa938ab9596136926cc7f2610236cee6666");
    VT_AUTO(vt_buf) iv = vector_bytes("3f0093b0bc67c15f6866763c");
    VT_AUTO(vt_buf) sealed = VT_BUF_INIT(LINE_LEN);
    struct vt_key key;
    struct vt_seal_ctx ctx;
    memcpy(key.bytes, key_bytes.data, VT_KEY_LEN);
    vt_seal_ctx_begin(&ctx, vault_id.data, 5, VT_SEAL_ROW, 1);
    vt_seal_ctx_bytes(&ctx, vt_buf_bytes(&sid));
    vt_seal_ctx_u16(&ctx, 2);
    vt_seal_ctx_u64(&ctx, 6);
    vt_seal_ctx_u16(&ctx, 0);
    vt_seal_ctx_u32(&ctx, 1);
    vt_seal_ctx_u32(&ctx, 1);
    ck_assert_ok(vt_seal_deterministic(&key, &ctx, vt_bytes_str("R"), salt.data, iv.data, &sealed));
    ck_assert_vector(vt_buf_bytes(&sealed), "0101c00a403182087f1b0722b8d9a6feb451807ff6cf161d52f55e1ea0bcc35b938d"
                                            "58241d26eec7ce2a1d7b89223f4d5814d030f4c8b70887c7557ba828a2b7bbf8"
                                            "3f0093b0bc67c15f6866763c7d69be7731297711a85658f10fea0a699e");
}
END_TEST

VT_TEST_MAIN("vectors/seal", sealing_gives_the_bytes_of_the_second_implementation,
             opening_gives_the_plaintext_of_the_second_implementation,
             the_fifth_vector_is_that_of_a_row_built_field_by_field)
