#include "vaultd/service/vault.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "vaultd/core/backup/backup.h"
#include "vaultd/core/policy/approval.h"
#include "vaultd/service/credentials.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/vault_internal.h"

/* Purposes that exist until an organisation registers its own (docs/PRIVACY.md). */
static const char *const BUILT_IN_PURPOSES[] = {"customer-care", "service",  "billing",   "fraud-prevention", "security",
                                                "rights",        "legal",    "analytics", "marketing",        "migration",
                                                "operations",    "testing"};


/* Without a server every item is a batch of its own, committed by the caller. Jobs have threads of their own, so callers take turns
 * at being the committer. */
static vault_status submit_inline(void *context, struct vt_commit_item *item)
{
    struct vt_vault *vault = context;
    struct vt_list items;
    vt_list_init(&items);
    vt_list_push_back(&items, &item->link);
    pthread_mutex_lock(&vault->inline_mutex);
    vt_vault_commit_batch(vault, &items);
    pthread_mutex_unlock(&vault->inline_mutex);
    return VAULT_OK;
}

struct backup_listing {
    struct vt_certificate_backup *backups;
    size_t count;
    uint64_t further;                   /* that the list has no room for */
    int64_t now_ms;
};

static vault_status list_backup(void *context, const struct vt_backup_entry *entry)
{
    struct backup_listing *listing = context;
    if (entry->expires_at_ms != 0 && entry->expires_at_ms <= listing->now_ms) return VAULT_OK;
    if (listing->count == VT_CERTIFICATE_LIST_MAX) {
        listing->further++;
        return VAULT_OK;
    }
    struct vt_certificate_backup *backup = &listing->backups[listing->count++];
    memcpy(backup->id, entry->backup_id, sizeof backup->id);
    backup->expires_ms = entry->expires_at_ms;
    return VAULT_OK;
}

static VT_RESULT exclude_further(struct vt_pool *pool, uint64_t further, struct vt_certificate *certificate)
{
    if (further == 0) return VAULT_OK;
    struct vt_certificate_count *exclusion = vt_pool_calloc(pool, 1, sizeof *exclusion);
    VT_ENSURE(exclusion != NULL, VAULT_E_MEMORY);
    *exclusion = (struct vt_certificate_count){vt_bytes_str("further-backups"), further};
    certificate->exclusions = exclusion;
    certificate->exclusion_count = 1;
    return VAULT_OK;
}

static const uint8_t NO_APPROVAL[16];

/* Who let it pass the brake. */
static VT_RESULT describe_approvals(struct vt_keyring_view *view, const struct vt_pending *pending, struct vt_pool *pool,
                                    struct vt_certificate *certificate)
{
    struct vt_approval approval;
    if (memcmp(pending->approval, NO_APPROVAL, sizeof NO_APPROVAL) == 0) return VAULT_OK;
    VT_TRY(vt_approval_get(view, pending->approval, &approval));
    struct vt_certificate_approval *list = vt_pool_calloc(pool, VT_APPROVAL_GRANTS_MAX, sizeof *list);
    VT_ENSURE(list != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < approval.granted; i++) {
        memcpy(list[i].principal, approval.grants[i].principal, sizeof list[i].principal);
        list[i].at_ms = approval.grants[i].at_ms;
    }
    certificate->approvals = list;
    certificate->approval_count = approval.granted;
    return VAULT_OK;
}

/* What stayed of the batch that it was asked for in. */
static VT_RESULT describe_kept(const struct vt_pending *pending, struct vt_pool *pool, struct vt_certificate *certificate)
{
    if (pending->held_count == 0) return VAULT_OK;
    struct vt_certificate_count *kept = vt_pool_calloc(pool, 1, sizeof *kept);
    VT_ENSURE(kept != NULL, VAULT_E_MEMORY);
    *kept = (struct vt_certificate_count){vt_bytes_str("hold"), pending->held_count};
    certificate->kept = kept;
    certificate->kept_count = 1;
    return VAULT_OK;
}

