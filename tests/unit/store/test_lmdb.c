/* What the LMDB back end promises beyond store.h: files, modes, locks, damage, growth. */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/store/store_kit.h"

enum { MIB = 1024 * 1024 };

static unsigned mode_of(const char *path)
{
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    return info.st_mode & 0777;
}

/* Runs @p act in a child and gives its exit status. */
static int in_child(int (*act)(void *context), void *context)
{
    const pid_t pid = fork();
    if (pid == 0) _exit(act(context));
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static struct vt_store *left_open;      /* until its process ends */

static int open_status(void *context)
{
    struct kit *kit = context;
    return (int)vt_store_lmdb_open(kit->store_dir, &kit->options, &left_open);
}

static void replace_all(uint8_t *data, size_t len, const void *from, const void *to, size_t part)
{
    unsigned count = 0;
    for (size_t i = 0; i + part <= len; i++) {
        if (memcmp(data + i, from, part) != 0) continue;
        memcpy(data + i, to, part);
        count++;
    }
    ck_assert_uint_gt(count, 0);
}

static void patch_file(const char *path, const void *from, const void *to, size_t part)
{
    size_t len = 0;
    uint8_t *data = kit_load(path, &len);
    replace_all(data, len, from, to, part);
    kit_save(path, data, len);
    free(data);
}

/* Files and locks -------------------------------------------------------------------------------------------------- */

START_TEST(files_are_for_their_owner_only)
{
    umask(0);
    struct kit kit = {.options.ballast_bytes = 65536};
    kit_start(&kit);
    ck_assert_uint_eq(mode_of(kit.store_dir), 0700);
    const char *const names[] = {"data.mdb", "lock.mdb", "vault.lock", "ballast"};
    for (size_t i = 0; i < VT_ARRAY_LEN(names); i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", kit.store_dir, names[i]);
        ck_assert_uint_eq(mode_of(path), 0600);
    }
    kit_end(&kit);
}
END_TEST

START_TEST(the_ballast_is_made_of_real_blocks_and_follows_its_setting)
{
    struct kit kit = {.options.ballast_bytes = 300000};
    struct stat info;
    char path[400];
    kit_start(&kit);
    snprintf(path, sizeof path, "%s/ballast", kit.store_dir);
    for (unsigned times = 1; times <= 2; times++) {
        ck_assert_int_eq(stat(path, &info), 0);
        ck_assert_uint_eq((uint64_t)info.st_size, 300000 * times);
        ck_assert_uint_ge((uint64_t)info.st_blocks * 512, 300000 * times);
        kit_close(&kit);
        kit.options.ballast_bytes = 600000;
        kit_open(&kit);
    }
    size_t len = 0;
    uint8_t *noise = kit_load(path, &len);
    unsigned counts[256] = {0};
    for (size_t i = 0; i < len; i++) counts[noise[i]]++;
    for (size_t i = 0; i < 256; i++) ck_assert_uint_gt(counts[i], 600000 / 256 / 2);     /* nothing to compress */
    free(noise);
    kit_end(&kit);
}
END_TEST

START_TEST(what_was_committed_is_there_after_reopening_and_numbers_go_on)
{
    struct kit kit = {0};
    kit_start(&kit);
    for (uint64_t n = 1; n <= 5; n++) {
        ck_assert_ok(kit_commit(kit.store, n));
        kit_close(&kit);
        kit_open(&kit);
        ck_assert_uint_eq(kit_read_number(kit.store), n);
        struct vt_txn *txn = NULL;
        ck_assert_ok(vt_txn_begin_read(kit.store, &txn));
        ck_assert_uint_eq(vt_store_commit_number(txn), 1 + n);
        vt_txn_abort(txn);
    }
    kit_end(&kit);
}
END_TEST

START_TEST(a_raised_commit_number_survives_reopening_and_copying)
{
    struct kit kit = {0};
    char copy_dir[280];
    kit_start(&kit);
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write(kit.store, &txn));
    ck_assert_ok(vt_store_raise_commit_number(txn, 1000000));
    ck_assert_ok(vt_txn_commit(txn));
    kit_close(&kit);
    kit_open(&kit);
    snprintf(copy_dir, sizeof copy_dir, "%s/copy", kit.dir);
    ck_assert_ok(vt_store_copy(kit.store, copy_dir, NULL, NULL));
    kit_close(&kit);
    snprintf(kit.store_dir, sizeof kit.store_dir, "%s", copy_dir);
    kit_open(&kit);
    ck_assert_ok(vt_txn_begin_write(kit.store, &txn));
    ck_assert_uint_eq(vt_store_commit_number(txn), 1000001);
    vt_txn_abort(txn);
    kit_end(&kit);
}
END_TEST

