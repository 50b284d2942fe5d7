/* The steps of a rotation. What only the committer can do (fresh versions, moving pages) is an item alone in its transaction; rows
 * are prepared outside and committed with conditions, like a call's. */
#include "vaultd/service/rotation.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "vaultd/core/token/reindex.h"
#include "vaultd/service/rotation_internal.h"
#include "vaultd/service/vault_internal.h"

enum {
    STEP_ROWS = 500,
    STEP_INDEX_ROWS = 128,          /* an entry that moves costs two pages, and calls wait for a step's commit */
    STEP_PAGES = 256,
    STEP_PLACE_PAGES = 128,         /* beside a page, sixteen entries are looked at */
    PLAN_ENTRIES = 256 * 1024,      /* 16 MiB while it is made */
    PLAN_LOOK_ENTRIES = 32 * 1024,  /* to a snapshot */
    ERA_PASSES = 3,
    STEP_OBJECTS = 64,
    STEP_TOKENS = 20000,
    INDEX_PASSES = 3,
    ERA_PARTS = 1024,               /* how finely the progress of an era is told */
    TREE_PARTS = 1024,              /* and that of the whole tree */
    AUDIT_PARTS = 1,                /* nothing lies under an audit key that would have to move */
    CONFIG_PASSES = 2,
    ROTATION_POOL_MAX = 256 * 1024 * 1024
};

static const char *const KEY_NAMES[VT_TENANT_KEY_COUNT] = {
    [VT_TENANT_KEY_INDEX] = "index",           [VT_TENANT_KEY_PLACE] = "place", [VT_TENANT_KEY_TOKEN_LOOKUP] = "token",
    [VT_TENANT_KEY_TOKEN_SEAL] = "token-seal", [VT_TENANT_KEY_AUDIT] = "audit", [VT_TENANT_KEY_CONFIG] = "config",
};

const char *vt_rotation_key_name(enum vt_tenant_key_name key)
{
    VT_BUG_ON((size_t)key >= VT_ARRAY_LEN(KEY_NAMES));
    return KEY_NAMES[key];
}

enum vt_tenant_key_name vt_rotation_key(const struct vt_rotation_place *place)
{
    unsigned key = 0;
    while (key < VT_TENANT_KEY_COUNT - 1 && (place->wish.keys & (1u << key)) == 0) key++;
    return (enum vt_tenant_key_name)key;
}

VT_RESULT vt_rotation_of_place(struct vt_vault *vault, const struct vt_rotation_place *place, struct vt_rotation **out_rotation)
{
    struct vt_rotation *rotation = vt_calloc(1, sizeof *rotation);
    VT_ENSURE(rotation != NULL, VAULT_E_MEMORY);
    rotation->vault = vault;
    rotation->place = *place;
    *out_rotation = rotation;
    return VAULT_OK;
}

void vt_rotation_free(struct vt_rotation *rotation)
{
    if (rotation != NULL) vt_replace_plan_free(rotation->plan);
    free(rotation);
}

void vt_rotation_set_step(struct vt_rotation *rotation, size_t size)
{
    rotation->step_size = size;
}

static size_t step_size(const struct vt_rotation *rotation, size_t otherwise)
{
    return rotation->step_size != 0 ? VT_MIN(rotation->step_size, otherwise) : otherwise;
}

static void stage_set(struct vt_rotation_place *place, enum vt_rotation_stage stage)
{
    place->stage = (uint8_t)stage;
    memset(place->cursor, 0, sizeof place->cursor);
}

static struct vt_commit_item rotation_item(const struct vt_rotation *rotation, uint64_t since)
{
    struct vt_commit_item item = {.since = since};
    struct vt_epoch_status epoch;
    item.leaf.effect = VT_AUDIT_SYSTEM;
    item.leaf.tenant = rotation->place.wish.tenant;
    if (vt_epoch_status(rotation->vault->epoch, &epoch) == VAULT_OK) item.leaf.incarnation = epoch.incarnation;
    memcpy(item.leaf.principal, rotation->place.wish.principal, sizeof item.leaf.principal);
    return item;
}

