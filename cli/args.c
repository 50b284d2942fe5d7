#include "cli/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/help.h"
#include "cli/hooks.h"
#include "cli/input.h"
#include "libvault/codec/json.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"

const struct vt_cli_global_doc VT_CLI_GLOBALS[] = {
    {"addr", "HOST:PORT", "the vault; else VAULTD_ADDR, the file, 127.0.0.1:7470"},
    {"socket", "PATH", "its Unix socket, instead; else VAULTD_SOCKET, the file"},
    {"cacert", "FILE", "who signs the vault's TLS certificate; else VAULTD_CACERT, the file"},
    {"pin", "HEX", "SHA-256 of the vault's TLS certificate; else VAULTD_PIN, the file"},
    {"tls-certificate", "FILE", "a TLS certificate of your own, with --tls-key; it logs nobody in yet"},
    {"tls-key", "FILE", "its private key"},
    {"credential-file", "FILE", "the credential; else VAULTD_CREDENTIAL, VAULTD_CREDENTIAL_FILE, the file"},
    {"config", "FILE", "else ~/.config/vaultd/config.yaml"},
    {"format", "table|json", "how results are printed; default table"},
    {"only", "KEY", "print this result alone, bare"},
    {"timeout", "SECONDS", "for one call; default 60"},
    {"yes", NULL, "confirm what would be asked"},
    {"quiet", NULL, "no progress"},
    {"no-wait", NULL, "do not wait for a job's end"},
    {"help", NULL, "say what there is"},
    {"version", NULL, "say the version of vaultctl; vaultctl version asks the vault for its own"},
};
const size_t VT_CLI_GLOBAL_COUNT = VT_ARRAY_LEN(VT_CLI_GLOBALS);

static const char **global_text(struct vt_cli_globals *globals, const char *name)
{
    const struct {
        const char *name;
        const char **value;
    } ALL[] = {{"addr", &globals->addr},
               {"socket", &globals->socket},
               {"cacert", &globals->cacert},
               {"pin", &globals->pin},
               {"tls-certificate", &globals->certificate},
               {"tls-key", &globals->certificate_key},
               {"credential-file", &globals->credential_file},
               {"config", &globals->config},
               {"format", &globals->format},
               {"only", &globals->only},
               {"timeout", &globals->timeout}};
    for (size_t i = 0; i < VT_ARRAY_LEN(ALL); i++)
        if (strcmp(ALL[i].name, name) == 0) return ALL[i].value;
    return NULL;
}

static bool *global_switch(struct vt_cli_globals *globals, const char *name)
{
    if (strcmp(name, "yes") == 0) return &globals->is_yes;
    if (strcmp(name, "quiet") == 0) return &globals->is_quiet;
    if (strcmp(name, "no-wait") == 0) return &globals->is_no_wait;
    if (strcmp(name, "help") == 0) return &globals->is_help;
    if (strcmp(name, "version") == 0) return &globals->is_version;
    return NULL;
}

bool vt_cli_is_named(const char *option, const char *arg_name)
{
    for (; *option != '\0' && *arg_name != '\0'; option++, arg_name++)
        if (*option != *arg_name && !(*option == '-' && *arg_name == '_')) return false;
    return *option == '\0' && *arg_name == '\0';
}

void vt_cli_option_of(const char *arg_name, char out_option[VT_CLI_OPTION_MAX])
{
    snprintf(out_option, VT_CLI_OPTION_MAX, "--%s", arg_name);
    for (char *at = out_option; *at != '\0'; at++)
        if (*at == '_') *at = '-';
}

static bool is_in_group(const struct vt_command *command, const char *group)
{
    const size_t len = strlen(group);
    return strncmp(command->name, group, len) == 0 && command->name[len] == '.';
}

bool vt_cli_group_exists(const char *group)
{
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++)
        if (is_in_group(VT_COMMANDS[i], group)) return true;
    return false;
}

static const char *verb_of(const struct vt_command *command)
{
    return strchr(command->name, '.') + 1;
}