START_TEST(a_directory_is_open_once)
{
    struct kit kit = {0};
    struct vt_store *second = NULL;
    kit_start(&kit);
    ck_assert_status(vt_store_lmdb_open(kit.store_dir, &kit.options, &second), VAULT_E_LOCKED);
    ck_assert_ptr_null(second);
    ck_assert_int_eq(in_child(open_status, &kit), VAULT_E_LOCKED);
    kit.options.is_read_only = true;
    ck_assert_int_eq(in_child(open_status, &kit), VAULT_E_LOCKED);
    kit_close(&kit);
    kit_open(&kit);             /* read-only */
    ck_assert_int_eq(in_child(open_status, &kit), VAULT_OK);        /* readers share it */
    kit.options.is_read_only = false;
    ck_assert_int_eq(in_child(open_status, &kit), VAULT_E_LOCKED);  /* and keep a writer out */
    kit_end(&kit);
}
END_TEST

START_TEST(the_lock_dies_with_its_process)
{
    struct kit kit = {0};
    kit_start(&kit);
    kit_close(&kit);
    ck_assert_int_eq(in_child(open_status, &kit), VAULT_OK);    /* exits without closing */
    kit_open(&kit);
    kit_end(&kit);
}
END_TEST

START_TEST(where_a_store_must_be_none_is_made)
{
    struct kit kit = {.options.must_exist = true};
    vt_temp_dir_make(kit.dir, sizeof kit.dir);
    kit_paths(&kit);
    ck_assert_status(kit_try_open(&kit), VAULT_E_NOT_INITIALISED);
    ck_assert_int_eq(access(kit.store_dir, F_OK), -1);
    ck_assert_int_eq(mkdir(kit.store_dir, 0700), 0);
    ck_assert_status(kit_try_open(&kit), VAULT_E_NOT_INITIALISED);
    kit.options = (struct vt_store_lmdb_options){.is_read_only = true};
    ck_assert_status(kit_try_open(&kit), VAULT_E_NOT_INITIALISED);
    ck_assert_int_eq(rmdir(kit.store_dir), 0);      /* still empty */
    ck_assert_status(kit_try_open(&kit), VAULT_E_NOT_INITIALISED);
    kit_end(&kit);
}
END_TEST

START_TEST(a_store_is_absent_without_its_data_file_or_with_an_empty_one)
{
    struct kit kit = {0};
    char data[sizeof kit.store_dir + 16];
    vt_temp_dir_make(kit.dir, sizeof kit.dir);
    kit_paths(&kit);
    ck_assert(vt_store_lmdb_is_absent(kit.store_dir));
    ck_assert_int_eq(access(kit.store_dir, F_OK), -1);
    kit_open(&kit);
    ck_assert(!vt_store_lmdb_is_absent(kit.store_dir));
    kit_close(&kit);
    ck_assert(!vt_store_lmdb_is_absent(kit.store_dir));
    snprintf(data, sizeof data, "%s/data.mdb", kit.store_dir);
    ck_assert(!vt_store_lmdb_is_absent(data));          /* no directory: opening says what it is */
    ck_assert_int_eq(truncate(data, 0), 0);
    ck_assert(vt_store_lmdb_is_absent(kit.store_dir));
    ck_assert_int_eq(unlink(data), 0);
    ck_assert(vt_store_lmdb_is_absent(kit.store_dir));
    kit_end(&kit);
}
END_TEST

START_TEST(a_missing_parent_directory_is_an_io_error)
{
    struct kit kit = {0};
    vt_temp_dir_make(kit.dir, sizeof kit.dir);
    snprintf(kit.store_dir, sizeof kit.store_dir, "%s/no/store", kit.dir);
    ck_assert_status(kit_try_open(&kit), VAULT_E_IO);
    kit_end(&kit);
}
END_TEST

