#include "tests/unit/epoch/epoch_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/epoch/certificate_log.h"

const char world_key_file[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/* A file keeper that can be cut off ------------------------------------------------------------------------------- */

struct cut_keeper {
    struct vt_keeper base;
    struct vt_keeper *inner;
    bool is_down;
    const char *refusal;
    sem_t *entered, *go;            /* not NULL: it hangs */
};
static struct cut_keeper *cut_of(struct vt_keeper *keeper)
{
    return (struct cut_keeper *)(void *)keeper;
}
static vault_status cut_info(struct vt_keeper *keeper, struct vt_keeper_info *out_info)
{
    VT_TRY(cut_of(keeper)->inner->ops->info(cut_of(keeper)->inner, out_info));
    if (cut_of(keeper)->is_down) out_info->is_reachable = false;
    if (cut_of(keeper)->refusal != NULL) snprintf(out_info->refusal, sizeof out_info->refusal, "%s", cut_of(keeper)->refusal);
    return VAULT_OK;
}
static vault_status cut_read(struct vt_keeper *keeper, struct vt_keeper_slot *out_slots, size_t *out_count)
{
    VT_ENSURE(!cut_of(keeper)->is_down, VAULT_E_CONNECT);
    return cut_of(keeper)->inner->ops->read(cut_of(keeper)->inner, out_slots, out_count);
}
static vault_status cut_prepare(struct vt_keeper *keeper, const struct vt_keeper_slot *slot)
{
    VT_ENSURE(!cut_of(keeper)->is_down, VAULT_E_CONNECT);
    return cut_of(keeper)->inner->ops->prepare(cut_of(keeper)->inner, slot);
}
static vault_status cut_finalize(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch, const uint8_t *attempt,
                                 uint64_t commit_number, int64_t now_ms, struct vt_keeper_receipt *out_receipt)
{
    VT_ENSURE(!cut_of(keeper)->is_down, VAULT_E_CONNECT);
    VT_ENSURE(cut_of(keeper)->refusal == NULL, VAULT_E_STATE);
    return cut_of(keeper)->inner->ops->finalize(cut_of(keeper)->inner, incarnation, epoch, attempt, commit_number, now_ms,
                                                out_receipt);
}
static vault_status cut_abort(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch, const uint8_t *attempt)
{
    VT_ENSURE(!cut_of(keeper)->is_down, VAULT_E_CONNECT);
    return cut_of(keeper)->inner->ops->abort(cut_of(keeper)->inner, incarnation, epoch, attempt);
}
static vault_status cut_floor(struct vt_keeper *keeper, struct vt_keeper_floor *out_floor)
{
    VT_ENSURE(!cut_of(keeper)->is_down, VAULT_E_CONNECT);
    sem_t *entered = cut_of(keeper)->entered, *go = cut_of(keeper)->go;
    cut_of(keeper)->entered = NULL;
    if (entered != NULL) ck_assert_int_eq(sem_post(entered), 0);
    while (entered != NULL && sem_wait(go) != 0) continue;
    return cut_of(keeper)->inner->ops->floor(cut_of(keeper)->inner, out_floor);
}
static vault_status cut_raise(struct vt_keeper *keeper, const struct vt_keeper_floor *floor)
{
    VT_ENSURE(!cut_of(keeper)->is_down, VAULT_E_CONNECT);
    return cut_of(keeper)->inner->ops->raise_floor(cut_of(keeper)->inner, floor);
}
static void cut_free(struct vt_keeper *keeper)
{
    vt_keeper_free(cut_of(keeper)->inner);
    free(keeper);
}
static const struct vt_keeper_ops cut_ops = {cut_info,  cut_read,  cut_prepare, cut_finalize,
                                             cut_abort, cut_floor, cut_raise,   cut_free};

static struct vt_keeper *cut_new(const struct world_shape *shape, unsigned index, const char *path, const char *name)
{
    struct cut_keeper *keeper = calloc(1, sizeof *keeper);
    ck_assert_ptr_nonnull(keeper);
    keeper->base.ops = &cut_ops;
    keeper->is_down = (shape->absent >> index & 1) != 0;
    if (shape->open_keeper != NULL) keeper->inner = shape->open_keeper(shape->context, index);
    else ck_assert_ok(vt_keeper_file_open(path, name, false, &keeper->inner));
    return &keeper->base;
}

void world_renew_keeper(struct world *world, unsigned index)
{
    struct cut_keeper *keeper = cut_of(world->keepers[index]);
    vt_keeper_free(keeper->inner);
    keeper->inner = world->shape.open_keeper(world->shape.context, index);
    keeper->is_down = false;
}

void world_cut_keeper(struct world *world, unsigned index, bool is_down)
{
    cut_of(world->keepers[index])->is_down = is_down;
}

void world_refuse_keeper(struct world *world, unsigned index, const char *why)
{
    cut_of(world->keepers[index])->refusal = why;
}

void world_hang_keeper(struct world *world, unsigned index, sem_t *entered, sem_t *go)
{
    cut_of(world->keepers[index])->go = go;
    cut_of(world->keepers[index])->entered = entered;
}

/* Life -------------------------------------------------------------------------------------------------------------- */

static int64_t clock_now(const struct vt_clock *clock)
{
    return 1790000000000 + clock->offset_ms;
}

void world_path(const struct world *world, const char *name, char *out_path, size_t len)
{
    snprintf(out_path, len, "%s/%s", world->dir, name);
}

static void open_store(struct world *world)
{
    char path[200];
    const struct vt_store_lmdb_options options = {.map_bytes = 64 << 20};
    world_path(world, "store", path, sizeof path);
    ck_assert_ok(vt_store_lmdb_open(path, &options, &world->store));
    if (!world->shape.has_fault_store) return;
    struct vt_store *inner = world->store;
    world->store = NULL;
    ck_assert_ok(vt_store_fault_open(inner, &world->store));
}

static void open_keepers(struct world *world)
{
    for (unsigned i = 0; i < world->shape.m; i++) {
        char name[24], path[200];
        snprintf(name, sizeof name, "keeper-%u", i);
        world_path(world, name, path, sizeof path);
        world->keepers[i] = cut_new(&world->shape, i, path, name);
    }
}

static void open_journal(struct world *world)
{
    char path[200];
    if (!world->shape.has_journal) return;
    world_path(world, "journal", path, sizeof path);
    const struct vt_journal_options options = {.dir = path};
    ck_assert_ok(vt_journal_open(&options, NULL, &world->journal));
}

void world_open(struct world *world)
{
    world->clock = (struct vt_clock){.now_ms = clock_now, .offset_ms = world->clock.offset_ms, .is_test_clock = true};
    open_store(world);
    open_keepers(world);
    open_journal(world);
    ck_assert_ok(vt_stamps_new(&world->stamps));
    const vault_status status = vt_keyring_open(world->store, NULL, &world->ring);
    ck_assert(status == VAULT_OK || status == VAULT_E_NOT_INITIALISED);
    world->options.keepers = world->keepers;
    world->options.keeper_count = world->shape.m;
    world->options.quorum = world->shape.k;
    world->options.journal = world->journal;
    world->options.clock = &world->clock;
    world->options.software_version = "vaultd test";
    ck_assert_ok(vt_epoch_open(world->store, world->ring, world->stamps, &world->options, &world->epoch));
}

void world_close(struct world *world)
{
    vt_epoch_free(world->epoch);
    vt_keyring_free(world->ring);
    vt_stamps_free(world->stamps);
    vt_journal_free(world->journal);
    for (unsigned i = 0; i < WORLD_KEEPERS_MAX; i++) {
        vt_keeper_free(world->keepers[i]);
        world->keepers[i] = NULL;
    }
    vt_store_free(world->store);
    world->epoch = NULL;
    world->ring = NULL;
    world->stamps = NULL;
    world->journal = NULL;
    world->store = NULL;
}

void world_reopen(struct world *world)
{
    world_close(world);
    world_open(world);
}

vault_status world_add_wraps(void *context, struct vt_wraps *wraps, const struct vt_key *unseal_key)
{
    const char *file = context != NULL ? context : world_key_file;
    return vt_wraps_add_key_file(wraps, unseal_key, vt_bytes_str(file), 1);
}

void world_new(struct world *world, const struct world_shape *shape)
{
    *world = (struct world){.shape = *shape};
    vt_temp_dir_make(world->dir, sizeof world->dir);
    world_open(world);
    ck_assert_ok(vt_epoch_initialise(world->epoch, world_add_wraps, NULL));
}

void world_end(struct world *world)
{
    world_close(world);
    vt_temp_dir_remove(world->dir);
}

vault_status world_unseal_with(struct world *world, const char *key_file, struct vt_err *err)
{
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_AUTO(vt_key) unseal_key = VT_KEY_INIT;
    ck_assert_ok(vt_epoch_wraps(world->epoch, &wraps));
    VT_TRY(vt_wraps_open_key_file(wraps, vt_bytes_str(key_file), &unseal_key));
    return vt_epoch_unseal(world->epoch, &unseal_key, err);
}

vault_status world_unseal(struct world *world, struct vt_err *err)
{
    return world_unseal_with(world, world_key_file, err);
}

/* Work -------------------------------------------------------------------------------------------------------------- */

struct vt_sid world_sid(unsigned number)
{
    uint8_t hash[VT_SHA256_LEN], bytes[4];
    struct vt_sid sid;
    vt_put_u32(bytes, number);
    ck_assert_ok(vt_sha256_one(VT_BYTES_OF(bytes), hash));
    memcpy(sid.bytes, hash, sizeof sid.bytes);
    return sid;
}

void world_add_subject(struct world *world, unsigned number)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_write *write = NULL;
    struct vt_keyblock_draft *draft = NULL;
    const struct vt_data_key *key;
    const struct vt_sid sid = world_sid(number);
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_keyring_write_begin(world->ring, txn, &write));
    ck_assert_ok(vt_keyblock_new(vt_keyring_write_view(write), VT_TENANT_DEFAULT, &sid, &draft));
    for (uint16_t category = 1; category <= 3; category++) ck_assert_ok(vt_keyblock_add(draft, category, 0, 1, &key));
    ck_assert_ok(vt_keyblock_seal(draft));
    ck_assert_ok(vt_keyring_put_keyblock(write, draft));
    ck_assert_ok(vt_epoch_write_finish(world->epoch, write, vt_store_commit_number(txn)));
    ck_assert_ok(vt_txn_commit(txn));
    vt_keyring_write_committed(write);
    vt_keyblock_draft_free(draft);
}

