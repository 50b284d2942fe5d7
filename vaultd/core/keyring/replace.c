/* The era of the index: every entry comes to lie under the live K_place. Places are random, so what lies together under one
 * version lies apart under the other, and an entry moved by itself costs two pages. Instead the entries are copied in the order
 * of where they will lie, so that a step fills neighbouring leaves, and then what they were copied from goes in the order of
 * where it lies. In between an entry may be there twice; index.c looks under every version and counts it once.
 *
 * Which entries are copied next is found out beforehand, by readers: a plan is the hashes whose new places come next, in order.
 * It is a hint and nothing more. The step looks at what is there, and the pass that takes entries away moves what has not been
 * copied. A plan needs no renewal while it is worked through: under an older version nothing is ever added. */
#include <stdlib.h>

#include "libvault/base/fault.h"
#include "vaultd/core/keyring/keyring_internal.h"

/* Cursor, as rekey.c has it: phase 1 | tenant 8 | position 16 | zero 7. */
enum { PHASE_WALK = 4, PHASE_DONE = 5, CURSOR_POSITION = 9, CURSOR_LEN = 32 };
/* Looking at an entry costs about a tenth of rewriting a page. */
enum { LOOKS_PER_PAGE = 16 };

/* Plan ------------------------------------------------------------------------------------------------------------- */

struct plan_item {
    uint8_t position[VT_ENTRY_KEY_LEN];         /* of its first group under the live version */
    struct vt_index_hash hash;
};

struct vt_replace_plan {
    struct plan_item *items;                    /* room for two times max: cut down to max whenever it is full */
    size_t count, max;
    uint8_t from[VT_ENTRY_KEY_LEN];             /* first place */
    uint8_t to[VT_ENTRY_KEY_LEN];               /* first place that is not in the plan */
    bool is_cut;                                /* there is a `to` */
    bool is_whole;                              /* the index has been looked through */
    uint8_t next[VT_ENTRY_KEY_LEN];             /* where looking goes on */
};

VT_RESULT vt_replace_plan_new(const uint8_t cursor[32], size_t max, struct vt_replace_plan **out_plan)
{
    VT_ENSURE(max != 0 && max <= SIZE_MAX / 2 / sizeof(struct plan_item), VAULT_E_ARGUMENT);
    struct vt_replace_plan *plan = vt_calloc(1, sizeof *plan);
    VT_ENSURE(plan != NULL, VAULT_E_MEMORY);
    plan->items = vt_calloc(2 * max, sizeof *plan->items);
    if (plan->items == NULL) {
        free(plan);
        return VAULT_E_MEMORY;
    }
    plan->max = max;
    memcpy(plan->from, cursor + CURSOR_POSITION, sizeof plan->from);
    *out_plan = plan;
    return VAULT_OK;
}

void vt_replace_plan_free(struct vt_replace_plan *plan)
{
    if (plan == NULL) return;
    vt_wipe(plan->items, 2 * plan->max * sizeof *plan->items);
    free(plan->items);
    free(plan);
}

static int item_order(const void *a, const void *b)
{
    return memcmp(((const struct plan_item *)a)->position, ((const struct plan_item *)b)->position, VT_ENTRY_KEY_LEN);
}

/* A hash that several older versions have is met several times. */
static void plan_sort(struct vt_replace_plan *plan)
{
    size_t kept = 0;
    qsort(plan->items, plan->count, sizeof *plan->items, item_order);
    for (size_t i = 0; i < plan->count; i++)
        if (kept == 0 || item_order(&plan->items[i], &plan->items[kept - 1]) != 0) plan->items[kept++] = plan->items[i];
    plan->count = kept;
}

/* The first ones stay, those behind them are for the next plan. */
static void plan_cut(struct vt_replace_plan *plan)
{
    plan_sort(plan);
    if (plan->count <= plan->max) return;
    memcpy(plan->to, plan->items[plan->max].position, sizeof plan->to);
    plan->is_cut = true;
    plan->count = plan->max;
}

static bool plan_has_place(const struct vt_replace_plan *plan, const uint8_t position[VT_ENTRY_KEY_LEN])
{
    if (memcmp(position, plan->from, VT_ENTRY_KEY_LEN) < 0) return false;
    return !plan->is_cut || memcmp(position, plan->to, VT_ENTRY_KEY_LEN) < 0;
}

struct plan_look {
    struct vt_replace_plan *plan;
    const struct vt_key_table *table;
    size_t left;
    bool is_stopped;
};

static vault_status look_entry(void *context, const uint8_t *entry, bool *out_stop)
{
    struct plan_look *look = context;
    struct vt_replace_plan *plan = look->plan;
    struct plan_item *item = &plan->items[plan->count];
    if (look->left-- == 0) {
        memcpy(plan->next, entry, sizeof plan->next);
        look->is_stopped = *out_stop = true;
        return VAULT_OK;
    }
    if (!vt_index_entry_begins_old(look->table, entry, &item->hash)) return VAULT_OK;
    VT_TRY(vt_index_position(&look->table->keys[VT_TENANT_KEY_PLACE][0], &item->hash, 0, item->position));
    const bool is_same = plan->count != 0 && item_order(item, item - 1) == 0;      /* entries of a group lie side by side */
    if (is_same || !plan_has_place(plan, item->position)) return VAULT_OK;
    if (++plan->count == 2 * plan->max) plan_cut(plan);
    return VAULT_OK;
}

