/* libvault/proof/merkle.h - the Merkle tree of RFC 6962 section 2.1: hashing, proofs, and a frontier that grows
 * by appending.
 *
 * Hash of a leaf: SHA-256(0x00 || entry). Hash of a node: SHA-256(0x01 || left || right). Hash of nothing: SHA-256("").
 * A tree of n > 1 leaves splits at the largest power of two below n. A *complete subtree* at (level, index) covers the
 * 2^level leaves from index * 2^level on.
 * Source: RFC 6962 sections 2.1, 2.1.1, 2.1.2; verification as in RFC 9162 sections 2.1.3.2 and 2.1.4.2.
 * Thread: any; the values belong to one owner at a time. */
#pragma once
#include "libvault/base/bytes.h"
#include "libvault/base/result.h"

enum {
    VT_MERKLE_HASH_LEN = 32,
    VT_MERKLE_LEVELS = 64,          /* a tree has fewer than 2^64 leaves */
    VT_MERKLE_PROOF_MAX = 65,       /* hashes of the longest proof */
};

struct vt_merkle_hash {
    uint8_t bytes[VT_MERKLE_HASH_LEN];
};

static inline bool vt_merkle_hash_equal(const struct vt_merkle_hash *a, const struct vt_merkle_hash *b)
{
    return memcmp(a->bytes, b->bytes, VT_MERKLE_HASH_LEN) == 0;
}

/** Hashes from the leaf's sibling towards the root, in the order of the RFC. */
struct vt_merkle_proof {
    size_t count;
    struct vt_merkle_hash hashes[VT_MERKLE_PROOF_MAX];
};

/** @return VAULT_E_CRYPTO, here and below, when the library refuses to hash */
VT_RESULT vt_merkle_empty(struct vt_merkle_hash *out_hash);
VT_RESULT vt_merkle_leaf(struct vt_bytes entry, struct vt_merkle_hash *out_hash);
VT_RESULT vt_merkle_node(const struct vt_merkle_hash *left, const struct vt_merkle_hash *right,
                         struct vt_merkle_hash *out_hash);

/* Growing --------------------------------------------------------------------------------------------------------- */

/** The complete subtrees that make up a tree of @c size leaves: at[l] is set when bit l of size is. A plain value: copy
 *  it to keep a state, assign it back to return there. All zero is the empty tree. */
struct vt_merkle_frontier {
    uint64_t size;
    struct vt_merkle_hash at[VT_MERKLE_LEVELS];
};
#define VT_MERKLE_FRONTIER_INIT ((struct vt_merkle_frontier){0})

/** Told of every complete subtree that an appended leaf finished, level 0 first. A failure stops the append. */
typedef vault_status (*vt_merkle_sink)(void *context, unsigned level, uint64_t index,
                                       const struct vt_merkle_hash *hash);

/** Append one leaf hash. One hash on average. @p frontier is unchanged on failure.
 *  @param sink  may be NULL
 *  @return VAULT_E_LIMIT at 2^64 - 1 leaves, or what the sink returned */
VT_RESULT vt_merkle_frontier_add(struct vt_merkle_frontier *frontier, const struct vt_merkle_hash *leaf,
                                 vt_merkle_sink sink, void *context);
VT_RESULT vt_merkle_frontier_root(const struct vt_merkle_frontier *frontier, struct vt_merkle_hash *out_root);

/* Reading --------------------------------------------------------------------------------------------------------- */

/** Where the hashes of complete subtrees come from. Asked only for subtrees inside the size that was named.
 *  hash_at() returns VAULT_E_NOT_FOUND or VAULT_E_CORRUPT when it cannot say; that fails the whole call. */
struct vt_merkle_source {
    vault_status (*hash_at)(void *context, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash);
    void *context;
};

/** The frontier at @p size. */
VT_RESULT vt_merkle_frontier_load(const struct vt_merkle_source *source, uint64_t size,
                                  struct vt_merkle_frontier *out_frontier);
VT_RESULT vt_merkle_root_at(const struct vt_merkle_source *source, uint64_t size, struct vt_merkle_hash *out_root);
/** PATH(index, D[size]). @return VAULT_E_ARGUMENT unless index < size */
VT_RESULT vt_merkle_prove_inclusion(const struct vt_merkle_source *source, uint64_t index, uint64_t size,
                                    struct vt_merkle_proof *out_proof);
/** PROOF(old_size, D[new_size]); empty when old_size is 0 or new_size.
 *  @return VAULT_E_ARGUMENT when old_size > new_size */
VT_RESULT vt_merkle_prove_consistency(const struct vt_merkle_source *source, uint64_t old_size, uint64_t new_size,
                                      struct vt_merkle_proof *out_proof);
/** Root of @p count leaf hashes held in memory. */
VT_RESULT vt_merkle_root(const struct vt_merkle_hash *leaves, size_t count, struct vt_merkle_hash *out_root);

/* Verifying ------------------------------------------------------------------------------------------------------- */

/** @return VAULT_E_AUTHENTICITY unless the proof leads from @p leaf at @p index to @p root of @p size leaves */
VT_RESULT vt_merkle_verify_inclusion(const struct vt_merkle_hash *leaf, uint64_t index, uint64_t size,
                                     const struct vt_merkle_proof *proof, const struct vt_merkle_hash *root);
/** @return VAULT_E_AUTHENTICITY unless the tree with @p new_root begins with the one with @p old_root. A tree of size 0
 *  is the beginning of all, but its root must be that of nothing. */
VT_RESULT vt_merkle_verify_consistency(uint64_t old_size, const struct vt_merkle_hash *old_root, uint64_t new_size,
                                       const struct vt_merkle_hash *new_root, const struct vt_merkle_proof *proof);
