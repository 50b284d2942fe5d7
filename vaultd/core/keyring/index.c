/* T_idx. An entry of hash h in group g lies at PRF(K_place, h || g), so that neither the hash nor which page an insert
 * touched tells the value. Groups hold 32 entries; all but the last are full: an entry that is removed is replaced by
 * one of the last group, so a reader stops at the first group that is not full. While K_place is being replaced,
 * entries lie under any of its versions, and all are asked. An entry may lie under two of them then: the hashes that fill no group
 * are copied to the live version before they leave the older one (replace.c). It counts once, and goes from both. */
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "libvault/codec/limits.h"
#include "libvault/crypto/mac.h"
#include "vaultd/core/keyring/keyring_internal.h"

/* Payload: hash 16 | data 24 | group 4 | version of K_place 4 | flags 1. */
enum { IDX_HASH = 0, IDX_DATA = 16, IDX_GROUP = 40, IDX_PLACE = 44, INDEX_GROUP_ENTRIES = 32, INDEX_PIECES_MAX = 8 };

VT_RESULT vt_keyring_index_hash(struct vt_keyring_view *view, vt_tenant_id tenant, size_t key_index, const char *label,
                                const struct vt_bytes *pieces, size_t count, struct vt_index_hash *out_hash)
{
    const struct vt_key_table *table;
    struct vt_bytes all[1 + 2 * INDEX_PIECES_MAX];
    uint8_t lengths[INDEX_PIECES_MAX][4], mac[32];
    VT_ENSURE(count <= INDEX_PIECES_MAX, VAULT_E_ARGUMENT);
    VT_TRY(vt_view_tenant_keys(view, tenant, &table));
    VT_ENSURE(key_index < table->counts[VT_TENANT_KEY_INDEX], VAULT_E_NOT_FOUND);
    all[0] = vt_bytes(label, strlen(label) + 1);
    for (size_t i = 0; i < count; i++) {
        VT_ENSURE(pieces[i].len <= UINT32_MAX, VAULT_E_TOO_LARGE);
        vt_put_u32(lengths[i], (uint32_t)pieces[i].len);
        all[1 + 2 * i] = VT_BYTES_OF(lengths[i]);
        all[2 + 2 * i] = pieces[i];
    }
    const struct vt_tenant_key *key = &table->keys[VT_TENANT_KEY_INDEX][key_index];
    VT_TRY(vt_hmac_sha256(vt_key_bytes(&key->key), all, 1 + 2 * count, mac));
    memcpy(out_hash->bytes, mac, sizeof out_hash->bytes);
    vt_wipe(mac, sizeof mac);
    return VAULT_OK;
}

VT_RESULT vt_index_position(const struct vt_tenant_key *place, const struct vt_index_hash *hash, uint32_t group,
                            uint8_t out_key[VT_ENTRY_KEY_LEN])
{
    uint8_t group_bytes[4], mac[32];
    vt_put_u32(group_bytes, group);
    const struct vt_bytes pieces[] = {VT_BYTES_OF(hash->bytes), VT_BYTES_OF(group_bytes)};
    VT_TRY(vt_hmac_sha256(vt_key_bytes(&place->key), pieces, VT_ARRAY_LEN(pieces), mac));
    memcpy(out_key, mac, VT_ENTRY_KEY_LEN);
    vt_wipe(mac, sizeof mac);
    return VAULT_OK;
}

static bool entry_is_of(const uint8_t *entry, const struct vt_index_hash *hash)
{
    return vt_ct_equal(vt_bytes(entry + VT_ENTRY_KEY_LEN + IDX_HASH, VT_INDEX_HASH_LEN), VT_BYTES_OF(hash->bytes));
}

static const uint8_t *entry_data(const uint8_t *entry)
{
    return entry + VT_ENTRY_KEY_LEN + IDX_DATA;
}

/* Reading ---------------------------------------------------------------------------------------------------------- */

struct index_results {
    uint8_t (*data)[VT_INDEX_DATA_LEN];
    size_t max, count;
    /* what came from versions under which the hash fills no group: only that may have been copied */
    struct {
        size_t first, count;
    } small[VT_TENANT_KEY_VERSIONS];
    size_t small_count;
};

static bool results_have(const struct index_results *results, const uint8_t *data)
{
    for (size_t i = 0; i < results->small_count; i++)
        for (size_t k = 0; k < results->small[i].count; k++)
            if (memcmp(results->data[results->small[i].first + k], data, VT_INDEX_DATA_LEN) == 0) return true;
    return false;
}

