/* libvault/schema/cmd_subject.c - subjects, their records, schemas. Ids 100 to 199. */
#include "libvault/codec/limits.h"
#include "libvault/schema/cmd_internal.h"

#define ARG_SUBJECT {"subject", VT_T_EXTERNAL_ID, VT_REQUIRED | VT_PERSONAL | VT_POSITIONAL, 256, "external id"}
#define ARG_SUBJECT_OR_SID                                                                                             \
    {"subject", VT_T_EXTERNAL_ID, VT_PERSONAL | VT_POSITIONAL | VT_IDENTIFIES, 256, "external id"},                    \
        {"sid", VT_T_ID, VT_IDENTIFIES, 0, "internal id, instead of the external one"}
#define ARG_COLLECTION {"collection", VT_T_NAME, VT_REQUIRED | VT_IDENTIFIES, 0, "whose schema the record obeys"}
#define ARG_RECORD {"record", VT_T_INT, VT_POSITIVE | VT_IDENTIFIES, 0, "record id; not needed where a subject has one record"}
#define ARG_VIEW {"view", VT_T_NAME, 0, 0, "plain, masked (default), last4 or redacted"}

const struct vt_command VT_CMD_SUBJECT_CREATE = {
    .id = 100, .name = "subject.create", .summary = "Create a subject under keys of its own.", .since = "0.1",
    .scope = VT_SCOPE_WRITE, .effect = VT_WRITES, .source = "docs/SCHEMAS.md",
    .args = VT_FIELDS({"external_id", VT_T_EXTERNAL_ID, VT_PERSONAL | VT_POSITIONAL, 256, "the application's id, byte for byte"},
                      {"records", VT_T_MAP, VT_PERSONAL, 0, "collection -> field map, or list of field maps"}),
    .results = VT_FIELDS({"sid", VT_T_ID, VT_REQUIRED, 0, "internal id"},
                         {"records", VT_T_MAP, VT_REQUIRED, 0, "collection -> record ids"}),
    .errors = VT_ERRORS(VAULT_E_EXISTS, VAULT_E_INVALID_VALUE, VAULT_E_UNKNOWN_FIELD, VAULT_E_NOT_FOUND, VAULT_E_STATE,
                        VAULT_E_LIMIT),
};

