/* Checkpoints (C2SP tlog-checkpoint) and proof files (C2SP tlog-proof). */
#include "libvault/codec/text.h"
#include "libvault/crypto/sign.h"
#include "libvault/proof/tlog_proof.h"
#include "tests/support/suite.h"

/* The example of the specification. */
#define EXAMPLE "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

static const struct vt_key LOG_SEED = {{1, 2, 3}}, WITNESS_SEED = {{4, 5, 6}};
static const struct vt_note_signer SIGNERS[2] = {{"log.example/a", &LOG_SEED}, {"witness.example/b", &WITNESS_SEED}};

static void keys(struct vt_note_verifier out_keys[2])
{
    for (size_t i = 0; i < 2; i++) ck_assert_ok(vt_note_verifier_of(&SIGNERS[i], &out_keys[i]));
}

static struct vt_checkpoint example(uint64_t size)
{
    struct vt_checkpoint checkpoint = {.origin = "log.example/a", .size = size};
    memset(checkpoint.root.bytes, 0x5a, sizeof checkpoint.root.bytes);
    return checkpoint;
}

START_TEST(the_published_example_is_read_and_written_back)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(4096);
    struct vt_checkpoint checkpoint;
    ck_assert_ok(vt_checkpoint_parse(vt_bytes_str(EXAMPLE), VT_CHECKPOINT_PLAIN, &checkpoint));
    ck_assert_str_eq(checkpoint.origin, "example.com/behind-the-sofa");
    ck_assert_uint_eq(checkpoint.size, 20852163);
    ck_assert_uint_eq(checkpoint.root.bytes[0], 0x0a);
    ck_assert_ok(vt_checkpoint_write(&out, &checkpoint));
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&out), EXAMPLE));
}
END_TEST

START_TEST(malformed_checkpoints_are_refused)
{
    static const char root[] = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    static const char *const formats[] = {
        "",
        "o\n",
        "o\n1\n",
        "o\n1\n%s",
        "\n1\n%s\n",
        "o\n01\n%s\n",
        "o\n\n%s\n",
        "o\n-1\n%s\n",
        "o\n+1\n%s\n",
        "o\n1 \n%s\n",
        "o\n0x1\n%s\n",
        "o\n18446744073709551616\n%s\n",
        "o\n1\n\n%s\n",
        "o\n1\n%s=\n",
        "o\n1\nAAAA\n",
        "o\n1\n%s\n\n",
        "o\n1\n%s\nx",
        "o\n1\n%s\nx\n\ny\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "o o\n1\n%s\n",
        "o\r\n1\r\n%s\r\n",
        "\xff\n1\n%s\n",
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(formats); i++) {
        VT_AUTO(vt_buf) text = VT_BUF_INIT(256);
        const char *slot = strstr(formats[i], "%s");
        ck_assert_ok(vt_buf_append(
            &text, vt_bytes(formats[i], slot != NULL ? (size_t)(slot - formats[i]) : strlen(formats[i]))));
        if (slot != NULL) ck_assert_ok(vt_buf_append_str(&text, root));
        if (slot != NULL) ck_assert_ok(vt_buf_append_str(&text, slot + 2));
        struct vt_checkpoint checkpoint;
        const vault_status status = vt_checkpoint_parse(vt_buf_bytes(&text), VT_CHECKPOINT_KEEP_EXTENSION, &checkpoint);
        ck_assert_msg(status == VAULT_E_PARSE, "case %zu gave %s", i, vault_status_code(status));
    }
}
END_TEST

START_TEST(the_largest_and_the_empty_size_are_read)
{
    struct vt_checkpoint checkpoint;
    const char *largest = "o\n18446744073709551615\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    const char *empty = "o\n0\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    ck_assert_ok(vt_checkpoint_parse(vt_bytes_str(largest), VT_CHECKPOINT_PLAIN, &checkpoint));
    ck_assert_uint_eq(checkpoint.size, UINT64_MAX);
    ck_assert_ok(vt_checkpoint_parse(vt_bytes_str(empty), VT_CHECKPOINT_PLAIN, &checkpoint));
    ck_assert_uint_eq(checkpoint.size, 0);
}
END_TEST

