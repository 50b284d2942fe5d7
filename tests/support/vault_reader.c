#include "tests/support/vault_reader.h"

#include <stdlib.h>

#include "libvault/codec/text.h"
#include "libvault/crypto/aead.h"
#include "libvault/crypto/digest.h"
#include "libvault/crypto/mac.h"
#include "libvault/crypto/shamir.h"
#include "tests/support/ring_reader.h"

/* Byte positions from docs/FORMAT.md, typed again and not shared with the writer. */
enum {
    PLAIN_MAX = 8 * 1024 * 1024, SEAL_EXTRA = 94, TENANT = 1, SCOPE = 26,
    SLOT_AT = 104, SLOT_LEN = 296, SLOTS = 3, IMAGE_BLOCK = 4096, SHARES_MAX = 65536,
};

struct named_key {
    uint64_t tenant;
    struct vt_key key;
};
struct sid_key {
    uint8_t sid[16], key[32];
};
struct owner {                      /* of a record */
    uint64_t record;
    uint8_t sid[16];
};
struct share {
    uint64_t epoch;
    uint8_t attempt[16], k, x, bytes[32];
};
struct vault_reader {
    const struct vault_evidence *evidence;
    struct vault_watch watch;
    struct vault_reach *reach;
    const struct record_row *rows;
    size_t count;
    struct vt_vault_id vault_id;
    struct vt_key *unseal_keys;
    size_t unseal_count;
    struct share *shares;
    size_t share_count;
    struct named_key *named;
    size_t named_count, named_cap;
    struct sid_key *sid_keys;
    size_t sid_count, sid_cap;
    struct owner *owners;
    size_t owner_count;
    struct byte_set seen;
    uint8_t *plain;
};

static void *grown(void *old, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return old;
    *cap = *cap != 0 ? *cap * 2 : 256;
    void *fresh = calloc(*cap, size);
    VT_BUG_ON(fresh == NULL);
    if (count != 0) memcpy(fresh, old, count * size);
    free(old);
    return fresh;
}

static void hash_pieces(const struct vt_bytes *pieces, size_t count, uint8_t out_hash[32])
{
    VT_BUG_ON(vt_sha256(pieces, count, out_hash) != VAULT_OK);
}

static void hmac_pieces(const struct vt_key *key, const struct vt_bytes *pieces, size_t count, uint8_t out_mac[32])
{
    VT_BUG_ON(vt_hmac_sha256(vt_bytes(key->bytes, 32), pieces, count, out_mac) != VAULT_OK);
}

static void begin(const struct vault_reader *reader, struct vt_seal_ctx *ctx, uint64_t incarnation, enum vt_seal_kind kind,
                  uint64_t tenant)
{
    vt_seal_ctx_begin(ctx, reader->vault_id.bytes, incarnation, kind, tenant);
}

/* The bytes from @p at on are SEAL. */
static bool open_at(struct vault_reader *reader, size_t row, const struct vt_key *key, const struct vt_seal_ctx *ctx, size_t at,
                    size_t len)
{
    VT_BUG_ON(len < SEAL_EXTRA || len > PLAIN_MAX || at + len > reader->rows[row].len);
    if (vt_unseal_into(key, ctx, vt_bytes(reader->rows[row].value + at, len), reader->plain) != VAULT_OK) return false;
    reader->reach->opened[reader->rows[row].table]++;
    reader->watch.opened(reader->watch.context, row, vt_bytes(reader->plain, len - SEAL_EXTRA));
    return true;
}

static bool open_rest(struct vault_reader *reader, size_t row, const struct vt_key *key, const struct vt_seal_ctx *ctx, size_t at)
{
    return open_at(reader, row, key, ctx, at, reader->rows[row].len - at);
}

/* Unseal keys and root keys ------------------------------------------------------------------------------------------ */

