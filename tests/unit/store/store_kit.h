/* tests/unit/store/store_kit.h - what the tests of the LMDB back end share: a store in a directory of its own, numbered
 * commits, and files read and written whole. */
#pragma once
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "vaultd/core/store/store.h"

/* Sanitizers need the address space, and mmap(), for themselves. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KIT_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KIT_IS_SANITIZED 1
#endif
#endif
#ifndef KIT_IS_SANITIZED
#define KIT_IS_SANITIZED 0
#endif

struct kit {
    char dir[256];
    char data[340];         /* DIR/store/data.mdb */
    char store_dir[300];
    struct vt_store_lmdb_options options;
    struct vt_store *store;
};

static inline void kit_open(struct kit *kit)
{
    ck_assert_ok(vt_store_lmdb_open(kit->store_dir, &kit->options, &kit->store));
}

static inline void kit_paths(struct kit *kit)
{
    snprintf(kit->store_dir, sizeof kit->store_dir, "%s/store", kit->dir);
    snprintf(kit->data, sizeof kit->data, "%s/data.mdb", kit->store_dir);
}

static inline void kit_start(struct kit *kit)
{
    vt_temp_dir_make(kit->dir, sizeof kit->dir);
    kit_paths(kit);
    kit_open(kit);
}

static inline void kit_close(struct kit *kit)
{
    vt_store_free(VT_MOVE(kit->store));
}

static inline void kit_end(struct kit *kit)
{
    kit_close(kit);
    vt_temp_dir_remove(kit->dir);
}

static inline vault_status kit_try_open(struct kit *kit)
{
    return vt_store_lmdb_open(kit->store_dir, &kit->options, &kit->store);
}

/* Commit number @p n writes n as the value of KIT_KEYS keys in three tables, and a row of its own. */
enum { KIT_KEYS = 40 };

static inline vault_status kit_fill(struct vt_txn *txn, uint64_t n)
{
    static const enum vt_table tables[] = {VT_TABLE_META, VT_TABLE_ROW, VT_TABLE_PAGE};
    uint8_t value[4080] = {0}, key[8];
    for (uint64_t i = 0; i < KIT_KEYS; i++) {
        vt_put_u64(key, i * 0x9e3779b97f4a7c15u);
        vt_put_u64(value, n);
        const size_t len = i % 8 == 0 ? sizeof value : 8 + i;
        VT_TRY(vt_store_put(txn, tables[i % 3], VT_BYTES_OF(key), vt_bytes(value, len), VT_PUT_DEFAULT));
    }
    vt_put_u64(key, n);
    return vt_store_put(txn, VT_TABLE_AUDIT, VT_BYTES_OF(key), vt_bytes(value, 250), VT_PUT_APPEND);
}

static inline vault_status kit_commit(struct vt_store *store, uint64_t n)
{
    struct vt_txn *txn = NULL;
    VT_TRY(vt_txn_begin_write(store, &txn));
    const vault_status status = kit_fill(txn, n);
    if (status == VAULT_OK) return vt_txn_commit(txn);
    vt_txn_abort(txn);
    return status;
}

/* The number of the commit that the store shows; asserts that it is a whole one. */
static inline uint64_t kit_read_number(struct vt_store *store)
{
    static const enum vt_table tables[] = {VT_TABLE_META, VT_TABLE_ROW, VT_TABLE_PAGE};
    struct vt_txn *txn = NULL;
    struct vt_cursor *cursor = NULL;
    struct vt_bytes key = VT_BYTES_EMPTY, value = VT_BYTES_EMPTY;
    uint64_t number = 0;
    ck_assert_ok(vt_txn_begin_read(store, &txn));
    ck_assert_ok(vt_cursor_open(txn, VT_TABLE_AUDIT, &cursor));
    const vault_status status = vt_cursor_last(cursor, NULL, &key, &value);
    if (status == VAULT_OK) number = vt_get_u64(key.data);
    else ck_assert_status(status, VAULT_E_NOT_FOUND);
    vt_cursor_free(cursor);

    for (uint64_t i = 0; i < KIT_KEYS; i++) {
        uint8_t wanted[8];
        vt_put_u64(wanted, i * 0x9e3779b97f4a7c15u);
        const vault_status found = vt_store_get(txn, tables[i % 3], VT_BYTES_OF(wanted), &value);
        ck_assert_status(found, number == 0 ? VAULT_E_NOT_FOUND : VAULT_OK);
        if (number != 0) ck_assert_uint_eq(vt_get_u64(value.data), number);
    }
    vt_txn_abort(txn);
    return number;
}

static inline uint8_t *kit_load(const char *path, size_t *out_len)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    struct stat info;
    ck_assert_int_eq(fstat(fileno(file), &info), 0);
    uint8_t *data = malloc((size_t)info.st_size + 1);
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(fread(data, 1, (size_t)info.st_size, file), (size_t)info.st_size);
    fclose(file);
    *out_len = (size_t)info.st_size;
    return data;
}

static inline void kit_save(const char *path, const uint8_t *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

static inline bool kit_exists(const struct kit *kit, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", kit->store_dir, name);
    return access(path, F_OK) == 0;
}

static inline bool kit_is_full(struct vt_store *store)
{
    struct vt_store_stats stats = {0};
    ck_assert_ok(vt_store_stats(store, &stats));
    ck_assert_int_eq(vt_store_is_full(store), stats.is_full);
    return stats.is_full;
}

static inline void kit_assert_sound(struct vt_store *store)
{
    struct vt_store_check check = {.damaged_pages = 99};
    ck_assert_ok(vt_store_check(store, &check));
    ck_assert_uint_eq(check.damaged_pages, 0);
    ck_assert_uint_eq(check.leaked_pages, 0);
    ck_assert_uint_gt(check.pages, 0);
}

/* A small generator: histories repeat by seed. */
static inline uint64_t kit_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t kit_seed(void)
{
    const char *wish = getenv("VT_SEED");
    uint64_t seed = wish != NULL ? strtoull(wish, NULL, 0) : (uint64_t)getpid() * 2654435761u ^ (uint64_t)time(NULL);
    printf("VT_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}
