/* What stands around the records: schemas, mappings, categories, summary, manifest and its note. */
#include <stdio.h>

#include "libvault/base/clock.h"
#include "libvault/codec/json.h"
#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "libvault/proof/note.h"
#include "vaultd/core/rights/export_internal.h"

enum { PACKAGE_FORMAT = 1, SMALL_FILE_MAX = 1024 * 1024, PATH_MAX_LEN = 128 };

/* Values ------------------------------------------------------------------------------------------------------------ */

static VT_RESULT put(struct vt_export_state *state, struct vt_value *map, const char *key, struct vt_value value)
{
    return vt_value_put(state->env->pool, map, key, value, NULL);
}

static VT_RESULT put_count(struct vt_export_state *state, struct vt_value *map, const char *key, uint64_t count)
{
    return put(state, map, key, vt_value_int((int64_t)count));
}

static VT_RESULT put_copy(struct vt_export_state *state, struct vt_value *map, const char *key, const char *text)
{
    const struct vt_bytes copy = vt_pool_copy(state->env->pool, vt_bytes_str(text));
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    return put(state, map, key, vt_value_text(copy));
}

static VT_RESULT put_time(struct vt_export_state *state, struct vt_value *map, const char *key, int64_t at_ms)
{
    char text[VT_TIME_TEXT_LEN];
    vt_time_format(at_ms, text);
    return put_copy(state, map, key, text);
}

static VT_RESULT add_json(struct vt_export_state *state, const char *path, const struct vt_value *value)
{
    VT_AUTO(vt_buf) content = VT_BUF_INIT(VT_LIMIT_REPLY_BYTES);
    VT_TRY(vt_json_write(&content, value, VT_JSON_PRETTY));
    VT_TRY(vt_buf_append_byte(&content, '\n'));
    return vt_package_add(state, path, "application/json", 0, &content);
}

static uint64_t part_held(const struct vt_export_part *part)
{
    return part->exported + part->redacted + part->withheld;
}

/* What is held ------------------------------------------------------------------------------------------------------ */

/* Field, type and count of what a package says no more about. */
static VT_RESULT put_never_disclosed(struct vt_export_state *state, const struct vt_export_part *part, struct vt_value *map)
{
    const struct vt_collection *collection = part->entry->collection;
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < collection->field_count; i++) {
        struct vt_value item = vt_value_map();
        if (part->never_disclosed[i] == 0) continue;
        VT_TRY(put(state, &item, "field", vt_value_text(collection->fields[i].name)));
        VT_TRY(put(state, &item, "type", vt_value_str(collection->fields[i].type->name)));
        VT_TRY(put_count(state, &item, "held", part->never_disclosed[i]));
        VT_TRY(vt_value_push(state->env->pool, &list, item, NULL));
    }
    return list.array.count == 0 ? VAULT_OK : put(state, map, "never_disclosed", list);
}

static VT_RESULT part_value(struct vt_export_state *state, const struct vt_export_part *part, struct vt_value *out_map)
{
    struct vt_value map = vt_value_map(), codes = vt_value_map();
    VT_TRY(put_count(state, &map, "held", part_held(part)));
    VT_TRY(put_count(state, &map, "exported", part->exported));
    VT_TRY(put_count(state, &map, "redacted", part->redacted));
    VT_TRY(put_count(state, &map, "withheld", part->withheld));
    if (part->withheld_never_disclosed != 0) VT_TRY(put_count(state, &codes, "never-disclosed", part->withheld_never_disclosed));
    if (part->withheld_erased != 0) VT_TRY(put_count(state, &codes, "erased", part->withheld_erased));
    if (part->withheld_pending != 0) VT_TRY(put_count(state, &codes, "shred-pending", part->withheld_pending));
    if (codes.map.count != 0) VT_TRY(put(state, &map, "withheld_codes", codes));
    VT_TRY(put_never_disclosed(state, part, &map));
    *out_map = map;
    return VAULT_OK;
}

VT_RESULT vt_export_held(struct vt_export_state *state, struct vt_value *out_map)
{
    struct vt_value map = vt_value_map(), item;
    for (size_t i = 0; i < state->part_count; i++) {
        const struct vt_export_part *part = &state->parts[i];
        if (part_held(part) == 0) continue;
        VT_TRY(part_value(state, part, &item));
        VT_TRY(vt_value_append(state->env->pool, &map, part->entry->collection->name, item, NULL));
    }
    *out_map = map;
    return VAULT_OK;
}

/* Files of one collection ------------------------------------------------------------------------------------------- */

static VT_RESULT add_part_file(struct vt_export_state *state, const struct vt_export_part *part, const char *folder,
                               const char *extension, const char *type, uint64_t rows, struct vt_buf *content)
{
    const struct vt_bytes name = part->entry->collection->name;
    char path[PATH_MAX_LEN];
    snprintf(path, sizeof path, "%s/%.*s.%s", folder, (int)name.len, (const char *)name.data, extension);
    return vt_package_add(state, path, type, rows, content);
}

