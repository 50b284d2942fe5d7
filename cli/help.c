#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/hooks.h"

enum { LEFT_WIDTH = 32 };

static const char *verb_of(const struct vt_command *command)
{
    return strchr(command->name, '.') + 1;
}

static int group_len(const struct vt_command *command)
{
    return (int)(strchr(command->name, '.') - command->name);
}

VT_RESULT vt_cli_typed(struct vt_buf *out, const struct vt_command *command)
{
    if ((command->flags & VT_TOP_LEVEL) != 0) return vt_buf_append_str(out, verb_of(command));
    return vt_buf_printf(out, "%.*s %s", group_len(command), command->name, verb_of(command));
}

static VT_RESULT write_row(struct vt_buf *out, const char *left, const char *right)
{
    const size_t len = strlen(left);
    if (len >= LEFT_WIDTH) return vt_buf_printf(out, "  %s\n  %*s  %s\n", left, LEFT_WIDTH, "", right);
    return vt_buf_printf(out, "  %-*s  %s\n", LEFT_WIDTH, left, right);
}

static VT_RESULT write_command_row(struct vt_buf *out, const struct vt_command *command)
{
    VT_AUTO(vt_buf) left = VT_BUF_INIT(256);
    VT_TRY(vt_cli_typed(&left, command));
    if (command->alias != NULL) VT_TRY(vt_buf_printf(&left, ", %s", command->alias));
    VT_TRY(vt_buf_append_byte(&left, '\0'));
    return write_row(out, (const char *)left.data, command->summary);
}

static bool starts_group(size_t index)
{
    if (index == 0) return true;
    const struct vt_command *command = VT_COMMANDS[index], *before = VT_COMMANDS[index - 1];
    return group_len(command) != group_len(before) ||
           strncmp(command->name, before->name, (size_t)group_len(command)) != 0;
}

static VT_RESULT write_globals(struct vt_buf *out)
{
    VT_TRY(vt_buf_append_str(out, "\nOptions of every command:\n"));
    for (size_t i = 0; i < VT_CLI_GLOBAL_COUNT; i++) {
        const struct vt_cli_global_doc *option = &VT_CLI_GLOBALS[i];
        char left[96];
        snprintf(left, sizeof left, "--%s%s%s", option->name, option->placeholder != NULL ? " " : "",
                 option->placeholder != NULL ? option->placeholder : "");
        VT_TRY(write_row(out, left, option->doc));
    }
    return VAULT_OK;
}

VT_RESULT vt_cli_help_all(struct vt_buf *out)
{
    VT_TRY(vt_buf_append_str(out, "vaultctl - speak to a vault of personal data\n\n"
                                  "  vaultctl COMMAND [WORDS] [--options]\n"
                                  "  vaultctl help COMMAND\n"
                                  "  vaultctl completion bash|zsh|fish\n"));
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        if (starts_group(i)) VT_TRY(vt_buf_printf(out, "\n%.*s\n", group_len(command), command->name));
        VT_TRY(write_command_row(out, command));
    }
    VT_TRY(write_globals(out));
    VT_TRY(vt_buf_append_str(out, "\nFILE is a path, with or without an @ before it. Where a value is asked for, @FILE is its\n"
                                  "content and - is standard input. What begins with an @ itself is written @@.\n"));
    return vt_buf_append_str(out, "\nExit status: 0 done, 2 sealed, 3 input, 4 not allowed, 5 state, 6 erased, 7 try later,\n"
                                  "8 damage, 9 no connection. Secrets are asked for, or come from a file or the environment.\n");
}

VT_RESULT vt_cli_help_group(struct vt_buf *out, const char *group)
{
    VT_TRY(vt_buf_printf(out, "vaultctl %s VERB\n\n", group));
    const size_t len = strlen(group);
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        if ((size_t)group_len(command) == len && strncmp(command->name, group, len) == 0)
            VT_TRY(write_command_row(out, command));
    }
    return VAULT_OK;
}

