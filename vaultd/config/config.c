#include "vaultd/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libvault/base/fault.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "libvault/codec/yaml.h"
#include "libvault/proof/note.h"

enum { CONFIG_POOL_MAX = 8 * 1024 * 1024, KEEPERS_MAX = 16, NAMES_MAX = 256, KEEPER_NAME_MAX = 64,
       TEXT_BYTES_MAX = 4096 };

struct setting {
    const char *text;
    int64_t integer;
    const char *flag;               /* origin: a flag, or else the file's line, or else the default */
    uint32_t line;
};

struct vt_config {
    struct vt_pool pool;            /* every text */
    const char *file;               /* NULL: none was read */
    struct setting settings[VT_SET_COUNT];
    struct vt_config_keeper keepers[KEEPERS_MAX];
    size_t keeper_count;
    const char *names[NAMES_MAX];
    size_t name_count;
    uint8_t fingerprints[VT_CONFIG_FINGERPRINTS_MAX][VT_CONFIG_FINGERPRINT_LEN];
    size_t fingerprint_count;
};

static vault_status memory_short(struct vt_err *err)
{
    return vt_fail(err, VAULT_E_MEMORY, NULL, "%s", vault_status_text(VAULT_E_MEMORY));
}

static VT_RESULT keep_text(struct vt_config *config, struct vt_bytes text, const char **out_text)
{
    const struct vt_bytes copy = vt_pool_copy(&config->pool, text);
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    *out_text = (const char *)copy.data;
    return VAULT_OK;
}

/* Where a value stands, for messages: "vaultd.yaml:7" or "--listen". */
struct origin {
    const char *file;
    uint32_t line;
    const char *flag;
};

static vault_status refuse(struct vt_err *err, vault_status status, const struct origin *origin, const char *name,
                           const char *sentence)
{
    VT_BUG_ON(origin->flag == NULL && origin->file == NULL);
    if (origin->flag != NULL) return vt_fail(err, status, name, "%s: %s", origin->flag, sentence);
    return vt_fail(err, status, name, "%s line %u: %s", origin->file, origin->line, sentence);
}

static VT_RESULT check_range(const struct vt_setting_row *row, int64_t number, const struct origin *origin, struct vt_err *err)
{
    if (number >= row->least && number <= row->most) return VAULT_OK;
    char sentence[128];
    snprintf(sentence, sizeof sentence, "%s must be from %lld to %lld.", row->name, (long long)row->least, (long long)row->most);
    return refuse(err, VAULT_E_INVALID_VALUE, origin, row->name, sentence);
}

static bool is_log_level(struct vt_bytes text)
{
    return vt_bytes_equal_str(text, "error") || vt_bytes_equal_str(text, "warn") || vt_bytes_equal_str(text, "info") ||
           vt_bytes_equal_str(text, "debug");
}

static bool is_brake_mode(struct vt_bytes text)
{
    return vt_bytes_equal_str(text, "auto") || vt_bytes_equal_str(text, "on") || vt_bytes_equal_str(text, "off");
}

/* HOST:PORT; @p is_address asks for an IP address and a port. */
static bool is_listen(struct vt_bytes text, bool is_address)
{
    char copy[VT_CONFIG_HOST_MAX + 16], host[VT_CONFIG_HOST_MAX];
    const char *port;
    if (text.len >= sizeof copy) return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (vt_config_listen_split(copy, host, &port) != VAULT_OK) return false;
    return !is_address || vt_config_host_is_address(host);
}

static bool is_keeper_name(struct vt_bytes name)
{
    if (name.len == 0 || name.len > KEEPER_NAME_MAX) return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~') return false;
    return true;
}

static VT_RESULT check_text(enum vt_setting setting, struct vt_bytes text, const struct origin *origin, struct vt_err *err)
{
    const char *name = VT_SETTINGS[setting].name;
    const bool is_plain = text.len != 0 && text.len < TEXT_BYTES_MAX && memchr(text.data, 0, text.len) == NULL;
    if (!is_plain) return refuse(err, VAULT_E_INVALID_VALUE, origin, name, "The text is empty or too long.");
    if (setting == VT_SET_BRAKE_MODE && !is_brake_mode(text))
        return refuse(err, VAULT_E_INVALID_VALUE, origin, name, "brake.mode must be auto, on or off.");
    if (setting == VT_SET_LOG_LEVEL && !is_log_level(text))
        return refuse(err, VAULT_E_INVALID_VALUE, origin, name, "log.level must be error, warn, info or debug.");
    if (setting == VT_SET_KEEPER_NAME && !is_keeper_name(text))
        return refuse(err, VAULT_E_INVALID_VALUE, origin, name, "A keeper's name is 1 to 64 visible ASCII characters.");
    if (setting == VT_SET_KEEPER_LISTEN && !is_listen(text, true))
        return refuse(err, VAULT_E_INVALID_VALUE, origin, name,
                      "keeper.listen must be IP:PORT or [IPv6]:PORT, the port 0 to 65535.");
    if (setting == VT_SET_LISTEN && !is_listen(text, false))
        return refuse(err, VAULT_E_INVALID_VALUE, origin, name, "listen must be HOST:PORT or [IPv6]:PORT, the port 0 to 65535.");
    return VAULT_OK;
}

