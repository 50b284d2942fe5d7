/* Rows of the ledger and of pending requests. */
#include "vaultd/core/epoch/ledger.h"

#include "libvault/crypto/rng.h"
#include "vaultd/core/epoch/ledger_internal.h"
#include "vaultd/core/policy/hold.h"

enum { LEDGER_PLAIN_VERSION = 1, PENDING_PLAIN_VERSION = 2 };

/* Shared bits ----------------------------------------------------------------------------------------------------- */

void vt_scope_key(const struct vt_scope *scope, uint8_t out_key[VT_SCOPE_KEY_LEN])
{
    memcpy(out_key, scope->sid.bytes, sizeof scope->sid.bytes);
    vt_put_u16(out_key + 16, scope->category);
    vt_put_u64(out_key + 18, scope->record);
}

static struct vt_scope scope_decode(const uint8_t *in)
{
    struct vt_scope scope = {.category = vt_get_u16(in + 16), .record = vt_get_u64(in + 18)};
    memcpy(scope.sid.bytes, in, sizeof scope.sid.bytes);
    return scope;
}

enum { COVERING_MAX = 4 };

/* The scope itself, its category, its record in every category, its whole subject: a shred of any of them covers it. */
static size_t covering(const struct vt_scope *scope, struct vt_scope out_scopes[COVERING_MAX])
{
    size_t count = 0;
    out_scopes[count++] = *scope;
    if (scope->record != 0) out_scopes[count++] = (struct vt_scope){scope->sid, scope->category, 0};
    if (scope->record != 0 && scope->category != VT_CATEGORY_ALL)
        out_scopes[count++] = (struct vt_scope){scope->sid, VT_CATEGORY_ALL, scope->record};
    if (scope->category != VT_CATEGORY_ALL) out_scopes[count++] = (struct vt_scope){scope->sid, VT_CATEGORY_ALL, 0};
    return count;
}

VT_RESULT vt_counter_last(struct vt_txn *txn, const char *name, uint64_t *out_number)
{
    struct vt_bytes value;
    const vault_status status = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(name), &value);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    VT_ENSURE(status == VAULT_E_NOT_FOUND || value.len == 8, VAULT_E_CORRUPT);
    *out_number = status == VAULT_OK ? vt_get_u64(value.data) : 0;
    return VAULT_OK;
}

VT_RESULT vt_counter_next(struct vt_txn *txn, const char *name, uint64_t *out_number)
{
    uint64_t number;
    uint8_t bytes[8];
    VT_TRY(vt_counter_last(txn, name, &number));
    VT_ENSURE(number != UINT64_MAX, VAULT_E_LIMIT);
    vt_put_u64(bytes, ++number);
    VT_TRY(vt_store_put(txn, VT_TABLE_META, vt_bytes_str(name), VT_BYTES_OF(bytes), VT_PUT_DEFAULT));
    *out_number = number;
    return VAULT_OK;
}

VT_RESULT vt_journal_row(struct vt_buf *out_rows, enum vt_table table, struct vt_bytes key, const struct vt_bytes *value)
{
    VT_TRY(vt_buf_append_byte(out_rows, (uint8_t)table));
    VT_TRY(vt_buf_append_u16(out_rows, (uint16_t)key.len));
    VT_TRY(vt_buf_append(out_rows, key));
    VT_TRY(vt_buf_append_u32(out_rows, value != NULL ? (uint32_t)value->len : UINT32_MAX));
    return value != NULL ? vt_buf_append(out_rows, *value) : VAULT_OK;
}

/* Ledger ---------------------------------------------------------------------------------------------------------- */

enum { SID_KEY_LEN = VT_SCOPE_KEY_LEN + 8 };

static void ledger_encode(const struct vt_ledger_entry *entry, uint8_t out_plain[VT_LEDGER_PLAIN_LEN])
{
    memset(out_plain, 0, VT_LEDGER_PLAIN_LEN);
    out_plain[0] = LEDGER_PLAIN_VERSION;
    out_plain[1] = entry->op;
    memcpy(out_plain + 2, entry->object_id, sizeof entry->object_id);
    vt_put_u64(out_plain + 18, entry->tenant);
    vt_scope_key(&entry->scope, out_plain + 26);
    vt_put_u64(out_plain + 52, entry->certificate);
    vt_put_u64(out_plain + 60, entry->epoch);
    vt_put_u64(out_plain + 68, (uint64_t)entry->at_ms);
}

