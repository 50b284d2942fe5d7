/* vaultd/service/svc_key.c - rotation and its status. Every rotation is online and goes in bounded steps, each a commit of its own
 * with its place written beside it, so that one that was killed goes on where it stopped when it is asked for again. */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/schema/category.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/parse.h"
#include "vaultd/service/vault_internal.h"
#include "vaultd/service/wraps.h"

enum {
    STEP_ROWS = 500,
    STEP_PAGES = 256,
    PLACE_LEN = 33,
    PLACE_FORMAT = 1,
    ROTATION_POOL_MAX = 256 * 1024 * 1024
};

/** One rotation on its thread. */
struct rotation {
    struct vt_vault *vault;
    uint8_t id[16];
    vt_tenant_id tenant;
    uint8_t principal[16];
    struct vt_sid sid;
    uint16_t category;
    bool destroy_now;
    char place_name[24];            /* META key of the place; see place_read() */
    uint8_t cursor[32];
    uint64_t steps;
    bool is_done;
};

static struct rotation *rotation_new(struct vt_call *call, const char *place_name)
{
    struct rotation *rotation = vt_calloc(1, sizeof *rotation);
    if (rotation == NULL) return NULL;
    rotation->vault = call->vault;
    rotation->tenant = call->tenant;
    memcpy(rotation->principal, call->principal.id, sizeof rotation->principal);
    snprintf(rotation->place_name, sizeof rotation->place_name, "%s", place_name);
    return rotation;
}

/* META "rotate.<what>": format 1 | cursor 32; there while a rotation is under way or was killed. */
static VT_RESULT place_read(struct rotation *rotation, struct vt_txn *txn, bool *out_is_there)
{
    struct vt_bytes value;
    const vault_status found = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(rotation->place_name), &value);
    *out_is_there = found == VAULT_OK;
    if (found == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(found);
    VT_ENSURE(value.len == PLACE_LEN && value.data[0] == PLACE_FORMAT, VAULT_E_FORMAT);
    memcpy(rotation->cursor, value.data + 1, sizeof rotation->cursor);
    return VAULT_OK;
}

static VT_RESULT place_write(const struct rotation *rotation, struct vt_txn *txn)
{
    uint8_t value[PLACE_LEN] = {PLACE_FORMAT};
    if (rotation->is_done) {
        const vault_status gone = vt_store_delete(txn, VT_TABLE_META, vt_bytes_str(rotation->place_name));
        return gone == VAULT_E_NOT_FOUND ? VAULT_OK : gone;
    }
    memcpy(value + 1, rotation->cursor, sizeof rotation->cursor);
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(rotation->place_name), VT_BYTES_OF(value), VT_PUT_DEFAULT);
}

static struct vt_commit_item rotation_item(struct rotation *rotation)
{
    struct vt_commit_item item = {.since = vt_stamps_now(rotation->vault->stamps), .context = rotation};
    struct vt_epoch_status epoch;
    item.leaf.effect = VT_AUDIT_SYSTEM;
    item.leaf.tenant = rotation->tenant;
    if (vt_epoch_status(rotation->vault->epoch, &epoch) == VAULT_OK) item.leaf.incarnation = epoch.incarnation;
    memcpy(item.leaf.principal, rotation->principal, sizeof item.leaf.principal);
    return item;
}

/* The tree ----------------------------------------------------------------------------------------------------------- */

static vault_status tree_exclusive(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    struct rotation *rotation = context;
    VT_TRY(vt_keyring_rekey_step(write, rotation->cursor, STEP_PAGES, &rotation->is_done));
    VT_TRY(place_write(rotation, txn));
    if (!vt_keyring_write_is_dirty(write)) return VAULT_OK;
    return vt_epoch_write_finish(rotation->vault->epoch, write, vt_store_commit_number(txn));
}

