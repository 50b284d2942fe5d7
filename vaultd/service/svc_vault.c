/* vaultd/service/svc_vault.c - the vault itself: life, status, epochs, jobs. */
#include <stdio.h>

#include "libvault/base/thread.h"
#include "libvault/codec/limits.h"
#include "vaultd/core/backup/backup.h"
#include "vaultd/core/policy/approval.h"
#include "vaultd/core/policy/brake.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/credentials.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/parse.h"
#include "vaultd/service/rotation.h"
#include "vaultd/service/take_over.h"
#include "vaultd/service/vault_internal.h"
#include "vaultd/service/wraps.h"

enum { LOSS_BOUND_MAX = 512 };

/* vault.health, version ---------------------------------------------------------------------------------------------- */

static VT_RESULT put_state(struct vt_call *call, struct vt_value *map)
{
    const char *why = vt_vault_self_seal_sentence(call->vault);
    VT_TRY(vt_put_text(call, map, "state", vt_vault_state_name(vt_vault_state(call->vault))));
    return why != NULL ? vt_put_text(call, map, "reason", why) : VAULT_OK;
}

static vault_status health_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    VT_TRY(put_state(call, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_VAULT_HEALTH = {.command = "vault.health", .prepare = health_prepare};

static VT_RESULT put_limits(struct vt_call *call, struct vt_value *map)
{
    static const struct {
        const char *name;
        int64_t value;
    } LIMITS[] = {{"frame_bytes", VT_LIMIT_FRAME_BYTES},       {"reply_bytes", VT_LIMIT_REPLY_BYTES},
                  {"depth", VT_LIMIT_DEPTH},                   {"items", VT_LIMIT_ITEMS},
                  {"value_bytes", VT_LIMIT_VALUE_BYTES},       {"batch_items", VT_LIMIT_BATCH_ITEMS},
                  {"pipeline_calls", VT_LIMIT_PIPELINE_CALLS}, {"external_id_bytes", VT_LIMIT_EXTERNAL_ID_BYTES},
                  {"record_keys", VT_LIMIT_RECORD_KEYS},       {"index_holders", VT_LIMIT_INDEX_HOLDERS}};
    struct vt_value limits = vt_value_map();
    for (size_t i = 0; i < VT_ARRAY_LEN(LIMITS); i++) VT_TRY(vt_put_int(call, &limits, LIMITS[i].name, LIMITS[i].value));
    return vt_put_value(call, map, "limits", limits);
}

static vault_status version_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_text(call, &map, "version", VT_VERSION));
    VT_TRY(put_limits(call, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_VAULT_VERSION = {.command = "vault.version", .prepare = version_prepare};

/* vault.init --------------------------------------------------------------------------------------------------------- */

/* The first administrator: the only credential that is made without one. */
static VT_RESULT first_credential(struct vt_call *call, struct vt_value *list)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_change) change = NULL;
    char secret[VT_SECRET_TEXT_LEN];
    uint8_t principal[16];
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_vault_view(call->vault, &txn, &view));
    VT_TRY(vt_change_new(VT_TENANT_DEFAULT, &change));
    VT_TRY(vt_credentials_plan_create(view, change, vt_bytes_str("administrator"), vt_role_find(vt_bytes_str("administrator")), 0,
                                      call->now_ms, secret, principal, &call->err));
    struct vt_commit_item item = {.change = change, .since = vt_stamps_now(call->vault->stamps)};
    item.leaf.effect = VT_AUDIT_SYSTEM;
    item.leaf.incarnation = vt_keyring_view_incarnation(view);
    VT_TRY(vt_vault_commit_wait(call->vault, &item));

    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_text(call, &map, "name", "administrator"));
    vault_status status = vt_put_text(call, &map, "secret", secret);
    vt_wipe(secret, sizeof secret);
    VT_TRY(status);
    return vt_value_push(&call->scratch, list, map, NULL);
}

static VT_RESULT reload_credentials(struct vt_vault *vault)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_vault_view(vault, &txn, &view));
    return vt_credentials_load(vault->credentials, view);
}

