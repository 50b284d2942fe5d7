/* vaultd/service/svc_key.c - rotation and its status. Every rotation is online; what takes long is a job (rotation.h). */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/text.h"
#include "libvault/schema/category.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/service/bind.h"
#include "vaultd/service/jobs.h"
#include "vaultd/service/parse.h"
#include "vaultd/service/rotation.h"
#include "vaultd/service/vault_internal.h"
#include "vaultd/service/wraps.h"

/* The root key and the unseal key ------------------------------------------------------------------------------------ */

static vault_status rotate_root(void *context, const uint8_t id[16])
{
    (void)id;
    return vt_vault_close_epoch_wait(context, true);
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

/* What goes in steps ------------------------------------------------------------------------------------------------- */

/* The job begins when the call's own leaf is in the log: in vt_handler.finish. Preparing says whether it may. */
static VT_RESULT wish_keep(struct vt_call *call, const struct vt_rotation_wish *wish)
{
    struct vt_job_topic topic;
    struct vt_rotation_wish *kept = vt_pool_alloc(&call->scratch, sizeof *kept);
    VT_ENSURE(kept != NULL, VAULT_E_MEMORY);
    vt_rotation_topic(wish, &topic);
    if (vt_jobs_topic_is_running(call->vault->jobs, &topic))
        return vt_fail(&call->err, VAULT_E_RUNNING, "what", "A rotation of this is under way already; job.status shows it.");
    *kept = *wish;
    call->handler_state = kept;
    call->wants_worker_after = true;        /* it waits for a commit */
    return VAULT_OK;
}

static struct vt_rotation_wish wish_of(const struct vt_call *call, enum vt_rotation_what what)
{
    struct vt_rotation_wish wish = {.what = what, .tenant = call->tenant};
    memcpy(wish.principal, call->principal.id, sizeof wish.principal);
    return wish;
}

static VT_RESULT start_subject(struct vt_call *call, struct vt_value *map)
{
    struct vt_rotation_wish wish = wish_of(call, VT_ROTATE_SUBJECT);
    (void)map;
    VT_TRY(vt_call_category(call, "category", &wish.category));
    if (vt_call_text(call, "subject").data == NULL)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "subject", "Say whose data keys are to be rotated.");
    VT_TRY(vt_call_subject(call, &wish.sid));
    VT_TRY(vt_call_touch(call, &wish.sid, vt_bytes_str("key.rotate")));
    wish.destroy_now = vt_call_bool(call, "destroy_now", false);
    const struct vt_scope scope = {.sid = wish.sid, .category = wish.category};
    const vault_status gate = wish.destroy_now ? vt_gate_scope(call->view, call->tenant, &scope) : VAULT_OK;
    if (gate == VAULT_E_HELD)
        return vt_fail(&call->err, gate, "destroy_now",
                       "A legal hold forbids to destroy older versions of these keys; it has to be released first.");
    VT_TRY(gate);
    return wish_keep(call, &wish);
}

static VT_RESULT start_tree(struct vt_call *call, struct vt_value *map)
{
    const struct vt_rotation_wish wish = wish_of(call, VT_ROTATE_TREE);
    (void)map;
    return wish_keep(call, &wish);
}

/* Issued tokens are in others' hands, so no version of their lookup key ever makes room for another. */
static VT_RESULT tenant_check_room(struct vt_call *call, uint32_t keys)
{
    if ((keys & 1u << VT_TENANT_KEY_TOKEN_LOOKUP) == 0) return VAULT_OK;
    if (vt_keyring_tenant_key(call->view, call->tenant, VT_TENANT_KEY_TOKEN_LOOKUP, VT_TENANT_KEY_VERSIONS - 1) == NULL)
        return VAULT_OK;
    return vt_fail(&call->err, VAULT_E_LIMIT, "key",
                   "Tokens that were issued need every version of the key token, and there are as many as the vault keeps.");
}

