#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/clock.h"
#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "tests/support/disk_watch.h"
#include "tests/unit/epoch/epoch_world.h"

static const struct vt_vault_id our_vault = {{1, 2, 3}}, other_vault = {{9}};

/* A directory with a journal in it, and records made up for it. */
struct tape {
    char dir[128];
    uint64_t segment_bytes;
    struct vt_journal *journal;
};

static vault_status tape_open(struct tape *tape)
{
    char path[160];
    snprintf(path, sizeof path, "%s/journal", tape->dir);
    const struct vt_journal_options options = {.dir = path, .segment_bytes = tape->segment_bytes};
    tape->journal = NULL;
    return vt_journal_open(&options, &our_vault, &tape->journal);
}

static void tape_new(struct tape *tape, uint64_t segment_bytes)
{
    *tape = (struct tape){.segment_bytes = segment_bytes};
    vt_temp_dir_make(tape->dir, sizeof tape->dir);
    ck_assert_ok(tape_open(tape));
}

static void tape_end(struct tape *tape)
{
    vt_journal_free(tape->journal);
    vt_temp_dir_remove(tape->dir);
}

static struct vt_root_record root_at(uint64_t commit, uint64_t version)
{
    struct vt_root_record root = {.vault_id = our_vault, .incarnation = 1, .epoch = 1, .page_version = version,
                                  .commit_number = commit};
    memset(root.root_hash, (int)version, sizeof root.root_hash);
    return root;
}

static vault_status append(struct tape *tape, uint64_t commit, uint64_t version, size_t bytes)
{
    VT_AUTO(vt_buf) rows = VT_BUF_INIT(1 << 20);
    const struct vt_keyring_delta delta = {&rows, root_at(commit, version)};
    for (size_t i = 0; i < bytes; i++) VT_TRY(vt_buf_append_byte(&rows, (uint8_t)(i * 7)));
    return vt_journal_append(tape->journal, VT_JOURNAL_COMMIT, &delta, VT_BYTES_EMPTY, commit);
}

static uint64_t tail_commit(struct tape *tape)
{
    struct vt_journal_tail tail;
    const vault_status status = vt_journal_tail(tape->journal, &tail);
    ck_assert(status == VAULT_OK || status == VAULT_E_NOT_FOUND);
    return status == VAULT_OK ? tail.commit_number : 0;
}

static uint64_t reopened_tail(struct tape *tape)
{
    vt_journal_free(tape->journal);
    ck_assert_ok(tape_open(tape));
    return tail_commit(tape);
}

static void segment_path(const struct tape *tape, uint64_t number, char out_path[200])
{
    snprintf(out_path, 200, "%s/journal/journal-%016llx.vtj", tape->dir, (unsigned long long)number);
}

static size_t segment_len(const struct tape *tape, uint64_t number)
{
    char path[200];
    struct stat info;
    segment_path(tape, number, path);
    ck_assert_int_eq(stat(path, &info), 0);
    return (size_t)info.st_size;
}

