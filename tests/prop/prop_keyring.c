/* No dropped key is reachable. Random histories against a store that remembers everything ever put into it; then an
 * adversary with one root key opens whatever opens, in any version (tests/support/ring_reader.h). From the root key of
 * an epoch he must find all that lived in it, which shows that he can find things, and nothing that was dropped before
 * it began. (He may find more from an older one: a key block written later under a subject key that was there already.)
 * A second history, in which pages keep their old keys, must be caught. VT_SEED and VT_STEPS choose the history.
 * Source: docs/ERASURE.md; the promise of the forgetful tree. */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/clock.h"
#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "tests/support/ring_reader.h"
#include "tests/support/ring_world.h"

enum {
    DEFAULT_STEPS = 10000,
    SUBJECTS_MAX = 4000,
    ENTRIES_MAX = 8000,
    TENANTS_MAX = 64,
    EPOCHS_MAX = 4000,
    KEYS_OF_SUBJECT = 24,
    CATEGORIES = 5,
    VALUES = 25,
    BATCH_MAX = 12,
    TOUCHED_MAX = 64,
    CHECKPOINTS = 4,
    OLD_EPOCHS_CHECKED = 4,
    NEVER = 0xffffffff,
};

/* What must be found or must not be. Times are commit numbers of the history, the creation being 0. */
enum fate { FATE_PENDING, FATE_KNOWN, FATE_ABORTED };
struct secret {
    uint8_t bytes[32];
    enum fate fate;
    uint32_t born, died;            /* in every state from born on, in none from died on */
    bool dies_now;                  /* dropped by the batch under way */
};

struct model_subject {
    struct vt_sid sid;
    unsigned tenant;                /* index */
    bool is_live, is_touched;
    unsigned key_count;
    unsigned keys[KEYS_OF_SUBJECT]; /* secrets */
};
struct model_entry {
    struct vt_index_hash hash;
    uint8_t data[VT_INDEX_DATA_LEN];
    unsigned tenant, secret;
    bool is_live, is_touched;
};
struct model_tenant {
    vt_tenant_id id;
    bool is_live;
    uint8_t replace_cursor[32];
    bool is_era_open, is_copying;
};
struct model_epoch {
    struct vt_key root_key;
    uint32_t first, last;           /* states sealed under it */
    bool is_aborted;                /* never committed */
    uint32_t aborted_after;
    unsigned spared_count;          /* secrets that the aborted batch dropped: not in its pages */
    unsigned spared[TOUCHED_MAX];
};

struct history {
    struct ring_world world;
    struct recording *recording;
    uint64_t random;
    uint32_t state;                 /* commits so far */
    struct secret *secrets;
    size_t secret_count, secret_cap;
    struct model_subject *subjects;
    size_t subject_count;
    struct model_entry *entries;
    size_t entry_count;
    struct model_tenant tenants[TENANTS_MAX];
    size_t tenant_count;
    struct model_epoch *epochs;
    size_t epoch_count;
    uint8_t rekey_cursor[32];
    uint32_t next_number;
    /* the batch under way */
    struct ring_write change;
    struct model_subject undo_subjects[TOUCHED_MAX];
    size_t undo_index[TOUCHED_MAX], undo_count;
    size_t first_new_subject, first_new_entry, first_new_secret;
};

