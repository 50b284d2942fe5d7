#include "tests/unit/schema/field_support.h"

#include <stdlib.h>

static void put_option(struct vt_pool *pool, struct vt_value *map, struct vt_bytes key, struct vt_bytes text)
{
    const bool is_number = text.len != 0 && (text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9'));
    struct vt_value value = vt_value_text(text), list = vt_value_array();
    if (is_number) value = vt_value_int(strtoll((const char *)vt_pool_copy(pool, text).data, NULL, 10));
    if (vt_bytes_equal_str(key, "values")) {
        for (size_t start = 0, i = 0; i <= text.len; i++) {
            if (i < text.len && text.data[i] != ',') continue;
            ck_assert_ok(vt_value_push(pool, &list, vt_value_text(vt_bytes(text.data + start, i - start)), NULL));
            start = i + 1;
        }
        value = list;
    }
    ck_assert_ok(vt_value_put_new(pool, map, key, value, NULL));
}

struct vt_field_rule vt_rule(struct vt_pool *pool, const char *text)
{
    struct vt_field_rule rule;
    struct vt_err err = {0};
    struct vt_value map = vt_value_map();
    const char *space = strchr(text, ' ');
    rule.type = vt_field_type_find(space == NULL ? vt_bytes_str(text) : vt_bytes(text, (size_t)(space - text)));
    ck_assert_msg(rule.type != NULL, "no type for \"%s\"", text);
    while (space != NULL) {
        const char *key = space + 1, *equals = strchr(key, '=');
        ck_assert_ptr_nonnull(equals);
        space = strchr(key, ' ');
        const size_t len = space == NULL ? strlen(equals + 1) : (size_t)(space - equals - 1);
        put_option(pool, &map, vt_bytes(key, (size_t)(equals - key)), vt_bytes(equals + 1, len));
    }
    const vault_status status = vt_field_options_read(rule.type, &map, "f", pool, &rule.options, &err);
    ck_assert_msg(status == VAULT_OK, "%s: %s", text, err.message);
    return rule;
}

vault_status vt_check_input(struct vt_pool *pool, const char *rule_text, const struct vt_value *input,
                            struct vt_value *out_stored, struct vt_err *err)
{
    const struct vt_field_rule rule = vt_rule(pool, rule_text);
    const struct vt_field_check check = {"f", &rule.options, VT_TEST_NOW_MS, pool, err};
    return vt_field_check_value(rule.type, &check, input, out_stored);
}

vault_status vt_check_text_input(struct vt_pool *pool, const char *rule, struct vt_bytes text,
                                 struct vt_value *out_stored, struct vt_err *err)
{
    const struct vt_value input = vt_value_text(text);
    return vt_check_input(pool, rule, &input, out_stored, err);
}

struct vt_value vt_stored(struct vt_pool *pool, const char *rule, const char *text)
{
    struct vt_value stored = VT_VALUE_INIT;
    struct vt_err err = {0};
    const vault_status status = vt_check_text_input(pool, rule, vt_bytes_str(text), &stored, &err);
    ck_assert_msg(status == VAULT_OK, "%s \"%s\": %s (%s)", rule, text, vault_status_code(status), err.message);
    return stored;
}

const char *vt_masked(struct vt_pool *pool, const char *rule, const char *text, enum vt_mask mask)
{
    const struct vt_value stored = vt_stored(pool, rule, text);
    struct vt_value shown;
    ck_assert_ok(vt_field_mask_value(vt_rule(pool, rule).type, &stored, mask, pool, &shown));
    ck_assert_int_eq(shown.kind, VT_VALUE_TEXT);
    return (const char *)vt_pool_copy(pool, shown.bytes).data;
}

struct vt_bytes vt_indexed(struct vt_pool *pool, const char *rule, const char *text)
{
    const struct vt_value stored = vt_stored(pool, rule, text);
    struct vt_bytes bytes;
    ck_assert_ok(vt_field_index_bytes(vt_rule(pool, rule).type, &stored, pool, &bytes));
    return bytes;
}
