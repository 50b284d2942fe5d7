#include "tests/support/data_set.h"

#include <stdio.h>
#include <stdlib.h>

#include "libvault/codec/json.h"

enum { FACTS_MAX = 64 * 1024, POOL_MAX = 1024 * 1024 };

void data_set_path(const char *name, char *out_path, size_t len)
{
    const char *named = getenv("VT_SHARED_DATA");
    snprintf(out_path, len, "%s/%s", named != NULL && named[0] != '\0' ? named : VT_MADE_DATA, name);
}

static struct vt_bytes facts_text(struct vt_pool *pool)
{
    char path[512];
    uint8_t *text = vt_pool_alloc(pool, FACTS_MAX);
    data_set_path("facts.json", path, sizeof path);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "there is no %s", path);
    ck_assert_ptr_nonnull(text);
    const size_t len = fread(text, 1, FACTS_MAX, file);
    fclose(file);
    ck_assert_uint_lt(len, FACTS_MAX);
    return vt_bytes(text, len);
}

int64_t data_set_fact(const char *table, const char *name, const char *part)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(POOL_MAX);
    struct vt_value facts;
    struct vt_err err = {{0}, {0}};
    vt_json_init();
    ck_assert_ok(vt_json_read(&pool, facts_text(&pool), &facts, &err));
    const struct vt_value *fact = vt_value_get(vt_value_get(&facts, table), name);
    ck_assert_msg(fact != NULL, "facts.json does not say %s.%s", table, name);
    if (part != NULL) return vt_value_get_int(fact, part, 0);
    ck_assert_int_eq(fact->kind, VT_VALUE_INT);
    return fact->integer;
}