/* Wrap: method 1 | id 16 | created 8 | length of params 2 | params | sealed 126; key files are method 2, params a salt. */
static void try_wrap(struct vault_reader *reader, const uint8_t *wrap, size_t params_len, const char *file)
{
    uint8_t secret[32], info[20 + 32 + 32];
    struct vt_key key, unseal_key;
    struct vt_seal_ctx ctx;
    const struct vt_bytes params = vt_bytes(wrap + 27, params_len);
    memcpy(info, "vaultd unseal wrap 1", 20);
    info[20] = wrap[0];
    hash_pieces(&params, 1, info + 21);
    VT_BUG_ON(vt_hex_decode(vt_bytes_str(file), secret, 32) != VAULT_OK);
    VT_BUG_ON(vt_hkdf_sha256(VT_BYTES_OF(secret), vt_bytes(wrap + 1, 16), vt_bytes(info, 53), key.bytes, 32) != VAULT_OK);
    begin(reader, &ctx, 0, VT_SEAL_WRAP, 0);
    vt_seal_ctx_bytes(&ctx, vt_bytes(wrap, 17));
    if (vt_unseal_into(&key, &ctx, vt_bytes(wrap + 27 + params_len, 126), unseal_key.bytes) != VAULT_OK) return;
    if (!byte_set_add(&reader->reach->keys, unseal_key.bytes)) return;
    reader->unseal_keys[reader->unseal_count++] = unseal_key;
}

/* version 1 | vault id 16 | count 2 | wraps | SHA-256 */
static void read_wraps(struct vault_reader *reader, const struct record_row *row)
{
    size_t at = 19;
    for (unsigned i = vt_get_u16(row->value + 17); i > 0; i--) {
        const size_t params_len = vt_get_u16(row->value + at + 25);
        VT_BUG_ON(at + 27 + params_len + 126 + 32 > row->len);
        for (size_t f = 0; f < reader->evidence->key_file_count && row->value[at] == 2; f++)
            try_wrap(reader, row->value + at, params_len, reader->evidence->key_files[f]);
        at += 27 + params_len + 126;
    }
}

static bool is_meta(const struct record_row *row, const char *name)
{
    return row->table == VT_TABLE_META && vt_bytes_equal_str(vt_bytes(row->key, row->key_len), name);
}

static void find_vault_id(struct vault_reader *reader)
{
    for (size_t i = 0; i < reader->count; i++)
        if (is_meta(&reader->rows[i], "root")) memcpy(reader->vault_id.bytes, reader->rows[i].value + 1, 16);
}

static void find_unseal_keys(struct vault_reader *reader)
{
    reader->unseal_keys = calloc(reader->evidence->key_file_count + 1, sizeof *reader->unseal_keys);
    VT_BUG_ON(reader->unseal_keys == NULL);
    find_vault_id(reader);
    for (size_t i = 0; i < reader->count; i++)
        if (is_meta(&reader->rows[i], "wraps")) read_wraps(reader, &reader->rows[i]);
    reader->reach->unseal_keys = reader->unseal_count;
}

/* state 1 | k 1 | m 1 | x 1 | length 2 | zero 2 | incarnation 8 | epoch 8 | attempt 16 | share 256 */
static void try_slot(struct vault_reader *reader, const uint8_t *block, const uint8_t *slot)
{
    uint8_t mark[32];
    const size_t len = vt_get_u16(slot + 4);
    const struct vt_bytes pieces[] = {vt_bytes(block + 24, 8), vt_bytes(slot, SLOT_LEN)};
    hash_pieces(pieces, 2, mark);
    if (len != 32 + SEAL_EXTRA || !byte_set_add(&reader->seen, mark)) return;
    for (size_t u = 0; u < reader->unseal_count; u++) {
        struct vt_seal_ctx ctx;
        struct share share = {.epoch = vt_get_u64(slot + 16), .k = slot[1], .x = slot[3]};
        begin(reader, &ctx, vt_get_u64(slot + 8), VT_SEAL_SLOT, 0);
        vt_seal_ctx_bytes(&ctx, vt_bytes(block + 24, 8));
        vt_seal_ctx_bytes(&ctx, vt_bytes(slot + 16, 24));
        vt_seal_ctx_bytes(&ctx, vt_bytes(slot + 1, 3));
        if (vt_unseal_into(&reader->unseal_keys[u], &ctx, vt_bytes(slot + 40, len), share.bytes) != VAULT_OK) continue;
        memcpy(share.attempt, slot + 24, 16);
        VT_BUG_ON(reader->share_count == SHARES_MAX);
        reader->shares[reader->share_count++] = share;
    }
}