/* All that has to be copied has been met. */
static void plan_end(struct vt_replace_plan *plan)
{
    plan_cut(plan);
    plan->is_whole = true;
}

VT_RESULT vt_replace_plan_look(struct vt_replace_plan *plan, struct vt_keyring_view *view, vt_tenant_id tenant,
                               size_t entry_count, bool *out_whole)
{
    struct vt_tree tree;
    struct plan_look look = {.plan = plan, .left = entry_count};
    VT_ENSURE(entry_count != 0, VAULT_E_ARGUMENT);
    VT_ENSURE(!plan->is_whole, VAULT_E_STATE);
    VT_TRY(vt_view_tenant_keys(view, tenant, &look.table));
    VT_TRY(vt_view_tree(view, tenant, VT_TREE_IDX, &tree));
    VT_TRY(vt_tree_walk(&tree, plan->next, look_entry, &look));
    if (!look.is_stopped) plan_end(plan);
    *out_whole = plan->is_whole;
    return VAULT_OK;
}

bool vt_replace_plan_covers(const struct vt_replace_plan *plan, const uint8_t cursor[32])
{
    return plan->is_whole && plan_has_place(plan, cursor + CURSOR_POSITION);
}

/* Copying ---------------------------------------------------------------------------------------------------------- */

static size_t plan_seek(const struct vt_replace_plan *plan, const uint8_t position[VT_ENTRY_KEY_LEN])
{
    size_t low = 0, high = plan->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (memcmp(plan->items[middle].position, position, VT_ENTRY_KEY_LEN) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void cursor_write(uint8_t *cursor, const uint8_t *position_or_null)
{
    memset(cursor, 0, CURSOR_LEN);
    cursor[0] = position_or_null != NULL ? PHASE_WALK : PHASE_DONE;
    if (position_or_null != NULL) memcpy(cursor + CURSOR_POSITION, position_or_null, VT_ENTRY_KEY_LEN);
}

VT_RESULT vt_keyring_copy_step(struct vt_keyring_write *write, vt_tenant_id tenant_id, const struct vt_replace_plan *plan,
                               uint8_t cursor[32], size_t page_count, bool *out_done)
{
    struct vt_write_tenant *tenant;
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_ENSURE(vt_replace_plan_covers(plan, cursor), VAULT_E_ARGUMENT);
    VT_TRY(vt_write_tenant_find(write, tenant_id, &tenant));
    const size_t before = write->overlay.dirty_count;
    size_t at = plan_seek(plan, cursor + CURSOR_POSITION);
    for (size_t looked = 0; at < plan->count && looked < LOOKS_PER_PAGE * page_count; looked++, at++) {
        if (write->overlay.dirty_count - before >= page_count) break;
        VT_TRY(vt_index_copy(write, tenant, &plan->items[at].hash));
    }
    const bool is_over = at == plan->count && !plan->is_cut;
    if (is_over) cursor_write(cursor, NULL);
    else cursor_write(cursor, at < plan->count ? plan->items[at].position : plan->to);
    *out_done = is_over;
    return VAULT_OK;
}

/* Taking away ------------------------------------------------------------------------------------------------------ */

/* Every entry of the leaf at @p position that lies under an older K_place goes, or moves when it has not been copied. That changes
 * the tree, so the leaf is looked at anew each time; the leaf that the cursor names at last holds none any more. */
static VT_RESULT replace_leaf(struct vt_keyring_write *write, struct vt_write_tenant *tenant, uint8_t *position,
                              size_t *groups, bool *out_is_over)
{
    struct vt_path path;
    for (bool is_gone = true; is_gone; *groups += is_gone) {
        VT_TRY(vt_tree_load(&tenant->idx, &write->overlay, position, &path));
        is_gone = false;
        if (path.depth != 0) VT_TRY(vt_index_take_away_first(write, tenant, &path, &is_gone));
    }
    *out_is_over = path.depth == 0 || !vt_key_range_next(position, vt_path_prefix_bits(&path, position), position);
    return VAULT_OK;
}

VT_RESULT vt_keyring_replace_step(struct vt_keyring_write *write, vt_tenant_id tenant_id, uint8_t cursor[32],
                                  size_t page_count, bool *out_done)
{
    enum { LEAVES_PER_PAGE = 4 };       /* leaves in which nothing lies under an older version cost a look each, and no page */
    struct vt_write_tenant *tenant;
    uint8_t position[VT_ENTRY_KEY_LEN];
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_ENSURE(cursor[0] <= PHASE_DONE, VAULT_E_ARGUMENT);
    VT_TRY(vt_write_tenant_find(write, tenant_id, &tenant));
    memcpy(position, cursor + CURSOR_POSITION, sizeof position);
    const size_t before = write->overlay.dirty_count;
    bool is_over = cursor[0] == PHASE_DONE;
    size_t groups = 0;
    for (size_t leaves = 0; !is_over && leaves < LEAVES_PER_PAGE * page_count; leaves++) {
        if (write->overlay.dirty_count - before >= page_count || groups >= LOOKS_PER_PAGE * page_count) break;
        VT_TRY(replace_leaf(write, tenant, position, &groups, &is_over));
    }
    cursor_write(cursor, is_over ? NULL : position);
    *out_done = is_over;
    return VAULT_OK;
}
