#include "vaultd/core/epoch/waiting.h"

#include "vaultd/core/epoch/ledger_internal.h"
#include "vaultd/core/policy/approval.h"

enum { KEY_LEN = 16 + VT_SCOPE_KEY_LEN };

static void waiting_key(const uint8_t approval[16], const struct vt_scope *scope, uint8_t out_key[KEY_LEN])
{
    memcpy(out_key, approval, 16);
    vt_scope_key(scope, out_key + 16);
}

VT_RESULT vt_waiting_add(struct vt_keyring_view *view, struct vt_txn *txn, const struct vt_pending *pending)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(VT_SEALED_ROW_OVERHEAD + VT_PENDING_PLAIN_LEN);
    uint8_t key[KEY_LEN], plain[VT_PENDING_PLAIN_LEN];
    waiting_key(pending->approval, &pending->scope, key);
    vt_pending_encode(pending, plain);
    VT_TRY(vt_sealed_row(view, VT_SEAL_WAITING, VT_BYTES_OF(key), VT_BYTES_OF(plain), &value));
    return vt_store_put(txn, VT_TABLE_WAITING, VT_BYTES_OF(key), vt_buf_bytes(&value), VT_PUT_NEW);
}

/* Only the ids of open approvals are looked at: there are few, and none has to be opened. */
VT_RESULT vt_waiting_find(struct vt_txn *txn, const struct vt_scope *scope, uint8_t out_approval[16])
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes at, value;
    vault_status status;
    VT_TRY(vt_cursor_open(txn, VT_TABLE_APPROVAL, &cursor));
    while ((status = vt_cursor_next(cursor, &at, &value)) == VAULT_OK && at.len == VT_APPROVAL_KEY_LEN && at.data[0] == 0) {
        uint8_t key[KEY_LEN], id[16];
        memcpy(id, at.data + 1, sizeof id);
        waiting_key(id, scope, key);
        const vault_status found = vt_store_get(txn, VT_TABLE_WAITING, VT_BYTES_OF(key), &value);
        if (found == VAULT_E_NOT_FOUND) continue;
        VT_TRY(found);
        memcpy(out_approval, id, sizeof id);
        return VAULT_OK;
    }
    return status == VAULT_OK ? VAULT_E_NOT_FOUND : status;
}

static VT_RESULT waiting_open(struct vt_keyring_view *view, struct vt_bytes key, struct vt_bytes value,
                              struct vt_pending *out_pending)
{
    uint8_t plain[VT_PENDING_PLAIN_LEN];
    VT_TRY(vt_sealed_row_open(view, VT_SEAL_WAITING, key, value, plain, sizeof plain));
    return vt_pending_decode(plain, out_pending);
}

static bool is_of(struct vt_bytes key, const uint8_t approval[16])
{
    return key.len == KEY_LEN && vt_bytes_equal(vt_bytes(key.data, 16), vt_bytes(approval, 16));
}

VT_RESULT vt_waiting_each(struct vt_keyring_view *view, const uint8_t approval[16], vt_waiting_visit visit, void *context)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    VT_TRY(vt_cursor_open(vt_keyring_view_txn(view), VT_TABLE_WAITING, &cursor));
    vault_status status = vt_cursor_seek(cursor, vt_bytes(approval, 16), &key, &value);
    while (status == VAULT_OK && is_of(key, approval)) {
        struct vt_pending pending;
        VT_TRY(waiting_open(view, key, value, &pending));
        VT_TRY(visit(context, &pending));
        status = vt_cursor_next(cursor, &key, &value);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

struct listing {
    struct vt_pending *items;
    size_t max, count;
};

static vault_status list_one(void *context, const struct vt_pending *pending)
{
    struct listing *listing = context;
    if (listing->count == listing->max) return VAULT_E_LIMIT;       /* enough: not a failure, see below */
    listing->items[listing->count++] = *pending;
    return VAULT_OK;
}

VT_RESULT vt_waiting_list(struct vt_keyring_view *view, const uint8_t approval[16], struct vt_pending *out_pending, size_t max,
                          size_t *out_count)
{
    struct listing listing = {.items = out_pending, .max = max};
    const vault_status status = vt_waiting_each(view, approval, list_one, &listing);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_LIMIT, status);
    *out_count = listing.count;
    return VAULT_OK;
}

VT_RESULT vt_waiting_delete(struct vt_txn *txn, const struct vt_pending *pending)
{
    uint8_t key[KEY_LEN];
    waiting_key(pending->approval, &pending->scope, key);
    return vt_store_delete(txn, VT_TABLE_WAITING, VT_BYTES_OF(key));
}

VT_RESULT vt_waiting_clear(struct vt_txn *txn, const uint8_t approval[16])
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value;
    VT_TRY(vt_cursor_open(txn, VT_TABLE_WAITING, &cursor));
    vault_status status = vt_cursor_seek(cursor, vt_bytes(approval, 16), &key, &value);
    while (status == VAULT_OK && is_of(key, approval)) {
        uint8_t gone[KEY_LEN];
        memcpy(gone, key.data, sizeof gone);
        VT_TRY(vt_store_delete(txn, VT_TABLE_WAITING, VT_BYTES_OF(gone)));
        status = vt_cursor_next(cursor, &key, &value);
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}
