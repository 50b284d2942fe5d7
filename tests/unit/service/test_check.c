/* store.check: it finds one damaged value in each table, in what lies between the tables and in the pages themselves, and does not
 * take a failure of its own for damage. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "tests/support/world.h"
#include "vaultd/core/keeper/keeper_ram.h"
#include "vaultd/core/store/store.h"

static const char PROFILE[] = "name: profile\ndoc: People.\nfields:\n"
                              "  - {name: given_name, type: name, category: A, doc: g}\n";
enum { PEOPLE = 23, BRAKE_LETS_THROUGH = 20 };
static struct world world;
static struct vt_store *store;

static void keep_store(void *context, struct vt_store *opened, struct vt_keeper *const *keepers)
{
    (void)context;
    (void)keepers;
    store = opened;
}

static void call_ok(const char *role, const char *method, const char *params)
{
    const vault_status status = world_call(&world, role, method, params, NULL);
    ck_assert_msg(status == VAULT_OK, "%s: %s %s", method, vault_status_code(status), world.err.message);
}

static void shred(unsigned person)
{
    char params[64];
    snprintf(params, sizeof params, "{subject: p%u}", person);
    call_ok("privacy", "subject.shred", params);
}

static void put(enum vt_table table, struct vt_bytes key, struct vt_bytes value)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    ck_assert_ok(vt_txn_begin_write(store, &txn));
    ck_assert_ok(vt_store_put(txn, table, key, value, VT_PUT_DEFAULT));
    ck_assert_ok(vt_txn_commit(VT_MOVE(txn)));
}

static void take_out(enum vt_table table, struct vt_bytes key)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    ck_assert_ok(vt_txn_begin_write(store, &txn));
    ck_assert_ok(vt_store_delete(txn, table, key));
    ck_assert_ok(vt_txn_commit(VT_MOVE(txn)));
}

/* Of the class whose certificates can become final, so that something is owed. */
static struct vt_keeper *open_ram(void *context, unsigned index)
{
    char path[160], name[16];
    struct vt_keeper *keeper = NULL;
    snprintf(path, sizeof path, "%s/ram-%u", (const char *)context, index);
    snprintf(name, sizeof name, "ram-%u", index);
    ck_assert_ok(vt_keeper_ram_open(path, name, &keeper));
    return keeper;
}

/* Somebody in each table: the ledger has p0, p1 is pending, p20 and p21 wait for an approval, p22 is held. */
static void setup(const struct world_options *options)
{
    struct world_options own = options != NULL ? *options : (struct world_options){0};
    own.on_open = keep_store;
    own.brake = (struct vt_brake_options){.is_on = true, .delay_ms = 1000};
    world_new(&world, &own);
    world_apply_schema(&world, PROFILE);
    for (unsigned i = 0; i < PEOPLE; i++) {
        char params[128];
        snprintf(params, sizeof params, "{external_id: p%u, records: {profile: {given_name: Ada}}}", i);
        call_ok("application", "subject.create", params);
    }
    shred(0);
    call_ok("operator", "epoch.close", NULL);
    for (unsigned i = 1; i < BRAKE_LETS_THROUGH + 2; i++) shred(i);
    call_ok("privacy", "hold.place", "{subject: p22, reason: litigation}");
    static const uint8_t RANGE_KEY[24] = {7}, RANGE[13] = {1, 0, 0, 0, 2, 0, 0, 0, 2};
    put(VT_TABLE_JOB, VT_BYTES_OF(RANGE_KEY), VT_BYTES_OF(RANGE));
}

static void teardown(void)
{
    world_free(&world);
}

/** @return whether store.check calls it sound; it must say why not */
static bool is_sound(void)
{
    struct vt_value result;
    const vault_status status = world_call(&world, "operator", "store.check", NULL, &result);
    ck_assert_msg(status == VAULT_OK, "store.check: %s %s", vault_status_code(status), world.err.message);
    const bool sound = vt_value_get_bool(&result, "is_sound", false);
    const struct vt_value *faults = vt_value_get(&result, "faults");
    ck_assert_msg(sound == (faults->array.count == 0), "sound without a fault, or a fault without a sentence");
    if (!sound) ck_assert_uint_ge(faults->array.items[0].bytes.len, 10);
    world_forget(&world);
    return sound;
}

