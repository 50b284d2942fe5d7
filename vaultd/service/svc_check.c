/* vaultd/service/svc_check.c - store.check: the structure of the store, then its tables, opening what the vault's keys open. What
 * is damaged is a finding; what cannot be looked at, for want of memory or because the disk does not answer, is a failure.
 * Not opened: tokens (only who has one can), kept answers (only who has their key can), chunks of blobs. */
#include <stdio.h>

#include "libvault/proof/checkpoint.h"
#include "vaultd/core/backup/backup.h"
#include "vaultd/core/epoch/certificate_log.h"
#include "vaultd/core/epoch/rows_check.h"
#include "vaultd/core/epoch/waiting.h"
#include "vaultd/core/policy/approval.h"
#include "vaultd/core/policy/brake.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/core/rights/import.h"
#include "vaultd/core/subject/row.h"
#include "vaultd/core/subject/schemas.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/parse.h"
#include "vaultd/service/rotation_internal.h"
#include "vaultd/service/take_over.h"
#include "vaultd/service/verifiers.h"

enum { FAULTS_MAX = 32 };

struct checking {
    struct vt_call *call;
    struct vt_value faults;
    uint64_t records, rows, rows_erased, tokens, holds, approvals, waiting;
};

static VT_RESULT fault_add(struct checking *checking, const char *sentence)
{
    if (checking->faults.array.count >= FAULTS_MAX) return VAULT_OK;
    const struct vt_bytes copy = vt_pool_copy(&checking->call->scratch, vt_bytes_str(sentence));
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    return vt_value_push(&checking->call->scratch, &checking->faults, vt_value_text(copy), NULL);
}

/* Says nothing about the store: the check itself could not go on. */
static bool is_failure(vault_status status)
{
    return status == VAULT_E_MEMORY || status == VAULT_E_IO || status == VAULT_E_BUSY || status == VAULT_E_SEALED ||
           status == VAULT_E_CANCELLED;
}

static vault_status note(void *context, vault_status status, const char *sentence)
{
    if (status == VAULT_OK || is_failure(status)) return status;
    return fault_add(context, sentence);
}

/* Pages first, since nothing of them is trusted there. No view is held meanwhile: a large file takes a while, and epochs wait for
 * views. Behind damaged pages the contents are not looked at: the store's own readers believe what stands in a page. */
static VT_RESULT check_structure(struct checking *checking, bool *out_is_whole)
{
    struct vt_call *call = checking->call;
    struct vt_store_check found;
    char sentence[128];
    vt_keyring_view_end(call->view);
    call->view = NULL;
    vt_txn_abort(call->txn);
    call->txn = NULL;
    VT_TRY(vt_store_check(vt_vault_store(call->vault), &found));
    VT_TRY(vt_vault_view(call->vault, &call->txn, &call->view));
    *out_is_whole = found.damaged_pages == 0;
    if (*out_is_whole) return VAULT_OK;
    snprintf(sentence, sizeof sentence, "The store has %llu damaged pages of %llu; their contents were not looked at.",
             (unsigned long long)found.damaged_pages, (unsigned long long)found.pages);
    return fault_add(checking, sentence);
}

static VT_RESULT check_row(struct checking *checking, const struct vt_subject_keys *keys, const struct vt_row_name *name)
{
    struct vt_row row;
    char sentence[128];
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_CALL_POOL_MAX);
    const vault_status status =
        vt_row_open(checking->call->view, checking->call->tenant, keys, name->record, name->category, &pool, &row);
    if (status == VAULT_E_ERASED) checking->rows_erased += name->group_count;
    if (status == VAULT_E_ERASED) return VAULT_OK;
    snprintf(sentence, sizeof sentence, "Row %llu of category %u does not open: %s.", (unsigned long long)name->record,
             name->category, vault_status_code(status));
    return note(checking, status, sentence);
}

static VT_RESULT check_record(struct checking *checking, struct vt_bytes key)
{
    struct vt_sid sid;
    const struct vt_subject_keys *keys;
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    size_t count;
    if (key.len != VT_RECORD_KEY_LEN) return fault_add(checking, "A record has a key of the wrong length.");
    memcpy(sid.bytes, key.data, sizeof sid.bytes);
    checking->records++;
    const vault_status listed = vt_rows_of_record(checking->call->txn, vt_get_u64(key.data + 18), names, &count);
    if (listed != VAULT_OK) return note(checking, listed, "A record has rows with damaged keys.");
    for (size_t i = 0; i < count; i++) checking->rows += names[i].group_count;
    const vault_status alive = vt_keyring_subject_keys(checking->call->view, checking->call->tenant, &sid, &keys);
    if (alive != VAULT_OK) return note(checking, alive, "A record belongs to a subject that has no keys.");
    for (size_t i = 0; i < count; i++) VT_TRY(check_row(checking, keys, &names[i]));
    return VAULT_OK;
}