static VT_RESULT set_text(struct vt_config *config, enum vt_setting setting, struct vt_bytes text, const struct origin *origin,
                          struct vt_err *err)
{
    VT_TRY(check_text(setting, text, origin, err));
    const char *kept;
    if (keep_text(config, text, &kept) != VAULT_OK) return memory_short(err);
    config->settings[setting] = (struct setting){.text = kept, .flag = origin->flag, .line = origin->line};
    return VAULT_OK;
}

static VT_RESULT set_int(struct vt_config *config, enum vt_setting setting, int64_t number, const struct origin *origin,
                         struct vt_err *err)
{
    VT_TRY(check_range(&VT_SETTINGS[setting], number, origin, err));
    config->settings[setting] = (struct setting){.integer = number, .flag = origin->flag, .line = origin->line};
    return VAULT_OK;
}

/* Lists ------------------------------------------------------------------------------------------------------------ */

static VT_RESULT add_name(struct vt_config *config, const struct vt_value *item, struct origin *origin, struct vt_err *err)
{
    origin->line = item->line;
    if (item->kind != VT_VALUE_TEXT || !vt_name_is_valid(item->bytes))
        return refuse(err, VAULT_E_INVALID_VALUE, origin, "purposes", "A purpose is a name: a-z, then a-z, 0-9, _ . or -.");
    for (size_t i = 0; i < config->name_count; i++)
        if (vt_bytes_equal_str(item->bytes, config->names[i]))
            return refuse(err, VAULT_E_INVALID_VALUE, origin, "purposes", "A purpose stands in the list twice.");
    if (keep_text(config, item->bytes, &config->names[config->name_count]) != VAULT_OK) return memory_short(err);
    config->name_count++;
    return VAULT_OK;
}

static VT_RESULT set_names(struct vt_config *config, const struct vt_value *list, struct origin *origin, struct vt_err *err)
{
    if (list->kind != VT_VALUE_ARRAY)
        return refuse(err, VAULT_E_TYPE, origin, "purposes", "purposes is a list of names.");
    if (list->array.count == 0 || list->array.count > NAMES_MAX)
        return refuse(err, VAULT_E_INVALID_VALUE, origin, "purposes", "purposes has from 1 to 256 names.");
    config->settings[VT_SET_PURPOSES] = (struct setting){.line = origin->line};
    config->name_count = 0;
    for (size_t i = 0; i < list->array.count; i++) VT_TRY(add_name(config, &list->array.items[i], origin, err));
    return VAULT_OK;
}

struct keeper_place {
    const char *kind;
    struct vt_bytes path, verifier;         /* the verifier's data is NULL for all but a remote one */
};
#define KIND_REMOTE "remote"

/* Resolving a name could take longer than any deadline, so a remote keeper has an address. */
static VT_RESULT check_place(const struct keeper_place *place, const struct origin *origin, struct vt_err *err)
{
    struct vt_note_verifier verifier;
    if (strcmp(place->kind, KIND_REMOTE) != 0) return check_text(VT_SET_KEEPERS, place->path, origin, err);
    if (!is_listen(place->path, true))
        return refuse(err, VAULT_E_INVALID_VALUE, origin, "keepers",
                      "The place of a remote keeper must be IP:PORT or [IPv6]:PORT.");
    if (vt_note_verifier_parse(place->verifier, &verifier) != VAULT_OK)
        return refuse(err, VAULT_E_INVALID_VALUE, origin, "keepers",
                      "The verifier of a remote keeper is the text that vaultd --keeper prints behind verifier= at its start.");
    return VAULT_OK;
}