static void find_shares(struct vault_reader *reader)
{
    reader->shares = calloc(SHARES_MAX, sizeof *reader->shares);
    VT_BUG_ON(reader->shares == NULL);
    for (size_t i = 0; i < reader->evidence->image_count * 2; i++) {
        const uint8_t *block = reader->evidence->images + i * IMAGE_BLOCK;
        for (unsigned s = 0; s < SLOTS; s++) try_slot(reader, block, block + SLOT_AT + s * SLOT_LEN);
    }
    reader->reach->slots = reader->share_count;
}

/* The root key that k shares of one attempt make; the ones from @p at on. */
static bool combine(const struct vault_reader *reader, size_t at, struct vt_key *out_key)
{
    uint8_t xs[256], bytes[256 * 32];
    unsigned count = 0;
    const struct share *first = &reader->shares[at];
    for (size_t i = at; i < reader->share_count && count < first->k; i++) {
        const struct share *share = &reader->shares[i];
        if (memcmp(share->attempt, first->attempt, 16) != 0 || memchr(xs, share->x, count) != NULL) continue;
        memcpy(bytes + count * 32, share->bytes, 32);
        xs[count++] = share->x;
    }
    return count == first->k && vt_shamir_combine(xs, bytes, count, 32, out_key->bytes) == VAULT_OK;
}

/* The keyring -------------------------------------------------------------------------------------------------------- */

static void ring_opened(void *context, const struct record_row *row, struct vt_bytes plain)
{
    struct vault_reader *reader = context;
    reader->reach->opened[row->table]++;
    reader->watch.opened(reader->watch.context, (size_t)(row - reader->rows), plain);
    if (row->table != VT_TABLE_KEYBLOCK) return;
    for (unsigned i = 0; i < vt_get_u16(plain.data + 2) + 2u; i++) {
        struct sid_key key;
        uint8_t mark[32];
        memcpy(key.sid, row->key, 16);
        memcpy(key.key, i < 2 ? plain.data + 8 + 32 * i : plain.data + 72 + 64 * (i - 2) + 32, 32);
        const struct vt_bytes piece = VT_BYTES_OF(key);
        hash_pieces(&piece, 1, mark);
        if (!byte_set_add(&reader->seen, mark)) continue;
        byte_set_add(&reader->reach->keys, key.key);
        reader->sid_keys = grown(reader->sid_keys, reader->sid_count, &reader->sid_cap, sizeof key);
        reader->sid_keys[reader->sid_count++] = key;
    }
}

static void ring_named_key(void *context, uint64_t tenant, const uint8_t key[32])
{
    struct vault_reader *reader = context;
    byte_set_add(&reader->reach->keys, key);
    reader->named = grown(reader->named, reader->named_count, &reader->named_cap, sizeof *reader->named);
    struct named_key *named = &reader->named[reader->named_count++];
    named->tenant = tenant;
    memcpy(named->key.bytes, key, 32);
}

static void ring_subject(void *context, uint64_t tenant, const uint8_t sid[16])
{
    const struct vault_reader *reader = context;
    VT_BUG_ON(tenant != TENANT);
    reader->watch.subject(reader->watch.context, sid);
}

static void ring_index_entry(void *context, const uint8_t hash[16], const uint8_t data[24])
{
    const struct vault_reader *reader = context;
    uint8_t secret[32];
    ring_index_secret(hash, data, secret);
    reader->watch.index_entry(reader->watch.context, data, secret);
}

