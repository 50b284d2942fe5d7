/* The register of backups, and what certificates say of them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/codec/yaml.h"
#include "tests/support/world.h"
#include "vaultd/core/backup/backup.h"

static struct world world;

static void setup(void)
{
    const struct world_options options = {.is_on_disk = true};
    world_new(&world, &options);
    ck_assert_ok(world_call(&world, "application", "subject.create", "{external_id: ada}", NULL));
}

static void teardown(void)
{
    world_free(&world);
}

static bool holds(struct vt_bytes text, const char *line)
{
    const size_t len = strlen(line);
    for (size_t i = 0; i + len <= text.len; i++)
        if (memcmp(text.data + i, line, len) == 0) return true;
    return false;
}

static struct vt_bytes shred(const char *name)
{
    char params[128];
    struct vt_value result;
    snprintf(params, sizeof params, "{subject: %s, now: true}", name);
    ck_assert_ok(world_call(&world, "privacy", "subject.shred", params, &result));
    return vt_value_get_text(&result, "note");
}

static const struct vt_value *registered(void)
{
    static struct vt_value result;
    ck_assert_ok(world_call(&world, "operator", "backup.list", NULL, &result));
    return vt_value_get(&result, "backups");
}

START_TEST(a_certificate_names_the_backup_that_was_being_made_when_its_epoch_closed)
{
    struct vt_principal principal = {.id = {1}, .role = vt_role_find(vt_bytes_str("operator")), .is_local = true};
    struct vt_value params;
    struct vt_call *call;
    char text[256];
    setup();
    snprintf(text, sizeof text, "{to: %s/b1}", world.dir);
    ck_assert_ok(vt_yaml_read(&world.pool, vt_bytes_str(text), &params, &world.err));
    ck_assert_ok(vt_call_new(world.vault, &principal, &call));
    call->method = vt_bytes_str("backup.create");
    call->params = &params;
    ck_assert_int_eq(vt_call_prepare(call), VT_CALL_SLOW);
    ck_assert_int_eq(vt_call_prepare_slow(call), VT_CALL_COMMIT);
    ck_assert(holds(shred("ada"), "\nbackups: 1\n"));
    vt_call_free(call);                                 /* as if the daemon had been killed before its commit */
    ck_assert_uint_eq(registered()->array.count, 1);
    ck_assert_int_eq(vt_value_get_int(&registered()->array.items[0], "bytes", -1), 0);
    teardown();
}
END_TEST

#ifdef VT_FAULTS
static bool has_closed;
static struct vt_bytes note_meanwhile;

static void on_step(const char *step, void *context)
{
    (void)context;
    if (strcmp(step, "backup.copied") != 0) return;
    note_meanwhile = shred("ada");
    has_closed = true;
}

START_TEST(an_epoch_closes_while_a_backup_is_being_made)
{
    char text[256];
    setup();
    snprintf(text, sizeof text, "{to: %s/b1}", world.dir);
    vt_fault_set_step_hook(on_step, NULL);
    const vault_status status = world_call(&world, "operator", "backup.create", text, NULL);
    vt_fault_set_step_hook(NULL, NULL);
    ck_assert_ok(status);
    ck_assert(has_closed);
    ck_assert(holds(note_meanwhile, "\nstate: effective\n"));
    ck_assert(holds(note_meanwhile, "\nbackups: 1\n"));
    teardown();
}
END_TEST
#endif

START_TEST(a_backup_that_is_whole_is_registered_once_with_its_size)
{
    struct vt_value result;
    char text[256];
    setup();
    snprintf(text, sizeof text, "{to: %s/b1}", world.dir);
    ck_assert_ok(world_call(&world, "operator", "backup.create", text, &result));
    ck_assert_uint_eq(registered()->array.count, 1);
    ck_assert_int_gt(vt_value_get_int(&result, "bytes", 0), 0);
    ck_assert_int_eq(vt_value_get_int(&registered()->array.items[0], "bytes", 0), vt_value_get_int(&result, "bytes", 0));
    teardown();
}
END_TEST