START_TEST(a_read_only_store_reads_and_refuses_to_write)
{
    struct kit kit = {0};
    kit_start(&kit);
    ck_assert_ok(kit_commit(kit.store, 1));
    kit_close(&kit);
    size_t len = 0, len_after = 0;
    uint8_t *before = kit_load(kit.data, &len);
    kit.options.is_read_only = true;
    kit_open(&kit);
    struct vt_txn *txn = NULL;
    ck_assert_uint_eq(kit_read_number(kit.store), 1);
    ck_assert_status(vt_txn_begin_write(kit.store, &txn), VAULT_E_READ_ONLY);
    ck_assert_status(vt_txn_begin_write_reserved(kit.store, &txn), VAULT_E_READ_ONLY);
    ck_assert_ptr_null(txn);
    ck_assert_ok(vt_store_recover_space(kit.store));
    kit_assert_sound(kit.store);
    kit_close(&kit);
    uint8_t *after = kit_load(kit.data, &len_after);
    ck_assert_uint_eq(len, len_after);
    ck_assert_mem_eq(before, after, len);
    free(before);
    free(after);
    kit_end(&kit);
}
END_TEST

/* Formats and damage ----------------------------------------------------------------------------------------------- */

START_TEST(a_newer_format_is_refused_by_name)
{
    struct kit kit = {0};
    kit_start(&kit);
    kit_close(&kit);
    patch_file(kit.data, "format\0\0\0\3", "format\0\0\0\4", 10);
    ck_assert_status(kit_try_open(&kit), VAULT_E_FORMAT);
    kit.options.is_read_only = true;
    ck_assert_status(kit_try_open(&kit), VAULT_E_FORMAT);
    kit.options.is_read_only = false;
    patch_file(kit.data, "format\0\0\0\4", "format\0\0\0\2", 10);
    ck_assert_status(kit_try_open(&kit), VAULT_E_FORMAT);       /* an older one, too */
    patch_file(kit.data, "format\0\0\0\2", "format\0\0\0\3", 10);
    kit_open(&kit);
    kit_close(&kit);
    patch_file(kit.data, "\xde\xc0\xef\xbe\1\0\0\0", "\xde\xc0\xef\xbe\2\0\0\0", 8);
    ck_assert_status(kit_try_open(&kit), VAULT_E_FORMAT);
    kit_end(&kit);
}
END_TEST

START_TEST(an_environment_that_is_not_ours_is_corrupt)
{
    struct kit kit = {0};
    kit_start(&kit);
    kit_close(&kit);
    patch_file(kit.data, "certificate", "certifikate", 11);
    ck_assert_status(kit_try_open(&kit), VAULT_E_CORRUPT);
    patch_file(kit.data, "certifikate", "certificate", 11);
    patch_file(kit.data, "format\0\0\0\3", "tamrof\0\0\0\3", 10);
    ck_assert_status(kit_try_open(&kit), VAULT_E_CORRUPT);
    kit_end(&kit);
}
END_TEST

START_TEST(a_file_that_is_not_lmdbs_is_corrupt_and_left_as_it_was)
{
    struct kit kit = {0};
    kit_start(&kit);
    kit_close(&kit);
    static uint8_t letters[20000];
    memset(letters, 'x', sizeof letters);
    const size_t lens[] = {1, 100, 4096, 8192, 20000};
    for (size_t i = 0; i < VT_ARRAY_LEN(lens); i++) {
        kit_save(kit.data, letters, lens[i]);
        ck_assert_status(kit_try_open(&kit), VAULT_E_CORRUPT);
        size_t len = 0;
        uint8_t *after = kit_load(kit.data, &len);
        ck_assert_uint_eq(len, lens[i]);
        ck_assert_mem_eq(after, letters, len);
        free(after);
    }
    ck_assert_int_eq(unlink(kit.data), 0);
    ck_assert_int_eq(mkdir(kit.data, 0700), 0);
    ck_assert_status(kit_try_open(&kit), VAULT_E_CORRUPT);
    kit_end(&kit);
}
END_TEST

