/* Who holds the shares of the root key: the list in the store, the keepers of the settings, and what is made of both when the
 * next epoch is prepared. Nothing but a change that was asked for takes a keeper out of the list or in; where a keeper is gone and
 * a free one has been put in its place under its name, that one takes its place. docs/decisions/0018. */
#include "libvault/crypto/digest.h"
#include "vaultd/core/epoch/epoch_internal.h"

size_t vt_epoch_index_of(const struct vt_epoch *epoch, uint64_t id)
{
    for (size_t i = 0; i < epoch->options.keeper_count; i++)
        if (epoch->infos[i].keeper_id == id) return i;
    return VT_KEEPERS_MAX;
}

void vt_epoch_resolve(const struct vt_epoch *epoch, struct vt_keeper_info *info)
{
    if (info->keeper_id != 0) return;
    const struct vt_keeper_member *member =
        vt_keeper_set_find_name((struct vt_keeper_set *)(uintptr_t)&epoch->set, info->name);
    if (member == NULL) return;
    info->keeper_id = member->id;
    info->keeper_class = (enum vt_keeper_class)member->keeper_class;
    memcpy(info->verifier_key, member->verifier_key, strlen(member->verifier_key) + 1);
}

unsigned vt_epoch_quorum(struct vt_epoch *epoch)
{
    pthread_mutex_lock(&epoch->mutex);
    const unsigned k = epoch->set.epoch != 0 ? epoch->set.k : epoch->options.quorum;
    pthread_mutex_unlock(&epoch->mutex);
    return k;
}

/* Under the mutex, or while nobody else looks. Certificates name who holds the shares that are to be erased next. */
static void adopt(struct vt_epoch *epoch, const struct vt_keeper_set *set)
{
    const unsigned m = (unsigned)vt_keeper_set_size(set, false), spare = m - set->k;
    const bool is_other = epoch->set.epoch == 0 || set->k != epoch->set.k || m != vt_keeper_set_size(&epoch->set, false);
    epoch->set = *set;
    epoch->has_news = true;
    epoch->evidence.keeper_count = vt_keeper_set_evidence(set, false, epoch->evidence_keepers);
    epoch->evidence.threshold = set->k;
    if (is_other || epoch->tolerance > spare) epoch->tolerance = spare;
    for (size_t i = 0; i < epoch->options.keeper_count; i++) vt_epoch_resolve(epoch, &epoch->infos[i]);
}

void vt_epoch_adopt_set(struct vt_epoch *epoch, const struct vt_keeper_set *set)
{
    pthread_mutex_lock(&epoch->mutex);
    adopt(epoch, set);
    pthread_mutex_unlock(&epoch->mutex);
}

VT_RESULT vt_epoch_first_set(struct vt_epoch *epoch, struct vt_keeper_set *out_set)
{
    struct vt_keeper_set set = {.epoch = 0};
    vt_keeper_set_advance(&set, VT_KEYRING_FIRST_EPOCH, (uint8_t)epoch->options.quorum);
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        VT_ENSURE(epoch->infos[i].keeper_id != 0, VAULT_E_KEEPER);
        VT_TRY(vt_keeper_set_give(&set, &epoch->infos[i]));
    }
    *out_set = set;
    return VAULT_OK;
}

/* The next one ---------------------------------------------------------------------------------------------------------- */

/* Nothing of any vault: whatever it holds was prepared for us and given up. */
static bool is_free(const struct vt_epoch *epoch, size_t index)
{
    return epoch->infos[index].is_reachable && epoch->infos[index].keeper_id != 0 && epoch->floors[index].epoch == 0;
}

static const struct vt_keeper_info *in_place_of(const struct vt_epoch *epoch, const struct vt_keeper_member *member)
{
    for (size_t i = 0; i < epoch->options.keeper_count; i++)
        if (strcmp(epoch->infos[i].name, member->name) == 0 && is_free(epoch, i)) return &epoch->infos[i];
    return NULL;
}

/* It keeps its place also when it is not there: how many hold the key never shrinks by itself. */
static VT_RESULT give_again(const struct vt_epoch *epoch, const struct vt_keeper_member *member, struct vt_keeper_set *next)
{
    const size_t at = vt_epoch_index_of(epoch, member->id);
    const struct vt_keeper_info *info = at != VT_KEEPERS_MAX ? &epoch->infos[at] : in_place_of(epoch, member);
    if (info != NULL) return vt_keeper_set_give(next, info);
    struct vt_keeper_info itself = {.keeper_id = member->id, .keeper_class = (enum vt_keeper_class)member->keeper_class};
    memcpy(itself.name, member->name, sizeof itself.name);
    memcpy(itself.verifier_key, member->verifier_key, strlen(member->verifier_key) + 1);
    return vt_keeper_set_give(next, &itself);
}