static const char *placeholder_of(const struct vt_arg *arg)
{
    if ((arg->flags & VT_FROM_FILE) != 0) return "FILE";
    switch (arg->kind) {
    case VT_T_BOOL:
    case VT_T_SECRET:
        return "";
    case VT_T_INT:
        return "N";
    case VT_T_TEXT:
        return "TEXT";
    case VT_T_NAME:
    case VT_T_LIST_OF_NAME:
        return "NAME";
    case VT_T_EXTERNAL_ID:
    case VT_T_LIST_OF_EXTERNAL_ID:
        return "ID";
    case VT_T_ID:
        return "HEX";
    case VT_T_TOKEN:
    case VT_T_LIST_OF_TOKEN:
        return "TOKEN";
    case VT_T_BYTES:
        return "@FILE";
    case VT_T_TIME:
        return "TIME";
    case VT_T_MAP:
        return "JSON|@FILE|-";
    case VT_T_LIST:
    case VT_T_VALUE:
        return "VALUE|@FILE|-";
    }
    return "";
}

static bool is_list(enum vt_arg_kind kind)
{
    return kind == VT_T_LIST || kind == VT_T_LIST_OF_NAME || kind == VT_T_LIST_OF_TOKEN ||
           kind == VT_T_LIST_OF_EXTERNAL_ID;
}

static bool has_own_args(const struct vt_command *command)
{
    const struct vt_cli_hook *hook = vt_cli_hook_find(command->name);
    return hook == NULL || !hook->fills_args;
}

static VT_RESULT usage_words(struct vt_buf *out, const struct vt_command *command)
{
    for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++) {
        if ((arg->flags & VT_POSITIONAL) == 0) continue;
        const bool is_required = (arg->flags & VT_REQUIRED) != 0;
        VT_TRY(vt_buf_printf(out, is_required ? " %s" : " [%s]", arg->name));
    }
    return VAULT_OK;
}

static VT_RESULT usage_options(struct vt_buf *out, const struct vt_command *command)
{
    char option[VT_CLI_OPTION_MAX];
    for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++) {
        if ((arg->flags & VT_POSITIONAL) != 0 || (arg->flags & VT_REQUIRED) == 0) continue;
        vt_cli_option_of(arg->name, option);
        VT_TRY(vt_buf_printf(out, " %s %s", option, placeholder_of(arg)));
    }
    return VAULT_OK;
}

static VT_RESULT usage_extras(struct vt_buf *out, const struct vt_command *command)
{
    const struct vt_cli_hook *hook = vt_cli_hook_find(command->name);
    if (hook == NULL || hook->extras == NULL) return VAULT_OK;
    for (const struct vt_cli_extra *extra = hook->extras; extra->name != NULL; extra++)
        if (extra->is_required) VT_TRY(vt_buf_printf(out, " --%s %s", extra->name, extra->placeholder));
    return VAULT_OK;
}

VT_RESULT vt_cli_usage(struct vt_buf *out, const struct vt_command *command)
{
    VT_TRY(vt_cli_typed(out, command));
    if (has_own_args(command)) VT_TRY(usage_words(out, command));
    VT_TRY(usage_extras(out, command));
    if (has_own_args(command)) VT_TRY(usage_options(out, command));
    if ((command->flags & VT_NEEDS_PURPOSE) != 0) VT_TRY(vt_buf_append_str(out, " --purpose NAME"));
    return vt_buf_append_str(out, " [--options]");
}

static VT_RESULT write_usage(struct vt_buf *out, const struct vt_command *command)
{
    VT_TRY(vt_buf_append_str(out, "vaultctl "));
    VT_TRY(vt_cli_usage(out, command));
    VT_TRY(vt_buf_printf(out, "\n\n%s\n", command->summary));
    if (command->alias != NULL) VT_TRY(vt_buf_printf(out, "The same: vaultctl %s\n", command->alias));
    return VAULT_OK;
}