void world_touch_store(struct world *world)
{
    struct vt_txn *txn = NULL;
    uint8_t number[8];
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    vt_put_u64(number, vt_store_commit_number(txn));
    ck_assert_ok(vt_store_put(txn, VT_TABLE_META, vt_bytes_str("test"), VT_BYTES_OF(number), VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(txn));
}

vault_status world_request_status(struct world *world, const struct vt_scope *scope, uint64_t *out_certificate)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    struct vt_pending pending = {.scope = *scope,
                                 .tenant = VT_TENANT_DEFAULT,
                                 .legal_basis = "gdpr-17-1-a",
                                 .requested_at_ms = vt_clock_now_ms(&world->clock)};
    memset(pending.commitment, 7, sizeof pending.commitment);
    ck_assert_ok(vt_txn_begin_write(world->store, &txn));
    ck_assert_ok(vt_keyring_view_begin(world->ring, txn, &view));
    vault_status status = vt_pending_add(view, txn, vt_epoch_evidence(world->epoch), &pending);
    if (status == VAULT_OK) status = vt_certificate_log_sign(view, txn);
    vt_keyring_view_end(view);
    *out_certificate = pending.certificate;
    if (status != VAULT_OK) {
        vt_txn_abort(txn);
        return status;
    }
    status = vt_txn_commit(txn);
    if (status == VAULT_OK) ck_assert_ok(vt_stamps_add_pending(world->stamps, scope));
    return status;
}

