/* A data file of LMDB, damaged: the walk that looks at it before LMDB does reads nothing behind what is there, ends, and says
 * OK with or without damage, or a status of the contract. An input is a list of changes to a sound file made here, since one
 * found by chance would never be one: offset 3, big-endian, modulo the length | value 1. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/bytes.h"
#include "tests/fuzz/fuzz.h"
#include "vaultd/core/store/store.h"
#include "vaultd/core/store/store_pages.h"

enum { COMMITS = 6, KEYS = 40, CHANGE_LEN = 4, ROOT_MAX = 200 };

static uint8_t *sound, *changed;
static size_t sound_len;
static int fd = -1;

static void fill(struct vt_store *store, uint64_t commit)
{
    static const enum vt_table tables[] = {VT_TABLE_META, VT_TABLE_ROW, VT_TABLE_PAGE};
    uint8_t key[8], value[4080] = {0};
    struct vt_txn *txn = NULL;
    FUZZ_CHECK(vt_txn_begin_write(store, &txn) == VAULT_OK);
    for (uint64_t i = 0; i < KEYS; i++) {
        vt_put_u64(key, i * 0x9e3779b97f4a7c15u);
        vt_put_u64(value, commit);
        const struct vt_bytes bytes = vt_bytes(value, i % 8 == 0 ? sizeof value : 8 + i);
        FUZZ_CHECK(vt_store_put(txn, tables[i % 3], VT_BYTES_OF(key), bytes, VT_PUT_DEFAULT) == VAULT_OK);
    }
    FUZZ_CHECK(vt_txn_commit(txn) == VAULT_OK);
}

static void load(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    FUZZ_CHECK(file != NULL && fstat(fileno(file), &info) == 0);
    sound_len = (size_t)info.st_size;
    sound = malloc(sound_len);
    changed = malloc(sound_len);
    FUZZ_CHECK(sound != NULL && changed != NULL && fread(sound, 1, sound_len, file) == sound_len);
    fclose(file);
}

/* Once: the sound file, and a file in memory to be walked. */
static void begin(void)
{
    char dir[ROOT_MAX], path[ROOT_MAX + 32];
    struct vt_store *store = NULL;
    const char *root = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/vaultd-fuzz-XXXXXX", root != NULL ? root : "/tmp");
    FUZZ_CHECK(mkdtemp(dir) != NULL);
    const struct vt_store_lmdb_options options = {.map_bytes = 16 << 20};
    FUZZ_CHECK(vt_store_lmdb_open(dir, &options, &store) == VAULT_OK);
    for (uint64_t commit = 1; commit <= COMMITS; commit++) fill(store, commit);
    vt_store_free(store);
    snprintf(path, sizeof path, "%s/data.mdb", dir);
    load(path);
    static const char *const files[] = {"data.mdb", "lock.mdb", "vault.lock"};
    for (size_t i = 0; i < VT_ARRAY_LEN(files); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    FUZZ_CHECK(rmdir(dir) == 0);
    fd = memfd_create("data.mdb", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct vt_store_check check = {0};
    if (fd < 0) begin();
    memcpy(changed, sound, sound_len);
    for (size_t at = 0; at + CHANGE_LEN <= len; at += CHANGE_LEN) {
        const size_t offset = (size_t)data[at] << 16 | (size_t)data[at + 1] << 8 | data[at + 2];
        changed[offset % sound_len] = data[at + 3];
    }
    FUZZ_CHECK(pwrite(fd, changed, sound_len, 0) == (ssize_t)sound_len);
    const vault_status status = vt_pages_check(fd, 0, &check);
    FUZZ_CHECK(status == VAULT_OK || status == VAULT_E_CORRUPT);
    if (len < CHANGE_LEN) FUZZ_CHECK(status == VAULT_OK && check.damaged_pages == 0 && check.leaked_pages == 0);
    if (vt_pages_check_size(fd) != VAULT_OK) FUZZ_CHECK(status != VAULT_OK);
    return 0;
}
