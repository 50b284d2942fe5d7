#include "vaultd/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/base/log.h"
#include "libvault/base/thread.h"
#include "libvault/wire/tls.h"
#include "vaultd/dev.h"
#include "vaultd/remote/link.h"
#include "vaultd/server/notify.h"
#include "vaultd/server/server.h"
#include "vaultd/service/take_over.h"

enum { COUNTS_EVERY_S = 60 };

struct daemon {
    struct vt_options *options;
    struct vt_clock clock;
    struct vt_vault *vault;
    struct vt_server *server;
    char socket_path[VT_PATH_MAX];
    struct vt_vault_id vault_id;        /* all zero: not initialised when its parts were opened */
    char listen[VT_PATH_MAX];           /* after a restart: with the port that clients know */
};

/* Signals ------------------------------------------------------------------------------------------------------------- */

/* Blocked before any thread exists: only the one that runs the daemon takes them, between its other work. */
static sigset_t signals_block(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR2);   /* our own: a restored environment is whole */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);   /* a file size limit is a full disk, not an end */
    return signals;
}

/* While the daemon drains, a second SIGTERM or SIGINT ends it at once. Nothing is lost by that: what was answered is durable. */
static void on_second_signal(int signal_number)
{
    (void)signal_number;
    _exit(vault_status_exit(VAULT_E_SHUTDOWN));
}