static VT_RESULT ledger_decode(const uint8_t *plain, uint64_t sequence, struct vt_ledger_entry *out_entry)
{
    VT_ENSURE(plain[0] == LEDGER_PLAIN_VERSION, VAULT_E_FORMAT);
    struct vt_ledger_entry entry = {.sequence = sequence,
                                    .op = plain[1],
                                    .tenant = vt_get_u64(plain + 18),
                                    .scope = scope_decode(plain + 26),
                                    .certificate = vt_get_u64(plain + 52),
                                    .epoch = vt_get_u64(plain + 60),
                                    .at_ms = (int64_t)vt_get_u64(plain + 68)};
    memcpy(entry.object_id, plain + 2, sizeof entry.object_id);
    *out_entry = entry;
    return VAULT_OK;
}

static VT_RESULT ledger_open(struct vt_keyring_view *view, struct vt_bytes sequence_bytes, struct vt_bytes value,
                             struct vt_ledger_entry *out_entry)
{
    uint8_t plain[VT_LEDGER_PLAIN_LEN];
    VT_ENSURE(sequence_bytes.len == 8, VAULT_E_CORRUPT);
    VT_TRY(vt_sealed_row_open(view, VT_SEAL_LEDGER, sequence_bytes, value, plain, sizeof plain));
    return ledger_decode(plain, vt_get_u64(sequence_bytes.data), out_entry);
}

static void sid_key(const struct vt_scope *scope, uint64_t sequence, uint8_t out_key[SID_KEY_LEN])
{
    vt_scope_key(scope, out_key);
    vt_put_u64(out_key + VT_SCOPE_KEY_LEN, sequence);
}

VT_RESULT vt_ledger_append(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_ledger_entry *entry)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(512);
    uint8_t plain[VT_LEDGER_PLAIN_LEN], sequence_bytes[8], by_sid[SID_KEY_LEN];
    uint64_t sequence;
    VT_ENSURE(entry->op >= VT_LEDGER_SHRED && entry->op <= VT_LEDGER_TAKE_OVER, VAULT_E_ARGUMENT);
    VT_TRY(vt_counter_next(txn, VT_COUNTER_LEDGER, &sequence));
    vt_put_u64(sequence_bytes, sequence);
    ledger_encode(entry, plain);
    VT_TRY(vt_sealed_row(view, VT_SEAL_LEDGER, VT_BYTES_OF(sequence_bytes), VT_BYTES_OF(plain), &value));
    VT_TRY(vt_store_put(txn, VT_TABLE_LEDGER, VT_BYTES_OF(sequence_bytes), vt_buf_bytes(&value), VT_PUT_NEW));
    sid_key(&entry->scope, sequence, by_sid);
    VT_TRY(vt_store_put(txn, VT_TABLE_LEDGER_SID, VT_BYTES_OF(by_sid), VT_BYTES_EMPTY, VT_PUT_NEW));
    entry->sequence = sequence;
    return VAULT_OK;
}

/* The newest entry of this kind for exactly this scope, walking back from its last one. */
static VT_RESULT find_exact(struct vt_keyring_view *view, const struct vt_scope *scope, enum vt_ledger_op op,
                            struct vt_ledger_entry *out_entry)
{
    struct vt_txn *txn = vt_keyring_view_txn(view);
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    uint8_t before[SID_KEY_LEN + 1], prefix[VT_SCOPE_KEY_LEN];
    struct vt_bytes found, unused, value;
    vt_scope_key(scope, prefix);
    sid_key(scope, UINT64_MAX, before);
    before[SID_KEY_LEN] = 0;                    /* behind the last possible entry */
    struct vt_bytes bound = VT_BYTES_OF(before);
    VT_TRY(vt_cursor_open(txn, VT_TABLE_LEDGER_SID, &cursor));
    for (;;) {
        struct vt_ledger_entry entry;
        VT_TRY(vt_cursor_last(cursor, &bound, &found, &unused));
        VT_ENSURE(found.len == SID_KEY_LEN && memcmp(found.data, prefix, sizeof prefix) == 0, VAULT_E_NOT_FOUND);
        memcpy(before, found.data, SID_KEY_LEN);
        bound = vt_bytes(before, SID_KEY_LEN);
        const struct vt_bytes sequence_bytes = vt_bytes(before + VT_SCOPE_KEY_LEN, 8);
        VT_TRY(vt_store_get(txn, VT_TABLE_LEDGER, sequence_bytes, &value));
        VT_TRY(ledger_open(view, sequence_bytes, value, &entry));
        if (entry.op != op) continue;
        *out_entry = entry;
        return VAULT_OK;
    }
}

