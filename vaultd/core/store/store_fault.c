#include <stdatomic.h>
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/base/list.h"
#include "vaultd/core/store/store_internal.h"

struct fault_store {
    struct vt_store base;
    struct vt_store *inner;     /* owned */
    atomic_bool is_full;
    atomic_bool is_poisoned;
};

struct fault_txn {
    struct vt_txn base;
    struct vt_txn *inner;       /* owned */
};

struct fault_cursor {
    struct vt_cursor base;
    struct vt_cursor *inner;    /* owned */
};

static struct fault_store *fault_of(struct vt_store *store)
{
    return VT_CONTAINER_OF(store, struct fault_store, base);
}

static struct vt_txn *inner_txn(struct vt_txn *txn)
{
    return VT_CONTAINER_OF(txn, struct fault_txn, base)->inner;
}

static struct vt_cursor *inner_cursor(struct vt_cursor *cursor)
{
    return VT_CONTAINER_OF(cursor, struct fault_cursor, base)->inner;
}

static vault_status hit_call(void)
{
    return vt_fault_hit(VT_FAULT_STORE) ? VAULT_E_IO : VAULT_OK;
}

static vault_status hit_write(struct vt_txn *txn)
{
    VT_TRY(hit_call());
    if (!vt_fault_hit(VT_FAULT_DISK_FULL)) return VAULT_OK;
    atomic_store(&fault_of(txn->store)->is_full, true);
    return VAULT_E_DISK_FULL;
}

static vault_status hit_commit(struct vt_txn *txn)
{
    if (!txn->is_write) return hit_call();
    VT_TRY(hit_write(txn));
    if (!vt_fault_hit(VT_FAULT_SYNC)) return VAULT_OK;
    atomic_store(&fault_of(txn->store)->is_poisoned, true);
    return VAULT_E_IO;
}

static vault_status may_begin(struct fault_store *store, enum vt_txn_kind kind)
{
    VT_TRY(hit_call());
    VT_ENSURE(kind == VT_TXN_READ || !atomic_load(&store->is_poisoned), VAULT_E_IO);
    VT_ENSURE(kind != VT_TXN_WRITE || !atomic_load(&store->is_full), VAULT_E_DISK_FULL);
    return VAULT_OK;
}

static vault_status begin_inner(struct vt_store *inner, enum vt_txn_kind kind, struct vt_txn **out_txn)
{
    switch (kind) {
    case VT_TXN_WRITE: return vt_txn_begin_write(inner, out_txn);
    case VT_TXN_WRITE_RESERVED: return vt_txn_begin_write_reserved(inner, out_txn);
    default: return vt_txn_begin_read(inner, out_txn);
    }
}

static vault_status fault_begin(struct vt_store *base, enum vt_txn_kind kind, struct vt_txn **out_txn)
{
    struct fault_store *store = fault_of(base);
    VT_TRY(may_begin(store, kind));
    struct fault_txn *txn = vt_calloc(1, sizeof *txn);
    VT_ENSURE(txn != NULL, VAULT_E_MEMORY);
    const vault_status status = begin_inner(store->inner, kind, &txn->inner);
    if (status != VAULT_OK) {
        free(txn);
        return status;
    }
    *out_txn = &txn->base;
    return VAULT_OK;
}

static void fault_abort(struct vt_txn *base)
{
    vt_txn_abort(inner_txn(base));
    free(VT_CONTAINER_OF(base, struct fault_txn, base));
}

static vault_status fault_commit(struct vt_txn *base)
{
    const vault_status fault = hit_commit(base);
    if (fault != VAULT_OK) {
        fault_abort(base);
        return fault;
    }
    const vault_status status = vt_txn_commit(inner_txn(base));
    free(VT_CONTAINER_OF(base, struct fault_txn, base));
    return status;
}

static void fault_reset(struct vt_txn *base)
{
    vt_txn_reset(inner_txn(base));
}

static vault_status fault_renew(struct vt_txn *base)
{
    VT_TRY(hit_call());
    return vt_txn_renew(inner_txn(base));
}

static vault_status fault_get(struct vt_txn *base, enum vt_table table, struct vt_bytes key, struct vt_bytes *out_value)
{
    VT_TRY(hit_call());
    return vt_store_get(inner_txn(base), table, key, out_value);
}

static vault_status fault_put(struct vt_txn *base, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                              enum vt_put_flags flags)
{
    VT_TRY(hit_write(base));
    return vt_store_put(inner_txn(base), table, key, value, flags);
}

