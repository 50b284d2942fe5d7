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
/** For a store that is closed and opened again: begin, listen to each store in turn, and free it behind the last. */
struct recording *recording_new(void);
void recording_listen(struct recording *recording, struct vt_store *store);
/** The same, remembering only what it does not know yet: of a store that is filled from another. */
void recording_listen_for_news(struct recording *recording, struct vt_store *store);
void recording_free(struct recording *recording);
/** Was this very value ever put under this key? */
bool recording_has(struct recording *recording, enum vt_table table, struct vt_bytes key, struct vt_bytes value);
/** Remember a value that another store was seen to have. */
void recording_add(struct recording *recording, enum vt_table table, struct vt_bytes key, struct vt_bytes value);
size_t recording_count(const struct recording *recording);
/** Rows in the order in which they were put. */
const struct record_row *recording_rows(const struct recording *recording);
