/* The command line against the table: what is taken, what is refused, and that no secret comes from argv. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/hooks.h"
#include "cli/input.h"
#include "libvault/codec/json.h"
#include "tests/support/suite.h"

enum { WORDS_MAX = 16, POOL_MAX = 64 * 1024 * 1024 };

static const char *no_env(const char *name)
{
    ck_assert_ptr_nonnull(name);
    return NULL;
}

/* One command line, split at spaces; what comes on standard input is in a file. */
struct reading {
    struct vt_pool pool;
    struct vt_cli_input input;
    struct vt_cli_line line;
    struct vt_err err;
    char text[512];
};

static void reading_release(struct reading *reading)
{
    if (reading->input.stdin_fd >= 0) close(reading->input.stdin_fd);
    vt_pool_release(&reading->pool);
}
#define READING __attribute__((cleanup(reading_release))) struct reading

static vault_status read_words(struct reading *reading, const char *words, const char *stdin_text)
{
    static bool is_ready;
    if (!is_ready) vt_json_init();
    is_ready = true;
    *reading = (struct reading){.pool = VT_POOL_INIT(POOL_MAX), .input = {.stdin_fd = -1, .tty_fd = -1, .env = no_env}};
    if (stdin_text != NULL) {
        FILE *file = tmpfile();
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(stdin_text, 1, strlen(stdin_text), file), strlen(stdin_text));
        rewind(file);
        reading->input.stdin_fd = dup(fileno(file));
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(lseek(reading->input.stdin_fd, 0, SEEK_SET), 0);
    }
    char *argv[WORDS_MAX];
    int count = 0;
    snprintf(reading->text, sizeof reading->text, "%s", words);
    for (char *at = reading->text; *at != '\0' && count < WORDS_MAX;) {
        argv[count++] = at;
        at += strcspn(at, " ");
        if (*at != '\0') *at++ = '\0';
    }
    return vt_cli_read_line(&reading->pool, &reading->input, count, argv, &reading->line, &reading->err);
}

static struct vt_bytes text_of(const struct reading *reading, const char *name)
{
    return vt_value_get_text(&reading->line.params, name);
}

START_TEST(every_command_is_found_by_every_way_to_type_it)
{
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        char words[128];
        size_t used;
        snprintf(words, sizeof words, "%s", command->name);
        char *verb = strchr(words, '.');
        *verb++ = '\0';
        if (vt_cli_command_of(words, NULL, &used) == NULL) ck_assert_ptr_eq(vt_cli_command_of(words, verb, &used), command);
        if (command->alias != NULL) ck_assert_ptr_eq(vt_cli_command_of(command->alias, NULL, &used), command);
        if ((command->flags & VT_TOP_LEVEL) != 0) ck_assert_ptr_eq(vt_cli_command_of(verb, NULL, &used), command);
    }
}
END_TEST

START_TEST(no_group_hides_behind_a_verb_that_stands_alone)
{
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        char group[128];
        size_t used;
        snprintf(group, sizeof group, "%.*s", (int)strcspn(VT_COMMANDS[i]->name, "."), VT_COMMANDS[i]->name);
        ck_assert_msg(vt_cli_command_of(group, NULL, &used) == NULL, "%s is a group and a verb", group);
    }
}
END_TEST

START_TEST(every_hook_belongs_to_a_command_and_hides_no_global_option)
{
    static const char *const HOOKED[] = {"record.import", "subject.export", "certificate.verify", "vault.init", "vault.unseal"};
    for (size_t i = 0; i < VT_ARRAY_LEN(HOOKED); i++) {
        const struct vt_cli_hook *hook = vt_cli_hook_find(HOOKED[i]);
        ck_assert_ptr_nonnull(hook);
        ck_assert_ptr_nonnull(vt_command_find(vt_bytes_str(HOOKED[i])));
        for (size_t k = 0; hook->extras != NULL && hook->extras[k].name != NULL; k++) {
            ck_assert_uint_lt(k, VT_CLI_EXTRAS_MAX);
            for (size_t g = 0; g < VT_CLI_GLOBAL_COUNT; g++)
                ck_assert_str_ne(hook->extras[k].name, VT_CLI_GLOBALS[g].name);
        }
    }
}
END_TEST

START_TEST(no_argument_of_the_table_hides_behind_a_global_option)
{
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++)
        for (const struct vt_arg *arg = VT_COMMANDS[i]->args; arg->name != NULL; arg++)
            for (size_t g = 0; g < VT_CLI_GLOBAL_COUNT; g++)
                ck_assert_msg(!vt_cli_is_named(VT_CLI_GLOBALS[g].name, arg->name), "%s: --%s", VT_COMMANDS[i]->name,
                              VT_CLI_GLOBALS[g].name);
}
END_TEST

