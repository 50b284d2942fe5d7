/* A package: the walk over a person's records, and the counts that must agree. */
#include "vaultd/core/rights/export.h"

#include "libvault/codec/text.h"
#include "libvault/crypto/digest.h"
#include "vaultd/core/rights/export_internal.h"

/* Files and the frame around them stay below a reply's maximum. */
enum { PACKAGE_BYTES_MAX = VT_LIMIT_REPLY_BYTES - 1024 * 1024, FILES_MIN = 16 };

static vault_status too_large(const struct vt_export_state *state)
{
    return vt_fail(state->env->err, VAULT_E_TOO_LARGE, NULL,
                   "The package would exceed %d MiB, the most that one answer can carry.", PACKAGE_BYTES_MAX >> 20);
}

/* Package ----------------------------------------------------------------------------------------------------------- */

void vt_package_release(struct vt_package *package)
{
    for (size_t i = 0; i < package->count; i++) vt_buf_release(&package->files[i].content);
    *package = VT_PACKAGE_INIT;
}

static VT_RESULT package_grow(struct vt_export_state *state)
{
    struct vt_package *package = state->package;
    if (package->count < package->cap) return VAULT_OK;
    const size_t cap = package->cap != 0 ? 2 * package->cap : FILES_MIN;
    struct vt_package_file *grown = vt_pool_calloc(state->env->pool, cap, sizeof *grown);
    VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
    if (package->count != 0) memcpy(grown, package->files, package->count * sizeof *grown);
    package->files = grown;
    package->cap = cap;
    return VAULT_OK;
}

VT_RESULT vt_package_add(struct vt_export_state *state, const char *path, const char *type, uint64_t rows,
                         struct vt_buf *content)
{
    struct vt_package *package = state->package;
    uint8_t hash[VT_SHA256_LEN];
    if (content->len > PACKAGE_BYTES_MAX - package->bytes) return too_large(state);
    VT_TRY(package_grow(state));
    VT_TRY(vt_sha256_one(vt_buf_bytes(content), hash));
    struct vt_package_file *file = &package->files[package->count];
    const struct vt_bytes copy = vt_pool_copy(state->env->pool, vt_bytes_str(path));
    VT_ENSURE(copy.data != NULL, VAULT_E_MEMORY);
    *file = (struct vt_package_file){.path = (const char *)copy.data, .type = type, .rows = rows,
                                     .content = VT_BUF_INIT(content->max)};
    vt_buf_move(&file->content, content);
    vt_hex_encode(VT_BYTES_OF(hash), file->sha256);
    package->bytes += file->content.len;
    package->count++;
    return VAULT_OK;
}

/* Walking ----------------------------------------------------------------------------------------------------------- */

bool vt_export_is_kept_back(const struct vt_export_state *state, const struct vt_field *field)
{
    return vt_field_type_is_never_disclosed(field->type) && !state->options->include_never_disclosed;
}

static struct vt_export_part *part_of(const struct vt_export_state *state, uint16_t number)
{
    for (size_t i = 0; i < state->part_count; i++)
        if (state->parts[i].entry->number == number) return &state->parts[i];
    return NULL;
}

static void count_categories(struct vt_export_part *part, const struct vt_record *record)
{
    const struct vt_collection *collection = part->entry->collection;
    uint32_t seen = 0;
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct vt_field *field = &collection->fields[i];
        if (vt_value_get_bytes(&record->fields, field->name) != NULL) seen |= field->also | 1u << field->category;
    }
    for (uint16_t number = 1; number <= VT_CATEGORY_MAX; number++) part->categories[number] += (seen & 1u << number) != 0;
}

/* How many of the record's fields are handed out, and how many are only said to be held. */
static size_t count_kept_back(const struct vt_export_state *state, struct vt_export_part *part, const struct vt_record *record)
{
    const struct vt_collection *collection = part->entry->collection;
    size_t kept_back = 0;
    for (size_t i = 0; i < collection->field_count; i++) {
        const struct vt_field *field = &collection->fields[i];
        const bool is_held = vt_value_get_bytes(&record->fields, field->name) != NULL;
        if (!is_held || !vt_export_is_kept_back(state, field)) continue;
        part->never_disclosed[i]++;
        kept_back++;
    }
    return kept_back;
}

