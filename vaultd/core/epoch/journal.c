/* Opening a journal and appending to it. */
#include "vaultd/core/epoch/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "libvault/base/clock.h"
#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/epoch/journal_internal.h"

static const uint64_t segment_default_bytes = 64 * 1024 * 1024;
enum { SEGMENTS_MAX = 1000 * 1000, SEGMENT_NAME_MAX = 64 };

static void segment_name(uint64_t number, char out_name[SEGMENT_NAME_MAX])
{
    snprintf(out_name, SEGMENT_NAME_MAX, "journal-%016" PRIx64 ".vtj", number);
}

/* Which files there are ------------------------------------------------------------------------------------------- */

static bool segment_number(const char *name, uint64_t *out_number)
{
    char expected[SEGMENT_NAME_MAX];
    uint64_t number;
    if (sscanf(name, "journal-%16" SCNx64, &number) != 1) return false;
    segment_name(number, expected);
    *out_number = number;
    return strcmp(name, expected) == 0;
}

static VT_RESULT segments_add(struct vt_journal *journal, uint64_t number)
{
    VT_ENSURE(journal->segment_count < SEGMENTS_MAX, VAULT_E_LIMIT);
    uint64_t *larger = vt_malloc((journal->segment_count + 1) * sizeof *larger);
    VT_ENSURE(larger != NULL, VAULT_E_MEMORY);
    if (journal->segment_count != 0) memcpy(larger, journal->segments, journal->segment_count * sizeof *larger);
    free(journal->segments);
    journal->segments = larger;
    journal->segments[journal->segment_count++] = number;
    return VAULT_OK;
}

static int number_order(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static VT_RESULT segments_list(struct vt_journal *journal)
{
    const int fd = dup(journal->dir_fd);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL && fd >= 0) close(fd);
    VT_ENSURE(dir != NULL, VAULT_E_IO);
    vault_status status = VAULT_OK;
    uint64_t number;
    for (const struct dirent *entry; status == VAULT_OK && (entry = readdir(dir)) != NULL;)
        if (segment_number(entry->d_name, &number)) status = segments_add(journal, number);
    closedir(dir);
    VT_TRY(status);
    if (journal->segment_count != 0)
        qsort(journal->segments, journal->segment_count, sizeof journal->segments[0], number_order);
    return VAULT_OK;
}

/* Opening --------------------------------------------------------------------------------------------------------- */

static VT_RESULT open_dir(struct vt_journal *journal, const char *dir)
{
    VT_ENSURE(mkdir(dir, 0700) == 0 || errno == EEXIST, VAULT_E_IO);
    journal->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    VT_ENSURE(journal->dir_fd >= 0, VAULT_E_IO);
    VT_ENSURE(flock(journal->dir_fd, LOCK_EX | LOCK_NB) == 0, errno == EWOULDBLOCK ? VAULT_E_LOCKED : VAULT_E_IO);
    return VAULT_OK;
}

/* A file whose own head was never synced has no record anybody relied on. */
static VT_RESULT drop_headless(struct vt_journal *journal)
{
    if (journal->segment_count == 0) return VAULT_OK;
    __attribute__((cleanup(vt_journal_map_release))) struct vt_journal_map map = {NULL, 0};
    struct vt_journal_segment_head head;
    const uint64_t newest = journal->segments[journal->segment_count - 1];
    VT_TRY(vt_journal_map_open(journal, newest, &map));
    const vault_status status = vt_journal_segment_head_read(vt_bytes(map.data, map.len), &head);
    if (status != VAULT_E_CORRUPT) return status;
    VT_ENSURE(!vt_journal_has_record_from(&map, 0), VAULT_E_CORRUPT);
    char name[SEGMENT_NAME_MAX];
    segment_name(newest, name);
    VT_ENSURE(unlinkat(journal->dir_fd, name, 0) == 0 && fsync(journal->dir_fd) == 0, VAULT_E_IO);
    journal->cut_bytes += map.len;
    journal->segment_count--;
    return VAULT_OK;
}

