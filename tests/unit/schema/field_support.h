/* tests/unit/schema/field_support.h - one value through one type: `TYPE` or `TYPE option=value`.
 * Thread: one test at a time; values live in the pool given. */
#pragma once
#include "libvault/schema/field_type.h"
#include "tests/support/suite.h"

/** 2026-07-01T00:00:00Z, the "now" of the sample data. */
#define VT_TEST_NOW_MS INT64_C(1782864000000)

/** A type and its options, "us_ssn reserved=accept"; aborts the test when there is none such. */
struct vt_field_rule {
    const struct vt_field_type *type;
    struct vt_field_options options;
};
struct vt_field_rule vt_rule(struct vt_pool *pool, const char *text);

/** Check @p input under @p rule as the field "f". */
vault_status vt_check_input(struct vt_pool *pool, const char *rule, const struct vt_value *input,
                            struct vt_value *out_stored, struct vt_err *err);
/** The same for text. */
vault_status vt_check_text_input(struct vt_pool *pool, const char *rule, struct vt_bytes text,
                                 struct vt_value *out_stored, struct vt_err *err);
/** Assert that @p text is taken and give its stored form. */
struct vt_value vt_stored(struct vt_pool *pool, const char *rule, const char *text);
/** What @p text looks like under @p mask, with a zero behind it. */
const char *vt_masked(struct vt_pool *pool, const char *rule, const char *text, enum vt_mask mask);
/** Its index bytes. */
struct vt_bytes vt_indexed(struct vt_pool *pool, const char *rule, const char *text);
