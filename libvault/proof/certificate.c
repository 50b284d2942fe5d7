#include "libvault/proof/certificate.h"

#include <stdio.h>

#include "libvault/crypto/digest.h"
#include "libvault/proof/audit_leaf.h"
#include "libvault/proof/certificate_internal.h"
#include "libvault/proof/proof_internal.h"

/* Names ----------------------------------------------------------------------------------------------------------- */

static const char *const STATE_NAMES[] = {
    [VT_CERTIFICATE_PENDING] = "pending",
    [VT_CERTIFICATE_EFFECTIVE] = "effective",
    [VT_CERTIFICATE_FINAL] = "final",
};
static const char *const SCOPE_NAMES[] = {
    [VT_CERTIFICATE_OF_SUBJECT] = "whole subject", [VT_CERTIFICATE_OF_CATEGORIES] = "categories",
    [VT_CERTIFICATE_OF_RECORDS] = "records",       [VT_CERTIFICATE_OF_BATCH] = "batch",
    [VT_CERTIFICATE_OF_TENANT] = "tenant",
};
static const char *const CLASS_NAMES[] = {
    [VT_ERASE_E0] = "E0", [VT_ERASE_E1] = "E1", [VT_ERASE_E2] = "E2",
    [VT_ERASE_E3] = "E3", [VT_ERASE_E4] = "E4", [VT_ERASE_X] = "X",
};
static const char *const ERASE_STATE_NAMES[] = {
    [VT_ERASE_WAITING] = "waiting",
    [VT_ERASE_DONE] = "erased",
    [VT_ERASE_ATTESTED] = "attested",
};
/* What a reader may take the erasing for, by class. */
static const char *const ASSUMPTIONS[] = {
    [VT_ERASE_E0] =
        ("E0: logically overwritten in a file; the storage below the file system may keep remnants, and a copy or "
         "snapshot of the file taken before is not reached"),
    [VT_ERASE_E1] =
        "E1: overwritten in place without caches and read back, split so that any lost part destroys the share",
    [VT_ERASE_E2] = "E2: undefined in the non-volatile memory of a TPM 2.0, whose maker is relied on",
    [VT_ERASE_E3] = "E3: destroyed inside a hardware security module, which the operator declares not to keep copies",
    [VT_ERASE_E4] = "E4: wiped from the locked memory of another host, which is relied on not to swap or snapshot it",
    [VT_ERASE_X] = "X: a keeper whose erasing proves nothing",
};

const struct vt_certificate_names VT_CERTIFICATE_STATES = {STATE_NAMES, VT_ARRAY_LEN(STATE_NAMES)};
const struct vt_certificate_names VT_CERTIFICATE_SCOPES = {SCOPE_NAMES, VT_ARRAY_LEN(SCOPE_NAMES)};
const struct vt_certificate_names VT_ERASE_CLASSES = {CLASS_NAMES, VT_ARRAY_LEN(CLASS_NAMES)};
const struct vt_certificate_names VT_ERASE_STATES = {ERASE_STATE_NAMES, VT_ARRAY_LEN(ERASE_STATE_NAMES)};

const char *vt_certificate_name_of(const struct vt_certificate_names *names, unsigned number)
{
    return number < names->count ? names->names[number] : NULL;
}

VT_RESULT vt_certificate_number_of(const struct vt_certificate_names *names, struct vt_bytes name, unsigned *out_number)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (names->names[i] == NULL || !vt_bytes_equal_str(name, names->names[i])) continue;
        *out_number = i;
        return VAULT_OK;
    }
    return VAULT_E_PARSE;
}

const char *vt_certificate_state_name(enum vt_certificate_state state)
{
    return vt_certificate_name_of(&VT_CERTIFICATE_STATES, state);
}

const char *vt_certificate_scope_name(enum vt_certificate_scope scope)
{
    return vt_certificate_name_of(&VT_CERTIFICATE_SCOPES, scope);
}

