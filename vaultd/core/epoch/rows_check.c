#include "vaultd/core/epoch/rows_check.h"

#include "vaultd/core/epoch/epoch_internal.h"
#include "vaultd/core/epoch/owed.h"

struct ledger_walk {
    struct vt_txn *txn;
    uint64_t count, last;
    vault_status status;
};

/* Each entry stands in the index: without it a dead token would not find its certificate. */
static bool is_indexed(void *context, const struct vt_ledger_entry *entry)
{
    struct ledger_walk *walk = context;
    uint8_t key[VT_SCOPE_KEY_LEN + 8];
    struct vt_bytes value;
    vt_scope_key(&entry->scope, key);
    vt_put_u64(key + VT_SCOPE_KEY_LEN, entry->sequence);
    walk->status = vt_store_get(walk->txn, VT_TABLE_LEDGER_SID, VT_BYTES_OF(key), &value);
    if (walk->status == VAULT_E_NOT_FOUND) walk->status = VAULT_E_CORRUPT;
    walk->count++;
    walk->last = entry->sequence;
    return walk->status == VAULT_OK;
}

/* What the index names beside these entries is not there any more; what was counted and is not there was taken away. */
static VT_RESULT check_ledger(struct vt_keyring_view *view)
{
    struct ledger_walk walk = {.txn = vt_keyring_view_txn(view), .status = VAULT_OK};
    uint64_t indexed, counted;
    VT_TRY(vt_ledger_walk(view, 0, is_indexed, &walk));
    VT_TRY(walk.status);
    VT_TRY(vt_store_count(walk.txn, VT_TABLE_LEDGER_SID, &indexed));
    VT_TRY(vt_counter_last(walk.txn, VT_COUNTER_LEDGER, &counted));
    return walk.count == indexed && walk.last == counted ? VAULT_OK : VAULT_E_CORRUPT;
}

static bool go_on(void *context, const struct vt_pending *pending)
{
    (void)context;
    (void)pending;
    return true;
}

static VT_RESULT check_pending(struct vt_keyring_view *view)
{
    return vt_pending_walk(view, go_on, NULL);
}

static VT_RESULT check_keepers(struct vt_keyring_view *view)
{
    struct vt_keeper_set set;
    return vt_keeper_set_load(view, &set);
}

static VT_RESULT check_wraps(struct vt_keyring_view *view)
{
    struct vt_bytes value;
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_TRY(vt_store_get(vt_keyring_view_txn(view), VT_TABLE_META, vt_bytes_str(VT_META_WRAPS), &value));
    return vt_wraps_decode(value, &wraps);
}

VT_RESULT vt_epoch_check_rows(struct vt_keyring_view *view, vt_rows_damaged damaged, void *context)
{
    static const struct {
        vault_status (*check)(struct vt_keyring_view *view);
        const char *sentence;
    } PARTS[] = {
        {check_ledger, "An entry of the ledger does not open, or ledger and index differ."},
        {check_pending, "A pending request to forget does not open."},
        {vt_owed_check, "A row that says what a certificate owes, or when an era of the index began, does not open."},
        {check_keepers, "The set of keepers is missing or does not open."},
        {check_wraps, "The wraps of the unseal key are missing or damaged."},
    };
    for (size_t i = 0; i < VT_ARRAY_LEN(PARTS); i++) {
        const vault_status status = PARTS[i].check(view);
        if (status != VAULT_OK) VT_TRY(damaged(context, status, PARTS[i].sentence));
    }
    return VAULT_OK;
}
