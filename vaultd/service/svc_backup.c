/* vaultd/service/svc_backup.c - backups, restore, store check. */
#include <stdio.h>

#include "libvault/crypto/rng.h"
#include "libvault/proof/checkpoint.h"
#include "vaultd/core/backup/backup.h"
#include "vaultd/core/epoch/certificate_log.h"
#include "vaultd/core/subject/row.h"
#include "vaultd/core/epoch/waiting.h"
#include "vaultd/core/policy/approval.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/parse.h"
#include "vaultd/service/take_over.h"
#include "vaultd/service/verifiers.h"

enum { FAULTS_MAX = 32 };

/* What takes long without a key must not hold up epochs, whose fence waits for views. */
static void view_end(struct vt_call *call)
{
    vt_keyring_view_end(call->view);
    call->view = NULL;
    vt_txn_abort(call->txn);
    call->txn = NULL;
}

static VT_RESULT path_argument(struct vt_call *call, const char *name, char out_path[VT_BACKUP_PATH_MAX])
{
    const struct vt_bytes path = vt_call_text(call, name);
    if (path.len == 0 || path.len >= VT_BACKUP_PATH_MAX || path.data[0] != '/' || memchr(path.data, 0, path.len) != NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, name,
                       "The argument %s must be an absolute path on the daemon's machine.", name);
    memcpy(out_path, path.data, path.len);
    out_path[path.len] = '\0';
    return VAULT_OK;
}

struct job {
    struct vt_call *call;
    uint8_t id[16];
};

static bool job_progress(void *context, uint64_t done, uint64_t total)
{
    const struct job *job = context;
    return vt_jobs_progress(vt_vault_jobs(job->call->vault), job->id, done, total);
}

/* backup.create ------------------------------------------------------------------------------------------------------ */

static VT_RESULT register_put(struct vt_change *change, const struct vt_backup_entry *entry)
{
    uint8_t value[VT_BACKUP_ENTRY_LEN];
    vt_backup_entry_encode(entry, value);
    return vt_change_put(change, VT_TABLE_BACKUP, VT_BYTES_OF(entry->backup_id), VT_BYTES_OF(value), VT_PUT_DEFAULT);
}

/* A commit of its own: the call's is made when the copy is there. The call's leaf tells of both. */
static VT_RESULT register_commit(struct vt_call *call, const struct vt_backup_entry *entry, bool is_there)
{
    VT_AUTO_PTR(vt_change) change = NULL;
    VT_TRY(vt_change_new(call->tenant, &change));
    VT_TRY(is_there ? register_put(change, entry) : vt_change_delete(change, VT_TABLE_BACKUP, VT_BYTES_OF(entry->backup_id)));
    struct vt_commit_item item = {.change = change, .is_unaudited = true, .is_reserved = true,
                                  .since = vt_stamps_now(vt_vault_stamps(call->vault))};
    return vt_vault_commit_wait(call->vault, &item);
}

static VT_RESULT entry_begin(struct vt_call *call, struct vt_backup_entry *entry)
{
    struct vt_epoch_status epoch;
    /* In the future: a copy that counts as gone stands in no certificate, though its bytes are there. */
    VT_TRY(vt_call_future_time(call, "expires_at", &entry->expires_at_ms));
    VT_TRY(vt_epoch_status(vt_vault_epoch(call->vault), &epoch));
    VT_TRY(vt_random_bytes(entry->backup_id, sizeof entry->backup_id));
    entry->created_at_ms = call->now_ms;
    entry->epoch = epoch.epoch;
    entry->commit_number = epoch.commit_number;
    return VAULT_OK;
}

/* The copy reads the store on its own and opens nothing. */
static VT_RESULT view_let_go(struct vt_call *call, struct vt_origin_signer *signer, struct vt_key *out_seed)
{
    VT_TRY(vt_origin_signer_at(call->view, VT_SYSTEM_KEY_CERTIFICATE_SIGN, 0, signer));
    memcpy(out_seed->bytes, signer->signer.seed->bytes, sizeof out_seed->bytes);
    signer->signer.seed = out_seed;
    view_end(call);
    return VAULT_OK;
}