static void flip(const struct tape *tape, uint64_t number, size_t at)
{
    char path[200];
    uint8_t byte;
    segment_path(tape, number, path);
    const int fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x10;
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(what_was_appended_is_the_tail_after_reopening)
{
    struct tape tape;
    struct vt_journal_stats stats;
    struct vt_journal_tail tail;
    tape_new(&tape, 0);
    ck_assert_status(vt_journal_tail(tape.journal, &tail), VAULT_E_NOT_FOUND);
    for (uint64_t i = 1; i <= 5; i++) ck_assert_ok(append(&tape, 10 + i, i, 100));
    ck_assert_uint_eq(reopened_tail(&tape), 15);
    ck_assert_ok(vt_journal_tail(tape.journal, &tail));
    ck_assert_int_eq(tail.kind, VT_JOURNAL_COMMIT);
    ck_assert_uint_eq(tail.root.page_version, 5);
    ck_assert_uint_eq(tail.root.root_hash[31], 5);
    vt_journal_stats(tape.journal, &stats);
    ck_assert_uint_eq(stats.records, 5);
    ck_assert_uint_eq(stats.segments, 1);
    ck_assert_uint_eq(stats.unsynced_commits, 0);
    ck_assert_uint_eq(stats.cut_bytes, 0);
    ck_assert(stats.has_records);
    ck_assert_uint_eq(stats.covers_from, 11);
    ck_assert_ok(append(&tape, 16, 6, 100));
    ck_assert_uint_eq(reopened_tail(&tape), 16);
    tape_end(&tape);
}
END_TEST

START_TEST(a_torn_tail_is_cut_at_the_last_whole_record_whatever_its_length)
{
    struct tape tape;
    char path[200];
    tape_new(&tape, 0);
    ck_assert_ok(append(&tape, 1, 1, 50));
    const size_t whole = segment_len(&tape, 1);
    ck_assert_ok(append(&tape, 2, 2, 300));
    const size_t full = segment_len(&tape, 1);
    uint8_t *bytes = malloc(full);
    segment_path(&tape, 1, path);
    FILE *file = fopen(path, "rb");
    ck_assert_uint_eq(fread(bytes, 1, full, file), full);
    fclose(file);
    for (size_t len = whole; len < full; len++) {
        struct vt_journal_stats stats;
        vt_journal_free(tape.journal);
        file = fopen(path, "wb");
        ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
        fclose(file);
        ck_assert_ok(tape_open(&tape));
        ck_assert_uint_eq(tail_commit(&tape), 1);
        vt_journal_stats(tape.journal, &stats);
        ck_assert_uint_eq(stats.cut_bytes, len - whole);
        ck_assert_uint_eq(segment_len(&tape, 1), whole);
        if (len % 50 != 0) continue;
        ck_assert_ok(append(&tape, 2, 2, 10));
        ck_assert_uint_eq(reopened_tail(&tape), 2);
    }
    free(bytes);
    tape_end(&tape);
}
END_TEST

START_TEST(a_tail_of_zeroes_behind_the_last_record_is_cut)
{
    struct tape tape;
    char path[200];
    tape_new(&tape, 0);
    ck_assert_ok(append(&tape, 1, 1, 50));
    const size_t whole = segment_len(&tape, 1);
    segment_path(&tape, 1, path);
    vt_journal_free(tape.journal);
    ck_assert_int_eq(truncate(path, (off_t)whole + 5000), 0);
    ck_assert_ok(tape_open(&tape));
    ck_assert_uint_eq(tail_commit(&tape), 1);
    ck_assert_uint_eq(segment_len(&tape, 1), whole);
    tape_end(&tape);
}
END_TEST

START_TEST(a_flipped_byte_anywhere_is_noticed)
{
    enum { VERSION_AT = 8 };            /* what it says then is a later version */
    struct tape tape;
    tape_new(&tape, 0);
    size_t ends[4] = {0};
    for (uint64_t i = 1; i <= 3; i++) {
        ck_assert_ok(append(&tape, i, i, 40));
        ends[i] = segment_len(&tape, 1);
    }
    vt_journal_free(tape.journal);
    tape.journal = NULL;
    for (size_t at = 0; at < ends[2]; at++) {
        flip(&tape, 1, at);
        ck_assert_status(tape_open(&tape), at == VERSION_AT ? VAULT_E_FORMAT : VAULT_E_CORRUPT);
        flip(&tape, 1, at);
    }
    /* In the last record it looks like a torn tail: cut, said in the stats, and the tail is no longer what the store knows. */
    char path[200];
    uint8_t last[1024];
    segment_path(&tape, 1, path);
    const size_t last_len = ends[3] - ends[2];
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(pread(fd, last, last_len, (off_t)ends[2]), (ssize_t)last_len);
    close(fd);
    for (size_t at = 0; at < last_len; at++) {
        struct vt_journal_stats stats;
        flip(&tape, 1, ends[2] + at);
        ck_assert_ok(tape_open(&tape));
        ck_assert_uint_eq(tail_commit(&tape), 2);
        vt_journal_stats(tape.journal, &stats);
        ck_assert_uint_eq(stats.cut_bytes, last_len);
        vt_journal_free(tape.journal);
        tape.journal = NULL;
        fd = open(path, O_WRONLY);
        ck_assert_int_eq(pwrite(fd, last, last_len, (off_t)ends[2]), (ssize_t)last_len);
        close(fd);
    }
    tape_end(&tape);
}
END_TEST

START_TEST(a_file_of_a_newer_format_is_named_as_such)
{
    struct tape tape;
    char path[200];
    uint8_t head[104];
    tape_new(&tape, 0);
    ck_assert_ok(append(&tape, 1, 1, 40));
    vt_journal_free(tape.journal);
    segment_path(&tape, 1, path);
    const int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, head, sizeof head, 0), (ssize_t)sizeof head);
    head[8]++;
    ck_assert_ok(vt_sha256_one(vt_bytes(head, 72), head + 72));
    ck_assert_int_eq(pwrite(fd, head, sizeof head, 0), (ssize_t)sizeof head);
    ck_assert_status(tape_open(&tape), VAULT_E_FORMAT);
    head[8]--;
    ck_assert_ok(vt_sha256_one(vt_bytes(head, 72), head + 72));
    ck_assert_int_eq(pwrite(fd, head, sizeof head, 0), (ssize_t)sizeof head);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_ok(tape_open(&tape));
    ck_assert_uint_eq(tail_commit(&tape), 1);
    tape_end(&tape);
}
END_TEST