const struct vt_command *vt_cli_command_of(const char *first, const char *second_or_null, size_t *out_used)
{
    *out_used = 1;
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        if (command->alias != NULL && strcmp(command->alias, first) == 0) return command;
        if ((command->flags & VT_TOP_LEVEL) != 0 && strcmp(verb_of(command), first) == 0) return command;
    }
    *out_used = 2;
    if (second_or_null == NULL) return NULL;
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++)
        if (is_in_group(VT_COMMANDS[i], first) && strcmp(verb_of(VT_COMMANDS[i]), second_or_null) == 0)
            return VT_COMMANDS[i];
    return NULL;
}

const char *vt_cli_extra(const struct vt_cli_line *line, const char *name)
{
    if (line->hook == NULL || line->hook->extras == NULL) return NULL;
    for (size_t i = 0; line->hook->extras[i].name != NULL; i++)
        if (strcmp(line->hook->extras[i].name, name) == 0) return line->extras[i];
    return NULL;
}

/* What the reader walks along. */
struct reader {
    struct vt_pool *pool;
    const struct vt_cli_input *input;
    int count;
    char *const *argv;
    int at;
    bool is_behind_dashes;          /* after "--" */
    size_t positionals;             /* taken so far */
    struct vt_cli_line *line;
    struct vt_err *err;
};

/* A word may be a slip that holds personal data: shown only when it looks like a name of ours. */
static const char *shown(const char *word)
{
    const size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz-_");
    return word[len] == '\0' && len < 32 ? word : "...";
}

static VT_RESULT parse_integer(const struct reader *reader, const struct vt_arg *arg, const char *text,
                               struct vt_value *out_value)
{
    int64_t number = 0;
    const bool is_negative = *text == '-';
    const char *at = text + (is_negative ? 1 : 0);
    bool is_number = *at != '\0';
    for (; *at != '\0' && is_number; at++) {
        is_number = *at >= '0' && *at <= '9' && !__builtin_mul_overflow(number, 10, &number) &&
                    !__builtin_add_overflow(number, *at - '0', &number);
    }
    if (!is_number)
        return vt_fail(reader->err, VAULT_E_TYPE, arg->name, "The argument %s must be an integer.", arg->name);
    *out_value = vt_value_int(is_negative ? -number : number);
    return VAULT_OK;
}

static VT_RESULT parse_bool(const struct reader *reader, const struct vt_arg *arg, const char *text,
                            struct vt_value *out_value)
{
    const bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0)
        return vt_fail(reader->err, VAULT_E_TYPE, arg->name, "The argument %s must be true or false.", arg->name);
    *out_value = vt_value_bool(is_true);
    return VAULT_OK;
}

/* Text as given; "@file" and "-" where what is given is personal or long; "@@x" is the text "@x". */
static VT_RESULT text_from(const struct reader *reader, const struct vt_arg *arg, const char *text, bool may_be_file,
                           bool is_line, struct vt_bytes *out_text)
{
    const bool is_stdin = strcmp(text, "-") == 0;
    const bool is_file = text[0] == '@' && text[1] != '@';
    if (may_be_file && (is_stdin || is_file))
        return vt_cli_read_text(reader->input, reader->pool, vt_cli_path(text), arg->name, VT_LIMIT_FRAME_BYTES, is_line,
                                out_text, reader->err);
    const struct vt_bytes given = vt_bytes_str(may_be_file && text[0] == '@' ? text + 1 : text);
    if (!vt_utf8_is_valid(given))
        return vt_fail(reader->err, VAULT_E_TYPE, arg->name, "The argument %s is not valid UTF-8.", arg->name);
    *out_text = given;
    return VAULT_OK;
}

static VT_RESULT checked_text(const struct reader *reader, const struct vt_arg *arg, struct vt_bytes text,
                              struct vt_value *out_value)
{
    if (!vt_utf8_is_valid(text))
        return vt_fail(reader->err, VAULT_E_TYPE, arg->name, "The argument %s is not valid UTF-8.", arg->name);
    *out_value = vt_value_text(text);
    return VAULT_OK;
}

static VT_RESULT parse_text(const struct reader *reader, const struct vt_arg *arg, const char *text,
                            struct vt_value *out_value)
{
    struct vt_bytes content;
    if ((arg->flags & VT_FROM_FILE) != 0)
        VT_TRY(vt_cli_read_text(reader->input, reader->pool, vt_cli_path(text), arg->name, VT_LIMIT_FRAME_BYTES, false,
                                &content, reader->err));
    else
        VT_TRY(text_from(reader, arg, text, (arg->flags & VT_PERSONAL) != 0, true, &content));
    return checked_text(reader, arg, content, out_value);
}

