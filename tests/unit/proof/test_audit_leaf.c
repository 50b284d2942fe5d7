/* The bytes of audit entries: docs/FORMAT.md "Audit log". */
#include "libvault/crypto/digest.h"
#include "libvault/proof/audit_check.h"
#include "tests/support/suite.h"

static struct vt_audit_leaf sample(void)
{
    struct vt_audit_leaf leaf = {
        .sequence = 0x0102030405060708, .time_ms = 0x1112131415161718, .tenant = 0x2122232425262728,
        .incarnation = 0x3132333435363738, .command = 0x4142, .status = 0x5152, .effect = VT_AUDIT_DESTROY,
        .flags = VT_AUDIT_TEST_CLOCK, .item_count = 0x61626364, .purpose = vt_bytes_str("support"),
        .recipient = vt_bytes_str("acme"),
    };
    memset(leaf.principal, 0x71, 16);
    memset(leaf.request_id, 0x72, 16);
    memset(leaf.payload_hash, 0x73, 32);
    return leaf;
}

START_TEST(a_leaf_has_the_documented_bytes)
{
    static const uint8_t head[] = {
        1, 3, 1, 7, 4, 0x41, 0x42, 0x51, 0x52, 0x61, 0x62, 0x63, 0x64,
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
        0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38,
    };
    const struct vt_audit_leaf leaf = sample();
    uint8_t bytes[VT_AUDIT_LEAF_MAX];
    size_t len;
    ck_assert_ok(vt_audit_leaf_encode(&leaf, bytes, &len));
    ck_assert_uint_eq(len, 109 + 7 + 4);
    ck_assert_mem_eq(bytes, head, sizeof head);
    for (size_t i = 45; i < 61; i++) ck_assert_uint_eq(bytes[i], 0x71);
    for (size_t i = 61; i < 77; i++) ck_assert_uint_eq(bytes[i], 0x72);
    for (size_t i = 77; i < 109; i++) ck_assert_uint_eq(bytes[i], 0x73);
    ck_assert_mem_eq(bytes + 109, "supportacme", 11);
}
END_TEST

START_TEST(a_row_is_split_into_the_leaf_that_was_encoded_and_its_items)
{
    const struct vt_audit_leaf leaf = sample();
    uint8_t row[VT_AUDIT_LEAF_MAX + 3], again[VT_AUDIT_LEAF_MAX];
    size_t len, again_len;
    struct vt_audit_leaf read;
    struct vt_bytes leaf_bytes, payloads;
    ck_assert_ok(vt_audit_leaf_encode(&leaf, row, &len));
    memcpy(row + len, "abc", 3);
    ck_assert_ok(vt_audit_row_split(vt_bytes(row, len + 3), &read, &leaf_bytes, &payloads));
    ck_assert_uint_eq(leaf_bytes.len, len);
    ck_assert(vt_bytes_equal_str(payloads, "abc"));
    ck_assert_ok(vt_audit_leaf_encode(&read, again, &again_len));
    ck_assert(vt_bytes_equal(leaf_bytes, vt_bytes(again, again_len)));
    ck_assert_int_eq(read.time_ms, leaf.time_ms);
    ck_assert(vt_bytes_equal_str(read.recipient, "acme"));
}
END_TEST

START_TEST(leaves_that_could_not_be_read_back_are_not_encoded)
{
    static const char *const bad_names[] = {"a b", "a\n", "\x7f", "\xc3\xa9", "\x01"};
    uint8_t bytes[VT_AUDIT_LEAF_MAX];
    char long_name[VT_AUDIT_NAME_MAX + 1];
    size_t len = 77;
    struct vt_audit_leaf leaf;
    memset(long_name, 'n', sizeof long_name);
    for (size_t i = 0; i < VT_ARRAY_LEN(bad_names); i++) {
        leaf = sample();
        leaf.purpose = vt_bytes_str(bad_names[i]);
        ck_assert_status(vt_audit_leaf_encode(&leaf, bytes, &len), VAULT_E_ARGUMENT);
        leaf = sample();
        leaf.recipient = vt_bytes_str(bad_names[i]);
        ck_assert_status(vt_audit_leaf_encode(&leaf, bytes, &len), VAULT_E_ARGUMENT);
    }
    leaf = sample();
    leaf.purpose = VT_BYTES_OF(long_name);
    ck_assert_status(vt_audit_leaf_encode(&leaf, bytes, &len), VAULT_E_ARGUMENT);
    leaf = sample();
    leaf.effect = VT_AUDIT_REFUSED + 1;
    ck_assert_status(vt_audit_leaf_encode(&leaf, bytes, &len), VAULT_E_ARGUMENT);
    leaf = sample();
    leaf.flags = 2;
    ck_assert_status(vt_audit_leaf_encode(&leaf, bytes, &len), VAULT_E_ARGUMENT);
    ck_assert_uint_eq(len, 77);
    leaf = sample();
    leaf.purpose = leaf.recipient = vt_bytes(long_name, VT_AUDIT_NAME_MAX);
    ck_assert_ok(vt_audit_leaf_encode(&leaf, bytes, &len));
    ck_assert_uint_eq(len, VT_AUDIT_LEAF_MAX);
}
END_TEST

