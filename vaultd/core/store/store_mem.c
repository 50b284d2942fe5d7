/* The model: each table is a persistent treap. A node is never changed once it can be seen by others; a put or delete
 * makes new nodes along one path and shares the rest, so a snapshot is a reference to each root and costs nothing to
 * keep. A node's weight is a hash of its key: the shape follows from the contents, no generator is needed, and the
 * depth is logarithmic for any keys that nobody chose against it. */
#include "vaultd/core/store/store.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/list.h"
#include "vaultd/core/store/store_internal.h"

struct item {
    atomic_uint refs;
    uint64_t weight;
    size_t key_len;
    size_t value_len;
    uint8_t bytes[];
};

struct node {
    atomic_uint refs;
    struct item *item;          /* owned reference, as are the children */
    struct node *left, *right;
};

/* One consistent state of everything. */
struct snapshot {
    struct node *roots[VT_TABLE_COUNT];
    uint64_t counts[VT_TABLE_COUNT];
    uint64_t bytes;             /* keys and values */
    uint64_t number;
};

struct mem_store {
    struct vt_store base;
    struct vt_writer_gate writer;
    pthread_mutex_t mutex;      /* guards what follows; held for a moment only */
    struct snapshot now;
    struct vt_list readers;     /* open read transactions that are not parked */
    unsigned reader_count;      /* parked ones too */
};

struct mem_txn {
    struct vt_txn base;
    struct vt_list link;        /* in readers; alone when parked */
    struct snapshot view;
    bool is_dirty;
};

struct mem_cursor {
    struct vt_cursor base;
    struct item *item;          /* owned reference to where it stands, NULL at either end */
};

/* Items and nodes ------------------------------------------------------------------------------------------------ */

static uint64_t weight_of(struct vt_bytes key)
{
    uint64_t hash = 0xcbf29ce484222325u;    /* FNV-1a, then the finaliser of SplitMix64: FNV's high bits are poor */
    for (size_t i = 0; i < key.len; i++) hash = (hash ^ key.data[i]) * 0x100000001b3u;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    return hash ^ (hash >> 31);
}

static struct item *item_new(struct vt_bytes key, struct vt_bytes value)
{
    struct item *item = vt_malloc(sizeof *item + key.len + value.len);
    if (item == NULL) return NULL;
    atomic_init(&item->refs, 1);
    item->weight = weight_of(key);
    item->key_len = key.len;
    item->value_len = value.len;
    memcpy(item->bytes, key.data, key.len);
    if (value.len != 0) memcpy(item->bytes + key.len, value.data, value.len);
    return item;
}

static struct item *item_ref(struct item *item)
{
    atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
    return item;
}

static void item_free(struct item *item)
{
    if (item != NULL && atomic_fetch_sub(&item->refs, 1) == 1) free(item);
}

static struct vt_bytes item_key(const struct item *item)
{
    return vt_bytes(item->bytes, item->key_len);
}

static struct vt_bytes item_value(const struct item *item)
{
    return vt_bytes(item->bytes + item->key_len, item->value_len);
}

static struct node *node_ref(struct node *node)
{
    if (node != NULL) atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
    return node;
}

static void node_free(struct node *node)
{
    if (node == NULL || atomic_fetch_sub(&node->refs, 1) != 1) return;
    node_free(node->left);
    node_free(node->right);
    item_free(node->item);
    free(node);
}

/* Children are moved in, also on failure; the item is borrowed. */
static vault_status node_new(struct item *item, struct node *left, struct node *right, struct node **out_node)
{
    struct node *node = vt_malloc(sizeof *node);
    if (node == NULL) {
        node_free(left);
        node_free(right);
        return VAULT_E_MEMORY;
    }
    atomic_init(&node->refs, 1);
    node->item = item_ref(item);
    node->left = left;
    node->right = right;
    *out_node = node;
    return VAULT_OK;
}

/* Trees: a root is NULL when empty; inputs are borrowed and unchanged, outputs owned ------------------------------ */