/* Alone in a transaction --------------------------------------------------------------------------------------------- */

struct exclusive {
    struct vt_rotation *rotation;
    VT_RESULT (*work)(struct exclusive *exclusive, struct vt_keyring_write *write);
    struct vt_rotation_place next;
    bool changes_keys;              /* of the tenant: what was prepared under the old ones is prepared again */
};

static vault_status exclusive_run(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct exclusive *exclusive = context;
    exclusive->next = exclusive->rotation->place;       /* a transaction that failed is run again */
    VT_TRY(exclusive->work(exclusive, write));
    VT_TRY(vt_rotation_place_put(&exclusive->next, vt_keyring_write_view(write), txn));
    if (!vt_keyring_write_is_dirty(write)) return VAULT_OK;
    return vt_epoch_write_finish(exclusive->rotation->vault->epoch, write, vt_store_commit_number(txn));
}

static void exclusive_committed(void *context, bool kept)
{
    struct exclusive *exclusive = context;
    if (kept && exclusive->changes_keys) vt_stamps_touch_all(exclusive->rotation->vault->stamps);
}

static VT_RESULT exclusive_commit(struct vt_rotation *rotation,
                                  VT_RESULT (*work)(struct exclusive *exclusive, struct vt_keyring_write *write))
{
    struct exclusive exclusive = {.rotation = rotation, .work = work};
    struct vt_commit_item item = rotation_item(rotation, vt_stamps_now(rotation->vault->stamps));
    item.exclusive = exclusive_run;
    item.on_committed = exclusive_committed;
    item.context = &exclusive;
    VT_TRY(vt_vault_commit_wait(rotation->vault, &item));
    rotation->place = exclusive.next;
    return VAULT_OK;
}

/* One key is through: the next one of the wish, or none. */
static void place_next_key(struct vt_rotation_place *place)
{
    place->wish.keys &= ~(1u << vt_rotation_key(place));
    place->is_again = place->has_moved = false;
    stage_set(place, VT_STAGE_BEGIN);
    place->is_over = place->wish.what != VT_ROTATE_TENANT || place->wish.keys == 0;
}

static VT_RESULT finish_work(struct exclusive *exclusive, struct vt_keyring_write *write)
{
    struct vt_rotation_place *next = &exclusive->next;
    (void)write;
    if (next->wish.what == VT_ROTATE_TENANT && next->is_again) stage_set(next, VT_STAGE_BEGIN);
    else place_next_key(next);
    return VAULT_OK;
}

static VT_RESULT forget_work(struct exclusive *exclusive, struct vt_keyring_write *write)
{
    (void)write;
    exclusive->next.is_over = true;
    return VAULT_OK;
}

static VT_RESULT keep_work(struct exclusive *exclusive, struct vt_keyring_write *write)
{
    (void)exclusive;
    (void)write;
    return VAULT_OK;
}

VT_RESULT vt_rotation_keep(struct vt_rotation *rotation)
{
    return exclusive_commit(rotation, keep_work);
}

VT_RESULT vt_rotation_forget(struct vt_rotation *rotation)
{
    return exclusive_commit(rotation, forget_work);
}

/* Prepared outside --------------------------------------------------------------------------------------------------- */

struct step {
    struct vt_rotation *rotation;
    struct vt_rotation_place next;
    uint64_t since;
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    struct vt_schema_set *schemas;
    struct vt_template_set *templates;
    struct vt_change *change;
    struct vt_pool pool;
    struct vt_err err;
    struct vt_token_env env;
};

static void step_end(struct step *step)
{
    vt_keyring_view_end(step->view);
    vt_txn_abort(step->txn);
    if (step->schemas != NULL) vt_schema_set_release(step->schemas);
    if (step->templates != NULL) vt_template_set_release(step->templates);
    vt_change_free(step->change);
    vt_pool_release(&step->pool);
}

