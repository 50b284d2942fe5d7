/* vaultd/core/backup/backup.h - copies of the whole vault, their signed manifest, and the register of where copies went.
 *
 * A backup is a directory: `store/` (a hot compact copy of the environment, keyring included, no slot) and `manifest` (a signed
 * note). It may be kept, copied and replicated freely: its keyring opens only while its epoch's root key exists, so every shred
 * makes every backup ever taken go dark for that person. Source: docs/FORMAT.md "Backup".
 * Thread: workers. */
#pragma once
#include "libvault/proof/note.h"
#include "vaultd/core/keyring/keyring.h"
#include "vaultd/core/keyring/stamps.h"

struct vt_schema_set;
struct vt_template_set;

#define VT_BACKUP_FIRST_LINE "vaultd backup manifest v1"
enum { VT_BACKUP_MANIFEST_MAX = 8192, VT_BACKUP_PATH_MAX = 4096 };

struct vt_backup_manifest {
    uint8_t backup_id[16];
    uint8_t vault_id[16];
    uint64_t incarnation, commit_number, epoch;
    uint8_t root_hash[32];          /* of the sealed root page in the copy */
    uint64_t audit_size;
    int64_t created_at_ms;
    uint64_t bytes;                 /* of store/data.mdb */
    uint8_t file_hash[32];          /* SHA-256 of store/data.mdb */
};
struct vt_backup_options {
    struct vt_store *store;
    const char *to_dir;             /* must not exist */
    const uint8_t *backup_id;       /* 16 random bytes, under which the copy is registered */
    const struct vt_note_signer *signer;
    int64_t now_ms;
    bool (*progress)(void *context, uint64_t done, uint64_t total);    /* false cancels; NULL allowed */
    void *progress_context;
};
/** @param field the argument that names @p dir; NULL when the vault itself chose it, and nobody's argument is to blame
 *  @return VAULT_E_EXISTS; VAULT_E_ARGUMENT when it may not or cannot be made there, saying why (with a field only);
 *  VAULT_E_DISK_FULL, VAULT_E_IO */
VT_RESULT vt_backup_make_dir(const char *dir, const char *field, struct vt_err *err);
/** Copy, hash, sign, sync. A failure leaves nothing behind. @return as vt_backup_make_dir(), VAULT_E_CANCELLED */
VT_RESULT vt_backup_create(const struct vt_backup_options *options, struct vt_backup_manifest *out_manifest,
                           struct vt_err *err);
/** Read and check the manifest, and the copy's bytes against it. @return VAULT_E_NOT_FOUND, VAULT_E_AUTHENTICITY (not this vault's,
 *  or altered), VAULT_E_CORRUPT (bytes differ), VAULT_E_FORMAT */
VT_RESULT vt_backup_open(const char *from_dir, const struct vt_note_verifier *verifiers, size_t count,
                         struct vt_backup_manifest *out_manifest, struct vt_store **out_store, struct vt_err *err);
/** How many subjects are in the copy, and how many of them the present keyring no longer knows. */
VT_RESULT vt_backup_count(struct vt_store *copy, struct vt_keyring_view *view, vt_tenant_id tenant, uint64_t *out_subjects,
                          uint64_t *out_erased);

/* The register: BACKUP key id 16 -> format 1 | created ms 8 | epoch 8 | commit 8 | bytes 8 | expires ms 8 (0: without end).
 * A copy is registered before its first byte is written, with bytes 0: what a crash leaves of it holds ciphertext too. */
struct vt_backup_entry {
    uint8_t backup_id[16];
    int64_t created_at_ms, expires_at_ms;
    uint64_t epoch, commit_number, bytes;
};
enum { VT_BACKUP_ENTRY_LEN = 41 };
void vt_backup_entry_encode(const struct vt_backup_entry *entry, uint8_t out_value[VT_BACKUP_ENTRY_LEN]);
/** @return VAULT_E_FORMAT, VAULT_E_CORRUPT */
VT_RESULT vt_backup_entry_decode(struct vt_bytes key, struct vt_bytes value, struct vt_backup_entry *out_entry);
typedef vault_status (*vt_backup_visitor)(void *context, const struct vt_backup_entry *entry);
VT_RESULT vt_backup_each(struct vt_txn *txn, vt_backup_visitor visitor, void *context);

/* Restore ------------------------------------------------------------------------------------------------------------ */

