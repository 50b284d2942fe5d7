#include "tests/support/store_record.h"

#include <stdlib.h>

#include "libvault/base/list.h"
#include "vaultd/core/store/store_internal.h"

/* The store's own table of functions with put exchanged: begin, commit and all else stay as they are. */
struct recording {
    struct vt_store_ops ops;
    const struct vt_store_ops *inner;
    struct record_row *rows;
    size_t count, cap;
};

static void grow_rows(struct recording *recording)
{
    recording->cap = recording->cap != 0 ? recording->cap * 2 : 1024;
    struct record_row *grown = calloc(recording->cap, sizeof *grown);
    VT_BUG_ON(grown == NULL);
    if (recording->count != 0) memcpy(grown, recording->rows, recording->count * sizeof *grown);
    free(recording->rows);
    recording->rows = grown;
}

static void record_row_add(struct recording *recording, enum vt_table table, struct vt_bytes key, struct vt_bytes value)
{
    if (recording->count == recording->cap) grow_rows(recording);
    uint8_t *copy = malloc(key.len + value.len + 1);
    VT_BUG_ON(copy == NULL);
    memcpy(copy, key.data, key.len);
    if (value.len != 0) memcpy(copy + key.len, value.data, value.len);
    recording->rows[recording->count++] = (struct record_row){table, key.len, value.len, copy, copy + key.len};
}

static vault_status record_put(struct vt_txn *txn, enum vt_table table, struct vt_bytes key, struct vt_bytes value,
                               enum vt_put_flags flags)
{
    char *ops = (char *)(uintptr_t)txn->store->ops;
    struct recording *recording = VT_CONTAINER_OF(ops, struct recording, ops);
    record_row_add(recording, table, key, value);
    return recording->inner->put(txn, table, key, value, flags);
}

void recording_attach(struct vt_store *store, struct recording **out_recording)
{
    struct recording *recording = calloc(1, sizeof *recording);
    VT_BUG_ON(recording == NULL);
    recording->inner = store->ops;
    recording->ops = *store->ops;
    recording->ops.put = record_put;
    store->ops = &recording->ops;
    *out_recording = recording;
}

void recording_detach(struct vt_store *store, struct recording *recording)
{
    store->ops = recording->inner;
    for (size_t i = 0; i < recording->count; i++) free((void *)(uintptr_t)recording->rows[i].key);
    free(recording->rows);
    free(recording);
}

size_t recording_count(const struct recording *recording)
{
    return recording->count;
}

const struct record_row *recording_rows(const struct recording *recording)
{
    return recording->rows;
}