static VT_RESULT visit_readable(const struct vt_export_state *state, struct vt_export_part *part, const struct vt_record *record)
{
    const size_t kept_back = count_kept_back(state, part, record);
    const bool is_partly_erased = record->erased_categories != 0 && state->options->knows_erased;
    count_categories(part, record);
    if (kept_back != 0 && kept_back == record->fields.map.count) {
        part->withheld++;
        part->withheld_never_disclosed++;
        return VAULT_OK;
    }
    if (kept_back != 0 || is_partly_erased) part->redacted++;
    else part->exported++;
    return vt_export_row(state, part, record);
}

/* Who may not know of erasures sees what a vault would show that never had the record. */
static vault_status visit_record(void *context, const struct vt_record *record, vault_status status)
{
    struct vt_export_state *state = context;
    struct vt_export_part *part = part_of(state, record->collection->number);
    VT_ENSURE(part != NULL, VAULT_E_CORRUPT);
    if (status == VAULT_OK) return visit_readable(state, part, record);
    if (!state->options->knows_erased) {
        part->hidden++;
        return VAULT_OK;
    }
    part->withheld++;
    if (status == VAULT_E_ERASED) part->withheld_erased++;
    else part->withheld_pending++;
    return VAULT_OK;
}

static void visit_count(void *context, uint16_t number, uint64_t count)
{
    struct vt_export_part *part = part_of(context, number);
    if (part != NULL) part->counted = count;
}

/* Counted by the entries, counted by what became of each: no package unless both say the same. */
static VT_RESULT check_complete(const struct vt_export_state *state)
{
    for (size_t i = 0; i < state->part_count; i++) {
        const struct vt_export_part *part = &state->parts[i];
        if (part->exported + part->redacted + part->withheld + part->hidden == part->counted) continue;
        return vt_fail(state->env->err, VAULT_E_CORRUPT, NULL,
                       "The records found and the records counted differ in one collection: there is no package.");
    }
    return VAULT_OK;
}

static VT_RESULT parts_begin(struct vt_export_state *state)
{
    const size_t count = vt_schema_set_count(state->env->schemas);
    state->parts = vt_pool_calloc(state->env->pool, count + 1, sizeof *state->parts);
    VT_ENSURE(state->parts != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i < count; i++) {
        struct vt_export_part *part = &state->parts[i];
        part->entry = vt_schema_set_at(state->env->schemas, i);
        part->jsonl = part->csv = VT_BUF_INIT(PACKAGE_BYTES_MAX);
        part->never_disclosed = vt_pool_calloc(state->env->pool, part->entry->collection->field_count + 1, sizeof(uint64_t));
        VT_ENSURE(part->never_disclosed != NULL, VAULT_E_MEMORY);
        state->part_count++;
    }
    return VAULT_OK;
}

static VT_RESULT export_run(struct vt_export_state *state, const struct vt_sid *sid)
{
    VT_TRY(vt_subject_info(state->env, sid, &state->info));
    VT_TRY(parts_begin(state));
    VT_TRY(vt_record_counts(state->env, sid, visit_count, state));
    VT_TRY(vt_record_each(state->env, sid, visit_record, state));
    VT_TRY(check_complete(state));
    VT_TRY(vt_export_held(state, &state->package->held));
    for (size_t i = 0; i < state->part_count; i++) VT_TRY(vt_export_part_files(state, &state->parts[i]));
    VT_TRY(vt_export_categories(state));
    VT_TRY(vt_export_summary(state));
    return vt_export_manifest(state);
}

VT_RESULT vt_export(const struct vt_subject_env *env, const struct vt_sid *sid, const struct vt_export_options *options,
                    struct vt_package *out_package)
{
    VT_AUTO(vt_package) package = VT_PACKAGE_INIT;
    struct vt_export_state state = {.env = env, .options = options, .package = &package};
    const vault_status status = export_run(&state, sid);
    for (size_t i = 0; i < state.part_count; i++) {
        vt_buf_release(&state.parts[i].jsonl);
        vt_buf_release(&state.parts[i].csv);
    }
    const bool has_sentence = env->err != NULL && env->err->message[0] != '\0';
    if (status == VAULT_E_TOO_LARGE && !has_sentence) return too_large(&state);
    VT_TRY(status);
    *out_package = package;
    package = VT_PACKAGE_INIT;
    return VAULT_OK;
}