START_TEST(a_file_cut_short_anywhere_is_corrupt)
{
    struct kit kit = {.options.must_exist = false};
    kit_start(&kit);
    for (uint64_t n = 1; n <= 4; n++) ck_assert_ok(kit_commit(kit.store, n));
    kit_close(&kit);
    size_t len = 0;
    uint8_t *whole = kit_load(kit.data, &len);
    unsigned corrupt = 0;
    kit.options.must_exist = true;
    for (size_t cut = len - 1; cut >= 500; cut -= 500) {
        kit_save(kit.data, whole, cut);
        const vault_status status = kit_try_open(&kit);
        /* Free pages at the end may go without harm; then everything is there. */
        if (status == VAULT_OK) {
            ck_assert_uint_eq(kit_read_number(kit.store), 4);
            kit_assert_sound(kit.store);
            kit_close(&kit);
        } else {
            ck_assert_status(status, VAULT_E_CORRUPT);
            corrupt++;
        }
    }
    ck_assert_uint_gt(corrupt, len / 500 / 4);
    kit_save(kit.data, whole, 0);
    ck_assert_status(kit_try_open(&kit), VAULT_E_NOT_INITIALISED);
    free(whole);
    kit_end(&kit);
}
END_TEST

/* Reads and writes whatever a damaged file lets through: no status is wrong here, dying is. */
static void exercise(struct vt_store *store)
{
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    for (int table = 0; table < VT_TABLE_COUNT; table++) {
        struct vt_cursor *cursor = NULL;
        struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
        uint64_t sum = 0;
        ck_assert_ok(vt_cursor_open(txn, (enum vt_table)table, &cursor));
        vault_status status = VAULT_OK;
        while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
            for (size_t i = 0; i < value.len; i++) sum += value.data[i];
        }
        ck_assert_msg(status == VAULT_E_NOT_FOUND || status == VAULT_E_CORRUPT, "%s, sum %llu",
                      vault_status_code(status), (unsigned long long)sum);
        vt_cursor_free(cursor);
    }
    vt_txn_abort(txn);
    for (uint64_t n = 100; n < 103; n++) {
        const vault_status status = kit_commit(store, n);
        ck_assert_msg(status == VAULT_OK || status == VAULT_E_CORRUPT || status == VAULT_E_ARGUMENT, "%s",
                      vault_status_code(status));
    }
}

START_TEST(flipped_bits_give_a_status_and_never_a_crash)
{
    struct kit kit = {0};
    kit_start(&kit);
    for (uint64_t n = 1; n <= 6; n++) ck_assert_ok(kit_commit(kit.store, n));
    kit_close(&kit);
    size_t len = 0;
    uint8_t *whole = kit_load(kit.data, &len);
    uint64_t state = kit_seed();
    unsigned corrupt = 0;
    kit.options.must_exist = true;
    for (int round = 0; round < 600; round++) {
        /* Half of the flips where structure is dense: page headers and the offsets of nodes. */
        size_t at = kit_random(&state) % len;
        if (round % 2 == 0) at = at / 4096 * 4096 + kit_random(&state) % 40;
        const uint8_t bit = (uint8_t)(1u << kit_random(&state) % 8);
        whole[at] ^= bit;
        kit_save(kit.data, whole, len);
        whole[at] ^= bit;
        const vault_status status = kit_try_open(&kit);
        if (status == VAULT_OK) exercise(kit.store);
        else ck_assert_msg(status == VAULT_E_CORRUPT || status == VAULT_E_FORMAT, "%s", vault_status_code(status));
        corrupt += status == VAULT_E_CORRUPT;
        kit_close(&kit);
    }
    ck_assert_uint_gt(corrupt, 10);     /* most flips hit free pages and values, whose seals are not ours to check */
    free(whole);
    kit_end(&kit);
}
END_TEST

