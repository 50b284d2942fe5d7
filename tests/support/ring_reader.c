#include "tests/support/ring_reader.h"

#include <stdlib.h>

#include "libvault/crypto/aead.h"
#include "libvault/crypto/digest.h"

/* Byte positions from docs/FORMAT.md, typed again and not shared with the writer. */
enum {
    PAGE_LEAF = 1, PAGE_INNER = 2, PAGE_TENANT = 3,
    T_SYS = 1, T_DIR = 2, T_SUB = 3, T_IDX = 4, T_TEN = 5, T_TENANT = 6,
    PLAIN_MAX = 32 * 1024, NAME_LEN = 18,
};

void ring_index_secret(const uint8_t hash[16], const uint8_t data[24], uint8_t out_secret[32])
{
    const struct vt_bytes pieces[] = {vt_bytes(hash, 16), vt_bytes(data, 24)};
    VT_BUG_ON(vt_sha256(pieces, 2, out_secret) != VAULT_OK);
}

/* A page to try: a name and a key that some opened page gave for it. */
struct lead {
    uint8_t name[NAME_LEN];
    uint8_t key[32];
    uint8_t version[8];
};

struct ring_reader {
    const struct vt_vault_id *vault_id;
    const struct record_row **sorted;
    size_t count;
    struct lead *leads;
    size_t lead_count, lead_cap;
    struct byte_set tried;
    struct ring_reach reach;
    struct ring_sink sink;
    bool is_exact;
    uint8_t plain[PLAIN_MAX];
};

static int order_rows(const void *a, const void *b)
{
    const struct record_row *x = *(const struct record_row *const *)a, *y = *(const struct record_row *const *)b;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    return vt_bytes_compare(vt_bytes(x->key, x->key_len), vt_bytes(y->key, y->key_len));
}

