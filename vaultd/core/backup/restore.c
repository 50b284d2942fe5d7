/* Building a new environment from an old backup. The live keyring decides: a row goes in only when its subject, its key and that
 * key's version are alive and open it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "vaultd/core/backup/backup.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/core/store/sync_dir.h"
#include "vaultd/core/subject/row.h"

enum { PUTS_PER_COMMIT = 20000, ROW_POOL_MAX = 64 * 1024 * 1024, PROGRESS_EVERY = 1024 };
#define RESTORED_KEY "restored"

struct restore {
    const struct vt_restore_options *options;
    struct vt_txn *live, *backup;       /* snapshots */
    struct vt_store *target;
    struct vt_txn *write;
    uint64_t puts, done, total;
    bool has_holds;
    struct vt_restore_report report;
    /* the subject at hand: RECORD entries come sid by sid */
    struct vt_sid sid;
    const struct vt_subject_keys *keys; /* NULL: erased or pending */
    bool has_sid;
};

/* Writing in bounded transactions ------------------------------------------------------------------------------------ */

static VT_RESULT target_turn(struct restore *restore)
{
    if (restore->write != NULL) {
        struct vt_txn *full = VT_MOVE(restore->write);
        VT_TRY(vt_txn_commit(full));
    }
    restore->puts = 0;
    return vt_txn_begin_write(restore->target, &restore->write);
}

static VT_RESULT target_put(struct restore *restore, enum vt_table table, struct vt_bytes key, struct vt_bytes value)
{
    if (restore->puts++ >= PUTS_PER_COMMIT) VT_TRY(target_turn(restore));
    return vt_store_put(restore->write, table, key, value, VT_PUT_DEFAULT);
}

static VT_RESULT progress(struct restore *restore)
{
    if (++restore->done % PROGRESS_EVERY != 0 || restore->options->progress == NULL) return VAULT_OK;
    const bool goes_on = restore->options->progress(restore->options->progress_context, restore->done, restore->total);
    return goes_on ? VAULT_OK : VAULT_E_CANCELLED;
}

/* What the store keeps for itself is the new one's own. */
static bool is_stores_own(enum vt_table table, struct vt_bytes key)
{
    return table == VT_TABLE_META && (vt_bytes_equal_str(key, "format") || vt_bytes_equal_str(key, "commit_base"));
}