/* A keeper that is complete, its texts borrowed. */
static VT_RESULT add_keeper(struct vt_config *config, struct vt_bytes name, const struct keeper_place *place,
                            const struct origin *origin, struct vt_err *err)
{
    if (config->keeper_count == KEEPERS_MAX)
        return refuse(err, VAULT_E_INVALID_VALUE, origin, "keepers", "keepers has from 1 to 16 entries.");
    if (!is_keeper_name(name))
        return refuse(err, VAULT_E_INVALID_VALUE, origin, "keepers", "A keeper's name is 1 to 64 visible ASCII characters.");
    VT_TRY(check_place(place, origin, err));
    for (size_t i = 0; i < config->keeper_count; i++)
        if (vt_bytes_equal_str(name, config->keepers[i].name) || vt_bytes_equal_str(place->path, config->keepers[i].path))
            return refuse(err, VAULT_E_INVALID_VALUE, origin, "keepers", "Two keepers have one name or one place.");
    struct vt_config_keeper *keeper = &config->keepers[config->keeper_count];
    *keeper = (struct vt_config_keeper){.kind = place->kind};
    if (keep_text(config, name, &keeper->name) != VAULT_OK || keep_text(config, place->path, &keeper->path) != VAULT_OK)
        return memory_short(err);
    if (place->verifier.data != NULL && keep_text(config, place->verifier, &keeper->verifier) != VAULT_OK) return memory_short(err);
    config->keeper_count++;
    return VAULT_OK;
}

static const char *const KEEPER_KINDS[] = {"file", "raw", KIND_REMOTE};

/* The kind is the key beside the name. */
static bool read_place(const struct vt_value *map, struct keeper_place *out_place)
{
    if (map->kind != VT_VALUE_MAP) return false;
    for (size_t i = 0; i < VT_ARRAY_LEN(KEEPER_KINDS); i++) {
        const struct vt_bytes path = vt_value_get_text(map, KEEPER_KINDS[i]);
        if (path.data == NULL) continue;
        const struct vt_bytes verifier = vt_value_get_text(map, "verifier");
        const bool is_remote = strcmp(KEEPER_KINDS[i], KIND_REMOTE) == 0;
        *out_place = (struct keeper_place){KEEPER_KINDS[i], path, verifier};
        return is_remote == (verifier.data != NULL) && map->map.count == (is_remote ? 3 : 2);
    }
    return false;
}

static VT_RESULT read_keeper(struct vt_config *config, const struct vt_value *map, struct origin *origin, struct vt_err *err)
{
    struct keeper_place place;
    origin->line = map->line;
    const struct vt_bytes name = vt_value_get_text(map, "name");
    if (name.data != NULL && read_place(map, &place)) return add_keeper(config, name, &place, origin, err);
    return refuse(err, VAULT_E_TYPE, origin, "keepers",
                  "A keeper has the key name and one of file, raw and remote, with remote also verifier, all text, and no others.");
}

static VT_RESULT set_keepers(struct vt_config *config, const struct vt_value *list, struct origin *origin, struct vt_err *err)
{
    if (list->kind != VT_VALUE_ARRAY)
        return refuse(err, VAULT_E_TYPE, origin, "keepers", "keepers is a list of maps with name and file, raw or remote.");
    if (list->array.count == 0)
        return refuse(err, VAULT_E_INVALID_VALUE, origin, "keepers", "keepers has from 1 to 16 entries.");
    config->settings[VT_SET_KEEPERS] = (struct setting){.line = origin->line};
    config->keeper_count = 0;
    for (size_t i = 0; i < list->array.count; i++) VT_TRY(read_keeper(config, &list->array.items[i], origin, err));
    return VAULT_OK;
}

static VT_RESULT add_fingerprint(struct vt_config *config, const struct vt_value *item, struct origin *origin, struct vt_err *err)
{
    uint8_t *into = config->fingerprints[config->fingerprint_count];
    origin->line = item->line;
    if (item->kind != VT_VALUE_TEXT || vt_hex_decode(item->bytes, into, VT_CONFIG_FINGERPRINT_LEN) != VAULT_OK)
        return refuse(err, VAULT_E_INVALID_VALUE, origin, VT_SETTINGS[VT_SET_KEEPER_VAULTS].name,
                      "A fingerprint is the SHA-256 of a TLS certificate in DER: 64 hex digits, in quotes when all are decimal.");
    config->fingerprint_count++;
    return VAULT_OK;
}