/* First row of a table and key; rows of the same key lie side by side. */
static size_t first_row(const struct ring_reader *reader, enum vt_table table, const uint8_t *key, size_t key_len)
{
    const struct record_row wanted = {.table = table, .key = key, .key_len = key_len}, *pointer = &wanted;
    size_t low = 0, high = reader->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (order_rows(&reader->sorted[middle], &pointer) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_row_of(const struct ring_reader *reader, size_t at, enum vt_table table, const uint8_t *key, size_t key_len)
{
    if (at >= reader->count) return false;
    const struct record_row *row = reader->sorted[at];
    return row->table == table && row->key_len == key_len && memcmp(row->key, key, key_len) == 0;
}

static void grow_leads(struct ring_reader *reader)
{
    reader->lead_cap = reader->lead_cap != 0 ? reader->lead_cap * 2 : 1024;
    struct lead *grown = calloc(reader->lead_cap, sizeof *grown);
    VT_BUG_ON(grown == NULL);
    if (reader->lead_count != 0) memcpy(grown, reader->leads, reader->lead_count * sizeof *grown);
    free(reader->leads);
    reader->leads = grown;
}

static void add_lead(struct ring_reader *reader, uint64_t tenant, unsigned tree, unsigned level, const uint8_t *slot)
{
    struct lead lead;
    uint8_t mark[32];
    vt_put_u64(lead.name, tenant);
    lead.name[8] = (uint8_t)tree;
    lead.name[9] = (uint8_t)level;
    memcpy(lead.name + 10, slot, 8);
    memcpy(lead.key, slot + 8, 32);
    memcpy(lead.version, slot + 40, 8);
    VT_BUG_ON(vt_sha256_one(VT_BYTES_OF(lead), mark) != VAULT_OK);
    if (!byte_set_add(&reader->tried, mark)) return;
    if (reader->lead_count == reader->lead_cap) grow_leads(reader);
    reader->leads[reader->lead_count++] = lead;
}

/* @param at of SEAL in the row's value */
static bool open_sealed(struct ring_reader *reader, const uint8_t *key_bytes, const struct vt_seal_ctx *ctx,
                        const struct record_row *row, size_t at)
{
    struct vt_key key;
    const size_t len = row->len - at;
    memcpy(key.bytes, key_bytes, 32);
    VT_BUG_ON(row->len < at + 94 || len - 94 > PLAIN_MAX);
    if (vt_unseal_into(&key, ctx, vt_bytes(row->value + at, len), reader->plain) != VAULT_OK) return false;
    if (reader->sink.opened != NULL) reader->sink.opened(reader->sink.context, row, vt_bytes(reader->plain, len - 94));
    return true;
}

/* A subject's key comes up in every version of its leaf. */
static bool is_first_try(struct ring_reader *reader, const uint8_t *sid, const uint8_t *subject_key)
{
    const struct vt_bytes pieces[] = {vt_bytes(sid, 16), vt_bytes(subject_key, 32)};
    uint8_t mark[32];
    VT_BUG_ON(vt_sha256(pieces, 2, mark) != VAULT_OK);
    return byte_set_add(&reader->tried, mark);
}

/* Key-block row: incarnation 8 | version 4 | SEAL. Plain: count at 2, audit key at 8, pseudonym key at 40, keys of 64
 * from 72 with the key itself at 32. */
static void try_blocks(struct ring_reader *reader, uint64_t tenant, const uint8_t *sid, const uint8_t *subject_key)
{
    if (!is_first_try(reader, sid, subject_key)) return;
    if (reader->sink.subject != NULL) reader->sink.subject(reader->sink.context, tenant, sid);
    size_t at = first_row(reader, VT_TABLE_KEYBLOCK, sid, 16);
    for (; is_row_of(reader, at, VT_TABLE_KEYBLOCK, sid, 16); at++) {
        const struct record_row *row = reader->sorted[at];
        struct vt_seal_ctx ctx;
        vt_seal_ctx_begin(&ctx, reader->vault_id->bytes, vt_get_u64(row->value), VT_SEAL_KEY_BLOCK, tenant);
        vt_seal_ctx_bytes(&ctx, vt_bytes(sid, 16));
        vt_seal_ctx_u32(&ctx, vt_get_u32(row->value + 8));
        if (!open_sealed(reader, subject_key, &ctx, row, 12)) continue;
        reader->reach.blocks_opened++;
        for (unsigned i = 0; i < vt_get_u16(reader->plain + 2); i++)
            byte_set_add(&reader->reach.secrets, reader->plain + 72 + 64 * i + 32);
    }
}

static void read_named_key(struct ring_reader *reader, uint64_t tenant, const uint8_t *key)
{
    if (!byte_set_add(&reader->reach.secrets, key)) return;
    if (reader->sink.named_key != NULL) reader->sink.named_key(reader->sink.context, tenant, key);
}

/* Leaf: count at 2, entries of 65 from 16: key 16 | payload 49. */
static void read_leaf(struct ring_reader *reader, uint64_t tenant, unsigned tree)
{
    uint8_t entries[60 * 65], secret[32];
    const unsigned count = vt_get_u16(reader->plain + 2);
    VT_BUG_ON(count > 60);
    memcpy(entries, reader->plain + 16, count * 65u);   /* opening blocks reuses the buffer */
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *entry = entries + 65 * i, *payload = entry + 16;
        if (tree == T_DIR) add_lead(reader, vt_get_u64(entry + 8), T_TENANT, 0, payload);
        if (tree == T_SUB) try_blocks(reader, tenant, entry, payload);
        if (tree == T_SYS || tree == T_TEN) read_named_key(reader, tenant, payload);
        if (tree != T_IDX) continue;
        if (reader->sink.index_entry != NULL) reader->sink.index_entry(reader->sink.context, payload, payload + 16);
        ring_index_secret(payload, payload + 16, secret);
        byte_set_add(&reader->reach.secrets, secret);
    }
}

static void read_page(struct ring_reader *reader, const struct lead *lead)
{
    const uint64_t tenant = vt_get_u64(lead->name);
    const unsigned tree = lead->name[8], level = lead->name[9];
    const unsigned kind = reader->plain[1];
    reader->reach.pages_opened++;
    if (kind == PAGE_LEAF) read_leaf(reader, tenant, tree);
    if (kind == PAGE_INNER)
        for (unsigned i = 0; i < 64; i++) add_lead(reader, tenant, tree, level + 1, reader->plain + 16 + 56 * i);
    if (kind != PAGE_TENANT) return;
    static const unsigned trees[] = {T_SUB, T_IDX, T_TEN};
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *slot = reader->plain + 48 + 56 * i;
        if (slot[48] != 0) add_lead(reader, tenant, trees[i], 0, slot);
    }
}

