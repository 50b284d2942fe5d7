#include "vaultd/options.h"

#include <getopt.h>

#include "libvault/base/clock.h"

const char VT_USAGE[] =
    "usage: vaultd [--config FILE] [options]\n"
    "       vaultd --keeper --config FILE [--data DIR]\n"
    "\n"
    "  --config FILE        settings, YAML; see --sample-config\n"
    "  --keeper             be a keeper, which holds a share of another vault's root key in memory (class E4), and no vault\n"
    "  --check-config       read the settings, say what is wrong, end\n"
    "  --print-config       print every setting with its origin, end\n"
    "  --sample-config      print a sample file, end\n"
    "  --data DIR           setting data_dir\n"
    "  --listen HOST:PORT   setting listen; port 0 takes a free one\n"
    "  --journal DIR        setting journal.dir\n"
    "  --keeper-file FILE   setting keepers, repeatable\n"
    "  --quorum N           setting quorum\n"
    "  --dev                development: loopback, generated TLS certificates, unsealed by a key file beside the data\n"
    "  --read-only          serve a restored vault for inspection; nothing is changed, no keeper is written to\n"
    "  --unseal-key FILE    with --dev: unseal by this key file\n"
    "  --test-clock TIME    with --dev: start the clock at this time (RFC 3339); what is signed meanwhile says so\n"
    "  --version, --help\n"
    "\n"
    "exit status: 0 ended in order; 2 no vault to serve; 3 option, setting or certificate; 4 unseal key file; 5 refused as things\n"
    "are; 7 ended before all was done; 8 files, disks or keepers; 9 the address to listen on. See docs/OPERATIONS.md.\n";

enum { OPT_CONFIG = 256, OPT_CHECK, OPT_PRINT, OPT_SAMPLE, OPT_DEV, OPT_DATA, OPT_LISTEN, OPT_JOURNAL, OPT_KEEPER,
       OPT_KEEPER_FILE, OPT_QUORUM,
       OPT_UNSEAL_KEY, OPT_READ_ONLY, OPT_TEST_CLOCK, OPT_VERSION, OPT_HELP };

static const struct option OPTIONS[] = {
    {"config", required_argument, NULL, OPT_CONFIG},         {"check-config", no_argument, NULL, OPT_CHECK},
    {"print-config", no_argument, NULL, OPT_PRINT},          {"sample-config", no_argument, NULL, OPT_SAMPLE},
    {"dev", no_argument, NULL, OPT_DEV},                     {"data", required_argument, NULL, OPT_DATA},
    {"listen", required_argument, NULL, OPT_LISTEN},         {"journal", required_argument, NULL, OPT_JOURNAL},
    {"keeper", no_argument, NULL, OPT_KEEPER},               {"keeper-file", required_argument, NULL, OPT_KEEPER_FILE},
    {"quorum", required_argument, NULL, OPT_QUORUM},
    {"unseal-key", required_argument, NULL, OPT_UNSEAL_KEY}, {"read-only", no_argument, NULL, OPT_READ_ONLY},
    {"test-clock", required_argument, NULL, OPT_TEST_CLOCK}, {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},                   {NULL, 0, NULL, 0},
};

/* The file is read before any flag, wherever --config stands, so that flags override it. */
static VT_RESULT read_config_file(int argc, char **argv, struct vt_options *options, struct vt_err *err)
{
    optind = 1;
    opterr = 0;
    bool was_read = false;
    for (int option; (option = getopt_long(argc, argv, ":", OPTIONS, NULL)) != -1;) {
        if (option != OPT_CONFIG) continue;
        if (was_read) return vt_fail(err, VAULT_E_ARGUMENT, NULL, "--config stands twice.");
        VT_TRY(vt_config_read_file(options->config, optarg, err));
        was_read = true;
    }
    return VAULT_OK;
}

static VT_RESULT set_test_clock(struct vt_options *options, const char *text, struct vt_err *err)
{
    options->has_test_clock = true;
    if (vt_time_parse(text, strlen(text), &options->test_clock_ms)) return VAULT_OK;
    return vt_fail(err, VAULT_E_ARGUMENT, NULL, "--test-clock wants a time such as 2026-07-01T00:00:00Z.");
}

enum { SHOWN_MAX = 32 };

/* A word may be a slip that holds a secret, or what a terminal obeys: said back only when it looks like an option of ours. */
static bool is_shown(const char *word, size_t len)
{
    return len < SHOWN_MAX && strspn(word, "abcdefghijklmnopqrstuvwxyz-") >= len;
}