enum damage { FLIPPED, CUT, GONE };
struct row {
    enum vt_table table;
    const char *from;               /* the first row at or behind this; NULL: the first of the table */
    enum damage damage;
};

/** The first such row, copied. */
static void find(const struct row *row, struct vt_buf *out_key, struct vt_buf *out_value)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    ck_assert_ok(vt_cursor_open(txn, row->table, &cursor));
    const vault_status found = row->from != NULL ? vt_cursor_seek(cursor, vt_bytes_str(row->from), &key, &value)
                                                 : vt_cursor_next(cursor, &key, &value);
    ck_assert_msg(found == VAULT_OK, "table %d has no row to damage: %s", row->table, vault_status_code(found));
    if (row->from != NULL) ck_assert_msg(memcmp(key.data, row->from, strlen(row->from)) == 0, "there is no row %s", row->from);
    ck_assert_ok(vt_buf_append(out_key, key));
    ck_assert_ok(vt_buf_append(out_value, value));
}

static void damage(const struct row *row, struct vt_bytes key, const struct vt_buf *value)
{
    VT_AUTO(vt_buf) bad = VT_BUF_INIT(VT_STORE_VALUE_MAX);
    if (row->damage == GONE) {
        take_out(row->table, key);
        return;
    }
    ck_assert_uint_gt(value->len, 1);
    ck_assert_ok(vt_buf_append(&bad, vt_bytes(value->data, value->len - (row->damage == CUT))));
    if (row->damage == FLIPPED) bad.data[bad.len - 1] ^= 1;
    put(row->table, key, vt_buf_bytes(&bad));
}

static const struct row ROWS[] = {
    {VT_TABLE_META, "keepers", FLIPPED},       {VT_TABLE_META, "keepers", GONE},        {VT_TABLE_META, "owed/", FLIPPED},
    {VT_TABLE_META, "era/", FLIPPED},          {VT_TABLE_META, "wraps", CUT},           {VT_TABLE_META, "brake/", CUT},
    {VT_TABLE_META, "ledger-sequence", FLIPPED}, {VT_TABLE_KEYBLOCK, NULL, FLIPPED},    {VT_TABLE_KEYBLOCK, NULL, GONE},
    {VT_TABLE_RECORD, NULL, GONE},             {VT_TABLE_ROW, NULL, FLIPPED},           {VT_TABLE_AUDIT, NULL, FLIPPED},
    {VT_TABLE_LEDGER, NULL, FLIPPED},        {VT_TABLE_LEDGER, NULL, GONE},
    {VT_TABLE_LEDGER_SID, NULL, GONE},         {VT_TABLE_PENDING, NULL, FLIPPED},       {VT_TABLE_CERTIFICATE, NULL, FLIPPED},
    {VT_TABLE_CERTIFICATE_LOG, NULL, FLIPPED}, {VT_TABLE_CONFIG, NULL, FLIPPED},        {VT_TABLE_JOB, NULL, CUT},
    {VT_TABLE_HOLD, NULL, FLIPPED},            {VT_TABLE_APPROVAL, NULL, FLIPPED},      {VT_TABLE_APPROVAL, NULL, GONE},
    {VT_TABLE_WAITING, NULL, FLIPPED},         {VT_TABLE_WAITING, NULL, GONE},
};

START_TEST(store_check_finds_one_damaged_value_in_each_table_and_an_untouched_store_sound)
{
    char dir[128];
    vt_temp_dir_make(dir, sizeof dir);
    setup(&(struct world_options){.keeper_count = 3, .quorum = 2, .open_keeper = open_ram, .context = dir});
    ck_assert(is_sound());
    for (size_t i = 0; i < VT_ARRAY_LEN(ROWS); i++) {
        VT_AUTO(vt_buf) key = VT_BUF_INIT(VT_STORE_KEY_MAX), value = VT_BUF_INIT(VT_STORE_VALUE_MAX);
        find(&ROWS[i], &key, &value);
        damage(&ROWS[i], vt_buf_bytes(&key), &value);
        ck_assert_msg(!is_sound(), "damage %d of table %d (%s) is not found", ROWS[i].damage, ROWS[i].table, ROWS[i].from);
        put(ROWS[i].table, vt_buf_bytes(&key), vt_buf_bytes(&value));
    }
    ck_assert(is_sound());
    teardown();
    vt_temp_dir_remove(dir);
}
END_TEST

