/* vaultd/config/config.h - the settings of the daemon: one row per setting, read from one YAML file, overridden by flags, each
 * with its origin. Unknown keys are refused with their line: a misspelt setting must not be a default in silence.
 * No setting is a secret: keys and passphrases never stand in the file. Thread: main. */
#pragma once
#include "libvault/base/buf.h"
#include "libvault/base/result.h"

enum vt_setting {
    VT_SET_DATA_DIR,
    VT_SET_LISTEN,
    VT_SET_TLS_CERTIFICATE,
    VT_SET_TLS_KEY,
    VT_SET_KEEPERS,
    VT_SET_QUORUM,
    VT_SET_REMOTE_CA,
    VT_SET_REMOTE_CERTIFICATE,
    VT_SET_REMOTE_KEY,
    VT_SET_REMOTE_DEADLINE_MS,
    VT_SET_KEEPER_NAME,
    VT_SET_KEEPER_LISTEN,
    VT_SET_KEEPER_CLIENT_CA,
    VT_SET_KEEPER_VAULTS,
    VT_SET_JOURNAL_DIR,
    VT_SET_JOURNAL_SYNC_INTERVAL_MS,
    VT_SET_EPOCH_CLOSE_AFTER_COUNT,
    VT_SET_EPOCH_CLOSE_AFTER_S,
    VT_SET_BRAKE_MODE,
    VT_SET_BRAKE_SHREDS_PER_HOUR,
    VT_SET_BRAKE_DELAY_S,
    VT_SET_BRAKE_EXPIRES_S,
    VT_SET_PURPOSES,
    VT_SET_THREADS_NETWORK,
    VT_SET_THREADS_WORKERS,
    VT_SET_COMMITTER_QUEUE,
    VT_SET_COMMITTER_BATCH,
    VT_SET_CONNECTIONS_MAX,
    VT_SET_CONNECTIONS_MEMORY_MIB,
    VT_SET_CONNECTIONS_MEMORY_TOTAL_MIB,
    VT_SET_TIMEOUTS_HANDSHAKE_MS,
    VT_SET_TIMEOUTS_LOGIN_MS,
    VT_SET_TIMEOUTS_IDLE_MS,
    VT_SET_TIMEOUTS_DRAIN_MS,
    VT_SET_STORE_BALLAST_MIB,
    VT_SET_LOG_LEVEL,
    VT_SET_COUNT
};
enum vt_setting_kind { VT_SETTING_TEXT, VT_SETTING_INT, VT_SETTING_NAMES, VT_SETTING_KEEPERS, VT_SETTING_FINGERPRINTS };
struct vt_setting_row {
    const char *name;               /* "tls.certificate": key certificate of map tls */
    enum vt_setting_kind kind;
    const char *unit;               /* of an integer; "" for a plain count */
    int64_t least, most;            /* of an integer */
    const char *otherwise;          /* default, as it would stand in the file; NULL: none */
    bool is_required;               /* of a vault outside dev mode */
    bool is_reloadable;             /* SIGHUP */
    const char *doc;                /* one sentence or more */
};
extern const struct vt_setting_row VT_SETTINGS[VT_SET_COUNT];

struct vt_config;
/** All defaults. @return VAULT_E_MEMORY */
VT_RESULT vt_config_new(struct vt_config **out_config);
void vt_config_free(struct vt_config *config);              /* NULL is allowed */
VT_DEFINE_AUTO_PTR(vt_config);
/** @return VAULT_E_IO, and as vt_config_read() */
VT_RESULT vt_config_read_file(struct vt_config *config, const char *path, struct vt_err *err);
/** @param file name for origins and messages
 *  @return VAULT_E_PARSE (YAML), VAULT_E_ARGUMENT (unknown key), VAULT_E_TYPE, VAULT_E_INVALID_VALUE (range), each naming the
 *  line; VAULT_E_TOO_LARGE, VAULT_E_MEMORY */
VT_RESULT vt_config_read(struct vt_config *config, const char *file, struct vt_bytes yaml, struct vt_err *err);
/** Override from a flag: text or a number. A keeper flag adds to the list; the first one replaces what the file said.
 *  @param flag name for the origin, e.g. "--listen"; borrowed, static */
VT_RESULT vt_config_set(struct vt_config *config, enum vt_setting setting, const char *flag, const char *text,
                        struct vt_err *err);
enum { VT_CONFIG_HOST_MAX = 256 };
/** HOST:PORT or [HOST]:PORT, the port 0 to 65535. A setting listen always splits.
 *  @param out_port  borrowed from @p listen
 *  @return VAULT_E_ARGUMENT when it is neither */
VT_RESULT vt_config_listen_split(const char *listen, char out_host[VT_CONFIG_HOST_MAX], const char **out_port);
/** Whether the host of a setting that vt_config_listen_split() splits is an IP address and no name. */
bool vt_config_host_is_address(const char *host);
/** What hangs together: required settings are there, none of a keeper's process is, no keeper lies in data_dir (by their paths; dev
 *  mode puts one there and is not asked), the quorum fits the keepers, with one to spare where a remote one is among them, one
 *  connection's memory into that of all.
 *  @return VAULT_E_ARGUMENT, VAULT_E_INVALID_VALUE with the setting as field */
VT_RESULT vt_config_check(const struct vt_config *config, bool is_dev, struct vt_err *err);
/** The same for the process of a remote keeper, which has a few settings of the vault's and those of the group `keeper`; any
 *  other one that is set is refused, since nothing would come of it. */
VT_RESULT vt_config_check_keeper(const struct vt_config *config, struct vt_err *err);

const char *vt_config_text(const struct vt_config *config, enum vt_setting setting);       /* NULL when not set */
int64_t vt_config_int(const struct vt_config *config, enum vt_setting setting);
bool vt_config_is_set(const struct vt_config *config, enum vt_setting setting);            /* by file or flag */
const char *const *vt_config_names(const struct vt_config *config, enum vt_setting setting, size_t *out_count);
struct vt_config_keeper {
    const char *name;
    const char *kind;                   /* "file", "raw" or "remote"; static storage */
    const char *path;                   /* IP:PORT of a remote one */
    const char *verifier;               /* of a remote one: the verifier key of its receipts; else NULL */
};
size_t vt_config_keeper_count(const struct vt_config *config);
const struct vt_config_keeper *vt_config_keeper(const struct vt_config *config, size_t index);
enum { VT_CONFIG_FINGERPRINTS_MAX = 8, VT_CONFIG_FINGERPRINT_LEN = 32 };
/** Setting keeper.vaults: SHA-256 of TLS certificates. */
const uint8_t (*vt_config_fingerprints(const struct vt_config *config, size_t *out_count))[VT_CONFIG_FINGERPRINT_LEN];

/** One line per setting: name, value, origin (default, FILE:LINE or flag). */
VT_RESULT vt_config_print(const struct vt_config *config, struct vt_buf *out);
/** The sample file: every setting with its doc, unit, range and default, commented out. */
VT_RESULT vt_config_sample(struct vt_buf *out);
