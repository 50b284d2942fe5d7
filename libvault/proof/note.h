/* libvault/proof/note.h - signed notes: text that ends in LF, a blank line, and one line per Ed25519 signature:
 *     U+2014 SP key-name SP base64(4-byte key id || signature) LF
 * Key id: first four bytes of SHA-256(name LF 0x01 public key). Verifier key: name+hex8+base64(0x01 || public key).
 * Parsing is strict: UTF-8, no control character but LF, canonical base64, nothing behind the last signature.
 * A signature by an unknown key is ignored; a bad one by a known key rejects the note; one good one is needed.
 * Source: C2SP signed-note (c2sp.org/signed-note). Thread: any. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/secret.h"

enum {
    VT_NOTE_NAME_MAX = 128,             /* bytes of a key name */
    VT_NOTE_SIGNATURES_MAX = 64,        /* lines; the specification asks for at least 16 */
    VT_NOTE_MAX = 1024 * 1024,          /* bytes of a note */
    VT_NOTE_VERIFIERS_MAX = 64,         /* keys given to one verification */
    VT_NOTE_KEY_TEXT_MAX = 256,         /* bytes of a verifier key as text */
};

/** A public key we trust. A plain value. */
struct vt_note_verifier {
    char name[VT_NOTE_NAME_MAX + 1];
    uint32_t key_id;
    uint8_t public_key[32];
};

/** Who signs. Both borrowed. */
struct vt_note_signer {
    const char *name;
    const struct vt_key *seed;          /* Ed25519 seed, see crypto/sign.h */
};

/** Not empty, valid UTF-8, no Unicode white space, no plus, no control character, at most VT_NOTE_NAME_MAX bytes. */
bool vt_note_name_is_valid(struct vt_bytes name);

/** @return VAULT_E_ARGUMENT for a name that is not valid */
VT_RESULT vt_note_verifier_make(const char *name, const uint8_t public_key[32], struct vt_note_verifier *out_verifier);
/** The verifier that belongs to a signer. */
VT_RESULT vt_note_verifier_of(const struct vt_note_signer *signer, struct vt_note_verifier *out_verifier);
/** Read name+hex8+base64. @return VAULT_E_PARSE: malformed, or the id does not fit name and key; VAULT_E_UNSUPPORTED: a
 *  well-formed key that is not Ed25519 */
VT_RESULT vt_note_verifier_parse(struct vt_bytes text, struct vt_note_verifier *out_verifier);
/** Append name+hex8+base64, no LF. */
VT_RESULT vt_note_verifier_write(struct vt_buf *out, const struct vt_note_verifier *verifier);

/** Append the note: @p text, a blank line, one signature per signer. @p out_note is unchanged on failure.
 *  @return VAULT_E_ARGUMENT: text empty, without final LF, not UTF-8 or with control characters; no signer or too many;
 *  a name that is not valid. VAULT_E_TOO_LARGE past VT_NOTE_MAX */
VT_RESULT vt_note_sign(struct vt_bytes text, const struct vt_note_signer *signers, size_t count,
                       struct vt_buf *out_note);
/** Append one more signature to a well-formed note (a witness, a second keeper of the log).
 *  @return VAULT_E_PARSE when @p note is not well-formed; VAULT_E_LIMIT past VT_NOTE_SIGNATURES_MAX */
VT_RESULT vt_note_cosign(struct vt_buf *note, const struct vt_note_signer *signer);

/** Check a note and hand out its text, final LF included, borrowed from @p note.
 *  @param err  NULL allowed; says which rule was broken
 *  @return VAULT_E_PARSE: not well-formed. VAULT_E_AUTHENTICITY: a signature of a known key is bad, or no known key
 *  signed. VAULT_E_ARGUMENT: two of @p verifiers have the same name and id, or there are more than
 *  VT_NOTE_VERIFIERS_MAX */
VT_RESULT vt_note_verify(struct vt_bytes note, const struct vt_note_verifier *verifiers, size_t count,
                         struct vt_bytes *out_text, struct vt_err *err);
/** The same, and who signed: bit i of @p out_signed_by stands for verifiers[i]. */
VT_RESULT vt_note_verify_who(struct vt_bytes note, const struct vt_note_verifier *verifiers, size_t count,
                             struct vt_bytes *out_text, uint64_t *out_signed_by, struct vt_err *err);
/** Whether a key called @p name is among those that signed. */
bool vt_note_signed_by_name(const char *name, const struct vt_note_verifier *verifiers, size_t count,
                            uint64_t signed_by);
/** The text of a well-formed note, nothing verified: shown as such, never believed. @return VAULT_E_PARSE */
VT_RESULT vt_note_text_unverified(struct vt_bytes note, struct vt_bytes *out_text, struct vt_err *err);
