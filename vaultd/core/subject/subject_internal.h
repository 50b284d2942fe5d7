/* vaultd/core/subject/subject_internal.h - a draft and its rows. Private to this folder. */
#pragma once
#include "vaultd/core/subject/row.h"

/** One row being drafted; index changes are planned when the draft is finished. */
struct vt_draft_row {
    struct vt_row row;
    uint16_t old_groups;                /* 0: a new row */
    bool is_removed;                    /* no field is left in it */
    struct vt_reference *added;         /* in the pool */
    size_t added_count, added_cap;
    struct vt_reference *dropped;
    size_t dropped_count;
    const struct vt_collection *collection;
};
struct vt_subject_draft {
    struct vt_subject_env env;
    struct vt_sid sid;
    bool is_new;
    struct vt_keyblock_draft *keyblock; /* NULL until a key is missing */
    bool keyblock_changed;
    const struct vt_subject_keys *keys; /* present ones; NULL for a new subject */
    struct vt_draft_row *rows;          /* in the pool */
    size_t row_count, row_cap;
    uint64_t *new_records;              /* RECORD entries to put, with their collections */
    uint16_t *new_collections;
    size_t new_count, new_cap;
    uint32_t last_version;
    uint32_t replaced;                  /* bit per category: a value that was there goes */
};

/** Record id of the subject's own row. */
VT_RESULT vt_subject_own_record(struct vt_txn *txn, const struct vt_sid *sid, uint64_t *out_record);
/** The category key or record key new rows of @p collection are sealed under: its record part. */
static inline uint64_t vt_key_record(const struct vt_collection *collection, uint64_t record)
{
    return collection != NULL && collection->forget == VT_FORGET_RECORD ? record : 0;
}