/* JSON in place, in a file or on standard input. The reader names the line, never the text. */
static VT_RESULT parse_json(const struct reader *reader, const struct vt_arg *arg, const char *text,
                            struct vt_value *out_value)
{
    struct vt_bytes json;
    VT_TRY(text_from(reader, arg, text, true, false, &json));
    struct vt_err why = {0};
    const vault_status status = vt_json_read(reader->pool, json, out_value, &why);
    if (status == VAULT_OK) return VAULT_OK;
    const bool is_perhaps_path = text[0] != '\0' && strchr("{[\"@-", text[0]) == NULL;
    return vt_fail(reader->err, status, arg->name, "The argument %s is not JSON: %s%s", arg->name,
                   why.message[0] != '\0' ? why.message : vault_status_text(status),
                   is_perhaps_path ? " A file of JSON is given as @FILE." : "");
}

/* Anything: what opens like JSON is JSON, the rest is text. A number is text too: a card number is none. */
static VT_RESULT parse_any(const struct reader *reader, const struct vt_arg *arg, const char *text,
                           struct vt_value *out_value)
{
    if (text[0] != '\0' && strchr("{[\"", text[0]) != NULL) return parse_json(reader, arg, text, out_value);
    struct vt_bytes content;
    VT_TRY(text_from(reader, arg, text, true, true, &content));
    return checked_text(reader, arg, content, out_value);
}

static VT_RESULT parse_bytes(const struct reader *reader, const struct vt_arg *arg, const char *text,
                             struct vt_value *out_value)
{
    struct vt_bytes content;
    VT_TRY(text_from(reader, arg, text, true, false, &content));
    *out_value = vt_value_bytes(content);
    return VAULT_OK;
}

static VT_RESULT push_lines(const struct reader *reader, const struct vt_arg *arg, struct vt_bytes text,
                            struct vt_value *list)
{
    while (text.len != 0) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        const size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
        struct vt_value item;
        VT_TRY(checked_text(reader, arg, vt_bytes(text.data, len), &item));
        VT_TRY(vt_value_push(reader->pool, list, item, NULL));
        const size_t used = len + (end != NULL ? 1 : 0);
        text = vt_bytes(text.data + used, text.len - used);
    }
    return VAULT_OK;
}

static bool is_list_of_text(enum vt_arg_kind kind)
{
    return kind == VT_T_LIST_OF_NAME || kind == VT_T_LIST_OF_TOKEN || kind == VT_T_LIST_OF_EXTERNAL_ID;
}

/* A list grows with each repetition: an item, a JSON list whole, or (texts) a file with one a line. */
static VT_RESULT grow_list(const struct reader *reader, const struct vt_arg *arg, const char *text, struct vt_value *list)
{
    const bool is_outside = strcmp(text, "-") == 0 || (text[0] == '@' && text[1] != '@');
    struct vt_value given;
    if (is_list_of_text(arg->kind) && is_outside) {
        struct vt_bytes lines;
        VT_TRY(text_from(reader, arg, text, true, true, &lines));
        return push_lines(reader, arg, lines, list);
    }
    if (is_list_of_text(arg->kind) && text[0] != '[') {
        VT_TRY(checked_text(reader, arg, vt_bytes_str(text), &given));
        return vt_value_push(reader->pool, list, given, NULL);
    }
    if (is_outside || text[0] == '[')
        VT_TRY(parse_json(reader, arg, text, &given));
    else
        VT_TRY(parse_any(reader, arg, text, &given));
    if (given.kind != VT_VALUE_ARRAY) return vt_value_push(reader->pool, list, given, NULL);
    for (size_t i = 0; i < given.array.count; i++)
        VT_TRY(vt_value_push(reader->pool, list, given.array.items[i], NULL));
    return VAULT_OK;
}

static VT_RESULT parse_one(const struct reader *reader, const struct vt_arg *arg, const char *text,
                           struct vt_value *out_value)
{
    switch (arg->kind) {
    case VT_T_BOOL:
        return parse_bool(reader, arg, text, out_value);
    case VT_T_INT:
        return parse_integer(reader, arg, text, out_value);
    case VT_T_BYTES:
        return parse_bytes(reader, arg, text, out_value);
    case VT_T_MAP:
        return parse_json(reader, arg, text, out_value);
    case VT_T_VALUE:
        return parse_any(reader, arg, text, out_value);
    default:
        return parse_text(reader, arg, text, out_value);
    }
}

