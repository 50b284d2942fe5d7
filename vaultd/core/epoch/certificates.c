/* Certificates: how they are made from a pending request and its effect, and where they lie. */
#include <inttypes.h>
#include <stdio.h>

#include "vaultd/core/epoch/ledger_internal.h"

enum {
    CERTIFICATE_POOL_MAX = 1024 * 1024,
    CERTIFICATE_STATES_MAX = 4 * VT_CERTIFICATE_MAX,
    ASSUMPTIONS_MAX = 8,
};

/* Filling in ------------------------------------------------------------------------------------------------------ */

/* What a certificate borrows while it is written. */
struct filling {
    struct vt_certificate certificate;
    char category[24];
    struct vt_bytes categories[1];
    struct vt_bytes assumptions[ASSUMPTIONS_MAX];
    size_t assumption_count;
};

static void category_code(uint16_t category, char out_code[24])
{
    if (category >= 1 && category <= 26)
        snprintf(out_code, 24, "%c", 'A' + category - 1);
    else if (category == VT_CATEGORY_VAULT)
        snprintf(out_code, 24, "vault");
    else
        snprintf(out_code, 24, "category-%u", category);
}

static void fill_scope(struct filling *filling, const struct vt_pending *pending)
{
    struct vt_certificate *certificate = &filling->certificate;
    const bool is_every_category = pending->scope.category == VT_CATEGORY_ALL;
    certificate->scope = pending->scope.record != 0 ? VT_CERTIFICATE_OF_RECORDS
                         : is_every_category        ? VT_CERTIFICATE_OF_SUBJECT
                                                    : VT_CERTIFICATE_OF_CATEGORIES;
    if (is_every_category) return;
    category_code(pending->scope.category, filling->category);
    filling->categories[0] = vt_bytes_str(filling->category);
    certificate->categories = filling->categories;
    certificate->category_count = 1;
}

static void assume(struct filling *filling, const char *text)
{
    for (size_t i = 0; i < filling->assumption_count; i++)
        if (vt_bytes_equal_str(filling->assumptions[i], text)) return;
    if (filling->assumption_count < ASSUMPTIONS_MAX) filling->assumptions[filling->assumption_count++] = vt_bytes_str(text);
}

/* `final` is never claimed yet: see "never" below. A layer that renews index keys and keeps windows says more through
 * describe(). */
static void fill_prospects(struct filling *filling, const struct vt_evidence *evidence)
{
    struct vt_certificate *certificate = &filling->certificate;
    const bool can_be_final = vt_certificate_can_be_final(evidence->keepers, evidence->keeper_count, evidence->threshold);
    certificate->final.kind = VT_FINAL_NEVER;
    certificate->final.reason = vt_bytes_str(can_be_final
                                                 ? "this version waits for no era of the index and issues no final certificates"
                                                 : "the keeper set does not have enough keepers of classes E1 to E4");
    certificate->window.phase = VT_PHASE_NONE;
    certificate->index_era.phase = VT_PHASE_NONE;
    assume(filling, "the memory of the vault was not captured while the data existed");
    assume(filling, "the keepers beyond the threshold less one erased their share as their receipts say");
    for (size_t i = 0; i < evidence->keeper_count; i++)
        assume(filling, vt_erase_class_assumption(evidence->keepers[i].erase_class));
    certificate->assumptions = filling->assumptions;
    certificate->assumption_count = filling->assumption_count;
}

static void fill(struct filling *filling, struct vt_keyring_view *view, const struct vt_evidence *evidence,
                 const struct vt_pending *pending)
{
    *filling = (struct filling){
        .certificate = {.number = pending->certificate,
                        .incarnation = vt_keyring_view_incarnation(view),
                        .legal_basis = vt_bytes_str(pending->legal_basis),
                        .requested_ms = pending->requested_at_ms,
                        .keepers = evidence->keepers,
                        .keeper_count = evidence->keeper_count,
                        .threshold = evidence->threshold,
                        .software = vt_bytes_str(evidence->software),
                        .is_test_clock = evidence->is_test_clock},
    };
    struct vt_certificate *certificate = &filling->certificate;
    memcpy(certificate->vault_id, vt_keyring_view_vault_id(view)->bytes, sizeof certificate->vault_id);
    memcpy(certificate->commitment, pending->commitment, sizeof certificate->commitment);
    memcpy(certificate->request_id, pending->object_id, sizeof certificate->request_id);
    fill_scope(filling, pending);
    fill_prospects(filling, evidence);
}

