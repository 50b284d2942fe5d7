/* tools/bench/keyring.c - what the keyring costs at a given number of subjects, on LMDB, without network, rows or
 * keepers: bulk insert, one shred, a batch of shreds, subject keys cold and warm, bytes for each subject. bench-keyring
 * DIR SUBJECTS DIR must be empty. The figures in docs/PERFORMANCE.md come from a release build. Thread: main. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libvault/base/clock.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/rng.h"
#include "vaultd/core/keyring/keyring.h"

enum {
    INSERT_BATCH = 10000,
    SHRED_BATCH = 10000,
    SINGLE_SHREDS = 100,
    READS = 20000,
    CATEGORIES = 3,
    FENCE_MS = 10000
};

struct bench {
    struct vt_store *store;
    struct vt_keyring *ring;
    struct vt_key root_key;
    uint64_t epoch;
    uint64_t subjects;
    uint64_t sealed_before, opened_before, began_ns, began_cpu_ns;
};

static VT_RESULT sid_of(uint64_t number, struct vt_sid *out_sid)
{
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(vt_sha256_one(VT_BYTES_OF(number), hash));
    memcpy(out_sid->bytes, hash, sizeof out_sid->bytes);
    return VAULT_OK;
}

/* Of the process: the wall clock says little on a machine that others use. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void part_begin(struct bench *bench)
{
    struct vt_keyring_stats stats;
    vt_keyring_stats(bench->ring, &stats);
    bench->sealed_before = stats.pages_sealed;
    bench->opened_before = stats.pages_opened;
    bench->began_cpu_ns = cpu_ns();
    bench->began_ns = vt_monotonic_ns();
}

static void part_end(struct bench *bench, const char *what, uint64_t count)
{
    const double ns = (double)(vt_monotonic_ns() - bench->began_ns);
    const double cpu_us = (double)(cpu_ns() - bench->began_cpu_ns) / 1e3;
    struct vt_keyring_stats stats;
    vt_keyring_stats(bench->ring, &stats);
    printf("%-30s %8llu %9.3f s %9.1f us each (%.1f of CPU) %9.0f/s %7llu pages sealed, %7llu opened\n", what,
           (unsigned long long)count, ns / 1e9, ns / 1e3 / (double)count, cpu_us / (double)count,
           (double)count * 1e9 / ns, (unsigned long long)(stats.pages_sealed - bench->sealed_before),
           (unsigned long long)(stats.pages_opened - bench->opened_before));
    fflush(stdout);
}

static VT_RESULT open_vault(struct bench *bench, const char *dir)
{
    const struct vt_store_lmdb_options options = {0};
    const uint8_t attempt[16] = "bench";
    struct vt_vault_id vault_id;
    struct vt_txn *txn = NULL;
    VT_TRY(vt_store_lmdb_open(dir, &options, &bench->store));
    const vault_status opened = vt_keyring_open(bench->store, NULL, &bench->ring);
    VT_ENSURE(opened == VAULT_E_NOT_INITIALISED, VAULT_E_EXISTS);
    VT_TRY(vt_random_bytes(&vault_id, sizeof vault_id));
    VT_TRY(vt_random_key(&bench->root_key));
    VT_TRY(vt_txn_begin_write(bench->store, &txn));
    VT_TRY(vt_keyring_create(bench->ring, txn, &vault_id, 1, attempt, &bench->root_key));
    VT_TRY(vt_txn_commit(txn));
    bench->epoch = VT_KEYRING_FIRST_EPOCH;
    return vt_keyring_unseal(bench->ring, &bench->root_key);
}

static VT_RESULT insert_one(struct vt_keyring_write *write, uint64_t number)
{
    VT_AUTO_PTR(vt_keyblock_draft) draft = NULL;
    const struct vt_data_key *key;
    struct vt_sid sid;
    VT_TRY(sid_of(number, &sid));
    VT_TRY(vt_keyblock_new(vt_keyring_write_view(write), VT_TENANT_DEFAULT, &sid, &draft));
    for (uint16_t category = 1; category <= CATEGORIES; category++)
        VT_TRY(vt_keyblock_add(draft, category, 0, 0, &key));
    VT_TRY(vt_keyblock_seal(draft));
    return vt_keyring_put_keyblock(write, draft);
}

/* Changes subjects @p from to @p to in one commit; closes the epoch when asked. */
typedef vault_status (*change_one)(struct vt_keyring_write *write, uint64_t number);
static VT_RESULT commit_range(struct bench *bench, change_one change, uint64_t from, uint64_t to, bool is_epoch)
{
    struct vt_txn *txn = NULL;
    struct vt_keyring_write *write = NULL;
    struct vt_keyring_delta delta;
    struct vt_key root_key;
    VT_TRY(vt_random_key(&root_key));
    const struct vt_next_root next = {.epoch = bench->epoch + 1, .incarnation = 1, .root_key = &root_key};
    VT_TRY(vt_txn_begin_write(bench->store, &txn));
    VT_TRY(vt_keyring_write_begin(bench->ring, txn, &write));
    for (uint64_t i = from; i < to; i++) VT_TRY(change(write, i));
    VT_TRY(vt_keyring_write_finish(write, is_epoch ? &next : NULL, &delta));
    VT_TRY(vt_txn_commit(txn));
    vt_keyring_write_committed(write);
    if (!is_epoch) return VAULT_OK;
    bench->epoch++;
    bench->root_key = root_key;
    return vt_keyring_fence(bench->ring, FENCE_MS);
}