static vault_status rotate_tree(void *context, const uint8_t id[16])
{
    struct rotation *rotation = context;
    vault_status status = VAULT_OK;
    while (status == VAULT_OK && !rotation->is_done) {
        uint8_t before[32];
        memcpy(before, rotation->cursor, sizeof before);
        struct vt_commit_item item = rotation_item(rotation);
        item.exclusive = tree_exclusive;
        status = vt_vault_commit_wait(rotation->vault, &item);
        if (status != VAULT_OK) memcpy(rotation->cursor, before, sizeof before);
        rotation->steps++;
        if (!vt_jobs_progress(rotation->vault->jobs, id, rotation->steps * STEP_PAGES, 0)) status = VAULT_E_CANCELLED;
    }
    /* Old pages die with the old root key. */
    if (status == VAULT_OK) status = vt_vault_close_epoch_wait(rotation->vault, true);
    free(rotation);
    return status;
}

/* The root key and the unseal key ------------------------------------------------------------------------------------ */

static vault_status rotate_root(void *context, const uint8_t id[16])
{
    struct rotation *rotation = context;
    (void)id;
    const vault_status status = vt_vault_close_epoch_wait(rotation->vault, true);
    free(rotation);
    return status;
}

/* Answers with the shares, which are shown once: so it is done when it answers. */
static VT_RESULT rotate_unseal(struct vt_call *call, struct vt_value *map)
{
    struct vt_wrap_wish wish;
    struct vt_value shares = vt_value_array();
    uint8_t id[16];
    VT_TRY(vt_wrap_wish_read(call, &wish));
    vault_status status = vt_jobs_begin(call->vault->jobs, "key.rotate unseal", NULL, id);
    if (status == VAULT_OK) {
        status = vt_vault_rotate_unseal_key(call->vault, vt_wrap_wish_add, &wish);
        vt_jobs_end(call->vault->jobs, id, status, NULL);
    }
    if (status == VAULT_OK) status = vt_wrap_wish_shares(call, &wish, &shares);
    vt_wrap_wish_release(&wish);
    VT_TRY(status);
    if (shares.array.count != 0) VT_TRY(vt_put_value(call, map, "shares", shares));
    return vt_put_id(call, map, "job", id);
}

/* A subject's data keys ---------------------------------------------------------------------------------------------- */

struct step {
    struct rotation *rotation;
    struct vt_txn *txn;
    struct vt_keyring_view *view;
    struct vt_schema_set *schemas;
    struct vt_change *change;
    struct vt_pool pool;
    struct vt_err err;
    struct vt_subject_env env;
};

static void step_end(struct step *step)
{
    vt_keyring_view_end(step->view);
    vt_txn_abort(step->txn);
    if (step->schemas != NULL) vt_schema_set_release(step->schemas);
    vt_change_free(step->change);
    vt_pool_release(&step->pool);
}

static VT_RESULT step_begin(struct rotation *rotation, struct step *step)
{
    struct vt_vault *vault = rotation->vault;
    *step = (struct step){.rotation = rotation, .pool = VT_POOL_INIT(ROTATION_POOL_MAX)};
    VT_ENSURE(vt_vault_state(vault) == VT_VAULT_READY, VAULT_E_SEALED);
    VT_TRY(vt_vault_view(vault, &step->txn, &step->view));
    VT_TRY(vt_change_new(rotation->tenant, &step->change));
    step->schemas = vt_schemas_acquire(vault->schemas, rotation->tenant);
    VT_ENSURE(step->schemas != NULL, VAULT_E_STATE);
    step->env = (struct vt_subject_env){.view = step->view, .tenant = rotation->tenant, .schemas = step->schemas,
                                        .stamps = vault->stamps, .records = vault->records, .pool = &step->pool,
                                        .now_ms = vt_clock_now_ms(vault->options.clock), .err = &step->err};
    return VAULT_OK;
}

static VT_RESULT step_commit(struct step *step)
{
    struct vt_commit_item item = rotation_item(step->rotation);
    item.change = step->change;
    item.touched = &step->rotation->sid;
    /* The snapshot is let go before the commit that makes it old. */
    vt_keyring_view_end(step->view);
    step->view = NULL;
    vt_txn_abort(step->txn);
    step->txn = NULL;
    if (vt_change_is_empty(step->change)) return VAULT_OK;
    return vt_vault_commit_wait(step->rotation->vault, &item);
}

