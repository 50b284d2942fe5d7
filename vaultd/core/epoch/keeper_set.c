#include "vaultd/core/epoch/keeper_set.h"

enum {
    SET_VERSION = 1,
    HEAD_LEN = 16,              /* version 1 | k 1 | k of the sharing before 1 | count 1 | zero 4 | epoch 8 */
    NAME_LEN = 64,
    MEMBER_LEN = 224,           /* id 8 | class 1 | point 1 | former point 1 | proof 1 | zero 4 | clean from 8 | last epoch 8 |
                                   receipt 32 | name 64 | verifier key 96 */
    SET_PLAIN_MAX = HEAD_LEN + VT_KEEPER_SET_MAX * MEMBER_LEN,
    ROW_HEAD_LEN = 8,
};
#define SET_KEY "keepers"

/* The list ---------------------------------------------------------------------------------------------------------- */

size_t vt_keeper_set_size(const struct vt_keeper_set *set, bool is_former)
{
    size_t size = 0;
    for (size_t i = 0; i < set->count; i++) size += (is_former ? set->members[i].former_x : set->members[i].x) != 0;
    return size;
}

struct vt_keeper_member *vt_keeper_set_find(struct vt_keeper_set *set, uint64_t id)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->members[i].id == id) return &set->members[i];
    return NULL;
}

struct vt_keeper_member *vt_keeper_set_find_name(struct vt_keeper_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->members[i].x != 0 && strcmp(set->members[i].name, name) == 0) return &set->members[i];
    return NULL;
}

void vt_keeper_set_advance(struct vt_keeper_set *set, uint64_t epoch, uint8_t k)
{
    for (size_t i = 0; i < set->count; i++) {
        set->members[i].former_x = set->members[i].x;
        set->members[i].x = 0;
    }
    set->epoch = epoch;
    set->former_k = set->k;
    set->k = k;
}

/* It holds no share and owes no receipt. */
static bool is_settled(const struct vt_keeper_member *member)
{
    return member->x == 0 && member->former_x == 0 && member->clean_from > member->last_epoch;
}

static struct vt_keeper_member *room_for(struct vt_keeper_set *set)
{
    if (set->count < VT_KEEPER_SET_MAX) return &set->members[set->count++];
    for (size_t i = 0; i < set->count; i++)
        if (is_settled(&set->members[i])) return &set->members[i];
    return NULL;
}

static void name_member(struct vt_keeper_member *member, const struct vt_keeper_info *info)
{
    member->keeper_class = (uint8_t)info->keeper_class;
    memcpy(member->name, info->name, sizeof member->name);
    memcpy(member->verifier_key, info->verifier_key, strlen(info->verifier_key) + 1);
}

VT_RESULT vt_keeper_set_owe(struct vt_keeper_set *set, const struct vt_keeper_info *info, uint64_t epoch)
{
    struct vt_keeper_member *member = vt_keeper_set_find(set, info->keeper_id);
    VT_ENSURE(strlen(info->verifier_key) < VT_VERIFIER_KEY_LEN, VAULT_E_ARGUMENT);
    if (member != NULL && member->x != 0) return VAULT_OK;
    if (member == NULL) {
        member = room_for(set);
        VT_ENSURE(member != NULL, VAULT_E_LIMIT);
        *member = (struct vt_keeper_member){.id = info->keeper_id, .clean_from = epoch};
    }
    if (member->proof == VT_CLEAN_BY_ATTESTATION) member->clean_from = member->proof = 0;
    member->last_epoch = VT_MAX(member->last_epoch, VT_MAX(epoch, member->clean_from));
    name_member(member, info);
    return VAULT_OK;
}

bool vt_keeper_set_forgive(struct vt_keeper_set *set, uint64_t id)
{
    struct vt_keeper_member *member = vt_keeper_set_find(set, id);
    if (member == NULL || member->x != 0 || member->former_x != 0 || member->proof != VT_CLEAN_BY_ITSELF) return false;
    *member = set->members[--set->count];
    return true;
}

