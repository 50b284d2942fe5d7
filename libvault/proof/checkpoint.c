#include "libvault/proof/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>

#include "libvault/codec/text.h"
#include "libvault/proof/proof_internal.h"

void vt_origin_format(const uint8_t vault_id[16], uint64_t incarnation, char out_origin[VT_ORIGIN_LEN])
{
    char id[33];
    vt_hex_encode(vt_bytes(vault_id, 16), id);
    snprintf(out_origin, VT_ORIGIN_LEN, "vaultd/%s/%" PRIu64, id, incarnation);
}

/* Nothing, or lines that are not empty. */
static bool extension_is_valid(struct vt_bytes extension)
{
    struct vt_lines lines = {.rest = extension};
    struct vt_bytes line;

    while (vt_lines_next(&lines, &line)) {
        if (line.len == 0) return false;
    }
    return lines.rest.len == 0 && vt_proof_text_is_clean(extension);
}

VT_RESULT vt_checkpoint_write(struct vt_buf *out, const struct vt_checkpoint *checkpoint)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_NOTE_MAX);

    VT_ENSURE(vt_note_name_is_valid(vt_bytes_str(checkpoint->origin)), VAULT_E_ARGUMENT);
    VT_ENSURE(extension_is_valid(checkpoint->extension), VAULT_E_ARGUMENT);
    VT_TRY(vt_buf_printf(&text, "%s\n%" PRIu64 "\n", checkpoint->origin, checkpoint->size));
    VT_TRY(vt_base64_encode(&text, VT_BYTES_OF(checkpoint->root.bytes)));
    VT_TRY(vt_buf_append_byte(&text, '\n'));
    VT_TRY(vt_buf_append(&text, checkpoint->extension));
    return vt_buf_append(out, vt_buf_bytes(&text));
}

VT_RESULT vt_checkpoint_parse(struct vt_bytes text, enum vt_checkpoint_extension policy,
                              struct vt_checkpoint *out_checkpoint)
{
    struct vt_checkpoint checkpoint = {0};
    struct vt_lines lines = {.rest = text};
    struct vt_bytes origin, size, root;

    VT_ENSURE(vt_proof_text_is_clean(text), VAULT_E_PARSE);
    VT_ENSURE(vt_lines_next(&lines, &origin) && vt_lines_next(&lines, &size) && vt_lines_next(&lines, &root),
              VAULT_E_PARSE);
    VT_ENSURE(vt_note_name_is_valid(origin), VAULT_E_PARSE);
    memcpy(checkpoint.origin, origin.data, origin.len);
    VT_TRY(vt_proof_decimal(size, &checkpoint.size));
    VT_TRY(vt_proof_base64_fixed(root, checkpoint.root.bytes, VT_MERKLE_HASH_LEN));
    checkpoint.extension = lines.rest;
    VT_ENSURE(extension_is_valid(checkpoint.extension), VAULT_E_PARSE);
    VT_ENSURE(policy == VT_CHECKPOINT_KEEP_EXTENSION || checkpoint.extension.len == 0, VAULT_E_PARSE);
    *out_checkpoint = checkpoint;
    return VAULT_OK;
}

VT_RESULT vt_checkpoint_sign(const struct vt_checkpoint *checkpoint, const struct vt_note_signer *signers, size_t count,
                             struct vt_buf *out_note)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_NOTE_MAX);

    VT_ENSURE(count != 0 && strcmp(signers[0].name, checkpoint->origin) == 0, VAULT_E_ARGUMENT);
    VT_TRY(vt_checkpoint_write(&text, checkpoint));
    return vt_note_sign(vt_buf_bytes(&text), signers, count, out_note);
}

VT_RESULT vt_checkpoint_verify(struct vt_bytes note, const struct vt_note_verifier *verifiers, size_t count,
                               enum vt_checkpoint_extension policy, struct vt_checkpoint *out_checkpoint,
                               struct vt_err *err)
{
    struct vt_checkpoint checkpoint;
    struct vt_bytes text;
    uint64_t signed_by;

    VT_TRY(vt_note_verify_who(note, verifiers, count, &text, &signed_by, err));
    const vault_status status = vt_checkpoint_parse(text, policy, &checkpoint);
    VT_ENSURE(status != VAULT_E_PARSE, vt_fail(err, status, NULL, "The note is not a checkpoint."));
    VT_TRY(status);
    VT_ENSURE(vt_note_signed_by_name(checkpoint.origin, verifiers, count, signed_by),
              vt_fail(err, VAULT_E_AUTHENTICITY, NULL, "The log itself has not signed its checkpoint."));
    *out_checkpoint = checkpoint;
    return VAULT_OK;
}