uint64_t world_request_scope(struct world *world, unsigned number, uint16_t category)
{
    const struct vt_scope scope = {.sid = world_sid(number), .category = category};
    uint64_t certificate;
    ck_assert_ok(world_request_status(world, &scope, &certificate));
    return certificate;
}

uint64_t world_request(struct world *world, unsigned number)
{
    return world_request_scope(world, number, VT_CATEGORY_ALL);
}

uint64_t world_with_request(struct world *world, const struct world_shape *shape)
{
    world_new(world, shape);
    world_add_subject(world, TARGET);
    world_add_subject(world, CONTROL);
    return world_request(world, TARGET);
}

static vault_status destroy_category(struct vt_keyring_write *write, const struct vt_pending *pending)
{
    VT_AUTO_PTR(vt_keyblock_draft) draft = NULL;
    const struct vt_scope *scope = &pending->scope;
    VT_TRY(vt_keyblock_edit(vt_keyring_write_view(write), pending->tenant, &scope->sid, &draft));
    VT_TRY(vt_keyblock_drop(draft, scope->category, scope->record));
    VT_TRY(vt_keyblock_seal(draft));
    return vt_keyring_put_keyblock(write, draft);
}

vault_status world_destroy(void *context, struct vt_keyring_write *write, const struct vt_pending *pending,
                           struct vt_destroyed *out_counts)
{
    struct world *world = context;
    const bool is_whole = pending->scope.category == VT_CATEGORY_ALL;
    VT_TRY(is_whole ? vt_keyring_drop_subject(write, pending->tenant, &pending->scope.sid)
                    : destroy_category(write, pending));
    world->destroyed++;
    *out_counts = (struct vt_destroyed){.records = 2, .rows = 5, .keys = 1};
    return VAULT_OK;
}

