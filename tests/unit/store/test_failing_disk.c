/* Disks that fail: LMDB's own system calls, and ours, are taken over by this program's functions of the same name, so
 * that the real code meets the real errors. Includes power cuts: what a disk may hold after one is rebuilt from the
 * writes seen, and opened. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/unit/store/store_kit.h"

#define EXPORTED __attribute__((visibility("default")))

enum { MIB = 1024 * 1024 };

/* What the disk does ----------------------------------------------------------------------------------------------- */

static atomic_int sync_errno;           /* of every sync of data.mdb by LMDB; 0: works */
static atomic_int append_sync_errno;    /* of the syncs of what is appended ahead */
static atomic_int write_errno;          /* of every write to it that would extend it */
static atomic_bool is_write_short;      /* such a write is cut short instead, as at the end of a disk */
static atomic_bool is_ballast_refused;  /* the ballast cannot be written */
static atomic_bool has_strange_flags;   /* LMDB says that it runs without syncs */
#if !KIT_IS_SANITIZED
static atomic_bool is_map_refused;      /* files cannot be mapped */
#endif

/* Every write to data.mdb since recording began, with the syncs between them. */
struct event {
    bool is_sync;
    bool is_durable;        /* written through a descriptor that syncs by itself */
    off_t offset;
    size_t len;
    uint8_t *data;
};
static bool is_recording;
static struct event events[20000];
static size_t event_count;

static bool is_file(int fd, const char *name)
{
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t len = readlink(link, path, sizeof path - 1);
    if (len <= 0) return false;
    path[len] = '\0';
    const char *slash = strrchr(path, '/');
    return slash != NULL && strcmp(slash + 1, name) == 0;
}

static void record(int fd, const void *data, size_t len, off_t offset)
{
    if (!is_recording) return;
    ck_assert_uint_lt(event_count, VT_ARRAY_LEN(events));
    struct event *event = &events[event_count++];
    *event = (struct event){.is_durable = (fcntl(fd, F_GETFL) & O_DSYNC) != 0, .offset = offset, .len = len};
    event->data = malloc(len);
    memcpy(event->data, data, len);
}

static off_t size_of(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 ? info.st_size : 0;
}

/* Does a write of @p len at @p offset meet the end of the disk? Then how much of it fits, or -1. */
static bool meets_the_end(int fd, size_t len, off_t offset, ssize_t *out_written)
{
    if (atomic_load(&is_ballast_refused) && is_file(fd, "ballast.new")) {
        errno = ENOSPC;
        *out_written = -1;
        return true;
    }
    const int error = atomic_load(&write_errno);
    if (error == 0 || !is_file(fd, "data.mdb")) return false;
    if (offset + (off_t)len <= size_of(fd)) return false;
    if (atomic_load(&is_write_short) && len > 4096) {
        *out_written = 4096;
        return true;
    }
    errno = error;
    *out_written = -1;
    return true;
}

EXPORTED int fdatasync(int fd)
{
    if (!is_file(fd, "data.mdb")) return (int)syscall(SYS_fdatasync, fd);
    const bool is_append = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    const int error = atomic_load(is_append ? &append_sync_errno : &sync_errno);
    if (error != 0) {
        errno = error;
        return -1;
    }
    if (is_recording) events[event_count++] = (struct event){.is_sync = true};
    return (int)syscall(SYS_fdatasync, fd);
}

EXPORTED ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    ssize_t written = 0;
    if (meets_the_end(fd, len, offset, &written)) return written;
    if (is_file(fd, "data.mdb")) record(fd, data, len, offset);
    return syscall(SYS_pwrite64, fd, data, len, offset);
}

EXPORTED ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t written = 0;
    if (meets_the_end(fd, len, size_of(fd), &written)) return written;
    return syscall(SYS_write, fd, data, len);
}

EXPORTED ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t written = 0;
    size_t len = 0;
    off_t offset = lseek(fd, 0, SEEK_CUR);
    for (int i = 0; i < count; i++) len += parts[i].iov_len;
    if (meets_the_end(fd, len, offset, &written)) return written;
    for (int i = 0; i < count && is_file(fd, "data.mdb"); i++) {
        record(fd, parts[i].iov_base, parts[i].iov_len, offset);
        offset += (off_t)parts[i].iov_len;
    }
    return syscall(SYS_writev, fd, parts, count);
}