/* A later program may have another hash, a longer head or a shorter one. Taken for damage it would be cut off or removed. */
START_TEST(a_file_of_a_newer_format_is_named_as_such_however_it_is_laid_out)
{
    struct tape tape;
    char path[200];
    uint8_t head[104];
    tape_new(&tape, 300);
    ck_assert_ok(append(&tape, 1, 1, 400));
    ck_assert_ok(append(&tape, 2, 2, 10));                  /* begins file 2 */
    vt_journal_free(tape.journal);
    segment_path(&tape, 2, path);
    const int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, head, sizeof head, 0), (ssize_t)sizeof head);
    memset(head + 9, 0xa5, sizeof head - 9);
    head[8] = 2;
    for (size_t len = sizeof head; len >= 9; len -= len > 20 ? 19 : 1) {
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(pwrite(fd, head, len, 0), (ssize_t)len);
        ck_assert_status(tape_open(&tape), VAULT_E_FORMAT);
        ck_assert_uint_eq(segment_len(&tape, 2), len);
    }
    memset(head + 8, 0, sizeof head - 8);                   /* never synced: zeroes, of which no version is made */
    ck_assert_int_eq(pwrite(fd, head, sizeof head, 0), (ssize_t)sizeof head);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_ok(tape_open(&tape));
    ck_assert_uint_eq(tail_commit(&tape), 1);
    ck_assert_int_eq(access(path, F_OK), -1);
    tape_end(&tape);
}
END_TEST

static uint64_t covers_from(struct tape *tape)
{
    struct vt_journal_stats stats;
    vt_journal_stats(tape->journal, &stats);
    return stats.covers_from;
}

/* Whatever file it is: taken for damage it would only seem that the journal reaches back less far. */
START_TEST(a_file_of_a_newer_format_behind_an_older_one_is_named_as_such_and_a_damaged_one_ends_what_is_covered)
{
    struct tape tape;
    char path[200];
    uint8_t head[104];
    tape_new(&tape, 300);
    for (uint64_t i = 1; i <= 3; i++) ck_assert_ok(append(&tape, i, i, 400));       /* a file each */
    ck_assert_uint_eq(covers_from(&tape), 1);
    vt_journal_free(tape.journal);
    segment_path(&tape, 2, path);
    const int fd = open(path, O_RDWR);
    ck_assert_int_eq(pread(fd, head, sizeof head, 0), (ssize_t)sizeof head);
    memset(head + 9, 0xa5, sizeof head - 9);
    head[8] = 2;
    ck_assert_int_eq(pwrite(fd, head, sizeof head, 0), (ssize_t)sizeof head);
    ck_assert_status(tape_open(&tape), VAULT_E_FORMAT);
    head[8] = 0;
    ck_assert_int_eq(pwrite(fd, head, sizeof head, 0), (ssize_t)sizeof head);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_ok(tape_open(&tape));
    ck_assert_uint_eq(tail_commit(&tape), 3);
    ck_assert_uint_eq(covers_from(&tape), 3);
    tape_end(&tape);
}
END_TEST

