/* vaultd/core/rights/import.h - rows of a file into records: one row is one unit across collections, stored whole or not at all.
 *
 * A row of one subject makes a new subject with a record in each collection that has a mapped cell; an external id that is
 * there already, stored or earlier in the batch, is refused unless the mapping says `existing: add`: an import of new people
 * never merges by accident. A row of two subjects (calls) names two people who exist, or one of them twice, and makes a record
 * on each side under a random join id of their own.
 * A batch keeps one draft per subject, so that many rows of one person are one change of their keys; everything is sealed at
 * the end, in the order in which record ids were given.
 *
 * Ranges: JOB key HMAC(import-range-1, SHA-256 of the file)[0:16] | first record 8 -> format 1 (= 1) | count 4 |
 * imported 4 | rejected 4, in the commit that stores the rows. Ranges of a file do not overlap, so an import that was cut off
 * goes on where it stopped, and a repeat is harmless. Thread: any, on the call's pool. */
#pragma once
#include "libvault/schema/mapping.h"
#include "vaultd/core/subject/subject.h"

struct vt_import;
/** @param env      borrowed; env->err gets the sentences
 *  @param mapping  the map as sent; borrowed
 *  @param change   borrowed; filled in by vt_import_finish()
 *  @return VAULT_E_ARGUMENT, VAULT_E_REFUSED_TYPE, VAULT_E_NOT_FOUND (collection), VAULT_E_UNKNOWN_FIELD, VAULT_E_LIMIT */
VT_RESULT vt_import_new(const struct vt_subject_env *env, const struct vt_value *mapping, struct vt_change *change,
                        struct vt_import **out_import);
void vt_import_free(struct vt_import *import);      /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_import);
/** Draft one row. A failure leaves nothing of it behind. @param row borrowed until vt_import_finish()
 *  @return when vt_import_rejects(): the row is refused, err has the field as "collection.field" and a sentence */
VT_RESULT vt_import_row(struct vt_import *import, const struct vt_value *row);
/** Whether a status is the fault of the row, not of the vault or the batch. */
bool vt_import_rejects(vault_status status);
/** Seal all that was drafted into the change. */
VT_RESULT vt_import_finish(struct vt_import *import);
/** Subjects of this batch that existed before it, one by one: their audit keys are there to seal payloads under.
 *  @param after 0 at first, then what came back. @return 0 at the end */
size_t vt_import_touched(const struct vt_import *import, size_t after, const struct vt_sid **out_sid);

/** What became of the records first to first + count - 1 of a file; numbers only. */
struct vt_import_range {
    uint64_t first;
    uint32_t count, imported, rejected;
};
enum { VT_IMPORT_FILE_LEN = 32 };
/** Has this very range been imported? @param wanted first and count
 *  @return VAULT_E_NOT_FOUND: nothing of it; VAULT_E_STATE: ranges with other borders cover a part of it */
VT_RESULT vt_import_range_find(struct vt_keyring_view *view, const uint8_t file[VT_IMPORT_FILE_LEN],
                               const struct vt_import_range *wanted, struct vt_import_range *out_range);
/** The first range at or behind record @p from. @return VAULT_E_NOT_FOUND at the end */
VT_RESULT vt_import_range_next(struct vt_keyring_view *view, const uint8_t file[VT_IMPORT_FILE_LEN], uint64_t from,
                               struct vt_import_range *out_range);
/** Recorded with the rows, and only where no other range of the file has come to overlap it meanwhile.
 *  @param pool must live until the change has been applied. @return at apply: VAULT_E_CONFLICT */
VT_RESULT vt_import_range_put(struct vt_keyring_view *view, struct vt_change *change, struct vt_pool *pool,
                              const uint8_t file[VT_IMPORT_FILE_LEN],
                              const struct vt_import_range *range);
/** Are all ranges whole, and does none reach into the next one of its file? @return VAULT_E_CORRUPT, VAULT_E_FORMAT */
VT_RESULT vt_import_ranges_check(struct vt_txn *txn);