static VT_RESULT create_copy(struct vt_call *call, const struct vt_backup_entry *entry, const char *to,
                             struct vt_backup_manifest *out_manifest)
{
    VT_AUTO(vt_key) seed = VT_KEY_INIT;
    struct vt_origin_signer signer;
    struct job job = {.call = call};
    VT_TRY(view_let_go(call, &signer, &seed));
    VT_TRY(vt_jobs_begin(vt_vault_jobs(call->vault), "backup.create", NULL, job.id));
    const struct vt_backup_options options = {.store = vt_vault_store(call->vault), .to_dir = to,
                                              .backup_id = entry->backup_id, .signer = &signer.signer,
                                              .now_ms = call->now_ms, .progress = job_progress, .progress_context = &job};
    const vault_status status = vt_backup_create(&options, out_manifest, &call->err);
    vt_jobs_end(vt_vault_jobs(call->vault), job.id, status, NULL);
    return status;
}

/* Registered before it is made: an epoch that closes meanwhile, or a crash, must not leave a copy that no certificate names. */
static VT_RESULT create_registered(struct vt_call *call, struct vt_backup_entry *entry, struct vt_backup_manifest *out_manifest)
{
    char to[VT_BACKUP_PATH_MAX];
    VT_TRY(path_argument(call, "to", to));
    VT_TRY(entry_begin(call, entry));
    VT_TRY(register_commit(call, entry, true));
    const vault_status status = create_copy(call, entry, to, out_manifest);
    if (status == VAULT_OK) return VAULT_OK;
    /* When it cannot be taken out of the register, it is listed with no bytes: too much is said then, not too little. */
    if (register_commit(call, entry, false) != VAULT_OK) return status;
    return status;
}

