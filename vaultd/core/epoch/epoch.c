/* Life, status, ordinary commits, floors. */
#include "vaultd/core/epoch/epoch.h"

#include "libvault/base/fault.h"
#include "vaultd/core/epoch/epoch_internal.h"

static const uint64_t close_default_count = 1000;
static const int64_t close_default_ms = 15 * 60 * 1000;

int64_t vt_epoch_now_ms(const struct vt_epoch *epoch)
{
    return vt_clock_now_ms(epoch->options.clock);
}

struct vt_epoch_id vt_epoch_id_of(const struct vt_root_record *root)
{
    struct vt_epoch_id id = {.incarnation = root->incarnation, .epoch = root->epoch};
    memcpy(id.attempt, root->attempt, sizeof id.attempt);
    return id;
}

struct vt_epoch_id vt_epoch_current(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->mutex);
    const struct vt_epoch_id id = epoch->current;
    pthread_mutex_unlock(&epoch->mutex);
    return id;
}

bool vt_epoch_id_equal(const struct vt_epoch_id *a, const struct vt_epoch_id *b)
{
    return a->incarnation == b->incarnation && a->epoch == b->epoch && memcmp(a->attempt, b->attempt, VT_ATTEMPT_LEN) == 0;
}

/* Opening --------------------------------------------------------------------------------------------------------- */

/* For status alone, which says while the vault is sealed whether it could be opened. */
static void look_at_slots(struct vt_epoch *epoch, size_t index)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS] = {0};
    size_t count = 0;
    const vault_status status = epoch->keepers[index]->ops->read(epoch->keepers[index], slots, &count);
    vt_epoch_note_slots(epoch, index, slots, status == VAULT_OK ? count : 0);
    vt_wipe(slots, sizeof slots);
}

static VT_RESULT meet_keepers(struct vt_epoch *epoch)
{
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        struct vt_keeper *keeper = epoch->keepers[i] = epoch->options.keepers[i];
        struct vt_keeper_info *info = &epoch->infos[i];
        VT_TRY(keeper->ops->info(keeper, info));
        for (size_t j = 0; j < i && info->keeper_id != 0; j++)
            VT_ENSURE(epoch->infos[j].keeper_id != info->keeper_id, VAULT_E_KEEPER);
        epoch->evidence_keepers[i] = (struct vt_certificate_keeper){
            .id = info->keeper_id, .erase_class = (enum vt_erase_class)info->keeper_class, .state = VT_ERASE_WAITING};
        vt_epoch_note_floor(epoch, i);
        look_at_slots(epoch, i);
    }
    return VAULT_OK;
}

/* What the store says without any key. */
static VT_RESULT read_root(struct vt_epoch *epoch)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_root_record root;
    VT_TRY(vt_txn_begin_read(epoch->store, &txn));
    const vault_status status = vt_keyring_root_record(txn, &root);
    if (status == VAULT_E_NOT_INITIALISED) return VAULT_OK;
    VT_TRY(status);
    epoch->vault_id = root.vault_id;
    epoch->current = vt_epoch_id_of(&root);
    return VAULT_OK;
}

static void take_options(struct vt_epoch *epoch, const struct vt_epoch_options *options)
{
    epoch->options = *options;
    if (epoch->options.close_after_count == 0) epoch->options.close_after_count = close_default_count;
    if (epoch->options.close_after_ms == 0) epoch->options.close_after_ms = close_default_ms;
    epoch->tolerance = (unsigned)options->keeper_count - options->quorum;
    epoch->evidence = (struct vt_evidence){.keepers = epoch->evidence_keepers,
                                           .keeper_count = options->keeper_count,
                                           .threshold = options->quorum,
                                           .software = options->software_version,
                                           .is_test_clock = options->clock->is_test_clock,
                                           .describe = options->describe,
                                           .context = options->describe_context};
}