const char *vt_erase_class_name(enum vt_erase_class erase_class)
{
    return vt_certificate_name_of(&VT_ERASE_CLASSES, erase_class);
}

const char *vt_erase_class_assumption(enum vt_erase_class erase_class)
{
    VT_BUG_ON(erase_class >= VT_ARRAY_LEN(ASSUMPTIONS));
    return ASSUMPTIONS[erase_class];
}

VT_RESULT vt_certificate_commit(const uint8_t salt[32], struct vt_bytes reference, uint8_t out_commitment[32])
{
    const struct vt_bytes pieces[] = {vt_bytes(salt, 32), reference};
    return vt_sha256(pieces, VT_ARRAY_LEN(pieces), out_commitment);
}

/* Rules ----------------------------------------------------------------------------------------------------------- */

static bool is_erased(const struct vt_certificate_keeper *keeper)
{
    return keeper->state == VT_ERASE_DONE || keeper->state == VT_ERASE_ATTESTED;
}

static bool counts_alone(const struct vt_certificate_keeper *keeper)
{
    return keeper->erase_class >= VT_ERASE_E2 && keeper->erase_class <= VT_ERASE_E4;
}

bool vt_certificate_can_be_final(const struct vt_certificate_keeper *keepers, size_t count, uint64_t threshold)
{
    size_t counted = 0, e1 = 0;

    if (threshold == 0 || threshold > count) return false;
    for (size_t i = 0; i < count; i++) {
        counted += counts_alone(&keepers[i]) ? 1 : 0;
        e1 += keepers[i].erase_class == VT_ERASE_E1 ? 1 : 0;
    }
    if (counted + e1 >= 2) counted += e1;       /* E1 counts as one of two or more, never alone */
    return counted >= count - threshold + 1;
}

static bool time_is_valid(int64_t at_ms)
{
    return at_ms > 0 && at_ms < INT64_C(253402300800000);      /* year 10000 */
}

bool vt_certificate_code_is_valid(struct vt_bytes code)
{
    if (code.len == 0 || code.len > 64) return false;
    for (size_t i = 0; i < code.len; i++) {
        const uint8_t c = code.data[i], lower = c | 0x20;
        const bool is_alnum = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
        if (!is_alnum && (i == 0 || (c != '.' && c != '_' && c != '-'))) return false;
    }
    return true;
}

static bool text_is_valid(struct vt_bytes text)
{
    return text.len != 0 && text.len <= VT_CERTIFICATE_TEXT_MAX && memchr(text.data, '\n', text.len) == NULL &&
           vt_proof_text_is_clean(text) && text.data[0] != ' ' && text.data[text.len - 1] != ' ';
}

#define CHECK(cond, err, field, sentence) VT_ENSURE(cond, vt_fail(err, VAULT_E_ARGUMENT, field, sentence))

static vault_status check_keepers(const struct vt_certificate_keeper *keepers, size_t count, const char *field,
                                  struct vt_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct vt_certificate_keeper *keeper = &keepers[i];
        CHECK(vt_erase_class_name(keeper->erase_class) != NULL, err, field, "The class is unknown.");
        CHECK(vt_certificate_name_of(&VT_ERASE_STATES, keeper->state) != NULL, err, field, "The state is unknown.");
        CHECK(is_erased(keeper) != vt_proof_is_zero(keeper->receipt, sizeof keeper->receipt), err, field,
              "What was erased needs a receipt, and what was not has none.");
        for (size_t j = 0; j < i; j++) {
            CHECK(keepers[j].id != keeper->id, err, field, "No keeper is listed twice.");
        }
    }
    return VAULT_OK;
}