static VT_RESULT step_begin(struct vt_rotation *rotation, struct step *step)
{
    struct vt_vault *vault = rotation->vault;
    const vt_tenant_id tenant = rotation->place.wish.tenant;
    step->since = vt_stamps_now(vault->stamps);
    VT_TRY(vt_vault_view(vault, &step->txn, &step->view));
    VT_TRY(vt_change_new(tenant, &step->change));
    step->schemas = vt_schemas_acquire(vault->schemas, tenant);
    step->templates = vt_templates_acquire(vault->templates, tenant);
    VT_ENSURE(step->schemas != NULL && step->templates != NULL, VAULT_E_STATE);
    step->env.templates = step->templates;
    step->env.tokens = vault->tokens;
    step->env.subject = (struct vt_subject_env){.view = step->view, .tenant = tenant, .schemas = step->schemas,
                                                .stamps = vault->stamps, .records = vault->records, .pool = &step->pool,
                                                .now_ms = vt_clock_now_ms(vault->options.clock), .err = &step->err};
    return VAULT_OK;
}

static VT_RESULT step_commit(struct step *step)
{
    struct vt_rotation *rotation = step->rotation;
    struct vt_commit_item item = rotation_item(rotation, step->since);
    VT_TRY(vt_rotation_place_plan(&step->next, step->view, step->change));
    item.change = step->change;
    if (rotation->place.wish.what == VT_ROTATE_SUBJECT) {
        item.touched = &rotation->place.wish.sid;
        item.touched_count = 1;
    }
    /* The snapshot is let go before the commit that makes it old. */
    vt_keyring_view_end(step->view);
    step->view = NULL;
    vt_txn_abort(step->txn);
    step->txn = NULL;
    VT_TRY(vt_vault_commit_wait(rotation->vault, &item));
    rotation->place = step->next;
    return VAULT_OK;
}

static VT_RESULT prepared_commit(struct vt_rotation *rotation, VT_RESULT (*work)(struct step *step))
{
    struct step step = {.rotation = rotation, .next = rotation->place, .pool = VT_POOL_INIT(ROTATION_POOL_MAX)};
    vault_status status = step_begin(rotation, &step);
    if (status == VAULT_OK) status = work(&step);
    if (status == VAULT_OK) status = step_commit(&step);
    step_end(&step);
    return status;
}

/* The tree ----------------------------------------------------------------------------------------------------------- */

static VT_RESULT tree_work(struct exclusive *exclusive, struct vt_keyring_write *write)
{
    struct vt_rotation_place *next = &exclusive->next;
    bool is_done;
    VT_TRY(vt_keyring_rekey_step(write, next->cursor, step_size(exclusive->rotation, STEP_PAGES), &is_done));
    next->done = vt_keyring_rekey_progress(next->cursor, TREE_PARTS);
    next->total = TREE_PARTS;
    next->stage = VT_STAGE_MOVE;
    if (is_done) stage_set(next, VT_STAGE_CLOSE);       /* old pages die with the old root key */
    return VAULT_OK;
}

/* A subject's data keys ---------------------------------------------------------------------------------------------- */

static vault_status count_row(void *context, uint16_t category, uint64_t key_record, uint32_t dek_version)
{
    uint64_t *count = context;
    (void)category;
    (void)key_record;
    (void)dek_version;
    (*count)++;
    return VAULT_OK;
}

