#include "tests/unit/codec/random_tree.h"

#include <math.h>
#include <stdio.h>

#include "tests/support/suite.h"

uint64_t random_next(struct random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * UINT64_C(0x2545f4914f6cdd1d);
}

static struct vt_bytes random_bytes(struct vt_pool *pool, struct random *random)
{
    const size_t len = random_next(random) % (random_next(random) % 8 == 0 ? 400 : 40);
    uint8_t *data = vt_pool_alloc(pool, len + 1);
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < len; i++) data[i] = (uint8_t)random_next(random);
    return vt_bytes(data, len);
}

/* Pieces of one to four bytes, and what formats must escape. */
static struct vt_bytes random_text(struct vt_pool *pool, struct random *random)
{
    static const char *const pieces[] = {"a",
                                         "Z",
                                         "0",
                                         " ",
                                         "\"",
                                         "\\",
                                         "/",
                                         "\n",
                                         "\r",
                                         "\t",
                                         "\x01",
                                         "\x7f",
                                         "\xc3\xa9",
                                         "\xe2\x80\xa8",
                                         "\xef\xbb\xbf",
                                         "\xf0\x9f\x98\x80"};
    const size_t count = random_next(random) % 40;
    char *text = vt_pool_alloc(pool, 4 * count + 1);
    ck_assert_ptr_nonnull(text);
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        const struct vt_bytes piece = vt_bytes_str(pieces[random_next(random) % VT_ARRAY_LEN(pieces)]);
        memcpy(text + len, piece.data, piece.len);
        len += piece.len;
    }
    return vt_bytes(text, len);
}

static double random_double(struct random *random)
{
    double number = 0;
    do {
        const uint64_t bits = random_next(random);
        memcpy(&number, &bits, sizeof number);
    } while (!isfinite(number));
    return number;
}

/* Numbers of every length, not only long ones. */
static struct vt_value random_integer(struct random *random)
{
    const uint64_t bits = random_next(random) >> (random_next(random) % 64);
    if (random_next(random) % 2 == 0) return vt_value_int(-(int64_t)(bits >> 1) - 1);
    if (bits <= INT64_MAX) return vt_value_int((int64_t)bits);
    return (struct vt_value){.kind = VT_VALUE_UINT, .unsigned_integer = bits};
}

static struct vt_value random_array(struct vt_pool *pool, struct random *random, unsigned depth)
{
    struct vt_value array = vt_value_array();
    for (uint64_t left = random_next(random) % 20; left != 0; left--)
        ck_assert_ok(vt_value_push(pool, &array, random_tree(pool, random, depth - 1), NULL));
    return array;
}

static struct vt_value random_map(struct vt_pool *pool, struct random *random, unsigned depth)
{
    struct vt_value map = vt_value_map();
    for (uint64_t left = random_next(random) % 24; left != 0; left--) {
        char name[24];
        snprintf(name, sizeof name, "k%u", (unsigned)left);
        const struct vt_bytes key = vt_pool_copy(pool, vt_bytes_str(name));
        ck_assert_ok(vt_value_put_new(pool, &map, key, random_tree(pool, random, depth - 1), NULL));
    }
    return map;
}

struct vt_value random_tree(struct vt_pool *pool, struct random *random, unsigned depth)
{
    switch (random_next(random) % (depth > 1 ? 10 : 6)) {
    case 0:
        return VT_VALUE_INIT;
    case 1:
        return vt_value_bool(random_next(random) % 2 == 0);
    case 2:
        return random_integer(random);
    case 3:
        return (struct vt_value){.kind = VT_VALUE_DOUBLE, .number = random_double(random)};
    case 4:
        return vt_value_text(random_text(pool, random));
    case 5:
        return vt_value_bytes(random_bytes(pool, random));
    case 6:
    case 7:
        return random_array(pool, random, depth);
    default:
        return random_map(pool, random, depth);
    }
}