/* Names of collections and fields are [a-z][a-z0-9_-]*: they need no quotes but where YAML would see another word. */
static VT_RESULT write_mapping(const struct vt_export_part *part, bool is_csv, struct vt_buf *out)
{
    const struct vt_collection *collection = part->entry->collection;
    const char *name = (const char *)collection->name.data;
    VT_TRY(vt_buf_printf(out, "# Re-import of %s/%s.%s into a vault that has this collection.\n", is_csv ? "csv" : "records",
                         name, is_csv ? "csv" : "jsonl"));
    VT_TRY(vt_buf_printf(out, "name: \"%s\"\nsubject: _external_id\nexisting: add\n", name));
    VT_TRY(vt_buf_printf(out, "created: _created_at\nupdated: _updated_at\nignore: [_record, _erased]\n"));
    VT_TRY(vt_buf_printf(out, "guarded: %s\ncolumns:\n", is_csv ? "true" : "false"));
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct vt_field *field = &collection->fields[i];
        const char *field_name = (const char *)field->name.data;
        const bool is_json = is_csv && field->type->kind != VT_VALUE_TEXT && field->type->kind != VT_VALUE_INT &&
                             field->type->kind != VT_VALUE_BOOL;
        VT_TRY(is_json ? vt_buf_printf(out, "  \"%s\": {field: \"%s.%s\", as: json}\n", field_name, name, field_name)
                       : vt_buf_printf(out, "  \"%s\": \"%s.%s\"\n", field_name, name, field_name));
    }
    return VAULT_OK;
}

/* A record of two subjects cannot be made again from one person's package, which does not name the other. */
static VT_RESULT add_mappings(struct vt_export_state *state, struct vt_export_part *part)
{
    VT_AUTO(vt_buf) jsonl = VT_BUF_INIT(SMALL_FILE_MAX);
    VT_AUTO(vt_buf) csv = VT_BUF_INIT(SMALL_FILE_MAX);
    const bool is_whole = state->options->include_never_disclosed && state->info.external_id.data != NULL;
    if (!is_whole || part->entry->collection->subject_count == 2) return VAULT_OK;
    VT_TRY(write_mapping(part, false, &jsonl));
    VT_TRY(write_mapping(part, true, &csv));
    VT_TRY(add_part_file(state, part, "import", "yaml", "application/yaml", 0, &jsonl));
    return add_part_file(state, part, "import", "csv.yaml", "application/yaml", 0, &csv);
}

VT_RESULT vt_export_part_files(struct vt_export_state *state, struct vt_export_part *part)
{
    VT_AUTO(vt_buf) schema = VT_BUF_INIT(SMALL_FILE_MAX);
    if (part_held(part) == 0) return VAULT_OK;
    if (part->rows == 0) VT_TRY(vt_export_csv_header(state, part));
    VT_TRY(vt_collection_write_yaml(&schema, part->entry->collection));
    VT_TRY(add_part_file(state, part, "records", "jsonl", "application/jsonl", part->rows, &part->jsonl));
    VT_TRY(add_part_file(state, part, "csv", "csv", "text/csv", part->rows, &part->csv));
    VT_TRY(add_part_file(state, part, "schema", "yaml", "application/yaml", 0, &schema));
    return add_mappings(state, part);
}

/* Categories -------------------------------------------------------------------------------------------------------- */

static VT_RESULT category_value(struct vt_export_state *state, const struct vt_category *category, struct vt_value *list)
{
    struct vt_value map = vt_value_map(), collections = vt_value_map();
    for (size_t i = 0; i < state->part_count; i++) {
        const struct vt_export_part *part = &state->parts[i];
        if (part->categories[category->number] == 0) continue;
        VT_TRY(vt_value_append(state->env->pool, &collections, part->entry->collection->name,
                               vt_value_int((int64_t)part->categories[category->number]), NULL));
    }
    if (collections.map.count == 0) return VAULT_OK;
    VT_TRY(put(state, &map, "id", vt_value_str(category->id)));
    VT_TRY(put(state, &map, "name", vt_value_str(category->name)));
    VT_TRY(put(state, &map, "source", vt_value_str(category->source)));
    VT_TRY(put(state, &map, "dpv", vt_value_str(category->dpv)));
    VT_TRY(put(state, &map, "records", collections));
    return vt_value_push(state->env->pool, list, map, NULL);
}