START_TEST(a_backup_that_would_count_as_gone_already_is_not_made)
{
    struct vt_value result;
    char params[300];
    world_new(&world, &(struct world_options){.is_on_disk = true});
    static const char *const PAST[] = {"2026-07-01T00:00:00Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z"};
    for (size_t i = 0; i < VT_ARRAY_LEN(PAST); i++) {
        snprintf(params, sizeof params, "{to: %s/gone, expires_at: '%s'}", world.dir, PAST[i]);
        ck_assert_status(world_call(&world, "operator", "backup.create", params, NULL), VAULT_E_ARGUMENT);
        ck_assert_str_eq(world.err.field, "expires_at");
    }
    ck_assert_ok(world_call(&world, "operator", "backup.list", "{}", &result));
    ck_assert_uint_eq(vt_value_get(&result, "backups")->array.count, 0);
    world_free(&world);
}
END_TEST

enum { NOBODY = 65534 };
#define NAME_OF_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG_NAME NAME_OF_64 NAME_OF_64 NAME_OF_64 NAME_OF_64      /* NAME_MAX is 255 */

/* Root may write anywhere; this thread gives that up for the call. */
static vault_status create_as_nobody(const char *params)
{
    const bool is_root = geteuid() == 0;
    if (is_root) setfsuid(NOBODY);
    const vault_status status = world_call(&world, "operator", "backup.create", params, NULL);
    if (is_root) setfsuid(0);
    return status;
}

START_TEST(where_no_backup_can_be_made_the_argument_is_named_with_the_cause)
{
    static const struct {
        const char *to, *sentence;
    } CASES[] = {{"closed/backup", "The daemon's user may not make a directory there: "},
                 {"none/backup", "The directory above the one to be made does not exist."},
                 {"file/backup", "What stands above the directory to be made is no directory."},
                 {"round/backup", "No directory can have that path: "},
                 {LONG_NAME, "No directory can have that path: "}};
    char path[256], params[700];
    setup();
    ck_assert_int_eq(chmod(world.dir, 0711), 0);
    snprintf(path, sizeof path, "%s/closed", world.dir);
    ck_assert_int_eq(mkdir(path, 0511), 0);
    snprintf(path, sizeof path, "%s/file", world.dir);
    ck_assert_int_eq(close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)), 0);
    snprintf(path, sizeof path, "%s/round", world.dir);
    ck_assert_int_eq(symlink("round", path), 0);
    for (size_t i = 0; i < VT_ARRAY_LEN(CASES); i++) {
        snprintf(params, sizeof params, "{to: %s/%s}", world.dir, CASES[i].to);
        ck_assert_status(create_as_nobody(params), VAULT_E_ARGUMENT);
        ck_assert_str_eq(world.err.field, "to");
        ck_assert_ptr_eq(strstr(world.err.message, CASES[i].sentence), world.err.message);
    }
    ck_assert_uint_eq(registered()->array.count, 0);
    teardown();
}
END_TEST

START_TEST(a_backup_that_could_not_be_made_is_not_registered)
{
    char text[256];
    setup();
    snprintf(text, sizeof text, "%s/b1", world.dir);
    ck_assert_int_eq(mkdir(text, 0700), 0);
    snprintf(text, sizeof text, "{to: %s/b1}", world.dir);
    ck_assert_int_eq(world_call(&world, "operator", "backup.create", text, NULL), VAULT_E_EXISTS);
    ck_assert_int_eq(world_call(&world, "operator", "backup.create", "{to: relative}", NULL), VAULT_E_ARGUMENT);
    ck_assert_uint_eq(registered()->array.count, 0);
    teardown();
}
END_TEST