/* A write keeps open what it looks at: whoever asks it whether a value is there is about to put it there. */
static VT_RESULT leaf_find(const struct vt_tree *tree, const uint8_t *position, struct vt_leaf_at *out_at)
{
    struct vt_keyring_write *write = tree->view->write;
    struct vt_write_tenant *tenant;
    struct vt_path path;
    if (write == NULL) return vt_tree_find(tree, position, out_at);
    VT_TRY(vt_write_tenant_find(write, tree->tenant, &tenant));
    VT_TRY(vt_tree_load(&tenant->idx, &write->overlay, position, &path));
    if (path.depth == 0) return VAULT_OK;
    struct vt_page *leaf = vt_path_leaf(&path);
    vt_cached_hold(&leaf->head);
    out_at->leaf = leaf;
    out_at->first = vt_leaf_lower_bound(leaf, position);
    out_at->count = vt_leaf_equal_count(leaf, out_at->first, position);
    return VAULT_OK;
}

/* @param out_is_full whether another group may follow */
static VT_RESULT group_collect(const struct vt_tree *tree, const uint8_t *position, const struct vt_index_hash *hash,
                               struct index_results *results, bool *out_is_full)
{
    VT_AUTO(vt_leaf_at) at = VT_LEAF_AT_INIT;
    VT_TRY(leaf_find(tree, position, &at));
    for (size_t i = 0; i < at.count && results->count < results->max; i++) {
        const uint8_t *entry = vt_leaf_entry(at.leaf, at.first + i);
        VT_ENSURE(entry_is_of(entry, hash), VAULT_E_CORRUPT);
        if (results_have(results, entry_data(entry))) continue;
        memcpy(results->data[results->count++], entry_data(entry), VT_INDEX_DATA_LEN);
    }
    *out_is_full = at.count >= INDEX_GROUP_ENTRIES;
    return VAULT_OK;
}

static VT_RESULT place_collect(const struct vt_tree *tree, const struct vt_tenant_key *place,
                               const struct vt_index_hash *hash, struct index_results *results)
{
    const size_t first = results->count;
    uint32_t group = 0;
    for (bool is_full = true; is_full && results->count < results->max; group++) {
        uint8_t position[VT_ENTRY_KEY_LEN];
        VT_TRY(vt_index_position(place, hash, group, position));
        VT_TRY(group_collect(tree, position, hash, results, &is_full));
        if (group != 0 || is_full) continue;
        results->small[results->small_count].first = first;
        results->small[results->small_count++].count = results->count - first;
    }
    return VAULT_OK;
}

VT_RESULT vt_keyring_index_find(struct vt_keyring_view *view, vt_tenant_id tenant, const struct vt_index_hash *hash,
                                uint8_t (*out_data)[VT_INDEX_DATA_LEN], size_t max, size_t *out_count)
{
    const struct vt_key_table *table;
    struct vt_tree tree;
    struct index_results results = {.data = out_data, .max = max};
    VT_TRY(vt_view_tenant_keys(view, tenant, &table));
    VT_TRY(vt_view_tree(view, tenant, VT_TREE_IDX, &tree));
    for (size_t i = table->counts[VT_TENANT_KEY_PLACE]; i-- > 0;)
        VT_TRY(place_collect(&tree, &table->keys[VT_TENANT_KEY_PLACE][i], hash, &results));
    VT_ENSURE(results.count != 0, VAULT_E_NOT_FOUND);
    *out_count = results.count;
    return VAULT_OK;
}

/* Writing ---------------------------------------------------------------------------------------------------------- */

/** Where the entries of a hash lie under one version of K_place, and where one of them with given data is. */
struct index_place {
    const struct vt_tenant_key *key;
    uint32_t last_group;            /* the one with room, or the last that has entries */
    size_t last_count;
    size_t total;
    bool is_found;
    uint32_t found_group;
    size_t found_at;                /* index in its leaf, good until the next change */
};