static VT_RESULT subject_work(struct step *step)
{
    struct vt_rotation_place *next = &step->next;
    const struct vt_rotation_wish *wish = &next->wish;
    uint64_t rows;
    bool is_done;
    if (next->stage == VT_STAGE_BEGIN)
        VT_TRY(vt_subject_rows_each(step->view, &wish->sid, wish->category, count_row, &next->total));
    next->stage = VT_STAGE_MOVE;
    VT_TRY(vt_subject_rotate_step(&step->env.subject, &wish->sid, wish->category, step_size(step->rotation, STEP_ROWS),
                                  wish->destroy_now, step->change, next->cursor, &rows, &is_done));
    next->done += rows;
    if (is_done) stage_set(next, wish->destroy_now ? VT_STAGE_CLOSE : VT_STAGE_FINISH);
    return VAULT_OK;
}

/* A tenant's keys: beginning and end --------------------------------------------------------------------------------- */

static enum vt_rotation_stage stage_behind_begin(enum vt_tenant_key_name key)
{
    if (key == VT_TENANT_KEY_TOKEN_LOOKUP) return VT_STAGE_FINISH;
    if (key == VT_TENANT_KEY_TOKEN_SEAL) return VT_STAGE_COUNT;
    if (key == VT_TENANT_KEY_PLACE) return VT_STAGE_COPY;
    return key == VT_TENANT_KEY_AUDIT ? VT_STAGE_DROP : VT_STAGE_MOVE;
}

static VT_RESULT progress_begin(struct vt_rotation_place *next, struct vt_keyring_view *view)
{
    struct vt_tenant_counts counts;
    VT_TRY(vt_keyring_tenant_counts(view, next->wish.tenant, &counts));
    next->done = next->total = 0;
    if (vt_rotation_key(next) == VT_TENANT_KEY_INDEX) next->total = INDEX_PASSES * counts.subjects;
    if (vt_rotation_key(next) == VT_TENANT_KEY_PLACE) next->total = ERA_PASSES * ERA_PARTS;
    if (vt_rotation_key(next) == VT_TENANT_KEY_AUDIT) next->total = AUDIT_PARTS;
    return VAULT_OK;
}

/* With as many versions as there is room for, the older ones leave first and then there is another round. */
static VT_RESULT begin_work(struct exclusive *exclusive, struct vt_keyring_write *write)
{
    struct vt_rotation_place *next = &exclusive->next;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    const enum vt_tenant_key_name key = vt_rotation_key(next);
    const bool is_full = vt_keyring_tenant_key(view, next->wish.tenant, key, VT_TENANT_KEY_VERSIONS - 1) != NULL;
    VT_ENSURE(!is_full || (!next->is_again && key != VT_TENANT_KEY_TOKEN_LOOKUP), VAULT_E_LIMIT);
    VT_TRY(progress_begin(next, view));
    next->is_again = is_full;
    next->has_moved = false;
    stage_set(next, stage_behind_begin(key));
    if (is_full) return VAULT_OK;
    exclusive->changes_keys = true;
    return vt_keyring_rotate_tenant_key(write, next->wish.tenant, key,
                                        vt_clock_now_ms(exclusive->rotation->vault->options.clock));
}

static bool is_needed(const struct vt_rotation *rotation, uint32_t version)
{
    for (size_t i = 0; i < rotation->seen_count; i++)
        if (rotation->seen[i] == version) return true;
    return false;
}

/* Every version but the live one, except those that COUNT has seen. */
static VT_RESULT drop_work(struct exclusive *exclusive, struct vt_keyring_write *write)
{
    struct vt_rotation_place *next = &exclusive->next;
    struct vt_keyring_view *view = vt_keyring_write_view(write);
    const enum vt_tenant_key_name name = vt_rotation_key(next);
    uint32_t versions[VT_TENANT_KEY_VERSIONS];
    size_t count = 0;
    const struct vt_tenant_key *key;
    for (size_t i = 1; (key = vt_keyring_tenant_key(view, next->wish.tenant, name, i)) != NULL; i++)
        if (!is_needed(exclusive->rotation, key->version)) versions[count++] = key->version;
    for (size_t i = 0; i < count; i++) VT_TRY(vt_keyring_drop_tenant_key(write, next->wish.tenant, name, versions[i]));
    exclusive->changes_keys = count != 0;
    next->done = next->total;
    stage_set(next, count != 0 ? VT_STAGE_CLOSE : VT_STAGE_FINISH);
    return VAULT_OK;
}

