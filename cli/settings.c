#include "cli/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/input.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "libvault/codec/yaml.h"

static const char DEFAULT_HOST[] = "127.0.0.1";
static const char DEFAULT_PORT[] = "7470";
enum { SETTING_MAX = 4096, SECOND_MS = 1000, TIMEOUT_MAX_S = 24 * 3600 };

/* Every key that the configuration file may hold. */
static const char *const FILE_KEYS[] = {"addr",    "socket", "cacert", "pin",     "tls_certificate", "tls_key",
                                        "credential_file", "format", "tenant", "purpose", "timeout"};

struct sources {
    struct vt_pool *pool;
    const struct vt_cli_input *input;
    struct vt_value file;           /* a map; empty when there is no file */
    struct vt_err *err;
};
/* How near to the caller a setting was found: flag, environment, file, nowhere. */
enum nearness { FROM_FLAG, FROM_ENVIRONMENT, FROM_FILE, FROM_NOWHERE };
struct found {
    const char *text;
    enum nearness nearness;
};

static const char *kept(struct vt_pool *pool, struct vt_bytes text)
{
    return (const char *)vt_pool_copy(pool, text).data;
}

static VT_RESULT env_file(const struct sources *sources, const char *name, const char *path, struct found *out_found)
{
    struct vt_bytes text;
    VT_TRY(vt_cli_read_text(sources->input, sources->pool, path, name, SETTING_MAX, true, &text, sources->err));
    *out_found = (struct found){(const char *)text.data, FROM_ENVIRONMENT};
    return VAULT_OK;
}

/* @param variable VAULTD_X or NULL */
static VT_RESULT look_up(const struct sources *sources, const char *flag, const char *variable, const char *key,
                         struct found *out_found)
{
    *out_found = (struct found){flag, FROM_FLAG};
    if (flag != NULL) return VAULT_OK;
    if (variable != NULL) {
        char file_variable[64];
        snprintf(file_variable, sizeof file_variable, "%s_FILE", variable);
        *out_found = (struct found){sources->input->env(variable), FROM_ENVIRONMENT};
        if (out_found->text != NULL) return VAULT_OK;
        const char *path = sources->input->env(file_variable);
        if (path != NULL) return env_file(sources, file_variable, path, out_found);
    }
    *out_found = (struct found){NULL, FROM_NOWHERE};
    const struct vt_bytes text = vt_value_get_text(&sources->file, key);
    if (text.data == NULL) return VAULT_OK;
    *out_found = (struct found){kept(sources->pool, text), FROM_FILE};
    return out_found->text != NULL ? VAULT_OK : VAULT_E_MEMORY;
}

static bool is_file_key(struct vt_bytes key)
{
    for (size_t i = 0; i < VT_ARRAY_LEN(FILE_KEYS); i++)
        if (vt_bytes_equal_str(key, FILE_KEYS[i])) return true;
    return false;
}

static VT_RESULT check_file(const struct vt_value *file, struct vt_err *err)
{
    if (file->kind != VT_VALUE_MAP)
        return vt_fail(err, VAULT_E_PARSE, "config", "The configuration file must be a map of settings.");
    for (size_t i = 0; i < file->map.count; i++) {
        const struct vt_pair *pair = &file->map.pairs[i];
        if (!is_file_key(pair->key))
            return vt_fail(err, VAULT_E_PARSE, "config", "Line %u of the configuration file holds an unknown setting.",
                           (unsigned)pair->value.line);
        if (pair->value.kind != VT_VALUE_TEXT)
            return vt_fail(err, VAULT_E_PARSE, "config", "Line %u of the configuration file must be text; quote it.",
                           (unsigned)pair->value.line);
    }
    return VAULT_OK;
}