/* Certificates name the registered copies that still hold ciphertext, and until when; those past the list's end are counted. */
static vault_status describe(void *context, struct vt_keyring_view *view, const struct vt_pending *pending, struct vt_pool *pool,
                             struct vt_certificate *certificate)
{
    const struct vt_vault *vault = context;
    struct backup_listing listing = {
        .backups = vt_pool_calloc(pool, VT_CERTIFICATE_LIST_MAX, sizeof(struct vt_certificate_backup)),
        .now_ms = vt_clock_now_ms(vault->options.clock)};
    VT_ENSURE(listing.backups != NULL, VAULT_E_MEMORY);
    VT_TRY(describe_approvals(view, pending, pool, certificate));
    VT_TRY(describe_kept(pending, pool, certificate));
    VT_TRY(vt_backup_each(vt_keyring_view_txn(view), list_backup, &listing));
    certificate->backups = listing.backups;
    certificate->backup_count = listing.count;
    return exclude_further(pool, listing.further, certificate);
}

static VT_RESULT vault_open_parts(struct vt_vault *vault)
{
    bool is_copy;
    VT_TRY(vt_restore_is_copy(vault->store, &is_copy));
    const struct vt_epoch_options epoch_options = {
        .keepers = vault->keepers,
        .keeper_count = vault->options.keeper_count,
        .quorum = vault->options.quorum,
        .journal = vault->options.journal,
        .is_beside_live = vault->options.is_read_only && is_copy,
        .clock = vault->options.clock,
        .software_version = "vaultd " VT_VERSION,
        .close_after_count = vault->options.close_after_count,
        .close_after_ms = vault->options.close_after_ms,
        .describe = describe,
        .describe_context = vault,
    };
    VT_TRY(vt_stamps_new(&vault->stamps));
    VT_TRY(vt_schemas_new(&vault->schemas));
    VT_TRY(vt_templates_new(&vault->templates));
    VT_TRY(vt_credentials_new(&vault->credentials));
    VT_TRY(vt_jobs_new(&vault->jobs));
    const vault_status opened = vt_keyring_open(vault->store, &(struct vt_keyring_options){0}, &vault->ring);
    VT_ENSURE(opened == VAULT_OK || (opened == VAULT_E_NOT_INITIALISED && vault->ring != NULL), opened);
    atomic_store(&vault->state, opened == VAULT_OK ? VT_VAULT_SEALED : VT_VAULT_NOT_INITIALISED);
    return vt_epoch_open(vault->store, vault->ring, vault->stamps, &epoch_options, &vault->epoch);
}

enum { APPROVAL_EXPIRES_DEFAULT_MS = 7 * 24 * 3600 * 1000 };

static void vault_take(struct vt_vault *vault, const struct vt_vault_options *options)
{
    vault->options = *options;
    if (options->brake.expires_ms == 0) vault->options.brake.expires_ms = APPROVAL_EXPIRES_DEFAULT_MS;
    vault->store = options->store;
    for (size_t i = 0; i < options->keeper_count; i++) vault->keepers[i] = options->keepers[i];
    vault->options.keepers = vault->keepers;
    if (options->purposes == NULL) {
        vault->options.purposes = BUILT_IN_PURPOSES;
        vault->options.purpose_count = VT_ARRAY_LEN(BUILT_IN_PURPOSES);
    }
    vault->submit = submit_inline;
    vault->submit_context = vault;
    pthread_mutex_init(&vault->epoch_mutex, NULL);
    pthread_mutex_init(&vault->closing_mutex, NULL);
    pthread_mutex_init(&vault->inline_mutex, NULL);
    pthread_mutex_init(&vault->unseal_mutex, NULL);
    pthread_cond_init(&vault->epoch_served, NULL);
    pthread_mutex_init(&vault->take_over.mutex, NULL);
    pthread_cond_init(&vault->take_over.changed, NULL);
}

VT_RESULT vt_vault_open(const struct vt_vault_options *options, struct vt_vault **out_vault, struct vt_err *err)
{
    VT_ENSURE(options->keeper_count != 0 && options->keeper_count <= VT_KEEPERS_MAX, VAULT_E_ARGUMENT);
    VT_TRY(vt_bind_check(err));
    struct vt_vault *vault = vt_calloc(1, sizeof *vault);
    VT_ENSURE(vault != NULL, VAULT_E_MEMORY);
    vault_take(vault, options);
    const vault_status status = vault_open_parts(vault);
    if (status != VAULT_OK) {
        vt_vault_free(vault);
        return vt_fail(err, status, NULL, "The vault could not be opened: %s", vault_status_text(status));
    }
    *out_vault = vault;
    return VAULT_OK;
}

