/* tests/unit/codec/random_tree.h - seeded random value trees for round trips. */
#pragma once
#include "libvault/codec/value.h"

struct random {
    uint64_t state;
};

/** xorshift64* (Vigna 2016): the same trees for the same seed everywhere. */
uint64_t random_next(struct random *random);
/** A tree of at most @p depth levels in @p pool; ends the test when memory is short. */
struct vt_value random_tree(struct vt_pool *pool, struct random *random, unsigned depth);
