/* Certificates: how they are made from a pending request and its effect, how they are issued, and where they lie. */
#include <inttypes.h>
#include <stdio.h>

#include "vaultd/core/epoch/certificate_log.h"
#include "vaultd/core/epoch/ledger_internal.h"

enum {
    CERTIFICATE_POOL_MAX = 1024 * 1024,
    ROW_VERSION = 2,
    ROW_HEAD_LEN = 12,          /* version 1 | zero 3 | index in the log 8 */
    KEY_LEN = VT_CERTIFICATE_KEY_LEN,
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

/* There are no recovery windows. When the era of the index ends is not known: it is asked for. */
static void fill_prospects(struct filling *filling)
{
    struct vt_certificate *certificate = &filling->certificate;
    const bool can_be_final =
        vt_certificate_can_be_final(certificate->keepers, certificate->keeper_count, certificate->threshold);
    const int64_t earliest_ms = VT_MAX(certificate->requested_ms, certificate->effective_ms);
    if (can_be_final)
        certificate->final = (struct vt_certificate_final){.kind = VT_FINAL_NOT_BEFORE, .at_ms = earliest_ms};
    else
        certificate->final = (struct vt_certificate_final){
            .kind = VT_FINAL_NEVER, .reason = vt_bytes_str("the keeper set does not have enough keepers of classes E1 to E4")};
    certificate->window.phase = VT_PHASE_NONE;
    certificate->index_era.phase = VT_PHASE_OPEN;
    assume(filling, "the memory of the vault was not captured while the data existed");
    assume(filling, "the keepers beyond the threshold less one erased their share as their receipts say");
    for (size_t i = 0; i < certificate->keeper_count; i++)
        assume(filling, vt_erase_class_assumption(certificate->keepers[i].erase_class));
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
}

static VT_RESULT describe_and_issue(struct filling *filling, struct vt_keyring_view *view, struct vt_txn *txn,
                                    const struct vt_evidence *evidence, const struct vt_pending *pending)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(CERTIFICATE_POOL_MAX);
    struct vt_certificate *certificate = &filling->certificate;
    fill_prospects(filling);
    if (evidence->describe != NULL)
        VT_TRY(evidence->describe(evidence->context, view, pending, &pool, certificate));
    return vt_certificate_issue(txn, certificate);
}

VT_RESULT vt_certificate_pending(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_evidence *evidence,
                                 const struct vt_pending *pending)
{
    struct filling filling;
    fill(&filling, view, evidence, pending);
    filling.certificate.state = VT_CERTIFICATE_PENDING;
    return describe_and_issue(&filling, view, txn, evidence, pending);
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
    certificate->keeper_count = effect->keeper_count;
    certificate->threshold = effect->threshold;
    certificate->subjects = certificate->scope == VT_CERTIFICATE_OF_SUBJECT;
    certificate->records = destroyed->records;
    certificate->rows = destroyed->rows;
    certificate->index_entries = destroyed->index_entries;
    certificate->tokens = destroyed->tokens;
    return describe_and_issue(&filling, view, txn, evidence, pending);
}

/* Where they lie: a row for each state reached. The state comes first, so that what a close issues is written in one go and what
 * was there before is not written again. ----------------------------------------------------------------------------------- */

struct entry {
    enum vt_certificate_state state;
    uint64_t index;             /* of its leaf in the log */
    struct vt_bytes text;
};

static void certificate_key(enum vt_certificate_state state, uint64_t number, uint8_t out_key[KEY_LEN])
{
    out_key[0] = (uint8_t)state;
    vt_put_u64(out_key + 1, number);
}

