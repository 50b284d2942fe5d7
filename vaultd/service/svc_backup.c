/* vaultd/service/svc_backup.c - backups, restore. */
#include <stdio.h>

#include "libvault/crypto/rng.h"
#include "libvault/proof/checkpoint.h"
#include "vaultd/core/backup/backup.h"
#include "vaultd/core/epoch/certificate_log.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/parse.h"
#include "vaultd/service/take_over.h"
#include "vaultd/service/verifiers.h"

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