VT_RESULT vt_export_categories(struct vt_export_state *state)
{
    struct vt_value map = vt_value_map(), list = vt_value_array();
    for (uint16_t number = 1; number <= VT_CATEGORY_MAX; number++)
        VT_TRY(category_value(state, vt_category_at(number), &list));
    VT_TRY(put_count(state, &map, "format", PACKAGE_FORMAT));
    VT_TRY(put(state, &map, "scheme", vt_value_str("Cal. Civ. Code 1798.140(v)(1), and U for what nobody has classified")));
    VT_TRY(put(state, &map, "categories", list));
    return add_json(state, "categories.json", &map);
}

/* Summary ----------------------------------------------------------------------------------------------------------- */

static VT_RESULT summary_categories(const struct vt_export_state *state, struct vt_buf *out)
{
    VT_TRY(vt_buf_append_str(out, "1. Categories of personal data collected\n"));
    bool is_any = false;
    for (uint16_t number = 1; number <= VT_CATEGORY_MAX; number++) {
        uint64_t records = 0;
        const struct vt_category *category = vt_category_at(number);
        for (size_t i = 0; i < state->part_count; i++) records += state->parts[i].categories[number];
        if (records == 0) continue;
        is_any = true;
        VT_TRY(vt_buf_printf(out, "   %s  %s: %llu record%s\n", category->id, category->name, (unsigned long long)records,
                             records == 1 ? "" : "s"));
    }
    return is_any ? VAULT_OK : vt_buf_append_str(out, "   None.\n");
}

static VT_RESULT summary_held(const struct vt_export_state *state, struct vt_buf *out)
{
    VT_TRY(vt_buf_append_str(out, "\nRecords held, and what became of them in this package\n"));
    for (size_t i = 0; i < state->part_count; i++) {
        const struct vt_export_part *part = &state->parts[i];
        if (part_held(part) == 0) continue;
        VT_TRY(vt_buf_printf(out, "   %s: %llu held, %llu whole, %llu in part, %llu withheld\n",
                             (const char *)part->entry->collection->name.data, (unsigned long long)part_held(part),
                             (unsigned long long)part->exported, (unsigned long long)part->redacted,
                             (unsigned long long)part->withheld));
    }
    return VAULT_OK;
}

static VT_RESULT summary_never_disclosed(const struct vt_export_state *state, struct vt_buf *out)
{
    VT_TRY(vt_buf_append_str(out, "\nHeld, and for safety never shown in an answer\n"));
    bool is_any = false;
    for (size_t i = 0; i < state->part_count; i++) {
        const struct vt_export_part *part = &state->parts[i];
        for (size_t j = 0; j < part->entry->collection->field_count; j++) {
            if (part->never_disclosed[j] == 0) continue;
            is_any = true;
            VT_TRY(vt_buf_printf(out, "   %s (%s): %llu\n", (const char *)part->entry->collection->fields[j].name.data,
                                 part->entry->collection->fields[j].type->name,
                                 (unsigned long long)part->never_disclosed[j]));
        }
    }
    return is_any ? VAULT_OK : vt_buf_append_str(out, "   Nothing.\n");
}

/* Only what this version knows is claimed; what it does not keep is said to be not kept. */
VT_RESULT vt_export_summary(struct vt_export_state *state)
{
    char when[VT_TIME_TEXT_LEN];
    VT_AUTO(vt_buf) out = VT_BUF_INIT(SMALL_FILE_MAX);
    vt_time_format(state->env->now_ms, when);
    VT_TRY(vt_buf_printf(&out, "Personal data held, as of %s\n\n", when));
    if (state->options->is_test_clock) VT_TRY(vt_buf_append_str(&out, "Made under a test clock: the times are not real.\n\n"));
    VT_TRY(summary_categories(state, &out));
    VT_TRY(vt_buf_append_str(&out, "2. Sources\n   The vault keeps no record of where data came from.\n"
                                   "3. Purposes of collection\n   The vault keeps none beside the data; its audit log keeps"
                                   " the purpose of each reading.\n"
                                   "4. Disclosed to others\n   The vault keeps no ledger of disclosures outside it.\n"
                                   "5. Sold\n   As under 4.\n"
                                   "6. Shared for advertising\n   As under 4.\n"));
    VT_TRY(summary_held(state, &out));
    VT_TRY(summary_never_disclosed(state, &out));
    return vt_package_add(state, "summary.txt", "text/plain; charset=utf-8", 0, &out);
}

/* Manifest ---------------------------------------------------------------------------------------------------------- */

static VT_RESULT manifest_subject(struct vt_export_state *state, struct vt_value *map)
{
    struct vt_value subject = vt_value_map(), range = vt_value_map();
    char hex[33];
    vt_hex_encode(VT_BYTES_OF(state->info.sid.bytes), hex);
    VT_TRY(put_copy(state, &subject, "sid", hex));
    if (state->info.external_id.data != NULL)
        VT_TRY(put(state, &subject, "external_id", vt_value_text(state->info.external_id)));
    VT_TRY(put(state, map, "subject", subject));
    VT_TRY(put_time(state, &range, "from", state->info.created_at_ms));
    VT_TRY(put_time(state, &range, "to", state->env->now_ms));
    return put(state, map, "range", range);
}