#if !KIT_IS_SANITIZED
EXPORTED void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    if (fd >= 0 && atomic_load(&is_map_refused)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}
#endif

EXPORTED int mdb_env_get_flags(void *env, unsigned *flags);
EXPORTED int mdb_env_get_flags(void *env, unsigned *flags)
{
    (void)env;
    *flags = atomic_load(&has_strange_flags) ? 0x10000 : 0x200000;     /* MDB_NOSYNC, MDB_NOTLS */
    return 0;
}

/* Room ------------------------------------------------------------------------------------------------------------- */

/* At most @p count commits that add a row each, until one fails; gives its status. */
static vault_status add_blobs(struct vt_store *store, uint32_t *next, uint32_t count)
{
    static uint8_t value[50000];
    for (uint32_t end = *next + count; *next < end; ++*next) {
        struct vt_txn *txn = NULL;
        uint8_t key[4];
        vt_put_u32(key, *next);
        VT_TRY(vt_txn_begin_write(store, &txn));
        const vault_status status =
            vt_store_put(txn, VT_TABLE_BLOB, VT_BYTES_OF(key), VT_BYTES_OF(value), VT_PUT_APPEND);
        if (status == VAULT_OK) {
            VT_TRY(vt_txn_commit(txn));
            continue;
        }
        vt_txn_abort(txn);
        return status;
    }
    return VAULT_OK;
}

/* Enough for every disk of these tests. */
static vault_status fill_up(struct vt_store *store, uint32_t *next)
{
    return add_blobs(store, next, 2000);
}

static uint64_t count_blobs(struct vt_store *store)
{
    struct vt_store_stats stats = {0};
    ck_assert_ok(vt_store_stats(store, &stats));
    return stats.entries[VT_TABLE_BLOB];
}

static vault_status commit_reserved(struct vt_store *store, uint64_t n)
{
    struct vt_txn *txn = NULL;
    VT_TRY(vt_txn_begin_write_reserved(store, &txn));
    const vault_status status = kit_fill(txn, n);
    if (status == VAULT_OK) return vt_txn_commit(txn);
    vt_txn_abort(txn);
    return status;
}

static void full_disk_story(int error, bool is_short)
{
    struct kit kit = {.options.ballast_bytes = 200000};
    kit_start(&kit);
    ck_assert_ok(kit_commit(kit.store, 1));
    ck_assert(kit_exists(&kit, "ballast"));
    ck_assert(!kit_is_full(kit.store));

    uint32_t next = 0;
    atomic_store(&write_errno, error);
    atomic_store(&is_write_short, is_short);
    ck_assert_status(fill_up(kit.store, &next), VAULT_E_DISK_FULL);
    ck_assert(kit_is_full(kit.store));
    ck_assert(!kit_exists(&kit, "ballast"));
    ck_assert_uint_eq(count_blobs(kit.store), next);    /* nothing of the failed one */

    /* Ordinary writes are refused without trying; reserved ones try, and reads go on. */
    struct vt_txn *txn = NULL;
    ck_assert_status(vt_txn_begin_write(kit.store, &txn), VAULT_E_DISK_FULL);
    ck_assert_ptr_null(txn);
    ck_assert_uint_eq(kit_read_number(kit.store), 1);
    atomic_store(&write_errno, 0);
    ck_assert_ok(commit_reserved(kit.store, 2));
    ck_assert_uint_eq(kit_read_number(kit.store), 2);
    ck_assert_status(vt_txn_begin_write(kit.store, &txn), VAULT_E_DISK_FULL);

    atomic_store(&is_ballast_refused, true);
    ck_assert_status(vt_store_recover_space(kit.store), VAULT_E_DISK_FULL);
    ck_assert(!kit_exists(&kit, "ballast.new"));
    ck_assert(kit_is_full(kit.store));
    atomic_store(&is_ballast_refused, false);
    ck_assert_ok(vt_store_recover_space(kit.store));
    ck_assert(kit_exists(&kit, "ballast"));
    ck_assert(!kit_is_full(kit.store));
    ck_assert_ok(kit_commit(kit.store, 3));
    kit_assert_sound(kit.store);
    kit_close(&kit);
    kit_open(&kit);
    ck_assert_uint_eq(kit_read_number(kit.store), 3);
    ck_assert_uint_eq(count_blobs(kit.store), next);
    kit_end(&kit);
}