static VT_RESULT init_run(struct vt_call *call, struct vt_value *map)
{
    struct vt_vault *vault = call->vault;
    struct vt_wrap_wish wish;
    struct vt_epoch_status epoch;
    struct vt_value shares = vt_value_array(), credentials = vt_value_array();
    if (vt_vault_state(vault) != VT_VAULT_NOT_INITIALISED)
        return vt_fail(&call->err, VAULT_E_EXISTS, NULL, "The vault is initialised already; that is done once.");
    VT_TRY(vt_wrap_wish_read(call, &wish));
    vault_status status = vt_epoch_initialise(vault->epoch, vt_wrap_wish_add, &wish);
    if (status == VAULT_E_EXISTS)
        status = vt_fail(&call->err, status, NULL,
                         "The store is empty, but a keeper holds a share of some vault already: put the store's files back.");
    if (status == VAULT_OK) status = vt_wrap_wish_shares(call, &wish, &shares);
    vt_wrap_wish_release(&wish);
    VT_TRY(status);
    VT_TRY(vt_vault_unseal(vault, NULL, &call->err));
    VT_TRY(first_credential(call, &credentials));
    VT_TRY(reload_credentials(vault));
    VT_TRY(vt_epoch_status(vault->epoch, &epoch));
    VT_TRY(vt_put_id(call, map, "vault_id", epoch.vault_id.bytes));
    if (shares.array.count != 0) VT_TRY(vt_put_value(call, map, "shares", shares));
    return vt_put_value(call, map, "credentials", credentials);
}

static vault_status init_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    pthread_mutex_lock(&call->vault->unseal_mutex);
    const vault_status status = init_run(call, &map);
    pthread_mutex_unlock(&call->vault->unseal_mutex);
    VT_TRY(status);
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_VAULT_INIT = {.command = "vault.init", .prepare = init_prepare};

/* vault.unseal, seal ------------------------------------------------------------------------------------------------- */

static VT_RESULT unseal_by_share(struct vt_vault *vault, struct vt_bytes share, struct vt_key *out_key, unsigned *out_needed)
{
    if (vault->shares == NULL) {
        VT_TRY(vt_epoch_wraps(vault->epoch, &vault->share_wraps));
        VT_TRY(vt_share_entry_new(vault->share_wraps, &vault->shares));
    }
    VT_TRY(vt_share_entry_add(vault->shares, share, out_needed));
    return *out_needed == 0 ? vt_share_entry_open(vault->shares, out_key) : VAULT_OK;
}

static void forget_shares(struct vt_vault *vault)
{
    vt_share_entry_free(vault->shares);
    vault->shares = NULL;
    vt_wraps_free(vault->share_wraps);
    vault->share_wraps = NULL;
}

static VT_RESULT unseal_key(struct vt_call *call, struct vt_key *out_key, unsigned *out_needed)
{
    const struct vt_bytes passphrase = vt_call_text(call, "passphrase"), file = vt_call_text(call, "key_file"),
                          share = vt_call_text(call, "share");
    if ((passphrase.data != NULL) + (file.data != NULL) + (share.data != NULL) != 1)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "passphrase", "Give one of passphrase, key_file and share.");
    VT_TRY(vt_wrap_check_key_file(call, file));
    *out_needed = 0;
    if (share.data != NULL) {
        const vault_status added = unseal_by_share(call->vault, share, out_key, out_needed);
        return added == VAULT_E_EXISTS ? vt_fail(&call->err, added, "share", "This share was given already: give another.") : added;
    }
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_TRY(vt_epoch_wraps(call->vault->epoch, &wraps));
    if (passphrase.data != NULL) return vt_wraps_open_passphrase(wraps, passphrase, out_key);
    return vt_wraps_open_key_file(wraps, file, out_key);
}

