#include "vaultd/core/store/store_pages.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "vaultd/core/store/store.h"

/* LMDB's layout, all numbers in the machine's byte order. */
enum {
    PAGE_HEADER = 16,           /* page number 8 | pad 2 | flags 2 | lower 2, upper 2; or count 4 of an overflow run */
    AT_FLAGS = 10,
    AT_LOWER = 12,
    AT_UPPER = 14,
    AT_RUN = 12,
    PAGE_BRANCH = 0x01,
    PAGE_LEAF = 0x02,
    PAGE_OVERFLOW = 0x04,
    PAGE_META = 0x08,

    META_LEN = 136,             /* behind the header: magic 4 | version 4 | address 8 | map size 8 | free table 48 */
    AT_MAGIC = 16,              /* | main table 48 | last page 8 | transaction 8 */
    AT_VERSION = 20,
    AT_FREE_TABLE = 40,
    AT_MAIN_TABLE = 88,
    AT_LAST_PAGE = 136,
    AT_TRANSACTION = 144,
    DATA_VERSION = 1,

    TABLE_LEN = 48,             /* pad 4 (in the free table: the page size) | flags 2 | depth 2 | pages 3 * 8 */
    TABLE_FLAGS = 4,            /* | entries 8 | root 8 */
    TABLE_DEPTH = 6,
    TABLE_ENTRIES = 32,
    TABLE_ROOT = 40,
    FLAG_INTEGER_KEY = 0x08,

    NODE_HEADER = 8,            /* low 2 | high 2 | flags 2 | key length 2, then the key, then the data */
    NODE_OVERFLOW = 0x01,       /* data is the number of the first page of a run */
    NODE_TABLE = 0x02,          /* data is a table record */

    DEPTH_MAX = 32,
    PAGE_SIZE_MIN = 512,
    PAGE_SIZE_MAX = 65536,
    UNWRITTEN_MAX = 1 << 24     /* pages one transaction may allocate and free again without ever writing them */
};
static const uint32_t MAGIC = 0xBEEFC0DE;
static const uint64_t NO_PAGE = UINT64_MAX;

enum tree_kind { TREE_FREE, TREE_MAIN, TREE_TABLE };

struct walk {
    int fd;
    size_t page_size;
    uint64_t page_count;        /* up to the last page that was ever in use */
    uint64_t file_bytes;
    uint8_t *is_seen;           /* one bit a page */
    uint8_t *levels;            /* DEPTH_MAX pages: the way down */
    uint64_t used_pages;
    struct vt_store_check check;
};

struct table {
    enum tree_kind kind;
    uint16_t flags;
    uint16_t depth;
    uint64_t entries;
    uint64_t root;
    uint64_t seen_entries;
};

struct node {
    uint16_t flags;
    struct vt_bytes key;
    uint64_t data_len;
    uint64_t child;             /* of a branch */
    const uint8_t *data;        /* of a leaf */
};

