/* tools/gendoc/reference.c - writes the reference of commands or of statuses from the tables, or checks that it is
 * current: gendoc_reference commands|status [--check] FILE. Thread: main. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvault/base/buf.h"
#include "libvault/schema/command.h"

enum { PAGE_MAX = 4 * 1024 * 1024 };

/* In a table's cell a bar would end the cell. */
static VT_RESULT write_cell(struct vt_buf *page, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') VT_TRY(vt_buf_append_byte(page, '\\'));
        VT_TRY(vt_buf_append_byte(page, (uint8_t)*text));
    }
    return VAULT_OK;
}

static const char *kind_name(enum vt_arg_kind kind)
{
    static const char *const NAMES[] = {
        [VT_T_BOOL] = "boolean",
        [VT_T_INT] = "integer",
        [VT_T_TEXT] = "text",
        [VT_T_NAME] = "name",
        [VT_T_EXTERNAL_ID] = "external id",
        [VT_T_ID] = "id (32 hex digits)",
        [VT_T_TOKEN] = "token",
        [VT_T_BYTES] = "bytes",
        [VT_T_TIME] = "time (RFC 3339)",
        [VT_T_MAP] = "map",
        [VT_T_LIST] = "list",
        [VT_T_LIST_OF_NAME] = "list of names",
        [VT_T_LIST_OF_TOKEN] = "list of tokens",
        [VT_T_LIST_OF_EXTERNAL_ID] = "list of external ids",
        [VT_T_VALUE] = "any",
        [VT_T_SECRET] = "secret",
    };
    return NAMES[kind];
}

static VT_RESULT write_limits(struct vt_buf *page, const struct vt_arg *arg)
{
    const char *comma = "";
    if ((arg->flags & VT_REQUIRED) != 0) VT_TRY(vt_buf_append_str(page, "required"));
    if ((arg->flags & VT_REQUIRED) != 0) comma = ", ";
    if ((arg->flags & VT_PERSONAL) != 0) VT_TRY(vt_buf_printf(page, "%spersonal", comma));
    if ((arg->flags & VT_PERSONAL) != 0) comma = ", ";
    if ((arg->flags & VT_POSITIVE) != 0) VT_TRY(vt_buf_printf(page, "%spositive", comma));
    if ((arg->flags & VT_POSITIVE) != 0) comma = ", ";
    return arg->max != 0 ? vt_buf_printf(page, "%sat most %zu", comma, arg->max) : VAULT_OK;
}

static VT_RESULT write_fields(struct vt_buf *page, const char *title, const struct vt_arg *fields)
{
    if (fields->name == NULL) return VAULT_OK;
    VT_TRY(vt_buf_printf(page, "\n| %s | type | | |\n| --- | --- | --- | --- |\n", title));
    for (; fields->name != NULL; fields++) {
        VT_TRY(vt_buf_printf(page, "| `%s` | %s | ", fields->name, kind_name(fields->kind)));
        VT_TRY(write_limits(page, fields));
        VT_TRY(vt_buf_append_str(page, " | "));
        VT_TRY(write_cell(page, fields->doc));
        VT_TRY(vt_buf_append_str(page, " |\n"));
    }
    return VAULT_OK;
}

static const char *scope_name(int scope)
{
    static const struct {
        int bit;
        const char *name;
    } SCOPES[] = {{VT_SCOPE_NONE, "whoever is logged in"},
                  {VT_SCOPE_PUBLIC, "anyone, before login"},
                  {VT_SCOPE_TOKENIZE, "tokenize"},
                  {VT_SCOPE_REVEAL, "reveal"},
                  {VT_SCOPE_READ, "read"},
                  {VT_SCOPE_WRITE, "write"},
                  {VT_SCOPE_SEARCH, "search"},
                  {VT_SCOPE_EXPORT, "export"},
                  {VT_SCOPE_SHRED, "shred"},
                  {VT_SCOPE_OPERATE, "operate"},
                  {VT_SCOPE_UNSEAL, "unseal"},
                  {VT_SCOPE_ADMIN, "admin"},
                  {VT_SCOPE_AUDIT, "audit"},
                  {VT_SCOPE_STATUS, "status"},
                  {VT_SCOPE_KNOW_ERASED, "know-erased"},
                  {VT_SCOPE_TEST, "test"},
                  {VT_SCOPE_HOLD, "hold"},
                  {VT_SCOPE_APPROVE, "approve"}};
    for (size_t i = 0; i < VT_ARRAY_LEN(SCOPES); i++)
        if (SCOPES[i].bit == scope) return SCOPES[i].name;
    return NULL;
}

