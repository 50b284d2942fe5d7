#include "tests/support/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "libvault/codec/limits.h"
#include "libvault/codec/msgpack.h"
#include "libvault/codec/yaml.h"
#include "vaultd/service/take_over.h"

enum { WORLD_POOL_MAX = 1024 * 1024 * 1024 };
const char world_key_file[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static const char AS_OF[] = "2026-07-01T00:00:00Z";

/* Life -------------------------------------------------------------------------------------------------------------- */

static int64_t clock_now(const struct vt_clock *clock)
{
    return clock->offset_ms;
}

static void open_store(const struct world *world, struct vt_store **out_store)
{
    const struct vt_store_lmdb_options options = {.map_bytes = 64 << 20};
    char path[160];
    struct vt_store *store = NULL;
    snprintf(path, sizeof path, "%s/store", world->dir);
    if (world->options.is_on_disk) ck_assert_ok(vt_store_lmdb_open(path, &options, &store));
    if (!world->options.is_on_disk) ck_assert_ok(vt_store_mem_open(&store));
    if (world->options.has_fault_store) {
        struct vt_store *inner = store;
        ck_assert_ok(vt_store_fault_open(inner, &store));
    }
    *out_store = store;
}

static void open_journal(const struct world *world, struct vt_journal **out_journal)
{
    char path[160];
    const struct vt_journal_options options = {.dir = path, .clock = &world->clock};
    snprintf(path, sizeof path, "%s/journal", world->dir);
    if (world->options.has_journal) ck_assert_ok(vt_journal_open(&options, NULL, out_journal));
}

void world_keeper_path(const struct world *world, unsigned keeper, char out_path[160])
{
    if (keeper == 0)
        snprintf(out_path, 160, "%s/keeper", world->dir);
    else
        snprintf(out_path, 160, "%s/keeper-%u", world->dir, keeper);
}

static void open_keepers(const struct world *world, unsigned count, struct vt_keeper **out_keepers)
{
    for (unsigned i = 0; i < count; i++) {
        char path[160], name[24];
        world_keeper_path(world, i, path);
        snprintf(name, sizeof name, i == 0 ? "keeper" : "keeper-%u", i);
        out_keepers[i] = NULL;
        if (world->options.open_keeper != NULL) out_keepers[i] = world->options.open_keeper(world->options.context, i);
        if (out_keepers[i] == NULL) ck_assert_ok(vt_keeper_file_open(path, name, false, &out_keepers[i]));
    }
}

static void wish_restart(void *context)
{
    struct world *world = context;
    world->wants_restart = true;
}

static void open_vault(struct world *world)
{
    struct vt_keeper *keepers[WORLD_KEEPERS_MAX];
    struct vt_err err = {{0}, {0}};
    const unsigned count = world->options.keeper_count != 0 ? world->options.keeper_count : 1;
    ck_assert_uint_le(count, WORLD_KEEPERS_MAX);
    open_keepers(world, count, keepers);
    struct vt_vault_options options = {.keepers = keepers, .keeper_count = count,
                                       .quorum = world->options.quorum != 0 ? world->options.quorum : 1, .clock = &world->clock,
                                       .settable_clock = &world->clock, .is_dev = !world->options.is_production,
                                       .brake = world->options.brake};
    open_store(world, &options.store);
    open_journal(world, &options.journal);
    if (world->options.on_open != NULL) world->options.on_open(world->options.context, options.store, keepers);
    if (world->options.is_on_disk) options.data_dir = world->dir;
    const vault_status status = vt_vault_open(&options, &world->vault, &err);
    ck_assert_msg(status == VAULT_OK, "%s: %s", vault_status_code(status), err.message);
    vt_vault_set_restart(world->vault, wish_restart, world);
}

static vault_status add_wraps(void *context, struct vt_wraps *wraps, const struct vt_key *unseal_key)
{
    const struct world *world = context;
    return vt_wraps_add_key_file(wraps, unseal_key, vt_bytes_str(world_key_file), vt_clock_now_ms(&world->clock));
}

void world_new(struct world *world, const struct world_options *options)
{
    int64_t as_of = 0;
    *world = (struct world){.pool = VT_POOL_INIT(WORLD_POOL_MAX), .key_file = world_key_file};
    if (options != NULL) world->options = *options;
    vt_temp_dir_make(world->dir, sizeof world->dir);
    ck_assert(vt_time_parse(AS_OF, strlen(AS_OF), &as_of));
    world->clock.now_ms = clock_now;
    world->clock.offset_ms = as_of;
    world->clock.is_test_clock = true;
    open_vault(world);
    ck_assert_ok(vt_epoch_initialise(vt_vault_epoch(world->vault), add_wraps, world));
    ck_assert_ok(vt_vault_unseal(world->vault, NULL, &world->err));
}

void world_close(struct world *world)
{
    ck_assert(world->options.is_on_disk);
    vt_vault_free(world->vault);
    world->vault = NULL;
}

void world_open(struct world *world)
{
    open_vault(world);
}

vault_status world_unseal(struct world *world)
{
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    world->err = (struct vt_err){{0}, {0}};
    VT_TRY(vt_epoch_wraps(vt_vault_epoch(world->vault), &wraps));
    VT_TRY(vt_wraps_open_key_file(wraps, vt_bytes_str(world->key_file), &key));
    return vt_vault_unseal(world->vault, &key, &world->err);
}

void world_reopen(struct world *world)
{
    world_close(world);
    world_open(world);
    ck_assert_ok(world_unseal(world));
}

void world_restart(struct world *world)
{
    char dir[VT_RESTORE_DIR_NAME_LEN];
    ck_assert(world->wants_restart);
    ck_assert_ptr_nonnull(vt_vault_take_over_dir(world->vault));
    snprintf(dir, sizeof dir, "%s", vt_vault_take_over_dir(world->vault));
    world->wants_restart = false;
    world_close(world);
    ck_assert_ok(vt_restore_install(world->dir, dir));
    world_open(world);
    ck_assert_ok(vt_restore_clear(world->dir, NULL, NULL));
    ck_assert_ok(world_unseal(world));
}

void world_free(struct world *world)
{
    vt_vault_free(world->vault);
    world->vault = NULL;
    vt_pool_release(&world->pool);
    vt_temp_dir_remove(world->dir);
}

void world_forget(struct world *world)
{
    vt_pool_reset(&world->pool);
}

void world_pass(struct world *world, int64_t delta_ms)
{
    vt_clock_shift(&world->clock, delta_ms);
}

/* Calls ------------------------------------------------------------------------------------------------------------- */

static const struct vt_role EVERYTHING = {"all", ~VT_SCOPE_PUBLIC, "every scope, for tests"};

static const struct vt_role *role_named(const char *name)
{
    if (name == NULL) return NULL;
    const struct vt_role *role = strcmp(name, "all") == 0 ? &EVERYTHING : vt_role_find(vt_bytes_str(name));
    ck_assert_msg(role != NULL, "there is no role %s", name);
    return role;
}

static void read_result(struct world *world, const struct vt_call *call, struct vt_value *out_result)
{
    const struct vt_bytes copy = vt_pool_copy(&world->pool, vt_buf_bytes(&call->result));
    ck_assert_ptr_nonnull(copy.data);
    ck_assert_ok(vt_msgpack_read(&world->pool, copy, out_result, &world->err));
}

vault_status world_call_value(struct world *world, const char *role, const char *method, const struct vt_value *params,
                              struct vt_value *out_result)
{
    struct vt_principal principal = {.id = {1, world->caller}, .role = role_named(role), .is_local = true};
    VT_AUTO_PTR(vt_call) call = NULL;
    if (role != NULL) snprintf(principal.name, sizeof principal.name, "%s", role);
    ck_assert_ok(vt_call_new(world->vault, &principal, &call));
    call->method = vt_bytes_str(method);
    call->params = params;
    const vault_status status = vt_call_run(call);
    world->err = call->err;
    world->certificate = call->certificate;
    if (out_result == NULL) return status;
    *out_result = VT_VALUE_INIT;
    if (status == VAULT_OK) read_result(world, call, out_result);
    return status;
}

vault_status world_call(struct world *world, const char *role, const char *method, const char *params,
                        struct vt_value *out_result)
{
    struct vt_value map = vt_value_map();
    if (params != NULL) {
        const vault_status status = vt_yaml_read(&world->pool, vt_bytes_str(params), &map, &world->err);
        ck_assert_msg(status == VAULT_OK, "%s in %s", world->err.message, params);
    }
    return world_call_value(world, role, method, &map, out_result);
}

/* Schemas ----------------------------------------------------------------------------------------------------------- */

struct vt_bytes world_file(struct world *world, const char *path)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s%s", path[0] == '/' ? "" : VT_SOURCE_DIR, path[0] == '/' ? "" : "/", path);
    FILE *file = fopen(full, "rb");
    if (file == NULL) return VT_BYTES_EMPTY;
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    const long len = ftell(file);
    ck_assert_int_ge(len, 0);
    rewind(file);
    uint8_t *data = vt_pool_alloc(&world->pool, (size_t)len + 1);
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(fread(data, 1, (size_t)len, file), (size_t)len);
    fclose(file);
    return vt_bytes(data, (size_t)len);
}

static void apply_text(struct world *world, struct vt_bytes yaml)
{
    struct vt_value params = vt_value_map();
    ck_assert_ok(vt_value_put(&world->pool, &params, "schema", vt_value_text(yaml), NULL));
    const vault_status status = world_call_value(world, "administrator", "schema.apply", &params, NULL);
    ck_assert_msg(status == VAULT_OK, "%s: %s", vault_status_code(status), world->err.message);
}

void world_apply_schema(struct world *world, const char *yaml)
{
    apply_text(world, vt_bytes_str(yaml));
}

void world_apply_examples(struct world *world, const char *const *names)
{
    for (; *names != NULL; names++) {
        char path[128];
        snprintf(path, sizeof path, "docs/examples/schemas/%s.yaml", *names);
        const struct vt_bytes yaml = world_file(world, path);
        ck_assert_msg(yaml.data != NULL, "there is no %s", path);
        apply_text(world, yaml);
    }
}
