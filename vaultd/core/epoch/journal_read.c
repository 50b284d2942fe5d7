/* Reading a journal: segments, records, which of them are live, and rolling forward. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/epoch/journal_internal.h"

static const uint8_t segment_magic[8] = {'V', 'T', 'J', 'O', 'U', 'R', 'N', 'L'};
static const uint8_t record_magic[4] = {'V', 'T', 'J', 'R'};
enum { VERSION_AT = sizeof segment_magic };

VT_RESULT vt_journal_map_open(const struct vt_journal *journal, uint64_t number, struct vt_journal_map *out_map)
{
    char name[64];
    struct stat info;
    VT_ENSURE(!vt_fault_hit(VT_FAULT_JOURNAL), VAULT_E_IO);
    snprintf(name, sizeof name, "journal-%016" PRIx64 ".vtj", number);
    const int fd = openat(journal->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    VT_ENSURE(fd >= 0, VAULT_E_IO);
    const bool is_known = fstat(fd, &info) == 0;
    struct vt_journal_map map = {NULL, is_known ? (size_t)info.st_size : 0};
    void *at = map.len != 0 ? mmap(NULL, map.len, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    VT_ENSURE(is_known && at != MAP_FAILED, VAULT_E_IO);
    map.data = at;
    *out_map = map;
    return VAULT_OK;
}

void vt_journal_map_release(struct vt_journal_map *map)
{
    if (map->data != NULL) munmap((void *)(uintptr_t)map->data, map->len);
    *map = (struct vt_journal_map){NULL, 0};
}

/* The version is asked before anything that depends on it: where the hash lies, how long a head is. Zero is no version: a head that
 * never reached the disk may read as zeroes. */
static VT_RESULT segment_version_check(struct vt_bytes bytes)
{
    VT_ENSURE(bytes.len > VERSION_AT && memcmp(bytes.data, segment_magic, sizeof segment_magic) == 0, VAULT_E_CORRUPT);
    return bytes.data[VERSION_AT] > VT_JOURNAL_VERSION ? VAULT_E_FORMAT : VAULT_OK;
}

VT_RESULT vt_journal_segment_head_read(struct vt_bytes bytes, struct vt_journal_segment_head *out_head)
{
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(segment_version_check(bytes));
    VT_ENSURE(bytes.len >= VT_JOURNAL_SEGMENT_HEAD_LEN, VAULT_E_CORRUPT);
    VT_TRY(vt_sha256_one(vt_bytes(bytes.data, 72), hash));
    VT_ENSURE(memcmp(hash, bytes.data + 72, sizeof hash) == 0, VAULT_E_CORRUPT);
    VT_ENSURE(bytes.data[VERSION_AT] == VT_JOURNAL_VERSION, VAULT_E_CORRUPT);
    memcpy(out_head->vault_id.bytes, bytes.data + 16, sizeof out_head->vault_id.bytes);
    out_head->first_number = vt_get_u64(bytes.data + 32);
    memcpy(out_head->previous_hash, bytes.data + 40, VT_JOURNAL_HASH_LEN);
    return VAULT_OK;
}

/* Records --------------------------------------------------------------------------------------------------------- */

/* The head alone: its check tells a length that can be believed from one that cannot. */
static bool record_head_is_whole(struct vt_bytes bytes, uint64_t *out_body_len)
{
    uint8_t hash[VT_SHA256_LEN];
    if (bytes.len < VT_JOURNAL_RECORD_HEAD_LEN || memcmp(bytes.data, record_magic, sizeof record_magic) != 0) return false;
    if (vt_sha256_one(vt_bytes(bytes.data, 56), hash) != VAULT_OK || memcmp(hash, bytes.data + 56, 8) != 0) return false;
    *out_body_len = vt_get_u64(bytes.data + 8);
    return *out_body_len >= VT_JOURNAL_BODY_FIXED_LEN;
}

