#include "vaultd/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvault/codec/text.h"
#include "libvault/crypto/rng.h"
#include "libvault/schema/command.h"
#include "libvault/wire/tls.h"
#include "vaultd/service/credentials.h"

enum { KEY_TEXT_LEN = 2 * VT_KEY_LEN, KEY_FILE_MAX = 4096 };
#define DEFAULT_DIR "vaultd-dev"

static VT_RESULT path_join(char out_path[VT_PATH_MAX], const char *dir, const char *name)
{
    return snprintf(out_path, VT_PATH_MAX, "%s/%s", dir, name) < VT_PATH_MAX ? VAULT_OK : VAULT_E_ARGUMENT;
}

/* What others may enter is no place for keys: a directory that is there must be ours alone. */
static VT_RESULT make_private_dir(const char *path, struct vt_err *err)
{
    struct stat seen;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return vt_fail(err, VAULT_E_IO, NULL, "The directory %s cannot be made: %s.", path, strerror(errno));
    if (stat(path, &seen) != 0 || !S_ISDIR(seen.st_mode))
        return vt_fail(err, VAULT_E_IO, NULL, "%s is no directory.", path);
    if ((seen.st_mode & 077) != 0 || seen.st_uid != geteuid())
        return vt_fail(err, VAULT_E_STATE, NULL, "Others may enter the directory %s; dev mode wants mode 0700.", path);
    return VAULT_OK;
}

static VT_RESULT make_dirs(const char *dir, struct vt_err *err)
{
    static const char *const NAMES[] = {"tls", "run", "keeper", "credentials"};
    VT_TRY(make_private_dir(dir, err));
    for (size_t i = 0; i < VT_ARRAY_LEN(NAMES); i++) {
        char path[VT_PATH_MAX];
        VT_TRY(path_join(path, dir, NAMES[i]));
        VT_TRY(make_private_dir(path, err));
    }
    return VAULT_OK;
}

static VT_RESULT set_path(struct vt_options *options, enum vt_setting setting, const char *dir, const char *name,
                          struct vt_err *err)
{
    char path[VT_PATH_MAX];
    if (vt_config_is_set(options->config, setting)) return VAULT_OK;
    VT_TRY(path_join(path, dir, name));
    return vt_config_set(options->config, setting, "--dev", path, err);
}

/* Generated keys and a credential file for every role are for nobody else's network. */
static bool is_loopback(const char *listen)
{
    return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0 || strncmp(listen, "localhost:", 10) == 0;
}

VT_RESULT vt_dev_fill(struct vt_options *options, struct vt_err *err)
{
    if (!is_loopback(vt_config_text(options->config, VT_SET_LISTEN)))
        return vt_fail(err, VAULT_E_ARGUMENT, "listen", "Dev mode listens on a loopback address only.");
    if (!vt_config_is_set(options->config, VT_SET_DATA_DIR))
        VT_TRY(vt_config_set(options->config, VT_SET_DATA_DIR, "--dev", DEFAULT_DIR, err));
    const char *dir = vt_config_text(options->config, VT_SET_DATA_DIR);
    VT_TRY(set_path(options, VT_SET_TLS_CERTIFICATE, dir, "tls/" VT_TLS_DEV_CERTIFICATE_FILE, err));
    VT_TRY(set_path(options, VT_SET_TLS_KEY, dir, "tls/" VT_TLS_DEV_KEY_FILE, err));
    return set_path(options, VT_SET_KEEPERS, dir, "keeper/keeper-1.vtk", err);
}

VT_RESULT vt_dev_prepare(const struct vt_options *options, struct vt_err *err)
{
    const char *dir = vt_config_text(options->config, VT_SET_DATA_DIR);
    char tls[VT_PATH_MAX];
    VT_TRY(make_dirs(dir, err));
    VT_TRY(path_join(tls, dir, "tls"));
    const vault_status status = vt_tls_make_dev_certificates(tls);
    if (status != VAULT_OK && status != VAULT_E_EXISTS)
        return vt_fail(err, status, NULL, "TLS certificates cannot be made in %s: %s", tls, vault_status_text(status));
    return VAULT_OK;
}

/* Files of one secret ------------------------------------------------------------------------------------------------ */

