#include "vaultd/core/subject/change.h"

#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/pool.h"
#include "libvault/codec/limits.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/policy/hold.h"
#include "vaultd/core/subject/row.h"

enum { CHANGE_POOL_MAX = 1024 * 1024 * 1024 };

enum op_kind {
    OP_REQUIRE_LIVE,
    OP_EXPECT,
    OP_EXPECT_ROWS,
    OP_EXPECT_INDEX,
    OP_GUARD,
    OP_UNHELD,
    OP_PUT_KEYBLOCK,
    OP_INDEX_ADD,
    OP_INDEX_REMOVE,
    OP_INDEX_MOVE,
    OP_PUT,
    OP_DELETE,
    OP_HOOK,
};

struct op {
    enum op_kind kind;
    bool is_flagged;                        /* INDEX_ADD: unique. EXPECT: a value is expected */
    uint8_t table, put_flags;
    union {
        struct vt_scope scope;
        struct vt_keyblock_draft *draft;
        struct {
            struct vt_index_hash hash;
            uint8_t data[VT_INDEX_DATA_LEN];
            struct vt_index_hash to;        /* INDEX_MOVE */
        } index;
        struct {
            struct vt_bytes key, value;     /* in the pool */
        } pair;
        struct {
            struct vt_bytes key;
            uint8_t hash[VT_SHA256_LEN];
        } expected;
        struct {
            struct vt_sid sid;
            uint8_t hash[VT_SHA256_LEN];
        } rows;
        struct {
            vt_change_guard holds;
            void *context;
        } guard;
        struct {
            vt_change_hook run;
            void *context;
        } hook;
    };
};

struct vt_change {
    vt_tenant_id tenant;
    struct vt_pool pool;
    struct op *ops;
    size_t count, cap;
    uint32_t *unique;           /* open addressing: op index + 1 of unique additions, by their (random) hash */
    size_t unique_count, unique_cap;
    size_t tree_count;          /* operations on key blocks and index entries, hooks */
    bool touches_tree;
};

VT_RESULT vt_change_new(vt_tenant_id tenant, struct vt_change **out_change)
{
    struct vt_change *change = vt_calloc(1, sizeof *change);
    VT_ENSURE(change != NULL, VAULT_E_MEMORY);
    change->tenant = tenant;
    change->pool = VT_POOL_INIT(CHANGE_POOL_MAX);
    *out_change = change;
    return VAULT_OK;
}

void vt_change_free(struct vt_change *change)
{
    if (change == NULL) return;
    for (size_t i = 0; i < change->count; i++)
        if (change->ops[i].kind == OP_PUT_KEYBLOCK) vt_keyblock_draft_free(change->ops[i].draft);
    vt_pool_release(&change->pool);
    free(change->ops);
    free(change->unique);
    free(change);
}

size_t vt_change_mark(const struct vt_change *change)
{
    return change->count;
}

static bool op_is_of_tree(const struct op *op)
{
    return op->kind == OP_PUT_KEYBLOCK || op->kind == OP_EXPECT_INDEX || op->kind == OP_INDEX_ADD ||
           op->kind == OP_INDEX_REMOVE || op->kind == OP_INDEX_MOVE || op->kind == OP_HOOK;
}

void vt_change_rewind(struct vt_change *change, size_t mark)
{
    for (; change->count > mark; change->count--) {
        const struct op *op = &change->ops[change->count - 1];
        if (op->kind == OP_PUT_KEYBLOCK) vt_keyblock_draft_free(op->draft);
        if (op_is_of_tree(op)) change->tree_count--;
    }
}

size_t vt_change_held_bytes(const struct vt_change *change)
{
    if (change == NULL) return 0;
    return sizeof *change + vt_pool_held_bytes(&change->pool) + change->cap * sizeof *change->ops +
           change->unique_cap * sizeof *change->unique;
}

bool vt_change_is_empty(const struct vt_change *change)
{
    return change->count == 0;
}

size_t vt_change_tree_count(const struct vt_change *change)
{
    return change->tree_count;
}

bool vt_change_touches_tree(const struct vt_change *change)
{
    return change->touches_tree;
}

static VT_RESULT change_add(struct vt_change *change, const struct op *op)
{
    if (change->count == change->cap) {
        const size_t cap = change->cap != 0 ? 2 * change->cap : 16;
        struct op *grown = vt_calloc(cap, sizeof *grown);
        VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
        if (change->count != 0) memcpy(grown, change->ops, change->count * sizeof *grown);
        free(change->ops);
        change->ops = grown;
        change->cap = cap;
    }
    change->ops[change->count++] = *op;
    if (op_is_of_tree(op)) change->tree_count++;
    return VAULT_OK;
}

