/* Signed notes (C2SP signed-note) against the published example of golang.org/x/mod/sumdb/note: the keys "PeterNeumann"
 * and "EnochRoot", their text and signatures. */
#include <stdio.h>

#include "libvault/codec/text.h"
#include "libvault/crypto/sign.h"
#include "libvault/proof/note.h"
#include "tests/support/suite.h"

#define PETER_KEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define ENOCH_KEY "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
#define PETER_SEED "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
#define TEXT                                                                                                           \
    "If you think cryptography is the answer to your problem,\n"                                                      \
    "then you don't know what your problem is.\n"
#define PETER_SIGNATURE "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
#define PETER_LINE "\xe2\x80\x94 PeterNeumann " PETER_SIGNATURE "\n"
#define ENOCH_LINE            \
    "\xe2\x80\x94 EnochRoot " \
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"

static struct vt_note_verifier key(const char *text)
{
    struct vt_note_verifier verifier;
    ck_assert_ok(vt_note_verifier_parse(vt_bytes_str(text), &verifier));
    return verifier;
}

static vault_status verify(const char *note, const struct vt_note_verifier *verifiers, size_t count)
{
    struct vt_bytes text;
    struct vt_err err = {{0}, {0}};
    const vault_status status = vt_note_verify(vt_bytes_str(note), verifiers, count, &text, &err);
    if (status == VAULT_OK) ck_assert(vt_bytes_equal_str(text, TEXT));
    if (status != VAULT_OK) ck_assert_uint_ne(strlen(err.message), 0);
    return status;
}

static void peter_seed(struct vt_key *out_seed)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(64);
    ck_assert_ok(vt_base64_decode(&bytes, vt_bytes_str(PETER_SEED)));
    ck_assert_uint_eq(bytes.len, 33);
    ck_assert_uint_eq(bytes.data[0], 1);
    memcpy(out_seed->bytes, bytes.data + 1, VT_KEY_LEN);
}

START_TEST(a_verifier_key_is_read_and_written_as_published)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VT_NOTE_KEY_TEXT_MAX);
    const struct vt_note_verifier peter = key(PETER_KEY);
    ck_assert_str_eq(peter.name, "PeterNeumann");
    ck_assert_uint_eq(peter.key_id, 0xc74f20a3);
    ck_assert_ok(vt_note_verifier_write(&out, &peter));
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&out), PETER_KEY));
}
END_TEST

START_TEST(no_part_of_a_verifier_key_is_a_verifier_key)
{
    static const char text[] = PETER_KEY;
    struct vt_note_verifier verifier;
    const size_t len = sizeof text - 1;
    for (size_t begin = 0; begin <= len; begin++) {
        for (size_t end = begin; end <= len; end++) {
            if (begin == 0 && end == len) continue;
            const struct vt_bytes part = vt_bytes(&text[begin], end - begin);
            ck_assert_status(vt_note_verifier_parse(part, &verifier), VAULT_E_PARSE);
        }
    }
}
END_TEST

START_TEST(no_changed_character_leaves_a_verifier_key_valid)
{
    char text[] = PETER_KEY;
    struct vt_note_verifier verifier;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        text[i]++;
        const vault_status status = vt_note_verifier_parse(vt_bytes_str(text), &verifier);
        ck_assert(status == VAULT_E_PARSE || status == VAULT_E_UNSUPPORTED);
        text[i]--;
    }
}
END_TEST

START_TEST(a_key_of_another_length_or_algorithm_or_case_is_refused)
{
    struct vt_note_verifier verifier;
    /* Both with a fitting key id: published in the same place. */
    const char *longer = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
    const char *other = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const char *upper = "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    ck_assert_status(vt_note_verifier_parse(vt_bytes_str(longer), &verifier), VAULT_E_PARSE);
    ck_assert_status(vt_note_verifier_parse(vt_bytes_str(other), &verifier), VAULT_E_UNSUPPORTED);
    ck_assert_status(vt_note_verifier_parse(vt_bytes_str(upper), &verifier), VAULT_E_PARSE);
}
END_TEST

START_TEST(names_with_spaces_plus_or_control_characters_are_refused)
{
    static const char *const bad[] = {
        "", "a b", "a+b", "a\nb", "a\tb", "\xc2\xa0", "a\xc2\x85", "\xe1\x9a\x80", "\xe2\x80\x80", "x\xe2\x80\x8ax",
        "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80", "\xff", "a\x01",
    };
    static const char *const good[] = {"a", "example.com/log42", "gr\xc3\xbc\xc3\x9f\x65", "\xe2\x80\x8b",
                                       "\xf0\x9f\x97\x9d"};
    const uint8_t public_key[32] = {0};
    struct vt_note_verifier verifier;
    char longest[VT_NOTE_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest);
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) {
        ck_assert(!vt_note_name_is_valid(vt_bytes_str(bad[i])));
        ck_assert_status(vt_note_verifier_make(bad[i], public_key, &verifier), VAULT_E_ARGUMENT);
    }
    for (size_t i = 0; i < VT_ARRAY_LEN(good); i++) ck_assert(vt_note_name_is_valid(vt_bytes_str(good[i])));
    ck_assert(vt_note_name_is_valid(vt_bytes(longest, VT_NOTE_NAME_MAX)));
    ck_assert(!vt_note_name_is_valid(vt_bytes(longest, VT_NOTE_NAME_MAX + 1)));
}
END_TEST

