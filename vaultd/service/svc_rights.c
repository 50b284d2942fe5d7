/* vaultd/service/svc_rights.c - import of files, and a person's package. */
#include "libvault/codec/limits.h"
#include "libvault/codec/text.h"
#include "libvault/proof/checkpoint.h"
#include "libvault/proof/note.h"
#include "vaultd/core/rights/export.h"
#include "vaultd/core/rights/import.h"
#include "vaultd/service/bind.h"

/* record.import ------------------------------------------------------------------------------------------------------ */

struct importing {
    struct vt_call *call;
    uint8_t file[VT_IMPORT_FILE_LEN];
    const struct vt_value *rows;
    struct vt_import_range range;
    struct vt_value rejected;
};

static VT_RESULT import_file(struct vt_call *call, uint8_t out_file[VT_IMPORT_FILE_LEN])
{
    if (vt_hex_decode(vt_call_text(call, "file_sha256"), out_file, VT_IMPORT_FILE_LEN) == VAULT_OK) return VAULT_OK;
    return vt_fail(&call->err, VAULT_E_ARGUMENT, "file_sha256", "The hash of the file is 64 hex digits.");
}

static VT_RESULT import_result(struct importing *importing, bool is_skipped)
{
    struct vt_call *call = importing->call;
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_int(call, &map, "imported", importing->range.imported));
    VT_TRY(vt_put_value(call, &map, "rejected", importing->rejected));
    VT_TRY(vt_put_int(call, &map, "rejected_count", importing->range.rejected));
    VT_TRY(vt_put_bool(call, &map, "skipped", is_skipped));
    return vt_call_result(call, &map);
}

/* Who may not know that somebody is being forgotten hears that there is nobody. */
static VT_RESULT import_reject(struct importing *importing, uint64_t record, vault_status status)
{
    struct vt_call *call = importing->call;
    struct vt_value map = vt_value_map();
    if (status == VAULT_E_SHRED_PENDING && !vt_call_has_scope(call, VT_SCOPE_KNOW_ERASED))
        status = vt_fail(&call->err, VAULT_E_NOT_FOUND, "external_id",
                         "There is no subject with one of the row's external ids.");
    VT_TRY(vt_put_int(call, &map, "record", (int64_t)record));
    VT_TRY(vt_put_item_error(call, &map, status));
    importing->range.rejected++;
    return vt_value_push(&call->scratch, &importing->rejected, map, NULL);
}

static VT_RESULT import_rows(struct importing *importing, struct vt_import *import)
{
    for (size_t i = 0; i < importing->range.count; i++) {
        const vault_status status = vt_import_row(import, &importing->rows->array.items[i]);
        if (status == VAULT_OK) importing->range.imported++;
        if (status != VAULT_OK && !vt_import_rejects(status)) return status;
        if (status != VAULT_OK) VT_TRY(import_reject(importing, importing->range.first + i, status));
    }
    return vt_import_finish(import);
}

/* New subjects have no audit key yet: their creation is what the leaf is about. */
static VT_RESULT import_touch(struct importing *importing, const struct vt_import *import)
{
    static const char WHAT[] = "import";
    const struct vt_sid *sid;
    for (size_t at = vt_import_touched(import, 0, &sid); at != 0; at = vt_import_touched(import, at, &sid))
        VT_TRY(vt_call_touch(importing->call, sid, vt_bytes_str(WHAT)));
    importing->call->item_count = importing->range.imported;
    return VAULT_OK;
}

static VT_RESULT import_run(struct importing *importing)
{
    struct vt_call *call = importing->call;
    struct vt_subject_env env;
    struct vt_change *change;
    VT_AUTO_PTR(vt_import) import = NULL;
    vt_call_env(call, &env);
    VT_TRY(vt_call_change(call, &change));
    VT_TRY(vt_import_new(&env, vt_call_value(call, "mapping"), change, &import));
    call->retries_checks = true;
    VT_TRY(import_rows(importing, import));
    VT_TRY(vt_import_range_put(call->view, change, &call->scratch, importing->file, &importing->range));
    return import_touch(importing, import);
}

static vault_status record_import_prepare(struct vt_call *call)
{
    struct importing importing = {.call = call, .rows = vt_call_value(call, "rows"), .rejected = vt_value_array()};
    struct vt_import_range before;
    VT_TRY(import_file(call, importing.file));
    importing.range.first = (uint64_t)vt_call_int(call, "first_record", 1);
    importing.range.count = (uint32_t)importing.rows->array.count;
    if (importing.range.count == 0) return vt_fail(&call->err, VAULT_E_ARGUMENT, "rows", "There is no row to import.");
    const vault_status found = vt_import_range_find(call->view, importing.file, &importing.range, &before);
    if (found == VAULT_E_STATE)
        return vt_fail(&call->err, found, "first_record",
                       "A part of these records was imported in ranges with other borders; record.import-status lists them.");
    if (found != VAULT_E_NOT_FOUND) VT_TRY(found);
    if (found == VAULT_OK) importing.range = before;
    if (found == VAULT_E_NOT_FOUND) VT_TRY(import_run(&importing));
    return import_result(&importing, found == VAULT_OK);
}
const struct vt_handler VT_HANDLER_RECORD_IMPORT = {.command = "record.import", .prepare = record_import_prepare};

static VT_RESULT range_value(struct vt_call *call, const struct vt_import_range *range, struct vt_value *list)
{
    struct vt_value map = vt_value_map();
    VT_TRY(vt_put_int(call, &map, "first_record", (int64_t)range->first));
    VT_TRY(vt_put_int(call, &map, "count", range->count));
    VT_TRY(vt_put_int(call, &map, "imported", range->imported));
    VT_TRY(vt_put_int(call, &map, "rejected", range->rejected));
    return vt_value_push(&call->scratch, list, map, NULL);
}