static VT_RESULT change_copy(struct vt_change *change, struct vt_bytes bytes, struct vt_bytes *out_copy)
{
    *out_copy = vt_pool_copy(&change->pool, bytes);
    return out_copy->data != NULL ? VAULT_OK : VAULT_E_MEMORY;
}

VT_RESULT vt_change_require_live(struct vt_change *change, const struct vt_scope *scope)
{
    return change_add(change, &(struct op){.kind = OP_REQUIRE_LIVE, .scope = *scope});
}

VT_RESULT vt_change_require_unheld(struct vt_change *change, const struct vt_sid *sid, uint16_t category)
{
    return change_add(change, &(struct op){.kind = OP_UNHELD, .scope = {.sid = *sid, .category = category}});
}

VT_RESULT vt_change_expect(struct vt_change *change, enum vt_table table, struct vt_bytes key, const struct vt_bytes *value)
{
    struct op op = {.kind = OP_EXPECT, .table = (uint8_t)table, .is_flagged = value != NULL};
    if (value != NULL) VT_TRY(vt_sha256_one(*value, op.expected.hash));
    VT_TRY(change_copy(change, key, &op.expected.key));
    return change_add(change, &op);
}

VT_RESULT vt_change_expect_keys(struct vt_change *change, struct vt_keyring_view *view, const struct vt_sid *sid)
{
    struct vt_bytes value;
    VT_TRY(vt_store_get(vt_keyring_view_txn(view), VT_TABLE_KEYBLOCK, VT_BYTES_OF(sid->bytes), &value));
    return vt_change_expect(change, VT_TABLE_KEYBLOCK, VT_BYTES_OF(sid->bytes), &value);
}

enum { ROW_LIST_MAX = 256 * 1024 * 1024 };

/* Names are enough: who writes to a row that is there already is found by the row's own condition. */
static VT_RESULT rows_digest(struct vt_txn *txn, const struct vt_sid *sid, uint8_t out_hash[VT_SHA256_LEN])
{
    VT_AUTO(vt_buf) list = VT_BUF_INIT(ROW_LIST_MAX);
    uint16_t collection = 0;
    uint64_t record = 0;
    vault_status status;
    while ((status = vt_record_entry_next(txn, sid, &collection, &record)) == VAULT_OK) {
        struct vt_row_name names[VT_ROWS_PER_RECORD];
        size_t count;
        VT_TRY(vt_rows_of_record(txn, record, names, &count));
        VT_TRY(vt_buf_append_u16(&list, collection));
        VT_TRY(vt_buf_append_u64(&list, record));
        VT_TRY(vt_buf_append_u16(&list, (uint16_t)count));
        for (size_t i = 0; i < count; i++) VT_TRY(vt_buf_append_u16(&list, names[i].category));
    }
    VT_ENSURE(status == VAULT_E_NOT_FOUND, status);
    return vt_sha256_one(vt_buf_bytes(&list), out_hash);
}

VT_RESULT vt_change_expect_rows(struct vt_change *change, struct vt_keyring_view *view, const struct vt_sid *sid)
{
    struct op op = {.kind = OP_EXPECT_ROWS, .rows = {.sid = *sid}};
    VT_TRY(rows_digest(vt_keyring_view_txn(view), sid, op.rows.hash));
    return change_add(change, &op);
}

VT_RESULT vt_change_put_keyblock(struct vt_change *change, struct vt_keyblock_draft *draft)
{
    const vault_status status = change_add(change, &(struct op){.kind = OP_PUT_KEYBLOCK, .draft = draft});
    if (status != VAULT_OK) vt_keyblock_draft_free(draft);      /* moved, whatever happens */
    change->touches_tree = true;
    return status;
}

static VT_RESULT change_add_index(struct vt_change *change, enum op_kind kind, const struct vt_index_hash *hash,
                                  const uint8_t data[VT_INDEX_DATA_LEN], bool is_unique)
{
    struct op op = {.kind = kind, .is_flagged = is_unique, .index = {.hash = *hash}};
    memcpy(op.index.data, data, VT_INDEX_DATA_LEN);
    change->touches_tree = true;
    return change_add(change, &op);
}