static VT_RESULT unseal_run(struct vt_call *call, unsigned *out_needed)
{
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    const enum vt_vault_state state = vt_vault_state(call->vault);
    VT_ENSURE(state != VT_VAULT_NOT_INITIALISED, VAULT_E_NOT_INITIALISED);
    if (state != VT_VAULT_SEALED) return vt_fail(&call->err, VAULT_E_STATE, NULL, "The vault is open: there is nothing to unseal.");
    const vault_status found = unseal_key(call, &key, out_needed);
    if (found == VAULT_E_NOT_FOUND)
        return vt_fail(&call->err, VAULT_E_WRONG_SECRET, NULL,
                       "The unseal key is not wrapped in this way: passphrase, key file and shares are not the same.");
    VT_TRY(found);
    if (*out_needed != 0) return VAULT_OK;
    forget_shares(call->vault);
    return vt_vault_unseal(call->vault, &key, &call->err);
}

static vault_status unseal_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    unsigned needed = 0;
    pthread_mutex_lock(&call->vault->unseal_mutex);
    const vault_status status = unseal_run(call, &needed);
    pthread_mutex_unlock(&call->vault->unseal_mutex);
    VT_TRY(status);
    if (needed == 0) vt_rotations_resume(call->vault);
    VT_TRY(vt_put_text(call, &map, "state", vt_vault_state_name(vt_vault_state(call->vault))));
    if (needed != 0) VT_TRY(vt_put_int(call, &map, "shares_needed", needed));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_VAULT_UNSEAL = {.command = "vault.unseal", .prepare = unseal_prepare};

/* The leaf of the sealing itself must be durable before the keys that could write it are gone: it goes with the commit, and the
 * keys after it. */
static vault_status seal_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    if (vt_vault_state(call->vault) == VT_VAULT_TAKING_OVER) VT_TRY(vt_vault_take_over_cancel(call->vault));
    return vt_call_result(call, &map);
}
static vault_status seal_finish(struct vt_call *call)
{
    if (vt_vault_state(call->vault) == VT_VAULT_TAKING_OVER) VT_TRY(vt_vault_take_over_cancel(call->vault));
    vt_vault_seal(call->vault);
    return VAULT_OK;
}
const struct vt_handler VT_HANDLER_VAULT_SEAL = {.command = "vault.seal", .prepare = seal_prepare, .finish = seal_finish};

/* vault.status ------------------------------------------------------------------------------------------------------- */

struct status_writer {
    struct vt_call *call;
    struct vt_value map, warnings;
    struct vt_epoch_status epoch;
};

static VT_RESULT warn(struct status_writer *writer, const char *sentence)
{
    return vt_value_push(&writer->call->scratch, &writer->warnings, vt_value_str(sentence), NULL);
}

static VT_RESULT put_waiting(struct vt_call *call, const struct vt_epoch_status *epoch, struct vt_value *map)
{
    struct vt_waiting waiting;
    vt_vault_waiting(call->vault, epoch, &waiting);
    if (waiting.dropped_since_ms != 0) VT_TRY(vt_put_time(call, map, "dropped_since", waiting.dropped_since_ms));
    if (waiting.next_close_at_ms == 0) return VAULT_OK;
    return vt_put_time(call, map, "next_close_at", waiting.next_close_at_ms);
}

static bool is_short(const struct vt_epoch_need *need)
{
    return need->have < need->needed;
}

/* What the keepers that answered last cannot do any more. */
static VT_RESULT warn_of_keepers(struct status_writer *writer)
{
    const struct vt_epoch_tolerance *now = &writer->epoch.may_fail;
    if (!writer->epoch.is_initialised) return VAULT_OK;
    if (is_short(&now->opening))
        VT_TRY(warn(writer, "Too few keepers that hold a share answer: sealed, the vault cannot be unsealed until they are back."));
    if (is_short(&now->erasing))
        VT_TRY(warn(writer, "Too few keepers answer to erase the old root key: no shred becomes effective until they are back."));
    else if (is_short(&now->preparing))
        VT_TRY(warn(writer, "Too few keepers answer to begin the close of an epoch: shreds stay pending until they are back."));
    return VAULT_OK;
}

