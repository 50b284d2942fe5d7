#include "libvault/proof/merkle.h"

#include "libvault/crypto/digest.h"

VT_RESULT vt_merkle_empty(struct vt_merkle_hash *out_hash)
{
    return vt_sha256(NULL, 0, out_hash->bytes);
}

VT_RESULT vt_merkle_leaf(struct vt_bytes entry, struct vt_merkle_hash *out_hash)
{
    static const uint8_t prefix = 0x00;
    const struct vt_bytes pieces[] = {VT_BYTES_OF(prefix), entry};
    return vt_sha256(pieces, VT_ARRAY_LEN(pieces), out_hash->bytes);
}

VT_RESULT vt_merkle_node(const struct vt_merkle_hash *left, const struct vt_merkle_hash *right,
                         struct vt_merkle_hash *out_hash)
{
    static const uint8_t prefix = 0x01;
    const struct vt_bytes pieces[] = {VT_BYTES_OF(prefix), VT_BYTES_OF(left->bytes), VT_BYTES_OF(right->bytes)};
    return vt_sha256(pieces, VT_ARRAY_LEN(pieces), out_hash->bytes);
}

/* Growing --------------------------------------------------------------------------------------------------------- */

VT_RESULT vt_merkle_frontier_add(struct vt_merkle_frontier *frontier, const struct vt_merkle_hash *leaf,
                                 vt_merkle_sink sink, void *context)
{
    struct vt_merkle_hash hash = *leaf;
    unsigned level = 0;

    VT_ENSURE(frontier->size != UINT64_MAX, VAULT_E_LIMIT);
    if (sink != NULL) VT_TRY(sink(context, 0, frontier->size, &hash));
    /* Adding one carries through the set bits from below: each carry joins the subtree that waits there. */
    for (; (frontier->size >> level & 1) != 0; level++) {
        VT_TRY(vt_merkle_node(&frontier->at[level], &hash, &hash));
        if (sink != NULL) VT_TRY(sink(context, level + 1, frontier->size >> (level + 1), &hash));
    }
    frontier->at[level] = hash;
    frontier->size++;
    return VAULT_OK;
}

VT_RESULT vt_merkle_frontier_root(const struct vt_merkle_frontier *frontier, struct vt_merkle_hash *out_root)
{
    struct vt_merkle_hash root;
    bool is_first = true;

    if (frontier->size == 0) return vt_merkle_empty(out_root);
    for (unsigned level = 0; level < VT_MERKLE_LEVELS; level++) {
        if ((frontier->size >> level & 1) == 0) continue;
        if (is_first) {
            root = frontier->at[level];
        } else {
            VT_TRY(vt_merkle_node(&frontier->at[level], &root, &root));
        }
        is_first = false;
    }
    *out_root = root;
    return VAULT_OK;
}

/* Reading --------------------------------------------------------------------------------------------------------- */