/** What the new environment has, what it lacks, and why. */
struct vt_restore_report {
    uint64_t subjects_in_backup, subjects_kept, subjects_erased;
    uint64_t records, rows_kept, rows_erased;
    uint64_t rows_of_now;           /* the backup's are dead since their key was replaced: those of now stay */
    uint64_t rows_lost;             /* written since the backup, or in another version now */
    uint64_t rows_damaged;          /* of now, unreadable: of somebody held, or undone by a take-over; the backup's stand in */
    uint64_t subjects_without_rows; /* created since the backup: keys without rows */
    uint64_t tokens;
    /* of vt_restore_reindex() */
    uint64_t index_removed, index_added;
    uint64_t index_conflicts;       /* entries that could not be restored: somebody else has the value now, or too many have it */
};
struct vt_restore_options {
    struct vt_store *backup;        /* opened by vt_backup_open() */
    struct vt_keyring_view *view;   /* of the live vault: the keyring that decides who is alive */
    struct vt_stamps *stamps;       /* pending shreds count as erased */
    vt_tenant_id tenant;
    /** Was the record deleted since? What only the ledger knows: its keys may live on. @return VAULT_OK, VAULT_E_NOT_FOUND */
    vault_status (*find_deletion)(struct vt_keyring_view *view, const struct vt_sid *sid, uint64_t record);
    const char *to_dir;             /* data directory; must not exist */
    const char *field;              /* as in vt_backup_make_dir() */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
};
/** Build a new environment row by row: keyring, ledger, certificates, configuration, audit log, holds, approvals and the subjects'
 *  own rows (who there is, external ids) are the live vault's; other rows the backup's where their key is alive, and the live
 *  ones where that key was replaced or a hold of now forbids to lose them; tokens both (the live ones win). Its index is the
 *  live one, as it was: vt_restore_reindex(). It carries its final name only once it is whole and synced. A failure leaves
 *  nothing behind.
 *  @return as vt_backup_make_dir(), VAULT_E_CANCELLED, VAULT_E_CORRUPT */
VT_RESULT vt_restore_build(const struct vt_restore_options *options, struct vt_restore_report *out_report, struct vt_err *err);

/** Remove the stores that vt_restore_build() has made in @p dir, and the directory unless it holds what is somebody else's. */
void vt_restore_remove(const char *dir);

/** Was @p store built by vt_restore_build(), and not yet made the vault? It bears a mark. @return VAULT_E_IO */
VT_RESULT vt_restore_is_copy(struct vt_store *store, bool *out_is_copy);
/** Take the mark away: the copy becomes the vault. */
VT_RESULT vt_restore_unmark(struct vt_txn *txn);

/* Take-over: docs/decisions/0013 ------------------------------------------------------------------------------------- */

/** What the new environment's index is made from. */
struct vt_restore_index {
    struct vt_keyring_view *live;       /* the view that vt_restore_build() used; its vault stands still */
    vt_tenant_id tenant;
    const struct vt_schema_set *schemas;
    const struct vt_template_set *templates;
    struct vt_store *store;             /* the new environment, and a keyring over it, unsealed */
    struct vt_keyring *ring;
    bool (*progress)(void *context, uint64_t done, uint64_t total);     /* false cancels; NULL allowed */
    void *progress_context;
};
/** Make T_idx that of the rows that are there: entries of rows that did not come over go, those of restored rows come, under the
 *  index keys of now. In bounded commits. A value that only one may have and somebody else has is a conflict: the row stays, its
 *  entry does not, and the report counts it. @return VAULT_E_CANCELLED, VAULT_E_CORRUPT, VAULT_E_IO, VAULT_E_DISK_FULL */
VT_RESULT vt_restore_reindex(const struct vt_restore_index *options, struct vt_restore_report *report);
/** Every page of the new environment's keyring under a fresh key, in bounded commits. live and schemas are not looked at. */
VT_RESULT vt_restore_rekey(const struct vt_restore_index *options);

/** Name of the directory below the data directory in which a take-over builds: "restore." and 32 hex digits. */
enum { VT_RESTORE_DIR_NAME_LEN = 41 };
void vt_restore_dir_name(const uint8_t id[16], char out_name[VT_RESTORE_DIR_NAME_LEN]);
/** The commit point: the data file of the environment in DATA_DIR/@p name takes the place of the vault's, durably. Both must be
 *  closed. A crash leaves either the one or the other in place. @return VAULT_E_ARGUMENT, VAULT_E_NOT_FOUND, VAULT_E_IO */
VT_RESULT vt_restore_install(const char *data_dir, const char *name);
/** Remove what take-overs that did not happen have left. The vault's store must be locked, so that nobody is building there.
 *  @p visit hears of each, removed or not; NULL allowed. @return VAULT_E_IO */
VT_RESULT vt_restore_clear(const char *data_dir, void (*visit)(void *context, const char *name, bool is_removed), void *context);