const struct vt_command VT_CMD_SUBJECT_SHOW = {
    .id = 101, .name = "subject.show", .summary = "What is held of a subject: collections, counts, categories; no values.",
    .since = "0.1", .scope = VT_SCOPE_READ, .effect = VT_READS, .flags = VT_NEEDS_PURPOSE, .source = "docs/PRIVACY.md",
    .args = VT_FIELDS(ARG_SUBJECT_OR_SID),
    .results = VT_FIELDS({"sid", VT_T_ID, VT_REQUIRED, 0, "internal id"}, {"created_at", VT_T_TIME, VT_REQUIRED, 0, "creation"},
                         {"collections", VT_T_MAP, VT_REQUIRED, 0, "collection -> count"},
                         {"categories", VT_T_LIST, VT_REQUIRED, 0, "categories with live keys"},
                         {"state", VT_T_NAME, VT_REQUIRED, 0, "live or shred-pending"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_ERASED, VAULT_E_SHRED_PENDING),
};

const struct vt_command VT_CMD_SUBJECT_LIST = {
    .id = 102, .name = "subject.list", .summary = "Subjects in order of internal id, paged.", .since = "0.1",
    .scope = VT_SCOPE_READ, .effect = VT_READS, .flags = VT_NEEDS_PURPOSE, .source = "docs/PROTOCOL.md",
    .args = VT_FIELDS({"limit", VT_T_INT, VT_POSITIVE, 1000, "at most so many; default 100"},
                      {"after", VT_T_ID, 0, 0, "continue behind this sid"}),
    .results = VT_FIELDS({"subjects", VT_T_LIST, VT_REQUIRED | VT_PERSONAL, 0, "sid, external_id, created_at"},
                         {"next", VT_T_ID, 0, 0, "pass as `after`; absent at the end"}),
};

const struct vt_command VT_CMD_SUBJECT_FIND = {
    .id = 103, .name = "subject.find", .summary = "Exact search on an indexed field; an oracle, so a scope of its own.",
    .since = "0.1", .scope = VT_SCOPE_SEARCH, .effect = VT_READS, .flags = VT_NEEDS_PURPOSE, .source = "docs/PROTOCOL.md",
    .args = VT_FIELDS(ARG_COLLECTION, {"field", VT_T_NAME, VT_REQUIRED, 0, "indexed field"},
                      {"value", VT_T_VALUE, VT_REQUIRED | VT_PERSONAL, 0, "compared after normalisation"},
                      {"limit", VT_T_INT, VT_POSITIVE, 1000, "at most so many; default 100"}),
    .results = VT_FIELDS({"matches", VT_T_LIST, VT_REQUIRED | VT_PERSONAL, 0, "sid, external_id, record"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_UNKNOWN_FIELD, VAULT_E_STATE, VAULT_E_INVALID_VALUE),
};

const struct vt_command VT_CMD_SUBJECT_EXPORT = {
    .id = 104, .name = "subject.export", .summary = "One person's package: manifest, JSON Lines, CSV.", .since = "0.1",
    .scope = VT_SCOPE_EXPORT, .effect = VT_READS, .flags = VT_NEEDS_PURPOSE | VT_SLOW, .source = "GDPR Art. 15, 20; docs/PRIVACY.md",
    .args = VT_FIELDS(ARG_SUBJECT_OR_SID,
                      {"include_never_disclosed", VT_T_BOOL, 0, 0,
                       "for a re-import by the controller only, never for the person: see docs/OPERATIONS.md"}),
    .results = VT_FIELDS({"files", VT_T_LIST, VT_REQUIRED | VT_PERSONAL, 0,
                          "path, content, sha256 and bytes of the whole file, offset: long ones come in pieces"},
                         {"held", VT_T_MAP, VT_REQUIRED, 0, "collection -> records held, exported, redacted, withheld"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_ERASED, VAULT_E_SHRED_PENDING, VAULT_E_TOO_LARGE),
};

const struct vt_command VT_CMD_SUBJECT_SHRED = {
    .id = 105, .name = "subject.shred", .summary = "Forget a subject, a category or a record by destroying keys.", .since = "0.1",
    .scope = VT_SCOPE_SHRED, .effect = VT_DESTROYS, .flags = VT_CONFIRM, .source = "GDPR Art. 17; docs/ERASURE.md",
    .args = VT_FIELDS({"subject", VT_T_EXTERNAL_ID, VT_PERSONAL | VT_POSITIONAL | VT_IDENTIFIES, 256, "who is forgotten"},
                      {"sid", VT_T_ID, VT_IDENTIFIES, 0, "internal id, instead"},
                      {"token", VT_T_TOKEN, VT_IDENTIFIES, 0, "the holder of this token, instead"},
                      {"subjects", VT_T_LIST_OF_EXTERNAL_ID, VT_PERSONAL | VT_IDENTIFIES, VT_LIMIT_BATCH_ITEMS,
                       "many at once, instead; not with record or dry_run"},
                      {"category", VT_T_TEXT, 0, 64, "only this category"},
                      {"record", VT_T_INT, VT_POSITIVE | VT_IDENTIFIES, 0, "only this record (collections with forget: record)"},
                      {"now", VT_T_BOOL, 0, 0, "close the epoch at once and answer when it is effective"},
                      {"dry_run", VT_T_BOOL, 0, 0, "say what would be destroyed, change nothing"},
                      {"legal_basis", VT_T_NAME, 0, 32, "code, e.g. gdpr-17-1-a; default `request`"},
                      {"reference", VT_T_TEXT, VT_PERSONAL, 256, "the controller's reference; only a salted commitment is kept"}),
    .results = VT_FIELDS({"certificate", VT_T_INT, 0, 0, "number"},
                         {"state", VT_T_NAME, 0, 0,
                          "pending, effective, dry-run; waiting: for the approval named; cancelled: taken back while this call waited"},
                         {"approval", VT_T_ID, 0, 0, "the brake on mass shredding holds it back: nothing is hidden yet, see approval.list"},
                         {"note", VT_T_TEXT, 0, 0, "the certificate: text and proof"},
                         {"salt", VT_T_TEXT, 0, 0, "hex; opens the commitment to the reference"},
                         {"counts", VT_T_MAP, 0, 0, "what is or would be destroyed; tokens: deterministic ones, random ones cannot be counted"},
                         {"items", VT_T_LIST, 0, 0, "per subject: certificate or error, for `subjects`"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_HELD, VAULT_E_KEEPER, VAULT_E_STATE, VAULT_E_LIMIT),
};

const struct vt_command VT_CMD_SUBJECT_CANCEL_SHRED = {
    .id = 106, .name = "subject.cancel-shred", .summary = "Take a pending shred back, before its epoch closes.", .since = "0.1",
    .scope = VT_SCOPE_SHRED, .effect = VT_WRITES, .flags = VT_STOPS_DESTRUCTION, .source = "docs/ERASURE.md",
    .args = VT_FIELDS({"certificate", VT_T_INT, VT_REQUIRED | VT_POSITIVE | VT_POSITIONAL | VT_IDENTIFIES, 0, "number of the pending certificate"}),
    .results = VT_FIELDS({"state", VT_T_NAME, VT_REQUIRED, 0, "cancelled"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_STATE),
};

const struct vt_command VT_CMD_RECORD_PUT = {
    .id = 110, .name = "record.put", .summary = "Add a record, or replace the fields given of an existing one.", .since = "0.1",
    .scope = VT_SCOPE_WRITE, .effect = VT_WRITES, .source = "docs/SCHEMAS.md",
    .args = VT_FIELDS(ARG_SUBJECT_OR_SID, ARG_COLLECTION,
                      {"record", VT_T_INT, VT_POSITIVE | VT_IDENTIFIES, 0, "record id, to replace fields of it; absent: a new record"},
                      {"fields", VT_T_MAP, VT_REQUIRED | VT_PERSONAL, 0, "field -> value; null removes"},
                      {"other_subject", VT_T_EXTERNAL_ID, VT_PERSONAL, 256, "second subject of a two-subject record"}),
    .results = VT_FIELDS({"record", VT_T_INT, VT_REQUIRED, 0, "record id"}, {"version", VT_T_INT, VT_REQUIRED, 0, "row version"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_EXISTS, VAULT_E_INVALID_VALUE, VAULT_E_UNKNOWN_FIELD, VAULT_E_LIMIT,
                        VAULT_E_CONFLICT, VAULT_E_SHRED_PENDING, VAULT_E_HELD),
};

const struct vt_command VT_CMD_RECORD_GET = {
    .id = 111, .name = "record.get", .summary = "Read a record, masked unless asked plain.", .since = "0.1",
    .scope = VT_SCOPE_READ, .effect = VT_READS, .flags = VT_NEEDS_PURPOSE, .source = "docs/PROTOCOL.md",
    .args = VT_FIELDS(ARG_SUBJECT_OR_SID, ARG_COLLECTION, ARG_RECORD, {"fields", VT_T_LIST_OF_NAME, 0, 256, "only these"}, ARG_VIEW),
    .results = VT_FIELDS({"record", VT_T_INT, VT_REQUIRED, 0, "record id"}, {"fields", VT_T_MAP, VT_REQUIRED | VT_PERSONAL, 0, "values"},
                         {"erased", VT_T_LIST, 0, 0, "categories of this record that are erased"},
                         {"updated_at", VT_T_TIME, VT_REQUIRED, 0, "last write"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_UNKNOWN_FIELD, VAULT_E_ERASED, VAULT_E_SHRED_PENDING),
};

const struct vt_command VT_CMD_RECORD_LIST = {
    .id = 112, .name = "record.list", .summary = "A subject's records of a collection, paged, masked unless asked plain.",
    .since = "0.1", .scope = VT_SCOPE_READ, .effect = VT_READS, .flags = VT_NEEDS_PURPOSE, .source = "docs/PROTOCOL.md",
    .args = VT_FIELDS(ARG_SUBJECT_OR_SID, ARG_COLLECTION, {"limit", VT_T_INT, VT_POSITIVE, 1000, "default 100"},
                      {"after", VT_T_INT, 0, 0, "continue behind this record id"}, ARG_VIEW),
    .results = VT_FIELDS({"records", VT_T_LIST, VT_REQUIRED | VT_PERSONAL, 0, "record, fields, updated_at"},
                         {"next", VT_T_INT, 0, 0, "pass as `after`; absent at the end"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_ERASED, VAULT_E_SHRED_PENDING),
};

const struct vt_command VT_CMD_RECORD_CORRECT = {
    .id = 113, .name = "record.correct", .summary = "Correct fields so that the old values die with the epoch: the category gets a new key.",
    .since = "0.1", .scope = VT_SCOPE_WRITE, .effect = VT_DESTROYS, .source = "GDPR Art. 16; docs/ERASURE.md",
    .args = VT_FIELDS(ARG_SUBJECT_OR_SID, ARG_COLLECTION, ARG_RECORD,
                      {"fields", VT_T_MAP, VT_REQUIRED | VT_PERSONAL, 0, "field -> corrected value; null removes"},
                      {"forget_old", VT_T_BOOL, 0, 0, "default true: older copies of the category die with the old key"}),
    .results = VT_FIELDS({"record", VT_T_INT, VT_REQUIRED, 0, "record id"}, {"version", VT_T_INT, VT_REQUIRED, 0, "row version"},
                         {"resealed", VT_T_INT, VT_REQUIRED, 0, "rows sealed again under the new key"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_INVALID_VALUE, VAULT_E_UNKNOWN_FIELD, VAULT_E_CONFLICT, VAULT_E_SHRED_PENDING,
                        VAULT_E_HELD),
};

const struct vt_command VT_CMD_RECORD_DELETE = {
    .id = 114, .name = "record.delete", .summary = "Delete a record's rows; its keys stay unless the collection forgets by record.",
    .since = "0.1", .scope = VT_SCOPE_WRITE, .effect = VT_DESTROYS, .flags = VT_CONFIRM, .source = "docs/ERASURE.md",
    .args = VT_FIELDS(ARG_SUBJECT_OR_SID, ARG_COLLECTION, ARG_RECORD),
    .results = VT_FIELDS({"rows", VT_T_INT, VT_REQUIRED, 0, "deleted"},
                         {"is_forgotten_with_epoch", VT_T_BOOL, VT_REQUIRED, 0, "whether backups lose it too"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_HELD, VAULT_E_SHRED_PENDING),
};

const struct vt_command VT_CMD_RECORD_IMPORT = {
    .id = 115, .name = "record.import", .summary = "Import rows of a file: one row is one unit across collections.", .since = "0.1",
    .scope = VT_SCOPE_WRITE, .effect = VT_WRITES, .source = "docs/OPERATIONS.md", .alias = "import",
    .args = VT_FIELDS({"file_sha256", VT_T_TEXT, VT_REQUIRED, 64, "hex hash of the whole file: the import's identity"},
                      {"mapping", VT_T_MAP, VT_REQUIRED, 0, "columns to collections and fields"},
                      {"first_record", VT_T_INT, VT_REQUIRED | VT_POSITIVE, 0, "number of the first row sent; rows of data count from 1, a header does not"},
                      {"rows", VT_T_LIST, VT_REQUIRED | VT_PERSONAL, VT_LIMIT_BATCH_ITEMS, "maps of column -> text, or value; absent cells absent"}),
    .results = VT_FIELDS({"imported", VT_T_INT, VT_REQUIRED, 0, "rows stored"},
                         {"rejected", VT_T_LIST, VT_REQUIRED, 0, "record number, status, field, message; never a value"},
                         {"rejected_count", VT_T_INT, VT_REQUIRED, 0, "how many; also when the range is skipped"},
                         {"skipped", VT_T_BOOL, VT_REQUIRED, 0, "this range had been imported before"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND, VAULT_E_UNKNOWN_FIELD, VAULT_E_REFUSED_TYPE, VAULT_E_STATE),
};

const struct vt_command VT_CMD_RECORD_IMPORT_STATUS = {
    .id = 116, .name = "record.import-status", .summary = "Which ranges of a file have been imported.", .since = "0.1",
    .scope = VT_SCOPE_WRITE, .effect = VT_READS, .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"file_sha256", VT_T_TEXT, VT_REQUIRED, 64, "hex hash of the whole file"}),
    .results = VT_FIELDS({"ranges", VT_T_LIST, VT_REQUIRED, 0, "first_record, count, imported, rejected"}),
};

const struct vt_command VT_CMD_SCHEMA_APPLY = {
    .id = 120, .name = "schema.apply", .summary = "Create or extend collections from a schema file.", .since = "0.1",
    .scope = VT_SCOPE_ADMIN, .effect = VT_WRITES, .source = "docs/SCHEMAS.md",
    .args = VT_FIELDS({"schema", VT_T_TEXT, VT_REQUIRED | VT_FROM_FILE | VT_POSITIONAL, VT_LIMIT_YAML_BYTES, "YAML"}),
    .results = VT_FIELDS({"collections", VT_T_LIST, VT_REQUIRED, 0, "name, version, created or extended"}),
    .errors = VT_ERRORS(VAULT_E_PARSE, VAULT_E_UNKNOWN_FIELD, VAULT_E_REFUSED_TYPE, VAULT_E_STATE),
};

const struct vt_command VT_CMD_SCHEMA_SHOW = {
    .id = 121, .name = "schema.show", .summary = "One collection, as it is in force.", .since = "0.1", .scope = VT_SCOPE_NONE,
    .effect = VT_READS, .source = "docs/SCHEMAS.md",
    .args = VT_FIELDS({"collection", VT_T_NAME, VT_REQUIRED | VT_POSITIONAL | VT_IDENTIFIES, 0, "name"}),
    .results = VT_FIELDS({"collection", VT_T_MAP, VT_REQUIRED, 0, "the schema"}), .errors = VT_ERRORS(VAULT_E_NOT_FOUND),
};

const struct vt_command VT_CMD_SCHEMA_LIST = {
    .id = 122, .name = "schema.list", .summary = "All collections with their fields, types and options.", .since = "0.1",
    .scope = VT_SCOPE_NONE, .effect = VT_READS, .source = "docs/SCHEMAS.md",
    .results = VT_FIELDS({"collections", VT_T_LIST, VT_REQUIRED, 0, "name, version, fields"}),
};
