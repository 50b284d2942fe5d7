#include <string.h>

#include "cli/args.h"
#include "cli/help.h"
#include "cli/hooks.h"

/* What may follow "vaultctl": each group once, the verbs that stand alone, aliases, our own two. */
static bool is_first_of_group(size_t index)
{
    const size_t len = strcspn(VT_COMMANDS[index]->name, ".");
    for (size_t i = 0; i < index; i++)
        if (strncmp(VT_COMMANDS[i]->name, VT_COMMANDS[index]->name, len + 1) == 0) return false;
    return true;
}

static const char *verb_of(const struct vt_command *command)
{
    return strchr(command->name, '.') + 1;
}

static int group_len(const struct vt_command *command)
{
    return (int)strcspn(command->name, ".");
}

static VT_RESULT write_first_words(struct vt_buf *out)
{
    VT_TRY(vt_buf_append_str(out, "help completion"));
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        if (is_first_of_group(i)) VT_TRY(vt_buf_printf(out, " %.*s", group_len(command), command->name));
        if (command->alias != NULL) VT_TRY(vt_buf_printf(out, " %s", command->alias));
        if ((command->flags & VT_TOP_LEVEL) != 0) VT_TRY(vt_buf_printf(out, " %s", verb_of(command)));
    }
    return VAULT_OK;
}

static VT_RESULT write_verbs(struct vt_buf *out, const struct vt_command *of)
{
    const char *space = "";
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        if (strncmp(command->name, of->name, (size_t)group_len(of) + 1) != 0) continue;
        VT_TRY(vt_buf_printf(out, "%s%s", space, verb_of(command)));
        space = " ";
    }
    return VAULT_OK;
}

static VT_RESULT write_args(struct vt_buf *out, const struct vt_arg *arg)
{
    for (; arg->name != NULL; arg++) {
        char option[VT_CLI_OPTION_MAX];
        vt_cli_option_of(arg->name, option);
        VT_TRY(vt_buf_printf(out, " %s", option));
        if (arg->kind == VT_T_SECRET) VT_TRY(vt_buf_printf(out, " %s-file", option));
    }
    return VAULT_OK;
}

static VT_RESULT write_options(struct vt_buf *out, const struct vt_command *command)
{
    const struct vt_cli_hook *hook = vt_cli_hook_find(command->name);
    VT_TRY(vt_buf_append_str(out, "--help"));
    for (const struct vt_cli_extra *extra = hook != NULL ? hook->extras : NULL; extra != NULL && extra->name != NULL; extra++)
        VT_TRY(vt_buf_printf(out, " --%s", extra->name));
    if (hook == NULL || !hook->fills_args) VT_TRY(write_args(out, command->args));
    VT_TRY(write_args(out, VT_COMMON_ARGS));
    for (size_t i = 0; i < VT_CLI_GLOBAL_COUNT; i++)
        if (strcmp(VT_CLI_GLOBALS[i].name, "help") != 0) VT_TRY(vt_buf_printf(out, " --%s", VT_CLI_GLOBALS[i].name));
    return VAULT_OK;
}

/* The patterns of a case branch: every way to type the command. */
static VT_RESULT write_patterns(struct vt_buf *out, const struct vt_command *command)
{
    VT_TRY(vt_buf_printf(out, "\"%.*s %s\"", group_len(command), command->name, verb_of(command)));
    if ((command->flags & VT_TOP_LEVEL) != 0) VT_TRY(vt_buf_printf(out, "|\"%s \"*", verb_of(command)));
    if (command->alias != NULL) VT_TRY(vt_buf_printf(out, "|\"%s \"*", command->alias));
    return VAULT_OK;
}

