/* The index of a restored environment. Its T_idx is the live vault's, its rows are partly the backup's; every row remembers its
 * own entries, so what the two have in common need not be looked at. Four passes: entries of rows that are not restored go, those
 * of restored rows come; then values of deterministic tokens go that nobody holds any more, and those come that somebody does. */
#include "libvault/base/fault.h"
#include "vaultd/core/backup/backup.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/core/subject/row.h"
#include "vaultd/core/token/reindex.h"

enum { CHANGES_PER_COMMIT = 256, REKEY_PAGES = 256, INDEX_POOL_MAX = 64 * 1024 * 1024, LOOK_EVERY = 1024 };

struct reindex {
    const struct vt_restore_index *options;
    struct vt_txn *live;
    struct vt_txn *txn;                 /* of the new environment */
    struct vt_keyring_write *write;
    struct vt_restore_report *report;
    uint64_t changes, done;
    /* the row at hand */
    struct vt_subject_env env;
    struct vt_sid sid;
    struct vt_row_name name;
};

/* Commits of the new environment -------------------------------------------------------------------------------------- */

static VT_RESULT turn_begin(struct reindex *reindex)
{
    reindex->changes = 0;
    VT_TRY(vt_txn_begin_write(reindex->options->store, &reindex->txn));
    VT_TRY(vt_keyring_write_begin(reindex->options->ring, reindex->txn, &reindex->write));
    vt_keyring_write_without_delta(reindex->write);
    return VAULT_OK;
}

static void turn_drop(struct reindex *reindex)
{
    if (reindex->write != NULL) vt_keyring_write_aborted(VT_MOVE(reindex->write));
    if (reindex->txn != NULL) vt_txn_abort(VT_MOVE(reindex->txn));
}

static VT_RESULT turn_end(struct reindex *reindex)
{
    struct vt_keyring_delta delta;
    const bool is_dirty = vt_keyring_write_is_dirty(reindex->write);
    if (is_dirty) VT_TRY(vt_keyring_write_finish(reindex->write, NULL, &delta));
    struct vt_txn *txn = VT_MOVE(reindex->txn);
    const vault_status status = vt_txn_commit(txn);
    struct vt_keyring_write *write = VT_MOVE(reindex->write);
    if (status == VAULT_OK && is_dirty) vt_keyring_write_committed(write);
    else vt_keyring_write_aborted(write);
    return status;
}

static VT_RESULT look_around(struct reindex *reindex)
{
    const struct vt_restore_index *options = reindex->options;
    if (++reindex->done % LOOK_EVERY != 0 || options->progress == NULL) return VAULT_OK;
    return options->progress(options->progress_context, reindex->done, 0) ? VAULT_OK : VAULT_E_CANCELLED;
}

/* Rows ---------------------------------------------------------------------------------------------------------------- */

