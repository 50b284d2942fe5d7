#include "tests/support/byte_set.h"

#include <stdlib.h>

#include "libvault/base/result.h"

void byte_set_release(struct byte_set *set)
{
    free(set->slots);
    free(set->used);
    *set = (struct byte_set){0};
}

static size_t set_find(const struct byte_set *set, const uint8_t bytes[32])
{
    size_t at = vt_get_u64(bytes + 8) & (set->cap - 1);
    while (set->used[at] && memcmp(set->slots[at], bytes, 32) != 0) at = (at + 1) & (set->cap - 1);
    return at;
}

static void set_grow(struct byte_set *set)
{
    struct byte_set grown = {.cap = set->cap != 0 ? set->cap * 2 : 1024};
    grown.slots = calloc(grown.cap, 32);
    grown.used = calloc(grown.cap, 1);
    VT_BUG_ON(grown.slots == NULL || grown.used == NULL);
    for (size_t i = 0; i < set->cap; i++)
        if (set->used[i]) byte_set_add(&grown, set->slots[i]);
    byte_set_release(set);
    *set = grown;
}

bool byte_set_add(struct byte_set *set, const uint8_t bytes[32])
{
    if (set->count * 2 >= set->cap) set_grow(set);
    const size_t at = set_find(set, bytes);
    if (set->used[at]) return false;
    memcpy(set->slots[at], bytes, 32);
    set->used[at] = 1;
    set->count++;
    return true;
}

bool byte_set_has(const struct byte_set *set, const uint8_t bytes[32])
{
    return set->cap != 0 && set->used[set_find(set, bytes)];
}