static struct vt_value *param_of(struct vt_cli_line *line, const char *name)
{
    for (size_t i = 0; i < line->params.map.count; i++)
        if (vt_bytes_equal_str(line->params.map.pairs[i].key, name)) return &line->params.map.pairs[i].value;
    return NULL;
}

static VT_RESULT take_argument(struct reader *reader, const struct vt_arg *arg, const char *text)
{
    struct vt_value *known = param_of(reader->line, arg->name);
    if (arg->kind == VT_T_LIST || is_list_of_text(arg->kind)) {
        if (known == NULL)
            VT_TRY(vt_value_put(reader->pool, &reader->line->params, arg->name, vt_value_array(), &known));
        return grow_list(reader, arg, text, known);
    }
    if (known != NULL)
        return vt_fail(reader->err, VAULT_E_ARGUMENT, arg->name, "The argument %s is given twice.", arg->name);
    struct vt_value value;
    VT_TRY(parse_one(reader, arg, text, &value));
    return vt_value_put(reader->pool, &reader->line->params, arg->name, value, NULL);
}

/* The value of an option: behind its equals sign, or the next word. */
static VT_RESULT option_value(struct reader *reader, const char *name, const char *attached, const char **out_value)
{
    if (attached == NULL && reader->at >= reader->count)
        return vt_fail(reader->err, VAULT_E_ARGUMENT, NULL, "The option --%s needs a value.", name);
    *out_value = attached != NULL ? attached : reader->argv[reader->at++];
    return VAULT_OK;
}

static vault_status no_value_wanted(const struct reader *reader, const char *name)
{
    return vt_fail(reader->err, VAULT_E_ARGUMENT, NULL, "The option --%s takes no value.", name);
}

/* The same, of an option that names a file when the help says FILE. */
static VT_RESULT path_value(struct reader *reader, const char *name, const char *placeholder, const char *attached,
                            const char **out_value)
{
    const char *value;
    VT_TRY(option_value(reader, name, attached, &value));
    *out_value = strcmp(placeholder, "FILE") == 0 ? vt_cli_path(value) : value;
    return VAULT_OK;
}

static const char *global_placeholder(const char *name)
{
    for (size_t i = 0; i < VT_CLI_GLOBAL_COUNT; i++)
        if (strcmp(VT_CLI_GLOBALS[i].name, name) == 0) return VT_CLI_GLOBALS[i].placeholder;
    return "";
}

static VT_RESULT take_global(struct reader *reader, const char *name, const char *attached, bool *out_is_taken)
{
    *out_is_taken = true;
    bool *is_set = global_switch(&reader->line->globals, name);
    if (is_set != NULL && attached != NULL) return no_value_wanted(reader, name);
    if (is_set != NULL) *is_set = true;
    if (is_set != NULL) return VAULT_OK;
    const char **text = global_text(&reader->line->globals, name);
    if (text != NULL) return path_value(reader, name, global_placeholder(name), attached, text);
    *out_is_taken = false;
    return VAULT_OK;
}

static VT_RESULT take_extra(struct reader *reader, const char *name, const char *attached, bool *out_is_taken)
{
    *out_is_taken = false;
    const struct vt_cli_hook *hook = reader->line->hook;
    if (hook == NULL || hook->extras == NULL) return VAULT_OK;
    for (size_t i = 0; hook->extras[i].name != NULL; i++) {
        if (strcmp(hook->extras[i].name, name) != 0) continue;
        *out_is_taken = true;
        if (hook->extras[i].placeholder != NULL)
            return path_value(reader, hook->extras[i].name, hook->extras[i].placeholder, attached, &reader->line->extras[i]);
        if (attached != NULL) return no_value_wanted(reader, hook->extras[i].name);
        reader->line->extras[i] = "";
        return VAULT_OK;
    }
    return VAULT_OK;
}