/* Index -------------------------------------------------------------------------------------------------------------- */

static enum vt_reindex_pass index_pass(uint8_t stage)
{
    if (stage == VT_STAGE_MOVE) return VT_REINDEX_ROWS;
    return stage == VT_STAGE_VALUES ? VT_REINDEX_VALUES : VT_REINDEX_CHECK;
}

/* More is to be done than was thought; nothing that was done counts less. */
static VT_RESULT index_again(struct step *step)
{
    struct vt_tenant_counts counts;
    VT_TRY(vt_keyring_tenant_counts(step->view, step->next.wish.tenant, &counts));
    step->next.total = step->next.done + INDEX_PASSES * counts.subjects;
    return VAULT_OK;
}

static VT_RESULT index_work(struct step *step)
{
    struct vt_rotation_place *next = &step->next;
    struct vt_reindex_counts counts;
    bool is_done;
    VT_TRY(vt_reindex_step(&step->env, index_pass(next->stage), step_size(step->rotation, STEP_INDEX_ROWS), next->cursor,
                           step->change, &counts, &is_done));
    next->done = VT_MIN(next->done + counts.subjects, next->total);
    next->has_moved |= counts.stragglers != 0;
    if (!is_done) return VAULT_OK;
    if (next->stage != VT_STAGE_CHECK) {
        stage_set(next, next->stage == VT_STAGE_MOVE ? VT_STAGE_VALUES : VT_STAGE_CHECK);
        return VAULT_OK;
    }
    if (next->has_moved) VT_TRY(index_again(step));
    stage_set(next, next->has_moved ? VT_STAGE_MOVE : VT_STAGE_DROP);
    next->has_moved = false;
    return VAULT_OK;
}

/* Place -------------------------------------------------------------------------------------------------------------- */

/* The cursor's position tells how far the walk has come: entries lie at random. A pass that has to be made again does not count
 * twice. */
static void era_progress(struct vt_rotation_place *next)
{
    enum { POSITION = 9 };
    const uint64_t parts = (uint64_t)vt_get_u16(next->cursor + POSITION) * ERA_PARTS >> 16;
    const unsigned passes = next->stage == VT_STAGE_COPY ? 0 : next->stage == VT_STAGE_MOVE ? 1 : 2;
    next->total = ERA_PASSES * ERA_PARTS;
    next->done = VT_MAX(next->done, passes * ERA_PARTS + parts);
}

static VT_RESULT copy_work(struct exclusive *exclusive, struct vt_keyring_write *write)
{
    struct vt_rotation_place *next = &exclusive->next;
    struct vt_rotation *rotation = exclusive->rotation;
    bool is_done;
    VT_TRY(vt_keyring_copy_step(write, next->wish.tenant, rotation->plan, next->cursor, step_size(rotation, STEP_PLACE_PAGES),
                                &is_done));
    era_progress(next);
    if (is_done) stage_set(next, VT_STAGE_MOVE);
    return VAULT_OK;
}

/* A step that only looks, and not for long: what it finds out is not stored, and found out anew after a restart. */
static VT_RESULT plan_look(struct vt_rotation *rotation, bool *out_whole)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_vault_view(rotation->vault, &txn, &view));
    return vt_replace_plan_look(rotation->plan, view, rotation->place.wish.tenant, PLAN_LOOK_ENTRIES, out_whole);
}