START_TEST(no_command_takes_a_secret_from_the_command_line)
{
    size_t seen = 0;
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++) {
            if (arg->kind != VT_T_SECRET) continue;
            char words[256], option[VT_CLI_OPTION_MAX];
            vt_cli_option_of(arg->name, option);
            snprintf(words, sizeof words, "%.*s %s %s=hunter2", (int)strcspn(command->name, "."), command->name,
                     strchr(command->name, '.') + 1, option);
            READING reading;
            ck_assert_status(read_words(&reading, words, NULL), VAULT_E_ARGUMENT);
            ck_assert_str_eq(reading.err.field, arg->name);
            ck_assert_ptr_null(strstr(reading.err.message, "hunter2"));
            ck_assert_int_eq(arg->flags & VT_POSITIONAL, 0);
            seen++;
        }
    }
    ck_assert_uint_gt(seen, 5);
}
END_TEST

START_TEST(a_secret_is_asked_for_or_lies_in_a_file)
{
    READING asked, filed;
    ck_assert_ok(read_words(&asked, "unseal --share", NULL));
    ck_assert(asked.line.is_secret_asked[2]);
    ck_assert_uint_eq(asked.line.params.map.count, 0);
    ck_assert_ok(read_words(&filed, "unseal --key-file-file /k", NULL));
    ck_assert_str_eq(filed.line.secret_files[1], "/k");
}
END_TEST

START_TEST(words_become_positional_arguments_in_table_order)
{
    READING reading;
    ck_assert_ok(read_words(&reading, "subject shred ada --now --category B --record 7", NULL));
    ck_assert_str_eq(reading.line.command->name, "subject.shred");
    ck_assert(vt_bytes_equal_str(text_of(&reading, "subject"), "ada"));
    ck_assert(vt_value_get_bool(&reading.line.params, "now", false));
    ck_assert_int_eq(vt_value_get_int(&reading.line.params, "record", 0), 7);
}
END_TEST

START_TEST(a_word_too_many_is_refused_with_the_right_form_and_not_shown)
{
    READING second, first, hooked;
    ck_assert_status(read_words(&second, "subject shred ada eve", NULL), VAULT_E_ARGUMENT);
    ck_assert_str_eq(second.err.message, "That is a word too many. Type: vaultctl subject shred [subject] [--options].");
    ck_assert_status(read_words(&first, "subject find eve", NULL), VAULT_E_ARGUMENT);
    ck_assert_str_eq(first.err.message, "The command takes options, no words. Type: vaultctl subject find --collection NAME "
                                        "--field NAME --value VALUE|@FILE|- --purpose NAME [--options].");
    ck_assert_status(read_words(&hooked, "import eve.csv", NULL), VAULT_E_ARGUMENT);
    ck_assert_str_eq(hooked.err.message, "The command takes options, no words. Type: vaultctl record import --file FILE "
                                         "--mapping FILE [--options].");
}
END_TEST

START_TEST(the_right_form_of_every_command_fits_into_its_refusal)
{
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        char words[VT_ARGS_MAX * 2 + 128];
        const int len = snprintf(words, sizeof words, "%.*s %s", (int)strcspn(command->name, "."), command->name,
                                 strchr(command->name, '.') + 1);
        size_t at = (size_t)len;
        for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++) {
            if ((arg->flags & VT_POSITIONAL) == 0) continue;
            const char *word = (arg->flags & VT_FROM_FILE) != 0 ? " -" : " 1";
            at += (size_t)snprintf(words + at, sizeof words - at, "%s", word);
        }
        snprintf(words + at, sizeof words - at, " 1");
        if ((command->flags & VT_TOP_LEVEL) != 0) memset(words, ' ', strcspn(words, " "));
        READING reading;
        ck_assert_status(read_words(&reading, words + strspn(words, " "), "text\n"), VAULT_E_ARGUMENT);
        const size_t said = strlen(reading.err.message);
        ck_assert_msg(said > 13 && strcmp(reading.err.message + said - 13, " [--options].") == 0, "%s: %s", command->name,
                      reading.err.message);
    }
}
END_TEST