/* "--passphrase" asks, "--passphrase-file FILE" reads; a value behind it would be in every process list. */
static VT_RESULT take_secret(struct reader *reader, size_t index, const char *attached)
{
    const struct vt_arg *arg = &reader->line->command->args[index];
    char option[VT_CLI_OPTION_MAX];
    vt_cli_option_of(arg->name, option);
    if (attached != NULL)
        return vt_fail(reader->err, VAULT_E_ARGUMENT, arg->name,
                       "A secret is not taken from the command line: use %s alone, %s-file or the environment.", option,
                       option);
    reader->line->is_secret_asked[index] = true;
    return VAULT_OK;
}

static bool is_secret_file(const char *name, const char *arg_name)
{
    char option[VT_CLI_OPTION_MAX + 8];
    snprintf(option, sizeof option, "%s_file", arg_name);
    return vt_cli_is_named(name, option);
}

static VT_RESULT take_row_option(struct reader *reader, const char *name, const char *attached, bool *out_is_taken)
{
    *out_is_taken = true;
    const struct vt_command *command = reader->line->command;
    for (size_t i = 0; command->args[i].name != NULL; i++) {
        const struct vt_arg *arg = &command->args[i];
        const bool is_secret = arg->kind == VT_T_SECRET;
        if (is_secret && is_secret_file(name, arg->name))
            return path_value(reader, shown(name), "FILE", attached, &reader->line->secret_files[i]);
        if (!vt_cli_is_named(name, arg->name)) continue;
        if (is_secret) return take_secret(reader, i, attached);
        if (arg->kind == VT_T_BOOL) return take_argument(reader, arg, attached != NULL ? attached : "true");
        const char *text;
        VT_TRY(option_value(reader, shown(name), attached, &text));
        return take_argument(reader, arg, text);
    }
    *out_is_taken = false;
    return VAULT_OK;
}

static VT_RESULT take_common_option(struct reader *reader, const char *name, const char *attached, bool *out_is_taken)
{
    *out_is_taken = true;
    for (const struct vt_arg *arg = VT_COMMON_ARGS; arg->name != NULL; arg++) {
        if (!vt_cli_is_named(name, arg->name)) continue;
        const char *text;
        VT_TRY(option_value(reader, shown(name), attached, &text));
        return take_argument(reader, arg, text);
    }
    *out_is_taken = false;
    return VAULT_OK;
}

enum { OPTION_NAME_MAX = 64 };

static VT_RESULT take_named(struct reader *reader, const char *name, const char *attached)
{
    const bool has_own_args = reader->line->command != NULL && (reader->line->hook == NULL || !reader->line->hook->fills_args);
    bool is_taken = false;
    if (reader->line->command != NULL) VT_TRY(take_extra(reader, name, attached, &is_taken));
    if (!is_taken) VT_TRY(take_global(reader, name, attached, &is_taken));
    if (!is_taken && has_own_args) VT_TRY(take_row_option(reader, name, attached, &is_taken));
    if (!is_taken && reader->line->command != NULL) VT_TRY(take_common_option(reader, name, attached, &is_taken));
    if (is_taken) return VAULT_OK;
    if (strcmp(name, "credential") == 0)
        return vt_fail(reader->err, VAULT_E_ARGUMENT, "credential",
                       "A credential is not taken from the command line: use --credential-file or VAULTD_CREDENTIAL.");
    return vt_fail(reader->err, VAULT_E_ARGUMENT, NULL, "There is no option --%s here.", shown(name));
}

static VT_RESULT take_option(struct reader *reader, const char *word)
{
    if (strcmp(word, "-h") == 0) return take_named(reader, "help", NULL);
    if (strcmp(word, "-y") == 0) return take_named(reader, "yes", NULL);
    if (strncmp(word, "--", 2) != 0)
        return vt_fail(reader->err, VAULT_E_ARGUMENT, NULL, "Options begin with two dashes.");
    char name[OPTION_NAME_MAX];
    const size_t len = strcspn(word + 2, "=");
    if (len >= sizeof name) return vt_fail(reader->err, VAULT_E_ARGUMENT, NULL, "There is no option with such a name.");
    memcpy(name, word + 2, len);
    name[len] = '\0';
    return take_named(reader, name, word[2 + len] == '=' ? word + 2 + len + 1 : NULL);
}