/* The file that was named, or the one in its place if there is one. */
static VT_RESULT read_file(struct sources *sources, const char *flag)
{
    char path[SETTING_MAX];
    const char *home = sources->input->env("HOME");
    const char *base = sources->input->env("XDG_CONFIG_HOME");
    if (flag == NULL && base == NULL && home == NULL) return VAULT_OK;
    if (flag == NULL && base != NULL) snprintf(path, sizeof path, "%s/vaultd/config.yaml", base);
    if (flag == NULL && base == NULL) snprintf(path, sizeof path, "%s/.config/vaultd/config.yaml", home);
    if (flag == NULL && access(path, F_OK) != 0) return VAULT_OK;
    struct vt_bytes text;
    VT_TRY(vt_cli_read_text(sources->input, sources->pool, flag != NULL ? flag : path, "config", VT_LIMIT_YAML_BYTES,
                            false, &text, sources->err));
    VT_TRY(vt_yaml_read(sources->pool, text, &sources->file, sources->err));
    if (sources->file.kind == VT_VALUE_NIL) sources->file = vt_value_map();
    return check_file(&sources->file, sources->err);
}

static vault_status no_address(struct vt_err *err)
{
    return vt_fail(err, VAULT_E_ARGUMENT, "addr",
                   "The vault's address, of --addr or VAULTD_ADDR, must be HOST or HOST:PORT, the port 1 to 65535.");
}

static bool is_port(const char *text)
{
    uint16_t port;
    return vt_port_parse(vt_bytes_str(text), &port) && port != 0;
}

/* host, host:port, [v6], [v6]:port, v6 */
static VT_RESULT split_address(struct vt_pool *pool, const char *address, struct vt_transport_options *to,
                               struct vt_err *err)
{
    const char *colon = strrchr(address, ':');
    const bool is_bracketed = address[0] == '[';
    const char *close = is_bracketed ? strchr(address, ']') : NULL;
    const bool is_bare_v6 = !is_bracketed && colon != NULL && strchr(address, ':') != colon;
    const bool has_port = colon != NULL && !is_bare_v6 && (close == NULL || colon > close);
    if (is_bracketed && (close == NULL || (close[1] != '\0' && close[1] != ':'))) return no_address(err);
    const char *begin = is_bracketed ? address + 1 : address;
    const size_t len = is_bracketed ? (size_t)(close - begin) : has_port ? (size_t)(colon - begin) : strlen(begin);
    to->host = kept(pool, vt_bytes(begin, len));
    VT_ENSURE(to->host != NULL, VAULT_E_MEMORY);
    to->port = has_port ? colon + 1 : DEFAULT_PORT;
    return len != 0 && is_port(to->port) ? VAULT_OK : no_address(err);
}

/* The nearer of socket and address; the socket for what runs only there. */
static VT_RESULT settle_place(const struct sources *sources, const struct vt_cli_line *line,
                              struct vt_cli_settings *settings)
{
    struct found addr, socket;
    VT_TRY(look_up(sources, line->globals.addr, "VAULTD_ADDR", "addr", &addr));
    VT_TRY(look_up(sources, line->globals.socket, "VAULTD_SOCKET", "socket", &socket));
    const bool is_local = line->command != NULL && (line->command->flags & VT_LOCAL_ONLY) != 0;
    if (is_local && socket.text == NULL)
        return vt_fail(sources->err, VAULT_E_ARGUMENT, "socket",
                       "This command runs over the vault's Unix socket only: give --socket or VAULTD_SOCKET.");
    settings->is_over_socket = socket.text != NULL && (is_local || socket.nearness < addr.nearness);
    if (settings->is_over_socket) {
        settings->client.to.socket_path = socket.text;
        return VAULT_OK;
    }
    if (addr.text != NULL) return split_address(sources->pool, addr.text, &settings->client.to, sources->err);
    settings->client.to.host = DEFAULT_HOST;
    settings->client.to.port = DEFAULT_PORT;
    return VAULT_OK;
}