static VT_RESULT set_fingerprints(struct vt_config *config, const struct vt_value *list, struct origin *origin, struct vt_err *err)
{
    const char *name = VT_SETTINGS[VT_SET_KEEPER_VAULTS].name;
    if (list->kind != VT_VALUE_ARRAY) return refuse(err, VAULT_E_TYPE, origin, name, "keeper.vaults is a list of fingerprints.");
    if (list->array.count == 0 || list->array.count > VT_CONFIG_FINGERPRINTS_MAX)
        return refuse(err, VAULT_E_INVALID_VALUE, origin, name, "keeper.vaults has from 1 to 8 fingerprints.");
    config->settings[VT_SET_KEEPER_VAULTS] = (struct setting){.line = origin->line};
    config->fingerprint_count = 0;
    for (size_t i = 0; i < list->array.count; i++) VT_TRY(add_fingerprint(config, &list->array.items[i], origin, err));
    return VAULT_OK;
}

/* The file --------------------------------------------------------------------------------------------------------- */

static VT_RESULT set_value(struct vt_config *config, enum vt_setting setting, const struct vt_value *value,
                           struct vt_err *err)
{
    const struct vt_setting_row *row = &VT_SETTINGS[setting];
    struct origin origin = {config->file, value->line, NULL};
    switch (row->kind) {
    case VT_SETTING_TEXT:
        if (value->kind != VT_VALUE_TEXT) return refuse(err, VAULT_E_TYPE, &origin, row->name, "The value must be text.");
        return set_text(config, setting, value->bytes, &origin, err);
    case VT_SETTING_INT:
        if (value->kind != VT_VALUE_INT)
            return refuse(err, VAULT_E_TYPE, &origin, row->name, "The value must be a whole number.");
        return set_int(config, setting, value->integer, &origin, err);
    case VT_SETTING_NAMES:
        return set_names(config, value, &origin, err);
    case VT_SETTING_KEEPERS:
        return set_keepers(config, value, &origin, err);
    case VT_SETTING_FINGERPRINTS:
        return set_fingerprints(config, value, &origin, err);
    }
    return VAULT_E_TYPE;
}

/* "tls" and "certificate" -> tls.certificate. -1: no such setting; -2: the name of a group */
static int setting_find(struct vt_bytes group, struct vt_bytes key)
{
    char name[2 * VT_LIMIT_NAME_BYTES + 2];
    if (group.len > VT_LIMIT_NAME_BYTES || key.len > VT_LIMIT_NAME_BYTES) return -1;
    const int len = group.len == 0 ? snprintf(name, sizeof name, "%.*s", (int)key.len, (const char *)key.data)
                                   : snprintf(name, sizeof name, "%.*s.%.*s", (int)group.len, (const char *)group.data,
                                              (int)key.len, (const char *)key.data);
    for (int i = 0; i < VT_SET_COUNT; i++)
        if (strcmp(VT_SETTINGS[i].name, name) == 0) return i;
    for (int i = 0; i < VT_SET_COUNT && group.len == 0; i++)
        if (strncmp(VT_SETTINGS[i].name, name, (size_t)len) == 0 && VT_SETTINGS[i].name[len] == '.') return -2;
    return -1;
}

/* A name is said back only when it is fit for a terminal and a log line; is_keeper_name() asks for just that. */
static vault_status refuse_key(const struct vt_config *config, struct vt_bytes group, const struct vt_pair *pair,
                               struct vt_err *err)
{
    const struct origin origin = {config->file, pair->value.line, NULL};
    const struct vt_bytes key = pair->key;
    char sentence[2 * VT_LIMIT_NAME_BYTES + 128];
    if (!is_keeper_name(key)) return refuse(err, VAULT_E_ARGUMENT, &origin, NULL, "There is no setting of that name.");
    snprintf(sentence, sizeof sentence, "There is no setting %.*s%s%.*s%s", (int)group.len, (const char *)group.data,
             group.len != 0 ? "." : "", (int)key.len, (const char *)key.data,
             memchr(key.data, '.', key.len) == NULL ? "; --sample-config shows every setting."
                                                    : ": a setting of a group stands in the map of its group.");
    return refuse(err, VAULT_E_ARGUMENT, &origin, NULL, sentence);
}

static VT_RESULT read_group(struct vt_config *config, const struct vt_pair *group, struct vt_err *err)
{
    if (group->value.kind != VT_VALUE_MAP) {
        const struct origin origin = {config->file, group->value.line, NULL};
        return refuse(err, VAULT_E_TYPE, &origin, NULL, "The value must be a map of settings.");
    }
    for (size_t i = 0; i < group->value.map.count; i++) {
        const struct vt_pair *pair = &group->value.map.pairs[i];
        const int setting = setting_find(group->key, pair->key);
        if (setting < 0) return refuse_key(config, group->key, pair, err);
        VT_TRY(set_value(config, (enum vt_setting)setting, &pair->value, err));
    }
    return VAULT_OK;
}