static VT_RESULT status_epoch(struct status_writer *writer)
{
    struct vt_call *call = writer->call;
    const struct vt_epoch_status *epoch = &writer->epoch;
    if (epoch->is_initialised) {
        VT_TRY(vt_put_id(call, &writer->map, "vault_id", epoch->vault_id.bytes));
        VT_TRY(vt_put_int(call, &writer->map, "incarnation", (int64_t)epoch->incarnation));
        VT_TRY(vt_put_int(call, &writer->map, "epoch", (int64_t)epoch->epoch));
        VT_TRY(vt_put_int(call, &writer->map, "commit_number", (int64_t)epoch->commit_number));
    }
    VT_TRY(vt_put_int(call, &writer->map, "pending_shreds", (int64_t)epoch->pending));
    VT_TRY(put_waiting(call, epoch, &writer->map));
    VT_TRY(vt_put_keepers(call, epoch, &writer->map));
    VT_TRY(vt_put_tolerance(call, &epoch->may_fail, &writer->map));
    VT_TRY(warn_of_keepers(writer));
    VT_TRY(vt_put_bool(call, &writer->map, "can_become_final", epoch->can_become_final));
    if (!epoch->can_become_final)
        VT_TRY(warn(writer, "With these keepers no certificate can become final: too few are of a class that really erases."));
    else if (epoch->clean_from != 0 && epoch->clean_from < epoch->epoch)
        VT_TRY(warn(writer, "A keeper has not shown yet that it erased its former share: nothing becomes final before that."));
    for (size_t i = 0; i < epoch->keeper_count; i++) {
        if (!epoch->keepers[i].is_reachable) VT_TRY(warn(writer, "A keeper did not answer when it was last asked."));
        else if (epoch->keeper_errors[i] != VAULT_OK)
            VT_TRY(warn(writer, "A keeper refused what it was last asked for: its last_error in the list of keepers says why."));
        if (epoch->keepers[i].is_same_device_as_store)
            VT_TRY(warn(writer, "A keeper's file lies on the store's own device: a copy of the disk holds both."));
    }
    return VAULT_OK;
}

static vault_status newest_backup(void *context, const struct vt_backup_entry *entry)
{
    struct vt_backup_entry *newest = context;
    const bool is_kept = entry->expires_at_ms == 0 || entry->expires_at_ms > newest->expires_at_ms;
    const bool is_whole = entry->bytes != 0;
    if (!is_kept || !is_whole || entry->commit_number <= newest->commit_number) return VAULT_OK;
    newest->commit_number = entry->commit_number;
    newest->created_at_ms = entry->created_at_ms;
    return VAULT_OK;
}

/* A lost store is a backup, rolled forward by the journal: both are needed, and without a gap between them. */
static VT_RESULT write_loss_bound(struct status_writer *writer, const struct vt_backup_entry *newest, struct vt_buf *text)
{
    const struct vt_journal_stats *journal = &writer->epoch.journal;
    char when[VT_TIME_TEXT_LEN];
    VT_TRY(vt_buf_append_str(text, "Losing the store's disk now would lose "));
    if (newest->commit_number == 0) {
        VT_TRY(warn(writer, "There is no backup: the journal alone brings no row back. Make one."));
        return vt_buf_append_str(text, "everything: no backup is registered that has not expired.");
    }
    if (!journal->has_records || newest->commit_number < journal->covers_from) {
        VT_TRY(warn(writer, "The journal was lost, or has a gap, after the newest backup. Make a backup now."));
        return vt_buf_append_str(text, "everything: the journal does not reach back to the newest backup.");
    }
    vt_time_format(newest->created_at_ms, when);
    if (journal->is_same_device_as_store)
        return vt_buf_printf(text, "everything: the journal, which reaches back to the backup of %s, lies on its device.", when);
    VT_TRY(vt_buf_printf(text, "the rows and tokens written since the backup of %s", when));
    if (journal->unsynced_commits != 0)
        VT_TRY(vt_buf_printf(text, ", and the keys of %llu commits that the journal has not synced",
                             (unsigned long long)journal->unsynced_commits));
    return vt_buf_append_str(text, "; backup and journal hold the rest, but this version has no command yet that joins them.");
}