VT_RESULT vt_epoch_open(struct vt_store *store, struct vt_keyring *ring, struct vt_stamps *stamps,
                        const struct vt_epoch_options *options, struct vt_epoch **out_epoch)
{
    VT_ENSURE(options->keeper_count <= VT_KEEPERS_MAX && options->quorum >= 1, VAULT_E_ARGUMENT);
    VT_ENSURE(options->quorum <= options->keeper_count, VAULT_E_ARGUMENT);
    struct vt_epoch *made = vt_calloc(1, sizeof *made);
    VT_ENSURE(made != NULL, VAULT_E_MEMORY);
    pthread_mutex_init(&made->mutex, NULL);
    pthread_mutex_init(&made->push_mutex, NULL);
    VT_AUTO_PTR(vt_epoch) epoch = made;
    epoch->store = store;
    epoch->ring = ring;
    epoch->stamps = stamps;
    epoch->is_sealed = true;
    for (size_t i = 0; i < VT_KEEPERS_MAX; i++) epoch->late[i].note = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX);
    take_options(epoch, options);
    epoch->secrets = vt_secret_alloc(sizeof *epoch->secrets);
    VT_ENSURE(epoch->secrets != NULL, VAULT_E_MEMORY);
    VT_TRY(meet_keepers(epoch));
    VT_TRY(read_root(epoch));
    *out_epoch = VT_MOVE(epoch);
    return VAULT_OK;
}

void vt_epoch_free(struct vt_epoch *epoch)
{
    if (epoch == NULL) return;
    vt_closing_release(epoch->unfinished);
    for (size_t i = 0; i < VT_KEEPERS_MAX; i++) vt_buf_release(&epoch->late[i].note);
    if (epoch->closing != NULL && epoch->closing->is_kept) vt_closing_release(epoch->closing);
    vt_secret_free(epoch->secrets);
    pthread_mutex_destroy(&epoch->push_mutex);
    pthread_mutex_destroy(&epoch->mutex);
    free(epoch);
}

void vt_epoch_adopt(struct vt_epoch *epoch, const struct vt_vault_id *vault_id, const struct vt_epoch_id *id,
                    const struct vt_key *unseal_key)
{
    pthread_mutex_lock(&epoch->mutex);
    epoch->vault_id = *vault_id;
    epoch->current = *id;
    epoch->secrets->unseal = *unseal_key;
    epoch->is_doubtful = false;
    epoch->is_sealed = false;
    pthread_mutex_unlock(&epoch->mutex);
}

void vt_epoch_seal(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->mutex);
    epoch->is_sealed = true;
    vt_wipe(epoch->secrets, sizeof *epoch->secrets);
    struct vt_epoch_closing *unfinished = VT_MOVE(epoch->unfinished);   /* the store has it: unsealing finds it again */
    epoch->first_pending_at_ms = 0;
    pthread_mutex_unlock(&epoch->mutex);
    vt_closing_release(unfinished);
    if (!vt_keyring_is_sealed(epoch->ring)) vt_keyring_seal(epoch->ring);
}

bool vt_epoch_is_sealed(const struct vt_epoch *epoch)
{
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&epoch->mutex;
    pthread_mutex_lock(mutex);
    const bool is_sealed = epoch->is_sealed;
    pthread_mutex_unlock(mutex);
    return is_sealed;
}

const struct vt_evidence *vt_epoch_evidence(struct vt_epoch *epoch)
{
    return &epoch->evidence;
}

VT_RESULT vt_epoch_set_tolerance(struct vt_epoch *epoch, unsigned tolerance)
{
    pthread_mutex_lock(&epoch->mutex);
    const bool is_known = epoch->set.epoch != 0;
    const size_t m = is_known ? vt_keeper_set_size(&epoch->set, false) : epoch->options.keeper_count;
    const bool fits = tolerance <= m - (is_known ? epoch->set.k : epoch->options.quorum);
    if (fits) epoch->tolerance = tolerance;
    pthread_mutex_unlock(&epoch->mutex);
    return fits ? VAULT_OK : VAULT_E_ARGUMENT;
}

/* When, and how things stand -------------------------------------------------------------------------------------- */

bool vt_epoch_is_due(struct vt_epoch *epoch)
{
    const uint64_t pending = vt_stamps_pending_count(epoch->stamps);
    const int64_t now_ms = vt_epoch_now_ms(epoch);
    pthread_mutex_lock(&epoch->mutex);
    if (pending == 0)
        epoch->first_pending_at_ms = 0;
    else if (epoch->first_pending_at_ms == 0)
        epoch->first_pending_at_ms = now_ms;
    const bool by_count = pending >= epoch->options.close_after_count;
    const bool by_time = pending != 0 && now_ms - epoch->first_pending_at_ms >= epoch->options.close_after_ms;
    const bool by_rest = epoch->unfinished != NULL && now_ms >= epoch->retry_at_ms;
    const bool may = !epoch->is_sealed && epoch->closing == NULL;
    pthread_mutex_unlock(&epoch->mutex);
    return (may && (by_count || by_time || by_rest)) || vt_epoch_wants_healing(epoch);
}