START_TEST(a_record_taken_out_or_moved_breaks_the_chain)
{
    struct tape tape;
    char path[200];
    uint8_t bytes[4096];
    tape_new(&tape, 0);
    size_t ends[4] = {0};
    for (uint64_t i = 1; i <= 3; i++) {
        ck_assert_ok(append(&tape, i, i, 40));
        ends[i] = segment_len(&tape, 1);
    }
    vt_journal_free(tape.journal);
    segment_path(&tape, 1, path);
    FILE *file = fopen(path, "rb");
    ck_assert_uint_eq(fread(bytes, 1, ends[3], file), ends[3]);
    fclose(file);
    file = fopen(path, "wb");                               /* without the second record */
    ck_assert_uint_eq(fwrite(bytes, 1, ends[1], file), ends[1]);
    ck_assert_uint_eq(fwrite(bytes + ends[2], 1, ends[3] - ends[2], file), ends[3] - ends[2]);
    fclose(file);
    ck_assert_status(tape_open(&tape), VAULT_E_CORRUPT);
    tape_end(&tape);
}
END_TEST

START_TEST(an_abort_mark_takes_the_tail_back)
{
    struct tape tape;
    tape_new(&tape, 0);
    for (uint64_t i = 1; i <= 3; i++) ck_assert_ok(append(&tape, i, i, 10));
    ck_assert_ok(vt_journal_mark_aborted(tape.journal, 3));         /* nothing is later than that */
    ck_assert_uint_eq(tail_commit(&tape), 3);
    ck_assert_ok(vt_journal_mark_aborted(tape.journal, 2));
    ck_assert_uint_eq(tail_commit(&tape), 2);
    ck_assert_uint_eq(reopened_tail(&tape), 2);
    ck_assert_ok(append(&tape, 3, 3, 10));
    ck_assert_uint_eq(reopened_tail(&tape), 3);
    ck_assert_ok(vt_journal_mark_aborted(tape.journal, 0));
    ck_assert_uint_eq(reopened_tail(&tape), 0);
    tape_end(&tape);
}
END_TEST

START_TEST(a_record_whose_transaction_failed_is_replaced_by_the_next_without_a_mark)
{
    struct tape tape;
    struct vt_journal_tail tail;
    tape_new(&tape, 0);
    ck_assert_ok(append(&tape, 1, 1, 10));
    ck_assert_ok(append(&tape, 2, 2, 10));                  /* never kept: tried again under the same number */
    ck_assert_ok(append(&tape, 2, 2, 20));
    ck_assert_ok(append(&tape, 3, 3, 10));                  /* never kept: others used its number, then the same version */
    ck_assert_ok(append(&tape, 7, 3, 30));
    ck_assert_ok(vt_journal_mark_aborted(tape.journal, 6));
    ck_assert_ok(vt_journal_tail(tape.journal, &tail));
    ck_assert_uint_eq(tail.commit_number, 2);
    ck_assert_uint_eq(reopened_tail(&tape), 2);
    tape_end(&tape);
}
END_TEST

START_TEST(files_follow_each_other_and_the_tail_is_found_across_them)
{
    struct tape tape;
    struct vt_journal_stats stats;
    tape_new(&tape, 500);
    for (uint64_t i = 1; i <= 20; i++) ck_assert_ok(append(&tape, i, i, 200));
    vt_journal_stats(tape.journal, &stats);
    ck_assert_uint_gt(stats.segments, 5);
    ck_assert_uint_eq(stats.records, 20);
    ck_assert_uint_eq(reopened_tail(&tape), 20);
    for (uint64_t i = 19; i != 0; i--) {
        ck_assert_ok(vt_journal_mark_aborted(tape.journal, i));
        ck_assert_uint_eq(tail_commit(&tape), i);
    }
    ck_assert_uint_eq(reopened_tail(&tape), 1);
    struct vt_journal_stats again;
    vt_journal_stats(tape.journal, &again);
    ck_assert_uint_eq(again.records, 39);
    tape_end(&tape);
}
END_TEST

START_TEST(the_last_gap_is_found_however_many_files_lie_behind_it)
{
    struct tape tape;
    tape_new(&tape, 500);
    ck_assert_uint_eq(covers_from(&tape), 0);
    for (uint64_t i = 1; i <= 4; i++) ck_assert_ok(append(&tape, i, i, 200));
    ck_assert_uint_eq(covers_from(&tape), 1);
    const struct vt_root_record root = {.vault_id = our_vault, .page_version = 9, .commit_number = 9};
    ck_assert_ok(vt_journal_note_gap(tape.journal, &root));
    ck_assert_uint_eq(covers_from(&tape), 9);
    for (uint64_t i = 10; i <= 30; i++) ck_assert_ok(append(&tape, i, i, 200));
    ck_assert_uint_eq(covers_from(&tape), 9);
    ck_assert_uint_eq(reopened_tail(&tape), 30);
    ck_assert_uint_eq(covers_from(&tape), 9);
    tape_end(&tape);
}
END_TEST