START_TEST(a_full_disk_keeps_reserved_writes_going_and_ends_when_there_is_room)
{
    full_disk_story(ENOSPC, false);
}
END_TEST

START_TEST(a_full_quota_is_a_full_disk)
{
    full_disk_story(EDQUOT, false);
}
END_TEST

START_TEST(a_write_cut_short_by_the_end_of_the_disk_is_a_full_disk)
{
    full_disk_story(ENOSPC, true);
}
END_TEST

START_TEST(a_reserved_write_that_finds_no_room_fails_whole)
{
    struct kit kit = {0};
    kit_start(&kit);
    uint32_t next = 0;
    atomic_store(&write_errno, ENOSPC);
    ck_assert_status(fill_up(kit.store, &next), VAULT_E_DISK_FULL);
    vault_status status = VAULT_OK;
    uint64_t n = 1;
    while ((status = commit_reserved(kit.store, n)) == VAULT_OK) n++;
    ck_assert_status(status, VAULT_E_DISK_FULL);
    ck_assert_uint_eq(kit_read_number(kit.store), n - 1);
    atomic_store(&write_errno, 0);
    ck_assert_ok(vt_store_recover_space(kit.store));
    ck_assert_ok(kit_commit(kit.store, n));
    kit_assert_sound(kit.store);
    kit_end(&kit);
}
END_TEST

START_TEST(a_store_without_room_for_its_ballast_opens_full)
{
    struct kit kit = {0};
    kit_start(&kit);
    kit_close(&kit);
    kit.options.ballast_bytes = 100000;
    atomic_store(&is_ballast_refused, true);
    kit_open(&kit);
    ck_assert(kit_is_full(kit.store));
    ck_assert_status(kit_commit(kit.store, 1), VAULT_E_DISK_FULL);
    ck_assert_ok(commit_reserved(kit.store, 1));
    atomic_store(&is_ballast_refused, false);
    ck_assert_ok(vt_store_recover_space(kit.store));
    ck_assert_ok(kit_commit(kit.store, 2));
    kit_end(&kit);
}
END_TEST

START_TEST(a_copy_to_a_full_disk_fails_and_is_removed)
{
    struct kit kit = {0};
    char copy_dir[300];
    kit_start(&kit);
    uint32_t next = 0;
    for (uint64_t n = 1; n <= 50; n++) ck_assert_ok(kit_commit(kit.store, n));
    atomic_store(&write_errno, ENOSPC);
    snprintf(copy_dir, sizeof copy_dir, "%s/copy", kit.dir);
    ck_assert_status(vt_store_copy(kit.store, copy_dir, NULL, NULL), VAULT_E_DISK_FULL);
    ck_assert_int_eq(access(copy_dir, F_OK), -1);
    ck_assert(!kit_is_full(kit.store));     /* its own disk is not the copy's */
    atomic_store(&write_errno, 0);
    ck_assert_ok(add_blobs(kit.store, &next, 20));
    kit_end(&kit);
}
END_TEST

/* Real ends of disks ----------------------------------------------------------------------------------------------- */

static void real_full_disk_story(struct kit *kit)
{
    uint32_t next = 0;
    ck_assert_ok(kit_commit(kit->store, 1));
    ck_assert_status(fill_up(kit->store, &next), VAULT_E_DISK_FULL);
    ck_assert_uint_gt(next, 10);
    ck_assert(kit_is_full(kit->store));
    ck_assert(!kit_exists(kit, "ballast"));
    ck_assert_uint_eq(count_blobs(kit->store), next);
    /* The ballast was 1 MiB: room for some hundred leaves of reads. */
    for (uint64_t n = 2; n <= 40; n++) ck_assert_ok(commit_reserved(kit->store, n));
    ck_assert_uint_eq(kit_read_number(kit->store), 40);
    ck_assert_status(vt_store_recover_space(kit->store), VAULT_E_DISK_FULL);
    ck_assert(kit_is_full(kit->store));
    kit_assert_sound(kit->store);
}

