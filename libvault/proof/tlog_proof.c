#include "libvault/proof/tlog_proof.h"

#include <inttypes.h>

#include "libvault/codec/text.h"
#include "libvault/proof/proof_internal.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1"

static vault_status append_base64_line(struct vt_buf *out, struct vt_bytes bytes)
{
    VT_TRY(vt_base64_encode(out, bytes));
    return vt_buf_append_byte(out, '\n');
}

VT_RESULT vt_tlog_proof_write(struct vt_buf *out, const struct vt_tlog_proof *proof)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(out->max);

    VT_ENSURE(proof->extra.len <= VT_TLOG_EXTRA_MAX, VAULT_E_TOO_LARGE);
    VT_TRY(vt_buf_append_str(&text, FIRST_LINE "\n"));
    if (proof->extra.len != 0) {
        VT_TRY(vt_buf_append_str(&text, "extra "));
        VT_TRY(append_base64_line(&text, proof->extra));
    }
    VT_TRY(vt_buf_printf(&text, "index %" PRIu64 "\n", proof->index));
    for (size_t i = 0; i < proof->path.count; i++) {
        VT_TRY(append_base64_line(&text, VT_BYTES_OF(proof->path.hashes[i].bytes)));
    }
    VT_TRY(vt_buf_append_byte(&text, '\n'));
    VT_TRY(vt_buf_append(&text, proof->checkpoint));
    return vt_buf_append(out, vt_buf_bytes(&text));
}

static vault_status fail_line(struct vt_err *err, const struct vt_lines *lines)
{
    return vt_fail(err, VAULT_E_PARSE, NULL, "Line %u of the proof is malformed.", lines->number);
}

/* The optional `extra` line; @p line then is the one behind it. */
static vault_status parse_extra(struct vt_lines *lines, struct vt_buf *extra, struct vt_bytes *line, struct vt_err *err)
{
    struct vt_bytes encoded;

    if (!vt_proof_after(*line, "extra ", &encoded)) return VAULT_OK;
    VT_ENSURE(encoded.len <= (VT_TLOG_EXTRA_MAX + 2) / 3 * 4, VAULT_E_TOO_LARGE);
    const vault_status status = vt_proof_base64(encoded, extra);
    VT_ENSURE(status != VAULT_E_PARSE && (status != VAULT_OK || extra->len != 0), fail_line(err, lines));
    VT_TRY(status);
    return vt_lines_next(lines, line) ? VAULT_OK : fail_line(err, lines);
}

static vault_status parse_path(struct vt_lines *lines, struct vt_merkle_proof *path, struct vt_err *err)
{
    struct vt_bytes line;

    for (;;) {
        VT_ENSURE(vt_lines_next(lines, &line), fail_line(err, lines));
        if (line.len == 0) return VAULT_OK;
        VT_ENSURE(path->count < VT_MERKLE_PROOF_MAX, fail_line(err, lines));
        const vault_status status =
            vt_proof_base64_fixed(line, path->hashes[path->count++].bytes, VT_MERKLE_HASH_LEN);
        VT_ENSURE(status != VAULT_E_PARSE, fail_line(err, lines));
        VT_TRY(status);
    }
}

VT_RESULT vt_tlog_proof_parse(struct vt_bytes text, struct vt_buf *extra, struct vt_tlog_proof *out_proof,
                              struct vt_err *err)
{
    struct vt_tlog_proof proof = {0};
    struct vt_lines lines = {.rest = text};
    struct vt_bytes line, number;

    vt_buf_reset(extra);
    VT_ENSURE(vt_lines_next(&lines, &line) && vt_bytes_equal_str(line, FIRST_LINE),
              vt_fail(err, VAULT_E_FORMAT, NULL, "This is not a proof that begins with " FIRST_LINE "."));
    VT_ENSURE(vt_lines_next(&lines, &line), fail_line(err, &lines));
    VT_TRY(parse_extra(&lines, extra, &line, err));
    VT_ENSURE(vt_proof_after(line, "index ", &number) && vt_proof_decimal(number, &proof.index) == VAULT_OK,
              fail_line(err, &lines));
    VT_TRY(parse_path(&lines, &proof.path, err));
    VT_ENSURE(lines.rest.len != 0, fail_line(err, &lines));
    proof.checkpoint = lines.rest;
    proof.extra = vt_buf_bytes(extra);
    *out_proof = proof;
    return VAULT_OK;
}

VT_RESULT vt_tlog_proof_verify(const struct vt_tlog_proof *proof, const struct vt_merkle_hash *leaf,
                               const struct vt_note_verifier *verifiers, size_t count,
                               struct vt_checkpoint *out_checkpoint, struct vt_err *err)
{
    struct vt_checkpoint checkpoint;

    VT_TRY(vt_checkpoint_verify(proof->checkpoint, verifiers, count, VT_CHECKPOINT_KEEP_EXTENSION, &checkpoint, err));
    const vault_status status =
        vt_merkle_verify_inclusion(leaf, proof->index, checkpoint.size, &proof->path, &checkpoint.root);
    VT_ENSURE(status != VAULT_E_AUTHENTICITY,
              vt_fail(err, status, NULL, "The entry is not in the log that the checkpoint signs."));
    VT_TRY(status);
    *out_checkpoint = checkpoint;
    return VAULT_OK;
}