static VT_RESULT copy_table(struct restore *restore, struct vt_txn *from, enum vt_table table, uint64_t *count)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    vault_status status;
    VT_TRY(vt_cursor_open(from, table, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        if (is_stores_own(table, key)) continue;
        VT_TRY(target_put(restore, table, key, value));
        if (count != NULL) ++*count;
        VT_TRY(progress(restore));
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* Rows --------------------------------------------------------------------------------------------------------------- */

static VT_RESULT subject_turn(struct restore *restore, const struct vt_sid *sid)
{
    const struct vt_restore_options *options = restore->options;
    if (restore->has_sid && vt_sid_equal(&restore->sid, sid)) return VAULT_OK;
    restore->sid = *sid;
    restore->has_sid = true;
    restore->keys = NULL;
    restore->report.subjects_in_backup++;
    const bool is_pending = vt_stamps_is_pending(options->stamps, &(struct vt_scope){.sid = *sid});
    const vault_status alive = vt_keyring_subject_keys(options->view, options->tenant, sid, &restore->keys);
    VT_ENSURE(alive == VAULT_OK || alive == VAULT_E_NOT_FOUND, alive);
    if (alive != VAULT_OK || is_pending) {
        restore->keys = NULL;
        restore->report.subjects_erased++;
        return VAULT_OK;
    }
    restore->report.subjects_kept++;
    return VAULT_OK;
}

static VT_RESULT row_groups_copy(struct restore *restore, struct vt_txn *from, const struct vt_row_name *name)
{
    for (uint16_t group = 0; group < name->group_count; group++) {
        uint8_t key[VT_ROW_KEY_LEN];
        struct vt_bytes value;
        vt_row_key(name->record, name->category, group, key);
        VT_TRY(vt_store_get(from, VT_TABLE_ROW, VT_BYTES_OF(key), &value));
        VT_TRY(target_put(restore, VT_TABLE_ROW, VT_BYTES_OF(key), value));
    }
    return VAULT_OK;
}

/* Does the live vault have the row, and can it be read? Whether it came over is said of this row alone: a record's other rows
 * came over or not by themselves. @return also VAULT_E_AUTHENTICITY, VAULT_E_CORRUPT */
static VT_RESULT row_of_now(struct restore *restore, const struct vt_row_name *name, bool *out_came)
{
    const struct vt_restore_options *options = restore->options;
    struct vt_row row;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(ROW_POOL_MAX);
    vault_status status = VAULT_E_NOT_FOUND;
    const struct vt_scope scope = {restore->sid, name->category, name->record};
    if (restore->keys != NULL && !vt_stamps_is_pending(options->stamps, &scope))
        status = vt_row_open(options->view, options->tenant, restore->keys, name->record, name->category, &pool, &row);
    if (status == VAULT_E_NOT_FOUND || status == VAULT_E_ERASED) return VAULT_OK;
    VT_TRY(status);
    const struct vt_row_name now = {name->record, name->category, row.group_count};
    VT_TRY(row_groups_copy(restore, restore->live, &now));
    restore->report.rows_of_now += row.group_count;
    *out_came = true;
    return VAULT_OK;
}

/* The backup's row is dead although its subject lives. When its key was replaced (a correction whose old value must not come
 * back, a rotation that destroyed the old version), the row of now is what that left behind, and it stays. */
static VT_RESULT dead_row(struct restore *restore, const struct vt_row_name *name, bool *out_came)
{
    bool came = false;
    VT_TRY(row_of_now(restore, name, &came));
    if (!came) restore->report.rows_erased += name->group_count;
    *out_came = came;
    return VAULT_OK;
}

/* A hold forbids to lose what the live vault has: its rows of now come over, and the backup's only where there is none. */
static VT_RESULT gate_row(const struct restore *restore, const struct vt_sid *sid, const struct vt_row_name *name)
{
    return restore->has_holds ? vt_gate_category(restore->live, restore->options->tenant, sid, name->category) : VAULT_OK;
}

/* A damaged row of now is none: it must neither hide what the backup still has nor make the take-over impossible. */
static VT_RESULT held_row(struct restore *restore, const struct vt_row_name *name, bool *out_came)
{
    const vault_status status = row_of_now(restore, name, out_came);
    if (status != VAULT_E_AUTHENTICITY && status != VAULT_E_CORRUPT) return status;
    restore->report.rows_damaged += name->group_count;
    return VAULT_OK;
}

/* A key version may have been dropped and its number never comes back, but only opening the row proves that it is alive. */
static VT_RESULT backup_row(struct restore *restore, const struct vt_row_name *name)
{
    const struct vt_restore_options *options = restore->options;
    struct vt_row row;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(ROW_POOL_MAX);
    const struct vt_scope scope = {restore->sid, name->category, name->record};
    VT_ENSURE(restore->keys != NULL && !vt_stamps_is_pending(options->stamps, &scope), VAULT_E_ERASED);
    VT_TRY(vt_row_open_in(restore->backup, options->view, options->tenant, restore->keys, name->record, name->category, &pool,
                          &row));
    restore->report.rows_kept += name->group_count;
    return row_groups_copy(restore, restore->backup, name);
}

static VT_RESULT row_restore(struct restore *restore, const struct vt_row_name *name, bool *out_came)
{
    const vault_status gate = gate_row(restore, &restore->sid, name);
    bool came = false;
    VT_ENSURE(gate == VAULT_OK || gate == VAULT_E_HELD, gate);
    if (gate == VAULT_E_HELD) VT_TRY(held_row(restore, name, &came));
    if (!came) {
        const vault_status status = backup_row(restore, name);
        const bool is_dead = status == VAULT_E_ERASED || status == VAULT_E_AUTHENTICITY;
        if (!is_dead) VT_TRY(status);
        if (is_dead && gate == VAULT_OK) VT_TRY(dead_row(restore, name, &came));
        if (is_dead && gate == VAULT_E_HELD) restore->report.rows_erased += name->group_count;
        came = came || !is_dead;
    }
    *out_came = came;
    return VAULT_OK;
}

static VT_RESULT record_restore(struct restore *restore, struct vt_bytes key)
{
    struct vt_sid sid;
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    size_t count;
    bool is_kept = false;
    VT_ENSURE(key.len == VT_RECORD_KEY_LEN, VAULT_E_CORRUPT);
    memcpy(sid.bytes, key.data, sizeof sid.bytes);
    VT_TRY(subject_turn(restore, &sid));
    VT_TRY(vt_rows_of_record(restore->backup, vt_get_u64(key.data + 18), names, &count));
    if (vt_get_u16(key.data + 16) == 0) {       /* the subject's own comes from the live vault: own_records_keep() */
        for (size_t i = 0; restore->keys == NULL && i < count; i++) restore->report.rows_erased += names[i].group_count;
        return VAULT_OK;
    }
    const vault_status gone = restore->options->find_deletion(restore->options->view, &sid, vt_get_u64(key.data + 18));
    VT_ENSURE(gone == VAULT_OK || gone == VAULT_E_NOT_FOUND, gone);
    for (size_t i = 0; gone == VAULT_OK && i < count; i++) restore->report.rows_erased += names[i].group_count;
    for (size_t i = 0; gone != VAULT_OK && i < count; i++) {
        bool came = false;
        VT_TRY(row_restore(restore, &names[i], &came));
        is_kept = is_kept || came;
    }
    if (!is_kept) return VAULT_OK;
    static const uint8_t PRESENT[1] = {1};
    restore->report.records++;
    return target_put(restore, VT_TABLE_RECORD, key, VT_BYTES_OF(PRESENT));
}

static VT_RESULT records_restore(struct restore *restore)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    vault_status status;
    VT_TRY(vt_cursor_open(restore->backup, VT_TABLE_RECORD, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        VT_TRY(record_restore(restore, key));
        VT_TRY(progress(restore));
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* Who there is, and by which external id, is the live vault's, as its keyring and index are: whoever came since the backup has no
 * records any more, but is known and can be forgotten, since younger backups hold their data. */
static VT_RESULT own_record_keep(struct restore *restore, struct vt_bytes key, struct vt_bytes value)
{
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    struct vt_sid sid;
    size_t count;
    const struct vt_subject_keys *keys;
    VT_ENSURE(key.len == VT_RECORD_KEY_LEN, VAULT_E_CORRUPT);
    if (vt_get_u16(key.data + 16) != 0) return VAULT_OK;
    memcpy(sid.bytes, key.data, sizeof sid.bytes);
    if (vt_stamps_is_pending(restore->options->stamps, &(struct vt_scope){.sid = sid})) return VAULT_OK;
    const vault_status alive = vt_keyring_subject_keys(restore->options->view, restore->options->tenant, &sid, &keys);
    if (alive == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(alive);
    VT_TRY(vt_rows_of_record(restore->live, vt_get_u64(key.data + 18), names, &count));
    for (size_t i = 0; i < count; i++) {
        restore->report.rows_kept += names[i].group_count;
        VT_TRY(row_groups_copy(restore, restore->live, &names[i]));
    }
    restore->report.records++;
    return target_put(restore, VT_TABLE_RECORD, key, value);
}

/* Records that a hold forbids to lose and that came, or grew into another category, since the backup. */
static VT_RESULT held_record_keep(struct restore *restore, struct vt_bytes key, struct vt_bytes value)
{
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    struct vt_bytes present;
    size_t count;
    VT_ENSURE(key.len == VT_RECORD_KEY_LEN, VAULT_E_CORRUPT);
    if (!restore->has_holds || vt_get_u16(key.data + 16) == 0) return VAULT_OK;
    struct vt_sid sid;
    memcpy(sid.bytes, key.data, sizeof sid.bytes);
    VT_TRY(vt_rows_of_record(restore->live, vt_get_u64(key.data + 18), names, &count));
    for (size_t i = 0; i < count; i++) {
        uint8_t row_key[VT_ROW_KEY_LEN];
        const vault_status gate = gate_row(restore, &sid, &names[i]);
        if (gate == VAULT_OK) continue;
        VT_ENSURE(gate == VAULT_E_HELD, gate);
        vt_row_key(names[i].record, names[i].category, 0, row_key);
        const vault_status found = vt_store_get(restore->write, VT_TABLE_ROW, VT_BYTES_OF(row_key), &present);
        if (found == VAULT_OK) continue;
        VT_ENSURE(found == VAULT_E_NOT_FOUND, found);
        restore->report.rows_of_now += names[i].group_count;
        VT_TRY(row_groups_copy(restore, restore->live, &names[i]));
        const vault_status known = vt_store_get(restore->write, VT_TABLE_RECORD, key, &present);
        VT_ENSURE(known == VAULT_OK || known == VAULT_E_NOT_FOUND, known);
        restore->report.records += known == VAULT_E_NOT_FOUND;
        VT_TRY(target_put(restore, VT_TABLE_RECORD, key, value));
    }
    return VAULT_OK;
}

static VT_RESULT own_records_keep(struct restore *restore)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    vault_status status;
    VT_TRY(vt_cursor_open(restore->live, VT_TABLE_RECORD, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        VT_TRY(own_record_keep(restore, key, value));
        VT_TRY(held_record_keep(restore, key, value));
        VT_TRY(progress(restore));
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* The gap ------------------------------------------------------------------------------------------------------------ */

/* Rows of now that the new environment has not, or has in another state. */
static VT_RESULT count_lost(struct restore *restore)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value, old;
    vault_status status;
    VT_TRY(vt_cursor_open(restore->live, VT_TABLE_ROW, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        const vault_status found = vt_store_get(restore->write, VT_TABLE_ROW, key, &old);
        VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
        restore->report.rows_lost += found == VAULT_E_NOT_FOUND || !vt_bytes_equal(old, value);
        VT_TRY(progress(restore));
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static VT_RESULT count_new_subjects(struct restore *restore)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value, old;
    vault_status status;
    VT_TRY(vt_cursor_open(restore->live, VT_TABLE_KEYBLOCK, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        const vault_status found = vt_store_get(restore->backup, VT_TABLE_KEYBLOCK, key, &old);
        VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
        restore->report.subjects_without_rows += found == VAULT_E_NOT_FOUND;
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* The whole ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT tables_restore(struct restore *restore)
{
    /* Never from the backup: keyring, what was forgotten, who may do what, the log. */
    static const enum vt_table LIVE[] = {VT_TABLE_META,        VT_TABLE_PAGE,       VT_TABLE_KEYBLOCK,   VT_TABLE_LEDGER,
                                         VT_TABLE_LEDGER_SID,  VT_TABLE_PENDING,    VT_TABLE_CERTIFICATE, VT_TABLE_CONFIG,
                                         VT_TABLE_AUDIT,       VT_TABLE_AUDIT_NODE, VT_TABLE_BACKUP,      VT_TABLE_HOLD,
                                         VT_TABLE_APPROVAL,    VT_TABLE_WAITING,    VT_TABLE_CERTIFICATE_LOG};
    for (size_t i = 0; i < VT_ARRAY_LEN(LIVE); i++) VT_TRY(copy_table(restore, restore->live, LIVE[i], NULL));
    /* A dead token must still answer; a state of now wins over one of then. */
    VT_TRY(copy_table(restore, restore->backup, VT_TABLE_TOKEN, &restore->report.tokens));
    VT_TRY(copy_table(restore, restore->live, VT_TABLE_TOKEN, NULL));
    /* Which rows of which files are in: those that come back must not be imported twice, those that came later may come again. */
    VT_TRY(copy_table(restore, restore->backup, VT_TABLE_JOB, NULL));
    VT_TRY(records_restore(restore));
    VT_TRY(own_records_keep(restore));
    VT_TRY(count_lost(restore));
    return count_new_subjects(restore);
}

static VT_RESULT total_of(struct restore *restore)
{
    struct vt_store_stats stats;
    VT_TRY(vt_store_stats(restore->options->backup, &stats));
    for (int table = 0; table < VT_TABLE_COUNT; table++) restore->total += stats.entries[table];
    return VAULT_OK;
}

static VT_RESULT restore_into(struct restore *restore)
{
    restore->live = vt_keyring_view_txn(restore->options->view);
    VT_TRY(vt_hold_is_any(restore->live, &restore->has_holds));
    VT_TRY(total_of(restore));
    VT_TRY(target_turn(restore));
    VT_TRY(tables_restore(restore));
    VT_TRY(target_turn(restore));
    VT_TRY(vt_store_raise_commit_number(restore->write, vt_store_commit_number(restore->live) + 1));
    static const uint8_t MARK[1] = {1};
    VT_TRY(vt_store_put(restore->write, VT_TABLE_META, vt_bytes_str(RESTORED_KEY), VT_BYTES_OF(MARK), VT_PUT_DEFAULT));
    struct vt_txn *last = VT_MOVE(restore->write);
    return vt_txn_commit(last);
}

static VT_RESULT restore_store(const struct vt_restore_options *options, const char *partial, struct vt_restore_report *out_report)
{
    struct restore restore = {.options = options};
    VT_TRY(vt_txn_begin_read(options->backup, &restore.backup));
    const struct vt_store_lmdb_options store_options = {.map_bytes = 0};
    vault_status status = vt_store_lmdb_open(partial, &store_options, &restore.target);
    if (status == VAULT_OK) status = restore_into(&restore);
    vt_txn_abort(restore.write);
    vt_store_free(restore.target);
    vt_txn_abort(restore.backup);
    VT_TRY(status);
    *out_report = restore.report;
    return VAULT_OK;
}

VT_RESULT vt_restore_is_copy(struct vt_store *store, bool *out_is_copy)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_bytes mark;
    VT_TRY(vt_txn_begin_read(store, &txn));
    const vault_status status = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(RESTORED_KEY), &mark);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    *out_is_copy = status == VAULT_OK;
    return VAULT_OK;
}

VT_RESULT vt_restore_unmark(struct vt_txn *txn)
{
    const vault_status status = vt_store_delete(txn, VT_TABLE_META, vt_bytes_str(RESTORED_KEY));
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static VT_RESULT give_name(const char *dir, const char *partial, const char *final)
{
    VT_ENSURE(rename(partial, final) == 0, VAULT_E_IO);
    VT_TRY(vt_sync_dir(dir));
    return vt_sync_parent(dir);
}

VT_RESULT vt_restore_build(const struct vt_restore_options *options, struct vt_restore_report *out_report, struct vt_err *err)
{
    char partial[VT_BACKUP_PATH_MAX], final[VT_BACKUP_PATH_MAX];
    struct vt_restore_report report;
    const int partial_len = snprintf(partial, sizeof partial, "%s/store.partial", options->to_dir);
    const int final_len = snprintf(final, sizeof final, "%s/store", options->to_dir);
    VT_ENSURE(partial_len < (int)sizeof partial && final_len < (int)sizeof final, VAULT_E_TOO_LARGE);
    VT_TRY(vt_backup_make_dir(options->to_dir, options->field, err));
    vault_status status = restore_store(options, partial, &report);
    if (status == VAULT_OK) status = give_name(options->to_dir, partial, final);
    if (status != VAULT_OK) {
        vt_restore_remove(options->to_dir);
        return vt_fail(err, status, options->field, "The restored copy could not be written and has been removed: %s",
                       vault_status_text(status));
    }
    *out_report = report;
    return VAULT_OK;
}
