/* The whole log of certificates, recomputed from its leaves, and every text held against its leaf. */
#include "libvault/proof/certificate.h"
#include "vaultd/core/epoch/certificate_log_internal.h"
#include "vaultd/core/epoch/ledger_internal.h"

enum { TEXT_POOL_MAX = 1024 * 1024 };

struct walk {
    struct vt_txn *txn;
    const struct vt_note_verifier *verifiers;
    size_t verifier_count;
    struct vt_merkle_frontier frontier;
    uint64_t nodes;                     /* complete subtrees met */
    uint64_t met_size;                  /* of the last checkpoint met */
    struct vt_cursor *checkpoints;      /* stands at the next one */
    uint64_t next_size;                 /* of it; 0: there is none */
    struct vt_bytes next_note;
    struct vt_certificate_report *report;
};

static vault_status found(struct walk *walk, const char *fault, uint64_t at)
{
    walk->report->fault = fault;
    walk->report->at = at;
    return VAULT_E_CORRUPT;
}

static VT_RESULT checkpoint_step(struct walk *walk, vault_status status, const struct vt_bytes *key)
{
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    const uint64_t before = walk->next_size;
    walk->next_size = 0;
    if (status == VAULT_E_NOT_FOUND) return VAULT_OK;
    VT_ENSURE(key->len == VT_CERTIFICATE_LOG_KEY_LEN && vt_get_u64(key->data + 1) > before,
              found(walk, "a checkpoint has no place", before));
    walk->next_size = vt_get_u64(key->data + 1);
    return VAULT_OK;
}

static VT_RESULT first_checkpoint(struct walk *walk)
{
    static const uint8_t FROM[] = {VT_CERTIFICATE_LOG_CHECKPOINT};
    struct vt_bytes key;
    const vault_status status = vt_cursor_seek(walk->checkpoints, VT_BYTES_OF(FROM), &key, &walk->next_note);
    return checkpoint_step(walk, status, &key);
}

/* The tree has as many leaves as the next checkpoint says. */
static VT_RESULT checkpoint_meet(struct walk *walk)
{
    struct vt_checkpoint checkpoint;
    struct vt_merkle_hash root;
    struct vt_bytes key;
    const vault_status signed_well = vt_checkpoint_verify(walk->next_note, walk->verifiers, walk->verifier_count,
                                                          VT_CHECKPOINT_PLAIN, &checkpoint, NULL);
    VT_ENSURE(signed_well != VAULT_E_AUTHENTICITY && signed_well != VAULT_E_PARSE,
              found(walk, "a checkpoint is not signed by this vault", walk->next_size));
    VT_TRY(signed_well);
    VT_TRY(vt_merkle_frontier_root(&walk->frontier, &root));
    VT_ENSURE(checkpoint.size == walk->next_size && vt_merkle_hash_equal(&checkpoint.root, &root),
              found(walk, "a checkpoint signs another tree", walk->next_size));
    walk->report->checkpoints++;
    walk->met_size = walk->next_size;
    const vault_status status = vt_cursor_next(walk->checkpoints, &key, &walk->next_note);
    return checkpoint_step(walk, status, &key);
}

static vault_status node_meet(void *context, unsigned level, uint64_t index, const struct vt_merkle_hash *hash)
{
    struct walk *walk = context;
    struct vt_bytes value;
    if (level < VT_CERTIFICATE_LOG_TILE_LEVEL) return VAULT_OK;
    const vault_status status = vt_certificate_log_row(walk->txn, level, index, &value);
    VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
    VT_ENSURE(status == VAULT_OK && vt_bytes_equal(value, VT_BYTES_OF(hash->bytes)),
              found(walk, "an inner hash is missing or another one", index << level));
    walk->nodes++;
    return VAULT_OK;
}

static VT_RESULT tile_meet(struct walk *walk, struct vt_bytes tile)
{
    struct vt_merkle_hash leaf;
    for (size_t at = 0; at < tile.len; at += VT_MERKLE_HASH_LEN) {
        memcpy(leaf.bytes, tile.data + at, VT_MERKLE_HASH_LEN);
        VT_TRY(vt_merkle_frontier_add(&walk->frontier, &leaf, node_meet, walk));
        if (walk->frontier.size == walk->next_size) VT_TRY(checkpoint_meet(walk));
    }
    return VAULT_OK;
}

