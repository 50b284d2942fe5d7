/* tests/support/byte_set.h - a growing set of hashes or keys. Thread: one. */
#pragma once
#include "libvault/base/bytes.h"

/** A growing set of 32-byte strings. */
struct byte_set {
    uint8_t (*slots)[32];
    uint8_t *used;
    size_t count, cap;
};
void byte_set_release(struct byte_set *set);
/** @return false when it was there already */
bool byte_set_add(struct byte_set *set, const uint8_t bytes[32]);
bool byte_set_has(const struct byte_set *set, const uint8_t bytes[32]);
