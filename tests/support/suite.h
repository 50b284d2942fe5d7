/* tests/support/suite.h - one test program is one suite: VT_TEST_MAIN("base/buf", first_test, second_test).
 * A test is named as the sentence it proves and asserts the exact status. */
#pragma once
#include <check.h>

#include "libvault/base/result.h"

int vt_run_tests(const char *name, const TTest *const *tests, size_t count);

#define VT_TEST_MAIN(name, ...)                                                                                        \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        return vt_run_tests(name, tests, sizeof tests / sizeof tests[0]);                                              \
    }

/** Assert the exact status; the failure message names the expected one and the one that came. */
#define ck_assert_status(expression, expected)                                                                    \
    do {                                                                                                          \
        const vault_status ck_status_ = (expression);                                                             \
        ck_assert_msg(ck_status_ == (expected), "%s gave %s, not %s", #expression, vault_status_code(ck_status_), \
                      vault_status_code(expected));                                                               \
    } while (0)
#define ck_assert_ok(expression) ck_assert_status(expression, VAULT_OK)

/** A fresh empty directory under TMPDIR, removed by vt_temp_dir_remove(). Static storage of the caller. */
void vt_temp_dir_make(char *out_path, size_t len);
void vt_temp_dir_remove(const char *path);
