#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/help.h"
#include "cli/hooks.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"

enum { OUTPUT_MAX = 4 * VT_LIMIT_REPLY_BYTES, SLOW_CALL_MS = 3600 * 1000, JOB_POLL_MS = 250, VARIABLE_MAX = 64 };

static struct vt_err *err_of(struct vt_cli *cli)
{
    return &cli->error.text;
}

static VT_RESULT write_all(int fd, struct vt_bytes bytes)
{
    while (bytes.len != 0) {
        const ssize_t len = write(fd, bytes.data, bytes.len);
        if (len < 0 && errno == EINTR) continue;
        VT_ENSURE(len > 0, VAULT_E_IO);
        bytes = vt_bytes(bytes.data + len, bytes.len - (size_t)len);
    }
    return VAULT_OK;
}

static VT_RESULT put_out(struct vt_cli *cli, const struct vt_buf *text)
{
    const vault_status status = write_all(cli->out_fd, vt_buf_bytes(text));
    return status == VAULT_OK ? status : vt_fail(err_of(cli), status, NULL, "The output could not be written.");
}

void vt_cli_remark(struct vt_cli *cli, const char *sentence)
{
    if (write_all(cli->err_fd, vt_bytes_str(sentence)) != VAULT_OK) return;
    if (write_all(cli->err_fd, vt_bytes_str("\n")) != VAULT_OK) return;
}

int vt_cli_progress_fd(const struct vt_cli *cli)
{
    return !cli->line.globals.is_quiet && isatty(cli->err_fd) ? cli->err_fd : -1;
}

VT_RESULT vt_cli_print(struct vt_cli *cli, const struct vt_value *result)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUTPUT_MAX);
    const bool is_terminal = isatty(cli->out_fd) != 0;
    const char *only = cli->line.globals.only;
    if (only != NULL) {
        const struct vt_value *one = vt_value_get(result, only);
        if (one == NULL) return vt_fail(err_of(cli), VAULT_E_NOT_FOUND, "only", "The answer has no result of that name.");
        VT_TRY(vt_cli_render_bare(&out, one, is_terminal));
        return put_out(cli, &out);
    }
    if (cli->settings.is_json)
        VT_TRY(vt_cli_render_json(&out, result, is_terminal));
    else if (result->kind == VT_VALUE_MAP && result->map.count == 0)
        VT_TRY(vt_buf_append_str(&out, "done\n"));
    else
        VT_TRY(vt_cli_render_table(&out, result));
    return put_out(cli, &out);
}

VT_RESULT vt_cli_explain(struct vt_buf *out, vault_status status, const struct vt_client_error *error)
{
    const char *sentence = error->text.message[0] != '\0' ? error->text.message : vault_status_text(status);
    /* A vault does not open by waiting. */
    const char *advice = status == VAULT_E_SEALED            ? " On its machine, run: vaultctl unseal --socket PATH."
                         : status == VAULT_E_NOT_INITIALISED ? " On its machine, run: vaultctl init --socket PATH."
                                                             : "";
    const bool is_worth_repeating = error->retry_after_ms != 0 && status != VAULT_E_SEALED;
    VT_TRY(vt_buf_printf(out, "vaultctl: %s%s (%s", sentence, advice, vault_status_code(status)));
    if (error->text.field[0] != '\0') VT_TRY(vt_buf_printf(out, ", field %s", error->text.field));
    if (error->certificate != 0) VT_TRY(vt_buf_printf(out, ", certificate %" PRIu64, error->certificate));
    if (is_worth_repeating) VT_TRY(vt_buf_printf(out, ", try again in %" PRId64 " ms", error->retry_after_ms));
    return vt_buf_append_str(out, ")\n");
}

VT_RESULT vt_cli_number(struct vt_cli *cli, const char *extra, int64_t otherwise, int64_t max, int64_t *out_number)
{
    const char *text = vt_cli_extra(&cli->line, extra);
    *out_number = otherwise;
    if (text == NULL) return VAULT_OK;
    char *end;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 1 || number > max)
        return vt_fail(err_of(cli), VAULT_E_ARGUMENT, extra, "The option --%s must be 1 to %" PRId64 ".", extra, max);
    *out_number = number;
    return VAULT_OK;
}