static VT_RESULT manifest_guard(struct vt_export_state *state, struct vt_value *map)
{
    struct vt_value guard = vt_value_map(), exempt = vt_value_array();
    for (size_t i = 0; i < vt_field_type_count(); i++) {
        const struct vt_field_type *type = vt_field_type_at(i);
        if ((type->flags & VT_FIELD_TYPED) != 0)
            VT_TRY(vt_value_push(state->env->pool, &exempt, vt_value_str(type->name), NULL));
    }
    VT_TRY(put(state, &guard, "in", vt_value_str("csv/")));
    VT_TRY(put(state, &guard, "rule", vt_value_str("A text cell that begins with = + - @ TAB CR LF, their full-width forms "
                                                   "or ' has one ' put in front; take exactly one off.")));
    VT_TRY(put(state, &guard, "exempt_types", exempt));
    return put(state, map, "formula_guard", guard);
}

static VT_RESULT manifest_files(struct vt_export_state *state, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < state->package->count; i++) {
        const struct vt_package_file *file = &state->package->files[i];
        struct vt_value item = vt_value_map();
        VT_TRY(put(state, &item, "path", vt_value_str(file->path)));
        VT_TRY(put(state, &item, "type", vt_value_str(file->type)));
        if (file->rows != 0) VT_TRY(put_count(state, &item, "rows", file->rows));
        VT_TRY(put_count(state, &item, "bytes", file->content.len));
        VT_TRY(put_copy(state, &item, "sha256", file->sha256));
        VT_TRY(vt_value_push(state->env->pool, &list, item, NULL));
    }
    return put(state, map, "files", list);
}

/* The note holds the manifest's hash and nothing of the person: it may be shown to others as proof of the time. */
static VT_RESULT add_note(struct vt_export_state *state)
{
    const struct vt_package_file *manifest = &state->package->files[state->package->count - 1];
    char when[VT_TIME_TEXT_LEN];
    VT_AUTO(vt_buf) text = VT_BUF_INIT(SMALL_FILE_MAX);
    VT_AUTO(vt_buf) note = VT_BUF_INIT(SMALL_FILE_MAX);
    vt_time_format(state->env->now_ms, when);
    VT_TRY(vt_buf_printf(&text, "vaultd export manifest v1\nvault %s\nmade-at %s\nmanifest-sha256 %s\n",
                         state->options->signer->name, when, manifest->sha256));
    if (state->options->is_test_clock) VT_TRY(vt_buf_append_str(&text, "test-clock\n"));
    VT_TRY(vt_note_sign(vt_buf_bytes(&text), state->options->signer, 1, &note));
    return vt_package_add(state, "manifest.note", "text/plain; charset=utf-8", 0, &note);
}

static VT_RESULT manifest_erased(struct vt_export_state *state, struct vt_value *map)
{
    struct vt_value list = vt_value_array();
    for (size_t i = 0; i < state->options->erased_count; i++) {
        const struct vt_export_erased *erased = &state->options->erased[i];
        struct vt_value item = vt_value_map();
        VT_TRY(put(state, &item, "category", vt_value_str(vt_category_at(erased->category)->id)));
        VT_TRY(put_count(state, &item, "certificate", erased->certificate));
        VT_TRY(vt_value_push(state->env->pool, &list, item, NULL));
    }
    return list.array.count == 0 ? VAULT_OK : put(state, map, "erased", list);
}

VT_RESULT vt_export_manifest(struct vt_export_state *state)
{
    const struct vt_export_options *options = state->options;
    struct vt_value map = vt_value_map();
    VT_TRY(put_count(state, &map, "format", PACKAGE_FORMAT));
    VT_TRY(put(state, &map, "software", vt_value_str(options->software)));
    VT_TRY(put(state, &map, "vault", vt_value_str(options->signer->name)));
    VT_TRY(put_time(state, &map, "made_at", state->env->now_ms));
    VT_TRY(put(state, &map, "test_clock", vt_value_bool(options->is_test_clock)));
    VT_TRY(manifest_subject(state, &map));
    VT_TRY(put(state, &map, "purpose", vt_value_text(options->purpose)));
    if (options->recipient.len != 0) VT_TRY(put(state, &map, "recipient", vt_value_text(options->recipient)));
    VT_TRY(put(state, &map, "includes_never_disclosed", vt_value_bool(options->include_never_disclosed)));
    VT_TRY(manifest_guard(state, &map));
    VT_TRY(put(state, &map, "collections", state->package->held));
    VT_TRY(manifest_erased(state, &map));
    VT_TRY(manifest_files(state, &map));
    VT_TRY(add_json(state, "manifest.json", &map));
    return add_note(state);
}