/* splitmix64: the history depends on the seed alone. */
static uint64_t random_next(struct history *history)
{
    uint64_t mixed = history->random += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static unsigned random_below(struct history *history, size_t bound)
{
    return (unsigned)(random_next(history) % bound);
}

static unsigned add_secret(struct history *history, const uint8_t bytes[32])
{
    if (history->secret_count == history->secret_cap) {
        history->secret_cap = history->secret_cap != 0 ? history->secret_cap * 2 : 4096;
        struct secret *grown = calloc(history->secret_cap, sizeof *grown);
        ck_assert_ptr_nonnull(grown);
        if (history->secret_count != 0) memcpy(grown, history->secrets, history->secret_count * sizeof *grown);
        free(history->secrets);
        history->secrets = grown;
    }
    struct secret *secret = &history->secrets[history->secret_count];
    *secret = (struct secret){.fate = FATE_PENDING, .died = NEVER};
    memcpy(secret->bytes, bytes, 32);
    return (unsigned)history->secret_count++;
}

/* Batches ---------------------------------------------------------------------------------------------------------- */

static void batch_begin(struct history *history)
{
    history->change = ring_begin(&history->world);
    history->undo_count = 0;
    history->first_new_subject = history->subject_count;
    history->first_new_entry = history->entry_count;
    history->first_new_secret = history->secret_count;
}

static void batch_keep(struct history *history)
{
    history->state++;
    for (size_t i = 0; i < history->secret_count; i++) {
        struct secret *secret = &history->secrets[i];
        if (secret->fate == FATE_PENDING) {
            secret->fate = FATE_KNOWN;
            secret->born = history->state;
        }
        if (secret->dies_now) secret->died = history->state;
        secret->dies_now = false;
    }
}

static void batch_undo(struct history *history)
{
    for (size_t i = history->undo_count; i-- > 0;)
        history->subjects[history->undo_index[i]] = history->undo_subjects[i];
    for (size_t i = 0; i < history->entry_count; i++)
        if (history->entries[i].is_touched) history->entries[i].is_live = true;
    history->subject_count = history->first_new_subject;
    history->entry_count = history->first_new_entry;
    for (size_t i = 0; i < history->secret_count; i++) {
        if (history->secrets[i].fate == FATE_PENDING) history->secrets[i].fate = FATE_ABORTED;
        history->secrets[i].dies_now = false;
    }
}

static void batch_forget(struct history *history)
{
    for (size_t i = 0; i < history->subject_count; i++) history->subjects[i].is_touched = false;
    for (size_t i = 0; i < history->entry_count; i++) history->entries[i].is_touched = false;
}

static bool has_room(const struct history *history)
{
    return history->undo_count < TOUCHED_MAX;
}

/* Each subject takes part in a batch once: what is made and dropped within one batch is in no state at all. */
static struct model_subject *touch_subject(struct history *history)
{
    if (history->subject_count == 0 || !has_room(history)) return NULL;
    const size_t at = random_below(history, history->subject_count);
    struct model_subject *subject = &history->subjects[at];
    if (!subject->is_live || subject->is_touched || at >= history->first_new_subject) return NULL;
    history->undo_index[history->undo_count] = at;
    history->undo_subjects[history->undo_count++] = *subject;
    subject->is_touched = true;
    return subject;
}

/* Operations ------------------------------------------------------------------------------------------------------- */

static unsigned pick_tenant(struct history *history)
{
    unsigned at;
    do at = random_below(history, history->tenant_count);
    while (!history->tenants[at].is_live);
    return at;
}

static void learn_keys(struct history *history, struct model_subject *subject, const struct vt_subject_keys *keys)
{
    ck_assert_uint_le(keys->count, KEYS_OF_SUBJECT);
    unsigned kept[KEYS_OF_SUBJECT], kept_count = 0;
    for (size_t i = 0; i < keys->count; i++) {
        unsigned known = NEVER;
        for (unsigned k = 0; k < subject->key_count; k++)
            if (memcmp(history->secrets[subject->keys[k]].bytes, keys->keys[i].key.bytes, 32) == 0)
                known = subject->keys[k];
        kept[kept_count++] = known != NEVER ? known : add_secret(history, keys->keys[i].key.bytes);
    }
    for (unsigned k = 0; k < subject->key_count; k++) {
        bool is_kept = false;
        for (unsigned i = 0; i < kept_count; i++) is_kept = is_kept || kept[i] == subject->keys[k];
        if (!is_kept) history->secrets[subject->keys[k]].dies_now = true;
    }
    memcpy(subject->keys, kept, sizeof kept);
    subject->key_count = kept_count;
}

static void op_insert(struct history *history)
{
    if (history->subject_count == SUBJECTS_MAX) return;
    struct model_subject *subject = &history->subjects[history->subject_count++];
    *subject = (struct model_subject){.sid = ring_sid(history->next_number++), .is_live = true, .is_touched = true};
    subject->tenant = pick_tenant(history);
    struct vt_keyblock_draft *draft = NULL;
    const struct vt_data_key *key;
    ck_assert_ok(vt_keyblock_new(history->change.view, history->tenants[subject->tenant].id, &subject->sid, &draft));
    for (unsigned i = random_below(history, 4); i > 0; i--)
        ck_assert_ok(vt_keyblock_add(draft, (uint16_t)i, 0, 0, &key));
    learn_keys(history, subject, vt_keyblock_keys(draft));
    ring_apply(&history->change, draft);
}

static void edit_draft(struct history *history, struct vt_keyblock_draft *draft)
{
    const struct vt_subject_keys *keys = vt_keyblock_keys(draft);
    const struct vt_data_key *key;
    const uint16_t category = (uint16_t)(1 + random_below(history, CATEGORIES));
    const uint64_t record = random_below(history, 3) == 0 ? random_below(history, 4) : 0;
    const struct vt_data_key *some = keys->count != 0 ? &keys->keys[random_below(history, keys->count)] : NULL;
    switch (random_below(history, 6)) {
    case 3:
        if (some != NULL && keys->count < KEYS_OF_SUBJECT)
            ck_assert_ok(vt_keyblock_renew(draft, some->category, some->record, 0, &key));
        return;
    case 0:
        if (some != NULL)
            ck_assert_ok(vt_keyblock_drop(draft, some->category, random_below(history, 2) * some->record));
        return;
    case 1:
        if (some != NULL) ck_assert_ok(vt_keyblock_drop_version(draft, some->category, some->record, some->version));
        return;
    case 2:
        if (some != NULL)
            ck_assert_ok(vt_keyblock_set_state(draft, some->category, some->record, some->version,
                                               VT_DATA_KEY_RESTORE_ONLY));
        return;
    default:
        if (keys->count < KEYS_OF_SUBJECT) ck_assert_ok(vt_keyblock_add(draft, category, record, 0, &key));
    }
}

static void op_edit(struct history *history)
{
    struct model_subject *subject = touch_subject(history);
    if (subject == NULL) return;
    struct vt_keyblock_draft *draft = NULL;
    ck_assert_ok(vt_keyblock_edit(history->change.view, history->tenants[subject->tenant].id, &subject->sid, &draft));
    edit_draft(history, draft);
    learn_keys(history, subject, vt_keyblock_keys(draft));
    ring_apply(&history->change, draft);
}

static void op_shred(struct history *history)
{
    struct model_subject *subject = touch_subject(history);
    if (subject == NULL) return;
    const vt_tenant_id tenant = history->tenants[subject->tenant].id;
    ck_assert_ok(vt_keyring_drop_subject(history->change.write, tenant, &subject->sid));
    for (unsigned i = 0; i < subject->key_count; i++) history->secrets[subject->keys[i]].dies_now = true;
    subject->is_live = false;
}

static void op_index_add(struct history *history)
{
    if (history->entry_count == ENTRIES_MAX) return;
    struct model_entry *entry = &history->entries[history->entry_count++];
    *entry = (struct model_entry){.tenant = pick_tenant(history), .is_live = true};
    char value[16];
    uint8_t secret[32];
    /* half of them equal values, half values of their own */
    snprintf(value, sizeof value, "%u",
             random_below(history, 2) ? random_below(history, VALUES) : history->next_number);
    vt_put_u32(entry->data, history->next_number++);
    entry->hash = ring_hash(history->change.view, history->tenants[entry->tenant].id, value);
    ck_assert_ok(vt_keyring_index_add(history->change.write, history->tenants[entry->tenant].id, &entry->hash,
                                      entry->data, false));
    ring_index_secret(entry->hash.bytes, entry->data, secret);
    entry->secret = add_secret(history, secret);
}

static void op_index_remove(struct history *history)
{
    if (history->first_new_entry == 0) return;
    struct model_entry *entry = &history->entries[random_below(history, history->first_new_entry)];
    if (!entry->is_live) return;
    ck_assert_ok(vt_keyring_index_remove(history->change.write, history->tenants[entry->tenant].id, &entry->hash,
                                         entry->data));
    history->secrets[entry->secret].dies_now = true;
    entry->is_live = false;
    entry->is_touched = true;
}

static void op_rekey(struct history *history)
{
    bool is_done;
    ck_assert_ok(
        vt_keyring_rekey_step(history->change.write, history->rekey_cursor, 1 + random_below(history, 6), &is_done));
    if (is_done) memset(history->rekey_cursor, 0, sizeof history->rekey_cursor);
}

/* Operations with a batch of their own ----------------------------------------------------------------------------- */

static unsigned find_secret(struct history *history, const uint8_t bytes[32])
{
    for (size_t i = history->secret_count; i-- > 0;)
        if (memcmp(history->secrets[i].bytes, bytes, 32) == 0) return (unsigned)i;
    return NEVER;
}

static void learn_tenant_key(struct history *history, vt_tenant_id tenant, enum vt_tenant_key_name name)
{
    const struct vt_tenant_key *key = vt_keyring_tenant_key(history->change.view, tenant, name, 0);
    ck_assert_ptr_nonnull(key);
    add_secret(history, key->key.bytes);
}

static void create_tenant(struct history *history)
{
    if (history->tenant_count == TENANTS_MAX) return;
    struct model_tenant *tenant = &history->tenants[history->tenant_count];
    *tenant = (struct model_tenant){.id = 100 + history->tenant_count, .is_live = true};
    ck_assert_ok(vt_keyring_create_tenant(history->change.write, tenant->id, 0));
    for (unsigned name = 0; name < VT_TENANT_KEY_COUNT; name++)
        learn_tenant_key(history, tenant->id, (enum vt_tenant_key_name)name);
    history->tenant_count++;
}

static void drop_named_key(struct history *history, vt_tenant_id tenant, enum vt_tenant_key_name name, size_t index)
{
    const struct vt_tenant_key *key = vt_keyring_tenant_key(history->change.view, tenant, name, index);
    const unsigned secret = find_secret(history, key->key.bytes);
    ck_assert_uint_ne(secret, NEVER);
    history->secrets[secret].dies_now = true;
    ck_assert_ok(vt_keyring_drop_tenant_key(history->change.write, tenant, name, key->version));
}

/* Keep two versions at most; K_place only after its era. */
static void rotate_tenant_key(struct history *history)
{
    struct model_tenant *tenant = &history->tenants[pick_tenant(history)];
    const enum vt_tenant_key_name name = (enum vt_tenant_key_name)random_below(history, VT_TENANT_KEY_COUNT);
    if (name == VT_TENANT_KEY_PLACE && tenant->is_era_open) return;
    if (name != VT_TENANT_KEY_PLACE && vt_keyring_tenant_key(history->change.view, tenant->id, name, 1) != NULL) {
        drop_named_key(history, tenant->id, name, 1);
        return;
    }
    ck_assert_ok(vt_keyring_rotate_tenant_key(history->change.write, tenant->id, name, 0));
    learn_tenant_key(history, tenant->id, name);
    if (name != VT_TENANT_KEY_PLACE) return;
    tenant->is_era_open = true;
    tenant->is_copying = random_below(history, 3) != 0;     /* it need not */
    memset(tenant->replace_cursor, 0, sizeof tenant->replace_cursor);
}

/* With plans of a few values each, so that many follow one another. */
static void step_copy(struct history *history, struct model_tenant *tenant)
{
    bool is_done = false;
    VT_AUTO_PTR(vt_replace_plan) plan = NULL;
    ck_assert_ok(vt_replace_plan_new(tenant->replace_cursor, 8, &plan));
    while (!is_done) ck_assert_ok(vt_replace_plan_look(plan, history->change.view, tenant->id, 50, &is_done));
    ck_assert_ok(vt_keyring_copy_step(history->change.write, tenant->id, plan, tenant->replace_cursor, 4, &is_done));
    if (!is_done) return;
    tenant->is_copying = false;
    memset(tenant->replace_cursor, 0, sizeof tenant->replace_cursor);
}

static void step_eras(struct history *history)
{
    bool is_done;
    for (size_t i = 0; i < history->tenant_count; i++) {
        struct model_tenant *tenant = &history->tenants[i];
        if (!tenant->is_live || !tenant->is_era_open) continue;
        if (tenant->is_copying) {
            step_copy(history, tenant);
            continue;
        }
        ck_assert_ok(vt_keyring_replace_step(history->change.write, tenant->id, tenant->replace_cursor, 10, &is_done));
        if (!is_done) continue;
        drop_named_key(history, tenant->id, VT_TENANT_KEY_PLACE, 1);
        tenant->is_era_open = false;
    }
}

static void drop_tenant(struct history *history)
{
    const unsigned at = pick_tenant(history);
    struct model_tenant *tenant = &history->tenants[at];
    if (tenant->id == VT_TENANT_DEFAULT) return;
    for (unsigned name = 0; name < VT_TENANT_KEY_COUNT; name++) {
        const struct vt_tenant_key *key;
        for (size_t i = 0;
             (key = vt_keyring_tenant_key(history->change.view, tenant->id, (enum vt_tenant_key_name)name, i)) != NULL;
             i++)
            history->secrets[find_secret(history, key->key.bytes)].dies_now = true;
    }
    ck_assert_ok(vt_keyring_drop_tenant(history->change.write, tenant->id));
    for (size_t i = 0; i < history->subject_count; i++) {
        struct model_subject *subject = &history->subjects[i];
        if (subject->tenant != at || !subject->is_live) continue;
        for (unsigned k = 0; k < subject->key_count; k++) history->secrets[subject->keys[k]].dies_now = true;
        subject->is_live = false;
    }
    for (size_t i = 0; i < history->entry_count; i++) {
        struct model_entry *entry = &history->entries[i];
        if (entry->tenant != at || !entry->is_live) continue;
        history->secrets[entry->secret].dies_now = true;
        entry->is_live = false;
    }
    tenant->is_live = false;
}

/* The history ------------------------------------------------------------------------------------------------------ */

static struct model_epoch *add_epoch(struct history *history, const struct vt_key *root_key)
{
    ck_assert_uint_lt(history->epoch_count, EPOCHS_MAX);
    struct model_epoch *epoch = &history->epochs[history->epoch_count++];
    *epoch = (struct model_epoch){.root_key = *root_key, .first = history->state, .last = history->state};
    return epoch;
}

static struct model_epoch *present_epoch(struct history *history)
{
    size_t at = history->epoch_count - 1;
    while (history->epochs[at].is_aborted) at--;
    return &history->epochs[at];
}

static void commit(struct history *history)
{
    ring_commit(&history->change);
    batch_keep(history);
    present_epoch(history)->last = history->state;
}

static void commit_epoch(struct history *history)
{
    ring_commit_epoch(&history->change);
    batch_keep(history);
    add_epoch(history, &history->world.root_key);
}

static void note_aborted_root(struct history *history, const struct vt_key *root_key)
{
    struct model_epoch *epoch = add_epoch(history, root_key);
    epoch->is_aborted = true;
    epoch->aborted_after = history->state;
    for (size_t i = 0; i < history->secret_count; i++) {
        if (!history->secrets[i].dies_now) continue;
        ck_assert_uint_lt(epoch->spared_count, TOUCHED_MAX);
        epoch->spared[epoch->spared_count++] = (unsigned)i;
    }
}

static void abort_batch(struct history *history)
{
    struct vt_keyring_delta delta;
    struct vt_key root_key;
    struct vt_next_root next = {.epoch = history->world.epoch + 1, .incarnation = 1, .root_key = &root_key};
    const unsigned how = random_below(history, 3);
    ck_assert_ok(vt_random_key(&root_key));
    ck_assert_ok(vt_random_bytes(next.attempt, sizeof next.attempt));
    if (how == 1) ck_assert_ok(vt_keyring_write_finish(history->change.write, NULL, &delta));
    size_t dying = 0;
    for (size_t i = 0; i < history->secret_count; i++) dying += history->secrets[i].dies_now;
    if (how == 2 && dying < TOUCHED_MAX) {
        ck_assert_ok(vt_keyring_write_finish(history->change.write, &next, &delta));
        note_aborted_root(history, &root_key);
    }
    ring_abort(&history->change);
    batch_undo(history);
}

static void batch_end(struct history *history)
{
    const unsigned choice = random_below(history, 100);
    if (choice < 12)
        commit_epoch(history);
    else if (choice < 22)
        abort_batch(history);
    else
        commit(history);
    batch_forget(history);
}

static void run_special(struct history *history)
{
    switch (random_below(history, 8)) {
    case 0: create_tenant(history); break;
    case 1: if (random_below(history, 3) == 0) drop_tenant(history); break;
    case 2: case 3: case 4: rotate_tenant_key(history); break;
    default: step_eras(history); break;
    }
    if (random_below(history, 4) == 0)
        commit_epoch(history);
    else
        commit(history);
    batch_forget(history);
}

static void run_op(struct history *history)
{
    const unsigned choice = random_below(history, 100);
    if (choice < 34)
        op_insert(history);
    else if (choice < 52)
        op_edit(history);
    else if (choice < 66)
        op_shred(history);
    else if (choice < 84)
        op_index_add(history);
    else if (choice < 95)
        op_index_remove(history);
    else
        op_rekey(history);
}

static uint64_t run_batch(struct history *history)
{
    const unsigned ops = 1 + random_below(history, BATCH_MAX);
    batch_begin(history);
    if (random_below(history, 12) == 0) {
        run_special(history);
        return 1;
    }
    for (unsigned i = 0; i < ops; i++) run_op(history);
    batch_end(history);
    if (random_below(history, 60) == 0) ring_world_restart(&history->world);
    return ops;
}

static void history_begin(struct history *history, uint64_t seed)
{
    *history = (struct history){.random = seed, .next_number = 1, .tenant_count = 1};
    struct vt_store *store = NULL;
    ck_assert_ok(vt_store_mem_open(&store));
    recording_attach(store, &history->recording);
    ring_world_open_on(&history->world, store);
    history->subjects = calloc(SUBJECTS_MAX, sizeof *history->subjects);
    history->entries = calloc(ENTRIES_MAX, sizeof *history->entries);
    history->epochs = calloc(EPOCHS_MAX, sizeof *history->epochs);
    ck_assert(history->subjects != NULL && history->entries != NULL && history->epochs != NULL);
    history->tenants[0] = (struct model_tenant){.id = VT_TENANT_DEFAULT, .is_live = true};
    add_epoch(history, &history->world.root_key);
    batch_begin(history);
    for (unsigned name = 0; name < VT_TENANT_KEY_COUNT; name++)
        learn_tenant_key(history, VT_TENANT_DEFAULT, (enum vt_tenant_key_name)name);
    for (unsigned name = 0; name < VT_SYSTEM_KEY_COUNT; name++)
        add_secret(history, vt_keyring_system_key(history->change.view, (enum vt_system_key_name)name)->bytes);
    ring_abort(&history->change);
    for (size_t i = 0; i < history->secret_count; i++) history->secrets[i].fate = FATE_KNOWN;
}

static void history_end(struct history *history)
{
    vt_keyring_free(history->world.ring);
    recording_detach(history->world.store, history->recording);
    vt_store_free(history->world.store);
    free(history->secrets);
    free(history->subjects);
    free(history->entries);
    free(history->epochs);
}

/* Verdicts --------------------------------------------------------------------------------------------------------- */

struct verdict {
    size_t leaks;                   /* found, and dropped before the epoch began */
    size_t losses;                  /* not found, and lived in the epoch */
    size_t forgotten;               /* dropped before, and not found */
    size_t found;
};

/* An aborted root shows one state that never was; what its batch made or dropped is left out. */
static bool is_expected(const struct model_epoch *epoch, const struct secret *secret)
{
    if (epoch->is_aborted) return secret->born <= epoch->aborted_after && secret->died > epoch->aborted_after;
    return secret->born <= epoch->last && secret->died > epoch->first;
}

static bool is_forbidden(const struct model_epoch *epoch, const struct secret *secret)
{
    return secret->died <= (epoch->is_aborted ? epoch->aborted_after : epoch->first);
}

static bool is_spared(const struct model_epoch *epoch, size_t secret)
{
    for (unsigned i = 0; i < epoch->spared_count; i++)
        if (epoch->spared[i] == secret) return true;
    return false;
}

static struct verdict judge(struct history *history, const struct model_epoch *epoch)
{
    struct ring_reach reach;
    struct verdict verdict = {0};
    ring_reach_from(history->recording, &history->world.vault_id, &epoch->root_key, &reach);
    for (size_t i = 0; i < history->secret_count; i++) {
        const struct secret *secret = &history->secrets[i];
        if (secret->fate != FATE_KNOWN || is_spared(epoch, i)) continue;
        const bool is_found = byte_set_has(&reach.secrets, secret->bytes);
        const bool should_be = is_expected(epoch, secret), must_not_be = is_forbidden(epoch, secret);
        verdict.leaks += is_found && must_not_be;
        verdict.losses += !is_found && should_be;
        verdict.forgotten += !is_found && must_not_be;
        verdict.found += is_found && should_be;
    }
    ring_reach_release(&reach);
    return verdict;
}

static void assert_verdict(struct history *history, const struct model_epoch *epoch, const char *what)
{
    const struct verdict verdict = judge(history, epoch);
    ck_assert_msg(verdict.leaks == 0 && verdict.losses == 0,
                  "%s, states %u to %u: %zu forgotten keys found, %zu live ones lost", what, epoch->first, epoch->last,
                  verdict.leaks, verdict.losses);
    ck_assert_uint_gt(verdict.found, 0);
}

/* Everything that lives opens through the keyring itself as well. */
static void assert_served(struct history *history)
{
    struct ring_read read = ring_read_begin(&history->world);
    struct vt_keyring_check counts;
    struct vt_err err = {0};
    const vault_status status = vt_keyring_check(read.view, &counts, &err);
    ck_assert_msg(status == VAULT_OK, "%s", err.message);
    for (size_t i = 0; i < history->subject_count; i++) {
        const struct model_subject *subject = &history->subjects[i];
        const struct vt_subject_keys *keys;
        const vault_status found =
            vt_keyring_subject_keys(read.view, history->tenants[subject->tenant].id, &subject->sid, &keys);
        ck_assert_status(found, subject->is_live ? VAULT_OK : VAULT_E_NOT_FOUND);
        if (subject->is_live) ck_assert_uint_eq(keys->count, subject->key_count);
    }
    ring_read_end(&read);
}

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static struct history *history_new(void)
{
    struct history *history = calloc(1, sizeof *history);
    ck_assert_ptr_nonnull(history);
    return history;
}

START_TEST(no_dropped_key_is_reachable_from_the_present_root_over_everything_ever_written)
{
    const uint64_t steps = number_from_environment("VT_STEPS", DEFAULT_STEPS);
    const uint64_t seed = number_from_environment("VT_SEED", vt_monotonic_ns());
    printf("VT_SEED=%llu VT_STEPS=%llu\n", (unsigned long long)seed, (unsigned long long)steps);
    fflush(stdout);
    struct history *history = history_new();
    history_begin(history, seed);
    uint64_t done = 0;
    for (unsigned checkpoint = 1; checkpoint <= CHECKPOINTS; checkpoint++) {
        while (done < steps * checkpoint / CHECKPOINTS) done += run_batch(history);
        assert_served(history);
        assert_verdict(history, present_epoch(history), "present root");
    }
    const struct verdict last = judge(history, present_epoch(history));
    ck_assert_uint_gt(last.forgotten, 0);       /* the history did forget something */
    for (unsigned i = 0; i < OLD_EPOCHS_CHECKED; i++)
        assert_verdict(history, &history->epochs[random_below(history, history->epoch_count)], "older root");
    printf("%u commits, %zu epochs, %zu rows recorded, %zu keys found, %zu forgotten\n", history->state,
           history->epoch_count, recording_count(history->recording), last.found, last.forgotten);
    history_end(history);
    free(history);
}
END_TEST

/* The positive control of the adversary: what is dropped is found from the root key of its time. */
START_TEST(a_dropped_key_is_reachable_from_the_root_key_of_its_time)
{
    struct history *history = history_new();
    history_begin(history, 7);
    for (uint64_t done = 0; done < 400;) done += run_batch(history);
    unsigned dropped = 0, aborted = 0;
    for (size_t e = 0; e < history->epoch_count; e++) {
        const struct model_epoch *epoch = &history->epochs[e];
        assert_verdict(history, epoch, epoch->is_aborted ? "aborted root" : "older root");
        aborted += epoch->is_aborted;
        for (size_t i = 0; i < history->secret_count && epoch != present_epoch(history); i++)
            dropped += history->secrets[i].fate == FATE_KNOWN && history->secrets[i].died != NEVER &&
                       is_expected(epoch, &history->secrets[i]);
    }
    ck_assert_uint_gt(dropped, 0);
    ck_assert_uint_gt(aborted, 0);
    history_end(history);
    free(history);
}
END_TEST

/* The negative control of the whole test: the one mistake that looks cheap is caught. */
#ifdef VT_FAULTS
static void keep_page_key(const char *step, void *context)
{
    (void)context;
    if (strcmp(step, "keyring.page") == 0) vt_fault_arm(VT_FAULT_PAGE_KEY, 1);
}

START_TEST(pages_sealed_under_their_old_keys_are_caught)
{
    struct history *history = history_new();
    history_begin(history, 11);
    vt_fault_set_step_hook(keep_page_key, NULL);
    for (uint64_t done = 0; done < 600;) done += run_batch(history);
    vt_fault_set_step_hook(NULL, NULL);
    vt_fault_disarm();
    const struct verdict verdict = judge(history, present_epoch(history));
    ck_assert_uint_gt(verdict.leaks, verdict.forgotten);    /* not here and there: most of it comes back */
    ck_assert_uint_eq(verdict.losses, 0);
    history_end(history);
    free(history);
}
END_TEST
#endif

VT_TEST_MAIN("prop/keyring",
#ifdef VT_FAULTS
             pages_sealed_under_their_old_keys_are_caught,
#endif
             no_dropped_key_is_reachable_from_the_present_root_over_everything_ever_written,
             a_dropped_key_is_reachable_from_the_root_key_of_its_time)