/* VAULTD_KEY_FILE of "key_file". */
static void variable_of(const char *arg_name, const char *suffix, char out_name[VARIABLE_MAX])
{
    snprintf(out_name, VARIABLE_MAX, "VAULTD_%s%s", arg_name, suffix);
    for (char *at = out_name + strlen("VAULTD_"); *at != '\0'; at++)
        if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 'a' + 'A');
}

static VT_RESULT ask_twice(struct vt_cli *cli, const struct vt_arg *arg, struct vt_bytes first)
{
    char question[128];
    struct vt_bytes second;
    snprintf(question, sizeof question, "The same %s again: ", arg->name);
    VT_TRY(vt_cli_ask_secret(&cli->input, cli->pool, question, &second, err_of(cli)));
    if (vt_ct_equal(first, second)) return VAULT_OK;
    return vt_fail(err_of(cli), VAULT_E_ARGUMENT, arg->name, "The two are not the same; nothing was done.");
}

static VT_RESULT ask_for(struct vt_cli *cli, const struct vt_arg *arg, bool is_new, struct vt_bytes *out_secret)
{
    char question[128];
    snprintf(question, sizeof question, "%s (%s): ", arg->name, arg->doc);
    VT_TRY(vt_cli_ask_secret(&cli->input, cli->pool, question, out_secret, err_of(cli)));
    return is_new ? ask_twice(cli, arg, *out_secret) : VAULT_OK;
}

static const char *credential_file(const struct vt_cli *cli, const struct vt_arg *arg)
{
    return strcmp(arg->name, "credential") == 0 ? cli->settings.credential_file : NULL;
}

/* A warning, where a TLS key is refused: files of secrets come by pipes and mounts, too, whose modes nobody chose. */
static void warn_of_readers(struct vt_cli *cli, const char *path, const char *what)
{
    char sentence[160];
    struct stat about;
    const bool is_file = strcmp(path, "-") != 0 && stat(path, &about) == 0 && S_ISREG(about.st_mode);
    if (!is_file || (about.st_mode & 077) == 0) return;
    snprintf(sentence, sizeof sentence, "vaultctl: warning: the file for %s is open to others than its owner: give it mode 0600.",
             what);
    vt_cli_remark(cli, sentence);
}

/* A key file may be 32 raw bytes, which are no text: they travel as hex, which is the same key to the vault. */
static VT_RESULT read_secret(struct vt_cli *cli, const struct vt_arg *arg, const char *path, struct vt_bytes *out_secret)
{
    const bool is_key = strcmp(arg->name, "key_file") == 0;
    struct vt_bytes content;
    warn_of_readers(cli, path, arg->name);
    VT_TRY(vt_cli_read_text(&cli->input, cli->pool, path, arg->name, VT_LIMIT_VALUE_BYTES, !is_key, &content, err_of(cli)));
    *out_secret = content;
    if (!is_key || content.len != VT_KEY_LEN) return VAULT_OK;
    char *hex = vt_pool_alloc(cli->pool, 2 * VT_KEY_LEN + 1);
    VT_ENSURE(hex != NULL, VAULT_E_MEMORY);
    vt_hex_encode(content, hex);
    *out_secret = vt_bytes_str(hex);
    return VAULT_OK;
}

/* One secret: file option, then the question, then the environment; empty when nobody gave it. */
static VT_RESULT find_secret(struct vt_cli *cli, size_t index, bool is_new, struct vt_bytes *out_secret)
{
    const struct vt_arg *arg = &cli->line.command->args[index];
    char variable[VARIABLE_MAX], file_variable[VARIABLE_MAX];
    variable_of(arg->name, "", variable);
    variable_of(arg->name, "_FILE", file_variable);
    const char *path = cli->line.secret_files[index];
    if (path == NULL && cli->line.is_secret_asked[index]) return ask_for(cli, arg, is_new, out_secret);
    const char *given = cli->input.env(variable);
    if (path == NULL && given != NULL) {
        *out_secret = vt_bytes_str(given);
        return VAULT_OK;
    }
    if (path == NULL) path = cli->input.env(file_variable);
    if (path == NULL) path = credential_file(cli, arg);
    if (path != NULL) return read_secret(cli, arg, path, out_secret);
    if ((arg->flags & VT_REQUIRED) != 0) return ask_for(cli, arg, is_new, out_secret);
    *out_secret = VT_BYTES_EMPTY;
    return VAULT_OK;
}

