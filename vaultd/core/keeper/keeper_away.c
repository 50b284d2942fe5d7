/* A keeper that could not be opened when the others were: it is tried again with each operation, until it is there. What it answers
 * until then is that it does not answer. */
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "vaultd/core/keeper/keeper.h"

struct keeper_away {
    struct vt_keeper base;
    struct vt_keeper *inner;            /* NULL: not there yet */
    char *kind, *path, *store_dir;
    char name[65];
};

static struct keeper_away *away_of(struct vt_keeper *keeper)
{
    return (struct keeper_away *)(void *)keeper;
}

static VT_RESULT open_inner(struct keeper_away *away, enum vt_keeper_use use, struct vt_err *err)
{
    VT_AUTO_PTR(vt_keeper) keeper = NULL;
    VT_TRY(vt_keeper_open(away->kind, away->path, away->name, use, &keeper, err));
    VT_TRY(vt_keeper_compare_device(keeper, away->store_dir));
    away->inner = VT_MOVE(keeper);
    return VAULT_OK;
}

static VT_RESULT reach(struct vt_keeper *keeper, struct vt_keeper **out_inner)
{
    struct keeper_away *away = away_of(keeper);
    if (away->inner == NULL) VT_ENSURE(open_inner(away, VT_KEEPER_MUST_EXIST, NULL) == VAULT_OK, VAULT_E_KEEPER);
    *out_inner = away->inner;
    return VAULT_OK;
}

static vault_status away_info(struct vt_keeper *keeper, struct vt_keeper_info *out_info)
{
    struct vt_keeper *inner;
    if (reach(keeper, &inner) == VAULT_OK) return inner->ops->info(inner, out_info);
    struct vt_keeper_info info = {.keeper_class = VT_KEEPER_E0};
    memcpy(info.name, away_of(keeper)->name, sizeof info.name);
    *out_info = info;
    return VAULT_OK;
}

static vault_status away_read(struct vt_keeper *keeper, struct vt_keeper_slot out_slots[VT_KEEPER_SLOTS], size_t *out_count)
{
    struct vt_keeper *inner;
    VT_TRY(reach(keeper, &inner));
    return inner->ops->read(inner, out_slots, out_count);
}

static vault_status away_prepare(struct vt_keeper *keeper, const struct vt_keeper_slot *slot)
{
    struct vt_keeper *inner;
    VT_TRY(reach(keeper, &inner));
    return inner->ops->prepare(inner, slot);
}

static vault_status away_finalize(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                                  const uint8_t attempt[VT_ATTEMPT_LEN], uint64_t commit_number, int64_t now_ms,
                                  struct vt_keeper_receipt *out_receipt)
{
    struct vt_keeper *inner;
    VT_TRY(reach(keeper, &inner));
    return inner->ops->finalize(inner, incarnation, epoch, attempt, commit_number, now_ms, out_receipt);
}

static vault_status away_abort(struct vt_keeper *keeper, uint64_t incarnation, uint64_t epoch,
                               const uint8_t attempt[VT_ATTEMPT_LEN])
{
    struct vt_keeper *inner;
    VT_TRY(reach(keeper, &inner));
    return inner->ops->abort(inner, incarnation, epoch, attempt);
}

static vault_status away_floor(struct vt_keeper *keeper, struct vt_keeper_floor *out_floor)
{
    struct vt_keeper *inner;
    VT_TRY(reach(keeper, &inner));
    return inner->ops->floor(inner, out_floor);
}

static vault_status away_raise_floor(struct vt_keeper *keeper, const struct vt_keeper_floor *floor)
{
    struct vt_keeper *inner;
    VT_TRY(reach(keeper, &inner));
    return inner->ops->raise_floor(inner, floor);
}

static void away_free(struct vt_keeper *keeper)
{
    struct keeper_away *away = away_of(keeper);
    vt_keeper_free(away->inner);
    free(away->kind);
    free(away->path);
    free(away->store_dir);
    free(away);
}

static const struct vt_keeper_ops away_ops = {
    .info = away_info, .read = away_read, .prepare = away_prepare, .finalize = away_finalize,
    .abort = away_abort, .floor = away_floor, .raise_floor = away_raise_floor, .free = away_free,
};

VT_RESULT vt_keeper_open_later(const char *kind, const char *path, const char *name, const char *store_dir,
                               struct vt_keeper **out_keeper)
{
    VT_ENSURE(strlen(name) >= 1 && strlen(name) <= 64, VAULT_E_ARGUMENT);
    struct keeper_away *away = vt_calloc(1, sizeof *away);
    VT_ENSURE(away != NULL, VAULT_E_MEMORY);
    away->base.ops = &away_ops;
    VT_AUTO_PTR(vt_keeper) keeper = &away->base;
    memcpy(away->name, name, strlen(name) + 1);
    away->kind = strdup(kind);
    away->path = strdup(path);
    away->store_dir = strdup(store_dir);
    VT_ENSURE(away->kind != NULL && away->path != NULL && away->store_dir != NULL, VAULT_E_MEMORY);
    *out_keeper = VT_MOVE(keeper);
    return VAULT_OK;
}

VT_RESULT vt_keeper_make(struct vt_keeper *keeper, struct vt_err *err)
{
    if (keeper->ops != &away_ops || away_of(keeper)->inner != NULL) return VAULT_OK;
    return open_inner(away_of(keeper), VT_KEEPER_MAKE, err);
}
