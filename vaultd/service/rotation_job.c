/* Rotations as jobs: started, gone on with, told about. */
#include <time.h>

#include "libvault/crypto/rng.h"
#include "vaultd/service/rotation_internal.h"
#include "vaultd/service/vault_internal.h"

enum { ROTATIONS_MAX = 8, TRIES_MAX = 200, TRY_PAUSE_MS = 5, KIND_COUNT = 3 + VT_TENANT_KEY_COUNT };

/* What kind ---------------------------------------------------------------------------------------------------------- */

static const char *const TENANT_WHAT[VT_TENANT_KEY_COUNT] = {
    [VT_TENANT_KEY_INDEX] = "tenant index",           [VT_TENANT_KEY_PLACE] = "tenant place",
    [VT_TENANT_KEY_TOKEN_LOOKUP] = "tenant token",    [VT_TENANT_KEY_TOKEN_SEAL] = "tenant token-seal",
    [VT_TENANT_KEY_AUDIT] = "tenant audit",           [VT_TENANT_KEY_CONFIG] = "tenant config",
};

const char *vt_rotation_what(const struct vt_rotation_place *place)
{
    if (place->wish.what == VT_ROTATE_TREE) return "tree";
    if (place->wish.what == VT_ROTATE_SUBJECT) return "subject";
    return TENANT_WHAT[vt_rotation_key(place)];
}

static const char *job_kind(const struct vt_rotation_wish *wish)
{
    if (wish->what == VT_ROTATE_TREE) return "key.rotate tree";
    return wish->what == VT_ROTATE_SUBJECT ? "key.rotate subject" : "key.rotate tenant";
}

static const char *stage_name(uint8_t stage)
{
    static const char *const NAMES[VT_STAGE_END_] = {
        [VT_STAGE_BEGIN] = "waits",      [VT_STAGE_MOVE] = "moves", [VT_STAGE_VALUES] = "moves shared entries",
        [VT_STAGE_CHECK] = "checks",     [VT_STAGE_COUNT] = "counts", [VT_STAGE_DROP] = "drops old versions",
        [VT_STAGE_CLOSE] = "closes the epoch", [VT_STAGE_FINISH] = "ends", [VT_STAGE_COPY] = "copies",
    };
    return NAMES[stage];
}

void vt_rotation_topic(const struct vt_rotation_wish *wish, struct vt_job_topic *out_topic)
{
    struct vt_job_topic topic = {.parts = 1};
    topic.what[0] = (uint8_t)wish->what;
    if (wish->what == VT_ROTATE_SUBJECT) {
        memcpy(topic.what + 1, wish->sid.bytes, sizeof wish->sid.bytes);
        topic.parts = wish->category == VT_CATEGORY_ALL ? UINT32_MAX : 1u << wish->category % 32;
    }
    if (wish->what == VT_ROTATE_TENANT) {
        vt_put_u64(topic.what + 1, wish->tenant);
        topic.parts = wish->keys;
    }
    *out_topic = topic;
}

/* The job ------------------------------------------------------------------------------------------------------------ */

/* Nothing was written: somebody else was first, or the queue is full. A vault that was sealed and unsealed meanwhile goes on. */
static bool may_try_again(const struct vt_rotation *rotation, vault_status status)
{
    if (status == VAULT_E_CONFLICT || status == VAULT_E_BUSY) return true;
    return status == VAULT_E_SEALED && vt_vault_state(rotation->vault) == VT_VAULT_READY;
}

static void pause_before_try(void)
{
    const struct timespec pause = {0, TRY_PAUSE_MS * 1000000L};
    nanosleep(&pause, NULL);
}

/* Who writes often meets a small step less often than a large one. */
static vault_status step_with_tries(struct vt_rotation *rotation, bool *out_done)
{
    enum { SMALL_STEP = 8, LARGE_TRIES = 3 };
    vault_status status = VAULT_E_CONFLICT;
    for (unsigned tries = 0; tries < TRIES_MAX && may_try_again(rotation, status); tries++) {
        if (tries != 0) pause_before_try();
        if (tries == LARGE_TRIES) vt_rotation_set_step(rotation, SMALL_STEP);
        status = vt_rotation_step(rotation, out_done);
    }
    vt_rotation_set_step(rotation, 0);
    return status;
}

/* What it was for is gone or going, cannot be or may not be: there is nothing to go on with. What a hold has stopped must not begin
 * again by itself when the hold ends, months later perhaps: whoever still wants it asks again. */