static VT_RESULT copy_step(struct vt_rotation *rotation)
{
    bool is_whole = true;
    if (rotation->plan == NULL) {
        VT_TRY(vt_replace_plan_new(rotation->place.cursor, step_size(rotation, PLAN_ENTRIES), &rotation->plan));
        is_whole = false;
    }
    if (!vt_replace_plan_covers(rotation->plan, rotation->place.cursor)) VT_TRY(plan_look(rotation, &is_whole));
    if (!is_whole) return VAULT_OK;
    VT_TRY(exclusive_commit(rotation, copy_work));
    if (rotation->place.stage != VT_STAGE_COPY || !vt_replace_plan_covers(rotation->plan, rotation->place.cursor)) {
        vt_replace_plan_free(rotation->plan);
        rotation->plan = NULL;
    }
    return VAULT_OK;
}

static VT_RESULT era_work(struct exclusive *exclusive, struct vt_keyring_write *write)
{
    struct vt_rotation_place *next = &exclusive->next;
    bool is_done;
    VT_TRY(vt_keyring_replace_step(write, next->wish.tenant, next->cursor, step_size(exclusive->rotation, STEP_PLACE_PAGES),
                                   &is_done));
    if (next->stage == VT_STAGE_CHECK) next->has_moved |= vt_keyring_write_is_dirty(write);
    era_progress(next);
    if (!is_done) return VAULT_OK;
    const bool is_clean = next->stage == VT_STAGE_CHECK && !next->has_moved;
    stage_set(next, is_clean ? VT_STAGE_DROP : VT_STAGE_CHECK);
    next->has_moved = false;
    return VAULT_OK;
}

/* Config ------------------------------------------------------------------------------------------------------------- */

static VT_RESULT table_count(const struct vt_rotation *rotation, enum vt_table table, uint64_t *out_count)
{
    struct vt_store_stats stats;
    VT_TRY(vt_store_stats(vt_vault_store(rotation->vault), &stats));
    *out_count = stats.entries[table];
    return VAULT_OK;
}

/* Objects of all tenants are walked over, and the last one of a step is the first one of the next. A pass that has to be made again
 * does not count twice. */
static void config_progress(struct vt_rotation_place *next, bool is_done)
{
    const uint64_t end = next->stage == VT_STAGE_CHECK ? next->total : next->total / CONFIG_PASSES;
    const uint64_t done = is_done ? end : VT_MIN(next->done + STEP_OBJECTS - 1, end);
    next->done = VT_MAX(next->done, done);
}

static VT_RESULT config_work(struct step *step)
{
    struct vt_rotation_place *next = &step->next;
    uint64_t moved, objects;
    bool is_done;
    if (next->total == 0) {
        VT_TRY(table_count(step->rotation, VT_TABLE_CONFIG, &objects));
        next->total = CONFIG_PASSES * objects;
    }
    VT_TRY(vt_config_reseal_step(step->change, step->view, next->wish.tenant, STEP_OBJECTS, next->cursor, &moved, &is_done));
    config_progress(next, is_done);
    if (next->stage == VT_STAGE_CHECK) next->has_moved |= moved != 0;
    if (!is_done) return VAULT_OK;
    const bool is_clean = next->stage == VT_STAGE_CHECK && !next->has_moved;
    stage_set(next, is_clean ? VT_STAGE_DROP : VT_STAGE_CHECK);
    next->has_moved = false;
    return VAULT_OK;
}

/* Token seal --------------------------------------------------------------------------------------------------------- */

static VT_RESULT seen_add(struct vt_rotation *rotation, uint32_t version)
{
    if (is_needed(rotation, version)) return VAULT_OK;
    VT_ENSURE(rotation->seen_count < VT_TENANT_KEY_VERSIONS, VAULT_E_CORRUPT);
    rotation->seen[rotation->seen_count++] = version;
    return VAULT_OK;
}

