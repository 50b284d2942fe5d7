#include "libvault/proof/note.h"

#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/sign.h"
#include "libvault/proof/proof_internal.h"

enum {
    ALGORITHM_ED25519 = 0x01,
    KEY_ID_LEN = 4,
    SIGNATURE_LINE_LEN = KEY_ID_LEN + VT_ED25519_SIGNATURE_LEN,
    SIGNATURE_MAX = 8192,           /* bytes of any signature: post-quantum ones take five thousand */
};
#define DASH "\xe2\x80\x94 "        /* U+2014 and a space */

/* Names and keys -------------------------------------------------------------------------------------------------- */

/* The property White_Space of the Unicode Character Database, PropList.txt. */
static bool is_space(uint32_t point)
{
    return (point >= 0x09 && point <= 0x0d) || point == 0x20 || point == 0x85 || point == 0xa0 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 || point == 0x202f ||
           point == 0x205f || point == 0x3000;
}

bool vt_note_name_is_valid(struct vt_bytes name)
{
    if (name.len == 0 || name.len > VT_NOTE_NAME_MAX || !vt_utf8_is_valid(name)) return false;
    while (name.len != 0) {
        const uint32_t point = vt_utf8_next(&name);
        if (is_space(point) || point < 0x20 || point == '+') return false;
    }
    return true;
}

static vault_status key_id_of(struct vt_bytes name, const uint8_t public_key[32], uint32_t *out_key_id)
{
    static const uint8_t separator[] = {'\n', ALGORITHM_ED25519};
    const struct vt_bytes pieces[] = {name, VT_BYTES_OF(separator), vt_bytes(public_key, 32)};
    uint8_t hash[VT_SHA256_LEN];

    VT_TRY(vt_sha256(pieces, VT_ARRAY_LEN(pieces), hash));
    *out_key_id = vt_get_u32(hash);
    return VAULT_OK;
}

static vault_status verifier_make(struct vt_bytes name, const uint8_t public_key[32],
                                  struct vt_note_verifier *out_verifier)
{
    struct vt_note_verifier verifier = {0};

    VT_ENSURE(vt_note_name_is_valid(name), VAULT_E_ARGUMENT);
    memcpy(verifier.name, name.data, name.len);
    memcpy(verifier.public_key, public_key, sizeof verifier.public_key);
    VT_TRY(key_id_of(name, public_key, &verifier.key_id));
    *out_verifier = verifier;
    return VAULT_OK;
}

VT_RESULT vt_note_verifier_make(const char *name, const uint8_t public_key[32], struct vt_note_verifier *out_verifier)
{
    return verifier_make(vt_bytes_str(name), public_key, out_verifier);
}

VT_RESULT vt_note_verifier_of(const struct vt_note_signer *signer, struct vt_note_verifier *out_verifier)
{
    uint8_t public_key[VT_ED25519_PUBLIC_LEN];

    VT_TRY(vt_ed25519_public(signer->seed, public_key));
    return vt_note_verifier_make(signer->name, public_key, out_verifier);
}

static bool split_at(struct vt_bytes text, uint8_t separator, struct vt_bytes *out_before, struct vt_bytes *out_after)
{
    const uint8_t *at = text.len == 0 ? NULL : memchr(text.data, separator, text.len);
    if (at == NULL) return false;
    const size_t len = (size_t)(at - text.data);
    *out_before = vt_bytes(text.data, len);
    *out_after = vt_bytes(at + 1, text.len - len - 1);
    return true;
}

/* The base64 may hold plus signs, a name may not: so the first two separate. */
VT_RESULT vt_note_verifier_parse(struct vt_bytes text, struct vt_note_verifier *out_verifier)
{
    VT_AUTO(vt_buf) key = VT_BUF_INIT(VT_NOTE_KEY_TEXT_MAX);
    struct vt_note_verifier verifier;
    struct vt_bytes name, rest, id, encoded;
    uint8_t key_id[KEY_ID_LEN];

    VT_ENSURE(text.len <= VT_NOTE_KEY_TEXT_MAX, VAULT_E_PARSE);
    VT_ENSURE(split_at(text, '+', &name, &rest) && split_at(rest, '+', &id, &encoded), VAULT_E_PARSE);
    VT_ENSURE(vt_note_name_is_valid(name), VAULT_E_PARSE);
    VT_TRY(vt_proof_hex(id, key_id, sizeof key_id));
    VT_TRY(vt_proof_base64(encoded, &key));
    VT_ENSURE(key.len != 0, VAULT_E_PARSE);
    VT_ENSURE(key.data[0] == ALGORITHM_ED25519, VAULT_E_UNSUPPORTED);
    VT_ENSURE(key.len == 1 + VT_ED25519_PUBLIC_LEN, VAULT_E_PARSE);
    VT_TRY(verifier_make(name, key.data + 1, &verifier));
    VT_ENSURE(verifier.key_id == vt_get_u32(key_id), VAULT_E_PARSE);
    *out_verifier = verifier;
    return VAULT_OK;
}