static vault_status record_import_status_prepare(struct vt_call *call)
{
    uint8_t file[VT_IMPORT_FILE_LEN];
    struct vt_value map = vt_value_map(), list = vt_value_array();
    struct vt_import_range range = {.first = 0};
    vault_status found;
    VT_TRY(import_file(call, file));
    while ((found = vt_import_range_next(call->view, file, range.first + range.count, &range)) == VAULT_OK)
        VT_TRY(range_value(call, &range, &list));
    VT_ENSURE(found == VAULT_E_NOT_FOUND, found);
    VT_TRY(vt_put_value(call, &map, "ranges", list));
    return vt_call_result(call, &map);
}
const struct vt_handler VT_HANDLER_RECORD_IMPORT_STATUS = {.command = "record.import-status",
                                                           .prepare = record_import_status_prepare};

/* subject.export ----------------------------------------------------------------------------------------------------- */

/* One value of a message is at most VT_LIMIT_VALUE_BYTES long, so a longer file comes in pieces, each with its place. */
static VT_RESULT file_value(struct vt_call *call, const struct vt_package_file *file, size_t offset, struct vt_value *list)
{
    struct vt_value map = vt_value_map();
    const size_t len = VT_MIN(file->content.len - offset, (size_t)VT_LIMIT_VALUE_BYTES);
    VT_TRY(vt_put_value(call, &map, "path", vt_value_str(file->path)));
    VT_TRY(vt_put_value(call, &map, "content", vt_value_bytes(vt_bytes(file->content.data + offset, len))));
    VT_TRY(vt_put_value(call, &map, "sha256", vt_value_str(file->sha256)));
    VT_TRY(vt_put_int(call, &map, "offset", (int64_t)offset));
    VT_TRY(vt_put_int(call, &map, "bytes", (int64_t)file->content.len));
    return vt_value_push(&call->scratch, list, map, NULL);
}

static VT_RESULT package_result(struct vt_call *call, const struct vt_package *package)
{
    struct vt_value map = vt_value_map(), list = vt_value_array();
    for (size_t i = 0; i < package->count; i++) {
        size_t offset = 0;
        do {
            VT_TRY(file_value(call, &package->files[i], offset, &list));
            offset += VT_LIMIT_VALUE_BYTES;
        } while (offset < package->files[i].content.len);
    }
    VT_TRY(vt_put_value(call, &map, "files", list));
    VT_TRY(vt_put_value(call, &map, "held", package->held));
    return vt_call_result(call, &map);
}

static VT_RESULT export_options(struct vt_call *call, struct vt_note_signer *signer, char origin[VT_ORIGIN_LEN],
                                struct vt_export_options *out_options)
{
    vt_origin_format(vt_keyring_view_vault_id(call->view)->bytes, vt_keyring_view_incarnation(call->view), origin);
    *signer = (struct vt_note_signer){origin, vt_keyring_system_key(call->view, VT_SYSTEM_KEY_CERTIFICATE_SIGN)};
    VT_ENSURE(signer->seed != NULL, VAULT_E_CORRUPT);
    *out_options = (struct vt_export_options){
        .include_never_disclosed = vt_call_bool(call, "include_never_disclosed", false),
        .knows_erased = vt_call_has_scope(call, VT_SCOPE_KNOW_ERASED),
        .is_test_clock = vt_vault_clock(call->vault)->is_test_clock,
        .software = "vaultd " VT_VERSION,
        .purpose = call->purpose,
        .recipient = call->recipient,
        .signer = signer,
    };
    return VAULT_OK;
}

/* A category that was forgotten has left nothing behind but its line in the ledger. */
static VT_RESULT export_erased(struct vt_call *call, const struct vt_sid *sid, struct vt_export_options *options)
{
    if (!options->knows_erased) return VAULT_OK;
    struct vt_export_erased *list = vt_pool_calloc(&call->scratch, VT_CATEGORY_MAX, sizeof *list);
    VT_ENSURE(list != NULL, VAULT_E_MEMORY);
    for (uint16_t category = 1; category <= VT_CATEGORY_MAX; category++) {
        struct vt_ledger_entry entry;
        const vault_status found = vt_ledger_find(call->view, &(struct vt_scope){.sid = *sid, .category = category}, &entry);
        if (found == VAULT_E_NOT_FOUND) continue;
        VT_TRY(found);
        if (entry.op == VT_LEDGER_SHRED) list[options->erased_count++] = (struct vt_export_erased){category, entry.certificate};
    }
    options->erased = list;
    return VAULT_OK;
}

/* The log says of a package whether it held what is never shown to people. */
static VT_RESULT export_touch(struct vt_call *call, const struct vt_sid *sid, const struct vt_export_options *options)
{
    const char *what = options->include_never_disclosed ? "export with never-disclosed fields" : "export";
    return vt_call_touch(call, sid, vt_bytes_str(what));
}

static vault_status subject_export_prepare(struct vt_call *call)
{
    struct vt_sid sid;
    struct vt_subject_env env;
    struct vt_note_signer signer;
    struct vt_export_options options;
    char origin[VT_ORIGIN_LEN];
    VT_AUTO(vt_package) package = VT_PACKAGE_INIT;
    VT_TRY(vt_call_subject(call, &sid));
    vt_call_env(call, &env);
    VT_TRY(export_options(call, &signer, origin, &options));
    VT_TRY(export_erased(call, &sid, &options));
    VT_TRY(vt_export(&env, &sid, &options, &package));
    VT_TRY(export_touch(call, &sid, &options));
    return package_result(call, &package);
}
const struct vt_handler VT_HANDLER_SUBJECT_EXPORT = {.command = "subject.export", .prepare = subject_export_prepare};