static VT_RESULT start_tenant(struct vt_call *call, struct vt_value *map)
{
    struct vt_rotation_wish wish = wish_of(call, VT_ROTATE_TENANT);
    const struct vt_bytes wished = vt_call_text(call, "key");
    (void)map;
    for (unsigned key = 0; key < VT_TENANT_KEY_COUNT; key++)
        if (wished.data == NULL || vt_bytes_equal_str(wished, vt_rotation_key_name((enum vt_tenant_key_name)key)))
            wish.keys |= 1u << key;
    if (wish.keys == 0)
        return vt_fail(&call->err, VAULT_E_ARGUMENT, "key", "The key must be index, place, token, token-seal, audit or config.");
    VT_TRY(tenant_check_room(call, wish.keys));
    return wish_keep(call, &wish);
}

/* key.rotate --------------------------------------------------------------------------------------------------------- */

static VT_RESULT start_root(struct vt_call *call, struct vt_value *map)
{
    uint8_t id[16];
    VT_TRY(vt_jobs_spawn(call->vault->jobs, "key.rotate root", rotate_root, call->vault, id));
    return vt_put_id(call, map, "job", id);
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
    {"unseal", start_unseal}, {"root", start_root}, {"tree", start_tree}, {"subject", start_subject}, {"tenant", start_tenant},
};

/* Which rotation each argument but `what` belongs to. One that does not belong to what is rotated was a mistake: who gives a
 * subject and asks for the root key would think that the subject's keys had been rotated. */
static const struct {
    const char *argument, *what;
} BELONGS[] = {
    {"subject", "subject"},   {"category", "subject"}, {"destroy_now", "subject"}, {"key", "tenant"},
    {"passphrase", "unseal"}, {"key_file", "unseal"},  {"shares", "unseal"},       {"threshold", "unseal"},
};

static VT_RESULT check_belongs(struct vt_call *call, const char *what)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(BELONGS); i++) {
        const bool is_given = vt_value_get(call->params, BELONGS[i].argument) != NULL;
        if (is_given && strcmp(BELONGS[i].what, what) != 0)
            return vt_fail(&call->err, VAULT_E_ARGUMENT, BELONGS[i].argument,
                           "The argument %s belongs to the rotation of %s, not of %s; leave it out.", BELONGS[i].argument,
                           BELONGS[i].what, what);
    }
    return VAULT_OK;
}

static vault_status key_rotate_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    const struct vt_bytes what = vt_call_text(call, "what");
    for (size_t i = 0; i < VT_ARRAY_LEN(ROTATIONS); i++) {
        if (!vt_bytes_equal_str(what, ROTATIONS[i].what)) continue;
        VT_TRY(check_belongs(call, ROTATIONS[i].what));
        VT_TRY(ROTATIONS[i].start(call, &map));
        return call->handler_state != NULL ? VAULT_OK : vt_call_result(call, &map);
    }
    return vt_fail(&call->err, VAULT_E_ARGUMENT, "what", "What is rotated must be unseal, root, tree, subject or tenant.");
}

static vault_status key_rotate_finish(struct vt_call *call)
{
    struct vt_value map = vt_value_map();
    uint8_t id[16];
    if (call->handler_state == NULL) return VAULT_OK;
    const vault_status status = vt_rotation_start(call->vault, call->handler_state, id);
    if (status == VAULT_E_LIMIT)
        return vt_fail(&call->err, status, "what", "Too many rotations were stopped; ask for them again first.");
    VT_TRY(status);
    VT_TRY(vt_put_id(call, &map, "job", id));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_KEY_ROTATE = {
    .command = "key.rotate", .prepare = key_rotate_prepare, .finish = key_rotate_finish};

/* key.status --------------------------------------------------------------------------------------------------------- */

enum { COUNT_TOKENS_MAX = 200000, NOT_COUNTED = -1 };

/** One version of one key. */
struct key_line {
    const char *name, *state;
    uint64_t version;
    int64_t created_at_ms;
    int64_t rows;                   /* what lies under it; NOT_COUNTED */
    bool is_floor;                  /* at least so many: counting stopped */
};

static VT_RESULT put_key(struct vt_call *call, const struct key_line *line, struct vt_value *list)
{
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_text(call, &map, "name", line->name));
    VT_TRY(vt_put_int(call, &map, "version", (int64_t)line->version));
    if (line->created_at_ms != 0) VT_TRY(vt_put_time(call, &map, "created_at", line->created_at_ms));
    VT_TRY(vt_put_text(call, &map, "state", line->state));
    if (line->rows != NOT_COUNTED) VT_TRY(vt_put_int(call, &map, "rows", line->rows));
    if (line->is_floor) VT_TRY(vt_put_bool(call, &map, "is_floor", true));
    return vt_value_push(&call->scratch, list, map, NULL);
}

