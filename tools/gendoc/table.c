/* tools/gendoc/table.c - writes the command table as JSON, for programs that test or describe what every command is:
 * gendoc_table FILE. What is written is what this build dispatches by, not what some source says. Thread: main. */
#include <stdio.h>
#include <stdlib.h>

#include "libvault/codec/json.h"
#include "libvault/schema/command.h"

enum { TABLE_MAX = 4 * 1024 * 1024, POOL_MAX = 16 * 1024 * 1024 };

/** What is being written, and from where its parts are allocated. */
struct writer {
    struct vt_pool pool;
};

struct flag {
    int bit;
    const char *name;
};

static const struct flag ARG_FLAGS[] = {{VT_REQUIRED, "required"},   {VT_PERSONAL, "personal"},
                                        {VT_POSITIVE, "positive"},   {VT_FROM_FILE, "from_file"},
                                        {VT_POSITIONAL, "positional"}, {VT_IDENTIFIES, "identifies"}};
static const struct flag COMMAND_FLAGS[] = {{VT_NEEDS_PURPOSE, "needs_purpose"}, {VT_WHILE_SEALED, "while_sealed"},
                                            {VT_UNAUDITED, "unaudited"},         {VT_SLOW, "slow"},
                                            {VT_LOCAL_ONLY, "local_only"},       {VT_CONFIRM, "confirm"},
                                            {VT_TOP_LEVEL, "top_level"},         {VT_TEST_ONLY, "test_only"}};

static const char *kind_name(enum vt_arg_kind kind)
{
    static const char *const NAMES[] = {
        [VT_T_BOOL] = "bool",
        [VT_T_INT] = "int",
        [VT_T_TEXT] = "text",
        [VT_T_NAME] = "name",
        [VT_T_EXTERNAL_ID] = "external_id",
        [VT_T_ID] = "id",
        [VT_T_TOKEN] = "token",
        [VT_T_BYTES] = "bytes",
        [VT_T_TIME] = "time",
        [VT_T_MAP] = "map",
        [VT_T_LIST] = "list",
        [VT_T_LIST_OF_NAME] = "list_of_name",
        [VT_T_LIST_OF_TOKEN] = "list_of_token",
        [VT_T_LIST_OF_EXTERNAL_ID] = "list_of_external_id",
        [VT_T_VALUE] = "value",
        [VT_T_SECRET] = "secret",
    };
    return NAMES[kind];
}

static VT_RESULT put_text(struct writer *writer, struct vt_value *map, const char *key, const char *text)
{
    return vt_value_put(&writer->pool, map, key, vt_value_str(text), NULL);
}

static VT_RESULT put_flags(struct writer *writer, struct vt_value *map, const struct flag *flags, size_t count, int set)
{
    for (size_t i = 0; i < count; i++)
        VT_TRY(vt_value_put(&writer->pool, map, flags[i].name, vt_value_bool((set & flags[i].bit) != 0), NULL));
    return VAULT_OK;
}

static VT_RESULT put_fields(struct writer *writer, struct vt_value *map, const char *key, const struct vt_arg *fields)
{
    struct vt_value list = vt_value_array();
    for (; fields->name != NULL; fields++) {
        struct vt_value field = vt_value_map();
        VT_TRY(put_text(writer, &field, "name", fields->name));
        VT_TRY(put_text(writer, &field, "kind", kind_name(fields->kind)));
        VT_TRY(put_flags(writer, &field, ARG_FLAGS, VT_ARRAY_LEN(ARG_FLAGS), fields->flags));
        VT_TRY(vt_value_put(&writer->pool, &field, "max", vt_value_int((int64_t)vt_arg_max(fields)), NULL));
        VT_TRY(vt_value_put(&writer->pool, &field, "item_max", vt_value_int((int64_t)vt_arg_item_max(fields)), NULL));
        VT_TRY(put_text(writer, &field, "doc", fields->doc));
        VT_TRY(vt_value_push(&writer->pool, &list, field, NULL));
    }
    return vt_value_put(&writer->pool, map, key, list, NULL);
}

static VT_RESULT put_errors(struct writer *writer, struct vt_value *map, const vault_status *errors, size_t most)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < most && errors[i] != VAULT_OK; i++)
        VT_TRY(vt_value_push(&writer->pool, &list, vt_value_str(vault_status_code(errors[i])), NULL));
    return vt_value_put(&writer->pool, map, "errors", list, NULL);
}