static vault_status check_phase(const struct vt_certificate_phase *phase, const char *field, struct vt_err *err)
{
    const bool is_none = phase->phase == VT_PHASE_NONE || (phase->phase == VT_PHASE_OPEN && phase->at_ms == 0);
    CHECK(phase->phase >= VT_PHASE_NONE && phase->phase <= VT_PHASE_CLOSED, err, field, "The phase is unknown.");
    CHECK(is_none ? phase->at_ms == 0 : time_is_valid(phase->at_ms), err, field, "The time does not fit the phase.");
    return VAULT_OK;
}

static vault_status check_lists(const struct vt_certificate *c, struct vt_err *err)
{
    const size_t counts[] = {c->category_count, c->keeper_count,    c->custodian_count, c->backup_count,
                             c->kept_count,     c->exclusion_count, c->approval_count,  c->assumption_count};
    for (size_t i = 0; i < VT_ARRAY_LEN(counts); i++) {
        CHECK(counts[i] <= VT_CERTIFICATE_LIST_MAX, err, NULL, "A list is too long.");
    }
    for (size_t i = 0; i < c->category_count; i++) {
        CHECK(vt_certificate_code_is_valid(c->categories[i]), err, "categories", "A category is not a code.");
    }
    for (size_t i = 0; i < c->backup_count; i++) {
        CHECK(c->backups[i].expires_ms == 0 || time_is_valid(c->backups[i].expires_ms), err, "backups",
              "An expiry is not a time.");
    }
    for (size_t i = 0; i < c->kept_count; i++) {
        CHECK(vt_certificate_code_is_valid(c->kept[i].code), err, "kept", "What was kept has no code.");
    }
    for (size_t i = 0; i < c->exclusion_count; i++) {
        CHECK(vt_certificate_code_is_valid(c->exclusions[i].code), err, "exclusions", "An exclusion has no code.");
    }
    for (size_t i = 0; i < c->approval_count; i++) {
        CHECK(time_is_valid(c->approvals[i].at_ms), err, "approvals", "An approval has no time.");
    }
    for (size_t i = 0; i < c->assumption_count; i++) {
        CHECK(text_is_valid(c->assumptions[i]), err, "assumptions", "An assumption is not one line of text.");
    }
    return VAULT_OK;
}

static vault_status check_final(const struct vt_certificate *c, struct vt_err *err)
{
    const struct vt_certificate_final *final = &c->final;
    CHECK(final->kind >= VT_FINAL_AT && final->kind <= VT_FINAL_NEVER, err, "final", "The kind is unknown.");
    CHECK((final->kind == VT_FINAL_AT) == (c->state == VT_CERTIFICATE_FINAL), err, "final",
          "Only a final certificate has a final time.");
    CHECK(final->kind == VT_FINAL_NEVER ? final->at_ms == 0 : time_is_valid(final->at_ms), err, "final",
          "The time does not fit.");
    CHECK(final->kind == VT_FINAL_NEVER ? text_is_valid(final->reason) : final->reason.len == 0, err, "final",
          "What can never be final says why, and nothing else does.");
    CHECK(final->kind != VT_FINAL_AT || final->at_ms >= c->effective_ms, err, "final", "Final comes after effective.");
    return VAULT_OK;
}

