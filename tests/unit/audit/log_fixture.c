#include "tests/unit/audit/log_fixture.h"

#include <string.h>

#include "libvault/crypto/digest.h"

static const struct vt_key SEED = {{0x51, 0x52, 0x53}};
const struct vt_note_signer LOG_SIGNER = {"vaultd/000102030405060708090a0b0c0d0e0f/1", &SEED};

void log_fixture_init(struct log_fixture *log)
{
    struct vt_txn *txn;
    memset(log, 0, sizeof *log);
    ck_assert_ok(vt_store_mem_open(&log->store));
    ck_assert_ok(vt_txn_begin_read(log->store, &txn));
    ck_assert_ok(vt_audit_open(txn, &log->audit));
    vt_txn_abort(txn);
    ck_assert_ok(vt_note_verifier_of(&LOG_SIGNER, &log->verifier));
}

void log_fixture_release(struct log_fixture *log)
{
    vt_audit_free(log->audit);
    vt_store_free(log->store);
}

struct vt_audit_leaf log_leaf(uint64_t sequence)
{
    static const char *const purposes[] = {"", "customer-support", "fraud.prevention"};
    static const char *const recipients[] = {"", "payment-processor"};
    struct vt_audit_leaf leaf = {
        .sequence = UINT64_MAX,     /* the log fills it in, whatever it holds */
        .time_ms = 1782864000000 + (int64_t)sequence,
        .tenant = 1 + sequence % 3,
        .incarnation = 1,
        .command = (uint16_t)(sequence % 50),
        .status = sequence % 7 == 0 ? VAULT_E_FORBIDDEN : VAULT_OK,
        .effect = (uint8_t)(VT_AUDIT_READ + sequence % 5),
        .flags = sequence % 2 == 0 ? 0 : VT_AUDIT_TEST_CLOCK,
        .item_count = (uint32_t)sequence,
        .purpose = vt_bytes_str(purposes[sequence % 3]),
        .recipient = vt_bytes_str(recipients[sequence % 2]),
    };
    vt_put_u64(leaf.principal, sequence * 7);
    vt_put_u64(leaf.request_id + 8, ~sequence);
    return leaf;
}

void log_payloads(uint64_t sequence, struct vt_buf *out_payloads)
{
    uint8_t origin[16] = {0}, payload_id[16] = {1}, sealed[100];
    memset(sealed, (int)(sequence & 0xff), sizeof sealed);
    vt_put_u64(origin, sequence);
    for (uint64_t i = 0; i < sequence % 3; i++) {
        payload_id[15] = (uint8_t)i;
        const struct vt_audit_item item = {VT_AUDIT_ITEM_SEALED, origin, payload_id, vt_bytes(sealed, 10 + 40 * i)};
        ck_assert_ok(vt_audit_item_write(out_payloads, &item));
    }
}

void log_append(struct log_fixture *log, struct vt_txn *txn, size_t at)
{
    VT_AUTO(vt_buf) payloads = VT_BUF_INIT(4096);
    struct vt_audit_leaf leaf = log_leaf(at);
    uint8_t bytes[VT_AUDIT_LEAF_MAX];
    uint64_t sequence;
    size_t len;

    ck_assert_uint_lt(at, LOG_MAX);
    log_payloads(at, &payloads);
    ck_assert_ok(vt_audit_append(log->audit, txn, &leaf, vt_buf_bytes(&payloads), &sequence));
    ck_assert_uint_eq(sequence, at);
    leaf.sequence = at;
    ck_assert_ok(vt_sha256_one(vt_buf_bytes(&payloads), leaf.payload_hash));
    ck_assert_ok(vt_audit_leaf_encode(&leaf, bytes, &len));
    ck_assert_ok(vt_merkle_leaf(vt_bytes(bytes, len), &log->leaves[at]));
}

void log_grow(struct log_fixture *log, size_t count)
{
    struct vt_txn *txn;
    ck_assert_ok(vt_txn_begin_write(log->store, &txn));
    for (size_t i = 0; i < count; i++) log_append(log, txn, log->count + i);
    ck_assert_ok(vt_txn_commit(txn));
    vt_audit_committed(log->audit);
    log->count += count;
}

void log_checkpoint(struct log_fixture *log)
{
    struct vt_txn *txn;
    ck_assert_ok(vt_txn_begin_write(log->store, &txn));
    ck_assert_ok(vt_audit_checkpoint(log->audit, txn, &LOG_SIGNER, NULL));
    ck_assert_ok(vt_txn_commit(txn));
    vt_audit_committed(log->audit);
}

struct vt_merkle_hash log_expected_root(const struct log_fixture *log, size_t size)
{
    struct vt_merkle_hash root;
    ck_assert_ok(vt_merkle_root(log->leaves, size, &root));
    return root;
}

void log_reopen(struct log_fixture *log)
{
    struct vt_txn *txn;
    vt_audit_free(log->audit);
    log->audit = NULL;
    ck_assert_ok(vt_txn_begin_read(log->store, &txn));
    ck_assert_ok(vt_audit_open(txn, &log->audit));
    vt_txn_abort(txn);
    ck_assert_uint_eq(vt_audit_size(log->audit), log->count);
}

void log_tamper(struct log_fixture *log, enum vt_table table, struct vt_bytes key, const struct vt_bytes *value)
{
    struct vt_txn *txn;
    ck_assert_ok(vt_txn_begin_write(log->store, &txn));
    if (value != NULL) ck_assert_ok(vt_store_put(txn, table, key, *value, VT_PUT_DEFAULT));
    if (value == NULL) ck_assert_ok(vt_store_delete(txn, table, key));
    ck_assert_ok(vt_txn_commit(txn));
}