START_TEST(store_check_finds_a_row_that_no_record_leads_to_and_a_request_that_no_approval_has)
{
    VT_AUTO(vt_buf) key = VT_BUF_INIT(VT_STORE_KEY_MAX), value = VT_BUF_INIT(VT_STORE_VALUE_MAX);
    setup(NULL);
    find(&(struct row){.table = VT_TABLE_ROW}, &key, &value);
    key.data[0] ^= 0x40;
    put(VT_TABLE_ROW, vt_buf_bytes(&key), vt_buf_bytes(&value));
    ck_assert(!is_sound());
    take_out(VT_TABLE_ROW, vt_buf_bytes(&key));
    ck_assert(is_sound());

    VT_AUTO(vt_buf) at = VT_BUF_INIT(VT_STORE_KEY_MAX), waiting = VT_BUF_INIT(VT_STORE_VALUE_MAX);
    find(&(struct row){.table = VT_TABLE_WAITING}, &at, &waiting);
    at.data[0] ^= 0x40;
    put(VT_TABLE_WAITING, vt_buf_bytes(&at), vt_buf_bytes(&waiting));
    ck_assert(!is_sound());
    teardown();
}
END_TEST

/* A value too long for a page lies in pages of its own, with the number of the first in front of it. */
static void damage_page_of(const uint8_t *mark, size_t mark_len)
{
    char path[192];
    static uint8_t file[8 * 1024 * 1024];
    snprintf(path, sizeof path, "%s/store/data.mdb", world.dir);
    const int fd = open(path, O_RDWR);
    ck_assert_msg(fd >= 0, "%s", path);
    const ssize_t len = pread(fd, file, sizeof file, 0);
    ck_assert_int_gt(len, 0);
    const uint8_t *at = memmem(file, (size_t)len, mark, mark_len);
    ck_assert_ptr_nonnull(at);
    const size_t page = (size_t)(at - file) / 4096 * 4096;
    const uint8_t wrong = (uint8_t)(file[page] ^ 1);
    ck_assert_int_eq(pwrite(fd, &wrong, 1, (off_t)page), 1);
    close(fd);
}

START_TEST(store_check_walks_the_pages_of_the_file)
{
    static uint8_t chunk[6000];
    static const uint8_t key[20] = {1};
    setup(&(struct world_options){.is_on_disk = true});
    memset(chunk, 0xA7, sizeof chunk);
    put(VT_TABLE_BLOB, VT_BYTES_OF(key), VT_BYTES_OF(chunk));
    ck_assert(is_sound());
    damage_page_of(chunk, 4000);
    ck_assert(!is_sound());
    teardown();
}
END_TEST

/* A store that cannot be read is not called damaged: each call of the store fails once. */
START_TEST(store_check_passes_a_failure_of_the_disk_on_and_does_not_call_it_damage)
{
    unsigned failed = 0;
    bool has_fired = true;
    setup(&(struct world_options){.has_fault_store = true});
    for (unsigned nth = 1; has_fired; nth += 3) {
        struct vt_value result;
        vt_fault_arm(VT_FAULT_STORE, nth);
        const vault_status status = world_call(&world, "operator", "store.check", NULL, &result);
        has_fired = vt_fault_disarm();
        if (status == VAULT_OK) ck_assert_msg(vt_value_get_bool(&result, "is_sound", false), "call %u of the store", nth);
        else ck_assert_status(status, VAULT_E_IO);
        failed += status != VAULT_OK;
        world_forget(&world);
    }
    ck_assert_uint_gt(failed, 50);
    ck_assert(is_sound());
    teardown();
}
END_TEST

VT_TEST_MAIN("service/check", store_check_finds_one_damaged_value_in_each_table_and_an_untouched_store_sound,
             store_check_finds_a_row_that_no_record_leads_to_and_a_request_that_no_approval_has,
             store_check_walks_the_pages_of_the_file,
             store_check_passes_a_failure_of_the_disk_on_and_does_not_call_it_damage)