static vault_status fault_del(struct vt_txn *base, enum vt_table table, struct vt_bytes key)
{
    VT_TRY(hit_write(base));
    return vt_store_delete(inner_txn(base), table, key);
}

static vault_status fault_cursor_open(struct vt_txn *base, enum vt_table table, struct vt_cursor **out_cursor)
{
    VT_TRY(hit_call());
    struct fault_cursor *cursor = vt_calloc(1, sizeof *cursor);
    VT_ENSURE(cursor != NULL, VAULT_E_MEMORY);
    const vault_status status = vt_cursor_open(inner_txn(base), table, &cursor->inner);
    if (status != VAULT_OK) {
        free(cursor);
        return status;
    }
    *out_cursor = &cursor->base;
    return VAULT_OK;
}

static vault_status fault_cursor_seek(struct vt_cursor *base, struct vt_bytes from, struct vt_bytes *out_key,
                                      struct vt_bytes *out_value)
{
    VT_TRY(hit_call());
    return vt_cursor_seek(inner_cursor(base), from, out_key, out_value);
}

static vault_status fault_cursor_next(struct vt_cursor *base, struct vt_bytes *out_key, struct vt_bytes *out_value)
{
    VT_TRY(hit_call());
    return vt_cursor_next(inner_cursor(base), out_key, out_value);
}

static vault_status fault_cursor_last(struct vt_cursor *base, const struct vt_bytes *before, struct vt_bytes *out_key,
                                      struct vt_bytes *out_value)
{
    VT_TRY(hit_call());
    return vt_cursor_last(inner_cursor(base), before, out_key, out_value);
}

static void fault_cursor_free(struct vt_cursor *base)
{
    vt_cursor_free(inner_cursor(base));
    free(VT_CONTAINER_OF(base, struct fault_cursor, base));
}

/* Through this store, not the inner one: reading for a copy can fail too. */
static vault_status fault_copy(struct vt_store *base, const char *to_dir, vt_store_progress progress, void *context)
{
    return vt_store_copy_rows(base, to_dir, progress, context);
}

static bool fault_is_full(struct vt_store *base)
{
    return atomic_load(&fault_of(base)->is_full) || vt_store_is_full(fault_of(base)->inner);
}

static vault_status fault_stats(struct vt_store *base, struct vt_store_stats *out_stats)
{
    struct vt_store_stats stats = {0};
    VT_TRY(vt_store_stats(fault_of(base)->inner, &stats));
    stats.is_full = stats.is_full || atomic_load(&fault_of(base)->is_full);
    *out_stats = stats;
    return VAULT_OK;
}

static vault_status fault_check(struct vt_store *base, struct vt_store_check *out_check)
{
    return vt_store_check(fault_of(base)->inner, out_check);
}

static uint64_t fault_commit_number(struct vt_txn *base)
{
    return vt_store_commit_number(inner_txn(base));
}

static vault_status fault_raise_commit_number(struct vt_txn *base, uint64_t number)
{
    VT_TRY(hit_write(base));
    return vt_store_raise_commit_number(inner_txn(base), number);
}

static vault_status fault_recover_space(struct vt_store *base)
{
    VT_TRY(vt_store_recover_space(fault_of(base)->inner));
    atomic_store(&fault_of(base)->is_full, false);
    return VAULT_OK;
}

static void fault_close(struct vt_store *base)
{
    vt_store_free(fault_of(base)->inner);
    free(fault_of(base));
}

static const struct vt_store_ops fault_ops = {
    .close = fault_close,
    .begin = fault_begin,
    .commit = fault_commit,
    .abort = fault_abort,
    .reset = fault_reset,
    .renew = fault_renew,
    .get = fault_get,
    .put = fault_put,
    .del = fault_del,
    .cursor_open = fault_cursor_open,
    .cursor_seek = fault_cursor_seek,
    .cursor_next = fault_cursor_next,
    .cursor_last = fault_cursor_last,
    .cursor_free = fault_cursor_free,
    .copy = fault_copy,
    .is_full = fault_is_full,
    .stats = fault_stats,
    .check = fault_check,
    .commit_number = fault_commit_number,
    .raise_commit_number = fault_raise_commit_number,
    .recover_space = fault_recover_space,
};

VT_RESULT vt_store_fault_open(struct vt_store *inner, struct vt_store **out_store)
{
    struct fault_store *store = vt_calloc(1, sizeof *store);
    VT_ENSURE(store != NULL, VAULT_E_MEMORY);
    store->base.ops = &fault_ops;
    store->inner = inner;
    *out_store = &store->base;
    return VAULT_OK;
}