static VT_RESULT subject_step(struct rotation *rotation, struct step *step, uint64_t *out_rows, bool *out_done)
{
    VT_TRY(step_begin(rotation, step));
    VT_TRY(vt_subject_rotate_step(&step->env, &rotation->sid, rotation->category, STEP_ROWS, rotation->destroy_now, step->change,
                                  rotation->cursor, out_rows, out_done));
    return step_commit(step);
}

static vault_status rotate_subject(void *context, const uint8_t id[16])
{
    struct rotation *rotation = context;
    vault_status status = VAULT_OK;
    bool is_done = false;
    unsigned conflicts = 0;
    uint64_t rows = 0;
    while (status == VAULT_OK && !is_done) {
        struct step step;
        uint64_t moved = 0;
        status = subject_step(rotation, &step, &moved, &is_done);
        step_end(&step);
        rows += status == VAULT_OK ? moved : 0;
        if (status == VAULT_E_CONFLICT && ++conflicts < VT_CALL_ATTEMPTS_MAX) {
            status = VAULT_OK;          /* somebody wrote to the subject meanwhile: look again */
            is_done = false;
        }
        if (!vt_jobs_progress(rotation->vault->jobs, id, rows, 0)) status = VAULT_E_CANCELLED;
    }
    if (status == VAULT_OK && rotation->destroy_now) status = vt_vault_close_epoch_wait(rotation->vault, true);
    free(rotation);
    return status;
}

/* A tenant's keys ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum vt_tenant_key_name key;
    const char *what;
} TENANT_KEYS[] = {
    {"index", VT_TENANT_KEY_INDEX, "blind index"},
    {"place", VT_TENANT_KEY_PLACE, "index placement"},
    {"token", VT_TENANT_KEY_TOKEN_LOOKUP, "token lookup"},
    {"token-seal", VT_TENANT_KEY_TOKEN_SEAL, "token rows"},
    {"audit", VT_TENANT_KEY_AUDIT, "audit payloads"},
    {"config", VT_TENANT_KEY_CONFIG, "schemas and templates"},
};

struct tenant_change {
    vt_tenant_id tenant;
    const char *name;               /* NULL: all of them */
    int64_t now_ms;
};

/* New versions seal and index what is written from now on; older ones stay for what lies under them. Issued tokens are in others'
 * hands, so their lookup key can never be taken away. */
static vault_status tenant_apply(void *context, struct vt_keyring_write *write, struct vt_txn *txn)
{
    const struct tenant_change *change = context;
    (void)txn;
    for (size_t i = 0; i < VT_ARRAY_LEN(TENANT_KEYS); i++) {
        if (change->name != NULL && strcmp(change->name, TENANT_KEYS[i].name) != 0) continue;
        VT_TRY(vt_keyring_rotate_tenant_key(write, change->tenant, TENANT_KEYS[i].key, change->now_ms));
    }
    return VAULT_OK;
}

static VT_RESULT tenant_plan(struct vt_call *call, const char **out_name)
{
    const struct vt_bytes wished = vt_call_text(call, "key");
    *out_name = NULL;
    for (size_t i = 0; i < VT_ARRAY_LEN(TENANT_KEYS); i++) {
        const bool is_wished = wished.data == NULL || vt_bytes_equal_str(wished, TENANT_KEYS[i].name);
        if (!is_wished) continue;
        if (wished.data != NULL) *out_name = TENANT_KEYS[i].name;
        if (vt_keyring_tenant_key(call->view, call->tenant, TENANT_KEYS[i].key, VT_TENANT_KEY_VERSIONS - 1) != NULL)
            return vt_fail(&call->err, VAULT_E_LIMIT, "key",
                           "The key has as many versions as the vault keeps; rows must leave an old one first.");
    }
    if (wished.data != NULL && *out_name == NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "key", "The key must be index, place, token, token-seal, audit or config.");
    return VAULT_OK;
}