vault_status world_close_epoch(struct world *world, bool even_if_empty)
{
    return vt_epoch_close_now(world->epoch, even_if_empty, world_destroy, world);
}

/* Looking ----------------------------------------------------------------------------------------------------------- */

vault_status world_subject(struct world *world, unsigned number)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    const struct vt_subject_keys *keys;
    const struct vt_scope scope = {.sid = world_sid(number)};
    if (vt_stamps_is_pending(world->stamps, &scope)) return VAULT_E_SHRED_PENDING;
    ck_assert_ok(vt_txn_begin_read(world->store, &txn));
    ck_assert_ok(vt_keyring_view_begin(world->ring, txn, &view));
    const vault_status status = vt_keyring_subject_keys(view, VT_TENANT_DEFAULT, &scope.sid, &keys);
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return status;
}

static struct vt_note_verifier certificate_verifier(struct vt_keyring_view *view)
{
    struct vt_note_verifier verifier;
    char origin[VT_CERTIFICATE_ORIGIN_LEN];
    vt_certificate_origin_format(vt_keyring_view_vault_id(view)->bytes, vt_keyring_view_incarnation(view), origin);
    const struct vt_note_signer signer = {origin, vt_keyring_system_key(view, VT_SYSTEM_KEY_CERTIFICATE_SIGN)};
    ck_assert_ok(vt_note_verifier_of(&signer, &verifier));
    return verifier;
}

enum vt_certificate_state world_certificate(struct world *world, uint64_t number)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_view *view = NULL;
    struct vt_certificate certificate;
    VT_AUTO(vt_buf) note = VT_BUF_INIT(VT_CERTIFICATE_MAX);
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(1 << 20);
    ck_assert_ok(vt_txn_begin_read(world->store, &txn));
    ck_assert_ok(vt_keyring_view_begin(world->ring, txn, &view));
    const struct vt_note_verifier verifier = certificate_verifier(view);
    ck_assert_ok(vt_certificate_get(txn, number, &note));
    ck_assert_ok(vt_certificate_verify(&pool, vt_buf_bytes(&note), &verifier, 1, &certificate, NULL));
    ck_assert_uint_eq(certificate.number, number);
    const enum vt_certificate_state state = certificate.state;
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    return state;
}

static struct vt_root_record root_of(struct world *world, uint64_t *out_commit)
{
    struct vt_txn *txn = NULL;
    struct vt_root_record root;
    ck_assert_ok(vt_txn_begin_read(world->store, &txn));
    ck_assert_ok(vt_keyring_root_record(txn, &root));
    *out_commit = vt_store_commit_number(txn);
    vt_txn_abort(txn);
    return root;
}

uint64_t world_epoch(struct world *world)
{
    uint64_t commit;
    return root_of(world, &commit).epoch;
}

uint64_t world_commit(struct world *world)
{
    uint64_t commit;
    (void)root_of(world, &commit);
    return commit;
}

void world_copy(const struct world *world, const char *from, const char *to)
{
    char from_path[200], to_path[200];
    world_path(world, from, from_path, sizeof from_path);
    world_path(world, to, to_path, sizeof to_path);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        execlp("sh", "sh", "-c", "rm -rf -- \"$2\" && cp -a -- \"$1\" \"$2\"", "sh", from_path, to_path, (char *)NULL);
        _exit(127);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how));
    ck_assert_int_eq(WEXITSTATUS(how), 0);
}

