/* SHA-256: FIPS 180-4, examples published with it (NIST "SHA256.pdf") and CAVP SHA256ShortMsg.rsp. HMAC: RFC 4231
 * section 4. HKDF: RFC 5869 appendix A.1 to A.3. */
#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "tests/vectors/vectors.h"

START_TEST(sha256_of_abc_is_that_of_fips_180_4)
{
    uint8_t hash[VT_SHA256_LEN];
    ck_assert_ok(vt_sha256_one(vt_bytes_str("abc"), hash));
    ck_assert_vector(VT_BYTES_OF(hash), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(sha256_of_two_blocks_is_that_of_fips_180_4_however_it_is_cut)
{
    const struct vt_bytes text = vt_bytes_str("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
    uint8_t hash[VT_SHA256_LEN];
    for (size_t first = 0; first <= text.len; first++)
        for (size_t second = first; second <= text.len; second++) {
            const struct vt_bytes pieces[] = {vt_bytes(text.data, first), vt_bytes(text.data + first, second - first),
                                              VT_BYTES_EMPTY, vt_bytes(text.data + second, text.len - second)};
            ck_assert_ok(vt_sha256(pieces, VT_ARRAY_LEN(pieces), hash));
            ck_assert_vector(VT_BYTES_OF(hash), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        }
}
END_TEST

START_TEST(sha256_of_nothing_and_of_one_byte_are_those_of_cavp)
{
    uint8_t hash[VT_SHA256_LEN];
    const uint8_t one = 0xd3;
    ck_assert_ok(vt_sha256(NULL, 0, hash));
    ck_assert_vector(VT_BYTES_OF(hash), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ck_assert_ok(vt_sha256_one(vt_bytes(&one, 1), hash));
    ck_assert_vector(VT_BYTES_OF(hash), "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
}
END_TEST

/* The long message of the FIPS 180-4 examples; the second pass shows that finish starts the stream anew. */
START_TEST(a_stream_of_a_million_letters_has_the_published_hash_twice)
{
    VT_AUTO_PTR(vt_sha256_stream) stream = NULL;
    ck_assert_ok(vt_sha256_stream_new(&stream));
    uint8_t letters[1000], hash[VT_SHA256_LEN];
    memset(letters, 'a', sizeof letters);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 1000; i++) ck_assert_ok(vt_sha256_stream_update(stream, VT_BYTES_OF(letters)));
        ck_assert_ok(vt_sha256_stream_update(stream, VT_BYTES_EMPTY));
        ck_assert_ok(vt_sha256_stream_finish(stream, hash));
        ck_assert_vector(VT_BYTES_OF(hash), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}
END_TEST

static const struct hmac_vector {
    const char *name, *key, *data, *mac;
} HMAC_VECTORS[] = {
    {"RFC 4231 test case 1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"RFC 4231 test case 2 (key shorter than the output)", "4a656665",
     "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"RFC 4231 test case 3", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"RFC 4231 test case 4", "0102030405060708090a0b0c0d0e0f10111213141516171819",
     "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {"RFC 4231 test case 5 (the first 128 bits are published)", "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
     "546573742057697468205472756e636174696f6e", "a3b6167473100ee06e0c796c2955552b"},
    {"RFC 4231 test case 6 (key longer than a block)",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b65792046"
     "69727374",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"RFC 4231 test case 7 (key and data longer than a block)",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920"
     "616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e656564732074"
     "6f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f72697468"
     "6d2e",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

START_TEST(hmac_sha256_gives_every_answer_of_rfc_4231)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(HMAC_VECTORS); i++) {
        VT_AUTO(vt_buf) key = vector_bytes(HMAC_VECTORS[i].key);
        VT_AUTO(vt_buf) data = vector_bytes(HMAC_VECTORS[i].data);
        const size_t half = data.len / 2;
        const struct vt_bytes pieces[] = {vt_bytes(data.data, half), vt_bytes(data.data + half, data.len - half)};
        uint8_t mac[32];
        ck_assert_ok(vt_hmac_sha256(vt_buf_bytes(&key), pieces, 2, mac));
        ck_assert_vector(vt_bytes(mac, strlen(HMAC_VECTORS[i].mac) / 2), HMAC_VECTORS[i].mac);
    }
}
END_TEST

static const struct hkdf_vector {
    const char *name, *ikm, *salt, *info, *okm;
} HKDF_VECTORS[] = {
    {"RFC 5869 A.1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
     "f0f1f2f3f4f5f6f7f8f9", "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
    {"RFC 5869 A.2 (longer inputs and output)",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031"
     "32333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f9091"
     "92939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1"
     "e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da32"
     "75600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
    {"RFC 5869 A.3 (no salt, no info)", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
};

START_TEST(hkdf_sha256_gives_the_answers_of_rfc_5869)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(HKDF_VECTORS); i++) {
        VT_AUTO(vt_buf) ikm = vector_bytes(HKDF_VECTORS[i].ikm);
        VT_AUTO(vt_buf) salt = vector_bytes(HKDF_VECTORS[i].salt);
        VT_AUTO(vt_buf) info = vector_bytes(HKDF_VECTORS[i].info);
        uint8_t okm[82];
        const size_t len = strlen(HKDF_VECTORS[i].okm) / 2;
        ck_assert_ok(vt_hkdf_sha256(vt_buf_bytes(&ikm), vt_buf_bytes(&salt), vt_buf_bytes(&info), okm, len));
        ck_assert_vector(vt_bytes(okm, len), HKDF_VECTORS[i].okm);
    }
}
END_TEST

VT_TEST_MAIN("vectors/hash", sha256_of_abc_is_that_of_fips_180_4,
             sha256_of_two_blocks_is_that_of_fips_180_4_however_it_is_cut,
             sha256_of_nothing_and_of_one_byte_are_those_of_cavp,
             a_stream_of_a_million_letters_has_the_published_hash_twice, hmac_sha256_gives_every_answer_of_rfc_4231,
             hkdf_sha256_gives_the_answers_of_rfc_5869)