VT_RESULT vt_ledger_find(struct vt_keyring_view *view, const struct vt_scope *scope, struct vt_ledger_entry *out_entry)
{
    struct vt_scope scopes[COVERING_MAX];
    struct vt_ledger_entry newest = {.sequence = 0}, entry;
    const size_t count = covering(scope, scopes);
    for (size_t i = 0; i < count; i++) {
        const vault_status status = find_exact(view, &scopes[i], VT_LEDGER_SHRED, &entry);
        VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
        if (status == VAULT_OK && entry.sequence > newest.sequence) newest = entry;
    }
    VT_ENSURE(newest.sequence != 0, VAULT_E_NOT_FOUND);
    *out_entry = newest;
    return VAULT_OK;
}

VT_RESULT vt_ledger_find_deletion(struct vt_keyring_view *view, const struct vt_sid *sid, uint64_t record,
                                  struct vt_ledger_entry *out_entry)
{
    return find_exact(view, &(struct vt_scope){.sid = *sid, .record = record}, VT_LEDGER_DELETE_RECORD, out_entry);
}

VT_RESULT vt_ledger_walk(struct vt_keyring_view *view, uint64_t from_sequence,
                         bool (*visit)(void *context, const struct vt_ledger_entry *entry), void *context)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    uint8_t from[8];
    struct vt_bytes at, value;
    vt_put_u64(from, from_sequence);
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_LEDGER, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(from), &at, &value);
    while (status == VAULT_OK) {
        struct vt_ledger_entry entry;
        VT_TRY(ledger_open(view, at, value, &entry));
        if (!visit(context, &entry)) return VAULT_OK;
        status = vt_cursor_next(cursor, &at, &value);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

static VT_RESULT ledger_row_pair(struct vt_keyring_view *view, struct vt_bytes sequence_bytes, struct vt_bytes value,
                                 struct vt_buf *out_rows)
{
    struct vt_ledger_entry entry;
    uint8_t by_sid[SID_KEY_LEN];
    VT_TRY(ledger_open(view, sequence_bytes, value, &entry));
    sid_key(&entry.scope, entry.sequence, by_sid);
    VT_TRY(vt_journal_row(out_rows, VT_TABLE_LEDGER, sequence_bytes, &value));
    return vt_journal_row(out_rows, VT_TABLE_LEDGER_SID, VT_BYTES_OF(by_sid), &VT_BYTES_EMPTY);
}

VT_RESULT vt_ledger_rows(struct vt_keyring_view *view, uint64_t after_sequence, struct vt_buf *out_rows,
                         uint64_t *out_last_sequence)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    uint8_t from[8], counter[8];
    struct vt_bytes at, value;
    uint64_t last = after_sequence;
    vt_put_u64(from, after_sequence + 1);
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_LEDGER, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(from), &at, &value);
    while (status == VAULT_OK) {
        VT_TRY(ledger_row_pair(view, at, value, out_rows));
        last = vt_get_u64(at.data);
        status = vt_cursor_next(cursor, &at, &value);
    }
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    *out_last_sequence = last;
    if (last == after_sequence) return VAULT_OK;
    vt_put_u64(counter, last);
    const struct vt_bytes counted = VT_BYTES_OF(counter);
    return vt_journal_row(out_rows, VT_TABLE_META, vt_bytes_str(VT_COUNTER_LEDGER), &counted);
}

/* Pending --------------------------------------------------------------------------------------------------------- */

void vt_pending_encode(const struct vt_pending *pending, uint8_t out_plain[VT_PENDING_PLAIN_LEN])
{
    memset(out_plain, 0, VT_PENDING_PLAIN_LEN);
    out_plain[0] = PENDING_PLAIN_VERSION;
    vt_scope_key(&pending->scope, out_plain + 1);
    vt_put_u64(out_plain + 27, pending->tenant);
    memcpy(out_plain + 35, pending->object_id, 16);
    vt_put_u64(out_plain + 51, pending->certificate);
    memcpy(out_plain + 59, pending->commitment, 32);
    vt_put_u64(out_plain + 91, (uint64_t)pending->requested_at_ms);
    memcpy(out_plain + 99, pending->principal, 16);
    memcpy(out_plain + 115, pending->legal_basis, sizeof pending->legal_basis);
    memcpy(out_plain + 148, pending->approval, 16);
    vt_put_u32(out_plain + 164, pending->held_count);
}

