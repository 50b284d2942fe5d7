/* The batch of a closing epoch as it lies in META from S4 to S7, so that a crash in between can still name what it destroyed:
 * "closing" (head) and "closing/<part, 8 hex>" (up to 15 items each, so that a part fits one overflow page). */
#include <inttypes.h>
#include <stdio.h>

#include "libvault/base/fault.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/epoch/epoch_internal.h"

enum {
    ROWS_VERSION = 2,
    HEAD_PLAIN_LEN = 32,        /* version 1 | zero 7 | count 8 | epoch before 8 | commit number 8 */
    ITEM_LEN = VT_PENDING_PLAIN_LEN + 40,
    ITEMS_PER_PART = 15,
    PART_PLAIN_MAX = ITEMS_PER_PART * ITEM_LEN,
    PART_NAME_LEN = 24,
    RECEIPT_HEAD_LEN = 13,      /* keeper 8 | class 1 | length 4 */
};
#define HEAD_NAME "closing"

static void part_name(uint32_t part, char out_name[PART_NAME_LEN])
{
    if (part == 0)
        snprintf(out_name, PART_NAME_LEN, HEAD_NAME);
    else
        snprintf(out_name, PART_NAME_LEN, HEAD_NAME "/%08" PRIx32, part);
}

/* Context fields: epoch 8 | attempt 16 | part 4. */
static void part_fields(const struct vt_epoch_id *id, uint32_t part, uint8_t out_fields[28])
{
    vt_put_u64(out_fields, id->epoch);
    memcpy(out_fields + 8, id->attempt, VT_ATTEMPT_LEN);
    vt_put_u32(out_fields + 24, part);
}

static uint32_t part_count(size_t items)
{
    return (uint32_t)((items + ITEMS_PER_PART - 1) / ITEMS_PER_PART);
}

static size_t items_in(size_t count, uint32_t part)
{
    const size_t before = (size_t)(part - 1) * ITEMS_PER_PART;
    return VT_MIN(count - before, (size_t)ITEMS_PER_PART);
}

/* Writing --------------------------------------------------------------------------------------------------------- */

static VT_RESULT part_put(const struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn,
                          uint32_t part, struct vt_bytes plain, struct vt_buf *journal_rows)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(8192);
    char name[PART_NAME_LEN];
    uint8_t fields[28];
    part_name(part, name);
    part_fields(&closing->next, part, fields);
    VT_TRY(vt_sealed_row(view, VT_SEAL_CLOSING, VT_BYTES_OF(fields), plain, &value));
    const struct vt_bytes bytes = vt_buf_bytes(&value);
    VT_TRY(vt_store_put(txn, VT_TABLE_META, vt_bytes_str(name), bytes, VT_PUT_NEW));
    return vt_journal_row(journal_rows, VT_TABLE_META, vt_bytes_str(name), &bytes);
}

static void item_encode(const struct vt_closing_item *item, uint8_t out[ITEM_LEN])
{
    const struct vt_destroyed *destroyed = &item->destroyed;
    vt_pending_encode(&item->pending, out);
    vt_put_u64(out + VT_PENDING_PLAIN_LEN, destroyed->records);
    vt_put_u64(out + VT_PENDING_PLAIN_LEN + 8, destroyed->rows);
    vt_put_u64(out + VT_PENDING_PLAIN_LEN + 16, destroyed->index_entries);
    vt_put_u64(out + VT_PENDING_PLAIN_LEN + 24, destroyed->tokens);
    vt_put_u64(out + VT_PENDING_PLAIN_LEN + 32, destroyed->keys);
}

static VT_RESULT item_decode(const uint8_t in[ITEM_LEN], struct vt_closing_item *out_item)
{
    VT_TRY(vt_pending_decode(in, &out_item->pending));
    out_item->destroyed = (struct vt_destroyed){.records = vt_get_u64(in + VT_PENDING_PLAIN_LEN),
                                                .rows = vt_get_u64(in + VT_PENDING_PLAIN_LEN + 8),
                                                .index_entries = vt_get_u64(in + VT_PENDING_PLAIN_LEN + 16),
                                                .tokens = vt_get_u64(in + VT_PENDING_PLAIN_LEN + 24),
                                                .keys = vt_get_u64(in + VT_PENDING_PLAIN_LEN + 32)};
    return VAULT_OK;
}