START_TEST(a_row_cut_short_or_of_another_version_is_refused)
{
    const struct vt_audit_leaf leaf = sample();
    uint8_t row[VT_AUDIT_LEAF_MAX];
    size_t len;
    struct vt_audit_leaf read;
    struct vt_bytes leaf_bytes, payloads;
    ck_assert_ok(vt_audit_leaf_encode(&leaf, row, &len));
    for (size_t cut = 0; cut < len; cut++) {
        ck_assert_status(vt_audit_row_split(vt_bytes(row, cut), &read, &leaf_bytes, &payloads), VAULT_E_CORRUPT);
    }
    row[0] = 2;
    ck_assert_status(vt_audit_row_split(vt_bytes(row, len), &read, &leaf_bytes, &payloads), VAULT_E_FORMAT);
}
END_TEST

START_TEST(fields_out_of_their_range_are_refused)
{
    static const struct {
        size_t at;
        uint8_t value;
    } damages[] = {{1, 0}, {1, 6}, {2, 2}, {2, 0x81}, {3, 65}, {4, 65}, {109, ' '}, {119, 0x80}, {112, 0}};
    const struct vt_audit_leaf leaf = sample();
    for (size_t i = 0; i < VT_ARRAY_LEN(damages); i++) {
        uint8_t row[VT_AUDIT_LEAF_MAX + 200] = {0};
        size_t len;
        struct vt_audit_leaf read;
        struct vt_bytes leaf_bytes, payloads;
        memset(row, 'x', sizeof row);
        ck_assert_ok(vt_audit_leaf_encode(&leaf, row, &len));
        row[damages[i].at] = damages[i].value;
        ck_assert_status(vt_audit_row_split(VT_BYTES_OF(row), &read, &leaf_bytes, &payloads), VAULT_E_CORRUPT);
    }
}
END_TEST

static const uint8_t ORIGIN[16] = {1}, PAYLOAD_ID[16] = {2}, ZERO[16];

START_TEST(items_have_the_documented_bytes_and_follow_one_another)
{
    VT_AUTO(vt_buf) items = VT_BUF_INIT(4096);
    const struct vt_audit_item first = {VT_AUDIT_ITEM_SEALED, ORIGIN, PAYLOAD_ID, vt_bytes_str("hello")};
    const struct vt_audit_item empty = {VT_AUDIT_ITEM_SEALED, ORIGIN, PAYLOAD_ID, VT_BYTES_EMPTY};
    static const uint8_t expected[37] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0,
                                         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};
    struct vt_audit_item item;
    ck_assert_ok(vt_audit_item_write(&items, &first));
    ck_assert_uint_eq(items.len, 42);
    ck_assert_mem_eq(items.data, expected, 37);
    ck_assert_ok(vt_audit_item_write(&items, &empty));
    struct vt_bytes rest = vt_buf_bytes(&items);
    ck_assert_ok(vt_audit_item_next(&rest, &item));
    ck_assert(vt_bytes_equal_str(item.bytes, "hello"));
    ck_assert_mem_eq(item.origin, ORIGIN, 16);
    ck_assert_mem_eq(item.payload_id, PAYLOAD_ID, 16);
    ck_assert_ok(vt_audit_item_next(&rest, &item));
    ck_assert_uint_eq(item.bytes.len, 0);
    ck_assert_status(vt_audit_item_next(&rest, &item), VAULT_E_NOT_FOUND);
}
END_TEST