VT_RESULT vt_pending_decode(const uint8_t plain[VT_PENDING_PLAIN_LEN], struct vt_pending *out_pending)
{
    VT_ENSURE(plain[0] == PENDING_PLAIN_VERSION, VAULT_E_FORMAT);
    struct vt_pending pending = {.scope = scope_decode(plain + 1),
                                 .tenant = vt_get_u64(plain + 27),
                                 .certificate = vt_get_u64(plain + 51),
                                 .requested_at_ms = (int64_t)vt_get_u64(plain + 91)};
    memcpy(pending.object_id, plain + 35, 16);
    memcpy(pending.commitment, plain + 59, 32);
    memcpy(pending.principal, plain + 99, 16);
    memcpy(pending.legal_basis, plain + 115, sizeof pending.legal_basis);
    memcpy(pending.approval, plain + 148, 16);
    pending.held_count = vt_get_u32(plain + 164);
    VT_ENSURE(memchr(pending.legal_basis, '\0', sizeof pending.legal_basis) != NULL, VAULT_E_CORRUPT);
    *out_pending = pending;
    return VAULT_OK;
}

static VT_RESULT pending_open(struct vt_keyring_view *view, struct vt_bytes scope_bytes, struct vt_bytes value,
                              struct vt_pending *out_pending)
{
    uint8_t plain[VT_PENDING_PLAIN_LEN];
    VT_ENSURE(scope_bytes.len == VT_SCOPE_KEY_LEN, VAULT_E_CORRUPT);
    VT_TRY(vt_sealed_row_open(view, VT_SEAL_PENDING, scope_bytes, value, plain, sizeof plain));
    return vt_pending_decode(plain, out_pending);
}

VT_RESULT vt_pending_get(struct vt_keyring_view *view, const struct vt_scope *scope, struct vt_pending *out_pending)
{
    uint8_t scope_bytes[VT_SCOPE_KEY_LEN];
    struct vt_bytes value;
    vt_scope_key(scope, scope_bytes);
    VT_TRY(vt_store_get(vt_keyring_view_txn(view), VT_TABLE_PENDING, VT_BYTES_OF(scope_bytes), &value));
    return pending_open(view, VT_BYTES_OF(scope_bytes), value, out_pending);
}

static VT_RESULT pending_covering(struct vt_keyring_view *view, const struct vt_scope *scope, struct vt_pending *out_pending)
{
    struct vt_scope scopes[COVERING_MAX];
    const size_t count = covering(scope, scopes);
    for (size_t i = 0; i < count; i++) {
        const vault_status status = vt_pending_get(view, &scopes[i], out_pending);
        if (status != VAULT_E_NOT_FOUND) return status;
    }
    return VAULT_E_NOT_FOUND;
}

VT_RESULT vt_pending_find(struct vt_keyring_view *view, const struct vt_scope *scope, uint64_t *out_certificate)
{
    struct vt_pending pending;
    VT_TRY(pending_covering(view, scope, &pending));
    *out_certificate = pending.certificate;
    return VAULT_OK;
}

static VT_RESULT pending_put(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_pending *pending)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(512);
    uint8_t scope_bytes[VT_SCOPE_KEY_LEN], plain[VT_PENDING_PLAIN_LEN];
    vt_scope_key(&pending->scope, scope_bytes);
    vt_pending_encode(pending, plain);
    VT_TRY(vt_sealed_row(view, VT_SEAL_PENDING, VT_BYTES_OF(scope_bytes), VT_BYTES_OF(plain), &value));
    return vt_store_put(txn, VT_TABLE_PENDING, VT_BYTES_OF(scope_bytes), vt_buf_bytes(&value), VT_PUT_NEW);
}

VT_RESULT vt_pending_add(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_evidence *evidence,
                         struct vt_pending *pending)
{
    struct vt_pending first;
    const vault_status status = pending_covering(view, &pending->scope, &first);
    if (status == VAULT_OK) {
        *pending = first;
        return VAULT_E_EXISTS;
    }
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);

    struct vt_pending added = *pending;
    VT_ENSURE(memchr(added.legal_basis, '\0', sizeof added.legal_basis) != NULL, VAULT_E_ARGUMENT);
    VT_TRY(vt_random_bytes(added.object_id, sizeof added.object_id));
    VT_TRY(vt_counter_next(txn, VT_COUNTER_CERTIFICATE, &added.certificate));
    VT_TRY(vt_certificate_pending(view, txn, evidence, &added));
    VT_TRY(pending_put(view, txn, &added));
    *pending = added;
    return VAULT_OK;
}

