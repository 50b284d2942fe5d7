/* tests/support/data_set.h - a data set of some thousand people and calls: people.csv, calls.csv, and facts.json, which says what a
 * reader must count. The build makes one with tools/sample; VT_SHARED_DATA in the environment names the folder of another.
 * Thread: any. */
#pragma once
#include "tests/support/suite.h"

/** A file of it. @param name  "people.csv" */
void data_set_path(const char *name, char *out_path, size_t len);
/** A number of facts.json, e.g. ("people", "rows", NULL) or ("people", "cards_by_brand", "visa"); 0 when the last is not named
 *  there, aborts the test when one of the others is not. */
int64_t data_set_fact(const char *table, const char *name, const char *part);