static VT_RESULT write_roles(struct vt_buf *page, int scope)
{
    const char *before = " Roles: ";
    for (size_t i = 0; i < VT_ROLE_COUNT; i++) {
        if (scope == VT_SCOPE_NONE || (VT_ROLES[i].scopes & scope) == 0) continue;
        VT_TRY(vt_buf_printf(page, "%s%s", before, VT_ROLES[i].name));
        before = ", ";
    }
    return vt_buf_append_str(page, before[0] == ',' ? ".\n" : "\n");
}

static VT_RESULT write_flags(struct vt_buf *page, int flags)
{
    static const struct {
        int bit;
        const char *sentence;
    } FLAGS[] = {{VT_NEEDS_PURPOSE, "Needs `purpose`."},
                 {VT_WHILE_SEALED, "Answered while sealed."},
                 {VT_UNAUDITED, "Not in the audit log."},
                 {VT_SLOW, "Runs on a worker."},
                 {VT_LOCAL_ONLY, "Over the Unix socket only."},
                 {VT_CONFIRM, "`vaultctl` asks for a confirmation."},
                 {VT_WHILE_TAKING_OVER, "Answered while a restored environment takes the vault over."},
                 {VT_LIVE_ONLY, "Refused where a restored copy is served read-only."},
                 {VT_STOPS_DESTRUCTION, "Goes on while the disk is full, like what it stops."},
                 {VT_TEST_ONLY, "In dev mode and test builds only."}};
    for (size_t i = 0; i < VT_ARRAY_LEN(FLAGS); i++)
        if ((flags & FLAGS[i].bit) != 0) VT_TRY(vt_buf_printf(page, "- %s\n", FLAGS[i].sentence));
    return VAULT_OK;
}

static VT_RESULT write_errors(struct vt_buf *page, const struct vt_command *command)
{
    const char *before = "\nErrors besides the common ones: ";
    for (size_t i = 0; i < VT_ERRORS_MAX && command->errors[i] != VAULT_OK; i++) {
        VT_TRY(vt_buf_printf(page, "%s`%s`", before, vault_status_code(command->errors[i])));
        before = ", ";
    }
    return before[0] == ',' ? vt_buf_append_str(page, ".\n") : VAULT_OK;
}

static VT_RESULT write_command(struct vt_buf *page, const struct vt_command *command)
{
    static const char *const EFFECTS[] = {
        [VT_READS] = "reads", [VT_WRITES] = "writes", [VT_DESTROYS] = "destroys", [VT_OPERATES] = "operates"};
    const char *scope = scope_name(command->scope);
    VT_ENSURE(scope != NULL, VAULT_E_UNSUPPORTED);
    VT_TRY(vt_buf_printf(page, "\n## %s\n\n%s\n\n", command->name, command->summary));
    const char *dot = strchr(command->name, '.');
    const bool is_top = (command->flags & VT_TOP_LEVEL) != 0;
    VT_TRY(vt_buf_printf(page, "- `vaultctl %.*s%s%s`", is_top ? 0 : (int)(dot - command->name), command->name,
                         is_top ? "" : " ", dot + 1));
    if (command->alias != NULL) VT_TRY(vt_buf_printf(page, ", `vaultctl %s`", command->alias));
    VT_TRY(vt_buf_printf(page, "; `POST /v1/%.*s/%s`; since %s.\n", (int)(dot - command->name), command->name, dot + 1,
                         command->since));
    VT_TRY(vt_buf_printf(page, "- Number %u; %s; scope: %s.", (unsigned)command->id, EFFECTS[command->effect], scope));
    VT_TRY(write_roles(page, command->scope));
    VT_TRY(write_flags(page, command->flags));
    VT_TRY(vt_buf_printf(page, "- Source: %s.\n", command->source));
    VT_TRY(write_fields(page, "argument", command->args));
    VT_TRY(write_fields(page, "result", command->results));
    return write_errors(page, command);
}