/* Both nodes are fresh, so nobody else sees them change. */
static struct node *lift(struct node *node, bool is_left)
{
    struct node *child = is_left ? node->left : node->right;
    if (child->item->weight <= node->item->weight) return node;
    if (is_left) {
        node->left = child->right;
        child->right = node;
    } else {
        node->right = child->left;
        child->left = node;
    }
    return child;
}

static vault_status tree_put(const struct node *root, struct item *item, struct node **out_root)
{
    if (root == NULL) return node_new(item, NULL, NULL, out_root);
    const int order = vt_bytes_compare(item_key(item), item_key(root->item));
    if (order == 0) return node_new(item, node_ref(root->left), node_ref(root->right), out_root);

    struct node *child = NULL, *copy = NULL;
    VT_TRY(tree_put(order < 0 ? root->left : root->right, item, &child));
    VT_TRY(order < 0 ? node_new(root->item, child, node_ref(root->right), &copy)
                     : node_new(root->item, node_ref(root->left), child, &copy));
    *out_root = lift(copy, order < 0);
    return VAULT_OK;
}

/* All keys of @p left are smaller than those of @p right. */
static vault_status tree_merge(struct node *left, struct node *right, struct node **out_root)
{
    if (left == NULL || right == NULL) {
        *out_root = node_ref(left == NULL ? right : left);
        return VAULT_OK;
    }
    struct node *inner = NULL;
    if (left->item->weight >= right->item->weight) {
        VT_TRY(tree_merge(left->right, right, &inner));
        return node_new(left->item, node_ref(left->left), inner, out_root);
    }
    VT_TRY(tree_merge(left, right->left, &inner));
    return node_new(right->item, inner, node_ref(right->right), out_root);
}

static vault_status tree_delete(const struct node *root, struct vt_bytes key, struct node **out_root)
{
    VT_ENSURE(root != NULL, VAULT_E_NOT_FOUND);
    const int order = vt_bytes_compare(key, item_key(root->item));
    if (order == 0) return tree_merge(root->left, root->right, out_root);

    struct node *child = NULL;
    VT_TRY(tree_delete(order < 0 ? root->left : root->right, key, &child));
    if (order < 0) return node_new(root->item, child, node_ref(root->right), out_root);
    return node_new(root->item, node_ref(root->left), child, out_root);
}

static struct item *tree_find(const struct node *root, struct vt_bytes key)
{
    while (root != NULL) {
        const int order = vt_bytes_compare(key, item_key(root->item));
        if (order == 0) return root->item;
        root = order < 0 ? root->left : root->right;
    }
    return NULL;
}

/* First item whose key is >= @p key, or > when @p is_behind. */
static struct item *tree_first_from(const struct node *root, struct vt_bytes key, bool is_behind)
{
    struct item *best = NULL;
    while (root != NULL) {
        const int order = vt_bytes_compare(key, item_key(root->item));
        const bool fits = is_behind ? order < 0 : order <= 0;
        if (fits) best = root->item;
        root = fits ? root->left : root->right;
    }
    return best;
}

/* Last item, or last one whose key is < @p before. */
static struct item *tree_last_before(const struct node *root, const struct vt_bytes *before)
{
    struct item *best = NULL;
    while (root != NULL) {
        const bool fits = before == NULL || vt_bytes_compare(item_key(root->item), *before) < 0;
        if (fits) best = root->item;
        root = fits ? root->right : root->left;
    }
    return best;
}

/* Transactions --------------------------------------------------------------------------------------------------- */

static struct mem_store *mem_of(struct vt_store *store)
{
    return VT_CONTAINER_OF(store, struct mem_store, base);
}

static struct mem_txn *mem_txn_of(struct vt_txn *txn)
{
    return VT_CONTAINER_OF(txn, struct mem_txn, base);
}

static struct mem_cursor *mem_cursor_of(struct vt_cursor *cursor)
{
    return VT_CONTAINER_OF(cursor, struct mem_cursor, base);
}