static VT_RESULT sign_and_put(struct filling *filling, struct vt_keyring_view *view, struct vt_txn *txn,
                              const struct vt_evidence *evidence, const struct vt_pending *pending)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(CERTIFICATE_POOL_MAX);
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    struct vt_certificate *certificate = &filling->certificate;
    if (evidence->describe != NULL)
        VT_TRY(evidence->describe(evidence->context, view, pending, &pool, certificate));
    const struct vt_key *seed = vt_keyring_system_key(view, VT_SYSTEM_KEY_CERTIFICATE_SIGN);
    VT_ENSURE(seed != NULL, VAULT_E_CORRUPT);
    VT_TRY(vt_certificate_sign(certificate, seed, &note, NULL));
    return vt_certificate_put(txn, certificate->number, vt_buf_bytes(&note));
}

VT_RESULT vt_certificate_pending(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_evidence *evidence,
                                 const struct vt_pending *pending)
{
    struct filling filling;
    fill(&filling, view, evidence, pending);
    filling.certificate.state = VT_CERTIFICATE_PENDING;
    return sign_and_put(&filling, view, txn, evidence, pending);
}

VT_RESULT vt_certificate_effective(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_evidence *evidence,
                                   const struct vt_pending *pending, const struct vt_destroyed *destroyed,
                                   const struct vt_effect *effect)
{
    struct filling filling;
    fill(&filling, view, evidence, pending);
    struct vt_certificate *certificate = &filling.certificate;
    certificate->state = VT_CERTIFICATE_EFFECTIVE;
    certificate->effective_ms = VT_MAX(effect->at_ms, pending->requested_at_ms);    /* a clock set back meanwhile */
    certificate->epoch_from = effect->epoch_from;
    certificate->epoch_to = effect->epoch_to;
    memcpy(certificate->attempt, effect->attempt, sizeof certificate->attempt);
    certificate->keepers = effect->keepers;
    certificate->subjects = certificate->scope == VT_CERTIFICATE_OF_SUBJECT;
    certificate->records = destroyed->records;
    certificate->rows = destroyed->rows;
    certificate->index_entries = destroyed->index_entries;
    certificate->tokens = destroyed->tokens;
    return sign_and_put(&filling, view, txn, evidence, pending);
}

/* Where they lie: {length 4 | note} for each state reached ----------------------------------------------------------- */

static VT_RESULT states_of(struct vt_txn *txn, uint64_t number, struct vt_bytes *out_states)
{
    uint8_t number_bytes[8];
    vt_put_u64(number_bytes, number);
    return vt_store_get(txn, VT_TABLE_CERTIFICATE, VT_BYTES_OF(number_bytes), out_states);
}

static VT_RESULT next_state(struct vt_bytes *states, struct vt_bytes *out_note)
{
    VT_ENSURE(states->len != 0, VAULT_E_NOT_FOUND);
    VT_ENSURE(states->len >= 4 && vt_get_u32(states->data) <= states->len - 4, VAULT_E_CORRUPT);
    *out_note = vt_bytes(states->data + 4, vt_get_u32(states->data));
    *states = vt_bytes(out_note->data + out_note->len, states->len - 4 - out_note->len);
    return VAULT_OK;
}

VT_RESULT vt_certificate_get(struct vt_txn *txn, uint64_t number, struct vt_buf *out_note)
{
    struct vt_bytes states, note, newest = VT_BYTES_EMPTY;
    vault_status status;
    VT_TRY(states_of(txn, number, &states));
    while ((status = next_state(&states, &note)) == VAULT_OK) newest = note;
    VT_ENSURE(status == VAULT_E_NOT_FOUND && newest.len != 0, VAULT_E_CORRUPT);
    return vt_buf_append(out_note, newest);
}

VT_RESULT vt_certificate_get_state(struct vt_txn *txn, uint64_t number, size_t index, struct vt_buf *out_note)
{
    struct vt_bytes states, note;
    VT_TRY(states_of(txn, number, &states));
    for (size_t i = 0; i <= index; i++) VT_TRY(next_state(&states, &note));
    return vt_buf_append(out_note, note);
}

VT_RESULT vt_certificate_put(struct vt_txn *txn, uint64_t number, struct vt_bytes note)
{
    VT_AUTO(vt_buf) states = VT_BUF_INIT(CERTIFICATE_STATES_MAX);
    struct vt_bytes before;
    uint8_t number_bytes[8];
    const vault_status status = states_of(txn, number, &before);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    if (status == VAULT_OK) VT_TRY(vt_buf_append(&states, before));
    VT_TRY(vt_buf_append_u32(&states, (uint32_t)note.len));
    VT_TRY(vt_buf_append(&states, note));
    vt_put_u64(number_bytes, number);
    return vt_store_put(txn, VT_TABLE_CERTIFICATE, VT_BYTES_OF(number_bytes), vt_buf_bytes(&states), VT_PUT_DEFAULT);
}