static uint16_t get16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* False when the file is too short. A read that fails is damage too: that page is not there to be had. */
static bool read_at(int fd, uint8_t *out, size_t len, uint64_t offset)
{
    while (len != 0) {
        const ssize_t got = pread(fd, out, len, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        out += got;
        offset += (size_t)got;
        len -= (size_t)got;
    }
    return true;
}

/* Pages ------------------------------------------------------------------------------------------------------------ */

static bool note_damage(struct walk *walk)
{
    walk->check.damaged_pages++;
    return false;
}

/* Take @p count pages from @p first into account; false when they are out of bounds or taken already. */
static bool claim(struct walk *walk, uint64_t first, uint64_t count)
{
    if (first < 2 || first >= walk->page_count || count > walk->page_count - first) return false;
    for (uint64_t page = first; page < first + count; page++) {
        uint8_t *bits = &walk->is_seen[page / 8];
        const uint8_t bit = (uint8_t)(1u << (page % 8));
        if ((*bits & bit) != 0) return false;
        *bits |= bit;
    }
    return true;
}

static bool load(struct walk *walk, uint64_t page, uint8_t *out)
{
    if (!claim(walk, page, 1)) return note_damage(walk);
    walk->used_pages++;
    if (!read_at(walk->fd, out, walk->page_size, page * walk->page_size)) return note_damage(walk);
    return get64(out) == page ? true : note_damage(walk);
}

/* Number of nodes; 0 when the page cannot be one of a tree. */
static size_t node_count(const struct walk *walk, const uint8_t *page)
{
    const size_t lower = get16(page + AT_LOWER), upper = get16(page + AT_UPPER);
    if (lower < PAGE_HEADER || lower > upper || upper > walk->page_size || lower % 2 != 0) return 0;
    return (lower - PAGE_HEADER) / 2;
}

static bool node_at(const struct walk *walk, const uint8_t *page, size_t index, struct node *out_node)
{
    const size_t offset = get16(page + PAGE_HEADER + 2 * index);
    if (offset < get16(page + AT_UPPER) || offset % 2 != 0 || offset + NODE_HEADER > walk->page_size) return false;

    const uint8_t *at = page + offset;
    const size_t key_len = get16(at + 6), room = walk->page_size - offset - NODE_HEADER;
    if (key_len > room) return false;
    struct node node = {.flags = get16(at + 4), .key = vt_bytes(at + NODE_HEADER, key_len)};
    node.data_len = get16(at) | (uint32_t)get16(at + 2) << 16;
    node.child = node.data_len | (uint64_t)node.flags << 32;
    node.data = at + NODE_HEADER + key_len;
    if ((get16(page + AT_FLAGS) & PAGE_LEAF) != 0) {
        const uint64_t here = (node.flags & NODE_OVERFLOW) != 0 ? sizeof(uint64_t) : node.data_len;
        if (here > room - key_len) return false;
    }
    *out_node = node;
    return true;
}

/* Free page lists are keyed by number, everything else by bytes. */
static bool is_in_order(const struct table *table, struct vt_bytes before, struct vt_bytes after)
{
    if (table->kind != TREE_FREE) return vt_bytes_compare(before, after) < 0;
    return before.len == 8 && after.len == 8 && get64(before.data) < get64(after.data);
}

/* Trees ------------------------------------------------------------------------------------------------------------ */

static bool walk_page(struct walk *walk, struct table *table, uint64_t page, unsigned level);

/* A value too long for its page lies in a run of pages of its own. */
static bool claim_run(struct walk *walk, uint64_t first, uint64_t data_len)
{
    uint8_t header[PAGE_HEADER];
    if (!claim(walk, first, 1)) return note_damage(walk);
    walk->used_pages++;
    if (!read_at(walk->fd, header, sizeof header, first * walk->page_size)) return note_damage(walk);

    const uint64_t count = get32(header + AT_RUN), end = first * walk->page_size + PAGE_HEADER + data_len;
    const bool is_run = get64(header) == first && get16(header + AT_FLAGS) == PAGE_OVERFLOW && count != 0;
    const bool is_long_enough = PAGE_HEADER + data_len <= count * walk->page_size && end <= walk->file_bytes;
    if (!is_run || !is_long_enough) return note_damage(walk);
    if (count > 1 && !claim(walk, first + 1, count - 1)) return note_damage(walk);
    walk->used_pages += count - 1;
    return true;
}

static bool note_free(struct walk *walk, const uint8_t *list, uint64_t len)
{
    const uint64_t count = len < 8 ? 0 : get64(list);
    if (len < 8 || count > len / 8 - 1) return note_damage(walk);
    for (uint64_t i = 1; i <= count; i++) {
        if (!claim(walk, get64(list + 8 * i), 1)) return note_damage(walk);
        walk->check.free_pages++;
    }
    return true;
}

static bool note_free_run(struct walk *walk, uint64_t first, uint64_t len)
{
    uint8_t *list = vt_malloc(len);
    if (list == NULL) return note_damage(walk);
    const bool is_read = read_at(walk->fd, list, len, first * walk->page_size + PAGE_HEADER);
    const bool is_sound = is_read ? note_free(walk, list, len) : note_damage(walk);
    free(list);
    return is_sound;
}

static bool walk_table(struct walk *walk, const uint8_t *record, enum tree_kind kind)
{
    struct table table = {
        .kind = kind,
        .flags = get16(record + TABLE_FLAGS),
        .depth = get16(record + TABLE_DEPTH),
        .entries = get64(record + TABLE_ENTRIES),
        .root = get64(record + TABLE_ROOT),
    };
    if (table.flags != (kind == TREE_FREE ? FLAG_INTEGER_KEY : 0)) return note_damage(walk);
    if (table.root == NO_PAGE) return table.entries == 0 ? true : note_damage(walk);
    if (table.depth == 0 || table.depth > DEPTH_MAX) return note_damage(walk);
    if (!walk_page(walk, &table, table.root, 1)) return false;
    return table.seen_entries == table.entries ? true : note_damage(walk);
}

static bool walk_value(struct walk *walk, struct table *table, const struct node *node)
{
    table->seen_entries++;
    if ((node->flags & NODE_OVERFLOW) != 0) {
        const uint64_t first = get64(node->data);
        if (!claim_run(walk, first, node->data_len)) return false;
        return table->kind != TREE_FREE || note_free_run(walk, first, node->data_len);
    }
    if (table->kind == TREE_FREE) return note_free(walk, node->data, node->data_len);
    if (node->flags == 0) return true;
    const bool is_table = table->kind == TREE_MAIN && node->flags == NODE_TABLE && node->data_len == TABLE_LEN;
    return is_table ? walk_table(walk, node->data, TREE_TABLE) : note_damage(walk);
}

/* Tables lie in the values of the main tree: their way down starts behind the main tree's own. */
static uint8_t *level_buffer(const struct walk *walk, const struct table *table, unsigned level)
{
    const size_t index = (table->kind == TREE_TABLE ? DEPTH_MAX : 0) + level - 1;
    return walk->levels + index * walk->page_size;
}

static bool walk_page(struct walk *walk, struct table *table, uint64_t page_number, unsigned level)
{
    uint8_t *page = level_buffer(walk, table, level);
    if (level > table->depth) return note_damage(walk);
    if (!load(walk, page_number, page)) return false;

    const uint16_t kind = get16(page + AT_FLAGS);
    const size_t count = node_count(walk, page);
    if (count == 0 || kind != (level == table->depth ? PAGE_LEAF : PAGE_BRANCH)) return note_damage(walk);
    struct node before = {0}, node = {0};
    for (size_t i = 0; i < count; i++, before = node) {
        if (!node_at(walk, page, i, &node)) return note_damage(walk);
        const bool has_order = i > (kind == PAGE_LEAF ? 0u : 1u);   /* a branch's first key is empty */
        if (has_order && !is_in_order(table, before.key, node.key)) return note_damage(walk);
        const bool is_sound = kind == PAGE_LEAF ? walk_value(walk, table, &node)
                                                : walk_page(walk, table, node.child, level + 1);
        if (!is_sound) return false;
    }
    return true;
}

/* Meta pages ------------------------------------------------------------------------------------------------------- */

struct meta {
    uint8_t bytes[PAGE_HEADER + META_LEN];
};

static bool read_meta(int fd, uint64_t offset, struct meta *out_meta)
{
    if (!read_at(fd, out_meta->bytes, sizeof out_meta->bytes, offset)) return false;
    return (get16(out_meta->bytes + AT_FLAGS) & PAGE_META) != 0 && get32(out_meta->bytes + AT_MAGIC) == MAGIC &&
           get32(out_meta->bytes + AT_VERSION) == DATA_VERSION;
}

/* The first field of the free table doubles as the page size. */
static size_t page_size_of(const struct meta *meta)
{
    const uint32_t size = get32(meta->bytes + AT_FREE_TABLE);
    const bool is_sane = size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX && (size & (size - 1)) == 0;
    return is_sane ? size : 0;
}

static vault_status find_meta(int fd, uint64_t commit, struct meta *out_meta)
{
    struct meta metas[2];
    VT_ENSURE(read_meta(fd, 0, &metas[0]) && page_size_of(&metas[0]) != 0, VAULT_E_CORRUPT);
    const size_t page_size = page_size_of(&metas[0]);
    VT_ENSURE(read_meta(fd, page_size, &metas[1]) && page_size_of(&metas[1]) == page_size, VAULT_E_CORRUPT);

    const uint64_t first = get64(metas[0].bytes + AT_TRANSACTION), second = get64(metas[1].bytes + AT_TRANSACTION);
    const struct meta *found = commit == 0 ? &metas[second > first] : &metas[second == commit];
    VT_ENSURE(commit == 0 || get64(found->bytes + AT_TRANSACTION) == commit, VAULT_E_BUSY);
    *out_meta = *found;
    return VAULT_OK;
}

/* While commits go on a meta page may change in the middle of the read: two that agree were whole. */
static vault_status find_settled_meta(int fd, uint64_t commit, struct meta *out_meta)
{
    struct meta again;
    VT_TRY(find_meta(fd, commit, &again));
    VT_TRY(find_meta(fd, commit, out_meta));
    return memcmp(&again, out_meta, sizeof again) == 0 ? VAULT_OK : VAULT_E_BUSY;
}

/* The sizes that the meta page claims, against the file's. */
static vault_status walk_measure(struct walk *walk, const struct meta *meta)
{
    struct stat info = {0};
    VT_ENSURE(fstat(walk->fd, &info) == 0, VAULT_E_IO);
    walk->file_bytes = (uint64_t)info.st_size;
    walk->page_size = page_size_of(meta);
    walk->page_count = get64(meta->bytes + AT_LAST_PAGE) + 1;
    const uint64_t file_pages = walk->file_bytes / walk->page_size;
    VT_ENSURE(walk->page_count >= 2 && walk->page_count <= file_pages + UNWRITTEN_MAX, VAULT_E_CORRUPT);
    return VAULT_OK;
}

static vault_status walk_init(struct walk *walk, const struct meta *meta)
{
    VT_TRY(walk_measure(walk, meta));
    walk->is_seen = vt_calloc(walk->page_count / 8 + 1, 1);
    VT_ENSURE(walk->is_seen != NULL, VAULT_E_MEMORY);
    walk->levels = vt_malloc(2 * DEPTH_MAX * walk->page_size);
    VT_ENSURE(walk->levels != NULL, VAULT_E_MEMORY);
    return VAULT_OK;
}

/* Pages behind the end of the file may only be free ones: others say that the last page's number is not to be
 * trusted. */
static bool check_unwritten(struct walk *walk)
{
    for (uint64_t page = walk->file_bytes / walk->page_size; page < walk->page_count; page++) {
        if ((walk->is_seen[page / 8] & 1u << (page % 8)) == 0) return note_damage(walk);
    }
    return true;
}

static void walk_run(struct walk *walk, const struct meta *meta)
{
    const bool is_sound = walk_table(walk, meta->bytes + AT_FREE_TABLE, TREE_FREE) &&
                          walk_table(walk, meta->bytes + AT_MAIN_TABLE, TREE_MAIN) && check_unwritten(walk);
    walk->check.pages = walk->page_count;
    /* What was not reached because the walk stopped is not leaked. */
    if (is_sound) walk->check.leaked_pages = walk->page_count - 2 - walk->used_pages - walk->check.free_pages;
}

VT_RESULT vt_pages_check_size(int file_fd)
{
    struct meta meta;
    struct walk walk = {.fd = file_fd};
    VT_TRY(find_settled_meta(file_fd, 0, &meta));
    return walk_measure(&walk, &meta);
}

VT_RESULT vt_pages_check(int file_fd, uint64_t commit, struct vt_store_check *out_check)
{
    struct meta meta;
    struct walk walk = {.fd = file_fd};
    VT_TRY(find_settled_meta(file_fd, commit, &meta));
    const vault_status status = walk_init(&walk, &meta);
    if (status == VAULT_OK) walk_run(&walk, &meta);
    free(walk.is_seen);
    free(walk.levels);
    VT_TRY(status);
    *out_check = walk.check;
    return VAULT_OK;
}