void world_shares_read(const struct world *world, struct world_shares *out_shares)
{
    out_shares->count = 0;
    for (unsigned i = 0; i < world->shape.m; i++) {
        struct vt_keeper *keeper = NULL;
        struct vt_keeper_slot slots[VT_KEEPER_SLOTS];
        char name[24], path[200];
        size_t count;
        snprintf(name, sizeof name, "keeper-%u", i);
        world_path(world, name, path, sizeof path);
        if (access(path, F_OK) != 0) continue;
        ck_assert_ok(vt_keeper_file_open(path, name, true, &keeper));
        ck_assert_ok(keeper->ops->read(keeper, slots, &count));
        for (size_t j = 0; j < count; j++) {
            out_shares->keeper[out_shares->count] = i;
            out_shares->slots[out_shares->count++] = slots[j];
        }
        vt_keeper_free(keeper);
    }
}

bool world_share_is_anywhere(const struct world *world, const struct vt_keeper_slot *slot)
{
    for (unsigned i = 0; i < world->shape.m; i++) {
        char name[24], path[200];
        uint8_t bytes[8192];
        snprintf(name, sizeof name, "keeper-%u", i);
        world_path(world, name, path, sizeof path);
        const int fd = open(path, O_RDONLY);
        if (fd < 0) continue;
        ck_assert_int_eq(read(fd, bytes, sizeof bytes), sizeof bytes);
        close(fd);
        for (size_t at = 0; at + 8 <= slot->share_len; at++)
            if (memmem(bytes, sizeof bytes, slot->share + at, 8) != NULL) return true;
    }
    return false;
}

/* Crashes ------------------------------------------------------------------------------------------------------------ */

struct crash_hook {
    const char *step;       /* NULL: write the names down instead */
    unsigned left;
    int fd;
};

static void crash_hook(const char *step, void *context)
{
    struct crash_hook *hook = context;
    if (hook->step == NULL) {
        char line[64];
        const int len = snprintf(line, sizeof line, "%s\n", step);
        if (write(hook->fd, line, (size_t)len) != len) _exit(9);
        return;
    }
    if (strcmp(step, hook->step) == 0 && --hook->left == 0) kill(getpid(), SIGKILL);
}

static int run_child(const struct world *world, world_work work, struct crash_hook *hook)
{
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct world mine = {.shape = world->shape, .clock = world->clock};
        memcpy(mine.dir, world->dir, sizeof mine.dir);
        world_open(&mine);
        const vault_status status = work(&mine, crash_hook, hook);
        _exit(status == VAULT_OK ? 0 : 3);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    return how;
}

void world_steps(const struct world *world, world_work work, struct world_steps *out_steps)
{
    char path[200], line[64];
    world_path(world, "steps", path, sizeof path);
    struct crash_hook hook = {.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600)};
    ck_assert_int_ge(hook.fd, 0);
    const int how = run_child(world, work, &hook);
    ck_assert(WIFEXITED(how));
    ck_assert_int_eq(WEXITSTATUS(how), 0);
    FILE *file = fdopen(hook.fd, "r");
    rewind(file);
    out_steps->count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        ck_assert_uint_lt(out_steps->count, WORLD_STEPS_MAX);
        struct world_step *step = &out_steps->items[out_steps->count];
        snprintf(step->name, sizeof step->name, "%s", line);
        step->nth = 1;
        for (size_t i = 0; i < out_steps->count; i++) step->nth += strcmp(out_steps->items[i].name, line) == 0;
        out_steps->count++;
    }
    fclose(file);
    unlink(path);
}

void world_crash(const struct world *world, world_work work, const struct world_step *step)
{
    struct crash_hook hook = {.step = step->name, .left = step->nth};
    const int how = run_child(world, work, &hook);
    ck_assert_msg(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "no crash at %s:%u", step->name, step->nth);
}

void world_clone(const struct world *world, struct world *out_clone)
{
    *out_clone = (struct world){.shape = world->shape, .clock = world->clock};
    vt_temp_dir_make(out_clone->dir, sizeof out_clone->dir);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        execlp("sh", "sh", "-c", "cp -a -- \"$1\"/. \"$2\"", "sh", world->dir, out_clone->dir, (char *)NULL);
        _exit(127);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how));
    ck_assert_int_eq(WEXITSTATUS(how), 0);
}