static VT_RESULT put_loss_bound(struct status_writer *writer)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO(vt_buf) text = VT_BUF_INIT(LOSS_BOUND_MAX);
    struct vt_call *call = writer->call;
    struct vt_backup_entry newest = {.expires_at_ms = call->now_ms};
    VT_TRY(vt_txn_begin_read(call->vault->store, &txn));
    VT_TRY(vt_backup_each(txn, newest_backup, &newest));
    VT_TRY(write_loss_bound(writer, &newest, &text));
    return vt_put_bytes_text(call, &writer->map, "loss_bound", vt_buf_bytes(&text));
}

static VT_RESULT status_journal(struct status_writer *writer)
{
    struct vt_call *call = writer->call;
    const struct vt_epoch_status *epoch = &writer->epoch;
    struct vt_value map = vt_value_map();
    if (!epoch->has_journal) {
        VT_TRY(warn(writer, "There is no journal: losing the store's disk loses every key, and with them all backups."));
        return vt_put_text(call, &writer->map, "loss_bound",
                           "Losing the store's disk now would lose everything: there is no journal, and a backup's keyring opens "
                           "only while its epoch lives.");
    }
    VT_TRY(vt_put_int(call, &map, "records", (int64_t)epoch->journal.records));
    VT_TRY(vt_put_int(call, &map, "bytes", (int64_t)epoch->journal.bytes));
    VT_TRY(vt_put_int(call, &map, "unsynced_commits", (int64_t)epoch->journal.unsynced_commits));
    VT_TRY(vt_put_int(call, &map, "covers_from_commit", (int64_t)epoch->journal.covers_from));
    VT_TRY(vt_put_bool(call, &map, "same_device", epoch->journal.is_same_device_as_store));
    VT_TRY(vt_put_value(call, &writer->map, "journal", map));
    if (epoch->journal.is_same_device_as_store)
        VT_TRY(warn(writer, "The journal lies on the store's own device: losing the disk loses both."));
    if (epoch->journal.is_broken)
        VT_TRY(warn(writer, "The journal could not be synced and is shut: changes are refused until a restart."));
    return put_loss_bound(writer);
}

static VT_RESULT status_memory(struct status_writer *writer)
{
    struct vt_secret_stats stats;
    struct vt_thread_stats stacks;
    struct vt_value map = vt_value_map();
    struct vt_call *call = writer->call;
    vt_secret_stats(&stats);
    vt_thread_stats(&stacks);
    VT_TRY(vt_put_int(call, &map, "in_use_bytes", (int64_t)stats.in_use_bytes));
    VT_TRY(vt_put_int(call, &map, "mapped_bytes", (int64_t)stats.mapped_bytes));
    VT_TRY(vt_put_int(call, &map, "locked_bytes", (int64_t)stats.locked_bytes));
    VT_TRY(vt_put_int(call, &map, "stack_bytes", (int64_t)stacks.stack_bytes));
    VT_TRY(vt_put_int(call, &map, "locked_stack_bytes", (int64_t)stacks.locked_bytes));
    VT_TRY(vt_put_int(call, &map, "limit_bytes", stats.limit_bytes > INT64_MAX ? INT64_MAX : (int64_t)stats.limit_bytes));
    if (stats.locked_bytes < stats.mapped_bytes || stacks.locked_bytes < stacks.stack_bytes)
        VT_TRY(warn(writer, "Some secrets lie in memory that is not locked: raise RLIMIT_MEMLOCK (LimitMEMLOCK in the unit)."));
    return vt_put_value(call, &writer->map, "memory", map);
}