static VT_RESULT rotate_tenant(struct vt_call *call, struct vt_value *map)
{
    struct tenant_change *tenant = vt_pool_alloc(&call->scratch, sizeof *tenant);
    struct vt_change *change;
    uint8_t id[16];
    VT_ENSURE(tenant != NULL, VAULT_E_MEMORY);
    *tenant = (struct tenant_change){.tenant = call->tenant, .now_ms = call->now_ms};
    VT_TRY(tenant_plan(call, &tenant->name));
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_change_hook_add(change, tenant_apply, tenant));
    VT_TRY(vt_jobs_begin(call->vault->jobs, "key.rotate tenant", NULL, id));
    vt_jobs_end(call->vault->jobs, id, VAULT_OK, "New versions are in force; rows under older ones move as they are written.");
    return vt_put_id(call, map, "job", id);
}

/* key.rotate --------------------------------------------------------------------------------------------------------- */

static VT_RESULT spawn(struct vt_call *call, const char *kind, vault_status (*work)(void *context, const uint8_t id[16]),
                       struct rotation *rotation, struct vt_value *map)
{
    uint8_t id[16];
    const vault_status status = vt_jobs_spawn(call->vault->jobs, kind, work, rotation, id);
    if (status != VAULT_OK) {
        free(rotation);
        return status;
    }
    return vt_put_id(call, map, "job", id);
}

static VT_RESULT start_subject(struct vt_call *call, struct vt_value *map)
{
    struct vt_sid sid;
    uint16_t category;
    VT_TRY(vt_call_category(call, "category", &category));
    if (vt_call_text(call, "subject").data == NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "subject", "Say whose data keys are to be rotated.");
    VT_TRY(vt_call_subject(call, &sid));
    VT_TRY(vt_call_touch(call, &sid, vt_bytes_str("key.rotate")));
    struct rotation *rotation = rotation_new(call, "rotate.subject");
    VT_ENSURE(rotation != NULL, VAULT_E_MEMORY);
    rotation->sid = sid;
    rotation->category = category;
    rotation->destroy_now = vt_call_bool(call, "destroy_now", false);
    return spawn(call, "key.rotate subject", rotate_subject, rotation, map);
}

static VT_RESULT start_tree(struct vt_call *call, struct vt_value *map)
{
    bool is_there;
    struct rotation *rotation = rotation_new(call, "rotate.tree");
    VT_ENSURE(rotation != NULL, VAULT_E_MEMORY);
    const vault_status status = place_read(rotation, call->txn, &is_there);
    if (status != VAULT_OK) {
        free(rotation);
        return status;
    }
    return spawn(call, "key.rotate tree", rotate_tree, rotation, map);
}

static VT_RESULT start_root(struct vt_call *call, struct vt_value *map)
{
    struct rotation *rotation = rotation_new(call, "rotate.root");
    VT_ENSURE(rotation != NULL, VAULT_E_MEMORY);
    return spawn(call, "key.rotate root", rotate_root, rotation, map);
}

/* Rotating U waits for the fence, so the call lets go of its snapshot first. */
static VT_RESULT start_unseal(struct vt_call *call, struct vt_value *map)
{
    vt_keyring_view_end(call->view);
    call->view = NULL;
    vt_txn_abort(call->txn);
    call->txn = NULL;
    return rotate_unseal(call, map);
}

static const struct {
    const char *what;
    VT_RESULT (*start)(struct vt_call *call, struct vt_value *map);
} ROTATIONS[] = {
    {"unseal", start_unseal}, {"root", start_root}, {"tree", start_tree}, {"subject", start_subject}, {"tenant", rotate_tenant},
};

static vault_status key_rotate_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    const struct vt_bytes what = vt_call_text(call, "what");
    for (size_t i = 0; i < VT_ARRAY_LEN(ROTATIONS); i++) {
        if (!vt_bytes_equal_str(what, ROTATIONS[i].what)) continue;
        VT_TRY(ROTATIONS[i].start(call, &map));
        return vt_call_result(call, &map);
    }
    return vt_fail(&call->err, VAULT_E_ARGUMENT, "what", "What is rotated must be unseal, root, tree, subject or tenant.");
}
const struct vt_handler VT_HANDLER_KEY_ROTATE = {.command = "key.rotate", .prepare = key_rotate_prepare};