static void read_ring(struct vault_reader *reader, bool is_exact)
{
    const struct ring_sink sink = {reader, ring_opened, ring_named_key, ring_subject, ring_index_entry};
    struct ring_reader *ring = ring_reader_new(reader->evidence->recording, &reader->vault_id, &sink, is_exact);
    for (size_t i = 0; i < reader->share_count; i++) {
        struct vt_key root_key;
        if (!combine(reader, i, &root_key) || !byte_set_add(&reader->reach->keys, root_key.bytes)) continue;
        ring_reader_open(ring, &root_key, is_exact ? reader->shares[i].epoch : 0);
    }
    ring_reader_free(ring);
}

/* Rows --------------------------------------------------------------------------------------------------------------- */

static int order_sid_keys(const void *a, const void *b)
{
    return memcmp(((const struct sid_key *)a)->sid, ((const struct sid_key *)b)->sid, 16);
}

static int order_owners(const void *a, const void *b)
{
    const struct owner *x = a, *y = b;
    return x->record == y->record ? memcmp(x->sid, y->sid, 16) : x->record < y->record ? -1 : 1;
}

/* RECORD keys say whose record it is: sid 16 | collection 2 | record 8. */
static void find_owners(struct vault_reader *reader)
{
    reader->owners = calloc(reader->count + 1, sizeof *reader->owners);
    VT_BUG_ON(reader->owners == NULL);
    for (size_t i = 0; i < reader->count; i++) {
        const struct record_row *row = &reader->rows[i];
        if (row->table != VT_TABLE_RECORD) continue;
        struct owner *owner = &reader->owners[reader->owner_count++];
        owner->record = vt_get_u64(row->key + 18);
        memcpy(owner->sid, row->key, 16);
    }
    if (reader->owner_count != 0) qsort(reader->owners, reader->owner_count, sizeof *reader->owners, order_owners);
}