/* What the state claims must follow from the rest of the certificate. */
static vault_status check_state(const struct vt_certificate *c, struct vt_err *err)
{
    const bool is_pending = c->state == VT_CERTIFICATE_PENDING;
    size_t erased = 0, custodians = 0;

    for (size_t i = 0; i < c->keeper_count; i++) erased += is_erased(&c->keepers[i]) ? 1 : 0;
    for (size_t i = 0; i < c->custodian_count; i++) custodians += is_erased(&c->custodians[i]) ? 1 : 0;
    CHECK(is_pending == (c->effective_ms == 0), err, "effective", "Only what is pending has no effective time.");
    CHECK(is_pending || c->effective_ms >= c->requested_ms, err, "effective", "Effective comes after requested.");
    CHECK(is_pending ? c->epoch_from == 0 && c->epoch_to == 0 : c->epoch_from < c->epoch_to, err, "epochs",
          "The epochs do not fit the state.");
    CHECK(is_pending == vt_proof_is_zero(c->attempt, sizeof c->attempt), err, "attempt",
          "The attempt does not fit the state.");
    CHECK(!is_pending || erased == 0, err, "keepers", "What is pending has no receipts.");
    CHECK(is_pending || erased >= c->keeper_count - c->threshold + 1, err, "keepers", "Too few keepers have erased.");
    if (c->state != VT_CERTIFICATE_FINAL) return VAULT_OK;
    CHECK(erased == c->keeper_count && custodians == c->custodian_count, err, "keepers", "Final needs every receipt.");
    CHECK(vt_certificate_can_be_final(c->keepers, c->keeper_count, c->threshold), err, "keepers",
          "Too few keepers are of a class that counts towards final.");
    CHECK(c->window.phase != VT_PHASE_OPEN && c->index_era.phase != VT_PHASE_OPEN, err, "final",
          "Final needs the recovery window and the index era closed.");
    return VAULT_OK;
}

VT_RESULT vt_certificate_check(const struct vt_certificate *c, struct vt_err *err)
{
    CHECK(vt_certificate_state_name(c->state) != NULL, err, "state", "The state is unknown.");
    CHECK(vt_certificate_scope_name(c->scope) != NULL, err, "scope", "The scope is unknown.");
    CHECK(vt_certificate_code_is_valid(c->legal_basis), err, "legal basis", "The legal basis is not a code.");
    CHECK(text_is_valid(c->software), err, "software", "The software is not one line of text.");
    CHECK(time_is_valid(c->requested_ms), err, "requested", "The time of the request is missing.");
    CHECK(c->threshold != 0 && c->threshold <= c->keeper_count, err, "threshold",
          "The threshold does not fit the keepers.");
    VT_TRY(check_lists(c, err));
    VT_TRY(check_keepers(c->keepers, c->keeper_count, "keepers", err));
    VT_TRY(check_keepers(c->custodians, c->custodian_count, "custodians", err));
    VT_TRY(check_phase(&c->window, "recovery window", err));
    VT_TRY(check_phase(&c->index_era, "index era", err));
    VT_TRY(check_final(c, err));
    return check_state(c, err);
}

/* Files ----------------------------------------------------------------------------------------------------------- */

void vt_certificate_origin_format(const uint8_t vault_id[16], uint64_t incarnation,
                                  char out_origin[VT_CERTIFICATE_ORIGIN_LEN])
{
    char origin[VT_ORIGIN_LEN];
    vt_origin_format(vault_id, incarnation, origin);
    snprintf(out_origin, VT_CERTIFICATE_ORIGIN_LEN, "%s/certificates", origin);
}

VT_RESULT vt_certificate_file_write(struct vt_buf *out, struct vt_bytes text, const struct vt_tlog_proof *proof)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(VT_CERTIFICATE_MAX);

    VT_ENSURE(text.len != 0 && proof->extra.len == 0, VAULT_E_ARGUMENT);
    VT_TRY(vt_buf_append(&file, text));
    VT_TRY(vt_buf_append_byte(&file, '\n'));
    VT_TRY(vt_tlog_proof_write(&file, proof));
    return vt_buf_append(out, vt_buf_bytes(&file));
}

/* A text has no empty line, so the first one ends it. */
static bool split_text(struct vt_bytes file, struct vt_bytes *out_text, struct vt_bytes *out_rest)
{
    const uint8_t *end = file.len < 2 ? NULL : memmem(file.data, file.len, "\n\n", 2);
    if (end == NULL) return false;
    const size_t len = (size_t)(end - file.data) + 1;
    *out_text = vt_bytes(file.data, len);
    *out_rest = vt_bytes(file.data + len + 1, file.len - len - 1);
    return true;
}

