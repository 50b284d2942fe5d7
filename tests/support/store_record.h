/* tests/support/store_record.h - remembers every value ever put into a store, kept or not: what an adversary who has
 * copied the disk after each write would have. Thread: the one that writes. */
#pragma once
#include "vaultd/core/store/store.h"

struct record_row {
    enum vt_table table;
    size_t key_len, len;
    const uint8_t *key, *value;     /* owned by the recording */
};
struct recording;
/** Listen to the puts of @p store from now on; it works as before. Free it before the store. */
void recording_attach(struct vt_store *store, struct recording **out_recording);
void recording_detach(struct vt_store *store, struct recording *recording);
size_t recording_count(const struct recording *recording);
/** Rows in the order in which they were put. */
const struct record_row *recording_rows(const struct recording *recording);