/* One group, through the overlay: a batch opens each page once. */
static VT_RESULT group_look(struct vt_keyring_write *write, struct vt_write_tenant *tenant, struct index_place *place,
                            const struct vt_index_hash *hash, const uint8_t *data)
{
    struct vt_path path;
    uint8_t position[VT_ENTRY_KEY_LEN];
    VT_TRY(vt_index_position(place->key, hash, place->last_group, position));
    VT_TRY(vt_tree_load(&tenant->idx, &write->overlay, position, &path));
    place->last_count = 0;
    if (path.depth == 0) return VAULT_OK;
    struct vt_page *leaf = vt_path_leaf(&path);
    const size_t first = vt_leaf_lower_bound(leaf, position);
    place->last_count = vt_leaf_equal_count(leaf, first, position);
    place->total += place->last_count;
    for (size_t i = first; i < first + place->last_count; i++) {
        const uint8_t *entry = vt_leaf_entry(leaf, i);
        VT_ENSURE(entry_is_of(entry, hash), VAULT_E_CORRUPT);
        if (!vt_ct_equal(vt_bytes(entry_data(entry), VT_INDEX_DATA_LEN), vt_bytes(data, VT_INDEX_DATA_LEN))) continue;
        place->is_found = true;
        place->found_group = place->last_group;
        place->found_at = i;
    }
    return VAULT_OK;
}

static VT_RESULT place_look(struct vt_keyring_write *write, struct vt_write_tenant *tenant,
                            const struct vt_index_hash *hash, const uint8_t *data, struct index_place *place)
{
    for (;; place->last_group++) {
        VT_TRY(group_look(write, tenant, place, hash, data));
        if (place->last_count < INDEX_GROUP_ENTRIES) return VAULT_OK;
    }
}

/* All versions of K_place, the live one first. */
struct index_places {
    struct index_place places[VT_TENANT_KEY_VERSIONS];
    size_t count, total;
    struct index_place *found;
};

static VT_RESULT index_look(struct vt_keyring_write *write, struct vt_write_tenant *tenant,
                            const struct vt_index_hash *hash, const uint8_t *data, struct index_places *out_places)
{
    const struct vt_key_table *table;
    struct index_places *all = out_places;
    VT_TRY(vt_view_tenant_keys(&write->view, tenant->id, &table));
    *all = (struct index_places){.count = table->counts[VT_TENANT_KEY_PLACE]};
    VT_ENSURE(all->count != 0, VAULT_E_CORRUPT);
    for (size_t i = 0; i < all->count; i++) {
        struct index_place *place = &all->places[i];
        place->key = &table->keys[VT_TENANT_KEY_PLACE][i];
        VT_TRY(place_look(write, tenant, hash, data, place));
        all->total += place->total;
        if (place->is_found) all->found = place;
    }
    return VAULT_OK;
}

static void count_entries(struct vt_write_tenant *tenant, int64_t change)
{
    uint8_t *counter = tenant->page->plain + VT_TENANT_PAGE_ENTRIES;
    vt_put_u64(counter, vt_get_u64(counter) + (uint64_t)change);
}

static void payload_encode(const struct vt_index_hash *hash, const uint8_t *data, uint32_t group,
                           uint32_t place_version, uint8_t *out_payload)
{
    memset(out_payload, 0, VT_ENTRY_PAYLOAD_LEN);
    memcpy(out_payload + IDX_HASH, hash->bytes, VT_INDEX_HASH_LEN);
    memcpy(out_payload + IDX_DATA, data, VT_INDEX_DATA_LEN);
    vt_put_u32(out_payload + IDX_GROUP, group);
    vt_put_u32(out_payload + IDX_PLACE, place_version);
}

static VT_RESULT place_insert(struct vt_keyring_write *write, struct vt_write_tenant *tenant,
                              const struct index_place *place, const struct vt_index_hash *hash, const uint8_t *data)
{
    struct vt_path path;
    uint8_t position[VT_ENTRY_KEY_LEN], payload[VT_ENTRY_PAYLOAD_LEN];
    VT_TRY(vt_index_position(place->key, hash, place->last_group, position));
    VT_TRY(vt_tree_make_room(&tenant->idx, &write->overlay, position, &path));
    payload_encode(hash, data, place->last_group, place->key->version, payload);
    vt_leaf_insert(vt_path_leaf(&path), position, payload);
    vt_wipe(payload, sizeof payload);
    count_entries(tenant, 1);
    vt_write_mark(write, tenant);
    return VAULT_OK;
}