static VT_RESULT read_pair(struct vt_config *config, const struct vt_pair *pair, struct vt_err *err)
{
    const int setting = memchr(pair->key.data, '.', pair->key.len) != NULL ? -1 : setting_find(VT_BYTES_EMPTY, pair->key);
    if (setting == -1) return refuse_key(config, VT_BYTES_EMPTY, pair, err);
    if (setting == -2) return read_group(config, pair, err);
    return set_value(config, (enum vt_setting)setting, &pair->value, err);
}

VT_RESULT vt_config_read(struct vt_config *config, const char *file, struct vt_bytes yaml, struct vt_err *err)
{
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(CONFIG_POOL_MAX);
    struct vt_value document;
    if (keep_text(config, vt_bytes_str(file), &config->file) != VAULT_OK) return memory_short(err);
    struct vt_err why = {{0}, {0}};
    const vault_status status = vt_yaml_read(&pool, yaml, &document, &why);
    if (status != VAULT_OK) return vt_fail(err, status, NULL, "%s: %s", file, why.message);
    if (document.kind == VT_VALUE_NIL) return VAULT_OK;         /* comments only */
    if (document.kind != VT_VALUE_MAP) {
        const struct origin origin = {config->file, document.line, NULL};
        return refuse(err, VAULT_E_TYPE, &origin, NULL, "The file must be a map of settings.");
    }
    for (size_t i = 0; i < document.map.count; i++) VT_TRY(read_pair(config, &document.map.pairs[i], err));
    return VAULT_OK;
}

static VT_RESULT read_whole(int fd, struct vt_buf *out)
{
    for (;;) {
        uint8_t *space;
        VT_TRY(vt_buf_reserve(out, 4096, &space));
        const ssize_t len = read(fd, space, 4096);
        if (len < 0 && errno == EINTR) continue;
        VT_ENSURE(len >= 0, VAULT_E_IO);
        if (len == 0) return VAULT_OK;
        vt_buf_commit(out, (size_t)len);
    }
}

VT_RESULT vt_config_read_file(struct vt_config *config, const char *path, struct vt_err *err)
{
    VT_AUTO(vt_buf) text = VT_BUF_INIT(VT_LIMIT_YAML_BYTES + 4096);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return vt_fail(err, VAULT_E_IO, NULL, "The file %s cannot be opened: %s.", path, strerror(errno));
    const vault_status status = read_whole(fd, &text);
    close(fd);
    if (status != VAULT_OK) return vt_fail(err, status, NULL, "The file %s cannot be read.", path);
    return vt_config_read(config, path, vt_buf_bytes(&text), err);
}

/* Flags and checks -------------------------------------------------------------------------------------------------- */

static VT_RESULT set_number_text(struct vt_config *config, enum vt_setting setting, const struct origin *origin,
                                 const char *text, struct vt_err *err)
{
    char *end;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return refuse(err, VAULT_E_TYPE, origin, VT_SETTINGS[setting].name, "The value must be a whole number.");
    return set_int(config, setting, number, origin, err);
}

static VT_RESULT set_keeper_flag(struct vt_config *config, const struct origin *origin, const char *file, struct vt_err *err)
{
    if (config->settings[VT_SET_KEEPERS].flag == NULL) config->keeper_count = 0;
    char name[32];
    snprintf(name, sizeof name, "keeper-%zu", config->keeper_count + 1);
    const struct keeper_place place = {"file", vt_bytes_str(file), VT_BYTES_EMPTY};
    VT_TRY(add_keeper(config, vt_bytes_str(name), &place, origin, err));
    config->settings[VT_SET_KEEPERS] = (struct setting){.flag = origin->flag};
    return VAULT_OK;
}

VT_RESULT vt_config_set(struct vt_config *config, enum vt_setting setting, const char *flag, const char *text,
                        struct vt_err *err)
{
    const struct origin origin = {NULL, 0, flag};
    switch (VT_SETTINGS[setting].kind) {
    case VT_SETTING_TEXT:
        return set_text(config, setting, vt_bytes_str(text), &origin, err);
    case VT_SETTING_INT:
        return set_number_text(config, setting, &origin, text, err);
    case VT_SETTING_KEEPERS:
        return set_keeper_flag(config, &origin, text, err);
    default:
        return refuse(err, VAULT_E_UNSUPPORTED, &origin, VT_SETTINGS[setting].name, "This setting has no flag.");
    }
}