START_TEST(extension_lines_are_kept_or_refused_as_asked)
{
    struct vt_checkpoint checkpoint;
    ck_assert_status(vt_checkpoint_parse(vt_bytes_str(EXAMPLE "one\ntwo\n"), VT_CHECKPOINT_PLAIN, &checkpoint),
                     VAULT_E_PARSE);
    ck_assert_ok(vt_checkpoint_parse(vt_bytes_str(EXAMPLE "one\ntwo\n"), VT_CHECKPOINT_KEEP_EXTENSION, &checkpoint));
    ck_assert(vt_bytes_equal_str(checkpoint.extension, "one\ntwo\n"));
}
END_TEST

START_TEST(what_could_not_be_read_back_is_not_written)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(4096);
    struct vt_checkpoint checkpoint = example(1);
    checkpoint.extension = vt_bytes_str("no line feed");
    ck_assert_status(vt_checkpoint_write(&out, &checkpoint), VAULT_E_ARGUMENT);
    checkpoint.extension = vt_bytes_str("a\n\nb\n");
    ck_assert_status(vt_checkpoint_write(&out, &checkpoint), VAULT_E_ARGUMENT);
    checkpoint = example(1);
    checkpoint.origin[0] = ' ';
    ck_assert_status(vt_checkpoint_write(&out, &checkpoint), VAULT_E_ARGUMENT);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(a_signed_checkpoint_verifies_by_the_key_of_its_origin)
{
    VT_AUTO(vt_buf) note = VT_BUF_INIT(4096);
    struct vt_note_verifier verifiers[2];
    const struct vt_checkpoint checkpoint = example(77);
    struct vt_checkpoint read;
    struct vt_err err;
    keys(verifiers);
    ck_assert_ok(vt_checkpoint_sign(&checkpoint, SIGNERS, 2, &note));
    ck_assert_ok(vt_checkpoint_verify(vt_buf_bytes(&note), verifiers, 2, VT_CHECKPOINT_PLAIN, &read, &err));
    ck_assert_uint_eq(read.size, 77);
    ck_assert(vt_merkle_hash_equal(&read.root, &checkpoint.root));
    ck_assert_ok(vt_checkpoint_verify(vt_buf_bytes(&note), verifiers, 1, VT_CHECKPOINT_PLAIN, &read, &err));
    /* A witness alone does not speak for the log. */
    ck_assert_status(vt_checkpoint_verify(vt_buf_bytes(&note), verifiers + 1, 1, VT_CHECKPOINT_PLAIN, &read, &err),
                     VAULT_E_AUTHENTICITY);
}
END_TEST

START_TEST(a_log_signs_only_under_its_own_name)
{
    VT_AUTO(vt_buf) note = VT_BUF_INIT(4096);
    const struct vt_checkpoint checkpoint = example(77);
    ck_assert_status(vt_checkpoint_sign(&checkpoint, SIGNERS + 1, 1, &note), VAULT_E_ARGUMENT);
    ck_assert_status(vt_checkpoint_sign(&checkpoint, SIGNERS, 0, &note), VAULT_E_ARGUMENT);
}
END_TEST

START_TEST(a_signed_note_that_is_no_checkpoint_is_refused)
{
    VT_AUTO(vt_buf) note = VT_BUF_INIT(4096);
    struct vt_note_verifier verifiers[2];
    struct vt_checkpoint read;
    struct vt_err err;
    keys(verifiers);
    ck_assert_ok(vt_note_sign(vt_bytes_str("hello\n"), SIGNERS, 1, &note));
    ck_assert_status(vt_checkpoint_verify(vt_buf_bytes(&note), verifiers, 1, VT_CHECKPOINT_PLAIN, &read, &err),
                     VAULT_E_PARSE);
}
END_TEST

START_TEST(the_origin_names_vault_and_incarnation)
{
    char origin[VT_ORIGIN_LEN];
    uint8_t vault_id[16];
    memset(vault_id, 0xab, sizeof vault_id);
    vt_origin_format(vault_id, 3, origin);
    ck_assert_str_eq(origin, "vaultd/abababababababababababababababab/3");
    vt_origin_format(vault_id, UINT64_MAX, origin);
    ck_assert_str_eq(origin, "vaultd/abababababababababababababababab/18446744073709551615");
    ck_assert(vt_note_name_is_valid(vt_bytes_str(origin)));
}
END_TEST

/* Proof files ------------------------------------------------------------------------------------------------------ */

/* A log of five entries, "0" to "4", its signed checkpoint, and the proof of entry 3. */
struct small_log {
    struct vt_merkle_hash leaves[5];
    struct vt_buf note, file, extra;
    struct vt_note_verifier verifiers[2];
    struct vt_tlog_proof proof;
};