/* Has the hash room for one more holder? Entries that lie under two versions count once, which matters near the limit only. */
static VT_RESULT index_has_room(struct vt_keyring_write *write, vt_tenant_id tenant, const struct index_places *places,
                                const struct vt_index_hash *hash)
{
    size_t count = 0;
    if (places->total < VT_LIMIT_INDEX_HOLDERS) return VAULT_OK;
    VT_ENSURE(places->count > 1, VAULT_E_LIMIT);
    uint8_t(*data)[VT_INDEX_DATA_LEN] = vt_calloc(VT_LIMIT_INDEX_HOLDERS, sizeof *data);
    VT_ENSURE(data != NULL, VAULT_E_MEMORY);
    const vault_status status =
        vt_keyring_index_find(&write->view, tenant, hash, data, VT_LIMIT_INDEX_HOLDERS, &count);
    vt_wipe(data, VT_LIMIT_INDEX_HOLDERS * sizeof *data);
    free(data);
    VT_TRY(status);
    return count < VT_LIMIT_INDEX_HOLDERS ? VAULT_OK : VAULT_E_LIMIT;
}

VT_RESULT vt_keyring_index_check_add(struct vt_keyring_write *write, vt_tenant_id tenant_id,
                                     const struct vt_index_hash *hash, const uint8_t data[VT_INDEX_DATA_LEN])
{
    struct vt_write_tenant *tenant;
    struct index_places places;
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_write_tenant_find(write, tenant_id, &tenant));
    VT_TRY(index_look(write, tenant, hash, data, &places));
    VT_ENSURE(places.found == NULL, VAULT_E_EXISTS);
    return index_has_room(write, tenant_id, &places, hash);
}

VT_RESULT vt_keyring_index_add(struct vt_keyring_write *write, vt_tenant_id tenant_id, const struct vt_index_hash *hash,
                               const uint8_t data[VT_INDEX_DATA_LEN], bool is_unique)
{
    struct vt_write_tenant *tenant;
    struct index_places places;
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_write_tenant_find(write, tenant_id, &tenant));
    VT_TRY(index_look(write, tenant, hash, data, &places));
    VT_ENSURE(places.found == NULL && !(is_unique && places.total != 0), VAULT_E_EXISTS);
    VT_TRY(index_has_room(write, tenant_id, &places, hash));
    VT_TRY(place_insert(write, tenant, &places.places[0], hash, data));
    write->additions++;
    return VAULT_OK;
}

static VT_RESULT place_path(struct vt_keyring_write *write, struct vt_write_tenant *tenant,
                            const struct index_place *place, const struct vt_index_hash *hash, uint32_t group,
                            struct vt_path *out_path, size_t *out_first)
{
    uint8_t position[VT_ENTRY_KEY_LEN];
    VT_TRY(vt_index_position(place->key, hash, group, position));
    VT_TRY(vt_tree_load(&tenant->idx, &write->overlay, position, out_path));
    VT_TRY(vt_tree_touch(&write->overlay, out_path));
    *out_first = vt_leaf_lower_bound(vt_path_leaf(out_path), position);
    return VAULT_OK;
}

/* The last entry of the last group fills the hole. */
static VT_RESULT place_remove(struct vt_keyring_write *write, struct vt_write_tenant *tenant,
                              const struct index_place *place, const struct vt_index_hash *hash)
{
    struct vt_path hole_path, last_path;
    size_t hole_first, last_first;
    const bool is_last_empty = place->last_count == 0;
    const uint32_t last_group = is_last_empty ? place->last_group - 1 : place->last_group;
    const size_t last_count = is_last_empty ? INDEX_GROUP_ENTRIES : place->last_count;
    VT_TRY(place_path(write, tenant, place, hash, place->found_group, &hole_path, &hole_first));
    VT_TRY(place_path(write, tenant, place, hash, last_group, &last_path, &last_first));

    uint8_t *hole = vt_leaf_entry(vt_path_leaf(&hole_path), place->found_at) + VT_ENTRY_KEY_LEN + IDX_DATA;
    const size_t last_at = last_first + last_count - 1;
    memmove(hole, entry_data(vt_leaf_entry(vt_path_leaf(&last_path), last_at)), VT_INDEX_DATA_LEN);
    vt_leaf_remove(vt_path_leaf(&last_path), last_at);
    count_entries(tenant, -1);
    vt_write_mark(write, tenant);
    return VAULT_OK;
}