/* Steps over "/", "//" and "/./" to where the next name begins. */
static const char *path_next(const char *path)
{
    for (;;) {
        path += strspn(path, "/");
        if (path[0] != '.' || (path[1] != '/' && path[1] != '\0')) return path;
        path++;
    }
}

/* Where a path leads: how far above the working directory, then "/name" by "/name". */
struct place {
    size_t ups;
    char names[TEXT_BYTES_MAX + 1];
};

static void path_resolve(const char *path, struct place *out_place)
{
    const bool is_absolute = path[0] == '/';
    size_t ups = 0, len = 0;
    for (path = path_next(path); path[0] != '\0'; path = path_next(path)) {
        const size_t name_len = strcspn(path, "/");
        const bool climbs = name_len == 2 && memcmp(path, "..", 2) == 0;
        if (!climbs) {
            out_place->names[len++] = '/';
            memcpy(out_place->names + len, path, name_len);
            len += name_len;
        }
        if (climbs && len == 0 && !is_absolute) ups++;
        if (climbs && len != 0) while (out_place->names[--len] != '/') continue;
        path += name_len;
    }
    out_place->names[len] = '\0';
    out_place->ups = ups;
}

/* By the names alone: the files may not be there yet, and a check does not look at them. */
static bool path_lies_in(const char *path, const char *dir)
{
    struct place place, around;
    if ((path[0] == '/') != (dir[0] == '/')) return false;
    path_resolve(path, &place);
    path_resolve(dir, &around);
    const size_t len = strlen(around.names);
    if (len == 0 && place.ups < around.ups) return true;        /* the working directory lies in those above it */
    return place.ups == around.ups && strncmp(place.names, around.names, len) == 0 && place.names[len] == '/';
}

/* A copy of data_dir, which a backup or a snapshot may be, would hold the shares beside what they open, for ever. */
static VT_RESULT check_keepers_lie_outside(const struct vt_config *config, struct vt_err *err)
{
    for (size_t i = 0; i < config->keeper_count; i++)
        if (config->keepers[i].verifier == NULL &&
            path_lies_in(config->keepers[i].path, config->settings[VT_SET_DATA_DIR].text))
            return vt_fail(err, VAULT_E_INVALID_VALUE, "keepers",
                           "The keeper %s lies in data_dir, whose copies would then hold its share: put it outside, on a device of "
                           "its own.",
                           config->keepers[i].name);
    return VAULT_OK;
}

static vault_status missing(const struct vt_config *config, enum vt_setting setting, struct vt_err *err)
{
    return vt_fail(err, VAULT_E_ARGUMENT, VT_SETTINGS[setting].name, "The setting %s is missing: %s", VT_SETTINGS[setting].name,
                   config->file != NULL ? "add it to the file; --sample-config shows every setting."
                                        : "name a file with --config, or try vaultd out with --dev; see --help.");
}

static bool has_remote_keeper(const struct vt_config *config)
{
    for (size_t i = 0; i < config->keeper_count; i++)
        if (config->keepers[i].verifier != NULL) return true;
    return false;
}

/* A remote keeper's share is gone when it is restarted: the others must be enough. */
static VT_RESULT check_remote_keepers(const struct vt_config *config, struct vt_err *err)
{
    static const enum vt_setting NEEDED[] = {VT_SET_REMOTE_CA, VT_SET_REMOTE_CERTIFICATE, VT_SET_REMOTE_KEY};
    if (!has_remote_keeper(config)) return VAULT_OK;
    for (size_t i = 0; i < VT_ARRAY_LEN(NEEDED); i++)
        if (!vt_config_is_set(config, NEEDED[i])) return missing(config, NEEDED[i], err);
    if (config->keeper_count > (size_t)vt_config_int(config, VT_SET_QUORUM)) return VAULT_OK;
    return vt_fail(err, VAULT_E_INVALID_VALUE, "quorum",
                   "A remote keeper has its share in memory alone, so there must be more keepers than the quorum: with none to "
                   "spare its next restart would lose the vault.");
}

enum { BRAKE_DELAY_LEAST_S = 3600 };

/* Who may edit the file must not be able to let everybody be forgotten at once. */
static VT_RESULT check_brake(const struct vt_config *config, struct vt_err *err)
{
    if (strcmp(vt_config_text(config, VT_SET_BRAKE_MODE), "off") == 0)
        return vt_fail(err, VAULT_E_INVALID_VALUE, "brake.mode", "The brake on mass shredding is off with --dev only.");
    if (vt_config_int(config, VT_SET_BRAKE_DELAY_S) < BRAKE_DELAY_LEAST_S)
        return vt_fail(err, VAULT_E_INVALID_VALUE, "brake.delay_s",
                       "brake.delay_s must be at least %d without --dev: somebody has to have the time to look.",
                       BRAKE_DELAY_LEAST_S);
    return VAULT_OK;
}

