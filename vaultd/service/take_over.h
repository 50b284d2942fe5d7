/* vaultd/service/take_over.h - making a restored environment the vault. docs/decisions/0013.
 *
 * The vault stops answering, what is pending is forgotten, the committer stands still. Beside the live environment a new one is
 * built, in DATA_DIR/restore.<id>: under the next incarnation and epoch, every page of its keyring under a fresh key. When it is
 * whole, whoever owns the process closes the vault, calls vt_restore_install() and opens it again: unsealing finishes, as after
 * any crash behind a commit. Until then nothing is changed, and a failure leaves the vault serving as before.
 * Thread: as each function says. */
#pragma once
#include "vaultd/core/backup/backup.h"
#include "vaultd/service/vault.h"

struct vt_take_over {
    struct vt_store *backup;                    /* from vt_backup_open() */
    const struct vt_backup_manifest *manifest;
    vt_tenant_id tenant;
    const uint8_t *job;                         /* 16 bytes: names the directory */
    struct vt_audit_leaf leaf;                  /* of the call; written into the new environment's log, and there alone */
    bool (*progress)(void *context, uint64_t done, uint64_t total);     /* false cancels */
    void *progress_context;
};
/** Build the new environment and wish the restart. On success the vault answers nothing any more but health, status, job status
 *  and login; on failure it serves as before. Thread: a worker that holds no view. @return VAULT_E_UNSUPPORTED when nobody can
 *  restart this vault, VAULT_E_STATE while it is not ready, VAULT_E_BUSY while other jobs run, VAULT_E_KEEPER, VAULT_E_CANCELLED,
 *  VAULT_E_DISK_FULL, VAULT_E_IO, VAULT_E_CORRUPT */
VT_RESULT vt_vault_take_over(struct vt_vault *vault, const struct vt_take_over *options, struct vt_restore_report *out_report,
                             struct vt_err *err);
/** Stop one that is under way and wait until the vault serves again. Thread: any but the one that runs it.
 *  @return VAULT_E_SHUTDOWN when it is whole already and the restart has been wished */
VT_RESULT vt_vault_take_over_cancel(struct vt_vault *vault);
/** Who restarts the vault: told once, when the new environment is whole. Before any thread runs. */
void vt_vault_set_restart(struct vt_vault *vault, void (*restart)(void *context), void *context);
/** Name of the directory to be installed; NULL when there is none. Thread: who was told. */
const char *vt_vault_take_over_dir(struct vt_vault *vault);

/** What the last take-over said, kept in META. */
struct vt_take_over_record {
    uint8_t job[16], backup_id[16];
    uint64_t incarnation;
    int64_t at_ms;
    struct vt_restore_report report;
};
/** @return VAULT_E_NOT_FOUND, VAULT_E_FORMAT */
VT_RESULT vt_take_over_record_read(struct vt_txn *txn, struct vt_take_over_record *out_record);