static vault_status backup_create_prepare(struct vt_call *call)
{
    struct vt_backup_entry entry = {.bytes = 0};
    struct vt_backup_manifest manifest;
    struct vt_change *change;
    struct vt_value map = vt_value_map();
    VT_TRY(create_registered(call, &entry, &manifest));
    entry.epoch = manifest.epoch;
    entry.commit_number = manifest.commit_number;
    entry.bytes = manifest.bytes;
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(register_put(change, &entry));
    call->item.is_done = true;          /* prepared once more, it would find its own directory there */
    VT_TRY(vt_put_id(call, &map, "backup", manifest.backup_id));
    VT_TRY(vt_put_int(call, &map, "bytes", (int64_t)manifest.bytes));
    VT_TRY(vt_put_int(call, &map, "epoch", (int64_t)manifest.epoch));
    VT_TRY(vt_put_int(call, &map, "commit_number", (int64_t)manifest.commit_number));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_BACKUP_CREATE = {.command = "backup.create", .prepare = backup_create_prepare};

/* backup.verify, list ------------------------------------------------------------------------------------------------ */

static VT_RESULT open_argument(struct vt_call *call, struct vt_backup_manifest *out_manifest, struct vt_store **out_store)
{
    char from[VT_BACKUP_PATH_MAX];
    struct vt_note_verifier verifiers[VT_VERIFIERS_MAX];
    size_t count;
    VT_TRY(path_argument(call, "from", from));
    VT_TRY(vt_origin_verifiers(call->view, VT_SYSTEM_KEY_CERTIFICATE_SIGN, verifiers, &count));
    view_end(call);                     /* the copy's bytes are hashed: hours, perhaps */
    VT_AUTO_PTR(vt_store) copy = NULL;
    VT_TRY(vt_backup_open(from, verifiers, count, out_manifest, &copy, &call->err));
    VT_TRY(vt_vault_view(call->vault, &call->txn, &call->view));
    *out_store = VT_MOVE(copy);
    return VAULT_OK;
}

/* The copy's own keyring opens while its epoch lives: its root page is then sealed under the present root key. */
static VT_RESULT opens_alone(struct vt_call *call, const struct vt_backup_manifest *manifest, bool *out_opens)
{
    struct vt_root_record root;
    VT_TRY(vt_keyring_root_record(call->txn, &root));
    *out_opens = root.epoch == manifest->epoch && root.incarnation == manifest->incarnation;
    return VAULT_OK;
}

static vault_status backup_verify_prepare(struct vt_call *call)
{
    VT_AUTO_PTR(vt_store) copy = NULL;
    struct vt_backup_manifest manifest;
    struct vt_value map = vt_value_map();
    uint64_t subjects, erased;
    bool opens;
    VT_TRY(open_argument(call, &manifest, &copy));
    VT_TRY(opens_alone(call, &manifest, &opens));
    VT_TRY(vt_backup_count(copy, call->view, call->tenant, &subjects, &erased));
    VT_TRY(vt_put_id(call, &map, "backup", manifest.backup_id));
    VT_TRY(vt_put_bool(call, &map, "is_authentic", true));      /* anything else has failed before */
    VT_TRY(vt_put_int(call, &map, "epoch", (int64_t)manifest.epoch));
    VT_TRY(vt_put_bool(call, &map, "opens_alone", opens));
    VT_TRY(vt_put_int(call, &map, "subjects", (int64_t)subjects));
    VT_TRY(vt_put_int(call, &map, "erased_since", (int64_t)erased));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_BACKUP_VERIFY = {.command = "backup.verify", .prepare = backup_verify_prepare};

struct listing {
    struct vt_call *call;
    struct vt_value list;
};

static vault_status list_one(void *context, const struct vt_backup_entry *entry)
{
    struct listing *listing = context;
    struct vt_call *call = listing->call;
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_id(call, &map, "id", entry->backup_id));
    VT_TRY(vt_put_time(call, &map, "created_at", entry->created_at_ms));
    VT_TRY(vt_put_int(call, &map, "epoch", (int64_t)entry->epoch));
    VT_TRY(vt_put_int(call, &map, "bytes", (int64_t)entry->bytes));
    if (entry->expires_at_ms != 0) VT_TRY(vt_put_time(call, &map, "expires_at", entry->expires_at_ms));
    return vt_value_push(&call->scratch, &listing->list, map, NULL);
}

static vault_status backup_list_prepare(struct vt_call *call)
{
    struct listing listing = {call, vt_value_array()};
    struct vt_value map = vt_value_map();
    VT_TRY(vt_backup_each(call->txn, list_one, &listing));
    VT_TRY(vt_put_value(call, &map, "backups", listing.list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_BACKUP_LIST = {.command = "backup.list", .prepare = backup_list_prepare};

/* backup.restore ----------------------------------------------------------------------------------------------------- */

VT_RESULT vt_call_restore_report(struct vt_call *call, const struct vt_restore_report *report, struct vt_value *out_map)
{
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_int(call, &map, "subjects_in_backup", (int64_t)report->subjects_in_backup));
    VT_TRY(vt_put_int(call, &map, "subjects_kept", (int64_t)report->subjects_kept));
    VT_TRY(vt_put_int(call, &map, "subjects_erased", (int64_t)report->subjects_erased));
    VT_TRY(vt_put_int(call, &map, "records", (int64_t)report->records));
    VT_TRY(vt_put_int(call, &map, "rows_kept", (int64_t)report->rows_kept));
    VT_TRY(vt_put_int(call, &map, "rows_erased", (int64_t)report->rows_erased));
    VT_TRY(vt_put_int(call, &map, "rows_of_now", (int64_t)report->rows_of_now));
    VT_TRY(vt_put_int(call, &map, "rows_lost", (int64_t)report->rows_lost));
    VT_TRY(vt_put_int(call, &map, "rows_damaged", (int64_t)report->rows_damaged));
    VT_TRY(vt_put_int(call, &map, "subjects_without_rows", (int64_t)report->subjects_without_rows));
    VT_TRY(vt_put_int(call, &map, "tokens", (int64_t)report->tokens));
    VT_TRY(vt_put_int(call, &map, "index_removed", (int64_t)report->index_removed));
    VT_TRY(vt_put_int(call, &map, "index_added", (int64_t)report->index_added));
    VT_TRY(vt_put_int(call, &map, "index_conflicts", (int64_t)report->index_conflicts));
    *out_map = map;
    return VAULT_OK;
}

static vault_status find_deletion(struct vt_keyring_view *view, const struct vt_sid *sid, uint64_t record)
{
    struct vt_ledger_entry entry;
    return vt_ledger_find_deletion(view, sid, record, &entry);
}

static VT_RESULT restore_check(struct vt_call *call, struct job *job, struct vt_restore_report *out_report)
{
    VT_AUTO_PTR(vt_store) copy = NULL;
    struct vt_backup_manifest manifest;
    char to[VT_BACKUP_PATH_MAX];
    VT_TRY(path_argument(call, "to", to));
    VT_TRY(open_argument(call, &manifest, &copy));
    const struct vt_restore_options options = {.backup = copy, .view = call->view, .stamps = vt_vault_stamps(call->vault),
                                               .tenant = call->tenant, .find_deletion = find_deletion,
                                               .to_dir = to, .field = "to", .progress = job_progress,
                                               .progress_context = job};
    return vt_restore_build(&options, out_report, &call->err);
}

/* The call holds no snapshot from here on: the vault closes its epoch first, and that waits for readers. */
static VT_RESULT restore_take_over(struct vt_call *call, struct job *job, struct vt_restore_report *out_report)
{
    VT_AUTO_PTR(vt_store) copy = NULL;
    struct vt_backup_manifest manifest;
    if (vt_call_text(call, "to").data != NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "to", "A take-over builds in the vault's own data directory; leave to out.");
    VT_TRY(open_argument(call, &manifest, &copy));
    view_end(call);
    struct vt_take_over options = {.backup = copy, .manifest = &manifest, .tenant = call->tenant, .job = job->id,
                                   .progress = job_progress, .progress_context = job};
    options.leaf = (struct vt_audit_leaf){.tenant = call->tenant, .command = call->command->id};
    memcpy(options.leaf.principal, call->principal.id, sizeof options.leaf.principal);
    VT_TRY(vt_vault_take_over(call->vault, &options, out_report, &call->err));
    call->is_logged_elsewhere = true;
    return VAULT_OK;
}

static vault_status backup_restore_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map(), report_map;
    struct vt_restore_report report;
    struct job job = {.call = call};
    const bool check_only = vt_call_bool(call, "check_only", false), take_over = vt_call_bool(call, "take_over", false);
    if (check_only == take_over)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "check_only", "Give either check_only or take_over.");
    VT_TRY(vt_jobs_begin(vt_vault_jobs(call->vault), "backup.restore", NULL, job.id));
    const vault_status status = take_over ? restore_take_over(call, &job, &report) : restore_check(call, &job, &report);
    vt_jobs_end(vt_vault_jobs(call->vault), job.id, status, NULL);
    VT_TRY(status);
    call->item.is_done = true;
    VT_TRY(vt_call_restore_report(call, &report, &report_map));
    VT_TRY(vt_put_id(call, &map, "job", job.id));
    VT_TRY(vt_put_value(call, &map, "report", report_map));
    VT_TRY(vt_put_bool(call, &map, "restarts", take_over));
    VT_TRY(vt_put_text(call, &map, "next",
                       take_over ? "The vault closes now and opens as the restored one. Unseal it, unless it does that by itself, "
                                   "and look at last_restore in its status."
                                 : "Serve the directory with --read-only beside this vault and look at it."));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_BACKUP_RESTORE = {.command = "backup.restore", .prepare = backup_restore_prepare};

/* store.check -------------------------------------------------------------------------------------------------------- */

struct checking {
    struct vt_call *call;
    struct vt_value faults;
    uint64_t records, rows, rows_erased, tokens, holds, approvals;
};

static VT_RESULT fault_add(struct checking *checking, const char *sentence)
{
    if (checking->faults.array.count >= FAULTS_MAX) return VAULT_OK;
    const struct vt_bytes copy = vt_pool_copy(&checking->call->scratch, vt_bytes_str(sentence));
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    return vt_value_push(&checking->call->scratch, &checking->faults, vt_value_text(copy), NULL);
}

static VT_RESULT check_row(struct checking *checking, const struct vt_subject_keys *keys, const struct vt_row_name *name)
{
    struct vt_row row;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_CALL_POOL_MAX);
    const vault_status status =
        vt_row_open(checking->call->view, checking->call->tenant, keys, name->record, name->category, &pool, &row);
    checking->rows += name->group_count;
    if (status == VAULT_E_ERASED) checking->rows_erased += name->group_count;
    if (status == VAULT_OK || status == VAULT_E_ERASED) return VAULT_OK;
    char sentence[128];
    snprintf(sentence, sizeof sentence, "Row %llu of category %u does not open: %s.", (unsigned long long)name->record,
             name->category, vault_status_code(status));
    return fault_add(checking, sentence);
}

static VT_RESULT check_record(struct checking *checking, struct vt_bytes key)
{
    struct vt_sid sid;
    const struct vt_subject_keys *keys;
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    size_t count;
    VT_ENSURE(key.len == VT_RECORD_KEY_LEN, VAULT_E_CORRUPT);
    memcpy(sid.bytes, key.data, sizeof sid.bytes);
    checking->records++;
    const vault_status alive = vt_keyring_subject_keys(checking->call->view, checking->call->tenant, &sid, &keys);
    if (alive != VAULT_OK) return fault_add(checking, "A record belongs to a subject that has no keys.");
    VT_TRY(vt_rows_of_record(checking->call->txn, vt_get_u64(key.data + 18), names, &count));
    for (size_t i = 0; i < count; i++) VT_TRY(check_row(checking, keys, &names[i]));
    return VAULT_OK;
}

static VT_RESULT check_records(struct checking *checking)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    struct vt_store_stats stats;
    vault_status status;
    VT_TRY(vt_cursor_open(checking->call->txn, VT_TABLE_RECORD, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) VT_TRY(check_record(checking, key));
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    VT_TRY(vt_store_stats(vt_vault_store(checking->call->vault), &stats));
    checking->tokens = stats.entries[VT_TABLE_TOKEN];
    return VAULT_OK;
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
    const bool is_whole = approval->state == VT_APPROVAL_RUNNING ? count <= approval->item_count
                          : vt_approval_has_ended(approval)      ? count == 0
                                                                 : count == approval->item_count;
    return is_whole ? VAULT_OK : fault_add(checking, "An approval does not have the requests under it that it names.");
}

/* Holds, approvals and what waits for them: every row opens, and they agree. */
static VT_RESULT check_policy(struct checking *checking)
{
    const vault_status holds = vt_hold_each(checking->call->view, count_hold, checking);
    if (holds == VAULT_E_AUTHENTICITY || holds == VAULT_E_CORRUPT) VT_TRY(fault_add(checking, "A hold does not open."));
    else VT_TRY(holds);
    const vault_status approvals = vt_approval_each(checking->call->view, true, check_approval, checking);
    if (approvals != VAULT_E_AUTHENTICITY && approvals != VAULT_E_CORRUPT) return approvals;
    return fault_add(checking, "An approval, or a request that waits for one, does not open.");
}

static VT_RESULT check_tree(struct checking *checking, struct vt_keyring_check *counts)
{
    struct vt_err err = {{0}, {0}};
    const vault_status status = vt_keyring_check(checking->call->view, counts, &err);
    if (status == VAULT_OK) return VAULT_OK;
    VT_ENSURE(status != VAULT_E_MEMORY && status != VAULT_E_IO, status);
    return fault_add(checking, err.message[0] != '\0' ? err.message : "The keyring is damaged.");
}

static VT_RESULT check_audit(struct checking *checking)
{
    struct vt_audit_report report;
    struct vt_note_verifier verifiers[VT_VERIFIERS_MAX];
    size_t count;
    VT_TRY(vt_origin_verifiers(checking->call->view, VT_SYSTEM_KEY_AUDIT_SIGN, verifiers, &count));
    const vault_status status = vt_audit_verify(checking->call->txn, verifiers, count, &report);
    if (status == VAULT_OK) return VAULT_OK;
    VT_ENSURE(status == VAULT_E_CORRUPT, status);
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
    VT_ENSURE(status == VAULT_E_CORRUPT && report.fault != NULL, status);
    char sentence[128];
    snprintf(sentence, sizeof sentence, "The log of certificates has a fault at %llu: %s.", (unsigned long long)report.at,
             report.fault);
    return fault_add(checking, sentence);
}

static vault_status store_check_prepare(struct vt_call *call)
{
    struct checking checking = {.call = call, .faults = vt_value_array()};
    struct vt_keyring_check tree = {0};
    struct vt_value map = vt_value_map(), counts = vt_value_map();
    VT_TRY(check_tree(&checking, &tree));
    VT_TRY(check_records(&checking));
    VT_TRY(check_policy(&checking));
    VT_TRY(check_audit(&checking));
    VT_TRY(check_certificates(&checking));
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