/* From every version of K_place. A removal moves what lies behind it in the leaf, so each is looked for anew. */
static VT_RESULT index_drop(struct vt_keyring_write *write, struct vt_write_tenant *tenant, const struct vt_index_hash *hash,
                            const uint8_t *data)
{
    struct index_places places;
    VT_TRY(index_look(write, tenant, hash, data, &places));
    VT_ENSURE(places.found != NULL, VAULT_E_NOT_FOUND);
    while (places.found != NULL) {
        VT_TRY(place_remove(write, tenant, places.found, hash));
        if (places.count == 1) break;
        VT_TRY(index_look(write, tenant, hash, data, &places));
    }
    return VAULT_OK;
}

VT_RESULT vt_keyring_index_remove(struct vt_keyring_write *write, vt_tenant_id tenant_id,
                                  const struct vt_index_hash *hash, const uint8_t data[VT_INDEX_DATA_LEN])
{
    struct vt_write_tenant *tenant;
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_write_tenant_find(write, tenant_id, &tenant));
    return index_drop(write, tenant, hash, data);
}

VT_RESULT vt_keyring_index_move(struct vt_keyring_write *write, vt_tenant_id tenant_id, const struct vt_index_hash *from,
                                const struct vt_index_hash *to, const uint8_t data[VT_INDEX_DATA_LEN])
{
    struct vt_write_tenant *tenant;
    struct index_places fresh;
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(vt_write_tenant_find(write, tenant_id, &tenant));
    VT_TRY(index_look(write, tenant, to, data, &fresh));
    VT_ENSURE(fresh.found == NULL, VAULT_E_EXISTS);
    VT_TRY(index_drop(write, tenant, from, data));
    /* Another hash lies in groups of its own, which the removal has not changed. */
    return place_insert(write, tenant, &fresh.places[0], to, data);
}

/* The era: entries leave an older K_place for the live one, a hash at a time (replace.c). -------------------------- */

/** All entries of a hash that fills no group under some version. */
struct small_group {
    uint8_t data[INDEX_GROUP_ENTRIES][VT_INDEX_DATA_LEN];
    size_t count;                   /* INDEX_GROUP_ENTRIES: it fills one, and others may follow */
};

static VT_RESULT small_read(struct vt_page *leaf, size_t first, size_t count, const struct vt_index_hash *hash,
                            struct small_group *out_group)
{
    VT_ENSURE(count <= INDEX_GROUP_ENTRIES, VAULT_E_CORRUPT);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *entry = vt_leaf_entry(leaf, first + i);
        VT_ENSURE(entry_is_of(entry, hash), VAULT_E_CORRUPT);
        memcpy(out_group->data[i], entry_data(entry), VT_INDEX_DATA_LEN);
    }
    out_group->count = count;
    return VAULT_OK;
}

/* Read past the overlay: the leaf is not going to change, and there is another one for each hash. */
static VT_RESULT small_find(const struct vt_write_tenant *tenant, const struct vt_tenant_key *place,
                            const struct vt_index_hash *hash, struct small_group *out_group)
{
    VT_AUTO(vt_leaf_at) at = VT_LEAF_AT_INIT;
    uint8_t position[VT_ENTRY_KEY_LEN];
    VT_TRY(vt_index_position(place, hash, 0, position));
    VT_TRY(vt_tree_find(&tenant->idx, position, &at));
    return small_read(at.leaf, at.first, at.count, hash, out_group);
}

static VT_RESULT insert_behind(struct vt_keyring_write *write, struct vt_write_tenant *tenant, struct index_place *to,
                               const struct vt_index_hash *hash, const uint8_t *data)
{
    VT_TRY(place_insert(write, tenant, to, hash, data));
    if (++to->last_count < INDEX_GROUP_ENTRIES) return VAULT_OK;
    to->last_group++;
    to->last_count = 0;
    return VAULT_OK;
}

/** A hash on its way. */
struct index_move {
    struct index_place from, to;
    const struct vt_index_hash *hash;
    bool may_be_there;              /* some entries may have been copied */
};