static VT_RESULT commit_number_now(struct vt_epoch *epoch, uint64_t *out_number)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(epoch->store, &txn));
    *out_number = vt_store_commit_number(txn);
    return VAULT_OK;
}

/* What is in memory is read at unseal: sealed, the store says how many wait, though not who. */
static VT_RESULT pending_now(struct vt_epoch *epoch, bool is_sealed, uint64_t *out_count)
{
    struct vt_store_stats stats;
    if (!is_sealed) {
        *out_count = vt_stamps_pending_count(epoch->stamps);
        return VAULT_OK;
    }
    VT_TRY(vt_store_stats(epoch->store, &stats));
    *out_count = stats.entries[VT_TABLE_PENDING];
    return VAULT_OK;
}

VT_RESULT vt_epoch_status(struct vt_epoch *epoch, struct vt_epoch_status *out_status)
{
    const struct vt_epoch_options *options = &epoch->options;
    struct vt_epoch_status status = {.quorum = vt_epoch_quorum(epoch),
                                     .keeper_count = options->keeper_count,
                                     .has_journal = options->journal != NULL};
    VT_TRY(pending_now(epoch, vt_epoch_is_sealed(epoch), &status.pending));
    VT_TRY(commit_number_now(epoch, &status.commit_number));
    if (status.has_journal) vt_journal_stats(options->journal, &status.journal);
    pthread_mutex_lock(&epoch->mutex);
    status.is_initialised = epoch->current.epoch != 0;
    status.is_sealed = epoch->is_sealed;
    status.vault_id = epoch->vault_id;
    status.incarnation = epoch->current.incarnation;
    status.epoch = epoch->current.epoch;
    status.tolerance = epoch->tolerance;
    if (epoch->set.epoch != 0) status.clean_from = vt_keeper_set_clean_from(&epoch->set);
    status.can_become_final =
        vt_certificate_can_be_final(epoch->evidence_keepers, epoch->evidence.keeper_count, epoch->evidence.threshold);
    const struct vt_epoch_closing *closing = epoch->closing != NULL ? epoch->closing : epoch->unfinished;
    status.closing = closing != NULL ? closing->count : 0;
    status.is_closing = closing != NULL;
    memcpy(status.keepers, epoch->infos, sizeof status.keepers);
    memcpy(status.floors, epoch->floors, sizeof status.floors);
    memcpy(status.keeper_errors, epoch->keeper_errors, sizeof status.keeper_errors);
    vt_epoch_count_tolerance(epoch, &status.may_fail);
    if (status.pending != 0 && epoch->first_pending_at_ms != 0)
        status.next_close_at_ms = epoch->first_pending_at_ms + options->close_after_ms;
    pthread_mutex_unlock(&epoch->mutex);
    *out_status = status;
    return VAULT_OK;
}

const char *vt_epoch_keeper_trouble(const struct vt_epoch_status *status, size_t index)
{
    if (status->keeper_errors[index] == VAULT_OK) return NULL;
    const char *refusal = status->keepers[index].refusal;
    return refusal[0] != '\0' ? refusal : vault_status_text(status->keeper_errors[index]);
}

/* Ordinary commits ------------------------------------------------------------------------------------------------ */

/* How far the journal has the ledger is written in the transaction itself, so it holds exactly when the record does. */
VT_RESULT vt_epoch_ledger_rows(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_buf *out_rows)
{
    uint64_t before, last;
    uint8_t bytes[8];
    VT_TRY(vt_counter_last(txn, VT_COUNTER_JOURNALED, &before));
    VT_TRY(vt_ledger_rows(view, before, out_rows, &last));
    if (last == before) return VAULT_OK;
    vt_put_u64(bytes, last);
    const struct vt_bytes value = VT_BYTES_OF(bytes);
    VT_TRY(vt_journal_row(out_rows, VT_TABLE_META, vt_bytes_str(VT_COUNTER_JOURNALED), &value));
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(VT_COUNTER_JOURNALED), value, VT_PUT_DEFAULT);
}