static void snapshot_free(struct snapshot *snapshot)
{
    for (size_t i = 0; i < VT_TABLE_COUNT; i++) node_free(snapshot->roots[i]);
    *snapshot = (struct snapshot){0};
}

/* The caller holds the store's mutex. */
static struct snapshot snapshot_take(const struct mem_store *store)
{
    struct snapshot taken = store->now;
    for (size_t i = 0; i < VT_TABLE_COUNT; i++) node_ref(taken.roots[i]);
    return taken;
}

static vault_status begin_read(struct mem_store *store, struct mem_txn *txn)
{
    vault_status status = VAULT_E_BUSY;
    pthread_mutex_lock(&store->mutex);
    if (store->reader_count < VT_STORE_READERS_MAX) {
        store->reader_count++;
        txn->view = snapshot_take(store);
        vt_list_push_back(&store->readers, &txn->link);
        status = VAULT_OK;
    }
    pthread_mutex_unlock(&store->mutex);
    return status;
}

static vault_status mem_begin(struct vt_store *base, enum vt_txn_kind kind, struct vt_txn **out_txn)
{
    struct mem_store *store = mem_of(base);
    struct mem_txn *txn = vt_calloc(1, sizeof *txn);
    VT_ENSURE(txn != NULL, VAULT_E_MEMORY);
    vt_list_init(&txn->link);
    *out_txn = &txn->base;
    if (kind == VT_TXN_READ) {
        const vault_status status = begin_read(store, txn);
        if (status != VAULT_OK) free(txn);
        return status;
    }
    vt_writer_gate_enter(&store->writer);
    pthread_mutex_lock(&store->mutex);
    txn->view = snapshot_take(store);
    pthread_mutex_unlock(&store->mutex);
    txn->view.number++;
    return VAULT_OK;
}

static void mem_reset(struct vt_txn *base)
{
    struct mem_txn *txn = mem_txn_of(base);
    struct mem_store *store = mem_of(base->store);
    pthread_mutex_lock(&store->mutex);
    vt_list_remove(&txn->link);
    pthread_mutex_unlock(&store->mutex);
    snapshot_free(&txn->view);
}

static vault_status mem_renew(struct vt_txn *base)
{
    struct mem_txn *txn = mem_txn_of(base);
    struct mem_store *store = mem_of(base->store);
    pthread_mutex_lock(&store->mutex);
    txn->view = snapshot_take(store);
    vt_list_push_back(&store->readers, &txn->link);
    pthread_mutex_unlock(&store->mutex);
    return VAULT_OK;
}

static void mem_abort(struct vt_txn *base)
{
    struct mem_txn *txn = mem_txn_of(base);
    struct mem_store *store = mem_of(base->store);
    if (base->is_write) {
        vt_writer_gate_leave(&store->writer);
    } else {
        pthread_mutex_lock(&store->mutex);
        vt_list_remove(&txn->link);
        store->reader_count--;
        pthread_mutex_unlock(&store->mutex);
    }
    snapshot_free(&txn->view);
    free(txn);
}

/* A read transaction's commit, and one of a write that changed nothing, only end it. */
static vault_status mem_commit(struct vt_txn *base)
{
    struct mem_txn *txn = mem_txn_of(base);
    struct mem_store *store = mem_of(base->store);
    if (txn->is_dirty) {
        pthread_mutex_lock(&store->mutex);
        const struct snapshot old = store->now;
        store->now = txn->view;
        txn->view = old;
        pthread_mutex_unlock(&store->mutex);
    }
    mem_abort(base);
    return VAULT_OK;
}

/* Entries -------------------------------------------------------------------------------------------------------- */

static vault_status mem_get(struct vt_txn *base, enum vt_table table, struct vt_bytes key, struct vt_bytes *out_value)
{
    const struct item *item = tree_find(mem_txn_of(base)->view.roots[table], key);
    VT_ENSURE(item != NULL, VAULT_E_NOT_FOUND);
    *out_value = item_value(item);
    return VAULT_OK;
}