VT_RESULT vt_note_verifier_write(struct vt_buf *out, const struct vt_note_verifier *verifier)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_NOTE_KEY_TEXT_MAX);
    uint8_t key[1 + VT_ED25519_PUBLIC_LEN] = {ALGORITHM_ED25519};

    memcpy(key + 1, verifier->public_key, VT_ED25519_PUBLIC_LEN);
    VT_TRY(vt_buf_printf(&text, "%s+%08x+", verifier->name, (unsigned)verifier->key_id));
    VT_TRY(vt_base64_encode(&text, VT_BYTES_OF(key)));
    return vt_buf_append(out, vt_buf_bytes(&text));
}

/* Signing --------------------------------------------------------------------------------------------------------- */

static vault_status write_signature(struct vt_buf *out, struct vt_bytes text, const struct vt_note_signer *signer)
{
    struct vt_note_verifier verifier;
    uint8_t signature[SIGNATURE_LINE_LEN], public_key[VT_ED25519_PUBLIC_LEN];

    VT_TRY(vt_ed25519_sign_and_public(signer->seed, text, public_key, signature + KEY_ID_LEN));
    VT_TRY(vt_note_verifier_make(signer->name, public_key, &verifier));
    vt_put_u32(signature, verifier.key_id);
    VT_TRY(vt_buf_append_str(out, DASH));
    VT_TRY(vt_buf_append_str(out, verifier.name));
    VT_TRY(vt_buf_append_byte(out, ' '));
    VT_TRY(vt_base64_encode(out, VT_BYTES_OF(signature)));
    return vt_buf_append_byte(out, '\n');
}

VT_RESULT vt_note_sign(struct vt_bytes text, const struct vt_note_signer *signers, size_t count,
                       struct vt_buf *out_note)
{
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_NOTE_MAX);

    VT_ENSURE(count != 0 && count <= VT_NOTE_SIGNATURES_MAX, VAULT_E_ARGUMENT);
    VT_ENSURE(text.len != 0 && text.data[text.len - 1] == '\n', VAULT_E_ARGUMENT);
    VT_ENSURE(vt_proof_text_is_clean(text), VAULT_E_ARGUMENT);
    VT_TRY(vt_buf_append(&note, text));
    VT_TRY(vt_buf_append_byte(&note, '\n'));
    for (size_t i = 0; i < count; i++) VT_TRY(write_signature(&note, text, &signers[i]));
    return vt_buf_append(out_note, vt_buf_bytes(&note));
}

/* Verifying ------------------------------------------------------------------------------------------------------- */

struct signature {
    struct vt_bytes name;
    unsigned number;                /* for messages: counted from the first signature line */
    struct vt_buf *bytes;           /* key id || signature */
};

/* The last empty line parts text from signatures; the text keeps its final LF. */
static vault_status split_note(struct vt_bytes note, struct vt_bytes *out_text, struct vt_bytes *out_signatures,
                               struct vt_err *err)
{
    VT_ENSURE(note.len <= VT_NOTE_MAX, vt_fail(err, VAULT_E_PARSE, NULL, "The note is too long."));
    VT_ENSURE(vt_proof_text_is_clean(note),
              vt_fail(err, VAULT_E_PARSE, NULL, "The note is not UTF-8 or has control characters."));
    size_t at = note.len < 2 ? 0 : note.len - 2;
    while (at > 0 && !(note.data[at] == '\n' && note.data[at + 1] == '\n')) at--;
    VT_ENSURE(note.len >= 2 && note.data[at] == '\n' && note.data[at + 1] == '\n',
              vt_fail(err, VAULT_E_PARSE, NULL, "The note has no blank line before its signatures."));
    *out_text = vt_bytes(note.data, at + 1);
    *out_signatures = vt_bytes(note.data + at + 2, note.len - at - 2);
    VT_ENSURE(out_signatures->len != 0 && note.data[note.len - 1] == '\n',
              vt_fail(err, VAULT_E_PARSE, NULL, "The note does not end in a signature line."));
    return VAULT_OK;
}

static vault_status parse_signature(struct vt_bytes line, struct signature *signature, struct vt_err *err)
{
    struct vt_bytes rest, name, encoded;

    vt_buf_reset(signature->bytes);
    VT_ENSURE(vt_proof_after(line, DASH, &rest) && split_at(rest, ' ', &name, &encoded),
              vt_fail(err, VAULT_E_PARSE, NULL, "Signature line %u is not dash, name and base64.", signature->number));
    VT_ENSURE(vt_note_name_is_valid(name),
              vt_fail(err, VAULT_E_PARSE, NULL, "Signature line %u has no valid key name.", signature->number));
    const vault_status status = vt_proof_base64(encoded, signature->bytes);
    VT_ENSURE(status != VAULT_E_MEMORY, VAULT_E_MEMORY);
    VT_ENSURE(status == VAULT_OK && signature->bytes->len > KEY_ID_LEN,
              vt_fail(err, VAULT_E_PARSE, NULL, "Signature line %u is not valid base64.", signature->number));
    signature->name = name;
    return VAULT_OK;
}