static VT_RESULT status_connections(struct status_writer *writer)
{
    struct vt_call *call = writer->call;
    const struct vt_held_counts *held = vt_vault_held(call->vault);
    if (held == NULL) return VAULT_OK;
    struct vt_value map = vt_value_map();
    const uint64_t bytes = atomic_load(&held->bytes);
    VT_TRY(vt_put_int(call, &map, "held_bytes", (int64_t)bytes));
    VT_TRY(vt_put_int(call, &map, "most_held_bytes", (int64_t)atomic_load(&held->most_bytes)));
    VT_TRY(vt_put_int(call, &map, "limit_bytes", (int64_t)held->max_bytes));
    VT_TRY(vt_put_int(call, &map, "connection_limit_bytes", (int64_t)held->connection_max_bytes));
    VT_TRY(vt_put_int(call, &map, "stalls", (int64_t)atomic_load(&held->stalls)));
    VT_TRY(vt_put_int(call, &map, "busy", (int64_t)atomic_load(&held->busy)));
    if (bytes >= held->max_bytes)
        VT_TRY(warn(writer, "Calls and answers hold as much memory as they may: large ones wait or are told to come back."));
    return vt_put_value(call, &writer->map, "connections", map);
}

static VT_RESULT status_store(struct status_writer *writer)
{
    struct vt_store_stats stats;
    struct vt_value map = vt_value_map();
    struct vt_call *call = writer->call;
    VT_TRY(vt_store_stats(call->vault->store, &stats));
    VT_TRY(vt_put_int(call, &map, "used_bytes", (int64_t)stats.used_bytes));
    VT_TRY(vt_put_int(call, &map, "file_bytes", (int64_t)stats.file_bytes));
    VT_TRY(vt_put_int(call, &map, "subjects", (int64_t)stats.entries[VT_TABLE_KEYBLOCK]));
    VT_TRY(vt_put_int(call, &map, "rows", (int64_t)stats.entries[VT_TABLE_ROW]));
    VT_TRY(vt_put_int(call, &map, "tokens", (int64_t)stats.entries[VT_TABLE_TOKEN]));
    VT_TRY(vt_put_int(call, &map, "oldest_reader_lag", (int64_t)stats.oldest_reader_lag));
    VT_TRY(vt_put_bool(call, &map, "full", stats.is_full));
    if (stats.is_full) VT_TRY(warn(writer, "The disk is full: writes are refused; make room and they resume by themselves."));
    return vt_put_value(call, &writer->map, "store", map);
}

static VT_RESULT put_last_restore(struct status_writer *writer, const struct vt_take_over_record *record)
{
    struct vt_call *call = writer->call;
    struct vt_value map = vt_value_map(), report;
    VT_TRY(vt_put_time(call, &map, "at", record->at_ms));
    VT_TRY(vt_put_int(call, &map, "incarnation", (int64_t)record->incarnation));
    VT_TRY(vt_put_id(call, &map, "backup", record->backup_id));
    VT_TRY(vt_put_id(call, &map, "job", record->job));
    VT_TRY(vt_call_restore_report(call, &record->report, &report));
    VT_TRY(vt_put_value(call, &map, "report", report));
    return vt_put_value(call, &writer->map, "last_restore", map);
}

static VT_RESULT status_last_restore(struct status_writer *writer)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_take_over_record record;
    VT_TRY(vt_txn_begin_read(writer->call->vault->store, &txn));
    const vault_status status = vt_take_over_record_read(txn, &record);
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(status);
    return put_last_restore(writer, &record);
}

struct backup_summary {
    uint64_t count;
    int64_t last_ms;
};

static vault_status sum_backup(void *context, const struct vt_backup_entry *entry)
{
    struct backup_summary *summary = context;
    if (entry->bytes == 0) return VAULT_OK;         /* under way, or cut off */
    summary->count++;
    summary->last_ms = VT_MAX(summary->last_ms, entry->created_at_ms);
    return VAULT_OK;
}

static VT_RESULT status_backup(struct status_writer *writer)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_call *call = writer->call;
    struct vt_value map = vt_value_map();
    struct backup_summary summary = {0};
    VT_TRY(vt_txn_begin_read(call->vault->store, &txn));
    VT_TRY(vt_backup_each(txn, sum_backup, &summary));
    VT_TRY(vt_put_int(call, &map, "registered", (int64_t)summary.count));
    if (summary.count != 0) VT_TRY(vt_put_time(call, &map, "last", summary.last_ms));
    return vt_put_value(call, &writer->map, "backup", map);
}

