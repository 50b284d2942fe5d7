#include "tests/support/suite.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

int vt_run_tests(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 600);
    for (size_t i = 0; i < count; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    const int run = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && run != 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void vt_temp_dir_make(char *out_path, size_t len)
{
    const char *base = getenv("TMPDIR");
    snprintf(out_path, len, "%s/vaultd-test-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(out_path));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void vt_temp_dir_remove(const char *path)
{
    nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}