START_TEST(a_file_whose_head_was_never_synced_is_dropped)
{
    struct tape tape;
    char path[200];
    tape_new(&tape, 300);
    ck_assert_ok(append(&tape, 1, 1, 400));
    ck_assert_ok(append(&tape, 2, 2, 10));                  /* begins file 2 */
    vt_journal_free(tape.journal);
    segment_path(&tape, 2, path);
    for (off_t len = 0; len < 104; len += 13) {
        ck_assert_int_eq(truncate(path, len), 0);
        ck_assert_ok(tape_open(&tape));
        ck_assert_uint_eq(tail_commit(&tape), 1);
        ck_assert_int_eq(access(path, F_OK), -1);
        ck_assert_ok(append(&tape, 2, 2, 10));
        vt_journal_free(tape.journal);
    }
    ck_assert_ok(tape_open(&tape));
    ck_assert_uint_eq(tail_commit(&tape), 2);
    tape_end(&tape);
}
END_TEST

START_TEST(one_holder_at_a_time_and_one_vault)
{
    struct tape tape, second;
    char path[160];
    tape_new(&tape, 0);
    ck_assert_ok(append(&tape, 1, 1, 10));
    second = tape;
    ck_assert_status(tape_open(&second), VAULT_E_LOCKED);
    vt_journal_free(tape.journal);
    snprintf(path, sizeof path, "%s/journal", tape.dir);
    const struct vt_journal_options options = {.dir = path};
    struct vt_journal *journal = NULL;
    ck_assert_status(vt_journal_open(&options, &other_vault, &journal), VAULT_E_ARGUMENT);
    ck_assert_ok(vt_journal_open(&options, NULL, &journal));
    VT_AUTO(vt_buf) rows = VT_BUF_INIT(16);
    struct vt_keyring_delta delta = {&rows, root_at(2, 2)};
    delta.root.vault_id = other_vault;
    ck_assert_status(vt_journal_append(journal, VT_JOURNAL_COMMIT, &delta, VT_BYTES_EMPTY, 2), VAULT_E_ARGUMENT);
    vt_journal_free(journal);
    ck_assert_ok(tape_open(&tape));
    tape_end(&tape);
}
END_TEST

START_TEST(every_new_file_is_on_the_disk_with_its_name_before_its_first_record_is_answered)
{
    struct tape tape;
    tape_new(&tape, 300);
    for (uint64_t n = 1; n <= 3; n++) {
        char path[200];
        disk_watch_begin();
        ck_assert_ok(append(&tape, n, n, 400));
        segment_path(&tape, n, path);
        ck_assert_int_eq(access(path, F_OK), 0);            /* a file each */
        ck_assert(disk_watch_is_synced());
    }
    tape_end(&tape);
}
END_TEST

START_TEST(a_record_is_on_the_disk_before_its_append_returns_and_a_sync_that_fails_shuts_the_journal)
{
    struct tape tape;
    tape_new(&tape, 4096);
    for (uint64_t n = 1; n <= 5; n++) {         /* across files, each with a head */
        disk_watch_begin();
        ck_assert_ok(append(&tape, n, n, 1500));
        ck_assert(disk_watch_is_synced());
    }
    disk_watch_begin();
    disk_watch_fail_syncs(EIO);
    ck_assert_status(append(&tape, 6, 6, 10), VAULT_E_IO);
    ck_assert(!disk_watch_is_synced());
    disk_watch_fail_syncs(0);
    ck_assert_status(append(&tape, 6, 6, 10), VAULT_E_IO);
    tape_end(&tape);
}
END_TEST