struct waiting_sum {
    uint64_t approvals, requests;
};

static vault_status sum_waiting(void *context, const struct vt_approval *approval)
{
    struct waiting_sum *sum = context;
    sum->approvals++;
    sum->requests += approval->item_count;
    return VAULT_OK;
}

static VT_RESULT brake_value(struct status_writer *writer, const struct vt_store_stats *stats, struct vt_value *out_map)
{
    struct vt_call *call = writer->call;
    const struct vt_brake_options *brake = &call->vault->options.brake;
    struct vt_value map = vt_value_map();
    struct waiting_sum sum = {0};
    uint64_t used;
    VT_TRY(vt_brake_used(call->txn, call->tenant, call->now_ms, &used));
    VT_TRY(vt_approval_each(call->view, false, sum_waiting, &sum));
    VT_TRY(vt_put_bool(call, &map, "on", brake->is_on));
    if (brake->is_on) {
        const uint64_t limit = vt_vault_brake_limit(call->vault, stats->entries[VT_TABLE_KEYBLOCK]);
        VT_TRY(vt_put_int(call, &map, "per_hour", (int64_t)limit));
        VT_TRY(vt_put_int(call, &map, "used", (int64_t)used));
        VT_TRY(vt_put_int(call, &map, "delay_s", brake->delay_ms / 1000));
    }
    VT_TRY(vt_put_int(call, &map, "approvals", (int64_t)sum.approvals));
    VT_TRY(vt_put_int(call, &map, "requests", (int64_t)sum.requests));
    *out_map = map;
    return VAULT_OK;
}

/* Known only while it is unsealed: what waits lies sealed in the store. */
static VT_RESULT status_brake(struct status_writer *writer)
{
    struct vt_call *call = writer->call;
    struct vt_store_stats stats;
    struct vt_value map;
    if (!call->vault->options.brake.is_on && !call->vault->options.is_read_only)
        VT_TRY(warn(writer, "The brake on mass shredding is off: one credential can have everybody forgotten at once."));
    if (call->view == NULL) return VAULT_OK;
    VT_TRY(vt_store_stats(call->vault->store, &stats));
    VT_TRY(vt_put_int(call, &writer->map, "holds", (int64_t)stats.entries[VT_TABLE_HOLD]));
    VT_TRY(brake_value(writer, &stats, &map));
    return vt_put_value(call, &writer->map, "brake", map);
}

/* The log is opened at the first unseal; before that its leaves are counted in the store. */
static VT_RESULT status_audit(struct status_writer *writer)
{
    struct vt_call *call = writer->call;
    struct vt_value audit = vt_value_map();
    struct vt_store_stats stats;
    uint64_t size = vt_vault_audit_size(call->vault);
    if (size == 0) {
        VT_TRY(vt_store_stats(call->vault->store, &stats));
        size = stats.entries[VT_TABLE_AUDIT];
    }
    VT_TRY(vt_put_int(call, &audit, "size", (int64_t)size));
    return vt_put_value(call, &writer->map, "audit", audit);
}

static VT_RESULT status_rest(struct status_writer *writer)
{
    struct vt_call *call = writer->call;
    struct vt_value jobs;
    VT_TRY(vt_jobs_list(call->vault->jobs, NULL, &call->scratch, &jobs));
    VT_TRY(vt_put_value(call, &writer->map, "jobs", jobs));
    const struct vt_vault_options *options = &call->vault->options;
    if (options->is_dev)
        VT_TRY(warn(writer, "Dev mode: the keeper and the unseal key lie beside the data. "
                            "Never keep people's data in it."));
    if (options->clock->is_test_clock) VT_TRY(warn(writer, "The test clock is set: what is signed says so."));
    if (vt_vault_state(call->vault) == VT_VAULT_TAKING_OVER)
        VT_TRY(warn(writer, "A restored environment is taking the vault over; seal cancels that until it is whole."));
    if (options->is_read_only) VT_TRY(warn(writer, "Read-only: a restored environment under inspection."));
    return VAULT_OK;
}