/* key.status --------------------------------------------------------------------------------------------------------- */

static VT_RESULT put_key(struct vt_call *call, const char *name, uint64_t version, int64_t created_at_ms, const char *state,
                         struct vt_value *list)
{
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_text(call, &map, "name", name));
    VT_TRY(vt_put_int(call, &map, "version", (int64_t)version));
    if (created_at_ms != 0) VT_TRY(vt_put_time(call, &map, "created_at", created_at_ms));
    VT_TRY(vt_put_text(call, &map, "state", state));
    return vt_value_push(&call->scratch, list, map, NULL);
}

static VT_RESULT status_tenant(struct vt_call *call, struct vt_value *list)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(TENANT_KEYS); i++) {
        const struct vt_tenant_key *key;
        for (size_t version = 0;
             (key = vt_keyring_tenant_key(call->view, call->tenant, TENANT_KEYS[i].key, version)) != NULL; version++) {
            char name[64];
            snprintf(name, sizeof name, "tenant %s", TENANT_KEYS[i].name);
            VT_TRY(put_key(call, name, key->version, key->created_at_ms, version == 0 ? "live" : "open-only", list));
        }
    }
    return VAULT_OK;
}

static VT_RESULT status_subject(struct vt_call *call, struct vt_value *list)
{
    static const char *const STATES[] = {"", "live", "open-only", "restore-only"};
    struct vt_sid sid;
    const struct vt_subject_keys *keys;
    VT_TRY(vt_call_subject(call, &sid));
    VT_TRY(vt_keyring_subject_keys(call->view, call->tenant, &sid, &keys));
    for (size_t i = 0; i < keys->count; i++) {
        const struct vt_data_key *key = &keys->keys[i];
        const struct vt_category *category = vt_category_at(key->category);
        char name[64];
        if (key->record != 0)
            snprintf(name, sizeof name, "category %s record %llu", category != NULL ? category->id : "-",
                     (unsigned long long)key->record);
        else snprintf(name, sizeof name, "category %s", category != NULL ? category->id : "vault");
        VT_TRY(put_key(call, name, key->version, key->created_at_ms, key->state < 4 ? STATES[key->state] : "unknown", list));
    }
    return vt_call_touch(call, &sid, vt_bytes_str("key.status"));
}

static VT_RESULT status_vault(struct vt_call *call, struct vt_value *list)
{
    struct vt_epoch_status epoch;
    VT_TRY(vt_epoch_status(call->vault->epoch, &epoch));
    VT_TRY(put_key(call, "root", epoch.epoch, 0, "live", list));
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_TRY(vt_epoch_wraps(call->vault->epoch, &wraps));
    static const char *const METHODS[] = {"", "unseal by passphrase", "unseal by key file", "unseal by shares"};
    for (size_t i = 0; i < vt_wraps_count(wraps); i++) {
        struct vt_wrap_info info;
        VT_TRY(vt_wraps_info(wraps, i, &info));
        VT_TRY(put_key(call, METHODS[info.method], 1, info.created_at_ms, "live", list));
    }
    return VAULT_OK;
}

static vault_status key_status_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map(), list = vt_value_array(), jobs;
    if (vt_call_text(call, "subject").data != NULL) {
        VT_TRY(status_subject(call, &list));
    } else {
        VT_TRY(status_vault(call, &list));
        VT_TRY(status_tenant(call, &list));
    }
    VT_TRY(vt_jobs_list(call->vault->jobs, NULL, &call->scratch, &jobs));
    VT_TRY(vt_put_value(call, &map, "keys", list));
    VT_TRY(vt_put_value(call, &map, "jobs", jobs));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_KEY_STATUS = {.command = "key.status", .prepare = key_status_prepare};
