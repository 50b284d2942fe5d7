/* A restored copy that cannot be built: what is left of it, and who is blamed. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/backup/take_over_world.h"
#include "vaultd/core/backup/backup.h"
#include "vaultd/service/vault_internal.h"

static struct world world;
static struct vt_store *backup;
static struct vt_txn *txn;
static struct vt_keyring_view *view;

static void setup(void)
{
    char path[256];
    const struct vt_store_lmdb_options options = {.is_read_only = true, .must_exist = true};
    people_new(&world, false);
    people_create(&world, "ada");
    people_back_up(&world, "b1");
    snprintf(path, sizeof path, "%s/b1/store", world.dir);
    ck_assert_ok(vt_store_lmdb_open(path, &options, &backup));
    ck_assert_ok(vt_vault_view(world.vault, &txn, &view));
}

static void teardown(void)
{
    vt_keyring_view_end(view);
    vt_txn_abort(txn);
    vt_store_free(backup);
    world_free(&world);
}

static vault_status nothing_deleted(struct vt_keyring_view *of, const struct vt_sid *sid, uint64_t record)
{
    (void)of, (void)sid, (void)record;
    return VAULT_E_NOT_FOUND;
}

static vault_status no_room(struct vt_keyring_view *of, const struct vt_sid *sid, uint64_t record)
{
    (void)of, (void)sid, (void)record;
    return VAULT_E_DISK_FULL;
}

typedef vault_status (*finder)(struct vt_keyring_view *of, const struct vt_sid *sid, uint64_t record);

static vault_status build(const char *name, finder find_deletion)
{
    char to[256];
    struct vt_restore_report report;
    snprintf(to, sizeof to, "%s/%s", world.dir, name);
    const struct vt_restore_options options = {.backup = backup, .view = view, .stamps = vt_vault_stamps(world.vault),
                                               .tenant = VT_TENANT_DEFAULT, .find_deletion = find_deletion, .to_dir = to,
                                               .field = "to"};
    world.err = (struct vt_err){{0}, {0}};
    return vt_restore_build(&options, &report, &world.err);
}

START_TEST(a_copy_that_could_not_be_built_is_removed_and_the_next_one_goes_to_the_same_place)
{
    char path[256];
    setup();
    snprintf(path, sizeof path, "%s/copy", world.dir);
    ck_assert_status(build("copy", no_room), VAULT_E_DISK_FULL);
    ck_assert_str_eq(world.err.field, "to");
    ck_assert_ptr_eq(strstr(world.err.message, "The restored copy could not be written and has been removed: "), world.err.message);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_ok(build("copy", nothing_deleted));
    ck_assert_status(build("copy", nothing_deleted), VAULT_E_EXISTS);
    snprintf(path, sizeof path, "%s/copy/store/data.mdb", world.dir);
    ck_assert_int_eq(access(path, F_OK), 0);
    teardown();
}
END_TEST

START_TEST(a_take_over_that_finds_no_data_directory_blames_no_argument)
{
    people_new(&world, false);
    people_create(&world, "ada");
    people_back_up(&world, "b1");
    const char *data_dir = world.vault->options.data_dir;
    world.vault->options.data_dir = "/proc/none";
    ck_assert_status(people_take_over(&world, "b1", NULL), VAULT_E_IO);
    ck_assert_str_eq(world.err.field, "");
    world.vault->options.data_dir = data_dir;
    people_create(&world, "bob");
    people_assert_sound(&world);
    world_free(&world);
}
END_TEST

VT_TEST_MAIN("restore", a_copy_that_could_not_be_built_is_removed_and_the_next_one_goes_to_the_same_place,
             a_take_over_that_finds_no_data_directory_blames_no_argument)