VT_RESULT vt_change_expect_index(struct vt_change *change, const struct vt_index_hash *hash,
                                 const uint8_t data[VT_INDEX_DATA_LEN])
{
    return change_add_index(change, OP_EXPECT_INDEX, hash, data, false);
}

static bool adds_same(const struct vt_change *change, uint32_t slot, const struct vt_index_hash *hash)
{
    const struct op *op = &change->ops[slot - 1];
    return slot <= change->count && op->kind == OP_INDEX_ADD && op->is_flagged &&
           memcmp(&op->index.hash, hash, sizeof *hash) == 0;
}

/* The slot of @p hash, or the empty one where it goes. Slots of rewound operations point nowhere and are passed over. */
static uint32_t *unique_slot(const struct vt_change *change, const struct vt_index_hash *hash)
{
    size_t at = (size_t)vt_get_u64(hash->bytes);
    for (;; at++) {
        uint32_t *slot = &change->unique[at & (change->unique_cap - 1)];
        if (*slot == 0 || adds_same(change, *slot, hash)) return slot;
    }
}

static VT_RESULT unique_grow(struct vt_change *change)
{
    if (2 * (change->unique_count + 1) < change->unique_cap) return VAULT_OK;
    struct vt_change grown = *change;
    grown.unique_cap = change->unique_cap != 0 ? 2 * change->unique_cap : 64;
    grown.unique = vt_calloc(grown.unique_cap, sizeof *grown.unique);
    grown.unique_count = 0;
    VT_ENSURE(grown.unique != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < change->count; i++) {
        if (change->ops[i].kind != OP_INDEX_ADD || !change->ops[i].is_flagged) continue;
        *unique_slot(&grown, &change->ops[i].index.hash) = (uint32_t)i + 1;
        grown.unique_count++;
    }
    free(change->unique);
    *change = grown;
    return VAULT_OK;
}

/* Called before the operation is added. */
static VT_RESULT unique_claim(struct vt_change *change, const struct vt_index_hash *hash)
{
    VT_TRY(unique_grow(change));
    uint32_t *slot = unique_slot(change, hash);
    VT_ENSURE(*slot == 0, VAULT_E_EXISTS);
    *slot = (uint32_t)change->count + 1;
    change->unique_count++;
    return VAULT_OK;
}

VT_RESULT vt_change_index_add(struct vt_change *change, const struct vt_index_hash *hash,
                              const uint8_t data[VT_INDEX_DATA_LEN], bool is_unique)
{
    if (is_unique) VT_TRY(unique_claim(change, hash));
    return change_add_index(change, OP_INDEX_ADD, hash, data, is_unique);
}

VT_RESULT vt_change_index_remove(struct vt_change *change, const struct vt_index_hash *hash,
                                 const uint8_t data[VT_INDEX_DATA_LEN])
{
    return change_add_index(change, OP_INDEX_REMOVE, hash, data, false);
}

VT_RESULT vt_change_index_move(struct vt_change *change, const struct vt_index_hash *from, const struct vt_index_hash *to,
                               const uint8_t data[VT_INDEX_DATA_LEN])
{
    struct op op = {.kind = OP_INDEX_MOVE, .index = {.hash = *from, .to = *to}};
    memcpy(op.index.data, data, VT_INDEX_DATA_LEN);
    change->touches_tree = true;
    return change_add(change, &op);
}

VT_RESULT vt_change_put(struct vt_change *change, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                        enum vt_put_flags flags)
{
    struct op op = {.kind = OP_PUT, .table = (uint8_t)table, .put_flags = (uint8_t)flags};
    VT_TRY(change_copy(change, key, &op.pair.key));
    VT_TRY(change_copy(change, value, &op.pair.value));
    return change_add(change, &op);
}

VT_RESULT vt_change_delete(struct vt_change *change, enum vt_table table, struct vt_bytes key)
{
    struct op op = {.kind = OP_DELETE, .table = (uint8_t)table};
    VT_TRY(change_copy(change, key, &op.pair.key));
    return change_add(change, &op);
}

VT_RESULT vt_change_guard_add(struct vt_change *change, vt_change_guard guard, void *context)
{
    return change_add(change, &(struct op){.kind = OP_GUARD, .guard = {guard, context}});
}

VT_RESULT vt_change_hook_add(struct vt_change *change, vt_change_hook hook, void *context)
{
    change->touches_tree = true;
    return change_add(change, &(struct op){.kind = OP_HOOK, .hook = {hook, context}});
}