static void signals_end_at_once(const sigset_t *signals)
{
    struct sigaction action = {.sa_handler = on_second_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

/* Opening ------------------------------------------------------------------------------------------------------------- */

static const char *directory_failure(vault_status status)
{
    if (status != VAULT_E_IO) return vault_status_text(status);
    return "reading or writing failed. Look at the permissions of the directory and at the room on its disk.";
}

/* A keeper that stays away for a day is one line, and its return another. */
static void log_keeper(void *context, const char *name, vault_status status, const char *why)
{
    (void)context;
    vt_log(status == VAULT_OK ? VT_LOG_INFO : VT_LOG_WARN, status == VAULT_OK ? "keeper.back" : "keeper.away",
           "name=%s status=%s message=\"%s\"", name, vault_status_code(status), why);
}

/* Kinds that need the network are the daemon's: vaultd/core knows none. docs/decisions/0019. */
static VT_RESULT open_remote_keeper(const struct daemon *daemon, const struct vt_config_keeper *setting, bool is_read_only,
                                    struct vt_keeper **out_keeper, struct vt_err *err)
{
    const struct vt_config *config = daemon->options->config;
    char host[VT_CONFIG_HOST_MAX];
    struct vt_link_options to = {.host = host, .ca_file = vt_config_text(config, VT_SET_REMOTE_CA),
                                 .certificate_file = vt_config_text(config, VT_SET_REMOTE_CERTIFICATE),
                                 .key_file = vt_config_text(config, VT_SET_REMOTE_KEY)};
    const struct vt_remote_options options = {.name = setting->name, .verifier_key = setting->verifier,
                                              .deadline_ms = (uint32_t)vt_config_int(config, VT_SET_REMOTE_DEADLINE_MS),
                                              .is_read_only = is_read_only, .vault_id = daemon->vault_id, .changed = log_keeper};
    struct vt_link *link = NULL;
    VT_TRY(vt_config_listen_split(setting->path, host, &to.port));
    VT_TRY(vt_link_open(&to, &link, err));
    const vault_status status = vt_remote_keeper_open(&options, link, out_keeper);
    if (status == VAULT_OK) return VAULT_OK;
    return vt_fail(err, status, "keepers", "The remote keeper %s cannot be used: its verifier is not that of a keeper's receipts.",
                   setting->name);
}

static VT_RESULT open_by_kind(const struct daemon *daemon, const struct vt_config_keeper *setting, enum vt_keeper_use use,
                              struct vt_keeper **out_keeper, struct vt_err *err)
{
    if (setting->verifier != NULL) return open_remote_keeper(daemon, setting, use == VT_KEEPER_LOOK, out_keeper, err);
    return vt_keeper_open(setting->kind, setting->path, setting->name, use, out_keeper, err);
}

static VT_RESULT open_keeper(const struct daemon *daemon, const struct vt_config_keeper *setting, bool must_exist,
                             struct vt_keeper **out_keeper, struct vt_err *err)
{
    VT_AUTO_PTR(vt_keeper) keeper = NULL;
    const bool is_read_only = daemon->options->is_read_only;
    const enum vt_keeper_use use = is_read_only ? VT_KEEPER_LOOK : must_exist ? VT_KEEPER_MUST_EXIST : VT_KEEPER_MAKE;
    VT_TRY(open_by_kind(daemon, setting, use, &keeper, err));
    const vault_status status = vt_keeper_compare_device(keeper, vt_config_text(daemon->options->config, VT_SET_DATA_DIR));
    if (status != VAULT_OK)
        return vt_fail(err, status, "keepers", "On which device the keeper %s lies cannot be seen: %s", setting->path,
                       vault_status_text(status));
    *out_keeper = VT_MOVE(keeper);
    return VAULT_OK;
}

/* Not there, or damaged: it may come back, and the others may be enough. Anything else is for who set it up to mend. */
static bool may_be_away(vault_status status)
{
    return status == VAULT_E_KEEPER || status == VAULT_E_IO || status == VAULT_E_CORRUPT;
}

/* One that an initialised vault had, or is to get, may be away when the daemon starts. */
static VT_RESULT open_or_await(const struct daemon *daemon, const struct vt_config_keeper *setting, bool must_exist,
                               struct vt_keeper **out_keeper, vault_status *out_why, struct vt_err *err)
{
    const vault_status status = *out_why = open_keeper(daemon, setting, must_exist, out_keeper, err);
    const bool may_wait = must_exist && !daemon->options->is_read_only && setting->verifier == NULL;
    if (status == VAULT_OK || !may_wait || !may_be_away(status)) return status;
    vt_log(VT_LOG_WARN, "keeper.away", "name=%s status=%s message=\"%s\"", setting->name, vault_status_code(status), err->message);
    return vt_keeper_open_later(setting->kind, setting->path, setting->name,
                                vt_config_text(daemon->options->config, VT_SET_DATA_DIR), out_keeper);
}

static VT_RESULT open_keepers(const struct daemon *daemon, bool must_exist, struct vt_keeper **out_keepers, size_t *out_count,
                              struct vt_err *err)
{
    const struct vt_config *config = daemon->options->config;
    const size_t count = vt_config_keeper_count(config);
    vault_status why = VAULT_OK;
    size_t away = 0;
    for (*out_count = 0; *out_count < count; ++*out_count) {
        VT_TRY(open_or_await(daemon, vt_config_keeper(config, *out_count), must_exist, &out_keepers[*out_count], &why, err));
        away += why != VAULT_OK;
    }
    if (away == count) return why;                  /* err has the sentence: not one is there */
    *err = (struct vt_err){{0}, {0}};
    return VAULT_OK;
}

static VT_RESULT open_journal(const struct daemon *daemon, struct vt_journal **out_journal, struct vt_err *err)
{
    const struct vt_config *config = daemon->options->config;
    const struct vt_journal_options options = {.dir = vt_config_text(config, VT_SET_JOURNAL_DIR),
                                               .sync_interval_ms = vt_config_int(config, VT_SET_JOURNAL_SYNC_INTERVAL_MS),
                                               .clock = &daemon->clock};
    if (options.dir == NULL || daemon->options->is_read_only) return VAULT_OK;
    vault_status status = vt_journal_open(&options, NULL, out_journal);
    if (status == VAULT_OK) status = vt_journal_compare_device(*out_journal, vt_config_text(config, VT_SET_DATA_DIR));
    if (status == VAULT_OK) return VAULT_OK;
    return vt_fail(err, status, "journal.dir", "The journal in %s cannot be opened: %s", options.dir, directory_failure(status));
}

/* Where a store is lost, nothing new is laid in its place: that would only hide the loss. What a vault was served under lies with
 * its keepers; one that is not there yet is no witness. */
static VT_RESULT check_keepers_are_free(const struct daemon *daemon, const char *path, struct vt_err *err)
{
    const struct vt_config *config = daemon->options->config;
    for (size_t i = 0; i < vt_config_keeper_count(config); i++) {
        VT_AUTO_PTR(vt_keeper) keeper = NULL;
        const struct vt_config_keeper *setting = vt_config_keeper(config, i);
        struct vt_err why = {{0}, {0}};
        vault_status status = open_by_kind(daemon, setting, VT_KEEPER_LOOK, &keeper, &why);
        if (status == VAULT_E_KEEPER) continue;
        if (status != VAULT_OK) *err = why;
        VT_TRY(status);
        status = vt_epoch_keeper_is_free(keeper);
        if (status == VAULT_E_EXISTS)
            return vt_fail(err, status, "data_dir",
                           "The store %s is empty, but keeper %s holds a share of some vault already: put the store's files back.",
                           path, setting->name);
        if (status != VAULT_OK)
            return vt_fail(err, status, "keepers", "The keeper %s cannot be read: %s", setting->path, vault_status_text(status));
    }
    return VAULT_OK;
}

/* Before the store is opened, which would make a new one. */
static VT_RESULT check_store(const struct daemon *daemon, struct vt_err *err)
{
    char path[VT_PATH_MAX];
    snprintf(path, sizeof path, "%s/store", vt_config_text(daemon->options->config, VT_SET_DATA_DIR));
    const bool is_new = !daemon->options->is_read_only && vt_store_lmdb_is_absent(path);
    return is_new ? check_keepers_are_free(daemon, path, err) : VAULT_OK;
}

static VT_RESULT open_store(const struct daemon *daemon, struct vt_store **out_store, struct vt_err *err)
{
    const struct vt_config *config = daemon->options->config;
    const bool is_read_only = daemon->options->is_read_only;
    const uint64_t ballast = is_read_only ? 0 : (uint64_t)vt_config_int(config, VT_SET_STORE_BALLAST_MIB) << 20;
    /* A vault under inspection still gets audit leaves, so its store is opened for writing; it just must be there. */
    const struct vt_store_lmdb_options options = {.ballast_bytes = ballast, .must_exist = is_read_only};
    char path[VT_PATH_MAX];
    snprintf(path, sizeof path, "%s/store", vt_config_text(config, VT_SET_DATA_DIR));
    const vault_status status = vt_store_lmdb_open(path, &options, out_store);
    if (status == VAULT_OK) return VAULT_OK;
    return vt_fail(err, status, "data_dir", "The store in %s cannot be opened: %s", path, directory_failure(status));
}

/* A new vault may make its keeper files; one that has been initialised must find them: a fresh file in the place of a lost one
 * would only hide the loss. */
static bool store_has_vault(struct vt_store *store)
{
    struct vt_store_stats stats;
    return vt_store_stats(store, &stats) == VAULT_OK && stats.entries[VT_TABLE_META] != 0;
}

/* Remote keepers are told which vault asks, and it is known without any key. */
static VT_RESULT learn_vault_id(struct daemon *daemon, struct vt_store *store, struct vt_err *err)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    struct vt_root_record root;
    vault_status status = vt_txn_begin_read(store, &txn);
    if (status == VAULT_OK) status = vt_keyring_root_record(txn, &root);
    daemon->vault_id = status == VAULT_OK ? root.vault_id : (struct vt_vault_id){{0}};
    if (status == VAULT_OK || status == VAULT_E_NOT_INITIALISED) return VAULT_OK;
    return vt_fail(err, status, "data_dir", "The store's root record cannot be read: %s", vault_status_text(status));
}

static VT_RESULT open_parts(struct daemon *daemon, struct vt_vault_options *parts, struct vt_err *err)
{
    VT_TRY(open_store(daemon, &parts->store, err));
    VT_TRY(learn_vault_id(daemon, parts->store, err));
    VT_TRY(open_keepers(daemon, store_has_vault(parts->store), parts->keepers, &parts->keeper_count, err));
    return open_journal(daemon, &parts->journal, err);
}

static void free_parts(struct vt_vault_options *parts)
{
    for (size_t i = 0; i < parts->keeper_count; i++) vt_keeper_free(parts->keepers[i]);
    vt_journal_free(parts->journal);
    vt_store_free(parts->store);
}

static bool may_set_clock(const struct vt_options *options)
{
#ifdef VT_TEST_CLOCK
    (void)options;
    return true;
#else
    return options->is_dev;
#endif
}

static void set_clock(struct daemon *daemon)
{
    vt_clock_init_settable(&daemon->clock);
    if (daemon->options->has_test_clock)
        vt_clock_shift(&daemon->clock, daemon->options->test_clock_ms - vt_clock_now_ms(&daemon->clock));
}

/* Any thread: the main one takes it between its other work. */
static void wish_restart(void *context)
{
    (void)context;
    kill(getpid(), SIGUSR2);
}

static void log_leftover(void *context, const char *name, bool is_removed)
{
    (void)context;
    vt_log(is_removed ? VT_LOG_INFO : VT_LOG_WARN, "restore.leftover", "dir=%s removed=%s", name, is_removed ? "yes" : "no");
}

/* The store is ours now, so nobody builds there: what is left are restores that did not become the vault, or one that has. */
static void clear_leftovers(const struct daemon *daemon)
{
    if (daemon->options->is_read_only) return;
    const vault_status status = vt_restore_clear(vt_config_text(daemon->options->config, VT_SET_DATA_DIR), log_leftover, NULL);
    if (status != VAULT_OK) vt_log(VT_LOG_WARN, "restore.leftover", "status=%s", vault_status_code(status));
}

/* Dev mode is for trying out and for load, and holds nobody's data. */
static struct vt_brake_options brake_of(const struct daemon *daemon)
{
    const struct vt_config *config = daemon->options->config;
    const char *mode = vt_config_text(config, VT_SET_BRAKE_MODE);
    return (struct vt_brake_options){
        .is_on = strcmp(mode, "on") == 0 || (strcmp(mode, "auto") == 0 && !daemon->options->is_dev),
        .per_hour = (uint64_t)vt_config_int(config, VT_SET_BRAKE_SHREDS_PER_HOUR),
        .delay_ms = vt_config_int(config, VT_SET_BRAKE_DELAY_S) * 1000,
        .expires_ms = vt_config_int(config, VT_SET_BRAKE_EXPIRES_S) * 1000,
    };
}

static VT_RESULT open_vault(struct daemon *daemon, struct vt_err *err)
{
    const struct vt_config *config = daemon->options->config;
    struct vt_keeper *keepers[VT_KEEPERS_MAX] = {NULL};
    struct vt_vault_options parts = {
        .keepers = keepers,
        .quorum = (unsigned)vt_config_int(config, VT_SET_QUORUM),
        .clock = &daemon->clock,
        .settable_clock = may_set_clock(daemon->options) ? &daemon->clock : NULL,
        .close_after_count = (uint64_t)vt_config_int(config, VT_SET_EPOCH_CLOSE_AFTER_COUNT),
        .close_after_ms = vt_config_int(config, VT_SET_EPOCH_CLOSE_AFTER_S) * 1000,
        .is_dev = daemon->options->is_dev,
        .brake = brake_of(daemon),
        .is_read_only = daemon->options->is_read_only,
    };
    parts.purposes = vt_config_names(config, VT_SET_PURPOSES, &parts.purpose_count);
    if (!parts.is_read_only) parts.data_dir = vt_config_text(config, VT_SET_DATA_DIR);
    const vault_status status = open_parts(daemon, &parts, err);
    if (status != VAULT_OK) {
        free_parts(&parts);
        return status;
    }
    clear_leftovers(daemon);
    VT_TRY(vt_vault_open(&parts, &daemon->vault, err));
    vt_vault_set_restart(daemon->vault, wish_restart, NULL);
    return VAULT_OK;
}

static unsigned network_threads(const struct vt_config *config)
{
    const int64_t wished = vt_config_int(config, VT_SET_THREADS_NETWORK);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return wished != 0 ? (unsigned)wished : (unsigned)VT_MAX(1, VT_MIN(cores, 64));
}

static VT_RESULT open_server(struct daemon *daemon, struct vt_err *err)
{
    const struct vt_config *config = daemon->options->config;
    const struct vt_server_options options = {
        .vault = daemon->vault,
        .listen = daemon->listen[0] != '\0' ? daemon->listen : vt_config_text(config, VT_SET_LISTEN),
        .certificate_file = vt_config_text(config, VT_SET_TLS_CERTIFICATE),
        .key_file = vt_config_text(config, VT_SET_TLS_KEY),
        .socket_path = daemon->socket_path,
        .network_threads = network_threads(config),
        .workers = (unsigned)vt_config_int(config, VT_SET_THREADS_WORKERS),
        .queue_max = (size_t)vt_config_int(config, VT_SET_COMMITTER_QUEUE),
        .batch_max = (size_t)vt_config_int(config, VT_SET_COMMITTER_BATCH),
        .connections_max = (unsigned)vt_config_int(config, VT_SET_CONNECTIONS_MAX),
        .connection_memory_bytes = (uint64_t)vt_config_int(config, VT_SET_CONNECTIONS_MEMORY_MIB) << 20,
        .memory_bytes = (uint64_t)vt_config_int(config, VT_SET_CONNECTIONS_MEMORY_TOTAL_MIB) << 20,
        .handshake_timeout_ms = vt_config_int(config, VT_SET_TIMEOUTS_HANDSHAKE_MS),
        .login_timeout_ms = vt_config_int(config, VT_SET_TIMEOUTS_LOGIN_MS),
        .idle_timeout_ms = vt_config_int(config, VT_SET_TIMEOUTS_IDLE_MS),
        .drain_timeout_ms = vt_config_int(config, VT_SET_TIMEOUTS_DRAIN_MS),
    };
    return vt_server_open(&options, &daemon->server, err);
}

static VT_RESULT make_run_dir(struct daemon *daemon, struct vt_err *err)
{
    char run[VT_PATH_MAX];
    const char *dir = vt_config_text(daemon->options->config, VT_SET_DATA_DIR);
    snprintf(run, sizeof run, "%s/run", dir);
    if (snprintf(daemon->socket_path, sizeof daemon->socket_path, "%s/vaultd.sock", run) >= (int)sizeof daemon->socket_path)
        return vt_fail(err, VAULT_E_ARGUMENT, "data_dir", "The path of data_dir is too long.");
    if ((mkdir(dir, 0700) == 0 || errno == EEXIST) && (mkdir(run, 0700) == 0 || errno == EEXIST)) return VAULT_OK;
    return vt_fail(err, VAULT_E_IO, "data_dir", "The directory %s cannot be made: %s.", run, strerror(errno));
}

/* Serving ------------------------------------------------------------------------------------------------------------- */

void vt_daemon_set_log_level(const struct vt_config *config)
{
    static const char *const NAMES[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < VT_ARRAY_LEN(NAMES); i++)
        if (strcmp(NAMES[i], vt_config_text(config, VT_SET_LOG_LEVEL)) == 0) vt_log_set_level((enum vt_log_level)i);
}

VT_RESULT vt_daemon_check_settings(struct vt_options *options, struct vt_err *err)
{
    if (options->is_dev) VT_TRY(vt_dev_fill(options, err));
    return vt_config_check(options->config, options->is_dev, err);
}

/* What can change while serving does; the rest of the file is checked, so that a slip shows now and not at the next start. */
static VT_RESULT reload_settings(const struct vt_options *options, struct vt_err *err)
{
    struct vt_options fresh;
    VT_TRY(vt_options_read(options->argc, options->argv, &fresh, err));
    const vault_status status = vt_daemon_check_settings(&fresh, err);
    if (status == VAULT_OK) vt_daemon_set_log_level(fresh.config);
    vt_options_release(&fresh);
    return status;
}

static void reload(struct daemon *daemon)
{
    struct vt_err err = {{0}, {0}};
    vt_notify("RELOADING=1");
    vault_status status = reload_settings(daemon->options, &err);
    if (status == VAULT_OK) status = vt_server_reload_tls(daemon->server, &err);
    vt_log(status == VAULT_OK ? VT_LOG_INFO : VT_LOG_ERROR, "server.reload", "status=%s message=\"%s\"", vault_status_code(status),
           err.message);
    vt_notify("READY=1");
}

/* A take-over: close, let the new environment take the old one's place, open -----------------------------------------------*/

/* The port that was bound, also when the setting left it to the system: clients know that one. */
static VT_RESULT keep_port(struct daemon *daemon)
{
    const char *listen = vt_config_text(daemon->options->config, VT_SET_LISTEN), *colon = strrchr(listen, ':');
    VT_ENSURE(colon != NULL, VAULT_E_ARGUMENT);
    const int len = snprintf(daemon->listen, sizeof daemon->listen, "%.*s:%u", (int)(colon - listen), listen,
                             vt_server_port(daemon->server));
    return len < (int)sizeof daemon->listen ? VAULT_OK : VAULT_E_TOO_LARGE;
}

static VT_RESULT close_all(struct daemon *daemon)
{
    const vault_status status = daemon->server != NULL ? vt_server_stop(daemon->server) : VAULT_OK;
    vt_server_free(VT_MOVE(daemon->server));
    vt_vault_free(VT_MOVE(daemon->vault));
    return status;
}

static VT_RESULT open_all(struct daemon *daemon, struct vt_err *err)
{
    VT_TRY(open_vault(daemon, err));
    VT_TRY(open_server(daemon, err));
    if (daemon->options->is_dev) VT_TRY(vt_dev_unseal(daemon->options, daemon->vault, err));
    return vt_server_listen(daemon->server, err);
}

/* Whatever becomes of the rename, one of the two environments is in place and is opened. */
static VT_RESULT restart(struct daemon *daemon, struct vt_err *err)
{
    char dir[VT_RESTORE_DIR_NAME_LEN];
    snprintf(dir, sizeof dir, "%s", vt_vault_take_over_dir(daemon->vault));
    vt_notify("RELOADING=1");
    vt_log(VT_LOG_INFO, "restore.restarting", "dir=%s", dir);
    VT_TRY(keep_port(daemon));
    const vault_status stopped = close_all(daemon);
    if (stopped != VAULT_OK) vt_log(VT_LOG_WARN, "server.stopped", "status=%s", vault_status_code(stopped));
    vt_fault_step("takeover.closed");
    const vault_status status = vt_restore_install(vt_config_text(daemon->options->config, VT_SET_DATA_DIR), dir);
    vt_log(status == VAULT_OK ? VT_LOG_INFO : VT_LOG_ERROR, "restore.installed", "dir=%s status=%s", dir,
           vault_status_code(status));
    VT_TRY(check_store(daemon, err));
    VT_TRY(open_all(daemon, err));
    vt_notify("READY=1");
    vt_log(VT_LOG_INFO, "server.ready", "state=%s", vt_vault_state_name(vt_vault_state(daemon->vault)));
    return VAULT_OK;
}

static VT_RESULT serve(struct daemon *daemon, const sigset_t *signals, struct vt_err *err)
{
    const struct timespec interval = {COUNTS_EVERY_S, 0};
    for (;;) {
        const int taken = sigtimedwait(signals, NULL, &interval);
        if (taken == SIGTERM || taken == SIGINT) return VAULT_OK;
        if (taken == SIGHUP) reload(daemon);
        if (taken == SIGUSR2 && vt_vault_take_over_dir(daemon->vault) != NULL) VT_TRY(restart(daemon, err));
        vt_server_log_counts(daemon->server);
    }
}

static void warn_dev(void)
{
    static const char WARNING[] =
        "************************************************************************\n"
        "* DEV MODE: keys lie beside the data, TLS certificates are generated,  *\n"
        "* nothing that is shredded can ever become final. Never put personal   *\n"
        "* data of real people into it.                                         *\n"
        "************************************************************************\n";
    fputs(WARNING, stderr);
}

/* For people and scripts: where everything is, never what it says. */
static void announce(const struct daemon *daemon)
{
    const struct vt_config *config = daemon->options->config;
    const char *dir = vt_config_text(config, VT_SET_DATA_DIR), *listen = vt_config_text(config, VT_SET_LISTEN);
    printf("address=%.*s:%u\n", (int)(strrchr(listen, ':') - listen), listen, vt_server_port(daemon->server));
    if (daemon->options->is_dev) {
        printf("ca=%s/tls/%s\n", dir, VT_TLS_DEV_CA_FILE);
        printf("credentials=%s/credentials\n", dir);
    }
    printf("socket=%s\npid=%ld\nstate=%s\nready\n", daemon->socket_path, (long)getpid(),
           vt_vault_state_name(vt_vault_state(daemon->vault)));
    fflush(stdout);
}

static VT_RESULT start(struct daemon *daemon, struct vt_err *err)
{
    struct vt_options *options = daemon->options;
    if (options->is_dev) warn_dev();
    VT_TRY(vt_daemon_check_settings(options, err));
    if (options->is_dev) VT_TRY(vt_dev_prepare(options, err));
    vt_daemon_set_log_level(options->config);
    VT_TRY(check_store(daemon, err));               /* before anything is made where a disk may not be mounted */
    VT_TRY(make_run_dir(daemon, err));
    set_clock(daemon);
    return open_all(daemon, err);
}

static VT_RESULT run(struct vt_options *options, const sigset_t *signals, struct vt_err *err)
{
    struct daemon daemon = {.options = options};
    vault_status started = start(&daemon, err);
    if (started == VAULT_OK) {
        announce(&daemon);
        vt_notify("READY=1");
        vt_log(VT_LOG_INFO, "server.ready", "state=%s", vt_vault_state_name(vt_vault_state(daemon.vault)));
        started = serve(&daemon, signals, err);
        vt_notify("STOPPING=1");
        vt_log(VT_LOG_INFO, "server.draining", "timeout_ms=%lld",
               (long long)vt_config_int(options->config, VT_SET_TIMEOUTS_DRAIN_MS));
        signals_end_at_once(signals);
    }
    const vault_status stopped = close_all(&daemon);
    if (started != VAULT_OK) return started;
    vt_log(stopped == VAULT_OK ? VT_LOG_INFO : VT_LOG_WARN, "server.stopped", "status=%s", vault_status_code(stopped));
    if (stopped != VAULT_OK) return vt_fail(err, stopped, NULL, "Connections had to be cut off.");
    return VAULT_OK;
}

/** What the main thread hands to the one that does its work. */
struct running {
    struct vt_options *options;
    sigset_t signals;
    struct vt_err *err;
    vault_status status;
};

static void running_main(void *context)
{
    struct running *running = context;
    running->status = run(running->options, &running->signals, running->err);
}

/* On a stack of our own, since the unseal key of dev mode passes over it: locked, kept out of dumps, wiped at the end. */
VT_RESULT vt_daemon_run(struct vt_options *options, struct vt_err *err)
{
    struct running running = {.options = options, .signals = signals_block(), .err = err};
    struct vt_thread thread;
    umask(077);
    VT_TRY(vt_thread_start(&thread, "vault-main", running_main, &running));
    vt_thread_join(&thread);
    return running.status;
}
