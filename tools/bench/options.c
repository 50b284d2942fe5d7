#include "tools/bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#define SECOND_NS 1e9
#define LONGEST_S 86400.0

const char bench_help[] =
    "usage: bench redis|vaultd --port N --ca FILE --mix OP=WEIGHT[,OP=WEIGHT...] [options]\n"
    "\n"
    "Where\n"
    "  --host ADDRESS          numeric IPv4 (127.0.0.1)\n"
    "  --port N --ca FILE      the server's TLS port; the certificate that signed its own\n"
    "  --credential-file FILE  vaultd: what to log in with\n"
    "  --admin-credential-file FILE    vaultd: apply the load's own schema and templates first, with this\n"
    "  --server-pid PID        note this process's CPU time and memory\n"
    "What\n"
    "  --mix get=9,set=1       operations and their weights; redis: set get;\n"
    "                          vaultd: tokenize detokenize create import shred\n"
    "  --batch N               values, rows or subjects in a call (1)\n"
    "  --value-size BYTES      of each value (64)\n"
    "  --keys N                values prepared before, uniformly read (10000)\n"
    "  --template NAME         vaultd: bench-text, bench-card (digits), bench-same (deterministic)\n"
    "  --purpose NAME          vaultd: (testing)\n"
    "How\n"
    "  --connections N         (50)        --threads N   of the generator (1)\n"
    "  --pipeline N            calls under way on a connection (1)\n"
    "  --rate N                open loop: calls a second, measured from when they fell due (0: closed loop)\n"
    "  --seconds S             of the window (10)    --warmup S   before it (2)\n"
    "  --calls N               end after so many\n"
    "  --seed N                (1)\n"
    "Out\n"
    "  --json FILE             figures for programs; the table for people goes to standard output\n"
    "  --label TEXT            put into the JSON\n"
    "\n"
    "Exits 1 when a call failed or stayed unanswered: such figures are no figures.\n";

enum {
    O_HOST = 1, O_PORT, O_CA, O_CREDENTIAL, O_ADMIN, O_PID, O_MIX, O_BATCH, O_SIZE, O_KEYS, O_TEMPLATE, O_PURPOSE,
    O_CONNECTIONS, O_THREADS, O_PIPELINE, O_RATE, O_SECONDS, O_WARMUP, O_CALLS, O_SEED, O_JSON, O_LABEL, O_HELP
};

static const struct option long_options[] = {
    {"host", 1, NULL, O_HOST}, {"port", 1, NULL, O_PORT}, {"ca", 1, NULL, O_CA},
    {"credential-file", 1, NULL, O_CREDENTIAL}, {"admin-credential-file", 1, NULL, O_ADMIN},
    {"server-pid", 1, NULL, O_PID}, {"mix", 1, NULL, O_MIX},
    {"batch", 1, NULL, O_BATCH}, {"value-size", 1, NULL, O_SIZE}, {"keys", 1, NULL, O_KEYS},
    {"template", 1, NULL, O_TEMPLATE}, {"purpose", 1, NULL, O_PURPOSE},
    {"connections", 1, NULL, O_CONNECTIONS}, {"threads", 1, NULL, O_THREADS}, {"pipeline", 1, NULL, O_PIPELINE},
    {"rate", 1, NULL, O_RATE}, {"seconds", 1, NULL, O_SECONDS}, {"warmup", 1, NULL, O_WARMUP},
    {"calls", 1, NULL, O_CALLS}, {"seed", 1, NULL, O_SEED}, {"json", 1, NULL, O_JSON}, {"label", 1, NULL, O_LABEL},
    {"help", 0, NULL, O_HELP}, {NULL, 0, NULL, 0},
};

static VT_RESULT parse_number(const char *text, double least, double most, double *out_number)
{
    char *end;
    errno = 0;
    const double number = strtod(text, &end);
    VT_ENSURE(end != text && *end == '\0' && errno == 0, VAULT_E_ARGUMENT);
    VT_ENSURE(number >= least && number <= most, VAULT_E_ARGUMENT);
    *out_number = number;
    return VAULT_OK;
}

static VT_RESULT parse_whole(const char *text, uint64_t least, uint64_t most, uint64_t *out_number)
{
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 10);
    VT_ENSURE(text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0, VAULT_E_ARGUMENT);
    VT_ENSURE(number >= least && number <= most, VAULT_E_ARGUMENT);
    *out_number = number;
    return VAULT_OK;
}

static VT_RESULT parse_u32(const char *text, uint32_t least, uint32_t most, uint32_t *out_number)
{
    uint64_t number;
    VT_TRY(parse_whole(text, least, most, &number));
    *out_number = (uint32_t)number;
    return VAULT_OK;
}

static VT_RESULT parse_seconds(const char *text, double least, uint64_t *out_ns)
{
    double seconds;
    VT_TRY(parse_number(text, least, LONGEST_S, &seconds));
    *out_ns = (uint64_t)(seconds * SECOND_NS);
    return VAULT_OK;
}

static VT_RESULT parse_one_weight(const struct bench_driver *driver, struct vt_bytes item, struct bench_phase *phase)
{
    char name[32], weight[16];
    const uint8_t *equals = memchr(item.data, '=', item.len);
    const size_t name_len = equals != NULL ? (size_t)(equals - item.data) : item.len;
    const size_t weight_len = equals != NULL ? item.len - name_len - 1 : 0;
    VT_ENSURE(name_len < sizeof name && weight_len < sizeof weight, VAULT_E_ARGUMENT);
    memcpy(name, item.data, name_len);
    name[name_len] = '\0';
    memcpy(weight, item.data + item.len - weight_len, weight_len);
    weight[weight_len] = '\0';

    const int op = bench_op_find(driver, name);
    VT_ENSURE(op >= 0, VAULT_E_ARGUMENT);
    if (equals != NULL) return parse_u32(weight, 1, 1000000, &phase->weights[op]);
    phase->weights[op] = 1;
    return VAULT_OK;
}