/* First pass ----------------------------------------------------------------------------------------------------- */

/* Without a keyring write nothing in this batch has touched the tree, and a subject that was dropped before has touched its
 * stamp, which the committer has looked at. */
static VT_RESULT check_live(const struct vt_change *change, const struct vt_scope *scope, struct vt_keyring_write *write,
                            struct vt_stamps *stamps)
{
    const struct vt_scope whole = {.sid = scope->sid};
    VT_ENSURE(!vt_stamps_is_pending(stamps, &whole) && !vt_stamps_is_pending(stamps, scope), VAULT_E_SHRED_PENDING);
    if (write == NULL) return VAULT_OK;
    const struct vt_subject_keys *keys;
    return vt_keyring_subject_keys(vt_keyring_write_view(write), change->tenant, &scope->sid, &keys);
}

static VT_RESULT check_expected(const struct op *op, struct vt_txn *txn)
{
    struct vt_bytes value;
    uint8_t hash[VT_SHA256_LEN];
    const vault_status found = vt_store_get(txn, op->table, op->expected.key, &value);
    if (found == VAULT_E_NOT_FOUND) return op->is_flagged ? VAULT_E_CONFLICT : VAULT_OK;
    VT_TRY(found);
    VT_ENSURE(op->is_flagged, VAULT_E_CONFLICT);
    VT_TRY(vt_sha256_one(value, hash));
    return memcmp(hash, op->expected.hash, sizeof hash) == 0 ? VAULT_OK : VAULT_E_CONFLICT;
}

static VT_RESULT check_rows(const struct op *op, struct vt_txn *txn)
{
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(rows_digest(txn, &op->rows.sid, hash));
    return memcmp(hash, op->rows.hash, sizeof hash) == 0 ? VAULT_OK : VAULT_E_CONFLICT;
}

static bool removes_same(const struct op *op, const struct vt_index_hash *hash, const uint8_t data[VT_INDEX_DATA_LEN])
{
    return op->kind == OP_INDEX_REMOVE && memcmp(&op->index.hash, hash, sizeof *hash) == 0 &&
           memcmp(op->index.data, data, VT_INDEX_DATA_LEN) == 0;
}

/* Entries that this change itself takes away do not stand in its way. */
static size_t count_staying(const struct vt_change *change, const struct vt_index_hash *hash,
                            uint8_t (*found)[VT_INDEX_DATA_LEN], size_t count)
{
    size_t staying = count;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < change->count; j++)
            if (removes_same(&change->ops[j], hash, found[i])) {
                staying--;
                break;
            }
    return staying;
}

static VT_RESULT check_unique(const struct vt_change *change, const struct op *op, struct vt_keyring_view *view)
{
    enum { FOUND_MAX = 4 };
    uint8_t found[FOUND_MAX][VT_INDEX_DATA_LEN];
    size_t count = 0;
    const vault_status status = vt_keyring_index_find(view, change->tenant, &op->index.hash, found, FOUND_MAX, &count);
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_TRY(status);
    return count_staying(change, &op->index.hash, found, count) == 0 ? VAULT_OK : VAULT_E_EXISTS;
}

/* One more holder must fit, and the same holder must not be there yet. */
static VT_RESULT check_many(const struct vt_change *change, const struct op *op, struct vt_keyring_write *write)
{
    return vt_keyring_index_check_add(write, change->tenant, &op->index.hash, op->index.data);
}

static VT_RESULT check_present(const struct vt_change *change, const struct op *op, struct vt_keyring_write *write)
{
    const vault_status status = vt_keyring_index_check_add(write, change->tenant, &op->index.hash, op->index.data);
    if (status == VAULT_E_EXISTS) return VAULT_OK;
    return status == VAULT_OK || status == VAULT_E_LIMIT ? VAULT_E_CONFLICT : status;
}

static VT_RESULT check_move(const struct vt_change *change, const struct op *op, struct vt_keyring_write *write)
{
    VT_TRY(check_present(change, op, write));
    const vault_status status = vt_keyring_index_check_add(write, change->tenant, &op->index.to, op->index.data);
    if (status == VAULT_E_EXISTS) return VAULT_E_CONFLICT;
    return status == VAULT_E_LIMIT ? VAULT_OK : status;
}