/* A value may stand behind the name; only the name is said back. */
static vault_status refuse_option(int option, char **argv, struct vt_err *err)
{
    const char *word = argv[optind - 1];
    const size_t len = strcspn(word, "=");
    if (optopt != 0 && optopt < OPT_CONFIG)
        return vt_fail(err, VAULT_E_ARGUMENT, NULL, "No option has one letter; see --help.");
    if (!is_shown(word, len)) return vt_fail(err, VAULT_E_ARGUMENT, NULL, "There is no option of such a name; see --help.");
    if (option == ':') return vt_fail(err, VAULT_E_ARGUMENT, NULL, "The option %s wants a value; see --help.", word);
    if (optopt >= OPT_CONFIG)
        return vt_fail(err, VAULT_E_ARGUMENT, NULL, "The option %.*s takes no value; see --help.", (int)len, word);
    return vt_fail(err, VAULT_E_ARGUMENT, NULL, "There is no option %.*s; see --help.", (int)len, word);
}

static VT_RESULT set_flag(int option, char **argv, struct vt_options *options, struct vt_err *err)
{
    switch (option) {
    case OPT_CONFIG: return VAULT_OK;
    case OPT_CHECK: options->mode = VT_MODE_CHECK; return VAULT_OK;
    case OPT_PRINT: options->mode = VT_MODE_PRINT; return VAULT_OK;
    case OPT_SAMPLE: options->mode = VT_MODE_SAMPLE; return VAULT_OK;
    case OPT_VERSION: options->mode = VT_MODE_VERSION; return VAULT_OK;
    case OPT_HELP: options->mode = VT_MODE_HELP; return VAULT_OK;
    case OPT_DEV: options->is_dev = true; return VAULT_OK;
    case OPT_READ_ONLY: options->is_read_only = true; return VAULT_OK;
    case OPT_UNSEAL_KEY: options->unseal_key_file = optarg; return VAULT_OK;
    case OPT_TEST_CLOCK: return set_test_clock(options, optarg, err);
    case OPT_DATA: return vt_config_set(options->config, VT_SET_DATA_DIR, "--data", optarg, err);
    case OPT_LISTEN: return vt_config_set(options->config, VT_SET_LISTEN, "--listen", optarg, err);
    case OPT_JOURNAL: return vt_config_set(options->config, VT_SET_JOURNAL_DIR, "--journal", optarg, err);
    case OPT_KEEPER: options->is_keeper = true; return VAULT_OK;
    case OPT_KEEPER_FILE: return vt_config_set(options->config, VT_SET_KEEPERS, "--keeper-file", optarg, err);
    case OPT_QUORUM: return vt_config_set(options->config, VT_SET_QUORUM, "--quorum", optarg, err);
    default: return refuse_option(option, argv, err);
    }
}

static VT_RESULT check_flags(const struct vt_options *options, struct vt_err *err)
{
    if (options->is_keeper && (options->is_dev || options->is_read_only || options->has_test_clock))
        return vt_fail(err, VAULT_E_ARGUMENT, NULL,
                       "--keeper goes with --config and --data only; the flag of a keeper's file is --keeper-file.");
    if (options->unseal_key_file != NULL && !options->is_dev)
        return vt_fail(err, VAULT_E_ARGUMENT, NULL, "--unseal-key goes with --dev only: a production vault starts sealed.");
#ifndef VT_TEST_CLOCK
    if (options->has_test_clock && !options->is_dev)
        return vt_fail(err, VAULT_E_ARGUMENT, NULL, "--test-clock goes with --dev only.");
#endif
    return VAULT_OK;
}

static VT_RESULT read_flags(int argc, char **argv, struct vt_options *options, struct vt_err *err)
{
    VT_TRY(read_config_file(argc, argv, options, err));
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, ":", OPTIONS, NULL)) != -1;) VT_TRY(set_flag(option, argv, options, err));
    if (optind != argc)
        return vt_fail(err, VAULT_E_ARGUMENT, NULL, "A word belongs to no option; see --help.");
    return check_flags(options, err);
}

VT_RESULT vt_options_read(int argc, char **argv, struct vt_options *out_options, struct vt_err *err)
{
    struct vt_options options = {.argc = argc, .argv = argv};
    if (vt_config_new(&options.config) != VAULT_OK)
        return vt_fail(err, VAULT_E_MEMORY, NULL, "%s", vault_status_text(VAULT_E_MEMORY));
    const vault_status status = read_flags(argc, argv, &options, err);
    if (status != VAULT_OK) {
        vt_options_release(&options);
        return status;
    }
    *out_options = options;
    return VAULT_OK;
}

void vt_options_release(struct vt_options *options)
{
    vt_config_free(options->config);
    *options = VT_OPTIONS_INIT;
}
