/* Rewriting what has not changed: pages under fresh keys. In bounded steps, each part of an ordinary commit; between steps only a
 * cursor is kept. */
#include "vaultd/core/keyring/keyring_internal.h"

/* Cursor: phase 1 | tenant 8 | position 16 | zero 7. All zero is the beginning. */
enum rekey_phase { REKEY_SYS = 0, REKEY_DIR, REKEY_TEN, REKEY_SUB, REKEY_IDX, REKEY_DONE };
enum { CURSOR_TENANT = 1, CURSOR_POSITION = 9, CURSOR_LEN = 32 };

struct rekey_cursor {
    uint8_t phase;
    vt_tenant_id tenant;
    uint8_t position[VT_ENTRY_KEY_LEN];
};

static VT_RESULT cursor_decode(const uint8_t *raw, struct rekey_cursor *out_cursor)
{
    VT_ENSURE(raw[0] <= REKEY_DONE, VAULT_E_ARGUMENT);
    out_cursor->phase = raw[0];
    out_cursor->tenant = vt_get_u64(raw + CURSOR_TENANT);
    memcpy(out_cursor->position, raw + CURSOR_POSITION, VT_ENTRY_KEY_LEN);
    return VAULT_OK;
}

static void cursor_encode(const struct rekey_cursor *cursor, uint8_t *out_raw)
{
    memset(out_raw, 0, CURSOR_LEN);
    out_raw[0] = cursor->phase;
    vt_put_u64(out_raw + CURSOR_TENANT, cursor->tenant);
    memcpy(out_raw + CURSOR_POSITION, cursor->position, VT_ENTRY_KEY_LEN);
}

static vault_status take_tenant(void *context, const uint8_t *entry, bool *out_stop)
{
    vt_tenant_id *tenant = context;
    *tenant = vt_get_u64(entry + 8);
    *out_stop = true;
    return VAULT_OK;
}

VT_RESULT vt_next_tenant(const struct vt_tree *dir, vt_tenant_id tenant, vt_tenant_id *out_next)
{
    uint8_t position[VT_ENTRY_KEY_LEN] = {0};
    *out_next = VT_TENANT_VAULT;
    if (tenant != VT_TENANT_VAULT) {
        VT_TRY(vt_tenant_position(tenant, position));
        if (!vt_key_range_next(position, 8 * VT_ENTRY_KEY_LEN, position)) return VAULT_OK;
    }
    return vt_tree_walk(dir, position, take_tenant, out_next);
}

static VT_RESULT cursor_next_tree(struct vt_keyring_write *write, struct rekey_cursor *cursor)
{
    memset(cursor->position, 0, sizeof cursor->position);
    const bool is_tenant_over = cursor->phase == REKEY_IDX;
    cursor->phase = is_tenant_over ? REKEY_TEN : (uint8_t)(cursor->phase + 1);
    if (cursor->phase != REKEY_TEN) return VAULT_OK;
    VT_TRY(vt_next_tenant(&write->dir, cursor->tenant, &cursor->tenant));
    if (cursor->tenant == VT_TENANT_VAULT) cursor->phase = REKEY_DONE;
    return VAULT_OK;
}

static struct vt_tree *tenant_tree(struct vt_write_tenant *tenant, uint8_t phase)
{
    if (phase == REKEY_TEN) return &tenant->ten;
    return phase == REKEY_SUB ? &tenant->sub : &tenant->idx;
}

/* Touch the leaf at @p position and move on behind it. @param out_is_over the tree ends there */
static VT_RESULT touch_leaf(struct vt_keyring_write *write, struct vt_tree *tree, uint8_t *position, bool *out_is_over)
{
    struct vt_path path;
    VT_TRY(vt_tree_load(tree, &write->overlay, position, &path));
    VT_TRY(vt_tree_touch(&write->overlay, &path));
    *out_is_over = path.depth == 0 || !vt_key_range_next(position, vt_path_prefix_bits(&path, position), position);
    return VAULT_OK;
}

static VT_RESULT rekey_leaf(struct vt_keyring_write *write, struct rekey_cursor *cursor)
{
    struct vt_write_tenant *tenant = NULL;
    struct vt_tree *tree = cursor->phase == REKEY_SYS ? &write->sys : &write->dir;
    bool is_over = false;
    if (cursor->phase >= REKEY_TEN) {
        const vault_status found = vt_write_tenant_find(write, cursor->tenant, &tenant);
        if (found == VAULT_E_NOT_FOUND) {       /* dropped between two steps */
            cursor->phase = REKEY_IDX;
            return cursor_next_tree(write, cursor);
        }
        VT_TRY(found);
        tree = tenant_tree(tenant, cursor->phase);
    }
    VT_TRY(touch_leaf(write, tree, cursor->position, &is_over));
    vt_write_mark(write, tenant);
    return is_over ? cursor_next_tree(write, cursor) : VAULT_OK;
}

VT_RESULT vt_keyring_rekey_step(struct vt_keyring_write *write, uint8_t cursor_bytes[32], size_t page_count,
                                bool *out_done)
{
    struct rekey_cursor cursor;
    VT_ENSURE(!write->is_finished, VAULT_E_STATE);
    VT_TRY(cursor_decode(cursor_bytes, &cursor));
    const size_t before = write->overlay.dirty_count;
    while (cursor.phase != REKEY_DONE && write->overlay.dirty_count - before < page_count)
        VT_TRY(rekey_leaf(write, &cursor));
    cursor_encode(&cursor, cursor_bytes);
    *out_done = cursor.phase == REKEY_DONE;
    return VAULT_OK;
}

uint64_t vt_keyring_rekey_progress(const uint8_t cursor_bytes[32], uint64_t whole)
{
    enum { PLACES = 1 << 16 };
    struct rekey_cursor cursor;
    if (cursor_decode(cursor_bytes, &cursor) != VAULT_OK) return 0;
    return ((uint64_t)cursor.phase * PLACES + vt_get_u16(cursor.position)) * whole / ((uint64_t)REKEY_DONE * PLACES);
}