static vault_status status_prepare(struct vt_call *call)
{
    struct status_writer writer = {.call = call, .map = vt_value_map(), .warnings = vt_value_array()};
    VT_TRY(vt_epoch_status(call->vault->epoch, &writer.epoch));
    VT_TRY(put_state(call, &writer.map));
    VT_TRY(status_epoch(&writer));
    VT_TRY(status_journal(&writer));
    VT_TRY(status_memory(&writer));
    VT_TRY(status_connections(&writer));
    VT_TRY(status_store(&writer));
    VT_TRY(status_brake(&writer));
    VT_TRY(status_backup(&writer));
    VT_TRY(status_last_restore(&writer));
    VT_TRY(status_audit(&writer));
    VT_TRY(status_rest(&writer));
    VT_TRY(vt_put_value(call, &writer.map, "warnings", writer.warnings));
    return vt_call_result(call, &writer.map);
}
const struct vt_handler VT_HANDLER_VAULT_STATUS = {.command = "vault.status", .prepare = status_prepare};

/* epoch.*, job.status ----------------------------------------------------------------------------------- */

static vault_status epoch_status_prepare(struct vt_call *call)
{
    struct vt_epoch_status epoch;
    struct vt_value map = vt_value_map();
    VT_TRY(vt_epoch_status(call->vault->epoch, &epoch));
    VT_TRY(vt_put_int(call, &map, "epoch", (int64_t)epoch.epoch));
    VT_TRY(vt_put_int(call, &map, "pending", (int64_t)epoch.pending));
    VT_TRY(put_waiting(call, &epoch, &map));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_EPOCH_STATUS = {.command = "epoch.status", .prepare = epoch_status_prepare};

struct pending_numbers {
    struct vt_call *call;
    struct vt_value list;
    vault_status status;
};

static bool pending_number(void *context, const struct vt_pending *pending)
{
    struct pending_numbers *numbers = context;
    numbers->status = vt_value_push(&numbers->call->scratch, &numbers->list, vt_value_int((int64_t)pending->certificate), NULL);
    return numbers->status == VAULT_OK;
}

/* The call holds no snapshot while it waits: the fence waits for readers. */
static VT_RESULT close_and_wait(struct vt_call *call, bool even_if_empty)
{
    vt_keyring_view_end(call->view);
    call->view = NULL;
    vt_txn_abort(call->txn);
    call->txn = NULL;
    const vault_status status = vt_vault_close_epoch_wait(call->vault, even_if_empty);
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;     /* another close has taken what was pending along */
}

static vault_status epoch_close_prepare(struct vt_call *call)
{
    struct pending_numbers numbers = {call, vt_value_array(), VAULT_OK};
    struct vt_epoch_status epoch;
    struct vt_value map = vt_value_map();
    VT_TRY(vt_pending_walk(call->view, pending_number, &numbers));
    VT_TRY(numbers.status);
    VT_TRY(close_and_wait(call, false));
    VT_TRY(vt_epoch_status(call->vault->epoch, &epoch));
    VT_TRY(vt_put_int(call, &map, "epoch", (int64_t)epoch.epoch));
    VT_TRY(vt_put_value(call, &map, "certificates", numbers.list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_EPOCH_CLOSE = {.command = "epoch.close", .prepare = epoch_close_prepare};

static vault_status job_status_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map(), list;
    uint8_t id[16];
    const bool has_id = vt_call_text(call, "job").data != NULL;
    if (has_id) VT_TRY(vt_call_id(call, "job", id));
    VT_TRY(vt_jobs_list(call->vault->jobs, has_id ? id : NULL, &call->scratch, &list));
    VT_TRY(vt_put_value(call, &map, "jobs", list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_JOB_STATUS = {.command = "job.status", .prepare = job_status_prepare};