VT_RESULT vt_certificate_row_split(struct vt_bytes row, uint64_t *out_index, struct vt_bytes *out_text)
{
    static const uint8_t ZERO[3];
    VT_ENSURE(row.len == 0 || row.data[0] == ROW_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(row.len > ROW_HEAD_LEN && memcmp(row.data + 1, ZERO, sizeof ZERO) == 0, VAULT_E_CORRUPT);
    *out_index = vt_get_u64(row.data + 4);
    *out_text = vt_bytes(row.data + ROW_HEAD_LEN, row.len - ROW_HEAD_LEN);
    return VAULT_OK;
}

static VT_RESULT entry_get(struct vt_txn *txn, enum vt_certificate_state state, uint64_t number, struct entry *out_entry)
{
    uint8_t key[KEY_LEN];
    struct vt_bytes row;
    struct entry entry = {.state = state};
    certificate_key(state, number, key);
    VT_TRY(vt_store_get(txn, VT_TABLE_CERTIFICATE, VT_BYTES_OF(key), &row));
    VT_TRY(vt_certificate_row_split(row, &entry.index, &entry.text));
    *out_entry = entry;
    return VAULT_OK;
}

static VT_RESULT newest_of(struct vt_txn *txn, uint64_t number, struct entry *out_entry)
{
    for (unsigned state = VT_CERTIFICATE_FINAL; state >= VT_CERTIFICATE_PENDING; state--) {
        const vault_status status = entry_get(txn, state, number, out_entry);
        if (status != VAULT_E_NOT_FOUND) return status;
    }
    return VAULT_E_NOT_FOUND;
}

/* What is stored without its signature is damage: whoever issues signs before the commit. */
static VT_RESULT file_of(struct vt_txn *txn, const struct entry *entry, struct vt_buf *out_file)
{
    struct vt_tlog_proof proof;
    const vault_status status = vt_certificate_log_prove(txn, entry->index, &proof);
    VT_ENSURE(status != VAULT_E_NOT_FOUND, VAULT_E_CORRUPT);
    VT_TRY(status);
    return vt_certificate_file_write(out_file, entry->text, &proof);
}

VT_RESULT vt_certificate_get(struct vt_txn *txn, uint64_t number, struct vt_buf *out_file)
{
    struct entry entry;
    VT_TRY(newest_of(txn, number, &entry));
    return file_of(txn, &entry, out_file);
}

VT_RESULT vt_certificate_get_state(struct vt_txn *txn, uint64_t number, enum vt_certificate_state state,
                                   struct vt_buf *out_file)
{
    struct entry entry;
    VT_TRY(entry_get(txn, state, number, &entry));
    return file_of(txn, &entry, out_file);
}

VT_RESULT vt_certificate_state_of(struct vt_txn *txn, uint64_t number, enum vt_certificate_state *out_state)
{
    struct entry entry;
    VT_TRY(newest_of(txn, number, &entry));
    *out_state = entry.state;
    return VAULT_OK;
}

VT_RESULT vt_certificate_read(struct vt_txn *txn, uint64_t number, struct vt_pool *pool,
                              struct vt_certificate *out_certificate)
{
    struct entry entry;
    VT_TRY(newest_of(txn, number, &entry));
    const struct vt_bytes text = vt_pool_copy(pool, entry.text);
    VT_ENSURE(text.data != NULL, VAULT_E_MEMORY);
    const vault_status status = vt_certificate_parse(pool, text, out_certificate, NULL);
    return status == VAULT_E_PARSE ? VAULT_E_CORRUPT : status;
}

static VT_RESULT issue(struct vt_txn *txn, const struct vt_certificate *certificate, bool may_repeat)
{
    VT_AUTO(vt_buf) row = VT_BUF_INIT(VT_CERTIFICATE_MAX - VT_CERTIFICATE_PROOF_MAX);
    uint8_t key[KEY_LEN], head[ROW_HEAD_LEN] = {ROW_VERSION};
    struct entry newest;
    uint64_t index;
    const vault_status status = newest_of(txn, certificate->number, &newest);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    const bool is_next = status == VAULT_E_NOT_FOUND || newest.state < certificate->state;
    VT_ENSURE(is_next || (may_repeat && newest.state == certificate->state), VAULT_E_EXISTS);

    VT_TRY(vt_buf_append(&row, VT_BYTES_OF(head)));
    VT_TRY(vt_certificate_write(&row, certificate, NULL));
    VT_TRY(vt_certificate_log_add(txn, vt_bytes(row.data + ROW_HEAD_LEN, row.len - ROW_HEAD_LEN), &index));
    vt_put_u64(row.data + 4, index);
    certificate_key(certificate->state, certificate->number, key);
    return vt_store_put(txn, VT_TABLE_CERTIFICATE, VT_BYTES_OF(key), vt_buf_bytes(&row), VT_PUT_DEFAULT);
}

VT_RESULT vt_certificate_take_back(struct vt_txn *txn, uint64_t number)
{
    uint8_t key[KEY_LEN];
    certificate_key(VT_CERTIFICATE_PENDING, number, key);
    return vt_store_delete(txn, VT_TABLE_CERTIFICATE, VT_BYTES_OF(key));
}

VT_RESULT vt_certificate_issue(struct vt_txn *txn, const struct vt_certificate *certificate)
{
    return issue(txn, certificate, false);
}

VT_RESULT vt_certificate_issue_again(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_certificate *certificate)
{
    struct vt_certificate now = *certificate;
    now.incarnation = vt_keyring_view_incarnation(view);
    return issue(txn, &now, true);
}