static VT_RESULT group_get(struct vt_txn *txn, const struct vt_row_name *name, struct vt_bytes *out_value)
{
    uint8_t key[VT_ROW_KEY_LEN];
    vt_row_key(name->record, name->category, 0, key);
    const vault_status status = vt_store_get(txn, VT_TABLE_ROW, VT_BYTES_OF(key), out_value);
    if (status == VAULT_E_NOT_FOUND) *out_value = VT_BYTES_EMPTY;
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* All groups of a row are sealed together, with fresh salts: the first tells. */
static VT_RESULT is_common(const struct reindex *reindex, bool *out_is)
{
    struct vt_bytes now, new_;
    VT_TRY(group_get(reindex->live, &reindex->name, &now));
    VT_TRY(group_get(reindex->txn, &reindex->name, &new_));
    *out_is = vt_bytes_equal(now, new_);
    return VAULT_OK;
}

/* @return VAULT_E_ERASED: nothing of it is readable, so nothing of it is in the index */
static VT_RESULT row_read(const struct reindex *reindex, struct vt_txn *txn, const struct vt_subject_keys **out_keys,
                          struct vt_row *out_row)
{
    struct vt_keyring_view *view = vt_keyring_write_view(reindex->write);
    const vault_status status = vt_keyring_subject_keys(view, reindex->options->tenant, &reindex->sid, out_keys);
    if (status == VAULT_E_NOT_FOUND) return VAULT_E_ERASED;
    VT_TRY(status);
    return vt_row_open_in(txn, view, reindex->options->tenant, *out_keys, reindex->name.record, reindex->name.category,
                          reindex->env.pool, out_row);
}

static VT_RESULT entry_remove(struct reindex *reindex, const struct vt_reference *reference)
{
    const vault_status status =
        vt_keyring_index_remove(reindex->write, reindex->options->tenant, &reference->hash, reference->data);
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(status);
    reindex->changes++;
    reindex->report->index_removed++;
    return VAULT_OK;
}

/* @param out_is_in false: somebody else has a value that only one may have, or the value has too many holders */
static VT_RESULT entry_add(struct reindex *reindex, const struct vt_row *row, const struct vt_reference *reference, bool *out_is_in)
{
    const vt_tenant_id tenant = reindex->options->tenant;
    const bool is_unique = vt_reference_is_unique(reindex->options->schemas, row, reference);
    vault_status status = vt_keyring_index_check_add(reindex->write, tenant, &reference->hash, reference->data);
    *out_is_in = true;
    if (status == VAULT_E_EXISTS) return VAULT_OK;
    if (status == VAULT_OK)
        status = vt_keyring_index_add(reindex->write, tenant, &reference->hash, reference->data, is_unique);
    *out_is_in = status == VAULT_OK;
    reindex->report->index_conflicts += status == VAULT_E_EXISTS || status == VAULT_E_LIMIT;
    if (status == VAULT_E_EXISTS || status == VAULT_E_LIMIT) return VAULT_OK;
    VT_TRY(status);
    reindex->changes++;
    reindex->report->index_added++;
    return VAULT_OK;
}

/* What a damaged row of now has in the index is not known: that stays, and the report says so. Whoever takes over may be doing it
 * because of that damage. Rows of the held are counted already, when the backup's took their place. */
static VT_RESULT damaged_row(struct reindex *reindex)
{
    const vt_tenant_id tenant = reindex->options->tenant;
    const vault_status gate = vt_gate_category(reindex->live, tenant, &reindex->sid, reindex->name.category);
    VT_ENSURE(gate == VAULT_OK || gate == VAULT_E_HELD, gate);
    if (gate == VAULT_OK) reindex->report->rows_damaged += reindex->name.group_count;
    return VAULT_OK;
}

/* The passes ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT row_leaves(struct reindex *reindex)
{
    const struct vt_subject_keys *keys;
    struct vt_row row;
    const vault_status status = row_read(reindex, reindex->live, &keys, &row);
    if (status == VAULT_E_ERASED) return VAULT_OK;
    if (status == VAULT_E_AUTHENTICITY || status == VAULT_E_CORRUPT) return damaged_row(reindex);
    VT_TRY(status);
    for (size_t i = 0; i < row.reference_count; i++)
        if (row.references[i].kind != VT_REF_TOKEN_VALUE) VT_TRY(entry_remove(reindex, &row.references[i]));
    return VAULT_OK;
}

/* A row must not remember an entry that it does not have: every later change of it would fail. */
static VT_RESULT add_entries(struct reindex *reindex, struct vt_row *row, bool *out_changed)
{
    size_t kept = 0;
    for (size_t i = 0; i < row->reference_count; i++) {
        bool is_in = true;
        if (row->references[i].kind != VT_REF_TOKEN_VALUE) VT_TRY(entry_add(reindex, row, &row->references[i], &is_in));
        if (is_in) row->references[kept++] = row->references[i];
        else *out_changed = true;
    }
    row->reference_count = kept;
    return VAULT_OK;
}

static VT_RESULT row_reseal(struct reindex *reindex, const struct vt_data_key *key, struct vt_row *row)
{
    VT_AUTO_PTR(vt_change) change = NULL;
    row->version++;
    reindex->changes++;
    VT_TRY(vt_change_new(reindex->options->tenant, &change));
    VT_TRY(vt_row_put(reindex->env.view, reindex->options->tenant, key, row, row->group_count, change));
    return vt_change_apply(change, reindex->write, reindex->txn);
}

/* Fields first: an index key may have been replaced since, and the schema may ask for others. */
static VT_RESULT references_renew(struct reindex *reindex, struct vt_row *row, bool *out_changed)
{
    const struct vt_token_env env = {.subject = reindex->env, .templates = reindex->options->templates};
    bool fields_changed, tokens_changed;
    size_t lost;
    VT_TRY(vt_row_refresh_references(&reindex->env, row, &fields_changed));
    VT_TRY(vt_reindex_row(&env, row, &tokens_changed, &lost));
    reindex->report->index_conflicts += lost;
    *out_changed = fields_changed || tokens_changed;
    return VAULT_OK;
}

/* A row under a key version that is kept for restoring alone comes back under the live one. */
static VT_RESULT row_comes(struct reindex *reindex)
{
    const struct vt_subject_keys *keys;
    struct vt_row row;
    bool has_changed;
    const vault_status status = row_read(reindex, reindex->txn, &keys, &row);
    if (status == VAULT_E_ERASED) return VAULT_OK;
    VT_TRY(status);
    VT_TRY(references_renew(reindex, &row, &has_changed));
    VT_TRY(add_entries(reindex, &row, &has_changed));
    const uint64_t key_record = row.has_record_key ? row.record : 0;
    const struct vt_data_key *key = vt_subject_keys_live(keys, row.category, key_record);
    if (key == NULL || key->record != key_record) key = vt_subject_keys_find(keys, row.category, key_record, row.dek_version);
    VT_ENSURE(key != NULL, VAULT_E_CORRUPT);
    return has_changed || key->version != row.dek_version ? row_reseal(reindex, key, &row) : VAULT_OK;
}

static VT_RESULT value_leaves(struct reindex *reindex)
{
    const struct vt_subject_keys *keys;
    struct vt_row row;
    const vault_status status = row_read(reindex, reindex->live, &keys, &row);
    if (status == VAULT_E_ERASED) return VAULT_OK;
    if (status == VAULT_E_AUTHENTICITY || status == VAULT_E_CORRUPT) return VAULT_OK;     /* row_leaves() has counted it */
    VT_TRY(status);
    for (size_t i = 0; i < row.reference_count; i++) {
        const struct vt_reference *reference = &row.references[i];
        if (reference->kind != VT_REF_TOKEN_VALUE) continue;
        reindex->changes++;
        VT_TRY(vt_token_reference_gone(NULL, reindex->write, reindex->options->tenant, reference->kind, &reference->hash,
                                       reference->data));
    }
    return VAULT_OK;
}

static VT_RESULT value_comes(struct reindex *reindex)
{
    const struct vt_subject_keys *keys;
    struct vt_row row;
    bool is_in;
    const vault_status status = row_read(reindex, reindex->txn, &keys, &row);
    if (status == VAULT_E_ERASED) return VAULT_OK;
    VT_TRY(status);
    for (size_t i = 0; i < row.reference_count; i++)
        if (row.references[i].kind == VT_REF_TOKEN_VALUE) VT_TRY(entry_add(reindex, &row, &row.references[i], &is_in));
    return VAULT_OK;
}

/* Walking ------------------------------------------------------------------------------------------------------------- */

struct pass {
    bool is_of_live;                    /* the rows of now; else those of the new environment */
    vault_status (*row)(struct reindex *reindex);
};

static VT_RESULT row_visit(struct reindex *reindex, const struct pass *pass)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(INDEX_POOL_MAX);
    struct vt_err err = {{0}, {0}};
    bool is_same;
    VT_TRY(is_common(reindex, &is_same));
    if (is_same) return VAULT_OK;
    reindex->env = (struct vt_subject_env){.view = vt_keyring_write_view(reindex->write), .tenant = reindex->options->tenant,
                                           .schemas = reindex->options->schemas, .pool = &pool, .err = &err};
    return pass->row(reindex);
}