VT_RESULT vt_epoch_write_begin(struct vt_epoch *epoch, struct vt_txn *txn, struct vt_keyring_write **out_write)
{
    VT_TRY(vt_keyring_write_begin(epoch->ring, txn, out_write));
    if (epoch->options.journal == NULL) vt_keyring_write_without_delta(*out_write);
    return VAULT_OK;
}

VT_RESULT vt_epoch_write_finish(struct vt_epoch *epoch, struct vt_keyring_write *write, uint64_t commit_number)
{
    VT_AUTO(vt_buf) rows = VT_BUF_INIT(VT_EPOCH_ROWS_MAX);
    struct vt_keyring_delta delta;
    struct vt_journal *journal = epoch->options.journal;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    if (journal != NULL && vt_keyring_write_is_dirty(write))
        VT_TRY(vt_epoch_ledger_rows(view, vt_keyring_view_txn(view), &rows));
    VT_TRY(vt_keyring_write_finish(write, NULL, &delta));
    if (journal == NULL || delta.bytes->len == 0) return VAULT_OK;
    VT_ENSURE(delta.root.commit_number == commit_number, VAULT_E_ARGUMENT);
    VT_TRY(vt_journal_append(journal, VT_JOURNAL_COMMIT, &delta, vt_buf_bytes(&rows), commit_number));
    vt_fault_step("commit.journaled");
    return VAULT_OK;
}

/* A store whose sync has failed begins no write until it is opened again. */
static VT_RESULT check_store_is_behind(struct vt_epoch *epoch)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_root_record root;
    VT_ENSURE(vt_txn_begin_write_reserved(epoch->store, &txn) == VAULT_OK, VAULT_E_IO);
    VT_TRY(vt_keyring_root_record(txn, &root));
    const struct vt_epoch_id current = vt_epoch_current(epoch);
    VT_ENSURE(root.epoch == current.epoch, VAULT_E_IO);
    if (epoch->options.journal == NULL) return VAULT_OK;
    return vt_journal_mark_aborted(epoch->options.journal, root.commit_number);
}

VT_RESULT vt_epoch_resolve_doubt(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->mutex);
    const bool is_doubtful = epoch->is_doubtful;
    pthread_mutex_unlock(&epoch->mutex);
    if (!is_doubtful) return VAULT_OK;
    VT_TRY(check_store_is_behind(epoch));
    pthread_mutex_lock(&epoch->mutex);
    epoch->is_doubtful = false;
    pthread_mutex_unlock(&epoch->mutex);
    return VAULT_OK;
}

/* Floors ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT push_one(struct vt_epoch *epoch, size_t index, const struct vt_keeper_floor *floor)
{
    struct vt_keeper *keeper = epoch->keepers[index];
    struct vt_keeper_floor now;
    VT_TRY(vt_shares_catch_up(epoch, index));
    VT_TRY(keeper->ops->floor(keeper, &now));
    if (now.epoch == 0) return VAULT_OK;            /* new to the set: it takes part from the next epoch on */
    return keeper->ops->raise_floor(keeper, floor);
}

static VT_RESULT push_floor(struct vt_epoch *epoch)
{
    uint64_t commit_number;
    unsigned answered = 0;
    VT_TRY(commit_number_now(epoch, &commit_number));
    pthread_mutex_lock(&epoch->mutex);
    const bool may = !epoch->is_sealed && epoch->closing == NULL && epoch->unfinished == NULL;
    const struct vt_keeper_floor floor = {epoch->vault_id, epoch->current.incarnation, epoch->current.epoch, commit_number};
    pthread_mutex_unlock(&epoch->mutex);
    if (!may) return VAULT_OK;
    VT_TRY(vt_epoch_resolve_doubt(epoch));
    if (epoch->options.journal != NULL) VT_TRY(vt_journal_sync(epoch->options.journal));
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        const vault_status status = push_one(epoch, i, &floor);
        answered += status == VAULT_OK;
        vt_epoch_note_change(epoch, i, status);
    }
    return answered >= vt_epoch_quorum(epoch) ? VAULT_OK : VAULT_E_KEEPER;
}