static VT_RESULT parse_mix(const struct bench_driver *driver, const char *text, struct bench_phase *phase)
{
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        const size_t len = comma != NULL ? (size_t)(comma - at) : strlen(at);
        VT_TRY(parse_one_weight(driver, vt_bytes(at, len), phase));
        at = comma != NULL ? comma + 1 : NULL;
    }
    return VAULT_OK;
}

static VT_RESULT parse_text(const char *text, const char **out_text)
{
    *out_text = text;
    return VAULT_OK;
}

static VT_RESULT parse_how(int option, const char *text, struct bench_options *out)
{
    struct bench_phase *phase = &out->phase;
    switch (option) {
    case O_CONNECTIONS: return parse_u32(text, 1, 10000, &phase->connections);
    case O_THREADS: return parse_u32(text, 1, 256, &phase->threads);
    case O_PIPELINE: return parse_u32(text, 1, 10000, &phase->pipeline);
    case O_BATCH: return parse_u32(text, 1, BENCH_MAX_BATCH, &phase->batch);
    case O_RATE: return parse_number(text, 0, 1e7, &phase->rate);
    case O_SECONDS: return parse_seconds(text, 0.01, &phase->measure_ns);
    case O_WARMUP: return parse_seconds(text, 0, &phase->warmup_ns);
    case O_CALLS: return parse_whole(text, 1, UINT64_MAX / 2, &phase->calls);
    case O_SEED: return parse_whole(text, 0, UINT32_MAX, &phase->seed);
    default: return VAULT_E_ARGUMENT;
    }
}

static VT_RESULT parse_one(int option, const char *text, struct bench_options *out)
{
    uint64_t number = 0;
    switch (option) {
    case O_HOST: return parse_text(text, &out->host);
    case O_CA: return parse_text(text, &out->ca_file);
    case O_CREDENTIAL: return parse_text(text, &out->credential_file);
    case O_TEMPLATE: return parse_text(text, &out->template_name);
    case O_PURPOSE: return parse_text(text, &out->purpose);
    case O_ADMIN: return parse_text(text, &out->admin_credential_file);
    case O_JSON: return parse_text(text, &out->json_file);
    case O_LABEL: return parse_text(text, &out->label);
    case O_MIX: return parse_mix(out->driver, text, &out->phase);
    case O_KEYS: return parse_whole(text, 1, 100000000, &out->keys);
    case O_SIZE: return parse_u32(text, 1, 1 << 20, &out->value_size);
    case O_PORT:
        VT_TRY(parse_whole(text, 1, UINT16_MAX, &number));
        out->port = (uint16_t)number;
        return VAULT_OK;
    case O_PID:
        VT_TRY(parse_whole(text, 1, 1 << 30, &number));
        out->server_pid = (long)number;
        return VAULT_OK;
    default:
        return parse_how(option, text, out);
    }
}

static VT_RESULT check(const struct bench_options *options, struct vt_err *err)
{
    uint64_t weights = 0;
    for (uint32_t i = 0; i < BENCH_MAX_OPS; i++) weights += options->phase.weights[i];
    if (options->port == 0 || options->ca_file == NULL || weights == 0)
        return vt_fail(err, VAULT_E_ARGUMENT, NULL, "--port, --ca and --mix are needed; see --help.");
    if (options->phase.threads > options->phase.connections)
        return vt_fail(err, VAULT_E_ARGUMENT, "threads", "There are more threads than connections.");
    return VAULT_OK;
}

VT_RESULT bench_options_parse(int argc, char **argv, struct bench_options *out_options, struct vt_err *err)
{
    struct bench_options options = {
        .host = "127.0.0.1", .template_name = "bench-text", .purpose = "testing", .label = "",
        .keys = 10000, .value_size = 64,
        .phase = {.threads = 1, .connections = 50, .pipeline = 1, .batch = 1, .warmup_ns = 2000000000,
                  .measure_ns = 10000000000, .seed = 1},
    };
    options.wants_help = argc < 2 || strcmp(argv[1], "--help") == 0;
    if (!options.wants_help) {
        options.driver = bench_driver_find(argv[1]);
        if (options.driver == NULL)
            return vt_fail(err, VAULT_E_ARGUMENT, NULL, "There is no target %s; see --help.", argv[1]);
        int option, which = 0;
        opterr = 0;
        optind = 2;
        while ((option = getopt_long(argc, argv, "", long_options, &which)) != -1) {
            if (option == O_HELP) options.wants_help = true;
            else if (option == '?' || parse_one(option, optarg, &options) != VAULT_OK)
                return vt_fail(err, VAULT_E_ARGUMENT, NULL, "%s is not understood; see --help.", argv[optind - 1]);
        }
        if (optind != argc) return vt_fail(err, VAULT_E_ARGUMENT, NULL, "%s is one too many.", argv[optind]);
        if (!options.wants_help) VT_TRY(check(&options, err));
    }
    options.phase.driver = options.driver;
    *out_options = options;
    return VAULT_OK;
}