/* A row that no record leads to would outlive the subject that it was of: closing an epoch destroys what records lead to. */
static VT_RESULT check_stray_rows(struct checking *checking)
{
    uint64_t rows;
    char sentence[128];
    VT_TRY(vt_store_count(checking->call->txn, VT_TABLE_ROW, &rows));
    if (rows == checking->rows) return VAULT_OK;
    snprintf(sentence, sizeof sentence, "There are %llu rows, but records lead to %llu.", (unsigned long long)rows,
             (unsigned long long)checking->rows);
    return fault_add(checking, sentence);
}

static VT_RESULT check_records(struct checking *checking)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    vault_status status;
    VT_TRY(vt_cursor_open(checking->call->txn, VT_TABLE_RECORD, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) VT_TRY(check_record(checking, key));
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    VT_TRY(vt_store_count(checking->call->txn, VT_TABLE_TOKEN, &checking->tokens));
    return check_stray_rows(checking);
}

static vault_status count_hold(void *context, const struct vt_hold *hold)
{
    struct checking *checking = context;
    (void)hold;
    checking->holds++;
    return VAULT_OK;
}

static vault_status count_request(void *context, const struct vt_pending *pending)
{
    uint64_t *count = context;
    (void)pending;
    ++*count;
    return VAULT_OK;
}

/* What waits under an open approval is what it says; what has run or been denied has left nothing. */
static vault_status check_approval(void *context, const struct vt_approval *approval)
{
    struct checking *checking = context;
    uint64_t count = 0;
    checking->approvals++;
    VT_TRY(vt_waiting_each(checking->call->view, approval->id, count_request, &count));
    checking->waiting += count;
    const bool is_whole = approval->state == VT_APPROVAL_RUNNING ? count <= approval->item_count
                          : vt_approval_has_ended(approval)      ? count == 0
                                                                 : count == approval->item_count;
    return is_whole ? VAULT_OK : fault_add(checking, "An approval does not have the requests under it that it names.");
}

static VT_RESULT check_approvals(struct checking *checking)
{
    uint64_t waiting;
    const vault_status status = vt_approval_each(checking->call->view, true, check_approval, checking);
    if (status != VAULT_OK) return note(checking, status, "An approval, or a request that waits for one, does not open.");
    VT_TRY(vt_store_count(checking->call->txn, VT_TABLE_WAITING, &waiting));
    return waiting == checking->waiting ? VAULT_OK : fault_add(checking, "A request waits for an approval that is not there.");
}

/* Holds, approvals and what waits for them: every row opens, and they agree. */
static VT_RESULT check_policy(struct checking *checking)
{
    uint64_t used;
    const struct vt_call *call = checking->call;
    VT_TRY(note(checking, vt_hold_each(call->view, count_hold, checking), "A hold does not open."));
    VT_TRY(check_approvals(checking));
    return note(checking, vt_brake_used(call->txn, call->tenant, call->now_ms, &used),
                "The count of requests that passed the brake is damaged.");
}

static vault_status any_place(void *context, const struct vt_rotation_place *place)
{
    (void)context;
    (void)place;
    return VAULT_OK;
}

static vault_status any_backup(void *context, const struct vt_backup_entry *entry)
{
    (void)context;
    (void)entry;
    return VAULT_OK;
}

/* What the vault keeps about itself. */
static VT_RESULT check_own(struct checking *checking)
{
    struct vt_call *call = checking->call;
    struct vt_take_over_record record;
    VT_TRY(vt_epoch_check_rows(call->view, note, checking));
    VT_TRY(note(checking, vt_config_check_objects(call->view),
                "A schema, a template, a credential, a tenant or a purpose does not open."));
    VT_TRY(note(checking, vt_import_ranges_check(call->txn), "What is noted of an import is damaged."));
    VT_TRY(note(checking, vt_rotation_places_each(call->view, any_place, NULL), "The place of a rotation does not open."));
    VT_TRY(note(checking, vt_backup_each(call->txn, any_backup, NULL), "The register of backups is damaged."));
    const vault_status restored = vt_take_over_record_read(call->txn, &record);
    return restored == VAULT_E_NOT_FOUND ? VAULT_OK : note(checking, restored, "The report of the last restore is damaged.");
}

