/* vaultd/core/token/reindex.h - the entries of T_idx move from older versions of K_idx to the live one, some rows at a time.
 *
 * A hash cannot be turned into another: the value is needed, and the only place that holds it is the row, which also remembers the
 * hashes of its entries. So every row of the tenant is opened, its entries are hashed anew and moved, and the row is sealed again
 * with the new hashes, all in one change. Three passes over all subjects, in order of sid:
 *   ROWS    entries of fields and external ids and holders of tokens move. The entry value -> token of a deterministic token is
 *           shared by its holders: their rows begin to remember where it will lie, beside where it lies.
 *   VALUES  these entries move, once each; the rows forget the old hash. In between, whichever holder goes last knows both.
 *   CHECK   changes nothing and counts rows that still name an older version; when there are any, begin again with ROWS.
 * Rows written meanwhile are hashed under the live version by their writers, and stand for themselves when they are met.
 * Thread: any, as planning. */
#pragma once
#include "vaultd/core/token/token.h"

struct vt_row;

enum vt_reindex_pass { VT_REINDEX_ROWS = 1, VT_REINDEX_VALUES, VT_REINDEX_CHECK };
enum { VT_REINDEX_CURSOR_LEN = 32 };
struct vt_reindex_counts {
    uint64_t subjects;          /* passed by in this step */
    uint64_t moved;             /* entries */
    uint64_t stragglers;        /* CHECK: references that name an older version */
};
/** Plan one step into @p change: about @p max_rows rows that change, and up to some times as many that are looked at and stay.
 *  @p cursor zero at first; kept between steps.
 *  @return VAULT_E_CORRUPT when a row has an entry that its content does not explain */
VT_RESULT vt_reindex_step(const struct vt_token_env *env, enum vt_reindex_pass pass, size_t max_rows,
                          uint8_t cursor[VT_REINDEX_CURSOR_LEN], struct vt_change *change, struct vt_reindex_counts *out_counts,
                          bool *out_done);
/** For a row that comes back from a backup and is not in the index yet: hash its references of tokens under the live version of
 *  K_idx. References of fields stay as they are. One that nothing explains any more is taken out. Nothing is planned or written.
 *  @param row of a collection. @param out_lost how many were taken out */
VT_RESULT vt_reindex_row(const struct vt_token_env *env, struct vt_row *row, bool *out_changed, size_t *out_lost);