static bool is_final(vault_status status)
{
    return status == VAULT_E_NOT_FOUND || status == VAULT_E_SHRED_PENDING || status == VAULT_E_LIMIT || status == VAULT_E_HELD;
}

static vault_status rotation_run(void *context, const uint8_t id[16])
{
    struct vt_rotation *rotation = context;
    struct vt_jobs *jobs = rotation->vault->jobs;
    vault_status status = VAULT_OK;
    bool is_done = false;
    while (status == VAULT_OK && !is_done) {
        if (!vt_jobs_progress(jobs, id, rotation->place.done, rotation->place.total)) status = VAULT_E_CANCELLED;
        else status = step_with_tries(rotation, &is_done);
    }
    if (is_final(status)) {
        const vault_status forgotten = vt_rotation_forget(rotation);
        if (forgotten != VAULT_OK) status = forgotten;
    }
    vt_rotation_free(rotation);
    return status;
}

static VT_RESULT rotation_spawn(struct vt_rotation *rotation, bool is_resumed, uint8_t out_job[16])
{
    struct vt_job_origin origin = {.is_resumed = is_resumed};
    struct vt_job_topic topic;
    const struct vt_rotation_wish *wish = &rotation->place.wish;
    memcpy(origin.id, rotation->place.id, sizeof origin.id);
    vt_rotation_topic(wish, &topic);
    return vt_jobs_spawn_topic(rotation->vault->jobs, job_kind(wish), &topic, &origin, rotation_run, rotation, out_job);
}

static VT_RESULT rotation_go_on(struct vt_vault *vault, const struct vt_rotation_place *place, uint8_t out_job[16])
{
    struct vt_rotation *rotation;
    VT_TRY(vt_rotation_of_place(vault, place, &rotation));
    const vault_status status = rotation_spawn(rotation, true, out_job);
    if (status != VAULT_OK) vt_rotation_free(rotation);
    return status;
}

/* Starting ----------------------------------------------------------------------------------------------------------- */

static void place_fresh(struct vt_vault *vault, const struct vt_rotation_wish *wish, struct vt_rotation_place *out_place)
{
    *out_place = (struct vt_rotation_place){.wish = *wish, .stage = VT_STAGE_BEGIN};
    out_place->started_at_ms = vt_clock_now_ms(vault->options.clock);
}

VT_RESULT vt_rotation_new(struct vt_vault *vault, const struct vt_rotation_wish *wish, struct vt_rotation **out_rotation)
{
    struct vt_rotation_place place;
    place_fresh(vault, wish, &place);
    VT_TRY(vt_random_bytes(place.id, sizeof place.id));
    return vt_rotation_of_place(vault, &place, out_rotation);
}

struct stored_search {
    const struct vt_rotation_wish *wish;        /* NULL: any */
    struct vt_rotation_place places[ROTATIONS_MAX];
    size_t count;
    struct vt_rotation_place *found;
};

static bool is_same(const struct vt_rotation_wish *a, const struct vt_rotation_wish *b)
{
    if (a->what != b->what || a->tenant != b->tenant) return false;
    if (a->what == VT_ROTATE_TENANT) return (a->keys & b->keys) != 0;
    return a->what == VT_ROTATE_TREE || (vt_sid_equal(&a->sid, &b->sid) && a->category == b->category);
}

static vault_status search_one(void *context, const struct vt_rotation_place *place)
{
    struct stored_search *search = context;
    VT_ENSURE(search->count < ROTATIONS_MAX, VAULT_E_LIMIT);
    search->places[search->count] = *place;
    if (search->wish != NULL && is_same(search->wish, &place->wish)) search->found = &search->places[search->count];
    search->count++;
    return VAULT_OK;
}

static VT_RESULT search_stored(struct vt_vault *vault, struct stored_search *search)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_vault_view(vault, &txn, &view));
    return vt_rotation_places_each(view, search_one, search);
}

VT_RESULT vt_rotation_open_stored(struct vt_vault *vault, struct vt_rotation **out_rotation)
{
    struct stored_search search = {.wish = NULL};
    VT_TRY(search_stored(vault, &search));
    VT_ENSURE(search.count != 0, VAULT_E_NOT_FOUND);
    return vt_rotation_of_place(vault, &search.places[0], out_rotation);
}