void vt_vault_free(struct vt_vault *vault)
{
    if (vault == NULL) return;
    vt_jobs_free(vault->jobs);          /* waits for their threads, which use everything below */
    vt_audit_free(vault->audit);
    vt_sequence_free(vault->records);
    vt_sequence_free(vault->tokens);
    vt_epoch_free(vault->epoch);
    vt_keyring_free(vault->ring);
    vt_stamps_free(vault->stamps);
    vt_schemas_free(vault->schemas);
    vt_templates_free(vault->templates);
    vt_credentials_free(vault->credentials);
    vt_share_entry_free(vault->shares);
    vt_wraps_free(vault->share_wraps);
    vt_journal_free(vault->options.journal);
    for (size_t i = 0; i < vault->options.keeper_count; i++) vt_keeper_free(vault->keepers[i]);
    vt_store_free(vault->store);
    pthread_mutex_destroy(&vault->epoch_mutex);
    pthread_mutex_destroy(&vault->closing_mutex);
    pthread_mutex_destroy(&vault->inline_mutex);
    pthread_mutex_destroy(&vault->unseal_mutex);
    pthread_cond_destroy(&vault->epoch_served);
    pthread_mutex_destroy(&vault->take_over.mutex);
    pthread_cond_destroy(&vault->take_over.changed);
    free(vault);
}

enum { VIEW_TRIES = 16 };

VT_RESULT vt_vault_view(struct vt_vault *vault, struct vt_txn **out_txn, struct vt_keyring_view **out_view)
{
    for (unsigned tries = 0; tries < VIEW_TRIES; tries++) {
        VT_AUTO_PTR(vt_txn) txn = NULL;
        VT_TRY(vt_txn_begin_read(vault->store, &txn));
        const vault_status status = vt_keyring_view_begin(vault->ring, txn, out_view);
        if (status == VAULT_OK) *out_txn = VT_MOVE(txn);
        if (status != VAULT_E_CONFLICT) return status;
    }
    return VAULT_E_BUSY;
}

static VT_RESULT open_sequence(struct vt_txn *txn, const char *key, struct vt_sequence **sequence)
{
    return *sequence != NULL ? VAULT_OK : vt_sequence_open(txn, key, sequence);
}

/* Numbers in reserve and the log's frontier outlive a seal: they hold no secret, nobody else writes the store, and a call or a
 * batch that began before the seal may still hold them. */
static VT_RESULT open_once(struct vt_vault *vault, struct vt_txn *txn)
{
    VT_TRY(open_sequence(txn, "seq.record", &vault->records));
    VT_TRY(open_sequence(txn, "seq.token", &vault->tokens));
    if (vault->audit != NULL) return VAULT_OK;
    VT_TRY(vt_audit_open(txn, &vault->audit));
    atomic_store(&vault->audit_size, vt_audit_size(vault->audit));
    return VAULT_OK;
}

static VT_RESULT load_forgetting(struct vt_vault *vault, struct vt_txn *txn)
{
    struct vt_bytes row;
    const vault_status found = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(VT_FORGETS_KEY), &row);
    if (found == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(found);
    VT_ENSURE(row.len == VT_FORGETS_LEN && row.data[0] == VT_FORGETS_VERSION, VAULT_E_FORMAT);
    vt_vault_note_forgetting(vault, (int64_t)vt_get_u64(row.data + 1));
    return VAULT_OK;
}

/* Everything that is read from the store once and kept in memory while unsealed. */
static VT_RESULT vault_load(struct vt_vault *vault)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(vault->store, &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(vault->ring, txn, &view));
    VT_TRY(vt_schemas_load(vault->schemas, view, VT_TENANT_DEFAULT));
    VT_TRY(vt_templates_load(vault->templates, view, VT_TENANT_DEFAULT));
    VT_TRY(vt_credentials_load(vault->credentials, view));
    VT_TRY(open_once(vault, txn));
    vt_vault_look_at_approvals(vault);

    return load_forgetting(vault, txn);
}

