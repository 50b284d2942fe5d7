/* The tree of RFC 6962 section 2.1 against the reference tree of Certificate Transparency (eight leaves, their roots
 * and proofs: merkle_tree_test.cc of the google/certificate-transparency project, also in transparency-dev/merkle), and
 * against a second implementation below that follows the recursive definitions of the RFC word for word. */
#include "libvault/codec/text.h"
#include "libvault/proof/merkle.h"
#include "tests/support/suite.h"

static const char *const CT_LEAVES[8] = {
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
};
static const char *const CT_ROOTS[8] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};
#define CT_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* Proofs of the same source; leaves counted from 0. */
struct published_proof {
    uint64_t from, size;
    size_t count;
    const char *hashes[3];
};
static const struct published_proof CT_INCLUSION[] = {
    {0, 1, 0, {NULL}},
    {0, 8, 3, {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
               "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
               "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
    {5, 8, 3, {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
               "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
               "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
    {2, 3, 1, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
    {1, 5, 3, {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
               "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
               "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
};
static const struct published_proof CT_CONSISTENCY[] = {
    {1, 1, 0, {NULL}},
    {1, 8, 3, {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
               "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
               "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
    {6, 8, 3, {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
               "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
               "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
    {2, 5, 2, {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
               "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
    {6, 7, 3, {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
               "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
               "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
};

static struct vt_merkle_hash from_hex(const char *hex)
{
    struct vt_merkle_hash hash;
    ck_assert_ok(vt_hex_decode(vt_bytes_str(hex), hash.bytes, sizeof hash.bytes));
    return hash;
}

static void assert_hash(const struct vt_merkle_hash *hash, const char *hex)
{
    char text[2 * VT_MERKLE_HASH_LEN + 1];
    vt_hex_encode(VT_BYTES_OF(hash->bytes), text);
    ck_assert_str_eq(text, hex);
}

static struct vt_merkle_hash ct_leaf(size_t index)
{
    uint8_t bytes[16];
    struct vt_merkle_hash hash;
    const size_t len = strlen(CT_LEAVES[index]) / 2;
    ck_assert_ok(vt_hex_decode(vt_bytes_str(CT_LEAVES[index]), bytes, len));
    ck_assert_ok(vt_merkle_leaf(vt_bytes(bytes, len), &hash));
    return hash;
}

enum { MANY = 70 };
static struct vt_merkle_hash many[MANY];

static void fill_many(void)
{
    for (uint16_t i = 0; i < MANY; i++) ck_assert_ok(vt_merkle_leaf(VT_BYTES_OF(i), &many[i]));
}

/* The recursive definitions of RFC 6962 sections 2.1, 2.1.1 and 2.1.2. */
static size_t k_of(size_t n)
{
    size_t k = 1;
    while (2 * k < n) k *= 2;
    return k;
}

static struct vt_merkle_hash mth(const struct vt_merkle_hash *d, size_t n)
{
    struct vt_merkle_hash hash;
    if (n == 0) return from_hex(CT_EMPTY);
    if (n == 1) return d[0];
    const struct vt_merkle_hash left = mth(d, k_of(n)), right = mth(d + k_of(n), n - k_of(n));
    ck_assert_ok(vt_merkle_node(&left, &right, &hash));
    return hash;
}

static void path(size_t m, const struct vt_merkle_hash *d, size_t n, struct vt_merkle_proof *proof)
{
    if (n == 1) return;
    const size_t k = k_of(n);
    if (m < k) {
        path(m, d, k, proof);
        proof->hashes[proof->count++] = mth(d + k, n - k);
    } else {
        path(m - k, d + k, n - k, proof);
        proof->hashes[proof->count++] = mth(d, k);
    }
}

static void subproof(size_t m, const struct vt_merkle_hash *d, size_t n, bool b, struct vt_merkle_proof *proof)
{
    if (m == n) {
        if (!b) proof->hashes[proof->count++] = mth(d, n);
        return;
    }
    const size_t k = k_of(n);
    if (m <= k) {
        subproof(m, d, k, b, proof);
        proof->hashes[proof->count++] = mth(d + k, n - k);
    } else {
        subproof(m - k, d + k, n - k, false, proof);
        proof->hashes[proof->count++] = mth(d, k);
    }
}

/* Complete subtrees as a frontier hands them to its sink. */
struct nodes {
    struct vt_merkle_hash at[8][MANY];
    size_t count;
};

static vault_status keep_node(void *context, unsigned level, uint64_t index, const struct vt_merkle_hash *hash)
{
    struct nodes *nodes = context;
    nodes->at[level][index] = *hash;
    nodes->count++;
    return VAULT_OK;
}

static vault_status read_node(void *context, unsigned level, uint64_t index, struct vt_merkle_hash *out_hash)
{
    *out_hash = ((struct nodes *)context)->at[level][index];
    return VAULT_OK;
}

static void fill_nodes(struct nodes *nodes, size_t size)
{
    struct vt_merkle_frontier frontier = VT_MERKLE_FRONTIER_INIT;
    memset(nodes, 0, sizeof *nodes);
    fill_many();
    for (size_t i = 0; i < size; i++) ck_assert_ok(vt_merkle_frontier_add(&frontier, &many[i], keep_node, nodes));
}

static void assert_same_proof(const struct vt_merkle_proof *a, const struct vt_merkle_proof *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) ck_assert(vt_merkle_hash_equal(&a->hashes[i], &b->hashes[i]));
}

static void assert_published(const struct vt_merkle_proof *proof, const struct published_proof *published)
{
    ck_assert_uint_eq(proof->count, published->count);
    for (size_t i = 0; i < proof->count; i++) assert_hash(&proof->hashes[i], published->hashes[i]);
}

START_TEST(the_empty_tree_has_the_hash_of_nothing)
{
    struct vt_merkle_frontier frontier = VT_MERKLE_FRONTIER_INIT;
    struct vt_merkle_hash root;
    ck_assert_ok(vt_merkle_frontier_root(&frontier, &root));
    assert_hash(&root, CT_EMPTY);
    ck_assert_ok(vt_merkle_root(NULL, 0, &root));
    assert_hash(&root, CT_EMPTY);
}
END_TEST

START_TEST(every_prefix_of_the_reference_tree_has_its_published_root)
{
    struct vt_merkle_frontier frontier = VT_MERKLE_FRONTIER_INIT;
    struct vt_merkle_hash leaves[8], root;
    for (size_t i = 0; i < 8; i++) {
        leaves[i] = ct_leaf(i);
        ck_assert_ok(vt_merkle_frontier_add(&frontier, &leaves[i], NULL, NULL));
        ck_assert_ok(vt_merkle_frontier_root(&frontier, &root));
        assert_hash(&root, CT_ROOTS[i]);
        ck_assert_ok(vt_merkle_root(leaves, i + 1, &root));
        assert_hash(&root, CT_ROOTS[i]);
    }
}
END_TEST

static void ct_source(struct nodes *nodes, struct vt_merkle_source *out_source)
{
    struct vt_merkle_frontier frontier = VT_MERKLE_FRONTIER_INIT;
    memset(nodes, 0, sizeof *nodes);
    for (size_t i = 0; i < 8; i++) {
        const struct vt_merkle_hash leaf = ct_leaf(i);
        ck_assert_ok(vt_merkle_frontier_add(&frontier, &leaf, keep_node, nodes));
    }
    *out_source = (struct vt_merkle_source){read_node, nodes};
}

START_TEST(inclusion_proofs_of_the_reference_tree_are_the_published_ones_and_verify)
{
    static struct nodes nodes;
    struct vt_merkle_source source;
    struct vt_merkle_proof proof;
    ct_source(&nodes, &source);
    for (size_t i = 0; i < VT_ARRAY_LEN(CT_INCLUSION); i++) {
        const struct published_proof *published = &CT_INCLUSION[i];
        const struct vt_merkle_hash leaf = ct_leaf(published->from), root = from_hex(CT_ROOTS[published->size - 1]);
        ck_assert_ok(vt_merkle_prove_inclusion(&source, published->from, published->size, &proof));
        assert_published(&proof, published);
        ck_assert_ok(vt_merkle_verify_inclusion(&leaf, published->from, published->size, &proof, &root));
    }
}
END_TEST

START_TEST(consistency_proofs_of_the_reference_tree_are_the_published_ones_and_verify)
{
    static struct nodes nodes;
    struct vt_merkle_source source;
    struct vt_merkle_proof proof;
    ct_source(&nodes, &source);
    for (size_t i = 0; i < VT_ARRAY_LEN(CT_CONSISTENCY); i++) {
        const struct published_proof *published = &CT_CONSISTENCY[i];
        const struct vt_merkle_hash before = from_hex(CT_ROOTS[published->from - 1]);
        const struct vt_merkle_hash after = from_hex(CT_ROOTS[published->size - 1]);
        ck_assert_ok(vt_merkle_prove_consistency(&source, published->from, published->size, &proof));
        assert_published(&proof, published);
        ck_assert_ok(vt_merkle_verify_consistency(published->from, &before, published->size, &after, &proof));
    }
}
END_TEST

START_TEST(a_frontier_agrees_with_the_recursive_definition_at_every_size_and_reloads)
{
    static struct nodes nodes;
    struct vt_merkle_frontier frontier = VT_MERKLE_FRONTIER_INIT, loaded;
    struct vt_merkle_hash root;
    fill_nodes(&nodes, MANY);
    const struct vt_merkle_source source = {read_node, &nodes};
    for (size_t size = 0; size <= MANY; size++) {
        const struct vt_merkle_hash expected = mth(many, size);
        ck_assert_ok(vt_merkle_frontier_root(&frontier, &root));
        ck_assert(vt_merkle_hash_equal(&root, &expected));
        ck_assert_ok(vt_merkle_root_at(&source, size, &root));
        ck_assert(vt_merkle_hash_equal(&root, &expected));
        ck_assert_ok(vt_merkle_root(many, size, &root));
        ck_assert(vt_merkle_hash_equal(&root, &expected));
        ck_assert_ok(vt_merkle_frontier_load(&source, size, &loaded));
        ck_assert_ok(vt_merkle_frontier_root(&loaded, &root));
        ck_assert(vt_merkle_hash_equal(&root, &expected));
        if (size < MANY) ck_assert_ok(vt_merkle_frontier_add(&frontier, &many[size], NULL, NULL));
    }
}
END_TEST

START_TEST(the_sink_is_told_of_each_complete_subtree_once)
{
    static struct nodes nodes;
    fill_nodes(&nodes, 64);
    ck_assert_uint_eq(nodes.count, 127);
    const struct vt_merkle_hash root = mth(many, 64);
    ck_assert(vt_merkle_hash_equal(&nodes.at[6][0], &root));
}
END_TEST

static vault_status refuse_node(void *context, unsigned level, uint64_t index, const struct vt_merkle_hash *hash)
{
    (void)context;
    (void)index;
    (void)hash;
    return level == 1 ? VAULT_E_DISK_FULL : VAULT_OK;
}

START_TEST(a_sink_that_fails_stops_the_append_and_leaves_the_frontier)
{
    struct vt_merkle_frontier frontier = VT_MERKLE_FRONTIER_INIT;
    struct vt_merkle_hash before, after;
    fill_many();
    ck_assert_ok(vt_merkle_frontier_add(&frontier, &many[0], refuse_node, NULL));
    ck_assert_ok(vt_merkle_frontier_root(&frontier, &before));
    ck_assert_status(vt_merkle_frontier_add(&frontier, &many[1], refuse_node, NULL), VAULT_E_DISK_FULL);
    ck_assert_uint_eq(frontier.size, 1);
    ck_assert_ok(vt_merkle_frontier_root(&frontier, &after));
    ck_assert(vt_merkle_hash_equal(&before, &after));
}
END_TEST

START_TEST(a_full_frontier_refuses_another_leaf)
{
    static struct vt_merkle_frontier frontier = {.size = UINT64_MAX};
    fill_many();
    ck_assert_status(vt_merkle_frontier_add(&frontier, &many[0], NULL, NULL), VAULT_E_LIMIT);
}
END_TEST

START_TEST(all_inclusion_proofs_up_to_seventy_leaves_equal_the_definition_and_verify)
{
    static struct nodes nodes;
    fill_nodes(&nodes, MANY);
    const struct vt_merkle_source source = {read_node, &nodes};
    for (size_t size = 1; size <= MANY; size++) {
        const struct vt_merkle_hash root = mth(many, size);
        for (size_t index = 0; index < size; index++) {
            struct vt_merkle_proof proof, expected = {0};
            path(index, many, size, &expected);
            ck_assert_ok(vt_merkle_prove_inclusion(&source, index, size, &proof));
            assert_same_proof(&proof, &expected);
            ck_assert_ok(vt_merkle_verify_inclusion(&many[index], index, size, &proof, &root));
        }
    }
}
END_TEST

START_TEST(all_consistency_proofs_up_to_seventy_leaves_equal_the_definition_and_verify)
{
    static struct nodes nodes;
    fill_nodes(&nodes, MANY);
    const struct vt_merkle_source source = {read_node, &nodes};
    for (size_t size = 0; size <= MANY; size++) {
        const struct vt_merkle_hash after = mth(many, size);
        for (size_t old = 0; old <= size; old++) {
            struct vt_merkle_proof proof, expected = {0};
            const struct vt_merkle_hash before = mth(many, old);
            if (old != 0) subproof(old, many, size, true, &expected);
            ck_assert_ok(vt_merkle_prove_consistency(&source, old, size, &proof));
            assert_same_proof(&proof, &expected);
            ck_assert_ok(vt_merkle_verify_consistency(old, &before, size, &after, &proof));
        }
    }
}
END_TEST

START_TEST(a_proof_for_what_the_tree_does_not_have_is_refused)
{
    static struct nodes nodes;
    struct vt_merkle_proof proof;
    fill_nodes(&nodes, 8);
    const struct vt_merkle_source source = {read_node, &nodes};
    ck_assert_status(vt_merkle_prove_inclusion(&source, 8, 8, &proof), VAULT_E_ARGUMENT);
    ck_assert_status(vt_merkle_prove_inclusion(&source, 0, 0, &proof), VAULT_E_ARGUMENT);
    ck_assert_status(vt_merkle_prove_consistency(&source, 8, 7, &proof), VAULT_E_ARGUMENT);
}
END_TEST

#define ASSERT_BAD(expression) ck_assert_status(expression, VAULT_E_AUTHENTICITY)

static void assert_damaged_inclusion_fails(const struct vt_merkle_proof *proof, size_t index, size_t size)
{
    const struct vt_merkle_hash root = mth(many, size);
    struct vt_merkle_hash wrong = root;
    for (size_t i = 0; i < proof->count; i++) {
        struct vt_merkle_proof damaged = *proof;
        damaged.hashes[i].bytes[i % 32] ^= 8;
        ASSERT_BAD(vt_merkle_verify_inclusion(&many[index], index, size, &damaged, &root));
        damaged = *proof;
        damaged.count--;
        memmove(&damaged.hashes[i], &damaged.hashes[i + 1], (damaged.count - i) * sizeof damaged.hashes[0]);
        ASSERT_BAD(vt_merkle_verify_inclusion(&many[index], index, size, &damaged, &root));
    }
    struct vt_merkle_proof longer = *proof;
    longer.hashes[longer.count++] = root;
    ASSERT_BAD(vt_merkle_verify_inclusion(&many[index], index, size, &longer, &root));
    wrong.bytes[31] ^= 1;
    ASSERT_BAD(vt_merkle_verify_inclusion(&many[index], index, size, proof, &wrong));
    ASSERT_BAD(vt_merkle_verify_inclusion(&many[(index + 1) % MANY], index, size, proof, &root));
    for (size_t other = 0; other < size + 2; other++) {
        if (other != index) ASSERT_BAD(vt_merkle_verify_inclusion(&many[index], other, size, proof, &root));
    }
    ASSERT_BAD(vt_merkle_verify_inclusion(&many[index], index, index, proof, &root));
    ASSERT_BAD(vt_merkle_verify_inclusion(&many[index], index, 0, proof, &root));
}

START_TEST(a_damaged_inclusion_proof_never_verifies)
{
    static struct nodes nodes;
    fill_nodes(&nodes, MANY);
    const struct vt_merkle_source source = {read_node, &nodes};
    for (size_t size = 1; size <= 20; size++) {
        for (size_t index = 0; index < size; index++) {
            struct vt_merkle_proof proof;
            ck_assert_ok(vt_merkle_prove_inclusion(&source, index, size, &proof));
            assert_damaged_inclusion_fails(&proof, index, size);
        }
    }
}
END_TEST

static void assert_damaged_consistency_fails(const struct vt_merkle_proof *proof, size_t old, size_t size)
{
    const struct vt_merkle_hash before = mth(many, old), after = mth(many, size);
    const struct vt_merkle_hash other = mth(many + 1, old);
    for (size_t i = 0; i < proof->count; i++) {
        struct vt_merkle_proof damaged = *proof;
        damaged.hashes[i].bytes[i % 32] ^= 16;
        ASSERT_BAD(vt_merkle_verify_consistency(old, &before, size, &after, &damaged));
        damaged = *proof;
        damaged.count = i;
        ASSERT_BAD(vt_merkle_verify_consistency(old, &before, size, &after, &damaged));
    }
    struct vt_merkle_proof longer = *proof;
    longer.hashes[longer.count++] = after;
    ASSERT_BAD(vt_merkle_verify_consistency(old, &before, size, &after, &longer));
    ASSERT_BAD(vt_merkle_verify_consistency(old, &other, size, &after, proof));
    ASSERT_BAD(vt_merkle_verify_consistency(size, &after, old, &before, proof));
    if (old != 0) ASSERT_BAD(vt_merkle_verify_consistency(old, &before, size, &before, proof));
}

START_TEST(a_damaged_consistency_proof_never_verifies)
{
    static struct nodes nodes;
    fill_nodes(&nodes, MANY);
    const struct vt_merkle_source source = {read_node, &nodes};
    for (size_t size = 1; size <= 20; size++) {
        for (size_t old = 1; old < size; old++) {
            struct vt_merkle_proof proof;
            ck_assert_ok(vt_merkle_prove_consistency(&source, old, size, &proof));
            assert_damaged_consistency_fails(&proof, old, size);
        }
    }
}
END_TEST

START_TEST(sizes_that_need_no_proof_must_not_have_one_and_need_the_right_roots)
{
    const struct vt_merkle_proof none = {0};
    struct vt_merkle_proof one = {.count = 1}, too_long = {.count = VT_MERKLE_PROOF_MAX + 1};
    fill_many();
    const struct vt_merkle_hash empty = from_hex(CT_EMPTY), root = mth(many, 5), other = mth(many, 6);
    ck_assert_ok(vt_merkle_verify_consistency(0, &empty, 5, &root, &none));
    ck_assert_ok(vt_merkle_verify_consistency(5, &root, 5, &root, &none));
    ASSERT_BAD(vt_merkle_verify_consistency(0, &root, 5, &root, &none));
    ASSERT_BAD(vt_merkle_verify_consistency(5, &root, 5, &other, &none));
    ASSERT_BAD(vt_merkle_verify_consistency(0, &empty, 5, &root, &one));
    ASSERT_BAD(vt_merkle_verify_consistency(5, &root, 5, &root, &one));
    ASSERT_BAD(vt_merkle_verify_consistency(5, &root, 6, &other, &none));
    ASSERT_BAD(vt_merkle_verify_consistency(4, &root, 6, &other, &too_long));
    ASSERT_BAD(vt_merkle_verify_inclusion(&many[0], 0, 5, &too_long, &root));
}
END_TEST

VT_TEST_MAIN("proof/merkle", the_empty_tree_has_the_hash_of_nothing,
             every_prefix_of_the_reference_tree_has_its_published_root,
             inclusion_proofs_of_the_reference_tree_are_the_published_ones_and_verify,
             consistency_proofs_of_the_reference_tree_are_the_published_ones_and_verify,
             a_frontier_agrees_with_the_recursive_definition_at_every_size_and_reloads,
             the_sink_is_told_of_each_complete_subtree_once,
             a_sink_that_fails_stops_the_append_and_leaves_the_frontier, a_full_frontier_refuses_another_leaf,
             all_inclusion_proofs_up_to_seventy_leaves_equal_the_definition_and_verify,
             all_consistency_proofs_up_to_seventy_leaves_equal_the_definition_and_verify,
             a_proof_for_what_the_tree_does_not_have_is_refused, a_damaged_inclusion_proof_never_verifies,
             a_damaged_consistency_proof_never_verifies,
             sizes_that_need_no_proof_must_not_have_one_and_need_the_right_roots)