START_TEST(a_meta_page_that_asks_for_more_than_any_map_has_is_corrupt_and_no_lack_of_memory)
{
    enum { LAST_PAGE_AT = 136 };        /* FORMAT.md "Store"; six bytes of pages are more than addresses */
    struct kit kit = {0};
    kit_start(&kit);
    ck_assert_ok(kit_commit(kit.store, 1));
    kit_close(&kit);
    size_t len = 0;
    uint8_t *whole = kit_load(kit.data, &len);
    for (size_t meta = 0; meta < 2; meta++) whole[meta * 4096 + LAST_PAGE_AT + 5] = 0x40;
    kit_save(kit.data, whole, len);
    kit.options.must_exist = true;
    ck_assert_status(kit_try_open(&kit), VAULT_E_CORRUPT);
    free(whole);
    kit_end(&kit);
}
END_TEST

/* A list says in its first eight bytes how long it is; valgrind tells whether more is read than there is. */
START_TEST(a_list_of_free_pages_too_short_for_its_length_is_corrupt)
{
    enum { TRANSACTION_AT = 144, FREE_ROOT_AT = 80, FIRST_NODE_AT = 16 };      /* FORMAT.md "Store" */
    struct kit kit = {0};
    kit_start(&kit);
    for (uint64_t n = 1; n <= 6; n++) ck_assert_ok(kit_commit(kit.store, n));
    kit_close(&kit);
    size_t len = 0;
    uint64_t transactions[2], root;
    uint8_t *whole = kit_load(kit.data, &len);
    for (size_t meta = 0; meta < 2; meta++) memcpy(&transactions[meta], whole + 4096 * meta + TRANSACTION_AT, 8);
    memcpy(&root, whole + 4096 * (transactions[1] > transactions[0]) + FREE_ROOT_AT, 8);
    ck_assert_uint_lt(root, len / 4096);
    uint8_t *page = whole + 4096 * root;
    uint8_t *node = page + (page[FIRST_NODE_AT] | page[FIRST_NODE_AT + 1] << 8);
    memcpy(node, (uint8_t[]){4, 0, 0, 0}, 4);
    kit_save(kit.data, whole, len);
    kit.options.must_exist = true;
    ck_assert_status(kit_try_open(&kit), VAULT_E_CORRUPT);
    free(whole);
    kit_end(&kit);
}
END_TEST

START_TEST(a_check_finds_a_damaged_page_in_an_open_store)
{
    struct kit kit = {0};
    kit_start(&kit);
    for (uint64_t n = 1; n <= 6; n++) ck_assert_ok(kit_commit(kit.store, n));
    kit_assert_sound(kit.store);
    const int fd = open(kit.data, O_WRONLY | O_CLOEXEC);
    const uint8_t zeroes[4096] = {0};
    for (off_t page = 2; page < 12; page++) ck_assert_int_eq(pwrite(fd, zeroes, 4096, page * 4096), 4096);
    close(fd);
    struct vt_store_check check = {0};
    ck_assert_ok(vt_store_check(kit.store, &check));
    ck_assert_uint_gt(check.damaged_pages, 0);
    kit_end(&kit);
}
END_TEST

static bool stop_for_good(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    unsigned *calls = context;
    (void)done_bytes;
    (void)total_bytes;
    if (++*calls == 3) _exit(77);
    return true;
}

static int copy_and_die(void *context)
{
    struct kit *kit = context;
    char copy_dir[280];
    unsigned calls = 0;
    snprintf(copy_dir, sizeof copy_dir, "%s/copy", kit->dir);
    kit_open(kit);
    return (int)vt_store_copy(kit->store, copy_dir, stop_for_good, &calls);
}

START_TEST(a_copy_that_was_never_finished_is_corrupt)
{
    struct kit kit = {0};
    kit_start(&kit);
    static uint8_t value[20000];
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write(kit.store, &txn));
    for (uint32_t i = 0; i < 3000; i++) {
        uint8_t key[4];
        vt_put_u32(key, i);
        ck_assert_ok(vt_store_put(txn, VT_TABLE_BLOB, VT_BYTES_OF(key), VT_BYTES_OF(value), VT_PUT_APPEND));
    }
    ck_assert_ok(vt_txn_commit(txn));
    kit_close(&kit);
    ck_assert_int_eq(in_child(copy_and_die, &kit), 77);
    snprintf(kit.store_dir, sizeof kit.store_dir, "%s/copy", kit.dir);
    ck_assert(kit_exists(&kit, "data.mdb"));
    ck_assert_status(kit_try_open(&kit), VAULT_E_CORRUPT);
    kit_end(&kit);
}
END_TEST