static vault_status too_many_words(const struct reader *reader)
{
    VT_AUTO(vt_buf) usage = VT_BUF_INIT(512);
    const vault_status status = vt_cli_usage(&usage, reader->line->command);
    if (status != VAULT_OK) return status;
    return vt_fail(reader->err, VAULT_E_ARGUMENT, NULL, "%s Type: vaultctl %.*s.",
                   reader->positionals == 0 ? "The command takes options, no words." : "That is a word too many.",
                   (int)usage.len, (const char *)usage.data);
}

static VT_RESULT take_positional(struct reader *reader, const char *word)
{
    const struct vt_cli_line *line = reader->line;
    const bool has_own_args = line->hook == NULL || !line->hook->fills_args;
    size_t seen = 0;
    for (size_t i = 0; line->command->args[i].name != NULL && has_own_args; i++) {
        const struct vt_arg *arg = &line->command->args[i];
        if ((arg->flags & VT_POSITIONAL) == 0 || seen++ != reader->positionals) continue;
        reader->positionals++;
        return take_argument(reader, arg, word);
    }
    return too_many_words(reader);
}

static vault_status unknown_command(const struct reader *reader)
{
    const struct vt_cli_line *line = reader->line;
    if (line->word_count == 1 && vt_cli_group_exists(line->words[0]))
        return vt_fail(reader->err, VAULT_E_ARGUMENT, NULL, "Which %s command? Try: vaultctl %s --help.", line->words[0],
                       line->words[0]);
    const bool is_pair = line->word_count > 1;
    return vt_fail(reader->err, VAULT_E_ARGUMENT, NULL, "There is no command %s%s%s. Try: vaultctl help.", shown(line->words[0]),
                   is_pair ? " " : "", is_pair ? shown(line->words[1]) : "");
}

static VT_RESULT take_word(struct reader *reader, const char *word)
{
    struct vt_cli_line *line = reader->line;
    if (line->command != NULL) return take_positional(reader, word);
    if (line->word_count == 0 && strcmp(word, "help") == 0 && line->wish == VT_CLI_RUN) {
        line->wish = VT_CLI_HELP;
        return VAULT_OK;
    }
    if (line->word_count == 0 && strcmp(word, "completion") == 0 && line->wish == VT_CLI_RUN) {
        line->wish = VT_CLI_COMPLETION;
        return VAULT_OK;
    }
    if (line->word_count == VT_CLI_WORDS_MAX) return unknown_command(reader);
    line->words[line->word_count++] = word;
    if (line->wish == VT_CLI_COMPLETION) return VAULT_OK;
    size_t used;
    line->command = vt_cli_command_of(line->words[0], line->word_count > 1 ? line->words[1] : NULL, &used);
    if (line->command != NULL) line->hook = vt_cli_hook_find(line->command->name);
    if (line->command == NULL && line->word_count == VT_CLI_WORDS_MAX) return unknown_command(reader);
    return VAULT_OK;
}

static VT_RESULT settle(struct reader *reader)
{
    struct vt_cli_line *line = reader->line;
    if (line->globals.is_version && !line->globals.is_help) {
        line->wish = VT_CLI_VERSION;
        return VAULT_OK;
    }
    if (line->globals.is_help || (line->wish == VT_CLI_RUN && line->word_count == 0)) line->wish = VT_CLI_HELP;
    const bool is_known = line->command != NULL || line->word_count == 0 || vt_cli_group_exists(line->words[0]);
    if (line->wish == VT_CLI_HELP && !is_known) return unknown_command(reader);
    if (line->wish == VT_CLI_RUN && line->command == NULL) return unknown_command(reader);
    return VAULT_OK;
}

VT_RESULT vt_cli_read_line(struct vt_pool *pool, const struct vt_cli_input *input, int count, char *const *argv,
                           struct vt_cli_line *out_line, struct vt_err *err)
{
    *out_line = (struct vt_cli_line){.params = vt_value_map()};
    struct reader reader = {.pool = pool, .input = input, .count = count, .argv = argv, .line = out_line, .err = err};
    while (reader.at < count) {
        const char *word = argv[reader.at++];
        if (!reader.is_behind_dashes && strcmp(word, "--") == 0)
            reader.is_behind_dashes = true;
        else if (!reader.is_behind_dashes && word[0] == '-' && word[1] != '\0')
            VT_TRY(take_option(&reader, word));
        else
            VT_TRY(take_word(&reader, word));
    }
    return settle(&reader);
}