START_TEST(signing_gives_the_published_note)
{
    VT_AUTO(vt_key) seed = VT_KEY_INIT;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(4096);
    struct vt_note_verifier verifier;
    peter_seed(&seed);
    const struct vt_note_signer peter = {"PeterNeumann", &seed};
    ck_assert_ok(vt_note_verifier_of(&peter, &verifier));
    ck_assert_uint_eq(verifier.key_id, 0xc74f20a3);
    ck_assert_ok(vt_note_sign(vt_bytes_str(TEXT), &peter, 1, &note));
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&note), TEXT "\n" PETER_LINE));
}
END_TEST

START_TEST(text_that_could_not_be_read_back_is_not_signed)
{
    static const char *const bad[] = {"", "abc", "a\tb\n", "\x01\n", "\xff\n", "a\r\n"};
    VT_AUTO(vt_key) seed = VT_KEY_INIT;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(4096);
    peter_seed(&seed);
    const struct vt_note_signer peter = {"PeterNeumann", &seed}, badly_named = {"Peter Neumann", &seed};
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) {
        ck_assert_status(vt_note_sign(vt_bytes_str(bad[i]), &peter, 1, &note), VAULT_E_ARGUMENT);
    }
    ck_assert_status(vt_note_sign(vt_bytes_str(TEXT), &peter, 0, &note), VAULT_E_ARGUMENT);
    ck_assert_status(vt_note_sign(vt_bytes_str(TEXT), &badly_named, 1, &note), VAULT_E_ARGUMENT);
    ck_assert_uint_eq(note.len, 0);
}
END_TEST

START_TEST(a_note_that_does_not_fit_leaves_the_output_unchanged)
{
    VT_AUTO(vt_key) seed = VT_KEY_INIT;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(150);
    peter_seed(&seed);
    const struct vt_note_signer peter = {"PeterNeumann", &seed};
    ck_assert_ok(vt_buf_append_str(&note, "kept"));
    ck_assert_status(vt_note_sign(vt_bytes_str(TEXT), &peter, 1, &note), VAULT_E_TOO_LARGE);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&note), "kept"));
}
END_TEST

START_TEST(signatures_by_known_keys_verify_and_unknown_ones_are_ignored)
{
    const struct vt_note_verifier keys[] = {key(PETER_KEY), key(ENOCH_KEY)};
    struct vt_bytes text;
    uint64_t who;
    ck_assert_ok(verify(TEXT "\n" PETER_LINE, keys, 1));
    ck_assert_ok(verify(TEXT "\n" PETER_LINE ENOCH_LINE, keys, 1));
    ck_assert_ok(verify(TEXT "\n" ENOCH_LINE PETER_LINE, keys, 1));
    ck_assert_ok(vt_note_verify_who(vt_bytes_str(TEXT "\n" PETER_LINE ENOCH_LINE), keys, 2, &text, &who, NULL));
    ck_assert_uint_eq(who, 3);
    ck_assert_ok(vt_note_verify_who(vt_bytes_str(TEXT "\n" ENOCH_LINE), keys, 2, &text, &who, NULL));
    ck_assert_uint_eq(who, 2);
    ck_assert(vt_note_signed_by_name("EnochRoot", keys, 2, who));
    ck_assert(!vt_note_signed_by_name("PeterNeumann", keys, 2, who));
}
END_TEST

START_TEST(a_note_that_no_known_key_signed_is_refused)
{
    const struct vt_note_verifier keys[] = {key(PETER_KEY), key(ENOCH_KEY)};
    struct vt_note_verifier namesake = keys[0];
    namesake.key_id ^= 1;
    ck_assert_status(verify(TEXT "\n" ENOCH_LINE, keys, 1), VAULT_E_AUTHENTICITY);
    ck_assert_status(verify(TEXT "\n" PETER_LINE, NULL, 0), VAULT_E_AUTHENTICITY);
    ck_assert_status(verify(TEXT "\n" PETER_LINE, &namesake, 1), VAULT_E_AUTHENTICITY);
}
END_TEST