static VT_RESULT write_commands(struct vt_buf *page)
{
    VT_TRY(vt_buf_append_str(page, "# Commands\n\nWritten by `tools/gendoc` from `libvault/schema`; do not edit.\n\n"
                                   "A command is a method of msgpack-RPC, a route, and a verb of `vaultctl`; the names of\n"
                                   "arguments and results are the same everywhere. This version serves no HTTP: the routes below\n"
                                   "(`POST /v1/...`) are reserved and lead nowhere yet. Statuses: `status.md`.\n\n"
                                   "Every command takes:\n"));
    VT_TRY(write_fields(page, "argument", VT_COMMON_ARGS));
    VT_TRY(vt_buf_append_str(page, "\nText is UTF-8, not empty and without NUL bytes; integers are not negative. What does not\n"
                                   "fit is refused with `argument`, `type` or `too-large` before anything else is looked\n"
                                   "at.\n\nCommon errors:"));
    for (size_t i = 0; VT_COMMON_ERRORS[i] != VAULT_OK; i++)
        VT_TRY(vt_buf_printf(page, "%s `%s`", i == 0 ? "" : ",", vault_status_code(VT_COMMON_ERRORS[i])));
    VT_TRY(vt_buf_append_str(page, ".\n"));
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) VT_TRY(write_command(page, VT_COMMANDS[i]));
    return VAULT_OK;
}

static VT_RESULT write_status(struct vt_buf *page)
{
    static const vault_status ALL[] = {
#define VAULT_STATUS(name, number, code, http, exit_code, retry, text) VAULT_##name,
#include "libvault/include/vault/status.def"
#undef VAULT_STATUS
    };
    VT_TRY(vt_buf_append_str(page, "# Statuses\n\nWritten by `tools/gendoc` from `libvault/include/vault/status.def`; do not "
                                   "edit.\n\nThe code is stable, and so is the number, which msgpack-RPC carries.\n"
                                   "`again`: the same call may succeed later without change.\n\n"
                                   "| code | number | HTTP | exit | again | |\n| --- | --- | --- | --- | --- | --- |\n"));
    for (size_t i = 0; i < VT_ARRAY_LEN(ALL); i++)
        VT_TRY(vt_buf_printf(page, "| `%s` | %d | %d | %d | %s | %s |\n", vault_status_code(ALL[i]), (int)ALL[i],
                             vault_status_http(ALL[i]), vault_status_exit(ALL[i]),
                             vault_status_is_retryable(ALL[i]) ? "yes" : "", vault_status_text(ALL[i])));
    return VAULT_OK;
}

static bool is_current(const char *path, const struct vt_buf *page)
{
    static uint8_t found[PAGE_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    const size_t len = fread(found, 1, sizeof found, file);
    fclose(file);
    return vt_bytes_equal(vt_bytes(found, len), vt_buf_bytes(page));
}

static bool is_written(const char *path, const struct vt_buf *page)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) return false;
    const bool is_whole = fwrite(page->data, 1, page->len, file) == page->len;
    return fclose(file) == 0 && is_whole;
}

int main(int argc, char **argv)
{
    const bool is_check = argc == 4 && strcmp(argv[2], "--check") == 0;
    const bool is_commands = argc > 1 && strcmp(argv[1], "commands") == 0;
    const bool is_status = argc > 1 && strcmp(argv[1], "status") == 0;
    VT_AUTO(vt_buf) page = VT_BUF_INIT(PAGE_MAX);
    if ((argc != 3 && !is_check) || (!is_commands && !is_status)) {
        fprintf(stderr, "usage: gendoc_reference commands|status [--check] FILE\n");
        return EXIT_FAILURE;
    }
    if ((is_commands ? write_commands(&page) : write_status(&page)) != VAULT_OK) {
        fprintf(stderr, "the page could not be written: a row holds what this tool does not know\n");
        return EXIT_FAILURE;
    }
    const char *path = argv[argc - 1];
    if (is_check ? is_current(path, &page) : is_written(path, &page)) return EXIT_SUCCESS;
    fprintf(stderr, is_check ? "%s is not current: run ninja docs\n" : "%s cannot be written\n", path);
    return EXIT_FAILURE;
}
