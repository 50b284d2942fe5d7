/* AES-256: FIPS 197 appendix C.3. AES-256-GCM: NIST CAVP gcmtestvectors (gcmDecrypt256.rsp, gcmEncryptExtIV256.rsp;
 * lengths in bits as there) and D. McGrew, J. Viega, "The Galois/Counter Mode of Operation", appendix B. */
#include "libvault/crypto/aes.h"
#include "tests/vectors/vectors.h"

static const struct gcm_vector {
    const char *name, *key, *iv, *aad;
    const char *plain; /* NULL: the published answer is FAIL */
    const char *cipher, *tag;
} GCM_VECTORS[] = {
    {.name = "gcmDecrypt256.rsp [IVlen 96, PTlen 0, AADlen 0] count 0",
     .key = "f5a2b27c74355872eb3ef6c5feafaa740e6ae990d9d48c3bd9bb8235e589f010",
     .iv = "58d2240f580a31c1d24948e9",
     .aad = "",
     .plain = "",
     .cipher = "",
     .tag = "15e051a5e4a5f5da6cea92e2ebee5bac"},
    {.name = "gcmDecrypt256.rsp [96, 0, 0] count 1, FAIL",
     .key = "e5a8123f2e2e007d4e379ba114a2fb66e6613f57c72d4e4f024964053028a831",
     .iv = "51e43385bf533e168427e1ad",
     .aad = "",
     .plain = NULL,
     .cipher = "",
     .tag = "38fe845c66e66bdd884c2aecafd280e6"},
    {.name = "gcmDecrypt256.rsp [96, 0, 128]",
     .key = "6dfdafd6703c285c01f14fd10a6012862b2af950d4733abb403b2e745b26945d",
     .iv = "3749d0b3d5bacb71be06ade6",
     .aad = "c0d249871992e70302ae008193d1e89f",
     .plain = "",
     .cipher = "",
     .tag = "4aa4cc69f84ee6ac16d9bfb4e05de500"},
    {.name = "gcmDecrypt256.rsp [96, 0, 128], FAIL",
     .key = "2c392a5eb1a9c705371beda3a901c7c61dca4d93b4291de1dd0dd15ec11ffc45",
     .iv = "0723fb84a08f4ea09841f32a",
     .aad = "140be561b6171eab942c486a94d33d43",
     .plain = NULL,
     .cipher = "",
     .tag = "aa0e1c9b57975bfc91aa137231977d2c"},
    {.name = "gcmDecrypt256.rsp [96, 128, 0]",
     .key = "4c8ebfe1444ec1b2d503c6986659af2c94fafe945f72c1e8486a5acfedb8a0f8",
     .iv = "473360e0ad24889959858995",
     .aad = "",
     .plain = "7789b41cb3ee548814ca0b388c10b343",
     .cipher = "d2c78110ac7e8f107c0df0570bd7c90c",
     .tag = "c26a379b6d98ef2852ead8ce83a833a7"},
    {.name = "gcmDecrypt256.rsp [96, 128, 0]",
     .key = "3934f363fd9f771352c4c7a060682ed03c2864223a1573b3af997e2ababd60ab",
     .iv = "efe2656d878c586e41c539c4",
     .aad = "",
     .plain = "697aff2d6b77e5ed6232770e400c1ead",
     .cipher = "e0de64302ac2d04048d65a87d2ad09fe",
     .tag = "33cbd8d2fb8a3a03e30c1eb1b53c1d99"},
    {.name = "gcmDecrypt256.rsp [96, 128, 0], FAIL",
     .key = "c997768e2d14e3d38259667a6649079de77beb4543589771e5068e6cd7cd0b14",
     .iv = "835090aed9552dbdd45277e2",
     .aad = "",
     .plain = NULL,
     .cipher = "9f6607d68e22ccf21928db0986be126e",
     .tag = "f32617f67c574fd9f44ef76ff880ab9f"},
    {.name = "gcmDecrypt256.rsp [96, 104, 0]",
     .key = "a71dac1377a3bf5d7fb1b5e36bee70d2e01de2a84a1c1009ba7448f7f26131dc",
     .iv = "c5b60dda3f333b1146e9da7c",
     .aad = "",
     .plain = "5b87141335f2becac1a559e05f",
     .cipher = "43af49ec1ae3738a20755034d6",
     .tag = "6f80b6ef2d8830a55eb63680a8dff9e0"},
    {.name = "gcmDecrypt256.rsp [96, 104, 0], FAIL",
     .key = "8b37c4b8cf634704920059866ad96c49e9da502c63fca4a3a7a4dcec74cb0610",
     .iv = "cb59344d2b06c4ae57cd0ea4",
     .aad = "",
     .plain = NULL,
     .cipher = "66ab935c93555e786b775637a3",
     .tag = "d8733acbb564d8afaa99d7ca2e2f92a9"},
    {.name = "gcmDecrypt256.rsp [96, 408, 160]",
     .key = "6450d4501b1e6cfbe172c4c8570363e96b496591b842661c28c2f6c908379cad",
     .iv = "7e4262035e0bf3d60e91668a",
     .aad = "f1c522f026e4c5d43851da516a1b78768ab18171",
     .plain = "17449e236ef5858f6d891412495ead4607bfae2a2d735182a2a0242f9d52fc5345ef912dbe16f3bb4576fe3bcafe336dee60"
              "85",
     .cipher = "5a99b336fd3cfd82f10fb08f7045012415f0d9a06bb92dcf59c6f0dbe62d433671aacb8a1c52ce7bbf6aea372bf51e2ba794"
               "06",
     .tag = "fe93b01636f7bb0458041f213e98de65"},
    {.name = "gcmDecrypt256.rsp [96, 408, 160], FAIL",
     .key = "e9d381a9c413bee66175d5586a189836e5c20f5583535ab4d3f3e612dc21700e",
     .iv = "23e81571da1c7821c681c7ca",
     .aad = "6f39c9ae7b8e8a58a95f0dd8ea6a9087cbccdfd6",
     .plain = NULL,
     .cipher = "a25f3f580306cd5065d22a6b7e9660110af7204bb77d370f7f34bee547feeff7b32a596fce29c9040e68b1589aad48da8819"
               "90",
     .tag = "5b6dcd70eefb0892fab1539298b92a4b"},
    {.name = "gcmDecrypt256.rsp [96, 408, 720]",
     .key = "5f72046245d3f4a0877e50a86554bfd57d1c5e073d1ed3b5451f6d0fc2a8507a",
     .iv = "ea6f5b391e44b751b26bce6f",
     .aad = "9b3a68c941d42744673fb60fea49075eae77322e7e70e34502c115b6495ebfc796d6290807653c6b53cd84281bd0311656d0"
            "013f44619d2748177e99e8f8347c989a7b59f9d8dcf00f31db0684a4a83e037e8777bae55f799b0d",
     .plain = "b0a881b751cc1eb0c912a4cf9bd971983707dbd2411725664503455c55db25cdb19bc669c2654a3a8011de6bf7eff3f9f078"
              "34",
     .cipher = "0e6e0b2114c40769c15958d965a14dcf50b680e0185a4409d77d894ca15b1e698dd83b3536b18c05d8cd0873d1edce8150ec"
               "b5",
     .tag = "fdaaff86ceb937502cd9012d03585800"},
    {.name = "gcmEncryptExtIV256.rsp [96, 0, 0] count 0",
     .key = "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4",
     .iv = "516c33929df5a3284ff463d7",
     .aad = "",
     .plain = "",
     .cipher = "",
     .tag = "bdc1ac884d332457a1d2664f168c76f0"},
    {.name = "McGrew and Viega test case 16",
     .key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     .iv = "cafebabefacedbaddecaf888",
     .aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     .plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16a"
              "edf5aa0de657ba637b39",
     .cipher = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f6"
               "1e6393ba7a0abcc9f662",
     .tag = "76fc6ece0f4e1768cddf8853bb2d551b"},
    {.name = "McGrew and Viega test case 17 (IV of 8 bytes)",
     .key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     .iv = "cafebabefacedbad",
     .aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     .plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16a"
              "edf5aa0de657ba637b39",
     .cipher = "c3762df1ca787d32ae47c13bf19844cbaf1ae14d0b976afac52ff7d79bba9de0feb582d33934a4f0954cc2363bc73f7862ac"
               "430e64abe499f47c9b1f",
     .tag = "3a337dbf46a792c45e454913fe2ea8f2"},
    {.name = "McGrew and Viega test case 18 (IV of 60 bytes)",
     .key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     .iv = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525416ae"
           "dbf5a0de6a57a637b39b",
     .aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     .plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16a"
              "edf5aa0de657ba637b39",
     .cipher = "5a8def2f0c9e53f1f75d7853659e2a20eeb2b22aafde6419a058ab4f6f746bf40fc0c3b780f244452da3ebf1c5d82cdea241"
               "8997200ef82e44ae7e3f",
     .tag = "a44a8266ee1c8eb0c8b5d4cf5ae9f19a"},
};