static VT_RESULT check_secret(struct vt_cli *cli, const struct vt_arg *arg, struct vt_bytes secret)
{
    if (vt_utf8_is_valid(secret)) return VAULT_OK;
    if (strcmp(arg->name, "key_file") == 0)
        return vt_fail(err_of(cli), VAULT_E_TYPE, arg->name, "A key file has 32 bytes: as they are, or in hex or base64.");
    return vt_fail(err_of(cli), VAULT_E_TYPE, arg->name, "The argument %s is not valid UTF-8.", arg->name);
}

static VT_RESULT add_secrets(struct vt_cli *cli, bool is_new)
{
    const struct vt_arg *args = cli->line.command->args;
    for (size_t i = 0; args[i].name != NULL; i++) {
        if (args[i].kind != VT_T_SECRET) continue;
        struct vt_bytes secret;
        VT_TRY(find_secret(cli, i, is_new, &secret));
        if (secret.len == 0) continue;
        VT_TRY(check_secret(cli, &args[i], secret));
        VT_TRY(vt_value_put(cli->pool, &cli->line.params, args[i].name, vt_value_text(secret), NULL));
    }
    return VAULT_OK;
}

/* Tenant and purpose may be settled once, outside the command line. */
VT_RESULT vt_cli_settled_params(struct vt_cli *cli)
{
    struct vt_value *params = &cli->line.params;
    const bool wants_purpose = (cli->line.command->flags & VT_NEEDS_PURPOSE) != 0;
    const struct vt_bytes tenant = cli->settings.tenant, purpose = cli->settings.purpose;
    if (tenant.len != 0 && vt_value_get(params, "tenant") == NULL)
        VT_TRY(vt_value_put(cli->pool, params, "tenant", vt_value_text(tenant), NULL));
    if (wants_purpose && purpose.len != 0 && vt_value_get(params, "purpose") == NULL)
        VT_TRY(vt_value_put(cli->pool, params, "purpose", vt_value_text(purpose), NULL));
    return VAULT_OK;
}

VT_RESULT vt_cli_complete(struct vt_cli *cli, bool is_new)
{
    VT_TRY(vt_cli_settled_params(cli));
    VT_TRY(add_secrets(cli, is_new));
    return vt_command_validate(cli->line.command, &cli->line.params, err_of(cli));
}

VT_RESULT vt_cli_confirm(struct vt_cli *cli)
{
    const struct vt_command *command = cli->line.command;
    const bool is_dry = vt_value_get_bool(&cli->line.params, "dry_run", false) ||
                        vt_value_get_bool(&cli->line.params, "check_only", false);
    if ((command->flags & VT_CONFIRM) == 0 || cli->line.globals.is_yes || is_dry) return VAULT_OK;
    const char *verb = strchr(command->name, '.') + 1;
    char question[512];
    snprintf(question, sizeof question, "%s\nType %s to go on: ", command->summary, verb);
    return vt_cli_ask_word(&cli->input, question, verb, err_of(cli));
}

/* A sealed vault cannot tell whose credential it is; over its socket the caller is the operator without one. */
static VT_RESULT log_in_with(struct vt_cli *cli, struct vt_bytes credential)
{
    const vault_status status = vt_client_login(cli->client, credential, &cli->error);
    const bool is_asked_while_sealed = (cli->line.command->flags & VT_WHILE_SEALED) != 0;
    if (status != VAULT_E_SEALED || !is_asked_while_sealed || !cli->settings.is_over_socket) return status;
    cli->error = (struct vt_client_error){0};
    return VAULT_OK;
}