/* What could not be written whole is taken away again. */
static VT_RESULT secret_write(const char *path, struct vt_bytes text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    VT_ENSURE(fd >= 0, errno == EEXIST ? VAULT_E_EXISTS : VAULT_E_IO);
    const bool is_written = write(fd, text.data, text.len) == (ssize_t)text.len && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
    const bool is_closed = close(fd) == 0;
    if (is_written && is_closed) return VAULT_OK;
    unlink(path);
    return VAULT_E_IO;
}

static VT_RESULT secret_read(const char *path, struct vt_buf *out)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    VT_ENSURE(fd >= 0, errno == ENOENT ? VAULT_E_NOT_FOUND : VAULT_E_IO);
    struct stat about;
    uint8_t *space;
    vault_status status = fstat(fd, &about) == 0 ? VAULT_OK : VAULT_E_IO;
    if (status == VAULT_OK && (about.st_mode & 077) != 0) status = VAULT_E_STATE;
    if (status == VAULT_OK) status = vt_buf_reserve(out, KEY_FILE_MAX, &space);
    const ssize_t len = status == VAULT_OK ? read(fd, space, KEY_FILE_MAX) : 0;
    if (len < 0) status = VAULT_E_IO;
    if (len > 0) vt_buf_commit(out, (size_t)len);
    close(fd);
    return status;
}

static VT_RESULT key_file_make(const char *path)
{
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    char text[KEY_TEXT_LEN + 1];
    VT_TRY(vt_random_key(&key));
    vt_hex_encode(vt_key_bytes(&key), text);
    const vault_status status = secret_write(path, vt_bytes(text, KEY_TEXT_LEN));
    vt_wipe(text, sizeof text);
    return status;
}

/* Credentials --------------------------------------------------------------------------------------------------------- */

struct dev_credentials {
    struct vt_vault *vault;
    struct vt_keyring_view *view;
    struct vt_change *change;
    const char *dir;
    int64_t now_ms;
    struct vt_err *err;
};

static VT_RESULT credential_plan(struct dev_credentials *plan, const struct vt_role *role)
{
    char secret[VT_SECRET_TEXT_LEN], path[VT_PATH_MAX];
    uint8_t principal[16];
    VT_TRY(path_join(path, plan->dir, role->name));
    VT_TRY(vt_credentials_plan_create(plan->view, plan->change, vt_bytes_str(role->name), role, 0, plan->now_ms, secret,
                                      principal, plan->err));
    if (unlink(path) != 0 && errno != ENOENT) return vt_fail(plan->err, VAULT_E_IO, NULL, "%s cannot be replaced.", path);
    const vault_status status = secret_write(path, vt_bytes_str(secret));
    vt_wipe(secret, sizeof secret);
    if (status != VAULT_OK) return vt_fail(plan->err, status, NULL, "The file %s cannot be written.", path);
    return VAULT_OK;
}

static VT_RESULT credentials_commit(struct dev_credentials *plan)
{
    struct vt_commit_item item = {.change = plan->change, .since = vt_stamps_now(vt_vault_stamps(plan->vault))};
    item.leaf.effect = VT_AUDIT_SYSTEM;
    item.leaf.incarnation = vt_keyring_view_incarnation(plan->view);
    item.leaf.item_count = (uint32_t)VT_ROLE_COUNT;
    return vt_vault_commit_wait(plan->vault, &item);
}

static VT_RESULT credentials_make(struct dev_credentials *plan)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO_PTR(vt_change) change = NULL;
    VT_TRY(vt_txn_begin_read(vt_vault_store(plan->vault), &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(vt_vault_keyring(plan->vault), txn, &view));
    VT_TRY(vt_change_new(VT_TENANT_DEFAULT, &change));
    plan->view = view;
    plan->change = change;
    for (size_t i = 0; i < VT_ROLE_COUNT; i++) VT_TRY(credential_plan(plan, &VT_ROLES[i]));
    return credentials_commit(plan);
}

static VT_RESULT credentials_load(struct vt_vault *vault, bool *out_is_empty)
{
    VT_AUTO_PTR(vt_txn) txn = NULL;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(16 * 1024 * 1024);
    struct vt_value list;
    VT_TRY(vt_txn_begin_read(vt_vault_store(vault), &txn));
    VT_AUTO_PTR(vt_keyring_view) view = NULL;
    VT_TRY(vt_keyring_view_begin(vt_vault_keyring(vault), txn, &view));
    VT_TRY(vt_credentials_load(vt_vault_credentials(vault), view));
    VT_TRY(vt_credentials_list(view, &pool, vt_clock_now_ms(vt_vault_clock(vault)), &list));
    *out_is_empty = list.array.count == 0;
    return VAULT_OK;
}