/* The old root's own nodes are freed: in a write transaction borrowed values die at the next put, as promised. */
static void replace_root(struct mem_txn *txn, enum vt_table table, struct node *root)
{
    node_free(txn->view.roots[table]);
    txn->view.roots[table] = root;
    txn->is_dirty = true;
}

static vault_status mem_put(struct vt_txn *base, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                            enum vt_put_flags flags)
{
    struct mem_txn *txn = mem_txn_of(base);
    const struct node *root = txn->view.roots[table];
    const struct item *last = (flags & VT_PUT_APPEND) != 0 ? tree_last_before(root, NULL) : NULL;
    VT_ENSURE(last == NULL || vt_bytes_compare(item_key(last), key) < 0, VAULT_E_ARGUMENT);
    const struct item *old = tree_find(root, key);
    VT_ENSURE(old == NULL || (flags & VT_PUT_NEW) == 0, VAULT_E_EXISTS);

    struct item *item = item_new(key, value);
    VT_ENSURE(item != NULL, VAULT_E_MEMORY);
    struct node *new_root = NULL;
    const vault_status status = tree_put(root, item, &new_root);
    item_free(item);
    VT_TRY(status);
    txn->view.counts[table] += old == NULL;
    txn->view.bytes += key.len + value.len - (old == NULL ? 0 : old->key_len + old->value_len);
    replace_root(txn, table, new_root);
    return VAULT_OK;
}

static vault_status mem_del(struct vt_txn *base, enum vt_table table, struct vt_bytes key)
{
    struct mem_txn *txn = mem_txn_of(base);
    const struct item *old = tree_find(txn->view.roots[table], key);
    VT_ENSURE(old != NULL, VAULT_E_NOT_FOUND);
    struct node *new_root = NULL;
    VT_TRY(tree_delete(txn->view.roots[table], key, &new_root));
    txn->view.counts[table]--;
    txn->view.bytes -= old->key_len + old->value_len;
    replace_root(txn, table, new_root);
    return VAULT_OK;
}

static vault_status mem_cursor_open(struct vt_txn *base, enum vt_table table, struct vt_cursor **out_cursor)
{
    (void)base;
    (void)table;
    struct mem_cursor *cursor = vt_calloc(1, sizeof *cursor);
    VT_ENSURE(cursor != NULL, VAULT_E_MEMORY);
    *out_cursor = &cursor->base;
    return VAULT_OK;
}

static vault_status cursor_give(struct mem_cursor *cursor, struct item *item, struct vt_bytes *out_key,
                                struct vt_bytes *out_value)
{
    struct item *old = cursor->item;
    cursor->item = item == NULL ? NULL : item_ref(item);
    item_free(old);
    VT_ENSURE(item != NULL, VAULT_E_NOT_FOUND);
    *out_key = item_key(item);
    *out_value = item_value(item);
    return VAULT_OK;
}

static const struct node *cursor_root(const struct vt_cursor *cursor)
{
    return mem_txn_of(cursor->txn)->view.roots[cursor->table];
}

static vault_status mem_cursor_seek(struct vt_cursor *base, struct vt_bytes from, struct vt_bytes *out_key,
                                    struct vt_bytes *out_value)
{
    return cursor_give(mem_cursor_of(base), tree_first_from(cursor_root(base), from, false), out_key, out_value);
}

static vault_status mem_cursor_next(struct vt_cursor *base, struct vt_bytes *out_key, struct vt_bytes *out_value)
{
    struct mem_cursor *cursor = mem_cursor_of(base);
    struct item *item = tree_first_from(cursor_root(base), item_key(cursor->item), true);
    return cursor_give(cursor, item, out_key, out_value);
}

static vault_status mem_cursor_last(struct vt_cursor *base, const struct vt_bytes *before, struct vt_bytes *out_key,
                                    struct vt_bytes *out_value)
{
    return cursor_give(mem_cursor_of(base), tree_last_before(cursor_root(base), before), out_key, out_value);
}