START_TEST(one_bad_signature_of_a_known_key_rejects_the_note)
{
    const struct vt_note_verifier keys[] = {key(PETER_KEY), key(ENOCH_KEY)};
    /* The first has a valid signature beside it; the second is of another length. */
    const char *bad_enoch =
        "\xe2\x80\x94 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGw"
        "nWLox33WWd1RvMc+QU=\n";
    char note[1024];
    snprintf(note, sizeof note, "%s\n%s%s", TEXT, PETER_LINE, bad_enoch);
    ck_assert_status(verify(note, keys, 2), VAULT_E_AUTHENTICITY);
    ck_assert_ok(verify(note, keys, 1));
    ck_assert_status(verify(TEXT "\n\xe2\x80\x94 PeterNeumann x08go/ZJABCD\n" ENOCH_LINE, keys, 2),
                     VAULT_E_AUTHENTICITY);
    ck_assert_status(verify("Another text.\n\n" PETER_LINE, keys, 1), VAULT_E_AUTHENTICITY);
}
END_TEST

START_TEST(malformed_notes_are_refused)
{
    static const char *const bad[] = {
        "",
        "\n",
        "\n\n",
        TEXT,
        TEXT "\n",
        TEXT PETER_LINE,
        "\x01" TEXT "\n" PETER_LINE,
        "\xff" TEXT "\n" PETER_LINE,
        TEXT "\n" PETER_LINE "Unexpected line.\n",
        TEXT "\n" PETER_LINE "\n",
        TEXT "\n- PeterNeumann " PETER_SIGNATURE "\n",
        TEXT "\n\xe2\x80\x94 " PETER_SIGNATURE "\n",
        TEXT "\n\xe2\x80\x94 Bad Name " PETER_SIGNATURE "\n",
        TEXT "\n\xe2\x80\x94 Bad+Name " PETER_SIGNATURE "\n",
        TEXT "\n\xe2\x80\x94  PeterNeumann " PETER_SIGNATURE "\n",
        TEXT "\n\xe2\x80\x94 PeterNeumann  " PETER_SIGNATURE "\n",
        TEXT "\n\xe2\x80\x94 PeterNeumann " PETER_SIGNATURE " \n",
        TEXT "\n\xe2\x80\x94 PeterNeumann \n",
        TEXT "\n\xe2\x80\x94 PeterNeumann x08gow==\n",
        TEXT "\n\xe2\x80\x94 PeterNeumann x08go_ZJ\n",
        TEXT "\r\n\r\n" PETER_LINE,
    };
    const struct vt_note_verifier peter = key(PETER_KEY);
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) ck_assert_status(verify(bad[i], &peter, 1), VAULT_E_PARSE);
    const char *unfinished = TEXT "\n" PETER_LINE;
    struct vt_bytes text;
    ck_assert_status(vt_note_verify(vt_bytes(unfinished, strlen(unfinished) - 1), &peter, 1, &text, NULL),
                     VAULT_E_PARSE);
}
END_TEST

START_TEST(base64_with_stray_padding_bits_is_refused)
{
    /* The published signature ends in "nAM=": "nAN=" decodes to the same bytes for a forgiving reader. */
    const struct vt_note_verifier peter = key(PETER_KEY);
    const char *note =
        TEXT "\n\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqf"
             "qdngotpRZb6KE6RyyBwJnAN=\n";
    ck_assert_status(verify(note, &peter, 1), VAULT_E_PARSE);
}
END_TEST

START_TEST(every_flipped_bit_of_a_note_is_noticed)
{
    char note[] = TEXT "\n" PETER_LINE;
    const struct vt_note_verifier peter = key(PETER_KEY);
    for (size_t i = 0; i < 8 * (sizeof note - 1); i++) {
        note[i / 8] = (char)(note[i / 8] ^ (1 << i % 8));
        struct vt_bytes text;
        const vault_status status = vt_note_verify(vt_bytes(note, sizeof note - 1), &peter, 1, &text, NULL);
        ck_assert_msg(status == VAULT_E_PARSE || status == VAULT_E_AUTHENTICITY, "bit %zu", i);
        note[i / 8] = (char)(note[i / 8] ^ (1 << i % 8));
    }
    ck_assert_ok(verify(note, &peter, 1));
}
END_TEST

START_TEST(a_text_may_hold_blank_lines_and_the_last_one_parts_it_from_the_signatures)
{
    VT_AUTO(vt_key) seed = VT_KEY_INIT;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(4096);
    const struct vt_note_verifier keys[] = {key(PETER_KEY)};
    struct vt_bytes text;
    peter_seed(&seed);
    const struct vt_note_signer peter = {"PeterNeumann", &seed};
    const char *inner = "one\n\n" PETER_LINE "\ntwo\n\n";
    ck_assert_ok(vt_note_sign(vt_bytes_str(inner), &peter, 1, &note));
    ck_assert_ok(vt_note_verify(vt_buf_bytes(&note), keys, 1, &text, NULL));
    ck_assert(vt_bytes_equal_str(text, inner));
}
END_TEST