/* A tenant's: how much lies under a version */

/** Token rows by version of the seal key, which they name in the clear. */
struct token_counts {
    uint32_t versions[VT_TENANT_KEY_VERSIONS];
    int64_t rows[VT_TENANT_KEY_VERSIONS];
    bool is_floor;
};

static void token_counts_add(struct token_counts *counts, uint32_t version)
{
    for (size_t i = 0; i < VT_TENANT_KEY_VERSIONS; i++)
        if (counts->versions[i] == version) counts->rows[i]++;
}

static VT_RESULT count_token_rows(struct vt_call *call, struct token_counts *out_counts)
{
    struct vt_bytes key, value;
    const struct vt_tenant_key *seal;
    struct token_counts counts = {.is_floor = false};
    for (size_t i = 0; (seal = vt_keyring_tenant_key(call->view, call->tenant, VT_TENANT_KEY_TOKEN_SEAL, i)) != NULL; i++)
        counts.versions[i] = seal->version;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    VT_TRY(vt_cursor_open(call->txn, VT_TABLE_TOKEN, &cursor));
    vault_status status = vt_cursor_next(cursor, &key, &value);
    for (size_t looked = 0; status == VAULT_OK && looked < COUNT_TOKENS_MAX; looked++) {
        token_counts_add(&counts, vt_token_row_seal_version(value));
        status = vt_cursor_next(cursor, &key, &value);
    }
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    counts.is_floor = status == VAULT_OK;
    *out_counts = counts;
    return VAULT_OK;
}

/* Index entries do not say which version hashed them: they are countable when there is but one. Nothing is sealed under the audit
 * key's older versions; tokens do not name the version of their lookup key. */
static VT_RESULT line_count(struct vt_call *call, enum vt_tenant_key_name name, size_t index, const struct token_counts *tokens,
                            struct key_line *line)
{
    struct vt_tenant_counts counts;
    const bool is_only = vt_keyring_tenant_key(call->view, call->tenant, name, 1) == NULL;
    if (name == VT_TENANT_KEY_TOKEN_SEAL) {
        line->rows = tokens->rows[index];
        line->is_floor = tokens->is_floor;
    }
    if ((name == VT_TENANT_KEY_INDEX || name == VT_TENANT_KEY_PLACE) && is_only) {
        VT_TRY(vt_keyring_tenant_counts(call->view, call->tenant, &counts));
        line->rows = (int64_t)counts.index_entries;
    }
    return VAULT_OK;
}

static VT_RESULT status_tenant(struct vt_call *call, struct vt_value *list)
{
    struct token_counts tokens;
    VT_TRY(count_token_rows(call, &tokens));
    for (unsigned name = 0; name < VT_TENANT_KEY_COUNT; name++) {
        const struct vt_tenant_key *key;
        const enum vt_tenant_key_name key_name = (enum vt_tenant_key_name)name;
        for (size_t i = 0; (key = vt_keyring_tenant_key(call->view, call->tenant, key_name, i)) != NULL; i++) {
            char text[64];
            struct key_line line = {.name = text, .state = i == 0 ? "live" : "open-only", .version = key->version,
                                    .created_at_ms = key->created_at_ms, .rows = NOT_COUNTED};
            snprintf(text, sizeof text, "tenant %s", vt_rotation_key_name(key_name));
            VT_TRY(line_count(call, key_name, i, &tokens, &line));
            VT_TRY(put_key(call, &line, list));
        }
    }
    return VAULT_OK;
}

/* A subject's */

struct row_counts {
    const struct vt_subject_keys *keys;
    int64_t rows[VT_KEYBLOCK_KEYS_MAX];
};

static vault_status count_row(void *context, uint16_t category, uint64_t key_record, uint32_t dek_version)
{
    struct row_counts *counts = context;
    for (size_t i = 0; i < counts->keys->count; i++) {
        const struct vt_data_key *key = &counts->keys->keys[i];
        if (key->category == category && key->record == key_record && key->version == dek_version) counts->rows[i]++;
    }
    return VAULT_OK;
}