static void root_decode(const uint8_t *in, struct vt_root_record *root)
{
    memcpy(root->vault_id.bytes, in, 16);
    root->incarnation = vt_get_u64(in + 16);
    root->epoch = vt_get_u64(in + 24);
    root->page_version = vt_get_u64(in + 32);
    root->commit_number = vt_get_u64(in + 40);
    memcpy(root->attempt, in + 48, sizeof root->attempt);
    memcpy(root->root_hash, in + 64, sizeof root->root_hash);
}

VT_RESULT vt_journal_record_read(struct vt_bytes bytes, struct vt_journal_record *out_record)
{
    uint64_t body_len;
    VT_ENSURE(record_head_is_whole(bytes, &body_len), VAULT_E_CORRUPT);
    const uint64_t room = bytes.len - VT_JOURNAL_RECORD_HEAD_LEN;
    VT_ENSURE(room >= VT_JOURNAL_HASH_LEN && body_len <= room - VT_JOURNAL_HASH_LEN, VAULT_E_CORRUPT);

    struct vt_journal_record record = {.len = VT_JOURNAL_RECORD_HEAD_LEN + body_len + VT_JOURNAL_HASH_LEN};
    VT_TRY(vt_sha256_one(vt_bytes(bytes.data, VT_JOURNAL_RECORD_HEAD_LEN + body_len), record.hash));
    VT_ENSURE(memcmp(record.hash, bytes.data + VT_JOURNAL_RECORD_HEAD_LEN + body_len, sizeof record.hash) == 0,
              VAULT_E_CORRUPT);
    const uint8_t kind = bytes.data[4], *body = bytes.data + VT_JOURNAL_RECORD_HEAD_LEN;
    VT_ENSURE(kind >= VT_JOURNAL_COMMIT && kind <= VT_JOURNAL_GAP, VAULT_E_FORMAT);
    record.number = vt_get_u64(bytes.data + 16);
    memcpy(record.previous_hash, bytes.data + 24, VT_JOURNAL_HASH_LEN);
    record.tail.kind = (enum vt_journal_kind)kind;
    record.tail.commit_number = vt_get_u64(body);
    root_decode(body + 8, &record.tail.root);
    record.rows = vt_bytes(body + VT_JOURNAL_BODY_FIXED_LEN, body_len - VT_JOURNAL_BODY_FIXED_LEN);
    *out_record = record;
    return VAULT_OK;
}

bool vt_journal_has_record_from(const struct vt_journal_map *map, uint64_t at)
{
    struct vt_journal_record record;
    uint64_t body_len;
    for (; at + VT_JOURNAL_RECORD_HEAD_LEN <= map->len; at++) {
        const uint8_t *found = memmem(map->data + at, map->len - at, record_magic, sizeof record_magic);
        if (found == NULL) return false;
        at = (uint64_t)(found - map->data);
        const struct vt_bytes rest = vt_bytes(found, map->len - at);
        if (record_head_is_whole(rest, &body_len) && vt_journal_record_read(rest, &record) == VAULT_OK) return true;
    }
    return false;
}

/* The list of live records ---------------------------------------------------------------------------------------- */

void vt_journal_list_release(struct vt_journal_list *list)
{
    free(list->items);
    *list = (struct vt_journal_list){NULL, 0, 0};
}

void vt_journal_list_keep_last(struct vt_journal_list *list)
{
    if (list->count < 2) return;
    list->items[0] = list->items[list->count - 1];
    list->count = 1;
}

static VT_RESULT list_grow(struct vt_journal_list *list)
{
    if (list->count < list->cap) return VAULT_OK;
    size_t bytes;
    const size_t cap = list->cap == 0 ? 64 : list->cap * 2;
    VT_ENSURE(vt_size_mul(cap, sizeof list->items[0], &bytes), VAULT_E_TOO_LARGE);
    struct vt_journal_entry *items = vt_malloc(bytes);
    VT_ENSURE(items != NULL, VAULT_E_MEMORY);
    if (list->count != 0) memcpy(items, list->items, list->count * sizeof items[0]);
    free(list->items);
    list->items = items;
    list->cap = cap;
    return VAULT_OK;
}