static vault_status check_title(struct vt_bytes file, struct vt_err *err)
{
    struct vt_bytes line, rest;
    struct vt_lines lines = {.rest = file};

    VT_ENSURE(vt_lines_next(&lines, &line) && vt_proof_after(line, VT_CERTIFICATE_TITLE, &rest),
              vt_fail(err, VAULT_E_PARSE, NULL, "This is not a certificate of destruction."));
    VT_ENSURE(vt_bytes_equal_str(line, VT_CERTIFICATE_FIRST_LINE),
              vt_fail(err, VAULT_E_FORMAT, NULL, "This is a certificate of another version than 2, which is read here."));
    return VAULT_OK;
}

VT_RESULT vt_certificate_file_split(struct vt_bytes file, struct vt_bytes *out_text, struct vt_tlog_proof *out_proof,
                                    struct vt_err *err)
{
    VT_AUTO(vt_buf) extra = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_tlog_proof proof;
    struct vt_bytes text, rest;

    VT_ENSURE(file.len <= VT_CERTIFICATE_MAX, vt_fail(err, VAULT_E_PARSE, NULL, "The certificate is too long."));
    VT_TRY(check_title(file, err));
    VT_ENSURE(split_text(file, &text, &rest),
              vt_fail(err, VAULT_E_PARSE, NULL, "The certificate has no proof behind its text."));
    const vault_status status = vt_tlog_proof_parse(rest, &extra, &proof, err);
    VT_ENSURE(status != VAULT_E_FORMAT, vt_fail(err, VAULT_E_PARSE, NULL, "What follows the text is no proof of it."));
    VT_TRY(status);
    VT_ENSURE(proof.extra.len == 0,
              vt_fail(err, VAULT_E_PARSE, NULL, "The proof carries extra data, which nobody has signed."));
    proof.extra = VT_BYTES_EMPTY;
    *out_text = text;
    *out_proof = proof;
    return VAULT_OK;
}

static vault_status verify_text(struct vt_bytes text, const struct vt_tlog_proof *proof,
                                const struct vt_note_verifier *verifiers, size_t count,
                                struct vt_checkpoint *out_checkpoint, struct vt_err *err)
{
    struct vt_merkle_hash leaf;
    struct vt_checkpoint checkpoint;

    VT_TRY(vt_merkle_leaf(text, &leaf));
    VT_TRY(vt_checkpoint_verify(proof->checkpoint, verifiers, count, VT_CHECKPOINT_KEEP_EXTENSION, &checkpoint, err));
    const vault_status status =
        vt_merkle_verify_inclusion(&leaf, proof->index, checkpoint.size, &proof->path, &checkpoint.root);
    VT_ENSURE(status != VAULT_E_AUTHENTICITY,
              vt_fail(err, status, NULL, "The text or its proof has been changed: this is not what the vault signed."));
    VT_TRY(status);
    *out_checkpoint = checkpoint;
    return VAULT_OK;
}

VT_RESULT vt_certificate_verify(struct vt_pool *pool, struct vt_bytes file, const struct vt_note_verifier *verifiers,
                                size_t count, struct vt_certificate *out_certificate, struct vt_err *err)
{
    struct vt_certificate certificate;
    struct vt_checkpoint checkpoint;
    struct vt_tlog_proof proof;
    struct vt_bytes text;
    char origin[VT_CERTIFICATE_ORIGIN_LEN];

    VT_TRY(vt_certificate_file_split(file, &text, &proof, err));
    VT_TRY(verify_text(text, &proof, verifiers, count, &checkpoint, err));
    VT_TRY(vt_certificate_parse(pool, text, &certificate, err));
    vt_certificate_origin_format(certificate.vault_id, certificate.incarnation, origin);
    VT_ENSURE(strcmp(checkpoint.origin, origin) == 0,
              vt_fail(err, VAULT_E_AUTHENTICITY, "vault", "The vault that the certificate names has not signed it."));
    *out_certificate = certificate;
    return VAULT_OK;
}

/* In the audit log -------------------------------------------------------------------------------------------------- */

