/* tools/bench/options.h - the command line of the load generator. Thread: main. */
#pragma once
#include "tools/bench/load.h"

struct bench_options {
    const struct bench_driver *driver;
    const char *host, *ca_file, *credential_file, *admin_credential_file, *json_file, *label;
    const char *template_name, *purpose;
    struct bench_phase phase;       /* what is measured */
    uint64_t keys;
    uint32_t value_size;
    uint16_t port;
    long server_pid;
    bool wants_help;
};

/** @return VAULT_E_ARGUMENT with a sentence */
VT_RESULT bench_options_parse(int argc, char **argv, struct bench_options *out_options, struct vt_err *err);
/** What --help prints. Static storage. */
extern const char bench_help[];
