/* libvault/schema/cmd_admin.c - credentials, the audit log, certificates. Ids 250 to 299. */
#include "libvault/schema/cmd_internal.h"

const struct vt_command VT_CMD_CREDENTIAL_CREATE = {
    .id = 250, .name = "credential.create", .summary = "A new credential; its secret is shown once.", .since = "0.1",
    .scope = VT_SCOPE_ADMIN, .effect = VT_WRITES, .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"name", VT_T_NAME, VT_REQUIRED | VT_POSITIONAL, 0, "of the application or person"},
                      {"role", VT_T_NAME, VT_REQUIRED, 0, "application, privacy, approver, operator, administrator or auditor"},
                      {"expires_at", VT_T_TIME, 0, 0, "in the future; absent: never"}),
    .results = VT_FIELDS({"principal", VT_T_ID, VT_REQUIRED, 0, "id in audit leaves"},
                         {"secret", VT_T_SECRET, VT_REQUIRED | VT_PERSONAL, 0, "vsk_..., shown once"}),
    .errors = VT_ERRORS(VAULT_E_EXISTS, VAULT_E_ARGUMENT),
};

const struct vt_command VT_CMD_CREDENTIAL_LIST = {
    .id = 251, .name = "credential.list", .summary = "All credentials, without secrets.", .since = "0.1", .scope = VT_SCOPE_ADMIN,
    .effect = VT_READS, .source = "docs/OPERATIONS.md",
    .results = VT_FIELDS({"credentials", VT_T_LIST, VT_REQUIRED, 0, "principal, name, role, created_at, expires_at, state: live, expired or revoked"}),
};

const struct vt_command VT_CMD_CREDENTIAL_REVOKE = {
    .id = 252, .name = "credential.revoke", .summary = "Revoke a credential; it takes effect at its next call.", .since = "0.1",
    .scope = VT_SCOPE_ADMIN, .effect = VT_WRITES, .flags = VT_CONFIRM | VT_STOPS_DESTRUCTION, .source = "docs/OPERATIONS.md",
    .args = VT_FIELDS({"name", VT_T_NAME, VT_REQUIRED | VT_POSITIONAL | VT_IDENTIFIES, 0, "its name"}),
    .results = VT_FIELDS({"state", VT_T_NAME, VT_REQUIRED, 0, "revoked"}), .errors = VT_ERRORS(VAULT_E_NOT_FOUND),
};

const struct vt_command VT_CMD_AUDIT_TAIL = {
    .id = 260, .name = "audit.tail", .summary = "Audit leaves in order, paged.", .since = "0.1", .scope = VT_SCOPE_AUDIT,
    .effect = VT_READS, .source = "RFC 6962",
    .args = VT_FIELDS({"from", VT_T_INT, 0, 0, "first sequence; absent: the last `limit` leaves"},
                      {"limit", VT_T_INT, VT_POSITIVE, 1000, "default 50"}),
    .results = VT_FIELDS({"leaves", VT_T_LIST, VT_REQUIRED, 0, "sequence, time, command, effect, status, principal, purpose, items, hash"},
                         {"size", VT_T_INT, VT_REQUIRED, 0, "of the tree"}),
};