#ifdef VT_FAULTS
START_TEST(a_failed_write_keeps_nothing_and_a_failed_sync_shuts_the_journal)
{
    struct tape tape;
    struct vt_journal_stats stats;
    tape_new(&tape, 0);
    ck_assert_ok(append(&tape, 1, 1, 10));
    vt_fault_arm(VT_FAULT_JOURNAL, 1);
    ck_assert_status(append(&tape, 2, 2, 10), VAULT_E_IO);
    ck_assert(vt_fault_disarm());
    ck_assert_uint_eq(tail_commit(&tape), 1);
    ck_assert_ok(append(&tape, 2, 2, 10));
    vt_fault_arm(VT_FAULT_JOURNAL, 2);
    ck_assert_status(append(&tape, 3, 3, 10), VAULT_E_IO);
    ck_assert(vt_fault_disarm());
    ck_assert_status(append(&tape, 3, 3, 10), VAULT_E_IO);
    ck_assert_status(vt_journal_sync(tape.journal), VAULT_E_IO);
    vt_journal_stats(tape.journal, &stats);
    ck_assert(stats.is_broken);
    ck_assert_uint_eq(reopened_tail(&tape), 2);
    ck_assert_ok(append(&tape, 3, 3, 10));
    tape_end(&tape);
}
END_TEST
#endif

static int64_t still(const struct vt_clock *clock)
{
    (void)clock;
    return 1790000000000;
}

START_TEST(with_an_interval_the_stats_say_how_much_may_be_lost)
{
    struct tape tape = {.segment_bytes = 0};
    struct vt_journal_stats stats;
    char path[160];
    const struct vt_clock clock = {.now_ms = still};
    vt_temp_dir_make(tape.dir, sizeof tape.dir);
    snprintf(path, sizeof path, "%s/journal", tape.dir);
    const struct vt_journal_options options = {.dir = path, .sync_interval_ms = 3600 * 1000, .clock = &clock};
    ck_assert_ok(vt_journal_open(&options, &our_vault, &tape.journal));
    for (uint64_t i = 1; i <= 3; i++) ck_assert_ok(append(&tape, i, i, 10));
    vt_journal_stats(tape.journal, &stats);
    ck_assert_uint_eq(stats.unsynced_commits, 3);
    ck_assert_ok(vt_journal_sync(tape.journal));
    vt_journal_stats(tape.journal, &stats);
    ck_assert_uint_eq(stats.unsynced_commits, 0);
    ck_assert_int_eq(stats.last_sync_at_ms, 1790000000000);
    tape_end(&tape);
}
END_TEST

/* Rolling forward: a real vault, an older copy of its store ----------------------------------------------------------- */

enum { SUBJECTS = 6 };

/* The store as it was after the first subject, and a journal of all that followed. The world is closed. */
static void world_with_history(struct world *world, uint64_t *out_commit)
{
    const struct world_shape shape = {.k = 1, .m = 1, .has_journal = true};
    world_new(world, &shape);
    world_add_subject(world, 0);
    world_close(world);
    world_copy(world, "store", "store-before");
    world_open(world);
    ck_assert_ok(world_unseal(world, NULL));
    for (unsigned i = 1; i < SUBJECTS; i++) world_add_subject(world, i);
    (void)world_request(world, 1);
    ck_assert_ok(world_close_epoch(world, false));
    world_touch_store(world);
    world_add_subject(world, SUBJECTS);
    *out_commit = world_commit(world);
    world_close(world);
    world_copy(world, "store", "store-after");
    world_copy(world, "store-before", "store");
}

START_TEST(an_older_store_rolls_forward_to_the_keyring_of_the_last_commit)
{
    struct world world;
    uint64_t commit, applied;
    struct vt_journal_tail tail;
    struct vt_txn *txn = NULL;
    world_with_history(&world, &commit);
    world_open(&world);
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_ok(vt_journal_roll_forward(world.journal, txn, &applied, &tail));
    ck_assert_uint_eq(applied, SUBJECTS + 1);
    ck_assert_uint_eq(tail.commit_number, commit);
    ck_assert_ok(vt_store_raise_commit_number(txn, tail.commit_number));
    ck_assert_ok(vt_txn_commit(txn));
    ck_assert_ok(world_unseal(&world, NULL));
    ck_assert_uint_eq(world_epoch(&world), 2);
    for (unsigned i = 0; i <= SUBJECTS; i++) ck_assert_status(world_subject(&world, i), i == 1 ? VAULT_E_NOT_FOUND : VAULT_OK);

    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_ok(vt_journal_roll_forward(world.journal, txn, &applied, &tail));
    ck_assert_uint_eq(applied, 0);                          /* again: nothing is left to apply */
    vt_txn_abort(txn);
    world_end(&world);
}
END_TEST