static vault_status shred_one(struct vt_keyring_write *write, uint64_t number)
{
    struct vt_sid sid;
    VT_TRY(sid_of(number, &sid));
    return vt_keyring_drop_subject(write, VT_TENANT_DEFAULT, &sid);
}

static VT_RESULT insert_all(struct bench *bench)
{
    part_begin(bench);
    for (uint64_t i = 0; i < bench->subjects; i += INSERT_BATCH)
        VT_TRY(commit_range(bench, insert_one, i, VT_MIN(i + INSERT_BATCH, bench->subjects), false));
    part_end(bench, "insert, 10,000 a commit", bench->subjects);
    return VAULT_OK;
}

static VT_RESULT read_some(struct bench *bench, const char *what, uint64_t from, uint64_t count)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    const struct vt_subject_keys *keys;
    struct vt_sid sid;
    VT_TRY(vt_txn_begin_read(bench->store, &txn));
    VT_TRY(vt_keyring_view_begin(bench->ring, txn, &view));
    part_begin(bench);
    for (uint64_t i = from; i < from + count; i++) {
        VT_TRY(sid_of(i, &sid));
        VT_TRY(vt_keyring_subject_keys(view, VT_TENANT_DEFAULT, &sid, &keys));
    }
    part_end(bench, what, count);
    return VAULT_OK;
}

static VT_RESULT view_often(struct bench *bench, uint64_t count)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_TRY(vt_txn_begin_read(bench->store, &txn));
    part_begin(bench);
    for (uint64_t i = 0; i < count; i++) {
        struct vt_keyring_view *view = NULL;
        VT_TRY(vt_keyring_view_begin(bench->ring, txn, &view));
        vt_keyring_view_end(view);
    }
    part_end(bench, "view begin and end", count);
    return VAULT_OK;
}

static VT_RESULT shred_some(struct bench *bench)
{
    part_begin(bench);
    for (uint64_t i = 0; i < SINGLE_SHREDS; i++) VT_TRY(commit_range(bench, shred_one, i, i + 1, true));
    part_end(bench, "shred of one, epoch and fence", SINGLE_SHREDS);
    part_begin(bench);
    VT_TRY(commit_range(bench, shred_one, SINGLE_SHREDS, SINGLE_SHREDS + SHRED_BATCH, true));
    part_end(bench, "shred of 10,000 in one epoch", SHRED_BATCH);
    return VAULT_OK;
}

static VT_RESULT restart(struct bench *bench)
{
    vt_keyring_free(VT_MOVE(bench->ring));
    const uint64_t began = vt_monotonic_ns();
    VT_TRY(vt_keyring_open(bench->store, NULL, &bench->ring));
    VT_TRY(vt_keyring_unseal(bench->ring, &bench->root_key));
    printf("open and unseal: %.3f ms\n", (double)(vt_monotonic_ns() - began) / 1e6);
    return VAULT_OK;
}

static VT_RESULT say_sizes(struct bench *bench)
{
    struct vt_store_stats stats;
    struct vt_secret_stats secrets;
    VT_TRY(vt_store_stats(bench->store, &stats));
    vt_secret_stats(&secrets);
    printf("tree pages %llu, %.1f bytes a subject; store %.1f MiB; secret arena %.1f MiB mapped, %.1f MiB locked\n",
           (unsigned long long)stats.entries[VT_TABLE_PAGE],
           (double)stats.entries[VT_TABLE_PAGE] * 4096.0 / (double)bench->subjects,
           (double)stats.used_bytes / 1048576.0, (double)secrets.mapped_bytes / 1048576.0,
           (double)secrets.locked_bytes / 1048576.0);
    return VAULT_OK;
}

static VT_RESULT run(struct bench *bench, const char *dir)
{
    VT_TRY(open_vault(bench, dir));
    VT_TRY(insert_all(bench));
    VT_TRY(say_sizes(bench));
    VT_TRY(restart(bench));
    VT_TRY(view_often(bench, READS));
    VT_TRY(read_some(bench, "subject keys, cold", SINGLE_SHREDS + SHRED_BATCH, READS));
    VT_TRY(read_some(bench, "subject keys, cached", SINGLE_SHREDS + SHRED_BATCH, READS));
    VT_TRY(shred_some(bench));
    return say_sizes(bench);
}

int main(int argc, char **argv)
{
    struct bench bench = {.subjects = argc == 3 ? strtoull(argv[2], NULL, 10) : 0};
    if (bench.subjects < SINGLE_SHREDS + SHRED_BATCH + READS) {
        fprintf(stderr, "usage: bench-keyring EMPTY-DIR SUBJECTS (at least %d)\n", SINGLE_SHREDS + SHRED_BATCH + READS);
        return 1;
    }
    const vault_status status = run(&bench, argv[1]);
    if (status != VAULT_OK) fprintf(stderr, "bench-keyring: %s\n", vault_status_text(status));
    vt_keyring_free(bench.ring);
    vt_store_free(bench.store);
    return status == VAULT_OK ? 0 : 1;
}