static VT_RESULT put_data_key(struct vt_call *call, const struct vt_data_key *key, int64_t rows, struct vt_value *list)
{
    static const char *const STATES[] = {"", "live", "open-only", "restore-only"};
    const struct vt_category *category = vt_category_at(key->category);
    char name[64];
    const struct key_line line = {.name = name, .state = key->state < VT_ARRAY_LEN(STATES) ? STATES[key->state] : "unknown",
                                  .version = key->version, .created_at_ms = key->created_at_ms, .rows = rows};
    if (key->record != 0)
        snprintf(name, sizeof name, "category %s record %llu", category != NULL ? category->id : "-",
                 (unsigned long long)key->record);
    else snprintf(name, sizeof name, "category %s", category != NULL ? category->id : "vault");
    return put_key(call, &line, list);
}

static VT_RESULT status_subject(struct vt_call *call, struct vt_value *list)
{
    struct vt_sid sid;
    struct row_counts *counts = vt_pool_calloc(&call->scratch, 1, sizeof *counts);
    VT_ENSURE(counts != NULL, VAULT_E_MEMORY);
    VT_TRY(vt_call_subject(call, &sid));
    VT_TRY(vt_keyring_subject_keys(call->view, call->tenant, &sid, &counts->keys));
    VT_TRY(vt_subject_rows_each(call->view, &sid, VT_CATEGORY_ALL, count_row, counts));
    for (size_t i = 0; i < counts->keys->count; i++)
        VT_TRY(put_data_key(call, &counts->keys->keys[i], counts->rows[i], list));
    return vt_call_touch(call, &sid, vt_bytes_str("key.status"));
}

/* The vault's */

static VT_RESULT status_vault(struct vt_call *call, struct vt_value *list)
{
    struct vt_epoch_status epoch;
    VT_TRY(vt_epoch_status(call->vault->epoch, &epoch));
    const struct key_line root = {.name = "root", .state = "live", .version = epoch.epoch, .rows = NOT_COUNTED};
    VT_TRY(put_key(call, &root, list));
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_TRY(vt_epoch_wraps(call->vault->epoch, &wraps));
    static const char *const METHODS[] = {"", "unseal by passphrase", "unseal by key file", "unseal by shares"};
    for (size_t i = 0; i < vt_wraps_count(wraps); i++) {
        struct vt_wrap_info info;
        VT_TRY(vt_wraps_info(wraps, i, &info));
        const struct key_line wrap = {.name = METHODS[info.method], .state = "live", .version = 1,
                                      .created_at_ms = info.created_at_ms, .rows = NOT_COUNTED};
        VT_TRY(put_key(call, &wrap, list));
    }
    return VAULT_OK;
}

/* Rotations that are under way or were stopped */

struct rotation_listing {
    struct vt_call *call;
    struct vt_value *list;
};

static vault_status put_rotation(void *context, const struct vt_rotation_info *info)
{
    struct rotation_listing *listing = context;
    struct vt_call *call = listing->call;
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_id(call, &map, "job", info->job));
    VT_TRY(vt_put_text(call, &map, "what", info->what));
    VT_TRY(vt_put_text(call, &map, "stage", info->stage));
    VT_TRY(vt_put_int(call, &map, "done", (int64_t)info->done));
    VT_TRY(vt_put_int(call, &map, "total", (int64_t)info->total));
    return vt_value_push(&call->scratch, listing->list, map, NULL);
}

static vault_status key_status_prepare(struct vt_call *call)
{
    struct vt_value map = vt_value_map(), list = vt_value_array(), rotations = vt_value_array(), jobs;
    struct rotation_listing listing = {call, &rotations};
    if (vt_call_text(call, "subject").data != NULL) {
        VT_TRY(status_subject(call, &list));
    } else {
        VT_TRY(status_vault(call, &list));
        VT_TRY(status_tenant(call, &list));
    }
    VT_TRY(vt_rotations_each(call->view, put_rotation, &listing));
    VT_TRY(vt_jobs_list(call->vault->jobs, NULL, &call->scratch, &jobs));
    VT_TRY(vt_put_value(call, &map, "keys", list));
    VT_TRY(vt_put_value(call, &map, "rotations", rotations));
    VT_TRY(vt_put_value(call, &map, "jobs", jobs));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_KEY_STATUS = {.command = "key.status", .prepare = key_status_prepare};