/* Memory and room -------------------------------------------------------------------------------------------------- */

static bool has_bytes(const uint8_t *data, size_t len, const char *wanted)
{
    return memmem(data, len, wanted, strlen(wanted)) != NULL;
}

START_TEST(freed_heap_never_reaches_the_file)
{
    static const char canary[] = "canary-3f9a-of-the-freed-heap";
    struct kit kit = {0};
    kit_start(&kit);
    for (uint64_t n = 1; n <= 30; n++) {
        char *blocks[200];
        for (size_t i = 0; i < VT_ARRAY_LEN(blocks); i++) {
            const size_t block = 64 + (i * 37 % 300) * 64;
            blocks[i] = malloc(block);
            for (size_t at = 0; at + sizeof canary <= block; at += sizeof canary) {
                memcpy(blocks[i] + at, canary, sizeof canary);
            }
        }
        for (size_t i = 0; i < VT_ARRAY_LEN(blocks); i++) free(blocks[i]);
        ck_assert_ok(kit_commit(kit.store, n));
    }
    kit_close(&kit);
    size_t len = 0;
    uint8_t *data = kit_load(kit.data, &len);
    ck_assert(has_bytes(data, len, "certificate"));     /* the search itself works */
    ck_assert(!has_bytes(data, len, "canary-3f9a"));
    free(data);
    kit_end(&kit);
}
END_TEST

static void put_blobs(struct vt_txn *txn, uint32_t first, uint32_t count)
{
    static uint8_t value[60000];
    for (uint32_t i = first; i < first + count; i++) {
        uint8_t key[4];
        vt_put_u32(key, i);
        memset(value, (int)(i % 251 + 1), sizeof value);
        ck_assert_ok(vt_store_put(txn, VT_TABLE_BLOB, VT_BYTES_OF(key), VT_BYTES_OF(value), VT_PUT_APPEND));
    }
}

static void commit_blobs(struct vt_store *store, uint32_t first, uint32_t count)
{
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_write(store, &txn));
    put_blobs(txn, first, count);
    ck_assert_ok(vt_txn_commit(txn));
}

static void assert_blobs(struct vt_store *store, uint32_t count)
{
    struct vt_txn *txn = NULL;
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    for (uint32_t i = 0; i < count; i++) {
        uint8_t key[4];
        struct vt_bytes value = VT_BYTES_EMPTY;
        vt_put_u32(key, i);
        ck_assert_ok(vt_store_get(txn, VT_TABLE_BLOB, VT_BYTES_OF(key), &value));
        ck_assert_uint_eq(value.len, 60000);
        for (size_t at = 0; at < value.len; at += 599) ck_assert_uint_eq(value.data[at], i % 251 + 1);
    }
    vt_txn_abort(txn);
}

START_TEST(the_map_grows_between_transactions)
{
    struct kit kit = {.options.map_bytes = MIB};
    kit_start(&kit);
    struct vt_txn *parked = NULL;
    ck_assert_ok(vt_txn_begin_read(kit.store, &parked));
    vt_txn_reset(parked);       /* a parked reader does not hold the map */
    for (uint32_t i = 0; i < 200; i++) commit_blobs(kit.store, i * 4, 4);
    assert_blobs(kit.store, 800);
    ck_assert_ok(vt_txn_renew(parked));
    struct vt_bytes value = VT_BYTES_EMPTY;
    ck_assert_ok(vt_store_get(parked, VT_TABLE_BLOB, vt_bytes("\0\0\3\1", 4), &value));
    ck_assert_uint_eq(value.data[0], 0x301 % 251 + 1);
    vt_txn_abort(parked);

    struct vt_store_stats stats = {0};
    ck_assert_ok(vt_store_stats(kit.store, &stats));
    ck_assert_uint_ge(stats.map_bytes, 48 * MIB);
    kit_close(&kit);
    kit_open(&kit);             /* the option is less than the file has: LMDB takes what it needs */
    assert_blobs(kit.store, 800);
    kit_assert_sound(kit.store);
    kit_end(&kit);
}
END_TEST

