#include "vaultd/keeper_process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/base/clock.h"
#include "libvault/base/log.h"
#include "libvault/base/secret.h"
#include "libvault/codec/text.h"
#include "libvault/wire/tls.h"
#include "vaultd/core/keeper/keeper_ram.h"
#include "vaultd/daemon.h"
#include "vaultd/server/keeper_server.h"
#include "vaultd/server/notify.h"

enum { PATH_LEN = 512 };
_Static_assert((int)VT_CONFIG_FINGERPRINT_LEN == (int)VT_KEEPER_FINGERPRINT_LEN, "settings hold what the server compares");

/* A share passes through the buffers of TLS, frames and the stack, not only through the arena. There is no LMDB here, which is why
 * the vault itself cannot lock all it has. On fault: what was never touched holds nothing. */
static VT_RESULT lock_memory(struct vt_err *err)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) return VAULT_OK;
    return vt_fail(err, VAULT_E_MEMORY, NULL,
                   "The keeper's memory cannot be locked (%s), and a share could be swapped out: raise RLIMIT_MEMLOCK for it "
                   "(LimitMEMLOCK=infinity in its unit) or give it CAP_IPC_LOCK.",
                   strerror(errno));
}

static const char *what_to_do(vault_status status)
{
    switch (status) {
    case VAULT_E_STATE: return "it must be one file with one name and mode 0600.";
    case VAULT_E_IO: return "reading or writing failed; look at the permissions of the directory and at the room on its disk.";
    case VAULT_E_FORMAT: return "it is no floor file, or one of another version; this version reads version 1.";
    default: return vault_status_text(status);
    }
}

static VT_RESULT open_keeper(const struct vt_config *config, struct vt_keeper **out_keeper, struct vt_err *err)
{
    char path[PATH_LEN];
    const char *dir = vt_config_text(config, VT_SET_DATA_DIR);
    if (snprintf(path, sizeof path, "%s/keeper.floor", dir) >= (int)sizeof path)
        return vt_fail(err, VAULT_E_ARGUMENT, "data_dir", "The path of data_dir is too long.");
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return vt_fail(err, VAULT_E_IO, "data_dir", "The directory %s cannot be made: %s.", dir, strerror(errno));
    const vault_status status = vt_keeper_ram_open(path, vt_config_text(config, VT_SET_KEEPER_NAME), out_keeper);
    if (status == VAULT_OK) return VAULT_OK;
    return vt_fail(err, status, "data_dir", "The floor file %s cannot be opened: %s", path, what_to_do(status));
}

static VT_RESULT open_server(const struct vt_config *config, struct vt_keeper *keeper, struct vt_keeper_server **out_server,
                             struct vt_err *err)
{
    struct vt_keeper_server_options options = {
        .keeper = keeper,
        .clock = vt_clock_system(),
        .listen = vt_config_text(config, VT_SET_KEEPER_LISTEN),
        .certificate_file = vt_config_text(config, VT_SET_TLS_CERTIFICATE),
        .key_file = vt_config_text(config, VT_SET_TLS_KEY),
        .client_ca_file = vt_config_text(config, VT_SET_KEEPER_CLIENT_CA),
        .handshake_timeout_ms = vt_config_int(config, VT_SET_TIMEOUTS_HANDSHAKE_MS),
        .idle_timeout_ms = vt_config_int(config, VT_SET_TIMEOUTS_IDLE_MS),
    };
    options.fingerprints = vt_config_fingerprints(config, &options.fingerprint_count);
    return vt_keeper_server_open(&options, out_server, err);
}

/* A keeper that has finalised belongs to a vault, which now misses its share. */
static VT_RESULT warn_of_start(struct vt_keeper *keeper)
{
    struct vt_keeper_floor floor;
    VT_TRY(keeper->ops->floor(keeper, &floor));
    if (floor.epoch == 0) return VAULT_OK;
    vt_log(VT_LOG_WARN, "keeper.has_no_share", "incarnation=%" PRIu64 " epoch=%" PRIu64, floor.incarnation, floor.epoch);
    fprintf(stderr, "vaultd: this keeper was started again and holds no share until its vault closes the next epoch; until then "
                    "the vault has one keeper fewer.\n");
    return VAULT_OK;
}

static void warn_of_end(struct vt_keeper *keeper)
{
    struct vt_keeper_slot slots[VT_KEEPER_SLOTS] = {0};
    size_t count = 0;
    const vault_status status = keeper->ops->read(keeper, slots, &count);
    vt_wipe(slots, sizeof slots);
    if (status == VAULT_OK && count == 0) return;
    vt_log(VT_LOG_WARN, "keeper.share_gone", "shares=%zu", count);
    fprintf(stderr, "vaultd: the share of this keeper is gone with its memory. The vault opens with the others; start the keeper "
                    "again, and let the vault close an epoch before another one stops.\n");
}

/* For people and scripts: what the vault's settings need. */
static VT_RESULT announce(const struct vt_config *config, struct vt_keeper *keeper, const struct vt_keeper_server *server)
{
    struct vt_keeper_info info;
    uint8_t fingerprint[VT_TLS_FINGERPRINT_LEN];
    char text[2 * VT_TLS_FINGERPRINT_LEN + 1];
    const char *listen = vt_config_text(config, VT_SET_KEEPER_LISTEN);
    VT_TRY(keeper->ops->info(keeper, &info));
    VT_TRY(vt_tls_file_fingerprint(vt_config_text(config, VT_SET_TLS_CERTIFICATE), fingerprint));
    vt_hex_encode(VT_BYTES_OF(fingerprint), text);
    printf("address=%.*s:%u\n", (int)(strrchr(listen, ':') - listen), listen, vt_keeper_server_port(server));
    printf("keeper=%016" PRIx64 "\nverifier=%s\nfingerprint=%s\npid=%ld\nready\n", info.keeper_id, info.verifier_key, text,
           (long)getpid());
    return fflush(stdout) == 0 ? VAULT_OK : VAULT_E_IO;
}

static VT_RESULT serve(const struct vt_config *config, struct vt_keeper *keeper, struct vt_err *err)
{
    VT_AUTO_PTR(vt_keeper_server) server = NULL;
    VT_TRY(open_server(config, keeper, &server, err));
    VT_TRY(warn_of_start(keeper));
    VT_TRY(announce(config, keeper, server));
    vt_notify("READY=1");
    vt_log(VT_LOG_INFO, "keeper.ready", "port=%u", vt_keeper_server_port(server));
    vt_keeper_server_run(server);
    vt_notify("STOPPING=1");
    return VAULT_OK;
}

VT_RESULT vt_keeper_process_run(struct vt_options *options, struct vt_err *err)
{
    VT_AUTO_PTR(vt_keeper) keeper = NULL;
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    VT_TRY(vt_config_check_keeper(options->config, err));
    vt_daemon_set_log_level(options->config);
    VT_TRY(lock_memory(err));
    VT_TRY(open_keeper(options->config, &keeper, err));
    const vault_status status = serve(options->config, keeper, err);
    warn_of_end(keeper);
    vt_log(VT_LOG_INFO, "keeper.stopped", "status=%s", vault_status_code(status));
    return status;
}