/* The roles that hold the scope, so that no reader needs to know bits. Empty: whoever is logged in, or anyone. */
static VT_RESULT put_roles(struct writer *writer, struct vt_value *map, int scope)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < VT_ROLE_COUNT; i++)
        if (scope == VT_SCOPE_NONE || (scope & VT_SCOPE_PUBLIC) != 0 || (VT_ROLES[i].scopes & scope) == scope)
            VT_TRY(vt_value_push(&writer->pool, &list, vt_value_str(VT_ROLES[i].name), NULL));
    VT_TRY(vt_value_put(&writer->pool, map, "roles", list, NULL));
    return vt_value_put(&writer->pool, map, "is_public", vt_value_bool((scope & VT_SCOPE_PUBLIC) != 0), NULL);
}

static VT_RESULT push_command(struct writer *writer, struct vt_value *list, const struct vt_command *command)
{
    static const char *const EFFECTS[] = {
        [VT_READS] = "reads", [VT_WRITES] = "writes", [VT_DESTROYS] = "destroys", [VT_OPERATES] = "operates"};
    struct vt_value map = vt_value_map();
    VT_TRY(put_text(writer, &map, "name", command->name));
    VT_TRY(vt_value_put(&writer->pool, &map, "number", vt_value_int(command->id), NULL));
    VT_TRY(put_text(writer, &map, "summary", command->summary));
    VT_TRY(put_text(writer, &map, "effect", EFFECTS[command->effect]));
    VT_TRY(put_roles(writer, &map, command->scope));
    VT_TRY(put_flags(writer, &map, COMMAND_FLAGS, VT_ARRAY_LEN(COMMAND_FLAGS), command->flags));
    VT_TRY(put_fields(writer, &map, "args", command->args));
    VT_TRY(put_fields(writer, &map, "results", command->results));
    VT_TRY(put_errors(writer, &map, command->errors, VT_ERRORS_MAX));
    return vt_value_push(&writer->pool, list, map, NULL);
}

static VT_RESULT put_statuses(struct writer *writer, struct vt_value *table)
{
    static const vault_status ALL[] = {
#define VAULT_STATUS(name, number, code, http, exit_code, retry, text) VAULT_##name,
#include "libvault/include/vault/status.def"
#undef VAULT_STATUS
    };
    struct vt_value map = vt_value_map();
    for (size_t i = 0; i < VT_ARRAY_LEN(ALL); i++)
        VT_TRY(vt_value_put(&writer->pool, &map, vault_status_code(ALL[i]), vt_value_int(ALL[i]), NULL));
    return vt_value_put(&writer->pool, table, "statuses", map, NULL);
}

static VT_RESULT write_table(struct writer *writer, struct vt_buf *out)
{
    struct vt_value table = vt_value_map(), roles = vt_value_array(), commands = vt_value_array();
    for (size_t i = 0; i < VT_ROLE_COUNT; i++)
        VT_TRY(vt_value_push(&writer->pool, &roles, vt_value_str(VT_ROLES[i].name), NULL));
    for (size_t i = 0; i < VT_COMMAND_COUNT; i++) VT_TRY(push_command(writer, &commands, VT_COMMANDS[i]));
    VT_TRY(vt_value_put(&writer->pool, &table, "roles", roles, NULL));
    VT_TRY(put_fields(writer, &table, "common_args", VT_COMMON_ARGS));
    VT_TRY(put_statuses(writer, &table));
    VT_TRY(put_errors(writer, &table, VT_COMMON_ERRORS, SIZE_MAX));
    VT_TRY(vt_value_put(&writer->pool, &table, "commands", commands, NULL));
    return vt_json_write(out, &table, VT_JSON_PRETTY);
}

static bool is_written(const char *path, const struct vt_buf *text)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) return false;
    const bool is_whole = fwrite(text->data, 1, text->len, file) == text->len;
    return fclose(file) == 0 && is_whole;
}

int main(int argc, char **argv)
{
    struct writer writer = {.pool = VT_POOL_INIT(POOL_MAX)};
    VT_AUTO(vt_buf) text = VT_BUF_INIT(TABLE_MAX);
    if (argc != 2) {
        fprintf(stderr, "usage: gendoc_table FILE\n");
        return EXIT_FAILURE;
    }
    const vault_status status = write_table(&writer, &text);
    vt_pool_release(&writer.pool);
    if (status == VAULT_OK && is_written(argv[1], &text)) return EXIT_SUCCESS;
    fprintf(stderr, "%s cannot be written: %s\n", argv[1], vault_status_text(status));
    return EXIT_FAILURE;
}