START_TEST(a_transaction_larger_than_the_map_fails_whole_and_fits_when_repeated)
{
    struct kit kit = {.options.map_bytes = MIB};
    kit_start(&kit);
    static uint8_t value[100000];
    vault_status status = VAULT_E_BUSY;
    unsigned tries = 0;
    while (status == VAULT_E_BUSY && tries++ < 20) {
        struct vt_txn *txn = NULL;
        ck_assert_ok(vt_txn_begin_write(kit.store, &txn));
        status = VAULT_OK;
        for (uint32_t i = 0; i < 100 && status == VAULT_OK; i++) {
            uint8_t key[4];
            vt_put_u32(key, i);
            status = vt_store_put(txn, VT_TABLE_BLOB, VT_BYTES_OF(key), VT_BYTES_OF(value), VT_PUT_NEW);
        }
        ck_assert_status(vt_txn_commit(txn), status);   /* the failure again, not a success */
    }
    ck_assert_status(status, VAULT_OK);
    ck_assert_uint_gt(tries, 1);
    struct vt_store_stats stats = {0};
    ck_assert_ok(vt_store_stats(kit.store, &stats));
    ck_assert_uint_eq(stats.entries[VT_TABLE_BLOB], 100);
    ck_assert(!stats.is_full);
    kit_end(&kit);
}
END_TEST

START_TEST(a_reader_that_stays_only_puts_the_growing_off)
{
    struct kit kit = {.options.map_bytes = 4 * MIB};
    kit_start(&kit);
    struct vt_txn *read = NULL;
    commit_blobs(kit.store, 0, 40);     /* more than half of it */
    ck_assert_ok(vt_txn_begin_read(kit.store, &read));
    commit_blobs(kit.store, 40, 4);
    vt_txn_abort(read);
    commit_blobs(kit.store, 44, 40);    /* would not have fitted */
    assert_blobs(kit.store, 84);
    kit_end(&kit);
}
END_TEST

#if !KIT_IS_SANITIZED
static int work_in_little_space(void *context)
{
    struct kit *kit = context;
    const struct rlimit limit = {512u * MIB, 512u * MIB};
    if (setrlimit(RLIMIT_AS, &limit) != 0) return 1;
    if (kit_try_open(kit) != VAULT_OK) return 2;
    if (kit_commit(kit->store, 1) != VAULT_OK) return 3;
    struct vt_store_stats stats = {0};
    if (vt_store_stats(kit->store, &stats) != VAULT_OK) return 4;
    if (stats.map_bytes > 256u * MIB || stats.map_bytes < 32u * MIB) return 5;
    return 0;
}
#endif

START_TEST(a_limited_address_space_gets_a_smaller_map)
{
#if !KIT_IS_SANITIZED
    struct kit kit = {0};
    kit_start(&kit);
    kit_close(&kit);
    ck_assert_int_eq(in_child(work_in_little_space, &kit), 0);
    kit_open(&kit);
    ck_assert_uint_eq(kit_read_number(kit.store), 1);
    kit_end(&kit);
#else
    printf("skipped: sanitizers need the address space for themselves\n");
#endif
}
END_TEST

START_TEST(a_small_store_stays_small)
{
    struct kit kit = {0};
    kit_start(&kit);
    for (uint64_t n = 1; n <= 20; n++) ck_assert_ok(kit_commit(kit.store, n));
    struct vt_store_stats stats = {0};
    ck_assert_ok(vt_store_stats(kit.store, &stats));
    ck_assert_uint_lt(stats.file_bytes, MIB);
    ck_assert_uint_le(stats.used_bytes, stats.file_bytes);
    kit_end(&kit);
}
END_TEST

START_TEST(a_large_store_has_zeroed_room_ahead_and_commits_go_on_meanwhile)
{
    struct kit kit = {0};
    kit_start(&kit);
    struct vt_store_stats stats = {0};
    uint32_t count = 0;
    /* The thread that grows works beside these commits; each changes old pages and adds new ones. */
    for (; count < 700; count += 20) {
        commit_blobs(kit.store, count, 20);
        ck_assert_ok(kit_commit(kit.store, count + 1));
    }
    for (int i = 0; i < 500; i++) {
        ck_assert_ok(vt_store_stats(kit.store, &stats));
        if (stats.file_bytes >= stats.used_bytes + 16 * MIB) break;
        usleep(10000);
    }
    ck_assert_uint_ge(stats.file_bytes, stats.used_bytes + 16 * MIB);
    assert_blobs(kit.store, count);
    kit_assert_sound(kit.store);
    kit_close(&kit);
    kit_open(&kit);
    assert_blobs(kit.store, count);
    ck_assert_uint_eq(kit_read_number(kit.store), count - 19);
    kit_end(&kit);
}
END_TEST