/* Whether the items of a row hold the evidence of this note. */
static vault_status find_evidence(struct vt_bytes payloads, struct vt_bytes note)
{
    VT_AUTO(vt_buf) wanted_bytes = VT_BUF_INIT(VT_AUDIT_ITEM_HEAD_LEN + VT_SHA256_LEN);
    struct vt_audit_item item, wanted;
    vault_status status;

    VT_TRY(vt_audit_evidence_write(&wanted_bytes, note));
    struct vt_bytes rest = vt_buf_bytes(&wanted_bytes);
    VT_TRY(vt_audit_item_next(&rest, &wanted));
    while ((status = vt_audit_item_next(&payloads, &item)) == VAULT_OK) {
        if (item.kind == VT_AUDIT_ITEM_EVIDENCE && vt_bytes_equal(item.bytes, wanted.bytes)) return VAULT_OK;
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_E_AUTHENTICITY : status;
}

/* The row is only the proof's say-so until its leaf has been found in the tree, and its items in its leaf. */
static vault_status verify_row(const struct vt_tlog_proof *proof, struct vt_bytes note,
                               const struct vt_note_verifier *verifiers, size_t count,
                               struct vt_checkpoint *out_checkpoint, struct vt_err *err)
{
    struct vt_audit_leaf leaf;
    struct vt_bytes leaf_bytes, payloads;
    struct vt_merkle_hash leaf_hash;
    uint8_t payload_hash[VT_SHA256_LEN];

    VT_ENSURE(vt_audit_row_split(proof->extra, &leaf, &leaf_bytes, &payloads) == VAULT_OK,
              vt_fail(err, VAULT_E_PARSE, NULL, "The proof does not carry an audit entry."));
    VT_TRY(vt_merkle_leaf(leaf_bytes, &leaf_hash));
    VT_TRY(vt_tlog_proof_verify(proof, &leaf_hash, verifiers, count, out_checkpoint, err));
    VT_TRY(vt_sha256_one(payloads, payload_hash));
    const bool fits = memcmp(payload_hash, leaf.payload_hash, sizeof payload_hash) == 0;
    const vault_status status = fits ? find_evidence(payloads, note) : VAULT_E_AUTHENTICITY;
    VT_ENSURE(status == VAULT_OK,
              vt_fail(err, VAULT_E_AUTHENTICITY, NULL, "The audit entry is not of this certificate."));
    return VAULT_OK;
}

VT_RESULT vt_certificate_verify_logged(struct vt_pool *pool, struct vt_bytes file, struct vt_bytes proof_text,
                                       const struct vt_note_verifier *verifiers, size_t count,
                                       struct vt_certificate *out_certificate, struct vt_checkpoint *out_checkpoint,
                                       struct vt_err *err)
{
    VT_AUTO(vt_buf) extra = VT_BUF_INIT(VT_TLOG_EXTRA_MAX);
    struct vt_certificate certificate;
    struct vt_checkpoint checkpoint;
    struct vt_tlog_proof signed_by, proof;
    struct vt_bytes text;
    char origin[VT_ORIGIN_LEN];

    VT_TRY(vt_certificate_verify(pool, file, verifiers, count, &certificate, err));
    VT_TRY(vt_certificate_file_split(file, &text, &signed_by, err));
    VT_TRY(vt_tlog_proof_parse(proof_text, &extra, &proof, err));
    VT_TRY(verify_row(&proof, signed_by.checkpoint, verifiers, count, &checkpoint, err));
    vt_origin_format(certificate.vault_id, certificate.incarnation, origin);
    VT_ENSURE(strcmp(checkpoint.origin, origin) == 0,
              vt_fail(err, VAULT_E_AUTHENTICITY, NULL, "The log is not that of the vault that the certificate names."));
    *out_certificate = certificate;
    if (out_checkpoint != NULL) *out_checkpoint = checkpoint;
    return VAULT_OK;
}