/* Page row: incarnation 8 | page version 8 | epoch 8 | SEAL. */
static void try_page(struct ring_reader *reader, const struct lead *lead)
{
    size_t at = first_row(reader, VT_TABLE_PAGE, lead->name, NAME_LEN);
    for (; is_row_of(reader, at, VT_TABLE_PAGE, lead->name, NAME_LEN); at++) {
        const struct record_row *row = reader->sorted[at];
        struct vt_seal_ctx ctx;
        if (reader->is_exact && memcmp(row->value + 8, lead->version, 8) != 0) continue;
        vt_seal_ctx_begin(&ctx, reader->vault_id->bytes, vt_get_u64(row->value), VT_SEAL_PAGE, vt_get_u64(lead->name));
        vt_seal_ctx_bytes(&ctx, vt_bytes(lead->name + 8, 10));
        vt_seal_ctx_bytes(&ctx, vt_bytes(row->value + 8, 16));
        if (open_sealed(reader, lead->key, &ctx, row, 24)) read_page(reader, lead);
    }
}

/* Root record: version 1 | vault id 16 | incarnation 8 | epoch 8 | attempt 16 | page version 8 | commit 8 | SEAL.
 * Plain: slot of T_sys at 48, of T_dir at 104. */
static void try_roots(struct ring_reader *reader, const struct vt_key *root_key, uint64_t epoch)
{
    const uint8_t *name = (const uint8_t *)"root";
    size_t at = first_row(reader, VT_TABLE_META, name, 4);
    for (; is_row_of(reader, at, VT_TABLE_META, name, 4); at++) {
        const struct record_row *row = reader->sorted[at];
        struct vt_seal_ctx ctx;
        if (epoch != 0 && vt_get_u64(row->value + 25) != epoch) continue;
        vt_seal_ctx_begin(&ctx, row->value + 1, vt_get_u64(row->value + 17), VT_SEAL_ROOT_PAGE, 0);
        vt_seal_ctx_bytes(&ctx, vt_bytes(row->value + 49, 8));
        vt_seal_ctx_bytes(&ctx, vt_bytes(row->value + 25, 8));
        if (!open_sealed(reader, root_key->bytes, &ctx, row, 65)) continue;
        reader->reach.roots_opened++;
        add_lead(reader, 0, T_SYS, 0, reader->plain + 48);
        add_lead(reader, 0, T_DIR, 0, reader->plain + 104);
    }
}

static void sort_rows(struct ring_reader *reader, const struct recording *recording)
{
    const struct record_row *rows = recording_rows(recording);
    reader->count = recording_count(recording);
    reader->sorted = calloc(reader->count, sizeof *reader->sorted);
    VT_BUG_ON(reader->sorted == NULL);
    for (size_t i = 0; i < reader->count; i++) reader->sorted[i] = &rows[i];
    qsort(reader->sorted, reader->count, sizeof *reader->sorted, order_rows);
}

struct ring_reader *ring_reader_new(const struct recording *recording, const struct vt_vault_id *vault_id,
                                    const struct ring_sink *sink, bool is_exact)
{
    struct ring_reader *reader = calloc(1, sizeof *reader);
    VT_BUG_ON(reader == NULL);
    reader->vault_id = vault_id;
    reader->is_exact = is_exact;
    if (sink != NULL) reader->sink = *sink;
    sort_rows(reader, recording);
    return reader;
}

void ring_reader_open(struct ring_reader *reader, const struct vt_key *root_key, uint64_t epoch)
{
    try_roots(reader, root_key, epoch);
    while (reader->lead_count != 0) {
        const struct lead lead = reader->leads[--reader->lead_count];
        try_page(reader, &lead);
    }
}

void ring_reader_free(struct ring_reader *reader)
{
    ring_reach_release(&reader->reach);
    byte_set_release(&reader->tried);
    free(reader->leads);
    free(reader->sorted);
    free(reader);
}

void ring_reach_from(const struct recording *recording, const struct vt_vault_id *vault_id,
                     const struct vt_key *root_key, struct ring_reach *out_reach)
{
    struct ring_reader *reader = ring_reader_new(recording, vault_id, NULL, false);
    ring_reader_open(reader, root_key, 0);
    *out_reach = reader->reach;
    reader->reach = (struct ring_reach){.roots_opened = 0};
    ring_reader_free(reader);
}

void ring_reach_release(struct ring_reach *reach)
{
    byte_set_release(&reach->secrets);
}