/* The largest power of two below n, for n > 1. */
static uint64_t split_of(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* Root over the leaves [begin, end), where begin is a multiple of every power of two that fits in the range, as holds
 * for each subtree of RFC 6962: so the range is complete subtrees, larger ones first, that are joined from the
 * right. */
static vault_status range_root(const struct vt_merkle_source *source, uint64_t begin, uint64_t end,
                               struct vt_merkle_hash *out_root)
{
    const uint64_t size = end - begin;
    struct vt_merkle_hash root;
    bool is_first = true;

    if (size == 0) return vt_merkle_empty(out_root);
    for (unsigned level = 0; level < VT_MERKLE_LEVELS; level++) {
        struct vt_merkle_hash left;
        if ((size >> level & 1) == 0) continue;
        end -= UINT64_C(1) << level;
        VT_TRY(source->hash_at(source->context, level, end >> level, &left));
        if (!is_first) VT_TRY(vt_merkle_node(&left, &root, &left));
        root = left;
        is_first = false;
    }
    *out_root = root;
    return VAULT_OK;
}

VT_RESULT vt_merkle_frontier_load(const struct vt_merkle_source *source, uint64_t size,
                                  struct vt_merkle_frontier *out_frontier)
{
    struct vt_merkle_frontier frontier = {.size = size};
    uint64_t end = size;

    for (unsigned level = 0; level < VT_MERKLE_LEVELS; level++) {
        if ((size >> level & 1) == 0) continue;
        end -= UINT64_C(1) << level;
        VT_TRY(source->hash_at(source->context, level, end >> level, &frontier.at[level]));
    }
    *out_frontier = frontier;
    return VAULT_OK;
}

VT_RESULT vt_merkle_root_at(const struct vt_merkle_source *source, uint64_t size, struct vt_merkle_hash *out_root)
{
    return range_root(source, 0, size, out_root);
}

static vault_status memory_hash_at(void *context, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash)
{
    const struct vt_merkle_hash *leaves = context;
    const struct vt_merkle_hash *first = leaves + (index << level);
    struct vt_merkle_frontier frontier = VT_MERKLE_FRONTIER_INIT;

    for (uint64_t i = 0; i < UINT64_C(1) << level; i++)
        VT_TRY(vt_merkle_frontier_add(&frontier, first + i, NULL, NULL));
    *out_hash = frontier.at[level];
    return VAULT_OK;
}

VT_RESULT vt_merkle_root(const struct vt_merkle_hash *leaves, size_t count, struct vt_merkle_hash *out_root)
{
    union {
        const struct vt_merkle_hash *given;
        void *context;          /* read only: memory_hash_at() never writes to it */
    } from = {.given = leaves};
    return vt_merkle_root_at(&(struct vt_merkle_source){memory_hash_at, from.context}, count, out_root);
}

static void reverse(struct vt_merkle_proof *proof)
{
    for (size_t i = 0, j = proof->count; i + 1 < j; i++, j--) {
        const struct vt_merkle_hash swapped = proof->hashes[i];
        proof->hashes[i] = proof->hashes[j - 1];
        proof->hashes[j - 1] = swapped;
    }
}

/* RFC 6962 section 2.1.1 walks down from the root and puts each sibling behind what the recursion gave: so collect,
 * then turn round. */
VT_RESULT vt_merkle_prove_inclusion(const struct vt_merkle_source *source, uint64_t index, uint64_t size,
                                    struct vt_merkle_proof *out_proof)
{
    struct vt_merkle_proof proof = {0};
    uint64_t begin = 0, end = size;

    VT_ENSURE(index < size, VAULT_E_ARGUMENT);
    while (end - begin > 1) {
        const uint64_t middle = begin + split_of(end - begin);
        const bool is_left = index < middle;
        VT_TRY(range_root(source, is_left ? middle : begin, is_left ? end : middle, &proof.hashes[proof.count++]));
        if (is_left) {
            end = middle;
        } else {
            begin = middle;
        }
    }
    reverse(&proof);
    *out_proof = proof;
    return VAULT_OK;
}

/* SUBPROOF of RFC 6962 section 2.1.2. The node at which the old tree ends is left out when it is the whole old tree:
 * the verifier has its root already. */
VT_RESULT vt_merkle_prove_consistency(const struct vt_merkle_source *source, uint64_t old_size, uint64_t new_size,
                                      struct vt_merkle_proof *out_proof)
{
    struct vt_merkle_proof proof = {0};
    uint64_t begin = 0, end = new_size;

    VT_ENSURE(old_size <= new_size, VAULT_E_ARGUMENT);
    while (old_size != 0 && old_size != new_size && end != old_size) {
        const uint64_t middle = begin + split_of(end - begin);
        const bool is_left = old_size <= middle;
        VT_TRY(range_root(source, is_left ? middle : begin, is_left ? end : middle, &proof.hashes[proof.count++]));
        if (is_left) {
            end = middle;
        } else {
            begin = middle;
        }
    }
    if (begin != 0) VT_TRY(range_root(source, begin, end, &proof.hashes[proof.count++]));
    reverse(&proof);
    *out_proof = proof;
    return VAULT_OK;
}

/* Verifying ------------------------------------------------------------------------------------------------------- */

/* RFC 9162 section 2.1.3.2. */
VT_RESULT vt_merkle_verify_inclusion(const struct vt_merkle_hash *leaf, uint64_t index, uint64_t size,
                                     const struct vt_merkle_proof *proof, const struct vt_merkle_hash *root)
{
    struct vt_merkle_hash hash = *leaf;
    uint64_t node = index, last = size - 1;

    VT_ENSURE(index < size && proof->count <= VT_MERKLE_PROOF_MAX, VAULT_E_AUTHENTICITY);
    for (size_t i = 0; i < proof->count; i++) {
        VT_ENSURE(last != 0, VAULT_E_AUTHENTICITY);
        if ((node & 1) != 0 || node == last) {
            VT_TRY(vt_merkle_node(&proof->hashes[i], &hash, &hash));
            while ((node & 1) == 0 && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            VT_TRY(vt_merkle_node(&hash, &proof->hashes[i], &hash));
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && vt_merkle_hash_equal(&hash, root) ? VAULT_OK : VAULT_E_AUTHENTICITY;
}

/* Sizes that need no proof, and so must not have one. */
static vault_status verify_trivial(uint64_t old_size, const struct vt_merkle_hash *old_root, uint64_t new_size,
                                   const struct vt_merkle_hash *new_root, const struct vt_merkle_proof *proof)
{
    struct vt_merkle_hash empty;

    VT_ENSURE(old_size <= new_size && proof->count == 0, VAULT_E_AUTHENTICITY);
    VT_TRY(vt_merkle_empty(&empty));
    VT_ENSURE(old_size != 0 || vt_merkle_hash_equal(old_root, &empty), VAULT_E_AUTHENTICITY);
    VT_ENSURE(old_size != new_size || vt_merkle_hash_equal(old_root, new_root), VAULT_E_AUTHENTICITY);
    return VAULT_OK;
}

/* One path of RFC 9162 section 2.1.4.2 rebuilds both roots. `node` and `last` are where the old and the new tree
 * end. */
static vault_status rebuild_both(uint64_t node, uint64_t last, const struct vt_merkle_hash *hashes, size_t count,
                                 struct vt_merkle_hash *old_hash, struct vt_merkle_hash *new_hash)
{
    for (size_t i = 0; i < count; i++) {
        VT_ENSURE(last != 0, VAULT_E_AUTHENTICITY);
        if ((node & 1) != 0 || node == last) {
            VT_TRY(vt_merkle_node(&hashes[i], old_hash, old_hash));
            VT_TRY(vt_merkle_node(&hashes[i], new_hash, new_hash));
            while ((node & 1) == 0 && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            VT_TRY(vt_merkle_node(new_hash, &hashes[i], new_hash));
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 ? VAULT_OK : VAULT_E_AUTHENTICITY;
}

VT_RESULT vt_merkle_verify_consistency(uint64_t old_size, const struct vt_merkle_hash *old_root, uint64_t new_size,
                                       const struct vt_merkle_hash *new_root, const struct vt_merkle_proof *proof)
{
    struct vt_merkle_hash old_hash, new_hash;
    const struct vt_merkle_hash *rest = proof->hashes;
    size_t count = proof->count;

    VT_ENSURE(count <= VT_MERKLE_PROOF_MAX, VAULT_E_AUTHENTICITY);
    if (old_size == 0 || old_size >= new_size) {
        return verify_trivial(old_size, old_root, new_size, new_root, proof);
    }
    /* Where the old tree is one complete subtree, its root is the first node and is not sent. */
    const bool is_complete = (old_size & (old_size - 1)) == 0;
    VT_ENSURE(is_complete || count != 0, VAULT_E_AUTHENTICITY);
    old_hash = new_hash = is_complete ? *old_root : proof->hashes[0];
    if (!is_complete) {
        rest++;
        count--;
    }
    const unsigned shift = (unsigned)__builtin_ctzll(old_size);
    VT_TRY(rebuild_both((old_size - 1) >> shift, (new_size - 1) >> shift, rest, count, &old_hash, &new_hash));
    const bool fits = vt_merkle_hash_equal(&old_hash, old_root) && vt_merkle_hash_equal(&new_hash, new_root);
    return fits ? VAULT_OK : VAULT_E_AUTHENTICITY;
}