/* Its place is stored before anybody is told its id: what was answered goes on after a kill. */
static VT_RESULT rotation_store_and_spawn(struct vt_rotation *rotation, uint8_t out_job[16])
{
    VT_TRY(vt_rotation_keep(rotation));
    const vault_status status = rotation_spawn(rotation, false, out_job);
    if (status == VAULT_OK) return status;
    const vault_status forgotten = vt_rotation_forget(rotation);
    return forgotten != VAULT_OK ? forgotten : status;
}

/* Who asks again may want more: other keys too, or old versions destroyed that were to be kept. What a rotation of a subject has
 * passed does not come by once more, so that one begins anew. */
static bool place_join(struct vt_rotation_place *place, const struct vt_rotation_wish *wish)
{
    const bool destroys = wish->destroy_now && !place->wish.destroy_now, is_more = (wish->keys & ~place->wish.keys) != 0;
    place->wish.keys |= wish->keys;
    if (!destroys) return is_more;
    place->wish.destroy_now = true;
    place->stage = VT_STAGE_BEGIN;
    place->done = place->total = 0;
    memset(place->cursor, 0, sizeof place->cursor);
    return true;
}

static VT_RESULT rotation_join(struct vt_vault *vault, struct vt_rotation_place *place, const struct vt_rotation_wish *wish,
                               uint8_t out_job[16])
{
    struct vt_job_topic topic;
    VT_AUTO_PTR(vt_rotation) rotation = NULL;
    vt_rotation_topic(wish, &topic);
    VT_ENSURE(!vt_jobs_topic_is_running(vault->jobs, &topic), VAULT_E_RUNNING);
    if (place_join(place, wish)) {
        VT_TRY(vt_rotation_of_place(vault, place, &rotation));
        VT_TRY(vt_rotation_keep(rotation));
    }
    return rotation_go_on(vault, place, out_job);
}

VT_RESULT vt_rotation_start(struct vt_vault *vault, const struct vt_rotation_wish *wish, uint8_t out_job[16])
{
    struct stored_search search = {.wish = wish};
    struct vt_rotation *rotation;
    VT_TRY(search_stored(vault, &search));
    if (search.found != NULL) return rotation_join(vault, search.found, wish, out_job);
    VT_ENSURE(search.count < ROTATIONS_MAX, VAULT_E_LIMIT);
    VT_TRY(vt_rotation_new(vault, wish, &rotation));
    const vault_status status = rotation_store_and_spawn(rotation, out_job);
    if (status != VAULT_OK) vt_rotation_free(rotation);
    return status;
}

/* Going on ----------------------------------------------------------------------------------------------------------- */

static vault_status resume_all(struct vt_vault *vault)
{
    struct stored_search search = {.wish = NULL};
    VT_TRY(search_stored(vault, &search));
    for (size_t i = 0; i < search.count; i++) {
        uint8_t job[16];
        const vault_status status = rotation_go_on(vault, &search.places[i], job);
        VT_ENSURE(status == VAULT_OK || status == VAULT_E_RUNNING, status);     /* its thread outlived the sealing */
    }
    return VAULT_OK;
}

void vt_rotations_resume(struct vt_vault *vault)
{
    uint8_t id[16];
    if (vt_vault_state(vault) != VT_VAULT_READY) return;
    const vault_status status = resume_all(vault);
    if (status == VAULT_OK) return;
    /* The vault works without; whoever looks at the jobs sees that a rotation does not go on, and why. */
    if (vt_jobs_begin(vault->jobs, "key.rotate resume", NULL, id) == VAULT_OK) vt_jobs_end(vault->jobs, id, status, NULL);
}

/* Telling ------------------------------------------------------------------------------------------------------------ */

struct telling {
    vt_rotation_visit visit;
    void *context;
};

static struct vt_rotation_info info_of(const struct vt_rotation_place *place)
{
    struct vt_rotation_info info = {.what = vt_rotation_what(place), .stage = stage_name(place->stage),
                                    .tenant = place->wish.tenant, .done = place->done, .total = place->total};
    memcpy(info.job, place->id, sizeof info.job);
    return info;
}

struct vt_rotation_info vt_rotation_info(const struct vt_rotation *rotation)
{
    return info_of(&rotation->place);
}

static vault_status tell_one(void *context, const struct vt_rotation_place *place)
{
    const struct telling *telling = context;
    const struct vt_rotation_info info = info_of(place);
    return telling->visit(telling->context, &info);
}

VT_RESULT vt_rotations_each(struct vt_keyring_view *view, vt_rotation_visit visit, void *context)
{
    struct telling telling = {visit, context};
    return vt_rotation_places_each(view, tell_one, &telling);
}