/* A later record with the same commit number or page version proves that the earlier transaction was never kept. */
static bool is_replaced(const struct vt_journal_tail *earlier, const struct vt_journal_tail *later)
{
    if (later->kind == VT_JOURNAL_ABORTED) return earlier->commit_number > later->commit_number;
    return earlier->commit_number >= later->commit_number || earlier->root.page_version >= later->root.page_version;
}

VT_RESULT vt_journal_list_add(struct vt_journal_list *list, const struct vt_journal_entry *entry)
{
    VT_TRY(list_grow(list));
    while (list->count != 0 && is_replaced(&list->items[list->count - 1].tail, &entry->tail)) list->count--;
    if (entry->tail.kind != VT_JOURNAL_ABORTED) list->items[list->count++] = *entry;
    return VAULT_OK;
}

VT_RESULT vt_journal_scan(const struct vt_journal *journal, const struct vt_journal_map *map, size_t index,
                          struct vt_journal_walk *walk, struct vt_journal_list *list)
{
    uint64_t at = VT_JOURNAL_SEGMENT_HEAD_LEN;
    for (walk->end = at; at < map->len; walk->end = at) {
        struct vt_journal_record record;
        VT_TRY(vt_journal_record_read(vt_bytes(map->data + at, map->len - at), &record));
        VT_ENSURE(record.number == walk->next_number, VAULT_E_CORRUPT);
        VT_ENSURE(memcmp(record.previous_hash, walk->last_hash, sizeof walk->last_hash) == 0, VAULT_E_CORRUPT);
        const bool is_ours = memcmp(&record.tail.root.vault_id, &journal->vault_id, sizeof journal->vault_id) == 0;
        VT_ENSURE(is_ours || record.tail.kind == VT_JOURNAL_ABORTED, VAULT_E_CORRUPT);
        const struct vt_journal_entry entry = {record.tail, index, at};
        VT_TRY(vt_journal_list_add(list, &entry));
        walk->next_number++;
        memcpy(walk->last_hash, record.hash, sizeof walk->last_hash);
        at += record.len;
    }
    return VAULT_OK;
}

/* Whether all of it is whole is for who rolls forward: here the heads tell where to step. */
static VT_RESULT find_gap_in(const struct vt_journal_map *map, bool *out_found, uint64_t *out_commit)
{
    uint64_t first = 0, body_len;
    struct vt_journal_segment_head head;
    VT_TRY(vt_journal_segment_head_read(vt_bytes(map->data, map->len), &head));
    *out_found = false;
    for (uint64_t at = VT_JOURNAL_SEGMENT_HEAD_LEN; at < map->len;) {
        const struct vt_bytes rest = vt_bytes(map->data + at, map->len - at);
        VT_ENSURE(record_head_is_whole(rest, &body_len), VAULT_E_CORRUPT);
        VT_ENSURE(body_len <= rest.len - VT_JOURNAL_RECORD_HEAD_LEN, VAULT_E_CORRUPT);
        const uint64_t commit = vt_get_u64(rest.data + VT_JOURNAL_RECORD_HEAD_LEN);
        if (first == 0) first = commit;
        if (rest.data[4] == VT_JOURNAL_GAP) *out_commit = commit;
        *out_found = *out_found || rest.data[4] == VT_JOURNAL_GAP;
        at += VT_JOURNAL_RECORD_HEAD_LEN + body_len + VT_JOURNAL_HASH_LEN;
    }
    if (!*out_found && first != 0) *out_commit = first;
    return VAULT_OK;
}