/* Kills ------------------------------------------------------------------------------------------------------------ */

static void commit_until_killed(struct kit *kit, uint64_t from, int ack_fd)
{
    if (kit_try_open(kit) != VAULT_OK) _exit(1);
    for (uint64_t n = from;; n++) {
        if (kit_commit(kit->store, n) != VAULT_OK) _exit(2);
        if (write(ack_fd, &n, sizeof n) != sizeof n) _exit(3);
    }
}

/* Reads acknowledgements until @p enough, kills, and gives the last one that was sent. */
static uint64_t kill_after(pid_t pid, int ack_fd, uint64_t enough)
{
    uint64_t last = 0, got = 0;
    ssize_t len = 0;
    bool is_killed = false;
    while ((len = read(ack_fd, &got, sizeof got)) == (ssize_t)sizeof got) {
        last = got;
        if (last >= enough && !is_killed) is_killed = kill(pid, SIGKILL) == 0;
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return last;
}

START_TEST(a_killed_process_loses_no_acknowledged_commit_and_leaves_no_partial_one)
{
    struct kit kit = {0};
    kit_start(&kit);
    kit_close(&kit);
    uint64_t state = kit_seed(), number = 0;
    for (int round = 0; round < 15; round++) {
        int pipe_fds[2];
        ck_assert_int_eq(pipe(pipe_fds), 0);
        const pid_t pid = fork();
        if (pid == 0) commit_until_killed(&kit, number + 1, pipe_fds[1]);
        close(pipe_fds[1]);
        const uint64_t acknowledged = kill_after(pid, pipe_fds[0], number + 1 + kit_random(&state) % 20);
        close(pipe_fds[0]);
        kit_open(&kit);
        number = kit_read_number(kit.store);
        ck_assert_msg(number == acknowledged || number == acknowledged + 1, "%llu after %llu",
                      (unsigned long long)number, (unsigned long long)acknowledged);
        kit_assert_sound(kit.store);
        kit_close(&kit);
    }
    kit_end(&kit);
}
END_TEST

VT_TEST_MAIN("store/lmdb files", files_are_for_their_owner_only,
             the_ballast_is_made_of_real_blocks_and_follows_its_setting,
             what_was_committed_is_there_after_reopening_and_numbers_go_on,
             a_raised_commit_number_survives_reopening_and_copying, a_directory_is_open_once,
             the_lock_dies_with_its_process, where_a_store_must_be_none_is_made,
             a_store_is_absent_without_its_data_file_or_with_an_empty_one,
             a_missing_parent_directory_is_an_io_error, a_read_only_store_reads_and_refuses_to_write,
             a_newer_format_is_refused_by_name, an_environment_that_is_not_ours_is_corrupt,
             a_file_that_is_not_lmdbs_is_corrupt_and_left_as_it_was, a_file_cut_short_anywhere_is_corrupt,
             flipped_bits_give_a_status_and_never_a_crash,
             a_meta_page_that_asks_for_more_than_any_map_has_is_corrupt_and_no_lack_of_memory,
             a_list_of_free_pages_too_short_for_its_length_is_corrupt, a_check_finds_a_damaged_page_in_an_open_store,
             a_copy_that_was_never_finished_is_corrupt, freed_heap_never_reaches_the_file,
             the_map_grows_between_transactions,
             a_transaction_larger_than_the_map_fails_whole_and_fits_when_repeated,
             a_reader_that_stays_only_puts_the_growing_off, a_limited_address_space_gets_a_smaller_map,
             a_small_store_stays_small, a_large_store_has_zeroed_room_ahead_and_commits_go_on_meanwhile,
             a_killed_process_loses_no_acknowledged_commit_and_leaves_no_partial_one)