static VT_RESULT cut_tail(struct vt_journal *journal, const struct vt_journal_map *map, uint64_t end)
{
    VT_ENSURE(!vt_journal_has_record_from(map, end), VAULT_E_CORRUPT);
    VT_ENSURE(ftruncate(journal->fd, (off_t)end) == 0 && fsync(journal->fd) == 0, VAULT_E_IO);
    journal->cut_bytes += map->len - end;
    return VAULT_OK;
}

static VT_RESULT take_vault_id(struct vt_journal *journal, const struct vt_vault_id *vault_id)
{
    VT_ENSURE(!journal->has_vault_id || memcmp(&journal->vault_id, vault_id, sizeof *vault_id) == 0, VAULT_E_ARGUMENT);
    journal->has_vault_id = true;
    journal->vault_id = *vault_id;
    return VAULT_OK;
}

static VT_RESULT open_newest(struct vt_journal *journal)
{
    __attribute__((cleanup(vt_journal_map_release))) struct vt_journal_map map = {NULL, 0};
    struct vt_journal_segment_head head;
    char name[SEGMENT_NAME_MAX];
    const size_t index = journal->segment_count - 1;
    segment_name(journal->segments[index], name);
    journal->fd = openat(journal->dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    VT_ENSURE(journal->fd >= 0, VAULT_E_IO);
    VT_TRY(vt_journal_map_open(journal, journal->segments[index], &map));
    VT_TRY(vt_journal_segment_head_read(vt_bytes(map.data, map.len), &head));
    VT_ENSURE(head.first_number == journal->segments[index], VAULT_E_CORRUPT);
    VT_TRY(take_vault_id(journal, &head.vault_id));

    struct vt_journal_walk walk = {.next_number = head.first_number};
    memcpy(walk.last_hash, head.previous_hash, sizeof walk.last_hash);
    const vault_status status = vt_journal_scan(journal, &map, index, &walk, &journal->live);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_CORRUPT, status);
    if (status == VAULT_E_CORRUPT) VT_TRY(cut_tail(journal, &map, walk.end));
    journal->size = walk.end;
    journal->next_number = walk.next_number;
    memcpy(journal->last_hash, walk.last_hash, sizeof walk.last_hash);
    return VAULT_OK;
}