static vault_status leaf_at(void *context, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash)
{
    const struct vt_merkle_hash *leaves = context;
    return vt_merkle_root(leaves + (index << level), (size_t)1 << level, out_hash);
}

static void small_log_init(struct small_log *log, const char *extra)
{
    struct vt_checkpoint checkpoint = {.origin = "log.example/a", .size = 5};
    log->note = log->file = VT_BUF_INIT(65536);
    log->extra = VT_BUF_INIT(VT_TLOG_EXTRA_MAX);
    keys(log->verifiers);
    for (uint8_t i = 0; i < 5; i++) {
        const uint8_t digit = (uint8_t)('0' + i);
        ck_assert_ok(vt_merkle_leaf(VT_BYTES_OF(digit), &log->leaves[i]));
    }
    const struct vt_merkle_source source = {leaf_at, log->leaves};
    ck_assert_ok(vt_merkle_root_at(&source, 5, &checkpoint.root));
    ck_assert_ok(vt_checkpoint_sign(&checkpoint, SIGNERS, 1, &log->note));
    log->proof =
        (struct vt_tlog_proof){.index = 3, .extra = vt_bytes_str(extra), .checkpoint = vt_buf_bytes(&log->note)};
    ck_assert_ok(vt_merkle_prove_inclusion(&source, 3, 5, &log->proof.path));
    ck_assert_ok(vt_tlog_proof_write(&log->file, &log->proof));
}

static void small_log_release(struct small_log *log)
{
    vt_buf_release(&log->note);
    vt_buf_release(&log->file);
    vt_buf_release(&log->extra);
}

static vault_status parse_and_verify(struct small_log *log, struct vt_bytes text)
{
    struct vt_tlog_proof proof;
    struct vt_checkpoint checkpoint;
    VT_TRY(vt_tlog_proof_parse(text, &log->extra, &proof, NULL));
    return vt_tlog_proof_verify(&proof, &log->leaves[3], log->verifiers, 1, &checkpoint, NULL);
}

START_TEST(a_proof_file_is_read_back_and_verifies)
{
    struct small_log log;
    struct vt_tlog_proof proof;
    struct vt_checkpoint checkpoint;
    small_log_init(&log, "extra bytes");
    ck_assert_ok(vt_tlog_proof_parse(vt_buf_bytes(&log.file), &log.extra, &proof, NULL));
    ck_assert_uint_eq(proof.index, 3);
    ck_assert_uint_eq(proof.path.count, log.proof.path.count);
    ck_assert(vt_bytes_equal_str(proof.extra, "extra bytes"));
    ck_assert_ok(vt_tlog_proof_verify(&proof, &log.leaves[3], log.verifiers, 1, &checkpoint, NULL));
    ck_assert_uint_eq(checkpoint.size, 5);
    ck_assert_status(vt_tlog_proof_verify(&proof, &log.leaves[2], log.verifiers, 1, &checkpoint, NULL),
                     VAULT_E_AUTHENTICITY);
    ck_assert_status(vt_tlog_proof_verify(&proof, &log.leaves[3], log.verifiers + 1, 1, &checkpoint, NULL),
                     VAULT_E_AUTHENTICITY);
    small_log_release(&log);
}
END_TEST

START_TEST(a_proof_without_extra_data_has_no_line_for_it)
{
    struct small_log log;
    small_log_init(&log, "");
    ck_assert_ok(vt_buf_append_byte(&log.file, 0));
    ck_assert_ptr_null(strstr((const char *)log.file.data, "extra"));
    ck_assert_int_eq(strncmp((const char *)log.file.data, "c2sp.org/tlog-proof@v1\nindex 3\n", 31), 0);
    ck_assert_ok(parse_and_verify(&log, vt_bytes(log.file.data, log.file.len - 1)));
    small_log_release(&log);
}
END_TEST