/* VAULT_OK for an unknown key too: it is ignored. */
static vault_status check_signature(const struct signature *signature, struct vt_bytes text,
                                    const struct vt_note_verifier *verifiers, size_t count, uint64_t *signed_by,
                                    struct vt_err *err)
{
    const struct vt_bytes bytes = vt_buf_bytes(signature->bytes);

    for (size_t i = 0; i < count; i++) {
        if (!vt_bytes_equal_str(signature->name, verifiers[i].name)) continue;
        if (vt_get_u32(bytes.data) != verifiers[i].key_id) continue;
        vault_status status = VAULT_E_AUTHENTICITY;
        if (bytes.len == SIGNATURE_LINE_LEN) {
            status = vt_ed25519_verify(verifiers[i].public_key, text, bytes.data + KEY_ID_LEN);
        }
        VT_ENSURE(status != VAULT_E_AUTHENTICITY,
                  vt_fail(err, status, NULL, "Signature line %u, by a known key, is bad.", signature->number));
        VT_TRY(status);
        *signed_by |= UINT64_C(1) << i;
    }
    return VAULT_OK;
}

static vault_status check_signatures(struct vt_bytes text, struct vt_bytes lines_text,
                                     const struct vt_note_verifier *verifiers, size_t count, uint64_t *out_signed_by,
                                     struct vt_err *err)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(SIGNATURE_MAX);
    struct vt_lines lines = {.rest = lines_text};
    struct vt_bytes line;
    uint64_t signed_by = 0;

    while (vt_lines_next(&lines, &line)) {
        struct signature signature = {.number = lines.number, .bytes = &bytes};
        VT_ENSURE(lines.number <= VT_NOTE_SIGNATURES_MAX,
                  vt_fail(err, VAULT_E_PARSE, NULL, "The note has more than %d signatures.", VT_NOTE_SIGNATURES_MAX));
        VT_TRY(parse_signature(line, &signature, err));
        VT_TRY(check_signature(&signature, text, verifiers, count, &signed_by, err));
    }
    *out_signed_by = signed_by;
    return VAULT_OK;
}

static bool are_distinct(const struct vt_note_verifier *verifiers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            if (verifiers[i].key_id == verifiers[j].key_id && strcmp(verifiers[i].name, verifiers[j].name) == 0) {
                return false;
            }
        }
    }
    return true;
}

VT_RESULT vt_note_verify_who(struct vt_bytes note, const struct vt_note_verifier *verifiers, size_t count,
                             struct vt_bytes *out_text, uint64_t *out_signed_by, struct vt_err *err)
{
    struct vt_bytes text, signatures;
    uint64_t signed_by;

    VT_ENSURE(count <= VT_NOTE_VERIFIERS_MAX && are_distinct(verifiers, count),
              vt_fail(err, VAULT_E_ARGUMENT, NULL, "Too many verifier keys, or two of one name and id."));
    VT_TRY(split_note(note, &text, &signatures, err));
    VT_TRY(check_signatures(text, signatures, verifiers, count, &signed_by, err));
    VT_ENSURE(signed_by != 0, vt_fail(err, VAULT_E_AUTHENTICITY, NULL, "No known key has signed the note."));
    *out_text = text;
    *out_signed_by = signed_by;
    return VAULT_OK;
}

bool vt_note_signed_by_name(const char *name, const struct vt_note_verifier *verifiers, size_t count,
                            uint64_t signed_by)
{
    for (size_t i = 0; i < count; i++) {
        if ((signed_by >> i & 1) != 0 && strcmp(verifiers[i].name, name) == 0) return true;
    }
    return false;
}

VT_RESULT vt_note_verify(struct vt_bytes note, const struct vt_note_verifier *verifiers, size_t count,
                         struct vt_bytes *out_text, struct vt_err *err)
{
    uint64_t signed_by;
    return vt_note_verify_who(note, verifiers, count, out_text, &signed_by, err);
}

VT_RESULT vt_note_text_unverified(struct vt_bytes note, struct vt_bytes *out_text, struct vt_err *err)
{
    struct vt_bytes text, signatures;
    uint64_t signed_by;

    VT_TRY(split_note(note, &text, &signatures, err));
    VT_TRY(check_signatures(text, signatures, NULL, 0, &signed_by, err));
    *out_text = text;
    return VAULT_OK;
}

VT_RESULT vt_note_cosign(struct vt_buf *note, const struct vt_note_signer *signer)
{
    VT_AUTO(vt_buf) line = VT_BUF_INIT(VT_NOTE_KEY_TEXT_MAX);
    struct vt_bytes text, signatures;
    struct vt_lines lines;
    struct vt_bytes ignored;

    VT_TRY(vt_note_text_unverified(vt_buf_bytes(note), &text, NULL));
    signatures = vt_bytes(text.data + text.len + 1, note->len - text.len - 1);
    lines = (struct vt_lines){.rest = signatures};
    while (vt_lines_next(&lines, &ignored)) continue;
    VT_ENSURE(lines.number < VT_NOTE_SIGNATURES_MAX, VAULT_E_LIMIT);
    VT_TRY(write_signature(&line, text, signer));
    return vt_buf_append(note, vt_buf_bytes(&line));
}