/* A fresh vault has no numbers in reserve yet: one housekeeping commit fills both sequences. */
static VT_RESULT vault_first_reserve(struct vt_vault *vault)
{
    struct vt_commit_item item = {.is_unaudited = true, .is_reserved = true};
    return vt_vault_commit_wait(vault, &item);
}

VT_RESULT vt_vault_unseal(struct vt_vault *vault, const struct vt_key *unseal_key, struct vt_err *err)
{
    const bool is_sealed = vt_epoch_is_sealed(vault->epoch);
    VT_ENSURE(!is_sealed || vt_vault_state(vault) != VT_VAULT_NOT_INITIALISED, VAULT_E_NOT_INITIALISED);
    if (is_sealed) VT_TRY(vt_epoch_unseal(vault->epoch, unseal_key, err));
    const vault_status status = vault_load(vault);
    if (status != VAULT_OK) {
        vt_vault_seal(vault);
        return vt_fail(err, status, NULL, "The vault's own tables could not be read: %s", vault_status_text(status));
    }
    VT_TRY(vault_first_reserve(vault));
    /* What was frozen when a hold came for it, in an epoch that a crash then stopped before its commit. */
    if (!vault->options.is_read_only) VT_TRY(vt_vault_take_back_held(vault));
    atomic_store(&vault->beside.sealed_for, VT_SELF_SEAL_NONE);
    vt_vault_begin_deniable(vault);
    atomic_store(&vault->state, vault->options.is_read_only ? VT_VAULT_READ_ONLY : VT_VAULT_READY);
    if (!vt_epoch_is_sealed(vault->epoch)) return VAULT_OK;
    atomic_store(&vault->state, VT_VAULT_SEALED);       /* somebody has sealed it meanwhile */
    return VAULT_E_SEALED;
}

void vt_vault_seal(struct vt_vault *vault)
{
    atomic_store(&vault->state, VT_VAULT_SEALED);
    vt_stamps_touch_all(vault->stamps);
    vt_epoch_seal(vault->epoch);
    vt_credentials_seal(vault->credentials);
    atomic_store(&vault->state, VT_VAULT_SEALED);       /* again: an unsealing that ran beside may have called it ready */
}

/* VT_SELF_SEAL_NONE: it may serve on. Unsealing has just read a quorum, so the time runs from the first look behind it. */
static enum vt_self_seal look_beside(struct vt_vault *vault, uint64_t now_ns)
{
    const vault_status status = vt_epoch_look_beside(vault->epoch);
    if (status == VAULT_OK || vault->beside.seen_ns == 0) vault->beside.seen_ns = now_ns;
    if (status == VAULT_E_ROLLBACK) return VT_SELF_SEAL_EPOCH_CLOSED;
    const uint64_t unseen_ms = (now_ns - vault->beside.seen_ns) / 1000000;
    return unseen_ms >= VT_BESIDE_UNSEEN_MAX_MS ? VT_SELF_SEAL_KEEPERS_UNSEEN : VT_SELF_SEAL_NONE;
}

enum vt_self_seal vt_vault_look_beside(struct vt_vault *vault, uint64_t now_ns)
{
    const bool is_served = vt_vault_state(vault) == VT_VAULT_READ_ONLY;
    const enum vt_self_seal why = is_served ? look_beside(vault, now_ns) : VT_SELF_SEAL_NONE;
    if (!is_served || why != VT_SELF_SEAL_NONE) vault->beside.seen_ns = 0;
    if (why == VT_SELF_SEAL_NONE) return why;
    atomic_store(&vault->beside.sealed_for, (int)why);
    vt_vault_seal(vault);
    return why;
}

const char *vt_vault_self_seal_sentence(struct vt_vault *vault)
{
    switch (atomic_load(&vault->beside.sealed_for)) {
    case VT_SELF_SEAL_EPOCH_CLOSED:
        return "The live vault has closed the epoch of this copy, so it has sealed itself: restore the backup with --check-only "
               "again.";
    case VT_SELF_SEAL_KEEPERS_UNSEEN:
        return "Too few keepers could be read for a minute, so this copy could not tell whether the live vault has closed its "
               "epoch, and has sealed itself: make them readable, then unseal it.";
    default: return NULL;
    }
}

