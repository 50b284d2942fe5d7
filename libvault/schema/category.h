/* libvault/schema/category.h - the built-in scheme of categories of personal data: CCPA A to L, with a crosswalk.
 *
 * A category is what can be forgotten by itself: each subject has one data key per category, and one category's fields
 * of one record are one sealed row. Numbers are bound into ciphertext (docs/FORMAT.md "Contexts") and never change.
 * `U` is ours: free content that nobody has classified yet. Thread: constants. */
#pragma once
#include "libvault/base/bytes.h"

enum { VT_CATEGORY_NONE = 0, VT_CATEGORY_COUNT = 13, VT_CATEGORY_MAX = 13 };

struct vt_category {
    uint16_t number;            /* 1 to VT_CATEGORY_MAX */
    char id[2];                 /* "A" to "L", "U" */
    const char *name;
    const char *source;         /* where the category is defined */
    const char *dpv;            /* nearest term of the W3C Data Privacy Vocabulary 2.0 */
    const char *fideslang;      /* nearest key of fideslang 3 */
};

/** By id, exactly one upper-case letter; NULL when the scheme has none such. */
const struct vt_category *vt_category_find(struct vt_bytes id);
/** By number; NULL when the scheme has none such. */
const struct vt_category *vt_category_at(uint16_t number);