static VT_RESULT check_put(const struct op *op, struct vt_txn *txn)
{
    struct vt_bytes value;
    if ((op->put_flags & VT_PUT_NEW) == 0) return VAULT_OK;
    const vault_status found = vt_store_get(txn, op->table, op->pair.key, &value);
    if (found == VAULT_E_NOT_FOUND) return VAULT_OK;
    return found == VAULT_OK ? VAULT_E_CONFLICT : found;
}

static VT_RESULT check_delete(const struct op *op, struct vt_txn *txn)
{
    struct vt_bytes value;
    const vault_status found = vt_store_get(txn, op->table, op->pair.key, &value);
    return found == VAULT_E_NOT_FOUND ? VAULT_E_CONFLICT : found;
}

static VT_RESULT op_check(const struct vt_change *change, size_t at, struct vt_keyring_write *write, struct vt_txn *txn,
                          struct vt_stamps *stamps)
{
    const struct op *op = &change->ops[at];
    struct vt_keyring_view *view = write != NULL ? vt_keyring_write_view(write) : NULL;
    switch (op->kind) {
    case OP_REQUIRE_LIVE: return check_live(change, &op->scope, write, stamps);
    case OP_EXPECT: return check_expected(op, txn);
    case OP_EXPECT_ROWS: return check_rows(op, txn);
    case OP_EXPECT_INDEX: return check_present(change, op, write);
    case OP_GUARD: return op->guard.holds(op->guard.context, txn);
    case OP_UNHELD: return vt_gate_category(txn, change->tenant, &op->scope.sid, op->scope.category);
    case OP_PUT_KEYBLOCK: return vt_keyring_check_keyblock(write, op->draft);
    case OP_INDEX_ADD: return op->is_flagged ? check_unique(change, op, view) : check_many(change, op, write);
    case OP_INDEX_REMOVE: return check_present(change, op, write);
    case OP_INDEX_MOVE: return check_move(change, op, write);
    case OP_PUT: return check_put(op, txn);
    case OP_DELETE: return check_delete(op, txn);
    case OP_HOOK: return VAULT_OK;
    }
    return VAULT_E_ARGUMENT;
}

VT_RESULT vt_change_check(const struct vt_change *change, struct vt_keyring_write *write, struct vt_txn *txn,
                          struct vt_stamps *stamps)
{
    VT_BUG_ON(change->touches_tree && write == NULL);
    for (size_t i = 0; i < change->count; i++) VT_TRY(op_check(change, i, write, txn, stamps));
    return VAULT_OK;
}

/* Second pass ---------------------------------------------------------------------------------------------------- */

static VT_RESULT op_apply(const struct vt_change *change, const struct op *op, struct vt_keyring_write *write,
                          struct vt_txn *txn)
{
    switch (op->kind) {
    case OP_REQUIRE_LIVE:
    case OP_EXPECT:
    case OP_EXPECT_ROWS:
    case OP_EXPECT_INDEX:
    case OP_GUARD:
    case OP_UNHELD: return VAULT_OK;
    case OP_PUT_KEYBLOCK: return vt_keyring_put_keyblock(write, op->draft);
    case OP_INDEX_ADD: return vt_keyring_index_add(write, change->tenant, &op->index.hash, op->index.data, op->is_flagged);
    case OP_INDEX_REMOVE: return vt_keyring_index_remove(write, change->tenant, &op->index.hash, op->index.data);
    case OP_INDEX_MOVE:
        return vt_keyring_index_move(write, change->tenant, &op->index.hash, &op->index.to, op->index.data);
    case OP_PUT: return vt_store_put(txn, op->table, op->pair.key, op->pair.value, op->put_flags);
    case OP_DELETE: return vt_store_delete(txn, op->table, op->pair.key);
    case OP_HOOK: return op->hook.run(op->hook.context, write, txn);
    }
    return VAULT_E_ARGUMENT;
}

/* Removals first, so that a value may move from one entry to another inside one change. */
VT_RESULT vt_change_apply(const struct vt_change *change, struct vt_keyring_write *write, struct vt_txn *txn)
{
    for (size_t i = 0; i < change->count; i++)
        if (change->ops[i].kind == OP_INDEX_REMOVE) VT_TRY(op_apply(change, &change->ops[i], write, txn));
    for (size_t i = 0; i < change->count; i++)
        if (change->ops[i].kind != OP_INDEX_REMOVE) VT_TRY(op_apply(change, &change->ops[i], write, txn));
    return VAULT_OK;
}