const struct vt_command VT_CMD_AUDIT_PROVE = {
    .id = 261, .name = "audit.prove", .summary = "Inclusion proof of a leaf, or consistency proof from an older size.", .since = "0.1",
    .scope = VT_SCOPE_AUDIT, .effect = VT_READS, .source = "RFC 6962 sections 2.1.1 and 2.1.2; C2SP tlog-proof",
    .args = VT_FIELDS({"sequence", VT_T_INT, 0, 0, "leaf to prove"}, {"from_size", VT_T_INT, 0, 0, "older tree size, instead"}),
    .results = VT_FIELDS({"size", VT_T_INT, VT_REQUIRED, 0, "tree size proven against"}, {"root", VT_T_BYTES, VT_REQUIRED, 0, "its root"},
                         {"leaf", VT_T_BYTES, 0, 0, "the leaf's bytes"}, {"hashes", VT_T_LIST, VT_REQUIRED, 0, "the proof"},
                         {"proof", VT_T_TEXT, 0, 0, "as a tlog-proof file"}, {"checkpoint", VT_T_TEXT, VT_REQUIRED, 0, "signed"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND),
};

const struct vt_command VT_CMD_AUDIT_VERIFY = {
    .id = 262, .name = "audit.verify", .summary = "Recompute the whole tree from the stored leaves.", .since = "0.1",
    .scope = VT_SCOPE_AUDIT, .effect = VT_READS, .flags = VT_SLOW, .source = "RFC 6962",
    .results = VT_FIELDS({"is_sound", VT_T_BOOL, VT_REQUIRED, 0, "all hashes agree"}, {"size", VT_T_INT, VT_REQUIRED, 0, "leaves checked"},
                         {"root", VT_T_BYTES, VT_REQUIRED, 0, "root"}, {"fault", VT_T_TEXT, 0, 0, "what is wrong, where"}),
};

const struct vt_command VT_CMD_AUDIT_CHECKPOINT = {
    .id = 263, .name = "audit.checkpoint", .summary = "A signed checkpoint of the tree as it is.", .since = "0.1",
    .scope = VT_SCOPE_AUDIT, .effect = VT_READS, .source = "C2SP tlog-checkpoint",
    .results = VT_FIELDS({"checkpoint", VT_T_TEXT, VT_REQUIRED, 0, "signed note"}, {"verifier_key", VT_T_TEXT, VT_REQUIRED, 0, "C2SP vkey"}),
};

const struct vt_command VT_CMD_AUDIT_EXPORT = {
    .id = 264, .name = "audit.export", .summary = "Leaves as bytes, for verification elsewhere, paged.", .since = "0.1",
    .scope = VT_SCOPE_AUDIT, .effect = VT_READS, .source = "RFC 6962",
    .args = VT_FIELDS({"from", VT_T_INT, 0, 0, "first sequence; default 0"}, {"limit", VT_T_INT, VT_POSITIVE, 10000, "default 1000"}),
    .results = VT_FIELDS({"leaves", VT_T_LIST, VT_REQUIRED, 0, "bytes"}, {"size", VT_T_INT, VT_REQUIRED, 0, "of the tree"}),
};

const struct vt_command VT_CMD_CERTIFICATE_SHOW = {
    .id = 270, .name = "certificate.show", .summary = "A certificate of destruction in its newest state.", .since = "0.1",
    .scope = VT_SCOPE_KNOW_ERASED, .effect = VT_READS, .source = "docs/ERASURE.md",
    .args = VT_FIELDS({"number", VT_T_INT, VT_REQUIRED | VT_POSITIVE | VT_POSITIONAL | VT_IDENTIFIES, 0, "its number"}),
    .results = VT_FIELDS({"number", VT_T_INT, VT_REQUIRED, 0, "its number"}, {"state", VT_T_NAME, VT_REQUIRED, 0, "pending, effective or final"},
                         {"note", VT_T_TEXT, VT_REQUIRED, 0, "text and proof, readable as it is"},
                         {"certificate", VT_T_MAP, VT_REQUIRED, 0, "the same as data"},
                         {"verifier_key", VT_T_TEXT, VT_REQUIRED, 0, "C2SP vkey that it verifies with, offline too"}),
    .errors = VT_ERRORS(VAULT_E_NOT_FOUND),
};

const struct vt_command VT_CMD_CERTIFICATE_VERIFY = {
    .id = 271, .name = "certificate.verify", .summary = "Check a certificate's text, proof and signature.", .since = "0.1",
    .scope = VT_SCOPE_NONE, .effect = VT_READS, .source = "C2SP tlog-proof",
    .args = VT_FIELDS({"note", VT_T_TEXT, VT_REQUIRED | VT_FROM_FILE | VT_POSITIONAL, 262144, "the certificate as it was handed out"}),
    .results = VT_FIELDS({"is_authentic", VT_T_BOOL, VT_REQUIRED, 0, "signed by this vault"}, {"state", VT_T_NAME, 0, 0, "as certificate.show"},
                         {"number", VT_T_INT, 0, 0, "its number"}, {"reason", VT_T_TEXT, 0, 0, "why it is not authentic"}),
};
