/* vaultd/core/rights/export.h - one person's package (docs/FORMAT.md "Package of one person"): what is held of them, as files.
 *
 *   manifest.json               what the package holds, counted and hashed; format 1
 *   manifest.note               the manifest's SHA-256, signed with the vault's certificate key (C2SP signed-note)
 *   records/<collection>.jsonl  one record a line: _external_id, _record, _created_at, _updated_at, _side of a record of two
 *                               subjects, _held (fields of which is said only that they are held), _erased (categories), and
 *                               the fields; names that begin with _ are never fields
 *   csv/<collection>.csv        the same columns as RFC 4180 with the formula guard, without _held and _erased
 *   schema/<collection>.yaml    the collection as it is in force
 *   import/<collection>.yaml    mapping for the re-import of the JSON Lines, <collection>.csv.yaml of the CSV: only with
 *                               include_never_disclosed, since without these fields a package is not the whole
 *   categories.json             categories of data held, by home and by listing
 *   summary.txt                 the same for people, in six sections, as far as this version knows
 *
 * Invariants: per collection held = exported + redacted + withheld, counted twice by different roads, or there is no package;
 * a field of a type that is never disclosed leaves only with include_never_disclosed; of a record of two subjects the
 * other one is never named; file names hold nothing but names of collections.
 * Thread: a worker, on the call's pool. Source: GDPR Art. 15, 20. */
#pragma once
#include "libvault/base/buf.h"
#include "vaultd/core/subject/subject.h"

struct vt_note_signer;

/** A category of this person that has been forgotten, as the ledger knows it. */
struct vt_export_erased {
    uint16_t category;
    uint64_t certificate;
};
struct vt_export_options {
    bool include_never_disclosed;       /* for the controller's own re-import, never for the person */
    bool knows_erased;                  /* may learn that something was erased or is about to be */
    bool is_test_clock;
    const char *software;
    struct vt_bytes purpose, recipient; /* recipient may be empty */
    const struct vt_note_signer *signer;
    const struct vt_export_erased *erased;  /* for the manifest; none for callers who may not know */
    size_t erased_count;
};

struct vt_package_file {
    const char *path;                   /* in the pool */
    const char *type;                   /* media type; static */
    uint64_t rows;                      /* records; 0 for what has none */
    struct vt_buf content;              /* owned */
    char sha256[65];
};
struct vt_package {
    struct vt_package_file *files;      /* in the pool */
    size_t count, cap, bytes;
    struct vt_value held;               /* collection -> {held, exported, redacted, withheld, ...}; in the pool */
};
#define VT_PACKAGE_INIT ((struct vt_package){NULL, 0, 0, 0, {0}})
void vt_package_release(struct vt_package *package);      /* wipes */

/** @param sid of a subject that is there. @param out_package release it
 *  @return VAULT_E_TOO_LARGE past VT_LIMIT_REPLY_BYTES with a sentence; VAULT_E_CORRUPT when the counts differ */
VT_RESULT vt_export(const struct vt_subject_env *env, const struct vt_sid *sid, const struct vt_export_options *options,
                    struct vt_package *out_package);