VT_RESULT vt_journal_find_gap(const struct vt_journal *journal, uint64_t *out_commit)
{
    uint64_t commit = 0;
    bool is_found = false;
    for (size_t i = journal->segment_count; i-- != 0 && !is_found;) {
        __attribute__((cleanup(vt_journal_map_release))) struct vt_journal_map map = {NULL, 0};
        VT_TRY(vt_journal_map_open(journal, journal->segments[i], &map));
        const vault_status status = find_gap_in(&map, &is_found, &commit);
        /* Nothing can be rolled forward across damage either: the segment behind it is what is left. */
        if (status == VAULT_E_CORRUPT) break;
        VT_TRY(status);
    }
    *out_commit = commit;
    return VAULT_OK;
}

static VT_RESULT scan_from(const struct vt_journal *journal, size_t first, struct vt_journal_list *list)
{
    struct vt_journal_walk walk = {0};
    for (size_t i = first; i < journal->segment_count; i++) {
        __attribute__((cleanup(vt_journal_map_release))) struct vt_journal_map map = {NULL, 0};
        struct vt_journal_segment_head head;
        VT_TRY(vt_journal_map_open(journal, journal->segments[i], &map));
        VT_TRY(vt_journal_segment_head_read(vt_bytes(map.data, map.len), &head));
        VT_ENSURE(head.first_number == journal->segments[i], VAULT_E_CORRUPT);
        const bool follows = head.first_number == walk.next_number &&
                             memcmp(head.previous_hash, walk.last_hash, sizeof walk.last_hash) == 0;
        VT_ENSURE(i == first || follows, VAULT_E_CORRUPT);
        walk.next_number = head.first_number;
        memcpy(walk.last_hash, head.previous_hash, sizeof walk.last_hash);
        VT_TRY(vt_journal_scan(journal, &map, i, &walk, list));
    }
    return VAULT_OK;
}

VT_RESULT vt_journal_list_from(const struct vt_journal *journal, uint64_t commit_number, struct vt_journal_list *out_list)
{
    for (size_t first = journal->segment_count; first-- != 0;) {
        out_list->count = 0;
        VT_TRY(scan_from(journal, first, out_list));
        if (out_list->count != 0 && out_list->items[0].tail.commit_number <= commit_number) return VAULT_OK;
    }
    return VAULT_OK;
}

/* Rows ------------------------------------------------------------------------------------------------------------ */

struct row {
    enum vt_table table;
    struct vt_bytes key;
    bool is_deleted;
    struct vt_bytes value;
};

static bool is_journaled(uint8_t table)
{
    return table == VT_TABLE_META || table == VT_TABLE_PAGE || table == VT_TABLE_KEYBLOCK || table == VT_TABLE_LEDGER ||
           table == VT_TABLE_LEDGER_SID || table == VT_TABLE_PENDING;
}

/* table 1 | key length 2 | key | value length 4 | value; length 2^32-1: deleted */
static VT_RESULT row_next(struct vt_bytes *rows, struct row *out_row)
{
    VT_ENSURE(rows->len != 0, VAULT_E_NOT_FOUND);
    VT_ENSURE(rows->len >= 7 && is_journaled(rows->data[0]), VAULT_E_CORRUPT);
    const size_t key_len = vt_get_u16(rows->data + 1);
    VT_ENSURE(key_len <= rows->len - 7, VAULT_E_CORRUPT);
    struct row row = {.table = (enum vt_table)rows->data[0], .key = vt_bytes(rows->data + 3, key_len)};
    const uint32_t value_len = vt_get_u32(rows->data + 3 + key_len);
    row.is_deleted = value_len == UINT32_MAX;
    row.value = vt_bytes(rows->data + 7 + key_len, row.is_deleted ? 0 : value_len);
    VT_ENSURE(row.value.len <= rows->len - 7 - key_len, VAULT_E_CORRUPT);
    *rows = vt_bytes(row.value.data + row.value.len, rows->len - 7 - key_len - row.value.len);
    *out_row = row;
    return VAULT_OK;
}