START_TEST(verifiers_that_cannot_be_told_apart_are_refused)
{
    const struct vt_note_verifier keys[] = {key(ENOCH_KEY), key(PETER_KEY), key(ENOCH_KEY)};
    static struct vt_note_verifier too_many[VT_NOTE_VERIFIERS_MAX + 1];
    for (unsigned i = 0; i < VT_ARRAY_LEN(too_many); i++)
        too_many[i] = (struct vt_note_verifier){.name = "n", .key_id = i};
    ck_assert_status(verify(TEXT "\n" PETER_LINE, keys, 3), VAULT_E_ARGUMENT);
    ck_assert_status(verify(TEXT "\n" PETER_LINE, too_many, VT_ARRAY_LEN(too_many)), VAULT_E_ARGUMENT);
}
END_TEST

START_TEST(a_cosignature_is_added_and_both_verify)
{
    VT_AUTO(vt_key) seed = {{7}};
    VT_AUTO(vt_buf) note = VT_BUF_INIT(4096);
    const struct vt_note_signer witness = {"witness.example/1", &seed};
    struct vt_note_verifier keys[2] = {key(PETER_KEY)};
    struct vt_bytes text;
    uint64_t who;
    ck_assert_ok(vt_note_verifier_of(&witness, &keys[1]));
    ck_assert_ok(vt_buf_append_str(&note, TEXT "\n" PETER_LINE));
    ck_assert_ok(vt_note_cosign(&note, &witness));
    ck_assert_ok(vt_note_verify_who(vt_buf_bytes(&note), keys, 2, &text, &who, NULL));
    ck_assert_uint_eq(who, 3);
    vt_buf_reset(&note);
    ck_assert_ok(vt_buf_append_str(&note, TEXT));
    ck_assert_status(vt_note_cosign(&note, &witness), VAULT_E_PARSE);
}
END_TEST

START_TEST(sixteen_signatures_are_read_and_more_than_the_maximum_refused)
{
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_NOTE_MAX);
    VT_AUTO(vt_key) seed = {{7}};
    const struct vt_note_signer witness = {"witness.example/1", &seed};
    const struct vt_note_verifier peter = key(PETER_KEY);
    struct vt_bytes text;
    ck_assert_ok(vt_buf_append_str(&note, TEXT "\n" PETER_LINE));
    for (size_t i = 1; i < VT_NOTE_SIGNATURES_MAX; i++) {
        ck_assert_ok(vt_note_cosign(&note, &witness));
        ck_assert_ok(vt_note_verify(vt_buf_bytes(&note), &peter, 1, &text, NULL));
    }
    ck_assert_status(vt_note_cosign(&note, &witness), VAULT_E_LIMIT);
    ck_assert_ok(vt_buf_append_str(&note, ENOCH_LINE));
    ck_assert_status(vt_note_verify(vt_buf_bytes(&note), &peter, 1, &text, NULL), VAULT_E_PARSE);
}
END_TEST

START_TEST(the_unverified_text_is_only_given_for_a_well_formed_note)
{
    struct vt_bytes text;
    ck_assert_ok(vt_note_text_unverified(vt_bytes_str(TEXT "\n" ENOCH_LINE), &text, NULL));
    ck_assert(vt_bytes_equal_str(text, TEXT));
    ck_assert_status(vt_note_text_unverified(vt_bytes_str(TEXT "\nnonsense\n"), &text, NULL), VAULT_E_PARSE);
}
END_TEST

VT_TEST_MAIN("proof/note", a_verifier_key_is_read_and_written_as_published, no_part_of_a_verifier_key_is_a_verifier_key,
             no_changed_character_leaves_a_verifier_key_valid, a_key_of_another_length_or_algorithm_or_case_is_refused,
             names_with_spaces_plus_or_control_characters_are_refused, signing_gives_the_published_note,
             text_that_could_not_be_read_back_is_not_signed, a_note_that_does_not_fit_leaves_the_output_unchanged,
             signatures_by_known_keys_verify_and_unknown_ones_are_ignored, a_note_that_no_known_key_signed_is_refused,
             one_bad_signature_of_a_known_key_rejects_the_note, malformed_notes_are_refused,
             base64_with_stray_padding_bits_is_refused, every_flipped_bit_of_a_note_is_noticed,
             a_text_may_hold_blank_lines_and_the_last_one_parts_it_from_the_signatures,
             verifiers_that_cannot_be_told_apart_are_refused, a_cosignature_is_added_and_both_verify,
             sixteen_signatures_are_read_and_more_than_the_maximum_refused,
             the_unverified_text_is_only_given_for_a_well_formed_note)