enum vt_vault_state vt_vault_state(struct vt_vault *vault)
{
    const int state = atomic_load(&vault->state);
    if (state != VT_VAULT_READY) return (enum vt_vault_state)state;
    return vt_store_is_full(vault->store) ? VT_VAULT_DISK_FULL : VT_VAULT_READY;
}

const char *vt_vault_state_name(enum vt_vault_state state)
{
    static const char *const NAMES[] = {"not-initialised", "sealed", "ready", "disk-full", "read-only",
                                        "taking-over"};
    return (size_t)state < VT_ARRAY_LEN(NAMES) ? NAMES[state] : "unknown";
}

void vt_vault_set_submit(struct vt_vault *vault, vault_status (*submit)(void *context, struct vt_commit_item *item),
                         void *context)
{
    vault->submit = submit != NULL ? submit : submit_inline;
    vault->submit_context = submit != NULL ? context : vault;
}

void vt_vault_set_held(struct vt_vault *vault, const struct vt_held_counts *held)
{
    vault->held = held;
}

const struct vt_held_counts *vt_vault_held(const struct vt_vault *vault)
{
    return vault->held;
}

VT_RESULT vt_vault_submit(struct vt_vault *vault, struct vt_commit_item *item)
{
    return vault->submit(vault->submit_context, item);
}

struct commit_waiter {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool is_done;
};

static void waiter_done(struct vt_commit_item *item)
{
    struct commit_waiter *waiter = item->owner;
    pthread_mutex_lock(&waiter->mutex);
    waiter->is_done = true;
    pthread_cond_signal(&waiter->done);
    pthread_mutex_unlock(&waiter->mutex);
}

VT_RESULT vt_vault_commit_wait(struct vt_vault *vault, struct vt_commit_item *item)
{
    struct commit_waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    item->owner = &waiter;
    item->on_done = waiter_done;
    VT_TRY(vt_vault_submit(vault, item));
    pthread_mutex_lock(&waiter.mutex);
    while (!waiter.is_done) pthread_cond_wait(&waiter.done, &waiter.mutex);
    pthread_mutex_unlock(&waiter.mutex);
    pthread_cond_destroy(&waiter.done);
    pthread_mutex_destroy(&waiter.mutex);
    return item->status;
}

struct vt_store *vt_vault_store(struct vt_vault *vault)
{
    return vault->store;
}
struct vt_keyring *vt_vault_keyring(struct vt_vault *vault)
{
    return vault->ring;
}
struct vt_epoch *vt_vault_epoch(struct vt_vault *vault)
{
    return vault->epoch;
}
struct vt_stamps *vt_vault_stamps(struct vt_vault *vault)
{
    return vault->stamps;
}
struct vt_schemas *vt_vault_schemas(struct vt_vault *vault)
{
    return vault->schemas;
}
struct vt_templates *vt_vault_templates(struct vt_vault *vault)
{
    return vault->templates;
}
struct vt_credentials *vt_vault_credentials(struct vt_vault *vault)
{
    return vault->credentials;
}
struct vt_jobs *vt_vault_jobs(struct vt_vault *vault)
{
    return vault->jobs;
}
struct vt_sequence *vt_vault_record_sequence(struct vt_vault *vault)
{
    return vault->records;
}
struct vt_sequence *vt_vault_token_sequence(struct vt_vault *vault)
{
    return vault->tokens;
}
const struct vt_clock *vt_vault_clock(struct vt_vault *vault)
{
    return vault->options.clock;
}
uint64_t vt_vault_audit_size(struct vt_vault *vault)
{
    return atomic_load(&vault->audit_size);
}
const struct vt_vault_options *vt_vault_get_options(const struct vt_vault *vault)
{
    return &vault->options;
}

bool vt_vault_purpose_is_registered(const struct vt_vault *vault, struct vt_bytes purpose)
{
    for (size_t i = 0; i < vault->options.purpose_count; i++)
        if (vt_bytes_equal_str(purpose, vault->options.purposes[i])) return true;
    return false;
}
