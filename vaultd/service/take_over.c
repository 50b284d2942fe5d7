#include "vaultd/service/take_over.h"

#include <stdio.h>

#include "libvault/base/fault.h"
#include "vaultd/core/epoch/ledger.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/vault_internal.h"

enum {
    STILL_TRIES = 8,
    RECORD_VERSION = 2,
    RECORD_COUNTS = 14,
    RECORD_COUNTS_1 = 13,               /* version 1 knew of no damaged rows */
    RECORD_HEAD = 1 + 16 + 16 + 8 + 8,
    RECORD_LEN = RECORD_HEAD + 8 * RECORD_COUNTS,
};
#define RECORD_KEY "take-over"

struct taking {
    struct vt_vault *vault;
    const struct vt_take_over *options;
    struct vt_err *err;
    struct vt_epoch_closing *closing;
    vault_status freeze_status;
    char dir[VT_BACKUP_PATH_MAX];       /* DATA_DIR/restore.<id> */
    struct vt_txn *live;
    struct vt_keyring_view *view;
    struct vt_schema_set *schemas;
    struct vt_template_set *templates;
    /* the new environment */
    struct vt_store *store;
    struct vt_keyring *ring;
    struct vt_restore_report report;
};

static bool goes_on(void *context, uint64_t done, uint64_t total)
{
    const struct taking *taking = context;
    const bool is_wished = !atomic_load(&taking->vault->take_over.is_cancelled);
    return is_wished && taking->options->progress(taking->options->progress_context, done, total);
}

/* Standing still ------------------------------------------------------------------------------------------------------ */

/* Committer: what was submitted before is in, whatever comes behind is refused. */
static vault_status still_freeze(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct taking *taking = context;
    (void)write, (void)txn;
    taking->freeze_status = vt_epoch_freeze_take_over(taking->vault->epoch, &taking->closing);
    if (taking->freeze_status == VAULT_OK) atomic_store(&taking->vault->take_over.is_still, true);
    return taking->freeze_status;
}

static VT_RESULT stand_still_once(struct taking *taking)
{
    struct vt_commit_item item = {.is_unaudited = true, .is_reserved = true, .exclusive = still_freeze, .context = taking};
    const vault_status closed = vt_vault_close_epoch_wait(taking->vault, false);
    VT_ENSURE(closed == VAULT_OK || closed == VAULT_E_NOT_FOUND, closed);
    taking->freeze_status = VAULT_E_BUSY;
    const vault_status status = vt_vault_commit_wait(taking->vault, &item);
    return taking->freeze_status != VAULT_OK ? taking->freeze_status : status;
}

/* Calls that were under way may still ask for shreds: they are forgotten first, since nothing may be pending. */
static VT_RESULT stand_still(struct taking *taking)
{
    vault_status status = VAULT_E_BUSY;
    for (unsigned i = 0; i < STILL_TRIES && (status == VAULT_E_BUSY || status == VAULT_E_STATE); i++) {
        VT_ENSURE(goes_on(taking, 0, 0), VAULT_E_CANCELLED);
        status = stand_still_once(taking);
    }
    if (status != VAULT_OK)
        return vt_fail(taking->err, status, NULL, "The epoch that was pending could not be closed first: %s",
                       vault_status_text(status));
    vt_fault_step("takeover.still");
    return VAULT_OK;
}

/* Building ------------------------------------------------------------------------------------------------------------ */

static vault_status find_deletion(struct vt_keyring_view *view, const struct vt_sid *sid, uint64_t record)
{
    struct vt_ledger_entry entry;
    return vt_ledger_find_deletion(view, sid, record, &entry);
}

static VT_RESULT build(struct taking *taking)
{
    const struct vt_restore_options options = {.backup = taking->options->backup, .view = taking->view,
                                               .stamps = taking->vault->stamps, .tenant = taking->options->tenant,
                                               .find_deletion = find_deletion, .to_dir = taking->dir,
                                               .progress = goes_on, .progress_context = taking};
    VT_TRY(vt_restore_build(&options, &taking->report, taking->err));
    vt_fault_step("takeover.built");
    return VAULT_OK;
}