/* One vector with its texts as bytes. */
struct gcm_case {
    struct vt_key key;
    struct vt_buf iv, aad, plain, cipher, tag;
};

static void gcm_case_release(struct gcm_case *c)
{
    vt_buf_release(&c->iv);
    vt_buf_release(&c->aad);
    vt_buf_release(&c->plain);
    vt_buf_release(&c->cipher);
    vt_buf_release(&c->tag);
}

static struct gcm_case gcm_case_of(const struct gcm_vector *vector)
{
    VT_AUTO(vt_buf) key = vector_bytes(vector->key);
    struct gcm_case c = {.iv = vector_bytes(vector->iv),
                         .aad = vector_bytes(vector->aad),
                         .plain = vector_bytes(vector->plain != NULL ? vector->plain : ""),
                         .cipher = vector_bytes(vector->cipher),
                         .tag = vector_bytes(vector->tag)};
    ck_assert_uint_eq(key.len, VT_KEY_LEN);
    ck_assert_uint_eq(c.tag.len, 16);
    memcpy(c.key.bytes, key.data, VT_KEY_LEN);
    return c;
}

START_TEST(aes_256_enciphers_and_deciphers_the_block_of_fips_197)
{
    VT_AUTO(vt_buf) text = vector_bytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    VT_AUTO(vt_buf) plain = vector_bytes("00112233445566778899aabbccddeeff");
    struct vt_key key;
    uint8_t block[16], back[16];
    memcpy(key.bytes, text.data, VT_KEY_LEN);
    ck_assert_ok(vt_aes256_block(&key, true, plain.data, block));
    ck_assert_vector(VT_BYTES_OF(block), "8ea2b7ca516745bfeafc49904b496089");
    ck_assert_ok(vt_aes256_block(&key, false, block, back));
    ck_assert_mem_eq(back, plain.data, 16);
}
END_TEST