VT_RESULT vt_keeper_set_give(struct vt_keeper_set *set, const struct vt_keeper_info *info)
{
    const size_t x = vt_keeper_set_size(set, false) + 1;
    struct vt_keeper_member *member = vt_keeper_set_find(set, info->keeper_id);
    VT_ENSURE(strlen(info->verifier_key) < VT_VERIFIER_KEY_LEN && x <= UINT8_MAX, VAULT_E_ARGUMENT);
    if (member == NULL) {
        member = room_for(set);
        VT_ENSURE(member != NULL, VAULT_E_LIMIT);
        *member = (struct vt_keeper_member){.id = info->keeper_id, .clean_from = set->epoch};
    }
    /* Said to be gone for good, and here it is: what it has shown begins anew. */
    if (member->proof == VT_CLEAN_BY_ATTESTATION && info->is_reachable) member->clean_from = member->proof = 0;
    member->x = (uint8_t)x;
    member->last_epoch = set->epoch;
    name_member(member, info);
    return VAULT_OK;
}

void vt_keeper_set_note(struct vt_keeper_member *member, uint64_t epoch, enum vt_clean_proof proof, const uint8_t hash[32])
{
    if (epoch < member->clean_from || (epoch == member->clean_from && member->proof != VT_CLEAN_BY_ITSELF)) return;
    member->clean_from = epoch;
    member->proof = (uint8_t)proof;
    memcpy(member->receipt, hash, sizeof member->receipt);
}

uint64_t vt_keeper_set_clean_from(const struct vt_keeper_set *set)
{
    uint64_t clean_from = set->epoch;
    for (size_t i = 0; i < set->count; i++)
        if (!is_settled(&set->members[i])) clean_from = VT_MIN(clean_from, set->members[i].clean_from);
    return clean_from;
}

size_t vt_keeper_set_evidence(const struct vt_keeper_set *set, bool is_former, struct vt_certificate_keeper *out_keepers)
{
    const size_t size = vt_keeper_set_size(set, is_former);
    for (size_t i = 0; i < set->count; i++) {
        const struct vt_keeper_member *member = &set->members[i];
        const uint8_t x = is_former ? member->former_x : member->x;
        if (x != 0 && x <= size)
            out_keepers[x - 1] = (struct vt_certificate_keeper){
                .id = member->id, .erase_class = (enum vt_erase_class)member->keeper_class, .state = VT_ERASE_WAITING};
    }
    return size;
}

bool vt_keeper_set_show(const struct vt_keeper_set *set, uint64_t epoch, struct vt_certificate_keeper *keeper)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct vt_keeper_member *member = &set->members[i];
        if (member->id != keeper->id || member->clean_from < epoch || member->proof == VT_CLEAN_BY_ITSELF) continue;
        keeper->state = member->proof == VT_CLEAN_BY_RECEIPT ? VT_ERASE_DONE : VT_ERASE_ATTESTED;
        memcpy(keeper->receipt, member->receipt, sizeof keeper->receipt);
        return true;
    }
    return false;
}

/* As it is stored ----------------------------------------------------------------------------------------------------- */

static void member_encode(const struct vt_keeper_member *member, uint8_t *out)
{
    memset(out, 0, MEMBER_LEN);
    vt_put_u64(out, member->id);
    out[8] = member->keeper_class;
    out[9] = member->x;
    out[10] = member->former_x;
    out[11] = member->proof;
    vt_put_u64(out + 16, member->clean_from);
    vt_put_u64(out + 24, member->last_epoch);
    memcpy(out + 32, member->receipt, sizeof member->receipt);
    memcpy(out + 64, member->name, strlen(member->name));
    memcpy(out + 64 + NAME_LEN, member->verifier_key, strlen(member->verifier_key));
}

static VT_RESULT member_decode(const uint8_t *in, struct vt_keeper_member *out_member)
{
    struct vt_keeper_member member = {.id = vt_get_u64(in), .keeper_class = in[8], .x = in[9], .former_x = in[10],
                                      .proof = in[11], .clean_from = vt_get_u64(in + 16), .last_epoch = vt_get_u64(in + 24)};
    memcpy(member.receipt, in + 32, sizeof member.receipt);
    memcpy(member.name, in + 64, NAME_LEN);
    memcpy(member.verifier_key, in + 64 + NAME_LEN, VT_VERIFIER_KEY_LEN);
    VT_ENSURE(member.keeper_class <= VT_KEEPER_X && member.proof <= VT_CLEAN_BY_ATTESTATION, VAULT_E_CORRUPT);
    VT_ENSURE(member.verifier_key[VT_VERIFIER_KEY_LEN - 1] == '\0', VAULT_E_CORRUPT);
    *out_member = member;
    return VAULT_OK;
}

