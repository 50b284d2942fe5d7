/* cli/args.h - the command line against the command table: which command is meant, and its arguments as values. Secrets
 * are never taken from argv: here it is only noted that one is asked for, or in which file it lies.
 * Invariant: no value ever gets into an error. Thread: main. */
#pragma once
#include "libvault/schema/command.h"

struct vt_cli_input;
struct vt_cli_hook;

/** Options that every command takes; NULL or 0 when not given. */
struct vt_cli_globals {
    const char *addr;
    const char *socket;
    const char *cacert;
    const char *pin;
    const char *certificate;
    const char *certificate_key;
    const char *credential_file;
    const char *config;
    const char *format;
    const char *only;
    const char *timeout;
    bool is_yes;
    bool is_help;
    bool is_version;
    bool is_quiet;
    bool is_no_wait;
};
enum vt_cli_wish { VT_CLI_RUN, VT_CLI_HELP, VT_CLI_COMPLETION, VT_CLI_VERSION };
enum { VT_CLI_WORDS_MAX = 2, VT_CLI_EXTRAS_MAX = 8 };
struct vt_cli_line {
    enum vt_cli_wish wish;
    const char *words[VT_CLI_WORDS_MAX];            /* of help and completion; else as given */
    size_t word_count;
    const struct vt_command *command;               /* NULL with help on nothing or on a group */
    const struct vt_cli_hook *hook;                 /* NULL: the generic way */
    struct vt_cli_globals globals;
    struct vt_value params;                         /* a map, in the pool */
    const char *secret_files[VT_ARGS_MAX];          /* by argument: --x-file FILE */
    bool is_secret_asked[VT_ARGS_MAX];              /* --x without a value */
    const char *extras[VT_CLI_EXTRAS_MAX];          /* by the hook's extra; a switch is "" */
};

/** One global option as the help shows it. */
struct vt_cli_global_doc {
    const char *name;           /* without dashes */
    const char *placeholder;    /* NULL: a switch */
    const char *doc;
};
extern const struct vt_cli_global_doc VT_CLI_GLOBALS[];
extern const size_t VT_CLI_GLOBAL_COUNT;

/** Read @p argv (the program's name excluded). @param out_line borrows from @p argv and @p pool
 *  @return VAULT_E_ARGUMENT, VAULT_E_TYPE, VAULT_E_PARSE, VAULT_E_TOO_LARGE, VAULT_E_IO, VAULT_E_NOT_FOUND (no such file),
 *  VAULT_E_MEMORY */
VT_RESULT vt_cli_read_line(struct vt_pool *pool, const struct vt_cli_input *input, int count, char *const *argv,
                           struct vt_cli_line *out_line, struct vt_err *err);

/** Whether @p option (dashes, as typed) is the name of an argument (underscores). */
bool vt_cli_is_named(const char *option, const char *arg_name);
/** "--external-id" of "external_id"; static storage of the caller. */
enum { VT_CLI_OPTION_MAX = 48 };
void vt_cli_option_of(const char *arg_name, char out_option[VT_CLI_OPTION_MAX]);
/** The command "group verb", "verb" or alias; NULL when there is none. @param out_used words that it took */
const struct vt_command *vt_cli_command_of(const char *first, const char *second_or_null, size_t *out_used);
bool vt_cli_group_exists(const char *group);
/** The value of the hook's extra @p name, or NULL. */
const char *vt_cli_extra(const struct vt_cli_line *line, const char *name);