static VT_RESULT record_visit(struct reindex *reindex, const struct pass *pass, const uint8_t key[VT_RECORD_KEY_LEN])
{
    struct vt_row_name names[VT_ROWS_PER_RECORD];
    size_t count;
    if (vt_get_u16(key + 16) == 0) return VAULT_OK;     /* the subject's own row is the live one */
    memcpy(reindex->sid.bytes, key, sizeof reindex->sid.bytes);
    VT_TRY(vt_rows_of_record(pass->is_of_live ? reindex->live : reindex->txn, vt_get_u64(key + 18), names, &count));
    for (size_t i = 0; i < count; i++) {
        reindex->name = names[i];
        VT_TRY(row_visit(reindex, pass));
    }
    return look_around(reindex);
}

/* From behind @p at until enough has changed for one commit. */
static VT_RESULT pass_some(struct reindex *reindex, const struct pass *pass, uint8_t at[VT_RECORD_KEY_LEN], bool *out_done)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    VT_TRY(vt_cursor_open(pass->is_of_live ? reindex->live : reindex->txn, VT_TABLE_RECORD, &cursor));
    vault_status status = vt_cursor_seek(cursor, vt_bytes(at, VT_RECORD_KEY_LEN), &key, &value);
    for (; status == VAULT_OK; status = vt_cursor_next(cursor, &key, &value)) {
        VT_ENSURE(key.len == VT_RECORD_KEY_LEN, VAULT_E_CORRUPT);
        memcpy(at, key.data, VT_RECORD_KEY_LEN);
        if (reindex->changes >= CHANGES_PER_COMMIT) return VAULT_OK;
        VT_TRY(record_visit(reindex, pass, at));
    }
    *out_done = status == VAULT_E_NOT_FOUND;
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static VT_RESULT pass_run(struct reindex *reindex, const struct pass *pass)
{
    uint8_t at[VT_RECORD_KEY_LEN] = {0};
    for (bool is_done = false; !is_done;) {
        vault_status status = turn_begin(reindex);
        if (status == VAULT_OK) status = pass_some(reindex, pass, at, &is_done);
        if (status == VAULT_OK) status = turn_end(reindex);
        if (status != VAULT_OK) turn_drop(reindex);
        VT_TRY(status);
    }
    return VAULT_OK;
}