static VT_RESULT write_bash(struct vt_buf *out)
{
    VT_TRY(vt_buf_append_str(out, "# bash completion for vaultctl, written by `vaultctl completion bash`\n"
                                  "_vaultctl() {\n"
                                  "    local current=${COMP_WORDS[COMP_CWORD]} words=\n"
                                  "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n"));
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        VT_TRY(vt_buf_append_str(out, "    "));
        VT_TRY(write_patterns(out, VT_COMMANDS[i]));
        VT_TRY(vt_buf_append_str(out, ") words=\""));
        VT_TRY(write_options(out, VT_COMMANDS[i]));
        VT_TRY(vt_buf_append_str(out, "\" ;;\n"));
    }
    VT_TRY(vt_buf_append_str(out, "    esac\n"
                                  "    if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
                                  "        case \"${COMP_WORDS[1]}\" in\n"));
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        if (!is_first_of_group(i)) continue;
        VT_TRY(vt_buf_printf(out, "        %.*s) words=\"", group_len(VT_COMMANDS[i]), VT_COMMANDS[i]->name));
        VT_TRY(write_verbs(out, VT_COMMANDS[i]));
        VT_TRY(vt_buf_append_str(out, "\" ;;\n"));
    }
    VT_TRY(vt_buf_append_str(out, "        esac\n"
                                  "    fi\n"
                                  "    if [ \"$COMP_CWORD\" -eq 2 ] && [ \"${COMP_WORDS[1]}\" = completion ]; then "
                                  "words=\"bash zsh fish\"; fi\n"
                                  "    if [ \"$COMP_CWORD\" -eq 1 ] || { [ \"$COMP_CWORD\" -eq 2 ] && "
                                  "[ \"${COMP_WORDS[1]}\" = help ]; }; then words=\""));
    VT_TRY(write_first_words(out));
    return vt_buf_append_str(out, " --help --version\"; fi\n"
                                  "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
                                  "}\n"
                                  "complete -o default -F _vaultctl vaultctl\n");
}

/* zsh reads bash's functions through its own compatibility layer. */
static VT_RESULT write_zsh(struct vt_buf *out)
{
    VT_TRY(vt_buf_append_str(out, "#compdef vaultctl\nautoload -U +X bashcompinit && bashcompinit\n"));
    return write_bash(out);
}

static VT_RESULT write_fish_options(struct vt_buf *out, const struct vt_command *command)
{
    const char *verb = verb_of(command);
    for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++) {
        char option[VT_CLI_OPTION_MAX];
        vt_cli_option_of(arg->name, option);
        VT_TRY(vt_buf_printf(out, "complete -c vaultctl -n '__fish_seen_subcommand_from %s' -l %s\n", verb, option + 2));
        if (arg->kind == VT_T_SECRET)
            VT_TRY(vt_buf_printf(out, "complete -c vaultctl -n '__fish_seen_subcommand_from %s' -r -l %s-file\n", verb,
                                 option + 2));
    }
    return VAULT_OK;
}

static VT_RESULT write_fish(struct vt_buf *out)
{
    VT_TRY(vt_buf_append_str(out, "# fish completion for vaultctl, written by `vaultctl completion fish`\n"
                                  "complete -c vaultctl -n __fish_use_subcommand -f -a '"));
    VT_TRY(write_first_words(out));
    VT_TRY(vt_buf_append_str(out, "'\ncomplete -c vaultctl -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n"));
    for (size_t i = 0; i < VT_CLI_GLOBAL_COUNT; i++)
        VT_TRY(vt_buf_printf(out, "complete -c vaultctl -l %s%s\n", VT_CLI_GLOBALS[i].name,
                             VT_CLI_GLOBALS[i].placeholder != NULL ? " -r" : ""));
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        if (is_first_of_group(i)) {
            VT_TRY(vt_buf_printf(out, "complete -c vaultctl -n '__fish_seen_subcommand_from %.*s' -f -a '",
                                 group_len(command), command->name));
            VT_TRY(write_verbs(out, command));
            VT_TRY(vt_buf_append_str(out, "'\n"));
        }
        VT_TRY(write_fish_options(out, command));
    }
    return VAULT_OK;
}

VT_RESULT vt_cli_completion(struct vt_buf *out, const char *shell, struct vt_err *err)
{
    if (strcmp(shell, "bash") == 0) return write_bash(out);
    if (strcmp(shell, "zsh") == 0) return write_zsh(out);
    if (strcmp(shell, "fish") == 0) return write_fish(out);
    return vt_fail(err, VAULT_E_ARGUMENT, NULL, "Completion is written for bash, zsh and fish.");
}