static VT_RESULT open_new(struct taking *taking)
{
    char path[VT_BACKUP_PATH_MAX];
    const struct vt_store_lmdb_options options = {.must_exist = true};
    VT_ENSURE(snprintf(path, sizeof path, "%s/store", taking->dir) < (int)sizeof path, VAULT_E_TOO_LARGE);
    VT_TRY(vt_store_lmdb_open(path, &options, &taking->store));
    VT_TRY(vt_keyring_open(taking->store, &(struct vt_keyring_options){0}, &taking->ring));
    return vt_epoch_take_over_open(taking->closing, taking->ring);
}

static VT_RESULT begin_in(struct taking *taking, struct vt_keyring_write *write, struct vt_txn *txn)
{
    VT_TRY(vt_restore_unmark(txn));
    return vt_epoch_take_over_begin(taking->closing, write, txn, taking->options->manifest->backup_id);
}

/* The next incarnation: from here on nothing is sealed under the old root key. */
static VT_RESULT begin(struct taking *taking)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_keyring_write *write;
    VT_TRY(vt_txn_begin_write(taking->store, &txn));
    VT_TRY(vt_keyring_write_begin(taking->ring, txn, &write));
    vault_status status = begin_in(taking, write, txn);
    if (status == VAULT_OK) status = vt_txn_commit(VT_MOVE(txn));
    if (status == VAULT_OK) vt_keyring_write_committed(write);
    else vt_keyring_write_aborted(write);
    VT_TRY(status);
    vt_fault_step("takeover.begun");
    return VAULT_OK;
}

static VT_RESULT index_and_rekey(struct taking *taking)
{
    const struct vt_restore_index options = {.live = taking->view, .tenant = taking->options->tenant, .schemas = taking->schemas,
                                             .templates = taking->templates, .store = taking->store,
                                             .ring = taking->ring, .progress = goes_on, .progress_context = taking};
    VT_TRY(vt_restore_reindex(&options, &taking->report));
    vt_fault_step("takeover.indexed");
    VT_TRY(vt_restore_rekey(&options));
    vt_fault_step("takeover.rekeyed");
    return VAULT_OK;
}

/* The record and the leaf --------------------------------------------------------------------------------------------- */

/* Counts in the order of the format. */
static void report_counts(const struct vt_restore_report *report, uint64_t out_counts[RECORD_COUNTS])
{
    const uint64_t counts[RECORD_COUNTS] = {report->subjects_in_backup, report->subjects_kept, report->subjects_erased,
                                            report->records, report->rows_kept, report->rows_erased, report->rows_of_now,
                                            report->rows_lost, report->subjects_without_rows, report->tokens,
                                            report->index_removed, report->index_added, report->index_conflicts,
                                            report->rows_damaged};
    memcpy(out_counts, counts, sizeof counts);
}

static void report_take(const uint64_t counts[RECORD_COUNTS], struct vt_restore_report *out_report)
{
    *out_report = (struct vt_restore_report){
        .subjects_in_backup = counts[0], .subjects_kept = counts[1], .subjects_erased = counts[2], .records = counts[3],
        .rows_kept = counts[4], .rows_erased = counts[5], .rows_of_now = counts[6], .rows_lost = counts[7],
        .subjects_without_rows = counts[8], .tokens = counts[9], .index_removed = counts[10], .index_added = counts[11],
        .index_conflicts = counts[12], .rows_damaged = counts[13]};
}

/* version 2 | job 16 | backup 16 | incarnation 8 | at ms 8 | counts 8 each */
static VT_RESULT record_put(struct taking *taking, struct vt_txn *txn, uint64_t incarnation)
{
    uint8_t value[RECORD_LEN] = {RECORD_VERSION};
    uint64_t counts[RECORD_COUNTS];
    report_counts(&taking->report, counts);
    memcpy(value + 1, taking->options->job, 16);
    memcpy(value + 17, taking->options->manifest->backup_id, 16);
    vt_put_u64(value + 33, incarnation);
    vt_put_u64(value + 41, (uint64_t)vt_clock_now_ms(taking->vault->options.clock));
    for (size_t i = 0; i < RECORD_COUNTS; i++) vt_put_u64(value + RECORD_HEAD + 8 * i, counts[i]);
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(RECORD_KEY), VT_BYTES_OF(value), VT_PUT_DEFAULT);
}