START_TEST(items_that_are_cut_or_of_unknown_kind_are_refused)
{
    VT_AUTO(vt_buf) items = VT_BUF_INIT(4096);
    const struct vt_audit_item sealed = {VT_AUDIT_ITEM_SEALED, ORIGIN, PAYLOAD_ID, vt_bytes_str("hello")};
    struct vt_audit_item item;
    ck_assert_ok(vt_audit_item_write(&items, &sealed));
    for (size_t cut = 1; cut < items.len; cut++) {
        struct vt_bytes rest = vt_bytes(items.data, cut);
        ck_assert_status(vt_audit_item_next(&rest, &item), VAULT_E_CORRUPT);
        ck_assert_uint_eq(rest.len, cut);
    }
    for (unsigned kind = 0; kind < 256; kind++) {
        struct vt_bytes rest = vt_buf_bytes(&items);
        items.data[0] = (uint8_t)kind;
        ck_assert_status(vt_audit_item_next(&rest, &item), kind == 1 ? VAULT_OK : VAULT_E_CORRUPT);
    }
}
END_TEST

START_TEST(evidence_is_exactly_a_hash_without_origin)
{
    VT_AUTO(vt_buf) items = VT_BUF_INIT(4096);
    const uint8_t hash[32] = {9};
    const struct vt_audit_item good = {VT_AUDIT_ITEM_EVIDENCE, ZERO, ZERO, VT_BYTES_OF(hash)};
    const struct vt_audit_item bad[] = {{VT_AUDIT_ITEM_EVIDENCE, ORIGIN, ZERO, VT_BYTES_OF(hash)},
                                        {VT_AUDIT_ITEM_EVIDENCE, ZERO, PAYLOAD_ID, VT_BYTES_OF(hash)},
                                        {VT_AUDIT_ITEM_EVIDENCE, ZERO, ZERO, vt_bytes(hash, 31)},
                                        {3, ZERO, ZERO, VT_BYTES_OF(hash)}};
    ck_assert_ok(vt_audit_item_write(&items, &good));
    for (size_t i = 0; i < VT_ARRAY_LEN(bad); i++) {
        ck_assert_status(vt_audit_item_write(&items, &bad[i]), VAULT_E_ARGUMENT);
    }
    ck_assert_uint_eq(items.len, VT_AUDIT_ITEM_HEAD_LEN + 32);
}
END_TEST

START_TEST(evidence_of_a_note_is_the_hash_of_its_text_whoever_signed_it)
{
    VT_AUTO(vt_buf) note = VT_BUF_INIT(4096);
    VT_AUTO(vt_buf) items = VT_BUF_INIT(4096);
    const struct vt_key seed = {{1}};
    const struct vt_note_signer signer = {"someone", &seed}, witness = {"witness", &seed};
    uint8_t hash[32];
    ck_assert_ok(vt_note_sign(vt_bytes_str("text\n"), &signer, 1, &note));
    ck_assert_ok(vt_audit_evidence_write(&items, vt_buf_bytes(&note)));
    ck_assert_ok(vt_note_cosign(&note, &witness));
    ck_assert_ok(vt_audit_evidence_write(&items, vt_buf_bytes(&note)));
    ck_assert_ok(vt_sha256_one(vt_bytes_str("text\n"), hash));
    for (size_t i = 0; i < 2; i++) ck_assert_mem_eq(items.data + i * 69 + 37, hash, 32);
    ck_assert_status(vt_audit_evidence_write(&items, vt_bytes_str("text\n")), VAULT_E_PARSE);
}
END_TEST

START_TEST(every_fault_has_a_name_of_its_own)
{
    for (enum vt_audit_fault a = VT_AUDIT_SOUND; a <= VT_AUDIT_FAULT_CHECKPOINT; a++) {
        for (enum vt_audit_fault b = VT_AUDIT_SOUND; b < a; b++) {
            ck_assert_str_ne(vt_audit_fault_name(a), vt_audit_fault_name(b));
        }
    }
}
END_TEST

VT_TEST_MAIN("proof/audit_leaf", a_leaf_has_the_documented_bytes,
             a_row_is_split_into_the_leaf_that_was_encoded_and_its_items,
             leaves_that_could_not_be_read_back_are_not_encoded, a_row_cut_short_or_of_another_version_is_refused,
             fields_out_of_their_range_are_refused, items_have_the_documented_bytes_and_follow_one_another,
             items_that_are_cut_or_of_unknown_kind_are_refused, evidence_is_exactly_a_hash_without_origin,
             evidence_of_a_note_is_the_hash_of_its_text_whoever_signed_it, every_fault_has_a_name_of_its_own)
