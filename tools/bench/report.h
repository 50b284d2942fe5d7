/* tools/bench/report.h - figures as JSON for programs and as a table for people. Thread: main. */
#pragma once
#include <stdio.h>

#include "tools/bench/options.h"

void bench_report_table(FILE *to, const struct bench_options *options, const struct bench_result *result);
/** One JSON object and a newline. @return VAULT_E_IO */
VT_RESULT bench_report_json(FILE *to, const struct bench_options *options, const struct bench_result *result);