static VT_RESULT log_in(struct vt_cli *cli)
{
    struct vt_bytes credential = cli->settings.credential;
    const char *path = cli->settings.credential_file;
    if (credential.len == 0 && path != NULL) warn_of_readers(cli, path, "credential");
    if (credential.len == 0 && path != NULL)
        VT_TRY(vt_cli_read_text(&cli->input, cli->pool, path, "credential", VT_LIMIT_LOGIN_FRAME_BYTES, true, &credential,
                                err_of(cli)));
    if (credential.len == 0 && path != NULL)
        return vt_fail(err_of(cli), VAULT_E_UNAUTHENTICATED, "credential", "The file of the credential is empty.");
    const bool has_other_proof = cli->settings.is_over_socket || cli->settings.client.to.certificate_file != NULL;
    if (credential.len == 0 && has_other_proof) return VAULT_OK;
    if (credential.len == 0 && cli->input.tty_fd < 0)
        return vt_fail(err_of(cli), VAULT_E_UNAUTHENTICATED, "credential",
                       "No credential: give --credential-file or VAULTD_CREDENTIAL_FILE.");
    if (credential.len == 0) VT_TRY(vt_cli_ask_secret(&cli->input, cli->pool, "Credential: ", &credential, err_of(cli)));
    if (!vt_utf8_is_valid(credential))
        return vt_fail(err_of(cli), VAULT_E_TYPE, "credential", "The credential is not valid UTF-8.");
    return log_in_with(cli, credential);
}

VT_RESULT vt_cli_connect(struct vt_cli *cli)
{
    const struct vt_command *command = cli->line.command;
    if (cli->settings.client.call_timeout_ms == 0 && (command->flags & VT_SLOW) != 0)
        cli->settings.client.call_timeout_ms = SLOW_CALL_MS;
    const struct vt_transport_options *to = &cli->settings.client.to;
    if (to->socket_path == NULL && to->ca_file == NULL && to->pin == NULL)
        return vt_fail(err_of(cli), VAULT_E_ARGUMENT, "cacert",
                       "Whose vault is it? Give --cacert, VAULTD_CACERT or --pin.");
    VT_TRY(vt_client_open(&cli->settings.client, &cli->error, &cli->client));
    const bool is_for_anyone = command->scope == VT_SCOPE_PUBLIC || (command->flags & VT_LOCAL_ONLY) != 0;
    return is_for_anyone ? VAULT_OK : log_in(cli);
}

VT_RESULT vt_cli_call(struct vt_cli *cli, const char *method, const struct vt_value *params,
                      const struct vt_value **out_result)
{
    return vt_client_call(cli->client, method, params, cli->pool, out_result, &cli->error);
}

static void sleep_ms(long ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000 * 1000};
    while (nanosleep(&left, &left) != 0) continue;
}

/* @param out_job  the job's map in @p pool */
static VT_RESULT ask_job(struct vt_cli *cli, struct vt_pool *pool, struct vt_bytes id, const struct vt_value **out_job)
{
    struct vt_value params = vt_value_map();
    VT_TRY(vt_value_put(pool, &params, "job", vt_value_text(id), NULL));
    const struct vt_value *result;
    VT_TRY(vt_client_call(cli->client, "job.status", &params, pool, &result, &cli->error));
    const struct vt_value *jobs = vt_value_get(result, "jobs");
    if (jobs == NULL || jobs->kind != VT_VALUE_ARRAY || jobs->array.count == 0)
        return vt_fail(err_of(cli), VAULT_E_PROTOCOL, "jobs", "The vault does not say how the job stands.");
    *out_job = &jobs->array.items[0];
    return VAULT_OK;
}

static VT_RESULT job_outcome(struct vt_cli *cli, const struct vt_value *job, bool *out_is_over)
{
    const struct vt_bytes state = vt_value_get_text(job, "state");
    *out_is_over = !vt_bytes_equal_str(state, "running");
    if (!*out_is_over || vt_bytes_equal_str(state, "done")) return VAULT_OK;
    const struct vt_bytes message = vt_value_get_text(job, "message");
    return vt_fail(err_of(cli), vt_bytes_equal_str(state, "cancelled") ? VAULT_E_CANCELLED : VAULT_E_STATE, "job",
                   "The job did not end well: %.*s", (int)VT_MIN(message.len, (size_t)160),
                   message.len != 0 ? (const char *)message.data : "");
}