/* Rows only ever leave an older version, so what has been seen to be unused stays unused. */
static VT_RESULT count_tokens(struct vt_rotation *rotation, struct vt_keyring_view *view, bool *out_done)
{
    struct vt_bytes key, value;
    size_t looked = 0;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_TOKEN, &cursor));
    const bool is_first = rotation->count_key_len == 0;
    const struct vt_bytes last = vt_bytes(rotation->count_key, rotation->count_key_len);
    const size_t most = step_size(rotation, STEP_TOKENS);
    vault_status status = is_first ? vt_cursor_next(cursor, &key, &value) : vt_cursor_seek(cursor, last, &key, &value);
    if (!is_first && status == VAULT_OK && vt_bytes_equal(key, last)) status = vt_cursor_next(cursor, &key, &value);
    for (; status == VAULT_OK && looked < most; status = vt_cursor_next(cursor, &key, &value), looked++) {
        VT_TRY(seen_add(rotation, vt_token_row_seal_version(value)));
        VT_ENSURE(key.len <= sizeof rotation->count_key, VAULT_E_CORRUPT);
        memcpy(rotation->count_key, key.data, key.len);
        rotation->count_key_len = key.len;
    }
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    rotation->place.done = VT_MIN(rotation->place.done + looked, rotation->place.total);
    *out_done = status == VAULT_E_NOT_FOUND;
    return VAULT_OK;
}

static VT_RESULT count_step(struct vt_rotation *rotation)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    bool is_done;
    if (rotation->count_key_len == 0) VT_TRY(table_count(rotation, VT_TABLE_TOKEN, &rotation->place.total));
    VT_TRY(vt_vault_view(rotation->vault, &txn, &view));
    VT_TRY(count_tokens(rotation, view, &is_done));
    vt_keyring_view_end(VT_MOVE(view));
    vt_txn_abort(VT_MOVE(txn));
    if (!is_done) return VAULT_OK;
    const vault_status status = exclusive_commit(rotation, drop_work);
    rotation->seen_count = 0;
    rotation->count_key_len = 0;
    return status;
}

/* A step ------------------------------------------------------------------------------------------------------------- */

static VT_RESULT close_work(struct exclusive *exclusive, struct vt_keyring_write *write)
{
    (void)write;
    stage_set(&exclusive->next, VT_STAGE_FINISH);
    return VAULT_OK;
}

static VT_RESULT close_step(struct vt_rotation *rotation)
{
    VT_TRY(vt_vault_close_epoch_wait(rotation->vault, true));
    return exclusive_commit(rotation, close_work);
}

static VT_RESULT tenant_step(struct vt_rotation *rotation)
{
    const enum vt_tenant_key_name key = vt_rotation_key(&rotation->place);
    switch (rotation->place.stage) {
    case VT_STAGE_BEGIN: return exclusive_commit(rotation, begin_work);
    case VT_STAGE_COUNT: return count_step(rotation);
    case VT_STAGE_COPY: return copy_step(rotation);
    case VT_STAGE_DROP: return exclusive_commit(rotation, drop_work);
    default: break;
    }
    if (key == VT_TENANT_KEY_PLACE) return exclusive_commit(rotation, era_work);
    return prepared_commit(rotation, key == VT_TENANT_KEY_INDEX ? index_work : config_work);
}

VT_RESULT vt_rotation_step(struct vt_rotation *rotation, bool *out_done)
{
    vault_status status;
    const enum vt_vault_state state = vt_vault_state(rotation->vault);
    VT_ENSURE(state != VT_VAULT_DISK_FULL, VAULT_E_DISK_FULL);
    VT_ENSURE(state == VT_VAULT_READY, VAULT_E_SEALED);
    vt_fault_step("rotation.step");
    if (rotation->place.stage == VT_STAGE_CLOSE) status = close_step(rotation);
    else if (rotation->place.stage == VT_STAGE_FINISH) status = exclusive_commit(rotation, finish_work);
    else if (rotation->place.wish.what == VT_ROTATE_TREE) status = exclusive_commit(rotation, tree_work);
    else if (rotation->place.wish.what == VT_ROTATE_SUBJECT) status = prepared_commit(rotation, subject_work);
    else status = tenant_step(rotation);
    VT_TRY(status);
    *out_done = rotation->place.is_over;
    return VAULT_OK;
}