static VT_RESULT move_last(struct vt_keyring_write *write, struct vt_write_tenant *tenant, struct index_move *move,
                           uint32_t group, size_t count)
{
    struct vt_path path;
    size_t first;
    uint8_t data[VT_INDEX_DATA_LEN];
    struct index_place there = {.key = move->to.key};
    VT_TRY(place_path(write, tenant, &move->from, move->hash, group, &path, &first));
    memcpy(data, entry_data(vt_leaf_entry(vt_path_leaf(&path), first + count - 1)), sizeof data);
    if (move->may_be_there) VT_TRY(place_look(write, tenant, move->hash, data, &there));
    if (!there.is_found) VT_TRY(insert_behind(write, tenant, &move->to, move->hash, data));
    vt_wipe(data, sizeof data);
    VT_TRY(place_path(write, tenant, &move->from, move->hash, group, &path, &first));    /* the insert may have split the leaf */
    vt_leaf_remove(vt_path_leaf(&path), first + count - 1);
    count_entries(tenant, -1);
    vt_write_mark(write, tenant);
    return VAULT_OK;
}

/* What fills a group is never copied, only moved. With a third version somebody may have been stopped between the two. */
static VT_RESULT move_hash(struct vt_keyring_write *write, struct vt_write_tenant *tenant, const struct vt_key_table *table,
                           const struct vt_tenant_key *from, const struct vt_index_hash *hash)
{
    static const uint8_t no_data[VT_INDEX_DATA_LEN] = {0};
    struct index_move move = {.from = {.key = from}, .to = {.key = &table->keys[VT_TENANT_KEY_PLACE][0]}, .hash = hash};
    VT_TRY(place_look(write, tenant, hash, no_data, &move.from));
    VT_TRY(place_look(write, tenant, hash, no_data, &move.to));
    move.may_be_there = move.from.total < INDEX_GROUP_ENTRIES || table->counts[VT_TENANT_KEY_PLACE] > 2;
    for (size_t left = move.from.total; left > 0; left--) {
        const uint32_t group = (uint32_t)((left - 1) / INDEX_GROUP_ENTRIES);
        VT_TRY(move_last(write, tenant, &move, group, (left - 1) % INDEX_GROUP_ENTRIES + 1));
    }
    return VAULT_OK;
}

static VT_RESULT small_copy(struct vt_keyring_write *write, struct vt_write_tenant *tenant, const struct vt_tenant_key *live,
                            const struct vt_index_hash *hash, const struct small_group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        struct index_place to = {.key = live};
        VT_TRY(place_look(write, tenant, hash, group->data[i], &to));
        if (!to.is_found) VT_TRY(place_insert(write, tenant, &to, hash, group->data[i]));
    }
    return VAULT_OK;
}

VT_RESULT vt_index_copy(struct vt_keyring_write *write, struct vt_write_tenant *tenant, const struct vt_index_hash *hash)
{
    const struct vt_key_table *table;
    struct small_group group;
    VT_TRY(vt_view_tenant_keys(&write->view, tenant->id, &table));
    const struct vt_tenant_key *places = table->keys[VT_TENANT_KEY_PLACE];
    for (size_t i = 1; i < table->counts[VT_TENANT_KEY_PLACE]; i++) {
        VT_TRY(small_find(tenant, &places[i], hash, &group));
        if (group.count == INDEX_GROUP_ENTRIES) VT_TRY(move_hash(write, tenant, table, &places[i], hash));
        else VT_TRY(small_copy(write, tenant, &places[0], hash, &group));
    }
    vt_wipe(&group, sizeof group);
    return VAULT_OK;
}

static VT_RESULT live_has(const struct vt_write_tenant *tenant, const struct vt_tenant_key *live,
                          const struct vt_index_hash *hash, const uint8_t *data, bool *out_has)
{
    bool has = false, is_full = true;
    for (uint32_t group = 0; is_full && !has; group++) {
        VT_AUTO(vt_leaf_at) at = VT_LEAF_AT_INIT;
        uint8_t position[VT_ENTRY_KEY_LEN];
        VT_TRY(vt_index_position(live, hash, group, position));
        VT_TRY(vt_tree_find(&tenant->idx, position, &at));
        is_full = at.count >= INDEX_GROUP_ENTRIES;
        for (size_t i = at.first; i < at.first + at.count && !has; i++) {
            VT_ENSURE(entry_is_of(vt_leaf_entry(at.leaf, i), hash), VAULT_E_CORRUPT);
            has = memcmp(entry_data(vt_leaf_entry(at.leaf, i)), data, VT_INDEX_DATA_LEN) == 0;
        }
    }
    *out_has = has;
    return VAULT_OK;
}