static VT_RESULT check_tree(struct checking *checking, struct vt_keyring_check *counts)
{
    struct vt_err err = {{0}, {0}};
    const vault_status status = vt_keyring_check(checking->call->view, counts, &err);
    return note(checking, status, err.message[0] != '\0' ? err.message : "The keyring is damaged.");
}

static VT_RESULT check_audit(struct checking *checking)
{
    struct vt_audit_report report;
    struct vt_note_verifier verifiers[VT_VERIFIERS_MAX];
    size_t count;
    VT_TRY(vt_origin_verifiers(checking->call->view, VT_SYSTEM_KEY_AUDIT_SIGN, verifiers, &count));
    const vault_status status = vt_audit_verify(checking->call->txn, verifiers, count, &report);
    if (status == VAULT_OK) return VAULT_OK;
    if (status != VAULT_E_CORRUPT) return note(checking, status, "The audit log is damaged.");
    char sentence[128];
    snprintf(sentence, sizeof sentence, "The audit log has a fault (%s) at entry %llu.", vt_audit_fault_name(report.fault),
             (unsigned long long)report.bad_sequence);
    return fault_add(checking, sentence);
}

static VT_RESULT check_certificates(struct checking *checking)
{
    struct vt_certificate_report report;
    struct vt_note_verifier verifiers[VT_VERIFIERS_MAX];
    size_t count;
    VT_TRY(vt_certificate_verifiers(checking->call->view, verifiers, &count));
    const vault_status status = vt_certificates_check(checking->call->txn, verifiers, count, &report);
    if (status == VAULT_OK) return VAULT_OK;
    if (status != VAULT_E_CORRUPT || report.fault == NULL) return note(checking, status, "The log of certificates is damaged.");
    char sentence[128];
    snprintf(sentence, sizeof sentence, "The log of certificates has a fault at %llu: %s.", (unsigned long long)report.at,
             report.fault);
    return fault_add(checking, sentence);
}

static VT_RESULT check_contents(struct checking *checking, struct vt_keyring_check *tree)
{
    VT_TRY(check_tree(checking, tree));
    VT_TRY(check_records(checking));
    VT_TRY(check_policy(checking));
    VT_TRY(check_own(checking));
    VT_TRY(check_audit(checking));
    return check_certificates(checking);
}

static vault_status store_check_prepare(struct vt_call *call)
{
    struct checking checking = {.call = call, .faults = vt_value_array()};
    struct vt_keyring_check tree = {0};
    struct vt_value map = vt_value_map(), counts = vt_value_map();
    bool is_whole;
    VT_TRY(check_structure(&checking, &is_whole));
    if (is_whole) VT_TRY(check_contents(&checking, &tree));
    VT_TRY(vt_put_int(call, &counts, "pages", (int64_t)tree.pages));
    VT_TRY(vt_put_int(call, &counts, "subjects", (int64_t)tree.subjects));
    VT_TRY(vt_put_int(call, &counts, "index_entries", (int64_t)tree.index_entries));
    VT_TRY(vt_put_int(call, &counts, "key_blocks", (int64_t)tree.key_blocks));
    VT_TRY(vt_put_int(call, &counts, "records", (int64_t)checking.records));
    VT_TRY(vt_put_int(call, &counts, "rows", (int64_t)checking.rows));
    VT_TRY(vt_put_int(call, &counts, "rows_erased", (int64_t)checking.rows_erased));
    VT_TRY(vt_put_int(call, &counts, "tokens", (int64_t)checking.tokens));
    VT_TRY(vt_put_int(call, &counts, "holds", (int64_t)checking.holds));
    VT_TRY(vt_put_int(call, &counts, "approvals", (int64_t)checking.approvals));
    VT_TRY(vt_put_int(call, &counts, "audit_leaves", (int64_t)vt_vault_audit_size(call->vault)));
    VT_TRY(vt_put_bool(call, &map, "is_sound", checking.faults.array.count == 0));
    VT_TRY(vt_put_value(call, &map, "counts", counts));
    VT_TRY(vt_put_value(call, &map, "faults", checking.faults));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_STORE_CHECK = {.command = "store.check", .prepare = store_check_prepare};