static bool is_keeper_setting(int setting)
{
    return strncmp(VT_SETTINGS[setting].name, "keeper.", strlen("keeper.")) == 0;
}

/* A keeper's settings in a vault's file: whoever wrote them thinks that something comes of them. */
static VT_RESULT refuse_keeper_settings(const struct vt_config *config, struct vt_err *err)
{
    for (int i = 0; i < VT_SET_COUNT; i++)
        if (vt_config_is_set(config, (enum vt_setting)i) && is_keeper_setting(i))
            return vt_fail(err, VAULT_E_ARGUMENT, VT_SETTINGS[i].name,
                           "The setting %s is one of a keeper's process (--keeper), and a vault is none.", VT_SETTINGS[i].name);
    return VAULT_OK;
}

VT_RESULT vt_config_check(const struct vt_config *config, bool is_dev, struct vt_err *err)
{
    for (int i = 0; i < VT_SET_COUNT; i++)
        if (VT_SETTINGS[i].is_required && !vt_config_is_set(config, (enum vt_setting)i))
            return missing(config, (enum vt_setting)i, err);
    VT_TRY(refuse_keeper_settings(config, err));
    if (!is_dev) VT_TRY(check_keepers_lie_outside(config, err));
    if (!is_dev) VT_TRY(check_brake(config, err));
    if ((size_t)vt_config_int(config, VT_SET_QUORUM) > config->keeper_count)
        return vt_fail(err, VAULT_E_INVALID_VALUE, "quorum", "The quorum is larger than the number of keepers.");
    VT_TRY(check_remote_keepers(config, err));
    if (vt_config_int(config, VT_SET_CONNECTIONS_MEMORY_MIB) > vt_config_int(config, VT_SET_CONNECTIONS_MEMORY_TOTAL_MIB))
        return vt_fail(err, VAULT_E_INVALID_VALUE, "connections.memory_mib",
                       "One connection's memory is larger than connections.memory_total_mib, that of all of them.");
    return VAULT_OK;
}

/* What a keeper's process has in common with a vault, beside the settings of its own group. */
static bool is_shared_setting(int setting)
{
    static const enum vt_setting SHARED[] = {VT_SET_DATA_DIR,  VT_SET_TLS_CERTIFICATE,  VT_SET_TLS_KEY,
                                             VT_SET_LOG_LEVEL, VT_SET_TIMEOUTS_IDLE_MS, VT_SET_TIMEOUTS_HANDSHAKE_MS};
    for (size_t i = 0; i < VT_ARRAY_LEN(SHARED); i++)
        if (SHARED[i] == (enum vt_setting)setting) return true;
    return false;
}

VT_RESULT vt_config_check_keeper(const struct vt_config *config, struct vt_err *err)
{
    static const enum vt_setting NEEDED[] = {VT_SET_DATA_DIR, VT_SET_TLS_CERTIFICATE, VT_SET_TLS_KEY, VT_SET_KEEPER_CLIENT_CA,
                                             VT_SET_KEEPER_VAULTS};
    for (size_t i = 0; i < VT_ARRAY_LEN(NEEDED); i++)
        if (!vt_config_is_set(config, NEEDED[i])) return missing(config, NEEDED[i], err);
    for (int i = 0; i < VT_SET_COUNT; i++)
        if (vt_config_is_set(config, (enum vt_setting)i) && !is_keeper_setting(i) && !is_shared_setting(i))
            return vt_fail(err, VAULT_E_ARGUMENT, VT_SETTINGS[i].name, "The setting %s is one of a vault, and a keeper is none.",
                           VT_SETTINGS[i].name);
    return VAULT_OK;
}

VT_RESULT vt_config_new(struct vt_config **out_config)
{
    VT_AUTO_PTR(vt_config) config = vt_calloc(1, sizeof *config);
    VT_ENSURE(config != NULL, VAULT_E_MEMORY);
    config->pool = VT_POOL_INIT(CONFIG_POOL_MAX);
    for (int i = 0; i < VT_SET_COUNT; i++) {
        const struct vt_setting_row *row = &VT_SETTINGS[i];
        if (row->kind == VT_SETTING_INT) config->settings[i].integer = strtoll(row->otherwise, NULL, 10);
        if (row->kind == VT_SETTING_TEXT) config->settings[i].text = row->otherwise;
    }
    *out_config = VT_MOVE(config);
    return VAULT_OK;
}