static VT_RESULT await_job(struct vt_cli *cli, struct vt_bytes id)
{
    struct vt_cli_progress progress;
    vt_cli_progress_begin(&progress, strchr(cli->line.command->name, '.') + 1, vt_cli_progress_fd(cli));
    vault_status status = VAULT_OK;
    for (bool is_over = false; !is_over && status == VAULT_OK;) {
        VT_AUTO(vt_pool) pool = VT_POOL_INIT(VT_LIMIT_REPLY_BYTES);
        const struct vt_value *job = NULL;
        status = ask_job(cli, &pool, id, &job);
        if (status == VAULT_OK) status = job_outcome(cli, job, &is_over);
        if (status != VAULT_OK || is_over) break;
        vt_cli_progress_show(&progress, (uint64_t)vt_value_get_int(job, "done", 0),
                             (uint64_t)vt_value_get_int(job, "total", 0), "steps");
        sleep_ms(JOB_POLL_MS);
    }
    vt_cli_progress_end(&progress);
    return status;
}

static bool is_denied(const struct vt_value *result, const char *key)
{
    return !vt_value_get_bool(result, key, true);
}

/* A check that was carried out and found something is an answer, and no success: scripts look at the exit status. */
static VT_RESULT judge(struct vt_cli *cli, const struct vt_value *result)
{
    const struct vt_bytes reason = vt_value_get_text(result, "reason");
    if (is_denied(result, "is_authentic") && reason.len != 0)
        return vt_fail(err_of(cli), VAULT_E_AUTHENTICITY, NULL, "%.*s", (int)reason.len, (const char *)reason.data);
    if (is_denied(result, "is_authentic"))
        return vt_fail(err_of(cli), VAULT_E_AUTHENTICITY, NULL, "This vault has not signed it, or it was changed since.");
    if (is_denied(result, "is_sound"))
        return vt_fail(err_of(cli), VAULT_E_CORRUPT, NULL, "The check has found damage; the result above says where.");
    return VAULT_OK;
}

VT_RESULT vt_cli_generic(struct vt_cli *cli, bool is_new)
{
    VT_TRY(vt_cli_complete(cli, is_new));
    VT_TRY(vt_cli_confirm(cli));
    VT_TRY(vt_cli_connect(cli));
    const struct vt_value *result;
    VT_TRY(vt_cli_call(cli, cli->line.command->name, &cli->line.params, &result));
    /* Printed first: new shares are shown even when the job behind them fails. */
    VT_TRY(vt_cli_print(cli, result));
    VT_TRY(judge(cli, result));
    const struct vt_bytes job = vt_value_get_text(result, "job");
    /* A vault that restarts has forgotten the job, which has ended. */
    const bool is_over = job.len == 0 || vt_value_get_bool(result, "restarts", false);
    return is_over || cli->line.globals.is_no_wait ? VAULT_OK : await_job(cli, job);
}

static VT_RESULT give_help(struct vt_cli *cli)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUTPUT_MAX);
    if (cli->line.command != NULL)
        VT_TRY(vt_cli_help_command(&out, cli->line.command));
    else if (cli->line.word_count != 0)
        VT_TRY(vt_cli_help_group(&out, cli->line.words[0]));
    else
        VT_TRY(vt_cli_help_all(&out));
    return put_out(cli, &out);
}

static VT_RESULT give_completion(struct vt_cli *cli)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUTPUT_MAX);
    VT_TRY(vt_cli_completion(&out, cli->line.word_count != 0 ? cli->line.words[0] : "", err_of(cli)));
    return put_out(cli, &out);
}

static VT_RESULT give_version(struct vt_cli *cli)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(VARIABLE_MAX);
    VT_TRY(vt_buf_printf(&out, "vaultctl " VT_VERSION "\n"));
    return put_out(cli, &out);
}

VT_RESULT vt_cli_run(struct vt_cli *cli, int count, char *const *argv)
{
    VT_TRY(vt_cli_read_line(cli->pool, &cli->input, count, argv, &cli->line, err_of(cli)));
    if (cli->line.wish == VT_CLI_HELP) return give_help(cli);
    if (cli->line.wish == VT_CLI_COMPLETION) return give_completion(cli);
    if (cli->line.wish == VT_CLI_VERSION) return give_version(cli);
    VT_TRY(vt_cli_settle(cli->pool, &cli->input, &cli->line, &cli->settings, err_of(cli)));
    if (cli->line.hook != NULL) return cli->line.hook->run(cli);
    return vt_cli_generic(cli, cli->line.command->scope != VT_SCOPE_PUBLIC);
}

void vt_cli_release(struct vt_cli *cli)
{
    vt_client_free(cli->client);
    cli->client = NULL;
    vt_wipe(cli->settings.pin, sizeof cli->settings.pin);
}
