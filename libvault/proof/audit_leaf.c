#include "libvault/proof/audit_leaf.h"

#include "libvault/crypto/digest.h"
#include "libvault/proof/note.h"

/* Offsets of the fixed part; the header draws them. */
enum {
    AT_VERSION = 0,
    AT_EFFECT = 1,
    AT_FLAGS = 2,
    AT_PURPOSE_LEN = 3,
    AT_RECIPIENT_LEN = 4,
    AT_COMMAND = 5,
    AT_STATUS = 7,
    AT_ITEM_COUNT = 9,
    AT_SEQUENCE = 13,
    AT_TIME = 21,
    AT_TENANT = 29,
    AT_INCARNATION = 37,
    AT_PRINCIPAL = 45,
    AT_REQUEST_ID = 61,
    AT_PAYLOAD_HASH = 77,
    AT_NAMES = VT_AUDIT_LEAF_FIXED_LEN,
};

static const uint8_t ZERO_ID[16];

/* Leaves -------------------------------------------------------------------------------------------------------- */

/* Registered names; the registry is stricter. Visible ASCII here, so that a report can print a leaf as it stands. */
static bool name_is_valid(struct vt_bytes name)
{
    if (name.len > VT_AUDIT_NAME_MAX) return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] <= 0x20 || name.data[i] >= 0x7f) return false;
    }
    return true;
}

static bool leaf_is_valid(const struct vt_audit_leaf *leaf)
{
    return leaf->effect >= VT_AUDIT_READ && leaf->effect <= VT_AUDIT_REFUSED &&
           (leaf->flags & ~VT_AUDIT_TEST_CLOCK) == 0 && name_is_valid(leaf->purpose) && name_is_valid(leaf->recipient);
}

static void put_bytes(uint8_t *out, struct vt_bytes bytes)
{
    if (bytes.len != 0) memcpy(out, bytes.data, bytes.len);
}

VT_RESULT vt_audit_leaf_encode(const struct vt_audit_leaf *leaf, uint8_t out_bytes[VT_AUDIT_LEAF_MAX], size_t *out_len)
{
    VT_ENSURE(leaf_is_valid(leaf), VAULT_E_ARGUMENT);
    out_bytes[AT_VERSION] = VT_AUDIT_LEAF_VERSION;
    out_bytes[AT_EFFECT] = leaf->effect;
    out_bytes[AT_FLAGS] = leaf->flags;
    out_bytes[AT_PURPOSE_LEN] = (uint8_t)leaf->purpose.len;
    out_bytes[AT_RECIPIENT_LEN] = (uint8_t)leaf->recipient.len;
    vt_put_u16(out_bytes + AT_COMMAND, leaf->command);
    vt_put_u16(out_bytes + AT_STATUS, leaf->status);
    vt_put_u32(out_bytes + AT_ITEM_COUNT, leaf->item_count);
    vt_put_u64(out_bytes + AT_SEQUENCE, leaf->sequence);
    vt_put_u64(out_bytes + AT_TIME, (uint64_t)leaf->time_ms);
    vt_put_u64(out_bytes + AT_TENANT, leaf->tenant);
    vt_put_u64(out_bytes + AT_INCARNATION, leaf->incarnation);
    memcpy(out_bytes + AT_PRINCIPAL, leaf->principal, sizeof leaf->principal);
    memcpy(out_bytes + AT_REQUEST_ID, leaf->request_id, sizeof leaf->request_id);
    memcpy(out_bytes + AT_PAYLOAD_HASH, leaf->payload_hash, sizeof leaf->payload_hash);
    put_bytes(out_bytes + AT_NAMES, leaf->purpose);
    put_bytes(out_bytes + AT_NAMES + leaf->purpose.len, leaf->recipient);
    *out_len = AT_NAMES + leaf->purpose.len + leaf->recipient.len;
    return VAULT_OK;
}

static struct vt_audit_leaf decode(const uint8_t *bytes)
{
    struct vt_audit_leaf leaf = {
        .effect = bytes[AT_EFFECT],
        .flags = bytes[AT_FLAGS],
        .command = vt_get_u16(bytes + AT_COMMAND),
        .status = vt_get_u16(bytes + AT_STATUS),
        .item_count = vt_get_u32(bytes + AT_ITEM_COUNT),
        .sequence = vt_get_u64(bytes + AT_SEQUENCE),
        .time_ms = (int64_t)vt_get_u64(bytes + AT_TIME),
        .tenant = vt_get_u64(bytes + AT_TENANT),
        .incarnation = vt_get_u64(bytes + AT_INCARNATION),
        .purpose = vt_bytes(bytes + AT_NAMES, bytes[AT_PURPOSE_LEN]),
        .recipient = vt_bytes(bytes + AT_NAMES + bytes[AT_PURPOSE_LEN], bytes[AT_RECIPIENT_LEN]),
    };
    memcpy(leaf.principal, bytes + AT_PRINCIPAL, sizeof leaf.principal);
    memcpy(leaf.request_id, bytes + AT_REQUEST_ID, sizeof leaf.request_id);
    memcpy(leaf.payload_hash, bytes + AT_PAYLOAD_HASH, sizeof leaf.payload_hash);
    return leaf;
}