/* First key of a subject; its keys lie side by side. */
static size_t first_sid_key(const struct vault_reader *reader, const uint8_t *sid)
{
    size_t low = 0, high = reader->sid_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (memcmp(reader->sid_keys[middle].sid, sid, 16) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_sid_key(const struct vault_reader *reader, size_t at, const uint8_t *sid)
{
    return at < reader->sid_count && memcmp(reader->sid_keys[at].sid, sid, 16) == 0;
}

/* Content of a row's first piece: n references at 40, 43 bytes each from 42: kind 1 | field 2 | hash 16 | data 24. */
static void read_references(struct vault_reader *reader, size_t row, size_t len)
{
    uint8_t secret[32];
    if (vt_get_u16(reader->rows[row].key + 10) != 0 || len < 42) return;
    const unsigned count = vt_get_u16(reader->plain + 40);
    for (unsigned i = 0; i < count && 42 + 43 * (i + 1) <= len; i++) {
        const uint8_t *reference = reader->plain + 42 + 43 * i;
        ring_index_secret(reference + 3, reference + 19, secret);
        reader->watch.reference(reader->watch.context, row, secret);
    }
}

/* Key: record 8 | category 2 | group 2. Value: incarnation 8 | key kind 1 | data key version 4 | row version 4 | SEAL. */
static void row_context(const struct vault_reader *reader, const struct record_row *row, const uint8_t *sid,
                        struct vt_seal_ctx *out_ctx)
{
    begin(reader, out_ctx, vt_get_u64(row->value), VT_SEAL_ROW, TENANT);
    vt_seal_ctx_bytes(out_ctx, vt_bytes(sid, 16));
    vt_seal_ctx_bytes(out_ctx, vt_bytes(row->key + 8, 2));
    vt_seal_ctx_bytes(out_ctx, vt_bytes(row->key, 8));
    vt_seal_ctx_bytes(out_ctx, vt_bytes(row->key + 10, 2));
    vt_seal_ctx_bytes(out_ctx, vt_bytes(row->value + 13, 4));
    vt_seal_ctx_bytes(out_ctx, vt_bytes(row->value + 9, 4));
}

/* Each key of the subject is tried, whatever category and version it claims. */
static void try_row_of(struct vault_reader *reader, size_t at, const uint8_t *sid)
{
    const struct record_row *row = &reader->rows[at];
    struct vt_seal_ctx ctx;
    row_context(reader, row, sid, &ctx);
    for (size_t k = first_sid_key(reader, sid); is_sid_key(reader, k, sid); k++) {
        struct vt_key key;
        memcpy(key.bytes, reader->sid_keys[k].key, 32);
        if (!open_rest(reader, at, &key, &ctx, 17)) continue;
        read_references(reader, at, row->len - 17 - SEAL_EXTRA);
        return;
    }
}

static void try_row(struct vault_reader *reader, size_t at)
{
    const uint64_t record = vt_get_u64(reader->rows[at].key);
    size_t low = 0, high = reader->owner_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (reader->owners[middle].record < record)
            low = middle + 1;
        else
            high = middle;
    }
    VT_BUG_ON(low == reader->owner_count || reader->owners[low].record != record);
    for (; low < reader->owner_count && reader->owners[low].record == record; low++)
        try_row_of(reader, at, reader->owners[low].sid);
}

/* What lies under named keys: each is tried ---------------------------------------------------------------------------- */

static void try_named(struct vault_reader *reader, size_t at, const struct vt_seal_ctx *ctx, size_t from)
{
    for (size_t k = 0; k < reader->named_count; k++)
        if (open_rest(reader, at, &reader->named[k].key, ctx, from)) return;
}

/* LEDGER, PENDING, HOLD, WAITING: incarnation 8 | SEAL, the key is the context. */
static void try_ledger(struct vault_reader *reader, size_t at, enum vt_seal_kind kind)
{
    const struct record_row *row = &reader->rows[at];
    struct vt_seal_ctx ctx;
    begin(reader, &ctx, vt_get_u64(row->value), kind, 0);
    vt_seal_ctx_bytes(&ctx, vt_bytes(row->key, row->key_len));
    try_named(reader, at, &ctx, 8);
}

/* The key's first byte, open or ended, is not in the context. */
static void try_approval(struct vault_reader *reader, size_t at)
{
    const struct record_row *row = &reader->rows[at];
    struct vt_seal_ctx ctx;
    begin(reader, &ctx, vt_get_u64(row->value), VT_SEAL_APPROVAL, 0);
    vt_seal_ctx_bytes(&ctx, vt_bytes(row->key + 1, row->key_len - 1));
    try_named(reader, at, &ctx, 8);
}

/* Key: kind 1 | tenant 8 | name hash 16. Value: incarnation 8 | version 8 | SEAL. */
static void try_config(struct vault_reader *reader, size_t at)
{
    const struct record_row *row = &reader->rows[at];
    struct vt_seal_ctx ctx;
    begin(reader, &ctx, vt_get_u64(row->value), VT_SEAL_CONFIG, vt_get_u64(row->key + 1));
    vt_seal_ctx_bytes(&ctx, vt_bytes(row->key, 1));
    vt_seal_ctx_bytes(&ctx, vt_bytes(row->key + 9, 16));
    vt_seal_ctx_bytes(&ctx, vt_bytes(row->value + 8, 8));
    try_named(reader, at, &ctx, 16);
}

/* Epoch and attempt are those of the root record that the same commit wrote: the nearest one, before or behind. */
static void try_closing_with(struct vault_reader *reader, size_t at, const struct record_row *root)
{
    const struct record_row *row = &reader->rows[at];
    uint32_t part = 0;
    struct vt_seal_ctx ctx;
    for (size_t i = 8; i < row->key_len; i++) {
        const uint8_t digit = row->key[i];
        part = part * 16 + ((uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10));
    }
    begin(reader, &ctx, vt_get_u64(row->value), VT_SEAL_CLOSING, 0);
    vt_seal_ctx_bytes(&ctx, vt_bytes(root->value + 25, 24));
    vt_seal_ctx_u32(&ctx, part);
    try_named(reader, at, &ctx, 8);
}

static void try_closing(struct vault_reader *reader, size_t at)
{
    for (size_t i = at; i-- > 0;) {
        if (!is_meta(&reader->rows[i], "root")) continue;
        try_closing_with(reader, at, &reader->rows[i]);
        break;
    }
    for (size_t i = at; i < reader->count; i++) {
        if (!is_meta(&reader->rows[i], "root")) continue;
        try_closing_with(reader, at, &reader->rows[i]);
        break;
    }
}

/* Leaf: P at 3, R at 4, tenant at 29, incarnation at 37; items behind 109 + P + R: kind 1 | origin 16 | payload id 16 | length 4 |
 * bytes. */
static void try_payload(struct vault_reader *reader, size_t at, size_t item)
{
    const struct record_row *row = &reader->rows[at];
    const uint8_t *origin = row->value + item + 1;
    const size_t len = vt_get_u32(row->value + item + 33);
    struct vt_seal_ctx ctx;
    begin(reader, &ctx, vt_get_u64(row->value + 37), VT_SEAL_AUDIT_PAYLOAD, vt_get_u64(row->value + 29));
    vt_seal_ctx_bytes(&ctx, vt_bytes(origin, 32));
    for (size_t k = 0; k < reader->named_count; k++) {
        if (!open_at(reader, at, &reader->named[k].key, &ctx, item + 37, len)) continue;
        reader->watch.payload(reader->watch.context, origin);
        return;
    }
    for (size_t k = first_sid_key(reader, origin); is_sid_key(reader, k, origin); k++) {
        struct vt_key key;
        memcpy(key.bytes, reader->sid_keys[k].key, 32);
        if (!open_at(reader, at, &key, &ctx, item + 37, len)) continue;
        reader->watch.payload(reader->watch.context, origin);
        return;
    }
}

static void try_audit(struct vault_reader *reader, size_t at)
{
    const struct record_row *row = &reader->rows[at];
    size_t item = 109u + row->value[3] + row->value[4];
    while (item < row->len) {
        VT_BUG_ON(item + 37 > row->len);
        if (row->value[item] == 1) try_payload(reader, at, item);
        item += 37 + vt_get_u32(row->value + item + 33);
    }
}

static void try_rest(struct vault_reader *reader, size_t at)
{
    const struct record_row *row = &reader->rows[at];
    if (row->table == VT_TABLE_ROW) try_row(reader, at);
    if (row->table == VT_TABLE_LEDGER) try_ledger(reader, at, VT_SEAL_LEDGER);
    if (row->table == VT_TABLE_PENDING) try_ledger(reader, at, VT_SEAL_PENDING);
    if (row->table == VT_TABLE_HOLD) try_ledger(reader, at, VT_SEAL_HOLD);
    if (row->table == VT_TABLE_WAITING) try_ledger(reader, at, VT_SEAL_WAITING);
    if (row->table == VT_TABLE_APPROVAL) try_approval(reader, at);
    if (row->table == VT_TABLE_CONFIG) try_config(reader, at);
    if (row->table == VT_TABLE_AUDIT) try_audit(reader, at);
    if (row->table == VT_TABLE_META && row->key_len >= 7 && memcmp(row->key, "closing", 7) == 0) try_closing(reader, at);
}

/* Tokens and kept answers: their keys come from texts that others have --------------------------------------------------- */

static int order_rows(const void *a, const void *b)
{
    const struct record_row *x = *(const struct record_row *const *)a, *y = *(const struct record_row *const *)b;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    return vt_bytes_compare(vt_bytes(x->key, x->key_len), vt_bytes(y->key, y->key_len));
}

struct named_rows {
    const struct record_row **sorted;
    size_t count;
};

static struct named_rows sort_rows_of(const struct vault_reader *reader, enum vt_table table)
{
    struct named_rows rows = {calloc(reader->count + 1, sizeof *rows.sorted), 0};
    VT_BUG_ON(rows.sorted == NULL);
    for (size_t i = 0; i < reader->count; i++)
        if (reader->rows[i].table == table) rows.sorted[rows.count++] = &reader->rows[i];
    if (rows.count != 0) qsort(rows.sorted, rows.count, sizeof *rows.sorted, order_rows);
    return rows;
}

static size_t first_named(const struct named_rows *rows, struct vt_bytes key)
{
    size_t low = 0, high = rows->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (vt_bytes_compare(vt_bytes(rows->sorted[middle]->key, rows->sorted[middle]->key_len), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_named(const struct named_rows *rows, size_t at, struct vt_bytes key)
{
    return at < rows->count && vt_bytes_compare(vt_bytes(rows->sorted[at]->key, rows->sorted[at]->key_len), key) == 0;
}

/* Value: incarnation 8 | key version 4 | SEAL under HMAC(seal key, text). */
static void try_token_row(struct vault_reader *reader, const struct named_rows *rows, struct vt_bytes key, struct vt_bytes text)
{
    uint8_t padded[17] = {0};
    memcpy(padded, key.data, key.len);
    for (size_t at = first_named(rows, key); is_named(rows, at, key); at++)
        for (size_t k = 0; k < reader->named_count; k++) {
            struct vt_key seal_key;
            struct vt_seal_ctx ctx;
            const size_t row = (size_t)(rows->sorted[at] - reader->rows);
            hmac_pieces(&reader->named[k].key, &text, 1, seal_key.bytes);
            begin(reader, &ctx, vt_get_u64(rows->sorted[at]->value), VT_SEAL_TOKEN, TENANT);
            vt_seal_ctx_bytes(&ctx, VT_BYTES_OF(padded));
            open_rest(reader, row, &seal_key, &ctx, 12);
        }
}

/* `tok_` and base32 of AES(lookup key, sequence 6 | random 10): row key 1 | sequence 8. Digits: 2 | HMAC. */
static void try_token(struct vault_reader *reader, const struct named_rows *rows, const char *token)
{
    static const uint8_t zero[1] = {0};
    uint8_t row_key[17], block[16], clear[32] = {0};
    const struct vt_bytes text = vt_bytes_str(token);
    const bool is_opaque = memcmp(token, "tok_", 4) == 0;
    const struct vt_bytes pieces[] = {vt_bytes_str("digit-token:1"), vt_bytes(zero, 1), text};
    if (is_opaque) VT_BUG_ON(vt_base32_decode(vt_bytes(text.data + 4, text.len - 4), block, 16) != VAULT_OK);
    for (size_t k = 0; k < reader->named_count; k++) {
        row_key[0] = is_opaque ? 1 : 2;
        if (is_opaque) {
            VT_BUG_ON(vt_aes256_block(&reader->named[k].key, false, block, clear) != VAULT_OK);
            memset(row_key + 1, 0, 2);
            memcpy(row_key + 3, clear, 6);
        } else {
            hmac_pieces(&reader->named[k].key, pieces, 3, clear);
            memcpy(row_key + 1, clear, 16);
        }
        try_token_row(reader, rows, vt_bytes(row_key, is_opaque ? 9 : 17), text);
    }
}

/* Key: principal 16 | HMAC(key, label | the caller's key)[0:16]. Value: expiry 8 | incarnation 8 | SEAL. */
static void try_answer(struct vault_reader *reader, const struct named_rows *rows, const char *caller_key)
{
    const struct vt_bytes name[] = {vt_bytes_str("idempotency-row:1"), vt_bytes_str(caller_key)};
    const struct vt_bytes seal[] = {vt_bytes_str("idempotency-seal:1"), vt_bytes_str(caller_key)};
    for (size_t k = 0; k < reader->named_count; k++) {
        uint8_t hash[32];
        struct vt_key seal_key;
        if (reader->named[k].tenant != 0) continue;
        hmac_pieces(&reader->named[k].key, name, 2, hash);
        hmac_pieces(&reader->named[k].key, seal, 2, seal_key.bytes);
        for (size_t i = 0; i < rows->count; i++) {
            struct vt_seal_ctx ctx;
            if (memcmp(rows->sorted[i]->key + 16, hash, 16) != 0) continue;
            begin(reader, &ctx, vt_get_u64(rows->sorted[i]->value + 8), VT_SEAL_IDEMPOTENCY, TENANT);
            vt_seal_ctx_bytes(&ctx, vt_bytes(rows->sorted[i]->key, 32));
            open_rest(reader, (size_t)(rows->sorted[i] - reader->rows), &seal_key, &ctx, 16);
        }
    }
}

static void read_others(struct vault_reader *reader)
{
    const struct named_rows tokens = sort_rows_of(reader, VT_TABLE_TOKEN), answers = sort_rows_of(reader, VT_TABLE_IDEMPOTENCY);
    for (size_t i = 0; i < reader->evidence->token_count; i++) try_token(reader, &tokens, reader->evidence->tokens[i]);
    for (size_t i = 0; i < reader->evidence->caller_key_count; i++)
        try_answer(reader, &answers, reader->evidence->caller_keys[i]);
    free(tokens.sorted);
    free(answers.sorted);
}

void vault_reach_from(const struct vault_evidence *evidence, bool is_exact, const struct vault_watch *watch,
                      struct vault_reach *out_reach)
{
    struct vault_reader reader = {.evidence = evidence, .watch = *watch, .reach = out_reach,
                                  .rows = recording_rows(evidence->recording), .count = recording_count(evidence->recording)};
    *out_reach = (struct vault_reach){.unseal_keys = 0};
    reader.plain = malloc(PLAIN_MAX);
    VT_BUG_ON(reader.plain == NULL);
    find_unseal_keys(&reader);
    find_shares(&reader);
    read_ring(&reader, is_exact);
    if (reader.sid_count != 0) qsort(reader.sid_keys, reader.sid_count, sizeof *reader.sid_keys, order_sid_keys);
    find_owners(&reader);
    for (size_t i = 0; i < reader.count; i++) try_rest(&reader, i);
    read_others(&reader);
    byte_set_release(&reader.seen);
    free(reader.unseal_keys);
    free(reader.shares);
    free(reader.named);
    free(reader.sid_keys);
    free(reader.owners);
    free(reader.plain);
}

static const uint8_t *find_owner(const struct vault_reader *reader, uint64_t record)
{
    for (size_t i = 0; i < reader->count; i++) {
        const struct record_row *row = &reader->rows[i];
        if (row->table == VT_TABLE_RECORD && vt_get_u64(row->key + 18) == record) return row->key;
    }
    VT_BUG_ON(true);
}

size_t vault_try_keys(const struct vault_evidence *evidence, const struct byte_set *keys, size_t row)
{
    struct vault_reader reader = {.rows = recording_rows(evidence->recording), .count = recording_count(evidence->recording)};
    const struct record_row *sealed = &reader.rows[row];
    const bool is_block = sealed->table == VT_TABLE_KEYBLOCK;
    const size_t at = is_block ? 12 : 17;
    struct vt_seal_ctx ctx;
    size_t opened = 0;
    uint8_t *plain = malloc(sealed->len);
    VT_BUG_ON(plain == NULL || sealed->len < at + SEAL_EXTRA);
    find_vault_id(&reader);
    if (is_block) {
        begin(&reader, &ctx, vt_get_u64(sealed->value), VT_SEAL_KEY_BLOCK, TENANT);
        vt_seal_ctx_bytes(&ctx, vt_bytes(sealed->key, 16));
        vt_seal_ctx_bytes(&ctx, vt_bytes(sealed->value + 8, 4));
    } else {
        row_context(&reader, sealed, find_owner(&reader, vt_get_u64(sealed->key)), &ctx);
    }
    for (size_t i = 0; i < keys->cap; i++) {
        struct vt_key key;
        if (!keys->used[i]) continue;
        memcpy(key.bytes, keys->slots[i], 32);
        opened += vt_unseal_into(&key, &ctx, vt_bytes(sealed->value + at, sealed->len - at), plain) == VAULT_OK;
    }
    free(plain);
    return opened;
}

void vault_reach_release(struct vault_reach *reach)
{
    byte_set_release(&reach->keys);
}