static VT_RESULT row_apply(struct vt_txn *txn, const struct row *row)
{
    if (!row->is_deleted) return vt_store_put(txn, row->table, row->key, row->value, VT_PUT_DEFAULT);
    const vault_status status = vt_store_delete(txn, row->table, row->key);
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static VT_RESULT read_entry(const struct vt_journal *journal, const struct vt_journal_entry *entry,
                            struct vt_journal_map *map, struct vt_journal_record *out_record)
{
    VT_TRY(vt_journal_map_open(journal, journal->segments[entry->segment], map));
    VT_ENSURE(entry->at < map->len, VAULT_E_CORRUPT);
    return vt_journal_record_read(vt_bytes(map->data + entry->at, map->len - entry->at), out_record);
}

static bool root_equal(const struct vt_root_record *a, const struct vt_root_record *b)
{
    return a->epoch == b->epoch && a->page_version == b->page_version &&
           memcmp(a->root_hash, b->root_hash, sizeof a->root_hash) == 0;
}

/* One record on top of @p root, which it must follow from; afterwards the store holds the root page that it names. */
static VT_RESULT apply_entry(const struct vt_journal *journal, struct vt_txn *txn, const struct vt_journal_entry *entry,
                             struct vt_root_record *root)
{
    __attribute__((cleanup(vt_journal_map_release))) struct vt_journal_map map = {NULL, 0};
    struct vt_journal_record record;
    struct row row;
    vault_status status;
    VT_ENSURE(entry->tail.kind != VT_JOURNAL_GAP && entry->tail.root.page_version == root->page_version + 1,
              VAULT_E_NOT_FOUND);
    VT_TRY(read_entry(journal, entry, &map, &record));
    while ((status = row_next(&record.rows, &row)) == VAULT_OK) VT_TRY(row_apply(txn, &row));
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    VT_TRY(vt_keyring_root_record(txn, root));
    VT_ENSURE(root_equal(root, &entry->tail.root), VAULT_E_CORRUPT);
    return VAULT_OK;
}

VT_RESULT vt_journal_roll_forward(struct vt_journal *journal, struct vt_txn *txn, uint64_t *out_applied,
                                  struct vt_journal_tail *out_tail)
{
    __attribute__((cleanup(vt_journal_list_release))) struct vt_journal_list list = {NULL, 0, 0};
    struct vt_root_record root;
    uint64_t applied = 0;
    VT_TRY(vt_keyring_root_record(txn, &root));
    const uint64_t from = root.commit_number;
    VT_TRY(vt_journal_list_from(journal, from, &list));
    for (size_t i = 0; i < list.count; i++) {
        if (list.items[i].tail.commit_number <= from) continue;
        VT_TRY(apply_entry(journal, txn, &list.items[i], &root));
        applied++;
    }
    if (applied != 0) *out_tail = list.items[list.count - 1].tail;
    *out_applied = applied;
    return VAULT_OK;
}

VT_RESULT vt_journal_find_meta(struct vt_journal *journal, uint64_t after_commit, const char *key, struct vt_buf *out_value)
{
    __attribute__((cleanup(vt_journal_map_release))) struct vt_journal_map map = {NULL, 0};
    struct vt_journal_record record;
    struct row row;
    vault_status status;
    VT_ENSURE(journal->live.count != 0, VAULT_E_NOT_FOUND);
    const struct vt_journal_entry *last = &journal->live.items[journal->live.count - 1];
    VT_ENSURE(last->tail.commit_number > after_commit, VAULT_E_NOT_FOUND);
    VT_TRY(read_entry(journal, last, &map, &record));
    while ((status = row_next(&record.rows, &row)) == VAULT_OK) {
        if (row.table != VT_TABLE_META || row.is_deleted || !vt_bytes_equal_str(row.key, key)) continue;
        return vt_buf_append(out_value, row.value);
    }
    return status;
}