START_TEST(a_small_file_system_fills_up_and_recovers)
{
    struct kit kit = {.options.ballast_bytes = MIB};
    vt_temp_dir_make(kit.dir, sizeof kit.dir);
    if (mount("tmpfs", kit.dir, "tmpfs", 0, "size=8m") != 0) {
        printf("skipped: mounting a tmpfs is not permitted (%s)\n", strerror(errno));
        vt_temp_dir_remove(kit.dir);
        return;
    }
    char other[300];
    snprintf(other, sizeof other, "%s/other", kit.dir);
    static uint8_t block[3 * MIB];
    kit_save(other, block, sizeof block);
    kit_paths(&kit);
    kit_open(&kit);
    real_full_disk_story(&kit);
    ck_assert_int_eq(unlink(other), 0);         /* somebody makes room */
    ck_assert_ok(vt_store_recover_space(kit.store));
    ck_assert(kit_exists(&kit, "ballast"));
    ck_assert_ok(kit_commit(kit.store, 41));
    kit_close(&kit);
    kit_open(&kit);
    ck_assert_uint_eq(kit_read_number(kit.store), 41);
    kit_assert_sound(kit.store);
    kit_close(&kit);
    ck_assert_int_eq(umount(kit.dir), 0);
    vt_temp_dir_remove(kit.dir);
}
END_TEST