static void file_make(char path[64], const char *text)
{
    snprintf(path, 64, "/tmp/vaultctl-args-XXXXXX");
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(a_file_is_named_with_or_without_an_at_sign)
{
    char path[64], words[128];
    file_make(path, "name: cards\n");
    static const char *const FORMS[] = {"schema apply ", "schema apply @", "schema apply --schema ", "schema apply --schema=@"};
    for (size_t i = 0; i < VT_ARRAY_LEN(FORMS); i++) {
        READING reading;
        snprintf(words, sizeof words, "%s%s", FORMS[i], path);
        ck_assert_ok(read_words(&reading, words, NULL));
        ck_assert(vt_bytes_equal_str(text_of(&reading, "schema"), "name: cards\n"));
    }
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(an_option_that_names_a_file_takes_it_with_an_at_sign_too)
{
    READING options, plain, doubled;
    ck_assert_ok(read_words(&options, "import --file @/rows.csv --mapping @/m.yaml --credential-file @/c --cacert=@/ca", NULL));
    ck_assert_str_eq(vt_cli_extra(&options.line, "file"), "/rows.csv");
    ck_assert_str_eq(vt_cli_extra(&options.line, "mapping"), "/m.yaml");
    ck_assert_str_eq(options.line.globals.credential_file, "/c");
    ck_assert_str_eq(options.line.globals.cacert, "/ca");
    ck_assert_ok(read_words(&plain, "unseal --key-file-file @/k --socket @abstract", NULL));
    ck_assert_str_eq(plain.line.secret_files[1], "/k");
    ck_assert_str_eq(plain.line.globals.socket, "@abstract");
    ck_assert_ok(read_words(&doubled, "unseal --key-file-file @@k", NULL));
    ck_assert_str_eq(doubled.line.secret_files[1], "@k");
}
END_TEST

START_TEST(a_path_where_json_belongs_is_answered_with_what_to_type)
{
    READING path, json;
    ck_assert_status(read_words(&path, "record put ada --fields fields.json", NULL), VAULT_E_PARSE);
    ck_assert_str_eq(path.err.message,
                     "The argument fields is not JSON: Line 1: this is not JSON. A file of JSON is given as @FILE.");
    ck_assert_status(read_words(&json, "record put ada --fields {\"a\":", NULL), VAULT_E_PARSE);
    ck_assert_ptr_null(strstr(json.err.message, "@FILE"));
}
END_TEST

START_TEST(an_argument_given_twice_is_refused_unless_it_is_a_list)
{
    READING twice, list;
    ck_assert_status(read_words(&twice, "subject shred ada --subject eve", NULL), VAULT_E_ARGUMENT);
    ck_assert_ok(read_words(&list, "detokenize --tokens a --tokens b --tokens [\"c\",\"d\"]", NULL));
    const struct vt_value *tokens = vt_value_get(&list.line.params, "tokens");
    ck_assert_uint_eq(tokens->array.count, 4);
    ck_assert(vt_bytes_equal_str(tokens->array.items[3].bytes, "d"));
}
END_TEST

START_TEST(a_number_that_is_none_or_does_not_fit_is_refused_without_being_shown)
{
    static const char *const BAD[] = {"4x", "", "-", "9223372036854775808", "1e3", "0x10", "+1"};
    for (size_t i = 0; i < VT_ARRAY_LEN(BAD); i++) {
        char words[128];
        snprintf(words, sizeof words, "subject list --limit=%s", BAD[i]);
        READING reading;
        ck_assert_status(read_words(&reading, words, NULL), VAULT_E_TYPE);
        ck_assert_str_eq(reading.err.message, "The argument limit must be an integer.");
    }
    READING most;
    ck_assert_ok(read_words(&most, "subject list --limit=9223372036854775807", NULL));
    ck_assert_int_eq(vt_value_get_int(&most.line.params, "limit", 0), INT64_MAX);
}
END_TEST

START_TEST(a_card_number_stays_text)
{
    READING reading;
    ck_assert_ok(read_words(&reading, "tokenize 4111111111111111 --template card", NULL));
    ck_assert(vt_bytes_equal_str(text_of(&reading, "value"), "4111111111111111"));
}
END_TEST

START_TEST(what_opens_like_json_is_json)
{
    READING map, bad;
    ck_assert_ok(read_words(&map, "record put ada --collection profile --fields {\"age\":7}", NULL));
    ck_assert_int_eq(vt_value_get_int(vt_value_get(&map.line.params, "fields"), "age", 0), 7);
    ck_assert_status(read_words(&bad, "record put ada --fields {\"secret-word\":", NULL), VAULT_E_PARSE);
    ck_assert_str_eq(bad.err.field, "fields");
    ck_assert_ptr_null(strstr(bad.err.message, "secret-word"));
}
END_TEST

START_TEST(standard_input_gives_a_value_without_its_last_line_break)
{
    READING value, ids;
    ck_assert_ok(read_words(&value, "tokenize - --template card", "open sesame\n"));
    ck_assert(vt_bytes_equal_str(text_of(&value, "value"), "open sesame"));
    ck_assert_ok(read_words(&ids, "subject shred --subjects -", "ada\neve\n"));
    ck_assert_uint_eq(vt_value_get(&ids.line.params, "subjects")->array.count, 2);
}
END_TEST

START_TEST(a_file_that_is_not_there_or_not_text_is_refused)
{
    READING missing, binary;
    ck_assert_status(read_words(&missing, "schema apply /nonexistent/schema.yaml", NULL), VAULT_E_NOT_FOUND);
    ck_assert_str_eq(missing.err.field, "schema");
    ck_assert_status(read_words(&binary, "tokenize - --template card", "\xff\xfe"), VAULT_E_TYPE);
}
END_TEST

START_TEST(a_slip_in_a_name_is_refused_and_shown_only_when_it_looks_like_a_name)
{
    READING option, command, number;
    ck_assert_status(read_words(&option, "subject shred ada --kategory B", NULL), VAULT_E_ARGUMENT);
    ck_assert_str_eq(option.err.message, "There is no option --kategory here.");
    ck_assert_status(read_words(&command, "subject destroy", NULL), VAULT_E_ARGUMENT);
    ck_assert_status(read_words(&number, "4111111111111111 x", NULL), VAULT_E_ARGUMENT);
    ck_assert_ptr_null(strstr(number.err.message, "4111"));
}
END_TEST

START_TEST(an_option_without_its_value_is_refused)
{
    READING value, flag;
    ck_assert_status(read_words(&value, "subject list --limit", NULL), VAULT_E_ARGUMENT);
    ck_assert_status(read_words(&flag, "health --yes=1", NULL), VAULT_E_ARGUMENT);
}
END_TEST

START_TEST(words_behind_two_dashes_are_no_options)
{
    READING reading;
    ck_assert_ok(read_words(&reading, "subject show -- --ada", NULL));
    ck_assert(vt_bytes_equal_str(text_of(&reading, "subject"), "--ada"));
}
END_TEST

START_TEST(help_is_asked_for_in_three_ways)
{
    READING all, group, command, unknown;
    ck_assert_ok(read_words(&all, "", NULL));
    ck_assert_int_eq(all.line.wish, VT_CLI_HELP);
    ck_assert_ok(read_words(&group, "subject --help", NULL));
    ck_assert_ptr_null(group.line.command);
    ck_assert_int_eq(group.line.wish, VT_CLI_HELP);
    ck_assert_ok(read_words(&command, "help subject shred", NULL));
    ck_assert_str_eq(command.line.command->name, "subject.shred");
    ck_assert_status(read_words(&unknown, "help bogus", NULL), VAULT_E_ARGUMENT);
}
END_TEST

/* docs/PROTOCOL.md, "Transport": mutual TLS does not log in yet. */
START_TEST(the_help_does_not_promise_a_login_by_tls_certificate)
{
    bool is_said = false;
    for (size_t i = 0; i < VT_CLI_GLOBAL_COUNT; i++)
        if (strcmp(VT_CLI_GLOBALS[i].name, "tls-certificate") == 0)
            is_said = strstr(VT_CLI_GLOBALS[i].doc, "logs nobody in yet") != NULL;
    ck_assert(is_said);
}
END_TEST

VT_TEST_MAIN("cli/args", the_help_does_not_promise_a_login_by_tls_certificate,
             every_command_is_found_by_every_way_to_type_it, no_group_hides_behind_a_verb_that_stands_alone,
             every_hook_belongs_to_a_command_and_hides_no_global_option,
             no_argument_of_the_table_hides_behind_a_global_option, no_command_takes_a_secret_from_the_command_line,
             a_secret_is_asked_for_or_lies_in_a_file, words_become_positional_arguments_in_table_order,
             a_word_too_many_is_refused_with_the_right_form_and_not_shown,
             the_right_form_of_every_command_fits_into_its_refusal, a_file_is_named_with_or_without_an_at_sign,
             an_option_that_names_a_file_takes_it_with_an_at_sign_too,
             a_path_where_json_belongs_is_answered_with_what_to_type, an_argument_given_twice_is_refused_unless_it_is_a_list,
             a_number_that_is_none_or_does_not_fit_is_refused_without_being_shown, a_card_number_stays_text,
             what_opens_like_json_is_json, standard_input_gives_a_value_without_its_last_line_break,
             a_file_that_is_not_there_or_not_text_is_refused,
             a_slip_in_a_name_is_refused_and_shown_only_when_it_looks_like_a_name, an_option_without_its_value_is_refused,
             words_behind_two_dashes_are_no_options, help_is_asked_for_in_three_ways)
