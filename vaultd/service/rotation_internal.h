/* vaultd/service/rotation_internal.h - the place of a rotation. Private to this folder. */
#pragma once
#include "vaultd/service/rotation.h"

enum vt_rotation_stage {
    VT_STAGE_BEGIN = 1,             /* the fresh version */
    VT_STAGE_MOVE,                  /* what lies under older ones moves */
    VT_STAGE_VALUES,                /* index: entries that holders share */
    VT_STAGE_CHECK,                 /* does anything lie under an older one still? */
    VT_STAGE_COUNT,                 /* token-seal: which versions do rows name? */
    VT_STAGE_DROP,                  /* the older versions go */
    VT_STAGE_CLOSE,                 /* and die with the root key */
    VT_STAGE_FINISH,
    VT_STAGE_COPY,                  /* place: before MOVE */
    VT_STAGE_END_,
};
struct vt_rotation_place {
    uint8_t id[16];                 /* the job's */
    struct vt_rotation_wish wish;   /* keys: the one at hand and those that follow */
    uint8_t stage;
    bool is_again;                  /* no room for a fresh version at first: the older ones leave, then another round */
    bool has_moved;                 /* the pass that should find nothing found something */
    uint8_t cursor[32];
    uint64_t done, total;
    int64_t started_at_ms;
    bool is_over;                   /* in memory: stored by taking the place away */
};
struct vt_rotation {
    struct vt_vault *vault;
    struct vt_rotation_place place;
    size_t step_size;
    /* COUNT: versions that rows name, as far as they have been looked through; counted anew after a restart */
    uint32_t seen[VT_TENANT_KEY_VERSIONS];
    size_t seen_count;
    uint8_t count_key[VT_STORE_KEY_MAX];
    size_t count_key_len;
    /* COPY: what comes next; made anew after a restart */
    struct vt_replace_plan *plan;
};

enum vt_tenant_key_name vt_rotation_key(const struct vt_rotation_place *place);
const char *vt_rotation_what(const struct vt_rotation_place *place);

/** Sealed row of META. */
VT_RESULT vt_rotation_place_put(const struct vt_rotation_place *place, struct vt_keyring_view *view, struct vt_txn *txn);
VT_RESULT vt_rotation_place_plan(const struct vt_rotation_place *place, struct vt_keyring_view *view, struct vt_change *change);
typedef vault_status (*vt_rotation_place_visit)(void *context, const struct vt_rotation_place *place);
/** Stops at what @p visit returns but VAULT_OK. @return VAULT_E_FORMAT, VAULT_E_CORRUPT, VAULT_E_AUTHENTICITY */
VT_RESULT vt_rotation_places_each(struct vt_keyring_view *view, vt_rotation_place_visit visit, void *context);
/** Store the place as it is. */
VT_RESULT vt_rotation_keep(struct vt_rotation *rotation);
/** Take the place away: what it was for is gone. */
VT_RESULT vt_rotation_forget(struct vt_rotation *rotation);
VT_RESULT vt_rotation_of_place(struct vt_vault *vault, const struct vt_rotation_place *place, struct vt_rotation **out_rotation);
