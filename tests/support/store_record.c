#include "tests/support/store_record.h"

#include <stdlib.h>

#include "libvault/base/list.h"
#include "libvault/crypto/digest.h"
#include "tests/support/byte_set.h"
#include "vaultd/core/store/store_internal.h"

/* A store's own table of functions with put exchanged: begin, commit and all else stay as they are. */
struct listener {
    struct vt_store_ops ops;
    const struct vt_store_ops *inner;
    struct recording *recording;
    bool is_of_news;            /* what was put before, into whichever store, is not remembered again */
    struct listener *next;
};
struct recording {
    struct listener *listeners; /* each as long as the recording */
    struct record_row *rows;
    size_t count, cap;
    struct byte_set known;      /* hashes of the first known_count rows */
    size_t known_count;
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
    struct listener *listener = VT_CONTAINER_OF(ops, struct listener, ops);
    if (!listener->is_of_news || !recording_has(listener->recording, table, key, value))
        record_row_add(listener->recording, table, key, value);
    return listener->inner->put(txn, table, key, value, flags);
}

struct recording *recording_new(void)
{
    struct recording *recording = calloc(1, sizeof *recording);
    VT_BUG_ON(recording == NULL);
    return recording;
}

static void listen(struct recording *recording, struct vt_store *store, bool is_of_news)
{
    struct listener *listener = calloc(1, sizeof *listener);
    VT_BUG_ON(listener == NULL);
    *listener = (struct listener){*store->ops, store->ops, recording, is_of_news, recording->listeners};
    listener->ops.put = record_put;
    recording->listeners = listener;
    store->ops = &listener->ops;
}

void recording_listen(struct recording *recording, struct vt_store *store)
{
    listen(recording, store, false);
}

void recording_listen_for_news(struct recording *recording, struct vt_store *store)
{
    listen(recording, store, true);
}

void recording_attach(struct vt_store *store, struct recording **out_recording)
{
    *out_recording = recording_new();
    recording_listen(*out_recording, store);
}

void recording_free(struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++) free((void *)(uintptr_t)recording->rows[i].key);
    free(recording->rows);
    while (recording->listeners != NULL) {
        struct listener *listener = VT_MOVE(recording->listeners);
        recording->listeners = listener->next;
        free(listener);
    }
    byte_set_release(&recording->known);
    free(recording);
}

void recording_detach(struct vt_store *store, struct recording *recording)
{
    store->ops = recording->listeners->inner;
    recording_free(recording);
}

static void hash_row(enum vt_table table, struct vt_bytes key, struct vt_bytes value, uint8_t out_hash[32])
{
    uint8_t head[4] = {0, (uint8_t)table};
    vt_put_u16(head + 2, (uint16_t)key.len);
    const struct vt_bytes pieces[] = {VT_BYTES_OF(head), key, value};
    VT_BUG_ON(vt_sha256(pieces, 3, out_hash) != VAULT_OK);
}

bool recording_has(struct recording *recording, enum vt_table table, struct vt_bytes key, struct vt_bytes value)
{
    uint8_t hash[32];
    for (; recording->known_count < recording->count; recording->known_count++) {
        const struct record_row *row = &recording->rows[recording->known_count];
        hash_row(row->table, vt_bytes(row->key, row->key_len), vt_bytes(row->value, row->len), hash);
        byte_set_add(&recording->known, hash);
    }
    hash_row(table, key, value, hash);
    return byte_set_has(&recording->known, hash);
}

void recording_add(struct recording *recording, enum vt_table table, struct vt_bytes key, struct vt_bytes value)
{
    record_row_add(recording, table, key, value);
}

size_t recording_count(const struct recording *recording)
{
    return recording->count;
}

const struct record_row *recording_rows(const struct recording *recording)
{
    return recording->rows;
}