VT_RESULT vt_pending_delete(struct vt_txn *txn, const struct vt_scope *scope)
{
    uint8_t scope_bytes[VT_SCOPE_KEY_LEN];
    vt_scope_key(scope, scope_bytes);
    return vt_store_delete(txn, VT_TABLE_PENDING, VT_BYTES_OF(scope_bytes));
}

VT_RESULT vt_pending_remove(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_stamps *stamps,
                            const struct vt_scope *scope, struct vt_pending *out_pending)
{
    struct vt_pending pending;
    VT_TRY(vt_pending_get(view, scope, &pending));
    VT_ENSURE(!vt_stamps_is_frozen(stamps, scope), VAULT_E_STATE);
    VT_TRY(vt_pending_delete(txn, scope));
    VT_TRY(vt_certificate_take_back(txn, pending.certificate));
    *out_pending = pending;
    return VAULT_OK;
}

VT_RESULT vt_pending_walk(struct vt_keyring_view *view, bool (*visit)(void *context, const struct vt_pending *pending),
                          void *context)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    const uint8_t from = 0;
    struct vt_bytes at, value;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_PENDING, &cursor));
    vault_status status = vt_cursor_seek(cursor, VT_BYTES_OF(from), &at, &value);
    while (status == VAULT_OK) {
        struct vt_pending pending;
        VT_TRY(pending_open(view, at, value, &pending));
        if (!visit(context, &pending)) return VAULT_OK;
        status = vt_cursor_next(cursor, &at, &value);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

struct taking_back {
    struct vt_keyring_view *view;
    struct vt_stamps *stamps;
    const struct vt_sid *only;
    struct vt_scopes *scopes;
    vault_status status;
};

static VT_RESULT scopes_add(struct vt_scopes *scopes, const struct vt_scope *scope)
{
    if (scopes->count == scopes->cap) {
        const size_t cap = scopes->cap != 0 ? 2 * scopes->cap : 8;
        struct vt_scope *grown = vt_pool_calloc(scopes->pool, cap, sizeof *grown);
        VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
        if (scopes->count != 0) memcpy(grown, scopes->items, scopes->count * sizeof *grown);
        scopes->items = grown;
        scopes->cap = cap;
    }
    scopes->items[scopes->count++] = *scope;
    return VAULT_OK;
}

static bool find_held(void *context, const struct vt_pending *pending)
{
    struct taking_back *back = context;
    if (back->only != NULL && !vt_sid_equal(back->only, &pending->scope.sid)) return true;
    if (vt_stamps_is_frozen(back->stamps, &pending->scope)) return true;
    back->status = vt_gate_scope(back->view, pending->tenant, &pending->scope);
    if (back->status == VAULT_E_HELD) back->status = scopes_add(back->scopes, &pending->scope);
    return back->status == VAULT_OK;
}

VT_RESULT vt_pending_take_back(struct vt_keyring_view *view, struct vt_txn *txn, struct vt_stamps *stamps,
                               const struct vt_sid *only, struct vt_scopes *out_scopes)
{
    struct taking_back back = {view, stamps, only, out_scopes, VAULT_OK};
    out_scopes->count = 0;
    VT_TRY(vt_pending_walk(view, find_held, &back));
    VT_TRY(back.status);
    for (size_t i = 0; i < out_scopes->count; i++) {
        struct vt_pending gone;
        VT_TRY(vt_pending_remove(view, txn, stamps, &out_scopes->items[i], &gone));
    }
    return VAULT_OK;
}

struct loading {
    struct vt_stamps *stamps;
    vault_status status;
    int64_t oldest_ms;
};

static bool load_one(void *context, const struct vt_pending *pending)
{
    struct loading *loading = context;
    loading->status = vt_stamps_add_pending(loading->stamps, &pending->scope);
    if (loading->oldest_ms == 0 || pending->requested_at_ms < loading->oldest_ms)
        loading->oldest_ms = pending->requested_at_ms;
    return loading->status == VAULT_OK;
}

VT_RESULT vt_pending_load(struct vt_keyring_view *view, struct vt_stamps *stamps, int64_t *out_oldest_ms)
{
    struct loading loading = {.stamps = stamps, .status = VAULT_OK};
    vt_stamps_clear_pending(stamps);
    VT_TRY(vt_pending_walk(view, load_one, &loading));
    VT_TRY(loading.status);
    *out_oldest_ms = loading.oldest_ms;
    return VAULT_OK;
}