static VT_RESULT leaves_walk(struct walk *walk, uint64_t leaves)
{
    const uint64_t tiles = leaves / VT_CERTIFICATE_LOG_TILE_LEAVES + (leaves % VT_CERTIFICATE_LOG_TILE_LEAVES != 0);
    for (uint64_t i = 0; i < tiles; i++) {
        const uint64_t first = i * VT_CERTIFICATE_LOG_TILE_LEAVES;
        const size_t count = (size_t)VT_MIN(leaves - first, (uint64_t)VT_CERTIFICATE_LOG_TILE_LEAVES);
        struct vt_bytes tile;
        const vault_status status = vt_certificate_log_row(walk->txn, 0, i, &tile);
        VT_ENSURE(status == VAULT_OK || status == VAULT_E_NOT_FOUND, status);
        VT_ENSURE(status == VAULT_OK && tile.len == count * VT_MERKLE_HASH_LEN, found(walk, "leaves are missing", first));
        VT_TRY(tile_meet(walk, tile));
    }
    walk->report->leaves = leaves;
    return VAULT_OK;
}

/* Rows of the table beside those that have been met. */
static VT_RESULT strays_count(struct walk *walk)
{
    const uint64_t leaves = walk->report->leaves;
    const uint64_t tiles = leaves / VT_CERTIFICATE_LOG_TILE_LEAVES + (leaves % VT_CERTIFICATE_LOG_TILE_LEAVES != 0);
    uint64_t rows;
    VT_TRY(vt_store_count(walk->txn, VT_TABLE_CERTIFICATE_LOG, &rows));
    VT_ENSURE(rows == tiles + walk->nodes + walk->report->checkpoints, found(walk, "a row has no place", leaves));
    return VAULT_OK;
}

static VT_RESULT log_walk(struct walk *walk)
{
    uint64_t leaves, covered;
    const vault_status counted = vt_certificate_log_counts(walk->txn, &leaves, &covered);
    VT_ENSURE(counted != VAULT_E_CORRUPT, found(walk, "the counts of the log cannot be read", 0));
    VT_TRY(counted);
    VT_TRY(first_checkpoint(walk));
    VT_TRY(leaves_walk(walk, leaves));
    VT_ENSURE(walk->next_size == 0, found(walk, "leaves are missing", leaves));
    VT_ENSURE(covered == walk->met_size, found(walk, "the last checkpoint is missing", covered));
    VT_ENSURE(leaves == covered, found(walk, "leaves are not signed", covered));
    return strays_count(walk);
}

/* It says itself what its key says: a text put under another number or state is not found by its leaf. */
static VT_RESULT text_is_in_place(struct walk *walk, struct vt_bytes key, struct vt_bytes text)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(TEXT_POOL_MAX);
    struct vt_certificate certificate;
    const uint64_t number = vt_get_u64(key.data + 1);
    const vault_status status = vt_certificate_parse(&pool, text, &certificate, NULL);
    VT_ENSURE(status != VAULT_E_PARSE && status != VAULT_E_FORMAT, found(walk, "a certificate cannot be read", number));
    VT_TRY(status);
    VT_ENSURE(certificate.number == number && (unsigned)certificate.state == key.data[0],
              found(walk, "a certificate lies in another one's place", number));
    return VAULT_OK;
}

static VT_RESULT texts_walk(struct walk *walk)
{
    VT_AUTO_PTR(vt_cursor) cursor = NULL;
    struct vt_bytes key, value, text;
    struct vt_merkle_hash leaf, there;
    uint64_t index;
    vault_status status;
    VT_TRY(vt_cursor_open(walk->txn, VT_TABLE_CERTIFICATE, &cursor));
    while ((status = vt_cursor_next(cursor, &key, &value)) == VAULT_OK) {
        const uint64_t number = key.len == VT_CERTIFICATE_KEY_LEN ? vt_get_u64(key.data + 1) : 0;
        VT_ENSURE(number != 0 && vt_certificate_row_split(value, &index, &text) == VAULT_OK,
                  found(walk, "a certificate cannot be read", number));
        VT_TRY(vt_merkle_leaf(text, &leaf));
        const vault_status held = vt_certificate_log_leaf(walk->txn, index, &there);
        VT_ENSURE(held == VAULT_OK || held == VAULT_E_CORRUPT, held);
        VT_ENSURE(held == VAULT_OK && vt_merkle_hash_equal(&leaf, &there),
                  found(walk, "a certificate is not the one that was signed", number));
        VT_TRY(text_is_in_place(walk, key, text));
        walk->report->texts++;
    }
    return status == VAULT_E_NOT_FOUND ? VAULT_OK : status;
}

VT_RESULT vt_certificates_check(struct vt_txn *txn, const struct vt_note_verifier *verifiers, size_t count,
                                struct vt_certificate_report *out_report)
{
    VT_AUTO_PTR(vt_cursor) checkpoints = NULL;
    struct walk walk = {.txn = txn, .verifiers = verifiers, .verifier_count = count, .report = out_report};
    *out_report = (struct vt_certificate_report){0};
    VT_TRY(vt_cursor_open(txn, VT_TABLE_CERTIFICATE_LOG, &checkpoints));
    walk.checkpoints = checkpoints;
    VT_TRY(log_walk(&walk));
    return texts_walk(&walk);
}