static VT_RESULT same_holders(const struct vt_epoch *epoch, const struct vt_keeper_set *set, struct vt_keeper_set *next)
{
    for (unsigned x = 1; x <= vt_keeper_set_size(set, false); x++)
        for (size_t i = 0; i < set->count; i++)
            if (set->members[i].x == x) VT_TRY(give_again(epoch, &set->members[i], next));
    return VAULT_OK;
}

static bool is_planned(const struct vt_keeper_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++) {
        const enum vt_keeper_part part = plan->items[i].part;
        if ((part == VT_KEEPER_STAYS || part == VT_KEEPER_JOINS) && strcmp(plan->items[i].name, name) == 0) return true;
    }
    return false;
}

static VT_RESULT planned_holders(const struct vt_epoch *epoch, const struct vt_keeper_plan *plan, struct vt_keeper_set *next)
{
    for (size_t i = 0; i < epoch->options.keeper_count; i++) {
        if (!is_planned(plan, epoch->infos[i].name)) continue;
        VT_ENSURE(epoch->infos[i].is_reachable && epoch->infos[i].keeper_id != 0, VAULT_E_KEEPER);
        VT_TRY(vt_keeper_set_give(next, &epoch->infos[i]));
    }
    VT_ENSURE(vt_keeper_set_size(next, false) >= plan->k, VAULT_E_KEEPER);
    return VAULT_OK;
}

VT_RESULT vt_epoch_next_set(struct vt_epoch *epoch, uint64_t next_epoch, const struct vt_keeper_plan *plan,
                            struct vt_keeper_set *out_set)
{
    pthread_mutex_lock(&epoch->mutex);
    const struct vt_keeper_set set = epoch->set;
    pthread_mutex_unlock(&epoch->mutex);
    VT_ENSURE(set.epoch != 0, VAULT_E_KEEPER);
    struct vt_keeper_set next = set;
    vt_keeper_set_advance(&next, next_epoch, plan != NULL ? (uint8_t)plan->k : set.k);
    VT_TRY(plan != NULL ? planned_holders(epoch, plan, &next) : same_holders(epoch, &set, &next));
    *out_set = next;
    return VAULT_OK;
}

/* Coming and going ------------------------------------------------------------------------------------------------------ */

/* A crash of the first initialisation has left no list: who holds a share has it by right. Those that are away are not known. */
static VT_RESULT set_from_shares(struct vt_epoch *epoch, const struct vt_keeper_view *views, const struct vt_epoch_id *current,
                                 struct vt_keeper_set *set)
{
    size_t m = 0;
    *set = (struct vt_keeper_set){.epoch = 0};
    vt_keeper_set_advance(set, current->epoch, 0);
    for (size_t i = 0; i < epoch->options.keeper_count; i++)
        for (size_t j = 0; j < views[i].slot_count; j++) {
            if (!vt_slot_is(&views[i].slots[j], current)) continue;
            set->k = views[i].slots[j].k;
            m = views[i].slots[j].m;
            VT_TRY(vt_keeper_set_give(set, &epoch->infos[i]));
        }
    return vt_keeper_set_size(set, false) == m ? VAULT_OK : VAULT_E_NOT_FOUND;
}

VT_RESULT vt_epoch_load_set(struct vt_epoch *epoch, struct vt_keyring_view *view, const struct vt_keeper_view *views,
                            const struct vt_epoch_id *current)
{
    struct vt_keeper_set set;
    vault_status status = vt_keeper_set_load(view, &set);
    if (status == VAULT_E_NOT_FOUND) {
        /* Later it is there: made anew it would say that nobody owes anything. */
        VT_ENSURE(current->epoch == VT_KEYRING_FIRST_EPOCH, VAULT_E_CORRUPT);
        status = set_from_shares(epoch, views, current, &set);
    }
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;       /* no epoch closes before all have been seen */
    VT_TRY(status);
    VT_ENSURE(set.epoch == current->epoch, VAULT_E_CORRUPT);
    vt_epoch_adopt_set(epoch, &set);
    return VAULT_OK;
}

VT_RESULT vt_epoch_note_receipt(struct vt_epoch *epoch, size_t index, uint64_t epoch_number, struct vt_bytes note)
{
    uint8_t hash[VT_SHA256_LEN];
    VT_TRY(vt_sha256_one(note, hash));
    pthread_mutex_lock(&epoch->mutex);
    struct vt_keeper_member *member = vt_keeper_set_find(&epoch->set, epoch->infos[index].keeper_id);
    if (member != NULL) vt_keeper_set_note(member, epoch_number, VT_CLEAN_BY_RECEIPT, hash);
    if (member != NULL && memcmp(member->receipt, hash, sizeof hash) == 0) vt_epoch_keep_late(epoch, index, epoch_number, note);
    pthread_mutex_unlock(&epoch->mutex);
    return VAULT_OK;
}