static VT_RESULT write_arg(struct vt_buf *out, const struct vt_arg *arg, bool needs_it)
{
    char option[VT_CLI_OPTION_MAX], left[96];
    vt_cli_option_of(arg->name, option);
    const char *placeholder = placeholder_of(arg);
    const char *space = placeholder[0] != '\0' ? " " : "";
    snprintf(left, sizeof left, "%s%s%s", option, space, placeholder);
    VT_AUTO(vt_buf) right = VT_BUF_INIT(1024);
    VT_TRY(vt_buf_append_str(&right, arg->doc));
    if (needs_it || (arg->flags & VT_REQUIRED) != 0) VT_TRY(vt_buf_append_str(&right, " (required)"));
    if ((arg->flags & VT_POSITIONAL) != 0) VT_TRY(vt_buf_append_str(&right, " (or as a word)"));
    if (is_list(arg->kind)) VT_TRY(vt_buf_append_str(&right, " (repeat it)"));
    VT_TRY(vt_buf_append_byte(&right, '\0'));
    VT_TRY(write_row(out, left, (const char *)right.data));
    if (arg->kind != VT_T_SECRET) return VAULT_OK;
    snprintf(left, sizeof left, "%s-file FILE", option);
    return write_row(out, left, "the same from a file; alone, the option asks");
}

static VT_RESULT write_extras(struct vt_buf *out, const struct vt_command *command)
{
    const struct vt_cli_hook *hook = vt_cli_hook_find(command->name);
    if (hook == NULL || hook->extras == NULL) return VAULT_OK;
    for (const struct vt_cli_extra *extra = hook->extras; extra->name != NULL; extra++) {
        char left[96];
        snprintf(left, sizeof left, "--%s%s%s", extra->name, extra->placeholder != NULL ? " " : "",
                 extra->placeholder != NULL ? extra->placeholder : "");
        VT_AUTO(vt_buf) right = VT_BUF_INIT(1024);
        VT_TRY(vt_buf_printf(&right, "%s%s", extra->doc, extra->is_required ? " (required)" : ""));
        VT_TRY(vt_buf_append_byte(&right, '\0'));
        VT_TRY(write_row(out, left, (const char *)right.data));
    }
    return VAULT_OK;
}

static VT_RESULT write_remarks(struct vt_buf *out, const struct vt_command *command)
{
    bool is_personal = false;
    for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++)
        is_personal = is_personal || ((arg->flags & VT_PERSONAL) != 0 && arg->kind != VT_T_SECRET);
    if (is_personal && has_own_args(command))
        VT_TRY(vt_buf_append_str(out, "\nWords are seen by everyone on this machine: give personal values as @FILE, or - for\n"
                                      "standard input. A text that begins with @ is written @@.\n"));
    if ((command->flags & VT_CONFIRM) != 0) VT_TRY(vt_buf_append_str(out, "\nAsks for a confirmation unless --yes.\n"));
    if ((command->flags & VT_LOCAL_ONLY) != 0) VT_TRY(vt_buf_append_str(out, "\nOver the Unix socket only.\n"));
    if ((command->flags & VT_TEST_ONLY) != 0) VT_TRY(vt_buf_append_str(out, "\nIn dev mode and test builds only.\n"));
    return VAULT_OK;
}

static VT_RESULT write_results(struct vt_buf *out, const struct vt_command *command)
{
    if (command->results[0].name != NULL) VT_TRY(vt_buf_append_str(out, "\nResults:\n"));
    for (const struct vt_arg *result = command->results; result->name != NULL; result++)
        VT_TRY(write_row(out, result->name, result->doc));
    return vt_buf_printf(out, "\nSource: %s.\n", command->source);
}

VT_RESULT vt_cli_help_command(struct vt_buf *out, const struct vt_command *command)
{
    VT_TRY(write_usage(out, command));
    VT_TRY(vt_buf_append_str(out, "\nOptions:\n"));
    VT_TRY(write_extras(out, command));
    for (const struct vt_arg *arg = command->args; arg->name != NULL && has_own_args(command); arg++)
        VT_TRY(write_arg(out, arg, false));
    for (const struct vt_arg *arg = VT_COMMON_ARGS; arg->name != NULL; arg++)
        VT_TRY(write_arg(out, arg, strcmp(arg->name, "purpose") == 0 && (command->flags & VT_NEEDS_PURPOSE) != 0));
    VT_TRY(write_remarks(out, command));
    VT_TRY(write_results(out, command));
    return write_globals(out);
}