START_TEST(every_flipped_bit_of_a_proof_file_is_noticed)
{
    struct small_log log;
    small_log_init(&log, "");
    for (size_t i = 0; i < 8 * log.file.len; i++) {
        log.file.data[i / 8] ^= (uint8_t)(1 << i % 8);
        const vault_status status = parse_and_verify(&log, vt_buf_bytes(&log.file));
        ck_assert_msg(status == VAULT_E_PARSE || status == VAULT_E_AUTHENTICITY || status == VAULT_E_FORMAT, "bit %zu",
                      i);
        log.file.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    ck_assert_ok(parse_and_verify(&log, vt_buf_bytes(&log.file)));
    small_log_release(&log);
}
END_TEST

START_TEST(a_proof_file_missing_any_line_is_refused)
{
    struct small_log log;
    small_log_init(&log, "x");
    for (size_t begin = 0; begin < log.file.len;) {
        const uint8_t *data = log.file.data;
        const size_t len =
            (size_t)((const uint8_t *)memchr(data + begin, '\n', log.file.len - begin) - data) + 1 - begin;
        VT_AUTO(vt_buf) without = VT_BUF_INIT(65536);
        ck_assert_ok(vt_buf_append(&without, vt_bytes(data, begin)));
        ck_assert_ok(vt_buf_append(&without, vt_bytes(data + begin + len, log.file.len - begin - len)));
        const vault_status status = parse_and_verify(&log, vt_buf_bytes(&without));
        if (begin == strlen("c2sp.org/tlog-proof@v1\n"))
            ck_assert_ok(status); /* extra data are not authenticated */
        else ck_assert(status == VAULT_E_PARSE || status == VAULT_E_AUTHENTICITY || status == VAULT_E_FORMAT);
        begin += len;
    }
    small_log_release(&log);
}
END_TEST

START_TEST(malformed_proof_files_are_refused)
{
    static const char *const bad[] = {
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v1\nindex 01\n\nx",
        "c2sp.org/tlog-proof@v1\nindex 1\n",
        "c2sp.org/tlog-proof@v1\nindex 1\n\n",
        "c2sp.org/tlog-proof@v1\nindex\n\nx",
        "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx",
        "c2sp.org/tlog-proof@v1\nextra \nindex 1\n\nx",
        "c2sp.org/tlog-proof@v1\nextra ?\nindex 1\n\nx",
        "c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 1\n\nx",
        "c2sp.org/tlog-proof@v1\nindex 1\nextra AAAA\n\nx",
    };
    VT_AUTO(vt_buf) extra = VT_BUF_INIT(VT_TLOG_EXTRA_MAX);
    struct vt_tlog_proof proof;
    ck_assert_status(vt_tlog_proof_parse(vt_bytes_str("c2sp.org/tlog-proof@v2\nindex 1\n\nx"), &extra, &proof, NULL),
                     VAULT_E_FORMAT);
    ck_assert_status(vt_tlog_proof_parse(VT_BYTES_EMPTY, &extra, &proof, NULL), VAULT_E_FORMAT);
    ck_assert_status(vt_tlog_proof_parse(vt_bytes_str(bad[0]), &extra, &proof, NULL), VAULT_E_FORMAT);
    for (size_t i = 1; i < VT_ARRAY_LEN(bad); i++) {
        ck_assert_status(vt_tlog_proof_parse(vt_bytes_str(bad[i]), &extra, &proof, NULL), VAULT_E_PARSE);
    }
}
END_TEST

START_TEST(a_path_longer_than_any_tree_is_refused)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(65536);
    VT_AUTO(vt_buf) extra = VT_BUF_INIT(VT_TLOG_EXTRA_MAX);
    struct vt_tlog_proof proof;
    ck_assert_ok(vt_buf_append_str(&text, "c2sp.org/tlog-proof@v1\nindex 1\n"));
    for (size_t i = 0; i <= VT_MERKLE_PROOF_MAX; i++) {
        ck_assert_ok(vt_buf_append_str(&text, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"));
    }
    ck_assert_ok(vt_buf_append_str(&text, "\nx"));
    ck_assert_status(vt_tlog_proof_parse(vt_buf_bytes(&text), &extra, &proof, NULL), VAULT_E_PARSE);
}
END_TEST

VT_TEST_MAIN("proof/checkpoint", the_published_example_is_read_and_written_back, malformed_checkpoints_are_refused,
             the_largest_and_the_empty_size_are_read, extension_lines_are_kept_or_refused_as_asked,
             what_could_not_be_read_back_is_not_written, a_signed_checkpoint_verifies_by_the_key_of_its_origin,
             a_log_signs_only_under_its_own_name, a_signed_note_that_is_no_checkpoint_is_refused,
             the_origin_names_vault_and_incarnation, a_proof_file_is_read_back_and_verifies,
             a_proof_without_extra_data_has_no_line_for_it, every_flipped_bit_of_a_proof_file_is_noticed,
             a_proof_file_missing_any_line_is_refused, malformed_proof_files_are_refused,
             a_path_longer_than_any_tree_is_refused)