START_TEST(a_pipe_in_the_place_of_a_manifest_or_a_copy_is_refused_at_once)
{
    char path[256], text[320];
    setup();
    snprintf(path, sizeof path, "%s/b1", world.dir);
    snprintf(text, sizeof text, "{from: %s}", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/b1/manifest", world.dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(world_call(&world, "operator", "backup.verify", text, NULL), VAULT_E_FORMAT);
    snprintf(text, sizeof text, "{to: %s/b2}", world.dir);
    ck_assert_ok(world_call(&world, "operator", "backup.create", text, NULL));
    snprintf(path, sizeof path, "%s/b2/store/data.mdb", world.dir);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    snprintf(text, sizeof text, "{from: %s/b2}", world.dir);
    ck_assert_int_eq(world_call(&world, "operator", "backup.verify", text, NULL), VAULT_E_FORMAT);
    teardown();
}
END_TEST

START_TEST(more_backups_than_a_certificate_lists_are_counted_and_do_not_stop_forgetting)
{
    enum { FURTHER = 5 };
    VT_AUTO_PTR(vt_change) change = NULL;
    setup();
    ck_assert_ok(vt_change_new(VT_TENANT_DEFAULT, &change));
    for (unsigned i = 0; i < VT_CERTIFICATE_LIST_MAX + FURTHER; i++) {
        struct vt_backup_entry entry = {.created_at_ms = 1};
        uint8_t value[VT_BACKUP_ENTRY_LEN];
        vt_put_u32(entry.backup_id, i + 1);
        vt_backup_entry_encode(&entry, value);
        ck_assert_ok(vt_change_put(change, VT_TABLE_BACKUP, VT_BYTES_OF(entry.backup_id), VT_BYTES_OF(value), VT_PUT_NEW));
    }
    struct vt_commit_item item = {.change = change, .is_unaudited = true, .is_reserved = true};
    ck_assert_ok(vt_vault_commit_wait(world.vault, &item));
    const struct vt_bytes note = shred("ada");
    ck_assert(holds(note, "\nbackups: 1024\n"));
    ck_assert(holds(note, "\nexclusions: 1\nexclusion 1: further-backups 5\n"));
    teardown();
}
END_TEST

START_TEST(an_entry_of_a_later_format_is_refused_by_name)
{
    const uint8_t id[16] = {1};
    struct vt_backup_entry entry = {.created_at_ms = 1}, read;
    uint8_t value[VT_BACKUP_ENTRY_LEN];
    VT_AUTO_PTR(vt_change) change = NULL;
    setup();
    vt_backup_entry_encode(&entry, value);
    ck_assert_ok(vt_backup_entry_decode(VT_BYTES_OF(id), VT_BYTES_OF(value), &read));
    value[0]++;
    ck_assert_ok(vt_change_new(VT_TENANT_DEFAULT, &change));
    ck_assert_ok(vt_change_put(change, VT_TABLE_BACKUP, VT_BYTES_OF(id), VT_BYTES_OF(value), VT_PUT_NEW));
    struct vt_commit_item item = {.change = change, .is_unaudited = true, .is_reserved = true};
    ck_assert_ok(vt_vault_commit_wait(world.vault, &item));
    ck_assert_status(world_call(&world, "operator", "backup.list", NULL, NULL), VAULT_E_FORMAT);
    teardown();
}
END_TEST

VT_TEST_MAIN("backup register",
#ifdef VT_FAULTS
             an_epoch_closes_while_a_backup_is_being_made,
#endif
             a_certificate_names_the_backup_that_was_being_made_when_its_epoch_closed,
             a_backup_that_is_whole_is_registered_once_with_its_size, a_backup_that_would_count_as_gone_already_is_not_made,
             where_no_backup_can_be_made_the_argument_is_named_with_the_cause,
             a_backup_that_could_not_be_made_is_not_registered, an_entry_of_a_later_format_is_refused_by_name,
             a_pipe_in_the_place_of_a_manifest_or_a_copy_is_refused_at_once,
             more_backups_than_a_certificate_lists_are_counted_and_do_not_stop_forgetting)
