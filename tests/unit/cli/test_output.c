/* Help for every command, tables, and what a failure says. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/help.h"
#include "cli/render.h"
#include "libvault/codec/json.h"
#include "tests/support/suite.h"

enum { OUT_MAX = 1024 * 1024 };

static const char *text_of(struct vt_buf *out)
{
    ck_assert_ok(vt_buf_append_byte(out, '\0'));
    return (const char *)out->data;
}

static const char *table_of(struct vt_buf *out, const char *json)
{
    static bool is_ready;
    if (!is_ready) vt_json_init();
    is_ready = true;
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(OUT_MAX);
    struct vt_value value;
    ck_assert_ok(vt_json_read(&pool, vt_bytes_str(json), &value, NULL));
    ck_assert_ok(vt_cli_render_table(out, &value));
    return text_of(out);
}

START_TEST(help_names_every_command_with_every_argument)
{
    VT_AUTO(vt_buf) all = VT_BUF_INIT(OUT_MAX);
    ck_assert_ok(vt_cli_help_all(&all));
    const char *page = text_of(&all);
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) {
        const struct vt_command *command = VT_COMMANDS[i];
        VT_AUTO(vt_buf) typed = VT_BUF_INIT(OUT_MAX);
        VT_AUTO(vt_buf) help = VT_BUF_INIT(OUT_MAX);
        ck_assert_ok(vt_cli_typed(&typed, command));
        ck_assert_ptr_nonnull(strstr(page, text_of(&typed)));
        ck_assert_ok(vt_cli_help_command(&help, command));
        const char *said = text_of(&help);
        ck_assert_ptr_nonnull(strstr(said, command->summary));
        if (strcmp(command->name, "record.import") == 0) continue;     /* makes its arguments from a file */
        for (const struct vt_arg *arg = command->args; arg->name != NULL; arg++) {
            char option[VT_CLI_OPTION_MAX];
            vt_cli_option_of(arg->name, option);
            ck_assert_msg(strstr(said, option) != NULL, "%s: %s", command->name, option);
        }
    }
}
END_TEST

START_TEST(help_of_a_group_names_its_verbs_alone)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUT_MAX);
    ck_assert_ok(vt_cli_help_group(&out, "token"));
    const char *page = text_of(&out);
    ck_assert_ptr_nonnull(strstr(page, "token create, tokenize"));
    ck_assert_ptr_null(strstr(page, "subject shred"));
}
END_TEST

START_TEST(completion_knows_every_command_in_every_shell_and_no_other_shell)
{
    static const char *const SHELLS[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < VT_ARRAY_LEN(SHELLS); i++) {
        VT_AUTO(vt_buf) out = VT_BUF_INIT(OUT_MAX);
        ck_assert_ok(vt_cli_completion(&out, SHELLS[i], NULL));
        const char *script = text_of(&out);
        for (size_t k = 0; k < VT_COMMAND_COUNT; k++)
            ck_assert_ptr_nonnull(strstr(script, strchr(VT_COMMANDS[k]->name, '.') + 1));
        ck_assert_ptr_nonnull(strstr(script, "bash zsh fish"));
        ck_assert_ptr_nonnull(strstr(script, "key-file-file"));
    }
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUT_MAX);
    struct vt_err err;
    ck_assert_status(vt_cli_completion(&out, "tcsh", &err), VAULT_E_ARGUMENT);
}
END_TEST

START_TEST(keys_and_values_are_aligned)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUT_MAX);
    ck_assert_str_eq(table_of(&out, "{\"id\": 7, \"is_sound\": true, \"gone\": null, \"list\": [], \"tags\": [\"a\", \"b\"]}"),
                     "id        7\nis_sound  yes\ngone      -\nlist      none\ntags      a, b\n");
}
END_TEST

START_TEST(a_list_of_maps_has_columns_counted_in_code_points)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUT_MAX);
    ck_assert_str_eq(table_of(&out, "{\"rows\": [{\"name\": \"\xc3\xa9t\xc3\xa9\", \"n\": 1}, {\"name\": \"long one\"}]}"),
                     "rows:\n  name      n\n  \xc3\xa9t\xc3\xa9       1\n  long one  -\n");
}
END_TEST

START_TEST(a_longer_text_is_a_block)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUT_MAX);
    ck_assert_str_eq(table_of(&out, "{\"note\": \"first\\n\\nsecond\\n\"}"), "note:\n  first\n\n  second\n");
}
END_TEST

START_TEST(control_characters_are_shown_and_not_sent)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUT_MAX);
    ck_assert_str_eq(table_of(&out, "{\"a\\u001b[2J\": \"\\u0007\\u009b\\r\"}"), "a\\x1b[2J  \\x07\\x9b\\x0d\n");
}
END_TEST

START_TEST(a_failure_is_one_sentence_with_field_and_code)
{
    VT_AUTO(vt_buf) out = VT_BUF_INIT(OUT_MAX);
    struct vt_client_error error = {.certificate = 3, .retry_after_ms = 20};
    snprintf(error.text.field, sizeof error.text.field, "subject");
    ck_assert_ok(vt_cli_explain(&out, VAULT_E_ERASED, &error));
    ck_assert_str_eq(text_of(&out),
                     "vaultctl: The data has been erased. (erased, field subject, certificate 3, try again in 20 ms)\n");
}
END_TEST

VT_TEST_MAIN("cli/output", help_names_every_command_with_every_argument, help_of_a_group_names_its_verbs_alone,
             completion_knows_every_command_in_every_shell_and_no_other_shell, keys_and_values_are_aligned,
             a_list_of_maps_has_columns_counted_in_code_points, a_longer_text_is_a_block,
             control_characters_are_shown_and_not_sent, a_failure_is_one_sentence_with_field_and_code)