static VT_RESULT small_is_copied(const struct vt_write_tenant *tenant, const struct vt_tenant_key *live,
                                 const struct vt_index_hash *hash, const struct small_group *group, bool *out_is)
{
    bool is_copied = group->count != INDEX_GROUP_ENTRIES;
    for (size_t i = 0; i < group->count && is_copied; i++) VT_TRY(live_has(tenant, live, hash, group->data[i], &is_copied));
    *out_is = is_copied;
    return VAULT_OK;
}

static const struct vt_tenant_key *old_place(const struct vt_key_table *table, const uint8_t *entry)
{
    const struct vt_tenant_key *places = table->keys[VT_TENANT_KEY_PLACE];
    const uint32_t version = vt_get_u32(entry + VT_ENTRY_KEY_LEN + IDX_PLACE);
    for (size_t i = 1; i < table->counts[VT_TENANT_KEY_PLACE]; i++)
        if (places[i].version == version) return &places[i];
    return NULL;
}

/* @param first index of the group's first entry in the path's leaf */
static VT_RESULT take_group_away(struct vt_keyring_write *write, struct vt_write_tenant *tenant,
                                 const struct vt_key_table *table, struct vt_path *path, size_t first)
{
    const uint8_t *entry = vt_leaf_entry(vt_path_leaf(path), first);
    const size_t count = vt_leaf_equal_count(vt_path_leaf(path), first, entry);
    struct small_group group = {.count = INDEX_GROUP_ENTRIES};
    struct vt_index_hash hash;
    bool is_copied;
    memcpy(hash.bytes, entry + VT_ENTRY_KEY_LEN + IDX_HASH, sizeof hash.bytes);
    if (vt_get_u32(entry + VT_ENTRY_KEY_LEN + IDX_GROUP) == 0)
        VT_TRY(small_read(vt_path_leaf(path), first, count, &hash, &group));
    VT_TRY(small_is_copied(tenant, &table->keys[VT_TENANT_KEY_PLACE][0], &hash, &group, &is_copied));
    vt_wipe(&group, sizeof group);
    if (!is_copied) return move_hash(write, tenant, table, old_place(table, entry), &hash);
    VT_TRY(vt_tree_touch(&write->overlay, path));
    for (size_t left = count; left > 0; left--) vt_leaf_remove(vt_path_leaf(path), first + left - 1);
    count_entries(tenant, -(int64_t)count);
    vt_write_mark(write, tenant);
    return VAULT_OK;
}

VT_RESULT vt_index_take_away_first(struct vt_keyring_write *write, struct vt_write_tenant *tenant, struct vt_path *path,
                                   bool *out_is_gone)
{
    const struct vt_key_table *table;
    struct vt_page *leaf = vt_path_leaf(path);
    VT_TRY(vt_view_tenant_keys(&write->view, tenant->id, &table));
    *out_is_gone = false;
    for (size_t i = 0; i < vt_leaf_count(leaf) && !*out_is_gone; i++) {
        if (old_place(table, vt_leaf_entry(leaf, i)) == NULL) continue;
        *out_is_gone = true;
        VT_TRY(take_group_away(write, tenant, table, path, i));
    }
    return VAULT_OK;
}

bool vt_index_entry_begins_old(const struct vt_key_table *table, const uint8_t *entry, struct vt_index_hash *out_hash)
{
    const uint8_t *payload = entry + VT_ENTRY_KEY_LEN;
    if (vt_get_u32(payload + IDX_GROUP) != 0 || old_place(table, entry) == NULL) return false;
    memcpy(out_hash->bytes, payload + IDX_HASH, sizeof out_hash->bytes);
    return true;
}

VT_RESULT vt_index_entry_check(const struct vt_key_table *table, const uint8_t *entry)
{
    const uint8_t *payload = entry + VT_ENTRY_KEY_LEN;
    const struct vt_tenant_key *places = table->keys[VT_TENANT_KEY_PLACE];
    struct vt_index_hash hash;
    uint8_t position[VT_ENTRY_KEY_LEN];
    memcpy(hash.bytes, payload + IDX_HASH, sizeof hash.bytes);
    for (size_t i = 0; i < table->counts[VT_TENANT_KEY_PLACE]; i++) {
        if (places[i].version != vt_get_u32(payload + IDX_PLACE)) continue;
        VT_TRY(vt_index_position(&places[i], &hash, vt_get_u32(payload + IDX_GROUP), position));
        return memcmp(position, entry, sizeof position) == 0 ? VAULT_OK : VAULT_E_CORRUPT;
    }
    return VAULT_E_CORRUPT;
}