void vt_config_free(struct vt_config *config)
{
    if (config == NULL) return;
    vt_pool_release(&config->pool);
    free(config);
}

/* Reading ----------------------------------------------------------------------------------------------------------- */

const char *vt_config_text(const struct vt_config *config, enum vt_setting setting)
{
    VT_BUG_ON(VT_SETTINGS[setting].kind != VT_SETTING_TEXT);
    return config->settings[setting].text;
}

int64_t vt_config_int(const struct vt_config *config, enum vt_setting setting)
{
    VT_BUG_ON(VT_SETTINGS[setting].kind != VT_SETTING_INT);
    return config->settings[setting].integer;
}

bool vt_config_is_set(const struct vt_config *config, enum vt_setting setting)
{
    return config->settings[setting].flag != NULL || config->settings[setting].line != 0;
}

const char *const *vt_config_names(const struct vt_config *config, enum vt_setting setting, size_t *out_count)
{
    VT_BUG_ON(VT_SETTINGS[setting].kind != VT_SETTING_NAMES);
    *out_count = config->name_count;
    return config->name_count != 0 ? config->names : NULL;
}

size_t vt_config_keeper_count(const struct vt_config *config)
{
    return config->keeper_count;
}

const struct vt_config_keeper *vt_config_keeper(const struct vt_config *config, size_t index)
{
    VT_BUG_ON(index >= config->keeper_count);
    return &config->keepers[index];
}

const uint8_t (*vt_config_fingerprints(const struct vt_config *config, size_t *out_count))[VT_CONFIG_FINGERPRINT_LEN]
{
    *out_count = config->fingerprint_count;
    return config->fingerprints;
}

/* Printing ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT print_list(const struct vt_config *config, enum vt_setting setting, struct vt_buf *out)
{
    const bool is_keepers = setting == VT_SET_KEEPERS;
    const size_t count = is_keepers ? config->keeper_count : config->name_count;
    VT_TRY(vt_buf_append_str(out, "["));
    for (size_t i = 0; i < count; i++) {
        if (i != 0) VT_TRY(vt_buf_append_str(out, ", "));
        if (is_keepers)
            VT_TRY(vt_buf_printf(out, "%s=%s:%s", config->keepers[i].name, config->keepers[i].kind, config->keepers[i].path));
        else
            VT_TRY(vt_buf_append_str(out, config->names[i]));
    }
    return vt_buf_append_str(out, "]");
}

static VT_RESULT print_fingerprints(const struct vt_config *config, struct vt_buf *out)
{
    char text[2 * VT_CONFIG_FINGERPRINT_LEN + 1];
    VT_TRY(vt_buf_append_str(out, "["));
    for (size_t i = 0; i < config->fingerprint_count; i++) {
        vt_hex_encode(vt_bytes(config->fingerprints[i], VT_CONFIG_FINGERPRINT_LEN), text);
        VT_TRY(vt_buf_printf(out, "%s%s", i != 0 ? ", " : "", text));
    }
    return vt_buf_append_str(out, "]");
}

static VT_RESULT print_value(const struct vt_config *config, enum vt_setting setting, struct vt_buf *out)
{
    const struct setting *value = &config->settings[setting];
    switch (VT_SETTINGS[setting].kind) {
    case VT_SETTING_INT:
        return vt_buf_printf(out, "%lld", (long long)value->integer);
    case VT_SETTING_TEXT:
        return vt_buf_append_str(out, value->text != NULL ? value->text : "(none)");
    case VT_SETTING_FINGERPRINTS:
        return print_fingerprints(config, out);
    default:
        return print_list(config, setting, out);
    }
}

VT_RESULT vt_config_print(const struct vt_config *config, struct vt_buf *out)
{
    for (int i = 0; i < VT_SET_COUNT; i++) {
        const struct setting *value = &config->settings[i];
        VT_TRY(vt_buf_printf(out, "%s = ", VT_SETTINGS[i].name));
        VT_TRY(print_value(config, (enum vt_setting)i, out));
        if (value->flag != NULL)
            VT_TRY(vt_buf_printf(out, "  # %s\n", value->flag));
        else if (value->line != 0)
            VT_TRY(vt_buf_printf(out, "  # %s:%u\n", config->file, value->line));
        else
            VT_TRY(vt_buf_append_str(out, "  # default\n"));
    }
    return VAULT_OK;
}