VT_RESULT vt_audit_row_split(struct vt_bytes row, struct vt_audit_leaf *out_leaf, struct vt_bytes *out_leaf_bytes,
                             struct vt_bytes *out_payloads)
{
    VT_ENSURE(row.len != 0, VAULT_E_CORRUPT);
    VT_ENSURE(row.data[AT_VERSION] == VT_AUDIT_LEAF_VERSION, VAULT_E_FORMAT);
    VT_ENSURE(row.len >= VT_AUDIT_LEAF_FIXED_LEN, VAULT_E_CORRUPT);
    const size_t len = (size_t)VT_AUDIT_LEAF_FIXED_LEN + row.data[AT_PURPOSE_LEN] + row.data[AT_RECIPIENT_LEN];
    VT_ENSURE(row.len >= len, VAULT_E_CORRUPT);

    const struct vt_audit_leaf leaf = decode(row.data);
    VT_ENSURE(leaf_is_valid(&leaf), VAULT_E_CORRUPT);
    *out_leaf = leaf;
    *out_leaf_bytes = vt_bytes(row.data, len);
    *out_payloads = vt_bytes(row.data + len, row.len - len);
    return VAULT_OK;
}

/* Items --------------------------------------------------------------------------------------------------------- */

static bool item_is_valid(const struct vt_audit_item *item)
{
    if (item->kind == VT_AUDIT_ITEM_SEALED) return true;
    return item->kind == VT_AUDIT_ITEM_EVIDENCE && item->bytes.len == VT_SHA256_LEN &&
           memcmp(item->origin, ZERO_ID, sizeof ZERO_ID) == 0 && memcmp(item->payload_id, ZERO_ID, sizeof ZERO_ID) == 0;
}

VT_RESULT vt_audit_item_next(struct vt_bytes *payloads, struct vt_audit_item *out_item)
{
    const uint8_t *data = payloads->data;

    VT_ENSURE(payloads->len != 0, VAULT_E_NOT_FOUND);
    VT_ENSURE(payloads->len >= VT_AUDIT_ITEM_HEAD_LEN, VAULT_E_CORRUPT);
    const size_t len = vt_get_u32(data + 33), rest = payloads->len - VT_AUDIT_ITEM_HEAD_LEN;
    VT_ENSURE(len <= rest, VAULT_E_CORRUPT);
    const struct vt_audit_item item = {
        .kind = data[0],
        .origin = data + 1,
        .payload_id = data + 17,
        .bytes = vt_bytes(data + VT_AUDIT_ITEM_HEAD_LEN, len),
    };
    VT_ENSURE(item_is_valid(&item), VAULT_E_CORRUPT);
    *out_item = item;
    *payloads = vt_bytes(item.bytes.data + len, rest - len);
    return VAULT_OK;
}

VT_RESULT vt_audit_item_write(struct vt_buf *out, const struct vt_audit_item *item)
{
    uint8_t *space;
    const size_t len = VT_AUDIT_ITEM_HEAD_LEN + item->bytes.len;

    VT_ENSURE(item_is_valid(item), VAULT_E_ARGUMENT);
    VT_ENSURE(item->bytes.len <= VT_AUDIT_PAYLOADS_MAX, VAULT_E_TOO_LARGE);
    VT_TRY(vt_buf_reserve(out, len, &space));
    space[0] = (uint8_t)item->kind;
    memcpy(space + 1, item->origin, 16);
    memcpy(space + 17, item->payload_id, 16);
    vt_put_u32(space + 33, (uint32_t)item->bytes.len);
    put_bytes(space + VT_AUDIT_ITEM_HEAD_LEN, item->bytes);
    vt_buf_commit(out, len);
    return VAULT_OK;
}

VT_RESULT vt_audit_evidence_write(struct vt_buf *out, struct vt_bytes note)
{
    struct vt_bytes text;
    uint8_t hash[VT_SHA256_LEN];

    VT_TRY(vt_note_text_unverified(note, &text, NULL));
    VT_TRY(vt_sha256_one(text, hash));
    const struct vt_audit_item item = {VT_AUDIT_ITEM_EVIDENCE, ZERO_ID, ZERO_ID, VT_BYTES_OF(hash)};
    return vt_audit_item_write(out, &item);
}