static void mem_cursor_free(struct vt_cursor *base)
{
    item_free(mem_cursor_of(base)->item);
    free(mem_cursor_of(base));
}

/* The store ------------------------------------------------------------------------------------------------------ */

static uint64_t oldest_lag(struct mem_store *store)
{
    uint64_t oldest = store->now.number;
    for (struct vt_list *at = store->readers.next; at != &store->readers; at = at->next) {
        const struct mem_txn *txn = VT_CONTAINER_OF(at, struct mem_txn, link);
        oldest = VT_MIN(oldest, txn->view.number);
    }
    return store->now.number - oldest;
}

static bool mem_is_full(struct vt_store *base)
{
    (void)base;
    return false;
}

static vault_status mem_stats(struct vt_store *base, struct vt_store_stats *out_stats)
{
    struct mem_store *store = mem_of(base);
    struct vt_store_stats stats = {0};
    pthread_mutex_lock(&store->mutex);
    stats.used_bytes = store->now.bytes;
    stats.oldest_reader_lag = oldest_lag(store);
    memcpy(stats.entries, store->now.counts, sizeof stats.entries);
    pthread_mutex_unlock(&store->mutex);
    *out_stats = stats;
    return VAULT_OK;
}

static vault_status mem_check(struct vt_store *base, struct vt_store_check *out_check)
{
    (void)base;
    *out_check = (struct vt_store_check){0};    /* there is no file */
    return VAULT_OK;
}

static uint64_t mem_commit_number(struct vt_txn *base)
{
    return mem_txn_of(base)->view.number;
}

static vault_status mem_raise_commit_number(struct vt_txn *base, uint64_t number)
{
    mem_txn_of(base)->view.number = number;
    mem_txn_of(base)->is_dirty = true;
    return VAULT_OK;
}

static vault_status mem_recover_space(struct vt_store *base)
{
    (void)base;
    return VAULT_OK;    /* never full: short memory is VAULT_E_MEMORY */
}

static void mem_close(struct vt_store *base)
{
    struct mem_store *store = mem_of(base);
    VT_BUG_ON(store->reader_count != 0);
    snapshot_free(&store->now);
    pthread_mutex_destroy(&store->mutex);
    vt_writer_gate_release(&store->writer);
    free(store);
}

static const struct vt_store_ops mem_ops = {
    .close = mem_close,
    .begin = mem_begin,
    .commit = mem_commit,
    .abort = mem_abort,
    .reset = mem_reset,
    .renew = mem_renew,
    .get = mem_get,
    .put = mem_put,
    .del = mem_del,
    .cursor_open = mem_cursor_open,
    .cursor_seek = mem_cursor_seek,
    .cursor_next = mem_cursor_next,
    .cursor_last = mem_cursor_last,
    .cursor_free = mem_cursor_free,
    .copy = vt_store_copy_rows,
    .is_full = mem_is_full,
    .stats = mem_stats,
    .check = mem_check,
    .commit_number = mem_commit_number,
    .raise_commit_number = mem_raise_commit_number,
    .recover_space = mem_recover_space,
};

VT_RESULT vt_store_mem_open(struct vt_store **out_store)
{
    struct mem_store *store = vt_calloc(1, sizeof *store);
    VT_ENSURE(store != NULL, VAULT_E_MEMORY);
    store->base.ops = &mem_ops;
    store->now.number = 1;      /* as LMDB's, where making the tables is the first commit */
    vt_list_init(&store->readers);
    if (vt_writer_gate_init(&store->writer) != VAULT_OK) {
        free(store);
        return VAULT_E_MEMORY;
    }
    if (pthread_mutex_init(&store->mutex, NULL) != 0) {
        vt_writer_gate_release(&store->writer);
        free(store);
        return VAULT_E_MEMORY;
    }
    *out_store = &store->base;
    return VAULT_OK;
}