static VT_RESULT settle_tls(const struct sources *sources, const struct vt_cli_globals *globals,
                            struct vt_cli_settings *settings)
{
    struct found ca, pin, certificate, key;
    VT_TRY(look_up(sources, globals->cacert, "VAULTD_CACERT", "cacert", &ca));
    VT_TRY(look_up(sources, globals->pin, "VAULTD_PIN", "pin", &pin));
    VT_TRY(look_up(sources, globals->certificate, NULL, "tls_certificate", &certificate));
    VT_TRY(look_up(sources, globals->certificate_key, NULL, "tls_key", &key));
    struct vt_transport_options *to = &settings->client.to;
    to->ca_file = ca.text;
    to->certificate_file = certificate.text;
    to->key_file = key.text;
    if (pin.text != NULL && vt_hex_decode(vt_bytes_str(pin.text), settings->pin, sizeof settings->pin) != VAULT_OK)
        return vt_fail(sources->err, VAULT_E_ARGUMENT, "pin", "The pin must be 64 hexadecimal digits.");
    to->pin = pin.text != NULL ? settings->pin : NULL;
    return VAULT_OK;
}

static VT_RESULT settle_timeout(const struct sources *sources, const char *flag, struct vt_cli_settings *settings)
{
    struct found seconds;
    VT_TRY(look_up(sources, flag, "VAULTD_TIMEOUT", "timeout", &seconds));
    if (seconds.text == NULL) return VAULT_OK;
    char *end;
    errno = 0;
    const long number = strtol(seconds.text, &end, 10);
    if (errno != 0 || end == seconds.text || *end != '\0' || number <= 0 || number > TIMEOUT_MAX_S)
        return vt_fail(sources->err, VAULT_E_ARGUMENT, "timeout", "The timeout must be 1 to %d seconds.", TIMEOUT_MAX_S);
    settings->client.call_timeout_ms = (uint32_t)number * SECOND_MS;
    return VAULT_OK;
}

static VT_RESULT settle_text(const struct sources *sources, const char *variable, const char *key,
                             struct vt_bytes *out_text)
{
    struct found text;
    VT_TRY(look_up(sources, NULL, variable, key, &text));
    *out_text = text.text != NULL ? vt_bytes_str(text.text) : VT_BYTES_EMPTY;
    return VAULT_OK;
}

/* The path of a credential, or the credential itself from the environment: the nearer wins. */
static VT_RESULT settle_credential(const struct sources *sources, const char *flag, struct vt_cli_settings *settings)
{
    const char *secret = sources->input->env("VAULTD_CREDENTIAL");
    const char *path = sources->input->env("VAULTD_CREDENTIAL_FILE");
    if (flag != NULL) path = flag;
    if (flag == NULL && secret != NULL) {
        settings->credential = vt_bytes_str(secret);
        return VAULT_OK;
    }
    struct found found;
    VT_TRY(look_up(sources, path, NULL, "credential_file", &found));
    settings->credential_file = found.text;
    return VAULT_OK;
}

static VT_RESULT settle_format(const struct sources *sources, const char *flag, struct vt_cli_settings *settings)
{
    struct found format;
    VT_TRY(look_up(sources, flag, "VAULTD_FORMAT", "format", &format));
    const char *name = format.text != NULL ? format.text : "table";
    settings->is_json = strcmp(name, "json") == 0;
    if (settings->is_json || strcmp(name, "table") == 0) return VAULT_OK;
    return vt_fail(sources->err, VAULT_E_ARGUMENT, "format", "The format must be table or json.");
}

VT_RESULT vt_cli_settle(struct vt_pool *pool, const struct vt_cli_input *input, const struct vt_cli_line *line,
                        struct vt_cli_settings *out_settings, struct vt_err *err)
{
    *out_settings = (struct vt_cli_settings){0};
    struct sources sources = {.pool = pool, .input = input, .file = vt_value_map(), .err = err};
    const struct vt_cli_globals *globals = &line->globals;
    VT_TRY(read_file(&sources, globals->config));
    VT_TRY(settle_place(&sources, line, out_settings));
    VT_TRY(settle_tls(&sources, globals, out_settings));
    VT_TRY(settle_timeout(&sources, globals->timeout, out_settings));
    VT_TRY(settle_text(&sources, "VAULTD_TENANT", "tenant", &out_settings->tenant));
    VT_TRY(settle_text(&sources, "VAULTD_PURPOSE", "purpose", &out_settings->purpose));
    VT_TRY(settle_credential(&sources, globals->credential_file, out_settings));
    return settle_format(&sources, globals->format, out_settings);
}
