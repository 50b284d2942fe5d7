#include "vaultd/core/policy/brake.h"

#include <inttypes.h>
#include <stdio.h>

enum { ROW_VERSION = 1, MINUTES = 61, HEAD_LEN = 9, ROW_LEN = HEAD_LEN + 4 * MINUTES, MINUTE_MS = 60000, NAME_LEN = 24 };

/** META "brake/<tenant>": version 1 | last minute 8 | requests of each minute 4 * 61, the last one first. */
struct window {
    uint64_t minute;
    uint32_t counts[MINUTES];
};

uint64_t vt_brake_limit(uint64_t subjects)
{
    const uint64_t share = subjects / 1000 * VT_BRAKE_PER_MILLE;
    return VT_MAX((uint64_t)VT_BRAKE_LEAST, VT_MIN((uint64_t)VT_BRAKE_MOST, share));
}

static void window_name(vt_tenant_id tenant, char out_name[NAME_LEN])
{
    snprintf(out_name, NAME_LEN, "brake/%016" PRIx64, tenant);
}

static VT_RESULT window_read(struct vt_txn *txn, vt_tenant_id tenant, struct window *out_window)
{
    struct window window = {.minute = 0};
    struct vt_bytes value;
    char name[NAME_LEN];
    window_name(tenant, name);
    const vault_status found = vt_store_get(txn, VT_TABLE_META, vt_bytes_str(name), &value);
    VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
    if (found == VAULT_OK) {
        VT_ENSURE(value.len != 0 && value.data[0] == ROW_VERSION, VAULT_E_FORMAT);
        VT_ENSURE(value.len == ROW_LEN, VAULT_E_CORRUPT);
        window.minute = vt_get_u64(value.data + 1);
        for (size_t i = 0; i < MINUTES; i++) window.counts[i] = vt_get_u32(value.data + HEAD_LEN + 4 * i);
    }
    *out_window = window;
    return VAULT_OK;
}

/* Minutes that have passed push the older ones out. */
static void window_turn(struct window *window, int64_t now_ms)
{
    const uint64_t now = now_ms > 0 ? (uint64_t)now_ms / MINUTE_MS : 0;
    if (now <= window->minute) return;
    const uint64_t passed = VT_MIN(now - window->minute, (uint64_t)MINUTES);
    memmove(window->counts + passed, window->counts, (size_t)(MINUTES - passed) * sizeof window->counts[0]);
    memset(window->counts, 0, (size_t)passed * sizeof window->counts[0]);
    window->minute = now;
}

VT_RESULT vt_brake_used(struct vt_txn *txn, vt_tenant_id tenant, int64_t now_ms, uint64_t *out_count)
{
    struct window window;
    uint64_t count = 0;
    VT_TRY(window_read(txn, tenant, &window));
    window_turn(&window, now_ms);
    for (size_t i = 0; i < MINUTES; i++) count += window.counts[i];
    *out_count = count;
    return VAULT_OK;
}

VT_RESULT vt_brake_add(struct vt_txn *txn, vt_tenant_id tenant, int64_t now_ms, uint32_t count)
{
    struct window window;
    uint8_t row[ROW_LEN] = {ROW_VERSION};
    char name[NAME_LEN];
    VT_TRY(window_read(txn, tenant, &window));
    window_turn(&window, now_ms);
    VT_ENSURE(window.counts[0] <= UINT32_MAX - count, VAULT_E_LIMIT);
    window.counts[0] += count;
    vt_put_u64(row + 1, window.minute);
    for (size_t i = 0; i < MINUTES; i++) vt_put_u32(row + HEAD_LEN + 4 * i, window.counts[i]);
    window_name(tenant, name);
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(name), VT_BYTES_OF(row), VT_PUT_DEFAULT);
}
