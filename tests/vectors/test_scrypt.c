/* scrypt: RFC 7914 section 12. The fourth answer (N = 2^20) takes a gigabyte and is left out. The first two lie below
 * the floor that vt_scrypt() keeps, so they go around it. */
#include "libvault/base/fault.h"
#include "libvault/crypto/crypto_internal.h"
#include "libvault/crypto/pwhash.h"
#include "tests/vectors/vectors.h"

static const struct scrypt_vector {
    const char *passphrase, *salt;
    struct vt_scrypt_params params;
    const char *key;
} SCRYPT_VECTORS[] = {
    {"",
     "",
     {16, 1, 1},
     "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
     "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
    {"password",
     "NaCl",
     {1024, 8, 16},
     "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
     "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
    {"pleaseletmein",
     "SodiumChloride",
     {16384, 8, 1},
     "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
     "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
};

START_TEST(scrypt_gives_the_answers_of_rfc_7914)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(SCRYPT_VECTORS); i++) {
        uint8_t key[64];
        ck_assert_ok(vt_scrypt_unchecked(vt_bytes_str(SCRYPT_VECTORS[i].passphrase),
                                         vt_bytes_str(SCRYPT_VECTORS[i].salt), &SCRYPT_VECTORS[i].params, key,
                                         sizeof key));
        ck_assert_vector(VT_BYTES_OF(key), SCRYPT_VECTORS[i].key);
    }
}
END_TEST

START_TEST(the_checked_function_gives_the_same_answer_within_its_limits)
{
    uint8_t key[64];
    ck_assert_ok(vt_scrypt(vt_bytes_str(SCRYPT_VECTORS[2].passphrase), vt_bytes_str(SCRYPT_VECTORS[2].salt),
                           &SCRYPT_VECTORS[2].params, key, sizeof key));
    ck_assert_vector(VT_BYTES_OF(key), SCRYPT_VECTORS[2].key);
}
END_TEST

static vault_status try_params(uint64_t n, uint32_t r, uint32_t p)
{
    uint8_t key[32];
    const struct vt_scrypt_params params = {n, r, p};
    return vt_scrypt(vt_bytes_str("passphrase"), vt_bytes_str("salt"), &params, key, sizeof key);
}

START_TEST(parameters_outside_the_limits_are_refused)
{
    ck_assert_status(try_params(1u << 13, 8, 1), VAULT_E_ARGUMENT);
    ck_assert_status(try_params(1u << 21, 8, 1), VAULT_E_ARGUMENT);
    ck_assert_status(try_params((1u << 14) + 1, 8, 1), VAULT_E_ARGUMENT);
    ck_assert_status(try_params(0, 8, 1), VAULT_E_ARGUMENT);
    ck_assert_status(try_params(UINT64_MAX, 8, 1), VAULT_E_ARGUMENT);
    ck_assert_status(try_params(1u << 14, 0, 1), VAULT_E_ARGUMENT);
    ck_assert_status(try_params(1u << 14, 33, 1), VAULT_E_ARGUMENT);
    ck_assert_status(try_params(1u << 14, 8, 0), VAULT_E_ARGUMENT);
    ck_assert_status(try_params(1u << 14, 8, 17), VAULT_E_ARGUMENT);
    ck_assert_status(try_params(1u << 16, 1, 1), VAULT_E_ARGUMENT);
    ck_assert_ok(try_params(1u << 15, 1, 1));
    ck_assert_ok(try_params(1u << 16, 2, 1));
}
END_TEST

#ifdef VT_FAULTS
START_TEST(short_memory_is_said_to_be_that)
{
    vt_fault_arm(VT_FAULT_ALLOC, 1);
    ck_assert_status(try_params(1u << 14, 1, 1), VAULT_E_MEMORY);
    ck_assert(vt_fault_disarm());
    ck_assert(vt_crypto_queue_is_empty());
}
END_TEST
#endif

VT_TEST_MAIN("vectors/scrypt",
#ifdef VT_FAULTS
             short_memory_is_said_to_be_that,
#endif
             scrypt_gives_the_answers_of_rfc_7914, the_checked_function_gives_the_same_answer_within_its_limits,
             parameters_outside_the_limits_are_refused)