VT_RESULT vt_epoch_push_floor(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->push_mutex);
    const vault_status status = push_floor(epoch);
    pthread_mutex_unlock(&epoch->push_mutex);
    return status;
}

bool vt_floor_is_past(const struct vt_keeper_floor *floor, const struct vt_epoch_id *id)
{
    return floor->incarnation != id->incarnation ? floor->incarnation > id->incarnation : floor->epoch > id->epoch;
}

/* A keeper of another vault, or of none yet, says nothing about this one. */
static bool last_floor_of(struct vt_epoch *epoch, size_t index, struct vt_keeper_floor *out_floor)
{
    pthread_mutex_lock(&epoch->mutex);
    *out_floor = epoch->floors[index];
    const bool is_ours = epoch->infos[index].is_reachable &&
                         memcmp(&out_floor->vault_id, &epoch->vault_id, sizeof out_floor->vault_id) == 0;
    pthread_mutex_unlock(&epoch->mutex);
    return is_ours;
}

static VT_RESULT look_beside(struct vt_epoch *epoch)
{
    const struct vt_epoch_id current = vt_epoch_current(epoch);
    unsigned answered = 0, past = 0;
    VT_ENSURE(!vt_epoch_is_sealed(epoch), VAULT_E_SEALED);
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        struct vt_keeper_floor floor;
        vt_epoch_note_floor(epoch, i);
        if (!last_floor_of(epoch, i, &floor)) continue;
        answered++;
        past += vt_floor_is_past(&floor, &current);
    }
    VT_ENSURE(past == 0, VAULT_E_ROLLBACK);
    return answered >= vt_epoch_quorum(epoch) ? VAULT_OK : VAULT_E_KEEPER;
}

VT_RESULT vt_epoch_look_beside(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->push_mutex);
    const vault_status status = look_beside(epoch);
    pthread_mutex_unlock(&epoch->push_mutex);
    return status;
}

void vt_epoch_await_push(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->push_mutex);
    pthread_mutex_unlock(&epoch->push_mutex);
}

/* Wraps ----------------------------------------------------------------------------------------------------------- */

static VT_RESULT merge_lost_wraps(struct vt_epoch *epoch, uint64_t root_commit, struct vt_wraps *wraps)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(VT_WRAPS_BYTES_MAX);
    VT_AUTO_PTR(vt_wraps) later = NULL;
    if (epoch->options.journal == NULL) return VAULT_OK;
    const vault_status status = vt_journal_find_meta(epoch->options.journal, root_commit, VT_META_WRAPS, &bytes);
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(status);
    VT_TRY(vt_wraps_decode(vt_buf_bytes(&bytes), &later));
    return vt_wraps_merge(wraps, later);
}

VT_RESULT vt_epoch_wraps(struct vt_epoch *epoch, struct vt_wraps **out_wraps)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    struct vt_root_record root;
    struct vt_bytes value;
    VT_TRY(vt_txn_begin_read(epoch->store, &txn));
    VT_TRY(vt_keyring_root_record(txn, &root));
    const vault_status status = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(VT_META_WRAPS), &value);
    VT_ENSURE(status != VAULT_E_NOT_FOUND, VAULT_E_CORRUPT);
    VT_TRY(status);
    VT_TRY(vt_wraps_decode(value, &wraps));
    VT_TRY(merge_lost_wraps(epoch, root.commit_number, wraps));
    *out_wraps = VT_MOVE(wraps);
    return VAULT_OK;
}

VT_RESULT vt_epoch_put_wraps(struct vt_epoch *epoch, struct vt_txn *txn, const struct vt_wraps *wraps)
{
    VT_AUTO(vt_buf) bytes = VT_BUF_INIT(VT_WRAPS_BYTES_MAX);
    VT_ENSURE(vt_wraps_count(wraps) != 0, VAULT_E_STATE);
    VT_ENSURE(memcmp(vt_wraps_vault_id(wraps), &epoch->vault_id, sizeof epoch->vault_id) == 0, VAULT_E_ARGUMENT);
    VT_TRY(vt_wraps_encode(wraps, &bytes));
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(VT_META_WRAPS), vt_buf_bytes(&bytes), VT_PUT_DEFAULT);
}