/* Each point of a sharing is given once, from 1 on, and k of them are enough. */
static bool points_are_whole(const struct vt_keeper_set *set, bool is_former)
{
    const size_t size = vt_keeper_set_size(set, is_former);
    uint32_t seen = 0;
    for (size_t i = 0; i < set->count; i++) {
        const uint8_t x = is_former ? set->members[i].former_x : set->members[i].x;
        if (x == 0) continue;
        if (x > size || size >= 32 || (seen >> (x - 1) & 1) != 0) return false;
        seen |= (uint32_t)1 << (x - 1);
    }
    return (is_former ? set->former_k : set->k) <= size;
}

static VT_RESULT set_decode(const uint8_t *plain, size_t len, struct vt_keeper_set *out_set)
{
    struct vt_keeper_set set = {.k = plain[1], .former_k = plain[2], .count = plain[3], .epoch = vt_get_u64(plain + 8)};
    VT_ENSURE(plain[0] == SET_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(set.count <= VT_KEEPER_SET_MAX && len == HEAD_LEN + set.count * MEMBER_LEN, VAULT_E_CORRUPT);
    for (size_t i = 0; i < set.count; i++) VT_TRY(member_decode(plain + HEAD_LEN + i * MEMBER_LEN, &set.members[i]));
    VT_ENSURE(set.k >= 1 && points_are_whole(&set, false) && points_are_whole(&set, true), VAULT_E_CORRUPT);
    *out_set = set;
    return VAULT_OK;
}

VT_RESULT vt_keeper_set_load(struct vt_keyring_view *view, struct vt_keeper_set *out_set)
{
    uint8_t plain[SET_PLAIN_MAX];
    struct vt_bytes value;
    VT_TRY(vt_store_get(vt_keyring_view_txn(view), VT_TABLE_META, vt_bytes_str(SET_KEY), &value));
    VT_ENSURE(value.len >= ROW_HEAD_LEN + VT_SEAL_OVERHEAD + HEAD_LEN, VAULT_E_CORRUPT);
    const size_t len = value.len - ROW_HEAD_LEN - VT_SEAL_OVERHEAD;
    VT_ENSURE(len <= sizeof plain, VAULT_E_CORRUPT);
    VT_TRY(vt_sealed_row_open(view, VT_SEAL_KEEPERS, VT_BYTES_EMPTY, value, plain, len));
    return set_decode(plain, len, out_set);
}

VT_RESULT vt_keeper_set_put(const struct vt_keeper_set *set, struct vt_keyring_view *view, struct vt_txn *txn,
                            struct vt_buf *journal_rows)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(ROW_HEAD_LEN + VT_SEAL_OVERHEAD + SET_PLAIN_MAX);
    uint8_t plain[SET_PLAIN_MAX] = {SET_VERSION, set->k, set->former_k, (uint8_t)set->count};
    vt_put_u64(plain + 8, set->epoch);
    for (size_t i = 0; i < set->count; i++) member_encode(&set->members[i], plain + HEAD_LEN + i * MEMBER_LEN);
    VT_TRY(vt_sealed_row(view, VT_SEAL_KEEPERS, VT_BYTES_EMPTY, vt_bytes(plain, HEAD_LEN + set->count * MEMBER_LEN), &value));
    const struct vt_bytes bytes = vt_buf_bytes(&value);
    VT_TRY(vt_store_put(txn, VT_TABLE_META, vt_bytes_str(SET_KEY), bytes, VT_PUT_DEFAULT));
    return journal_rows != NULL ? vt_journal_row(journal_rows, VT_TABLE_META, vt_bytes_str(SET_KEY), &bytes) : VAULT_OK;
}