START_TEST(rolling_forward_needs_the_records_from_the_store_on)
{
    struct world world;
    uint64_t commit, applied = 99;
    struct vt_journal_tail tail;
    struct vt_root_record root;
    struct vt_txn *txn = NULL;
    char path[200];
    world_with_history(&world, &commit);
    world_path(&world, "journal", path, sizeof path);
    vt_temp_dir_remove(path);                               /* a journal that was begun later */
    world_copy(&world, "store-after", "store");
    world_open(&world);
    ck_assert_ok(world_unseal(&world, NULL));
    world_add_subject(&world, 100);
    world_close(&world);
    world_copy(&world, "store-before", "store");
    world_open(&world);
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_ok(vt_keyring_root_record(txn, &root));
    ck_assert_status(vt_journal_roll_forward(world.journal, txn, &applied, &tail), VAULT_E_NOT_FOUND);
    ck_assert_uint_eq(applied, 99);
    vt_txn_abort(txn);
    world_end(&world);
}
END_TEST

START_TEST(a_damaged_older_file_stops_rolling_forward)
{
    struct world world;
    uint64_t commit, applied;
    struct vt_journal_tail tail;
    struct vt_txn *txn = NULL;
    char path[200];
    uint8_t byte;
    world_with_history(&world, &commit);
    world_open(&world);                                     /* opened first: opening itself would refuse */
    world_path(&world, "journal/journal-0000000000000001.vtj", path, sizeof path);
    const int fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, 20000), 1);
    byte ^= 1;
    ck_assert_int_eq(pwrite(fd, &byte, 1, 20000), 1);
    close(fd);
    ck_assert_ok(vt_txn_begin_write(world.store, &txn));
    ck_assert_status(vt_journal_roll_forward(world.journal, txn, &applied, &tail), VAULT_E_CORRUPT);
    vt_txn_abort(txn);
    world_end(&world);
}
END_TEST

START_TEST(a_journal_beside_the_store_says_so)
{
    struct tape tape;
    struct vt_journal_stats stats;
    tape_new(&tape, 0);
    ck_assert_ok(vt_journal_compare_device(tape.journal, tape.dir));
    vt_journal_stats(tape.journal, &stats);
    ck_assert(stats.is_same_device_as_store);
    ck_assert_ok(vt_journal_compare_device(tape.journal, "/proc"));
    vt_journal_stats(tape.journal, &stats);
    ck_assert(!stats.is_same_device_as_store);
    ck_assert_status(vt_journal_compare_device(tape.journal, "/nowhere/at/all"), VAULT_E_IO);
    tape_end(&tape);
}
END_TEST

VT_TEST_MAIN("epoch/journal",
#ifdef VT_FAULTS
             a_failed_write_keeps_nothing_and_a_failed_sync_shuts_the_journal,
#endif
             every_new_file_is_on_the_disk_with_its_name_before_its_first_record_is_answered,
             a_record_is_on_the_disk_before_its_append_returns_and_a_sync_that_fails_shuts_the_journal,
             a_file_of_a_newer_format_is_named_as_such,
             a_file_of_a_newer_format_behind_an_older_one_is_named_as_such_and_a_damaged_one_ends_what_is_covered,
             a_file_of_a_newer_format_is_named_as_such_however_it_is_laid_out, a_journal_beside_the_store_says_so,
             what_was_appended_is_the_tail_after_reopening,
             a_torn_tail_is_cut_at_the_last_whole_record_whatever_its_length,
             a_tail_of_zeroes_behind_the_last_record_is_cut, a_flipped_byte_anywhere_is_noticed,
             a_record_taken_out_or_moved_breaks_the_chain, an_abort_mark_takes_the_tail_back,
             a_record_whose_transaction_failed_is_replaced_by_the_next_without_a_mark,
             files_follow_each_other_and_the_tail_is_found_across_them,
             the_last_gap_is_found_however_many_files_lie_behind_it, a_file_whose_head_was_never_synced_is_dropped,
             one_holder_at_a_time_and_one_vault, with_an_interval_the_stats_say_how_much_may_be_lost,
             an_older_store_rolls_forward_to_the_keyring_of_the_last_commit,
             rolling_forward_needs_the_records_from_the_store_on, a_damaged_older_file_stops_rolling_forward)
