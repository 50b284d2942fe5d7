/* vaultd/service/rotation.h - rotation of keys, in steps. Each step is a commit of its own, and the place it has reached is written
 * by the same commit, so that a rotation goes on where it stopped: after a restart and unseal by itself, after a failure when it is
 * asked for again.
 *
 * Place: META "rotate." | 32 hex digits of the job's id -> format 1 | incarnation 8 | SEAL(ledger key, job context, place). It may
 * hold a sid, so it is sealed. There while the rotation is under way or was stopped; the last commit takes it away.
 * Rotations of a tenant's key, by what lies under it:
 *   index   a fresh version; every entry of T_idx moves to it (core/token/reindex.h); the older versions go, an epoch closes
 *   place   the same by an era of T_idx
 *   config  the same by sealing the objects anew
 *   token-seal  a fresh version; a row needs its token to be sealed anew, so older versions stay until no row names them
 *   audit   a fresh version; nothing is sealed under older ones, which go
 *   token   a fresh version; tokens in others' hands need the older ones for ever
 * Thread: start and resume any; a step whoever owns the rotation, never the committer or a network thread. */
#pragma once
#include "vaultd/service/jobs.h"
#include "vaultd/service/vault.h"

enum vt_rotation_what { VT_ROTATE_TREE = 1, VT_ROTATE_SUBJECT, VT_ROTATE_TENANT };
struct vt_rotation_wish {
    enum vt_rotation_what what;
    vt_tenant_id tenant;
    uint8_t principal[16];          /* who asked: named in the audit log */
    struct vt_sid sid;              /* SUBJECT */
    uint16_t category;              /* SUBJECT: VT_CATEGORY_ALL or one */
    bool destroy_now;               /* SUBJECT: older versions are dropped and an epoch closes */
    uint32_t keys;                  /* TENANT: bits 1 << vt_tenant_key_name */
};
/** What a wish excludes while it is worked on. */
void vt_rotation_topic(const struct vt_rotation_wish *wish, struct vt_job_topic *out_topic);
/** Run it as a job; one that was stopped goes on where it was, under its old id. When this returns its place is stored. Thread:
 *  workers, tests.
 *  @return VAULT_E_RUNNING; VAULT_E_BUSY, VAULT_E_LIMIT (too many were stopped and wait to be asked for again) */
VT_RESULT vt_rotation_start(struct vt_vault *vault, const struct vt_rotation_wish *wish, uint8_t out_job[16]);
/** Every rotation that was under way goes on. Call it after an unseal, when commits can be submitted. A place that cannot be read
 *  is shown as a failed job. */
void vt_rotations_resume(struct vt_vault *vault);

/** What is known about a rotation that is under way or was stopped. */
struct vt_rotation_info {
    uint8_t job[16];
    const char *what;               /* static text: "tree", "subject", "tenant index" and so on */
    const char *stage;              /* static text */
    vt_tenant_id tenant;
    uint64_t done, total;           /* total 0: not known */
};
typedef vault_status (*vt_rotation_visit)(void *context, const struct vt_rotation_info *info);
VT_RESULT vt_rotations_each(struct vt_keyring_view *view, vt_rotation_visit visit, void *context);

/* One step at a time: what a job does, for tests. */

struct vt_rotation;
VT_RESULT vt_rotation_new(struct vt_vault *vault, const struct vt_rotation_wish *wish, struct vt_rotation **out_rotation);
/** One that was stopped. @return VAULT_E_NOT_FOUND when there is none */
VT_RESULT vt_rotation_open_stored(struct vt_vault *vault, struct vt_rotation **out_rotation);
void vt_rotation_free(struct vt_rotation *rotation);        /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_rotation);
/** At most this many rows or pages a step; 0: the default. */
void vt_rotation_set_step(struct vt_rotation *rotation, size_t size);
/** @return VAULT_E_CONFLICT, VAULT_E_BUSY: nothing was written, try again; VAULT_E_SEALED; VAULT_E_NOT_FOUND (the subject is gone);
 *  VAULT_E_LIMIT (older versions of the key are all needed); VAULT_E_HELD (a hold forbids to destroy them: the rotation is over) */
VT_RESULT vt_rotation_step(struct vt_rotation *rotation, bool *out_done);
/** As vt_rotations_each() tells it, with what is not stored: how far the rows of tokens have been counted. */
struct vt_rotation_info vt_rotation_info(const struct vt_rotation *rotation);
/** Name of a tenant's key as it is asked for. */
const char *vt_rotation_key_name(enum vt_tenant_key_name key);