START_TEST(decryption_gives_every_published_answer_failures_included)
{
    unsigned failing = 0;
    for (size_t i = 0; i < VT_ARRAY_LEN(GCM_VECTORS); i++) {
        __attribute__((cleanup(gcm_case_release))) struct gcm_case c = gcm_case_of(&GCM_VECTORS[i]);
        const bool must_fail = GCM_VECTORS[i].plain == NULL;
        uint8_t plain[64], wiped[64] = {0};
        const vault_status status = vt_aes256_gcm_decrypt(&c.key, vt_buf_bytes(&c.iv), vt_buf_bytes(&c.aad),
                                                          vt_buf_bytes(&c.cipher), c.tag.data, plain);
        ck_assert_msg(status == (must_fail ? VAULT_E_AUTHENTICITY : VAULT_OK), "%s", GCM_VECTORS[i].name);
        const struct vt_bytes expected = must_fail ? vt_bytes(wiped, c.cipher.len) : vt_buf_bytes(&c.plain);
        ck_assert_msg(vt_bytes_equal(vt_bytes(plain, c.cipher.len), expected), "%s", GCM_VECTORS[i].name);
        failing += must_fail;
    }
    ck_assert_uint_eq(failing, 5);
}
END_TEST

START_TEST(encryption_gives_every_published_ciphertext_and_tag)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(GCM_VECTORS); i++) {
        if (GCM_VECTORS[i].plain == NULL) continue;
        __attribute__((cleanup(gcm_case_release))) struct gcm_case c = gcm_case_of(&GCM_VECTORS[i]);
        uint8_t cipher[64], tag[16];
        ck_assert_ok(vt_aes256_gcm_encrypt(&c.key, vt_buf_bytes(&c.iv), vt_buf_bytes(&c.aad), vt_buf_bytes(&c.plain),
                                           cipher, tag));
        ck_assert_msg(vt_bytes_equal(vt_bytes(cipher, c.plain.len), vt_buf_bytes(&c.cipher)), "%s",
                      GCM_VECTORS[i].name);
        ck_assert_mem_eq(tag, c.tag.data, 16);
    }
}
END_TEST

START_TEST(an_iv_of_no_bytes_or_too_many_is_refused)
{
    const struct vt_key key = VT_KEY_INIT;
    static const uint8_t LONG[129];
    uint8_t tag[16];
    ck_assert_status(vt_aes256_gcm_encrypt(&key, VT_BYTES_EMPTY, VT_BYTES_EMPTY, VT_BYTES_EMPTY, NULL, tag),
                     VAULT_E_ARGUMENT);
    ck_assert_status(vt_aes256_gcm_encrypt(&key, VT_BYTES_OF(LONG), VT_BYTES_EMPTY, VT_BYTES_EMPTY, NULL, tag),
                     VAULT_E_ARGUMENT);
}
END_TEST

VT_TEST_MAIN("vectors/aes", aes_256_enciphers_and_deciphers_the_block_of_fips_197,
             decryption_gives_every_published_answer_failures_included,
             encryption_gives_every_published_ciphertext_and_tag, an_iv_of_no_bytes_or_too_many_is_refused)