static VT_RESULT count_older(struct vt_journal *journal)
{
    for (size_t i = 0; i + 1 < journal->segment_count; i++) {
        char name[SEGMENT_NAME_MAX];
        struct stat info;
        segment_name(journal->segments[i], name);
        VT_ENSURE(fstatat(journal->dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0, VAULT_E_IO);
        journal->older_bytes += (uint64_t)info.st_size;
    }
    return VAULT_OK;
}

static VT_RESULT load(struct vt_journal *journal)
{
    VT_TRY(segments_list(journal));
    VT_TRY(drop_headless(journal));
    journal->next_number = 1;
    if (journal->segment_count == 0) return VAULT_OK;
    VT_TRY(open_newest(journal));
    VT_TRY(count_older(journal));
    VT_TRY(vt_journal_find_gap(journal, &journal->covers_from));
    /* All that the newest file holds may be aborted: the last live record lies further back. */
    return journal->live.count == 0 ? vt_journal_list_from(journal, UINT64_MAX, &journal->live) : VAULT_OK;
}

VT_RESULT vt_journal_open(const struct vt_journal_options *options, const struct vt_vault_id *vault_id,
                          struct vt_journal **out_journal)
{
    VT_AUTO_PTR(vt_journal) journal = vt_calloc(1, sizeof *journal);
    VT_ENSURE(journal != NULL, VAULT_E_MEMORY);
    pthread_mutex_init(&journal->mutex, NULL);
    journal->fd = journal->dir_fd = -1;
    journal->segment_bytes = options->segment_bytes != 0 ? options->segment_bytes : segment_default_bytes;
    journal->sync_interval_ms = options->sync_interval_ms;
    journal->clock = options->clock != NULL ? options->clock : vt_clock_system();
    if (vault_id != NULL) VT_TRY(take_vault_id(journal, vault_id));
    VT_TRY(open_dir(journal, options->dir));
    VT_TRY(load(journal));
    journal->last_sync_ns = vt_monotonic_ns();
    journal->last_sync_at_ms = vt_clock_now_ms(journal->clock);
    *out_journal = VT_MOVE(journal);
    return VAULT_OK;
}

void vt_journal_free(struct vt_journal *journal)
{
    if (journal == NULL) return;
    if (journal->fd >= 0) close(journal->fd);
    if (journal->dir_fd >= 0) close(journal->dir_fd);
    vt_journal_list_release(&journal->live);
    free(journal->segments);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

/* Writing --------------------------------------------------------------------------------------------------------- */

static VT_RESULT write_pieces(int fd, struct iovec *pieces, size_t count, uint64_t at)
{
    VT_ENSURE(!vt_fault_hit(VT_FAULT_JOURNAL), VAULT_E_IO);
    while (count != 0) {
        const ssize_t wrote = pwritev(fd, pieces, (int)count, (off_t)at);
        if (wrote < 0 && errno == EINTR) continue;
        VT_ENSURE(wrote >= 0, errno == ENOSPC || errno == EDQUOT ? VAULT_E_DISK_FULL : VAULT_E_IO);
        at += (uint64_t)wrote;
        size_t left = (size_t)wrote;
        for (; count != 0 && left >= pieces[0].iov_len; pieces++, count--) left -= pieces[0].iov_len;
        if (count == 0) break;
        pieces[0].iov_base = (uint8_t *)pieces[0].iov_base + left;
        pieces[0].iov_len -= left;
    }
    return VAULT_OK;
}

static struct iovec piece_of(struct vt_bytes bytes)
{
    return (struct iovec){(void *)(uintptr_t)bytes.data, bytes.len};
}

/* After a failed sync nobody knows which of the earlier pages the kernel has dropped: the journal stays shut. */
static VT_RESULT sync_now(struct vt_journal *journal)
{
    if (vt_fault_hit(VT_FAULT_JOURNAL) || fdatasync(journal->fd) != 0) {
        journal->is_broken = true;
        return VAULT_E_IO;
    }
    journal->unsynced = 0;
    journal->last_sync_ns = vt_monotonic_ns();
    journal->last_sync_at_ms = vt_clock_now_ms(journal->clock);
    return VAULT_OK;
}

static VT_RESULT sync_if_needed(struct vt_journal *journal)
{
    VT_ENSURE(!journal->is_broken, VAULT_E_IO);
    return journal->unsynced == 0 ? VAULT_OK : sync_now(journal);
}

VT_RESULT vt_journal_sync(struct vt_journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    const vault_status status = sync_if_needed(journal);
    pthread_mutex_unlock(&journal->mutex);
    return status;
}

static bool sync_is_due(const struct vt_journal *journal)
{
    const uint64_t interval_ns = (uint64_t)journal->sync_interval_ms * 1000000;
    return journal->sync_interval_ms <= 0 || vt_monotonic_ns() - journal->last_sync_ns >= interval_ns;
}

static VT_RESULT segment_head_write(const struct vt_journal *journal, int fd)
{
    uint8_t head[VT_JOURNAL_SEGMENT_HEAD_LEN] = {'V', 'T', 'J', 'O', 'U', 'R', 'N', 'L', VT_JOURNAL_VERSION};
    memcpy(head + 16, journal->vault_id.bytes, sizeof journal->vault_id.bytes);
    vt_put_u64(head + 32, journal->next_number);
    memcpy(head + 40, journal->last_hash, VT_JOURNAL_HASH_LEN);
    VT_TRY(vt_sha256_one(vt_bytes(head, 72), head + 72));
    struct iovec piece = piece_of(VT_BYTES_OF(head));
    VT_TRY(write_pieces(fd, &piece, 1, 0));
    VT_ENSURE(fsync(fd) == 0 && fsync(journal->dir_fd) == 0, VAULT_E_IO);
    return VAULT_OK;
}

static VT_RESULT segment_begin(struct vt_journal *journal)
{
    char name[SEGMENT_NAME_MAX];
    if (journal->fd >= 0) VT_TRY(sync_if_needed(journal));
    segment_name(journal->next_number, name);
    const int fd = openat(journal->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    VT_ENSURE(fd >= 0, errno == ENOSPC ? VAULT_E_DISK_FULL : VAULT_E_IO);
    vault_status status = segment_head_write(journal, fd);
    if (status == VAULT_OK) status = segments_add(journal, journal->next_number);
    if (status != VAULT_OK) {
        close(fd);
        unlinkat(journal->dir_fd, name, 0);
        return status;
    }
    if (journal->fd >= 0) close(journal->fd);
    journal->fd = fd;
    journal->older_bytes += journal->size;
    journal->size = VT_JOURNAL_SEGMENT_HEAD_LEN;
    vt_journal_list_keep_last(&journal->live);
    return VAULT_OK;
}

struct record_parts {
    uint8_t head[VT_JOURNAL_RECORD_HEAD_LEN];
    uint8_t fixed[VT_JOURNAL_BODY_FIXED_LEN];
    uint8_t hash[VT_JOURNAL_HASH_LEN];
};

static VT_RESULT parts_fill(const struct vt_journal *journal, const struct vt_journal_tail *tail, struct vt_bytes rows,
                            struct vt_bytes more, struct record_parts *parts)
{
    const struct vt_root_record *root = &tail->root;
    uint8_t hash[VT_SHA256_LEN];
    memset(parts, 0, sizeof *parts);
    vt_put_u64(parts->fixed, tail->commit_number);
    memcpy(parts->fixed + 8, root->vault_id.bytes, 16);
    vt_put_u64(parts->fixed + 24, root->incarnation);
    vt_put_u64(parts->fixed + 32, root->epoch);
    vt_put_u64(parts->fixed + 40, root->page_version);
    vt_put_u64(parts->fixed + 48, root->commit_number);
    memcpy(parts->fixed + 56, root->attempt, 16);
    memcpy(parts->fixed + 72, root->root_hash, 32);

    memcpy(parts->head, "VTJR", 4);
    parts->head[4] = (uint8_t)tail->kind;
    vt_put_u64(parts->head + 8, sizeof parts->fixed + rows.len + more.len);
    vt_put_u64(parts->head + 16, journal->next_number);
    memcpy(parts->head + 24, journal->last_hash, VT_JOURNAL_HASH_LEN);
    VT_TRY(vt_sha256_one(vt_bytes(parts->head, 56), hash));
    memcpy(parts->head + 56, hash, 8);
    const struct vt_bytes pieces[] = {VT_BYTES_OF(parts->head), VT_BYTES_OF(parts->fixed), rows, more};
    return vt_sha256(pieces, VT_ARRAY_LEN(pieces), parts->hash);
}

static VT_RESULT write_record(struct vt_journal *journal, struct record_parts *parts, struct vt_bytes rows,
                              struct vt_bytes more)
{
    struct iovec pieces[] = {piece_of(VT_BYTES_OF(parts->head)), piece_of(VT_BYTES_OF(parts->fixed)), piece_of(rows),
                             piece_of(more), piece_of(VT_BYTES_OF(parts->hash))};
    VT_TRY(write_pieces(journal->fd, pieces, VT_ARRAY_LEN(pieces), journal->size));
    vt_fault_step("journal.written");
    journal->unsynced++;
    if (sync_is_due(journal)) VT_TRY(sync_now(journal));
    vt_fault_step("journal.synced");
    return VAULT_OK;
}

static VT_RESULT append_locked(struct vt_journal *journal, const struct vt_journal_tail *tail, struct vt_bytes rows,
                               struct vt_bytes more)
{
    struct record_parts parts;
    VT_ENSURE(!journal->is_broken, VAULT_E_IO);
    if (journal->fd < 0 || journal->size > journal->segment_bytes) VT_TRY(segment_begin(journal));
    VT_TRY(parts_fill(journal, tail, rows, more, &parts));
    const struct vt_journal_entry entry = {*tail, journal->segment_count - 1, journal->size};
    vault_status status = write_record(journal, &parts, rows, more);
    if (status == VAULT_OK) status = vt_journal_list_add(&journal->live, &entry);
    if (status != VAULT_OK) {
        if (ftruncate(journal->fd, (off_t)journal->size) != 0) journal->is_broken = true;
        return status;
    }
    if (journal->next_number == 1) journal->covers_from = tail->commit_number;
    journal->size += sizeof parts + rows.len + more.len;
    journal->next_number++;
    memcpy(journal->last_hash, parts.hash, sizeof parts.hash);
    return VAULT_OK;
}

static VT_RESULT append(struct vt_journal *journal, const struct vt_journal_tail *tail, struct vt_bytes rows,
                        struct vt_bytes more)
{
    pthread_mutex_lock(&journal->mutex);
    const vault_status status = append_locked(journal, tail, rows, more);
    pthread_mutex_unlock(&journal->mutex);
    return status;
}

VT_RESULT vt_journal_append(struct vt_journal *journal, enum vt_journal_kind kind, const struct vt_keyring_delta *delta,
                            struct vt_bytes more, uint64_t commit_number)
{
    VT_BUG_ON(kind != VT_JOURNAL_COMMIT && kind != VT_JOURNAL_EPOCH);
    const struct vt_journal_tail tail = {commit_number, kind, delta->root};
    VT_TRY(take_vault_id(journal, &delta->root.vault_id));
    return append(journal, &tail, vt_buf_bytes(delta->bytes), more);
}

VT_RESULT vt_journal_tail(struct vt_journal *journal, struct vt_journal_tail *out_tail)
{
    VT_ENSURE(journal->live.count != 0, VAULT_E_NOT_FOUND);
    *out_tail = journal->live.items[journal->live.count - 1].tail;
    return VAULT_OK;
}

/* The list may reach back no further than the newest file: look further when the mark empties it. */
static VT_RESULT mark_locked(struct vt_journal *journal, uint64_t commit_number)
{
    const size_t count = journal->live.count;
    if (count == 0 || journal->live.items[count - 1].tail.commit_number <= commit_number) return VAULT_OK;
    const struct vt_journal_tail mark = {.commit_number = commit_number, .kind = VT_JOURNAL_ABORTED};
    VT_TRY(append_locked(journal, &mark, VT_BYTES_EMPTY, VT_BYTES_EMPTY));
    return journal->live.count == 0 ? vt_journal_list_from(journal, UINT64_MAX, &journal->live) : VAULT_OK;
}

VT_RESULT vt_journal_mark_aborted(struct vt_journal *journal, uint64_t commit_number)
{
    pthread_mutex_lock(&journal->mutex);
    const vault_status status = mark_locked(journal, commit_number);
    pthread_mutex_unlock(&journal->mutex);
    return status;
}

VT_RESULT vt_journal_note_gap(struct vt_journal *journal, const struct vt_root_record *root)
{
    const struct vt_journal_tail gap = {root->commit_number, VT_JOURNAL_GAP, *root};
    VT_TRY(take_vault_id(journal, &root->vault_id));
    VT_TRY(append(journal, &gap, VT_BYTES_EMPTY, VT_BYTES_EMPTY));
    pthread_mutex_lock(&journal->mutex);
    journal->covers_from = root->commit_number;
    pthread_mutex_unlock(&journal->mutex);
    return VAULT_OK;
}

VT_RESULT vt_journal_compare_device(struct vt_journal *journal, const char *store_dir)
{
    struct stat ours, theirs;
    VT_ENSURE(fstat(journal->dir_fd, &ours) == 0 && stat(store_dir, &theirs) == 0, VAULT_E_IO);
    journal->is_same_device = ours.st_dev == theirs.st_dev;
    return VAULT_OK;
}

void vt_journal_stats(struct vt_journal *journal, struct vt_journal_stats *out_stats)
{
    pthread_mutex_lock(&journal->mutex);
    const uint64_t first = journal->segment_count != 0 ? journal->segments[0] : journal->next_number;
    *out_stats = (struct vt_journal_stats){
        .records = journal->next_number - first,
        .bytes = journal->older_bytes + journal->size,
        .segments = journal->segment_count,
        .unsynced_commits = journal->unsynced,
        .last_sync_at_ms = journal->last_sync_at_ms,
        .cut_bytes = journal->cut_bytes,
        .has_records = journal->next_number > first,
        .covers_from = journal->covers_from,
        .is_broken = journal->is_broken,
        .is_same_device_as_store = journal->is_same_device,
    };
    pthread_mutex_unlock(&journal->mutex);
}