VT_RESULT vt_closing_rows_put(struct vt_epoch_closing *closing, struct vt_keyring_view *view, struct vt_txn *txn,
                              struct vt_buf *journal_rows)
{
    uint8_t head[HEAD_PLAIN_LEN] = {ROWS_VERSION}, plain[PART_PLAIN_MAX];
    vt_put_u64(head + 8, closing->count);
    vt_put_u64(head + 16, closing->epoch_from);
    vt_put_u64(head + 24, closing->commit_number);
    VT_TRY(part_put(closing, view, txn, 0, VT_BYTES_OF(head), journal_rows));
    for (uint32_t part = 1; part <= part_count(closing->count); part++) {
        const size_t first = (size_t)(part - 1) * ITEMS_PER_PART, count = items_in(closing->count, part);
        for (size_t i = 0; i < count; i++) item_encode(&closing->items[first + i], plain + i * ITEM_LEN);
        VT_TRY(part_put(closing, view, txn, part, vt_bytes(plain, count * ITEM_LEN), journal_rows));
    }
    return VAULT_OK;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

static VT_RESULT part_get(struct vt_keyring_view *view, const struct vt_epoch_id *id, uint32_t part, uint8_t *out_plain,
                          size_t plain_len)
{
    struct vt_bytes value;
    char name[PART_NAME_LEN];
    uint8_t fields[28];
    part_name(part, name);
    part_fields(id, part, fields);
    VT_TRY(vt_store_get(vt_keyring_view_txn(view), VT_TABLE_META, vt_bytes_str(name), &value));
    return vt_sealed_row_open(view, VT_SEAL_CLOSING, VT_BYTES_OF(fields), value, out_plain, plain_len);
}

static VT_RESULT items_load(struct vt_epoch_closing *closing, struct vt_keyring_view *view, size_t count)
{
    uint8_t plain[PART_PLAIN_MAX];
    for (uint32_t part = 1; part <= part_count(count); part++) {
        const size_t in_part = items_in(count, part);
        const vault_status status = part_get(view, &closing->next, part, plain, in_part * ITEM_LEN);
        VT_ENSURE(status != VAULT_E_NOT_FOUND, VAULT_E_CORRUPT);
        VT_TRY(status);
        for (size_t i = 0; i < in_part; i++) {
            struct vt_closing_item item;
            VT_TRY(item_decode(plain + i * ITEM_LEN, &item));
            VT_TRY(vt_closing_add(closing, &item));
        }
    }
    return VAULT_OK;
}

VT_RESULT vt_closing_rows_load(struct vt_epoch *epoch, struct vt_keyring_view *view, const struct vt_epoch_id *id,
                               struct vt_epoch_closing **out_closing)
{
    uint8_t head[HEAD_PLAIN_LEN];
    struct vt_epoch_closing *closing;
    VT_TRY(part_get(view, id, 0, head, sizeof head));
    VT_ENSURE(head[0] == ROWS_VERSION, VAULT_E_FORMAT);
    VT_TRY(vt_closing_new(epoch, &closing));
    closing->stage = VT_CLOSING_COMMITTED;
    closing->next = *id;
    closing->epoch_from = vt_get_u64(head + 16);
    closing->commit_number = vt_get_u64(head + 24);
    const vault_status status = items_load(closing, view, vt_get_u64(head + 8));
    if (status != VAULT_OK) {
        vt_closing_release(closing);
        return status;
    }
    *out_closing = closing;
    return VAULT_OK;
}

VT_RESULT vt_closing_rows_exist(struct vt_txn *txn)
{
    struct vt_bytes value;
    return vt_store_get(txn, VT_TABLE_META, vt_bytes_str(HEAD_NAME), &value);
}

VT_RESULT vt_closing_rows_delete(struct vt_txn *txn)
{
    vault_status status = VAULT_OK;
    for (uint32_t part = 0; status == VAULT_OK; part++) {
        char name[PART_NAME_LEN];
        part_name(part, name);
        status = vt_store_delete(txn, VT_TABLE_META, vt_bytes_str(name));
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

/* Receipts -------------------------------------------------------------------------------------------------------- */

static void receipts_name(uint64_t epoch_number, char out_name[32])
{
    snprintf(out_name, 32, "receipts/%016" PRIx64, epoch_number);
}

static VT_RESULT receipt_append(struct vt_buf *value, uint64_t keeper_id, enum vt_keeper_class keeper_class, struct vt_bytes note)
{
    VT_TRY(vt_buf_append_u64(value, keeper_id));
    VT_TRY(vt_buf_append_byte(value, (uint8_t)keeper_class));
    VT_TRY(vt_buf_append_u32(value, (uint32_t)note.len));
    return vt_buf_append(value, note);
}

VT_RESULT vt_epoch_receipts(struct vt_txn *txn, uint64_t epoch_number, struct vt_buf *out_receipts)
{
    struct vt_bytes value;
    char name[32];
    receipts_name(epoch_number, name);
    VT_TRY(vt_store_get(txn, VT_TABLE_META, vt_bytes_str(name), &value));
    return vt_buf_append(out_receipts, value);
}

VT_RESULT vt_epoch_receipt_next(struct vt_bytes *rest, struct vt_epoch_receipt *out_receipt)
{
    VT_ENSURE(rest->len != 0, VAULT_E_NOT_FOUND);
    VT_ENSURE(rest->len >= RECEIPT_HEAD_LEN, VAULT_E_CORRUPT);
    const uint32_t len = vt_get_u32(rest->data + 9);
    VT_ENSURE(rest->data[8] <= VT_KEEPER_X && len <= rest->len - RECEIPT_HEAD_LEN, VAULT_E_CORRUPT);
    struct vt_epoch_receipt receipt = {.keeper_id = vt_get_u64(rest->data),
                                       .keeper_class = (enum vt_keeper_class)rest->data[8],
                                       .note = vt_bytes(rest->data + RECEIPT_HEAD_LEN, len)};
    VT_TRY(vt_sha256_one(receipt.note, receipt.hash));
    *rest = vt_bytes(receipt.note.data + len, rest->len - RECEIPT_HEAD_LEN - len);
    *out_receipt = receipt;
    return VAULT_OK;
}

VT_RESULT vt_receipts_lack(struct vt_txn *txn, const struct vt_receipt_copy *receipt, bool *out_lack)
{
    VT_AUTO(vt_buf) kept = VT_BUF_INIT(VT_EPOCH_RECEIPTS_MAX);
    struct vt_epoch_receipt one;
    *out_lack = true;
    const vault_status found = vt_epoch_receipts(txn, receipt->epoch, &kept);
    VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
    struct vt_bytes rest = vt_buf_bytes(&kept);
    while (rest.len != 0) {
        VT_TRY(vt_epoch_receipt_next(&rest, &one));
        if (one.keeper_id == receipt->keeper_id) *out_lack = false;
    }
    return VAULT_OK;
}

VT_RESULT vt_receipts_add(struct vt_txn *txn, const struct vt_receipt_copy *receipt)
{
    VT_AUTO(vt_buf) value = VT_BUF_INIT(VT_EPOCH_RECEIPTS_MAX);
    char name[32];
    bool is_lacking;
    VT_TRY(vt_receipts_lack(txn, receipt, &is_lacking));
    if (!is_lacking) return VAULT_OK;
    const vault_status found = vt_epoch_receipts(txn, receipt->epoch, &value);
    VT_ENSURE(found == VAULT_OK || found == VAULT_E_NOT_FOUND, found);
    VT_TRY(receipt_append(&value, receipt->keeper_id, receipt->keeper_class, vt_buf_bytes(&receipt->note)));
    receipts_name(receipt->epoch, name);
    return vt_store_put(txn, VT_TABLE_META, vt_bytes_str(name), vt_buf_bytes(&value), VT_PUT_DEFAULT);
}

/* Those that lie there already came while the closing was unfinished, and the certificates name them: they stay. */
VT_RESULT vt_closing_receipts_put(const struct vt_epoch_closing *closing, struct vt_txn *txn)
{
    for (size_t i = 0; i < closing->owner->options.keeper_count; i++) {
        if (!closing->has_receipt[i]) continue;
        const struct vt_keeper_info *info = &closing->owner->infos[i];
        struct vt_receipt_copy copy = {.epoch = closing->next.epoch, .keeper_id = info->keeper_id,
                                       .keeper_class = info->keeper_class, .note = VT_BUF_INIT(VT_KEEPER_RECEIPT_MAX)};
        vault_status status = vt_buf_append(&copy.note, vt_buf_bytes(&closing->receipts[i].note));
        if (status == VAULT_OK) status = vt_receipts_add(txn, &copy);
        vt_buf_release(&copy.note);
        VT_TRY(status);
    }
    return VAULT_OK;
}