VT_RESULT vt_restore_reindex(const struct vt_restore_index *options, struct vt_restore_report *report)
{
    static const struct pass PASSES[] = {{true, row_leaves}, {false, row_comes}, {true, value_leaves}, {false, value_comes}};
    struct reindex reindex = {.options = options, .live = vt_keyring_view_txn(options->live), .report = report};
    for (size_t i = 0; i < VT_ARRAY_LEN(PASSES); i++) VT_TRY(pass_run(&reindex, &PASSES[i]));
    return VAULT_OK;
}

VT_RESULT vt_restore_rekey(const struct vt_restore_index *options)
{
    struct vt_restore_report ignored = {0};
    struct reindex reindex = {.options = options, .report = &ignored};
    uint8_t cursor[32] = {0};
    for (bool is_done = false; !is_done;) {
        const bool goes_on = options->progress == NULL || options->progress(options->progress_context, ++reindex.done, 0);
        VT_ENSURE(goes_on, VAULT_E_CANCELLED);
        vault_status status = turn_begin(&reindex);
        if (status == VAULT_OK) status = vt_keyring_rekey_step(reindex.write, cursor, REKEY_PAGES, &is_done);
        if (status == VAULT_OK) status = turn_end(&reindex);
        if (status != VAULT_OK) turn_drop(&reindex);
        VT_TRY(status);
    }
    return VAULT_OK;
}