START_TEST(a_file_size_limit_is_a_full_disk)
{
    struct kit kit = {0};
    signal(SIGXFSZ, SIG_IGN);
    kit_start(&kit);
    ck_assert_ok(kit_commit(kit.store, 1));
    const struct rlimit limit = {2 * MIB, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    uint32_t next = 0;
    ck_assert_status(fill_up(kit.store, &next), VAULT_E_DISK_FULL);
    ck_assert_uint_gt(next, 10);
    ck_assert_uint_eq(count_blobs(kit.store), next);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    ck_assert_ok(vt_store_recover_space(kit.store));
    ck_assert_ok(add_blobs(kit.store, &next, 20));
    kit_assert_sound(kit.store);
    kit_end(&kit);
}
END_TEST

/* Syncs ------------------------------------------------------------------------------------------------------------ */

static void failing_sync_story(int error)
{
    struct kit kit = {.options.ballast_bytes = 65536};
    kit_start(&kit);
    ck_assert_ok(kit_commit(kit.store, 1));
    atomic_store(&sync_errno, error);
    ck_assert_status(kit_commit(kit.store, 2), VAULT_E_IO);
    atomic_store(&sync_errno, 0);

    /* The disk would work again, but what it lost meanwhile cannot be known. */
    struct vt_txn *txn = NULL;
    ck_assert_status(vt_txn_begin_write(kit.store, &txn), VAULT_E_IO);
    ck_assert_status(vt_txn_begin_write_reserved(kit.store, &txn), VAULT_E_IO);
    ck_assert_ptr_null(txn);
    ck_assert_status(vt_store_recover_space(kit.store), VAULT_E_IO);
    ck_assert_uint_eq(kit_read_number(kit.store), 1);
    ck_assert(!kit_is_full(kit.store));
    ck_assert(kit_exists(&kit, "ballast"));
    kit_close(&kit);

    kit_open(&kit);
    ck_assert_uint_eq(kit_read_number(kit.store), 1);
    ck_assert_ok(kit_commit(kit.store, 2));
    ck_assert_uint_eq(kit_read_number(kit.store), 2);
    kit_assert_sound(kit.store);
    kit_end(&kit);
}

START_TEST(after_a_failed_sync_nothing_is_written_until_the_store_is_opened_again)
{
    failing_sync_story(EIO);
}
END_TEST

START_TEST(a_sync_that_fails_for_want_of_room_is_a_failed_sync)
{
    failing_sync_story(ENOSPC);
}
END_TEST

START_TEST(a_failing_sync_of_what_is_appended_ahead_stops_writes_too)
{
    struct kit kit = {0};
    kit_start(&kit);
    atomic_store(&append_sync_errno, EIO);
    uint32_t next = 0;
    /* LMDB's own syncs work, but the kernel may have told of a lost page through the other descriptor. */
    ck_assert_status(fill_up(kit.store, &next), VAULT_E_IO);
    ck_assert_uint_gt(next, 150);       /* not before 8 MiB */
    atomic_store(&append_sync_errno, 0);
    ck_assert_status(kit_commit(kit.store, 1), VAULT_E_IO);
    kit_close(&kit);
    kit_open(&kit);
    ck_assert_uint_eq(count_blobs(kit.store), next);
    ck_assert_ok(kit_commit(kit.store, 1));
    kit_end(&kit);
}
END_TEST

START_TEST(a_map_that_is_lost_in_growing_is_short_memory)
{
#if !KIT_IS_SANITIZED
    struct kit kit = {.options.map_bytes = MIB};
    kit_start(&kit);
    uint32_t next = 0;
    atomic_store(&is_map_refused, true);
    ck_assert_status(fill_up(kit.store, &next), VAULT_E_MEMORY);
    ck_assert_uint_gt(next, 5);
    struct vt_txn *txn = NULL;
    ck_assert_status(vt_txn_begin_read(kit.store, &txn), VAULT_E_MEMORY);
    ck_assert_status(vt_txn_begin_write(kit.store, &txn), VAULT_E_MEMORY);
    kit_close(&kit);
    ck_assert_status(kit_try_open(&kit), VAULT_E_MEMORY);
    atomic_store(&is_map_refused, false);
    kit_open(&kit);
    ck_assert_uint_eq(count_blobs(kit.store), next);
    ck_assert_ok(kit_commit(kit.store, 1));
    kit_end(&kit);
#else
    printf("skipped: sanitizers need mmap() for themselves\n");
#endif
}
END_TEST

START_TEST(a_failing_write_is_an_io_error_and_stops_writes)
{
    struct kit kit = {.options.ballast_bytes = 65536};
    kit_start(&kit);
    ck_assert_ok(kit_commit(kit.store, 1));
    uint32_t next = 0;
    atomic_store(&write_errno, ENXIO);
    ck_assert_status(fill_up(kit.store, &next), VAULT_E_IO);
    atomic_store(&write_errno, 0);
    ck_assert_status(kit_commit(kit.store, 2), VAULT_E_IO);
    ck_assert(kit_exists(&kit, "ballast"));
    kit_close(&kit);
    kit_open(&kit);
    ck_assert_ok(kit_commit(kit.store, 2));
    ck_assert_uint_eq(count_blobs(kit.store), next);
    kit_end(&kit);
}
END_TEST

START_TEST(a_store_that_cannot_be_synced_is_not_created)
{
    struct kit kit = {0};
    vt_temp_dir_make(kit.dir, sizeof kit.dir);
    kit_paths(&kit);
    atomic_store(&sync_errno, EIO);
    ck_assert_status(kit_try_open(&kit), VAULT_E_IO);
    atomic_store(&sync_errno, 0);
    kit_open(&kit);     /* the blank it left is as good as nothing */
    ck_assert_ok(kit_commit(kit.store, 1));
    kit_end(&kit);
}
END_TEST

START_TEST(an_lmdb_that_would_not_sync_is_refused)
{
    struct kit kit = {0};
    kit_start(&kit);
    ck_assert_ok(kit_commit(kit.store, 1));
    kit_close(&kit);
    atomic_store(&has_strange_flags, true);
    ck_assert_status(kit_try_open(&kit), VAULT_E_UNSUPPORTED);
    atomic_store(&has_strange_flags, false);
    kit_open(&kit);
    ck_assert_uint_eq(kit_read_number(kit.store), 1);
    kit_end(&kit);
}
END_TEST

/* Power cuts ------------------------------------------------------------------------------------------------------- */

enum { SECTOR = 512, IMAGE_MAX = 2 * MIB, CUT_COMMITS = 8 };

struct image {
    uint8_t *data;
    size_t len;
};

static void image_write(struct image *image, const struct event *event, size_t from, size_t to)
{
    ck_assert_uint_le((size_t)event->offset + to, IMAGE_MAX);
    memcpy(image->data + event->offset + from, event->data + from, to - from);
    image->len = VT_MAX(image->len, (size_t)event->offset + to);
}

/* A disk may keep any sectors of what was not synced, in any order. */
static void image_write_torn(struct image *image, const struct event *event, uint64_t *state)
{
    for (size_t at = 0; at < event->len; at += SECTOR) {
        if (kit_random(state) % 2 == 0) image_write(image, event, at, VT_MIN(at + SECTOR, event->len));
    }
}

/* The disk when the power goes during event @p cut: all that was synced before, and some of the rest. */
static void build_image(struct image *image, const uint8_t *start, size_t start_len, size_t cut, uint64_t *state)
{
    size_t synced = 0;
    for (size_t i = 0; i < cut; i++) {
        if (events[i].is_sync) synced = i;
    }
    memset(image->data, 0, IMAGE_MAX);
    memcpy(image->data, start, start_len);
    image->len = start_len;
    for (size_t i = 0; i <= cut && i < event_count; i++) {
        if (events[i].is_sync) continue;
        const bool is_kept = i < synced || (events[i].is_durable && i < cut);
        if (is_kept) image_write(image, &events[i], 0, events[i].len);
        else image_write_torn(image, &events[i], state);
    }
}

/* The commits that were acknowledged before event @p cut. */
static uint64_t commits_acknowledged(const size_t *ends, size_t cut)
{
    uint64_t count = 0;
    while (count < CUT_COMMITS && ends[count] <= cut) count++;
    return count;
}

START_TEST(a_power_cut_at_any_write_leaves_a_whole_commit_and_all_acknowledged_ones)
{
    struct kit kit = {0};
    kit_start(&kit);
    kit_close(&kit);
    size_t start_len = 0, ends[CUT_COMMITS];
    uint8_t *start = kit_load(kit.data, &start_len);
    kit_open(&kit);
    is_recording = true;
    for (size_t i = 0; i < CUT_COMMITS; i++) {
        ck_assert_ok(kit_commit(kit.store, i + 1));
        ends[i] = event_count;
    }
    is_recording = false;
    kit_close(&kit);

    uint64_t state = kit_seed();
    struct image image = {.data = malloc(IMAGE_MAX)};
    unsigned between = 0;
    for (size_t cut = 0; cut <= event_count; cut++) {
        build_image(&image, start, start_len, cut, &state);
        kit_save(kit.data, image.data, image.len);
        kit_open(&kit);
        const uint64_t number = kit_read_number(kit.store), durable = commits_acknowledged(ends, cut);
        ck_assert_msg(number == durable || number == durable + 1, "cut %zu of %zu: %llu, not %llu", cut, event_count,
                      (unsigned long long)number, (unsigned long long)durable);
        between += number == durable + 1;
        kit_assert_sound(kit.store);
        ck_assert_ok(kit_commit(kit.store, number + 1));
        kit_close(&kit);
    }
    ck_assert_uint_gt(event_count, (size_t)4 * CUT_COMMITS);
    printf("%zu cuts, %u with a commit that was not acknowledged\n", event_count, between);
    for (size_t i = 0; i < event_count; i++) free(events[i].data);
    free(image.data);
    free(start);
    kit_end(&kit);
}
END_TEST

VT_TEST_MAIN("store/failing disk", a_full_disk_keeps_reserved_writes_going_and_ends_when_there_is_room,
             a_full_quota_is_a_full_disk, a_write_cut_short_by_the_end_of_the_disk_is_a_full_disk,
             a_reserved_write_that_finds_no_room_fails_whole, a_store_without_room_for_its_ballast_opens_full,
             a_copy_to_a_full_disk_fails_and_is_removed, a_small_file_system_fills_up_and_recovers,
             a_file_size_limit_is_a_full_disk,
             after_a_failed_sync_nothing_is_written_until_the_store_is_opened_again,
             a_failing_sync_of_what_is_appended_ahead_stops_writes_too, a_map_that_is_lost_in_growing_is_short_memory,
             a_sync_that_fails_for_want_of_room_is_a_failed_sync, a_failing_write_is_an_io_error_and_stops_writes,
             a_store_that_cannot_be_synced_is_not_created, an_lmdb_that_would_not_sync_is_refused,
             a_power_cut_at_any_write_leaves_a_whole_commit_and_all_acknowledged_ones)