VT_RESULT vt_take_over_record_read(struct vt_txn *txn, struct vt_take_over_record *out_record)
{
    struct vt_bytes value;
    struct vt_take_over_record record;
    uint64_t counts[RECORD_COUNTS] = {0};
    VT_TRY(vt_store_get(txn, VT_TABLE_META, vt_bytes_str(RECORD_KEY), &value));
    VT_ENSURE(value.len != 0 && (value.data[0] == 1 || value.data[0] == RECORD_VERSION), VAULT_E_FORMAT);
    const size_t count = value.data[0] == 1 ? RECORD_COUNTS_1 : RECORD_COUNTS;
    VT_ENSURE(value.len == RECORD_HEAD + 8 * count, VAULT_E_FORMAT);
    memcpy(record.job, value.data + 1, sizeof record.job);
    memcpy(record.backup_id, value.data + 17, sizeof record.backup_id);
    record.incarnation = vt_get_u64(value.data + 33);
    record.at_ms = (int64_t)vt_get_u64(value.data + 41);
    for (size_t i = 0; i < count; i++) counts[i] = vt_get_u64(value.data + RECORD_HEAD + 8 * i);
    report_take(counts, &record.report);
    *out_record = record;
    return VAULT_OK;
}

/* The log goes on where the live one stands: nothing is appended to that any more, so the two never part. */
static VT_RESULT leaf_append(struct taking *taking, struct vt_txn *txn, uint64_t incarnation)
{
    VT_AUTO_PTR(vt_audit) audit = NULL;
    struct vt_audit_leaf leaf = taking->options->leaf;
    leaf.incarnation = incarnation;
    leaf.time_ms = vt_clock_now_ms(taking->vault->options.clock);
    leaf.status = VAULT_OK;
    leaf.effect = VT_AUDIT_SYSTEM;
    if (taking->vault->options.clock->is_test_clock) leaf.flags |= VT_AUDIT_TEST_CLOCK;
    VT_TRY(vt_audit_open(txn, &audit));
    return vt_audit_append(audit, txn, &leaf, VT_BYTES_EMPTY, NULL);
}

static VT_RESULT end(struct taking *taking)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_root_record root;
    VT_TRY(vt_txn_begin_write(taking->store, &txn));
    VT_TRY(vt_keyring_root_record(txn, &root));
    VT_TRY(record_put(taking, txn, root.incarnation));
    VT_TRY(leaf_append(taking, txn, root.incarnation));
    return vt_txn_commit(VT_MOVE(txn));
}

/* All of it ----------------------------------------------------------------------------------------------------------- */

static VT_RESULT prepare(struct taking *taking)
{
    const vault_status status = vt_epoch_prepare(taking->closing);
    if (status == VAULT_OK) return VAULT_OK;
    return vt_fail(taking->err, status, "keepers", "The keepers did not take their shares of the next root key: %s",
                   vault_status_text(status));
}

/* The last look before the environment of now is given up: without k shares of the next root key neither would open. */
static VT_RESULT check_shares(struct taking *taking)
{
    const vault_status status = vt_epoch_take_over_check(taking->closing);
    if (status != VAULT_E_KEEPER) return status;
    return vt_fail(taking->err, status, "keepers",
                   "Too few keepers still hold their share of the next root key: some were restarted or are away. The take-over "
                   "was given up, and the vault is as it was.");
}

static VT_RESULT run(struct taking *taking)
{
    VT_TRY(stand_still(taking));
    VT_TRY(prepare(taking));
    VT_TRY(vt_vault_view(taking->vault, &taking->live, &taking->view));
    taking->schemas = vt_schemas_acquire(taking->vault->schemas, taking->options->tenant);
    taking->templates = vt_templates_acquire(taking->vault->templates, taking->options->tenant);
    VT_ENSURE(taking->schemas != NULL && taking->templates != NULL, VAULT_E_MEMORY);
    VT_TRY(build(taking));
    VT_TRY(open_new(taking));
    VT_TRY(begin(taking));
    VT_TRY(index_and_rekey(taking));
    VT_TRY(end(taking));
    vt_fault_step("takeover.whole");
    return check_shares(taking);
}

static void release(struct taking *taking)
{
    vt_keyring_free(taking->ring);
    vt_store_free(taking->store);
    if (taking->schemas != NULL) vt_schema_set_release(taking->schemas);
    if (taking->templates != NULL) vt_template_set_release(taking->templates);
    vt_keyring_view_end(taking->view);
    vt_txn_abort(taking->live);
}