/* The files are written before the commit that makes them good: a crash between leaves a vault without credentials, and the next
 * start makes them again. */
static VT_RESULT credentials_ensure(struct vt_vault *vault, const char *dir, struct vt_err *err)
{
    char path[VT_PATH_MAX];
    bool is_empty;
    VT_TRY(credentials_load(vault, &is_empty));
    if (!is_empty || vt_vault_get_options(vault)->is_read_only) return VAULT_OK;
    VT_TRY(path_join(path, dir, "credentials"));
    struct dev_credentials plan = {.vault = vault, .dir = path, .now_ms = vt_clock_now_ms(vt_vault_clock(vault)), .err = err};
    VT_TRY(credentials_make(&plan));
    return credentials_load(vault, &is_empty);
}

/* Unsealing ------------------------------------------------------------------------------------------------------------ */

static vault_status wrap_by_key_file(void *context, struct vt_wraps *wraps, const struct vt_key *unseal_key)
{
    const struct vt_buf *file = context;
    return vt_wraps_add_key_file(wraps, unseal_key, vt_buf_bytes(file), vt_clock_now_ms(vt_clock_system()));
}

static VT_RESULT unseal_by_file(struct vt_vault *vault, struct vt_bytes file, struct vt_err *err)
{
    VT_AUTO_PTR(vt_wraps) wraps = NULL;
    VT_AUTO(vt_key) key = VT_KEY_INIT;
    VT_TRY(vt_epoch_wraps(vt_vault_epoch(vault), &wraps));
    const vault_status status = vt_wraps_open_key_file(wraps, file, &key);
    if (status == VAULT_E_PARSE)
        return vt_fail(err, status, NULL, "The unseal key file is none: it must hold 32 bytes, as hexadecimal digits or base64.");
    if (status != VAULT_OK)
        return vt_fail(err, status, NULL, "The unseal key file does not open this vault: %s", vault_status_text(status));
    return vt_vault_unseal(vault, &key, err);
}

static VT_RESULT initialise(struct vt_vault *vault, struct vt_buf *file, struct vt_err *err)
{
    if (vt_vault_get_options(vault)->is_read_only)
        return vt_fail(err, VAULT_E_NOT_INITIALISED, NULL, "There is no vault to serve read-only.");
    const vault_status status = vt_epoch_initialise(vt_vault_epoch(vault), wrap_by_key_file, file);
    if (status == VAULT_E_EXISTS)
        return vt_fail(err, status, NULL,
                       "The store is empty, but a keeper holds a share of some vault already: put the store's files back.");
    if (status != VAULT_OK)
        return vt_fail(err, status, NULL, "The vault could not be initialised: %s", vault_status_text(status));
    return vt_vault_unseal(vault, NULL, err);
}

static VT_RESULT key_file_open(const struct vt_options *options, const char *dir, bool may_make, struct vt_buf *out_file,
                               struct vt_err *err)
{
    char path[VT_PATH_MAX];
    VT_TRY(path_join(path, dir, "keeper/unseal.key"));
    const char *file = options->unseal_key_file != NULL ? options->unseal_key_file : path;
    vault_status status = secret_read(file, out_file);
    if (status == VAULT_E_NOT_FOUND && may_make && options->unseal_key_file == NULL) {
        status = key_file_make(file);
        if (status == VAULT_OK) status = secret_read(file, out_file);
    }
    if (status == VAULT_E_STATE)
        return vt_fail(err, status, NULL, "The unseal key file %s can be read by others: its mode must be 0600.", file);
    if (status != VAULT_OK) return vt_fail(err, status, NULL, "The unseal key file %s cannot be used.", file);
    return VAULT_OK;
}

VT_RESULT vt_dev_unseal(const struct vt_options *options, struct vt_vault *vault, struct vt_err *err)
{
    VT_AUTO(vt_buf) file = VT_BUF_INIT(KEY_FILE_MAX);
    const char *dir = vt_config_text(options->config, VT_SET_DATA_DIR);
    const bool is_new = vt_vault_state(vault) == VT_VAULT_NOT_INITIALISED;
    VT_TRY(key_file_open(options, dir, is_new, &file, err));
    if (is_new)
        VT_TRY(initialise(vault, &file, err));
    else
        VT_TRY(unseal_by_file(vault, vt_buf_bytes(&file), err));
    return credentials_ensure(vault, dir, err);
}