static void give_up(struct taking *taking)
{
    struct vt_vault *vault = taking->vault;
    vt_fault_step("takeover.given_up");
    vt_epoch_closing_free(taking->closing);
    /* What cannot be removed now, the next start removes, and says so. */
    const vault_status cleared = vt_restore_clear(vault->options.data_dir, NULL, NULL);
    (void)cleared;
    atomic_store(&vault->take_over.is_still, false);
    vt_vault_begin_deniable(vault);                     /* nobody could deny anything meanwhile */
    int taking_over = VT_VAULT_TAKING_OVER;             /* unless somebody has sealed it */
    pthread_mutex_lock(&vault->take_over.mutex);
    atomic_store(&vault->take_over.is_cancelled, false);
    atomic_compare_exchange_strong(&vault->state, &taking_over, VT_VAULT_READY);
    pthread_cond_broadcast(&vault->take_over.changed);
    pthread_mutex_unlock(&vault->take_over.mutex);
}

static void succeed(struct taking *taking)
{
    struct vt_vault *vault = taking->vault;
    vt_epoch_take_over_keep(taking->closing);
    vt_epoch_closing_free(taking->closing);
    pthread_mutex_lock(&vault->take_over.mutex);
    vt_restore_dir_name(taking->options->job, vault->take_over.dir);
    pthread_cond_broadcast(&vault->take_over.changed);
    pthread_mutex_unlock(&vault->take_over.mutex);
    vault->take_over.restart(vault->take_over.restart_context);
}

static VT_RESULT may_begin(struct vt_vault *vault, struct vt_err *err)
{
    if (vault->options.data_dir == NULL || vault->take_over.restart == NULL)
        return vt_fail(err, VAULT_E_UNSUPPORTED, "take_over", "Nobody can restart this vault, so nothing can take it over.");
    if (vt_jobs_is_any_running(vault->jobs))
        return vt_fail(err, VAULT_E_BUSY, NULL, "A rotation is under way; a take-over begins when it has ended.");
    int ready = VT_VAULT_READY;
    if (atomic_compare_exchange_strong(&vault->state, &ready, VT_VAULT_TAKING_OVER)) return VAULT_OK;
    return vt_fail(err, VAULT_E_STATE, NULL, "A vault that is %s cannot be taken over.",
                   vt_vault_state_name((enum vt_vault_state)ready));
}

VT_RESULT vt_vault_take_over(struct vt_vault *vault, const struct vt_take_over *options, struct vt_restore_report *out_report,
                             struct vt_err *err)
{
    struct taking taking = {.vault = vault, .options = options, .err = err};
    char name[VT_RESTORE_DIR_NAME_LEN];
    VT_TRY(may_begin(vault, err));
    vt_restore_dir_name(options->job, name);
    const int len = snprintf(taking.dir, sizeof taking.dir, "%s/%s", vault->options.data_dir, name);
    const vault_status status = len < (int)sizeof taking.dir ? run(&taking) : VAULT_E_TOO_LARGE;
    release(&taking);
    if (status == VAULT_OK) *out_report = taking.report;
    if (status == VAULT_OK) succeed(&taking);
    else give_up(&taking);
    return status;
}

VT_RESULT vt_vault_take_over_cancel(struct vt_vault *vault)
{
    pthread_mutex_lock(&vault->take_over.mutex);
    while (atomic_load(&vault->state) == VT_VAULT_TAKING_OVER && vault->take_over.dir[0] == '\0') {
        atomic_store(&vault->take_over.is_cancelled, true);
        pthread_cond_wait(&vault->take_over.changed, &vault->take_over.mutex);
    }
    const bool is_whole = vault->take_over.dir[0] != '\0';
    pthread_mutex_unlock(&vault->take_over.mutex);
    return is_whole ? VAULT_E_SHUTDOWN : VAULT_OK;
}

void vt_vault_set_restart(struct vt_vault *vault, void (*restart)(void *context), void *context)
{
    vault->take_over.restart = restart;
    vault->take_over.restart_context = context;
}

const char *vt_vault_take_over_dir(struct vt_vault *vault)
{
    pthread_mutex_lock(&vault->take_over.mutex);
    const char *dir = vault->take_over.dir[0] != '\0' ? vault->take_over.dir : NULL;
    pthread_mutex_unlock(&vault->take_over.mutex);
    return dir;
}
